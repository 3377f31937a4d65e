// SPDX-License-Identifier: Apache-2.0
//
// Bounded text. Destinations are always NUL-terminated; what does not fit is cut. Thread: any.
#pragma once

#include <stdarg.h>

#include "base/result.h"
#include "base/slice.h"

// Copies at most capacity - 1 bytes; false if it had to cut.
bool text_copy(char *to, size_t capacity, struct slice from);
// printf into a bounded buffer; false if it had to cut.
bool text_format(char *to, size_t capacity, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool text_format_list(char *to, size_t capacity, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
// Lower-case hexadecimal; needs 2 * length + 1 bytes, cuts whole bytes otherwise.
void text_hex(char *to, size_t capacity, struct slice bytes);
// The reverse: exactly `length` bytes; ERR_FORMAT otherwise.
MUST_USE enum result text_unhex(const char *text, uint8_t *to, size_t length);
// Whole decimal number, no sign, no spaces, no leading zero (but "0"); ERR_FORMAT or ERR_LIMIT.
MUST_USE enum result text_number(struct slice text, uint64_t most, uint64_t *value);
// Copies what a log line may hold of an AE title or UID: bytes outside 0x20..0x7E, and '"', become '?'; cut
// at capacity.
void text_printable(char *to, size_t capacity, struct slice from);
