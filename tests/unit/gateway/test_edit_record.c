// SPDX-License-Identifier: Apache-2.0
//
// What an edited instance says of itself, and what is recorded of it: original attributes, contributing
// equipment, evidence; signatures; and what the policies are made of.
#include "edit_rig.h"

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

// ---- originals ----

// Three requests, the second one in a character set of its own, the third without a step ID.
static void requests(struct writer *to, const char *first, const char *second, const char *third)
{
    open_sequence(to, 0x00400275);
    open_item(to);
    put(to, 0x00400009, "SH", first);
    shut(to);
    open_item(to);
    put(to, 0x00080005, "CS", "ISO_IR 192");
    put(to, 0x00400009, "SH", second);
    shut(to);
    open_item(to);
    put(to, 0x00400007, "LO", "x");
    if (third != NULL)
        put(to, 0x00400009, "SH", third);
    shut(to);
    shut(to);
}

// Items in which nothing changes are empty.
static void requests_before(struct writer *to)
{
    open_sequence(to, 0x00400275);
    open_item(to);
    shut(to);
    open_item(to);
    put(to, 0x00080005, "CS", "ISO_IR 192");
    put(to, 0x00400009, "SH", "Ä");
    shut(to);
    open_item(to);
    put(to, 0x00400009, "SH", "");
    shut(to);
    shut(to);
}

static void test_nested_originals(void **state)
{
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: r, do: [ { set: 'RequestAttributesSequence[*].ScheduledProcedureStepID', "
                     "to: N } ] }\n"
                     "  - { rule: q, do: [ { set: 'ReferencedStudySequence[0].ReferencedSOPInstanceUID', to: "
                     "1.2 } ] }\n"),
                NULL);
    for (size_t i = 0; i < COUNT_OF(encodings); i++) {
        writer_begin(&data_set, encodings[i].encoding);
        put(&data_set, 0x00080005, "CS", "ISO_IR 100");
        requests(&data_set, "N", "Ä", NULL);
        writer_begin(&expected, encodings[i].encoding);
        put(&expected, 0x00080005, "CS", "ISO_IR 100");
        open_sequence(&expected, 0x00081110);
        open_item(&expected);
        put(&expected, 0x00081155, "UI", "1.2");
        shut(&expected);
        shut(&expected);
        equipment_sequence(&expected);
        requests(&expected, "N", "N", "N");
        originals_begin(&expected);
        put_bytes(&expected, 0x00081110, "SQ", slice_of(NULL, 0)); // was not there
        requests_before(&expected);
        originals_end(&expected, "CORRECT");
        assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_GOES);
        assert_leaves(&bench, &data_set, &expected);
    }
    bench_end(&bench);
}

static void test_items_that_go_or_come(void **state)
{
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: r, do: [ { remove: 'RequestAttributesSequence[0]' } ] }\n"
                     "  - { rule: q, do: [ { set: 'ReferencedStudySequence[1].ReferencedSOPInstanceUID', to: "
                     "1.2 } ] }\n"),
                NULL);
    for (size_t i = 0; i < COUNT_OF(encodings); i++) {
        for (unsigned round = 0; round < 3; round++) { // as it came, as it goes, what is said of it
            struct writer *to = round == 0 ? &data_set : &expected;
            if (round < 2)
                writer_begin(to, encodings[i].encoding);
            if (round == 2)
                originals_begin(to);
            open_sequence(to, 0x00081110);
            open_item(to);
            put(to, 0x00081155, "UI", "1.9");
            shut(to);
            if (round == 1) {
                open_item(to);
                put(to, 0x00081155, "UI", "1.2");
                shut(to);
            }
            shut(to);
            if (round == 1)
                equipment_sequence(to);
            open_sequence(to, 0x00400275);
            for (unsigned item = round == 1 ? 1 : 0; item < 2; item++) {
                open_item(to);
                put(to, 0x00400009, "SH", item == 0 ? "a" : "b");
                shut(to);
            }
            shut(to);
        }
        originals_end(&expected, "CORRECT");
        assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_GOES);
        assert_leaves(&bench, &data_set, &expected);
    }
    bench_end(&bench);
}

// PS3.5 6.2.2: a sequence written as UN is implicit VR little endian inside.
static void test_originals_of_a_sequence_in_un(void **state)
{
    static const uint8_t head[] = {0x40, 0, 0x75, 2, 'U', 'N', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF};
    static const uint8_t tail[] = {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: r, do: [ { set: 'RequestAttributesSequence[0].ScheduledProcedureStepID', "
                     "to: N } ] }\n"),
                NULL);
    for (unsigned round = 0; round < 2; round++) {
        struct writer *to = round == 0 ? &data_set : &expected;
        writer_begin(to, EXPLICIT_LITTLE);
        if (round == 1)
            equipment_sequence(to);
        put_raw(to, slice_of(head, sizeof head));
        to->encoding = IMPLICIT_LITTLE;
        open_item(to);
        put(to, 0x00400009, "SH", round == 0 ? "old" : "N");
        shut(to);
        to->encoding = EXPLICIT_LITTLE;
        put_raw(to, slice_of(tail, sizeof tail));
    }
    originals_begin(&expected);
    open_sequence(&expected, 0x00400275);
    open_item(&expected);
    put(&expected, 0x00400009, "SH", "old");
    shut(&expected);
    shut(&expected);
    originals_end(&expected, "CORRECT");
    assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_GOES);
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_paths_of_the_evidence_are_those_of_what_is_sent(void **state)
{
    static struct evidence_edit edits[EVIDENCE_EDITS_MAX];
    struct record_sent sent = {.archive = 2};
    struct evidence evidence;
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: r, do: [ { remove: 'RequestAttributesSequence[0]' },\n"
                     "      { set: 'RequestAttributesSequence[2].ScheduledProcedureStepID', to: N } ] }\n"),
                NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    requests(&data_set, "a", "b", "c");
    assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_GOES);
    assert_int_equal(edit_sent_fill(bench.edit, NULL, &sent), OK);
    assert_int_equal(evidence_decode(sent.evidence, edits, &evidence), OK);
    assert_true(slice_is_text(evidence.edit[0].path, "RequestAttributesSequence[0]"));
    assert_true(evidence.edit[0].is_removed);
    assert_true(
        slice_is_text(evidence.edit[1].path, "RequestAttributesSequence[1].ScheduledProcedureStepID"));
    bench_end(&bench);
}

static void test_original_that_can_not_be_kept(void **state)
{
    static uint8_t large[70000];
    (void)state;
    bench_begin(&bench, ", packs: [p]", PACK("  - { rule: r, do: [ { remove: '(0029,1010)' } ] }\n"), NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put_bytes(&data_set, 0x00291010, "OB", slice_of(large, sizeof large));
    assert_int_equal(bench_run(&bench, &data_set, 4096), EDIT_HOLDS);
    assert_string_equal(reason(&bench), "(0029,1010) can not be kept as it was before");
    bench_end(&bench);
    bench_begin(&bench, ", packs: [p], original_attributes: no, contributing_equipment: never",
                PACK("  - { rule: r, do: [ { remove: '(0029,1010)' } ] }\n"), NULL);
    writer_begin(&expected, EXPLICIT_LITTLE);
    assert_int_equal(bench_run(&bench, &data_set, 4096), EDIT_GOES);
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_private_originals(void **state)
{
    (void)state;
    bench_begin(&bench, ", packs: [p]",
                PACK("  - { rule: r, do: [ { set: '(0029,\"ACME\",10)', to: new, vr: LO },\n"
                     "     { set: '(0029,\"ZETA\",01)', to: z, vr: LO } ] }\n"),
                NULL);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put(&data_set, 0x00290015, "LO", "ACME");
    put(&data_set, 0x00291510, "LO", "old");
    writer_begin(&expected, EXPLICIT_LITTLE);
    equipment_sequence(&expected);
    put(&expected, 0x00290015, "LO", "ACME");
    put(&expected, 0x00290016, "LO", "ZETA");
    put(&expected, 0x00291510, "LO", "new");
    put(&expected, 0x00291601, "LO", "z");
    originals_begin(&expected);
    put(&expected, 0x00290010, "LO", "ACME");
    put(&expected, 0x00290011, "LO", "ZETA");
    put(&expected, 0x00291010, "LO", "old");
    put(&expected, 0x00291101, "LO", "");
    originals_end(&expected, "CORRECT");
    assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_GOES);
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_items_behind_those_that_are_there(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    for (unsigned round = 0; round < 2; round++) {
        struct writer *to = round == 0 ? &data_set : &expected;
        writer_begin(to, EXPLICIT_LITTLE);
        put(to, 0x00100020, "LO", round == 0 ? "17" : "G-17");
        put(to, 0x00100021, "LO", round == 0 ? "OLD" : "GROUP");
        open_sequence(to, 0x0018A001);
        open_item(to);
        put(to, 0x00080070, "LO", "Other");
        shut(to);
        if (round == 1)
            equipment(to);
        shut(to);
        open_sequence(to, 0x04000561);
        open_item(to);
        put(to, 0x04000563, "LO", "Other");
        shut(to);
        if (round == 0)
            shut(to);
    }
    open_item(&expected);
    open_sequence(&expected, 0x04000550);
    open_item(&expected);
    put(&expected, 0x00100020, "LO", "17");
    put(&expected, 0x00100021, "LO", "OLD");
    originals_end(&expected, "COERCE");
    assert_int_equal(bench_run(&bench, &data_set, 50), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_switches(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN ", original_attributes: no, contributing_equipment: never", NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", "OLD");
    instance(&expected, EXPLICIT_LITTLE, "G-17", "GROUP");
    assert_int_equal(bench_run(&bench, &data_set, 50), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
    bench_begin(&bench, ", contributing_equipment: always", NULL, NULL);
    writer_begin(&data_set, EXPLICIT_BIG);
    patient(&data_set, "17", NULL);
    writer_begin(&expected, EXPLICIT_BIG);
    patient(&expected, "17", NULL);
    equipment_sequence(&expected);
    assert_int_equal(bench_run(&bench, &data_set, 50), EDIT_GOES);
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

static void test_signature(void **state)
{
    static const enum encoding both[] = {EXPLICIT_LITTLE, EXPLICIT_BIG};
    const char *first;
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        for (unsigned round = 0; round < 2; round++) {
            writer_begin(&data_set, both[i]);
            put(&data_set, 0x00100020, "LO", "17");
            put(&data_set, 0x00100021, "LO", "OLD");
            open_sequence(&data_set, 0x4FFE0001);
            open_item(&data_set);
            put_tags(&data_set, 0x04000020, round == 0 ? 0x00100020 : 0x00100010);
            shut(&data_set);
            shut(&data_set);
            assert_int_equal(bench_run(&bench, &data_set, 50), EDIT_ASKS);
            answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
            assert_int_equal(edit_stage(bench.edit), EDIT_GOES);
            assert_int_equal(edit_flags(bench.edit, &first), round == 0 ? 1 : 0);
            if (round == 0)
                assert_string_equal(first, "a digital signature covers what is edited");
        }
    }
    bench_end(&bench);
}

// ---- evidence ----

static void test_evidence(void **state)
{
    static struct evidence_edit edits[EVIDENCE_EDITS_MAX];
    struct record_sent sent = {.archive = 2};
    struct evidence evidence;
    static const struct {
        const char *pack, *rule, *path, *vr, *before, *after;
        bool was_present;
    } rows[] = {
        {"p", "r", "InstitutionName", "LO", "st mary", "St M", true},
        {"crosswalk", "moved", "PatientID", "LO", "17", "G-17", true},
        {"crosswalk", "moved", "IssuerOfPatientID", "LO", "", "GROUP", false},
        {"gateway", "original-attributes", "OriginalAttributesSequence[0]", "SQ", "", "", false},
        {"gateway", "contributing-equipment", "ContributingEquipmentSequence[0]", "SQ", "", "", false},
    };
    (void)state;
    bench_begin(
        &bench, DOMAIN ", packs: [p]",
        PACK("  - { rule: r, do: [ { set: InstitutionName, to: St M }, { set: PatientID, to: x } ] }\n"),
        NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 50), EDIT_ASKS);
    answer(&bench, CROSSWALK_MAPPED, CROSSWALK_FROM_MOVE, "G-17");
    assert_int_equal(edit_sent_fill(bench.edit, NULL, &sent), OK);
    assert_int_equal(sent.crosswalk, 7);
    assert_int_equal(evidence_decode(sent.evidence, edits, &evidence), OK);
    assert_int_equal(evidence.count, COUNT_OF(rows));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct evidence_edit *edit = &evidence.edit[i];
        assert_true(slice_is_text(edit->pack, rows[i].pack));
        assert_true(slice_is_text(edit->rule, rows[i].rule));
        assert_true(slice_is_text(edit->path, rows[i].path));
        assert_memory_equal(edit->vr, rows[i].vr, 2);
        assert_true(slice_is_text(edit->before, rows[i].before));
        assert_true(slice_is_text(edit->after, rows[i].after));
        assert_int_equal(edit->was_present, rows[i].was_present);
        assert_false(edit->is_removed);
    }
    assert_true(slice_is_text(evidence.edit[0].version, "1.0"));
    bench_end(&bench);
}

// ---- policies ----

static void test_wrong_packs(void **state)
{
    char errors[4096];
    (void)state;
    assert_int_equal(bench_try(&bench, ", packs: [q]", PACK("  - { rule: r, do: [ { flag: x } ] }\n"), NULL,
                               errors, sizeof errors),
                     ERR_FORMAT);
    assert_non_null(strstr(errors, "archive new: there is no pack `q`"));
    bench_end(&bench);
    assert_int_equal(bench_try(&bench, ", packs: [p]",
                               PACK("  - { rule: r, do: [ { map: InstitutionName, table: t } ] }\n"
                                    "tables: { t: { file: t.csv, from: found, to: name } }\n"),
                               NULL, errors, sizeof errors),
                     ERR_FORMAT);
    assert_non_null(
        strstr(errors, "p.yaml:6:22: tables.t.file: the table can not be read: t.csv: not found"));
    bench_end(&bench);
    assert_int_equal(bench_try(&bench, ", packs: [p]",
                               PACK("  - { rule: r, when: { archive: nwe }, do: [ { flag: x } ] }\n"), NULL,
                               errors, sizeof errors),
                     ERR_FORMAT);
    assert_non_null(strstr(errors, "there is no archive `nwe`"));
    bench_end(&bench);
}

static void digest_of(const char *node, const char *pack, uint8_t to[32])
{
    bench_begin(&bench, node, pack, NULL);
    memcpy(to, edit_policies_digest(bench.policies), 32);
    bench_end(&bench);
}

static void test_digests(void **state)
{
    static const char pack[] = PACK("  - { rule: r, do: [ { flag: x } ] }\n");
    static const struct {
        const char *node, *pack;
    } others[] = {
        {DOMAIN ", packs: [p]", PACK("  - { rule: r, do: [ { flag: y } ] }\n")},
        {DOMAIN, pack},
        {", domain: LEGACY, packs: [p]", pack},
        {DOMAIN ", unmatched: pass, packs: [p]", pack},
        {DOMAIN ", crosswalk: rules, packs: [p]", pack},
        {DOMAIN ", original_attributes: no, packs: [p]", pack},
        {DOMAIN ", contributing_equipment: never, packs: [p]", pack},
    };
    uint8_t first[32], again[32];
    (void)state;
    digest_of(DOMAIN ", packs: [p]", pack, first);
    digest_of(DOMAIN ", packs: [p]", pack, again);
    assert_memory_equal(first, again, 32);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        digest_of(others[i].node, others[i].pack, again);
        assert_memory_not_equal(first, again, 32);
    }
}

static void test_no_policy(void **state)
{
    (void)state;
    bench_begin(&bench, "", NULL, NULL);
    assert_null(edit_policies_find(bench.policies, 2));
    bench_end(&bench);
    bench_begin(&bench, DOMAIN, NULL, NULL);
    assert_null(edit_policies_find(bench.policies, 3));
    assert_false(edit_policy_may_reject(edit_policies_find(bench.policies, 2)));
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_originals),
        cmocka_unit_test(test_items_that_go_or_come),
        cmocka_unit_test(test_originals_of_a_sequence_in_un),
        cmocka_unit_test(test_paths_of_the_evidence_are_those_of_what_is_sent),
        cmocka_unit_test(test_original_that_can_not_be_kept),
        cmocka_unit_test(test_private_originals),
        cmocka_unit_test(test_items_behind_those_that_are_there),
        cmocka_unit_test(test_switches),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_wrong_packs),
        cmocka_unit_test(test_digests),
        cmocka_unit_test(test_no_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
