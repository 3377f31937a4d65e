// SPDX-License-Identifier: Apache-2.0
// Taking away segments that nobody needs any more, in the order of ENGINE 4:
//   OUTCOMEs durable -> ledger commit with a position vector past the segment and those OUTCOMEs -> key
//   destroyed -> unlink -> directory sync.
//
// Role: the last three steps, and the check of the second. Who calls: the ledger thread, after a commit. The
// caller counts which segments hold live receipts, from committed facts only. A receipt is live in every
// segment from its OPEN record to its CLOSE record, and in each one that its chunk index names: from the
// moment its OPEN was read (also while it has no CLOSE yet) until every archive has settled it, it was
// dropped, or, of an earlier life, found without CLOSE. A segment with no live receipt may go. Control
// segments: the ledger has read their records. Thread: ledger or disk; waits for the disk.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "journal/format.h"
#include "journal/journal.h"

// Segments of the stream that are closed or dead and lie wholly before `committed` (the position in the last
// committed vector of the ledger), in order, up to `max`; returns how many. The caller keeps those that hold
// live receipts. Of the control stream the newest is never among them.
size_t journal_reclaim_candidates(struct journal *journal, struct journal_position committed,
                                  uint32_t *segments, size_t max);

// Destroys the key, unlinks the file, syncs the folder, takes it out of the catalog. ERR_REFUSED: not closed,
// or not wholly before `committed`. ERR_IO: the step that failed is done again by the next call or by
// recovery. Readers that have the segment open may finish what they hold. ERR_MISSING: no such segment.
enum result journal_segment_reclaim(struct journal *journal, struct journal_position committed,
                                    uint32_t segment) MUST_USE;
