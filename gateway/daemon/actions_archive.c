// SPDX-License-Identifier: Apache-2.0
//
// Changes of one archive. Pause and resume survive a restart: the ledger's thread, the only one that writes
// the control store, makes them durable first, and only then they count. An echo runs as a probe on one
// worker.
#include "back/probe.h"
#include "back/titles.h"
#include "base/log.h"
#include "base/text.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "forward/archive.h"
#include "store/control.h"
#include <stdlib.h>

// ---- pause and resume ----

struct pause_round {
    struct round round;
    struct node *node;
    size_t index;
    bool pauses;
    struct control_pause pause;
};

static struct pause_round *pause_of(struct round *round)
{
    return CONTAINER_OF(round, struct pause_round, round);
}

void actions_pause_write(struct round *round)
{
    struct pause_round *pause = pause_of(round);
    struct kv_env *control = round->actions->gateway->platform.control;
    round->written_result = pause->pauses ? control_archive_pause(control, &pause->pause)
                                          : control_archive_resume(control, pause->pause.archive);
}

static void pause_finish(struct round *round)
{
    const struct pause_round *pause = pause_of(round);
    json_t *body = json_object();
    set_text(body, "archive", pause->node->conf->name);
    set_flag(body, "paused", pause->pauses);
    round_end(round, ADMIN_FINE, body);
}

void actions_pause_written(struct round *round)
{
    struct pause_round *pause = pause_of(round);
    if (round->written_result != OK) {
        round_fail(round, ADMIN_FAILED, "the change could not be written to the control store");
        return;
    }
    if (pause->pauses && !atomic_load(&pause->node->is_paused)) // pausing again keeps the first entry
        pause->node->pause = pause->pause;
    atomic_store(&pause->node->is_paused, pause->pauses);
    log_event(pause->pauses ? LOG_ADMIN_PAUSED : LOG_ADMIN_RESUMED, log_text(pause->node->conf->name),
              log_text(pause->pause.who), log_text(pause->pause.why));
    if (pause->pauses)
        pause_finish(round);
    else
        round_begin(round); // wakes what has waited
}

// On the worker.
static void resume_work(struct part *part)
{
    (void)archive_try_now(&part->worker->archives[pause_of(part->round)->index]);
    part_done(part);
}

static const struct round_kind pause_kind = {
    .size = sizeof(struct pause_round),
    .work = resume_work,
    .finish = pause_finish,
};

static void pause_ask(struct actions *actions, bool pauses, size_t index, const char *person,
                      const char *reason, struct admin_reply *reply)
{
    struct gateway *gateway = actions->gateway;
    struct round *round = round_new(actions, &pause_kind, reply, 0, gateway->platform.workers);
    if (round == NULL)
        return;
    struct pause_round *pause = pause_of(round);
    pause->node = &gateway->nodes[index];
    pause->index = index;
    pause->pauses = pauses;
    pause->pause.archive = pause->node->conf->id;
    pause->pause.when = ev_wall_now(gateway->platform.main_loop);
    text_copy(pause->pause.who, sizeof pause->pause.who, slice_of_text(person != NULL ? person : "-"));
    text_copy(pause->pause.why, sizeof pause->pause.why, slice_of_text(reason != NULL ? reason : ""));
    if (ev_mailbox_post(&actions->ledger_inbox, &round->written) != OK)
        round_fail(round, ADMIN_UNAVAILABLE, "the control store is busy");
}

// ---- echo ----

struct echo_round {
    struct round round;
    struct node *node;
};

struct echo_answer {
    struct part *part;
    struct probe *probe; // NULL: not under way
    uint64_t begun;      // ev_now()
    uint64_t milliseconds;
    bool is_fine;
    char message[160];
};

static void on_probe_done(void *arg, enum result result, const char *text)
{
    struct echo_answer *answer = arg;
    struct part *part = answer->part;
    answer->probe = NULL;
    answer->milliseconds = (ev_now_update(part->worker->loop) - answer->begun) / NSEC_PER_MS;
    answer->is_fine = result == OK;
    text_copy(answer->message, sizeof answer->message, slice_of_text(text));
    part_done(part);
}

// On the worker.
static void echo_work(struct part *part)
{
    struct worker *worker = part->worker;
    struct node *node = CONTAINER_OF(part->round, struct echo_round, round)->node;
    struct echo_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL || worker->is_stopping) {
        free(answer);
        part_refuse(part);
        return;
    }
    part->answer = answer;
    answer->part = part;
    answer->begun = ev_now_update(worker->loop);
    const struct probe_question question = {
        .node = node,
        .called = titles_called(node->conf, slice_of_text(node->conf->ae_title)),
        .calling =
            titles_calling(node->conf, slice_of_text(worker->gateway->configuration->gateway.ae_title)),
    };
    enum result result = probe_start(worker, &question, on_probe_done, answer, &answer->probe);
    if (result != OK)
        on_probe_done(answer, result,
                      result == ERR_MISSING ? "its host name is not resolved" : result_text(result));
}

static void echo_cancel(struct part *part)
{
    struct echo_answer *answer = part->answer;
    probe_cancel(&answer->probe);
}

static void echo_finish(struct round *round)
{
    const struct echo_answer *answer = round->parts[0]->answer;
    json_t *body = json_object();
    set_text(body, "archive", CONTAINER_OF(round, struct echo_round, round)->node->conf->name);
    set_flag(body, "ok", answer->is_fine);
    set_number(body, "milliseconds", answer->milliseconds);
    set_text(body, "message", answer->message);
    round_end(round, ADMIN_FINE, body);
}

static const struct round_kind echo_kind = {
    .size = sizeof(struct echo_round),
    .work = echo_work,
    .finish = echo_finish,
    .cancel = echo_cancel,
};

static void echo_ask(struct actions *actions, struct node *node, struct admin_reply *reply)
{
    unsigned worker = gateway_worker_pick(actions->gateway)->index;
    struct round *round = round_new(actions, &echo_kind, reply, worker, 1);
    if (round == NULL)
        return;
    CONTAINER_OF(round, struct echo_round, round)->node = node;
    round_begin(round);
}

void actions_archive_change(void *arg, enum admin_archive_change change, const char *name, const char *person,
                            const char *reason, struct admin_reply *reply)
{
    struct actions *actions = arg;
    size_t index;
    struct node *node = actions_node_find(actions, name, &index);
    if (node == NULL)
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", name);
    else if (change == ADMIN_ECHO)
        echo_ask(actions, node, reply);
    else if (change == ADMIN_PROBE)
        actions_probe(actions, node, reply);
    else
        pause_ask(actions, change == ADMIN_PAUSE, index, person, reason, reply);
}
