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
// BCP195_RFC8996: TLS 1.2 and 1.3 only; for 1.2 ECDHE and DHE (2048 bits and more) with AES-GCM.
enum tls_profile { TLS_PROFILE_BCP195_RFC8996 };

// "bcp195-rfc8996". ERR_MISSING: no such profile.
MUST_USE enum result tls_profile_parse(const char *name, enum tls_profile *out);
const char *tls_profile_name(enum tls_profile profile);

struct tls_key_pair {
    const char *certificate; // PEM file: certificate, then intermediates
    const char *key;         // PEM file without passphrase; NULL: in the certificate's file
};

enum { TLS_KEY_PAIRS_MAX = 4, TLS_ERROR_MAX = 512 };

struct tls_options {
    enum tls_role role;
    enum tls_profile profile;
    enum tls_verify verify;
    struct tls_key_pair pairs[TLS_KEY_PAIRS_MAX]; // one for each kind of key; a server needs one at least
    size_t pair_count;
    const char *ca_file;  // PEM; needed unless verify is NONE
    const char *crl_file; // PEM; NULL: revocation is not checked
    int verify_depth;     // intermediates, 0: 4
    uint64_t now;         // seconds since 1970 for the check of our own certificates; 0: no check
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
// The earliest end of validity among our certificates and intermediates, seconds since 1970; 0: none loaded.
uint64_t tls_context_expires(const struct tls_context *context);
enum tls_role tls_context_role(const struct tls_context *context);

// ---- Session tickets (RFC 5077, RFC 8446 4.6.1), server side
// -------------------------------------------------------

// Keys for all servers of the process; the newest seals, the older ones still open. Thread-safe. ERR_NOMEM,
// ERR_CRYPTO.
enum { TLS_TICKET_KEYS = 3, TLS_SESSION_LIFETIME = 7200 };
MUST_USE enum result tls_tickets_new(struct tls_tickets **out);
struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets);
void tls_tickets_unref(struct tls_tickets **tickets);
// A new sealing key; the oldest of TLS_TICKET_KEYS is wiped. Call every TLS_SESSION_LIFETIME / 2 seconds or
// so. ERR_CRYPTO: nothing has changed.
MUST_USE enum result tls_tickets_rotate(struct tls_tickets *tickets);

// ---- Session of a client
// -------------------------------------------------------------------------------------------

// The last session with one node, offered again at the next connection (once: of connections that begin
// together one resumes). Thread-safe; one for each node and context.
MUST_USE enum result tls_session_slot_new(struct tls_session_slot **out);
struct tls_session_slot *tls_session_slot_ref(struct tls_session_slot *slot);
void tls_session_slot_unref(struct tls_session_slot **slot);
void tls_session_slot_clear(struct tls_session_slot *slot);
