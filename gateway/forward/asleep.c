// SPDX-License-Identifier: Apache-2.0
#include "forward/asleep.h"
#include "base/check.h"
#include <stdlib.h>
#include <string.h>

// Never empty but while it is being made.
struct asleep_block {
    size_t count;
    struct asleep_row rows[ASLEEP_BLOCK_ROWS];
};

static int key_compare(const struct asleep_row *row, uint64_t order, uint64_t number, unsigned part)
{
    if (row->order != order)
        return row->order < order ? -1 : 1;
    if (row->number != number)
        return row->number < number ? -1 : 1;
    return row->part < part ? -1 : row->part > part;
}

void asleep_init(struct asleep *asleep)
{
    *asleep = (struct asleep){0};
}

void asleep_fini(struct asleep *asleep)
{
    for (size_t i = 0; i < asleep->block_count; i++)
        free(asleep->blocks[i]);
    free(asleep->blocks);
    *asleep = (struct asleep){0};
}

// The first row that does not stand before the key.
static struct asleep_position lower_bound(const struct asleep *asleep, uint64_t order, uint64_t number,
                                          unsigned part)
{
    size_t low = 0;
    size_t high = asleep->block_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct asleep_block *block = asleep->blocks[middle];
        if (key_compare(&block->rows[block->count - 1], order, number, part) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    struct asleep_position at = {.block = low};
    if (low == asleep->block_count)
        return at;
    const struct asleep_block *block = asleep->blocks[low];
    high = block->count;
    while (at.row < high) {
        size_t middle = at.row + (high - at.row) / 2;
        if (key_compare(&block->rows[middle], order, number, part) < 0)
            at.row = middle + 1;
        else
            high = middle;
    }
    return at;
}

static enum result block_insert(struct asleep *asleep, size_t at, struct asleep_block **out)
{
    if (asleep->block_count == asleep->block_capacity) {
        size_t capacity = asleep->block_capacity == 0 ? 16 : 2 * asleep->block_capacity;
        struct asleep_block **larger = realloc(asleep->blocks, capacity * sizeof *larger);
        if (larger == NULL)
            return ERR_NOMEM;
        asleep->blocks = larger;
        asleep->block_capacity = capacity;
    }
    struct asleep_block *block = malloc(sizeof *block);
    if (block == NULL)
        return ERR_NOMEM;
    block->count = 0;
    memmove(&asleep->blocks[at + 1], &asleep->blocks[at],
            (asleep->block_count - at) * sizeof asleep->blocks[0]);
    asleep->blocks[at] = block;
    asleep->block_count++;
    *out = block;
    return OK;
}

static void block_remove(struct asleep *asleep, size_t at)
{
    free(asleep->blocks[at]);
    asleep->block_count--;
    memmove(&asleep->blocks[at], &asleep->blocks[at + 1],
            (asleep->block_count - at) * sizeof asleep->blocks[0]);
}

static enum result block_split(struct asleep *asleep, struct asleep_position *at)
{
    struct asleep_block *second;
    enum result result = block_insert(asleep, at->block + 1, &second);
    if (result != OK)
        return result;
    struct asleep_block *first = asleep->blocks[at->block];
    second->count = first->count / 2;
    first->count -= second->count;
    memcpy(second->rows, &first->rows[first->count], second->count * sizeof second->rows[0]);
    if (at->row > first->count) {
        at->row -= first->count;
        at->block++;
    }
    return OK;
}

enum result asleep_insert(struct asleep *asleep, const struct asleep_row *row)
{
    struct asleep_position at = lower_bound(asleep, row->order, row->number, row->part);
    if (at.block == asleep->block_count && at.block > 0) { // behind the last one: where nearly all come
        at.block--;
        at.row = asleep->blocks[at.block]->count;
    }
    enum result result = OK;
    struct asleep_block *fresh;
    if (asleep->block_count == 0) {
        result = block_insert(asleep, 0, &fresh);
    } else if (at.row == ASLEEP_BLOCK_ROWS) {
        at = (struct asleep_position){at.block + 1, 0};
        result = block_insert(asleep, at.block, &fresh);
    } else if (asleep->blocks[at.block]->count == ASLEEP_BLOCK_ROWS) {
        result = block_split(asleep, &at);
    }
    if (result != OK)
        return result;
    struct asleep_block *block = asleep->blocks[at.block];
    memmove(&block->rows[at.row + 1], &block->rows[at.row], (block->count - at.row) * sizeof block->rows[0]);
    block->rows[at.row] = *row;
    block->count++;
    asleep->rows++;
    return OK;
}

// Two neighbours that fit well into one block become one.
static void block_join(struct asleep *asleep, size_t at)
{
    if (at + 1 >= asleep->block_count)
        return;
    struct asleep_block *first = asleep->blocks[at];
    const struct asleep_block *second = asleep->blocks[at + 1];
    if (first->count + second->count > ASLEEP_BLOCK_ROWS * 3 / 4)
        return;
    memcpy(&first->rows[first->count], second->rows, second->count * sizeof second->rows[0]);
    first->count += second->count;
    block_remove(asleep, at + 1);
}

void asleep_remove(struct asleep *asleep, struct asleep_position at)
{
    ensure(asleep_row_get(asleep, at) != NULL);
    struct asleep_block *block = asleep->blocks[at.block];
    block->count--;
    asleep->rows--;
    memmove(&block->rows[at.row], &block->rows[at.row + 1], (block->count - at.row) * sizeof block->rows[0]);
    if (block->count == 0) {
        block_remove(asleep, at.block);
        return;
    }
    block_join(asleep, at.block);
    if (at.block > 0)
        block_join(asleep, at.block - 1);
}

struct asleep_position asleep_seek(const struct asleep *asleep, uint64_t order)
{
    return lower_bound(asleep, order, 0, 0);
}

struct asleep_row *asleep_row_get(const struct asleep *asleep, struct asleep_position at)
{
    if (at.block >= asleep->block_count || at.row >= asleep->blocks[at.block]->count)
        return NULL;
    return &asleep->blocks[at.block]->rows[at.row];
}

struct asleep_position asleep_next(const struct asleep *asleep, struct asleep_position at)
{
    if (++at.row >= asleep->blocks[at.block]->count)
        return (struct asleep_position){at.block + 1, 0};
    return at;
}

size_t asleep_bytes(const struct asleep *asleep)
{
    return asleep->block_count * sizeof(struct asleep_block) +
           asleep->block_capacity * sizeof asleep->blocks[0];
}
