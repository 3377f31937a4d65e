// SPDX-License-Identifier: Apache-2.0
//
// The bytes of one data set as an archive gets them: whatever the pieces, they are those of the plan, and
// every fragment but the last is of even length.
#include "unit.h"

#include "../failing_memory.h"
#include "base/cursor.h"
#include "forward/outlet.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <zlib.h>

#define EXPLICIT_LE "1.2.840.10008.1.2.1"
#define DEFLATED    "1.2.840.10008.1.2.1.99"

enum { MOST = 16372, ROOM = 1 << 21 };

struct change {
    uint64_t offset;
    uint64_t old_length;
    const char *bytes;
};

// docs/edits.md, section 3.
static struct dcm_plan *plan_of(const struct change *changes, size_t count)
{
    uint8_t bytes[4096];
    struct writer w = writer_of(bytes, sizeof bytes);
    writer_put(&w, "DGEP", 4);
    writer_u16le(&w, 1);
    writer_u16le(&w, 0);
    writer_u32le(&w, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        writer_u32le(&w, (uint32_t)changes[i].offset);
        writer_u32le(&w, 0);
        writer_u32le(&w, (uint32_t)changes[i].old_length);
        writer_u32le(&w, 0);
        writer_u32le(&w, (uint32_t)strlen(changes[i].bytes));
        writer_put(&w, changes[i].bytes, strlen(changes[i].bytes));
    }
    struct dcm_plan *plan;
    assert_false(w.failed);
    assert_int_equal(dcm_plan_parse(writer_slice(&w), &plan), OK);
    return plan;
}

// What the plan means, in one go.
static size_t applied(const struct change *changes, size_t count, struct slice from, uint8_t *to)
{
    size_t length = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t keep = (size_t)changes[i].offset - at;
        memcpy(to + length, from.data + at, keep);
        length += keep;
        memcpy(to + length, changes[i].bytes, strlen(changes[i].bytes));
        length += strlen(changes[i].bytes);
        at = (size_t)(changes[i].offset + changes[i].old_length);
    }
    memcpy(to + length, from.data + at, from.length - at);
    return length + from.length - at;
}

static uint8_t *pattern(size_t length)
{
    uint8_t *bytes = malloc(length + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    return bytes;
}

// How a data set comes in, and what came out of it.
struct passage {
    struct slice input;
    size_t piece;      // bytes of each
    size_t most;       // of a fragment
    bool knows_length; // from the first piece on; else before the last one (cut-through)
    bool is_slow;      // the transport takes fragments only when both buffers are out
    // out
    uint8_t *bytes;
    size_t length;
    size_t fragments;
    size_t gathered; // bytes of it
    bool is_whole;
    size_t known_at; // bytes out when SENT could be written
    enum result result;
};

static void release(struct outlet_buffers *buffers, uint64_t past)
{
    for (unsigned i = 0; i < OUTLET_BUFFERS; i++)
        if (buffers->each[i].is_out && buffers->each[i].mark <= past)
            outlet_buffer_release(buffers, i);
}

static void piece_give(struct outlet *outlet, struct passage *passage, size_t *at)
{
    struct slice piece = slice_first(slice_from(passage->input, *at), passage->piece);
    if (passage->knows_length || *at + piece.length == passage->input.length)
        outlet_length_set(outlet, passage->input.length);
    if (piece.length == 0)
        outlet_end(outlet);
    else
        outlet_put(outlet, piece);
    *at += piece.length;
}

static void pass(struct outlet *outlet, struct outlet_buffers *buffers, struct passage *passage)
{
    size_t at = 0;
    passage->bytes = malloc(ROOM);
    assert_non_null(passage->bytes);
    while (!passage->is_whole) {
        struct outlet_fragment fragment;
        if (outlet_wants_piece(outlet))
            piece_give(outlet, passage, &at);
        enum outlet_step step = outlet_next(outlet, passage->most, &fragment);
        if (step == OUTLET_FAILED) {
            passage->result = outlet->result;
            return;
        }
        if (outlet_is_known(outlet) && passage->known_at == SIZE_MAX)
            passage->known_at = passage->length;
        if (step == OUTLET_WANTS_ROOM)
            release(buffers, passage->fragments);
        if (step != OUTLET_FRAGMENT)
            continue;
        assert_true(fragment.payload.length <= passage->most);
        assert_true(fragment.is_last || (fragment.payload.length > 0 && fragment.payload.length % 2 == 0));
        assert_true(passage->length + fragment.payload.length <= ROOM);
        if (fragment.payload.length > 0)
            memcpy(passage->bytes + passage->length, fragment.payload.data, fragment.payload.length);
        passage->length += fragment.payload.length;
        passage->gathered += outlet->is_gathered ? fragment.payload.length : 0;
        passage->is_whole = fragment.is_last;
        assert_true(!fragment.is_last || outlet_is_known(outlet));
        outlet_taken(outlet, ++passage->fragments);
        if (!passage->is_slow)
            release(buffers, passage->fragments);
    }
}

static void header_check(const struct outlet *outlet, const uint8_t *bytes, size_t length)
{
    uint8_t expected[DCM_DIGEST_LENGTH];
    uint8_t header[DCM_DIGEST_LENGTH];
    assert_int_equal(EVP_Digest(bytes, length, expected, NULL, EVP_sha256(), NULL), 1);
    outlet_header_get(outlet, header);
    assert_memory_equal(header, expected, sizeof header);
}

static void undo_check(const struct outlet *outlet, struct slice sent, struct slice original)
{
    struct dcm_plan *undo;
    assert_int_equal(outlet_undo(outlet, &undo), OK);
    uint8_t *back = malloc(ROOM);
    size_t length = 0;
    size_t at = 0;
    for (size_t i = 0; i < dcm_plan_count(undo); i++) {
        struct dcm_change change = dcm_plan_change(undo, i);
        memcpy(back + length, sent.data + at, (size_t)change.offset - at);
        length += (size_t)change.offset - at;
        if (change.new_bytes.length > 0)
            memcpy(back + length, change.new_bytes.data, change.new_bytes.length);
        length += change.new_bytes.length;
        at = (size_t)(change.offset + change.old_length);
    }
    memcpy(back + length, sent.data + at, sent.length - at);
    length += sent.length - at;
    assert_int_equal(length, original.length);
    assert_memory_equal(back, original.data, length);
    free(back);
    dcm_plan_free(undo);
}

// Passes `input` through the plan in pieces and checks everything about it. Returns what came out, without
// its bytes.
static struct passage edited(const struct change *changes, size_t count, struct passage passage,
                             size_t header_length)
{
    struct outlet outlet;
    struct outlet_buffers buffers = {0};
    struct dcm_splice *splice;
    struct dcm_plan *plan = plan_of(changes, count);
    uint8_t *expected = malloc(ROOM);
    size_t length = applied(changes, count, passage.input, expected);
    passage.known_at = SIZE_MAX;
    assert_int_equal(dcm_splice_new(&splice), OK);
    assert_int_equal(
        outlet_begin_edited(&outlet, plan, splice, &buffers, slice_of_text(EXPLICIT_LE), header_length), OK);
    pass(&outlet, &buffers, &passage);
    assert_true(passage.is_whole);
    assert_int_equal(passage.length, length);
    assert_memory_equal(passage.bytes, expected, length);
    header_check(&outlet, expected, (size_t)dcm_splice_length(plan, header_length));
    undo_check(&outlet, slice_of(passage.bytes, length), passage.input);
    outlet_fini(&outlet);
    outlet_buffers_fini(&buffers);
    dcm_splice_free(splice);
    dcm_plan_free(plan);
    free(expected);
    free(passage.bytes);
    passage.bytes = NULL;
    return passage;
}

static const size_t piece_sizes[] = {1, 2, 3, 7, 255, 256, 1024, 8192, 65535, 65536, 262144};
enum { PIECE_SIZES = sizeof piece_sizes / sizeof piece_sizes[0] };

static void edited_in_all_pieces(const struct change *changes, size_t count, size_t length, size_t header)
{
    uint8_t *bytes = pattern(length);
    for (size_t i = 0; i < PIECE_SIZES; i++)
        for (unsigned bits = 0; bits < 4; bits++) {
            struct passage passage = {.input = slice_of(bytes, length),
                                      .piece = piece_sizes[i],
                                      .most = MOST,
                                      .knows_length = (bits & 1) != 0,
                                      .is_slow = (bits & 2) != 0};
            (void)edited(changes, count, passage, header);
        }
    free(bytes);
}

static void test_even_changes(void **state)
{
    (void)state;
    const struct change changes[] = {{100, 4, "123456"}, {300, 2, "ab"}, {1000, 10, ""}, {1200, 0, "xy"}};
    edited_in_all_pieces(changes, 4, 300000, 2000);
}

static void test_odd_changes(void **state)
{
    (void)state;
    const struct change changes[] = {{101, 4, "12345"}, {300, 3, "ab"}};
    edited_in_all_pieces(changes, 2, 300001, 2000);
    edited_in_all_pieces(changes, 1, 300000, 2000);
}

// At the borders of pieces of 256, 1024, 8192 and 65536 bytes, and over them.
static void test_changes_at_borders(void **state)
{
    (void)state;
    const struct change changes[] = {{0, 2, "first!"},    {256, 0, "at"},       {1023, 2, "over"},
                                     {8190, 2, "before"}, {65536, 2, "behind"}, {65538, 0, "next"}};
    edited_in_all_pieces(changes, 6, 200000, 70000);
}

static void test_change_is_the_end(void **state)
{
    (void)state;
    const struct change inserted[] = {{5000, 0, "tail"}};
    const struct change removed[] = {{4000, 1000, ""}};
    const struct change all[] = {{0, 5000, ""}};
    edited_in_all_pieces(inserted, 1, 5000, 5000);
    edited_in_all_pieces(removed, 1, 5000, 5000);
    edited_in_all_pieces(all, 1, 5000, 5000);
}

static void test_into_an_empty_one(void **state)
{
    (void)state;
    const struct change inserted[] = {{0, 0, "something"}};
    edited_in_all_pieces(inserted, 1, 0, 0);
}

// Many changes make no fragment each, and what is behind them is not copied.
static void test_fragments_are_worth_it(void **state)
{
    (void)state;
    struct change changes[50];
    for (size_t i = 0; i < 50; i++)
        changes[i] = (struct change){.offset = 100 + 20 * i, .old_length = 2, .bytes = "1234"};
    uint8_t *bytes = pattern(1000000);
    struct passage passage = {
        .input = slice_of(bytes, 1000000), .piece = 262144, .most = MOST, .knows_length = true};
    passage = edited(changes, 50, passage, 1200);
    assert_in_range(passage.gathered, 1000, MOST + 2000);
    assert_in_range(passage.fragments, 1000000 / MOST, 1000000 / MOST + 6);
    assert_in_range(passage.known_at, 0, 65536);
    free(bytes);
}

static void test_plain(void **state)
{
    (void)state;
    uint8_t *bytes = pattern(100001);
    struct outlet outlet;
    struct passage passage = {.input = slice_of(bytes, 100001), .piece = 8192, .most = MOST};
    outlet_begin_plain(&outlet);
    assert_true(outlet_is_known(&outlet));
    struct outlet_buffers none = {0};
    pass(&outlet, &none, &passage);
    assert_int_equal(passage.length, 100001);
    assert_memory_equal(passage.bytes, bytes, 100001);
    assert_int_equal(passage.gathered, 0);
    outlet_fini(&outlet);
    free(passage.bytes);
    free(bytes);
}

static void test_plain_too_short(void **state)
{
    (void)state;
    struct outlet outlet;
    struct outlet_fragment fragment;
    outlet_begin_plain(&outlet);
    outlet_length_set(&outlet, 100);
    outlet_put(&outlet, slice_of_text("0123456789"));
    assert_int_equal(outlet_next(&outlet, MOST, &fragment), OUTLET_FRAGMENT);
    assert_false(fragment.is_last);
    outlet_taken(&outlet, 1);
    outlet_end(&outlet);
    assert_int_equal(outlet_next(&outlet, MOST, &fragment), OUTLET_FAILED);
    assert_int_equal(outlet.result, ERR_FORMAT);
    outlet_fini(&outlet);
}

static void test_shorter_than_its_plan(void **state)
{
    (void)state;
    const struct change changes[] = {{4990, 20, "abc"}};
    uint8_t *bytes = pattern(5000);
    struct outlet outlet;
    struct outlet_buffers buffers = {0};
    struct dcm_splice *splice;
    struct dcm_plan *plan = plan_of(changes, 1);
    struct passage passage = {.input = slice_of(bytes, 5000), .piece = 512, .most = 1000};
    assert_int_equal(dcm_splice_new(&splice), OK);
    assert_int_equal(outlet_begin_edited(&outlet, plan, splice, &buffers, slice_of_text(EXPLICIT_LE), 5000),
                     OK);
    pass(&outlet, &buffers, &passage);
    assert_false(passage.is_whole);
    assert_int_equal(passage.result, ERR_FORMAT);
    outlet_fini(&outlet);
    outlet_buffers_fini(&buffers);
    dcm_splice_free(splice);
    dcm_plan_free(plan);
    free(passage.bytes);
    free(bytes);
}

// ---- deflated ----

static size_t deflated(struct slice from, uint8_t *to, size_t capacity)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)from.data;
    z.avail_in = (uInt)from.length;
    z.next_out = to;
    z.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t length = z.total_out;
    deflateEnd(&z);
    if (length % 2 == 1)
        to[length++] = 0;
    return length;
}

static size_t inflated(struct slice from, uint8_t *to, size_t capacity)
{
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)from.data;
    z.avail_in = (uInt)from.length;
    z.next_out = to;
    z.avail_out = (uInt)capacity;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    size_t length = z.total_out;
    inflateEnd(&z);
    return length;
}

static void element(struct writer *w, uint16_t group, uint16_t number, const char *vr, struct slice value)
{
    writer_u16le(w, group);
    writer_u16le(w, number);
    writer_put(w, vr, 2);
    if (strcmp(vr, "OW") == 0)
        writer_u16le(w, 0);
    if (strcmp(vr, "OW") == 0)
        writer_u32le(w, (uint32_t)value.length);
    else
        writer_u16le(w, (uint16_t)value.length);
    writer_slice_put(w, value);
}

static void test_deflated(void **state)
{
    (void)state;
    enum { PIXELS = 400000, NAME = 8, HEADER = 8 + NAME + 12 };
    uint8_t *pixels = malloc(PIXELS);
    uint8_t *plain = malloc(ROOM);
    uint8_t *packed = malloc(ROOM);
    uint8_t *expected = malloc(ROOM);
    uint8_t *got = malloc(ROOM);
    uint32_t seed = 12345; // so that it does not become small
    for (size_t i = 0; i < PIXELS; i++)
        pixels[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    struct writer w = writer_of(plain, ROOM);
    element(&w, 0x0010, 0x0010, "PN", slice_of_text("OLD^NAME"));
    element(&w, 0x7fe0, 0x0010, "OW", slice_of(pixels, PIXELS));
    struct slice original = writer_slice(&w);
    struct slice input = slice_of(packed, deflated(original, packed, ROOM));
    uint8_t value[] = {10, 0, 'N', 'E', 'W', '^', 'N', 'A', 'M', 'E', '^', 'X'};
    for (size_t i = 0; i < PIECE_SIZES; i++) {
        struct writer p = writer_of(got, ROOM);
        writer_put(&p, "DGEP\1\0\0\0\1\0\0\0\6\0\0\0\0\0\0\0\12\0\0\0\0\0\0\0\14\0\0\0", 32);
        writer_put(&p, value, sizeof value);
        struct dcm_plan *plan;
        assert_int_equal(dcm_plan_parse(writer_slice(&p), &plan), OK);
        struct outlet outlet;
        struct outlet_buffers buffers = {0};
        struct dcm_splice *splice;
        struct passage passage = {.input = input,
                                  .piece = piece_sizes[i],
                                  .most = MOST,
                                  .knows_length = true,
                                  .is_slow = i % 2 == 0,
                                  .known_at = SIZE_MAX};
        assert_int_equal(dcm_splice_new(&splice), OK);
        assert_int_equal(
            outlet_begin_edited(&outlet, plan, splice, &buffers, slice_of_text(DEFLATED), HEADER), OK);
        pass(&outlet, &buffers, &passage);
        assert_true(passage.is_whole);
        assert_int_equal(passage.length % 2, 0);
        size_t length = inflated(slice_of(passage.bytes, passage.length), got, ROOM);
        memcpy(expected, plain, 6);
        memcpy(expected + 6, value, sizeof value);
        memcpy(expected + 6 + sizeof value, plain + 8 + NAME, original.length - 8 - NAME);
        assert_int_equal(length, original.length + 2);
        assert_memory_equal(got, expected, length);
        header_check(&outlet, expected, HEADER + 2);
        undo_check(&outlet, slice_of(got, length), original);
        outlet_fini(&outlet);
        outlet_buffers_fini(&buffers);
        dcm_splice_free(splice);
        dcm_plan_free(plan);
        free(passage.bytes);
    }
    free(pixels);
    free(plain);
    free(packed);
    free(expected);
    free(got);
}

// Every allocation fails once: what comes out is whole, or it is said that it is not.
static void test_no_memory(void **state)
{
    (void)state;
    const struct change changes[] = {{100, 4, "123456"}, {300, 3, ""}};
    uint8_t *bytes = pattern(20000);
    struct dcm_plan *plan = plan_of(changes, 2);
    bool is_whole = false;
    for (long n = 0; !is_whole; n++) {
        struct outlet outlet;
        struct outlet_buffers buffers = {0};
        struct dcm_splice *splice;
        struct dcm_plan *undo;
        struct passage passage = {.input = slice_of(bytes, 20000), .piece = 512, .most = 1000};
        assert_int_equal(dcm_splice_new(&splice), OK);
        failing = n;
        enum result result =
            outlet_begin_edited(&outlet, plan, splice, &buffers, slice_of_text(EXPLICIT_LE), 5000);
        failing = -1;
        if (result == OK) {
            pass(&outlet, &buffers, &passage);
            assert_true(passage.is_whole);
            free(passage.bytes);
            failing = n;
            result = outlet_undo(&outlet, &undo);
            is_whole = failing >= 0;
            failing = -1;
            if (result == OK)
                dcm_plan_free(undo);
        }
        assert_true(result == OK || result == ERR_NOMEM || result == ERR_CRYPTO);
        outlet_fini(&outlet);
        outlet_buffers_fini(&buffers);
        dcm_splice_free(splice);
    }
    dcm_plan_free(plan);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_even_changes),
        cmocka_unit_test(test_odd_changes),
        cmocka_unit_test(test_changes_at_borders),
        cmocka_unit_test(test_change_is_the_end),
        cmocka_unit_test(test_into_an_empty_one),
        cmocka_unit_test(test_fragments_are_worth_it),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_plain_too_short),
        cmocka_unit_test(test_shorter_than_its_plan),
        cmocka_unit_test(test_deflated),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
