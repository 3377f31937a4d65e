// SPDX-License-Identifier: Apache-2.0
#include "archive.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "peer.h"

#define EXPLICIT_LE "1.2.840.10008.1.2.1"
#define NO_COPY     UINT32_MAX

struct archive_sim {
    struct history *history;
    unsigned index;
    struct ev_loop *loop;
    enum archive_fault fault;
    uint16_t status;
    unsigned window; // operations that it grants where it is asked
    struct list visits;
    bool is_listening;
};

// One C-STORE that is not answered.
struct operation {
    struct list_node node;
    struct dimse_command request;
    char sop_class[HISTORY_UID_MAX + 1];
    char sop_instance[HISTORY_UID_MAX + 1];
    uint8_t context_id;
    bool is_complete; // its answer may be given
    uint16_t status;
    uint32_t copy; // NO_COPY
};

struct given_answer {
    uint64_t at;
    uint32_t copy;
};

// One association with it.
struct visit {
    struct list_node node;
    struct archive_sim *archive;
    struct peer *peer;
    unsigned window;              // operations that it has granted
    struct list operations;       // not answered, the last may be under way
    struct ev_timer answer_timer; // for answers that take their time
    struct byte_queue bytes;      // of the data set under way
    uint64_t accepted;
    size_t commands;              // C-STORE-RQ so far
    struct given_answer *answers; // to them, in the order of sending
    size_t answer_count, answer_capacity;
    size_t confirmed; // of these, seen by the gateway
    size_t ends_at;   // bytes of data set after which it breaks off; SIZE_MAX: it does not
};

const char *archive_fault_name(enum archive_fault fault)
{
    static const char *const names[ARCHIVE_FAULTS] = {"well",          "down",   "blackhole", "mute",
                                                      "refusing",      "status", "halfway",   "never reads",
                                                      "never answers", "slow",   "warns",     "picky"};
    return names[fault];
}

static void address_of(unsigned index, struct net_address *address)
{
    *address =
        (struct net_address){.family = NET_IPV4, .port = 104, .bytes = {10, 0, 1, (uint8_t)(index + 1)}};
}

static struct operation *operation_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct operation, node);
}

static void visit_free(struct visit *visit)
{
    list_remove(&visit->archive->visits, &visit->node);
    peer_free(&visit->peer);
    ev_timer_fini(&visit->answer_timer);
    byte_queue_fini(&visit->bytes);
    for (struct list_node *node = list_take_first(&visit->operations); node != NULL;
         node = list_take_first(&visit->operations))
        free(operation_of(node));
    free(visit->answers);
    free(visit);
}

// ---- storing ----

// Which attempt these bytes are; history_fail() if nobody has sent them.
static bool is_of(const struct history *history, const struct attempt *attempt, const struct copy *copy,
                  size_t length)
{
    if (history->hospital == NULL)
        return attempt->length == length && attempt->hash == copy->hash;
    return attempt->facts.core_length == copy->facts.core_length &&
           attempt->facts.core_hash == copy->facts.core_hash;
}

static uint32_t attempt_find(struct visit *visit, const char *sop_instance, struct copy *copy)
{
    struct history *history = visit->archive->history;
    struct slice bytes = byte_queue_peek(&visit->bytes);
    copy->hash = dataset_hash(bytes.data, bytes.length);
    if (history->hospital != NULL && !dataset_read(bytes.data, bytes.length, &copy->facts))
        history_fail(history, "archive %u got a data set that can not be followed", visit->archive->index);
    for (size_t i = 0; i < history->attempt_count; i++) {
        const struct attempt *attempt = &history->attempts[i];
        const struct instance *instance = &history->instances[attempt->instance];
        if (!is_of(history, attempt, copy, bytes.length) || strcmp(instance->uid, sop_instance) != 0)
            continue;
        if (instance->is_bad)
            history_fail(history, "archive %u got the bad instance %u", visit->archive->index,
                         attempt->instance);
        return (uint32_t)i;
    }
    history_fail(history, "archive %u got %zu bytes as %s that nobody has sent", visit->archive->index,
                 bytes.length, sop_instance);
    return NO_COPY;
}

// The gateway can not have begun this operation before it saw the answer that made room for it in the window.
static uint64_t begun_after(const struct visit *visit)
{
    size_t seen = visit->commands > visit->window ? visit->commands - visit->window : 0;
    return seen == 0 ? visit->accepted : visit->answers[seen - 1].at;
}

static void store(struct visit *visit, struct operation *operation)
{
    struct history *history = visit->archive->history;
    struct copy copy = {0};
    uint32_t attempt = attempt_find(visit, operation->sop_instance, &copy);
    if (attempt == NO_COPY)
        return;
    operation->copy = history_copy_add(history, attempt, visit->archive->index, begun_after(visit));
    history->copies[operation->copy].hash = copy.hash;
    history->copies[operation->copy].facts = copy.facts;
    history->stores++;
}

static void answer(struct visit *visit, struct operation *operation)
{
    struct history *history = visit->archive->history;
    struct dimse_command response;
    operation->request.affected_sop_class_uid = slice_of_text(operation->sop_class);
    operation->request.affected_sop_instance_uid = slice_of_text(operation->sop_instance);
    dimse_store_response(&response, &operation->request, operation->status, slice_of_text(""),
                         slice_of(NULL, 0));
    bool is_sent = peer_send_command(visit->peer, operation->context_id, &response);
    if (is_sent && operation->copy != NO_COPY)
        history->copies[operation->copy].answered = history_now(history);
    if (visit->answer_count == visit->answer_capacity) {
        visit->answer_capacity = 16 + 2 * visit->answer_capacity;
        visit->answers = realloc(visit->answers, visit->answer_capacity * sizeof *visit->answers);
        ensure(visit->answers != NULL);
    }
    visit->answers[visit->answer_count++] =
        (struct given_answer){.at = history_now(history), .copy = operation->copy};
    list_remove(&visit->operations, &operation->node);
    free(operation);
}

// The so-many-th of those that may be answered; NULL: there are fewer.
static struct operation *complete_find(struct visit *visit, uint64_t number)
{
    LIST_EACH(&visit->operations, node)
    {
        if (operation_of(node)->is_complete && number-- == 0)
            return operation_of(node);
    }
    return NULL;
}

static void answer_later(struct visit *visit)
{
    uint64_t most = visit->archive->fault == ARCHIVE_SLOW ? 8 * NSEC_PER_SEC : 40 * NSEC_PER_MS;
    if (complete_find(visit, 0) != NULL && !ev_timer_is_armed(&visit->answer_timer))
        ev_timer_start(&visit->answer_timer, history_below(visit->archive->history, most));
}

// In any order (PS3.7 D.3.3.3).
static void on_answer_timer(void *arg)
{
    struct visit *visit = arg;
    uint64_t count = 0;
    while (complete_find(visit, count) != NULL)
        count++;
    struct operation *operation = complete_find(visit, history_below(visit->archive->history, count));
    answer(visit, operation);
    answer_later(visit);
}

// Answers are seen in the order in which they were sent; as many as the window demands have been when the
// next operation is there.
static void confirm(struct visit *visit, size_t seen)
{
    for (; visit->confirmed < seen; visit->confirmed++) {
        uint32_t copy = visit->answers[visit->confirmed].copy;
        if (copy == NO_COPY || visit->archive->history->copies[copy].answered == 0)
            continue;
        visit->archive->history->copies[copy].is_confirmed = true;
        visit->archive->history->copies[copy].confirmed = history_now(visit->archive->history);
    }
}

// ---- messages ----

static void uid_keep(char *to, struct slice uid)
{
    size_t length = uid.length < HISTORY_UID_MAX ? uid.length : HISTORY_UID_MAX;
    memcpy(to, uid.data, length);
    to[length] = 0;
}

// PS3.7 9.1.1.1.1 and D.3.3.3: never two with one id, never more than granted.
static void operation_check(struct visit *visit, const struct dimse_command *command)
{
    struct history *history = visit->archive->history;
    if (visit->operations.count >= visit->window)
        history_fail(history, "archive %u has %zu operations open and granted %u", visit->archive->index,
                     visit->operations.count + 1, visit->window);
    LIST_EACH(&visit->operations, node)
    {
        if (operation_of(node)->request.message_id == command->message_id)
            history_fail(history, "archive %u got Message ID %u twice", visit->archive->index,
                         command->message_id);
    }
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct visit *visit = arg;
    struct history *history = visit->archive->history;
    if (command->command_field == DIMSE_C_ECHO_RQ) {
        struct dimse_command response;
        dimse_echo_response(&response, command, DIMSE_SUCCESS);
        (void)peer_send_command(visit->peer, context_id, &response);
        return;
    }
    operation_check(visit, command);
    visit->commands++;
    if (visit->commands > visit->window)
        confirm(visit, visit->commands - visit->window);
    struct operation *operation = calloc(1, sizeof *operation);
    ensure(operation != NULL);
    operation->request = *command;
    operation->context_id = context_id;
    operation->copy = NO_COPY;
    uid_keep(operation->sop_class, command->affected_sop_class_uid);
    uid_keep(operation->sop_instance, command->affected_sop_instance_uid);
    list_append(&visit->operations, &operation->node);
    byte_queue_fini(&visit->bytes);
    byte_queue_init(&visit->bytes, 64 * MIB);
    visit->ends_at = SIZE_MAX;
    if (visit->archive->fault == ARCHIVE_HALFWAY && history_chance(history, 1, 2))
        visit->ends_at = history_chance(history, 1, 3) ? 0 : (size_t)history_below(history, 20000);
    if (visit->archive->fault == ARCHIVE_NEVER_READS)
        peer_reading(visit->peer, false);
}

static void break_off(struct visit *visit)
{
    if (history_chance(visit->archive->history, 1, 2))
        peer_abort(visit->peer);
    else
        peer_reset(visit->peer);
}

static void on_data(void *arg, struct slice piece)
{
    struct visit *visit = arg;
    ensure(byte_queue_append(&visit->bytes, piece) == OK);
    if (visit->bytes.length >= visit->ends_at)
        break_off(visit);
}

// The whole data set is here. False: there will be no answer.
static bool operation_decide(struct visit *visit, struct operation *operation)
{
    struct archive_sim *archive = visit->archive;
    struct history *history = archive->history;
    if (archive->fault == ARCHIVE_STATUS && history_chance(history, 3, 4)) {
        operation->status = archive->status;
        return true;
    }
    if (archive->fault == ARCHIVE_NEVER_ANSWERS) {
        if (history_chance(history, 1, 2))
            store(visit, operation);
        return false;
    }
    store(visit, operation);
    if (archive->fault == ARCHIVE_HALFWAY && history_chance(history, 1, 3)) {
        break_off(visit);
        return false;
    }
    operation->status = archive->fault == ARCHIVE_WARNS ? DIMSE_COERCION : DIMSE_SUCCESS;
    return true;
}

static void on_data_end(void *arg)
{
    struct visit *visit = arg;
    struct operation *operation = operation_of(list_last(&visit->operations));
    if (!peer_is_open(visit->peer))
        return;
    operation->is_complete = operation_decide(visit, operation);
    bool is_late = visit->archive->fault == ARCHIVE_SLOW ||
                   (visit->window > 1 && history_chance(visit->archive->history, 2, 3));
    if (operation->is_complete && is_late)
        answer_later(visit);
    else if (operation->is_complete)
        answer(visit, operation);
}

// ---- associations ----

static void on_request(void *arg, const struct ul_parameters *request)
{
    struct visit *visit = arg;
    struct archive_sim *archive = visit->archive;
    if (archive->fault == ARCHIVE_REFUSING) {
        struct ul_reject reject = {UL_REJECT_TRANSIENT, UL_REJECT_BY_PRESENTATION,
                                   UL_REJECT_PRESENTATION_LOCAL_LIMIT};
        if (history_chance(archive->history, 1, 2))
            reject = (struct ul_reject){UL_REJECT_PERMANENT, UL_REJECT_BY_USER, UL_REJECT_USER_CALLING_TITLE};
        peer_reject(visit->peer, reject);
        return;
    }
    struct ul_parameters *answer;
    ensure(ul_parameters_new_answer(request, &answer) == OK);
    ensure(ul_parameters_set_implementation(answer, slice_of_text("1.2.3.5"), slice_of_text("SIMSCP")) == OK);
    ul_parameters_set_maximum_length(answer, 8192 + (uint32_t)history_below(archive->history, 3) * 16384);
    for (size_t i = 0; i < request->context_count; i++) {
        const struct ul_context *context = &request->contexts[i];
        const struct slice *chosen = NULL;
        for (size_t t = 0; t < context->transfer_count && chosen == NULL; t++)
            if (archive->fault != ARCHIVE_PICKY || !slice_is_text(context->transfer[t], EXPLICIT_LE))
                chosen = &context->transfer[t];
        if (chosen != NULL)
            ensure(ul_parameters_add_accepted(answer, context->id, *chosen) == OK);
        else
            ensure(ul_parameters_add_refused(answer, context->id, UL_CONTEXT_TRANSFER_SYNTAXES) == OK);
    }
    visit->window = 1;
    if (request->has_asynchronous_window && archive->window > 1) {
        visit->window =
            archive->window < request->operations_invoked ? archive->window : request->operations_invoked;
        ul_parameters_set_asynchronous_window(answer, (uint16_t)visit->window, 1);
    }
    peer_answer(visit->peer, answer);
}

static void on_release(void *arg)
{
    struct visit *visit = arg;
    if (!list_is_empty(&visit->operations))
        history_fail(visit->archive->history, "archive %u was released with %zu operations open",
                     visit->archive->index, visit->operations.count);
    confirm(visit, visit->answer_count);
}

static void on_end(void *arg, bool is_released)
{
    (void)is_released;
    visit_free(arg);
}

static void nothing(void *arg)
{
    (void)arg;
}

static const struct peer_handler archive_handler = {
    .on_request = on_request,
    .on_open = nothing,
    .on_command = on_command,
    .on_data = on_data,
    .on_data_end = on_data_end,
    .on_room = nothing,
    .on_release = on_release,
    .on_end = on_end,
};

static void on_accept(void *arg, struct transport *transport)
{
    struct archive_sim *archive = arg;
    struct visit *visit = calloc(1, sizeof *visit);
    ensure(visit != NULL);
    visit->archive = archive;
    visit->accepted = history_now(archive->history);
    visit->window = 1;
    list_init(&visit->operations);
    visit->ends_at = SIZE_MAX;
    byte_queue_init(&visit->bytes, 64 * MIB);
    ev_timer_init(&visit->answer_timer, archive->loop, on_answer_timer, visit);
    visit->peer = peer_accept(archive->loop, transport, &archive_handler, visit);
    list_append(&archive->visits, &visit->node);
}

// ---- faults ----

static void listen_set(struct archive_sim *archive, bool on)
{
    struct net_address address;
    address_of(archive->index, &address);
    if (on && !archive->is_listening)
        ensure(memory_network_listen(archive->history->network, &address, archive->loop, on_accept,
                                     archive) == OK);
    else if (!on && archive->is_listening)
        memory_network_unlisten(archive->history->network, &address);
    archive->is_listening = on;
}

// Nothing gets through, or only what goes to the archive.
static void partition_set(struct archive_sim *archive, bool is_mute, bool on)
{
    struct net_address address;
    address_of(archive->index, &address);
    memory_network_blackhole(archive->history->network, &address, on);
    LIST_EACH(&archive->visits, node)
    {
        struct peer *peer = CONTAINER_OF(node, struct visit, node)->peer;
        if (is_mute)
            peer_stall_far(peer, on);
        else
            peer_stall(peer, on);
    }
}

void archive_sim_crash(struct archive_sim *archive)
{
    sim_loop_kill(archive->loop);
    archive->is_listening = false; // the kill has ended it
    while (!list_is_empty(&archive->visits))
        visit_free(CONTAINER_OF(list_first(&archive->visits), struct visit, node));
    ev_loop_free(&archive->loop);
    archive->loop = sim_loop_new(archive->history->world, "archive");
    if (archive->fault != ARCHIVE_DOWN)
        listen_set(archive, true);
}

void archive_sim_fault(struct archive_sim *archive, enum archive_fault fault, uint16_t status)
{
    if (archive->fault == ARCHIVE_BLACKHOLE || archive->fault == ARCHIVE_MUTE)
        partition_set(archive, archive->fault == ARCHIVE_MUTE, false);
    archive->fault = fault;
    archive->status = status;
    if (fault == ARCHIVE_DOWN)
        archive_sim_crash(archive);
    if (fault == ARCHIVE_BLACKHOLE || fault == ARCHIVE_MUTE)
        partition_set(archive, fault == ARCHIVE_MUTE, true);
    LIST_EACH(&archive->visits, node)
    {
        bool reads = fault != ARCHIVE_NEVER_READS || history_chance(archive->history, 1, 2);
        peer_reading(CONTAINER_OF(node, struct visit, node)->peer, reads);
    }
    listen_set(archive, fault != ARCHIVE_DOWN);
}

struct archive_sim *archive_sim_new(struct history *history, unsigned index)
{
    struct archive_sim *archive = calloc(1, sizeof *archive);
    ensure(archive != NULL);
    archive->history = history;
    archive->index = index;
    archive->window = history->plan.granted[index];
    archive->loop = sim_loop_new(history->world, "archive");
    list_init(&archive->visits);
    listen_set(archive, true);
    return archive;
}

void archive_sim_free(struct archive_sim **owned)
{
    struct archive_sim *archive = *owned;
    *owned = NULL;
    if (archive == NULL)
        return;
    while (!list_is_empty(&archive->visits))
        visit_free(CONTAINER_OF(list_first(&archive->visits), struct visit, node));
    listen_set(archive, false);
    ev_loop_free(&archive->loop);
    free(archive);
}
