// SPDX-License-Identifier: Apache-2.0
//
// Fills structs by tables; see conf/load.h. Recursion follows the tables, which are constants a few levels
// deep.
#include "conf/load.h"

#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "scalar.h"

#define NAME_MAX_LENGTH 32

struct loader {
    const struct conf_document *document;
    struct conf_arena *values;
};

// One value to be filled: the row, where it stood (NULL for a default) and the member.
struct target {
    const struct conf_option *option;
    const struct conf_node *node;
    void *member;
};

static void load_table(struct loader *loader, const struct conf_table *table, const struct conf_node *node,
                       void *out);

// `"104x" is not a number; allowed: ...`. A default that does not fit its own row is our fault.
static void refuse(struct loader *loader, const struct conf_option *option, const struct conf_node *node,
                   const char *what)
{
    char allowed[CONF_ALLOWED_BYTES];
    ensure(node != NULL);
    conf_option_allowed(option, allowed, sizeof allowed);
    if (node->kind == CONF_SCALAR)
        conf_error_at(loader->document, node, allowed, "\"%.80s\" %s", node->text, what);
    else
        conf_error_at(loader->document, node, allowed, "%s", what);
}

static bool has_no_value(const struct conf_node *node)
{
    return node->kind == CONF_SCALAR && !node->is_quoted &&
           (node->text[0] == 0 || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0);
}

// True if the node has the wanted kind; else the error is added.
static bool expect(struct loader *loader, const struct conf_option *option, const struct conf_node *node,
                   enum conf_kind kind)
{
    static const char *const WANTED[] = {"must be a single value", "must be a list", "must be a mapping"};
    char allowed[CONF_ALLOWED_BYTES];
    if (!has_no_value(node) && node->kind == kind)
        return true;
    conf_option_allowed(option, allowed, sizeof allowed);
    conf_error_at(loader->document, node, allowed, "%s", has_no_value(node) ? "has no value" : WANTED[kind]);
    return false;
}

static bool is_in_range(const struct conf_option *option, uint64_t value)
{
    return (option->least == 0 && option->most == 0) || (value >= option->least && value <= option->most);
}

static void store_number(const struct target *target, uint64_t value)
{
    uint16_t narrow = (uint16_t)value;
    uint32_t middle = (uint32_t)value;
    switch (target->option->width) {
    case sizeof narrow:
        ensure(value <= UINT16_MAX);
        memcpy(target->member, &narrow, sizeof narrow);
        return;
    case sizeof middle:
        ensure(value <= UINT32_MAX);
        memcpy(target->member, &middle, sizeof middle);
        return;
    case sizeof value:
        memcpy(target->member, &value, sizeof value);
        return;
    default:
        unreachable_state();
    }
}

static const struct conf_choice *choice_of(const struct conf_option *option, const char *text)
{
    for (const struct conf_choice *choice = option->choices; choice != NULL && choice->name != NULL; choice++)
        if (strcmp(choice->name, text) == 0)
            return choice;
    return NULL;
}

static void load_number(struct loader *loader, const struct target *target, const char *text)
{
    const struct conf_option *option = target->option;
    const struct conf_choice *choice = choice_of(option, text);
    const char *what = option->type == CONF_INTEGER ? "is not a whole number"
                       : option->type == CONF_SIZE  ? "is not a size"
                                                    : "is not a duration";
    uint64_t value = 0;
    enum result result;
    if (choice != NULL) {
        store_number(target, choice->value);
        return;
    }
    if (option->type == CONF_INTEGER)
        result = conf_scalar_number(text, &value);
    else
        result = conf_scalar_measure(text, option->type == CONF_SIZE ? conf_size_units : conf_duration_units,
                                     &value);
    if (result == ERR_MISSING)
        refuse(loader, option, target->node, "has no unit");
    else if (result == ERR_FORMAT)
        refuse(loader, option, target->node, what);
    else if (result != OK || !is_in_range(option, value))
        refuse(loader, option, target->node, "is out of range");
    else
        store_number(target, value);
}

static void load_bool(struct loader *loader, const struct target *target, const char *text)
{
    // `true` and `false` too: programs that write YAML know nothing else.
    bool value = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0;
    if (!value && strcmp(text, "no") != 0 && strcmp(text, "false") != 0)
        refuse(loader, target->option, target->node, "is not yes or no");
    else
        memcpy(target->member, &value, sizeof value);
}

static void load_enum(struct loader *loader, const struct target *target, const char *text)
{
    const struct conf_choice *choice = choice_of(target->option, text);
    if (choice == NULL)
        refuse(loader, target->option, target->node, "is not known here");
    else if (choice->refused != NULL)
        refuse(loader, target->option, target->node, choice->refused);
    else
        store_number(target, choice->value);
}

static char *path_of(struct loader *loader, const char *text)
{
    if (text[0] == '/')
        return conf_arena_text(loader->values, text, strlen(text));
    return conf_arena_format(loader->values, "%s/%s", loader->document->directory, text);
}

// Number of characters, not bytes: continuation bytes of UTF-8 are not counted.
static uint64_t characters_of(const char *text)
{
    uint64_t count = 0;
    for (; *text != 0; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

// One text of any of the text types, for a single value and for an entry of a list alike. NULL: refused, or
// no memory.
static char *text_value(struct loader *loader, const struct conf_option *option, const struct conf_node *node,
                        const char *text)
{
    char *value = NULL;
    switch (option->type) {
    case CONF_TITLE:
    case CONF_TITLES:
    case CONF_TITLE_MAP:
        if (conf_scalar_title(text, loader->values, &value) == ERR_FORMAT)
            refuse(loader, option, node, "is not an AE title");
        return value;
    case CONF_PATH:
    case CONF_PATHS:
        if (text[0] == 0)
            refuse(loader, option, node, "is not a path");
        else
            value = path_of(loader, text);
        return value;
    case CONF_TEXT:
        if (!is_in_range(option, characters_of(text))) {
            refuse(loader, option, node, "is too short or too long");
            return NULL;
        }
        return conf_arena_text(loader->values, text, strlen(text));
    case CONF_TEXTS:
        if (text[0] == 0) {
            refuse(loader, option, node, "is empty");
            return NULL;
        }
        return conf_arena_text(loader->values, text, strlen(text));
    case CONF_BOOL:
    case CONF_INTEGER:
    case CONF_SIZE:
    case CONF_DURATION:
    case CONF_ADDRESS:
    case CONF_NUMERIC:
    case CONF_ENUM:
    case CONF_FLAGS:
    case CONF_NETWORKS:
    case CONF_TABLE:
    case CONF_LIST:
    case CONF_MAP:
        break;
    }
    unreachable_state();
}

static void load_address(struct loader *loader, const struct target *target, const char *text)
{
    enum result result =
        conf_scalar_address(text, target->option->type == CONF_NUMERIC, loader->values, target->member);
    if (result == ERR_MISSING)
        refuse(loader, target->option, target->node, "has no port");
    else if (result == ERR_FORMAT)
        refuse(loader, target->option, target->node, "is not an address");
}

static void load_scalar(struct loader *loader, const struct target *target, const char *text)
{
    enum conf_type type = target->option->type;
    if (type == CONF_BOOL)
        load_bool(loader, target, text);
    else if (type == CONF_INTEGER || type == CONF_SIZE || type == CONF_DURATION)
        load_number(loader, target, text);
    else if (type == CONF_ENUM)
        load_enum(loader, target, text);
    else if (type == CONF_ADDRESS || type == CONF_NUMERIC)
        load_address(loader, target, text);
    else
        *(char **)target->member = text_value(loader, target->option, target->node, text);
}

// A list's number of entries must fit the row.
static bool fits(struct loader *loader, const struct target *target)
{
    char allowed[CONF_ALLOWED_BYTES];
    const struct conf_option *option = target->option;
    if (is_in_range(option, target->node->count))
        return true;
    (void)text_format(allowed, sizeof allowed, "%" PRIu64 " to %" PRIu64 " entries", option->least,
                      option->most);
    conf_error_at(loader->document, target->node, allowed, "has %zu entries", target->node->count);
    return false;
}

static bool is_repeated(const struct conf_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (strcmp(texts->item[i], text) == 0)
            return true;
    return false;
}

static void text_add(struct loader *loader, const struct target *target, const struct conf_node *entry)
{
    struct conf_texts *texts = target->member;
    if (!expect(loader, target->option, entry, CONF_SCALAR))
        return;
    char *text = text_value(loader, target->option, entry, entry->text);
    if (text == NULL)
        return;
    if (is_repeated(texts, text))
        conf_error_at(loader->document, entry, "once", "\"%.80s\" is given twice", entry->text);
    else
        texts->item[texts->count++] = text;
}

static void load_texts(struct loader *loader, const struct target *target)
{
    const struct conf_node *node = target->node;
    struct conf_texts *texts = target->member;
    bool is_single = target->option->type == CONF_PATHS && node->kind == CONF_SCALAR;
    if (!is_single && (!expect(loader, target->option, node, CONF_SEQUENCE) || !fits(loader, target)))
        return;
    texts->item = conf_arena_alloc(loader->values, is_single ? 1 : node->count + 1, sizeof *texts->item);
    if (texts->item == NULL)
        return;
    if (is_single)
        text_add(loader, target, node);
    for (const struct conf_node *entry = node->first; entry != NULL; entry = entry->next)
        text_add(loader, target, entry);
}

static void load_networks(struct loader *loader, const struct target *target)
{
    struct conf_networks *networks = target->member;
    if (!expect(loader, target->option, target->node, CONF_SEQUENCE) || !fits(loader, target))
        return;
    networks->item = conf_arena_alloc(loader->values, target->node->count + 1, sizeof *networks->item);
    if (networks->item == NULL)
        return;
    for (const struct conf_node *entry = target->node->first; entry != NULL; entry = entry->next) {
        struct conf_network *network = &networks->item[networks->count];
        if (!expect(loader, target->option, entry, CONF_SCALAR))
            continue;
        enum result result = conf_scalar_network(entry->text, network);
        if (result == OK) {
            networks->count++;
        } else if (result == ERR_ARGUMENT) {
            char meant[64];
            conf_network_text(network, meant, sizeof meant);
            conf_error_at(loader->document, entry, meant, "\"%.80s\" has bits set below its prefix",
                          entry->text);
        } else {
            refuse(loader, target->option, entry, "is not an address or range");
        }
    }
}

static void load_title_map(struct loader *loader, const struct target *target)
{
    struct conf_pairs *pairs = target->member;
    if (!expect(loader, target->option, target->node, CONF_MAPPING) || !fits(loader, target))
        return;
    pairs->item = conf_arena_alloc(loader->values, target->node->count + 1, sizeof *pairs->item);
    if (pairs->item == NULL)
        return;
    for (const struct conf_node *entry = target->node->first; entry != NULL; entry = entry->next) {
        struct conf_pair pair = {0};
        if (conf_scalar_title(entry->key, loader->values, &pair.from) == ERR_FORMAT)
            conf_error_at_key(loader->document, entry, "1 to 16 characters, no backslash",
                              "the key is not an AE title");
        if (expect(loader, target->option, entry, CONF_SCALAR))
            pair.to = text_value(loader, target->option, entry, entry->text);
        if (pair.from != NULL && pair.to != NULL)
            pairs->item[pairs->count++] = pair;
    }
}

static void flag_add(struct loader *loader, const struct target *target, const struct conf_node *entry)
{
    uint32_t *flags = target->member;
    if (!expect(loader, target->option, entry, CONF_SCALAR))
        return;
    const struct conf_choice *choice = choice_of(target->option, entry->text);
    if (choice == NULL)
        refuse(loader, target->option, entry, "is not known here");
    else if (choice->refused != NULL)
        refuse(loader, target->option, entry, choice->refused);
    else if ((*flags & choice->value) != 0)
        conf_error_at(loader->document, entry, "once", "\"%.80s\" is given twice", entry->text);
    else
        *flags |= (uint32_t)choice->value;
}

static void load_flags(struct loader *loader, const struct target *target)
{
    if (!expect(loader, target->option, target->node, CONF_SEQUENCE) || !fits(loader, target))
        return;
    for (const struct conf_node *entry = target->node->first; entry != NULL; entry = entry->next)
        flag_add(loader, target, entry);
}

// The default of CONF_FLAGS: words of the row, parted by ", ".
static void flags_default(const struct target *target, const char *words)
{
    uint32_t *flags = target->member;
    while (*words != 0) {
        char word[NAME_MAX_LENGTH];
        size_t length = strcspn(words, ",");
        ensure(text_copy(word, sizeof word, slice_of(words, length)));
        const struct conf_choice *choice = choice_of(target->option, word);
        ensure(choice != NULL);
        *flags |= (uint32_t)choice->value;
        words += length;
        words += strspn(words, ", ");
    }
}

static bool is_name(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    return length > 0 && text[length] == 0 && length <= NAME_MAX_LENGTH && strchr("_.-", text[0]) == NULL;
}

// CONF_LIST and CONF_MAP: an array of structs, one for each entry.
static void load_entries(struct loader *loader, const struct target *target, size_t *count)
{
    const struct conf_option *option = target->option;
    enum conf_kind kind = option->type == CONF_MAP ? CONF_MAPPING : CONF_SEQUENCE;
    if (!expect(loader, option, target->node, kind) || !fits(loader, target))
        return;
    unsigned char *array = conf_arena_alloc(loader->values, target->node->count + 1, option->table->size);
    if (array == NULL)
        return;
    *(void **)target->member = array;
    for (const struct conf_node *entry = target->node->first; entry != NULL; entry = entry->next) {
        unsigned char *place = array + *count * option->table->size;
        if (kind == CONF_MAPPING && !is_name(entry->key))
            conf_error_at_key(loader->document, entry,
                              "1 to 32 letters, digits and _ . -, a letter or digit first",
                              "the name is not right");
        if (entry->kind != CONF_MAPPING) {
            conf_error_at(loader->document, entry, "a mapping (`key: value`)", "must be a mapping");
            continue;
        }
        load_table(loader, option->table, entry, place);
        if (kind == CONF_MAPPING)
            ((struct conf_entry *)(void *)place)->name =
                conf_arena_text(loader->values, entry->key, strlen(entry->key));
        (*count)++;
    }
}

static void load_given(struct loader *loader, const struct target *target, void *out)
{
    const struct conf_option *option = target->option;
    switch (option->type) {
    case CONF_TABLE:
        if (expect(loader, option, target->node, CONF_MAPPING))
            load_table(loader, option->table, target->node, target->member);
        return;
    case CONF_LIST:
    case CONF_MAP:
        load_entries(loader, target, (size_t *)(void *)((unsigned char *)out + option->count_offset));
        return;
    case CONF_TEXTS:
    case CONF_TITLES:
    case CONF_PATHS:
        load_texts(loader, target);
        return;
    case CONF_NETWORKS:
        load_networks(loader, target);
        return;
    case CONF_TITLE_MAP:
        load_title_map(loader, target);
        return;
    case CONF_FLAGS:
        load_flags(loader, target);
        return;
    case CONF_TEXT:
    case CONF_TITLE:
    case CONF_PATH:
    case CONF_BOOL:
    case CONF_INTEGER:
    case CONF_SIZE:
    case CONF_DURATION:
    case CONF_ADDRESS:
    case CONF_NUMERIC:
    case CONF_ENUM:
        if (expect(loader, option, target->node, CONF_SCALAR))
            load_scalar(loader, target, target->node->text);
        return;
    }
    unreachable_state();
}

static void load_default(struct loader *loader, const struct target *target)
{
    if (target->option->type == CONF_TABLE)
        load_table(loader, target->option->table, NULL, target->member);
    else if (target->option->standard == NULL)
        return;
    else if (target->option->type == CONF_FLAGS)
        flags_default(target, target->option->standard);
    else
        load_scalar(loader, target, target->option->standard);
}

static void refuse_unknown(struct loader *loader, const struct conf_table *table,
                           const struct conf_node *node)
{
    char known[CONF_ALLOWED_BYTES] = "";
    for (size_t i = 0; i < table->count; i++) {
        size_t used = strlen(known);
        (void)text_format(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                          table->options[i].key);
    }
    for (const struct conf_node *child = node->first; child != NULL; child = child->next) {
        bool is_known = false;
        for (size_t i = 0; i < table->count && !is_known; i++)
            is_known = strcmp(table->options[i].key, child->key) == 0;
        if (!is_known)
            conf_error_at_key(loader->document, child, known, "unknown key");
    }
}

static void load_table(struct loader *loader, const struct conf_table *table, const struct conf_node *node,
                       void *out)
{
    ((struct conf_entry *)out)->at = node;
    if (node != NULL)
        refuse_unknown(loader, table, node);
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_option *option = &table->options[i];
        struct target target = {option, conf_node_member(node, option->key),
                                (unsigned char *)out + option->offset};
        if (target.node != NULL && option->refused != NULL) {
            conf_error_at_key(loader->document, target.node, NULL, "%s", option->refused);
        } else if (target.node != NULL) {
            load_given(loader, &target, out);
        } else if (option->is_required && node != NULL) {
            char allowed[CONF_ALLOWED_BYTES];
            conf_option_allowed(option, allowed, sizeof allowed);
            conf_error_missing(loader->document, node, option->key, allowed);
        } else if (!option->is_required) {
            load_default(loader, &target);
        }
    }
}

enum result conf_load(const struct conf_document *document, const struct conf_table *table,
                      const struct conf_node *node, struct conf_arena *values, void *out)
{
    struct loader loader = {.document = document, .values = values};
    load_table(&loader, table, node, out);
    return values->failed || document->arena->failed ? ERR_NOMEM : OK;
}
