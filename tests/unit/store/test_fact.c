// SPDX-License-Identifier: Apache-2.0
//
// Facts as bytes: everything comes back, unknown keys are skipped, damage is an error and never more.
#include "base/units.h"
#include "cbor/writer.h"
#include "fact_internal.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t memory[FACT_ENCODED_MAX];

static void text_set(char **field, const char *text)
{
    assert_int_equal(fact_text_set(field, slice_of_text(text)), OK);
}

static void fact_fill(struct ledger_fact *fact, enum fact_state state)
{
    struct fact_delivery *delivery = NULL;
    fact_init(fact);
    fact->receipt = test_receipt(3, 77);
    fact->state = state;
    fact->order = (uint64_t)2 << 40 | 9;
    fact->epoch = 4;
    fact->opened_at = 1700000000 * NSEC_PER_SEC;
    fact->closed_at = fact->opened_at + 5;
    fact->length = 524288;
    fact->open = (struct journal_position){3, 7, 4096};
    fact->close = (struct journal_position){3, 8, 8192};
    text_set(&fact->calling, "CT1 ");
    text_set(&fact->sop_instance, "1.2.3");
    text_set(&fact->remark, "M\xfcller"); // Latin-1, not UTF-8
    fact_uid_hash(slice_of_text("1.2.3"), fact->sop_hash);
    fact->digests.algorithm = RECORD_SHA256;
    fact->digests.version = 1;
    fact->digests.present = RECORD_HAS_RANGES | RECORD_HAS_INSTANCE | RECORD_HAS_CANONICAL;
    fact->digests.range[1].length = 12;
    memset(fact->digests.range[1].digest, 5, RECORD_DIGEST_SIZE);
    memset(fact->digests.instance, 6, RECORD_DIGEST_SIZE);
    assert_int_equal(fact_delivery_get(fact, 9, &delivery), OK);
    delivery->owed = true;
    assert_int_equal(fact_delivery_get(fact, 2, &delivery), OK);
    *delivery = (struct fact_delivery){.archive = 2,
                                       .owed = true,
                                       .state = DELIVERY_PARKED,
                                       .has_status = true,
                                       .status = 0xA700,
                                       .attempts = 3,
                                       .failures = 2,
                                       .sent_at = 11,
                                       .outcome_at = 12,
                                       .resent = true,
                                       .has_header = true};
    memset(delivery->header, 1, sizeof delivery->header);
    memset(delivery->edits, 2, sizeof delivery->edits);
    text_set(&delivery->remark, "out of resources");
    delivery->flags = 7;
    text_set(&delivery->flag_reason[0], "burned-in/r: BurnedInAnnotation: YES");
    text_set(&delivery->flag_reason[1], "caf\xc3\xa9/r: look");
}

static void test_round_trip(void **state)
{
    (void)state;
    struct ledger_fact fact;
    struct ledger_fact read;
    struct slice encoded;
    fact_fill(&fact, FACT_DURABLE);
    fact_init(&read);
    assert_int_equal(fact_encode(&fact, memory, sizeof memory, &encoded), OK);
    assert_int_equal(fact_decode(fact.receipt, encoded, FACT_WHOLE, &read), OK);
    assert_true(read.receipt == fact.receipt && read.state == fact.state && read.order == fact.order);
    assert_true(read.epoch == 4 && read.opened_at == fact.opened_at && read.length == fact.length);
    assert_memory_equal(&read.digests, &fact.digests, sizeof read.digests);
    assert_memory_equal(read.sop_hash, fact.sop_hash, sizeof read.sop_hash);
    assert_int_equal(journal_position_compare(read.open, fact.open), 0);
    assert_int_equal(journal_position_compare(read.close, fact.close), 0);
    assert_string_equal(read.calling, "CT1");
    assert_string_equal(read.remark, "M\xfcller");
    assert_null(read.called);
    assert_int_equal(read.delivery_count, 2);
    assert_int_equal(read.deliveries[0].archive, 2);
    assert_string_equal(read.deliveries[0].remark, "out of resources");
    assert_memory_equal(read.deliveries[0].edits, fact.deliveries[0].edits, RECORD_DIGEST_SIZE);
    assert_int_equal(read.deliveries[0].status, 0xA700);
    assert_int_equal(read.deliveries[0].flags, 7);
    assert_string_equal(read.deliveries[0].flag_reason[0], "burned-in/r: BurnedInAnnotation: YES");
    assert_string_equal(read.deliveries[0].flag_reason[1], "caf\xc3\xa9/r: look");
    assert_null(read.deliveries[0].flag_reason[2]);
    assert_true(read.deliveries[1].flags == 0 && read.deliveries[1].flag_reason[0] == NULL);
    assert_true(read.deliveries[0].resent && read.deliveries[0].failures == 2);
    assert_int_equal(read.deliveries[1].state, DELIVERY_OWED);
    assert_true(read.deliveries[1].owed && !read.deliveries[1].has_status);
    fact_fini(&read);
    assert_int_equal(fact_decode(fact.receipt, encoded, FACT_HEAD, &read), OK);
    assert_true(read.delivery_count == 2 && read.calling == NULL && read.order == fact.order);
    assert_memory_equal(read.sop_hash, fact.sop_hash, sizeof read.sop_hash);
    fact_fini(&read);
    fact_fini(&fact);
}

// The bytes are a promise to readers in ten years: any change of a key shows here.
static void test_golden(void **state)
{
    (void)state;
    struct ledger_fact fact;
    struct slice encoded;
    fact_init(&fact);
    fact.state = FACT_DURABLE;
    fact.order = 2;
    fact.close = (struct journal_position){0, 1, 4096};
    text_set(&fact.sop_instance, "1.2");
    fact_uid_hash(slice_of_text("1.2"), fact.sop_hash);
    static const uint8_t expected[] = {
        0xbf, 0x01, 0x02, 0x02, 0x02,                   // {state: durable, order: 2,
        0x06, 0x9f, 0x01, 0x19, 0x10, 0x00, 0xff, 0x07, // close: [1, 4096], hash:
        0x50, 0x77, 0xac, 0x31, 0x9b, 0xfe, 0x19, 0x79, 0xe2, 0xd7, 0x99, 0xd9, 0xe6, 0x98, 0x7e, 0x65,
        0xfe,                               // first 16 bytes of SHA-256("1.2")
        0x13, 0x63, '1',  '.',  '2',  0xff, // SOP instance: "1.2"}
    };
    assert_int_equal(fact_encode(&fact, memory, sizeof memory, &encoded), OK);
    assert_int_equal(encoded.length, sizeof expected);
    assert_memory_equal(encoded.data, expected, sizeof expected);
    fact_fini(&fact);
}

static void test_unknown_keys(void **state)
{
    (void)state;
    struct cbor_writer writer;
    struct ledger_fact fact;
    fact_init(&fact);
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, 1, FACT_SETTLED);
    cbor_put_map(&writer, 900);
    cbor_put_text(&writer, 1, slice_of_text("later"));
    cbor_end(&writer);
    cbor_put_uint(&writer, 11, 1234);
    cbor_end(&writer);
    assert_int_equal(cbor_writer_result(&writer), OK);
    assert_int_equal(fact_decode(1, cbor_writer_slice(&writer), FACT_WHOLE, &fact), OK);
    assert_int_equal(fact.length, 1234);
    fact_fini(&fact);
}

static void test_damage(void **state)
{
    (void)state;
    struct ledger_fact fact;
    struct ledger_fact read;
    struct slice encoded;
    fact_fill(&fact, FACT_DURABLE);
    assert_int_equal(fact_encode(&fact, memory, sizeof memory, &encoded), OK);
    for (size_t length = 0; length < encoded.length; length++) {
        fact_init(&read);
        assert_int_not_equal(fact_decode(1, slice_first(encoded, length), FACT_WHOLE, &read), OK);
        fact_fini(&read);
    }
    for (size_t bit = 0; bit < encoded.length * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
        fact_init(&read);
        (void)!fact_decode(1, encoded, FACT_WHOLE, &read); // any result, but no fault
        fact_fini(&read);
        memory[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    fact_fini(&fact);
}

// The bound of FACT_ENCODED_MAX holds for the largest fact.
static void test_largest(void **state)
{
    (void)state;
    struct ledger_fact fact;
    struct slice encoded;
    static char longest[FACT_TEXT_MAX + 100];
    memset(longest, 'x', sizeof longest - 1);
    fact_fill(&fact, FACT_DURABLE);
    char **texts[] = {&fact.calling,     &fact.called,          &fact.address,  &fact.certificate,
                      &fact.listener,    &fact.study,           &fact.series,   &fact.remark,
                      &fact.sop_class,   &fact.transfer_syntax, &fact.modality, &fact.implementation,
                      &fact.sop_instance};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        text_set(texts[i], longest);
    for (uint32_t archive = 1; fact.delivery_count < FACT_DELIVERIES_MAX; archive++) {
        struct fact_delivery *delivery = NULL;
        assert_int_equal(fact_delivery_get(&fact, archive, &delivery), OK);
        delivery->has_header = true;
        delivery->sent_at = delivery->outcome_at = delivery->crosswalk = UINT64_MAX;
        delivery->attempts = delivery->failures = UINT32_MAX;
        memset(delivery->header, 1, sizeof delivery->header);
        memset(delivery->edits, 1, sizeof delivery->edits);
        memset(delivery->pack, 1, sizeof delivery->pack);
        text_set(&delivery->remark, longest);
        text_set(&delivery->person, longest);
        delivery->flags = UINT32_MAX;
        longest[RECORD_REASON_MAX] = 0;
        for (size_t i = 0; i < RECORD_REASONS_MAX; i++)
            text_set(&delivery->flag_reason[i], longest);
        longest[RECORD_REASON_MAX] = 'x';
    }
    struct fact_delivery *over = NULL;
    assert_int_equal(fact_delivery_get(&fact, UINT32_MAX, &over), ERR_LIMIT);
    assert_int_equal(fact_encode(&fact, memory, sizeof memory, &encoded), OK);
    struct ledger_fact read;
    fact_init(&read);
    assert_int_equal(fact_decode(1, encoded, FACT_WHOLE, &read), OK);
    assert_int_equal(strlen(read.calling), FACT_TEXT_MAX);
    fact_fini(&read);
    fact_fini(&fact);
}

static void test_uid_hash(void **state)
{
    (void)state;
    uint8_t padded[FACT_SOP_HASH_SIZE];
    uint8_t plain[FACT_SOP_HASH_SIZE];
    // FIPS 180-4 example: SHA-256("abc").
    static const uint8_t abc[] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
                                  0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23};
    fact_uid_hash(slice_of_text("abc"), plain);
    assert_memory_equal(plain, abc, sizeof abc);
    fact_uid_hash(slice_of("1.2\0", 4), padded);
    fact_uid_hash(slice_of_text("1.2"), plain);
    assert_memory_equal(padded, plain, sizeof plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),   cmocka_unit_test(test_golden),
        cmocka_unit_test(test_unknown_keys), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_largest),      cmocka_unit_test(test_uid_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
