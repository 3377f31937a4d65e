// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct dcm_plan: its bytes as docs/edits.md defines them, and the changes as slices of them.
// Made by plan_make.c and splice.c through a builder, or parsed.
#pragma once

#include "dcm/edit.h"
#include "wiped.h"

struct dcm_plan {
    uint32_t magic;
    size_t count;
    struct dcm_change *changes;
    struct wiped_bytes bytes;
    uint64_t old_bytes; // in all changes
    int64_t growth;     // new length minus old length of the data set (inflated)
};

// Begin; add in ascending order; end takes the bytes and parses them. ERR_NOMEM, ERR_LIMIT; release after an
// error.
struct plan_builder {
    struct wiped_bytes bytes;
    uint32_t count;
};

MUST_USE enum result plan_builder_begin(struct plan_builder *builder);
MUST_USE enum result plan_builder_add(struct plan_builder *builder, uint64_t offset, uint64_t old_length,
                                      struct slice new_bytes);
MUST_USE enum result plan_builder_end(struct plan_builder *builder, struct dcm_plan **plan);
void plan_builder_release(struct plan_builder *builder);
