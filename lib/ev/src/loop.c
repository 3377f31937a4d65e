// SPDX-License-Identifier: Apache-2.0
//
// What all loops have in common: the order of a turn, tasks, wakes, garbage. Back ends: real.c, sim.c.
// Thread: the loop's own, except ev_wake_signal() and ev_loop_stop().
#include <stdlib.h>

#include "base/magic.h"
#include "base/text.h"
#include "ev/backend.h"
#include "ev/mailbox.h"
#include "heap.h"

#define LOOP_MAGIC 0x4c4f4f50u
#define TASK_MAGIC 0x5441534bu
#define WAKE_MAGIC 0x57414b45u

void ev_loop_setup(struct ev_loop *loop, const struct ev_backend *backend, const char *name)
{
    MAGIC_INIT(loop, LOOP_MAGIC);
    loop->backend = backend;
    text_copy(loop->name, sizeof loop->name, slice_of_text(name));
    loop->clock = &loop->clock_value;
    list_init(&loop->tasks);
    atomic_init(&loop->stopped, false);
    atomic_init(&loop->may_sleep, true);
    atomic_init(&loop->wakes_pushed, NULL);
}

static void run_garbage(struct ev_loop *loop)
{
    while (loop->garbage != NULL) {
        struct ev_garbage *garbage = loop->garbage;
        loop->garbage = garbage->next;
        garbage->destroy(garbage);
    }
}

// Moves what was pushed (newest first) behind the wakes that are ready (oldest first).
static void collect_wakes(struct ev_loop *loop)
{
    struct ev_wake *pushed = atomic_exchange(&loop->wakes_pushed, NULL);
    struct ev_wake *ordered = NULL;
    while (pushed != NULL) {
        struct ev_wake *next = pushed->next;
        pushed->next = ordered;
        ordered = pushed;
        pushed = next;
    }
    struct ev_wake **tail = &loop->wakes_ready;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = ordered;
}

void ev_loop_forget_all(struct ev_loop *loop)
{
    heap_clear(loop);
    for (struct list_node *node = list_take_first(&loop->tasks); node != NULL;
         node = list_take_first(&loop->tasks))
        CONTAINER_OF(node, struct ev_task, node)->pending = false;
    collect_wakes(loop);
    while (loop->wakes_ready != NULL) {
        struct ev_wake *wake = loop->wakes_ready;
        loop->wakes_ready = wake->next;
        wake->next = NULL;
        atomic_store(&wake->pending, false);
    }
    loop->dead = true;
}

void ev_loop_teardown(struct ev_loop *loop)
{
    MAGIC_CHECK(loop, LOOP_MAGIC);
    ensure(!loop->in_turn);
    ev_loop_forget_all(loop);
    run_garbage(loop);
    if (loop->heap != loop->first_heap)
        free(loop->heap);
    MAGIC_CLEAR(loop);
}

static void run_wakes(struct ev_loop *loop)
{
    collect_wakes(loop);
    // What a callback signals goes to the next turn: it is pushed, not ready.
    while (loop->wakes_ready != NULL) {
        struct ev_wake *wake = loop->wakes_ready;
        MAGIC_CHECK(wake, WAKE_MAGIC);
        loop->wakes_ready = wake->next;
        wake->next = NULL;
        atomic_store(&wake->pending, false);
        wake->callback(wake->arg);
    }
}

static void run_timers(struct ev_loop *loop)
{
    uint64_t started_before = loop->sequence;
    uint64_t now = ev_now(loop);
    for (struct ev_timer *timer = heap_first_due(loop, now, started_before); timer != NULL;
         timer = heap_first_due(loop, now, started_before)) {
        ev_timer_stop(timer);
        timer->callback(timer->arg);
    }
}

static void run_tasks(struct ev_loop *loop)
{
    uint64_t turn = ++loop->turn;
    for (struct list_node *node = list_first(&loop->tasks); node != NULL; node = list_first(&loop->tasks)) {
        struct ev_task *task = CONTAINER_OF(node, struct ev_task, node);
        MAGIC_CHECK(task, TASK_MAGIC);
        if (task->turn >= turn)
            break;
        ev_task_cancel(task);
        task->callback(task->arg);
    }
}

void ev_loop_dispatch(struct ev_loop *loop, bool with_wakes)
{
    MAGIC_CHECK(loop, LOOP_MAGIC);
    loop->in_turn = true;
    if (with_wakes)
        run_wakes(loop);
    run_timers(loop);
    run_tasks(loop);
    run_garbage(loop);
    loop->in_turn = false;
}

uint64_t ev_loop_next(const struct ev_loop *loop)
{
    if (!list_is_empty(&loop->tasks) || loop->garbage != NULL)
        return 0;
    return loop->heap_count == 0 ? UINT64_MAX : loop->heap[0]->deadline;
}

bool ev_loop_has_wakes(const struct ev_loop *loop)
{
    return loop->wakes_ready != NULL || atomic_load(&loop->wakes_pushed) != NULL;
}

static void turn_until(struct ev_loop *loop, uint64_t deadline)
{
    MAGIC_CHECK(loop, LOOP_MAGIC);
    ensure(loop->backend->wait != NULL && !loop->in_turn);
    // Before the wakes are looked at: of this thread and one that pushes, one sees what the other does.
    atomic_store(&loop->may_sleep, true);
    uint64_t next = ev_loop_has_wakes(loop) || atomic_load(&loop->stopped) ? 0 : ev_loop_next(loop);
    loop->in_turn = true;
    loop->backend->wait(loop, next < deadline ? next : deadline);
    atomic_store(&loop->may_sleep, false);
    ev_loop_dispatch(loop, true);
}

void ev_loop_run(struct ev_loop *loop)
{
    while (!atomic_load(&loop->stopped))
        turn_until(loop, UINT64_MAX);
}

void ev_loop_turn(struct ev_loop *loop, uint64_t max_wait)
{
    uint64_t now = ev_now_update(loop);
    turn_until(loop, max_wait < UINT64_MAX - now ? now + max_wait : UINT64_MAX);
}

void ev_loop_stop(struct ev_loop *loop)
{
    atomic_store(&loop->stopped, true);
    loop->backend->notify(loop);
}

bool ev_loop_is_stopped(const struct ev_loop *loop)
{
    return atomic_load(&loop->stopped);
}

void ev_loop_free(struct ev_loop **loop)
{
    if (*loop == NULL)
        return;
    (*loop)->backend->free(*loop);
    *loop = NULL;
}

bool ev_loop_is_dead(const struct ev_loop *loop)
{
    return loop->dead;
}

const char *ev_loop_name(const struct ev_loop *loop)
{
    return loop->name;
}

uint64_t ev_now(const struct ev_loop *loop)
{
    return *loop->clock;
}

uint64_t ev_now_update(struct ev_loop *loop)
{
    loop->backend->clock_update(loop);
    return *loop->clock;
}

uint64_t ev_wall_now(const struct ev_loop *loop)
{
    return loop->backend->wall_now(loop);
}

void ev_random(struct ev_loop *loop, void *buffer, size_t length)
{
    loop->backend->random(loop, buffer, length);
}

uint64_t ev_random_u64(struct ev_loop *loop)
{
    uint64_t value;
    ev_random(loop, &value, sizeof value);
    return value;
}

uint64_t ev_random_below(struct ev_loop *loop, uint64_t limit)
{
    ensure(limit > 0);
    uint64_t fair = UINT64_MAX - UINT64_MAX % limit; // a multiple of limit: no value is likelier
    uint64_t value = ev_random_u64(loop);
    while (value >= fair)
        value = ev_random_u64(loop);
    return value % limit;
}

void ev_loop_discard(struct ev_loop *loop, struct ev_garbage *garbage, void (*destroy)(struct ev_garbage *))
{
    garbage->destroy = destroy;
    garbage->next = loop->garbage;
    loop->garbage = garbage;
}

// ---- Tasks ----

void ev_task_init(struct ev_task *task, struct ev_loop *loop, ev_callback_fn *callback, void *arg)
{
    *task = (struct ev_task){.loop = loop, .callback = callback, .arg = arg};
    MAGIC_INIT(task, TASK_MAGIC);
}

void ev_task_fini(struct ev_task *task)
{
    ev_task_cancel(task);
    MAGIC_CLEAR(task);
}

void ev_task_defer(struct ev_task *task)
{
    MAGIC_CHECK(task, TASK_MAGIC);
    if (task->pending || task->loop->dead)
        return;
    task->pending = true;
    task->turn = task->loop->turn;
    list_append(&task->loop->tasks, &task->node);
}

void ev_task_cancel(struct ev_task *task)
{
    MAGIC_CHECK(task, TASK_MAGIC);
    if (!task->pending)
        return;
    task->pending = false;
    list_remove(&task->loop->tasks, &task->node);
}

bool ev_task_is_pending(const struct ev_task *task)
{
    return task->pending;
}

// ---- Wakes ----

void ev_wake_init(struct ev_wake *wake, struct ev_loop *loop, ev_callback_fn *callback, void *arg)
{
    *wake = (struct ev_wake){.loop = loop, .callback = callback, .arg = arg};
    atomic_init(&wake->pending, false);
    atomic_init(&wake->waits_for, NULL);
    MAGIC_INIT(wake, WAKE_MAGIC);
}

void ev_wake_fini(struct ev_wake *wake)
{
    MAGIC_CHECK(wake, WAKE_MAGIC);
    struct ev_mailbox *mailbox = atomic_load(&wake->waits_for);
    if (mailbox != NULL)
        ev_mailbox_forget(mailbox, wake);
    if (atomic_load(&wake->pending)) {
        collect_wakes(wake->loop);
        struct ev_wake **link = &wake->loop->wakes_ready;
        while (*link != wake) {
            ensure(*link != NULL);
            link = &(*link)->next;
        }
        *link = wake->next;
    }
    MAGIC_CLEAR(wake);
}

void ev_wake_signal(struct ev_wake *wake)
{
    MAGIC_CHECK(wake, WAKE_MAGIC);
    struct ev_loop *loop = wake->loop;
    if (loop->dead || atomic_exchange(&wake->pending, true))
        return;
    struct ev_wake *top = atomic_load(&loop->wakes_pushed);
    do {
        wake->next = top;
    } while (!atomic_compare_exchange_weak(&loop->wakes_pushed, &top, wake));
    if (top == NULL && atomic_load(&loop->may_sleep))
        loop->backend->notify(loop);
}
