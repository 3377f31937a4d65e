// SPDX-License-Identifier: Apache-2.0
//
// Under which patient a study came first: as the ledger tells it whatever the order of reading, over a
// rebuild, and before the ledger knows; and which patients are one.
#include "../store/support.h"
#include "unit.h"

#include "base/text.h"
#include "crosswalk/first.h"
#include "edit/study.h"
#include "fs/sim.h"
#include "store/ledger_patient.h"
#include "store/rebuild.h"

#include <stdio.h>

enum { JANE = 1, RICHARD = 2 };

struct scene {
    struct test_store store;
    struct test_journal journal;
    struct ledger_writer *writer;
    size_t read;
    struct first_patients *first;
};

static void scene_begin(struct scene *scene, enum store_kind kind)
{
    *scene = (struct scene){.read = 0};
    test_store_init(&scene->store, kind, &ledger_schema);
    test_journal_init(&scene->journal, 4);
    assert_int_equal(ledger_writer_new(scene->store.env, NULL, NULL, NULL, &scene->writer), OK);
    assert_int_equal(first_patients_new(&scene->first), OK);
}

static void scene_end(struct scene *scene)
{
    first_patients_free(scene->first);
    ledger_writer_free(&scene->writer);
    test_journal_fini(&scene->journal);
    test_store_fini(&scene->store);
}

static void receive(struct scene *scene, uint64_t receipt, unsigned study, uint8_t patient)
{
    scene->journal.patient = patient;
    test_open(&scene->journal, receipt, (unsigned)receipt, 100);
    test_close(&scene->journal, receipt, study, 1, 1000, 100);
}

static void ledger_reads(struct scene *scene, size_t from, size_t to)
{
    test_apply(scene->writer, &scene->journal, from, to);
    assert_int_equal(ledger_commit(scene->writer), OK);
}

static void study_hash(unsigned study, uint8_t hash[FACT_SOP_HASH_SIZE])
{
    char uid[32];
    (void)snprintf(uid, sizeof uid, "1.9.%u", study);
    fact_uid_hash(slice_of_text(uid), hash);
}

// The halves of the hash: of the ID, and of the domain that was named; 0: none.
static bool is_other_of(struct scene *scene, unsigned study, uint8_t patient, uint8_t domain,
                        uint64_t receipt, uint64_t order)
{
    struct study_question question = {.receipt = receipt,
                                      .order = order == 0 ? 0 : (uint64_t)1 << 40 | order};
    bool has_other;
    study_hash(study, question.study);
    memset(question.patient, patient, sizeof question.patient);
    memset(question.patient + sizeof question.patient / 2, domain, sizeof question.patient / 2);
    assert_int_equal(first_patients_ask(scene->first, scene->store.env, &question, &has_other), OK);
    return has_other;
}

static bool is_other(struct scene *scene, unsigned study, uint8_t patient, uint64_t receipt, uint64_t order)
{
    return is_other_of(scene, study, patient, patient, receipt, order);
}

static void live_again(struct scene *scene)
{
    first_patients_free(scene->first);
    assert_int_equal(first_patients_new(&scene->first), OK);
}

static int first_of(struct kv_env *env, unsigned study)
{
    uint8_t hash[FACT_SOP_HASH_SIZE];
    struct ledger_patient patient;
    study_hash(study, hash);
    enum result result = ledger_study_patient(env, hash, &patient);
    return result == OK ? patient.hash[0] : -1;
}

static void test_ledger_keeps_the_first(void **state)
{
    (void)state;
    for (unsigned kind = STORE_SIM; kind <= STORE_LMDB; kind++) {
        struct scene scene;
        scene_begin(&scene, kind);
        receive(&scene, test_receipt(0, 1), 7, JANE);    // entries 0, 1
        receive(&scene, test_receipt(1, 1), 7, RICHARD); // 2, 3
        receive(&scene, test_receipt(1, 2), 8, RICHARD); // 4, 5
        receive(&scene, test_receipt(1, 3), 9, 0);       // 6, 7: without an ID
        ledger_reads(&scene, 2, 8);                      // the other stream first
        assert_int_equal(first_of(scene.store.env, 7), RICHARD);
        assert_true(is_other(&scene, 7, JANE, test_receipt(0, 9), 9));
        assert_true(is_other(&scene, 7, JANE, 0, 0));
        assert_false(is_other(&scene, 7, JANE, test_receipt(0, 1), 1)); // it is the earlier one
        ledger_reads(&scene, 0, 2);
        assert_int_equal(first_of(scene.store.env, 7), JANE);
        assert_int_equal(first_of(scene.store.env, 8), RICHARD);
        assert_int_equal(first_of(scene.store.env, 9), -1);
        live_again(&scene);
        assert_true(is_other(&scene, 7, RICHARD, test_receipt(1, 1), 2));
        assert_false(is_other(&scene, 7, JANE, test_receipt(0, 9), 9));
        scene_end(&scene);
    }
}

// Two at once, of two patients: whichever was let go, the other one is not, whatever the ledger reads
// meanwhile.
static void test_an_answer_stands(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene, STORE_SIM);
    receive(&scene, test_receipt(0, 1), 7, JANE);    // entries 0, 1
    receive(&scene, test_receipt(1, 1), 7, RICHARD); // 2, 3
    receive(&scene, test_receipt(0, 2), 8, JANE);    // 4, 5
    receive(&scene, test_receipt(1, 2), 8, RICHARD); // 6, 7
    receive(&scene, test_receipt(0, 3), 9, JANE);    // 8, 9
    receive(&scene, test_receipt(1, 3), 9, RICHARD); // 10, 11
    // The later one asks first, then the ledger reads the earlier one.
    assert_false(is_other(&scene, 7, RICHARD, test_receipt(1, 1), 2));
    ledger_reads(&scene, 0, 2);
    assert_true(is_other(&scene, 7, JANE, test_receipt(0, 1), 1));
    assert_false(is_other(&scene, 7, RICHARD, test_receipt(1, 9), 9));
    // The ledger reads the later one alone, then the earlier one asks.
    ledger_reads(&scene, 6, 8);
    assert_false(is_other(&scene, 8, JANE, test_receipt(0, 2), 3));
    assert_true(is_other(&scene, 8, RICHARD, test_receipt(1, 2), 4));
    // The same, but the later one has asked before.
    ledger_reads(&scene, 10, 12);
    assert_false(is_other(&scene, 9, RICHARD, test_receipt(1, 3), 6));
    assert_true(is_other(&scene, 9, JANE, test_receipt(0, 3), 5));
    scene_end(&scene);
}

// The patient who is compared is the ledger's first, however it was named by who asked first.
static void test_answer_by_the_ledger(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene, STORE_SIM);
    receive(&scene, test_receipt(0, 1), 7, JANE); // and a domain
    ledger_reads(&scene, 0, 2);
    assert_false(is_other_of(&scene, 7, JANE, 0, test_receipt(0, 2), 2));
    assert_true(is_other_of(&scene, 7, JANE, RICHARD, test_receipt(0, 3), 3));
    assert_false(is_other_of(&scene, 7, JANE, JANE, test_receipt(0, 4), 4));
    scene_end(&scene);
}

// What a dropped one has let go is not forgotten with it; and it lets nothing go any more.
static void test_answer_by_a_dropped_one(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene, STORE_SIM);
    assert_false(is_other(&scene, 7, JANE, test_receipt(0, 1), 0)); // comes in
    assert_false(is_other(&scene, 8, JANE, test_receipt(0, 2), 0));
    assert_false(is_other(&scene, 8, JANE, test_receipt(0, 3), 3));
    assert_true(is_other(&scene, 7, RICHARD, test_receipt(1, 1), 2));
    for (unsigned i = 1; i <= 2; i++) {
        test_open(&scene.journal, test_receipt(0, i), i, 100);
        test_drop(&scene.journal, test_receipt(0, i), 101);
    }
    receive(&scene, test_receipt(1, 1), 7, RICHARD);
    ledger_reads(&scene, 0, scene.journal.count);
    assert_true(is_other(&scene, 7, JANE, test_receipt(0, 4), 4));
    assert_false(is_other(&scene, 7, RICHARD, test_receipt(1, 1), 2));
    assert_true(is_other(&scene, 8, RICHARD, test_receipt(1, 2), 5)); // one of hers has gone
    scene_end(&scene);
}

static void test_before_the_ledger_knows(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene, STORE_SIM);
    assert_false(is_other(&scene, 7, RICHARD, 0, 0)); // before Success: it leaves nothing behind
    assert_false(is_other(&scene, 7, JANE, test_receipt(0, 1), 1));
    assert_true(is_other(&scene, 7, RICHARD, test_receipt(1, 1), 2));
    assert_true(is_other(&scene, 7, RICHARD, 0, 0));
    assert_false(is_other(&scene, 8, RICHARD, test_receipt(1, 2), 4));
    // What was broken off was never there.
    test_open(&scene.journal, test_receipt(0, 1), 1, 100);
    test_drop(&scene.journal, test_receipt(0, 1), 101);
    ledger_reads(&scene, 0, 2);
    assert_false(is_other(&scene, 7, RICHARD, test_receipt(1, 1), 2));
    assert_true(is_other(&scene, 7, JANE, test_receipt(0, 2), 3));
    // Thousands of others push it out; it is the ledger's by then, or forgotten.
    for (unsigned study = 100; study < 100000; study++)
        assert_false(is_other(&scene, study, JANE, test_receipt(0, study), study));
    scene_end(&scene);
}

static void test_dropped_receipts_do_not_count(void **state)
{
    struct scene scene;
    (void)state;
    scene_begin(&scene, STORE_SIM);
    test_open(&scene.journal, test_receipt(0, 1), 1, 100);
    scene.journal.patient = JANE;
    test_incomplete(&scene.journal, test_receipt(0, 1), 100); // of study 1
    ledger_reads(&scene, 0, scene.journal.count);
    assert_int_equal(first_of(scene.store.env, 1), -1);
    scene_end(&scene);
}

static void test_rebuilt(void **state)
{
    struct scene former, fresh;
    struct ledger_rebuild_counts counts = {0};
    (void)state;
    scene_begin(&former, STORE_SIM);
    scene_begin(&fresh, STORE_SIM);
    for (unsigned study = 1; study <= 5000; study++)
        receive(&former, test_receipt(0, study), study, study % 2 == 0 ? JANE : RICHARD);
    ledger_reads(&former, 0, former.journal.count);
    fresh.journal.order = 10000;
    receive(&fresh, test_receipt(0, 6000), 2, RICHARD); // the journal has only the later one
    receive(&fresh, test_receipt(0, 6001), 6000, RICHARD);
    ledger_reads(&fresh, 0, fresh.journal.count);
    assert_int_equal(first_of(fresh.store.env, 2), RICHARD);
    assert_int_equal(ledger_rebuild_keep(fresh.writer, former.store.env, &counts), OK);
    assert_int_equal(counts.damaged, 0);
    for (unsigned study = 1; study <= 5000; study++)
        assert_int_equal(first_of(fresh.store.env, study), study % 2 == 0 ? JANE : RICHARD);
    assert_int_equal(first_of(fresh.store.env, 6000), RICHARD);
    scene_end(&former);
    scene_end(&fresh);
}

// ---- which patients are one

static const char configuration_text[] =
    "gateway: { ae_title: GATE, data: /d }\n"
    "listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes } ]\n"
    "titles: [GATE]\n"
    "domains: { LEGACY: { issuers: [OLD, OLDER] }, LOOSE: { issuers: [BOTH], leading_zeros: %s, case: "
    "%s } }\n"
    "nodes: { new: { id: 2, kind: archive, ae_title: NEW, address: \"x:104\", plain: yes, domain: LOOSE } }\n"
    "phases: { one: { store: [ { to: [new] } ] } }\nstart_phase: one\n";

struct keys {
    struct fs_sim *disk;
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    struct seal_hash *hasher;
};

static void keys_open(struct keys *keys)
{
    assert_int_equal(seal_keyring_open(keys->fs, "keys", keys->master, 20000, &keys->ring, NULL), OK);
    assert_int_equal(seal_keyring_hash_new(keys->ring, STUDY_HASH_LABEL, &keys->hasher), OK);
}

static void keys_close(struct keys *keys)
{
    seal_hash_free(keys->hasher);
    seal_keyring_free(keys->ring);
}

static void keys_make(struct keys *keys)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {3};
    struct fs_sim_options options = {.seed = 1};
    assert_int_equal(fs_sim_new(&options, &keys->disk), OK);
    assert_int_equal(fs_sim_mount(keys->disk, &keys->fs), OK);
    assert_int_equal(seal_master_from_bytes(key, &keys->master), OK);
    assert_int_equal(seal_keyring_create(keys->fs, "keys", keys->master, NULL), OK);
    keys_open(keys);
}

static void keys_rotate(struct keys *keys)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {4};
    struct seal_master *next;
    keys_close(keys);
    assert_int_equal(seal_master_from_bytes(key, &next), OK);
    assert_int_equal(seal_keyring_rotate(keys->fs, "keys", keys->master, next, NULL), OK);
    seal_master_free(keys->master);
    keys->master = next;
    keys_open(keys);
}

static void keys_free(struct keys *keys)
{
    keys_close(keys);
    seal_master_free(keys->master);
    fs_sim_free(keys->disk);
}

static struct configuration *configuration_make(const char *fold)
{
    char text[1024];
    struct configuration *configuration;
    struct conf_errors errors;
    conf_errors_init(&errors);
    assert_true(text_format(text, sizeof text, configuration_text, fold, fold));
    assert_int_equal(configuration_parse("/c.yaml", text, strlen(text), false, &configuration, &errors), OK);
    conf_errors_fini(&errors);
    return configuration;
}

// An ID and its issuer, twice in one study: are they of two patients? LEGACY (OLD, OLDER) is strict; LOOSE
// (BOTH) may not be.
static const struct pair {
    const char *id[2], *issuer[2];
    bool is_other, is_other_if_strict; // LOOSE is
} pairs[] = {
    {{"17", "17"}, {"", ""}, false, false},         {{"17", " 17 "}, {"", ""}, false, false},
    {{"17", "18"}, {"", ""}, true, true},           {{"17", "17"}, {"OLD", "OLDER "}, false, false},
    {{"17", "17"}, {"OLD", ""}, false, false},      {{"17", "18"}, {"OLD", ""}, true, true},
    {{"17", "17"}, {"OLD", "WHO"}, false, false}, // nobody trusts it
    {{"17", "17"}, {"OLD", "BOTH"}, true, true},    {{"017", "17"}, {"", ""}, false, true},
    {{"017", "17"}, {"OLD", ""}, false, true},      {{"017", "17"}, {"OLD", "OLD"}, true, true},
    {{"017", "17"}, {"BOTH", "BOTH"}, false, true}, {{"a1", "A1"}, {"", ""}, false, true},
    {{"a1", "A1"}, {"OLD", "OLDER"}, true, true},   {{"a1", "A1"}, {"BOTH", "BOTH"}, false, true},
};

static bool patient_hash(struct seal_hash *hasher, const struct configuration *configuration,
                         const struct pair *pair, size_t which, struct slice study,
                         uint8_t hash[RECORD_PATIENT_SIZE])
{
    struct slice issuer = slice_trimmed(slice_of_text(pair->issuer[which]));
    struct study_source source = {.study = study,
                                  .id = slice_of_text(pair->id[which]),
                                  .domain = configuration_domain_by_issuer(configuration, issuer)};
    return study_patient_hash(hasher, configuration, &source, hash);
}

static void test_one_patient(void **state)
{
    struct keys keys;
    (void)state;
    keys_make(&keys);
    for (unsigned strict = 0; strict < 2; strict++) {
        struct configuration *configuration = configuration_make(strict ? "keep" : "ignore");
        for (size_t i = 0; i < COUNT_OF(pairs); i++) {
            uint8_t a[RECORD_PATIENT_SIZE], b[RECORD_PATIENT_SIZE];
            bool is_other = strict ? pairs[i].is_other_if_strict : pairs[i].is_other;
            assert_true(patient_hash(keys.hasher, configuration, &pairs[i], 0, slice_of("1.2.3", 6), a));
            assert_true(patient_hash(keys.hasher, configuration, &pairs[i], 1, slice_of_text("1.2.3"), b));
            assert_int_equal(ledger_patient_is_other(a, b), is_other);
            assert_int_equal(ledger_patient_is_other(b, a), is_other);
        }
        configuration_free(configuration);
    }
    keys_free(&keys);
}

static void test_what_the_hash_tells(void **state)
{
    static const struct pair named = {{"17", "  "}, {"OLD", "OLD"}, false, false};
    uint8_t hash[RECORD_PATIENT_SIZE], again[RECORD_PATIENT_SIZE];
    struct configuration *configuration = configuration_make("ignore");
    struct slice study = slice_of_text("1.2.3"), other = slice_of_text("1.2.4");
    struct keys keys;
    (void)state;
    keys_make(&keys);
    assert_true(patient_hash(keys.hasher, configuration, &named, 0, study, hash));
    assert_false(patient_hash(keys.hasher, configuration, &named, 1, study, again));
    assert_false(patient_hash(keys.hasher, configuration, &named, 0, slice_of_text(" "), again));
    assert_false(patient_hash(NULL, configuration, &named, 0, study, again));
    // Of no use to whoever wants to know which studies are of one patient.
    assert_true(patient_hash(keys.hasher, configuration, &named, 0, other, again));
    assert_memory_not_equal(again, hash, sizeof again / 2);
    assert_memory_not_equal(again + sizeof again / 2, hash + sizeof hash / 2, sizeof again / 2);
    keys_rotate(&keys);
    assert_true(patient_hash(keys.hasher, configuration, &named, 0, study, again));
    assert_memory_equal(again, hash, sizeof again);
    keys_free(&keys);
    configuration_free(configuration);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ledger_keeps_the_first),
        cmocka_unit_test(test_an_answer_stands),
        cmocka_unit_test(test_answer_by_the_ledger),
        cmocka_unit_test(test_answer_by_a_dropped_one),
        cmocka_unit_test(test_before_the_ledger_knows),
        cmocka_unit_test(test_dropped_receipts_do_not_count),
        cmocka_unit_test(test_rebuilt),
        cmocka_unit_test(test_one_patient),
        cmocka_unit_test(test_what_the_hash_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
