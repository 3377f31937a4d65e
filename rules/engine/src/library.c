// SPDX-License-Identifier: Apache-2.0
//
// See rules/library.h.
#include "rules/library.h"

#include <stdlib.h>

#include "base/magic.h"
#include "pack.h"
#include "parse.h"

#define LIBRARY_MAGIC 0x52554C45u // RULE

enum result rules_library_new(struct rules_library **library)
{
    struct rules_library *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    conf_arena_init(&made->arena);
    MAGIC_INIT(made, LIBRARY_MAGIC);
    *library = made;
    return OK;
}

void rules_library_free(struct rules_library *library)
{
    if (library == NULL)
        return;
    MAGIC_CHECK(library, LIBRARY_MAGIC);
    for (size_t i = 0; i < library->regex_count; i++)
        regex_free(library->regex[i]);
    free(library->regex);
    conf_arena_fini(&library->arena);
    MAGIC_CLEAR(library);
    free(library);
}

__attribute__((format(printf, 3, 4))) static void refuse_file(const char *file, struct conf_errors *errors,
                                                              const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    conf_errors_add(errors, file, 0, 0, NULL, NULL, format, arguments);
    va_end(arguments);
}

enum result rules_library_add(struct rules_library *library, const char *file, struct slice text,
                              const struct rules_tables *tables, struct conf_errors *errors)
{
    MAGIC_CHECK(library, LIBRARY_MAGIC);
    if (library->pack_count == RULES_PACKS) {
        refuse_file(file, errors, "more than %d packs", RULES_PACKS);
        return ERR_FORMAT;
    }
    struct parse parse = {.library = library, .tables = tables, .errors = errors};
    struct conf_arena tree;
    conf_arena_init(&tree);
    parse.document = (struct conf_document){.file = file, .directory = "/", .arena = &tree, .errors = errors};
    size_t before = errors->count + errors->dropped;
    parse.pack = conf_arena_alloc(&library->arena, 1, sizeof *parse.pack);
    enum result result = parse.pack != NULL ? parse_pack(&parse, text) : ERR_NOMEM;
    if (result == OK && errors->count + errors->dropped > before)
        result = ERR_FORMAT;
    if (result == OK)
        library->pack[library->pack_count++] = parse.pack;
    conf_arena_fini(&tree);
    return result;
}

size_t rules_library_count(const struct rules_library *library)
{
    return library->pack_count;
}

const struct rules_pack_info *rules_library_pack(const struct rules_library *library, size_t place)
{
    ensure(place < library->pack_count);
    return &library->pack[place]->info;
}

const char *rules_library_rule(const struct rules_library *library, size_t place, size_t rule)
{
    ensure(place < library->pack_count && rule < library->pack[place]->rule_count);
    return library->pack[place]->rule[rule].name;
}

const struct rules_pack_info *rules_library_find(const struct rules_library *library, const char *name)
{
    for (size_t i = 0; i < library->pack_count; i++)
        if (strcmp(library->pack[i]->info.name, name) == 0)
            return &library->pack[i]->info;
    return NULL;
}

const char *rules_outcome_text(enum rules_outcome outcome)
{
    static const char *const texts[] = {"pass", "flag", "hold", "reject"};
    return texts[outcome];
}
