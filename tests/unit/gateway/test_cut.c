// SPDX-License-Identifier: Apache-2.0
//
// Cut everywhere: a recorded session is broken off at every one of its bytes, towards the client and towards
// the archive. After each cut nothing is left of it, nothing partial counts as an instance, what was
// acknowledged is there, and the next association is served. Under the preset `dev` a leak is a failure too.
//
// DG_CUT_STRIDE: every so many bytes for the slow passes (single bytes); default below.
#include "unit.h"

#include "base/text.h"
#include "forward/archive.h"
#include "front/census.h"
#include "front/session.h"
#include "pacs.h"
#include "speak.h"
#include "ul/pdu.h"

// With sanitizers every so many bytes only, for time's sake.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STRIDE = 7, SLOW_STRIDE = 23 };
#else
enum { STRIDE = 1, SLOW_STRIDE = 3 };
#endif
enum { SYNC_EVERY = 50 };

static struct rig *rig;

// The bytes of a client's session, and where each of its two data sets ends.
struct session_bytes {
    struct byte_queue all;
    size_t store_end[2];
};

// Each time with other SOP Instance UIDs of the same length: a thousand receipts of one would wait for each
// other.
static struct slice session_record(struct session_bytes *session)
{
    static unsigned recorded;
    char first[16];
    char second[16];
    text_format(first, sizeof first, "1.2.3.%05u", 10000 + recorded);
    text_format(second, sizeof second, "1.2.4.%05u", 10000 + recorded++);
    struct client recorder = {.rig = rig}; // not connected: what it says only piles up
    byte_queue_init(&recorder.out, MIB);
    speak_associate(&recorder, "GATE", "CT1");
    speak_echo(&recorder, 1);
    speak_store(&recorder,
                &(struct store){.message_id = 2, .instance = first, .pixels = 300, .fragment = 64});
    session->store_end[0] = recorder.out.length;
    speak_store(&recorder, &(struct store){.message_id = 3, .instance = second, .pixels = 100});
    session->store_end[1] = recorder.out.length;
    speak_release(&recorder);
    session->all = recorder.out;
    return byte_queue_peek(&session->all);
}

static unsigned successes(struct client *client)
{
    unsigned count = 0;
    for (struct slice pdu = client_pdu(client); pdu.length > 0; pdu = client_pdu(client)) {
        struct dimse_command response;
        if (pdu.data[0] == UL_PDU_DATA_TF &&
            dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response) == OK &&
            response.command_field == DIMSE_C_STORE_RSP && response.status == 0)
            count++;
    }
    return count;
}

static void nobody_is_left(void)
{
    struct worker *worker = rig_worker(rig);
    assert_int_equal(worker->sessions.count, 0);
    assert_int_equal(worker->orphans.count + worker->intakes.count, 0);
    assert_int_equal(worker->legs.lingering.count, 0);
    assert_int_equal(census_total(rig->gateway->census), 0);
}

static void next_is_served(void)
{
    struct client client;
    speak_open(&client, rig, NULL);
    speak_echo(&client, 1);
    assert_int_equal(hear_response(&client, 1), 0);
    client_close(&client);
}

enum ending { RESET_AT_ONCE, RESET_LATER, CLOSE_AT_ONCE, CLOSE_LATER, ENDINGS };

static bool is_taken(void *arg)
{
    struct client *client = arg;
    return client->has_ended || byte_queue_is_empty(&client->out);
}

// The client says the first `length` bytes and is gone. Returns the Successes that it has heard.
static unsigned front_cut(struct slice all, size_t length, enum ending ending, const struct memory_path *path)
{
    struct client client;
    client_open(&client, rig, path);
    client_send(&client, slice_first(all, length));
    (void)rig_run_until(rig, is_taken, &client, NSEC_PER_SEC);
    if (ending == RESET_LATER || ending == CLOSE_LATER)
        rig_run(rig, 100 * NSEC_PER_MS);
    unsigned heard = successes(&client);
    if (ending == RESET_AT_ONCE || ending == RESET_LATER)
        client_reset(&client);
    else
        client_close(&client);
    rig_run(rig, NSEC_PER_SEC);
    return heard;
}

static void front_cut_pass(struct session_bytes *session, const struct memory_path *path, size_t stride)
{
    struct slice all = byte_queue_peek(&session->all);
    uint64_t cuts = 0;
    for (size_t length = 0; length <= all.length; length += stride)
        for (int ending = 0; ending < ENDINGS; ending++) {
            byte_queue_fini(&session->all);
            all = session_record(session);
            size_t before = rig_worker(rig)->receipts.count;
            unsigned heard = front_cut(all, length, (enum ending)ending, path);
            size_t made = rig_worker(rig)->receipts.count - before;
            size_t whole = (size_t)(length >= session->store_end[0]) + (length >= session->store_end[1]);
            assert_true(made >= heard);
            assert_true(made <= whole);
            if (ending == RESET_LATER || ending == CLOSE_LATER)
                assert_int_equal(made, whole); // they had the time
            nobody_is_left();
            next_is_served();
            if (++cuts % SYNC_EVERY == 0) {
                size_t owed = rig_worker(rig)->receipts.count;
                rig_crash(rig);
                rig_boot(rig);
                assert_int_equal(rig->gateway->recovery.owed, owed);
                assert_int_equal(rig->gateway->recovery.corrupt, 0);
            }
        }
}

static int set_up(void **state)
{
    (void)state;
    rig = rig_new(rig_configuration_fixed, 11);
    rig_boot(rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(rig);
    return 0;
}

static size_t slow_stride(void)
{
    const char *wanted = getenv("DG_CUT_STRIDE");
    return wanted != NULL ? strtoull(wanted, NULL, 10) : SLOW_STRIDE;
}

static void test_front_is_cut_everywhere(void **state)
{
    (void)state;
    struct session_bytes session;
    (void)session_record(&session);
    front_cut_pass(&session, NULL, STRIDE);
    byte_queue_fini(&session.all);
}

// Single bytes in both directions.
static void test_front_is_cut_in_single_bytes(void **state)
{
    (void)state;
    struct session_bytes session;
    struct memory_path path = {.segment_max = 1, .read_max = 1, .buffer = 1};
    (void)session_record(&session);
    front_cut_pass(&session, &path, slow_stride());
    byte_queue_fini(&session.all);
}

// ---- the archive's side ----

static struct archive *archive(void)
{
    return &rig_worker(rig)->archives[0];
}

static void store_one(unsigned number)
{
    struct client client;
    char instance[32];
    text_format(instance, sizeof instance, "1.2.%u", number);
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = 1, .instance = instance, .pixels = 200});
    assert_int_equal(hear_response(&client, 1), 0);
    client_close(&client);
}

static bool is_delivered(void *arg)
{
    return archive()->counters.answered == *(const uint64_t *)arg;
}

// One association with the archive is cut after so many bytes.
static void archive_cut(struct pacs *pacs, unsigned number, uint64_t to_archive, uint64_t to_gateway)
{
    uint64_t answered = archive()->counters.answered + 1;
    unsigned complete = pacs->complete;
    memory_network_cut_next(rig->network, to_archive, to_gateway);
    store_one(number);
    assert_true(rig_run_until(rig, is_delivered, &answered, 600 * NSEC_PER_SEC));
    rig_run(rig, 30 * NSEC_PER_SEC); // past the idle time: the next has an association of its own
    assert_int_equal(archive()->lanes.count, 0);
    assert_int_equal(archive()->parked.count, 0);
    assert_int_equal(archive()->counters.answered, answered);
    assert_int_equal(atomic_load(&archive()->node->leases), 0);
    assert_in_range(pacs->complete - complete, 1, 2); // sent again only if its answer was not heard
}

static void archive_cut_pass(const struct memory_path *path, bool is_towards_archive, size_t stride)
{
    struct pacs pacs;
    unsigned number = 0;
    pacs_init(&pacs, rig, 0);
    if (path != NULL)
        memory_network_set_path(rig->network, path);
    for (uint64_t at = 1;; at += stride) {
        uint64_t before = memory_network_cuts(rig->network);
        archive_cut(&pacs, ++number, is_towards_archive ? at : 0, is_towards_archive ? 0 : at);
        if (memory_network_cuts(rig->network) == before)
            break; // longer than the whole conversation
    }
    assert_true(number * stride > 100);
    rig_crash(rig); // what the archive has answered is known, the rest was never lost
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.corrupt, 0);
    rig_crash(rig);
    pacs_fini(&pacs);
}

static void test_archive_is_cut_everywhere(void **state)
{
    (void)state;
    archive_cut_pass(NULL, true, STRIDE);
}

static void test_archive_is_cut_everywhere_in_its_answers(void **state)
{
    (void)state;
    archive_cut_pass(NULL, false, STRIDE);
}

static void test_archive_is_cut_in_single_bytes(void **state)
{
    (void)state;
    struct memory_path path = {.segment_max = 1, .read_max = 1, .buffer = 1};
    archive_cut_pass(&path, true, slow_stride());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_front_is_cut_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_front_is_cut_in_single_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_archive_is_cut_everywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_archive_is_cut_everywhere_in_its_answers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_archive_is_cut_in_single_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
