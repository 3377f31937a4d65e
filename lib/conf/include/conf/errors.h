// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with a configuration file: up to CONF_ERRORS_MAX texts, each complete and for a person:
//   FILE:LINE:COLUMN: KEY: what is wrong; allowed: what would be right
// Lines and columns count from 1, columns in characters; entries of lists count from 1 in KEY
// (`clients[2].from`). Role: filled by lib/conf and by the cross checks of gateway/conf, printed by the
// daemon and the command line. One thread at a time.
#pragma once

#include <stdarg.h>
#include <stddef.h>

#define CONF_ERRORS_MAX 20

struct conf_error {
    size_t line; // 0: the file as a whole
    size_t column;
    char *text; // no newline at the end
};

struct conf_errors {
    size_t count;   // errors kept
    size_t dropped; // found after CONF_ERRORS_MAX, or lost for want of memory
    struct conf_error item[CONF_ERRORS_MAX];
};

void conf_errors_init(struct conf_errors *errors);
void conf_errors_fini(struct conf_errors *errors);

// Adds one. `key` and `allowed` may be NULL; line 0 leaves the place out.
void conf_errors_add(struct conf_errors *errors, const char *file, size_t line, size_t column,
                     const char *key, const char *allowed, const char *format, va_list arguments)
    __attribute__((format(printf, 7, 0)));

// Puts them in the order of the file.
void conf_errors_sort(struct conf_errors *errors);
