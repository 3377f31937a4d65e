// SPDX-License-Identifier: Apache-2.0
//
// A short association with an archive that asks only: what would you answer to this proposal, which of these
// presentation contexts would you take (FIELD 6), and, without any, are you there (C-ECHO). Answers about
// pairs go into the capability cache.
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
    size_t pair_count;                    // 0, and no proposal: C-ECHO
    // A whole proposal, asked before the pairs; taken. NULL: none.
    struct ul_parameters *proposal;
    // Called when its answer is there; `proposal` and `ac` are borrowed during the call. Returns how many
    // pairs shall be asked besides, in *pairs, borrowed until the end.
    size_t (*on_answer)(void *arg, const struct ul_parameters *proposal, const struct ul_parameters *ac,
                        const struct negotiation_pair **pairs);
    struct ul_reject *reject; // filled in before done() if the archive rejected the association; may be NULL
    bool is_for_client;       // answers are learned within the share of `client`
    uint32_t client;          // proposal_client()
};

// OK: the archive has answered all. `text` says what happened, for people; borrowed during the call.
typedef void probe_done_fn(void *arg, enum result result, const char *text);

// done() comes later, never inside this call. Takes the question's proposal, also on failure. ERR_NOMEM;
// ERR_MISSING: no address known yet.
MUST_USE enum result probe_start(struct worker *worker, const struct probe_question *question,
                                 probe_done_fn *done, void *arg, struct probe **out);
// No callback any more. NULL inside is fine.
void probe_cancel(struct probe **probe);
