// SPDX-License-Identifier: Apache-2.0
// One segment: its file, its key, the sealing and opening of its records.
// Files are touched by disk, ledger and main threads; sealing and opening also by workers, on memory only.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "internal.h"

void segment_path(const struct journal *journal, uint16_t stream, uint32_t number, char *out)
{
    char name[JOURNAL_NAME_SIZE];
    journal_segment_name(stream, number, name);
    bool whole = text_format(out, FS_PATH_MAX + 1, "%s/%s", journal->folder, name);
    ensure(whole); // journal_new() left room for it
}

struct journal_segment *segment_new(const struct journal_page *page)
{
    struct journal_segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return NULL;
    MAGIC_INIT(segment, JOURNAL_SEGMENT_MAGIC);
    segment->references = 1;
    segment->stream = page->stream;
    segment->number = page->segment;
    segment->flags = page->flags;
    segment->life = page->life;
    segment->size = segment->bytes = page->size;
    segment->receipt_first = page->receipt_first;
    segment->receipt_limit = page->receipt_limit;
    segment->created = page->created;
    segment->state = JOURNAL_SEGMENT_PREPARED;
    segment->end = JOURNAL_PAGE_SIZE;
    return segment;
}

static uint64_t bytes_used(struct journal *journal)
{
    struct journal_health health;
    journal_health_get(journal, &health);
    return health.bytes;
}

enum result segment_room_get(struct journal *journal, struct segment_room *room)
{
    struct fs_space space;
    uint64_t quota = journal->options.quota;
    pthread_mutex_lock(&journal->lock);
    uint64_t settled = journal->settled;
    pthread_mutex_unlock(&journal->lock);
    enum result result = fs_space_get(journal->fs, &space);
    if (result != OK)
        return result;
    *room = (struct segment_room){.bytes = space.free, .settled = settled};
    if (quota > 0) {
        uint64_t used = bytes_used(journal);
        uint64_t left = used < quota ? quota - used : 0;
        room->bytes = left < room->bytes ? left : room->bytes;
    }
    pthread_mutex_lock(&journal->lock);
    journal->free_bytes = space.free;
    journal->room = room->bytes;
    pthread_mutex_unlock(&journal->lock);
    return OK;
}

bool segment_room_book(struct journal *journal, const struct segment_room *room, uint64_t size, uint64_t keep)
{
    pthread_mutex_lock(&journal->lock);
    // Begun since the look, or under way during it: not in it, or not for certain.
    uint64_t unseen = journal->booked - room->settled;
    uint64_t left = unseen < room->bytes ? room->bytes - unseen : 0;
    bool fits = left >= size && left - size >= keep;
    if (fits)
        journal->booked += size;
    pthread_mutex_unlock(&journal->lock);
    return fits;
}

void segment_room_settle(struct journal *journal, uint64_t size)
{
    pthread_mutex_lock(&journal->lock);
    journal->settled += size;
    pthread_mutex_unlock(&journal->lock);
}

// File with room for everything and a format page, and its name: all durable.
static enum result file_create(struct journal *journal, const char *path, const struct journal_page *page,
                               struct fs_file **out)
{
    uint8_t bytes[JOURNAL_PAGE_SIZE];
    struct fs_file *file = NULL;
    enum result result = fs_file_create(journal->fs, path, &file);
    if (result != OK)
        return result;
    journal_page_encode(page, bytes);
    result = fs_file_allocate(file, 0, page->size);
    if (result == OK)
        result = fs_file_write(file, 0, slice_of(bytes, sizeof bytes));
    if (result == OK)
        result = fs_file_datasync(file);
#if !DG_FAULT_DIRSYNC_OMITTED
    if (result == OK)
        result = fs_dir_sync(journal->fs, journal->folder);
#endif
    if (result == OK) {
        *out = file;
        return OK;
    }
    fs_file_close(&file);
    // Nothing is in it. What can not be removed now, recovery removes: it has no key.
    (void)!fs_path_unlink(journal->fs, path);
    return result;
}

#if DG_FAULT_SEGMENT_REUSED
// The planted fault: the newest segment of an earlier life is written again instead of a new one.
static void number_reuse(struct journal *journal, struct segment_chain *chain, uint32_t *number)
{
    struct journal_segment *last = chain->count > 0 ? chain->segments[chain->count - 1] : NULL;
    if (last == NULL || !last->earlier || segment_erase(journal, last->stream, last->number) != OK)
        return;
    *number = last->number;
    catalog_remove(journal, last);
}
#endif

enum result segment_create(struct journal *journal, struct segment_chain *chain, uint64_t size,
                           uint16_t flags, uint64_t wall, struct journal_segment **out,
                           struct fs_file **file_out)
{
    char path[FS_PATH_MAX + 1];
    struct fs_file *file = NULL;
    bool has_receipts = chain->stream <= JOURNAL_STREAM_MAX && !(flags & JOURNAL_SEGMENT_RESERVE);
    uint64_t receipts = has_receipts ? size / JOURNAL_BYTES_PER_RECEIPT : 0;
    struct journal_page page = {.version = JOURNAL_FORMAT_VERSION,
                                .flags = flags,
                                .stream = chain->stream,
                                .size = size,
                                .created = wall};
    page.life = journal_life(journal);
    catalog_numbers_take(journal, chain, receipts, &page.segment, &page.receipt_first);
    page.receipt_limit = page.receipt_first + receipts;
#if DG_FAULT_SEGMENT_REUSED
    number_reuse(journal, chain, &page.segment);
#endif
    struct journal_segment *segment = segment_new(&page);
    if (segment == NULL)
        return ERR_NOMEM;
    segment_path(journal, page.stream, page.segment, path);
    enum result result = file_create(journal, path, &page, &file);
    if (result != OK)
        goto out;
    result = seal_keyring_segment_key_new(journal->keyring, page.stream, page.segment, &segment->key);
    if (result != OK) {
        // Whether the key is in its file is not known until the next opening, and a key without a segment
        // would look like a segment that was lost: the empty one stays, without its room, until recovery
        // takes it away.
        (void)!fs_file_truncate(file, JOURNAL_PAGE_SIZE);
        fs_file_close(&file);
        goto out;
    }
    struct journal_segment *kept = segment_ref(journal, segment);
    result = catalog_add(journal, &segment);
    if (result == OK) {
        *out = kept;
        *file_out = file;
        return OK;
    }
    segment_unref(journal, &kept);
    fs_file_close(&file);
    (void)!segment_erase(journal, page.stream, page.segment); // else recovery does it
out:
    segment_unref(journal, &segment);
    return result;
}

enum result segment_cut(struct journal *journal, struct journal_position end)
{
    char path[FS_PATH_MAX + 1];
    struct fs_file *file = NULL;
    segment_path(journal, end.stream, end.segment, path);
    enum result result = fs_file_open(journal->fs, path, FS_WRITE, &file);
    if (result == OK)
        result = fs_file_truncate(file, end.offset);
    if (result == OK)
        result = fs_file_datasync(file);
    fs_file_close(&file);
    struct journal_segment *segment =
        result == OK ? catalog_find(journal, end.stream, end.segment, false) : NULL;
    if (segment != NULL) {
        pthread_mutex_lock(&journal->lock);
        segment->bytes = end.offset;
        pthread_mutex_unlock(&journal->lock);
        segment_unref(journal, &segment);
    }
    return result == ERR_MISSING ? OK : result;
}

enum result segment_erase(struct journal *journal, uint16_t stream, uint32_t number)
{
    char path[FS_PATH_MAX + 1];
    enum result result = seal_keyring_segment_key_destroy(journal->keyring, stream, number);
    if (result != OK && result != ERR_MISSING)
        return result;
    segment_path(journal, stream, number, path);
    result = fs_path_unlink(journal->fs, path);
    if (result != OK && result != ERR_MISSING)
        return result;
    return fs_dir_sync(journal->fs, journal->folder);
}

enum result segment_header_read(struct fs_file *file, struct journal_position at, uint64_t size,
                                struct journal_header *header, uint8_t bytes[JOURNAL_HEADER_SIZE])
{
    size_t got = 0;
    enum result result = fs_file_read(file, at.offset, bytes, JOURNAL_HEADER_SIZE, &got);
    if (result != OK)
        return result;
    if (got != JOURNAL_HEADER_SIZE || journal_header_decode(bytes, header) != OK ||
        !journal_header_fits(header, at, size))
        return ERR_FORMAT;
    return OK;
}

enum result segment_record_open(struct seal_cipher *cipher, struct seal_key *key,
                                const struct journal_header *header, uint8_t *record, struct slice *body)
{
    uint8_t *sealed = record + JOURNAL_HEADER_SIZE;
    enum result result = seal_open(cipher, key, header->nonce, slice_of(record, JOURNAL_HEADER_SIZE),
                                   slice_of(sealed, header->length), sealed + header->length, sealed);
    if (result == OK)
        *body = slice_of(sealed, header->length);
    return result;
}

enum result segment_record_seal(struct seal_cipher *cipher, struct seal_key *key,
                                struct journal_header *header, const struct slice *parts, size_t count,
                                uint8_t *out)
{
    uint32_t size = journal_record_size(header->length);
    uint8_t *sealed = out + JOURNAL_HEADER_SIZE;
    header->nonce = seal_key_nonce_take(key);
    journal_header_encode(header, out);
    enum result result = seal_seal(cipher, key, header->nonce, slice_of(out, JOURNAL_HEADER_SIZE), parts,
                                   count, sealed, sealed + header->length);
    uint32_t used = JOURNAL_HEADER_SIZE + header->length + JOURNAL_TAG_SIZE;
    memset(out + used, 0, size - used);
    return result;
}
