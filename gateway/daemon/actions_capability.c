// SPDX-License-Identifier: Apache-2.0
//
// What archives take: `archive capabilities` lists what is known and explains what a client would be
// answered, `archive probe` asks an archive anew.
#include "back/probe.h"
#include "back/titles.h"
#include "base/text.h"
#include "conf/uids.h"
#include "daemon/actions_contexts.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "forward/archive.h"
#include "route/negotiation.h"
#include <stdlib.h>
#include <string.h>

// ---- explaining ----

struct explanation {
    const char *answer; // "accepted", "refused", "asked"
    uint8_t result;     // PS3.8 table 9-18
    uint64_t when;      // wall clock of the archive's answer; 0: none
    char why[200];
};

static bool is_in(const struct conf_texts *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->item[i], text) == 0)
            return true;
    return false;
}

static void explain_fixed(const struct configuration_route *route, const char *sop_class,
                          const char *transfer_syntax, struct explanation *out)
{
    bool has_class = route->classes.count == 0 || is_in(&route->classes, sop_class);
    bool has_syntax = transfer_syntax == NULL || is_in(&route->transfer_syntaxes, transfer_syntax);
    bool is_listed = has_class && has_syntax;
    out->answer = is_listed ? "accepted" : "refused";
    out->result = is_listed ? UL_CONTEXT_ACCEPTED : UL_CONTEXT_TRANSFER_SYNTAXES;
    text_format(out->why, sizeof out->why, "the route's list %s it",
                is_listed   ? "has"
                : has_class ? "does not have this transfer syntax: it refuses"
                            : "does not have this SOP Class: it refuses");
}

// The best answer known of the primary: one syntax, or any.
static const struct control_capability *known_find(const struct control_capability *list, size_t count,
                                                   const char *sop_class, const char *transfer_syntax)
{
    const struct control_capability *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].abstract_syntax, sop_class) != 0 ||
            (transfer_syntax != NULL && strcmp(list[i].transfer_syntax, transfer_syntax) != 0))
            continue;
        if (best == NULL || (list[i].answer == 0 && best->answer != 0))
            best = &list[i];
    }
    return best;
}

static void explain_by_archive(const struct configuration_route *route,
                               const struct control_capability *known, uint64_t now, struct explanation *out)
{
    const char *name = route->to[0]->name;
    bool is_mirror = route->negotiate == CONFIGURATION_NEGOTIATE_MIRROR;
    bool is_refused = known != NULL && known->answer != 0;
    bool is_old = is_refused && (known->when > now || now - known->when >= CAPABILITY_REFUSAL_AGE);
    out->answer = is_mirror || known == NULL || is_old ? "asked" : is_refused ? "refused" : "accepted";
    out->result = known != NULL ? known->answer : UL_CONTEXT_ACCEPTED;
    out->when = known != NULL ? known->when : 0;
    if (known == NULL)
        text_format(out->why, sizeof out->why,
                    is_mirror ? "%.40s is asked at each association; nothing is known of it yet"
                              : "not known: %.40s is asked when a client proposes it; if it can not be, the "
                                "default list accepts it",
                    name);
    else if (is_mirror)
        text_format(out->why, sizeof out->why, "%.40s is asked at each association; it last answered: %s",
                    name, context_result_words(known->answer));
    else if (!is_refused)
        text_format(out->why, sizeof out->why,
                    "%.40s has accepted it; to the same proposal its choice is repeated", name);
    else
        text_format(out->why, sizeof out->why, "%.40s has refused it (%s)%s", name,
                    context_result_words(known->answer),
                    is_old ? "; asked again, as that is 15 minutes ago" : "");
}

static void explain(struct gateway *gateway, const struct configuration_route *route, const char *sop_class,
                    const char *transfer_syntax, struct explanation *out)
{
    struct control_capability *list = NULL;
    size_t count = 0;
    if (!negotiation_is_storage(slice_of_text(sop_class))) {
        *out = (struct explanation){
            .answer = "refused", .result = UL_CONTEXT_ABSTRACT_SYNTAX, .why = "not a storage SOP Class"};
        return;
    }
    if (route->negotiate == CONFIGURATION_NEGOTIATE_FIXED) {
        explain_fixed(route, sop_class, transfer_syntax, out);
        return;
    }
    if (capability_list(gateway->capabilities, route->to[0]->id, &list, &count) != OK)
        count = 0;
    explain_by_archive(route, known_find(list, count, sop_class, transfer_syntax),
                       ev_wall_now(gateway->platform.main_loop), out);
    free(list);
}

static const char *negotiate_name(const struct configuration_route *route)
{
    return route->negotiate == CONFIGURATION_NEGOTIATE_FIXED    ? "fixed"
           : route->negotiate == CONFIGURATION_NEGOTIATE_MIRROR ? "mirror"
                                                                : "learned";
}

static bool route_has(const struct configuration_route *route, const struct configuration_node *node)
{
    for (size_t i = 0; i < route->to_count; i++)
        if (route->to[i] == node)
            return true;
    return false;
}

static void seconds_set(json_t *object, const char *key, uint64_t when)
{
    if (when == 0)
        (void)json_object_set_new(object, key, json_null());
    else
        set_number(object, key, when / NSEC_PER_SEC);
}

static json_t *explanations_make(struct gateway *gateway, const struct node *node,
                                 const struct admin_capability_query *query)
{
    const struct configuration_phase *phase = gateway->configuration->start_phase;
    json_t *list = json_array();
    for (size_t i = 0; query->sop_class != NULL && i < phase->store_count; i++) {
        const struct configuration_route *route = &phase->store[i];
        bool may_match =
            query->client == NULL || route->calling.count == 0 || is_in(&route->calling, query->client);
        if (!may_match || !route_has(route, node->conf))
            continue;
        struct explanation explanation = {0};
        explain(gateway, route, query->sop_class, query->transfer_syntax, &explanation);
        json_t *row = json_object();
        set_number(row, "route", i + 1);
        set_text(row, "primary", route->to[0]->name);
        set_text(row, "negotiate", negotiate_name(route));
        set_text(row, "answer", explanation.answer);
        set_number(row, "result", explanation.result);
        seconds_set(row, "when", explanation.when);
        set_text(row, "why", explanation.why);
        (void)json_array_append_new(list, row);
    }
    return list;
}

// ---- listing ----

static void name_set(json_t *object, const char *key, const char *uid)
{
    const char *name = uid_keyword(uid);
    (void)json_object_set_new(object, key, name != NULL ? json_string(name) : json_null());
}

static json_t *item_make(const struct control_capability *capability)
{
    json_t *item = json_object();
    set_text(item, "sop_class", capability->abstract_syntax);
    name_set(item, "sop_class_name", capability->abstract_syntax);
    set_text(item, "transfer_syntax", capability->transfer_syntax);
    name_set(item, "transfer_syntax_name", capability->transfer_syntax);
    set_flag(item, "accepted", capability->answer == 0);
    set_number(item, "result", capability->answer);
    seconds_set(item, "when", capability->when);
    return item;
}

static json_t *items_make(struct control_capability *list, size_t count,
                          const struct admin_capability_query *query)
{
    json_t *items = json_array();
    qsort(list, count, sizeof *list, capability_compare);
    for (size_t i = 0; i < count; i++)
        if ((query->sop_class == NULL || strcmp(query->sop_class, list[i].abstract_syntax) == 0) &&
            (query->transfer_syntax == NULL || strcmp(query->transfer_syntax, list[i].transfer_syntax) == 0))
            (void)json_array_append_new(items, item_make(&list[i]));
    return items;
}

void actions_archive_capabilities(void *arg, const char *name, const struct admin_capability_query *query,
                                  struct admin_reply *reply)
{
    struct actions *actions = arg;
    struct gateway *gateway = actions->gateway;
    size_t index;
    struct node *node = actions_node_find(actions, name, &index);
    struct admin_capability_query uids = *query;
    if (query->sop_class != NULL)
        uids.sop_class = sop_class_uid(query->sop_class);
    if (query->transfer_syntax != NULL)
        uids.transfer_syntax = transfer_syntax_uid(query->transfer_syntax);
    struct control_capability *list;
    size_t count;
    if (node == NULL) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", name);
    } else if (query->sop_class != NULL && uids.sop_class == NULL) {
        admin_reply_fail(reply, ADMIN_BAD_REQUEST, "\"%.60s\" is neither a UID nor a known SOP Class",
                         query->sop_class);
    } else if (query->transfer_syntax != NULL && uids.transfer_syntax == NULL) {
        admin_reply_fail(reply, ADMIN_BAD_REQUEST, "\"%.60s\" is neither a UID nor a known transfer syntax",
                         query->transfer_syntax);
    } else if (capability_list(gateway->capabilities, node->conf->id, &list, &count) != OK) {
        admin_reply_fail(reply, ADMIN_FAILED, "out of memory");
    } else {
        json_t *body = json_object();
        set_text(body, "archive", node->conf->name);
        set_number(body, "proposals", proposal_count(gateway->proposals, node->conf->id));
        (void)json_object_set_new(body, "items", items_make(list, count, &uids));
        (void)json_object_set_new(body, "explanation", explanations_make(gateway, node, &uids));
        free(list);
        admin_reply_send(reply, ADMIN_FINE, body);
    }
}

// ---- probing ----

struct probe_round {
    struct round round;
    struct node *node;
};

struct probe_answer {
    struct part *part;
    struct probe *probe; // NULL: not under way
    struct control_capability *list;
    struct negotiation_pair *pairs;
    size_t count;
    uint64_t begun; // ev_now()
    uint64_t milliseconds;
    size_t changed;
    bool is_fine;
    char message[160];
};

static const char *const FIRST_SYNTAXES[] = {"1.2.840.10008.1.2.1", "1.2.840.10008.1.2"};
enum { FIRST_COUNT = sizeof FIRST_SYNTAXES / sizeof *FIRST_SYNTAXES };

// Nothing is known of it: the storage classes that are met in practice, uncompressed.
static bool first_fill(struct probe_answer *answer)
{
    free(answer->list);
    answer->count = FIRST_COUNT * uid_storage_count;
    answer->list = calloc(answer->count, sizeof *answer->list);
    for (size_t i = 0; answer->list != NULL && i < answer->count; i++) {
        struct control_capability *item = &answer->list[i];
        item->answer = UINT8_MAX;
        text_copy(item->abstract_syntax, sizeof item->abstract_syntax,
                  slice_of_text(uid_storage_get(i / FIRST_COUNT)));
        text_copy(item->transfer_syntax, sizeof item->transfer_syntax,
                  slice_of_text(FIRST_SYNTAXES[i % FIRST_COUNT]));
    }
    return answer->list != NULL;
}

static bool pairs_fill(struct probe_answer *answer, struct gateway *gateway, uint16_t node)
{
    if (capability_list(gateway->capabilities, node, &answer->list, &answer->count) != OK)
        return false;
    if (answer->count == 0 && !first_fill(answer))
        return false;
    if (answer->count > NEGOTIATION_PAIRS_MAX)
        answer->count = NEGOTIATION_PAIRS_MAX; // the rest is asked when a client proposes it
    answer->pairs = calloc(answer->count, sizeof *answer->pairs);
    for (size_t i = 0; answer->pairs != NULL && i < answer->count; i++)
        answer->pairs[i] = (struct negotiation_pair){slice_of_text(answer->list[i].abstract_syntax),
                                                     slice_of_text(answer->list[i].transfer_syntax)};
    return answer->pairs != NULL;
}

static struct node *probe_node(const struct part *part)
{
    return CONTAINER_OF(part->round, struct probe_round, round)->node;
}

static void on_probe_done(void *arg, enum result result, const char *text)
{
    struct probe_answer *answer = arg;
    struct part *part = answer->part;
    struct gateway *gateway = part->worker->gateway;
    answer->probe = NULL;
    answer->milliseconds = (ev_now_update(part->worker->loop) - answer->begun) / NSEC_PER_MS;
    answer->is_fine = result == OK;
    text_copy(answer->message, sizeof answer->message, slice_of_text(text));
    for (size_t i = 0; answer->is_fine && i < answer->count; i++) {
        bool was = answer->list[i].answer == 0;
        bool is = capability_get(gateway->capabilities, probe_node(part)->conf->id, answer->pairs[i].abstract,
                                 answer->pairs[i].transfer) == CAPABILITY_ACCEPTED;
        answer->changed += was != is;
    }
    if (answer->is_fine)
        (void)proposal_forget(gateway->proposals, probe_node(part)->conf->id);
    free(answer->list);
    free(answer->pairs);
    answer->list = NULL;
    answer->pairs = NULL;
    part_done(part);
}

// On the worker.
static void probe_work(struct part *part)
{
    struct worker *worker = part->worker;
    struct node *node = probe_node(part);
    struct probe_answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL || worker->is_stopping) {
        free(answer);
        part_refuse(part);
        return;
    }
    part->answer = answer;
    answer->part = part;
    answer->begun = ev_now_update(worker->loop);
    enum result result = pairs_fill(answer, worker->gateway, node->conf->id) ? OK : ERR_NOMEM;
    const struct probe_question question = {
        .node = node,
        .called = titles_called(node->conf, slice_of_text(node->conf->ae_title)),
        .calling =
            titles_calling(node->conf, slice_of_text(worker->gateway->configuration->gateway.ae_title)),
        .pairs = answer->pairs,
        .pair_count = answer->count,
    };
    if (result == OK)
        result = probe_start(worker, &question, on_probe_done, answer, &answer->probe);
    if (result != OK)
        on_probe_done(answer, result,
                      result == ERR_MISSING ? "its host name is not resolved" : result_text(result));
}

static void probe_cancel_part(struct part *part)
{
    struct probe_answer *answer = part->answer;
    probe_cancel(&answer->probe);
    free(answer->list);
    free(answer->pairs);
}

static void probe_finish(struct round *round)
{
    const struct probe_answer *answer = round->parts[0]->answer;
    json_t *body = json_object();
    set_text(body, "archive", CONTAINER_OF(round, struct probe_round, round)->node->conf->name);
    set_flag(body, "ok", answer->is_fine);
    set_number(body, "asked", answer->count);
    set_number(body, "changed", answer->changed);
    set_number(body, "milliseconds", answer->milliseconds);
    set_text(body, "message", answer->message);
    round_end(round, ADMIN_FINE, body);
}

static const struct round_kind probe_kind = {
    .size = sizeof(struct probe_round),
    .work = probe_work,
    .finish = probe_finish,
    .cancel = probe_cancel_part,
};

void actions_probe(struct actions *actions, struct node *node, struct admin_reply *reply)
{
    unsigned worker = gateway_worker_pick(actions->gateway)->index;
    struct round *round = round_new(actions, &probe_kind, reply, worker, 1);
    if (round == NULL)
        return;
    CONTAINER_OF(round, struct probe_round, round)->node = node;
    round_begin(round);
}
