// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "journal/format.h"
#include "journal/record.h"
#include "journal/recovery.h"
#include "seal/seal.h"
#include "store/kv_sim.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include "store/rebuild.h"

// One authentic record.
struct seen {
    uint8_t type;
    uint64_t receipt;
    uint32_t chunk;
    struct journal_position at;
};

struct closed {
    uint64_t receipt;
    uint16_t stream;
    struct journal_position at;
    struct journal_position opened;
    uint8_t *index;
    size_t index_length;
};

// What archives were reported to have, over all lives; and copies.
struct reported {
    uint64_t receipt;
    uint32_t archive;
    bool has_it;        // answered, or owed no more
    bool is_owed_again; // at some time: says nothing then
    bool is_on_disk;
    bool is_in_dead;    // says a segment that died: whether a ledger made anew reads that far is open
    unsigned recovered; // the first look after which the ledger had it; 0: none yet
};

struct copied {
    uint64_t receipt;
    struct journal_position at;
    bool is_on_disk; // and whole
    unsigned look;   // that found it first
};

struct oracle {
    unsigned looks;
    struct reported *reported;
    size_t reported_count, reported_capacity;
    struct copied *copied;
    size_t copied_count, copied_capacity;
    struct seen *seen;
    size_t seen_count, seen_capacity;
    struct closed *closed;
    size_t closed_count, closed_capacity;
};

static void clear(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->closed_count; i++)
        free(oracle->closed[i].index);
    oracle->seen_count = oracle->closed_count = 0;
    for (size_t i = 0; i < oracle->reported_count; i++)
        oracle->reported[i].is_on_disk = oracle->reported[i].is_in_dead = false;
    for (size_t i = 0; i < oracle->copied_count; i++)
        oracle->copied[i].is_on_disk = false;
}

void oracle_free(struct history *history)
{
    if (history->oracle == NULL)
        return;
    clear(history->oracle);
    free(history->oracle->seen);
    free(history->oracle->closed);
    free(history->oracle->reported);
    free(history->oracle->copied);
    free(history->oracle);
    history->oracle = NULL;
}

static void note_seen(struct oracle *oracle, const struct journal_header *header, struct journal_position at)
{
    if (oracle->seen_count == oracle->seen_capacity) {
        oracle->seen_capacity = 256 + 2 * oracle->seen_capacity;
        oracle->seen = realloc(oracle->seen, oracle->seen_capacity * sizeof *oracle->seen);
        ensure(oracle->seen != NULL);
    }
    oracle->seen[oracle->seen_count++] = (struct seen){header->type, header->receipt, header->chunk, at};
}

static void note_closed(struct oracle *oracle, const struct journal_header *header,
                        struct journal_position at, struct slice body)
{
    struct record_close close;
    if (record_close_decode(body, &close) != OK || close.archive_count == 0)
        return;
    if (oracle->closed_count == oracle->closed_capacity) {
        oracle->closed_capacity = 64 + 2 * oracle->closed_capacity;
        oracle->closed = realloc(oracle->closed, oracle->closed_capacity * sizeof *oracle->closed);
        ensure(oracle->closed != NULL);
    }
    struct closed *closed = &oracle->closed[oracle->closed_count++];
    *closed =
        (struct closed){header->receipt,   header->stream, at, close.opened, malloc(close.index.length + 1),
                        close.index.length};
    ensure(closed->index != NULL);
    if (close.index.length > 0)
        memcpy(closed->index, close.index.data, close.index.length);
    closed->opened.stream = header->stream;
}

static void note_reported(struct oracle *oracle, struct slice body, bool is_dead)
{
    struct record_outcome outcome;
    struct reported *reported = NULL;
    if (record_outcome_decode(body, &outcome) != OK)
        return;
    for (size_t i = 0; i < oracle->reported_count && reported == NULL; i++)
        if (oracle->reported[i].receipt == outcome.receipt && oracle->reported[i].archive == outcome.archive)
            reported = &oracle->reported[i];
    if (reported == NULL) {
        if (oracle->reported_count == oracle->reported_capacity) {
            oracle->reported_capacity = 64 + 2 * oracle->reported_capacity;
            oracle->reported =
                realloc(oracle->reported, oracle->reported_capacity * sizeof *oracle->reported);
            ensure(oracle->reported != NULL);
        }
        reported = &oracle->reported[oracle->reported_count++];
        *reported = (struct reported){.receipt = outcome.receipt, .archive = outcome.archive};
    }
    bool has_it = outcome.kind == RECORD_ANSWERED || outcome.kind == RECORD_SETTLED ||
                  outcome.kind == RECORD_DROPPED_PERSON || outcome.kind == RECORD_SUPERSEDED;
    if (is_dead) {
        reported->is_in_dead |= has_it;
        return;
    }
    reported->has_it |= has_it;
    reported->is_on_disk |= has_it;
    reported->is_owed_again |= outcome.kind == RECORD_UNPARKED || outcome.kind == RECORD_PARKED;
}

// ---- reading a segment ----

static bool record_take(struct oracle *oracle, struct seal_cipher *cipher, struct seal_key *key,
                        struct journal_position at, uint8_t *bytes, size_t size, bool is_dead, size_t *step)
{
    struct journal_header header;
    uint8_t body[JOURNAL_RECORD_MAX];
    uint8_t *record = bytes + at.offset;
    if (journal_header_decode(record, &header) != OK || !journal_header_fits(&header, at, size))
        return false;
    const uint8_t *sealed = record + JOURNAL_HEADER_SIZE;
    if (seal_open(cipher, key, header.nonce, slice_of(record, JOURNAL_HEADER_SIZE),
                  slice_of(sealed, header.length), sealed + header.length, body) != OK)
        return false;
    if (!is_dead)
        note_seen(oracle, &header, at);
    if (!is_dead && header.type == JOURNAL_CLOSE)
        note_closed(oracle, &header, at, slice_of(body, header.length));
    if (header.type == JOURNAL_OUTCOME)
        note_reported(oracle, slice_of(body, header.length), is_dead);
    *step = journal_record_size(header.length);
    return true;
}

static void segment_scan(struct oracle *oracle, struct seal_key *key, uint16_t stream, uint32_t segment,
                         uint8_t *bytes, size_t size, bool is_dead)
{
    struct seal_cipher *cipher;
    ensure(seal_cipher_new(&cipher) == OK);
    for (size_t offset = JOURNAL_PAGE_SIZE; offset + JOURNAL_HEADER_SIZE <= size;) {
        size_t step = JOURNAL_ALIGN;
        struct journal_position at = {stream, segment, offset};
        (void)record_take(oracle, cipher, key, at, bytes, size, is_dead, &step);
        offset += step;
    }
    seal_cipher_free(cipher);
}

static void segment_look(struct history *history, struct fs *fs, struct seal_keyring *keyring,
                         const char *name)
{
    uint16_t stream;
    uint32_t segment;
    char path[FS_PATH_MAX + 1];
    struct fs_file *file = NULL;
    struct seal_key *key = NULL;
    uint64_t size = 0;
    size_t got = 0;
    if (!journal_segment_name_parse(name, &stream, &segment) || stream == JOURNAL_STREAM_CONTROL)
        return;
    (void)text_format(path, sizeof path, "journal/%s", name);
    if (seal_keyring_segment_key_get(keyring, stream, segment, &key) != OK)
        return;
    uint8_t *bytes = NULL;
    if (fs_file_open(fs, path, FS_READ, &file) == OK && fs_file_size(file, &size) == OK && size > 0) {
        bytes = malloc(size);
        ensure(bytes != NULL);
        if (fs_file_read(file, 0, bytes, size, &got) == OK)
            segment_scan(history->oracle, key, stream, segment, bytes, got,
                         watch_is_dead(history, stream, segment));
    }
    free(bytes);
    fs_file_close(&file);
    seal_key_unref(key);
}

static void note_copied(struct oracle *oracle, const struct closed *closed)
{
    for (size_t i = 0; i < oracle->copied_count; i++)
        if (journal_position_compare(oracle->copied[i].at, closed->at) == 0) {
            oracle->copied[i].is_on_disk = true;
            return;
        }
    if (oracle->copied_count == oracle->copied_capacity) {
        oracle->copied_capacity = 16 + 2 * oracle->copied_capacity;
        oracle->copied = realloc(oracle->copied, oracle->copied_capacity * sizeof *oracle->copied);
        ensure(oracle->copied != NULL);
    }
    oracle->copied[oracle->copied_count++] =
        (struct copied){closed->receipt, closed->at, true, oracle->looks};
}

void oracle_look(struct history *history, struct fs *fs, struct seal_keyring *keyring)
{
    struct fs_names names;
    if (history->oracle == NULL)
        history->oracle = calloc(1, sizeof *history->oracle);
    ensure(history->oracle != NULL);
    clear(history->oracle);
    history->oracle->looks++;
    fs_sim_faults_pause(history->disk, true); // they are for the gateway, not for us
    if (fs_dir_list(fs, "journal", &names) == OK) {
        for (size_t i = 0; i < names.count; i++)
            segment_look(history, fs, keyring, names.name[i]);
        fs_names_fini(&names);
    }
    fs_sim_faults_pause(history->disk, false);
}

// ---- judging ----

static bool has_record(const struct oracle *oracle, uint8_t type, uint64_t receipt, uint32_t chunk,
                       const struct journal_position *at)
{
    for (size_t i = 0; i < oracle->seen_count; i++) {
        const struct seen *seen = &oracle->seen[i];
        if (seen->type != type || seen->receipt != receipt || seen->chunk != chunk)
            continue;
        if (at == NULL || (seen->at.stream == at->stream && journal_position_compare(seen->at, *at) == 0))
            return true;
    }
    return false;
}

static bool is_complete(const struct oracle *oracle, const struct closed *closed)
{
    struct slice index = slice_of(closed->index, closed->index_length);
    if (!has_record(oracle, JOURNAL_OPEN, closed->receipt, 0, &closed->opened))
        return false;
    for (uint32_t i = 0; i < journal_index_count(index); i++) {
        struct journal_position at = journal_index_get(index, i, closed->stream);
        if (!has_record(oracle, JOURNAL_DATA, closed->receipt, i, &at))
            return false;
    }
    return true;
}

// ---- a ledger made anew ----

static void recovered_note(struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->reported_count; i++)
        if (oracle->reported[i].is_on_disk && oracle->reported[i].recovered == 0)
            oracle->reported[i].recovered = oracle->looks;
    for (size_t i = 0; i < oracle->closed_count; i++)
        if (oracle->closed[i].stream == JOURNAL_STREAM_COPY && is_complete(oracle, &oracle->closed[i]))
            note_copied(oracle, &oracle->closed[i]);
}

void oracle_ledger_lost(struct history *history)
{
    for (size_t i = 0; history->oracle != NULL && i < history->oracle->reported_count; i++)
        history->oracle->reported[i].recovered = 0;
}

static bool has_copies(const struct oracle *oracle)
{
    for (size_t i = 0; i < oracle->copied_count; i++)
        if (oracle->copied[i].is_on_disk)
            return true;
    return false;
}

// The journal tells it: by the OUTCOME, or by a copy that was made when the ledger had that.
static bool is_told(const struct oracle *oracle, const struct reported *reported)
{
    if (!reported->has_it || reported->is_owed_again)
        return false;
    for (size_t i = 0; i < oracle->copied_count && !reported->is_on_disk; i++) {
        const struct copied *copied = &oracle->copied[i];
        if (copied->receipt == reported->receipt && copied->is_on_disk && reported->recovered != 0 &&
            copied->look > reported->recovered)
            return true;
    }
    return reported->is_on_disk;
}

static bool is_settled_at(const struct ledger_fact *fact, uint32_t archive)
{
    const struct fact_delivery *delivery = fact_delivery_find(fact, archive);
    return fact->state != FACT_DURABLE || (delivery != NULL && (delivery_state_settles(delivery->state) ||
                                                                delivery->state == DELIVERY_ANSWERED));
}

static void told_check(struct history *history, struct kv_env *anew)
{
    const struct oracle *oracle = history->oracle;
    for (size_t i = 0; i < oracle->reported_count; i++) {
        const struct reported *reported = &oracle->reported[i];
        struct ledger_fact fact;
        char text[24];
        fact_init(&fact);
        if (is_told(oracle, reported) && ledger_find_receipt(anew, reported->receipt, &fact) == OK &&
            !is_settled_at(&fact, reported->archive)) {
            ledger_receipt_text(reported->receipt, text, sizeof text);
            history_fail(history, "a ledger made anew would send receipt %s to node %u, which has it", text,
                         reported->archive);
        }
        fact_fini(&fact);
    }
}

struct anew {
    struct history *history;
    struct kv_env *env;
};

static bool is_told_by_dead(const struct oracle *oracle, uint64_t receipt, uint32_t archive)
{
    for (size_t i = 0; i < oracle->reported_count; i++)
        if (oracle->reported[i].receipt == receipt && oracle->reported[i].archive == archive)
            return oracle->reported[i].is_in_dead;
    return false;
}

// What is owed is owed in a ledger made anew, unless that has read an OUTCOME which this one was not shown.
static enum result owed_check(void *argument, const struct open_entry *entry)
{
    struct anew *anew = argument;
    struct ledger_fact fact;
    char text[24];
    fact_init(&fact);
    ledger_receipt_text(entry->receipt, text, sizeof text);
    enum result result = ledger_find_receipt(anew->env, entry->receipt, &fact);
    if (result != OK || fact.state != FACT_DURABLE)
        history_fail(anew->history, "receipt %s is owed, and %s in a ledger made anew", text,
                     result == OK ? fact_state_text(fact.state) : "unknown");
    for (size_t i = 0; i < entry->delivery_count && fact.state == FACT_DURABLE; i++) {
        const struct fact_delivery *delivery = fact_delivery_find(&fact, entry->deliveries[i].archive);
        bool is_owed = delivery != NULL && delivery->owed && !delivery_state_settles(delivery->state);
        if (!delivery_state_settles(entry->deliveries[i].state) && !is_owed &&
            !is_told_by_dead(anew->history->oracle, entry->receipt, entry->deliveries[i].archive))
            history_fail(anew->history, "receipt %s is owed to node %u, and not in a ledger made anew", text,
                         entry->deliveries[i].archive);
    }
    fact_fini(&fact);
    return OK;
}

static enum result anew_make(struct journal *journal, struct kv_env *env)
{
    struct ledger_writer *writer;
    struct ledger_rebuild_counts counts;
    struct journal_recovery found;
    enum result result = journal_recover(journal, NULL, 0, 0, JOURNAL_RECOVER_READ_ONLY, &found);
    if (result == OK)
        result = ledger_writer_new(env, journal, NULL, NULL, &writer);
    if (result != OK)
        return result;
    result = ledger_rebuild(writer, NULL, &counts);
    ledger_writer_free(&writer);
    return result;
}

void oracle_rebuild(struct history *history, struct fs *fs, struct seal_keyring *keyring,
                    struct kv_env *ledger)
{
    struct journal_options options;
    struct journal *journal = NULL;
    struct kv_sim_disk *disk;
    struct anew anew = {.history = history};
    recovered_note(history->oracle);
    if (!has_copies(history->oracle))
        return;
    journal_options_default(&options);
    options.segment_size = JOURNAL_SEGMENT_SIZE_MIN;
    ensure(kv_sim_disk_new(&disk) == OK && kv_sim_open(disk, &ledger_schema, &anew.env) == OK);
    ensure(journal_new(&options, fs, keyring, &journal) == OK);
    fs_sim_faults_pause(history->disk, true);
    enum result result = anew_make(journal, anew.env);
    fs_sim_faults_pause(history->disk, false);
    if (result == OK) {
        told_check(history, anew.env);
        result = open_index_each(ledger, owed_check, &anew);
    }
    if (result != OK && result != ERR_IO) // the power was cut
        history_fail(history, "a ledger can not be made anew: %s", result_text(result));
    kv_env_free(&anew.env);
    kv_sim_disk_free(&disk);
    journal_free(journal);
}

// ---- what is whole ----

void oracle_recovered(struct history *history, struct kv_env *ledger)
{
    const struct oracle *oracle = history->oracle;
    for (size_t i = 0; i < oracle->closed_count; i++) {
        const struct closed *closed = &oracle->closed[i];
        struct ledger_fact fact;
        char text[24];
        if (!is_complete(oracle, closed))
            continue;
        fact_init(&fact);
        ledger_receipt_text(closed->receipt, text, sizeof text);
        enum result result = ledger_find_receipt(ledger, closed->receipt, &fact);
        bool is_kept = fact.state == FACT_DURABLE || fact.state == FACT_SETTLED;
        // What was refused to a client that waited was dropped after its CLOSE, and the segment of that DROP
        // may have been reclaimed before the one of the CLOSE: the ledger is what knows.
        bool may_be_refused = history->plan.acknowledge != CONFIGURATION_ACKNOWLEDGE_DURABLE;
        bool was_dropped = fact.state == FACT_DROPPED &&
                           (may_be_refused || has_record(oracle, JOURNAL_DROP, closed->receipt, 0, NULL));
        if (result != OK)
            history_fail(history,
                         "receipt %s is whole on the disk, and the ledger does not know it after recovery",
                         text);
        // A CLOSE, or a copy of it, may outlive the segment with the DROP of its receipt; the ledger has
        // committed that before, and told why. What recovery drops it calls incomplete.
        bool was_dropped_before = fact.state == FACT_DROPPED && fact.drop_reason != RECORD_DROP_INCOMPLETE;
        if (result == OK && !is_kept && !was_dropped && !was_dropped_before)
            history_fail(history, "receipt %s is whole on the disk, and is %s after recovery", text,
                         fact_state_text(fact.state));
        fact_fini(&fact);
    }
}
