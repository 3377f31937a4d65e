// SPDX-License-Identifier: Apache-2.0
//
// The open index is read on the main loop in small lots. A drop is an OUTCOME record like any other, written
// on the worker of the receipt's stream, and answered when it is durable.
#include "daemon/actions_removed.h"
#include "base/check.h"
#include "base/grow.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/actions_durable.h"
#include "daemon/actions_json.h"
#include "daemon/actions_selection.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include <stdlib.h>
#include <string.h>

enum { LOT = 1000, DROPS_PER_TURN = 500 };

bool removed_id_parse(const struct actions *actions, const char *name, uint32_t *id)
{
    uint64_t number;
    if (name == NULL || text_number(slice_of_text(name), UINT16_MAX, &number) != OK)
        return false;
    for (size_t i = 0; i < actions->gateway->node_count; i++)
        if (actions->gateway->nodes[i].conf->id == number ||
            strcmp(actions->gateway->nodes[i].conf->name, name) == 0)
            return false;
    *id = (uint32_t)number;
    return true;
}

static const struct open_delivery *owed_to(const struct open_entry *entry, uint32_t id)
{
    for (size_t i = 0; i < entry->delivery_count; i++)
        if (entry->deliveries[i].archive == id)
            return delivery_state_settles(entry->deliveries[i].state) ? NULL : &entry->deliveries[i];
    return NULL;
}

// ---- list ----

struct found {
    uint64_t receipt;
    uint64_t closed_at;
    uint32_t attempts;
    enum delivery_state state;
};

struct removed_list {
    struct round round;
    uint32_t id;
    enum admin_state state;
    uint64_t after; // goes on from lot to lot
    uint32_t limit;
    size_t count;
    struct found *found; // limit + 1
};

static struct removed_list *list_of(struct round *round)
{
    return CONTAINER_OF(round, struct removed_list, round);
}

static bool state_is_asked(enum admin_state asked, enum delivery_state state)
{
    if (state == DELIVERY_ANSWERED)
        return asked == ADMIN_ANSWERED;
    if (state == DELIVERY_PARKED)
        return asked == ADMIN_ANY || asked == ADMIN_PARKED;
    if (state == DELIVERY_HELD)
        return asked == ADMIN_ANY || asked == ADMIN_HELD;
    return asked == ADMIN_ANY || asked == ADMIN_WAITING;
}

static enum result list_take(void *arg, const struct open_entry *entry)
{
    struct removed_list *list = arg;
    const struct open_delivery *delivery = owed_to(entry, list->id);
    list->after = entry->receipt;
    if (delivery == NULL || !state_is_asked(list->state, delivery->state))
        return OK;
    list->found[list->count++] =
        (struct found){entry->receipt, entry->closed_at, delivery->attempts, delivery->state};
    return list->count > list->limit ? CLOSED : OK; // one more, to know that there is one
}

static const char *state_name(enum delivery_state state)
{
    return admin_state_text(state == DELIVERY_PARKED     ? ADMIN_PARKED
                            : state == DELIVERY_HELD     ? ADMIN_HELD
                            : state == DELIVERY_ANSWERED ? ADMIN_ANSWERED
                                                         : ADMIN_WAITING);
}

static json_t *found_json(struct gateway *gateway, const struct removed_list *list, const struct found *found)
{
    struct ledger_fact fact;
    char name[32], text[80] = "";
    json_t *item = json_object();
    text_format(name, sizeof name, "%u", (unsigned)list->id);
    set_number(item, "receipt", found->receipt);
    set_text(item, "archive", name);
    set_text(item, "state", state_name(found->state));
    fact_init(&fact);
    if (ledger_find_receipt(gateway->platform.ledger, found->receipt, &fact) == OK) {
        text_printable(text, sizeof text, slice_of_text(fact.sop_class != NULL ? fact.sop_class : ""));
        set_text(item, "sop_class", text);
        text_printable(text, sizeof text, slice_of_text(fact.sop_instance != NULL ? fact.sop_instance : ""));
        set_text(item, "uid", text);
        set_number(item, "bytes", fact.length);
    }
    fact_fini(&fact);
    set_time(item, "received", found->closed_at);
    set_number(item, "attempts", found->attempts);
    set_time(item, "next", 0);
    set_text(item, "reason", "its node is not in the configuration any more");
    return item;
}

static void list_turn(struct round *round)
{
    struct removed_list *list = list_of(round);
    struct gateway *gateway = round->actions->gateway;
    bool is_last = true;
    enum result result =
        open_index_some(gateway->platform.ledger, list->after, LOT, list_take, list, &is_last);
    if (result == OK && !is_last) {
        ev_timer_start(&round->timer, 0);
        return;
    }
    if (result != OK && result != CLOSED) {
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
        return;
    }
    json_t *body = json_object(), *items = json_array();
    size_t shown = list->count < list->limit ? list->count : list->limit;
    for (size_t i = 0; i < shown; i++)
        (void)json_array_append_new(items, found_json(gateway, list, &list->found[i]));
    (void)json_object_set_new(body, "items", items);
    set_flag(body, "more", list->count > list->limit);
    round_end(round, ADMIN_FINE, body);
}

static void list_fini(struct round *round)
{
    free(list_of(round)->found);
}

static void nothing(struct part *part)
{
    part_done(part);
}

static const struct round_kind list_kind = {
    .size = sizeof(struct removed_list),
    .work = nothing,
    .finish = list_turn,
    .turn = list_turn,
    .fini = list_fini,
};

void removed_list(struct actions *actions, uint32_t id, const struct admin_filter *filter,
                  struct admin_reply *reply)
{
    struct round *round = round_new(actions, &list_kind, reply, 0, 1);
    if (round == NULL)
        return;
    struct removed_list *list = list_of(round);
    list->id = id;
    list->state = filter->state;
    list->after = filter->after;
    list->limit = filter->limit;
    list->found = calloc((size_t)filter->limit + 1, sizeof *list->found);
    if (list->found == NULL)
        round_end(round, ADMIN_FAILED, NULL);
    else
        round_begin(round);
}

// ---- drop ----

struct removed_drop {
    struct round round;
    uint32_t id;
    bool is_all;
    uint64_t after;
    struct receipt_selection selection;
    uint64_t *receipts;
    size_t count;
    size_t capacity;
    char person[ADMIN_TEXT];
    char reason[ADMIN_TEXT];
};

struct drop_answer {
    struct part *part;
    struct ev_task task;
    struct durable durable;
    size_t at;
    uint64_t changed;
};

static struct removed_drop *drop_of(struct round *round)
{
    return CONTAINER_OF(round, struct removed_drop, round);
}

static enum result drop_take(void *arg, const struct open_entry *entry)
{
    struct removed_drop *drop = arg;
    drop->after = entry->receipt;
    bool is_asked = drop->is_all || receipt_selection_has_number(&drop->selection, entry->receipt);
    if (!is_asked || owed_to(entry, drop->id) == NULL)
        return OK;
    enum result result = ARRAY_GROW(drop->receipts, drop->capacity, drop->count + 1);
    if (result == OK)
        drop->receipts[drop->count++] = entry->receipt;
    return result;
}

static void drop_turn(struct round *round)
{
    struct removed_drop *drop = drop_of(round);
    bool is_last = true;
    enum result result = open_index_some(round->actions->gateway->platform.ledger, drop->after, LOT,
                                         drop_take, drop, &is_last);
    if (result != OK)
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
    else if (!is_last)
        ev_timer_start(&round->timer, 0);
    else
        round_begin(round);
}

static void outcome_note(const struct removed_drop *drop, struct worker *worker, uint64_t receipt)
{
    struct record_outcome outcome = {.receipt = receipt,
                                     .archive = drop->id,
                                     .kind = RECORD_DROPPED_PERSON,
                                     .answered = ev_wall_now(worker->loop),
                                     .person = slice_of_text(drop->person),
                                     .comment = slice_of_text(drop->reason)};
    notes_outcome(&worker->notes, &outcome);
}

static void on_drop_task(void *arg)
{
    struct drop_answer *answer = arg;
    struct part *part = answer->part;
    struct worker *worker = part->worker;
    const struct removed_drop *drop = drop_of(part->round);
    unsigned workers = worker->gateway->platform.workers;
    if (worker->is_stopping) {
        part_refuse(part);
        return;
    }
    for (unsigned left = DROPS_PER_TURN; left > 0 && answer->at < drop->count; answer->at++) {
        uint64_t receipt = drop->receipts[answer->at];
        if (journal_receipt_stream(receipt) % workers != worker->index)
            continue;
        outcome_note(drop, worker, receipt);
        answer->changed++;
        left--;
    }
    if (answer->at < drop->count)
        ev_task_defer(&answer->task);
    else
        durable_part_done(&answer->durable, answer->changed);
}

static void drop_work(struct part *part)
{
    struct drop_answer *answer = calloc(1, sizeof *answer);
    part->answer = answer;
    if (answer == NULL) {
        part_refuse(part);
        return;
    }
    answer->part = part;
    ev_task_init(&answer->task, part->worker->loop, on_drop_task, answer);
    durable_init(&answer->durable, part);
    on_drop_task(answer);
}

static void drop_cancel(struct part *part)
{
    struct drop_answer *answer = part->answer;
    ev_task_fini(&answer->task);
    durable_cancel(&answer->durable);
}

static void uncount(uint64_t *count, uint64_t changed)
{
    *count -= changed < *count ? changed : *count;
}

// The alarm of status counts what was owed at the start.
static void removed_uncount(struct gateway *gateway, uint32_t id, uint64_t changed)
{
    struct journal_recovery_figures *figures = &gateway->recovery;
    for (size_t i = 0; i < figures->removed_count; i++)
        if (figures->removed[i].id == id) {
            uncount(&figures->removed[i].receipts, changed);
            return;
        }
    uncount(&figures->removed_more, changed);
}

static void drop_finish(struct round *round)
{
    struct removed_drop *drop = drop_of(round);
    uint64_t changed = 0;
    bool is_durable = true;
    for (size_t i = 0; i < round->part_count; i++) {
        const struct drop_answer *answer = round->parts[i]->answer;
        changed += answer->changed;
        is_durable &= answer->durable.is_durable;
    }
    removed_uncount(round->actions->gateway, drop->id, changed);
    log_event(LOG_ADMIN_QUEUE_CHANGED, log_text("drop"), log_text(drop->person), log_number(changed),
              log_number(0));
    durable_round_end(round, changed, 0, is_durable);
}

static void drop_fini(struct round *round)
{
    receipt_selection_fini(&drop_of(round)->selection);
    free(drop_of(round)->receipts);
}

static const struct round_kind drop_kind = {
    .size = sizeof(struct removed_drop),
    .work = drop_work,
    .finish = drop_finish,
    .turn = drop_turn,
    .cancel = drop_cancel,
    .fini = drop_fini,
};

void removed_drop(struct actions *actions, uint32_t id, const struct admin_selection *selection,
                  struct admin_reply *reply)
{
    struct round *round = round_new(actions, &drop_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    struct removed_drop *drop = drop_of(round);
    drop->id = id;
    drop->is_all = selection->is_all;
    text_copy(drop->person, sizeof drop->person,
              slice_of_text(selection->person != NULL ? selection->person : "unnamed"));
    text_copy(drop->reason, sizeof drop->reason,
              slice_of_text(selection->reason != NULL ? selection->reason : ""));
    if (receipt_selection_find(&drop->selection, actions->gateway, selection->receipts,
                               selection->receipt_count, selection->uid) == OK)
        drop_turn(round);
    else
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
}
