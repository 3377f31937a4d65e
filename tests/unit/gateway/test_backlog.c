// SPDX-License-Identifier: Apache-2.0
//
// A long backlog: receipts that sleep take 64 bytes, and nothing that is owed to an archive, its order, its
// times and its reasons are other than if all had stayed awake.
#include "unit.h"

#include "base/text.h"
#include "forward/archive.h"
#include "forward/receipt.h"
#include "rig.h"
#include <stdlib.h>

static struct rig *rig;

static int set_up(void **state)
{
    (void)state;
    rig = rig_new(rig_configuration_learned, 9);
    rig_boot(rig);
    rig_worker(rig)->backlog.awake_limit = 8;
    for (size_t i = 0; i < rig->gateway->node_count; i++)
        atomic_store(&rig->gateway->nodes[i].is_paused, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_crash(rig);
    rig_free(rig);
    return 0;
}

// ---- the container against a plain array ----

static int row_compare(const void *one, const void *other)
{
    const struct asleep_row *a = one, *b = other;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void same_check(const struct asleep *asleep, const struct asleep_row *model, size_t count)
{
    struct asleep_position at = asleep_seek(asleep, 0);
    assert_int_equal(asleep->rows, count);
    for (size_t i = 0; i < count; i++, at = asleep_next(asleep, at)) {
        const struct asleep_row *row = asleep_row_get(asleep, at);
        assert_non_null(row);
        assert_int_equal(row->order, model[i].order);
        assert_int_equal(row->number, model[i].number);
    }
    assert_null(asleep_row_get(asleep, at));
}

static void test_container(void **state)
{
    (void)state;
    enum { MOST = 6000, STEPS = 40000 };
    static struct asleep_row model[MOST];
    struct asleep asleep;
    size_t count = 0;
    asleep_init(&asleep);
    for (unsigned step = 0; step < STEPS; step++) {
        bool grows = step / 5000 % 2 == 0;
        if (count < MOST && (count == 0 || rand() % 10 < (grows ? 8 : 2))) {
            struct asleep_row row = {.order = ((uint64_t)rand() << 20) + step, .number = step};
            assert_int_equal(asleep_insert(&asleep, &row), OK);
            size_t at = 0;
            while (at < count && model[at].order < row.order)
                at++;
            memmove(&model[at + 1], &model[at], (count++ - at) * sizeof row);
            model[at] = row;
        } else {
            size_t at = (size_t)rand() % count;
            struct asleep_position place = asleep_seek(&asleep, model[at].order);
            assert_int_equal(asleep_row_get(&asleep, place)->number, model[at].number);
            asleep_remove(&asleep, place);
            memmove(&model[at], &model[at + 1], (--count - at) * sizeof model[0]);
        }
        if (step % 500 == 0)
            same_check(&asleep, model, count);
    }
    qsort(model, count, sizeof model[0], row_compare);
    same_check(&asleep, model, count);
    asleep_fini(&asleep);
}

// ---- receipts ----

static struct archive *archive(size_t index)
{
    return &rig_worker(rig)->archives[index];
}

static struct backlog *backlog(void)
{
    return &rig_worker(rig)->backlog;
}

static void admit(uint64_t from, uint64_t to)
{
    struct record_close close = {.archives = {1, 2}, .archive_count = 2};
    for (uint64_t i = from; i < to; i++) {
        char uid[32];
        (void)text_format(uid, sizeof uid, "1.2.3.%u", (unsigned)i);
        struct receipt_origin origin = {.number = 1000 + i,
                                        .order = 10 + i,
                                        .closed_at = i + 1,
                                        .open = {0, 7, i * 64},
                                        .close = {0, 8, i * 128},
                                        .sop_instance = slice_of_text(uid)};
        assert_int_equal(receipt_admit(rig_worker(rig), &origin, &close, NULL), OK);
        if (i % 1000 == 999 || i + 1 == to)
            rig_run(rig, 50 * NSEC_PER_MS); // each is found to be alone with its UID
    }
}

static void settle_down(void)
{
    rig_run(rig, NSEC_PER_SEC);
}

static void counts_check(enum delivery_stage stage, size_t first, size_t second)
{
    assert_int_equal(archive_count(archive(0), stage), first);
    assert_int_equal(archive_count(archive(1), stage), second);
}

static struct delivery *next_of(size_t index)
{
    atomic_store(&archive(index)->node->is_paused, false);
    struct archive_wish wish = {.only_urgent = false};
    struct delivery *delivery = archive_next(archive(index), &wish);
    atomic_store(&archive(index)->node->is_paused, true);
    return delivery;
}

static void test_most_sleep(void **state)
{
    (void)state;
    admit(0, 1000);
    settle_down();
    assert_int_equal(worker_unsettled(rig_worker(rig)), 1000);
    assert_int_equal(rig_worker(rig)->receipts.count, 8);
    assert_int_equal(backlog()->receipts, 992);
    counts_check(STAGE_WAITING, 1000, 1000);
    assert_int_equal(backlog_oldest(archive(0)), 3); // two at the front of each queue stay awake
}

// ENGINE 6.
static void test_memory(void **state)
{
    (void)state;
    admit(0, 100000);
    settle_down();
    assert_int_equal(worker_unsettled(rig_worker(rig)), 100000);
    assert_int_equal(rig_worker(rig)->receipts.count, 8);
    assert_true(asleep_bytes(&backlog()->rows) < 100000 * 65);
}

// Each archive gets them in order of receipt, whatever sleeps, the other archive ahead or behind.
static void test_order(void **state)
{
    (void)state;
    admit(0, 300);
    settle_down();
    for (uint64_t i = 0; i < 300; i++) {
        struct delivery *delivery = next_of(0);
        assert_non_null(delivery);
        assert_int_equal(delivery->receipt->number, 1000 + i);
        assert_int_equal(delivery->receipt->open.offset, i * 64);
        assert_int_equal(delivery->receipt->close.offset, i * 128);
        assert_int_equal(delivery->receipt->close.segment, 8);
        delivery_begin(delivery);
        delivery_answered(delivery, &(struct delivery_answer){.sent_at = 1});
        if (i == 150)
            admit(300, 310); // new ones do not overtake
        if (i % 40 == 0)
            settle_down();
    }
    settle_down();
    counts_check(STAGE_ANSWERED, 300, 0);
    counts_check(STAGE_WAITING, 10, 310);
    assert_int_equal(rig_worker(rig)->receipts.count, 8);
    for (uint64_t i = 0; i < 310; i++) {
        struct delivery *delivery = next_of(1);
        assert_int_equal(delivery->receipt->number, 1000 + i);
        delivery_drop(delivery, slice_of_text("who"), slice_of_text("why"));
    }
    counts_check(STAGE_WAITING, 10, 0);
}

static void test_settles_asleep(void **state)
{
    (void)state;
    admit(0, 50);
    for (unsigned i = 0; i < 50; i++) {
        delivery_answered(next_of(0), &(struct delivery_answer){.sent_at = 1});
        delivery_drop(next_of(1), slice_of_text("who"), slice_of_text("why"));
        rig_run(rig, 60 * NSEC_PER_SEC);
    }
    assert_int_equal(backlog()->receipts, 42);
    uint64_t settle_after = archive(0)->node->conf->settle_after_ns;
    rig_run(rig, settle_after - 51 * 60 * NSEC_PER_SEC);
    counts_check(STAGE_ANSWERED, 50, 0);
    rig_run(rig, 26 * 60 * NSEC_PER_SEC); // as they were answered, so they settle
    assert_in_range(archive_count(archive(0), STAGE_ANSWERED), 24, 26);
    rig_run(rig, 26 * 60 * NSEC_PER_SEC);
    assert_int_equal(worker_unsettled(rig_worker(rig)), 0);
    assert_int_equal(backlog()->rows.rows, 0);
}

static void test_rests_asleep(void **state)
{
    (void)state;
    admit(0, 50);
    for (unsigned i = 0; i < 50; i++) {
        delivery_rest(next_of(0), (60 + i) * NSEC_PER_SEC, "tired");
        delivery_drop(next_of(1), slice_of_text("who"), slice_of_text("why"));
    }
    settle_down();
    assert_int_equal(backlog()->receipts, 42);
    counts_check(STAGE_RESTING, 50, 0);
    rig_run(rig, 80 * NSEC_PER_SEC);
    assert_in_range(archive_count(archive(0), STAGE_RESTING), 28, 32);
    rig_run(rig, 40 * NSEC_PER_SEC);
    counts_check(STAGE_WAITING, 50, 0);
    assert_int_equal(next_of(0)->receipt->number, 1000);
}

// However many that are owed no more sleep in front of it; up to eight of the eldest may be awake.
static void test_oldest(void **state)
{
    (void)state;
    enum { RESTING = 5000, HELD = 5030, COUNT = 5060 };
    admit(0, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        struct delivery *delivery = next_of(0);
        delivery_answered(next_of(1), &(struct delivery_answer){.sent_at = 1});
        if (i >= HELD)
            delivery_hold(delivery, EDIT_HOLD_RULE, "held");
        else if (i >= RESTING)
            delivery_rest(delivery, 3600 * NSEC_PER_SEC, "tired");
        else
            delivery_answered(delivery, &(struct delivery_answer){.sent_at = 1});
        if (i % 500 == 0)
            settle_down();
    }
    settle_down();
    counts_check(STAGE_ANSWERED, RESTING, COUNT);
    assert_in_range(backlog_oldest(archive(0)), RESTING + 1, RESTING + 9);
    assert_int_equal(backlog_oldest(archive(1)), 0);
    while (archive_count(archive(0), STAGE_RESTING) > 0) {
        (void)backlog_stage_wake(archive(0), STAGE_RESTING, 1);
        struct list_node *first = list_first(&archive(0)->resting);
        delivery_answered(CONTAINER_OF(first, struct delivery, node),
                          &(struct delivery_answer){.sent_at = 1});
    }
    settle_down();
    for (unsigned i = 0; i < 3; i++) // what it has passed it need not pass again
        assert_in_range(backlog_oldest(archive(0)), HELD + 1, HELD + 9);
    assert_in_range(archive(0)->owed_from, 10 + HELD, 10 + HELD + 8);
    assert_int_equal(archive_look_again(archive(0), ~0u), COUNT - HELD);
    assert_in_range(backlog_oldest(archive(0)), HELD + 1, HELD + 9);
}

static uint64_t refused_count(size_t index)
{
    struct archive_refused refused;
    archive_refused_get(archive(index), &refused);
    return refused.count;
}

// What rests for its titles is counted, asleep or not.
static void test_titles_asleep(void **state)
{
    (void)state;
    admit(0, 50);
    for (unsigned i = 0; i < 50; i++) {
        delivery_rest(next_of(0), 60 * NSEC_PER_SEC, i < 20 ? "tired" : DELIVERY_TITLES_UNKNOWN);
        assert_int_equal(refused_count(0), i < 20 ? 0 : i - 19);
    }
    settle_down();
    assert_int_equal(backlog()->receipts, 42);
    assert_int_equal(refused_count(0), 30);
    assert_int_equal(refused_count(1), 0);
    rig_run(rig, 70 * NSEC_PER_SEC);
    counts_check(STAGE_WAITING, 50, 50);
    assert_int_equal(refused_count(0), 0);
}

static bool is_parked_for(void *arg, const struct backlog_view *view)
{
    size_t *count = arg;
    if (view->archive == 0 && view->stage == STAGE_PARKED) {
        assert_string_equal(view->reason, view->number % 2 == 0 ? "even" : "odd");
        assert_int_equal(view->status, 0xA900);
        ++*count;
    }
    return true;
}

static bool is_number_40(void *arg, uint64_t number)
{
    (void)arg;
    return number == 1040;
}

static void test_parked_asleep(void **state)
{
    (void)state;
    admit(0, 50);
    for (unsigned i = 0; i < 50; i++) {
        struct delivery *delivery = next_of(0);
        delivery_park(delivery, delivery->receipt->number % 2 == 0 ? "even" : "odd", 0xA900,
                      slice_of(NULL, 0));
    }
    settle_down();
    size_t asleep = 0;
    backlog_each(backlog(), is_parked_for, &asleep);
    assert_int_equal(asleep, 42);
    counts_check(STAGE_PARKED, 50, 0);
    assert_true(backlog_receipts_wake(rig_worker(rig), is_number_40, NULL));
    struct delivery *delivery = CONTAINER_OF(list_last(&archive(0)->parked), struct delivery, node);
    assert_int_equal(delivery->receipt->number, 1040);
    assert_string_equal(delivery->reason, "even");
    assert_int_equal(backlog_stage_wake(archive(0), STAGE_PARKED, 10), 10);
    counts_check(STAGE_PARKED, 50, 0);
}

struct reasons_seen {
    size_t own;
    size_t common;
};

static bool reason_see(void *arg, const struct backlog_view *view)
{
    struct reasons_seen *seen = arg;
    char own[32];
    if (view->archive != 0 || view->stage != STAGE_PARKED)
        return true;
    (void)text_format(own, sizeof own, "reason %u", (unsigned)view->number);
    seen->own += strcmp(view->reason, own) == 0;
    seen->common += strcmp(view->reason, BACKLOG_REASON_LEFT_OUT) == 0;
    assert_int_equal(view->attempts, UINT8_MAX);
    return true;
}

static struct reasons_seen park_each(uint64_t from, uint64_t to)
{
    struct reasons_seen seen = {0};
    admit(from, to);
    for (uint64_t i = from; i < to; i++) {
        struct delivery *delivery = next_of(0);
        char reason[32];
        (void)text_format(reason, sizeof reason, "reason %u", (unsigned)delivery->receipt->number);
        delivery->attempts = 300;
        delivery_park(delivery, reason, 0xA900, slice_of(NULL, 0));
        delivery_drop(next_of(1), slice_of_text("who"), slice_of_text("why"));
    }
    settle_down();
    assert_int_equal(rig_worker(rig)->receipts.count, 8);
    backlog_each(backlog(), reason_see, &seen);
    return seen;
}

// However many reasons and attempts there are, all may sleep.
static void test_many_reasons(void **state)
{
    (void)state;
    struct reasons_seen seen = park_each(0, 400);
    assert_int_equal(seen.own + seen.common, 392);
    assert_int_equal(seen.own, BACKLOG_REASONS_MAX);
    while (archive_count(archive(0), STAGE_PARKED) > 0) {
        (void)backlog_stage_wake(archive(0), STAGE_PARKED, 1);
        struct list_node *first = list_first(&archive(0)->parked);
        delivery_drop(CONTAINER_OF(first, struct delivery, node), slice_of_text("who"), slice_of_text("why"));
    }
    for (uint64_t i = 0; i < 3; i++) { // texts that nobody has any more leave room for others
        seen = park_each(400 + 50 * i, 450 + 50 * i);
        assert_int_equal(seen.own, 42 + 50 * i);
        assert_int_equal(seen.common, 0);
    }
}

static void test_pinned_stays(void **state)
{
    (void)state;
    admit(0, 100);
    LIST_EACH(&rig_worker(rig)->receipts, node)
    {
        CONTAINER_OF(node, struct receipt, node)->pins = 1;
    }
    settle_down();
    assert_int_equal(backlog()->receipts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_container),
        cmocka_unit_test_setup_teardown(test_most_sleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settles_asleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rests_asleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_oldest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_titles_asleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parked_asleep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_reasons, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pinned_stays, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
