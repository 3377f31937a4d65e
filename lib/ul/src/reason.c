// SPDX-License-Identifier: Apache-2.0
//
// The table behind ul/reason.h. Codes by PS3.8 table 9-26.
#include "ul/reason.h"

#include "base/check.h"
#include "ul/pdu.h"

// Ends that need no abort of ours carry (0, 0).
#define END(reason, name, text) [UL_REASON_##reason] = {name, text, false, 0, 0, LOG_UL_##reason}
#define FAULT(reason, name, text, code)                                                                      \
    [UL_REASON_##reason] = {name, text, true, UL_ABORT_BY_PROVIDER, UL_ABORT_##code, LOG_UL_##reason}

static const struct ul_reason_row ROWS[UL_REASON_COUNT] = {
    [UL_REASON_NONE] = {"none", "the association runs", false, 0, 0, LOG_UL_RELEASED},
    END(RELEASED, "released", "association released"),
    END(REJECTED_BY_US, "rejected-by-us", "association request rejected"),
    END(REJECTED_BY_PEER, "rejected-by-peer", "the peer rejected the association request"),
    END(ABORTED_BY_US, "aborted-by-us", "association aborted by the gateway"),
    END(ABORTED_BY_USER, "aborted-by-user", "the peer aborted the association"),
    END(ABORTED_BY_PROVIDER, "aborted-by-provider", "the upper layer of the peer aborted the association"),
    END(TRANSPORT_CLOSED, "transport-closed", "the connection was lost inside an association"),
    END(CLOSED_EARLY, "closed-early", "the peer closed the connection before it asked for an association"),
    END(ARTIM_EXPIRED, "artim-expired", "no association request came in time"),
    FAULT(PROTOCOL_VERSION, "protocol-version", "association request of an unsupported protocol version",
          NOT_SPECIFIED),
    FAULT(APPLICATION_CONTEXT, "application-context",
          "association request with a foreign application context", NOT_SPECIFIED),
    FAULT(PEER_MAXIMUM, "peer-maximum", "the maximum length of the peer has no room for data",
          INVALID_PARAMETER),
    FAULT(UNKNOWN_PDU, "unknown-pdu", "PDU of unknown type", UNRECOGNISED_PDU),
    FAULT(UNEXPECTED_PDU, "unexpected-pdu", "PDU that is not allowed at this point", UNEXPECTED_PDU),
    FAULT(PDU_TOO_LONG, "pdu-too-long", "PDU longer than the limit", INVALID_PARAMETER),
    FAULT(PDU_LENGTH, "pdu-length", "PDU of a length that its type does not allow", INVALID_PARAMETER),
    FAULT(ITEM_LENGTH, "item-length", "item length that does not fit its PDU or its fields",
          INVALID_PARAMETER),
    FAULT(ITEM_REPEATED, "item-repeated", "item that may come once came twice", INVALID_PARAMETER),
    FAULT(CONTEXT_ID, "context-id", "presentation context id even, zero or given twice", INVALID_PARAMETER),
    FAULT(TOO_MANY_ITEMS, "too-many-items", "more presentation contexts or sub-items than allowed",
          INVALID_PARAMETER),
    FAULT(PDV_LENGTH, "pdv-length", "PDV length that does not fit its PDU", INVALID_PARAMETER),
    FAULT(PDV_CONTEXT, "pdv-context", "data on a presentation context that was not accepted",
          INVALID_PARAMETER),
    [UL_REASON_NO_MEMORY] = {"no-memory", "association ended for want of memory", false, UL_ABORT_BY_PROVIDER,
                             UL_ABORT_NOT_SPECIFIED, LOG_UL_NO_MEMORY},
};

const struct ul_reason_row *ul_reason_row(enum ul_reason reason)
{
    ensure((unsigned)reason < UL_REASON_COUNT);
    return &ROWS[reason];
}
