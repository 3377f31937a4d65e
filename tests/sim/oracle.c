// SPDX-License-Identifier: Apache-2.0
#include "oracle.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "journal/format.h"
#include "journal/record.h"
#include "seal/seal.h"
#include "store/ledger_reader.h"

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
    struct journal_position opened;
    uint8_t *index;
    size_t index_length;
};

struct oracle {
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
}

void oracle_free(struct history *history)
{
    if (history->oracle == NULL)
        return;
    clear(history->oracle);
    free(history->oracle->seen);
    free(history->oracle->closed);
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

static void note_closed(struct oracle *oracle, const struct journal_header *header, struct slice body)
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
    *closed = (struct closed){header->receipt, header->stream, close.opened, malloc(close.index.length + 1),
                              close.index.length};
    ensure(closed->index != NULL);
    if (close.index.length > 0)
        memcpy(closed->index, close.index.data, close.index.length);
    closed->opened.stream = header->stream;
}

// ---- reading a segment ----

static bool record_take(struct oracle *oracle, struct seal_cipher *cipher, struct seal_key *key,
                        struct journal_position at, uint8_t *bytes, size_t size, size_t *step)
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
    note_seen(oracle, &header, at);
    if (header.type == JOURNAL_CLOSE)
        note_closed(oracle, &header, slice_of(body, header.length));
    *step = journal_record_size(header.length);
    return true;
}

static void segment_scan(struct oracle *oracle, struct seal_key *key, uint16_t stream, uint32_t segment,
                         uint8_t *bytes, size_t size)
{
    struct seal_cipher *cipher;
    ensure(seal_cipher_new(&cipher) == OK);
    for (size_t offset = JOURNAL_PAGE_SIZE; offset + JOURNAL_HEADER_SIZE <= size;) {
        size_t step = JOURNAL_ALIGN;
        struct journal_position at = {stream, segment, offset};
        (void)record_take(oracle, cipher, key, at, bytes, size, &step);
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
    if (!journal_segment_name_parse(name, &stream, &segment) || stream == JOURNAL_STREAM_CONTROL ||
        watch_is_dead(history, stream, segment))
        return;
    (void)text_format(path, sizeof path, "journal/%s", name);
    if (seal_keyring_segment_key_get(keyring, stream, segment, &key) != OK)
        return;
    uint8_t *bytes = NULL;
    if (fs_file_open(fs, path, FS_READ, &file) == OK && fs_file_size(file, &size) == OK && size > 0) {
        bytes = malloc(size);
        ensure(bytes != NULL);
        if (fs_file_read(file, 0, bytes, size, &got) == OK)
            segment_scan(history->oracle, key, stream, segment, bytes, got);
    }
    free(bytes);
    fs_file_close(&file);
    seal_key_unref(key);
}

void oracle_look(struct history *history, struct fs *fs, struct seal_keyring *keyring)
{
    struct fs_names names;
    if (history->oracle == NULL)
        history->oracle = calloc(1, sizeof *history->oracle);
    ensure(history->oracle != NULL);
    clear(history->oracle);
    if (fs_dir_list(fs, "journal", &names) != OK)
        return;
    for (size_t i = 0; i < names.count; i++)
        segment_look(history, fs, keyring, names.name[i]);
    fs_names_fini(&names);
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
