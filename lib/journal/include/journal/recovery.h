// SPDX-License-Identifier: Apache-2.0
// What happens to the journal at start, before anything is accepted (ENGINE 2).
//
// Role: brings the folder into the catalog, removes what was never finished, closes every segment of earlier
// lives, finds the highest numbers ever used, and decides which receipts of the unsynced tail are complete.
// Thread: main, before any loop runs; synchronous. Caller: the daemon (and tools that read a journal, with
// read_only).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "journal/format.h"
#include "journal/journal.h"
#include "journal/record.h"

// What the ledger knows of a stream from its last commit. Numbers outlive the segments that they were used
// in, so the ledger keeps the high-water marks of streams whose segments are all reclaimed.
struct journal_floor {
    uint16_t stream;
    struct journal_position ledger; // where the ledger goes on; segment 0: from the beginning
    uint32_t segment;               // highest segment number known to have been used; 0: none
    uint64_t receipt; // highest receipt_limit known to have been reserved (whole number); 0: none
};

struct journal_recovery {
    uint64_t segments;          // found and kept
    uint64_t segments_removed;  // creation not finished, or reclaim cut after the key was destroyed
    uint64_t pages_damaged;     // format page bad, but records behind it: read by the name of the file
    uint64_t keys_destroyed;    // keys without a file
    uint64_t records;           // read
    uint64_t records_torn;      // skipped above the highest position claimed durable
    uint64_t records_corrupt;   // bad below it
    uint64_t receipts_complete; // with a CLOSE above the highest claimed position, and all chunks authentic
    uint64_t receipts_dropped;  // with such a CLOSE, but not complete and authentic
    uint64_t copies_dropped;    // copies (copy.h) that were not complete: their receipts stay where they were
    uint64_t life;              // highest found
};

// To be called before journal_recover(): whether something is owed, or not yet settled, whose records may lie
// in this segment. Without it a segment counts as let go as soon as the ledger's position is past it, which
// is not enough where the key file or the folder may be an older copy, cut short, or not mounted.
void journal_recovery_ask(struct journal *journal, bool (*is_needed)(void *, uint16_t, uint32_t), void *arg);

#define JOURNAL_RECOVER_READ_ONLY 0x01u // for tools: removes nothing, destroys nothing, syncs nothing

// floors: one per stream that the ledger knows, in any order; life_floor: highest life that the ledger knows.
// Reads each stream from its floor's ledger position on. After OK the ledger reads the same records through
// reader.h, which yields dropped receipts as JOURNAL_ENTRY_INCOMPLETE. ERR_CRYPTO: a segment that holds
// records the ledger has not read, or that is needed, has no key (wrong key file?): nothing was removed.
// ERR_MISSING: a segment that the ledger has not read to its end, or that is needed, has a key but no file
// (folder not mounted?): nothing was removed. ERR_REFUSED: a segment of a newer format. ERR_IO, ERR_NOMEM.
enum result journal_recover(struct journal *journal, const struct journal_floor *floors, size_t floor_count,
                            uint64_t life_floor, uint32_t flags, struct journal_recovery *report) MUST_USE;

// What the ledger knows once it has read these records, which may be more than it knew before: a ledger that
// is made anew hears from copies (copy.h) of numbers whose segments have all gone. Before
// journal_life_begin(). ERR_NOMEM.
enum result journal_floors_raise(struct journal *journal, const struct journal_floor *floors,
                                 size_t count) MUST_USE;

// Begins this process life: its number is one above the highest found; the START record is durable in a
// segment of the control stream when this returns. start->life is filled in. Older control segments are left
// to reclaim.h. ERR_IO, ERR_SPACE, ERR_CRYPTO: the process must not go on.
enum result journal_life_begin(struct journal *journal, struct record_epoch *start) MUST_USE;
