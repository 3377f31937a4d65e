// SPDX-License-Identifier: Apache-2.0
//
// One change of the crosswalk: a writing transaction, the state as it will be, and the act that is logged.
// Private to lib/store.
#pragma once

#include "base/cursor.h"
#include "crosswalk_internal.h"

struct change {
    struct crosswalk *crosswalk;
    const struct crosswalk_order *order; // NULL: nobody's
    struct kv_transaction transaction;
    struct view view; // over the transaction
    struct crosswalk_act act;
    uint64_t future; // when it becomes effective; 0: at once
};

// Everything effective until the order's time counts then.
MUST_USE enum result change_begin(struct change *change, struct crosswalk *crosswalk,
                                  const struct crosswalk_order *order);
// Adds `act` to the log, as of the state's generation.
MUST_USE enum result change_log(struct change *change, enum crosswalk_act_kind kind);
// Writes the state and commits if `result` is OK; ends the transaction either way.
MUST_USE enum result change_commit(struct change *change, enum result result);
// Something becomes effective then.
MUST_USE enum result future_put(struct kv_transaction *transaction, uint64_t time);
// Everything effective until `now` counts from now on.
MUST_USE enum result horizon_move(struct change *change, uint64_t now);
