// SPDX-License-Identifier: Apache-2.0
//
// From the edits of evidence to plans for a copy that may have been encoded anew: to write the edits once
// more, and to put the old values back. Private to prove.c.
#pragma once

#include "dcm/edit.h"
#include "store/evidence.h"

struct prove_planner;

// Everything is borrowed. ERR_NOMEM; ERR_MISSING: libc lacks a table of a character set.
MUST_USE enum result prove_planner_new(const struct evidence *evidence, struct slice transfer_syntax,
                                       struct slice data_set, struct prove_planner **planner);
void prove_planner_free(struct prove_planner *planner); // NULL is fine

// Whether what the edit wrote can be compared by its value: of what is no text none is on record. An element
// that several rules changed in turn is that of the last of them.
bool prove_is_comparable(const struct prove_planner *planner, size_t index);

// It is the last word on its element, and no value is on record.
bool prove_is_open(const struct prove_planner *planner, size_t index);

// Those of edits [first, first + count) that are comparable, as they were written. ERR_ARGUMENT: one of them
// can not be written into the copy; ERR_MISSING: there are none; ERR_NOMEM. The plan is the caller's.
MUST_USE enum result prove_plan_written(struct prove_planner *planner, size_t first, size_t count,
                                        struct dcm_plan **plan);

// What an edit has made may stand in an item or a sequence that was made for it, which the path does not
// tell: so many ways there are to take all of them back.
// The last of them: what the edits have made alone goes.
unsigned prove_plan_ways(const struct prove_planner *planner);
// ERR_ARGUMENT: this way can not be gone; ERR_NOMEM.
MUST_USE enum result prove_plan_undo(struct prove_planner *planner, unsigned way, struct dcm_plan **plan);
// How many elements stand around those that are taken back, and go with them on this way: whether it is so
// many. ERR_NOMEM.
MUST_USE enum result prove_plan_around(const struct prove_planner *planner, unsigned way, uint64_t count,
                                       bool *is_count);
