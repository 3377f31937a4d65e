// SPDX-License-Identifier: Apache-2.0
//
// The ledger's only writer (ENGINE 7). It tails every journal stream up to its durable end, turns records
// into facts, and commits them in batches together with the position vector (one position per stream), so
// that every record is applied exactly once: after a crash it goes on at the vector. It also knows which
// segments still hold something that an unsettled receipt needs; reclaim asks it.
//
// Nothing waits for the ledger. An error leaves the batch as it is; call again later.
//
// Order of use by the daemon: ledger_writer_new; journal_recover with ledger_floors_get; ledger_catch_up
// until OK; journal_floors_raise with ledger_floors_get; ledger_forget_unfinished; open_index_each
// (open_index.h); journal_life_begin; then on the ledger thread, whenever the journal's listener woke it:
// ledger_catch_up until OK and ledger_reclaim.
//
// Thread: the ledger thread; at start the main thread, before the ledger thread runs. Ownership: environment
// and journal are the caller's and outlive the writer.
#pragma once

#include "journal/reader.h"
#include "journal/recovery.h"
#include "store/fact.h"
#include "store/kv.h"

#define LEDGER_SCHEMA_VERSION 1
#define LEDGER_STREAMS_MAX    (JOURNAL_STREAM_MAX + 3u) // the workers', the copy and the control stream

extern const struct kv_schema ledger_schema;

struct ledger_writer;

// Called after a commit, on the thread of the caller, outside of any transaction. Each may be NULL.
struct ledger_listener {
    void *argument;
    // The vector has moved and live counts may have fallen: reclaim may look again.
    void (*on_commit)(void *argument, struct ledger_writer *writer);
    // A receipt has become settled or dropped, for good.
    void (*on_settled)(void *argument, uint64_t receipt);
    // A JOURNAL_ENTRY_CORRUPT was read, at once; again after a crash before the next commit.
    void (*on_corrupt)(void *argument, const struct journal_entry *entry);
};

struct ledger_options {
    size_t batch_receipts; // facts touched per commit at most, 1..100,000; 0 = 1000
};

// Opens on an environment made with ledger_schema, reads the vector and counts what is live. ERR_FORMAT:
// schema version unknown or an entry unreadable; ERR_IO, ERR_NOMEM. `options` and `listener` are copied and
// may be NULL. `journal` is used only from the first catch-up on; NULL for a writer that is fed by
// ledger_apply() alone (tests).
MUST_USE enum result ledger_writer_new(struct kv_env *env, struct journal *journal,
                                       const struct ledger_options *options,
                                       const struct ledger_listener *listener, struct ledger_writer **writer);
// Uncommitted work is forgotten; the journal still has it. Nulls the pointer; NULL is fine.
void ledger_writer_free(struct ledger_writer **writer);

// What journal_recover() and journal_floors_raise() ask for: at most `max` floors, one per stream the ledger
// knows; returns how many there are.
size_t ledger_floors_get(const struct ledger_writer *writer, struct journal_floor *floors, size_t max);
uint64_t ledger_life_floor(const struct ledger_writer *writer);

// One step: reads at most `budget` entries (0 = 4096) of all streams in turn, and commits. OK: everything
// durable is in the ledger; AGAIN: there is more, call again; else the error: nothing is lost, call again
// later.
MUST_USE enum result ledger_catch_up(struct ledger_writer *writer, size_t budget);

// At start, after catch-up returned OK and before new intake: receipts whose OPEN has no CLOSE in the streams
// of earlier process lives were never acknowledged; they become dropped facts and stop holding segments.
// Commits. `count` (may be NULL): how many there were.
MUST_USE enum result ledger_forget_unfinished(struct ledger_writer *writer, size_t *count);

// ENGINE 4: takes away at most `max` segments that lie before the committed vector and in which nothing is
// live. `count` (may be NULL): how many went. The first failure ends the call and is returned; call again
// later.
MUST_USE enum result ledger_reclaim(struct ledger_writer *writer, size_t max, size_t *count);

// Copy-forward (ENGINE 2, 4): what is still owed in a segment of which little else is needed is copied into
// the copy stream, so that the segment can be reclaimed. Only receipts that are not settled are copied: what
// is kept for other reasons (a rollback window) goes at its date with its segment.
struct ledger_forward_order {
    uint64_t now;        // ev_now(), ns
    uint64_t wall;       // ns since 1970 UTC
    uint64_t after;      // ns for which a complete segment is left alone
    uint64_t copies_age; // ns after which a segment of copies is closed, so that its key can go
    size_t budget;       // bytes to copy in this call, about
    bool is_urgent;      // room is short: at once, and also where more is owed
};
// One step. OK: nothing to do now. AGAIN: there is more, call again when the pace allows; *bytes were
// written. ERR_SPACE, ERR_IO, ERR_NOMEM: tried again later. Copies take effect by ledger_catch_up() and are
// then followed by ledger_reclaim(). A segment with a damaged record is left as it is, and said so in the
// log.
MUST_USE enum result ledger_copy_forward(struct ledger_writer *writer,
                                         const struct ledger_forward_order *order, size_t *bytes);

// Where an unsettled receipt lies now, as of the last commit; its segments exist until a later commit.
// ERR_MISSING: it is settled or not known. ERR_IO, ERR_NOMEM, ERR_FORMAT.
MUST_USE enum result ledger_place_get(struct ledger_writer *writer, uint64_t receipt,
                                      struct journal_position *open, struct journal_position *close);

// ---- what catch-up is made of

// Takes one durable entry of a stream, in the order of the stream. An entry before the stream's vector is
// skipped. Bodies that can not be decoded are counted and skipped. AGAIN: the batch is full, commit first.
// ERR_IO, ERR_NOMEM, ERR_FORMAT (a stored fact): nothing was applied.
MUST_USE enum result ledger_apply(struct ledger_writer *writer, const struct journal_entry *entry);
// OK: the batch and the vector are durable (also when there was nothing to do); else all is kept for another
// try.
MUST_USE enum result ledger_commit(struct ledger_writer *writer);

// Where the committed vector stands for a stream: everything before it is in the ledger. False: nothing yet.
bool ledger_position_get(const struct ledger_writer *writer, uint16_t stream,
                         struct journal_position *position);
// Receipts that, as of the last commit, are neither settled nor dropped and of which a record may lie in the
// segment.
size_t ledger_live_count(const struct ledger_writer *writer, uint16_t stream, uint32_t segment);

struct ledger_writer_counters {
    uint64_t entries; // applied
    uint64_t commits;
    uint64_t facts;     // put into the fact database
    uint64_t open_puts; // put into the open index
    uint64_t orphans;   // receipts first heard of by a report
    uint64_t skipped;   // records that could not be used: unreadable or contradicting
    uint64_t torn;      // entries that were never durable
    uint64_t corrupt;   // entries that were durable and are bad
    uint64_t reclaimed; // segments
    uint64_t copied;    // receipts copied forward
};
const struct ledger_writer_counters *ledger_writer_counters_get(const struct ledger_writer *writer);
