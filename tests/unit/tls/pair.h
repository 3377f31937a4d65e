// SPDX-License-Identifier: Apache-2.0
//
// A TLS client and server of ours on one real loop over the loopback, for tests.
#pragma once

#include "ev/real.h"
#include "net/listen.h"
#include "tls/transport.h"

struct side {
    struct transport *transport;
    unsigned events;  // all seen so far
    enum result last; // of the last read
    size_t got;
    uint8_t bytes[256];
    bool passive; // reads nothing by itself
};

struct pair {
    struct ev_loop *loop;
    struct net_listener *listener;
    struct tls_context *server_context; // NULL: the server is plain
    struct side client, server;
    int server_fd; // the server transport's own descriptor, to be rude with
};

// The pair that tests use; the caller keeps contexts.
void pair_begin(struct pair *pair);
void pair_end(struct pair *pair);
// Frees both transports for another connection.
void pair_clear(struct pair *pair);
void pair_listen(struct pair *pair, struct tls_context *server_context);
void pair_connect(struct pair *pair, const struct tls_client_options *options);
// Connects and turns until both are open.
void pair_open(struct pair *pair, const struct tls_client_options *options);
void pair_turn(struct pair *pair, unsigned turns);
// Turns until `side` has seen one of the events or read an error; both sides read meanwhile.
void pair_turn_until(struct pair *pair, const struct side *side, unsigned events);
void pair_send(struct side *side, const char *text);

// A context from <file>.pem and <file>.key (NULL: none) that trusts <ca>.pem (NULL: verifies nobody); aborts
// on failure.
struct tls_context *context_new(enum tls_role role, const char *file, const char *ca,
                                struct tls_tickets *tickets);
