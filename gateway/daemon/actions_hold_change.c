// SPDX-License-Identifier: Apache-2.0
//
// `hold release` and `hold reject`: decisions of a person about what is held, carried out where the
// deliveries live. Each worker first finds all that are meant in one walk, then changes them in several turns
// of its loop, since each change writes a journal record.
#include "base/log.h"
#include "base/text.h"
#include "daemon/actions_durable.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "daemon/actions_selection.h"
#include "forward/archive.h"
#include <stdlib.h>
#include <string.h>

enum { CHANGES_PER_TURN = 500, MEANT_FIRST = 64 };

struct hold_change_round {
    struct round round;
    enum admin_hold_change change;
    bool has_archive;
    size_t archive;
    bool is_all;
    struct receipt_selection selection;
    char held_for[ADMIN_TEXT]; // "": whatever it is held for
    char person[ADMIN_TEXT];
    char reason[ADMIN_TEXT];
};

struct meant {
    uint64_t order;
    uint64_t receipt;
    size_t archive; // index of the node
};

struct hold_change_answer {
    struct part *part;
    struct ev_task task;
    bool has_task;
    struct durable durable;
    uint64_t changed;
    uint64_t unchanged; // not held any more when its turn came
    size_t next;
    size_t count;
    size_t capacity;
    struct meant meant[];
};

static struct hold_change_round *change_of(struct round *round)
{
    return CONTAINER_OF(round, struct hold_change_round, round);
}

// ---- on the worker: who is meant ----

static bool is_held_for(const struct hold_change_round *change, const char *reason)
{
    return change->held_for[0] == 0 || strstr(reason, change->held_for) != NULL;
}

// False: no memory.
static bool meant_add(struct hold_change_answer **owned, uint64_t order, uint64_t receipt, size_t archive)
{
    struct hold_change_answer *answer = *owned;
    if (answer->count == answer->capacity) {
        size_t capacity = answer->capacity == 0 ? MEANT_FIRST : 2 * answer->capacity;
        struct hold_change_answer *larger =
            realloc(answer, sizeof *larger + capacity * sizeof larger->meant[0]);
        if (larger == NULL)
            return false;
        larger->capacity = capacity;
        *owned = answer = larger;
    }
    answer->meant[answer->count++] = (struct meant){order, receipt, archive};
    return true;
}

static bool archive_meant_find(const struct hold_change_round *change, struct archive *archive, size_t index,
                               struct hold_change_answer **answer)
{
    LIST_EACH(archive_list(archive, STAGE_HELD), node)
    {
        const struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        const struct receipt *receipt = delivery->receipt;
        bool is_meant = (change->is_all || receipt_selection_has(&change->selection, receipt)) &&
                        is_held_for(change, delivery->reason);
        if (is_meant && !meant_add(answer, receipt->order, receipt->number, index))
            return false;
    }
    return true;
}

struct asleep_search {
    const struct hold_change_round *change;
    struct hold_change_answer **answer;
    bool is_complete;
};

static bool asleep_find(void *arg, const struct backlog_view *view)
{
    struct asleep_search *search = arg;
    const struct hold_change_round *change = search->change;
    bool is_meant = view->stage == STAGE_HELD && (!change->has_archive || change->archive == view->archive) &&
                    (change->is_all || receipt_selection_has_number(&change->selection, view->number)) &&
                    is_held_for(change, view->reason);
    if (is_meant)
        search->is_complete = meant_add(search->answer, view->order, view->number, view->archive);
    return search->is_complete;
}

// ---- on the worker: the changes ----

static struct delivery *held_find(struct worker *worker, const struct meant *meant)
{
    struct receipt *receipt = backlog_receipt_find(worker, meant->order, meant->receipt);
    for (unsigned i = 0; receipt != NULL && i < receipt->delivery_count; i++)
        if (receipt->deliveries[i].archive == &worker->archives[meant->archive] &&
            receipt->deliveries[i].stage == STAGE_HELD)
            return &receipt->deliveries[i];
    return NULL;
}

static void delivery_change(const struct hold_change_round *change, struct delivery *delivery)
{
    struct slice person = slice_of_text(change->person);
    struct slice reason = slice_of_text(change->reason);
    if (change->change == ADMIN_RELEASE)
        delivery_release(delivery, person, reason);
    else
        delivery_reject(delivery, person, reason);
}

static void on_turn(void *arg)
{
    struct hold_change_answer *answer = arg;
    struct part *part = answer->part;
    struct worker *worker = part->worker;
    if (worker->is_stopping) {
        part_refuse(part);
        return;
    }
    for (unsigned i = 0; i < CHANGES_PER_TURN && answer->next < answer->count; i++, answer->next++) {
        struct delivery *delivery = held_find(worker, &answer->meant[answer->next]);
        if (delivery != NULL)
            delivery_change(change_of(part->round), delivery);
        answer->changed += delivery != NULL;
        answer->unchanged += delivery == NULL;
    }
    if (answer->next < answer->count)
        ev_task_defer(&answer->task);
    else
        durable_part_done(&answer->durable, answer->changed);
}

static void hold_change_work(struct part *part)
{
    const struct hold_change_round *change = change_of(part->round);
    struct worker *worker = part->worker;
    struct hold_change_answer *answer = calloc(1, sizeof *answer);
    struct asleep_search search = {change, &answer, answer != NULL};
    for (size_t i = 0; search.is_complete && i < worker->gateway->node_count; i++)
        if (!change->has_archive || change->archive == i)
            search.is_complete = archive_meant_find(change, &worker->archives[i], i, &answer);
    if (search.is_complete)
        backlog_each(&worker->backlog, asleep_find, &search);
    part->answer = answer;
    if (!search.is_complete) {
        part_refuse(part);
        return;
    }
    answer->part = part; // it does not move any more
    ev_task_init(&answer->task, worker->loop, on_turn, answer);
    durable_init(&answer->durable, part);
    answer->has_task = true;
    on_turn(answer);
}

static void hold_change_cancel(struct part *part)
{
    struct hold_change_answer *answer = part->answer;
    if (answer == NULL || !answer->has_task)
        return;
    ev_task_fini(&answer->task);
    durable_cancel(&answer->durable);
}

// ---- on main ----

static void hold_change_finish(struct round *round)
{
    const struct hold_change_round *change = change_of(round);
    uint64_t changed = 0, unchanged = 0;
    bool is_durable = true;
    for (size_t i = 0; i < round->part_count; i++) {
        const struct hold_change_answer *answer = round->parts[i]->answer;
        changed += answer->changed;
        unchanged += answer->unchanged;
        is_durable &= answer->durable.is_durable;
    }
    log_event(LOG_ADMIN_HOLD_CHANGED, log_text(change->change == ADMIN_RELEASE ? "release" : "reject"),
              log_text(change->person), log_number(changed), log_number(unchanged));
    durable_round_end(round, changed, unchanged, is_durable);
}

static void hold_change_fini(struct round *round)
{
    receipt_selection_fini(&change_of(round)->selection);
}

static const struct round_kind hold_change_kind = {
    .size = sizeof(struct hold_change_round),
    .work = hold_change_work,
    .finish = hold_change_finish,
    .cancel = hold_change_cancel,
    .fini = hold_change_fini,
};

void actions_hold_change(void *arg, enum admin_hold_change change, const struct admin_selection *selection,
                         struct admin_reply *reply)
{
    struct actions *actions = arg;
    size_t archive = 0;
    if (selection->archive != NULL && actions_node_find(actions, selection->archive, &archive) == NULL) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", selection->archive);
        return;
    }
    struct round *round = round_new(actions, &hold_change_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    struct hold_change_round *asked = change_of(round);
    asked->change = change;
    asked->has_archive = selection->archive != NULL;
    asked->archive = archive;
    asked->is_all = selection->is_all;
    text_copy(asked->person, sizeof asked->person, slice_of_text(selection->person));
    text_copy(asked->reason, sizeof asked->reason, slice_of_text(selection->reason));
    if (selection->held_for != NULL)
        text_copy(asked->held_for, sizeof asked->held_for, slice_of_text(selection->held_for));
    enum result result =
        selection->study != NULL
            ? receipt_selection_find_study(&asked->selection, actions->gateway, selection->study)
            : receipt_selection_find(&asked->selection, actions->gateway, selection->receipts,
                                     selection->receipt_count, selection->uid);
    if (result != OK)
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
    else
        round_begin(round);
}
