// SPDX-License-Identifier: Apache-2.0
//
// The control environment over both stores.
#include "base/text.h"
#include "store/control.h"
#include "support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct control_capability capability(uint32_t archive, unsigned abstract_syntax, uint8_t answer)
{
    struct control_capability made = {.archive = archive, .answer = answer, .when = 1000 + answer};
    (void)text_format(made.abstract_syntax, sizeof made.abstract_syntax, "1.2.840.10008.5.1.4.1.1.%u",
                      abstract_syntax);
    (void)text_copy(made.transfer_syntax, sizeof made.transfer_syntax, slice_of_text("1.2.840.10008.1.2"));
    return made;
}

struct seen {
    struct control_capability last;
    unsigned count, rewritten;
};

static enum result see(void *argument, const struct control_capability *found)
{
    struct seen *seen = argument;
    assert_true(seen->count == 0 || found->archive > seen->last.archive ||
                (found->archive == seen->last.archive &&
                 strcmp(found->abstract_syntax, seen->last.abstract_syntax) > 0));
    seen->last = *found;
    seen->count++;
    seen->rewritten += found->answer == 4 && found->when == 1004;
    return OK;
}

static void capabilities(enum store_kind kind)
{
    struct test_store store;
    struct control_capability list[200];
    struct seen seen = {.count = 0};
    test_store_init(&store, kind, &control_schema);
    assert_int_equal(control_capabilities_each(store.env, see, &seen), OK);
    assert_int_equal(seen.count, 0);
    for (unsigned i = 0; i < 200; i++)
        list[i] = capability(1 + i % 2, 100 + i, 0);
    assert_int_equal(control_capabilities_put(store.env, list, 200), OK);
    list[0] = capability(1, 100, 4);
    assert_int_equal(control_capabilities_put(store.env, list, 1), OK);
    test_store_close(&store);
    test_store_open(&store);
    assert_int_equal(control_capabilities_each(store.env, see, &seen), OK);
    assert_int_equal(seen.count, 200);
    assert_int_equal(seen.rewritten, 1);
    test_store_fini(&store);
}

static void pauses(enum store_kind kind)
{
    struct test_store store;
    struct control_pause list[4];
    size_t count = 9;
    test_store_init(&store, kind, &control_schema);
    assert_int_equal(control_pauses_get(store.env, list, 4, &count), OK);
    assert_int_equal(count, 0);
    assert_int_equal(control_archive_resume(store.env, 7), OK);
    struct control_pause first = {.archive = 7, .when = 5};
    memset(first.who, 'x', sizeof first.who - 1); // as long as they may be
    memset(first.why, 'y', sizeof first.why - 1);
    struct control_pause second = {.archive = 7, .when = 6, .who = "other"};
    struct control_pause third = {.archive = 2, .when = 7, .who = "J\xf6rg"};
    assert_int_equal(control_archive_pause(store.env, &first), OK);
    assert_int_equal(control_archive_pause(store.env, &second), OK);
    assert_int_equal(control_archive_pause(store.env, &third), OK);
    assert_int_equal(control_pauses_get(store.env, list, 1, &count), OK);
    assert_int_equal(count, 2);
    assert_int_equal(control_pauses_get(store.env, list, 4, &count), OK);
    assert_int_equal(list[0].archive, 2);
    assert_int_equal(list[1].archive, 7);
    assert_int_equal(list[1].when, 5);
    assert_string_equal(list[0].who, "J\xf6rg");
    assert_string_equal(list[1].who, first.who);
    assert_string_equal(list[1].why, first.why);
    assert_string_equal(list[0].why, "");
    assert_int_equal(control_archive_resume(store.env, 7), OK);
    assert_int_equal(control_pauses_get(store.env, list, 4, &count), OK);
    assert_int_equal(count, 1);
    test_store_fini(&store);
}

static enum result damage_see(void *argument, const struct control_damage *found)
{
    struct control_damage *list = argument;
    size_t count = 0;
    while (list[count].when != 0)
        count++;
    list[count] = *found;
    return OK;
}

static void damage(enum store_kind kind)
{
    struct test_store store;
    struct control_damage list[4] = {{.when = 0}};
    struct control_damage first = {.position = {2, 7, 1ull << 33}, .bytes = 64, .when = 5, .finder = 3};
    struct control_damage second = {
        .position = {1, 9, 4096}, .receipt = 77, .type = 2, .when = 6, .finder = 1};
    test_store_init(&store, kind, &control_schema);
    assert_int_equal(control_damage_put(store.env, &first), OK);
    assert_int_equal(control_damage_put(store.env, &second), OK);
    first.receipt = 1ull << 48 | 5; // known later
    assert_int_equal(control_damage_put(store.env, &first), OK);
    assert_int_equal(control_damage_each(store.env, damage_see, list), OK);
    assert_memory_equal(&list[0].position, &second.position, sizeof second.position);
    assert_true(list[0].receipt == 77 && list[0].type == 2 && list[0].finder == 1 && list[0].when == 6);
    assert_true(list[1].position.offset == 1ull << 33 && list[1].position.segment == 7);
    assert_true(list[1].receipt == first.receipt && list[1].bytes == 64);
    assert_int_equal(list[2].when, 0);
    test_store_fini(&store);
}

static void test_damage(void **state)
{
    (void)state;
    damage(STORE_SIM);
    damage(STORE_LMDB);
}

static void test_capabilities(void **state)
{
    (void)state;
    capabilities(STORE_SIM);
    capabilities(STORE_LMDB);
}

static void test_pauses(void **state)
{
    (void)state;
    pauses(STORE_SIM);
    pauses(STORE_LMDB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_capabilities), cmocka_unit_test(test_pauses),
                                       cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
