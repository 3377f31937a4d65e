// SPDX-License-Identifier: Apache-2.0
// Sequential reader: headers in windows of bytes, resynchronisation, classification of what is bad.
// Thread: the caller's (ledger or main); waits for the disk. Source: ENGINE 2.
#include "journal/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/wipe.h"
#include "internal.h"

#define READER_MAGIC 0x4a524452u
// Read at a time while going from header to header.
#define READ_AHEAD (64u * 1024u)

struct journal_reader {
    uint32_t magic;
    uint32_t flags;
    struct journal *journal;
    struct journal_position at;
    struct journal_segment *segment; // reference to the one that `at` lies in; NULL: to be found
    struct fs_file *file;
    struct seal_cipher *cipher;
    uint64_t window_at; // offset of the window's first byte
    size_t window_length;
    uint8_t *window; // JOURNAL_RECORD_MAX
};

enum result journal_reader_new(struct journal *journal, struct journal_position start, uint32_t flags,
                               struct journal_reader **out)
{
    MAGIC_CHECK(journal, JOURNAL_MAGIC);
    struct journal_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return ERR_NOMEM;
    enum result result = ERR_NOMEM;
    reader->window = malloc(JOURNAL_RECORD_MAX);
    if (reader->window != NULL)
        result = seal_cipher_new(&reader->cipher);
    if (result != OK) {
        free(reader->window);
        free(reader);
        return result;
    }
    MAGIC_INIT(reader, READER_MAGIC);
    reader->journal = journal;
    reader->flags = flags;
    reader->at = start;
    pthread_mutex_lock(&journal->lock);
    journal->readers++;
    pthread_mutex_unlock(&journal->lock);
    *out = reader;
    return OK;
}

static void segment_leave(struct journal_reader *reader)
{
    fs_file_close(&reader->file);
    segment_unref(reader->journal, &reader->segment);
    reader->window_length = 0;
}

void journal_reader_free(struct journal_reader *reader)
{
    if (reader == NULL)
        return;
    MAGIC_CHECK(reader, READER_MAGIC);
    segment_leave(reader);
    seal_cipher_free(reader->cipher);
    pthread_mutex_lock(&reader->journal->lock);
    reader->journal->readers--;
    pthread_mutex_unlock(&reader->journal->lock);
    wipe(reader->window, JOURNAL_RECORD_MAX);
    free(reader->window);
    MAGIC_CLEAR(reader);
    free(reader);
}

struct journal_position journal_reader_position(const struct journal_reader *reader)
{
    return reader->at;
}

// ---- where the reader stands ----

// The first segment from `number` on that has been written to, or AGAIN.
static enum result segment_enter(struct journal_reader *reader, uint32_t number)
{
    char path[FS_PATH_MAX + 1];
    enum journal_segment_state state;
    uint64_t end;
    struct journal *journal = reader->journal;
    struct journal_segment *segment = catalog_find_readable(journal, reader->at.stream, number);
    if (segment == NULL)
        return AGAIN;
    segment_state_get(journal, segment, &state, &end);
    enum result result = state == JOURNAL_SEGMENT_PREPARED ? AGAIN : OK;
    if (result == OK && segment->key == NULL)
        result = ERR_CRYPTO;
    struct fs_file *file = NULL;
    segment_path(journal, segment->stream, segment->number, path);
    if (result == OK)
        result = fs_file_open(journal->fs, path, FS_READ, &file);
    if (result != OK) {
        segment_unref(journal, &segment);
        return result == ERR_MISSING ? ERR_IO : result;
    }
    segment_leave(reader);
    reader->segment = segment;
    reader->file = file;
    if (reader->at.segment != segment->number || reader->at.offset < JOURNAL_PAGE_SIZE) {
        reader->at.segment = segment->number;
        reader->at.offset = JOURNAL_PAGE_SIZE;
    }
    return OK;
}

// OK: there may be a record at reader->at, which ends at *end at the latest.
static enum result place_find(struct journal_reader *reader, uint64_t *end)
{
    for (;;) {
        enum journal_segment_state state;
        enum result result = OK;
        if (reader->segment == NULL)
            result = segment_enter(reader, reader->at.segment);
        if (result != OK)
            return result;
        segment_state_get(reader->journal, reader->segment, &state, end);
        if (reader->at.offset < *end && *end - reader->at.offset >= JOURNAL_HEADER_SIZE)
            return OK;
        if (state == JOURNAL_SEGMENT_ACTIVE)
            return AGAIN;
        result = segment_enter(reader, reader->segment->number + 1);
        if (result != OK)
            return result;
    }
}

// `need` bytes at `offset` of the segment, borrowed until the next call. Nothing behind `end` is looked at:
// it may change.
static enum result bytes_get(struct journal_reader *reader, uint64_t offset, size_t need, uint64_t end,
                             uint8_t **out)
{
    if (offset < reader->window_at || offset + need > reader->window_at + reader->window_length) {
        size_t length = need > READ_AHEAD ? need : READ_AHEAD;
        if (length > end - offset)
            length = (size_t)(end - offset);
        ensure(need <= length);
        reader->window_length = 0;
        size_t got = 0;
        enum result result = fs_file_read(reader->file, offset, reader->window, length, &got);
        if (result != OK)
            return result;
        if (got < need)
            return ERR_IO; // the file is shorter than the catalog says
        reader->window_at = offset;
        reader->window_length = got;
    }
    *out = reader->window + (offset - reader->window_at);
    return OK;
}

// ---- good and bad records ----

// Of this life everything up to the durable end must be good; of earlier ones what a CLOSE says was durable.
static enum journal_entry_kind badness(const struct journal_reader *reader)
{
    const struct journal_segment *segment = reader->segment;
    return !segment->earlier || reader->at.offset < segment->claimed ? JOURNAL_ENTRY_CORRUPT
                                                                     : JOURNAL_ENTRY_TORN;
}

// Zeros up to the end of a segment of an earlier life are room that was never used, unless records must be
// there.
static bool zeros_are_unused(const struct journal_reader *reader)
{
    const struct journal_segment *segment = reader->segment;
    return segment->earlier &&
           (reader->at.offset >= segment->claimed || segment->claimed == JOURNAL_CLAIMED_WHOLE);
}

static void entry_bad(struct journal_reader *reader, uint64_t to, const struct journal_header *header,
                      struct journal_entry *entry)
{
    *entry = (struct journal_entry){.kind = badness(reader), .position = reader->at};
    if (header != NULL) {
        entry->header = *header;
        entry->receipt = header->receipt;
    }
    entry->skipped = to - reader->at.offset;
    reader->at.offset = to;
    entry->next = reader->at;
    if (reader->flags & JOURNAL_READER_RECOVERING)
        return;
    if (entry->kind == JOURNAL_ENTRY_CORRUPT)
        log_event(JOURNAL_RECORD_CORRUPT, log_number(entry->position.stream),
                  log_number(entry->position.segment), log_number(entry->position.offset),
                  log_number(entry->skipped), log_number(entry->receipt));
    else
        log_event(JOURNAL_RECORD_TORN, log_number(entry->position.stream),
                  log_number(entry->position.segment), log_number(entry->position.offset),
                  log_number(entry->skipped));
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

// Room that was reserved and never used is zeros, by the hundred MiB after a crash: whole windows of it are
// passed over at once.
static enum result zeros_skip(struct journal_reader *reader, uint64_t end, struct journal_position *at)
{
    while (end - at->offset >= READ_AHEAD) {
        uint8_t *bytes;
        enum result result = bytes_get(reader, at->offset, READ_AHEAD, end, &bytes);
        if (result != OK)
            return result;
        if (!is_zero(bytes, READ_AHEAD))
            break;
        at->offset += READ_AHEAD;
    }
    return OK;
}

// Looks for the next valid header behind a place where there is none. OK with *found false: up to the end of
// a segment of an earlier life there is nothing but room that was never used.
static enum result resynchronise(struct journal_reader *reader, uint64_t end, bool *found,
                                 struct journal_entry *entry)
{
    struct journal_header header;
    struct journal_position at = reader->at;
    const uint64_t whole = end;
    bool zeros = true;
    // More than the gap was never unsynced: behind it there is nothing.
    if (reader->segment->earlier && end - at.offset > JOURNAL_GAP_MAX &&
        at.offset >= reader->segment->claimed)
        end = at.offset + JOURNAL_GAP_MAX;
    for (; end - at.offset >= JOURNAL_HEADER_SIZE; at.offset += JOURNAL_ALIGN) {
        uint8_t *bytes;
        enum result result = at.offset % READ_AHEAD == 0 ? zeros_skip(reader, end, &at) : OK;
        if (result == OK && end - at.offset < JOURNAL_HEADER_SIZE)
            break;
        if (result == OK)
            result = bytes_get(reader, at.offset, JOURNAL_HEADER_SIZE, end, &bytes);
        if (result != OK)
            return result;
        if (at.offset != reader->at.offset && journal_header_decode(bytes, &header) == OK &&
            journal_header_fits(&header, at, whole))
            break;
        zeros = zeros && is_zero(bytes, JOURNAL_HEADER_SIZE);
    }
    bool at_end = end - at.offset < JOURNAL_HEADER_SIZE;
    bool unused = at_end && zeros && zeros_are_unused(reader);
    *found = !unused;
    if (unused)
        reader->at.offset = whole;
    else
        entry_bad(reader, at_end ? whole : at.offset, NULL, entry);
    return OK;
}

static bool is_copy(const struct journal_reader *reader)
{
    return reader->segment->stream == JOURNAL_STREAM_COPY;
}

static bool was_dropped(const struct journal_reader *reader, const struct journal_entry *close)
{
    const struct journal *journal = reader->journal;
    const struct journal_dropped *dropped = is_copy(reader) ? &journal->dropped_copies : &journal->dropped;
    uint64_t key = is_copy(reader) ? journal_copy_key(close->position) : close->receipt;
    return reader->segment->earlier && dropped->count > 0 &&
           bsearch(&key, dropped->receipts, dropped->count, sizeof key, journal_dropped_compare) != NULL;
}

// The record at reader->at, whose header is good. *yield false: it is of no interest to the caller.
static enum result record_take(struct journal_reader *reader, const struct journal_header *header,
                               uint64_t end, bool *yield, struct journal_entry *entry)
{
    uint64_t next = reader->at.offset + journal_record_size(header->length);
    struct slice body = slice_of(NULL, 0);
    bool open = header->type != JOURNAL_DATA || (reader->flags & JOURNAL_READER_AUTHENTICATE_DATA);
    *yield = true;
    if (open) {
        uint8_t *record;
        enum result result = bytes_get(reader, reader->at.offset,
                                       JOURNAL_HEADER_SIZE + header->length + JOURNAL_TAG_SIZE, end, &record);
        if (result != OK)
            return result;
        if (segment_record_open(reader->cipher, reader->segment->key, header, record, &body) != OK) {
            entry_bad(reader, next, header, entry);
            return OK;
        }
    }
    *entry = (struct journal_entry){.kind = JOURNAL_ENTRY_RECORD, .position = reader->at, .header = *header};
    entry->receipt = header->receipt;
    entry->body = body;
    reader->at.offset = next;
    entry->next = reader->at;
    if (header->type == JOURNAL_CLOSE && was_dropped(reader, entry))
        entry->kind = is_copy(reader) ? JOURNAL_ENTRY_TORN : JOURNAL_ENTRY_INCOMPLETE;
    if (header->type == JOURNAL_DEATH && !(reader->flags & JOURNAL_READER_RECOVERING))
        *yield = false;
    return OK;
}

enum result journal_reader_next(struct journal_reader *reader, struct journal_entry *entry)
{
    MAGIC_CHECK(reader, READER_MAGIC);
    for (;;) {
        struct journal_header header;
        uint64_t end;
        uint8_t *bytes;
        bool yield = false;
        enum result result = place_find(reader, &end);
        if (result == OK)
            result = bytes_get(reader, reader->at.offset, JOURNAL_HEADER_SIZE, end, &bytes);
        if (result != OK)
            return result;
        if (journal_header_decode(bytes, &header) == OK && journal_header_fits(&header, reader->at, end))
            result = record_take(reader, &header, end, &yield, entry);
        else
            result = resynchronise(reader, end, &yield, entry);
        if (result != OK || yield)
            return result;
    }
}
