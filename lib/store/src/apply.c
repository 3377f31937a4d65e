// SPDX-License-Identifier: Apache-2.0
//
// From journal records to facts. Streams are read independently, so a report (SENT, OUTCOME) may come before
// the CLOSE of its receipt: the fact then waits as an orphan. What has settled stays settled; DROP is final.
// Memory is got before anything is changed, so that an entry that failed can be applied again. Thread: the
// ledger thread.
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/text.h"
#include "ledger_internal.h"

#define TAG_MODALITY 0x00080060u
#define TAG_STUDY    0x0020000du
#define TAG_SERIES   0x0020000eu

static enum result digest_text_set(char **field, struct slice digest)
{
    char text[2 * RECORD_DIGEST_SIZE + 1];
    text_hex(text, sizeof text, slice_first(digest, RECORD_DIGEST_SIZE));
    return fact_text_set(field, slice_of_text(text));
}

static bool is_copy(const struct journal_entry *entry)
{
    return entry->position.stream == JOURNAL_STREAM_COPY;
}

static enum result open_apply(struct ledger_fact *fact, const struct journal_entry *entry)
{
    struct record_open open;
    enum result result = record_open_decode(entry->body, &open);
    if (result != OK)
        return result;
    if (is_copy(entry) && fact->state != 0 && fact->state != FACT_ORPHAN)
        return ERR_EXISTS; // what it copies is known, and stays in force until the copy has its CLOSE
    const struct {
        char **field;
        struct slice text;
    } texts[] = {
        {&fact->calling, open.calling},
        {&fact->called, open.called},
        {&fact->address, open.peer_address},
        {&fact->listener, open.listener},
        {&fact->transfer_syntax, open.transfer_syntax},
        {&fact->sop_class, open.sop_class},
        {&fact->sop_instance, open.sop_instance},
        {&fact->implementation, open.implementation_version},
    };
    for (size_t i = 0; result == OK && i < sizeof texts / sizeof *texts; i++)
        result = fact_text_set(texts[i].field, texts[i].text);
    if (result == OK)
        result = digest_text_set(&fact->certificate, open.certificate_fingerprint);
    if (result != OK)
        return result;
    fact_uid_hash(open.sop_instance, fact->sop_hash);
    fact->opened_at = open.time;
    fact->source_node = open.source_node;
    if (fact->close.segment == 0)
        fact->open = entry->position;
    if (fact->state == 0 || fact->state == FACT_ORPHAN)
        fact->state = FACT_RECEIVED;
    return OK;
}

static void digests_copy(struct fact_digests *to, const struct record_close *close)
{
    to->algorithm = close->algorithm;
    to->version = close->digest_version;
    to->present = close->digests;
    memcpy(to->range, close->range, sizeof to->range);
    memcpy(to->instance, close->instance, sizeof to->instance);
    memcpy(to->received, close->received, sizeof to->received);
    memcpy(to->canonical, close->canonical, sizeof to->canonical);
    memcpy(to->canonical_unknown, close->canonical_unknown, sizeof to->canonical_unknown);
}

static void settle_if_done(struct ledger_fact *fact)
{
    if (fact->state != FACT_DURABLE || !fact_is_settled(fact))
        return;
    fact->state = FACT_SETTLED;
    fact->settled_at = fact->closed_at;
    for (size_t i = 0; i < fact->delivery_count; i++)
        if (fact->deliveries[i].owed && fact->deliveries[i].outcome_at > fact->settled_at)
            fact->settled_at = fact->deliveries[i].outcome_at;
}

static enum result close_texts_set(struct ledger_fact *fact, const struct record_close *close)
{
    enum result result = fact_text_set(&fact->study, record_close_element(close, TAG_STUDY));
    if (result == OK)
        result = fact_text_set(&fact->series, record_close_element(close, TAG_SERIES));
    if (result == OK)
        result = fact_text_set(&fact->modality, record_close_element(close, TAG_MODALITY));
    for (uint32_t i = 0; result == OK && i < close->archive_count; i++) {
        struct fact_delivery *delivery = NULL;
        result = fact_delivery_get(fact, close->archives[i], &delivery);
        if (result == OK)
            delivery->owed = true;
    }
    return result;
}

// ENGINE 4: a copy takes the place of what it was made from.
static enum result copy_apply(struct ledger_writer *writer, struct ledger_fact *fact,
                              const struct journal_entry *entry, const struct record_close *close)
{
    if (fact->state != FACT_DURABLE)
        return ERR_EXISTS;
    enum result result = ledger_known_take(writer, fact, close->known);
    if (result != OK)
        return result;
    fact->close = entry->position;
#if DG_FAULT_COPY_POSITION_KEPT
    (void)close;
#else
    fact->open = close->opened;
    fact->open.stream = entry->position.stream;
#endif
    return OK;
}

// Whether a segment with the beginning of the receipt, or of its copy, is there no more. Where the ledger has
// not read that (it is being made anew), no older copy is left: copies are read first. So all of it had
// settled (ENGINE 4), or a later copy takes its place.
static bool has_lost_beginning(const struct ledger_writer *writer, const struct ledger_fact *fact,
                               const struct journal_entry *entry, const struct record_close *close)
{
    struct journal_segment_info info;
    uint16_t stream = entry->position.stream;
    uint32_t segment = close->opened.segment;
    bool is_unread = fact->state == 0 || fact->state == FACT_ORPHAN;
    if (!is_unread || writer->journal == NULL || segment == 0 || segment == entry->position.segment)
        return false;
    return journal_segments_get(writer->journal, stream, segment, &info, 1) == 0 || info.segment != segment;
}

static enum result close_apply(struct ledger_writer *writer, struct ledger_fact *fact,
                               const struct journal_entry *entry)
{
    struct record_close close;
    enum result result = record_close_decode(entry->body, &close);
    if (result != OK)
        return result;
    bool is_known = fact->state == FACT_DURABLE || fact->state == FACT_SETTLED;
    if (is_copy(entry) && (is_known || fact->state == FACT_DROPPED))
        return copy_apply(writer, fact, entry, &close);
    if (is_known)
        return ERR_EXISTS; // what a copy has told already
    if (has_lost_beginning(writer, fact, entry, &close)) {
        fact->order = close.order; // is not used again
        fact->state = FACT_ORPHAN;
        return OK;
    }
    if (is_copy(entry)) { // the ledger is being made anew
        fact->open = close.opened;
        fact->open.stream = entry->position.stream;
    }
    result = close_texts_set(fact, &close);
    if (result == OK)
        result = ledger_known_take(writer, fact, close.known);
    if (result != OK)
        return result;
    fact->has_patient = close.has_patient;
    memcpy(fact->patient, close.patient, sizeof fact->patient);
    fact->order = close.order;
    fact->epoch = close.epoch;
    fact->acknowledgement = close.acknowledgement;
    fact->primary = close.primary;
    fact->flags = close.flags;
    fact->length = close.length;
    digests_copy(&fact->digests, &close);
    fact->close = entry->position;
    // Without OPEN (a bad record) the first chunk says where the receipt begins.
    if (fact->open.segment == 0 && journal_index_count(close.index) > 0)
        fact->open = journal_index_get(close.index, 0, entry->position.stream);
    if (fact->closed_at == 0)
        fact->closed_at = close.last_byte;
    if (fact->state == FACT_DROPPED)
        return OK;
    fact->state = FACT_DURABLE;
    settle_if_done(fact);
    return OK;
}

static enum result dropped_set(struct ledger_fact *fact, uint8_t reason, uint16_t status, struct slice remark,
                               uint64_t time)
{
    if (fact->state == FACT_SETTLED || fact->state == FACT_DROPPED)
        return ERR_EXISTS;
    enum result result = fact_text_set(&fact->remark, remark);
    if (result != OK)
        return result;
    fact->state = FACT_DROPPED;
    fact->drop_reason = reason;
    fact->drop_status = status;
    fact->closed_at = time;
    return OK;
}

static enum result drop_apply(struct ledger_fact *fact, const struct journal_entry *entry)
{
    struct record_drop drop;
    enum result result = record_drop_decode(entry->body, &drop);
    if (result != OK)
        return result;
    return dropped_set(fact, drop.reason, drop.status, drop.comment, drop.time);
}

// Its evidence is taken in any case: a copy that knew of this SENT had only the digests.
static enum result sent_apply(struct ledger_writer *writer, struct ledger_fact *fact,
                              const struct journal_entry *entry)
{
    struct record_sent sent;
    struct fact_delivery *delivery = NULL;
    enum result result = record_sent_decode(entry->body, &sent);
    if (result == OK)
        result = ledger_pending_add(writer, fact->receipt, &sent);
    if (result == OK && ledger_known_has(fact, entry->position))
        return ERR_EXISTS;
    if (result == OK)
        result = fact_delivery_get(fact, sent.archive, &delivery);
    if (result == OK)
        result = fact_flags_set(delivery, &sent.flags);
    if (result != OK)
        return result;
    delivery->attempts++;
    delivery->sent_at = sent.time;
    delivery->resent |= sent.resent;
    delivery->has_header = true;
    memcpy(delivery->header, sent.header, sizeof delivery->header);
    memcpy(delivery->edits, sent.edits, sizeof delivery->edits);
    memcpy(delivery->pack, sent.pack, sizeof delivery->pack);
    delivery->crosswalk = sent.crosswalk;
    if (delivery->state == DELIVERY_OWED || delivery->state == DELIVERY_PARKED ||
        delivery->state == DELIVERY_HELD)
        delivery->state = DELIVERY_SENT;
    if (fact->state == 0)
        fact->state = FACT_ORPHAN;
    return OK;
}

// The state that an outcome leads to; settled ones stay, unless a rejection note says so.
static enum delivery_state state_after(enum delivery_state state, enum record_outcome_kind kind)
{
    if (state == DELIVERY_SETTLED && kind == RECORD_REJECTED)
        return DELIVERY_REJECTED; // FIELD 13: what was delivered is marked too
    if (delivery_state_settles(state))
        return state;
    switch (kind) {
    case RECORD_ANSWERED:
        return DELIVERY_ANSWERED;
    case RECORD_SETTLED:
        return DELIVERY_SETTLED;
    case RECORD_PARKED:
        return DELIVERY_PARKED;
    case RECORD_UNPARKED:
        return DELIVERY_OWED;
    case RECORD_DROPPED_PERSON:
        return DELIVERY_DROPPED;
    case RECORD_SUPERSEDED:
        return DELIVERY_SUPERSEDED;
    case RECORD_FAILED:
        return state == DELIVERY_SENT ? DELIVERY_OWED : state;
    case RECORD_HELD:
        return state == DELIVERY_ANSWERED ? state : DELIVERY_HELD;
    case RECORD_RELEASED:
        return state == DELIVERY_HELD ? DELIVERY_OWED : state;
    case RECORD_REJECTED:
        return DELIVERY_REJECTED;
    }
    return state; // a kind of a newer version: shown as it was
}

static enum result outcome_apply(struct ledger_fact *fact, const struct record_outcome *outcome)
{
    struct fact_delivery *delivery = NULL;
    enum result result = fact_delivery_get(fact, outcome->archive, &delivery);
    if (result == OK && outcome->comment.length > 0)
        result = fact_text_set(&delivery->remark, outcome->comment);
    enum record_outcome_kind kind = (enum record_outcome_kind)outcome->kind;
    bool was_settled = delivery_state_settles(delivery->state);
    // A rejection without a person is one by a note, whoever had a hand in the receipt before or after.
    bool is_by_note = kind == RECORD_REJECTED && outcome->person.length == 0 &&
                      delivery->state != DELIVERY_REJECTED &&
                      state_after(delivery->state, kind) == DELIVERY_REJECTED;
    bool stays_by_note = delivery->state == DELIVERY_REJECTED && delivery->person == NULL;
    if (result == OK && (is_by_note || (outcome->person.length > 0 && !stays_by_note)))
        result = fact_text_set(&delivery->person, outcome->person);
    if (result != OK)
        return result;
    delivery->state = state_after(delivery->state, kind);
    if (kind == RECORD_ANSWERED || outcome->status != 0) {
        delivery->has_status = true;
        delivery->status = outcome->status;
    }
    if (kind == RECORD_ANSWERED && !was_settled)
        delivery->settled_by = outcome->remark;
    if (kind == RECORD_SETTLED && !was_settled) {
        delivery->settled_by = outcome->remark;
        delivery->has_status |= outcome->remark == RECORD_SETTLE_ON_ANSWER;
    }
    delivery->failures += kind == RECORD_FAILED;
    delivery->is_released |= kind == RECORD_RELEASED;
    delivery->resent |= outcome->resent;
    if (!was_settled)
        delivery->outcome_at = outcome->answered;
    if (fact->state == 0)
        fact->state = FACT_ORPHAN;
    settle_if_done(fact);
    return OK;
}

// ---- entries

static enum result fact_apply(struct ledger_writer *writer, struct ledger_fact *fact,
                              const struct journal_entry *entry, const struct record_outcome *outcome)
{
    if (entry->kind == JOURNAL_ENTRY_INCOMPLETE) {
        // A receipt of which a copy is whole was acknowledged; some of what it was copied from has gone.
        if (fact->state == FACT_DURABLE)
            return ERR_EXISTS;
        enum result result = dropped_set(fact, RECORD_DROP_INCOMPLETE, 0, slice_of(NULL, 0), 0);
        return result == OK ? close_apply(writer, fact, entry) : result;
    }
    switch ((enum journal_record_type)entry->header.type) {
    case JOURNAL_OPEN:
        return open_apply(fact, entry);
    case JOURNAL_CLOSE:
        return close_apply(writer, fact, entry);
    case JOURNAL_DROP:
        return drop_apply(fact, entry);
    case JOURNAL_SENT:
        return sent_apply(writer, fact, entry);
    case JOURNAL_OUTCOME:
        return ledger_known_has(fact, entry->position) ? ERR_EXISTS : outcome_apply(fact, outcome);
    case JOURNAL_DATA:
    case JOURNAL_EPOCH:
    case JOURNAL_DEATH:
        break;
    }
    return ERR_ARGUMENT;
}

static bool concerns_fact(uint8_t type)
{
    return type == JOURNAL_OPEN || type == JOURNAL_CLOSE || type == JOURNAL_DROP || type == JOURNAL_SENT ||
           type == JOURNAL_OUTCOME;
}

// Peers can not cause these; they tell of a fault of ours or of the disk, so they are counted and stepped
// over.
static bool is_useless(enum result result)
{
    return result == ERR_FORMAT || result == ERR_LIMIT || result == ERR_MISSING || result == ERR_ARGUMENT;
}

static enum result record_apply(struct ledger_writer *writer, const struct journal_entry *entry)
{
    struct ledger_touched *touched = NULL;
    struct record_outcome outcome = {0};
    uint64_t receipt = entry->header.receipt;
    if (!concerns_fact(entry->header.type))
        return OK;
    if (entry->header.type == JOURNAL_OUTCOME) {
        enum result decoded = record_outcome_decode(entry->body, &outcome);
        if (decoded != OK) {
            writer->counters.skipped++;
            return OK;
        }
        receipt = outcome.receipt;
    }
    if (receipt == 0) {
        writer->counters.skipped++;
        return OK;
    }
    enum result result = ledger_touch(writer, receipt, &touched);
    if (result != OK)
        return result;
    enum fact_state before = touched->fact.state;
    result = fact_apply(writer, &touched->fact, entry, &outcome);
    touched->dirty |= result == OK || touched->fact.state != before;
    if (result == ERR_EXISTS || is_useless(result)) {
        writer->counters.skipped += is_useless(result);
        return OK;
    }
    if (result != OK)
        return result;
    if (before == 0 && touched->fact.state == FACT_ORPHAN)
        writer->counters.orphans++;
    if (touched->fact.order > writer->marks.order_high)
        writer->marks.order_high = touched->fact.order;
    return OK;
}

static void epoch_apply(struct ledger_writer *writer, const struct journal_entry *entry)
{
    struct record_epoch epoch;
    if (record_epoch_decode(entry->body, &epoch) != OK)
        writer->counters.skipped++;
    else if (epoch.life > writer->marks.life_high)
        writer->marks.life_high = epoch.life;
}

// Marks the receipt, if it is one that we know.
static enum result corrupt_apply(struct ledger_writer *writer, const struct journal_entry *entry)
{
    struct ledger_touched *touched = NULL;
    if (entry->receipt != 0) {
        enum result result = ledger_touch(writer, entry->receipt, &touched);
        if (result != OK)
            return result;
        if (touched->fact.state != 0) {
            touched->fact.damaged++;
            touched->dirty = true;
        }
    }
    writer->counters.corrupt++;
    if (writer->listener.on_corrupt != NULL)
        writer->listener.on_corrupt(writer->listener.argument, entry);
    log_event(STORE_RECORD_CORRUPT, log_number(entry->position.stream), log_number(entry->position.segment),
              log_number(entry->position.offset), log_number(entry->skipped), log_number(entry->receipt));
    return OK;
}

enum result ledger_apply(struct ledger_writer *writer, const struct journal_entry *entry)
{
    struct ledger_stream *stream = NULL;
    MAGIC_CHECK(writer, LEDGER_WRITER_MAGIC);
    uint16_t number = entry->position.stream;
    enum result result = ledger_stream_get(writer, number, &stream);
    if (result != OK)
        return result;
    if (journal_position_compare(entry->position, stream->applied) < 0)
        return OK;
    switch (entry->kind) {
    case JOURNAL_ENTRY_RECORD:
        if (entry->header.type == JOURNAL_EPOCH)
            epoch_apply(writer, entry);
        result = record_apply(writer, entry);
        break;
    case JOURNAL_ENTRY_INCOMPLETE:
        result = record_apply(writer, entry);
        break;
    case JOURNAL_ENTRY_CORRUPT:
        result = corrupt_apply(writer, entry);
        break;
    case JOURNAL_ENTRY_TORN:
        writer->counters.torn++;
        break;
    }
    if (result != OK)
        return result;
    result = ledger_stream_get(writer, number, &stream); // the array may have moved
    ensure(result == OK);
    stream->applied = entry->next;
    writer->counters.entries++;
    return OK;
}
