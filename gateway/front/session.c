// SPDX-License-Identifier: Apache-2.0
#include "front/session.h"
#include "base/check.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "forward/archive.h"
#include "front/asking.h"
#include "front/census.h"
#include "front/intake.h"
#include "front/peers.h"
#include "front/session_log.h"
#include <stdlib.h>

#define SESSION_MAGIC 0x53455331u

struct session {
    uint32_t magic;
    struct worker *worker;
    struct list_node node; // worker->sessions
    struct leg *leg;
    struct session_facts facts;
    struct access_verdict access;
    struct asking asking;
    struct list unfinished;     // intakes
    struct list finished;       // intakes whose response waits to be sent
    struct intake *receiving;   // takes the data set fragments
    uint64_t instances;         // answered Success
    struct net_address address; // as counted
    bool is_counted;            // in the process's number of associations
    bool is_silent;             // counted among those that have not asked for one
    unsigned window;            // requests that the client may have open (PS3.7 D.3.3.3)
    bool is_over_window;        // it has sent one more: nothing is read until one is answered
    bool is_discarding_data;    // of a request that is not carried out
    bool release_asked;
    char called[CONFIGURATION_TITLE_MAX + 1];
    char calling[CONFIGURATION_TITLE_MAX + 1];
    struct ev_garbage garbage;
};

static const struct leg_handler session_handler;
static _Atomic uint64_t association_counter;

struct session *session_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct session, node);
}

const struct session_facts *session_facts(const struct session *session)
{
    return &session->facts;
}

struct worker *session_worker(const struct session *session)
{
    return session->worker;
}

bool session_context(const struct session *session, uint8_t context_id, struct slice *abstract,
                     struct slice *transfer)
{
    return ul_association_context(leg_association(session->leg), context_id, abstract, transfer);
}

void session_negotiated(const struct session *session, struct record_open *open)
{
    const struct ul_parameters *request = session->facts.request;
    for (size_t i = 0; i < request->role_count; i++)
        if (slice_is_equal(request->roles[i].sop_class, open->sop_class) && request->roles[i].scu == 1)
            open->roles = RECORD_ROLE_SCU; // the only one that we accept
    if (!request->has_user_identity)
        return;
    open->user_identity_type = request->identity.type;
    open->user_identity = slice_first(request->identity.primary, RECORD_IDENTITY_MAX);
}

// ---- end ----

static void session_destroy(struct ev_garbage *garbage)
{
    struct session *session = CONTAINER_OF(garbage, struct session, garbage);
    MAGIC_CLEAR(session);
    free(session);
}

static void silence_over(struct session *session)
{
    if (session->is_silent)
        census_knock_over(session->worker->gateway->census, &session->address);
    session->is_silent = false;
}

static void count_off(struct session *session)
{
    silence_over(session);
    if (!session->is_counted)
        return;
    session->is_counted = false;
    atomic_fetch_sub(&session->worker->associations, 1);
    census_leave(session->worker->gateway->census, &session->address, session->access.client);
}

static void orphan_all(struct list *intakes)
{
    for (struct list_node *node = list_take_first(intakes); node != NULL; node = list_take_first(intakes))
        intake_orphan(CONTAINER_OF(node, struct intake, session_node));
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    MAGIC_CHECK(session, SESSION_MAGIC);
    struct worker *worker = session->worker;
    session->receiving = NULL;
    orphan_all(&session->unfinished);
    for (struct list_node *node = list_take_first(&session->finished); node != NULL;
         node = list_take_first(&session->finished))
        intake_free(CONTAINER_OF(node, struct intake, session_node));
    asking_fini(&session->asking);
    leg_free(&session->leg);
    count_off(session);
    list_remove(&worker->sessions, &session->node);
    ev_loop_discard(worker->loop, &session->garbage, session_destroy);
    worker_stop_check(worker);
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct session *session = arg;
    MAGIC_CHECK(session, SESSION_MAGIC);
    session_log_end(&session->facts, end, leg_peer(session->leg), session->instances);
    session_free(session);
}

void session_stop(struct session *session)
{
    MAGIC_CHECK(session, SESSION_MAGIC);
    bool is_busy = session->receiving != NULL || session->unfinished.count > 0 ||
                   session->finished.count > 0 || !leg_is_drained(session->leg);
    if (is_busy && !session->worker->stop_is_due)
        return;
    leg_abort(session->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
}

// ---- flow ----

void session_flow_update(struct session *session)
{
    MAGIC_CHECK(session, SESSION_MAGIC);
    if (session->leg == NULL)
        return;
    if (journal_stream_room(session->worker->stream) && !session->is_over_window)
        leg_resume(session->leg);
    else
        leg_pause(session->leg);
}

void session_journal_lost(struct session *session)
{
    MAGIC_CHECK(session, SESSION_MAGIC);
    if (session->receiving != NULL)
        intake_journal_lost(session->receiving);
}

// ---- association ----

static void refuse(struct session *session, struct ul_reject reject, enum log_id event)
{
    log_event(event, log_number(session->facts.number), log_text(session->calling), log_text(session->called),
              log_text(session->facts.address));
    atomic_fetch_add_explicit(&session->worker->counters.associations_refused, 1, memory_order_relaxed);
    leg_refuse(session->leg, reject);
}

static size_t accepted_count(const struct ul_parameters *answer)
{
    size_t count = 0;
    for (size_t i = 0; i < answer->context_count; i++)
        count += answer->contexts[i].result == UL_CONTEXT_ACCEPTED;
    return count;
}

static void answer(struct session *session)
{
    struct ul_parameters *parameters;
    struct ul_reject reject;
    enum result result = asking_answer(&session->asking, &parameters, &reject);
    asking_fini(&session->asking);
    if (result == ERR_REFUSED) {
        refuse(session, reject, LOG_FRONT_MIRRORED_REJECT);
        return;
    }
    if (result == OK) {
        size_t accepted = accepted_count(parameters);
        session->window = parameters->has_asynchronous_window ? parameters->operations_invoked : 1;
        result = leg_answer(session->leg, &parameters);
        if (result == OK) {
            atomic_fetch_add_explicit(&session->worker->counters.associations_accepted, 1,
                                      memory_order_relaxed);
            log_event(LOG_FRONT_ACCEPTED, log_number(session->facts.number), log_text(session->calling),
                      log_text(session->called), log_text(session->facts.address),
                      log_number(session->facts.request->context_count), log_number(accepted));
            session_flow_update(session);
            return;
        }
        ul_parameters_free(parameters);
    }
    leg_abort(session->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
}

static uint32_t max_pdu(const struct session *session)
{
    const struct configuration_client *client = session->access.client;
    return client != NULL && client->max_pdu > 0 ? client->max_pdu
                                                 : session->worker->gateway->configuration->gateway.max_pdu;
}

// Limits as they are now; what the client's entry says goes before.
static struct leg_timeouts timeouts_get(const struct worker *worker,
                                        const struct configuration_client *client)
{
    const struct configuration_limits *limits = gateway_limits(worker->gateway);
    struct leg_timeouts timeouts = {limits->artim_ns, limits->artim_ns, limits->release_ns, limits->idle_ns,
                                    limits->stall_ns};
    if (client != NULL && client->release_ns > 0)
        timeouts.release_ns = client->release_ns;
    if (client != NULL && client->idle_ns > 0)
        timeouts.idle_ns = client->idle_ns;
    if (client != NULL && client->stall_ns > 0)
        timeouts.stall_ns = client->stall_ns;
    return timeouts;
}

// Those that have ended and wait for the peer to close hold a descriptor too: each ends by `limits.release`.
static bool is_full(const struct worker *worker)
{
    return worker->sessions.count + worker->legs.lingering.count >=
           worker->gateway->configuration->gateway.max_associations + gateway_limits(worker->gateway)->silent;
}

static bool limits_pass(struct session *session)
{
    if (census_enter(session->worker->gateway->census, &session->address, session->access.client) != OK)
        return false;
    atomic_fetch_add(&session->worker->associations, 1);
    session->is_counted = true;
    return true;
}

static uint32_t source_node(const struct session *session, const struct transport_peer *peer)
{
    const struct gateway *gateway = session->worker->gateway;
    for (size_t i = 0; i < gateway->node_count; i++) {
        struct net_address address;
        if (slice_is_text(session->facts.calling, gateway->nodes[i].conf->ae_title) &&
            node_address_get(&gateway->nodes[i], &address)) {
            address.port = peer->address.port;
            if (net_address_equal(&address, &peer->address) && !net_address_is_loopback(&address))
                return gateway->nodes[i].conf->id;
        }
    }
    return 0;
}

static void facts_fill(struct session *session, const struct ul_parameters *request)
{
    const struct transport_peer *peer = leg_peer(session->leg);
    struct session_facts *facts = &session->facts;
    facts->request = request;
    facts->called = ul_title_read(request->called);
    facts->calling = ul_title_read(request->calling);
    text_copy(session->called, sizeof session->called, facts->called);
    text_copy(session->calling, sizeof session->calling, facts->calling);
    net_address_format(&peer->address, facts->address, sizeof facts->address);
    if (peer->has_certificate) {
        facts->fingerprint = slice_of(peer->fingerprint, sizeof peer->fingerprint);
        facts->subject = slice_of_text(peer->subject_dn);
    }
    facts->source_node = source_node(session, peer);
}

// ENGINE 3: when room runs short, a client that wants to store is better told at once than by A700 for each
// instance later: many scanners give up a job on that.
static bool wants_store(const struct ul_parameters *request)
{
    for (size_t i = 0; i < request->context_count; i++)
        if (negotiation_is_storage(request->contexts[i].abstract))
            return true;
    return false;
}

static struct slice default_domain(const struct session *session)
{
    const struct configuration_domain *domain =
        configuration_default_domain(session->access.client, session->facts.route);
    return domain != NULL ? slice_of_text(domain->name) : slice_of(NULL, 0);
}

static void on_request(void *arg, const struct ul_parameters *request)
{
    struct session *session = arg;
    MAGIC_CHECK(session, SESSION_MAGIC);
    struct worker *worker = session->worker;
    struct gateway *gateway = worker->gateway;
    silence_over(session);
    facts_fill(session, request);
    peers_note(gateway->peers, leg_peer(session->leg), ev_wall_now(worker->loop) / NSEC_PER_SEC);
    struct ul_reject busy = {UL_REJECT_TRANSIENT, UL_REJECT_BY_PRESENTATION,
                             UL_REJECT_PRESENTATION_LOCAL_LIMIT};
    session->access = access_decide(atomic_load(&gateway->access), session->facts.called,
                                    session->facts.calling, leg_peer(session->leg));
    if (!session->access.is_allowed) {
        refuse(session, session->access.reject, session->access.event);
        return;
    }
    struct leg_timeouts timeouts = timeouts_get(worker, session->access.client);
    leg_timeouts_set(session->leg, &timeouts);
    if (worker->is_stopping) {
        refuse(session, busy, LOG_FRONT_STOPPING);
        return;
    }
    if (!journal_stream_welcomes(worker->stream) && wants_store(request)) {
        busy.reason = UL_REJECT_PRESENTATION_CONGESTION;
        refuse(session, busy, LOG_FRONT_NO_SPACE);
        return;
    }
    if (!limits_pass(session)) {
        refuse(session, busy, LOG_FRONT_LIMIT);
        return;
    }
    session->facts.quirks = session->access.quirks;
    session->facts.route =
        configuration_phase_route(gateway->configuration->start_phase, session->called, session->calling);
    session->facts.domain = default_domain(session);
    session->asking.session = session;
    session->asking.worker = worker;
    session->asking.done = answer;
    session->asking.negotiation = (struct negotiation){.request = request,
                                                       .route = session->facts.route,
                                                       .services = session->access.services,
                                                       .capabilities = gateway->capabilities,
                                                       .max_pdu = max_pdu(session),
                                                       .window = gateway_limits(gateway)->window,
                                                       .now = ev_wall_now(worker->loop)};
    if (asking_begin(&session->asking))
        answer(session);
}

// ---- messages ----

static size_t open_count(const struct session *session)
{
    return session->unfinished.count + session->finished.count;
}

// PROTOCOL 83: a request more than the window allows is not carried out before another one is answered.
// Without a window that keeps the order of the responses too.
static void window_update(struct session *session)
{
    bool is_over = open_count(session) > session->window;
    if (session->leg == NULL || is_over == session->is_over_window)
        return;
    session->is_over_window = is_over;
    if (is_over)
        leg_hold(session->leg);
    else
        session_flow_update(session);
}

// Sends what responses are ready, as far as there is room; the rest follows on_sent.
static void responses_send(struct session *session)
{
    while (session->leg != NULL && !list_is_empty(&session->finished)) {
        struct intake *intake = CONTAINER_OF(list_first(&session->finished), struct intake, session_node);
        struct dimse_command response;
        dimse_store_response(&response, &intake->request, intake->status, slice_of_text(intake->comment),
                             slice_of(intake->offending, intake->offending_length));
        enum result result = leg_send_command(session->leg, intake->context_id, &response);
        if (result == AGAIN)
            break;
        list_remove(&session->finished, &intake->session_node);
        session->instances += intake->is_accepted && result == OK;
        intake_free(intake);
        if (result != OK) {
            leg_abort(session->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
            return;
        }
    }
    window_update(session);
    if (session->release_asked && session->leg != NULL && open_count(session) == 0)
        leg_release_response(session->leg);
}

void session_store_begun(struct session *session, struct intake *intake)
{
    list_append(&session->unfinished, &intake->session_node);
}

void session_store_done(struct session *session, struct intake *intake)
{
    MAGIC_CHECK(session, SESSION_MAGIC);
    if (session->receiving == intake)
        session->receiving = NULL;
    list_remove(&session->unfinished, &intake->session_node);
    list_append(&session->finished, &intake->session_node);
    responses_send(session);
}

static void respond(struct session *session, uint8_t context_id, const struct dimse_command *request,
                    uint16_t status)
{
    struct dimse_command response;
    dimse_response(&response, request, status);
    if (leg_send_command(session->leg, context_id, &response) != OK)
        leg_abort(session->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
}

static void on_store(struct session *session, uint8_t context_id, const struct dimse_command *command)
{
    if (intake_new(session, context_id, command, &session->receiving) == OK)
        window_update(session);
    else
        leg_abort(session->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_NOT_SPECIFIED);
}

static bool is_verification(struct session *session, uint8_t context_id)
{
    struct slice abstract;
    struct slice transfer;
    return session_context(session, context_id, &abstract, &transfer) &&
           slice_is_text(abstract, DIMSE_VERIFICATION);
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct session *session = arg;
    MAGIC_CHECK(session, SESSION_MAGIC);
    session->is_discarding_data = false;
    session->receiving = NULL;
    bool is_store_context = !is_verification(session, context_id);
    if (command->command_field == DIMSE_C_STORE_RQ && is_store_context) {
        on_store(session, context_id, command);
        return;
    }
    session->is_discarding_data = dimse_command_has_data_set(command);
    if (command->command_field == DIMSE_C_ECHO_RQ) {
        respond(session, context_id, command, DIMSE_SUCCESS);
        return;
    }
    if (command->command_field == DIMSE_C_CANCEL_RQ)
        return; // for an operation that is over or was never known (PROTOCOL 84)
    log_event(LOG_FRONT_UNSUPPORTED, log_number(session->facts.number), log_text(session->calling),
              log_text(dimse_command_name(command->command_field)));
    if (dimse_command_is_response(command)) {
        // Nothing of ours is outstanding: PROTOCOL 81.
        leg_abort(session->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_UNEXPECTED_PARAMETER);
        return;
    }
    respond(session, context_id, command, DIMSE_UNRECOGNISED_OPERATION);
}

static void on_data(void *arg, struct slice piece)
{
    struct session *session = arg;
    if (session->receiving != NULL)
        intake_data(session->receiving, piece);
    session_flow_update(session); // a large instance must not outrun the disk (ENGINE 3)
}

static void on_data_end(void *arg)
{
    struct session *session = arg;
    struct intake *intake = session->receiving;
    session->receiving = NULL;
    if (intake != NULL)
        intake_end(intake);
    session_flow_update(session);
}

static void on_release(void *arg)
{
    struct session *session = arg;
    MAGIC_CHECK(session, SESSION_MAGIC);
    session->release_asked = true;
    responses_send(session);
}

static void on_sent(void *arg)
{
    struct session *session = arg;
    MAGIC_CHECK(session, SESSION_MAGIC);
    responses_send(session);
}

static const struct leg_handler session_handler = {
    .on_request = on_request,
    .on_command = on_command,
    .on_data = on_data,
    .on_data_end = on_data_end,
    .on_release = on_release,
    .on_sent = on_sent,
    .on_end = on_end,
};

static enum result session_make(struct worker *worker, const struct configuration_listener *listener,
                                struct transport **transport, struct session **out)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        transport_free(transport);
        return ERR_NOMEM;
    }
    MAGIC_INIT(session, SESSION_MAGIC);
    session->worker = worker;
    session->address = transport_peer(*transport)->address;
    session->facts.number = atomic_fetch_add(&association_counter, 1) + 1;
    session->facts.listener = listener;
    list_init(&session->unfinished);
    list_init(&session->finished);
    worker->legs.limits.association_pdu = gateway_limits(worker->gateway)->max_associate_bytes;
    struct leg_timeouts timeouts = timeouts_get(worker, NULL);
    enum result result =
        leg_accept(&worker->legs, &timeouts, transport, &session_handler, session, &session->leg);
    if (result != OK) {
        free(session);
        return result;
    }
    session->is_silent = true;
    list_append(&worker->sessions, &session->node);
    *out = session;
    return OK;
}

enum result session_new(struct worker *worker, const struct configuration_listener *listener,
                        struct transport **transport)
{
    struct census *census = worker->gateway->census;
    struct net_address address = transport_peer(*transport)->address;
    struct session *session;
    enum result result = is_full(worker) ? ERR_LIMIT : census_knock(census, &address);
    if (result != OK) {
        char text[NET_ADDRESS_TEXT_MAX];
        log_event(LOG_FRONT_SILENT, log_text(net_address_format(&address, text, sizeof text)));
        transport_free(transport);
        return result;
    }
    result = session_make(worker, listener, transport, &session);
    if (result != OK)
        census_knock_over(census, &address);
    return result;
}
