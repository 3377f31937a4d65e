// SPDX-License-Identifier: Apache-2.0
//
// What the programs of the bench tell: counters in a file that the runner maps, and percentiles of times.
#pragma once

#include <stddef.h>
#include <stdint.h>

// All numbers are little-endian 64-bit, in this order. The runner (dgbench/programs.py) reads them while the
// program runs.
struct figures {
    uint64_t instances;    // received whole and answered
    uint64_t bytes;        // of data sets
    uint64_t wrong;        // data sets that were not what their UID promises
    uint64_t associations; // accepted
    uint64_t last_ns;      // CLOCK_MONOTONIC of the last instance
};

// Creates `path` with zeros and maps it; ends the program where that fails. Never unmapped.
struct figures *figures_map(const char *path);

uint64_t figures_now(void); // CLOCK_MONOTONIC, nanoseconds

// Times in a table that grows.
struct times {
    uint64_t *each; // nanoseconds
    size_t count, capacity;
};
void times_add(struct times *times, uint64_t nanoseconds);
// share: 0 to 1. Sorts; 0 where there are none.
uint64_t times_percentile(struct times *times, double share);
