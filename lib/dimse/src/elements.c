// SPDX-License-Identifier: Apache-2.0
//
// Table of command elements, and setting fields by it.
#include "elements.h"

#include "base/check.h"

#define NUMBER(field) DIMSE_VALUE_US, offsetof(struct dimse_command, field)
#define UID(field)    DIMSE_VALUE_UI, offsetof(struct dimse_command, field)
#define TEXT(field)   DIMSE_VALUE_TEXT, offsetof(struct dimse_command, field)
#define TAGS(field)   DIMSE_VALUE_AT, offsetof(struct dimse_command, field)

// All in group 0000, so the tag is the element number.
static const struct dimse_element_row ROWS[DIMSE_ELEMENT_COUNT] = {
    [DIMSE_AFFECTED_SOP_CLASS_UID] = {0x0002, UID(affected_sop_class_uid)},
    [DIMSE_REQUESTED_SOP_CLASS_UID] = {0x0003, UID(requested_sop_class_uid)},
    [DIMSE_COMMAND_FIELD] = {0x0100, NUMBER(command_field)},
    [DIMSE_MESSAGE_ID] = {0x0110, NUMBER(message_id)},
    [DIMSE_MESSAGE_ID_RESPONDED_TO] = {0x0120, NUMBER(message_id_responded_to)},
    [DIMSE_MOVE_DESTINATION] = {0x0600, TEXT(move_destination)},
    [DIMSE_PRIORITY] = {0x0700, NUMBER(priority)},
    [DIMSE_DATA_SET_TYPE] = {0x0800, NUMBER(data_set_type)},
    [DIMSE_STATUS] = {0x0900, NUMBER(status)},
    [DIMSE_OFFENDING_ELEMENT] = {0x0901, TAGS(offending_element)},
    [DIMSE_ERROR_COMMENT] = {0x0902, TEXT(error_comment)},
    [DIMSE_ERROR_ID] = {0x0903, NUMBER(error_id)},
    [DIMSE_AFFECTED_SOP_INSTANCE_UID] = {0x1000, UID(affected_sop_instance_uid)},
    [DIMSE_REQUESTED_SOP_INSTANCE_UID] = {0x1001, UID(requested_sop_instance_uid)},
    [DIMSE_EVENT_TYPE_ID] = {0x1002, NUMBER(event_type_id)},
    [DIMSE_ATTRIBUTE_IDENTIFIER_LIST] = {0x1005, TAGS(attribute_identifier_list)},
    [DIMSE_ACTION_TYPE_ID] = {0x1008, NUMBER(action_type_id)},
    [DIMSE_REMAINING_SUB_OPERATIONS] = {0x1020, NUMBER(remaining)},
    [DIMSE_COMPLETED_SUB_OPERATIONS] = {0x1021, NUMBER(completed)},
    [DIMSE_FAILED_SUB_OPERATIONS] = {0x1022, NUMBER(failed)},
    [DIMSE_WARNING_SUB_OPERATIONS] = {0x1023, NUMBER(warning)},
    [DIMSE_MOVE_ORIGINATOR] = {0x1030, TEXT(move_originator)},
    [DIMSE_MOVE_ORIGINATOR_MESSAGE_ID] = {0x1031, NUMBER(move_originator_message_id)},
};

const struct dimse_element_row *dimse_element_row(enum dimse_element element)
{
    ensure((unsigned)element < DIMSE_ELEMENT_COUNT);
    return &ROWS[element];
}

enum dimse_element dimse_element_find(uint32_t tag)
{
    unsigned low = 0;
    unsigned high = DIMSE_ELEMENT_COUNT;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (ROWS[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low < DIMSE_ELEMENT_COUNT && ROWS[low].tag == tag ? (enum dimse_element)low : DIMSE_ELEMENT_COUNT;
}

void dimse_command_init(struct dimse_command *command, uint16_t command_field)
{
    *command = (struct dimse_command){0};
    dimse_command_set_number(command, DIMSE_COMMAND_FIELD, command_field);
    dimse_command_set_number(command, DIMSE_DATA_SET_TYPE, DIMSE_NO_DATA_SET);
}

void dimse_command_set_number(struct dimse_command *command, enum dimse_element element, uint16_t number)
{
    const struct dimse_element_row *row = dimse_element_row(element);
    ensure(row->kind == DIMSE_VALUE_US);
    *dimse_number_field(command, row) = number;
    command->present |= (uint32_t)1 << element;
}

void dimse_command_set_text(struct dimse_command *command, enum dimse_element element, struct slice text)
{
    const struct dimse_element_row *row = dimse_element_row(element);
    ensure(row->kind != DIMSE_VALUE_US);
    *dimse_slice_field(command, row) = text;
    command->present |= (uint32_t)1 << element;
}

bool dimse_command_has(const struct dimse_command *command, enum dimse_element element)
{
    return (command->present >> element & 1) != 0;
}

bool dimse_command_has_data_set(const struct dimse_command *command)
{
    return !dimse_command_has(command, DIMSE_DATA_SET_TYPE) || command->data_set_type != DIMSE_NO_DATA_SET;
}

bool dimse_command_is_response(const struct dimse_command *command)
{
    return (command->command_field & DIMSE_RESPONSE_BIT) != 0;
}
