// SPDX-License-Identifier: Apache-2.0
//
// Which presentation contexts a client gets (DESIGN "Negotiation", FIELD 6). Pure decisions over the request,
// the route and what is known of the primary archive; the session does the asking.
//
// Thread: any.
#pragma once

#include "conf/configuration.h"
#include "route/capability.h"
#include "route/proposal.h"
#include "ul/parameters.h"

#define NEGOTIATION_IMPLEMENTATION_CLASS   "2.25.15097798360095990275711111725474131541"
#define NEGOTIATION_IMPLEMENTATION_VERSION "DICOMGATE_0.1"

// What decides about one association.
struct negotiation {
    const struct ul_parameters *request;
    const struct configuration_route *route; // NULL: nothing may be stored
    uint32_t services;                       // bits of configuration_service that this client has
    struct capability_cache *capabilities;
    uint32_t max_pdu; // that we offer
    uint32_t window;  // outstanding operations that we offer to take; at least 1
    uint64_t now;     // wall clock, ns
    // What the primary has answered to this proposal, now or earlier; NULL: nothing is known.
    const struct proposal_answer *answered;
    // `mirror`: its AC, of which roles, extended negotiation and user identity are relayed; NULL: none.
    const struct ul_parameters *relayed;
};

// One pair of syntaxes, borrowed from the request.
struct negotiation_pair {
    struct slice abstract;
    struct slice transfer;
};

#define NEGOTIATION_PAIRS_MAX 1024 // asked besides a proposal

// A storage SOP class as far as a gateway can tell: all of the standard's, and every private one (a rule of
// the primary archive decides about those).
bool negotiation_is_storage(struct slice abstract);
// No loss by compression: PS3.5 A.4 and 10; unknown ones count as lossy.
bool negotiation_is_lossless(struct slice transfer);

// There is something that the primary has to be asked about: a route by `mirror` or `learned`, and a context
// for storage.
bool negotiation_wants_archive(const struct negotiation *negotiation);
// The client's proposal as the primary gets it: its storage contexts under their ids, with the syntaxes in
// their order; by `mirror` with its roles, extended negotiation and user identity. ERR_NOMEM, ERR_LIMIT,
// ERR_ARGUMENT (title).
MUST_USE enum result negotiation_proposal(const struct negotiation *negotiation, struct slice called,
                                          struct slice calling, struct ul_parameters **proposal);
// What the primary answered, as an answer by the order of the contexts. The parameters are those of
// negotiation_proposal() and the AC.
void negotiation_answered(const struct negotiation *negotiation, const struct ul_parameters *proposal,
                          const struct ul_parameters *ac, struct proposal_answer *answered);
// `learned`: it is not worth repeating any more: a refusal in it is old, or something in it was refused
// since.
bool negotiation_is_stale(const struct negotiation *negotiation, const struct proposal_answer *answered);
// `learned`: what the primary must be asked besides, because it chose a lossy syntax where a lossless one was
// offered (FIELD 6); at most `capacity`.
size_t negotiation_lossless_unknown(const struct negotiation *negotiation,
                                    const struct proposal_answer *answered, struct negotiation_pair *pairs,
                                    size_t capacity);
// `learned`: the first lossless syntax that the primary is known to take, in place of a lossy one.
void negotiation_lossless_prefer(const struct negotiation *negotiation, struct proposal_answer *answered);

// `mirror`: what the client is told when the primary rejected the association (NULL: could not be asked, or
// not in time). What is about our own request becomes (2,3,1).
struct ul_reject negotiation_reject(const struct ul_reject *by_archive);

// Builds the AC. What is not known is decided pair by pair from what lanes and probes have seen, then by the
// default list of FIELD 6: storage is accepted, lossless first. ERR_NOMEM, ERR_LIMIT.
MUST_USE enum result negotiation_answer(const struct negotiation *negotiation, struct ul_parameters **answer);

// An RQ of our own with titles and user information filled in, and no context yet. ERR_NOMEM, ERR_ARGUMENT
// (title).
MUST_USE enum result negotiation_request(struct slice called, struct slice calling, uint32_t max_pdu,
                                         struct ul_parameters **request);
