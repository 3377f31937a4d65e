// SPDX-License-Identifier: Apache-2.0
// Writer side of a stream: its segments and buffers, and what comes back from the disk side. Memory only.
// Thread: the worker's. Source: ENGINE 2 and 3.
#include "journal/stream.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/wipe.h"
#include "stream_state.h"

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t journal_stream_unsynced(const struct journal_stream *stream)
{
    return stream->ticket - later(stream->reached.durable, stream->lost_to);
}

bool stream_has_room(const struct journal_stream *stream)
{
    const struct journal_options *options = &stream->journal->options;
    if (stream->stopping ||
        stream->ticket - later(stream->reached.written, stream->lost_to) >= options->queue_limit ||
        journal_stream_unsynced(stream) >= options->unsynced_limit)
        return false;
    if (!stream->reached.accepts)
        return true;
    if (stream->active == NULL)
        return false;
    return stream->active->size - stream->offset >= JOURNAL_RECORD_MAX || stream->spare != NULL;
}

// Who hears that there is none waits for on_room. The end of the turn would note it too, but what the disk
// side has done may be heard of before that.
bool journal_stream_room(struct journal_stream *stream)
{
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    bool room = stream_has_room(stream);
    if (!room)
        stream->had_room = false;
    return room;
}

bool journal_stream_accepts(const struct journal_stream *stream)
{
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    return stream->reached.accepts && !stream->stopping;
}

bool journal_stream_welcomes(const struct journal_stream *stream)
{
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    return stream->reached.welcomes && !stream->stopping;
}

struct journal_position journal_stream_end(const struct journal_stream *stream)
{
    struct journal_position end = {stream->number, 0, 0};
    if (stream->active != NULL) {
        end.segment = stream->active->number;
        end.offset = stream->offset;
    }
    return end;
}

// ---- segments ----

void stream_ask(struct journal_stream *stream, enum journal_want want)
{
    if (stream->stopping || stream->asked >= want)
        return;
    stream->asked = want;
    pthread_mutex_lock(&stream->link->lock);
    if (stream->link->want < want)
        stream->link->want = want;
    pthread_mutex_unlock(&stream->link->lock);
    ev_wake_signal(&stream->link->disk_wake);
}

static void segment_change(struct journal_stream *stream)
{
    stream_post(stream);
    ev_timer_stop(&stream->age);
    stream->is_aged = false;
    segment_unref(stream->journal, &stream->active);
    stream->active = stream->spare;
    stream->spare = NULL;
    stream->offset = JOURNAL_PAGE_SIZE;
    stream->receipt_next = stream->active == NULL ? 0 : stream->active->receipt_first;
    stream_ask(stream, JOURNAL_WANT_SPARE);
}

static bool is_reserve(const struct journal_segment *segment)
{
    return segment->flags & JOURNAL_SEGMENT_RESERVE;
}

// ENGINE 4: what nobody writes to any more must not keep its key for ever, so a segment that is old enough is
// left for the next one, and the disk side is told that nothing more comes.
static void segment_leave_aged(struct journal_stream *stream)
{
    if (!stream->is_aged || stream->stopping || stream->spare == NULL || is_reserve(stream->spare))
        return;
    struct journal_position left = journal_stream_end(stream);
    segment_change(stream);
    pthread_mutex_lock(&stream->link->lock);
    stream->link->left = left;
    pthread_mutex_unlock(&stream->link->lock);
    ev_wake_signal(&stream->link->disk_wake);
}

static void on_age(void *arg)
{
    struct journal_stream *stream = arg;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    stream->is_aged = true;
    segment_leave_aged(stream);
}

void stream_age_begin(struct journal_stream *stream)
{
    if (!ev_timer_is_armed(&stream->age))
        ev_timer_start(&stream->age, stream->journal->options.segment_age);
}

enum result stream_segment_ready(struct journal_stream *stream, uint32_t size, bool bulk)
{
    if (stream->stopping)
        return AGAIN;
    bool fits = stream->active != NULL && stream->active->size - stream->offset >= size;
    if (fits && !(bulk && is_reserve(stream->active)))
        return OK;
    if (stream->spare != NULL && !(bulk && is_reserve(stream->spare))) {
        segment_change(stream);
        return OK;
    }
    stream->had_room = false;
    stream_ask(stream, bulk ? JOURNAL_WANT_SPARE : JOURNAL_WANT_URGENT);
    enum journal_shortage bearable = bulk ? JOURNAL_SHORTAGE_NONE : JOURNAL_SHORTAGE_NORMAL;
    return stream->reached.shortage > bearable ? ERR_SPACE : AGAIN;
}

// ---- buffers ----

static void buffer_recycle(struct journal_stream *stream, struct journal_buffer *buffer)
{
    segment_unref(stream->journal, &buffer->segment);
    if (stream->free_buffers.count < STREAM_FREE_BUFFERS)
        list_append(&stream->free_buffers, &buffer->node);
    else
        free(buffer);
}

static bool is_awaited(struct journal_stream *stream)
{
    const struct journal_buffer *buffer = stream->buffer;
    const struct list_node *last = list_last(&stream->waiting[JOURNAL_WRITTEN]);
    return buffer->sync || (last != NULL && CONTAINER_OF(last, struct journal_waiter, node)->ticket >
                                                buffer->ticket - buffer->length);
}

static void linger(struct journal_stream *stream)
{
    if (!ev_timer_is_armed(&stream->linger))
        ev_timer_start(&stream->linger, stream->journal->options.linger);
}

// Hands the buffer over without waking the disk side.
static void buffer_enqueue(struct journal_stream *stream)
{
    struct journal_buffer *buffer = stream->buffer;
    stream->buffer = NULL;
    if (buffer == NULL)
        return;
    if (buffer->length == 0) { // sealing into it has failed
        buffer_recycle(stream, buffer);
        return;
    }
    stream->posted++;
    stream->is_wake_due = true;
    pthread_mutex_lock(&stream->link->lock);
    list_append(&stream->link->buffers, &buffer->node);
    pthread_mutex_unlock(&stream->link->lock);
}

// A full buffer that nobody waits for goes with the next one: one turn of the disk side for both.
static void full_post(struct journal_stream *stream)
{
    bool alone = !stream->is_wake_due && !is_awaited(stream);
    buffer_enqueue(stream);
    if (alone && stream_has_room(stream))
        linger(stream);
    else
        stream_post(stream);
}

enum result stream_buffer_ready(struct journal_stream *stream, uint32_t size)
{
    if (stream->buffer != NULL && sizeof stream->buffer->bytes - stream->buffer->length < size)
        full_post(stream);
    if (stream->buffer != NULL)
        return OK;
    struct list_node *node = list_take_first(&stream->free_buffers);
    struct journal_buffer *buffer =
        node != NULL ? CONTAINER_OF(node, struct journal_buffer, node) : malloc(sizeof *buffer);
    if (buffer == NULL)
        return ERR_NOMEM;
    buffer->node = (struct list_node){0};
    buffer->segment = segment_ref(stream->journal, stream->active);
    buffer->generation = stream->reached.generation;
    buffer->offset = stream->offset;
    buffer->ticket = stream->ticket;
    buffer->length = 0;
    buffer->sync = buffer->lazy = false;
    stream->buffer = buffer;
    return OK;
}

void stream_post(struct journal_stream *stream)
{
    buffer_enqueue(stream);
    if (!stream->is_wake_due)
        return;
    stream->is_wake_due = false;
    ev_timer_stop(&stream->linger);
    ev_wake_signal(&stream->link->disk_wake);
}

// A buffer that is not full goes when somebody waits for it and the disk side is not busy anyway. What nobody
// waits for (data before its CLOSE, outcomes) goes along with the next that somebody does wait for: each
// buffer on its own would cost a write and a wake-up of both sides.
static void post_partly(struct journal_stream *stream)
{
    if (stream->buffer == NULL || stream->posted >= STREAM_POSTED_PARTLY)
        return;
    if (is_awaited(stream))
        stream_post(stream);
    else
        linger(stream);
}

static void room_tell(struct journal_stream *stream)
{
    bool room = stream_has_room(stream);
    bool told = stream->had_room;
    stream->had_room = room;
    if (room && !told && stream->events.on_room != NULL)
        stream->events.on_room(stream->events.arg);
}

static void on_linger(void *arg)
{
    struct journal_stream *stream = arg;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    stream_post(stream);
    room_tell(stream);
}

void stream_room_promise(struct journal_stream *stream)
{
    stream->had_room = false;
    linger(stream);
}

// At the end of each loop turn in which something was appended.
static void on_flush(void *arg)
{
    struct journal_stream *stream = arg;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    post_partly(stream);
    if (stream_has_room(stream))
        return;
    stream->had_room = false;
    stream_post(stream); // no company comes any more
}

// ---- what comes back ----

static void death_note(struct journal_stream *stream, uint32_t segment, uint64_t end)
{
    for (uint32_t i = 0; i < stream->death_count; i++) {
        if (stream->deaths[i].segment == segment) // of an earlier death, and not told yet
            return;
    }
    if (stream->death_count == STREAM_DEATHS) { // a reader will take the oldest one's tail for corruption
        for (uint32_t i = 1; i < STREAM_DEATHS; i++)
            stream->deaths[i - 1] = stream->deaths[i];
        stream->death_count--;
    }
    stream->deaths[stream->death_count++] = (struct stream_death){segment, end, 0};
}

// Everything between what is durable and what was appended is given up, with the segments that it was meant
// for.
static void segments_bury(struct journal_stream *stream)
{
    struct journal *journal = stream->journal;
    uint32_t last = stream->active == NULL ? 0 : stream->active->number;
    bool active_is_used = stream->offset > JOURNAL_PAGE_SIZE;
    uint32_t number = stream->reached.durable_at.segment;
    struct journal_segment *segment;
    while ((segment = catalog_find(journal, stream->number, number, true)) != NULL) {
        enum journal_segment_state state;
        uint64_t end;
        number = segment->number;
        segment_state_get(journal, segment, &state, &end);
        bool used = number < last || (number == last && active_is_used);
        bool live = state == JOURNAL_SEGMENT_PREPARED || state == JOURNAL_SEGMENT_ACTIVE;
        if (used && !segment->earlier && live)
            segment_state_set(journal, segment, JOURNAL_SEGMENT_DEAD, end);
        if (used && !segment->earlier && (live || state == JOURNAL_SEGMENT_DEAD))
            death_note(stream, number, end);
        segment_unref(journal, &segment);
        if (++number > last)
            break;
    }
    if (active_is_used)
        segment_change(stream);
}

static void deaths_forget_durable(struct journal_stream *stream)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < stream->death_count; i++) {
        struct stream_death death = stream->deaths[i];
        if (death.ticket != 0 && death.ticket <= stream->reached.durable &&
            !stream_ticket_is_lost(stream, death.ticket))
            continue;
        if (death.ticket <= stream->lost_to)
            death.ticket = 0;
        stream->deaths[kept++] = death;
    }
    stream->death_count = kept;
}

static void on_death(struct journal_stream *stream, uint64_t generation)
{
    struct journal_buffer *buffer = stream->buffer;
    stream->reached.generation = generation;
    stream->buffer = NULL;
    if (buffer != NULL)
        buffer_recycle(stream, buffer);
    stream_loss_note(stream, stream->reached.durable, stream->ticket);
    deaths_forget_durable(stream);
    segments_bury(stream);
    stream->had_room = false;
    stream_waiters_call(stream, JOURNAL_WRITTEN, stream->lost_to, ERR_IO);
    stream_waiters_call(stream, JOURNAL_DURABLE, stream->lost_to, ERR_IO);
    if (stream->events.on_lost != NULL)
        stream->events.on_lost(stream->events.arg);
}

static void segment_receive(struct journal_stream *stream, struct journal_segment *segment)
{
    ensure(stream->spare == NULL);
    stream->spare = segment;
    stream->asked = JOURNAL_WANT_NOTHING;
    // One out of the reserve is taken into use at once, so that it never stands in the way of a normal one.
    if (stream->active == NULL || is_reserve(segment))
        segment_change(stream);
    segment_leave_aged(stream);
}

static void reached_update(struct journal_stream *stream, const struct journal_reached *reached)
{
    bool accepted = stream->reached.accepts;
    uint64_t generation = stream->reached.generation;
    stream->reached = *reached;
    // What is appended by those that hear of good news first still goes to the grave with the rest.
    stream->reached.generation = generation;
    deaths_forget_durable(stream);
    stream_waiters_call(stream, JOURNAL_WRITTEN, reached->written, OK);
    stream_waiters_call(stream, JOURNAL_DURABLE, reached->durable, OK);
    if (reached->generation != generation)
        on_death(stream, reached->generation);
    if (accepted == reached->accepts)
        return;
    stream->had_room = false; // room means another thing now: told anew
    if (stream->events.on_accepts != NULL)
        stream->events.on_accepts(stream->events.arg, reached->accepts);
}

static void on_wake(void *arg)
{
    struct journal_stream *stream = arg;
    struct journal_link *link = stream->link;
    struct list returned;
    struct list answered;
    struct list_node *node;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    list_init(&returned);
    list_init(&answered);
    pthread_mutex_lock(&link->lock);
    while ((node = list_take_first(&link->returned)) != NULL)
        list_append(&returned, node);
    while ((node = list_take_first(&link->answered)) != NULL)
        list_append(&answered, node);
    struct journal_segment *prepared = stream->stopping ? NULL : link->prepared;
    if (prepared != NULL) {
        link->prepared = NULL;
        link->want = JOURNAL_WANT_NOTHING;
    }
    struct journal_reached reached = link->reached;
    pthread_mutex_unlock(&link->lock);
    while ((node = list_take_first(&returned)) != NULL) {
        stream->posted--;
        buffer_recycle(stream, CONTAINER_OF(node, struct journal_buffer, node));
    }
    reached_update(stream, &reached);
    if (prepared != NULL)
        segment_receive(stream, prepared);
    stream_reads_answer(stream, &answered);
    post_partly(stream);
    room_tell(stream);
    if (reached.stopped && stream->stopped != NULL) {
        void (*stopped)(void *) = stream->stopped;
        stream->stopped = NULL;
        stopped(stream->stopped_arg);
    }
}

// ---- life ----

static enum result memory_get(struct journal_stream *stream)
{
    stream->scratch = malloc(JOURNAL_BODY_MAX);
    if (stream->scratch == NULL)
        return ERR_NOMEM;
    enum result result = seal_cipher_new(&stream->seal_cipher);
    return result == OK ? seal_cipher_new(&stream->open_cipher) : result;
}

static void memory_free(struct journal_stream *stream)
{
    seal_cipher_free(stream->seal_cipher);
    seal_cipher_free(stream->open_cipher);
    free(stream->scratch);
    MAGIC_CLEAR(stream);
    free(stream);
}

enum result journal_stream_new(struct journal_disk *disk, struct ev_loop *loop,
                               const struct journal_stream_events *events, struct journal_stream **out)
{
    struct journal_link *link = disk_link(disk);
    struct journal_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(stream, JOURNAL_STREAM_MAGIC);
    stream->number = disk_stream(disk);
    stream->journal = disk_journal(disk);
    stream->disk = disk;
    stream->link = link;
    stream->loop = loop;
    stream->events = *events;
    stream->asked = JOURNAL_WANT_SPARE; // the disk side begins with this
    list_init(&stream->free_buffers);
    list_init(&stream->waiting[JOURNAL_WRITTEN]);
    list_init(&stream->waiting[JOURNAL_DURABLE]);
    enum result result = memory_get(stream);
    if (result != OK) {
        memory_free(stream);
        return result;
    }
    ev_wake_init(&stream->wake, loop, on_wake, stream);
    ev_task_init(&stream->flush, loop, on_flush, stream);
    ev_timer_init(&stream->linger, loop, on_linger, stream);
    ev_timer_init(&stream->age, loop, on_age, stream);
    pthread_mutex_lock(&link->lock);
    ensure(!link->has_stream);
    link->has_stream = true;
    link->worker_wake = &stream->wake;
    stream->reached = link->reached;
    pthread_mutex_unlock(&link->lock);
    ev_wake_signal(&stream->wake);
    *out = stream;
    return OK;
}

void journal_stream_stop(struct journal_stream *stream, void (*done)(void *arg), void *arg)
{
    struct journal_link *link = stream->link;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    ensure(!stream->stopping);
    stream_post(stream);
    ev_timer_stop(&stream->age);
    stream->stopping = true;
    stream->stopped = done;
    stream->stopped_arg = arg;
    bool active_is_used = stream->offset > JOURNAL_PAGE_SIZE;
    pthread_mutex_lock(&link->lock);
    link->stop = true;
    link->unused[0] = stream->spare;
    link->unused[1] = active_is_used ? NULL : stream->active;
    pthread_mutex_unlock(&link->lock);
    stream->spare = NULL;
    if (!active_is_used)
        stream->active = NULL;
    ev_wake_signal(&link->disk_wake);
}

static void buffers_free(struct journal_stream *stream, struct list *buffers)
{
    struct list_node *node;
    while ((node = list_take_first(buffers)) != NULL) {
        struct journal_buffer *buffer = CONTAINER_OF(node, struct journal_buffer, node);
        segment_unref(stream->journal, &buffer->segment);
        free(buffer);
    }
}

void journal_stream_free(struct journal_stream *stream)
{
    if (stream == NULL)
        return;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    struct journal_link *link = stream->link;
    struct list_node *node;
    pthread_mutex_lock(&link->lock);
    link->has_stream = false;
    link->worker_wake = NULL;
    pthread_mutex_unlock(&link->lock);
    ev_wake_fini(&stream->wake);
    ev_task_fini(&stream->flush);
    ev_timer_fini(&stream->linger);
    ev_timer_fini(&stream->age);
    if (stream->buffer != NULL)
        list_append(&link->returned, &stream->buffer->node);
    buffers_free(stream, &link->buffers);
    buffers_free(stream, &link->returned);
    buffers_free(stream, &stream->free_buffers);
    while ((node = list_take_first(&link->answered)) != NULL) {
        struct journal_read *read = CONTAINER_OF(node, struct journal_read, node);
        seal_key_unref(read->key);
        read->key = NULL;
    }
    while ((node = list_take_first(&link->reads)) != NULL)
        continue;
    for (int level = JOURNAL_WRITTEN; level <= JOURNAL_DURABLE; level++) {
        while ((node = list_take_first(&stream->waiting[level])) != NULL)
            continue;
    }
    segment_unref(stream->journal, &stream->active);
    segment_unref(stream->journal, &stream->spare);
    wipe(stream->scratch, JOURNAL_BODY_MAX);
    memory_free(stream);
}
