// SPDX-License-Identifier: Apache-2.0
//
// From the journal to the ledger: tails every stream in turn, commits, and takes segments away that nobody
// needs. At start and live it is the same code. Thread: the ledger thread; at start the main thread.
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "journal/reclaim.h"
#include "ledger_internal.h"
#include <stdlib.h>

#define BUDGET_DEFAULT 4096
#define TURN_ENTRIES   256 // of one stream before the next has its turn
#define SEGMENTS_STEP  64

static void reader_close(struct ledger_stream *stream)
{
    if (stream->reader != NULL)
        journal_reader_free(stream->reader);
    stream->reader = NULL;
}

// Numbers outlive their segments: what the format pages reserved is noted while they exist.
static void segments_note(struct ledger_writer *writer, struct ledger_stream *stream)
{
    struct journal_segment_info infos[SEGMENTS_STEP];
    uint32_t first = stream->segment_high > 0 ? stream->segment_high : 1;
    size_t count;
    do {
        count = journal_segments_get(writer->journal, stream->number, first, infos, SEGMENTS_STEP);
        for (size_t i = 0; i < count; i++) {
            if (infos[i].segment > stream->segment_high) {
                stream->segment_high = infos[i].segment;
                writer->marks_moved = true;
            }
            if (infos[i].receipt_limit > stream->receipt_limit)
                stream->receipt_limit = infos[i].receipt_limit;
            if (infos[i].life > writer->marks.life_high)
                writer->marks.life_high = infos[i].life;
            first = infos[i].segment + 1;
        }
    } while (count == SEGMENTS_STEP);
}

static enum result streams_find(struct ledger_writer *writer)
{
    uint16_t *numbers = malloc(LEDGER_STREAMS_MAX * sizeof *numbers);
    enum result result = OK;
    if (numbers == NULL)
        return ERR_NOMEM;
    size_t count = journal_streams_get(writer->journal, numbers, LEDGER_STREAMS_MAX);
    for (size_t i = 0; result == OK && i < count; i++) {
        struct ledger_stream *stream = NULL;
        result = ledger_stream_get(writer, numbers[i], &stream);
        if (result == OK)
            segments_note(writer, stream);
    }
    free(numbers);
    return result;
}

static enum result entry_apply(struct ledger_writer *writer, const struct journal_entry *entry)
{
    enum result result = ledger_apply(writer, entry);
    if (result != AGAIN)
        return result;
    result = ledger_commit(writer);
    return result == OK ? ledger_apply(writer, entry) : result;
}

// Up to `most` entries of one stream; OK: that many; AGAIN: its end was reached. Streams may move in memory
// while an entry is applied, therefore the index.
static enum result stream_turn(struct ledger_writer *writer, uint16_t number, size_t most, size_t *taken)
{
    struct ledger_stream *stream = NULL;
    struct journal_entry entry;
    for (*taken = 0; *taken < most; (*taken)++) {
        enum result result = ledger_stream_get(writer, number, &stream);
        if (result == OK && stream->reader == NULL)
            result = journal_reader_new(writer->journal, stream->applied, 0, &stream->reader);
        if (result == OK)
            result = journal_reader_next(stream->reader, &entry);
        if (result == AGAIN) { // the reader may have gone on over room that was never used
            struct journal_position end = journal_reader_position(stream->reader);
            if (journal_position_compare(end, stream->applied) > 0)
                stream->applied = end;
            return AGAIN;
        }
        if (result != OK) {
            log_event(STORE_JOURNAL_UNREADABLE, log_number(number), log_text(result_text(result)));
            return result;
        }
        result = entry_apply(writer, &entry);
        if (result != OK) { // the reader is past it: begin again at what was applied
            enum result found = ledger_stream_get(writer, number, &stream);
            if (found == OK)
                reader_close(stream);
            return result;
        }
    }
    return OK;
}

// One turn for each stream; `taken` of all.
static enum result round_run(struct ledger_writer *writer, size_t budget, size_t *taken)
{
    enum result failure = OK;
    *taken = 0;
    for (size_t i = 0; i < writer->stream_count && *taken < budget; i++) {
        size_t left = budget - *taken;
        size_t got = 0;
        uint16_t number = writer->streams[i].number;
        enum result result = stream_turn(writer, number, left < TURN_ENTRIES ? left : TURN_ENTRIES, &got);
        *taken += got;
        if (result != OK && result != AGAIN)
            failure = result; // one bad stream does not hold up the others
    }
    return failure;
}

// In a ledger that is made anew copies come first: what they know of the deliveries is then there before the
// reports that came later, and which of the older ones are left does not matter. At most `*left` entries.
static enum result copies_read(struct ledger_writer *writer, size_t *left)
{
    struct journal_segment_info first;
    bool is_done =
        writer->has_copies || journal_segments_get(writer->journal, JOURNAL_STREAM_COPY, 1, &first, 1) == 0;
    enum result result = is_done ? AGAIN : OK;
    while (result == OK && *left > 0) {
        size_t taken = 0;
        result = stream_turn(writer, JOURNAL_STREAM_COPY, *left, &taken);
        *left -= taken;
    }
    writer->has_copies = result == AGAIN;
    return result == AGAIN ? OK : result;
}

enum result ledger_catch_up(struct ledger_writer *writer, size_t budget)
{
    MAGIC_CHECK(writer, LEDGER_WRITER_MAGIC);
    ensure(writer->journal != NULL);
    size_t left = budget > 0 ? budget : BUDGET_DEFAULT;
    size_t taken = 1;
    uint64_t skipped = writer->counters.skipped;
    enum result failure = streams_find(writer);
    if (failure == OK)
        failure = copies_read(writer, &left);
    while (failure == OK && left > 0 && taken > 0) {
        failure = round_run(writer, left, &taken);
        left -= taken;
    }
    enum result result = ledger_commit(writer);
    if (writer->counters.skipped > skipped)
        log_event(STORE_RECORDS_SKIPPED, log_number(writer->counters.skipped - skipped));
    if (result != OK)
        return result;
    if (failure != OK)
        return failure;
    return taken > 0 ? AGAIN : OK;
}

// ---- receipts without CLOSE

// The next at most `max` unfinished receipts above `after`.
static enum result unfinished_find(struct ledger_writer *writer, uint64_t after, uint64_t *receipts,
                                   size_t max, size_t *count)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor;
    uint8_t key[FACT_KEY_SIZE];
    *count = 0;
    enum result result = kv_begin(writer->env, KV_READ, &transaction);
    if (result != OK)
        return result;
    fact_key_put(key, after + 1);
    result = kv_cursor_init(&cursor, &transaction, LEDGER_OPEN);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(key, sizeof key));
    while (result == OK && *count < max) {
        struct ledger_fact fact;
        fact_init(&fact);
        result = fact_decode(fact_key_get(cursor.key), cursor.value, FACT_HEAD, &fact);
        if (result == OK && fact.state == FACT_RECEIVED)
            receipts[(*count)++] = fact.receipt;
        fact_fini(&fact);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    return result == ERR_MISSING ? OK : result;
}

static enum result unfinished_drop(struct ledger_writer *writer, uint64_t receipt)
{
    struct ledger_touched *touched = NULL;
    enum result result = ledger_touch(writer, receipt, &touched);
    if (result != OK)
        return result;
    touched->fact.state = FACT_DROPPED;
    touched->fact.drop_reason = RECORD_DROP_INCOMPLETE;
    touched->fact.closed_at = touched->fact.opened_at; // when it was found is not known here
    touched->dirty = true;
    return OK;
}

// Each holds its first segment. Nearly always there are none or a few, and the open index may be long.
static size_t unfinished_count(const struct ledger_writer *writer)
{
    const struct live_rows *rows = &writer->live.unfinished;
    size_t count = 0;
    for (size_t i = 0; i < rows->count; i++)
        count += rows->rows[i].count;
    return count;
}

enum result ledger_forget_unfinished(struct ledger_writer *writer, size_t *count)
{
    MAGIC_CHECK(writer, LEDGER_WRITER_MAGIC);
    uint64_t receipts[SEGMENTS_STEP];
    uint64_t after = 0;
    size_t found = 0;
    size_t all = 0;
    enum result result = ledger_commit(writer);
    const size_t expected = unfinished_count(writer);
    while (result == OK && all < expected) {
        size_t most = writer->limit < SEGMENTS_STEP ? writer->limit : SEGMENTS_STEP;
        result = unfinished_find(writer, after, receipts, most, &found);
        if (result == OK && found == 0)
            break;
        for (size_t i = 0; result == OK && i < found; i++)
            result = unfinished_drop(writer, receipts[i]);
        if (result == OK)
            result = ledger_commit(writer);
        after = found > 0 ? receipts[found - 1] : after;
        all += found;
    }
    if (result != OK)
        return result;
    if (all > 0)
        log_event(STORE_UNFINISHED_DROPPED, log_number(all));
    if (count != NULL)
        *count = all;
    return OK;
}

// ---- reclaim

#define CANDIDATES_MAX 4096

static enum result stream_reclaim(struct ledger_writer *writer, const struct ledger_stream *stream,
                                  uint32_t *segments, size_t max, size_t *count)
{
    size_t found = journal_reclaim_candidates(writer->journal, stream->committed, segments, CANDIDATES_MAX);
    for (size_t i = 0; i < found && *count < max; i++) {
        if (ledger_live_get(&writer->live, stream->number, segments[i]) > 0)
            continue;
        enum result result = journal_segment_reclaim(writer->journal, stream->committed, segments[i]);
        if (result != OK) {
            log_event(STORE_RECLAIM_FAILED, log_number(stream->number), log_number(segments[i]),
                      log_text(result_text(result)));
            return result;
        }
        writer->counters.reclaimed++;
        (*count)++;
    }
    return OK;
}

enum result ledger_reclaim(struct ledger_writer *writer, size_t max, size_t *count)
{
    MAGIC_CHECK(writer, LEDGER_WRITER_MAGIC);
    ensure(writer->journal != NULL);
    uint32_t *segments = malloc(CANDIDATES_MAX * sizeof *segments);
    enum result result = OK;
    size_t gone = 0;
    if (segments == NULL)
        return ERR_NOMEM;
    ledger_forward_committed(writer);
    for (size_t i = 0; result == OK && i < writer->stream_count && gone < max; i++)
        if (writer->streams[i].committed.segment != 0)
            result = stream_reclaim(writer, &writer->streams[i], segments, max, &gone);
    free(segments);
    if (count != NULL)
        *count = gone;
    return result;
}
