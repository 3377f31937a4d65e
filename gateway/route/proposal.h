// SPDX-License-Identifier: Apache-2.0
//
// What the primary archive answered to a whole proposal: the contexts of an A-ASSOCIATE-RQ with their
// syntaxes in order, under the titles that the archive sees. For the same proposal its choice is repeated
// exactly (FIELD 6). Known by digest, in memory for all workers and persisted in the control store.
//
// Bounded: at most PROPOSAL_LIMIT, and of one client PROPOSAL_CLIENT_LIMIT, whose oldest give way. So a
// client that invents proposals costs the archive an association each time, and nobody's memory.
//
// Thread: any; one lock, held for a look-up and never over a system call.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "store/control.h"
#include "ul/parameters.h"

enum {
    PROPOSAL_LIMIT = 4096,
    PROPOSAL_CLIENT_LIMIT = 64,
    PROPOSAL_NOT_ASKED = 255, // a result: the context is not for an archive
};

struct proposal_key {
    uint8_t digest[CONTROL_PROPOSAL_DIGEST];
};

// By the order of the contexts in the request.
struct proposal_answer {
    uint64_t when;                      // wall clock, ns
    size_t count;                       // contexts
    uint8_t result[UL_CONTEXT_LIMIT];   // PS3.8 table 9-18, or PROPOSAL_NOT_ASKED
    uint8_t transfer[UL_CONTEXT_LIMIT]; // accepted: index of the syntax among the proposed ones
};

struct proposal_cache;

// `on_change` as for the capability cache. ERR_NOMEM.
MUST_USE enum result proposal_cache_new(void (*on_change)(void *arg), void *arg, struct proposal_cache **out);
void proposal_cache_free(struct proposal_cache *cache);
// Main thread at start.
MUST_USE enum result proposal_load(struct proposal_cache *cache, struct kv_env *control);
// Ledger thread.
MUST_USE enum result proposal_persist(struct proposal_cache *cache, struct kv_env *control);

// ERR_NOMEM.
MUST_USE enum result proposal_key_make(uint16_t node, struct slice called, struct slice calling,
                                       const struct ul_parameters *request, struct proposal_key *key);
// A number for a client, by its address and calling title.
uint32_t proposal_client(struct slice address, struct slice calling);

bool proposal_get(struct proposal_cache *cache, const struct proposal_key *key,
                  struct proposal_answer *answer);
// Lack of memory is met by not remembering.
void proposal_put(struct proposal_cache *cache, const struct proposal_key *key, uint16_t node,
                  uint32_t client, const struct proposal_answer *answer);
// All of a node's are asked anew when they come again. Returns how many there were.
size_t proposal_forget(struct proposal_cache *cache, uint16_t node);
size_t proposal_count(struct proposal_cache *cache, uint16_t node);
