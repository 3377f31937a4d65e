// SPDX-License-Identifier: Apache-2.0
#include "order/rule.h"

struct view {
    struct order_line *line;
    size_t archive;
    struct list *changed;
    struct order_member *accepted; // the newest accepted one
    struct order_member *newest;   // the newest that could be sent
    struct order_member *sending;
    struct order_member *permitted; // may send although it is not the newest
};

static struct order_member *newest_that(const struct view *view, enum order_trait trait, uint64_t before)
{
    return order_line_newest(view->line, view->archive, trait, before);
}

static struct view view_take(struct order_line *line, size_t archive, struct list *changed)
{
    struct view view = {.line = line, .archive = archive, .changed = changed};
    view.accepted = newest_that(&view, ORDER_IS_ACCEPTED, UINT64_MAX);
    view.newest = newest_that(&view, ORDER_IS_COMING, UINT64_MAX);
    view.sending = newest_that(&view, ORDER_IS_SENDING, UINT64_MAX);
    view.permitted = newest_that(&view, ORDER_IS_PERMITTED, UINT64_MAX);
    if (view.permitted != NULL && view.permitted == view.newest)
        view.permitted = newest_that(&view, ORDER_IS_PERMITTED, view.newest->order);
    return view;
}

// The same content as the last accepted one, and nothing else in between that the archive might hold instead.
static bool is_duplicate(const struct view *view)
{
#if DG_FAULT_DUPLICATE_BY_UID
    return view->accepted != NULL;
#endif
    return view->accepted != NULL && order_line_is_uniform(view->line, view->accepted, view->newest);
}

// For one that is owed no more because another one was accepted; else it is to wait.
static enum order_action end_of(const struct view *view, const struct order_member *member)
{
    if (view->accepted == NULL || member->slots[view->archive].stage == ORDER_SENDING)
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

static void decide(const struct view *view, struct order_member *member)
{
    struct order_slot *slot = &member->slots[view->archive];
    slot->wanted = end_of(view, member);
    if (member == view->newest && slot->wanted == ORDER_HOLD)
        newest_decide(view, slot);
    if (view->accepted != NULL)
        slot->evidence = view->accepted->receipt;
    if (slot->wanted != slot->action && !list_node_is_linked(&member->changed_node))
        list_append(view->changed, &member->changed_node);
}

// Decides about all with the trait whose order is below `before`.
static void decide_all(const struct view *view, enum order_trait trait, uint64_t before)
{
    struct order_member *member = order_line_oldest(view->line, view->archive, trait, 0);
    while (member != NULL && member->order < before) {
        decide(view, member);
        member = order_line_oldest(view->line, view->archive, trait, member->order + 1);
    }
}

void order_rule_apply(struct order_line *line, size_t archive, struct list *changed)
{
    struct view view = view_take(line, archive, changed);
    decide_all(&view, ORDER_IS_BOUND, UINT64_MAX);
    if (view.accepted != NULL) { // once for each: then they are bound, and soon owed no more
        decide_all(&view, ORDER_IS_IDLE, view.accepted->order);
        decide_all(&view, ORDER_IS_RETURNED, UINT64_MAX);
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
