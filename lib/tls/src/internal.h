// SPDX-License-Identifier: Apache-2.0
//
// Between the sources of lib/tls.
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/transport.h"
#include "tls/context.h"

enum { TLS_SCOPE_LENGTH = SSL_MAX_SID_CTX_LENGTH };

struct tls_context {
    uint32_t magic;
    atomic_uint references;
    enum tls_role role;
    bool crl_expired_refuses;
    uint8_t scope[TLS_SCOPE_LENGTH]; // digest of all that decides who may connect
    SSL_CTX *ssl;
    struct tls_tickets *tickets; // NULL: no resumption
    struct tls_document *documents;
    size_t document_count, document_capacity;
};

// Versions, suites, groups and signatures of the profile. False: OpenSSL's error queue says why.
MUST_USE bool tls_profile_apply(enum tls_profile profile, SSL_CTX *ssl);

// Installs the ticket callbacks of a server, or those that keep a client's sessions.
void tls_resumption_setup(struct tls_context *context);

// What OpenSSL's callbacks reach from an SSL object: its application data.
struct tls_link {
    struct tls_session_slot *slot; // a client's; NULL: no resumption
    bool certificate_was_asked;    // the server wanted one, we have none
    bool handshake_done;
};

// Takes a session out of the slot of a client's link and offers it: a ticket is used once (RFC 8446 C.4).
void tls_session_offer(const struct tls_link *link, SSL *ssl);
// After the handshake. A session of TLS 1.2 goes back: OpenSSL does not report one that was resumed, nor its
// new ticket.
void tls_session_keep(const struct tls_link *link, SSL *ssl);

// Joins `ssl` to the socket (gather.c). *more, read at each write: another one follows at once. It must live
// as long as `ssl`. ERR_NOMEM.
MUST_USE enum result tls_gather_attach(SSL *ssl, int fd, bool *more);

// A name as bounded text of RFC 2253, or empty.
void tls_name_copy(const X509_NAME *name, char *to, size_t capacity);
// Fills the TLS part of `peer` after the handshake.
void tls_peer_fill(SSL *ssl, struct transport_peer *peer);

// What an SSL function's failure means. Reads and empties the thread's OpenSSL error queue. `error` is what
// SSL_get_error() said, `system_error` errno.
enum transport_reason tls_fault(SSL *ssl, int error, int system_error);
