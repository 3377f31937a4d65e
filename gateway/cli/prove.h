// SPDX-License-Identifier: Apache-2.0
//
// Is what an archive holds what came, but for the edits that are on record? A copy is compared with what the
// ledger knows of one receipt: first byte by byte (digests of the ranges, the undo plan of the evidence
// applied), then, where the archive has encoded it anew, by its content (canonical header digests, pixel
// range, the old values put back). docs/digests.md defines the digests, docs/edits.md the plans.
//
// Only the copy's bytes and what is passed are looked at: no I/O. Thread: one.
#pragma once

#include "dcm/path.h"
#include "store/evidence.h"
#include "store/fact.h"

enum prove_verdict {
    PROVE_DIFFERS, // prove_answer.difference says where
    PROVE_EDITS,   // only by the edits; without them it is what came
    PROVE_IDENTICAL,
};

enum prove_comparison {
    PROVE_BY_BYTES,   // digests of the ranges
    PROVE_BY_CONTENT, // canonical header digests, and the digest of the pixel range
};

#define PROVE_DIFFERENCES 16

// Names what differs, never a value.
struct prove_difference {
    char at[DCM_PATH_TEXT_SIZE]; // a path, or "header", "pixels", "rest", "private elements", "data set"
    char what[128];
};

struct prove_answer {
    enum prove_verdict verdict;
    enum prove_comparison comparison;
    size_t difference_count; // those that there is room for
    struct prove_difference difference[PROVE_DIFFERENCES];
    // Edits that could be taken back, and of which it could not be told whether they still are what was
    // written: items and other values of which no text is on record, in a copy that was encoded anew.
    bool is_uncompared[EVIDENCE_EDITS_MAX];
    size_t uncompared_count;
};

struct prove_question {
    struct slice transfer_syntax; // of the copy
    struct slice data_set;        // of the copy
    const struct ledger_fact *fact;
    const struct evidence *evidence; // of what the archive was sent; NULL: it was sent as it came
    const uint8_t *header; // SHA-256 of the header range as sent with this evidence; NULL: not known
    bool is_evidence_lost; // it was edited, and how is not known any more
};

// ERR_NOMEM, ERR_CRYPTO; ERR_MISSING: libc lacks a table of a character set.
MUST_USE enum result prove(const struct prove_question *question, struct prove_answer *answer);
