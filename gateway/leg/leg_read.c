// SPDX-License-Identifier: Apache-2.0
//
// The way in: events of the transport go into the PS3.8 machine, its indications to the message reader and
// the owner.
#include "leg_private.h"

// ---- events of the transport ----

static bool takes_bytes(const struct leg *leg)
{
    return !leg->is_paused && byte_queue_is_empty(&leg->held);
}

void leg_want_update(struct leg *leg)
{
    if (leg->is_discarded || !transport_is_open(leg->transport))
        return;
    unsigned events = takes_bytes(leg) ? TRANSPORT_READABLE : 0;
    if (leg->fragment_count > 0 || !byte_queue_is_empty(ul_association_output(&leg->ul)))
        events |= TRANSPORT_WRITABLE;
    transport_want(leg->transport, events);
}

static void on_opened(struct leg *leg)
{
    if (ul_association_on_transport_connected(&leg->ul) != OK) {
        leg_transport_lost(leg);
        return;
    }
    leg_flush(leg);
}

static void after_input(struct leg *leg)
{
    if (leg->is_discarded)
        return;
    // AA-1 and AA-2 in Sta2 end without an indication: there was no association that could end.
    if (ul_association_state(&leg->ul) == Sta13 || ul_association_is_over(&leg->ul))
        leg_finish(leg, LEG_ABORTED);
    bool is_receiving = !dimse_reader_is_idle(&leg->reader);
    if (leg->is_established && !leg->has_ended &&
        (is_receiving != leg->is_receiving || !ev_timer_is_armed(&leg->read_timer))) {
        leg->is_receiving = is_receiving;
        leg_read_timer_start(leg);
    }
    leg_flush(leg);
}

static void on_readable(struct leg *leg)
{
    size_t got;
    enum result result =
        transport_read(leg->transport, leg->environment->read_buffer, leg->environment->read_capacity, &got);
    if (result == AGAIN)
        return;
    if (result != OK) {
        leg_transport_lost(leg);
        return;
    }
    leg->last_read = ev_now(leg->environment->loop);
    size_t consumed;
    struct slice bytes = slice_of(leg->environment->read_buffer, got);
    result = ul_association_input(&leg->ul, bytes, &consumed);
    if (result == AGAIN && !leg->is_discarded &&
        byte_queue_append(&leg->held, slice_from(bytes, consumed)) != OK)
        leg_abort(leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
    after_input(leg);
}

// What leg_hold() left of a read comes before anything that the transport has.
void leg_on_resume(void *arg)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    if (leg->is_held || byte_queue_is_empty(&leg->held))
        return;
    size_t consumed;
    (void)!ul_association_input(&leg->ul, byte_queue_peek(&leg->held), &consumed);
    byte_queue_consume(&leg->held, consumed);
    after_input(leg);
}

void leg_on_transport(void *arg, unsigned events)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    if (leg->is_discarded)
        return;
    if (events & TRANSPORT_BROKEN) {
        leg_transport_lost(leg);
        return;
    }
    if (events & TRANSPORT_OPEN)
        on_opened(leg);
    if ((events & TRANSPORT_WRITABLE) && !leg->is_discarded)
        leg_flush(leg);
    if ((events & TRANSPORT_READABLE) && !leg->is_discarded && takes_bytes(leg) &&
        transport_is_open(leg->transport))
        on_readable(leg);
}

// ---- indications of the machine ----

static void ul_on_associate_rq(void *arg, const struct ul_parameters *request)
{
    struct leg *leg = arg;
    if (!leg->has_ended)
        leg->handler->on_request(leg->arg, request);
}

static void ul_on_associate_ac(void *arg, const struct ul_parameters *answer)
{
    struct leg *leg = arg;
    (void)answer;
    ev_timer_stop(&leg->phase_timer);
    leg->is_established = true;
    if (!leg->has_ended)
        leg->handler->on_open(leg->arg);
}

static void ul_on_associate_rj(void *arg, struct ul_reject reject)
{
    struct leg *leg = arg;
    leg->end.reject = reject;
    leg_finish(leg, LEG_REJECTED);
}

static void ul_on_refused(void *arg, struct ul_reject reject)
{
    struct leg *leg = arg;
    leg->end.reject = reject;
    leg_finish(leg, LEG_REFUSED);
}

static void ul_on_abort(void *arg, const struct ul_abort_indication *indication)
{
    struct leg *leg = arg;
    if (leg->is_poisoned)
        return; // whoever reset it says why
    if (indication->origin == UL_ABORT_FROM_TRANSPORT) {
        if (leg->transport != NULL)
            leg->end.transport = transport_reason(leg->transport);
        leg_finish(leg, LEG_TRANSPORT_ENDED);
        return;
    }
    leg->end.abort_source = indication->source;
    leg->end.abort_code = indication->code;
    leg_finish(leg, LEG_ABORTED);
}

// PROTOCOL 66: a release inside a message is a protocol error, never a clean end.
static void ul_on_release_rq(void *arg, bool is_collision)
{
    struct leg *leg = arg;
    if (leg->has_ended)
        return;
    if (!dimse_reader_is_idle(&leg->reader)) {
        const struct dimse_reason_row *row = dimse_reason_row(DIMSE_REASON_RELEASE_IN_MESSAGE);
        leg->end.dimse = DIMSE_REASON_RELEASE_IN_MESSAGE;
        leg_machine_abort(leg, row->abort_source, row->abort_code);
        leg_finish(leg, LEG_MESSAGE_FAULT);
        return;
    }
    if (!is_collision && leg->handler->on_release != NULL)
        leg->handler->on_release(leg->arg);
    else
        leg_release_response(leg);
}

static void ul_on_release_rp(void *arg)
{
    struct leg *leg = arg;
    leg_finish(leg, LEG_RELEASED);
}

static void ul_on_pdv_begin(void *arg, const struct ul_pdv *pdv)
{
    struct leg *leg = arg;
    if (!leg->has_ended)
        dimse_reader_pdv_begin(&leg->reader, pdv->context_id, pdv->control, pdv->length);
}

static void ul_on_pdv_data(void *arg, struct slice piece)
{
    struct leg *leg = arg;
    if (!leg->has_ended)
        dimse_reader_pdv_data(&leg->reader, piece);
}

static void ul_on_pdv_end(void *arg)
{
    struct leg *leg = arg;
    if (!leg->has_ended)
        dimse_reader_pdv_end(&leg->reader);
}

// ARTIM guards Sta2 (no request yet) and Sta13 (the peer does not close): FIELD 15 gives both their own time.
static void ul_on_artim_start(void *arg)
{
    struct leg *leg = arg;
    bool in_sta2 = leg->is_acceptor && ul_association_peer(&leg->ul) == NULL &&
                   ul_association_reason(&leg->ul) == UL_REASON_NONE;
    if (!leg->is_discarded)
        ev_timer_start(&leg->artim, in_sta2 ? leg->timeouts.associate_ns : leg->timeouts.release_ns);
}

static void ul_on_artim_stop(void *arg)
{
    struct leg *leg = arg;
    if (!leg->is_discarded)
        ev_timer_stop(&leg->artim);
}

static void ul_on_transport_connect(void *arg)
{
    (void)arg; // leg_connect() has dialled
}

static void ul_on_transport_close(void *arg)
{
    struct leg *leg = arg;
    if (leg->is_discarded || leg->transport == NULL)
        return;
    leg->close_due = true;
    leg_flush_later(leg);
}

const struct ul_handler leg_ul_handler = {
    .on_associate_rq = ul_on_associate_rq,
    .on_associate_ac = ul_on_associate_ac,
    .on_associate_rj = ul_on_associate_rj,
    .on_refused = ul_on_refused,
    .on_abort = ul_on_abort,
    .on_release_rq = ul_on_release_rq,
    .on_release_rp = ul_on_release_rp,
    .on_pdv_begin = ul_on_pdv_begin,
    .on_pdv_data = ul_on_pdv_data,
    .on_pdv_end = ul_on_pdv_end,
    .on_artim_start = ul_on_artim_start,
    .on_artim_stop = ul_on_artim_stop,
    .on_transport_connect = ul_on_transport_connect,
    .on_transport_close = ul_on_transport_close,
};

// ---- messages ----

static void dimse_on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct leg *leg = arg;
    if (!leg->has_ended)
        leg->handler->on_command(leg->arg, context_id, command);
}

static void dimse_on_data(void *arg, struct slice piece)
{
    struct leg *leg = arg;
    if (!leg->has_ended && leg->handler->on_data != NULL)
        leg->handler->on_data(leg->arg, piece);
}

static void dimse_on_data_end(void *arg)
{
    struct leg *leg = arg;
    if (!leg->has_ended && leg->handler->on_data_end != NULL)
        leg->handler->on_data_end(leg->arg);
}

static void dimse_on_error(void *arg, enum dimse_reason reason)
{
    struct leg *leg = arg;
    if (leg->has_ended)
        return;
    const struct dimse_reason_row *row = dimse_reason_row(reason);
    leg->end.dimse = reason;
    leg_machine_abort(leg, row->abort_source, row->abort_code);
    leg_finish(leg, LEG_MESSAGE_FAULT);
}

const struct dimse_handler leg_dimse_handler = {
    .on_command = dimse_on_command,
    .on_data = dimse_on_data,
    .on_data_end = dimse_on_data_end,
    .on_error = dimse_on_error,
};
