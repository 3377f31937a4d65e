// SPDX-License-Identifier: Apache-2.0
//
// Puts an SSL_CTX together from an operator's files; what was loaded is remembered with its end of validity.
// Control and start-up only: reads files.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/grow.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "loading.h"

#define CONTEXT_MAGIC 0x544c5343u

const char *tls_ssl_text(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text != NULL ? text : "unknown error";
}

enum result tls_file_open(struct loading *loading, const char *what, const char *path, BIO **out)
{
    errno = 0;
    *out = BIO_new_file(path, "r");
    if (*out != NULL)
        return OK;
    int error = errno;
    ERR_clear_error();
    return FAIL(loading, ERR_MISSING, "%s %s: %s", what, path,
                error != 0 ? strerror(error) : "can not be opened");
}

void tls_scope_note(struct loading *loading, const void *bytes, size_t length)
{
    EVP_DigestUpdate(loading->digest, bytes, length);
}

void tls_scope_note_certificate(struct loading *loading, const X509 *certificate)
{
    uint8_t fingerprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_digest(certificate, EVP_sha256(), fingerprint, &length) == 1)
        tls_scope_note(loading, fingerprint, length);
}

// ---- What was loaded ----

enum result tls_document_add(struct loading *loading, enum tls_document_kind kind, const char *file,
                             const X509_NAME *name, const ASN1_TIME *expires)
{
    struct tls_context *context = loading->context;
    struct tls_document document = {.kind = kind};
    struct tm parts;
    if (ARRAY_GROW(context->documents, context->document_capacity, context->document_count + 1) != OK)
        return ERR_NOMEM;
    document.file = strdup(file);
    if (document.file == NULL)
        return ERR_NOMEM;
    tls_name_copy(name, document.subject, sizeof document.subject);
    if (expires != NULL && ASN1_TIME_to_tm(expires, &parts) == 1) {
        time_t when = timegm(&parts);
        document.expires = when > 0 ? (uint64_t)when : 1;
    }
    context->documents[context->document_count++] = document;
    return OK;
}

size_t tls_context_documents(const struct tls_context *context, const struct tls_document **out)
{
    *out = context->documents;
    return context->document_count;
}

static void documents_free(struct tls_context *context)
{
    for (size_t i = 0; i < context->document_count; i++)
        free(context->documents[i].file);
    free(context->documents);
}

// Called when a server asks for a certificate and we have none: the handshake goes on without.
static int on_certificate_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key)
{
    (void)certificate, (void)key;
    struct tls_link *link = SSL_get_app_data(ssl);
    link->certificate_was_asked = true;
    return 0;
}

static enum result set_protocol(struct loading *loading)
{
    SSL_CTX *ssl = loading->context->ssl;
    if (!tls_profile_apply(loading->options->profile, ssl))
        return FAIL(loading, ERR_CRYPTO, "profile %s: %s", tls_profile_name(loading->options->profile),
                    tls_ssl_text());
    if (loading->options->role == TLS_CLIENT)
        SSL_CTX_set_client_cert_cb(ssl, on_certificate_asked);
    return OK;
}

// A ticket is good for servers that would let the same peers in (RFC 5077 5.6; the session id context of
// OpenSSL).
static enum result set_session_scope(struct loading *loading)
{
    const struct tls_options *options = loading->options;
    uint8_t scope[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    uint8_t policy[4] = {(uint8_t)options->profile, (uint8_t)options->verify, (uint8_t)options->crl_scope,
                         (uint8_t)options->crl_expired_refuses};
    tls_scope_note(loading, policy, sizeof policy);
    if (EVP_DigestFinal_ex(loading->digest, scope, &length) != 1 || length < TLS_SCOPE_LENGTH ||
        SSL_CTX_set_session_id_context(loading->context->ssl, scope, TLS_SCOPE_LENGTH) != 1)
        return FAIL(loading, ERR_CRYPTO, "session scope: %s", tls_ssl_text());
    memcpy(loading->context->scope, scope, TLS_SCOPE_LENGTH);
    return OK;
}

static enum result load(struct loading *loading)
{
    const struct tls_options *options = loading->options;
    if (options->role == TLS_SERVER && options->pair_count == 0)
        return FAIL(loading, ERR_ARGUMENT, "a server needs a certificate");
    enum result result = set_protocol(loading);
    for (size_t i = 0; i < options->pair_count && result == OK; i++)
        result = tls_identity_load(loading, &options->pairs[i]);
    if (result == OK)
        result = tls_trust_load(loading);
    if (result == OK)
        result = set_session_scope(loading);
    if (result == OK)
        tls_resumption_setup(loading->context);
    return result;
}

enum result tls_context_new(const struct tls_options *options, char error[TLS_ERROR_MAX],
                            struct tls_context **out)
{
    ensure(options->pair_count <= TLS_KEY_PAIRS_MAX);
    text_format(error, TLS_ERROR_MAX, "out of memory");
    struct tls_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(context, CONTEXT_MAGIC);
    atomic_init(&context->references, 1);
    context->role = options->role;
    if (options->tickets != NULL)
        context->tickets = tls_tickets_ref(options->tickets);
    struct loading loading = {
        .options = options, .context = context, .error = error, .digest = EVP_MD_CTX_new()};
    context->ssl = SSL_CTX_new(options->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    enum result result = ERR_NOMEM;
    if (context->ssl != NULL && loading.digest != NULL &&
        EVP_DigestInit_ex(loading.digest, EVP_sha256(), NULL) == 1)
        result = load(&loading);
    EVP_MD_CTX_free(loading.digest);
    if (result != OK) {
        tls_context_unref(&context);
        return result;
    }
    error[0] = 0;
    *out = context;
    return OK;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    MAGIC_CHECK(context, CONTEXT_MAGIC);
    atomic_fetch_add(&context->references, 1);
    return context;
}

void tls_context_unref(struct tls_context **out)
{
    struct tls_context *context = *out;
    if (context == NULL)
        return;
    MAGIC_CHECK(context, CONTEXT_MAGIC);
    *out = NULL;
    if (atomic_fetch_sub(&context->references, 1) != 1)
        return;
    SSL_CTX_free(context->ssl);
    tls_tickets_unref(&context->tickets);
    documents_free(context);
    MAGIC_CLEAR(context);
    free(context);
}

bool tls_context_is_same_scope(const struct tls_context *one, const struct tls_context *other)
{
    return memcmp(one->scope, other->scope, TLS_SCOPE_LENGTH) == 0;
}

enum tls_role tls_context_role(const struct tls_context *context)
{
    return context->role;
}
