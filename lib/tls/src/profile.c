// SPDX-License-Identifier: Apache-2.0
//
// The Secure Transport Connection Profiles of PS3.15 annex B as rows: protocol versions, suites, groups and
// signature algorithms. No row has a suite with a pre-shared key, and none allows TLS 1.0 or 1.1 (RFC 8996).
#include <openssl/err.h>
#include <string.h>

#include "internal.h"

enum { READ_BUFFER = 128 * 1024, SECURITY_LEVEL = 2 };

struct profile_row {
    const char *name;
    const char *suites_12; // TLS 1.2
    const char *suites_13; // TLS 1.3
};

// B.12: what RFC 9325 4.2 recommends; finite-field DHE is left out, which it discourages.
#define B12_SUITES                                                                                           \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                             \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
#define B12_SUITES_13 "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"

// B.13 names its suites one by one. Those with Camellia are not in OpenSSL: docs/conformance.md says so. The
// ones with a tag of 8 bytes come last.
#define B13_SUITES                                                                                           \
    B12_SUITES ":ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"                                 \
               "ECDHE-ECDSA-AES256-CCM:ECDHE-ECDSA-AES128-CCM:"                                              \
               "ECDHE-ECDSA-AES256-CCM8:ECDHE-ECDSA-AES128-CCM8"
#define B13_SUITES_13 B12_SUITES_13 ":TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256"

static const struct profile_row profiles[] = {
    [TLS_PROFILE_BCP195_RFC8996] = {"bcp195-rfc8996", B12_SUITES, B12_SUITES_13},
    [TLS_PROFILE_MODIFIED_BCP195_RFC8996] = {"modified-bcp195-rfc8996", B13_SUITES, B13_SUITES_13},
};

// ECDHE of 256 bits and more, SHA-256 and better in signatures (B.13; RFC 9325 4.3 and 4.5).
static const char groups[] = "X25519:P-256:P-384:P-521:X448";
static const char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:"
                                 "RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
                                 "RSA+SHA256:RSA+SHA384:RSA+SHA512";

const char *tls_profile_name(enum tls_profile profile)
{
    return profiles[profile].name;
}

bool tls_profile_apply(enum tls_profile profile, SSL_CTX *ssl)
{
    const struct profile_row *row = &profiles[profile];
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL); // RSA of 2048 bits and more
    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(ssl, row->suites_12) == 1 &&
           SSL_CTX_set_ciphersuites(ssl, row->suites_13) == 1 && SSL_CTX_set1_groups_list(ssl, groups) == 1 &&
           SSL_CTX_set1_sigalgs_list(ssl, signatures) == 1;
}
