// SPDX-License-Identifier: Apache-2.0
//
// `dicomgate ledger` against golden files: what people and programs see must not change by accident. With
// GOLDEN_WRITE in the environment the files are written anew.
#include "base/text.h"
#include "cli/ledger.h"
#include "store/lmdb.h"
#include "support.h"
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { OUTPUT_MAX = 65536, WORDS_MAX = 4 };

static char data_folder[] = "/tmp/store-cli-XXXXXX";
static struct kv_env *env;

static void store_open(void)
{
    char folder[128];
    char why[256];
    struct lmdb_options options = {0};
    (void)text_format(folder, sizeof folder, "%s/ledger", data_folder);
    assert_int_equal(lmdb_env_open(folder, &ledger_schema, &options, &env, why, sizeof why), OK);
}

static int group_setup(void **state)
{
    (void)state;
    struct test_journal journal;
    struct ledger_writer *writer = NULL;
    if (mkdtemp(data_folder) == NULL)
        return -1;
    store_open();
    test_journal_init(&journal, 100);
    uint64_t settled = test_receipt(0, 1);
    uint64_t open = test_receipt(1, 42);
    test_open(&journal, settled, 7, 1700000000);
    test_close(&journal, settled, 1, 2, 1000, 1700000001);
    for (uint32_t archive = 1; archive <= 2; archive++) {
        test_sent(&journal, 0, settled, archive, 1700000002);
        test_outcome(&journal, 0, settled, archive, RECORD_ANSWERED, 0xB000, 1700000003);
        test_outcome(&journal, 0, settled, archive, RECORD_SETTLED, 0, 1700259203);
    }
    test_open(&journal, open, 8, 1700100000);
    test_close(&journal, open, 1, 2, 50, 1700100001);
    test_outcome(&journal, 1, open, 1, RECORD_PARKED, 0, 1700100002);
    test_outcome(&journal, 1, open, 2, RECORD_DROPPED_PERSON, 0, 1700100003);
    test_open(&journal, test_receipt(1, 43), 9, 1700100010);
    test_drop(&journal, test_receipt(1, 43), 1700100011);
    assert_int_equal(ledger_writer_new(env, NULL, NULL, NULL, &writer), OK);
    test_apply(writer, &journal, 0, journal.count);
    assert_int_equal(ledger_commit(writer), OK);
    ledger_writer_free(&writer);
    test_journal_fini(&journal);
    kv_env_free(&env);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    static const char *const names[] = {"ledger/data.mdb", "ledger/lock.mdb"};
    char path[128];
    kv_env_free(&env);
    for (unsigned i = 0; i < 2; i++) {
        (void)text_format(path, sizeof path, "%s/%s", data_folder, names[i]);
        (void)unlink(path);
    }
    (void)text_format(path, sizeof path, "%s/ledger", data_folder);
    (void)rmdir(path);
    (void)rmdir(data_folder);
    return 0;
}

// Runs the command with standard output in a file; returns its status and what it wrote.
static int run(const char *words, char output[OUTPUT_MAX])
{
    char copy[128];
    char *argv[WORDS_MAX] = {NULL};
    int argc = 0;
    (void)text_copy(copy, sizeof copy, slice_of_text(words));
    for (char *word = copy; word != NULL && *word != 0 && argc < WORDS_MAX;) {
        argv[argc++] = word;
        word = strchr(word, ' ');
        if (word != NULL)
            *word++ = 0;
    }
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    int status = cli_ledger_main(argc, argv, data_folder, NULL, 0, NULL);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    rewind(file);
    size_t length = fread(output, 1, OUTPUT_MAX - 1, file);
    output[length] = 0;
    (void)fclose(file);
    return status;
}

static void assert_golden(const char *words, int status, const char *name)
{
    static char output[OUTPUT_MAX];
    static char expected[OUTPUT_MAX];
    char path[512];
    assert_int_equal(run(words, output), status);
    (void)text_format(path, sizeof path, "%s/%s", STORE_GOLDEN, name);
    FILE *file = fopen(path, getenv("GOLDEN_WRITE") == NULL ? "rb" : "wb+");
    if (file == NULL)
        fail_msg("%s is missing", path);
    if (getenv("GOLDEN_WRITE") != NULL) { // then read every line of the difference
        fputs(output, file);
        rewind(file);
    }
    size_t length = fread(expected, 1, OUTPUT_MAX - 1, file);
    expected[length] = 0;
    (void)fclose(file);
    assert_string_equal(output, expected);
}

static void test_show(void **state)
{
    (void)state;
    assert_golden("show 1.2.3.7", 0, "show.txt");
    assert_golden("show --json 1.2.3.8", 0, "show.json");
    assert_golden("show 1.9.1", 0, "study.txt");
    assert_golden("show 0001-00000000002b", 0, "dropped.txt");
    assert_golden("show 9.9.9 --json", 1, "nothing.json");
}

static void test_stats(void **state)
{
    (void)state;
    assert_golden("stats", 0, "stats.txt");
    assert_golden("stats --json", 0, "stats.json");
}

static void test_export(void **state)
{
    (void)state;
    assert_golden("export", 0, "export.jsonl");
    assert_golden("export --jsonl", 0, "export.jsonl");
    assert_golden("export --json", 0, "export.jsonl");
    assert_golden("export --csv", 0, "export.csv");
}

static void test_usage(void **state)
{
    (void)state;
    static char output[OUTPUT_MAX];
    static const char *const wrong[] = {
        "",          "show",     "show 1.2 3.4", "show 1.2 --csv",    "stats 1",
        "stats --x", "export 1", "list",         "stats --json --csv"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(run(wrong[i], output), 2);
    assert_int_equal(cli_ledger_main(1, (char *[]){"stats"}, "/tmp/store-cli-none", NULL, 0, NULL), 3);
}

static json_t *group_find(json_t *answer, const char *reason)
{
    json_t *groups = json_object_get(answer, "groups"), *group;
    size_t i;
    json_array_foreach(groups, i, group)
    {
        if (strcmp(json_string_value(json_object_get(group, "reason")), reason) == 0)
            return group;
    }
    return NULL;
}

// SENT stands in the journal before the first byte leaves: what never got an answer may have arrived or not,
// and is told so.
static void test_flagged(void **state)
{
    enum { NO_OUTCOME = 0, STREAM = 2, SENT = 99 };
    static const struct {
        const char *reason;
        unsigned outcomes[2]; // record_outcome_kind, or SENT
        uint16_t status;      // of the first
        bool resent, answered;
    } cases[] = {
        {"in flight", {NO_OUTCOME}, 0, false, false},
        {"was answered", {RECORD_ANSWERED}, 0, false, true},
        {"was settled", {RECORD_SETTLED}, 0, false, true},
        {"rejected later", {RECORD_SETTLED, RECORD_REJECTED}, 0, false, true},
        {"was refused", {RECORD_FAILED, RECORD_DROPPED_PERSON}, 0xC000, false, true},
        {"tried again", {RECORD_FAILED, SENT}, 0xC000, false, false},
        {"left whole", {RECORD_HELD, RECORD_REJECTED}, 0, true, false},
        {"held", {RECORD_HELD}, 0, false, false},
        {"held and rejected", {RECORD_HELD, RECORD_REJECTED}, 0, false, false},
        {"was dropped", {RECORD_PARKED, RECORD_DROPPED_PERSON}, 0, false, false},
        {"overtaken", {RECORD_SUPERSEDED}, 0, false, false},
    };
    static char output[OUTPUT_MAX];
    struct test_journal journal;
    struct ledger_writer *writer;
    (void)state;
    store_open();
    test_journal_init(&journal, 100);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t receipt = test_receipt(STREAM, 1 + i);
        const struct record_flags flags = {1, 1, {slice_of_text(cases[i].reason)}};
        test_open(&journal, receipt, 100 + i, 1700000000);
        test_close(&journal, receipt, 1, 1, 1000, 1700000001);
        test_sent_flagged(&journal, STREAM, receipt, 1, 1700000002, &flags);
        if (cases[i].resent)
            test_sent_again(&journal, STREAM, receipt, 1, 1700000003, &flags);
        for (unsigned k = 0; k < 2 && cases[i].outcomes[k] != NO_OUTCOME; k++) {
            unsigned kind = cases[i].outcomes[k];
            if (kind == SENT)
                test_sent_flagged(&journal, STREAM, receipt, 1, 1700000005, &flags);
            else
                test_outcome(&journal, STREAM, receipt, 1, (enum record_outcome_kind)kind,
                             k == 0 ? cases[i].status : 0, 1700000004);
        }
    }
    assert_int_equal(ledger_writer_new(env, NULL, NULL, NULL, &writer), OK);
    test_apply(writer, &journal, 0, journal.count);
    assert_int_equal(ledger_commit(writer), OK);
    ledger_writer_free(&writer);
    test_journal_fini(&journal);
    kv_env_free(&env);
    assert_int_equal(run("flagged --json", output), 1);
    json_t *answer = json_loads(output, 0, NULL);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *group = group_find(answer, cases[i].reason);
        assert_non_null(group);
        assert_int_equal(json_integer_value(json_object_get(group, "count")), 1);
        json_int_t unanswered = json_integer_value(json_object_get(group, "unanswered"));
        if (unanswered != !cases[i].answered)
            fail_msg("\"%s\": %d unanswered", cases[i].reason, (int)unanswered);
    }
    json_decref(answer);
}

// With the daemon up: another process has the store open for writing.
static void test_beside_daemon(void **state)
{
    (void)state;
    static char output[OUTPUT_MAX];
    int status = 0;
    store_open();
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        _exit(run("show 1.2.3.7", output) == 0 && strstr(output, "CT1") != NULL ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    kv_env_free(&env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_show),  cmocka_unit_test(test_stats),         cmocka_unit_test(test_export),
        cmocka_unit_test(test_usage), cmocka_unit_test(test_beside_daemon), cmocka_unit_test(test_flagged),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
