// SPDX-License-Identifier: Apache-2.0
//
// POST /v1/crosswalk/KIND: an order for the crosswalk's own thread. Who may give it is whoever may use the
// control socket; what it says is checked here, before anything else sees it.
#include "crosswalk/desk.h"
#include "daemon/actions_private.h"

static void on_done(void *arg, enum admin_status status, json_t *body, const char *problem)
{
    struct admin_reply *reply = arg;
    if (body != NULL)
        admin_reply_send(reply, status, body);
    else
        admin_reply_fail(reply, status, "%s", problem);
}

void actions_crosswalk_change(void *arg, const char *kind, struct slice body, struct admin_reply *reply)
{
    struct actions *actions = arg;
    struct crosswalk_task task;
    struct crosswalk_problem problem = {.text = ""};
    if (actions->desk == NULL) {
        admin_reply_fail(reply, ADMIN_UNAVAILABLE, "%s",
                         actions->gateway->platform.crosswalk_is_lost
                             ? "the crosswalk could not be opened: it is lost; put its folder back, or see "
                               "`dicomgate crosswalk init --help`"
                             : "the crosswalk could not be opened: see the log of the start");
        return;
    }
    enum result result = crosswalk_task_parse(kind, body, &task, &problem);
    if (result == ERR_MISSING) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no such path");
    } else if (result != OK) {
        admin_reply_fail(reply, ADMIN_BAD_REQUEST, "%s", problem.text);
    } else if (crosswalk_desk_ask(actions->desk, &task, on_done, reply) != OK) {
        crosswalk_task_fini(&task);
        admin_reply_fail(reply, ADMIN_UNAVAILABLE, "another order about the crosswalk is under way");
    }
}
