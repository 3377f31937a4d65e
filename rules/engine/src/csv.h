// SPDX-License-Identifier: Apache-2.0
//
// Comma-separated values (RFC 4180) field by field, strictly: UTF-8, fields in quotes closed, no control
// characters, so that a table means what it looks like. Private to rules/engine. Thread: the owner's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"
#include "base/slice.h"

#define CSV_FIELD_BYTES 1024

struct csv {
    struct slice text;
    size_t at;
    size_t line;          // of what comes next, from 1
    size_t column;        // in characters, from 1
    const char *problem;  // set with ERR_FORMAT: what is wrong at line, column
    const char *allowed;  // NULL: nothing to add
    bool is_row_finished; // the last field ended its row
};

struct csv_field {
    uint8_t bytes[CSV_FIELD_BYTES];
    size_t length;
    size_t line;
    size_t column;
    bool ends_row;
};

// `text` is borrowed. A byte-order mark is skipped.
void csv_begin(struct csv *csv, struct slice text);
// The next field; CLOSED at the end (an empty last line is none); ERR_FORMAT.
MUST_USE enum result csv_next(struct csv *csv, struct csv_field *field);
