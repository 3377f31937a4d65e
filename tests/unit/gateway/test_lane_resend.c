// SPDX-License-Identifier: Apache-2.0
//
// A second attempt: the same bytes as long as rules and crosswalk are the same; others are no proof of
// anything (FIELD 5).
#include "lane_edit_rig.h"

#include "dimse/status.h"
#include "fake_edit.h"

// A crash between SENT and OUTCOME: the same bytes again.
static void test_resent_identical(void **state)
{
    (void)state;
    pacs.manner = PACS_SILENT;
    store_one("1.2.3", 400000);
    settle_down();
    assert_int_equal(pacs.complete, 1);
    rig_crash(rig);
    pacs.manner = PACS_ANSWERS;
    rig_boot_begin(rig);
    assert_true(first_of(STAGE_GATED)->is_resent);
    settle_down();
    assert_int_equal(pacs.resent, 1);
    stored_is("1.2.3", "NEW-0815", 400000);
}

// Other rules by the time of the second attempt: what the archive kept of the two nobody knows, and its word
// that it has it already is no proof of what is recorded last.
static void sent_with_other_edits(bool is_restarted, uint16_t status)
{
    pacs.manner = PACS_SILENT;
    store_one("1.2.3", 400000);
    settle_down();
    assert_int_equal(pacs.complete, 1);
    fake_edit.patient_id = "NEW-0816";
    pacs.manner = PACS_ANSWERS;
    pacs.status = status;
    if (is_restarted) {
        rig_crash(rig);
        rig_boot_begin(rig);
    }
    rig_run(rig, 1200 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 2);
}

static void test_duplicate_of_other_edits(void **state)
{
    (void)state;
    sent_with_other_edits(false, DIMSE_DUPLICATE_INSTANCE);
    assert_string_equal(first_of(STAGE_PARKED)->reason,
                        "0111 duplicate: it was sent other content under this UID");
}

static void test_duplicate_of_other_edits_after_a_crash(void **state)
{
    (void)state;
    sent_with_other_edits(true, DIMSE_DUPLICATE_INSTANCE);
    assert_int_equal(archive_list(archive(), STAGE_PARKED)->count, 1);
}

static void test_success_for_other_edits(void **state)
{
    (void)state;
    sent_with_other_edits(true, DIMSE_SUCCESS);
    assert_true(first_of(STAGE_ANSWERED)->is_unproven);
}

static void test_duplicate_of_the_same_edits(void **state)
{
    (void)state;
    pacs.manner = PACS_SILENT;
    store_one("1.2.3", 400000);
    settle_down();
    rig_crash(rig);
    pacs.manner = PACS_ANSWERS;
    pacs.status = DIMSE_DUPLICATE_INSTANCE;
    rig_boot_begin(rig);
    settle_down();
    assert_false(first_of(STAGE_ANSWERED)->is_unproven);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_resent_identical),
        TEST(test_duplicate_of_other_edits),
        TEST(test_duplicate_of_other_edits_after_a_crash),
        TEST(test_success_for_other_edits),
        TEST(test_duplicate_of_the_same_edits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
