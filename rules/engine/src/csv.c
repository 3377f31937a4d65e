// SPDX-License-Identifier: Apache-2.0
//
// See csv.h.
#include "csv.h"

#include "letters.h"

void csv_begin(struct csv *csv, struct slice text)
{
    *csv = (struct csv){.text = text, .line = 1, .column = 1, .is_row_finished = true};
    if (text.length >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
        csv->text = slice_from(text, 3);
}

static enum result refuse(struct csv *csv, const char *problem, const char *allowed)
{
    csv->problem = problem;
    csv->allowed = allowed;
    return ERR_FORMAT;
}

// The letter that comes next without taking it; 0 at the end.
static enum result peek(struct csv *csv, uint32_t *letter, size_t *length)
{
    size_t at = csv->at;
    *letter = 0;
    *length = 0;
    if (at >= csv->text.length)
        return OK;
    if (!letters_next(csv->text, &at, letter))
        return refuse(csv, "not text", "UTF-8");
    if (*letter == '\r' && at < csv->text.length && csv->text.data[at] == '\n') {
        *letter = '\n';
        at++;
    }
    if (*letter != '\n' && (*letter < 0x20 || *letter == 0x7F))
        return refuse(csv, "control characters are not allowed", NULL);
    *length = at - csv->at;
    return OK;
}

static void take(struct csv *csv, uint32_t letter, size_t length)
{
    csv->at += length;
    csv->column++;
    if (letter == '\n') {
        csv->line++;
        csv->column = 1;
    }
}

static enum result put(struct csv *csv, struct csv_field *field, size_t length)
{
    if (CSV_FIELD_BYTES - field->length < length)
        return refuse(csv, "the field is too long", "1024 bytes");
    memcpy(field->bytes + field->length, csv->text.data + csv->at, length);
    field->length += length;
    return OK;
}

// From behind the opening quote to behind the closing one.
static enum result quoted(struct csv *csv, struct csv_field *field)
{
    for (;;) {
        uint32_t letter;
        size_t length;
        enum result result = peek(csv, &letter, &length);
        if (result != OK)
            return result;
        if (length == 0 || letter == '\n')
            return refuse(csv, "the quotes are not closed in this line", NULL);
        if (letter == '"') {
            take(csv, letter, length);
            result = peek(csv, &letter, &length);
            if (result != OK || letter != '"')
                return result;
        }
        result = put(csv, field, length);
        if (result != OK)
            return result;
        take(csv, letter, length);
    }
}

// Up to the comma, the end of the line or of the text, which is taken.
static enum result rest(struct csv *csv, struct csv_field *field, bool was_quoted)
{
    for (;;) {
        uint32_t letter;
        size_t length;
        enum result result = peek(csv, &letter, &length);
        if (result != OK)
            return result;
        if (length == 0 || letter == ',' || letter == '\n') {
            take(csv, letter, length);
            field->ends_row = letter != ',';
            return OK;
        }
        if (was_quoted || letter == '"')
            return refuse(csv, "a quote inside a field", "a whole field in quotes, a quote in it doubled");
        result = put(csv, field, length);
        if (result != OK)
            return result;
        take(csv, letter, length);
    }
}

enum result csv_next(struct csv *csv, struct csv_field *field)
{
    uint32_t letter;
    size_t length;
    if (csv->is_row_finished && csv->at >= csv->text.length)
        return CLOSED;
    field->length = 0;
    field->line = csv->line;
    field->column = csv->column;
    enum result result = peek(csv, &letter, &length);
    bool is_quoted = result == OK && length > 0 && letter == '"';
    if (is_quoted) {
        take(csv, letter, length);
        result = quoted(csv, field);
    }
    if (result == OK)
        result = rest(csv, field, is_quoted);
    if (result == OK)
        csv->is_row_finished = field->ends_row;
    return result;
}
