// SPDX-License-Identifier: Apache-2.0
//
// `hold list` and `hold show`: each worker picks what it holds, main asks the ledger which study it is of,
// and what of that study had left before. As in `queue list`, only some rows are looked up in one turn of the
// main loop.
#include "base/sorted.h"
#include "base/text.h"
#include "conf/uids.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "daemon/actions_selection.h"
#include "forward/archive.h"
#include "store/ledger_reader.h"
#include <stdlib.h>
#include <string.h>

enum {
    HELD_FIRST = 64,
    HELD_MOST = 20000, // of one worker; more are only counted
    HELD_PER_TURN = 64,
    SENT_MOST = 100,
    LEDGER_WAITS = 10,
};
#define LEDGER_WAIT_NS (100 * NSEC_PER_MS)

struct held {
    uint64_t receipt;
    uint64_t received; // wall clock
    size_t archive;    // index of the node
    char reason[64];
};

struct held_list {
    size_t count;
    size_t capacity;
    uint64_t more;
    struct held item[];
};

struct hold_group {
    size_t archive;
    uint64_t receipt;  // the first one
    uint64_t received; // of it
    uint64_t count;
    char study[65];
    char reason[64];
};

struct hold_round {
    struct round round;
    bool is_show; // else the list
    bool has_archive;
    size_t archive;
    bool is_selected;
    struct receipt_selection selection;
    // Main, from here:
    size_t part;
    size_t next; // of the part's
    unsigned waits;
    uint64_t more;
    struct hold_group **groups; // by archive, study and reason
    size_t group_count;
    json_t *items;
};

static struct hold_round *hold_round_of(struct round *round)
{
    return CONTAINER_OF(round, struct hold_round, round);
}

// ---- on the worker ----

// False: no memory.
static bool held_add(struct held_list **owned, const struct held *held)
{
    struct held_list *list = *owned;
    if (list != NULL && list->count == HELD_MOST) {
        list->more++;
        return true;
    }
    if (list == NULL || list->count == list->capacity) {
        size_t capacity = list == NULL ? HELD_FIRST : 2 * list->capacity;
        struct held_list *larger = realloc(list, sizeof *larger + capacity * sizeof larger->item[0]);
        if (larger == NULL)
            return false;
        if (list == NULL)
            *larger = (struct held_list){0};
        larger->capacity = capacity;
        *owned = list = larger;
    }
    list->item[list->count++] = *held;
    return true;
}

static bool archive_held_take(const struct hold_round *hold, struct archive *archive, size_t index,
                              struct held_list **list)
{
    LIST_EACH(archive_list(archive, STAGE_HELD), node)
    {
        const struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
        if (hold->is_selected && !receipt_selection_has(&hold->selection, delivery->receipt))
            continue;
        struct held held = {
            .receipt = delivery->receipt->number, .received = delivery->receipt->closed_at, .archive = index};
        text_copy(held.reason, sizeof held.reason, slice_of_text(delivery->reason));
        if (!held_add(list, &held))
            return false;
    }
    return true;
}

struct asleep_search {
    const struct hold_round *hold;
    struct held_list **list;
    bool is_complete;
};

static bool asleep_take(void *arg, const struct backlog_view *view)
{
    struct asleep_search *search = arg;
    const struct hold_round *hold = search->hold;
    if (view->stage != STAGE_HELD || (hold->has_archive && hold->archive != view->archive) ||
        (hold->is_selected && !receipt_selection_has_number(&hold->selection, view->number)))
        return true;
    struct held held = {.receipt = view->number, .received = view->closed_at, .archive = view->archive};
    text_copy(held.reason, sizeof held.reason, slice_of_text(view->reason));
    search->is_complete = held_add(search->list, &held);
    return search->is_complete;
}

static void hold_work(struct part *part)
{
    const struct hold_round *hold = hold_round_of(part->round);
    struct worker *worker = part->worker;
    struct held_list *list = NULL;
    struct asleep_search search = {hold, &list, true};
    for (size_t i = 0; search.is_complete && i < worker->gateway->node_count; i++)
        if (!hold->has_archive || hold->archive == i)
            search.is_complete = archive_held_take(hold, &worker->archives[i], i, &list);
    if (search.is_complete)
        backlog_each(&worker->backlog, asleep_take, &search);
    part->answer = list;
    if (search.is_complete)
        part_done(part);
    else
        part_refuse(part);
}

// ---- on main: the list ----

static int group_compare(const struct hold_group *a, const struct hold_group *b)
{
    if (a->archive != b->archive)
        return a->archive < b->archive ? -1 : 1;
    int study = strcmp(a->study, b->study);
    return study != 0 ? study : strcmp(a->reason, b->reason);
}

static int by_key(const void *a, const void *b)
{
    return group_compare(*(struct hold_group *const *)a, *(struct hold_group *const *)b);
}

// Where the group is, or would be.
static size_t group_place(const struct hold_round *hold, const struct hold_group *group)
{
    return sorted_place(hold->groups, hold->group_count, sizeof hold->groups[0], &group, by_key);
}

static void group_add(struct hold_round *hold, const struct hold_group *one)
{
    size_t at = group_place(hold, one);
    if (at < hold->group_count && group_compare(hold->groups[at], one) == 0) {
        struct hold_group *group = hold->groups[at];
        group->count++;
        if (one->received < group->received) {
            group->received = one->received;
            group->receipt = one->receipt;
        }
        return;
    }
    struct hold_group *group = hold->group_count < ADMIN_LIST_MOST ? malloc(sizeof *group) : NULL;
    if (group == NULL) {
        hold->more++;
        return;
    }
    *group = *one;
    memmove(hold->groups + at + 1, hold->groups + at, (hold->group_count - at) * sizeof hold->groups[0]);
    hold->groups[at] = group;
    hold->group_count++;
}

static void list_take(struct hold_round *hold, const struct held *held, const struct ledger_fact *fact)
{
    struct hold_group one = {
        .archive = held->archive, .receipt = held->receipt, .received = held->received, .count = 1};
    text_copy(one.reason, sizeof one.reason, slice_of_text(held->reason));
    if (fact->study != NULL)
        text_printable(one.study, sizeof one.study, slice_of_text(fact->study));
    group_add(hold, &one);
}

static json_t *list_json(const struct hold_round *hold)
{
    const struct gateway *gateway = hold->round.actions->gateway;
    json_t *rows = json_array(), *body = json_object();
    for (size_t i = 0; i < hold->group_count; i++) {
        const struct hold_group *group = hold->groups[i];
        json_t *row = json_object();
        set_text(row, "archive", gateway->nodes[group->archive].conf->name);
        set_text(row, "study", group->study);
        set_text(row, "reason", group->reason);
        set_number(row, "count", group->count);
        set_number(row, "receipt", group->receipt);
        set_time(row, "received", group->received);
        (void)json_array_append_new(rows, row);
    }
    (void)json_object_set_new(body, "groups", rows);
    set_number(body, "more", hold->more);
    return body;
}

// ---- on main: one hold ----

struct sent_search {
    uint64_t receipt; // the held one
    uint32_t archive; // node id
    uint64_t before;  // wall clock; 0: any time
    uint64_t count;
    json_t *rows;
};

static void set_uid(json_t *object, const char *key, const char *uid)
{
    char text[65] = "";
    if (uid != NULL)
        text_printable(text, sizeof text, slice_of_text(uid));
    set_text(object, key, text);
}

static enum result on_study_fact(void *arg, const struct ledger_fact *fact)
{
    struct sent_search *search = arg;
    const struct fact_delivery *delivery = fact_delivery_find(fact, search->archive);
    if (fact->receipt == search->receipt || delivery == NULL || delivery->sent_at == 0 ||
        (search->before != 0 && delivery->sent_at > search->before))
        return OK;
    if (search->count++ >= SENT_MOST)
        return OK;
    json_t *row = json_object();
    set_number(row, "receipt", fact->receipt);
    set_uid(row, "uid", fact->sop_instance);
    set_text(row, "state", delivery_state_text(delivery->state));
    set_time(row, "when", delivery->sent_at);
    (void)json_array_append_new(search->rows, row);
    return OK;
}

static void set_sent(json_t *item, const struct gateway *gateway, const struct ledger_fact *fact,
                     uint32_t archive, uint64_t before)
{
    struct sent_search search = {
        .receipt = fact->receipt, .archive = archive, .before = before, .rows = json_array()};
    enum result result = ERR_MISSING;
    if (fact->study != NULL)
        result =
            ledger_find_uid(gateway->platform.ledger, slice_of_text(fact->study), on_study_fact, &search);
    (void)json_object_set_new(item, "sent", search.rows);
    if (fact->study != NULL && (result == OK || result == ERR_MISSING))
        set_number(item, "sent_count", search.count);
    else
        (void)json_object_set_new(item, "sent_count", json_null());
}

static void set_pack(json_t *item, const struct fact_delivery *delivery)
{
    static const uint8_t none[RECORD_DIGEST_SIZE];
    char text[2 * RECORD_DIGEST_SIZE + 1] = "";
    if (delivery != NULL && delivery->has_header && memcmp(delivery->pack, none, sizeof none) != 0)
        for (size_t i = 0; i < RECORD_DIGEST_SIZE; i++)
            text_format(text + 2 * i, sizeof text - 2 * i, "%02x", delivery->pack[i]);
    set_text(item, "pack", text);
}

static void show_take(struct hold_round *hold, const struct held *held, const struct ledger_fact *fact)
{
    const struct gateway *gateway = hold->round.actions->gateway;
    const struct configuration_node *node = gateway->nodes[held->archive].conf;
    const struct fact_delivery *delivery = fact_delivery_find(fact, node->id);
    uint64_t since = delivery != NULL && delivery->state == DELIVERY_HELD ? delivery->outcome_at : 0;
    const char *remark = since != 0 ? delivery->remark : NULL; // longer than what is kept in memory
    json_t *item = json_object();
    set_number(item, "receipt", held->receipt);
    set_text(item, "archive", node->name);
    set_flag(item, "primary", actions_node_is_primary(gateway, node));
    set_text(item, "reason", remark != NULL ? remark : held->reason);
    set_time(item, "received", held->received);
    set_time(item, "since", since);
    set_uid(item, "sop_class", fact->sop_class);
    set_text(item, "sop_class_name", fact->sop_class != NULL ? uid_keyword(fact->sop_class) : NULL);
    set_uid(item, "uid", fact->sop_instance);
    set_uid(item, "study", fact->study);
    set_uid(item, "series", fact->series);
    set_uid(item, "modality", fact->modality);
    set_uid(item, "calling", fact->calling);
    set_uid(item, "called", fact->called);
    set_uid(item, "address", fact->address);
    if (fact->receipt != 0)
        set_number(item, "bytes", fact->length);
    else
        (void)json_object_set_new(item, "bytes", json_null());
    set_pack(item, delivery);
    set_sent(item, gateway, fact, node->id, since);
    (void)json_array_append_new(hold->items, item);
}

static json_t *show_json(const struct hold_round *hold)
{
    json_t *body = json_object();
    (void)json_object_set(body, "items", hold->items);
    return body;
}

// ---- on main: both ----

// False: the ledger is a little behind and may know it soon.
static bool held_take(struct hold_round *hold, const struct held *held)
{
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result =
        ledger_find_receipt(hold->round.actions->gateway->platform.ledger, held->receipt, &fact);
    bool is_there = result == OK && fact.state != FACT_RECEIVED;
    if (is_there && hold->is_show) { // what had left before is known once the hold is
        uint32_t id = hold->round.actions->gateway->nodes[held->archive].conf->id;
        const struct fact_delivery *delivery = fact_delivery_find(&fact, id);
        is_there = delivery != NULL && delivery->state == DELIVERY_HELD;
    }
    bool waits = (result == OK || result == ERR_MISSING) && !is_there && hold->waits++ < LEDGER_WAITS;
    if (!waits && hold->is_show)
        show_take(hold, held, &fact);
    else if (!waits)
        list_take(hold, held, &fact);
    fact_fini(&fact);
    return !waits;
}

static void hold_turn(struct round *round)
{
    struct hold_round *hold = hold_round_of(round);
    unsigned done = 0;
    for (; hold->part < round->part_count; hold->part++, hold->next = 0) {
        const struct held_list *list = round->parts[hold->part]->answer;
        for (; list != NULL && hold->next < list->count; hold->next++) {
            bool is_taken = done++ < HELD_PER_TURN;
            bool is_known = is_taken && held_take(hold, &list->item[hold->next]);
            if (!is_known) {
                ev_timer_start(&round->timer, is_taken ? LEDGER_WAIT_NS : 0);
                return;
            }
        }
        hold->more += list != NULL ? list->more : 0;
    }
    round_end(round, ADMIN_FINE, hold->is_show ? show_json(hold) : list_json(hold));
}

static void hold_finish(struct round *round)
{
    struct hold_round *hold = hold_round_of(round);
    hold->items = json_array();
    hold->groups = calloc(ADMIN_LIST_MOST, sizeof(struct hold_group *));
    if (hold->items == NULL || hold->groups == NULL) {
        round_end(round, ADMIN_FAILED, NULL);
        return;
    }
    hold_turn(round);
}

static void hold_fini(struct round *round)
{
    struct hold_round *hold = hold_round_of(round);
    for (size_t i = 0; i < hold->group_count; i++)
        free(hold->groups[i]);
    free(hold->groups);
    json_decref(hold->items);
    receipt_selection_fini(&hold->selection);
}

static const struct round_kind hold_kind = {
    .size = sizeof(struct hold_round),
    .work = hold_work,
    .finish = hold_finish,
    .turn = hold_turn,
    .fini = hold_fini,
};

static void hold_ask(struct actions *actions, const struct admin_filter *filter, bool is_show,
                     struct admin_reply *reply)
{
    size_t archive = 0;
    if (filter->archive != NULL && actions_node_find(actions, filter->archive, &archive) == NULL) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", filter->archive);
        return;
    }
    struct round *round = round_new(actions, &hold_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    struct hold_round *hold = hold_round_of(round);
    hold->is_show = is_show;
    hold->has_archive = filter->archive != NULL;
    hold->archive = archive;
    hold->is_selected = is_show || filter->study != NULL;
    enum result result = filter->study != NULL
                             ? receipt_selection_find_study(&hold->selection, actions->gateway, filter->study)
                             : receipt_selection_find(&hold->selection, actions->gateway, &filter->receipt,
                                                      filter->receipt != 0 ? 1 : 0, filter->uid);
    if (result != OK)
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
    else
        round_begin(round);
}

void actions_hold_list(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    hold_ask(arg, filter, false, reply);
}

void actions_hold_show(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    hold_ask(arg, filter, true, reply);
}
