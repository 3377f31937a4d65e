// SPDX-License-Identifier: Apache-2.0
//
// Accepting TCP connections. Thread: the loop's own.
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "ev/real.h"

#define LISTENER_MAGIC 0x4c49534eu

enum { ACCEPTS_PER_TURN = 64, BACKLOG = 1024 };

#define PAUSE_AFTER_EXHAUSTION (100 * NSEC_PER_MS)

struct net_listener {
    uint32_t magic;
    int fd;
    int spare; // given up to turn a caller away when descriptors have run out
    struct ev_loop *loop;
    struct net_address address;
    net_accept_fn *accept;
    void *arg;
    struct ev_watch *watch;
    struct ev_timer pause;
    struct ev_garbage garbage;
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void apply(struct net_listener *listener)
{
    bool on = !ev_timer_is_armed(&listener->pause);
    if (ev_watch_want(listener->watch, on ? EV_DIRECTION_READ : 0) != OK)
        ev_timer_start(&listener->pause, PAUSE_AFTER_EXHAUSTION);
}

static void on_pause_over(void *arg)
{
    struct net_listener *listener = arg;
    MAGIC_CHECK(listener, LISTENER_MAGIC);
    if (listener->spare < 0)
        listener->spare = open_spare();
    apply(listener);
}

// Without this the caller would hang in the backlog, and the loop would spin on a readable socket.
static void turn_away(struct net_listener *listener)
{
    struct sockaddr_storage from = {0};
    socklen_t length = sizeof from;
    struct net_address peer = {0};
    char text[NET_ADDRESS_TEXT_MAX];
    if (listener->spare >= 0)
        close(listener->spare);
    int fd = accept4(listener->fd, (struct sockaddr *)&from, &length, SOCK_CLOEXEC);
    if (fd >= 0) {
        if (net_address_from_sockaddr((struct sockaddr *)&from, &peer) == OK)
            log_event(LOG_NET_DESCRIPTORS, log_text(net_address_format(&peer, text, sizeof text)));
        close(fd);
    }
    listener->spare = open_spare();
    ev_timer_start(&listener->pause, PAUSE_AFTER_EXHAUSTION);
    apply(listener);
}

static void on_readable(void *arg, unsigned directions)
{
    (void)directions;
    struct net_listener *listener = arg;
    MAGIC_CHECK(listener, LISTENER_MAGIC);
    for (int i = 0; i < ACCEPTS_PER_TURN && listener->watch != NULL; i++) {
        struct sockaddr_storage from = {0};
        socklen_t length = sizeof from;
        struct net_address peer;
        int fd = accept4(listener->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (net_address_from_sockaddr((struct sockaddr *)&from, &peer) == OK)
                listener->accept(listener->arg, fd, &peer);
            else
                close(fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            turn_away(listener);
        else if (errno == EINTR || errno == ECONNABORTED)
            continue;
        return; // EAGAIN, or an error of that one connection (accept(2): Linux passes network errors on)
    }
}

static enum result result_of_errno(int error)
{
    switch (error) {
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_REFUSED;
    case EADDRNOTAVAIL:
        return ERR_MISSING;
    default:
        return ERR_IO;
    }
}

static enum result open_socket(struct net_listener *listener, int backlog)
{
    struct sockaddr_storage at;
    socklen_t length = net_address_to_sockaddr(&listener->address, &at);
    int on = 1, off = 0;
    listener->fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (listener->fd < 0)
        return result_of_errno(errno);
    if (setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return ERR_IO;
    if (at.ss_family == AF_INET6 &&
        setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
        return ERR_IO;
    if (bind(listener->fd, (struct sockaddr *)&at, length) != 0 ||
        listen(listener->fd, backlog > 0 ? backlog : BACKLOG) != 0)
        return result_of_errno(errno);
    length = sizeof at;
    if (getsockname(listener->fd, (struct sockaddr *)&at, &length) != 0)
        return ERR_IO;
    return net_address_from_sockaddr((struct sockaddr *)&at, &listener->address);
}

enum result net_listener_new(struct ev_loop *loop, const struct net_address *address, int backlog,
                             net_accept_fn *accept_fn, void *arg, struct net_listener **out)
{
    struct net_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(listener, LISTENER_MAGIC);
    listener->loop = loop;
    listener->address = *address;
    listener->accept = accept_fn;
    listener->arg = arg;
    listener->fd = -1;
    listener->spare = open_spare();
    ev_timer_init(&listener->pause, loop, on_pause_over, listener);
    enum result result = open_socket(listener, backlog);
    if (result == OK)
        result = ev_watch_new(loop, listener->fd, on_readable, listener, &listener->watch);
    if (result == OK)
        result = ev_watch_want(listener->watch, EV_DIRECTION_READ);
    if (result != OK) {
        net_listener_free(&listener);
        return result;
    }
    *out = listener;
    return OK;
}

const struct net_address *net_listener_address(const struct net_listener *listener)
{
    return &listener->address;
}

static void listener_destroy(struct ev_garbage *garbage)
{
    struct net_listener *listener = CONTAINER_OF(garbage, struct net_listener, garbage);
    MAGIC_CLEAR(listener);
    free(listener);
}

void net_listener_free(struct net_listener **out)
{
    struct net_listener *listener = *out;
    if (listener == NULL)
        return;
    MAGIC_CHECK(listener, LISTENER_MAGIC);
    *out = NULL;
    ev_timer_fini(&listener->pause);
    ev_watch_free(&listener->watch);
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->spare >= 0)
        close(listener->spare);
    ev_loop_discard(listener->loop, &listener->garbage, listener_destroy);
}
