// SPDX-License-Identifier: Apache-2.0
// Sequential reader of one stream, for the ledger and for recovery.
//
// Role: yields record after record from a position up to the durable end (segments of this life) or to the
// end of the file (segments of earlier lives), over any number of segments; steps over bad records by looking
// for the next valid header at every 64 bytes, and says of each whether it is corruption or only a torn tail
// (ENGINE 2). Files are read synchronously: ledger, look-up, disk and main threads only. Owner: the caller. A
// reader belongs to one thread; several may exist.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"
#include "journal/format.h"
#include "journal/journal.h"

struct journal_reader;

enum journal_entry_kind {
    JOURNAL_ENTRY_RECORD = 1, // authentic (DATA: only if asked for); body is the plaintext
    // A CLOSE whose receipt recovery has dropped: it was never acknowledged, and its records are not complete
    // and authentic. To be recorded as dropped, not as received. body as for a record.
    JOURNAL_ENTRY_INCOMPLETE = 2,
    // Bytes that are known to have been durable, and are bad now: quarantine and report. receipt if it is
    // known.
    JOURNAL_ENTRY_CORRUPT = 3,
    // Bytes that were never known to be durable, and are bad: skipped, to be counted. Also the CLOSE of a
    // copy (copy.h) that is not complete.
    JOURNAL_ENTRY_TORN = 4,
};

struct journal_entry {
    enum journal_entry_kind kind;
    struct journal_position position; // of the record, or of the first bad byte
    struct journal_position
        next; // where to go on: the position to commit together with what this entry caused
    struct journal_header
        header;        // RECORD, INCOMPLETE: all of it. CORRUPT, TORN: zeros unless the header was good
    uint64_t receipt;  // 0: none, or not known
    struct slice body; // borrowed until the next call; empty for DATA unless authenticated
    uint64_t skipped;  // CORRUPT, TORN: bytes from position to next
};

#define JOURNAL_READER_AUTHENTICATE_DATA 0x01u // read and open DATA bodies too (scrub, look-up)

// start.segment 0: from the first segment that exists. A start in a segment that is gone: from the next that
// exists.
enum result journal_reader_new(struct journal *journal, struct journal_position start, uint32_t flags,
                               struct journal_reader **out) MUST_USE;
void journal_reader_free(struct journal_reader *reader);

// OK: *entry. AGAIN: nothing more is durable now; call again when the journal's listener was called. ERR_IO,
// ERR_NOMEM: the position has not moved, call again. ERR_CRYPTO: the key of a segment is missing.
enum result journal_reader_next(struct journal_reader *reader, struct journal_entry *entry) MUST_USE;

// Where the next entry will be looked for. After AGAIN this is the position to commit: it may be past the
// last entry, over unused room.
struct journal_position journal_reader_position(const struct journal_reader *reader);
