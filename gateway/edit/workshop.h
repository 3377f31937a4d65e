// SPDX-License-Identifier: Apache-2.0
//
// What the edits of one worker share: one converter of character sets, one workspace of the rules, surveys
// and splicers that are used again, and the way to the crosswalk. Thread: the worker's.
#pragma once

#include "base/result.h"
#include "dcm/splice.h"

struct edit_workshop;
struct worker;

// Main thread, before loops run. ERR_NOMEM; ERR_MISSING: libc lacks a table of a character set.
MUST_USE enum result edit_workshop_new(struct worker *worker, struct edit_workshop **out);
void edit_workshop_free(struct edit_workshop *workshop); // NULL is fine

// A splicer to be given back; ERR_NOMEM.
MUST_USE enum result edit_splice_take(struct edit_workshop *workshop, struct dcm_splice **splice);
void edit_splice_give(struct edit_workshop *workshop, struct dcm_splice **splice);
