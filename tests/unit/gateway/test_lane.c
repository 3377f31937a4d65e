// SPDX-License-Identifier: Apache-2.0
//
// Receipts on their way to an archive: what each of its answers, silences and aborts does to the delivery.
#include "unit.h"

#include "base/log.h"
#include "base/text.h"
#include "forward/archive.h"
#include "pacs.h"
#include "speak.h"
#include "ul/pdu.h"

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

static void store_one(const char *instance, size_t pixels)
{
    struct client client;
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = ++stored, .instance = instance, .pixels = pixels});
    assert_int_equal(hear_response(&client, stored), 0);
    client_close(&client);
}

// A UID that has not been before: the same one again would wait for the first (FIELD 5).
static const char *another(const char *root)
{
    static char uid[32];
    static unsigned count;
    (void)text_format(uid, sizeof uid, "%s.%u", root, ++count);
    return uid;
}

static struct archive *archive(void)
{
    return &rig_worker(rig)->archives[0];
}

static struct delivery *first_of(enum delivery_stage stage)
{
    struct list *list = archive_list(archive(), stage);
    assert_int_equal(list->count, 1);
    return CONTAINER_OF(list_first(list), struct delivery, node);
}

static void settle_down(void)
{
    rig_run(rig, 30 * NSEC_PER_SEC);
}

static void test_answered_then_settled(void **state)
{
    (void)state;
    store_one("1.2.3", 3000);
    settle_down();
    assert_int_equal(pacs.complete, 1);
    assert_int_equal(archive()->counters.answered, 1);
    assert_null(first_of(STAGE_ANSWERED)->receipt->content); // nothing is kept hot for nobody
    assert_int_equal(rig_worker(rig)->window.used, 0);
    rig_run(rig, 71 * 3600 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
    rig_run(rig, 2 * 3600 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 0);
}

// Settlement counts from the answer, over a restart too.
static void test_settles_after_restart(void **state)
{
    (void)state;
    store_one("1.2.3", 3000);
    rig_run(rig, 71 * 3600 * NSEC_PER_SEC);
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(archive()->answered.count, 1);
    rig_run(rig, 2 * 3600 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    assert_int_equal(pacs.complete, 1);
}

static void test_archive_is_off(void **state)
{
    (void)state;
    pacs_fini(&pacs);
    store_one("1.2.3", 3000);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_int_equal(archive()->waiting.count, 1);
    assert_true(archive_is_broken(archive()));
    assert_int_equal(first_of(STAGE_WAITING)->attempts, 0); // an association that fails parks nothing
    pacs_init(&pacs, rig, 0);
    rig_run(rig, 400 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    assert_false(archive_is_broken(archive()));
}

static void test_transient(void **state)
{
    (void)state;
    pacs.status = 0xA700;
    store_one("1.2.3", 3000);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_true(pacs.complete > 5);
    assert_int_equal(archive()->parked.count, 0);
    assert_int_equal(pacs.resent, pacs.complete - 1);
    pacs.status = 0;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
}

static void test_permanent(void **state)
{
    (void)state;
    pacs.status = 0xA900;
    store_one("1.2.3", 3000);
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 1);
    struct delivery *delivery = first_of(STAGE_PARKED);
    assert_int_equal(delivery->status, 0xA900);
    assert_int_equal(strncmp(delivery->reason, "A900 ", 5), 0);
    rig_crash(rig);
    rig_boot(rig);
    settle_down();
    pacs.status = 0;
    delivery_unpark(first_of(STAGE_PARKED), slice_of_text("operator"), slice_of(NULL, 0));
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(pacs.complete, 2);
    assert_int_equal(pacs.resent, 1); // byte for byte, from the journal this time
}

static void test_hiccup(void **state)
{
    (void)state;
    pacs.status = 0xC000;
    store_one("1.2.3", 3000);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 5);
    assert_int_equal(archive()->parked.count, 1);
    delivery_unpark(first_of(STAGE_PARKED), slice_of_text("operator"), slice_of(NULL, 0));
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 10); // a person's word gives it all its tries again
    assert_int_equal(archive()->parked.count, 1);
}

// Five hiccups are five answers of this kind, however often it was tried before for other reasons.
static void test_hiccup_after_transient(void **state)
{
    (void)state;
    pacs.status = 0xA700;
    store_one("1.2.3", 3000);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    unsigned before = pacs.complete;
    assert_true(before > 5);
    pacs.status = 0x0110;
    rig_run(rig, 4 * 3600 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, before + 5);
    assert_int_equal(archive()->parked.count, 1);
}

static void test_duplicate(void **state)
{
    (void)state;
    pacs.status = 0x0111;
    store_one("1.2.3", 3000);
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 1);
    assert_int_equal(strncmp(first_of(STAGE_PARKED)->reason, "0111 ", 5), 0);
}

static void test_dropped_by_person(void **state)
{
    (void)state;
    pacs.status = 0xA900;
    store_one("1.2.3", 3000);
    settle_down();
    delivery_drop(first_of(STAGE_PARKED), slice_of_text("operator"), slice_of_text("test image"));
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    settle_down();
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 0);
}

// Success for what it can not have is never believed: before the last fragment is queued, and while it is
// queued and not written.
static void early_success(enum pacs_manner manner, size_t pixels, size_t buffer)
{
    memory_network_set_path(rig->network,
                            &(struct memory_path){.buffer = buffer, .latency = NSEC_PER_SEC / 2});
    pacs.manner = manner;
    store_one("1.2.3", pixels);
    settle_down();
    assert_int_equal(archive()->counters.answered, 0);
    assert_int_equal(archive()->answered.count, 0);
    assert_true(pacs.stores > 0);
    memory_network_set_path(rig->network, &(struct memory_path){0});
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    assert_true(byte_queue_peek(&pacs.stored).length > pixels);
}

static void test_early_success(void **state)
{
    (void)state;
    early_success(PACS_ANSWERS_DEAF, 900000, 1000);
}

static void test_early_success_last_queued(void **state)
{
    (void)state;
    early_success(PACS_ANSWERS_DEAF, 20000, 1000);
}

static void test_early_failure(void **state)
{
    (void)state;
    memory_network_set_path(rig->network, &(struct memory_path){.buffer = 1000});
    pacs.manner = PACS_ANSWERS_DEAF;
    pacs.status = 0xA900;
    store_one("1.2.3", 20000);
    settle_down();
    assert_int_equal(archive()->parked.count, 1); // a refusal counts
    assert_int_equal(pacs.stores, 1);
}

static bool has_failed(void *arg)
{
    (void)arg;
    return archive()->failures > 0;
}

static void test_silent(void **state)
{
    (void)state;
    pacs.manner = PACS_SILENT;
    store_one("1.2.3", 3000);
    rig_run(rig, 590 * NSEC_PER_SEC);
    assert_int_equal(pacs.complete, 1);
    assert_int_equal(archive()->sending.count, 1);
    pacs.manner = PACS_ANSWERS;
    assert_true(rig_run_until(rig, has_failed, NULL, 11 * NSEC_PER_SEC));
    assert_string_equal(archive()->last_failure, "no C-STORE response within 10min");
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_int_equal(pacs.resent, 1);
    assert_int_equal(archive()->answered.count, 1);
}

static void test_wrong_message_id(void **state)
{
    (void)state;
    uint64_t unexpected = log_event_count(LOG_LANE_UNEXPECTED);
    pacs.manner = PACS_WRONG_ID;
    store_one("1.2.3", 3000);
    settle_down();
    assert_true(log_event_count(LOG_LANE_UNEXPECTED) > unexpected);
    assert_int_equal(archive()->answered.count, 0);
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
}

// ENGINE 5: three aborts with it in flight while others get through, then alone, then parked.
static void test_kills_association(void **state)
{
    (void)state;
    pacs.kills = "1.2.666";
    store_one("1.2.1", 3000);
    store_one("1.2.666", 3000);
    store_one("1.2.2", 3000);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
    assert_string_equal(first_of(STAGE_PARKED)->reason, "kills association");
    assert_int_equal(pacs.complete, 2 + 4);
    assert_true(first_of(STAGE_PARKED)->is_resent); // what it did with the last one is not known
    rig_crash(rig);
    rig_boot(rig);
    assert_true(first_of(STAGE_PARKED)->is_resent);
}

// An archive that aborts everything is broken; that is nobody's fault in particular.
static void test_aborts_everything(void **state)
{
    (void)state;
    pacs.manner = PACS_ABORTS;
    store_one("1.2.1", 3000);
    rig_run(rig, 7200 * NSEC_PER_SEC);
    assert_int_equal(archive()->parked.count, 0);
    assert_true(pacs.complete > 5);
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 1200 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
}

// The same after it has answered something: nothing got through since.
static void test_aborts_everything_later(void **state)
{
    (void)state;
    store_one("1.2.1", 3000);
    settle_down();
    pacs.manner = PACS_ABORTS;
    store_one("1.2.2", 3000);
    rig_run(rig, 7200 * NSEC_PER_SEC);
    assert_int_equal(archive()->parked.count, 0);
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 1200 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
}

// A release where a response is due: no reason to send again at once, for ever.
static void test_releases_instead(void **state)
{
    (void)state;
    pacs.manner = PACS_RELEASES;
    store_one("1.2.1", 3000);
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_in_range(pacs.complete, 2, 10);
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
}

// Lanes that were open when the archive broke have met one failure, not one each.
static void test_one_failure_for_all_lanes(void **state)
{
    (void)state;
    pacs.manner = PACS_SILENT;
    for (int i = 0; i < 6; i++)
        store_one(another("1.2.1"), 3000);
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_true(archive()->lanes.count > 3);
    pacs_fini(&pacs);
    rig_run(rig, NSEC_PER_SEC / 10);
    assert_int_equal(archive()->lanes.count, 0);
    assert_in_range(archive()->failures, 1, 2);
    pacs_init(&pacs, rig, 0);
    rig_run(rig, 20 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 6);
}

// An instance that the archive never answers stands in nobody's way, also where it has one association only.
static void test_silent_for_one(void **state)
{
    (void)state;
    archive()->lane_limit = 1;
    pacs.silent_for = "1.2.666";
    store_one("1.2.666", 3000);
    store_one("1.2.1", 3000);
    store_one("1.2.2", 3000);
    rig_run(rig, 1000 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
}

// A chunk that can not be read now: the archive must not get the next command in the middle of a data set.
static void test_unreadable_in_the_middle(void **state)
{
    (void)state;
    atomic_store(&archive()->node->is_paused, true);
    store_one("1.2.1", 5000000);
    store_one("1.2.2", 3000);
    rig_run(rig, 30 * NSEC_PER_SEC); // the ledger has read its part of the journal
    assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_READ, "journal", 4), OK);
    atomic_store(&archive()->node->is_paused, false);
    archive()->lane_limit = 1;
    archive_pump_later(archive());
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_int_equal(archive()->counters.lost, 0);
    assert_int_equal(archive()->answered.count, 2);
    assert_int_equal(pacs.complete, 2);
}

static void test_context_refused(void **state)
{
    (void)state;
    pacs.refused = EXPLICIT_LE;
    store_one("1.2.1", 3000);
    settle_down();
    assert_int_equal(archive()->parked.count, 1);
    assert_int_equal(pacs.stores, 0);
    assert_int_equal(
        capability_get(rig->gateway->capabilities, 1, slice_of_text(CT_CLASS), slice_of_text(EXPLICIT_LE)),
        CAPABILITY_REFUSED);
}

// An archive that was taught meanwhile is asked again, though traffic keeps the old association open; and not
// for each instance.
static void test_context_refused_for_a_while(void **state)
{
    (void)state;
    pacs.refused = EXPLICIT_LE;
    store_one(another("1.2.1"), 3000);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(archive()->parked.count, 1);
    pacs.refused = NULL;
    for (int i = 0; i < 24; i++) {
        store_one(another("1.2.1"), 3000);
        rig_run(rig, 5 * NSEC_PER_SEC);
    }
    assert_true(pacs.complete >= 10);
    assert_int_equal(pacs.accepted, 2);
}

// A crash between SENT and OUTCOME: sent again, marked, byte for byte the same.
static void test_possibly_sent(void **state)
{
    (void)state;
    pacs.manner = PACS_SILENT;
    store_one("1.2.3", 400000);
    settle_down();
    assert_int_equal(pacs.complete, 1);
    rig_crash(rig);
    pacs.manner = PACS_ANSWERS;
    rig_boot_begin(rig);
    assert_true(first_of(STAGE_GATED)->is_resent); // until it is known to be alone
    settle_down();
    assert_int_equal(pacs.resent, 1);
    assert_int_equal(archive()->answered.count, 1);
}

// Larger than the hot window, over an archive that reads single bytes at first.
static void test_cold_and_slow(void **state)
{
    (void)state;
    memory_network_set_path(rig->network, &(struct memory_path){.buffer = 3000, .segment_max = 900});
    store_one("1.2.3", 5000000);
    rig_run(rig, 300 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    assert_true(byte_queue_peek(&pacs.stored).length > 5000000);
    struct slice got = byte_queue_peek(&pacs.stored);
    got = slice_from(got, got.length - 5000000);
    for (size_t i = 0; i < got.length; i++)
        if (got.data[i] != (uint8_t)(i * 31 + i / 257))
            fail_msg("byte %zu differs", i);
}

static void test_paused(void **state)
{
    (void)state;
    atomic_store(&archive()->node->is_paused, true);
    store_one("1.2.3", 3000);
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->waiting.count, 1);
    assert_int_equal(pacs.accepted, 0);
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
}

// The limit of the archive is the process's: a worker without a lease waits until another gives one back.
static void test_leases(void **state)
{
    (void)state;
    struct node *node = archive()->node;
    atomic_fetch_add(&node->leases, node->conf->associations); // other workers have them all
    store_one("1.2.3", 3000);
    rig_run(rig, 60 * NSEC_PER_SEC);
    assert_int_equal(pacs.accepted, 0);
    assert_int_equal(archive()->waiting.count, 1);
    assert_int_equal(atomic_load(&node->lease_waiters), 1);
    atomic_fetch_sub(&node->leases, 1);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(atomic_load(&node->lease_waiters), 0);
    assert_int_equal(atomic_load(&node->leases), node->conf->associations);
    atomic_fetch_add(&node->lease_waiters, 1); // now another one has work and this one does not
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_int_equal(atomic_load(&node->leases), node->conf->associations - 1);
    atomic_fetch_sub(&node->lease_waiters, 1);
    atomic_fetch_sub(&node->leases, node->conf->associations - 1);
}

// Several in flight on one association, answered in the opposite order: each answer finds its instance
// (PS3.7 D.3.3.3).
static void backlog_through_window(unsigned asked, int granted, unsigned batch)
{
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = asked;
    pacs.window = granted;
    pacs.batch = batch;
    pacs.manner = PACS_REVERSES;
    pacs.open_most = pacs.accepted = pacs.complete = 0;
    archive()->lane_limit = 1;
    atomic_store(&archive()->node->is_paused, true);
    for (unsigned i = 0; i < 24; i++)
        store_one(another("1.2"), i % 3 == 0 ? 300000 : 3000);
    size_t before = archive()->answered.count;
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, before + 24);
    assert_int_equal(pacs.complete, 24);
    assert_int_equal(pacs.accepted, 1);
    assert_int_equal(pacs.open_most, batch);
    rig_run(rig, 30 * NSEC_PER_SEC);
    assert_int_equal(archive()->lanes.count, 0);
}

static void test_window(void **state)
{
    (void)state;
    backlog_through_window(8, -1, 8);
    backlog_through_window(16, 4, 4); // it grants less
    backlog_through_window(4, 12, 4); // or more: ours counts
    backlog_through_window(6, 0, 1);  // or knows no window
    backlog_through_window(1, 12, 1); // it was not asked
}

// The association ends with several unanswered: all of them again, and marked; the one that kills
// associations is found, the others are not blamed for it.
static void test_kills_in_window(void **state)
{
    (void)state;
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = 8;
    pacs.window = -1;
    pacs.kills = "1.2.666";
    archive()->lane_limit = 1;
    atomic_store(&archive()->node->is_paused, true);
    char uid[16];
    for (unsigned i = 0; i < 7; i++) {
        text_format(uid, sizeof uid, "1.2.%u", i == 4 ? 666 : i + 1);
        store_one(uid, 3000);
    }
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 6);
    assert_string_equal(first_of(STAGE_PARKED)->reason, "kills association");
    assert_true(first_of(STAGE_PARKED)->is_resent);
}

static void test_silent_in_window(void **state)
{
    (void)state;
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = 8;
    pacs.window = -1;
    pacs.silent_for = "1.2.666";
    archive()->lane_limit = 1;
    atomic_store(&archive()->node->is_paused, true);
    store_one("1.2.666", 3000);
    for (unsigned i = 0; i < 20; i++)
        store_one(another("1.2.1"), 3000);
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 20); // past the one that is not answered
    assert_int_equal(archive()->sending.count, 1);
    pacs.silent_for = NULL;
    rig_run(rig, 1000 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 21);
    assert_int_equal(pacs.accepted, 2);
}

// What a client waits for goes before the backlog, on a lane of its own when the others are busy.
static void test_urgent(void **state)
{
    (void)state;
    struct node *node = archive()->node;
    node->kept_leases = 1;
    pacs.silent_for = "1.2.666";
    unsigned lanes = node->conf->associations - 1;
    archive()->lane_limit = node->conf->associations;
    for (unsigned i = 0; i < lanes; i++)
        store_one(another("1.2.666"), 3000);
    for (unsigned i = 0; i < 20; i++)
        store_one(another("1.2.1"), 3000);
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_int_equal(archive()->lanes.count, lanes); // all of them wait for an answer
    assert_int_equal(archive()->waiting.count, 20);
    assert_int_equal(archive()->answered.count, 0);
    struct delivery *last = CONTAINER_OF(list_last(&archive()->waiting), struct delivery, node);
    last->is_urgent = true;
    delivery_wait(last);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    assert_ptr_equal(first_of(STAGE_ANSWERED), last);
    assert_false(last->is_urgent);
    assert_int_equal(archive()->waiting.count, 19); // the kept lease is for nothing else
    node->kept_leases = 0;
}

// An association that is there and fits is used; no second one is opened beside it.
static void test_lane_is_used_again(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        store_one(another("1.2.3"), 3000);
        rig_run(rig, NSEC_PER_SEC);
    }
    assert_int_equal(pacs.complete, 5);
    assert_int_equal(pacs.accepted, 1);
    settle_down();
    assert_int_equal(archive()->lanes.count, 0); // released after node.idle
}

static void test_stop_while_sending(void **state)
{
    (void)state;
    pacs.manner = PACS_SILENT;
    store_one("1.2.3", 3000);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(archive()->sending.count, 1);
    rig_stop(rig);
    pacs.manner = PACS_ANSWERS;
    rig_boot(rig);
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    rig_stop(rig);
    rig_boot(rig);
    assert_int_equal(archive()->answered.count, 1);
}

// A short outcome fits where a long one had to wait for the next segment: it waits behind it all the same.
static void test_outcomes_keep_their_order(void **state)
{
    (void)state;
    char text[90];
    memset(text, 'x', sizeof text);
    struct notes *notes = &rig_worker(rig)->notes;
    struct record_outcome brief = {.receipt = 1, .archive = 1, .kind = RECORD_UNPARKED};
    struct record_outcome wordy = {.receipt = 1,
                                   .archive = 1,
                                   .kind = RECORD_PARKED,
                                   .comment = slice_of((const uint8_t *)text, sizeof text),
                                   .person = slice_of((const uint8_t *)text, sizeof text)};
    rig_run(rig, NSEC_PER_SEC);
    sim_loop_kill(rig->disk_loop); // no other segment than the one that is prepared
    struct journal_position at = journal_stream_end(rig_worker(rig)->stream);
    uint32_t last = at.segment + 1;
    notes_outcome(notes, &brief);
    uint64_t size = journal_stream_end(rig_worker(rig)->stream).offset - at.offset;
    while (at.segment < last || rig->configuration->journal.segment_bytes - at.offset >= 2 * size) {
        notes_outcome(notes, &brief);
        assert_int_equal(notes->waiting.count, 0);
        at = journal_stream_end(rig_worker(rig)->stream);
    }
    notes_outcome(notes, &wordy);
    assert_int_equal(notes->waiting.count, 1);
    notes_outcome(notes, &brief);
    assert_int_equal(notes->waiting.count, 2);
    notes_retry(notes);
    assert_int_equal(notes->waiting.count, 2);
}

static size_t evidence_found(uint64_t receipt, struct slice expected)
{
    struct journal_position start = {.stream = 0};
    struct journal_reader *reader;
    struct journal_entry entry;
    struct record_sent sent;
    size_t found = 0;
    assert_int_equal(journal_reader_new(rig->gateway->journal, start, 0, &reader), OK);
    while (journal_reader_next(reader, &entry) == OK) {
        if (entry.kind != JOURNAL_ENTRY_RECORD || entry.header.type != JOURNAL_SENT ||
            entry.receipt != receipt)
            continue;
        assert_int_equal(record_sent_decode(entry.body, &sent), OK);
        assert_true(slice_is_equal(sent.evidence, expected));
        assert_true(sent.flags.count == 3 && slice_is_text(sent.flags.reason[0], "p/r: look"));
        found++;
    }
    journal_reader_free(reader);
    return found;
}

// Its segment dies before it is durable, and the lane's memory of it has long gone.
static void test_evidence_survives_a_segment(void **state)
{
    (void)state;
    enum { LENGTH = 70000, RECEIPT = 77 };
    static uint8_t kept[LENGTH], lent[LENGTH];
    memset(kept, 'e', sizeof kept);
    memset(lent, 'e', sizeof lent);
    struct worker *worker = rig_worker(rig);
    struct journal_place place;
    char reason[] = "p/r: look";
    struct record_sent sent = {.archive = 1,
                               .attempt = 1,
                               .evidence = slice_of(lent, sizeof lent),
                               .flags = {3, 1, {slice_of_text(reason)}}};
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_DATASYNC, "journal/0000-", 0), OK);
    assert_int_equal(journal_append_sent(worker->stream, RECEIPT, &sent, &place), OK);
    notes_sent(&worker->notes, RECEIPT, &sent, &place);
    memset(lent, 0, sizeof lent);
    memset(reason, 0, sizeof reason);
    assert_false(notes_are_empty(&worker->notes));
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_true(notes_are_empty(&worker->notes));
    assert_true(journal_stream_end(worker->stream).segment > place.position.segment);
    assert_int_equal(evidence_found(RECEIPT, slice_of(kept, sizeof kept)), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answered_then_settled),
        TEST(test_settles_after_restart),
        TEST(test_archive_is_off),
        TEST(test_transient),
        TEST(test_permanent),
        TEST(test_hiccup),
        TEST(test_hiccup_after_transient),
        TEST(test_duplicate),
        TEST(test_dropped_by_person),
        TEST(test_early_success),
        TEST(test_early_success_last_queued),
        TEST(test_early_failure),
        TEST(test_silent),
        TEST(test_wrong_message_id),
        TEST(test_kills_association),
        TEST(test_aborts_everything),
        TEST(test_aborts_everything_later),
        TEST(test_releases_instead),
        TEST(test_one_failure_for_all_lanes),
        TEST(test_silent_for_one),
        TEST(test_unreadable_in_the_middle),
        TEST(test_context_refused),
        TEST(test_context_refused_for_a_while),
        TEST(test_possibly_sent),
        TEST(test_cold_and_slow),
        TEST(test_paused),
        TEST(test_leases),
        TEST(test_window),
        TEST(test_kills_in_window),
        TEST(test_silent_in_window),
        TEST(test_urgent),
        TEST(test_lane_is_used_again),
        TEST(test_stop_while_sending),
        TEST(test_outcomes_keep_their_order),
        TEST(test_evidence_survives_a_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
