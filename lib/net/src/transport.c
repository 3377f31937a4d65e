// SPDX-License-Identifier: Apache-2.0
//
// What all transports have in common: states, the rules of the handler, reasons. Thread: the loop's own.
#include "net/transport.h"

#include <errno.h>

#include "base/log.h"
#include "base/magic.h"

#define TRANSPORT_MAGIC 0x54524e53u

struct reason_row {
    const char *text;
    enum log_id event;
};

static const struct reason_row reasons[TRANSPORT_REASON_COUNT] = {
#define REASON(name, event, text) {text, event},
#include "net/reasons.def"
#undef REASON
};

const char *transport_reason_text(enum transport_reason reason)
{
    ensure((unsigned)reason < TRANSPORT_REASON_COUNT);
    return reasons[reason].text;
}

enum log_id transport_reason_event(enum transport_reason reason)
{
    ensure((unsigned)reason < TRANSPORT_REASON_COUNT);
    return reasons[reason].event;
}

void transport_reason_log(enum transport_reason reason, const struct transport_peer *peer)
{
    char address[NET_ADDRESS_TEXT_MAX];
    log_event(transport_reason_event(reason),
              log_text(net_address_format(&peer->address, address, sizeof address)));
}

enum transport_reason transport_reason_of_errno(int error)
{
    switch (error) {
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return TRANSPORT_RESET;
    case ETIMEDOUT:
        return TRANSPORT_TIMEOUT;
    case ECONNREFUSED:
        return TRANSPORT_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
        return TRANSPORT_UNREACHABLE;
    default:
        return TRANSPORT_LOCAL;
    }
}

// ---- For owners ----

enum result transport_read(struct transport *transport, void *buffer, size_t capacity, size_t *got)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    ensure(capacity > 0);
    if (transport->state == TRANSPORT_OPENING)
        return AGAIN;
    if (transport->state == TRANSPORT_IS_CLOSED ||
        (transport->state == TRANSPORT_IS_BROKEN && !transport->drains))
        return ERR_IO;
    if (transport->ended)
        return CLOSED;
    enum result result = transport->ops->read(transport, buffer, capacity, got);
    if (result == OK) {
        ensure(*got > 0 && *got <= capacity);
        transport->bytes_read += *got;
    } else if (transport->state == TRANSPORT_IS_BROKEN) {
        transport->drains = false;
        return ERR_IO;
    } else if (result == CLOSED) {
        transport->ended = true;
        transport->ops->want(transport, transport->wanted & ~(unsigned)TRANSPORT_READABLE);
    }
    return result;
}

enum result transport_writev(struct transport *transport, const struct slice *slices, size_t count,
                             size_t *written)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    if (transport->state == TRANSPORT_OPENING)
        return AGAIN;
    if (transport->state != TRANSPORT_IS_OPEN)
        return ERR_IO;
    ensure(!transport->is_shut);
    size_t total = 0;
    for (size_t i = 0; i < count && total == 0; i++)
        total += slices[i].length;
    if (total == 0) {
        *written = 0;
        return OK;
    }
    enum result result = transport->ops->writev(transport, slices, count, written);
    if (result == OK) {
        ensure(*written > 0);
        transport->bytes_written += *written;
    }
    return result;
}

void transport_want(struct transport *transport, unsigned events)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    ensure((events & ~(unsigned)(TRANSPORT_READABLE | TRANSPORT_WRITABLE)) == 0);
    transport->wanted = events;
    if (transport->state == TRANSPORT_IS_OPEN)
        transport->ops->want(transport, transport->ended ? events & ~(unsigned)TRANSPORT_READABLE : events);
}

void transport_shutdown(struct transport *transport)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    if (transport->state != TRANSPORT_IS_OPEN || transport->is_shut)
        return;
    transport->is_shut = true;
    transport->ops->shutdown(transport);
}

static void end(struct transport *transport, bool orderly)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    if (transport->state == TRANSPORT_IS_CLOSED)
        return;
    transport->was_broken = transport->state == TRANSPORT_IS_BROKEN;
    transport->state = TRANSPORT_IS_CLOSED;
    transport->on_ready = NULL;
    transport->ops->close(transport, orderly);
}

void transport_close(struct transport *transport)
{
    end(transport, true);
}

void transport_reset(struct transport *transport)
{
    end(transport, false);
}

void transport_free(struct transport **out)
{
    struct transport *transport = *out;
    if (transport == NULL)
        return;
    *out = NULL;
    transport_close(transport);
    ensure(!transport->freed);
    transport->freed = true;
    ev_loop_discard(transport->loop, &transport->garbage, transport->ops->destroy);
}

void transport_set_handler(struct transport *transport, transport_ready_fn *on_ready, void *arg)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    if (transport->state == TRANSPORT_IS_CLOSED)
        return;
    transport->on_ready = on_ready;
    transport->arg = arg;
}

bool transport_is_open(const struct transport *transport)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    return transport->state == TRANSPORT_IS_OPEN;
}

enum transport_reason transport_reason(const struct transport *transport)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    if (transport->reason == TRANSPORT_NONE && transport->ended)
        return TRANSPORT_CLOSED;
    return transport->reason;
}

const struct transport_peer *transport_peer(const struct transport *transport)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    return &transport->peer;
}

const char *transport_kind(const struct transport *transport)
{
    return transport->ops->kind;
}

uint64_t transport_bytes_read(const struct transport *transport)
{
    return transport->bytes_read;
}

uint64_t transport_bytes_written(const struct transport *transport)
{
    return transport->bytes_written;
}

// ---- For implementations ----

void transport_setup(struct transport *transport, const struct transport_ops *ops, struct ev_loop *loop,
                     const struct net_address *peer, transport_ready_fn *on_ready, void *arg)
{
    MAGIC_INIT(transport, TRANSPORT_MAGIC);
    transport->state = TRANSPORT_OPENING;
    transport->ops = ops;
    transport->loop = loop;
    transport->on_ready = on_ready;
    transport->arg = arg;
    transport->peer.address = *peer;
}

static void tell(struct transport *transport, unsigned events)
{
    if (transport->on_ready != NULL)
        transport->on_ready(transport->arg, events);
}

void transport_opened(struct transport *transport)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    ensure(transport->state == TRANSPORT_OPENING);
    transport->state = TRANSPORT_IS_OPEN;
    tell(transport, TRANSPORT_OPEN);
    if (transport->state == TRANSPORT_IS_OPEN)
        transport_want(transport, transport->wanted);
}

enum result transport_broke(struct transport *transport, enum transport_reason reason, bool notify)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    if (transport->state == TRANSPORT_IS_CLOSED || transport->state == TRANSPORT_IS_BROKEN)
        return ERR_IO;
    transport->state = TRANSPORT_IS_BROKEN;
    transport->reason = reason;
    transport->ops->want(transport, 0);
    if (notify)
        tell(transport, TRANSPORT_BROKEN);
    return ERR_IO;
}

void transport_emit(struct transport *transport, unsigned events)
{
    MAGIC_CHECK(transport, TRANSPORT_MAGIC);
    events &= transport->wanted;
    if (transport->state == TRANSPORT_IS_OPEN && events != 0)
        tell(transport, events);
}
