// SPDX-License-Identifier: Apache-2.0
//
// Everything about one UID hangs on its `struct uid`: the receipts that the ledger may not have yet (seen),
// and, if there are several receipts, its members.
#include "base/check.h"
#include "order/gate.h"
#include "order/keeper_private.h"
#include <stdlib.h>

struct uid **keeper_uid_place(struct order_keeper *keeper, const uint8_t hash[FACT_SOP_HASH_SIZE])
{
    uint64_t at = hash_bytes(&keeper->seed, slice_of(hash, FACT_SOP_HASH_SIZE));
    struct uid **place = &keeper->table[at & (keeper->table_size - 1)];
    while (*place != NULL && memcmp((*place)->hash, hash, FACT_SOP_HASH_SIZE) != 0)
        place = &(*place)->next;
    return place;
}

// Without memory the chains get longer, that is all.
static void table_grow(struct order_keeper *keeper)
{
    size_t size = keeper->table_size;
    struct uid **former = keeper->table;
    struct uid **larger = calloc(2 * size, sizeof(struct uid *));
    if (larger == NULL)
        return;
    keeper->table = larger;
    keeper->table_size = 2 * size;
    for (size_t i = 0; i < size; i++)
        while (former[i] != NULL) {
            struct uid *uid = former[i];
            former[i] = uid->next;
            uid->next = NULL;
            *keeper_uid_place(keeper, uid->hash) = uid;
        }
    free(former);
}

struct uid *keeper_uid_get(struct order_keeper *keeper, const uint8_t hash[FACT_SOP_HASH_SIZE])
{
    struct uid **place = keeper_uid_place(keeper, hash);
    if (*place != NULL)
        return *place;
    struct uid *uid = pool_take(&keeper->uid_pool);
    if (uid == NULL)
        return NULL;
    memcpy(uid->hash, hash, sizeof uid->hash);
    list_init(&uid->seen);
    list_init(&uid->members);
    list_init(&uid->rejections);
    *place = uid;
    if (++keeper->uid_count > keeper->table_size)
        table_grow(keeper);
    return uid;
}

void keeper_members_free(struct uid *uid)
{
    for (struct list_node *node = list_take_first(&uid->members); node != NULL;
         node = list_take_first(&uid->members)) {
        struct member *member = CONTAINER_OF(node, struct member, rule.node);
        free(member->rule.slots);
        free(member->set);
        free(member);
    }
    LIST_EACH(&uid->seen, node)
    {
        CONTAINER_OF(node, struct seen, uid_node)->is_member = false;
    }
    uid->has_contents = false;
}

void keeper_seen_free(struct order_keeper *keeper, struct seen *seen)
{
    list_remove(&seen->uid->seen, &seen->uid_node);
    list_remove(&keeper->streams[journal_receipt_stream(seen->receipt)], &seen->stream_node);
    pool_give(&keeper->seen_pool, seen);
}

void keeper_rejection_free(struct order_keeper *keeper, struct rejection *rejection)
{
    list_remove(&rejection->uid->rejections, &rejection->uid_node);
    list_remove(&keeper->rejections, &rejection->keeper_node);
    free(rejection);
}

static void uid_forget(struct order_keeper *keeper, struct uid *uid)
{
    if (uid->is_dirty)
        list_remove(&keeper->dirty, &uid->dirty_node);
    struct uid **place = keeper_uid_place(keeper, uid->hash);
    *place = uid->next;
    keeper->uid_count--;
    pool_give(&keeper->uid_pool, uid);
}

void keeper_uid_forget_if_empty(struct order_keeper *keeper, struct uid *uid)
{
    if (uid->asks == 0 && list_is_empty(&uid->seen) && list_is_empty(&uid->members) &&
        list_is_empty(&uid->rejections))
        uid_forget(keeper, uid);
}
// ---- members ----

// From the newest on: that is who is asked about.
struct member *keeper_member_find(struct uid *uid, uint64_t receipt, uint64_t order)
{
    for (struct list_node *node = list_last(&uid->members);
         node != NULL && node != &uid->members.head && member_of(node)->rule.order >= order;
         node = node->previous)
        if (member_of(node)->rule.receipt == receipt)
            return member_of(node);
    return NULL;
}

static struct member *member_new(struct order_keeper *keeper, struct uid *uid, uint64_t receipt,
                                 uint64_t order)
{
    size_t slots = keeper->gateway->node_count;
    struct member *member = calloc(1, sizeof *member);
    struct order_slot *own = calloc(slots, sizeof *own);
    struct order_set *set = calloc(1, sizeof *set + slots * sizeof set->slots[0]);
    if (member == NULL || own == NULL || set == NULL) {
        free(member);
        free(own);
        free(set);
        return NULL;
    }
    member->rule = (struct order_member){.receipt = receipt, .order = order, .slots = own};
    member->uid = uid;
    member->worker =
        keeper->gateway->workers[journal_receipt_stream(receipt) % keeper->gateway->platform.workers];
    member->set = set;
    *set = (struct order_set){.member = &member->rule, .receipt = receipt, .order = order};
    set->mail.call.mail.kind = ORDER_TOLD;
    set->mail.call.run = order_gate_set;
    memcpy(set->hash, uid->hash, sizeof set->hash);
    order_member_insert(&uid->members, &member->rule);
    return member;
}

static bool is_live_by(const struct order_known *known, size_t slots)
{
    for (size_t i = 0; i < slots && !known->is_over; i++)
        if (!order_stage_is_final(known->slots[i].stage))
            return true;
    return false;
}

// Against its neighbours: if all neighbours are alike, so are all.
static void content_set(struct member *member, const struct order_content *content)
{
    struct list_node *neighbours[] = {member->rule.node.previous, member->rule.node.next};
    member->rule.content = *content;
    for (size_t i = 0; i < 2; i++)
        if (neighbours[i] != &member->uid->members.head &&
            !order_content_is_same(content, &member_of(neighbours[i])->rule.content))
            member->uid->has_contents = true;
}

// What the ledger says counts where the worker has nothing to say.
static void slots_take(struct member *member, const struct order_known *known, size_t slots)
{
    for (size_t i = 0; i < slots; i++) {
        member->rule.slots[i].stage = known->slots[i].stage;
        member->rule.slots[i].was_sent = known->slots[i].was_sent;
        member->rule.slots[i].is_released = known->slots[i].is_released;
    }
}

bool keeper_member_of_known(struct order_keeper *keeper, struct uid *uid, const struct order_known *known)
{
    size_t slots = keeper->gateway->node_count;
    struct member *member = keeper_member_find(uid, known->receipt, known->order);
    if (member == NULL) {
        member = member_new(keeper, uid, known->receipt, known->order);
        if (member == NULL)
            return false;
        member->is_live = is_live_by(known, slots);
        slots_take(member, known, slots);
    } else if (member->is_missing) { // else its worker is asked again
        member->is_live = is_live_by(known, slots);
        member->is_missing = false;
        if (!member->is_live)
            slots_take(member, known, slots);
    }
    content_set(member, &known->content);
    member->rule.is_returned = known->is_returned;
    return true;
}

bool keeper_member_of_seen(struct order_keeper *keeper, struct uid *uid, const struct seen *seen)
{
    struct member *member = keeper_member_find(uid, seen->receipt, seen->order);
    if (member != NULL)
        return true;
    member = member_new(keeper, uid, seen->receipt, seen->order);
    if (member == NULL)
        return false;
    member->is_live = true;
    content_set(member, &seen->content);
    member->rule.is_returned = seen->is_returned;
    return true;
}
