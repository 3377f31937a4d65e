// SPDX-License-Identifier: Apache-2.0
//
// Which certificate may use which AE title: rules as an operator writes them, matched against a transport's
// peer.
//   CN=ct1              subject common name, exact (case of ASCII letters ignored)
//   DNS:ct1.hospital    one of the dNSName entries; "*.ct.hospital" stands for one label (RFC 6125 6.4.3)
//   sha256:<64 hex>     SHA-256 of the certificate; colons between bytes are fine
//   DN=<RFC 2253 text>  the whole subject, exact
// A peer without a certificate matches nothing. Any thread. Source: DESIGN 3 "Access".
#pragma once

#include "net/transport.h"

enum tls_binding_kind { TLS_BINDING_CN, TLS_BINDING_DNS, TLS_BINDING_SHA256, TLS_BINDING_DN };

struct tls_binding {
    enum tls_binding_kind kind;
    uint8_t fingerprint[TRANSPORT_FINGERPRINT_LENGTH];
    char text[TRANSPORT_DN_MAX];
};

// ERR_FORMAT.
MUST_USE enum result tls_binding_parse(const char *rule, struct tls_binding *out);
bool tls_binding_matches(const struct tls_binding *binding, const struct transport_peer *peer);
