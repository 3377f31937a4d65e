// SPDX-License-Identifier: Apache-2.0
//
// Whom we believe: authorities, revocation lists (files or folders of them, PEM or DER), and what an expired
// or missing list means. Control and start-up only, except the callback, which runs in a handshake.
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/x509v3.h>

#include "loading.h"

enum { VERIFY_DEPTH = 4, FOLDER_FILES_MAX = 1024 };

// OpenSSL looks into a certificate's extensions, and sorts a list, when it is first asked about them: we ask
// here, so that the handshakes of several threads only read what they share. What it says of them is the
// handshakes' to judge.
static void look_into_authority(X509 *authority)
{
    X509_check_purpose(authority, -1, 0);
}

static void look_into_list(X509_CRL *list)
{
    X509_REVOKED *revoked = NULL;
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    if (serial != NULL && ASN1_INTEGER_set(serial, 1) == 1)
        X509_CRL_get0_by_serial(list, &revoked, serial);
    ASN1_INTEGER_free(serial);
}

static enum result load_authorities(struct loading *loading, const char *path)
{
    SSL_CTX *ssl = loading->context->ssl;
    BIO *bio = NULL;
    enum result result = tls_file_open(loading, "CA file", path, &bio);
    if (result != OK)
        return result;
    unsigned count = 0;
    for (X509 *authority = PEM_read_bio_X509(bio, NULL, NULL, NULL); authority != NULL;
         authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) {
        count++;
        look_into_authority(authority);
        tls_scope_note_certificate(loading, authority);
        bool fine = X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), authority) == 1;
        if (loading->options->role == TLS_SERVER)
            fine = fine && SSL_CTX_add_client_CA(ssl, authority) == 1;
        if (!fine)
            result = FAIL(loading, ERR_CRYPTO, "CA file %s: %s", path, tls_ssl_text());
        else if (result == OK)
            result = tls_document_add(loading, TLS_DOCUMENT_AUTHORITY, path, X509_get_subject_name(authority),
                                      X509_get0_notAfter(authority));
        X509_free(authority);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (result == OK && count == 0)
        return FAIL(loading, ERR_FORMAT, "CA file %s: no PEM certificate in it", path);
    return result;
}

// ---- Revocation lists ----

static enum result add_list(struct loading *loading, const char *path, X509_CRL *list)
{
    uint8_t fingerprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (X509_CRL_digest(list, EVP_sha256(), fingerprint, &length) == 1)
        tls_scope_note(loading, fingerprint, length);
    look_into_list(list);
    if (X509_STORE_add_crl(SSL_CTX_get_cert_store(loading->context->ssl), list) != 1)
        return FAIL(loading, ERR_CRYPTO, "CRL file %s: %s", path, tls_ssl_text());
    return tls_document_add(loading, TLS_DOCUMENT_CRL, path, X509_CRL_get_issuer(list),
                            X509_CRL_get0_nextUpdate(list));
}

// PEM, any number of lists, or else DER, one list (RFC 2585 3: what authorities publish).
static enum result load_list_file(struct loading *loading, const char *path)
{
    BIO *bio = NULL;
    enum result result = tls_file_open(loading, "CRL file", path, &bio);
    if (result != OK)
        return result;
    unsigned count = 0;
    for (X509_CRL *list = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL); list != NULL && result == OK;
         list = result == OK ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL) {
        count++;
        result = add_list(loading, path, list);
        X509_CRL_free(list);
    }
    if (count == 0 && BIO_seek(bio, 0) == 0) {
        X509_CRL *list = d2i_X509_CRL_bio(bio, NULL);
        if (list != NULL) {
            count++;
            result = add_list(loading, path, list);
            X509_CRL_free(list);
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    if (result == OK && count == 0)
        return FAIL(loading, ERR_FORMAT, "CRL file %s: no revocation list in it (PEM or DER)", path);
    return result;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static enum result load_list_folder(struct loading *loading, const char *path)
{
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, visible, alphasort);
    if (count < 0)
        return FAIL(loading, ERR_MISSING, "CRL folder %s: %s", path, strerror(errno));
    enum result result = OK;
    if (count == 0)
        result = FAIL(loading, ERR_MISSING, "CRL folder %s: no file in it", path);
    if (count > FOLDER_FILES_MAX)
        result = FAIL(loading, ERR_LIMIT, "CRL folder %s: more than %d files", path, FOLDER_FILES_MAX);
    for (int i = 0; i < count; i++) {
        char file[PATH_MAX];
        if (result == OK)
            result = text_format(file, sizeof file, "%s/%s", path, entries[i]->d_name)
                         ? load_list_file(loading, file)
                         : FAIL(loading, ERR_ARGUMENT, "CRL folder %s: a path is too long", path);
        free(entries[i]);
    }
    free(entries);
    return result;
}

static enum result load_lists(struct loading *loading)
{
    const struct tls_options *options = loading->options;
    enum result result = OK;
    for (size_t i = 0; i < options->crl_count && result == OK; i++) {
        struct stat status;
        bool is_folder = stat(options->crls[i], &status) == 0 && S_ISDIR(status.st_mode);
        result = is_folder ? load_list_folder(loading, options->crls[i])
                           : load_list_file(loading, options->crls[i]);
    }
    unsigned long flags = X509_V_FLAG_CRL_CHECK;
    if (options->crl_scope == TLS_CRL_CHAIN)
        flags |= X509_V_FLAG_CRL_CHECK_ALL;
    if (result == OK && options->crl_count > 0)
        X509_STORE_set_flags(SSL_CTX_get_cert_store(loading->context->ssl), flags);
    return result;
}

// ---- Decisions in a handshake ----

// The trust anchor is believed because the operator named it: no list has to speak for it (RFC 5280 6.1.1).
static bool is_anchor(X509_STORE_CTX *store)
{
    const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
    return chain != NULL && X509_STORE_CTX_get_error_depth(store) == sk_X509_num(chain) - 1 &&
           sk_X509_num(chain) > 1;
}

static int on_verify(int is_fine, X509_STORE_CTX *store)
{
    if (is_fine)
        return 1;
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    int error = X509_STORE_CTX_get_error(store);
    bool passes = (error == X509_V_ERR_CRL_HAS_EXPIRED && !context->crl_expired_refuses) ||
                  (error == X509_V_ERR_UNABLE_TO_GET_CRL && is_anchor(store));
    if (passes)
        X509_STORE_CTX_set_error(store, X509_V_OK);
    return passes;
}

enum result tls_trust_load(struct loading *loading)
{
    const struct tls_options *options = loading->options;
    SSL_CTX *ssl = loading->context->ssl;
    int mode = SSL_VERIFY_NONE;
    if (options->verify != TLS_VERIFY_NONE)
        mode = SSL_VERIFY_PEER;
    if (options->verify == TLS_VERIFY_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT; // ignored by clients: servers always have one
    SSL_CTX_set_verify(ssl, mode, mode != SSL_VERIFY_NONE ? on_verify : NULL);
    SSL_CTX_set_verify_depth(ssl, options->verify_depth > 0 ? options->verify_depth : VERIFY_DEPTH);
    // Who names an intermediate authority trusts it, not the root above it.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(ssl), X509_V_FLAG_PARTIAL_CHAIN);
    loading->context->crl_expired_refuses = options->crl_expired_refuses;
    if (options->ca_file == NULL && options->verify != TLS_VERIFY_NONE)
        return FAIL(loading, ERR_ARGUMENT, "a CA file is needed to verify peers");
    enum result result = options->ca_file != NULL ? load_authorities(loading, options->ca_file) : OK;
    return result == OK ? load_lists(loading) : result;
}
