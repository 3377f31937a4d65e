// SPDX-License-Identifier: Apache-2.0
//
// See rules/match.h.
#include "rules/match.h"

#include <stdlib.h>

#include "base/magic.h"
#include "base/text.h"
#include "conf/network.h"
#include "match_private.h"

#define MATCH_MAGIC 0x4D415443u // MATC

enum result match_refuse(struct rules_match *match, const struct element *element, const char *problem)
{
    match->problem = problem;
    match->problem_element = element;
    return ERR_REFUSED;
}

// Counts an outcome: after Success there is no reject (FIELD 3).
static enum rules_outcome outcome_now(struct rules_match *match, enum rules_outcome outcome)
{
    if (outcome == RULES_REJECT && !match->facts->may_reject)
        outcome = RULES_HOLD;
    if (outcome > match->outcome)
        match->outcome = outcome;
    return outcome;
}

static bool is_found_before(const struct rules_match *match, const struct rules_finding *finding)
{
    for (size_t i = 0; i < match->finding_count; i++) {
        const struct rules_finding *other = &match->finding[i];
        if (other->outcome == finding->outcome && other->rule == finding->rule &&
            other->pack == finding->pack && other->element == finding->element &&
            strcmp(other->reason, finding->reason) == 0)
            return true;
    }
    return false;
}

enum result match_find(struct rules_match *match, enum rules_outcome outcome, const struct element *element,
                       const char *reason)
{
    struct rules_finding finding = {.outcome = outcome_now(match, outcome),
                                    .pack = &match->rule->pack->info,
                                    .rule = match->rule->name,
                                    .element = element != NULL ? element->text : NULL};
    (void)text_copy(finding.reason, sizeof finding.reason, slice_of_text(reason));
    if (is_found_before(match, &finding))
        return OK;
    if (match->finding_count == RULES_FINDINGS - 1) // one is kept for the failure itself
        return match_refuse(match, element, "too many findings");
    match->finding[match->finding_count++] = finding;
    return OK;
}

enum result match_see(struct rules_match *match, const struct element *element)
{
    return sight_is_hidden(&match->sight, element)
               ? match_refuse(match, element, "may be in a sequence that can not be looked into")
               : OK;
}

// Undoes what the rule has changed. Its findings stay: they were true.
static void rule_undo(struct rules_match *match, size_t trace_count)
{
    while (match->trace_count > trace_count) {
        struct trace *trace = &match->trace[--match->trace_count];
        trace->live->is = trace->before;
        trace->live->vr = trace->vr;
    }
}

// Says match->problem of match->rule.
static void problem_say(struct rules_match *match, enum rules_outcome outcome)
{
    const struct rule *rule = match->rule;
    outcome = outcome_now(match, outcome);
    if (match->finding_count == RULES_FINDINGS)
        return; // the outcome counts, there is no room to say why
    struct rules_finding *finding = &match->finding[match->finding_count++];
    *finding = (struct rules_finding){.outcome = outcome,
                                      .is_failure = true,
                                      .pack = rule != NULL ? &rule->pack->info : NULL,
                                      .rule = rule != NULL ? rule->name : NULL,
                                      .element = match->problem_element != NULL ? match->problem_element->text
                                                                                : NULL};
    (void)text_copy(finding->reason, sizeof finding->reason, slice_of_text(match->problem));
}

// Edits that can not be made are not made in part.
static void hold(struct rules_match *match)
{
    match->edit_count = 0;
    problem_say(match, RULES_HOLD);
}

static void rule_run(struct rules_match *match, const struct rule *rule)
{
    size_t trace_count = match->trace_count;
    const struct rule *crosswalk = match->crosswalk;
    bool holds = true;
    match->rule = rule;
    enum result result = rule->when != NULL ? condition_holds(match, rule->when, &holds) : OK;
    for (size_t i = 0; i < rule->step_count && result == OK && holds; i++)
        result = step_run(match, &rule->step[i]);
    if (result == OK)
        return;
    match->crosswalk = crosswalk;
    rule_undo(match, trace_count);
    problem_say(match, rule->on_error);
}

static void address_take(struct rules_match *match, struct slice address)
{
    char text[64];
    struct conf_network network = {.family = 0};
    bool is_whole = text_copy(text, sizeof text, slice_trimmed(address));
    match->address = network;
    if (is_whole && text[0] != 0 && conf_scalar_network(text, &network) == OK)
        match->address = network;
}

static void run_begin(struct rules_match *match, const struct rules_program *program,
                      const struct rules_facts *facts)
{
    rules_match_clear(match);
    match->program = program;
    match->facts = facts;
    match->outcome = RULES_PASS;
    address_take(match, facts->address);
}

// The verdict that nobody can give: no rule has failed, the instance can not be looked at.
static void run_fail(struct rules_match *match, const char *reason)
{
    match->outcome = RULES_HOLD;
    match->finding[0] = (struct rules_finding){.outcome = RULES_HOLD, .is_failure = true};
    (void)text_copy(match->finding[0].reason, sizeof match->finding[0].reason, slice_of_text(reason));
    match->finding_count = 1;
}

static void verdict_fill(const struct rules_match *match, struct rules_verdict *verdict)
{
    const struct rule *crosswalk = match->crosswalk;
    *verdict = (struct rules_verdict){.outcome = match->outcome,
                                      .finding = match->finding,
                                      .finding_count = match->finding_count,
                                      .change = match->change,
                                      .change_count = match->change_count,
                                      .edit = match->edit,
                                      .edit_count = match->edit_count,
                                      .crosswalk_rule = crosswalk != NULL ? crosswalk->name : NULL,
                                      .crosswalk_pack = crosswalk != NULL ? &crosswalk->pack->info : NULL};
}

void rules_match_run(struct rules_match *match, const struct rules_program *program,
                     const struct rules_facts *facts, const struct dcm_survey *survey,
                     struct rules_verdict *verdict)
{
    MAGIC_CHECK(match, MATCH_MAGIC);
    run_begin(match, program, facts);
    if (program->rule_count > 0 && !dcm_survey_header_is_complete(survey)) {
        run_fail(match, "the header can not be followed");
    } else if (program->rule_count > 0) {
        if (sight_take(&match->sight, program, survey) != OK) {
            run_fail(match, "more elements than rules can look at");
        } else {
            for (size_t i = 0; i < program->rule_count; i++)
                rule_run(match, program->rule[i]);
            changes_make(match);
            // Rules have run already: what can not be told to the editor holds, whatever a rule says.
            if (edits_make(match) != OK)
                hold(match);
        }
    }
    verdict_fill(match, verdict);
}

void rules_match_refuse(struct rules_match *match, const struct dcm_problem *problem,
                        struct rules_verdict *verdict)
{
    MAGIC_CHECK(match, MATCH_MAGIC);
    match->rule = problem->edit < match->edit_count ? match->edit_rule[problem->edit] : NULL;
    match->problem = dcm_problem_text(problem->reason);
    match->problem_element = NULL;
    hold(match);
    verdict_fill(match, verdict);
}

enum result rules_match_new(struct rules_match **match)
{
    struct rules_match *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, MATCH_MAGIC);
    made->bytes.capacity = RULES_MATCH_BYTES;
    made->bytes.block = malloc(made->bytes.capacity);
    made->bytes_aside.capacity = DCM_TEXT_ENCODED_MOST(RULES_VALUE_BYTES);
    made->bytes_aside.block = malloc(made->bytes_aside.capacity);
    made->trace = calloc(RULES_CHANGES, sizeof *made->trace);
    made->finding = calloc(RULES_FINDINGS, sizeof *made->finding);
    made->change = calloc(RULES_CHANGES, sizeof *made->change);
    made->change_path = calloc(RULES_CHANGES, sizeof *made->change_path);
    made->edit = calloc(RULES_CHANGES, sizeof *made->edit);
    made->edit_rule = calloc(RULES_CHANGES, sizeof *made->edit_rule);
    bool has_all = made->bytes.block != NULL && made->bytes_aside.block != NULL && made->trace != NULL &&
                   made->finding != NULL && made->change != NULL && made->change_path != NULL &&
                   made->edit != NULL && made->edit_rule != NULL;
    enum result result = has_all ? sight_new(&made->sight) : ERR_NOMEM;
    if (result == OK)
        result = regex_scratch_new(&made->scratch);
    if (result == OK)
        result = dcm_text_new(&made->text);
    if (result == OK)
        *match = made;
    else
        rules_match_free(made);
    return result;
}

void rules_match_clear(struct rules_match *match)
{
    bytes_clear(&match->bytes);
    match->trace_count = 0;
    match->finding_count = 0;
    match->change_count = 0;
    match->edit_count = 0;
    match->crosswalk = NULL;
    match->rule = NULL;
}

void rules_match_free(struct rules_match *match)
{
    if (match == NULL)
        return;
    MAGIC_CHECK(match, MATCH_MAGIC);
    bytes_clear(&match->bytes);
    sight_free(&match->sight);
    regex_scratch_free(match->scratch);
    dcm_text_free(match->text);
    free(match->bytes.block);
    free(match->bytes_aside.block);
    free(match->trace);
    free(match->finding);
    free(match->change);
    free(match->change_path);
    free(match->edit);
    free((void *)match->edit_rule);
    MAGIC_CLEAR(match);
    free(match);
}
