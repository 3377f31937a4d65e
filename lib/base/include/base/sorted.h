// SPDX-License-Identifier: Apache-2.0
//
// Arrays in order, as qsort() leaves them. Thread: any.
#pragma once

#include <stddef.h>

// Where the item that equals `key` stands, or would be put in: the first that is not before it; `count`: all
// are. `compare` as for qsort(), always with an item first and `key` second.
static inline size_t sorted_place(const void *items, size_t count, size_t size, const void *key,
                                  int (*compare)(const void *item, const void *key))
{
    const unsigned char *bytes = items;
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(bytes + middle * size, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
