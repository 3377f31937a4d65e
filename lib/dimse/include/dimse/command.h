// SPDX-License-Identifier: Apache-2.0
//
// A DIMSE command set (PS3.7 clause 6.3 and annex E): decoded into one flat struct, encoded from it. Always
// Implicit VR Little Endian, whatever the presentation context says. Pure functions, any thread. Called by
// the reader, the session, relay and the forwarding lanes.
//
// A decoded command borrows its text from the decoded bytes; a built one from whatever the builder was given.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"

// PS3.7 table E.1-1, Command Field.
enum dimse_command_field {
    DIMSE_C_STORE_RQ = 0x0001,
    DIMSE_C_STORE_RSP = 0x8001,
    DIMSE_C_GET_RQ = 0x0010,
    DIMSE_C_GET_RSP = 0x8010,
    DIMSE_C_FIND_RQ = 0x0020,
    DIMSE_C_FIND_RSP = 0x8020,
    DIMSE_C_MOVE_RQ = 0x0021,
    DIMSE_C_MOVE_RSP = 0x8021,
    DIMSE_C_ECHO_RQ = 0x0030,
    DIMSE_C_ECHO_RSP = 0x8030,
    DIMSE_N_EVENT_REPORT_RQ = 0x0100,
    DIMSE_N_EVENT_REPORT_RSP = 0x8100,
    DIMSE_N_GET_RQ = 0x0110,
    DIMSE_N_GET_RSP = 0x8110,
    DIMSE_N_SET_RQ = 0x0120,
    DIMSE_N_SET_RSP = 0x8120,
    DIMSE_N_ACTION_RQ = 0x0130,
    DIMSE_N_ACTION_RSP = 0x8130,
    DIMSE_N_CREATE_RQ = 0x0140,
    DIMSE_N_CREATE_RSP = 0x8140,
    DIMSE_N_DELETE_RQ = 0x0150,
    DIMSE_N_DELETE_RSP = 0x8150,
    DIMSE_C_CANCEL_RQ = 0x0FFF,
};

enum {
    DIMSE_RESPONSE_BIT = 0x8000,
    DIMSE_NO_DATA_SET = 0x0101,  // Command Data Set Type; any other value: a data set follows (PROTOCOL 79)
    DIMSE_HAS_DATA_SET = 0x0000, // what we write ourselves
    DIMSE_PRIORITY_MEDIUM = 0x0000,
    DIMSE_PRIORITY_HIGH = 0x0001,
    DIMSE_PRIORITY_LOW = 0x0002,
    DIMSE_ERROR_COMMENT_LIMIT = 64,  // LO
    DIMSE_UNKNOWN_LIMIT = 32,        // unknown elements that a command may carry
    DIMSE_COMMAND_LIMIT = 64 * 1024, // default bound of an encoded command set, bytes
};

// The elements of PS3.7 table E.1-1 that are fields of the struct, in tag order.
enum dimse_element {
    DIMSE_AFFECTED_SOP_CLASS_UID,     // (0000,0002)
    DIMSE_REQUESTED_SOP_CLASS_UID,    // (0000,0003)
    DIMSE_COMMAND_FIELD,              // (0000,0100)
    DIMSE_MESSAGE_ID,                 // (0000,0110)
    DIMSE_MESSAGE_ID_RESPONDED_TO,    // (0000,0120)
    DIMSE_MOVE_DESTINATION,           // (0000,0600)
    DIMSE_PRIORITY,                   // (0000,0700)
    DIMSE_DATA_SET_TYPE,              // (0000,0800)
    DIMSE_STATUS,                     // (0000,0900)
    DIMSE_OFFENDING_ELEMENT,          // (0000,0901)
    DIMSE_ERROR_COMMENT,              // (0000,0902)
    DIMSE_ERROR_ID,                   // (0000,0903)
    DIMSE_AFFECTED_SOP_INSTANCE_UID,  // (0000,1000)
    DIMSE_REQUESTED_SOP_INSTANCE_UID, // (0000,1001)
    DIMSE_EVENT_TYPE_ID,              // (0000,1002)
    DIMSE_ATTRIBUTE_IDENTIFIER_LIST,  // (0000,1005)
    DIMSE_ACTION_TYPE_ID,             // (0000,1008)
    DIMSE_REMAINING_SUB_OPERATIONS,   // (0000,1020)
    DIMSE_COMPLETED_SUB_OPERATIONS,   // (0000,1021)
    DIMSE_FAILED_SUB_OPERATIONS,      // (0000,1022)
    DIMSE_WARNING_SUB_OPERATIONS,     // (0000,1023)
    DIMSE_MOVE_ORIGINATOR,            // (0000,1030)
    DIMSE_MOVE_ORIGINATOR_MESSAGE_ID, // (0000,1031)
    DIMSE_ELEMENT_COUNT
};

// What was odd about a decoded command set and is tolerated; a set of bits.
enum dimse_finding {
    DIMSE_FINDING_GROUP_LENGTH = 1 << 0, // (0000,0000) missing, misplaced or wrong
    DIMSE_FINDING_ORDER = 1 << 1,        // tags not ascending
    DIMSE_FINDING_REPEATED = 1 << 2,     // an element twice; the first counts, the second is dropped
    DIMSE_FINDING_VALUE_LENGTH = 1 << 3, // a known element whose length does not fit its VR: kept as unknown
    DIMSE_FINDING_UNKNOWN = 1 << 4,      // retired, private or unknown elements
    DIMSE_FINDING_PADDING = 1 << 5,      // odd length, or a UID padded by spaces
};

struct dimse_unknown {
    uint32_t tag; // group << 16 | element
    struct slice value;
};

// A field counts only when its bit stands in `present`. UIDs without trailing NUL and space, AE titles and
// comment without leading and trailing spaces. AT lists raw: 4 bytes per tag, little endian
// (dimse_tag_list_*).
struct dimse_command {
    uint32_t present;  // 1 << enum dimse_element
    uint32_t findings; // enum dimse_finding, decode only
    uint16_t command_field;
    uint16_t message_id;
    uint16_t message_id_responded_to;
    uint16_t priority;
    uint16_t data_set_type; // as received; see dimse_command_has_data_set()
    uint16_t status;
    uint16_t error_id;
    uint16_t event_type_id;
    uint16_t action_type_id;
    uint16_t remaining;
    uint16_t completed;
    uint16_t failed;
    uint16_t warning;
    uint16_t move_originator_message_id;
    struct slice affected_sop_class_uid;
    struct slice requested_sop_class_uid;
    struct slice affected_sop_instance_uid;
    struct slice requested_sop_instance_uid;
    struct slice move_destination;
    struct slice move_originator;
    struct slice offending_element;
    struct slice error_comment;
    struct slice attribute_identifier_list;
    size_t unknown_count; // ascending by tag
    struct dimse_unknown unknown[DIMSE_UNKNOWN_LIMIT];
};

// Decodes a whole command set. ERR_FORMAT: an element overruns the bytes; ERR_LIMIT: too many unknown
// elements.
// `*command` borrows from `bytes`; written on OK only.
MUST_USE enum result dimse_command_decode(struct slice bytes, struct dimse_command *command);

// Encodes in tag order with a right group length, UIDs padded by NUL, text by space, unknown elements as they
// came.
// `*length` on OK; ERR_SPACE where `capacity` is too small.
MUST_USE enum result dimse_command_encode(const struct dimse_command *command, uint8_t *buffer,
                                          size_t capacity, size_t *length);

bool dimse_command_has(const struct dimse_command *command, enum dimse_element element);
// False only for a present Command Data Set Type of 0101H.
bool dimse_command_has_data_set(const struct dimse_command *command);
// Command Field with the response bit.
bool dimse_command_is_response(const struct dimse_command *command);
// "C-STORE-RQ"; "unknown" for others. Static.
const char *dimse_command_name(uint16_t command_field);

// Building by hand: sets a field and its presence bit. The element must be of that kind (checked by assert).
// Text is borrowed until the command is encoded.
void dimse_command_init(struct dimse_command *command, uint16_t command_field);
void dimse_command_set_number(struct dimse_command *command, enum dimse_element element, uint16_t number);
void dimse_command_set_text(struct dimse_command *command, enum dimse_element element, struct slice text);

// An AT value: `tag` is group << 16 | element.
void dimse_tag_write(uint8_t *out, uint32_t tag); // 4 bytes
