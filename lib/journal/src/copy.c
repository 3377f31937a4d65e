// SPDX-License-Identifier: Apache-2.0
// Copy-forward: reads the records of a receipt, opens them, seals them anew into the copy stream. Thread: the
// ledger's. Source: ENGINE 2 and 4.
#include "journal/copy.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/wipe.h"
#include "internal.h"
#include "journal/record.h"

#define COPIER_MAGIC 0x4a434f50u

// A copy segment is this part of a normal one, so that little room is taken for few receipts.
#define COPY_PARTS 16u

struct journal_copier {
    uint32_t magic;
    struct journal *journal;
    struct segment_chain *chain;
    struct seal_cipher *seal_cipher;
    struct seal_cipher *open_cipher;
    uint8_t *source; // JOURNAL_RECORD_MAX: a record as read
    uint8_t *out;    // JOURNAL_RECORD_MAX: a record as written

    // Being written; NULL before the first record and after a death.
    struct journal_segment *segment;
    struct fs_file *file;
    uint64_t written, synced; // offsets
    struct journal_position durable;
    struct journal_position dead; // still to be cut; segment 0: none
    bool has_unsynced_copy;       // a receipt is finished, and not synced

    // Being read.
    struct journal_segment *from_segment;
    struct fs_file *from_file;

    // The receipt under way; 0: none.
    uint64_t receipt;
    struct journal_position from;
    struct record_close *close; // its slices lie in close_body
    uint8_t *close_body;        // JOURNAL_BODY_MAX
    struct journal_position opened;
    uint8_t *index;
    uint32_t chunks; // copied
    uint8_t known[RECORD_KNOWN_MAX];
};

// ---- life ----

enum result journal_copier_new(struct journal *journal, struct journal_copier **out)
{
    struct journal_copier *copier = calloc(1, sizeof *copier);
    if (copier == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(copier, COPIER_MAGIC);
    copier->journal = journal;
    copier->durable.stream = JOURNAL_STREAM_COPY;
    copier->source = malloc(JOURNAL_RECORD_MAX);
    copier->out = malloc(JOURNAL_RECORD_MAX);
    copier->close = malloc(sizeof *copier->close);
    copier->close_body = malloc(JOURNAL_BODY_MAX);
    enum result result =
        copier->source != NULL && copier->out != NULL && copier->close != NULL && copier->close_body != NULL
            ? seal_cipher_new(&copier->seal_cipher)
            : ERR_NOMEM;
    if (result == OK)
        result = seal_cipher_new(&copier->open_cipher);
    if (result == OK)
        result = catalog_chain_make(journal, JOURNAL_STREAM_COPY, &copier->chain);
    if (result == OK)
        *out = copier;
    else
        journal_copier_free(copier);
    return result;
}

static void source_leave(struct journal_copier *copier)
{
    fs_file_close(&copier->from_file);
    segment_unref(copier->journal, &copier->from_segment);
}

static void segment_leave(struct journal_copier *copier)
{
    fs_file_close(&copier->file);
    segment_unref(copier->journal, &copier->segment);
}

static void memory_free(uint8_t *memory, size_t size)
{
    if (memory != NULL)
        wipe(memory, size); // it holds names and numbers of a patient
    free(memory);
}

void journal_copier_free(struct journal_copier *copier)
{
    if (copier == NULL)
        return;
    MAGIC_CHECK(copier, COPIER_MAGIC);
    source_leave(copier);
    segment_leave(copier);
    seal_cipher_free(copier->seal_cipher);
    seal_cipher_free(copier->open_cipher);
    memory_free(copier->source, JOURNAL_RECORD_MAX);
    memory_free(copier->out, JOURNAL_RECORD_MAX);
    memory_free((uint8_t *)copier->close, sizeof *copier->close);
    memory_free(copier->close_body, JOURNAL_BODY_MAX);
    free(copier->index);
    MAGIC_CLEAR(copier);
    wipe(copier->known, sizeof copier->known);
    free(copier);
}

// ---- reading ----

static enum result source_enter(struct journal_copier *copier, struct journal_position at)
{
    char path[FS_PATH_MAX + 1];
    struct journal_segment *segment = copier->from_segment;
    if (segment != NULL && segment->stream == at.stream && segment->number == at.segment)
        return OK;
    source_leave(copier);
    segment = catalog_find(copier->journal, at.stream, at.segment, false);
    if (segment == NULL)
        return ERR_MISSING;
    segment_path(copier->journal, at.stream, at.segment, path);
    enum result result = segment->key == NULL
                             ? ERR_CRYPTO
                             : fs_file_open(copier->journal->fs, path, FS_READ, &copier->from_file);
    copier->from_segment = segment;
    if (result != OK)
        source_leave(copier);
    return result;
}

// The authentic record of this type and chunk of the receipt, into copier->source; *body borrows it.
static enum result record_read(struct journal_copier *copier, struct journal_position at,
                               enum journal_record_type type, uint32_t chunk, struct slice *body)
{
    struct journal_header header;
    size_t got = 0;
    enum result result = source_enter(copier, at);
    if (result == OK)
        result =
            segment_header_read(copier->from_file, at, copier->from_segment->size, &header, copier->source);
    if (result != OK)
        return result;
    if (header.type != type || header.receipt != copier->receipt || header.chunk != chunk)
        return ERR_FORMAT;
    size_t rest = header.length + JOURNAL_TAG_SIZE;
    result = fs_file_read(copier->from_file, at.offset + JOURNAL_HEADER_SIZE,
                          copier->source + JOURNAL_HEADER_SIZE, rest, &got);
    if (result == OK && got < rest)
        result = ERR_FORMAT;
    if (result == OK)
        result = segment_record_open(copier->open_cipher, copier->from_segment->key, &header, copier->source,
                                     body);
    return result;
}

// ---- the segment that is written ----

static struct journal_position place_of(const struct journal_copier *copier)
{
    return (struct journal_position){JOURNAL_STREAM_COPY, copier->segment->number, copier->written};
}

static void floor_set(struct journal_copier *copier, uint32_t segment)
{
    pthread_mutex_lock(&copier->journal->lock);
    copier->journal->copy_floor = segment;
    pthread_mutex_unlock(&copier->journal->lock);
}

// From the first record that the ledger has not heard of, no copy segment may go.
static void floor_hold(struct journal_copier *copier)
{
    if (copier->journal->copy_floor == 0)
        floor_set(copier, copier->segment->number);
}

void journal_copy_committed(struct journal_copier *copier, struct journal_position committed)
{
    if (copier->has_unsynced_copy || journal_position_compare(committed, copier->durable) < 0)
        return;
    floor_set(copier, copier->receipt != 0 ? copier->opened.segment : 0);
}

void journal_copy_cancel(struct journal_copier *copier)
{
    copier->receipt = 0;
    free(copier->index);
    copier->index = NULL;
    wipe(copier->close_body, JOURNAL_BODY_MAX);
}

static void segment_die(struct journal_copier *copier, enum result why)
{
    log_event(JOURNAL_SEGMENT_DIED, log_number(JOURNAL_STREAM_COPY), log_number(copier->segment->number),
              log_text(result_text(why)));
    segment_state_set(copier->journal, copier->segment, JOURNAL_SEGMENT_DEAD, copier->synced);
    copier->dead = (struct journal_position){JOURNAL_STREAM_COPY, copier->segment->number, copier->synced};
    copier->has_unsynced_copy = false; // lost
    journal_copy_cancel(copier);       // its first records may lie there
    segment_leave(copier);
}

// Bytes behind the durable end of a segment that died: cut off before anything newer is claimed to be
// durable.
static enum result dead_cut(struct journal_copier *copier)
{
    if (copier->dead.segment == 0)
        return OK;
    enum result result = segment_cut(copier->journal, copier->dead);
    if (result == OK)
        copier->dead.segment = 0;
    return result;
}

enum result journal_copy_sync(struct journal_copier *copier)
{
    MAGIC_CHECK(copier, COPIER_MAGIC);
    if (copier->segment == NULL || copier->synced == copier->written)
        return OK;
#if DG_FAULT_COPY_NOT_SYNCED
    enum result result = OK;
#else
    enum result result = fs_file_datasync(copier->file);
#endif
    if (result != OK) {
        segment_die(copier, result);
        return result;
    }
    copier->synced = copier->written;
    copier->durable = place_of(copier);
    copier->has_unsynced_copy = false;
    segment_state_set(copier->journal, copier->segment, JOURNAL_SEGMENT_ACTIVE, copier->synced);
    return OK;
}

uint32_t journal_copy_segment(const struct journal_copier *copier)
{
    return copier->segment == NULL ? 0 : copier->segment->number;
}

static enum result segment_close(struct journal_copier *copier)
{
    enum result result = journal_copy_sync(copier);
    if (result == OK && copier->segment != NULL) {
        segment_state_set(copier->journal, copier->segment, JOURNAL_SEGMENT_CLOSED, copier->synced);
        segment_leave(copier);
    }
    return result;
}

enum result journal_copy_close(struct journal_copier *copier)
{
    MAGIC_CHECK(copier, COPIER_MAGIC);
    ensure(copier->receipt == 0);
    return segment_close(copier);
}

static uint64_t segment_size(const struct journal *journal)
{
    uint64_t size = journal->options.segment_size / COPY_PARTS / JOURNAL_PAGE_SIZE * JOURNAL_PAGE_SIZE;
    return size < JOURNAL_SEGMENT_SIZE_MIN ? JOURNAL_SEGMENT_SIZE_MIN : size;
}

static enum result segment_begin(struct journal_copier *copier, uint64_t wall)
{
    struct journal *journal = copier->journal;
    uint64_t size = segment_size(journal);
    struct segment_room room;
    enum result result = segment_close(copier);
    if (result == OK)
        result = dead_cut(copier);
    if (result == OK)
        result = segment_room_get(journal, &room);
    if (result != OK)
        return result;
    // Copies may use the reserve, but not all of it: outcomes must go on.
    if (!segment_room_book(journal, &room, size, JOURNAL_SPACE_MARGIN + journal->options.reserve / 4))
        return ERR_SPACE;
    result = segment_create(journal, copier->chain, size, 0, wall, &copier->segment, &copier->file);
    segment_room_settle(journal, size);
    copier->written = copier->synced = JOURNAL_PAGE_SIZE;
    return result;
}

// *at: where the record was put.
static enum result record_write(struct journal_copier *copier, uint64_t wall, enum journal_record_type type,
                                uint32_t chunk, struct slice body, struct journal_position *at)
{
    uint32_t size = journal_record_size((uint32_t)body.length);
    uint64_t most = copier->journal->options.unsynced_limit / 2;
    enum result result = OK;
    if (copier->segment == NULL || copier->segment->size - copier->written < size)
        result = segment_begin(copier, wall);
    else if (copier->written - copier->synced >= most)
        result = journal_copy_sync(copier);
    if (result != OK)
        return result;
    *at = place_of(copier);
    struct journal_header header = {.version = JOURNAL_FORMAT_VERSION,
                                    .type = (uint8_t)type,
                                    .length = (uint32_t)body.length,
                                    .stream = JOURNAL_STREAM_COPY,
                                    .segment = at->segment,
                                    .chunk = chunk,
                                    .receipt = copier->receipt,
                                    .offset = at->offset};
    result = segment_record_seal(copier->seal_cipher, copier->segment->key, &header, &body, 1, copier->out);
    if (result != OK)
        return result;
    result = fs_file_write(copier->file, at->offset, slice_of(copier->out, size));
    if (result != OK) {
        segment_die(copier, result);
        return result;
    }
    floor_hold(copier);
    copier->written += size;
    return OK;
}

// ---- one receipt ----

enum result journal_copy_begin(struct journal_copier *copier, uint64_t receipt, struct journal_position close)
{
    struct slice body;
    MAGIC_CHECK(copier, COPIER_MAGIC);
    ensure(copier->receipt == 0 && receipt != 0);
    copier->receipt = receipt;
    copier->from = close;
    copier->chunks = 0;
    copier->opened.segment = 0;
    enum result result = record_read(copier, close, JOURNAL_CLOSE, 0, &body);
    if (result == OK) {
        memcpy(copier->close_body, body.data, body.length);
        result = record_close_decode(slice_of(copier->close_body, body.length), copier->close);
    }
    if (result == OK && copier->close->index.length > 0) {
        copier->index = malloc(copier->close->index.length);
        result = copier->index == NULL ? ERR_NOMEM : OK;
    }
    if (result != OK)
        journal_copy_cancel(copier);
    return result;
}

static enum result open_copy(struct journal_copier *copier, uint64_t wall)
{
    struct slice body;
    struct journal_position from = copier->close->opened;
    from.stream = copier->from.stream; // the body names no stream: it is that of the record
    enum result result = record_read(copier, from, JOURNAL_OPEN, 0, &body);
    if (result == OK)
        result = record_write(copier, wall, JOURNAL_OPEN, 0, body, &copier->opened);
    return result;
}

static enum result chunk_copy(struct journal_copier *copier, uint64_t wall)
{
    struct slice body;
    struct journal_position at;
    struct journal_position from =
        journal_index_get(copier->close->index, copier->chunks, copier->from.stream);
    enum result result = record_read(copier, from, JOURNAL_DATA, copier->chunks, &body);
    if (result == OK)
        result = record_write(copier, wall, JOURNAL_DATA, copier->chunks, body, &at);
    if (result == OK)
        journal_index_put(copier->index + (size_t)copier->chunks++ * JOURNAL_INDEX_ENTRY, at);
    return result;
}

// Everything of the receipt as it was, order included; only the places and what is known are new.
static enum result close_copy(struct journal_copier *copier, uint64_t wall, const struct record_known *known)
{
    size_t length;
    struct journal_position at;
    struct record_close close = *copier->close;
    close.durable = copier->durable;
    close.opened = copier->opened;
    close.index = slice_of(copier->index, copier->close->index.length);
    enum result result = record_known_encode(known, copier->known, sizeof copier->known, &length);
    if (result != OK)
        return result;
#if !DG_FAULT_COPY_KNOWS_NOTHING
    close.known = slice_of(copier->known, length);
#endif
    result = record_close_encode(&close, copier->source, JOURNAL_BODY_MAX, &length);
    if (result == OK)
        result = record_write(copier, wall, JOURNAL_CLOSE, 0, slice_of(copier->source, length), &at);
    if (result == OK)
        copier->has_unsynced_copy = true;
    return result;
}

static enum result record_copy(struct journal_copier *copier, uint64_t wall, const struct record_known *known)
{
    if (copier->opened.segment == 0)
        return open_copy(copier, wall);
    if (copier->chunks < journal_index_count(copier->close->index))
        return chunk_copy(copier, wall);
    return close_copy(copier, wall, known);
}

enum result journal_copy_step(struct journal_copier *copier, uint64_t wall, const struct record_known *known,
                              size_t budget, size_t *bytes)
{
    enum result result = OK;
    size_t done = 0;
    MAGIC_CHECK(copier, COPIER_MAGIC);
    ensure(copier->receipt != 0);
    bool closed;
    do {
        closed = copier->opened.segment != 0 && copier->chunks == journal_index_count(copier->close->index);
        uint64_t from = copier->written;
        result = record_copy(copier, wall, known);
        done += copier->written > from ? (size_t)(copier->written - from) : JOURNAL_ALIGN;
    } while (result == OK && !closed && done < budget);
    *bytes += done;
    if (result == OK && !closed)
        return AGAIN;
    journal_copy_cancel(copier);
    return result;
}
