// SPDX-License-Identifier: Apache-2.0
// Copy-forward (ENGINE 2 and 4): receipts that are still owed are opened, sealed anew into the copy stream
// and synced, so that the segment which holds little else can go.
//
// Role: one copier per journal, the only writer of JOURNAL_STREAM_COPY. It copies OPEN, DATA and CLOSE of one
// receipt after another, under their receipt number and order; CLOSE names the places of the copy. Ciphertext
// is never copied. It knows nothing of who is owed what: the caller chooses, says what is known of the
// deliveries (the copy outlives the segments with its SENT and OUTCOME records), and lets the ledger read the
// copies back like any stream (a copy takes the place of what it was made from when the ledger commits its
// CLOSE). Copies may use the reserve of space. Thread: the ledger's; waits for the disk.
//
// Failure: after a write or sync error the copy segment is dead, copies that were not synced are lost and the
// receipts stay where they were; a dead segment is cut to what was durable before another is begun, so its
// tail is never taken for corruption.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/record.h"

struct journal_copier;

// After journal_life_begin(). Makes no segment before the first receipt. ERR_NOMEM, ERR_CRYPTO.
enum result journal_copier_new(struct journal *journal, struct journal_copier **out) MUST_USE;
// What was not synced is left to recovery. NULL is fine.
void journal_copier_free(struct journal_copier *copier);

// Begins with the receipt whose CLOSE lies at `close`; none may be under way. Nothing is written yet.
// ERR_FORMAT, ERR_CRYPTO: not this receipt, or damaged; ERR_MISSING: the segment is gone; ERR_IO, ERR_NOMEM.
enum result journal_copy_begin(struct journal_copier *copier, uint64_t receipt,
                               struct journal_position close) MUST_USE;
// Copies the next records, about `budget` bytes of them (at least one record); *bytes is increased by what
// was written. `wall` is the time now; `known` is true now, and goes into CLOSE should this call write it.
// OK: all records stand, not synced yet. AGAIN: go on with the next call. Any other result gives the receipt
// up: ERR_FORMAT, ERR_CRYPTO: a record of it is damaged; ERR_SPACE: not even the reserve has room; ERR_IO,
// ERR_NOMEM.
enum result journal_copy_step(struct journal_copier *copier, uint64_t wall, const struct record_known *known,
                              size_t budget, size_t *bytes) MUST_USE;
// Gives up the receipt under way; fine if there is none.
void journal_copy_cancel(struct journal_copier *copier);
// Makes the copies durable: only now does the ledger see them. ERR_IO, ERR_SPACE: those since the last sync
// are lost, and the receipt under way is given up.
enum result journal_copy_sync(struct journal_copier *copier) MUST_USE;
// Number of the segment that copies go to; 0: there is none.
uint32_t journal_copy_segment(const struct journal_copier *copier);
// Syncs and closes it, so that it can go; the next copy begins another. None may be under way. ERR_IO.
enum result journal_copy_close(struct journal_copier *copier) MUST_USE;
// The ledger has committed all up to there: segments of copies that it knows need not be kept for their sake.
void journal_copy_committed(struct journal_copier *copier, struct journal_position committed);
