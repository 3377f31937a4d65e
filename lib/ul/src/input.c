// SPDX-License-Identifier: Apache-2.0
//
// The incremental decoder: PDU header first, which decides what becomes of the body. Only A-ASSOCIATE-RQ and
// -AC are collected, up to their limit and only as they arrive; P-DATA-TF flows through; what the state does
// not want is skipped by its length without being kept.
#include <stdlib.h>
#include <string.h>

#include "association_private.h"
#include "base/cursor.h"
#include "base/magic.h"
#include "base/wipe.h"

enum phase {
    PHASE_PDU_HEADER,
    PHASE_FIXED_BODY, // 4 bytes, into decoder.header
    PHASE_BODY,       // A-ASSOCIATE-RQ or -AC
    PHASE_SKIP,
    PHASE_PDV_HEADER,
    PHASE_PDV_DATA,
};

enum { FIRST_BODY = 4096, ASSOCIATE_FIXED_PART = 68 };

static void body_drop(struct ul_decoder *decoder)
{
    if (decoder->body != NULL)
        wipe(decoder->body, decoder->body_capacity); // it may hold a passcode
    free(decoder->body);
    decoder->body = NULL;
    decoder->body_length = decoder->body_capacity = 0;
}

void ul_decoder_fini(struct ul_decoder *decoder)
{
    body_drop(decoder);
}

static void phase_set(struct ul_decoder *decoder, enum phase phase)
{
    decoder->phase = (uint8_t)phase;
    decoder->header_length = 0;
}

// After a fault the rest of this PDU is skipped; in Sta13 framing goes on, so that a peer's A-ABORT is still
// seen.
static void skip_rest(struct ul_decoder *decoder)
{
    phase_set(decoder, decoder->pdu_left > 0 ? PHASE_SKIP : PHASE_PDU_HEADER);
}

static void fault(struct ul_association *association, enum ul_event event, enum ul_reason reason)
{
    body_drop(&association->decoder);
    skip_rest(&association->decoder);
    ul_association_fault(association, event, reason);
}

// Evt19 for a type that PS3.8 does not know.
static enum ul_event event_of(uint8_t type)
{
    static const uint8_t EVENTS[] = {
        [UL_PDU_ASSOCIATE_RQ] = Evt6, [UL_PDU_ASSOCIATE_AC] = Evt3, [UL_PDU_ASSOCIATE_RJ] = Evt4,
        [UL_PDU_DATA_TF] = Evt10,     [UL_PDU_RELEASE_RQ] = Evt12,  [UL_PDU_RELEASE_RP] = Evt13,
        [UL_PDU_ABORT] = Evt16};
    if (type == 0 || type >= sizeof EVENTS)
        return Evt19;
    return (enum ul_event)EVENTS[type];
}

// Lengths are judged before anything is kept (PROTOCOL 9, 10, 72).
static enum ul_reason judge_length(const struct ul_association *association, uint8_t type, uint32_t length)
{
    switch (type) {
    case UL_PDU_ASSOCIATE_RQ:
    case UL_PDU_ASSOCIATE_AC:
        if (length > association->limits.association_pdu)
            return UL_REASON_PDU_TOO_LONG;
        return length < ASSOCIATE_FIXED_PART ? UL_REASON_PDU_LENGTH : UL_REASON_NONE;
    case UL_PDU_DATA_TF:
        if (association->data_limit != 0 && length > association->data_limit)
            return UL_REASON_PDU_TOO_LONG;
        return length < UL_PDV_HEADER_LENGTH ? UL_REASON_PDV_LENGTH : UL_REASON_NONE;
    default:
        return length != UL_FIXED_BODY_LENGTH ? UL_REASON_PDU_LENGTH : UL_REASON_NONE;
    }
}

static void on_pdu_header(struct ul_association *association)
{
    struct ul_decoder *decoder = &association->decoder;
    struct cursor c = cursor_of(slice_of(decoder->header, UL_PDU_HEADER_LENGTH));
    decoder->pdu_type = cursor_u8(&c);
    cursor_skip(&c, 1);
    decoder->pdu_left = cursor_u32be(&c);
    enum ul_event event = event_of(decoder->pdu_type);
    enum ul_action action = ul_state_table_action(association->state, event);
    if (event == Evt19) {
        fault(association, Evt19, UL_REASON_UNKNOWN_PDU);
        return;
    }
    // What is refused or ignored whatever its body says.
    if (action == AA_1 || action == AA_6 || action == AA_7 || action == AA_8) {
        fault(association, event, UL_REASON_UNEXPECTED_PDU);
        return;
    }
    enum ul_reason reason = judge_length(association, decoder->pdu_type, decoder->pdu_left);
    if (reason != UL_REASON_NONE) {
        fault(association, Evt19, reason);
        return;
    }
    switch ((int)event) {
    case Evt3:
    case Evt6:
        phase_set(decoder, PHASE_BODY);
        break;
    case Evt10:
        phase_set(decoder, PHASE_PDV_HEADER);
        (void)ul_association_occur(association, &(struct ul_occurrence){.event = Evt10});
        break;
    default:
        phase_set(decoder, PHASE_FIXED_BODY);
        break;
    }
}

static void on_fixed_body(struct ul_association *association)
{
    struct ul_decoder *decoder = &association->decoder;
    const uint8_t *body = decoder->header;
    struct ul_occurrence what = {.event = event_of(decoder->pdu_type)};
    if (what.event == Evt4) {
        what.reject = (struct ul_reject){body[1], body[2], body[3]};
        what.reason = UL_REASON_REJECTED_BY_PEER;
    } else if (what.event == Evt16) {
        what.source = body[2];
        what.code = body[3];
        what.reason =
            body[2] >= UL_ABORT_BY_PROVIDER ? UL_REASON_ABORTED_BY_PROVIDER : UL_REASON_ABORTED_BY_USER;
    }
    phase_set(decoder, PHASE_PDU_HEADER);
    // The owner may have changed the state between header and body.
    enum ul_action action = ul_state_table_action(association->state, what.event);
    if (action == AA_1 || action == AA_7 || action == AA_8)
        ul_association_fault(association, what.event, UL_REASON_UNEXPECTED_PDU);
    else
        (void)ul_association_occur(association, &what);
}

static void on_associate_body(struct ul_association *association)
{
    struct ul_decoder *decoder = &association->decoder;
    struct ul_parameters *parameters = NULL;
    enum ul_reason reason = UL_REASON_NO_MEMORY;
    enum ul_event event = event_of(decoder->pdu_type);
    enum result result =
        ul_parameters_decode((enum ul_pdu_type)decoder->pdu_type,
                             slice_of(decoder->body, decoder->body_length), &parameters, &reason);
    body_drop(decoder);
    phase_set(decoder, PHASE_PDU_HEADER);
    enum ul_action action = ul_state_table_action(association->state, event);
    if (action != AE_3 && action != AE_6) { // the owner aborted meanwhile
        ul_parameters_free(parameters);
        ul_association_fault(association, event, UL_REASON_UNEXPECTED_PDU);
    } else if (result != OK) {
        ul_association_fault(association, Evt19, reason);
    } else if (event == Evt3 && !ul_parameters_maximum_is_usable(parameters)) {
        ul_parameters_free(parameters);
        ul_association_fault(association, Evt19, UL_REASON_PEER_MAXIMUM);
    } else {
        (void)ul_association_occur(association,
                                   &(struct ul_occurrence){.event = event, .parameters = parameters});
    }
}

// Grows with what has come, never with what was announced.
static bool body_reserve(struct ul_decoder *decoder, size_t more)
{
    size_t needed = decoder->body_length + more; // both at most the limit of 32 bits
    if (needed <= decoder->body_capacity)
        return true;
    size_t capacity = decoder->body_capacity == 0 ? FIRST_BODY : decoder->body_capacity;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *body = malloc(capacity);
    if (body == NULL)
        return false;
    size_t length = decoder->body_length;
    if (length > 0)
        memcpy(body, decoder->body, length);
    body_drop(decoder);
    decoder->body = body;
    decoder->body_length = length;
    decoder->body_capacity = capacity;
    return true;
}

static void step_body(struct ul_association *association, struct slice *bytes)
{
    struct ul_decoder *decoder = &association->decoder;
    struct slice piece = slice_first(*bytes, decoder->pdu_left);
    if (!body_reserve(decoder, piece.length)) {
        fault(association, Evt19, UL_REASON_NO_MEMORY);
        return;
    }
    memcpy(decoder->body + decoder->body_length, piece.data, piece.length);
    decoder->body_length += piece.length;
    decoder->pdu_left -= (uint32_t)piece.length;
    *bytes = slice_from(*bytes, piece.length);
    if (decoder->pdu_left == 0)
        on_associate_body(association);
}

// True when `wanted` bytes stand in decoder.header.
static bool collect(struct ul_decoder *decoder, uint8_t wanted, struct slice *bytes)
{
    struct slice piece = slice_first(*bytes, (size_t)(wanted - decoder->header_length));
    memcpy(decoder->header + decoder->header_length, piece.data, piece.length);
    decoder->header_length = (uint8_t)(decoder->header_length + piece.length);
    *bytes = slice_from(*bytes, piece.length);
    return decoder->header_length == wanted;
}

static void pdv_finish(struct ul_association *association)
{
    struct ul_decoder *decoder = &association->decoder;
    phase_set(decoder, decoder->pdu_left > 0 ? PHASE_PDV_HEADER : PHASE_PDU_HEADER);
    if (ul_association_receives(association))
        association->handler->on_pdv_end(association->arg);
}

// PS3.8 table 9-23 and annex E.
static void on_pdv_header(struct ul_association *association)
{
    struct ul_decoder *decoder = &association->decoder;
    struct cursor c = cursor_of(slice_of(decoder->header, UL_PDV_HEADER_LENGTH));
    uint32_t length = cursor_u32be(&c);
    decoder->pdu_left -= UL_PDV_HEADER_LENGTH;
    if (length < 2 || length - 2 > decoder->pdu_left) {
        fault(association, Evt19, UL_REASON_PDV_LENGTH);
        return;
    }
    struct ul_pdv pdv = {.length = length - 2};
    pdv.context_id = cursor_u8(&c);
    pdv.control = cursor_u8(&c);
    if (!ul_association_has_accepted(association, pdv.context_id)) {
        fault(association, Evt19, UL_REASON_PDV_CONTEXT);
        return;
    }
    decoder->pdv_left = pdv.length;
    phase_set(decoder, PHASE_PDV_DATA);
    association->handler->on_pdv_begin(association->arg, &pdv);
    if (decoder->pdv_left == 0)
        pdv_finish(association);
}

static void step_pdv_header(struct ul_association *association, struct slice *bytes)
{
    struct ul_decoder *decoder = &association->decoder;
    if (!ul_association_receives(association))
        skip_rest(decoder);
    else if (decoder->pdu_left < UL_PDV_HEADER_LENGTH)
        fault(association, Evt19, UL_REASON_PDV_LENGTH);
    else if (collect(decoder, UL_PDV_HEADER_LENGTH, bytes))
        on_pdv_header(association);
}

static void step_pdv_data(struct ul_association *association, struct slice *bytes)
{
    struct ul_decoder *decoder = &association->decoder;
    if (!ul_association_receives(association)) {
        skip_rest(decoder);
        return;
    }
    struct slice piece = slice_first(*bytes, decoder->pdv_left);
    decoder->pdv_left -= (uint32_t)piece.length;
    decoder->pdu_left -= (uint32_t)piece.length;
    *bytes = slice_from(*bytes, piece.length);
    association->handler->on_pdv_data(association->arg, piece);
    if (decoder->pdv_left == 0)
        pdv_finish(association);
}

// One piece of work. Except for a change of phase, it always takes bytes.
static void step(struct ul_association *association, struct slice *bytes)
{
    struct ul_decoder *decoder = &association->decoder;
    switch ((enum phase)decoder->phase) {
    case PHASE_PDU_HEADER:
        if (collect(decoder, UL_PDU_HEADER_LENGTH, bytes))
            on_pdu_header(association);
        break;
    case PHASE_FIXED_BODY:
        if (collect(decoder, UL_FIXED_BODY_LENGTH, bytes)) {
            decoder->pdu_left = 0;
            on_fixed_body(association);
        }
        break;
    case PHASE_BODY:
        step_body(association, bytes);
        break;
    case PHASE_SKIP: {
        size_t skipped = slice_first(*bytes, decoder->pdu_left).length;
        decoder->pdu_left -= (uint32_t)skipped;
        *bytes = slice_from(*bytes, skipped);
        if (decoder->pdu_left == 0)
            phase_set(decoder, PHASE_PDU_HEADER);
        break;
    }
    case PHASE_PDV_HEADER:
        step_pdv_header(association, bytes);
        break;
    case PHASE_PDV_DATA:
        step_pdv_data(association, bytes);
        break;
    default:
        unreachable_state();
    }
}

enum result ul_association_input(struct ul_association *association, struct slice bytes, size_t *consumed)
{
    MAGIC_CHECK(association, UL_ASSOCIATION_MAGIC);
    ensure(!association->is_in_input);
    *consumed = bytes.length;
    if (association->is_over)
        return CLOSED;
    if (association->state == Sta1 || association->state == Sta4)
        return ERR_REFUSED; // no transport yet: whose bytes are these?
    association->is_in_input = true;
    struct slice left = bytes;
    while (left.length > 0 && !association->is_paused && !association->is_over)
        step(association, &left);
    association->is_in_input = false;
    if (association->is_over)
        return CLOSED;
    *consumed = bytes.length - left.length;
    return left.length > 0 ? AGAIN : OK;
}
