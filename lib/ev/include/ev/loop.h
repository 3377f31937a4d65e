// SPDX-License-Identifier: Apache-2.0
//
// One event loop per thread: timers, deferred tasks, wakes, garbage. Every thread body of the gateway is a
// set of callbacks on a loop, so that the same code runs on a real loop (ev/real.h) or in the simulator
// (ev/sim.h).
//
// Thread: everything here belongs to the loop's own thread, except what is marked "any thread".
// One turn: file descriptors (real loops), wakes, timers that are due, tasks, garbage. Source: DESIGN 3,
// ENGINE 1.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/result.h"

struct ev_loop;
struct ev_mailbox;

typedef void ev_callback_fn(void *arg);

// ---- Loop ----

// Runs turns until ev_loop_stop(). Real loops only; simulated loops are driven by their world.
void ev_loop_run(struct ev_loop *loop);
// Makes ev_loop_run() return after the turn that it is in. Any thread.
void ev_loop_stop(struct ev_loop *loop);
bool ev_loop_is_stopped(const struct ev_loop *loop);
// One turn for tests: waits at most max_wait nanoseconds for something to do. Real loops only.
void ev_loop_turn(struct ev_loop *loop, uint64_t max_wait);
// Frees a loop made by ev_real_new() or sim_loop_new(), and runs what garbage is left. Timers, tasks and
// wakes that are still armed are forgotten. Nulls *loop. Not inside a callback of this loop.
void ev_loop_free(struct ev_loop **loop);
// True after sim_loop_kill(): starting timers, deferring tasks and signalling wakes are silent no-ops from
// then on, so that the owner of a crashed part can take its objects down with the usual functions.
bool ev_loop_is_dead(const struct ev_loop *loop);
const char *ev_loop_name(const struct ev_loop *loop);

// Monotonic nanoseconds, the same during one turn.
uint64_t ev_now(const struct ev_loop *loop);
// Reads the clock anew (inside long turns, for measuring); later ev_now() calls see it too.
uint64_t ev_now_update(struct ev_loop *loop);
// Nanoseconds since 1970-01-01 UTC. May jump either way.
uint64_t ev_wall_now(const struct ev_loop *loop);
// Unpredictable bytes on a real loop (getrandom), seeded ones in the simulator.
void ev_random(struct ev_loop *loop, void *buffer, size_t length);
uint64_t ev_random_u64(struct ev_loop *loop);
// Uniform in [0, limit), limit > 0.
uint64_t ev_random_below(struct ev_loop *loop, uint64_t limit);

// ---- Timers ----

// One shot. Timers that are due run in the order of (deadline, start). A timer started by a timer callback
// never runs in the same turn, whatever its delay.
struct ev_timer {
    uint32_t magic;
    uint32_t slot; // place in the heap plus one; 0: not armed
    struct ev_loop *loop;
    ev_callback_fn *callback;
    void *arg;
    uint64_t deadline;
    uint64_t sequence;
};

void ev_timer_init(struct ev_timer *timer, struct ev_loop *loop, ev_callback_fn *callback, void *arg);
// Stops the timer. It may be initialised again or its memory given back.
void ev_timer_fini(struct ev_timer *timer);
// (Re)starts: due `delay` nanoseconds after ev_now(). Never fails (memory for the heap is ensured).
void ev_timer_start(struct ev_timer *timer, uint64_t delay);
// (Re)starts at an absolute ev_now() time.
void ev_timer_start_at(struct ev_timer *timer, uint64_t deadline);
void ev_timer_stop(struct ev_timer *timer);
bool ev_timer_is_armed(const struct ev_timer *timer);

// ---- Tasks ----

// Something to do once at the end of the turn. A task deferred by a task runs in the next turn, which follows
// at once.
struct ev_task {
    uint32_t magic;
    bool pending;
    struct ev_loop *loop;
    ev_callback_fn *callback;
    void *arg;
    uint64_t turn; // in which it was deferred
    struct list_node node;
};

void ev_task_init(struct ev_task *task, struct ev_loop *loop, ev_callback_fn *callback, void *arg);
void ev_task_fini(struct ev_task *task);
// Does nothing when it is pending already.
void ev_task_defer(struct ev_task *task);
void ev_task_cancel(struct ev_task *task);
bool ev_task_is_pending(const struct ev_task *task);

// ---- Garbage ----

// Memory that must outlive the callbacks of this turn (nothing is freed inside a callback). `destroy` gives
// memory back and does nothing else; it runs after the tasks of this turn, or in ev_loop_free() at the
// latest, also on a dead loop. The member `garbage` lies inside the object that dies.
struct ev_garbage {
    struct ev_garbage *next;
    void (*destroy)(struct ev_garbage *garbage);
};

void ev_loop_discard(struct ev_loop *loop, struct ev_garbage *garbage, void (*destroy)(struct ev_garbage *));

// ---- Wakes ----

// A signal from any thread to a loop. Signals before the callback begins are one; a signal during it leads to
// another.
struct ev_wake {
    uint32_t magic;
    atomic_bool pending;
    struct ev_loop *loop;
    ev_callback_fn *callback;
    void *arg;
    struct ev_wake *next; // loop's stack of pending wakes
    _Atomic(struct ev_mailbox *) waits_for;
    struct ev_wake *next_waiter; // that mailbox's list of posters without room
};

void ev_wake_init(struct ev_wake *wake, struct ev_loop *loop, ev_callback_fn *callback, void *arg);
// On the loop's thread, after the last signaller has stopped.
void ev_wake_fini(struct ev_wake *wake);
// Any thread.
void ev_wake_signal(struct ev_wake *wake);
