// SPDX-License-Identifier: Apache-2.0
//
// The table behind dimse/reason.h. Codes by PS3.8 table 9-26: source 2 is the service provider, 5 an
// unexpected and 6 an invalid PDU parameter.
#include "dimse/reason.h"

#include "base/check.h"

static const struct dimse_reason_row ROWS[DIMSE_REASON_COUNT] = {
    [DIMSE_REASON_NONE] = {"none", "no fault", 0, 0, LOG_DIMSE_NO_MEMORY},
    [DIMSE_REASON_DATA_BEFORE_COMMAND] = {"data-before-command", "data set fragment where a command is due",
                                          2, 5, LOG_DIMSE_DATA_BEFORE_COMMAND},
    [DIMSE_REASON_COMMAND_IN_DATA] = {"command-in-data", "command fragment inside a data set", 2, 5,
                                      LOG_DIMSE_COMMAND_IN_DATA},
    [DIMSE_REASON_CONTEXT_CHANGED] = {"context-changed", "presentation context changes inside a message", 2,
                                      5, LOG_DIMSE_CONTEXT_CHANGED},
    [DIMSE_REASON_COMMAND_TOO_LONG] = {"command-too-long", "command set longer than the limit", 2, 6,
                                       LOG_DIMSE_COMMAND_TOO_LONG},
    [DIMSE_REASON_COMMAND_FORMAT] = {"command-format", "command set that can not be decoded", 2, 6,
                                     LOG_DIMSE_COMMAND_FORMAT},
    [DIMSE_REASON_NO_COMMAND_FIELD] = {"no-command-field", "command set without Command Field", 2, 6,
                                       LOG_DIMSE_NO_COMMAND_FIELD},
    [DIMSE_REASON_NO_MESSAGE_ID] = {"no-message-id", "command set without the message id of its kind", 2, 6,
                                    LOG_DIMSE_NO_MESSAGE_ID},
    [DIMSE_REASON_NO_DATA_SET_TYPE] = {"no-data-set-type", "command set without Command Data Set Type", 2, 6,
                                       LOG_DIMSE_NO_DATA_SET_TYPE},
    [DIMSE_REASON_NO_STATUS] = {"no-status", "response without Status", 2, 6, LOG_DIMSE_NO_STATUS},
    [DIMSE_REASON_RELEASE_IN_MESSAGE] = {"release-in-message", "release asked for inside a message", 2, 2,
                                         LOG_DIMSE_RELEASE_IN_MESSAGE},
    [DIMSE_REASON_NO_MEMORY] = {"no-memory", "message ended for want of memory", 2, 0, LOG_DIMSE_NO_MEMORY},
};

const struct dimse_reason_row *dimse_reason_row(enum dimse_reason reason)
{
    ensure((unsigned)reason < DIMSE_REASON_COUNT);
    return &ROWS[reason];
}
