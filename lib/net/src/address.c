// SPDX-License-Identifier: Apache-2.0
//
// Addresses and networks to and from text (RFC 4291 2.2 and 2.3, RFC 1123 2.1). No look-ups. Any thread.
#include "net/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static size_t address_length(const struct net_address *address)
{
    return address->family == NET_IPV4 ? 4 : 16;
}

// An IPv4-mapped address is an IPv4 address: the same peer must not have two names.
static void unmap(struct net_address *address)
{
    if (address->family != NET_IPV6 || memcmp(address->bytes, mapped_prefix, sizeof mapped_prefix) != 0)
        return;
    uint8_t four[4];
    memcpy(four, address->bytes + 12, 4);
    memset(address->bytes, 0, sizeof address->bytes);
    memcpy(address->bytes, four, 4);
    address->family = NET_IPV4;
    address->scope = 0;
}

static enum result parse_scope(const char *text, uint32_t *scope)
{
    uint64_t number;
    if (text_number(slice_of_text(text), UINT32_MAX, &number) == OK)
        *scope = (uint32_t)number;
    else
        *scope = if_nametoindex(text);
    return *scope != 0 ? OK : ERR_FORMAT;
}

static enum result parse_raw_host(const char *host, uint16_t port, struct net_address *out)
{
    struct net_address address = {.port = port};
    char text[NET_ADDRESS_TEXT_MAX];
    if (!text_copy(text, sizeof text, slice_of_text(host)))
        return ERR_FORMAT;
    if (inet_pton(AF_INET, text, address.bytes) == 1) {
        address.family = NET_IPV4;
        *out = address;
        return OK;
    }
    char *percent = strchr(text, '%');
    if (percent != NULL) {
        *percent = 0;
        if (parse_scope(percent + 1, &address.scope) != OK)
            return ERR_FORMAT;
    }
    if (inet_pton(AF_INET6, text, address.bytes) != 1)
        return ERR_FORMAT;
    address.family = NET_IPV6;
    *out = address;
    return OK;
}

enum result net_address_parse_host(const char *host, uint16_t port, struct net_address *out)
{
    enum result result = parse_raw_host(host, port, out);
    if (result == OK)
        unmap(out);
    return result;
}

// Letters, digits, hyphens, underscores and dots; no empty label; the last label not a number (it would be a
// mistyped address).
static bool is_host_name(struct slice name)
{
    size_t label = 0;
    bool all_digits = true;
    for (size_t i = 0; i < name.length; i++) {
        uint8_t c = name.data[i];
        bool digit = c >= '0' && c <= '9';
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            all_digits = true;
            continue;
        }
        if (!digit && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '-' && c != '_')
            return false;
        all_digits = all_digits && digit;
        if (++label > 63)
            return false;
    }
    return label > 0 && !all_digits;
}

// Cuts "host:port" and "[host]:port".
static enum result split(const char *text, struct slice *host, bool *bracketed, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return ERR_FORMAT;
    *host = slice_of(text, (size_t)(colon - text));
    *bracketed = text[0] == '[';
    if (*bracketed) {
        if (host->length < 3 || host->data[host->length - 1] != ']')
            return ERR_FORMAT;
        *host = slice_of(text + 1, host->length - 2);
    } else if (memchr(host->data, ':', host->length) != NULL) {
        return ERR_FORMAT; // IPv6 without brackets: nobody can tell where the port begins
    }
    uint64_t number;
    if (text_number(slice_of_text(colon + 1), UINT16_MAX, &number) != OK)
        return ERR_FORMAT;
    *port = (uint16_t)number;
    return OK;
}

enum result net_endpoint_parse(const char *text, struct net_endpoint *out)
{
    struct slice host;
    bool bracketed;
    struct net_endpoint endpoint = {0};
    if (split(text, &host, &bracketed, &endpoint.port) != OK ||
        !text_copy(endpoint.host, sizeof endpoint.host, host))
        return ERR_FORMAT;
    if (net_address_parse_host(endpoint.host, endpoint.port, &endpoint.address) != OK) {
        if (bracketed || !is_host_name(host))
            return ERR_FORMAT;
        endpoint.address = (struct net_address){.port = endpoint.port};
    }
    *out = endpoint;
    return OK;
}

enum result net_address_parse(const char *text, struct net_address *out)
{
    struct net_endpoint endpoint;
    struct slice host;
    bool bracketed;
    uint16_t port;
    if (split(text, &host, &bracketed, &port) == OK && slice_is_text(host, "*")) {
        *out = (struct net_address){.family = NET_IPV6, .port = port};
        return OK;
    }
    if (net_endpoint_parse(text, &endpoint) != OK || endpoint.address.family == NET_NONE)
        return ERR_FORMAT;
    *out = endpoint.address;
    return OK;
}

const char *net_address_format_host(const struct net_address *address, char *buffer, size_t size)
{
    char text[INET6_ADDRSTRLEN] = "none";
    if (address->family != NET_NONE)
        inet_ntop(address->family == NET_IPV4 ? AF_INET : AF_INET6, address->bytes, text, sizeof text);
    if (address->scope != 0)
        text_format(buffer, size, "%s%%%u", text, (unsigned)address->scope);
    else
        text_format(buffer, size, "%s", text);
    return buffer;
}

const char *net_address_format(const struct net_address *address, char *buffer, size_t size)
{
    char host[NET_ADDRESS_TEXT_MAX];
    net_address_format_host(address, host, sizeof host);
    if (address->family == NET_IPV6)
        text_format(buffer, size, "[%s]:%u", host, (unsigned)address->port);
    else
        text_format(buffer, size, "%s:%u", host, (unsigned)address->port);
    return buffer;
}

bool net_address_equal(const struct net_address *a, const struct net_address *b)
{
    return a->family == b->family && a->port == b->port && a->scope == b->scope &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool net_address_is_loopback(const struct net_address *address)
{
    static const uint8_t one[16] = {[15] = 1};
    if (address->family == NET_IPV4)
        return address->bytes[0] == 127;
    return address->family == NET_IPV6 && memcmp(address->bytes, one, sizeof one) == 0;
}

enum result net_address_from_sockaddr(const struct sockaddr *socket_address, struct net_address *out)
{
    *out = (struct net_address){0};
    if (socket_address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, socket_address, sizeof in);
        out->family = NET_IPV4;
        out->port = ntohs(in.sin_port);
        memcpy(out->bytes, &in.sin_addr, 4);
        return OK;
    }
    if (socket_address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, socket_address, sizeof in6);
        out->family = NET_IPV6;
        out->port = ntohs(in6.sin6_port);
        out->scope = in6.sin6_scope_id;
        memcpy(out->bytes, &in6.sin6_addr, 16);
        unmap(out);
        return OK;
    }
    return ERR_ARGUMENT;
}

socklen_t net_address_to_sockaddr(const struct net_address *address, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (address->family == NET_IPV4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(address->port)};
        memcpy(&in.sin_addr, address->bytes, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(address->port), .sin6_scope_id = address->scope};
    memcpy(&in6.sin6_addr, address->bytes, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

// ---- Access lists ----

static bool bit_is_set(const uint8_t *bytes, unsigned bit)
{
    return bytes[bit / 8] & 0x80u >> bit % 8;
}

enum result net_network_parse(const char *text, struct net_network *out)
{
    char host[NET_ADDRESS_TEXT_MAX];
    const char *slash = strchr(text, '/');
    struct slice before = slash != NULL ? slice_of(text, (size_t)(slash - text)) : slice_of_text(text);
    struct net_network network;
    if (!text_copy(host, sizeof host, before) || parse_raw_host(host, 0, &network.base) != OK ||
        network.base.scope != 0)
        return ERR_FORMAT;
    unsigned bits = network.base.family == NET_IPV4 ? 32 : 128;
    uint64_t prefix = bits;
    if (slash != NULL && text_number(slice_of_text(slash + 1), bits, &prefix) != OK)
        return ERR_FORMAT;
    for (unsigned bit = (unsigned)prefix; bit < bits; bit++) {
        if (bit_is_set(network.base.bytes, bit))
            return ERR_FORMAT; // "10.1.2.3/16": a slip, or a network meant otherwise
    }
    if (network.base.family == NET_IPV6 && prefix >= 96) {
        unmap(&network.base);
        if (network.base.family == NET_IPV4)
            prefix -= 96;
    }
    network.prefix = (uint8_t)prefix;
    *out = network;
    return OK;
}

bool net_network_has(const struct net_network *network, const struct net_address *address)
{
    if (network->base.family != address->family || address->family == NET_NONE)
        return false;
    ensure(network->prefix <= 8 * address_length(address));
    size_t whole = network->prefix / 8;
    unsigned rest = network->prefix % 8;
    if (memcmp(network->base.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || (network->base.bytes[whole] ^ address->bytes[whole]) >> (8 - rest) == 0;
}
