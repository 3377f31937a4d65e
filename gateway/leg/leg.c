// SPDX-License-Identifier: Apache-2.0
//
// Life and protocol side of a leg: events of the transport go into the PS3.8 machine, its indications to the
// message reader and the owner, its timers to the loop. See leg.h; the way out is leg_write.c.
#include "base/check.h"
#include "base/text.h"
#include "base/wipe.h"
#include "leg_private.h"
#include <stdlib.h>

static const struct ul_handler ul_handler;
static const struct dimse_handler dimse_handler;

// ---- environment ----

enum { LEG_READ_CAPACITY = 128 * 1024 };

enum result leg_environment_init(struct leg_environment *environment, struct ev_loop *loop,
                                 const struct ul_limits *limits)
{
    *environment = (struct leg_environment){.loop = loop, .limits = *limits};
    list_init(&environment->lingering);
    environment->read_capacity = LEG_READ_CAPACITY;
    environment->read_buffer = malloc(LEG_READ_CAPACITY);
    return environment->read_buffer == NULL ? ERR_NOMEM : OK;
}

// ---- ending ----

static void flush_later(struct leg *leg)
{
    if (!leg->is_discarded)
        ev_task_defer(&leg->flush_task);
}

// In a state that knows no A-ABORT request the connection is simply closed.
static void machine_abort(struct leg *leg, uint8_t source, uint8_t code)
{
    if (ul_association_abort(&leg->ul, source, code) != OK)
        leg->close_due = true;
}

static void destroy(struct ev_garbage *garbage)
{
    struct leg *leg = CONTAINER_OF(garbage, struct leg, garbage);
    ul_association_fini(&leg->ul);
    dimse_reader_fini(&leg->reader);
    byte_queue_fini(&leg->held);
    MAGIC_CLEAR(leg);
    free(leg);
}

static void discard(struct leg *leg)
{
    if (leg->is_discarded)
        return;
    leg->is_discarded = true;
    leg->has_ended = true;
    if (list_node_is_linked(&leg->lingering_node))
        list_remove(&leg->environment->lingering, &leg->lingering_node);
    ev_timer_fini(&leg->phase_timer);
    ev_timer_fini(&leg->artim);
    ev_timer_fini(&leg->read_timer);
    ev_timer_fini(&leg->write_timer);
    ev_task_fini(&leg->flush_task);
    ev_task_fini(&leg->resume_task);
    transport_free(&leg->transport);
    ev_loop_discard(leg->environment->loop, &leg->garbage, destroy);
}

void leg_environment_fini(struct leg_environment *environment)
{
    LIST_EACH(&environment->lingering, node)
    {
        discard(CONTAINER_OF(node, struct leg, lingering_node));
    }
    wipe(environment->read_buffer, environment->read_capacity); // the last bytes of somebody
    free(environment->read_buffer);
    environment->read_buffer = NULL;
}

void leg_let_go(struct leg *leg)
{
    if (leg->is_freed || leg->is_discarded) {
        discard(leg);
        return;
    }
    transport_close(leg->transport);
    ev_timer_stop(&leg->artim);
    ev_timer_stop(&leg->write_timer);
}

void leg_finish(struct leg *leg, enum leg_cause cause)
{
    if (leg->has_ended)
        return;
    leg->has_ended = true;
    leg->end.cause = cause;
    leg->end.ul = ul_association_reason(&leg->ul);
    ev_timer_stop(&leg->phase_timer);
    ev_timer_stop(&leg->read_timer);
    if (leg->fragment_offset == 0)
        leg_fragments_drop(leg);
    leg->handler->on_end(leg->arg, &leg->end);
}

void leg_transport_lost(struct leg *leg)
{
    leg->end.transport = transport_reason(leg->transport);
    ul_association_on_transport_closed(&leg->ul);
    leg_finish(leg, LEG_TRANSPORT_ENDED);
    leg_let_go(leg);
}

void leg_poison(struct leg *leg)
{
    leg->is_poisoned = true;
    transport_reset(leg->transport);
    ul_association_on_transport_closed(&leg->ul);
}

// True where the peer must still be given time to close (Sta13), so that it reads our last PDU.
static bool must_linger(const struct leg *leg)
{
    return leg->transport != NULL && transport_is_open(leg->transport) && leg->fragment_offset == 0 &&
           !ul_association_is_over(&leg->ul);
}

void leg_free(struct leg **owned)
{
    struct leg *leg = *owned;
    *owned = NULL;
    if (leg == NULL)
        return;
    MAGIC_CHECK(leg, LEG_MAGIC);
    if (leg->is_freed)
        return;
    leg->is_freed = true;
    if (!leg->has_ended) {
        leg->has_ended = true; // no callback from here on
        if (leg->fragment_offset == 0)
            machine_abort(leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
    }
    leg->release_due = false;
    if (leg->fragment_offset == 0)
        leg_fragments_drop(leg);
    if (!must_linger(leg)) {
        if (leg->transport != NULL && leg->fragment_offset != 0)
            transport_reset(leg->transport);
        discard(leg);
        return;
    }
    list_append(&leg->environment->lingering, &leg->lingering_node);
    leg_resume(leg);
    flush_later(leg);
}

// ---- deadlines ----

static void on_phase_timer(void *arg)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    enum leg_cause cause = leg->is_established ? LEG_RELEASE_TIMEOUT : LEG_CONNECT_TIMEOUT;
    machine_abort(leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
    leg_finish(leg, cause);
    flush_later(leg);
}

static void on_artim(void *arg)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    bool was_waiting = ul_association_state(&leg->ul) == Sta2 || !transport_is_open(leg->transport);
    ul_association_on_artim_expired(&leg->ul);
    leg_finish(leg, was_waiting ? LEG_ARTIM_EXPIRED : LEG_RELEASED);
    leg_let_go(leg);
}

// One timer for both receiving deadlines: it is set anew only when the kind of waiting changes or it has run
// out.
static void read_timer_start(struct leg *leg)
{
    uint64_t limit = leg->is_receiving ? leg->timeouts.stall_ns : leg->timeouts.idle_ns;
    if (limit == 0)
        ev_timer_stop(&leg->read_timer);
    else
        ev_timer_start_at(&leg->read_timer, leg->last_read + limit);
}

static void on_read_timer(void *arg)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    uint64_t limit = leg->is_receiving ? leg->timeouts.stall_ns : leg->timeouts.idle_ns;
    if (leg->is_paused)
        leg->last_read = ev_now(leg->environment->loop);
    if (ev_now(leg->environment->loop) - leg->last_read < limit) {
        read_timer_start(leg);
        return;
    }
    enum leg_cause cause = leg->is_receiving ? LEG_STALL_TIMEOUT : LEG_IDLE_TIMEOUT;
    machine_abort(leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
    leg_finish(leg, cause);
    flush_later(leg);
}

// The peer does not read: what was begun can not be finished.
static void on_write_timer(void *arg)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    leg_poison(leg);
    leg_finish(leg, LEG_STALL_TIMEOUT);
    leg_let_go(leg);
}

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
        read_timer_start(leg);
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
static void on_resume_task(void *arg)
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

static void on_transport(void *arg, unsigned events)
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

static void on_flush_task(void *arg)
{
    leg_flush(arg);
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
        machine_abort(leg, row->abort_source, row->abort_code);
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
    flush_later(leg);
}

static const struct ul_handler ul_handler = {
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
    machine_abort(leg, row->abort_source, row->abort_code);
    leg_finish(leg, LEG_MESSAGE_FAULT);
}

static const struct dimse_handler dimse_handler = {
    .on_command = dimse_on_command,
    .on_data = dimse_on_data,
    .on_data_end = dimse_on_data_end,
    .on_error = dimse_on_error,
};

// ---- making ----

static struct leg *leg_make(struct leg_environment *environment, const struct leg_timeouts *timeouts,
                            bool is_acceptor, const struct leg_handler *handler, void *arg)
{
    struct leg *leg = calloc(1, sizeof *leg);
    if (leg == NULL)
        return NULL;
    MAGIC_INIT(leg, LEG_MAGIC);
    leg->environment = environment;
    leg->timeouts = *timeouts;
    leg->handler = handler;
    leg->arg = arg;
    leg->is_acceptor = is_acceptor;
    ul_association_init(&leg->ul, is_acceptor ? UL_ACCEPTOR : UL_REQUESTOR, &environment->limits, &ul_handler,
                        leg);
    dimse_reader_init(&leg->reader, 0, &dimse_handler, leg);
    struct ev_loop *loop = environment->loop;
    ev_timer_init(&leg->phase_timer, loop, on_phase_timer, leg);
    ev_timer_init(&leg->artim, loop, on_artim, leg);
    ev_timer_init(&leg->read_timer, loop, on_read_timer, leg);
    ev_timer_init(&leg->write_timer, loop, on_write_timer, leg);
    ev_task_init(&leg->flush_task, loop, on_flush_task, leg);
    ev_task_init(&leg->resume_task, loop, on_resume_task, leg);
    byte_queue_init(&leg->held, environment->read_capacity);
    return leg;
}

enum result leg_accept(struct leg_environment *environment, const struct leg_timeouts *timeouts,
                       struct transport **transport, const struct leg_handler *handler, void *arg,
                       struct leg **out)
{
    struct leg *leg = leg_make(environment, timeouts, true, handler, arg);
    if (leg == NULL) {
        transport_free(transport);
        return ERR_NOMEM;
    }
    leg->transport = *transport;
    *transport = NULL;
    transport_set_handler(leg->transport, on_transport, leg);
    ev_timer_start(&leg->artim, timeouts->associate_ns); // a TLS handshake counts for it
    *out = leg;
    return OK;
}

enum result leg_connect(struct leg_environment *environment, const struct leg_timeouts *timeouts,
                        const struct net_dialer *dialer, const struct net_address *address,
                        struct ul_parameters **parameters, const struct leg_handler *handler, void *arg,
                        struct leg **out)
{
    struct leg *leg = leg_make(environment, timeouts, false, handler, arg);
    if (leg == NULL) {
        ul_parameters_free(*parameters);
        *parameters = NULL;
        return ERR_NOMEM;
    }
    enum result result = ul_association_request(&leg->ul, parameters);
    if (result == OK)
        result = net_dial(dialer, environment->loop, address, on_transport, leg, &leg->transport);
    if (result != OK) {
        ul_parameters_free(*parameters);
        *parameters = NULL;
        discard(leg);
        return result;
    }
    ev_timer_start(&leg->phase_timer, timeouts->connect_ns + timeouts->associate_ns);
    *out = leg;
    return OK;
}

// ---- what the owner asks for ----

void leg_timeouts_set(struct leg *leg, const struct leg_timeouts *timeouts)
{
    leg->timeouts = *timeouts;
}

enum result leg_answer(struct leg *leg, struct ul_parameters **answer)
{
    enum result result = ul_association_accept(&leg->ul, answer);
    if (result != OK)
        return result;
    leg->is_established = true;
    leg->last_read = ev_now(leg->environment->loop);
    leg->is_receiving = false;
    read_timer_start(leg);
    flush_later(leg);
    return OK;
}

void leg_refuse(struct leg *leg, struct ul_reject reject)
{
    if (leg->has_ended)
        return;
    leg->end.reject = reject;
    if (ul_association_reject(&leg->ul, reject) == OK)
        flush_later(leg);
    leg_finish(leg, LEG_REFUSED);
}

void leg_release_run(struct leg *leg)
{
    leg->release_due = false;
    enum ul_state state = ul_association_state(&leg->ul);
    if (state == Sta6) {
        if (ul_association_release_request(&leg->ul) == OK)
            ev_timer_start(&leg->phase_timer, leg->timeouts.release_ns);
    } else if (ul_association_release_response(&leg->ul) == OK && ul_association_state(&leg->ul) == Sta13) {
        leg_finish(leg, LEG_RELEASED);
    }
    flush_later(leg);
}

void leg_release(struct leg *leg)
{
    if (leg->has_ended || leg->release_due)
        return;
    if (!leg_is_drained(leg))
        leg->release_due = true;
    else
        leg_release_run(leg);
}

void leg_release_response(struct leg *leg)
{
    leg_release(leg);
}

void leg_abort(struct leg *leg, uint8_t source, uint8_t code)
{
    if (leg->has_ended)
        return;
    if (leg->fragment_offset == 0) {
        leg_fragments_drop(leg);
        machine_abort(leg, source, code);
        flush_later(leg);
    } else {
        leg_poison(leg);
    }
    leg_finish(leg, LEG_CLOSED_BY_US);
}

void leg_pause(struct leg *leg)
{
    leg->is_paused = true;
    leg_want_update(leg);
}

void leg_hold(struct leg *leg)
{
    leg->is_held = true;
    ul_association_pause(&leg->ul);
    leg_pause(leg);
}

void leg_resume(struct leg *leg)
{
    if (!leg->is_paused)
        return;
    leg->is_paused = false;
    if (leg->is_held) {
        leg->is_held = false;
        ul_association_resume(&leg->ul);
        ev_task_defer(&leg->resume_task);
    }
    leg->last_read = ev_now(leg->environment->loop);
    leg_want_update(leg);
}

bool leg_is_open(const struct leg *leg)
{
    return leg->is_established && !leg->has_ended && !leg->release_due &&
           ul_association_state(&leg->ul) == Sta6;
}

struct ul_association *leg_association(struct leg *leg)
{
    return &leg->ul;
}

uint8_t leg_context_result(const struct leg *leg, uint8_t context_id)
{
    struct slice abstract;
    struct slice transfer;
    if (ul_association_context(&leg->ul, context_id, &abstract, &transfer))
        return UL_CONTEXT_ACCEPTED;
    const struct ul_context *context = ul_parameters_context_get(ul_association_peer(&leg->ul), context_id);
    return context != NULL && context->result != 0 ? context->result : UL_CONTEXT_NO_REASON;
}

const struct transport_peer *leg_peer(const struct leg *leg)
{
    return transport_peer(leg->transport);
}

// ---- words ----

static const char *const cause_names[LEG_CAUSE_COUNT] = {
    [LEG_RELEASED] = "released",
    [LEG_REFUSED] = "refused",
    [LEG_REJECTED] = "rejected",
    [LEG_ABORTED] = "aborted",
    [LEG_MESSAGE_FAULT] = "message-fault",
    [LEG_TRANSPORT_ENDED] = "transport-ended",
    [LEG_CONNECT_TIMEOUT] = "connect-timeout",
    [LEG_ARTIM_EXPIRED] = "artim-expired",
    [LEG_IDLE_TIMEOUT] = "idle-timeout",
    [LEG_STALL_TIMEOUT] = "stall-timeout",
    [LEG_RELEASE_TIMEOUT] = "release-timeout",
    [LEG_CLOSED_BY_US] = "closed-by-us",
};

const char *leg_cause_name(enum leg_cause cause)
{
    ensure(cause < LEG_CAUSE_COUNT);
    return cause_names[cause];
}

void leg_end_text(const struct leg_end *end, char *to, size_t capacity)
{
    switch (end->cause) {
    case LEG_REJECTED:
    case LEG_REFUSED:
        text_format(to, capacity, "association rejected: %s (%u,%u,%u)", ul_reject_text(end->reject),
                    end->reject.result, end->reject.source, end->reject.reason);
        return;
    case LEG_ABORTED:
        text_format(to, capacity, "aborted: %s (%u,%u)", ul_reason_row(end->ul)->text, end->abort_source,
                    end->abort_code);
        return;
    case LEG_MESSAGE_FAULT:
        text_format(to, capacity, "message fault: %s", dimse_reason_row(end->dimse)->text);
        return;
    case LEG_TRANSPORT_ENDED:
        text_format(to, capacity, "connection ended: %s", transport_reason_text(end->transport));
        return;
    case LEG_RELEASED:
    case LEG_CONNECT_TIMEOUT:
    case LEG_ARTIM_EXPIRED:
    case LEG_IDLE_TIMEOUT:
    case LEG_STALL_TIMEOUT:
    case LEG_RELEASE_TIMEOUT:
    case LEG_CLOSED_BY_US:
    case LEG_CAUSE_COUNT:
        break;
    }
    text_format(to, capacity, "%s", leg_cause_name(end->cause));
}
