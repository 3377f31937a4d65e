// SPDX-License-Identifier: Apache-2.0
// Record bodies: round trips with every field, bounds, required keys, unknown keys, every cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/record.h"

static uint8_t memory[JOURNAL_BODY_MAX];

static struct slice text(const char *value)
{
    return slice_of_text(value);
}

static struct record_open open_sample(void)
{
    return (struct record_open){
        .called = text("OLDPACS"),
        .calling = text("CT1"),
        .peer_address = text("10.1.0.7:40112"),
        .certificate_fingerprint = text("0123456789abcdef0123456789abcdef"),
        .listener = text("modalities"),
        .transfer_syntax = text("1.2.840.10008.1.2.1"),
        .sop_class = text("1.2.840.10008.5.1.4.1.1.2"),
        .sop_instance = text("1.2.3.4"),
        .priority = 2,
        .message_id = 513,
        .has_move_originator = true,
        .move_originator_id = 77,
        .move_originator = text("WS1"),
        .implementation_class = text("1.2.276.0"),
        .implementation_version = text("ACME_1"),
        .roles = RECORD_ROLE_SCU | RECORD_ROLE_SCP,
        .user_identity_type = 1,
        .user_identity = text("jdoe"),
        .source_node = 2,
        .domain = text("LEGACY"),
        .certificate_subject = text("CN=ct1,O=Test"),
        .time = 1767225600000000001u,
    };
}

static void test_open(void **state)
{
    struct record_open in = open_sample();
    struct record_open out;
    size_t length;
    (void)state;
    assert_int_equal(record_open_encode(&in, memory, sizeof memory, &length), OK);
    assert_int_equal(record_open_decode(slice_of(memory, length), &out), OK);
    assert_true(slice_is_equal(in.called, out.called));
    assert_true(slice_is_equal(in.calling, out.calling));
    assert_true(slice_is_equal(in.peer_address, out.peer_address));
    assert_true(slice_is_equal(in.certificate_fingerprint, out.certificate_fingerprint));
    assert_true(slice_is_equal(in.certificate_subject, out.certificate_subject));
    assert_true(slice_is_equal(in.listener, out.listener));
    assert_true(slice_is_equal(in.transfer_syntax, out.transfer_syntax));
    assert_true(slice_is_equal(in.sop_class, out.sop_class));
    assert_true(slice_is_equal(in.sop_instance, out.sop_instance));
    assert_int_equal(out.priority, 2);
    assert_int_equal(out.message_id, 513);
    assert_true(out.has_move_originator);
    assert_int_equal(out.move_originator_id, 77);
    assert_true(slice_is_equal(in.move_originator, out.move_originator));
    assert_true(slice_is_equal(in.implementation_class, out.implementation_class));
    assert_true(slice_is_equal(in.implementation_version, out.implementation_version));
    assert_int_equal(out.roles, 3);
    assert_int_equal(out.user_identity_type, 1);
    assert_true(slice_is_equal(in.user_identity, out.user_identity));
    assert_int_equal(out.source_node, 2);
    assert_true(slice_is_equal(in.domain, out.domain));
    assert_true(out.time == in.time);
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, memory, cut);
        assert_int_not_equal(record_open_decode(slice_of(exact, cut), &out), OK);
        assert_int_equal(record_open_encode(&in, exact, cut, &length), ERR_LIMIT);
        free(exact);
    }
}

// A peer may say anything; a text of CBOR is UTF-8 (RFC 8949 3.1), so what is not plain stands there as
// bytes.
static void test_open_of_any_bytes(void **state)
{
    static const char told[] = "\x0e\x48M\xd6LLER/1"; // key 14, bytes of length 8
    struct record_open in = open_sample();
    struct record_open out;
    size_t length;
    (void)state;
    in.implementation_version = text("M\xd6LLER/1");
    assert_int_equal(record_open_encode(&in, memory, sizeof memory, &length), OK);
    assert_non_null(memmem(memory, length, told, sizeof told - 1));
    assert_int_equal(record_open_decode(slice_of(memory, length), &out), OK);
    assert_true(slice_is_equal(in.implementation_version, out.implementation_version));
}

static void test_open_bounds(void **state)
{
    static uint8_t long_text[RECORD_TEXT_MAX + 1];
    struct record_open in = open_sample();
    struct record_open out;
    size_t length;
    (void)state;
    memset(long_text, '1', sizeof long_text);
    in.sop_instance = slice_of(long_text, RECORD_TEXT_MAX); // over 64 characters are kept whole (FIELD 3)
    assert_int_equal(record_open_encode(&in, memory, sizeof memory, &length), OK);
    assert_int_equal(record_open_decode(slice_of(memory, length), &out), OK);
    assert_int_equal(out.sop_instance.length, RECORD_TEXT_MAX);
    in.sop_instance.length++;
    assert_int_equal(record_open_encode(&in, memory, sizeof memory, &length), ERR_LIMIT);
    in.sop_instance.length = 0;
    assert_int_equal(record_open_encode(&in, memory, sizeof memory, &length), OK);
    assert_int_equal(record_open_decode(slice_of(memory, length), &out), ERR_MISSING);
}

static struct record_close *close_sample(void)
{
    static uint8_t index[3 * JOURNAL_INDEX_ENTRY];
    struct record_close *close = calloc(1, sizeof *close);
    for (uint32_t i = 0; i < 3; i++)
        journal_index_put(index + i * JOURNAL_INDEX_ENTRY,
                          (struct journal_position){1, 2 + i, 4096 + 64 * i});
    close->order = (uint64_t)5 << 40 | 9;
    close->durable = (struct journal_position){0, 4, 8192};
    close->opened = (struct journal_position){0, 3, 4096};
    close->epoch = 12;
    close->archives[0] = 1;
    close->archives[1] = 70000;
    close->archive_count = 2;
    close->acknowledgement = RECORD_ACK_PRIMARY;
    close->primary = 1;
    close->flags = RECORD_CLOSE_DEFLATED;
    close->length = (uint64_t)5 << 32;
    close->algorithm = RECORD_SHA256;
    close->digest_version = 1;
    close->digests = RECORD_HAS_RANGES | RECORD_HAS_INSTANCE | RECORD_HAS_RECEIVED | RECORD_HAS_CANONICAL |
                     RECORD_HAS_CANONICAL_UNKNOWN;
    for (uint8_t i = 0; i < 3; i++) {
        close->range[i].length = 1000u + i;
        memset(close->range[i].digest, i + 1, RECORD_DIGEST_SIZE);
    }
    memset(close->instance, 0x11, RECORD_DIGEST_SIZE);
    memset(close->received, 0x12, RECORD_DIGEST_SIZE);
    memset(close->canonical, 0x13, RECORD_DIGEST_SIZE);
    memset(close->canonical_unknown, 0x14, RECORD_DIGEST_SIZE);
    close->elements[0] = (struct record_element){0x0020000d, {'U', 'I'}, text("1.2.3")};
    close->elements[1] = (struct record_element){0x0020000e, {'U', 'I'}, text("1.2.3.1")};
    close->element_count = 2;
    close->index = slice_of(index, sizeof index);
    close->first_byte = 100;
    close->last_byte = 200;
    return close;
}

static void test_close(void **state)
{
    struct record_close *in = close_sample();
    struct record_close out;
    size_t length;
    (void)state;
    assert_int_equal(record_close_encode(in, memory, sizeof memory, &length), OK);
    assert_int_equal(record_close_decode(slice_of(memory, length), &out), OK);
    assert_true(out.order == in->order);
    assert_int_equal(out.durable.segment, 4);
    assert_int_equal(out.durable.offset, 8192);
    assert_int_equal(out.opened.segment, 3);
    assert_int_equal(out.epoch, 12);
    assert_int_equal(out.archive_count, 2);
    assert_int_equal(out.archives[1], 70000);
    assert_int_equal(out.acknowledgement, RECORD_ACK_PRIMARY);
    assert_int_equal(out.primary, 1);
    assert_int_equal(out.flags, RECORD_CLOSE_DEFLATED);
    assert_true(out.length == in->length);
    assert_int_equal(out.digests, in->digests);
    assert_memory_equal(out.range, in->range, sizeof in->range);
    assert_memory_equal(out.instance, in->instance, RECORD_DIGEST_SIZE);
    assert_memory_equal(out.canonical_unknown, in->canonical_unknown, RECORD_DIGEST_SIZE);
    assert_true(slice_is_text(record_close_element(&out, 0x0020000e), "1.2.3.1"));
    assert_int_equal(record_close_element(&out, 0x00100010).length, 0);
    assert_int_equal(journal_index_count(out.index), 3);
    assert_int_equal(journal_index_get(out.index, 2, 1).segment, 4);
    assert_int_equal(out.first_byte, 100);
    assert_int_equal(out.last_byte, 200);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_not_equal(record_close_decode(slice_of(memory, cut), &out), OK);
    free(in);
}

// The greatest CLOSE that keeps the bounds fits a body.
static void test_close_greatest(void **state)
{
    struct record_close *in = close_sample();
    struct record_close out;
    size_t length;
    size_t index_length = (size_t)JOURNAL_CHUNKS_MAX * JOURNAL_INDEX_ENTRY;
    uint8_t *index = calloc(1, index_length + JOURNAL_INDEX_ENTRY);
    uint8_t *value = calloc(1, RECORD_ELEMENT_BYTES_MAX);
    static const uint8_t known[RECORD_KNOWN_MAX + 1];
    (void)state;
    in->known = slice_of(known, RECORD_KNOWN_MAX);
    in->archive_count = RECORD_ARCHIVES_MAX;
    for (uint32_t i = 0; i < RECORD_ARCHIVES_MAX; i++)
        in->archives[i] = UINT32_MAX;
    in->element_count = RECORD_ELEMENTS_MAX;
    for (uint32_t i = 0; i < RECORD_ELEMENTS_MAX; i++)
        in->elements[i] = (struct record_element){
            0xffff0000 | i, {'L', 'O'}, slice_of(value, RECORD_ELEMENT_BYTES_MAX / RECORD_ELEMENTS_MAX)};
    in->index = slice_of(index, index_length);
    assert_int_equal(record_close_encode(in, memory, sizeof memory, &length), OK);
    assert_int_equal(record_close_decode(slice_of(memory, length), &out), OK);
    assert_int_equal(out.element_count, RECORD_ELEMENTS_MAX);
    assert_int_equal(out.archive_count, RECORD_ARCHIVES_MAX);
    assert_int_equal(out.known.length, RECORD_KNOWN_MAX);
    in->known.length++;
    assert_int_equal(record_close_encode(in, memory, sizeof memory, &length), ERR_LIMIT);
    in->known.length--;
    in->elements[3].value.length++;
    assert_int_equal(record_close_encode(in, memory, sizeof memory, &length), ERR_LIMIT);
    in->elements[3].value.length--;
    in->index.length += JOURNAL_INDEX_ENTRY;
    assert_int_equal(record_close_encode(in, memory, sizeof memory, &length), ERR_LIMIT);
    in->index.length = 1;
    assert_int_equal(record_close_encode(in, memory, sizeof memory, &length), ERR_LIMIT);
    free(index);
    free(value);
    free(in);
}

// What a copy knows, against the bytes of an independent program (tests/data/journal), with keys of a later
// version between.
static void test_known_golden(void **state)
{
    char path[512];
    static struct record_known known;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/journal/known.bin", DG_TEST_DATA);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t length = fread(memory, 1, sizeof memory, file);
    (void)fclose(file);
    assert_int_equal(record_known_decode(slice_of(memory, length), &known), OK);
    assert_int_equal(known.stream_count, 2);
    assert_int_equal(known.upto[0].stream, 0);
    assert_int_equal(known.upto[0].segment, 7);
    assert_int_equal(known.upto[0].offset, 4096);
    assert_int_equal(known.upto[1].stream, 3);
    assert_int_equal(known.upto[1].segment, 0x01020304);
    assert_int_equal(known.upto[1].offset, 0x0fffffc0);
    assert_int_equal(known.delivery_count, 3);
    const struct record_delivery *one = &known.deliveries[0];
    assert_int_equal(one->archive, 1);
    assert_int_equal(one->state, 5);
    assert_true(one->has_status && one->status == 0xb000);
    assert_int_equal(one->settled_by, RECORD_BY_COMMITMENT);
    assert_true(one->sent_at == 1767225600000000001u && one->outcome_at == 1767225600000000002u);
    assert_true(one->has_header && one->header[31] == 1 && one->edits[0] == 0 && !one->resent);
    const struct record_delivery *two = &known.deliveries[1];
    assert_int_equal(two->archive, 70000);
    assert_int_equal(two->state, 2);
    assert_true(!two->has_status && two->resent && two->attempts == 3 && two->failures == 2);
    assert_true(two->header[0] == 2 && two->edits[0] == 3 && two->pack[31] == 4 && two->crosswalk == 9);
    const struct record_delivery *three = &known.deliveries[2];
    assert_true(slice_is_text(three->remark, "not now") && slice_is_text(three->person, "mary"));
    assert_true(!three->has_header && three->status == 0xc000);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_not_equal(record_known_decode(slice_of(memory, cut), &known), OK);
}

// The greatest of all fits its bound; one more of anything does not.
static void test_known_greatest(void **state)
{
    static struct record_known in, out;
    static uint8_t text[2 * RECORD_KNOWN_TEXT_MAX];
    size_t length;
    (void)state;
    memset(&in, 0xff, sizeof in);
    in.stream_count = RECORD_KNOWN_STREAMS_MAX;
    for (size_t i = 0; i < in.stream_count; i++)
        in.upto[i] = (struct journal_position){JOURNAL_STREAM_MAX, UINT32_MAX, JOURNAL_SEGMENT_SIZE_MAX};
    in.delivery_count = RECORD_ARCHIVES_MAX;
    for (size_t i = 0; i < in.delivery_count; i++) {
        struct record_delivery *delivery = &in.deliveries[i];
        delivery->remark = delivery->person = slice_of(text, sizeof text);
        delivery->flags = UINT32_MAX;
        delivery->reason = slice_of(text, RECORD_REASON_MAX);
        delivery->resent = delivery->has_status = delivery->has_header = delivery->is_released = true;
    }
    assert_int_equal(record_known_encode(&in, memory, RECORD_KNOWN_MAX, &length), OK);
    assert_int_equal(record_known_decode(slice_of(memory, length), &out), OK);
    assert_int_equal(out.stream_count, in.stream_count);
    assert_int_equal(out.delivery_count, in.delivery_count);
    const struct record_delivery *last = &out.deliveries[RECORD_ARCHIVES_MAX - 1];
    assert_true(last->sent_at == UINT64_MAX && last->failures == UINT32_MAX && last->is_released &&
                last->pack[0] == 0xff);
    assert_int_equal(last->person.length, RECORD_KNOWN_TEXT_MAX);
    assert_true(last->flags == UINT32_MAX && last->reason.length == 37); // 2400 / 64
    in.delivery_count++;
    assert_int_equal(record_known_encode(&in, memory, sizeof memory, &length), ERR_LIMIT);
    in.delivery_count--;
    in.stream_count++;
    assert_int_equal(record_known_encode(&in, memory, sizeof memory, &length), ERR_LIMIT);
}

// FORMAT.md, SENT 9: [count, reasons]. Bytes made by hand.
static void test_sent_flags(void **state)
{
    static const char old[] = "\xa3\x01\x02\x02\x01\x00\x05";
    static const char flagged[] = "\xa2\x01\x02\x09\x83\x05\x63p/r\x62xy";
    static char longest[RECORD_REASON_MAX + 2];
    struct record_sent sent, out;
    size_t length;
    (void)state;
    assert_int_equal(record_sent_decode(slice_of(old, sizeof old - 1), &sent), OK);
    assert_true(sent.flags.count == 0 && sent.flags.reason_count == 0);
    assert_int_equal(record_sent_encode(&sent, memory, sizeof memory, &length), OK);
    assert_null(memchr(memory, 0x09, length)); // nothing is said of nothing
    assert_int_equal(record_sent_decode(slice_of(flagged, sizeof flagged - 1), &sent), OK);
    assert_true(sent.flags.count == 5 && sent.flags.reason_count == 2);
    assert_true(slice_is_text(sent.flags.reason[0], "p/r") && slice_is_text(sent.flags.reason[1], "xy"));
    for (size_t cut = 0; cut < sizeof flagged - 1; cut++)
        assert_int_not_equal(record_sent_decode(slice_of(flagged, cut), &out), OK);
    memset(longest, 'x', RECORD_REASON_MAX + 1);
    sent.flags = (struct record_flags){.count = UINT32_MAX, .reason_count = RECORD_REASONS_MAX};
    for (size_t i = 0; i < RECORD_REASONS_MAX; i++)
        sent.flags.reason[i] = slice_of(longest, RECORD_REASON_MAX);
    assert_int_equal(record_sent_encode(&sent, memory, sizeof memory, &length), OK);
    assert_int_equal(record_sent_decode(slice_of(memory, length), &out), OK);
    assert_true(out.flags.count == UINT32_MAX && out.flags.reason_count == RECORD_REASONS_MAX);
    assert_int_equal(out.flags.reason[3].length, RECORD_REASON_MAX);
    sent.flags.reason[3].length++;
    assert_int_equal(record_sent_encode(&sent, memory, sizeof memory, &length), ERR_LIMIT);
    sent.flags.reason[3].length--;
    sent.flags.reason_count++;
    assert_int_equal(record_sent_encode(&sent, memory, sizeof memory, &length), ERR_LIMIT);
    static const char five[] = "\xa2\x01\x02\x09\x86\x05\x61"
                               "a\x61"
                               "b\x61"
                               "c\x61"
                               "d\x61"
                               "e";
    assert_int_equal(record_sent_decode(slice_of(five, sizeof five - 1), &out), ERR_LIMIT);
}

static void test_small_bodies(void **state)
{
    struct record_drop drop = {RECORD_DROP_SPACE, 0xa700, text("full"), 9};
    struct record_sent sent = {.archive = 2, .attempt = 3, .resent = true, .crosswalk = 4, .time = 5};
    struct record_outcome outcome = {.receipt = 7,
                                     .archive = 2,
                                     .kind = RECORD_PARKED,
                                     .remark = 0,
                                     .resent = true,
                                     .status = 0xa900,
                                     .comment = text("no context"),
                                     .person = text("meier"),
                                     .attempt = 3,
                                     .sent = 10,
                                     .answered = 11};
    struct record_epoch epoch = {RECORD_START, 6, 1, text("coexist"), {1, 2, 3}, 12};
    size_t length;
    (void)state;
    memset(sent.header, 7, RECORD_DIGEST_SIZE);
    struct record_drop drop_out;
    assert_int_equal(record_drop_encode(&drop, memory, sizeof memory, &length), OK);
    assert_int_equal(record_drop_decode(slice_of(memory, length), &drop_out), OK);
    assert_int_equal(drop_out.reason, RECORD_DROP_SPACE);
    assert_int_equal(drop_out.status, 0xa700);
    assert_true(slice_is_text(drop_out.comment, "full"));
    struct record_sent sent_out;
    assert_int_equal(record_sent_encode(&sent, memory, sizeof memory, &length), OK);
    assert_int_equal(record_sent_decode(slice_of(memory, length), &sent_out), OK);
    assert_memory_equal(sent_out.header, sent.header, RECORD_DIGEST_SIZE);
    assert_int_equal(sent_out.attempt, 3);
    assert_true(sent_out.resent);
    assert_int_equal(sent_out.pack[0], 0);
    struct record_outcome outcome_out;
    assert_int_equal(record_outcome_encode(&outcome, memory, sizeof memory, &length), OK);
    assert_int_equal(record_outcome_decode(slice_of(memory, length), &outcome_out), OK);
    assert_int_equal(outcome_out.receipt, 7);
    assert_int_equal(outcome_out.kind, RECORD_PARKED);
    assert_int_equal(outcome_out.status, 0xa900);
    assert_true(slice_is_text(outcome_out.person, "meier"));
    assert_int_equal(outcome_out.answered, 11);
    struct record_epoch epoch_out;
    assert_int_equal(record_epoch_encode(&epoch, memory, sizeof memory, &length), OK);
    assert_int_equal(record_epoch_decode(slice_of(memory, length), &epoch_out), OK);
    assert_int_equal(epoch_out.life, 6);
    assert_true(slice_is_text(epoch_out.phase, "coexist"));
    assert_int_equal(epoch_out.configuration[2], 3);
}

static void test_unknown_keys(void **state)
{
    // {0: 9, 1: 3, 900: {1: [true]}, -7: "x"}
    const uint8_t body[] = {0xa4, 0x00, 0x09, 0x01, 0x03, 0x19, 0x03, 0x84,
                            0xa1, 0x01, 0x81, 0xf5, 0x26, 0x61, 'x'};
    struct record_drop drop;
    (void)state;
    assert_int_equal(record_drop_decode(slice_of(body, sizeof body), &drop), OK);
    assert_int_equal(drop.reason, 3);
    assert_int_equal(drop.time, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),           cmocka_unit_test(test_open_of_any_bytes),
        cmocka_unit_test(test_open_bounds),    cmocka_unit_test(test_close),
        cmocka_unit_test(test_close_greatest), cmocka_unit_test(test_known_golden),
        cmocka_unit_test(test_known_greatest), cmocka_unit_test(test_sent_flags),
        cmocka_unit_test(test_small_bodies),   cmocka_unit_test(test_unknown_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
