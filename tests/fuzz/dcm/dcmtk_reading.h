// SPDX-License-Identifier: Apache-2.0
//
// DCMTK's reading of a data set before and after edits. Plain C types, so that neither side sees the other's
// headers. One thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DCMTK_STEPS 9

#ifdef __cplusplus
extern "C" {
#endif

// What a reader meets, in order, up to Pixel Data: elements, and the items of sequences as (FFFE,E000).
struct dcmtk_seen {
    uint32_t depth; // sequences above it
    uint32_t tag;
    uint32_t length; // of a plain value; 0 of everything else
};

// A path that is edited, without the numbers of items.
struct dcmtk_target {
    unsigned steps;
    uint32_t tag[DCMTK_STEPS];
    bool is_private[DCMTK_STEPS]; // by creator: any element of the group may be it, or its reservation
};

struct dcmtk_case {
    const char *transfer_syntax; // not deflated
    const uint8_t *old_bytes;
    size_t old_length;
    const uint8_t *new_bytes;
    size_t new_length;
    const struct dcmtk_seen *seen; // by our own reading of the old bytes
    size_t seen_count;
    const struct dcmtk_target *targets;
    size_t target_count;
};

enum dcmtk_outcome {
    DCMTK_EQUAL,
    DCMTK_SKIPPED, // it does not read the old bytes as we do
    DCMTK_DIFFERS, // what was not edited reads otherwise; said on standard error
};

enum dcmtk_outcome dcmtk_compare(const struct dcmtk_case *c);

#ifdef __cplusplus
}
#endif
