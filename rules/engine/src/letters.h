// SPDX-License-Identifier: Apache-2.0
//
// Letters of UTF-8 text: counting, comparing without case and accents, changing case. Static tables made from
// Unicode's (letters.def); no locale. Private to rules/engine. Thread: any.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"

// The letter at *at, which moves behind it. False at the end and at bytes that are not UTF-8.
bool letters_next(struct slice text, size_t *at, uint32_t *letter);
// Of valid text; invalid bytes end the count.
size_t letters_count(struct slice text);
// How many bytes the first `count` letters take.
size_t letters_bytes(struct slice text, size_t count);

// Writes what compares equal: no case, no accents, runs of spaces as one, none at the ends. The writer fails
// if there is no room or the text is not UTF-8.
void letters_fold(struct writer *to, struct slice text);
// Simple case mapping: one letter for one (ß stays).
void letters_upper(struct writer *to, struct slice text);
void letters_lower(struct writer *to, struct slice text);
