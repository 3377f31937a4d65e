// SPDX-License-Identifier: Apache-2.0
//
// The data set of one instance after the other: chunks, hot or read ahead from the journal, go through the
// outlet (outlet.h), which cuts them into fragments for this peer. The last one waits until SENT is written
// (ENGINE 2), so that a crash after it is known as "possibly sent".
#include "base/check.h"
#include "base/log.h"
#include "dimse/message.h"
#include "forward/lane_private.h"
#include <stdlib.h>

// ---- chunks ----

static void on_chunk_read(struct journal_read *read, enum result result)
{
    struct lane_slot *slot = CONTAINER_OF(read, struct lane_slot, read);
    struct lane *lane = slot->lane;
    MAGIC_CHECK(lane, LANE_MAGIC);
    slot->is_reading = false;
    if (lane->is_dead) {
        lane_bury(lane);
        return;
    }
    if (result == CLOSED || slot->flight == NULL || slot->flight != lane->sending) {
        lane_send_more(lane); // of an instance that is over; the slot is free for the next one
        return;
    }
    struct flight *flight = lane->sending;
    struct journal_header header;
    if (result == OK)
        result = journal_read_open(read, JOURNAL_DATA, flight->content->receipt, (uint32_t)slot->piece,
                                   &header, &slot->bytes);
    if (result != OK) {
        flight_unreadable(flight, result);
        return;
    }
    flight->content->pieces[slot->piece].length = (uint32_t)slot->bytes.length;
    slot->is_ready = true;
    lane_send_more(lane);
}

static bool slot_memory_make(struct lane *lane)
{
    if (lane->slot_memory == NULL)
        lane->slot_memory = malloc(LANE_SLOTS * (size_t)JOURNAL_RECORD_MAX);
    return lane->slot_memory != NULL;
}

static struct lane_slot *slot_find(struct lane *lane, const struct flight *flight, size_t piece)
{
    for (size_t i = 0; i < LANE_SLOTS; i++) {
        struct lane_slot *slot = &lane->slots[i];
        if ((slot->is_reading || slot->is_ready) && slot->flight == flight && slot->piece == piece)
            return slot;
    }
    return NULL;
}

static void slot_forget(struct lane_slot *slot)
{
    slot->flight = NULL;
    slot->is_ready = false;
    if (slot->is_reading)
        journal_read_cancel(&slot->read);
}

// For another piece of this flight. What was read to be looked at only gives way.
static struct lane_slot *slot_free_find(struct lane *lane, const struct flight *flight)
{
    for (size_t i = 0; i < LANE_SLOTS; i++)
        if (!lane->slots[i].is_reading && !lane->slots[i].is_ready)
            return &lane->slots[i];
    for (size_t i = 0; i < LANE_SLOTS && !flight->is_judged; i++)
        if (lane->slots[i].is_ready && lane->slots[i].flight == flight &&
            lane->slots[i].piece < flight->piece) {
            slot_forget(&lane->slots[i]);
            return &lane->slots[i];
        }
    return NULL;
}

void flight_piece_request(struct flight *flight, size_t piece)
{
    struct lane *lane = flight->lane;
    if (piece >= flight->content->piece_count || flight->content->pieces[piece].hot != NULL ||
        slot_find(lane, flight, piece) != NULL)
        return;
    struct lane_slot *slot = slot_free_find(lane, flight);
    if (slot == NULL || !slot_memory_make(lane))
        return;
    *slot = (struct lane_slot){.lane = lane, .flight = flight, .piece = piece, .is_reading = true};
    slot->read = (struct journal_read){.position = flight->content->pieces[piece].position,
                                       .length_hint = flight->content->pieces[piece].length,
                                       .buffer = lane->slot_memory +
                                                 (size_t)(slot - lane->slots) * (size_t)JOURNAL_RECORD_MAX,
                                       .done = on_chunk_read};
    journal_stream_read(lane->worker->stream, &slot->read);
}

bool flight_piece_bytes(struct flight *flight, struct slice *bytes)
{
    const struct content_piece *piece = &flight->content->pieces[flight->piece];
    if (piece->hot != NULL) {
        *bytes = slice_of(piece->hot->data, piece->hot->length);
        return true;
    }
    struct lane_slot *slot = slot_find(flight->lane, flight, flight->piece);
    if (slot == NULL || !slot->is_ready) {
        flight_piece_request(flight, flight->piece);
        return false;
    }
    *bytes = slot->bytes;
    return true;
}

void flight_pieces_rewind(struct flight *flight)
{
    struct lane *lane = flight->lane;
    flight->piece = 0;
    for (size_t i = 0; i < LANE_SLOTS; i++)
        if (lane->slots[i].flight == flight && lane->slots[i].piece >= LANE_SLOTS)
            slot_forget(&lane->slots[i]);
}

// All of the piece in the outlet is queued: its slot is free once that is written. On to the next one.
static void piece_done(struct flight *flight)
{
    if (!flight->is_piece_in)
        return;
    flight->is_piece_in = false;
    struct lane_slot *slot = slot_find(flight->lane, flight, flight->piece++);
    if (slot == NULL)
        return;
    slot->is_queued = true;
    slot->mark = leg_mark(flight->lane->leg);
}

// The next piece, or the end, goes into the outlet. False: it is not there yet.
static bool piece_put(struct flight *flight)
{
    const struct content *content = flight->content;
    struct slice bytes;
    piece_done(flight);
    if (content->has_ended)
        outlet_length_set(&flight->outlet, content->length);
    else if (flight->piece + 1 >= content->piece_count)
        return false; // the last piece may have the last fragment in it
    if (flight->piece >= content->piece_count) {
        outlet_end(&flight->outlet);
        return true;
    }
    if (!flight_piece_bytes(flight, &bytes))
        return false;
    outlet_put(&flight->outlet, bytes);
    flight->is_piece_in = true;
    return true;
}

void lane_sent_release(struct lane *lane)
{
    for (size_t i = 0; i < LANE_SLOTS; i++)
        if (lane->slots[i].is_ready && lane->slots[i].is_queued &&
            leg_is_past(lane->leg, lane->slots[i].mark))
            lane->slots[i].is_ready = false;
    for (unsigned i = 0; i < OUTLET_BUFFERS; i++)
        if (lane->buffers.each[i].is_out && leg_is_past(lane->leg, lane->buffers.each[i].mark))
            outlet_buffer_release(&lane->buffers, i);
    LIST_EACH(&lane->flights, node)
    {
        struct flight *flight = CONTAINER_OF(node, struct flight, node);
        if (flight->is_sender && flight->is_last_queued && leg_is_past(lane->leg, flight->last_mark)) {
            content_sender_end(flight->content);
            flight->is_sender = false;
        }
    }
}

static void slots_forget(struct lane *lane, const struct flight *flight)
{
    for (size_t i = 0; i < LANE_SLOTS; i++)
        if (lane->slots[i].flight == flight)
            slot_forget(&lane->slots[i]);
}

// ---- SENT ----

// Written, so the last fragment may go. Should the segment die before SENT is durable, the notes append it
// again.
static void sent_reached(struct flight *flight, enum result result)
{
    flight->has_sent_record = flight->is_sent_written = result == OK; // else its segment died: append again
    if (result == OK)
        notes_sent(&flight->lane->worker->notes, flight->delivery->receipt->number, &flight->sent_record,
                   &flight->sent_place);
}

static void on_sent_written(struct journal_waiter *waiter, enum result result)
{
    struct flight *flight = CONTAINER_OF(waiter, struct flight, sent_waiter);
    MAGIC_CHECK(flight, FLIGHT_MAGIC);
    sent_reached(flight, result);
    lane_send_more(flight->lane);
}

// What the record says of the instance. False: it can not be said, and the flight is over.
static bool sent_record_fill(struct flight *flight)
{
    struct record_sent *sent = &flight->sent_record;
    *sent = (struct record_sent){.archive = flight->lane->archive->node->conf->id,
                                 .attempt = flight->delivery->attempts,
                                 .resent = flight->delivery->is_resent,
                                 .time = ev_wall_now(flight->lane->worker->loop)};
    flight->is_sent_filled = flight->edit == NULL || flight_edit_describe(flight, sent);
    return flight->is_sent_filled;
}

// False: the flight is over. The stream may have no room: tried again on every step.
static bool sent_record_append(struct flight *flight)
{
    struct lane *lane = flight->lane;
    if (flight->has_sent_record || flight->delivery == NULL || !outlet_is_known(&flight->outlet))
        return true;
    if (!flight->is_sent_filled && !sent_record_fill(flight))
        return false;
    if (journal_append_sent(lane->worker->stream, flight->delivery->receipt->number, &flight->sent_record,
                            &flight->sent_place) != OK)
        return true;
    flight->has_sent_record = true;
    flight->sent_waiter.done = on_sent_written;
    enum result result =
        journal_wait(lane->worker->stream, &flight->sent_place, JOURNAL_WRITTEN, &flight->sent_waiter);
    if (result != AGAIN)
        sent_reached(flight, result);
    return true;
}

// ---- fragments ----

static void last_queued(struct flight *flight)
{
    struct lane *lane = flight->lane;
    flight->is_last_queued = true;
    if (flight->delivery != NULL)
        delivery_leaves(flight->delivery, flight->sent_record.edits);
    flight->last_mark = leg_mark(lane->leg);
    flight->sent_at = ev_wall_now(lane->worker->loop);
    flight->due = ev_now(lane->worker->loop) + lane->archive->node->conf->response_ns;
    lane->sending = NULL;
    lane_response_timer_update(lane);
    lane_step_later(lane);
}

static size_t fragment_most(const struct lane *lane)
{
    size_t most = leg_max_fragment(lane->leg);
    uint32_t configured = lane->archive->node->conf->max_pdu;
    if (configured > UL_PDV_HEADER_LENGTH + 2 && most > configured - UL_PDV_HEADER_LENGTH)
        most = (configured - UL_PDV_HEADER_LENGTH) & ~(size_t)1;
    return most;
}

static bool may_send(const struct flight *flight, bool is_last)
{
#if DG_FAULT_CUT_BEFORE_CLOSE
    if (flight->delivery == NULL)
        return true;
#endif
    return !is_last || flight->is_sent_written;
}

static void fragment_queued(struct flight *flight, const struct outlet_fragment *fragment)
{
    flight->sent += fragment->payload.length;
    outlet_taken(&flight->outlet, leg_mark(flight->lane->leg));
    if (fragment->is_last) {
        piece_done(flight);
        last_queued(flight);
    } else if (outlet_wants_piece(&flight->outlet)) {
        piece_done(flight);
        flight_piece_request(flight, flight->piece);
    }
}

// It goes out in one write with what follows it (GOALS): queued when the first fragment can be.
static enum result command_send(struct flight *flight)
{
    const struct record_open *open = &flight->content->open;
    struct dimse_move_originator originator = {open->move_originator, open->move_originator_id};
    struct dimse_command command;
    dimse_store_request(&command, flight->message_id, open->sop_class, open->sop_instance, open->priority,
                        open->has_move_originator ? &originator : NULL);
    enum result result = leg_send_command(flight->lane->leg, flight->context_id, &command);
    flight->is_command_queued = result == OK;
    return result;
}

static void fragments_fail(struct flight *flight)
{
    enum result result = flight->outlet.result;
    if (flight->outlet.plan == NULL)
        flight_unreadable(flight, result); // its pieces are shorter than its CLOSE says
    else
        flight_edit_fail(flight, result);
}

// One fragment more. False: nothing can be queued now.
static bool fragment_send(struct flight *flight)
{
    struct lane *lane = flight->lane;
    struct outlet_fragment fragment;
    if (outlet_wants_piece(&flight->outlet) && !piece_put(flight))
        return false;
    enum outlet_step step = outlet_next(&flight->outlet, fragment_most(lane), &fragment);
    if (step == OUTLET_FAILED)
        fragments_fail(flight);
    if (step != OUTLET_FRAGMENT)
        return step == OUTLET_WANTS_PIECE;
    if (!sent_record_append(flight) || !may_send(flight, fragment.is_last))
        return false;
    enum result result = flight->is_command_queued ? OK : command_send(flight);
    if (result == OK)
        result = leg_send(lane->leg, flight->context_id, false, fragment.is_last, fragment.payload);
    if (result != OK) {
        if (result != AGAIN)
            lane_abort(lane, "C-STORE could not be sent");
        return false;
    }
    fragment_queued(flight, &fragment);
    lane_cut_timer_update(lane);
    return !fragment.is_last;
}

void lane_send_more(struct lane *lane)
{
    if (lane->leg == NULL)
        return;
    lane_sent_release(lane);
    if (lane_has_cut(lane) && lane->sending->content->is_dropped) {
        flight_cut_off(lane->sending);
        return;
    }
    if (lane->sending != NULL && !flight_judge(lane->sending))
        return;
    while (lane->sending != NULL && leg_has_room(lane->leg, 1) && fragment_send(lane->sending))
        continue;
    if (lane->sending != NULL)
        flight_piece_request(lane->sending, lane->sending->piece + 1);
}

// ---- a flight ----

static bool is_id_used(const struct lane *lane, uint16_t message_id)
{
    LIST_EACH(&lane->flights, node)
    {
        if (CONTAINER_OF(node, struct flight, node)->message_id == message_id)
            return true;
    }
    return false;
}

// PS3.7 9.1.1.1.1: no operation that is outstanding has the same.
static uint16_t message_id_next(struct lane *lane)
{
    do
        lane->message_id = (uint16_t)(lane->message_id == UINT16_MAX ? 1 : lane->message_id + 1);
    while (is_id_used(lane, lane->message_id));
    return lane->message_id;
}

bool flight_go(struct flight *flight)
{
    flight->is_judged = true;
    if (flight->delivery != NULL)
        flight->delivery->attempts++;
    return sent_record_append(flight); // early, so that its write has returned when the last fragment is due
}

// Of what is in hand; it stays there. ERR_NOMEM.
static enum result flight_new(struct lane *lane, uint8_t context_id, struct flight **out)
{
    struct flight *flight = calloc(1, sizeof *flight);
    if (flight == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(flight, FLIGHT_MAGIC);
    flight->lane = lane;
    flight->context_id = context_id;
    flight->message_id = message_id_next(lane);
    flight->content = lane->content;
    flight->delivery = lane->delivery;
    outlet_begin_plain(&flight->outlet);
    enum result result = flight_edit_begin(flight);
    if (result == OK)
        *out = flight;
    else
        free(flight);
    return result;
}

enum result lane_send_begin(struct lane *lane, uint8_t context_id)
{
    struct flight *flight;
    enum result result = flight_new(lane, context_id, &flight);
    if (result != OK)
        return result;
    lane->content = NULL; // the flight's now
    (void)lane_put_down(lane);
    if (flight->delivery == NULL)
        flight_follow(flight);
    content_sender_begin(flight->content);
    flight->is_sender = true;
    list_append(&lane->flights, &flight->node);
    lane->is_alone = flight->delivery == NULL || delivery_goes_alone(flight->delivery);
    lane->sending = flight;
    lane_cut_timer_update(lane);
    if (flight->edit != NULL || flight_go(flight))
        lane_send_more(lane);
    return OK;
}

static void flight_destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct flight, garbage));
}

struct delivery *flight_land(struct flight **owned)
{
    struct flight *flight = *owned;
    *owned = NULL;
    MAGIC_CHECK(flight, FLIGHT_MAGIC);
    struct lane *lane = flight->lane;
    struct delivery *delivery = flight->delivery;
    list_remove(&lane->flights, &flight->node);
    if (lane->sending == flight)
        lane->sending = NULL;
    journal_wait_cancel(lane->worker->stream, &flight->sent_waiter);
    slots_forget(lane, flight);
    content_unfollow(flight->content, &flight->follower);
    if (flight->is_sender)
        content_sender_end(flight->content);
    flight_edit_end(flight);
    content_unref(&flight->content);
    MAGIC_CLEAR(flight);
    ev_loop_discard(lane->worker->loop, &flight->garbage, flight_destroy);
    if (!lane->is_dead) {
        lane_response_timer_update(lane);
        lane_cut_timer_update(lane);
    }
    return delivery;
}
