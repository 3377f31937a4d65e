// SPDX-License-Identifier: Apache-2.0
//
// Host names of nodes: asked at start and every minute, so that a lane finds an address without waiting for a
// name server. Numeric hosts never come here. Thread: main; the look-ups run on the resolver's.
#pragma once

#include "daemon/gateway.h"

struct names;

// ERR_NOMEM. OK without anything to do gives a names object all the same.
MUST_USE enum result names_new(struct gateway *gateway, struct ev_loop *resolver_loop, struct names **out);
// After the resolver's thread has ended.
void names_free(struct names *names);
