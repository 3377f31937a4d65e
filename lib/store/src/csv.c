// SPDX-License-Identifier: Apache-2.0
//
// The CSV reader; see store/csv.h. One record is held at a time. Thread: the reader's.
#include "store/csv.h"

#include "base/magic.h"
#include "base/utf8.h"
#include "base/wipe.h"

#include <stdlib.h>

#define CSV_MAGIC 0x53435356u // "SCSV"

enum state {
    STATE_MARK,   // at the very beginning: a byte order mark may stand here
    STATE_FIELD,  // at the beginning of a field
    STATE_PLAIN,  // in a field without quotes
    STATE_QUOTED, // between quotes
    STATE_QUOTE,  // behind a quote within quotes: its end, or the first of a pair
    STATE_RETURN, // behind CR
    STATE_SKIP,   // at fault: to the end of the line
    STATE_DEAD,   // nothing more is read
};

struct csv {
    uint32_t magic;
    struct csv_visitor visitor;
    enum state state;
    enum result result; // why it is dead
    uint64_t line;      // where the cursor is
    uint64_t begin;     // where the record begins
    size_t mark;        // bytes of the byte order mark seen
    size_t length;
    size_t fields; // complete ones
    size_t ends[CSV_FIELDS];
    uint8_t bytes[CSV_RECORD_BYTES];
};

enum result csv_new(const struct csv_visitor *visitor, struct csv **out)
{
    struct csv *csv = calloc(1, sizeof *csv);
    if (csv == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(csv, CSV_MAGIC);
    csv->visitor = *visitor;
    csv->line = csv->begin = 1;
    *out = csv;
    return OK;
}

void csv_free(struct csv *csv)
{
    if (csv == NULL)
        return;
    MAGIC_CHECK(csv, CSV_MAGIC);
    wipe(csv, sizeof *csv);
    free(csv);
}

static void die(struct csv *csv, enum result result)
{
    if (csv->state == STATE_DEAD)
        return;
    csv->state = STATE_DEAD;
    csv->result = result;
}

static void fault(struct csv *csv, enum csv_fault what, enum state next)
{
    enum result result = csv->visitor.fault(csv->visitor.argument, csv->begin, what);
    csv->state = next;
    csv->length = csv->fields = 0;
    if (result != OK)
        die(csv, result);
}

static void too_long(struct csv *csv)
{
    fault(csv, CSV_LONG, STATE_SKIP);
    die(csv, ERR_FORMAT);
}

static void bytes_put(struct csv *csv, const uint8_t *bytes, size_t length)
{
    if (length > sizeof csv->bytes - csv->length) {
        too_long(csv);
        return;
    }
    memcpy(csv->bytes + csv->length, bytes, length);
    csv->length += length;
}

static void field_end(struct csv *csv)
{
    if (csv->fields == CSV_FIELDS) {
        too_long(csv);
        return;
    }
    csv->ends[csv->fields++] = csv->length;
    csv->state = STATE_FIELD;
}

static void record_visit(struct csv *csv)
{
    struct slice fields[CSV_FIELDS];
    size_t at = 0;
    for (size_t i = 0; i < csv->fields; i++) {
        fields[i] = slice_of(csv->bytes + at, csv->ends[i] - at);
        at = csv->ends[i];
    }
    size_t count = csv->fields;
    if (!utf8_is_valid(slice_of(csv->bytes, csv->length))) {
        fault(csv, CSV_ENCODING, STATE_FIELD);
        return;
    }
    csv->length = csv->fields = 0;
    enum result result = csv->visitor.record(csv->visitor.argument, csv->begin, fields, count);
    if (result != OK)
        die(csv, result);
}

// At the end of a line, outside of quotes.
static void record_end(struct csv *csv)
{
    bool is_empty = csv->state == STATE_FIELD && csv->fields == 0;
    if (!is_empty)
        field_end(csv);
    if (csv->state == STATE_DEAD)
        return;
    if (!is_empty)
        record_visit(csv);
    if (csv->state != STATE_DEAD)
        csv->state = STATE_FIELD;
}

static void line_end(struct csv *csv)
{
    if (csv->state == STATE_SKIP)
        csv->state = STATE_FIELD;
    else
        record_end(csv);
    csv->begin = csv->line + 1;
}

// A byte that means something where it stands.
static void special(struct csv *csv, uint8_t byte)
{
    bool is_quoted = csv->state == STATE_QUOTED;
    if (byte == 0 && csv->state != STATE_SKIP)
        fault(csv, CSV_NUL, STATE_SKIP);
    else if (byte == '\n' && !is_quoted)
        line_end(csv);
    else if (csv->state == STATE_SKIP)
        return;
    else if (is_quoted && byte == '"')
        csv->state = STATE_QUOTE;
    else if (is_quoted)
        bytes_put(csv, &byte, 1);
    else if (byte == '"' && csv->state == STATE_FIELD)
        csv->state = STATE_QUOTED;
    else if (byte == '"' && csv->state == STATE_QUOTE) {
        csv->state = STATE_QUOTED;
        bytes_put(csv, &byte, 1);
    } else if (byte == ',' && csv->state != STATE_RETURN)
        field_end(csv);
    else if (byte == '\r' && csv->state != STATE_RETURN) {
        // The field ends here as it would at LF; an empty line stays one.
        if (csv->state != STATE_FIELD || csv->fields > 0)
            field_end(csv);
        if (csv->state != STATE_DEAD)
            csv->state = STATE_RETURN;
    } else
        fault(csv, CSV_QUOTE, STATE_SKIP);
}

static bool is_special(uint8_t byte)
{
    return byte == '"' || byte == ',' || byte == '\n' || byte == '\r' || byte == 0;
}

// The line end behind CR: the fields are complete.
static void after_return(struct csv *csv, uint8_t byte)
{
    if (byte != '\n') {
        fault(csv, CSV_QUOTE, STATE_SKIP);
        return;
    }
    csv->state = STATE_FIELD;
    if (csv->fields > 0)
        record_visit(csv);
    csv->begin = csv->line + 1;
}

static void plain(struct csv *csv, const uint8_t *bytes, size_t length)
{
    if (csv->state == STATE_SKIP)
        return;
    if (csv->state == STATE_QUOTE) {
        fault(csv, CSV_QUOTE, STATE_SKIP);
        return;
    }
    if (csv->state == STATE_FIELD)
        csv->state = STATE_PLAIN;
    bytes_put(csv, bytes, length);
}

// The byte order mark, or what began like one.
static void mark(struct csv *csv, uint8_t byte)
{
    static const uint8_t wanted[3] = {0xEF, 0xBB, 0xBF};
    if (byte == wanted[csv->mark]) {
        if (++csv->mark == sizeof wanted)
            csv->state = STATE_FIELD;
        return;
    }
    csv->state = STATE_FIELD;
    if (csv->mark > 0)
        plain(csv, wanted, csv->mark);
    if (is_special(byte))
        special(csv, byte);
    else
        plain(csv, &byte, 1);
}

enum result csv_feed(struct csv *csv, struct slice bytes)
{
    MAGIC_CHECK(csv, CSV_MAGIC);
    size_t at = 0;
    while (at < bytes.length && csv->state != STATE_DEAD) {
        size_t end = at;
        uint8_t byte = bytes.data[at];
        if (csv->state == STATE_MARK || csv->state == STATE_RETURN || is_special(byte)) {
            if (csv->state == STATE_MARK)
                mark(csv, byte);
            else if (csv->state == STATE_RETURN)
                after_return(csv, byte);
            else
                special(csv, byte);
            csv->line += byte == '\n';
            at++;
            continue;
        }
        while (end < bytes.length && !is_special(bytes.data[end]))
            end++;
        plain(csv, bytes.data + at, end - at);
        at = end;
    }
    return csv->state == STATE_DEAD ? csv->result : OK;
}

enum result csv_end(struct csv *csv)
{
    MAGIC_CHECK(csv, CSV_MAGIC);
    if (csv->state == STATE_MARK && csv->mark > 0) {
        fault(csv, CSV_ENCODING, STATE_FIELD);
    } else if (csv->state == STATE_QUOTED || csv->state == STATE_RETURN) {
        fault(csv, CSV_QUOTE, STATE_FIELD);
    } else if (csv->state != STATE_DEAD && csv->state != STATE_MARK && csv->state != STATE_SKIP) {
        record_end(csv);
    }
    enum result result = csv->state == STATE_DEAD ? csv->result : OK;
    die(csv, ERR_FORMAT);
    return result;
}
