// SPDX-License-Identifier: Apache-2.0
#include "order/note.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "forward/archive.h"
#include "order/gate.h"
#include "store/ledger_reader.h"
#include <stdlib.h>

#define PAUSE_FIRST (100 * NSEC_PER_MS) // the ledger is a little behind
enum { PAUSES_MOST = 8 };               // doubled up to 26 s

struct order_note {
    struct list_node node;
    struct order_notes *notes;
    struct receipt *receipt;
    struct order_look *look; // the last one that could be made; NULL: none yet
    uint64_t when;           // ev_now() of the next one
    unsigned looks;
};

// ---- looks ----

struct order_look *order_look_new(const struct gateway *gateway)
{
    return calloc(1, sizeof(struct order_look) + gateway->node_count);
}

void order_look_free(struct order_look *look)
{
    if (look == NULL)
        return;
    free(look->references);
    free(look->marks);
    free(look->known);
    free(look);
}

// ---- asking ----

static struct order_note *note_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct order_note, node);
}

static bool is_waiting(const struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        const struct delivery *delivery = &receipt->deliveries[i];
        if (delivery->stage != STAGE_ANSWERED && delivery->stage != STAGE_SETTLED &&
            delivery->note != NOTE_READY)
            return true;
    }
    return false;
}

static void note_ask(struct order_notes *notes, struct order_note *note)
{
    struct receipt *receipt = note->receipt;
    unsigned pause = note->looks < PAUSES_MOST ? note->looks : PAUSES_MOST;
    note->looks++;
    note->when = ev_now(notes->worker->loop) + (PAUSE_FIRST << pause);
    struct order_look *look = order_look_new(notes->worker->gateway);
    if (look == NULL || !order_gate_look(receipt, look))
        order_look_free(look);
}

static void on_timer(void *arg)
{
    struct order_notes *notes = arg;
    uint64_t now = ev_now(notes->worker->loop);
    uint64_t next = UINT64_MAX;
    LIST_EACH(&notes->notes, node)
    {
        struct order_note *note = note_of(node);
        if (!is_waiting(note->receipt))
            continue;
        if (note->when <= now && note->receipt->ask == NULL)
            note_ask(notes, note);
        else if (note->when <= now)
            note->when = now + PAUSE_FIRST;
        if (note->when < next)
            next = note->when;
    }
    if (next != UINT64_MAX)
        ev_timer_start(&notes->timer, next - now);
}

void order_notes_init(struct order_notes *notes, struct worker *worker)
{
    notes->worker = worker;
    list_init(&notes->notes);
    ev_timer_init(&notes->timer, worker->loop, on_timer, notes);
}

void order_notes_fini(struct order_notes *notes)
{
    ev_timer_fini(&notes->timer);
}

bool order_note_begin(struct order_notes *notes, struct receipt *receipt)
{
    if (receipt->note != NULL)
        return true;
    for (unsigned i = 0; i < receipt->delivery_count; i++)
        receipt->deliveries[i].note = NOTE_UNKNOWN;
    struct order_note *note = calloc(1, sizeof *note);
    if (note == NULL)
        return false;
    note->notes = notes;
    note->receipt = receipt;
    receipt->note = note;
    receipt->pins++;
    list_append(&notes->notes, &note->node);
    ev_timer_start(&notes->timer, 0);
    return true;
}

void order_note_leave(struct receipt *receipt)
{
    struct order_note *note = receipt->note;
    if (note == NULL)
        return;
    list_remove(&note->notes->notes, &note->node);
    order_look_free(note->look);
    free(note);
    receipt->note = NULL;
}

// ---- the answer ----

bool order_note_allows(const struct delivery *delivery)
{
    return delivery->note == NOTE_NONE || delivery->note == NOTE_READY ||
           (delivery->is_released && delivery->note != NOTE_UNKNOWN);
}

static void stage_take(struct delivery *delivery, enum order_note_stage stage, const char *why)
{
    bool may_be_held = delivery->stage == STAGE_GATED || delivery->stage == STAGE_WAITING ||
                       delivery->stage == STAGE_RESTING;
    bool is_held_here = delivery->stage == STAGE_HELD && (delivery->hold == DELIVERY_HOLD(EDIT_HOLD_NOTE) ||
                                                          delivery->hold == DELIVERY_HOLD_UNKNOWN);
    delivery->note = (uint8_t)stage;
    if (stage == NOTE_STUCK && may_be_held && !delivery->is_released)
        delivery_hold(delivery, EDIT_HOLD_NOTE, why);
    else if (stage != NOTE_STUCK && is_held_here)
        delivery_wait(delivery);
}

void order_note_answered(struct order_notes *notes, struct receipt *receipt, struct order_ask *ask)
{
    struct order_note *note = receipt->note;
    struct order_look *look = ask->look;
    bool is_unreadable = look->result == ERR_FORMAT || look->result == ERR_LIMIT;
    if (note == NULL || (look->result != OK && !is_unreadable))
        return;
    order_look_free(note->look);
    note->look = look;
    ask->look = NULL;
    const char *why = is_unreadable ? "rejection note: what it references can not be read"
                                    : "rejection note: what it references is parked or held";
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        size_t archive = (size_t)(delivery->archive - notes->worker->archives);
        if (delivery->stage != STAGE_SETTLED)
            stage_take(delivery, is_unreadable ? NOTE_STUCK : look->stages[archive], why);
    }
}

// ---- accepted ----

static void done_tell(struct receipt *receipt, const struct order_look *from, size_t archive, bool is_forced)
{
    struct order_look *look = order_look_new(receipt->worker->gateway);
    reference *references = malloc((from->count + 1) * sizeof *references);
    if (look == NULL || references == NULL) { // the ledger tells it a little later
        order_look_free(look);
        free(references);
        return;
    }
    memcpy(references, from->references, from->count * sizeof *references);
    look->references = references;
    look->count = from->count;
    look->is_done = true;
    look->is_forced = is_forced;
    look->archive = archive;
    if (!order_gate_tell(receipt, look))
        order_look_free(look);
}

const char *order_note_accepted(const struct delivery *delivery)
{
    struct receipt *receipt = delivery->receipt;
    const struct order_look *look = receipt->note != NULL ? receipt->note->look : NULL;
    size_t archive = (size_t)(delivery->archive - receipt->worker->archives);
    char comment[48] = "rejection note ";
    uint64_t count = 0;
    if (receipt->note == NULL)
        return NULL;
    if (look == NULL || look->result != OK) { // a person let it go
        log_event(LOG_ORDER_REJECTED_NOTHING, log_text(delivery->archive->node->conf->name),
                  log_number(receipt->number));
        return "finding: nothing was rejected, what this note references is not known";
    }
    ledger_receipt_text(receipt->number, comment + strlen(comment), sizeof comment - strlen(comment));
    struct record_outcome outcome = {.archive = delivery->archive->node->conf->id,
                                     .kind = RECORD_REJECTED,
                                     .comment = slice_of_text(comment),
                                     .answered = ev_wall_now(receipt->worker->loop)};
    for (size_t i = 0; i < look->mark_count; i++) {
        if (look->marks[i].archive != archive)
            continue;
        outcome.receipt = look->marks[i].receipt;
        notes_outcome(&receipt->worker->notes, &outcome);
        count++;
    }
    log_event(LOG_ORDER_REJECTED, log_text(delivery->archive->node->conf->name), log_number(receipt->number),
              log_number(count));
    done_tell(receipt, look, archive, delivery->note != NOTE_READY);
    return NULL;
}
