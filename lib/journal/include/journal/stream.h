// SPDX-License-Identifier: Apache-2.0
// Writer side of one journal stream: memory only, on the loop of its worker (ENGINE 1 and 2).
//
// Role: gives receipts their numbers, seals records straight into 256 KiB buffers, posts these to the disk
// side (disk.h), and calls waiters when bytes are written or durable. Owner: the worker. Thread: the
// worker's, all of it. Callers: intake (OPEN, DATA, CLOSE, DROP), lanes (SENT, OUTCOME, reads).
//
// How an instance goes through:
//   if (!journal_stream_accepts(s)) answer A700; if (!journal_stream_room(s)) stop reading the socket until
//   on_room; journal_receipt_begin -> journal_append_open -> journal_append_data ... -> journal_append_close
//   -> journal_wait(s, &place, JOURNAL_DURABLE, &waiter): only its callback with OK may say Success.
//   On any error after _begin: journal_append_drop (if it can be written) and A700; journal_receipt_end.
//
// Failure (ENGINE 3). After a write or sync error everything of the stream that was not durable is lost: its
// waiters get ERR_IO, every receipt begun before and not yet closed durably gets ERR_IO from each further
// append (its data may be gone, so it must be dropped), on_lost is called, and a new segment begins. SENT and
// OUTCOME whose wait ended with ERR_IO are appended again by their owner.
//
// Results of the journal_append_ functions:
//   OK         *place is written
//   AGAIN      no segment is ready (the next is being prepared): nothing was spent, call again after on_room
//   ERR_SPACE  the hard limit is reached; for OPEN, DATA, CLOSE also while only the reserve is left
//   ERR_IO     this receipt was lost with a dead segment (OPEN, DATA, CLOSE only)
//   ERR_LIMIT  body too long (JOURNAL_BODY_MAX), a field out of its bounds, more than JOURNAL_CHUNKS_MAX
//   chunks ERR_NOMEM, ERR_CRYPTO  nothing was appended
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/result.h"
#include "base/slice.h"
#include "ev/loop.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/record.h"

struct journal_stream;
struct journal_disk;

struct journal_stream_events {
    // journal_stream_room() became true again. Called from the loop, never from inside a journal call.
    void (*on_room)(void *arg);
    // journal_stream_accepts() has changed.
    void (*on_accepts)(void *arg, bool accepts);
    // A segment died; called after all waiters got ERR_IO. Receipts in flight should be failed now.
    void (*on_lost)(void *arg);
    void *arg;
};

// disk is the other half of the same stream (disk.h) and must outlive the stream; loop is the worker's;
// events are copied, any may be NULL. Call on the main thread before the loops run; the first segment arrives
// some turns later (on_room).
enum result journal_stream_new(struct journal_disk *disk, struct ev_loop *loop,
                               const struct journal_stream_events *events,
                               struct journal_stream **out) MUST_USE;
// When both loops have ended: the disk side reads what this frees as long as its own runs. Waiters and reads
// still queued are forgotten without a call. NULL is fine.
void journal_stream_free(struct journal_stream *stream);

// Flushes, has the last sync done and the prepared segment given up; then calls done(arg) once. No append
// after this.
void journal_stream_stop(struct journal_stream *stream, void (*done)(void *arg), void *arg);

// A segment is ready, and disk queue and unsynced bytes are below their bounds. Look before reading a front
// socket; one read more than the bound, and small records (OPEN, CLOSE, DROP, SENT, OUTCOME), may always go
// over it. While the stream accepts nothing new there is no segment to wait for: what comes is to be read and
// refused. After false on_room is called once there is room.
bool journal_stream_room(struct journal_stream *stream);
// Whether new store associations should be accepted: false below the higher watermark, and whenever
// journal_stream_accepts() is false (many scanners give up a job on A700, ENGINE 3).
bool journal_stream_welcomes(const struct journal_stream *stream);
// Whether new instances may begin: false below the watermark of space and after failure_limit failures in a
// row (A700).
bool journal_stream_accepts(const struct journal_stream *stream);

// ---- receipts and records ----

// Embedded in the intake of one instance.
struct journal_receipt {
    uint64_t number;
    uint64_t generation;   // of the stream, at its begin: another one now means that it may have lost bytes
    uint32_t chunks;       // DATA records appended
    size_t index_capacity; // bytes
    uint8_t *index;        // chunk index as CLOSE wants it, owned by the journal until journal_receipt_end
    struct journal_position opened; // position of the OPEN record
};

// Where a record went.
struct journal_place {
    struct journal_position position;
    uint32_t length; // of the body
    uint64_t ticket; // bytes of the stream up to the end of this record: for journal_wait
};

// Takes the next receipt number. AGAIN, ERR_SPACE as above.
enum result journal_receipt_begin(struct journal_stream *stream, struct journal_receipt *receipt) MUST_USE;
// Gives back the memory of the chunk index. Safe on a zeroed struct and twice.
void journal_receipt_end(struct journal_receipt *receipt);
// False: a segment has died since it began; it can not be completed.
bool journal_receipt_is_whole(const struct journal_stream *stream, const struct journal_receipt *receipt);

enum result journal_append_open(struct journal_stream *stream, struct journal_receipt *receipt,
                                const struct record_open *open, struct journal_place *place) MUST_USE;
// One chunk, gathered from `count` slices (1 to 16), together at most JOURNAL_BODY_MAX bytes and at least 1.
// Chunks should be full, except the last. The index entry is kept in the receipt.
enum result journal_append_data(struct journal_stream *stream, struct journal_receipt *receipt,
                                const struct slice *parts, size_t count,
                                struct journal_place *place) MUST_USE;
// Fills in close->order, close->durable, close->opened and close->index, then appends; a sync is asked for.
// After OK the receipt's index may be ended.
enum result journal_append_close(struct journal_stream *stream, struct journal_receipt *receipt,
                                 struct record_close *close, struct journal_place *place) MUST_USE;
// Synced lazily (options.lazy_sync), or with the next CLOSE.
enum result journal_append_drop(struct journal_stream *stream, uint64_t receipt,
                                const struct record_drop *drop, struct journal_place *place) MUST_USE;
enum result journal_append_sent(struct journal_stream *stream, uint64_t receipt,
                                const struct record_sent *sent, struct journal_place *place) MUST_USE;
// outcome->receipt names the receipt, of whatever stream.
enum result journal_append_outcome(struct journal_stream *stream, const struct record_outcome *outcome,
                                   struct journal_place *place) MUST_USE;

// ---- waiting ----

enum journal_level {
    JOURNAL_WRITTEN = 0, // the write has returned: survives SIGKILL
    JOURNAL_DURABLE = 1, // a sync has returned: survives a power cut
};

// Embedded by whoever waits; zero it once before its first use.
struct journal_waiter {
    struct list_node node;
    uint64_t ticket;
    enum journal_level level;
    // OK, or ERR_IO: these bytes are lost. The waiter is out of the list and may wait again or be given back.
    void (*done)(struct journal_waiter *waiter, enum result result);
};

// Waits for the bytes up to place->ticket. Set waiter->done before. OK: reached already, done is not called.
// ERR_IO: lost already, done is not called. AGAIN: queued, done will be called from the loop, in order of
// tickets.
enum result journal_wait(struct journal_stream *stream, const struct journal_place *place,
                         enum journal_level level, struct journal_waiter *waiter) MUST_USE;
// Takes it out without a call; fine if it does not wait.
void journal_wait_cancel(struct journal_stream *stream, struct journal_waiter *waiter);

// Next position to be written (segment 0: nothing yet in this life).
struct journal_position journal_stream_end(const struct journal_stream *stream);

// Bytes that were appended and are neither durable nor lost: bounded, see journal_stream_room().
uint64_t journal_stream_unsynced(const struct journal_stream *stream);

// ---- reading back ----

// Memory that holds any record as read: JOURNAL_RECORD_MAX bytes. Zero the struct before its first use.
struct journal_read {
    struct list_node node;
    struct journal_position position; // of any stream; at least written, if of this one
    uint32_t length_hint;             // body length if known (then one pread), else 0
    uint8_t *buffer;                  // the caller's, JOURNAL_RECORD_MAX bytes, in use until done
    // OK: ask journal_read_open(). ERR_MISSING: no such segment (reclaimed); ERR_FORMAT: no record there;
    // ERR_IO.
    void (*done)(struct journal_read *read, enum result result);
    // inside
    enum result result;
    size_t got;
    bool cancelled;
    struct seal_key *key;
    struct journal_stream *stream;
};

// Has the disk side read one record; done is called on the worker's loop, never from inside. AGAIN is not an
// answer: the queue of reads is as long as the callers make it.
void journal_stream_read(struct journal_stream *stream, struct journal_read *read);
// Struct and buffer stay in use until done is called, then with CLOSED.
void journal_read_cancel(struct journal_read *read);

// On the worker, once after done said OK: verifies header and seal, opens in place. Any of the three
// expectations may be waived: type 0, receipt 0, chunk UINT32_MAX. *body borrows read->buffer. ERR_CRYPTO:
// does not authenticate; ERR_FORMAT: not the record that was expected.
enum result journal_read_open(struct journal_read *read, enum journal_record_type type, uint64_t receipt,
                              uint32_t chunk, struct journal_header *header, struct slice *body) MUST_USE;
