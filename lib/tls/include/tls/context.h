// SPDX-License-Identifier: Apache-2.0
//
// What TLS needs to know before a connection: certificates, keys, trusted authorities, profile. A context is
// immutable and reference-counted; any thread may use it; on reload a new one takes its place. Source: PS3.15
// B.12 (BCP 195 RFC 8996 TLS Secure Transport Connection Profile), RFC 9325, ENGINE 1.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

struct tls_context;
struct tls_tickets;
struct tls_session_slot;

enum tls_role { TLS_SERVER, TLS_CLIENT };
// NONE: the peer's certificate is neither asked for (server) nor checked (client). OPTIONAL (server): checked
// if shown.
enum tls_verify { TLS_VERIFY_REQUIRED, TLS_VERIFY_OPTIONAL, TLS_VERIFY_NONE };
// Both allow TLS 1.2 and 1.3 only, ephemeral elliptic-curve keys and AEAD ciphers, and never a pre-shared
// key. BCP195_RFC8996: PS3.15 B.12, for 1.2 the suites of RFC 9325 4.2 (ECDHE with AES-GCM). MODIFIED: PS3.15
// B.13, with ChaCha20-Poly1305 and AES-CCM besides.
enum tls_profile { TLS_PROFILE_BCP195_RFC8996, TLS_PROFILE_MODIFIED_BCP195_RFC8996 };
// Which certificates of a peer's chain must not be revoked: all below the trusted one, or the peer's alone.
enum tls_crl_scope { TLS_CRL_CHAIN, TLS_CRL_LEAF };

// "bcp195-rfc8996", "modified-bcp195-rfc8996".
const char *tls_profile_name(enum tls_profile profile);

struct tls_key_pair {
    const char *certificate; // PEM file: certificate, then intermediates
    const char *key;         // PEM file; NULL: in the certificate's file
    // At most one of the two: where the key's passphrase stands, as the first line of a file that nobody else
    // may read, or as a credential below $CREDENTIALS_DIRECTORY. Both NULL: the key has none.
    const char *passphrase_file;
    const char *passphrase_credential;
};

enum { TLS_KEY_PAIRS_MAX = 4, TLS_ERROR_MAX = 512 };

struct tls_options {
    enum tls_role role;
    enum tls_profile profile;
    enum tls_verify verify;
    struct tls_key_pair pairs[TLS_KEY_PAIRS_MAX]; // one for each kind of key; a server needs one at least
    size_t pair_count;
    const char *ca_file; // PEM; needed unless verify is NONE
    // Files (PEM, or one list in DER) or folders of them; none: revocation is not checked. With any, an
    // authority without a list lets nobody in.
    const char *const *crls;
    size_t crl_count;
    enum tls_crl_scope crl_scope;
    bool crl_expired_refuses; // else a list past its nextUpdate still counts
    int verify_depth;         // intermediates, 0: 4
    uint64_t now;             // seconds since 1970 for the check of our own certificates; 0: no check
    // The same for all servers of the process; NULL: no resumption. Referenced by the context.
    struct tls_tickets *tickets;
};

// error: what is wrong, with the file's name, for the operator; never key material. ERR_MISSING (file),
// ERR_FORMAT (not PEM), ERR_REFUSED (key does not fit, expired, too weak), ERR_ARGUMENT, ERR_NOMEM,
// ERR_CRYPTO.
MUST_USE enum result tls_context_new(const struct tls_options *options, char error[TLS_ERROR_MAX],
                                     struct tls_context **out);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context **context);
// Whether sessions of one may be resumed with the other: same certificates, authorities, lists and profile.
bool tls_context_is_same_scope(const struct tls_context *one, const struct tls_context *other);

enum tls_document_kind { TLS_DOCUMENT_CERTIFICATE, TLS_DOCUMENT_AUTHORITY, TLS_DOCUMENT_CRL };
enum { TLS_SUBJECT_MAX = 256 };

// A certificate or list that the context was made from.
struct tls_document {
    enum tls_document_kind kind;
    char *file;
    char subject[TLS_SUBJECT_MAX]; // RFC 2253; of a list: its issuer
    uint64_t expires;              // notAfter or nextUpdate, seconds since 1970; 0: none
};
// How many; *out is borrowed as long as the context lives.
size_t tls_context_documents(const struct tls_context *context, const struct tls_document **out);
enum tls_role tls_context_role(const struct tls_context *context);

// ---- Session tickets (RFC 5077, RFC 8446 4.6.1), server side ----

// Keys for all servers of the process; the newest seals, the older ones still open. Thread-safe. ERR_NOMEM,
// ERR_CRYPTO.
enum { TLS_TICKET_KEYS = 3, TLS_SESSION_LIFETIME = 7200 };
MUST_USE enum result tls_tickets_new(struct tls_tickets **out);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets **tickets);
// A new sealing key; the oldest of TLS_TICKET_KEYS is wiped. Call every TLS_SESSION_LIFETIME / 2 seconds or
// so. ERR_CRYPTO: nothing has changed.
MUST_USE enum result tls_tickets_rotate(struct tls_tickets *tickets);

// ---- Sessions of a client ----

// The last sessions with one node, each offered again at one later connection (RFC 8446 C.4), so that as many
// lanes as there are sessions resume side by side. Thread-safe; one slot for each node and context.
enum { TLS_SESSIONS_KEPT = 16 };
MUST_USE enum result tls_session_slot_new(struct tls_session_slot **out);
struct tls_session_slot *tls_session_slot_ref(struct tls_session_slot *slot);
void tls_session_slot_unref(struct tls_session_slot **slot);
void tls_session_slot_clear(struct tls_session_slot *slot);
