// SPDX-License-Identifier: Apache-2.0
//
// The same cases over both key-value stores, then what only one of them has: crashes and faults (simulated),
// growth of the map, modes and a second process (LMDB).
#include "base/text.h"
#include "base/units.h"
#include "store/lmdb.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PLAIN, PAIRS };
static const struct kv_database databases[] = {{"plain", false, 0}, {"pairs", true, 2}};
static const struct kv_schema schema = {"test", databases, 2};

static struct slice text(const char *value)
{
    return slice_of_text(value);
}

static void begin(struct test_store *store, enum kv_mode mode, struct kv_transaction *transaction)
{
    assert_int_equal(kv_begin(store->env, mode, transaction), OK);
}

static void assert_value(struct kv_transaction *transaction, const char *key, const char *expected)
{
    struct slice value;
    enum result result = kv_get(transaction, PLAIN, text(key), &value);
    assert_int_equal(result, expected != NULL ? OK : ERR_MISSING);
    if (expected != NULL)
        assert_true(slice_is_text(value, expected));
}

static void fill(struct test_store *store)
{
    struct kv_transaction transaction;
    static const char *const keys[] = {"b", "ab", "a", "c"};
    static const char *const pairs[][2] = {{"k", "03"}, {"k", "01"}, {"j", "09"}, {"k", "02"}, {"k", "01"}};
    begin(store, KV_WRITE, &transaction);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(kv_put(&transaction, PLAIN, text(keys[i]), text(keys[i]), KV_PLAIN), OK);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(kv_put(&transaction, PAIRS, text(pairs[i][0]), text(pairs[i][1]), KV_PLAIN), OK);
    assert_int_equal(kv_commit(&transaction), OK);
}

static void case_get_put_delete(struct test_store *store)
{
    struct kv_transaction transaction;
    uint64_t count = 0;
    fill(store);
    begin(store, KV_WRITE, &transaction);
    assert_value(&transaction, "a", "a");
    assert_value(&transaction, "aa", NULL);
    assert_int_equal(kv_put(&transaction, PLAIN, text("a"), text(""), KV_PLAIN), OK);
    assert_value(&transaction, "a", "");
    assert_int_equal(kv_put(&transaction, PLAIN, text("a"), text("x"), KV_NO_OVERWRITE), ERR_EXISTS);
    assert_int_equal(kv_put(&transaction, PLAIN, text("bb"), text("x"), KV_APPEND), ERR_EXISTS);
    assert_int_equal(kv_put(&transaction, PLAIN, text("d"), text("x"), KV_APPEND), OK);
    assert_int_equal(kv_delete(&transaction, PLAIN, text("b"), NULL), OK);
    assert_int_equal(kv_delete(&transaction, PLAIN, text("b"), NULL), ERR_MISSING);
    assert_int_equal(kv_count(&transaction, PLAIN, &count), OK);
    assert_int_equal(count, 4);
    assert_int_equal(kv_count(&transaction, PAIRS, &count), OK);
    assert_int_equal(count, 4); // one pair came twice
    assert_int_equal(kv_commit(&transaction), OK);
    begin(store, KV_READ, &transaction);
    assert_value(&transaction, "d", "x");
    assert_value(&transaction, "b", NULL);
    kv_abort(&transaction);
}

static void case_abort(struct test_store *store)
{
    struct kv_transaction transaction;
    fill(store);
    begin(store, KV_WRITE, &transaction);
    assert_int_equal(kv_put(&transaction, PLAIN, text("z"), text("z"), KV_PLAIN), OK);
    assert_int_equal(kv_delete(&transaction, PLAIN, text("a"), NULL), OK);
    kv_abort(&transaction);
    kv_abort(&transaction); // harmless
    begin(store, KV_READ, &transaction);
    assert_value(&transaction, "z", NULL);
    assert_value(&transaction, "a", "a");
    assert_int_equal(kv_commit(&transaction), OK);
}

static void case_snapshot(struct test_store *store)
{
    struct kv_transaction reading;
    struct kv_transaction writing;
    fill(store);
    begin(store, KV_READ, &reading);
    begin(store, KV_WRITE, &writing);
    assert_int_equal(kv_put(&writing, PLAIN, text("a"), text("new"), KV_PLAIN), OK);
    assert_int_equal(kv_commit(&writing), OK);
    assert_value(&reading, "a", "a");
    kv_abort(&reading);
    begin(store, KV_READ, &reading);
    assert_value(&reading, "a", "new");
    kv_abort(&reading);
}

static void case_cursor_plain(struct test_store *store)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor;
    static const char *const sorted[] = {"a", "ab", "b", "c"};
    fill(store);
    begin(store, KV_READ, &transaction);
    assert_int_equal(kv_cursor_init(&cursor, &transaction, PLAIN), OK);
    enum result result = kv_cursor_first(&cursor);
    for (unsigned i = 0; i < 4; i++, result = kv_cursor_next(&cursor)) {
        assert_int_equal(result, OK);
        assert_true(slice_is_text(cursor.key, sorted[i]));
    }
    assert_int_equal(result, ERR_MISSING);
    assert_int_equal(kv_cursor_last(&cursor), OK);
    assert_true(slice_is_text(cursor.key, "c"));
    assert_int_equal(kv_cursor_seek(&cursor, text("aa")), OK);
    assert_true(slice_is_text(cursor.key, "ab"));
    assert_int_equal(kv_cursor_seek(&cursor, text("b")), OK);
    assert_true(slice_is_text(cursor.key, "b"));
    assert_int_equal(kv_cursor_seek(&cursor, text("d")), ERR_MISSING);
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
}

static void case_cursor_pairs(struct test_store *store)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor;
    struct slice second = text("02");
    size_t values = 0;
    fill(store);
    begin(store, KV_WRITE, &transaction);
    assert_int_equal(kv_delete(&transaction, PAIRS, text("k"), &second), OK);
    assert_int_equal(kv_delete(&transaction, PAIRS, text("k"), &second), ERR_MISSING);
    assert_int_equal(kv_cursor_init(&cursor, &transaction, PAIRS), OK);
    assert_int_equal(kv_cursor_seek(&cursor, text("jj")), OK);
    assert_true(slice_is_text(cursor.key, "k"));
    assert_true(slice_is_text(cursor.value, "01"));
    assert_int_equal(kv_cursor_count(&cursor, &values), OK);
    assert_int_equal(values, 2);
    assert_int_equal(kv_cursor_next_duplicate(&cursor), OK);
    assert_true(slice_is_text(cursor.value, "03"));
    assert_int_equal(kv_cursor_next_duplicate(&cursor), ERR_MISSING);
    assert_int_equal(kv_cursor_first(&cursor), OK);
    assert_true(slice_is_text(cursor.value, "09"));
    assert_int_equal(kv_cursor_next(&cursor), OK);
    assert_true(slice_is_text(cursor.value, "01"));
    kv_cursor_fini(&cursor);
    assert_int_equal(kv_delete(&transaction, PAIRS, text("k"), NULL), OK);
    assert_int_equal(kv_commit(&transaction), OK);
    begin(store, KV_READ, &transaction);
    uint64_t count = 0;
    assert_int_equal(kv_count(&transaction, PAIRS, &count), OK);
    assert_int_equal(count, 1);
    kv_abort(&transaction);
}

static void case_reopen(struct test_store *store)
{
    struct kv_transaction transaction;
    fill(store);
    test_store_close(store);
    test_store_open(store);
    begin(store, KV_READ, &transaction);
    assert_value(&transaction, "ab", "ab");
    kv_abort(&transaction);
}

static void case_random(struct test_store *store)
{
    enum { KEYS = 64 };
    uint64_t model[KEYS] = {0}; // 0: not there
    uint64_t seed = 42;
    for (unsigned round = 0; round < 40; round++) {
        struct kv_transaction transaction;
        uint64_t next[KEYS];
        memcpy(next, model, sizeof next);
        begin(store, KV_WRITE, &transaction);
        for (unsigned i = 0; i < 20; i++) {
            uint64_t number = test_random(&seed);
            uint8_t key = (uint8_t)(number % KEYS);
            uint64_t value = number >> 16 | 1;
            if (number % 3 == 0)
                assert_int_equal(kv_delete(&transaction, PLAIN, slice_of(&key, 1), NULL),
                                 next[key] != 0 ? OK : ERR_MISSING);
            else
                assert_int_equal(
                    kv_put(&transaction, PLAIN, slice_of(&key, 1), slice_of(&value, sizeof value), KV_PLAIN),
                    OK);
            next[key] = number % 3 == 0 ? 0 : value;
        }
        if (test_random(&seed) % 4 == 0) {
            kv_abort(&transaction);
        } else {
            assert_int_equal(kv_commit(&transaction), OK);
            memcpy(model, next, sizeof model);
        }
        begin(store, KV_READ, &transaction);
        for (uint8_t key = 0; key < KEYS; key++) {
            struct slice value;
            enum result result = kv_get(&transaction, PLAIN, slice_of(&key, 1), &value);
            assert_int_equal(result, model[key] != 0 ? OK : ERR_MISSING);
            if (result == OK)
                assert_memory_equal(value.data, &model[key], sizeof model[key]);
        }
        kv_abort(&transaction);
    }
}

typedef void conformance_case(struct test_store *store);
static conformance_case *const cases[] = {case_get_put_delete, case_abort,  case_snapshot, case_cursor_plain,
                                          case_cursor_pairs,   case_reopen, case_random};

static void conformance(enum store_kind kind)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct test_store store;
        test_store_init(&store, kind, &schema);
        cases[i](&store);
        test_store_fini(&store);
    }
}

static void test_conformance_sim(void **state)
{
    (void)state;
    conformance(STORE_SIM);
}

static void test_conformance_lmdb(void **state)
{
    (void)state;
    conformance(STORE_LMDB);
}

// ---- simulated only

static enum result put_commit(struct test_store *store, const char *key)
{
    struct kv_transaction transaction;
    enum result result = kv_begin(store->env, KV_WRITE, &transaction);
    if (result == OK)
        result = kv_put(&transaction, PLAIN, text(key), text(key), KV_PLAIN);
    if (result == OK)
        return kv_commit(&transaction);
    kv_abort(&transaction);
    return result;
}

static bool has(struct test_store *store, const char *key)
{
    struct kv_transaction transaction;
    struct slice value;
    begin(store, KV_READ, &transaction);
    bool found = kv_get(&transaction, PLAIN, text(key), &value) == OK;
    kv_abort(&transaction);
    return found;
}

static void test_crash(void **state)
{
    (void)state;
    struct test_store store;
    test_store_init(&store, STORE_SIM, &schema);
    assert_int_equal(put_commit(&store, "before"), OK);
    kv_sim_fault_set(store.disk, KV_SIM_CRASH_BEFORE_COMMIT, 1);
    assert_int_equal(put_commit(&store, "first"), OK);
    assert_int_equal(put_commit(&store, "lost"), ERR_IO);
    assert_true(kv_sim_is_crashed(store.disk));
    assert_int_equal(put_commit(&store, "dead"), ERR_IO);
    test_store_close(&store);
    test_store_open(&store);
    assert_false(kv_sim_is_crashed(store.disk));
    assert_true(has(&store, "first") && !has(&store, "lost") && !has(&store, "dead"));
    kv_sim_fault_set(store.disk, KV_SIM_CRASH_AFTER_COMMIT, 0);
    assert_int_equal(put_commit(&store, "kept"), ERR_IO);
    test_store_close(&store);
    test_store_open(&store);
    assert_true(has(&store, "kept"));
    test_store_fini(&store);
}

static void test_faults(void **state)
{
    (void)state;
    struct test_store store;
    struct kv_transaction transaction;
    test_store_init(&store, STORE_SIM, &schema);
    uint64_t print = kv_sim_fingerprint(store.disk);
    kv_sim_fault_set(store.disk, KV_SIM_SPACE, 0);
    assert_int_equal(put_commit(&store, "a"), ERR_SPACE);
    kv_sim_fault_set(store.disk, KV_SIM_IO, 0);
    assert_int_equal(put_commit(&store, "a"), ERR_IO);
    assert_true(kv_sim_fingerprint(store.disk) == print);
    kv_sim_fault_set(store.disk, KV_SIM_MAP_FULL, 0);
    begin(&store, KV_WRITE, &transaction);
    assert_int_equal(kv_put(&transaction, PLAIN, text("a"), text("a"), KV_PLAIN), AGAIN);
    assert_int_equal(kv_put(&transaction, PLAIN, text("b"), text("b"), KV_PLAIN), AGAIN); // sticky
    assert_int_equal(kv_commit(&transaction), AGAIN);
    kv_sim_capacity_set(store.disk, 3);
    assert_int_equal(put_commit(&store, "a"), OK);
    assert_int_equal(put_commit(&store, "b"), ERR_SPACE);
    assert_true(has(&store, "a") && !has(&store, "b"));
    test_store_fini(&store);
}

// ---- LMDB only

static void test_growth(void **state)
{
    (void)state;
    struct test_store store;
    static const uint8_t block[4096];
    test_store_init(&store, STORE_LMDB, &schema);
    test_store_close(&store);
    store.map_size = 256 * KIB;
    test_store_open(&store);
    // One transaction above the whole map meets AGAIN, and works when done again.
    unsigned tries = 0;
    for (enum result result = AGAIN; result == AGAIN; tries++) {
        struct kv_transaction transaction;
        begin(&store, KV_WRITE, &transaction);
        for (uint32_t key = 0; key < 200; key++)
            (void)!kv_put(&transaction, PLAIN, slice_of(&key, sizeof key), slice_of(block, sizeof block),
                          KV_PLAIN);
        result = kv_commit(&transaction);
        assert_true(result == OK || result == AGAIN);
    }
    assert_in_range(tries, 2, 6);
    assert_true(store.env->counters.map_growths > 0);
    // Many small ones never meet it: room is made in time.
    for (uint32_t key = 1000; key < 1300; key++) {
        struct kv_transaction transaction;
        begin(&store, KV_WRITE, &transaction);
        assert_int_equal(
            kv_put(&transaction, PLAIN, slice_of(&key, sizeof key), slice_of(block, sizeof block), KV_PLAIN),
            OK);
        assert_int_equal(kv_commit(&transaction), OK);
    }
    test_store_fini(&store);
}

static void test_growth_waits_for_readers(void **state)
{
    (void)state;
    struct test_store store;
    struct kv_transaction reading;
    struct kv_transaction writing;
    static const uint8_t block[4096];
    test_store_init(&store, STORE_LMDB, &schema);
    test_store_close(&store);
    store.map_size = 128 * KIB;
    test_store_open(&store);
    begin(&store, KV_READ, &reading);
    begin(&store, KV_WRITE, &writing);
    for (uint32_t key = 0; key < 200; key++)
        (void)!kv_put(&writing, PLAIN, slice_of(&key, sizeof key), slice_of(block, sizeof block), KV_PLAIN);
    assert_int_equal(kv_commit(&writing), AGAIN);
    assert_int_equal(kv_begin(store.env, KV_WRITE, &writing), AGAIN);
    assert_int_equal(kv_commit(&writing), AGAIN);
    kv_abort(&reading);
    begin(&store, KV_WRITE, &writing);
    kv_abort(&writing);
    test_store_fini(&store);
}

static void assert_mode(const char *folder, const char *name, mode_t mode)
{
    char path[128];
    struct stat stat_buffer;
    (void)text_format(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(stat(path, &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_mode & 0777, mode);
}

static void test_modes_and_errors(void **state)
{
    (void)state;
    struct test_store store;
    struct kv_env *other = NULL;
    char why[256] = "";
    struct lmdb_options options = {.read_only = true};
    test_store_init(&store, STORE_LMDB, &schema);
    assert_mode(store.folder, "data.mdb", 0600);
    assert_mode(store.folder, "lock.mdb", 0600);
    test_store_close(&store);
    assert_int_equal(lmdb_env_open("/tmp/store-test-none", &schema, &options, &other, why, sizeof why),
                     ERR_MISSING);
    assert_string_equal(why, "there is no test store in /tmp/store-test-none");
    assert_int_equal(lmdb_env_open(store.folder, &ledger_schema, &options, &other, why, sizeof why),
                     ERR_FORMAT);
    assert_non_null(strstr(why, "is not a ledger store"));
    test_store_open(&store);
    test_store_fini(&store);
}

static void test_existing_only(void **state)
{
    (void)state;
    char folder[] = "/tmp/store-test-XXXXXX", store[64], file[96], why[256] = "";
    struct kv_env *env = NULL;
    struct stat found;
    struct lmdb_options existing = {.existing_only = true}, any = {.read_only = false};
    assert_non_null(mkdtemp(folder));
    (void)snprintf(store, sizeof store, "%s/store", folder);
    (void)snprintf(file, sizeof file, "%s/data.mdb", store);
    assert_int_equal(lmdb_env_open(store, &schema, &existing, &env, why, sizeof why), ERR_MISSING);
    assert_int_equal(rmdir(folder), 0); // nothing was made in it
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(mkdir(store, 0700), 0);
    assert_int_equal(lmdb_env_open(store, &schema, &existing, &env, why, sizeof why), ERR_MISSING);
    assert_int_equal(rmdir(store), 0);
    assert_int_equal(lmdb_env_open(store, &schema, &any, &env, why, sizeof why), OK);
    kv_env_free(&env);
    assert_int_equal(lmdb_env_open(store, &schema, &existing, &env, why, sizeof why), OK);
    kv_env_free(&env);
    assert_int_equal(truncate(file, 0), 0);
    assert_int_equal(lmdb_env_open(store, &schema, &existing, &env, why, sizeof why), ERR_MISSING);
    assert_true(stat(file, &found) == 0 && found.st_size == 0);
    assert_int_equal(unlink(file), 0);
    (void)snprintf(file, sizeof file, "%s/lock.mdb", store);
    assert_int_equal(unlink(file), 0);
    assert_true(rmdir(store) == 0 && rmdir(folder) == 0);
}

// A second process reads while this one has the store open and lets it grow, and when nobody has.
static int child_read(const char *folder)
{
    struct kv_env *env = NULL;
    struct kv_transaction transaction;
    struct slice value;
    char why[256];
    struct lmdb_options options = {.read_only = true};
    if (lmdb_env_open(folder, &schema, &options, &env, why, sizeof why) != OK)
        return 1;
    if (kv_begin(env, KV_WRITE, &transaction) != ERR_REFUSED)
        return 2;
    if (kv_begin(env, KV_READ, &transaction) != OK || kv_get(&transaction, PLAIN, text("a"), &value) != OK)
        return 3;
    kv_abort(&transaction);
    kv_env_free(&env);
    return 0;
}

static void assert_child(const char *folder)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(child_read(folder));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_second_process(void **state)
{
    (void)state;
    struct test_store store;
    test_store_init(&store, STORE_LMDB, &schema);
    fill(&store);
    assert_child(store.folder);
    test_store_close(&store);
    assert_child(store.folder);
    test_store_open(&store);
    test_store_fini(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conformance_sim),
        cmocka_unit_test(test_conformance_lmdb),
        cmocka_unit_test(test_crash),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_growth_waits_for_readers),
        cmocka_unit_test(test_modes_and_errors),
        cmocka_unit_test(test_existing_only),
        cmocka_unit_test(test_second_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
