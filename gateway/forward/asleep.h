// SPDX-License-Identifier: Apache-2.0
//
// Receipts that nobody touches for now, in 64 bytes each (ENGINE 6): rows by rising order of receipt in
// blocks that are filled to the last row, as receipts come and go in about that order. Only a container; who
// goes to sleep and when is backlog.h's.
//
// Thread: the worker's. Rows and positions are valid until the next insertion or removal.
#pragma once

#include "base/result.h"
#include "journal/format.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASLEEP_DELIVERIES 2   // of one row; a receipt with more of them has more rows
#define ASLEEP_BLOCK_ROWS 512 // 32 KiB

// Parts of one receipt stand side by side; all but the deliveries is the same in each.
struct asleep_row {
    uint64_t order;
    uint64_t number;
    uint64_t closed_at; // wall clock
    uint32_t open_segment;
    uint32_t open_block; // offset / JOURNAL_ALIGNMENT
    uint32_t close_segment;
    uint32_t close_block;
    uint32_t when[ASLEEP_DELIVERIES]; // RESTING, ANSWERED: see backlog.c; else `hold`, and above it `sent_as`
    uint16_t status[ASLEEP_DELIVERIES];
    uint16_t stream;                    // of both positions
    uint8_t part;                       // 0: the first row of this receipt
    uint8_t count;                      // deliveries in this row
    uint8_t archive[ASLEEP_DELIVERIES]; // index of the node
    uint8_t bits[ASLEEP_DELIVERIES];    // stage, and what is to be remembered of it: see backlog.c
    uint8_t attempts[ASLEEP_DELIVERIES];
    uint8_t reason[ASLEEP_DELIVERIES]; // 0: none, else 1 + index of its text
};
_Static_assert(sizeof(struct asleep_row) == 64, "ENGINE 6: at most 64 bytes for each owed receipt");

struct asleep_block;

struct asleep {
    struct asleep_block **blocks;
    size_t block_count;
    size_t block_capacity;
    size_t rows;
};

struct asleep_position {
    size_t block;
    size_t row;
};

void asleep_init(struct asleep *asleep);
void asleep_fini(struct asleep *asleep);

// Copies the row. ERR_NOMEM, and nothing has changed.
MUST_USE enum result asleep_insert(struct asleep *asleep, const struct asleep_row *row);
void asleep_remove(struct asleep *asleep, struct asleep_position at);

// The first row at or behind this order; its row is NULL at the end.
struct asleep_position asleep_seek(const struct asleep *asleep, uint64_t order);
// NULL: behind the last one.
struct asleep_row *asleep_row_get(const struct asleep *asleep, struct asleep_position at);
struct asleep_position asleep_next(const struct asleep *asleep, struct asleep_position at);
// Bytes that all of it takes.
size_t asleep_bytes(const struct asleep *asleep);
