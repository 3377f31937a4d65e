// SPDX-License-Identifier: Apache-2.0
//
// Names to addresses without blocking a loop: questions go by mail to the resolver's own loop (its own
// thread, the only one that may block in getaddrinfo), answers come by mail. The simulator gives a look-up
// function of its own.
#pragma once

#include "ev/mailbox.h"
#include "net/address.h"

enum { NET_LOOKUP_MAX = 8, NET_LOOKUP_MAIL = 0x52534c56 }; // the kind of a question and of its answer

// A question and its answer. The asker owns the memory again when the answer comes (same mail) or when asking
// fails.
struct net_lookup {
    struct mail mail;
    char host[NET_HOST_MAX];
    uint16_t port;
    struct ev_mailbox *reply_to; // where the answer goes
    void *owner;                 // the asker's own use
    enum result result;          // OK, ERR_MISSING (no such name), ERR_IO (no name server answered)
    size_t count;
    struct net_address addresses[NET_LOOKUP_MAX]; // in the system's order of preference
    struct net_lookup *next;                      // the resolver's
};

// Blocks; fills result, count and addresses.
typedef void net_lookup_fn(void *arg, struct net_lookup *lookup);

struct net_resolver;

// loop: the resolver's own. function NULL: getaddrinfo. ERR_NOMEM.
MUST_USE enum result net_resolver_new(struct ev_loop *loop, size_t capacity, net_lookup_fn *function,
                                      void *arg, struct net_resolver **out);
// On the resolver's thread. Questions still waiting get CLOSED as their result if their mailbox takes the
// answer.
void net_resolver_free(struct net_resolver **resolver);
void net_lookup_init(struct net_lookup *lookup, const struct net_endpoint *endpoint,
                     struct ev_mailbox *reply_to, void *owner);
// Any thread. OK: *answered tells whether the answer is in `lookup` already (numeric host) or will come by
// mail. AGAIN: the resolver is busy, ask again later. CLOSED.
MUST_USE enum result net_resolver_ask(struct net_resolver *resolver, struct net_lookup *lookup,
                                      bool *answered);
