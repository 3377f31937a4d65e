// SPDX-License-Identifier: Apache-2.0
//
// An order goes to the desk's loop by one wake and comes back by another; in between it is the desk's.
#include "crosswalk/desk.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/units.h"
#include "crosswalk/job.h"

#define DESK_MAGIC 0x4445534bu // "DESK"
#define TICK_NS    (60 * NSEC_PER_SEC)
#define SOON_NS    (20 * NSEC_PER_MS)

struct crosswalk_desk {
    uint32_t magic;
    struct crosswalk *crosswalk;
    struct fs *fs;
    struct ev_loop *loop;
    struct ev_wake begin; // desk loop
    struct ev_wake back;  // main loop
    // The desk loop's.
    struct ev_task step;
    struct ev_timer tick;
    struct crosswalk_job *job; // NULL: none
    // Main's while nobody waits, the desk's from `begin` to `back`.
    struct crosswalk_task task;
    enum admin_status status;
    json_t *body;
    struct crosswalk_problem problem;
    // Main's.
    crosswalk_done_fn *done; // NULL: no order is under way
    void *arg;
    void (*changed)(void *arg); // NULL: nobody watches
    void *changed_arg;
};

// ---- on the desk's loop

static void change_tell(struct crosswalk_desk *desk)
{
    if (desk->changed != NULL)
        desk->changed(desk->changed_arg);
}

static void on_begin(void *arg)
{
    struct crosswalk_desk *desk = arg;
    MAGIC_CHECK(desk, DESK_MAGIC);
    desk->job = crosswalk_job_new(desk->crosswalk, desk->fs, NULL, &desk->task, ev_wall_now(desk->loop));
    ev_task_defer(&desk->step);
}

static void on_step(void *arg)
{
    struct crosswalk_desk *desk = arg;
    MAGIC_CHECK(desk, DESK_MAGIC);
    if (desk->job != NULL && !crosswalk_job_step(desk->job)) {
        ev_task_defer(&desk->step);
        return;
    }
    desk->status = ADMIN_FAILED;
    desk->problem.text[0] = 0;
    if (desk->job != NULL)
        desk->status = crosswalk_job_end(desk->job, &desk->body, &desk->problem);
    desk->job = NULL;
    change_tell(desk);              // before the answer: who has it may rely on that
    ev_timer_start(&desk->tick, 0); // what is left over
    ev_wake_signal(&desk->back);
}

static void on_tick(void *arg)
{
    struct crosswalk_desk *desk = arg;
    MAGIC_CHECK(desk, DESK_MAGIC);
    enum result result = crosswalk_advance(desk->crosswalk, ev_wall_now(desk->loop));
    change_tell(desk);
    if (result == OK)
        result = crosswalk_purge(desk->crosswalk);
    if (result != OK && result != AGAIN)
        log_event(LOG_CROSSWALK_FAILED, log_text(result_text(result)));
    ev_timer_start(&desk->tick, result == AGAIN ? SOON_NS : TICK_NS);
}

// ---- main

static void on_back(void *arg)
{
    struct crosswalk_desk *desk = arg;
    MAGIC_CHECK(desk, DESK_MAGIC);
    crosswalk_done_fn *done = desk->done;
    json_t *body = desk->body;
    if (body != NULL)
        log_event(LOG_ADMIN_CROSSWALK, log_text(crosswalk_kind_text(desk->task.kind)),
                  log_text(desk->task.person),
                  log_number((uint64_t)json_integer_value(json_object_get(body, "generation"))));
    crosswalk_task_fini(&desk->task);
    desk->done = NULL;
    desk->body = NULL;
    done(desk->arg, desk->status, body, desk->problem.text[0] != 0 ? desk->problem.text : "out of memory");
}

enum result crosswalk_desk_new(struct crosswalk *crosswalk, struct fs *fs, struct ev_loop *loop,
                               struct ev_loop *main_loop, struct crosswalk_desk **out)
{
    struct crosswalk_desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(desk, DESK_MAGIC);
    desk->crosswalk = crosswalk;
    desk->fs = fs;
    desk->loop = loop;
    ev_wake_init(&desk->begin, loop, on_begin, desk);
    ev_wake_init(&desk->back, main_loop, on_back, desk);
    ev_task_init(&desk->step, loop, on_step, desk);
    ev_timer_init(&desk->tick, loop, on_tick, desk);
    ev_timer_start(&desk->tick, 0);
    *out = desk;
    return OK;
}

void crosswalk_desk_watch(struct crosswalk_desk *desk, void (*changed)(void *arg), void *arg)
{
    MAGIC_CHECK(desk, DESK_MAGIC);
    desk->changed = changed;
    desk->changed_arg = arg;
}

void crosswalk_desk_free(struct crosswalk_desk *desk)
{
    if (desk == NULL)
        return;
    MAGIC_CHECK(desk, DESK_MAGIC);
    if (desk->job != NULL) {
        desk->status = crosswalk_job_end(desk->job, &desk->body, &desk->problem);
        desk->job = NULL;
    }
    if (desk->done != NULL)
        desk->done(desk->arg, desk->body != NULL ? desk->status : ADMIN_UNAVAILABLE, desk->body,
                   "the gateway is stopping");
    crosswalk_task_fini(&desk->task);
    ev_timer_fini(&desk->tick);
    ev_task_fini(&desk->step);
    ev_wake_fini(&desk->begin);
    ev_wake_fini(&desk->back);
    MAGIC_CLEAR(desk);
    free(desk);
}

enum result crosswalk_desk_ask(struct crosswalk_desk *desk, struct crosswalk_task *task,
                               crosswalk_done_fn *done, void *arg)
{
    MAGIC_CHECK(desk, DESK_MAGIC);
    if (desk->done != NULL)
        return ERR_LIMIT;
    desk->task = *task;
    *task = (struct crosswalk_task){.body = NULL};
    desk->done = done;
    desk->arg = arg;
    ev_wake_signal(&desk->begin);
    return OK;
}
