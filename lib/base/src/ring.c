// SPDX-License-Identifier: Apache-2.0
#include "base/ring.h"
#include <stdlib.h>

static size_t power_of_two(size_t capacity)
{
    size_t size = 2;
    while (size < capacity && size < ((size_t)1 << 24))
        size *= 2;
    return size;
}

// Counted from the cell's index.
static size_t sequence_get(const struct mpsc_ring *ring, const struct mpsc_cell *cell)
{
    return atomic_load_explicit(&cell->sequence, memory_order_acquire) + (size_t)(cell - ring->cells);
}

static void sequence_set(const struct mpsc_ring *ring, struct mpsc_cell *cell, size_t sequence)
{
    atomic_store_explicit(&cell->sequence, sequence - (size_t)(cell - ring->cells), memory_order_release);
}

enum result mpsc_ring_init(struct mpsc_ring *ring, size_t capacity)
{
    size_t size = power_of_two(capacity);
    ring->cells = calloc(size, sizeof *ring->cells);
    if (ring->cells == NULL)
        return ERR_NOMEM;
    // Zeros are the first round: a ring that is never full does not touch most of its pages.
    ring->mask = size - 1;
    atomic_init(&ring->in, 0);
    ring->out = 0;
    return OK;
}

void mpsc_ring_fini(struct mpsc_ring *ring)
{
    free(ring->cells);
    ring->cells = NULL;
}

enum result mpsc_ring_push(struct mpsc_ring *ring, void *item)
{
    size_t in = atomic_load_explicit(&ring->in, memory_order_relaxed);
    for (;;) {
        struct mpsc_cell *cell = &ring->cells[in & ring->mask];
        size_t sequence = sequence_get(ring, cell);
        if (sequence == in) {
            if (atomic_compare_exchange_weak_explicit(&ring->in, &in, in + 1, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                cell->item = item;
                sequence_set(ring, cell, in + 1);
                return OK;
            }
        } else if ((ptrdiff_t)(sequence - in) < 0) {
            return AGAIN; // the cell of one round ago is not popped yet
        } else {
            in = atomic_load_explicit(&ring->in, memory_order_relaxed);
        }
    }
}

void *mpsc_ring_pop(struct mpsc_ring *ring)
{
    struct mpsc_cell *cell = &ring->cells[ring->out & ring->mask];
    if (sequence_get(ring, cell) != ring->out + 1)
        return NULL;
    void *item = cell->item;
    sequence_set(ring, cell, ring->out + ring->mask + 1);
    ring->out++;
    return item;
}

bool mpsc_ring_is_empty(struct mpsc_ring *ring)
{
    return sequence_get(ring, &ring->cells[ring->out & ring->mask]) != ring->out + 1;
}
