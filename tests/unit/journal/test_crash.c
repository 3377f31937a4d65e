// SPDX-License-Identifier: Apache-2.0
// Power cuts at every operation that changes the disk, and random histories with crashes, failing writes and
// syncs, and crashes during recovery: what was acknowledged is never lost, what is kept is whole, numbers are
// never used twice, and what a live reader has seen stays.
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"

static void random_space(struct rig *rig)
{
    const uint64_t levels[] = {rig->options.watermark * 4,
                               rig->options.watermark - MIB,
                               rig->options.reserve + MIB,
                               rig->options.reserve / 2,
                               3 * MIB,
                               4096};
    if (rig_random(rig, 30) == 0 && !fs_sim_is_cut(rig->sim))
        rig_set_free(rig, levels[rig_random(rig, sizeof levels / sizeof levels[0])]);
}

static void random_step(struct rig *rig)
{
    struct instance *instance;
    size_t recent = rig->instance_count < 8 ? rig->instance_count : 8;
    uint64_t what = rig_random(rig, 10);
    if (what < 3 && journal_stream_room(rig->stream) && journal_stream_accepts(rig->stream)) {
        uint32_t length = rig_random(rig, 20) == 0 ? JOURNAL_BODY_MAX : 1 + (uint32_t)rig_random(rig, 3000);
        (void)!instance_begin(rig, (uint32_t)rig_random(rig, 5), length, &instance);
    } else if (recent > 0) {
        instance = &rig->instances[rig->instance_count - 1 - rig_random(rig, recent)];
        bool mine = instance->life == journal_life(rig->journal);
        bool whole = mine && instance->state == INSTANCE_OPEN;
        if (whole && rig_random(rig, 15) == 0)
            (void)!instance_fail(instance);
        else if (whole && instance->receipt.chunks < instance->chunks && journal_stream_room(rig->stream))
            (void)!instance_data(instance);
        else if (whole && instance->receipt.chunks == instance->chunks)
            (void)!instance_close(instance);
        else if (instance->state == INSTANCE_ACKNOWLEDGED && !instance->outcome_appended)
            (void)!instance_outcome(instance);
    }
    rig_run(rig, (uint32_t)rig_random(rig, 4));
}

static void live(struct rig *rig, uint32_t steps)
{
    bool short_of_space = rig_random(rig, 4) == 0;
    for (uint32_t i = 0; i < steps && !fs_sim_is_cut(rig->sim); i++) {
        random_step(rig);
        if (short_of_space)
            random_space(rig);
        if (rig_random(rig, 20) == 0)
            rig_settle(rig);
        if (rig_random(rig, 10) == 0)
            rig_ledger_read(rig);
        if (rig_random(rig, 40) == 0)
            rig_ledger_reclaim(rig);
    }
}

// Whatever happened before: with room and a sound disk instances are stored again within a few seconds.
static void recover_in_life(struct rig *rig)
{
    if (fs_sim_is_cut(rig->sim) || rig_random(rig, 2) == 0)
        return;
    fs_sim_power_cut_after(rig->sim, 1000000);
    fs_sim_faults_clear(rig->sim);
    fs_sim_capacity_set(rig->sim, 1024 * GIB);
    for (int i = 0; i < 4; i++)
        rig_settle(rig);
    assert_true(journal_stream_accepts(rig->stream));
    assert_true(journal_stream_room(rig->stream));
    (void)instance_store(rig, 6, JOURNAL_BODY_MAX);
}

static void recover_and_check(struct rig *rig)
{
    struct check check;
    // The machine may die again while it recovers; nothing may be worse after it.
    if (rig_random(rig, 3) == 0) {
        fs_sim_power_cut_after(rig->sim, rig_random(rig, 6));
        if (rig_recover(rig) == OK)
            rig_crash(rig);
        else
            fs_sim_crash(rig->sim);
    }
    fs_sim_faults_clear(rig->sim);
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.records_corrupt, 0);
    rig_ledger_read(rig); // aborts the test at a corrupt record
    rig_down(rig);
    assert_int_equal(rig_recover_all(rig), OK);
    assert_int_equal(rig->recovery.records_corrupt, 0);
    rig_check(rig, &check);
    assert_int_equal(check.corrupt, 0);
    assert_int_equal(check.incomplete, rig->recovery.receipts_dropped);
    rig_down(rig);
    assert_int_equal(rig_recover(rig), OK);
}

static void history(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->options.segment_age = (1 + rig_random(rig, 20)) * NSEC_PER_SEC;
    uint64_t lives = 2 + rig_random(rig, 3);
    for (uint64_t i = 0; i < lives; i++) {
        recover_and_check(rig);
        if (rig_begin(rig) != OK)
            continue;
        for (uint64_t faults = rig_random(rig, 4); faults > 0; faults--)
            assert_int_equal(fs_sim_fault_arm(rig->sim, (enum fs_sim_fault)rig_random(rig, 2), "0000-",
                                              (uint32_t)rig_random(rig, 12)),
                             OK);
        if (rig_random(rig, 2) == 0)
            fs_sim_power_cut_after(rig->sim, rig_random(rig, 60));
        live(rig, 40 + (uint32_t)rig_random(rig, 150));
        recover_in_life(rig);
        if (rig_random(rig, 4) == 0 && !fs_sim_is_cut(rig->sim))
            rig_stop(rig);
        else
            rig_crash(rig);
        fs_sim_capacity_set(rig->sim, 1024 * GIB);
        fs_sim_crash(rig->sim); // also after a stop: the cut may still be armed
    }
    recover_and_check(rig);
    rig_down(rig);
    rig_free(rig);
}

static void test_random_histories(void **state)
{
    const char *first = getenv("DG_SEED");
    uint64_t begin = first == NULL ? 0 : strtoull(first, NULL, 10);
    const char *many = getenv("DG_SEEDS");
    uint64_t count = many != NULL ? strtoull(many, NULL, 10) : first == NULL ? 60 : 1;
    (void)state;
    for (uint64_t seed = begin; seed < begin + count; seed++) {
        (void)printf("seed %llu\r", (unsigned long long)seed);
        (void)fflush(stdout);
        history(seed);
    }
}

// One short life, cut at each operation in turn.
static void test_cut_at_every_operation(void **state)
{
    bool was_cut = true;
    (void)state;
    for (uint64_t cut = 0; was_cut; cut++) {
        struct rig *rig = rig_new(77);
        struct check check;
        assert_int_equal(rig_recover(rig), OK);
        fs_sim_power_cut_after(rig->sim, cut);
        if (rig_begin(rig) == OK) {
            live(rig, 60);
            was_cut = fs_sim_is_cut(rig->sim);
            rig_crash(rig);
        } else {
            fs_sim_crash(rig->sim);
        }
        assert_int_equal(rig_recover(rig), OK);
        rig_check(rig, &check);
        assert_int_equal(check.corrupt, 0);
        assert_int_equal(rig_begin(rig), OK);
        (void)instance_store(rig, 2, 300);
        rig_crash(rig);
        assert_int_equal(rig_recover(rig), OK);
        rig_check(rig, &check);
        rig_down(rig);
        rig_free(rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_every_operation),
        cmocka_unit_test(test_random_histories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
