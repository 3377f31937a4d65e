// SPDX-License-Identifier: Apache-2.0
//
// Keywords of PS3.6 both ways, from keywords.def. Static data; any thread.
#include "dcm/path.h"
#include <stddef.h>

struct keyword_row {
    uint32_t tag;
    const char *keyword;
};

static const struct keyword_row rows[] = {
#define K(tag, keyword) {0x##tag, #keyword},
#include "keywords.def"
#undef K
};

// Rows in the order of their keywords.
static const uint16_t order[] = {
#define S(row) row,
#include "keywords.def"
#undef S
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(COUNT(rows) == COUNT(order), "keywords.def is whole");

const char *dcm_keyword(uint32_t tag)
{
    size_t low = 0;
    size_t high = COUNT(rows);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].tag == tag)
            return rows[middle].keyword;
        if (rows[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

// As strcmp(row, keyword).
static int keyword_compare(const char *row, struct slice keyword)
{
    size_t length = strlen(row);
    int difference = memcmp(row, keyword.data, length < keyword.length ? length : keyword.length);
    if (difference != 0)
        return difference;
    return (length > keyword.length) - (length < keyword.length);
}

bool dcm_keyword_find(struct slice keyword, uint32_t *tag)
{
    if (keyword.length == 0)
        return false;
    size_t low = 0;
    size_t high = COUNT(order);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct keyword_row *row = &rows[order[middle]];
        int difference = keyword_compare(row->keyword, keyword);
        if (difference == 0) {
            *tag = row->tag;
            return true;
        }
        if (difference < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
