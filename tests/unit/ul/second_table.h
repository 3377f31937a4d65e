// SPDX-License-Identifier: Apache-2.0
//
// PS3.8 table 9-10 typed a second time: one line per state, the columns Evt1 to Evt19 in order, "-" for an
// empty cell. It was typed from the standard's text by states, not from lib/ul/src/state_table.c, which goes
// by events.
#pragma once

static const char *const SECOND_TABLE[13] = {
    /* event:     1    2    3    4    5    6    7    8    9    10   11   12   13    14   15   16   17   18 19
     */
    /* Sta1  */ "AE-1 -    -    -    AE-5 -    -    -    -    -    -    -    -     -    -    -    -    -    "
                "-   ",
    /* Sta2  */
    "-    -    AA-1 AA-1 -    AE-6 -    -    -    AA-1 -    AA-1 AA-1  -    -    AA-2 AA-5 AA-2 AA-1",
    /* Sta3  */
    "-    -    AA-8 AA-8 -    AA-8 AE-7 AE-8 -    AA-8 -    AA-8 AA-8  -    AA-1 AA-3 AA-4 -    AA-8",
    /* Sta4  */
    "-    AE-2 -    -    -    -    -    -    -    -    -    -    -     -    AA-2 -    AA-4 -    -   ",
    /* Sta5  */
    "-    -    AE-3 AE-4 -    AA-8 -    -    -    AA-8 -    AA-8 AA-8  -    AA-1 AA-3 AA-4 -    AA-8",
    /* Sta6  */
    "-    -    AA-8 AA-8 -    AA-8 -    -    DT-1 DT-2 AR-1 AR-2 AA-8  -    AA-1 AA-3 AA-4 -    AA-8",
    /* Sta7  */
    "-    -    AA-8 AA-8 -    AA-8 -    -    -    AR-6 -    AR-8 AR-3  -    AA-1 AA-3 AA-4 -    AA-8",
    /* Sta8  */
    "-    -    AA-8 AA-8 -    AA-8 -    -    AR-7 AA-8 -    AA-8 AA-8  AR-4 AA-1 AA-3 AA-4 -    AA-8",
    /* Sta9  */
    "-    -    AA-8 AA-8 -    AA-8 -    -    -    AA-8 -    AA-8 AA-8  AR-9 AA-1 AA-3 AA-4 -    AA-8",
    /* Sta10 */
    "-    -    AA-8 AA-8 -    AA-8 -    -    -    AA-8 -    AA-8 AR-10 -    AA-1 AA-3 AA-4 -    AA-8",
    /* Sta11 */
    "-    -    AA-8 AA-8 -    AA-8 -    -    -    AA-8 -    AA-8 AR-3  -    AA-1 AA-3 AA-4 -    AA-8",
    /* Sta12 */
    "-    -    AA-8 AA-8 -    AA-8 -    -    -    AA-8 -    AA-8 AA-8  AR-4 AA-1 AA-3 AA-4 -    AA-8",
    /* Sta13 */
    "-    -    AA-6 AA-6 -    AA-7 -    -    -    AA-6 -    AA-6 AA-6  -    -    AA-2 AR-5 AA-2 AA-7",
};

// The word of one cell, into `cell`.
static inline void second_table_cell(int state, int event, char cell[8])
{
    const char *at = SECOND_TABLE[state - 1];
    for (int column = 1; column < event; column++) {
        while (*at != ' ')
            at++;
        while (*at == ' ')
            at++;
    }
    size_t length = 0;
    while (*at != ' ' && *at != 0 && length < 7)
        cell[length++] = *at++;
    cell[length] = 0;
}
