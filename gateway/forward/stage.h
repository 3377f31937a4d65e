// SPDX-License-Identifier: Apache-2.0
//
// Where a delivery of one receipt to one archive stands while it is not settled (FIELD 7).
#pragma once

enum delivery_stage {
    STAGE_WAITING,  // in the archive's queue
    STAGE_RESTING,  // waits for its next try
    STAGE_GATED,    // may not go yet: see order/gate.h and forward/awaited.h
    STAGE_SENDING,  // a lane has it
    STAGE_ANSWERED, // success or warning; settles after settle_after
    STAGE_PARKED,   // waits for a person
    STAGE_HELD,     // rules or crosswalk hold it back (FIELD 4)
    STAGE_SETTLED,  // nothing is owed any more
};

const char *delivery_stage_name(enum delivery_stage stage);
