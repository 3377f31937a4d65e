// SPDX-License-Identifier: Apache-2.0
// The writer side's own state. Only stream.c, append.c, wait.c and readback.c look inside. Thread: the
// worker's.
#pragma once

#include "link.h"
#include "seal/seal.h"

// Buffers that may be under way before a partly filled one waits for company: the disk side is busy anyway
// then.
#define STREAM_POSTED_PARTLY 2u
#define STREAM_FREE_BUFFERS  6u
#define STREAM_LOSSES        16u
#define STREAM_DEATHS        16u

// Tickets from < t <= to are lost.
struct stream_loss {
    uint64_t from, to;
};

// A segment that died, to be told to later readers by a JOURNAL_DEATH record.
struct stream_death {
    uint32_t segment;
    uint64_t end;
    uint64_t ticket; // of the record; 0: not appended yet
};

struct journal_stream {
    uint32_t magic;
    uint16_t number;
    struct journal *journal;
    struct journal_disk *disk;
    struct journal_link *link;
    struct ev_loop *loop;
    struct journal_stream_events events;
    struct ev_wake wake;
    struct ev_task flush;
    struct ev_timer linger; // of a buffer that nobody waits for
    struct ev_timer age;    // of the active segment, from its first record
    bool is_aged;           // it is left as soon as there is another
    struct seal_cipher *seal_cipher;
    struct seal_cipher *open_cipher;

    struct journal_segment *active; // reference; records go here
    struct journal_segment *spare;  // reference; the next one
    uint64_t offset;                // of the next record in active
    uint64_t receipt_next;
    enum journal_want asked; // of the disk side, until it gives one

    struct journal_buffer *buffer; // being filled
    struct list free_buffers;
    uint32_t posted;  // buffers on the disk side
    bool is_wake_due; // one of them is there without its knowledge, until another comes or the time is up

    uint64_t ticket;                // bytes appended
    uint64_t lost_to;               // ticket: nothing up to here is under way any more
    struct journal_reached reached; // as last heard
    struct stream_loss losses[STREAM_LOSSES];
    uint32_t loss_count; // in all; the last STREAM_LOSSES are kept
    struct stream_death deaths[STREAM_DEATHS];
    uint32_t death_count;

    struct list waiting[2]; // struct journal_waiter by enum journal_level, in order of tickets
    bool had_room;          // as last told
    bool stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;
    uint8_t *scratch; // JOURNAL_BODY_MAX: a body while it is encoded
};

// stream.c
// Whether `size` bytes can go into the active segment, after a change to the next one if need be. bulk: OPEN,
// DATA, CLOSE.
enum result stream_segment_ready(struct journal_stream *stream, uint32_t size, bool bulk) MUST_USE;
// A buffer of the active segment with room for `size` bytes at its end.
enum result stream_buffer_ready(struct journal_stream *stream, uint32_t size) MUST_USE;
void stream_ask(struct journal_stream *stream, enum journal_want want);
void stream_post(struct journal_stream *stream);      // what there is, at once
void stream_age_begin(struct journal_stream *stream); // the active segment gets its first record
bool stream_has_room(const struct journal_stream *stream);

// append.c
// The chunk index so far; valid until the next append for this receipt or its end.
struct slice receipt_index(const struct journal_receipt *receipt);
void stream_deaths_append(struct journal_stream *stream);

// wait.c
bool stream_ticket_is_lost(const struct journal_stream *stream, uint64_t ticket);
void stream_loss_note(struct journal_stream *stream, uint64_t from, uint64_t to);
void stream_waiters_call(struct journal_stream *stream, enum journal_level level, uint64_t ticket,
                         enum result result);

// readback.c
void stream_reads_answer(struct journal_stream *stream, struct list *answered);
