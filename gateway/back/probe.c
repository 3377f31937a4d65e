// SPDX-License-Identifier: Apache-2.0
#include "back/probe.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include <stdlib.h>

#define PROBE_MAGIC 0x50524f31u

struct probe {
    uint32_t magic;
    struct worker *worker;
    struct probe_question question;
    probe_done_fn *done;
    void *arg;
    struct leg *leg;
    struct ev_timer deadline;
    bool is_proposal; // this association asks the proposal
    size_t asked;     // pairs of finished associations
    size_t batch;     // pairs of this one
    struct ev_garbage garbage;
};

static void probe_destroy(struct ev_garbage *garbage)
{
    struct probe *probe = CONTAINER_OF(garbage, struct probe, garbage);
    ul_parameters_free(probe->question.proposal);
    MAGIC_CLEAR(probe);
    free(probe);
}

static void probe_discard(struct probe *probe)
{
    leg_free(&probe->leg);
    ev_timer_fini(&probe->deadline);
    ev_loop_discard(probe->worker->loop, &probe->garbage, probe_destroy);
}

void probe_cancel(struct probe **owned)
{
    struct probe *probe = *owned;
    *owned = NULL;
    if (probe == NULL)
        return;
    MAGIC_CHECK(probe, PROBE_MAGIC);
    probe_discard(probe);
}

static void probe_finish(struct probe *probe, enum result result, const char *text)
{
    probe_done_fn *done = probe->done;
    void *arg = probe->arg;
    probe_discard(probe);
    done(arg, result, text);
}

static void on_deadline(void *arg)
{
    struct probe *probe = arg;
    MAGIC_CHECK(probe, PROBE_MAGIC);
    probe_finish(probe, ERR_TIMEOUT, "the archive did not answer in time");
}

static void learn_pair(struct probe *probe, struct slice abstract, struct slice transfer, uint8_t result)
{
    struct capability_cache *cache = probe->worker->gateway->capabilities;
    uint16_t node = probe->question.node->conf->id;
    uint64_t now = ev_wall_now(probe->worker->loop);
    if (probe->question.is_for_client)
        capability_put_for(cache, probe->question.client, node, abstract, transfer, result, now);
    else
        capability_put(cache, node, abstract, transfer, result, now);
}

static void learn(struct probe *probe)
{
    for (size_t i = 0; i < probe->batch; i++) {
        const struct negotiation_pair *pair = &probe->question.pairs[probe->asked + i];
        learn_pair(probe, pair->abstract, pair->transfer,
                   leg_context_result(probe->leg, (uint8_t)(2 * i + 1)));
    }
}

// A context that was accepted says nothing of the syntaxes that were not chosen.
static void learn_proposal(struct probe *probe)
{
    const struct ul_association *association = leg_association(probe->leg);
    const struct ul_parameters *proposal = ul_association_own(association);
    const struct ul_parameters *ac = ul_association_peer(association);
    for (size_t i = 0; i < proposal->context_count; i++) {
        const struct ul_context *context = &proposal->contexts[i];
        struct slice abstract;
        struct slice transfer;
        uint8_t result = leg_context_result(probe->leg, context->id);
        if (ul_parameters_agreed(proposal, ac, context->id, &abstract, &transfer)) {
            learn_pair(probe, abstract, transfer, 0);
            continue;
        }
        for (size_t t = 0; t < context->transfer_count; t++)
            learn_pair(probe, context->abstract, context->transfer[t], result);
    }
    probe->question.pair_count = probe->question.on_answer(probe->arg, proposal, ac, &probe->question.pairs);
}

static void on_open(void *arg)
{
    struct probe *probe = arg;
    MAGIC_CHECK(probe, PROBE_MAGIC);
    if (probe->is_proposal) {
        learn_proposal(probe);
        leg_release(probe->leg);
        return;
    }
    if (probe->question.pair_count > 0) {
        learn(probe);
        leg_release(probe->leg);
        return;
    }
    struct dimse_command echo;
    dimse_echo_request(&echo, 1);
    if (leg_send_command(probe->leg, 1, &echo) != OK)
        probe_finish(probe, ERR_REFUSED, "the archive does not accept Verification");
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct probe *probe = arg;
    MAGIC_CHECK(probe, PROBE_MAGIC);
    (void)context_id;
    if (command->command_field != DIMSE_C_ECHO_RSP || command->message_id_responded_to != 1) {
        probe_finish(probe, ERR_FORMAT, "the archive answered the C-ECHO with something else");
        return;
    }
    if (command->status != DIMSE_SUCCESS) {
        char text[64];
        text_format(text, sizeof text, "the archive answered the C-ECHO with status %04X", command->status);
        probe_finish(probe, ERR_REFUSED, text);
        return;
    }
    leg_release(probe->leg);
}

static enum result probe_connect(struct probe *probe);

static void on_end(void *arg, const struct leg_end *end)
{
    struct probe *probe = arg;
    MAGIC_CHECK(probe, PROBE_MAGIC);
    char text[160];
    leg_end_text(end, text, sizeof text);
    if (end->cause == LEG_TRANSPORT_ENDED)
        transport_reason_log(end->transport, leg_peer(probe->leg));
    leg_free(&probe->leg);
    if (end->cause == LEG_REJECTED && probe->question.reject != NULL)
        *probe->question.reject = end->reject;
    if (end->cause != LEG_RELEASED && end->cause != LEG_RELEASE_TIMEOUT) {
        probe_finish(probe, end->cause == LEG_REJECTED ? ERR_REFUSED : ERR_IO, text);
        return;
    }
    probe->asked += probe->is_proposal ? 0 : probe->batch;
    probe->is_proposal = false;
    if (probe->asked >= probe->question.pair_count)
        probe_finish(probe, OK, "the archive answered");
    else if (probe_connect(probe) != OK)
        probe_finish(probe, ERR_IO, "no connection could be made");
}

static const struct leg_handler probe_handler = {
    .on_open = on_open,
    .on_command = on_command,
    .on_end = on_end,
};

static enum result contexts_add(struct probe *probe, struct ul_parameters *request)
{
    if (probe->question.pair_count == 0) {
        enum result result = ul_parameters_add_context(request, 1, 0, slice_of_text(DIMSE_VERIFICATION));
        return result != OK ? result
                            : ul_parameters_add_transfer_syntax(request, slice_of_text("1.2.840.10008.1.2"));
    }
    size_t left = probe->question.pair_count - probe->asked;
    probe->batch = left < UL_CONTEXT_LIMIT ? left : UL_CONTEXT_LIMIT;
    for (size_t i = 0; i < probe->batch; i++) {
        const struct negotiation_pair *pair = &probe->question.pairs[probe->asked + i];
        enum result result = ul_parameters_add_context(request, (uint8_t)(2 * i + 1), 0, pair->abstract);
        if (result == OK)
            result = ul_parameters_add_transfer_syntax(request, pair->transfer);
        if (result != OK)
            return result;
    }
    return OK;
}

static enum result pairs_request(struct probe *probe, struct ul_parameters **out)
{
    enum result result = negotiation_request(probe->question.called, probe->question.calling,
                                             probe->worker->gateway->configuration->gateway.max_pdu, out);
    if (result != OK)
        return result;
    result = contexts_add(probe, *out);
    if (result != OK)
        ul_parameters_free(*out);
    return result;
}

static enum result probe_connect(struct probe *probe)
{
    struct worker *worker = probe->worker;
    const struct configuration_node *conf = probe->question.node->conf;
    struct net_address address;
    if (!node_address_get(probe->question.node, &address))
        return ERR_MISSING;
    struct ul_parameters *request = probe->question.proposal;
    probe->question.proposal = NULL;
    probe->is_proposal = request != NULL;
    if (request == NULL) {
        enum result result = pairs_request(probe, &request);
        if (result != OK)
            return result;
    }
    struct leg_timeouts timeouts = {conf->connect_ns, conf->tls_ns, conf->release_ns, 0, conf->stall_ns};
    return leg_connect(&worker->legs, &timeouts, probe->question.node->dialer, &address, &request,
                       &probe_handler, probe, &probe->leg);
}

enum result probe_start(struct worker *worker, const struct probe_question *question, probe_done_fn *done,
                        void *arg, struct probe **out)
{
    struct probe *probe = calloc(1, sizeof *probe);
    if (probe == NULL) {
        ul_parameters_free(question->proposal);
        return ERR_NOMEM;
    }
    MAGIC_INIT(probe, PROBE_MAGIC);
    probe->worker = worker;
    probe->question = *question;
    probe->done = done;
    probe->arg = arg;
    ev_timer_init(&probe->deadline, worker->loop, on_deadline, probe);
    enum result result = probe_connect(probe);
    if (result != OK) {
        ev_timer_fini(&probe->deadline);
        ul_parameters_free(probe->question.proposal);
        free(probe);
        return result;
    }
    ev_timer_start(&probe->deadline, PROBE_DEADLINE_NS);
    *out = probe;
    return OK;
}
