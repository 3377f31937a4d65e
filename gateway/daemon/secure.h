// SPDX-License-Identifier: Apache-2.0
//
// TLS contexts and dialers by the configuration: one server context for each listener that has TLS, one
// dialer for each node. Thread: made and freed on main; afterwards immutable.
#pragma once

#include "conf/configuration.h"
#include "net/dial.h"
#include "tls/transport.h"

struct secure;

// Keep-alive of every connection of the gateway, accepted or made (FIELD 15).
extern const struct net_tcp_options secure_tcp_options;

// ERR_*: `error` (TLS_ERROR_MAX bytes) says what is wrong with which file. `now`: seconds since 1970.
MUST_USE enum result secure_new(const struct configuration *configuration, uint64_t now, char *error,
                                struct secure **out);
void secure_free(struct secure *secure);

// A new ticket key; wants to be called every hour or so. Main thread.
void secure_tickets_rotate(struct secure *secure);

// By index of the configuration. NULL: a plain listener.
struct tls_context *secure_listener_context(const struct secure *secure, size_t listener);
// One for each node, in the order of the configuration.
const struct net_dialer *const *secure_dialers(const struct secure *secure);
