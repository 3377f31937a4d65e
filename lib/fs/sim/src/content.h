// SPDX-License-Identifier: Apache-2.0
//
// Sparse bytes of a simulated file: pages of 4 KiB that exist only where something was written, shared
// between copies until one of them is changed. Thread: the simulator's. Used by disk.c.
#pragma once

#include "base/result.h"
#include "base/slice.h"

#include <stdint.h>

#define CONTENT_PAGE 4096u

struct content_page;

struct content_slot {
    uint64_t number; // offset / CONTENT_PAGE
    struct content_page *page;
};

// All zero is an empty file.
struct content {
    struct content_slot *slots; // in order of number
    size_t count;
    size_t capacity;
    uint64_t size;
};

void content_fini(struct content *content);

// Drops what `to` held and makes it equal to `from`.
MUST_USE enum result content_copy(struct content *to, const struct content *from);

// Grows the size if need be.
MUST_USE enum result content_write(struct content *content, uint64_t offset, struct slice bytes);

// Returns how many bytes there were.
size_t content_read(const struct content *content, uint64_t offset, uint8_t *buffer, size_t length);

// What is cut off is gone: growing again shows zeros.
MUST_USE enum result content_truncate(struct content *content, uint64_t size);
