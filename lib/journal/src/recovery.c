// SPDX-License-Identifier: Apache-2.0
// Recovery, first part: files, keys and numbers; and the begin of a life. Thread: main, before any loop runs.
#include "journal/recovery.h"

#include <stdlib.h>

#include "base/check.h"
#include "recovery_parts.h"

// A segment file that was found, before it is decided what becomes of it.
struct found_file {
    uint16_t stream;
    uint32_t segment;
    struct journal_page page;
    uint64_t size;
    enum result page_result;
    bool has_records;            // a valid header where the first record begins
    struct journal_header first; // if it has
    bool has_unread;             // a valid header where the ledger goes on
};

const struct journal_floor *recovery_floor(const struct journal_floor *floors, size_t count, uint16_t stream)
{
    for (size_t i = 0; i < count; i++) {
        if (floors[i].stream == stream)
            return &floors[i];
    }
    return NULL;
}

static enum result file_look(struct journal *journal, const struct journal_floor *floor,
                             struct found_file *found)
{
    struct journal_header header;
    char path[FS_PATH_MAX + 1];
    uint8_t bytes[JOURNAL_PAGE_SIZE];
    struct fs_file *file = NULL;
    size_t got = 0;
    segment_path(journal, found->stream, found->segment, path);
    enum result result = fs_file_open(journal->fs, path, FS_READ, &file);
    if (result == OK)
        result = fs_file_size(file, &found->size);
    if (result == OK)
        result = fs_file_read(file, 0, bytes, sizeof bytes, &got);
    if (result != OK)
        goto out;
    found->page_result = got == sizeof bytes ? journal_page_decode(bytes, &found->page) : ERR_FORMAT;
    if (found->page_result == OK &&
        (found->page.stream != found->stream || found->page.segment != found->segment))
        found->page_result = ERR_FORMAT;
    struct journal_position first = {found->stream, found->segment, JOURNAL_PAGE_SIZE};
    result = segment_header_read(file, first, found->size, &found->first, bytes);
    found->has_records = result == OK;
    if (result == ERR_FORMAT)
        result = OK;
    if (result == OK && floor != NULL && floor->ledger.segment == found->segment) {
        struct journal_position next = {found->stream, found->segment, floor->ledger.offset};
        result = segment_header_read(file, next, found->size, &header, bytes);
        found->has_unread = result == OK;
        if (result == ERR_FORMAT)
            result = OK;
    }
out:
    fs_file_close(&file);
    return result;
}

// A page that is damaged although records may stand behind it: the name and the records tell the rest.
static void page_guess(struct found_file *found, const struct segment_chain *chain,
                       const struct journal_floor *floor)
{
    log_event(JOURNAL_PAGE_DAMAGED, log_number(found->stream), log_number(found->segment));
    found->page = (struct journal_page){
        .version = JOURNAL_FORMAT_VERSION,
        .stream = found->stream,
        .segment = found->segment,
        .life = 1,
        .size = found->size,
    };
    if (found->stream > JOURNAL_STREAM_MAX)
        return;
    // Above every number that such a segment can have reserved: files are taken in order of their numbers.
    uint64_t first = chain->receipt_limit;
    if (floor != NULL && floor->receipt > first)
        first = floor->receipt;
    if (found->has_records && found->first.receipt > first &&
        journal_receipt_stream(found->first.receipt) == found->stream)
        first = found->first.receipt;
    found->page.receipt_first = first;
    found->page.receipt_limit = first + 2 * JOURNAL_SEGMENT_SIZE_MAX / JOURNAL_BYTES_PER_RECEIPT;
}

void journal_recovery_ask(struct journal *journal, bool (*is_needed)(void *, uint16_t, uint32_t), void *arg)
{
    MAGIC_CHECK(journal, JOURNAL_MAGIC);
    journal->is_needed = is_needed;
    journal->is_needed_arg = arg;
}

static bool is_needed(const struct journal *journal, uint16_t stream, uint32_t segment)
{
    return journal->is_needed != NULL && journal->is_needed(journal->is_needed_arg, stream, segment);
}

// Whether the ledger has let go what a file without a key holds. A valid header where it would read on says
// no: a segment that died is cut at its end before its key goes.
static bool is_let_go(const struct journal *journal, const struct found_file *found,
                      const struct journal_floor *floor)
{
    return floor != NULL && floor->ledger.segment >= found->segment && !found->has_unread &&
           !is_needed(journal, found->stream, found->segment);
}

// ERR_MISSING: the segment is not to be kept. ERR_CRYPTO: it should be, but can not be read.
static enum result key_find(struct journal *journal, const struct found_file *found,
                            const struct journal_floor *floor, struct seal_key **key)
{
    enum result result = seal_keyring_segment_key_get(journal->keyring, found->stream, found->segment, key);
    // The key comes last, when the page is durable. A bad one with a key says that nothing was ever written
    // only where there is no room for more (an empty file, put there by a person).
    if (result == OK && found->page_result != OK && found->size <= JOURNAL_PAGE_SIZE) {
        seal_key_unref(*key);
        return ERR_MISSING;
    }
    if (result != ERR_MISSING || !found->has_records)
        return result;
    // Records without a key. The key is the last step of creation and the first of removal, so the ledger has
    // let it go; where it has not, the key file is not the one that belongs here.
    if (is_let_go(journal, found, floor))
        return ERR_MISSING;
    log_event(JOURNAL_KEY_MISSING, log_number(found->stream), log_number(found->segment));
    return ERR_CRYPTO;
}

static enum result file_keep(struct journal *journal, const struct found_file *found, struct seal_key *key)
{
    struct journal_segment *segment = segment_new(&found->page);
    if (segment == NULL) {
        seal_key_unref(key);
        return ERR_NOMEM;
    }
    segment->key = key;
    segment->earlier = true;
    segment->size = segment->bytes = found->size;
    segment->state = JOURNAL_SEGMENT_CLOSED;
    segment->end = found->size;
    enum result result = catalog_add(journal, &segment);
    segment_unref(journal, &segment);
    return result;
}

// What is read now must be what is there after the next power cut: the ledger will build on it.
static enum result file_sync(struct journal *journal, const struct found_file *found)
{
    char path[FS_PATH_MAX + 1];
    struct fs_file *file = NULL;
    segment_path(journal, found->stream, found->segment, path);
    enum result result = fs_file_open(journal->fs, path, FS_WRITE, &file);
    if (result == OK)
        result = fs_file_datasync(file);
    fs_file_close(&file);
    return result;
}

// Without a key nothing in it can be read.
static enum result file_remove(struct journal *journal, const struct found_file *found,
                               struct journal_recovery *report)
{
    enum result result = segment_erase(journal, found->stream, found->segment);
    if (result != OK)
        return result;
    report->segments_removed++;
    log_event(JOURNAL_SEGMENT_REMOVED, log_number(found->stream), log_number(found->segment));
    return OK;
}

static enum result file_take(struct journal *journal, struct found_file *found,
                             const struct journal_floor *floor, uint32_t flags,
                             struct journal_recovery *report)
{
    struct segment_chain *chain;
    struct seal_key *key = NULL;
    bool read_only = flags & JOURNAL_RECOVER_READ_ONLY;
    enum result result = catalog_chain_make(journal, found->stream, &chain);
    if (result == OK)
        result = file_look(journal, floor, found);
    if (result == OK && found->page_result == ERR_REFUSED)
        result = ERR_REFUSED; // a newer program wrote it
    if (result != OK)
        return result;
    // The number was used, whatever becomes of the file.
    if (found->segment > chain->highest)
        chain->highest = found->segment;
    result = key_find(journal, found, floor, &key);
    if (result == ERR_MISSING)
        return read_only ? OK : file_remove(journal, found, report);
    if (result != OK)
        return result;
    bool unread = floor == NULL || floor->ledger.segment <= found->segment;
    if (!read_only && unread)
        result = file_sync(journal, found);
    if (result != OK) {
        seal_key_unref(key);
        return result;
    }
    if (found->page_result != OK) {
        report->pages_damaged++;
        page_guess(found, chain, floor);
    }
    report->segments++;
    if (found->page.life > report->life)
        report->life = found->page.life;
    return file_keep(journal, found, key);
}

static enum result folder_ensure(struct journal *journal)
{
    enum result result = fs_dir_make(journal->fs, journal->folder);
    if (result == ERR_EXISTS)
        return OK;
    return result == OK ? fs_dir_sync(journal->fs, ".") : result;
}

// Two rounds: first the whole folder is looked at, so that a wrong key file is found before anything is
// removed.
static enum result keys_check(struct journal *journal, const struct fs_names *names,
                              const struct journal_floor *floors, size_t floor_count)
{
    for (size_t i = 0; i < names->count; i++) {
        struct found_file found = {0};
        struct seal_key *key = NULL;
        if (!journal_segment_name_parse(names->name[i], &found.stream, &found.segment))
            continue;
        const struct journal_floor *floor = recovery_floor(floors, floor_count, found.stream);
        enum result result = file_look(journal, floor, &found);
        if (result == OK)
            result = key_find(journal, &found, floor, &key);
        if (result == OK)
            seal_key_unref(key);
        if (result != OK && result != ERR_MISSING)
            return result;
    }
    return OK;
}

// Creation makes the file's name durable before the key, removal destroys the key before the file: neither
// leaves a key without a file. Where the ledger has not read it all, or still needs it, the folder is not the
// one that belongs here, or not all of it; to go on would lose what is in it.
static enum result files_check(struct journal *journal, const struct journal_floor *floors,
                               size_t floor_count)
{
    struct seal_segment_id *ids;
    size_t count;
    enum result result = seal_keyring_segments(journal->keyring, &ids, &count);
    if (result != OK)
        return result;
    for (size_t i = 0; i < count; i++) {
        char path[FS_PATH_MAX + 1];
        const struct journal_floor *floor = recovery_floor(floors, floor_count, ids[i].stream);
        bool is_read = floor != NULL && floor->ledger.segment > ids[i].segment;
        if (is_read && !is_needed(journal, ids[i].stream, ids[i].segment))
            continue;
        segment_path(journal, ids[i].stream, ids[i].segment, path);
        enum result found = fs_path_exists(journal->fs, path);
        if (found == OK)
            continue;
        log_event(JOURNAL_SEGMENT_MISSING, log_number(ids[i].stream), log_number(ids[i].segment));
        result = found;
    }
    free(ids);
    return result;
}

static enum result files_take(struct journal *journal, const struct journal_floor *floors, size_t floor_count,
                              uint32_t flags, struct journal_recovery *report)
{
    struct fs_names names;
    enum result result = fs_dir_list(journal->fs, journal->folder, &names);
    if (result != OK)
        return result;
    result = keys_check(journal, &names, floors, floor_count);
    if (result == OK && !(flags & JOURNAL_RECOVER_READ_ONLY))
        result = files_check(journal, floors, floor_count);
    for (size_t i = 0; i < names.count && result == OK; i++) {
        struct found_file found = {0};
        if (journal_segment_name_parse(names.name[i], &found.stream, &found.segment))
            result =
                file_take(journal, &found, recovery_floor(floors, floor_count, found.stream), flags, report);
    }
    fs_names_fini(&names);
    return result;
}

// Keys whose files are gone, and of which nothing is needed any more.
static enum result keys_tidy(struct journal *journal, struct journal_recovery *report)
{
    struct seal_segment_id *ids;
    size_t count;
    enum result result = seal_keyring_segments(journal->keyring, &ids, &count);
    if (result != OK)
        return result;
    for (size_t i = 0; i < count && result == OK; i++) {
        struct journal_segment *segment = catalog_find(journal, ids[i].stream, ids[i].segment, false);
        bool has_file = segment != NULL;
        segment_unref(journal, &segment);
        if (has_file)
            continue;
        struct segment_chain *chain;
        result = catalog_chain_make(journal, ids[i].stream, &chain);
        if (result == OK && ids[i].segment > chain->highest)
            chain->highest = ids[i].segment;
        if (result == OK)
            result = seal_keyring_segment_key_destroy(journal->keyring, ids[i].stream, ids[i].segment);
        if (result != OK)
            break;
        report->keys_destroyed++;
        log_event(JOURNAL_KEY_ORPHAN, log_number(ids[i].stream), log_number(ids[i].segment));
    }
    free(ids);
    return result;
}

enum result journal_floors_raise(struct journal *journal, const struct journal_floor *floors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct segment_chain *chain;
        const struct journal_floor *floor = &floors[i];
        enum result result = catalog_chain_make(journal, floor->stream, &chain);
        if (result != OK)
            return result;
        uint32_t used = floor->segment > floor->ledger.segment ? floor->segment : floor->ledger.segment;
        if (used > chain->highest)
            chain->highest = used;
        if (floor->receipt > chain->receipt_limit)
            chain->receipt_limit = floor->receipt;
    }
    return OK;
}

static void dropped_sort(struct journal_dropped *dropped)
{
    if (dropped->count > 0)
        qsort(dropped->receipts, dropped->count, sizeof dropped->receipts[0], journal_dropped_compare);
}

enum result journal_recover(struct journal *journal, const struct journal_floor *floors, size_t floor_count,
                            uint64_t life_floor, uint32_t flags, struct journal_recovery *report)
{
    bool read_only = flags & JOURNAL_RECOVER_READ_ONLY;
    MAGIC_CHECK(journal, JOURNAL_MAGIC);
    ensure(list_is_empty(&journal->streams));
    *report = (struct journal_recovery){0};
    enum result result = read_only ? OK : folder_ensure(journal);
    if (result == OK)
        result = files_take(journal, floors, floor_count, flags, report);
    if (result == OK && !read_only)
        result = keys_tidy(journal, report);
    if (result == OK)
        result = journal_floors_raise(journal, floors, floor_count);
    // Names that were found but not durable yet must not vanish after the ledger has read what is behind
    // them.
    if (result == OK && !read_only)
        result = fs_dir_sync(journal->fs, journal->folder);
    LIST_EACH(&journal->streams, node)
    {
        struct segment_chain *chain = CONTAINER_OF(node, struct segment_chain, node);
        const struct journal_floor *floor = recovery_floor(floors, floor_count, chain->stream);
        struct journal_position start = {chain->stream, 0, 0};
        if (floor != NULL)
            start = floor->ledger;
        start.stream = chain->stream;
        if (result == OK)
            result = recovery_stream_read(journal, chain, start, read_only, report);
    }
    dropped_sort(&journal->dropped);
    dropped_sort(&journal->dropped_copies);
    journal->highest_life = report->life > life_floor ? report->life : life_floor;
    return result;
}

// ---- begin of a life ----

static enum result start_write(struct fs_file *file, struct journal_segment *segment,
                               const struct record_epoch *start, uint64_t *end)
{
    uint8_t body[2048];
    uint8_t record[sizeof body + JOURNAL_HEADER_SIZE + JOURNAL_TAG_SIZE + JOURNAL_ALIGN];
    struct seal_cipher *cipher;
    size_t length;
    enum result result = record_epoch_encode(start, body, sizeof body, &length);
    if (result == OK)
        result = seal_cipher_new(&cipher);
    if (result != OK)
        return result;
    struct journal_header header = {
        .version = JOURNAL_FORMAT_VERSION,
        .type = JOURNAL_EPOCH,
        .length = (uint32_t)length,
        .stream = segment->stream,
        .segment = segment->number,
        .offset = JOURNAL_PAGE_SIZE,
    };
    struct slice part = slice_of(body, length);
    uint32_t size = journal_record_size((uint32_t)length);
    result = segment_record_seal(cipher, segment->key, &header, &part, 1, record);
    if (result == OK)
        result = fs_file_write(file, JOURNAL_PAGE_SIZE, slice_of(record, size));
    if (result == OK)
        result = fs_file_datasync(file);
    seal_cipher_free(cipher);
    *end = JOURNAL_PAGE_SIZE + size;
    return result;
}

enum result journal_life_begin(struct journal *journal, struct record_epoch *start)
{
    struct segment_chain *chain;
    struct journal_segment *segment = NULL;
    struct fs_file *file = NULL;
    uint64_t end;
    MAGIC_CHECK(journal, JOURNAL_MAGIC);
    ensure(journal->life == 0);
    enum result result = catalog_chain_make(journal, JOURNAL_STREAM_CONTROL, &chain);
    if (result != OK)
        return result;
    uint64_t life = journal->highest_life + 1;
    ensure(life < UINT64_C(1) << (64 - JOURNAL_ORDER_LIFE_SHIFT));
    journal->life = life;
    start->kind = RECORD_START;
    start->life = life;
    result = segment_create(journal, chain, JOURNAL_CONTROL_SIZE, 0, start->time, &segment, &file);
    if (result == OK)
        result = start_write(file, segment, start, &end);
    if (result == OK) {
        atomic_store(&journal->order, life << JOURNAL_ORDER_LIFE_SHIFT);
        segment_state_set(journal, segment, JOURNAL_SEGMENT_ACTIVE, end);
    }
    fs_file_close(&file);
    segment_unref(journal, &segment);
    return result;
}
