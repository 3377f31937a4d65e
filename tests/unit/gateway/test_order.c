// SPDX-License-Identifier: Apache-2.0
//
// FIELD 5 at one archive: who goes first, who waits, who is superseded or a duplicate. Each case is a row of
// receipts by rising order, as "content stage action sent", and what is wanted of each.
#include "unit.h"

#include "order/rule.h"

enum { MOST = 6 };

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

static const struct order_rejection none;

struct stage {
    struct order_line line;
    struct order_member member[MOST];
    struct order_slot slot[MOST];
    struct order_place place[MOST];
    size_t count;
};

static void stage_set(struct stage *stage, const struct row *rows)
{
    *stage = (struct stage){0};
    order_line_init(&stage->line, 1, 7);
    for (; rows[stage->count].content != 0; stage->count++)
        ;
    for (size_t i = stage->count; i > 0; i--) { // in any order: the list sorts them
        const struct row *row = &rows[i - 1];
        struct order_member *member = &stage->member[i - 1];
        stage->slot[i - 1] =
            (struct order_slot){.stage = row->stage, .was_sent = row->was_sent, .action = row->in_force};
        *member = (struct order_member){
            .receipt = 100 + i - 1, .order = i, .slots = &stage->slot[i - 1], .places = &stage->place[i - 1]};
        member->content.kind = row->content != '?';
        member->content.digest[0] = (uint8_t)row->content;
        assert_true(order_line_insert(&stage->line, member));
    }
}

static void stage_decide(struct stage *stage, struct order_rejection rejection)
{
    struct list changed;
    list_init(&changed);
    for (size_t i = 0; i < stage->count; i++) {
        stage->slot[i].wanted = stage->slot[i].action;
        order_line_update(&stage->line, &stage->member[i]);
    }
    order_rule_apply(&stage->line, 0, rejection, &changed);
    for (struct list_node *node = list_take_first(&changed); node != NULL; node = list_take_first(&changed)) {
        const struct order_slot *slot = CONTAINER_OF(node, struct order_member, changed_node)->slots;
        assert_true(slot->wanted != slot->action);
    }
}

static void test_rule(void **state)
{
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        struct stage stage;
        stage_set(&stage, cases[c].rows);
        stage_decide(&stage, none);
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
    stage_decide(&stage, none);
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
    stage_decide(&stage, none);
    assert_int_equal(stage.slot[2].wanted, ORDER_SEND);
    assert_true(stage.slot[2].same_content);
    assert_false(stage.slot[2].other_content); // the other was never sent
    stage.slot[1].was_sent = true;
    stage_decide(&stage, none);
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
    stage_decide(&stage, none);
    assert_int_equal(stage.slot[1].wanted, ORDER_LOOP);
    assert_int_equal(stage.slot[1].evidence, 100);
    stage.slot[0].stage = ORDER_OVER; // where it has not been it goes
    stage_decide(&stage, none);
    assert_int_equal(stage.slot[1].wanted, ORDER_SEND);
}

// ---- many ----

enum { MANY = 10000, LOOKED_AT_MOST = 2000 * MANY, TOLD_MOST = 8 * MANY };

// A keeper and its workers in one: whoever is told something has done it at once.
struct crowd {
    struct order_line line;
    struct order_member *members;
    struct order_slot *slots;
    struct order_place *places;
    size_t count;
    size_t told; // orders given
};

static void crowd_init(struct crowd *crowd)
{
    *crowd = (struct crowd){.members = calloc(MANY, sizeof(struct order_member)),
                            .slots = calloc(MANY, sizeof(struct order_slot)),
                            .places = calloc(MANY, sizeof(struct order_place))};
    assert_true(crowd->members != NULL && crowd->slots != NULL && crowd->places != NULL);
    order_line_init(&crowd->line, 1, 7);
}

static void crowd_fini(struct crowd *crowd)
{
    free(crowd->members);
    free(crowd->slots);
    free(crowd->places);
}

static void member_obey(struct crowd *crowd, struct order_member *member)
{
    struct order_slot *slot = member->slots;
    slot->action = slot->wanted;
    if (slot->action == ORDER_SUPERSEDE || slot->action == ORDER_DUPLICATE || slot->action == ORDER_LOOP ||
        slot->action == ORDER_REJECT)
        slot->stage = ORDER_OVER;
    order_line_update(&crowd->line, member);
    crowd->told++;
}

static void crowd_decide(struct crowd *crowd)
{
    struct list changed;
    list_init(&changed);
    order_rule_apply(&crowd->line, 0, none, &changed);
    while (!list_is_empty(&changed)) {
        for (struct list_node *node = list_take_first(&changed); node != NULL;
             node = list_take_first(&changed))
            member_obey(crowd, CONTAINER_OF(node, struct order_member, changed_node));
        order_rule_apply(&crowd->line, 0, none, &changed);
    }
}

// `contents`: how many different ones come in turn.
static struct order_member *crowd_receive(struct crowd *crowd, size_t contents)
{
    size_t i = crowd->count++;
    struct order_member *member = &crowd->members[i];
    size_t content = i % contents;
    *member = (struct order_member){
        .receipt = i, .order = i, .slots = &crowd->slots[i], .places = &crowd->places[i]};
    member->slots->stage = ORDER_ALIVE;
    member->content.kind = 1;
    memcpy(member->content.digest, &content, sizeof content);
    assert_true(order_line_insert(&crowd->line, member));
    crowd_decide(crowd);
    return member;
}

static void crowd_stage(struct crowd *crowd, struct order_member *member, enum order_stage stage)
{
    member->slots->stage = stage;
    member->slots->was_sent |= stage == ORDER_SENDING;
    order_line_update(&crowd->line, member);
    crowd_decide(crowd);
}

// A modality in a loop, an archive that is down: thousands wait. Whatever happens to one of them is decided
// by looking at few, and told to few.
static void test_many(void **state)
{
    (void)state;
    static const size_t contents[] = {1, 2, MANY};
    for (size_t c = 0; c < COUNT_OF(contents); c++) {
        struct crowd crowd;
        crowd_init(&crowd);
        for (size_t i = 0; i < MANY; i++) {
            struct order_member *newest = crowd_receive(&crowd, contents[c]);
            assert_int_equal(newest->slots->action, ORDER_SEND);
            crowd_stage(&crowd, newest, ORDER_SENDING); // a try in vain
            crowd_stage(&crowd, newest, ORDER_ALIVE);
            assert_int_equal(newest->slots->same_content, i >= contents[c]);
            assert_int_equal(newest->slots->other_content, contents[c] > 1 && i > 0);
        }
        struct order_member *newest = &crowd.members[MANY - 1];
        for (size_t i = 0; i + 1 < MANY; i++)
            assert_int_equal(crowd.slots[i].action, ORDER_HOLD);
        crowd_stage(&crowd, newest, ORDER_SENDING);
        crowd_stage(&crowd, newest, ORDER_ACCEPTED);
        assert_true(order_rule_is_done(&crowd.line));
        assert_true(crowd.line.looked_at < LOOKED_AT_MOST);
        assert_true(crowd.told < TOLD_MOST);
        crowd_fini(&crowd);
    }
}

// The newest is refused, then the one before it, down to the oldest; then a person frees them all.
static void test_many_refused(void **state)
{
    (void)state;
    struct crowd crowd;
    crowd_init(&crowd);
    for (size_t i = 0; i < MANY; i++)
        (void)crowd_receive(&crowd, MANY);
    for (size_t i = MANY; i > 0; i--) {
        struct order_member *member = &crowd.members[i - 1];
        assert_int_equal(member->slots->action, ORDER_SEND);
        crowd_stage(&crowd, member, ORDER_SENDING);
        crowd_stage(&crowd, member, ORDER_PARKED);
    }
    for (size_t i = 0; i < MANY; i++)
        crowd_stage(&crowd, &crowd.members[i], ORDER_ALIVE);
    assert_int_equal(crowd.slots[MANY - 1].action, ORDER_SEND);
    assert_true(crowd.line.looked_at < LOOKED_AT_MOST);
    assert_true(crowd.told < TOLD_MOST);
    crowd_fini(&crowd);
}

// An instance that was rejected comes again and again: each one waits for a person.
static void test_many_rejected(void **state)
{
    (void)state;
    struct crowd crowd;
    crowd_init(&crowd);
    struct order_member *first = crowd_receive(&crowd, 1);
    crowd_stage(&crowd, first, ORDER_SENDING);
    crowd_stage(&crowd, first, ORDER_REJECTED);
    for (size_t i = 1; i < MANY; i++)
        assert_int_equal(crowd_receive(&crowd, 1)->slots->action, ORDER_HOLD_REJECTED);
    crowd.members[MANY / 2].slots->is_released = true;
    crowd_stage(&crowd, &crowd.members[MANY / 2], ORDER_ALIVE);
    assert_int_equal(crowd.slots[MANY / 2].action, ORDER_SEND);
    assert_true(crowd.line.looked_at < LOOKED_AT_MOST);
    assert_true(crowd.told < TOLD_MOST);
    crowd_fini(&crowd);
}

// ---- the same by looking at all ----

static bool plain_is_owed(const struct order_slot *slot)
{
    return slot->stage == ORDER_ALIVE || slot->stage == ORDER_SENDING || slot->stage == ORDER_PARKED;
}

// It is rejected, or a person must release it.
static bool plain_is_barred(const struct stage *stage, const struct order_member *member,
                            struct order_rejection rejection)
{
    bool is_behind = false;
    for (const struct order_member *other = stage->member; other != member; other++)
        is_behind |= other->slots->stage == ORDER_REJECTED;
    return member->slots->stage != ORDER_SENDING && !member->slots->is_released &&
           (is_behind || rejection.order != 0);
}

static const struct order_member *plain_newest(const struct stage *stage, struct order_rejection rejection)
{
    for (size_t i = stage->count; i > 0; i--)
        if ((stage->slot[i - 1].stage == ORDER_ALIVE || stage->slot[i - 1].stage == ORDER_SENDING) &&
            !plain_is_barred(stage, &stage->member[i - 1], rejection))
            return &stage->member[i - 1];
    return NULL;
}

static const struct order_member *plain_accepted(const struct stage *stage)
{
    for (size_t i = stage->count; i > 0; i--)
        if (stage->slot[i - 1].stage == ORDER_ACCEPTED)
            return &stage->member[i - 1];
    return NULL;
}

// Another one is on its way, or could be.
static bool plain_is_blocked(const struct stage *stage, const struct order_member *member)
{
    for (size_t i = 0; i < stage->count; i++)
        if (&stage->member[i] != member &&
            (stage->slot[i].stage == ORDER_SENDING ||
             (plain_is_owed(&stage->slot[i]) && stage->slot[i].action == ORDER_SEND)))
            return true;
    return false;
}

static enum order_action plain_wanted(const struct stage *stage, const struct order_member *member,
                                      struct order_rejection rejection)
{
    if (plain_is_barred(stage, member, rejection))
        return member->order < rejection.order ? ORDER_REJECT : ORDER_HOLD_REJECTED;
    const struct order_member *accepted = plain_accepted(stage);
    bool is_sending = member->slots->stage == ORDER_SENDING;
    if (accepted != NULL && !is_sending && member->is_returned)
        return ORDER_LOOP;
    if (accepted != NULL && !is_sending && member->order < accepted->order)
        return order_content_is_same(&member->content, &accepted->content) ? ORDER_DUPLICATE
                                                                           : ORDER_SUPERSEDE;
    if (member != plain_newest(stage, rejection))
        return ORDER_HOLD;
    if (is_sending)
        return ORDER_SEND;
    if (plain_is_blocked(stage, member))
        return ORDER_HOLD;
    bool is_duplicate = accepted != NULL;
    for (const struct order_member *other = accepted; is_duplicate && other != member; other++)
        is_duplicate = order_content_is_same(&other->content, &member->content);
    return is_duplicate ? ORDER_DUPLICATE : ORDER_SEND;
}

static void plain_contents(const struct stage *stage, const struct order_member *member, bool *same,
                           bool *other)
{
    *same = *other = false;
    for (size_t i = 0; i < stage->count; i++) {
        if (&stage->member[i] == member ||
            !(stage->slot[i].was_sent || stage->slot[i].stage == ORDER_ACCEPTED))
            continue;
        bool is_same = order_content_is_same(&stage->member[i].content, &member->content);
        *same |= is_same;
        *other |= !is_same;
    }
}

static void stage_compare(const struct stage *stage, struct order_rejection rejection)
{
    for (size_t i = 0; i < stage->count; i++) {
        const struct order_member *member = &stage->member[i];
        if (!plain_is_owed(member->slots))
            continue;
        assert_int_equal(member->slots->wanted, plain_wanted(stage, member, rejection));
        if (member->slots->wanted != ORDER_SEND || member->slots->stage == ORDER_SENDING)
            continue;
        bool same, other;
        plain_contents(stage, member, &same, &other);
        assert_int_equal(member->slots->same_content, same);
        assert_int_equal(member->slots->other_content, other);
    }
}

static void test_as_by_looking_at_all(void **state)
{
    (void)state;
    srand(11);
    for (size_t round = 0; round < 200000; round++) {
        struct row rows[MOST + 1] = {0};
        size_t count = 1 + (size_t)rand() % MOST;
        for (size_t i = 0; i < count; i++)
            rows[i] = (struct row){.content = "XXYZ?"[rand() % 5],
                                   .stage = (enum order_stage)(rand() % (ORDER_OVER + 1)),
                                   .in_force = (enum order_action)(rand() % (ORDER_HOLD_REJECTED + 1)),
                                   .was_sent = rand() % 2 == 0};
        struct stage stage;
        stage_set(&stage, rows);
        for (size_t i = 0; i < count; i++) {
            stage.member[i].is_returned = rand() % 8 == 0;
            stage.slot[i].is_released = rand() % 4 == 0;
        }
        struct order_rejection rejection = none;
        if (rand() % 4 == 0)
            rejection = (struct order_rejection){.receipt = 99, .order = 1 + (uint64_t)rand() % (MOST + 1)};
        stage_decide(&stage, rejection);
        stage_compare(&stage, rejection);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_loop),
        cmocka_unit_test(test_as_by_looking_at_all),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_many_refused),
        cmocka_unit_test(test_many_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
