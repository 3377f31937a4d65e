// SPDX-License-Identifier: Apache-2.0
#include "order/rule.h"

struct view {
    struct order_line *line;
    size_t archive;
    struct list *changed;
    struct order_rejection rejection;
    uint64_t barred_from;          // what is not released and of this order or a later one may not be sent
    struct order_member *accepted; // the newest accepted one
    struct order_member *newest;   // the newest that could be sent
    struct order_member *sending;
    struct order_member *permitted; // may send although it is not the newest
};

static struct order_member *newest_that(const struct view *view, enum order_trait trait, uint64_t before)
{
    return order_line_newest(view->line, view->archive, trait, before);
}

// FIELD 13: what came before a rejection note is not sent any more, what comes after it, or after a receipt
// that was rejected, waits for a person.
static uint64_t barred_from(const struct view *view)
{
    const struct order_member *rejected = order_line_oldest(view->line, view->archive, ORDER_IS_REJECTED, 0);
    if (view->rejection.order != 0)
        return 0;
    return rejected != NULL ? rejected->order + 1 : UINT64_MAX;
}

static struct order_member *newer_of(struct order_member *one, struct order_member *other)
{
    return one == NULL || (other != NULL && other->order > one->order) ? other : one;
}

static void view_take(struct view *view)
{
    view->barred_from = barred_from(view);
    view->accepted = newest_that(view, ORDER_IS_ACCEPTED, UINT64_MAX);
    view->newest = newer_of(newest_that(view, ORDER_IS_FREE, UINT64_MAX),
                            newest_that(view, ORDER_IS_COMING, view->barred_from));
    view->sending = newest_that(view, ORDER_IS_SENDING, UINT64_MAX);
    view->permitted = newest_that(view, ORDER_IS_PERMITTED, UINT64_MAX);
    if (view->permitted != NULL && view->permitted == view->newest)
        view->permitted = newest_that(view, ORDER_IS_PERMITTED, view->newest->order);
}

// The same content as the last accepted one, and nothing else in between that the archive might hold instead.
static bool is_duplicate(const struct view *view)
{
#if DG_FAULT_DUPLICATE_BY_UID
    return view->accepted != NULL;
#endif
    return view->accepted != NULL && order_line_is_uniform(view->line, view->accepted, view->newest);
}

// For one that is owed no more, or that a person must release; else it is to wait.
static enum order_action end_of(const struct view *view, const struct order_member *member)
{
    const struct order_slot *slot = &member->slots[view->archive];
    if (slot->stage == ORDER_SENDING)
        return ORDER_HOLD;
    if (!slot->is_released && member->order >= view->barred_from)
        return member->order < view->rejection.order ? ORDER_REJECT : ORDER_HOLD_REJECTED;
    if (view->accepted == NULL)
        return ORDER_HOLD;
    if (member->is_returned)
        return ORDER_LOOP;
    if (member->order > view->accepted->order)
        return ORDER_HOLD;
    return order_content_is_same(&member->content, &view->accepted->content) ? ORDER_DUPLICATE
                                                                             : ORDER_SUPERSEDE;
}

static void newest_decide(const struct view *view, struct order_slot *slot)
{
    if (view->sending == view->newest) {
        slot->wanted = ORDER_SEND; // goes on
    } else if (view->sending == NULL && view->permitted == NULL) {
        slot->wanted = is_duplicate(view) ? ORDER_DUPLICATE : ORDER_SEND;
        if (slot->wanted == ORDER_SEND)
            order_line_contents_note(view->line, view->newest, view->archive);
    }
}

static uint64_t evidence_of(const struct view *view, enum order_action wanted)
{
    if (wanted == ORDER_REJECT || wanted == ORDER_HOLD_REJECTED)
        return view->rejection.receipt;
    return view->accepted != NULL ? view->accepted->receipt : 0;
}

static void decide(const struct view *view, struct order_member *member)
{
    struct order_slot *slot = &member->slots[view->archive];
    slot->wanted = end_of(view, member);
    if (member == view->newest && slot->wanted == ORDER_HOLD)
        newest_decide(view, slot);
    slot->evidence = evidence_of(view, slot->wanted);
    if (slot->wanted != slot->action && !list_node_is_linked(&member->changed_node))
        list_append(view->changed, &member->changed_node);
}

// Decides about all with the trait whose order is at least `from` and below `before`.
static void decide_all(const struct view *view, enum order_trait trait, uint64_t from, uint64_t before)
{
    struct order_member *member = order_line_oldest(view->line, view->archive, trait, from);
    while (member != NULL && member->order < before) {
        decide(view, member);
        member = order_line_oldest(view->line, view->archive, trait, member->order + 1);
    }
}

void order_rule_apply(struct order_line *line, size_t archive, struct order_rejection rejection,
                      struct list *changed)
{
    struct view view = {.line = line, .archive = archive, .rejection = rejection, .changed = changed};
    view_take(&view);
    decide_all(&view, ORDER_IS_BOUND, 0, UINT64_MAX);
    // Once for each: then they are told, and mostly soon owed no more.
    decide_all(&view, ORDER_IS_BARRED, 0, rejection.order != 0 ? rejection.order : view.barred_from);
    decide_all(&view, ORDER_IS_BARRABLE, view.barred_from, UINT64_MAX);
    if (view.accepted != NULL) {
        decide_all(&view, ORDER_IS_IDLE, 0, view.accepted->order);
        decide_all(&view, ORDER_IS_RETURNED, 0, UINT64_MAX);
    }
    if (view.newest != NULL)
        decide(&view, view.newest);
}

bool order_rule_is_done(struct order_line *line)
{
    for (size_t i = 0; i < line->archives; i++)
        if (order_line_newest(line, i, ORDER_IS_OWED, UINT64_MAX) != NULL)
            return false;
    return true;
}
