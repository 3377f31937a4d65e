// SPDX-License-Identifier: Apache-2.0
//
// Regular expressions (pcre2, UTF-8) with limits, so that no value of a peer can hold a thread. Private to
// rules/engine. Thread: expressions any, a scratch its owner's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cursor.h"
#include "base/result.h"

#define REGEX_PROBLEM_BYTES 160

struct regex;
struct regex_scratch;

// ERR_FORMAT: `problem` says what is wrong and *offset (bytes) where; ERR_NOMEM.
MUST_USE enum result regex_compile(const char *pattern, bool is_caseless, struct regex **regex,
                                   char problem[REGEX_PROBLEM_BYTES], size_t *offset);
void regex_free(struct regex *regex); // NULL is allowed

// Does the replacement ($1, ${name}, $$) refer to groups that there are? OK or ERR_FORMAT with `problem`.
MUST_USE enum result regex_replacement_check(const struct regex *regex, const char *replacement,
                                             char problem[REGEX_PROBLEM_BYTES]);

MUST_USE enum result regex_scratch_new(struct regex_scratch **scratch);
void regex_scratch_free(struct regex_scratch *scratch); // NULL is allowed

// Is the expression found in the subject? ERR_LIMIT: a limit was met, nothing is known.
MUST_USE enum result regex_find(const struct regex *regex, struct regex_scratch *scratch,
                                struct slice subject, bool *is_found);
// Writes the subject with every match replaced. ERR_LIMIT: a limit was met; ERR_SPACE: it does not fit.
MUST_USE enum result regex_replace(const struct regex *regex, struct regex_scratch *scratch,
                                   struct slice subject, const char *replacement, struct writer *to,
                                   bool *is_found);
