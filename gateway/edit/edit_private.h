// SPDX-License-Identifier: Apache-2.0
//
// The inside of an edit, shared by edit.c (life, verdict), patient.c (domain, crosswalk), draft.c (edits and
// their plan), originals.c (what was there before) and evidence.c (what is recorded). One worker's thread.
#pragma once

#include "crosswalk/enquiry.h"
#include "edit/edit.h"
#include "edit/policy_private.h"
#include "rules/match.h"
#include "store/evidence.h"

#define EDIT_MAGIC UINT32_C(0x45444954) // EDIT

#define DRAFT_PATIENT 3 // edits that the crosswalk may want
#define DRAFT_GATEWAY (EDIT_PATH_COUNT - EDIT_ORIGINALS_TIME)
#define DRAFT_EDITS   (RULES_CHANGES + DRAFT_PATIENT + DRAFT_GATEWAY)
#define DRAFT_NOTES   (RULES_CHANGES + DRAFT_PATIENT + 64) // elements that change in one instance

// An element as it was before it changes.
struct note {
    struct dcm_path path; // with the numbers of its items
    enum dcm_vr vr;       // as written; DCM_VR_NONE: unknown
    bool was_present;
    bool is_sequence;
    bool is_implicit; // how it is encoded
    bool is_big_endian;
    struct slice value;   // raw, borrowed from the survey; patient data
    struct slice charset; // (0008,0005) in force there, raw
};

// What is being put together for one instance; a part of the workshop, as it is large.
struct draft {
    struct dcm_edit edit[DRAFT_EDITS];
    uint32_t places[DRAFT_EDITS]; // what each changes, once there is a plan
    size_t count;
    size_t rules;   // the first ones are of rules,
    size_t patient; // those up to here of the crosswalk, the others the gateway's own
    struct note note[DRAFT_NOTES];
    size_t note_count;
};

struct edit_workshop {
    uint32_t magic;
    struct worker *worker;
    struct dcm_text *text;
    struct rules_match *match;
    struct rules_verdict verdict;  // of the last run,
    const struct edit *verdict_of; // which was this one's; NULL: nobody's
    struct draft draft;
    struct dcm_survey *surveys[16];
    size_t survey_count;
    struct dcm_splice *splices[16];
    size_t splice_count;
};

MUST_USE enum result workshop_survey_take(struct edit_workshop *workshop, struct dcm_survey **survey);
// Wipes it. NULL inside is fine.
void workshop_survey_give(struct edit_workshop *workshop, struct dcm_survey **survey);

// What becomes of the patient's ID.
enum patient_fate {
    PATIENT_STAYS,     // of the archive's domain, or nobody asks
    PATIENT_MAPPED,    // the answer's ID
    PATIENT_UNMATCHED, // the own ID
};

struct patient {
    const struct configuration_domain *domain; // NULL: not known
    bool has_issuer;
    enum patient_fate fate;
    const char *because; // mapped, pinned, moved, unmatched: the rule in the evidence
};

struct evidence_row {
    struct evidence_edit edit;
    uint8_t *block; // path and texts, one behind the other
    size_t length;
};

struct edit {
    uint32_t magic;
    enum edit_stage stage;
    struct edit_workshop *workshop;
    struct edit_policies *policies;
    const struct edit_policy *policy;
    struct edit_origin origin;
    void (*on_change)(void *arg);
    void *arg;
    struct dcm_survey *survey; // until the verdict
    struct enquiry *enquiry;   // NULL: none is under way
    bool is_study_known;       // the ledger has said
    bool study_has_other_patient;
    bool is_answered; // the crosswalk has
    bool is_fit;      // there is a plan, so that the study may be pinned (FIELD 1)
    enum result answer_result;
    struct crosswalk_verdict answer;
    struct patient patient;
    uint64_t generation; // of the crosswalk; 0: not asked
    uint64_t header_length;
    struct edit_hold hold;
    uint32_t flags;
    size_t flag_reasons; // different ones that are kept
    char flag_reason[RECORD_REASONS_MAX][EDIT_REASON_BYTES];
    struct dcm_plan *plan;
    struct evidence_row *rows;
    size_t row_count;
    size_t row_bytes;
    uint8_t *evidence;
    size_t evidence_length;
};

// ---- edit.c ----
// The verdict: it is held. `format` names no value.
void edit_hold_back(struct edit *edit, enum edit_hold_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Something should be looked at; it names no value either.
void edit_flag(struct edit *edit, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The place of an element of our own is its number in the interest.
bool edit_found(const struct edit *edit, enum edit_path place, struct dcm_found *found);

// ---- patient.c ----
#define PATIENT_TEXT_BYTES 1024 // of a value that is read; what is longer is not what it should be

// Decoded, without padding; `to` has DCM_TEXT_DECODED_MOST(PATIENT_TEXT_BYTES) bytes and is to be wiped.
// False: absent, empty, or not to be read in its character set.
bool patient_text(const struct edit *edit, enum edit_path place, char *to, struct slice *text);
// Whose ID it is (FIELD 1): fills edit->patient.
void patient_domain_find(struct edit *edit);
// What to ask about the study. False: nothing that anyone wants to know, or there is no study or no patient.
bool patient_study_question(const struct edit *edit, struct study_question *question);
// The crosswalk has to say; it was asked already if edit->is_answered.
bool patient_is_asked_for(const struct edit *edit, const struct rules_verdict *verdict);
MUST_USE enum result patient_ask(struct edit *edit, enquiry_answered_fn *answered);
// What was answered goes out for the first time: it has to be asked again, and pinned.
bool patient_is_to_be_pinned(const struct edit *edit);
// Decides edit->patient.fate. False: it is held, or refused.
bool patient_judge(struct edit *edit, const struct rules_verdict *verdict);
// Adds what that means to the draft.
void patient_draft(const struct edit *edit, struct draft *draft);

// ---- draft.c ----
// Makes the plan, its evidence and its flags, or holds.
void draft_make(struct edit *edit, const struct rules_verdict *verdict);
// A rule's change of an element that the crosswalk writes does not count.
bool draft_is_overruled(const struct draft *draft, const struct dcm_path *path);

// The same element, whatever the item.
static inline bool steps_name_one(const struct dcm_path_step *a, const struct dcm_path_step *b)
{
    return a->tag == b->tag && strcmp(a->creator, b->creator) == 0;
}

// ---- originals.c ----
// What was there before: from edits and the plan of them alone. ERR_ARGUMENT: `which` can not be kept.
MUST_USE enum result originals_note(const struct edit *edit, const struct rules_verdict *verdict,
                                    struct draft *draft, const struct dcm_plan *plan, struct dcm_path *which);
// The item of a Modified Attributes Sequence, allocated; the caller wipes and frees. ERR_ARGUMENT: as above;
// ERR_NOMEM.
MUST_USE enum result originals_encode(const struct edit *edit, const struct draft *draft, uint8_t **bytes,
                                      size_t *length, struct dcm_path *which);
// The note is of the element, or of what encloses it.
bool note_covers(const struct note *note, const struct dcm_path *path);

// ---- evidence.c ----
// ERR_NOMEM; ERR_LIMIT: more than can be recorded.
MUST_USE enum result evidence_rows_make(struct edit *edit, const struct rules_verdict *verdict,
                                        const struct draft *draft);
void evidence_rows_free(struct edit *edit); // and the evidence
// Encodes them: edit->evidence. ERR_NOMEM, ERR_LIMIT.
MUST_USE enum result evidence_fill(struct edit *edit, const struct dcm_plan *undo);
