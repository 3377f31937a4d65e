// SPDX-License-Identifier: Apache-2.0
//
// What a client is answered that wants to store: known, or asked of the primary archive while the client
// waits (DESIGN "Negotiation", FIELD 6). It belongs to one session, from its A-ASSOCIATE-RQ to the answer.
//
//   fixed    from the list, at once
//   learned  the primary's answer to the same proposal, if it is known and not stale; else the primary is
//   asked
//            now; if it can not be asked, its last answer however old, then what is known of each pair, then
//            the default list
//   mirror   the primary is asked each time; if it can not be asked within PROBE_DEADLINE_NS, a reject
//
// Thread: the worker's.
#pragma once

#include "back/probe.h"
#include "front/session.h"

struct asking {
    struct negotiation negotiation; // filled in by the session before asking_begin()
    struct session *session;
    struct worker *worker;
    struct probe *probe;
    struct negotiation_pair *pairs; // being asked besides the proposal
    struct proposal_key key;
    bool has_key;
    bool is_answered; // `answer` holds what the primary said
    struct proposal_answer answer;
    struct ul_reject reject;       // of the primary; result 0: none
    struct ul_parameters *relayed; // `mirror`: the AC for the client, made when the primary's was there
    void (*done)(struct session *session);
};

// done() is called later, unless it returns true: all is known.
bool asking_begin(struct asking *asking);
// The association is gone, or answered.
void asking_fini(struct asking *asking);

// What the client gets. OK: *ac, the caller's. ERR_REFUSED: *reject instead. ERR_NOMEM, ERR_LIMIT.
MUST_USE enum result asking_answer(struct asking *asking, struct ul_parameters **ac,
                                   struct ul_reject *reject);
