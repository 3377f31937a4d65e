// SPDX-License-Identifier: Apache-2.0
//
// Rules on instances: which conditions hold, what actions write, what checks find, and that a rule which can
// not be applied holds the instance and changes nothing. Expectations are from docs/rules.md.
#include "instance.h"

#define HEAD       "pack: p\nversion: 1\ndescription: d\nrules:\n"
#define WHEN(when) HEAD "  - { rule: a, when: " when ", do: [ { flag: x } ] }\n"
#define DO(step)   HEAD "  - { rule: a, do: [ " step " ] }\n"

// ---- conditions ----

static void expect_holds(const char *when, const char *elements, const struct rules_facts *facts, bool holds)
{
    char pack[1024];
    struct instance *instance = calloc(1, sizeof *instance);
    assert_non_null(instance);
    assert_true((size_t)snprintf(pack, sizeof pack, WHEN("%s"), when) < sizeof pack);
    instance_new(instance, pack, NULL);
    const struct rules_verdict *verdict = instance_run(instance, elements, facts);
    if (verdict->outcome != (holds ? RULES_FLAG : RULES_PASS))
        fail_msg("%s on %s: %s", when, elements, rules_outcome_text(verdict->outcome));
    instance_free(instance);
    free(instance);
}

static void test_elements(void **state)
{
    static const struct {
        const char *when;
        const char *elements;
        bool holds;
    } cases[] = {
        {"{ element: PatientID, exists: yes }", "{ PatientID: x }", true},
        {"{ element: PatientID, exists: yes }", "{ PatientID: '' }", true},
        {"{ element: PatientID, exists: yes }", "{ Modality: CT }", false},
        {"{ element: PatientID, exists: no }", "{ Modality: CT }", true},
        {"{ element: PatientID, empty: yes }", "{ PatientID: '' }", true},
        {"{ element: PatientID, empty: yes }", "{ PatientID: '   ' }", true},
        {"{ element: PatientID, empty: yes }", "{ Modality: CT }", false},
        {"{ element: PatientID, empty: no }", "{ Modality: CT }", false},
        {"{ element: PatientID, empty: no }", "{ PatientID: x }", true},
        {"{ element: PatientID, equals: x }", "{ PatientID: x }", true},
        {"{ element: PatientID, equals: x }", "{ PatientID: ' x ' }", true},
        {"{ element: PatientID, equals: x }", "{ PatientID: X }", false},
        {"{ element: PatientID, equals: x, ignore-case: yes }", "{ PatientID: X }", true},
        {"{ element: PatientID, in: [a, b] }", "{ PatientID: b }", true},
        {"{ element: PatientID, in: [a, b] }", "{ PatientID: c }", false},
        {"{ element: ImageType, equals: PRIMARY }", "{ ImageType: 'ORIGINAL\\PRIMARY' }", true},
        {"{ element: ImageType, equals: 'ORIGINAL\\PRIMARY' }", "{ ImageType: 'ORIGINAL\\PRIMARY' }", false},
        {"{ element: PatientName, equals: MULLER^EVA, ignore-case: yes }",
         "{ SpecificCharacterSet: ISO_IR 100, PatientName: Müller^Eva }", true},
        {"{ element: PatientName, equals: Müller }",
         "{ SpecificCharacterSet: ISO_IR 192, PatientName: Müller }", true},
        {"{ element: PatientName, matches: '^M.ller$' }",
         "{ SpecificCharacterSet: ISO_IR 100, PatientName: Müller }", true},
        {"{ element: PatientID, matches: '^$' }", "{ PatientID: '' }", false},
        {"{ element: PatientID, matches: 'b', ignore-case: yes }", "{ PatientID: ABC }", true},
        {"{ element: PatientID, matches: 'b' }", "{ PatientID: ABC }", false},
        {"{ element: SliceThickness, number: { from: 1, to: 2.5 } }", "{ SliceThickness: '2.50' }", true},
        {"{ element: SliceThickness, number: { from: 1, to: 2.5 } }", "{ SliceThickness: '2.51' }", false},
        {"{ element: SliceThickness, number: { from: 1 } }", "{ SliceThickness: thick }", false},
        {"{ element: Rows, number: { from: 512, to: 512 } }", "{ Rows: '512' }", true},
        {"{ element: Rows, equals: '512' }", "{ Rows: '512' }", true},
        {"{ element: StudyDate, date: { from: '20200101', to: '20201231' } }", "{ StudyDate: '20201231' }",
         true},
        {"{ element: StudyDate, date: { to: '20201231' } }", "{ StudyDate: '20210101' }", false},
        {"{ element: StudyDate, date: { to: '20201231' } }", "{ StudyDate: 2020.01.01 }", false},
        {"{ element: 'ProcedureCodeSequence[*].CodeValue', equals: B }",
         "{ 'ProcedureCodeSequence[0].CodeValue': A, 'ProcedureCodeSequence[1].CodeValue': B }", true},
        {"{ element: 'ProcedureCodeSequence[0].CodeValue', equals: B }",
         "{ 'ProcedureCodeSequence[0].CodeValue': A, 'ProcedureCodeSequence[1].CodeValue': B }", false},
        {"{ element: ProcedureCodeSequence, exists: yes }", "{ ProcedureCodeSequence: '' }", true},
        {"{ element: ProcedureCodeSequence, empty: yes }", "{ ProcedureCodeSequence: '' }", true},
        {"{ element: ProcedureCodeSequence, empty: no }", "{ 'ProcedureCodeSequence[0].CodeValue': A }",
         true},
        {"{ element: '(0019,\"ACME\",10)', equals: x }", "{ '(0019,\"ACME\",10)': x }", true},
        {"{ element: '(0019,\"ACME\",10)', equals: x }", "{ '(0019,\"OTHER\",10)': x }", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_holds(cases[i].when, cases[i].elements, NULL, cases[i].holds);
}

// all, any, none of two conditions a and b, written out.
static void test_groups(void **state)
{
    static const struct {
        const char *elements;
        bool all, any, none;
    } table[] = {
        {"{ Modality: CT }", false, false, true},
        {"{ PatientID: x }", false, true, false},
        {"{ PatientName: x }", false, true, false},
        {"{ PatientID: x, PatientName: x }", true, true, false},
    };
#define TWO "{ element: PatientID, equals: x }, { element: PatientName, equals: x }"
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        expect_holds("{ all: [ " TWO " ] }", table[i].elements, NULL, table[i].all);
        expect_holds("[ " TWO " ]", table[i].elements, NULL, table[i].all);
        expect_holds("{ any: [ " TWO " ] }", table[i].elements, NULL, table[i].any);
        expect_holds("{ none: [ " TWO " ] }", table[i].elements, NULL, table[i].none);
        expect_holds("{ none: [ { none: [ " TWO " ] } ] }", table[i].elements, NULL, table[i].any);
    }
}

static void test_facts(void **state)
{
    struct rules_facts facts = {.calling = slice_of_text("CT1 "),
                                .called = slice_of_text("OLDPACS"),
                                .address = slice_of_text("10.1.2.3"),
                                .certificate_subject = slice_of_text("CN=ct1"),
                                .phase = slice_of_text("coexist"),
                                .sop_class = slice_of("1.2.840.10008.5.1.4.1.1.2\0", 26),
                                .transfer_syntax = slice_of_text("1.2.840.10008.1.2.1")};
    static const struct {
        const char *when;
        bool holds;
    } cases[] = {
        {"{ calling: [CT0, CT1] }", true},
        {"{ calling: ct1 }", false},
        {"{ calling: { matches: '^CT[0-9]$' } }", true},
        {"{ called: CT1 }", false},
        {"{ address: 10.1.0.0/16 }", true},
        {"{ address: '::ffff:10.1.0.0/112' }", true},
        {"{ address: '::ffff:10.2.0.0/112' }", false},
        {"{ address: [10.2.0.0/16, 10.1.2.3] }", true},
        {"{ address: [10.2.0.0/16, 'fe80::/10'] }", false},
        {"{ certificate-subject: CN=ct1 }", true},
        {"{ certificate-fingerprint: ab }", false},
        {"{ archive: new }", true},
        {"{ archive: old }", false},
        {"{ phase: coexist }", true},
        {"{ sop-class: 1.2.840.10008.5.1.4.1.1.2 }", true},
        {"{ transfer-syntax: 1.2.840.10008.1.2 }", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_holds(cases[i].when, "{ Modality: CT }", &facts, cases[i].holds);
}

// ---- actions ----

// `expected`: "PATH=VALUE;" for each change in order, "PATH-;" for removals; then the outcome.
static void expect_made(const char *pack, const char *elements, const char *expected)
{
    static const struct pack_table tables[] = {
        {"t.csv", "found,name\nge,GE\nsiemens ag,SIEMENS\n"},
        {NULL, NULL},
    };
    char made[2048] = "";
    struct instance *instance = calloc(1, sizeof *instance);
    assert_non_null(instance);
    instance_new(instance, pack, tables);
    const struct rules_verdict *verdict = instance_run(instance, elements, NULL);
    for (size_t i = 0; i < verdict->change_count; i++) {
        const struct rules_change *change = &verdict->change[i];
        char path[DCM_PATH_TEXT_SIZE];
        dcm_path_print(change->path, path);
        size_t used = strlen(made);
        (void)snprintf(made + used, sizeof made - used, "%s%s%.*s;", path, change->is_removed ? "-" : "=",
                       (int)change->after.length, (const char *)change->after.data);
    }
    for (size_t i = 0; i < verdict->finding_count; i++) {
        const struct rules_finding *finding = &verdict->finding[i];
        size_t used = strlen(made);
        (void)snprintf(made + used, sizeof made - used, "[%s %s%s%s]", rules_outcome_text(finding->outcome),
                       finding->element != NULL ? finding->element : "", finding->element != NULL ? ": " : "",
                       finding->reason);
    }
    assert_string_equal(made, expected);
    instance_free(instance);
    free(instance);
}

static void test_set_and_remove(void **state)
{
    (void)state;
    expect_made(DO("{ set: PatientID, to: new }"), "{ PatientID: old }", "PatientID=new;");
    expect_made(DO("{ set: PatientID, to: new }"), "{ Modality: CT }", "PatientID=new;");
    expect_made(DO("{ set: PatientID, to: same }"), "{ PatientID: same }", "");
    expect_made(DO("{ set-if-empty: PatientID, to: new }"), "{ PatientID: old }", "");
    expect_made(DO("{ set-if-empty: PatientID, to: new }"), "{ PatientID: ' ' }", "PatientID=new;");
    expect_made(DO("{ set-if-empty: PatientID, to: new }"), "{ Modality: CT }", "PatientID=new;");
    expect_made(DO("{ set: ImageType, to: [DERIVED, PRIMARY] }"), "{ Modality: CT }",
                "ImageType=DERIVED\\PRIMARY;");
    expect_made(DO("{ set: 'ProcedureCodeSequence[*].CodeMeaning', to: m }"),
                "{ 'ProcedureCodeSequence[0].CodeValue': A, 'ProcedureCodeSequence[1].CodeMeaning': m,"
                " 'ProcedureCodeSequence[2].CodeMeaning': n }",
                "ProcedureCodeSequence[2].CodeMeaning=m;ProcedureCodeSequence[0].CodeMeaning=m;");
    expect_made(DO("{ set: 'ProcedureCodeSequence[*].CodeMeaning', to: m }"), "{ Modality: CT }", "");
#define OUTER "RequestAttributesSequence"
#define INNER "RequestedProcedureCodeSequence"
    expect_made(DO("{ set: '" OUTER "[*]." INNER "[*].CodeMeaning', to: m }"),
                "{ '" OUTER "[0]." INNER "[0].CodeValue': A, '" OUTER "[1].AccessionNumber': x, '" OUTER
                "[2]." INNER "[0].CodeValue': B, '" OUTER "[2]." INNER "[1].CodeMeaning': n }",
                OUTER "[2]." INNER "[1].CodeMeaning=m;" OUTER "[0]." INNER "[0].CodeMeaning=m;" OUTER
                      "[2]." INNER "[0].CodeMeaning=m;");
    expect_made(DO("{ set: 'ProcedureCodeSequence[0].CodeMeaning', to: m }"), "{ Modality: CT }",
                "ProcedureCodeSequence[0].CodeMeaning=m;");
    expect_made(DO("{ set: 'ProcedureCodeSequence[2].CodeMeaning', to: m }"),
                "{ 'ProcedureCodeSequence[0].CodeValue': A }", "");
    expect_made(DO("{ remove: [PatientComments, PatientID] }"), "{ PatientID: x }", "PatientID-;");
    expect_made(DO("{ remove: ProcedureCodeSequence }"), "{ 'ProcedureCodeSequence[0].CodeValue': A }",
                "ProcedureCodeSequence-;");
}

static void test_rewriting(void **state)
{
    (void)state;
    expect_made(DO("{ replace: AccessionNumber, pattern: '^0*(\\d+)$', with: 'H1-$1' }"),
                "{ AccessionNumber: '00123' }", "AccessionNumber=H1-123;");
    expect_made(DO("{ replace: OtherPatientIDs, pattern: a, with: b }"), "{ OtherPatientIDs: 'xax\\ y\\aa' }",
                "OtherPatientIDs=xbx\\ y\\bb;");
    expect_made(DO("{ case: PatientName, to: upper }"),
                "{ SpecificCharacterSet: ISO_IR 100, PatientName: Müller^eva }", "PatientName=MÜLLER^EVA;");
    expect_made(DO("{ case: PatientName, to: lower }"), "{ PatientName: '' }", "");
    expect_made(DO("{ trim: StudyDescription }"), "{ StudyDescription: '  CT  x  ' }",
                "StudyDescription=CT  x;");
    expect_made(DO("{ trim: StudyDescription }"), "{ StudyDescription: 'CT    ' }", "StudyDescription=CT;");
    expect_made(DO("{ trim: StudyDescription }"), "{ StudyDescription: 'CT1 ' }", "");
    expect_made(DO("{ pad: AccessionNumber, to: 5, with: '0' }"), "{ AccessionNumber: '12' }",
                "AccessionNumber=00012;");
    expect_made(DO("{ pad: AccessionNumber, to: 2, with: '0' }"), "{ AccessionNumber: '123' }", "");
    expect_made(DO("{ truncate: AccessionNumber }"), "{ AccessionNumber: '12345678901234567890' }",
                "AccessionNumber=1234567890123456;");
    expect_made(DO("{ copy: AccessionNumber, from: 'RequestAttributesSequence[0].AccessionNumber' }"),
                "{ 'RequestAttributesSequence[0].AccessionNumber': A1 }", "AccessionNumber=A1;");
    expect_made(DO("{ copy: AccessionNumber, from: StudyID, missing: hold }"), "{ AccessionNumber: x }",
                "[hold StudyID: nothing to copy]");
    expect_made(DO("{ copy: AccessionNumber, from: StudyID }"), "{ AccessionNumber: x }", "");
}

#define TABLE(unmapped)                                                                                      \
    "pack: p\nversion: 1\ndescription: d\n"                                                                  \
    "tables: { t: { file: t.csv, from: found, to: name, ignore-case: yes } }\n"                              \
    "rules: [ { rule: a, do: [ { map: Manufacturer, table: t, unmapped: " unmapped " } ] } ]\n"

static void test_map(void **state)
{
    (void)state;
    expect_made(TABLE("keep"), "{ Manufacturer: Siemens  AG }", "Manufacturer=SIEMENS;");
    expect_made(TABLE("hold"), "{ Manufacturer: GE }", "");
    expect_made(TABLE("keep"), "{ Manufacturer: ACME }", "");
    expect_made(TABLE("flag"), "{ Manufacturer: ACME }", "[flag Manufacturer: not in the table]");
    expect_made(TABLE("hold"), "{ Manufacturer: ACME }", "[hold Manufacturer: not in the table]");
    expect_made(TABLE("hold"), "{ Manufacturer: '' }", "");
    expect_made(TABLE("reject"), "{ Manufacturer: ACME }", "[hold Manufacturer: not in the table]");
}

// Rules see what earlier ones have written.
static void test_order(void **state)
{
    (void)state;
    expect_made(HEAD "  - { rule: a, do: [ { set: PatientID, to: b } ] }\n"
                     "  - { rule: b, after: a, when: { element: PatientID, equals: b },"
                     " do: [ { replace: PatientID, pattern: b, with: c } ] }\n"
                     "  - { rule: c, when: { element: PatientID, equals: c }, do: [ { flag: seen } ] }\n",
                "{ PatientID: a }", "PatientID=b;PatientID=c;[flag seen]");
    expect_made(HEAD "  - { rule: a, do: [ { remove: ProcedureCodeSequence } ] }\n"
                     "  - { rule: b, when: { element: 'ProcedureCodeSequence[0].CodeValue', exists: no },"
                     " do: [ { flag: gone } ] }\n",
                "{ 'ProcedureCodeSequence[0].CodeValue': A }",
                "ProcedureCodeSequence-;ProcedureCodeSequence[0].CodeValue-;[flag gone]");
}

// ---- checks ----

static void test_checks(void **state)
{
    (void)state;
    expect_made(DO("{ require: [PatientName, PatientID], type: 2 }"), "{ PatientID: '' }",
                "[flag PatientName: missing (Type 2)]");
    expect_made(DO("{ require: [PatientName, PatientID], type: 1, outcome: hold }"), "{ PatientID: '' }",
                "[hold PatientName: missing (Type 1)][hold PatientID: empty (Type 1)]");
    expect_made(DO("{ require: 'ProcedureCodeSequence[*].CodeMeaning', type: 1 }"),
                "{ 'ProcedureCodeSequence[0].CodeValue': A }",
                "[flag ProcedureCodeSequence[*].CodeMeaning: missing (Type 1)]");
    expect_made(DO("{ date-format: [StudyDate, StudyTime] }"),
                "{ StudyDate: 2020.01.02, StudyTime: '10:20:30' }",
                "[flag StudyDate: written as YYYY.MM.DD][flag StudyTime: written as HH:MM:SS]");
    expect_made(DO("{ date-format: StudyDate, outcome: hold }"), "{ StudyDate: '***' }",
                "[hold StudyDate: not a date]");
    expect_made(DO("{ date-format: StudyDate }"), "{ StudyDate: '20200102' }", "");
    expect_made(DO("{ date-format: StudyDate, normalise: [MM/DD/YYYY] }"), "{ StudyDate: 12/31/1999 }",
                "StudyDate=19991231;");
    expect_made(DO("{ date-format: StudyDate, normalise: [MM/DD/YYYY] }"), "{ StudyDate: 31/12/1999 }",
                "[flag StudyDate: written as DD/MM/YYYY]");
    expect_made(DO("{ uid: [malformed, too-long] }"),
                "{ StudyInstanceUID: 1.02, SeriesInstanceUID: "
                "1.2.3456789012345678901234567890123456789012345678901234567890123456 }",
                "[flag StudyInstanceUID: not a UID][flag SeriesInstanceUID: longer than 64 characters]");
    expect_made(DO("{ burned-in: [yes, missing] }"), "{ BurnedInAnnotation: YES }",
                "[flag BurnedInAnnotation: says YES]");
    expect_made(DO("{ burned-in: [yes, missing] }"), "{ BurnedInAnnotation: NO }", "");
    expect_made(DO("{ burned-in: missing }"), "{ BurnedInAnnotation: YES }", "");
}

static void test_checks_of_facts(void **state)
{
    struct rules_facts facts = {.sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.7.2"),
                                .uid_has_other_digest = true,
                                .study_has_other_patient = true,
                                .may_reject = true};
    struct instance *instance = calloc(1, sizeof *instance);
    (void)state;
    instance_new(instance,
                 HEAD "  - { rule: a, do: [ { uid: [other-digest, other-patient], outcome: hold },"
                      " { burned-in: missing } ] }\n"
                      "  - { rule: b, when: { element: Modality, equals: OT }, do: [ { reject: no } ] }\n"
                      "  - { rule: c, do: [ { crosswalk: patient } ] }\n",
                 NULL);
    const struct rules_verdict *verdict = instance_run(instance, "{ Modality: CT }", &facts);
    assert_int_equal(verdict->outcome, RULES_HOLD);
    assert_int_equal(verdict->finding_count, 3);
    assert_string_equal(verdict->finding[2].reason, "missing on a secondary capture");
    assert_string_equal(verdict->crosswalk_rule, "c");
    verdict = instance_run(instance, "{ Modality: OT }", &facts);
    assert_int_equal(verdict->outcome, RULES_REJECT);
    facts.may_reject = false; // Success has been said
    verdict = instance_run(instance, "{ Modality: OT }", &facts);
    assert_int_equal(verdict->outcome, RULES_HOLD);
    instance_free(instance);
    free(instance);
}

// ---- what can not be applied ----

static void test_fail_closed(void **state)
{
    (void)state;
    // Nothing of the rule stays, and later rules see the instance as it came.
    expect_made(HEAD "  - { rule: a, do: [ { set: PatientID, to: new },"
                     " { replace: StudyID, pattern: x, with: 12345678901234567 } ] }\n"
                     "  - { rule: b, when: { element: PatientID, equals: old }, do: [ { flag: old } ] }\n",
                "{ PatientID: old, StudyID: x }",
                "[hold StudyID: the new value does not fit its VR][flag old]");
    expect_made(DO("{ set: PatientName, to: Müller }"), "{ PatientName: x }",
                "[hold PatientName: a character that the data set's character set does not have]");
    expect_made(DO("{ set: PatientName, to: 山田 }"), "{ SpecificCharacterSet: ISO_IR 100, PatientName: x }",
                "[hold PatientName: a character that the data set's character set does not have]");
    expect_made(DO("{ replace: PatientID, pattern: '^(a+)+$', with: b }"),
                "{ PatientID: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab }",
                "[hold PatientID: a regular expression met its limit]");
    expect_made(WHEN("{ element: PatientID, matches: '^(a+)+$' }"),
                "{ PatientID: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab }",
                "[hold PatientID: a regular expression met its limit]");
    expect_made(WHEN("{ element: PatientName, equals: x }"), "{ PatientName: { hex: 'E4 41' } }",
                "[hold PatientName: not text in the data set's character set]");
    expect_made(WHEN("{ element: PatientName, exists: no }"), "{ PatientName: { hex: 'E4 41' } }", "");
    expect_made(DO("{ copy: AccessionNumber, from: StudyDescription }"),
                "{ StudyDescription: longer than sixteen }",
                "[hold AccessionNumber: the copied value does not fit its VR]");
    expect_made(HEAD
                "  - { rule: a, do: [ { remove: ProcedureCodeSequence } ] }\n"
                "  - { rule: b, after: a, do: [ { set: 'ProcedureCodeSequence[0].CodeValue', to: A } ] }\n",
                "{ 'ProcedureCodeSequence[0].CodeValue': A }",
                "ProcedureCodeSequence-;ProcedureCodeSequence[0].CodeValue-;"
                "[hold ProcedureCodeSequence[0].CodeValue: stands in what another rule removes]");
}

static void test_on_error(void **state)
{
    (void)state;
    expect_made(HEAD "  - { rule: a, on-error: flag, do: [ { set: PatientName, to: Müller } ] }\n",
                "{ PatientName: x }",
                "[flag PatientName: a character that the data set's character set does not have]");
    expect_made("pack: p\nversion: 1\ndescription: d\non-error: flag\n"
                "rules: [ { rule: a, on-error: hold, do: [ { set: PatientName, to: Müller } ] } ]\n",
                "{ PatientName: x }",
                "[hold PatientName: a character that the data set's character set does not have]");
}

static void test_header_not_surveyed(void **state)
{
    struct instance *instance = calloc(1, sizeof *instance);
    struct rules_facts facts = {.may_reject = true};
    (void)state;
    instance_new(instance, DO("{ trim: PatientID }"), NULL);
    assert_int_equal(dcm_survey_begin(instance->survey, rules_program_interest(instance->program),
                                      slice_of_text("1.2.840.10008.1.2.1"), 0),
                     OK);
    rules_match_run(instance->match, instance->program, &facts, instance->survey, &instance->verdict);
    assert_int_equal(instance->verdict.outcome, RULES_HOLD);
    assert_int_equal(instance->verdict.edit_count, 0);
    instance_free(instance);
    free(instance);
}

// The VR of a rule that has failed is undone with it.
static void test_vr_undone(void **state)
{
    struct instance *instance = calloc(1, sizeof *instance);
    (void)state;
    instance_new(
        instance,
        HEAD "  - { rule: a, on-error: flag, do: [ { set: '(0019,\"ACME\",10)', to: '20200101', vr: DA }, "
             "{ set: PatientName, to: Müller } ] }\n"
             "  - { rule: b, after: a, do: [ { set: '(0019,\"ACME\",10)', to: x, vr: LO } ] }\n",
        NULL);
    const struct rules_verdict *verdict = instance_run(instance, "{ PatientName: x }", NULL);
    assert_int_equal(verdict->outcome, RULES_FLAG);
    assert_int_equal(verdict->edit_count, 1);
    assert_int_equal(verdict->edit[0].vr, DCM_VR_LO);
    instance_free(instance);
    free(instance);
}

static void expect_hidden(const char *pack, const char *data_set, size_t length, const char *reason)
{
    static const struct rules_facts facts;
    struct instance *instance = calloc(1, sizeof *instance);
    assert_non_null(instance);
    instance_new(instance, pack, NULL);
    memcpy(instance->bytes, data_set, length);
    instance->length = length;
    instance_survey(instance);
    rules_match_run(instance->match, instance->program, &facts, instance->survey, &instance->verdict);
    assert_int_equal(instance->verdict.outcome, reason != NULL ? RULES_HOLD : RULES_PASS);
    assert_int_equal(instance->verdict.edit_count, 0);
    if (reason != NULL)
        assert_string_equal(instance->verdict.finding[0].reason, reason);
    instance_free(instance);
    free(instance);
}

// A sequence in UN of defined length is not looked into: what a rule looks for may be there. Other Patient
// IDs Sequence (0010,1002).
static void test_hidden_in_un(void **state)
{
    static const char there[] = "\x10\0\x02\x10UN\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x10\0\x20\0\2\0\0\0"
                                "42";
    static const char empty[] = "\x10\0\x02\x10UN\0\0\0\0\0\0";
    static const char *const packs[] = {
        DO("{ remove: 'OtherPatientIDsSequence[*].PatientID' }"),
        DO("{ trim: 'OtherPatientIDsSequence[0].PatientID' }"),
        DO("{ copy: PatientID, from: 'OtherPatientIDsSequence[0].PatientID' }"),
        DO("{ remove: 'OtherPatientIDsSequence[0]' }"),
        WHEN("{ element: 'OtherPatientIDsSequence[*].PatientID', exists: yes }"),
        WHEN("{ element: 'OtherPatientIDsSequence[*].PatientID', equals: '42' }"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof packs / sizeof *packs; i++) {
        expect_hidden(packs[i], there, sizeof there - 1, "may be in a sequence that can not be looked into");
        expect_hidden(packs[i], empty, sizeof empty - 1, NULL);
    }
}

// Both occurrences would get what a rule makes of the first.
static void test_repeated(void **state)
{
    static const char twice[] = "\x10\0\x20\0LO\2\0"
                                "42"
                                "\x10\0\x20\0LO\2\0"
                                "43";
    // Request Attributes Sequence (0040,0275) twice, each with an item with an Accession Number.
    static const char in_twice[] = "\x40\0\x75\2SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x50\0SH\2\0"
                                   "42"
                                   "\x40\0\x75\2SQ\0\0\x12\0\0\0\xFE\xFF\0\xE0\x0A\0\0\0\x08\0\x50\0SH\2\0"
                                   "43";
    const char *reason = "stands more than once in one item";
    (void)state;
    expect_hidden(DO("{ replace: PatientID, pattern: 2, with: 5 }"), twice, sizeof twice - 1, reason);
    expect_hidden(WHEN("{ element: PatientID, equals: '43' }"), twice, sizeof twice - 1, reason);
    expect_hidden(DO("{ replace: 'RequestAttributesSequence[*].AccessionNumber', pattern: 2, with: 5 }"),
                  in_twice, sizeof in_twice - 1, reason);
    expect_hidden(WHEN("{ element: PatientID, empty: yes }"), twice, sizeof twice - 1, NULL);
}

// How many elements a plan of the verdict would change.
static size_t places_planned(struct instance *instance)
{
    struct dcm_plan *plan = NULL;
    struct dcm_problem problem;
    uint32_t places[RULES_CHANGES];
    size_t count = 0;
    assert_int_equal(dcm_plan_make(instance->survey, instance->text, instance->verdict.edit,
                                   instance->verdict.edit_count, &plan, places, &problem),
                     OK);
    for (size_t i = 0; i < instance->verdict.edit_count; i++)
        count += places[i];
    dcm_plan_free(plan);
    return count;
}

// One item by its number and by [*]: each element has one edit.
static void test_two_names_of_one_element(void **state)
{
    struct instance *instance = calloc(1, sizeof *instance);
    (void)state;
    instance_new(
        instance,
        HEAD "  - { rule: a, do: [ { set: 'ProcedureCodeSequence[0].CodeMeaning', to: x } ] }\n"
             "  - { rule: b, after: a, do: [ { set: 'ProcedureCodeSequence[*].CodeMeaning', to: n } ] }\n",
        NULL);
    const struct rules_verdict *verdict =
        instance_run(instance,
                     "{ 'ProcedureCodeSequence[0].CodeMeaning': a, 'ProcedureCodeSequence[1].CodeMeaning': b,"
                     " 'ProcedureCodeSequence[2].CodeValue': c }",
                     NULL);
    assert_int_equal(verdict->outcome, RULES_PASS);
    assert_int_equal(verdict->change_count, 4);
    assert_int_equal(verdict->edit_count, 3);
    assert_int_equal(places_planned(instance), 3);
    instance_free(instance);
    free(instance);
}

// Each item with its own value: more items than have paths of their own can not be told apart.
static void test_many_items(void **state)
{
    char elements[4096] = "{ Modality: CT";
    struct instance *instance = calloc(1, sizeof *instance);
    (void)state;
    for (unsigned i = 0; i < RULES_ITEMS + 1; i++) {
        size_t used = strlen(elements);
        (void)snprintf(elements + used, sizeof elements - used,
                       ", 'ProcedureCodeSequence[%u].CodeMeaning': m%u", i, i);
    }
    (void)strncat(elements, " }", 3);
    instance_new(instance, DO("{ replace: 'ProcedureCodeSequence[*].CodeMeaning', pattern: m, with: n }"),
                 NULL);
    const struct rules_verdict *verdict = instance_run(instance, elements, NULL);
    assert_int_equal(verdict->outcome, RULES_HOLD);
    assert_int_equal(verdict->edit_count, 0);
    assert_string_equal(verdict->finding[0].reason, "too many items would get values of their own");
    instance_free(instance);
    instance_new(instance, DO("{ replace: 'ProcedureCodeSequence[*].CodeMeaning', pattern: 'm.*', with: n }"),
                 NULL);
    verdict = instance_run(instance, elements, NULL);
    assert_int_equal(verdict->outcome, RULES_PASS);
    assert_int_equal(verdict->change_count, RULES_ITEMS + 1);
    assert_int_equal(verdict->edit_count, 1);
    assert_int_equal(places_planned(instance), RULES_ITEMS + 1);
    instance_free(instance);
    free(instance);
}

// The same verdict, however often it is asked for.
static void test_pure(void **state)
{
    struct instance *instance = calloc(1, sizeof *instance);
    (void)state;
    instance_new(instance, DO("{ case: PatientName, to: upper }"), NULL);
    for (int round = 0; round < 3; round++) {
        const struct rules_verdict *verdict = instance_run(instance, "{ PatientName: a^b }", NULL);
        assert_int_equal(verdict->change_count, 1);
        assert_int_equal(verdict->edit_count, 1);
        assert_true(slice_is_text(verdict->edit[0].value, "A^B"));
        assert_int_equal(verdict->edit[0].operation, DCM_EDIT_SET);
        assert_true(slice_is_text(verdict->change[0].before, "a^b"));
    }
    instance_free(instance);
    free(instance);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_set_and_remove),
        cmocka_unit_test(test_rewriting),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_checks_of_facts),
        cmocka_unit_test(test_fail_closed),
        cmocka_unit_test(test_on_error),
        cmocka_unit_test(test_header_not_surveyed),
        cmocka_unit_test(test_hidden_in_un),
        cmocka_unit_test(test_vr_undone),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_many_items),
        cmocka_unit_test(test_two_names_of_one_element),
        cmocka_unit_test(test_pure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
