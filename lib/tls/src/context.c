// SPDX-License-Identifier: Apache-2.0
//
// Builds SSL_CTX objects from an operator's files, and says in words what is wrong with a file. Control and
// start-up only: reads files.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/magic.h"
#include "base/text.h"
#include "internal.h"

#define CONTEXT_MAGIC 0x544c5343u

enum { READ_BUFFER = 128 * 1024, VERIFY_DEPTH = 4, SECURITY_LEVEL = 2 };

// PS3.15 B.12 (BCP 195 RFC 8996): ephemeral keys and AES-GCM only.
static const char suites_12[] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                                "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256";

struct profile_row {
    const char *name;
    int version_min;
    const char *suites; // for TLS 1.2; those of 1.3 are all right as they are
};

static const struct profile_row profiles[] = {
    [TLS_PROFILE_BCP195_RFC8996] = {"bcp195-rfc8996", TLS1_2_VERSION, suites_12},
};

struct loading {
    const struct tls_options *options;
    struct tls_context *context;
    EVP_MD_CTX *digest; // over all that decides who may connect: tickets must not outlive a change of it
    char *error;
};

enum result tls_profile_parse(const char *name, enum tls_profile *out)
{
    for (size_t i = 0; i < sizeof profiles / sizeof profiles[0]; i++) {
        if (strcmp(profiles[i].name, name) == 0) {
            *out = (enum tls_profile)i;
            return OK;
        }
    }
    return ERR_MISSING;
}

const char *tls_profile_name(enum tls_profile profile)
{
    return profiles[profile].name;
}

// The last word of OpenSSL's newest error, for messages ("ee key too small").
static const char *ssl_text(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return text != NULL ? text : "unknown error";
}

#define FAIL(loading, result, ...) (text_format((loading)->error, TLS_ERROR_MAX, __VA_ARGS__), (result))

static enum result open_file(struct loading *loading, const char *what, const char *path, BIO **out)
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

static void note(struct loading *loading, const void *bytes, size_t length)
{
    EVP_DigestUpdate(loading->digest, bytes, length);
}

static void note_certificate(struct loading *loading, const X509 *certificate)
{
    uint8_t fingerprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_digest(certificate, EVP_sha256(), fingerprint, &length) == 1)
        note(loading, fingerprint, length);
}

// ---- Our own certificates
// ------------------------------------------------------------------------------------------

static void format_time(const ASN1_TIME *time, char *text, size_t size)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1 || strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        text_format(text, size, "an unreadable time");
}

static enum result check_dates(struct loading *loading, const char *path, const X509 *certificate)
{
    char text[64];
    struct tm parts;
    time_t now = (time_t)loading->options->now;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1) {
        uint64_t expires = (uint64_t)timegm(&parts);
        if (loading->context->expires == 0 || expires < loading->context->expires)
            loading->context->expires = expires;
    }
    if (now == 0)
        return OK;
    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) <= 0) {
        format_time(X509_get0_notAfter(certificate), text, sizeof text);
        return FAIL(loading, ERR_REFUSED, "certificate file %s: expired on %s", path, text);
    }
    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0) {
        format_time(X509_get0_notBefore(certificate), text, sizeof text);
        return FAIL(loading, ERR_REFUSED, "certificate file %s: not valid before %s", path, text);
    }
    return OK;
}

static enum result load_chain(struct loading *loading, const char *path, X509 **leaf, STACK_OF(X509) * chain)
{
    BIO *bio = NULL;
    enum result result = open_file(loading, "certificate file", path, &bio);
    if (result != OK)
        return result;
    *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (*leaf == NULL) {
        BIO_free(bio);
        ERR_clear_error();
        return FAIL(loading, ERR_FORMAT, "certificate file %s: no PEM certificate in it", path);
    }
    note_certificate(loading, *leaf);
    result = check_dates(loading, path, *leaf);
    for (X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL); next != NULL && result == OK;
         next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) {
        result = check_dates(loading, path, next);
        if (sk_X509_push(chain, next) == 0) {
            X509_free(next);
            result = ERR_NOMEM;
        }
    }
    BIO_free(bio);
    ERR_clear_error(); // "no start line": the end of the file
    return result;
}

static int refuse_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer, (void)size, (void)writing;
    *(bool *)asked = true;
    return -1;
}

static enum result load_key(struct loading *loading, const char *path, EVP_PKEY **key)
{
    BIO *bio = NULL;
    bool asked = false;
    enum result result = open_file(loading, "key file", path, &bio);
    if (result != OK)
        return result;
    *key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &asked);
    BIO_free(bio);
    ERR_clear_error();
    if (*key != NULL)
        return OK;
    if (asked)
        return FAIL(loading, ERR_REFUSED, "key file %s: protected by a passphrase, which is not supported",
                    path);
    return FAIL(loading, ERR_FORMAT, "key file %s: no PEM private key in it", path);
}

static enum result load_pair(struct loading *loading, const struct tls_key_pair *pair)
{
    X509 *leaf = NULL;
    EVP_PKEY *key = NULL;
    const char *key_path = pair->key != NULL ? pair->key : pair->certificate;
    STACK_OF(X509) *chain = sk_X509_new_null();
    enum result result = chain != NULL ? load_chain(loading, pair->certificate, &leaf, chain) : ERR_NOMEM;
    if (result == OK)
        result = load_key(loading, key_path, &key);
    if (result == OK && X509_check_private_key(leaf, key) != 1)
        result = FAIL(loading, ERR_REFUSED, "key file %s: does not belong to the certificate in %s", key_path,
                      pair->certificate);
    ERR_clear_error();
    if (result == OK && SSL_CTX_use_cert_and_key(loading->context->ssl, leaf, key, chain, 1) != 1)
        result = FAIL(loading, ERR_REFUSED, "certificate file %s: %s", pair->certificate, ssl_text());
    X509_free(leaf);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return result;
}

// ---- Those whom we trust
// -------------------------------------------------------------------------------------------

static enum result load_authorities(struct loading *loading, const char *path)
{
    SSL_CTX *ssl = loading->context->ssl;
    BIO *bio = NULL;
    enum result result = open_file(loading, "CA file", path, &bio);
    if (result != OK)
        return result;
    unsigned count = 0;
    for (X509 *authority = PEM_read_bio_X509(bio, NULL, NULL, NULL); authority != NULL;
         authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) {
        count++;
        note_certificate(loading, authority);
        bool fine = X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), authority) == 1;
        if (loading->options->role == TLS_SERVER)
            fine = fine && SSL_CTX_add_client_CA(ssl, authority) == 1;
        X509_free(authority);
        if (!fine)
            result = FAIL(loading, ERR_CRYPTO, "CA file %s: %s", path, ssl_text());
    }
    BIO_free(bio);
    ERR_clear_error();
    if (result == OK && count == 0)
        return FAIL(loading, ERR_FORMAT, "CA file %s: no PEM certificate in it", path);
    return result;
}

static enum result load_revocations(struct loading *loading, const char *path)
{
    X509_STORE *store = SSL_CTX_get_cert_store(loading->context->ssl);
    BIO *bio = NULL;
    enum result result = open_file(loading, "CRL file", path, &bio);
    if (result != OK)
        return result;
    unsigned count = 0;
    for (X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL); list != NULL;
         list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) {
        uint8_t fingerprint[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        count++;
        if (X509_CRL_digest(list, EVP_sha256(), fingerprint, &length) == 1)
            note(loading, fingerprint, length);
        if (X509_STORE_add_crl(store, list) != 1)
            result = FAIL(loading, ERR_CRYPTO, "CRL file %s: %s", path, ssl_text());
        X509_CRL_free(list);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (result == OK && count == 0)
        return FAIL(loading, ERR_FORMAT, "CRL file %s: no PEM revocation list in it", path);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return result;
}

static enum result set_verification(struct loading *loading)
{
    const struct tls_options *options = loading->options;
    SSL_CTX *ssl = loading->context->ssl;
    int mode = SSL_VERIFY_NONE;
    if (options->verify != TLS_VERIFY_NONE)
        mode = SSL_VERIFY_PEER;
    if (options->verify == TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT; // ignored by clients: servers always have one
    SSL_CTX_set_verify(ssl, mode, NULL);
    SSL_CTX_set_verify_depth(ssl, options->verify_depth > 0 ? options->verify_depth : VERIFY_DEPTH);
    // Who names an intermediate authority trusts it, not the root above it.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ssl), X509_V_FLAG_PARTIAL_CHAIN);
    if (options->ca_file == NULL && options->verify != TLS_VERIFY_NONE)
        return FAIL(loading, ERR_ARGUMENT, "a CA file is needed to verify peers");
    enum result result = options->ca_file != NULL ? load_authorities(loading, options->ca_file) : OK;
    if (result == OK && options->crl_file != NULL)
        result = load_revocations(loading, options->crl_file);
    return result;
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
    const struct profile_row *profile = &profiles[loading->options->profile];
    SSL_CTX *ssl = loading->context->ssl;
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL); // RSA and DH of 2048 bits and more
    SSL_CTX_set_dh_auto(ssl, 1);
    SSL_CTX_set_options(ssl,
                        SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, READ_BUFFER);
    if (SSL_CTX_set_min_proto_version(ssl, profile->version_min) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ssl, profile->suites) != 1)
        return FAIL(loading, ERR_CRYPTO, "profile %s: %s", profile->name, ssl_text());
    if (loading->options->role == TLS_CLIENT)
        SSL_CTX_set_client_cert_cb(ssl, on_certificate_asked);
    return OK;
}

// A ticket is good for servers that would let the same peers in (RFC 5077 5.6; the session id context of
// OpenSSL).
static enum result set_session_scope(struct loading *loading)
{
    uint8_t scope[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    uint8_t policy[2] = {(uint8_t)loading->options->profile, (uint8_t)loading->options->verify};
    note(loading, policy, sizeof policy);
    if (EVP_DigestFinal_ex(loading->digest, scope, &length) != 1 ||
        SSL_CTX_set_session_id_context(loading->context->ssl, scope, SSL_MAX_SID_CTX_LENGTH) != 1)
        return FAIL(loading, ERR_CRYPTO, "session scope: %s", ssl_text());
    return OK;
}

static enum result load(struct loading *loading)
{
    const struct tls_options *options = loading->options;
    if (options->role == TLS_SERVER && options->pair_count == 0)
        return FAIL(loading, ERR_ARGUMENT, "a server needs a certificate");
    enum result result = set_protocol(loading);
    for (size_t i = 0; i < options->pair_count && result == OK; i++)
        result = load_pair(loading, &options->pairs[i]);
    if (result == OK)
        result = set_verification(loading);
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
    MAGIC_CLEAR(context);
    free(context);
}

uint64_t tls_context_expires(const struct tls_context *context)
{
    return context->expires;
}

enum tls_role tls_context_role(const struct tls_context *context)
{
    return context->role;
}
