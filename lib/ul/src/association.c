// SPDX-License-Identifier: Apache-2.0
//
// The state machine of PS3.8 9.2: events to actions by the table, actions to output and indications. Each
// action first changes the state, then acts, and calls the owner last, so that the owner may call back in.
#include "ul/association.h"

#include <stdlib.h>

#include "association_private.h"
#include "base/cursor.h"
#include "base/magic.h"

enum { OUTPUT_LIMIT = 16 * 1024 * 1024 };

void ul_association_init(struct ul_association *association, enum ul_role role,
                         const struct ul_limits *limits, const struct ul_handler *handler, void *arg)
{
    *association = (struct ul_association){.role = role, .state = Sta1, .handler = handler, .arg = arg};
    if (limits != NULL)
        association->limits = *limits;
    if (association->limits.association_pdu == 0)
        association->limits.association_pdu = UL_ASSOCIATION_PDU_LIMIT;
    if (association->limits.data_length_excess == 0)
        association->limits.data_length_excess = UL_DATA_LENGTH_EXCESS;
    byte_queue_init(&association->output, OUTPUT_LIMIT);
    MAGIC_INIT(association, UL_ASSOCIATION_MAGIC);
}

void ul_association_fini(struct ul_association *association)
{
    MAGIC_CHECK(association, UL_ASSOCIATION_MAGIC);
    ensure(!association->is_in_input);
    ul_decoder_fini(&association->decoder);
    byte_queue_fini(&association->output);
    ul_parameters_free(association->own);
    ul_parameters_free(association->peer);
    association->own = association->peer = NULL;
    MAGIC_CLEAR(association);
}

// The one place where the state changes.
static void state_set(struct ul_association *association, enum ul_state state)
{
    association->state = state;
    if (state == Sta1)
        association->is_over = true;
}

static void reason_set(struct ul_association *association, enum ul_reason reason)
{
    if (association->reason == UL_REASON_NONE)
        association->reason = reason;
}

// A PDU that does not fit into the output is lost; the owner, whose peer does not read, ends by ARTIM.
static void send_fixed(struct ul_association *association, const uint8_t *pdu)
{
    if (byte_queue_append(&association->output, slice_of(pdu, UL_FIXED_PDU_LENGTH)) != OK)
        reason_set(association, UL_REASON_NO_MEMORY);
}

static void send_abort(struct ul_association *association, uint8_t source, uint8_t code)
{
    uint8_t pdu[UL_FIXED_PDU_LENGTH];
    ul_pdu_write_abort(pdu, source, code);
    send_fixed(association, pdu);
}

static void send_reject(struct ul_association *association, struct ul_reject reject)
{
    uint8_t pdu[UL_FIXED_PDU_LENGTH];
    ul_pdu_write_reject(pdu, reject);
    send_fixed(association, pdu);
}

static void send_release(struct ul_association *association, bool is_request)
{
    uint8_t pdu[UL_FIXED_PDU_LENGTH];
    if (is_request)
        ul_pdu_write_release_rq(pdu);
    else
        ul_pdu_write_release_rp(pdu);
    send_fixed(association, pdu);
}

static void indicate_abort(struct ul_association *association, enum ul_abort_origin origin,
                           const struct ul_occurrence *what)
{
    const struct ul_abort_indication indication = {
        .origin = origin, .source = what->source, .code = what->code, .reason = association->reason};
    association->handler->on_abort(association->arg, &indication);
}

// The contexts on which data may flow, and the lengths for both directions.
static void agree(struct ul_association *association)
{
    const bool is_acceptor = association->role == UL_ACCEPTOR;
    const struct ul_parameters *request = is_acceptor ? association->peer : association->own;
    const struct ul_parameters *answer = is_acceptor ? association->own : association->peer;
    struct slice abstract, transfer;
    for (size_t i = 0; i < answer->context_count; i++) {
        uint8_t id = answer->contexts[i].id;
        if (ul_parameters_agreed(request, answer, id, &abstract, &transfer))
            association->accepted[id / 64] |= (uint64_t)1 << (id % 64);
    }
    association->peer_maximum = association->peer->maximum_length;
    uint64_t offered = association->own->maximum_length;
    uint64_t limit = offered + association->limits.data_length_excess;
    association->data_limit = offered == 0 ? 0 : limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
}

// AE-6: PS3.8 lets the provider refuse by itself; everything that is policy goes to the owner.
static void take_request(struct ul_association *association, const struct ul_occurrence *what)
{
    const struct ul_handler *handler = association->handler;
    association->peer = what->parameters;
    handler->on_artim_stop(association->arg);
    struct ul_reject reject;
    enum ul_reason reason;
    if (!ul_parameters_reject_find(association->peer, &reject, &reason)) {
        state_set(association, ul_state_table_row(AE_6)->next);
        handler->on_associate_rq(association->arg, association->peer);
        return;
    }
    state_set(association, ul_state_table_row(AE_6)->alternative);
    reason_set(association, reason);
    send_reject(association, reject);
    handler->on_artim_start(association->arg);
    handler->on_refused(association->arg, reject);
}

static void act_associate(struct ul_association *association, enum ul_action action,
                          const struct ul_occurrence *what)
{
    const struct ul_handler *handler = association->handler;
    void *arg = association->arg;
    switch ((int)action) {
    case AE_1:
        handler->on_transport_connect(arg);
        break;
    case AE_3:
        association->peer = what->parameters;
        agree(association);
        handler->on_associate_ac(arg, association->peer);
        break;
    case AE_4:
        handler->on_associate_rj(arg, what->reject);
        handler->on_transport_close(arg);
        break;
    case AE_5:
        handler->on_artim_start(arg);
        break;
    case AE_8:
        send_reject(association, what->reject);
        handler->on_artim_start(arg);
        break;
    default: // AE-2, AE-7: the caller has encoded the PDU before the state changed
        break;
    }
}

static void act_release(struct ul_association *association, enum ul_action action)
{
    const struct ul_handler *handler = association->handler;
    void *arg = association->arg;
    switch ((int)action) {
    case AR_1:
        send_release(association, true);
        break;
    case AR_2:
    case AR_8:
        handler->on_release_rq(arg, action == AR_8);
        break;
    case AR_3:
        reason_set(association, UL_REASON_RELEASED);
        handler->on_release_rp(arg);
        handler->on_transport_close(arg);
        break;
    case AR_4:
        reason_set(association, UL_REASON_RELEASED);
        send_release(association, false);
        handler->on_artim_start(arg);
        break;
    case AR_5:
        handler->on_artim_stop(arg);
        break;
    case AR_9:
        send_release(association, false);
        break;
    case AR_10:
        handler->on_release_rp(arg);
        break;
    default: // DT-1, DT-2, AR-6, AR-7: the bytes pass by themselves
        break;
    }
}

static void act_abort(struct ul_association *association, enum ul_action action,
                      const struct ul_occurrence *what)
{
    const struct ul_handler *handler = association->handler;
    void *arg = association->arg;
    switch ((int)action) {
    case AA_1:
        send_abort(association, what->source, what->code);
        handler->on_artim_start(arg);
        break;
    case AA_2:
        handler->on_artim_stop(arg);
        handler->on_transport_close(arg);
        break;
    case AA_3:
        // Source 1 is reserved; what is not the provider counts as the user.
        indicate_abort(association,
                       what->source >= UL_ABORT_BY_PROVIDER ? UL_ABORT_FROM_PROVIDER : UL_ABORT_FROM_USER,
                       what);
        handler->on_transport_close(arg);
        break;
    case AA_4:
        indicate_abort(association, UL_ABORT_FROM_TRANSPORT, what);
        break;
    case AA_5:
        handler->on_artim_stop(arg);
        break;
    case AA_7:
        send_abort(association, what->source, what->code);
        break;
    case AA_8:
        send_abort(association, what->source, what->code);
        handler->on_artim_start(arg);
        indicate_abort(association, UL_ABORT_FROM_US, what);
        break;
    default: // AA-6
        break;
    }
}

bool ul_association_occur(struct ul_association *association, const struct ul_occurrence *what)
{
    enum ul_action action = ul_state_table_action(association->state, what->event);
    if (what->parameters != NULL && action != AE_3 && action != AE_6)
        ul_parameters_free(what->parameters);
    if (action == NOT_LISTED)
        return false;
    if (action == AE_6) {
        take_request(association, what);
        return true;
    }
    const struct ul_action_row *row = ul_state_table_row(action);
    const bool is_alternative = action == AR_8 && association->role == UL_ACCEPTOR;
    state_set(association, is_alternative ? row->alternative : row->next);
    if (what->reason != UL_REASON_NONE)
        reason_set(association, what->reason);
    if (action <= AE_8)
        act_associate(association, action, what);
    else if (action <= AR_10)
        act_release(association, action);
    else
        act_abort(association, action, what);
    return true;
}

// PS3.8 sends A-ABORT from Sta2 with the service user as source (AA-1); as no user knows of this association
// yet and the reason field is empty then, we name the provider and the reason, as PROTOCOL 8 to 10 and 57
// want it.
void ul_association_fault(struct ul_association *association, enum ul_event event, enum ul_reason reason)
{
    const struct ul_reason_row *row = ul_reason_row(reason);
    const struct ul_occurrence what = {
        .event = event, .reason = reason, .source = row->abort_source, .code = row->abort_code};
    (void)ul_association_occur(association, &what);
}

// ---- from the transport ----

enum result ul_association_on_transport_connected(struct ul_association *association)
{
    MAGIC_CHECK(association, UL_ASSOCIATION_MAGIC);
    const bool is_acceptor = association->role == UL_ACCEPTOR;
    if (association->is_over || association->state != (is_acceptor ? Sta1 : Sta4))
        return ERR_REFUSED;
    if (!is_acceptor) {
        enum result result =
            ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, association->own, &association->output);
        if (result != OK)
            return result;
    }
    const struct ul_occurrence what = {.event = is_acceptor ? Evt5 : Evt2};
    return ul_association_occur(association, &what) ? OK : ERR_REFUSED;
}

void ul_association_on_transport_closed(struct ul_association *association)
{
    MAGIC_CHECK(association, UL_ASSOCIATION_MAGIC);
    const struct ul_occurrence what = {.event = Evt17,
                                       .reason = association->state == Sta2 ? UL_REASON_CLOSED_EARLY
                                                                            : UL_REASON_TRANSPORT_CLOSED};
    (void)ul_association_occur(association, &what); // not listed: it was over before
}

void ul_association_on_artim_expired(struct ul_association *association)
{
    MAGIC_CHECK(association, UL_ASSOCIATION_MAGIC);
    const struct ul_occurrence what = {.event = Evt18, .reason = UL_REASON_ARTIM_EXPIRED};
    (void)ul_association_occur(association, &what); // not listed: a timer that was stopped too late
}

void ul_association_pause(struct ul_association *association)
{
    association->is_paused = true;
}

void ul_association_resume(struct ul_association *association)
{
    association->is_paused = false;
}

// ---- service primitives ----

static bool is_allowed(const struct ul_association *association, enum ul_event event)
{
    MAGIC_CHECK(association, UL_ASSOCIATION_MAGIC);
    return !association->is_over && ul_state_table_action(association->state, event) != NOT_LISTED;
}

static enum result primitive(struct ul_association *association, const struct ul_occurrence *what)
{
    if (!is_allowed(association, what->event))
        return ERR_REFUSED;
    (void)ul_association_occur(association, what);
    return OK;
}

enum result ul_association_request(struct ul_association *association, struct ul_parameters **parameters)
{
    if (association->role != UL_REQUESTOR || !is_allowed(association, Evt1))
        return ERR_REFUSED;
    association->own = *parameters;
    *parameters = NULL;
    return primitive(association, &(struct ul_occurrence){.event = Evt1});
}

enum result ul_association_accept(struct ul_association *association, struct ul_parameters **parameters)
{
    if (!is_allowed(association, Evt7))
        return ERR_REFUSED;
    enum result result = ul_parameters_encode(UL_PDU_ASSOCIATE_AC, *parameters, &association->output);
    if (result != OK)
        return result;
    association->own = *parameters;
    *parameters = NULL;
    agree(association);
    return primitive(association, &(struct ul_occurrence){.event = Evt7});
}

enum result ul_association_reject(struct ul_association *association, struct ul_reject reject)
{
    return primitive(association, &(struct ul_occurrence){
                                      .event = Evt8, .reason = UL_REASON_REJECTED_BY_US, .reject = reject});
}

enum result ul_association_release_request(struct ul_association *association)
{
    return primitive(association, &(struct ul_occurrence){.event = Evt11});
}

enum result ul_association_release_response(struct ul_association *association)
{
    return primitive(association, &(struct ul_occurrence){.event = Evt14});
}

enum result ul_association_abort(struct ul_association *association, uint8_t source, uint8_t code)
{
    return primitive(association,
                     &(struct ul_occurrence){
                         .event = Evt15, .reason = UL_REASON_ABORTED_BY_US, .source = source, .code = code});
}

enum result ul_association_data_header(struct ul_association *association, uint8_t context_id,
                                       bool is_command, bool is_last, uint32_t length, uint8_t *out)
{
    if (!is_allowed(association, Evt9))
        return ERR_REFUSED;
    if (!ul_association_has_accepted(association, context_id))
        return ERR_ARGUMENT;
    // PS3.8 E.2: fragments are even; an odd last one is passed on as it came (PROTOCOL 77).
    if (length % 2 != 0 && !is_last)
        return ERR_ARGUMENT;
    uint32_t maximum = association->peer_maximum == 0 ? UINT32_MAX : association->peer_maximum;
    if (length > maximum - UL_PDV_HEADER_LENGTH)
        return ERR_LIMIT;
    ul_pdu_write_data_header(out, context_id, is_command, is_last, length);
    return primitive(association, &(struct ul_occurrence){.event = Evt9});
}

// ---- reading ----

uint32_t ul_association_max_fragment(const struct ul_association *association)
{
    uint32_t maximum = association->peer_maximum;
    if (maximum == 0 && association->role == UL_ACCEPTOR && association->peer != NULL)
        maximum = association->peer->maximum_length;
    if (maximum == 0)
        maximum = UINT32_MAX;
    return (maximum - UL_PDV_HEADER_LENGTH) & ~(uint32_t)1;
}

struct byte_queue *ul_association_output(struct ul_association *association)
{
    return &association->output;
}

enum ul_state ul_association_state(const struct ul_association *association)
{
    return association->state;
}

bool ul_association_can_send(const struct ul_association *association)
{
    return is_allowed(association, Evt9);
}

bool ul_association_is_over(const struct ul_association *association)
{
    return association->is_over;
}

enum ul_reason ul_association_reason(const struct ul_association *association)
{
    return association->reason;
}

const struct ul_parameters *ul_association_peer(const struct ul_association *association)
{
    return association->peer;
}

const struct ul_parameters *ul_association_own(const struct ul_association *association)
{
    return association->own;
}

bool ul_association_context(const struct ul_association *association, uint8_t context_id,
                            struct slice *abstract, struct slice *transfer)
{
    if (!ul_association_has_accepted(association, context_id))
        return false;
    const bool is_acceptor = association->role == UL_ACCEPTOR;
    return ul_parameters_agreed(is_acceptor ? association->peer : association->own,
                                is_acceptor ? association->own : association->peer, context_id, abstract,
                                transfer);
}
