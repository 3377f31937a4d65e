// SPDX-License-Identifier: Apache-2.0
//
// Imports: every conflict by its line, nothing of a refused file, hostile CSV, a kill at every commit, a full
// disk, a full map; and on real LMDB, that a copy of its file shows no patient.
#include "crosswalk_support.h"

#include "base/text.h"
#include "store/csv.h"
#include "store/lmdb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int begin(void **state)
{
    static struct walk_bench bench;
    bench_init(&bench);
    *state = &bench;
    return 0;
}

static int end(void **state)
{
    bench_fini(*state);
    return 0;
}

// ---- conflicts

struct expected {
    uint64_t line;
    enum crosswalk_fault fault;
    uint64_t other;
};

static void assert_conflicts(struct walk_bench *bench, const char *text, const struct expected *expected,
                             size_t count)
{
    for (int is_dry = 0; is_dry < 2; is_dry++) {
        struct crosswalk_conflict found[64];
        size_t listed = 0;
        uint64_t before = bench_map(bench, "keep").generation;
        assert_int_equal(bench_import(bench, text, is_dry != 0, found, &listed, NULL), ERR_REFUSED);
        assert_int_equal(listed, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(found[i].line, expected[i].line);
            assert_int_equal(found[i].fault, expected[i].fault);
            assert_int_equal(found[i].other, expected[i].other);
            assert_true(strlen(crosswalk_fault_text(found[i].fault)) > 5);
            assert_int_equal(crosswalk_fault_has_other(found[i].fault), found[i].other != 0);
        }
        // Nothing has changed, and nothing is left.
        assert_maps(bench, "keep", "KEPT");
        assert_maps(bench, "1", NULL);
        assert_int_equal(bench_map(bench, "keep").generation, before);
        bench_purge(bench);
        assert_maps(bench, "keep", "KEPT");
    }
}

#define CONFLICTS(text, ...)                                                                                 \
    do {                                                                                                     \
        static const struct expected list[] = {__VA_ARGS__};                                                 \
        assert_conflicts(bench, text, list, sizeof list / sizeof list[0]);                                   \
    } while (0)

static void test_conflicts(void **state)
{
    struct walk_bench *bench = *state;
    bench_load(bench, HEADER "LEGACY,keep,ENTERPRISE,KEPT\n");
    // One source to two targets, far apart and in several runs; all of them, in order of lines.
    CONFLICTS(HEADER "LEGACY,1,ENTERPRISE,E-1\nLEGACY,2,ENTERPRISE,E-2\nLEGACY,3,ENTERPRISE,E-3\n"
                     "LEGACY,4,ENTERPRISE,E-4\nLEGACY,2,ENTERPRISE,E-9\nLEGACY,5,ENTERPRISE,E-5\n"
                     "LEGACY,1,ENTERPRISE,E-2\nLEGACY,1,ENTERPRISE,E-3\n",
              {6, CROSSWALK_FAULT_TWO_TARGETS, 3}, {8, CROSSWALK_FAULT_TWO_TARGETS, 2},
              {9, CROSSWALK_FAULT_TWO_TARGETS, 2});
    // The same after normalisation: enterprise IDs know neither case nor leading zeros.
    CONFLICTS(HEADER "LEGACY,1,ENTERPRISE,e-1\nLEGACY,2,ENTERPRISE,E-1\n", {3, CROSSWALK_FAULT_SPELLING, 2});
    CONFLICTS(HEADER "LEGACY,1,ENTERPRISE,7\nOTHER,2,ENTERPRISE,007\n", {3, CROSSWALK_FAULT_SPELLING, 2});
    CONFLICTS(HEADER "ENTERPRISE,007,OTHER,x\nENTERPRISE,7,OTHER,y\n", {3, CROSSWALK_FAULT_TWO_TARGETS, 2});
    CONFLICTS("source_domain,source_id,target_domain,target_id,name\n"
              "LEGACY,1,ENTERPRISE,E-1,A^B\nLEGACY,1,ENTERPRISE,E-1,A^C\n",
              {3, CROSSWALK_FAULT_DIFFERS, 2});
    CONFLICTS("source_domain,source_id,target_domain,target_id,preferred\n"
              "LEGACY,1,ENTERPRISE,E-1,yes\nLEGACY,2,ENTERPRISE,E-1,yes\nOTHER,2,ENTERPRISE,E-1,yes\n"
              "LEGACY,3,ENTERPRISE,E-1,maybe\n",
              {3, CROSSWALK_FAULT_TWO_PREFERRED, 2}, {5, CROSSWALK_FAULT_PREFERRED, 0});
    CONFLICTS(HEADER "LEGACY,1,ENTERPRISE,E-1\nENTERPRISE,E-2,LEGACY,2\n", {3, CROSSWALK_FAULT_BOTH_WAYS, 2});
    CONFLICTS(HEADER "LEGACY,1,LEGACY,2\nNOBODY,1,ENTERPRISE,2\nLEGACY,1,,2\n",
              {2, CROSSWALK_FAULT_ONE_DOMAIN, 0}, {3, CROSSWALK_FAULT_DOMAIN, 0},
              {4, CROSSWALK_FAULT_DOMAIN, 0});
    CONFLICTS(
        HEADER
        "LEGACY,,ENTERPRISE,1\nLEGACY,1,ENTERPRISE,  \nLEGACY,a\\b,ENTERPRISE,1\n"
        "LEGACY,1,ENTERPRISE,"
        "12345678901234567890123456789012345678901234567890123456789012345\nLEGACY,\"a\nb\",ENTERPRISE,1\n",
        {2, CROSSWALK_FAULT_ID, 0}, {3, CROSSWALK_FAULT_ID, 0}, {4, CROSSWALK_FAULT_ID, 0},
        {5, CROSSWALK_FAULT_ID, 0}, {6, CROSSWALK_FAULT_ID, 0});
    CONFLICTS("source_domain,source_id,target_domain,target_id,birth_date,sex,effective\n"
              "LEGACY,1,ENTERPRISE,1,1970-02-30,M,\nLEGACY,2,ENTERPRISE,2,19700228,f,\n"
              "LEGACY,3,ENTERPRISE,3,,,2020-01-01T00:00:00\nLEGACY,4,ENTERPRISE,4,28.02.1970,,\n",
              {2, CROSSWALK_FAULT_BIRTH_DATE, 0}, {3, CROSSWALK_FAULT_SEX, 0},
              {4, CROSSWALK_FAULT_EFFECTIVE, 0}, {5, CROSSWALK_FAULT_BIRTH_DATE, 0});
    CONFLICTS(HEADER "LEGACY,1,ENTERPRISE\nLEGACY,1,ENTERPRISE,1,\n", {2, CROSSWALK_FAULT_FIELDS, 0},
              {3, CROSSWALK_FAULT_FIELDS, 0});
    CONFLICTS("", {1, CROSSWALK_FAULT_EMPTY, 0});
    CONFLICTS("source_domain,source_id,target_domain\n", {1, CROSSWALK_FAULT_COLUMNS, 0});
    CONFLICTS("\n\nsource_domain,source_id,target_domain,target_id,nmae\nLEGACY,1,ENTERPRISE,1\n",
              {3, CROSSWALK_FAULT_COLUMNS, 0});
    CONFLICTS("source_domain,source_id,source_id,target_domain,target_id\n", {1, CROSSWALK_FAULT_COLUMNS, 0});
    // CSV at fault: lines go on being counted, also within quotes, and reading goes on behind.
    CONFLICTS(HEADER "LEGACY,\"1\"x,ENTERPRISE,1\nLEGACY,a\"b,ENTERPRISE,2\n\n\"LEGACY\",\"3\r\n4\","
                     "\"ENTERPRISE\",\"x\"\r\n"
                     "LEGACY,\xC3,ENTERPRISE,5\nLEGACY,8,ENTERPRISE,E\rX\nLEGACY,\"9,ENTERPRISE,9\n",
              {2, CROSSWALK_FAULT_QUOTE, 0}, {3, CROSSWALK_FAULT_QUOTE, 0}, {5, CROSSWALK_FAULT_ID, 0},
              {7, CROSSWALK_FAULT_ENCODING, 0}, {8, CROSSWALK_FAULT_QUOTE, 0}, {9, CROSSWALK_FAULT_QUOTE, 0});
}

static void test_repeated_rows_are_no_conflict(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_import_figures figures;
    assert_int_equal(bench_import(bench,
                                  "\xEF\xBB\xBFtarget_id,source_domain,source_id,target_domain\r\n"
                                  "E-1,LEGACY,1,ENTERPRISE\r\n\"E-1\",LEGACY,\"1\",ENTERPRISE\r\n"
                                  "\"a,\"\"b\",LEGACY,2,ENTERPRISE",
                                  false, NULL, NULL, &figures),
                     OK);
    assert_int_equal(figures.rows, 3);
    assert_int_equal(figures.repeated, 1);
    assert_maps(bench, "1", "E-1");
    assert_maps(bench, "2", "a,\"b");
    struct crosswalk_figures all;
    assert_int_equal(crosswalk_figures_get(bench->reader, &all), OK);
    assert_int_equal(all.rows, 2);
    assert_int_equal(all.leftover, 0);
}

static void test_dry_run_changes_nothing(void **state)
{
    struct walk_bench *bench = *state;
    uint64_t before = kv_sim_fingerprint(bench->disk);
    assert_int_equal(bench_import(bench, HEADER "LEGACY,1,ENTERPRISE,E-1\n", true, NULL, NULL, NULL), OK);
    assert_true(kv_sim_fingerprint(bench->disk) == before);
    struct fs_names names;
    assert_int_equal(fs_dir_list(bench->fs, CROSSWALK_IMPORT_FOLDER, &names), OK);
    assert_int_equal(names.count, 0);
    fs_names_fini(&names);
}

static void test_too_many_times(void **state)
{
    struct walk_bench *bench = *state;
    static char text[131072] = "source_domain,source_id,target_domain,target_id,effective\n";
    struct crosswalk_conflict found[64];
    size_t listed, length = strlen(text);
    for (unsigned i = 0; i < CROSSWALK_TIMES_MAX + 2; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length,
                             "LEGACY,%u,ENTERPRISE,E%u,2030-01-01T%02u:%02u:00Z\n", i, i, i / 60, i % 60);
    assert_int_equal(bench_import(bench, text, false, found, &listed, NULL), ERR_REFUSED);
    assert_int_equal(listed, 2);
    assert_int_equal(found[0].line, CROSSWALK_TIMES_MAX + 2);
    assert_int_equal(found[0].fault, CROSSWALK_FAULT_TIMES);
}

// ---- hostile CSV

static enum result feed(struct crosswalk_import *import, const char *bytes, size_t length)
{
    return crosswalk_import_feed(import, slice_of(bytes, length));
}

// A field of 1 GiB: refused after 64 KiB, and no more is kept however much comes.
static void test_endless_field(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_import *import;
    struct crosswalk_import_options options = {.order = bench_order(bench)};
    enum { PIECE = 1 << 20, PIECES = 1024 };
    char *piece = malloc(PIECE);
    size_t listed;
    uint64_t count;
    memset(piece, 'x', PIECE);
    assert_int_equal(crosswalk_import_new(bench->crosswalk, bench->fs, &options, &import), OK);
    assert_int_equal(feed(import, HEADER "LEGACY,\"", strlen(HEADER) + 8), OK);
    for (unsigned i = 0; i < PIECES; i++)
        assert_int_equal(feed(import, piece, PIECE), OK);
    assert_int_equal(crosswalk_import_end(import), OK);
    enum result result = AGAIN;
    while (result == AGAIN)
        result = crosswalk_import_step(import);
    assert_int_equal(result, ERR_REFUSED);
    const struct crosswalk_conflict *conflicts = crosswalk_import_conflicts(import, &listed, &count);
    assert_int_equal(listed, 1);
    assert_int_equal(conflicts[0].line, 2);
    assert_int_equal(conflicts[0].fault, CROSSWALK_FAULT_LONG);
    crosswalk_import_free(import);
    free(piece);
}

static void test_zero_bytes(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_import *import;
    struct crosswalk_import_options options = {.order = bench_order(bench)};
    static const char text[] =
        HEADER "LEGACY,\0001,ENTERPRISE,E\nLEGACY,\"2\0\",ENTERPRISE,E\nLEGACY,3,ENTERPRISE,E-3\n";
    size_t listed;
    uint64_t count;
    assert_int_equal(crosswalk_import_new(bench->crosswalk, bench->fs, &options, &import), OK);
    assert_int_equal(feed(import, text, sizeof text - 1), OK);
    assert_int_equal(crosswalk_import_end(import), OK);
    enum result result = AGAIN;
    while (result == AGAIN)
        result = crosswalk_import_step(import);
    assert_int_equal(result, ERR_REFUSED);
    const struct crosswalk_conflict *conflicts = crosswalk_import_conflicts(import, &listed, &count);
    assert_int_equal(listed, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(conflicts[i].line, 2 + i);
        assert_int_equal(conflicts[i].fault, CROSSWALK_FAULT_NUL);
    }
    crosswalk_import_free(import);
}

// ---- kills

enum { MANY_ROWS = 20 };

static void many_rows(char *text, size_t capacity, const char *prefix)
{
    size_t length = (size_t)snprintf(text, capacity, HEADER);
    for (unsigned i = 0; i < MANY_ROWS; i++)
        length += (size_t)snprintf(text + length, capacity - length, "LEGACY,%u,ENTERPRISE,%s-%u\n", i,
                                   prefix, i / 2);
}

static void assert_all(struct walk_bench *bench, const char *prefix)
{
    char id[16], target[16];
    struct crosswalk_findings findings;
    for (unsigned i = 0; i < MANY_ROWS; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        (void)snprintf(target, sizeof target, "%s-%u", prefix, i / 2);
        assert_maps(bench, id, target);
    }
    assert_int_equal(crosswalk_check(bench->reader, &findings), OK);
    assert_int_equal(findings.rows, MANY_ROWS);
    assert_int_equal(findings.damaged + findings.lost, 0);
}

// Killed before and after each commit of import and purge: the old generation or the new one, whole; the next
// import and purge succeed.
static void test_crash_at_every_commit(void **state)
{
    (void)state;
    char former[1024], fresh[1024];
    unsigned seen[2] = {0};
    many_rows(former, sizeof former, "OLD");
    many_rows(fresh, sizeof fresh, "NEW");
    for (unsigned after = 0; after < 2; after++) {
        bool is_done = false;
        for (uint64_t cut = 0; !is_done; cut++) {
            struct walk_bench bench;
            bench_init(&bench);
            bench_load(&bench, former);
            kv_sim_fault_set(bench.disk, after != 0 ? KV_SIM_CRASH_AFTER_COMMIT : KV_SIM_CRASH_BEFORE_COMMIT,
                             cut);
            enum result result = bench_import(&bench, fresh, false, NULL, NULL, NULL);
            while (result == OK && !kv_sim_is_crashed(bench.disk)) {
                result = crosswalk_purge(bench.crosswalk);
                is_done = result == OK;
                if (is_done)
                    break;
                result = result == AGAIN ? OK : result;
            }
            bench_close(&bench);
            kv_sim_fault_set(bench.disk, KV_SIM_NONE, 0);
            bench_open(&bench);
            bool is_new = bench_map(&bench, "0").id.text[0] == 'N';
            assert_all(&bench, is_new ? "NEW" : "OLD");
            seen[is_new]++;
            bench_purge(&bench);
            assert_all(&bench, is_new ? "NEW" : "OLD");
            bench_load(&bench, former);
            bench_purge(&bench);
            assert_all(&bench, "OLD");
            bench_fini(&bench);
        }
    }
    assert_true(seen[0] > 10 && seen[1] > 2);
}

// The store fails, and the process lives: nothing has changed, the next import is fine. A full map is tried
// again and nothing is lost.
static void test_store_fails(void **state)
{
    (void)state;
    static const struct {
        enum kv_sim_fault fault;
        enum result expected;
    } faults[] = {{KV_SIM_SPACE, ERR_SPACE}, {KV_SIM_IO, ERR_IO}, {KV_SIM_MAP_FULL, OK}};
    char former[1024], fresh[1024];
    many_rows(former, sizeof former, "OLD");
    many_rows(fresh, sizeof fresh, "NEW");
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        for (uint64_t at = 2; at < 9; at++) {
            struct walk_bench bench;
            bench_init(&bench);
            bench_load(&bench, former);
            kv_sim_fault_set(bench.disk, faults[i].fault, at);
            assert_int_equal(bench_import(&bench, fresh, false, NULL, NULL, NULL), faults[i].expected);
            assert_all(&bench, faults[i].expected == OK ? "NEW" : "OLD");
            kv_sim_fault_set(bench.disk, KV_SIM_NONE, 0);
            bench_load(&bench, fresh);
            bench_purge(&bench);
            assert_all(&bench, "NEW");
            bench_fini(&bench);
        }
    }
}

static void test_sorting_fails(void **state)
{
    struct walk_bench *bench = *state;
    char fresh[1024];
    many_rows(fresh, sizeof fresh, "NEW");
    bench_load(bench, HEADER "LEGACY,keep,ENTERPRISE,KEPT\n");
    assert_int_equal(
        fs_sim_fault_arm(bench->sim, FS_SIM_FAULT_WRITE, CROSSWALK_IMPORT_FOLDER "/source-0001", 0), OK);
    assert_int_equal(bench_import(bench, fresh, false, NULL, NULL, NULL), ERR_IO);
    fs_sim_faults_clear(bench->sim);
    assert_maps(bench, "keep", "KEPT");
    bench_load(bench, fresh);
    assert_all(bench, "NEW");
}

static void test_one_at_a_time(void **state)
{
    struct walk_bench *bench = *state;
    struct crosswalk_import *first, *second;
    struct crosswalk_import_options options = {.order = bench_order(bench)};
    assert_int_equal(crosswalk_import_new(bench->crosswalk, bench->fs, &options, &first), OK);
    assert_int_equal(crosswalk_import_new(bench->crosswalk, bench->fs, &options, &second), ERR_EXISTS);
    // A merge in the midst of it is in the new generation too; a purge leaves the rows that are being made.
    assert_int_equal(feed(first, HEADER "LEGACY,1,ENTERPRISE,E-1\n", strlen(HEADER) + 24), OK);
    assert_int_equal(bench_merge(bench, bench->enterprise, "E-1", "E-2"), OK);
    assert_int_equal(crosswalk_import_end(first), OK);
    enum result result = AGAIN;
    while (result == AGAIN) {
        result = crosswalk_import_step(first);
        assert_true(crosswalk_purge(bench->crosswalk) == OK);
    }
    assert_int_equal(result, OK);
    crosswalk_import_free(first);
    assert_maps(bench, "1", "E-2");
}

// ---- a copy of the file

static bool file_has(const char *path, const char *text)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    static char bytes[32 << 20];
    size_t length = fread(bytes, 1, sizeof bytes, file);
    (void)fclose(file);
    assert_true(length > 0 && length < sizeof bytes);
    return memmem(bytes, length, text, strlen(text)) != NULL;
}

static void test_the_file_shows_no_patient(void **state)
{
    (void)state;
    static const char *const secrets[] = {"SECRETID",     "SECRETTARGET", "SECRETNAME",
                                          "19551231",     "SECRETMERGED", "SECRETSTUDYTARGET",
                                          "SECRETSOURCE", "SECRETREASON"};
    char folder[] = "/tmp/crosswalk-XXXXXX", path[64], why[256];
    struct walk_bench bench;
    bench_init(&bench);
    bench_close(&bench);
    assert_non_null(mkdtemp(folder));
    struct lmdb_options options = {.map_size = 16 << 20};
    assert_int_equal(seal_keyring_open(bench.fs, "keys", bench.master, 20000, &bench.ring, NULL), OK);
    assert_int_equal(lmdb_env_open(folder, &crosswalk_schema, &options, &bench.env, why, sizeof why), OK);
    static const struct crosswalk_domain domains[] = {{.name = "LEGACY"}, {.name = "ENTERPRISE"}};
    const struct crosswalk_order anew = {.now = T0, .person = "Ada", .reason = "another store"};
    assert_int_equal(crosswalk_renew(bench.env, bench.ring, &anew, NULL), OK); // the keys have seen one
    assert_int_equal(crosswalk_new(bench.env, bench.ring, domains, 2, &bench.crosswalk, NULL), OK);
    assert_int_equal(crosswalk_reader_new(bench.crosswalk, &bench.reader), OK);
    bench_load(&bench, "source_domain,source_id,target_domain,target_id,name,birth_date\n"
                       "LEGACY,SECRETID,ENTERPRISE,SECRETTARGET,SECRETNAME^ANNA,1955-12-31\n"
                       "LEGACY,SECRETID2,ENTERPRISE,SECRETTARGET2,,\n");
    assert_int_equal(bench_merge(&bench, bench.enterprise, "SECRETTARGET2", "SECRETMERGED"), OK);
    struct crosswalk_order order = {.now = T0 + DAY, .person = "Ada", .reason = "SECRETREASON"};
    assert_int_equal(crosswalk_move_study(bench.crosswalk, slice_of_text("1.2"), bench.enterprise,
                                          slice_of_text("SECRETSTUDYTARGET"), &order, NULL),
                     OK);
    struct crosswalk_pin pin = {.study = {.study = slice_of_text("1.3"), .archive = 1},
                                .from = bench.legacy,
                                .to = bench.enterprise,
                                .source = slice_of_text("SECRETSOURCE"),
                                .target = slice_of_text("SECRETTARGET")};
    assert_int_equal(crosswalk_pins_put(bench.crosswalk, &pin, 1), OK);
    assert_maps(&bench, "SECRETID", "SECRETTARGET");
    assert_string_equal(bench_unmap(&bench, "SECRETTARGET", "").id.text, "SECRETID");
    bench_load(&bench, HEADER "LEGACY,SECRETID,ENTERPRISE,SECRETTARGET\n"); // the file keeps old pages
    bench_purge(&bench);
    (void)text_format(path, sizeof path, "%s/data.mdb", folder);
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        assert_false(file_has(path, secrets[i]));
    assert_true(file_has(path, "LEGACY")); // the search finds what is there
    bench_close(&bench);
    (void)unlink(path);
    (void)text_format(path, sizeof path, "%s/lock.mdb", folder);
    (void)unlink(path);
    assert_int_equal(rmdir(folder), 0);
    kv_sim_disk_free(&bench.disk);
    seal_master_free(bench.master);
    fs_sim_free(bench.sim);
}

int main(void)
{
#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_BENCH(test_conflicts),
        WITH_BENCH(test_repeated_rows_are_no_conflict),
        WITH_BENCH(test_dry_run_changes_nothing),
        WITH_BENCH(test_too_many_times),
        WITH_BENCH(test_endless_field),
        WITH_BENCH(test_zero_bytes),
        cmocka_unit_test(test_crash_at_every_commit),
        cmocka_unit_test(test_store_fails),
        WITH_BENCH(test_sorting_fails),
        WITH_BENCH(test_one_at_a_time),
        cmocka_unit_test(test_the_file_shows_no_patient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
