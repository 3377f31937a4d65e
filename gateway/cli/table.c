// SPDX-License-Identifier: Apache-2.0
//
// Aligned tables for tired people; see cli.h.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void cli_table_init(struct cli_table *table, size_t columns, const char *const *titles)
{
    ensure(columns > 0 && columns <= CLI_COLUMNS);
    *table = (struct cli_table){.columns = columns};
    for (size_t i = 0; i < columns; i++) {
        table->is_right[i] = titles[i][0] == '>';
        table->title[i] = titles[i] + table->is_right[i];
    }
}

void cli_table_fini(struct cli_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct cli_table){0};
}

void cli_table_add(struct cli_table *table, const char *cell)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        char **cells = reallocarray(table->cells, capacity, sizeof *cells);
        ensure(cells != NULL);
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = strdup(cell);
    ensure(copy != NULL);
    // What came over the socket can not move the cursor of a terminal.
    for (char *at = copy; *at != 0; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    table->cells[table->count++] = copy;
}

// Characters, not bytes.
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != 0; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void print_cell(FILE *stream, const char *cell, size_t width, bool is_right, bool is_last)
{
    size_t padding = width - width_of(cell);
    if (is_right)
        (void)fprintf(stream, "%*s%s", (int)padding, "", cell);
    else
        (void)fprintf(stream, "%s%*s", cell, is_last ? 0 : (int)padding, "");
    (void)fputs(is_last ? "\n" : "  ", stream);
}

void cli_table_print(const struct cli_table *table, FILE *stream)
{
    size_t width[CLI_COLUMNS];
    for (size_t i = 0; i < table->columns; i++)
        width[i] = width_of(table->title[i]);
    for (size_t i = 0; i < table->count; i++) {
        size_t cell = width_of(table->cells[i]);
        if (cell > width[i % table->columns])
            width[i % table->columns] = cell;
    }
    for (size_t i = 0; i < table->columns; i++)
        print_cell(stream, table->title[i], width[i], table->is_right[i], i + 1 == table->columns);
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % table->columns;
        print_cell(stream, table->cells[i], width[column], table->is_right[column],
                   column + 1 == table->columns);
    }
}
