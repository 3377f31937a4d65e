// SPDX-License-Identifier: Apache-2.0
//
// Certificate-to-AE binding. Pure text and bytes. Any thread.
#include "tls/binding.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static enum result parse_fingerprint(const char *hex, struct tls_binding *out)
{
    char compact[2 * TRANSPORT_FINGERPRINT_LENGTH + 1];
    size_t length = 0;
    for (const char *c = hex; *c != 0; c++) {
        if (*c == ':' && length % 2 == 0 && length > 0)
            continue;
        if (length + 1 == sizeof compact)
            return ERR_FORMAT;
        compact[length++] = (char)tolower((unsigned char)*c);
    }
    compact[length] = 0;
    return text_unhex(compact, out->fingerprint, TRANSPORT_FINGERPRINT_LENGTH);
}

// A wildcard stands for the whole first label; something follows it.
static bool is_dns_pattern(const char *name)
{
    const char *rest = strncmp(name, "*.", 2) == 0 ? name + 2 : name;
    if (strchr(rest, '*') != NULL || strchr(rest, ' ') != NULL)
        return false;
    return rest[0] != 0 && rest[0] != '.';
}

enum result tls_binding_parse(const char *rule, struct tls_binding *out)
{
    static const struct {
        const char *prefix;
        enum tls_binding_kind kind;
    } kinds[] = {{"CN=", TLS_BINDING_CN},
                 {"DNS:", TLS_BINDING_DNS},
                 {"sha256:", TLS_BINDING_SHA256},
                 {"DN=", TLS_BINDING_DN}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].prefix);
        if (strncmp(rule, kinds[i].prefix, length) != 0)
            continue;
        struct tls_binding binding = {.kind = kinds[i].kind};
        const char *value = rule + length;
        if (value[0] == 0 || !text_copy(binding.text, sizeof binding.text, slice_of_text(value)))
            return ERR_FORMAT;
        if (binding.kind == TLS_BINDING_SHA256 && parse_fingerprint(value, &binding) != OK)
            return ERR_FORMAT;
        if (binding.kind == TLS_BINDING_DNS && !is_dns_pattern(value))
            return ERR_FORMAT;
        *out = binding;
        return OK;
    }
    return ERR_FORMAT;
}

static bool is_same_name(struct slice a, struct slice b)
{
    return a.length == b.length && strncasecmp((const char *)a.data, (const char *)b.data, a.length) == 0;
}

static bool matches_dns(const char *pattern, struct slice name)
{
    if (pattern[0] != '*')
        return is_same_name(slice_of_text(pattern), name);
    const uint8_t *dot = memchr(name.data, '.', name.length);
    if (dot == NULL || dot == name.data || name.data[0] == '*')
        return false;
    return is_same_name(slice_of_text(pattern + 1), slice_from(name, (size_t)(dot - name.data)));
}

// The peer's dNSName entries stand in one text, separated by spaces.
static bool any_dns_matches(const char *pattern, const char *names)
{
    while (*names != 0) {
        size_t length = strcspn(names, " ");
        if (matches_dns(pattern, slice_of(names, length)))
            return true;
        names += length + strspn(names + length, " ");
    }
    return false;
}

bool tls_binding_matches(const struct tls_binding *binding, const struct transport_peer *peer)
{
    if (!peer->has_certificate)
        return false;
    switch (binding->kind) {
    case TLS_BINDING_CN:
        return peer->subject_cn[0] != 0 &&
               is_same_name(slice_of_text(binding->text), slice_of_text(peer->subject_cn));
    case TLS_BINDING_DNS:
        return any_dns_matches(binding->text, peer->dns_names);
    case TLS_BINDING_SHA256:
        return memcmp(binding->fingerprint, peer->fingerprint, TRANSPORT_FINGERPRINT_LENGTH) == 0;
    case TLS_BINDING_DN:
        return strcmp(binding->text, peer->subject_dn) == 0;
    }
    return false;
}
