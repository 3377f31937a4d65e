// SPDX-License-Identifier: Apache-2.0
// What the parts of the journal share: the journal object, catalog entries, segments.
//
// Locking: journal->lock guards every field marked [lock]. It is held for a few instructions, never over a
// system call of ours. A segment is kept alive by references; what is not marked is fixed once the segment is
// in the catalog.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "seal/keyring.h"
#include "seal/seal.h"

#define JOURNAL_MAGIC         0x4a4f5552u
#define JOURNAL_SEGMENT_MAGIC 0x4a534547u

// Life in the upper 24 bits of an order.
#define JOURNAL_ORDER_LIFE_SHIFT 40u

// The smallest receipt is one OPEN record: a segment's range of receipt numbers can not run out before its
// room.
#define JOURNAL_BYTES_PER_RECEIPT (2u * JOURNAL_ALIGN)

#define JOURNAL_CONTROL_SIZE JOURNAL_SEGMENT_SIZE_MIN

struct journal_segment {
    uint32_t magic;
    uint32_t references; // [lock]
    uint16_t stream;
    uint32_t number;
    uint16_t flags; // JOURNAL_SEGMENT_RESERVE
    bool earlier;   // of an earlier life
    uint64_t life;
    uint64_t size;  // with the room that was made for it
    uint64_t bytes; // [lock] of its file: less than size once a dead one was cut
    uint64_t receipt_first;
    uint64_t receipt_limit;
    uint64_t created;
    struct seal_key *key;
    enum journal_segment_state state; // [lock]
    uint64_t end;                     // [lock] durable end
    bool going; // [lock] its reclaim has begun, maybe in vain: its file may be gone, no reader enters it
    // Of an earlier life: bad records below this offset are corruption, above it a torn tail. Set by
    // recovery.
    uint64_t claimed;
};

// claimed: the writer has gone on to another segment, and all of this one is known to be durable.
#define JOURNAL_CLAIMED_WHOLE UINT64_MAX

struct segment_chain { // one stream in the catalog
    struct list_node node;
    uint16_t stream;
    bool has_writer;                   // [lock]
    bool unwelcoming;                  // [lock] wants no new association
    bool refused;                      // [lock] accepts no instance
    bool failed;                       // [lock] because of failures in a row
    uint32_t highest;                  // [lock] segment number ever used
    uint64_t receipt_limit;            // [lock] highest reserved, whole number
    struct journal_segment **segments; // [lock] in order of number
    size_t count, capacity;            // [lock]
};

struct journal {
    uint32_t magic;
    struct journal_options options;
    char folder[FS_PATH_MAX + 1];
    struct fs *fs;
    struct seal_keyring *keyring;
    pthread_mutex_t lock;
    struct list streams;                            // [lock] struct segment_chain, in order of stream
    void (*on_durable)(void *arg, uint16_t stream); // [lock]
    void *on_durable_arg;
    uint64_t life;         // [lock]
    uint64_t highest_life; // [lock]
    uint64_t free_bytes;   // [lock] of the disk, at the last look
    uint64_t room;         // [lock] the same within the quota
    uint64_t booked;       // [lock] bytes of all segments that were ever begun by streams and copier
    uint64_t settled;      // [lock] of these, bytes of those that a look at the room shows, or that failed
    uint32_t readers;      // [lock] that exist
    atomic_uint_fast64_t order;
    // Receipts without all their records, sorted; set by recovery before any thread starts. Of a copy that is
    // not complete only that copy is dropped: there may be others of the same receipt, so they are known by
    // the place of their CLOSE (journal_copy_key).
    struct journal_dropped {
        uint64_t *receipts;
        size_t count, capacity;
    } dropped, dropped_copies;
    uint32_t copy_floor; // [lock] segments of the copy stream from here on are not to be reclaimed; 0: none
    bool (*is_needed)(void *arg, uint16_t stream, uint32_t segment); // NULL: nothing is known to be needed
    void *is_needed_arg;
};

// A place in the copy stream as one number, in their order.
static inline uint64_t journal_copy_key(struct journal_position at)
{
    return (uint64_t)at.segment << 32 | at.offset / JOURNAL_ALIGN;
}

// The order of journal_dropped.receipts, for qsort() and bsearch().
static inline int journal_dropped_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// ---- catalog.c ----

// All take the lock themselves.
struct segment_chain *catalog_chain(struct journal *journal, uint16_t stream); // NULL: none
enum result catalog_chain_make(struct journal *journal, uint16_t stream, struct segment_chain **out) MUST_USE;
// Takes *segment over (its one reference becomes the catalog's).
enum result catalog_add(struct journal *journal, struct journal_segment **segment) MUST_USE;
void catalog_remove(struct journal *journal, struct journal_segment *segment);
// A new reference to segment `number`, or with `or_next` the first one not below it; NULL: none.
struct journal_segment *catalog_find(struct journal *journal, uint16_t stream, uint32_t number, bool or_next);
// The first one not below `number` whose reclaim has not begun.
struct journal_segment *catalog_find_readable(struct journal *journal, uint16_t stream, uint32_t number);
struct journal_segment *segment_ref(struct journal *journal, struct journal_segment *segment);
void segment_unref(struct journal *journal, struct journal_segment **segment);
// Segments below `number` that were prepared in this life will never be written to (one out of the reserve,
// when a normal one came after all): readers go past them, reclaim takes them.
void catalog_skipped_close(struct journal *journal, struct segment_chain *chain, uint32_t number);
// Recovery: a CLOSE of this life has said that the stream was durable up to there.
void catalog_claim(struct journal *journal, struct segment_chain *chain, uint64_t life,
                   struct journal_position durable);
void segment_state_get(struct journal *journal, const struct journal_segment *segment,
                       enum journal_segment_state *state, uint64_t *end);
void segment_state_set(struct journal *journal, struct journal_segment *segment,
                       enum journal_segment_state state, uint64_t end);
// The one place that takes numbers: the next segment of the stream, and `receipts` receipt numbers for it.
void catalog_numbers_take(struct journal *journal, struct segment_chain *chain, uint64_t receipts,
                          uint32_t *segment, uint64_t *receipt_first);
struct catalog_refusal {
    bool unwelcoming, refused, failed;
};
void catalog_refusal_set(struct journal *journal, uint16_t stream, struct catalog_refusal refusal);

// ---- segment.c ----

void segment_path(const struct journal *journal, uint16_t stream, uint32_t number,
                  char *out);                                         // FS_PATH_MAX + 1
struct journal_segment *segment_new(const struct journal_page *page); // NULL: no memory
// What the folder, the key file and the ledger next door may need meanwhile.
#define JOURNAL_SPACE_MARGIN MIB

struct segment_room {
    uint64_t bytes;   // that the journal may still take: free on the disk, and within the quota
    uint64_t settled; // journal->settled before that was looked at
};

// ERR_IO.
enum result segment_room_get(struct journal *journal, struct segment_room *room) MUST_USE;
// Books room for a segment, so that threads which have seen the same room do not all take it: `size` bytes,
// with `keep` left behind them. False: there is not so much any more. Each booking is settled once the
// segment has been made, or has failed.
bool segment_room_book(struct journal *journal, const struct segment_room *room, uint64_t size,
                       uint64_t keep);
void segment_room_settle(struct journal *journal, uint64_t size);
// Creates file and key of the next segment, durable, and adds it to the catalog as PREPARED. *file is open
// for writing and the caller's; *segment is a reference.
enum result segment_create(struct journal *journal, struct segment_chain *chain, uint64_t size,
                           uint16_t flags, uint64_t wall, struct journal_segment **segment,
                           struct fs_file **file) MUST_USE;
// Cuts the file of a dead segment at `end`, its durable end, and makes that durable; one that is gone is
// fine. ERR_IO.
enum result segment_cut(struct journal *journal, struct journal_position end) MUST_USE;
// Key destroyed, file unlinked, folder synced; a key or file that is gone already is fine.
enum result segment_erase(struct journal *journal, uint16_t stream, uint32_t number) MUST_USE;
// The header at `at`, if a record that belongs there ends before `size`. ERR_FORMAT: none; ERR_IO.
enum result segment_header_read(struct fs_file *file, struct journal_position at, uint64_t size,
                                struct journal_header *header, uint8_t bytes[JOURNAL_HEADER_SIZE]) MUST_USE;
// Opens a whole record in place; `record` is header, ciphertext and tag. *body borrows it.
enum result segment_record_open(struct seal_cipher *cipher, struct seal_key *key,
                                const struct journal_header *header, uint8_t *record,
                                struct slice *body) MUST_USE;
// Seals a record into out (journal_record_size(length) bytes, all written). header->nonce is spent and filled
// in.
enum result segment_record_seal(struct seal_cipher *cipher, struct seal_key *key,
                                struct journal_header *header, const struct slice *parts, size_t count,
                                uint8_t *out) MUST_USE;

// ---- reader.c ----

// A reader for recovery: no dropped receipts yet, nothing logged.
#define JOURNAL_READER_RECOVERING 0x100u
