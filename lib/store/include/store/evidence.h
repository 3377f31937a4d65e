// SPDX-License-Identifier: Apache-2.0
//
// What was changed in an instance for one archive, as evidence: each edit with the pack, version and rule
// that made it, and the plan that takes all of them back. It goes out with the SENT record, and the ledger
// keeps it sealed (it holds patient data). LEDGER.md has the encoding, readable without this program.
//
// Pure; thread: any.
#pragma once

#include "base/result.h"
#include "base/slice.h"

#define EVIDENCE_BYTES_MAX 131072 // encoded
#define EVIDENCE_EDITS_MAX 512

struct evidence_edit {
    struct slice pack;    // "crosswalk" and "gateway" for what no pack has asked for
    struct slice version; // empty there
    struct slice rule;
    struct slice path; // dcm_path_print(), with the numbers of its items in the instance as sent
    char vr[2];
    bool was_present;
    bool is_removed;
    struct slice before; // UTF-8; of what is no text: empty
    struct slice after;
};

struct evidence {
    const struct evidence_edit *edit;
    size_t count;
    struct slice undo; // dcm_plan_bytes() of the plan that turns what was sent into what came
};

// Allocates; the caller wipes and frees. ERR_LIMIT: more than the bounds above; ERR_NOMEM.
MUST_USE enum result evidence_encode(const struct evidence *evidence, uint8_t **bytes, size_t *length);
// `edits` has EVIDENCE_EDITS_MAX places and is what evidence->edit points to; slices borrow `bytes`.
// ERR_FORMAT.
MUST_USE enum result evidence_decode(struct slice bytes, struct evidence_edit *edits,
                                     struct evidence *evidence);
