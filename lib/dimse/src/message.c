// SPDX-License-Identifier: Apache-2.0
//
// Builders of requests and responses, PS3.7 clause 9.3 and 10.3.
#include "dimse/message.h"

#include "base/check.h"

void dimse_echo_request(struct dimse_command *command, uint16_t message_id)
{
    dimse_command_init(command, DIMSE_C_ECHO_RQ);
    dimse_command_set_text(command, DIMSE_AFFECTED_SOP_CLASS_UID, slice_of_text(DIMSE_VERIFICATION));
    dimse_command_set_number(command, DIMSE_MESSAGE_ID, message_id);
}

void dimse_store_request(struct dimse_command *command, uint16_t message_id, struct slice sop_class,
                         struct slice sop_instance, uint16_t priority,
                         const struct dimse_move_originator *originator)
{
    dimse_command_init(command, DIMSE_C_STORE_RQ);
    dimse_command_set_text(command, DIMSE_AFFECTED_SOP_CLASS_UID, sop_class);
    dimse_command_set_number(command, DIMSE_MESSAGE_ID, message_id);
    dimse_command_set_number(command, DIMSE_PRIORITY, priority);
    dimse_command_set_number(command, DIMSE_DATA_SET_TYPE, DIMSE_HAS_DATA_SET);
    dimse_command_set_text(command, DIMSE_AFFECTED_SOP_INSTANCE_UID, sop_instance);
    if (originator == NULL)
        return;
    dimse_command_set_text(command, DIMSE_MOVE_ORIGINATOR, originator->title);
    dimse_command_set_number(command, DIMSE_MOVE_ORIGINATOR_MESSAGE_ID, originator->message_id);
}

// The affected UID of the request, else its requested one: N-SET, N-GET, N-ACTION and N-DELETE ask with the
// requested pair and are answered with the affected pair (PS3.7 10.3.2 to 10.3.6).
static void answer_uid(struct dimse_command *command, const struct dimse_command *request,
                       enum dimse_element affected, enum dimse_element requested, struct slice affected_uid,
                       struct slice requested_uid)
{
    if (dimse_command_has(request, affected))
        dimse_command_set_text(command, affected, affected_uid);
    else if (dimse_command_has(request, requested))
        dimse_command_set_text(command, affected, requested_uid);
}

void dimse_response(struct dimse_command *command, const struct dimse_command *request, uint16_t status)
{
    ensure(request->command_field != DIMSE_C_CANCEL_RQ && !dimse_command_is_response(request));
    dimse_command_init(command, request->command_field | DIMSE_RESPONSE_BIT);
    answer_uid(command, request, DIMSE_AFFECTED_SOP_CLASS_UID, DIMSE_REQUESTED_SOP_CLASS_UID,
               request->affected_sop_class_uid, request->requested_sop_class_uid);
    answer_uid(command, request, DIMSE_AFFECTED_SOP_INSTANCE_UID, DIMSE_REQUESTED_SOP_INSTANCE_UID,
               request->affected_sop_instance_uid, request->requested_sop_instance_uid);
    dimse_command_set_number(command, DIMSE_MESSAGE_ID_RESPONDED_TO, request->message_id);
    dimse_command_set_number(command, DIMSE_STATUS, status);
}

void dimse_echo_response(struct dimse_command *command, const struct dimse_command *request, uint16_t status)
{
    dimse_response(command, request, status);
}

void dimse_response_explain(struct dimse_command *command, struct slice comment, struct slice offending)
{
    size_t length = 0;
    while (length < comment.length && length < DIMSE_ERROR_COMMENT_LIMIT && comment.data[length] >= 0x20 &&
           comment.data[length] <= 0x7E && comment.data[length] != '\\')
        length++;
    if (length > 0)
        dimse_command_set_text(command, DIMSE_ERROR_COMMENT, slice_first(comment, length));
    if (offending.length > 0)
        dimse_command_set_text(command, DIMSE_OFFENDING_ELEMENT, offending);
}

void dimse_store_response(struct dimse_command *command, const struct dimse_command *request, uint16_t status,
                          struct slice comment, struct slice offending)
{
    dimse_response(command, request, status);
    dimse_response_explain(command, comment, offending);
}
