// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "base/check.h"
#include <stdarg.h>
#include <stdio.h>

bool text_copy(char *to, size_t capacity, struct slice from)
{
    ensure(capacity > 0);
    size_t length = from.length < capacity ? from.length : capacity - 1;
    if (length > 0)
        memcpy(to, from.data, length);
    to[length] = 0;
    return length == from.length;
}

bool text_format(char *to, size_t capacity, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool is_whole = text_format_list(to, capacity, format, arguments);
    va_end(arguments);
    return is_whole;
}

bool text_format_list(char *to, size_t capacity, const char *format, va_list arguments)
{
    ensure(capacity > 0);
    int length = vsnprintf(to, capacity, format, arguments);
    if (length < 0)
        to[0] = 0;
    return length >= 0 && (size_t)length < capacity;
}

void text_hex(char *to, size_t capacity, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    ensure(capacity > 0);
    size_t at = 0;
    for (size_t i = 0; i < bytes.length && at + 3 <= capacity; i++) {
        to[at++] = digits[bytes.data[i] >> 4];
        to[at++] = digits[bytes.data[i] & 15];
    }
    to[at] = 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum result text_unhex(const char *text, uint8_t *to, size_t length)
{
    if (strlen(text) != 2 * length)
        return ERR_FORMAT;
    for (size_t i = 0; i < length; i++) {
        int high = hex_digit(text[2 * i]);
        int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_FORMAT;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return OK;
}

enum result text_number(struct slice text, uint64_t most, uint64_t *value)
{
    if (text.length == 0 || (text.length > 1 && text.data[0] == '0'))
        return ERR_FORMAT;
    uint64_t number = 0;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return ERR_FORMAT;
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return ERR_LIMIT;
    }
    if (number > most)
        return ERR_LIMIT;
    *value = number;
    return OK;
}

void text_printable(char *to, size_t capacity, struct slice from)
{
    text_copy(to, capacity, from);
    size_t length = from.length < capacity ? from.length : capacity - 1;
    for (size_t i = 0; i < length; i++)
        if (to[i] < 0x20 || to[i] > 0x7e || to[i] == '"')
            to[i] = '?';
}
