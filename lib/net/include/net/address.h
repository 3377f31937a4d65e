// SPDX-License-Identifier: Apache-2.0
//
// Addresses as an operator writes them ("10.1.2.3:104", "[2001:db8::1]:104", "pacs.hospital:104"), and
// networks. Pure text and numbers, no look-ups. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/result.h"

enum net_family { NET_NONE = 0, NET_IPV4 = 4, NET_IPV6 = 6 };

// A numeric address. IPv4-mapped IPv6 addresses are always turned into IPv4. bytes: network order, 4 or 16
// used.
struct net_address {
    uint8_t family; // enum net_family
    uint16_t port;  // host order, 0..65535
    uint32_t scope; // IPv6 interface index, 0 for none
    uint8_t bytes[16];
};

enum {
    NET_HOST_MAX = 254,        // RFC 1035: 253 bytes and NUL
    NET_ADDRESS_TEXT_MAX = 64, // "[v6%scope]:port" and NUL
};

// host:port before resolution. If the host is numeric, address is set and needs no resolver.
struct net_endpoint {
    char host[NET_HOST_MAX];
    uint16_t port;
    struct net_address address; // family NET_NONE when the host is a name
};

// "host:port" with port 0..65535 in decimal without leading zeros; IPv6 hosts in brackets. ERR_FORMAT.
MUST_USE enum result net_endpoint_parse(const char *text, struct net_endpoint *out);
// As above, numeric hosts only; "*:104" means any IPv6 and IPv4 address ("[::]:104"). ERR_FORMAT.
MUST_USE enum result net_address_parse(const char *text, struct net_address *out);
// A host without a port: "10.1.2.3" or "2001:db8::1". ERR_FORMAT.
MUST_USE enum result net_address_parse_host(const char *host, uint16_t port, struct net_address *out);
// "1.2.3.4:104" or "[::1]:104"; returns buffer. size >= NET_ADDRESS_TEXT_MAX never cuts.
const char *net_address_format(const struct net_address *address, char *buffer, size_t size);
const char *net_address_format_host(const struct net_address *address, char *buffer, size_t size);
bool net_address_equal(const struct net_address *a, const struct net_address *b);
bool net_address_is_loopback(const struct net_address *address);

// ERR_ARGUMENT: neither IPv4 nor IPv6.
MUST_USE enum result net_address_from_sockaddr(const struct sockaddr *socket_address,
                                               struct net_address *out);
socklen_t net_address_to_sockaddr(const struct net_address *address, struct sockaddr_storage *out);

// ---- networks ----

struct net_network {
    struct net_address base;
    uint8_t prefix; // 0..32 or 0..128
};

// "10.1.0.0/16", "2001:db8::/32", "10.1.2.3" (one host), "::ffff:10.0.0.0/104" (taken as IPv4). ERR_FORMAT,
// also when bits below the prefix are set.
MUST_USE enum result net_network_parse(const char *text, struct net_network *out);
bool net_network_has(const struct net_network *network, const struct net_address *address);
