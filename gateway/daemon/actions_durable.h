// SPDX-License-Identifier: Apache-2.0
//
// A person is told of a decision when its records are durable: what is answered before that, a kill or a
// power cut takes back. Part of the answer of a part that has noted something. Thread: the part's worker;
// main reads `is_durable` when the part is back.
#pragma once

#include "daemon/actions_private.h"

_Static_assert(NOTES_TEXT >= ADMIN_TEXT - 1, "who and why are recorded whole");

struct durable {
    struct part *part;
    struct ev_timer timer;
    struct notes_wait wait;
    uint64_t lost;   // notes, before the first change
    bool is_durable; // false: not yet when the part went back, or lost
};

// Before the first change, where it does not move any more.
void durable_init(struct durable *durable, struct part *part);
// Instead of part_done(): now if nothing was changed, else once all that has been noted is durable, but at
// most ten seconds later.
void durable_part_done(struct durable *durable, uint64_t changed);
// The answer to a change, from what its parts have come back with.
void durable_round_end(struct round *round, uint64_t changed, uint64_t unchanged, bool is_durable);
// For the kind's cancel.
void durable_cancel(struct durable *durable);
