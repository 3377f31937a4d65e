// SPDX-License-Identifier: Apache-2.0
//
// Lasting keys: the same hash for ever, through another master key, a copy that is put back, and a cut at
// every step of the key file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "fs/fs.h"
#include "fs/sim.h"
#include "key.h"
#include "seal/lasting.h"

#include <string.h>

#define PATH "keys"
#define DAY  20000

enum { SLOT_OFFSET = 4096, SLOT_SIZE = 4096 };

struct bench {
    struct fs_sim *sim;
    struct fs *fs;
    struct seal_master *masters[2];
    struct seal_keyring *ring;
};

static void bench_open(struct bench *bench, unsigned master)
{
    assert_int_equal(seal_keyring_open(bench->fs, PATH, bench->masters[master], DAY, &bench->ring, NULL), OK);
}

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
    assert_int_equal(seal_keyring_create(bench->fs, PATH, bench->masters[0], NULL), OK);
    bench_open(bench, 0);
}

static void bench_close(struct bench *bench)
{
    seal_keyring_free(bench->ring);
    bench->ring = NULL;
}

static void bench_fini(struct bench *bench)
{
    bench_close(bench);
    seal_master_free(bench->masters[0]);
    seal_master_free(bench->masters[1]);
    fs_sim_free(bench->sim);
}

static enum result hash_with(struct seal_keyring *ring, const char *label, const char *text, uint8_t out[32])
{
    struct seal_hash *hash;
    enum result result = seal_keyring_hash_new(ring, label, &hash);
    if (result != OK)
        return result;
    assert_int_equal(seal_hash_of(hash, slice_of_text(text), out), OK);
    seal_hash_free(hash);
    return OK;
}

static void assert_hash(struct seal_keyring *ring, const uint8_t expected[32])
{
    uint8_t out[32];
    assert_int_equal(hash_with(ring, "patient id", "4711", out), OK);
    assert_memory_equal(out, expected, 32);
}

static void test_hashes_tell_labels_and_texts_apart(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t a[32], b[32];
    struct seal_hash *hash;
    bench_init(&bench, 1);
    assert_int_equal(hash_with(bench.ring, "patient id", "4711", a), OK);
    assert_int_equal(hash_with(bench.ring, "patient name", "4711", b), OK);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(hash_with(bench.ring, "patient id", "4712", b), OK);
    assert_memory_not_equal(a, b, 32);
    // One object, many hashes.
    assert_int_equal(seal_keyring_hash_new(bench.ring, "patient id", &hash), OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seal_hash_of(hash, slice_of_text("4712"), b), OK);
        assert_int_equal(seal_hash_of(hash, slice_of_text("4711"), b), OK);
        assert_memory_equal(a, b, 32);
    }
    seal_hash_free(hash);
    bench_fini(&bench);
}

static void test_another_master_key_changes_nothing(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t before[32];
    bench_init(&bench, 1);
    assert_int_equal(hash_with(bench.ring, "patient id", "4711", before), OK);
    bench_close(&bench);
    for (unsigned master = 0; master < 2; master++) {
        assert_int_equal(
            seal_keyring_rotate(bench.fs, PATH, bench.masters[master], bench.masters[1 - master], NULL), OK);
        bench_open(&bench, 1 - master);
        assert_hash(bench.ring, before);
        bench_close(&bench);
    }
    bench_fini(&bench);
}

static bool none_is_kept(void *arg, uint16_t stream, uint32_t segment)
{
    (void)arg;
    (void)stream;
    (void)segment;
    return false;
}

static void test_backup_has_them(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t before[32];
    struct seal_keyring *early;
    struct seal_keyring *copy;
    bench_init(&bench, 1);
    assert_int_equal(seal_keyring_copy(bench.ring, bench.fs, "early", NULL, NULL), OK);
    assert_int_equal(hash_with(bench.ring, "patient id", "4711", before), OK);
    assert_int_equal(seal_keyring_copy(bench.ring, bench.fs, "backup", NULL, NULL), OK);
    assert_int_equal(seal_keyring_open_readonly(bench.fs, "early", bench.masters[0], &early, NULL), OK);
    assert_int_equal(seal_keyring_open_readonly(bench.fs, "backup", bench.masters[0], &copy, NULL), OK);
    assert_hash(copy, before);
    assert_true(seal_keyring_lasting_is_in(bench.ring, copy));
    assert_false(seal_keyring_lasting_is_in(bench.ring, early));
    // Put back: whatever segments are still there.
    bench_close(&bench);
    assert_int_equal(fs_path_unlink(bench.fs, PATH), OK);
    assert_int_equal(seal_keyring_copy_some(copy, bench.fs, PATH, none_is_kept, NULL, NULL), OK);
    seal_keyring_free(early);
    seal_keyring_free(copy);
    bench_open(&bench, 0);
    assert_hash(bench.ring, before);
    bench_fini(&bench);
}

static void test_readonly_makes_none(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t out[32];
    struct seal_keyring *reader;
    bench_init(&bench, 1);
    assert_int_equal(seal_keyring_open_readonly(bench.fs, PATH, bench.masters[0], &reader, NULL), OK);
    assert_int_equal(hash_with(reader, "patient id", "4711", out), ERR_MISSING);
    seal_keyring_free(reader);
    bench_fini(&bench);
}

// The power goes at every step of making one; a key that was handed out is there afterwards and the same, and
// a second power cut while opening (which writes the slots anew) does not harm it.
static void test_cut_at_every_step(void **state)
{
    (void)state;
    unsigned seen[2] = {0};
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct bench bench;
        uint8_t before[32], after[32];
        bench_init(&bench, seed);
        fs_sim_power_cut_after(bench.sim, seed % 5);
        enum result made = hash_with(bench.ring, "patient id", "4711", before);
        fs_sim_crash(bench.sim);
        bench_close(&bench);
        assert_int_equal(fs_sim_mount(bench.sim, &bench.fs), OK);
        bench_open(&bench, 0);
        assert_int_equal(hash_with(bench.ring, "patient id", "4711", after), OK);
        if (made == OK)
            assert_memory_equal(before, after, 32);
        seen[made == OK]++;
        bench_close(&bench);
        fs_sim_power_cut_after(bench.sim, seed % 3);
        if (seal_keyring_open(bench.fs, PATH, bench.masters[0], DAY, &bench.ring, NULL) == OK)
            bench_close(&bench);
        fs_sim_crash(bench.sim);
        assert_int_equal(fs_sim_mount(bench.sim, &bench.fs), OK);
        bench_open(&bench, 0);
        assert_hash(bench.ring, after);
        bench_fini(&bench);
    }
    assert_true(seen[0] > 20 && seen[1] > 20);
}

// A write of the slot that came only half to the disk: the slot is damaged, no key is made of it, and the
// next one gets another place. What a hash was stored with before tells the store that its key is lost.
static void test_torn_slot(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t before[32], after[32];
    uint8_t zeros[64] = {0};
    struct fs_file *file;
    struct seal_keyring_counts counts;
    bench_init(&bench, 1);
    assert_int_equal(hash_with(bench.ring, "patient id", "4711", before), OK);
    bench_close(&bench);
    assert_int_equal(fs_file_open(bench.fs, PATH, FS_WRITE, &file), OK);
    assert_int_equal(fs_file_write(file, SLOT_OFFSET + 64, slice_of(zeros, sizeof zeros)), OK);
    fs_file_close(&file);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    bench_open(&bench, 0);
    seal_keyring_counts_get(bench.ring, &counts);
    assert_int_equal(counts.damaged, 1);
    assert_false(seal_keyring_is_sound(bench.ring));
    struct seal_hash *hash;
    assert_int_equal(seal_keyring_hash_get(bench.ring, "patient id", &hash), ERR_MISSING); // makes none
    assert_int_equal(hash_with(bench.ring, "patient id", "4711", after), OK);
    assert_memory_not_equal(before, after, 32);
    bench_fini(&bench);
}

static void test_sealing_keys(void **state)
{
    (void)state;
    struct bench bench;
    uint8_t seeds[2][SEAL_SEED_SIZE], sealed[4], tag[SEAL_TAG_SIZE], out[4];
    struct seal_key *first, *second, *again;
    struct seal_cipher *cipher;
    struct slice text = slice_of_text("1234");
    bench_init(&bench, 1);
    assert_int_equal(seal_cipher_new(&cipher), OK);
    assert_int_equal(seal_keyring_sealing_key_new(bench.ring, SEAL_LASTING_CROSSWALK, seeds[0], &first), OK);
    assert_int_equal(seal_keyring_sealing_key_new(bench.ring, SEAL_LASTING_CROSSWALK, seeds[1], &second), OK);
    uint64_t nonce = seal_key_nonce_take(first);
    assert_int_equal(seal_seal(cipher, first, nonce, slice_of(NULL, 0), &text, 1, sealed, tag), OK);
    bench_close(&bench);
    assert_int_equal(seal_keyring_rotate(bench.fs, PATH, bench.masters[0], bench.masters[1], NULL), OK);
    bench_open(&bench, 1);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(seal_keyring_sealing_key_get(bench.ring, SEAL_LASTING_CROSSWALK, seeds[i], &again),
                         OK);
        assert_false(again->can_seal);
        assert_int_equal(seal_open(cipher, again, nonce, slice_of(NULL, 0), slice_of(sealed, 4), tag, out),
                         i == 0 ? OK : ERR_CRYPTO);
        seal_key_unref(again);
    }
    seal_key_unref(first);
    seal_key_unref(second);
    seal_cipher_free(cipher);
    bench_fini(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes_tell_labels_and_texts_apart),
        cmocka_unit_test(test_another_master_key_changes_nothing),
        cmocka_unit_test(test_backup_has_them),
        cmocka_unit_test(test_readonly_makes_none),
        cmocka_unit_test(test_cut_at_every_step),
        cmocka_unit_test(test_torn_slot),
        cmocka_unit_test(test_sealing_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
