// SPDX-License-Identifier: Apache-2.0
//
// How many receipts that are not settled need each segment, as of the last commit. In memory only: at start
// it is counted from the open index. Few rows (segments that exist), so sorted arrays. Thread: the ledger
// thread.
#include "base/check.h"
#include "base/grow.h"
#include "ledger_internal.h"
#include <stdlib.h>

// What OPEN and CLOSE of a receipt take, about.
#define RECORDS_BYTES 2048u

// Index of the first row at or above (stream, segment).
static size_t row_find(const struct live_rows *rows, uint16_t stream, uint32_t segment)
{
    size_t low = 0;
    size_t high = rows->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct live_row *row = &rows->rows[middle];
        if (row->stream < stream || (row->stream == stream && row->segment < segment))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool row_is(const struct live_rows *rows, size_t index, uint16_t stream, uint32_t segment)
{
    return index < rows->count && rows->rows[index].stream == stream && rows->rows[index].segment == segment;
}

static void row_add(struct live_rows *rows, uint16_t stream, uint32_t segment, uint64_t bytes)
{
    size_t index = row_find(rows, stream, segment);
    if (row_is(rows, index, stream, segment)) {
        rows->rows[index].count++;
        rows->rows[index].bytes += bytes;
        return;
    }
    if (rows->count >= rows->capacity / 2) { // early: one allocation that fails is made good by a later one
        enum result result = ARRAY_GROW(rows->rows, rows->capacity, rows->capacity + 1);
        // Without this memory a segment in use could be taken away: better to stop and recover.
        ensure(result == OK || rows->count < rows->capacity);
    }
    memmove(rows->rows + index + 1, rows->rows + index, (rows->count - index) * sizeof *rows->rows);
    rows->rows[index] = (struct live_row){stream, segment, 1, bytes};
    rows->count++;
}

static void row_remove(struct live_rows *rows, uint16_t stream, uint32_t segment, uint64_t bytes)
{
    size_t index = row_find(rows, stream, segment);
    ensure(row_is(rows, index, stream, segment) && rows->rows[index].bytes >= bytes);
    rows->rows[index].bytes -= bytes;
    if (--rows->rows[index].count > 0)
        return;
    rows->count--;
    memmove(rows->rows + index, rows->rows + index + 1, (rows->count - index) * sizeof *rows->rows);
}

static size_t row_count(const struct live_rows *rows, uint16_t stream, uint32_t segment)
{
    size_t index = row_find(rows, stream, segment);
    return row_is(rows, index, stream, segment) ? rows->rows[index].count : 0;
}

struct ledger_span ledger_span_of(const struct ledger_fact *fact)
{
    struct ledger_span none = {0};
    if (fact->state == FACT_RECEIVED && fact->open.segment != 0)
        return (struct ledger_span){fact->open.stream, fact->open.segment, 0, 0};
    if (fact->state == FACT_DURABLE && fact->close.segment != 0) {
        bool known = fact->open.segment != 0 && fact->open.stream == fact->close.stream &&
                     fact->open.segment <= fact->close.segment &&
                     fact->close.segment - fact->open.segment <= JOURNAL_CHUNKS_MAX;
        uint32_t first = known ? fact->open.segment : fact->close.segment;
        uint64_t bytes = (fact->length + RECORDS_BYTES) / (fact->close.segment - first + 1);
        return (struct ledger_span){fact->close.stream, first, fact->close.segment, bytes};
    }
    return none;
}

void ledger_live_add(struct ledger_live *live, struct ledger_span span)
{
    if (span.first == 0)
        return;
    if (span.last == 0)
        row_add(&live->unfinished, span.stream, span.first, 0);
    for (uint32_t segment = span.first; segment <= span.last; segment++)
        row_add(&live->closed, span.stream, segment, span.bytes);
}

void ledger_live_remove(struct ledger_live *live, struct ledger_span span)
{
    if (span.first == 0)
        return;
    if (span.last == 0)
        row_remove(&live->unfinished, span.stream, span.first, 0);
    for (uint32_t segment = span.first; segment <= span.last; segment++)
        row_remove(&live->closed, span.stream, segment, span.bytes);
}

size_t ledger_live_get(const struct ledger_live *live, uint16_t stream, uint32_t segment)
{
    size_t count = row_count(&live->closed, stream, segment);
    for (size_t i = 0; i < live->unfinished.count; i++) {
        const struct live_row *row = &live->unfinished.rows[i];
        if (row->stream == stream && row->segment <= segment)
            count += row->count;
    }
    return count;
}

bool ledger_live_bytes(const struct ledger_live *live, uint16_t stream, uint32_t segment, uint64_t *bytes)
{
    size_t index = row_find(&live->closed, stream, segment);
    if (!row_is(&live->closed, index, stream, segment) ||
        ledger_live_get(live, stream, segment) != live->closed.rows[index].count)
        return false;
    *bytes = live->closed.rows[index].bytes;
    return true;
}

void ledger_live_fini(struct ledger_live *live)
{
    free(live->closed.rows);
    free(live->unfinished.rows);
    *live = (struct ledger_live){0};
}
