// SPDX-License-Identifier: Apache-2.0
//
// One fact of the ledger as people and programs get it: a block of text, JSON, rows of CSV. Thread: the
// command line's only one.
#pragma once

#include "cli/ledger.h"
#include "cli/ledger_edits.h"
#include "store/fact.h"
#include <jansson.h>
#include <stdio.h>

struct cli_ledger_names {
    const struct cli_ledger_name *rows; // may be NULL with a count of 0
    size_t count;
};

// What the configuration calls an archive; empty if it does not know the number any more.
const char *ledger_archive_name(const struct cli_ledger_names *names, unsigned id);

// On standard output.
void ledger_fact_print(const struct ledger_fact *fact, const struct cli_ledger_names *names,
                       struct ledger_edits *edits);
// Without what a terminal could take for a command; names of persons keep their letters.
void ledger_text_put(const char *text);

// CSV (RFC 4180): the names of the columns; one row for each archive.
void ledger_csv_header(FILE *out);
void ledger_csv_rows(FILE *out, const struct ledger_fact *fact);

// A new object, the caller's.
json_t *ledger_fact_json(const struct ledger_fact *fact, struct ledger_edits *edits);
// Bytes that are not UTF-8 become ISO 8859-1. NULL: no memory.
json_t *ledger_json_string(const char *text);
// Adds a member; a text only if there is one. Bytes that are not UTF-8 are shown as ISO 8859-1.
void ledger_json_text(json_t *object, const char *name, const char *text);
void ledger_json_number(json_t *object, const char *name, uint64_t value);
// Takes the object. Exit status.
int ledger_json_print(FILE *out, json_t *object, size_t indent);
void ledger_json_time(json_t *object, const char *name, uint64_t time);

#define LEDGER_TIME_SIZE 32
// Fills `text` and returns it: "2026-11-21T20:13:00.125Z"; empty for 0.
const char *ledger_time_text(uint64_t time, char text[LEDGER_TIME_SIZE]);
