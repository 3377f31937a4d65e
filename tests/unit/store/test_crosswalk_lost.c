// SPDX-License-Identifier: Apache-2.0
//
// A crosswalk that is lost while the key file is there: never replaced by an empty one unless a person says
// so, and never mistaken for a first start that was cut.
#include "base/log.h"
#include "crosswalk_support.h"
#include "seal/lasting.h"

#include <stdlib.h>
#include <string.h>

static int begin(void **state)
{
    struct walk_bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    bench_init(bench);
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    *state = bench;
    return 0;
}

static int end(void **state)
{
    bench_fini(*state);
    free(*state);
    return 0;
}

static void rings_open(struct walk_bench *bench)
{
    assert_int_equal(seal_keyring_open(bench->fs, "keys", bench->master, 20000, &bench->ring, NULL), OK);
    assert_int_equal(kv_sim_open(bench->disk, &crosswalk_schema, &bench->env), OK);
}

// The folder is away: what comes in its place is empty.
static struct kv_sim_disk *lose(struct walk_bench *bench)
{
    struct kv_sim_disk *former = bench->disk;
    bench_close(bench);
    assert_int_equal(kv_sim_disk_new(&bench->disk), OK);
    return former;
}

static void assert_lost(struct walk_bench *bench)
{
    struct crosswalk *crosswalk;
    struct crosswalk_problem problem = {.text = ""};
    rings_open(bench);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, NULL, 0, &crosswalk, &problem), ERR_LOST);
    assert_non_null(strstr(problem.text, "there was one"));
    bench_close(bench);
}

static enum result renew(struct walk_bench *bench, const char *person)
{
    struct crosswalk_problem problem = {.text = ""};
    struct crosswalk_order order = {.now = ++bench->now, .person = person, .reason = "the disk failed"};
    rings_open(bench);
    enum result result = crosswalk_renew(bench->env, bench->ring, &order, &problem);
    assert_true((result == OK) == (problem.text[0] == 0));
    bench_close(bench);
    return result;
}

static enum result on_act(void *argument, const struct crosswalk_act *act)
{
    struct crosswalk_act *last = argument;
    assert_int_equal(act->number, last->number + 1);
    *last = *act;
    return OK;
}

static struct crosswalk_act last_act(struct walk_bench *bench)
{
    struct crosswalk_act last = {.number = 0};
    assert_int_equal(crosswalk_acts_each(bench->reader, 0, on_act, &last), OK);
    return last;
}

static void test_lost_store_is_noticed(void **state)
{
    struct walk_bench *bench = *state;
    struct kv_sim_disk *former = lose(bench);
    uint64_t empty = kv_sim_fingerprint(bench->disk);
    assert_lost(bench);
    assert_lost(bench); // and the second start does not take the first one's for the crosswalk
    assert_int_equal(kv_sim_fingerprint(bench->disk), empty);
    kv_sim_disk_free(&bench->disk);
    bench->disk = former; // put back
    bench_open(bench);
    assert_maps(bench, "1", "E-1");
    assert_int_equal(last_act(bench).number, 1);
}

static void test_begun_anew_by_a_person(void **state)
{
    struct walk_bench *bench = *state;
    struct kv_sim_disk *former = lose(bench);
    assert_int_equal(renew(bench, ""), ERR_ARGUMENT); // says who
    assert_lost(bench);
    assert_int_equal(renew(bench, "Ada"), OK);
    assert_int_equal(renew(bench, "Ada"), ERR_EXISTS);
    bench_open(bench);
    struct crosswalk_act act = last_act(bench);
    assert_int_equal(act.number, 1);
    assert_int_equal(act.kind, CROSSWALK_ACT_INIT);
    assert_string_equal(act.person, "Ada");
    assert_string_equal(act.reason, "the disk failed");
    assert_maps(bench, "1", NULL);
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-2\n");
    assert_maps(bench, "1", "E-2");
    assert_int_equal(last_act(bench).number, 2);
    kv_sim_disk_free(&former);
}

static void test_one_that_is_there_is_not_begun_anew(void **state)
{
    struct walk_bench *bench = *state;
    bench_close(bench);
    assert_int_equal(renew(bench, "Ada"), ERR_EXISTS);
    bench_open(bench);
    assert_maps(bench, "1", "E-1");
}

static void test_crash_when_begun_anew(void **state)
{
    struct walk_bench *bench = *state;
    struct kv_sim_disk *former = lose(bench);
    kv_sim_fault_set(bench->disk, KV_SIM_CRASH_BEFORE_COMMIT, 0);
    assert_int_equal(renew(bench, "Ada"), ERR_IO);
    assert_lost(bench);
    kv_sim_fault_set(bench->disk, KV_SIM_CRASH_AFTER_COMMIT, 0);
    assert_int_equal(renew(bench, "Ada"), ERR_IO);
    bench_open(bench);
    assert_int_equal(last_act(bench).kind, CROSSWALK_ACT_INIT);
    kv_sim_disk_free(&former);
}

// ---- the first start ever

// As bench_init(), but nothing is opened.
static void first_init(struct walk_bench *bench, uint64_t seed)
{
    uint8_t bytes[32] = {7};
    struct fs_sim_options options = {.seed = seed};
    *bench = (struct walk_bench){.now = T0};
    assert_int_equal(fs_sim_new(&options, &bench->sim), OK);
    assert_int_equal(fs_sim_mount(bench->sim, &bench->fs), OK);
    assert_int_equal(seal_master_from_bytes(bytes, &bench->master), OK);
    assert_int_equal(seal_keyring_create(bench->fs, "keys", bench->master, NULL), OK);
    assert_int_equal(kv_sim_disk_new(&bench->disk), OK);
}

static bool has_power(void *argument)
{
    return !fs_sim_is_cut(argument);
}

// False: the cut came in the midst.
static bool first_start(struct walk_bench *bench)
{
    struct crosswalk *crosswalk;
    static const struct crosswalk_domain domain = {.name = "LEGACY"};
    if (seal_keyring_open(bench->fs, "keys", bench->master, 20000, &bench->ring, NULL) != OK)
        return false;
    assert_int_equal(kv_sim_open(bench->disk, &crosswalk_schema, &bench->env), OK);
    bool is_open = crosswalk_new(bench->env, bench->ring, &domain, 1, &crosswalk, NULL) == OK;
    if (is_open)
        crosswalk_free(crosswalk);
    bench_close(bench);
    return is_open;
}

// After the cut it starts as any other; nobody is told that something is lost.
static void second_start(struct walk_bench *bench)
{
    kv_sim_power_set(bench->disk, NULL, NULL);
    kv_sim_crash(bench->disk);
    fs_sim_crash(bench->sim);
    fs_free(bench->fs);
    assert_int_equal(fs_sim_mount(bench->sim, &bench->fs), OK);
    bench_open(bench);
    bench_load(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n");
    assert_maps(bench, "1", "E-1");
    bench_fini(bench);
}

static void test_first_start_cut_at_every_change_of_the_key_file(void **state)
{
    (void)state;
    bool is_through = false;
    uint64_t cuts = 0;
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT); // slots that can not be written
    for (uint64_t at = 0; !is_through; at++, cuts++) {
        for (uint64_t seed = 1; seed <= 8; seed++) {
            struct walk_bench bench;
            first_init(&bench, seed);
            kv_sim_power_set(bench.disk, has_power, bench.sim);
            fs_sim_power_cut_after(bench.sim, at);
            is_through = first_start(&bench) && !fs_sim_is_cut(bench.sim);
            second_start(&bench);
        }
    }
    assert_true(cuts >= 4); // two keys, each written and synced
}

static void test_first_start_cut_at_the_commit(void **state)
{
    (void)state;
    static const enum kv_sim_fault faults[] = {KV_SIM_CRASH_BEFORE_COMMIT, KV_SIM_CRASH_AFTER_COMMIT};
    for (size_t i = 0; i < 2; i++) {
        struct walk_bench bench;
        first_init(&bench, 1);
        kv_sim_fault_set(bench.disk, faults[i], 0);
        assert_false(first_start(&bench));
        second_start(&bench);
    }
}

// Keys of other stores are in the key file already: they tell of no crosswalk.
static void test_first_start_beside_other_keys(void **state)
{
    struct walk_bench bench;
    struct seal_hash *hash;
    (void)state;
    first_init(&bench, 1);
    assert_int_equal(seal_keyring_open(bench.fs, "keys", bench.master, 20000, &bench.ring, NULL), OK);
    assert_int_equal(seal_keyring_hash_new(bench.ring, "patients", &hash), OK);
    seal_hash_free(hash);
    seal_keyring_free(bench.ring);
    assert_true(first_start(&bench));
    second_start(&bench);
}

static void test_none_was_ever_made(void **state)
{
    struct walk_bench bench;
    (void)state;
    first_init(&bench, 1);
    assert_int_equal(renew(&bench, "Ada"), ERR_EXISTS);
    assert_true(first_start(&bench));
    second_start(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lost_store_is_noticed, begin, end),
        cmocka_unit_test_setup_teardown(test_begun_anew_by_a_person, begin, end),
        cmocka_unit_test_setup_teardown(test_one_that_is_there_is_not_begun_anew, begin, end),
        cmocka_unit_test_setup_teardown(test_crash_when_begun_anew, begin, end),
        cmocka_unit_test(test_first_start_cut_at_every_change_of_the_key_file),
        cmocka_unit_test(test_first_start_cut_at_the_commit),
        cmocka_unit_test(test_first_start_beside_other_keys),
        cmocka_unit_test(test_none_was_ever_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
