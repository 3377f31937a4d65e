// SPDX-License-Identifier: Apache-2.0
//
// Transport over TLS on a TCP socket, both roles. OPEN comes after the handshake, when transport_peer() knows
// the certificate. A close without close_notify is ERR_IO with TRANSPORT_TLS_TRUNCATED, never CLOSED. Before
// the handshake the first byte is looked at: a peer that speaks plain DICOM ends with TRANSPORT_SPEAKS_PLAIN.
// Source: RFC 8446, RFC 5246 7.2.1, DESIGN 3.
#pragma once

#include "net/plain.h"
#include "tls/context.h"

// Takes fd, also on failure; references context (a server's). options may be NULL. ERR_NOMEM, ERR_IO,
// ERR_CRYPTO.
MUST_USE enum result tls_transport_new(struct ev_loop *loop, int fd, const struct net_address *peer,
                                       struct tls_context *context, const struct net_tcp_options *options,
                                       transport_ready_fn *on_ready, void *arg, struct transport **out);

struct tls_client_options {
    struct tls_context *context;   // a client's
    struct tls_session_slot *slot; // NULL: no resumption
    // Checked against the certificate (dNSName, iPAddress, else CN; RFC 6125) and sent as SNI. NULL: not
    // checked; the authority is checked in any case.
    const char *verify_name;
    struct net_tcp_options tcp;
};

// Begins to connect, then shakes hands. Context and slot are referenced. ERR_NOMEM, ERR_IO, ERR_CRYPTO,
// ERR_ARGUMENT (verify_name is no name).
MUST_USE enum result tls_transport_connect(struct ev_loop *loop, const struct net_address *address,
                                           const struct tls_client_options *options,
                                           transport_ready_fn *on_ready, void *arg, struct transport **out);

// options and what it points to must live as long as the dialer.
struct tls_dialer {
    struct net_dialer dialer;
    struct tls_client_options options;
};
void tls_dialer_init(struct tls_dialer *dialer, const struct tls_client_options *options);
