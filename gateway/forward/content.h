// SPDX-License-Identifier: Apache-2.0
//
// The bytes of one receipt as its archives will get them: what OPEN said, and the data set in chunks that are
// either hot (in memory) or only in the journal. Reference-counted: intake holds it while it receives, the
// receipt while anything is hot, each lane while it sends. The journal always has everything that is not hot.
//
// The hot window (ENGINE 6) bounds what is kept in memory: per receipt the first bytes (lanes begin at the
// front), over all receipts of a worker a cap; when a new chunk needs room the oldest receipt that no lane is
// sending loses its hot chunks. Intake never waits for a lane.
//
// Thread: the worker's. Memory is wiped before it is given back.
#pragma once

#include "base/list.h"
#include "base/pool.h"
#include "journal/record.h"

#define CHUNK_CLASSES 3

struct hot_window {
    uint64_t limit;         // bytes of hot chunks of this worker
    uint64_t receipt_limit; // bytes of one receipt
    uint64_t used;
    struct list contents; // complete ones with hot chunks, oldest first
    struct pool pools[CHUNK_CLASSES];
};

void hot_window_init(struct hot_window *window, uint64_t limit, uint64_t receipt_limit);
void hot_window_fini(struct hot_window *window);

// Plain bytes of one DATA record.
struct chunk {
    uint32_t length;   // bytes used
    uint32_t capacity; // bytes
    uint8_t chunk_class;
    uint8_t data[];
};

struct content_piece {
    struct journal_position position; // segment 0 until the record is appended
    uint32_t length;                  // bytes; 0 = not known yet (cold)
    struct chunk *hot;                // NULL: read it from the journal
};

// A lane that sends while the instance still comes in (ENGINE 5).
struct content_follower {
    struct list_node node;
    void (*on_change)(struct content_follower *follower); // more is there, or it has ended or was dropped
};

struct content {
    uint32_t magic;
    unsigned references;
    unsigned senders; // lanes that use the chunks now: not evicted
    struct hot_window *window;
    struct list_node window_node;
    struct content **holder; // the receipt's reference, given up when the window cools this; NULL: none
    uint64_t receipt;
    uint64_t length; // bytes of the whole data set, once it has ended
    bool has_ended;  // all pieces are there
    uint32_t flags;  // RECORD_CLOSE_ bits, once it has ended
    bool is_dropped; // there will be no CLOSE
    struct list followers;
    uint64_t hot_bytes;
    struct record_open open; // slices lie in open_body
    uint8_t *open_body;
    size_t open_length;
    struct content_piece *pieces;
    size_t piece_count;
    size_t piece_capacity;
};

// `open_body` is the body of the OPEN record, copied. One reference, the caller's. ERR_NOMEM, ERR_FORMAT.
MUST_USE enum result content_new(struct hot_window *window, uint64_t receipt, struct slice open_body,
                                 struct content **out);
struct content *content_ref(struct content *content);
void content_unref(struct content **content);

// Intake: an empty chunk, small for the first of a receipt and larger for the next ones; NULL without memory.
struct chunk *chunk_take(struct hot_window *window, size_t index);
void chunk_give(struct hot_window *window, struct chunk *chunk);

// Intake: the next piece, written to the journal at `position`. Takes the chunk and keeps it hot if the
// window allows. ERR_NOMEM: nothing was added, the chunk is given back.
MUST_USE enum result content_add(struct content *content, struct journal_position position,
                                 struct chunk **chunk);

// Cold: the pieces by the index of a CLOSE record. ERR_NOMEM, ERR_FORMAT.
MUST_USE enum result content_index_set(struct content *content, struct slice index, uint16_t stream,
                                       uint64_t length);

// Intake: the last piece is there; the length is known, nothing is durable yet.
void content_end(struct content *content, uint64_t length);
// Intake: it was refused or broken off. Followers abort.
void content_drop(struct content *content);

// A lane begins to send before the end; until content_unfollow().
void content_follow(struct content *content, struct content_follower *follower);
void content_unfollow(struct content *content, struct content_follower *follower);

// Intake, after CLOSE: from now on the window may evict it.
void content_complete(struct content *content);

// A receipt keeps a reference in *holder as long as something is hot; nothing is kept of a cold one.
void content_hold(struct content *content, struct content **holder);

// A lane begins and ends to send from the chunks.
void content_sender_begin(struct content *content);
void content_sender_end(struct content *content);
