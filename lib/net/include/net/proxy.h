// SPDX-License-Identifier: Apache-2.0
//
// PROXY protocol, version 2: the header by which a load balancer says whose connection it passes on. A pure
// decoder; reading exactly as many bytes as it asks for leaves the stream where the client's own bytes begin,
// DICOM or TLS. Source: The PROXY protocol, versions 1 and 2 (haproxy, doc/proxy-protocol.txt,
// 2020/03/05), 2.2. Any thread.
#pragma once

#include "base/slice.h"
#include "net/transport.h"

enum {
    NET_PROXY_HEAD = 16,                    // up to and including the length
    NET_PROXY_MOST = NET_PROXY_HEAD + 2048, // addresses and the TLVs that we are willing to skip
};

struct net_proxy {
    bool has_address;           // false: LOCAL or UNSPEC, the connection is the sender's own
    struct net_address address; // of the client, with its port
};

// `bytes`: what has come so far, at most NET_PROXY_MOST. OK: they are a whole header (no byte more). AGAIN:
// *wanted more bytes belong to it, at least 1. ERR_FORMAT: *reason says what the sender did instead.
MUST_USE enum result net_proxy_parse(struct slice bytes, struct net_proxy *out, size_t *wanted,
                                     enum transport_reason *reason);
