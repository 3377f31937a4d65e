// SPDX-License-Identifier: Apache-2.0
//
// Second pass of an edit: the data set goes through in pieces of any size and comes out with the plan's
// changes. Bytes that do not change are never copied: what comes out are slices of the input and of the plan.
// A deflated data set (PS3.5 A.5) with changes is inflated, edited and deflated on the way, in bounded
// memory. An empty plan passes every byte as it came, deflated too. Nothing is allocated for a piece.
//
//   begin; for each piece { put(piece); while (next(&out) == OK) send(out); }  finish; while (next(&out) ==
//   OK)
//
// All calls on one thread, the owner's.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/edit.h"

struct dcm_splice;

MUST_USE enum result dcm_splice_new(struct dcm_splice **splice); // ERR_NOMEM
void dcm_splice_free(struct dcm_splice *splice);                 // wipes; NULL is allowed

// Begins a data set. `plan` is borrowed until the next begin or free; NULL: no change. The transfer syntax
// (UID) need not outlive the call. wants_undo: keep the bytes that go (at most DCM_PLAN_BYTES). ERR_NOMEM.
MUST_USE enum result dcm_splice_begin(struct dcm_splice *splice, const struct dcm_plan *plan,
                                      struct slice transfer_syntax, bool wants_undo);

// Gives the next piece, borrowed until next says AGAIN. The piece before must have been used up: next has
// said AGAIN. ERR_FORMAT, ERR_NOMEM: sticky.
MUST_USE enum result dcm_splice_put(struct dcm_splice *splice, struct slice piece);

// No more pieces come. ERR_FORMAT: the data set is shorter than its plan, or the deflate stream does not end.
MUST_USE enum result dcm_splice_finish(struct dcm_splice *splice);

// OK and a run of output, never empty, borrowed until the next call. AGAIN: wants the next piece. CLOSED:
// after finish, all has come out. ERR_FORMAT (deflate stream), ERR_NOMEM: sticky; what came out is no data
// set.
MUST_USE enum result dcm_splice_next(struct dcm_splice *splice, struct slice *out);

// Every change of the plan has come out; the rest is copied. At once with an empty plan.
bool dcm_splice_is_past_changes(const struct dcm_splice *splice);

// Length of what comes out of `length` bytes by this plan; not deflated.
uint64_t dcm_splice_length(const struct dcm_plan *plan, uint64_t length);

// The plan that turns the output back into the input (deflated: the inflated streams; the deflate stream
// itself is made anew and need not be the received one). Needs wants_undo. AGAIN: not past the changes;
// ERR_NOMEM.
MUST_USE enum result dcm_splice_undo(const struct dcm_splice *splice, struct dcm_plan **undo);
