// SPDX-License-Identifier: Apache-2.0
//
// The seam between protocol code and the network: a bidirectional byte stream on one loop. Implemented by
// net/plain.h (TCP), tls/transport.h (TLS) and net/memory.h (tests and simulator). The owner is a leg; it
// never knows which it has.
//
// Contract
// - One handler, on_ready(arg, events). OPEN comes once when bytes can flow (connected, handshake done), also
// for
//   accepted sockets, never inside the call that makes the transport. Before OPEN reads and writes answer
//   AGAIN. BROKEN comes once when the transport fails outside of a call of the owner's, and always when it
//   fails before OPEN; transport_reason() tells why. READABLE and WRITABLE come while they are wanted and
//   possible (level-triggered).
// - Inside the handler everything is allowed, transport_free() too: memory lives to the end of the turn, and
// after
//   transport_close(), _reset() or _free() no event comes any more.
// - The transport has no deadlines: connect, handshake, read and write limits are the owner's timers.
#pragma once

#include "base/log.h"
#include "base/slice.h"
#include "ev/loop.h"
#include "net/address.h"

enum transport_reason {
#define REASON(name, event, text) TRANSPORT_##name,
#include "net/reasons.def"
#undef REASON
    TRANSPORT_REASON_COUNT
};

// For a person; never patient data.
const char *transport_reason_text(enum transport_reason reason);
enum log_id transport_reason_event(enum transport_reason reason);
// Writes the log event of this reason with the peer's address (and counts it).
struct transport_peer;
void transport_reason_log(enum transport_reason reason, const struct transport_peer *peer);

enum {
    TRANSPORT_CN_MAX = 256,
    TRANSPORT_DN_MAX = 512,
    TRANSPORT_DNS_MAX = 1024,
    TRANSPORT_FINGERPRINT_LENGTH = 32,
};

// Who is at the other end. All text is NUL-terminated; certificate fields are empty for plain transports, and
// before OPEN. A value that does not fit or holds control characters or NUL is left out, never cut.
struct transport_peer {
    struct net_address address;
    bool has_tls;
    bool has_certificate; // verified against the context's authorities if the context says so
    bool is_resumed;      // TLS session resumption
    uint64_t expires;     // end of the certificate's validity, seconds since 1970; 0: unknown
    uint8_t fingerprint[TRANSPORT_FINGERPRINT_LENGTH]; // SHA-256 of the DER certificate
    char subject_cn[TRANSPORT_CN_MAX];
    char subject_dn[TRANSPORT_DN_MAX]; // RFC 2253
    char issuer_dn[TRANSPORT_DN_MAX];
    char dns_names[TRANSPORT_DNS_MAX]; // subjectAltName dNSName entries, separated by one space
    char tls_version[16];              // "TLSv1.3"
    char tls_cipher[64];               // "TLS_AES_256_GCM_SHA384"
};

enum transport_event {
    TRANSPORT_OPEN = 1,
    TRANSPORT_READABLE = 2,
    TRANSPORT_WRITABLE = 4,
    TRANSPORT_BROKEN = 8,
};

typedef void transport_ready_fn(void *arg, unsigned events);

struct transport;

struct transport_ops {
    const char *kind; // "plain", "tls", "memory"
    enum result (*read)(struct transport *transport, void *buffer, size_t capacity, size_t *got);
    enum result (*writev)(struct transport *transport, const struct slice *slices, size_t count,
                          size_t *written);
    void (*want)(struct transport *transport, unsigned events);
    void (*shutdown)(struct transport *transport);
    void (*close)(struct transport *transport, bool orderly);
    void (*destroy)(struct ev_garbage *garbage);
};

enum transport_state { TRANSPORT_OPENING, TRANSPORT_IS_OPEN, TRANSPORT_IS_BROKEN, TRANSPORT_IS_CLOSED };

// Implementations embed this as their first member; owners use the functions below only.
struct transport {
    uint32_t magic;
    enum transport_state state;
    enum transport_reason reason;
    unsigned wanted;
    bool ended;      // the peer's end of stream has been read
    bool is_shut;    // our writing direction has ended
    bool drains;     // broken by a write: what had come in may still be read
    bool was_broken; // for close: it was broken before
    bool freed;
    const struct transport_ops *ops;
    struct ev_loop *loop;
    transport_ready_fn *on_ready;
    void *arg;
    uint64_t bytes_read, bytes_written;
    struct ev_garbage garbage;
    struct transport_peer peer;
};

// OK: *got bytes (at least 1). AGAIN: nothing now. CLOSED: the peer ended the stream in order (TCP FIN; with
// TLS after close_notify). ERR_IO: transport_reason(). CLOSED and ERR_IO repeat on every later call. capacity
// > 0.
MUST_USE enum result transport_read(struct transport *transport, void *buffer, size_t capacity, size_t *got);
// OK: *written bytes were taken, at least 1 unless the slices are empty; partial is normal. AGAIN: none; want
// WRITABLE. ERR_IO: transport_reason(). Bytes taken are sent without further calls; what was not taken may be
// changed.
MUST_USE enum result transport_writev(struct transport *transport, const struct slice *slices, size_t count,
                                      size_t *written);
// events: READABLE and WRITABLE in any combination; replaces what was wanted before. Nothing is wanted at
// first.
void transport_want(struct transport *transport, unsigned events);
// Ends the writing direction (close_notify, FIN) after the bytes taken; reading goes on.
void transport_shutdown(struct transport *transport);
// Orderly end now: what is left is tried once, close_notify, close. Anything unread is discarded. To be sure
// that the peer gets the last bytes: shutdown, read until CLOSED or a deadline, close.
void transport_close(struct transport *transport);
// Ends at once with a TCP reset; bytes not yet sent are discarded.
void transport_reset(struct transport *transport);
// transport_close() if still open; memory goes back at the end of the turn. Nulls *transport; NULL inside is
// fine.
void transport_free(struct transport **transport);

void transport_set_handler(struct transport *transport, transport_ready_fn *on_ready, void *arg);
bool transport_is_open(const struct transport *transport);
enum transport_reason transport_reason(const struct transport *transport);
const struct transport_peer *transport_peer(const struct transport *transport);
const char *transport_kind(const struct transport *transport);
uint64_t transport_bytes_read(const struct transport *transport);
uint64_t transport_bytes_written(const struct transport *transport);

// ---- For implementations ----

void transport_setup(struct transport *transport, const struct transport_ops *ops, struct ev_loop *loop,
                     const struct net_address *peer, transport_ready_fn *on_ready, void *arg);
// OPENING -> IS_OPEN, then the event (not if closed meanwhile).
void transport_opened(struct transport *transport);
// -> IS_BROKEN with the reason; ERR_IO as a convenience. notify: also send BROKEN (outside of the owner's
// calls).
enum result transport_broke(struct transport *transport, enum transport_reason reason, bool notify);
// Sends `events` that are still wanted, to a transport that is open.
void transport_emit(struct transport *transport, unsigned events);
enum transport_reason transport_reason_of_errno(int error);
