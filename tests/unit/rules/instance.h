// SPDX-License-Identifier: Apache-2.0
//
// Helper of the tests of rules/engine: one pack against one instance that is written as YAML.
#pragma once

#include "pack_text.h"

#include "golden_build.h"
#include "rules/match.h"

struct instance {
    struct rules_library *library;
    struct rules_program *program;
    struct rules_match *match;
    struct dcm_survey *survey;
    struct dcm_text *text;
    struct conf_arena arena;
    struct conf_errors errors;
    struct rules_verdict verdict;
    uint8_t bytes[65536];
    size_t length;
};

static inline void instance_build(struct instance *instance, const char *elements)
{
    struct golden_element element[64];
    size_t count = 0;
    struct conf_document document = {
        .file = "i.yaml", .directory = "/", .arena = &instance->arena, .errors = &instance->errors};
    assert_int_equal(conf_document_parse(&document, elements, strlen(elements)), OK);
    for (const struct conf_node *at = document.root->first; at != NULL; at = at->next) {
        assert_int_equal(dcm_path_parse(slice_of_text(at->key), &element[count].path, NULL), OK);
        element[count++].node = at;
    }
    struct writer to = writer_of(instance->bytes, sizeof instance->bytes);
    golden_build(element, count, instance->text, &document, &to);
    assert_false(to.failed);
    assert_errors(&instance->errors, "");
    instance->length = to.length;
}

static inline void instance_new(struct instance *instance, const char *pack, const struct pack_table *tables)
{
    static const char *const packs[] = {"p"};
    struct rules_setting setting = {.archive = "new", .packs = packs, .pack_count = 1};
    conf_arena_init(&instance->arena);
    conf_errors_init(&instance->errors);
    assert_int_equal(rules_library_new(&instance->library), OK);
    enum result result = pack_add(instance->library, pack, tables, &instance->errors);
    if (result == OK)
        result = rules_program_new(instance->library, &setting, &instance->errors, &instance->program);
    assert_errors(&instance->errors, "");
    assert_int_equal(result, OK);
    assert_int_equal(rules_match_new(&instance->match), OK);
    assert_int_equal(dcm_survey_new(&instance->survey), OK);
    assert_int_equal(dcm_text_new(&instance->text), OK);
}

static inline void instance_survey(struct instance *instance)
{
    assert_int_equal(dcm_survey_begin(instance->survey, rules_program_interest(instance->program),
                                      slice_of_text("1.2.840.10008.1.2.1"), 0),
                     OK);
    assert_int_equal(dcm_survey_feed(instance->survey, slice_of(instance->bytes, instance->length)), OK);
    assert_int_equal(dcm_survey_finish(instance->survey), OK);
}

static inline const struct rules_verdict *instance_run(struct instance *instance, const char *elements,
                                                       const struct rules_facts *facts)
{
    static const struct rules_facts none;
    instance_build(instance, elements);
    instance_survey(instance);
    rules_match_run(instance->match, instance->program, facts != NULL ? facts : &none, instance->survey,
                    &instance->verdict);
    return &instance->verdict;
}

static inline void instance_free(struct instance *instance)
{
    dcm_text_free(instance->text);
    dcm_survey_free(instance->survey);
    rules_match_free(instance->match);
    rules_program_free(instance->program);
    rules_library_free(instance->library);
    conf_errors_fini(&instance->errors);
    conf_arena_fini(&instance->arena);
}
