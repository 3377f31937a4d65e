// SPDX-License-Identifier: Apache-2.0
//
// A streaming reader of CSV (RFC 4180): bytes in, records out, in 64 KiB of memory whatever the file holds.
// Lines end with LF or CRLF; empty lines and a byte order mark at the beginning are passed over; the text is
// UTF-8. No I/O. Thread: any, one reader belongs to one thread.
#pragma once

#include "base/result.h"
#include "base/slice.h"

enum { CSV_RECORD_BYTES = 65536, CSV_FIELDS = 64 };

enum csv_fault {
    CSV_QUOTE, // a quote within a field that is not quoted, or something behind a closing one, or none at the
               // end
    CSV_NUL,   // a zero byte
    CSV_ENCODING, // not UTF-8
    CSV_LONG,     // a record above CSV_RECORD_BYTES or CSV_FIELDS; nothing behind it is read
};

struct csv_visitor {
    // A record that begins in `line` (1..). Fields are borrowed during the call. Not OK: stops.
    enum result (*record)(void *argument, uint64_t line, const struct slice *fields, size_t count);
    // One is at fault; reading goes on behind it, except for CSV_LONG.
    enum result (*fault)(void *argument, uint64_t line, enum csv_fault fault);
    void *argument;
};

struct csv;

MUST_USE enum result csv_new(const struct csv_visitor *visitor, struct csv **out);
void csv_free(struct csv *csv); // wipes; NULL is fine

// ERR_FORMAT after CSV_LONG; else what the visitor returned.
MUST_USE enum result csv_feed(struct csv *csv, struct slice bytes);
// The file ends here.
MUST_USE enum result csv_end(struct csv *csv);
