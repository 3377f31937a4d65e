// SPDX-License-Identifier: Apache-2.0
//
// A FIFO of bytes with a hard limit: grows by doubling, shrinks to nothing when emptied, so that idle
// associations hold no memory. Thread: the owner's.
#pragma once

#include "base/result.h"
#include "base/slice.h"

struct byte_queue {
    uint8_t *data;
    size_t start;    // first unread byte
    size_t length;   // unread bytes
    size_t capacity; // bytes allocated
    size_t limit;    // bytes; an append past it fails whole
};

void byte_queue_init(struct byte_queue *queue, size_t limit);
void byte_queue_fini(struct byte_queue *queue);

// Copies the bytes in; ERR_LIMIT or ERR_NOMEM, and then nothing was added.
MUST_USE enum result byte_queue_append(struct byte_queue *queue, struct slice bytes);

// All unread bytes in one run, borrowed until the next call on this queue.
struct slice byte_queue_peek(const struct byte_queue *queue);

// Drops `length` unread bytes; at most byte_queue_peek().length.
void byte_queue_consume(struct byte_queue *queue, size_t length);

static inline bool byte_queue_is_empty(const struct byte_queue *queue)
{
    return queue->length == 0;
}
