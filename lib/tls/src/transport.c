// SPDX-License-Identifier: Apache-2.0
//
// Transport over TLS: OpenSSL on the socket's descriptor, non-blocking, without libevent's TLS layer.
// Thread: the loop's own. Owner: a leg.
//
// Reading drains OpenSSL before it waits for the socket: with read-ahead, bytes may lie decrypted or
// undecrypted in OpenSSL while the descriptor is quiet (PROTOCOL case 95). Writing gathers small slices into
// one record; a record that the socket does not take whole is kept here, so that the owner may change its
// mind about what follows.
#include "tls/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/magic.h"
#include "base/wipe.h"
#include "ev/real.h"
#include "internal.h"

#define TLS_MAGIC 0x544c5354u

enum {
    RECORD_MAX = 16 * 1024,     // RFC 8446 5.1
    WRITE_AT_ONCE = 256 * 1024, // then other associations have their turn
    DISCARD_MAX = 128 * 1024,
};

enum phase { PHASE_CONNECTING, PHASE_FIRST_BYTE, PHASE_HANDSHAKE, PHASE_OPEN };

struct tls {
    struct transport transport;
    uint32_t magic;
    int fd;
    int connect_error;
    enum phase phase;
    bool heard;        // the peer's first byte has been looked at
    bool has_more;     // a read stopped because the owner's buffer was full
    bool shut_waits;   // close_notify goes after the kept record, and when the socket takes it
    bool is_notified;  // it has gone, or never will
    bool more_follows; // another record goes out right behind the one that is being written
    bool has_fault;    // found after a read had given bytes: told by the next one
    bool is_blind;     // the loop could not be told what is waited for
    enum transport_reason fault;
    SSL *ssl;
    struct tls_context *context;
    struct tls_link link;
    struct ev_watch *watch;
    struct ev_task again;
    uint8_t *kept; // a record that is under way; NULL until the socket was full for the first time
    size_t kept_from, kept_to;
    // What OpenSSL waits for in each of its functions (enum ev_direction): reading may wait for writing and
    // the other way round (a key update, RFC 8446 4.6.3).
    unsigned handshake_waits, read_waits, write_waits;
};

static struct tls *tls_of(struct transport *transport)
{
    struct tls *tls = (struct tls *)(void *)transport;
    MAGIC_CHECK(tls, TLS_MAGIC);
    return tls;
}

static bool has_kept(const struct tls *tls)
{
    return tls->kept_from < tls->kept_to;
}

static void watch_what_is_needed(struct tls *tls)
{
    if (tls->watch == NULL)
        return;
    unsigned directions = 0;
    unsigned wanted = 0;
    bool alive = tls->transport.state == TRANSPORT_OPENING || tls->transport.state == TRANSPORT_IS_OPEN;
    if (tls->phase == PHASE_OPEN && alive)
        wanted = tls->transport.ended ? tls->transport.wanted & ~(unsigned)TRANSPORT_READABLE
                                      : tls->transport.wanted;
    if (alive && tls->phase == PHASE_CONNECTING)
        directions = EV_DIRECTION_WRITE;
    if (alive && tls->phase == PHASE_FIRST_BYTE)
        directions = EV_DIRECTION_READ;
    if (alive && tls->phase == PHASE_HANDSHAKE)
        directions = tls->handshake_waits;
    if (wanted & TRANSPORT_READABLE)
        directions |= EV_DIRECTION_READ | tls->read_waits;
    // While a record is under way the owner's wish to write waits behind it.
    if (alive && (has_kept(tls) || tls->shut_waits))
        directions |= tls->write_waits;
    else if (wanted & TRANSPORT_WRITABLE)
        directions |= EV_DIRECTION_WRITE;
    if (ev_watch_want(tls->watch, directions) != OK)
        tls->is_blind = true;
    // The owner may be in the middle of a call, and nothing else would ever come.
    if (tls->is_blind || (wanted & TRANSPORT_READABLE && (tls->has_more || tls->has_fault)))
        ev_task_defer(&tls->again);
}

// True if the function that returned `returned` only waits for the socket: *waits tells for what. False:
// *reason tells the failure.
static bool only_waits(struct tls *tls, int returned, unsigned *waits, enum transport_reason *reason)
{
    int system_error = errno;
    int error = SSL_get_error(tls->ssl, returned);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        *waits = error == SSL_ERROR_WANT_READ ? EV_DIRECTION_READ : EV_DIRECTION_WRITE;
        return true;
    }
    *reason = tls_fault(tls->ssl, error, system_error);
    return false;
}

// ---- Handshake ----

// The peer waits for TLS or DICOM and would hang: an alert (unexpected_message, RFC 8446 6) tells a TLS stack
// at once, and our own plain side recognises its first byte. What the peer sent is read, or closing would be
// a reset that may overtake the alert.
static void answer_stranger(struct tls *tls)
{
    static const uint8_t alert[] = {0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x0a};
    uint8_t discarded[4096];
    for (size_t total = 0; total < DISCARD_MAX; total += sizeof discarded) {
        if (recv(tls->fd, discarded, sizeof discarded, 0) <= 0)
            break;
    }
    wipe(discarded, sizeof discarded);
    // If it can not be sent the peer sees the close alone.
    (void)!send(tls->fd, alert, sizeof alert, MSG_NOSIGNAL);
}

// OK: the peer seems to speak TLS. AGAIN: nothing has come. ERR_IO: it is broken now, and the owner knows.
static enum result look_at_first_byte(struct tls *tls)
{
    uint8_t first[NET_SPEECH_BYTES];
    ssize_t count = recv(tls->fd, first, sizeof first, MSG_PEEK);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return AGAIN;
    if (count < 0)
        return transport_broke(&tls->transport, transport_reason_of_errno(errno), true);
    if (count == 0)
        return transport_broke(&tls->transport, TRANSPORT_TLS_HANDSHAKE_CLOSED, true);
    tls->heard = true;
    enum net_speech speech = net_speech_guess(slice_of(first, (size_t)count));
    if (speech == NET_SPEECH_TLS)
        return OK;
    answer_stranger(tls);
    enum transport_reason reason = speech == NET_SPEECH_DICOM   ? TRANSPORT_SPEAKS_PLAIN
                                   : speech == NET_SPEECH_PROXY ? TRANSPORT_SPEAKS_PROXY
                                                                : TRANSPORT_NOT_TLS;
    return transport_broke(&tls->transport, reason, true);
}

// A resumed session brings the certificate of the first handshake along, which may have ended meanwhile.
static bool peer_has_expired(SSL *ssl)
{
    X509 *certificate = SSL_session_reused(ssl) == 1 ? SSL_get0_peer_certificate(ssl) : NULL;
    return certificate != NULL && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0;
}

static void shake_hands(struct tls *tls)
{
    enum transport_reason reason;
    if (!tls->heard && tls->context->role == TLS_CLIENT && SSL_get_state(tls->ssl) != TLS_ST_BEFORE) {
        enum result result = look_at_first_byte(tls);
        if (result == ERR_IO)
            return;
    }
    ERR_clear_error();
    errno = 0;
    int returned = SSL_do_handshake(tls->ssl);
    if (returned != 1) {
        if (only_waits(tls, returned, &tls->handshake_waits, &reason))
            watch_what_is_needed(tls);
        else
            transport_broke(&tls->transport, reason, true);
        return;
    }
    tls->heard = true;
    if (peer_has_expired(tls->ssl)) {
        transport_broke(&tls->transport, TRANSPORT_TLS_EXPIRED, true);
        return;
    }
    tls->phase = PHASE_OPEN;
    tls->link.handshake_done = true;
    tls_session_keep(&tls->link, tls->ssl);
    tls->has_more = SSL_has_pending(tls->ssl) == 1; // read ahead together with the last handshake message
    tls_peer_fill(tls->ssl, &tls->transport.peer);
    transport_opened(&tls->transport);
}

static void on_connected(struct tls *tls)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(tls->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error != 0) {
        transport_broke(&tls->transport, transport_reason_of_errno(error), true);
        return;
    }
    tls->phase = PHASE_HANDSHAKE;
    shake_hands(tls);
}

// ---- Reading ----

static enum result tls_read(struct transport *transport, void *buffer, size_t capacity, size_t *got)
{
    struct tls *tls = tls_of(transport);
    size_t total = 0;
    enum transport_reason reason = tls->fault;
    bool failed = tls->has_fault, ended = false;
    tls->has_more = tls->has_fault = false;
    tls->read_waits = 0;
    while (total < capacity && !failed && !ended) {
        size_t count = 0;
        ERR_clear_error();
        errno = 0;
        int returned = SSL_read_ex(tls->ssl, (uint8_t *)buffer + total, capacity - total, &count);
        if (returned == 1) {
            total += count;
            continue;
        }
        if (SSL_get_error(tls->ssl, returned) == SSL_ERROR_ZERO_RETURN)
            ended = true;
        else if (only_waits(tls, returned, &tls->read_waits, &reason))
            break;
        else
            failed = true;
    }
    if (total > 0) {
        *got = total;
        tls->has_more = total == capacity || ended;
        tls->has_fault = failed;
        tls->fault = reason;
        watch_what_is_needed(tls);
        return OK;
    }
    if (failed)
        return transport_broke(transport, reason, false);
    if (tls->read_waits & EV_DIRECTION_WRITE)
        watch_what_is_needed(tls);
    return ended ? CLOSED : AGAIN;
}

// ---- Writing ----

// Sends what the socket did not take. OK, AGAIN, or ERR_IO when broken (notify: tell the owner).
static enum result send_kept(struct tls *tls, bool notify)
{
    enum transport_reason reason;
    while (has_kept(tls)) {
        size_t written = 0;
        ERR_clear_error();
        errno = 0;
        int returned =
            SSL_write_ex(tls->ssl, tls->kept + tls->kept_from, tls->kept_to - tls->kept_from, &written);
        if (returned == 1) {
            tls->kept_from += written;
            continue;
        }
        if (only_waits(tls, returned, &tls->write_waits, &reason))
            return AGAIN;
        tls->transport.drains = true;
        return transport_broke(&tls->transport, reason, notify);
    }
    if (tls->kept_to > 0)
        wipe(tls->kept, tls->kept_to);
    tls->kept_from = tls->kept_to = 0;
    return OK;
}

// At most one record's bytes. OK: all taken, perhaps kept. ERR_IO: broken.
static enum result send_record(struct tls *tls, struct slice bytes)
{
    enum transport_reason reason;
    while (bytes.length > 0) { // once, unless the peer asked for smaller records (RFC 6066 4)
        size_t written = 0;
        ERR_clear_error();
        errno = 0;
        int returned = SSL_write_ex(tls->ssl, bytes.data, bytes.length, &written);
        if (returned == 1) {
            bytes = slice_from(bytes, written);
            continue;
        }
        if (only_waits(tls, returned, &tls->write_waits, &reason))
            break;
        tls->transport.drains = true;
        return transport_broke(&tls->transport, reason, false);
    }
    if (bytes.length == 0)
        return OK;
    if (tls->kept == NULL)
        tls->kept = malloc(RECORD_MAX);
    if (tls->kept == NULL)
        return transport_broke(&tls->transport, TRANSPORT_LOCAL, false);
    memcpy(tls->kept, bytes.data, bytes.length);
    tls->kept_from = 0;
    tls->kept_to = bytes.length;
    return OK;
}

// The next record's bytes: a slice that fills it goes as it is, small ones are copied together.
struct gather {
    const struct slice *slices;
    size_t count;
    size_t offset; // into slices[0]
};

static bool gather_is_empty(const struct gather *gather)
{
    size_t offset = gather->offset;
    for (size_t i = 0; i < gather->count; i++, offset = 0) {
        if (gather->slices[i].length > offset)
            return false;
    }
    return true;
}

static struct slice next_record(struct gather *gather, uint8_t scratch[RECORD_MAX])
{
    size_t filled = 0;
    while (gather->count > 0 && filled < RECORD_MAX) {
        struct slice rest = slice_from(gather->slices[0], gather->offset);
        struct slice part = slice_first(rest, RECORD_MAX - filled);
        gather->offset += part.length;
        if (part.length == rest.length) {
            gather->slices++;
            gather->count--;
            gather->offset = 0;
        }
        if (filled == 0 && (part.length == RECORD_MAX || gather->count == 0))
            return part;
        if (part.length > 0)
            memcpy(scratch + filled, part.data, part.length);
        filled += part.length;
    }
    return slice_of(scratch, filled);
}

static enum result tls_writev(struct transport *transport, const struct slice *slices, size_t count,
                              size_t *written)
{
    struct tls *tls = tls_of(transport);
    uint8_t scratch[RECORD_MAX];
    struct gather gather = {.slices = slices, .count = count};
    size_t total = 0;
    enum result result = send_kept(tls, false);
    bool copied = false;
    while (result == OK && !has_kept(tls) && total < WRITE_AT_ONCE) {
        struct slice record = next_record(&gather, scratch);
        if (record.length == 0)
            break;
        copied = copied || record.data == scratch;
        tls->more_follows = total + record.length < WRITE_AT_ONCE && !gather_is_empty(&gather);
        result = send_record(tls, record);
        if (result == OK)
            total += record.length;
    }
    tls->more_follows = false;
    if (copied)
        wipe(scratch, sizeof scratch);
    if (result == ERR_IO)
        return ERR_IO;
    watch_what_is_needed(tls);
    if (total == 0)
        return AGAIN;
    *written = total;
    return OK;
}

// ---- Ends ----

// False: the socket does not take it yet. Never again afterwards: SSL_shutdown() would read.
static bool send_close_notify(struct tls *tls)
{
    enum transport_reason reason;
    if (tls->is_notified)
        return true;
    ERR_clear_error();
    errno = 0;
    int returned = SSL_shutdown(tls->ssl);
    // 0 and 1 are fine; a failure is one of the connection, which reading tells.
    tls->is_notified = returned >= 0 || !only_waits(tls, returned, &tls->write_waits, &reason);
    ERR_clear_error();
    return tls->is_notified;
}

static void tls_shutdown(struct transport *transport)
{
    struct tls *tls = tls_of(transport);
    if (send_kept(tls, false) == AGAIN || !send_close_notify(tls)) {
        tls->shut_waits = true;
        watch_what_is_needed(tls);
        return;
    }
    tls->shut_waits = false;
    shutdown(tls->fd, SHUT_WR);
}

static void tls_want(struct transport *transport, unsigned events)
{
    (void)events; // transport->wanted
    watch_what_is_needed(tls_of(transport));
}

static void tls_close(struct transport *transport, bool orderly)
{
    struct tls *tls = tls_of(transport);
    ev_task_fini(&tls->again);
    ev_watch_free(&tls->watch);
    if (tls->fd < 0)
        return;
    if (orderly && tls->phase == PHASE_OPEN && !transport->was_broken && send_kept(tls, false) == OK)
        (void)send_close_notify(tls);
    if (orderly)
        close(tls->fd);
    else
        net_tcp_reset(tls->fd);
    tls->fd = -1;
}

static void tls_destroy(struct ev_garbage *garbage)
{
    struct tls *tls = tls_of(CONTAINER_OF(garbage, struct transport, garbage));
    if (tls->ssl != NULL) {
        // However the connection ended, its session is good for another one (RFC 8446 6.1).
        if (tls->phase == PHASE_OPEN)
            SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(tls->ssl);
    }
    tls_session_slot_unref(&tls->link.slot);
    tls_context_unref(&tls->context);
    if (tls->kept != NULL)
        wipe(tls->kept, RECORD_MAX);
    free(tls->kept);
    MAGIC_CLEAR(tls);
    free(tls);
}

static const struct transport_ops tls_ops = {
    .kind = "tls",
    .read = tls_read,
    .writev = tls_writev,
    .want = tls_want,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .destroy = tls_destroy,
};

// ---- Events ----

static void on_open_ready(struct tls *tls, unsigned directions)
{
    unsigned events = 0;
    if ((has_kept(tls) || tls->shut_waits) && directions & tls->write_waits) {
        enum result result = send_kept(tls, true);
        if (result == ERR_IO)
            return;
        if (result == OK && tls->shut_waits)
            tls_shutdown(&tls->transport);
    }
    if (directions & EV_DIRECTION_WRITE && !has_kept(tls))
        events |= TRANSPORT_WRITABLE;
    if (directions & (EV_DIRECTION_READ | tls->read_waits) && !tls->transport.ended)
        events |= TRANSPORT_READABLE;
    watch_what_is_needed(tls);
    transport_emit(&tls->transport, events);
}

static void on_ready(void *arg, unsigned directions)
{
    struct tls *tls = arg;
    MAGIC_CHECK(tls, TLS_MAGIC);
    if (tls->is_blind)
        return; // the end of it is on its way, or has come
    switch (tls->phase) {
    case PHASE_CONNECTING:
        on_connected(tls);
        return;
    case PHASE_FIRST_BYTE:
        if (look_at_first_byte(tls) != OK)
            return;
        tls->phase = PHASE_HANDSHAKE;
        shake_hands(tls);
        return;
    case PHASE_HANDSHAKE:
        shake_hands(tls);
        return;
    case PHASE_OPEN:
        on_open_ready(tls, directions);
        return;
    }
    unreachable_state();
}

static void on_again(void *arg)
{
    struct tls *tls = arg;
    MAGIC_CHECK(tls, TLS_MAGIC);
    if (tls->connect_error != 0) {
        transport_broke(&tls->transport, transport_reason_of_errno(tls->connect_error), true);
        return;
    }
    if (tls->is_blind) {
        transport_broke(&tls->transport, TRANSPORT_LOCAL, true);
        return;
    }
    if (tls->has_more || tls->has_fault)
        transport_emit(&tls->transport, TRANSPORT_READABLE);
    if (tls->transport.state == TRANSPORT_IS_OPEN)
        watch_what_is_needed(tls);
}

// ---- Making them ----

static struct tls *tls_new(struct ev_loop *loop, const struct net_address *peer, struct tls_context *context,
                           transport_ready_fn *handler, void *arg)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    MAGIC_INIT(tls, TLS_MAGIC);
    tls->fd = -1;
    tls->context = tls_context_ref(context);
    transport_setup(&tls->transport, &tls_ops, loop, peer, handler, arg);
    tls->transport.peer.has_tls = true;
    ev_task_init(&tls->again, loop, on_again, tls);
    return tls;
}

// Takes back what tls_new() made, inside the call that made it: nobody else has seen it yet.
static enum result give_up(struct tls *tls, enum result result)
{
    struct transport *transport = &tls->transport;
    transport_free(&transport);
    return result;
}

static enum result attach(struct tls *tls, int fd)
{
    tls->fd = fd;
    tls->ssl = SSL_new(tls->context->ssl);
    if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, &tls->link) != 1 ||
        tls_gather_attach(tls->ssl, fd, &tls->more_follows) != OK) {
        ERR_clear_error();
        return ERR_CRYPTO;
    }
    if (tls->context->role == TLS_SERVER)
        SSL_set_accept_state(tls->ssl);
    else
        SSL_set_connect_state(tls->ssl);
    return ev_watch_new(tls->transport.loop, fd, on_ready, tls, &tls->watch);
}

enum result tls_transport_new(struct ev_loop *loop, int fd, const struct net_address *peer,
                              struct tls_context *context, const struct net_tcp_options *options,
                              transport_ready_fn *handler, void *arg, struct transport **out)
{
    ensure(tls_context_role(context) == TLS_SERVER);
    struct tls *tls = tls_new(loop, peer, context, handler, arg);
    if (tls == NULL) {
        close(fd);
        return ERR_NOMEM;
    }
    tls->phase = PHASE_FIRST_BYTE;
    enum result result = attach(tls, fd);
    if (result == OK)
        result = net_tcp_configure(fd, options);
    if (result != OK)
        return give_up(tls, result);
    watch_what_is_needed(tls);
    *out = &tls->transport;
    return OK;
}

// RFC 6125 6.4; OpenSSL takes the common name where the certificate has no dNSName.
static enum result require_name(SSL *ssl, const char *name)
{
    struct in6_addr address;
    X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 ? OK : ERR_ARGUMENT;
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    bool fine = name[0] != 0 && X509_VERIFY_PARAM_set1_host(parameters, name, 0) == 1 &&
                SSL_set_tlsext_host_name(ssl, name) == 1;
    ERR_clear_error();
    return fine ? OK : ERR_ARGUMENT;
}

enum result tls_transport_connect(struct ev_loop *loop, const struct net_address *address,
                                  const struct tls_client_options *options, transport_ready_fn *handler,
                                  void *arg, struct transport **out)
{
    ensure(tls_context_role(options->context) == TLS_CLIENT);
    struct tls *tls = tls_new(loop, address, options->context, handler, arg);
    if (tls == NULL)
        return ERR_NOMEM;
    int fd = -1;
    tls->phase = PHASE_CONNECTING;
    if (net_tcp_connect(address, &options->tcp, &fd) != OK) {
        tls->connect_error = errno != 0 ? errno : EIO;
        ev_task_defer(&tls->again);
        *out = &tls->transport;
        return OK;
    }
    enum result result = attach(tls, fd);
    if (result == OK && options->verify_name != NULL)
        result = require_name(tls->ssl, options->verify_name);
    if (result != OK)
        return give_up(tls, result);
    if (options->slot != NULL)
        tls->link.slot = tls_session_slot_ref(options->slot);
    tls_session_offer(&tls->link, tls->ssl);
    watch_what_is_needed(tls);
    *out = &tls->transport;
    return OK;
}

static enum result dial_tls(const struct net_dialer *dialer, struct ev_loop *loop,
                            const struct net_address *address, transport_ready_fn *handler, void *arg,
                            struct transport **out)
{
    const struct tls_dialer *tls = (const struct tls_dialer *)(const void *)dialer;
    return tls_transport_connect(loop, address, &tls->options, handler, arg, out);
}

void tls_dialer_init(struct tls_dialer *dialer, const struct tls_client_options *options)
{
    *dialer = (struct tls_dialer){.dialer = {.dial = dial_tls}, .options = *options};
}
