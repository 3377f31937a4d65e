// SPDX-License-Identifier: Apache-2.0
//
// The seam by which a leg opens a connection without knowing over what: plain TCP (net/plain.h), TLS
// (tls/transport.h) or the simulated network (net/memory.h). A dialer is immutable and may be shared by
// threads.
#pragma once

#include "net/transport.h"

struct net_dialer;

typedef enum result net_dial_fn(const struct net_dialer *dialer, struct ev_loop *loop,
                                const struct net_address *address, transport_ready_fn *on_ready, void *arg,
                                struct transport **out);

// Implementations embed this as their first member.
struct net_dialer {
    net_dial_fn *dial;
};

// Begins to connect. OK: *out is the caller's; OPEN or BROKEN follows (never inside this call). ERR_NOMEM,
// ERR_IO (no socket to be had).
static inline MUST_USE enum result net_dial(const struct net_dialer *dialer, struct ev_loop *loop,
                                            const struct net_address *address, transport_ready_fn *on_ready,
                                            void *arg, struct transport **out)
{
    return dialer->dial(dialer, loop, address, on_ready, arg, out);
}
