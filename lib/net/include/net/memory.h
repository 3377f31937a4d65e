// SPDX-License-Identifier: Apache-2.0
//
// Transport in memory between two loops of one simulated world: pairs, and a network of listening addresses
// with its dialer. Latency, bandwidth, bounded buffers, segmentation and resets are drawn from the world's
// seed. Tests and the simulator only (target dg_net_sim). Source: ENGINE 8.
#pragma once

#include "ev/sim.h"
#include "net/dial.h"

// How one direction of a link behaves. Zero-initialised: no latency, unlimited rate, 64 KiB buffer, whole
// segments.
struct memory_path {
    uint64_t latency;        // nanoseconds
    uint64_t latency_jitter; // up to this much more, drawn for each segment; bytes stay in order
    uint64_t rate;           // bytes a second, 0: unlimited
    size_t buffer;           // bytes in flight and unread together, 0: 64 KiB; then writes answer AGAIN
    size_t segment_max;      // segments of 1..segment_max bytes, drawn; 0: as written
    size_t read_max;         // a read gives 1..read_max bytes, drawn (1: single bytes); 0: all there is
    uint64_t turn_jitter; // readiness is told up to this much later, drawn: in no order between connections
    uint64_t cut_after;   // the connection is cut when so many bytes have been read at its end; 0: never
};

// Two ends, each on its loop, both OPEN in their next turn. forward: a to b. paths may be NULL.
void memory_pair_new(struct ev_loop *loop_a, struct ev_loop *loop_b, const struct memory_path *forward,
                     const struct memory_path *backward, struct transport **a, struct transport **b);
// At any moment: both ends meet TRANSPORT_RESET; bytes in flight are lost. `transport` is either end.
void memory_transport_cut(struct transport *transport);
// Stops (true) or resumes delivery to this end, as a broken cable does: nothing arrives, nothing is reported.
void memory_transport_stall(struct transport *transport, bool stalled);
// The same for the other end: what this one says does not arrive.
void memory_transport_stall_far(struct transport *transport, bool stalled);

// ---- Network ----

struct memory_network;

struct memory_network *memory_network_new(struct sim_world *world);
// Before the loops that it listens on are freed.
void memory_network_free(struct memory_network **network);
// The path of every connection made from now on, both directions.
void memory_network_set_path(struct memory_network *network, const struct memory_path *path);
const struct net_dialer *memory_network_dialer(struct memory_network *network);

// transport: the accepted end, on the loop of the listener, without a handler yet (transport_set_handler) and
// the callback's. The dialled end gets OPEN a round trip after dialling; nobody listening (or a dead loop)
// means REFUSED.
typedef void memory_accept_fn(void *arg, struct transport *transport);
MUST_USE enum result memory_network_listen(struct memory_network *network, const struct net_address *address,
                                           struct ev_loop *loop, memory_accept_fn *accept, void *arg);
void memory_network_unlisten(struct memory_network *network, const struct net_address *address);
// The address from which connections of this loop come (the default is 10.0.0.1; the port is a new one each
// time). Ask again for a loop that takes the place of a freed one.
void memory_network_set_source(struct memory_network *network, struct ev_loop *loop,
                               const struct net_address *source);
// The next connection that is dialled, and no other, is cut when its acceptor has read `to_acceptor` bytes or
// its dialler `to_dialer` (0: never).
void memory_network_cut_next(struct memory_network *network, uint64_t to_acceptor, uint64_t to_dialer);
// How many connections were cut by that so far.
uint64_t memory_network_cuts(const struct memory_network *network);
// Accepting is lost for a while: dialling gets no answer (true), as with a host that is off.
void memory_network_blackhole(struct memory_network *network, const struct net_address *address, bool on);
