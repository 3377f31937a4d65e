// SPDX-License-Identifier: Apache-2.0
//
// Timers: a binary heap of pointers, each timer knows its slot, so that stopping costs O(log n).
// Thread: the loop's own.
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/magic.h"

#define TIMER_MAGIC 0x54494d52u

static bool is_before(const struct ev_timer *a, const struct ev_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

static void place(struct ev_loop *loop, size_t at, struct ev_timer *timer)
{
    loop->heap[at] = timer;
    timer->slot = (uint32_t)at + 1;
}

static void sift_up(struct ev_loop *loop, size_t at, struct ev_timer *timer)
{
    while (at > 0 && is_before(timer, loop->heap[(at - 1) / 2])) {
        place(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(loop, at, timer);
}

static void sift_down(struct ev_loop *loop, size_t at, struct ev_timer *timer)
{
    for (size_t child = 2 * at + 1; child < loop->heap_count; child = 2 * at + 1) {
        if (child + 1 < loop->heap_count && is_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!is_before(loop->heap[child], timer))
            break;
        place(loop, at, loop->heap[child]);
        at = child;
    }
    place(loop, at, timer);
}

// Grows while half of it is still free: one allocation that fails is made good by a later one. Only when none
// succeeds for as many timers again is this the end: without them no deadline would hold.
static void make_room(struct ev_loop *loop)
{
    if (loop->heap_count < loop->heap_capacity / 2)
        return;
    if (loop->heap_capacity == 0) { // the first ones need no allocation that could fail
        loop->heap = loop->first_heap;
        loop->heap_capacity = EV_FIRST_TIMERS;
        return;
    }
    size_t capacity = 2 * loop->heap_capacity;
    ensure(capacity <= UINT32_MAX / 2);
    bool is_first = loop->heap == loop->first_heap;
    struct ev_timer **heap = realloc(is_first ? NULL : loop->heap, capacity * sizeof *heap);
    if (heap == NULL) {
        ensure(loop->heap_count < loop->heap_capacity);
        return;
    }
    if (is_first)
        memcpy(heap, loop->first_heap, sizeof loop->first_heap);
    loop->heap = heap;
    loop->heap_capacity = capacity;
}

struct ev_timer *heap_first_due(struct ev_loop *loop, uint64_t now, uint64_t started_before)
{
    if (loop->heap_count == 0)
        return NULL;
    struct ev_timer *first = loop->heap[0];
    MAGIC_CHECK(first, TIMER_MAGIC);
    return first->deadline <= now && first->sequence < started_before ? first : NULL;
}

void heap_clear(struct ev_loop *loop)
{
    for (size_t i = 0; i < loop->heap_count; i++)
        loop->heap[i]->slot = 0;
    loop->heap_count = 0;
}

void ev_timer_init(struct ev_timer *timer, struct ev_loop *loop, ev_callback_fn *callback, void *arg)
{
    *timer = (struct ev_timer){.loop = loop, .callback = callback, .arg = arg};
    MAGIC_INIT(timer, TIMER_MAGIC);
}

void ev_timer_fini(struct ev_timer *timer)
{
    ev_timer_stop(timer);
    MAGIC_CLEAR(timer);
}

void ev_timer_start(struct ev_timer *timer, uint64_t delay)
{
    uint64_t now = ev_now(timer->loop);
    ev_timer_start_at(timer, delay < UINT64_MAX - now ? now + delay : UINT64_MAX - 1);
}

void ev_timer_start_at(struct ev_timer *timer, uint64_t deadline)
{
    ev_timer_stop(timer);
    struct ev_loop *loop = timer->loop;
    if (loop->dead)
        return;
    make_room(loop);
    // A deadline in the past would let a timer overtake those that were due before it was started.
    timer->deadline = deadline > ev_now(loop) ? deadline : ev_now(loop);
    timer->sequence = loop->sequence++;
    sift_up(loop, loop->heap_count++, timer);
}

void ev_timer_stop(struct ev_timer *timer)
{
    MAGIC_CHECK(timer, TIMER_MAGIC);
    if (timer->slot == 0)
        return;
    struct ev_loop *loop = timer->loop;
    size_t at = timer->slot - 1;
    ensure(at < loop->heap_count && loop->heap[at] == timer);
    timer->slot = 0;
    struct ev_timer *last = loop->heap[--loop->heap_count];
    if (last == timer)
        return;
    if (at > 0 && is_before(last, loop->heap[(at - 1) / 2]))
        sift_up(loop, at, last);
    else
        sift_down(loop, at, last);
}

bool ev_timer_is_armed(const struct ev_timer *timer)
{
    return timer->slot != 0;
}
