// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 (RFC 3629): shortest forms only, no surrogates, nothing above U+10FFFF. Thread: any.
#pragma once

#include "base/slice.h"

#define UTF8_BAD UINT32_MAX

// The character at the front of `text`, which is not empty, and its length in bytes; UTF8_BAD, and 1, if
// there is none.
static inline uint32_t utf8_first(struct slice text, size_t *length)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = text.data[0];
    size_t count = lead < 0x80 ? 1 : lead >= 0xF0 && lead < 0xF8 ? 4 : lead >= 0xE0 ? 3 : 2;
    *length = 1;
    if (count == 1)
        return lead;
    if (lead < 0xC0 || lead >= 0xF8 || text.length < count)
        return UTF8_BAD;
    uint32_t character = lead & (0x7Fu >> count);
    for (size_t i = 1; i < count; i++) {
        if ((text.data[i] & 0xC0) != 0x80)
            return UTF8_BAD;
        character = character << 6 | (text.data[i] & 0x3Fu);
    }
    bool is_surrogate = character >= 0xD800 && character <= 0xDFFF;
    if (character < least[count] || character > 0x10FFFF || is_surrogate)
        return UTF8_BAD;
    *length = count;
    return character;
}

static inline bool utf8_is_valid(struct slice text)
{
    for (size_t length; text.length > 0; text = slice_from(text, length))
        if (utf8_first(text, &length) == UTF8_BAD)
            return false;
    return true;
}

// Ends the text in front of its first bad character: what was cut by bytes ends with a whole one.
static inline void utf8_cut(char *text)
{
    size_t length;
    struct slice rest = slice_of_text(text);
    while (rest.length > 0 && utf8_first(rest, &length) != UTF8_BAD)
        rest = slice_from(rest, length);
    if (rest.length > 0)
        text[rest.data - (const uint8_t *)text] = 0;
}

// Characters of valid text.
static inline size_t utf8_length(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += (text.data[i] & 0xC0) != 0x80;
    return count;
}
