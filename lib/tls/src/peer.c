// SPDX-License-Identifier: Apache-2.0
//
// What a peer's certificate says, as bounded text. A value that could deceive (NUL, control characters) or
// does not fit is left out: a name that was cut could match another one. Any thread.
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "internal.h"

static bool is_clean(struct slice text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return false;
    }
    return text.length > 0;
}

static void copy_whole(char *to, size_t capacity, struct slice text)
{
    if (!is_clean(text) || !text_copy(to, capacity, text))
        to[0] = 0;
}

// The common name, if there is exactly one.
static void copy_common_name(const X509_NAME *name, char *to, size_t capacity)
{
    to[0] = 0;
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return;
    unsigned char *utf8 = NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (length > 0)
        copy_whole(to, capacity, slice_of(utf8, (size_t)length));
    OPENSSL_free(utf8);
}

void tls_name_copy(const X509_NAME *name, char *to, size_t capacity)
{
    to[0] = 0;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio != NULL && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(bio, &text);
        if (length > 0)
            copy_whole(to, capacity, slice_of(text, (size_t)length));
    }
    BIO_free(bio);
}

static void copy_dns_names(X509 *certificate, char *to, size_t capacity)
{
    to[0] = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t at = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        struct slice text =
            slice_of(ASN1_STRING_get0_data(name->d.dNSName), (size_t)ASN1_STRING_length(name->d.dNSName));
        if (!is_clean(text) || memchr(text.data, ' ', text.length) != NULL || text.length + 2 > capacity - at)
            continue;
        if (at > 0)
            to[at++] = ' ';
        text_copy(to + at, capacity - at, text);
        at += text.length;
    }
    GENERAL_NAMES_free(names);
}

void tls_peer_fill(SSL *ssl, struct transport_peer *peer)
{
    peer->has_tls = true;
    peer->is_resumed = SSL_session_reused(ssl) == 1;
    text_copy(peer->tls_version, sizeof peer->tls_version, slice_of_text(SSL_get_version(ssl)));
    text_copy(peer->tls_cipher, sizeof peer->tls_cipher, slice_of_text(SSL_get_cipher_name(ssl)));
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    unsigned length = 0;
    if (certificate == NULL || X509_digest(certificate, EVP_sha256(), peer->fingerprint, &length) != 1 ||
        length != TRANSPORT_FINGERPRINT_LENGTH)
        return;
    peer->has_certificate = true;
    struct tm parts;
    time_t expires = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) == 1 ? timegm(&parts) : 0;
    peer->expires = expires > 0 ? (uint64_t)expires : 0;
    copy_common_name(X509_get_subject_name(certificate), peer->subject_cn, sizeof peer->subject_cn);
    tls_name_copy(X509_get_subject_name(certificate), peer->subject_dn, sizeof peer->subject_dn);
    tls_name_copy(X509_get_issuer_name(certificate), peer->issuer_dn, sizeof peer->issuer_dn);
    copy_dns_names(certificate, peer->dns_names, sizeof peer->dns_names);
}
