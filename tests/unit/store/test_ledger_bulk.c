// SPDX-License-Identifier: Apache-2.0
//
// 100,000 receipts through the ledger over LMDB: how long it takes is printed, what comes out is checked.
#include "base/log.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { RECEIPTS = 10000 }; // times under a sanitizer say nothing
#else
enum { RECEIPTS = 100000 };
#endif
enum { LOT = 1000, STUDY = 250 };

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

// One lot of receipts: all come; every 10th is not answered yet.
static void lot_make(struct test_journal *journal, uint64_t first)
{
    for (uint64_t counter = first; counter < first + LOT; counter++) {
        uint64_t receipt = test_receipt(0, counter);
        test_open(journal, receipt, (unsigned)counter, 100);
        test_close(journal, receipt, (unsigned)(counter / STUDY), 2, 524288, 100);
        for (uint32_t archive = 1; archive <= 2; archive++) {
            test_sent(journal, 0, receipt, archive, 101);
            if (counter % 10 != 0)
                test_outcome(journal, 0, receipt, archive, RECORD_SETTLED, 0, 102);
        }
    }
}

static enum result count_fact(void *argument, const struct ledger_fact *fact)
{
    (void)fact;
    (*(unsigned *)argument)++;
    return OK;
}

static enum result count_open(void *argument, const struct open_entry *entry)
{
    (void)entry;
    (*(unsigned *)argument)++;
    return OK;
}

static void test_bulk(void **state)
{
    (void)state;
    struct test_store store;
    struct test_journal journal;
    struct ledger_writer *writer = NULL;
    double spent = 0;
    unsigned facts = 0;
    unsigned open = 0;
    test_store_init(&store, STORE_LMDB, &ledger_schema);
    test_store_close(&store);
    store.map_size = 1u << 20; // so that it has to grow
    test_store_open(&store);
    test_journal_init(&journal, 100000);
    assert_int_equal(ledger_writer_new(store.env, NULL, NULL, NULL, &writer), OK);
    for (uint64_t first = 1; first <= RECEIPTS; first += LOT) {
        size_t from = journal.count;
        lot_make(&journal, first);
        double began = seconds_now();
        test_apply(writer, &journal, from, journal.count);
        assert_int_equal(ledger_commit(writer), OK);
        spent += seconds_now() - began;
    }
    printf("ledger: %d receipts in %.2f s: %.0f receipts/s, %.2f puts each\n", RECEIPTS, spent,
           RECEIPTS / spent, (double)store.env->counters.puts / RECEIPTS);
    double began = seconds_now();
    ledger_writer_free(&writer);
    assert_int_equal(ledger_writer_new(store.env, NULL, NULL, NULL, &writer), OK);
    assert_int_equal(open_index_each(store.env, count_open, &open), OK);
    printf("ledger: start with %u open receipts: %.3f s\n", open, seconds_now() - began);
    began = seconds_now();
    assert_int_equal(ledger_each(store.env, count_fact, &facts, NULL), OK);
    printf("ledger: reading %u facts: %.2f s\n", facts, seconds_now() - began);
    assert_int_equal(facts, RECEIPTS);
    assert_int_equal(open, RECEIPTS / 10);
    assert_true(store.env->counters.map_growths > 0);
    facts = 0;
    assert_int_equal(ledger_find_uid(store.env, slice_of_text("1.9.7"), count_fact, &facts), OK);
    assert_int_equal(facts, STUDY);
    ledger_writer_free(&writer);
    test_journal_fini(&journal);
    test_store_fini(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bulk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
