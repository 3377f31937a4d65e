// SPDX-License-Identifier: Apache-2.0
#include "utf8.h"

// Bytes of the character that begins here; 0: none does.
static size_t character_size(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xC2 && first < 0xE0 ? 2 : first >= 0xE0 && first < 0xF0 ? 3 : 4;
    if (first < 0xC2 || first > 0xF4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if ((first == 0xE0 && at[1] < 0xA0) || (first == 0xED && at[1] > 0x9F) ||
        (first == 0xF0 && at[1] < 0x90) || (first == 0xF4 && at[1] > 0x8F))
        return 0;
    return size;
}

bool utf8_is_valid(struct slice text)
{
    size_t size = 0;
    for (size_t at = 0; at < text.length; at += size) {
        size = character_size(text.data + at, text.length - at);
        if (size == 0)
            return false;
    }
    return true;
}

size_t utf8_length(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += (text.data[i] & 0xC0) != 0x80;
    return count;
}
