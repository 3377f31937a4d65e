// SPDX-License-Identifier: Apache-2.0
//
// Bit rot on the simulated disk, one byte anywhere in what the journal holds: what was hit is found, kept in
// the report and parked; everything else arrives, and nothing wrong ever does.
#include "unit.h"

#include "../failing_memory.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/damage.h"
#include "daemon/scrub.h"
#include "forward/archive.h"
#include "pacs.h"
#include "speak.h"

enum { INSTANCES = 6, SEEDS = 40, PIXELS = 40000 };

static struct rig *rig;
static struct pacs pacs;

static void store_all(void)
{
    struct client client;
    speak_open(&client, rig, NULL);
    for (uint16_t i = 1; i <= INSTANCES; i++) {
        char uid[16];
        (void)text_format(uid, sizeof uid, "1.2.3.%u", i);
        speak_store(&client, &(struct store){.message_id = i, .instance = uid, .pixels = i * PIXELS});
        assert_int_equal(hear_response(&client, i), 0);
    }
    client_close(&client);
    rig_run(rig, 2 * NSEC_PER_SEC); // the ledger knows them
}

// Any place, or the body of the first record of a type.
struct spot {
    uint64_t random;
    uint8_t type; // 0: any place
};

static uint64_t spot_place(const struct spot *spot, const uint8_t *bytes, size_t used)
{
    if (spot->type == 0)
        return JOURNAL_PAGE_SIZE + spot->random % (used - JOURNAL_PAGE_SIZE);
    for (size_t at = JOURNAL_PAGE_SIZE; at + JOURNAL_HEADER_SIZE < used; at += JOURNAL_ALIGN) {
        struct journal_header header;
        if (journal_header_decode(bytes + at, &header) == OK && header.type == spot->type)
            return at + JOURNAL_HEADER_SIZE;
    }
    fail_msg("there is no such record");
    return 0;
}

// Flips one bit in the used part of the worker's first segment.
static void rot_in(struct fs *fs, struct spot spot)
{
    static uint8_t bytes[2 * 1024 * 1024];
    struct fs_file *file;
    size_t got;
    assert_int_equal(fs_file_open(fs, "journal/0000-00000001.seg", FS_WRITE, &file), OK);
    assert_int_equal(fs_file_read(file, 0, bytes, sizeof bytes, &got), OK);
    while (got > 0 && bytes[got - 1] == 0)
        got--;
    assert_true(got > JOURNAL_PAGE_SIZE);
    uint64_t offset = spot_place(&spot, bytes, got);
    uint8_t byte = bytes[offset] ^ (uint8_t)(1u << spot.random % 8);
    assert_int_equal(fs_file_write(file, offset, slice_of(&byte, 1)), OK);
    assert_int_equal(fs_file_datasync(file), OK);
    fs_file_close(&file);
}

static void rot(struct spot spot)
{
    struct fs *fs;
    assert_int_equal(fs_sim_mount(rig->disk, &fs), OK);
    rot_in(fs, spot);
    fs_free(fs);
}

static struct archive *archive(void)
{
    return &rig_worker(rig)->archives[0];
}

// True: something was found.
static bool history(uint64_t seed)
{
    rig = rig_new(rig_configuration_fixed, seed);
    rig_boot(rig);
    store_all();
    if (seed % 3 == 0)
        rig_stop(rig);
    else
        rig_crash(rig);
    rot((struct spot){.random = seed * 2654435761u});
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, INSTANCES);
    bool is_scrub_first = seed % 2 == 0;
    if (is_scrub_first)
        rig_run(rig, 60 * NSEC_PER_SEC);
    size_t found_first = damage_count(rig->gateway->damage);
    pacs_init(&pacs, rig, 0);
    rig_run(rig, 1800 * NSEC_PER_SEC);
    size_t parked = archive()->parked.count;
    assert_int_equal(archive()->answered.count + parked, INSTANCES);
    assert_int_equal(pacs.complete, archive()->answered.count);
    assert_true(parked <= 1);
    size_t found = damage_count(rig->gateway->damage);
    assert_true(parked == 0 || found > 0);
    if (is_scrub_first && parked == 1) // before anybody wanted to send it
        assert_true(found_first > 0);
    if (parked == 1)
        assert_string_equal(CONTAINER_OF(list_first(&archive()->parked), struct delivery, node)->reason,
                            DELIVERY_DAMAGED);
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(damage_count(rig->gateway->damage), found);
    rig_crash(rig);
    pacs_fini(&pacs);
    rig_free(rig);
    return found > 0;
}

static void test_bit_rot_anywhere(void **state)
{
    (void)state;
    unsigned found = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        found += history(seed);
    assert_true(found > SEEDS * 3 / 4);
}

// A healthy journal is read to its end, and nothing is said of it.
static void test_nothing_to_find(void **state)
{
    (void)state;
    struct scrub_figures figures = {0};
    rig = rig_new(rig_configuration_fixed, 1);
    rig_boot(rig);
    store_all();
    rig_run(rig, 30 * NSEC_PER_SEC);
    scrub_figures_add(rig->gateway->scrubs[0], &figures);
    assert_int_equal(figures.passes, 1);
    assert_true(figures.records >= 3 * INSTANCES);
    assert_true(figures.bytes > PIXELS * INSTANCES * (INSTANCES + 1) / 2);
    assert_int_equal(damage_count(rig->gateway->damage), 0);
    rig_crash(rig);
    rig_free(rig);
}

static void store_one(const char *uid)
{
    struct client client;
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = 1, .instance = uid, .pixels = PIXELS});
    assert_int_equal(hear_response(&client, 1), 0);
    client_close(&client);
    rig_run(rig, 2 * NSEC_PER_SEC);
}

// What happened to a receipt is bad, not what it holds: it is told, and the other archive gets its copy.
static void test_report_damaged(void **state)
{
    static const uint8_t types[] = {JOURNAL_SENT, JOURNAL_OUTCOME};
    struct pacs second_pacs;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        rig = rig_new(rig_configuration_learned, 7 + i);
        rig_boot(rig);
        pacs_init(&pacs, rig, 0);
        for (unsigned n = 1; n <= 2; n++) {
            store_one(n == 1 ? "1.2.3.1" : "1.2.3.2");
            rig_run(rig, 20 * NSEC_PER_SEC);
            assert_int_equal(pacs.complete, n);
        }
        rig_stop(rig);
        kv_sim_disk_free(&rig->ledger_disk); // all CLOSEs are read again, and vouch for what is before them
        assert_int_equal(kv_sim_disk_new(&rig->ledger_disk), OK);
        rig_boot_begin(rig);
        struct archive *second = &rig_worker(rig)->archives[1];
        atomic_store(&second->node->is_paused, true); // nothing is in a lane's hand
        rig_run(rig, NSEC_PER_SEC);
        rot_in(rig->fs, (struct spot){.type = types[i]});
        rig_run(rig, 60 * NSEC_PER_SEC);
        assert_true(damage_count(rig->gateway->damage) > 0);
        assert_int_equal(second->parked.count, 0);
        pacs_init(&second_pacs, rig, 1);
        atomic_store(&second->node->is_paused, false);
        archive_pump_later(second);
        rig_run(rig, 1800 * NSEC_PER_SEC);
        assert_int_equal(second_pacs.complete, 2);
        rig_crash(rig);
        pacs_fini(&pacs);
        pacs_fini(&second_pacs);
        rig_free(rig);
    }
}

// A receipt that lies in the journal and the ledger, and in memory without its content.
static uint64_t owed_from_former_life(uint64_t seed)
{
    rig = rig_new(rig_configuration_fixed, seed);
    rig_boot(rig);
    store_one("1.2.3.1");
    uint64_t receipt = CONTAINER_OF(list_first(&rig_worker(rig)->receipts), struct receipt, node)->number;
    rig_crash(rig);
    rig_boot(rig);
    return receipt;
}

static void found(struct journal_position position, uint64_t receipt)
{
    damage_report(rig->gateway->damage, &(struct control_damage){.position = position,
                                                                 .receipt = receipt,
                                                                 .type = JOURNAL_DATA,
                                                                 .finder = CONTROL_DAMAGE_SCRUB});
    rig_run(rig, 2 * NSEC_PER_SEC);
}

// What was found in an earlier life, in a segment that has gone since, or in what a copy has replaced.
static void test_damaged_place_has_gone(void **state)
{
    struct journal_segment_info control;
    (void)state;
    uint64_t receipt = owed_from_former_life(9);
    found((struct journal_position){0, 777, JOURNAL_PAGE_SIZE}, receipt);
    assert_int_equal(archive()->parked.count, 0);
    assert_int_equal(journal_segments_get(rig->gateway->journal, JOURNAL_STREAM_CONTROL, 1, &control, 1), 1);
    found((struct journal_position){JOURNAL_STREAM_CONTROL, control.segment, JOURNAL_PAGE_SIZE}, receipt);
    assert_int_equal(archive()->parked.count, 0);
    rig_crash(rig);
    rig_boot(rig);
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_int_equal(archive()->parked.count, 0);
    found((struct journal_position){0, 1, JOURNAL_PAGE_SIZE}, receipt);
    assert_int_equal(archive()->parked.count, 1);
    rig_crash(rig);
    rig_boot(rig);
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_int_equal(archive()->parked.count, 1);
    rig_crash(rig);
    rig_free(rig);
}

static bool has_copies(void *arg)
{
    struct journal_segment_info *info = arg;
    return journal_segments_get(rig->gateway->journal, JOURNAL_STREAM_COPY, 1, info, 1) == 1;
}

// The copy that took the place of a receipt is bad; the one in memory does not know yet that there is one.
static void test_damaged_copy(void **state)
{
    struct journal_segment_info copies;
    (void)state;
    uint64_t receipt = owed_from_former_life(11);
    assert_true(rig_run_until(rig, has_copies, &copies, 48 * 3600 * NSEC_PER_SEC));
    assert_int_equal(archive()->parked.count, 0);
    found((struct journal_position){JOURNAL_STREAM_COPY, copies.segment, JOURNAL_PAGE_SIZE}, receipt);
    assert_int_equal(archive()->parked.count, 1);
    rig_crash(rig);
    rig_free(rig);
}

// No room for the place: it is logged all the same, and its receipt is parked.
static void test_no_room_for_a_place(void **state)
{
    (void)state;
    uint64_t receipt = owed_from_former_life(10);
    rig_run(rig, 2 * NSEC_PER_SEC);
    const struct journal_position at = {0, 1, JOURNAL_PAGE_SIZE};
    uint64_t logged = log_event_count(LOG_JOURNAL_QUARANTINED);
    failing = 0;
    found(at, receipt);
    assert_int_equal(log_event_count(LOG_JOURNAL_QUARANTINED) - logged, 1);
    assert_int_equal(damage_count(rig->gateway->damage), 0);
    assert_int_equal(archive()->parked.count, 1);
    found(at, receipt);
    found(at, receipt); // is known by now
    assert_int_equal(log_event_count(LOG_JOURNAL_QUARANTINED) - logged, 2);
    assert_int_equal(damage_count(rig->gateway->damage), 1);
    rig_crash(rig);
    rig_free(rig);
}

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bit_rot_anywhere), cmocka_unit_test(test_nothing_to_find),
        cmocka_unit_test(test_report_damaged),   cmocka_unit_test(test_damaged_place_has_gone),
        cmocka_unit_test(test_damaged_copy),     cmocka_unit_test(test_no_room_for_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
