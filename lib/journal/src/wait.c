// SPDX-License-Identifier: Apache-2.0
// Waiting for bytes of a stream to be written or durable. Thread: the worker's.
#include "base/check.h"
#include "stream_state.h"

bool stream_ticket_is_lost(const struct journal_stream *stream, uint64_t ticket)
{
    uint32_t kept = stream->loss_count < STREAM_LOSSES ? stream->loss_count : STREAM_LOSSES;
    uint64_t oldest = UINT64_MAX;
    for (uint32_t i = 0; i < kept; i++) {
        const struct stream_loss *loss = &stream->losses[i];
        if (ticket > loss->from && ticket <= loss->to)
            return true;
        oldest = loss->from < oldest ? loss->from : oldest;
    }
    // Older than what is remembered: nobody waits that long; to say "lost" is the safe answer.
    return stream->loss_count > STREAM_LOSSES && ticket <= oldest;
}

void stream_loss_note(struct journal_stream *stream, uint64_t from, uint64_t to)
{
    if (from < stream->lost_to)
        from = stream->lost_to;
    stream->losses[stream->loss_count % STREAM_LOSSES] = (struct stream_loss){from, to};
    stream->loss_count++;
    stream->lost_to = to;
}

void stream_waiters_call(struct journal_stream *stream, enum journal_level level, uint64_t ticket,
                         enum result result)
{
    struct list *waiting = &stream->waiting[level];
    struct list_node *node;
    while ((node = list_first(waiting)) != NULL) {
        struct journal_waiter *waiter = CONTAINER_OF(node, struct journal_waiter, node);
        if (waiter->ticket > ticket)
            break;
        list_remove(waiting, node);
        waiter->done(waiter, result);
    }
}

enum result journal_wait(struct journal_stream *stream, const struct journal_place *place,
                         enum journal_level level, struct journal_waiter *waiter)
{
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    ensure(waiter->done != NULL && !list_node_is_linked(&waiter->node));
    ensure(place->ticket <= stream->ticket);
    if (stream_ticket_is_lost(stream, place->ticket))
        return ERR_IO;
    if (place->ticket <= (level == JOURNAL_DURABLE ? stream->reached.durable : stream->reached.written))
        return OK;
    waiter->ticket = place->ticket;
    waiter->level = level;
    struct list *waiting = &stream->waiting[level];
    struct list_node *where = &waiting->head;
    while (where->previous != &waiting->head &&
           CONTAINER_OF(where->previous, struct journal_waiter, node)->ticket > waiter->ticket)
        where = where->previous;
    list_insert_before(waiting, where, &waiter->node);
    if (level == JOURNAL_WRITTEN)
        ev_task_defer(&stream->flush); // it may lie in a buffer that nobody has waited for so far
    return AGAIN;
}

void journal_wait_cancel(struct journal_stream *stream, struct journal_waiter *waiter)
{
    if (list_node_is_linked(&waiter->node))
        list_remove(&stream->waiting[waiter->level], &waiter->node);
}
