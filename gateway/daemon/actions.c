// SPDX-License-Identifier: Apache-2.0
//
// Rounds and their parts; see actions_private.h.
#include "daemon/actions.h"
#include "base/check.h"
#include "base/magic.h"
#include "base/units.h"
#include "daemon/actions_private.h"
#include <stdlib.h>
#include <string.h>

#define ACTIONS_MAGIC 0x41435431u
#define ROUND_MAGIC   0x524e4431u
#define PART_MAGIC    0x50525431u

enum { POST_ATTEMPTS = 50 };
#define POST_RETRY_NS (20 * NSEC_PER_MS)

const struct admin_actions actions_table = {
    .status = actions_status,
    .queue_list = actions_queue_list,
    .queue_summary = actions_queue_summary,
    .queue_change = actions_queue_change,
    .hold_list = actions_hold_list,
    .hold_show = actions_hold_show,
    .hold_change = actions_hold_change,
    .archive_list = actions_archive_list,
    .archive_change = actions_archive_change,
    .archive_capabilities = actions_archive_capabilities,
    .config_reload = actions_config_reload,
    .crosswalk_change = actions_crosswalk_change,
};

struct node *actions_node_find(struct actions *actions, const char *name, size_t *index)
{
    for (size_t i = 0; i < actions->gateway->node_count; i++) {
        if (strcmp(actions->gateway->nodes[i].conf->name, name) != 0)
            continue;
        *index = i;
        return &actions->gateway->nodes[i];
    }
    return NULL;
}

bool actions_node_is_primary(const struct gateway *gateway, const struct configuration_node *node)
{
    const struct configuration_phase *phase = gateway->configuration->start_phase;
    for (size_t i = 0; i < phase->store_count; i++)
        if (phase->store[i].to_count > 0 && phase->store[i].to[0] == node)
            return true;
    return false;
}

// ---- parts ----

static void part_free(struct part *part)
{
    MAGIC_CHECK(part, PART_MAGIC);
    free(part->answer);
    MAGIC_CLEAR(part);
    free(part);
}

void part_done(struct part *part)
{
    MAGIC_CHECK(part, PART_MAGIC);
    part->place = PART_BACK;
    enum result result = ev_mailbox_post(&part->round->actions->inbox, &part->back);
    ensure(result == OK); // room for every part of every round is kept
}

void part_refuse(struct part *part)
{
    part->is_refused = true;
    part_done(part);
}

static void part_run(struct worker *worker, struct worker_call *call)
{
    struct part *part = CONTAINER_OF(call, struct part, call);
    MAGIC_CHECK(part, PART_MAGIC);
    ensure(part->worker == worker);
    part->place = PART_HELD;
    part->round->kind->work(part);
}

static void part_discard(struct worker_call *call)
{
    struct part *part = CONTAINER_OF(call, struct part, call);
    MAGIC_CHECK(part, PART_MAGIC);
    if (part->round == NULL)
        part_free(part);
    else
        part_refuse(part);
}

static struct part *part_new(struct round *round, struct worker *worker)
{
    struct part *part = calloc(1, sizeof *part);
    if (part == NULL)
        return NULL;
    MAGIC_INIT(part, PART_MAGIC);
    part->round = round;
    part->worker = worker;
    part->call.run = part_run;
    part->call.discard = part_discard;
    part->back.kind = MAIL_PART;
    return part;
}

// ---- rounds ----

static void round_destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct round, garbage));
}

// Parts that no worker has run are left to the inboxes that they lie in.
static void round_free(struct round *round)
{
    MAGIC_CHECK(round, ROUND_MAGIC);
    for (size_t i = 0; i < round->part_count && round->parts[i] != NULL; i++) {
        if (round->parts[i]->is_posted && round->parts[i]->place == PART_IN_INBOX)
            round->parts[i]->round = NULL;
        else
            part_free(round->parts[i]);
    }
    if (round->kind->fini != NULL)
        round->kind->fini(round);
    ev_timer_fini(&round->timer);
    list_remove(&round->actions->rounds, &round->node);
    free(round->parts);
    MAGIC_CLEAR(round);
    ev_loop_discard(round->actions->gateway->platform.main_loop, &round->garbage, round_destroy);
}

void round_end(struct round *round, enum admin_status status, json_t *body)
{
    admin_reply_send(round->reply, status, body);
    round_free(round);
}

void round_fail(struct round *round, enum admin_status status, const char *message)
{
    admin_reply_fail(round->reply, status, "%s", message);
    round_free(round);
}

static bool parts_make(struct round *round, unsigned first, unsigned workers)
{
    round->parts = calloc(workers, sizeof *round->parts);
    if (round->parts == NULL)
        return false;
    round->part_count = workers;
    for (unsigned i = 0; i < workers; i++) {
        round->parts[i] = part_new(round, round->actions->gateway->workers[first + i]);
        if (round->parts[i] == NULL)
            return false;
    }
    return true;
}

static void on_timer(void *arg)
{
    struct round *round = arg;
    MAGIC_CHECK(round, ROUND_MAGIC);
    round->kind->turn(round);
}

struct round *round_new(struct actions *actions, const struct round_kind *kind, struct admin_reply *reply,
                        unsigned first, unsigned workers)
{
    MAGIC_CHECK(actions, ACTIONS_MAGIC);
    if (actions->rounds.count >= ROUNDS_MOST) {
        admin_reply_fail(reply, ADMIN_UNAVAILABLE, "too many requests at the same time");
        return NULL;
    }
    struct round *round = calloc(1, kind->size);
    if (round == NULL) {
        admin_reply_send(reply, ADMIN_FAILED, NULL);
        return NULL;
    }
    MAGIC_INIT(round, ROUND_MAGIC);
    round->actions = actions;
    round->kind = kind;
    round->reply = reply;
    round->written.kind = MAIL_WRITTEN;
    ev_timer_init(&round->timer, actions->gateway->platform.main_loop, on_timer, round);
    list_append(&actions->rounds, &round->node);
    if (!parts_make(round, first, workers)) {
        round_end(round, ADMIN_FAILED, NULL);
        return NULL;
    }
    return round;
}

static void round_check(struct round *round)
{
    if (round->pending > 0)
        return;
    for (size_t i = 0; i < round->part_count; i++) {
        if (!round->parts[i]->is_refused)
            continue;
        round_fail(round, ADMIN_UNAVAILABLE,
                   "the gateway is stopping or too busy: this was done in part or not at all");
        return;
    }
    round->kind->finish(round);
}

// Posts what has not been posted yet; after the last attempt what is left counts as refused.
static void round_post(struct round *round)
{
    bool is_last = ++round->attempts >= POST_ATTEMPTS;
    bool is_full = false;
    for (size_t i = 0; i < round->part_count; i++) {
        struct part *part = round->parts[i];
        if (part->is_posted || part->is_refused)
            continue;
        enum result result = worker_post(part->worker, &part->call);
        part->is_posted = result == OK;
        if (result == OK)
            continue;
        if (result == AGAIN && !is_last) {
            is_full = true;
            continue;
        }
        part->is_refused = true;
        round->pending--;
    }
    if (is_full)
        ev_timer_start(&round->actions->retry, POST_RETRY_NS);
}

void round_begin(struct round *round)
{
    MAGIC_CHECK(round, ROUND_MAGIC);
    round->pending = round->part_count;
    round_post(round);
    round_check(round);
}

static void on_retry(void *arg)
{
    struct actions *actions = arg;
    MAGIC_CHECK(actions, ACTIONS_MAGIC);
    LIST_EACH(&actions->rounds, node)
    {
        struct round *round = CONTAINER_OF(node, struct round, node);
        if (round->pending == 0)
            continue; // waits for the ledger loop, or is being finished
        round_post(round);
        round_check(round);
    }
}

// ---- mail ----

static void on_mail(void *arg, struct mail *mail)
{
    struct actions *actions = arg;
    MAGIC_CHECK(actions, ACTIONS_MAGIC);
    if (mail->kind == MAIL_WRITTEN) {
        actions_pause_written(CONTAINER_OF(mail, struct round, written));
        return;
    }
    struct part *part = CONTAINER_OF(mail, struct part, back);
    MAGIC_CHECK(part, PART_MAGIC);
    struct round *round = part->round;
    MAGIC_CHECK(round, ROUND_MAGIC);
    ensure(round->pending > 0);
    round->pending--;
    round_check(round);
}

static void on_ledger_mail(void *arg, struct mail *mail)
{
    struct actions *actions = arg;
    struct round *round = CONTAINER_OF(mail, struct round, written);
    actions_pause_write(round);
    enum result result = ev_mailbox_post(&actions->inbox, mail);
    ensure(result == OK);
}

// ---- life ----

enum result actions_new(struct gateway *gateway, struct actions **out)
{
    struct actions *actions = calloc(1, sizeof *actions);
    if (actions == NULL)
        return ERR_NOMEM;
    size_t capacity = 1; // a power of two, for all that may come back
    while (capacity < ROUNDS_MOST * ((size_t)gateway->platform.workers + 1))
        capacity *= 2;
    enum result result =
        ev_mailbox_init(&actions->inbox, gateway->platform.main_loop, capacity, 0, on_mail, actions);
    if (result != OK) {
        free(actions);
        return result;
    }
    result = ev_mailbox_init(&actions->ledger_inbox, gateway->platform.ledger_loop, ROUNDS_MOST, 0,
                             on_ledger_mail, actions);
    if (result != OK) {
        ev_mailbox_fini(&actions->inbox);
        free(actions);
        return result;
    }
    MAGIC_INIT(actions, ACTIONS_MAGIC);
    actions->gateway = gateway;
    list_init(&actions->rounds);
    ev_timer_init(&actions->retry, gateway->platform.main_loop, on_retry, actions);
    *out = actions;
    return OK;
}

void actions_desk_attach(struct actions *actions, struct crosswalk_desk *desk)
{
    MAGIC_CHECK(actions, ACTIONS_MAGIC);
    actions->desk = desk;
}

void actions_attach(struct actions *actions, struct reload *reload, struct expiry *expiry)
{
    MAGIC_CHECK(actions, ACTIONS_MAGIC);
    actions->reload = reload;
    actions->expiry = expiry;
}

static void mailbox_end(struct ev_mailbox *mailbox)
{
    while (ev_mailbox_take(mailbox) != NULL) // all mail lies in rounds and parts
        continue;
    ev_mailbox_fini(mailbox);
}

void actions_free(struct actions *actions)
{
    if (actions == NULL)
        return;
    MAGIC_CHECK(actions, ACTIONS_MAGIC);
    mailbox_end(&actions->ledger_inbox);
    mailbox_end(&actions->inbox);
    LIST_EACH(&actions->rounds, node)
    {
        struct round *round = CONTAINER_OF(node, struct round, node);
        for (size_t i = 0; i < round->part_count; i++)
            if (round->parts[i]->is_posted && round->parts[i]->place == PART_HELD &&
                round->kind->cancel != NULL)
                round->kind->cancel(round->parts[i]);
        round_fail(round, ADMIN_UNAVAILABLE, "the gateway has stopped");
    }
    ev_timer_fini(&actions->retry);
    MAGIC_CLEAR(actions);
    free(actions);
}
