// SPDX-License-Identifier: Apache-2.0
//
// A study that is known under another patient: who is asked, and what becomes of it.
#include "edit_rig.h"

#include "edit/study.h"
#include "fs/fs.h"
#include "store/ledger_patient.h"

static struct writer data_set;
static struct bench bench;

static const char two_patients_pack[] = "pack: p\nversion: 1.0.0\ndescription: x\nrules:\n"
                                        "  - rule: one-patient\n"
                                        "    do: [ { uid: other-patient, outcome: hold } ]\n";

static void study_bench_begin(struct fs **fs, struct seal_master **master, struct seal_keyring **ring,
                              const char *node, const char *pack)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {3};
    bench_begin(&bench, node, pack, NULL);
    assert_int_equal(fs_real_new(bench.folder, fs), OK);
    assert_int_equal(seal_master_from_bytes(key, master), OK);
    assert_int_equal(seal_keyring_create(*fs, "keys", *master, NULL), OK);
    assert_int_equal(seal_keyring_open(*fs, "keys", *master, 20000, ring, NULL), OK);
    assert_int_equal(seal_keyring_hash_new(*ring, STUDY_HASH_LABEL, &bench.worker.patients), OK);
    bench.origin.receipt = 42;
    bench.origin.order = 17;
}

static void study_bench_end(struct fs *fs, struct seal_master *master, struct seal_keyring *ring)
{
    bench_drop(&bench);
    seal_hash_free(bench.worker.patients);
    seal_keyring_free(ring);
    seal_master_free(master);
    assert_int_equal(fs_path_unlink(fs, "keys"), OK);
    fs_free(fs);
    bench_end(&bench);
}

static void test_study_under_two_patients(void **state)
{
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    (void)state;
    study_bench_begin(&fs, &master, &ring, ", domain: NEW, packs: [p]", two_patients_pack);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    // The ledger is asked first, then the crosswalk: one change for the lane.
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_int_equal(study_asked.count, 1);
    assert_int_equal(asked.count, 0);
    assert_int_equal(study_asked.question.receipt, 42);
    assert_int_equal(study_asked.question.order, 17);
    struct study_question first = study_asked.question;
    answer_study(&bench, OK, false);
    assert_int_equal(bench.changes, 0);
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    assert_int_equal(edit_stage(bench.edit), EDIT_GOES);
    // The same study of another patient.
    instance(&data_set, IMPLICIT_LITTLE, "18", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_ASKS);
    assert_memory_equal(study_asked.question.study, first.study, sizeof first.study);
    assert_memory_not_equal(study_asked.question.patient, first.patient, sizeof first.patient);
    answer_study(&bench, OK, true);
    assert_int_equal(edit_stage(bench.edit), EDIT_HOLDS);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_RULE);
    assert_string_equal(reason(&bench), "p/one-patient: the study is known under another patient");
    assert_int_equal(asked.count, 2); // of the first one
    // A ledger that can not be read; given up while it is asked.
    assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_ASKS);
    answer_study(&bench, ERR_IO, false);
    assert_int_equal(edit_hold(bench.edit)->kind, EDIT_HOLD_TROUBLE);
    assert_int_equal(bench_run(&bench, &data_set, 1), EDIT_ASKS);
    bench_drop(&bench);
    assert_int_equal(asked.cancelled, 1);
    // Without a patient ID there is nothing to ask.
    unsigned count = study_asked.count;
    instance(&data_set, EXPLICIT_LITTLE, "", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_int_equal(study_asked.count, count);
    study_bench_end(fs, master, ring);
}

static void test_study_is_not_asked_about_without_such_a_rule(void **state)
{
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    (void)state;
    study_bench_begin(&fs, &master, &ring, ", packs: [p]",
                      "pack: p\nversion: 1.0.0\ndescription: x\nrules:\n"
                      "  - rule: r\n    do: [ { uid: [malformed, other-digest], outcome: hold } ]\n");
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_int_equal(study_asked.count, 0);
    study_bench_end(fs, master, ring);
}

static void question_of(const char *domain, const char *issuer, const char *qualifier,
                        struct study_question *question)
{
    bench.open.domain = slice_of_text(domain);
    writer_begin(&data_set, EXPLICIT_LITTLE);
    put(&data_set, 0x00100020, "LO", "17");
    put(&data_set, 0x00100021, "LO", issuer);
    open_sequence(&data_set, 0x00100024);
    open_item(&data_set);
    put(&data_set, 0x00400032, "UT", qualifier);
    shut(&data_set);
    shut(&data_set);
    put(&data_set, 0x0020000D, "UI", "1.2.3");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    *question = study_asked.question;
}

// The client's default domain is not the patient's: one study may come over titles that have several.
static void test_domain_of_the_data_set_alone(void **state)
{
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    struct study_question legacy, bare, old, group;
    (void)state;
    study_bench_begin(&fs, &master, &ring, ", domain: NEW, packs: [p]", two_patients_pack);
    question_of("LEGACY", "", "", &legacy);
    question_of("BARE", "NOBODY", "1.2.3", &bare);
    question_of("BARE", "OLD", "GROUP", &old);
    question_of("LEGACY", "NOBODY", "GROUP", &group);
    assert_memory_equal(legacy.patient, bare.patient, sizeof bare.patient);
    assert_false(ledger_patient_is_other(legacy.patient, old.patient));
    assert_false(ledger_patient_is_other(group.patient, legacy.patient));
    assert_true(ledger_patient_is_other(old.patient, group.patient));
    study_bench_end(fs, master, ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_study_under_two_patients),
        cmocka_unit_test(test_study_is_not_asked_about_without_such_a_rule),
        cmocka_unit_test(test_domain_of_the_data_set_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
