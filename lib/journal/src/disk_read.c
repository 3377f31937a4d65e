// SPDX-License-Identifier: Apache-2.0
// Reads for lanes: one record, from any segment of any stream, into memory of the caller. Thread: the disk
// thread's.
#include "base/check.h"
#include "disk.h"

void disk_read_files_close(struct journal_disk *disk, bool only_gone)
{
    for (size_t i = 0; i < DISK_READ_FILES; i++) {
        struct disk_read_file *entry = &disk->read_files[i];
        if (entry->file == NULL)
            continue;
        if (only_gone) {
            struct journal_segment *segment =
                catalog_find(disk->journal, entry->stream, entry->segment, false);
            bool exists = segment != NULL;
            segment_unref(disk->journal, &segment);
            if (exists)
                continue;
        }
        fs_file_close(&entry->file);
    }
}

// Borrowed from the small set of open files; the one that was not used for longest gives way.
static enum result file_get(struct journal_disk *disk, const struct journal_segment *segment,
                            struct fs_file **file)
{
    char path[FS_PATH_MAX + 1];
    struct disk_read_file *oldest = &disk->read_files[0];
    for (size_t i = 0; i < DISK_READ_FILES; i++) {
        struct disk_read_file *entry = &disk->read_files[i];
        if (entry->file != NULL && entry->stream == segment->stream && entry->segment == segment->number) {
            entry->used = disk->turns;
            *file = entry->file;
            return OK;
        }
        if (oldest->file != NULL && (entry->file == NULL || entry->used < oldest->used))
            oldest = entry;
    }
    fs_file_close(&oldest->file);
    segment_path(disk->journal, segment->stream, segment->number, path);
    enum result result = fs_file_open(disk->journal->fs, path, FS_READ, &oldest->file);
    if (result != OK)
        return result;
    oldest->stream = segment->stream;
    oldest->segment = segment->number;
    oldest->used = disk->turns;
    *file = oldest->file;
    return OK;
}

static enum result record_read(struct fs_file *file, const struct journal_segment *segment,
                               struct journal_read *read)
{
    struct journal_header header;
    size_t first = JOURNAL_HEADER_SIZE;
    if (read->length_hint > 0 && read->length_hint <= JOURNAL_BODY_MAX)
        first = journal_record_size(read->length_hint);
    enum result result = fs_file_read(file, read->position.offset, read->buffer, first, &read->got);
    if (result != OK)
        return result;
    if (read->got < JOURNAL_HEADER_SIZE || journal_header_decode(read->buffer, &header) != OK ||
        !journal_header_fits(&header, read->position, segment->size))
        return ERR_FORMAT;
    size_t need = JOURNAL_HEADER_SIZE + header.length + JOURNAL_TAG_SIZE;
    if (read->got < need) {
        size_t more = 0;
        result = fs_file_read(file, read->position.offset + read->got, read->buffer + read->got,
                              need - read->got, &more);
        if (result != OK)
            return result;
        read->got += more;
    }
    return read->got >= need ? OK : ERR_FORMAT;
}

void disk_read_serve(struct journal_disk *disk, struct journal_read *read)
{
    struct fs_file *file;
    struct journal_segment *segment = NULL;
    if (read->position.offset < JOURNAL_PAGE_SIZE || read->position.offset % JOURNAL_ALIGN != 0) {
        read->result = ERR_FORMAT;
        return;
    }
    segment = catalog_find(disk->journal, read->position.stream, read->position.segment, false);
    read->result = segment == NULL ? ERR_MISSING : file_get(disk, segment, &file);
    if (read->result == OK)
        read->result = record_read(file, segment, read);
    if (read->result == OK)
        read->key = seal_key_ref(segment->key);
    else
        log_event(JOURNAL_READ_FAILED, log_number(read->position.stream), log_number(read->position.segment),
                  log_number(read->position.offset), log_text(result_text(read->result)));
    segment_unref(disk->journal, &segment);
}
