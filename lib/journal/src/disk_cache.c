// SPDX-License-Identifier: Apache-2.0
// What the page cache keeps of a stream: its newest durable bytes, for the ledger and for archives that lag a
// little. Older ones give their pages to what is written next. Left to itself the cache would take a new page
// for each one written, push the ledger's out, and, in a virtual machine that hands free pages back to its
// host, pay twenty times for each (docs/performance.md). Thread: the disk thread's.
#include "disk.h"

enum { STEP = 1 * 1024 * 1024 }; // what is dropped at a time, at least

// It may have been reclaimed, so it is opened by name: an open file would keep its room on the disk.
static void left_drop(struct journal_disk *disk, uint64_t length)
{
    char path[FS_PATH_MAX + 1];
    struct fs_file *file = NULL;
    segment_path(disk->journal, disk->stream, disk->left, path);
    if (fs_file_open(disk->journal->fs, path, FS_READ, &file) == OK)
        fs_file_cache_drop(file, disk->left_from, length);
    fs_file_close(&file);
    disk->left_from += length;
    if (disk->left_from == disk->left_end)
        disk->left = 0;
}

void disk_cache_leave(struct journal_disk *disk)
{
    if (disk->left != 0)
        left_drop(disk, disk->left_end - disk->left_from);
    if (disk->cached_from >= disk->synced)
        return;
    disk->left = disk->segment->number;
    disk->left_from = disk->cached_from;
    disk->left_end = disk->synced;
}

void disk_cache_trim(struct journal_disk *disk)
{
    if (disk->segment == NULL)
        return;
    uint64_t left = disk->left != 0 ? disk->left_end - disk->left_from : 0;
    uint64_t kept = disk->synced - disk->cached_from + left;
    if (kept < disk->journal->options.cached + STEP)
        return;
    uint64_t excess = kept - disk->journal->options.cached;
    if (left > 0) {
        uint64_t part = excess < left ? excess : left;
        left_drop(disk, part);
        excess -= part;
    }
    if (excess > 0) {
        fs_file_cache_drop(disk->file, disk->cached_from, excess);
        disk->cached_from += excess;
    }
}
