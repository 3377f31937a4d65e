// SPDX-License-Identifier: Apache-2.0
#include "front/listener.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/worker.h"
#include "front/entry.h"
#include "front/session.h"
#include "net/listen.h"
#include "net/plain.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct one_listener {
    struct listeners *owner;
    const struct configuration_listener *conf;
    size_t index;
    struct net_listener *socket;
};

struct listeners {
    struct gateway *gateway;
    const struct secure *secure;
    size_t count;
    struct one_listener each[];
};

// An accepted socket on its way to a worker.
struct arrival {
    struct worker_call call;
    int fd;
    struct net_address peer;
    const struct configuration_listener *conf;
    struct tls_context *context;
    struct worker *worker; // while its PROXY header is read
};

static void arrival_free(struct arrival *arrival)
{
    tls_context_unref(&arrival->context);
    free(arrival);
}

static void arrival_discard(struct worker_call *call)
{
    struct arrival *arrival = CONTAINER_OF(call, struct arrival, call);
    close(arrival->fd);
    arrival_free(arrival);
}

// The session takes the transport and sets its own handler; until then nothing may come.
static void no_event(void *arg, unsigned events)
{
    (void)arg;
    (void)events;
}

// FIELD 15: a modality that was switched off is found long before its association is idle for too long.
static struct net_tcp_options tcp_options(const struct worker *worker)
{
    return net_tcp_keep_alive(gateway_limits(worker->gateway)->keep_alive_ns);
}

static void session_begin(struct worker *worker, struct arrival *arrival, int fd,
                          const struct net_address *peer)
{
    struct net_tcp_options options = tcp_options(worker);
    struct transport *transport;
    enum result result;
    if (arrival->context != NULL)
        result =
            tls_transport_new(worker->loop, fd, peer, arrival->context, &options, no_event, NULL, &transport);
    else
        result = plain_transport_new(worker->loop, fd, peer, &options, no_event, NULL, &transport);
    if (result == OK)
        result = session_new(worker, arrival->conf, &transport);
    if (result != OK && result != ERR_LIMIT) // the session tells of limits
        log_event(LOG_ACCEPT_FAILED, log_text(result_text(result)));
    arrival_free(arrival);
}

static void on_entered(void *arg, int fd, const struct net_address *peer)
{
    struct arrival *arrival = arg;
    session_begin(arrival->worker, arrival, fd, peer);
}

static void on_turned_away(void *arg)
{
    arrival_free(arg);
}

static void arrival_run(struct worker *worker, struct worker_call *call)
{
    struct arrival *arrival = CONTAINER_OF(call, struct arrival, call);
    if (arrival->conf->proxy.count == 0) {
        session_begin(worker, arrival, arrival->fd, &arrival->peer);
        return;
    }
    arrival->worker = worker;
    enum result result = entry_begin(worker, arrival->fd, &arrival->peer, &arrival->conf->proxy, on_entered,
                                     on_turned_away, arrival);
    if (result == OK)
        return;
    char address[NET_ADDRESS_TEXT_MAX];
    if (result == ERR_LIMIT)
        log_event(LOG_FRONT_SILENT, log_text(net_address_format(&arrival->peer, address, sizeof address)));
    else
        log_event(LOG_ACCEPT_FAILED, log_text(result_text(result)));
    arrival_free(arrival);
}

static void on_accept(void *arg, int fd, const struct net_address *peer)
{
    struct one_listener *listener = arg;
    struct arrival *arrival = calloc(1, sizeof *arrival);
    enum result result = ERR_NOMEM;
    if (arrival != NULL) {
        arrival->call.run = arrival_run;
        arrival->call.discard = arrival_discard;
        arrival->fd = fd;
        arrival->peer = *peer;
        arrival->conf = listener->conf;
        arrival->context = secure_listener_context(listener->owner->secure, listener->index);
        result = worker_post(gateway_worker_pick(listener->owner->gateway), &arrival->call);
    }
    if (result == OK)
        return;
    log_event(LOG_ACCEPT_FAILED, log_text(result_text(result)));
    close(fd);
    if (arrival != NULL)
        arrival_free(arrival);
}

static enum result open_one(struct listeners *listeners, size_t index)
{
    struct one_listener *listener = &listeners->each[index];
    listener->owner = listeners;
    listener->conf = &listeners->gateway->configuration->listener[index];
    listener->index = index;
    struct net_address address;
    enum result result =
        net_address_parse_host(listener->conf->address.host, listener->conf->address.port, &address);
    if (result != OK)
        return result;
    return net_listener_new(listeners->gateway->platform.main_loop, &address, (int)listener->conf->backlog,
                            on_accept, listener, &listener->socket);
}

enum result listeners_new(struct gateway *gateway, const struct secure *secure, char *error, size_t capacity,
                          struct listeners **out)
{
    size_t count = gateway->configuration->listener_count;
    struct listeners *listeners = calloc(1, sizeof *listeners + count * sizeof listeners->each[0]);
    if (listeners == NULL)
        return ERR_NOMEM;
    listeners->gateway = gateway;
    listeners->secure = secure;
    listeners->count = count;
    for (size_t i = 0; i < count; i++) {
        enum result result = open_one(listeners, i);
        const struct configuration_listener *conf = &gateway->configuration->listener[i];
        char address[NET_HOST_MAX + 8];
        text_format(address, sizeof address, "%s:%u", conf->address.host, conf->address.port);
        if (result != OK) {
            const char *why = result == ERR_EXISTS    ? "the address is in use"
                              : result == ERR_REFUSED ? "not permitted (ports below 1024 need a capability)"
                              : result == ERR_MISSING ? "not an address of this machine"
                                                      : result_text(result);
            text_format(error, capacity, "listener %s, %s: %s", conf->name, address, why);
            listeners_free(listeners);
            return result;
        }
        if (conf->tls == NULL)
            log_event(LOG_GATEWAY_PLAIN, log_text(conf->name), log_text(address));
    }
    *out = listeners;
    return OK;
}

void listeners_free(struct listeners *listeners)
{
    if (listeners == NULL)
        return;
    for (size_t i = 0; i < listeners->count; i++)
        net_listener_free(&listeners->each[i].socket);
    free(listeners);
}
