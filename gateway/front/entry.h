// SPDX-License-Identifier: Apache-2.0
//
// A connection that a load balancer passes on: reads its PROXY protocol header (net/proxy.h), exactly and not
// a byte more, then hands the socket on under the address inside. Bounded by the header's length,
// `limits.artim` and `limits.silent`. Real sockets only, like front/listener.h.
//
// Thread: the worker's.
#pragma once

#include "daemon/worker.h"
#include "net/address.h"

// fd is the callee's; `peer`: whose connection it is.
typedef void entry_done_fn(void *arg, int fd, const struct net_address *peer);
// The connection was closed, and the log says why.
typedef void entry_over_fn(void *arg);

// Takes fd, also on failure. `trusted`: who may send headers; anybody else is turned away. Exactly one of the
// callbacks comes, perhaps inside this call, unless it fails: ERR_LIMIT, ERR_NOMEM, ERR_IO.
MUST_USE enum result entry_begin(struct worker *worker, int fd, const struct net_address *from,
                                 const struct conf_networks *trusted, entry_done_fn *done,
                                 entry_over_fn *over, void *arg);
