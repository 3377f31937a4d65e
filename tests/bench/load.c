// SPDX-License-Identifier: Apache-2.0
//
// The associations of the load generator: each sends one instance after the other, as many at a time as the
// asynchronous window allows (PS3.7 D.3.3.3), and measures until the response.
#include "load.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/text.h"
#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"

enum { MAX_PDU = 128 * 1024, CONTEXT = 1 };

struct outstanding {
    uint16_t message_id; // 0: free
    uint64_t started;
};

struct load_association {
    struct load *load;
    struct leg *leg;
    struct tls_dialer tls;
    uint16_t message_id;
    uint16_t window; // granted
    struct outstanding outstanding[LOAD_WINDOW_MAX];
    size_t outstanding_count;
    uint64_t sent_here; // instances begun on this association
    // the instance that is being queued
    bool is_sending;
    bool has_started; // its first association has opened
    const struct load_file *file;
    struct instance_header header;
    uint64_t length, queued;
};

static void association_open(struct load_association *association);
static void send_more(struct load_association *association);

static bool is_last(const struct load *load)
{
    if (load->total != 0)
        return load->begun >= load->total;
    return load->started_ns != 0 && figures_now() - load->started_ns >= load->seconds * NSEC_PER_SEC;
}

static bool may_begin(const struct load_association *association)
{
    const struct load *load = association->load;
    return !association->is_sending && association->outstanding_count < association->window &&
           !is_last(load) && (load->per_association == 0 || association->sent_here < load->per_association);
}

static bool is_finished(const struct load_association *association)
{
    const struct load *load = association->load;
    return !association->is_sending && association->outstanding_count == 0 &&
           (is_last(load) || (load->per_association != 0 && association->sent_here >= load->per_association));
}

// ---- sending ----

static struct slice next_piece(const struct load_association *association)
{
    const struct load *load = association->load;
    size_t most = leg_max_fragment(association->leg);
    if (association->file != NULL)
        return slice_first(slice_from(association->file->bytes, (size_t)association->queued), most);
    if (association->queued < association->header.length)
        return slice_first(slice_from(slice_of(association->header.bytes, association->header.length),
                                      (size_t)association->queued),
                           most);
    return instance_pixels(&load->kind, association->queued - association->header.length, most & ~(size_t)1);
}

// Queues what the leg has room for. False: the leg is full, on_sent comes.
static bool queue_pieces(struct load_association *association)
{
    while (association->queued < association->length) {
        struct slice piece = next_piece(association);
        bool last = association->queued + piece.length == association->length;
        enum result result = leg_send(association->leg, CONTEXT, false, last, piece);
        if (result == AGAIN)
            return false;
        ensure(result == OK);
        association->queued += piece.length;
    }
    association->is_sending = false;
    association->load->bytes += association->length;
    return true;
}

static void outstanding_add(struct load_association *association)
{
    struct outstanding *slot = association->outstanding;
    while (slot->message_id != 0)
        slot++;
    *slot = (struct outstanding){association->message_id, figures_now()};
    association->outstanding_count++;
}

static bool instance_begin(struct load_association *association)
{
    struct load *load = association->load;
    struct slice sop_class = slice_of_text(INSTANCE_CLASS);
    // The header of the one before may still wait to be written.
    if (!leg_is_drained(association->leg))
        return false;
    if (load->file_count > 0) {
        association->file = &load->files[load->begun % load->file_count];
        sop_class = slice_of_text(association->file->sop_class);
        association->length = association->file->bytes.length;
        text_copy(association->header.uid, sizeof association->header.uid,
                  slice_of_text(association->file->uid));
    } else {
        instance_header_make(&load->kind, (uint32_t)load->begun, &association->header);
        association->length = association->header.length + instance_pixel_length(&load->kind);
    }
    load->begun++;
    association->sent_here++;
    association->queued = 0;
    association->message_id = (uint16_t)(association->message_id % UINT16_MAX + 1);
    association->is_sending = true;
    struct dimse_command command;
    dimse_store_request(&command, association->message_id, sop_class, slice_of_text(association->header.uid),
                        0, NULL);
    ensure(leg_send_command(association->leg, CONTEXT, &command) == OK);
    outstanding_add(association);
    return true;
}

static void send_more(struct load_association *association)
{
    if (association->leg == NULL || !leg_is_open(association->leg))
        return;
    if (association->is_sending)
        (void)queue_pieces(association);
    while (may_begin(association) && instance_begin(association) && queue_pieces(association))
        leg_flush(association->leg);
    if (is_finished(association) && !(association->load->hold && is_last(association->load)))
        leg_release(association->leg);
    if (is_finished(association) && association->load->hold)
        load_over(association->load);
}

static void on_sent(void *arg)
{
    send_more(arg);
}

// ---- receiving ----

static void fail(struct load *load, const char *problem)
{
    load->failed++;
    if (load->problem[0] == 0)
        text_copy(load->problem, sizeof load->problem, slice_of_text(problem));
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct load_association *association = arg;
    struct load *load = association->load;
    (void)context_id;
    for (size_t i = 0; i < association->window; i++) {
        struct outstanding *slot = &association->outstanding[i];
        if (slot->message_id == 0 || slot->message_id != command->message_id_responded_to)
            continue;
        load->ended_ns = figures_now();
        times_add(&load->times, load->ended_ns - slot->started);
        slot->message_id = 0;
        association->outstanding_count--;
        if (command->status == DIMSE_SUCCESS)
            load->answered++;
        else
            fail(load, dimse_status_name(DIMSE_C_STORE_RSP, command->status));
        send_more(association);
        return;
    }
    fail(load, "a response to no request");
}

// ---- associations ----

static void start_together(struct load *load)
{
    load->started_ns = figures_now();
}

static void on_open(void *arg)
{
    struct load_association *association = arg;
    struct load *load = association->load;
    const struct ul_parameters *answer = ul_association_peer(leg_association(association->leg));
    association->window = 1;
    if (answer->has_asynchronous_window && load->window > 1)
        association->window = answer->operations_invoked == 0 || answer->operations_invoked > load->window
                                  ? load->window
                                  : answer->operations_invoked;
    load->opened++;
    load->resumed += leg_peer(association->leg)->is_resumed;
    if (leg_context_result(association->leg, CONTEXT) != UL_CONTEXT_ACCEPTED) {
        fail(load, "presentation context not accepted");
        leg_release(association->leg);
        return;
    }
    if (!association->has_started) {
        association->has_started = true;
        if (--load->opening == 0)
            start_together(load);
    }
    send_more(association);
}

static void association_gone(struct load_association *association)
{
    struct load *load = association->load;
    if (!association->has_started) {
        association->has_started = true;
        if (--load->opening == 0)
            start_together(load);
    }
    if (load->problem[0] == 0 && !is_last(load)) {
        association_open(association);
        return;
    }
    if (--load->live == 0)
        load_over(load);
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct load_association *association = arg;
    char text[200];
    if (end->cause != LEG_RELEASED) {
        leg_end_text(end, text, sizeof text);
        fail(association->load, text);
    }
    leg_free(&association->leg);
    association_gone(association);
}

static const struct leg_handler handler = {
    .on_open = on_open, .on_command = on_command, .on_sent = on_sent, .on_end = on_end};

static struct ul_parameters *request_make(const struct load *load)
{
    struct ul_parameters *request;
    const struct load_file *file = load->file_count > 0 ? &load->files[0] : NULL;
    ensure(ul_parameters_new(&request) == OK);
    ensure(ul_title_write(request->called, slice_of_text(load->called)) == OK);
    ensure(ul_title_write(request->calling, slice_of_text(load->calling)) == OK);
    ensure(ul_parameters_set_application_context(request, slice_of_text(UL_APPLICATION_CONTEXT)) == OK);
    ensure(ul_parameters_set_implementation(request, slice_of_text("1.2.826.0.1.3680043.10.1112.1"),
                                            slice_of_text("BENCH")) == OK);
    ul_parameters_set_maximum_length(request, MAX_PDU);
    if (load->window > 1)
        ul_parameters_set_asynchronous_window(request, load->window, 1);
    ensure(ul_parameters_add_context(request, CONTEXT, 0,
                                     slice_of_text(file != NULL ? file->sop_class : INSTANCE_CLASS)) == OK);
    ensure(ul_parameters_add_transfer_syntax(
               request, slice_of_text(file != NULL ? file->transfer_syntax : INSTANCE_TRANSFER_SYNTAX)) ==
           OK);
    return request;
}

static void association_open(struct load_association *association)
{
    static const struct leg_timeouts timeouts = {30 * NSEC_PER_SEC, 30 * NSEC_PER_SEC, 30 * NSEC_PER_SEC, 0,
                                                 300 * NSEC_PER_SEC};
    struct load *load = association->load;
    struct ul_parameters *request = request_make(load);
    const struct net_dialer *dialer =
        load->security.context != NULL ? &association->tls.dialer : &load->plain.dialer;
    association->sent_here = 0;
    association->is_sending = false;
    association->outstanding_count = 0;
    memset(association->outstanding, 0, sizeof association->outstanding);
    ensure(leg_connect(&load->environment, &timeouts, dialer, &load->target, &request, &handler, association,
                       &association->leg) == OK);
}

void load_begin(struct load *load)
{
    plain_dialer_init(&load->plain, NULL);
    load->opening = load->live = load->association_count;
    for (size_t i = 0; i < load->association_count; i++) {
        struct load_association *association = calloc(1, sizeof *association);
        ensure(association != NULL);
        association->load = load;
        struct tls_client_options options = {.context = load->security.context};
        // Each has a session of its own, as each modality has.
        if (options.context != NULL && load->resume)
            ensure(tls_session_slot_new(&options.slot) == OK);
        tls_dialer_init(&association->tls, &options);
        association_open(association);
    }
}
