// SPDX-License-Identifier: Apache-2.0
#include "forward/backlog.h"
#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "forward/archive.h"
#include "forward/receipt_private.h"
#include "order/gate.h"
#include "store/open_index.h"
#include <stdlib.h>
#include <string.h>

enum {
    LOOKS_PER_TURN = 512, // at receipts that may go to sleep
    ROWS_PER_TURN = 8192, // of a pass for due ones
    WAKES_PER_TURN = 256,
    FRONT_MOST = 256, // deliveries of a queue that are kept awake
    STAGE_BITS = 0x07,
    RESENT_BIT = 0x08,
    FREE_BIT = 0x10, // alone with its UID (order/gate.h)
    UNPROVEN_BIT = 0x20,
    SENT_BIT = 0x40,
    RELEASED_BIT = 0x80,
};
_Static_assert((unsigned)STAGE_SETTLED <= (unsigned)STAGE_BITS, "a stage fits into its bits");
#define WHEN_UNIT_NS   (10 * NSEC_PER_MS)
#define SEARCH_REST_NS (100 * NSEC_PER_MS) // after a walk that has found nothing
#define PASS_REST_NS   (250 * NSEC_PER_MS) // at least, between two passes
#define PASS_ROW_NS    ((uint64_t)10000)   // and for each row: so a pass takes a thousandth of the time

static size_t front_most(const struct backlog *backlog)
{
    size_t part = backlog->awake_limit / 4;
    return part == 0 ? 1 : part > FRONT_MOST ? FRONT_MOST : part;
}

// ---- reasons: few texts, many deliveries ----

enum { REASON_NONE, REASON_TITLES = BACKLOG_REASONS_MAX + 1, REASON_LEFT_OUT };
_Static_assert((unsigned)REASON_LEFT_OUT == UINT8_MAX, "a reason fits into a byte");

// Its place, or a free one; NULL: there is none.
static struct backlog_reason *reason_place(struct backlog *backlog, const char *text)
{
    struct backlog_reason *place = NULL;
    for (size_t at = 0; at < backlog->reason_count; at++) {
        struct backlog_reason *reason = &backlog->reasons[at];
        if (reason->users == 0)
            place = reason;
        else if (strcmp(reason->text, text) == 0)
            return reason;
    }
    if (backlog->reasons == NULL)
        backlog->reasons = calloc(BACKLOG_REASONS_MAX, sizeof backlog->reasons[0]);
    if (place != NULL || backlog->reasons == NULL || backlog->reason_count == BACKLOG_REASONS_MAX)
        return place;
    return &backlog->reasons[backlog->reason_count++];
}

static uint8_t reason_put(struct backlog *backlog, const char *text)
{
    if (text[0] == 0)
        return REASON_NONE;
    if (strcmp(text, DELIVERY_TITLES_UNKNOWN) == 0)
        return REASON_TITLES;
    if (strcmp(text, BACKLOG_REASON_LEFT_OUT) == 0)
        return REASON_LEFT_OUT;
    struct backlog_reason *reason = reason_place(backlog, text);
    if (reason == NULL)
        return REASON_LEFT_OUT;
    if (reason->users++ == 0)
        text_copy(reason->text, sizeof reason->text, slice_of_text(text));
    return (uint8_t)(1 + (reason - backlog->reasons));
}

static const char *reason_get(const struct backlog *backlog, uint8_t reason)
{
    switch (reason) {
    case REASON_NONE:
        return "";
    case REASON_TITLES:
        return DELIVERY_TITLES_UNKNOWN;
    case REASON_LEFT_OUT:
        return BACKLOG_REASON_LEFT_OUT;
    default:
        return backlog->reasons[reason - 1].text;
    }
}

// The rows are in nobody's hands any more.
static void reasons_leave(struct backlog *backlog, const struct asleep_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (unsigned slot = 0; slot < rows[i].count; slot++)
            if (rows[i].reason[slot] != REASON_NONE && rows[i].reason[slot] <= BACKLOG_REASONS_MAX)
                backlog->reasons[rows[i].reason[slot] - 1].users--;
}

// ---- times: rounded up, so that nothing is early ----

static bool when_put(const struct backlog *backlog, uint64_t when, uint32_t *out)
{
    uint64_t units =
        when <= backlog->started ? 0 : (when - backlog->started + WHEN_UNIT_NS - 1) / WHEN_UNIT_NS;
    *out = (uint32_t)units;
    return units <= UINT32_MAX;
}

static uint64_t when_get(const struct backlog *backlog, uint32_t when)
{
    return backlog->started + when * WHEN_UNIT_NS;
}

static bool stage_has_time(enum delivery_stage stage)
{
    return stage == STAGE_RESTING || stage == STAGE_ANSWERED;
}

// Still to be sent.
enum { STAGES_OWED = 1u << STAGE_WAITING | 1u << STAGE_RESTING | 1u << STAGE_HELD };

// ---- rows ----

static enum delivery_stage stage_get(const struct asleep_row *row, unsigned slot)
{
    return (enum delivery_stage)(row->bits[slot] & STAGE_BITS);
}

static struct archive *archive_get(const struct backlog *backlog, const struct asleep_row *row, unsigned slot)
{
    return &backlog->worker->archives[row->archive[slot]];
}

static bool position_put(struct journal_position from, uint32_t *segment, uint32_t *block)
{
    *segment = from.segment;
    *block = (uint32_t)(from.offset / JOURNAL_ALIGN);
    return from.offset % JOURNAL_ALIGN == 0 && from.offset / JOURNAL_ALIGN <= UINT32_MAX;
}

static bool row_begin(const struct receipt_origin *origin, struct asleep_row *row)
{
    *row = (struct asleep_row){.order = origin->order,
                               .number = origin->number,
                               .closed_at = origin->closed_at,
                               .stream = origin->open.stream};
    return origin->open.stream == origin->close.stream &&
           position_put(origin->open, &row->open_segment, &row->open_block) &&
           position_put(origin->close, &row->close_segment, &row->close_block);
}

static struct receipt_origin origin_get(const struct asleep_row *row)
{
    return (struct receipt_origin){
        .number = row->number,
        .order = row->order,
        .closed_at = row->closed_at,
        .open = {row->stream, row->open_segment, (uint64_t)row->open_block * JOURNAL_ALIGN},
        .close = {row->stream, row->close_segment, (uint64_t)row->close_block * JOURNAL_ALIGN},
    };
}

static bool delivery_put(struct backlog *backlog, const struct delivery *delivery, struct asleep_row *row)
{
    unsigned slot = row->count++;
    size_t archive = (size_t)(delivery->archive - backlog->worker->archives);
    row->archive[slot] = (uint8_t)archive;
    bool is_free = delivery->receipt != NULL && delivery->receipt->gate == RECEIPT_FREE;
    row->bits[slot] =
        (uint8_t)((unsigned)delivery->stage | (delivery->is_resent ? RESENT_BIT : 0u) |
                  (is_free ? FREE_BIT : 0u) | (delivery->is_unproven ? UNPROVEN_BIT : 0u) |
                  (delivery->was_sent ? SENT_BIT : 0u) | (delivery->is_released ? RELEASED_BIT : 0u));
    row->status[slot] = delivery->status;
    row->attempts[slot] = (uint8_t)(delivery->attempts < UINT8_MAX ? delivery->attempts : UINT8_MAX);
    bool fits = archive <= UINT8_MAX;
    if (stage_has_time(delivery->stage))
        fits = fits && when_put(backlog, delivery->when, &row->when[slot]);
    else
        row->when[slot] = delivery->hold | (uint32_t)delivery->sent_as << 8;
    if (delivery->stage == STAGE_RESTING || delivery->stage == STAGE_PARKED || delivery->hold != 0)
        row->reason[slot] = reason_put(backlog, delivery->reason);
    return fits;
}

static void delivery_get(struct backlog *backlog, struct receipt *receipt, const struct asleep_row *row,
                         unsigned slot)
{
    enum delivery_stage stage = stage_get(row, slot);
    struct delivery *delivery = delivery_add(receipt, archive_get(backlog, row, slot));
    delivery->is_resent = (row->bits[slot] & RESENT_BIT) != 0;
    delivery->is_unproven = (row->bits[slot] & UNPROVEN_BIT) != 0;
    delivery->was_sent = (row->bits[slot] & SENT_BIT) != 0;
    delivery->was_accepted = stage == STAGE_ANSWERED;
    delivery->status = row->status[slot];
    delivery->is_released = (row->bits[slot] & RELEASED_BIT) != 0;
    delivery->attempts = row->attempts[slot];
    delivery->sent_as = DELIVERY_SENT_UNKNOWN;
    if (stage_has_time(stage)) {
        delivery->when = when_get(backlog, row->when[slot]);
    } else {
        delivery->hold = (uint8_t)row->when[slot];
        delivery->sent_as = (uint8_t)(row->when[slot] >> 8);
    }
    text_copy(delivery->reason, sizeof delivery->reason,
              slice_of_text(reason_get(backlog, row->reason[slot])));
    delivery_stage_set(delivery, stage);
}

// What the archives count and what is due follows each row that comes or goes.
static void row_account(struct backlog *backlog, const struct asleep_row *row, bool is_new)
{
    for (unsigned slot = 0; slot < row->count; slot++) {
        struct archive *archive = archive_get(backlog, row, slot);
        enum delivery_stage stage = stage_get(row, slot);
        archive->asleep[stage] += is_new ? 1 : (size_t)-1;
        if (stage == STAGE_RESTING && row->reason[slot] == REASON_TITLES)
            archive->asleep_refused += is_new ? 1 : (size_t)-1;
        if (!is_new)
            continue;
        if (stage == STAGE_WAITING && row->order < archive->asleep_from)
            archive->asleep_from = row->order;
        if ((STAGES_OWED & 1u << stage) != 0 && row->order < archive->owed_from)
            archive->owed_from = row->order;
        if (stage_has_time(stage)) {
            uint64_t when = when_get(backlog, row->when[slot]);
            if (when < backlog->pass_due)
                backlog->pass_due = when;
            if (when < backlog->due)
                backlog->due = when;
        }
    }
}

static void due_timer_follow(struct backlog *backlog);

static void row_remove(struct backlog *backlog, struct asleep_position at)
{
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    row_account(backlog, row, false);
    if (row->part == 0)
        backlog->receipts--;
    asleep_remove(&backlog->rows, at);
}

// All parts of one receipt, or none.
static enum result rows_insert(struct backlog *backlog, const struct asleep_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum result result = asleep_insert(&backlog->rows, &rows[i]);
        if (result == OK) {
            row_account(backlog, &rows[i], true);
            continue;
        }
        for (; i > 0; i--) {
            struct asleep_position at = asleep_seek(&backlog->rows, rows[i - 1].order);
            while (asleep_row_get(&backlog->rows, at)->number != rows[0].number)
                at = asleep_next(&backlog->rows, at);
            row_account(backlog, &rows[i - 1], false);
            asleep_remove(&backlog->rows, at);
        }
        return result;
    }
    backlog->receipts++;
    due_timer_follow(backlog);
    return OK;
}

#define ROWS_MAX ((RECORD_ARCHIVES_MAX + ASLEEP_DELIVERIES - 1) / ASLEEP_DELIVERIES)

static struct asleep_row *row_next(struct asleep_row *rows, size_t *count)
{
    struct asleep_row *last = &rows[*count - 1];
    if (last->count < ASLEEP_DELIVERIES)
        return last;
    if (*count == ROWS_MAX)
        return NULL;
    rows[*count] = *last;
    struct asleep_row *next = &rows[(*count)++];
    next->part++;
    next->count = 0;
    memset(next->when, 0, sizeof next->when);
    memset(next->reason, 0, sizeof next->reason);
    return next;
}

// ---- going to sleep ----

static bool delivery_may_sleep(const struct delivery *delivery)
{
    if (delivery->is_urgent && delivery->stage != STAGE_PARKED && delivery->stage != STAGE_HELD)
        return false;
    switch (delivery->stage) {
    case STAGE_WAITING:
        return delivery->aborts == 0 && delivery->hiccups == 0 &&
               delivery->receipt->order > delivery->archive->front_order;
    case STAGE_RESTING:
        return delivery->aborts == 0 && delivery->hiccups == 0;
    case STAGE_GATED:
    case STAGE_SENDING:
        return false;
    case STAGE_ANSWERED:
    case STAGE_PARKED: // a retry forgets what came before
    case STAGE_HELD:
    case STAGE_SETTLED:
        return true;
    }
    unreachable_state();
}

static bool receipt_may_sleep(const struct receipt *receipt)
{
    if (receipt->content != NULL || receipt->pins > 0)
        return false;
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        if (!delivery_may_sleep(&receipt->deliveries[i]))
            return false;
    return true;
}

static bool receipt_rows(struct backlog *backlog, const struct receipt *receipt, struct asleep_row *rows,
                         size_t *count)
{
    *count = 1;
    struct receipt_origin origin = {.number = receipt->number,
                                    .order = receipt->order,
                                    .closed_at = receipt->closed_at,
                                    .open = receipt->open,
                                    .close = receipt->close};
    if (!row_begin(&origin, &rows[0]))
        return false;
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        if (receipt->deliveries[i].stage == STAGE_SETTLED)
            continue;
        struct asleep_row *row = row_next(rows, count);
        if (row == NULL || !delivery_put(backlog, &receipt->deliveries[i], row))
            return false;
    }
    return true;
}

static bool receipt_sleep(struct backlog *backlog, struct receipt *receipt)
{
    struct asleep_row rows[ROWS_MAX];
    size_t count;
    if (!receipt_rows(backlog, receipt, rows, &count) || rows_insert(backlog, rows, count) != OK) {
        reasons_leave(backlog, rows, count);
        return false;
    }
    receipt_free(receipt);
    return true;
}

// Up to where the queues are kept awake.
static void fronts_find(struct worker *worker)
{
    size_t most = front_most(&worker->backlog);
    for (size_t i = 0; i < worker->gateway->node_count; i++) {
        struct archive *archive = &worker->archives[i];
        struct list_node *node = list_first(&archive->waiting);
        for (size_t left = most; left > 1 && node != NULL; left--)
            node = list_next(&archive->waiting, node);
        archive->front_order =
            node == NULL ? UINT64_MAX : CONTAINER_OF(node, struct delivery, node)->receipt->order;
    }
}

// The list of receipts is turned round as it is looked at, so that the next turn goes on where this one ends.
static void on_sleep(void *arg)
{
    struct backlog *backlog = arg;
    struct list *receipts = &backlog->worker->receipts;
    fronts_find(backlog->worker);
    bool is_enough = false;
    for (unsigned left = LOOKS_PER_TURN; left > 0 && !is_enough; left--) {
        is_enough = receipts->count <= backlog->awake_limit || backlog->searched >= receipts->count;
        if (is_enough)
            break;
        struct list_node *node = list_take_first(receipts);
        list_append(receipts, node);
        struct receipt *receipt = CONTAINER_OF(node, struct receipt, node);
        bool sleeps = receipt_may_sleep(receipt) && receipt_sleep(backlog, receipt);
        backlog->searched = sleeps ? 0 : backlog->searched + 1;
    }
    if (receipts->count <= backlog->awake_limit)
        return;
    ev_timer_start(&backlog->sleep_timer, is_enough ? SEARCH_REST_NS : 0);
    if (is_enough)
        backlog->searched = 0;
}

void backlog_look_later(struct backlog *backlog)
{
    if (backlog->worker->receipts.count > backlog->awake_limit && !ev_timer_is_armed(&backlog->sleep_timer))
        ev_timer_start(&backlog->sleep_timer, 0);
}

// ---- waking ----

// The receipt whose first row is at `at`. NULL: no memory, it sleeps on.
static struct receipt *wake_at(struct backlog *backlog, struct asleep_position at)
{
    struct asleep_row rows[ROWS_MAX];
    size_t count = 0;
    size_t deliveries = 0;
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    const uint64_t number = row->number;
    ensure(row->part == 0);
    struct asleep_position next = at;
    for (; row != NULL && row->number == number; row = asleep_row_get(&backlog->rows, next)) {
        ensure(count < ROWS_MAX);
        rows[count++] = *row;
        deliveries += row->count;
        next = asleep_next(&backlog->rows, next);
    }
    struct receipt_origin origin = origin_get(&rows[0]);
    struct receipt *receipt = receipt_make(backlog->worker, &origin, deliveries);
    if (receipt == NULL)
        return NULL;
    for (size_t i = count; i > 0; i--) { // rows behind it may move to another block
        struct asleep_position place = asleep_seek(&backlog->rows, origin.order);
        while (asleep_row_get(&backlog->rows, place)->number != number)
            place = asleep_next(&backlog->rows, place);
        row_remove(backlog, place);
    }
    receipt->gate = (rows[0].bits[0] & FREE_BIT) != 0 ? RECEIPT_FREE : RECEIPT_UNASKED;
    for (size_t i = 0; i < count; i++)
        for (unsigned slot = 0; slot < rows[i].count; slot++)
            delivery_get(backlog, receipt, &rows[i], slot);
    reasons_leave(backlog, rows, count);
    order_gate_ask_later(receipt);
    backlog_look_later(backlog);
    return receipt;
}

// Back to the first row of its receipt.
static struct asleep_position first_part(const struct backlog *backlog, struct asleep_position at)
{
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    if (row->part == 0)
        return at;
    uint64_t number = row->number;
    at = asleep_seek(&backlog->rows, row->order);
    while (asleep_row_get(&backlog->rows, at)->number != number)
        at = asleep_next(&backlog->rows, at);
    return at;
}

static bool row_is_in(const struct backlog *backlog, const struct asleep_row *row,
                      const struct archive *archive, unsigned stages)
{
    for (unsigned slot = 0; slot < row->count; slot++)
        if (archive_get(backlog, row, slot) == archive && (stages & 1u << stage_get(row, slot)) != 0)
            return true;
    return false;
}

static size_t stage_wake_from(struct archive *archive, enum delivery_stage stage, size_t most, uint64_t *from)
{
    struct backlog *backlog = &archive->worker->backlog;
    size_t count = 0;
    struct asleep_position at = asleep_seek(&backlog->rows, *from);
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (; row != NULL && count < most && archive->asleep[stage] > 0;
         row = asleep_row_get(&backlog->rows, at)) {
        *from = row->order;
        if (!row_is_in(backlog, row, archive, 1u << stage)) {
            at = asleep_next(&backlog->rows, at);
            continue;
        }
        if (wake_at(backlog, first_part(backlog, at)) == NULL)
            break;
        count++;
        at = asleep_seek(&backlog->rows, *from);
    }
    if (row == NULL || archive->asleep[stage] == 0)
        *from = UINT64_MAX;
    return count;
}

void backlog_front_wake(struct archive *archive)
{
    if (archive->asleep[STAGE_WAITING] == 0)
        return;
    if (order_gate_asked(archive->worker->gate) >= front_most(&archive->worker->backlog))
        return; // those that are awake already are asked about first
    struct list_node *first = list_first(&archive->waiting);
    if (first != NULL && CONTAINER_OF(first, struct delivery, node)->receipt->order <= archive->asleep_from)
        return;
    (void)stage_wake_from(archive, STAGE_WAITING, front_most(&archive->worker->backlog),
                          &archive->asleep_from);
}

size_t backlog_stage_wake(struct archive *archive, enum delivery_stage stage, size_t most)
{
    uint64_t from = 0;
    if (stage == STAGE_WAITING)
        return stage_wake_from(archive, stage, most, &archive->asleep_from);
    return stage_wake_from(archive, stage, most, &from);
}

size_t backlog_look_again(struct archive *archive, unsigned kinds,
                          bool (*is_meant)(uint8_t hold, unsigned kinds))
{
    const struct backlog *backlog = &archive->worker->backlog;
    size_t count = 0;
    struct asleep_position at = asleep_seek(&backlog->rows, 0);
    struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (; row != NULL && archive->asleep[STAGE_HELD] > 0;
         at = asleep_next(&backlog->rows, at), row = asleep_row_get(&backlog->rows, at))
        for (unsigned slot = 0; slot < row->count; slot++) {
            if (archive_get(backlog, row, slot) != archive || stage_get(row, slot) != STAGE_HELD ||
                !is_meant((uint8_t)row->when[slot], kinds))
                continue;
            row->bits[slot] = (uint8_t)((row->bits[slot] & ~STAGE_BITS) | STAGE_WAITING);
            archive->asleep[STAGE_HELD]--;
            archive->asleep[STAGE_WAITING]++;
            if (row->order < archive->asleep_from)
                archive->asleep_from = row->order;
            count++;
        }
    return count;
}

bool backlog_receipts_wake(struct worker *worker, bool (*is_meant)(void *arg, uint64_t number), void *arg)
{
    struct backlog *backlog = &worker->backlog;
    struct asleep_position at = asleep_seek(&backlog->rows, 0);
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (; row != NULL; row = asleep_row_get(&backlog->rows, at)) {
        if (row->part > 0 || !is_meant(arg, row->number)) {
            at = asleep_next(&backlog->rows, at);
            continue;
        }
        uint64_t order = row->order;
        if (wake_at(backlog, at) == NULL)
            return false;
        at = asleep_seek(&backlog->rows, order);
    }
    return true;
}

struct receipt *backlog_receipt_find(struct worker *worker, uint64_t order, uint64_t number)
{
    struct backlog *backlog = &worker->backlog;
    struct asleep_position at = asleep_seek(&backlog->rows, order);
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (; row != NULL && row->order == order;
         at = asleep_next(&backlog->rows, at), row = asleep_row_get(&backlog->rows, at))
        if (row->number == number)
            return wake_at(backlog, at);
    for (struct list_node *node = list_last(&worker->receipts);
         node != NULL && node != &worker->receipts.head; node = node->previous)
        if (CONTAINER_OF(node, struct receipt, node)->number == number)
            return CONTAINER_OF(node, struct receipt, node);
    return NULL;
}

static bool is_any(void *arg, uint64_t number)
{
    (void)arg;
    (void)number;
    return true;
}

void backlog_all_wake(struct worker *worker)
{
    (void)backlog_receipts_wake(worker, is_any, NULL);
}

// ---- what is due: looked for in passes over all rows ----

static void due_timer_follow(struct backlog *backlog)
{
    if (backlog->is_passing || backlog->due == UINT64_MAX)
        return;
    uint64_t rest = PASS_REST_NS + backlog->rows.rows * PASS_ROW_NS;
    uint64_t soonest = ev_now(backlog->worker->loop) + rest;
    if (ev_timer_is_armed(&backlog->due_timer) && backlog->due_timer.deadline <= soonest)
        return; // it may be too early: then the pass finds nothing
    ev_timer_start_at(&backlog->due_timer, backlog->due > soonest ? backlog->due : soonest);
}

static bool row_is_due(struct backlog *backlog, const struct asleep_row *row, uint64_t now)
{
    bool is_due = false;
    for (unsigned slot = 0; slot < row->count; slot++) {
        if (!stage_has_time(stage_get(row, slot)))
            continue;
        uint64_t when = when_get(backlog, row->when[slot]);
        if (when <= now)
            is_due = true;
        else if (when < backlog->pass_due)
            backlog->pass_due = when;
    }
    return is_due;
}

static void pass_begin(struct backlog *backlog)
{
    backlog->is_passing = true;
    backlog->pass_order = 0;
    backlog->pass_due = UINT64_MAX;
}

static void pass_end(struct backlog *backlog)
{
    backlog->is_passing = false;
    backlog->due = backlog->pass_due;
    due_timer_follow(backlog);
}

static void on_due(void *arg)
{
    struct backlog *backlog = arg;
    uint64_t now = ev_now(backlog->worker->loop);
    if (!backlog->is_passing)
        pass_begin(backlog);
    unsigned wakes = 0;
    struct asleep_position at = asleep_seek(&backlog->rows, backlog->pass_order);
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (unsigned left = ROWS_PER_TURN; row != NULL && left > 0 && wakes < WAKES_PER_TURN; left--) {
        backlog->pass_order = row->order;
        if (!row_is_due(backlog, row, now)) {
            at = asleep_next(&backlog->rows, at);
        } else if (wake_at(backlog, first_part(backlog, at)) == NULL) {
            break; // no memory: later
        } else {
            wakes++;
            at = asleep_seek(&backlog->rows, backlog->pass_order);
        }
        row = asleep_row_get(&backlog->rows, at);
    }
    if (row == NULL) {
        pass_end(backlog);
        return;
    }
    backlog->pass_order = row->order;
    bool is_crowded = backlog->worker->receipts.count > 2 * backlog->awake_limit + WAKES_PER_TURN;
    ev_timer_start(&backlog->due_timer, is_crowded ? 10 * NSEC_PER_MS : NSEC_PER_MS);
}

// ---- looking ----

void backlog_each(const struct backlog *backlog, bool (*visit)(void *arg, const struct backlog_view *view),
                  void *arg)
{
    struct asleep_position at = asleep_seek(&backlog->rows, 0);
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (; row != NULL; at = asleep_next(&backlog->rows, at), row = asleep_row_get(&backlog->rows, at))
        for (unsigned slot = 0; slot < row->count; slot++) {
            struct backlog_view view = {
                .number = row->number,
                .order = row->order,
                .closed_at = row->closed_at,
                .archive = row->archive[slot],
                .stage = stage_get(row, slot),
                .status = row->status[slot],
                .attempts = row->attempts[slot],
                .when = when_get(backlog, row->when[slot]),
                .reason = reason_get(backlog, row->reason[slot]),
            };
            if (!visit(arg, &view))
                return;
        }
}

// To the end, if it must be: very many that are owed no more may sleep in front. They are passed once, unless
// an older one falls asleep again meanwhile.
uint64_t backlog_oldest(struct archive *archive)
{
    const struct backlog *backlog = &archive->worker->backlog;
    if (archive->asleep[STAGE_WAITING] + archive->asleep[STAGE_RESTING] + archive->asleep[STAGE_HELD] == 0)
        return 0;
    struct asleep_position at = asleep_seek(&backlog->rows, archive->owed_from);
    const struct asleep_row *row = asleep_row_get(&backlog->rows, at);
    for (; row != NULL; at = asleep_next(&backlog->rows, at), row = asleep_row_get(&backlog->rows, at))
        if (row_is_in(backlog, row, archive, STAGES_OWED)) {
            archive->owed_from = row->order;
            return row->closed_at;
        }
    unreachable_state(); // it counts some
}

// ---- life ----

void backlog_init(struct backlog *backlog, struct worker *worker, size_t awake_limit)
{
    *backlog = (struct backlog){.worker = worker,
                                .awake_limit = awake_limit == 0 ? 1 : awake_limit,
                                .started = ev_now(worker->loop),
                                .due = UINT64_MAX,
                                .pass_due = UINT64_MAX};
    asleep_init(&backlog->rows);
    ev_timer_init(&backlog->sleep_timer, worker->loop, on_sleep, backlog);
    ev_timer_init(&backlog->due_timer, worker->loop, on_due, backlog);
}

void backlog_fini(struct backlog *backlog)
{
    ev_timer_fini(&backlog->sleep_timer);
    ev_timer_fini(&backlog->due_timer);
    asleep_fini(&backlog->rows);
    free(backlog->reasons);
}

// ---- at start ----

static bool entry_row(struct backlog *backlog, const struct open_entry *entry, struct asleep_row *rows,
                      size_t *count)
{
    struct receipt_origin origin = {.number = entry->receipt,
                                    .order = entry->order,
                                    .closed_at = entry->closed_at,
                                    .open = entry->open,
                                    .close = entry->close};
    *count = 1;
    if (!row_begin(&origin, &rows[0]))
        return false;
    for (size_t i = 0; i < entry->delivery_count; i++) {
        struct archive *archive = archive_by_id(backlog->worker, entry->deliveries[i].archive);
        if (archive == NULL || delivery_state_settles(entry->deliveries[i].state))
            continue;
        struct delivery delivery = {.archive = archive};
        delivery.stage = delivery_restored(backlog->worker, &entry->deliveries[i], &delivery);
        struct asleep_row *row = row_next(rows, count);
        if (row == NULL || !delivery_put(backlog, &delivery, row))
            return false;
    }
    return true;
}

enum result backlog_restore(struct backlog *backlog, const struct open_entry *entry)
{
    struct asleep_row rows[ROWS_MAX];
    size_t count;
    if (backlog->worker->receipts.count < backlog->awake_limit)
        return AGAIN;
    enum result result = AGAIN;
    if (entry_row(backlog, entry, rows, &count))
        result = rows[0].count == 0 ? OK : rows_insert(backlog, rows, count);
    if (result != OK)
        reasons_leave(backlog, rows, count);
    return result;
}
