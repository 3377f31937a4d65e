// SPDX-License-Identifier: Apache-2.0
#include "order/lookup.h"
#include "store/ledger_reader.h"
#include <stdlib.h>

enum { NEWEST = 256, NEWEST_OF_STREAM = 16 };

// ---- from facts to what the keeper knows ----

static enum order_stage stage_of(const struct fact_delivery *delivery)
{
    switch (delivery->state) {
    case DELIVERY_OWED:
    case DELIVERY_SENT:
        return ORDER_ALIVE;
    case DELIVERY_ANSWERED:
        return ORDER_ACCEPTED;
    case DELIVERY_PARKED:
    case DELIVERY_HELD:
        return ORDER_PARKED;
    case DELIVERY_SETTLED:
        return delivery->settled_by == RECORD_BY_LOOP ? ORDER_OVER : ORDER_ACCEPTED;
    case DELIVERY_REJECTED:
        return delivery->person == NULL ? ORDER_REJECTED : ORDER_OVER;
    case DELIVERY_SUPERSEDED:
    case DELIVERY_DROPPED:
        return ORDER_OVER;
    }
    return ORDER_OVER;
}

static struct order_known *known_of(const struct gateway *gateway, const struct ledger_fact *fact)
{
    struct order_known *known = calloc(1, sizeof *known + gateway->node_count * sizeof known->slots[0]);
    if (known == NULL)
        return NULL;
    known->receipt = fact->receipt;
    known->order = fact->order;
    known->content = order_content_of_fact(&fact->digests);
    known->is_returned = (fact->flags & RECORD_CLOSE_RETURNED) != 0;
    known->is_over = fact->state == FACT_SETTLED || fact->state == FACT_DROPPED;
    for (size_t i = 0; i < gateway->node_count; i++) {
        const struct fact_delivery *delivery = fact_delivery_find(fact, gateway->nodes[i].conf->id);
        if (delivery == NULL || !delivery->owed)
            continue;
        known->slots[i].stage = fact->state == FACT_DROPPED ? ORDER_OVER : stage_of(delivery);
        known->slots[i].was_sent = delivery->attempts > 0;
        known->slots[i].is_released = delivery->is_released;
    }
    return known;
}

// ERR_MISSING: it was never closed, or dropped, which is nothing to the others.
static enum result known_add(const struct gateway *gateway, uint64_t receipt, struct order_ask *ask)
{
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result = ledger_find_receipt(gateway->platform.ledger, receipt, &fact);
    bool is_dropped = fact.state == FACT_DROPPED && receipt == ask->receipt; // its worker has it no more
    if (result == OK && receipt == ask->receipt && !ask->is_fresh)
        ask->is_note = (fact.flags & RECORD_CLOSE_NOTE) != 0;
    if (result == OK && fact.state != FACT_DURABLE && fact.state != FACT_SETTLED && !is_dropped)
        result = ERR_MISSING;
    if (result == OK) {
        struct order_known *known = known_of(gateway, &fact);
        if (known == NULL) {
            result = ERR_NOMEM;
        } else {
            known->next = ask->known;
            ask->known = known;
        }
    }
    fact_fini(&fact);
    return result;
}

static enum result look(const struct gateway *gateway, struct order_ask *ask)
{
    uint64_t numbers[NEWEST];
    size_t count = 0;
    enum result result =
        ledger_sop_receipts(gateway->platform.ledger, ask->hash, numbers, NEWEST, NEWEST_OF_STREAM, &count);
    if (result == OK && count == 1 && numbers[0] == ask->receipt && ask->is_fresh)
        return OK; // nearly always: it is alone, and says all of itself
    bool has_own = false;
    for (size_t i = 0; result == OK && i < count; i++) {
        has_own |= numbers[i] == ask->receipt;
        result = known_add(gateway, numbers[i], ask);
        if (result == ERR_MISSING || result == ERR_FORMAT)
            result = OK;
    }
    if (result == OK && !has_own && !ask->is_fresh) // older than the newest, or not there yet
        result = known_add(gateway, ask->receipt, ask);
    return result == ERR_MISSING || result == ERR_FORMAT ? OK : result;
}

enum result order_lookup_run(const struct gateway *gateway, struct order_ask *ask)
{
    order_known_free(&ask->known);
    return look(gateway, ask);
}

void order_lookup_hash(const struct gateway *gateway, struct order_ask *ask)
{
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result = ledger_find_receipt(gateway->platform.ledger, ask->receipt, &fact);
    ask->has_hash = result == OK && fact.sop_instance != NULL;
    ask->is_nameless = result == OK && fact.sop_instance == NULL &&
                       (fact.state == FACT_DURABLE || fact.state == FACT_SETTLED);
    if (ask->has_hash)
        fact_uid_hash(slice_of_text(fact.sop_instance), ask->hash);
    fact_fini(&fact);
}
