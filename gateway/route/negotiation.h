// SPDX-License-Identifier: Apache-2.0
//
// Which presentation contexts a client gets (DESIGN "Negotiation", FIELD 6). Pure decisions over the request,
// the route and what is known of the primary archive; the session does the asking.
//
// Thread: any.
#pragma once

#include "conf/configuration.h"
#include "route/capability.h"
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
};

// One pair of syntaxes, borrowed from the request.
struct negotiation_pair {
    struct slice abstract;
    struct slice transfer;
};

#define NEGOTIATION_PAIRS_MAX 1024

// A storage SOP class as far as a gateway can tell: all of the standard's, and every private one (a rule of
// the primary archive decides about those).
bool negotiation_is_storage(struct slice abstract);
// No loss by compression: PS3.5 A.4 and 10; unknown ones count as lossy.
bool negotiation_is_lossless(struct slice transfer);

// `learned`: pairs of storage contexts of which the primary's answer is not known, or an old refusal; at most
// `capacity`.
// Returns how many; 0: negotiation_answer() needs no probe.
size_t negotiation_unknown(const struct negotiation *negotiation, struct negotiation_pair *pairs,
                           size_t capacity);

// Builds the AC. Pairs still unknown are decided by the default list of FIELD 6: storage is accepted,
// lossless first. ERR_NOMEM, ERR_LIMIT.
MUST_USE enum result negotiation_answer(const struct negotiation *negotiation, struct ul_parameters **answer);

// An RQ of our own with titles and user information filled in, and no context yet. ERR_NOMEM, ERR_ARGUMENT
// (title).
MUST_USE enum result negotiation_request(struct slice called, struct slice calling, uint32_t max_pdu,
                                         struct ul_parameters **request);
