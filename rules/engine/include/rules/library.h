// SPDX-License-Identifier: Apache-2.0
//
// Rule packs: YAML files with their CSV tables, read and checked as a whole. docs/rules.md is the language.
// Role: filled at start and on reload by whoever reads the files; programs (rules/program.h) are compiled
// from it, one for each archive. Never changed afterwards; lives as long as any program made of it.
// No file is opened here: texts come from the caller. Thread: one while it is filled, any afterwards.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "conf/errors.h"
#include "rules/limits.h"

#define RULES_DIGEST_BYTES 32

// What a finding means for the instance; the greater wins.
enum rules_outcome { RULES_PASS, RULES_FLAG, RULES_HOLD, RULES_REJECT };

struct rules_library;

// One pack as evidence names it. Texts live as long as the library.
struct rules_pack_info {
    const char *name;
    const char *version;     // as the file says it, such as "1.2.0"
    const char *description; // one sentence
    const char *file;        // as named in errors
    // SHA-256 of the file as read; with tables: of its digest and those of the tables, in their order, one
    // behind the other.
    uint8_t digest[RULES_DIGEST_BYTES];
    size_t rules;
};

// How a pack's tables are read: `name` as the pack has it. The bytes must stay until rules_library_add
// returns. ERR_MISSING, ERR_LIMIT (larger than RULES_TABLE_BYTES), ERR_IO, ERR_NOMEM. `file` becomes the name
// in errors.
struct rules_tables {
    enum result (*read)(void *arg, const char *name, struct slice *bytes, const char **file);
    void *arg;
};

// ERR_NOMEM. Free with rules_library_free, after every program made of it.
MUST_USE enum result rules_library_new(struct rules_library **library);
void rules_library_free(struct rules_library *library); // NULL is allowed

// Adds one pack. `file` names it in errors. `tables` may be NULL for none. ERR_FORMAT: errors were added,
// each with file, line and column, and there is no such pack; ERR_NOMEM.
MUST_USE enum result rules_library_add(struct rules_library *library, const char *file, struct slice text,
                                       const struct rules_tables *tables, struct conf_errors *errors);

size_t rules_library_count(const struct rules_library *library);
// 0..count - 1, in the order in which they were added.
const struct rules_pack_info *rules_library_pack(const struct rules_library *library, size_t place);
// The name of a rule of a pack, 0..rules - 1, in the order of the file.
const char *rules_library_rule(const struct rules_library *library, size_t place, size_t rule);
// NULL if there is none.
const struct rules_pack_info *rules_library_find(const struct rules_library *library, const char *name);

// "pass", "flag", "hold", "reject".
const char *rules_outcome_text(enum rules_outcome outcome);
