// SPDX-License-Identifier: Apache-2.0
//
// From OpenSSL's errors to the reasons of net/reasons.def, by table. Any thread.
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "internal.h"

struct row {
    int code;
    enum transport_reason reason;
};

// X509_verify_cert(): what is wrong with the peer's certificate (RFC 5280 6).
static const struct row verify_rows[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_CERT_UNTRUSTED, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_CERT_CHAIN_TOO_LONG, TRANSPORT_TLS_UNKNOWN_CA},
    {X509_V_ERR_CERT_HAS_EXPIRED, TRANSPORT_TLS_EXPIRED},
    {X509_V_ERR_CERT_NOT_YET_VALID, TRANSPORT_TLS_NOT_YET_VALID},
    {X509_V_ERR_CERT_REVOKED, TRANSPORT_TLS_REVOKED},
    {X509_V_ERR_UNABLE_TO_GET_CRL, TRANSPORT_TLS_CRL_MISSING},
    {X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER, TRANSPORT_TLS_CRL_MISSING},
    {X509_V_ERR_CRL_HAS_EXPIRED, TRANSPORT_TLS_CRL_EXPIRED},
    {X509_V_ERR_HOSTNAME_MISMATCH, TRANSPORT_TLS_WRONG_NAME},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, TRANSPORT_TLS_WRONG_NAME},
    {X509_V_ERR_INVALID_PURPOSE, TRANSPORT_TLS_WRONG_PURPOSE},
    {X509_V_ERR_EE_KEY_TOO_SMALL, TRANSPORT_TLS_WEAK_KEY},
    {X509_V_ERR_CA_KEY_TOO_SMALL, TRANSPORT_TLS_WEAK_KEY},
    {X509_V_ERR_CA_MD_TOO_WEAK, TRANSPORT_TLS_WEAK_KEY},
};

static const struct row error_rows[] = {
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TRANSPORT_TLS_NO_CERTIFICATE},
    {SSL_R_NO_SHARED_CIPHER, TRANSPORT_TLS_NO_SHARED_CIPHER},
    {SSL_R_NO_SUITABLE_KEY_SHARE, TRANSPORT_TLS_NO_SHARED_CIPHER},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TRANSPORT_TLS_NO_SHARED_CIPHER},
    {SSL_R_UNSUPPORTED_PROTOCOL, TRANSPORT_TLS_VERSION_TOO_LOW},
    {SSL_R_VERSION_TOO_LOW, TRANSPORT_TLS_VERSION_TOO_LOW},
    {SSL_R_UNKNOWN_PROTOCOL, TRANSPORT_TLS_VERSION_TOO_LOW},
    {SSL_R_WRONG_SSL_VERSION, TRANSPORT_TLS_VERSION_TOO_LOW},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, TRANSPORT_TLS_VERSION_TOO_LOW},
    {SSL_R_DH_KEY_TOO_SMALL, TRANSPORT_TLS_WEAK_KEY},
    {SSL_R_EE_KEY_TOO_SMALL, TRANSPORT_TLS_WEAK_KEY},
    {SSL_R_CA_KEY_TOO_SMALL, TRANSPORT_TLS_WEAK_KEY},
    {SSL_R_CA_MD_TOO_WEAK, TRANSPORT_TLS_WEAK_KEY},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, TRANSPORT_TLS_OURS_UNKNOWN_CA},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, TRANSPORT_TLS_OURS_EXPIRED},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, TRANSPORT_TLS_OURS_REFUSED},
    {SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, TRANSPORT_TLS_OURS_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, TRANSPORT_TLS_OURS_REFUSED},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, TRANSPORT_TLS_OURS_REFUSED},
    {SSL_R_TLSV1_ALERT_ACCESS_DENIED, TRANSPORT_TLS_OURS_REFUSED},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, TRANSPORT_TLS_OURS_MISSING},
    {SSL_R_WRONG_VERSION_NUMBER, TRANSPORT_NOT_TLS},
    {SSL_R_HTTP_REQUEST, TRANSPORT_NOT_TLS},
    {SSL_R_HTTPS_PROXY_REQUEST, TRANSPORT_NOT_TLS},
};

static enum transport_reason look_up(const struct row *rows, size_t count, int code,
                                     enum transport_reason otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].code == code)
            return rows[i].reason;
    }
    return otherwise;
}

static const struct tls_link *link_of(SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

// A handshake_failure alert says little (RFC 5246 7.2.2): what we know decides.
static enum transport_reason handshake_failure(SSL *ssl)
{
    if (link_of(ssl)->certificate_was_asked)
        return TRANSPORT_TLS_OURS_MISSING;
    return SSL_get_current_cipher(ssl) == NULL ? TRANSPORT_TLS_NO_SHARED_CIPHER : TRANSPORT_TLS_PEER_FAILED;
}

static enum transport_reason of_ssl_code(SSL *ssl, int code)
{
    if (code == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return look_up(verify_rows, sizeof verify_rows / sizeof verify_rows[0],
                       (int)SSL_get_verify_result(ssl), TRANSPORT_TLS_BAD_CERTIFICATE);
    if (code == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return link_of(ssl)->handshake_done ? TRANSPORT_TLS_TRUNCATED : TRANSPORT_TLS_HANDSHAKE_CLOSED;
    if (code == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE)
        return handshake_failure(ssl);
    // OpenSSL numbers the alerts that it receives from this offset on.
    enum transport_reason otherwise =
        code >= SSL_AD_REASON_OFFSET ? TRANSPORT_TLS_PEER_FAILED : TRANSPORT_TLS_BROKEN;
    return look_up(error_rows, sizeof error_rows / sizeof error_rows[0], code, otherwise);
}

enum transport_reason tls_fault(SSL *ssl, int error, int system_error)
{
    enum transport_reason reason = TRANSPORT_TLS_BROKEN;
    for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
        if (reason == TRANSPORT_TLS_BROKEN && ERR_GET_LIB(code) == ERR_LIB_SSL)
            reason = of_ssl_code(ssl, ERR_GET_REASON(code));
    }
    if (error != SSL_ERROR_SYSCALL || reason != TRANSPORT_TLS_BROKEN)
        return reason;
    if (system_error == 0)
        return link_of(ssl)->handshake_done ? TRANSPORT_TLS_TRUNCATED : TRANSPORT_TLS_HANDSHAKE_CLOSED;
    return transport_reason_of_errno(system_error);
}
