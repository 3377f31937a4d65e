// SPDX-License-Identifier: Apache-2.0
#include "back/titles.h"
#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "forward/lane_private.h"
#include "front/peers.h"
#include <stdlib.h>

#define IDLE_LOOK_NS        (500 * NSEC_PER_MS)
#define REFUSAL_BELIEVED_NS (60 * NSEC_PER_SEC)

struct lane *lane_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct lane, node);
}

struct list_node *lane_node(struct lane *lane)
{
    return &lane->node;
}

// Whether one more may be in flight now.
static bool has_room(const struct lane *lane)
{
    return lane->sending == NULL && lane->flights.count < (lane->is_alone ? 1 : lane->window);
}

static bool has_hand(const struct lane *lane)
{
    return lane->delivery != NULL || lane->content != NULL;
}

bool lane_is_idle(const struct lane *lane)
{
    return (lane->state == LANE_STARTING || lane->state == LANE_OPEN) && !has_hand(lane) &&
           !lane->is_draining && has_room(lane);
}

bool lane_has_urgent(const struct lane *lane)
{
    return lane->delivery != NULL && lane->delivery->is_urgent;
}

bool lane_is_draining(const struct lane *lane)
{
    return lane->is_draining || lane->state == LANE_RELEASING;
}

uint32_t lane_association(const struct lane *lane)
{
    return lane->association;
}

bool lane_is_kept(const struct lane *lane)
{
    return lane->is_kept;
}

bool lane_is_opening(const struct lane *lane)
{
    return lane->state == LANE_STARTING || lane->state == LANE_OPENING;
}

void lane_step_later(struct lane *lane)
{
    if (!lane->is_dead)
        ev_task_defer(&lane->step_task);
}

struct delivery *lane_put_down(struct lane *lane)
{
    struct delivery *delivery = lane->delivery;
    content_unref(&lane->content);
    lane->delivery = NULL;
    return delivery;
}

void lane_put_back(struct lane *lane)
{
    struct delivery *delivery = lane_put_down(lane);
    if (delivery != NULL)
        delivery_wait(delivery);
}

// ---- the association ----

static void on_open(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    lane->has_opened = true;
    lane->opened_at = ev_now(lane->worker->loop);
    lane->state = LANE_OPEN;
    lane_contexts_learn(lane);
    peers_note(lane->worker->gateway->peers, leg_peer(lane->leg),
               ev_wall_now(lane->worker->loop) / NSEC_PER_SEC);
    archive_lane_opened(lane->archive);
    lane->is_probing = lane->is_probing && lane_probe_begin(lane);
    if (lane->is_probing)
        ev_timer_start(&lane->response_timer, lane->archive->node->conf->tls_ns);
    lane_step_later(lane);
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    lane_on_response(lane, context_id, command);
}

static void on_sent(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    lane_send_more(lane);
    if (has_hand(lane))
        lane_step_later(lane); // there was no room for its command
}

// PS3.8 9.3.4: the archive does not know a title that came from the client. Under others it may work.
static bool is_for_titles(const struct lane *lane, const struct leg_end *end)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    if (end->cause != LEG_REJECTED || end->reject.source != UL_REJECT_BY_USER)
        return false;
    return (end->reject.reason == UL_REJECT_USER_CALLING_TITLE &&
            conf->calling != CONFIGURATION_CALLING_REPLACE) ||
           (end->reject.reason == UL_REJECT_USER_CALLED_TITLE &&
            conf->called == CONFIGURATION_CALLED_PRESERVE);
}

static void titles_refused(struct lane *lane, bool is_called, const char *why)
{
    uint64_t rest = archive_titles_refused(lane->archive, slice_of_text(lane->calling),
                                           slice_of_text(lane->called), is_called, why);
    if (lane->delivery != NULL)
        delivery_rest(lane_put_down(lane), rest, DELIVERY_TITLES_UNKNOWN);
}

static void end_text(const struct lane *lane, const struct leg_end *end, char *to, size_t capacity)
{
    if (end->cause == LEG_CLOSED_BY_US && lane->abort_why[0] != 0)
        text_copy(to, capacity, slice_of_text(lane->abort_why));
    else
        leg_end_text(end, to, capacity);
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    char why[96];
    end_text(lane, end, why, sizeof why);
    if (end->cause == LEG_TRANSPORT_ENDED)
        transport_reason_log(end->transport, leg_peer(lane->leg));
    bool is_clean = lane->is_cut_off || (list_is_empty(&lane->flights) &&
                                         (end->cause == LEG_RELEASED || lane->state == LANE_RELEASING ||
                                          (lane->state == LANE_OPEN && !has_hand(lane))));
    bool is_refused = is_for_titles(lane, end);
    leg_free(&lane->leg);
    lane_flights_interrupted(lane, end, why);
    if (is_refused)
        titles_refused(lane, end->reject.reason == UL_REJECT_USER_CALLED_TITLE, why);
    else
        lane_put_back(lane);
    if (!lane->has_opened)
        lane->archive->counters.refused++;
    if (!is_clean && !is_refused)
        archive_lane_failed(lane->archive, why);
    lane_free(lane);
}

const struct leg_handler lane_leg_handler = {
    .on_open = on_open,
    .on_command = on_command,
    .on_sent = on_sent,
    .on_end = on_end,
};

// ---- work ----

// True: it rests, as the archive does not know its titles.
static bool titles_rest(struct lane *lane)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    const struct record_open *open = &lane->content->open;
    uint64_t left = refusals_left(&lane->archive->refusals, titles_calling(conf, open->calling),
                                  titles_called(conf, open->called), ev_now(lane->worker->loop));
    if (left == 0)
        return false;
    struct delivery *delivery = lane_put_down(lane);
    if (delivery != NULL)
        delivery_rest(delivery, left, DELIVERY_TITLES_UNKNOWN);
    lane_step_later(lane);
    return true;
}

static void association_begin(struct lane *lane)
{
    enum result result = lane_associate(lane);
    if (result == OK) {
        lane->state = LANE_OPENING;
        return;
    }
    if (result == ERR_LIMIT) {
        struct delivery *delivery = lane_put_down(lane);
        if (delivery != NULL)
            delivery_park(delivery, "its UIDs are too long to be proposed", 0, slice_of(NULL, 0));
        lane_step_later(lane);
        return;
    }
    lane_put_back(lane);
    archive_lane_failed(lane->archive,
                        result == ERR_MISSING ? "its host name is not resolved" : result_text(result));
    lane_free(lane);
}

static void release_begin(struct lane *lane)
{
    lane->state = LANE_RELEASING;
    leg_release(lane->leg);
}

void lane_drain(struct lane *lane)
{
    lane->is_draining = true;
    if (list_is_empty(&lane->flights) && lane->state == LANE_OPEN && leg_is_open(lane->leg))
        release_begin(lane);
}

void lane_abort(struct lane *lane, const char *why)
{
    text_copy(lane->abort_why, sizeof lane->abort_why, slice_of_text(why));
    leg_abort(lane->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
}

void lane_break_off(struct lane *lane, bool has_begun, const char *why)
{
    if (!has_begun) {
        lane_step_later(lane);
        return;
    }
    lane->is_cut_off = true;
    lane_abort(lane, why);
}

static void refuse_by_context(struct lane *lane, uint8_t context_id)
{
    char reason[64];
    text_format(reason, sizeof reason, "archive does not accept this SOP Class or syntax (%u)",
                leg_context_result(lane->leg, context_id));
    struct delivery *delivery = lane_put_down(lane);
    if (delivery != NULL)
        delivery_park(delivery, reason, 0, slice_of(NULL, 0));
    lane_step_later(lane);
}

static void begin(struct lane *lane, uint8_t context_id)
{
    enum result result = lane_send_begin(lane, context_id);
    if (result != OK)
        lane_unreadable(lane, result);
}

static bool wants_own_association(const struct lane *lane)
{
    const struct delivery *delivery = lane->delivery;
    return delivery != NULL && delivery_is_tried_alone(delivery) && delivery->attempts > 0 &&
           lane->pair_count > 1;
}

// The archive may have learned since what it refused once: an association that traffic keeps open is no proof
// for long.
static bool is_believed(const struct lane *lane)
{
    return ev_now(lane->worker->loop) - lane->opened_at < REFUSAL_BELIEVED_NS;
}

// The delivery in hand is loaded and the association is open: does it fit?
static void use_association(struct lane *lane)
{
    uint8_t context_id = 0;
    struct slice abstract;
    struct slice transfer;
    const struct delivery *delivery = lane->delivery;
    bool fits = !wants_own_association(lane) && lane_context_find(lane, &lane->content->open, &context_id);
    bool is_accepted =
        fits && ul_association_context(leg_association(lane->leg), context_id, &abstract, &transfer);
    if (!fits || (!is_accepted && !is_believed(lane))) {
        lane_put_back(lane);
        lane_drain(lane); // a new lane takes it with the contexts that it needs
        return;
    }
    if (!is_accepted)
        refuse_by_context(lane, context_id);
    else if (list_is_empty(&lane->flights) || (delivery != NULL && !delivery_goes_alone(delivery)))
        begin(lane, context_id); // else once those in flight are answered
}

static bool work_take(struct lane *lane)
{
    bool has_titles = lane->leg != NULL;
    struct archive_wish wish = {.calling = has_titles ? slice_of_text(lane->calling) : slice_of(NULL, 0),
                                .called = slice_of_text(lane->called),
                                .association = lane->association,
                                .only_urgent = lane->is_kept};
    struct delivery *delivery = archive_next(lane->archive, &wish);
    if (delivery == NULL)
        return false;
    delivery_begin(delivery);
    lane->delivery = delivery;
    lane->association = delivery->receipt->association;
    if (delivery->receipt->content != NULL)
        lane->content = content_ref(delivery->receipt->content);
    return true;
}

// It looks in between whether another worker needs the lease.
static void idle_timer_start(struct lane *lane)
{
    uint64_t until = lane->idle_since + lane->archive->node->conf->idle_ns;
    uint64_t next = ev_now(lane->worker->loop) + IDLE_LOOK_NS;
    ev_timer_start_at(&lane->idle_timer, next < until ? next : until);
}

static void idle(struct lane *lane)
{
    if (lane->leg == NULL) {
        lane_free(lane);
        return;
    }
    if (lane->worker->is_stopping || archive_lease_is_wanted(lane->archive)) {
        lane_drain(lane);
    } else if (!ev_timer_is_armed(&lane->idle_timer)) {
        lane->idle_since = ev_now(lane->worker->loop);
        idle_timer_start(lane);
    }
}

// What is in hand goes one step further.
static void advance(struct lane *lane)
{
    bool is_late_cut = lane->delivery == NULL && (lane->content->has_ended || lane->content->is_dropped);
    if (is_late_cut) { // nothing is gained any more: it comes through the queue
        (void)lane_put_down(lane);
        lane_step_later(lane);
        return;
    }
    if (lane->content == NULL) {
        if (!lane_load_begin(lane))
            lane_unreadable(lane, ERR_NOMEM);
    } else if (titles_rest(lane)) {
        return;
    } else if (lane->leg == NULL) {
        association_begin(lane);
    } else {
        use_association(lane);
    }
}

static void step(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    if (lane->is_dead || lane->state == LANE_RELEASING || lane->state == LANE_OPENING || lane->is_loading ||
        lane->is_probing)
        return;
    if (lane->leg != NULL && !leg_is_open(lane->leg))
        return; // its end is on the way
    lane_send_more(lane);
    if (lane->is_dead || !has_room(lane))
        return;
    if (!has_hand(lane) && lane->leg != NULL && archive_lease_is_due(lane->archive, lane->turns))
        lane->is_draining = true;
    if (lane->is_draining) {
        lane_drain(lane);
        return;
    }
    if (!has_hand(lane) && !work_take(lane)) {
        if (list_is_empty(&lane->flights))
            idle(lane);
        return;
    }
    ev_timer_stop(&lane->idle_timer);
    advance(lane);
}

void lane_wake(struct lane *lane)
{
    lane_step_later(lane);
}

void lane_stop(struct lane *lane)
{
    if (lane->leg == NULL || lane->state == LANE_OPENING) {
        lane_free(lane);
        return;
    }
    lane_judgement_leave(lane);
    lane_drain(lane);
}

static void on_idle_timer(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    if (lane->state != LANE_OPEN || has_hand(lane) || !list_is_empty(&lane->flights))
        return;
    if (ev_now(lane->worker->loop) - lane->idle_since >= lane->archive->node->conf->idle_ns ||
        archive_lease_is_wanted(lane->archive))
        lane_drain(lane);
    else
        idle_timer_start(lane);
}

// ---- life ----

enum result lane_new(struct archive *archive, bool is_kept, struct lane **out)
{
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL)
        return ERR_NOMEM;
    lane->pairs = calloc(LANE_PAIRS_MAX, sizeof *lane->pairs);
    if (lane->pairs == NULL) {
        free(lane);
        return ERR_NOMEM;
    }
    MAGIC_INIT(lane, LANE_MAGIC);
    lane->archive = archive;
    lane->worker = archive->worker;
    lane->is_kept = is_kept;
    lane->window = 1;
    list_init(&lane->flights);
    ev_timer_init(&lane->response_timer, lane->worker->loop, lane_on_response_timer, lane);
    ev_timer_init(&lane->cut_timer, lane->worker->loop, lane_on_cut_timer, lane);
    ev_timer_init(&lane->idle_timer, lane->worker->loop, on_idle_timer, lane);
    ev_task_init(&lane->step_task, lane->worker->loop, step, lane);
    *out = lane;
    return OK;
}

static void lane_destroy(struct ev_garbage *garbage)
{
    struct lane *lane = CONTAINER_OF(garbage, struct lane, garbage);
    free(lane->pairs);
    lane_load_buffer_free(lane);
    if (lane->slot_memory != NULL)
        wipe(lane->slot_memory, LANE_SLOTS * (size_t)JOURNAL_RECORD_MAX);
    free(lane->slot_memory);
    outlet_buffers_fini(&lane->buffers);
    MAGIC_CLEAR(lane);
    free(lane);
}

static bool has_reads(const struct lane *lane)
{
    return lane->is_loading || lane->slots[0].is_reading || lane->slots[1].is_reading;
}

void lane_bury(struct lane *lane)
{
    if (has_reads(lane))
        return;
    list_remove(&lane->worker->dead_lanes, &lane->node);
    ev_loop_discard(lane->worker->loop, &lane->garbage, lane_destroy);
}

void lanes_bury(struct worker *worker)
{
    LIST_EACH(&worker->dead_lanes, node)
    {
        struct lane *lane = lane_of(node);
        list_remove(&worker->dead_lanes, node);
        lane_destroy(&lane->garbage);
    }
}

void lane_free(struct lane *lane)
{
    if (lane->is_dead)
        return;
    lane->is_dead = true;
    archive_lease_give(lane->archive);
    if (list_node_is_linked(&lane->node))
        archive_lane_ended(lane->archive, lane);
    leg_free(&lane->leg);
    lane_flights_return(lane);
    lane_put_back(lane);
    ev_timer_fini(&lane->response_timer);
    ev_timer_fini(&lane->cut_timer);
    ev_timer_fini(&lane->idle_timer);
    ev_task_fini(&lane->step_task);
    if (lane->is_loading)
        journal_read_cancel(&lane->load);
    list_append(&lane->worker->dead_lanes, &lane->node);
    lane_bury(lane);
}
