// SPDX-License-Identifier: Apache-2.0
//
// One instance under the rules: the elements as they are now, what rules have done to them, what was found.
// Private to rules/engine; one thread.
#pragma once

#include "program.h"
#include "rules/match.h"
#include "sight.h"

// What a rule did to an element, and how it was before, so that a rule that fails can be undone.
struct trace {
    struct live *live;
    struct live_state before;
    enum dcm_vr vr; // before too
    const struct rule *rule;
};

struct rules_match {
    uint32_t magic;
    const struct rules_program *program;
    const struct rules_facts *facts;
    struct conf_network address; // of the facts; family AF_UNSPEC: not known
    struct regex_scratch *scratch;
    struct dcm_text *text;
    struct sight sight;
    struct bytes bytes;       // texts of this match
    struct bytes bytes_aside; // while a text is being written
    enum rules_outcome outcome;
    struct trace *trace;
    size_t trace_count;
    struct rules_finding *finding;
    size_t finding_count;
    struct rules_change *change;
    struct dcm_path *change_path; // of each
    size_t change_count;
    struct dcm_edit *edit;
    const struct rule **edit_rule; // that wrote last
    size_t edit_count;
    const struct rule *crosswalk; // that asked for the patient
    const struct rule *rule;      // that runs now
    // Why the rule can not go on, when something returned ERR_REFUSED.
    const char *problem;
    const struct element *problem_element;
};

// Refuses: the rule that runs can not be applied, for a reason that names no value.
MUST_USE enum result match_refuse(struct rules_match *match, const struct element *element,
                                  const char *problem);
// Refuses if the survey does not tell all of the element (NULL: none).
MUST_USE enum result match_see(struct rules_match *match, const struct element *element);
// Adds a finding of the rule that runs, once for each element and reason. ERR_LIMIT: too many.
MUST_USE enum result match_find(struct rules_match *match, enum rules_outcome outcome,
                                const struct element *element, const char *reason);

// condition.c: is the condition true? ERR_REFUSED (match->problem says why).
MUST_USE enum result condition_holds(struct rules_match *match, const struct condition *condition,
                                     bool *holds);
// edits.c: what has changed, for the ledger and for the plan. ERR_REFUSED: an edit that can not be told
// apart.
void changes_make(struct rules_match *match);
MUST_USE enum result edits_make(struct rules_match *match);
// step.c: runs one step. ERR_REFUSED, as above.
MUST_USE enum result step_run(struct rules_match *match, const struct step *step);
