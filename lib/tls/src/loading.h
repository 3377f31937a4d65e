// SPDX-License-Identifier: Apache-2.0
//
// Building one context from an operator's files: shared by context.c, identity.c (who we are) and trust.c
// (whom we believe). Control and start-up only: reads files.
#pragma once

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/text.h"
#include "internal.h"

struct loading {
    const struct tls_options *options;
    struct tls_context *context;
    EVP_MD_CTX *digest; // over all that decides who may connect: tickets must not outlive a change of it
    char *error;        // TLS_ERROR_MAX bytes
};

#define FAIL(loading, result, ...) (text_format((loading)->error, TLS_ERROR_MAX, __VA_ARGS__), (result))

// The last word of OpenSSL's newest error, for messages ("ee key too small").
const char *tls_ssl_text(void);
// ERR_MISSING: "WHAT PATH: why".
MUST_USE enum result tls_file_open(struct loading *loading, const char *what, const char *path, BIO **out);
// Takes these bytes into the scope of sessions.
void tls_scope_note(struct loading *loading, const void *bytes, size_t length);
void tls_scope_note_certificate(struct loading *loading, const X509 *certificate);
// Remembers a certificate or list with its end (may be NULL: none) for tls_context_documents().
MUST_USE enum result tls_document_add(struct loading *loading, enum tls_document_kind kind, const char *file,
                                      const X509_NAME *name, const ASN1_TIME *expires);

MUST_USE enum result tls_identity_load(struct loading *loading, const struct tls_key_pair *pair);
MUST_USE enum result tls_trust_load(struct loading *loading);

// The passphrase of a key, without the line's end. The caller wipes it.
enum { TLS_PASSPHRASE_MAX = 1024 };
MUST_USE enum result tls_passphrase_read(struct loading *loading, const struct tls_key_pair *pair,
                                         char passphrase[TLS_PASSPHRASE_MAX], char *source, size_t capacity);
