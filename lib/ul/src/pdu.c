// SPDX-License-Identifier: Apache-2.0
//
// The PDUs of fixed length and the header of P-DATA-TF (PS3.8 9.3.4 to 9.3.8, annex E), and texts of their
// codes.
#include "ul/pdu.h"

#include "base/cursor.h"

static void write_fixed(uint8_t *out, enum ul_pdu_type type, const uint8_t *body)
{
    struct writer w = writer_of(out, UL_FIXED_PDU_LENGTH);
    writer_u8(&w, (uint8_t)type);
    writer_u8(&w, 0);
    writer_u32be(&w, UL_FIXED_BODY_LENGTH);
    writer_put(&w, body, UL_FIXED_BODY_LENGTH);
}

void ul_pdu_write_reject(uint8_t *out, struct ul_reject reject)
{
    write_fixed(out, UL_PDU_ASSOCIATE_RJ, (const uint8_t[]){0, reject.result, reject.source, reject.reason});
}

void ul_pdu_write_release_rq(uint8_t *out)
{
    write_fixed(out, UL_PDU_RELEASE_RQ, (const uint8_t[]){0, 0, 0, 0});
}

void ul_pdu_write_release_rp(uint8_t *out)
{
    write_fixed(out, UL_PDU_RELEASE_RP, (const uint8_t[]){0, 0, 0, 0});
}

void ul_pdu_write_abort(uint8_t *out, uint8_t source, uint8_t reason)
{
    write_fixed(out, UL_PDU_ABORT, (const uint8_t[]){0, 0, source, reason});
}

void ul_pdu_write_data_header(uint8_t *out, uint8_t context_id, bool is_command, bool is_last,
                              uint32_t length)
{
    struct writer w = writer_of(out, UL_DATA_HEADER_LENGTH);
    writer_u8(&w, UL_PDU_DATA_TF);
    writer_u8(&w, 0);
    writer_u32be(&w, length + UL_PDV_HEADER_LENGTH);
    writer_u32be(&w, length + 2); // PS3.8 table 9-23: counts context id and control header, not itself
    writer_u8(&w, context_id);
    writer_u8(&w, (uint8_t)((is_command ? UL_PDV_COMMAND : 0) | (is_last ? UL_PDV_LAST : 0)));
}

static const char *user_reject_text(uint8_t reason)
{
    switch (reason) {
    case UL_REJECT_USER_NO_REASON:
        return "no reason given";
    case UL_REJECT_USER_APPLICATION_CONTEXT:
        return "application context name not supported";
    case UL_REJECT_USER_CALLING_TITLE:
        return "calling AE title not recognised";
    case UL_REJECT_USER_CALLED_TITLE:
        return "called AE title not recognised";
    default:
        return "unknown";
    }
}

const char *ul_reject_text(struct ul_reject reject)
{
    switch (reject.source) {
    case UL_REJECT_BY_USER:
        return user_reject_text(reject.reason);
    case UL_REJECT_BY_ACSE:
        if (reject.reason == UL_REJECT_ACSE_NO_REASON)
            return "no reason given (provider)";
        return reject.reason == UL_REJECT_ACSE_PROTOCOL_VERSION ? "protocol version not supported"
                                                                : "unknown";
    case UL_REJECT_BY_PRESENTATION:
        if (reject.reason == UL_REJECT_PRESENTATION_CONGESTION)
            return "temporary congestion";
        return reject.reason == UL_REJECT_PRESENTATION_LOCAL_LIMIT ? "local limit exceeded" : "unknown";
    default:
        return "unknown";
    }
}
