// SPDX-License-Identifier: Apache-2.0
//
// The open index, in one pass: a start waits for it.
// Thread: main, at start.
#include "store/open_index.h"
#include "ledger_internal.h"

static struct open_delivery open_delivery_of(const struct fact_delivery *delivery)
{
    struct open_delivery open = {
        .archive = delivery->archive,
        .state = delivery->state,
        .resent = delivery->resent,
        .is_released = delivery->is_released,
        .remark = delivery->settled_by,
        .status = delivery->status,
        .attempts = delivery->attempts,
        .since = delivery->outcome_at != 0 ? delivery->outcome_at : delivery->sent_at,
        .explanation =
            delivery->state == DELIVERY_PARKED || delivery->state == DELIVERY_HELD ? delivery->remark : NULL,
    };
    memcpy(open.edits, delivery->edits, sizeof open.edits);
    return open;
}

static enum result entry_visit(const struct ledger_fact *fact, open_index_visit *visit, void *argument)
{
    struct open_delivery deliveries[FACT_DELIVERIES_MAX];
    struct open_entry entry = {
        .receipt = fact->receipt,
        .order = fact->order,
        .epoch = fact->epoch,
        .closed_at = fact->closed_at,
        .open = fact->open,
        .close = fact->close,
        .deliveries = deliveries,
    };
    memcpy(entry.sop_hash, fact->sop_hash, sizeof entry.sop_hash);
    for (size_t i = 0; i < fact->delivery_count; i++)
        if (fact->deliveries[i].owed)
            deliveries[entry.delivery_count++] = open_delivery_of(&fact->deliveries[i]);
    return visit(argument, &entry);
}

static enum result entries_visit(struct kv_cursor *cursor, size_t most, open_index_visit *visit,
                                 void *argument)
{
    enum result result = OK;
    for (; result == OK && most > 0; most--) {
        struct ledger_fact fact;
        fact_init(&fact);
        result = fact_decode(fact_key_get(cursor->key), cursor->value, FACT_HEAD, &fact);
        if (result == OK && fact.state == FACT_DURABLE)
            result = entry_visit(&fact, visit, argument);
        fact_fini(&fact);
        if (result == OK)
            result = kv_cursor_next(cursor);
    }
    return result;
}

enum result open_index_some(struct kv_env *env, uint64_t after, size_t most, open_index_visit *visit,
                            void *argument, bool *is_last)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    uint8_t key[FACT_KEY_SIZE];
    fact_key_put(key, after + 1);
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, LEDGER_OPEN);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(key, sizeof key));
    if (result == OK)
        result = entries_visit(&cursor, most, visit, argument);
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    *is_last = result == ERR_MISSING;
    return result == ERR_MISSING ? OK : result;
}

enum result open_index_each(struct kv_env *env, open_index_visit *visit, void *argument)
{
    bool is_last;
    return open_index_some(env, 0, SIZE_MAX, visit, argument, &is_last);
}
