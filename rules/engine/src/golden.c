// SPDX-License-Identifier: Apache-2.0
//
// See rules/golden.h. rules/golden/README.md is the format of a file.
#include "rules/golden.h"

#include <stdlib.h>

#include "base/text.h"
#include "dcm/splice.h"
#include "golden_build.h"
#include "golden_private.h"

// ---- reading a case ----

static const char *text_of(const struct golden *golden, const struct conf_node *node)
{
    if (node == NULL || node->kind == CONF_SCALAR)
        return node != NULL ? node->text : NULL;
    conf_error_at(&golden->document, node, "text", "not a text");
    return NULL;
}

static void keys_check(const struct golden *golden, const struct conf_node *mapping, const char *const *keys)
{
    for (const struct conf_node *at = mapping->first; at != NULL; at = at->next) {
        size_t i = 0;
        while (keys[i] != NULL && (at->key == NULL || strcmp(keys[i], at->key) != 0))
            i++;
        if (keys[i] == NULL)
            conf_error_at_key(&golden->document, at, NULL, "unknown key");
    }
}

static void facts_read(const struct golden *golden, const struct conf_node *node, struct rules_facts *facts)
{
    static const char *const keys[] = {
        "calling",    "called",    "address",         "certificate-subject", "certificate-fingerprint",
        "phase",      "sop-class", "transfer-syntax", "other-digest",        "other-patient",
        "may-reject", NULL};
    struct slice *texts[] = {&facts->calling,
                             &facts->called,
                             &facts->address,
                             &facts->certificate_subject,
                             &facts->certificate_fingerprint,
                             &facts->phase,
                             &facts->sop_class,
                             &facts->transfer_syntax};
    bool *flags[] = {&facts->uid_has_other_digest, &facts->study_has_other_patient, &facts->may_reject};
    if (node == NULL)
        return;
    keys_check(golden, node, keys);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = text_of(golden, conf_node_member(node, keys[i]));
        if (text != NULL)
            *texts[i] = slice_of_text(text);
    }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        const char *text = text_of(golden, conf_node_member(node, keys[8 + i]));
        *flags[i] = text != NULL && strcmp(text, "yes") == 0;
    }
}

static bool path_read(const struct golden *golden, const struct conf_node *node, struct dcm_path *path)
{
    if (dcm_path_parse(slice_of_text(node->key), path, NULL) == OK)
        return true;
    conf_error_at_key(&golden->document, node, "a keyword of PS3.6, (gggg,eeee), Sequence[0].Element",
                      "not an element");
    return false;
}

static struct slice instance_make(struct golden *golden, const struct conf_node *node)
{
    struct golden_element *element = golden->element;
    size_t count = 0;
    struct writer to = writer_of(golden->instance, GOLDEN_BYTES);
    if (node == NULL || node->kind != CONF_MAPPING || node->count > GOLDEN_ELEMENTS) {
        conf_error_missing(&golden->document, node != NULL ? node : golden->node, "elements",
                           "at most 256 elements and their values");
        return slice_of(NULL, 0);
    }
    for (const struct conf_node *at = node->first; at != NULL; at = at->next) {
        element[count].node = at;
        count += path_read(golden, at, &element[count].path) ? 1 : 0;
    }
    golden_build(element, count, golden->text, &golden->document, &to);
    return writer_slice(&to);
}

// ---- running it ----

static enum result survey_run(struct golden *golden, const struct dcm_interest *interest,
                              struct slice instance)
{
    enum result result = dcm_survey_begin(golden->survey, interest, slice_of_text(GOLDEN_TRANSFER_SYNTAX), 0);
    if (result == OK)
        result = dcm_survey_feed(golden->survey, instance);
    if (result == OK)
        result = dcm_survey_finish(golden->survey);
    return result;
}

// Edits the instance as a lane would. ERR_ARGUMENT: there is no plan, and the verdict is a hold.
static enum result splice_run(struct golden *golden, struct rules_verdict *verdict, struct slice instance,
                              struct writer *edited)
{
    struct dcm_plan *plan = NULL;
    struct dcm_problem problem;
    struct slice run;
    enum result result = dcm_plan_make(golden->survey, golden->text, verdict->edit, verdict->edit_count,
                                       &plan, NULL, &problem);
    if (result == ERR_ARGUMENT)
        rules_match_refuse(golden->match, &problem, verdict);
    if (result == OK)
        result = dcm_splice_begin(golden->splice, plan, slice_of_text(GOLDEN_TRANSFER_SYNTAX), false);
    if (result == OK)
        result = dcm_splice_put(golden->splice, instance);
    for (size_t round = 0; result == OK && round < 2; round++) {
        while ((result = dcm_splice_next(golden->splice, &run)) == OK)
            writer_slice_put(edited, run);
        if (round == 0 && result == AGAIN)
            result = dcm_splice_finish(golden->splice);
    }
    dcm_plan_free(plan);
    return result == CLOSED && !edited->failed ? OK : result == CLOSED ? ERR_LIMIT : result;
}

static void used_tell(const struct golden *golden, const struct rules_verdict *verdict)
{
    if (golden->report->used == NULL)
        return;
    for (size_t i = 0; i < verdict->finding_count; i++)
        if (verdict->finding[i].rule != NULL)
            golden->report->used(golden->report->arg, verdict->finding[i].pack->name,
                                 verdict->finding[i].rule);
    for (size_t i = 0; i < verdict->change_count; i++)
        golden->report->used(golden->report->arg, verdict->change[i].pack->name, verdict->change[i].rule);
    if (verdict->crosswalk_rule != NULL)
        golden->report->used(golden->report->arg, verdict->crosswalk_pack->name, verdict->crosswalk_rule);
}

static enum result case_judge(struct golden *golden, const struct rules_program *program,
                              const struct rules_facts *facts, struct slice instance)
{
    struct rules_verdict verdict;
    struct writer edited = writer_of(golden->edited, GOLDEN_BYTES);
    enum result result = survey_run(golden, rules_program_interest(program), instance);
    if (result == ERR_NOMEM)
        return result;
    rules_match_run(golden->match, program, facts, golden->survey, &verdict);
    used_tell(golden, &verdict);
    if (verdict.outcome <= RULES_FLAG && verdict.edit_count > 0) {
        result = splice_run(golden, &verdict, instance, &edited);
        if (result == ERR_NOMEM)
            return result;
        if (result != OK && result != ERR_ARGUMENT)
            golden_differs(golden, "can not be edited: %s", result_text(result));
    } else {
        writer_slice_put(&edited, instance);
    }
    return golden_compare(golden, &verdict, writer_slice(&edited));
}

static enum result program_make(struct golden *golden, const struct rules_library *library,
                                const char *archive, struct rules_program **program)
{
    const char *packs[RULES_PACKS];
    size_t count = 0;
    const struct conf_node *list = conf_node_member(golden->document.root, "packs");
    for (const struct conf_node *at = list != NULL ? list->first : NULL; at != NULL && count < RULES_PACKS;
         at = at->next) {
        const char *name = text_of(golden, at);
        if (name == NULL)
            continue;
        if (rules_library_find(library, name) == NULL)
            conf_error_at(&golden->document, at, NULL, "there is no pack `%s`", name);
        packs[count++] = name;
    }
    if (count == 0)
        conf_error_missing(&golden->document, golden->document.root, "packs", "a list of packs");
    if (golden->document.errors->count > 0)
        return ERR_FORMAT;
    struct rules_setting setting = {.archive = archive, .packs = packs, .pack_count = count};
    return rules_program_new(library, &setting, golden->document.errors, program);
}

static enum result case_run(struct golden *golden, const struct rules_library *library,
                            const struct conf_node *node)
{
    static const char *const keys[] = {"case", "archive", "facts", "elements", "expect", NULL};
    struct rules_facts facts = {.may_reject = false};
    struct rules_program *program = NULL;
    golden->node = node;
    golden->has_differed = false;
    if (node->kind != CONF_MAPPING) {
        conf_error_at(&golden->document, node, "{ case: NAME, elements: ..., expect: ... }", "not a case");
        return ERR_FORMAT;
    }
    keys_check(golden, node, keys);
    golden->name = text_of(golden, conf_node_member(node, "case"));
    if (golden->name == NULL)
        conf_error_missing(&golden->document, node, "case", "what the case shows");
    const char *archive = text_of(golden, conf_node_member(node, "archive"));
    facts_read(golden, conf_node_member(node, "facts"), &facts);
    struct slice instance = instance_make(golden, conf_node_member(node, "elements"));
    enum result result = program_make(golden, library, archive != NULL ? archive : "archive", &program);
    if (result == OK)
        result = case_judge(golden, program, &facts, instance);
    rules_match_clear(golden->match);
    rules_program_free(program);
    golden->report->cases++;
    golden->report->failed += golden->has_differed ? 1 : 0;
    return result;
}

static enum result cases_run(struct golden *golden, const struct rules_library *library)
{
    static const char *const keys[] = {"packs", "cases", NULL};
    const struct conf_node *cases = conf_node_member(golden->document.root, "cases");
    keys_check(golden, golden->document.root, keys);
    if (cases == NULL || cases->kind != CONF_SEQUENCE || cases->count == 0) {
        conf_error_missing(&golden->document, golden->document.root, "cases", "a list of cases");
        return ERR_FORMAT;
    }
    for (const struct conf_node *at = cases->first; at != NULL; at = at->next) {
        enum result result = case_run(golden, library, at);
        if (result != OK)
            return result;
    }
    return golden->document.errors->count == 0 ? OK : ERR_FORMAT;
}

static enum result tools_new(struct golden *golden)
{
    golden->element = calloc(GOLDEN_ELEMENTS, sizeof *golden->element);
    golden->instance = malloc(GOLDEN_BYTES);
    golden->edited = malloc(GOLDEN_BYTES);
    enum result result =
        golden->element != NULL && golden->instance != NULL && golden->edited != NULL ? OK : ERR_NOMEM;
    if (result == OK)
        result = dcm_text_new(&golden->text);
    if (result == OK)
        result = dcm_survey_new(&golden->survey);
    if (result == OK)
        result = dcm_splice_new(&golden->splice);
    return result == OK ? rules_match_new(&golden->match) : result;
}

static void tools_free(struct golden *golden)
{
    rules_match_free(golden->match);
    dcm_splice_free(golden->splice);
    dcm_survey_free(golden->survey);
    dcm_text_free(golden->text);
    free(golden->element);
    free(golden->instance);
    free(golden->edited);
}

enum result rules_golden_run(const char *file, struct slice text, const struct rules_library *library,
                             struct rules_golden_report *report, struct conf_errors *errors)
{
    struct conf_arena arena;
    struct golden golden = {.report = report};
    conf_arena_init(&arena);
    golden.document =
        (struct conf_document){.file = file, .directory = "/", .arena = &arena, .errors = errors};
    enum result result = tools_new(&golden);
    if (result == OK)
        result = conf_document_parse(&golden.document, (const char *)text.data, text.length);
    if (result == OK)
        result = cases_run(&golden, library);
    tools_free(&golden);
    conf_arena_fini(&arena);
    return result;
}
