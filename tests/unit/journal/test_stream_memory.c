// SPDX-License-Identifier: Apache-2.0
//
// A stream for which there is no memory for a while.
#include "rig.h"

#include "../failing_memory.h"

// Whoever keeps what could not be appended is told when to try again, though room never ended.
static void test_told_to_try_again(void **state)
{
    struct rig *rig = rig_new(3);
    struct record_outcome outcome = {.receipt = 1, .archive = 1, .kind = RECORD_ANSWERED};
    struct journal_place place;
    (void)state;
    rig_boot(rig);
    for (int i = 0; i < 3; i++) {
        uint32_t calls = rig->room_calls;
        failing = 0;
        assert_int_equal(journal_append_outcome(rig->stream, &outcome, &place), ERR_NOMEM);
        assert_int_equal(rig->room_calls, calls);
        rig_settle(rig);
        assert_int_equal(rig->room_calls, calls + 1);
    }
    assert_int_equal(journal_append_outcome(rig->stream, &outcome, &place), OK);
    rig_stop(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_told_to_try_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
