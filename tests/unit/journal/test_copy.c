// SPDX-License-Identifier: Apache-2.0
// Copies of one receipt, of which only some are whole: each stands for itself.
#include "rig.h"

#include "base/units.h"
#include "journal/copy.h"

enum { SEEDS = 60 };

// All records of it, into the copier's segment.
static void copy(struct journal_copier *copier, const struct instance *instance)
{
    static const struct record_known known; // nothing
    size_t bytes = 0;
    assert_int_equal(journal_copy_begin(copier, instance->receipt.number, instance->place.position), OK);
    enum result result;
    do
        result = journal_copy_step(copier, NSEC_PER_SEC, &known, MIB, &bytes);
    while (result == AGAIN);
    assert_int_equal(result, OK);
}

static unsigned whole_copies(struct rig *rig, uint64_t receipt)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    unsigned count = 0;
    struct journal_position start = {.stream = JOURNAL_STREAM_COPY};
    assert_int_equal(journal_reader_new(rig->journal, start, 0, &reader), OK);
    while (journal_reader_next(reader, &entry) == OK)
        count += entry.kind == JOURNAL_ENTRY_RECORD && entry.header.type == JOURNAL_CLOSE &&
                 entry.receipt == receipt;
    journal_reader_free(reader);
    return count;
}

// The first copy is synced; of the second, that is not, a power cut takes what it likes. True: it took DATA
// and left the CLOSE.
static bool second_copy_is_torn(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    struct journal_copier *copier;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 6, 3000);
    assert_int_equal(journal_copier_new(rig->journal, &copier), OK);
    copy(copier, instance);
    assert_int_equal(journal_copy_close(copier), OK);
    copy(copier, instance);
    fs_sim_crash(rig->sim);
    journal_copier_free(copier);
    rig_down(rig);
    assert_int_equal(rig_recover_all(rig), OK);
    assert_int_equal(rig->recovery.records_corrupt, 0);
    bool is_torn = rig->recovery.copies_dropped == 1;
    unsigned whole = whole_copies(rig, instance->receipt.number);
    if (is_torn)
        assert_int_equal(whole, 1);
    assert_in_range(whole, 1, 2);
    rig_down(rig);
    rig_free(rig);
    return is_torn;
}

static void test_a_torn_copy_leaves_the_whole_one(void **state)
{
    (void)state;
    unsigned torn = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        torn += second_copy_is_torn(seed);
    assert_true(torn > 0);
}

// A sync that fails takes the records of the receipt under way along: it is given up, and begun anew it is
// whole.
static void test_sync_fails_under_way(void **state)
{
    static const struct record_known known; // nothing
    struct rig *rig = rig_new(1);
    struct journal_copier *copier;
    struct journal_health health;
    size_t bytes = 0;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 6, 3000);
    assert_int_equal(journal_copier_new(rig->journal, &copier), OK);
    assert_int_equal(journal_copy_begin(copier, instance->receipt.number, instance->place.position), OK);
    assert_int_equal(journal_copy_step(copier, NSEC_PER_SEC, &known, 1, &bytes), AGAIN);
    assert_int_equal(fs_sim_fault_arm(rig->sim, FS_SIM_FAULT_DATASYNC, "fffe-", 0), OK);
    assert_int_equal(journal_copy_sync(copier), ERR_IO);
    journal_health_get(rig->journal, &health);
    uint64_t before = health.bytes;
    copy(copier, instance);
    assert_int_equal(journal_copy_close(copier), OK);
    assert_int_equal(whole_copies(rig, instance->receipt.number), 1);
    journal_health_get(rig->journal, &health);
    assert_int_equal(health.dead_segments, 1);
    assert_int_equal(health.bytes, before + JOURNAL_PAGE_SIZE); // the dead one was cut
    journal_copier_free(copier);
    rig_stop(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_torn_copy_leaves_the_whole_one),
                                       cmocka_unit_test(test_sync_fails_under_way)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
