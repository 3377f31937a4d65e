// SPDX-License-Identifier: Apache-2.0
//
// See letters.h.
#include "letters.h"

#include <string.h>

#include "base/utf8.h"

struct fold_row {
    uint16_t letter;
    const char *text;
};

struct case_row {
    uint16_t from;
    uint16_t to;
};

static const struct fold_row fold_rows[] = {
#define F(letter, text) {0x##letter, text},
#include "letters.def"
#undef F
};

static const struct case_row lower_rows[] = {
#define L(upper, lower) {0x##upper, 0x##lower},
#include "letters.def"
#undef L
};

static const struct case_row upper_rows[] = {
#define U(lower, upper) {0x##lower, 0x##upper},
#include "letters.def"
#undef U
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

bool letters_next(struct slice text, size_t *at, uint32_t *letter)
{
    struct slice left = slice_from(text, *at);
    size_t length;
    uint32_t next = left.length > 0 ? utf8_first(left, &length) : UTF8_BAD;
    if (next == UTF8_BAD)
        return false;
    *at += length;
    *letter = next;
    return true;
}

size_t letters_count(struct slice text)
{
    size_t at = 0;
    size_t count = 0;
    uint32_t letter;
    while (letters_next(text, &at, &letter))
        count++;
    return count;
}

size_t letters_bytes(struct slice text, size_t count)
{
    size_t at = 0;
    uint32_t letter;
    while (count > 0 && letters_next(text, &at, &letter))
        count--;
    return at;
}

static void letter_put(struct writer *to, uint32_t letter)
{
    if (letter < 0x80) {
        writer_u8(to, (uint8_t)letter);
    } else if (letter < 0x800) {
        writer_u8(to, (uint8_t)(0xC0 | letter >> 6));
        writer_u8(to, (uint8_t)(0x80 | (letter & 0x3F)));
    } else if (letter < 0x10000) {
        writer_u8(to, (uint8_t)(0xE0 | letter >> 12));
        writer_u8(to, (uint8_t)(0x80 | (letter >> 6 & 0x3F)));
        writer_u8(to, (uint8_t)(0x80 | (letter & 0x3F)));
    } else {
        writer_u8(to, (uint8_t)(0xF0 | letter >> 18));
        writer_u8(to, (uint8_t)(0x80 | (letter >> 12 & 0x3F)));
        writer_u8(to, (uint8_t)(0x80 | (letter >> 6 & 0x3F)));
        writer_u8(to, (uint8_t)(0x80 | (letter & 0x3F)));
    }
}

// NULL: compares as itself.
static const char *fold_find(uint32_t letter)
{
    size_t low = 0;
    size_t high = COUNT(fold_rows);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fold_rows[middle].letter == letter)
            return fold_rows[middle].text;
        if (fold_rows[middle].letter < letter)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

void letters_fold(struct writer *to, struct slice text)
{
    size_t at = 0;
    size_t begin = to->length;
    bool is_gap = false;
    uint32_t letter;
    while (letters_next(text, &at, &letter)) {
        const char *other = fold_find(letter);
        if (letter == ' ' || letter == 0x3000 || (other != NULL && other[0] == ' ' && other[1] == 0)) {
            is_gap = to->length > begin;
            continue;
        }
        if (other != NULL && other[0] == 0)
            continue;
        if (is_gap)
            writer_u8(to, ' ');
        is_gap = false;
        if (other != NULL)
            writer_put(to, other, strlen(other));
        else
            letter_put(to, letter);
    }
    if (at != text.length)
        to->failed = true;
}

static uint32_t case_find(const struct case_row *rows, size_t count, uint32_t letter)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].from == letter)
            return rows[middle].to;
        if (rows[middle].from < letter)
            low = middle + 1;
        else
            high = middle;
    }
    return letter;
}

static void case_change(struct writer *to, struct slice text, const struct case_row *rows, size_t count)
{
    size_t at = 0;
    uint32_t letter;
    while (letters_next(text, &at, &letter))
        letter_put(to, case_find(rows, count, letter));
    if (at != text.length)
        to->failed = true;
}

void letters_upper(struct writer *to, struct slice text)
{
    case_change(to, text, upper_rows, COUNT(upper_rows));
}

void letters_lower(struct writer *to, struct slice text)
{
    case_change(to, text, lower_rows, COUNT(lower_rows));
}
