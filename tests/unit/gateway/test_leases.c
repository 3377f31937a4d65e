// SPDX-License-Identifier: Apache-2.0
//
// How many lanes an archive gets, for whom, and when (ENGINE 5): grouping, backlog, breaker, shares.
#include "unit.h"

#include "base/text.h"
#include "forward/archive.h"
#include "pacs.h"
#include "speak.h"

static struct rig *rig;
static struct pacs pacs;
static uint16_t stored;

static int set_up(void **state)
{
    (void)state;
    rig = rig_new(rig_configuration_fixed, 5);
    rig_boot(rig);
    pacs_init(&pacs, rig, 0);
    stored = 0;
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

// An instance with a UID of its own, on an association of its own.
static void store_as(const char *calling)
{
    struct client client;
    char uid[16];
    text_format(uid, sizeof uid, "1.2.%u", ++stored);
    client_open(&client, rig, NULL);
    speak_associate(&client, "GATE", calling);
    (void)hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
    speak_store(&client, &(struct store){.message_id = stored, .instance = uid, .pixels = 3000});
    assert_int_equal(hear_response(&client, stored), 0);
    client_close(&client);
}

static void store_new(void)
{
    store_as("CT1");
}

static void settle_down(void)
{
    rig_run(rig, 30 * NSEC_PER_SEC);
}

// ENGINE 5: what came on one client association goes on one lane, in order; what came on another beside it.
static void test_source_grouping(void **state)
{
    (void)state;
    struct client clients[2];
    for (int c = 0; c < 2; c++)
        speak_open(&clients[c], rig, NULL);
    for (uint16_t i = 1; i <= 12; i++)
        for (int c = 0; c < 2; c++) {
            char uid[16];
            text_format(uid, sizeof uid, "1.%d.%u", c + 1, i);
            speak_store(&clients[c], &(struct store){.message_id = i, .instance = uid, .pixels = 3000});
            assert_int_equal(hear_response(&clients[c], i), 0);
        }
    settle_down();
    assert_int_equal(pacs.complete, 24);
    assert_in_range(pacs.accepted, 1, 2);
    for (int c = 0; c < 2; c++)
        client_close(&clients[c]);
}

// A backlog has several associations opened at once, not one after the other.
static void test_backlog_opens_lanes(void **state)
{
    (void)state;
    memory_network_set_path(rig->network, &(struct memory_path){.latency = NSEC_PER_SEC / 10});
    atomic_store(&archive()->node->is_paused, true);
    for (int i = 0; i < 40; i++)
        store_new();
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    rig_run(rig, NSEC_PER_SEC / 2); // no round trip more than one of them needs
    assert_int_equal(pacs.accepted, archive()->node->conf->associations);
    settle_down();
    assert_int_equal(archive()->answered.count, 40);
}

// FIELD 7 and ENGINE 5: after a failure one lane tries, by C-ECHO first; the others follow when something is
// answered.
static void test_half_open(void **state)
{
    (void)state;
    pacs_fini(&pacs);
    for (int i = 0; i < 30; i++)
        store_new();
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_true(archive()->failures > 1);
    pacs_init(&pacs, rig, 0);
    pacs.deaf_to_echo = true;
    rig_run(rig, 20 * NSEC_PER_SEC);
    assert_int_equal(pacs.echoes, 1);
    assert_int_equal(pacs.stores, 0); // nothing is tried before the answer
    assert_int_equal(pacs.accepted, 1);
    pacs.deaf_to_echo = false;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 30);
    assert_int_equal(archive()->failures, 0);
}

// Whoever has more than its share gives back while another worker waits; then that one has its share.
static void test_share(void **state)
{
    (void)state;
    struct node *node = archive()->node;
    archive()->share = node->conf->associations / 2;
    pacs.manner = PACS_SILENT;
    for (unsigned i = 0; i < node->conf->associations; i++)
        store_new();
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_int_equal(archive()->lanes.count, node->conf->associations); // nobody else wants any
    atomic_fetch_add(&node->lease_waiters, 1);
    pacs.manner = PACS_ANSWERS;
    for (int i = 0; i < 40; i++)
        store_new();
    rig_run(rig, 700 * NSEC_PER_SEC);
    assert_true(archive()->lanes.count <= archive()->share);
    atomic_fetch_sub(&node->lease_waiters, 1);
    settle_down();
    assert_int_equal(archive()->answered.count, node->conf->associations + 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

// A modality that the archive does not know is no reason to keep back what the others have sent, also after a
// restart, when titles have to be read from the journal.
static void test_unknown_title(void **state)
{
    (void)state;
    pacs.stranger = "MR7";
    for (int i = 0; i < 5; i++)
        store_as("MR7");
    store_as("CT1");
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    assert_false(archive_is_broken(archive()));
    struct archive_refused refused;
    archive_refused_get(archive(), &refused);
    assert_int_equal(refused.count, 5);
    assert_string_equal(refused.text, "rejects calling title MR7");
    assert_string_equal(archive()->last_failure, "");
    atomic_store(&archive()->node->is_paused, true);
    store_as("CT1");
    rig_crash(rig);
    rig_boot(rig);
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    settle_down();
    assert_int_equal(archive()->answered.count, 2);
    assert_int_equal(archive()->parked.count, 0);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_in_range(pacs.rejected, 5, 60);
    pacs.stranger = NULL;
    rig_run(rig, 900 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 7);
    archive_refused_get(archive(), &refused);
    assert_int_equal(refused.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_source_grouping), TEST(test_backlog_opens_lanes), TEST(test_half_open),
        TEST(test_share),           TEST(test_unknown_title),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
