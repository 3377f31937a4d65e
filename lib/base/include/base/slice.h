// SPDX-License-Identifier: Apache-2.0
//
// A borrowed run of bytes. Whoever makes a slice says how long the bytes live. Thread: any.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data; // may be NULL when length is 0
    size_t length;       // bytes
};

static inline struct slice slice_of(const void *data, size_t length)
{
    return (struct slice){(const uint8_t *)data, length};
}

static inline struct slice slice_of_text(const char *text)
{
    return slice_of(text, strlen(text));
}

static inline bool slice_is_equal(struct slice a, struct slice b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

// All of it printable ASCII; an empty one is.
static inline bool slice_is_printable(struct slice a)
{
    bool is_printable = true;
    for (size_t i = 0; i < a.length; i++)
        is_printable = is_printable && a.data[i] >= 0x20 && a.data[i] < 0x7f;
    return is_printable;
}

static inline bool slice_is_text(struct slice a, const char *text)
{
    return slice_is_equal(a, slice_of_text(text));
}

// The part of `whole` that begins at `offset`; empty if the offset is at or past the end.
static inline struct slice slice_from(struct slice whole, size_t offset)
{
    if (offset >= whole.length)
        return slice_of(NULL, 0);
    return slice_of(whole.data + offset, whole.length - offset);
}

// At most the first `length` bytes.
static inline struct slice slice_first(struct slice whole, size_t length)
{
    return slice_of(whole.data, length < whole.length ? length : whole.length);
}

// Without leading and trailing spaces and NULs: the padding of PS3.5 6.2 (AE, UI and others) that is not
// significant.
static inline struct slice slice_trimmed(struct slice s)
{
    while (s.length > 0 && (s.data[s.length - 1] == ' ' || s.data[s.length - 1] == 0))
        s.length--;
    while (s.length > 0 && (s.data[0] == ' ' || s.data[0] == 0)) {
        s.data++;
        s.length--;
    }
    return s;
}
