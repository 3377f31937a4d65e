// SPDX-License-Identifier: Apache-2.0
//
// For the tests of dimse: bytes written down as hex and text.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dimse/command.h"

struct bytes {
    uint8_t data[100000];
    size_t length;
};

// Hex digits with any spaces, and 'text' in single quotes.
void bytes_put(struct bytes *bytes, const char *notation);
struct slice bytes_slice(const struct bytes *bytes);
// Equal to what the notation says, else fails and prints both.
void assert_bytes(struct slice actual, const char *notation);
void assert_text(struct slice slice, const char *text);

// Decodes the notation; the bytes live until the next call.
enum result decode(const char *notation, struct dimse_command *command);
void assert_encodes(const struct dimse_command *command, const char *notation);

// PS3.7 tables 9.3-12 and 9.3-1, typed by hand.
extern const char ECHO_RQ[];
extern const char STORE_RQ[];
