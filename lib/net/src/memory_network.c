// SPDX-License-Identifier: Apache-2.0
//
// A simulated network: who listens where, who dials whom. A caller waits in the queue of the listener's loop
// until its connection request has travelled there. Lists are in the order of calls; nothing depends on
// addresses in memory.
#include <stdlib.h>

#include "base/magic.h"
#include "base/units.h"
#include "memory_end.h"

#define NETWORK_MAGIC 0x4e455457u

struct caller {
    struct list_node node;
    struct memory_end *end; // NULL when the caller has given up
    uint64_t arrives_at;
    struct memory_path path;
    struct net_address source;
};

struct listening {
    struct list_node node;
    struct memory_network *network;
    struct net_address address;
    struct ev_loop *loop;
    memory_accept_fn *accept;
    void *arg;
    struct list callers;
    struct ev_timer arrival;
    struct sim_kill_hook killed;
    struct ev_garbage garbage;
};

struct hole {
    struct list_node node;
    struct net_address address;
};

struct source {
    struct list_node node;
    struct ev_loop *loop;
    struct net_address address;
};

struct network_dialer {
    struct net_dialer dialer;
    struct memory_network *network;
};

struct memory_network {
    uint32_t magic;
    struct sim_world *world;
    struct memory_path path;
    uint64_t cut_acceptor, cut_dialer; // of the next connection
    uint64_t cuts;                     // made so
    struct list listening, holes, sources;
    struct network_dialer dialer;
    uint16_t next_port;
};

static struct listening *find_listening(struct memory_network *network, const struct net_address *address)
{
    LIST_EACH(&network->listening, node)
    {
        struct listening *listening = CONTAINER_OF(node, struct listening, node);
        if (net_address_equal(&listening->address, address))
            return listening;
    }
    return NULL;
}

static struct hole *find_hole(struct memory_network *network, const struct net_address *address)
{
    LIST_EACH(&network->holes, node)
    {
        struct hole *hole = CONTAINER_OF(node, struct hole, node);
        if (net_address_equal(&hole->address, address))
            return hole;
    }
    return NULL;
}

static struct net_address source_of(struct memory_network *network, struct ev_loop *loop)
{
    struct net_address address = {.family = NET_IPV4, .bytes = {10, 0, 0, 1}};
    LIST_EACH(&network->sources, node)
    {
        struct source *source = CONTAINER_OF(node, struct source, node);
        if (source->loop == loop)
            address = source->address;
    }
    network->next_port = network->next_port < 60000 ? (uint16_t)(network->next_port + 1) : 40000;
    address.port = network->next_port;
    return address;
}

static void wait_for_first(struct listening *listening)
{
    struct list_node *node = list_first(&listening->callers);
    if (node == NULL)
        ev_timer_stop(&listening->arrival);
    else
        ev_timer_start_at(&listening->arrival, CONTAINER_OF(node, struct caller, node)->arrives_at);
}

static void accept_caller(struct listening *listening, struct caller *caller)
{
    struct memory_end *far = caller->end;
    if (far == NULL)
        return;
    far->known_as = NULL;
    if (ev_loop_is_dead(far->transport.loop))
        return;
    struct memory_end *near = memory_end_new(listening->loop, &caller->path, &caller->source, NULL, NULL);
    near->cuts = &listening->network->cuts;
    memory_ends_join(near, far);
    memory_end_open(near, 0);
    memory_end_open(far, caller->path.latency);
    listening->accept(listening->arg, &near->transport);
}

static void on_arrival(void *arg)
{
    struct listening *listening = arg;
    uint64_t now = ev_now(listening->loop);
    for (struct list_node *node = list_first(&listening->callers); node != NULL;
         node = list_first(&listening->callers)) {
        struct caller *caller = CONTAINER_OF(node, struct caller, node);
        if (caller->arrives_at > now)
            break;
        list_remove(&listening->callers, node);
        accept_caller(listening, caller);
        free(caller);
    }
    if (list_node_is_linked(&listening->node)) // the callback may have ended the listening
        wait_for_first(listening);
}

static void refuse_callers(struct listening *listening)
{
    for (struct list_node *node = list_take_first(&listening->callers); node != NULL;
         node = list_take_first(&listening->callers)) {
        struct caller *caller = CONTAINER_OF(node, struct caller, node);
        if (caller->end != NULL) {
            caller->end->known_as = NULL;
            memory_end_refuse(caller->end, TRANSPORT_REFUSED, caller->path.latency);
        }
        free(caller);
    }
}

static void listening_destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct listening, garbage));
}

static void end_listening(struct listening *listening)
{
    list_remove(&listening->network->listening, &listening->node);
    refuse_callers(listening);
    ev_timer_fini(&listening->arrival);
    sim_kill_hook_fini(&listening->killed);
    ev_loop_discard(listening->loop, &listening->garbage, listening_destroy);
}

static void on_killed(void *arg)
{
    end_listening(arg);
}

// ---- Dialling ----

static enum result dial(const struct net_dialer *dialer, struct ev_loop *loop,
                        const struct net_address *address, transport_ready_fn *on_ready, void *arg,
                        struct transport **out)
{
    struct memory_network *network = ((const struct network_dialer *)(const void *)dialer)->network;
    MAGIC_CHECK(network, NETWORK_MAGIC);
    struct memory_end *end = memory_end_new(loop, &network->path, address, on_ready, arg);
    *out = &end->transport;
    if (find_hole(network, address) != NULL)
        return OK;
    struct listening *listening = find_listening(network, address);
    if (listening == NULL) {
        memory_end_refuse(end, TRANSPORT_REFUSED, 2 * network->path.latency);
        return OK;
    }
    struct caller *caller = calloc(1, sizeof *caller);
    ensure(caller != NULL);
    *caller = (struct caller){.end = end,
                              .path = network->path,
                              .source = source_of(network, loop),
                              .arrives_at = sim_world_now(network->world) + network->path.latency};
    if (network->cut_acceptor + network->cut_dialer > 0) {
        caller->path.cut_after = network->cut_acceptor;
        end->incoming.path.cut_after = network->cut_dialer;
        network->cut_acceptor = network->cut_dialer = 0;
    }
    end->cuts = &network->cuts;
    end->known_as = &caller->end;
    list_append(&listening->callers, &caller->node);
    wait_for_first(listening);
    return OK;
}

struct memory_network *memory_network_new(struct sim_world *world)
{
    struct memory_network *network = calloc(1, sizeof *network);
    ensure(network != NULL);
    MAGIC_INIT(network, NETWORK_MAGIC);
    network->world = world;
    network->dialer = (struct network_dialer){.dialer = {.dial = dial}, .network = network};
    list_init(&network->listening);
    list_init(&network->holes);
    list_init(&network->sources);
    network->next_port = 40000;
    return network;
}

void memory_network_free(struct memory_network **out)
{
    struct memory_network *network = *out;
    if (network == NULL)
        return;
    MAGIC_CHECK(network, NETWORK_MAGIC);
    *out = NULL;
    while (!list_is_empty(&network->listening))
        end_listening(CONTAINER_OF(list_first(&network->listening), struct listening, node));
    while (!list_is_empty(&network->holes))
        free(CONTAINER_OF(list_take_first(&network->holes), struct hole, node));
    while (!list_is_empty(&network->sources))
        free(CONTAINER_OF(list_take_first(&network->sources), struct source, node));
    MAGIC_CLEAR(network);
    free(network);
}

void memory_network_set_path(struct memory_network *network, const struct memory_path *path)
{
    network->path = *path;
}

void memory_network_cut_next(struct memory_network *network, uint64_t to_acceptor, uint64_t to_dialer)
{
    network->cut_acceptor = to_acceptor;
    network->cut_dialer = to_dialer;
}

uint64_t memory_network_cuts(const struct memory_network *network)
{
    return network->cuts;
}

const struct net_dialer *memory_network_dialer(struct memory_network *network)
{
    return &network->dialer.dialer;
}

enum result memory_network_listen(struct memory_network *network, const struct net_address *address,
                                  struct ev_loop *loop, memory_accept_fn *accept, void *arg)
{
    MAGIC_CHECK(network, NETWORK_MAGIC);
    if (find_listening(network, address) != NULL)
        return ERR_EXISTS;
    struct listening *listening = calloc(1, sizeof *listening);
    ensure(listening != NULL);
    *listening = (struct listening){
        .network = network, .address = *address, .loop = loop, .accept = accept, .arg = arg};
    list_init(&listening->callers);
    ev_timer_init(&listening->arrival, loop, on_arrival, listening);
    sim_loop_on_kill(&listening->killed, loop, on_killed, listening);
    list_append(&network->listening, &listening->node);
    return OK;
}

void memory_network_unlisten(struct memory_network *network, const struct net_address *address)
{
    struct listening *listening = find_listening(network, address);
    if (listening != NULL)
        end_listening(listening);
}

void memory_network_set_source(struct memory_network *network, struct ev_loop *loop,
                               const struct net_address *address)
{
    struct source *source = calloc(1, sizeof *source);
    ensure(source != NULL);
    source->loop = loop;
    source->address = *address;
    list_append(&network->sources, &source->node);
}

void memory_network_blackhole(struct memory_network *network, const struct net_address *address, bool on)
{
    struct hole *hole = find_hole(network, address);
    if (on && hole == NULL) {
        hole = calloc(1, sizeof *hole);
        ensure(hole != NULL);
        hole->address = *address;
        list_append(&network->holes, &hole->node);
    } else if (!on && hole != NULL) {
        list_remove(&network->holes, &hole->node);
        free(hole);
    }
}
