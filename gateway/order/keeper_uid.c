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
    list_init(&uid->unmet);
    list_init(&uid->out);
    list_init(&uid->missing);
    list_init(&uid->rejections);
    order_line_init(&uid->members, keeper->gateway->node_count, keeper->seed.k0);
    *place = uid;
    if (++keeper->uid_count > keeper->table_size)
        table_grow(keeper);
    return uid;
}

static void member_free(struct member *member)
{
    free(member->rule.slots);
    free(member->rule.places);
    free(member->set);
    free(member);
}

void keeper_members_free(struct uid *uid)
{
    for (struct member *member = member_of(order_line_take(&uid->members)); member != NULL;
         member = member_of(order_line_take(&uid->members)))
        member_free(member);
    list_init(&uid->unmet);
    list_init(&uid->out);
    list_init(&uid->missing);
    LIST_EACH(&uid->seen, node)
    {
        CONTAINER_OF(node, struct seen, uid_node)->is_member = false;
    }
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
    if (uid->asks == 0 && list_is_empty(&uid->seen) && uid->members.members.count == 0 &&
        list_is_empty(&uid->rejections))
        uid_forget(keeper, uid);
}

// ---- members ----

static struct list *talk_list(struct uid *uid, enum member_talk talk)
{
    switch (talk) {
    case TALK_UNMET:
        return &uid->unmet;
    case TALK_OUT:
        return &uid->out;
    case TALK_MISSING:
        return &uid->missing;
    case TALK_OVER:
    case TALK_MET:
        return NULL;
    }
    unreachable_state();
}

void keeper_member_talk(struct member *member, enum member_talk talk)
{
    struct list *from = talk_list(member->uid, member->talk);
    struct list *to = talk_list(member->uid, talk);
    if (from != NULL)
        list_remove(from, &member->talk_node);
    if (to != NULL)
        list_append(to, &member->talk_node);
    member->talk = talk;
}

struct member *keeper_member_find(struct uid *uid, uint64_t receipt, uint64_t order)
{
    return member_of(order_line_find(&uid->members, receipt, order));
}

static bool is_live_by(const struct order_known *known, size_t slots)
{
    for (size_t i = 0; i < slots && !known->is_over; i++)
        if (!order_stage_is_final(known->slots[i].stage))
            return true;
    return false;
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

static struct member *member_alloc(size_t slots)
{
    struct member *member = calloc(1, sizeof *member);
    if (member == NULL)
        return NULL;
    member->rule.slots = calloc(slots, sizeof member->rule.slots[0]);
    member->rule.places = calloc(slots, sizeof member->rule.places[0]);
    member->set = calloc(1, sizeof *member->set + slots * sizeof member->set->slots[0]);
    if (member->rule.slots != NULL && member->rule.places != NULL && member->set != NULL)
        return member;
    member_free(member);
    return NULL;
}

// `known`: what the ledger says, or NULL if it lives on its worker and says all itself.
static bool member_add(struct order_keeper *keeper, struct uid *uid, const struct order_member *like,
                       const struct order_known *known)
{
    size_t slots = keeper->gateway->node_count;
    struct member *member = member_alloc(slots);
    if (member == NULL)
        return false;
    member->rule.receipt = like->receipt;
    member->rule.order = like->order;
    member->rule.content = like->content;
    member->rule.is_returned = like->is_returned;
    member->uid = uid;
    member->worker =
        keeper->gateway->workers[journal_receipt_stream(like->receipt) % keeper->gateway->platform.workers];
    *member->set =
        (struct order_set){.member = &member->rule, .receipt = like->receipt, .order = like->order};
    member->set->mail.call.mail.kind = ORDER_TOLD;
    member->set->mail.call.run = order_gate_set;
    memcpy(member->set->hash, uid->hash, sizeof member->set->hash);
    if (known != NULL)
        slots_take(member, known, slots);
    keeper_member_talk(member, known == NULL || is_live_by(known, slots) ? TALK_UNMET : TALK_OVER);
    ensure(order_line_insert(&uid->members, &member->rule));
    return true;
}

bool keeper_member_of_known(struct order_keeper *keeper, struct uid *uid, const struct order_known *known)
{
    size_t slots = keeper->gateway->node_count;
    struct member *member = keeper_member_find(uid, known->receipt, known->order);
    const struct order_member like = {.receipt = known->receipt,
                                      .order = known->order,
                                      .content = known->content,
                                      .is_returned = known->is_returned};
    if (member == NULL)
        return member_add(keeper, uid, &like, known);
    if (member->talk != TALK_MISSING)
        return true; // its worker is asked again
    bool is_live = is_live_by(known, slots);
    if (!is_live) {
        slots_take(member, known, slots);
        order_line_update(&uid->members, &member->rule);
    }
    keeper_member_talk(member, is_live ? TALK_UNMET : TALK_OVER);
    return true;
}

bool keeper_member_of_seen(struct order_keeper *keeper, struct uid *uid, const struct seen *seen)
{
    const struct order_member like = {.receipt = seen->receipt,
                                      .order = seen->order,
                                      .content = seen->content,
                                      .is_returned = seen->is_returned};
    return keeper_member_find(uid, seen->receipt, seen->order) != NULL ||
           member_add(keeper, uid, &like, NULL);
}
