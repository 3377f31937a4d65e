// SPDX-License-Identifier: Apache-2.0
//
// A lane's side of cut-through (cut.h): a flight without a delivery follows a content that is not whole.
#include "base/log.h"
#include "base/units.h"
#include "forward/lane_private.h"

// How long it waits for the next piece, or for the instance to be owed, before the archive is let go: what is
// withheld keeps a lane, and some archives count how long an instance takes.
#define CUT_STALL_NS (3 * NSEC_PER_SEC)

bool lane_has_cut(const struct lane *lane)
{
    return lane_cut_content(lane) != NULL;
}

const struct content *lane_cut_content(const struct lane *lane)
{
    if (lane->sending != NULL && lane->sending->delivery == NULL)
        return lane->sending->content;
    return NULL;
}

bool lane_may_cut(const struct lane *lane, const struct record_open *open)
{
    uint8_t context_id;
    struct slice abstract;
    struct slice transfer;
    return lane->state == LANE_OPEN && lane_is_idle(lane) && !lane->is_kept &&
           list_is_empty((struct list *)&lane->flights) && leg_is_open(lane->leg) &&
           lane_context_find(lane, open, &context_id) &&
           ul_association_context(leg_association(lane->leg), context_id, &abstract, &transfer);
}

void lane_cut(struct lane *lane, struct content *content)
{
    lane->content = content_ref(content);
    lane_step_later(lane);
}

static void on_change(struct content_follower *follower)
{
    lane_step_later(CONTAINER_OF(follower, struct flight, follower)->lane);
}

void flight_follow(struct flight *flight)
{
    flight->follower.on_change = on_change;
    content_follow(flight->content, &flight->follower);
}

void lane_cut_timer_update(struct lane *lane)
{
    if (lane_has_cut(lane))
        ev_timer_start(&lane->cut_timer, CUT_STALL_NS);
    else
        ev_timer_stop(&lane->cut_timer);
}

void flight_cut_off(struct flight *flight)
{
    struct lane *lane = flight->lane;
    log_event(LOG_LANE_CUT_OFF, log_text(lane->archive->node->conf->name),
              log_number(flight->content->receipt), log_number(flight->sent));
    bool has_begun = flight->is_command_queued;
    (void)flight_land(&flight);
    lane_break_off(lane, has_begun, "cut-through was broken off");
}

void lane_on_cut_timer(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    if (lane_has_cut(lane) && lane->leg != NULL)
        flight_cut_off(lane->sending);
}

void lane_cut_bind(struct lane *lane, struct delivery *delivery)
{
    struct flight *flight = lane->sending;
    if (!flight_edit_stands(flight, delivery)) { // it comes through the queue
        flight_cut_off(flight);
        return;
    }
    delivery_begin(delivery);
    delivery->attempts++;
    lane->association = delivery->receipt->association;
    flight->delivery = delivery;
    content_unfollow(flight->content, &flight->follower);
    lane->is_alone = delivery_goes_alone(delivery);
    lane_cut_timer_update(lane);
    lane_step_later(lane);
}
