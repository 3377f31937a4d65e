// SPDX-License-Identifier: Apache-2.0
//
// What the simulated disk does at crashes, cuts, faults and when it is full. Where chance decides, a few
// hundred seeds are tried and every outcome that is allowed must be seen, and no other.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/units.h"
#include "fs/fs.h"
#include "fs/sim.h"

#include <stdio.h>
#include <string.h>

#define SEEDS 300

static struct fs_sim *sim_make(uint64_t seed, uint64_t capacity)
{
    struct fs_sim *sim = NULL;
    struct fs_sim_options options = {seed, capacity};
    assert_int_equal(fs_sim_new(&options, &sim), OK);
    return sim;
}

static struct fs *mount(struct fs_sim *sim)
{
    struct fs *fs = NULL;
    assert_int_equal(fs_sim_mount(sim, &fs), OK);
    return fs;
}

static struct fs_file *create(struct fs *fs, const char *path)
{
    struct fs_file *file = NULL;
    assert_int_equal(fs_file_create(fs, path, &file), OK);
    return file;
}

// A file whose name is durable.
static struct fs_file *create_durable(struct fs *fs, const char *path)
{
    struct fs_file *file = create(fs, path);
    assert_int_equal(fs_dir_sync(fs, "."), OK);
    return file;
}

static void fill(struct fs_file *file, uint64_t offset, char value, size_t length)
{
    char bytes[8192];
    assert_true(length <= sizeof bytes);
    memset(bytes, value, length);
    assert_int_equal(fs_file_write(file, offset, slice_of(bytes, length)), OK);
}

static size_t read_path(struct fs *fs, const char *path, char *bytes, size_t length)
{
    struct fs_file *file;
    size_t got = 0;
    assert_int_equal(fs_file_open(fs, path, FS_READ, &file), OK);
    assert_int_equal(fs_file_read(file, 0, bytes, length, &got), OK);
    fs_file_close(&file);
    return got;
}

static bool is_all(const char *bytes, size_t length, char value)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

static void test_synced_survives_and_handles_die(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs *old = mount(sim);
        struct fs_file *file = create_durable(old, "a");
        fill(file, 0, 'x', 3000);
        assert_int_equal(fs_file_datasync(file), OK);
        fs_sim_crash(sim);
        uint64_t size;
        assert_int_equal(fs_file_size(file, &size), ERR_IO);
        assert_int_equal(fs_file_write(file, 0, slice_of_text("y")), ERR_IO);
        assert_int_equal(fs_file_datasync(file), ERR_IO);
        assert_int_equal(fs_path_unlink(old, "a"), ERR_IO);
        assert_int_equal(fs_path_exists(old, "a"), ERR_IO);
        struct fs *fs = mount(sim);
        char bytes[4000];
        assert_int_equal(read_path(fs, "a", bytes, sizeof bytes), 3000);
        assert_true(is_all(bytes, 3000, 'x'));
        fs_file_close(&file);
        fs_free(old);
        fs_free(fs);
        fs_sim_free(sim);
    }
}

// Two unsynced writes: each is lost, kept or torn, whatever the other met.
static void test_unsynced_writes_any_order(void **state)
{
    (void)state;
    size_t seen[3][3] = {{0}};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs_file *file = create_durable(mount(sim), "a");
        fill(file, 0, 'o', 8192);
        assert_int_equal(fs_file_datasync(file), OK);
        fill(file, 0, 'A', 4096);
        fill(file, 4096, 'B', 4096);
        fs_sim_crash(sim);
        char bytes[8192];
        assert_int_equal(read_path(mount(sim), "a", bytes, sizeof bytes), 8192);
        size_t fate[2];
        for (size_t half = 0; half < 2; half++) {
            const char *part = bytes + half * 4096;
            char fresh = half == 0 ? 'A' : 'B';
            fate[half] = is_all(part, 4096, 'o') ? 0 : is_all(part, 4096, fresh) ? 1 : 2;
            for (size_t sector = 0; sector < 4096; sector += FS_SIM_SECTOR)
                assert_true(is_all(part + sector, FS_SIM_SECTOR, 'o') ||
                            is_all(part + sector, FS_SIM_SECTOR, fresh));
        }
        seen[fate[0]][fate[1]]++;
        fs_sim_free(sim);
    }
    for (size_t i = 0; i < 9; i++)
        assert_in_range(seen[i / 3][i % 3], SEEDS / 30, SEEDS / 3);
}

// Sectors are counted from the start of the file, not of the write.
static void test_torn_at_file_sectors(void **state)
{
    (void)state;
    size_t torn = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs_file *file = create_durable(mount(sim), "a");
        fill(file, 0, 'o', 2048);
        assert_int_equal(fs_file_datasync(file), OK);
        fill(file, 300, 'n', 1000); // sectors 0 (from 300), 1 and 2 (to 1300)
        fs_sim_crash(sim);
        char bytes[2048];
        assert_int_equal(read_path(mount(sim), "a", bytes, sizeof bytes), 2048);
        assert_true(is_all(bytes, 300, 'o') && is_all(bytes + 1300, 748, 'o'));
        assert_true(is_all(bytes + 300, 212, bytes[300]));
        assert_true(is_all(bytes + 512, 512, bytes[512]));
        assert_true(is_all(bytes + 1024, 276, bytes[1024]));
        torn += bytes[300] != bytes[512] || bytes[512] != bytes[1024];
        fs_sim_free(sim);
    }
    assert_in_range(torn, SEEDS / 10, SEEDS / 2);
}

static void test_growth_is_lost_independently(void **state)
{
    (void)state;
    size_t holes = 0;
    size_t sizes[3] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs_file *file = create_durable(mount(sim), "a");
        fill(file, 0, 'A', 512);
        fill(file, 512, 'B', 512);
        fs_sim_crash(sim);
        char bytes[2048];
        size_t got = read_path(mount(sim), "a", bytes, sizeof bytes);
        assert_true(got == 0 || got == 512 || got == 1024);
        sizes[got / 512]++;
        holes += got == 1024 && bytes[0] == 0;
        fs_sim_free(sim);
    }
    assert_true(sizes[0] > 0 && sizes[1] > 0 && sizes[2] > 0 && holes > 0);
}

static void test_unsynced_names(void **state)
{
    (void)state;
    size_t seen[2][2] = {{0}};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs *fs = mount(sim);
        struct fs_file *file = create_durable(fs, "old");
        fill(file, 0, 'o', 10);
        assert_int_equal(fs_file_datasync(file), OK);
        assert_int_equal(fs_file_datasync(create(fs, "new")), OK);
        assert_int_equal(fs_path_unlink(fs, "old"), OK);
        fs_sim_crash(sim);
        fs = mount(sim);
        bool is_old = fs_path_exists(fs, "old") == OK;
        bool is_new = fs_path_exists(fs, "new") == OK;
        seen[is_old][is_new]++;
        char bytes[16];
        if (is_old)
            assert_int_equal(read_path(fs, "old", bytes, sizeof bytes), 10);
        fs_sim_free(sim);
    }
    for (size_t i = 0; i < 4; i++)
        assert_in_range(seen[i / 2][i % 2], SEEDS / 8, SEEDS / 2);
}

// The usual way to replace a file: at a crash the name means the old or the new one, never nothing.
static void test_rename_is_atomic(void **state)
{
    (void)state;
    size_t seen[2] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs *fs = mount(sim);
        struct fs_file *file = create_durable(fs, "a");
        fill(file, 0, 'o', 1);
        assert_int_equal(fs_file_datasync(file), OK);
        file = create(fs, "a.new");
        fill(file, 0, 'n', 1);
        assert_int_equal(fs_file_datasync(file), OK);
        assert_int_equal(fs_path_rename(fs, "a.new", "a"), OK);
        if (seed % 3 == 0)
            assert_int_equal(fs_dir_sync(fs, "."), OK);
        fs_sim_crash(sim);
        char byte;
        assert_int_equal(read_path(mount(sim), "a", &byte, 1), 1);
        assert_true(byte == 'n' || (byte == 'o' && seed % 3 != 0));
        if (seed % 3 != 0)
            seen[byte == 'n']++;
        fs_sim_free(sim);
    }
    assert_true(seen[0] > SEEDS / 6 && seen[1] > SEEDS / 6);
}

static void test_folder_needs_its_parent(void **state)
{
    (void)state;
    size_t seen[2] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs *fs = mount(sim);
        assert_int_equal(fs_dir_make(fs, "sub"), OK);
        (void)create(fs, "sub/a");
        assert_int_equal(fs_dir_sync(fs, "sub"), OK);
        fs_sim_crash(sim);
        fs = mount(sim);
        bool is_there = fs_path_exists(fs, "sub") == OK;
        assert_int_equal(fs_path_exists(fs, "sub/a"), is_there ? OK : ERR_MISSING);
        seen[is_there]++;
        fs_sim_free(sim);
    }
    assert_true(seen[0] > SEEDS / 4 && seen[1] > SEEDS / 4);
}

// Linux: EIO once, then success, and the data is gone (ENGINE 3).
static void test_datasync_fails_once(void **state)
{
    (void)state;
    size_t seen[2] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs *fs = mount(sim);
        struct fs_file *file = create_durable(fs, "a.seg");
        fill(file, 0, 'o', 4);
        assert_int_equal(fs_file_datasync(file), OK);
        assert_int_equal(fs_sim_fault_arm(sim, FS_SIM_FAULT_DATASYNC, ".seg", 1), OK);
        assert_int_equal(fs_file_datasync(create(fs, "b")), OK);
        assert_int_equal(fs_file_datasync(file), OK);
        fill(file, 0, 'n', 4);
        assert_int_equal(fs_file_datasync(file), ERR_IO);
        char bytes[4];
        assert_int_equal(read_path(fs, "a.seg", bytes, 4), 4);
        seen[bytes[0] == 'n']++;
        assert_int_equal(fs_file_datasync(file), OK);
        fs_sim_crash(sim);
        assert_int_equal(read_path(mount(sim), "a.seg", bytes, 4), 4);
        assert_true(is_all(bytes, 4, 'o'));
        fs_sim_free(sim);
    }
    assert_true(seen[0] > SEEDS / 4 && seen[1] > SEEDS / 4);
}

static void test_other_faults(void **state)
{
    (void)state;
    struct fs_sim *sim = sim_make(7, 0);
    struct fs *fs = mount(sim);
    struct fs_file *file = create(fs, "a");
    fill(file, 0, 'o', 8192);
    assert_int_equal(fs_sim_fault_arm(sim, FS_SIM_FAULT_WRITE, NULL, 0), OK);
    assert_int_equal(fs_sim_fault_arm(sim, FS_SIM_FAULT_READ, "a", 0), OK);
    assert_int_equal(fs_sim_fault_arm(sim, FS_SIM_FAULT_DIR_SYNC, NULL, 0), OK);
    char bytes[8192];
    memset(bytes, 'n', sizeof bytes);
    assert_int_equal(fs_file_write(file, 0, slice_of(bytes, sizeof bytes)), ERR_IO);
    size_t got;
    fs_sim_faults_pause(sim, true);
    assert_int_equal(fs_file_read(file, 0, bytes, sizeof bytes, &got), OK);
    fs_sim_faults_pause(sim, false);
    assert_int_equal(fs_file_read(file, 0, bytes, sizeof bytes, &got), ERR_IO);
    assert_int_equal(fs_file_read(file, 0, bytes, sizeof bytes, &got), OK);
    size_t fresh = 0;
    while (fresh < sizeof bytes && bytes[fresh] == 'n')
        fresh++;
    assert_true(fresh % FS_SIM_SECTOR == 0 && is_all(bytes + fresh, sizeof bytes - fresh, 'o'));
    assert_int_equal(fs_dir_sync(fs, "."), ERR_IO);
    assert_int_equal(fs_dir_sync(fs, "."), OK);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(fs_sim_fault_arm(sim, FS_SIM_FAULT_READ, NULL, 0), OK);
    assert_int_equal(fs_sim_fault_arm(sim, FS_SIM_FAULT_READ, NULL, 0), ERR_LIMIT);
    fs_sim_faults_clear(sim);
    assert_int_equal(fs_file_read(file, 0, bytes, 1, &got), OK);
    fs_sim_free(sim);
}

static void test_capacity(void **state)
{
    (void)state;
    struct fs_sim *sim = sim_make(1, 64 * KIB);
    struct fs *fs = mount(sim);
    struct fs_file *a = create(fs, "a");
    struct fs_file *b = create(fs, "b");
    struct fs_space space;
    assert_int_equal(fs_file_allocate(a, 0, 48 * KIB), OK);
    assert_int_equal(fs_file_allocate(b, 0, 20 * KIB), ERR_SPACE);
    fill(b, 0, 'x', 8192);
    fill(b, 8192, 'x', 4096);
    char bytes[8192] = {0};
    assert_int_equal(fs_file_write(b, 12288, slice_of(bytes, sizeof bytes)), ERR_SPACE);
    uint64_t size;
    assert_int_equal(fs_file_size(b, &size), OK);
    assert_int_equal(size, 16384); // what fitted
    assert_int_equal(fs_space_get(fs, &space), OK);
    assert_int_equal(space.free, 0);
    fill(a, 40 * KIB, 'y', 8192); // inside what is allocated
    assert_int_equal(fs_path_unlink(fs, "a"), OK);
    assert_int_equal(fs_file_truncate(b, 0), OK);
    assert_int_equal(fs_dir_sync(fs, "."), OK);
    fs_file_close(&a);
    assert_int_equal(fs_space_get(fs, &space), OK);
    assert_int_equal(space.free, 64 * KIB);
    fs_sim_capacity_set(sim, 4 * KIB);
    assert_int_equal(fs_file_allocate(b, 0, 8 * KIB), ERR_SPACE);
    fs_sim_free(sim);
}

static void test_big_allocations_cost_nothing(void **state)
{
    (void)state;
    struct fs_sim *sim = sim_make(1, 0);
    struct fs *fs = mount(sim);
    for (int i = 0; i < 200; i++) {
        char path[16];
        snprintf(path, sizeof path, "%d", i);
        struct fs_file *file = create(fs, path);
        assert_int_equal(fs_file_allocate(file, 0, 256 * MIB), OK);
        fill(file, 255 * MIB, 'x', 100);
        assert_int_equal(fs_file_datasync(file), OK);
    }
    assert_int_equal(fs_dir_sync(fs, "."), OK);
    fs_sim_crash(sim);
    fs_sim_free(sim);
}

static void test_power_cut(void **state)
{
    (void)state;
    size_t seen[2] = {0};
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct fs_sim *sim = sim_make(seed, 0);
        struct fs *fs = mount(sim);
        struct fs_file *file = create_durable(fs, "a");
        fs_sim_power_cut_after(sim, 1);
        fill(file, 0, 'x', 4);
        assert_false(fs_sim_is_cut(sim));
        assert_int_equal(fs_file_datasync(file), ERR_IO); // may have done it, nobody knows
        assert_true(fs_sim_is_cut(sim));
        size_t got;
        char bytes[4];
        assert_int_equal(fs_file_read(file, 0, bytes, 4, &got), ERR_IO);
        fs_sim_crash(sim);
        assert_false(fs_sim_is_cut(sim));
        fs = mount(sim);
        seen[read_path(fs, "a", bytes, 4) == 4]++;
        fs_file_close(&file);
        (void)create(fs, "b");
        fs_sim_free(sim);
    }
    assert_true(seen[0] > SEEDS / 10 && seen[1] > SEEDS / 10);
}

// One seed, one history.
static void test_reproducible(void **state)
{
    (void)state;
    char bytes[2][8192];
    for (size_t i = 0; i < 2; i++) {
        struct fs_sim *sim = sim_make(42, 0);
        struct fs_file *file = create_durable(mount(sim), "a");
        for (uint64_t at = 0; at < 8192; at += 1024)
            fill(file, at, (char)('a' + at / 1024), 1024);
        fs_sim_crash(sim);
        memset(bytes[i], 0, sizeof bytes[i]);
        (void)read_path(mount(sim), "a", bytes[i], sizeof bytes[i]);
        struct fs_sim_counts counts;
        fs_sim_counts_get(sim, &counts);
        assert_int_equal(counts.writes, 8);
        assert_int_equal(counts.crashes, 1);
        assert_true(counts.lost_writes > 0);
        fs_sim_free(sim);
    }
    assert_memory_equal(bytes[0], bytes[1], sizeof bytes[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_synced_survives_and_handles_die),
        cmocka_unit_test(test_unsynced_writes_any_order),
        cmocka_unit_test(test_torn_at_file_sectors),
        cmocka_unit_test(test_growth_is_lost_independently),
        cmocka_unit_test(test_unsynced_names),
        cmocka_unit_test(test_rename_is_atomic),
        cmocka_unit_test(test_folder_needs_its_parent),
        cmocka_unit_test(test_datasync_fails_once),
        cmocka_unit_test(test_other_faults),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_big_allocations_cost_nothing),
        cmocka_unit_test(test_power_cut),
        cmocka_unit_test(test_reproducible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
