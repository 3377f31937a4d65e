// SPDX-License-Identifier: Apache-2.0
#include "order/gate.h"
#include "base/check.h"
#include "base/units.h"
#include "forward/archive.h"
#include "order/keeper.h"
#include "order/note.h"
#include <stdlib.h>

enum { ASKED_MOST = 4096, ASKED_OF_FORMER_LIVES = 256, BUCKETS = 256 };
#define RETRY_NS (100 * NSEC_PER_MS)

struct order_gate {
    struct worker *worker;
    struct order_keeper *keeper;
    struct order_outbox outbox;
    struct list unasked; // receipts
    struct order_notes notes;
    size_t asked; // questions not answered yet
    struct ev_timer retry;
    struct list watches[BUCKETS]; // by receipt number
    const struct receipt *told;   // whose orders are being carried out: they go back with what became of them
};

// A receipt that is not alone with its UID. Lives until the keeper has read the last report.
struct order_watch {
    struct order_report report; // not touched while it is out
    struct list_node node;
    struct receipt *receipt; // NULL: settled everywhere
    uint64_t seen;
    bool is_out;
    bool is_due; // there is more to say when it is back
    struct order_slot *now;
};

// ---- asking ----

static void unasked_add(struct order_gate *gate, struct receipt *receipt)
{
    list_append(&gate->unasked, &receipt->gate_node);
    receipt->pins++;
}

static struct order_ask *ask_new(struct receipt *receipt)
{
    struct order_ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL)
        return NULL;
    ask->mail.call.mail.kind = ORDER_ASKED;
    ask->worker = receipt->worker;
    ask->object = receipt;
    ask->receipt = receipt->number;
    ask->order = receipt->order;
    ask->close = receipt->close;
    return ask;
}

static void ask_post(struct order_gate *gate, struct order_ask *ask)
{
    gate->asked++;
    ask->object->ask = ask;
    ask->object->pins++;
    order_outbox_post(&gate->outbox, &ask->mail);
}

static void unasked_pump(struct order_gate *gate)
{
    while (gate->keeper != NULL && gate->asked < ASKED_OF_FORMER_LIVES && !list_is_empty(&gate->unasked)) {
        struct receipt *receipt = CONTAINER_OF(list_first(&gate->unasked), struct receipt, gate_node);
        struct order_ask *ask = ask_new(receipt);
        if (ask == NULL) {
            ev_timer_start(&gate->retry, RETRY_NS);
            return;
        }
        list_remove(&gate->unasked, &receipt->gate_node);
        receipt->pins--;
        ask_post(gate, ask);
    }
}

static void on_retry(void *arg)
{
    unasked_pump(arg);
}

void order_gate_ask(struct receipt *receipt, const struct record_close *close, struct slice sop_instance)
{
    struct order_gate *gate = receipt->worker->gate;
    struct order_ask *ask = gate->asked < ASKED_MOST ? ask_new(receipt) : NULL;
    if (ask == NULL) { // the ledger will have it by then
        unasked_add(gate, receipt);
        ev_timer_start(&gate->retry, RETRY_NS);
        return;
    }
    ask->is_fresh = ask->has_hash = true;
    fact_uid_hash(sop_instance, ask->hash);
    ask->content = order_content_of_close(close);
    ask->is_note = (close->flags & RECORD_CLOSE_NOTE) != 0;
    ask->is_returned = (close->flags & RECORD_CLOSE_RETURNED) != 0;
    ask_post(gate, ask);
}

bool order_gate_look(struct receipt *receipt, struct order_look *look)
{
    struct order_ask *ask = ask_new(receipt);
    if (ask == NULL)
        return false;
    ask->look = look;
    ask_post(receipt->worker->gate, ask);
    return true;
}

bool order_gate_tell(struct receipt *receipt, struct order_look *look)
{
    struct order_ask *ask = ask_new(receipt);
    if (ask == NULL)
        return false;
    ask->object = NULL;
    ask->look = look;
    order_outbox_post(&receipt->worker->gate->outbox, &ask->mail);
    return true;
}

static bool is_owed(const struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        if (receipt->deliveries[i].stage != STAGE_ANSWERED && receipt->deliveries[i].stage != STAGE_SETTLED)
            return true;
    return false;
}

void order_gate_ask_later(struct receipt *receipt)
{
    struct order_gate *gate = receipt->worker->gate;
    if (receipt->gate != RECEIPT_UNASKED || receipt->ask != NULL || !is_owed(receipt))
        return;
    unasked_add(gate, receipt);
    if (gate->keeper != NULL)
        ev_timer_start(&gate->retry, 0);
}

size_t order_gate_asked(const struct order_gate *gate)
{
    return gate->asked + gate->unasked.count;
}

bool order_gate_allows(const struct delivery *delivery)
{
    const struct receipt *receipt = delivery->receipt;
#if DG_FAULT_ORDER_BY_ARRIVAL
    return true;
#endif
    return order_note_allows(delivery) &&
           (receipt->gate == RECEIPT_FREE || (receipt->gate == RECEIPT_WATCHED && delivery->is_allowed));
}

// Deliveries that may go now go; those that may not any more wait.
static void gated_update(struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        bool is_allowed = order_gate_allows(delivery) && !delivery->waits_for_primary;
        if ((delivery->stage == STAGE_GATED && is_allowed) ||
            (delivery->stage == STAGE_WAITING && !is_allowed))
            delivery_wait(delivery);
    }
}

// Behind what has turned out to be gated others may sleep that could go.
static void archives_pump(const struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        archive_pump_later(receipt->deliveries[i].archive);
}

void order_gate_answered(struct worker *worker, struct worker_call *call)
{
    struct order_gate *gate = worker->gate;
    struct order_ask *ask = CONTAINER_OF(call, struct order_ask, mail.call);
    struct receipt *receipt = ask->object;
    gate->asked--;
    if (receipt != NULL) {
        receipt->ask = NULL;
        ask->object = NULL;
        receipt->pins--;
        receipt_keep(receipt); // a client that waits in vain takes it with it
        if (ask->look != NULL) {
            order_note_answered(&gate->notes, receipt, ask);
        } else if (ask->is_note && !order_note_begin(&gate->notes, receipt)) {
            unasked_add(gate, receipt);
            ev_timer_start(&gate->retry, RETRY_NS);
        } else if (ask->is_free && receipt->gate == RECEIPT_UNASKED) {
            receipt->gate = RECEIPT_FREE;
        }
        gated_update(receipt);
        archives_pump(receipt);
        receipt_let_go(receipt);
    }
    order_ask_free(ask);
    unasked_pump(gate);
}

void order_gate_answer_discard(struct worker_call *call)
{
    order_ask_free(CONTAINER_OF(call, struct order_ask, mail.call));
}

// ---- what has become of it ----

static enum order_stage stage_of(const struct delivery *delivery)
{
    switch (delivery->stage) {
    case STAGE_WAITING:
    case STAGE_RESTING:
    case STAGE_GATED:
        return ORDER_ALIVE;
    case STAGE_SENDING:
        return ORDER_SENDING;
    case STAGE_ANSWERED:
        return ORDER_ACCEPTED;
    case STAGE_PARKED:
    case STAGE_HELD:
        return ORDER_PARKED;
    case STAGE_SETTLED:
        return delivery->was_accepted ? ORDER_ACCEPTED : ORDER_OVER;
    }
    unreachable_state();
}

static void slots_fill(const struct receipt *receipt, struct order_slot *slots)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        const struct delivery *delivery = &receipt->deliveries[i];
        struct order_slot *slot = &slots[delivery->archive - receipt->worker->archives];
        slot->stage = stage_of(delivery);
        slot->was_sent = delivery->was_sent || delivery->attempts > 0;
        slot->is_released = delivery->is_released;
    }
}

static void watch_report(struct order_gate *gate, struct order_watch *watch)
{
    size_t slots = gate->worker->gateway->node_count;
    watch->is_due = watch->is_out;
    if (watch->is_out)
        return;
    if (watch->receipt != NULL)
        slots_fill(watch->receipt, watch->now);
    memcpy(watch->report.slots, watch->now, slots * sizeof *watch->now);
    watch->report.seen = watch->seen;
    watch->report.is_last = watch->receipt == NULL;
    watch->is_out = true;
    watch->report.mail.call.mail.kind = ORDER_REPORTED;
    order_outbox_post(&gate->outbox, &watch->report.mail);
}

void order_gate_changed(const struct delivery *delivery)
{
    const struct receipt *receipt = delivery->receipt;
    struct order_gate *gate = receipt->worker->gate;
    if (receipt->gate == RECEIPT_WATCHED && gate->told != receipt)
        watch_report(gate, receipt->watch);
}

void order_gate_leave(struct receipt *receipt)
{
    struct order_gate *gate = receipt->worker->gate;
    if (list_node_is_linked(&receipt->gate_node))
        list_remove(&gate->unasked, &receipt->gate_node);
    if (receipt->ask != NULL)
        receipt->ask->object = NULL;
    order_note_leave(receipt);
    if (receipt->watch == NULL)
        return;
    slots_fill(receipt, receipt->watch->now);
    receipt->watch->receipt = NULL;
    watch_report(gate, receipt->watch);
}

// One that every archive has accepted has no more to tell. Its state is asked for anew if another receipt
// comes.
static void watch_end_if_idle(struct order_gate *gate, struct order_watch *watch)
{
    if (watch->is_out || (watch->receipt != NULL && is_owed(watch->receipt)))
        return;
    if (watch->receipt != NULL) {
        watch->receipt->watch = NULL;
        watch->receipt->gate = RECEIPT_UNASKED;
        watch->receipt->pins--;
    }
    list_remove(&gate->watches[watch->report.receipt % BUCKETS], &watch->node);
    free(watch);
}

static void on_report_back(struct worker *worker, struct worker_call *call)
{
    struct order_watch *watch = CONTAINER_OF(call, struct order_watch, report.mail.call);
    watch->is_out = false;
    if (watch->is_due)
        watch_report(worker->gate, watch);
    watch_end_if_idle(worker->gate, watch);
}

// ---- orders ----

static struct order_watch *watch_find(struct order_gate *gate, uint64_t number)
{
    LIST_EACH(&gate->watches[number % BUCKETS], node)
    {
        struct order_watch *watch = CONTAINER_OF(node, struct order_watch, node);
        if (watch->report.receipt == number)
            return watch;
    }
    return NULL;
}

static struct order_watch *watch_new(struct order_gate *gate, struct receipt *receipt,
                                     const struct order_set *set)
{
    size_t slots = gate->worker->gateway->node_count;
    struct order_watch *watch = calloc(1, sizeof *watch + 2 * slots * sizeof(struct order_slot));
    if (watch == NULL)
        return NULL;
    watch->now = (struct order_slot *)(void *)(watch + 1);
    watch->report.slots = watch->now + slots;
    watch->report.receipt = receipt->number;
    watch->report.order = receipt->order;
    memcpy(watch->report.hash, set->hash, sizeof watch->report.hash);
    watch->report.mail.call.run = on_report_back;
    watch->receipt = receipt;
    list_append(&gate->watches[receipt->number % BUCKETS], &watch->node);
    receipt->watch = watch;
    receipt->gate = RECEIPT_WATCHED;
    receipt->pins++;
    return watch;
}

// NULL: see set->result.
static struct order_watch *watch_get(struct worker *worker, struct order_set *set)
{
    struct order_watch *watch = watch_find(worker->gate, set->receipt);
    if (watch != NULL)
        return watch;
    struct receipt *receipt = backlog_receipt_find(worker, set->order, set->receipt);
    set->result = receipt == NULL ? ORDER_SET_GONE : ORDER_SET_BUSY;
    return receipt != NULL ? watch_new(worker->gate, receipt, set) : NULL;
}

static bool may_still_end(const struct delivery *delivery)
{
    return delivery->stage == STAGE_WAITING || delivery->stage == STAGE_RESTING ||
           delivery->stage == STAGE_GATED || delivery->stage == STAGE_PARKED || delivery->stage == STAGE_HELD;
}

static void order_carry_out(struct delivery *delivery, const struct order_slot *slot)
{
    delivery->is_allowed = slot->action == ORDER_SEND;
    delivery->is_barred = slot->action == ORDER_HOLD_REJECTED;
    switch (slot->action) {
    case ORDER_HOLD:
        return;
    case ORDER_SEND:
        delivery->same_content = slot->same_content;
        delivery->other_content = slot->other_content;
        return;
    case ORDER_HOLD_REJECTED:
        if (may_still_end(delivery) && delivery->stage != STAGE_PARKED && delivery->stage != STAGE_HELD)
            delivery_wait(delivery);
        return;
    case ORDER_SUPERSEDE:
    case ORDER_DUPLICATE:
    case ORDER_LOOP:
    case ORDER_REJECT:
        if (may_still_end(delivery))
            delivery_over(delivery, slot->action, slot->evidence);
        return;
    }
    unreachable_state();
}

static void orders_carry_out(struct order_gate *gate, struct receipt *receipt, struct order_set *set)
{
    gate->told = receipt;
    receipt_keep(receipt);
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        order_carry_out(delivery, &set->slots[delivery->archive - receipt->worker->archives]);
    }
    gated_update(receipt);
    slots_fill(receipt, set->slots);
    gate->told = NULL;
    receipt_let_go(receipt);
}

void order_gate_set(struct worker *worker, struct worker_call *call)
{
    struct order_set *set = CONTAINER_OF(call, struct order_set, mail.call);
    struct order_watch *watch = watch_get(worker, set);
    size_t slots = worker->gateway->node_count;
    if (watch != NULL) {
        set->result = ORDER_SET_DONE;
        watch->seen = set->number;
        struct receipt *receipt = watch->receipt;
        for (size_t i = 0; i < slots; i++) {
            set->slots[i].stage = watch->now[i].stage; // of one that has gone
            set->slots[i].was_sent = watch->now[i].was_sent;
            set->slots[i].is_released = watch->now[i].is_released;
        }
        if (receipt != NULL)
            orders_carry_out(worker->gate, receipt, set);
    }
    set->mail.call.mail.kind = ORDER_TOLD;
    order_outbox_post(&worker->gate->outbox, &set->mail);
    if (watch != NULL)
        watch_end_if_idle(worker->gate, watch);
}

// ---- life ----

enum result order_gate_new(struct worker *worker, struct order_gate **out)
{
    struct order_gate *gate = calloc(1, sizeof *gate);
    if (gate == NULL)
        return ERR_NOMEM;
    gate->worker = worker;
    list_init(&gate->unasked);
    order_notes_init(&gate->notes, worker);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&gate->watches[i]);
    ev_timer_init(&gate->retry, worker->loop, on_retry, gate);
    *out = gate;
    return OK;
}

void order_gate_start(struct order_gate *gate, struct order_keeper *keeper)
{
    gate->keeper = keeper;
    order_outbox_init(&gate->outbox, gate->worker->loop, order_keeper_inbox(keeper));
    ev_timer_start(&gate->retry, 0);
}

void order_gate_free(struct order_gate *gate)
{
    if (gate == NULL)
        return;
    if (gate->keeper != NULL) {
        for (struct order_mail *mail = order_outbox_take(&gate->outbox); mail != NULL;
             mail = order_outbox_take(&gate->outbox))
            if (mail->call.mail.kind == ORDER_ASKED)
                order_ask_free(CONTAINER_OF(mail, struct order_ask, mail));
        order_outbox_fini(&gate->outbox);
    }
    for (size_t i = 0; i < BUCKETS; i++)
        LIST_EACH(&gate->watches[i], node)
        {
            free(CONTAINER_OF(node, struct order_watch, node));
        }
    order_notes_fini(&gate->notes);
    ev_timer_fini(&gate->retry);
    free(gate);
}
