// SPDX-License-Identifier: Apache-2.0
//
// How a peer breaks the message layer (PS3.7 clause 6, PS3.8 annex E): a closed list, each row with name,
// text, the A-ABORT codes that answer it and its log event. Constant table, any thread.
#pragma once

#include "base/log.h"

#include <stdint.h>

enum dimse_reason {
    DIMSE_REASON_NONE = 0,
    DIMSE_REASON_DATA_BEFORE_COMMAND, // a data set fragment where a command is due
    DIMSE_REASON_COMMAND_IN_DATA,     // a command fragment inside a data set
    DIMSE_REASON_CONTEXT_CHANGED,     // the presentation context id changes inside a message
    DIMSE_REASON_COMMAND_TOO_LONG,    // the command set passes its bound
    DIMSE_REASON_COMMAND_FORMAT,      // the command set can not be decoded
    DIMSE_REASON_NO_COMMAND_FIELD,
    DIMSE_REASON_NO_MESSAGE_ID, // request without Message ID, response or cancel without the one responded to
    DIMSE_REASON_NO_DATA_SET_TYPE,   // the end of the message can not be known
    DIMSE_REASON_NO_STATUS,          // response without Status
    DIMSE_REASON_RELEASE_IN_MESSAGE, // A-RELEASE-RQ while a message is incomplete (PROTOCOL 66); the
                                     // session's finding
    DIMSE_REASON_NO_MEMORY,          // ours
    DIMSE_REASON_COUNT
};

struct dimse_reason_row {
    const char *name; // "data-before-command": stable, for metrics
    const char *text;
    uint8_t abort_source; // PS3.8 table 9-26
    uint8_t abort_code;
    enum log_id event; // fields: association number, peer
};

const struct dimse_reason_row *dimse_reason_row(enum dimse_reason reason);
