// SPDX-License-Identifier: Apache-2.0
//
// What a back end of struct ev_loop supplies and what it may call. Only lib/ev includes this.
#pragma once

#include "ev/loop.h"

struct ev_backend {
    // Reads the monotonic clock into loop->clock_value (real), or does nothing (simulated: the world moves
    // it).
    void (*clock_update)(struct ev_loop *loop);
    uint64_t (*wall_now)(const struct ev_loop *loop);
    void (*random)(struct ev_loop *loop, void *buffer, size_t length);
    // Any thread: wakes or stop are pending, run a turn soon. Wakes: only while it may sleep.
    void (*notify)(struct ev_loop *loop);
    // Waits until `deadline` (UINT64_MAX: for ever; 0: not at all) or an event; runs file descriptor
    // callbacks. NULL for simulated loops.
    void (*wait)(struct ev_loop *loop, uint64_t deadline);
    // Frees what the back end owns, the loop's memory included.
    void (*free)(struct ev_loop *loop);
};

enum { EV_LOOP_NAME_MAX = 32 };

enum { EV_FIRST_TIMERS = 64 };

// A back end embeds this as its first member.
struct ev_loop {
    uint32_t magic;
    bool dead;
    bool in_turn;
    atomic_bool stopped;
    // False only while a turn is certain to look for wakes before it waits again: who pushes one then need
    // not notify. Simulated loops never clear it.
    atomic_bool may_sleep;
    char name[EV_LOOP_NAME_MAX];
    const struct ev_backend *backend;
    const uint64_t *clock; // where ev_now() reads: clock_value, or the world's clock
    uint64_t clock_value;
    struct ev_timer **heap;                       // binary heap by (deadline, sequence)
    struct ev_timer *first_heap[EV_FIRST_TIMERS]; // where it begins
    size_t heap_count, heap_capacity;
    uint64_t sequence; // of timers
    uint64_t turn;
    struct list tasks;
    struct ev_garbage *garbage;
    _Atomic(struct ev_wake *) wakes_pushed; // newest first, pushed by any thread
    struct ev_wake *wakes_ready;            // oldest first, being delivered
};

void ev_loop_setup(struct ev_loop *loop, const struct ev_backend *backend, const char *name);
// Gives back what ev_loop_setup() and the running took; runs the garbage.
void ev_loop_teardown(struct ev_loop *loop);
// Everything of a turn after the wait. with_wakes: deliver the wakes that are pending.
void ev_loop_dispatch(struct ev_loop *loop, bool with_wakes);
// When the loop must run next without wakes and descriptors: 0 now, UINT64_MAX never, else a deadline.
uint64_t ev_loop_next(const struct ev_loop *loop);
bool ev_loop_has_wakes(const struct ev_loop *loop);
// Forgets timers, tasks and wakes, and marks the loop dead.
void ev_loop_forget_all(struct ev_loop *loop);
