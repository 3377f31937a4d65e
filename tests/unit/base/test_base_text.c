// SPDX-License-Identifier: Apache-2.0
//
// Text helpers, checked arithmetic, CRC-32C and SipHash against published vectors.
#include "unit.h"

#include "base/checked.h"
#include "base/crc32c.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/utf8.h"

static void test_copy_and_format(void **state)
{
    (void)state;
    char room[6] = "#####";
    assert_true(text_copy(room, 6, slice_of_text("abcde")));
    assert_string_equal(room, "abcde");
    assert_false(text_copy(room, 6, slice_of_text("abcdef")));
    assert_string_equal(room, "abcde");
    assert_true(text_copy(room, 1, slice_of(NULL, 0)));
    assert_string_equal(room, "");
    assert_true(text_format(room, 6, "%u-%s", 12u, "ab"));
    assert_string_equal(room, "12-ab");
    assert_false(text_format(room, 6, "%u-%s", 12u, "abc"));
    assert_string_equal(room, "12-ab");
}

static void test_hex(void **state)
{
    (void)state;
    const uint8_t bytes[3] = {0x00, 0xa5, 0xff};
    char text[7];
    uint8_t back[3] = {0};
    text_hex(text, sizeof text, slice_of(bytes, 3));
    assert_string_equal(text, "00a5ff");
    assert_int_equal(text_unhex("00A5fF", back, 3), OK);
    assert_memory_equal(back, bytes, 3);
    assert_int_equal(text_unhex("00a5f", back, 3), ERR_FORMAT);
    assert_int_equal(text_unhex("00a5ff0", back, 3), ERR_FORMAT);
    assert_int_equal(text_unhex("00a5fg", back, 3), ERR_FORMAT);
    text_hex(text, 6, slice_of(bytes, 3)); // whole bytes only
    assert_string_equal(text, "00a5");
}

static void test_number(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_int_equal(text_number(slice_of_text("0"), 10, &value), OK);
    assert_int_equal(value, 0);
    assert_int_equal(text_number(slice_of_text("18446744073709551615"), UINT64_MAX, &value), OK);
    assert_true(value == UINT64_MAX);
    assert_int_equal(text_number(slice_of_text("18446744073709551616"), UINT64_MAX, &value), ERR_LIMIT);
    assert_int_equal(text_number(slice_of_text("11"), 10, &value), ERR_LIMIT);
    const char *const wrong[] = {"", "01", "+1", "-1", " 1", "1 ", "1x", "0x1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(text_number(slice_of_text(wrong[i]), 1000, &value), ERR_FORMAT);
    assert_true(value == UINT64_MAX); // written on OK only
}

static void test_printable(void **state)
{
    (void)state;
    char text[8];
    text_printable(text, sizeof text, slice_of("A\n\0\xffz", 5));
    assert_string_equal(text, "A???z");
    text_printable(text, sizeof text, slice_of_text("12345678"));
    assert_string_equal(text, "1234567");
}

static void test_checked(void **state)
{
    (void)state;
    size_t sum;
    assert_true(checked_add((size_t)1, (size_t)2, &sum));
    assert_int_equal(sum, 3);
    assert_false(checked_add(SIZE_MAX, (size_t)1, &sum));
}

// RFC 3720 B.4.
static void test_crc32c(void **state)
{
    (void)state;
    uint8_t bytes[48] = {0};
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x46dd794e);
    for (size_t cut = 0; cut <= 32; cut++) { // in two pieces, at any alignment
        uint32_t first = crc32c(0, slice_of(bytes, cut));
        assert_int_equal(crc32c(first, slice_of(bytes + cut, 32 - cut)), 0x46dd794e);
    }
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, slice_of(bytes, 32)), 0x113fdb5c);
    static const uint8_t iscsi_read[48] = {0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
                                           0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                           0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    assert_int_equal(crc32c(0, slice_of(iscsi_read, 48)), 0xd9963a56);
    assert_int_equal(crc32c(0, slice_of("123456789", 9)), 0xe3069283);
    assert_int_equal(crc32c(0, slice_of(NULL, 0)), 0);
}

// Aumasson and Bernstein 2012, appendix A, and three more of the reference implementation's table.
static void test_siphash(void **state)
{
    (void)state;
    static const struct hash_seed seed = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    uint8_t message[64];
    for (unsigned i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    assert_true(hash_bytes(&seed, slice_of(message, 15)) == 0xa129ca6149be45e5);
    assert_true(hash_bytes(&seed, slice_of(message, 0)) == 0x726fdb47dd0e0e31);
    assert_true(hash_bytes(&seed, slice_of(message, 1)) == 0x74f839c593dc67fd);
    assert_true(hash_bytes(&seed, slice_of(message, 8)) == 0x93f5f5799a932462);
    static const struct hash_seed other = {0x0706050403020101, 0x0f0e0d0c0b0a0908};
    assert_true(hash_bytes(&other, slice_of(message, 15)) != 0xa129ca6149be45e5);
}

// RFC 3629, 3 and 4.
static void test_utf8(void **state)
{
    static const char *const good[] = {"",
                                       "a",
                                       "\x7F",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {
        "\x80",         "\xC1\xBF", "\xC2", "\xC2\x41",         "\xE0\x9F\xBF",     "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xE2\x82", "\xFF", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80",
        "a\x80"};
    size_t length;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_is_valid(slice_of_text(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_is_valid(slice_of_text(bad[i])));
    assert_int_equal(utf8_first(slice_of_text("\xF0\x9F\x98\x80x"), &length), 0x1F600);
    assert_int_equal(length, 4);
    assert_int_equal(utf8_length(slice_of_text("a\xC3\xBC\xF0\x9F\x98\x80")), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),   cmocka_unit_test(test_copy_and_format), cmocka_unit_test(test_hex),
        cmocka_unit_test(test_number), cmocka_unit_test(test_printable),       cmocka_unit_test(test_checked),
        cmocka_unit_test(test_crc32c), cmocka_unit_test(test_siphash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
