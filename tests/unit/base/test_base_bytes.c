// SPDX-License-Identifier: Apache-2.0
//
// Slices, bounded cursors and writers, byte queues, lists and pools: their bounds, and that an error sticks.
#include "unit.h"

#include "base/cursor.h"
#include "base/grow.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/queue.h"
#include "base/sorted.h"

static const uint8_t SAMPLE[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void test_slices(void **state)
{
    (void)state;
    struct slice all = slice_of(SAMPLE, sizeof SAMPLE);
    assert_int_equal(slice_from(all, 14).length, 1);
    assert_int_equal(slice_from(all, 15).length, 0);
    assert_int_equal(slice_from(all, SIZE_MAX).length, 0);
    assert_int_equal(slice_first(all, 3).length, 3);
    assert_int_equal(slice_first(all, SIZE_MAX).length, 15);
    assert_true(slice_is_equal(slice_of(NULL, 0), slice_of("", 0)));
    assert_false(slice_is_equal(all, slice_first(all, 14)));
    assert_true(slice_is_text(slice_trimmed(slice_of(" \0A B\0 ", 7)), "A B"));
    assert_int_equal(slice_trimmed(slice_of("  \0\0 ", 5)).length, 0);
}

static void test_array_grows(void **state)
{
    (void)state;
    uint64_t *numbers = NULL;
    size_t capacity = 0;
    unsigned growths = 0;
    for (size_t i = 0; i < 10000; i++) {
        size_t before = capacity;
        assert_int_equal(ARRAY_GROW(numbers, capacity, i + 1), OK);
        assert_true(capacity > i);
        growths += capacity != before;
        numbers[i] = i;
    }
    assert_true(growths <= 12);
    assert_int_equal(ARRAY_GROW(numbers, capacity, 50000), OK);
    assert_int_equal(capacity, 50000);
    assert_int_equal(ARRAY_GROW(numbers, capacity, SIZE_MAX / 8 + 1), ERR_NOMEM); // its bytes overflow
    assert_int_equal(capacity, 50000);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(numbers[i], i);
    free(numbers);
}

static void test_cursor_reads(void **state)
{
    (void)state;
    struct cursor c = cursor_of(slice_of(SAMPLE, sizeof SAMPLE));
    assert_int_equal(cursor_u8(&c), 0x01);
    assert_int_equal(cursor_u16be(&c), 0x0203);
    assert_int_equal(cursor_u32be(&c), 0x04050607);
    assert_int_equal(cursor_u64be(&c), 0x08090a0b0c0d0e0f);
    assert_int_equal(cursor_left(&c), 0);
    assert_false(c.failed);
    c = cursor_of(slice_of(SAMPLE, sizeof SAMPLE));
    assert_int_equal(cursor_u16le(&c), 0x0201);
    assert_int_equal(cursor_u32le(&c), 0x06050403);
    assert_int_equal(cursor_u64le(&c), 0x0e0d0c0b0a090807);
    assert_int_equal(cursor_left(&c), 1);
}

// One byte short: nothing is given, and nothing ever again, not even what would fit.
static void test_cursor_error_sticks(void **state)
{
    (void)state;
    struct cursor c = cursor_of(slice_of(SAMPLE, 3));
    assert_int_equal(cursor_u32be(&c), 0);
    assert_true(c.failed);
    assert_int_equal(cursor_left(&c), 0);
    assert_int_equal(cursor_u8(&c), 0);
    assert_null(cursor_take(&c, 0).data);
    assert_true(c.failed);
    c = cursor_of(slice_of(SAMPLE, 3));
    assert_int_equal(cursor_take(&c, SIZE_MAX).length, 0);
    assert_true(c.failed);
    c = cursor_of(slice_of(SAMPLE, 3));
    cursor_skip(&c, 3);
    assert_false(c.failed);
    assert_int_equal(cursor_take(&c, 0).length, 0);
    assert_false(c.failed);
    cursor_skip(&c, 1);
    assert_true(c.failed);
    c = cursor_of(slice_of(NULL, 0));
    assert_int_equal(cursor_take(&c, 0).length, 0);
    assert_false(c.failed);
}

static void test_writer(void **state)
{
    (void)state;
    uint8_t room[16];
    struct writer w = writer_of(room, 15);
    writer_u8(&w, 1);
    writer_u16be(&w, 0x0203);
    writer_u32be(&w, 0x04050607);
    writer_u64be(&w, 0x08090a0b0c0d0e0f);
    assert_false(w.failed);
    assert_memory_equal(room, SAMPLE, 15);
    w = writer_of(room, sizeof room);
    writer_u16le(&w, 0x0201);
    writer_u32le(&w, 0x06050403);
    writer_u64le(&w, 0x0e0d0c0b0a090807);
    writer_fill(&w, 0x0f, 1);
    assert_memory_equal(room, SAMPLE, 15);
    assert_int_equal(writer_slice(&w).length, 15);
}

static void test_writer_error_sticks(void **state)
{
    (void)state;
    uint8_t room[4] = {0xee, 0xee, 0xee, 0xee};
    struct writer w = writer_of(room, 3);
    writer_u16be(&w, 0x0102);
    writer_u16be(&w, 0x0304);
    assert_true(w.failed);
    assert_int_equal(w.length, 2);
    assert_int_equal(room[2], 0xee);
    writer_u8(&w, 9);
    writer_fill(&w, 9, 0);
    writer_put(&w, NULL, 0);
    assert_int_equal(w.length, 2);
    writer_patch_u16be(&w, 0, 0x0909); // a failed writer changes nothing any more
    assert_int_equal(room[0], 1);
    w = writer_of(room, 4);
    writer_fill(&w, 0, 3);
    writer_patch_u16be(&w, 1, 0x0a0b);
    assert_int_equal(room[1], 0x0a);
    assert_int_equal(room[2], 0x0b);
    struct writer whole = w;
    writer_patch_u16be(&w, 2, 0xffff); // half of it not written yet
    assert_true(w.failed);
    w = whole;
    writer_patch_u32be(&w, 0, 0xffffffff);
    assert_true(w.failed);
    assert_int_equal(room[0], 0);
    assert_int_equal(room[2], 0x0b);
    w = whole;
    writer_fill(&w, 1, SIZE_MAX);
    assert_true(w.failed);
}

static void test_queue_keeps_order(void **state)
{
    (void)state;
    struct byte_queue queue;
    byte_queue_init(&queue, 100000);
    uint8_t in = 0;
    uint8_t out = 0;
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t bytes[97];
        size_t length = 1 + round * 31 % sizeof bytes;
        for (size_t i = 0; i < length; i++)
            bytes[i] = in++;
        assert_int_equal(byte_queue_append(&queue, slice_of(bytes, length)), OK);
        struct slice waiting = byte_queue_peek(&queue);
        size_t taken = waiting.length > 600 ? waiting.length : round * 17 % (waiting.length + 1);
        for (size_t i = 0; i < taken; i++)
            assert_int_equal(waiting.data[i], out++);
        byte_queue_consume(&queue, taken);
    }
    byte_queue_fini(&queue);
    assert_null(queue.data);
}

static void test_queue_limit(void **state)
{
    (void)state;
    struct byte_queue queue;
    byte_queue_init(&queue, 10);
    assert_int_equal(byte_queue_append(&queue, slice_of(SAMPLE, 11)), ERR_LIMIT);
    assert_true(byte_queue_is_empty(&queue));
    assert_int_equal(byte_queue_append(&queue, slice_of(SAMPLE, 10)), OK);
    assert_int_equal(byte_queue_append(&queue, slice_of(SAMPLE, 1)), ERR_LIMIT);
    assert_int_equal(byte_queue_peek(&queue).length, 10);
    assert_int_equal(byte_queue_append(&queue, slice_of(NULL, 0)), OK);
    byte_queue_consume(&queue, 4);
    assert_int_equal(byte_queue_append(&queue, slice_of(SAMPLE, 4)), OK);
    assert_int_equal(byte_queue_peek(&queue).data[0], 5);
    byte_queue_consume(&queue, 10);
    assert_null(queue.data); // idle: holds no memory
    assert_int_equal(byte_queue_peek(&queue).length, 0);
    assert_int_equal(byte_queue_append(&queue, slice_of(SAMPLE, 10)), OK);
    byte_queue_fini(&queue);
}

struct item {
    unsigned number;
    struct list_node node;
};

static unsigned number_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct item, node)->number;
}

static void test_list(void **state)
{
    (void)state;
    struct item items[5] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    struct list list;
    list_init(&list);
    assert_null(list_first(&list));
    assert_null(list_last(&list));
    assert_null(list_take_first(&list));
    list_append(&list, &items[1].node);
    list_append(&list, &items[3].node);
    list_prepend(&list, &items[0].node);
    list_insert_before(&list, &items[3].node, &items[2].node);
    assert_false(list_node_is_linked(&items[4].node));
    unsigned expected = 0;
    LIST_EACH(&list, node)
    {
        assert_int_equal(number_of(node), expected++);
        if (number_of(node) % 2 == 1)
            list_remove(&list, node); // the one at hand may go
    }
    assert_int_equal(expected, 4);
    assert_int_equal(list.count, 2);
    assert_false(list_node_is_linked(&items[1].node));
    assert_int_equal(number_of(list_first(&list)), 0);
    assert_int_equal(number_of(list_next(&list, list_first(&list))), 2);
    assert_null(list_next(&list, list_last(&list)));
    assert_int_equal(number_of(list_take_first(&list)), 0);
    assert_int_equal(number_of(list_take_first(&list)), 2);
    assert_true(list_is_empty(&list));
}

static void test_pool(void **state)
{
    (void)state;
    struct pool pool;
    void *objects[6];
    pool_init(&pool, 40, 4);
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        objects[i] = pool_take_raw(&pool);
        memset(objects[i], 0xa5, 40);
    }
    assert_int_equal(pool.used, 6);
    for (size_t i = 0; i < COUNT_OF(objects); i++)
        pool_give(&pool, objects[i]);
    pool_give(&pool, NULL);
    assert_int_equal(pool.used, 0);
    assert_true(pool.kept <= 4);
    uint8_t *again = pool_take(&pool); // zeroed, whoever had it before
    for (size_t i = 0; i < 40; i++)
        assert_int_equal(again[i], 0);
    pool_give(&pool, again);
    pool_fini(&pool);
    assert_int_equal(pool.kept, 0);
}

static int number_compare(const void *item, const void *key)
{
    int a = *(const int *)item, b = *(const int *)key;
    return (a > b) - (a < b);
}

static void test_sorted_place(void **state)
{
    static const int numbers[] = {2, 4, 4, 4, 9};
    static const struct {
        int key;
        size_t place;
    } cases[] = {{1, 0}, {2, 0}, {3, 1}, {4, 1}, {5, 4}, {9, 4}, {10, 5}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(sorted_place(numbers, 5, sizeof numbers[0], &cases[i].key, number_compare),
                         cases[i].place);
    assert_int_equal(sorted_place(NULL, 0, sizeof numbers[0], &cases[0].key, number_compare), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sorted_place),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_array_grows),
        cmocka_unit_test(test_cursor_reads),
        cmocka_unit_test(test_cursor_error_sticks),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_error_sticks),
        cmocka_unit_test(test_queue_keeps_order),
        cmocka_unit_test(test_queue_limit),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
