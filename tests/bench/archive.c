// SPDX-License-Identifier: Apache-2.0
//
// An archive that takes everything, keeps nothing, and can check every byte against what its UID promises
// (instance.h). Its figures lie in a file. Runs until SIGTERM. Prints the port on its first line.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "ev/real.h"
#include "figures.h"
#include "instance.h"
#include "leg/leg.h"
#include "net/listen.h"
#include "security.h"

enum { MAX_PDU = 256 * 1024, WINDOW_MAX = 256 };

struct archive {
    struct ev_loop *loop;
    struct leg_environment environment;
    struct security security;
    struct figures *figures;
    uint64_t delay_ns;
    uint16_t window; // operations that a peer may have outstanding
    bool verify;
    uint64_t patients; // of what is sent (instance.h)
    bool is_mapped;    // their IDs have been changed on the way
};

// A request that has come in whole and is answered later.
struct pending {
    uint8_t context_id;
    uint16_t message_id;
    uint64_t due;
    char uid[INSTANCE_UID_MAX + 1];
};

struct association {
    struct archive *archive;
    struct leg *leg;
    struct ev_garbage garbage;
    struct ev_timer timer;
    struct pending now; // being received
    uint64_t bytes;
    bool is_store;
    struct pending waiting[WINDOW_MAX]; // ring
    size_t first, count;
    struct instance_check check;
};

static void destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct association, garbage));
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct association *association = arg;
    (void)end;
    leg_free(&association->leg);
    ev_timer_fini(&association->timer);
    ev_loop_discard(association->archive->loop, &association->garbage, destroy);
}

static void on_request(void *arg, const struct ul_parameters *request)
{
    struct association *association = arg;
    struct archive *archive = association->archive;
    struct ul_parameters *answer;
    ensure(ul_parameters_new_answer(request, &answer) == OK);
    ul_parameters_set_maximum_length(answer, MAX_PDU);
    if (request->has_asynchronous_window) {
        uint16_t invoked = request->operations_invoked;
        bool too_many = invoked == 0 || invoked > archive->window;
        ul_parameters_set_asynchronous_window(answer, too_many ? archive->window : invoked, 1);
    }
    for (size_t i = 0; i < request->context_count; i++) {
        const struct ul_context *context = &request->contexts[i];
        ensure(ul_parameters_add_accepted(answer, context->id, context->transfer[0]) == OK);
    }
    archive->figures->associations++;
    if (leg_answer(association->leg, &answer) != OK)
        ul_parameters_free(answer);
}

static void respond(struct association *association, const struct pending *pending)
{
    struct dimse_command request, response;
    dimse_command_init(&request, association->is_store ? DIMSE_C_STORE_RQ : DIMSE_C_ECHO_RQ);
    dimse_command_set_number(&request, DIMSE_MESSAGE_ID, pending->message_id);
    dimse_command_set_text(&request, DIMSE_AFFECTED_SOP_CLASS_UID,
                           slice_of_text(association->is_store ? INSTANCE_CLASS : "1.2.840.10008.1.1"));
    if (association->is_store)
        dimse_command_set_text(&request, DIMSE_AFFECTED_SOP_INSTANCE_UID, slice_of_text(pending->uid));
    dimse_response(&response, &request, DIMSE_SUCCESS);
    if (leg_send_command(association->leg, pending->context_id, &response) != OK)
        leg_abort(association->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
}

static void stored(struct association *association, const struct pending *pending)
{
    struct figures *figures = association->archive->figures;
    figures->last_ns = figures_now();
    figures->instances++;
    respond(association, pending);
}

static void on_timer(void *arg)
{
    struct association *association = arg;
    uint64_t now = ev_now(association->archive->loop);
    while (association->count > 0 && association->waiting[association->first].due <= now) {
        struct pending pending = association->waiting[association->first];
        association->first = (association->first + 1) % WINDOW_MAX;
        association->count--;
        stored(association, &pending);
        if (association->leg == NULL)
            return;
    }
    if (association->count > 0)
        ev_timer_start_at(&association->timer, association->waiting[association->first].due);
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct association *association = arg;
    association->now = (struct pending){.context_id = context_id, .message_id = command->message_id};
    association->is_store = command->command_field == DIMSE_C_STORE_RQ;
    association->bytes = 0;
    if (!association->is_store) {
        respond(association, &association->now);
        return;
    }
    struct slice uid = slice_first(command->affected_sop_instance_uid, INSTANCE_UID_MAX);
    memcpy(association->now.uid, uid.data, uid.length);
    association->check.patients = association->archive->patients;
    association->check.is_mapped = association->archive->is_mapped;
    instance_check_begin(&association->check);
}

static void on_data(void *arg, struct slice piece)
{
    struct association *association = arg;
    association->bytes += piece.length;
    if (association->archive->verify)
        instance_check_data(&association->check, piece);
}

static void on_data_end(void *arg)
{
    struct association *association = arg;
    struct archive *archive = association->archive;
    archive->figures->bytes += association->bytes;
    if (archive->verify && !instance_check_end(&association->check, slice_of_text(association->now.uid)))
        archive->figures->wrong++;
    if (archive->delay_ns == 0) {
        stored(association, &association->now);
        return;
    }
    if (association->count == WINDOW_MAX) {
        leg_abort(association->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
        return;
    }
    association->now.due = ev_now_update(archive->loop) + archive->delay_ns;
    association->waiting[(association->first + association->count++) % WINDOW_MAX] = association->now;
    if (association->count == 1)
        ev_timer_start_at(&association->timer, association->now.due);
}

static void on_release(void *arg)
{
    struct association *association = arg;
    leg_release_response(association->leg);
}

static const struct leg_handler handler = {.on_request = on_request,
                                           .on_command = on_command,
                                           .on_data = on_data,
                                           .on_data_end = on_data_end,
                                           .on_release = on_release,
                                           .on_end = on_end};

static void no_event(void *arg, unsigned events)
{
    (void)arg, (void)events;
}

static void on_accept(void *arg, int fd, const struct net_address *peer)
{
    static const struct leg_timeouts timeouts = {30 * NSEC_PER_SEC, 30 * NSEC_PER_SEC, 30 * NSEC_PER_SEC, 0,
                                                 300 * NSEC_PER_SEC};
    struct archive *archive = arg;
    struct transport *transport;
    enum result result;
    if (archive->security.context != NULL)
        result = tls_transport_new(archive->loop, fd, peer, archive->security.context, NULL, no_event, NULL,
                                   &transport);
    else
        result = plain_transport_new(archive->loop, fd, peer, NULL, no_event, NULL, &transport);
    if (result != OK)
        return;
    struct association *association = calloc(1, sizeof *association);
    ensure(association != NULL);
    association->archive = archive;
    ev_timer_init(&association->timer, archive->loop, on_timer, association);
    ensure(leg_accept(&archive->environment, &timeouts, &transport, &handler, association,
                      &association->leg) == OK);
}

static void usage(void)
{
    fputs("bench_archive --figures FILE [--verify] [--delay MS] [--window N] [--patients N] [--mapped]\n"
          "              [--ca PEM --certificate PEM --key PEM]\n",
          stderr);
    exit(2);
}

static void options_read(int count, char **words, struct archive *archive)
{
    static const struct option options[] = {
        {"figures", required_argument, NULL, 'f'}, {"verify", no_argument, NULL, 'v'},
        {"delay", required_argument, NULL, 'd'},   {"window", required_argument, NULL, 'w'},
        {"ca", required_argument, NULL, 'a'},      {"certificate", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},     {"patients", required_argument, NULL, 'p'},
        {"mapped", no_argument, NULL, 'm'},        {0}};
    int option;
    while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
        switch (option) {
        case 'f':
            archive->figures = figures_map(optarg);
            break;
        case 'v':
            archive->verify = true;
            break;
        case 'd':
            archive->delay_ns = strtoull(optarg, NULL, 10) * NSEC_PER_MS;
            break;
        case 'w':
            archive->window = (uint16_t)strtoul(optarg, NULL, 10);
            break;
        case 'p':
            archive->patients = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            archive->is_mapped = true;
            break;
        case 'a':
            archive->security.ca = optarg;
            break;
        case 'c':
            archive->security.certificate = optarg;
            break;
        case 'k':
            archive->security.key = optarg;
            break;
        default:
            usage();
        }
    }
    if (archive->figures == NULL || archive->window == 0 || archive->window > WINDOW_MAX)
        usage();
}

int main(int count, char **words)
{
    static struct archive archive = {.window = 1};
    struct net_address address;
    struct net_listener *listener;
    struct ul_limits limits = {0};
    options_read(count, words, &archive);
    security_open(&archive.security, TLS_SERVER);
    ensure(net_address_parse_host("127.0.0.1", 0, &address) == OK);
    if (ev_real_new("archive", &archive.loop) != OK ||
        leg_environment_init(&archive.environment, archive.loop, &limits) != OK ||
        net_listener_new(archive.loop, &address, 0, on_accept, &archive, &listener) != OK) {
        fputs("bench_archive: can not listen\n", stderr);
        return 2;
    }
    printf("%u\n", net_listener_address(listener)->port);
    fflush(stdout);
    ev_loop_run(archive.loop);
    return 0;
}
