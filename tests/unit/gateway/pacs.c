// SPDX-License-Identifier: Apache-2.0
#include "pacs.h"

#include "base/check.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "ul/parameters.h"

static void on_request(void *arg, const struct ul_parameters *request)
{
    struct pacs_association *association = arg;
    struct pacs *pacs = association->pacs;
    struct ul_parameters *answer;
    if (pacs->stranger != NULL && slice_is_text(ul_title_read(request->calling), pacs->stranger)) {
        pacs->rejected++;
        leg_refuse(association->leg,
                   (struct ul_reject){UL_REJECT_PERMANENT, UL_REJECT_BY_USER, UL_REJECT_USER_CALLING_TITLE});
        return;
    }
    ensure(ul_parameters_new_answer(request, &answer) == OK);
    ul_parameters_set_maximum_length(answer, 16384);
    for (size_t i = 0; i < request->context_count; i++) {
        const struct ul_context *context = &request->contexts[i];
        enum result result;
        size_t chosen = 0;
        while (pacs->refused != NULL && chosen < context->transfer_count &&
               slice_is_text(context->transfer[chosen], pacs->refused))
            chosen++;
        if (pacs->refuses_all)
            result = ul_parameters_add_refused(answer, context->id, UL_CONTEXT_ABSTRACT_SYNTAX);
        else if (chosen == context->transfer_count)
            result = ul_parameters_add_refused(answer, context->id, UL_CONTEXT_TRANSFER_SYNTAXES);
        else
            result = ul_parameters_add_accepted(answer, context->id, context->transfer[chosen]);
        ensure(result == OK);
    }
    if (pacs->window != 0 && request->has_asynchronous_window)
        ul_parameters_set_asynchronous_window(
            answer, pacs->window < 0 ? request->operations_invoked : (uint16_t)pacs->window, 1);
    if (pacs->likes_roles) {
        for (size_t i = 0; i < request->role_count; i++)
            ensure(ul_parameters_add_role(answer, request->roles[i].sop_class, true, true) == OK);
        for (size_t i = 0; i < request->extended_count; i++)
            ensure(ul_parameters_add_extended(answer, request->extended[i].sop_class, slice_of_text("yes")) ==
                   OK);
        pacs->saw_identity = request->has_user_identity;
    }
    pacs->accepted++;
    ensure(leg_answer(association->leg, &answer) == OK);
}

static void respond(struct pacs_association *association)
{
    struct dimse_command response;
    dimse_response(&response, &association->request, association->pacs->status);
    if (association->pacs->manner == PACS_WRONG_ID)
        response.message_id_responded_to ^= 0x100;
    static const uint8_t patient_id[] = {0x10, 0x00, 0x20, 0x00};
    if (association->pacs->comment != NULL)
        dimse_response_explain(&response, slice_of_text(association->pacs->comment),
                               slice_of(patient_id, sizeof patient_id));
    (void)!leg_send_command(association->leg, association->context_id, &response);
}

static void reverse(struct pacs_association *association)
{
    struct pacs *pacs = association->pacs;
    association->held[association->held_count++] = association->request.message_id;
    if (association->held_count > pacs->open_most)
        pacs->open_most = association->held_count;
    if (association->held_count < pacs->batch)
        return;
    while (association->held_count > 0) {
        struct dimse_command request;
        struct dimse_command response;
        dimse_store_request(&request, association->held[--association->held_count], slice_of_text("1.2"),
                            slice_of_text("1.2.3"), 0, NULL);
        dimse_response(&response, &request, pacs->status);
        ensure(leg_send_command(association->leg, association->context_id, &response) == OK);
    }
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct pacs_association *association = arg;
    struct pacs *pacs = association->pacs;
    association->context_id = context_id;
    association->request = *command;
    if (command->command_field != DIMSE_C_STORE_RQ) {
        pacs->echoes++;
        if (!pacs->deaf_to_echo)
            respond(association);
        return;
    }
    pacs->stores++;
    association->is_killing =
        pacs->kills != NULL && slice_is_text(command->affected_sop_instance_uid, pacs->kills);
    association->is_silent =
        pacs->silent_for != NULL &&
        slice_is_text(slice_first(command->affected_sop_instance_uid, strlen(pacs->silent_for)),
                      pacs->silent_for);
    byte_queue_fini(&pacs->data);
    if (pacs->manner == PACS_ANSWERS_EARLY || pacs->manner == PACS_ANSWERS_DEAF)
        respond(association);
    association->is_deaf = pacs->manner == PACS_ANSWERS_DEAF;
    if (association->is_deaf)
        leg_pause(association->leg);
}

static void on_data(void *arg, struct slice piece)
{
    struct pacs_association *association = arg;
    ensure(byte_queue_append(&association->pacs->data, piece) == OK);
}

static void on_data_end(void *arg)
{
    struct pacs_association *association = arg;
    struct pacs *pacs = association->pacs;
    struct slice whole = byte_queue_peek(&pacs->data);
    pacs->complete++;
    pacs->resent += slice_is_equal(whole, byte_queue_peek(&pacs->stored));
    byte_queue_fini(&pacs->stored);
    ensure(byte_queue_append(&pacs->stored, whole) == OK);
    byte_queue_fini(&pacs->data);
    if (pacs->manner == PACS_ABORTS || association->is_killing) {
        leg_abort(association->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
        return;
    }
    if (association->is_silent)
        return;
    if (pacs->manner == PACS_REVERSES)
        reverse(association);
    if (pacs->manner == PACS_RELEASES)
        leg_release(association->leg);
    if (pacs->manner == PACS_ANSWERS || pacs->manner == PACS_WRONG_ID)
        respond(association);
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct pacs_association *association = arg;
    (void)end;
    leg_free(&association->leg);
}

static const struct leg_handler handler = {.on_request = on_request,
                                           .on_command = on_command,
                                           .on_data = on_data,
                                           .on_data_end = on_data_end,
                                           .on_end = on_end};

static void on_accept(void *arg, struct transport *transport)
{
    struct pacs *pacs = arg;
    struct leg_timeouts timeouts = {NSEC_PER_SEC, NSEC_PER_SEC, NSEC_PER_SEC, 0, 3600 * NSEC_PER_SEC};
    size_t at = 0;
    while (at < PACS_ASSOCIATIONS && pacs->associations[at].leg != NULL && !pacs->associations[at].is_deaf)
        at++;
    ensure(at < PACS_ASSOCIATIONS);
    leg_free(&pacs->associations[at].leg); // a deaf one has been left long ago
    struct pacs_association *association = &pacs->associations[at];
    *association = (struct pacs_association){.pacs = pacs};
    ensure(leg_accept(&pacs->environment, &timeouts, &transport, &handler, association, &association->leg) ==
           OK);
}

void pacs_init(struct pacs *pacs, struct rig *rig, unsigned index)
{
    *pacs = (struct pacs){
        .rig = rig, .address = {.family = NET_IPV4, .port = 104, .bytes = {10, 0, 0, (uint8_t)(5 + index)}}};
    byte_queue_init(&pacs->data, GIB);
    byte_queue_init(&pacs->stored, GIB);
    ensure(leg_environment_init(&pacs->environment, rig->client_loop, &(struct ul_limits){0}) == OK);
    ensure(memory_network_listen(rig->network, &pacs->address, rig->client_loop, on_accept, pacs) == OK);
}

void pacs_fini(struct pacs *pacs)
{
    memory_network_unlisten(pacs->rig->network, &pacs->address);
    for (size_t i = 0; i < PACS_ASSOCIATIONS; i++)
        leg_free(&pacs->associations[i].leg);
    leg_environment_fini(&pacs->environment);
    byte_queue_fini(&pacs->data);
    byte_queue_fini(&pacs->stored);
}
