// SPDX-License-Identifier: Apache-2.0
//
// See table.h.
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/check.h"
#include "csv.h"
#include "letters.h"

#define COLUMNS_MOST 64

struct reading {
    struct table *table;
    struct conf_arena *arena;
    struct conf_errors *errors;
    struct csv csv;
    size_t columns;
    size_t from; // place of the column
    size_t to;
    size_t capacity; // of table->row
    bool is_bad;
};

void table_error(const struct table *table, struct conf_errors *errors, size_t line, size_t column,
                 const char *allowed, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    conf_errors_add(errors, table->file, line, column, NULL, allowed, format, arguments);
    va_end(arguments);
}

int words_compare(struct slice a, struct slice b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter > 0 ? memcmp(a.data, b.data, shorter) : 0;
    if (order != 0)
        return order;
    return (a.length > b.length) - (a.length < b.length);
}

static int compare_rows(const void *a, const void *b)
{
    const struct table_row *one = a;
    const struct table_row *other = b;
    int order = words_compare(one->key, other->key);
    return order != 0 ? order : (one->line > other->line) - (one->line < other->line);
}

static enum result refuse_csv(struct reading *reading)
{
    table_error(reading->table, reading->errors, reading->csv.line, reading->csv.column, reading->csv.allowed,
                "%s", reading->csv.problem);
    return ERR_FORMAT;
}

// The first line names the columns.
static enum result head_read(struct reading *reading, const char *from, const char *to)
{
    struct csv_field field = {.ends_row = false};
    bool has_from = false;
    bool has_to = false;
    while (!field.ends_row) {
        enum result result = csv_next(&reading->csv, &field);
        if (result == CLOSED)
            break;
        if (result != OK)
            return refuse_csv(reading);
        struct slice name = slice_trimmed(slice_of(field.bytes, field.length));
        if (reading->columns == COLUMNS_MOST) {
            table_error(reading->table, reading->errors, field.line, field.column, "64", "too many columns");
            return ERR_FORMAT;
        }
        if (slice_is_text(name, from) && !has_from) {
            reading->from = reading->columns;
            has_from = true;
        }
        if (slice_is_text(name, to) && !has_to) {
            reading->to = reading->columns;
            has_to = true;
        }
        reading->columns++;
    }
    if (has_from && has_to)
        return OK;
    table_error(reading->table, reading->errors, 1, 1, "a first line that names the columns",
                "there is no column `%s`", has_from ? to : from);
    return ERR_FORMAT;
}

static struct slice copy_of(struct conf_arena *arena, struct slice text)
{
    return slice_of(conf_arena_text(arena, (const char *)text.data, text.length), text.length);
}

static enum result key_make(struct reading *reading, struct slice from, struct slice *key)
{
    uint8_t folded[3 * CSV_FIELD_BYTES];
    struct writer writer = writer_of(folded, sizeof folded);
    if (reading->table->is_folded)
        letters_fold(&writer, from);
    else
        writer_slice_put(&writer, from);
    ensure(!writer.failed); // fits, and the reader let UTF-8 through alone
    *key = copy_of(reading->arena, writer_slice(&writer));
    return key->data != NULL ? OK : ERR_NOMEM;
}

static enum result field_take(struct reading *reading, const struct csv_field *field, size_t place,
                              struct table_row *row)
{
    struct slice text = slice_trimmed(slice_of(field->bytes, field->length));
    if (place == reading->from) {
        row->line = field->line;
        row->from_column = field->column;
        enum result result = key_make(reading, text, &row->key);
        if (result != OK)
            return result;
        if (row->key.length == 0) {
            table_error(reading->table, reading->errors, field->line, field->column, NULL, "empty");
            reading->is_bad = true;
        }
    }
    if (place == reading->to) {
        row->to_column = field->column;
        row->to = copy_of(reading->arena, text);
        if (row->to.data == NULL)
            return ERR_NOMEM;
        if (text.length == 0) {
            table_error(reading->table, reading->errors, field->line, field->column,
                        "a value; `remove` takes an element away", "empty");
            reading->is_bad = true;
        }
    }
    return OK;
}

// Not realloc: the arena gives nothing back, so growth by doubling wastes as much again at most.
static enum result row_add(struct reading *reading, const struct table_row *row)
{
    struct table *table = reading->table;
    if (table->count == RULES_TABLE_ROWS) {
        table_error(table, reading->errors, row->line, 1, "100000", "too many rows");
        return ERR_FORMAT;
    }
    if (table->count == reading->capacity) {
        size_t capacity = reading->capacity > 0 ? 2 * reading->capacity : 64;
        struct table_row *rows = conf_arena_alloc(reading->arena, capacity, sizeof *rows);
        if (rows == NULL)
            return ERR_NOMEM;
        if (table->count > 0)
            memcpy(rows, table->row, table->count * sizeof *rows);
        table->row = rows;
        reading->capacity = capacity;
    }
    table->row[table->count++] = *row;
    return OK;
}

static enum result row_read(struct reading *reading)
{
    struct table_row row = {.key = {NULL, 0}};
    struct csv_field field = {.ends_row = false};
    size_t count = 0;
    for (; !field.ends_row; count++) {
        enum result result = csv_next(&reading->csv, &field);
        if (result == CLOSED && count == 0)
            return CLOSED;
        if (result != OK)
            return refuse_csv(reading);
        if (count == 0 && field.ends_row && field.length == 0)
            return OK; // an empty line, which editors leave at the end
        result = field_take(reading, &field, count, &row);
        if (result != OK)
            return result;
    }
    if (count != reading->columns) {
        table_error(reading->table, reading->errors, field.line, 1, NULL,
                    "%zu columns, the first line has %zu", count, reading->columns);
        return ERR_FORMAT;
    }
    return row_add(reading, &row);
}

static void refuse_doubles(struct reading *reading)
{
    const struct table *table = reading->table;
    for (size_t i = 1; i < table->count; i++) {
        const struct table_row *row = &table->row[i];
        if (!slice_is_equal(row[-1].key, row->key))
            continue;
        table_error(table, reading->errors, row->line, row->from_column, "once",
                    "given twice, first in line %zu", row[-1].line);
        reading->is_bad = true;
    }
}

enum result table_parse(struct table *table, struct slice text, const char *from, const char *to,
                        struct conf_arena *arena, struct conf_errors *errors)
{
    struct reading reading = {.table = table, .arena = arena, .errors = errors};
    if (text.length > RULES_TABLE_BYTES) {
        table_error(table, errors, 0, 0, "4MiB", "the table is too large");
        return ERR_FORMAT;
    }
    csv_begin(&reading.csv, text);
    enum result result = head_read(&reading, from, to);
    while (result == OK)
        result = row_read(&reading);
    if (result != CLOSED)
        return result;
    if (table->count > 0)
        qsort(table->row, table->count, sizeof *table->row, compare_rows);
    refuse_doubles(&reading);
    if (table->count == 0) {
        table_error(table, errors, 1, 1, "at least one row below the first line", "no rows");
        reading.is_bad = true;
    }
    return reading.is_bad ? ERR_FORMAT : OK;
}

const struct table_row *table_find(const struct table *table, struct slice key)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = words_compare(table->row[middle].key, key);
        if (order == 0)
            return &table->row[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool words_have(const struct slice *words, size_t count, struct slice word)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = words_compare(words[middle], word);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
