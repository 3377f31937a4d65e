// SPDX-License-Identifier: Apache-2.0
//
// Bounded reading and writing of wire bytes with a sticky error: read or write a whole structure, then look
// once at `failed`. After a failure every read yields 0 or an empty slice and every write does nothing.
// Thread: any.
#pragma once

#include "base/slice.h"

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

static inline struct cursor cursor_of(struct slice bytes)
{
    return (struct cursor){bytes.data, bytes.length > 0 ? bytes.data + bytes.length : bytes.data, false};
}

static inline size_t cursor_left(const struct cursor *c)
{
    return c->failed ? 0 : (size_t)(c->end - c->at);
}

// Borrows `length` bytes of the underlying slice.
static inline struct slice cursor_take(struct cursor *c, size_t length)
{
    if (c->failed || (size_t)(c->end - c->at) < length) {
        c->failed = true;
        return slice_of(NULL, 0);
    }
    struct slice taken = slice_of(c->at, length);
    if (length > 0)
        c->at += length;
    return taken;
}

static inline void cursor_skip(struct cursor *c, size_t length)
{
    (void)cursor_take(c, length);
}

static inline uint64_t cursor_big_endian(struct cursor *c, unsigned width)
{
    struct slice s = cursor_take(c, width);
    uint64_t value = 0;
    for (size_t i = 0; i < s.length; i++)
        value = value << 8 | s.data[i];
    return value;
}

static inline uint64_t cursor_little_endian(struct cursor *c, unsigned width)
{
    struct slice s = cursor_take(c, width);
    uint64_t value = 0;
    for (size_t i = s.length; i > 0; i--)
        value = value << 8 | s.data[i - 1];
    return value;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)cursor_big_endian(c, 1);
}
static inline uint16_t cursor_u16be(struct cursor *c)
{
    return (uint16_t)cursor_big_endian(c, 2);
}
static inline uint32_t cursor_u32be(struct cursor *c)
{
    return (uint32_t)cursor_big_endian(c, 4);
}
static inline uint64_t cursor_u64be(struct cursor *c)
{
    return cursor_big_endian(c, 8);
}
static inline uint16_t cursor_u16le(struct cursor *c)
{
    return (uint16_t)cursor_little_endian(c, 2);
}
static inline uint32_t cursor_u32le(struct cursor *c)
{
    return (uint32_t)cursor_little_endian(c, 4);
}
static inline uint64_t cursor_u64le(struct cursor *c)
{
    return cursor_little_endian(c, 8);
}

struct writer {
    uint8_t *start;
    size_t length;   // bytes written so far
    size_t capacity; // bytes
    bool failed;
};

static inline struct writer writer_of(void *buffer, size_t capacity)
{
    return (struct writer){(uint8_t *)buffer, 0, capacity, false};
}

static inline struct slice writer_slice(const struct writer *w)
{
    return slice_of(w->start, w->length);
}

static inline void writer_put(struct writer *w, const void *bytes, size_t length)
{
    if (w->failed || w->capacity - w->length < length) {
        w->failed = true;
        return;
    }
    if (length > 0)
        memcpy(w->start + w->length, bytes, length);
    w->length += length;
}

static inline void writer_slice_put(struct writer *w, struct slice s)
{
    writer_put(w, s.data, s.length);
}

static inline void writer_fill(struct writer *w, uint8_t value, size_t length)
{
    if (w->failed || w->capacity - w->length < length) {
        w->failed = true;
        return;
    }
    if (length > 0)
        memset(w->start + w->length, value, length);
    w->length += length;
}

static inline void writer_big_endian(struct writer *w, uint64_t value, unsigned width)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    writer_put(w, bytes, width);
}

static inline void writer_little_endian(struct writer *w, uint64_t value, unsigned width)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    writer_put(w, bytes, width);
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
    writer_big_endian(w, v, 1);
}
static inline void writer_u16be(struct writer *w, uint16_t v)
{
    writer_big_endian(w, v, 2);
}
static inline void writer_u32be(struct writer *w, uint32_t v)
{
    writer_big_endian(w, v, 4);
}
static inline void writer_u64be(struct writer *w, uint64_t v)
{
    writer_big_endian(w, v, 8);
}
static inline void writer_u16le(struct writer *w, uint16_t v)
{
    writer_little_endian(w, v, 2);
}
static inline void writer_u32le(struct writer *w, uint32_t v)
{
    writer_little_endian(w, v, 4);
}
static inline void writer_u64le(struct writer *w, uint64_t v)
{
    writer_little_endian(w, v, 8);
}

// Overwrites two or four bytes written before, for a length that is known only later.
static inline void writer_patch_u16be(struct writer *w, size_t at, uint16_t v)
{
    if (w->length < 2 || at > w->length - 2)
        w->failed = true;
    if (w->failed)
        return;
    w->start[at] = (uint8_t)(v >> 8);
    w->start[at + 1] = (uint8_t)v;
}
static inline void writer_patch_u32be(struct writer *w, size_t at, uint32_t v)
{
    if (w->length < 4 || at > w->length - 4)
        w->failed = true;
    writer_patch_u16be(w, at, (uint16_t)(v >> 16));
    writer_patch_u16be(w, at + 2, (uint16_t)v);
}
