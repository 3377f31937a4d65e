// SPDX-License-Identifier: Apache-2.0
// Recovery, reader and reclaim on folders in every state that a crash, a bad disk or a person can leave
// behind.
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"

static void path_of(uint16_t stream, uint32_t segment, char *out, size_t capacity)
{
    char name[JOURNAL_NAME_SIZE];
    journal_segment_name(stream, segment, name);
    (void)snprintf(out, capacity, "journal/%s", name);
}

// Changes bytes of a segment behind the journal's back, durably. The rig must be down. Without `bytes` each
// bit that is there is turned over: what is sealed may be any byte.
static void damage(struct rig *rig, struct journal_position at, const void *bytes, size_t length)
{
    struct fs *fs;
    struct fs_file *file;
    char path[64];
    uint8_t turned[16];
    size_t got;
    path_of(at.stream, at.segment, path, sizeof path);
    assert_int_equal(fs_sim_mount(rig->sim, &fs), OK);
    assert_int_equal(fs_file_open(fs, path, FS_WRITE, &file), OK);
    if (bytes == NULL) {
        assert_true(length <= sizeof turned);
        assert_int_equal(fs_file_read(file, at.offset, turned, length, &got), OK);
        assert_int_equal(got, length);
        for (size_t i = 0; i < length; i++)
            turned[i] ^= 0xFF;
        bytes = turned;
    }
    assert_int_equal(fs_file_write(file, at.offset, slice_of(bytes, length)), OK);
    assert_int_equal(fs_file_datasync(file), OK);
    fs_file_close(&file);
    fs_free(fs);
}

static size_t files_count(struct rig *rig)
{
    struct fs_names names;
    assert_int_equal(fs_dir_list(rig->fs, "journal", &names), OK);
    size_t count = names.count;
    fs_names_fini(&names);
    return count;
}

// Bad bytes below what a later CLOSE says was durable are corruption; reading goes on behind them.
static void test_corruption_in_the_middle(void **state)
{
    struct rig *rig = rig_new(1);
    struct instance *instances[5];
    struct check check;
    (void)state;
    rig_boot(rig);
    for (size_t i = 0; i < 5; i++)
        instances[i] = instance_store(rig, 3, 5000);
    rig_crash(rig);
    // The body of a chunk, and the header of another record.
    struct journal_position body = instances[1]->place.position;
    body.offset -= 5000;
    damage(rig, body, NULL, 1);
    struct journal_position header = instances[3]->receipt.opened;
    instances[1]->damaged = instances[3]->damaged = true;
    damage(rig, header, NULL, 6);
    assert_int_equal(rig_recover(rig), OK);
    rig_check(rig, &check);
    assert_int_equal(check.corrupt, 2);
    assert_int_equal(check.closes, 5); // resynchronised after each
    assert_int_equal(check.torn, 0);
    assert_int_equal(instances[1]->seen_chunks, 2);
    assert_false(instances[3]->seen_open);
    assert_int_equal(rig->recovery.records_corrupt, 1); // recovery does not open DATA
    // The bad body names its receipt.
    struct journal_reader *reader;
    struct journal_entry entry;
    assert_int_equal(journal_reader_new(rig->journal, (struct journal_position){RIG_STREAM, 0, 0},
                                        JOURNAL_READER_AUTHENTICATE_DATA, &reader),
                     OK);
    do
        assert_int_equal(journal_reader_next(reader, &entry), OK);
    while (entry.kind != JOURNAL_ENTRY_CORRUPT);
    assert_true(entry.receipt == instances[1]->receipt.number);
    assert_int_equal(entry.skipped, journal_record_size(5000));
    journal_reader_free(reader);
    rig_down(rig);
    rig_free(rig);
}

// In the tail that was never known to be durable a receipt with a bad chunk is dropped, one behind it is
// kept.
static void test_torn_tail(void **state)
{
    struct rig *rig = rig_new(2);
    struct instance *instances[3];
    struct check check;
    (void)state;
    rig_boot(rig);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(instance_begin(rig, 2, 3000, &instances[i]), OK);
        assert_int_equal(instance_data(instances[i]), OK);
        assert_int_equal(instance_data(instances[i]), OK);
        assert_int_equal(instance_close(instances[i]), OK);
    }
    while (instances[2]->state == INSTANCE_CLOSING)
        rig_run(rig, 1);
    rig_crash(rig);
    struct journal_position at = instances[1]->place.position;
    at.offset -= 2000;
    damage(rig, at, NULL, 1);
    instances[1]->state = INSTANCE_FAILED; // as if it had never been acknowledged
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.receipts_dropped, 1);
    assert_int_equal(rig->recovery.receipts_complete, 2);
    rig_check(rig, &check);
    assert_int_equal(check.incomplete, 1);
    assert_int_equal(check.torn, 1);
    assert_int_equal(check.corrupt, 0);
    assert_true(instances[2]->seen_close);
    rig_down(rig);
    rig_free(rig);
}

// A record that was written to another place than its header says is not a record.
static void test_displaced_record(void **state)
{
    struct rig *rig = rig_new(3);
    static uint8_t record[1024];
    struct fs_file *file;
    struct check check;
    char path[64];
    size_t got;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 1, 700);
    rig_down(rig);
    struct journal_position at = instance->place.position;
    struct fs *fs;
    path_of(RIG_STREAM, at.segment, path, sizeof path);
    assert_int_equal(fs_sim_mount(rig->sim, &fs), OK);
    assert_int_equal(fs_file_open(fs, path, FS_READ, &file), OK);
    assert_int_equal(fs_file_read(file, at.offset, record, journal_record_size(instance->place.length), &got),
                     OK);
    fs_file_close(&file);
    fs_free(fs);
    at.offset += journal_record_size(instance->place.length);
    damage(rig, at, record, got);
    assert_int_equal(rig_recover(rig), OK);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 1);
    assert_int_equal(check.torn, 1);
    rig_down(rig);
    rig_free(rig);
}

static void test_page_damaged(void **state)
{
    struct rig *rig = rig_new(4);
    struct check check;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 1, 700);
    rig_crash(rig);
    damage(rig, (struct journal_position){RIG_STREAM, instance->place.position.segment, 100}, NULL, 1);
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.pages_damaged, 1);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 1);
    assert_int_equal(rig_begin(rig), OK);
    (void)instance_store(rig, 1, 10); // its number is above all others: checked in instance_begin
    rig_crash(rig);
    rig_free(rig);
}

// Bad bytes over the page and the first record say nothing about the many that follow. An empty file of the
// name does: nothing is left of it.
static void test_begin_damaged(void **state)
{
    static const uint8_t bad[JOURNAL_PAGE_SIZE + JOURNAL_HEADER_SIZE] = {1, 2, 3};
    struct rig *rig = rig_new(12);
    struct instance *instances[3];
    struct check check;
    struct fs_file *file;
    (void)state;
    rig_boot(rig);
    for (size_t i = 0; i < 3; i++)
        instances[i] = instance_store(rig, 1, 700);
    rig_crash(rig);
    assert_int_equal(instances[2]->place.position.segment, 1);
    instances[0]->damaged = true;
    damage(rig, (struct journal_position){RIG_STREAM, 1, 0}, bad, sizeof bad);
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.pages_damaged, 1);
    assert_int_equal(rig->recovery.segments_removed, 0);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 3);
    assert_true(instances[1]->seen_close && instances[2]->seen_close);
    assert_int_equal(rig_begin(rig), OK);
    (void)instance_store(rig, 1, 10); // its number is above all others: checked in instance_begin
    assert_int_equal(fs_file_open(rig->fs, "journal/0000-00000001.seg", FS_WRITE, &file), OK);
    assert_int_equal(fs_file_truncate(file, 0), OK);
    assert_int_equal(fs_file_datasync(file), OK);
    fs_file_close(&file);
    rig_crash(rig);
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.segments_removed, 1);
    rig_down(rig);
    rig_free(rig);
}

static void test_newer_format(void **state)
{
    struct rig *rig = rig_new(5);
    uint8_t bytes[JOURNAL_PAGE_SIZE];
    struct journal_page page = {.version = 2, .stream = RIG_STREAM, .segment = 1, .life = 1, .size = MIB};
    (void)state;
    rig_boot(rig);
    rig_crash(rig);
    journal_page_encode(&page, bytes);
    damage(rig, (struct journal_position){RIG_STREAM, 1, 0}, bytes, sizeof bytes);
    assert_int_equal(rig_recover(rig), ERR_REFUSED);
    rig_free(rig);
}

// Files without keys: unfinished ones go; one with records that nobody has read stops the start before
// anything goes.
static void test_key_missing(void **state)
{
    struct rig *rig = rig_new(6);
    struct check check;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 1, 700);
    uint32_t used = instance->place.position.segment;
    rig_settle(rig);
    assert_int_equal(seal_keyring_segment_key_destroy(rig->keyring, RIG_STREAM, used + 1), OK); // the spare
    rig_crash(rig);
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.segments_removed, 1);
    rig_check(rig, &check);
    assert_int_equal(seal_keyring_segment_key_destroy(rig->keyring, RIG_STREAM, used), OK);
    size_t files = files_count(rig);
    rig_down(rig);
    assert_int_equal(rig_recover(rig), ERR_CRYPTO);
    // Once the ledger is past it the same is only a removal that was cut short.
    rig->ledger = (struct journal_position){RIG_STREAM, used + 1, JOURNAL_PAGE_SIZE};
    instance->settled = true;
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.segments_removed, 1);
    assert_int_equal(files_count(rig), files - 1);
    rig_down(rig);
    rig_free(rig);
}

// The ledger stands inside the newest segment, and somebody has put an older key file back: what is behind
// was acknowledged and is not lost. Where nothing is behind, it is a removal that was cut short.
static void test_key_missing_of_tail(void **state)
{
    struct rig *rig = rig_new(61);
    (void)state;
    rig_boot(rig);
    struct instance *read = instance_store(rig, 1, 700);
    rig_settle(rig);
    rig_ledger_read(rig);
    struct instance *unread = instance_store(rig, 1, 700);
    uint32_t used = unread->place.position.segment;
    assert_int_equal(read->place.position.segment, used);
    assert_int_equal(rig->ledger.segment, used);
    rig_settle(rig);
    struct journal_position end = journal_stream_end(rig->stream);
    assert_int_equal(seal_keyring_segment_key_destroy(rig->keyring, RIG_STREAM, used), OK);
    assert_int_equal(seal_keyring_segment_key_destroy(rig->keyring, RIG_STREAM, used + 1), OK);
    size_t files = files_count(rig);
    rig_crash(rig);
    assert_int_equal(rig_recover(rig), ERR_CRYPTO);
    struct fs *fs;
    assert_int_equal(fs_sim_mount(rig->sim, &fs), OK);
    struct fs_names names;
    assert_int_equal(fs_dir_list(fs, "journal", &names), OK);
    assert_int_equal(names.count, files);
    fs_names_fini(&names);
    fs_free(fs);
    read->settled = unread->settled = true;
    rig->ledger = end;
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.segments_removed, 2);
    rig_down(rig);
    rig_free(rig);
}

static bool always_needed(void *arg, uint16_t stream, uint32_t segment)
{
    (void)arg;
    return stream == RIG_STREAM && segment > 0;
}

// What the ledger has read is not yet what it has let go: an older or damaged key file removes nothing, and
// so does a folder from which files are gone.
static void test_needed(void **state)
{
    struct rig *rig = rig_new(60);
    struct journal_recovery report;
    struct seal_key *key;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 1, 700);
    uint32_t used = instance->place.position.segment;
    rig_settle(rig);
    assert_int_equal(seal_keyring_segment_key_new(rig->keyring, RIG_STREAM, 77, &key), OK); // no file
    seal_key_unref(key);
    rig_stop(rig);
    assert_int_equal(fs_sim_mount(rig->sim, &rig->fs), OK);
    assert_int_equal(seal_keyring_open(rig->fs, "keyring", rig->master, 20000, &rig->keyring, NULL), OK);
    assert_int_equal(journal_new(&rig->options, rig->fs, rig->keyring, &rig->journal), OK);
    assert_int_equal(seal_keyring_segment_key_destroy(rig->keyring, RIG_STREAM, used), OK);
    size_t files = files_count(rig);
    struct journal_floor floor = {.stream = RIG_STREAM, .ledger = {RIG_STREAM, used + 1, JOURNAL_PAGE_SIZE}};
    journal_recovery_ask(rig->journal, always_needed, NULL);
    assert_int_equal(journal_recover(rig->journal, &floor, 1, 0, 0, &report), ERR_CRYPTO);
    assert_int_equal(files_count(rig), files);
    journal_free(rig->journal);
    assert_int_equal(used, 1);
    assert_int_equal(fs_path_unlink(rig->fs, "journal/0000-00000001.seg"), OK);
    assert_int_equal(journal_new(&rig->options, rig->fs, rig->keyring, &rig->journal), OK);
    journal_recovery_ask(rig->journal, always_needed, NULL);
    assert_int_equal(journal_recover(rig->journal, &floor, 1, 0, 0, &report), ERR_MISSING);
    assert_int_equal(files_count(rig), files - 1);
    assert_int_equal(seal_keyring_segment_key_get(rig->keyring, RIG_STREAM, 77, &key), OK);
    seal_key_unref(key);
    instance->damaged = true;
    rig_down(rig);
    rig_free(rig);
}

static void test_orphans(void **state)
{
    struct rig *rig = rig_new(7);
    struct seal_keyring_counts counts;
    struct seal_key *key;
    struct fs_file *file;
    (void)state;
    rig_boot(rig);
    (void)instance_store(rig, 1, 10);
    rig_settle(rig);
    assert_int_equal(seal_keyring_segment_key_new(rig->keyring, RIG_STREAM, 77, &key), OK);
    seal_key_unref(key);
    assert_int_equal(fs_file_create(rig->fs, "journal/0000-00000050.seg", &file),
                     OK); // torn while it was made
    fs_file_close(&file);
    assert_int_equal(fs_file_create(rig->fs, "journal/notes.txt", &file), OK);
    fs_file_close(&file);
    assert_int_equal(fs_dir_sync(rig->fs, "journal"), OK);
    rig_stop(rig);
    assert_int_equal(rig_recover(rig),
                     ERR_MISSING); // the ledger has not read it: is the folder the right one?
    rig->ledger = (struct journal_position){RIG_STREAM, 78, JOURNAL_PAGE_SIZE};
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig->recovery.keys_destroyed, 1);
    assert_int_equal(rig->recovery.segments_removed, 1);
    assert_int_equal(fs_path_exists(rig->fs, "journal/notes.txt"), OK); // not ours
    seal_keyring_counts_get(rig->keyring, &counts);
    assert_int_equal(counts.segment_keys, rig->recovery.segments);
    assert_int_equal(rig_begin(rig), OK);
    assert_true(journal_stream_end(rig->stream).segment > 0x50); // numbers are used once
    rig_stop(rig);
    rig_free(rig);
}

static void test_floors(void **state)
{
    struct rig *rig = rig_new(8);
    struct journal_recovery report;
    struct journal_segment_info info;
    struct journal_floor floor = {.stream = RIG_STREAM, .segment = 500, .receipt = 123456};
    struct journal_receipt receipt;
    (void)state;
    assert_int_equal(rig_recover(rig), OK);
    journal_free(rig->journal);
    assert_int_equal(journal_new(&rig->options, rig->fs, rig->keyring, &rig->journal), OK);
    assert_int_equal(journal_recover(rig->journal, &floor, 1, 41, 0, &report), OK);
    assert_int_equal(rig_begin(rig), OK);
    assert_int_equal(journal_life(rig->journal), 42);
    assert_true(journal_order_next(rig->journal) >> 40 == 42);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, &info, 1), 1);
    assert_int_equal(info.segment, 501);
    assert_int_equal(journal_receipt_begin(rig->stream, &receipt), OK);
    assert_int_equal(receipt.number, 123456);
    rig_stop(rig);
    rig_free(rig);
}

// The start of each life is in the control stream.
static void test_control_stream(void **state)
{
    struct rig *rig = rig_new(9);
    struct journal_reader *reader;
    struct journal_entry entry;
    struct record_epoch epoch;
    uint32_t segments[8];
    uint32_t segment;
    (void)state;
    for (int i = 0; i < 3; i++) {
        rig_boot(rig);
        rig_crash(rig);
    }
    rig_boot(rig);
    struct journal_position from = {JOURNAL_STREAM_CONTROL, 0, 0};
    assert_int_equal(journal_reader_new(rig->journal, from, 0, &reader), OK);
    for (uint64_t life = 1; life <= 4; life++) {
        assert_int_equal(journal_reader_next(reader, &entry), OK);
        assert_int_equal(entry.header.type, JOURNAL_EPOCH);
        assert_int_equal(record_epoch_decode(entry.body, &epoch), OK);
        assert_int_equal(epoch.life, life);
        assert_int_equal(epoch.kind, RECORD_START);
        assert_true(slice_is_text(epoch.phase, "coexist"));
    }
    assert_int_equal(journal_reader_next(reader, &entry), AGAIN);
    struct journal_position end = journal_reader_position(reader);
    journal_reader_free(reader);
    size_t count = journal_reclaim_candidates(rig->journal, end, segments, 8);
    assert_int_equal(count, 3); // the newest stays
    segment = segments[0];
    // The file is gone and the folder's sync fails: the segment is still to be reclaimed, and nobody reads
    // it.
    assert_int_equal(fs_sim_fault_arm(rig->sim, FS_SIM_FAULT_DIR_SYNC, NULL, 0), OK);
    assert_int_equal(journal_segment_reclaim(rig->journal, end, segment), ERR_IO);
    assert_int_equal(journal_reader_new(rig->journal, from, 0, &reader), OK);
    assert_int_equal(journal_reader_next(reader, &entry), OK);
    assert_int_equal(entry.position.segment, segments[1]);
    journal_reader_free(reader);
    assert_int_equal(journal_reclaim_candidates(rig->journal, end, segments, 8), 3);
    assert_int_equal(journal_segment_reclaim(rig->journal, end, segment), OK);
    assert_int_equal(journal_segment_reclaim(rig->journal, end, segment), ERR_MISSING);
    assert_int_equal(journal_segment_reclaim(rig->journal, end, end.segment), ERR_REFUSED);
    rig_stop(rig);
    rig_free(rig);
}

// Reclaim, cut at each step: the segment is there with its key, or it is gone after recovery.
static void test_reclaim_cut(void **state)
{
    bool was_cut = true;
    (void)state;
    for (uint64_t cut = 0; was_cut; cut++) {
        struct rig *rig = rig_new(100 + cut);
        struct check check;
        rig_boot(rig);
        struct instance *first = instance_store(rig, 5, JOURNAL_BODY_MAX);
        struct instance *last = instance_store(rig, 2, 1000);
        rig_ledger_read(rig);
        rig_ledger_reclaim(rig);
        assert_int_equal(rig->reclaims, 0); // owed
        assert_int_equal(instance_outcome(first), OK);
        rig_settle(rig);
        rig_ledger_read(rig);
        fs_sim_power_cut_after(rig->sim, cut);
        rig_ledger_reclaim(rig);
        assert_true(rig->reclaims > 0);
        was_cut = fs_sim_is_cut(rig->sim);
        rig_crash(rig);
        rig_boot(rig);
        assert_int_equal(rig->recovery.records_corrupt, 0);
        rig_check(rig, &check);
        assert_true(last->seen_close);
        struct seal_keyring_counts counts;
        struct journal_health health;
        journal_health_get(rig->journal, &health);
        seal_keyring_counts_get(rig->keyring, &counts);
        assert_int_equal(counts.segment_keys, health.segments);
        assert_int_equal(files_count(rig), health.segments);
        rig_stop(rig);
        rig_free(rig);
    }
}

// A segment died, nothing could follow it, and it is taken away, cut at each step: what was given up behind
// its end, and still stands in the file, is not taken for records whose key is missing.
static bool reclaim_of_dead_is_cut(uint64_t seed, uint64_t cut)
{
    struct rig *rig = rig_new(seed);
    struct instance *given_up;
    rig_boot(rig);
    struct instance *read = instance_store(rig, 1, 700);
    uint32_t used = read->place.position.segment;
    rig_settle(rig);
    rig_ledger_read(rig);
    assert_int_equal(fs_sim_fault_arm(rig->sim, FS_SIM_FAULT_WRITE, "0000-", 0), OK);
    assert_int_equal(instance_begin(rig, 1, 700, &given_up), OK);
    assert_int_equal(instance_data(given_up), OK);
    assert_int_equal(instance_close(given_up), OK);
    rig_settle(rig);
    assert_int_equal(given_up->state, INSTANCE_FAILED);
    read->settled = given_up->settled = true;
    for (uint32_t spare = used + 1; spare <= used + 2; spare++) // as where the disk has no room for any
        assert_int_equal(seal_keyring_segment_key_destroy(rig->keyring, RIG_STREAM, spare), OK);
    fs_sim_power_cut_after(rig->sim, cut);
    rig_ledger_reclaim(rig);
    assert_int_equal(rig->reclaims, 1);
    bool was_cut = fs_sim_is_cut(rig->sim);
    rig_crash(rig);
    assert_int_equal(rig_recover(rig), OK);
    rig_down(rig);
    rig_free(rig);
    return was_cut;
}

static void test_reclaim_of_dead_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 200; seed < 220; seed++) {
        for (uint64_t cut = 0; reclaim_of_dead_is_cut(seed, cut); cut++)
            assert_true(cut < 100);
    }
}

static void test_reclaim_refuses(void **state)
{
    struct rig *rig = rig_new(11);
    uint32_t segments[8];
    (void)state;
    rig_boot(rig);
    (void)instance_store(rig, 9, JOURNAL_BODY_MAX);
    struct journal_position early = {RIG_STREAM, 1, JOURNAL_PAGE_SIZE};
    assert_int_equal(journal_reclaim_candidates(rig->journal, early, segments, 8), 0);
    assert_int_equal(journal_segment_reclaim(rig->journal, early, 1), ERR_REFUSED);
    struct journal_position all = journal_durable_end(rig->journal, RIG_STREAM);
    size_t count = journal_reclaim_candidates(rig->journal, all, segments, 8);
    assert_int_equal(count, all.segment - 1); // not the one being written
    assert_int_equal(journal_segment_reclaim(rig->journal, all, all.segment), ERR_REFUSED);
    rig_stop(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corruption_in_the_middle),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_displaced_record),
        cmocka_unit_test(test_page_damaged),
        cmocka_unit_test(test_begin_damaged),
        cmocka_unit_test(test_newer_format),
        cmocka_unit_test(test_key_missing),
        cmocka_unit_test(test_key_missing_of_tail),
        cmocka_unit_test(test_reclaim_of_dead_cut),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_orphans),
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_control_stream),
        cmocka_unit_test(test_reclaim_cut),
        cmocka_unit_test(test_reclaim_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
