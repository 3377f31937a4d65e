// SPDX-License-Identifier: Apache-2.0
//
// Which of two knows more of a receipt's deliveries, the fact or a copy, while one stream can not be read.
#include "fact_internal.h"
#include "ledger_internal.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct record_known known;
static uint8_t bytes[RECORD_KNOWN_MAX];

static void read_to(struct ledger_writer *writer, uint16_t number, uint32_t segment)
{
    struct ledger_stream *stream = NULL;
    assert_int_equal(ledger_stream_get(writer, number, &stream), OK);
    stream->applied = stream->committed = (struct journal_position){number, segment, JOURNAL_PAGE_SIZE};
}

// A copy of the fact as it is now.
static struct slice copy_of(const struct ledger_writer *writer, const struct ledger_fact *fact)
{
    size_t length;
    ledger_known_make(writer, fact, &known);
    assert_int_equal(record_known_encode(&known, bytes, sizeof bytes, &length), OK);
    return slice_of(bytes, length);
}

static struct fact_delivery *owed_make(struct ledger_fact *fact)
{
    struct fact_delivery *delivery = NULL;
    fact_init(fact);
    assert_int_equal(fact_delivery_get(fact, 1, &delivery), OK);
    delivery->owed = true;
    return delivery;
}

// The first copy knows stream 0 up to segment 9. The ledger is made anew, can read stream 1 only, and copies
// the receipt again.
static void test_copy_of_a_copy(void **state)
{
    (void)state;
    struct test_store store;
    struct ledger_writer *writer;
    struct ledger_fact fact, later;
    test_store_init(&store, STORE_SIM, &ledger_schema);
    assert_int_equal(ledger_writer_new(store.env, NULL, NULL, NULL, &writer), OK);
    struct fact_delivery *delivery = owed_make(&fact);
    read_to(writer, 0, 2);
    read_to(writer, 1, 5);
    assert_int_equal(fact_upto_add(&fact, (struct journal_position){0, 9, JOURNAL_PAGE_SIZE}), OK);
    delivery->state = DELIVERY_PARKED;
    struct slice copy = copy_of(writer, &fact);
    assert_int_equal(known.stream_count, 2);
    assert_int_equal(known.upto[0].segment, 9);
    assert_int_equal(known.upto[1].segment, 5);
    // What is reported before it reads its own copy is not taken back by that.
    read_to(writer, 1, 6);
    delivery->state = DELIVERY_SETTLED;
    assert_int_equal(ledger_known_take(writer, &fact, copy), OK);
    assert_int_equal(delivery->state, DELIVERY_SETTLED);
    // To one that knows less it is news, and no report that the first copy knew counts again.
    read_to(writer, 1, 1);
    (void)owed_make(&later);
    assert_int_equal(ledger_known_take(writer, &later, copy), OK);
    assert_int_equal(fact_delivery_find(&later, 1)->state, DELIVERY_PARKED);
    assert_true(ledger_known_has(&later, (struct journal_position){0, 8, JOURNAL_PAGE_SIZE}));
    assert_false(ledger_known_has(&later, (struct journal_position){0, 9, JOURNAL_PAGE_SIZE}));
    fact_fini(&later);
    fact_fini(&fact);
    ledger_writer_free(&writer);
    test_store_fini(&store);
}

// Of the flags a copy knows how many, and the first reason; one of an older program none.
static void test_flags_of_a_copy(void **state)
{
    (void)state;
    const struct record_flags flags = {3, 2, {slice_of_text("p/a: look"), slice_of_text("p/b: look")}};
    struct test_store store;
    struct ledger_writer *writer;
    struct ledger_fact fact, anew;
    size_t length;
    test_store_init(&store, STORE_SIM, &ledger_schema);
    assert_int_equal(ledger_writer_new(store.env, NULL, NULL, NULL, &writer), OK);
    assert_int_equal(fact_flags_set(owed_make(&fact), &flags), OK);
    read_to(writer, 0, 2);
    struct slice copy = copy_of(writer, &fact);
    read_to(writer, 0, 1);
    struct fact_delivery *delivery = owed_make(&anew);
    assert_int_equal(ledger_known_take(writer, &anew, copy), OK);
    assert_int_equal(delivery->flags, 3);
    assert_string_equal(delivery->flag_reason[0], "p/a: look");
    assert_null(delivery->flag_reason[1]);
    known.deliveries[0].flags = 0;
    known.upto[0].segment++;
    assert_int_equal(record_known_encode(&known, bytes, sizeof bytes, &length), OK);
    assert_int_equal(ledger_known_take(writer, &anew, slice_of(bytes, length)), OK);
    assert_true(delivery->flags == 0 && delivery->flag_reason[0] == NULL);
    fact_fini(&anew);
    fact_fini(&fact);
    ledger_writer_free(&writer);
    test_store_fini(&store);
}

// A copy that can not be understood tells nothing: what it is of is owed.
static void test_damaged(void **state)
{
    (void)state;
    static const uint8_t nonsense[] = {0xff, 0x00};
    struct test_store store;
    struct ledger_writer *writer;
    struct ledger_fact fact;
    test_store_init(&store, STORE_SIM, &ledger_schema);
    assert_int_equal(ledger_writer_new(store.env, NULL, NULL, NULL, &writer), OK);
    struct fact_delivery *delivery = owed_make(&fact);
    assert_int_equal(ledger_known_take(writer, &fact, slice_of(nonsense, sizeof nonsense)), OK);
    // A state of a newer version.
    known = (struct record_known){.upto = {{0, 3, JOURNAL_PAGE_SIZE}},
                                  .stream_count = 1,
                                  .deliveries = {{.archive = 1, .state = DELIVERY_STATES}},
                                  .delivery_count = 1};
    size_t length;
    assert_int_equal(record_known_encode(&known, bytes, sizeof bytes, &length), OK);
    assert_int_equal(ledger_known_take(writer, &fact, slice_of(bytes, length)), OK);
    assert_int_equal(delivery->state, DELIVERY_OWED);
    assert_false(fact_is_settled(&fact));
    fact_fini(&fact);
    ledger_writer_free(&writer);
    test_store_fini(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_of_a_copy),
        cmocka_unit_test(test_flags_of_a_copy),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
