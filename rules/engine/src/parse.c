// SPDX-License-Identifier: Apache-2.0
//
// The head of a pack, its tables and its list of rules; and what the other readers share.
#include "parse.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "digest.h"
#include "letters.h"

#define OUTCOMES "flag, hold, reject"

// ---- shared ----

const char *parse_text(const struct parse *parse, const struct conf_node *node, size_t most)
{
    if (node->kind != CONF_SCALAR) {
        conf_error_at(&parse->document, node, "text", "not a text");
        return NULL;
    }
    if (node->text[0] == 0) {
        conf_error_at(&parse->document, node, NULL, "empty");
        return NULL;
    }
    if (strlen(node->text) > most) {
        conf_error_at(&parse->document, node, NULL, "longer than %zu bytes", most);
        return NULL;
    }
    return node->text;
}

const char *parse_member(const struct parse *parse, const struct conf_node *mapping, const char *key,
                         bool is_required)
{
    const struct conf_node *node = conf_node_member(mapping, key);
    if (node != NULL)
        return parse_text(parse, node, CONF_SCALAR_BYTES);
    if (is_required)
        conf_error_missing(&parse->document, mapping, key, NULL);
    return NULL;
}

bool parse_bool(const struct parse *parse, const struct conf_node *node)
{
    static const char *const words[] = {"no", "yes", NULL};
    return parse_choice(parse, node, words) == 1;
}

size_t parse_choice(const struct parse *parse, const struct conf_node *node, const char *const *words)
{
    const char *text = parse_text(parse, node, CONF_SCALAR_BYTES);
    char allowed[256] = "";
    if (text == NULL)
        return SIZE_MAX;
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t used = strlen(allowed);
        if (strcmp(text, words[i]) == 0)
            return i;
        (void)text_format(allowed + used, sizeof allowed - used, "%s%s", i > 0 ? ", " : "", words[i]);
    }
    conf_error_at(&parse->document, node, allowed, "`%s`", text);
    return SIZE_MAX;
}

void parse_keys(const struct parse *parse, const struct conf_node *mapping, const char *const *keys)
{
    for (const struct conf_node *at = mapping->first; at != NULL; at = at->next) {
        size_t i = 0;
        while (keys[i] != NULL && strcmp(keys[i], at->key) != 0)
            i++;
        if (keys[i] == NULL)
            conf_error_at_key(&parse->document, at, NULL, "unknown key");
    }
}

// Room for one more expression in the list by which the library frees them.
static enum result regex_keep(struct rules_library *library, struct regex *regex)
{
    if (library->regex_count == library->regex_capacity) {
        size_t capacity = library->regex_capacity > 0 ? 2 * library->regex_capacity : 16;
        struct regex **grown = realloc(library->regex, capacity * sizeof *grown);
        if (grown == NULL) {
            regex_free(regex);
            return ERR_NOMEM;
        }
        library->regex = grown;
        library->regex_capacity = capacity;
    }
    library->regex[library->regex_count++] = regex;
    return OK;
}

enum result parse_regex(struct parse *parse, const struct conf_node *node, bool is_caseless,
                        struct regex **regex)
{
    char problem[REGEX_PROBLEM_BYTES];
    size_t offset = 0;
    struct regex *made = NULL;
    const char *text = parse_text(parse, node, CONF_SCALAR_BYTES);
    if (text == NULL)
        return OK;
    enum result result = regex_compile(text, is_caseless, &made, problem, &offset);
    if (result == ERR_FORMAT) {
        conf_error_at(&parse->document, node, NULL, "not a regular expression: %s, at byte %zu of it",
                      problem, offset);
        return OK;
    }
    if (result == OK)
        result = regex_keep(parse->library, made);
    if (result == OK)
        *regex = made;
    return result;
}

const struct conf_node *parse_next(const struct conf_node *list, const struct conf_node *previous)
{
    if (list->kind != CONF_SEQUENCE)
        return previous == NULL ? list : NULL;
    return previous == NULL ? list->first : previous->next;
}

static int compare_words(const void *a, const void *b)
{
    return words_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static enum result word_make(struct parse *parse, const char *text, bool is_folded, struct slice *word)
{
    uint8_t folded[3 * CONF_SCALAR_BYTES];
    struct writer writer = writer_of(folded, sizeof folded);
    if (is_folded)
        letters_fold(&writer, slice_of_text(text));
    else
        writer_slice_put(&writer, slice_of_text(text));
    ensure(!writer.failed);
    const char *kept = conf_arena_text(&parse->library->arena, (const char *)folded, writer.length);
    *word = slice_of(kept, writer.length);
    return kept != NULL ? OK : ERR_NOMEM;
}

enum result parse_words(struct parse *parse, const struct conf_node *list, bool is_folded,
                        struct slice **words, size_t *count)
{
    size_t most = list->kind == CONF_SEQUENCE ? list->count : 1;
    if (most == 0 || list->kind == CONF_MAPPING) {
        conf_error_at(&parse->document, list, "a value or a list of values", "can never match: no values");
        return OK;
    }
    struct slice *made = conf_arena_alloc(&parse->library->arena, most, sizeof *made);
    size_t kept = 0;
    if (made == NULL)
        return ERR_NOMEM;
    for (const struct conf_node *at = parse_next(list, NULL); at != NULL; at = parse_next(list, at)) {
        const char *text = parse_text(parse, at, CONF_SCALAR_BYTES);
        if (text == NULL)
            continue;
        enum result result = word_make(parse, text, is_folded, &made[kept]);
        if (result != OK)
            return result;
        kept++;
    }
    qsort(made, kept, sizeof *made, compare_words);
    *words = made;
    *count = kept;
    return OK;
}

// ---- the pack ----

// Names stand in evidence, on command lines and in `after`: letters, digits, dot, hyphen, underscore.
static const char *name_read(const struct parse *parse, const struct conf_node *mapping, const char *key)
{
    const struct conf_node *node = conf_node_member(mapping, key);
    if (node == NULL) {
        conf_error_missing(&parse->document, mapping, key, "a name");
        return NULL;
    }
    const char *text = parse_text(parse, node, RULES_NAME_BYTES);
    if (text == NULL)
        return NULL;
    if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == strlen(text))
        return text;
    conf_error_at(&parse->document, node, "letters, digits, `.`, `-` and `_`", "`%s`", text);
    return NULL;
}

static const char *keep(struct parse *parse, const char *text)
{
    return text == NULL ? "" : conf_arena_text(&parse->library->arena, text, strlen(text));
}

static void on_error_read(const struct parse *parse, const struct conf_node *mapping,
                          enum rules_outcome *outcome)
{
    static const char *const words[] = {"flag", "hold", "reject", NULL};
    const struct conf_node *node = conf_node_member(mapping, "on-error");
    size_t place = node != NULL ? parse_choice(parse, node, words) : SIZE_MAX;
    if (place != SIZE_MAX)
        *outcome = RULES_FLAG + (enum rules_outcome)place;
}

static enum result head_read(struct parse *parse)
{
    static const char *const keys[] = {"pack", "version", "description", "on-error", "tables", "rules", NULL};
    const struct conf_node *root = parse->document.root;
    struct rules_pack_info *info = &parse->pack->info;
    parse_keys(parse, root, keys);
    const char *name = name_read(parse, root, "pack");
    if (name != NULL && rules_library_find(parse->library, name) != NULL)
        conf_error_at(&parse->document, conf_node_member(root, "pack"), NULL,
                      "there is a pack of this name already, in %s",
                      rules_library_find(parse->library, name)->file);
    info->name = keep(parse, name);
    info->version = keep(parse, name_read(parse, root, "version"));
    info->description = keep(parse, parse_member(parse, root, "description", true));
    info->file = keep(parse, parse->document.file);
    parse->pack->on_error = RULES_HOLD;
    on_error_read(parse, root, &parse->pack->on_error);
    return parse->library->arena.failed ? ERR_NOMEM : OK;
}

static enum result table_read(struct parse *parse, const struct conf_node *node, struct table *table,
                              struct pack_digest *digest)
{
    static const char *const keys[] = {"file", "from", "to", "ignore-case", NULL};
    table->name = keep(parse, node->key);
    if (table->name == NULL)
        return ERR_NOMEM;
    if (node->kind != CONF_MAPPING) {
        conf_error_at(&parse->document, node, "{ file: NAME.csv, from: COLUMN, to: COLUMN }", "not a table");
        return OK;
    }
    parse_keys(parse, node, keys);
    const char *file = parse_member(parse, node, "file", true);
    const char *from = parse_member(parse, node, "from", true);
    const char *to = parse_member(parse, node, "to", true);
    const struct conf_node *fold = conf_node_member(node, "ignore-case");
    table->is_folded = fold != NULL && parse_bool(parse, fold);
    if (file == NULL || from == NULL || to == NULL)
        return OK;
    struct slice bytes = {NULL, 0};
    table->file = file;
    enum result result = parse->tables != NULL
                             ? parse->tables->read(parse->tables->arg, file, &bytes, &table->file)
                             : ERR_MISSING;
    if (result == ERR_NOMEM)
        return result;
    table->file = keep(parse, table->file);
    if (result != OK) {
        conf_error_at(&parse->document, conf_node_member(node, "file"), NULL,
                      "the table can not be read: %s: %s", file, result_text(result));
        return OK;
    }
    result = pack_digest_add(digest, bytes);
    if (result == OK)
        result = table_parse(table, bytes, from, to, &parse->library->arena, parse->errors);
    return result == ERR_FORMAT ? OK : result;
}

static enum result tables_read(struct parse *parse, struct pack_digest *digest)
{
    const struct conf_node *tables = conf_node_member(parse->document.root, "tables");
    if (tables == NULL)
        return OK;
    if (tables->kind != CONF_MAPPING || tables->count > RULES_TABLES) {
        conf_error_at(&parse->document, tables, "at most 64 tables by name", "not tables");
        return OK;
    }
    struct pack *pack = parse->pack;
    pack->table = conf_arena_alloc(&parse->library->arena, tables->count, sizeof *pack->table);
    if (pack->table == NULL && tables->count > 0)
        return ERR_NOMEM;
    for (const struct conf_node *at = tables->first; at != NULL; at = at->next) {
        enum result result = table_read(parse, at, &pack->table[pack->table_count], digest);
        if (result != OK)
            return result;
        pack->table_count++;
    }
    return OK;
}

static enum result after_read(struct parse *parse, const struct conf_node *list, struct conf_texts *after)
{
    size_t most = list->kind == CONF_SEQUENCE ? list->count : 1;
    after->item = conf_arena_alloc(&parse->library->arena, most + 1, sizeof *after->item);
    if (after->item == NULL)
        return ERR_NOMEM;
    for (const struct conf_node *at = parse_next(list, NULL); at != NULL; at = parse_next(list, at)) {
        const char *text = parse_text(parse, at, 2 * RULES_NAME_BYTES + 1);
        if (text == NULL)
            continue;
        char *kept = conf_arena_text(&parse->library->arena, text, strlen(text));
        if (kept == NULL)
            return ERR_NOMEM;
        after->item[after->count++] = kept;
    }
    return OK;
}

static enum result rule_read(struct parse *parse, const struct conf_node *node, struct rule *rule)
{
    static const char *const keys[] = {"rule", "help", "when", "do", "after", "on-error", NULL};
    *rule =
        (struct rule){.pack = parse->pack, .name = "", .mark = node->mark, .on_error = parse->pack->on_error};
    if (node->kind != CONF_MAPPING) {
        conf_error_at(&parse->document, node, "{ rule: NAME, when: ..., do: [...] }", "not a rule");
        return OK;
    }
    parse_keys(parse, node, keys);
    const char *name = keep(parse, name_read(parse, node, "rule"));
    if (name == NULL)
        return ERR_NOMEM;
    rule->name = name;
    for (const struct rule *other = parse->pack->rule; other < rule; other++)
        if (rule->name[0] != 0 && strcmp(other->name, rule->name) == 0)
            conf_error_at(&parse->document, conf_node_member(node, "rule"), "once",
                          "given twice, first in line %zu", other->mark.line);
    on_error_read(parse, node, &rule->on_error);
    const struct conf_node *when = conf_node_member(node, "when");
    const struct conf_node *after = conf_node_member(node, "after");
    const struct conf_node *steps = conf_node_member(node, "do");
    enum result result = when != NULL ? parse_when(parse, when, &rule->when) : OK;
    if (result == OK && after != NULL)
        result = after_read(parse, after, &rule->after);
    if (result == OK && steps != NULL)
        return parse_do(parse, steps, rule);
    if (result == OK)
        conf_error_missing(&parse->document, node, "do", "a list of actions and checks");
    return result;
}

static enum result rules_read(struct parse *parse)
{
    const struct conf_node *rules = conf_node_member(parse->document.root, "rules");
    struct pack *pack = parse->pack;
    if (rules == NULL || rules->kind != CONF_SEQUENCE || rules->count == 0 || rules->count > RULES_RULES) {
        conf_error_at(&parse->document, rules != NULL ? rules : parse->document.root,
                      "a list of 1 to 512 rules", "no list `rules`");
        return OK;
    }
    pack->rule = conf_arena_alloc(&parse->library->arena, rules->count, sizeof *pack->rule);
    if (pack->rule == NULL)
        return ERR_NOMEM;
    for (const struct conf_node *at = rules->first; at != NULL; at = at->next) {
        enum result result = rule_read(parse, at, &pack->rule[pack->rule_count]);
        if (result != OK)
            return result;
        pack->rule_count++;
    }
    pack->info.rules = pack->rule_count;
    return OK;
}

enum result parse_pack(struct parse *parse, struct slice text)
{
    struct pack_digest digest;
    enum result result = pack_digest_begin(&digest, text);
    if (result == OK)
        result = conf_document_parse(&parse->document, (const char *)text.data, text.length);
    if (result == OK)
        result = head_read(parse);
    if (result == OK)
        result = tables_read(parse, &digest);
    if (result == OK)
        result = rules_read(parse);
    if (result == OK)
        result = pack_digest_end(&digest, parse->pack->info.digest);
    return result;
}
