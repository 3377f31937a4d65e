// SPDX-License-Identifier: Apache-2.0
//
// What archives have answered to presentation contexts (FIELD 6): one table in memory, filled from the
// control store at start and from every association with an archive, persisted by the ledger thread, and at a
// stop. The last known answer counts however old it is; but what is refused to clients is never sent, so no
// lane would ever learn that the archive takes it now: an old refusal is worth asking about again.
//
// Thread: any; a mutex is held for a look-up and never over a system call. Bounded: at CAPABILITY_LIMIT
// entries new answers are still used by who got them, but not remembered.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "base/units.h"
#include "store/control.h"

#define CAPABILITY_LIMIT        65536
#define CAPABILITY_CLIENT_LIMIT 1024
#define CAPABILITY_REFUSAL_AGE  (15 * 60 * NSEC_PER_SEC)

enum capability { CAPABILITY_UNKNOWN, CAPABILITY_ACCEPTED, CAPABILITY_REFUSED };

struct capability_cache;

// `on_change` is called (any thread, after the lock is gone) when something waits to be persisted.
MUST_USE enum result capability_cache_new(void (*on_change)(void *arg), void *arg,
                                          struct capability_cache **out);
void capability_cache_free(struct capability_cache *cache);

// Main thread at start: reads what an earlier life has learned.
MUST_USE enum result capability_load(struct capability_cache *cache, struct kv_env *control);
// Ledger thread: writes what has changed. On failure it stays to be written.
MUST_USE enum result capability_persist(struct capability_cache *cache, struct kv_env *control);

// A copy of all that is known of a node, in no order; free() *list. ERR_NOMEM.
MUST_USE enum result capability_list(struct capability_cache *cache, uint16_t node,
                                     struct control_capability **list, size_t *count);

// By SOP Class, then transfer syntax; for qsort() of such a copy.
int capability_compare(const void *one, const void *other);

enum capability capability_get(struct capability_cache *cache, uint16_t node, struct slice abstract,
                               struct slice transfer);
// Nothing is known, or the answer is a refusal of more than CAPABILITY_REFUSAL_AGE ago. `now`: wall clock,
// ns.
bool capability_is_worth_asking(struct capability_cache *cache, uint16_t node, struct slice abstract,
                                struct slice transfer, uint64_t now);
// The last answer is a refusal, and was given after `since` (wall clock, ns).
bool capability_is_refused_since(struct capability_cache *cache, uint16_t node, struct slice abstract,
                                 struct slice transfer, uint64_t since);
// The same as capability_put(), learned from what a client proposed: of each client only
// CAPABILITY_CLIENT_LIMIT pairs that are new are remembered, and of all of them so many that there is room
// for what lanes meet. So nobody fills the cache with invented UIDs. `client`: proposal_client().
void capability_put_for(struct capability_cache *cache, uint32_t client, uint16_t node, struct slice abstract,
                        struct slice transfer, uint8_t result, uint64_t when);
// `result` as in PS3.8 table 9-18; 0 accepted. `when`: wall clock, ns. UIDs over 64 bytes are not remembered.
void capability_put(struct capability_cache *cache, uint16_t node, struct slice abstract,
                    struct slice transfer, uint8_t result, uint64_t when);
