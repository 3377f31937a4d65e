// SPDX-License-Identifier: Apache-2.0
//
// Bit rot on the simulated disk, one byte anywhere in what the journal holds: what was hit is found, kept in
// the report and parked; everything else arrives, and nothing wrong ever does.
#include "unit.h"

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

// Flips one bit in the used part of the worker's first segment; returns the offset.
static uint64_t rot(uint64_t random)
{
    static uint8_t bytes[2 * 1024 * 1024];
    struct fs *fs;
    struct fs_file *file;
    size_t got;
    assert_int_equal(fs_sim_mount(rig->disk, &fs), OK);
    assert_int_equal(fs_file_open(fs, "journal/0000-00000001.seg", FS_WRITE, &file), OK);
    assert_int_equal(fs_file_read(file, 0, bytes, sizeof bytes, &got), OK);
    while (got > 0 && bytes[got - 1] == 0)
        got--;
    assert_true(got > JOURNAL_PAGE_SIZE + PIXELS);
    uint64_t offset = JOURNAL_PAGE_SIZE + random % (got - JOURNAL_PAGE_SIZE);
    uint8_t byte = bytes[offset] ^ (uint8_t)(1u << random % 8);
    assert_int_equal(fs_file_write(file, offset, slice_of(&byte, 1)), OK);
    assert_int_equal(fs_file_datasync(file), OK);
    fs_file_close(&file);
    fs_free(fs);
    return offset;
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
    rot(seed * 2654435761u);
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

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bit_rot_anywhere),
                                       cmocka_unit_test(test_nothing_to_find)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
