// SPDX-License-Identifier: Apache-2.0
//
// PS3.8 9.2.2 (actions) and table 9-10 (events by states), row by row as printed there.
#include "ul/state_table.h"

#include "base/check.h"

static const struct ul_action_row ACTIONS[UL_ACTION_COUNT] = {
    [NOT_LISTED] = {"not listed", "the standard lists no action for this event in this state", Sta1, Sta1},
    // table 9-6
    [AE_1] = {"AE-1", "issue transport connect request", Sta4, Sta4},
    [AE_2] = {"AE-2", "send A-ASSOCIATE-RQ", Sta5, Sta5},
    [AE_3] = {"AE-3", "indicate acceptance", Sta6, Sta6},
    [AE_4] = {"AE-4", "indicate rejection, close transport", Sta1, Sta1},
    [AE_5] = {"AE-5", "answer transport connection, start ARTIM", Sta2, Sta2},
    [AE_6] = {"AE-6", "stop ARTIM; indicate the request, or send A-ASSOCIATE-RJ and start ARTIM", Sta3,
              Sta13},
    [AE_7] = {"AE-7", "send A-ASSOCIATE-AC", Sta6, Sta6},
    [AE_8] = {"AE-8", "send A-ASSOCIATE-RJ, start ARTIM", Sta13, Sta13},
    // table 9-7
    [DT_1] = {"DT-1", "send P-DATA-TF", Sta6, Sta6},
    [DT_2] = {"DT-2", "indicate data", Sta6, Sta6},
    // table 9-8
    [AR_1] = {"AR-1", "send A-RELEASE-RQ", Sta7, Sta7},
    [AR_2] = {"AR-2", "indicate release", Sta8, Sta8},
    [AR_3] = {"AR-3", "confirm release, close transport", Sta1, Sta1},
    [AR_4] = {"AR-4", "send A-RELEASE-RP, start ARTIM", Sta13, Sta13},
    [AR_5] = {"AR-5", "stop ARTIM", Sta1, Sta1},
    [AR_6] = {"AR-6", "indicate data", Sta7, Sta7},
    [AR_7] = {"AR-7", "send P-DATA-TF", Sta8, Sta8},
    [AR_8] = {"AR-8", "indicate release collision", Sta9, Sta10},
    [AR_9] = {"AR-9", "send A-RELEASE-RP", Sta11, Sta11},
    [AR_10] = {"AR-10", "confirm release", Sta12, Sta12},
    // table 9-9
    [AA_1] = {"AA-1", "send A-ABORT, start or restart ARTIM", Sta13, Sta13},
    [AA_2] = {"AA-2", "stop ARTIM, close transport", Sta1, Sta1},
    [AA_3] = {"AA-3", "indicate the peer's abort, close transport", Sta1, Sta1},
    [AA_4] = {"AA-4", "indicate provider abort", Sta1, Sta1},
    [AA_5] = {"AA-5", "stop ARTIM", Sta1, Sta1},
    [AA_6] = {"AA-6", "ignore the PDU", Sta13, Sta13},
    [AA_7] = {"AA-7", "send A-ABORT", Sta13, Sta13},
    [AA_8] = {"AA-8", "send A-ABORT, indicate provider abort, start ARTIM", Sta13, Sta13},
};

// [event][state]; what is not written here is NOT_LISTED.
static const uint8_t TABLE[UL_EVENT_COUNT + 1][UL_STATE_COUNT + 1] = {
    [Evt1] = {[Sta1] = AE_1},
    [Evt2] = {[Sta4] = AE_2},
    [Evt3] = {[Sta2] = AA_1,
              [Sta3] = AA_8,
              [Sta5] = AE_3,
              [Sta6] = AA_8,
              [Sta7] = AA_8,
              [Sta8] = AA_8,
              [Sta9] = AA_8,
              [Sta10] = AA_8,
              [Sta11] = AA_8,
              [Sta12] = AA_8,
              [Sta13] = AA_6},
    [Evt4] = {[Sta2] = AA_1,
              [Sta3] = AA_8,
              [Sta5] = AE_4,
              [Sta6] = AA_8,
              [Sta7] = AA_8,
              [Sta8] = AA_8,
              [Sta9] = AA_8,
              [Sta10] = AA_8,
              [Sta11] = AA_8,
              [Sta12] = AA_8,
              [Sta13] = AA_6},
    [Evt5] = {[Sta1] = AE_5},
    [Evt6] = {[Sta2] = AE_6,
              [Sta3] = AA_8,
              [Sta5] = AA_8,
              [Sta6] = AA_8,
              [Sta7] = AA_8,
              [Sta8] = AA_8,
              [Sta9] = AA_8,
              [Sta10] = AA_8,
              [Sta11] = AA_8,
              [Sta12] = AA_8,
              [Sta13] = AA_7},
    [Evt7] = {[Sta3] = AE_7},
    [Evt8] = {[Sta3] = AE_8},
    [Evt9] = {[Sta6] = DT_1, [Sta8] = AR_7},
    [Evt10] = {[Sta2] = AA_1,
               [Sta3] = AA_8,
               [Sta5] = AA_8,
               [Sta6] = DT_2,
               [Sta7] = AR_6,
               [Sta8] = AA_8,
               [Sta9] = AA_8,
               [Sta10] = AA_8,
               [Sta11] = AA_8,
               [Sta12] = AA_8,
               [Sta13] = AA_6},
    [Evt11] = {[Sta6] = AR_1},
    [Evt12] = {[Sta2] = AA_1,
               [Sta3] = AA_8,
               [Sta5] = AA_8,
               [Sta6] = AR_2,
               [Sta7] = AR_8,
               [Sta8] = AA_8,
               [Sta9] = AA_8,
               [Sta10] = AA_8,
               [Sta11] = AA_8,
               [Sta12] = AA_8,
               [Sta13] = AA_6},
    [Evt13] = {[Sta2] = AA_1,
               [Sta3] = AA_8,
               [Sta5] = AA_8,
               [Sta6] = AA_8,
               [Sta7] = AR_3,
               [Sta8] = AA_8,
               [Sta9] = AA_8,
               [Sta10] = AR_10,
               [Sta11] = AR_3,
               [Sta12] = AA_8,
               [Sta13] = AA_6},
    [Evt14] = {[Sta8] = AR_4, [Sta9] = AR_9, [Sta12] = AR_4},
    [Evt15] = {[Sta3] = AA_1,
               [Sta4] = AA_2,
               [Sta5] = AA_1,
               [Sta6] = AA_1,
               [Sta7] = AA_1,
               [Sta8] = AA_1,
               [Sta9] = AA_1,
               [Sta10] = AA_1,
               [Sta11] = AA_1,
               [Sta12] = AA_1},
    [Evt16] = {[Sta2] = AA_2,
               [Sta3] = AA_3,
               [Sta5] = AA_3,
               [Sta6] = AA_3,
               [Sta7] = AA_3,
               [Sta8] = AA_3,
               [Sta9] = AA_3,
               [Sta10] = AA_3,
               [Sta11] = AA_3,
               [Sta12] = AA_3,
               [Sta13] = AA_2},
    [Evt17] = {[Sta2] = AA_5,
               [Sta3] = AA_4,
               [Sta4] = AA_4,
               [Sta5] = AA_4,
               [Sta6] = AA_4,
               [Sta7] = AA_4,
               [Sta8] = AA_4,
               [Sta9] = AA_4,
               [Sta10] = AA_4,
               [Sta11] = AA_4,
               [Sta12] = AA_4,
               [Sta13] = AR_5},
    [Evt18] = {[Sta2] = AA_2, [Sta13] = AA_2},
    [Evt19] = {[Sta2] = AA_1,
               [Sta3] = AA_8,
               [Sta5] = AA_8,
               [Sta6] = AA_8,
               [Sta7] = AA_8,
               [Sta8] = AA_8,
               [Sta9] = AA_8,
               [Sta10] = AA_8,
               [Sta11] = AA_8,
               [Sta12] = AA_8,
               [Sta13] = AA_7},
};

static const char *const STATE_NAMES[UL_STATE_COUNT + 1] = {
    "-",    "Sta1", "Sta2", "Sta3",  "Sta4",  "Sta5",  "Sta6",
    "Sta7", "Sta8", "Sta9", "Sta10", "Sta11", "Sta12", "Sta13",
};

static const char *const EVENT_NAMES[UL_EVENT_COUNT + 1] = {
    "-",     "Evt1",  "Evt2",  "Evt3",  "Evt4",  "Evt5",  "Evt6",  "Evt7",  "Evt8",  "Evt9",
    "Evt10", "Evt11", "Evt12", "Evt13", "Evt14", "Evt15", "Evt16", "Evt17", "Evt18", "Evt19",
};

enum ul_action ul_state_table_action(enum ul_state state, enum ul_event event)
{
    ensure(state >= Sta1 && state <= Sta13 && event >= Evt1 && event <= Evt19);
    return (enum ul_action)TABLE[event][state];
}

const struct ul_action_row *ul_state_table_row(enum ul_action action)
{
    ensure(action > NOT_LISTED && action <= AA_8);
    return &ACTIONS[action];
}

const char *ul_state_name(enum ul_state state)
{
    ensure(state >= Sta1 && state <= Sta13);
    return STATE_NAMES[state];
}

const char *ul_event_name(enum ul_event event)
{
    ensure(event >= Evt1 && event <= Evt19);
    return EVENT_NAMES[event];
}
