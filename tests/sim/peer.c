// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <stdlib.h>

#include "base/magic.h"
#include "base/units.h"
#include "dimse/reader.h"
#include "net/memory.h"

#define PEER_MAGIC 0x50454552u

enum { READ_SIZE = 64 * 1024, ROOM = 64 * 1024 };

struct peer {
    uint32_t magic;
    struct ev_loop *loop;
    struct transport *transport;
    const struct net_dialer *dialer;
    struct net_address address;
    struct ul_association ul;
    struct dimse_reader reader;
    struct byte_queue out;
    bool is_reading;
    bool must_close;
    bool is_over;
    bool is_told;
    bool is_released;
    bool is_full; // no room was left: on_room is due
    struct ev_timer artim;
    struct ev_task end_task;
    const struct peer_handler *handler;
    void *arg;
};

static struct peer *peer_of(void *arg)
{
    struct peer *peer = arg;
    MAGIC_CHECK(peer, PEER_MAGIC);
    return peer;
}

static void over(struct peer *peer)
{
    peer->is_over = true;
    ev_task_defer(&peer->end_task);
}

static void on_end_task(void *arg)
{
    struct peer *peer = peer_of(arg);
    if (peer->is_told)
        return;
    peer->is_told = true;
    ev_timer_stop(&peer->artim);
    if (peer->transport != NULL)
        transport_close(peer->transport);
    peer->handler->on_end(peer->arg, peer->is_released);
}

static void control_take(struct peer *peer)
{
    struct byte_queue *output = ul_association_output(&peer->ul);
    struct slice bytes = byte_queue_peek(output);
    if (bytes.length == 0)
        return;
    ensure(byte_queue_append(&peer->out, bytes) == OK);
    byte_queue_consume(output, bytes.length);
}

static void want(struct peer *peer)
{
    if (peer->transport == NULL || peer->is_over)
        return;
    unsigned events = peer->is_reading ? TRANSPORT_READABLE : 0;
    if (!byte_queue_is_empty(&peer->out))
        events |= TRANSPORT_WRITABLE;
    transport_want(peer->transport, events);
}

static void lost(struct peer *peer)
{
    if (peer->is_over)
        return;
    ul_association_on_transport_closed(&peer->ul);
    over(peer);
}

static void flush(struct peer *peer)
{
    control_take(peer);
    while (peer->transport != NULL && !peer->is_over && !byte_queue_is_empty(&peer->out)) {
        struct slice bytes = byte_queue_peek(&peer->out);
        size_t written = 0;
        enum result result = transport_writev(peer->transport, &bytes, 1, &written);
        if (result == AGAIN)
            break;
        if (result != OK) {
            lost(peer);
            return;
        }
        byte_queue_consume(&peer->out, written);
    }
    if (peer->must_close && byte_queue_is_empty(&peer->out) && !peer->is_over)
        over(peer);
    want(peer);
}

static void read_more(struct peer *peer)
{
    static uint8_t buffer[READ_SIZE];
    while (peer->is_reading && !peer->is_over) {
        size_t got = 0;
        enum result result = transport_read(peer->transport, buffer, sizeof buffer, &got);
        if (result == AGAIN)
            return;
        if (result != OK) {
            lost(peer);
            return;
        }
        size_t consumed = 0;
        result = ul_association_input(&peer->ul, slice_of(buffer, got), &consumed);
        if (result == CLOSED)
            peer->must_close = true;
        if (result != OK)
            return;
    }
}

static void on_ready(void *arg, unsigned events)
{
    struct peer *peer = peer_of(arg);
    if (peer->is_over)
        return;
    if (events & TRANSPORT_BROKEN) {
        lost(peer);
        return;
    }
    if ((events & TRANSPORT_OPEN) && ul_association_on_transport_connected(&peer->ul) != OK) {
        lost(peer);
        return;
    }
    if (events & TRANSPORT_READABLE)
        read_more(peer);
    flush(peer);
    if (!peer->is_over && peer->is_full && peer_has_room(peer)) {
        peer->is_full = false;
        peer->handler->on_room(peer->arg);
        flush(peer);
    }
}

// ---- from the machine ----

static void on_associate_rq(void *arg, const struct ul_parameters *request)
{
    struct peer *peer = peer_of(arg);
    peer->handler->on_request(peer->arg, request);
}

static void on_associate_ac(void *arg, const struct ul_parameters *answer)
{
    struct peer *peer = peer_of(arg);
    (void)answer;
    peer->handler->on_open(peer->arg);
}

static void on_associate_rj(void *arg, struct ul_reject reject)
{
    (void)arg, (void)reject;
}

static void on_abort(void *arg, const struct ul_abort_indication *indication)
{
    struct peer *peer = peer_of(arg);
    (void)indication;
    peer->must_close = true;
}

static void on_release_rq(void *arg, bool is_collision)
{
    struct peer *peer = peer_of(arg);
    (void)is_collision;
    peer->is_released = true;
    peer->handler->on_release(peer->arg);
    if (ul_association_release_response(&peer->ul) != OK)
        peer->must_close = true;
}

static void on_release_rp(void *arg)
{
    peer_of(arg)->is_released = true;
}

static void on_pdv_begin(void *arg, const struct ul_pdv *pdv)
{
    dimse_reader_pdv_begin(&peer_of(arg)->reader, pdv->context_id, pdv->control, pdv->length);
}

static void on_pdv_data(void *arg, struct slice piece)
{
    dimse_reader_pdv_data(&peer_of(arg)->reader, piece);
}

static void on_pdv_end(void *arg)
{
    dimse_reader_pdv_end(&peer_of(arg)->reader);
}

static void on_artim_start(void *arg)
{
    ev_timer_start(&peer_of(arg)->artim, 20 * NSEC_PER_SEC);
}

static void on_artim_stop(void *arg)
{
    ev_timer_stop(&peer_of(arg)->artim);
}

static void on_artim(void *arg)
{
    struct peer *peer = peer_of(arg);
    ul_association_on_artim_expired(&peer->ul);
    flush(peer);
}

static void on_transport_connect(void *arg)
{
    struct peer *peer = peer_of(arg);
    ensure(net_dial(peer->dialer, peer->loop, &peer->address, on_ready, peer, &peer->transport) == OK);
}

static void on_transport_close(void *arg)
{
    peer_of(arg)->must_close = true;
}

static const struct ul_handler ul_handler = {
    .on_associate_rq = on_associate_rq,
    .on_associate_ac = on_associate_ac,
    .on_associate_rj = on_associate_rj,
    .on_refused = on_associate_rj,
    .on_abort = on_abort,
    .on_release_rq = on_release_rq,
    .on_release_rp = on_release_rp,
    .on_pdv_begin = on_pdv_begin,
    .on_pdv_data = on_pdv_data,
    .on_pdv_end = on_pdv_end,
    .on_artim_start = on_artim_start,
    .on_artim_stop = on_artim_stop,
    .on_transport_connect = on_transport_connect,
    .on_transport_close = on_transport_close,
};

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct peer *peer = peer_of(arg);
    peer->handler->on_command(peer->arg, context_id, command);
}

static void on_data(void *arg, struct slice piece)
{
    struct peer *peer = peer_of(arg);
    peer->handler->on_data(peer->arg, piece);
}

static void on_data_end(void *arg)
{
    struct peer *peer = peer_of(arg);
    peer->handler->on_data_end(peer->arg);
}

static void on_error(void *arg, enum dimse_reason reason)
{
    (void)reason;
    peer_abort(peer_of(arg));
}

static const struct dimse_handler dimse_handler = {
    .on_command = on_command, .on_data = on_data, .on_data_end = on_data_end, .on_error = on_error};

// ---- life ----

static struct peer *peer_new(struct ev_loop *loop, enum ul_role role, const struct peer_handler *handler,
                             void *arg)
{
    struct peer *peer = calloc(1, sizeof *peer);
    ensure(peer != NULL);
    MAGIC_INIT(peer, PEER_MAGIC);
    peer->loop = loop;
    peer->handler = handler;
    peer->arg = arg;
    peer->is_reading = true;
    byte_queue_init(&peer->out, 64 * MIB);
    ev_timer_init(&peer->artim, loop, on_artim, peer);
    ev_task_init(&peer->end_task, loop, on_end_task, peer);
    ul_association_init(&peer->ul, role, NULL, &ul_handler, peer);
    dimse_reader_init(&peer->reader, 0, &dimse_handler, peer);
    return peer;
}

struct peer *peer_accept(struct ev_loop *loop, struct transport *transport,
                         const struct peer_handler *handler, void *arg)
{
    struct peer *peer = peer_new(loop, UL_ACCEPTOR, handler, arg);
    peer->transport = transport;
    transport_set_handler(transport, on_ready, peer);
    return peer;
}

struct peer *peer_connect(struct ev_loop *loop, const struct net_dialer *dialer,
                          const struct net_address *address, struct ul_parameters *parameters,
                          const struct peer_handler *handler, void *arg)
{
    struct peer *peer = peer_new(loop, UL_REQUESTOR, handler, arg);
    peer->dialer = dialer;
    peer->address = *address;
    ensure(ul_association_request(&peer->ul, &parameters) == OK);
    return peer;
}

void peer_free(struct peer **owned)
{
    struct peer *peer = *owned;
    *owned = NULL;
    if (peer == NULL)
        return;
    MAGIC_CHECK(peer, PEER_MAGIC);
    transport_free(&peer->transport);
    ev_timer_fini(&peer->artim);
    ev_task_fini(&peer->end_task);
    ul_association_fini(&peer->ul);
    dimse_reader_fini(&peer->reader);
    byte_queue_fini(&peer->out);
    MAGIC_CLEAR(peer);
    free(peer);
}

// ---- what the owner does ----

void peer_answer(struct peer *peer, struct ul_parameters *answer)
{
    if (ul_association_accept(&peer->ul, &answer) != OK) {
        ul_parameters_free(answer);
        peer->must_close = true;
    }
    flush(peer);
}

void peer_reject(struct peer *peer, struct ul_reject reject)
{
    (void)!ul_association_reject(&peer->ul, reject);
    flush(peer);
}

void peer_release(struct peer *peer)
{
    if (ul_association_release_request(&peer->ul) != OK)
        peer->must_close = true;
    flush(peer);
}

void peer_abort(struct peer *peer)
{
    if (ul_association_abort(&peer->ul, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED) != OK)
        peer->must_close = true;
    flush(peer);
}

void peer_reset(struct peer *peer)
{
    if (peer->transport != NULL)
        transport_reset(peer->transport);
    over(peer);
}

void peer_reading(struct peer *peer, bool on)
{
    peer->is_reading = on;
    want(peer);
}

void peer_stall(struct peer *peer, bool on)
{
    if (peer->transport != NULL)
        memory_transport_stall(peer->transport, on);
}

void peer_stall_far(struct peer *peer, bool on)
{
    if (peer->transport != NULL)
        memory_transport_stall_far(peer->transport, on);
}

bool peer_is_open(const struct peer *peer)
{
    return !peer->is_over && !peer->must_close && ul_association_can_send(&peer->ul);
}

bool peer_has_room(const struct peer *peer)
{
    return peer->out.length < ROOM;
}

size_t peer_max_fragment(const struct peer *peer)
{
    return ul_association_max_fragment(&peer->ul);
}

struct ul_association *peer_association(struct peer *peer)
{
    return &peer->ul;
}

static bool send_fragment(struct peer *peer, uint8_t context_id, bool is_command, bool is_last,
                          struct slice payload)
{
    uint8_t header[UL_DATA_HEADER_LENGTH];
    if (!peer_is_open(peer))
        return false;
    control_take(peer);
    if (ul_association_data_header(&peer->ul, context_id, is_command, is_last, (uint32_t)payload.length,
                                   header) != OK)
        return false;
    ensure(byte_queue_append(&peer->out, slice_of(header, sizeof header)) == OK);
    ensure(byte_queue_append(&peer->out, payload) == OK);
    if (!peer_has_room(peer))
        peer->is_full = true;
    return true;
}

bool peer_send_command(struct peer *peer, uint8_t context_id, const struct dimse_command *command)
{
    uint8_t bytes[2048];
    size_t length;
    ensure(dimse_command_encode(command, bytes, sizeof bytes, &length) == OK);
    size_t most = peer_max_fragment(peer);
    for (size_t done = 0; done < length;) {
        struct slice part = slice_first(slice_of(bytes + done, length - done), most);
        if (!send_fragment(peer, context_id, true, done + part.length == length, part))
            return false;
        done += part.length;
    }
    flush(peer);
    return true;
}

bool peer_send_data(struct peer *peer, uint8_t context_id, bool is_last, struct slice payload)
{
    if (!send_fragment(peer, context_id, false, is_last, payload))
        return false;
    flush(peer);
    return true;
}
