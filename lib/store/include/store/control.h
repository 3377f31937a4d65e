// SPDX-License-Identifier: Apache-2.0
//
// The environment "control": small states that must survive a restart and that no journal record holds: what
// each archive answered to which presentation context (FIELD 6), which archives an operator has paused, and
// which records of the journal were found damaged.
//
// Thread: writes from one thread (control or main); reads from any. Each call is its own transaction.
#pragma once

#include "journal/format.h"
#include "store/kv.h"

#define CONTROL_UID_MAX 64 // PS3.5 9.1; longer ones are not remembered: ERR_ARGUMENT

extern const struct kv_schema control_schema;

// What `archive` answered when it was offered one abstract syntax with one transfer syntax.
struct control_capability {
    uint32_t archive; // node id of the configuration
    char abstract_syntax[CONTROL_UID_MAX + 1];
    char transfer_syntax[CONTROL_UID_MAX + 1];
    uint8_t answer; // PS3.8 Table 9-18: 0 acceptance, 1 user rejection, 2 no reason, 3 abstract, 4 transfer
                    // syntaxes
    uint64_t when;  // wall clock of the answer, ns since 1970 UTC
};

// Writes all of them in one commit, over older answers. AGAIN, ERR_SPACE, ERR_IO as kv_commit().
MUST_USE enum result control_capabilities_put(struct kv_env *env, const struct control_capability *list,
                                              size_t count);
// In order of archive, abstract syntax, transfer syntax; `visit` is called outside of any transaction. Stops
// with what `visit` returns if that is not OK.
typedef enum result control_capability_visit(void *argument, const struct control_capability *capability);
MUST_USE enum result control_capabilities_each(struct kv_env *env, control_capability_visit *visit,
                                               void *argument);

// What `archive` answered to a whole proposal, by its digest (gateway/route/proposal.h).
enum { CONTROL_PROPOSAL_DIGEST = 32, CONTROL_PROPOSAL_CONTEXTS = 128 };

struct control_proposal {
    uint8_t digest[CONTROL_PROPOSAL_DIGEST];
    bool is_gone;     // for _put: it is deleted
    uint8_t count;    // contexts, at most CONTROL_PROPOSAL_CONTEXTS
    uint32_t archive; // node id
    uint32_t client;  // a number for the client that it was learned from
    uint64_t when;    // wall clock of the answer, ns since 1970 UTC
    uint8_t result[CONTROL_PROPOSAL_CONTEXTS];
    uint8_t transfer[CONTROL_PROPOSAL_CONTEXTS];
};

// In one commit. Errors as control_capabilities_put().
MUST_USE enum result control_proposals_put(struct kv_env *env, const struct control_proposal *list,
                                           size_t count);
// In order of digest; `visit` is called inside a read transaction. Entries that can not be read are left out.
typedef enum result control_proposal_visit(void *argument, const struct control_proposal *proposal);
MUST_USE enum result control_proposals_each(struct kv_env *env, control_proposal_visit *visit,
                                            void *argument);

struct control_pause {
    uint32_t archive;
    uint64_t when; // ns since 1970 UTC
    char who[257]; // the operator's name as the admin interface knows it
    char why[257]; // "": not said
};

// Pausing a paused one keeps the first entry; resuming one that runs is OK.
MUST_USE enum result control_archive_pause(struct kv_env *env, const struct control_pause *pause);
MUST_USE enum result control_archive_resume(struct kv_env *env, uint32_t archive);
// At most `capacity` of them in order of archive; `count` is how many there are.
MUST_USE enum result control_pauses_get(struct kv_env *env, struct control_pause *list, size_t capacity,
                                        size_t *count);

// A record of the journal that was durable and is bad. Stored numbers.
enum control_damage_finder { CONTROL_DAMAGE_LEDGER = 1, CONTROL_DAMAGE_LANE = 2, CONTROL_DAMAGE_SCRUB = 3 };

struct control_damage {
    struct journal_position position; // of the first bad byte
    uint64_t bytes;                   // that could not be used; 0: not known
    uint64_t receipt;                 // 0: not known
    uint8_t type;                     // enum journal_record_type; 0: not known
    uint8_t finder;                   // enum control_damage_finder
    uint64_t when;                    // wall clock of the finding, ns since 1970 UTC
};
const char *control_damage_finder_text(uint8_t finder); // "ledger", "lane", "scrub"; "unknown"

// Over an older entry of the same position. AGAIN, ERR_SPACE, ERR_IO as kv_commit().
MUST_USE enum result control_damage_put(struct kv_env *env, const struct control_damage *damage);
// In order of position. Stops with what `visit` returns if that is not OK; `visit` must not use the
// environment.
typedef enum result control_damage_visit(void *argument, const struct control_damage *damage);
MUST_USE enum result control_damage_each(struct kv_env *env, control_damage_visit *visit, void *argument);
