// SPDX-License-Identifier: Apache-2.0
//
// `queue list` and `queue show` of one receipt: each worker picks its first rows by receipt number, main puts
// them together and asks the ledger for what is not in memory any more.
//
// A list walks every delivery that its filter lets through, on the worker's loop: a microsecond for ten or so
// (answered ones, which are most, only when they are asked for).
#include "base/check.h"
#include "base/text.h"
#include "conf/uids.h"
#include "daemon/actions_contexts.h"
#include "daemon/actions_json.h"
#include "daemon/actions_private.h"
#include "daemon/actions_removed.h"
#include "daemon/actions_selection.h"
#include "forward/archive.h"
#include "store/ledger_reader.h"
#include <stdlib.h>
#include <string.h>

enum { ROWS_FIRST = 64, ROWS_PER_TURN = 64, LEDGER_WAITS = 10 };
#define LEDGER_WAIT_NS (100 * NSEC_PER_MS)

struct row {
    uint64_t receipt;
    size_t archive;    // index of the node
    uint64_t received; // wall clock, as `next`
    uint64_t next;     // try; 0: none is planned
    uint64_t bytes;
    uint32_t attempts;
    uint16_t status; // of the last answer; 0: none, or Success
    enum delivery_stage stage;
    bool is_known; // UIDs and bytes are filled in
    char reason[64];
    char sop_class[65];
    char sop_instance[65];
    char transfer_syntax[65];
};

// On a worker: the first `most` rows, as a heap with the last one on top until all have been seen.
struct rows {
    size_t count;
    size_t capacity;
    size_t most;
    struct row item[];
};

struct list_round {
    struct round round;
    bool has_archive;
    size_t archive;
    enum admin_state state;
    bool is_selected; // only what `selection` names, in whatever state
    struct receipt_selection selection;
    uint64_t after;
    size_t limit;
    // Main, from here:
    struct contexts *contexts;
    struct rows *rows;
    size_t next_row;
    unsigned waits; // for the ledger
    json_t *items;
    bool has_more;
};

static struct list_round *list_round_of(struct round *round)
{
    return CONTAINER_OF(round, struct list_round, round);
}

// ---- rows ----

static int row_compare(const void *one, const void *other)
{
    const struct row *a = one, *b = other;
    if (a->receipt != b->receipt)
        return a->receipt < b->receipt ? -1 : 1;
    return a->archive < b->archive ? -1 : a->archive > b->archive;
}

static void rows_swap(struct rows *rows, size_t one, size_t other)
{
    struct row kept = rows->item[one];
    rows->item[one] = rows->item[other];
    rows->item[other] = kept;
}

static void rows_sift_up(struct rows *rows, size_t at)
{
    for (; at > 0 && row_compare(&rows->item[at], &rows->item[(at - 1) / 2]) > 0; at = (at - 1) / 2)
        rows_swap(rows, at, (at - 1) / 2);
}

static void rows_sift_down(struct rows *rows, size_t at)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < rows->count && row_compare(&rows->item[child + 1], &rows->item[child]) > 0)
            child++;
        if (child >= rows->count || row_compare(&rows->item[child], &rows->item[at]) <= 0)
            return;
        rows_swap(rows, at, child);
        at = child;
    }
}

// Room for `count` rows; NULL in *rows is fine. False: no memory, *rows is as it was.
static bool rows_reserve(struct rows **rows, size_t count)
{
    size_t capacity = *rows != NULL ? (*rows)->capacity : 0;
    if (count <= capacity && *rows != NULL)
        return true;
    capacity = 2 * capacity > count ? 2 * capacity : count;
    struct rows *larger = realloc(*rows, sizeof *larger + capacity * sizeof larger->item[0]);
    if (larger == NULL)
        return false;
    if (*rows == NULL)
        *larger = (struct rows){0};
    larger->capacity = capacity;
    *rows = larger;
    return true;
}

// ---- on the worker ----

static void row_time_fill(struct row *row, struct ev_loop *loop, uint64_t when)
{
    if (row->stage == STAGE_RESTING)
        row->next = actions_wall(loop, when);
}

static void row_fill(struct row *row, const struct delivery *delivery, size_t archive)
{
    const struct receipt *receipt = delivery->receipt;
    *row = (struct row){.receipt = receipt->number,
                        .archive = archive,
                        .received = receipt->closed_at,
                        .attempts = delivery->attempts,
                        .status = delivery->status,
                        .stage = delivery->stage};
    row_time_fill(row, receipt->worker->loop, delivery->when);
    text_copy(row->reason, sizeof row->reason, slice_of_text(actions_reason(delivery)));
    if (receipt->content == NULL)
        return;
    row->is_known = true;
    row->bytes = receipt->content->length;
    text_printable(row->sop_class, sizeof row->sop_class, receipt->content->open.sop_class);
    text_printable(row->sop_instance, sizeof row->sop_instance, receipt->content->open.sop_instance);
    text_printable(row->transfer_syntax, sizeof row->transfer_syntax, receipt->content->open.transfer_syntax);
}

static void row_fill_asleep(struct row *row, struct ev_loop *loop, const struct backlog_view *view)
{
    *row = (struct row){.receipt = view->number,
                        .archive = view->archive,
                        .received = view->closed_at,
                        .attempts = view->attempts,
                        .status = view->status,
                        .stage = view->stage};
    row_time_fill(row, loop, view->when);
    text_copy(row->reason, sizeof row->reason, slice_of_text(view->reason));
}

// Where the row with this key goes: NULL with OK for one that is behind all that are wanted. The place is
// filled with the same key, then rows_settle() is called.
static bool rows_place(struct rows **owned, uint64_t receipt, size_t archive, struct row **place)
{
    struct row key = {.receipt = receipt, .archive = archive};
    *place = NULL;
    if ((*owned)->count == (*owned)->most) {
        if (row_compare(&key, &(*owned)->item[0]) <= 0)
            *place = &(*owned)->item[0];
        return true;
    }
    if (!rows_reserve(owned, (*owned)->count + 1))
        return false;
    *place = &(*owned)->item[(*owned)->count];
    return true;
}

static void rows_settle(struct rows *rows, const struct row *place)
{
    if (place == &rows->item[rows->count])
        rows_sift_up(rows, rows->count++);
    else
        rows_sift_down(rows, 0);
}

static bool rows_offer(struct rows **owned, const struct delivery *delivery, size_t archive)
{
    struct row *place;
    if (!rows_place(owned, delivery->receipt->number, archive, &place))
        return false;
    if (place != NULL) {
        row_fill(place, delivery, archive);
        rows_settle(*owned, place);
    }
    return true;
}

static bool state_wants(enum admin_state state, enum delivery_stage stage)
{
    switch (stage) {
    case STAGE_WAITING:
    case STAGE_RESTING:
    case STAGE_GATED:
        return state == ADMIN_ANY || state == ADMIN_WAITING;
    case STAGE_SENDING:
        return state == ADMIN_ANY || state == ADMIN_SENDING;
    case STAGE_HELD:
        return state == ADMIN_ANY || state == ADMIN_HELD;
    case STAGE_PARKED:
        return state == ADMIN_ANY || state == ADMIN_PARKED;
    case STAGE_ANSWERED:
        return state == ADMIN_ANSWERED;
    case STAGE_SETTLED:
        return false;
    }
    unreachable_state();
}

// Of a receipt that is named, also what an archive has said yes to.
static bool state_is_wanted(const struct list_round *list, enum delivery_stage stage)
{
    bool is_any = list->is_selected && list->state == ADMIN_ANY;
    return is_any ? stage != STAGE_SETTLED : state_wants(list->state, stage);
}

static bool is_wanted(const struct list_round *list, const struct delivery *delivery)
{
    return delivery->receipt->number > list->after &&
           (!list->is_selected || receipt_selection_has(&list->selection, delivery->receipt));
}

static bool archive_rows_take(const struct list_round *list, struct archive *archive, size_t index,
                              struct rows **rows)
{
    for (enum delivery_stage stage = STAGE_WAITING; stage < STAGE_SETTLED; stage++) {
        if (!state_is_wanted(list, stage))
            continue;
        LIST_EACH(archive_list(archive, stage), node)
        {
            const struct delivery *delivery = CONTAINER_OF(node, struct delivery, node);
            if (is_wanted(list, delivery) && !rows_offer(rows, delivery, index))
                return false;
        }
    }
    return true;
}

struct asleep_search {
    const struct list_round *list;
    struct worker *worker;
    struct rows **rows;
    bool is_complete;
};

static bool asleep_take(void *arg, const struct backlog_view *view)
{
    struct asleep_search *search = arg;
    const struct list_round *list = search->list;
    if (view->number <= list->after || !state_is_wanted(list, view->stage) ||
        (list->has_archive && list->archive != view->archive) ||
        (list->is_selected && !receipt_selection_has_number(&list->selection, view->number)))
        return true;
    struct row *place;
    search->is_complete = rows_place(search->rows, view->number, view->archive, &place);
    if (place != NULL) {
        row_fill_asleep(place, search->worker->loop, view);
        rows_settle(*search->rows, place);
    }
    return search->is_complete;
}

static void list_work(struct part *part)
{
    const struct list_round *list = list_round_of(part->round);
    struct worker *worker = part->worker;
    size_t nodes = worker->gateway->node_count;
    struct rows *rows = NULL;
    bool is_complete = rows_reserve(&rows, ROWS_FIRST);
    if (is_complete)
        rows->most = list->limit + nodes; // the rest of the last receipt is shown too
    for (size_t i = 0; is_complete && i < nodes; i++)
        if (!list->has_archive || list->archive == i)
            is_complete = archive_rows_take(list, &worker->archives[i], i, &rows);
    struct asleep_search search = {list, worker, &rows, is_complete};
    if (is_complete)
        backlog_each(&worker->backlog, asleep_take, &search);
    part->answer = rows;
    if (search.is_complete)
        part_done(part);
    else
        part_refuse(part);
}

// ---- on main ----

// What is cold is looked up by receipt number. This may wait for the disk and with it the main loop, which
// accepts connections: so only some rows are looked up in one turn. A thread for look-ups would end that too.
static void uid_fill(char to[65], const char *from)
{
    if (from != NULL)
        text_printable(to, 65, slice_of_text(from));
}

static enum result row_look_up(struct gateway *gateway, struct row *row)
{
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result = ledger_find_receipt(gateway->platform.ledger, row->receipt, &fact);
    if (result == OK) {
        row->is_known = true;
        row->bytes = fact.length;
        uid_fill(row->sop_class, fact.sop_class);
        uid_fill(row->sop_instance, fact.sop_instance);
        uid_fill(row->transfer_syntax, fact.transfer_syntax);
    }
    fact_fini(&fact);
    return result;
}

static const char *stage_text(enum delivery_stage stage)
{
    bool is_waiting = stage == STAGE_RESTING || stage == STAGE_GATED;
    return is_waiting ? admin_state_text(ADMIN_WAITING) : delivery_stage_name(stage);
}

static void set_status(json_t *item, const struct row *row)
{
    char text[8] = "";
    if (row->status != 0 || row->stage == STAGE_ANSWERED)
        text_format(text, sizeof text, "%04X", row->status);
    set_text(item, "status", text);
}

static void set_contexts(json_t *item, struct list_round *list, const struct row *row)
{
    bool may_be = row->stage == STAGE_PARKED && list->contexts != NULL;
    (void)json_object_set_new(item, "contexts",
                              may_be ? contexts_explain(list->contexts, row->archive, row->sop_class,
                                                        row->transfer_syntax, row->status)
                                     : json_null());
}

static json_t *row_json(struct list_round *list, const struct row *row)
{
    const struct gateway *gateway = list->round.actions->gateway;
    json_t *item = json_object();
    set_number(item, "receipt", row->receipt);
    set_text(item, "archive", gateway->nodes[row->archive].conf->name);
    set_text(item, "state", stage_text(row->stage));
    set_text(item, "stage", delivery_stage_name(row->stage));
    set_text(item, "sop_class", row->sop_class);
    set_text(item, "sop_class_name", uid_keyword(row->sop_class));
    set_text(item, "transfer_syntax", row->transfer_syntax);
    set_text(item, "transfer_syntax_name", uid_keyword(row->transfer_syntax));
    set_text(item, "uid", row->sop_instance);
    if (row->is_known)
        set_number(item, "bytes", row->bytes);
    else
        (void)json_object_set_new(item, "bytes", json_null());
    set_time(item, "received", row->received);
    set_number(item, "attempts", row->attempts);
    set_time(item, "next", row->next);
    set_status(item, row);
    set_text(item, "reason", row->reason);
    set_contexts(item, list, row);
    return item;
}

// The ledger is a little behind the journal: what has just come in and gone cold it does not know yet.
static bool waits_for_ledger(struct list_round *list, struct row *row)
{
    if (row->is_known || row_look_up(list->round.actions->gateway, row) != ERR_MISSING)
        return false;
    return list->waits++ < LEDGER_WAITS;
}

static void list_turn(struct round *round)
{
    struct list_round *list = list_round_of(round);
    for (unsigned i = 0; i < ROWS_PER_TURN && list->next_row < list->rows->count; i++, list->next_row++) {
        struct row *row = &list->rows->item[list->next_row];
        if (waits_for_ledger(list, row)) {
            ev_timer_start(&round->timer, LEDGER_WAIT_NS);
            return;
        }
        (void)json_array_append_new(list->items, row_json(list, row));
    }
    if (list->next_row < list->rows->count) {
        ev_timer_start(&round->timer, 0);
        return;
    }
    json_t *body = json_object();
    (void)json_object_set(body, "items", list->items);
    set_flag(body, "more", list->has_more);
    round_end(round, ADMIN_FINE, body);
}

static bool rows_join(struct round *round, struct rows **all)
{
    size_t count = 0;
    for (size_t i = 0; i < round->part_count; i++)
        count += ((const struct rows *)round->parts[i]->answer)->count;
    if (!rows_reserve(all, count))
        return false;
    for (size_t i = 0; i < round->part_count; i++) {
        const struct rows *rows = round->parts[i]->answer;
        memcpy(&(*all)->item[(*all)->count], rows->item, rows->count * sizeof rows->item[0]);
        (*all)->count += rows->count;
    }
    qsort((*all)->item, count, sizeof(struct row), row_compare);
    return true;
}

static void list_finish(struct round *round)
{
    struct list_round *list = list_round_of(round);
    list->items = json_array();
    list->contexts = contexts_new(round->actions->gateway);
    if (list->items == NULL || !rows_join(round, &list->rows)) {
        round_end(round, ADMIN_FAILED, NULL);
        return;
    }
    // A caller goes on behind the last receipt: all of its rows belong to this answer.
    struct rows *rows = list->rows;
    size_t shown = list->limit < rows->count ? list->limit : rows->count;
    while (shown < rows->count && rows->item[shown].receipt == rows->item[shown - 1].receipt)
        shown++;
    list->has_more = shown < rows->count;
    rows->count = shown;
    list_turn(round);
}

static void list_fini(struct round *round)
{
    struct list_round *list = list_round_of(round);
    receipt_selection_fini(&list->selection);
    contexts_free(list->contexts);
    free(list->rows);
    json_decref(list->items);
}

static const struct round_kind list_kind = {
    .size = sizeof(struct list_round),
    .work = list_work,
    .finish = list_finish,
    .turn = list_turn,
    .fini = list_fini,
};

void actions_queue_list(void *arg, const struct admin_filter *filter, struct admin_reply *reply)
{
    struct actions *actions = arg;
    size_t archive = 0;
    uint32_t removed;
    if (removed_id_parse(actions, filter->archive, &removed)) {
        removed_list(actions, removed, filter, reply);
        return;
    }
    if (filter->archive != NULL && actions_node_find(actions, filter->archive, &archive) == NULL) {
        admin_reply_fail(reply, ADMIN_NOT_FOUND, "there is no archive \"%.60s\"", filter->archive);
        return;
    }
    struct round *round = round_new(actions, &list_kind, reply, 0, actions->gateway->platform.workers);
    if (round == NULL)
        return;
    struct list_round *list = list_round_of(round);
    list->has_archive = filter->archive != NULL;
    list->archive = archive;
    list->state = filter->state;
    list->after = filter->after;
    list->limit = filter->limit;
    list->is_selected = filter->receipt != 0 || filter->uid != NULL;
    if (receipt_selection_find(&list->selection, actions->gateway, &filter->receipt, filter->receipt != 0,
                               filter->uid) != OK)
        round_fail(round, ADMIN_FAILED, "the ledger could not be read");
    else
        round_begin(round);
}
