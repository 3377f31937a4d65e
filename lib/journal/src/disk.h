// SPDX-License-Identifier: Apache-2.0
// The disk side's own state. Only disk.c, disk_prepare.c and disk_read.c look inside. Thread: the disk
// thread's.
#pragma once

#include "link.h"

// Segments that stay open for reading.
#define DISK_READ_FILES 8u

struct disk_read_file {
    struct fs_file *file; // NULL: free
    uint16_t stream;
    uint32_t segment;
    uint64_t used; // turn of the last use
};

// Dead segments whose tails are still to be cut off; more at a time are left to the DEATH record alone.
#define DISK_DEAD_MAX 8u

struct journal_disk {
    uint32_t magic;
    uint16_t stream;
    struct journal *journal;
    struct segment_chain *chain;
    struct ev_loop *loop;
    struct journal_link link;

    // The segment being written; NULL before the first buffer and after a death.
    struct journal_segment *segment;
    struct fs_file *file;
    uint64_t written;        // offset: end of what was written
    uint64_t writeback_from; // offset: end of what the kernel was asked to write back
    uint64_t synced;         // offset
    uint64_t zeroed;         // offset: blocks before it have been written once
    bool sync_wanted;        // a CLOSE waits

    // disk_cache.c
    uint64_t cached_from; // offset: what lies before it has left the page cache
    uint32_t left;        // the segment before, as long as some of its end may be cached; 0: none
    uint64_t left_from;   // range of that end
    uint64_t left_end;

    struct journal_position dead[DISK_DEAD_MAX]; // ends
    size_t dead_count;

    struct journal_reached reached; // copied to the link after each turn
    uint32_t failures;              // in a row
    enum disk_space {
        DISK_SPACE_ENOUGH,
        DISK_SPACE_SHORT, // no new associations
        DISK_SPACE_LOW,   // no new instances either
    } space;
    bool failing; // failure_limit reached
    struct ev_timer lazy_timer;

    // disk_prepare.c
    enum journal_want want; // as the link said last
    bool prepare_waits;     // for the retry timer
    struct ev_timer retry_timer;
    struct ev_timer space_timer;

    // disk_read.c
    struct disk_read_file read_files[DISK_READ_FILES];
    uint64_t turns;
};

// A write, sync or creation has failed: counts, and stops intake after failure_limit.
void disk_failure_count(struct journal_disk *disk, enum result why);
void disk_accepts_update(struct journal_disk *disk);
// Copies disk->reached to the link and wakes the worker.
void disk_publish(struct journal_disk *disk, struct list *returned, struct list *answered);

// disk_cache.c: when a segment is left, and now and then when more has become durable.
void disk_cache_leave(struct journal_disk *disk);
void disk_cache_trim(struct journal_disk *disk);

// disk_prepare.c
void disk_prepare_init(struct journal_disk *disk);
void disk_prepare_fini(struct journal_disk *disk);
void disk_prepare(struct journal_disk *disk); // if one is wanted
void disk_give_up(struct journal_disk *disk, struct journal_segment **unused);

// disk_read.c
void disk_read_serve(struct journal_disk *disk, struct journal_read *read);
void disk_read_files_close(struct journal_disk *disk, bool only_gone);
