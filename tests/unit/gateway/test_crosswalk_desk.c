// SPDX-License-Identifier: Apache-2.0
//
// Orders about the crosswalk: what is refused before anything sees it, and the desk, which takes one at a
// time, answers on the main loop, and gives an order up when the gateway ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crosswalk/desk.h"
#include "ev/sim.h"
#include "fs/sim.h"
#include "store/kv_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHO "\"person\":\"Ada\",\"reason\":\"test\""

static enum result parse(const char *kind, const char *body, struct crosswalk_problem *problem)
{
    struct crosswalk_task task;
    enum result result = crosswalk_task_parse(kind, slice_of_text(body), &task, problem);
    if (result == OK)
        crosswalk_task_fini(&task);
    return result;
}

static void test_orders_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *body, *why; // NULL: fine
    } orders[] = {
        {"merge", "{\"domain\":\"A\",\"id\":\"1\",\"into\":\"2\"," WHO "}", NULL},
        {"merge", "{\"domain\":\"A\",\"id\":\"1\",\"into\":\"2\",\"effective\":1800000000," WHO "}", NULL},
        {"unmerge", "{\"domain\":\"A\",\"id\":\"1\"," WHO "}", NULL},
        {"move-study", "{\"domain\":\"A\",\"id\":\"1\",\"study\":\"1.2\"," WHO "}", NULL},
        {"import", "{\"file\":\"/a.csv\",\"dry_run\":true," WHO "}", NULL},
        {"export", "{" WHO "}", NULL},
        {"export",
         "{\"recipient\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"," WHO "}",
         NULL},
        {"ledger-export", "{" WHO "}", NULL},
        {"clear-log", "{" WHO "}", NULL},
        {"clear-log", "{\"person\":\"Ada\"}", "person and reason"},
        {"export", "{\"recipient\":\"0011\"," WHO "}", "SHA-256"},
        {"import", "{\"file\":\"a.csv\"," WHO "}", "absolute"},
        {"import", "{\"file\":\"/a.csv\",\"dry_run\":1," WHO "}", "dry_run"},
        {"import", "{\"file\":\"/a.csv\",\"id\":\"1\"," WHO "}", "\"id\" is not known"},
        {"merge", "{\"domain\":\"A\",\"id\":\"1\"," WHO "}", "into is missing"},
        {"merge", "{\"domain\":\"A\",\"id\":\"1\",\"into\":\"2\"}", "person and reason"},
        {"merge", "{\"domain\":\"A\",\"id\":\"\",\"into\":\"2\"," WHO "}", "id is a text"},
        {"merge", "{\"domain\":\"A\",\"id\":7,\"into\":\"2\"," WHO "}", "id is a text"},
        {"merge", "{\"domain\":\"A\",\"id\":\"1\",\"into\":\"2\",\"effective\":-1," WHO "}", "effective"},
        {"merge", "{\"domain\":\"A\",\"id\":\"1\",\"into\":\"2\",\"effective\":9223372036854775807," WHO "}",
         "effective"},
        {"merge", "[1]", "object"},
        {"merge", "", "object"},
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct crosswalk_problem problem = {.text = ""};
        enum result result = parse(orders[i].kind, orders[i].body, &problem);
        assert_int_equal(result, orders[i].why == NULL ? OK : ERR_FORMAT);
        if (orders[i].why != NULL)
            assert_non_null(strstr(problem.text, orders[i].why));
    }
    assert_int_equal(parse("purge", "{" WHO "}", NULL), ERR_MISSING);
    assert_int_equal(parse("init", "{" WHO "}", NULL), ERR_MISSING); // of one that is lost only
}

// ---- the desk

struct bench {
    struct fs_sim *sim;
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    struct kv_sim_disk *disk;
    struct kv_env *env;
    struct crosswalk *crosswalk;
    struct sim_world *world;
    struct ev_loop *main_loop, *loop;
    struct crosswalk_desk *desk;
    unsigned answers;
    enum admin_status status;
    json_t *body;
    char problem[128];
};

static void bench_init(struct bench *bench)
{
    static const struct crosswalk_domain domains[] = {{.name = "A"}, {.name = "B"}};
    uint8_t bytes[32] = {7};
    struct fs_sim_options options = {.seed = 1};
    *bench = (struct bench){.answers = 0};
    assert_int_equal(fs_sim_new(&options, &bench->sim), OK);
    assert_int_equal(fs_sim_mount(bench->sim, &bench->fs), OK);
    assert_int_equal(seal_master_from_bytes(bytes, &bench->master), OK);
    assert_int_equal(seal_keyring_create(bench->fs, "keys", bench->master, NULL), OK);
    assert_int_equal(seal_keyring_open(bench->fs, "keys", bench->master, 20000, &bench->ring, NULL), OK);
    assert_int_equal(kv_sim_disk_new(&bench->disk), OK);
    assert_int_equal(kv_sim_open(bench->disk, &crosswalk_schema, &bench->env), OK);
    assert_int_equal(crosswalk_new(bench->env, bench->ring, domains, 2, &bench->crosswalk, NULL), OK);
    bench->world = sim_world_new(1);
    bench->main_loop = sim_loop_new(bench->world, "main");
    bench->loop = sim_loop_new(bench->world, "crosswalk");
    assert_int_equal(
        crosswalk_desk_new(bench->crosswalk, bench->fs, bench->loop, bench->main_loop, &bench->desk), OK);
}

static void bench_fini(struct bench *bench)
{
    crosswalk_desk_free(bench->desk);
    ev_loop_free(&bench->loop);
    ev_loop_free(&bench->main_loop);
    sim_world_free(&bench->world);
    crosswalk_free(bench->crosswalk);
    kv_env_free(&bench->env);
    kv_sim_disk_free(&bench->disk);
    seal_keyring_free(bench->ring);
    seal_master_free(bench->master);
    fs_sim_free(bench->sim);
    json_decref(bench->body);
}

static void on_done(void *arg, enum admin_status status, json_t *body, const char *problem)
{
    struct bench *bench = arg;
    bench->answers++;
    bench->status = status;
    json_decref(bench->body);
    bench->body = body;
    (void)snprintf(bench->problem, sizeof bench->problem, "%s", problem);
}

static enum result ask(struct bench *bench, const char *kind, const char *body)
{
    struct crosswalk_task task;
    assert_int_equal(crosswalk_task_parse(kind, slice_of_text(body), &task, NULL), OK);
    enum result result = crosswalk_desk_ask(bench->desk, &task, on_done, bench);
    if (result != OK)
        crosswalk_task_fini(&task);
    return result;
}

static bool is_answered(void *arg)
{
    return ((struct bench *)arg)->answers > 0;
}

static void wait_answer(struct bench *bench)
{
    assert_true(
        sim_world_run_until(bench->world, is_answered, bench, sim_world_now(bench->world) + 1000000000));
    assert_int_equal(bench->answers, 1);
    bench->answers = 0;
}

#define MERGE "{\"domain\":\"A\",\"id\":\"1\",\"into\":\"2\"," WHO "}"

static void test_desk(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench);
    assert_int_equal(ask(&bench, "merge", MERGE), OK);
    assert_int_equal(ask(&bench, "merge", MERGE), ERR_LIMIT); // one at a time
    wait_answer(&bench);
    assert_int_equal(bench.status, ADMIN_FINE);
    assert_int_equal(json_integer_value(json_object_get(bench.body, "generation")), 1);
    assert_int_equal(ask(&bench, "merge", MERGE), OK);
    wait_answer(&bench);
    assert_int_equal(bench.status, ADMIN_REFUSED);
    assert_null(bench.body);
    assert_non_null(strstr(bench.problem, "merged already"));
    assert_int_equal(ask(&bench, "import", "{\"file\":\"/nowhere/at/all\"," WHO "}"), OK);
    wait_answer(&bench);
    assert_int_equal(bench.status, ADMIN_REFUSED);
    assert_non_null(strstr(bench.problem, "can not be opened"));
    bench_fini(&bench);
}

static void rows_make(char path[32])
{
    (void)snprintf(path, 32, "/tmp/crosswalk-XXXXXX");
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    (void)fprintf(file, "source_domain,source_id,target_domain,target_id\n");
    for (unsigned i = 0; i < 100; i++)
        (void)fprintf(file, "A,%u,B,%u\n", i, i);
    assert_int_equal(fclose(file), 0);
}

// The gateway ends at every step of an import: answered once, and the rows are all there or none.
static void test_import_given_up(void **state)
{
    (void)state;
    char path[32], order[128];
    unsigned seen[2] = {0};
    rows_make(path);
    (void)snprintf(order, sizeof order, "{\"file\":\"%s\"," WHO "}", path);
    bool is_done = false;
    for (unsigned steps = 0; !is_done; steps++) {
        struct bench bench;
        struct crosswalk_reader *reader;
        struct crosswalk_figures figures;
        bench_init(&bench);
        assert_int_equal(ask(&bench, "import", order), OK);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_world_step(bench.world);
        is_done = bench.answers == 1;
        crosswalk_desk_free(bench.desk);
        bench.desk = NULL;
        assert_int_equal(bench.answers, 1);
        assert_int_equal(crosswalk_reader_new(bench.crosswalk, &reader), OK);
        assert_int_equal(crosswalk_figures_get(reader, &figures), OK);
        assert_true(figures.rows == 0 || figures.rows == 100);
        assert_true(figures.rows == 100 || !is_done);
        assert_int_equal(bench.status == ADMIN_FINE, figures.rows == 100);
        seen[figures.rows == 100]++;
        crosswalk_reader_free(reader);
        bench_fini(&bench);
    }
    assert_true(seen[0] > 3 && seen[1] > 0);
    assert_int_equal(unlink(path), 0);
}

// A file that grows while it is read, at every step: what came before or after counts whole, else nothing.
static void test_import_of_a_file_that_grows(void **state)
{
    (void)state;
    char path[32], order[128];
    unsigned refused = 0;
    bool is_done = false;
    for (unsigned steps = 0; !is_done; steps++) {
        struct bench bench;
        bench_init(&bench);
        rows_make(path);
        (void)snprintf(order, sizeof order, "{\"file\":\"%s\"," WHO "}", path);
        assert_int_equal(ask(&bench, "import", order), OK);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_world_step(bench.world);
        is_done = bench.answers == 1;
        FILE *file = fopen(path, "a");
        assert_non_null(file);
        (void)fprintf(file, "A,100,B,1");
        assert_int_equal(fclose(file), 0);
        wait_answer(&bench);
        if (bench.status == ADMIN_FINE) {
            json_int_t rows = json_integer_value(json_object_get(bench.body, "rows"));
            assert_int_equal(rows, refused == 0 ? 101 : 100);
        } else {
            assert_int_equal(bench.status, ADMIN_REFUSED);
            assert_non_null(strstr(bench.problem, "changed while it was read"));
            refused++;
        }
        assert_int_equal(unlink(path), 0);
        bench_fini(&bench);
    }
    assert_true(refused > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_are_checked),
        cmocka_unit_test(test_desk),
        cmocka_unit_test(test_import_given_up),
        cmocka_unit_test(test_import_of_a_file_that_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
