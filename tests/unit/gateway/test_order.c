// SPDX-License-Identifier: Apache-2.0
//
// FIELD 5 at one archive: who goes first, who waits, who is superseded or a duplicate. Each case is a row of
// receipts by rising order, as "content stage action sent", and what is wanted of each.
#include "unit.h"

#include "order/rule.h"

enum { MOST = 4 };

struct row {
    char content; // 0: the end of the case
    enum order_stage stage;
    enum order_action in_force;
    bool was_sent;
    enum order_action wanted;
};

struct given {
    const char *why;
    struct row rows[MOST + 1];
};

static const struct given cases[] = {
    {"alone again: it goes", {{'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}}},
    {"the newest goes, the older one waits",
     {{'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_HOLD}, {'Y', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}}},
    {"the older one is on its way: its outcome is waited for",
     {{'X', ORDER_SENDING, ORDER_HOLD, true, ORDER_HOLD}, {'Y', ORDER_ALIVE, ORDER_HOLD, false, ORDER_HOLD}}},
    {"the older one may still go: it is stopped first",
     {{'X', ORDER_ALIVE, ORDER_SEND, false, ORDER_HOLD}, {'Y', ORDER_ALIVE, ORDER_HOLD, false, ORDER_HOLD}}},
    {"a parked one that may go when a person frees it is stopped too",
     {{'X', ORDER_PARKED, ORDER_SEND, false, ORDER_HOLD}, {'Y', ORDER_ALIVE, ORDER_HOLD, false, ORDER_HOLD}}},
    {"the newer one was accepted: the older one is superseded, parked or not",
     {{'X', ORDER_ALIVE, ORDER_HOLD, true, ORDER_SUPERSEDE},
      {'Z', ORDER_PARKED, ORDER_HOLD, true, ORDER_SUPERSEDE},
      {'Y', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD}}},
    {"overtaken by the same content: the archive has it",
     {{'Y', ORDER_ALIVE, ORDER_HOLD, true, ORDER_DUPLICATE},
      {'Y', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD}}},
    {"the same content as the last accepted one",
     {{'X', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD},
      {'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_DUPLICATE}}},
    {"back to the content before: it is sent, else the archive keeps the other",
     {{'X', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD},
      {'Y', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD},
      {'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}}},
    {"something else may have come in between: no duplicate",
     {{'X', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD},
      {'Y', ORDER_OVER, ORDER_HOLD, true, ORDER_HOLD},
      {'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}}},
    {"the newest is parked: the older one is better than nothing",
     {{'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}, {'Y', ORDER_PARKED, ORDER_HOLD, true, ORDER_HOLD}}},
    {"the newest was taken back: the older one goes",
     {{'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}, {'Y', ORDER_OVER, ORDER_HOLD, true, ORDER_HOLD}}},
    {"unknown content is never the same",
     {{'?', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD},
      {'?', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}}},
    {"not owed here: it counts for nothing",
     {{'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND}, {'Y', ORDER_NONE, ORDER_HOLD, false, ORDER_HOLD}}},
};

struct stage {
    struct list members;
    struct order_member member[MOST];
    struct order_slot slot[MOST];
    size_t count;
};

static void stage_set(struct stage *stage, const struct row *rows)
{
    *stage = (struct stage){0};
    list_init(&stage->members);
    for (; rows[stage->count].content != 0; stage->count++)
        ;
    for (size_t i = stage->count; i > 0; i--) { // in any order: the list sorts them
        const struct row *row = &rows[i - 1];
        struct order_member *member = &stage->member[i - 1];
        stage->slot[i - 1] =
            (struct order_slot){.stage = row->stage, .was_sent = row->was_sent, .action = row->in_force};
        *member = (struct order_member){.receipt = 100 + i - 1, .order = i, .slots = &stage->slot[i - 1]};
        member->content.kind = row->content != '?';
        member->content.digest[0] = (uint8_t)row->content;
        order_member_insert(&stage->members, member);
    }
}

static void test_rule(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct stage stage;
        stage_set(&stage, cases[c].rows);
        order_rule_apply(&stage.members, 0, (struct order_rejection){0});
        for (size_t i = 0; i < stage.count; i++)
            if (stage.slot[i].wanted != cases[c].rows[i].wanted)
                fail_msg("%s: receipt %zu: %d", cases[c].why, i, (int)stage.slot[i].wanted);
    }
}

static void test_evidence(void **state)
{
    (void)state;
    struct stage stage;
    stage_set(&stage, cases[7].rows);
    order_rule_apply(&stage.members, 0, (struct order_rejection){0});
    assert_int_equal(stage.slot[1].evidence, 100);
}

// What 0111 and `content unproven` are judged by.
static void test_contents(void **state)
{
    (void)state;
    static const struct row rows[] = {{'X', ORDER_OVER, ORDER_HOLD, true, ORDER_HOLD},
                                      {'Y', ORDER_PARKED, ORDER_HOLD, false, ORDER_HOLD},
                                      {'X', ORDER_ALIVE, ORDER_HOLD, false, ORDER_SEND},
                                      {0, ORDER_NONE, ORDER_HOLD, false, ORDER_HOLD}};
    struct stage stage;
    stage_set(&stage, rows);
    order_rule_apply(&stage.members, 0, (struct order_rejection){0});
    assert_int_equal(stage.slot[2].wanted, ORDER_SEND);
    assert_true(stage.slot[2].same_content);
    assert_false(stage.slot[2].other_content); // the other was never sent
    stage.slot[1].was_sent = true;
    order_rule_apply(&stage.members, 0, (struct order_rejection){0});
    assert_true(stage.slot[2].other_content);
}

static void test_loop(void **state)
{
    (void)state;
    static const struct row rows[] = {{'X', ORDER_ACCEPTED, ORDER_HOLD, true, ORDER_HOLD},
                                      {'Y', ORDER_ALIVE, ORDER_HOLD, false, ORDER_LOOP},
                                      {0, ORDER_NONE, ORDER_HOLD, false, ORDER_HOLD}};
    struct stage stage;
    stage_set(&stage, rows);
    stage.member[1].is_returned = true;
    order_rule_apply(&stage.members, 0, (struct order_rejection){0});
    assert_int_equal(stage.slot[1].wanted, ORDER_LOOP);
    assert_int_equal(stage.slot[1].evidence, 100);
    stage.slot[0].stage = ORDER_OVER; // where it has not been it goes
    order_rule_apply(&stage.members, 0, (struct order_rejection){0});
    assert_int_equal(stage.slot[1].wanted, ORDER_SEND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
