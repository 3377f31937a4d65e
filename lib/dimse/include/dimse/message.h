// SPDX-License-Identifier: Apache-2.0
//
// Builders of the command sets that the gateway itself speaks (PS3.7 clause 9.3). Text is borrowed until the
// command is encoded. Pure functions, any thread. Called by intake (responses) and lanes (requests).
#pragma once

#include <stdint.h>

#include "base/slice.h"
#include "dimse/command.h"

// PS3.7 table 9.1-1: a C-STORE that is a C-MOVE sub-operation.
#define DIMSE_VERIFICATION "1.2.840.10008.1.1" // SOP Class UID of C-ECHO (PS3.4 A.4)

struct dimse_move_originator {
    struct slice title;
    uint16_t message_id;
};

// PS3.7 table 9.3-12, Affected SOP Class = Verification.
void dimse_echo_request(struct dimse_command *command, uint16_t message_id);
// PS3.7 table 9.3-1; `originator` may be NULL.
void dimse_store_request(struct dimse_command *command, uint16_t message_id, struct slice sop_class,
                         struct slice sop_instance, uint16_t priority,
                         const struct dimse_move_originator *originator);

// The response of the right kind to any request, without a data set: message id, affected UIDs of the request
// (of its requested ones for N services), status. C-CANCEL has no response: must not be given.
void dimse_response(struct dimse_command *command, const struct dimse_command *request, uint16_t status);
// PS3.7 table 9.3-13.
void dimse_echo_response(struct dimse_command *command, const struct dimse_command *request, uint16_t status);
// PS3.7 table 9.3-2 and annex C: `comment` may be empty; it is cut at 64 bytes and at the first byte that is
// not printable ASCII or is a backslash. `offending` is an AT list (dimse_tag_write), may be empty.
void dimse_store_response(struct dimse_command *command, const struct dimse_command *request, uint16_t status,
                          struct slice comment, struct slice offending);
// Adds comment and offending elements to any response, with the same cuts.
void dimse_response_explain(struct dimse_command *command, struct slice comment, struct slice offending);
