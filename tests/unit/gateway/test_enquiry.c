// SPDX-License-Identifier: Apache-2.0
//
// Enquiries of two workers to the crosswalk: what is answered and pinned, in every order of the threads'
// steps, with an import in between, cancelled or given up at every step, through full mailboxes and failing
// commits; and the news of what has changed.
#include "../store/crosswalk_support.h"

#include "base/log.h"
#include "base/text.h"
#include "crosswalk/enquiry.h"
#include "crosswalk/office.h"
#include "daemon/news.h"
#include "daemon/worker.h"
#include "ev/sim.h"

#include <stdio.h>
#include <string.h>

enum { WORKERS = 2, ARCHIVE = 2, NEWS_MOST = 16 };

struct office_bench {
    struct walk_bench walk;
    struct sim_world *world;
    struct ev_loop *lookup_loop, *crosswalk_loop, *worker_loops[WORKERS];
    struct gateway gateway;
    struct worker worker[WORKERS];
    struct worker *workers[WORKERS];
    bool is_inside; // a call of the enquiries
};

static unsigned news[WORKERS][NEWS_MOST];
static size_t news_count[WORKERS];

void news_take(struct worker *worker, unsigned kinds)
{
    assert_true(news_count[worker->index] < NEWS_MOST);
    news[worker->index][news_count[worker->index]++] = kinds;
}

static void on_mail(void *arg, struct mail *mail)
{
    struct worker_call *call = CONTAINER_OF(mail, struct worker_call, mail);
    call->run(arg, call);
}

static void bench_begin(struct office_bench *bench, uint64_t seed, size_t inbox, bool has_crosswalk)
{
    memset(bench, 0, sizeof *bench);
    memset(news_count, 0, sizeof news_count);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    bench_init(&bench->walk);
    bench->world = sim_world_new(seed);
    bench->lookup_loop = sim_loop_new(bench->world, "lookup");
    bench->crosswalk_loop = sim_loop_new(bench->world, "crosswalk");
    for (unsigned i = 0; i < WORKERS; i++) {
        bench->worker_loops[i] = sim_loop_new(bench->world, "worker");
        bench->worker[i] =
            (struct worker){.index = i, .loop = bench->worker_loops[i], .gateway = &bench->gateway};
        bench->workers[i] = &bench->worker[i];
        assert_int_equal(ev_mailbox_init(&bench->worker[i].inbox, bench->worker_loops[i], inbox, 0, on_mail,
                                         &bench->worker[i]),
                         OK);
    }
    bench->gateway.workers = bench->workers;
    bench->gateway.platform = (struct platform){.workers = WORKERS,
                                                .worker_loops = bench->worker_loops,
                                                .lookup_loop = bench->lookup_loop,
                                                .crosswalk_loop = bench->crosswalk_loop,
                                                .crosswalk = has_crosswalk ? bench->walk.crosswalk : NULL};
    assert_int_equal(news_new(&bench->gateway, &bench->gateway.news), OK);
    assert_int_equal(crosswalk_office_new(&bench->gateway, &bench->gateway.office), OK);
}

// As gateway_free(): `cancel` is what the worker does with what it has asked, or NULL.
static void bench_end(struct office_bench *bench, void (*cancel)(void *arg), void *arg)
{
    crosswalk_office_drain(bench->gateway.office);
    news_free(bench->gateway.news);
    if (cancel != NULL)
        cancel(arg);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct ev_mailbox *inbox = &bench->worker[i].inbox;
        for (struct mail *mail = ev_mailbox_take(inbox); mail != NULL; mail = ev_mailbox_take(inbox)) {
            struct worker_call *call = CONTAINER_OF(mail, struct worker_call, mail);
            call->discard(call);
        }
        ev_mailbox_fini(inbox);
    }
    crosswalk_office_free(bench->gateway.office);
    for (unsigned i = 0; i < WORKERS; i++)
        ev_loop_free(&bench->worker_loops[i]);
    ev_loop_free(&bench->lookup_loop);
    ev_loop_free(&bench->crosswalk_loop);
    sim_world_free(&bench->world);
    bench_fini(&bench->walk);
}

// ---- one enquiry

struct asked {
    struct office_bench *bench;
    struct enquiry *enquiry;
    unsigned answers;
    enum result result;
    struct crosswalk_verdict verdict;
};

static void on_answer(void *arg, enum result result, const struct crosswalk_verdict *verdict)
{
    struct asked *asked = arg;
    assert_false(asked->bench->is_inside);
    assert_true((verdict != NULL) == (result == OK));
    asked->enquiry = NULL;
    asked->answers++;
    asked->result = result;
    if (verdict != NULL)
        asked->verdict = *verdict;
}

static struct enquiry_question question_of(const struct office_bench *bench, const char *study,
                                           const char *id)
{
    return (struct enquiry_question){.archive = ARCHIVE,
                                     .from = bench->walk.legacy,
                                     .to = bench->walk.enterprise,
                                     .id = slice_of_text(id),
                                     .study = slice_of_text(study),
                                     .when = T0,
                                     .wants_pin = true,
                                     .unmatched_goes = true};
}

// The question's texts are gone when the call has returned.
static void ask(struct office_bench *bench, unsigned worker, struct enquiry_question question,
                struct asked *asked)
{
    static char study[8192], id[8192];
    *asked = (struct asked){.bench = bench};
    assert_true(text_copy(study, sizeof study, question.study) && text_copy(id, sizeof id, question.id));
    question.study = slice_of_text(study);
    question.id = slice_of_text(id);
    bench->is_inside = true;
    assert_int_equal(enquiry_ask(&bench->worker[worker], &question, on_answer, asked, &asked->enquiry), OK);
    bench->is_inside = false;
    memset(study, 'x', sizeof study);
    memset(id, 'x', sizeof id);
}

static void run_dry(struct office_bench *bench)
{
    while (sim_world_step(bench->world))
        ;
}

static struct asked ask_and_wait(struct office_bench *bench, struct enquiry_question question)
{
    struct asked asked;
    ask(bench, 0, question, &asked);
    run_dry(bench);
    assert_int_equal(asked.answers, 1);
    return asked;
}

static struct crosswalk_verdict look(struct office_bench *bench, const char *study, const char *id)
{
    struct crosswalk_verdict verdict;
    struct crosswalk_study at = {.study = slice_of_text(study), .archive = ARCHIVE};
    assert_int_equal(crosswalk_map_study(bench->walk.reader, &at, bench->walk.legacy, slice_of_text(id),
                                         bench->walk.enterprise, NULL, &verdict),
                     OK);
    return verdict;
}

#define ROWS                                                                                                 \
    "source_domain,source_id,target_domain,target_id,name\n"                                                 \
    "LEGACY,1,ENTERPRISE,E-1,Doe^Jane\nLEGACY,2,ENTERPRISE,E-2,\n"

// ---- what is answered and what is pinned

static void assert_answer(struct office_bench *bench, struct enquiry_question question,
                          enum crosswalk_outcome outcome, const char *id, bool is_pinned)
{
    char study[65];
    bool has_study = text_copy(study, sizeof study, question.study);
    struct asked asked = ask_and_wait(bench, question);
    assert_int_equal(asked.result, OK);
    assert_int_equal(asked.verdict.outcome, outcome);
    assert_string_equal(asked.verdict.id.text, id);
    assert_int_equal(asked.verdict.generation, 1);
    assert_int_equal(asked.verdict.is_pinned, is_pinned);
    if (has_study)
        assert_int_equal(look(bench, study, "1").is_pinned, is_pinned);
}

static void test_answers(void **state)
{
    (void)state;
    struct office_bench bench;
    char uid[66];
    bench_begin(&bench, 1, 16, true);
    bench_load(&bench.walk, ROWS);
    crosswalk_office_look(bench.gateway.office);
    struct enquiry_question question = question_of(&bench, "1.1", " 1 ");
    assert_answer(&bench, question, CROSSWALK_MAPPED, "E-1", true);
    question.study = slice_of_text("1.2"); // only looked up
    question.wants_pin = false;
    assert_answer(&bench, question, CROSSWALK_MAPPED, "E-1", false);
    question.wants_pin = true; // held
    question.person.name = slice_of_text("Roe^Richard");
    assert_answer(&bench, question, CROSSWALK_CONTRADICTED, "", false);
    question.person.name = slice_of_text("");
    question.id = slice_of_text("3");
    question.unmatched_goes = false;
    assert_answer(&bench, question, CROSSWALK_UNMAPPED, "3", false);
    question.unmatched_goes = true;
    question.from = 0; // of a domain that is not known
    assert_answer(&bench, question, CROSSWALK_UNMAPPED, "3", false);
    question.from = bench.walk.legacy;
    assert_answer(&bench, question, CROSSWALK_UNMAPPED, "3", true);
    assert_string_equal(look(&bench, "1.2", "1").id.text, "E-1"); // another patient's
    assert_true((look(&bench, "1.2", "1").flags & CROSSWALK_OTHER_SOURCE) != 0);
    // No study, and one that is too long: there is no pin, and nothing to be pinned to.
    question.id = slice_of_text("1");
    question.study = slice_of_text(" ");
    assert_answer(&bench, question, CROSSWALK_MAPPED, "E-1", false);
    memset(uid, '1', 65);
    uid[65] = 0;
    question.study = slice_of_text(uid);
    assert_answer(&bench, question, CROSSWALK_MAPPED, "E-1", false);
    assert_false(look(&bench, uid, "1").is_pinned);
    uid[64] = 0;
    question.study = slice_of_text(uid);
    assert_answer(&bench, question, CROSSWALK_MAPPED, "E-1", true);
    bench_end(&bench, NULL, NULL);
}

static void test_no_ids(void **state)
{
    (void)state;
    static char longest[8192];
    struct office_bench bench;
    memset(longest, '7', sizeof longest - 1);
    const char *const ids[] = {"", "  ", "a\\b", "a\nb", longest};
    bench_begin(&bench, 1, 16, true);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        struct asked asked = ask_and_wait(&bench, question_of(&bench, "1.2", ids[i]));
        assert_int_equal(asked.result, OK);
        assert_int_equal(asked.verdict.outcome, CROSSWALK_UNMAPPED);
        assert_int_equal(asked.verdict.id.length, 0);
        assert_false(look(&bench, "1.2", "1").is_pinned);
    }
    bench_end(&bench, NULL, NULL);
}

static void test_without_a_crosswalk(void **state)
{
    (void)state;
    struct office_bench bench;
    bench_begin(&bench, 1, 16, false);
    assert_int_equal(ask_and_wait(&bench, question_of(&bench, "1.2", "1")).result, ERR_MISSING);
    bench_end(&bench, NULL, NULL);
}

static void test_commit_fails(void **state)
{
    (void)state;
    struct office_bench bench;
    bench_begin(&bench, 1, 16, true);
    bench_load(&bench.walk, ROWS);
    kv_sim_fault_set(bench.walk.disk, KV_SIM_IO, 0);
    assert_int_equal(ask_and_wait(&bench, question_of(&bench, "1.2", "1")).result, ERR_IO);
    assert_false(look(&bench, "1.2", "1").is_pinned);
    assert_int_equal(ask_and_wait(&bench, question_of(&bench, "1.2", "1")).result, OK);
    assert_true(look(&bench, "1.2", "1").is_pinned);
    for (uint64_t put = 0; put < 3; put++) {
        char study[16];
        (void)snprintf(study, sizeof study, "1.3.%u", (unsigned)put);
        kv_sim_fault_set(bench.walk.disk, KV_SIM_MAP_FULL, put);
        assert_int_equal(ask_and_wait(&bench, question_of(&bench, study, "1")).result, OK);
        assert_true(look(&bench, study, "1").is_pinned);
    }
    bench_end(&bench, NULL, NULL);
}

// ---- two workers

// One study, and two IDs of it that are two patients in the table, or one that an import makes known in the
// midst of it: at every order of steps both workers get one answer, and so does who asks later.
static void test_one_answer_for_one_study(void **state)
{
    (void)state;
    unsigned mapped = 0, unmapped = 0, second = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct office_bench bench;
        struct asked asked[WORKERS];
        bool has_import = seed % 2 == 0;
        const char *ids[WORKERS] = {"1", has_import ? "1" : "2"};
        bench_begin(&bench, seed, 16, true);
        if (!has_import)
            bench_load(&bench.walk, ROWS);
        uint64_t first = sim_random_below(bench.world, WORKERS);
        uint64_t steps[2] = {sim_random_below(bench.world, 3), sim_random_below(bench.world, 4)};
        ask(&bench, (unsigned)first, question_of(&bench, "1.2", ids[first]), &asked[first]);
        for (uint64_t i = 0; i < steps[0]; i++)
            (void)sim_world_step(bench.world);
        ask(&bench, (unsigned)!first, question_of(&bench, "1.2", ids[!first]), &asked[!first]);
        for (uint64_t i = 0; i < steps[1]; i++)
            (void)sim_world_step(bench.world);
        if (has_import) {
            bench_load(&bench.walk, ROWS);
            crosswalk_office_look(bench.gateway.office);
        }
        run_dry(&bench);
        for (unsigned i = 0; i < WORKERS; i++) {
            assert_int_equal(asked[i].answers, 1);
            assert_int_equal(asked[i].result, OK);
            assert_true(asked[i].verdict.is_pinned);
            assert_int_equal(asked[i].verdict.outcome, asked[0].verdict.outcome);
            assert_string_equal(asked[i].verdict.id.text, asked[0].verdict.id.text);
            assert_string_equal(look(&bench, "1.2", ids[i]).id.text, asked[0].verdict.id.text);
        }
        mapped += asked[0].verdict.outcome == CROSSWALK_MAPPED;
        unmapped += asked[0].verdict.outcome == CROSSWALK_UNMAPPED;
        second += strcmp(asked[0].verdict.id.text, "E-2") == 0;
        bench_end(&bench, NULL, NULL);
    }
    if (unmapped < 20 || mapped < 220 || second < 20)
        fail_msg("%u %u %u", unmapped, mapped, second);
}

// ---- cancelled, given up

static void test_cancelled_at_every_step(void **state)
{
    (void)state;
    bool is_over = false;
    for (unsigned steps = 0; !is_over; steps++) {
        struct office_bench bench;
        struct asked asked[WORKERS];
        bench_begin(&bench, 7, 16, true);
        bench_load(&bench.walk, ROWS);
        ask(&bench, 0, question_of(&bench, "1.2", "1"), &asked[0]);
        ask(&bench, 1, question_of(&bench, "1.3", "1"), &asked[1]);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_world_step(bench.world);
        is_over = asked[0].answers == 1;
        enquiry_cancel(&asked[0].enquiry);
        enquiry_cancel(&asked[0].enquiry);
        assert_null(asked[0].enquiry);
        run_dry(&bench);
        assert_int_equal(asked[0].answers, is_over);
        assert_int_equal(asked[1].answers, 1);
        assert_true(look(&bench, "1.3", "1").is_pinned);
        if (steps == 0) // nobody goes out
            assert_false(look(&bench, "1.2", "1").is_pinned);
        bench_end(&bench, NULL, NULL);
    }
}

static void cancel_first(void *arg)
{
    enquiry_cancel(&((struct asked *)arg)->enquiry);
}

// The process ends: nobody is called any more, and what the worker still has may be cancelled.
static void test_ends_at_every_step(void **state)
{
    (void)state;
    unsigned answers = 0;
    for (unsigned steps = 0; answers < WORKERS; steps++) {
        struct office_bench bench;
        struct asked asked[WORKERS];
        bench_begin(&bench, 9, 2, true);
        for (unsigned i = 0; i < WORKERS; i++)
            ask(&bench, i, question_of(&bench, "1.2", "1"), &asked[i]);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_world_step(bench.world);
        answers = asked[0].answers + asked[1].answers;
        bench_end(&bench, cancel_first, &asked[0]);
        assert_int_equal(asked[0].answers + asked[1].answers, answers);
    }
}

static void test_full_mailboxes(void **state)
{
    (void)state;
    enum { EACH = 6000 };
    static struct asked asked[WORKERS][EACH];
    struct office_bench bench;
    bench_begin(&bench, 3, 2, true);
    bench_load(&bench.walk, ROWS);
    for (unsigned i = 0; i < EACH; i++)
        for (unsigned w = 0; w < WORKERS; w++) {
            char study[16];
            (void)snprintf(study, sizeof study, "1.%u", i / 8);
            ask(&bench, w, question_of(&bench, study, (i + w) % 2 == 0 ? "1" : "2"), &asked[w][i]);
        }
    run_dry(&bench);
    for (unsigned i = 0; i < EACH; i++)
        for (unsigned w = 0; w < WORKERS; w++) {
            assert_int_equal(asked[w][i].answers, 1);
            assert_int_equal(asked[w][i].result, OK);
            assert_string_equal(asked[w][i].verdict.id.text, asked[0][i / 8 * 8].verdict.id.text);
        }
    bench_end(&bench, NULL, NULL);
}

// ---- news

static void test_news(void **state)
{
    (void)state;
    struct office_bench bench;
    bench_begin(&bench, 5, 16, true);
    crosswalk_office_look(bench.gateway.office);
    run_dry(&bench);
    assert_int_equal(news_count[0] + news_count[1], 0); // nothing has changed
    bench_load(&bench.walk, ROWS);
    crosswalk_office_look(bench.gateway.office);
    crosswalk_office_look(bench.gateway.office);
    run_dry(&bench);
    // Several before the worker hears of any: once.
    assert_int_equal(bench_merge(&bench.walk, bench.walk.legacy, "3", "4"), OK);
    crosswalk_office_look(bench.gateway.office);
    news_tell(bench.gateway.news, NEWS_POLICIES);
    assert_int_equal(bench_unmerge(&bench.walk, bench.walk.legacy, "3"), OK);
    crosswalk_office_look(bench.gateway.office);
    run_dry(&bench);
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_int_equal(news_count[i], 2);
        assert_int_equal(news[i][0], NEWS_CROSSWALK);
        assert_int_equal(news[i][1], NEWS_CROSSWALK | NEWS_POLICIES);
    }
    // A pin is no news.
    (void)ask_and_wait(&bench, question_of(&bench, "1.2", "1"));
    crosswalk_office_look(bench.gateway.office);
    run_dry(&bench);
    assert_int_equal(news_count[0], 2);
    bench_end(&bench, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_ids),
        cmocka_unit_test(test_without_a_crosswalk),
        cmocka_unit_test(test_commit_fails),
        cmocka_unit_test(test_one_answer_for_one_study),
        cmocka_unit_test(test_cancelled_at_every_step),
        cmocka_unit_test(test_ends_at_every_step),
        cmocka_unit_test(test_full_mailboxes),
        cmocka_unit_test(test_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
