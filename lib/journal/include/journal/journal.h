// SPDX-License-Identifier: Apache-2.0
// The journal as a whole: one per process, shared by its streams, disk sides, readers, recovery and reclaim.
//
// Role: owns the catalog of segments (what exists, in which state, how far it is durable) and what must be
// unique in the process: life, order, numbers. Order of use by the daemon, on the main thread:
//   journal_new, journal_recover (recovery.h), [ledger catches up by reader.h], journal_life_begin
//   (recovery.h), journal_disk_new and journal_stream_new for each worker, then the loops; at the end
//   journal_stream_stop, the loops end, journal_stream_free, journal_disk_free, journal_free.
// Thread: any, unless a function says otherwise; a mutex inside is never held over a system call.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "fs/fs.h"
#include "journal/format.h"
#include "seal/keyring.h"

struct journal;

struct journal_options {
    const char
        *folder; // of the segments, relative to the fs root; made if missing; borrowed during journal_new
    uint64_t segment_size; // JOURNAL_SEGMENT_SIZE_MIN..MAX, default 256 MiB; a multiple of 4 KiB
    uint64_t quota; // bytes that all segment files may take together; 0, the default: what the disk has
    // Room is what is free on the disk, and no more than what is left of the quota.
    uint64_t association_watermark; // room below which no new association should be accepted; >= watermark;
                                    // default 6 GiB
    uint64_t watermark;             // room below which no new instance is accepted; default 4 GiB
    uint64_t
        reserve; // room that only OUTCOME, DROP, SENT, EPOCH and copies may use; <= watermark; default 1 GiB
    uint64_t unsynced_limit; // bytes of a stream that may be unsynced; default 8 MiB
    uint64_t queue_limit;    // bytes of a stream that wait to be written; default 1 MiB
    uint64_t writeback;      // bytes written between two starts of writeback; default 1 MiB
    uint64_t cached; // durable bytes of a stream, the newest, that stay in the page cache, of two segments at
                     // most; default 64 MiB
    uint64_t segment_age; // ns after its first record at which a segment is closed, full or not, so that it
                          // can go; default 1 h
    uint64_t lazy_sync;   // ns after which SENT, OUTCOME and DROP are synced at the latest; default 200 ms
    uint64_t linger;      // ns that records nobody waits for stay with the worker for company; default 5 ms
    uint64_t zero_ahead;  // bytes of zeros written ahead of a run of small syncs; 0: none; at most 512 KiB,
                          // the default, and 1/64 of a segment
    uint64_t space_interval; // ns between two looks at the free space; default 1 s
    uint64_t retry_interval; // ns before a segment is prepared again after a failure; default 1 s
    uint32_t failure_limit;  // failures in a row after which a stream accepts no instance; default 3
};

// Fills in every default; folder is "journal".
void journal_options_default(struct journal_options *options);

// fs and keyring are borrowed until journal_free. ERR_ARGUMENT: an option out of its range; ERR_NOMEM.
// Touches no file.
enum result journal_new(const struct journal_options *options, struct fs *fs, struct seal_keyring *keyring,
                        struct journal **out) MUST_USE;
// All streams, disk sides and readers must be gone. NULL is fine.
void journal_free(struct journal *journal);

// Number of this process life, from 1; 0 before journal_life_begin().
uint64_t journal_life(struct journal *journal);

// The keyring that it was made with; borrowed.
struct seal_keyring *journal_keyring(const struct journal *journal);

// The next process-wide order: life << 40 | counter, never 0, never used twice. journal_append_close() takes
// it itself.
uint64_t journal_order_next(struct journal *journal);

// ---- catalog ----

enum journal_segment_state {
    JOURNAL_SEGMENT_PREPARED = 1, // durable, keyed, empty
    JOURNAL_SEGMENT_ACTIVE = 2,   // being written; records up to `end` are durable
    JOURNAL_SEGMENT_CLOSED = 3, // complete and durable up to `end`; all segments of earlier lives are closed
    JOURNAL_SEGMENT_DEAD = 4,   // a write or sync failed: durable up to `end`, nothing behind it counts
};

struct journal_segment_info {
    uint16_t stream;
    uint32_t segment;
    enum journal_segment_state state;
    bool earlier; // written by an earlier life: its tail may be torn
    uint64_t life;
    uint64_t size; // of the file
    uint64_t end;  // durable end; of earlier lives: the size of the file
    uint64_t receipt_first;
    uint64_t receipt_limit;
    uint64_t created;
};

// Copies up to `max` segments of the stream with numbers >= first, in order of number; returns how many.
// Those being prepared are not shown.
size_t journal_segments_get(struct journal *journal, uint16_t stream, uint32_t first,
                            struct journal_segment_info *out, size_t max);
// All streams that have a segment, in order; the control stream too.
size_t journal_streams_get(struct journal *journal, uint16_t *out, size_t max);

// Durable end of the newest segment that has been written to; segment 0 if the stream is empty.
struct journal_position journal_durable_end(struct journal *journal, uint16_t stream);

// Called whenever a durable end has moved or a segment was closed, on the disk thread of that stream: must
// only wake another loop. One listener (the ledger); NULL takes it away.
void journal_listen(struct journal *journal, void (*on_durable)(void *arg, uint16_t stream), void *arg);

// Streams for which intake is stopped, and why, for status and readiness.
struct journal_health {
    uint32_t streams;             // that exist as writers
    uint32_t streams_unwelcoming; // that want no new association (room or failures)
    uint32_t streams_refused;     // of these, that accept no instance now
    uint32_t streams_failed;      // of these, by failures in a row: readiness is red
    uint64_t segments;            // in the catalog
    uint64_t dead_segments;
    uint64_t bytes;      // files of all segments
    uint64_t quota;      // as in the options; 0: none
    uint64_t free_bytes; // of the disk, at the last look; UINT64_MAX before the first
    uint64_t room;       // the same within the quota
};
void journal_health_get(struct journal *journal, struct journal_health *out);
