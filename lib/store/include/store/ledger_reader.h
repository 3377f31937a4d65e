// SPDX-License-Identifier: Apache-2.0
//
// Looking things up in the ledger: by UID, by receipt number, all of it, and the counters. Works beside a
// running daemon. No transaction stays open while a visitor runs, so a slow one never keeps old pages alive
// (ENGINE 7).
//
// Thread: look-up thread of the daemon, or the command line. The environment is the caller's.
#pragma once

#include "store/fact.h"
#include "store/kv.h"

// The fact is borrowed for the time of the visit. Anything but OK stops and is returned.
typedef enum result ledger_visit(void *argument, const struct ledger_fact *fact);

// Into an initialised fact. ERR_MISSING; ERR_FORMAT: the entry can not be read.
MUST_USE enum result ledger_find_receipt(struct kv_env *env, uint64_t receipt, struct ledger_fact *fact);
// All receipts of one SOP Instance UID, or, if there are none, of one Study Instance UID; by receipt number.
// ERR_MISSING: neither.
MUST_USE enum result ledger_find_uid(struct kv_env *env, struct slice uid, ledger_visit *visit,
                                     void *argument);
// The newest receipts of one SOP Instance UID, given as the key of the index: of each stream the last
// `of_stream`, at most `most` together. Where there are more than `of_stream`, those that were dropped or
// have not ended are left out; the last 4096 are looked at for that. None is OK. ERR_IO, ERR_NOMEM.
MUST_USE enum result ledger_sop_receipts(struct kv_env *env, const uint8_t hash[FACT_SOP_HASH_SIZE],
                                         uint64_t *receipts, size_t most, size_t of_stream, size_t *count);
// Every receipt of each SOP Instance UID of which receipts with different content are durable, one UID after
// the other (FIELD 5). Walks the whole index.
MUST_USE enum result ledger_conflicts(struct kv_env *env, ledger_visit *visit, void *argument);
// A UID, or a receipt number as people write it: decimal, or SSSS-CCCCCCCCCCCC (hexadecimal stream and
// counter).
MUST_USE enum result ledger_find_text(struct kv_env *env, const char *text, ledger_visit *visit,
                                      void *argument);
// Every fact, settled or not, by receipt number. `damaged` (may be NULL) counts entries that could not be
// read: they are skipped.
MUST_USE enum result ledger_each(struct kv_env *env, ledger_visit *visit, void *argument, uint64_t *damaged);

// Days are UTC, counted from 1970-01-01, of CLOSE or DROP (received, bytes, dropped) or of the OUTCOME.
struct ledger_day {
    uint32_t day;
    uint64_t received;
    uint64_t bytes;
    uint64_t dropped;
    uint64_t settled; // receipts
};

struct ledger_archive {
    uint32_t archive;
    uint64_t states[DELIVERY_STATES]; // owed deliveries that are in each state now, by enum delivery_state
    uint64_t attempts;                // SENT records ever
};

struct ledger_totals {
    uint64_t received;
    uint64_t bytes;
    uint64_t dropped;
    uint64_t settled;
    uint64_t open;    // durable and not settled
    uint64_t orphans; // reports whose CLOSE has not been read
};

struct ledger_stats {
    uint32_t schema_version;
    struct ledger_totals totals;
    struct ledger_archive *archives; // by id
    size_t archive_count;
    struct ledger_day *days; // by day
    size_t day_count;
};

// `stats` is written on OK; free it with ledger_stats_fini().
MUST_USE enum result ledger_stats_get(struct kv_env *env, struct ledger_stats *stats);
void ledger_stats_fini(struct ledger_stats *stats);

// How receipt numbers are shown everywhere: "0001-00000000002a"; needs 18 bytes.
void ledger_receipt_text(uint64_t receipt, char *to, size_t capacity);
// The same back, or decimal. False: neither.
bool ledger_receipt_parse(const char *text, uint64_t *receipt);
