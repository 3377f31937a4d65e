// SPDX-License-Identifier: Apache-2.0
//
// Rejection notes (FIELD 13; IHE IOCM): Key Object Selection documents whose title says that what they
// reference is not to be used. This reads from a data set whether it is one, and which SOP Instances the
// Current Requested Procedure Evidence Sequence (0040,A375) names.
//
// Pure but for memory. Thread: any, one at a time.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "store/fact.h"

struct references;

// Only data sets of this SOP Class can be one: Key Object Selection Document Storage.
bool references_may_be(struct slice sop_class);

// Begins a data set of this transfer syntax. `inflated_limit` as for dcm_survey_begin(). ERR_NOMEM.
MUST_USE enum result references_new(struct slice transfer_syntax, uint64_t inflated_limit,
                                    struct references **out);
void references_free(struct references **references); // NULL inside is fine

// The next bytes; what goes wrong is told by references_end().
void references_feed(struct references *references, struct slice piece);
// The data set has ended. ERR_FORMAT: it can not be followed; ERR_LIMIT: it names more than can be kept;
// ERR_NOMEM.
MUST_USE enum result references_end(struct references *references);

// After OK: its title is 113001, 113037, 113038 or 113039 of DCM.
bool references_are_rejected(const struct references *references);
// After OK: hashes of the UIDs (fact_uid_hash()), each once, in a new array of the caller's. ERR_LIMIT:
// it names more than can be kept; ERR_NOMEM.
typedef uint8_t reference[FACT_SOP_HASH_SIZE];
MUST_USE enum result references_take(const struct references *references, reference **hashes, size_t *count);
