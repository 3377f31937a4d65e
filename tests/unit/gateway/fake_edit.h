// SPDX-License-Identifier: Apache-2.0
//
// gateway/edit as tests of lanes want it: it takes the place of the real one in the program that it is linked
// into (with gateway_policies() wrapped), and does what it is told. One policy, for one node. Thread: one.
#pragma once

#include "edit/edit.h"

enum fake_edit_failure { FAKE_FINE, FAKE_NO_EDIT, FAKE_NO_SPLICE, FAKE_NO_SENT };

struct fake_edit {
    uint32_t node;           // id of the node with a policy; 0: no policies
    size_t reads;            // bytes that it wants at least; SIZE_MAX: all
    bool asks;               // then waits for fake_edit_answer()
    enum edit_stage verdict; // EDIT_GOES, EDIT_HOLDS
    enum edit_hold_kind kind;
    const char *reason;
    const char *patient_id;       // GOES: it becomes this one; NULL: as it came
    bool keeps_behind;            // holds what has elements behind Pixel Data, and what was not scanned
    bool is_too_large;            // more than SENT can say
    enum fake_edit_failure fails; // ERR_NOMEM
    unsigned begun;
    unsigned alive;
    unsigned policies;     // references
    uint32_t flags;        // of the last one begun
    uint64_t bytes_looked; // of all
};

extern struct fake_edit fake_edit;

void fake_edit_reset(void);
// All that ask have their verdict.
void fake_edit_answer(void);
