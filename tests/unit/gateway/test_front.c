// SPDX-License-Identifier: Apache-2.0
//
// The front session as a client sees it, and what the journal holds of it after a power cut.
#include "front/census.h"
#include "front/session.h"
#include "unit.h"

#include "base/log.h"
#include "base/text.h"
#include "dimse/status.h"
#include "forward/archive.h"
#include "speak.h"
#include "ul/pdu.h"

static struct rig *rig;

static int set_up(void **state)
{
    (void)state;
    rig = rig_new(rig_configuration_fixed, 1);
    rig_boot(rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_free(rig);
    return 0;
}

static void nobody_is_left(void)
{
    assert_int_equal(rig_worker(rig)->sessions.count, 0);
    assert_int_equal(rig_worker(rig)->orphans.count, 0);
    assert_int_equal(rig_worker(rig)->legs.lingering.count, 0);
    assert_int_equal(census_total(rig->gateway->census), 0);
}

static void leave(struct client *client)
{
    client_close(client);
    rig_run(rig, NSEC_PER_SEC);
    nobody_is_left();
}

static void test_echo_store_release(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    speak_echo(&client, 1);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    speak_store(&client, &(struct store){.message_id = 2, .instance = "1.2.3", .pixels = 2000});
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    speak_release(&client);
    (void)hear_pdu(&client, UL_PDU_RELEASE_RP);
    leave(&client);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
    struct receipt *receipt = CONTAINER_OF(list_first(&rig_worker(rig)->receipts), struct receipt, node);
    const struct record_open *open = &receipt->content->open;
    assert_true(slice_is_text(open->called, "GATE"));
    assert_true(slice_is_text(open->calling, "CT1"));
    assert_true(slice_is_text(open->listener, "front"));
    assert_true(slice_is_text(open->transfer_syntax, EXPLICIT_LE));
    assert_true(slice_is_text(open->sop_instance, "1.2.3"));
    assert_true(slice_is_text(open->user_identity, "joe"));
    assert_int_equal(open->roles, RECORD_ROLE_SCU);
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 1);
}

// FIELD 1: the domain that the configuration gives to a client stands in the receipt, else that of the title
// that it calls; none, where it gives none.
static void test_domain_of_the_client(void **state)
{
    (void)state;
    static const struct {
        const char *calling, *called, *domain;
    } clients[] = {{"CT1", "GATE", "LEGACY"},    {"CT1", "BACK", "LEGACY"},     {"CT2", "GATE", ""},
                   {"CT2", "OLDPACS", "LEGACY"}, {"CT2", "BACK", "ENTERPRISE"}, {"CT2", "GATE", ""}};
    tear_down(NULL);
    rig = rig_new(rig_configuration_domains, 1);
    rig_boot(rig);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        struct client client;
        client_open(&client, rig, NULL);
        speak_associate(&client, clients[i].called, clients[i].calling);
        (void)hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
        speak_store(&client, &(struct store){.message_id = 2, .instance = "1.2.3", .pixels = 2000});
        assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
        struct receipt *receipt = CONTAINER_OF(list_last(&rig_worker(rig)->receipts), struct receipt, node);
        assert_true(slice_is_text(receipt->content->open.calling, clients[i].calling));
        assert_true(slice_is_text(receipt->content->open.domain, clients[i].domain));
        client_close(&client);
    }
}

// Success is said only for what survives: the power goes in the moment of the response.
static void test_success_is_durable(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    for (uint16_t i = 1; i <= 20; i++) {
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = i * 5000u});
        assert_int_equal(hear_response(&client, i), DIMSE_SUCCESS);
        rig_crash(rig);
        client_reset(&client);
        rig_boot(rig);
        assert_int_equal(rig->gateway->recovery.owed, i);
        speak_open(&client, rig, NULL);
    }
    client_close(&client);
}

static void test_one_byte_at_a_time(void **state)
{
    (void)state;
    struct client client;
    struct memory_path path = {.segment_max = 1, .read_max = 1};
    speak_open(&client, rig, &path);
    speak_store(&client, &(struct store){.message_id = 7, .instance = "1.2.3", .pixels = 900, .fragment = 2});
    assert_int_equal(hear_response(&client, 7), DIMSE_SUCCESS);
    speak_release(&client);
    (void)hear_pdu(&client, UL_PDU_RELEASE_RP);
    leave(&client);
}

static void test_refused_and_lives(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){
                             .message_id = 1, .instance = "1.2.3", .instance_inside = "1.2.4", .pixels = 10});
    assert_int_equal(hear_response(&client, 1), DIMSE_CLASS_MISMATCH);
    speak_store(&client, &(struct store){.message_id = 2, .instance = "1.2.3", .pixels = 10});
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    leave(&client);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
}

// Whoever only connects can not have more than a bounded number of connections, and keeps nobody out for
// long.
static void test_silent_connections(void **state)
{
    (void)state;
    enum { MOST = 41 };
    uint64_t before = log_event_count(LOG_FRONT_SILENT);
    struct transport *near[MOST];
    struct transport *far;
    size_t count = 0;
    enum result result = OK;
    while (result == OK && count < MOST) {
        memory_pair_new(rig->client_loop, rig->worker_loop, NULL, NULL, &near[count++], &far);
        result = session_new(rig_worker(rig), &rig->configuration->listener[0], &far);
    }
    assert_int_equal(result, ERR_LIMIT);
    assert_int_equal(count, MOST); // limits.silent and the one that was too many
    assert_int_equal(log_event_count(LOG_FRONT_SILENT), before + 1);
    assert_null(far);
    rig_run(rig, 30 * NSEC_PER_SEC);
    nobody_is_left();
    while (count > 0)
        transport_free(&near[--count]);
    struct client client;
    speak_open(&client, rig, NULL);
    client_close(&client);
}

static bool has_ended(void *arg)
{
    (void)arg;
    return list_is_empty(&rig_worker(rig)->sessions);
}

// An entry of `clients` has deadlines of its own; whoever has none has those of `limits`.
static void test_deadlines_of_a_client(void **state)
{
    (void)state;
    static const char entries[] = "clients: [ { ae_title: \"OTHER\" }, { ae_title: \"*\", idle: 15s } ]\n";
    char text[4096];
    struct client client;
    for (int is_own = 0; is_own < 2; is_own++) {
        (void)text_format(text, sizeof text, "%s%s", rig_configuration_fixed, is_own ? entries : "");
        rig_free(rig);
        rig = rig_new(text, 1);
        rig_boot(rig);
        speak_open(&client, rig, NULL);
        uint64_t begun = sim_world_now(rig->world);
        assert_true(rig_run_until(rig, has_ended, NULL, 100 * NSEC_PER_SEC));
        uint64_t took = sim_world_now(rig->world) - begun;
        assert_in_range(took, (is_own ? 14 : 59) * NSEC_PER_SEC, (is_own ? 17 : 62) * NSEC_PER_SEC);
        client_close(&client);
    }
}

// ENGINE 3: the room ends in the middle of an instance. It is read to its end and answered A700, and the
// association lives.
static void test_room_ends_inside_an_instance(void **state)
{
    (void)state;
    struct client client;
    struct memory_path path = {.rate = 500000};
    speak_open(&client, rig, &path);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 8000000});
    rig_run(rig, NSEC_PER_SEC);
    fs_sim_capacity_set(rig->disk, 34 * MIB);
    assert_int_equal(hear_response(&client, 1) >> 8, 0xA7);
    speak_echo(&client, 2);
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    fs_sim_capacity_set(rig->disk, GIB);
    rig_run(rig, 20 * NSEC_PER_SEC);
    speak_store(&client, &(struct store){.message_id = 3, .instance = "1.2.3", .pixels = 8000});
    assert_int_equal(hear_response(&client, 3), DIMSE_SUCCESS);
    client_close(&client);
}

// Inside an instance nothing is owed, whatever ended it.
static void test_ends_inside_an_instance(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct client client;
        uint64_t dropped = log_event_count(LOG_INTAKE_DROPPED);
        speak_open(&client, rig, NULL);
        speak_store(&client,
                    &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 90000, .most = 50000});
        rig_run(rig, NSEC_PER_SEC);
        assert_int_equal(rig_worker(rig)->sessions.count, 1);
        if (way == 0) {
            client_reset(&client);
        } else if (way == 1) {
            speak_release(&client); // PROTOCOL 66
            assert_int_equal(hear_pdu(&client, UL_PDU_ABORT).data[0], UL_PDU_ABORT);
            client_close(&client);
        } else if (way == 2) { // silence: stall
            rig_run(rig, 15 * NSEC_PER_SEC);
            assert_int_equal(rig_worker(rig)->sessions.count, 1);
            (void)hear_pdu(&client, UL_PDU_ABORT);
            hear_end(&client); // ARTIM closes, although this side does not
            client_close(&client);
        } else {
            rig_stop(rig);
            client_close(&client);
            rig_boot(rig);
        }
        rig_run(rig, 10 * NSEC_PER_SEC);
        nobody_is_left();
        assert_int_equal(rig_worker(rig)->receipts.count, 0);
        assert_int_equal(log_event_count(LOG_INTAKE_DROPPED), dropped + 1);
    }
}

static void test_idle(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    rig_run(rig, 50 * NSEC_PER_SEC);
    speak_echo(&client, 1);
    assert_int_equal(hear_response(&client, 1), DIMSE_SUCCESS);
    rig_run(rig, 55 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->sessions.count, 1);
    (void)hear_pdu(&client, UL_PDU_ABORT);
    leave(&client);
}

static void test_silent_connection(void **state)
{
    (void)state;
    struct client client;
    client_open(&client, rig, NULL);
    rig_run(rig, 4 * NSEC_PER_SEC);
    assert_false(client.has_ended);
    hear_end(&client);
    client_close(&client);
    nobody_is_left();
}

// What ends before it has begun ends too: nothing of it stays.
static void test_rubbish(void **state)
{
    (void)state;
    static const uint8_t abort_pdu[10] = {7, 0, 0, 0, 0, 4, 0, 0, 0, 0};
    static const uint8_t unknown[6] = {9};
    for (int way = 0; way < 4; way++) {
        struct client client;
        client_open(&client, rig, NULL);
        if (way == 1 || way == 2)
            client_send(&client, slice_of(unknown, sizeof unknown));
        if (way != 1)
            client_send(&client, slice_of(abort_pdu, sizeof abort_pdu));
        if (way == 3)
            client_send(&client, slice_of(unknown, sizeof unknown));
        rig_run(rig, NSEC_PER_SEC);
        assert_int_equal(rig_worker(rig)->sessions.count, 0);
        hear_end(&client);
        client_close(&client);
        rig_run(rig, NSEC_PER_SEC);
        nobody_is_left();
    }
}

static void test_rejects(void **state)
{
    (void)state;
    static const struct {
        const char *called;
        const char *calling;
        uint8_t reject[3];
    } cases[] = {{"OTHER", "CT1", {1, 1, 7}}, {"GATE", "", {1, 1, 3}}, {"gate", "CT1", {1, 1, 7}}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client client;
        client_open(&client, rig, NULL);
        speak_associate(&client, cases[i].called, cases[i].calling);
        assert_memory_equal(hear_pdu(&client, UL_PDU_ASSOCIATE_RJ).data + 7, cases[i].reject, 3);
        client_close(&client);
        rig_run(rig, NSEC_PER_SEC);
        nobody_is_left();
    }
}

static void test_unsupported(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    // A C-STORE on the context of Verification: PS3.7 C.5.23, and its data set is read away.
    uint8_t header[UL_DATA_HEADER_LENGTH];
    struct store store = {.message_id = 5, .instance = "1.2.3", .pixels = 10};
    struct byte_queue *out = &client.out;
    speak_store(&client, &store);
    struct slice all = byte_queue_peek(out);
    uint8_t *bytes = (uint8_t *)(uintptr_t)all.data;
    for (size_t at = 0; at < all.length;) { // every PDV to context 1
        bytes[at + 10] = 1;
        at += 6 + ((size_t)bytes[at + 4] << 8 | bytes[at + 5]);
    }
    (void)header;
    assert_int_equal(hear_response(&client, 5), DIMSE_UNRECOGNISED_OPERATION);
    speak_echo(&client, 6);
    assert_int_equal(hear_response(&client, 6), DIMSE_SUCCESS);
    leave(&client);
}

// PROTOCOL 83: requests in a row, without waiting. Each gets its own response, and the release waits for all.
static void test_pipelined(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    for (uint16_t i = 1; i <= 30; i++)
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 100});
    speak_release(&client);
    for (uint16_t i = 1; i <= 30; i++)
        assert_int_equal(hear_response(&client, i), DIMSE_SUCCESS);
    (void)hear_pdu(&client, UL_PDU_RELEASE_RP);
    leave(&client);
    assert_int_equal(rig_worker(rig)->receipts.count, 30);
}

static void window_open(struct client *client, const struct memory_path *path, int window)
{
    client_open(client, rig, path);
    speak_associate_window(client, "GATE", "CT1", window);
    (void)hear_pdu(client, UL_PDU_ASSOCIATE_AC);
}

// PS3.7 D.3.3.3: as many are under way as the window says, however many the client sends; the rest is not
// even read, and all of it is answered in the end.
static void window_is(int asked, size_t under_way)
{
    struct client client;
    window_open(&client, NULL, asked);
    sim_loop_kill(rig->disk_loop);
    for (uint16_t i = 1; i <= 100; i++)
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 100});
    rig_run(rig, 2 * NSEC_PER_SEC);
    session_free(session_of(list_first(&rig_worker(rig)->sessions)));
    assert_int_equal(rig_worker(rig)->orphans.count, under_way); // the one above the window was not complete
    rig_crash(rig);
    client_reset(&client);
    rig_boot(rig);
    window_open(&client, NULL, asked);
    for (uint16_t i = 1; i <= 100; i++)
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 100});
    for (uint16_t i = 1; i <= 100; i++)
        assert_int_equal(hear_response(&client, i), DIMSE_SUCCESS);
    leave(&client);
}

static void test_window(void **state)
{
    (void)state;
    window_is(-1, 1);
    window_is(3, 3);
    window_is(0, 64);
    window_is(1000, 64);
}

// A client that reads no responses while it sends: they wait, nothing is lost.
static void test_deaf_client(void **state)
{
    (void)state;
    struct client client;
    struct memory_path path = {.buffer = 300};
    speak_open(&client, rig, &path);
    client_set_deaf(&client, true);
    for (uint16_t i = 1; i <= 30; i++)
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 100});
    speak_release(&client);
    rig_run(rig, 10 * NSEC_PER_SEC);
    client_set_deaf(&client, false);
    for (uint16_t i = 1; i <= 30; i++)
        assert_int_equal(hear_response(&client, i), DIMSE_SUCCESS);
    (void)hear_pdu(&client, UL_PDU_RELEASE_RP);
    leave(&client);
}

static void test_deaf_for_ever(void **state)
{
    (void)state;
    struct client client;
    struct memory_path path = {.buffer = 300};
    window_open(&client, &path, 0);
    client_set_deaf(&client, true);
    for (uint16_t i = 1; i <= 30; i++)
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 100});
    rig_run(rig, 30 * NSEC_PER_SEC);
    nobody_is_left();
    client_close(&client);
    assert_int_equal(rig_worker(rig)->receipts.count, 30); // durable all the same
}

static void test_disk_full(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    fs_sim_capacity_set(rig->disk, 34 * MIB); // below the watermark
    rig_run(rig, 5 * NSEC_PER_SEC);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 3 * MIB});
    assert_int_equal(hear_response(&client, 1), DIMSE_OUT_OF_RESOURCES);
    struct client another;
    client_open(&another, rig, NULL);
    speak_associate(&another, "GATE", "CT1");
    static const uint8_t congestion[3] = {2, 3, 1};
    assert_memory_equal(hear_pdu(&another, UL_PDU_ASSOCIATE_RJ).data + 7, congestion, 3);
    client_close(&another);
    fs_sim_capacity_set(rig->disk, GIB);
    rig_run(rig, 5 * NSEC_PER_SEC);
    speak_store(&client, &(struct store){.message_id = 2, .instance = "1.2.3", .pixels = 3 * MIB});
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    leave(&client);
}

static void test_sync_fails(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_DATASYNC, "journal", 0), OK);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 5000});
    assert_int_equal(hear_response(&client, 1), DIMSE_OUT_OF_RESOURCES);
    speak_store(&client, &(struct store){.message_id = 2, .instance = "1.2.3", .pixels = 5000});
    assert_int_equal(hear_response(&client, 2), DIMSE_SUCCESS);
    rig_crash(rig);
    client_reset(&client);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 1);
}

// ENGINE 3: above the bound of what is not on disk the front sockets are not read, inside an instance too.
static void test_disk_hangs(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    sim_loop_kill(rig->disk_loop);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 16 * MIB});
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->sessions.count, 1);
    assert_true(byte_queue_peek(&client.out).length > 14 * MIB);
    rig_run(rig, 600 * NSEC_PER_SEC); // the client is not to blame
    assert_int_equal(rig_worker(rig)->sessions.count, 1);
    rig_crash(rig);
    client_reset(&client);
    rig_boot(rig);
}

// As all others, but intake goes on whatever the disk does.
static int set_up_patient(void **state)
{
    (void)state;
    static char text[4096];
    const char *at = strstr(rig_configuration_fixed, "segment_size");
    assert_non_null(at);
    text_format(text, sizeof text, "%.*sfailures: 100, %s", (int)(at - rig_configuration_fixed),
                rig_configuration_fixed, at);
    rig = rig_new(text, 1);
    rig_boot(rig);
    return 0;
}

// Segments die and the next one is late: an instance waits for its receipt, and what its command said is not
// lost meanwhile.
static void test_journal_is_late(void **state)
{
    (void)state;
    struct client client;
    rig_crash(rig);
    rig->configuration->journal.failures = 100; // intake does not stop: there is only no room
    rig_boot(rig);
    speak_open(&client, rig, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_DIR_SYNC, "journal", 0), OK);
    for (uint16_t i = 1; journal_stream_room(rig_worker(rig)->stream); i++) {
        assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_DATASYNC, "journal", 0), OK);
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 10});
        assert_int_equal(hear_response(&client, i), DIMSE_OUT_OF_RESOURCES);
    }
    speak_store(&client, &(struct store){
                             .message_id = 9, .instance = "1.2.3", .pixels = 30000, .originator = "MOVER"});
    speak_store(&client,
                &(struct store){.message_id = 10, .instance = "1.2.4", .pixels = 10, .originator = "XXXXX"});
    assert_int_equal(hear_response(&client, 9), DIMSE_SUCCESS);
    assert_int_equal(hear_response(&client, 10), DIMSE_SUCCESS);
    client_close(&client);
    struct receipt *receipt = CONTAINER_OF(list_first(&rig_worker(rig)->receipts), struct receipt, node);
    assert_true(receipt->content->open.has_move_originator);
    assert_int_equal(receipt->content->open.move_originator_id, 77);
    assert_true(slice_is_text(receipt->content->open.move_originator, "MOVER"));
}

// ENGINE 3: an instance that meets the limit half-way is read to its end and gets A700; it is not left
// waiting for room that does not come.
static void test_disk_full_half_way(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    fs_sim_capacity_set(rig->disk, 4 * KIB);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 16 * MIB});
    assert_int_equal(hear_response(&client, 1), DIMSE_OUT_OF_RESOURCES);
    speak_store(&client, &(struct store){.message_id = 2, .instance = "1.2.3", .pixels = MIB});
    assert_int_equal(hear_response(&client, 2), DIMSE_OUT_OF_RESOURCES);
    fs_sim_capacity_set(rig->disk, GIB);
    rig_run(rig, 5 * NSEC_PER_SEC);
    speak_store(&client, &(struct store){.message_id = 3, .instance = "1.2.3", .pixels = 3 * MIB});
    assert_int_equal(hear_response(&client, 3), DIMSE_SUCCESS);
    leave(&client);
}

static void faults_arm(void)
{
    fs_sim_faults_clear(rig->disk);
    for (int i = 0; i < 8; i++)
        assert_int_equal(fs_sim_fault_arm(rig->disk,
                                          i % 2 == 0 ? FS_SIM_FAULT_DIR_SYNC : FS_SIM_FAULT_DATASYNC,
                                          "journal", 0),
                         OK);
}

// A disk that fails for minutes: whoever comes in between is told, nobody hangs.
static void test_disk_fails(void **state)
{
    (void)state;
    struct client client;
    speak_open(&client, rig, NULL);
    for (uint16_t i = 1; i <= 10; i++) {
        faults_arm();
        speak_store(&client, &(struct store){.message_id = i, .instance = "1.2.3", .pixels = 100000});
        assert_int_equal(hear_response(&client, i), DIMSE_OUT_OF_RESOURCES);
    }
    fs_sim_faults_clear(rig->disk);
    rig_run(rig, 10 * NSEC_PER_SEC);
    speak_store(&client, &(struct store){.message_id = 11, .instance = "1.2.3", .pixels = 100000});
    assert_int_equal(hear_response(&client, 11), DIMSE_SUCCESS);
    leave(&client);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
}

// A burst is spread out, and later the one with the fewest associations is taken.
static void test_worker_pick(void **state)
{
    (void)state;
    static struct worker workers[3];
    struct worker *list[3] = {&workers[0], &workers[1], &workers[2]};
    struct gateway gateway = {.platform = {.workers = 3}, .workers = list};
    unsigned picked[3] = {0};
    for (unsigned i = 0; i < 30; i++)
        picked[gateway_worker_pick(&gateway) - workers]++;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(picked[i], 10);
    atomic_store(&workers[0].associations, 2);
    atomic_store(&workers[1].associations, 1);
    atomic_store(&workers[2].associations, 2);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(gateway_worker_pick(&gateway), &workers[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_echo_store_release, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_domain_of_the_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_success_is_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_byte_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_and_lives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_room_ends_inside_an_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deadlines_of_a_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ends_inside_an_instance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_silent_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rubbish, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rejects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unsupported, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pipelined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deaf_client, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deaf_for_ever, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_disk_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sync_fails, set_up, tear_down),
        cmocka_unit_test(test_worker_pick),
        cmocka_unit_test_setup_teardown(test_disk_full_half_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_disk_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_disk_hangs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_journal_is_late, set_up_patient, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
