// SPDX-License-Identifier: Apache-2.0
//
// What the readers of a pack share. Private to rules/engine; one thread, at load.
#pragma once

#include "pack.h"

struct parse {
    struct rules_library *library;
    struct pack *pack;
    struct conf_document document; // of the pack
    const struct rules_tables *tables;
    struct conf_errors *errors;
    size_t conditions; // in the rule being read
};

// Each reader returns ERR_NOMEM alone; what is wrong becomes an error of the document and the pack will not
// load, but reading goes on.

// ---- parse.c: shared ----

// The text of a scalar of 1 to `most` bytes; NULL after an error.
const char *parse_text(const struct parse *parse, const struct conf_node *node, size_t most);
// The text of `key` in `mapping`, or NULL (with an error if it is required).
const char *parse_member(const struct parse *parse, const struct conf_node *mapping, const char *key,
                         bool is_required);
// `yes` or `no`.
bool parse_bool(const struct parse *parse, const struct conf_node *node);
// The place of the text among `words` (ended by NULL); SIZE_MAX after an error.
size_t parse_choice(const struct parse *parse, const struct conf_node *node, const char *const *words);
// Errors at every key that is not among `keys` (ended by NULL).
void parse_keys(const struct parse *parse, const struct conf_node *mapping, const char *const *keys);
MUST_USE enum result parse_regex(struct parse *parse, const struct conf_node *node, bool is_caseless,
                                 struct regex **regex);
// The entries of a list, or one scalar as a list of one: the first (previous NULL), the next; NULL at the
// end.
const struct conf_node *parse_next(const struct conf_node *list, const struct conf_node *previous);
// What a scalar or list of scalars holds, sorted, as compared; `is_folded` without case and accents.
MUST_USE enum result parse_words(struct parse *parse, const struct conf_node *list, bool is_folded,
                                 struct slice **words, size_t *count);

// ---- parse_when.c ----

MUST_USE enum result parse_when(struct parse *parse, const struct conf_node *node,
                                const struct condition **when);

// ---- parse_do.c ----

MUST_USE enum result parse_do(struct parse *parse, const struct conf_node *node, struct rule *rule);

// ---- parse.c: the whole ----

// Fills parse->pack. Beside ERR_NOMEM: ERR_FORMAT (not YAML), ERR_CRYPTO.
MUST_USE enum result parse_pack(struct parse *parse, struct slice text);
