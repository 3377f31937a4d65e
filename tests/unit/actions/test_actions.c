// SPDX-License-Identifier: Apache-2.0
//
// What operators see and do, on a simulated gateway: answers put together from two workers, decisions that
// reach each delivery once, pauses that are durable before they count, and requests that are answered exactly
// once whatever ends first.
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "forward/archive.h"
#include "store/control.h"

static const struct admin_filter everything = {.limit = 10000};

static size_t rows_count(struct rig *rig, const struct admin_filter *filter)
{
    json_t *body = ask_queue(rig, filter);
    size_t count = json_array_size(json_object_get(body, "items"));
    json_decref(body);
    return count;
}

static struct archive *archive_at(struct rig *rig, unsigned worker, size_t index)
{
    return &rig->gateway->workers[worker]->archives[index];
}

static bool has_alarm(const json_t *answer, const char *part)
{
    size_t index;
    json_t *alarm;
    json_array_foreach(json_object_get(answer, "alarms"), index, alarm)
    {
        if (strstr(json_string_value(alarm), part) != NULL)
            return true;
    }
    return false;
}

static void test_status(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    rig_admit(rig, 0, 1, NULL);
    rig_admit(rig, 1, 1, "1.2.3");
    for (unsigned worker = 0; worker < 2; worker++)
        atomic_store(&rig->gateway->workers[worker]->counters.acknowledge_findings, 1 + worker);
    json_t *body = ask_status(rig);
    assert_string_equal(text_of(body, "life"), "running");
    assert_true(json_is_true(json_object_get(body, "ready")));
    assert_string_equal(text_of(body, "phase"), "coexist");
    const json_t *listener = json_array_get(json_object_get(body, "listeners"), 0);
    assert_string_equal(text_of(listener, "address"), "127.0.0.1:11112");
    assert_true(json_is_true(json_object_get(listener, "plain")));
    assert_int_equal(number_of(json_object_get(body, "receipts"), "owed"), 4);
    assert_int_equal(number_of(json_object_get(body, "receipts"), "parked"), 0);
    assert_true(number_of(json_object_get(body, "journal"), "segments") > 0);
    assert_true(json_is_true(json_object_get(json_object_get(body, "journal"), "accepting")));
    assert_int_equal(number_of(json_object_get(body, "figures"), "instances_acknowledged"), 0);
    assert_int_equal(number_of(json_object_get(body, "figures"), "acknowledge_findings"), 3);
    assert_true(number_of(json_object_get(body, "events"), "gateway.started") > 0);
    const json_t *legacy = archive_of(body, "legacy");
    assert_string_equal(text_of(legacy, "state"), "paused");
    assert_int_equal(number_of(legacy, "owed"), 2);
    assert_true(number_of(legacy, "oldest") > 1700000000);
    assert_true(json_is_null(json_object_get(legacy, "last_success")));
    assert_true(has_alarm(body, "legacy is paused"));
    assert_false(has_alarm(body, "owed an instance"));
    json_decref(body);
    rig_run(rig, 25u * 3600 * 1000);
    body = ask_status(rig);
    assert_true(has_alarm(body, "archive new has been owed an instance for 25 hours"));
    json_decref(body);
    rig_free(rig);
}

static void faults_arm(struct rig *rig, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(fs_sim_fault_arm(rig->disk, FS_SIM_FAULT_DATASYNC, "0000-", 0), OK);
}

// Syncs that fail in a row: not ready until the disk works again. Who drops meanwhile is answered when the
// drop is durable.
static void test_status_while_the_disk_fails(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    rig_admit(rig, 0, 1, "1.2.3");
    faults_arm(rig, 4); // and a segment that died is cut when it goes
    struct admin_selection uid = {.uid = "1.2.3", .archive = "new", .person = "anna", .reason = "test"};
    struct admin_reply *reply = reply_new();
    actions_table.queue_change(rig->actions, ADMIN_DROP, &uid, reply);
    rig_run(rig, 800); // a drop is synced when nothing else asks for it, three times here
    assert_int_equal(reply->answers, 0);
    json_t *body = ask_status(rig);
    assert_true(json_is_false(json_object_get(body, "ready")));
    assert_true(has_alarm(body, "1 of 2 streams can not be written"));
    json_decref(body);
    rig_run(rig, 5000);
    assert_int_equal(reply->answers, 1);
    assert_int_equal(number_of(reply->body, "changed"), 1);
    assert_true(json_is_true(json_object_get(reply->body, "durable")));
    assert_true(notes_are_empty(&rig->gateway->workers[0]->notes));
    reply_free(reply);
    body = ask_status(rig);
    assert_true(json_is_true(json_object_get(body, "ready")));
    assert_false(has_alarm(body, "can not be written"));
    json_decref(body);
    rig_free(rig);
}

// A disk that goes on failing is told, not waited for; what was changed is kept until it can be written.
static void test_change_that_is_not_durable(void **state)
{
    (void)state;
    static const enum admin_queue_change changes[] = {ADMIN_PARK, ADMIN_RETRY, ADMIN_DROP};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct rig *rig = rig_new(true);
        rig_admit(rig, 0, 1, "1.2.3");
        struct admin_selection uid = {.uid = "1.2.3", .archive = "new", .person = "anna", .reason = "test"};
        if (changes[i] == ADMIN_RETRY)
            ask_change(rig, ADMIN_PARK, &uid, 1, 0);
        struct admin_reply *reply = reply_new();
        actions_table.queue_change(rig->actions, changes[i], &uid, reply);
        for (unsigned second = 0; second < 9; second++) {
            fs_sim_faults_clear(rig->disk);
            faults_arm(rig, 8);
            rig_run(rig, 1000);
            assert_int_equal(reply->answers, 0);
        }
        rig_run(rig, 1100);
        assert_int_equal(reply->answers, 1);
        assert_int_equal(reply->status, ADMIN_FINE);
        assert_int_equal(number_of(reply->body, "changed"), 1);
        assert_true(json_is_false(json_object_get(reply->body, "durable")));
        reply_free(reply);
        fs_sim_faults_clear(rig->disk);
        rig_run(rig, 5000);
        assert_true(notes_are_empty(&rig->gateway->workers[0]->notes));
        rig_free(rig);
    }
}

static void titles_refuse(struct rig *rig, unsigned worker, const char *calling)
{
    struct archive *archive = archive_at(rig, worker, 1);
    struct delivery *delivery = CONTAINER_OF(list_first(&archive->waiting), struct delivery, node);
    uint64_t rest = archive_titles_refused(archive, slice_of_text(calling), slice_of_text("NEW"), false,
                                           "association rejected");
    delivery_rest(delivery, rest, DELIVERY_TITLES_UNKNOWN);
}

// The archive is up, and what it does not want is seen.
static void test_titles_refused(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    for (uint64_t i = 1; i <= 3; i++)
        rig_admit(rig, i % 2, i, NULL);
    rig_run(rig, 100);
    titles_refuse(rig, 1,
                  "MR\xE4"
                  "7");
    json_t *body = ask_status(rig);
    assert_true(has_alarm(body, "archive new rejects calling title MR?7: 1 instances rest"));
    assert_string_equal(text_of(archive_of(body, "new"), "problem"), "rejects calling title MR?7");
    assert_int_equal(number_of(archive_of(body, "new"), "titles_rejected"), 1);
    assert_true(json_is_null(json_object_get(archive_of(body, "legacy"), "problem")));
    assert_int_equal(number_of(archive_of(body, "legacy"), "titles_rejected"), 0);
    json_decref(body);
    titles_refuse(rig, 1, "MR8");
    titles_refuse(rig, 0, "MR8");
    body = ask_status(rig);
    assert_true(has_alarm(body, "and others: 3 instances rest"));
    json_decref(body);
    body = ask_summary(rig, "new");
    const json_t *summary = json_array_get(json_object_get(body, "archives"), 0);
    assert_non_null(strstr(text_of(summary, "problem"), "rejects calling title MR"));
    json_decref(body);
    rig_free(rig);
}

static void test_list(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    // Not in the order of numbers, on both workers, two archives each.
    for (uint64_t counter = 200; counter > 0; counter--)
        rig_admit(rig, counter % 2, counter, counter == 100 ? "1.2.3" : NULL);
    struct admin_filter filter = {.limit = 151};
    json_t *body = ask_queue(rig, &filter);
    json_t *items = json_object_get(body, "items");
    assert_int_equal(json_array_size(items), 152); // both rows of the last receipt
    assert_true(json_is_true(json_object_get(body, "more")));
    for (size_t i = 0; i < 152; i++) {
        const json_t *row = json_array_get(items, i);
        assert_int_equal(number_of(row, "receipt"), 2 * (i / 2 + 1));
        assert_string_equal(text_of(row, "archive"), i % 2 == 0 ? "legacy" : "new");
        assert_string_equal(text_of(row, "state"), "waiting");
        assert_true(json_is_null(json_object_get(row, "next")));
    }
    const json_t *hot = json_array_get(items, 98);
    assert_string_equal(text_of(hot, "uid"), "1.2.3");
    assert_int_equal(number_of(hot, "bytes"), 100);
    assert_true(json_is_null(json_object_get(json_array_get(items, 0), "uid")));
    assert_true(json_is_null(json_object_get(json_array_get(items, 0), "bytes")));
    json_decref(body);

    filter.after = 152;
    filter.limit = 1000;
    filter.archive = "new";
    body = ask_queue(rig, &filter);
    items = json_object_get(body, "items");
    assert_int_equal(json_array_size(items), 24 + 100);
    assert_int_equal(number_of(json_array_get(items, 24), "receipt"), (int64_t)1 << 48 | 1);
    assert_true(json_is_false(json_object_get(body, "more")));
    json_decref(body);

    filter.state = ADMIN_PARKED;
    assert_int_equal(rows_count(rig, &filter), 0);
    filter.archive = "nobody";
    struct admin_reply *reply = reply_new();
    actions_table.queue_list(rig->actions, &filter, reply);
    reply_wait(rig, reply, ADMIN_NOT_FOUND);
    reply_free(reply);
    rig_free(rig);
}

static void test_change_some(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    uint64_t one = rig_admit(rig, 0, 1, NULL);
    uint64_t two = rig_admit(rig, 1, 1, "1.2.3");
    uint64_t three = rig_admit(rig, 1, 2, "1.2.3.4");
    const uint64_t numbers[] = {two, one, 999};
    struct admin_selection selection = {.archive = "new",
                                        .receipts = numbers,
                                        .receipt_count = 3,
                                        .person = "anna",
                                        .reason = "compare first"};
    ask_change(rig, ADMIN_PARK, &selection, 2, 0);
    ask_change(rig, ADMIN_PARK, &selection, 0, 2);
    struct admin_filter parked = {.state = ADMIN_PARKED, .limit = 10};
    json_t *body = ask_queue(rig, &parked);
    const json_t *row = json_array_get(json_object_get(body, "items"), 1);
    assert_int_equal(number_of(row, "receipt"), two);
    assert_string_equal(text_of(row, "archive"), "new");
    assert_string_equal(text_of(row, "reason"), "compare first");
    json_decref(body);
    body = ask_status(rig);
    assert_true(has_alarm(body, "2 parked for archive new"));
    json_decref(body);

    selection.receipt_count = 1; // two
    selection.archive = NULL;
    ask_change(rig, ADMIN_RETRY, &selection, 1, 1);
    assert_int_equal(rows_count(rig, &parked), 1);

    // A dropped one goes when the last archive is not owed any more.
    struct admin_selection uid = {.uid = "1.2.3", .archive = "legacy", .person = "anna", .reason = "test"};
    ask_change(rig, ADMIN_DROP, &uid, 1, 0);
    assert_int_equal(rig->gateway->workers[1]->receipts.count, 2);
    ask_change(rig, ADMIN_DROP, &uid, 0, 0);
    uid.archive = "new";
    ask_change(rig, ADMIN_DROP, &uid, 1, 0);
    assert_int_equal(rig->gateway->workers[1]->receipts.count, 1);
    selection.receipts = &three;
    ask_change(rig, ADMIN_DROP, &selection, 2, 0);
    assert_true(list_is_empty(&rig->gateway->workers[1]->receipts));
    rig_free(rig);
}

static const json_t *owed_of(const json_t *answer, const char *archive)
{
    size_t index;
    json_t *row;
    json_array_foreach(json_object_get(answer, "archives"), index, row)
    {
        if (strcmp(text_of(row, "archive"), archive) == 0)
            return row;
    }
    fail_msg("no archive %s", archive);
    return NULL;
}

// Two workers are added up, one group for each reason, with the first receipt of any worker.
static void test_summary(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    const uint64_t low = rig_admit(rig, 0, 7, NULL);
    const uint64_t numbers[] = {rig_admit(rig, 1, 3, NULL), low, rig_admit(rig, 1, 2, "1.2.3")};
    rig_admit(rig, 1, 9, NULL);
    struct admin_selection two = {
        .archive = "new", .receipts = numbers, .receipt_count = 2, .person = "anna", .reason = "compare"};
    struct admin_selection one = {
        .archive = "new", .receipts = numbers + 2, .receipt_count = 1, .person = "anna", .reason = "wait"};
    ask_change(rig, ADMIN_PARK, &two, 2, 0);
    ask_change(rig, ADMIN_PARK, &one, 1, 0);
    json_t *body = ask_summary(rig, NULL);
    const json_t *row = owed_of(body, "new");
    assert_int_equal(number_of(row, "owed"), 1);
    assert_int_equal(number_of(row, "waiting"), 1);
    assert_int_equal(number_of(row, "parked"), 3);
    assert_true(json_is_true(json_object_get(row, "paused")));
    const json_t *groups = json_object_get(row, "groups");
    assert_int_equal(json_array_size(groups), 2);
    assert_string_equal(text_of(json_array_get(groups, 0), "reason"), "compare");
    assert_int_equal(number_of(json_array_get(groups, 0), "count"), 2);
    assert_int_equal(number_of(json_array_get(groups, 0), "receipt"), low);
    assert_int_equal(number_of(json_array_get(groups, 1), "receipt"), numbers[2]);
    assert_int_equal(number_of(owed_of(body, "legacy"), "owed"), 4);
    json_decref(body);
    body = ask_summary(rig, "legacy");
    assert_int_equal(json_array_size(json_object_get(body, "archives")), 1);
    json_decref(body);

    const struct admin_filter by_number = {.receipt = numbers[2], .limit = 10};
    assert_int_equal(rows_count(rig, &by_number), 2);
    const struct admin_filter by_uid = {.uid = "1.2.3", .archive = "new", .limit = 10};
    body = ask_queue(rig, &by_uid);
    const json_t *item = json_array_get(json_object_get(body, "items"), 0);
    assert_int_equal(number_of(item, "receipt"), numbers[2]);
    assert_string_equal(text_of(item, "stage"), "parked");
    assert_string_equal(text_of(item, "reason"), "wait");
    assert_string_equal(text_of(item, "transfer_syntax"), "1.2.840.10008.1.2");
    json_decref(body);
    rig_free(rig);
}

// More reasons than there is room for are counted, not lost.
static void test_summary_of_many_reasons(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    for (uint64_t i = 1; i <= 80; i++) {
        char reason[32];
        const uint64_t number = rig_admit(rig, i % 2, i, NULL);
        (void)text_format(reason, sizeof reason, "reason %u", (unsigned)i);
        struct admin_selection one = {
            .archive = "new", .receipts = &number, .receipt_count = 1, .person = "anna", .reason = reason};
        ask_change(rig, ADMIN_PARK, &one, 1, 0);
    }
    json_t *body = ask_summary(rig, "new");
    const json_t *row = owed_of(body, "new");
    const json_t *groups = json_object_get(row, "groups");
    assert_int_equal(json_array_size(groups), 32);
    assert_int_equal(number_of(row, "ungrouped") + 32, 80);
    assert_int_equal(number_of(row, "parked"), 80);
    json_decref(body);
    rig_free(rig);
}

static void orders_check(struct rig *rig, unsigned worker, size_t archive, size_t count)
{
    uint64_t last = 0;
    struct list *waiting = &archive_at(rig, worker, archive)->waiting;
    assert_int_equal(waiting->count, count);
    LIST_EACH(waiting, node)
    {
        uint64_t order = CONTAINER_OF(node, struct delivery, node)->receipt->order;
        assert_true(order > last);
        last = order;
    }
}

static void test_change_all(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    enum { COUNT = 1700 }; // several turns
    for (uint64_t i = 1; i <= COUNT; i++)
        rig_admit(rig, i % 2, i, NULL);
    struct admin_selection selection = {
        .is_all = true, .archive = "legacy", .person = "anna", .reason = "storm"};
    ask_change(rig, ADMIN_PARK, &selection, COUNT, 0);
    ask_change(rig, ADMIN_PARK, &selection, 0, 0);
    assert_int_equal(archive_at(rig, 0, 0)->parked.count, COUNT / 2);
    orders_check(rig, 0, 1, COUNT / 2);
    selection.archive = NULL;
    ask_change(rig, ADMIN_RETRY, &selection, COUNT, 0);
    orders_check(rig, 0, 0, COUNT / 2);
    orders_check(rig, 1, 0, COUNT / 2);
    assert_int_equal(rows_count(rig, &everything), 2 * COUNT);
    selection.archive = "new";
    ask_change(rig, ADMIN_DROP, &selection, COUNT, 0);
    selection.archive = "legacy";
    ask_change(rig, ADMIN_DROP, &selection, COUNT, 0);
    assert_true(list_is_empty(&rig->gateway->workers[0]->receipts));
    assert_int_equal(rows_count(rig, &everything), 0);
    rig_free(rig);
}

static void test_pause_and_resume(void **state)
{
    (void)state;
    struct rig *rig = rig_new(false);
    struct control_pause pauses[2];
    size_t count;
    json_t *body = ask_archive(rig, ADMIN_PAUSE, "new", ADMIN_FINE);
    assert_true(json_is_true(json_object_get(body, "paused")));
    json_decref(body);
    assert_int_equal(control_pauses_get(rig->control, pauses, 2, &count), OK);
    assert_int_equal(count, 1);
    assert_int_equal(pauses[0].archive, 2);
    assert_string_equal(pauses[0].who, "anna");
    assert_string_equal(pauses[0].why, "upgrade");
    body = ask_status(rig);
    assert_true(has_alarm(body, "archive new is paused by anna: upgrade"));
    assert_string_equal(text_of(json_object_get(archive_of(body, "new"), "pause"), "reason"), "upgrade");
    json_decref(body);
    assert_true(rig->gateway->nodes[1].is_paused);

    rig_admit(rig, 0, 1, "1.2.3");
    rig_run(rig, 10);
    assert_int_equal(archive_at(rig, 0, 0)->failures, 1); // tried at once: nobody is there
    rig_run(rig, 5000);
    assert_int_equal(archive_at(rig, 0, 1)->failures, 0); // not tried
    json_decref(ask_archive(rig, ADMIN_RESUME, "new", ADMIN_FINE));
    assert_int_equal(control_pauses_get(rig->control, pauses, 2, &count), OK);
    assert_int_equal(count, 0);
    rig_run(rig, 10);
    assert_true(archive_at(rig, 0, 1)->failures > 0);
    body = ask_status(rig);
    assert_string_equal(text_of(archive_of(body, "new"), "state"), "down");
    assert_non_null(text_of(archive_of(body, "new"), "problem"));
    assert_true(has_alarm(body, "archive legacy is down"));
    json_decref(body);
    json_decref(ask_archive(rig, ADMIN_PAUSE, "nobody", ADMIN_NOT_FOUND));
    rig_free(rig);
}

// Who and why are told whole, as long as they may be.
static void test_pause_in_many_words(void **state)
{
    (void)state;
    struct rig *rig = rig_new(false);
    char person[ADMIN_TEXT] = "", reason[ADMIN_TEXT] = "", alarm[1024];
    for (size_t i = 0; i + 2 < sizeof person; i += 2) {
        memcpy(person + i, "\xc3\xb6", 2);
        memcpy(reason + i, "\xc3\xa4", 2);
    }
    struct admin_reply *reply = reply_new();
    actions_table.archive_change(rig->actions, ADMIN_PAUSE, "new", person, reason, reply);
    reply_wait(rig, reply, ADMIN_FINE);
    reply_free(reply);
    json_t *body = ask_status(rig);
    const json_t *pause = json_object_get(archive_of(body, "new"), "pause");
    assert_string_equal(text_of(pause, "person"), person);
    assert_string_equal(text_of(pause, "reason"), reason);
    (void)text_format(alarm, sizeof alarm, "archive new is paused by %s: %s", person, reason);
    assert_true(has_alarm(body, alarm));
    json_decref(body);
    rig_free(rig);
}

// A name that an older version has cut inside a character.
static void test_pause_by_a_cut_name(void **state)
{
    (void)state;
    struct rig *rig = rig_new(false);
    json_decref(ask_archive(rig, ADMIN_PAUSE, "new", ADMIN_FINE));
    memcpy(rig->gateway->nodes[1].pause.who, "anna\xC3", 6);
    json_t *body = ask_status(rig);
    assert_true(has_alarm(body, "archive new is paused by anna?"));
    json_decref(body);
    rig_free(rig);
}

static void test_removed_nodes(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    struct journal_recovery_figures *figures = &rig->gateway->recovery;
    figures->removed[0] = (struct removed_node){.id = 7, .receipts = 3};
    figures->removed_count = 1;
    figures->removed_more = 40;
    json_t *body = ask_status(rig);
    assert_true(has_alarm(body, "node 7 is not in the configuration any more, but has not settled 3"));
    assert_true(has_alarm(body, "`queue drop --all --archive 7 --person WHO --reason WHY`"));
    assert_true(
        has_alarm(body, "further nodes that are not in the configuration any more have not settled 40"));
    json_decref(body);
    struct admin_selection selection = {
        .is_all = true, .archive = "7", .person = "anna", .reason = "it is gone"};
    ask_change(rig, ADMIN_DROP, &selection, 0, 0);
    rig_free(rig);
}

// What can not be made durable does not count.
static void test_pause_not_written(void **state)
{
    (void)state;
    struct rig *rig = rig_new(false);
    kv_sim_fault_set(rig->control_disk, KV_SIM_IO, 0);
    json_decref(ask_archive(rig, ADMIN_PAUSE, "new", ADMIN_FAILED));
    assert_false(rig->gateway->nodes[1].is_paused);
    json_decref(ask_archive(rig, ADMIN_PAUSE, "new", ADMIN_FINE));
    assert_true(rig->gateway->nodes[1].is_paused);
    rig_free(rig);
}

static void test_echo(void **state)
{
    (void)state;
    struct rig *rig = rig_new(false);
    json_t *body = ask_archive(rig, ADMIN_ECHO, "new", ADMIN_FINE);
    assert_true(json_is_false(json_object_get(body, "ok")));
    assert_true(number_of(body, "milliseconds") < 1000);
    assert_non_null(text_of(body, "message"));
    json_decref(body);
    rig_free(rig);
}

static void test_too_many(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    struct admin_reply *replies[33];
    for (size_t i = 0; i < 33; i++) {
        replies[i] = reply_new();
        actions_table.status(rig->actions, replies[i]);
    }
    assert_int_equal(replies[31]->answers, 0);
    reply_wait(rig, replies[32], ADMIN_UNAVAILABLE);
    for (size_t i = 0; i < 32; i++)
        reply_wait(rig, replies[i], ADMIN_FINE);
    for (size_t i = 0; i < 33; i++)
        reply_free(replies[i]);
    rig_free(rig);
}

struct filler {
    struct worker_call call;
};

static void filler_end(struct worker_call *call)
{
    free(CONTAINER_OF(call, struct filler, call));
}

static void filler_run(struct worker *worker, struct worker_call *call)
{
    (void)worker;
    filler_end(call);
}

static void inbox_fill(struct worker *worker)
{
    for (;;) {
        struct filler *filler = calloc(1, sizeof *filler);
        assert_non_null(filler);
        filler->call.run = filler_run;
        filler->call.discard = filler_end;
        if (worker_post(worker, &filler->call) == OK)
            continue;
        free(filler);
        return;
    }
}

// Asked again when there is room, and given up when there is none.
static void test_full_inbox(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    inbox_fill(rig->gateway->workers[1]);
    json_decref(ask_status(rig));
    inbox_fill(rig->gateway->workers[1]);
    sim_loop_kill(rig->worker_loops[1]); // nobody empties it
    struct admin_reply *reply = reply_new();
    actions_table.status(rig->actions, reply);
    reply_wait(rig, reply, ADMIN_UNAVAILABLE);
    reply_free(reply);
    rig_free(rig);
}

// Each request is answered once, wherever it is when everything ends.
static void test_ends_under_way(void **state)
{
    (void)state;
    const struct admin_selection all = {.is_all = true, .person = "anna", .reason = "end"};
    unsigned done = 0, ended = 0;
    for (unsigned steps = 0; steps < 40; steps++) {
        struct rig *rig = rig_new(true);
        memory_network_blackhole(rig->network, &rig->gateway->nodes[1].address, true);
        for (uint64_t i = 1; i <= 1200; i++)
            rig_admit(rig, 0, i, NULL);
        struct admin_reply *replies[6];
        for (size_t i = 0; i < 6; i++)
            replies[i] = reply_new();
        actions_table.archive_change(rig->actions, ADMIN_ECHO, "new", NULL, NULL, replies[0]);
        actions_table.archive_change(rig->actions, ADMIN_RESUME, "new", NULL, NULL, replies[1]);
        actions_table.queue_change(rig->actions, ADMIN_PARK, &all, replies[2]);
        actions_table.queue_list(rig->actions, &everything, replies[3]);
        actions_table.status(rig->actions, replies[4]);
        actions_table.queue_summary(rig->actions, NULL, replies[5]);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_world_step(rig->world);
        rig_free(rig);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(replies[i]->answers, 1);
            assert_true(replies[i]->status == ADMIN_FINE || replies[i]->status == ADMIN_UNAVAILABLE);
            done += replies[i]->status == ADMIN_FINE;
            ended += replies[i]->status == ADMIN_UNAVAILABLE;
            reply_free(replies[i]);
        }
    }
    assert_true(done > 20 && ended > 20); // the steps reach both
}

// A configured name that is a number is that archive's, not the id of one that was removed.
static void test_name_that_is_a_number(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    struct configuration_node *conf = (struct configuration_node *)rig->gateway->nodes[0].conf;
    char *name = conf->name;
    char number[] = "17";
    conf->name = number;
    (void)rig_admit(rig, 0, 1, "1.2.3");
    json_t *body = ask_queue(rig, &(struct admin_filter){.archive = "17", .limit = 10});
    assert_int_equal(json_array_size(json_object_get(body, "items")), 1);
    json_decref(body);
    conf->name = name;
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_while_the_disk_fails),
        cmocka_unit_test(test_change_that_is_not_durable),
        cmocka_unit_test(test_titles_refused),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_name_that_is_a_number),
        cmocka_unit_test(test_change_some),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_summary_of_many_reasons),
        cmocka_unit_test(test_change_all),
        cmocka_unit_test(test_pause_and_resume),
        cmocka_unit_test(test_pause_in_many_words),
        cmocka_unit_test(test_pause_by_a_cut_name),
        cmocka_unit_test(test_removed_nodes),
        cmocka_unit_test(test_pause_not_written),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_full_inbox),
        cmocka_unit_test(test_ends_under_way),
    };
    return cmocka_run_group_tests_name("actions", tests, NULL, NULL);
}
