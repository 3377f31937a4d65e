// SPDX-License-Identifier: Apache-2.0
//
// One instance on its way to one archive. Its header is surveyed, the crosswalk is asked for the patient, the
// rules of the archive are run, and the verdict is: it goes, with a plan of edits or as it came; or it is
// held, with the reason; or, before Success, it is refused. The same receipt, packs and crosswalk generation
// give the same bytes (DESIGN): nothing here reads a clock.
//
// Life: begin; feed with the pieces of the data set, from the first one on, until the stage leaves READS;
// while it ASKS nothing is fed, and on_change says that the stage is another one; read the verdict; free, at
// any time. Fail closed: whatever goes wrong makes it HOLDS.
//
// Thread: the worker's.
#pragma once

#include "dcm/edit.h"
#include "edit/policy.h"
#include "edit/workshop.h"
#include "journal/record.h"

struct edit;

enum edit_stage {
    EDIT_READS,   // wants pieces
    EDIT_ASKS,    // waits for ledger or crosswalk
    EDIT_GOES,    // edit_plan() says how
    EDIT_HOLDS,   // edit_hold() says why
    EDIT_REFUSES, // only with may_reject: edit_hold() says why
};

// What is known of the receipt beside its bytes, as recorded, so that it is the same for each attempt.
struct edit_origin {
    const struct record_open *open; // borrowed until edit_free()
    uint32_t flags;                 // RECORD_CLOSE_ bits, as far as they are known by now
    bool may_reject;                // before the response (FIELD 3)
    uint64_t receipt;               // its number; 0: before Success, when it may come to nothing yet
    uint64_t order;                 // of its CLOSE; 0: not known yet
    bool is_released;               // a person has said that it goes in spite of findings
    bool uid_has_other_digest;
    // Each flag that is not a finding of a rule, for whoever wants to see them all; NULL: nobody does.
    void (*on_flag)(void *arg, const char *text);
    void *flag_arg;
};

// What it would take to let it go: which news make another look worth while.
enum edit_hold_kind {
    EDIT_HOLD_RULE,    // a finding of a rule, or a rule that could not be applied: other packs
    EDIT_HOLD_PATIENT, // the patient is unmatched, ambiguous or contradicted: the crosswalk, or other options
    EDIT_HOLD_DATA,    // the data set can not be looked at or edited: other packs may not need it
    EDIT_HOLD_NOTE,    // not by an edit: a rejection note (order/note.h); a person
    EDIT_HOLD_TROUBLE, // memory, or a store that could not be read: it is tried again by itself
};

#define EDIT_REASON_BYTES 160

struct edit_hold {
    enum edit_hold_kind kind;
    char reason[EDIT_REASON_BYTES]; // for people; names rule and element, never a value
};

// `policies` gets a reference of its own. `on_change` is never called inside a call of this module.
// ERR_NOMEM.
MUST_USE enum result edit_begin(struct edit_workshop *workshop, struct edit_policies *policies,
                                const struct edit_policy *policy, const struct edit_origin *origin,
                                void (*on_change)(void *arg), void *arg, struct edit **out);
void edit_free(struct edit **edit);

// The next bytes; `is_last`: the data set ends behind them. Only while it READS.
void edit_feed(struct edit *edit, struct slice piece, bool is_last);
enum edit_stage edit_stage(const struct edit *edit);

// HOLDS, REFUSES.
const struct edit_hold *edit_hold(const struct edit *edit);

// ---- GOES ----

// NULL: as it came. Lives as long as the edit.
const struct dcm_plan *edit_plan(const struct edit *edit);
// Bytes up to and with the header of Pixel Data, or of the whole data set; as it came; deflated: inflated.
uint64_t edit_header_length(const struct edit *edit);
// Fills what a SENT says of rules and crosswalk: pack, crosswalk, edits, flags; and the evidence
// (store/evidence.h), empty if nothing is edited. Reasons and evidence are borrowed as long as the edit
// lives. `undo`: the plan that takes the edits back; NULL if there is none. ERR_NOMEM; ERR_LIMIT: more than
// can be recorded, so it must be held (edit_hold_for_size()).
MUST_USE enum result edit_sent_fill(struct edit *edit, const struct dcm_plan *undo, struct record_sent *sent);
void edit_hold_for_size(struct edit_hold *hold);
// Something of it should be looked at: it goes all the same. How many, and the first for the log.
size_t edit_flags(const struct edit *edit, const char **first);
