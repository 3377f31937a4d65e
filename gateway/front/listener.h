// SPDX-License-Identifier: Apache-2.0
//
// The listening sockets: each accepted connection is handed to the worker with the fewest associations
// (DESIGN 2), which speaks plain DICOM or TLS on it. Real sockets only; the simulator gives transports to
// session_new() itself.
//
// Thread: main; the hand-over ends on the worker.
#pragma once

#include "daemon/gateway.h"
#include "daemon/secure.h"

struct listeners;

// Binds all of the configuration; `secure` is borrowed, and asked for the context that is in force at each
// connection. `error` (capacity bytes) names the one that can not be had.
MUST_USE enum result listeners_new(struct gateway *gateway, const struct secure *secure, char *error,
                                   size_t capacity, struct listeners **out);
// No further connections.
void listeners_free(struct listeners *listeners);
