// SPDX-License-Identifier: Apache-2.0
//
// The inside of the checker at the end of a history, shared by check.c and check_order.c.
#pragma once

#include "history.h"
#include "store/ledger_reader.h"

#define NO_FACT UINT32_MAX

// What the ledger says of one receipt, as far as the checker compares it.
struct fact {
    uint64_t receipt;
    uint64_t order;
    enum fact_state state;
    uint32_t content; // the first attempt with its bytes; NO_FACT: none
    struct fact_at {
        enum delivery_state state;
        uint8_t settled_by;
        bool is_resent;
    } at[HISTORY_ARCHIVES_MAX];
};

struct checker {
    struct history *history;
    struct fact *facts;
    size_t count, capacity;
};

// The machine ended when the gateway had seen the answer to `copy` and may not have written it down yet.
bool check_is_excused_by_crash(const struct history *history, const struct copy *copy,
                               const struct copy *again);
unsigned check_copies_of(const struct history *history, uint32_t content, unsigned archive);
// What rules and crosswalk have made of each copy.
void check_edits(struct history *history);
// FIELD 5, at each archive: what is superseded, what is a duplicate, who came last.
void check_order(const struct checker *checker);
