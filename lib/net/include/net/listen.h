// SPDX-License-Identifier: Apache-2.0
//
// A listening TCP socket on a real loop. Accepted sockets are handed to the callback; what speaks on them is
// for the worker that gets them. When descriptors run out, a spare one is given up to turn the caller away,
// and accepting pauses for 100 ms.
#pragma once

#include "ev/loop.h"
#include "net/address.h"

struct net_listener;

// fd: non-blocking, close-on-exec, now the callback's. The callback may free the listener.
typedef void net_accept_fn(void *arg, int fd, const struct net_address *peer);

// Binds and listens. address.port 0: the system chooses, see net_listener_address(). backlog 0: 1024.
// ERR_EXISTS: the address is in use; ERR_REFUSED: not permitted; ERR_MISSING: not an address of this machine;
// ERR_IO; ERR_NOMEM. An address of [::] also takes IPv4.
MUST_USE enum result net_listener_new(struct ev_loop *loop, const struct net_address *address, int backlog,
                                      net_accept_fn *accept, void *arg, struct net_listener **out);
const struct net_address *net_listener_address(const struct net_listener *listener);
void net_listener_free(struct net_listener **listener);
