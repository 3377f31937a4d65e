// SPDX-License-Identifier: Apache-2.0
//
// Life of a leg: how it begins and ends, its deadlines, what the owner asks for. See leg.h; the way in is
// leg_read.c, the way out leg_write.c.
#include "base/check.h"
#include "base/text.h"
#include "base/wipe.h"
#include "leg_private.h"
#include <stdlib.h>

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

void leg_flush_later(struct leg *leg)
{
    if (!leg->is_discarded)
        ev_task_defer(&leg->flush_task);
}

void leg_machine_abort(struct leg *leg, uint8_t source, uint8_t code)
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
            leg_machine_abort(leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
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
    leg_flush_later(leg);
}

// ---- deadlines ----

static void on_phase_timer(void *arg)
{
    struct leg *leg = arg;
    MAGIC_CHECK(leg, LEG_MAGIC);
    enum leg_cause cause = leg->is_established ? LEG_RELEASE_TIMEOUT : LEG_CONNECT_TIMEOUT;
    leg_machine_abort(leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
    leg_finish(leg, cause);
    leg_flush_later(leg);
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
void leg_read_timer_start(struct leg *leg)
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
        leg_read_timer_start(leg);
        return;
    }
    enum leg_cause cause = leg->is_receiving ? LEG_STALL_TIMEOUT : LEG_IDLE_TIMEOUT;
    leg_machine_abort(leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
    leg_finish(leg, cause);
    leg_flush_later(leg);
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

// ---- making ----

static void on_flush_task(void *arg)
{
    leg_flush(arg);
}

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
    ul_association_init(&leg->ul, is_acceptor ? UL_ACCEPTOR : UL_REQUESTOR, &environment->limits,
                        &leg_ul_handler, leg);
    dimse_reader_init(&leg->reader, 0, &leg_dimse_handler, leg);
    struct ev_loop *loop = environment->loop;
    ev_timer_init(&leg->phase_timer, loop, on_phase_timer, leg);
    ev_timer_init(&leg->artim, loop, on_artim, leg);
    ev_timer_init(&leg->read_timer, loop, on_read_timer, leg);
    ev_timer_init(&leg->write_timer, loop, on_write_timer, leg);
    ev_task_init(&leg->flush_task, loop, on_flush_task, leg);
    ev_task_init(&leg->resume_task, loop, leg_on_resume, leg);
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
    transport_set_handler(leg->transport, leg_on_transport, leg);
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
        result = net_dial(dialer, environment->loop, address, leg_on_transport, leg, &leg->transport);
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
    leg_read_timer_start(leg);
    leg_flush_later(leg);
    return OK;
}

void leg_refuse(struct leg *leg, struct ul_reject reject)
{
    if (leg->has_ended)
        return;
    leg->end.reject = reject;
    if (ul_association_reject(&leg->ul, reject) == OK)
        leg_flush_later(leg);
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
    leg_flush_later(leg);
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
        leg_machine_abort(leg, source, code);
        leg_flush_later(leg);
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

// Of those that have nothing more to say.
static const char *const cause_sentences[LEG_CAUSE_COUNT] = {
    [LEG_RELEASED] = "released by the peer",
    [LEG_CONNECT_TIMEOUT] = "no association came about in time",
    [LEG_ARTIM_EXPIRED] = "no association request came in time",
    [LEG_IDLE_TIMEOUT] = "the peer was idle for too long",
    [LEG_STALL_TIMEOUT] = "the peer stopped in the middle of a message",
    [LEG_RELEASE_TIMEOUT] = "the release was not answered in time",
    [LEG_CLOSED_BY_US] = "aborted by the gateway",
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
        text_format(to, capacity, "%s", cause_sentences[end->cause]);
        return;
    case LEG_CAUSE_COUNT:
        break;
    }
    unreachable_state();
}
