// SPDX-License-Identifier: Apache-2.0
#include "front/entry.h"
#include "base/log.h"
#include "base/magic.h"
#include "ev/real.h"
#include "front/access.h"
#include "front/census.h"
#include "net/proxy.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENTRY_MAGIC 0x454e5452u

struct entry {
    uint32_t magic;
    struct worker *worker;
    struct worker_guest guest;
    int fd;
    struct net_address from;
    entry_done_fn *done;
    entry_over_fn *over;
    void *arg;
    struct ev_watch *watch;
    struct ev_timer deadline;
    struct ev_garbage garbage;
    size_t wanted; // bytes of the header that have not come
    size_t have;
    uint8_t bytes[NET_PROXY_MOST];
};

static void entry_destroy(struct ev_garbage *garbage)
{
    struct entry *entry = CONTAINER_OF(garbage, struct entry, garbage);
    MAGIC_CLEAR(entry);
    free(entry);
}

// Everything but the socket and the caller.
static void discard(struct entry *entry)
{
    ev_timer_fini(&entry->deadline);
    ev_watch_free(&entry->watch);
    list_remove(&entry->worker->guests, &entry->guest.node);
    census_knock_over(entry->worker->gateway->census, NULL);
    ev_loop_discard(entry->worker->loop, &entry->garbage, entry_destroy);
}

static void turn_away(struct entry *entry, enum transport_reason reason)
{
    struct transport_peer peer = {.address = entry->from};
    transport_reason_log(reason, &peer);
    close(entry->fd);
    discard(entry);
    entry->over(entry->arg);
}

static void on_guest_end(struct worker_guest *guest)
{
    struct entry *entry = CONTAINER_OF(guest, struct entry, guest);
    MAGIC_CHECK(entry, ENTRY_MAGIC);
    close(entry->fd);
    discard(entry);
    entry->over(entry->arg);
}

static void on_deadline(void *arg)
{
    struct entry *entry = arg;
    MAGIC_CHECK(entry, ENTRY_MAGIC);
    turn_away(entry, TRANSPORT_PROXY_LATE);
}

static void hand_on(struct entry *entry, const struct net_proxy *proxy)
{
    discard(entry);
    entry->done(entry->arg, entry->fd, proxy->has_address ? &proxy->address : &entry->from);
}

// Never beyond the header: what follows it belongs to DICOM or TLS.
static void on_ready(void *arg, unsigned directions)
{
    struct entry *entry = arg;
    MAGIC_CHECK(entry, ENTRY_MAGIC);
    (void)directions;
    ssize_t got = recv(entry->fd, entry->bytes + entry->have, entry->wanted, 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (got <= 0) {
        turn_away(entry, got == 0 ? TRANSPORT_CLOSED : transport_reason_of_errno(errno));
        return;
    }
    struct net_proxy proxy;
    enum transport_reason reason = TRANSPORT_PROXY_BAD;
    entry->have += (size_t)got;
    enum result result =
        net_proxy_parse(slice_of(entry->bytes, entry->have), &proxy, &entry->wanted, &reason);
    if (result == OK)
        hand_on(entry, &proxy);
    else if (result != AGAIN)
        turn_away(entry, reason);
}

static enum result begin(struct entry *entry, uint64_t deadline)
{
    struct net_proxy proxy;
    enum transport_reason reason;
    enum result result = net_proxy_parse(slice_of(entry->bytes, 0), &proxy, &entry->wanted, &reason);
    if (result != AGAIN)
        return ERR_ARGUMENT;
    result = ev_watch_new(entry->worker->loop, entry->fd, on_ready, entry, &entry->watch);
    if (result == OK)
        result = ev_watch_want(entry->watch, EV_DIRECTION_READ);
    if (result == OK)
        ev_timer_start(&entry->deadline, deadline);
    return result;
}

enum result entry_begin(struct worker *worker, int fd, const struct net_address *from,
                        const struct conf_networks *trusted, entry_done_fn *done, entry_over_fn *over,
                        void *arg)
{
    if (!access_is_from(trusted, from)) {
        struct transport_peer peer = {.address = *from};
        transport_reason_log(TRANSPORT_PROXY_UNTRUSTED, &peer);
        close(fd);
        over(arg);
        return OK;
    }
    enum result result = census_knock(worker->gateway->census, NULL);
    struct entry *entry = result == OK ? calloc(1, sizeof *entry) : NULL;
    if (entry == NULL) {
        if (result == OK)
            census_knock_over(worker->gateway->census, NULL);
        close(fd);
        return result == OK ? ERR_NOMEM : result;
    }
    MAGIC_INIT(entry, ENTRY_MAGIC);
    entry->worker = worker;
    entry->fd = fd;
    entry->from = *from;
    entry->done = done;
    entry->over = over;
    entry->arg = arg;
    entry->guest.end = on_guest_end;
    ev_timer_init(&entry->deadline, worker->loop, on_deadline, entry);
    list_append(&worker->guests, &entry->guest.node);
    result = begin(entry, gateway_limits(worker->gateway)->artim_ns);
    if (result != OK) {
        close(fd);
        discard(entry);
    }
    return result;
}
