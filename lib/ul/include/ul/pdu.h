// SPDX-License-Identifier: Apache-2.0
//
// The words of PS3.8 clause 9.3: PDU and item types, reject and abort codes, and the encoders of the PDUs of
// fixed length. Pure functions, any thread. Called by ul itself, by the session (codes) and by raw peers in
// tests.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// PS3.8 table 9-11 ff., first byte of every PDU.
enum ul_pdu_type {
    UL_PDU_ASSOCIATE_RQ = 0x01,
    UL_PDU_ASSOCIATE_AC = 0x02,
    UL_PDU_ASSOCIATE_RJ = 0x03,
    UL_PDU_DATA_TF = 0x04,
    UL_PDU_RELEASE_RQ = 0x05,
    UL_PDU_RELEASE_RP = 0x06,
    UL_PDU_ABORT = 0x07,
};

// PS3.8 9.3.2 and 9.3.3, annex D; PS3.7 annex D.3.3.
enum ul_item_type {
    UL_ITEM_APPLICATION_CONTEXT = 0x10,
    UL_ITEM_CONTEXT_RQ = 0x20,
    UL_ITEM_CONTEXT_AC = 0x21,
    UL_ITEM_ABSTRACT_SYNTAX = 0x30,
    UL_ITEM_TRANSFER_SYNTAX = 0x40,
    UL_ITEM_USER_INFORMATION = 0x50,
    UL_ITEM_MAXIMUM_LENGTH = 0x51,
    UL_ITEM_IMPLEMENTATION_CLASS = 0x52,
    UL_ITEM_ASYNCHRONOUS_WINDOW = 0x53,
    UL_ITEM_ROLE_SELECTION = 0x54,
    UL_ITEM_IMPLEMENTATION_VERSION = 0x55,
    UL_ITEM_EXTENDED = 0x56,
    UL_ITEM_COMMON_EXTENDED = 0x57,
    UL_ITEM_USER_IDENTITY_RQ = 0x58,
    UL_ITEM_USER_IDENTITY_AC = 0x59,
};

enum {
    UL_PDU_HEADER_LENGTH = 6,     // type, reserved, length (32 bit, big endian)
    UL_PDV_HEADER_LENGTH = 6,     // length (32 bit, big endian), context id, message control header
    UL_FIXED_BODY_LENGTH = 4,     // A-ASSOCIATE-RJ, A-RELEASE-RQ/RP, A-ABORT
    UL_FIXED_PDU_LENGTH = 10,     // the whole of such a PDU
    UL_DATA_HEADER_LENGTH = 12,   // PDU header and header of its one PDV
    UL_PDV_COMMAND = 0x01,        // message control header, PS3.8 E.2: command, else data set
    UL_PDV_LAST = 0x02,           // last fragment
    UL_PROTOCOL_VERSION = 0x0001, // bit 0: version 1
    UL_TITLE_LENGTH = 16,         // an AE title on the wire
};

// A-ASSOCIATE-RJ, PS3.8 table 9-21: three bytes as on the wire; received ones may hold any value.
struct ul_reject {
    uint8_t result; // 1 permanent, 2 transient
    uint8_t source; // 1 service user, 2 provider (ACSE), 3 provider (presentation)
    uint8_t reason; // meaning depends on source
};

enum ul_reject_result { UL_REJECT_PERMANENT = 1, UL_REJECT_TRANSIENT = 2 };
enum ul_reject_source { UL_REJECT_BY_USER = 1, UL_REJECT_BY_ACSE = 2, UL_REJECT_BY_PRESENTATION = 3 };
enum ul_reject_reason {
    UL_REJECT_USER_NO_REASON = 1,
    UL_REJECT_USER_APPLICATION_CONTEXT = 2,
    UL_REJECT_USER_CALLING_TITLE = 3,
    UL_REJECT_USER_CALLED_TITLE = 7,
    UL_REJECT_ACSE_NO_REASON = 1,
    UL_REJECT_ACSE_PROTOCOL_VERSION = 2,
    UL_REJECT_PRESENTATION_CONGESTION = 1,
    UL_REJECT_PRESENTATION_LOCAL_LIMIT = 2,
};

// A-ABORT, PS3.8 table 9-26.
enum ul_abort_source { UL_ABORT_BY_USER = 0, UL_ABORT_BY_PROVIDER = 2 };
enum ul_abort_code {
    UL_ABORT_NOT_SPECIFIED = 0,
    UL_ABORT_UNRECOGNISED_PDU = 1,
    UL_ABORT_UNEXPECTED_PDU = 2,
    UL_ABORT_UNRECOGNISED_PARAMETER = 4,
    UL_ABORT_UNEXPECTED_PARAMETER = 5,
    UL_ABORT_INVALID_PARAMETER = 6,
};

// Each writes exactly UL_FIXED_PDU_LENGTH bytes to `out` (borrowed).
void ul_pdu_write_reject(uint8_t *out, struct ul_reject reject);
void ul_pdu_write_release_rq(uint8_t *out);
void ul_pdu_write_release_rp(uint8_t *out);
void ul_pdu_write_abort(uint8_t *out, uint8_t source, uint8_t reason);

// Writes the UL_DATA_HEADER_LENGTH bytes of a P-DATA-TF with one PDV; `length` bytes of payload (at most
// UINT32_MAX - 6) must follow on the wire.
void ul_pdu_write_data_header(uint8_t *out, uint8_t context_id, bool is_command, bool is_last,
                              uint32_t length);

// Static English text for a triple, never NULL; "unknown" where the standard names nothing.
const char *ul_reject_text(struct ul_reject reject);
