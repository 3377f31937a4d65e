// SPDX-License-Identifier: Apache-2.0
//
// The way out of a leg: PDUs of the state machine and queued fragments, gathered into as few writes as
// possible (GOALS: one gathered write per DIMSE message). A PDU of the machine goes out between fragments,
// never inside one.
#include "base/check.h"
#include "base/cursor.h"
#include "leg_private.h"

#define LEG_SLICES_MAX (2 * LEG_FRAGMENTS_MAX)

static size_t fragment_length(const struct leg_fragment *fragment)
{
    return fragment->header_length + fragment->payload.length;
}

void leg_fragments_drop(struct leg *leg)
{
    leg->fragment_count = leg->fragment_at = leg->fragment_offset = 0;
    leg->command_used = 0;
    leg->notify_due = false;
}

bool leg_is_drained(const struct leg *leg)
{
    return leg->fragment_count == 0;
}

bool leg_has_room(const struct leg *leg, size_t count)
{
    return leg->fragment_count + count <= LEG_FRAGMENTS_MAX;
}

uint64_t leg_mark(const struct leg *leg)
{
    return leg->fragments_written + (leg->fragment_count - leg->fragment_at);
}

bool leg_is_past(const struct leg *leg, uint64_t mark)
{
    return leg->fragments_written >= mark;
}

size_t leg_max_fragment(const struct leg *leg)
{
    return ul_association_max_fragment(&leg->ul);
}

enum result leg_send(struct leg *leg, uint8_t context_id, bool is_command, bool is_last, struct slice payload)
{
    if (leg->has_ended || leg->release_due)
        return ERR_REFUSED;
    if (!leg_has_room(leg, 1))
        return AGAIN;
    struct leg_fragment *fragment = &leg->fragments[leg->fragment_count];
    enum result result = ul_association_data_header(&leg->ul, context_id, is_command, is_last,
                                                    (uint32_t)payload.length, fragment->header);
    if (result != OK)
        return result;
    fragment->header_length = UL_DATA_HEADER_LENGTH;
    fragment->payload = payload;
    leg->fragment_count++;
    ev_task_defer(&leg->flush_task);
    return OK;
}

// Cuts an encoded command into PDUs, written whole into the leg's own memory.
static enum result append_command_pdus(struct leg *leg, uint8_t context_id, struct slice command,
                                       struct writer *room)
{
    size_t most = leg_max_fragment(leg);
    for (size_t at = 0; at < command.length;) {
        struct slice piece = slice_first(slice_from(command, at), most);
        uint8_t header[UL_DATA_HEADER_LENGTH];
        at += piece.length;
        enum result result = ul_association_data_header(&leg->ul, context_id, true, at == command.length,
                                                        (uint32_t)piece.length, header);
        if (result != OK)
            return result;
        writer_put(room, header, sizeof header);
        writer_slice_put(room, piece);
    }
    return room->failed ? AGAIN : OK;
}

static enum result command_queue(struct leg *leg, uint8_t context_id, const struct dimse_command *command)
{
    if (!leg_has_room(leg, 1))
        return AGAIN;
    uint8_t encoded[LEG_COMMAND_ROOM / 2];
    size_t length;
    enum result result = dimse_command_encode(command, encoded, sizeof encoded, &length);
    if (result != OK)
        return ERR_LIMIT;
    struct writer room = writer_of(leg->command + leg->command_used, sizeof leg->command - leg->command_used);
    result = append_command_pdus(leg, context_id, slice_of(encoded, length), &room);
    if (result != OK)
        return result == AGAIN && leg->command_used == 0 ? ERR_LIMIT : result;
    struct leg_fragment *fragment = &leg->fragments[leg->fragment_count++];
    fragment->header_length = 0;
    fragment->payload = writer_slice(&room);
    leg->command_used += room.length;
    ev_task_defer(&leg->flush_task);
    return OK;
}

// The slices of all fragments that are left, from the middle of the first.
static size_t gather(const struct leg *leg, struct slice *slices)
{
    size_t count = 0;
    size_t skip = leg->fragment_offset;
    for (size_t i = leg->fragment_at; i < leg->fragment_count; i++) {
        const struct leg_fragment *fragment = &leg->fragments[i];
        struct slice parts[2] = {slice_of(fragment->header, fragment->header_length), fragment->payload};
        for (size_t part = 0; part < 2; part++) {
            if (skip < parts[part].length)
                slices[count++] = slice_from(parts[part], skip);
            skip -= skip < parts[part].length ? skip : parts[part].length;
        }
    }
    return count;
}

static void advance(struct leg *leg, size_t written)
{
    leg->fragment_offset += written;
    while (leg->fragment_at < leg->fragment_count) {
        size_t length = fragment_length(&leg->fragments[leg->fragment_at]);
        if (leg->fragment_offset < length)
            return;
        leg->fragment_offset -= length;
        leg->fragment_at++;
        leg->fragments_written++;
    }
    ensure(leg->fragment_offset == 0);
    leg_fragments_drop(leg);
    leg->notify_due = true;
}

// One write of the machine's PDUs or of fragments. CLOSED: nothing is left to write.
static enum result write_once(struct leg *leg, size_t *written)
{
    struct byte_queue *output = ul_association_output(&leg->ul);
    bool between_pdus = leg->fragment_offset == 0;
    if (!byte_queue_is_empty(output) && between_pdus) {
        struct slice bytes = byte_queue_peek(output);
        enum result result = transport_writev(leg->transport, &bytes, 1, written);
        if (result == OK)
            byte_queue_consume(output, *written);
        return result;
    }
    if (leg->fragment_count == 0)
        return CLOSED;
    struct slice slices[LEG_SLICES_MAX];
    size_t count = gather(leg, slices);
    enum result result = transport_writev(leg->transport, slices, count, written);
    if (result == OK)
        advance(leg, *written);
    return result;
}

static void after_drained(struct leg *leg)
{
    ev_timer_stop(&leg->write_timer);
    if (leg->release_due)
        leg_release_run(leg);
    if (leg->close_due && !leg->is_discarded) {
        leg_let_go(leg);
        return;
    }
    if (leg->notify_due && !leg->has_ended) {
        leg->notify_due = false;
        if (leg->handler->on_sent != NULL)
            leg->handler->on_sent(leg->arg);
    }
}

// As much as the transport takes, without a word to the owner. CLOSED: all is written.
static enum result write_all(struct leg *leg)
{
    if (leg->is_discarded || leg->transport == NULL || !transport_is_open(leg->transport))
        return AGAIN;
    for (;;) {
        size_t written = 0;
        enum result result = write_once(leg, &written);
        if (result == AGAIN && !ev_timer_is_armed(&leg->write_timer))
            ev_timer_start(&leg->write_timer, leg->timeouts.stall_ns);
        leg->write_failed = result != OK && result != AGAIN && result != CLOSED;
        if (result != OK)
            return result;
        if (ev_timer_is_armed(&leg->write_timer))
            ev_timer_start(&leg->write_timer, leg->timeouts.stall_ns);
    }
}

void leg_flush(struct leg *leg)
{
    MAGIC_CHECK(leg, LEG_MAGIC);
    enum result result = leg->write_failed ? ERR_IO : write_all(leg);
    if (result == CLOSED) {
        after_drained(leg);
    } else if (result != AGAIN) {
        leg->write_failed = false;
        if (!leg->is_discarded)
            leg_transport_lost(leg);
        return;
    }
    leg_want_update(leg);
}

enum result leg_send_command(struct leg *leg, uint8_t context_id, const struct dimse_command *command)
{
    if (leg->has_ended || leg->release_due)
        return ERR_REFUSED;
    enum result result = command_queue(leg, context_id, command);
    if (result != AGAIN)
        return result;
    // A peer may ask much at once and read the answers later. on_sent and a failure are told by the next
    // flush, never inside this call.
    (void)!write_all(leg);
    ev_task_defer(&leg->flush_task);
    return command_queue(leg, context_id, command);
}
