// SPDX-License-Identifier: Apache-2.0
//
// For the tests of dimse: commands written down as in tests/unit/notation.h.
#pragma once

#include "../notation.h"
#include "dimse/command.h"

void assert_text(struct slice slice, const char *text);

// Decodes the notation; the bytes live until the next call.
enum result decode(const char *notation, struct dimse_command *command);
void assert_encodes(const struct dimse_command *command, const char *notation);

// PS3.7 tables 9.3-12 and 9.3-1, typed by hand.
extern const char ECHO_RQ[];
extern const char STORE_RQ[];
