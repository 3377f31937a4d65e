// SPDX-License-Identifier: Apache-2.0
//
// The two ends of a simulated connection. Each end lives on its loop; what one sends is a list of segments
// with arrival times, which a timer on the receiver's loop takes in. Nothing happens in the receiver within
// the sender's call.
#include <stdlib.h>

#include "base/magic.h"
#include "base/units.h"
#include "memory_end.h"

#define END_MAGIC 0x4d454e44u

enum { BUFFER_DEFAULT = 64 * 1024 };

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET };

struct segment {
    struct list_node node;
    uint64_t arrives_at;
    enum segment_kind kind;
    size_t length;
    uint8_t data[];
};

struct memory_end *memory_end_of(struct transport *transport)
{
    struct memory_end *end = (struct memory_end *)(void *)transport;
    MAGIC_CHECK(end, END_MAGIC);
    return end;
}

// ---- The way of a segment ----

static uint64_t arrival_of(struct memory_end *to, size_t length)
{
    struct memory_stream *stream = &to->incoming;
    struct sim_world *world = to->world;
    uint64_t at = sim_world_now(world);
    if (stream->path.rate > 0) {
        if (stream->line_free_at < at)
            stream->line_free_at = at;
        stream->line_free_at += length * NSEC_PER_SEC / stream->path.rate;
        at = stream->line_free_at;
    }
    at += stream->path.latency;
    if (stream->path.latency_jitter > 0)
        at += sim_random_below(world, stream->path.latency_jitter + 1);
    if (at < stream->last_arrival)
        at = stream->last_arrival;
    stream->last_arrival = at;
    return at;
}

static void wait_for_first(struct memory_end *end)
{
    struct list_node *node = list_first(&end->incoming.segments);
    if (node == NULL || end->stalled)
        ev_timer_stop(&end->arrival);
    else
        ev_timer_start_at(&end->arrival, CONTAINER_OF(node, struct segment, node)->arrives_at);
}

static void send_segment(struct memory_end *to, enum segment_kind kind, const uint8_t *data, size_t length)
{
    struct segment *segment = malloc(sizeof *segment + length);
    ensure(segment != NULL);
    *segment = (struct segment){.kind = kind, .length = length, .arrives_at = arrival_of(to, length)};
    if (length > 0)
        memcpy(segment->data, data, length);
    list_append(&to->incoming.segments, &segment->node);
    to->incoming.held += length;
    if (!ev_timer_is_armed(&to->arrival))
        wait_for_first(to);
}

static void send_last(struct memory_end *to, enum segment_kind kind)
{
    if (to == NULL || to->incoming.ended)
        return;
    to->incoming.ended = true;
    send_segment(to, kind, NULL, 0);
}

static size_t room_towards(const struct memory_end *to)
{
    size_t buffer = to->incoming.path.buffer > 0 ? to->incoming.path.buffer : BUFFER_DEFAULT;
    return to->incoming.held < buffer ? buffer - to->incoming.held : 0;
}

static unsigned ready_events(const struct memory_end *end)
{
    const struct memory_stream *in = &end->incoming;
    unsigned events = 0;
    if (!byte_queue_is_empty(&in->arrived) || in->end_arrived || in->reset_arrived)
        events |= TRANSPORT_READABLE;
    if (in->reset_arrived || end->other == NULL || room_towards(end->other) > 0)
        events |= TRANSPORT_WRITABLE;
    if (end->transport.ended)
        events &= ~(unsigned)TRANSPORT_READABLE;
    return events & end->transport.wanted;
}

static void tell_when_ready(struct memory_end *end)
{
    if (end->transport.state != TRANSPORT_IS_OPEN || ready_events(end) == 0)
        return;
    uint64_t jitter = end->incoming.path.turn_jitter;
    if (jitter == 0)
        ev_task_defer(&end->ready);
    else if (!ev_timer_is_armed(&end->ready_later))
        ev_timer_start(&end->ready_later, sim_random_below(end->world, jitter));
}

static void on_ready_task(void *arg)
{
    struct memory_end *end = arg;
    MAGIC_CHECK(end, END_MAGIC);
    transport_emit(&end->transport, ready_events(end));
    tell_when_ready(end);
}

static void on_arrival(void *arg)
{
    struct memory_end *end = arg;
    MAGIC_CHECK(end, END_MAGIC);
    struct memory_stream *in = &end->incoming;
    for (struct list_node *node = list_first(&in->segments); node != NULL; node = list_first(&in->segments)) {
        struct segment *segment = CONTAINER_OF(node, struct segment, node);
        if (segment->arrives_at > ev_now(end->transport.loop))
            break;
        list_remove(&in->segments, node);
        if (segment->kind == SEGMENT_END)
            in->end_arrived = true;
        else if (segment->kind == SEGMENT_RESET)
            in->reset_arrived = true;
        else
            ensure(byte_queue_append(&in->arrived, slice_of(segment->data, segment->length)) == OK);
        free(segment);
    }
    wait_for_first(end);
    tell_when_ready(end);
}

static void on_room(void *arg)
{
    tell_when_ready(arg);
}

static void on_opening(void *arg)
{
    struct memory_end *end = arg;
    MAGIC_CHECK(end, END_MAGIC);
    if (end->transport.reason != TRANSPORT_NONE)
        transport_broke(&end->transport, end->transport.reason, true);
    else
        transport_opened(&end->transport);
}

// A crash closes the process's sockets: the kernel says so to the other side, in order or not.
static void on_killed(void *arg)
{
    struct memory_end *end = arg;
    MAGIC_CHECK(end, END_MAGIC);
    if (end->transport.state == TRANSPORT_IS_CLOSED || end->other == NULL)
        return;
    bool reset = !byte_queue_is_empty(&end->incoming.arrived) || sim_random_chance(end->world, 1, 2);
    send_last(end->other, reset ? SEGMENT_RESET : SEGMENT_END);
}

// ---- Transport ----

static enum result memory_read(struct transport *transport, void *buffer, size_t capacity, size_t *got)
{
    struct memory_end *end = memory_end_of(transport);
    struct memory_stream *in = &end->incoming;
    if (in->reset_arrived)
        return transport_broke(transport, TRANSPORT_RESET, false);
    struct slice bytes = slice_first(byte_queue_peek(&in->arrived), capacity);
    if (bytes.length == 0)
        return in->end_arrived ? CLOSED : AGAIN;
    if (in->path.read_max > 0) {
        size_t most = in->path.read_max < bytes.length ? in->path.read_max : bytes.length;
        bytes.length = 1 + sim_random_below(end->world, most);
    }
    if (in->path.cut_after > 0)
        bytes = slice_first(bytes, in->path.cut_after - in->read_total);
    memcpy(buffer, bytes.data, bytes.length);
    *got = bytes.length;
    bool was_full = room_towards(end) == 0;
    byte_queue_consume(&in->arrived, bytes.length);
    in->held -= bytes.length;
    in->read_total += bytes.length;
    if (in->read_total == in->path.cut_after) {
        if (end->cuts != NULL)
            ++*end->cuts;
        memory_transport_cut(transport);
        return OK;
    }
    if (was_full && end->other != NULL && !ev_timer_is_armed(&end->other->room))
        ev_timer_start(&end->other->room, end->other->incoming.path.latency);
    return OK;
}

static void send_slice(struct memory_end *to, struct slice bytes)
{
    while (bytes.length > 0) {
        size_t part = bytes.length;
        if (to->incoming.path.segment_max > 0) {
            size_t most = to->incoming.path.segment_max < part ? to->incoming.path.segment_max : part;
            part = 1 + sim_random_below(to->world, most);
        }
        send_segment(to, SEGMENT_DATA, bytes.data, part);
        bytes = slice_from(bytes, part);
    }
}

static enum result memory_writev(struct transport *transport, const struct slice *slices, size_t count,
                                 size_t *written)
{
    struct memory_end *end = memory_end_of(transport);
    if (end->incoming.reset_arrived)
        return transport_broke(transport, TRANSPORT_RESET, false);
    if (end->other == NULL || ev_loop_is_dead(end->other->transport.loop)) {
        // Nobody is there any more. The first bytes go nowhere, as in TCP; what has come in may still be
        // read.
        if (end->write_dead) {
            transport->drains = true;
            return transport_broke(transport, TRANSPORT_RESET, false);
        }
        end->write_dead = true;
        *written = 0;
        for (size_t i = 0; i < count; i++)
            *written += slices[i].length;
        return OK;
    }
    size_t room = room_towards(end->other);
    size_t taken = 0;
    for (size_t i = 0; i < count && taken < room; i++) {
        struct slice part = slice_first(slices[i], room - taken);
        send_slice(end->other, part);
        taken += part.length;
    }
    *written = taken;
    return taken > 0 ? OK : AGAIN;
}

static void memory_want(struct transport *transport, unsigned events)
{
    (void)events; // transport->wanted
    struct memory_end *end = memory_end_of(transport);
    tell_when_ready(end);
}

static void memory_shutdown(struct transport *transport)
{
    send_last(memory_end_of(transport)->other, SEGMENT_END);
}

static void clear_stream(struct memory_stream *stream)
{
    while (!list_is_empty(&stream->segments))
        free(CONTAINER_OF(list_take_first(&stream->segments), struct segment, node));
    byte_queue_fini(&stream->arrived);
    stream->held = 0;
}

static void memory_close(struct transport *transport, bool orderly)
{
    struct memory_end *end = memory_end_of(transport);
    bool unread = !byte_queue_is_empty(&end->incoming.arrived);
    if (end->other != NULL && !ev_loop_is_dead(transport->loop))
        send_last(end->other, orderly && !unread ? SEGMENT_END : SEGMENT_RESET);
    ev_timer_fini(&end->arrival);
    ev_timer_fini(&end->room);
    ev_timer_fini(&end->opening);
    ev_task_fini(&end->ready);
    ev_timer_fini(&end->ready_later);
    sim_kill_hook_fini(&end->killed);
    clear_stream(&end->incoming);
    if (end->known_as != NULL)
        *end->known_as = NULL;
    if (end->other != NULL)
        end->other->other = NULL;
    end->other = NULL;
}

static void memory_destroy(struct ev_garbage *garbage)
{
    struct memory_end *end = memory_end_of(CONTAINER_OF(garbage, struct transport, garbage));
    MAGIC_CLEAR(end);
    free(end);
}

static const struct transport_ops memory_ops = {
    .kind = "memory",
    .read = memory_read,
    .writev = memory_writev,
    .want = memory_want,
    .shutdown = memory_shutdown,
    .close = memory_close,
    .destroy = memory_destroy,
};

// ---- Making them ----

struct memory_end *memory_end_new(struct ev_loop *loop, const struct memory_path *incoming,
                                  const struct net_address *peer, transport_ready_fn *on_ready, void *arg)
{
    struct memory_end *end = calloc(1, sizeof *end);
    ensure(end != NULL);
    MAGIC_INIT(end, END_MAGIC);
    transport_setup(&end->transport, &memory_ops, loop, peer, on_ready, arg);
    end->world = sim_world_of(loop);
    if (incoming != NULL)
        end->incoming.path = *incoming;
    list_init(&end->incoming.segments);
    byte_queue_init(&end->incoming.arrived, SIZE_MAX / 4);
    ev_timer_init(&end->arrival, loop, on_arrival, end);
    ev_timer_init(&end->room, loop, on_room, end);
    ev_timer_init(&end->opening, loop, on_opening, end);
    ev_task_init(&end->ready, loop, on_ready_task, end);
    ev_timer_init(&end->ready_later, loop, on_ready_task, end);
    sim_loop_on_kill(&end->killed, loop, on_killed, end);
    return end;
}

void memory_ends_join(struct memory_end *a, struct memory_end *b)
{
    a->other = b;
    b->other = a;
}

void memory_end_open(struct memory_end *end, uint64_t delay)
{
    ev_timer_start(&end->opening, delay);
}

void memory_end_refuse(struct memory_end *end, enum transport_reason reason, uint64_t delay)
{
    end->transport.reason = reason;
    ev_timer_start(&end->opening, delay);
}

void memory_pair_new(struct ev_loop *loop_a, struct ev_loop *loop_b, const struct memory_path *forward,
                     const struct memory_path *backward, struct transport **a, struct transport **b)
{
    struct net_address address_a = {.family = NET_IPV4, .port = 50000, .bytes = {10, 0, 0, 1}};
    struct net_address address_b = {.family = NET_IPV4, .port = 104, .bytes = {10, 0, 0, 2}};
    struct memory_end *end_a = memory_end_new(loop_a, backward, &address_b, NULL, NULL);
    struct memory_end *end_b = memory_end_new(loop_b, forward, &address_a, NULL, NULL);
    memory_ends_join(end_a, end_b);
    memory_end_open(end_a, 0);
    memory_end_open(end_b, 0);
    *a = &end_a->transport;
    *b = &end_b->transport;
}

static void cut_end(struct memory_end *end)
{
    if (end == NULL || end->transport.state == TRANSPORT_IS_CLOSED)
        return;
    clear_stream(&end->incoming);
    ev_timer_stop(&end->arrival);
    end->incoming.ended = true;
    end->incoming.reset_arrived = true;
    if (end->transport.state == TRANSPORT_OPENING)
        memory_end_refuse(end, TRANSPORT_RESET, 0);
    tell_when_ready(end);
}

void memory_transport_cut(struct transport *transport)
{
    struct memory_end *end = memory_end_of(transport);
    struct memory_end *other = end->other;
    cut_end(end);
    cut_end(other);
}

void memory_transport_stall(struct transport *transport, bool stalled)
{
    struct memory_end *end = memory_end_of(transport);
    if (transport->state == TRANSPORT_IS_CLOSED)
        return;
    end->stalled = stalled;
    wait_for_first(end);
}

void memory_transport_stall_far(struct transport *transport, bool stalled)
{
    struct memory_end *end = memory_end_of(transport);
    if (transport->state != TRANSPORT_IS_CLOSED && end->other != NULL)
        memory_transport_stall(&end->other->transport, stalled);
}
