// SPDX-License-Identifier: Apache-2.0
//
// What rules and crosswalk refuse, they refuse before Success (FIELD 3); the rest is stored as ever.
#include "front/session.h"
#include "unit.h"

#include "base/log.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "fake_verdict.h"
#include "forward/archive.h"
#include "fs/sim.h"
#include "speak.h"
#include "ul/pdu.h"

enum { PACS = 1, SECOND = 2 };

static struct rig *rig;
static struct edit_policies policies;
static struct client client;

static int set_up(void **state)
{
    (void)state;
    policies = (struct edit_policies){.rejecting = PACS, .next = EDIT_GOES};
    fake_edit_use(&policies);
    rig = rig_new(rig_configuration_fixed, 1);
    rig_boot(rig);
    speak_open(&client, rig, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    client_close(&client);
    rig_free(rig);
    assert_int_equal(fake_edit_count(&policies), 0);
    assert_int_equal(policies.references, 0);
    fake_edit_use(NULL);
    return 0;
}

static void store_send(uint16_t message_id, size_t pixels)
{
    speak_store(&client, &(struct store){.message_id = message_id, .instance = "1.2.3", .pixels = pixels});
}

static bool is_asking(void *arg)
{
    (void)arg;
    return fake_edit_count(&policies) == 1 && fake_edit_only(&policies)->stage == EDIT_ASKS;
}

// An instance that is all there and waits for the crosswalk.
static struct edit *store_until_asking(uint16_t message_id)
{
    size_t receipts = rig_worker(rig)->receipts.count;
    policies.next = EDIT_ASKS;
    store_send(message_id, 3000);
    assert_true(rig_run_until(rig, is_asking, NULL, NSEC_PER_SEC));
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_int_equal(client_pdu(&client).length, 0); // no response
    assert_int_equal(rig_worker(rig)->receipts.count, receipts);
    return fake_edit_only(&policies);
}

static void crash_and_expect_owed(uint64_t owed)
{
    rig_crash(rig);
    client_reset(&client);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, owed);
    policies.next = EDIT_GOES;
    speak_open(&client, rig, NULL);
}

static uint16_t hear_refusal(uint16_t message_id, const char *comment)
{
    struct slice pdu = hear_pdu(&client, UL_PDU_DATA_TF);
    struct dimse_command response;
    assert_int_equal(dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response), OK);
    assert_int_equal(response.message_id_responded_to, message_id);
    assert_true(slice_is_text(slice_trimmed(response.error_comment), comment));
    return response.status;
}

#define REASON "rule site/names: PatientID is empty"

static void test_refused(void **state)
{
    (void)state;
    uint64_t before = log_event_count(LOG_INTAKE_REJECTED);
    policies.next = EDIT_REFUSES;
    store_send(1, 3000);
    assert_int_equal(hear_refusal(1, REASON), DIMSE_CLASS_MISMATCH);
    assert_int_equal(log_event_count(LOG_INTAKE_REJECTED), before + 1);
    policies.next = EDIT_GOES;
    store_send(2, 3000);
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    crash_and_expect_owed(1);
}

// The rest of a large data set is read and thrown away; the next instance follows on the same association.
static void test_refused_in_the_header(void **state)
{
    (void)state;
    policies.next = EDIT_REFUSES;
    policies.decides_at = 200;
    store_send(1, MIB);
    assert_int_equal(hear_refusal(1, REASON), DIMSE_CLASS_MISMATCH);
    policies.next = EDIT_GOES;
    store_send(2, MIB);
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    crash_and_expect_owed(1);
}

// A reason may be longer than an LO, and name a rule with letters that it can not have.
static void test_long_reason(void **state)
{
    (void)state;
    struct edit *edit = store_until_asking(1);
    memset(edit->hold.reason, 'x', EDIT_REASON_BYTES - 1);
    memcpy(edit->hold.reason, "a\\b\xc3\xa9", 5);
    fake_edit_answer(edit, EDIT_REFUSES);
    char expected[65] = "a?b??";
    memset(expected + 5, 'x', 59);
    assert_int_equal(hear_refusal(1, expected), DIMSE_CLASS_MISMATCH);
}

static void test_late_verdict(void **state)
{
    (void)state;
    fake_edit_answer(store_until_asking(1), EDIT_GOES);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    fake_edit_answer(store_until_asking(2), EDIT_REFUSES);
    assert_int_equal(hear_refusal(2, REASON), DIMSE_CLASS_MISMATCH);
    crash_and_expect_owed(1);
}

// Nothing is promised before the verdict: the power goes while it is awaited.
static void test_crash_while_judged(void **state)
{
    (void)state;
    (void)store_until_asking(1);
    crash_and_expect_owed(0);
}

// What would be held is taken: it is held when it is to be sent.
static void test_hold_is_no_refusal(void **state)
{
    (void)state;
    policies.next = EDIT_HOLDS;
    store_send(1, 3000);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
}

static void test_nobody_may_refuse(void **state)
{
    (void)state;
    policies.rejecting = 0;
    policies.holding = PACS;
    store_send(1, 3000);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    assert_int_equal(policies.begun, 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    policies.is_out_of_memory = true;
    store_send(1, 3000);
    assert_int_equal(hear_response(&client, 1), DIMSE_OUT_OF_RESOURCES);
    policies.is_out_of_memory = false;
    store_send(2, 3000);
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
}

// A client that goes while it is awaited: what is complete goes on without it.
static void test_client_goes(void **state)
{
    (void)state;
    struct edit *edit = store_until_asking(1);
    client_reset(&client);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->sessions.count, 0);
    assert_int_equal(rig_worker(rig)->orphans.count, 1);
    fake_edit_answer(edit, EDIT_GOES);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->orphans.count, 0);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
    speak_open(&client, rig, NULL);
    edit = store_until_asking(2);
    client_reset(&client);
    rig_run(rig, NSEC_PER_SEC);
    fake_edit_answer(edit, EDIT_REFUSES);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->orphans.count, 0);
    speak_open(&client, rig, NULL);
    crash_and_expect_owed(1);
}

// The client goes in the middle of the data set.
static void test_client_goes_early(void **state)
{
    (void)state;
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 3000, .most = 100});
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(fake_edit_count(&policies), 1);
    client_reset(&client);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(fake_edit_count(&policies), 0);
    speak_open(&client, rig, NULL);
    crash_and_expect_owed(0);
}

// A stop waits for it no longer than for anything else.
static void test_stop_while_judged(void **state)
{
    (void)state;
    (void)store_until_asking(1);
    rig_stop(rig);
    client_close(&client);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 0);
    speak_open(&client, rig, NULL);
}

// The segment that it lies in dies: it can not be completed any more, and the client is told.
static void test_journal_lost_while_judged(void **state)
{
    (void)state;
    struct edit *edit = store_until_asking(1);
    assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_DATASYNC, "journal", 0), OK);
    struct client other;
    policies.next = EDIT_GOES;
    speak_open(&other, rig, NULL);
    speak_store(&other, &(struct store){.message_id = 9, .instance = "1.2.9", .pixels = 3000});
    assert_int_equal(hear_response(&other, 9), DIMSE_OUT_OF_RESOURCES);
    fake_edit_answer(edit, EDIT_GOES);
    assert_int_equal(hear_response(&client, 1), DIMSE_OUT_OF_RESOURCES);
    client_close(&other);
    crash_and_expect_owed(0);
}

static void test_one_byte_at_a_time(void **state)
{
    (void)state;
    struct client slow;
    struct memory_path path = {.segment_max = 1, .read_max = 1};
    speak_open(&slow, rig, &path);
    policies.next = EDIT_ASKS;
    speak_store(&slow, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 900, .fragment = 2});
    assert_true(rig_run_until(rig, is_asking, NULL, 60 * NSEC_PER_SEC));
    size_t bytes = fake_edit_only(&policies)->bytes;
    assert_true(fake_edit_only(&policies)->has_ended);
    fake_edit_answer(fake_edit_only(&policies), EDIT_GOES);
    assert_int_equal(hear_response(&slow, 1), DIMSE_SUCCESS);
    struct receipt *receipt = CONTAINER_OF(list_first(&rig_worker(rig)->receipts), struct receipt, node);
    assert_int_equal(receipt->content->length, bytes);
    client_close(&slow);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_refused),
        TEST(test_refused_in_the_header),
        TEST(test_long_reason),
        TEST(test_late_verdict),
        TEST(test_crash_while_judged),
        TEST(test_hold_is_no_refusal),
        TEST(test_nobody_may_refuse),
        TEST(test_no_memory),
        TEST(test_client_goes),
        TEST(test_client_goes_early),
        TEST(test_stop_while_judged),
        TEST(test_journal_lost_while_judged),
        TEST(test_one_byte_at_a_time),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
