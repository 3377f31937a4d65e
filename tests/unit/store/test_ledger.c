// SPDX-License-Identifier: Apache-2.0
//
// The ledger writer record by record: states, batches, orphans, the vector, live counts, failures.
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct fixture {
    struct test_store store;
    struct test_journal journal;
    struct ledger_writer *writer;
    size_t fed;
    unsigned commits;
    uint64_t settled[8];
    unsigned settled_count;
};

static void on_commit(void *argument, struct ledger_writer *writer)
{
    struct fixture *fixture = argument;
    assert_ptr_equal(writer, fixture->writer);
    fixture->commits++;
}

static void on_settled(void *argument, uint64_t receipt)
{
    struct fixture *fixture = argument;
    fixture->settled[fixture->settled_count++ % 8] = receipt;
}

static void writer_open(struct fixture *fixture, size_t batch)
{
    struct ledger_options options = {.batch_receipts = batch};
    struct ledger_listener listener = {.argument = fixture, .on_commit = on_commit, .on_settled = on_settled};
    assert_int_equal(ledger_writer_new(fixture->store.env, NULL, &options, &listener, &fixture->writer), OK);
}

static void setup(struct fixture *fixture, unsigned per_segment)
{
    *fixture = (struct fixture){0};
    test_store_init(&fixture->store, STORE_SIM, &ledger_schema);
    test_journal_init(&fixture->journal, per_segment);
    writer_open(fixture, 0);
}

static void teardown(struct fixture *fixture)
{
    ledger_writer_free(&fixture->writer);
    test_journal_fini(&fixture->journal);
    test_store_fini(&fixture->store);
}

// Feeds what was written since the last time, without a commit.
static void feed(struct fixture *fixture)
{
    test_apply(fixture->writer, &fixture->journal, fixture->fed, fixture->journal.count);
    fixture->fed = fixture->journal.count;
}

static void feed_commit(struct fixture *fixture)
{
    feed(fixture);
    assert_int_equal(ledger_commit(fixture->writer), OK);
}

// The process dies and starts again; the journal is fed from its beginning, as a careless reader would.
static void restart(struct fixture *fixture)
{
    kv_sim_crash(fixture->store.disk);
    ledger_writer_free(&fixture->writer);
    test_store_close(&fixture->store);
    test_store_open(&fixture->store);
    writer_open(fixture, 0);
    fixture->fed = 0;
}

static void fact_get(struct fixture *fixture, uint64_t receipt, struct ledger_fact *fact)
{
    fact_init(fact);
    assert_int_equal(ledger_find_receipt(fixture->store.env, receipt, fact), OK);
}

static enum fact_state state_of(struct fixture *fixture, uint64_t receipt)
{
    struct ledger_fact fact;
    fact_get(fixture, receipt, &fact);
    enum fact_state state = fact.state;
    fact_fini(&fact);
    return state;
}

static enum delivery_state delivery_of(struct fixture *fixture, uint64_t receipt, uint32_t archive)
{
    struct ledger_fact fact;
    fact_get(fixture, receipt, &fact);
    const struct fact_delivery *delivery = fact_delivery_find(&fact, archive);
    assert_non_null(delivery);
    enum delivery_state state = delivery->state;
    fact_fini(&fact);
    return state;
}

static struct ledger_stats stats_of(struct fixture *fixture)
{
    struct ledger_stats stats;
    assert_int_equal(ledger_stats_get(fixture->store.env, &stats), OK);
    return stats;
}

static void whole_life(struct test_journal *journal, uint64_t receipt, unsigned sop)
{
    uint16_t stream = journal_receipt_stream(receipt);
    test_open(journal, receipt, sop, 100);
    test_data(journal, receipt);
    test_close(journal, receipt, 1, 2, 1000, 101);
    for (uint32_t archive = 1; archive <= 2; archive++) {
        test_sent(journal, stream, receipt, archive, 102);
        test_outcome(journal, stream, receipt, archive, RECORD_ANSWERED, 0xB000, 103);
        test_outcome(journal, stream, receipt, archive, RECORD_SETTLED, 0, 104);
    }
}

static void test_one_batch_three_puts(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 100);
    whole_life(&fixture.journal, test_receipt(0, 1), 1);
    feed_commit(&fixture);
    uint64_t first = fixture.store.env->counters.puts;
    for (uint64_t counter = 2; counter <= 101; counter++)
        whole_life(&fixture.journal, test_receipt(0, counter), (unsigned)counter);
    feed_commit(&fixture);
    // Three for each receipt; besides them the totals, the vector, one day and two archives, once per commit.
    assert_int_equal(fixture.store.env->counters.puts - first, 100 * 3 + 2 + 1 + 2);
    assert_int_equal(fixture.store.env->counters.deletes, 0);
    const struct ledger_writer_counters *counters = ledger_writer_counters_get(fixture.writer);
    assert_int_equal(counters->facts, 101);
    assert_int_equal(counters->open_puts, 0);
    assert_int_equal(counters->commits, 2);
    assert_int_equal(counters->skipped, 0);
    assert_int_equal(fixture.commits, 2);
    assert_int_equal(fixture.settled_count, 101);
    teardown(&fixture);
}

static void test_states_one_by_one(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t receipt = test_receipt(0, 1);
    setup(&fixture, 100);
    test_open(&fixture.journal, receipt, 1, 100);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_RECEIVED);
    test_close(&fixture.journal, receipt, 1, 2, 1000, 101);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_DURABLE);
    assert_int_equal(delivery_of(&fixture, receipt, 1), DELIVERY_OWED);
    static const struct {
        enum record_outcome_kind kind; // 0: SENT
        enum delivery_state after;
    } steps[] = {
        {0, DELIVERY_SENT},
        {RECORD_FAILED, DELIVERY_OWED},
        {0, DELIVERY_SENT},
        {RECORD_PARKED, DELIVERY_PARKED},
        {RECORD_UNPARKED, DELIVERY_OWED},
        {0, DELIVERY_SENT},
        {RECORD_ANSWERED, DELIVERY_ANSWERED},
        {RECORD_SETTLED, DELIVERY_SETTLED},
        {RECORD_PARKED, DELIVERY_SETTLED}, // what has settled stays so
        {0, DELIVERY_SETTLED},
    };
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].kind == 0)
            test_sent(&fixture.journal, 0, receipt, 1, 110 + i);
        else
            test_outcome(&fixture.journal, 0, receipt, 1, steps[i].kind, 0, 110 + i);
        feed_commit(&fixture);
        assert_int_equal(delivery_of(&fixture, receipt, 1), steps[i].after);
        assert_int_equal(state_of(&fixture, receipt), FACT_DURABLE);
    }
    assert_int_equal(fixture.settled_count, 0);
    test_outcome(&fixture.journal, 0, receipt, 2, RECORD_DROPPED_PERSON, 0, 130);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_SETTLED);
    assert_int_equal(fixture.settled_count, 1);
    assert_int_equal(fixture.settled[0], receipt);
    struct ledger_fact fact;
    fact_get(&fixture, receipt, &fact);
    assert_string_equal(fact.called, "OLDPACS");
    assert_string_equal(fact.study, "1.9.1");
    assert_string_equal(fact.modality, "CT");
    assert_int_equal(fact.deliveries[0].attempts, 4);
    assert_int_equal(fact.deliveries[0].failures, 1);
    assert_int_equal(fact.deliveries[0].settled_by, RECORD_BY_ANSWER_ONLY);
    assert_string_equal(fact.deliveries[1].person, "operator");
    assert_true(fact.settled_at == 130 * NSEC_PER_SEC);
    assert_int_equal(fact.open.segment, 0);
    fact_fini(&fact);
    teardown(&fixture);
}

static enum result open_note(void *argument, const struct open_entry *entry)
{
    struct open_delivery *first = argument;
    *first = entry->deliveries[0];
    if (first->state == DELIVERY_HELD)
        assert_string_equal(first->explanation, "patient is unmatched");
    return OK;
}

static void test_held(void **state)
{
    (void)state;
    static const struct {
        enum record_outcome_kind kind; // 0: SENT
        enum delivery_state after;
        bool is_released;
    } steps[] = {
        {RECORD_HELD, DELIVERY_HELD, false},
        {0, DELIVERY_SENT, false}, // what held it has gone
        {RECORD_FAILED, DELIVERY_OWED, false},
        {RECORD_HELD, DELIVERY_HELD, false},
        {RECORD_RELEASED, DELIVERY_OWED, true},
        {RECORD_HELD, DELIVERY_HELD, true}, // it can not be edited
        {RECORD_RELEASED, DELIVERY_OWED, true},
        {0, DELIVERY_SENT, true},
        {RECORD_ANSWERED, DELIVERY_ANSWERED, true},
        {RECORD_HELD, DELIVERY_ANSWERED, true}, // too late
        {RECORD_RELEASED, DELIVERY_ANSWERED, true},
    };
    struct fixture fixture;
    struct open_delivery first;
    uint64_t receipt = test_receipt(0, 1);
    setup(&fixture, 100);
    test_open(&fixture.journal, receipt, 1, 100);
    test_close(&fixture.journal, receipt, 1, 2, 1000, 101);
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (steps[i].kind == 0)
            test_sent(&fixture.journal, 0, receipt, 1, 110 + i);
        else
            test_outcome(&fixture.journal, 0, receipt, 1, steps[i].kind, 0, 110 + i);
        feed_commit(&fixture);
        assert_int_equal(open_index_each(fixture.store.env, open_note, &first), OK);
        assert_int_equal(first.state, steps[i].after);
        assert_true(first.is_released == steps[i].is_released);
        struct ledger_stats stats = stats_of(&fixture);
        assert_int_equal(stats.archives[0].states[DELIVERY_HELD], steps[i].after == DELIVERY_HELD);
        ledger_stats_fini(&stats);
    }
    test_outcome(&fixture.journal, 0, receipt, 1, RECORD_SETTLED, 0, 130);
    test_outcome(&fixture.journal, 0, receipt, 2, RECORD_HELD, 0, 130);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_DURABLE);
    test_outcome(&fixture.journal, 0, receipt, 2, RECORD_REJECTED, 0, 131);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_SETTLED);
    assert_int_equal(delivery_of(&fixture, receipt, 2), DELIVERY_REJECTED);
    teardown(&fixture);
}

static void test_stats(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t parked = test_receipt(1, 1);
    setup(&fixture, 100);
    whole_life(&fixture.journal, test_receipt(0, 1), 1);
    test_open(&fixture.journal, parked, 2, 100);
    test_close(&fixture.journal, parked, 1, 2, 50, 90000); // the second day
    test_outcome(&fixture.journal, 1, parked, 2, RECORD_PARKED, 0, 90001);
    test_open(&fixture.journal, test_receipt(1, 2), 3, 90002);
    test_drop(&fixture.journal, test_receipt(1, 2), 90003);
    test_outcome(&fixture.journal, 1, test_receipt(2, 1), 1, RECORD_ANSWERED, 0, 90004);
    feed_commit(&fixture);
    struct ledger_stats stats = stats_of(&fixture);
    assert_int_equal(stats.totals.received, 2);
    assert_int_equal(stats.totals.bytes, 1050);
    assert_int_equal(stats.totals.dropped, 1);
    assert_int_equal(stats.totals.settled, 1);
    assert_int_equal(stats.totals.open, 1);
    assert_int_equal(stats.totals.orphans, 1);
    assert_int_equal(stats.archive_count, 2);
    assert_int_equal(stats.archives[0].states[DELIVERY_SETTLED], 1);
    assert_int_equal(stats.archives[0].states[DELIVERY_OWED], 1);
    assert_int_equal(stats.archives[1].states[DELIVERY_PARKED], 1);
    assert_int_equal(stats.archives[0].attempts, 1);
    assert_int_equal(stats.day_count, 2);
    assert_int_equal(stats.days[0].received, 1);
    assert_int_equal(stats.days[0].settled, 1);
    assert_int_equal(stats.days[1].received, 1);
    assert_int_equal(stats.days[1].bytes, 50);
    assert_int_equal(stats.days[1].dropped, 1);
    ledger_stats_fini(&stats);
    test_outcome(&fixture.journal, 1, parked, 2, RECORD_SUPERSEDED, 0, 90005);
    test_outcome(&fixture.journal, 1, parked, 1, RECORD_SUPERSEDED, 0, 90005);
    feed_commit(&fixture);
    stats = stats_of(&fixture);
    assert_int_equal(stats.totals.open, 0);
    assert_int_equal(stats.totals.settled, 2);
    assert_int_equal(stats.archives[1].states[DELIVERY_PARKED], 0);
    assert_int_equal(stats.archives[1].states[DELIVERY_SUPERSEDED], 1);
    ledger_stats_fini(&stats);
    teardown(&fixture);
}

// The last SENT decides: other packs, or a crosswalk that knows more, find other things, or nothing.
static void test_flags_of_the_last_sent(void **state)
{
    (void)state;
    const struct record_flags flags[] = {{2, 2, {slice_of_text("p/a: look"), slice_of_text("p/b: look")}},
                                         {1, 1, {slice_of_text("p/c: look")}},
                                         {0}};
    static const char *const first[] = {"p/a: look", "p/c: look", NULL};
    struct fixture fixture;
    uint64_t receipt = test_receipt(0, 5);
    setup(&fixture, 100);
    test_open(&fixture.journal, receipt, 1, 100);
    test_close(&fixture.journal, receipt, 1, 2, 10, 101);
    for (size_t i = 0; i < 3; i++) {
        struct ledger_fact fact;
        fact_init(&fact);
        test_sent_flagged(&fixture.journal, 0, receipt, 1, 110 + i, &flags[i]);
        feed_commit(&fixture);
        assert_int_equal(ledger_find_receipt(fixture.store.env, receipt, &fact), OK);
        const struct fact_delivery *delivery = fact_delivery_find(&fact, 1);
        assert_int_equal(delivery->flags, 2 - i);
        assert_true(first[i] == NULL ? delivery->flag_reason[0] == NULL
                                     : strcmp(delivery->flag_reason[0], first[i]) == 0);
        assert_true((delivery->flag_reason[1] != NULL) == (i == 0));
        assert_int_equal(fact_delivery_find(&fact, 2)->flags, 0);
        fact_fini(&fact);
    }
    teardown(&fixture);
}

static void test_orphan(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t receipt = test_receipt(1, 5);
    setup(&fixture, 100);
    test_sent(&fixture.journal, 0, receipt, 1, 120);
    test_outcome(&fixture.journal, 0, receipt, 1, RECORD_SETTLED, 0, 121);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_ORPHAN);
    assert_int_equal(ledger_writer_counters_get(fixture.writer)->orphans, 1);
    restart(&fixture);
    fixture.fed = fixture.journal.count;
    test_open(&fixture.journal, receipt, 1, 100);
    test_close(&fixture.journal, receipt, 1, 1, 10, 101);
    feed_commit(&fixture);
    assert_int_equal(state_of(&fixture, receipt), FACT_SETTLED);
    struct ledger_stats stats = stats_of(&fixture);
    assert_int_equal(stats.totals.orphans, 0);
    assert_int_equal(stats.totals.settled, 1);
    ledger_stats_fini(&stats);
    teardown(&fixture);
}

// A client that is refused tries again and again: what is owed under the same UID is found all the same.
static void test_many_dropped_of_one_uid(void **state)
{
    enum { FOUND_MOST = 32, OF_STREAM = 16 };
    uint8_t hash[FACT_SOP_HASH_SIZE];
    uint64_t found[FOUND_MOST];
    size_t count;
    struct fixture fixture;
    (void)state;
    setup(&fixture, 1000);
    for (unsigned i = 1; i <= 60; i++) {
        test_open(&fixture.journal, test_receipt(0, i), 7, 100 + i);
        test_close(&fixture.journal, test_receipt(0, i), 1, 1, 1000, 100 + i);
        if (i > 1)
            test_drop(&fixture.journal, test_receipt(0, i), 100 + i);
    }
    feed_commit(&fixture);
    fact_uid_hash(slice_of_text("1.2.3.7"), hash);
    assert_int_equal(ledger_sop_receipts(fixture.store.env, hash, found, FOUND_MOST, OF_STREAM, &count), OK);
    assert_int_equal(count, 1);
    assert_int_equal(found[0], test_receipt(0, 1));
    teardown(&fixture);
}

static void test_drops(void **state)
{
    (void)state;
    struct fixture fixture;
    struct ledger_fact fact;
    setup(&fixture, 100);
    test_open(&fixture.journal, test_receipt(0, 1), 1, 100); // dropped before CLOSE
    test_drop(&fixture.journal, test_receipt(0, 1), 101);
    test_open(&fixture.journal, test_receipt(0, 2), 2, 100); // its sync failed after CLOSE
    test_close(&fixture.journal, test_receipt(0, 2), 1, 2, 10, 101);
    feed_commit(&fixture);
    test_drop(&fixture.journal, test_receipt(0, 2), 102);
    test_open(&fixture.journal, test_receipt(0, 3), 3, 100); // found incomplete by recovery
    test_incomplete(&fixture.journal, test_receipt(0, 3), 101);
    test_open(&fixture.journal, test_receipt(0, 4), 4, 100); // damaged
    test_corrupt(&fixture.journal, test_receipt(0, 4));
    test_corrupt(&fixture.journal, test_receipt(0, 99)); // of a receipt that nobody knows
    feed_commit(&fixture);
    for (uint64_t counter = 1; counter <= 3; counter++)
        assert_int_equal(state_of(&fixture, test_receipt(0, counter)), FACT_DROPPED);
    fact_get(&fixture, test_receipt(0, 1), &fact);
    assert_int_equal(fact.drop_status, 0xC000);
    assert_string_equal(fact.remark, "data set cut short");
    fact_fini(&fact);
    fact_get(&fixture, test_receipt(0, 3), &fact);
    assert_int_equal(fact.drop_reason, RECORD_DROP_INCOMPLETE);
    assert_string_equal(fact.study, "1.9.1");
    fact_fini(&fact);
    fact_get(&fixture, test_receipt(0, 4), &fact);
    assert_int_equal(fact.damaged, 1);
    fact_fini(&fact);
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(fixture.store.env, test_receipt(0, 99), &fact), ERR_MISSING);
    assert_int_equal(ledger_writer_counters_get(fixture.writer)->corrupt, 2);
    struct ledger_stats stats = stats_of(&fixture);
    assert_int_equal(stats.totals.dropped, 3);
    assert_int_equal(stats.totals.open, 0);
    assert_int_equal(stats.archives[0].states[DELIVERY_OWED], 0);
    ledger_stats_fini(&stats);
    teardown(&fixture);
}

static void test_useless_records(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 100);
    test_open(&fixture.journal, test_receipt(0, 1), 1, 100);
    fixture.journal.entries[0].body[0] = 0x00; // no map any more
    whole_life(&fixture.journal, test_receipt(0, 2), 2);
    feed_commit(&fixture);
    assert_int_equal(ledger_writer_counters_get(fixture.writer)->skipped, 1);
    assert_int_equal(state_of(&fixture, test_receipt(0, 2)), FACT_SETTLED);
    teardown(&fixture);
}

static void test_vector(void **state)
{
    (void)state;
    struct fixture fixture;
    struct journal_position position;
    struct journal_floor floors[4];
    setup(&fixture, 3);
    assert_false(ledger_position_get(fixture.writer, 0, &position));
    whole_life(&fixture.journal, test_receipt(0, 7), 1);
    feed(&fixture);
    assert_false(ledger_position_get(fixture.writer, 0, &position)); // not committed
    assert_int_equal(ledger_commit(fixture.writer), OK);
    assert_true(ledger_position_get(fixture.writer, 0, &position));
    assert_int_equal(journal_position_compare(position, fixture.journal.ends[0]), 0);
    uint64_t print = kv_sim_fingerprint(fixture.store.disk);
    restart(&fixture);
    feed_commit(&fixture); // everything again: nothing changes
    assert_true(kv_sim_fingerprint(fixture.store.disk) == print);
    assert_int_equal(ledger_writer_counters_get(fixture.writer)->commits, 0);
    assert_int_equal(ledger_floors_get(fixture.writer, floors, 4), 1);
    assert_int_equal(floors[0].receipt, test_receipt(0, 8));
    assert_int_equal(floors[0].segment, position.segment);
    teardown(&fixture);
}

static void test_live_counts(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t receipt = test_receipt(0, 1);
    setup(&fixture, 1); // every record in a segment of its own
    test_open(&fixture.journal, receipt, 1, 100);
    feed(&fixture);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 1), 0); // as of the last commit
    assert_int_equal(ledger_commit(fixture.writer), OK);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 1), 1);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 7), 1); // chunks may lie anywhere behind OPEN
    assert_int_equal(ledger_live_count(fixture.writer, 1, 1), 0);
    test_data(&fixture.journal, receipt);
    feed_commit(&fixture);
    restart(&fixture); // counted anew from the open index
    assert_int_equal(ledger_live_count(fixture.writer, 0, 2), 1);
    test_close(&fixture.journal, receipt, 1, 1, 10, 101);
    feed_commit(&fixture);
    for (uint32_t segment = 1; segment <= 4; segment++)
        assert_int_equal(ledger_live_count(fixture.writer, 0, segment), segment <= 3);
    restart(&fixture);
    for (uint32_t segment = 1; segment <= 4; segment++)
        assert_int_equal(ledger_live_count(fixture.writer, 0, segment), segment <= 3);
    test_outcome(&fixture.journal, 1, receipt, 1, RECORD_ANSWERED, 0, 102);
    feed_commit(&fixture);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 2), 1); // answered is not settled
    test_outcome(&fixture.journal, 1, receipt, 1, RECORD_SETTLED, 0, 103);
    feed(&fixture);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 2), 1);
    assert_int_equal(ledger_commit(fixture.writer), OK);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 2), 0);
    teardown(&fixture);
}

static void test_forget_unfinished(void **state)
{
    (void)state;
    struct fixture fixture;
    size_t count = 0;
    setup(&fixture, 10);
    for (uint64_t counter = 1; counter <= 200; counter++)
        test_open(&fixture.journal, test_receipt(0, counter), 1, 100);
    test_close(&fixture.journal, test_receipt(0, 50), 1, 1, 10, 101);
    feed_commit(&fixture);
    restart(&fixture);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 20), 199 + 1);
    assert_int_equal(ledger_forget_unfinished(fixture.writer, &count), OK);
    assert_int_equal(count, 199);
    assert_int_equal(ledger_live_count(fixture.writer, 0, 20), 1);
    assert_int_equal(state_of(&fixture, test_receipt(0, 1)), FACT_DROPPED);
    assert_int_equal(state_of(&fixture, test_receipt(0, 50)), FACT_DURABLE);
    assert_int_equal(ledger_forget_unfinished(fixture.writer, &count), OK);
    assert_int_equal(count, 0);
    teardown(&fixture);
}

static void test_commit_failures(void **state)
{
    (void)state;
    struct fixture fixture;
    static const struct {
        enum kv_sim_fault fault;
        enum result expected;
    } faults[] = {{KV_SIM_SPACE, ERR_SPACE}, {KV_SIM_IO, ERR_IO}, {KV_SIM_MAP_FULL, OK}};
    setup(&fixture, 100);
    for (unsigned i = 0; i < sizeof faults / sizeof *faults; i++) {
        whole_life(&fixture.journal, test_receipt(0, i + 1), i);
        feed(&fixture);
        kv_sim_fault_set(fixture.store.disk, faults[i].fault, 0);
        assert_int_equal(ledger_commit(fixture.writer), faults[i].expected);
        // What comes after a failure goes into the same batch, and all of it is written in the end.
        test_outcome(&fixture.journal, 0, test_receipt(0, i + 1), 1, RECORD_ANSWERED, 0x0111, 200);
        feed_commit(&fixture);
        struct ledger_fact fact;
        fact_get(&fixture, test_receipt(0, i + 1), &fact);
        assert_int_equal(fact.state, FACT_SETTLED);
        assert_int_equal(fact.deliveries[0].status, 0x0111);
        fact_fini(&fact);
    }
    teardown(&fixture);
}

static void test_batch_limit(void **state)
{
    (void)state;
    struct fixture fixture;
    setup(&fixture, 100);
    ledger_writer_free(&fixture.writer);
    writer_open(&fixture, 4);
    for (uint64_t counter = 1; counter <= 5; counter++)
        whole_life(&fixture.journal, test_receipt(0, counter), 1);
    size_t each = fixture.journal.count / 5;
    test_apply(fixture.writer, &fixture.journal, 0, 4 * each);
    const struct journal_entry *fifth = &fixture.journal.entries[4 * each].entry;
    assert_int_equal(ledger_apply(fixture.writer, fifth), AGAIN);
    assert_int_equal(ledger_apply(fixture.writer, fifth), AGAIN);
    assert_int_equal(ledger_commit(fixture.writer), OK);
    assert_int_equal(ledger_apply(fixture.writer, fifth), OK);
    teardown(&fixture);
}

// ---- looking things up

static enum result count_visit(void *argument, const struct ledger_fact *fact)
{
    unsigned *count = argument;
    assert_true(fact->receipt != 0);
    (*count)++;
    return OK;
}

static enum result rising_visit(void *argument, const struct ledger_fact *fact)
{
    uint64_t *last = argument;
    assert_true(fact->receipt > *last);
    *last = fact->receipt;
    return OK;
}

static void test_look_up(void **state)
{
    (void)state;
    struct fixture fixture;
    unsigned count = 0;
    uint64_t last = 0;
    uint64_t damaged = 1;
    char text[18];
    setup(&fixture, 100);
    for (uint64_t counter = 1; counter <= 300; counter++) {
        uint64_t receipt = test_receipt((uint16_t)(counter % 3), counter);
        if (counter % 2 == 0) {
            whole_life(&fixture.journal, receipt, (unsigned)(counter % 100));
        } else {
            test_open(&fixture.journal, receipt, (unsigned)(counter % 100), 100);
            test_close(&fixture.journal, receipt, 2, 2, 1, 101);
        }
    }
    feed_commit(&fixture);
    struct kv_env *env = fixture.store.env;
    assert_int_equal(ledger_find_uid(env, slice_of("1.2.3.7\0", 8), count_visit, &count), OK);
    assert_int_equal(count, 3); // counters 7, 107, 207
    count = 0;
    assert_int_equal(ledger_find_uid(env, slice_of_text("1.9.2"), count_visit, &count), OK);
    assert_int_equal(count, 150);
    assert_int_equal(ledger_find_uid(env, slice_of_text("1.9.3"), count_visit, &count), ERR_MISSING);
    ledger_receipt_text(test_receipt(1, 298), text, sizeof text);
    assert_string_equal(text, "0001-00000000012a");
    count = 0;
    assert_int_equal(ledger_find_text(env, text, count_visit, &count), OK);
    assert_int_equal(ledger_find_text(env, "3", count_visit, &count), OK);
    assert_int_equal(count, 2);
    assert_int_equal(ledger_find_text(env, "0001-0000000000", count_visit, &count), ERR_MISSING);
    assert_int_equal(ledger_each(env, rising_visit, &last, &damaged), OK);
    assert_int_equal(damaged, 0);
    count = 0;
    assert_int_equal(ledger_each(env, count_visit, &count, NULL), OK);
    assert_int_equal(count, 300);
    teardown(&fixture);
}

static enum result order_visit(void *argument, const struct open_entry *entry)
{
    uint64_t *last = argument;
    assert_true(entry->receipt > *last);
    *last = entry->receipt;
    assert_true(entry->order > (uint64_t)1 << 40);
    assert_int_equal(entry->delivery_count, 2);
    assert_int_equal(entry->deliveries[1].archive, 2);
    assert_true(entry->open.segment != 0 && entry->close.segment != 0);
    return OK;
}

static void test_open_index(void **state)
{
    (void)state;
    struct fixture fixture;
    uint64_t last = 0;
    setup(&fixture, 100);
    test_open(&fixture.journal, test_receipt(0, 9), 9, 100);
    for (uint64_t counter = 1; counter <= 3; counter++) {
        test_open(&fixture.journal, test_receipt(2, counter), 1, 100);
        test_close(&fixture.journal, test_receipt(2, counter), 1, 2, 1, 101);
        test_open(&fixture.journal, test_receipt(1, counter), 1, 100);
        test_close(&fixture.journal, test_receipt(1, counter), 1, 2, 1, 101);
    }
    whole_life(&fixture.journal, test_receipt(1, 4), 1);
    test_outcome(&fixture.journal, 1, test_receipt(3, 1), 1, RECORD_ANSWERED, 0, 101);
    feed_commit(&fixture);
    assert_int_equal(open_index_each(fixture.store.env, order_visit, &last), OK);
    assert_true(last == test_receipt(2, 3));
    teardown(&fixture);
}

static enum result explanation_visit(void *argument, const struct open_entry *entry)
{
    const char **explanation = argument;
    assert_int_equal(entry->delivery_count, 2);
    assert_null(entry->deliveries[1].explanation);
    const char *why = entry->deliveries[0].explanation;
    *explanation = why == NULL ? "none" : strcmp(why, "no context") == 0 ? "no context" : "another";
    return OK;
}

// Why a delivery was parked is told to the next life, as long as it is.
static void test_open_index_explains(void **state)
{
    (void)state;
    struct fixture fixture;
    const char *explanation = NULL;
    setup(&fixture, 100);
    test_open(&fixture.journal, test_receipt(1, 1), 1, 100);
    test_close(&fixture.journal, test_receipt(1, 1), 1, 2, 1, 101);
    test_outcome(&fixture.journal, 1, test_receipt(1, 1), 1, RECORD_PARKED, 0, 102);
    feed_commit(&fixture);
    assert_int_equal(open_index_each(fixture.store.env, explanation_visit, &explanation), OK);
    assert_string_equal(explanation, "no context");
    test_outcome(&fixture.journal, 1, test_receipt(1, 1), 1, RECORD_UNPARKED, 0, 103);
    feed_commit(&fixture);
    assert_int_equal(open_index_each(fixture.store.env, explanation_visit, &explanation), OK);
    assert_string_equal(explanation, "none");
    teardown(&fixture);
}

// ENGINE 7: name, patient ID and accession number never reach the store; the closing record carries the name.
static void test_no_patient_data(void **state)
{
    (void)state;
    struct fixture fixture;
    struct kv_transaction transaction;
    struct kv_cursor cursor;
    setup(&fixture, 100);
    whole_life(&fixture.journal, test_receipt(0, 1), 1);
    test_open(&fixture.journal, test_receipt(0, 2), 1, 100);
    test_close(&fixture.journal, test_receipt(0, 2), 1, 2, 1, 101);
    assert_non_null(
        memmem(fixture.journal.entries[2].body, fixture.journal.entries[2].entry.body.length, "DOE^JANE", 8));
    feed_commit(&fixture);
    assert_int_equal(kv_begin(fixture.store.env, KV_READ, &transaction), OK);
    unsigned pairs = 0;
    for (unsigned database = 0; database < ledger_schema.count; database++) {
        assert_int_equal(kv_cursor_init(&cursor, &transaction, database), OK);
        for (enum result result = kv_cursor_first(&cursor); result == OK; result = kv_cursor_next(&cursor)) {
            assert_null(memmem(cursor.value.data, cursor.value.length, "DOE", 3));
            assert_null(memmem(cursor.key.data, cursor.key.length, "DOE", 3));
            pairs++;
        }
        kv_cursor_fini(&cursor);
    }
    kv_abort(&transaction);
    assert_in_range(pairs, 10, 20);
    teardown(&fixture);
}

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_batch_three_puts),
        cmocka_unit_test(test_states_one_by_one),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_flags_of_the_last_sent),
        cmocka_unit_test(test_orphan),
        cmocka_unit_test(test_drops),
        cmocka_unit_test(test_many_dropped_of_one_uid),
        cmocka_unit_test(test_useless_records),
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_live_counts),
        cmocka_unit_test(test_forget_unfinished),
        cmocka_unit_test(test_commit_failures),
        cmocka_unit_test(test_batch_limit),
        cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_open_index),
        cmocka_unit_test(test_open_index_explains),
        cmocka_unit_test(test_no_patient_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
