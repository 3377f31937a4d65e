// SPDX-License-Identifier: Apache-2.0
//
// A ledger made anew: what the journal tells, and what only the former ledger knows.
#include "base/log.h"
#include "ledger_internal.h"
#include "store/ledger_reader.h"
#include "store/rebuild.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct side {
    struct test_store store;
    struct test_journal journal;
    struct ledger_writer *writer;
};

enum { GONE = 1, SETTLED = 2, HALF = 3, FRESH = 4, DROPPED = 5 };

static void side_init(struct side *side)
{
    *side = (struct side){0};
    test_store_init(&side->store, STORE_SIM, &ledger_schema);
    test_journal_init(&side->journal, 4);
    assert_int_equal(ledger_writer_new(side->store.env, NULL, NULL, NULL, &side->writer), OK);
}

static void side_feed(struct side *side)
{
    test_apply(side->writer, &side->journal, 0, side->journal.count);
    assert_int_equal(ledger_commit(side->writer), OK);
}

static void side_fini(struct side *side)
{
    ledger_writer_free(&side->writer);
    test_journal_fini(&side->journal);
    test_store_fini(&side->store);
}

static void received(struct side *side, uint64_t counter)
{
    uint64_t receipt = test_receipt(0, counter);
    test_open(&side->journal, receipt, (unsigned)counter, 100);
    test_data(&side->journal, receipt);
    test_close(&side->journal, receipt, 7, 2, 1000, 100);
}

static void settled_at(struct side *side, uint64_t counter, uint32_t archive)
{
    test_sent(&side->journal, 0, test_receipt(0, counter), archive, 101);
    test_outcome(&side->journal, 0, test_receipt(0, counter), archive, RECORD_SETTLED, 0, 102);
}

// What the present ledger knows, and what the journal that is left can tell: the segments with the first
// receipt, and with the outcomes of the others, have gone.
static void both_make(struct side *former, struct side *fresh)
{
    side_init(former);
    side_init(fresh);
    for (uint64_t counter = GONE; counter <= HALF; counter++)
        received(former, counter);
    for (uint64_t counter = GONE; counter <= SETTLED; counter++)
        for (uint32_t archive = 1; archive <= 2; archive++)
            settled_at(former, counter, archive);
    settled_at(former, HALF, 1);
    test_open(&former->journal, test_receipt(0, DROPPED), DROPPED, 100);
    test_drop(&former->journal, test_receipt(0, DROPPED), 101);
    received(fresh, SETTLED);
    received(fresh, HALF);
    received(fresh, FRESH);
    side_feed(former);
    side_feed(fresh);
}

static enum fact_state state_of(struct side *side, uint64_t counter)
{
    struct ledger_fact fact;
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(side->store.env, test_receipt(0, counter), &fact), OK);
    enum fact_state state = fact.state;
    fact_fini(&fact);
    return state;
}

static void test_kept(void **state)
{
    (void)state;
    struct side former, fresh;
    struct ledger_rebuild_counts counts = {0};
    struct ledger_stats stats;
    struct ledger_fact fact;
    both_make(&former, &fresh);
    assert_int_equal(ledger_rebuild_keep(fresh.writer, former.store.env, &counts), OK);
    assert_int_equal(counts.kept, 4);
    assert_int_equal(counts.damaged, 0);
    assert_int_equal(state_of(&fresh, GONE), FACT_SETTLED);
    assert_int_equal(state_of(&fresh, SETTLED), FACT_SETTLED); // never sent again
    assert_int_equal(state_of(&fresh, HALF), FACT_DURABLE);
    assert_int_equal(state_of(&fresh, FRESH), FACT_DURABLE);
    assert_int_equal(state_of(&fresh, DROPPED), FACT_DROPPED);
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(fresh.store.env, test_receipt(0, HALF), &fact), OK);
    assert_int_equal(fact_delivery_find(&fact, 1)->state, DELIVERY_SETTLED);
    assert_int_equal(fact_delivery_find(&fact, 2)->state, DELIVERY_OWED);
    fact_fini(&fact);
    assert_int_equal(ledger_stats_get(fresh.store.env, &stats), OK);
    assert_int_equal(stats.totals.received, 4);
    assert_int_equal(stats.totals.settled, 2);
    assert_int_equal(stats.totals.open, 2);
    assert_int_equal(stats.totals.dropped, 1);
    assert_int_equal(stats.archives[0].states[DELIVERY_SETTLED], 3);
    assert_int_equal(stats.archives[1].states[DELIVERY_OWED], 2);
    ledger_stats_fini(&stats);
    side_fini(&former);
    side_fini(&fresh);
}

static const struct record_flags FOUR = {4,
                                         4,
                                         {{(const uint8_t *)"one", 3},
                                          {(const uint8_t *)"two", 3},
                                          {(const uint8_t *)"three", 5},
                                          {(const uint8_t *)"four", 4}}};

static struct fact_delivery delivery_kept(struct side *former, struct side *fresh, bool expect_former)
{
    struct ledger_rebuild_counts counts = {0};
    struct ledger_fact fact;
    side_feed(former);
    side_feed(fresh);
    assert_int_equal(ledger_rebuild_keep(fresh->writer, former->store.env, &counts), OK);
    assert_int_equal(counts.kept, expect_former);
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(fresh->store.env, test_receipt(0, SETTLED), &fact), OK);
    struct fact_delivery delivery = *fact_delivery_find(&fact, 1);
    for (size_t i = 0; i < RECORD_REASONS_MAX; i++) // only whether they are there
        delivery.flag_reason[i] = delivery.flag_reason[i] == NULL ? NULL : (char *)"";
    fact_fini(&fact);
    side_fini(former);
    side_fini(fresh);
    return delivery;
}

// The segment with SENT has gone, those with the receipt itself and with the last OUTCOME are there.
static void test_settled_without_sent(void **state)
{
    (void)state;
    struct side former, fresh;
    side_init(&former);
    side_init(&fresh);
    received(&former, SETTLED);
    test_sent_flagged(&former.journal, 0, test_receipt(0, SETTLED), 1, 101, &FOUR);
    test_outcome(&former.journal, 0, test_receipt(0, SETTLED), 1, RECORD_SETTLED, 0, 102);
    settled_at(&former, SETTLED, 2);
    received(&fresh, SETTLED);
    for (uint32_t archive = 1; archive <= 2; archive++)
        test_outcome(&fresh.journal, 0, test_receipt(0, SETTLED), archive, RECORD_SETTLED, 0, 102);
    struct fact_delivery delivery = delivery_kept(&former, &fresh, true);
    assert_int_equal(delivery.state, DELIVERY_SETTLED);
    assert_int_equal(delivery.attempts, 1);
    assert_true(delivery.has_header);
    assert_int_equal(delivery.flags, 4);
    assert_non_null(delivery.flag_reason[3]);
}

// A copy has cut what it knew of SENT: the first reason only.
static void flags_of_copy(struct side *former, struct side *fresh, bool is_settled)
{
    const struct record_flags cut = {4, 1, {FOUR.reason[0]}};
    side_init(former);
    side_init(fresh);
    received(former, SETTLED);
    received(fresh, SETTLED);
    test_sent_flagged(&former->journal, 0, test_receipt(0, SETTLED), 1, 101, &FOUR);
    test_sent_flagged(&fresh->journal, 0, test_receipt(0, SETTLED), 1, 101, &cut);
    for (uint32_t archive = 1; is_settled && archive <= 2; archive++) {
        test_outcome(&former->journal, 0, test_receipt(0, SETTLED), archive, RECORD_SETTLED, 0, 102);
        test_outcome(&fresh->journal, 0, test_receipt(0, SETTLED), archive, RECORD_SETTLED, 0, 102);
    }
}

static void test_flags_of_copy(void **state)
{
    (void)state;
    struct side former, fresh;
    for (unsigned is_settled = 0; is_settled < 2; is_settled++) {
        flags_of_copy(&former, &fresh, is_settled);
        struct fact_delivery delivery = delivery_kept(&former, &fresh, true);
        assert_non_null(delivery.flag_reason[3]);
    }
}

// What the former ledger had not read yet: the rejection of what had settled, a further attempt.
static void test_former_behind(void **state)
{
    (void)state;
    struct side former, fresh;
    side_init(&former);
    side_init(&fresh);
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = i == 0 ? &former : &fresh;
        received(side, SETTLED);
        settled_at(side, SETTLED, 1);
        settled_at(side, SETTLED, 2);
    }
    test_outcome(&fresh.journal, 0, test_receipt(0, SETTLED), 1, RECORD_REJECTED, 0, 103);
    assert_int_equal(delivery_kept(&former, &fresh, false).state, DELIVERY_REJECTED);
    side_init(&former);
    side_init(&fresh);
    received(&former, SETTLED);
    received(&fresh, SETTLED);
    test_sent_flagged(&former.journal, 0, test_receipt(0, SETTLED), 1, 101, &FOUR);
    test_sent_flagged(&fresh.journal, 0, test_receipt(0, SETTLED), 1, 101, &FOUR);
    test_sent(&fresh.journal, 0, test_receipt(0, SETTLED), 1, 102);
    struct fact_delivery delivery = delivery_kept(&former, &fresh, false);
    assert_int_equal(delivery.attempts, 2);
    assert_int_equal(delivery.flags, 0);
}

// ENGINE 2: numbers outlive the segments that they were used in.
static void test_numbers(void **state)
{
    (void)state;
    struct side former, fresh;
    struct ledger_rebuild_counts counts = {0};
    struct journal_floor floors[2], expected[2];
    side_init(&former);
    side_init(&fresh);
    for (uint64_t counter = 1; counter <= 20; counter++) {
        received(&former, counter);
        settled_at(&former, counter, 1);
        settled_at(&former, counter, 2);
    }
    side_feed(&former);
    assert_int_equal(ledger_floors_get(former.writer, expected, 2), 1);
    assert_int_equal(ledger_rebuild_keep(fresh.writer, former.store.env, &counts), OK);
    assert_int_equal(counts.kept, 20);
    assert_int_equal(ledger_floors_get(fresh.writer, floors, 2), 1);
    assert_int_equal(floors[0].receipt, expected[0].receipt);
    assert_int_equal(floors[0].segment, expected[0].segment);
    assert_int_equal(floors[0].ledger.segment, expected[0].ledger.segment);
    assert_true(fresh.writer->stored.order_high >= former.writer->stored.order_high);
    side_fini(&former);
    side_fini(&fresh);
}

// More patients than the new store has room for at first, and behind facts that were looked up in it.
static void test_map_full(void **state)
{
    enum { STUDIES = 20000 };
    (void)state;
    struct side former, fresh = {0};
    struct ledger_rebuild_counts counts = {0};
    struct kv_transaction transaction;
    uint64_t count = 0;
    side_init(&former);
    received(&former, GONE);
    side_feed(&former);
    assert_int_equal(kv_begin(former.store.env, KV_WRITE, &transaction), OK);
    for (uint32_t i = 0; i < STUDIES; i++) {
        uint8_t study[FACT_SOP_HASH_SIZE] = {(uint8_t)(i >> 8), (uint8_t)i};
        uint8_t patient[RECORD_PATIENT_SIZE + 8] = {1};
        assert_int_equal(kv_put(&transaction, LEDGER_PATIENT, slice_of(study, sizeof study),
                                slice_of(patient, sizeof patient), KV_PLAIN),
                         OK);
    }
    assert_int_equal(kv_commit(&transaction), OK);
    test_store_init(&fresh.store, STORE_LMDB, &ledger_schema);
    test_store_close(&fresh.store);
    fresh.store.map_size = 192 * 1024;
    test_store_open(&fresh.store);
    test_journal_init(&fresh.journal, 4);
    assert_int_equal(ledger_writer_new(fresh.store.env, NULL, NULL, NULL, &fresh.writer), OK);
    assert_int_equal(ledger_rebuild_keep(fresh.writer, former.store.env, &counts), OK);
    assert_int_equal(counts.damaged, 0);
    assert_int_equal(state_of(&fresh, GONE), FACT_DURABLE);
    assert_int_equal(kv_begin(fresh.store.env, KV_READ, &transaction), OK);
    assert_int_equal(kv_count(&transaction, LEDGER_PATIENT, &count), OK);
    kv_abort(&transaction);
    assert_int_equal(count, STUDIES);
    side_fini(&former);
    side_fini(&fresh);
}

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),          cmocka_unit_test(test_settled_without_sent),
        cmocka_unit_test(test_flags_of_copy), cmocka_unit_test(test_former_behind),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_map_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
