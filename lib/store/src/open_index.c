// SPDX-License-Identifier: Apache-2.0
//
// The open index by order of CLOSE: stored by receipt number, so the orders are sorted in memory first.
// Thread: main, at start.
#include "store/open_index.h"
#include "ledger_internal.h"
#include <stdlib.h>

struct ordered {
    uint64_t order;
    uint64_t receipt;
};

static int order_compare(const void *a, const void *b)
{
    const struct ordered *left = a;
    const struct ordered *right = b;
    if (left->order != right->order)
        return left->order < right->order ? -1 : 1;
    return (left->receipt > right->receipt) - (left->receipt < right->receipt);
}

static enum result orders_read(struct kv_transaction *transaction, struct ordered *list, size_t capacity,
                               size_t *count)
{
    struct kv_cursor cursor;
    enum result result = kv_cursor_init(&cursor, transaction, LEDGER_OPEN);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK && *count < capacity) {
        struct ledger_fact fact;
        fact_init(&fact);
        result = fact_decode(fact_key_get(cursor.key), cursor.value, FACT_HEAD, &fact);
        if (result == OK && fact.state == FACT_DURABLE)
            list[(*count)++] = (struct ordered){fact.order, fact.receipt};
        fact_fini(&fact);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static struct open_delivery open_delivery_of(const struct fact_delivery *delivery)
{
    return (struct open_delivery){
        .archive = delivery->archive,
        .state = delivery->state,
        .resent = delivery->resent,
        .status = delivery->status,
        .attempts = delivery->attempts,
        .since = delivery->outcome_at != 0 ? delivery->outcome_at : delivery->sent_at,
    };
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

static enum result ordered_visit(struct kv_transaction *transaction, uint64_t receipt,
                                 open_index_visit *visit, void *argument)
{
    uint8_t key[FACT_KEY_SIZE];
    struct slice value;
    struct ledger_fact fact;
    fact_key_put(key, receipt);
    fact_init(&fact);
    enum result result = kv_get(transaction, LEDGER_OPEN, slice_of(key, sizeof key), &value);
    if (result == OK)
        result = fact_decode(receipt, value, FACT_HEAD, &fact);
    if (result == OK)
        result = entry_visit(&fact, visit, argument);
    fact_fini(&fact);
    return result;
}

enum result open_index_each(struct kv_env *env, open_index_visit *visit, void *argument)
{
    struct kv_transaction transaction;
    struct ordered *list = NULL;
    uint64_t entries = 0;
    size_t count = 0;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_count(&transaction, LEDGER_OPEN, &entries);
    if (result == OK && entries > 0) {
        list = calloc((size_t)entries, sizeof *list);
        result = list != NULL ? orders_read(&transaction, list, (size_t)entries, &count) : ERR_NOMEM;
    }
    if (count > 1)
        qsort(list, count, sizeof *list, order_compare);
    for (size_t i = 0; result == OK && i < count; i++)
        result = ordered_visit(&transaction, list[i].receipt, visit, argument);
    free(list);
    kv_abort(&transaction);
    return result;
}
