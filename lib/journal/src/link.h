// SPDX-License-Identifier: Apache-2.0
// Between the two halves of a stream: what the worker posts to the disk side and what comes back.
//
// Owned by the disk side, which outlives the stream. Guarded by its lock, held only to move pointers and
// numbers. Each side wakes the other's loop after it has put something down.
#pragma once

#include <pthread.h>

#include "ev/loop.h"
#include "internal.h"
#include "journal/disk.h"
#include "journal/stream.h"

#define JOURNAL_DISK_MAGIC   0x4a444953u
#define JOURNAL_STREAM_MAGIC 0x4a535452u

// Sealed records, as they go into one segment with one write.
struct journal_buffer {
    struct list_node node;
    struct journal_segment *segment; // reference
    uint64_t generation;             // of the stream when its first record was sealed
    uint64_t offset;                 // in the segment
    uint64_t ticket;                 // of the stream at the end of the bytes
    uint32_t length;
    bool sync; // holds a CLOSE
    bool lazy; // holds SENT, OUTCOME or DROP
    uint8_t bytes[JOURNAL_RECORD_MAX];
};

enum journal_want {
    JOURNAL_WANT_NOTHING = 0,
    JOURNAL_WANT_SPARE = 1,  // the next segment, in good time
    JOURNAL_WANT_URGENT = 2, // the worker can not append: out of the reserve, if need be
};

// Why no segment comes.
enum journal_shortage {
    JOURNAL_SHORTAGE_NONE = 0,
    JOURNAL_SHORTAGE_NORMAL = 1, // no room for a normal segment: only the reserve is left
    JOURNAL_SHORTAGE_ALL = 2,    // nor for one out of the reserve
};

// What the disk side has reached; a copy of it goes to the worker.
struct journal_reached {
    uint64_t written; // tickets
    uint64_t durable;
    struct journal_position durable_at;
    uint64_t generation; // one more for each death
    bool welcomes;       // new associations
    bool accepts;        // new instances
    enum journal_shortage shortage;
    bool stopped;
};

struct journal_link {
    pthread_mutex_t lock;
    // worker to disk
    struct list buffers;          // struct journal_buffer
    struct list reads;            // struct journal_read
    enum journal_want want;       // what the worker lacks; it says NOTHING when it takes the prepared segment
    struct journal_position left; // the worker has gone on behind this position: its segment may be closed
    bool stop;
    struct journal_segment *unused[2]; // with stop: segments that the worker will never write to
    bool has_stream;                   // the worker's half is there
    struct ev_wake disk_wake;
    // disk to worker
    struct list returned;             // struct journal_buffer
    struct list answered;             // struct journal_read
    struct journal_segment *prepared; // reference, handed over
    struct journal_reached reached;
    struct ev_wake *worker_wake;
};

struct journal *disk_journal(struct journal_disk *disk);
struct journal_link *disk_link(struct journal_disk *disk);
uint16_t disk_stream(const struct journal_disk *disk);
