// SPDX-License-Identifier: Apache-2.0
//
// Keys that change: the day while the key file is open, copies of the key file, another master key, with a
// cut after every step.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/text.h"
#include "fs/fs.h"
#include "fs/sim.h"
#include "seal/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH "keys"
#define DAY  20000

enum { SEGMENTS = 40 };

struct bench {
    struct fs_sim *sim;
    struct fs *fs;
    struct seal_master *masters[2];
    struct seal_keyring *ring;
    struct seal_cipher *cipher;
};

static const char text[] = "sixteen bytes ok";

struct sealed {
    uint8_t bytes[16];
    uint8_t tag[16];
    uint64_t nonce;
};

static void bench_init(struct bench *bench, uint64_t seed)
{
    *bench = (struct bench){0};
    struct fs_sim_options options = {.seed = seed};
    assert_int_equal(fs_sim_new(&options, &bench->sim), OK);
    assert_int_equal(fs_sim_mount(bench->sim, &bench->fs), OK);
    for (uint8_t i = 0; i < 2; i++) {
        uint8_t bytes[32] = {i};
        assert_int_equal(seal_master_from_bytes(bytes, &bench->masters[i]), OK);
    }
    assert_int_equal(seal_cipher_new(&bench->cipher), OK);
    assert_int_equal(seal_keyring_create(bench->fs, PATH, bench->masters[0], NULL), OK);
    assert_int_equal(seal_keyring_open(bench->fs, PATH, bench->masters[0], DAY, &bench->ring, NULL), OK);
}

static void bench_fini(struct bench *bench)
{
    seal_keyring_free(bench->ring);
    seal_cipher_free(bench->cipher);
    seal_master_free(bench->masters[0]);
    seal_master_free(bench->masters[1]);
    fs_sim_free(bench->sim);
}

static struct sealed make(struct bench *bench, uint32_t segment)
{
    struct seal_key *key = NULL;
    struct slice part = slice_of(text, 16);
    struct sealed sealed;
    assert_int_equal(seal_keyring_segment_key_new(bench->ring, 1, segment, &key), OK);
    sealed.nonce = seal_key_nonce_take(key);
    assert_int_equal(
        seal_seal(bench->cipher, key, sealed.nonce, slice_of(NULL, 0), &part, 1, sealed.bytes, sealed.tag),
        OK);
    seal_key_unref(key);
    return sealed;
}

static enum result open_with(struct bench *bench, struct seal_keyring *ring, uint32_t segment,
                             const struct sealed *sealed)
{
    struct seal_key *key;
    uint8_t out[16];
    enum result result = seal_keyring_segment_key_get(ring, 1, segment, &key);
    if (result != OK)
        return result;
    result = seal_open(bench->cipher, key, sealed->nonce, slice_of(NULL, 0), slice_of(sealed->bytes, 16),
                       sealed->tag, out);
    seal_key_unref(key);
    return result;
}

static struct seal_keyring_counts counts_of(struct seal_keyring *ring)
{
    struct seal_keyring_counts counts;
    seal_keyring_counts_get(ring, &counts);
    return counts;
}

// ---- the day ----

static void test_day_changes_while_open(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 1);
    struct sealed first = make(&bench, 1);
    seal_keyring_day_set(bench.ring, DAY);
    (void)make(&bench, 2);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 1);
    seal_keyring_day_set(bench.ring, DAY + 1);
    struct sealed third = make(&bench, 3);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 2);
    assert_int_equal(open_with(&bench, bench.ring, 1, &first), OK);
    // Destroyed with its last segment, as its day is over.
    assert_int_equal(seal_keyring_segment_key_destroy(bench.ring, 1, 1), OK);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 2);
    assert_int_equal(seal_keyring_segment_key_destroy(bench.ring, 1, 2), OK);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 1);
    assert_int_equal(open_with(&bench, bench.ring, 3, &third), OK);
    bench_fini(&bench);
}

// An intermediate key that wraps nothing goes when its day is over, not only with the next start.
static void test_day_over_destroys_what_is_empty(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 1);
    (void)make(&bench, 1);
    assert_int_equal(seal_keyring_segment_key_destroy(bench.ring, 1, 1), OK);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 1);
    seal_keyring_day_set(bench.ring, DAY + 1);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 0);
    fs_sim_crash(bench.sim);
    seal_keyring_free(bench.ring);
    assert_int_equal(fs_sim_mount(bench.sim, &bench.fs), OK);
    assert_int_equal(seal_keyring_open_readonly(bench.fs, PATH, bench.masters[0], &bench.ring, NULL), OK);
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 0);
    bench_fini(&bench);
}

// ---- copies ----

static void test_copy_opens_alone(void **state)
{
    (void)state;
    struct bench bench;
    struct sealed sealed[SEGMENTS];
    struct seal_keyring *copy;
    bench_init(&bench, 1);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        seal_keyring_day_set(bench.ring, DAY + i / 10);
        sealed[i] = make(&bench, i + 1);
    }
    assert_int_equal(seal_keyring_segment_key_destroy(bench.ring, 1, 7), OK);
    assert_int_equal(seal_keyring_copy(bench.ring, bench.fs, "backup", NULL, NULL), OK);
    assert_int_equal(seal_keyring_copy(bench.ring, bench.fs, "backup", NULL, NULL), ERR_EXISTS);
    assert_int_equal(seal_keyring_open_readonly(bench.fs, "backup", bench.masters[1], &copy, NULL),
                     ERR_CRYPTO);
    assert_int_equal(seal_keyring_open_readonly(bench.fs, "backup", bench.masters[0], &copy, NULL), OK);
    assert_true(seal_keyring_is_sound(copy));
    for (uint32_t i = 0; i < SEGMENTS; i++)
        assert_int_equal(open_with(&bench, copy, i + 1, &sealed[i]), i == 6 ? ERR_MISSING : OK);
    assert_int_equal(counts_of(copy).intermediate_keys, 4);
    seal_keyring_free(copy);
    bench_fini(&bench);
}

static void test_failed_copy_leaves_nothing(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 1);
    (void)make(&bench, 1);
    assert_int_equal(fs_sim_fault_arm(bench.sim, FS_SIM_FAULT_DATASYNC, "backup", 0), OK);
    assert_int_equal(seal_keyring_copy(bench.ring, bench.fs, "backup", NULL, NULL), ERR_IO);
    assert_int_equal(fs_path_exists(bench.fs, "backup"), ERR_MISSING);
    bench_fini(&bench);
}

// ---- another master key ----

static size_t names_in(struct fs *fs)
{
    struct fs_names names;
    assert_int_equal(fs_dir_list(fs, ".", &names), OK);
    size_t count = names.count;
    fs_names_fini(&names);
    return count;
}

static void test_rotated(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, 1);
    struct sealed sealed = make(&bench, 1);
    seal_keyring_free(bench.ring);
    bench.ring = NULL;
    assert_int_equal(seal_keyring_rotate(bench.fs, PATH, bench.masters[0], bench.masters[1], NULL), OK);
    assert_int_equal(seal_keyring_open(bench.fs, PATH, bench.masters[0], DAY, &bench.ring, NULL), ERR_CRYPTO);
    assert_int_equal(seal_keyring_open(bench.fs, PATH, bench.masters[1], DAY, &bench.ring, NULL), OK);
    assert_int_equal(open_with(&bench, bench.ring, 1, &sealed), OK);
    assert_int_equal(names_in(bench.fs), 1);
    (void)make(&bench, 2); // under the same intermediate key
    assert_int_equal(counts_of(bench.ring).intermediate_keys, 1);
    bench_fini(&bench);
}

// What a rotation that was cut has left: one of the two masters opens the file, every key is there, nothing
// of it lies beside, and the rotation can be given again. True: it had come to its end.
static bool cut_check(struct bench *bench, const struct sealed *sealed)
{
    assert_int_equal(fs_sim_mount(bench->sim, &bench->fs), OK);
    unsigned master = 0;
    enum result result = seal_keyring_open(bench->fs, PATH, bench->masters[0], DAY, &bench->ring, NULL);
    if (result == ERR_CRYPTO) {
        master = 1;
        result = seal_keyring_open(bench->fs, PATH, bench->masters[1], DAY, &bench->ring, NULL);
    }
    assert_int_equal(result, OK);
    for (uint32_t i = 0; i < SEGMENTS; i++)
        assert_int_equal(open_with(bench, bench->ring, i + 1, &sealed[i]), OK);
    assert_int_equal(counts_of(bench->ring).damaged, 0);
    assert_int_equal(names_in(bench->fs), 1);
    seal_keyring_free(bench->ring);
    bench->ring = NULL;
    assert_int_equal(
        seal_keyring_rotate(bench->fs, PATH, bench->masters[master], bench->masters[1 - master], NULL), OK);
    assert_int_equal(seal_keyring_open(bench->fs, PATH, bench->masters[1 - master], DAY, &bench->ring, NULL),
                     OK);
    assert_int_equal(open_with(bench, bench->ring, SEGMENTS, &sealed[SEGMENTS - 1]), OK);
    return master == 1;
}

static void test_cut_at_every_step(void **state)
{
    (void)state;
    unsigned seen[2] = {0};
    for (uint64_t seed = 0; seed < 3; seed++) {
        bool is_done = false;
        for (uint64_t cut = 0; !is_done; cut++) {
            struct bench bench;
            struct sealed sealed[SEGMENTS];
            bench_init(&bench, seed * 1000 + cut);
            for (uint32_t i = 0; i < SEGMENTS; i++)
                sealed[i] = make(&bench, i + 1);
            seal_keyring_free(bench.ring);
            bench.ring = NULL;
            fs_sim_power_cut_after(bench.sim, cut);
            is_done = seal_keyring_rotate(bench.fs, PATH, bench.masters[0], bench.masters[1], NULL) == OK;
            fs_sim_crash(bench.sim);
            bool is_rotated = cut_check(&bench, sealed);
            assert_true(is_rotated || !is_done);
            seen[is_rotated]++;
            bench_fini(&bench);
        }
    }
    assert_true(seen[0] > 40 && seen[1] > 40);
}

// Clearing away is cut too, and a failure is no other case than a cut.
static void test_cut_while_clearing(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 120; seed++) {
        struct bench bench;
        struct sealed sealed[SEGMENTS];
        bench_init(&bench, seed);
        for (uint32_t i = 0; i < SEGMENTS; i++)
            sealed[i] = make(&bench, i + 1);
        seal_keyring_free(bench.ring);
        fs_sim_power_cut_after(bench.sim, 20 + seed);
        (void)!seal_keyring_rotate(bench.fs, PATH, bench.masters[0], bench.masters[1], NULL);
        fs_sim_crash(bench.sim);
        for (unsigned round = 0; round < 2; round++) {
            assert_int_equal(fs_sim_mount(bench.sim, &bench.fs), OK);
            fs_sim_power_cut_after(bench.sim, (seed * 7 + round * 13) % 70);
            for (unsigned i = 0; i < 2; i++) {
                bench.ring = NULL;
                (void)!seal_keyring_open(bench.fs, PATH, bench.masters[i], DAY, &bench.ring, NULL);
                seal_keyring_free(bench.ring);
            }
            fs_sim_crash(bench.sim);
        }
        bench.ring = NULL;
        (void)cut_check(&bench, sealed);
        bench_fini(&bench);
    }
}

static enum result any_open(struct bench *bench)
{
    enum result result = ERR_CRYPTO;
    for (unsigned i = 0; i < 2 && result == ERR_CRYPTO; i++)
        result = seal_keyring_open(bench->fs, PATH, bench->masters[i], DAY, &bench->ring, NULL);
    return result;
}

// A sync of the folder fails, behind either rename too, and what it should have made durable is in memory
// only: no later sync brings it back. The next start, which sees the new name, makes it durable before the
// former file is destroyed, so that a power cut at any of its steps leaves one of the two.
static void test_failed_folder_sync_then_cut(void **state)
{
    (void)state;
    enum { SYNCS = 4 }; // of the copy, behind each rename, behind the removal
    unsigned failed = 0;
    for (uint64_t round = 0; round < SYNCS * 120; round++) {
        struct bench bench;
        struct sealed sealed[SEGMENTS];
        bench_init(&bench, round);
        for (uint32_t i = 0; i < SEGMENTS; i++)
            sealed[i] = make(&bench, i + 1);
        seal_keyring_free(bench.ring);
        bench.ring = NULL;
        assert_int_equal(fs_sim_fault_arm(bench.sim, FS_SIM_FAULT_DIR_SYNC, NULL, round % SYNCS), OK);
        failed += seal_keyring_rotate(bench.fs, PATH, bench.masters[0], bench.masters[1], NULL) == ERR_IO;
        fs_sim_power_cut_after(bench.sim, round / SYNCS);
        (void)any_open(&bench);
        seal_keyring_free(bench.ring);
        bench.ring = NULL;
        fs_sim_crash(bench.sim);
        (void)cut_check(&bench, sealed);
        bench_fini(&bench);
    }
    assert_int_equal(failed, SYNCS * 120);
}

// ---- with the master key's own file: on the real file system ----

struct place {
    char folder[64];
    char master[96];
    char fresh[100];
    struct fs *fs;
    struct seal_source source;
};

static void place_init(struct place *place)
{
    struct seal_master *master;
    text_format(place->folder, sizeof place->folder, "/tmp/seal-rotate-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    text_format(place->master, sizeof place->master, "%s/master", place->folder);
    text_format(place->fresh, sizeof place->fresh, "%s.new", place->master);
    assert_int_equal(fs_real_new(place->folder, &place->fs), OK);
    assert_int_equal(seal_master_file_create(place->master, NULL), OK);
    place->source = (struct seal_source){.master_file = place->master, .fs = place->fs, .keyring = PATH};
    assert_int_equal(seal_source_master(&place->source, &master, NULL), OK);
    assert_int_equal(seal_keyring_create(place->fs, PATH, master, NULL), OK);
    seal_master_free(master);
}

static void place_fini(struct place *place)
{
    (void)unlink(place->master);
    (void)unlink(place->fresh);
    (void)!fs_path_unlink(place->fs, PATH);
    fs_free(place->fs);
    assert_int_equal(rmdir(place->folder), 0);
}

static void bytes_get(const char *path, uint8_t bytes[32])
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, 32, file), 32);
    fclose(file);
}

static void test_files_rotated(void **state)
{
    (void)state;
    struct place place;
    struct seal_keyring *ring;
    struct seal_key *key;
    uint8_t before[32], after[32];
    place_init(&place);
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, NULL), OK);
    assert_int_equal(seal_keyring_segment_key_new(ring, 1, 1, &key), OK);
    seal_key_unref(key);
    seal_keyring_free(ring);
    bytes_get(place.master, before);
    assert_int_equal(seal_keys_rotate(&place.source, NULL, NULL), OK);
    bytes_get(place.master, after);
    assert_memory_not_equal(before, after, 32);
    assert_int_equal(access(place.fresh, F_OK), -1);
    struct stat status;
    assert_int_equal(stat(place.master, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, NULL), OK);
    assert_int_equal(seal_keyring_segment_key_get(ring, 1, 1, &key), OK);
    seal_key_unref(key);
    seal_keyring_free(ring);
    place_fini(&place);
}

// Killed when the key file had changed hands and the master key had not: the next start ends it.
static void test_files_half_way(void **state)
{
    (void)state;
    struct place place;
    struct seal_master *old, *fresh;
    struct seal_keyring *ring;
    uint8_t expected[32], found[32];
    place_init(&place);
    assert_int_equal(seal_master_file_create(place.fresh, NULL), OK);
    assert_int_equal(seal_master_load_file(place.master, &old, NULL), OK);
    assert_int_equal(seal_master_load_file(place.fresh, &fresh, NULL), OK);
    bytes_get(place.fresh, expected);
    assert_int_equal(seal_keyring_rotate(place.fs, PATH, old, fresh, NULL), OK);
    seal_master_free(old);
    seal_master_free(fresh);
    struct seal_problem problem = {"as before"};
    assert_int_equal(seal_keys_open_readonly(&place.source, &ring, &problem), OK);
    assert_string_equal(problem.text, "as before"); // nothing has failed
    seal_keyring_free(ring);
    assert_int_equal(access(place.fresh, F_OK), 0); // a look changes nothing
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, NULL), OK);
    seal_keyring_free(ring);
    bytes_get(place.master, found);
    assert_memory_equal(expected, found, 32);
    assert_int_equal(access(place.fresh, F_OK), -1);
    place_fini(&place);
}

// Killed before that: the new master key opens nothing and is made anew.
static void test_files_early(void **state)
{
    (void)state;
    struct place place;
    struct seal_keyring *ring;
    uint8_t left[32], found[32];
    place_init(&place);
    assert_int_equal(seal_master_file_create(place.fresh, NULL), OK);
    bytes_get(place.fresh, left);
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, NULL), OK);
    seal_keyring_free(ring);
    assert_int_equal(seal_keys_rotate(&place.source, NULL, NULL), OK);
    bytes_get(place.master, found);
    assert_memory_not_equal(left, found, 32);
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, NULL), OK);
    seal_keyring_free(ring);
    place_fini(&place);
}

static void test_named_file_is_left_to_the_operator(void **state)
{
    (void)state;
    struct place place;
    struct seal_keyring *ring;
    struct seal_problem problem;
    char named[128];
    place_init(&place);
    text_format(named, sizeof named, "%s/mine", place.folder);
    assert_int_equal(seal_keys_rotate(&place.source, named, &problem), OK);
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, &problem), ERR_CRYPTO);
    place.source.master_file = named;
    assert_int_equal(seal_keys_open(&place.source, DAY, &ring, &problem), OK);
    seal_keyring_free(ring);
    assert_int_equal(unlink(named), 0);
    struct seal_source credential = {.master_credential = "x", .fs = place.fs, .keyring = PATH};
    assert_int_equal(seal_keys_rotate(&credential, NULL, &problem), ERR_ARGUMENT);
    place_fini(&place);
}

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_day_changes_while_open),
        cmocka_unit_test(test_day_over_destroys_what_is_empty),
        cmocka_unit_test(test_copy_opens_alone),
        cmocka_unit_test(test_failed_copy_leaves_nothing),
        cmocka_unit_test(test_rotated),
        cmocka_unit_test(test_cut_at_every_step),
        cmocka_unit_test(test_cut_while_clearing),
        cmocka_unit_test(test_failed_folder_sync_then_cut),
        cmocka_unit_test(test_files_rotated),
        cmocka_unit_test(test_files_half_way),
        cmocka_unit_test(test_files_early),
        cmocka_unit_test(test_named_file_is_left_to_the_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
