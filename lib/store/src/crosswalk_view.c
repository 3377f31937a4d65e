// SPDX-License-Identifier: Apache-2.0
//
// One reading transaction of the crosswalk: rows, merges, pins and moves as they are in force, and the row
// that counts for an ID. What is effective later than the store's horizon is not there. Thread: the reader's.
#include "base/magic.h"
#include "base/wipe.h"
#include "crosswalk_internal.h"

enum result view_over(struct view *view, struct crosswalk_reader *reader, struct kv_transaction *transaction)
{
    MAGIC_CHECK(reader, READER_MAGIC);
    view->reader = reader;
    view->in = transaction;
    view->state = (struct state){.generation = 0};
    enum result result = state_get(transaction, &view->state);
    return result == ERR_MISSING && reader->crosswalk->is_fresh ? OK : result;
}

enum result view_begin(struct view *view, struct crosswalk_reader *reader)
{
    enum result result = kv_begin(reader->crosswalk->env, KV_READ, &view->transaction);
    if (result == OK)
        result = view_over(view, reader, &view->transaction);
    if (result != OK)
        kv_abort(&view->transaction);
    return result;
}

void view_end(struct view *view)
{
    kv_abort(&view->transaction);
}

// ---- one value

static enum result value_get(struct view *view, enum database database, const struct key *key,
                             uint8_t plain[PLAIN_MAX], struct slice *out)
{
    struct slice sealed;
    size_t length = 0;
    enum result result = kv_get(view->in, database, key_slice(key), &sealed);
    if (result == OK)
        result = value_open(view->reader, view->in, database, key_slice(key), sealed, plain, &length);
    if (result == OK)
        *out = slice_of(plain, length);
    return result;
}

enum result row_get(struct view *view, const id_hash source, uint16_t to, struct crosswalk_row *row)
{
    uint8_t plain[PLAIN_MAX];
    struct slice found = {NULL, 0};
    struct key key = source_key(view->state.load, to, source);
    if (view->state.load == 0)
        return ERR_MISSING;
    enum result result = value_get(view, DB_SOURCE, &key, plain, &found);
    if (result == OK)
        result = row_decode(found, row);
    if (result == OK && row->effective > view->state.horizon)
        result = ERR_MISSING;
    wipe(plain, found.length);
    return result;
}

enum result merge_find(struct view *view, uint16_t domain, const id_hash id, struct merge *merge)
{
    uint8_t plain[PLAIN_MAX];
    struct slice found = {NULL, 0};
    struct key key = merge_key(domain, id);
    enum result result = value_get(view, DB_MERGE, &key, plain, &found);
    if (result == OK)
        result = merge_decode(found, merge);
    wipe(plain, found.length);
    return result;
}

enum result merge_get(struct view *view, uint16_t domain, const id_hash id, struct merge *merge)
{
    enum result result = merge_find(view, domain, id, merge);
    if (result == OK && (merge->effective > view->state.horizon ||
                         (merge->until != 0 && merge->until <= view->state.horizon)))
        result = ERR_MISSING;
    return result;
}

enum result pin_get(struct view *view, const id_hash study, uint32_t archive, struct pin *pin)
{
    uint8_t plain[PLAIN_MAX];
    struct slice found = {NULL, 0};
    struct key key = pin_key(study, archive);
    enum result result = value_get(view, DB_PIN, &key, plain, &found);
    if (result == OK)
        result = pin_decode(found, pin);
    wipe(plain, found.length);
    return result;
}

enum result move_find(struct view *view, const id_hash study, uint16_t domain, struct crosswalk_id *id,
                      bool *waits)
{
    uint8_t plain[PLAIN_MAX];
    struct slice found = {NULL, 0};
    struct move move;
    struct key key = move_key(study, domain);
    enum result result = value_get(view, DB_MOVE, &key, plain, &found);
    if (result == OK)
        result = move_decode(found, &move);
    if (result == OK) {
        *waits = move.effective > view->state.horizon;
        *id = *waits ? move.former : move.id;
        result = id->length > 0 ? OK : ERR_MISSING;
        wipe(&move, sizeof move);
    }
    wipe(plain, found.length);
    return result;
}

enum result move_get(struct view *view, const id_hash study, uint16_t domain, struct crosswalk_id *id)
{
    bool waits;
    return move_find(view, study, domain, id, &waits);
}

// ---- merges

enum result merges_follow(struct view *view, uint16_t domain, struct crosswalk_id *id, id_hash hash,
                          bool *has_followed)
{
    struct merge merge;
    enum result result = OK;
    *has_followed = false;
    for (unsigned step = 0; result == OK; step++) {
        result = merge_get(view, domain, hash, &merge);
        if (result != OK)
            break;
        if (step > CROSSWALK_CHAIN_MAX) {
            result = ERR_FORMAT;
            break;
        }
        *id = merge.into;
        *has_followed = true;
        result = id_hash_make(view->reader, domain, id_slice(id), hash);
    }
    wipe(&merge, sizeof merge);
    return result == ERR_MISSING ? OK : result;
}

// The IDs that have become `into` directly.
static enum result children_add(struct view *view, uint16_t domain, const id_hash into, struct hashes *out)
{
    struct kv_cursor cursor = {0};
    struct merge merge;
    struct key prefix = merged_prefix(domain, into);
    enum result result = kv_cursor_init(&cursor, view->in, DB_MERGED);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key_slice(&prefix));
    while (result == OK && key_has_prefix(cursor.key, &prefix)) {
        id_hash child;
        if (cursor.key.length != prefix.length + HASH_SIZE) {
            result = ERR_FORMAT;
            break;
        }
        memcpy(child, cursor.key.data + prefix.length, HASH_SIZE);
        result = merge_get(view, domain, child, &merge);
        if (result == OK && out->count == CROSSWALK_SOURCES_MAX)
            result = ERR_LIMIT;
        else if (result == OK)
            memcpy(out->hash[out->count++], child, HASH_SIZE);
        if (result == OK || result == ERR_MISSING)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    wipe(&merge, sizeof merge);
    return result == ERR_MISSING ? OK : result;
}

enum result merges_below(struct view *view, uint16_t domain, const id_hash root, struct hashes *out)
{
    enum result result = OK;
    out->count = 1;
    memcpy(out->hash[0], root, HASH_SIZE);
    for (size_t i = 0; result == OK && i < out->count; i++)
        result = children_add(view, domain, out->hash[i], out);
    return result;
}

// ---- the row of an ID

static enum result target_take(struct view *view, uint16_t to, struct mapped *mapped)
{
    mapped->target = mapped->row.target;
    enum result result = id_hash_make(view->reader, to, id_slice(&mapped->target), mapped->target_hash);
    bool has_followed = false;
    if (result == OK)
        result = merges_follow(view, to, &mapped->target, mapped->target_hash, &has_followed);
    mapped->has_followed |= has_followed;
    return result;
}

// The last ID of the chain that has a row; `root` becomes the end of the chain.
static enum result row_along(struct view *view, uint16_t from, id_hash root, uint16_t to,
                             struct mapped *mapped)
{
    struct merge merge;
    struct crosswalk_row row;
    bool has_row = false;
    enum result result = OK;
    for (unsigned step = 0; result == OK; step++) {
        result = row_get(view, root, to, &row);
        if (result == OK) {
            has_row = true;
            mapped->row = row;
            mapped->has_followed = step > 0;
        } else if (result != ERR_MISSING) {
            break;
        }
        result = step > CROSSWALK_CHAIN_MAX ? ERR_FORMAT : merge_get(view, from, root, &merge);
        if (result == OK)
            result = id_hash_make(view->reader, from, id_slice(&merge.into), root);
    }
    wipe(&merge, sizeof merge);
    wipe(&row, sizeof row);
    return result == ERR_MISSING && has_row ? OK : result;
}

// No ID of the chain has a row: those that have become the same patient speak for it, if with one voice.
static enum result row_below(struct view *view, uint16_t from, const id_hash root, uint16_t to,
                             struct mapped *mapped)
{
    struct hashes all;
    struct mapped other = {.has_followed = true};
    bool has_row = false;
    enum result result = merges_below(view, from, root, &all);
    for (size_t i = 1; result == OK && i < all.count; i++) {
        result = row_get(view, all.hash[i], to, &other.row);
        if (result == OK)
            result = target_take(view, to, &other);
        if (result == OK && has_row && memcmp(other.target_hash, mapped->target_hash, HASH_SIZE) != 0) {
            mapped->is_ambiguous = true;
            result = ERR_MISSING;
            break;
        }
        if (result == OK && !has_row) {
            *mapped = other;
            has_row = true;
        }
        if (result == ERR_MISSING)
            result = OK;
    }
    wipe(&other, sizeof other);
    return result == OK && !has_row ? ERR_MISSING : result;
}

enum result view_map(struct view *view, uint16_t from, const id_hash id, uint16_t to, struct mapped *mapped)
{
    id_hash root;
    memcpy(root, id, HASH_SIZE);
    *mapped = (struct mapped){.has_followed = false};
    enum result result = row_along(view, from, root, to, mapped);
    if (result == ERR_MISSING)
        return row_below(view, from, root, to, mapped);
    return result == OK ? target_take(view, to, mapped) : result;
}
