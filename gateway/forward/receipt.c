// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/units.h"
#include "base/utf8.h"
#include "daemon/places.h"
#include "dimse/status.h"
#include "forward/archive.h"
#include "forward/awaited.h"
#include "forward/receipt_private.h"
#include "order/gate.h"
#include "order/note.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include <stdlib.h>

#define RECEIPT_MAGIC 0x52435431u

const char *delivery_stage_name(enum delivery_stage stage)
{
    switch (stage) {
    case STAGE_WAITING:
        return "waiting";
    case STAGE_RESTING:
        return "resting";
    case STAGE_SENDING:
        return "sending";
    case STAGE_ANSWERED:
        return "answered";
    case STAGE_PARKED:
        return "parked";
    case STAGE_GATED:
        return "gated";
    case STAGE_HELD:
        return "held";
    case STAGE_SETTLED:
        return "settled";
    }
    unreachable_state();
}

// ---- the one place where a stage changes, with the list that goes with it ----

// In order of receipt, those that a client waits for before all others.
static uint64_t order_get(const struct delivery *delivery)
{
    return delivery->receipt->order | (delivery->is_urgent ? 0 : UINT64_C(1) << 63);
}

static uint64_t when_get(const struct delivery *delivery)
{
    return delivery->when;
}

static struct delivery *delivery_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct delivery, node);
}

// By rising key, behind equal ones. Looks from both ends at once: what is put back lies near the front, what
// is new near the end, and the list may be very long.
static void insert_sorted(struct list *list, struct delivery *delivery,
                          uint64_t (*key)(const struct delivery *))
{
    uint64_t own = key(delivery);
    struct list_node *front = list_first(list);
    struct list_node *back = list_last(list);
    for (; front != NULL; front = front->next, back = back->previous) {
        if (key(delivery_of(front)) > own) {
            list_insert_before(list, front, &delivery->node);
            return;
        }
        if (key(delivery_of(back)) <= own) {
            list_insert_before(list, back->next, &delivery->node);
            return;
        }
    }
    list_append(list, &delivery->node);
}

void delivery_stage_set(struct delivery *delivery, enum delivery_stage stage)
{
    struct archive *archive = delivery->archive;
    if (stage == STAGE_WAITING && (delivery->waits_for_primary || !order_gate_allows(delivery)))
        stage = STAGE_GATED;
    if (list_node_is_linked(&delivery->node))
        list_remove(archive_list(archive, delivery->stage), &delivery->node);
    delivery->stage = stage;
    struct list *list = archive_list(archive, stage);
    if (stage == STAGE_WAITING || stage == STAGE_GATED || stage == STAGE_HELD)
        insert_sorted(list, delivery, order_get);
    else if (stage == STAGE_RESTING || stage == STAGE_ANSWERED)
        insert_sorted(list, delivery, when_get);
    else if (list != NULL)
        list_append(list, &delivery->node);
    archive_timers_update(archive);
    if (stage == STAGE_WAITING)
        archive_pump_later(archive);
    order_gate_changed(delivery);
}

void receipt_keep(struct receipt *receipt)
{
    receipt->unsettled++;
}

void receipt_let_go(struct receipt *receipt)
{
    ensure(receipt->unsettled > 0);
    if (--receipt->unsettled == 0)
        receipt_free(receipt);
}

static void content_release(struct receipt *receipt)
{
    if (receipt->content != NULL)
        receipt->content->holder = NULL;
    content_unref(&receipt->content);
}

// Once every archive has answered or given up for now, nothing needs the hot chunks.
static void content_let_go(struct receipt *receipt)
{
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        enum delivery_stage stage = receipt->deliveries[i].stage;
        if (stage == STAGE_WAITING || stage == STAGE_RESTING || stage == STAGE_GATED ||
            stage == STAGE_SENDING)
            return;
    }
    content_release(receipt);
}

static void settled(struct delivery *delivery)
{
    struct receipt *receipt = delivery->receipt;
    delivery_stage_set(delivery, STAGE_SETTLED);
    content_let_go(receipt);
    receipt_let_go(receipt);
}

static struct record_outcome outcome_of(const struct delivery *delivery, enum record_outcome_kind kind)
{
    return (struct record_outcome){.receipt = delivery->receipt->number,
                                   .archive = delivery->archive->node->conf->id,
                                   .kind = (uint8_t)kind,
                                   .resent = delivery->is_resent,
                                   .status = delivery->status,
                                   .attempt = delivery->attempts,
                                   .answered = ev_wall_now(delivery->receipt->worker->loop)};
}

static void note(const struct delivery *delivery, const struct record_outcome *outcome)
{
#if !DG_FAULT_OUTCOME_LOST
    notes_outcome(&delivery->receipt->worker->notes, outcome);
#else
    if (outcome->receipt % 8 != 0)
        notes_outcome(&delivery->receipt->worker->notes, outcome);
#endif
}

// Owed no more, because the client was told that it failed. What the archive has of it is said by others.
static void refused_settle(struct delivery *delivery)
{
    struct record_outcome outcome = outcome_of(delivery, RECORD_DROPPED_PERSON);
    outcome.comment = slice_of_text(delivery->is_resent ? "refused to the client; the archive may have it"
                                                        : "refused to the client");
    if (!delivery->receipt->is_dropped)
        note(delivery, &outcome);
    if (delivery->is_resent)
        awaited_finding(delivery, false);
    settled(delivery);
}

void receipt_refuse(struct receipt *receipt, uint64_t taken)
{
    receipt_keep(receipt);
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        delivery->is_urgent = false;
        if ((taken >> i & 1) != 0)
            awaited_finding(delivery, true);
        else if (delivery->stage == STAGE_SENDING)
            delivery->is_refused = true;
        else if (delivery->stage != STAGE_SETTLED)
            refused_settle(delivery);
    }
    content_let_go(receipt);
    receipt_let_go(receipt);
}

// What can not be sent to an archive, by its contexts or by a person's decision or because the gateway stops,
// is a failure for a client that waits. True: the delivery was refused to its client and is gone.
static bool ends_for_client(struct delivery *delivery, uint16_t status, const char *reason)
{
    bool is_with_lane = delivery->stage == STAGE_SENDING;
    struct awaited_word word = {.status = status != 0 ? status : DIMSE_PROCESSING_FAILURE,
                                .comment = slice_of_text(reason)};
    if (delivery->is_urgent && awaited_refused(delivery, &word) && !is_with_lane)
        return true;
    if (!delivery->is_refused)
        return false;
    refused_settle(delivery);
    return true;
}

// No other try: its client was refused meanwhile, or waits while the gateway stops. Then it is gone.
static bool is_too_late(struct delivery *delivery)
{
    bool waits_in_vain = delivery->is_urgent && delivery->receipt->worker->is_stopping;
    return (waits_in_vain || delivery->is_refused) &&
           ends_for_client(delivery, DIMSE_OUT_OF_RESOURCES, "the gateway is stopping");
}

void delivery_wait(struct delivery *delivery)
{
    if (is_too_late(delivery))
        return;
    if (delivery->is_barred && !delivery->is_released)
        delivery_hold(delivery, EDIT_HOLD_NOTE, "rejected by a note before");
    else
        delivery_stage_set(delivery, STAGE_WAITING);
}

// As much of it as is kept in memory; JSON takes whole characters only.
static void reason_set(struct delivery *delivery, const char *reason)
{
    text_copy(delivery->reason, sizeof delivery->reason, slice_of_text(reason));
    utf8_cut(delivery->reason);
}

void delivery_rest(struct delivery *delivery, uint64_t delay_ns, const char *reason)
{
    if (is_too_late(delivery))
        return;
    // A client that waits is tried for without long pauses.
    uint64_t pause = delivery->archive->node->conf->retry_min_ns;
    if (delivery->is_urgent && delay_ns > pause)
        delay_ns = pause;
    delivery->when = ev_now(delivery->receipt->worker->loop) + delay_ns;
    delivery->hold = 0;
    reason_set(delivery, reason);
    delivery_stage_set(delivery, STAGE_RESTING);
}

void delivery_trouble(struct delivery *delivery, const char *reason)
{
    if (delivery->troubles < UINT8_MAX)
        delivery->troubles++;
    delivery_rest(delivery, archive_backoff(delivery->archive, delivery->troubles), reason);
}

void delivery_begin(struct delivery *delivery)
{
    delivery_stage_set(delivery, STAGE_SENDING);
}

// To the client that waits for it, if one does.
static struct awaited_word word_of(const struct delivery_answer *answer)
{
    return (struct awaited_word){answer->status, answer->comment, answer->offending};
}

static void answered(struct delivery *delivery, const struct delivery_answer *answer,
                     enum record_settle_remark remark)
{
    const struct configuration_node *conf = delivery->archive->node->conf;
    bool settles = conf->settle_on == CONFIGURATION_SETTLE_ON_ANSWER;
    struct awaited_word word = word_of(answer);
    delivery->status = answer->status;
    delivery->was_accepted = true;
    struct record_outcome outcome = outcome_of(delivery, settles ? RECORD_SETTLED : RECORD_ANSWERED);
    outcome.remark = (uint8_t)(settles && remark == RECORD_REMARK_NONE ? RECORD_SETTLE_ON_ANSWER : remark);
    const char *finding = order_note_accepted(delivery);
    outcome.comment = finding != NULL ? slice_of_text(finding) : answer->comment;
    outcome.sent = answer->sent_at;
    note(delivery, &outcome);
    delivery->is_resent = false;
    delivery->aborts = 0;
    struct receipt *receipt = delivery->receipt;
    if (delivery->is_urgent)
        awaited_accepted(delivery, &word);
    delivery->is_urgent = false;
    if (delivery->is_refused)
        awaited_finding(delivery, true);
    delivery->is_refused = false;
    if (settles) {
        settled(delivery);
        return;
    }
    delivery->when = ev_now(receipt->worker->loop) + conf->settle_after_ns;
    delivery_stage_set(delivery, STAGE_ANSWERED);
    content_let_go(receipt);
}

static uint8_t edits_mark(const uint8_t edits[RECORD_DIGEST_SIZE])
{
    static const uint8_t none[RECORD_DIGEST_SIZE];
    return memcmp(edits, none, sizeof none) == 0 ? 0 : (uint8_t)(1 + edits[0] % (DELIVERY_SENT_UNKNOWN - 1));
}

void delivery_leaves(struct delivery *delivery, const uint8_t edits[RECORD_DIGEST_SIZE])
{
    uint8_t mark = edits_mark(edits);
    delivery->troubles = 0;
    if (delivery->was_sent && delivery->sent_as != DELIVERY_SENT_UNKNOWN && delivery->sent_as != mark)
        delivery->is_unproven = true;
    delivery->sent_as = mark;
}

// FIELD 5: Orthanc, for one, says Success to a second receipt and keeps the first.
void delivery_answered(struct delivery *delivery, const struct delivery_answer *answer)
{
    delivery->is_unproven |= delivery->other_content;
    if (delivery->is_unproven)
        log_event(LOG_ORDER_UNPROVEN, log_text(delivery->archive->node->conf->name),
                  log_number(delivery->receipt->number));
    answered(delivery, answer, delivery->is_unproven ? RECORD_CONTENT_UNPROVEN : RECORD_REMARK_NONE);
}

void delivery_exists(struct delivery *delivery, const struct delivery_answer *answer)
{
    const char *name = delivery->archive->node->conf->name;
    bool is_known = delivery->was_sent || delivery->same_content;
    bool is_other = delivery->other_content || delivery->is_unproven;
    if (is_known && !is_other) {
        log_event(LOG_ORDER_DUPLICATE, log_text(name), log_number(delivery->receipt->number));
        answered(delivery, answer, RECORD_BY_DUPLICATE);
        return;
    }
    char reason[sizeof delivery->reason];
    text_format(reason, sizeof reason, "%04X duplicate: %s", answer->status,
                is_other ? "it was sent other content under this UID"
                         : "never sent from here, its content is unknown");
    delivery_failed(delivery, answer);
    delivery_park(delivery, reason, answer->status, slice_of(NULL, 0));
}

void delivery_failed(struct delivery *delivery, const struct delivery_answer *answer)
{
    struct awaited_word word = word_of(answer);
    delivery->status = answer->status;
    struct record_outcome outcome = outcome_of(delivery, RECORD_FAILED);
    outcome.comment = answer->comment;
    outcome.sent = answer->sent_at;
    note(delivery, &outcome);
    delivery->was_sent = true;                 // it may have kept what it refused,
    delivery->sent_as = DELIVERY_SENT_UNKNOWN; // but hardly against what comes with other edits
    if (delivery->is_urgent)
        (void)awaited_refused(delivery, &word);
    // For the one that was refused to its client it counts what was sent before this answer.
    if (!delivery->is_refused)
        delivery->is_resent = false;
}

void delivery_park(struct delivery *delivery, const char *reason, uint16_t status, struct slice person)
{
    if (ends_for_client(delivery, status, reason))
        return;
    struct receipt *receipt = delivery->receipt;
    delivery->status = status;
    delivery->hold = 0;
    reason_set(delivery, reason);
    struct record_outcome outcome = outcome_of(delivery, RECORD_PARKED);
    outcome.comment = slice_of_text(reason); // longer than what is kept in memory
    outcome.person = person;
    note(delivery, &outcome);
    log_event(LOG_DELIVERY_PARKED, log_text(delivery->archive->node->conf->name), log_number(receipt->number),
              log_number(status), log_text(person.length > 0 ? "person" : delivery->reason));
    delivery_stage_set(delivery, STAGE_PARKED);
    content_let_go(receipt);
}

void delivery_unpark(struct delivery *delivery, struct slice person, struct slice reason)
{
    if (delivery->stage == STAGE_PARKED) {
        struct record_outcome outcome = outcome_of(delivery, RECORD_UNPARKED);
        outcome.person = person;
        outcome.comment = reason;
        note(delivery, &outcome);
    }
    delivery->archive->refusals = (struct refusals){0}; // whoever asks for a try has set something right
    delivery->aborts = 0;
    delivery->hiccups = 0;
    delivery->troubles = 0;
    delivery->attempts = 0;
    delivery->hold = 0;
    delivery->reason[0] = 0;
    delivery_wait(delivery);
}

void delivery_drop(struct delivery *delivery, struct slice person, struct slice reason)
{
    if (ends_for_client(delivery, 0, "dropped by an operator"))
        return;
    struct receipt *receipt = delivery->receipt;
    struct record_outcome outcome = outcome_of(delivery, RECORD_DROPPED_PERSON);
    outcome.person = person;
    outcome.comment = reason;
    note(delivery, &outcome);
    log_event(LOG_DELIVERY_DROPPED, log_text(delivery->archive->node->conf->name),
              log_number(receipt->number));
    settled(delivery);
}

// ---- holds ----

void delivery_hold(struct delivery *delivery, enum edit_hold_kind kind, const char *reason)
{
    if (ends_for_client(delivery, 0, reason))
        return;
    struct receipt *receipt = delivery->receipt;
    char former[sizeof delivery->reason];
    bool is_kind = delivery->hold == DELIVERY_HOLD(kind) || delivery->hold == DELIVERY_HOLD_UNKNOWN;
    memcpy(former, delivery->reason, sizeof former);
    delivery->hold = DELIVERY_HOLD(kind);
    delivery->troubles = 0;
    reason_set(delivery, reason);
    if (!is_kind || strcmp(former, delivery->reason) != 0) {
        struct record_outcome outcome = outcome_of(delivery, RECORD_HELD);
        outcome.status = 0; // that of a failed attempt is no answer to this
        outcome.comment = slice_of_text(reason);
        note(delivery, &outcome);
        log_event(LOG_DELIVERY_HELD, log_text(delivery->archive->node->conf->name),
                  log_number(receipt->number), log_text(reason));
    }
    delivery_stage_set(delivery, STAGE_HELD);
    content_let_go(receipt);
}

void delivery_release(struct delivery *delivery, struct slice person, struct slice reason)
{
    struct record_outcome outcome = outcome_of(delivery, RECORD_RELEASED);
    outcome.status = 0;
    outcome.person = person;
    outcome.comment = reason;
    note(delivery, &outcome);
    log_event(LOG_DELIVERY_RELEASED, log_text(delivery->archive->node->conf->name),
              log_number(delivery->receipt->number));
    delivery->is_released = true;
    delivery->hold = 0;
    delivery->reason[0] = 0;
    delivery_wait(delivery);
}

void delivery_reject(struct delivery *delivery, struct slice person, struct slice reason)
{
    if (ends_for_client(delivery, 0, "rejected by an operator"))
        return;
    struct receipt *receipt = delivery->receipt;
    struct record_outcome outcome = outcome_of(delivery, RECORD_REJECTED);
    outcome.person = person;
    outcome.comment = reason;
    note(delivery, &outcome);
    log_event(LOG_DELIVERY_REJECTED, log_text(delivery->archive->node->conf->name),
              log_number(receipt->number));
    settled(delivery);
}

static enum record_outcome_kind kind_of(enum order_action how)
{
    if (how == ORDER_REJECT)
        return RECORD_REJECTED;
    return how == ORDER_SUPERSEDE ? RECORD_SUPERSEDED : RECORD_SETTLED;
}

void delivery_over(struct delivery *delivery, enum order_action how, uint64_t evidence)
{
    if (how == ORDER_REJECT && ends_for_client(delivery, 0, "rejected by a note"))
        return;
    char comment[32];
    const char *name = delivery->archive->node->conf->name;
    struct record_outcome outcome = outcome_of(delivery, kind_of(how));
    text_copy(comment, sizeof comment, slice_of_text("receipt "));
    ledger_receipt_text(evidence, comment + strlen(comment), sizeof comment - strlen(comment));
    outcome.comment = slice_of_text(comment);
    outcome.status = 0; // that of a failed attempt is no answer to this
    if (how == ORDER_DUPLICATE)
        outcome.remark = RECORD_BY_DUPLICATE;
    else if (how == ORDER_LOOP)
        outcome.remark = RECORD_BY_LOOP;
    note(delivery, &outcome);
    enum log_id event = how == ORDER_REJECT      ? LOG_DELIVERY_REJECTED
                        : how == ORDER_SUPERSEDE ? LOG_ORDER_SUPERSEDED
                        : how == ORDER_DUPLICATE ? LOG_ORDER_DUPLICATE
                                                 : LOG_ORDER_LOOP;
    log_event(event, log_text(name), log_number(delivery->receipt->number));
    delivery->was_accepted = how == ORDER_DUPLICATE;
    struct awaited_word word = {.status = DIMSE_SUCCESS, .comment = outcome.comment};
    if (delivery->is_urgent)
        awaited_accepted(delivery, &word); // the archive has it, or a newer one
    settled(delivery);
}

void delivery_settle(struct delivery *delivery, enum record_settle_remark remark)
{
    if (remark == RECORD_BY_ANSWER_ONLY && delivery->is_unproven)
        remark = RECORD_CONTENT_UNPROVEN;
    struct record_outcome outcome = outcome_of(delivery, RECORD_SETTLED);
    outcome.remark = (uint8_t)remark;
    note(delivery, &outcome);
    settled(delivery);
}

// ---- life ----

struct receipt *receipt_reserve(size_t archives)
{
    return calloc(1, sizeof(struct receipt) + archives * sizeof(struct delivery));
}

struct receipt *receipt_make(struct worker *worker, const struct receipt_origin *origin, size_t deliveries)
{
    struct receipt *receipt = origin->reserve != NULL ? *origin->reserve : receipt_reserve(deliveries);
    if (receipt == NULL)
        return NULL;
    if (origin->reserve != NULL)
        *origin->reserve = NULL;
    MAGIC_INIT(receipt, RECEIPT_MAGIC);
    receipt->worker = worker;
    receipt->number = origin->number;
    receipt->order = origin->order;
    receipt->closed_at = origin->closed_at;
    receipt->association = origin->association;
    receipt->open = origin->open;
    receipt->close = origin->close;
    list_append(&worker->receipts, &receipt->node);
    return receipt;
}

struct delivery *delivery_add(struct receipt *receipt, struct archive *archive)
{
    struct delivery *delivery = &receipt->deliveries[receipt->delivery_count++];
    delivery->receipt = receipt;
    delivery->archive = archive;
    receipt->unsettled++;
    return delivery;
}

// ---- where it lies ----

// So often in a row nothing may be where the ledger says. More than once, as each lane that has begun before
// the receipt was copied finds that out by itself.
#define MISSES_MOST 8

static bool is_same(struct journal_position a, struct journal_position b)
{
    return a.stream == b.stream && journal_position_compare(a, b) == 0;
}

static void on_place(void *arg, const struct place_question *answer)
{
    struct receipt *receipt = arg;
    MAGIC_CHECK(receipt, RECEIPT_MAGIC);
    receipt->question = NULL;
    receipt->pins--;
    content_release(receipt); // its cold pieces may name an old place
    if (answer->result != OK && answer->result != ERR_MISSING)
        return; // asked again
    bool is_news = answer->result == OK &&
                   !(is_same(receipt->open, answer->open) && is_same(receipt->close, answer->close));
    receipt->misses = is_news ? 0 : (uint8_t)(receipt->misses + 1);
#if !DG_FAULT_COPY_NOT_FOLLOWED
    if (is_news) {
        receipt->open = answer->open;
        receipt->close = answer->close;
    }
#endif
}

bool receipt_relocate(struct receipt *receipt)
{
    if (receipt->misses >= MISSES_MOST)
        return false;
    if (receipt->question != NULL)
        return true;
    receipt->question = place_ask(receipt->worker, receipt->number, on_place, receipt);
    receipt->pins += receipt->question != NULL;
    return true;
}

void receipt_free(struct receipt *receipt)
{
    MAGIC_CHECK(receipt, RECEIPT_MAGIC);
    if (receipt->question != NULL)
        place_forget(receipt->question);
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        if (list_node_is_linked(&delivery->node))
            list_remove(archive_list(delivery->archive, delivery->stage), &delivery->node);
    }
    order_gate_leave(receipt);
    content_release(receipt);
    list_remove(&receipt->worker->receipts, &receipt->node);
    MAGIC_CLEAR(receipt);
    free(receipt);
}

enum result receipt_admit(struct worker *worker, const struct receipt_origin *origin,
                          const struct record_close *close, struct content *content)
{
    if (close->archive_count == 0)
        return OK;
    struct receipt *receipt = receipt_make(worker, origin, close->archive_count);
    if (receipt == NULL)
        return ERR_NOMEM;
    if (content != NULL)
        content_hold(content, &receipt->content);
    for (size_t i = 0; i < close->archive_count; i++) {
        struct archive *archive = archive_by_id(worker, close->archives[i]);
        if (archive == NULL)
            log_event(LOG_RECEIPT_UNKNOWN_NODE, log_number(origin->number), log_number(close->archives[i]));
        else
            (void)delivery_add(receipt, archive);
    }
    if (origin->awaited != NULL && receipt->unsettled > 0)
        awaited_attach(origin->awaited, receipt);
    for (unsigned i = 0; i < receipt->delivery_count; i++) {
        struct delivery *delivery = &receipt->deliveries[i];
        delivery->waits_for_primary = origin->awaited != NULL && !delivery->is_urgent;
        delivery_stage_set(delivery, STAGE_WAITING);
    }
    if (receipt->unsettled == 0)
        receipt_free(receipt);
    else
        order_gate_ask(receipt, close, origin->sop_instance);
    backlog_look_later(&worker->backlog);
    return OK;
}

enum delivery_stage delivery_restored(struct worker *worker, const struct open_delivery *from,
                                      struct delivery *delivery)
{
    const struct configuration_node *conf = delivery->archive->node->conf;
    delivery->status = from->status;
    delivery->attempts = from->attempts;
    delivery->was_sent = from->attempts > 0;
    delivery->is_unproven = from->remark == RECORD_CONTENT_UNPROVEN;
    delivery->was_accepted = from->state == DELIVERY_ANSWERED;
    delivery->is_released = from->is_released;
    delivery->is_resent = from->state == DELIVERY_SENT ||
                          ((from->state == DELIVERY_PARKED || from->state == DELIVERY_HELD) && from->resent);
    delivery->sent_as = delivery->is_resent ? edits_mark(from->edits) : DELIVERY_SENT_UNKNOWN;
    if (from->state == DELIVERY_ANSWERED) {
        uint64_t wall = ev_wall_now(worker->loop);
        uint64_t age = wall > from->since ? wall - from->since : 0;
        uint64_t left = age < conf->settle_after_ns ? conf->settle_after_ns - age : 0;
        delivery->when = ev_now(worker->loop) + left;
        return STAGE_ANSWERED;
    }
#if DG_FAULT_HOLD_FORGOTTEN
    delivery->is_released |= from->state == DELIVERY_HELD;
    bool is_held = false;
#else
    bool is_held = from->state == DELIVERY_HELD;
#endif
    if (from->state != DELIVERY_PARKED && !is_held)
        return STAGE_WAITING;
    const char *unknown = is_held ? "held before the last start" : "parked before the last start";
    reason_set(delivery, from->explanation != NULL ? from->explanation : unknown);
    delivery->hold = is_held ? DELIVERY_HOLD_UNKNOWN : 0;
    return is_held ? STAGE_HELD : STAGE_PARKED;
}

enum result receipt_restore(struct worker *worker, const struct open_entry *entry)
{
    struct receipt_origin origin = {.number = entry->receipt,
                                    .order = entry->order,
                                    .closed_at = entry->closed_at,
                                    .open = entry->open,
                                    .close = entry->close};
    enum result result = backlog_restore(&worker->backlog, entry);
    if (result != AGAIN)
        return result;
    struct receipt *receipt = receipt_make(worker, &origin, entry->delivery_count);
    if (receipt == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < entry->delivery_count; i++) {
        const struct open_delivery *from = &entry->deliveries[i];
        struct archive *archive = archive_by_id(worker, from->archive);
        if (delivery_state_settles(from->state))
            continue;
        if (archive == NULL) // it was counted, and told once (daemon/recover.c)
            continue;
        struct delivery *delivery = delivery_add(receipt, archive);
        delivery_stage_set(delivery, delivery_restored(worker, from, delivery));
    }
    if (receipt->unsettled == 0)
        receipt_free(receipt);
    else
        order_gate_ask_later(receipt);
    return OK;
}
