// SPDX-License-Identifier: Apache-2.0
//
// What must not load: each mistake with its file, line and column. Rules begin in line 5 of these packs.
#include "pack_text.h"

#define HEAD       "pack: p\nversion: 1\ndescription: d\nrules:\n"
#define RULE(rest) HEAD "  - rule: a\n" rest "\n"
#define DO(step)   RULE("    do: [ " step " ]")
#define WHEN(test) RULE("    when: " test "\n    do: [ { flag: x } ]")

static const struct pack_table tables[] = {
    {"good.csv", "found,name\na,b\n"},
    {"long.csv", "found,name\na,b\nc,12345678901234567\n"},
    {"bad.csv", "found,name\na,\"b\n"},
    {NULL, NULL},
};

static void expect_refused(const char *text, const char *expected)
{
    struct rules_library *library;
    struct conf_errors errors;
    conf_errors_init(&errors);
    assert_int_equal(rules_library_new(&library), OK);
    assert_int_equal(pack_add(library, text, tables, &errors), ERR_FORMAT);
    conf_errors_sort(&errors);
    assert_errors(&errors, expected);
    assert_int_equal(rules_library_count(library), 0);
    conf_errors_fini(&errors);
    rules_library_free(library);
}

static void expect_accepted(const char *text)
{
    struct rules_library *library;
    struct conf_errors errors;
    conf_errors_init(&errors);
    assert_int_equal(rules_library_new(&library), OK);
    enum result result = pack_add(library, text, tables, &errors);
    assert_errors(&errors, "");
    assert_int_equal(result, OK);
    conf_errors_fini(&errors);
    rules_library_free(library);
}

// ---- targets ----

static void expect_target_refused(const char *element)
{
    char text[512];
    char place[64];
    struct rules_library *library;
    struct conf_errors errors;
    conf_errors_init(&errors);
    assert_true((size_t)snprintf(text, sizeof text, DO("{ remove: \"%s\" }"), element) < sizeof text);
    assert_int_equal(rules_library_new(&library), OK);
    assert_int_equal(pack_add(library, text, NULL, &errors), ERR_FORMAT);
    (void)snprintf(place, sizeof place, "p.yaml:6:21: rules[1].do[1].remove: ");
    assert_int_equal(errors.count, 1);
    if (strncmp(errors.item[0].text, place, strlen(place)) != 0)
        fail_msg("%s", errors.item[0].text);
    assert_non_null(strstr(errors.item[0].text, "can not be written"));
    conf_errors_fini(&errors);
    rules_library_free(library);
}

static void test_targets(void **state)
{
    (void)state;
    static const char *const refused[] = {"SOPInstanceUID",
                                          "SeriesInstanceUID",
                                          "StudyInstanceUID",
                                          "SOPClassUID",
                                          "(0008,0018)",
                                          "RequestAttributesSequence[0].StudyInstanceUID",
                                          "PixelData",
                                          "FloatPixelData",
                                          "DoubleFloatPixelData",
                                          "IconImageSequence[0].PixelData",
                                          "SpecificCharacterSet",
                                          "(0010,0000)",
                                          "DataSetTrailingPadding"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        expect_target_refused(refused[i]);
}

static void test_unknown_elements(void **state)
{
    (void)state;
    expect_refused(
        DO("{ trim: PatientNmae }"),
        "p.yaml:6:19: rules[1].do[1].trim: there is no element `PatientNmae`; allowed: a keyword of "
        "PS3.6 or (gggg,eeee), in items: Sequence[0].Element\n");
    expect_refused(DO("{ trim: \"(0010,002)\" }"),
                   "p.yaml:6:19: rules[1].do[1].trim: `(0010,002)` is not the path of an element; allowed: a "
                   "keyword of PS3.6 or (gggg,eeee), in items: Sequence[0].Element\n");
    expect_refused(DO("{ trim: \"(0010,9999)\" }"),
                   "p.yaml:6:19: rules[1].do[1].trim: (0010,9999) can not be "
                   "written: it is not an element of PS3.6\n");
    expect_refused(
        WHEN("{ element: RequestAttributesSequence, equals: x }"),
        "p.yaml:6:22: rules[1].when.element: RequestAttributesSequence can not be looked at: it has no "
        "values that a rule could read or write\n");
    expect_refused(
        DO("{ trim: \"(0019,\\\"ACME\\\",10)\" }"),
        "p.yaml:6:11: rules[1].do[1]: the VR of a private element is not known; allowed: `vr:` and a "
        "VR of text or numbers, such as LO\n");
    expect_accepted(DO("{ set: \"(0019,\\\"ACME\\\",10)\", to: x, vr: LO }"));
    expect_refused(
        DO("{ trim: PatientID, vr: SH }"),
        "p.yaml:6:30: rules[1].do[1].vr: the VR of PatientID is known; allowed: for private elements "
        "alone\n");
}

// ---- values ----

static void test_values(void **state)
{
    (void)state;
    expect_refused(
        DO("{ set: PatientSex, to: male }"),
        "p.yaml:6:34: rules[1].do[1].to: `male` is no value for PatientSex; allowed: at most 16 of "
        "A-Z, 0-9, space and _ (CS)\n");
    expect_refused(
        DO("{ set: StudyDate, to: 2020-01-02 }"),
        "p.yaml:6:33: rules[1].do[1].to: `2020-01-02` is no value for StudyDate; allowed: YYYYMMDD "
        "(DA)\n");
    expect_refused(DO("{ set-if-empty: AccessionNumber, to: \"12345678901234567\" }"),
                   "p.yaml:6:48: rules[1].do[1].to: `12345678901234567` is no value for AccessionNumber; "
                   "allowed: at most 16 characters (SH)\n");
    expect_refused(DO("{ set: Rows, to: 70000 }"), "p.yaml:6:28: rules[1].do[1].to: `70000` is no value for "
                                                   "Rows; allowed: 0 to 65535 (US)\n");
    expect_refused(DO("{ set: PatientID }"),
                   "p.yaml:6:11: rules[1].do[1].to: missing; allowed: a value, or a list of values\n");
    expect_accepted(DO("{ set: ImageType, to: [DERIVED, SECONDARY] }"));
    expect_accepted(DO("{ set: Rows, to: 512 }"));
}

// ---- tables ----

#define TABLE(file)                                                                                          \
    "pack: p\nversion: 1\ndescription: d\ntables:\n  t: { file: " file ", from: found, to: name }\nrules:\n" \
    "  - { rule: a, do: [ { map: AccessionNumber, table: t } ] }\n"

static void test_tables(void **state)
{
    (void)state;
    expect_accepted(TABLE("good.csv"));
    expect_refused(TABLE("none.csv"),
                   "p.yaml:5:14: tables.t.file: the table can not be read: none.csv: not found\n");
    expect_refused(TABLE("bad.csv"), "bad.csv:2:5: the quotes are not closed in this line\n");
    expect_refused(TABLE("long.csv"),
                   "long.csv:3:3: no value for AccessionNumber; allowed: at most 16 characters (SH)\n");
    expect_refused(
        DO("{ map: PatientID, table: other }"),
        "p.yaml:6:36: rules[1].do[1].table: there is no table `other`; allowed: a table of this pack\n");
}

// ---- expressions ----

static void test_expressions(void **state)
{
    (void)state;
    expect_refused(
        WHEN("{ element: PatientID, matches: \"(a\" }"),
        "p.yaml:6:42: rules[1].when.matches: not a regular expression: missing closing parenthesis, "
        "at byte 2 of it\n");
    expect_refused(
        WHEN("{ calling: { matches: \"[a\" } }"),
        "p.yaml:6:33: rules[1].when.calling.matches: not a regular expression: missing terminating ] "
        "for character class, at byte 2 of it\n");
    expect_refused(
        DO("{ replace: PatientID, pattern: \"(a)\", with: \"$2\" }"),
        "p.yaml:6:55: rules[1].do[1].with: the expression has no group 2; allowed: $1, ${name}; $$ "
        "for a dollar sign\n");
    expect_refused(DO("{ replace: PatientID, pattern: \"a\" }"),
                   "p.yaml:6:11: rules[1].do[1].with: missing; allowed: a text, which may be empty\n");
    expect_accepted(DO("{ replace: PatientID, pattern: \"a\", with: \"\" }"));
}

// ---- rules that can never match ----

static void expect_never(const char *when)
{
    char text[1024];
    assert_true((size_t)snprintf(text, sizeof text, WHEN("%s"), when) < sizeof text);
    expect_refused(text, "p.yaml:6:5: rules[1].when: can never match: its conditions exclude each other\n");
}

static void test_never(void **state)
{
    (void)state;
    expect_never("[ { archive: old }, { archive: [new, newer] } ]");
    expect_never("[ { calling: CT1 }, { none: [ { calling: [CT1, CT2] } ] } ]");
    expect_never("[ { element: PatientID, exists: no }, { element: PatientID, equals: x } ]");
    expect_never("[ { element: PatientID, exists: no }, { element: PatientID, empty: yes } ]");
    expect_never("[ { element: PatientID, empty: yes }, { element: PatientID, matches: x } ]");
    expect_never("{ all: [ { element: PatientID, exists: yes }, { element: PatientID, exists: no } ] }");
    expect_never("[ { element: PatientID, equals: a }, { none: [ { element: PatientID, equals: a } ] } ]");
    expect_never("[ { any: [ { archive: a } ] }, { all: [ { archive: b } ] } ]");
    expect_never("{ any: [ { all: [ { phase: a }, { phase: b } ] } ] }");
    expect_never("{ none: [ { none: [ { all: [ { archive: a }, { archive: b } ] } ] } ] }");
    expect_accepted(WHEN("[ { any: [ { archive: a }, { archive: b } ] }, { archive: b } ]"));
    // ImageType has several values: both may hold.
    expect_accepted(WHEN("[ { element: ImageType, equals: A }, { element: ImageType, equals: B } ]"));
    // One item may be empty and another one not.
    expect_accepted(WHEN("[ { element: \"ProcedureCodeSequence[*].CodeValue\", empty: yes },"
                         " { element: \"ProcedureCodeSequence[*].CodeValue\", empty: no } ]"));
    expect_refused(WHEN("{ element: PatientID, in: [] }"),
                   "p.yaml:6:37: rules[1].when.in: can never match: no values; allowed: a value or a list of "
                   "values\n");
    expect_refused(WHEN("{ element: SliceThickness, number: { from: 3, to: 1 } }"),
                   "p.yaml:6:46: rules[1].when.number: can never match: `from` is greater than `to`\n");
    expect_refused(WHEN("{ calling: THIS_TITLE_IS_TOO_LONG }"),
                   "p.yaml:6:22: rules[1].when.calling: can never match; allowed: 1 to 16 characters (AE)\n");
    expect_refused(
        WHEN("{ sop-class: CT }"),
        "p.yaml:6:24: rules[1].when.sop-class: can never match; allowed: at most 64 digits and dots, "
        "no part with a leading zero (UI)\n");
}

// ---- shapes ----

static void test_shapes(void **state)
{
    (void)state;
    expect_refused("pack: p\nversion: 1\ndescription: d\n",
                   "p.yaml:1:1: no list `rules`; allowed: a list of 1 to 512 rules\n");
    expect_refused(
        "pack: p q\nversion: 1\ndescription: d\nextra: 1\nrules: [ { rule: a, do: [ { flag: x } ] } ]\n",
        "p.yaml:1:7: pack: `p q`; allowed: letters, digits, `.`, `-` and `_`\n"
        "p.yaml:4:1: extra: unknown key\n");
    expect_refused(RULE("    do: [ { flag: x } ]\n  - rule: a\n    do: [ { flag: x } ]"),
                   "p.yaml:7:11: rules[2].rule: given twice, first in line 5; allowed: once\n");
    expect_refused(RULE("    when: { element: PatientID }\n    do: [ { flag: x } ]"),
                   "p.yaml:6:11: rules[1].when: no test; allowed: one of exists, empty, equals, in, matches, "
                   "number, date\n");
    expect_refused(DO("{ set: PatientID, to: x, from: y }"),
                   "p.yaml:6:36: rules[1].do[1].from: `set` does not take this\n");
    expect_refused(RULE("    do: []"),
                   "p.yaml:6:9: rules[1].do: nothing to do; allowed: a list of actions and checks\n");
    expect_refused(DO("{ require: PatientID, type: 3 }"),
                   "p.yaml:6:39: rules[1].do[1].type: `3`; allowed: 1, 2\n");
    expect_refused(
        DO("{ date-format: PatientID }"),
        "p.yaml:6:13: rules[1].do[1].date-format: PatientID is none; allowed: elements of VR DA, TM or "
        "DT\n");
    expect_refused(DO("{ date-format: StudyDate, normalise: [YY.MM.DD] }"),
                   "p.yaml:6:49: rules[1].do[1].normalise[1]: `YY.MM.DD` is not a way to write StudyDate; "
                   "allowed: such as MM/DD/YYYY\n");
    expect_refused(
        WHEN("{ address: [10.0.0.0/8, nowhere] }"),
        "p.yaml:6:35: rules[1].when.address[2]: `nowhere` is not an address; allowed: an address or "
        "range such as 10.1.0.0/16\n");
}

static void test_not_yaml(void **state)
{
    (void)state;
    expect_refused("pack: [1\n", "p.yaml:2:1: pack: not right as YAML: did not find expected ',' or ']'\n");
    expect_refused("pack: \xFF\n",
                   "p.yaml: not text at byte 6: invalid leading UTF-8 octet; allowed: UTF-8 text\n");
}

// ---- order ----

static void expect_order(const char *rules, const char *expected)
{
    char text[2048];
    struct rules_library *library;
    struct rules_program *program = NULL;
    struct conf_errors errors;
    const char *packs[] = {"p"};
    struct rules_setting setting = {.archive = "new", .packs = packs, .pack_count = 1};
    conf_errors_init(&errors);
    assert_true((size_t)snprintf(text, sizeof text, HEAD "%s", rules) < sizeof text);
    assert_int_equal(rules_library_new(&library), OK);
    assert_int_equal(pack_add(library, text, NULL, &errors), OK);
    enum result result = rules_program_new(library, &setting, &errors, &program);
    assert_errors(&errors, expected);
    assert_int_equal(result, expected[0] == 0 ? OK : ERR_FORMAT);
    rules_program_free(program);
    conf_errors_fini(&errors);
    rules_library_free(library);
}

#define WRITER(name, element, rest) "  - { rule: " name ", do: [ { trim: \"" element "\" } ]" rest " }\n"

static void test_order(void **state)
{
    (void)state;
    expect_order(WRITER("a", "PatientID", "") WRITER("b", "PatientName", ""), "");
    expect_order(
        WRITER("a", "PatientID", "") WRITER("b", "(0010,0020)", ""),
        "p.yaml:6:5: b: writes PatientID, as `a` does, and does not say that it comes after; allowed: "
        "after: a\n");
    expect_order(WRITER("a", "PatientID", "") WRITER("b", "PatientID", ", after: a"), "");
    // b is after a, c after b: that is an order of all three.
    expect_order(WRITER("a", "PatientID", "") WRITER("b", "PatientID", ", after: a")
                     WRITER("c", "PatientID", ", after: [b]"),
                 "");
    expect_order(WRITER("a", "PatientID", ", after: b") WRITER("b", "PatientName", ""),
                 "p.yaml:5:5: a: is after `b`, which does not stand before it\n");
    expect_order(
        WRITER("a", "PatientID", ", after: z"),
        "p.yaml:5:5: a: is after `z`, which there is not; allowed: a rule of this pack, or PACK/RULE\n");
    expect_order(
        WRITER("a", "RequestAttributesSequence[0].AccessionNumber", "")
            WRITER("b", "RequestAttributesSequence[*].AccessionNumber", ""),
        "p.yaml:6:5: b: writes RequestAttributesSequence[*].AccessionNumber, as `a` does, and does not "
        "say that it comes after; allowed: after: a\n");
    expect_order(
        "  - { rule: a, do: [ { remove: RequestAttributesSequence } ] }\n" WRITER(
            "b", "RequestAttributesSequence[0].AccessionNumber", ""),
        "p.yaml:6:5: b: writes RequestAttributesSequence[0].AccessionNumber, as `a` does, and does not "
        "say that it comes after; allowed: after: a\n");
    // They can not both run.
    expect_order(WRITER("a", "PatientID", ", when: { calling: CT1 }")
                     WRITER("b", "PatientID", ", when: { calling: [CT2, CT3] }"),
                 "");
    // They can: the first may have written what the second looks for.
    expect_order(
        WRITER("a", "PatientID", ", when: { element: Modality, exists: yes }")
            WRITER("b", "PatientID", ", when: { element: Modality, exists: no }"),
        "p.yaml:6:5: b: writes PatientID, as `a` does, and does not say that it comes after; allowed: "
        "after: a\n");
}

// ---- one private element, one name ----

#define NAMES(when, step)                                                                                    \
    "  - { rule: a, when: { element: '" when "', exists: yes }, do: [ { " step " } ] }\n"

static void test_names(void **state)
{
    (void)state;
    expect_order(
        NAMES("(0029,1010)", "trim: '(0029,\"A\",10)', vr: LO"),
        "p.yaml:5:69: (0029,\"A\",10) can be the same private element as (0029,1010), which is looked at "
        "too: name it one way\n");
    expect_order(
        WRITER("a", "PatientID", "") "  - rule: b\n    when:\n      any:\n"
                                     "        - { element: '(0029,\"A\",10)[0].PatientID', exists: yes }\n"
                                     "        - { element: '(0029,1010)[1].PatientName', exists: yes }\n"
                                     "    do: [ { flag: x } ]\n",
        "p.yaml:10:11: (0029,1010)[1].PatientName can be the same private element as "
        "(0029,\"A\",10), which is looked at too: name it one way\n");
    // Other elements, another group, the creator itself.
    expect_order(NAMES("(0029,1011)", "trim: '(0029,\"A\",10)', vr: LO"), "");
    expect_order(NAMES("(0031,1010)", "trim: '(0029,\"A\",10)', vr: LO"), "");
    expect_order(NAMES("(0029,0010)", "trim: '(0029,\"A\",10)', vr: LO"), "");
    expect_order(NAMES("(0029,\"B\",10)", "trim: '(0029,\"A\",10)', vr: LO"), "");
    expect_order(NAMES("RequestAttributesSequence[0].(0029,1010)", "trim: '(0029,\"A\",10)', vr: LO"), "");
}

static void test_packs_and_names(void **state)
{
    struct rules_library *library;
    struct rules_program *program = NULL;
    struct conf_errors errors;
    const char *packs[] = {"p", "q", "p"};
    const char *archives[] = {"old", "new"};
    struct rules_setting setting = {.archive = "new", .packs = packs, .pack_count = 3};
    (void)state;
    conf_errors_init(&errors);
    assert_int_equal(rules_library_new(&library), OK);
    assert_int_equal(pack_add(library, WHEN("{ archive: [new, nwe] }"), NULL, &errors), OK);
    assert_int_equal(pack_add(library, WHEN("{ archive: new }"), NULL, &errors), ERR_FORMAT);
    assert_int_equal(rules_program_new(library, &setting, &errors, &program), ERR_FORMAT);
    rules_library_check_names(library, archives, 2, NULL, 0, &errors);
    assert_errors(&errors, "p.yaml:1:7: pack: there is a pack of this name already, in p.yaml\n"
                           "archive new: there is no pack `q`\n"
                           "archive new: pack `p` is named twice\n"
                           "p.yaml:6:11: can never match: there is no archive `nwe`\n");
    conf_errors_fini(&errors);
    rules_library_free(library);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),         cmocka_unit_test(test_unknown_elements),
        cmocka_unit_test(test_values),          cmocka_unit_test(test_tables),
        cmocka_unit_test(test_expressions),     cmocka_unit_test(test_never),
        cmocka_unit_test(test_shapes),          cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_order),           cmocka_unit_test(test_names),
        cmocka_unit_test(test_packs_and_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
