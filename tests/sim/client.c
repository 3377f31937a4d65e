// SPDX-License-Identifier: Apache-2.0
#include "client.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "machine.h"
#include "peer.h"

#define EXPLICIT_LE "1.2.840.10008.1.2.1"
#define IMPLICIT_LE "1.2.840.10008.1.2"

enum { PATIENCE = 180 }; // seconds that it waits for anything

struct client {
    struct history *history;
    unsigned index;
    struct ev_loop *loop;
    struct ev_timer pause;
    struct ev_timer patience;
    struct peer *peer;
    bool is_sending;   // a C-STORE is not answered yet
    uint32_t instance; // being sent
    uint32_t attempt;
    uint8_t context_id;
    uint16_t message_id;
    unsigned left; // instances of this association
    uint8_t *bytes;
    size_t length, sent;
    size_t gives_up_at; // bytes after which it breaks off; SIZE_MAX: it does not
};

static const struct peer_handler client_handler;

static void later(struct client *client, uint64_t most)
{
    ev_timer_start(&client->pause, 1 + history_below(client->history, most));
}

static void patience(struct client *client)
{
    ev_timer_start(&client->patience, PATIENCE * NSEC_PER_SEC);
}

static struct instance *instance_next(struct client *client, uint64_t *wait)
{
    struct history *history = client->history;
    *wait = UINT64_MAX;
    for (size_t i = 0; i < history->instance_count; i++) {
        struct instance *instance = &history->instances[i];
        if (instance->client != client->index || instance->state != INSTANCE_DUE)
            continue;
        if (instance->due <= history_now(history))
            return instance;
        if (instance->due - history_now(history) < *wait)
            *wait = instance->due - history_now(history);
    }
    return NULL;
}

// ---- an association ----

static void on_pause(void *arg)
{
    struct client *client = arg;
    struct history *history = client->history;
    uint64_t wait;
    struct net_address address;
    if (client->peer != NULL)
        return;
    if (instance_next(client, &wait) == NULL) {
        if (wait != UINT64_MAX)
            ev_timer_start(&client->pause, wait);
        return;
    }
    struct ul_parameters *request;
    ensure(ul_parameters_new(&request) == OK);
    char title[17];
    (void)text_format(title, sizeof title, "CT%u", client->index);
    ensure(ul_title_write(request->called, slice_of_text("OLDPACS")) == OK);
    ensure(ul_title_write(request->calling, slice_of_text(title)) == OK);
    ensure(ul_parameters_set_application_context(request, slice_of_text(UL_APPLICATION_CONTEXT)) == OK);
    ensure(ul_parameters_set_implementation(request, slice_of_text("1.2.3.4"), slice_of_text("SIM")) == OK);
    ul_parameters_set_maximum_length(request, 16384);
    for (unsigned i = 0; i < DATASET_CLASSES; i++) {
        ensure(ul_parameters_add_context(request, (uint8_t)(2 * i + 1), 0, slice_of_text(dataset_class(i))) ==
               OK);
        ensure(ul_parameters_add_transfer_syntax(request, slice_of_text(EXPLICIT_LE)) == OK);
        ensure(ul_parameters_add_transfer_syntax(request, slice_of_text(IMPLICIT_LE)) == OK);
    }
    machine_address(history->machine, &address);
    client->left = 1 + (unsigned)history_below(history, 12);
    client->peer = peer_connect(client->loop, memory_network_dialer(history->network), &address, request,
                                &client_handler, client);
    patience(client);
}

static void on_patience(void *arg)
{
    struct client *client = arg;
    if (client->peer != NULL)
        peer_reset(client->peer);
}

static void send_more(struct client *client)
{
    struct history *history = client->history;
    while (client->bytes != NULL && client->sent < client->length && peer_has_room(client->peer)) {
        if (client->sent >= client->gives_up_at) {
            if (history_chance(history, 1, 2))
                peer_abort(client->peer);
            else
                peer_reset(client->peer);
            return;
        }
        size_t most = peer_max_fragment(client->peer);
        if (most > history->plan.fragment_max)
            most = history->plan.fragment_max;
        size_t size = 2 + (size_t)history_below(history, most / 2) * 2;
        struct slice part =
            slice_first(slice_of(client->bytes + client->sent, client->length - client->sent), size);
        bool is_last = client->sent + part.length == client->length;
        if (!peer_send_data(client->peer, client->context_id, is_last, part))
            return;
        client->sent += part.length;
        if (is_last)
            history->attempts[client->attempt].whole = history_now(history);
    }
}

static bool context_find(struct client *client, unsigned sop_class, bool *is_implicit)
{
    struct slice abstract;
    struct slice transfer;
    client->context_id = (uint8_t)(2 * sop_class + 1);
    if (!ul_association_context(peer_association(client->peer), client->context_id, &abstract, &transfer))
        return false;
    *is_implicit = slice_is_text(transfer, IMPLICIT_LE);
    return true;
}

static void attempt_begin(struct client *client, struct instance *instance, bool is_implicit)
{
    struct history *history = client->history;
    free(client->bytes);
    if (instance->attempts > 0 && history_chance(history, 1, 2))
        instance->variant++; // a technologist has corrected something
    client->bytes = dataset_make(history, instance, instance->variant, is_implicit, &client->length);
    client->sent = 0;
    client->instance = (uint32_t)(instance - history->instances);
    client->attempt = history_attempt_add(history, client->instance, is_implicit, client->length,
                                          dataset_hash(client->bytes, client->length));
    instance->state = INSTANCE_SENDING;
    bool gives_up = !history->is_healed && history_chance(history, 1, 25);
    client->gives_up_at = gives_up ? (size_t)history_below(history, client->length) : SIZE_MAX;
    client->is_sending = true;
    client->message_id++;
    struct dimse_command command;
    dimse_store_request(&command, client->message_id, slice_of_text(dataset_class(instance->sop_class)),
                        slice_of_text(instance->uid), (uint16_t)history_below(history, 3), NULL);
    if (peer_send_command(client->peer, client->context_id, &command))
        send_more(client);
}

static void next(struct client *client)
{
    uint64_t wait;
    bool is_implicit;
    struct instance *instance = client->left > 0 ? instance_next(client, &wait) : NULL;
    patience(client);
    if (instance == NULL || !context_find(client, instance->sop_class, &is_implicit)) {
        peer_release(client->peer);
        return;
    }
    client->left--;
    attempt_begin(client, instance, is_implicit);
}

static void on_open(void *arg)
{
    next(arg);
}

static void on_room(void *arg)
{
    struct client *client = arg;
    patience(client);
    if (client->is_sending)
        send_more(client);
}

// ---- the answer ----

static void acknowledged(struct client *client, struct instance *instance)
{
    struct history *history = client->history;
    history->acks++;
    if (instance->is_bad)
        history_fail(history, "instance %u was acknowledged although its UIDs differ", client->instance);
    instance->state = INSTANCE_DONE;
    if (instance->again == 0)
        return;
    instance->again--;
    instance->state = INSTANCE_DUE;
    instance->due = history_now(history) + history_below(history, 10 * NSEC_PER_SEC);
}

static void refused(struct client *client, struct instance *instance, uint16_t status)
{
    struct history *history = client->history;
    if (instance->is_bad && (status == DIMSE_CLASS_MISMATCH || status == DIMSE_NOT_AUTHORISED)) {
        instance->state = INSTANCE_REFUSED;
        return;
    }
    bool is_relayed = history->plan.acknowledge != CONFIGURATION_ACKNOWLEDGE_DURABLE &&
                      (status == DIMSE_CANNOT_UNDERSTAND || status == DIMSE_PROCESSING_FAILURE);
    if ((status & 0xFF00) != DIMSE_OUT_OF_RESOURCES && !is_relayed)
        history_fail(history, "instance %u was refused with %04X", client->instance, status);
    instance->state = INSTANCE_DUE;
    instance->due = history_now(history) + NSEC_PER_SEC + history_below(history, 5 * NSEC_PER_SEC);
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct client *client = arg;
    struct history *history = client->history;
    if (!client->is_sending || command->command_field != DIMSE_C_STORE_RSP ||
        context_id != client->context_id || command->message_id_responded_to != client->message_id) {
        history_fail(history, "client %u got %s that answers nothing", client->index,
                     dimse_command_name(command->command_field));
        return;
    }
    struct attempt *attempt = &history->attempts[client->attempt];
    struct instance *instance = &history->instances[client->instance];
    bool is_whole = client->sent == client->length;
    client->is_sending = false;
    attempt->is_answered = true;
    attempt->status = command->status;
    attempt->answered = history_now(history);
    sim_world_note(history->world, client->attempt * UINT64_C(65536) + command->status);
    // Warnings come from archives only.
    bool may_warn = history->plan.acknowledge != CONFIGURATION_ACKNOWLEDGE_DURABLE;
    if (command->status == DIMSE_SUCCESS || (command->status == DIMSE_COERCION && may_warn)) {
        if (!is_whole)
            history_fail(history, "instance %u was acknowledged before its last fragment", client->instance);
        acknowledged(client, instance);
    } else {
        refused(client, instance, command->status);
    }
    if (is_whole)
        next(client);
    else
        peer_abort(client->peer);
}

static void on_end(void *arg, bool is_released)
{
    struct client *client = arg;
    struct history *history = client->history;
    (void)is_released;
    if (client->is_sending) {
        struct instance *instance = &history->instances[client->instance];
        bool tries_again = history->is_healed || history_chance(history, 5, 6);
        instance->state = tries_again ? INSTANCE_DUE : INSTANCE_ABANDONED;
        instance->due = history_now(history) + history_below(history, 3 * NSEC_PER_SEC);
    }
    client->is_sending = false;
    ev_timer_stop(&client->patience);
    peer_free(&client->peer);
    later(client, history->is_healed ? NSEC_PER_SEC : 2 * NSEC_PER_SEC);
}

static void on_request(void *arg, const struct ul_parameters *request)
{
    (void)arg, (void)request;
}

static void on_data(void *arg, struct slice piece)
{
    (void)arg, (void)piece;
}

static void nothing(void *arg)
{
    (void)arg;
}

static const struct peer_handler client_handler = {
    .on_request = on_request,
    .on_open = on_open,
    .on_command = on_command,
    .on_data = on_data,
    .on_data_end = nothing,
    .on_room = on_room,
    .on_release = nothing,
    .on_end = on_end,
};

void client_away(struct client *client, unsigned ways)
{
    if (client->peer == NULL)
        return;
    peer_stall_far(client->peer, (ways & 1) != 0);
    peer_stall(client->peer, (ways & 2) != 0);
}

struct client *client_new(struct history *history, unsigned index)
{
    struct client *client = calloc(1, sizeof *client);
    ensure(client != NULL);
    client->history = history;
    client->index = index;
    client->loop = sim_loop_new(history->world, "client");
    struct net_address source = {.family = NET_IPV4, .bytes = {10, 0, 2, (uint8_t)(index + 1)}};
    memory_network_set_source(history->network, client->loop, &source);
    ev_timer_init(&client->pause, client->loop, on_pause, client);
    ev_timer_init(&client->patience, client->loop, on_patience, client);
    later(client, NSEC_PER_SEC);
    return client;
}

void client_free(struct client **owned)
{
    struct client *client = *owned;
    *owned = NULL;
    if (client == NULL)
        return;
    peer_free(&client->peer);
    free(client->bytes);
    ev_timer_fini(&client->pause);
    ev_timer_fini(&client->patience);
    ev_loop_free(&client->loop);
    free(client);
}
