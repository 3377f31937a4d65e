// SPDX-License-Identifier: Apache-2.0
//
// A short association with an archive that asks only: which of these presentation contexts would you take
// (FIELD 6), and, without any pair, are you there (C-ECHO). Answers go into the capability cache.
//
// Thread: the worker's. Ownership: the asker's until done() has been called or it has cancelled.
#pragma once

#include "daemon/worker.h"
#include "route/negotiation.h"

#define PROBE_DEADLINE_NS (8 * NSEC_PER_SEC) // a client waits behind it

struct probe;

struct probe_question {
    struct node *node;
    struct slice called; // as the archive shall see them, borrowed until the end
    struct slice calling;
    const struct negotiation_pair *pairs; // borrowed until the end
    size_t pair_count;                    // 0: C-ECHO
};

// OK: the archive has answered all. `text` says what happened, for people; borrowed during the call.
typedef void probe_done_fn(void *arg, enum result result, const char *text);

// done() comes later, never inside this call. ERR_NOMEM; ERR_MISSING: no address known yet.
MUST_USE enum result probe_start(struct worker *worker, const struct probe_question *question,
                                 probe_done_fn *done, void *arg, struct probe **out);
// No callback any more. NULL inside is fine.
void probe_cancel(struct probe **probe);
