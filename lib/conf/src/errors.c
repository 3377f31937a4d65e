// SPDX-License-Identifier: Apache-2.0
//
// The list of errors; see conf/errors.h.
#include "conf/errors.h"

#include <stdio.h>
#include <stdlib.h>

void conf_errors_init(struct conf_errors *errors)
{
    *errors = (struct conf_errors){0};
}

void conf_errors_fini(struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        free(errors->item[i].text);
    *errors = (struct conf_errors){0};
}

void conf_errors_add(struct conf_errors *errors, const char *file, size_t line, size_t column,
                     const char *key, const char *allowed, const char *format, va_list arguments)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = errors->count < CONF_ERRORS_MAX ? open_memstream(&text, &length) : NULL;
    if (stream == NULL) {
        errors->dropped++;
        return;
    }
    (void)fprintf(stream, "%s", file);
    if (line > 0)
        (void)fprintf(stream, ":%zu:%zu", line, column);
    (void)fprintf(stream, ": ");
    if (key != NULL)
        (void)fprintf(stream, "%s: ", key);
    (void)vfprintf(stream, format, arguments);
    if (allowed != NULL)
        (void)fprintf(stream, "; allowed: %s", allowed);
    if (fclose(stream) != 0 || text == NULL) {
        free(text);
        errors->dropped++;
        return;
    }
    errors->item[errors->count++] = (struct conf_error){.line = line, .column = column, .text = text};
}

static int is_after(const struct conf_error *a, const struct conf_error *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

void conf_errors_sort(struct conf_errors *errors)
{
    for (size_t i = 1; i < errors->count; i++) {
        struct conf_error moving = errors->item[i];
        size_t place = i;
        for (; place > 0 && is_after(&errors->item[place - 1], &moving); place--)
            errors->item[place] = errors->item[place - 1];
        errors->item[place] = moving;
    }
}
