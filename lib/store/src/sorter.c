// SPDX-License-Identifier: Apache-2.0
//
// External merge sort; see sorter.h. A run is the records of one memory load, each behind its length (2
// bytes, little endian). The files hold nothing that must survive, so nothing is synced.
#include "sorter.h"

#include "base/check.h"
#include "base/grow.h"
#include "base/text.h"
#include "base/units.h"

#include <stdlib.h>

enum {
    LENGTH_BYTES = 2,
    RUN_BUFFER_MAX = 256 * 1024,
    RUN_BUFFER_MIN = 2 * (SORTER_RECORD_MAX + LENGTH_BYTES)
};

// A record in memory: the first bytes of its key for a quick look, and where it is.
struct entry {
    uint64_t prefix;
    uint64_t at;
};

struct run {
    struct fs_file *file;
    uint64_t offset; // of the file, behind what the buffer holds
    uint8_t *buffer;
    size_t filled;
    size_t used;
    struct slice record; // the one in front
};

struct sorter {
    struct fs *fs;
    const char *folder;
    char name[32];
    size_t key;
    size_t memory;
    uint8_t *bytes; // of the run that is being filled
    size_t length;
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    struct run *runs;
    size_t run_count, run_capacity;
    size_t run_buffer;
    struct run **heap; // runs that are not at their end, the least in front
    size_t heap_count;
    struct run *last; // whose record was given out
};

enum result sorter_new(struct fs *fs, const char *folder, const char *name, size_t key, size_t memory,
                       struct sorter **out)
{
    struct sorter *sorter = calloc(1, sizeof *sorter);
    if (sorter == NULL)
        return ERR_NOMEM;
    ensure(key >= 8);
    sorter->fs = fs;
    sorter->folder = folder;
    (void)text_copy(sorter->name, sizeof sorter->name, slice_of_text(name));
    sorter->key = key;
    // A quarter for the entries: records are at least three times as long.
    sorter->entry_capacity = memory / 4 / sizeof *sorter->entries + 4;
    sorter->memory = memory / 4 * 3 + SORTER_RECORD_MAX + LENGTH_BYTES;
    sorter->bytes = malloc(sorter->memory);
    sorter->entries = calloc(sorter->entry_capacity, sizeof *sorter->entries);
    if (sorter->bytes != NULL && sorter->entries != NULL) {
        *out = sorter;
        return OK;
    }
    sorter_free(sorter);
    return ERR_NOMEM;
}

static bool path_make(const struct sorter *sorter, size_t run, char path[FS_PATH_MAX + 1])
{
    return text_format(path, FS_PATH_MAX + 1, "%s/%s-%04zu", sorter->folder, sorter->name, run);
}

void sorter_free(struct sorter *sorter)
{
    char path[FS_PATH_MAX + 1];
    if (sorter == NULL)
        return;
    for (size_t i = 0; i < sorter->run_count; i++) {
        fs_file_close(&sorter->runs[i].file);
        free(sorter->runs[i].buffer);
        if (path_make(sorter, i, path))
            (void)!fs_path_unlink(sorter->fs, path);
    }
    free(sorter->runs);
    free(sorter->heap);
    free(sorter->entries);
    free(sorter->bytes);
    free(sorter);
}

// ---- runs

static int entry_compare(const void *a, const void *b, void *arg)
{
    const struct sorter *sorter = arg;
    const struct entry *left = a, *right = b;
    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    return memcmp(sorter->bytes + left->at + LENGTH_BYTES, sorter->bytes + right->at + LENGTH_BYTES,
                  sorter->key);
}

// A megabyte at a time, in order.
static enum result records_write(struct sorter *sorter, struct fs_file *file)
{
    size_t room = MIB, filled = 0;
    uint64_t offset = 0;
    enum result result = OK;
    uint8_t *buffer = malloc(room);
    if (buffer == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; result == OK && i < sorter->entry_count; i++) {
        const uint8_t *record = sorter->bytes + sorter->entries[i].at;
        size_t size = LENGTH_BYTES + (record[0] | (size_t)record[1] << 8);
        if (size > room - filled) {
            result = fs_file_write(file, offset, slice_of(buffer, filled));
            offset += filled;
            filled = 0;
        }
        memcpy(buffer + filled, record, size);
        filled += size;
    }
    if (result == OK && filled > 0)
        result = fs_file_write(file, offset, slice_of(buffer, filled));
    free(buffer);
    return result;
}

static enum result run_write(struct sorter *sorter)
{
    char path[FS_PATH_MAX + 1];
    if (sorter->run_count == SORTER_RUNS_MAX)
        return ERR_LIMIT;
    if (ARRAY_GROW(sorter->runs, sorter->run_capacity, sorter->run_count + 1) != OK)
        return ERR_NOMEM;
    struct run *run = &sorter->runs[sorter->run_count];
    *run = (struct run){.file = NULL};
    qsort_r(sorter->entries, sorter->entry_count, sizeof *sorter->entries, entry_compare, sorter);
    if (!path_make(sorter, sorter->run_count, path))
        return ERR_ARGUMENT;
    enum result result = fs_file_create(sorter->fs, path, &run->file);
    if (result != OK)
        return result;
    sorter->run_count++;
    result = records_write(sorter, run->file);
    sorter->length = sorter->entry_count = 0;
    return result;
}

enum result sorter_add(struct sorter *sorter, struct slice record)
{
    size_t size = record.length + LENGTH_BYTES;
    ensure(record.length >= sorter->key && record.length <= SORTER_RECORD_MAX);
    if (sorter->memory - sorter->length < size || sorter->entry_count == sorter->entry_capacity) {
        enum result result = run_write(sorter);
        if (result != OK)
            return result;
    }
    uint8_t *to = sorter->bytes + sorter->length;
    struct entry *entry = &sorter->entries[sorter->entry_count++];
    *entry = (struct entry){.at = sorter->length};
    for (size_t i = 0; i < 8; i++)
        entry->prefix = entry->prefix << 8 | record.data[i];
    to[0] = (uint8_t)record.length;
    to[1] = (uint8_t)(record.length >> 8);
    memcpy(to + LENGTH_BYTES, record.data, record.length);
    sorter->length += size;
    return OK;
}

// ---- merging

static bool run_is_less(const struct sorter *sorter, const struct run *a, const struct run *b)
{
    return memcmp(a->record.data, b->record.data, sorter->key) < 0;
}

// The next record of the run into its front; ERR_MISSING at its end.
static enum result run_advance(struct sorter *sorter, struct run *run)
{
    size_t left = run->filled - run->used;
    size_t size = left >= LENGTH_BYTES
                      ? LENGTH_BYTES + (run->buffer[run->used] | (size_t)run->buffer[run->used + 1] << 8)
                      : SIZE_MAX;
    if (size > left) {
        size_t got;
        memmove(run->buffer, run->buffer + run->used, left);
        enum result result =
            fs_file_read(run->file, run->offset, run->buffer + left, sorter->run_buffer - left, &got);
        if (result != OK)
            return result;
        run->offset += got;
        run->filled = left + got;
        run->used = 0;
        if (run->filled == 0)
            return ERR_MISSING;
        size = LENGTH_BYTES + (run->buffer[0] | (size_t)run->buffer[1] << 8);
        if (run->filled < LENGTH_BYTES || size > run->filled || size < sorter->key + LENGTH_BYTES)
            return ERR_IO; // not what was written
    }
    run->record = slice_of(run->buffer + run->used + LENGTH_BYTES, size - LENGTH_BYTES);
    run->used += size;
    return OK;
}

static void heap_sink(struct sorter *sorter, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < sorter->heap_count && run_is_less(sorter, sorter->heap[child], sorter->heap[least]))
                least = child;
        if (least == at)
            return;
        struct run *moved = sorter->heap[at];
        sorter->heap[at] = sorter->heap[least];
        sorter->heap[least] = moved;
        at = least;
    }
}

enum result sorter_end(struct sorter *sorter)
{
    enum result result = sorter->entry_count > 0 ? run_write(sorter) : OK;
    size_t share = sorter->memory / (sorter->run_count + 1);
    free(sorter->bytes);
    free(sorter->entries);
    sorter->bytes = NULL;
    sorter->entries = NULL;
    sorter->run_buffer = share > RUN_BUFFER_MAX   ? RUN_BUFFER_MAX
                         : share < RUN_BUFFER_MIN ? RUN_BUFFER_MIN
                                                  : share;
    sorter->heap = calloc(sorter->run_count + 1, sizeof(struct run *));
    if (result == OK && sorter->heap == NULL)
        result = ERR_NOMEM;
    for (size_t i = 0; result == OK && i < sorter->run_count; i++) {
        struct run *run = &sorter->runs[i];
        run->buffer = malloc(sorter->run_buffer);
        result = run->buffer != NULL ? run_advance(sorter, run) : ERR_NOMEM;
        if (result == OK)
            sorter->heap[sorter->heap_count++] = run;
    }
    for (size_t i = sorter->heap_count; result == OK && i > 0; i--)
        heap_sink(sorter, i - 1);
    return result;
}

enum result sorter_next(struct sorter *sorter, struct slice *record)
{
    if (sorter->last != NULL) { // it is in front of the heap
        enum result result = run_advance(sorter, sorter->last);
        sorter->last = NULL;
        if (result == ERR_MISSING)
            sorter->heap[0] = sorter->heap[--sorter->heap_count];
        else if (result != OK)
            return result;
        heap_sink(sorter, 0);
    }
    if (sorter->heap_count == 0)
        return ERR_MISSING;
    sorter->last = sorter->heap[0];
    *record = sorter->last->record;
    return OK;
}
