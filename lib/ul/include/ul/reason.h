// SPDX-License-Identifier: Apache-2.0
//
// Why an association ended: one closed list, each row with its name, text, the A-ABORT codes that go with it
// and its log event. The session logs and counts by these ids; nobody writes free text. Constant table, any
// thread.
#pragma once

#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum ul_reason {
    UL_REASON_NONE = 0,            // still running
    UL_REASON_RELEASED,            // A-RELEASE completed
    UL_REASON_REJECTED_BY_US,      // the owner rejected the request
    UL_REASON_REJECTED_BY_PEER,    // A-ASSOCIATE-RJ received
    UL_REASON_ABORTED_BY_US,       // the owner asked for an abort
    UL_REASON_ABORTED_BY_USER,     // A-ABORT received, source 0 (or 1, reserved)
    UL_REASON_ABORTED_BY_PROVIDER, // A-ABORT received, source 2 (or above)
    UL_REASON_TRANSPORT_CLOSED,    // the transport went away inside an association
    UL_REASON_CLOSED_EARLY,        // the transport went away before any A-ASSOCIATE-RQ was complete
    UL_REASON_ARTIM_EXPIRED,       // no A-ASSOCIATE-RQ in time (Sta2)
    UL_REASON_PROTOCOL_VERSION,    // bit 0 of the protocol version is clear: rejected (1,2,2)
    UL_REASON_APPLICATION_CONTEXT, // name missing or not DICOM's: rejected (1,1,2)
    UL_REASON_PEER_MAXIMUM,        // the peer's maximum length has no room for a PDV
    UL_REASON_UNKNOWN_PDU,         // PDU type outside 01H to 07H
    UL_REASON_UNEXPECTED_PDU,      // a PDU that the state does not allow
    UL_REASON_PDU_TOO_LONG,        // announced length above the limit
    UL_REASON_PDU_LENGTH,     // RJ, RELEASE or ABORT not of length 4, or an RQ/AC shorter than its fixed part
    UL_REASON_ITEM_LENGTH,    // an item overruns what encloses it, or is too short for its fields
    UL_REASON_ITEM_REPEATED,  // application context or user information twice
    UL_REASON_CONTEXT_ID,     // presentation context id even, zero or given twice
    UL_REASON_TOO_MANY_ITEMS, // more contexts or sub-items than the bounds of ul/parameters.h
    UL_REASON_PDV_LENGTH,     // PDV length below 2 or beyond its PDU, P-DATA-TF without a PDV
    UL_REASON_PDV_CONTEXT,    // PDV on a context that was never accepted
    UL_REASON_NO_MEMORY,      // ours: an allocation failed or an output limit was hit
    UL_REASON_COUNT
};

struct ul_reason_row {
    const char *name;     // "pdu-too-long": stable, for metrics
    const char *text;     // one English clause
    bool is_peer_fault;   // protocol violation by the peer
    uint8_t abort_source; // what we send, where this reason makes us abort
    uint8_t abort_code;
    enum log_id event; // fields: association number, peer
};

const struct ul_reason_row *ul_reason_row(enum ul_reason reason);
