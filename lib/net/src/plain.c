// SPDX-License-Identifier: Apache-2.0
//
// Transport over a TCP socket: the kernel's buffers are the only ones. Thread: the loop's own.
#include "net/plain.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/magic.h"
#include "ev/real.h"

#define PLAIN_MAGIC 0x504c4149u

enum { GATHER_MAX = 64 };

struct plain {
    struct transport transport;
    uint32_t magic;
    int fd; // -1 after close, or when connecting failed at once
    int connect_error;
    bool connecting;
    bool heard;    // the first bytes have been looked at
    bool is_blind; // the loop could not be told what is wanted
    struct ev_watch *watch;
    struct ev_task news; // what the owner hears outside of its calls: open, or broken
};

static struct plain *plain_of(struct transport *transport)
{
    struct plain *plain = (struct plain *)(void *)transport;
    MAGIC_CHECK(plain, PLAIN_MAGIC);
    return plain;
}

static enum result plain_read(struct transport *transport, void *buffer, size_t capacity, size_t *got)
{
    struct plain *plain = plain_of(transport);
    ssize_t count;
    do {
        count = recv(plain->fd, buffer, capacity, 0);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return AGAIN;
        return transport_broke(transport, transport_reason_of_errno(errno), false);
    }
    if (count == 0)
        return CLOSED;
    if (!plain->heard) {
        plain->heard = true;
        enum net_speech speech = net_speech_guess(slice_of(buffer, (size_t)count));
        if (speech == NET_SPEECH_TLS)
            return transport_broke(transport, TRANSPORT_SPEAKS_TLS, false);
        if (speech == NET_SPEECH_PROXY)
            return transport_broke(transport, TRANSPORT_SPEAKS_PROXY, false);
    }
    *got = (size_t)count;
    return OK;
}

static enum result plain_writev(struct transport *transport, const struct slice *slices, size_t count,
                                size_t *written)
{
    struct plain *plain = plain_of(transport);
    struct iovec parts[GATHER_MAX];
    struct msghdr message = {.msg_iov = parts};
    for (size_t i = 0; i < count && message.msg_iovlen < GATHER_MAX; i++) {
        if (slices[i].length > 0)
            parts[message.msg_iovlen++] = (struct iovec){(void *)(uintptr_t)slices[i].data, slices[i].length};
    }
    ssize_t sent;
    do {
        sent = sendmsg(plain->fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent > 0) {
        *written = (size_t)sent;
        return OK;
    }
    if (sent == 0 || errno == EAGAIN || errno == EWOULDBLOCK)
        return AGAIN;
    transport->drains = true; // what the peer sent before it left (an A-ABORT) can still be read
    return transport_broke(transport, transport_reason_of_errno(errno), false);
}

static void plain_want(struct transport *transport, unsigned events)
{
    struct plain *plain = plain_of(transport);
    if (plain->watch == NULL)
        return;
    unsigned directions = plain->connecting ? EV_DIRECTION_WRITE : 0;
    if (events & TRANSPORT_READABLE)
        directions |= EV_DIRECTION_READ;
    if (events & TRANSPORT_WRITABLE)
        directions |= EV_DIRECTION_WRITE;
    if (ev_watch_want(plain->watch, directions) != OK) {
        plain->is_blind = true;
        ev_task_defer(&plain->news); // nothing else would ever come
    }
}

static void plain_shutdown(struct transport *transport)
{
    // Fails only if the connection is gone already, which reading tells.
    shutdown(plain_of(transport)->fd, SHUT_WR);
}

static void plain_close(struct transport *transport, bool orderly)
{
    struct plain *plain = plain_of(transport);
    ev_task_fini(&plain->news);
    ev_watch_free(&plain->watch);
    if (plain->fd >= 0) {
        if (orderly || plain->connecting)
            close(plain->fd);
        else
            net_tcp_reset(plain->fd);
    }
    plain->fd = -1;
}

static void plain_destroy(struct ev_garbage *garbage)
{
    struct plain *plain = plain_of(CONTAINER_OF(garbage, struct transport, garbage));
    MAGIC_CLEAR(plain);
    free(plain);
}

static const struct transport_ops plain_ops = {
    .kind = "plain",
    .read = plain_read,
    .writev = plain_writev,
    .want = plain_want,
    .shutdown = plain_shutdown,
    .close = plain_close,
    .destroy = plain_destroy,
};

static void on_connected(struct plain *plain)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(plain->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    plain->connecting = false;
    if (error != 0) {
        transport_broke(&plain->transport, transport_reason_of_errno(error), true);
        return;
    }
    plain_want(&plain->transport, 0);
    transport_opened(&plain->transport);
}

static void on_ready(void *arg, unsigned directions)
{
    struct plain *plain = arg;
    MAGIC_CHECK(plain, PLAIN_MAGIC);
    if (plain->connecting) {
        on_connected(plain);
        return;
    }
    unsigned events = 0;
    if (directions & EV_DIRECTION_READ)
        events |= TRANSPORT_READABLE;
    if (directions & EV_DIRECTION_WRITE)
        events |= TRANSPORT_WRITABLE;
    transport_emit(&plain->transport, events);
}

static void on_news(void *arg)
{
    struct plain *plain = arg;
    MAGIC_CHECK(plain, PLAIN_MAGIC);
    if (plain->is_blind)
        transport_broke(&plain->transport, TRANSPORT_LOCAL, true);
    else if (plain->connect_error != 0)
        transport_broke(&plain->transport, transport_reason_of_errno(plain->connect_error), true);
    else
        transport_opened(&plain->transport);
}

static struct plain *plain_new(struct ev_loop *loop, const struct net_address *peer,
                               transport_ready_fn *handler, void *arg)
{
    struct plain *plain = calloc(1, sizeof *plain);
    if (plain == NULL)
        return NULL;
    MAGIC_INIT(plain, PLAIN_MAGIC);
    plain->fd = -1;
    transport_setup(&plain->transport, &plain_ops, loop, peer, handler, arg);
    ev_task_init(&plain->news, loop, on_news, plain);
    return plain;
}

// Takes back what plain_new() made, inside the call that made it: nobody else has seen it yet.
static enum result give_up(struct plain *plain, enum result result)
{
    struct transport *transport = &plain->transport;
    transport_free(&transport);
    return result;
}

enum result plain_transport_new(struct ev_loop *loop, int fd, const struct net_address *peer,
                                const struct net_tcp_options *options, transport_ready_fn *handler, void *arg,
                                struct transport **out)
{
    struct plain *plain = plain_new(loop, peer, handler, arg);
    if (plain == NULL) {
        close(fd);
        return ERR_NOMEM;
    }
    plain->fd = fd;
    enum result result = net_tcp_configure(fd, options);
    if (result == OK)
        result = ev_watch_new(loop, fd, on_ready, plain, &plain->watch);
    if (result != OK)
        return give_up(plain, result);
    ev_task_defer(&plain->news);
    *out = &plain->transport;
    return OK;
}

enum result plain_transport_connect(struct ev_loop *loop, const struct net_address *address,
                                    const struct net_tcp_options *options, transport_ready_fn *handler,
                                    void *arg, struct transport **out)
{
    struct plain *plain = plain_new(loop, address, handler, arg);
    if (plain == NULL)
        return ERR_NOMEM;
    if (net_tcp_connect(address, options, &plain->fd) != OK) {
        plain->connect_error = errno != 0 ? errno : EIO;
        ev_task_defer(&plain->news);
        *out = &plain->transport;
        return OK;
    }
    plain->connecting = true;
    enum result result = ev_watch_new(loop, plain->fd, on_ready, plain, &plain->watch);
    if (result == OK)
        result = ev_watch_want(plain->watch, EV_DIRECTION_WRITE);
    if (result != OK)
        return give_up(plain, result);
    *out = &plain->transport;
    return OK;
}

static enum result dial_plain(const struct net_dialer *dialer, struct ev_loop *loop,
                              const struct net_address *address, transport_ready_fn *handler, void *arg,
                              struct transport **out)
{
    const struct plain_dialer *plain = (const struct plain_dialer *)(const void *)dialer;
    return plain_transport_connect(loop, address, &plain->options, handler, arg, out);
}

void plain_dialer_init(struct plain_dialer *dialer, const struct net_tcp_options *options)
{
    *dialer = (struct plain_dialer){.dialer = {.dial = dial_plain}};
    if (options != NULL)
        dialer->options = *options;
}
