// SPDX-License-Identifier: Apache-2.0
//
// Between memory.c (the ends of a link) and memory_network.c (who connects them). Simulated only.
#pragma once

#include "base/queue.h"
#include "net/memory.h"

// Bytes on their way to one end, and those that have arrived there.
struct memory_stream {
    struct memory_path path;
    struct list segments; // in flight, in order of arrival
    struct byte_queue arrived;
    uint64_t read_total;   // bytes that the owner has read
    size_t held;           // in flight and arrived: the sender's room is path.buffer - held
    uint64_t last_arrival; // nothing overtakes
    uint64_t line_free_at; // with a rate: when the line has sent what it has
    bool ended;            // the end of stream or a reset has been sent; nothing may follow
    bool end_arrived;
    bool reset_arrived;
};

struct memory_end {
    struct transport transport;
    uint32_t magic;
    bool stalled;
    bool write_dead; // written to after the far end had gone
    struct sim_world *world;
    struct memory_end *other;     // NULL: not accepted yet, or gone
    struct memory_end **known_as; // nulled when this end is closed; NULL: nobody asks
    uint64_t *cuts;               // counts those by path.cut_after; NULL: nobody asks
    struct memory_stream incoming;
    struct ev_timer arrival;     // of the next segment
    struct ev_timer room;        // when the news of room at the far end arrives
    struct ev_task ready;        // tells the owner: level-triggered
    struct ev_timer ready_later; // the same after path.turn_jitter
    struct ev_timer opening;
    struct sim_kill_hook killed;
};

// An end without a partner, in state OPENING.
struct memory_end *memory_end_new(struct ev_loop *loop, const struct memory_path *incoming,
                                  const struct net_address *peer, transport_ready_fn *on_ready, void *arg);
void memory_ends_join(struct memory_end *a, struct memory_end *b);
// OPEN after `delay`, or BROKEN with `reason` if that is not NONE.
void memory_end_open(struct memory_end *end, uint64_t delay);
void memory_end_refuse(struct memory_end *end, enum transport_reason reason, uint64_t delay);
struct memory_end *memory_end_of(struct transport *transport);
