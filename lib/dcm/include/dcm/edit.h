// SPDX-License-Identifier: Apache-2.0
//
// From edits and a survey to a plan: which bytes of the data set are replaced by which. The plan changes what
// the edits say and, so that the data set stays consistent, the lengths of the items and sequences of defined
// length around it, group lengths (gggg,0000) and (0008,0001) where they are present; by the difference, so
// that one that was wrong stays as wrong. Nothing else: undefined lengths, odd padding, private elements and
// unknown VRs stay as they came. Either there is a whole plan or none. Pure; docs/edits.md has the format of
// a plan as bytes. Thread: a plan never changes once it is made.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/path.h"
#include "dcm/survey.h"
#include "dcm/text.h"

#define DCM_PLAN_EDITS   4096    // edits in one plan
#define DCM_PLAN_CHANGES 16384   // splices in one plan
#define DCM_PLAN_BYTES   4194304 // new bytes of one plan; and, apart from them, old bytes (they are the undo)

enum dcm_edit_operation {
    DCM_EDIT_SET,     // the element has this value afterwards, whether it was there or not
    DCM_EDIT_REPLACE, // only where it is there
    DCM_EDIT_INSERT,  // only where it is not there
    DCM_EDIT_REMOVE,  // element, sequence or item, where it is there
};

enum dcm_edit_kind {
    DCM_VALUE_TEXT,  // UTF-8, values separated by `\` (not in LT ST UT UR); encoded for the character set in
                     // force at the place, checked against the VR, padded. Numbers in decimal for SS SV SL US
                     // UV UL FL FD, (gggg,eeee) for AT. Not for OB OD OF OL OV OW UN
    DCM_VALUE_BYTES, // as they shall stand in the stream: byte order and character set of the place; padded
                     // to an even length, checked for length only (so that the old value of an element can be
                     // put into the Original Attributes Sequence whatever it is). For a sequence: its items,
                     // which must parse; not for one inside a UN sequence
    DCM_VALUE_EMPTY, // length zero; of a sequence too
};

// Set and insert make what is missing on the way, in defined lengths: a sequence where there is none, an item
// whose number is that of the items that are there ([0] in a sequence that is not there), or [+]. All edits
// of one plan with the same [+] go into the same new item. Any other item that is missing, and [*], which
// means those that are there, make nothing: the edit has no place there, and that is no error.
//
// An element that stands more than once in the same item: all of them are edited. Private elements by
// creator: a block is reserved where the creator has none. Specific Character Set can be set in a new item
// (the text of the same plan in it follows), or inserted at the top level where it is absent or empty; never
// changed.
struct dcm_edit {
    const struct dcm_path *path; // in the survey's interest
    enum dcm_edit_operation operation;
    enum dcm_edit_kind kind; // not looked at for remove
    enum dcm_vr vr;          // of a new element; DCM_VR_NONE: the dictionary's. Elements that are
                             // there keep theirs (UN: the value is encoded by this one)
    struct slice value;      // borrowed for the call; patient data
};

enum dcm_problem_reason {
    DCM_PROBLEM_NONE,
    DCM_PROBLEM_NOT_SURVEYED,  // the path is not in the interest, or the survey is not complete
    DCM_PROBLEM_REFUSED,       // dcm_path_refusal
    DCM_PROBLEM_NO_VR,         // a new element whose VR neither the edit nor the dictionary knows
    DCM_PROBLEM_NOT_A_VALUE,   // text for a VR that has none, or a value for a sequence or an item
    DCM_PROBLEM_TOO_LONG,      // longer than the VR or its length field allows
    DCM_PROBLEM_BAD_VALUE,     // against the format or repertoire of the VR
    DCM_PROBLEM_CHARACTER,     // a character that the Specific Character Set does not have
    DCM_PROBLEM_CHARACTER_SET, // Specific Character Set would change under text that is there
    DCM_PROBLEM_OPAQUE,        // the path leads through something that can not be looked into (UN, fragments)
    DCM_PROBLEM_CONFLICT,      // two edits of one element, or one inside what another removes
    DCM_PROBLEM_TOO_DEEP,      // more than DCM_DEPTH_LIMIT sequences in each other
    DCM_PROBLEM_TOO_LARGE,     // a sequence or item would pass 32 bits, or the plan its bounds
    DCM_PROBLEM_NO_BLOCK,      // no private block is free in the group
    DCM_PROBLEM_REASON_COUNT
};

// Holds no value, so it may be logged and shown.
struct dcm_problem {
    enum dcm_problem_reason reason;
    size_t edit;                   // index
    char path[DCM_PATH_TEXT_SIZE]; // of the element, with the numbers of its items
};

// A static text such as "does not fit the specific character set"; never NULL.
const char *dcm_problem_text(enum dcm_problem_reason reason);

// Checks a value by itself, before there is a data set (rules at load): format, length and repertoire of the
// VR; not the character set. DCM_PROBLEM_NONE if it is good. Without a kind DCM_VALUE_TEXT it is.
enum dcm_problem_reason dcm_value_check(enum dcm_vr vr, enum dcm_edit_kind kind, struct slice value);

struct dcm_plan;

struct dcm_change {
    uint64_t offset;        // in the data set (inflated stream) before the plan
    uint64_t old_length;    // bytes that go
    struct slice new_bytes; // that come instead; lives as long as the plan
};

// `places` (may be NULL): for each edit, how many elements or items it changes. ERR_ARGUMENT: an edit is not
// possible, `problem` says which and why; ERR_NOMEM. The plan is free of the survey and the edits afterwards.
MUST_USE enum result dcm_plan_make(const struct dcm_survey *survey, struct dcm_text *text,
                                   const struct dcm_edit *edits, size_t count, struct dcm_plan **plan,
                                   uint32_t *places, struct dcm_problem *problem);
// Wipes. NULL is allowed.
void dcm_plan_free(struct dcm_plan *plan);

// Ascending offsets, no two overlap; more than one may insert at the same offset.
size_t dcm_plan_count(const struct dcm_plan *plan);
struct dcm_change dcm_plan_change(const struct dcm_plan *plan, size_t index);

// The plan as bytes (docs/edits.md), to be recorded and digested; borrowed, lives as long as the plan. The
// same survey and edits always give the same bytes. Patient data.
struct slice dcm_plan_bytes(const struct dcm_plan *plan);
// The reverse; copies. ERR_FORMAT: no plan, or one that is not sorted; ERR_LIMIT; ERR_NOMEM.
MUST_USE enum result dcm_plan_parse(struct slice bytes, struct dcm_plan **plan);
