// SPDX-License-Identifier: Apache-2.0
//
// Helper of the tests of rules/engine: packs and their tables as texts.
#pragma once

#include "../conf/errors_text.h"

#include "rules/library.h"
#include "rules/program.h"

struct pack_table {
    const char *name;
    const char *text;
};

static inline enum result pack_table_read(void *arg, const char *name, struct slice *bytes, const char **file)
{
    const struct pack_table *table = arg;
    for (; table != NULL && table->name != NULL; table++) {
        if (strcmp(table->name, name) != 0)
            continue;
        *bytes = slice_of_text(table->text);
        *file = table->name;
        return OK;
    }
    return ERR_MISSING;
}

// Adds the pack "p.yaml"; `tables` ends with a NULL name and may be NULL.
static inline enum result pack_add(struct rules_library *library, const char *text,
                                   const struct pack_table *tables, struct conf_errors *errors)
{
    struct rules_tables reader = {.read = pack_table_read, .arg = (void *)(uintptr_t)tables};
    return rules_library_add(library, "p.yaml", slice_of_text(text), &reader, errors);
}

#define PACK(rules) "pack: p\nversion: 1\ndescription: d\n" rules
