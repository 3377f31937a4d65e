// SPDX-License-Identifier: Apache-2.0
//
// Options as rows of tables: one row says everything about one option, for the loader, for the errors and for
// the generated reference alike. Role: tables are constants written in gateway/conf; read by load.c and
// reference.c. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/document.h"

// What a row may be, the C member that it fills (at `offset`), and what `least` and `most` count.
enum conf_type {
    CONF_TEXT,      // char *; characters
    CONF_TITLE,     // char *; AE title: 1 to 16 characters of PS3.5 6.2 without backslash, trimmed; no bounds
    CONF_PATH,      // char *; made absolute, relative to the file's folder; no bounds
    CONF_BOOL,      // bool; `yes` or `no`; `true` and `false` mean the same
    CONF_INTEGER,   // uint16_t, uint32_t or uint64_t; the value
    CONF_SIZE,      // uint32_t or uint64_t; bytes; written with B, KiB, MiB, GiB or TiB
    CONF_DURATION,  // uint64_t; nanoseconds; written with ms, s, min, h or d
    CONF_ADDRESS,   // struct conf_address; HOST:PORT; no bounds
    CONF_NUMERIC,   // struct conf_address; the same, but the host must be a numeric address
    CONF_ENUM,      // uint32_t (or an enum of that size); one of `choices`
    CONF_FLAGS,     // uint32_t; list of `choices`, whose values are bits; entries
    CONF_TEXTS,     // struct conf_texts; list of texts; entries
    CONF_TITLES,    // struct conf_texts; list of AE titles; entries
    CONF_PATHS,     // struct conf_texts; one path or a list of them; entries
    CONF_NETWORKS,  // struct conf_networks; list of addresses and ranges; entries
    CONF_TITLE_MAP, // struct conf_pairs; mapping of titles to titles; entries
    CONF_TABLE,     // the struct of `table` itself
    CONF_LIST,      // pointer to an array of the structs of `table`, size_t at `count_offset`; entries
    CONF_MAP        // the same, from a mapping: the key of each becomes conf_entry.name; entries
};

// When a changed value counts: at once on reload, for what begins after the reload, or after a restart only.
enum conf_reload { CONF_RELOAD_RESTART, CONF_RELOAD_NEW, CONF_RELOAD_LIVE };

// A word and its value; a list of them ends with a NULL name. With `refused` set the word is known but not
// allowed, and this is why.
struct conf_choice {
    const char *name;
    uint64_t value;
    const char *refused;
};

struct conf_table;

struct conf_option {
    const char *key;
    enum conf_type type;
    bool is_required;
    size_t offset;
    size_t width;                      // size of the member
    size_t count_offset;               // CONF_LIST, CONF_MAP
    uint64_t least, most;              // both 0 = no bounds
    const char *standard;              // default, as it would be written; NULL = empty, zero or required
    const struct conf_choice *choices; // for numbers: words that may stand in place of a number
    const struct conf_table *table;
    enum conf_reload reload;
    const char *shape;   // replaces the type's own words for what is allowed
    const char *help;    // one sentence
    const char *refused; // the key is known but may not be given, and this is why
    const char *unset;   // the reference's words for a default that is worked out; NULL = `standard`
};

// The rows of one mapping. Its struct begins with a struct conf_entry.
struct conf_table {
    const struct conf_option *options;
    size_t count;
    size_t size;      // of the struct
    const char *help; // a few sentences for the reference
};

// Where a mapping stood, for cross checks; NULL if the file left it out.
struct conf_entry {
    const struct conf_node *at;
    char *name; // entries of a CONF_MAP; else NULL
};

#define CONF_MEMBER(type, member)      .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define CONF_ARRAY(type, member, many) .offset = offsetof(type, member), .count_offset = offsetof(type, many)
#define CONF_ROWS(rows, type, text)                                                                          \
    {                                                                                                        \
        .options = (rows), .count = sizeof(rows) / sizeof *(rows), .size = sizeof(type), .help = (text)      \
    }

#define CONF_ALLOWED_BYTES 512

// What the option allows, in words: "4KiB to 1MiB", "yes, no". Always NUL-terminated.
void conf_option_allowed(const struct conf_option *option, char *to, size_t capacity);
// A size or duration as a person would write it: "64MiB", "90s".
void conf_size_text(uint64_t bytes, char *to, size_t capacity);
void conf_duration_text(uint64_t nanoseconds, char *to, size_t capacity);
