// SPDX-License-Identifier: Apache-2.0
//
// `hold list|show|release|reject` over two workers.
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/actions_private.h"
#include "forward/archive.h"
#include "order/gate.h"
#include "order/keeper_private.h"
#include "order/note.h"
#include "store/ledger_reader.h"

#define UNMATCHED "patient is unmatched"
#define NAMES     "rule site/names: PatientName is empty"

static struct delivery *delivery_at(struct rig *rig, unsigned worker, uint64_t number, size_t archive)
{
    LIST_EACH(&rig->gateway->workers[worker]->receipts, node)
    {
        struct receipt *receipt = CONTAINER_OF(node, struct receipt, node);
        for (unsigned i = 0; receipt->number == number && i < receipt->delivery_count; i++)
            if (receipt->deliveries[i].archive == &rig->gateway->workers[worker]->archives[archive])
                return &receipt->deliveries[i];
    }
    fail();
    return NULL;
}

static uint64_t held(struct rig *rig, unsigned worker, uint64_t counter, const char *uid, const char *reason)
{
    uint64_t number = rig_admit(rig, worker, counter, uid);
    delivery_hold(delivery_at(rig, worker, number, 1), EDIT_HOLD_PATIENT, reason);
    return number;
}

static json_t *answer_of(struct rig *rig, struct admin_reply *reply)
{
    reply_wait(rig, reply, ADMIN_FINE);
    json_t *body = json_incref(reply->body);
    reply_free(reply);
    return body;
}

static json_t *ask_holds(struct rig *rig, const char *archive)
{
    struct admin_filter filter = {.archive = archive};
    struct admin_reply *reply = reply_new();
    actions_table.hold_list(rig->actions, &filter, reply);
    return answer_of(rig, reply);
}

static json_t *ask_hold(struct rig *rig, uint64_t receipt, const char *uid)
{
    struct admin_filter filter = {.receipt = receipt, .uid = uid};
    struct admin_reply *reply = reply_new();
    actions_table.hold_show(rig->actions, &filter, reply);
    return answer_of(rig, reply);
}

static void expect_change(struct rig *rig, enum admin_hold_change change, struct admin_selection selection,
                          int64_t changed)
{
    struct admin_reply *reply = reply_new();
    rig_run(rig, 1000); // what was written before is durable
    selection.person = "anna";
    selection.reason = "looked at";
    actions_table.hold_change(rig->actions, change, &selection, reply);
    json_t *body = answer_of(rig, reply);
    assert_int_equal(number_of(body, "changed"), changed);
    assert_true(json_is_true(json_object_get(body, "durable")));
    for (unsigned i = 0; i < RIG_WORKERS; i++) // a power cut takes nothing back
        assert_true(notes_are_empty(&rig->gateway->workers[i]->notes));
    json_decref(body);
}

static void expect_group(const json_t *answer, size_t index, const char *archive, const char *reason,
                         int64_t count, uint64_t receipt)
{
    const json_t *group = json_array_get(json_object_get(answer, "groups"), index);
    assert_string_equal(text_of(group, "archive"), archive);
    assert_string_equal(text_of(group, "reason"), reason);
    assert_int_equal(number_of(group, "count"), count);
    assert_int_equal(number_of(group, "receipt"), receipt);
    assert_true(number_of(group, "received") > 1700000000);
    assert_null(json_object_get(group, "since")); // of one hold: since when it is held
}

static size_t count_held(struct rig *rig, size_t archive)
{
    size_t count = 0;
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        count += archive_count(&rig->gateway->workers[i]->archives[archive], STAGE_HELD);
    return count;
}

static void test_list_and_show(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    uint64_t first = held(rig, 0, 1, "1.2.1", UNMATCHED);
    (void)held(rig, 1, 1, "1.2.2", UNMATCHED);
    uint64_t third = held(rig, 1, 2, "1.2.3", NAMES);
    delivery_hold(delivery_at(rig, 0, first, 0), EDIT_HOLD_RULE, NAMES);
    (void)rig_admit(rig, 0, 2, "1.2.4");
    json_t *body = ask_holds(rig, NULL);
    assert_int_equal(json_array_size(json_object_get(body, "groups")), 3);
    assert_int_equal(number_of(body, "more"), 0);
    expect_group(body, 0, "legacy", NAMES, 1, first);
    expect_group(body, 1, "new", UNMATCHED, 2, first);
    expect_group(body, 2, "new", NAMES, 1, third);
    json_decref(body);
    body = ask_holds(rig, "legacy");
    assert_int_equal(json_array_size(json_object_get(body, "groups")), 1);
    json_decref(body);
    body = ask_hold(rig, first, NULL);
    const json_t *items = json_object_get(body, "items");
    assert_int_equal(json_array_size(items), 2);
    assert_true(json_is_true(json_object_get(json_array_get(items, 0), "primary")));
    assert_true(json_is_false(json_object_get(json_array_get(items, 1), "primary")));
    json_decref(body);
    body = ask_hold(rig, 0, "1.2.3"); // before the ledger knows it
    items = json_object_get(body, "items");
    assert_int_equal(json_array_size(items), 1);
    assert_int_equal(number_of(json_array_get(items, 0), "receipt"), third);
    json_decref(body);
    rig_free(rig);
}

static bool has_alarm(struct rig *rig, const char *part)
{
    json_t *body = ask_status(rig), *alarm;
    size_t index;
    bool is_there = false;
    json_array_foreach(json_object_get(body, "alarms"), index, alarm)
    {
        is_there |= strstr(json_string_value(alarm), part) != NULL;
    }
    json_decref(body);
    return is_there;
}

// FIELD 4: at once, but only for what readers rely on.
static void test_alarm(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    uint64_t number = held(rig, 0, 1, "1.2.1", UNMATCHED);
    assert_false(has_alarm(rig, "held"));
    delivery_hold(delivery_at(rig, 0, number, 0), EDIT_HOLD_RULE, NAMES);
    assert_true(has_alarm(rig, "1 held for archive legacy, the primary of a route"));
    json_t *body = ask_status(rig);
    assert_int_equal(number_of(json_object_get(body, "receipts"), "held"), 2);
    assert_int_equal(number_of(archive_of(body, "new"), "held"), 1);
    json_decref(body);
    rig_free(rig);
}

static void test_release_and_reject(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    uint64_t numbers[] = {held(rig, 0, 1, "1.2.1", UNMATCHED), held(rig, 1, 1, "1.2.2", NAMES)};
    uint64_t third = held(rig, 1, 2, "1.2.3", NAMES);
    (void)held(rig, 0, 2, "1.2.4", UNMATCHED);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.is_all = true, .held_for = "other"}, 0);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.is_all = true, .archive = "legacy"}, 0);
    expect_change(rig, ADMIN_REJECT,
                  (struct admin_selection){.receipts = numbers, .receipt_count = 2, .held_for = "names"}, 1);
    assert_int_equal(count_held(rig, 1), 3);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.uid = "1.2.3"}, 1);
    struct delivery *released = delivery_at(rig, 1, third, 1);
    assert_true(released->is_released);
    assert_true(released->stage == STAGE_WAITING || released->stage == STAGE_GATED);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.receipts = &third, .receipt_count = 1}, 0);
    expect_change(rig, ADMIN_REJECT, (struct admin_selection){.is_all = true}, 2);
    assert_int_equal(count_held(rig, 1), 0);
    rig_free(rig);
}

static void test_all_in_turns(void **state)
{
    (void)state;
    enum { COUNT = 1700 };
    struct rig *rig = rig_new(true);
    for (uint64_t i = 1; i <= COUNT; i++)
        (void)held(rig, i % 2, i, NULL, i % 3 == 0 ? NAMES : UNMATCHED);
    expect_change(rig, ADMIN_REJECT, (struct admin_selection){.is_all = true, .held_for = "names"},
                  COUNT / 3);
    assert_int_equal(count_held(rig, 1), COUNT - COUNT / 3);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.is_all = true, .archive = "new"},
                  COUNT - COUNT / 3);
    assert_int_equal(count_held(rig, 1), 0);
    rig_free(rig);
}

// The gateway ends in the middle of it: the reply is given, nothing is left behind.
static void test_ends_under_way(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 30; steps++) {
        struct rig *rig = rig_new(true);
        struct admin_filter filter = {.archive = NULL};
        struct admin_selection all = {.is_all = true, .person = "anna", .reason = "why"};
        struct admin_reply *replies[] = {reply_new(), reply_new()};
        for (uint64_t i = 1; i <= 1200; i++)
            (void)held(rig, 0, i, NULL, NAMES);
        actions_table.hold_list(rig->actions, &filter, replies[0]);
        actions_table.hold_change(rig->actions, ADMIN_REJECT, &all, replies[1]);
        for (unsigned i = 0; i < steps; i++)
            (void)sim_world_step(rig->world);
        rig_free(rig);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(replies[i]->answers, 1);
            reply_free(replies[i]);
        }
    }
}

// A note is told to have been accepted by archive 1; what comes behind it is parked by then.
static struct delivery *parked_and_barred(struct rig *rig)
{
    uint64_t note = rig_admit(rig, 0, 1, "1.2.9");
    uint64_t number = rig_admit(rig, 0, 2, "1.2.1");
    struct delivery *delivery = delivery_at(rig, 0, number, 1);
    rig_run(rig, 1000);
    delivery_park(delivery, "C001", 0xC001, slice_of(NULL, 0));
    struct order_look *look = order_look_new(rig->gateway);
    assert_non_null(look);
    look->references = malloc(sizeof *look->references);
    assert_non_null(look->references);
    fact_uid_hash(slice_of_text("1.2.1"), look->references[0]);
    look->count = 1;
    look->is_done = look->is_forced = true;
    look->archive = 1;
    assert_true(order_gate_tell(delivery_at(rig, 0, note, 1)->receipt, look));
    rig_run(rig, 1000);
    assert_int_equal(delivery->stage, STAGE_PARKED);
    return delivery;
}

// It does not vanish behind the gate when it is tried again: it is held for a person.
static void test_rejected_while_parked(void **state)
{
    (void)state;
    struct rig *rig = rig_new(true);
    struct delivery *delivery = parked_and_barred(rig);
    delivery_unpark(delivery, slice_of_text("anna"), slice_of(NULL, 0));
    rig_run(rig, 1000);
    assert_int_equal(delivery->stage, STAGE_HELD);
    assert_string_equal(delivery->reason, "rejected by a note before");
    (void)archive_look_again(delivery->archive, 1u << EDIT_HOLD_RULE);
    delivery->hold = DELIVERY_HOLD_UNKNOWN; // as after a start
    (void)archive_look_again(delivery->archive, 1u << EDIT_HOLD_RULE);
    rig_run(rig, 1000);
    assert_int_equal(delivery->stage, STAGE_HELD);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.uid = "1.2.1", .archive = "new"}, 1);
    rig_run(rig, 1000);
    assert_int_equal(delivery->stage, STAGE_WAITING);
    rig_free(rig);
}

// A person lets a note go whose references can not be read: it rejects nothing, and that is told.
static void test_unreadable_note(void **state)
{
    (void)state;
    static const enum result results[] = {ERR_FORMAT, ERR_LIMIT};
    for (size_t i = 0; i < 2; i++) {
        struct rig *rig = rig_new(true);
        struct order_notes notes;
        order_notes_init(&notes, rig->gateway->workers[0]);
        uint64_t number = rig_admit(rig, 0, 1, "1.2.9");
        struct delivery *delivery = delivery_at(rig, 0, number, 1);
        assert_true(order_note_begin(&notes, delivery->receipt));
        struct order_ask ask = {.look = order_look_new(rig->gateway)};
        assert_non_null(ask.look);
        ask.look->result = results[i];
        order_note_answered(&notes, delivery->receipt, &ask);
        assert_int_equal(delivery->stage, STAGE_HELD);
        assert_string_equal(delivery->reason, "rejection note: what it references can not be read");
        expect_change(rig, ADMIN_RELEASE,
                      (struct admin_selection){.receipts = &number, .receipt_count = 1, .archive = "new"}, 1);
        assert_true(order_note_allows(delivery));
        uint64_t told = log_event_count(LOG_ORDER_REJECTED_NOTHING);
        delivery_begin(delivery);
        delivery_answered(delivery, &(struct delivery_answer){.comment = slice_of_text("thanks")});
        assert_int_equal(log_event_count(LOG_ORDER_REJECTED_NOTHING), told + 1);
        rig_run(rig, 5000);
        struct ledger_fact fact;
        fact_init(&fact);
        assert_int_equal(ledger_find_receipt(rig->ledger, number, &fact), OK);
        assert_string_equal(fact_delivery_find(&fact, 2)->remark,
                            "finding: nothing was rejected, what this note references is not known");
        fact_fini(&fact);
        order_note_leave(delivery->receipt);
        order_notes_fini(&notes);
        rig_free(rig);
    }
}

// In a long backlog nearly all that is held sleeps: it is listed, shown and changed all the same.
static void test_asleep(void **state)
{
    (void)state;
    enum { COUNT = 300, AWAKE = 8 };
    struct rig *rig = rig_new(true);
    uint64_t last = 0;
    for (uint64_t i = 1; i <= COUNT; i++) {
        last = held(rig, i % 2, i, NULL, i % 3 == 0 ? NAMES : UNMATCHED);
        delivery_hold(delivery_at(rig, i % 2, last, 0), EDIT_HOLD_RULE, NAMES);
    }
    for (unsigned i = 0; i < RIG_WORKERS; i++) {
        rig->gateway->workers[i]->backlog.awake_limit = AWAKE;
        backlog_look_later(&rig->gateway->workers[i]->backlog);
    }
    rig_run(rig, 3000);
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        assert_int_equal(rig->gateway->workers[i]->backlog.receipts, COUNT / RIG_WORKERS - AWAKE);
    json_t *answer = ask_holds(rig, "new");
    assert_int_equal(json_array_size(json_object_get(answer, "groups")), 2);
    int64_t count = 0;
    for (size_t i = 0; i < 2; i++)
        count += number_of(json_array_get(json_object_get(answer, "groups"), i), "count");
    assert_int_equal(count, COUNT);
    json_decref(answer);
    answer = ask_hold(rig, last, NULL);
    assert_int_equal(json_array_size(json_object_get(answer, "items")), 2);
    json_decref(answer);
    expect_change(rig, ADMIN_REJECT,
                  (struct admin_selection){.is_all = true, .archive = "new", .held_for = "names"}, COUNT / 3);
    assert_int_equal(count_held(rig, 1), COUNT - COUNT / 3);
    assert_int_equal(count_held(rig, 0), COUNT);
    uint64_t some[] = {2, UINT64_C(1) << 48 | 5, 298};
    expect_change(rig, ADMIN_RELEASE,
                  (struct admin_selection){.receipts = some, .receipt_count = 3, .archive = "new"}, 3);
    expect_change(rig, ADMIN_RELEASE, (struct admin_selection){.is_all = true}, 2 * COUNT - COUNT / 3 - 3);
    assert_int_equal(count_held(rig, 0) + count_held(rig, 1), 0);
    for (unsigned i = 0; i < RIG_WORKERS; i++)
        backlog_all_wake(rig->gateway->workers[i]);
    assert_true(delivery_at(rig, 0, 2, 1)->is_released);
    assert_true(delivery_at(rig, 0, 2, 0)->is_released);
    rig_free(rig);
}

// Many notes that wait look again and again: some look is always under way. What the ledger has is forgotten
// all the same.
static void test_looks_without_end(void **state)
{
    (void)state;
    enum { NOTES = 16 };
    struct rig *rig = rig_new(true);
    struct receipt *receipts[NOTES];
    const struct order_keeper *keeper = rig->gateway->order;
    delivery_hold(delivery_at(rig, 0, rig_admit(rig, 0, NOTES + 1, NULL), 1), EDIT_HOLD_RULE, NAMES);
    rig_run(rig, 1000); // the ledger has a place in the stream that is behind what follows
    for (uint64_t i = 0; i < NOTES; i++)
        receipts[i] = delivery_at(rig, 0, rig_admit(rig, 0, i + 1, "1.2.1"), 1)->receipt;
    assert_true(keeper->streams[0].count > 0);
    for (unsigned turn = 0; turn < 20000 && keeper->streams[0].count > 0; turn++) {
        struct receipt *receipt = receipts[turn % NOTES]; // one after the other
        struct order_look *look = receipt->ask == NULL ? order_look_new(rig->gateway) : NULL;
        assert_true(look == NULL || order_gate_look(receipt, look));
        if (turn % 10 == 9) // the clock stands still: as if there had been a commit
            order_keeper_committed(rig->gateway->order, rig->gateway->ledger);
        (void)sim_world_step(rig->world);
    }
    assert_int_equal(keeper->streams[0].count, 0);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_and_show),      cmocka_unit_test(test_alarm),
        cmocka_unit_test(test_release_and_reject), cmocka_unit_test(test_all_in_turns),
        cmocka_unit_test(test_ends_under_way),     cmocka_unit_test(test_rejected_while_parked),
        cmocka_unit_test(test_looks_without_end),  cmocka_unit_test(test_asleep),
        cmocka_unit_test(test_unreadable_note),
    };
    return cmocka_run_group_tests_name("holds", tests, NULL, NULL);
}
