// SPDX-License-Identifier: Apache-2.0
//
// What operators can see and do (admin/admin.h), carried out on the gateway: questions and changes go as
// calls to the workers, their answers come back to the main loop and are put together there.
//
// Thread: main; the parts that run on workers say so.
#pragma once

#include "admin/admin.h"
#include "daemon/gateway.h"

struct actions;
struct crosswalk_desk;
struct expiry;
struct reload;

extern const struct admin_actions actions_table; // its `arg` is a struct actions

MUST_USE enum result actions_new(struct gateway *gateway, struct actions **out); // ERR_NOMEM
// What only the daemon has, not the simulator; borrowed. Without it `config reload` is refused.
void actions_attach(struct actions *actions, struct reload *reload, struct expiry *expiry);
// Borrowed; without it orders about the crosswalk are answered as unavailable.
void actions_desk_attach(struct actions *actions, struct crosswalk_desk *desk);
// After the workers' threads have ended; requests still under way are answered as unavailable.
void actions_free(struct actions *actions);
