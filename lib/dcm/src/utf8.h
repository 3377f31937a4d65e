// SPDX-License-Identifier: Apache-2.0
//
// One character of UTF-8 (RFC 3629). Thread: any.
#pragma once

#include "base/slice.h"

#define UTF8_BAD UINT32_MAX

// The character at the front of `text`, which is not empty, and its length in bytes; UTF8_BAD if there is
// none (over-long forms and surrogates are none).
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
