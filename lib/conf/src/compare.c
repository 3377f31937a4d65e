// SPDX-License-Identifier: Apache-2.0
//
// Compares by the rows of a table; see conf/compare.h.
#include "conf/compare.h"

#include <string.h>

#include "base/text.h"
#include "conf/values.h"

struct comparison {
    conf_differs_fn *differs;
    void *arg;
};

static void compare_table(const struct comparison *comparison, const struct conf_table *table,
                          const char *path, enum conf_reload most, const void *one, const void *other);

static bool same_text(const char *one, const char *other)
{
    return one == other || (one != NULL && other != NULL && strcmp(one, other) == 0);
}

static bool same_texts(const struct conf_texts *one, const struct conf_texts *other)
{
    bool is_same = one->count == other->count;
    for (size_t i = 0; is_same && i < one->count; i++)
        is_same = same_text(one->item[i], other->item[i]);
    return is_same;
}

static bool same_networks(const struct conf_networks *one, const struct conf_networks *other)
{
    bool is_same = one->count == other->count;
    for (size_t i = 0; is_same && i < one->count; i++)
        is_same = one->item[i].family == other->item[i].family &&
                  one->item[i].prefix == other->item[i].prefix &&
                  memcmp(one->item[i].address, other->item[i].address, sizeof one->item[i].address) == 0;
    return is_same;
}

static bool same_pairs(const struct conf_pairs *one, const struct conf_pairs *other)
{
    bool is_same = one->count == other->count;
    for (size_t i = 0; is_same && i < one->count; i++)
        is_same = same_text(one->item[i].from, other->item[i].from) &&
                  same_text(one->item[i].to, other->item[i].to);
    return is_same;
}

static bool same_address(const struct conf_address *one, const struct conf_address *other)
{
    return one->port == other->port && same_text(one->host, other->host);
}

static bool same_value(const struct conf_option *option, const void *one, const void *other)
{
    switch (option->type) {
    case CONF_TEXT:
    case CONF_TITLE:
    case CONF_PATH:
        return same_text(*(char *const *)one, *(char *const *)other);
    case CONF_BOOL:
    case CONF_INTEGER:
    case CONF_SIZE:
    case CONF_DURATION:
    case CONF_ENUM:
    case CONF_FLAGS:
        return memcmp(one, other, option->width) == 0;
    case CONF_ADDRESS:
    case CONF_NUMERIC:
        return same_address(one, other);
    case CONF_TEXTS:
    case CONF_TITLES:
    case CONF_PATHS:
        return same_texts(one, other);
    case CONF_NETWORKS:
        return same_networks(one, other);
    case CONF_TITLE_MAP:
        return same_pairs(one, other);
    case CONF_TABLE:
    case CONF_LIST:
    case CONF_MAP:
        break;
    }
    return true; // not values
}

// ---- lists and mappings ----

struct entries {
    const char *first;
    size_t count;
    size_t size;
};

static struct entries entries_of(const struct conf_option *option, const void *owner)
{
    const char *base = owner;
    struct entries entries = {.size = option->table->size};
    memcpy(&entries.first, base + option->offset, sizeof entries.first);
    memcpy(&entries.count, base + option->count_offset, sizeof entries.count);
    return entries;
}

static const char *name_at(const struct entries *entries, size_t place)
{
    return ((const struct conf_entry *)(const void *)(entries->first + place * entries->size))->name;
}

static const void *entry_named(const struct entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->count; i++)
        if (same_text(name_at(entries, i), name))
            return entries->first + i * entries->size;
    return NULL;
}

static void compare_map(const struct comparison *comparison, const struct conf_option *option,
                        const char *path, enum conf_reload most, const void *one, const void *other)
{
    struct entries olds = entries_of(option, one), news = entries_of(option, other);
    char below[CONF_PATH_BYTES];
    for (size_t i = 0; i < olds.count; i++) {
        const void *entry = entry_named(&news, name_at(&olds, i));
        (void)text_format(below, sizeof below, "%s.%s", path, name_at(&olds, i));
        if (entry == NULL)
            comparison->differs(comparison->arg, below, CONF_RELOAD_RESTART);
        else
            compare_table(comparison, option->table, below, most, olds.first + i * olds.size, entry);
    }
    for (size_t i = 0; i < news.count; i++) {
        if (entry_named(&olds, name_at(&news, i)) != NULL)
            continue;
        (void)text_format(below, sizeof below, "%s.%s", path, name_at(&news, i));
        comparison->differs(comparison->arg, below, CONF_RELOAD_RESTART);
    }
}

static void compare_list(const struct comparison *comparison, const struct conf_option *option,
                         const char *path, enum conf_reload most, const void *one, const void *other)
{
    struct entries olds = entries_of(option, one), news = entries_of(option, other);
    char below[CONF_PATH_BYTES];
    if (olds.count != news.count) {
        comparison->differs(comparison->arg, path, most);
        return;
    }
    for (size_t i = 0; i < olds.count; i++) {
        (void)text_format(below, sizeof below, "%s[%zu]", path, i + 1);
        compare_table(comparison, option->table, below, most, olds.first + i * olds.size,
                      news.first + i * news.size);
    }
}

static void compare_option(const struct comparison *comparison, const struct conf_option *option,
                           const char *path, enum conf_reload most, const void *one, const void *other)
{
    enum conf_reload reload = option->reload < most ? option->reload : most;
    const char *a = (const char *)one + option->offset, *b = (const char *)other + option->offset;
    if (option->type == CONF_TABLE)
        compare_table(comparison, option->table, path, most, a, b);
    else if (option->type == CONF_MAP)
        compare_map(comparison, option, path, reload, one, other);
    else if (option->type == CONF_LIST)
        compare_list(comparison, option, path, reload, one, other);
    else if (!same_value(option, a, b))
        comparison->differs(comparison->arg, path, reload);
}

static void compare_table(const struct comparison *comparison, const struct conf_table *table,
                          const char *path, enum conf_reload most, const void *one, const void *other)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct conf_option *option = &table->options[i];
        char below[CONF_PATH_BYTES];
        if (option->refused != NULL)
            continue;
        (void)text_format(below, sizeof below, "%s%s%s", path, path[0] != 0 ? "." : "", option->key);
        compare_option(comparison, option, below, most, one, other);
    }
}

void conf_compare(const struct conf_table *table, const void *one, const void *other,
                  conf_differs_fn *differs, void *arg)
{
    struct comparison comparison = {.differs = differs, .arg = arg};
    compare_table(&comparison, table, "", CONF_RELOAD_LIVE, one, other);
}
