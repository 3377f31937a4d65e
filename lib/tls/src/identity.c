// SPDX-License-Identifier: Apache-2.0
//
// Who we are: our certificates with their chains and private keys, several kinds of key side by side, each
// fault told with the file's name. Control and start-up only: reads files.
#include <limits.h>
#include <string.h>
#include <time.h>

#include "base/wipe.h"
#include "loading.h"

static void format_time(const ASN1_TIME *time, char *text, size_t size)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1 || strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        text_format(text, size, "an unreadable time");
}

static enum result check_dates(struct loading *loading, const char *path, const X509 *certificate)
{
    char text[64];
    time_t now = (time_t)loading->options->now;
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

static enum result take_certificate(struct loading *loading, const char *path, const X509 *certificate)
{
    enum result result =
        tls_document_add(loading, TLS_DOCUMENT_CERTIFICATE, path, X509_get_subject_name(certificate),
                         X509_get0_notAfter(certificate));
    return result == OK ? check_dates(loading, path, certificate) : result;
}

static enum result load_chain(struct loading *loading, const char *path, X509 **leaf, STACK_OF(X509) * chain)
{
    BIO *bio = NULL;
    enum result result = tls_file_open(loading, "certificate file", path, &bio);
    if (result != OK)
        return result;
    *leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (*leaf == NULL) {
        BIO_free(bio);
        ERR_clear_error();
        return FAIL(loading, ERR_FORMAT, "certificate file %s: no PEM certificate in it", path);
    }
    tls_scope_note_certificate(loading, *leaf);
    result = take_certificate(loading, path, *leaf);
    for (X509 *next = PEM_read_bio_X509(bio, NULL, NULL, NULL); next != NULL;
         next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) {
        if (result == OK)
            result = take_certificate(loading, path, next);
        if (result != OK || sk_X509_push(chain, next) == 0) {
            X509_free(next);
            result = result != OK ? result : ERR_NOMEM;
            break;
        }
    }
    BIO_free(bio);
    ERR_clear_error(); // "no start line": the end of the file
    return result;
}

// OpenSSL asks only for a key that is encrypted.
struct asking {
    bool was_asked;
    const char *passphrase; // NULL: there is none
};

static int give_passphrase(char *buffer, int size, int writing, void *arg)
{
    struct asking *asking = arg;
    (void)writing;
    asking->was_asked = true;
    size_t length = asking->passphrase != NULL ? strlen(asking->passphrase) : 0;
    if (length == 0 || size < 0 || length > (size_t)size)
        return -1;
    memcpy(buffer, asking->passphrase, length);
    return (int)length;
}

static enum result read_key(struct loading *loading, const char *path, struct asking *asking,
                            const char *source, EVP_PKEY **key)
{
    BIO *bio = NULL;
    enum result result = tls_file_open(loading, "key file", path, &bio);
    if (result != OK)
        return result;
    *key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, asking);
    BIO_free(bio);
    ERR_clear_error();
    if (*key != NULL)
        return OK;
    if (asking->was_asked && asking->passphrase == NULL)
        return FAIL(loading, ERR_REFUSED,
                    "key file %s: protected by a passphrase; say in which file it is (key_passphrase)", path);
    if (asking->was_asked)
        return FAIL(loading, ERR_REFUSED, "key file %s: the passphrase in %s does not open it", path, source);
    return FAIL(loading, ERR_FORMAT, "key file %s: no PEM private key in it", path);
}

static enum result load_key(struct loading *loading, const struct tls_key_pair *pair, const char *path,
                            EVP_PKEY **key)
{
    char passphrase[TLS_PASSPHRASE_MAX], source[PATH_MAX];
    struct asking asking = {.passphrase = NULL};
    if (pair->passphrase_file == NULL && pair->passphrase_credential == NULL)
        return read_key(loading, path, &asking, "", key);
    enum result result = tls_passphrase_read(loading, pair, passphrase, source, sizeof source);
    if (result != OK)
        return result;
    asking.passphrase = passphrase;
    result = read_key(loading, path, &asking, source, key);
    wipe(passphrase, sizeof passphrase);
    return result;
}

// Of two certificates with the same kind of key OpenSSL would quietly keep the last.
static bool has_this_kind(SSL_CTX *ssl, const EVP_PKEY *key)
{
    bool has = false;
    for (long more = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_FIRST); more == 1 && !has;
         more = SSL_CTX_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
        const EVP_PKEY *other = SSL_CTX_get0_privatekey(ssl);
        has = other != NULL && EVP_PKEY_get_base_id(other) == EVP_PKEY_get_base_id(key);
    }
    return has;
}

enum result tls_identity_load(struct loading *loading, const struct tls_key_pair *pair)
{
    X509 *leaf = NULL;
    EVP_PKEY *key = NULL;
    SSL_CTX *ssl = loading->context->ssl;
    const char *key_path = pair->key != NULL ? pair->key : pair->certificate;
    STACK_OF(X509) *chain = sk_X509_new_null();
    enum result result = chain != NULL ? load_chain(loading, pair->certificate, &leaf, chain) : ERR_NOMEM;
    if (result == OK)
        result = load_key(loading, pair, key_path, &key);
    if (result == OK && X509_check_private_key(leaf, key) != 1)
        result = FAIL(loading, ERR_REFUSED, "key file %s: does not belong to the certificate in %s", key_path,
                      pair->certificate);
    ERR_clear_error();
    if (result == OK && has_this_kind(ssl, key))
        result = FAIL(loading, ERR_REFUSED, "certificate file %s: a second one with this kind of key (%s)",
                      pair->certificate, EVP_PKEY_get0_type_name(key));
    if (result == OK && SSL_CTX_use_cert_and_key(ssl, leaf, key, chain, 1) != 1)
        result = FAIL(loading, ERR_REFUSED, "certificate file %s: %s", pair->certificate, tls_ssl_text());
    X509_free(leaf);
    EVP_PKEY_free(key);
    sk_X509_pop_free(chain, X509_free);
    return result;
}
