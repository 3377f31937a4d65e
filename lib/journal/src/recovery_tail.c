// SPDX-License-Identifier: Apache-2.0
// Recovery, second part: the records. What earlier syncs made durable, which segments died, and which
// receipts of the tail behind that are complete and authentic. Thread: main, before any loop runs. Source:
// ENGINE 2.
#include <stdlib.h>

#include "base/check.h"
#include "base/grow.h"
#include "cbor/reader.h"
#include "journal/reader.h"
#include "journal/record.h"
#include "recovery_parts.h"

struct places {
    struct journal_position *at;
    size_t count, capacity;
};

struct tail {
    struct journal *journal;
    struct segment_chain *chain;
    struct journal_recovery *report;
    struct places closes; // CLOSE records not below what is claimed so far
    struct places bad;    // bad records: all of them, as a death that is told later may bury any
    struct places ends;   // of the last record of each segment that was read
    struct seal_cipher *cipher;
    uint8_t *record;                 // JOURNAL_RECORD_MAX: a CLOSE, while its chunks are looked at
    uint8_t *chunk;                  // JOURNAL_RECORD_MAX
    struct journal_segment *segment; // that `file` belongs to
    struct fs_file *file;
};

// Known to be durable by what has been read so far.
static bool is_claimed(const struct tail *tail, struct journal_position at)
{
    struct journal_segment *segment = catalog_find(tail->journal, tail->chain->stream, at.segment, false);
    bool claimed = segment != NULL && at.offset < segment->claimed;
    segment_unref(tail->journal, &segment);
    return claimed;
}

// Behind the end of a segment that died: given up when it died, of no interest.
static bool is_dead(const struct tail *tail, struct journal_position at)
{
    struct journal_segment *segment = catalog_find(tail->journal, tail->chain->stream, at.segment, false);
    bool dead = segment == NULL || at.offset >= segment->end;
    segment_unref(tail->journal, &segment);
    return dead;
}

// Forgets the places that need no look any more; returns how many of them are known to have been durable.
static size_t places_sift(const struct tail *tail, struct places *places)
{
    size_t kept = 0;
    size_t claimed = 0;
    for (size_t i = 0; i < places->count; i++) {
        struct journal_position at = places->at[i];
        if (is_dead(tail, at))
            continue;
        if (is_claimed(tail, at))
            claimed++;
        else
            places->at[kept++] = at;
    }
    places->count = kept;
    return claimed;
}

static enum result places_add(struct tail *tail, struct places *places, struct journal_position at)
{
    enum result result = OK;
    bool is_full = places->count == places->capacity;
    if (is_full && places == &tail->closes)
        (void)places_sift(tail, places);
    if (is_full && places->count * 2 >= places->capacity) // or it would soon have to be sifted again
        result = ARRAY_GROW(places->at, places->capacity, places->capacity + 1);
    if (result == OK)
        places->at[places->count++] = at;
    return result;
}

// Segments that died count only up to where they were durable.
static void death_take(struct tail *tail, struct slice body)
{
    struct cbor_reader r;
    cbor_reader_init(&r, body);
    cbor_enter_array(&r);
    while (cbor_next_item(&r)) {
        uint32_t number = (uint32_t)cbor_take_uint(&r, UINT32_MAX);
        if (!cbor_next_item(&r))
            break;
        uint64_t end = cbor_take_uint(&r, JOURNAL_SEGMENT_SIZE_MAX);
        struct journal_segment *segment = catalog_find(tail->journal, tail->chain->stream, number, false);
        if (segment == NULL || cbor_reader_result(&r) != OK) {
            segment_unref(tail->journal, &segment);
            continue;
        }
        segment->state = JOURNAL_SEGMENT_DEAD;
        if (end >= JOURNAL_PAGE_SIZE && end < segment->end)
            segment->end = end;
        segment_unref(tail->journal, &segment);
    }
}

static enum result end_take(struct tail *tail, const struct journal_entry *entry)
{
    struct journal_position end = entry->position;
    end.offset += journal_record_size(entry->header.length);
    size_t count = tail->ends.count;
    if (count == 0 || tail->ends.at[count - 1].segment != end.segment)
        return places_add(tail, &tail->ends, end);
    tail->ends.at[count - 1] = end;
    return OK;
}

static enum result entry_take(struct tail *tail, const struct journal_entry *entry)
{
    struct record_close close;
    if (entry->kind == JOURNAL_ENTRY_CORRUPT || entry->kind == JOURNAL_ENTRY_TORN)
        return places_add(tail, &tail->bad, entry->position);
    tail->report->records++;
    enum result result = end_take(tail, entry);
    if (result != OK)
        return result;
    if (entry->header.type == JOURNAL_DEATH)
        death_take(tail, entry->body);
    if (entry->header.type != JOURNAL_CLOSE || record_close_decode(entry->body, &close) != OK)
        return OK;
    struct journal_segment *segment =
        catalog_find(tail->journal, tail->chain->stream, entry->position.segment, false);
    catalog_claim(tail->journal, tail->chain, segment->life, close.durable);
    segment_unref(tail->journal, &segment);
    return places_add(tail, &tail->closes, entry->position);
}

// ---- is a receipt complete? ----

static enum result file_enter(struct tail *tail, uint32_t number)
{
    char path[FS_PATH_MAX + 1];
    if (tail->segment != NULL && tail->segment->number == number)
        return OK;
    fs_file_close(&tail->file);
    segment_unref(tail->journal, &tail->segment);
    tail->segment = catalog_find(tail->journal, tail->chain->stream, number, false);
    if (tail->segment == NULL)
        return ERR_MISSING;
    segment_path(tail->journal, tail->chain->stream, number, path);
    enum result result = fs_file_open(tail->journal->fs, path, FS_READ, &tail->file);
    if (result != OK)
        segment_unref(tail->journal, &tail->segment);
    return result;
}

// An authentic record of this type, receipt and chunk, into `memory`. ERR_FORMAT, ERR_CRYPTO, ERR_MISSING:
// there is none.
static enum result record_read(struct tail *tail, struct journal_position at, enum journal_record_type type,
                               uint64_t receipt, uint32_t chunk, uint8_t *memory, struct slice *body)
{
    struct journal_header header;
    size_t got = 0;
    enum result result = file_enter(tail, at.segment);
    if (result != OK)
        return result;
    // Behind the end of a segment that died nothing counts.
    result = segment_header_read(tail->file, at, tail->segment->end, &header, memory);
    if (result != OK)
        return result;
    if (header.type != type || header.chunk != chunk || (receipt != 0 && header.receipt != receipt))
        return ERR_FORMAT;
    size_t rest = header.length + JOURNAL_TAG_SIZE;
    result =
        fs_file_read(tail->file, at.offset + JOURNAL_HEADER_SIZE, memory + JOURNAL_HEADER_SIZE, rest, &got);
    if (result == OK && got < rest)
        result = ERR_FORMAT;
    if (result == OK)
        result = segment_record_open(tail->cipher, tail->segment->key, &header, memory, body);
    return result;
}

// OK: all records of the receipt that are not known to be durable are there and authentic.
static enum result receipt_check(struct tail *tail, struct journal_position at, uint64_t *receipt)
{
    struct record_close close;
    struct journal_header header;
    struct slice body;
    enum result result = record_read(tail, at, JOURNAL_CLOSE, 0, 0, tail->record, &body);
    if (result == OK)
        result = journal_header_decode(tail->record, &header);
    if (result == OK)
        result = record_close_decode(body, &close);
    if (result != OK)
        return result;
    *receipt = header.receipt;
    close.opened.stream = tail->chain->stream; // the body names no stream: it is that of the record
    if (!is_claimed(tail, close.opened))
        result = record_read(tail, close.opened, JOURNAL_OPEN, header.receipt, 0, tail->chunk, &body);
    for (uint32_t i = 0; i < journal_index_count(close.index) && result == OK; i++) {
        struct journal_position chunk = journal_index_get(close.index, i, tail->chain->stream);
        if (!is_claimed(tail, chunk))
            result = record_read(tail, chunk, JOURNAL_DATA, header.receipt, i, tail->chunk, &body);
    }
    return result;
}

// A copy that is not complete was never synced: what it was made from is still there.
static enum result receipt_drop(struct tail *tail, uint64_t receipt, struct journal_position close)
{
    struct journal *journal = tail->journal;
    bool is_copy = tail->chain->stream == JOURNAL_STREAM_COPY;
    struct journal_dropped *dropped = is_copy ? &journal->dropped_copies : &journal->dropped;
    enum result result = ARRAY_GROW(dropped->receipts, dropped->capacity, dropped->count + 1);
    if (result != OK)
        return result;
    dropped->receipts[dropped->count++] = is_copy ? journal_copy_key(close) : receipt;
    if (is_copy) {
        tail->report->copies_dropped++;
        return OK;
    }
    tail->report->receipts_dropped++;
    log_event(JOURNAL_RECEIPT_INCOMPLETE, log_number(receipt));
    return OK;
}

static enum result closes_check(struct tail *tail)
{
    for (size_t i = 0; i < tail->closes.count; i++) {
        uint64_t receipt = 0;
        enum result result = receipt_check(tail, tail->closes.at[i], &receipt);
#if DG_FAULT_TAIL_CUT_EARLY
        result = result == OK ? ERR_FORMAT : result; // the tail ends where the last CLOSE says it was durable
#endif
        if (result == OK)
            tail->report->receipts_complete++;
        else if (result == ERR_IO || result == ERR_NOMEM)
            return result; // not an answer; the start has to be tried again
        else if (receipt != 0)
            result = receipt_drop(tail, receipt, tail->closes.at[i]);
        if (result == ERR_NOMEM)
            return result;
    }
    return OK;
}

// ---- what was read must stay ----

// The same bytes again, then a sync. A sync alone would not do: bytes whose sync failed before a kill are
// shown by the page cache as clean and are not on the disk (ENGINE 3).
static enum result range_rewrite(struct tail *tail, struct fs_file *file, uint64_t from, uint64_t to)
{
    enum result result = OK;
    while (result == OK && from < to) {
        size_t most = to - from < JOURNAL_RECORD_MAX ? (size_t)(to - from) : JOURNAL_RECORD_MAX;
        size_t got = 0;
        result = fs_file_read(file, from, tail->chunk, most, &got);
        if (result == OK && got == 0)
            break;
        if (result == OK)
            result = fs_file_write(file, from, slice_of(tail->chunk, got));
        from += got;
    }
    return result == OK ? fs_file_datasync(file) : result;
}

// The ledger will build on what was read here, so it must be there after the next power cut too. What a CLOSE
// says was durable is; the rest is as long as what may be unsynced.
static enum result tail_settle(struct tail *tail)
{
    enum result result = OK;
    for (size_t i = 0; i < tail->ends.count && result == OK; i++) {
        struct journal_position end = tail->ends.at[i];
        char path[FS_PATH_MAX + 1];
        struct fs_file *file = NULL;
        struct journal_segment *segment =
            catalog_find(tail->journal, tail->chain->stream, end.segment, false);
        uint64_t from = segment->claimed > JOURNAL_PAGE_SIZE ? segment->claimed : JOURNAL_PAGE_SIZE;
        uint64_t to = end.offset < segment->end ? end.offset : segment->end;
        segment_unref(tail->journal, &segment);
        if (from >= to)
            continue;
        segment_path(tail->journal, tail->chain->stream, end.segment, path);
        result = fs_file_open(tail->journal->fs, path, FS_WRITE, &file);
        if (result == OK)
            result = range_rewrite(tail, file, from, to);
        fs_file_close(&file);
    }
    return result;
}

static enum result records_read(struct tail *tail, struct journal_position start)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    enum result result = journal_reader_new(tail->journal, start, JOURNAL_READER_RECOVERING, &reader);
    if (result != OK)
        return result;
    do {
        result = journal_reader_next(reader, &entry);
        if (result == OK)
            result = entry_take(tail, &entry);
    } while (result == OK);
    journal_reader_free(reader);
    return result == AGAIN ? OK : result;
}

enum result recovery_stream_read(struct journal *journal, struct segment_chain *chain,
                                 struct journal_position start, bool read_only,
                                 struct journal_recovery *report)
{
    struct tail tail = {.journal = journal, .chain = chain, .report = report};
    tail.record = malloc(JOURNAL_RECORD_MAX);
    tail.chunk = malloc(JOURNAL_RECORD_MAX);
    enum result result =
        tail.record == NULL || tail.chunk == NULL ? ERR_NOMEM : seal_cipher_new(&tail.cipher);
    if (result == OK)
        result = records_read(&tail, start);
    if (result == OK) {
        (void)places_sift(&tail, &tail.closes);
        report->records_corrupt += places_sift(&tail, &tail.bad);
        report->records_torn += tail.bad.count;
        result = read_only ? OK : tail_settle(&tail);
    }
    if (result == OK)
        result = closes_check(&tail);
    fs_file_close(&tail.file);
    segment_unref(journal, &tail.segment);
    seal_cipher_free(tail.cipher);
    free(tail.closes.at);
    free(tail.bad.at);
    free(tail.ends.at);
    free(tail.record);
    free(tail.chunk);
    return result;
}
