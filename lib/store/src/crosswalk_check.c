// SPDX-License-Identifier: Apache-2.0
//
// Looking through the whole crosswalk: rows, acts, figures, and whether everything is in its place. Reads go
// in lots, each in a transaction of its own, so that no reader keeps old pages for long (ENGINE 7).
// Thread: the reader's.
#include "base/magic.h"
#include "base/wipe.h"
#include "crosswalk_act.h"

#include <stdlib.h>

enum { LOT = 500 };

// ---- a walk over one database, in lots

struct walk {
    struct crosswalk_reader *reader;
    enum database database;
    struct key prefix; // only keys that begin with it
    uint32_t load;     // 0: does not matter; else CLOSED once another one is in force
    enum result (*visit)(void *argument, struct view *view, struct slice key, struct slice value);
    void *argument;
};

static enum result lot_visit(const struct walk *walk, struct key *next)
{
    struct view view;
    struct kv_cursor cursor = {0};
    enum result result = view_begin(&view, walk->reader);
    if (result != OK)
        return result;
    if (walk->load != 0 && view.state.load != walk->load)
        result = CLOSED;
    if (result == OK)
        result = kv_cursor_init(&cursor, view.in, walk->database);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key_slice(next));
    for (unsigned i = 0; result == OK && i < LOT; i++) {
        if (!key_has_prefix(cursor.key, &walk->prefix) || cursor.key.length >= sizeof next->bytes) {
            result = ERR_MISSING;
            break;
        }
        memcpy(next->bytes, cursor.key.data, cursor.key.length); // the smallest key above this one
        next->bytes[cursor.key.length] = 0;
        next->length = cursor.key.length + 1;
        result = walk->visit(walk->argument, &view, cursor.key, cursor.value);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    view_end(&view);
    return result;
}

static enum result walk_run(const struct walk *walk)
{
    struct key next = walk->prefix;
    enum result result = OK;
    if (next.length == 0) {
        next.length = 1;
        next.bytes[0] = 0;
    }
    while (result == OK)
        result = lot_visit(walk, &next);
    return result == ERR_MISSING ? OK : result;
}

// ---- rows

struct rows {
    struct crosswalk_row *list; // LOT
    size_t count;
    crosswalk_row_visit *visit;
    void *argument;
};

static enum result on_row(void *argument, struct view *view, struct slice key, struct slice value)
{
    struct rows *rows = argument;
    uint8_t plain[PLAIN_MAX];
    size_t length = 0;
    enum result result = value_open(view->reader, view->in, DB_SOURCE, key, value, plain, &length);
    if (result == OK)
        result = row_decode(slice_of(plain, length), &rows->list[rows->count]);
    if (result == OK)
        rows->count++;
    wipe(plain, length);
    return result;
}

static enum result load_get(struct crosswalk_reader *reader, uint32_t *load)
{
    struct view view;
    enum result result = view_begin(&view, reader);
    if (result != OK)
        return result;
    *load = view.state.load;
    view_end(&view);
    return OK;
}

static struct key load_prefix(uint32_t load)
{
    struct key key = number_key((uint64_t)load << 32);
    key.length = 4;
    return key;
}

// The visitor is called between the transactions: it may take its time.
enum result crosswalk_rows_each(struct crosswalk_reader *reader, crosswalk_row_visit *visit, void *argument)
{
    struct rows rows = {.visit = visit, .argument = argument};
    struct walk walk = {.reader = reader, .database = DB_SOURCE, .visit = on_row, .argument = &rows};
    enum result result = load_get(reader, &walk.load);
    if (result != OK || walk.load == 0)
        return result;
    rows.list = calloc(LOT, sizeof *rows.list);
    if (rows.list == NULL)
        return ERR_NOMEM;
    walk.prefix = load_prefix(walk.load);
    struct key next = walk.prefix;
    while (result == OK) {
        rows.count = 0;
        result = lot_visit(&walk, &next);
        for (size_t i = 0; i < rows.count && (result == OK || result == ERR_MISSING); i++) {
            enum result visited = visit(argument, &rows.list[i]);
            result = visited != OK ? visited : result;
        }
    }
    wipe(rows.list, LOT * sizeof *rows.list);
    free(rows.list);
    return result == ERR_MISSING ? OK : result;
}

// ---- acts

struct acts {
    uint64_t after;
    crosswalk_act_visit *visit;
    void *argument;
};

static enum result on_act(void *argument, struct view *view, struct slice key, struct slice value)
{
    struct acts *acts = argument;
    uint8_t plain[PLAIN_MAX];
    size_t length = 0;
    struct crosswalk_act act;
    struct cursor cursor = cursor_of(key);
    uint64_t number = cursor_u64be(&cursor);
    if (number <= acts->after)
        return OK;
    enum result result = value_open(view->reader, view->in, DB_ACT, key, value, plain, &length);
    if (result == OK)
        result = act_decode(slice_of(plain, length), &act);
    if (result == OK) {
        act.number = number;
        result = acts->visit(acts->argument, &act);
    }
    wipe(plain, length);
    wipe(&act, sizeof act);
    return result;
}

enum result crosswalk_acts_each(struct crosswalk_reader *reader, uint64_t after, crosswalk_act_visit *visit,
                                void *argument)
{
    struct acts acts = {.after = after, .visit = visit, .argument = argument};
    struct walk walk = {.reader = reader, .database = DB_ACT, .visit = on_act, .argument = &acts};
    return walk_run(&walk);
}

enum result crosswalk_export_note(struct crosswalk *crosswalk, enum crosswalk_act_kind kind,
                                  const uint8_t recipient[32], const struct crosswalk_order *order)
{
    struct change change;
    enum result result = change_begin(&change, crosswalk, order);
    change.act.rows = kind == CROSSWALK_ACT_EXPORT ? change.view.state.rows : 0;
    if (recipient != NULL)
        memcpy(change.act.digest, recipient, sizeof change.act.digest);
    if (result == OK)
        result = change_log(&change, kind);
    return change_commit(&change, result);
}

// ---- figures

static enum result pairs_get(struct view *view, struct crosswalk_figures *figures)
{
    struct kv_cursor cursor = {0};
    struct key prefix = load_prefix(view->state.load);
    enum result result = kv_cursor_init(&cursor, view->in, DB_PAIR);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key_slice(&prefix));
    while (result == OK && key_has_prefix(cursor.key, &prefix) &&
           figures->pair_count < CROSSWALK_DOMAINS_MAX) {
        struct cursor key = cursor_of(slice_from(cursor.key, 4));
        struct cursor value = cursor_of(cursor.value);
        struct crosswalk_pair *pair = &figures->pairs[figures->pair_count++];
        pair->from = cursor_u16be(&key);
        pair->to = cursor_u16be(&key);
        pair->rows = cursor_u64be(&value);
        result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result next_effective_get(struct view *view, uint64_t *time)
{
    struct kv_cursor cursor = {0};
    enum result result = kv_cursor_init(&cursor, view->in, DB_FUTURE);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    if (result == OK) {
        struct cursor at = cursor_of(cursor.key);
        *time = cursor_u64be(&at);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

enum result crosswalk_figures_get(struct crosswalk_reader *reader, struct crosswalk_figures *figures)
{
    struct view view;
    uint64_t sources = 0;
    enum result result = view_begin(&view, reader);
    if (result != OK)
        return result;
    *figures = (struct crosswalk_figures){.generation = view.state.generation,
                                          .load = view.state.load,
                                          .imported_at = view.state.imported_at,
                                          .rows = view.state.rows,
                                          .acts = view.state.acts};
    result = kv_count(view.in, DB_SOURCE, &sources);
    if (result == OK)
        result = kv_count(view.in, DB_TARGET, &figures->leftover);
    if (result == OK)
        result = kv_count(view.in, DB_MERGE, &figures->merges);
    if (result == OK)
        result = kv_count(view.in, DB_MOVE, &figures->moves);
    if (result == OK)
        result = kv_count(view.in, DB_PIN, &figures->pins);
    if (result == OK)
        result = pairs_get(&view, figures);
    if (result == OK)
        result = next_effective_get(&view, &figures->next_effective);
    figures->leftover += sources - 2 * figures->rows; // each row stands in both
    view_end(&view);
    return result;
}

// ---- is everything in its place

static bool is_damage(enum result result)
{
    return result == ERR_CRYPTO || result == ERR_FORMAT || result == ERR_ARGUMENT;
}

// A row opens, its key is that of its source, and the index of targets has it.
static enum result on_row_check(void *argument, struct view *view, struct slice key, struct slice value)
{
    struct crosswalk_findings *findings = argument;
    uint8_t plain[PLAIN_MAX];
    size_t length = 0;
    struct crosswalk_row row;
    struct slice there;
    id_hash source, target;
    enum result result = value_open(view->reader, view->in, DB_SOURCE, key, value, plain, &length);
    if (result == OK)
        result = row_decode(slice_of(plain, length), &row);
    if (result == OK)
        result = id_hash_make(view->reader, row.from, id_slice(&row.source), source);
    if (result == OK)
        result = id_hash_make(view->reader, row.to, id_slice(&row.target), target);
    findings->rows++;
    if (result == OK) {
        struct key expected = source_key(view->state.load, row.to, source);
        struct key back = target_key(view->state.load, row.from, target, source);
        findings->damaged += !slice_is_equal(key, key_slice(&expected));
        result = kv_get(view->in, DB_TARGET, key_slice(&back), &there);
        findings->lost += result == ERR_MISSING;
    }
    findings->damaged += is_damage(result);
    wipe(plain, length);
    wipe(&row, sizeof row);
    return is_damage(result) || result == ERR_MISSING ? OK : result;
}

static enum result on_target_count(void *argument, struct view *view, struct slice key, struct slice value)
{
    (void)view;
    (void)key;
    (void)value;
    ++*(uint64_t *)argument;
    return OK;
}

// A merge opens, the way back is there, and its chain ends.
static enum result on_merge_check(void *argument, struct view *view, struct slice key, struct slice value)
{
    struct crosswalk_findings *findings = argument;
    uint8_t plain[PLAIN_MAX];
    size_t length = 0;
    struct merge merge;
    struct slice there;
    id_hash id, into;
    bool has_followed;
    struct cursor at = cursor_of(key);
    uint16_t domain = cursor_u16be(&at);
    enum result result = value_open(view->reader, view->in, DB_MERGE, key, value, plain, &length);
    if (result == OK)
        result = merge_decode(slice_of(plain, length), &merge);
    if (result == OK)
        result = id_hash_make(view->reader, domain, id_slice(&merge.id), id);
    if (result == OK)
        result = id_hash_make(view->reader, domain, id_slice(&merge.into), into);
    findings->merges++;
    findings->damaged += is_damage(result);
    if (result == OK) {
        struct key back = merged_key(domain, into, id);
        result = kv_get(view->in, DB_MERGED, key_slice(&back), &there);
        findings->lost += result == ERR_MISSING;
        if (result == OK || result == ERR_MISSING)
            result = merges_follow(view, domain, &merge.into, into, &has_followed);
        findings->cycles += result == ERR_FORMAT;
    }
    wipe(plain, length);
    wipe(&merge, sizeof merge);
    return is_damage(result) ? OK : result;
}

enum result crosswalk_check(struct crosswalk_reader *reader, struct crosswalk_findings *findings)
{
    uint64_t targets = 0;
    struct walk rows = {.reader = reader, .database = DB_SOURCE, .visit = on_row_check, .argument = findings};
    struct walk back = {
        .reader = reader, .database = DB_TARGET, .visit = on_target_count, .argument = &targets};
    struct walk merges = {
        .reader = reader, .database = DB_MERGE, .visit = on_merge_check, .argument = findings};
    *findings = (struct crosswalk_findings){.rows = 0};
    enum result result = load_get(reader, &rows.load);
    back.load = rows.load;
    rows.prefix = back.prefix = load_prefix(rows.load);
    if (result == OK && rows.load != 0)
        result = walk_run(&rows);
    if (result == OK && rows.load != 0)
        result = walk_run(&back);
    if (result == OK)
        result = walk_run(&merges);
    if (result == OK && targets + findings->lost > findings->rows)
        findings->lost += targets + findings->lost - findings->rows; // entries without a row
    return result;
}
