// SPDX-License-Identifier: Apache-2.0
//
// `queue show`: what each archive is owed, by stage, and what rests, is gated, parked or held in groups of
// one reason. Each worker counts its own in one walk, main adds them up and asks the ledger for one example
// of each parked group.
#include "base/text.h"
#include "daemon/actions_contexts.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "forward/archive.h"
#include "store/ledger_reader.h"
#include <stdlib.h>
#include <string.h>

enum { GROUPS_MOST = 32 }; // reasons of one archive

struct group {
    enum delivery_stage stage;
    uint16_t status;  // of the example
    uint64_t count;   // deliveries
    uint64_t receipt; // the first one, as an example
    uint64_t next;    // RESTING: when the first is tried again, wall clock
    char reason[64];
};

struct owed {
    uint64_t stages[STAGE_SETTLED];
    uint64_t next; // when the archive is tried again, wall clock; 0: it is not waited with
    char problem[96];
    uint64_t ungrouped; // deliveries whose reasons found no room
    size_t group_count;
    struct group groups[GROUPS_MOST];
};

struct owed_round {
    struct round round;
    bool has_archive;
    size_t archive;
};

static struct owed_round *owed_round_of(struct round *round)
{
    return CONTAINER_OF(round, struct owed_round, round);
}

static void earliest_take(uint64_t *to, uint64_t when)
{
    if (when != 0 && (*to == 0 || when < *to))
        *to = when;
}

static void group_add(struct owed *owed, const struct group *more)
{
    size_t at = 0;
    while (at < owed->group_count &&
           (owed->groups[at].stage != more->stage || strcmp(owed->groups[at].reason, more->reason) != 0))
        at++;
    if (at == GROUPS_MOST) {
        owed->ungrouped += more->count;
        return;
    }
    struct group *group = &owed->groups[at];
    if (at == owed->group_count) {
        *group = *more;
        owed->group_count++;
        return;
    }
    group->count += more->count;
    earliest_take(&group->next, more->next);
    if (more->receipt < group->receipt) {
        group->receipt = more->receipt;
        group->status = more->status;
    }
}

// ---- on the worker ----

uint64_t actions_wall(struct ev_loop *loop, uint64_t when)
{
    return ev_wall_now(loop) + (when > ev_now(loop) ? when - ev_now(loop) : 0);
}

const char *actions_reason(const struct delivery *delivery)
{
    if (delivery->stage == STAGE_RESTING || delivery->stage == STAGE_PARKED || delivery->stage == STAGE_HELD)
        return delivery->reason;
    if (delivery->stage == STAGE_GATED && delivery->waits_for_primary)
        return "begins when the primary has said yes";
    if (delivery->stage == STAGE_GATED && delivery->note != 0)
        return "rejection note: goes after what it references";
    if (delivery->stage == STAGE_GATED && delivery->receipt->gate == RECEIPT_WATCHED)
        return "behind another receipt of its SOP Instance UID";
    return "";
}

static const enum delivery_stage grouped[] = {STAGE_RESTING, STAGE_GATED, STAGE_PARKED, STAGE_HELD};

static bool is_grouped(enum delivery_stage stage)
{
    return stage == STAGE_RESTING || stage == STAGE_GATED || stage == STAGE_PARKED || stage == STAGE_HELD;
}

static void archive_owed_fill(struct archive *archive, struct owed *owed)
{
    struct ev_loop *loop = archive->worker->loop;
    for (enum delivery_stage stage = STAGE_WAITING; stage < STAGE_SETTLED; stage++)
        owed->stages[stage] = archive_count(archive, stage);
    struct archive_refused refused;
    archive_refused_get(archive, &refused);
    text_copy(owed->problem, sizeof owed->problem,
              slice_of_text(archive->failures > 0 ? archive->last_failure : refused.text));
    if (archive->is_broken)
        owed->next = actions_wall(loop, archive->breaker_timer.deadline);
    for (size_t i = 0; i < sizeof grouped / sizeof grouped[0]; i++) {
        LIST_EACH(archive_list(archive, grouped[i]), node)
        {
            const struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
            struct group one = {.stage = delivery->stage,
                                .status = delivery->status,
                                .count = 1,
                                .receipt = delivery->receipt->number};
            if (one.stage == STAGE_RESTING)
                one.next = actions_wall(loop, delivery->when);
            text_copy(one.reason, sizeof one.reason, slice_of_text(actions_reason(delivery)));
            group_add(owed, &one);
        }
    }
}

struct asleep_walk {
    struct worker *worker;
    struct owed *archives;
};

static bool asleep_take(void *arg, const struct backlog_view *view)
{
    const struct asleep_walk *walk = arg;
    if (!is_grouped(view->stage))
        return true;
    struct group one = {.stage = view->stage, .status = view->status, .count = 1, .receipt = view->number};
    if (one.stage == STAGE_RESTING)
        one.next = actions_wall(walk->worker->loop, view->when);
    text_copy(one.reason, sizeof one.reason, slice_of_text(view->reason));
    group_add(&walk->archives[view->archive], &one);
    return true;
}

static void owed_work(struct part *part)
{
    struct worker *worker = part->worker;
    size_t count = worker->gateway->node_count;
    struct owed *archives = calloc(count, sizeof *archives);
    if (archives == NULL) {
        part_refuse(part);
        return;
    }
    for (size_t i = 0; i < count; i++)
        archive_owed_fill(&worker->archives[i], &archives[i]);
    struct asleep_walk walk = {worker, archives};
    backlog_each(&worker->backlog, asleep_take, &walk);
    part->answer = archives;
    part_done(part);
}

// ---- on main ----

static void owed_add(struct owed *to, const struct owed *from)
{
    for (enum delivery_stage stage = STAGE_WAITING; stage < STAGE_SETTLED; stage++)
        to->stages[stage] += from->stages[stage];
    earliest_take(&to->next, from->next);
    if (to->problem[0] == 0)
        text_copy(to->problem, sizeof to->problem, slice_of_text(from->problem));
    to->ungrouped += from->ungrouped;
    for (size_t i = 0; i < from->group_count; i++)
        group_add(to, &from->groups[i]);
}

static json_t *example_explain(struct gateway *gateway, struct contexts *contexts, size_t node,
                               const struct group *group)
{
    struct ledger_fact fact;
    json_t *explained = NULL;
    fact_init(&fact);
    if (group->stage == STAGE_PARKED && contexts != NULL &&
        ledger_find_receipt(gateway->platform.ledger, group->receipt, &fact) == OK &&
        fact.sop_class != NULL && fact.transfer_syntax != NULL)
        explained = contexts_explain(contexts, node, fact.sop_class, fact.transfer_syntax, group->status);
    fact_fini(&fact);
    return explained != NULL ? explained : json_null();
}

static json_t *group_json(struct gateway *gateway, struct contexts *contexts, size_t node,
                          const struct group *group)
{
    json_t *row = json_object();
    set_text(row, "stage", delivery_stage_name(group->stage));
    set_text(row, "reason", group->reason);
    set_number(row, "count", group->count);
    set_number(row, "receipt", group->receipt);
    set_time(row, "next", group->next);
    (void)json_object_set_new(row, "contexts", example_explain(gateway, contexts, node, group));
    return row;
}

static json_t *owed_json(struct gateway *gateway, struct contexts *contexts, size_t node,
                         const struct owed *owed)
{
    json_t *row = json_object();
    json_t *groups = json_array();
    uint64_t sum = 0;
    set_text(row, "archive", gateway->nodes[node].conf->name);
    set_flag(row, "paused", atomic_load(&gateway->nodes[node].is_paused));
    for (enum delivery_stage stage = STAGE_WAITING; stage < STAGE_SETTLED; stage++) {
        set_number(row, delivery_stage_name(stage), owed->stages[stage]);
        if (stage != STAGE_ANSWERED && stage != STAGE_PARKED)
            sum += owed->stages[stage];
    }
    set_number(row, "owed", sum);
    set_text(row, "problem", sum > 0 ? owed->problem : NULL);
    set_time(row, "next", owed->next);
    for (size_t i = 0; i < owed->group_count; i++)
        (void)json_array_append_new(groups, group_json(gateway, contexts, node, &owed->groups[i]));
    (void)json_object_set_new(row, "groups", groups);
    set_number(row, "ungrouped", owed->ungrouped);
    return row;
}

static void owed_finish(struct round *round)
{
    const struct owed_round *asked = owed_round_of(round);
    struct gateway *gateway = round->actions->gateway;
    struct contexts *contexts = contexts_new(gateway);
    struct owed *sum = round->parts[0]->answer;
    json_t *rows = json_array();
    for (size_t i = 0; i < gateway->node_count; i++) {
        if (asked->has_archive && asked->archive != i)
            continue;
        for (size_t part = 1; part < round->part_count; part++)
            owed_add(&sum[i], &((const struct owed *)round->parts[part]->answer)[i]);
        (void)json_array_append_new(rows, owed_json(gateway, contexts, i, &sum[i]));
    }
    contexts_free(contexts);
    json_t *body = json_object();
    (void)json_object_set_new(body, "archives", rows);
    round_end(round, ADMIN_FINE, body);
}

static const struct round_kind owed_kind = {
    .size = sizeof(struct owed_round),
    .work = owed_work,
    .finish = owed_finish,
};

void actions_queue_summary(void *arg, const char *archive, struct admin_reply *reply)
{
    struct actions *actions = arg;
    size_t index = 0;
    if (archive != NULL && actions_node_find(actions, archive, &index) == NULL) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", archive);
        return;
    }
    struct round *round = round_new(actions, &owed_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    owed_round_of(round)->has_archive = archive != NULL;
    owed_round_of(round)->archive = index;
    round_begin(round);
}
