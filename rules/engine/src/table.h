// SPDX-License-Identifier: Apache-2.0
//
// One translation table of a pack: two columns of a CSV file, found by binary search. Made at load, never
// changed. Private to rules/engine. Thread: any, once made.
#pragma once

#include "base/slice.h"
#include "conf/arena.h"
#include "conf/document.h"
#include "conf/errors.h"
#include "rules/limits.h"

struct table_row {
    struct slice key; // as compared: folded where the table is
    struct slice to;
    size_t line; // of the file
    size_t from_column;
    size_t to_column; // where `to` stands in its line
};

struct table {
    const char *name;      // in the pack
    const char *file;      // as named in errors
    bool is_folded;        // compares without case, accents and runs of spaces
    struct table_row *row; // by key, ascending
    size_t count;
};

// Fills `table`, whose name, file and is_folded are set. `from` and `to` name columns of the first line.
// ERR_FORMAT: errors were added, each with line and column; ERR_NOMEM.
MUST_USE enum result table_parse(struct table *table, struct slice text, const char *from, const char *to,
                                 struct conf_arena *arena, struct conf_errors *errors);

// The row for a key as compared, or NULL.
const struct table_row *table_find(const struct table *table, struct slice key);

// Adds an error about one place of a table's file.
void table_error(const struct table *table, struct conf_errors *errors, size_t line, size_t column,
                 const char *allowed, const char *format, ...) __attribute__((format(printf, 6, 7)));

// Byte order of two texts, as in strcmp; and a search among texts in that order.
int words_compare(struct slice a, struct slice b);
bool words_have(const struct slice *words, size_t count, struct slice word);
