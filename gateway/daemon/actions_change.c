// SPDX-License-Identifier: Apache-2.0
//
// `queue retry`, `park` and `drop`: decisions of a person about what is owed, carried out where the
// deliveries live. What is named is found in one walk over what is owed; "all" may be very many, each of
// which writes a journal record, so it goes in several turns of the worker's loop.
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/actions_durable.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "daemon/actions_removed.h"
#include "daemon/actions_selection.h"
#include "forward/archive.h"
#include <stdlib.h>
#include <string.h>

enum { CHANGES_PER_TURN = 500 };

static const char *const change_names[] = {
    [ADMIN_RETRY] = "retry",
    [ADMIN_PARK] = "park",
    [ADMIN_DROP] = "drop",
};

struct change_round {
    struct round round;
    enum admin_queue_change change;
    bool has_archive;
    size_t archive;
    bool is_all;
    struct receipt_selection selection;
    char person[ADMIN_TEXT];
    char reason[ADMIN_TEXT];
};

struct change_answer {
    struct part *part;
    struct ev_task task; // worker: the next turn of "all"
    struct durable durable;
    size_t archive; // where "all" stands
    enum delivery_stage stage;
    bool has_left; // `left` is set
    size_t left;   // of this list: what came later is not meant
    uint64_t changed;
    uint64_t unchanged;
};

static struct change_round *change_of(struct round *round)
{
    return CONTAINER_OF(round, struct change_round, round);
}

// ---- on the worker ----

static bool stage_allows(enum admin_queue_change change, enum delivery_stage stage)
{
    switch (change) {
    case ADMIN_RETRY:
        return stage == STAGE_PARKED || stage == STAGE_RESTING;
    case ADMIN_PARK:
        return stage == STAGE_WAITING || stage == STAGE_RESTING || stage == STAGE_GATED;
    case ADMIN_DROP:
        return stage == STAGE_WAITING || stage == STAGE_RESTING || stage == STAGE_GATED ||
               stage == STAGE_PARKED || stage == STAGE_HELD;
    }
    unreachable_state();
}

// A drop may free the receipt, and with it the delivery.
static void delivery_change(const struct change_round *change, struct delivery *delivery)
{
    struct slice person = slice_of_text(change->person), reason = slice_of_text(change->reason);
    switch (change->change) {
    case ADMIN_RETRY:
        delivery_unpark(delivery, person, reason);
        return;
    case ADMIN_PARK:
        delivery_park(delivery, change->reason, delivery->status, person);
        return;
    case ADMIN_DROP:
        delivery_drop(delivery, person, reason);
        return;
    }
    unreachable_state();
}

static bool archive_is_meant(const struct change_round *change, size_t archive)
{
    return !change->has_archive || change->archive == archive;
}

// Of what sleeps only the number is known; the ledger, too, has found what was asked for by UID.
static bool number_is_selected(void *arg, uint64_t number)
{
    const struct change_round *change = arg;
    return receipt_selection_has_number(&change->selection, number);
}

static void selected_change(const struct change_round *change, struct archive *archive,
                            enum delivery_stage stage, struct change_answer *answer)
{
    bool is_allowed = stage_allows(change->change, stage);
    LIST_EACH(archive_list(archive, stage), node)
    {
        struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        if (!receipt_selection_has(&change->selection, delivery->receipt))
            continue;
        if (is_allowed) {
            delivery_change(change, delivery);
            answer->changed++;
        } else {
            answer->unchanged++;
        }
    }
}

static const enum delivery_stage owed_stages[] = {STAGE_WAITING, STAGE_RESTING, STAGE_GATED,
                                                  STAGE_SENDING, STAGE_PARKED,  STAGE_HELD};
enum { OWED_STAGES = sizeof owed_stages / sizeof owed_stages[0] };

// The stages that nothing is taken from come first: what is changed moves into one of them.
static void archive_selected_change(const struct change_round *change, struct archive *archive,
                                    struct change_answer *answer)
{
    for (int is_source = 0; is_source <= 1; is_source++)
        for (size_t i = 0; i < OWED_STAGES; i++)
            if (stage_allows(change->change, owed_stages[i]) == (is_source == 1))
                selected_change(change, archive, owed_stages[i], answer);
}

// Changes at most `budget` of one stage and returns how many; `left` counts down what was in it at first.
// Those that sleep are woken lot by lot.
static size_t stage_change(const struct change_round *change, struct archive *archive,
                           enum delivery_stage stage, size_t *left, size_t budget)
{
    struct list *list = archive_list(archive, stage);
    size_t done = 0;
    for (; done<budget && * left> 0; done++, (*left)--) {
        if (list_is_empty(list) && backlog_stage_wake(archive, stage, budget - done) == 0)
            break;
        // Retried ones go back by order of receipt, near the front: from the last on, each finds its place at
        // once.
        struct list_node *node = change->change == ADMIN_RETRY ? list_last(list) : list_first(list);
        delivery_change(change, CONTAINER_OF(node, struct delivery, node));
    }
    if (archive_count(archive, stage) == 0)
        *left = 0;
    return done;
}

static void on_all_turn(void *arg)
{
    struct change_answer *answer = arg;
    struct part *part = answer->part;
    struct worker *worker = part->worker;
    const struct change_round *change = change_of(part->round);
    size_t budget = CHANGES_PER_TURN;
    if (worker->is_stopping) {
        part_refuse(part);
        return;
    }
    for (; answer->archive < worker->gateway->node_count; answer->archive++, answer->stage = STAGE_WAITING) {
        struct archive *archive = &worker->archives[answer->archive];
        if (!archive_is_meant(change, answer->archive))
            continue;
        for (; answer->stage < STAGE_SETTLED; answer->stage++, answer->has_left = false) {
            if (!stage_allows(change->change, answer->stage))
                continue;
            if (!answer->has_left)
                answer->left = archive_count(archive, answer->stage);
            answer->has_left = true;
            size_t done = stage_change(change, archive, answer->stage, &answer->left, budget);
            answer->changed += done;
            budget -= done;
            if (answer->left > 0) {
                ev_task_defer(&answer->task);
                return;
            }
        }
    }
    durable_part_done(&answer->durable, answer->changed);
}

// Before the deliveries, so that those that are changed are not counted twice. All of them together wait for
// an archive that is down: "now" has to reach the archive too.
static void archives_try_now(const struct change_round *change, struct worker *worker,
                             struct change_answer *answer)
{
    for (size_t i = 0; i < worker->gateway->node_count; i++) {
        if (!archive_is_meant(change, i))
            continue;
        size_t waited = archive_try_now(&worker->archives[i]);
        if (change->is_all)
            answer->changed += waited;
    }
}

static void change_work(struct part *part)
{
    const struct change_round *change = change_of(part->round);
    struct worker *worker = part->worker;
    struct change_answer *answer = calloc(1, sizeof *answer);
    part->answer = answer;
    if (answer == NULL || worker->is_stopping) {
        part_refuse(part);
        return;
    }
    answer->part = part;
    answer->stage = STAGE_WAITING;
    ev_task_init(&answer->task, worker->loop, on_all_turn, answer);
    durable_init(&answer->durable, part);
    if (change->change == ADMIN_RETRY)
        archives_try_now(change, worker, answer);
    if (change->is_all) {
        on_all_turn(answer);
        return;
    }
    if (change->selection.count > 0 &&
        !backlog_receipts_wake(worker, number_is_selected, change_of(part->round))) {
        part_refuse(part);
        return;
    }
    for (size_t i = 0; i < worker->gateway->node_count; i++)
        if (archive_is_meant(change, i))
            archive_selected_change(change, &worker->archives[i], answer);
    durable_part_done(&answer->durable, answer->changed);
}

static void change_cancel(struct part *part)
{
    struct change_answer *answer = part->answer;
    ev_task_fini(&answer->task);
    durable_cancel(&answer->durable);
}

// ---- on main ----

static void change_finish(struct round *round)
{
    const struct change_round *change = change_of(round);
    uint64_t changed = 0, unchanged = 0;
    bool is_durable = true;
    for (size_t i = 0; i < round->part_count; i++) {
        const struct change_answer *answer = round->parts[i]->answer;
        changed += answer->changed;
        unchanged += answer->unchanged;
        is_durable &= answer->durable.is_durable;
    }
    log_event(LOG_ADMIN_QUEUE_CHANGED, log_text(change_names[change->change]), log_text(change->person),
              log_number(changed), log_number(unchanged));
    durable_round_end(round, changed, unchanged, is_durable);
}

static void change_fini(struct round *round)
{
    receipt_selection_fini(&change_of(round)->selection);
}

static const struct round_kind change_kind = {
    .size = sizeof(struct change_round),
    .work = change_work,
    .finish = change_finish,
    .cancel = change_cancel,
    .fini = change_fini,
};

static void text_keep(char *to, const char *from, const char *otherwise)
{
    text_copy(to, ADMIN_TEXT, slice_of_text(from != NULL ? from : otherwise));
}

void actions_queue_change(void *arg, enum admin_queue_change change, const struct admin_selection *selection,
                          struct admin_reply *reply)
{
    struct actions *actions = arg;
    size_t archive = 0;
    uint32_t removed;
    if (change == ADMIN_DROP && removed_id_parse(actions, selection->archive, &removed)) {
        removed_drop(actions, removed, selection, reply);
        return;
    }
    if (selection->archive != NULL && actions_node_find(actions, selection->archive, &archive) == NULL) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", selection->archive);
        return;
    }
    struct round *round = round_new(actions, &change_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    struct change_round *asked = change_of(round);
    asked->change = change;
    asked->has_archive = selection->archive != NULL;
    asked->archive = archive;
    asked->is_all = selection->is_all;
    text_keep(asked->person, selection->person, "unnamed");
    text_keep(asked->reason, selection->reason, change == ADMIN_PARK ? "parked by a person" : "");
    if (receipt_selection_find(&asked->selection, actions->gateway, selection->receipts,
                               selection->receipt_count, selection->uid) != OK)
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
    else
        round_begin(round);
}
