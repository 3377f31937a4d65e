// SPDX-License-Identifier: Apache-2.0
//
// Merges, moves, pins, and the passing of time; see store/crosswalk_change.h. Each call is one transaction.
// Thread: the one that writes.
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crosswalk_act.h"

enum { ATTEMPTS_MAX = 3, PURGE_LOT = 5000 };

static enum result refuse(enum result result, struct crosswalk_problem *problem, const char *what)
{
    if (problem != NULL)
        (void)text_copy(problem->text, sizeof problem->text, slice_of_text(what));
    return result;
}

// ---- a change

enum result horizon_move(struct change *change, uint64_t now)
{
    struct kv_cursor cursor = {0};
    struct state *state = &change->view.state;
    struct key end = number_key(now);
    enum result result = OK;
    bool is_any = false;
    if (now <= state->horizon)
        return OK;
    while (result == OK) {
        result = kv_cursor_init(&cursor, &change->transaction, DB_FUTURE);
        if (result == OK)
            result = kv_cursor_first(&cursor);
        bool is_due = result == OK && cursor.key.length == end.length &&
                      memcmp(cursor.key.data, end.bytes, end.length) <= 0;
        struct key due = {.length = is_due ? cursor.key.length : 0};
        if (is_due)
            memcpy(due.bytes, cursor.key.data, due.length);
        kv_cursor_fini(&cursor);
        if (!is_due)
            break;
        is_any = true;
        result = kv_delete(&change->transaction, DB_FUTURE, key_slice(&due), NULL);
    }
    if (result != OK && result != ERR_MISSING)
        return result;
    state->horizon = now;
    state->generation += is_any;
    return OK;
}

enum result change_begin(struct change *change, struct crosswalk *crosswalk,
                         const struct crosswalk_order *order)
{
    MAGIC_CHECK(crosswalk, CROSSWALK_MAGIC);
    *change = (struct change){.crosswalk = crosswalk, .order = order};
    enum result result = life_begin(crosswalk);
    if (result == OK)
        result = kv_begin(crosswalk->env, KV_WRITE, &change->transaction);
    if (result == OK)
        result = view_over(&change->view, crosswalk->own, &change->transaction);
    if (result == OK && order != NULL) // what the order changes is what is in force at its time
        result = horizon_move(change, order->now);
    change->act.effective = order != NULL ? order->effective : 0;
    change->future = order != NULL && order->effective > order->now ? order->effective : 0;
    return result;
}

enum result future_put(struct kv_transaction *transaction, uint64_t time)
{
    static const uint8_t nothing[1] = {0};
    struct key key = number_key(time);
    return kv_put(transaction, DB_FUTURE, key_slice(&key), slice_of(nothing, 1), KV_PLAIN);
}

enum result change_commit(struct change *change, enum result result)
{
    if (result == OK)
        result = state_put(&change->transaction, &change->view.state);
    if (result == OK)
        result = kv_commit(&change->transaction);
    kv_abort(&change->transaction);
    wipe(&change->act, sizeof change->act);
    return result;
}

enum result change_log(struct change *change, enum crosswalk_act_kind kind)
{
    uint8_t plain[PLAIN_MAX];
    struct crosswalk_act *act = &change->act;
    struct state *state = &change->view.state;
    const struct crosswalk_order *order = change->order;
    if (order->person == NULL || order->person[0] == 0 || order->reason == NULL || order->reason[0] == 0 ||
        !text_copy(act->person, sizeof act->person, slice_of_text(order->person)) ||
        !text_copy(act->reason, sizeof act->reason, slice_of_text(order->reason)))
        return ERR_ARGUMENT;
    act->kind = kind;
    act->when = order->now;
    act->generation = state->generation;
    act->number = ++state->acts;
    struct key key = number_key(act->number);
    enum result result =
        value_put(change->crosswalk, &change->transaction, DB_ACT, &key, act_encode(act, plain), KV_APPEND);
    wipe(plain, sizeof plain);
    return result;
}

// Changes the generation now, or when its time comes; and logs.
static enum result change_end(struct change *change, enum result result, enum crosswalk_act_kind kind)
{
    if (change->future == 0)
        change->view.state.generation++;
    else if (result == OK)
        result = future_put(&change->transaction, change->future);
    if (result == OK)
        result = change_log(change, kind);
    return change_commit(change, result);
}

static enum result domain_take(struct change *change, uint16_t domain)
{
    const char *name = crosswalk_domain_name(change->crosswalk, domain);
    (void)text_copy(change->act.domain, sizeof change->act.domain, slice_of_text(name));
    return name[0] != 0 ? OK : ERR_ARGUMENT;
}

// ---- merge

bool merge_is_over(const struct merge *merge, uint64_t now)
{
    return merge->until != 0 && merge->until <= now;
}

enum result merge_delete(struct view *view, uint16_t domain, const id_hash id, const struct merge *merge)
{
    id_hash into;
    enum result result = id_hash_make(view->reader, domain, id_slice(&merge->into), into);
    struct key forward = merge_key(domain, id);
    struct key back = merged_key(domain, into, id);
    if (result == OK)
        result = kv_delete(view->in, DB_MERGED, key_slice(&back), NULL);
    if (result == OK || result == ERR_MISSING)
        result = kv_delete(view->in, DB_MERGE, key_slice(&forward), NULL);
    return result;
}

// From `into` upwards, merges of every time counted: *length steps, and none of them leads to `id`.
static enum result chain_check(struct change *change, uint16_t domain, const id_hash id, const id_hash into,
                               unsigned *length)
{
    struct merge merge;
    id_hash at;
    memcpy(at, into, sizeof at);
    enum result result = OK;
    for (*length = 0; result == OK && *length <= CROSSWALK_CHAIN_MAX; ++*length) {
        if (memcmp(at, id, sizeof at) == 0)
            result = ERR_REFUSED;
        else
            result = merge_find(&change->view, domain, at, &merge);
        if (result == OK && merge_is_over(&merge, change->order->now))
            result = ERR_MISSING;
        if (result == OK)
            result = id_hash_make(change->crosswalk->own, domain, id_slice(&merge.into), at);
    }
    wipe(&merge, sizeof merge);
    return result == ERR_MISSING ? OK : result == OK ? ERR_LIMIT : result;
}

// How many merges in a row lead to `id`; gives up above the limit. Depth first, without a list: each level
// asks for its children anew.
static enum result depth_below(struct change *change, uint16_t domain, const id_hash id, unsigned level,
                               unsigned *depth)
{
    struct kv_cursor cursor = {0};
    struct key prefix = merged_prefix(domain, id);
    if (level > *depth)
        *depth = level;
    if (level > CROSSWALK_CHAIN_MAX)
        return ERR_LIMIT;
    enum result result = kv_cursor_init(&cursor, &change->transaction, DB_MERGED);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key_slice(&prefix));
    while (result == OK && key_has_prefix(cursor.key, &prefix)) {
        id_hash child;
        memcpy(child, cursor.key.data + prefix.length, sizeof child);
        result = depth_below(change, domain, child, level + 1, depth);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result merge_check(struct change *change, uint16_t domain, const id_hash id, const id_hash into)
{
    struct merge present;
    unsigned above = 0;
    unsigned below = 0;
    enum result result = merge_find(&change->view, domain, id, &present);
    if (result == OK)
        result = merge_is_over(&present, change->order->now)
                     ? merge_delete(&change->view, domain, id, &present)
                     : ERR_EXISTS;
    wipe(&present, sizeof present);
    if (result == OK || result == ERR_MISSING)
        result = chain_check(change, domain, id, into, &above);
    if (result == OK)
        result = depth_below(change, domain, id, 0, &below);
    return result == OK && above + below > CROSSWALK_CHAIN_MAX ? ERR_LIMIT : result;
}

static enum result merge_put(struct change *change, uint16_t domain, const id_hash id, const id_hash into)
{
    static const uint8_t nothing[1] = {0};
    uint8_t plain[PLAIN_MAX];
    struct merge merge = {.id = change->act.id, .into = change->act.into, .effective = change->future};
    struct key forward = merge_key(domain, id);
    struct key back = merged_key(domain, into, id);
    enum result result = value_put(change->crosswalk, &change->transaction, DB_MERGE, &forward,
                                   merge_encode(&merge, plain), KV_PLAIN);
    if (result == OK)
        result = kv_put(&change->transaction, DB_MERGED, key_slice(&back), slice_of(nothing, 1), KV_PLAIN);
    wipe(plain, sizeof plain);
    wipe(&merge, sizeof merge);
    return result;
}

static const char *merge_why(enum result result)
{
    switch ((int)result) {
    case ERR_ARGUMENT:
        return "these are not two different IDs of a known domain, or person or reason is missing";
    case ERR_EXISTS:
        return "this ID has been merged already; unmerge it first";
    case ERR_REFUSED:
        return "this would go round in a circle: the other ID has become this one";
    case ERR_LIMIT:
        return "too many merges in a row";
    default:
        return result_text(result);
    }
}

enum result crosswalk_merge(struct crosswalk *crosswalk, uint16_t domain, struct slice id, struct slice into,
                            const struct crosswalk_order *order, struct crosswalk_problem *problem)
{
    struct change change;
    id_hash hash[2];
    enum result result = change_begin(&change, crosswalk, order);
    if (result == OK)
        result = domain_take(&change, domain);
    if (result == OK)
        result = id_copy(id, &change.act.id);
    if (result == OK)
        result = id_copy(into, &change.act.into);
    if (result == OK)
        result = id_hash_make(crosswalk->own, domain, id, hash[0]);
    if (result == OK)
        result = id_hash_make(crosswalk->own, domain, into, hash[1]);
    if (result == OK && memcmp(hash[0], hash[1], HASH_SIZE) == 0)
        result = ERR_ARGUMENT;
    if (result == OK)
        result = merge_check(&change, domain, hash[0], hash[1]);
    if (result == OK)
        result = merge_put(&change, domain, hash[0], hash[1]);
    result = change_end(&change, result, CROSSWALK_ACT_MERGE);
    return result == OK ? OK : refuse(result, problem, merge_why(result));
}

// ---- unmerge

// One that never was in force, or that ends now, goes; else it gets an end.
static enum result merge_end(struct change *change, uint16_t domain, const id_hash id, struct merge *merge)
{
    uint8_t plain[PLAIN_MAX];
    struct key key = merge_key(domain, id);
    if (change->future == 0 || merge->effective >= change->future)
        return merge_delete(&change->view, domain, id, merge);
    merge->until = change->future;
    enum result result = value_put(change->crosswalk, &change->transaction, DB_MERGE, &key,
                                   merge_encode(merge, plain), KV_PLAIN);
    wipe(plain, sizeof plain);
    return result;
}

enum result crosswalk_unmerge(struct crosswalk *crosswalk, uint16_t domain, struct slice id,
                              const struct crosswalk_order *order, struct crosswalk_problem *problem)
{
    struct change change;
    struct merge merge = {.until = 0};
    id_hash hash;
    enum result result = change_begin(&change, crosswalk, order);
    if (result == OK)
        result = domain_take(&change, domain);
    if (result == OK)
        result = id_copy(id, &change.act.id);
    if (result == OK)
        result = id_hash_make(crosswalk->own, domain, id, hash);
    if (result == OK)
        result = merge_find(&change.view, domain, hash, &merge);
    if (result == OK && merge_is_over(&merge, order->now))
        result = ERR_MISSING;
    if (result == OK) {
        change.act.into = merge.into;
        result = merge_end(&change, domain, hash, &merge);
    }
    wipe(&merge, sizeof merge);
    result = change_end(&change, result, CROSSWALK_ACT_UNMERGE);
    if (result == OK)
        return OK;
    return refuse(result, problem,
                  result == ERR_MISSING    ? "this ID has not been merged"
                  : result == ERR_ARGUMENT ? "not an ID of a known domain, or person or reason is missing"
                                           : result_text(result));
}

// ---- studies

static enum result move_put(struct change *change, const id_hash study, uint16_t domain)
{
    uint8_t plain[PLAIN_MAX];
    struct move move = {.id = change->act.id, .effective = change->future};
    struct key key = move_key(study, domain);
    bool waits = false;
    enum result result = move_find(&change->view, study, domain, &move.former, &waits);
    if (waits && change->future != 0) // between the two the study would belong to neither
        result = ERR_EXISTS;
    if (result == ERR_MISSING || move.effective == 0) {
        move.former = (struct crosswalk_id){.length = 0};
        result = result == ERR_MISSING ? OK : result;
    }
    if (result == OK)
        result = value_put(change->crosswalk, &change->transaction, DB_MOVE, &key, move_encode(&move, plain),
                           KV_PLAIN);
    wipe(plain, sizeof plain);
    wipe(&move, sizeof move);
    return result;
}

enum result crosswalk_move_study(struct crosswalk *crosswalk, struct slice study, uint16_t domain,
                                 struct slice id, const struct crosswalk_order *order,
                                 struct crosswalk_problem *problem)
{
    struct change change;
    id_hash hash;
    study = slice_trimmed(study);
    enum result result = change_begin(&change, crosswalk, order);
    if (result == OK)
        result = domain_take(&change, domain);
    if (result == OK)
        result = id_copy(id, &change.act.id);
    if (result == OK && !text_copy(change.act.study, sizeof change.act.study, study))
        result = ERR_ARGUMENT;
    if (result == OK)
        result = study_hash_make(crosswalk->own, study, hash);
    if (result == OK)
        result = move_put(&change, hash, domain);
    result = change_end(&change, result, CROSSWALK_ACT_MOVE_STUDY);
    if (result == OK)
        return OK;
    return refuse(result, problem,
                  result == ERR_EXISTS
                      ? "another move of this study waits for its time: move it at once instead"
                  : result == ERR_ARGUMENT
                      ? "not a Study Instance UID, or not a patient ID, or person or reason is missing"
                      : result_text(result));
}

static enum result pin_put(struct change *change, const struct crosswalk_pin *wanted)
{
    uint8_t plain[PLAIN_MAX];
    struct slice there;
    struct pin pin = {.from = wanted->from, .to = wanted->to, .when = wanted->when};
    id_hash study;
    enum result result = id_copy(wanted->source, &pin.source);
    if (result == OK)
        result = id_copy(wanted->target, &pin.target);
    if (result == OK)
        result = study_hash_make(change->crosswalk->own, wanted->study.study, study);
    if (result != OK)
        return result;
    struct key key = pin_key(study, wanted->study.archive);
    result = kv_get(&change->transaction, DB_PIN, key_slice(&key), &there);
    if (result == ERR_MISSING)
        result = value_put(change->crosswalk, &change->transaction, DB_PIN, &key, pin_encode(&pin, plain),
                           KV_PLAIN);
    wipe(plain, sizeof plain);
    wipe(&pin, sizeof pin);
    return result;
}

enum result crosswalk_pins_put(struct crosswalk *crosswalk, const struct crosswalk_pin *pins, size_t count)
{
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < ATTEMPTS_MAX; attempt++) {
        struct change change;
        result = change_begin(&change, crosswalk, NULL);
        for (size_t i = 0; result == OK && i < count; i++)
            result = pin_put(&change, &pins[i]);
        result = change_commit(&change, result);
    }
    return result;
}

// ---- time, and what is left over

enum result crosswalk_advance(struct crosswalk *crosswalk, uint64_t now)
{
    struct crosswalk_figures figures;
    enum result result = crosswalk_figures_get(crosswalk->own, &figures);
    if (result != OK || figures.next_effective == 0 || figures.next_effective > now)
        return result;
    struct change change;
    result = change_begin(&change, crosswalk, NULL);
    if (result == OK)
        result = horizon_move(&change, now);
    return change_commit(&change, result);
}

// A key of a load that is neither in force nor being made. ERR_MISSING: there is none.
static enum result leftover_find(struct change *change, enum database database, struct key *out)
{
    struct kv_cursor cursor = {0};
    const struct state *state = &change->view.state;
    uint32_t from = 1;
    enum result result = kv_cursor_init(&cursor, &change->transaction, database);
    while (result == OK) {
        struct key seek = number_key((uint64_t)from << 32);
        result = kv_cursor_seek(&cursor, slice_of(seek.bytes, 4));
        if (result != OK)
            break;
        struct cursor at = cursor_of(cursor.key);
        uint32_t load = cursor_u32be(&at);
        if (load != state->load && load != change->crosswalk->importing) {
            ensure(cursor.key.length <= sizeof out->bytes);
            out->length = cursor.key.length;
            memcpy(out->bytes, cursor.key.data, out->length);
            break;
        }
        from = load + 1;
    }
    kv_cursor_fini(&cursor);
    return result;
}

enum result crosswalk_purge(struct crosswalk *crosswalk)
{
    static const enum database bound[] = {DB_SOURCE, DB_TARGET, DB_PAIR};
    struct change change;
    struct key key;
    unsigned removed = 0;
    enum result result = change_begin(&change, crosswalk, NULL);
    for (size_t i = 0; i < sizeof bound / sizeof bound[0] && (result == OK || result == ERR_MISSING); i++) {
        result = OK;
        while (result == OK && removed < PURGE_LOT) {
            result = leftover_find(&change, bound[i], &key);
            if (result == OK)
                result = kv_delete(&change.transaction, bound[i], key_slice(&key), NULL);
            removed += result == OK;
        }
    }
    if (removed == 0 && (result == OK || result == ERR_MISSING)) {
        kv_abort(&change.transaction);
        return OK;
    }
    result = change_commit(&change, result == ERR_MISSING ? OK : result);
    return result == OK ? AGAIN : result;
}
