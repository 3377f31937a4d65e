// SPDX-License-Identifier: Apache-2.0
//
// Bytes of expectations, written down as hex and text. Test code: a failed call fails the test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

struct bytes {
    uint8_t data[300000];
    size_t length;
};

// Hex digits with any spaces, and 'text' in single quotes.
void bytes_put(struct bytes *bytes, const char *notation);
struct slice bytes_slice(const struct bytes *bytes);
// Equal to what the notation says, else fails and prints both.
void assert_bytes(struct slice actual, const char *notation);
