// SPDX-License-Identifier: Apache-2.0
//
// One YAML file as a tree that remembers where everything stood.
// Role: made by the loader of gateway/conf, walked by conf/load.h and by its cross checks. Nodes live in the
// arena. Bounds: CONF_FILE_BYTES, CONF_DEPTH, CONF_SCALAR_BYTES, CONF_CHILDREN of one list or mapping.
// Refused, as they make a file mean something else than a reader sees: anchors, aliases, tags, a second
// document, keys given twice, control characters.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "conf/arena.h"
#include "conf/errors.h"

#define CONF_FILE_BYTES   ((size_t)1 << 20)
#define CONF_DEPTH        16
#define CONF_SCALAR_BYTES ((size_t)4096)
#define CONF_CHILDREN     4096

enum conf_kind { CONF_SCALAR, CONF_SEQUENCE, CONF_MAPPING };

struct conf_mark {
    size_t line;   // from 1
    size_t column; // from 1, in characters
};

struct conf_node {
    enum conf_kind kind;
    struct conf_mark mark;     // where the value begins
    struct conf_mark key_mark; // where its key begins; equal to `mark` for entries of a list and the root
    const char *key;           // in a mapping; else NULL
    size_t index;              // in a list, from 1; else 0
    const char *text;          // scalar
    bool is_quoted;            // scalar in quotes: never a word with a meaning such as `null`
    struct conf_node *parent;
    struct conf_node *first; // children, in the order of the file
    struct conf_node *last;
    struct conf_node *next;
    size_t count; // children
};

struct conf_document {
    const char *file;      // as named in errors
    const char *directory; // base of relative paths
    struct conf_node *root;
    struct conf_arena *arena;
    struct conf_errors *errors;
};

// Parses text into document->root; the other members are set by the caller. ERR_FORMAT: errors were added and
// there is no tree. OK: there is one, but keys given twice have added errors (the first value counts for what
// follows).
MUST_USE enum result conf_document_parse(struct conf_document *document, const char *text, size_t length);

// The child of a mapping with this key; NULL if there is none.
const struct conf_node *conf_node_member(const struct conf_node *node, const char *key);

// Adds an error at the value (or, for _at_key, at the key) of `node`. `allowed` may be NULL.
void conf_error_at(const struct conf_document *document, const struct conf_node *node, const char *allowed,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void conf_error_at_key(const struct conf_document *document, const struct conf_node *node,
                       const char *allowed, const char *format, ...) __attribute__((format(printf, 4, 5)));
// At the beginning of `node` about the member `key`, which is not there.
void conf_error_missing(const struct conf_document *document, const struct conf_node *node, const char *key,
                        const char *allowed);
