// SPDX-License-Identifier: Apache-2.0
// Format page, record header, names, chunk index: against golden bytes of an independent program
// (tests/data/journal).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "journal/format.h"

#define RECEIPT ((uint64_t)3 << 48)

static void golden_read(const char *name, uint8_t *out, size_t length)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/journal/%s", DG_TEST_DATA, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(out, 1, length, file), length);
    assert_int_equal(fgetc(file), EOF);
    (void)fclose(file);
}

static const struct journal_page PAGE = {
    .version = 1,
    .stream = 3,
    .segment = 0x01020304,
    .life = 7,
    .size = 256u << 20,
    .receipt_first = RECEIPT | 1000,
    .receipt_limit = RECEIPT | 2098152,
    .created = 1767225600123456789u,
};

static const struct journal_header HEADER = {
    .version = 1,
    .type = JOURNAL_DATA,
    .length = 262016,
    .stream = 3,
    .segment = 0x01020304,
    .chunk = 5,
    .receipt = RECEIPT | 1001,
    .nonce = 0x1122334455667788,
    .offset = 0x10000040,
};

static void test_page(void **state)
{
    uint8_t golden[JOURNAL_PAGE_SIZE];
    uint8_t made[JOURNAL_PAGE_SIZE];
    struct journal_page page;
    (void)state;
    golden_read("page.bin", golden, sizeof golden);
    journal_page_encode(&PAGE, made);
    assert_memory_equal(made, golden, sizeof golden);
    assert_int_equal(journal_page_decode(golden, &page), OK);
    assert_int_equal(page.segment, PAGE.segment);
    assert_int_equal(page.receipt_limit, PAGE.receipt_limit);
    assert_int_equal(page.created, PAGE.created);
    assert_int_equal(page.life, 7);
    for (size_t i = 0; i < sizeof golden; i += 7) {
        golden[i] ^= 0x10;
        assert_int_equal(journal_page_decode(golden, &page), ERR_FORMAT);
        golden[i] ^= 0x10;
    }
}

static void test_page_rules(void **state)
{
    struct journal_page page = PAGE;
    struct journal_page got;
    uint8_t bytes[JOURNAL_PAGE_SIZE];
    (void)state;
    page.version = 2;
    journal_page_encode(&page, bytes);
    assert_int_equal(journal_page_decode(bytes, &got), ERR_REFUSED);
    page = PAGE;
    page.stream = 0x1000; // neither a worker's nor the control stream
    journal_page_encode(&page, bytes);
    assert_int_equal(journal_page_decode(bytes, &got), ERR_FORMAT);
    page = PAGE;
    page.receipt_first = 5; // of another stream
    journal_page_encode(&page, bytes);
    assert_int_equal(journal_page_decode(bytes, &got), ERR_FORMAT);
    page = PAGE;
    page.segment = 0;
    journal_page_encode(&page, bytes);
    assert_int_equal(journal_page_decode(bytes, &got), ERR_FORMAT);
}

static void test_header(void **state)
{
    uint8_t golden[JOURNAL_HEADER_SIZE];
    uint8_t made[JOURNAL_HEADER_SIZE];
    struct journal_header header;
    (void)state;
    golden_read("header.bin", golden, sizeof golden);
    journal_header_encode(&HEADER, made);
    assert_memory_equal(made, golden, sizeof golden);
    assert_int_equal(journal_header_decode(golden, &header), OK);
    assert_int_equal(header.receipt, HEADER.receipt);
    assert_int_equal(header.nonce, HEADER.nonce);
    assert_int_equal(header.offset, HEADER.offset);
    assert_int_equal(header.chunk, 5);
    for (size_t i = 0; i < 8 * sizeof golden; i++) {
        golden[i / 8] ^= (uint8_t)(1u << (i % 8));
        assert_int_equal(journal_header_decode(golden, &header), ERR_FORMAT);
        golden[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
}

static void test_header_fits(void **state)
{
    struct journal_position at = {3, 0x01020304, 0x10000040};
    uint64_t size = at.offset + JOURNAL_RECORD_MAX;
    (void)state;
    assert_int_equal(journal_record_size(HEADER.length), JOURNAL_RECORD_MAX);
    assert_int_equal(journal_record_size(JOURNAL_BODY_MAX), JOURNAL_RECORD_MAX);
    assert_int_equal(journal_record_size(0), 128);
    assert_int_equal(journal_record_size(48), 128);
    assert_int_equal(journal_record_size(49), 192);
    assert_true(journal_header_fits(&HEADER, at, size));
    assert_false(journal_header_fits(&HEADER, at, size - 1));
    at.offset += 64;
    assert_false(journal_header_fits(&HEADER, at, size + 64));
    at.offset -= 64;
    at.segment++;
    assert_false(journal_header_fits(&HEADER, at, size));
    struct journal_header longer = HEADER;
    uint8_t bytes[JOURNAL_HEADER_SIZE];
    longer.length = JOURNAL_BODY_MAX + 1;
    journal_header_encode(&longer, bytes);
    assert_int_equal(journal_header_decode(bytes, &longer), ERR_FORMAT);
}

static void test_names(void **state)
{
    char name[JOURNAL_NAME_SIZE];
    uint16_t stream;
    uint32_t segment;
    const char *bad[] = {"",
                         "0003-00000000.seg",
                         "0003-0000001A.seg",
                         "0003-0000001a.sex",
                         "003-00000001a.seg",
                         "0003-0000001a.seg~",
                         "keyring"};
    (void)state;
    journal_segment_name(3, 0x1a, name);
    assert_string_equal(name, "0003-0000001a.seg");
    assert_true(journal_segment_name_parse(name, &stream, &segment));
    assert_int_equal(stream, 3);
    assert_int_equal(segment, 0x1a);
    journal_segment_name(JOURNAL_STREAM_CONTROL, UINT32_MAX, name);
    assert_string_equal(name, "ffff-ffffffff.seg");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(journal_segment_name_parse(bad[i], &stream, &segment));
}

static void test_index(void **state)
{
    uint8_t bytes[2 * JOURNAL_INDEX_ENTRY];
    struct journal_position a = {3, 9, JOURNAL_PAGE_SIZE};
    struct journal_position b = {3, 10, JOURNAL_SEGMENT_SIZE_MAX - 64};
    (void)state;
    journal_index_put(bytes, a);
    journal_index_put(bytes + JOURNAL_INDEX_ENTRY, b);
    struct slice index = slice_of(bytes, sizeof bytes);
    assert_int_equal(journal_index_count(index), 2);
    assert_int_equal(journal_position_compare(journal_index_get(index, 0, 3), a), 0);
    assert_int_equal(journal_position_compare(journal_index_get(index, 1, 3), b), 0);
    assert_int_equal(journal_position_compare(a, b), -1);
    assert_int_equal(journal_position_compare(b, a), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_page),        cmocka_unit_test(test_page_rules), cmocka_unit_test(test_header),
        cmocka_unit_test(test_header_fits), cmocka_unit_test(test_names),      cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
