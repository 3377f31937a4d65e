// SPDX-License-Identifier: Apache-2.0
//
// The memory of the texts of one match: one block of fixed size, given out from the front, wiped when the
// next instance comes, as it holds patient data. Private to rules/engine; one thread.
#pragma once

#include "base/cursor.h"
#include "base/wipe.h"

struct bytes {
    uint8_t *block;
    size_t used;
    size_t capacity;
};

// A writer over what is left, at most `most` bytes of it; bytes_keep or bytes_drop must follow.
static inline struct writer bytes_begin(const struct bytes *bytes, size_t most)
{
    size_t room = bytes->capacity - bytes->used;
    return writer_of(bytes->block + bytes->used, room < most ? room : most);
}

static inline struct slice bytes_keep(struct bytes *bytes, const struct writer *writer)
{
    bytes->used += writer->length;
    return writer_slice(writer);
}

// Instead of bytes_keep, where what was written behind the writer's length is not known.
static inline void bytes_drop(const struct writer *writer)
{
    if (writer->capacity > writer->length)
        wipe(writer->start + writer->length, writer->capacity - writer->length);
}

static inline void bytes_clear(struct bytes *bytes)
{
    if (bytes->used > 0)
        wipe(bytes->block, bytes->used);
    bytes->used = 0;
}
