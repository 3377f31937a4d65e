// SPDX-License-Identifier: Apache-2.0
#include "order/rule.h"
#include <string.h>

enum { KIND_INSTANCE = 1, KIND_RECEIVED = 2 };

static struct order_content content_of(uint8_t algorithm, uint8_t present, const uint8_t *instance,
                                       const uint8_t *received)
{
    struct order_content content = {0};
    if (present & RECORD_HAS_INSTANCE) {
        content.kind = (uint8_t)(KIND_INSTANCE << 4 | algorithm);
        memcpy(content.digest, instance, sizeof content.digest);
    } else if (present & RECORD_HAS_RECEIVED) {
        content.kind = (uint8_t)(KIND_RECEIVED << 4 | algorithm);
        memcpy(content.digest, received, sizeof content.digest);
    }
    return content;
}

struct order_content order_content_of_close(const struct record_close *close)
{
    return content_of(close->algorithm, close->digests, close->instance, close->received);
}

struct order_content order_content_of_fact(const struct fact_digests *digests)
{
    return content_of(digests->algorithm, digests->present, digests->instance, digests->received);
}

bool order_content_is_same(const struct order_content *one, const struct order_content *other)
{
    return one->kind != 0 && one->kind == other->kind &&
           memcmp(one->digest, other->digest, sizeof one->digest) == 0;
}

bool order_content_is_other(const struct order_content *one, const struct order_content *other)
{
    return one->kind != 0 && one->kind == other->kind &&
           memcmp(one->digest, other->digest, sizeof one->digest) != 0;
}

static struct order_member *member_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct order_member, node);
}

void order_member_insert(struct list *members, struct order_member *member)
{
    struct list_node *where = &members->head;
    while (where->previous != &members->head && member_of(where->previous)->order > member->order)
        where = where->previous;
    list_insert_before(members, where, &member->node);
}

// ---- at one archive ----

struct view {
    struct order_member *accepted; // the newest accepted one
    struct order_member *newest;   // the newest that could be sent
    struct order_member *sending;
    struct order_member *permitted; // may send although it is not the newest
};

static bool is_owed(const struct order_slot *slot)
{
    return slot->stage == ORDER_ALIVE || slot->stage == ORDER_PARKED || slot->stage == ORDER_SENDING;
}

static bool is_barred(const struct order_slot *slot)
{
    return slot->wanted == ORDER_REJECT || slot->wanted == ORDER_HOLD_REJECTED;
}

// FIELD 13: what came before a rejection note is not sent any more, what comes after it waits for a person.
static void rejected_decide(struct list *members, size_t archive, struct order_rejection rejection)
{
    bool is_behind = false; // a receipt that was rejected
    LIST_EACH(members, node)
    {
        struct order_member *member = member_of(node);
        struct order_slot *slot = &member->slots[archive];
        bool is_earlier = member->order < rejection.order;
        slot->wanted = ORDER_HOLD;
        if (slot->stage == ORDER_REJECTED)
            is_behind = true;
        if (!is_owed(slot) || slot->stage == ORDER_SENDING || slot->is_released)
            continue;
        if (is_earlier)
            slot->wanted = ORDER_REJECT;
        else if (is_behind || rejection.order != 0)
            slot->wanted = ORDER_HOLD_REJECTED;
        slot->evidence = rejection.receipt;
    }
}

static struct view view_take(struct list *members, size_t archive)
{
    struct view view = {0};
    LIST_EACH(members, node)
    {
        struct order_member *member = member_of(node);
        const struct order_slot *slot = &member->slots[archive];
        if (slot->stage == ORDER_ACCEPTED)
            view.accepted = member;
        else if (slot->stage == ORDER_SENDING)
            view.sending = member;
        if ((slot->stage == ORDER_ALIVE && !is_barred(slot)) || slot->stage == ORDER_SENDING)
            view.newest = member;
    }
    LIST_EACH(members, node)
    {
        struct order_member *member = member_of(node);
        const struct order_slot *slot = &member->slots[archive];
        if (member != view.newest && is_owed(slot) && slot->action == ORDER_SEND)
            view.permitted = member;
    }
    return view;
}

// The same content as the last accepted one, and nothing else in between that the archive might hold instead.
static bool is_duplicate(struct list *members, const struct view *view)
{
#if DG_FAULT_DUPLICATE_BY_UID
    return view->accepted != NULL;
#endif
    if (view->accepted == NULL || !order_content_is_same(&view->accepted->content, &view->newest->content))
        return false;
    for (struct list_node *node = list_next(members, &view->accepted->node);
         node != NULL && member_of(node) != view->newest; node = list_next(members, node))
        if (!order_content_is_same(&member_of(node)->content, &view->newest->content))
            return false;
    return true;
}

static void contents_note(struct list *members, size_t archive, struct order_member *member)
{
    struct order_slot *slot = &member->slots[archive];
    slot->same_content = slot->other_content = false;
    LIST_EACH(members, node)
    {
        const struct order_member *other = member_of(node);
        const struct order_slot *theirs = &other->slots[archive];
        if (other == member || (!theirs->was_sent && theirs->stage != ORDER_ACCEPTED))
            continue;
        if (order_content_is_same(&other->content, &member->content))
            slot->same_content = true;
        else
            slot->other_content = true;
    }
}

static void newest_decide(struct list *members, size_t archive, const struct view *view)
{
    struct order_slot *slot = &view->newest->slots[archive];
    if (is_duplicate(members, view)) {
        slot->wanted = ORDER_DUPLICATE;
        slot->evidence = view->accepted->receipt;
        return;
    }
    slot->wanted = ORDER_SEND;
    contents_note(members, archive, view->newest);
}

void order_rule_apply(struct list *members, size_t archive, struct order_rejection rejection)
{
    rejected_decide(members, archive, rejection);
    struct view view = view_take(members, archive);
    LIST_EACH(members, node)
    {
        struct order_member *member = member_of(node);
        struct order_slot *slot = &member->slots[archive];
        if (is_barred(slot) || !is_owed(slot) || slot->stage == ORDER_SENDING || view.accepted == NULL)
            continue;
        if (member->is_returned)
            slot->wanted = ORDER_LOOP;
        else if (member->order < view.accepted->order)
            slot->wanted = order_content_is_same(&member->content, &view.accepted->content) ? ORDER_DUPLICATE
                                                                                            : ORDER_SUPERSEDE;
        slot->evidence = view.accepted->receipt;
    }
    if (view.newest == NULL || view.newest->slots[archive].wanted != ORDER_HOLD)
        return;
    if (view.sending == view.newest)
        view.newest->slots[archive].wanted = ORDER_SEND; // goes on
    else if (view.sending == NULL && view.permitted == NULL)
        newest_decide(members, archive, &view);
}

bool order_rule_is_done(struct list *members, size_t archives)
{
    LIST_EACH(members, node)
    {
        for (size_t i = 0; i < archives; i++)
            if (is_owed(&member_of(node)->slots[i]))
                return false;
    }
    return true;
}
