// SPDX-License-Identifier: Apache-2.0
#include "notation.h"

#include <ctype.h>
#include <stdio.h>

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : tolower(c) - 'a' + 10);
}

void bytes_put(struct bytes *bytes, const char *notation)
{
    for (const char *at = notation; *at != 0; at++) {
        assert_true(bytes->length < sizeof bytes->data);
        if (*at == ' ')
            continue;
        if (*at == '\'') {
            for (at++; *at != '\''; at++)
                bytes->data[bytes->length++] = (uint8_t)*at;
            continue;
        }
        assert_true(isxdigit((unsigned char)at[0]) && isxdigit((unsigned char)at[1]));
        bytes->data[bytes->length++] = (uint8_t)(digit(at[0]) << 4 | digit(at[1]));
        at++;
    }
}

struct slice bytes_slice(const struct bytes *bytes)
{
    return slice_of(bytes->data, bytes->length);
}

void assert_bytes(struct slice actual, const char *notation)
{
    static struct bytes expected;
    expected.length = 0;
    bytes_put(&expected, notation);
    if (slice_is_equal(actual, bytes_slice(&expected)))
        return;
    fprintf(stderr, "expected %s\nfound    ", notation);
    for (size_t i = 0; i < actual.length; i++)
        fprintf(stderr, "%02x", actual.data[i]);
    fprintf(stderr, "\n");
    fail();
}
