// SPDX-License-Identifier: Apache-2.0
//
// Journals that can not be read while other instances are in flight.
#include "lane_edit_rig.h"

#include "base/log.h"
#include "fake_edit.h"

// Beside one that waits for its answer: the journal's trouble is not the archive's.
static void unreadable_beside_others(unsigned reads)
{
    fake_edit.node = 2; // no edits for this one
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = 8;
    pacs.window = -1;
    pacs.silent_for = "1.2.666";
    archive()->lane_limit = 1;
    store_one("1.2.666", 3000);
    rig_run(rig, NSEC_PER_SEC);
    atomic_store(&archive()->node->is_paused, true);
    store_one("1.2.1", 5000000);
    rig_run(rig, 30 * NSEC_PER_SEC);
    assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_READ, "journal", reads), OK);
    uint64_t unreadable = log_event_count(LOG_DELIVERY_UNREADABLE);
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    rig_run(rig, NSEC_PER_SEC);
    assert_true(log_event_count(LOG_DELIVERY_UNREADABLE) > unreadable);
    assert_false(archive_is_broken(archive()));
    assert_int_equal(archive()->failures, 0);
    pacs.silent_for = NULL;
    rig_run(rig, 1000 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
}

static void test_unreadable_beside_others(void **state)
{
    (void)state;
    unreadable_beside_others(4); // before its command has left
}

static void test_unreadable_in_the_middle_beside_others(void **state)
{
    (void)state;
    unreadable_beside_others(6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unreadable_beside_others),
        TEST(test_unreadable_in_the_middle_beside_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
