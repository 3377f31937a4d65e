// SPDX-License-Identifier: Apache-2.0
//
// The open index: every receipt that is durable and not settled, as the gateway needs it at start to queue it
// again.
//
// Thread: called by the daemon at start, after the ledger has caught up, before intake begins; reads only.
#pragma once

#include "store/fact.h"
#include "store/kv.h"

struct open_delivery {
    uint32_t archive;
    enum delivery_state state; // OWED, SENT ("possibly sent": mark the next one `resent`), ANSWERED, PARKED,
                               // HELD or settled
    bool resent;               // a report said that the archive may have it already
    bool is_released;          // a person has let it go in spite of what rules and crosswalk find
    uint8_t remark;            // enum record_settle_remark of an ANSWERED one
    uint16_t status;           // of the last answer
    uint32_t attempts;
    uint64_t since; // time of the last OUTCOME, else of the last SENT, else 0: `settle_after` counts from
                    // ANSWERED's
    uint8_t edits[RECORD_DIGEST_SIZE]; // of the last SENT; zeros: none
    const char *explanation; // of a PARKED or HELD one: why, as it was recorded; NULL: not known. Borrowed
};

// Borrowed for the time of the visit.
struct open_entry {
    uint64_t receipt;
    uint64_t order;
    uint64_t epoch;
    uint64_t closed_at; // ns since 1970 UTC
    struct journal_position open;
    struct journal_position close;
    uint8_t sop_hash[FACT_SOP_HASH_SIZE];
    const struct open_delivery *deliveries; // all owed ones, settled ones too
    size_t delivery_count;
};

typedef enum result open_index_visit(void *argument, const struct open_entry *entry);

// All entries by receipt number, which within a stream is about the `order` of CLOSE, in one pass. Stops with
// what `visit` returns if not OK; `visit` must not use the environment. ERR_FORMAT: an entry can not be read;
// ERR_IO, ERR_NOMEM.
MUST_USE enum result open_index_each(struct kv_env *env, open_index_visit *visit, void *argument);

// At most `most` of them above a receipt number, for those who must not read for long. `is_last`: there are
// no more.
MUST_USE enum result open_index_some(struct kv_env *env, uint64_t after, size_t most, open_index_visit *visit,
                                     void *argument, bool *is_last);
