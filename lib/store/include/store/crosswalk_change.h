// SPDX-License-Identifier: Apache-2.0
//
// What people and deliveries change in the crosswalk: merge, unmerge, move-study, and the study's pin. Each
// call is one transaction that is durable when it returns OK; acts of people are logged in it, for ever.
//
// Thread: the one that writes. AGAIN: the map must grow and readers are in the way; call again.
#pragma once

#include "store/crosswalk.h"

enum { CROSSWALK_PERSON_BYTES = 64, CROSSWALK_REASON_BYTES = 256 };

// Who does it, when, why, and from when on it counts. `now` must not go back; an `effective` of 0 or below
// `now` counts at once.
struct crosswalk_order {
    uint64_t now;
    uint64_t effective;
    const char *person; // 1 to CROSSWALK_PERSON_BYTES
    const char *reason; // 1 to CROSSWALK_REASON_BYTES
};

// `id` of `domain` has become `into`. Chains are followed, so `into` may itself have become another one.
// ERR_ARGUMENT: not IDs, the same ID, no such domain; ERR_EXISTS: it has been merged already; ERR_REFUSED: it
// would go round in a circle; ERR_LIMIT: more than CROSSWALK_CHAIN_MAX in a row; results of kv_commit().
MUST_USE enum result crosswalk_merge(struct crosswalk *crosswalk, uint16_t domain, struct slice id,
                                     struct slice into, const struct crosswalk_order *order,
                                     struct crosswalk_problem *problem);
// Takes the merge of `id` back. ERR_MISSING: there is none.
MUST_USE enum result crosswalk_unmerge(struct crosswalk *crosswalk, uint16_t domain, struct slice id,
                                       const struct crosswalk_order *order,
                                       struct crosswalk_problem *problem);
// `study` belongs to the patient `id` of `domain`, at every archive of that domain, whatever ID of whatever
// domain it comes under. (The gateway asks only for IDs of other domains, FIELD 1.) One that is effective at
// once takes the place of any other. ERR_EXISTS: it is to be effective later, and
// another one waits already.
MUST_USE enum result crosswalk_move_study(struct crosswalk *crosswalk, struct slice study, uint16_t domain,
                                          struct slice id, const struct crosswalk_order *order,
                                          struct crosswalk_problem *problem);

// The first delivery of a study to an archive.
struct crosswalk_pin {
    struct crosswalk_study study;
    uint16_t from; // domain and ID as the instance came
    uint16_t to;   // domain and ID under which it was delivered; unmapped: the same again
    struct slice source;
    struct slice target;
    uint64_t when;
};
// Pins that are there already stay as they are. All in one transaction.
MUST_USE enum result crosswalk_pins_put(struct crosswalk *crosswalk, const struct crosswalk_pin *pins,
                                        size_t count);

// It is `now`: what is effective from now on counts. OK: nothing changed, or it is a new generation.
MUST_USE enum result crosswalk_advance(struct crosswalk *crosswalk, uint64_t now);

// Removes a lot of what former imports have left. AGAIN: there is more.
MUST_USE enum result crosswalk_purge(struct crosswalk *crosswalk);

// ---- the log of acts

enum crosswalk_act_kind {
    CROSSWALK_ACT_IMPORT = 1,
    CROSSWALK_ACT_MERGE = 2,
    CROSSWALK_ACT_UNMERGE = 3,
    CROSSWALK_ACT_MOVE_STUDY = 4,
    CROSSWALK_ACT_EXPORT = 5,
    CROSSWALK_ACT_LEDGER_EXPORT = 6, // of the ledger, with the values of edits
    CROSSWALK_ACT_CLEAR_LOG = 7,     // this log was read with patient IDs
    CROSSWALK_ACT_INIT = 8,          // the one before is lost: a new one
};

struct crosswalk_act {
    uint64_t number; // 1..
    enum crosswalk_act_kind kind;
    uint64_t when;
    uint64_t effective;
    uint64_t generation; // after it
    char person[CROSSWALK_PERSON_BYTES + 1];
    char reason[CROSSWALK_REASON_BYTES + 1];
    char domain[CROSSWALK_DOMAIN_BYTES]; // empty: of no domain
    struct crosswalk_id id;
    struct crosswalk_id into; // merge
    char study[65];           // move-study
    uint64_t rows;            // import
    uint8_t digest[32]; // SHA-256 of the imported file; exports: of the recipient's certificate, or zeros
};

// What shows patient data is to be in the log before it begins: EXPORT, LEDGER_EXPORT or CLEAR_LOG;
// `recipient` NULL: in clear.
MUST_USE enum result crosswalk_export_note(struct crosswalk *crosswalk, enum crosswalk_act_kind kind,
                                           const uint8_t recipient[32], const struct crosswalk_order *order);

// A person says that the store that the key file tells of is lost for good: begins a new one, whose first act
// is this. Nobody may have it open; then crosswalk_new() opens it. One transaction. ERR_EXISTS: there is a
// store, or never was one, so none is lost; ERR_ARGUMENT: person or reason; as crosswalk_new().
MUST_USE enum result crosswalk_renew(struct kv_env *env, struct seal_keyring *keyring,
                                     const struct crosswalk_order *order, struct crosswalk_problem *problem);

typedef enum result crosswalk_act_visit(void *argument, const struct crosswalk_act *act);
// In order, those above `after`.
MUST_USE enum result crosswalk_acts_each(struct crosswalk_reader *reader, uint64_t after,
                                         crosswalk_act_visit *visit, void *argument);
