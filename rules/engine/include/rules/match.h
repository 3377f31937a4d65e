// SPDX-License-Identifier: Apache-2.0
//
// One instance under the rules of one archive: a pure function of program, facts and elements. Rules run in
// order and see what earlier ones have changed. A rule that can not be applied (a limit met, a text that can
// not be read or written in the data set's character set, a value that does not fit) changes nothing at all
// and holds the instance, unless the rule says `on-error: flag`. An instance that can not be looked at (its
// header can not be followed, or more elements than RULES_LIVES) is held whatever rules say.
//
// Role: called at intake (may it be refused?) and by a lane before the first byte (what is to be edited?).
// Memory: a workspace for one thread, about 2 MiB, made once; a match allocates nothing.
// Thread: the workspace's owner.
#pragma once

#include "dcm/edit.h"
#include "dcm/survey.h"
#include "rules/program.h"

// What is known beside the elements. Texts may be empty where nothing is known; padding does not count.
struct rules_facts {
    struct slice calling; // AE titles
    struct slice called;
    struct slice address;                 // of the peer, numeric, without port
    struct slice certificate_subject;     // as the audit log writes it
    struct slice certificate_fingerprint; // SHA-256, hexadecimal
    struct slice phase;
    struct slice sop_class; // as in the command
    struct slice transfer_syntax;
    bool uid_has_other_digest;    // the same SOP Instance UID came with other content
    bool study_has_other_patient; // the study is known under another patient
    bool may_reject;              // before the response; afterwards a reject is a hold (FIELD 3)
};

struct rules_finding {
    enum rules_outcome outcome;         // FLAG, HOLD, REJECT
    const struct rules_pack_info *pack; // NULL with `rule`: the instance itself can not be looked at
    const char *rule;
    const char *element;             // as the rule names it, or NULL
    char reason[RULES_REASON_BYTES]; // without any value
    bool is_failure; // nothing was found: a rule could not be applied, or the instance not be looked at
};

// What one rule did to one element, for the ledger: the last change of an element is the edit that goes out.
struct rules_change {
    const struct rules_pack_info *pack;
    const char *rule;
    const struct dcm_path *path; // of the occurrence, no [*] in it
    enum dcm_vr vr;
    bool was_present;
    bool is_removed;     // else set
    struct slice before; // UTF-8 as the rule saw it. Patient data
    struct slice after;  // the same, as the rule left it
};

// Borrowed from the match until its next run.
struct rules_verdict {
    enum rules_outcome outcome; // the greatest of the findings
    const struct rules_finding *finding;
    size_t finding_count;
    const struct rules_change *change; // in the order in which they were made
    size_t change_count;
    const struct dcm_edit *edit; // one for each element that ends otherwise than it came
    size_t edit_count;
    // The rule that wants the patient to be looked up in the crosswalk; NULL: none.
    const char *crosswalk_rule;
    const struct rules_pack_info *crosswalk_pack;
};

struct rules_match;

MUST_USE enum result rules_match_new(struct rules_match **match); // ERR_NOMEM
void rules_match_free(struct rules_match *match);                 // wipes; NULL is allowed

// Runs the program. `survey` has surveyed the header with the program's interest, whose header is complete.
// Always gives a verdict: what goes wrong holds the instance.
void rules_match_run(struct rules_match *match, const struct rules_program *program,
                     const struct rules_facts *facts, const struct dcm_survey *survey,
                     struct rules_verdict *verdict);

// No plan could be made of the verdict's edits (edit number as in the verdict): the verdict becomes a hold
// with the reason, and no edits.
void rules_match_refuse(struct rules_match *match, const struct dcm_problem *problem,
                        struct rules_verdict *verdict);

// Wipes what is left of the last instance.
void rules_match_clear(struct rules_match *match);
