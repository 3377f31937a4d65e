// SPDX-License-Identifier: Apache-2.0
#include "order/lookup.h"
#include "base/magic.h"
#include "order/note.h"
#include "store/ledger_reader.h"
#include <stdlib.h>

#define LOOKUP_MAGIC 0x4c4f4f31u

enum { INBOX_CAPACITY = 65536, BATCH = 64, NEWEST = 256, NEWEST_OF_STREAM = 16 };

struct order_lookup {
    uint32_t magic;
    struct gateway *gateway;
    struct ev_mailbox inbox;
    struct order_outbox answers;
};

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

static enum result hash_take(const struct gateway *gateway, struct order_ask *ask)
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
    return result;
}

static void on_mail(void *arg, struct mail *mail)
{
    struct order_lookup *lookup = arg;
    MAGIC_CHECK(lookup, LOOKUP_MAGIC);
    struct order_ask *ask = CONTAINER_OF(order_mail_of(mail), struct order_ask, mail);
    order_known_free(&ask->known);
    if (ask->look != NULL)
        order_look_run(lookup->gateway, ask);
    else
        ask->result = ask->has_hash ? look(lookup->gateway, ask) : hash_take(lookup->gateway, ask);
    ask->mail.call.mail.kind = ORDER_LOOKED;
    order_outbox_post(&lookup->answers, &ask->mail);
}

// ---- life ----

enum result order_lookup_new(struct gateway *gateway, struct ev_mailbox *answers, struct order_lookup **out)
{
    struct order_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return ERR_NOMEM;
    struct ev_loop *loop = gateway->platform.lookup_loop;
    lookup->gateway = gateway;
    enum result result = ev_mailbox_init(&lookup->inbox, loop, INBOX_CAPACITY, BATCH, on_mail, lookup);
    if (result != OK) {
        free(lookup);
        return result;
    }
    order_outbox_init(&lookup->answers, loop, answers);
    MAGIC_INIT(lookup, LOOKUP_MAGIC);
    *out = lookup;
    return OK;
}

struct ev_mailbox *order_lookup_inbox(struct order_lookup *lookup)
{
    return &lookup->inbox;
}

void order_lookup_free(struct order_lookup *lookup)
{
    if (lookup == NULL)
        return;
    MAGIC_CHECK(lookup, LOOKUP_MAGIC);
    for (struct mail *mail = ev_mailbox_take(&lookup->inbox); mail != NULL;
         mail = ev_mailbox_take(&lookup->inbox))
        order_ask_free(CONTAINER_OF(order_mail_of(mail), struct order_ask, mail));
    for (struct order_mail *mail = order_outbox_take(&lookup->answers); mail != NULL;
         mail = order_outbox_take(&lookup->answers))
        order_ask_free(CONTAINER_OF(mail, struct order_ask, mail));
    order_outbox_fini(&lookup->answers);
    ev_mailbox_fini(&lookup->inbox);
    MAGIC_CLEAR(lookup);
    free(lookup);
}
