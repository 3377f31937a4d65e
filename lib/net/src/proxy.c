// SPDX-License-Identifier: Apache-2.0
//
// The decoder behind net/proxy.h.
#include "net/proxy.h"

#include <netinet/in.h>
#include <string.h>

#include "base/check.h"

enum {
    SIGNATURE = 12,
    VERSION_2 = 0x2,
    COMMAND_LOCAL = 0x0,
    COMMAND_PROXY = 0x1,
    TRANSPORT_UNSPEC = 0x00,
    TRANSPORT_TCP4 = 0x11,
    TRANSPORT_TCP6 = 0x21,
    TCP4_BYTES = 12, // two addresses, two ports
    TCP6_BYTES = 36,
};

static const uint8_t signature[SIGNATURE] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
                                             0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
static const char version_1[] = "PROXY ";

static bool is_prefix(struct slice bytes, const void *of, size_t length)
{
    size_t both = bytes.length < length ? bytes.length : length;
    return memcmp(bytes.data, of, both) == 0;
}

// What is there instead of a header. AGAIN: it may still become either version's.
static enum result judge_beginning(struct slice bytes, size_t *wanted, enum transport_reason *reason)
{
    size_t text = sizeof version_1 - 1;
    if (bytes.length == 0 || is_prefix(bytes, signature, SIGNATURE))
        return OK;
    *reason = TRANSPORT_PROXY_MISSING;
    if (!is_prefix(bytes, version_1, text))
        return ERR_FORMAT;
    if (bytes.length < text) {
        *wanted = text - bytes.length;
        return AGAIN;
    }
    *reason = TRANSPORT_PROXY_V1;
    return ERR_FORMAT;
}

static uint16_t two_bytes(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static enum result read_address(struct slice bytes, uint8_t kind, size_t length, struct net_proxy *out)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    const uint8_t *at = bytes.data + NET_PROXY_HEAD;
    if (kind == TRANSPORT_UNSPEC)
        return OK;
    out->has_address = true;
    if (kind == TRANSPORT_TCP4 && length >= TCP4_BYTES) {
        memcpy(&four.sin_addr, at, 4);
        memcpy(&four.sin_port, at + 8, 2);
        return net_address_from_sockaddr((const struct sockaddr *)&four, &out->address);
    }
    if (kind == TRANSPORT_TCP6 && length >= TCP6_BYTES) {
        memcpy(&six.sin6_addr, at, 16);
        memcpy(&six.sin6_port, at + 32, 2);
        return net_address_from_sockaddr((const struct sockaddr *)&six, &out->address);
    }
    return ERR_FORMAT; // too short for its kind, or datagrams and Unix sockets, which carry no DICOM
}

enum result net_proxy_parse(struct slice bytes, struct net_proxy *out, size_t *wanted,
                            enum transport_reason *reason)
{
    ensure(bytes.length <= NET_PROXY_MOST);
    *out = (struct net_proxy){.has_address = false};
    enum result result = judge_beginning(bytes, wanted, reason);
    if (result != OK)
        return result;
    if (bytes.length < NET_PROXY_HEAD) {
        *wanted = NET_PROXY_HEAD - bytes.length;
        return AGAIN;
    }
    *reason = TRANSPORT_PROXY_BAD;
    uint8_t command = bytes.data[12] & 0x0F;
    size_t length = two_bytes(bytes.data + 14);
    if (bytes.data[12] >> 4 != VERSION_2 || command > COMMAND_PROXY ||
        NET_PROXY_HEAD + length > NET_PROXY_MOST)
        return ERR_FORMAT;
    if (bytes.length < NET_PROXY_HEAD + length) {
        *wanted = NET_PROXY_HEAD + length - bytes.length;
        return AGAIN;
    }
    if (bytes.length > NET_PROXY_HEAD + length)
        return ERR_FORMAT;
    // A LOCAL connection is the load balancer's own, such as a health check: what follows means nothing.
    result = command == COMMAND_LOCAL ? OK : read_address(bytes, bytes.data[13], length, out);
    return result == OK ? OK : ERR_FORMAT;
}
