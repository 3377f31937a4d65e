// SPDX-License-Identifier: Apache-2.0
//
// The ledger writer inside: the batch (facts touched since the last commit), the streams with their two
// positions (applied in memory, committed on disk), and what is live. Files: ledger.c (life, look-up),
// apply.c (records to facts), known.c, ledger_evidence.c, ledger_patient.c, commit.c (facts to the store),
// live.c, counters.c, tail.c (journal to records). Thread: the ledger thread.
#pragma once

#include "fact_internal.h"
#include "store/ledger.h"
#include "store/ledger_reader.h"
#include "vault.h"

enum ledger_database {
    LEDGER_FACT,
    LEDGER_SOP,
    LEDGER_STUDY,
    LEDGER_OPEN,
    LEDGER_META,
    LEDGER_DAY,
    LEDGER_ARCHIVE,
    LEDGER_EVIDENCE,
    LEDGER_WRITER,
    LEDGER_PATIENT,
    LEDGER_DATABASES,
};

#define LEDGER_ATTEMPTS_MAX 8u // of one transaction that the map was too small for: each doubles it

// Segments in which records of a receipt lie.
struct ledger_span {
    uint16_t stream;
    uint32_t first; // 0: none
    uint32_t last;  // 0: to the end of the stream, as long as there is no CLOSE
    uint64_t bytes; // in each of them, about
};

struct ledger_span ledger_span_of(const struct ledger_fact *fact);

// ---- live.c: how many receipts need each segment

struct live_row {
    uint16_t stream;
    uint32_t segment;
    size_t count;
    uint64_t bytes; // of them, about
};

struct live_rows {
    struct live_row *rows; // by stream, segment; none with count 0
    size_t count;
    size_t capacity;
};

struct ledger_live {
    struct live_rows closed;     // per segment of a closed span
    struct live_rows unfinished; // per first segment of an open one
};

void ledger_live_add(struct ledger_live *live, struct ledger_span span);
void ledger_live_remove(struct ledger_live *live, struct ledger_span span);
size_t ledger_live_get(const struct ledger_live *live, uint16_t stream, uint32_t segment);
// What the receipts that have a CLOSE need of the segment, about. False: others need it too, or none does.
bool ledger_live_bytes(const struct ledger_live *live, uint16_t stream, uint32_t segment, uint64_t *bytes);
void ledger_live_fini(struct ledger_live *live);

// ---- counters.c: sums, kept by differences

struct ledger_marks { // beside the totals in the meta database
    uint64_t order_high;
    uint64_t life_high;
};

// What a batch adds; arithmetic modulo 2^64, so that a difference may be negative.
struct ledger_deltas {
    struct ledger_totals totals;
    struct ledger_day *days;
    size_t day_count, day_capacity;
    struct ledger_archive *archives;
    size_t archive_count, archive_capacity;
};

MUST_USE enum result ledger_totals_get(struct kv_transaction *transaction, struct ledger_totals *totals,
                                       struct ledger_marks *marks);
MUST_USE enum result ledger_day_decode(struct slice key, struct slice value, struct ledger_day *day);
MUST_USE enum result ledger_archive_decode(struct slice key, struct slice value,
                                           struct ledger_archive *archive);
struct ledger_day *ledger_deltas_day(struct ledger_deltas *deltas, uint64_t time);
struct ledger_archive *ledger_deltas_archive(struct ledger_deltas *deltas, uint32_t archive);
// Reads, adds, writes each sum once.
MUST_USE enum result ledger_deltas_write(struct kv_transaction *transaction,
                                         const struct ledger_deltas *deltas,
                                         const struct ledger_marks *marks);
void ledger_deltas_fini(struct ledger_deltas *deltas);

// ---- ledger.c

struct ledger_stream {
    uint16_t number;
    struct journal_position applied;   // in the batch
    struct journal_position committed; // on disk
    uint64_t receipt_high;             // highest receipt number of this stream heard of; 0 = none
    uint64_t receipt_limit;            // highest reserved in a segment's format page
    uint32_t segment_high;
    struct journal_reader *reader; // NULL: to be opened at `applied`
};

struct before_delivery {
    uint32_t archive;
    bool owed;
    enum delivery_state state;
    uint32_t attempts;
};

// A fact in the batch, and what the store holds of it.
struct ledger_touched {
    struct ledger_fact fact;
    bool dirty;
    enum fact_state before; // 0: not stored
    struct ledger_span span;
    struct before_delivery *deliveries;
    size_t delivery_count;
};

// Evidence of a SENT in the batch, to be sealed at the commit. Patient data.
#define EVIDENCE_KEY_SIZE (FACT_KEY_SIZE + 4 + RECORD_DIGEST_SIZE) // receipt, archive, edits

struct ledger_pending {
    uint8_t key[EVIDENCE_KEY_SIZE];
    uint8_t *bytes;
    size_t length;
};

#define LEDGER_WRITER_MAGIC 0x4c454447u

struct ledger_forward;

struct ledger_writer {
    uint32_t magic;
    struct kv_env *env;
    struct journal *journal;
    struct ledger_listener listener;
    size_t limit;                    // facts per batch
    struct ledger_touched **touched; // in order of arrival, sorted by receipt at commit
    size_t touched_count;
    uint32_t *slots; // open addressing: index into `touched` + 1, by receipt
    size_t slot_mask;
    struct ledger_pending *pending;
    size_t pending_count, pending_capacity;
    size_t pending_bytes;
    struct vault vault;         // zeros until the first evidence
    struct kv_transaction read; // for looking up stored facts while a batch grows
    bool is_reading;
    struct ledger_stream *streams; // by number
    size_t stream_count, stream_capacity;
    bool marks_moved;               // something but facts must be committed
    struct ledger_marks marks;      // as of the batch
    struct ledger_marks stored;     // as of the last commit
    struct ledger_live live;        // as of the last commit
    bool has_copies;                // the copy stream was read to its end once
    struct ledger_forward *forward; // NULL until the first look
    uint8_t *scratch;               // FACT_ENCODED_MAX
    struct ledger_writer_counters counters;
};

// The stream, made if it is new. ERR_NOMEM.
MUST_USE enum result ledger_stream_get(struct ledger_writer *writer, uint16_t number,
                                       struct ledger_stream **stream);
// The fact of a receipt in the batch, from the store if it is there, else a new one of state 0. AGAIN: batch
// full.
MUST_USE enum result ledger_touch(struct ledger_writer *writer, uint64_t receipt,
                                  struct ledger_touched **touched);
// After the batch was sorted.
void ledger_slots_rebuild(struct ledger_writer *writer);
void ledger_batch_clear(struct ledger_writer *writer);
void ledger_reading_end(struct ledger_writer *writer);

MUST_USE enum result ledger_streams_decode(struct ledger_writer *writer, struct slice value);
MUST_USE enum result ledger_streams_encode(const struct ledger_writer *writer, uint8_t *out, size_t capacity,
                                           struct slice *encoded);

// The stored fact, from the open index or the fact database, into an initialised one. ERR_MISSING.
MUST_USE enum result ledger_fact_load(struct kv_transaction *transaction, uint64_t receipt,
                                      struct ledger_fact *fact);
// ---- known.c: what a copy knows

// What is known of the fact as committed; texts are borrowed from it.
void ledger_known_make(const struct ledger_writer *writer, const struct ledger_fact *fact,
                       struct record_known *known);
// Takes what the CLOSE of a copy knows, unless the ledger has read all of that itself. ERR_NOMEM: some of it
// may have been taken; to be called again.
MUST_USE enum result ledger_known_take(struct ledger_writer *writer, struct ledger_fact *fact,
                                       struct slice encoded);
// Whether a SENT or OUTCOME that stands there is among what the fact was given by a copy.
bool ledger_known_has(const struct ledger_fact *fact, struct journal_position report);

// ---- ledger_evidence.c

// Into the batch. Without evidence: OK. AGAIN: the batch is full. ERR_NOMEM.
MUST_USE enum result ledger_pending_add(struct ledger_writer *writer, uint64_t receipt,
                                        const struct record_sent *sent);
// What is not there yet, in the transaction of the facts; uses the scratch memory.
MUST_USE enum result ledger_pending_write(struct ledger_writer *writer, struct kv_transaction *transaction);
void ledger_pending_clear(struct ledger_writer *writer);
void ledger_pending_fini(struct ledger_writer *writer);
// All that another ledger of this journal has, into batches, of which the last is not committed. `damaged`
// counts what can not be opened.
MUST_USE enum result ledger_evidence_keep(struct ledger_writer *writer, struct kv_env *former,
                                          uint64_t *damaged);

// ---- ledger_patient.c

// In the transaction of the fact.
MUST_USE enum result ledger_patient_write(struct kv_transaction *transaction, const struct ledger_fact *fact);
// All that another ledger has, into this one; committed.
MUST_USE enum result ledger_patient_keep(struct ledger_writer *writer, struct kv_env *former,
                                         uint64_t *damaged);

// ---- forward.c
void ledger_forward_free(struct ledger_forward *forward);
// Before reclaim: copies that are committed need not be held any more.
void ledger_forward_committed(struct ledger_writer *writer);

// Whether facts of this state stand in the open index (else in the fact database).
bool ledger_state_is_open(enum fact_state state);
