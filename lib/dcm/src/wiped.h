// SPDX-License-Identifier: Apache-2.0
//
// A growing run of bytes that may be patient data: wiped before its memory is given back, so never realloc.
// Thread: the owner's.
#pragma once

#include "base/result.h"
#include "base/slice.h"

struct wiped_bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

// Room for `length` bytes in all; ERR_NOMEM.
MUST_USE enum result wiped_reserve(struct wiped_bytes *bytes, size_t length);
MUST_USE enum result wiped_append(struct wiped_bytes *bytes, struct slice more);
// Empty again; keeps the memory for the next use unless it is much.
void wiped_clear(struct wiped_bytes *bytes);
void wiped_release(struct wiped_bytes *bytes);

static inline struct slice wiped_slice(const struct wiped_bytes *bytes)
{
    return slice_of(bytes->data, bytes->length);
}
