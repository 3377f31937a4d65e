// SPDX-License-Identifier: Apache-2.0
//
// The data set of one instance: chunks, hot or read ahead from the journal, cut into fragments for this peer.
// Non-last fragments are even (PS3.8 annex E, PROTOCOL 77). The last one waits until SENT is written (ENGINE
// 2), so that a crash after it is known as "possibly sent".
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
    if (result == CLOSED || lane->delivery == NULL) {
        lane_send_more(lane); // of an instance that is over; the slot is free for the next one
        return;
    }
    struct journal_header header;
    if (result == OK)
        result = journal_read_open(read, JOURNAL_DATA, lane->delivery->receipt->number, (uint32_t)slot->piece,
                                   &header, &slot->bytes);
    if (result != OK) {
        lane_unreadable(lane, result);
        return;
    }
    lane->content->pieces[slot->piece].length = (uint32_t)slot->bytes.length;
    slot->is_ready = true;
    lane_send_more(lane);
}

static bool slot_memory_make(struct lane *lane)
{
    if (lane->slot_memory != NULL)
        return true;
    lane->slot_memory = malloc(LANE_SLOTS * (size_t)JOURNAL_RECORD_MAX);
    return lane->slot_memory != NULL;
}

static struct lane_slot *slot_of(struct lane *lane, size_t piece)
{
    return &lane->slots[piece % LANE_SLOTS];
}

// Begins to read a cold piece unless its slot is still in use.
static void piece_request(struct lane *lane, size_t piece)
{
    if (piece >= lane->content->piece_count || lane->content->pieces[piece].hot != NULL)
        return;
    struct lane_slot *slot = slot_of(lane, piece);
    if (slot->is_reading || slot->is_ready || !slot_memory_make(lane))
        return;
    slot->lane = lane;
    slot->piece = piece;
    slot->is_reading = true;
    slot->read =
        (struct journal_read){.position = lane->content->pieces[piece].position,
                              .length_hint = lane->content->pieces[piece].length,
                              .buffer = lane->slot_memory + (piece % LANE_SLOTS) * (size_t)JOURNAL_RECORD_MAX,
                              .done = on_chunk_read};
    journal_stream_read(lane->worker->stream, &slot->read);
}

// The bytes of the current piece; false: being read.
static bool piece_bytes(struct lane *lane, struct slice *bytes)
{
    const struct content_piece *piece = &lane->content->pieces[lane->piece];
    if (piece->hot != NULL) {
        *bytes = slice_of(piece->hot->data, piece->hot->length);
        return true;
    }
    struct lane_slot *slot = slot_of(lane, lane->piece);
    if (!slot->is_ready || slot->piece != lane->piece) {
        piece_request(lane, lane->piece);
        return false;
    }
    *bytes = slot->bytes;
    return true;
}

// Fragments that point into older pieces have all been written.
static void slots_release(struct lane *lane)
{
    for (size_t i = 0; i < LANE_SLOTS; i++)
        if (lane->slots[i].is_ready && lane->slots[i].piece < lane->piece)
            lane->slots[i].is_ready = false;
}

// ---- SENT ----

// Written, so the last fragment may go. Should the segment die before SENT is durable, the notes append it
// again.
static void sent_reached(struct lane *lane, enum result result)
{
    lane->has_sent_record = lane->is_sent_written = result == OK; // else its segment died: append again
    if (result == OK)
        notes_sent(&lane->worker->notes, lane->delivery->receipt->number, &lane->sent_record,
                   &lane->sent_place);
}

static void on_sent_written(struct journal_waiter *waiter, enum result result)
{
    struct lane *lane = CONTAINER_OF(waiter, struct lane, sent_waiter);
    MAGIC_CHECK(lane, LANE_MAGIC);
    sent_reached(lane, result);
    lane_send_more(lane);
}

// False: the stream has no room; tried again on every step.
static void sent_record_append(struct lane *lane)
{
    if (lane->has_sent_record)
        return;
    lane->sent_record = (struct record_sent){.archive = lane->archive->node->conf->id,
                                             .attempt = lane->delivery->attempts,
                                             .resent = lane->delivery->is_resent,
                                             .time = ev_wall_now(lane->worker->loop)};
    if (journal_append_sent(lane->worker->stream, lane->delivery->receipt->number, &lane->sent_record,
                            &lane->sent_place) != OK)
        return;
    lane->has_sent_record = true;
    lane->sent_waiter.done = on_sent_written;
    enum result result =
        journal_wait(lane->worker->stream, &lane->sent_place, JOURNAL_WRITTEN, &lane->sent_waiter);
    if (result != AGAIN)
        sent_reached(lane, result);
}

// ---- fragments ----

static void last_queued(struct lane *lane)
{
    lane->is_last_queued = true;
    lane->state = LANE_ANSWER;
    lane->sent_at = ev_wall_now(lane->worker->loop);
    ev_timer_start(&lane->response_timer, lane->archive->node->conf->response_ns);
}

static size_t fragment_size(const struct lane *lane, size_t available)
{
    size_t most = leg_max_fragment(lane->leg);
    uint32_t configured = lane->archive->node->conf->max_pdu;
    if (configured > UL_PDV_HEADER_LENGTH + 2 && most > configured - UL_PDV_HEADER_LENGTH)
        most = (configured - UL_PDV_HEADER_LENGTH) & ~(size_t)1;
    return available < most ? available : most;
}

// One fragment from the current piece. False: nothing can be queued now.
static bool fragment_send(struct lane *lane)
{
    struct slice bytes = slice_of(NULL, 0);
    if (lane->content->length > 0 && lane->piece >= lane->content->piece_count) {
        lane_unreadable(lane, ERR_FORMAT); // its pieces are shorter than its CLOSE says
        return false;
    }
    if (lane->content->length > 0 && !piece_bytes(lane, &bytes))
        return false;
    struct slice rest = slice_from(bytes, lane->piece_sent);
    struct slice payload = slice_first(rest, fragment_size(lane, rest.length));
    bool is_last = lane->sent + payload.length == lane->content->length;
    if (is_last) {
        sent_record_append(lane);
        if (!lane->is_sent_written)
            return false;
    }
    enum result result = leg_send(lane->leg, lane->context_id, false, is_last, payload);
    if (result != OK) {
        if (result != AGAIN)
            leg_abort(lane->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
        return false;
    }
    lane->sent += payload.length;
    lane->piece_sent += payload.length;
    if (lane->piece_sent == bytes.length && !is_last) {
        lane->piece++;
        lane->piece_sent = 0;
        piece_request(lane, lane->piece);
    }
    if (is_last)
        last_queued(lane);
    return !is_last;
}

void lane_send_more(struct lane *lane)
{
    if (lane->state != LANE_SENDING || lane->leg == NULL)
        return;
    if (leg_is_drained(lane->leg))
        slots_release(lane);
    while (lane->state == LANE_SENDING && lane->leg != NULL && leg_has_room(lane->leg, 1) &&
           fragment_send(lane))
        continue;
    if (lane->state == LANE_SENDING && lane->content != NULL)
        piece_request(lane, lane->piece + 1);
}

void lane_send_begin(struct lane *lane)
{
    lane->state = LANE_SENDING;
    lane->message_id = (uint16_t)(lane->message_id == UINT16_MAX ? 1 : lane->message_id + 1);
    lane->delivery->attempts++;
    content_sender_begin(lane->content);
    lane->is_sender = true;
    const struct record_open *open = &lane->content->open;
    struct dimse_move_originator originator = {open->move_originator, open->move_originator_id};
    struct dimse_command command;
    dimse_store_request(&command, lane->message_id, open->sop_class, open->sop_instance, open->priority,
                        open->has_move_originator ? &originator : NULL);
    sent_record_append(lane); // early, so that its write has returned when the last fragment is due
    enum result result = leg_send_command(lane->leg, lane->context_id, &command);
    if (result != OK) {
        leg_abort(lane->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
        return;
    }
    lane_send_more(lane);
}

void lane_send_reset(struct lane *lane)
{
    ev_timer_stop(&lane->response_timer);
    journal_wait_cancel(lane->worker->stream, &lane->sent_waiter);
    for (size_t i = 0; i < LANE_SLOTS; i++) {
        if (lane->slots[i].is_reading)
            journal_read_cancel(&lane->slots[i].read);
        lane->slots[i].is_ready = false;
    }
    if (lane->is_sender)
        content_sender_end(lane->content);
    lane->is_sender = false;
    content_unref(&lane->content);
    lane->delivery = NULL;
    lane->sent = 0;
    lane->piece = lane->piece_sent = 0;
    lane->has_sent_record = lane->is_sent_written = false;
    lane->is_last_queued = false;
}
