// SPDX-License-Identifier: Apache-2.0
// CBOR writer and reader: examples of RFC 8949 appendix A, unknown keys, bounds, every cut of a map.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cbor/reader.h"
#include "cbor/writer.h"

static struct slice unhex(const char *text, uint8_t *out)
{
    size_t length = strlen(text) / 2;
    for (size_t i = 0; i < length; i++) {
        unsigned value = 0;
        for (size_t j = 0; j < 2; j++) {
            char c = text[2 * i + j];
            value = value * 16 + (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        out[i] = (uint8_t)value;
    }
    return slice_of(out, length);
}

static void test_numbers(void **state)
{
    // RFC 8949 appendix A.
    const struct {
        int64_t value;
        const char *hex;
    } cases[] = {
        {0, "00"},
        {23, "17"},
        {24, "1818"},
        {100, "1864"},
        {1000, "1903e8"},
        {1000000, "1a000f4240"},
        {-1, "20"},
        {-10, "29"},
        {-100, "3863"},
        {-1000, "3903e7"},
        {INT64_MAX, "1b7fffffffffffffff"},
        {INT64_MIN, "3b7fffffffffffffff"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[16];
        uint8_t expected[16];
        struct cbor_writer w;
        struct cbor_reader r;
        cbor_writer_init(&w, bytes, sizeof bytes);
        cbor_add_int(&w, cases[i].value);
        assert_int_equal(cbor_writer_result(&w), OK);
        struct slice want = unhex(cases[i].hex, expected);
        assert_true(slice_is_equal(cbor_writer_slice(&w), want));
        cbor_reader_init(&r, want);
        if (cases[i].value >= 0)
            assert_true(cbor_take_uint(&r, INT64_MAX) == (uint64_t)cases[i].value);
        else
            assert_int_equal(cbor_skip(&r).length, want.length); // none is taken as a value
        assert_int_equal(cbor_reader_result(&r), OK);
        assert_int_equal(cbor_reader_rest(&r), 0);
    }
}

static size_t sample_write(uint8_t *out, size_t capacity)
{
    struct cbor_writer w;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, 1, 7);
    cbor_put_map(&w, 99); // unknown to the reader below
    cbor_put_array(&w, -5);
    cbor_add_map(&w);
    cbor_put_text(&w, 1, slice_of_text("deep"));
    cbor_end(&w);
    cbor_add_bool(&w, true);
    cbor_end(&w);
    cbor_end(&w);
    cbor_put_text(&w, 2, slice_of_text("CT1"));
    cbor_put_array(&w, 3);
    cbor_add_uint(&w, 11);
    cbor_add_uint(&w, 12);
    cbor_end(&w);
    cbor_put_bytes(&w, -1, slice_of("\x00\xff", 2));
    cbor_put_bool(&w, 5, true);
    cbor_end(&w);
    return cbor_writer_result(&w) == OK ? w.length : 0;
}

struct sample {
    uint64_t one;
    struct slice text;
    uint64_t items[4];
    size_t count;
    struct slice bytes;
    bool yes;
};

static enum result sample_read(struct slice input, struct sample *out)
{
    struct cbor_reader r;
    int64_t key;
    *out = (struct sample){0};
    cbor_reader_init(&r, input);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        switch (key) {
        case 1:
            out->one = cbor_take_uint(&r, 100);
            break;
        case 2:
            out->text = cbor_take_text(&r, 16);
            break;
        case 3:
            cbor_enter_array(&r);
            while (cbor_next_item(&r)) {
                uint64_t value = cbor_take_uint(&r, UINT64_MAX);
                if (out->count < 4)
                    out->items[out->count++] = value;
            }
            break;
        case 5:
            out->yes = cbor_take_bool(&r);
            break;
        case -1:
            out->bytes = cbor_take_bytes(&r, 16);
            break;
        default:
            break;
        }
    }
    enum result result = cbor_reader_result(&r);
    return result == OK && cbor_reader_rest(&r) != 0 ? ERR_FORMAT : result;
}

static void test_map(void **state)
{
    uint8_t bytes[128];
    struct sample got;
    (void)state;
    size_t length = sample_write(bytes, sizeof bytes);
    assert_true(length > 0);
    assert_int_equal(sample_read(slice_of(bytes, length), &got), OK);
    assert_int_equal(got.one, 7);
    assert_true(slice_is_text(got.text, "CT1"));
    assert_int_equal(got.count, 2);
    assert_int_equal(got.items[1], 12);
    assert_int_equal(got.bytes.length, 2);
    assert_true(got.yes);
}

static void test_every_cut_fails(void **state)
{
    uint8_t bytes[128];
    struct sample got;
    (void)state;
    size_t length = sample_write(bytes, sizeof bytes);
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t exact[128];
        memcpy(exact, bytes, cut);
        assert_int_equal(sample_read(slice_of(exact, cut), &got), ERR_FORMAT);
        assert_int_equal(sample_write(exact, cut), 0);
    }
    bytes[length] = 0;
    assert_int_equal(sample_read(slice_of(bytes, length + 1), &got), ERR_FORMAT);
}

static void test_definite_lengths(void **state)
{
    uint8_t bytes[64];
    struct sample got;
    (void)state;
    // {1: 0(7), 99: {1: [1, 2, {}]}, 3: [11, 12]}, the first value with a tag
    struct slice input = unhex("a301c0071863a101830102a003820b0c", bytes);
    assert_int_equal(sample_read(input, &got), OK);
    assert_int_equal(got.one, 7);
    assert_int_equal(got.count, 2);
}

static void test_malformed(void **state)
{
    const struct {
        const char *hex;
        enum result result;
    } cases[] = {
        {"", ERR_FORMAT},
        {"01", ERR_FORMAT},                                        // not a map
        {"a1", ERR_FORMAT},                                        // a pair is missing
        {"a10118", ERR_FORMAT},                                    // number cut
        {"a10265ff", ERR_FORMAT},                                  // text cut
        {"a1021bffffffffffffffff", ERR_FORMAT},                    // not a text
        {"a1027bffffffffffffffff", ERR_FORMAT},                    // text of 2^64-1 bytes
        {"bbffffffffffffffff", ERR_FORMAT},                        // map of 2^64-1 pairs
        {"a1039bffffffffffffff00", ERR_FORMAT},                    // array of more items than bytes
        {"a1616161", ERR_FORMAT},                                  // key is a text
        {"a1027f6161ff", ERR_FORMAT},                              // text in chunks
        {"a10118c8", ERR_LIMIT},                                   // 200 > 100
        {"a10271303132333435363738393031323334353637", ERR_LIMIT}, // 17 letters
        {"ff", ERR_FORMAT},
        {"a163ff", ERR_FORMAT},
        {"bf1863818181818181818181818100ff", ERR_LIMIT}, // unknown, nested too deep
        {"bf1863ff", ERR_FORMAT},                        // break instead of a value
        {"a1186382ff00", ERR_FORMAT},                    // break in an array of definite length
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[64];
        struct sample got;
        struct slice input = unhex(cases[i].hex, bytes);
        assert_int_equal(sample_read(input, &got), cases[i].result);
    }
}

static void test_writer_limits(void **state)
{
    uint8_t bytes[64];
    struct cbor_writer w;
    (void)state;
    cbor_writer_init(&w, bytes, sizeof bytes);
    cbor_end(&w);
    assert_int_equal(cbor_writer_result(&w), ERR_ARGUMENT);
    cbor_writer_init(&w, bytes, sizeof bytes);
    cbor_add_map(&w);
    assert_int_equal(cbor_writer_result(&w), ERR_ARGUMENT); // left open
    cbor_writer_init(&w, bytes, sizeof bytes);
    for (int i = 0; i <= CBOR_DEPTH_MAX; i++)
        cbor_add_array(&w);
    assert_int_equal(cbor_writer_result(&w), ERR_LIMIT);
    assert_int_equal(cbor_writer_slice(&w).length, 0);
}

static void test_skip_gives_the_bytes(void **state)
{
    uint8_t bytes[64];
    struct cbor_reader r;
    int64_t key;
    (void)state;
    struct slice input = unhex("a2018301020302182a", bytes);
    cbor_reader_init(&r, input);
    cbor_enter_map(&r);
    assert_true(cbor_next_key(&r, &key));
    assert_int_equal(cbor_peek(&r), CBOR_KIND_ARRAY);
    struct slice raw = cbor_skip(&r);
    assert_true(slice_is_equal(raw, slice_of("\x83\x01\x02\x03", 4)));
    assert_true(cbor_next_key(&r, &key));
    assert_int_equal(cbor_take_uint(&r, 100), 42);
    assert_false(cbor_next_key(&r, &key));
    assert_int_equal(cbor_reader_result(&r), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_every_cut_fails),
        cmocka_unit_test(test_definite_lengths),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_writer_limits),
        cmocka_unit_test(test_skip_gives_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
