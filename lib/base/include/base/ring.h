// SPDX-License-Identifier: Apache-2.0
//
// A bounded lock-free ring of pointers between threads: any thread pushes, one pops (bounded array queue with
// a sequence number in each cell, after D. Vyukov's description). A full ring refuses (AGAIN); nothing is
// ever dropped or blocked.
#pragma once

#include "base/result.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mpsc_cell {
    _Atomic size_t sequence; // less the index of the cell, so that a new ring is zeros
    void *item;
};

struct mpsc_ring {
    struct mpsc_cell *cells;
    size_t mask;
    _Alignas(64) _Atomic size_t in;
    _Alignas(64) size_t out;
};

// Capacity is rounded up to a power of two, at least 2 and at most 2^24.
MUST_USE enum result mpsc_ring_init(struct mpsc_ring *ring, size_t capacity);
void mpsc_ring_fini(struct mpsc_ring *ring);
MUST_USE enum result mpsc_ring_push(struct mpsc_ring *ring, void *item); // OK or AGAIN; any thread
void *mpsc_ring_pop(struct mpsc_ring *ring);                             // NULL when empty; the one consumer
bool mpsc_ring_is_empty(struct mpsc_ring *ring); // exact only on the consumer's thread
