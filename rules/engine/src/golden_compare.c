// SPDX-License-Identifier: Apache-2.0
//
// What a golden case expects against what came out: outcome, findings, edits, and the elements of the edited
// instance read back.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "golden_private.h"
#include "value.h"

void golden_differs(struct golden *golden, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    golden->has_differed = true;
    va_start(arguments, format);
    (void)text_format_list(text, sizeof text, format, arguments);
    va_end(arguments);
    golden->report->differs(golden->report->arg, golden->document.file, golden->node->mark.line,
                            golden->name != NULL ? golden->name : "?", text);
}

static const char *member(const struct conf_node *node, const char *key)
{
    const struct conf_node *at = conf_node_member(node, key);
    return at != NULL && at->kind == CONF_SCALAR ? at->text : NULL;
}

// ---- findings ----

static bool is_expected(const struct conf_node *node, const struct rules_finding *finding)
{
    const char *rule = node->kind == CONF_SCALAR ? node->text : member(node, "rule");
    const char *outcome = member(node, "outcome");
    const char *element = member(node, "element");
    const char *reason = member(node, "reason");
    return rule != NULL && strcmp(rule, finding->rule != NULL ? finding->rule : "") == 0 &&
           (outcome == NULL || strcmp(outcome, rules_outcome_text(finding->outcome)) == 0) &&
           (element == NULL || (finding->element != NULL && strcmp(element, finding->element) == 0)) &&
           (reason == NULL || strcmp(reason, finding->reason) == 0);
}

// Each finding is told by an expectation, each expectation is met.
static void findings_compare(struct golden *golden, const struct conf_node *list,
                             const struct rules_verdict *verdict)
{
    for (size_t i = 0; i < verdict->finding_count; i++) {
        const struct rules_finding *finding = &verdict->finding[i];
        const struct conf_node *at = list != NULL ? list->first : NULL;
        while (at != NULL && !is_expected(at, finding))
            at = at->next;
        if (at == NULL)
            golden_differs(golden, "finding not expected: %s: %s: %s%s%s",
                           finding->rule != NULL ? finding->rule : "-", rules_outcome_text(finding->outcome),
                           finding->element != NULL ? finding->element : "",
                           finding->element != NULL ? ": " : "", finding->reason);
    }
    for (const struct conf_node *at = list != NULL ? list->first : NULL; at != NULL; at = at->next) {
        size_t i = 0;
        while (i < verdict->finding_count && !is_expected(at, &verdict->finding[i]))
            i++;
        const char *rule = at->kind == CONF_SCALAR ? at->text : member(at, "rule");
        if (i == verdict->finding_count)
            golden_differs(golden, "expected finding is missing: %s (line %zu)", rule != NULL ? rule : "?",
                           at->mark.line);
    }
}

// ---- edits ----

static bool is_last(const struct rules_verdict *verdict, size_t place)
{
    for (size_t i = place + 1; i < verdict->change_count; i++)
        if (dcm_path_compare(verdict->change[i].path, verdict->change[place].path) == 0)
            return false;
    return true;
}

static const struct rules_change *change_find(const struct rules_verdict *verdict,
                                              const struct dcm_path *path)
{
    for (size_t i = verdict->change_count; i > 0; i--)
        if (dcm_path_compare(verdict->change[i - 1].path, path) == 0)
            return &verdict->change[i - 1];
    return NULL;
}

static bool list_has(const struct conf_node *node, const struct dcm_path *path)
{
    for (const struct conf_node *at = node != NULL ? node->first : NULL; at != NULL; at = at->next) {
        struct dcm_path other;
        const char *text = at->key != NULL ? at->key : at->text;
        if (text != NULL && dcm_path_parse(slice_of_text(text), &other, NULL) == OK &&
            dcm_path_compare(&other, path) == 0)
            return true;
    }
    return false;
}

static void edit_compare(struct golden *golden, const struct rules_verdict *verdict,
                         const struct conf_node *node, bool is_removal)
{
    struct dcm_path path;
    const char *text = is_removal ? node->text : node->key;
    if (text == NULL || dcm_path_parse(slice_of_text(text), &path, NULL) != OK) {
        conf_error_at(&golden->document, node, NULL, "not an element");
        return;
    }
    const struct rules_change *change = change_find(verdict, &path);
    if (change == NULL)
        golden_differs(golden, "expected edit is missing: %s", text);
    else if (change->is_removed != is_removal)
        golden_differs(golden, "%s is %s", text, change->is_removed ? "removed" : "set");
    else if (!is_removal && (node->kind != CONF_SCALAR || !slice_is_text(change->after, node->text)))
        golden_differs(golden, "%s becomes `%.*s` instead of `%s`", text, (int)change->after.length,
                       (const char *)change->after.data, node->text != NULL ? node->text : "");
}

static void edits_compare(struct golden *golden, const struct conf_node *expect,
                          const struct rules_verdict *verdict)
{
    const struct conf_node *edits = conf_node_member(expect, "edits");
    const struct conf_node *removed = conf_node_member(expect, "removed");
    for (size_t i = 0; i < verdict->change_count; i++) {
        const struct rules_change *change = &verdict->change[i];
        char text[DCM_PATH_TEXT_SIZE];
        if (!is_last(verdict, i) || list_has(edits, change->path) || list_has(removed, change->path))
            continue;
        dcm_path_print(change->path, text);
        golden_differs(golden, "edit not expected: %s by %s: `%.*s`", text, change->rule,
                       (int)change->after.length, (const char *)change->after.data);
    }
    for (const struct conf_node *at = edits != NULL ? edits->first : NULL; at != NULL; at = at->next)
        edit_compare(golden, verdict, at, false);
    for (const struct conf_node *at = removed != NULL ? removed->first : NULL; at != NULL; at = at->next)
        edit_compare(golden, verdict, at, true);
}

// ---- the edited instance ----

static enum result value_compare(struct golden *golden, const struct rules_change *change)
{
    struct dcm_found found;
    struct dcm_level level;
    char name[DCM_PATH_TEXT_SIZE];
    dcm_path_print(change->path, name);
    if (!dcm_survey_first(golden->survey, 0, &found) != change->is_removed) {
        golden_differs(golden, "%s is %sin the edited instance", name,
                       change->is_removed ? "still " : "not ");
        return OK;
    }
    if (change->is_removed || !value_vr_is_text(found.vr))
        return OK;
    size_t capacity = DCM_TEXT_DECODED_MOST(found.value.length);
    char *text = malloc(capacity);
    size_t length = 0;
    if (text == NULL)
        return ERR_NOMEM;
    dcm_survey_level(golden->survey, found.level, &level);
    enum result result =
        dcm_text_decode(golden->text, &level.charset, found.vr, found.value, text, capacity, &length);
    if (result != OK || !slice_is_equal(slice_trimmed(slice_of(text, length)), slice_trimmed(change->after)))
        golden_differs(golden, "%s reads `%.*s` in the edited instance", name, (int)length, text);
    free(text);
    return OK;
}

static enum result edited_compare(struct golden *golden, const struct rules_verdict *verdict,
                                  struct slice edited)
{
    for (size_t i = 0; i < verdict->change_count; i++) {
        struct dcm_interest *interest = NULL;
        if (!is_last(verdict, i))
            continue;
        enum result result = dcm_interest_new(verdict->change[i].path, 1, &interest);
        if (result == OK)
            result = dcm_survey_begin(golden->survey, interest, slice_of_text(GOLDEN_TRANSFER_SYNTAX), 0);
        if (result == OK)
            result = dcm_survey_feed(golden->survey, edited);
        if (result == OK)
            result = dcm_survey_finish(golden->survey);
        if (result == OK)
            result = value_compare(golden, &verdict->change[i]);
        else if (result != ERR_NOMEM)
            golden_differs(golden, "the edited instance can not be followed");
        dcm_interest_free(interest);
        if (result == ERR_NOMEM)
            return result;
    }
    return OK;
}

enum result golden_compare(struct golden *golden, const struct rules_verdict *verdict, struct slice edited)
{
    const struct conf_node *expect = conf_node_member(golden->node, "expect");
    const char *outcome = member(expect, "outcome");
    const char *crosswalk = member(expect, "crosswalk");
    const char *asked = verdict->crosswalk_rule;
    if (outcome == NULL)
        conf_error_missing(&golden->document, expect != NULL ? expect : golden->node, "outcome",
                           "pass, flag, hold, reject");
    else if (strcmp(outcome, rules_outcome_text(verdict->outcome)) != 0)
        golden_differs(golden, "the outcome is %s instead of %s", rules_outcome_text(verdict->outcome),
                       outcome);
    if (crosswalk != NULL ? asked == NULL || strcmp(crosswalk, asked) != 0 : asked != NULL)
        golden_differs(golden, "the crosswalk is asked for by %s instead of %s",
                       asked != NULL ? asked : "no rule", crosswalk != NULL ? crosswalk : "no rule");
    findings_compare(golden, conf_node_member(expect, "findings"), verdict);
    edits_compare(golden, expect, verdict);
    return verdict->outcome <= RULES_FLAG ? edited_compare(golden, verdict, edited) : OK;
}
