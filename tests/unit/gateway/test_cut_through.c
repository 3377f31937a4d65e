// SPDX-License-Identifier: Apache-2.0
//
// Cut-through (ENGINE 5): an archive gets the bytes of an instance while it still comes in, and the last
// fragment only once it is safe here. However it ends, the archive never has a part of it as a whole.
#include "unit.h"

#include "base/log.h"
#include "base/text.h"
#include "dimse/status.h"
#include "forward/archive.h"
#include "forward/cut.h"
#include "pacs.h"
#include "speak.h"
#include "ul/pdu.h"

enum { BYTES = 900000 };

// 900 KB take some 4.5 seconds.
static const struct memory_path slow_path = {.rate = 200000};

static struct rig *rig;
static struct pacs pacs;
static struct client client;

static void set_up_with(const char *configuration)
{
    rig = rig_new(configuration, 5);
    rig_boot(rig);
    pacs_init(&pacs, rig, 0);
}

static int set_up(void **state)
{
    (void)state;
    set_up_with(rig_configuration_fixed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_crash(rig);
    pacs_fini(&pacs);
    rig_free(rig);
    return 0;
}

static struct archive *archive(void)
{
    return &rig_worker(rig)->archives[0];
}

static void store_slowly(struct store store)
{
    speak_open(&client, rig, &slow_path);
    store.message_id = 1;
    store.instance = "1.2.3";
    store.pixels = BYTES;
    speak_store(&client, &store);
}

static size_t received(void)
{
    return byte_queue_peek(&pacs.data).length;
}

// Two seconds on: the archive has a part of it.
static void assert_on_its_way(void)
{
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_int_equal(pacs.stores, 1);
    assert_in_range(received(), 50000, BYTES - 1);
    assert_int_equal(pacs.complete, 0);
}

static void assert_delivered(unsigned whole)
{
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(pacs.complete, whole);
    struct slice got = byte_queue_peek(&pacs.stored);
    assert_true(got.length > BYTES);
    got = slice_from(got, got.length - BYTES);
    for (size_t i = 0; i < got.length; i++)
        if (got.data[i] != (uint8_t)(i * 31 + i / 257))
            fail_msg("byte %zu differs", i);
}

static void assert_nothing_of_it(void)
{
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 0);
    assert_int_equal(archive()->answered.count, 0);
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    assert_int_equal(rig_worker(rig)->window.used, 0);
    assert_false(archive_is_broken(archive())); // it is not the archive's fault
    assert_int_equal(archive()->counters.lost, 0);
}

static void test_goes_through(void **state)
{
    (void)state;
    store_slowly((struct store){0});
    assert_on_its_way();
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    rig_run(rig, NSEC_PER_SEC / 10);
    assert_delivered(1);
    assert_int_equal(pacs.stores, 1);
    assert_int_equal(archive()->counters.answered, 1);
    client_close(&client);
}

static void test_off(void **state)
{
    static const char option[] = ", cut_through: off";
    static char text[4096];
    const char *node = strstr(rig_configuration_fixed, "plain: yes }\n  second:");
    (void)state;
    assert_non_null(node);
    int before = (int)(node - rig_configuration_fixed) + (int)strlen("plain: yes");
    assert_true(text_format(text, sizeof text, "%.*s%s%s", before, rig_configuration_fixed, option,
                            rig_configuration_fixed + before));
    tear_down(NULL);
    set_up_with(text);
    store_slowly((struct store){0});
    rig_run(rig, 3 * NSEC_PER_SEC);
    assert_int_equal(pacs.accepted, 0);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    rig_run(rig, NSEC_PER_SEC);
    assert_delivered(1);
    client_close(&client);
}

static void test_client_breaks_off(void **state)
{
    (void)state;
    store_slowly((struct store){0});
    assert_on_its_way();
    client_reset(&client);
    assert_nothing_of_it();
}

// It is refused by its header: not a byte goes out.
static void test_verdict_first(void **state)
{
    (void)state;
    store_slowly((struct store){.instance_inside = "1.2.4"});
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_int_equal(pacs.stores, 0);
    assert_int_equal(hear_response(&client, 1), DIMSE_CLASS_MISMATCH);
    client_close(&client);
    assert_nothing_of_it();
}

// The client pauses: the archive is let go, and gets it whole later.
static void test_front_stalls(void **state)
{
    (void)state;
    uint64_t cut_off = log_event_count(LOG_LANE_CUT_OFF);
    memory_network_set_path(rig->network, &(struct memory_path){0});
    store_slowly((struct store){.most = 600000});
    assert_on_its_way();
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_int_equal(log_event_count(LOG_LANE_CUT_OFF), cut_off + 1);
    assert_int_equal(archive()->lanes.count, 0);
    client_reset(&client);
    assert_nothing_of_it();
}

// Everything is here, and the disk does not say that it is safe.
static void test_close_is_not_durable(void **state)
{
    (void)state;
    store_slowly((struct store){0});
    assert_on_its_way();
    sim_loop_kill(rig->disk_loop);
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 0);
    rig_crash(rig);
    client_reset(&client);
    rig_boot(rig);
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 0);
    assert_int_equal(rig->gateway->recovery.owed, 0);
}

static void test_crash(void **state)
{
    (void)state;
    store_slowly((struct store){0});
    assert_on_its_way();
    rig_crash(rig);
    client_reset(&client);
    rig_boot(rig);
    assert_nothing_of_it();
}

// The archive ends the association in the middle, or at the end without an answer: sent again from the
// journal.
static void test_archive_breaks_off(void **state)
{
    (void)state;
    store_slowly((struct store){0});
    assert_on_its_way();
    pacs_fini(&pacs);
    rig_run(rig, NSEC_PER_SEC);
    pacs_init(&pacs, rig, 0);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_delivered(1);
    client_close(&client);
}

static void test_archive_aborts_at_the_end(void **state)
{
    (void)state;
    pacs.manner = PACS_ABORTS;
    store_slowly((struct store){0});
    assert_on_its_way();
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    rig_run(rig, NSEC_PER_SEC / 10);
    assert_int_equal(archive()->resting.count, 1);
    assert_true(CONTAINER_OF(list_first(&archive()->resting), struct delivery, node)->is_resent);
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_delivered(2);
    client_close(&client);
}

static void test_early_refusal(void **state)
{
    (void)state;
    pacs.manner = PACS_ANSWERS_EARLY;
    pacs.status = 0xA700;
    store_slowly((struct store){0});
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_true(pacs.stores >= 1);
    pacs.manner = PACS_ANSWERS;
    pacs.status = 0;
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    client_close(&client);
}

// What already waits goes first.
static void test_not_before_the_backlog(void **state)
{
    (void)state;
    struct client other;
    pacs.manner = PACS_SILENT;
    archive()->lane_limit = 1;
    speak_open(&other, rig, NULL);
    for (uint16_t i = 1; i <= 2; i++) {
        speak_store(&other,
                    &(struct store){.message_id = i, .instance = i == 1 ? "1.2.8" : "1.2.9", .pixels = 100});
        assert_int_equal(hear_response(&other, i), DIMSE_SUCCESS);
    }
    client_close(&other);
    store_slowly((struct store){0});
    rig_run(rig, 3 * NSEC_PER_SEC);
    assert_int_equal(pacs.stores, 1);
    assert_int_equal(archive()->waiting.count, 1);
    client_reset(&client);
}

static void test_worth(void **state)
{
    (void)state;
    uint64_t limit = 10 * NSEC_PER_SEC;
    struct cut_progress progress = {.received = MIB, .expected = 10 * MIB, .elapsed = NSEC_PER_SEC};
    assert_true(cut_is_worth_it(&progress, limit)); // 9 s to go
    assert_false(cut_is_worth_it(&progress, 0));
    assert_false(cut_is_worth_it(&progress, 8 * NSEC_PER_SEC));
    progress.expected = 12 * MIB;
    assert_false(cut_is_worth_it(&progress, limit));
    progress.expected = 0; // not known
    assert_false(cut_is_worth_it(&progress, limit));
    progress.received = 8 * MIB; // large
    assert_true(cut_is_worth_it(&progress, limit));
    progress.gap = NSEC_PER_SEC; // and not steady
    assert_false(cut_is_worth_it(&progress, limit));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_goes_through),
        TEST(test_off),
        TEST(test_client_breaks_off),
        TEST(test_verdict_first),
        TEST(test_front_stalls),
        TEST(test_close_is_not_durable),
        TEST(test_crash),
        TEST(test_archive_breaks_off),
        TEST(test_archive_aborts_at_the_end),
        TEST(test_early_refusal),
        TEST(test_not_before_the_backlog),
        cmocka_unit_test(test_worth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
