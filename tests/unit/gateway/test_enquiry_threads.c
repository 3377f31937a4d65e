// SPDX-License-Identifier: Apache-2.0
//
// Enquiries on real threads, loops and LMDB: two workers ask for the same studies while the crosswalk
// changes. Meant for the thread sanitizer; elsewhere it is a smoke test.
#include "unit.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "crosswalk/enquiry.h"
#include "crosswalk/office.h"
#include "daemon/news.h"
#include "daemon/worker.h"
#include "ev/real.h"
#include "store/crosswalk_import.h"
#include "store/lmdb.h"

enum { WORKERS = 2, STUDIES = 60, ASKED = 600, OPEN_MOST = 24, TEXT = 32 };

struct side {
    struct worker worker;
    pthread_t thread;
    struct ev_task pump;
    unsigned asked, answered;
    char ids[STUDIES][TEXT];
};

struct one {
    struct side *side;
    unsigned study;
    struct enquiry *enquiry;
};

static struct gateway gateway;
static struct side sides[WORKERS];
static struct worker *workers[WORKERS];
static struct ev_loop *worker_loops[WORKERS], *lookup_loop, *crosswalk_loop;
static uint16_t legacy, enterprise;
static struct ev_timer change_timer;
static uint64_t changes;
static atomic_uint heard;

void news_take(struct worker *worker, unsigned kinds)
{
    ensure(worker->gateway == &gateway && kinds == NEWS_CROSSWALK);
    atomic_fetch_add(&heard, 1);
}

static void on_mail(void *arg, struct mail *mail)
{
    struct worker_call *call = CONTAINER_OF(mail, struct worker_call, mail);
    call->run(arg, call);
}

static void on_answer(void *arg, enum result result, const struct crosswalk_verdict *verdict)
{
    struct one *one = arg;
    struct side *side = one->side;
    char *id = side->ids[one->study];
    ensure(result == OK && verdict->is_pinned);
    ensure(id[0] == 0 || strcmp(id, verdict->id.text) == 0);
    (void)text_copy(id, TEXT, slice_of_text(verdict->id.text));
    free(one);
    if (++side->answered == ASKED)
        ev_loop_stop(side->worker.loop);
    else
        ev_task_defer(&side->pump);
}

// Two patients for each study: whoever comes first decides.
static void on_pump(void *arg)
{
    struct side *side = arg;
    while (side->asked < ASKED && side->asked - side->answered < OPEN_MOST) {
        struct one *one = calloc(1, sizeof *one);
        char study[TEXT];
        bool is_first = (side->asked / STUDIES + side->worker.index) % 2 == 0;
        ensure(one != NULL);
        one->side = side;
        one->study = side->asked % STUDIES;
        (void)text_format(study, sizeof study, "1.2.%u", one->study);
        struct enquiry_question question = {.archive = 1,
                                            .from = legacy,
                                            .to = enterprise,
                                            .id = slice_of_text(is_first ? "1" : "2"),
                                            .study = slice_of_text(study),
                                            .wants_pin = true};
        ensure(enquiry_ask(&side->worker, &question, on_answer, one, &one->enquiry) == OK);
        side->asked++;
    }
}

// On the crosswalk's thread, as the desk does it: somebody else's ID changes all the time.
static void on_change(void *arg)
{
    struct crosswalk *crosswalk = arg;
    struct crosswalk_order order = {.now = 1 + ++changes, .person = "Ada", .reason = "test"};
    struct slice id = slice_of_text("8"), into = slice_of_text("9");
    enum result result = changes % 2 == 1 ? crosswalk_merge(crosswalk, legacy, id, into, &order, NULL)
                                          : crosswalk_unmerge(crosswalk, legacy, id, &order, NULL);
    ensure(result == OK);
    crosswalk_office_look(gateway.office);
    ev_timer_start(&change_timer, NSEC_PER_MS);
}

static void *body(void *arg)
{
    ensure(log_thread_begin() == OK);
    ev_loop_run(arg);
    log_thread_end();
    return NULL;
}

static void gateway_make(struct crosswalk *crosswalk)
{
    assert_int_equal(ev_real_new("lookup", &lookup_loop), OK);
    assert_int_equal(ev_real_new("crosswalk", &crosswalk_loop), OK);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct side *side = &sides[i];
        assert_int_equal(ev_real_new("worker", &worker_loops[i]), OK);
        side->worker = (struct worker){.index = i, .loop = worker_loops[i], .gateway = &gateway};
        workers[i] = &side->worker;
        assert_int_equal(ev_mailbox_init(&side->worker.inbox, worker_loops[i], 8, 0, on_mail, &side->worker),
                         OK);
        ev_task_init(&side->pump, worker_loops[i], on_pump, side);
        ev_task_defer(&side->pump);
    }
    gateway.workers = workers;
    gateway.platform = (struct platform){.workers = WORKERS,
                                         .worker_loops = worker_loops,
                                         .lookup_loop = lookup_loop,
                                         .crosswalk_loop = crosswalk_loop,
                                         .crosswalk = crosswalk};
    assert_int_equal(news_new(&gateway, &gateway.news), OK);
    assert_int_equal(crosswalk_office_new(&gateway, &gateway.office), OK);
    ev_timer_init(&change_timer, crosswalk_loop, on_change, crosswalk);
    ev_timer_start(&change_timer, 0);
}

static void gateway_run(void)
{
    pthread_t lookup, writer;
    assert_int_equal(pthread_create(&lookup, NULL, body, lookup_loop), 0);
    assert_int_equal(pthread_create(&writer, NULL, body, crosswalk_loop), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&sides[i].thread, NULL, body, worker_loops[i]), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(sides[i].thread, NULL), 0);
    ev_loop_stop(lookup_loop);
    ev_loop_stop(crosswalk_loop);
    assert_int_equal(pthread_join(lookup, NULL), 0);
    assert_int_equal(pthread_join(writer, NULL), 0);
}

static void gateway_end(void)
{
    crosswalk_office_drain(gateway.office);
    news_free(gateway.news);
    for (unsigned i = 0; i < WORKERS; i++) {
        ev_mailbox_fini(&sides[i].worker.inbox);
        ev_task_fini(&sides[i].pump);
    }
    ev_timer_fini(&change_timer);
    crosswalk_office_free(gateway.office);
    for (unsigned i = 0; i < WORKERS; i++)
        ev_loop_free(&worker_loops[i]);
    ev_loop_free(&lookup_loop);
    ev_loop_free(&crosswalk_loop);
}

static void rows_load(struct crosswalk *crosswalk, struct fs *fs)
{
    struct crosswalk_import *import;
    struct crosswalk_import_options options = {.order = {.now = 1, .person = "Ada", .reason = "test"},
                                               .folder = "import"};
    assert_int_equal(crosswalk_import_new(crosswalk, fs, &options, &import), OK);
    assert_int_equal(
        crosswalk_import_feed(import, slice_of_text("source_domain,source_id,target_domain,target_id\n"
                                                    "LEGACY,1,ENTERPRISE,E-1\n"
                                                    "LEGACY,2,ENTERPRISE,E-2\n")),
        OK);
    assert_int_equal(crosswalk_import_end(import), OK);
    enum result result = AGAIN;
    while (result == AGAIN)
        result = crosswalk_import_step(import);
    assert_int_equal(result, OK);
    crosswalk_import_free(import);
}

static void folder_remove(const char *folder)
{
    char path[512];
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
        (void)text_format(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            (void)unlink(path);
    }
    (void)closedir(list);
    assert_int_equal(rmdir(folder), 0);
}

static void test_threads(void **state)
{
    (void)state;
    static const struct crosswalk_domain domains[] = {{.name = "LEGACY"}, {.name = "ENTERPRISE"}};
    static const uint8_t key[SEAL_KEY_SIZE] = {3};
    char folder[] = "/tmp/enquiry-XXXXXX", path[64];
    struct lmdb_options options = {.map_size = 64 * MIB};
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *ring;
    struct kv_env *env;
    struct crosswalk *crosswalk;
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    assert_non_null(mkdtemp(folder));
    (void)text_format(path, sizeof path, "%s/crosswalk", folder);
    assert_int_equal(fs_real_new(folder, &fs), OK);
    assert_int_equal(seal_master_from_bytes(key, &master), OK);
    assert_int_equal(seal_keyring_create(fs, "keys", master, NULL), OK);
    assert_int_equal(seal_keyring_open(fs, "keys", master, 20000, &ring, NULL), OK);
    assert_int_equal(lmdb_env_open(path, &crosswalk_schema, &options, &env, NULL, 0), OK);
    assert_int_equal(crosswalk_new(env, ring, domains, 2, &crosswalk, NULL), OK);
    legacy = crosswalk_domain_find(crosswalk, "LEGACY");
    enterprise = crosswalk_domain_find(crosswalk, "ENTERPRISE");
    rows_load(crosswalk, fs);
    gateway_make(crosswalk);
    gateway_run();
    for (unsigned i = 0; i < STUDIES; i++)
        assert_string_equal(sides[0].ids[i], sides[1].ids[i]);
    assert_true(changes > 1 && atomic_load(&heard) > 0);
    gateway_end();
    crosswalk_free(crosswalk);
    kv_env_free(&env);
    seal_keyring_free(ring);
    seal_master_free(master);
    fs_free(fs);
    folder_remove(path);
    (void)text_format(path, sizeof path, "%s/import", folder);
    folder_remove(path);
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
