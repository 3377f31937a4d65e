// SPDX-License-Identifier: Apache-2.0
//
// Random histories over three streams: fed in any interleaving, with commits anywhere and crashes in the
// middle of commits, the store must end with the same bytes; and its open index must be what a naive model
// says.
#include "base/log.h"
#include "base/text.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { STREAMS = 3, RECEIPTS = 40, ARCHIVES = 2, HISTORIES = 60, FEEDS = 4 };

// The model: what a reader of the standard texts would expect of one receipt.
struct expected {
    uint64_t receipt;
    bool opened;
    bool closed;
    bool dropped;
    enum delivery_state states[ARCHIVES];
    uint16_t via[ARCHIVES]; // stream that tells of this archive
};

struct history {
    struct test_journal journal;
    struct expected expected[RECEIPTS];
    uint64_t random;
};

static uint64_t below(struct history *history, uint64_t limit)
{
    return test_random(&history->random) % limit;
}

static void report_add(struct history *history, struct expected *expected, unsigned archive, uint64_t time)
{
    static const struct {
        enum record_outcome_kind kind;
        enum delivery_state state;
    } kinds[] = {
        {RECORD_ANSWERED, DELIVERY_ANSWERED},
        {RECORD_SETTLED, DELIVERY_SETTLED},
        {RECORD_PARKED, DELIVERY_PARKED},
        {RECORD_UNPARKED, DELIVERY_OWED},
        {RECORD_SUPERSEDED, DELIVERY_SUPERSEDED},
        {RECORD_DROPPED_PERSON, DELIVERY_DROPPED},
        {RECORD_HELD, DELIVERY_HELD},
        {RECORD_REJECTED, DELIVERY_REJECTED},
    };
    enum delivery_state *state = &expected->states[archive];
    uint64_t choice = below(history, 10);
    bool settled = *state >= DELIVERY_SETTLED && *state <= DELIVERY_DROPPED;
    uint16_t stream = expected->via[archive];
    if (choice >= 8) {
        test_sent(&history->journal, stream, expected->receipt, archive + 1, time);
        if (*state == DELIVERY_OWED || *state == DELIVERY_PARKED || *state == DELIVERY_HELD)
            *state = DELIVERY_SENT;
        return;
    }
    test_outcome(&history->journal, stream, expected->receipt, archive + 1, kinds[choice].kind, 0, time);
    bool is_late = kinds[choice].kind == RECORD_HELD && *state == DELIVERY_ANSWERED;
    bool is_marked = kinds[choice].kind == RECORD_REJECTED && *state == DELIVERY_SETTLED; // FIELD 13
    if ((!settled && !is_late) || is_marked)
        *state = kinds[choice].state;
}

static void history_make(struct history *history, uint64_t seed)
{
    *history = (struct history){.random = seed};
    test_journal_init(&history->journal, 5 + (unsigned)(seed % 20));
    for (unsigned i = 0; i < RECEIPTS; i++) {
        struct expected *expected = &history->expected[i];
        expected->receipt = test_receipt((uint16_t)below(history, STREAMS), i + 1);
        for (unsigned archive = 0; archive < ARCHIVES; archive++) {
            expected->states[archive] = DELIVERY_OWED;
            expected->via[archive] = below(history, 4) == 0 ? (uint16_t)below(history, STREAMS)
                                                            : journal_receipt_stream(expected->receipt);
        }
    }
    for (unsigned step = 0; step < RECEIPTS * 6; step++) {
        struct expected *expected = &history->expected[below(history, RECEIPTS)];
        uint64_t time = 1000 + step * 1000;
        if (!expected->opened) {
            test_open(&history->journal, expected->receipt, step, time);
            expected->opened = true;
        } else if (expected->dropped) {
            test_data(&history->journal, expected->receipt);
        } else if (!expected->closed && below(history, 6) == 0) {
            test_drop(&history->journal, expected->receipt, time);
            expected->dropped = true;
        } else if (!expected->closed) {
            test_close(&history->journal, expected->receipt, step % 5, ARCHIVES, step, time);
            expected->closed = true;
        } else {
            report_add(history, expected, (unsigned)below(history, ARCHIVES), time);
        }
    }
}

static bool is_open(const struct expected *expected)
{
    if (!expected->closed || expected->dropped)
        return false;
    for (unsigned archive = 0; archive < ARCHIVES; archive++)
        if (expected->states[archive] < DELIVERY_SETTLED || expected->states[archive] == DELIVERY_HELD)
            return true;
    return false;
}

// ---- feeding

struct feed {
    struct test_store store;
    struct ledger_writer *writer;
    const struct history *history;
    size_t next[STREAMS]; // index into the journal's entries, per stream
};

static void feed_writer_open(struct feed *feed)
{
    assert_int_equal(ledger_writer_new(feed->store.env, NULL, NULL, NULL, &feed->writer), OK);
    memset(feed->next, 0, sizeof feed->next);
}

static void feed_crash(struct feed *feed)
{
    kv_sim_crash(feed->store.disk);
    ledger_writer_free(&feed->writer);
    test_store_close(&feed->store);
    test_store_open(&feed->store);
    feed_writer_open(feed);
}

// Applies the next entry of the stream; false at its end.
static bool feed_one(struct feed *feed, uint16_t stream)
{
    const struct test_journal *journal = &feed->history->journal;
    size_t i = feed->next[stream];
    while (i < journal->count && journal->entries[i].entry.position.stream != stream)
        i++;
    feed->next[stream] = i + 1;
    if (i >= journal->count)
        return false;
    test_apply(feed->writer, journal, i, i + 1);
    return true;
}

static uint64_t feed_straight(const struct history *history)
{
    struct feed feed = {.history = history};
    test_store_init(&feed.store, STORE_SIM, &ledger_schema);
    feed_writer_open(&feed);
    test_apply(feed.writer, &history->journal, 0, history->journal.count);
    assert_int_equal(ledger_commit(feed.writer), OK);
    uint64_t print = kv_sim_fingerprint(feed.store.disk);
    ledger_writer_free(&feed.writer);
    test_store_fini(&feed.store);
    return print;
}

static void feed_wild(struct feed *feed, uint64_t *random)
{
    unsigned crashes = 0;
    for (unsigned ended = 0; ended != (1u << STREAMS) - 1;) {
        uint16_t stream = (uint16_t)(test_random(random) % STREAMS);
        if (!feed_one(feed, stream))
            ended |= 1u << stream;
        uint64_t chance = test_random(random) % 40;
        if (chance < 4) {
            assert_int_equal(ledger_commit(feed->writer), OK);
        } else if (chance < 6 && crashes < 6) {
            kv_sim_fault_set(feed->store.disk,
                             chance == 4 ? KV_SIM_CRASH_BEFORE_COMMIT : KV_SIM_CRASH_AFTER_COMMIT, 0);
            (void)!ledger_commit(feed->writer); // nothing to write: no crash in it
            kv_sim_fault_set(feed->store.disk, KV_SIM_NONE, 0);
            feed_crash(feed);
            ended = 0;
            crashes++;
        } else if (chance == 6) {
            kv_sim_fault_set(feed->store.disk, KV_SIM_MAP_FULL, test_random(random) % 5);
        }
    }
    assert_int_equal(ledger_commit(feed->writer), OK);
}

// ---- comparing

struct comparison {
    const struct history *history;
    unsigned seen;
};

static enum result open_check(void *argument, const struct open_entry *entry)
{
    struct comparison *comparison = argument;
    for (unsigned i = 0; i < RECEIPTS; i++) {
        const struct expected *expected = &comparison->history->expected[i];
        if (expected->receipt != entry->receipt)
            continue;
        assert_true(is_open(expected));
        assert_int_equal(entry->delivery_count, ARCHIVES);
        for (unsigned archive = 0; archive < ARCHIVES; archive++)
            assert_int_equal(entry->deliveries[archive].state, expected->states[archive]);
        comparison->seen++;
        return OK;
    }
    return ERR_MISSING;
}

static void open_index_compare(struct feed *feed)
{
    struct comparison comparison = {feed->history, 0};
    unsigned open = 0;
    for (unsigned i = 0; i < RECEIPTS; i++)
        open += is_open(&feed->history->expected[i]);
    assert_int_equal(open_index_each(feed->store.env, open_check, &comparison), OK);
    assert_int_equal(comparison.seen, open);
}

// Live counts held by the writer are those that a new writer counts from the store.
static void live_compare(struct feed *feed)
{
    struct ledger_writer *fresh = NULL;
    assert_int_equal(ledger_writer_new(feed->store.env, NULL, NULL, NULL, &fresh), OK);
    for (uint16_t stream = 0; stream < STREAMS; stream++)
        for (uint32_t segment = 1; segment <= feed->history->journal.ends[stream].segment + 1; segment++)
            assert_int_equal(ledger_live_count(feed->writer, stream, segment),
                             ledger_live_count(fresh, stream, segment));
    ledger_writer_free(&fresh);
}

static void test_histories(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct history history;
        history_make(&history, seed * 7919);
        uint64_t print = feed_straight(&history);
        for (uint64_t i = 0; i < FEEDS; i++) {
            struct feed feed = {.history = &history};
            uint64_t random = seed * 104729 + i;
            test_store_init(&feed.store, STORE_SIM, &ledger_schema);
            feed_writer_open(&feed);
            feed_wild(&feed, &random);
            open_index_compare(&feed);
            live_compare(&feed);
            assert_true(kv_sim_fingerprint(feed.store.disk) == print);
            ledger_writer_free(&feed.writer);
            test_store_fini(&feed.store);
        }
        test_journal_fini(&history.journal);
    }
}

// Every prefix: apply, commit, crash, replay all.
static void test_every_prefix(void **state)
{
    (void)state;
    struct history history;
    history_make(&history, 5);
    uint64_t print = feed_straight(&history);
    for (size_t prefix = 0; prefix <= history.journal.count; prefix++) {
        struct feed feed = {.history = &history};
        test_store_init(&feed.store, STORE_SIM, &ledger_schema);
        feed_writer_open(&feed);
        test_apply(feed.writer, &history.journal, 0, prefix);
        assert_int_equal(ledger_commit(feed.writer), OK);
        feed_crash(&feed);
        test_apply(feed.writer, &history.journal, 0, history.journal.count);
        assert_int_equal(ledger_commit(feed.writer), OK);
        assert_true(kv_sim_fingerprint(feed.store.disk) == print);
        ledger_writer_free(&feed.writer);
        test_store_fini(&feed.store);
    }
    test_journal_fini(&history.journal);
}

// The same over LMDB, without crashes in between: the facts come out alike.
static enum result states_add(void *argument, const struct ledger_fact *fact)
{
    uint64_t *sum = argument;
    *sum = *sum * 31 + (uint64_t)fact->state + fact->order + fact->receipt + fact->delivery_count;
    for (size_t i = 0; i < fact->delivery_count; i++)
        *sum = *sum * 31 + (uint64_t)fact->deliveries[i].state + fact->deliveries[i].attempts;
    return OK;
}

static void test_both_stores(void **state)
{
    (void)state;
    struct history history;
    uint64_t sums[2] = {0};
    history_make(&history, 99);
    for (enum store_kind kind = STORE_SIM; kind <= STORE_LMDB; kind++) {
        struct feed feed = {.history = &history};
        test_store_init(&feed.store, kind, &ledger_schema);
        feed_writer_open(&feed);
        for (size_t i = 0; i < history.journal.count; i += 13) {
            size_t to = i + 13 < history.journal.count ? i + 13 : history.journal.count;
            test_apply(feed.writer, &history.journal, i, to);
            assert_int_equal(ledger_commit(feed.writer), OK);
        }
        open_index_compare(&feed);
        assert_int_equal(ledger_each(feed.store.env, states_add, &sums[kind], NULL), OK);
        ledger_writer_free(&feed.writer);
        test_store_fini(&feed.store);
    }
    assert_true(sums[0] == sums[1] && sums[0] != 0);
    test_journal_fini(&history.journal);
}

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histories),
        cmocka_unit_test(test_every_prefix),
        cmocka_unit_test(test_both_stores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
