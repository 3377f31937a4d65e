// SPDX-License-Identifier: Apache-2.0
//
// What rules and crosswalk say of an instance before its Success (FIELD 3): for each archive of the route
// that may refuse one, the header is looked at while it comes in; the answer may come later than its last
// byte. Where no archive may refuse there is no verdict at all, and nothing is looked at.
//
// Thread: the worker's.
#pragma once

#include "edit/edit.h"

struct intake_verdict;

struct intake_verdict_question {
    struct edit_workshop *workshop;
    struct edit_policies *policies; // NULL: none; a reference of its own is taken
    const struct configuration_route *route;
    const struct record_open *open; // copied
    uint32_t source_node;           // which the instance does not go back to (FIELD 5); 0: none
};

enum intake_verdict_stage {
    INTAKE_VERDICT_OPEN,    // more of the header, or an answer of the crosswalk, is needed
    INTAKE_VERDICT_TAKEN,   // no archive refuses it
    INTAKE_VERDICT_REFUSED, // one does: intake_verdict_reason()
};

// *out is NULL where nobody may refuse. `on_change`: the stage is another one; never called inside a call of
// this module. ERR_NOMEM.
MUST_USE enum result intake_verdict_begin(const struct intake_verdict_question *question,
                                          void (*on_change)(void *arg), void *arg,
                                          struct intake_verdict **out);
void intake_verdict_free(struct intake_verdict **verdict); // NULL inside is fine

// The next bytes of the data set; none with `is_last`: it has ended. NULL is fine in all of these.
void intake_verdict_feed(struct intake_verdict *verdict, struct slice piece, bool is_last);
enum intake_verdict_stage intake_verdict_stage(const struct intake_verdict *verdict);
// REFUSED: of the first archive of the route that refuses. Names rule and element, never a value.
const char *intake_verdict_reason(const struct intake_verdict *verdict);
