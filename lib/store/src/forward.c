// SPDX-License-Identifier: Apache-2.0
//
// Copy-forward (ENGINE 4): which segments go although something in them is still owed, and which receipts are
// copied for that. The copying itself is journal/copy.h; the copies come back through the journal's reader
// like everything else, and take effect with the commit of their CLOSE. Thread: the ledger thread.
#include "base/check.h"
#include "base/grow.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "journal/copy.h"
#include "journal/reclaim.h"
#include "ledger_internal.h"
#include <stdlib.h>

// Of the file's size, at most so much may be owed for the file to be given up: a quarter, so that a copy
// costs a third of the room it makes; three quarters when room is short.
#define SHARE_NORMAL 1u
#define SHARE_URGENT 3u
#define SHARE_PARTS  4u

#define SEGMENTS_MAX 4096
#define SCAN_ENTRIES 2048 // of the open index, in one step
// Before a segment is tried again that could not be copied for lack of room, or that is still needed after
// it.
#define AGAIN_LATER_NS (60 * NSEC_PER_SEC)

// A complete segment in which something is owed.
struct forward_wait {
    uint16_t stream;
    uint32_t segment;
    uint64_t since;      // first seen
    uint64_t not_before; // tried before; UINT64_MAX: a record in it is damaged
    bool is_seen;
};

struct ledger_forward {
    struct journal_copier *copier;
    struct forward_wait *waits;
    size_t wait_count, wait_capacity;
    // The segment being copied; 0: none.
    uint16_t stream;
    uint32_t segment;
    uint64_t receipt_limit; // none in it is above; UINT64_MAX: not known
    bool is_scanned;
    uint64_t scanned_to; // key of the open index
    uint64_t *receipts;  // found so far
    size_t count, capacity, next;
    bool is_copying; // receipts[next - 1]
    struct record_known known;
    uint32_t open_segment; // that copies went to at the last look, and since when
    uint64_t open_since;
};

void ledger_forward_free(struct ledger_forward *forward)
{
    if (forward == NULL)
        return;
    journal_copier_free(forward->copier);
    free(forward->waits);
    free(forward->receipts);
    free(forward);
}

static enum result forward_get(struct ledger_writer *writer, struct ledger_forward **out)
{
    if (writer->forward == NULL) {
        struct ledger_forward *made = calloc(1, sizeof *made);
        if (made == NULL)
            return ERR_NOMEM;
        enum result result = journal_copier_new(writer->journal, &made->copier);
        if (result != OK) {
            free(made);
            return result;
        }
        writer->forward = made;
    }
    *out = writer->forward;
    return OK;
}

void ledger_forward_committed(struct ledger_writer *writer)
{
    struct journal_position committed = {.stream = JOURNAL_STREAM_COPY};
    (void)ledger_position_get(writer, JOURNAL_STREAM_COPY, &committed);
    if (writer->forward != NULL)
        journal_copy_committed(writer->forward->copier, committed);
}

// ---- which segment ----

static struct forward_wait *wait_find(const struct ledger_forward *forward, uint16_t stream, uint32_t segment)
{
    for (size_t i = 0; i < forward->wait_count; i++)
        if (forward->waits[i].stream == stream && forward->waits[i].segment == segment)
            return &forward->waits[i];
    return NULL;
}

// NULL: no memory; it is seen later.
static struct forward_wait *wait_get(struct ledger_forward *forward, uint16_t stream, uint32_t segment,
                                     uint64_t now)
{
    struct forward_wait *wait = wait_find(forward, stream, segment);
    if (wait != NULL)
        return wait;
    if (ARRAY_GROW(forward->waits, forward->wait_capacity, forward->wait_count + 1) != OK)
        return NULL;
    wait = &forward->waits[forward->wait_count++];
    *wait = (struct forward_wait){.stream = stream, .segment = segment, .since = now};
    return wait;
}

static void waits_sift(struct ledger_forward *forward)
{
    size_t kept = 0;
    for (size_t i = 0; i < forward->wait_count; i++) {
        if (!forward->waits[i].is_seen)
            continue;
        forward->waits[kept] = forward->waits[i];
        forward->waits[kept++].is_seen = false;
    }
    forward->wait_count = kept;
}

// Whether so little of the segment is owed that the copy is worth it.
static bool is_worth_it(const struct ledger_writer *writer, const struct journal_segment_info *info,
                        const struct ledger_forward_order *order)
{
    uint64_t bytes;
    // To copy copies again makes room only where most of them are settled; else it would never end.
    bool is_copy = info->stream == JOURNAL_STREAM_COPY;
    uint64_t share = order->is_urgent && !is_copy ? SHARE_URGENT : SHARE_NORMAL;
    return ledger_live_bytes(&writer->live, info->stream, info->segment, &bytes) &&
           bytes <= info->size / SHARE_PARTS * share;
}

static void stream_look(struct ledger_writer *writer, const struct ledger_stream *stream, uint32_t *segments,
                        const struct ledger_forward_order *order)
{
    struct ledger_forward *forward = writer->forward;
    size_t found = journal_reclaim_candidates(writer->journal, stream->committed, segments, SEGMENTS_MAX);
    for (size_t i = 0; i < found; i++) {
        struct journal_segment_info info;
        if (ledger_live_get(&writer->live, stream->number, segments[i]) == 0 ||
            journal_segments_get(writer->journal, stream->number, segments[i], &info, 1) != 1 ||
            info.segment != segments[i])
            continue;
        struct forward_wait *wait = wait_get(forward, stream->number, segments[i], order->now);
        if (wait == NULL)
            return;
        wait->is_seen = true;
        bool is_due =
            (order->is_urgent || order->now - wait->since >= order->after) && order->now >= wait->not_before;
        if (forward->segment != 0 || !is_due || !is_worth_it(writer, &info, order))
            continue;
        forward->stream = info.stream;
        forward->segment = info.segment;
        bool has_range = info.stream <= JOURNAL_STREAM_MAX && info.receipt_limit > info.receipt_first;
        forward->receipt_limit = has_range ? info.receipt_limit : UINT64_MAX;
        // Receipts that lie in a worker's segment may have begun before it, and never after.
        forward->scanned_to = has_range ? (uint64_t)info.stream << JOURNAL_RECEIPT_COUNTER_BITS : 0;
        forward->is_scanned = false;
        forward->count = forward->next = 0;
    }
}

static enum result segment_choose(struct ledger_writer *writer, const struct ledger_forward_order *order)
{
    uint32_t *segments = malloc(SEGMENTS_MAX * sizeof *segments);
    if (segments == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < writer->stream_count; i++)
        if (writer->streams[i].committed.segment != 0)
            stream_look(writer, &writer->streams[i], segments, order);
    free(segments);
    waits_sift(writer->forward);
    return OK;
}

static void segment_leave(struct ledger_writer *writer, uint64_t not_before)
{
    struct ledger_forward *forward = writer->forward;
    struct forward_wait *wait = wait_find(forward, forward->stream, forward->segment);
    if (wait != NULL)
        wait->not_before = not_before;
    forward->is_copying = false;
    forward->segment = 0;
}

// ---- which receipts ----

static bool needs(const struct ledger_forward *forward, const struct ledger_fact *fact)
{
    struct ledger_span span = ledger_span_of(fact);
    return fact->state == FACT_DURABLE && span.stream == forward->stream && span.first <= forward->segment &&
           span.last >= forward->segment;
}

static enum result receipt_add(struct ledger_forward *forward, uint64_t receipt)
{
    enum result result = ARRAY_GROW(forward->receipts, forward->capacity, forward->count + 1);
    if (result == OK)
        forward->receipts[forward->count++] = receipt;
    return result;
}

static enum result cursor_scan(struct ledger_forward *forward, struct kv_cursor *cursor)
{
    enum result result = OK;
    for (size_t i = 0; result == OK && i < SCAN_ENTRIES; i++) {
        struct ledger_fact fact;
        uint64_t receipt = fact_key_get(cursor->key);
        if (receipt >= forward->receipt_limit)
            return ERR_MISSING;
        fact_init(&fact);
        result = fact_decode(receipt, cursor->value, FACT_HEAD, &fact);
        if (result == OK && needs(forward, &fact))
            result = receipt_add(forward, receipt);
        fact_fini(&fact);
        forward->scanned_to = receipt + 1;
        if (result == OK)
            result = kv_cursor_next(cursor);
    }
    return result;
}

// The next part of the open index. OK: all are found.
static enum result receipts_scan(struct ledger_writer *writer)
{
    struct ledger_forward *forward = writer->forward;
    struct kv_transaction transaction;
    struct kv_cursor cursor;
    uint8_t key[FACT_KEY_SIZE];
    enum result result = kv_begin(writer->env, KV_READ, &transaction);
    if (result != OK)
        return result;
    fact_key_put(key, forward->scanned_to);
    result = kv_cursor_init(&cursor, &transaction, LEDGER_OPEN);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(key, sizeof key));
    if (result == OK)
        result = cursor_scan(forward, &cursor);
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    forward->is_scanned = result == ERR_MISSING;
    return result == ERR_MISSING || result == OK ? OK : result;
}

// ---- copying ----

static enum result fact_get(struct ledger_writer *writer, uint64_t receipt, struct ledger_fact *fact)
{
    struct kv_transaction transaction;
    enum result result = kv_begin(writer->env, KV_READ, &transaction);
    if (result != OK)
        return result;
    result = ledger_fact_load(&transaction, receipt, fact);
    kv_abort(&transaction);
    return result;
}

// Begins with the next receipt that still needs it; OK with is_copying false: that was the last.
static enum result receipt_next(struct ledger_writer *writer)
{
    struct ledger_forward *forward = writer->forward;
    enum result result = OK;
    for (; result == OK && !forward->is_copying && forward->next < forward->count; forward->next++) {
        struct ledger_fact fact;
        uint64_t receipt = forward->receipts[forward->next];
        fact_init(&fact);
        result = fact_get(writer, receipt, &fact);
        if (result == OK && needs(forward, &fact)) {
            result = journal_copy_begin(forward->copier, receipt, fact.close);
            forward->is_copying = result == OK;
        } else if (result == ERR_MISSING) {
            result = OK;
        }
        fact_fini(&fact);
    }
    return result;
}

// Its next records, with what is known now. One that has settled meanwhile is given up.
static enum result receipt_step(struct ledger_writer *writer, const struct ledger_forward_order *order,
                                size_t *bytes)
{
    struct ledger_forward *forward = writer->forward;
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result = fact_get(writer, forward->receipts[forward->next - 1], &fact);
    forward->is_copying = result == OK && needs(forward, &fact);
    if (!forward->is_copying) {
        journal_copy_cancel(forward->copier);
        goto out;
    }
    ledger_known_make(writer, &fact, &forward->known);
    result = journal_copy_step(forward->copier, order->wall, &forward->known, order->budget - *bytes, bytes);
    forward->is_copying = result == AGAIN;
    writer->counters.copied += result == OK;
out:
    fact_fini(&fact);
    return result;
}

static enum result receipts_copy(struct ledger_writer *writer, const struct ledger_forward_order *order,
                                 size_t *bytes)
{
    struct ledger_forward *forward = writer->forward;
    enum result result = OK;
    while (result == OK && *bytes < order->budget) {
        result = receipt_next(writer);
        if (result != OK || !forward->is_copying)
            break;
        result = receipt_step(writer, order, bytes);
    }
    if (result != OK && result != AGAIN)
        return result;
    if (forward->is_copying || forward->next < forward->count)
        return AGAIN;
    return journal_copy_sync(forward->copier);
}

// The segment that copies go to must not keep its key for ever either.
static enum result copies_rest(struct ledger_writer *writer, const struct ledger_forward_order *order)
{
    struct ledger_forward *forward = writer->forward;
    uint32_t segment = journal_copy_segment(forward->copier);
    struct journal_position committed = {0};
    if (segment != forward->open_segment) {
        forward->open_segment = segment;
        forward->open_since = order->now;
    }
    if (segment == 0)
        return OK;
    bool is_known =
        ledger_position_get(writer, JOURNAL_STREAM_COPY, &committed) &&
        journal_position_compare(committed, journal_durable_end(writer->journal, JOURNAL_STREAM_COPY)) >= 0;
    bool is_empty = is_known && ledger_live_get(&writer->live, JOURNAL_STREAM_COPY, segment) == 0;
    if (!is_empty && order->now - forward->open_since < order->copies_age)
        return OK;
    return journal_copy_close(forward->copier);
}

static bool is_damage(enum result result)
{
    return result == ERR_FORMAT || result == ERR_CRYPTO || result == ERR_LIMIT || result == ERR_MISSING;
}

enum result ledger_copy_forward(struct ledger_writer *writer, const struct ledger_forward_order *order,
                                size_t *bytes)
{
    struct ledger_forward *forward;
    MAGIC_CHECK(writer, LEDGER_WRITER_MAGIC);
    *bytes = 0;
    enum result result = forward_get(writer, &forward);
    if (result == OK && forward->segment == 0)
        result = segment_choose(writer, order);
    if (result == OK && forward->segment == 0)
        result = copies_rest(writer, order);
    if (result != OK || forward->segment == 0)
        return result;
    if (!forward->is_scanned) {
        result = receipts_scan(writer);
        if (result == OK)
            return AGAIN;
    } else {
        result = receipts_copy(writer, order, bytes);
    }
    if (result == AGAIN)
        return AGAIN;
    if (result == OK)
        log_event(STORE_SEGMENT_COPIED, log_number(forward->stream), log_number(forward->segment),
                  log_number(forward->count));
    else
        log_event(STORE_COPY_FAILED, log_number(forward->stream), log_number(forward->segment),
                  log_text(result_text(result)));
    if (result != OK)
        (void)!journal_copy_sync(forward->copier); // those before it
    segment_leave(writer, is_damage(result) ? UINT64_MAX : order->now + AGAIN_LATER_NS);
    return result == OK || is_damage(result) ? AGAIN : result; // there may be others
}
