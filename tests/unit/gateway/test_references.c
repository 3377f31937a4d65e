// SPDX-License-Identifier: Apache-2.0
//
// What is a rejection note, and what it references. Data sets are written here by hand, explicit little
// endian, sequences and items of undefined length.
#include "order/references.h"
#include "unit.h"
#include <stdio.h>

#define EXPLICIT_LE "1.2.840.10008.1.2.1"

static uint8_t bytes[1 << 20];
static size_t length;

static void put(const void *data, size_t count)
{
    assert_true(length + count <= sizeof bytes);
    memcpy(bytes + length, data, count);
    length += count;
}

static void put_tag(unsigned group, unsigned element)
{
    uint8_t tag[] = {(uint8_t)group, (uint8_t)(group >> 8), (uint8_t)element, (uint8_t)(element >> 8)};
    put(tag, 4);
}

static void put_text(unsigned group, unsigned element, const char *vr, const char *value)
{
    size_t size = strlen(value), even = size + size % 2;
    uint8_t count[] = {(uint8_t)even, (uint8_t)(even >> 8)};
    put_tag(group, element);
    put(vr, 2);
    put(count, 2);
    put(value, size);
    if (even > size)
        put(strcmp(vr, "UI") == 0 ? "" : " ", 1);
}

static void put_sequence(unsigned group, unsigned element)
{
    put_tag(group, element);
    put("SQ\0\0\xff\xff\xff\xff", 8);
}

static void put_mark(unsigned element, bool is_open)
{
    put_tag(0xFFFE, element);
    put(is_open ? "\xff\xff\xff\xff" : "\0\0\0\0", 4);
}

static void put_item(void)
{
    put_mark(0xE000, true);
}

static void end_item(void)
{
    put_mark(0xE00D, false);
}

static void end_sequence(void)
{
    put_mark(0xE0DD, false);
}

static void title_put(const char *code, const char *scheme)
{
    put_sequence(0x0040, 0xA043);
    put_item();
    put_text(0x0008, 0x0100, "SH", code);
    put_text(0x0008, 0x0102, "SH", scheme);
    end_item();
    end_sequence();
}

// `studies` items of one series each, with `instances` of them.
static void evidence_put(unsigned studies, unsigned instances)
{
    char uid[64];
    put_sequence(0x0040, 0xA375);
    for (unsigned study = 0; study < studies; study++) {
        put_item();
        put_sequence(0x0008, 0x1115);
        put_item();
        put_sequence(0x0008, 0x1199);
        for (unsigned i = 0; i < instances; i++) {
            (void)snprintf(uid, sizeof uid, "1.2.3.%u.%u", study, i);
            put_item();
            put_text(0x0008, 0x1150, "UI", "1.2.840.10008.5.1.4.1.1.2");
            put_text(0x0008, 0x1155, "UI", uid);
            end_item();
        }
        end_sequence();
        end_item();
        end_sequence();
        put_text(0x0020, 0x000D, "UI", "1.2.3");
        end_item();
    }
    end_sequence();
}

static struct references *read_in(size_t piece, enum result expected)
{
    struct references *references = NULL;
    assert_int_equal(references_new(slice_of_text(EXPLICIT_LE), 0, &references), OK);
    for (size_t at = 0; at < length; at += piece)
        references_feed(references, slice_first(slice_of(bytes + at, length - at), piece));
    assert_int_equal(references_end(references), expected);
    return references;
}

static void expect_title(const char *code, const char *scheme, bool expected)
{
    length = 0;
    title_put(code, scheme);
    evidence_put(1, 1);
    struct references *references = read_in(length, OK);
    assert_int_equal(references_are_rejected(references), expected);
    references_free(&references);
}

static void test_titles(void **state)
{
    (void)state;
    expect_title("113001", "DCM", true);
    expect_title("113037", "DCM", true);
    expect_title("113038", "DCM", true);
    expect_title("113039", "DCM", true);
    expect_title("113000", "DCM", false); // Of Interest
    expect_title("113001", "99SITE", false);
    expect_title("1130011", "DCM", false);
    length = 0;
    evidence_put(1, 1); // no title at all
    struct references *references = read_in(length, OK);
    assert_false(references_are_rejected(references));
    references_free(&references);
    assert_true(references_may_be(slice_of("1.2.840.10008.5.1.4.1.1.88.59\0", 30)));
    assert_false(references_may_be(slice_of_text("1.2.840.10008.5.1.4.1.1.88.5")));
}

static void expect_references(size_t piece, unsigned studies, unsigned instances)
{
    reference *hashes, expected;
    size_t count;
    struct references *references = read_in(piece, OK);
    assert_int_equal(references_take(references, &hashes, &count), OK);
    assert_int_equal(count, studies * instances);
    for (unsigned i = 0; i < studies * instances; i++) {
        char uid[64];
        (void)snprintf(uid, sizeof uid, "1.2.3.%u.%u", i / instances, i % instances);
        fact_uid_hash(slice_of_text(uid), expected);
        size_t at = 0;
        while (at < count && memcmp(hashes[at], expected, sizeof expected) != 0)
            at++;
        assert_true(at < count);
    }
    free(hashes);
    references_free(&references);
}

static void test_references(void **state)
{
    (void)state;
    length = 0;
    title_put("113001", "DCM");
    evidence_put(3, 40);
    expect_references(length, 3, 40);
    expect_references(1, 3, 40);
}

static void test_same_one_twice(void **state)
{
    (void)state;
    length = 0;
    evidence_put(1, 2);
    size_t once = length;
    put(bytes, once); // not in order, as some write it: the survey sees both
    struct references *references = read_in(length, OK);
    reference *hashes;
    size_t count;
    assert_int_equal(references_take(references, &hashes, &count), OK);
    assert_int_equal(count, 2);
    free(hashes);
    references_free(&references);
}

// A note can be any length: beyond what is remembered it says so.
static void test_too_many(void **state)
{
    (void)state;
    length = 0;
    evidence_put(1, 9000);
    struct references *references = read_in(4096, ERR_LIMIT);
    references_free(&references);
}

static void test_broken(void **state)
{
    (void)state;
    length = 0;
    title_put("113001", "DCM");
    evidence_put(1, 3);
    length -= 20;
    struct references *references = read_in(length, ERR_FORMAT);
    references_free(&references);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_titles),         cmocka_unit_test(test_references),
        cmocka_unit_test(test_same_one_twice), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests_name("references", tests, NULL, NULL);
}
