// SPDX-License-Identifier: Apache-2.0
//
// The runner of golden cases must see what differs: a case that is wrong in one way, and the words for it.
#include "pack_text.h"

#include "rules/golden.h"

#define PACK_TEXT                                                                                            \
    "pack: p\nversion: 1\ndescription: d\nrules:\n"                                                          \
    "  - { rule: name, do: [ { set: InstitutionName, to: New }, { remove: PatientComments } ] }\n"           \
    "  - { rule: id, when: { element: PatientID, empty: yes }, do: [ { flag: empty }, { crosswalk: patient " \
    "} ] }\n"                                                                                                \
    "  - { rule: station, when: { archive: new }, do: [ { set: StationName, to: ROOM1 } ] }\n"

struct told {
    char text[2048];
};

static void differs(void *arg, const char *file, size_t line, const char *name, const char *difference)
{
    struct told *told = arg;
    size_t used = strlen(told->text);
    (void)snprintf(told->text + used, sizeof told->text - used, "%s:%zu: %s: %s\n", file, line, name,
                   difference);
}

static void expect_told(const char *rest, size_t failed, const char *expected, const char *errors_expected)
{
    char text[2048];
    struct told told = {.text = ""};
    struct rules_golden_report report = {.differs = differs, .arg = &told};
    struct rules_library *library;
    struct conf_errors errors;
    conf_errors_init(&errors);
    assert_int_equal(rules_library_new(&library), OK);
    assert_int_equal(pack_add(library, PACK_TEXT, NULL, &errors), OK);
    assert_true((size_t)snprintf(text, sizeof text, "packs: [p]\ncases:\n  - case: c\n%s", rest) <
                sizeof text);
    enum result result = rules_golden_run("g.yaml", slice_of_text(text), library, &report, &errors);
    assert_errors(&errors, errors_expected);
    assert_int_equal(result, errors_expected[0] == 0 ? OK : ERR_FORMAT);
    assert_string_equal(told.text, expected);
    assert_int_equal(report.failed, failed);
    conf_errors_fini(&errors);
    rules_library_free(library);
}

#define ELEMENTS "    elements: { InstitutionName: Old, PatientComments: x, PatientID: y }\n"

static void test_agrees(void **state)
{
    (void)state;
    expect_told(
        ELEMENTS
        "    expect: { outcome: pass, edits: { InstitutionName: New }, removed: [PatientComments] }\n",
        0, "", "");
    expect_told(
        "    elements: { PatientID: '' }\n"
        "    expect: { outcome: flag, findings: [id], crosswalk: id, edits: { InstitutionName: New } }\n",
        0, "", "");
}

// What a rule says of one archive is not expected of another, or of none.
static void test_archive(void **state)
{
#define OF_ALL "InstitutionName: New"
    (void)state;
    expect_told("    archive: new\n    elements: { PatientID: y }\n"
                "    expect: { outcome: pass, edits: { " OF_ALL ", StationName: ROOM1 } }\n"
                "  - case: d\n    archive: old\n    elements: { PatientID: y }\n"
                "    expect: { outcome: pass, edits: { " OF_ALL " } }\n"
                "  - case: e\n    elements: { PatientID: y }\n"
                "    expect: { outcome: pass, edits: { " OF_ALL " } }\n",
                0, "", "");
    expect_told("    archive: old\n    elements: { PatientID: y }\n"
                "    expect: { outcome: pass, edits: { " OF_ALL ", StationName: ROOM1 } }\n",
                1, "g.yaml:3: c: expected edit is missing: StationName\n", "");
}

static void test_differs(void **state)
{
    (void)state;
    expect_told(
        ELEMENTS
        "    expect: { outcome: hold, edits: { InstitutionName: New }, removed: [PatientComments] }\n",
        1, "g.yaml:3: c: the outcome is pass instead of hold\n", "");
    expect_told(
        ELEMENTS
        "    expect: { outcome: pass, edits: { InstitutionName: Neu }, removed: [PatientComments] }\n",
        1, "g.yaml:3: c: InstitutionName becomes `New` instead of `Neu`\n", "");
    expect_told(ELEMENTS "    expect: { outcome: pass, edits: { InstitutionName: New } }\n", 1,
                "g.yaml:3: c: edit not expected: PatientComments by name: ``\n", "");
    expect_told(ELEMENTS
                "    expect: { outcome: pass, findings: [id], edits: { InstitutionName: New, PatientID: z },"
                " removed: [PatientComments] }\n",
                1,
                "g.yaml:3: c: expected finding is missing: id (line 5)\n"
                "g.yaml:3: c: expected edit is missing: PatientID\n",
                "");
    expect_told("    elements: { PatientID: '', InstitutionName: New }\n    expect: { outcome: flag }\n", 1,
                "g.yaml:3: c: the crosswalk is asked for by id instead of no rule\n"
                "g.yaml:3: c: finding not expected: id: flag: empty\n",
                "");
}

static void test_wrong_files(void **state)
{
    (void)state;
    expect_told(
        "    elements: { Patient: x }\n    expect: { outcome: pass, edits: { InstitutionName: New } }\n", 0,
        "",
        "g.yaml:4:17: cases[1].elements.Patient: not an element; allowed: a keyword of PS3.6, (gggg,eeee), "
        "Sequence[0].Element\n");
    expect_told(
        "    elements: { PatientName: Müller }\n    expect: { outcome: pass }\n", 0, "",
        "g.yaml:4:30: cases[1].elements.PatientName: not a value; allowed: text in the case's character set, "
        "or { hex: \"41 42\" }\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees),
        cmocka_unit_test(test_archive),
        cmocka_unit_test(test_differs),
        cmocka_unit_test(test_wrong_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
