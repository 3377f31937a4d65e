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

enum { CLIENT_WINDOW_MAX = 8 };

// One C-STORE that is not answered yet.
struct operation {
    bool is_open;
    uint32_t instance;
    uint32_t attempt;
    uint8_t context_id;
    uint16_t message_id;
    uint8_t *bytes;
    size_t length, sent;
};

struct client {
    struct history *history;
    unsigned index;
    struct ev_loop *loop;
    struct ev_timer pause;
    struct ev_timer patience;
    struct peer *peer;
    unsigned window; // operations that it may have open on this association
    struct operation operations[CLIENT_WINDOW_MAX];
    struct operation *sending; // whose data set is not sent whole; NULL: the next one may begin
    uint16_t message_id;
    unsigned left;      // instances of this association
    size_t gives_up_at; // bytes of `sending` after which it breaks off; SIZE_MAX: it does not
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
    if (history_chance(history, 1, 2)) // PS3.7 D.3.3.3; 0: without limit
        ul_parameters_set_asynchronous_window(request,
                                              (uint16_t)history_below(history, CLIENT_WINDOW_MAX + 1), 1);
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

static void next(struct client *client);

static void send_more(struct client *client)
{
    struct history *history = client->history;
    struct operation *operation = client->sending;
    while (operation != NULL && operation->sent < operation->length && peer_has_room(client->peer)) {
        if (operation->sent >= client->gives_up_at) {
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
        struct slice part = slice_first(
            slice_of(operation->bytes + operation->sent, operation->length - operation->sent), size);
        bool is_last = operation->sent + part.length == operation->length;
        if (!peer_send_data(client->peer, operation->context_id, is_last, part))
            return;
        operation->sent += part.length;
        if (!is_last)
            continue;
        history->attempts[operation->attempt].whole = history_now(history);
        client->sending = NULL;
        next(client);
        return;
    }
}

static bool context_find(struct client *client, unsigned sop_class, uint8_t *context_id, bool *is_implicit)
{
    struct slice abstract;
    struct slice transfer;
    *context_id = (uint8_t)(2 * sop_class + 1);
    if (!ul_association_context(peer_association(client->peer), *context_id, &abstract, &transfer))
        return false;
    *is_implicit = slice_is_text(transfer, IMPLICIT_LE);
    return true;
}

static void operation_end(struct operation *operation)
{
    free(operation->bytes);
    *operation = (struct operation){0};
}

static void attempt_begin(struct client *client, struct operation *operation, struct instance *instance,
                          bool is_implicit)
{
    struct history *history = client->history;
    if (instance->attempts > 0 && history_chance(history, 1, 2))
        instance->variant++; // a technologist has corrected something
    operation->is_open = true;
    operation->bytes = dataset_make(history, instance, instance->variant, is_implicit, &operation->length);
    operation->instance = (uint32_t)(instance - history->instances);
    operation->attempt = history_attempt_add(history, operation->instance, is_implicit, operation->length,
                                             dataset_hash(operation->bytes, operation->length));
    if (history->hospital != NULL)
        ensure(
            dataset_read(operation->bytes, operation->length, &history->attempts[operation->attempt].facts));
    instance->state = INSTANCE_SENDING;
    bool gives_up = !history->is_healed && history_chance(history, 1, 25);
    client->gives_up_at = gives_up ? (size_t)history_below(history, operation->length) : SIZE_MAX;
    client->sending = operation;
    operation->message_id = ++client->message_id;
    struct dimse_command command;
    dimse_store_request(&command, operation->message_id, slice_of_text(dataset_class(instance->sop_class)),
                        slice_of_text(instance->uid), (uint16_t)history_below(history, 3), NULL);
    if (peer_send_command(client->peer, operation->context_id, &command))
        send_more(client);
}

static struct operation *operation_free_find(struct client *client)
{
    for (unsigned i = 0; i < client->window; i++)
        if (!client->operations[i].is_open)
            return &client->operations[i];
    return NULL;
}

static bool is_all_answered(const struct client *client)
{
    for (unsigned i = 0; i < CLIENT_WINDOW_MAX; i++)
        if (client->operations[i].is_open)
            return false;
    return true;
}

static void next(struct client *client)
{
    uint64_t wait;
    bool is_implicit;
    struct operation *operation = operation_free_find(client);
    if (client->sending != NULL || operation == NULL)
        return;
    struct instance *instance = client->left > 0 ? instance_next(client, &wait) : NULL;
    patience(client);
    if (instance == NULL ||
        !context_find(client, instance->sop_class, &operation->context_id, &is_implicit)) {
        if (is_all_answered(client))
            peer_release(client->peer);
        return;
    }
    client->left--;
    attempt_begin(client, operation, instance, is_implicit);
}

static void on_open(void *arg)
{
    struct client *client = arg;
    const struct ul_parameters *answer = ul_association_peer(peer_association(client->peer));
    client->window = answer->has_asynchronous_window ? answer->operations_invoked : 1;
    if (client->window > CLIENT_WINDOW_MAX || client->window == 0)
        client->window = CLIENT_WINDOW_MAX;
    next(client);
}

static void on_room(void *arg)
{
    struct client *client = arg;
    patience(client);
    send_more(client);
}

// ---- the answer ----

static void acknowledged(struct client *client, struct instance *instance)
{
    struct history *history = client->history;
    history->acks++;
    if (instance->is_bad)
        history_fail(history, "instance %u was acknowledged although its UIDs differ",
                     (unsigned)(instance - history->instances));
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
        history_fail(history, "instance %u was refused with %04X", (unsigned)(instance - history->instances),
                     status);
    instance->state = INSTANCE_DUE;
    instance->due = history_now(history) + NSEC_PER_SEC + history_below(history, 5 * NSEC_PER_SEC);
}

static struct operation *operation_find(struct client *client, uint8_t context_id, uint16_t message_id)
{
    for (unsigned i = 0; i < CLIENT_WINDOW_MAX; i++) {
        struct operation *operation = &client->operations[i];
        if (operation->is_open && operation->context_id == context_id && operation->message_id == message_id)
            return operation;
    }
    return NULL;
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct client *client = arg;
    struct history *history = client->history;
    struct operation *operation = operation_find(client, context_id, command->message_id_responded_to);
    if (operation == NULL || command->command_field != DIMSE_C_STORE_RSP) {
        history_fail(history, "client %u got %s that answers nothing", client->index,
                     dimse_command_name(command->command_field));
        return;
    }
    struct attempt *attempt = &history->attempts[operation->attempt];
    struct instance *instance = &history->instances[operation->instance];
    bool is_whole = operation != client->sending;
    attempt->is_answered = true;
    attempt->status = command->status;
    attempt->answered = history_now(history);
    sim_world_note(history->world, operation->attempt * UINT64_C(65536) + command->status);
    // Warnings come from archives only.
    bool may_warn = history->plan.acknowledge != CONFIGURATION_ACKNOWLEDGE_DURABLE;
    if (command->status == DIMSE_SUCCESS || (command->status == DIMSE_COERCION && may_warn)) {
        if (!is_whole)
            history_fail(history, "instance %u was acknowledged before its last fragment",
                         operation->instance);
        acknowledged(client, instance);
    } else {
        refused(client, instance, command->status);
    }
    if (!is_whole) {
        client->sending = NULL;
        operation->is_open = false; // its bytes may still be on their way
        peer_abort(client->peer);
        return;
    }
    operation_end(operation);
    next(client);
}

static void on_end(void *arg, bool is_released)
{
    struct client *client = arg;
    struct history *history = client->history;
    (void)is_released;
    for (unsigned i = 0; i < CLIENT_WINDOW_MAX; i++) {
        struct operation *operation = &client->operations[i];
        if (operation->is_open) {
            struct instance *instance = &history->instances[operation->instance];
            bool tries_again = history->is_healed || history_chance(history, 5, 6);
            instance->state = tries_again ? INSTANCE_DUE : INSTANCE_ABANDONED;
            instance->due = history_now(history) + history_below(history, 3 * NSEC_PER_SEC);
        }
        operation->is_open = false;
    }
    client->sending = NULL;
    ev_timer_stop(&client->patience);
    peer_free(&client->peer);
    for (unsigned i = 0; i < CLIENT_WINDOW_MAX; i++)
        operation_end(&client->operations[i]);
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
    for (unsigned i = 0; i < CLIENT_WINDOW_MAX; i++)
        if (client->operations[i].is_open)
            client->history->attempts[client->operations[i].attempt].was_cut_off = true;
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
    for (unsigned i = 0; i < CLIENT_WINDOW_MAX; i++)
        operation_end(&client->operations[i]);
    ev_timer_fini(&client->pause);
    ev_timer_fini(&client->patience);
    ev_loop_free(&client->loop);
    free(client);
}
