// SPDX-License-Identifier: Apache-2.0
//
// What leaves for an archive under rules and crosswalk, byte by byte against data sets that are written here;
// and what is held, with its reason.
#include "edit_rig.h"

#include "base/utf8.h"

#include <stdio.h>

static const struct encoded {
    const char *name;
    enum encoding encoding;
} encodings[] = {{"explicit", EXPLICIT_LITTLE},
                 {"implicit", IMPLICIT_LITTLE},
                 {"big", EXPLICIT_BIG},
                 {"deflated", DEFLATED}};

static struct writer data_set;
static struct writer expected;
static struct bench bench;

#define DOMAIN ", domain: NEW"

static void test_mapped(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(encodings); i++) {
        static const size_t pieces[] = {1, 7, 65536};
        for (size_t j = 0; j < COUNT_OF(pieces); j++) {
            instance(&data_set, encodings[i].encoding, "17", NULL);
            mapped_instance(&expected, encodings[i].encoding);
            assert_int_equal(bench_run(&bench, &data_set, pieces[j]), EDIT_ASKS);
            assert_string_equal(asked.from, "LEGACY");
            assert_string_equal(asked.to, "NEW");
            assert_string_equal(asked.id, "17");
            assert_string_equal(asked.name, "Doe^Jane");
            assert_string_equal(asked.birth_date, "19700102");
            assert_string_equal(asked.sex, "F");
            assert_string_equal(asked.study, "1.2.3");
            assert_int_equal(asked.archive, 2);
            assert_true(!asked.wants_pin && asked.unmatched_goes && asked.when == bench.open.time);
            answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
            assert_true(asked.wants_pin);
            assert_leaves(&bench, &data_set, &expected);
        }
    }
    bench_end(&bench);
}

static void test_the_same_again(void **state)
{
    struct dcm_plan *copy;
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", "OLDER");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_int_equal(dcm_plan_parse(dcm_plan_bytes(edit_plan(bench.edit)), &copy), OK);
    assert_int_equal(bench_run(&bench, &data_set, 3), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, CROSSWALK_FROM_PIN, "G-17");
    assert_true(slice_is_equal(dcm_plan_bytes(copy), dcm_plan_bytes(edit_plan(bench.edit))));
    dcm_plan_free(copy);
    bench_end(&bench);
}

// ---- unmatched ----

static void test_unmatched_flag(void **state)
{
    const char *first;
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    patient(&data_set, "17", NULL);
    writer_begin(&expected, EXPLICIT_LITTLE);
    patient(&expected, "17", "OLD");
    equipment_sequence(&expected);
    originals_begin(&expected);
    put(&expected, 0x00100021, "LO", "");
    originals_end(&expected, "COERCE");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_UNMAPPED, 0, "17");
    assert_leaves(&bench, &data_set, &expected);
    assert_int_equal(edit_flags(bench.edit, &first), 1);
    assert_string_equal(first, "the crosswalk does not know this patient ID");
    writer_begin(&data_set, EXPLICIT_LITTLE);
    patient(&data_set, "17", "NOBODY"); // it has an issuer
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_UNMAPPED, 0, "17");
    assert_untouched(&bench);
    assert_int_equal(edit_flags(bench.edit, &first), 1);
    bench_end(&bench);
}

static void test_unmatched_pass(void **state)
{
    const char *first;
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: pass", NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_UNMAPPED, 0, "17");
    assert_untouched(&bench);
    assert_int_equal(edit_flags(bench.edit, &first), 0);
    bench.origin.flags = RECORD_CLOSE_UNSCANNED; // its patient is not known either
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_untouched(&bench);
    bench_end(&bench);
}

static void test_unmatched_hold(void **state)
{
    const char *first;
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: hold", NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_false(asked.unmatched_goes);
    answer(&bench, CROSSWALK_UNMAPPED, CROSSWALK_AMBIGUOUS, "17");
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_PATIENT);
    assert_string_equal(reason(&bench), "the crosswalk has several patients for this patient ID");
    bench.open.domain = slice_of(NULL, 0);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_string_equal(reason(&bench), "the domain of the patient ID is not known");
    bench.open.domain = slice_of_text("LEGACY");
    instance(&data_set, EXPLICIT_LITTLE, "", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_string_equal(reason(&bench), "there is no patient ID that can be read");
    instance(&data_set, EXPLICIT_LITTLE, "17", "OLD");
    bench.origin.is_released = true;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_true(asked.unmatched_goes);
    answer(&bench, CROSSWALK_UNMAPPED, 0, "17");
    assert_untouched(&bench);
    assert_int_equal(edit_flags(bench.edit, &first), 1);
    bench_end(&bench);
}

static void test_unmatched_reject(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: reject", NULL, NULL);
    assert_true(edit_policy_may_reject(edit_policies_find(bench.policies, 2)));
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    bench.origin.may_reject = true;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_false(asked.wants_pin);
    answer(&bench, CROSSWALK_UNMAPPED, 0, "17");
    assert_int_equal(edit_stage(bench.edit), EDIT_REFUSES);
    assert_string_equal(reason(&bench), "the crosswalk does not know this patient ID");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_CONTRADICTED, CROSSWALK_BY_NAME, "");
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS); // a person must see it
    bench.origin.may_reject = false;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_UNMAPPED, 0, "17");
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    bench_end(&bench);
}

static void test_contradicted(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: pass", NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_CONTRADICTED, CROSSWALK_BY_NAME | CROSSWALK_BY_SEX, "");
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_string_equal(reason(&bench), "the crosswalk has this patient ID with another name, sex");
    bench_end(&bench);
}

static void test_contradicted_and_released(void **state)
{
    const char *first;
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: hold", NULL, NULL);
    bench.origin.is_released = true;
    instance(&data_set, EXPLICIT_LITTLE, "17", "OLD");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_CONTRADICTED, CROSSWALK_BY_BIRTH_DATE, "");
    assert_untouched(&bench); // never under the other's ID
    assert_int_equal(edit_flags(bench.edit, &first), 1);
    assert_string_equal(first, "the crosswalk has this patient ID with another birth date");
    bench_end(&bench);
}

static void test_study_of_another_patient_is_flagged(void **state)
{
    const char *first;
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    mapped_instance(&expected, EXPLICIT_LITTLE);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, CROSSWALK_FROM_PIN | CROSSWALK_OTHER_SOURCE, "G-17");
    assert_leaves(&bench, &data_set, &expected);
    assert_int_equal(edit_flags(bench.edit, &first), 1);
    bench_end(&bench);
}

static void test_crosswalk_that_can_not_be_read(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: pass", NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer_failure(&bench, ERR_IO);
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_TROUBLE);
    bench_end(&bench);
}

// What can not be edited is not pinned: it leaves with what the crosswalk says once it is mended.
static void test_pinned_only_if_it_can_leave(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "\xc3\x9c-17"); // not in the data set's character set
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_int_equal(asked.count, 1);
    assert_false(asked.wants_pin);
    bench_end(&bench);
}

// Another worker's delivery of the study has been pinned meanwhile: that counts.
static void test_the_pin_counts(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    mapped_instance(&expected, EXPLICIT_LITTLE); // to G-17
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer_once(CROSSWALK_MAPPED, 0, "G-18", false);
    assert_int_equal(edit_stage(bench.edit), EDIT_ASKS);
    assert_true(asked.wants_pin && asked.count == 2);
    assert_int_equal(bench.changes, 0);
    answer_once(CROSSWALK_MAPPED, CROSSWALK_FROM_PIN, "G-17", true);
    assert_int_equal(bench.changes, 1);
    assert_leaves(&bench, &data_set, &expected);
    // It fails, or can not be followed: held, and nothing of the plan is left.
    static const enum result results[] = {ERR_IO, ERR_LIMIT};
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
        answer_once(CROSSWALK_MAPPED, 0, "G-18", false);
        answer_failure(&bench, results[i]);
        assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    }
    // One that is pinned already is asked about once.
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    unsigned count = asked.count;
    answer_once(CROSSWALK_MAPPED, CROSSWALK_FROM_PIN, "G-17", true);
    assert_int_equal(edit_stage(bench.edit), EDIT_GOES);
    assert_int_equal(asked.count, count);
    bench_end(&bench);
}

// Held for whoever mends the crosswalk, not tried again and again; a person may let it go as it is.
static void test_more_merges_than_are_followed(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: pass", NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", "OLD");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer_failure(&bench, ERR_LIMIT);
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_PATIENT);
    assert_string_equal(reason(&bench), "the crosswalk has more patient IDs merged into one than it follows");
    bench.origin.is_released = true;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer_failure(&bench, ERR_LIMIT);
    assert_untouched(&bench);
    bench_end(&bench);
}

// ---- rules ----

static void test_a_rule(void **state)
{
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: name, do: [ { map: InstitutionName, table: t } ] }\n"
                     "tables: { t: { file: t.csv, from: found, to: name } }\n"),
                "found,name\nst mary,St Mary Hospital\n");
    for (size_t i = 0; i < COUNT_OF(encodings); i++) {
        instance(&data_set, encodings[i].encoding, "17", NULL);
        writer_begin(&expected, encodings[i].encoding);
        put(&expected, 0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2");
        put(&expected, 0x00080080, "LO", "St Mary Hospital");
        patient(&expected, "17", NULL);
        equipment_sequence(&expected);
        put(&expected, 0x0020000D, "UI", "1.2.3");
        put(&expected, 0x00200010, "SH", "S1");
        originals_begin(&expected);
        put(&expected, 0x00080080, "LO", "st mary");
        originals_end(&expected, "CORRECT");
        pixels(&expected);
        assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_GOES);
        assert_leaves(&bench, &data_set, &expected);
    }
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put(&data_set, 0x00080080, "LO", "St Mary Hospital"); // nothing to do
    assert_int_equal(bench_run(&bench, &data_set, 9), EDIT_GOES);
    assert_untouched(&bench);
    assert_int_equal(asked.count, 0);
    bench_end(&bench);
}

static void test_crosswalk_before_rules(void **state)
{
    (void)state;
    bench_begin(
        &bench, DOMAIN ", packs: [p]",
        PACK("  - { rule: r, do: [ { set: PatientID, to: RULE }, { set: IssuerOfPatientID, to: RULE },\n"
             "      { set: StudyID, to: S2 } ] }\n"),
        NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    patient(&data_set, "17", "OLD");
    put(&data_set, 0x00200010, "SH", "S1");
    writer_begin(&expected, EXPLICIT_LITTLE);
    patient(&expected, "G-17", "GROUP");
    equipment_sequence(&expected);
    put(&expected, 0x00200010, "SH", "S2");
    originals_begin(&expected);
    put(&expected, 0x00100020, "LO", "17");
    put(&expected, 0x00100021, "LO", "OLD");
    put(&expected, 0x00200010, "SH", "S1");
    originals_end(&expected, "COERCE");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_string_equal(asked.id, "17"); // as it came
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_crosswalk_where_a_rule_says_so(void **state)
{
    (void)state;
    bench_begin(
        &bench, DOMAIN ", crosswalk: rules, packs: [p]",
        PACK("  - { rule: r, when: { element: StudyID, equals: S1 }, do: [ { crosswalk: patient } ] }\n"),
        NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    mapped_instance(&expected, EXPLICIT_LITTLE);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_leaves(&bench, &data_set, &expected);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    patient(&data_set, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_untouched(&bench);
    bench_end(&bench);
}

static void test_two_edits_at_a_time(void **state)
{
    struct bench *first = &bench;
    static struct edit *other;
    (void)state;
    bench_begin(first, DOMAIN ", packs: [p]", PACK("  - { rule: r, do: [ { set: StudyID, to: S2 } ] }\n"),
                NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put(&data_set, 0x00100020, "LO", "17");
    put(&data_set, 0x00100021, "LO", "OLD");
    writer_begin(&expected, EXPLICIT_LITTLE);
    put(&expected, 0x00100020, "LO", "G-17");
    put(&expected, 0x00100021, "LO", "GROUP");
    equipment_sequence(&expected);
    put(&expected, 0x00200010, "SH", "S2");
    originals_begin(&expected);
    put(&expected, 0x00100020, "LO", "17");
    put(&expected, 0x00100021, "LO", "OLD");
    put(&expected, 0x00200010, "SH", "");
    originals_end(&expected, "COERCE");
    assert_int_equal(bench_run(first, &data_set, 100), EDIT_ASKS);
    other = first->edit; // waits while another one uses the workspace
    first->edit = NULL;
    static struct writer second;
    instance(&second, EXPLICIT_LITTLE, "99", "GROUP");
    assert_int_equal(bench_run(first, &second, 100), EDIT_GOES);
    edit_free(&first->edit);
    first->edit = other;
    answer(first, CROSSWALK_MAPPED, 0, "G-17");
    assert_leaves(first, &data_set, &expected);
    bench_end(first);
}

static void test_findings(void **state)
{
    const char *first;
    (void)state;
    bench_begin(
        &bench, ", packs: [p]",
        PACK("  - { rule: f, do: [ { flag: look } ] }\n"
             "  - { rule: h, when: { element: StudyID, exists: yes }, do: [ { hold: wrong department } ] }\n"
             "  - { rule: j, when: { element: Modality, equals: XX }, do: [ { reject: no such thing } ] }\n"),
        NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_RULE);
    assert_string_equal(reason(&bench), "p/h: wrong department");
    bench.origin.is_released = true;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_untouched(&bench);
    assert_int_equal(edit_flags(bench.edit, &first), 2);
    assert_string_equal(first, "p/f: look");
    struct record_sent sent = {.archive = 2}; // it goes as it came, and is told all the same
    assert_int_equal(edit_sent_fill(bench.edit, NULL, &sent), OK);
    assert_true(sent.evidence.length == 0 && sent.flags.count == 2 && sent.flags.reason_count == 2);
    assert_true(slice_is_text(sent.flags.reason[0], "p/f: look") &&
                slice_is_text(sent.flags.reason[1], "p/h: wrong department"));
    bench.origin.is_released = false;
    bench.origin.may_reject = true;
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put(&data_set, 0x00080060, "CS", "XX");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_REFUSES);
    assert_string_equal(reason(&bench), "p/j: no such thing");
    bench.origin.may_reject = false;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    bench_end(&bench);
}

static void test_long_reason_ends_with_a_whole_character(void **state)
{
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr,\n"
                     "      do: [ { hold: aÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ } ] }\n"),
                NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_int_equal(strlen(reason(&bench)), EDIT_REASON_BYTES - 2);
    assert_true(utf8_is_valid(slice_of_text(reason(&bench))));
    bench_end(&bench);
}

static void test_facts(void **state)
{
    (void)state;
    bench_begin(
        &bench, ", packs: [p]",
        PACK("  - rule: r\n    when: [ { calling: CT1 }, { called: GATE }, { address: 10.1.0.0/16 },\n"
             "            { certificate-fingerprint: '0102' }, { certificate-subject: 'CN=ct1,O=Test' },\n"
             "            { phase: one }, { archive: new } ]\n"
             "    do: [ { hold: all true } ]\n"),
        NULL);
    bench.open.certificate_fingerprint = slice_of("\x01\x02", 2);
    bench.open.certificate_subject = slice_of_text("CN=ct1,O=Test");
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    bench.open.peer_address = slice_of_text("[2001:db8::1]:104");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    bench_end(&bench);
}

// ---- what can not be edited ----

static const char set_name[] = PACK("  - { rule: r, do: [ { set: InstitutionName, to: Ärzte 山田 } ] }\n");

static void test_character_that_does_not_fit(void **state)
{
    (void)state;
    bench_begin(&bench, ", packs: [p]", set_name, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_RULE);
    assert_string_equal(reason(&bench),
                        "p/r: InstitutionName: a character that the data set's character set does not have");
    bench.origin.is_released = true; // trouble of editing stays trouble
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    bench_end(&bench);
    bench_begin(&bench, DOMAIN, NULL, NULL);
    bench.origin.is_released = true;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "Ä17");
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_PATIENT);
    assert_string_equal(reason(&bench), "crosswalk: PatientID does not fit the specific character set");
    bench_end(&bench);
}

static void test_multibyte_text_beside_an_edit(void **state)
{
    static const char name[] = "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B";
    (void)state;
    bench_begin(&bench, ", packs: [p]", PACK("  - { rule: r, do: [ { set: InstitutionName, to: 山田 } ] }\n"),
                NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put(&data_set, 0x00080005, "CS", "\\ISO 2022 IR 87");
    put(&data_set, 0x00080080, "LO", "\x1b$B;3\x1b(B");
    put(&data_set, 0x00100010, "PN", name);
    writer_begin(&expected, EXPLICIT_LITTLE);
    put(&expected, 0x00080005, "CS", "\\ISO 2022 IR 87");
    put(&expected, 0x00080080, "LO", "\x1b$B;3ED\x1b(B");
    put(&expected, 0x00100010, "PN", name);
    equipment_sequence(&expected);
    originals_begin(&expected);
    put(&expected, 0x00080080, "LO", "\x1b$B;3\x1b(B");
    originals_end(&expected, "CORRECT");
    assert_int_equal(bench_run(&bench, &data_set, 3), EDIT_GOES);
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_header_that_can_not_be_followed(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    writer_begin(&data_set, IMPLICIT_LITTLE);
    for (unsigned i = 0; i < 70; i++) {
        static const uint8_t nested[16] = {0x40, 0,    0x75, 2,    0xFF, 0xFF, 0xFF, 0xFF,
                                           0xFE, 0xFF, 0,    0xE0, 0xFF, 0xFF, 0xFF, 0xFF};
        memcpy(data_set.bytes + data_set.length, nested, sizeof nested);
        data_set.length += sizeof nested;
    }
    assert_int_equal(bench_run(&bench, &data_set, 5), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_DATA);
    assert_string_equal(reason(&bench), "the header is nested too deep to be looked at");
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    data_set.length = 40;
    assert_int_equal(bench_run(&bench, &data_set, 5), EDIT_HOLDS);
    assert_string_equal(reason(&bench), "the header can not be followed");
    bench_end(&bench);
}

static void assert_goes_as_it_came(struct bench *of, const char *flag)
{
    const char *first;
    assert_int_equal(bench_run(of, &data_set, 100), EDIT_GOES);
    assert_untouched(of);
    assert_int_equal(edit_flags(of->edit, &first), 1);
    assert_string_equal(first, flag);
}

static void test_unscanned_and_behind(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", "GROUP");
    bench.origin.flags = RECORD_CLOSE_UNSCANNED;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_DATA);
    bench.origin.flags = RECORD_CLOSE_BEHIND;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_HOLDS);
    assert_string_equal(reason(&bench), "elements behind Pixel Data can not be edited");
    bench.origin.is_released = true; // then it goes as it came, and says why that should be looked at
    assert_goes_as_it_came(&bench, "elements behind Pixel Data can not be edited");
    bench.origin.flags = RECORD_CLOSE_UNSCANNED;
    assert_goes_as_it_came(&bench, "the data set could not be followed when it came");
    bench_end(&bench);
    bench_begin(&bench, DOMAIN ", unmatched: pass", NULL, NULL);
    bench.origin.flags = RECORD_CLOSE_BEHIND;
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_untouched(&bench);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17"); // its issuer may stand behind
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    bench_end(&bench);
}

// More is to be kept than there is room for: whose patient ID it is, or what it is, can not be seen.
static void test_patient_behind_more_than_can_be_kept(void **state)
{
    static uint8_t large[65536];
    (void)state;
    bench_begin(&bench, DOMAIN ", packs: [p], original_attributes: no",
                PACK("  - { rule: r, do: [ { remove: ReferencedImageSequence } ] }\n"), NULL);
    for (unsigned items = 16; items <= 17; items++) {
        writer_begin(&data_set, IMPLICIT_LITTLE);
        open_sequence(&data_set, 0x00081140);
        for (unsigned i = 0; i < items; i++) {
            open_item(&data_set);
            put_bytes(&data_set, 0x00091001, "UN", slice_of(large, i < 15 ? sizeof large : 65268));
            shut(&data_set);
        }
        shut(&data_set);
        patient(&data_set, "17", "GROUP");
        assert_int_equal(bench_run(&bench, &data_set, 65536), EDIT_HOLDS);
        assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_DATA);
        assert_string_equal(reason(&bench), items == 16 ? "IssuerOfPatientID is longer than can be looked at"
                                                        : "PatientID is longer than can be looked at");
    }
    bench_end(&bench);
}

static void test_header_larger_than_any_buffer(void **state)
{
    static uint8_t private[200000];
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put_bytes(&data_set, 0x00091010, "OB", slice_of(private, sizeof private));
    patient(&data_set, "17", "OLD");
    pixels(&data_set);
    writer_begin(&expected, EXPLICIT_LITTLE);
    put_bytes(&expected, 0x00091010, "OB", slice_of(private, sizeof private));
    patient(&expected, "G-17", "GROUP");
    equipment_sequence(&expected);
    originals_begin(&expected);
    put(&expected, 0x00100020, "LO", "17");
    put(&expected, 0x00100021, "LO", "OLD");
    originals_end(&expected, "COERCE");
    pixels(&expected);
    assert_int_equal(bench_run(&bench, &data_set, 4096), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_leaves(&bench, &data_set, &expected);
    assert_true(edit_header_length(bench.edit) > sizeof private);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_the_same_again),
        cmocka_unit_test(test_unmatched_flag),
        cmocka_unit_test(test_unmatched_pass),
        cmocka_unit_test(test_unmatched_hold),
        cmocka_unit_test(test_unmatched_reject),
        cmocka_unit_test(test_contradicted),
        cmocka_unit_test(test_contradicted_and_released),
        cmocka_unit_test(test_study_of_another_patient_is_flagged),
        cmocka_unit_test(test_crosswalk_that_can_not_be_read),
        cmocka_unit_test(test_pinned_only_if_it_can_leave),
        cmocka_unit_test(test_the_pin_counts),
        cmocka_unit_test(test_more_merges_than_are_followed),
        cmocka_unit_test(test_a_rule),
        cmocka_unit_test(test_crosswalk_before_rules),
        cmocka_unit_test(test_crosswalk_where_a_rule_says_so),
        cmocka_unit_test(test_two_edits_at_a_time),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_long_reason_ends_with_a_whole_character),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_character_that_does_not_fit),
        cmocka_unit_test(test_multibyte_text_beside_an_edit),
        cmocka_unit_test(test_header_that_can_not_be_followed),
        cmocka_unit_test(test_unscanned_and_behind),
        cmocka_unit_test(test_patient_behind_more_than_can_be_kept),
        cmocka_unit_test(test_header_larger_than_any_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
