// SPDX-License-Identifier: Apache-2.0
//
// A lane's side of rules and crosswalk (edit/edit.h): pieces of the data set are looked at until there is a
// verdict for this archive; no byte leaves before it, the command included (ENGINE 5). What is held has the
// reason and waits in STAGE_HELD; what goes edited begins again at its first piece.
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "edit/workshop.h"
#include "forward/lane_private.h"

static void on_change(void *arg)
{
    struct flight *flight = arg;
    MAGIC_CHECK(flight, FLIGHT_MAGIC);
    lane_step_later(flight->lane);
}

enum result flight_edit_begin(struct flight *flight)
{
    struct worker *worker = flight->lane->worker;
    struct edit_policies *policies = gateway_policies(worker->gateway);
    flight->news = flight->lane->archive->news;
    const struct edit_policy *policy =
        policies == NULL ? NULL : edit_policies_find(policies, flight->lane->archive->node->conf->id);
    enum result result = OK;
#if DG_FAULT_EDIT_SKIPPED_AGAIN
    policy = flight->delivery->attempts > 0 ? NULL : policy;
#endif
    if (policy != NULL) {
        const struct delivery *delivery = flight->delivery;
        struct edit_origin origin = {.open = &flight->content->open,
                                     .flags = flight->content->flags,
                                     .receipt = flight->content->receipt,
                                     .order = delivery != NULL ? delivery->receipt->order : 0,
                                     .is_released = delivery != NULL && delivery->is_released,
                                     .uid_has_other_digest = delivery != NULL && delivery->other_content};
        result = edit_begin(worker->workshop, policies, policy, &origin, on_change, flight, &flight->edit);
    }
    if (policy != NULL && result == OK)
        flight->policies = policies;
    else if (policies != NULL)
        edit_policies_unref(&policies);
    return result;
}

void flight_edit_end(struct flight *flight)
{
    struct dcm_splice *splice = flight->outlet.splice;
    outlet_fini(&flight->outlet);
    if (splice != NULL)
        edit_splice_give(flight->lane->worker->workshop, &splice);
    if (flight->edit != NULL)
        edit_free(&flight->edit);
    if (flight->policies != NULL)
        edit_policies_unref(&flight->policies);
}

// ---- taking back ----

static void flight_take_back(struct flight *flight, const struct edit_hold *hold)
{
    struct lane *lane = flight->lane;
    struct edit_hold why = *hold; // of the edit that ends with the flight
    bool has_begun = flight->is_command_queued;
    bool is_old = !flight->is_judged && flight->news != lane->archive->news;
    if (flight->is_judged && flight->delivery != NULL && !flight->has_sent_record)
        flight->delivery->attempts--;
    struct delivery *delivery = flight_land(&flight);
    if (delivery != NULL && why.kind == EDIT_HOLD_TROUBLE)
        delivery_trouble(delivery, why.reason);
    else if (delivery != NULL && is_old) // what has become known since may let it go
        delivery_wait(delivery);
    else if (delivery != NULL)
        delivery_hold(delivery, why.kind, why.reason);
    lane_break_off(lane, has_begun, why.reason);
}

void flight_edit_fail(struct flight *flight, enum result result)
{
    struct edit_hold hold = {.kind = EDIT_HOLD_TROUBLE};
    if (result == ERR_FORMAT)
        hold.kind = EDIT_HOLD_DATA;
    text_copy(hold.reason, sizeof hold.reason,
              slice_of_text(result == ERR_FORMAT
                                ? "the data set does not fit the edits that were planned for it"
                                : "no memory to edit it"));
    flight_take_back(flight, &hold);
}

// ---- the verdict ----

// Looks at the current piece. False: it is not there yet.
static bool piece_survey(struct flight *flight)
{
    const struct content *content = flight->content;
    struct slice bytes = slice_of(NULL, 0);
    bool is_behind = flight->piece >= content->piece_count;
    if (is_behind && !content->has_ended)
        return false;
    if (!is_behind && !flight_piece_bytes(flight, &bytes))
        return false;
    bool is_last = content->has_ended && flight->piece + 1 >= content->piece_count;
    edit_feed(flight->edit, bytes, is_last);
    flight->piece++;
    ensure(!is_last || edit_stage(flight->edit) != EDIT_READS);
    if (edit_stage(flight->edit) == EDIT_READS)
        flight_piece_request(flight, flight->piece + 1);
    lane_cut_timer_update(flight->lane);
    return true;
}

static enum result outlet_set_up(struct flight *flight)
{
    const struct dcm_plan *plan = edit_plan(flight->edit);
    struct dcm_splice *splice;
    if (plan == NULL || dcm_plan_count(plan) == 0)
        return OK;
    enum result result = edit_splice_take(flight->lane->worker->workshop, &splice);
    if (result != OK)
        return result;
    return outlet_begin_edited(&flight->outlet, plan, splice, &flight->lane->buffers,
                               flight->content->open.transfer_syntax, edit_header_length(flight->edit));
}

static bool verdict_goes(struct flight *flight)
{
    const char *first = "";
    size_t flags = edit_flags(flight->edit, &first);
    if (flags > 0)
        log_event(LOG_DELIVERY_FLAGGED, log_text(flight->lane->archive->node->conf->name),
                  log_number(flight->content->receipt), log_number(flags), log_text(first));
    flight_pieces_rewind(flight);
    enum result result = outlet_set_up(flight);
    if (result != OK) {
        flight_edit_fail(flight, result);
        return false;
    }
    return flight_go(flight);
}

bool flight_judge(struct flight *flight)
{
    if (flight->is_judged)
        return true;
    while (edit_stage(flight->edit) == EDIT_READS && piece_survey(flight))
        continue;
    switch (edit_stage(flight->edit)) {
    case EDIT_READS:
    case EDIT_ASKS:
        return false;
    case EDIT_GOES:
        return verdict_goes(flight);
    case EDIT_HOLDS:
    case EDIT_REFUSES: // only before Success
        flight_take_back(flight, edit_hold(flight->edit));
        return false;
    }
    unreachable_state();
}

// ---- what SENT says ----

bool flight_edit_describe(struct flight *flight, struct record_sent *sent)
{
    struct dcm_plan *undo;
    struct edit_hold hold = {.kind = EDIT_HOLD_TROUBLE, .reason = "no memory to record what is edited"};
    enum result result = outlet_undo(&flight->outlet, &undo);
    if (result == OK) {
        outlet_header_get(&flight->outlet, sent->header);
        result = edit_sent_fill(flight->edit, undo, sent);
        dcm_plan_free(undo);
    }
    if (result == OK)
        return true;
    if (result == ERR_LIMIT)
        edit_hold_for_size(&hold);
    flight_take_back(flight, &hold);
    return false;
}

// ---- cut-through, stopping ----

bool flight_edit_stands(const struct flight *flight, const struct delivery *delivery)
{
    const uint32_t late = RECORD_CLOSE_BEHIND | RECORD_CLOSE_UNSCANNED; // an edit may not reach all of it
    return flight->edit == NULL ||
           (flight->is_judged && (flight->content->flags & late) == 0 && !delivery->other_content);
}

void lane_judgement_leave(struct lane *lane)
{
    if (lane->sending == NULL || lane->sending->is_judged)
        return;
    struct flight *flight = lane->sending;
    struct delivery *delivery = flight_land(&flight);
    if (delivery != NULL)
        delivery_wait(delivery);
}
