// SPDX-License-Identifier: Apache-2.0
//
// Every cell of ul/state_table against the second typing, and the next state of every action (PS3.8 tables
// 9-6 to 9-9).
#include <string.h>

#include "second_table.h"
#include "support.h"

static void every_cell(void **unused)
{
    (void)unused;
    int listed = 0;
    for (int state = 1; state <= 13; state++) {
        for (int event = 1; event <= 19; event++) {
            char expected[8];
            second_table_cell(state, event, expected);
            enum ul_action action = ul_state_table_action((enum ul_state)state, (enum ul_event)event);
            const char *found = action == NOT_LISTED ? "-" : ul_state_table_row(action)->name;
            if (strcmp(found, expected) != 0)
                print_error("Sta%d Evt%d\n", state, event);
            assert_string_equal(found, expected);
            listed += action != NOT_LISTED;
        }
    }
    assert_int_equal(listed, 123);
}

static void next_states(void **unused)
{
    (void)unused;
    static const struct {
        enum ul_action action;
        const char *name;
        int next, alternative;
    } EXPECTED[] = {
        {AE_1, "AE-1", 4, 4},   {AE_2, "AE-2", 5, 5},   {AE_3, "AE-3", 6, 6},   {AE_4, "AE-4", 1, 1},
        {AE_5, "AE-5", 2, 2},   {AE_6, "AE-6", 3, 13},  {AE_7, "AE-7", 6, 6},   {AE_8, "AE-8", 13, 13},
        {DT_1, "DT-1", 6, 6},   {DT_2, "DT-2", 6, 6},   {AR_1, "AR-1", 7, 7},   {AR_2, "AR-2", 8, 8},
        {AR_3, "AR-3", 1, 1},   {AR_4, "AR-4", 13, 13}, {AR_5, "AR-5", 1, 1},   {AR_6, "AR-6", 7, 7},
        {AR_7, "AR-7", 8, 8},   {AR_8, "AR-8", 9, 10},  {AR_9, "AR-9", 11, 11}, {AR_10, "AR-10", 12, 12},
        {AA_1, "AA-1", 13, 13}, {AA_2, "AA-2", 1, 1},   {AA_3, "AA-3", 1, 1},   {AA_4, "AA-4", 1, 1},
        {AA_5, "AA-5", 1, 1},   {AA_6, "AA-6", 13, 13}, {AA_7, "AA-7", 13, 13}, {AA_8, "AA-8", 13, 13},
    };
    assert_int_equal(sizeof EXPECTED / sizeof EXPECTED[0], UL_ACTION_COUNT - 1);
    for (size_t i = 0; i < sizeof EXPECTED / sizeof EXPECTED[0]; i++) {
        const struct ul_action_row *row = ul_state_table_row(EXPECTED[i].action);
        assert_string_equal(row->name, EXPECTED[i].name);
        assert_int_equal(row->next, EXPECTED[i].next);
        assert_int_equal(row->alternative, EXPECTED[i].alternative);
    }
}

static void names(void **unused)
{
    (void)unused;
    assert_string_equal(ul_state_name(Sta1), "Sta1");
    assert_string_equal(ul_state_name(Sta13), "Sta13");
    assert_string_equal(ul_event_name(Evt19), "Evt19");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cell), cmocka_unit_test(next_states),
                                       cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
