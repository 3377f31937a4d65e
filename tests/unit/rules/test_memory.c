// SPDX-License-Identifier: Apache-2.0
//
// Every allocation of loading, compiling and making a workspace fails once: each says so, nothing is lost or
// left half made. A match itself allocates nothing.
#include "../failing_memory.h"
#include "instance.h"

static const char pack_text[] =
    "pack: p\nversion: 1\ndescription: d\n"
    "tables: { t: { file: t.csv, from: found, to: name, ignore-case: yes } }\n"
    "rules:\n"
    "  - rule: a\n"
    "    when: [ { calling: [CT1, CT2] }, { address: 10.0.0.0/8 }, { element: PatientID, matches: x },\n"
    "            { any: [ { element: Modality, in: [CT, MR], ignore-case: yes } ] } ]\n"
    "    do: [ { map: Manufacturer, table: t }, { replace: PatientID, pattern: a, with: b }, { uid: "
    "[malformed] },\n"
    "          { date-format: StudyDate, normalise: [YYYY.MM.DD] }, { flag: x }, { pad: StudyID, to: 4, "
    "with: x } ]\n"
    "  - { rule: b, after: [a], do: [ { set: 'ProcedureCodeSequence[*].CodeValue', to: x }, { trim: "
    "PatientID } ] }\n";

static const struct pack_table tables[] = {{"t.csv", "found,name\nge,GE\n"}, {NULL, NULL}};

static enum result everything(void)
{
    static const char *const packs[] = {"p"};
    struct rules_setting setting = {.archive = "new", .packs = packs, .pack_count = 1};
    struct rules_library *library = NULL;
    struct rules_program *program = NULL;
    struct rules_match *match = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = rules_library_new(&library);
    if (result == OK)
        result = pack_add(library, pack_text, tables, &errors);
    if (result == OK)
        result = rules_program_new(library, &setting, &errors, &program);
    if (result == OK)
        result = rules_match_new(&match);
    rules_match_free(match);
    rules_program_free(program);
    rules_library_free(library);
    assert_int_equal(errors.count, 0);
    conf_errors_fini(&errors);
    return result;
}

static void test_each_allocation(void **state)
{
    enum result result = ERR_NOMEM;
    size_t count = 0;
    (void)state;
    for (; result != OK && count < 1000; count++) {
        failing = (long)count;
        result = everything();
        failing = -1;
        assert_true(result == OK || result == ERR_NOMEM);
    }
    assert_true(count > 20 && count < 1000);
}

static void test_a_match_allocates_nothing(void **state)
{
    struct instance *instance = calloc(1, sizeof *instance);
    struct rules_facts facts = {.calling = slice_of_text("CT1"), .address = slice_of_text("10.0.0.1")};
    (void)state;
    instance_new(instance, pack_text, tables);
    instance_build(instance, "{ PatientID: ax, Modality: ct, Manufacturer: ge, StudyDate: 2020.01.02,"
                             " 'ProcedureCodeSequence[0].CodeValue': a }");
    instance_survey(instance);
    allocations = 0;
    rules_match_run(instance->match, instance->program, &facts, instance->survey, &instance->verdict);
    assert_int_equal(allocations, 0);
    assert_int_equal(instance->verdict.outcome, RULES_FLAG);
    assert_int_equal(instance->verdict.change_count, 4);
    instance_free(instance);
    free(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_a_match_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
