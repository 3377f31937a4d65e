// SPDX-License-Identifier: Apache-2.0
//
// `queue list` and `queue drop` for a node that was taken out of the configuration: no worker has a queue for
// it, so what it is owed is found in the ledger's open index. It is named by its id.
#pragma once

#include "daemon/actions_private.h"

// The id of a node that is owed something by the ledger and is not in the configuration. False: it is not a
// number, or the configuration has a node of this id or name.
bool removed_id_parse(const struct actions *actions, const char *name, uint32_t *id);

void removed_list(struct actions *actions, uint32_t id, const struct admin_filter *filter,
                  struct admin_reply *reply);
void removed_drop(struct actions *actions, uint32_t id, const struct admin_selection *selection,
                  struct admin_reply *reply);
