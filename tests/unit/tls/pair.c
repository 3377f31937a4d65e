// SPDX-License-Identifier: Apache-2.0
#include "pair.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "certificates.h"

static void on_ready(void *arg, unsigned events)
{
    struct side *side = arg;
    side->events |= events;
    if (events & TRANSPORT_OPEN && !side->passive)
        transport_want(side->transport, TRANSPORT_READABLE);
    while (events & TRANSPORT_READABLE && !side->passive && side->got < sizeof side->bytes) {
        size_t got = 0;
        side->last =
            transport_read(side->transport, side->bytes + side->got, sizeof side->bytes - side->got, &got);
        if (side->last != OK)
            break;
        side->got += got;
    }
}

static void on_accept(void *arg, int fd, const struct net_address *peer)
{
    struct pair *pair = arg;
    struct transport **out = &pair->server.transport;
    transport_free(out);
    pair->server_fd = fd;
    if (pair->server_context != NULL)
        ensure(tls_transport_new(pair->loop, fd, peer, pair->server_context, NULL, on_ready, &pair->server,
                                 out) == OK);
    else
        ensure(plain_transport_new(pair->loop, fd, peer, NULL, on_ready, &pair->server, out) == OK);
}

void pair_begin(struct pair *pair)
{
    memset(pair, 0, sizeof *pair);
    struct net_address address;
    ensure(net_address_parse("127.0.0.1:0", &address) == OK);
    ensure(ev_real_new("test", &pair->loop) == OK);
    ensure(net_listener_new(pair->loop, &address, 0, on_accept, pair, &pair->listener) == OK);
}

void pair_end(struct pair *pair)
{
    pair_clear(pair);
    net_listener_free(&pair->listener);
    ev_loop_free(&pair->loop);
}

void pair_clear(struct pair *pair)
{
    transport_free(&pair->client.transport);
    transport_free(&pair->server.transport);
    ev_loop_turn(pair->loop, 0);
    memset(&pair->client, 0, sizeof pair->client);
    memset(&pair->server, 0, sizeof pair->server);
}

void pair_listen(struct pair *pair, struct tls_context *server_context)
{
    pair->server_context = server_context;
}

void pair_connect(struct pair *pair, const struct tls_client_options *options)
{
    const struct net_address *address = net_listener_address(pair->listener);
    if (options != NULL)
        ensure(tls_transport_connect(pair->loop, address, options, on_ready, &pair->client,
                                     &pair->client.transport) == OK);
    else
        ensure(plain_transport_connect(pair->loop, address, NULL, on_ready, &pair->client,
                                       &pair->client.transport) == OK);
}

void pair_turn(struct pair *pair, unsigned turns)
{
    for (unsigned i = 0; i < turns; i++)
        ev_loop_turn(pair->loop, 5 * NSEC_PER_MS);
}

void pair_turn_until(struct pair *pair, const struct side *side, unsigned events)
{
    for (int i = 0; i < 400 && !(side->events & events) && side->last >= 0; i++)
        ev_loop_turn(pair->loop, 20 * NSEC_PER_MS);
}

void pair_open(struct pair *pair, const struct tls_client_options *options)
{
    pair_connect(pair, options);
    pair_turn_until(pair, &pair->client, TRANSPORT_OPEN | TRANSPORT_BROKEN);
    pair_turn_until(pair, &pair->server, TRANSPORT_OPEN | TRANSPORT_BROKEN);
    if (pair->client.events & TRANSPORT_BROKEN)
        fprintf(stderr, "client: %s\n", transport_reason_text(transport_reason(pair->client.transport)));
    if (pair->server.events & TRANSPORT_BROKEN)
        fprintf(stderr, "server: %s\n", transport_reason_text(transport_reason(pair->server.transport)));
    ensure(pair->client.events & TRANSPORT_OPEN && pair->server.events & TRANSPORT_OPEN);
}

void pair_send(struct side *side, const char *text)
{
    struct slice slice = slice_of_text(text);
    size_t written = 0;
    ensure(transport_writev(side->transport, &slice, 1, &written) == OK && written == slice.length);
}

struct tls_context *context_new(enum tls_role role, const char *file, const char *ca,
                                struct tls_tickets *tickets)
{
    struct tls_context *context = NULL;
    char error[TLS_ERROR_MAX], name[3][100];
    struct tls_options options = {.role = role, .tickets = tickets, .verify = TLS_VERIFY_NONE};
    if (ca != NULL) {
        text_format(name[0], sizeof name[0], "%s.pem", ca);
        options.ca_file = certificates_path(name[0]);
        options.verify = TLS_VERIFY_REQUIRED;
    }
    if (file != NULL) {
        text_format(name[1], sizeof name[1], "%s.pem", file);
        text_format(name[2], sizeof name[2], "%s.key", file);
        options.pairs[0] = (struct tls_key_pair){.certificate = certificates_path(name[1]),
                                                 .key = certificates_path(name[2])};
        options.pair_count = 1;
    }
    if (tls_context_new(&options, error, &context) != OK) {
        fprintf(stderr, "%s\n", error);
        unreachable_state();
    }
    return context;
}
