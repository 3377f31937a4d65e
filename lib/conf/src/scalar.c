// SPDX-License-Identifier: Apache-2.0
//
// Strict readers of single values; see scalar.h.
#include "scalar.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/text.h"
#include "base/units.h"

#define TITLE_MAX 16
#define HOST_MAX  253 // RFC 1035 2.3.4, without the final dot
#define LABEL_MAX 63
#define PORT_MAX  65535

const struct conf_unit conf_size_units[] = {
    {"B", 1}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {"TiB", 1024 * GIB}, {NULL, 0},
};

const struct conf_unit conf_duration_units[] = {
    {"ms", NSEC_PER_MS},        {"s", NSEC_PER_SEC},         {"min", 60 * NSEC_PER_SEC},
    {"h", 3600 * NSEC_PER_SEC}, {"d", 86400 * NSEC_PER_SEC}, {NULL, 0},
};

static enum result number_of(const char *text, size_t length, uint64_t *value)
{
    return text_number(slice_of(text, length), UINT64_MAX, value);
}

enum result conf_scalar_number(const char *text, uint64_t *value)
{
    return number_of(text, strlen(text), value);
}

enum result conf_scalar_measure(const char *text, const struct conf_unit *units, uint64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number;
    enum result result = number_of(text, digits, &number);
    if (result != OK)
        return result;
    if (text[digits] == 0)
        return ERR_MISSING;
    for (; units->name != NULL; units++) {
        if (strcmp(units->name, text + digits) != 0)
            continue;
        return __builtin_mul_overflow(number, units->scale, value) ? ERR_LIMIT : OK;
    }
    return ERR_FORMAT;
}

enum result conf_scalar_title(const char *text, struct conf_arena *arena, char **title)
{
    struct slice trimmed = slice_trimmed(slice_of_text(text));
    if (trimmed.length == 0 || trimmed.length > TITLE_MAX)
        return ERR_FORMAT;
    for (size_t i = 0; i < trimmed.length; i++)
        if (trimmed.data[i] < 0x20 || trimmed.data[i] > 0x7E || trimmed.data[i] == '\\')
            return ERR_FORMAT;
    *title = conf_arena_text(arena, (const char *)trimmed.data, trimmed.length);
    return *title != NULL ? OK : ERR_NOMEM;
}

static int family_of(const char *host)
{
    unsigned char bytes[16];
    if (inet_pton(AF_INET, host, bytes) == 1)
        return AF_INET;
    if (inet_pton(AF_INET6, host, bytes) == 1)
        return AF_INET6;
    return AF_UNSPEC;
}

// Letters, digits and hyphens in labels (RFC 1123 2.1), underscores as many sites have them; not only digits
// and dots, which would be a mistyped address.
static bool is_host_name(const char *host)
{
    size_t label = 0;
    bool has_letter = false;
    for (const char *at = host; *at != 0; at++) {
        bool is_letter = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z');
        bool is_digit = *at >= '0' && *at <= '9';
        if (*at == '.' && (label == 0 || at[-1] == '-'))
            return false;
        if (*at != '.' && !is_letter && !is_digit && *at != '_' && (*at != '-' || label == 0))
            return false;
        label = *at == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
        has_letter = has_letter || is_letter;
    }
    return has_letter && label > 0;
}

enum result conf_scalar_address(const char *text, bool is_numeric, struct conf_arena *arena,
                                struct conf_address *address)
{
    const char *colon = strrchr(text, ':');
    const char *end = colon;
    bool has_brackets = text[0] == '[';
    if (colon == NULL || (has_brackets && text[strlen(text) - 1] == ']'))
        return ERR_MISSING;
    if (has_brackets) {
        if (colon[-1] != ']')
            return ERR_FORMAT;
        text++;
        end--;
    }
    uint64_t port;
    if (end <= text || end - text > HOST_MAX || conf_scalar_number(colon + 1, &port) != OK || port == 0 ||
        port > PORT_MAX)
        return ERR_FORMAT;
    char host[HOST_MAX + 1];
    (void)text_copy(host, sizeof host, slice_of(text, (size_t)(end - text)));
    int family = family_of(host);
    if (has_brackets != (family == AF_INET6) || (is_numeric && family == AF_UNSPEC) ||
        (family == AF_UNSPEC && !is_host_name(host)))
        return ERR_FORMAT;
    char *kept = conf_arena_text(arena, host, strlen(host));
    if (kept == NULL)
        return ERR_NOMEM;
    *address = (struct conf_address){.host = kept, .port = (uint16_t)port, .family = family};
    return OK;
}

// Clears the bits below the prefix; true if any was set.
static bool clear_below(struct conf_network *network, unsigned bits)
{
    bool was_set = false;
    for (unsigned bit = network->prefix; bit < bits; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));
        was_set = was_set || (network->address[bit / 8] & mask) != 0;
        network->address[bit / 8] &= (uint8_t)~mask;
    }
    return was_set;
}

// As addresses are, an IPv4-mapped network is an IPv4 one (RFC 4291 2.5.5.2).
static void unmap(struct conf_network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (network->family != AF_INET6 || network->prefix < 96 ||
        memcmp(network->address, mapped, sizeof mapped) != 0)
        return;
    network->family = AF_INET;
    network->prefix -= 96;
    memmove(network->address, network->address + 12, 4);
    memset(network->address + 4, 0, 12);
}

enum result conf_scalar_network(const char *text, struct conf_network *network)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t length = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (!text_copy(address, sizeof address, slice_of(text, length)))
        return ERR_FORMAT;
    struct conf_network found = {.family = family_of(address)};
    if (found.family == AF_UNSPEC || inet_pton(found.family, address, found.address) != 1)
        return ERR_FORMAT;
    unsigned bits = found.family == AF_INET ? 32 : 128;
    uint64_t prefix = bits;
    if (slash != NULL && (conf_scalar_number(slash + 1, &prefix) != OK || prefix > bits))
        return ERR_FORMAT;
    found.prefix = (uint8_t)prefix;
    bool was_set = clear_below(&found, bits);
    unmap(&found);
    *network = found;
    return was_set ? ERR_ARGUMENT : OK;
}

void conf_network_text(const struct conf_network *network, char *to, size_t capacity)
{
    char address[INET6_ADDRSTRLEN] = "?";
    (void)inet_ntop(network->family, network->address, address, sizeof address);
    (void)text_format(to, capacity, "%s/%u", address, (unsigned)network->prefix);
}

bool conf_network_has(const struct conf_network *network, const struct conf_network *address)
{
    if (network->family != address->family || network->prefix > address->prefix)
        return false;
    struct conf_network cut = *address;
    cut.prefix = network->prefix;
    (void)clear_below(&cut, network->family == AF_INET ? 32 : 128);
    return memcmp(cut.address, network->address, sizeof cut.address) == 0;
}
