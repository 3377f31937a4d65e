// SPDX-License-Identifier: Apache-2.0
//
// The daemon's side of the crosswalk: its thread is the only one that writes it. One order at a time; between
// the steps of an import, and once a minute, what has become effective counts, and what former imports left
// is removed in small lots.
//
// Thread: main, except for what runs on `loop`, which may block.
#pragma once

#include "admin/admin.h"
#include "crosswalk/task.h"
#include "ev/loop.h"
#include "fs/fs.h"

struct crosswalk_desk;

// Called on the main loop, once for each order taken. `body` is the callee's; NULL: `problem` says why not.
typedef void crosswalk_done_fn(void *arg, enum admin_status status, json_t *body, const char *problem);

// Borrows all; no loop runs yet.
MUST_USE enum result crosswalk_desk_new(struct crosswalk *crosswalk, struct fs *fs, struct ev_loop *loop,
                                        struct ev_loop *main_loop, struct crosswalk_desk **out);
// Before loops run: `changed` is called on the desk's loop whenever the crosswalk may have changed.
void crosswalk_desk_watch(struct crosswalk_desk *desk, void (*changed)(void *arg), void *arg);
// After the thread of `loop` has ended. An order that is under way is given up: nothing has changed.
void crosswalk_desk_free(struct crosswalk_desk *desk);

// Takes the task on OK (`*task` is empty then). ERR_LIMIT: another order is under way.
MUST_USE enum result crosswalk_desk_ask(struct crosswalk_desk *desk, struct crosswalk_task *task,
                                        crosswalk_done_fn *done, void *arg);
