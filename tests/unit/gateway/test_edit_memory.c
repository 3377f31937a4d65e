// SPDX-License-Identifier: Apache-2.0
//
// Every allocation on the way of an edit fails once: it is held as trouble, or a call says so; nothing goes
// unedited, nothing is lost.
#include "../failing_memory.h"
#include "edit_rig.h"

static struct writer data_set;
static struct bench bench;

static void on_change(void *arg)
{
    (void)arg;
}

static bool is_trouble(void)
{
    return edit_stage(bench.edit) == EDIT_HOLDS && edit_hold(bench.edit)->kind == EDIT_HOLD_TROUBLE;
}

// True: it went the whole way. A fresh workshop has nothing to use again.
static bool whole_way(struct edit_workshop *workshop)
{
    struct record_sent sent = {.archive = 2};
    if (edit_begin(workshop, bench.policies, edit_policies_find(bench.policies, 2), &bench.origin, on_change,
                   &bench, &bench.edit) != OK)
        return false;
    edit_feed(bench.edit, slice_of(data_set.bytes, data_set.length), true);
    if (edit_stage(bench.edit) == EDIT_ASKS)
        answer_quietly(CROSSWALK_MAPPED, 0, "G-17");
    if (edit_stage(bench.edit) != EDIT_GOES) {
        assert_true(is_trouble());
        return false;
    }
    assert_non_null(edit_plan(bench.edit));
    enum result result = edit_sent_fill(bench.edit, edit_plan(bench.edit), &sent);
    assert_true(result == OK || result == ERR_NOMEM);
    return result == OK && sent.evidence.length > 0;
}

static void test_each_allocation(void **state)
{
    bool is_through = false;
    size_t count = 0;
    (void)state;
    bench_begin(&bench, DOMAIN ", packs: [p]", PACK("  - { rule: r, do: [ { set: StudyID, to: S2 } ] }\n"),
                NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    for (; !is_through && count < 1000; count++) {
        struct edit_workshop *workshop;
        assert_int_equal(edit_workshop_new(&bench.worker, &workshop), OK);
        failing = (long)count;
        is_through = whole_way(workshop);
        failing = -1;
        bench_drop(&bench);
        edit_workshop_free(workshop);
    }
    assert_true(count > 20 && count < 1000);
    bench_end(&bench);
}

static void test_policies_and_workshop(void **state)
{
    enum result result = ERR_NOMEM;
    size_t count = 0;
    (void)state;
    bench_begin(&bench, DOMAIN ", packs: [p]", PACK("  - { rule: r, do: [ { set: StudyID, to: S2 } ] }\n"),
                NULL);
    for (; result != OK && count < 1000; count++) {
        struct edit_policies *policies = NULL;
        struct edit_workshop *workshop = NULL;
        struct conf_errors errors;
        conf_errors_init(&errors);
        failing = (long)count;
        result = edit_policies_new(bench.configuration, &errors, &policies);
        if (result == OK)
            result = edit_workshop_new(&bench.worker, &workshop);
        failing = -1;
        assert_true(result == OK || policies == NULL || result == ERR_NOMEM);
        edit_workshop_free(workshop);
        edit_policies_unref(&policies);
        conf_errors_fini(&errors);
    }
    assert_true(count > 20 && count < 1000);
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
        cmocka_unit_test(test_policies_and_workshop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
