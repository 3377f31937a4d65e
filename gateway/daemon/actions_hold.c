// SPDX-License-Identifier: Apache-2.0
#include "daemon/actions_private.h"

void actions_hold_list(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    (void)arg;
    (void)filter;
    admin_reply_fail(reply, ADMIN_UNAVAILABLE, "nothing can be held yet");
}

void actions_hold_show(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    actions_hold_list(arg, filter, reply);
}

void actions_hold_change(void *arg, enum admin_hold_change change, const struct admin_selection *selection,
                         struct admin_reply *reply)
{
    (void)change;
    (void)selection;
    actions_hold_list(arg, NULL, reply);
}
