// SPDX-License-Identifier: Apache-2.0
//
// The upper-layer state machine of PS3.8 9.2 as data: 13 states, 19 events, 28 actions, named as in the
// standard. Constant tables, any thread. Used by ul/association; tests/unit/ul types the same table a second
// time by state rows.
#pragma once

#include <stdint.h>

// PS3.8 9.2.1, tables 9-1 to 9-5.
enum ul_state {
    Sta1 = 1, // idle
    Sta2,     // transport open, awaiting A-ASSOCIATE-RQ
    Sta3,     // awaiting local A-ASSOCIATE response
    Sta4,     // awaiting transport connection
    Sta5,     // awaiting A-ASSOCIATE-AC or -RJ
    Sta6,     // established, ready for data
    Sta7,     // awaiting A-RELEASE-RP
    Sta8,     // awaiting local A-RELEASE response
    Sta9,     // release collision, requestor, awaiting local A-RELEASE response
    Sta10,    // release collision, acceptor, awaiting A-RELEASE-RP
    Sta11,    // release collision, requestor, awaiting A-RELEASE-RP
    Sta12,    // release collision, acceptor, awaiting local A-RELEASE response
    Sta13,    // awaiting transport close
};

// PS3.8 table 9-10, rows.
enum ul_event {
    Evt1 = 1, // A-ASSOCIATE request (local)
    Evt2,     // transport connection confirmed
    Evt3,     // A-ASSOCIATE-AC PDU
    Evt4,     // A-ASSOCIATE-RJ PDU
    Evt5,     // transport connection indication
    Evt6,     // A-ASSOCIATE-RQ PDU
    Evt7,     // A-ASSOCIATE response, accept (local)
    Evt8,     // A-ASSOCIATE response, reject (local)
    Evt9,     // P-DATA request (local)
    Evt10,    // P-DATA-TF PDU
    Evt11,    // A-RELEASE request (local)
    Evt12,    // A-RELEASE-RQ PDU
    Evt13,    // A-RELEASE-RP PDU
    Evt14,    // A-RELEASE response (local)
    Evt15,    // A-ABORT request (local)
    Evt16,    // A-ABORT PDU
    Evt17,    // transport connection closed
    Evt18,    // ARTIM expired
    Evt19,    // unrecognised or invalid PDU
};

// PS3.8 tables 9-6 to 9-9. NOT_LISTED is the error row: a cell that the standard leaves empty.
enum ul_action {
    NOT_LISTED = 0,
    AE_1,
    AE_2,
    AE_3,
    AE_4,
    AE_5,
    AE_6,
    AE_7,
    AE_8,
    DT_1,
    DT_2,
    AR_1,
    AR_2,
    AR_3,
    AR_4,
    AR_5,
    AR_6,
    AR_7,
    AR_8,
    AR_9,
    AR_10,
    AA_1,
    AA_2,
    AA_3,
    AA_4,
    AA_5,
    AA_6,
    AA_7,
    AA_8,
};

enum { UL_STATE_COUNT = 13, UL_EVENT_COUNT = 19, UL_ACTION_COUNT = 29 };

// What an action leads to. `alternative` differs from `next` for two actions: AE-6 when the provider itself
// refuses (Sta13), AR-8 for the acceptor (Sta10).
struct ul_action_row {
    const char *name; // "AE-6"
    const char *meaning;
    enum ul_state next;
    enum ul_state alternative;
};

// The action of one cell; NOT_LISTED where the standard has none. Arguments must be enumerators.
enum ul_action ul_state_table_action(enum ul_state state, enum ul_event event);

// The row of an action, static; `action` must not be NOT_LISTED.
const struct ul_action_row *ul_state_table_row(enum ul_action action);

// "Sta6", "Evt12"; static.
const char *ul_state_name(enum ul_state state);
const char *ul_event_name(enum ul_event event);
