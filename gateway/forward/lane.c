// SPDX-License-Identifier: Apache-2.0
#include "back/titles.h"
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "base/wipe.h"
#include "dimse/status.h"
#include "forward/classify.h"
#include "forward/lane_private.h"
#include <stdlib.h>

enum { KILLS_AFTER = 3, PAIR_SCAN_DEPTH = 512, TURNS = 50 };
#define IDLE_LOOK_NS (500 * NSEC_PER_MS)

struct lane *lane_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct lane, node);
}

struct list_node *lane_node(struct lane *lane)
{
    return &lane->node;
}

bool lane_is_idle(const struct lane *lane)
{
    return lane->state == LANE_IDLE;
}

bool lane_is_kept(const struct lane *lane)
{
    return lane->is_kept;
}

bool lane_is_opening(const struct lane *lane)
{
    return lane->state == LANE_OPENING || lane->state == LANE_LOADING;
}

void lane_step_later(struct lane *lane)
{
    if (!lane->is_dead)
        ev_task_defer(&lane->step_task);
}

// ---- end of a delivery ----

// Puts the delivery in hand down; whoever calls has decided where it goes.
static struct delivery *put_down(struct lane *lane)
{
    struct delivery *delivery = lane->delivery;
    lane_send_reset(lane);
    if (lane->state == LANE_SENDING || lane->state == LANE_ANSWER || lane->state == LANE_LOADING)
        lane->state = LANE_IDLE;
    return delivery;
}

void lane_unreadable(struct lane *lane, enum result result)
{
    bool is_message_open = lane->state == LANE_SENDING;
    struct delivery *delivery = put_down(lane);
    log_event(LOG_DELIVERY_UNREADABLE, log_text(lane->archive->node->conf->name),
              log_number(delivery->receipt->number), log_text(result_text(result)));
    if (result == ERR_NOMEM || result == ERR_IO)
        delivery_rest(delivery, archive_backoff(lane->archive, delivery->attempts + 1),
                      "journal could not be read");
    else
        delivery_park(delivery, "journal record is damaged", 0, slice_of(NULL, 0));
    if (is_message_open && lane->leg != NULL) { // the archive waits for the rest of it
        leg_abort(lane->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
        return;
    }
    lane_step_later(lane);
}

static void retry_or_park(struct lane *lane, struct delivery *delivery, enum verdict verdict, uint16_t status)
{
    char reason[64];
    const char *name = dimse_status_name(DIMSE_C_STORE_RSP, status);
    text_format(reason, sizeof reason, "%04X %s", status, name);
    if (verdict == VERDICT_HICCUP)
        delivery->hiccups++;
    bool gives_up = verdict == VERDICT_PERMANENT || verdict == VERDICT_DUPLICATE ||
                    (verdict == VERDICT_HICCUP && delivery->hiccups >= VERDICT_HICCUP_ATTEMPTS);
    if (gives_up)
        delivery_park(delivery,
                      verdict == VERDICT_DUPLICATE ? "0111 duplicate: compare before deciding" : reason,
                      status, slice_of(NULL, 0));
    else
        delivery_rest(delivery, archive_backoff(lane->archive, delivery->attempts), reason);
}

static void conclude(struct lane *lane, const struct dimse_command *response)
{
    struct archive *archive = lane->archive;
    enum verdict verdict = classify_store_status(response->status);
    uint64_t sent_at = lane->sent_at;
    uint64_t length = lane->content->length;
    struct delivery *delivery = put_down(lane);
    lane->turns++;
    if (verdict == VERDICT_ANSWERED) {
        archive->counters.answered++;
        archive->counters.bytes += length;
        archive->last_success = ev_wall_now(archive->worker->loop);
        delivery_answered(delivery, response->status, response->error_comment, sent_at);
    } else {
        archive->counters.failed++;
        log_event(LOG_DELIVERY_REFUSED, log_text(archive->node->conf->name),
                  log_number(delivery->receipt->number), log_number(response->status),
                  log_number(delivery->attempts));
        delivery_failed(delivery, response->status, response->error_comment, sent_at);
        retry_or_park(lane, delivery, verdict, response->status);
    }
    archive_succeeded(archive); // it answers: what it answered is another thing
    lane_step_later(lane);
}

// ---- the association ----

static void on_open(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    lane->has_opened = true;
    uint64_t now = ev_wall_now(lane->worker->loop);
    for (size_t i = 0; i < lane->pair_count; i++)
        capability_put(lane->worker->gateway->capabilities, lane->archive->node->conf->id,
                       slice_of_text(lane->pairs[i].abstract), slice_of_text(lane->pairs[i].transfer),
                       leg_context_result(lane->leg, (uint8_t)(2 * i + 1)), now);
    lane->state = LANE_IDLE;
    refusals_forget(&lane->archive->refusals, slice_of_text(lane->calling), slice_of_text(lane->called));
    archive_lane_opened(lane->archive);
    lane_step_later(lane);
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    bool fits = command->command_field == DIMSE_C_STORE_RSP && context_id == lane->context_id &&
                command->message_id_responded_to == lane->message_id && lane->delivery != NULL &&
                (lane->state == LANE_ANSWER || lane->state == LANE_SENDING);
    if (!fits) {
        log_event(LOG_LANE_UNEXPECTED, log_text(lane->archive->node->conf->name),
                  log_text(dimse_command_name(command->command_field)));
        leg_abort(lane->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_UNEXPECTED_PARAMETER);
        return;
    }
    // Queued is not sent: until the transport has taken the last fragment the archive can not have it, and
    // the chunks that it lies in must stay.
    bool is_early = lane->state == LANE_SENDING || !leg_is_drained(lane->leg);
    if (is_early && classify_store_status(command->status) == VERDICT_ANSWERED) {
        // Success for what it has not got: never believed.
        log_event(LOG_LANE_UNEXPECTED, log_text(lane->archive->node->conf->name), log_text("early success"));
        leg_abort(lane->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_UNEXPECTED_PARAMETER);
        return;
    }
    conclude(lane, command);
    if (is_early && lane->leg != NULL)
        leg_abort(lane->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED); // the rest can not be unsent in order
}

static void on_sent(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    lane_send_more(lane);
}

// An association that ended with an instance in flight (ENGINE 5): sent again, and after three aborts, while
// others got through, alone; if that ends too, it is what kills associations. However it ended, what waits
// behind it goes first.
static void interrupted(struct lane *lane, const struct leg_end *end, const char *why)
{
    struct archive *archive = lane->archive;
    bool was_last = lane->is_last_queued;
    bool was_alone = lane->delivery->aborts >= KILLS_AFTER;
    bool is_abort = end->cause == LEG_ABORTED || end->cause == LEG_TRANSPORT_ENDED;
    struct delivery *delivery = put_down(lane);
    archive->counters.lost++;
    if (was_last)
        delivery->is_resent = true;
    uint32_t answered = (uint32_t)archive->counters.answered;
    if (is_abort && was_alone && answered != delivery->others_answered) {
        delivery_park(delivery, "kills association", 0, slice_of(NULL, 0));
        return;
    }
    if (is_abort && delivery->aborts == 0)
        delivery->others_answered = answered;
    if (is_abort && delivery->aborts < UINT8_MAX)
        delivery->aborts++;
    delivery_rest(delivery, archive_backoff(archive, delivery->attempts), why);
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

static void titles_refused(struct lane *lane, const char *why)
{
    uint64_t rest =
        archive_titles_refused(lane->archive, slice_of_text(lane->calling), slice_of_text(lane->called), why);
    if (lane->delivery != NULL)
        delivery_rest(put_down(lane), rest, why);
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    char why[96];
    leg_end_text(end, why, sizeof why);
    if (end->cause == LEG_TRANSPORT_ENDED)
        transport_reason_log(end->transport, leg_peer(lane->leg));
    bool is_in_flight = lane->delivery != NULL && (lane->state == LANE_SENDING || lane->state == LANE_ANSWER);
    bool is_clean =
        !is_in_flight && (end->cause == LEG_RELEASED || lane->state == LANE_RELEASING ||
                          (lane->state == LANE_IDLE && lane->has_opened && lane->delivery == NULL));
    bool is_refused = is_for_titles(lane, end);
    leg_free(&lane->leg);
    if (is_in_flight)
        interrupted(lane, end, why);
    else if (is_refused)
        titles_refused(lane, why);
    else if (lane->delivery != NULL)
        delivery_wait(put_down(lane));
    if (!lane->has_opened)
        lane->archive->counters.refused++;
    if (!is_clean && !is_refused)
        archive_lane_failed(lane->archive, why);
    lane_free(lane);
}

static const struct leg_handler lane_handler = {
    .on_open = on_open,
    .on_command = on_command,
    .on_sent = on_sent,
    .on_end = on_end,
};

// ---- contexts ----

static bool pair_is(const struct lane_pair *pair, const struct record_open *open)
{
    return slice_is_text(open->sop_class, pair->abstract) &&
           slice_is_text(open->transfer_syntax, pair->transfer);
}

static int pair_find(const struct lane *lane, const struct record_open *open)
{
    for (size_t i = 0; i < lane->pair_count; i++)
        if (pair_is(&lane->pairs[i], open))
            return (int)i;
    return -1;
}

static void pair_add(struct lane *lane, const struct record_open *open)
{
    if (lane->pair_count == LANE_PAIRS_MAX || pair_find(lane, open) >= 0)
        return;
    struct lane_pair *pair = &lane->pairs[lane->pair_count];
    if (text_copy(pair->abstract, sizeof pair->abstract, open->sop_class) &&
        text_copy(pair->transfer, sizeof pair->transfer, open->transfer_syntax))
        lane->pair_count++;
}

static bool titles_are(const struct lane *lane, const struct record_open *open)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    return slice_is_text(titles_calling(conf, open->calling), lane->calling) &&
           slice_is_text(titles_called(conf, open->called), lane->called);
}

// The contexts of what waits behind this delivery under the same titles, so that one association serves them
// all.
static void pairs_gather(struct lane *lane)
{
    pair_add(lane, &lane->content->open);
    unsigned depth = 0;
    LIST_EACH(&lane->archive->waiting, node)
    {
        if (depth++ == PAIR_SCAN_DEPTH)
            break;
        const struct content *content = CONTAINER_OF(node, struct delivery, node)->receipt->content;
        if (content != NULL && titles_are(lane, &content->open))
            pair_add(lane, &content->open);
    }
}

static enum result contexts_propose(const struct lane *lane, struct ul_parameters *request)
{
    for (size_t i = 0; i < lane->pair_count; i++) {
        enum result result = ul_parameters_add_context(request, (uint8_t)(2 * i + 1), 0,
                                                       slice_of_text(lane->pairs[i].abstract));
        if (result == OK)
            result = ul_parameters_add_transfer_syntax(request, slice_of_text(lane->pairs[i].transfer));
        if (result != OK)
            return result;
    }
    return OK;
}

static enum result lane_connect(struct lane *lane)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    struct net_address address;
    if (!node_address_get(lane->archive->node, &address))
        return ERR_MISSING;
    struct ul_parameters *request;
    enum result result = negotiation_request(slice_of_text(lane->called), slice_of_text(lane->calling),
                                             lane->worker->gateway->configuration->gateway.max_pdu, &request);
    if (result != OK)
        return result;
    result = contexts_propose(lane, request);
    if (result != OK) {
        ul_parameters_free(request);
        return result;
    }
    struct leg_timeouts timeouts = {conf->connect_ns, conf->tls_ns, conf->release_ns, 0, conf->stall_ns};
    result = leg_connect(&lane->worker->legs, &timeouts, lane->archive->node->dialer, &address, &request,
                         &lane_handler, lane, &lane->leg);
    if (result == OK)
        lane->state = LANE_OPENING;
    return result;
}

// True: it rests, as the archive does not know its titles.
static bool titles_rest(struct lane *lane)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    const struct record_open *open = &lane->content->open;
    uint64_t left = refusals_left(&lane->archive->refusals, titles_calling(conf, open->calling),
                                  titles_called(conf, open->called), ev_now(lane->worker->loop));
    if (left == 0)
        return false;
    delivery_rest(put_down(lane), left, "archive does not know its AE titles");
    lane_step_later(lane);
    return true;
}

static void association_begin(struct lane *lane)
{
    const struct configuration_node *conf = lane->archive->node->conf;
    const struct record_open *open = &lane->content->open;
    text_copy(lane->calling, sizeof lane->calling, titles_calling(conf, open->calling));
    text_copy(lane->called, sizeof lane->called, titles_called(conf, open->called));
    lane->pair_count = 0;
    if (lane->delivery->aborts >= KILLS_AFTER)
        pair_add(lane, open); // tried alone
    else
        pairs_gather(lane);
    if (lane->pair_count == 0) {
        delivery_park(put_down(lane), "its UIDs are too long to be proposed", 0, slice_of(NULL, 0));
        lane_step_later(lane);
        return;
    }
    enum result result = lane_connect(lane);
    if (result == OK)
        return;
    delivery_wait(put_down(lane));
    archive_lane_failed(lane->archive,
                        result == ERR_MISSING ? "its host name is not resolved" : result_text(result));
    lane_free(lane);
}

// ---- work ----

static void refuse_by_context(struct lane *lane)
{
    char reason[64];
    text_format(reason, sizeof reason, "archive does not accept this SOP Class or syntax (%u)",
                leg_context_result(lane->leg, lane->context_id));
    delivery_park(put_down(lane), reason, 0, slice_of(NULL, 0));
    lane_step_later(lane);
}

static void release_begin(struct lane *lane)
{
    lane->state = LANE_RELEASING;
    leg_release(lane->leg);
}

// The delivery in hand is loaded and the association is open: does it fit?
static void use_association(struct lane *lane)
{
    int pair = titles_are(lane, &lane->content->open) ? pair_find(lane, &lane->content->open) : -1;
    bool wants_alone =
        lane->delivery->aborts >= KILLS_AFTER && lane->delivery->attempts > 0 && lane->pair_count > 1;
    if (pair < 0 || wants_alone) {
        delivery_wait(put_down(lane));
        release_begin(lane); // a new lane takes it with the contexts that it needs
        return;
    }
    lane->context_id = (uint8_t)(2 * pair + 1);
    struct slice abstract;
    struct slice transfer;
    if (ul_association_context(leg_association(lane->leg), lane->context_id, &abstract, &transfer))
        lane_send_begin(lane);
    else
        refuse_by_context(lane);
}

static bool work_take(struct lane *lane)
{
    bool has_titles = lane->leg != NULL;
    struct archive_wish wish = {.calling = has_titles ? slice_of_text(lane->calling) : slice_of(NULL, 0),
                                .called = slice_of_text(lane->called),
                                .only_urgent = lane->is_kept};
    struct delivery *delivery = archive_next(lane->archive, &wish);
    if (delivery == NULL)
        return false;
    delivery_begin(delivery);
    lane->delivery = delivery;
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
    lane->state = LANE_IDLE;
    if (lane->leg == NULL) {
        lane_free(lane);
        return;
    }
    if (lane->worker->is_stopping || archive_lease_is_wanted(lane->archive)) {
        release_begin(lane);
    } else if (!ev_timer_is_armed(&lane->idle_timer)) {
        lane->idle_since = ev_now(lane->worker->loop);
        idle_timer_start(lane);
    }
}

static void step(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    if (lane->is_dead || lane->state == LANE_RELEASING || lane->state == LANE_OPENING || lane->is_loading)
        return;
    if (lane->state == LANE_SENDING || lane->state == LANE_ANSWER) {
        lane_send_more(lane);
        return;
    }
    if (lane->leg != NULL && !leg_is_open(lane->leg))
        return; // its end is on the way
    if (lane->leg != NULL && lane->delivery == NULL && lane->turns >= TURNS &&
        archive_lease_is_wanted(lane->archive)) {
        release_begin(lane);
        return;
    }
    if (lane->delivery == NULL && !work_take(lane)) {
        idle(lane);
        return;
    }
    ev_timer_stop(&lane->idle_timer);
    if (lane->content == NULL) {
        lane->state = LANE_LOADING;
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

void lane_wake(struct lane *lane)
{
    lane_step_later(lane);
}

void lane_stop(struct lane *lane)
{
    if (lane->state == LANE_IDLE || lane->state == LANE_OPENING || lane->state == LANE_LOADING) {
        if (lane->leg != NULL && leg_is_open(lane->leg) && lane->delivery == NULL)
            release_begin(lane);
        else
            lane_free(lane);
    }
}

// ---- deadlines ----

static void on_response_timer(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    log_event(LOG_LANE_NO_RESPONSE, log_text(lane->archive->node->conf->name),
              log_number(lane->delivery->receipt->number));
    leg_abort(lane->leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
}

static void on_idle_timer(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    if (lane->state != LANE_IDLE || lane->leg == NULL)
        return;
    if (ev_now(lane->worker->loop) - lane->idle_since >= lane->archive->node->conf->idle_ns ||
        archive_lease_is_wanted(lane->archive))
        release_begin(lane);
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
    ev_timer_init(&lane->response_timer, lane->worker->loop, on_response_timer, lane);
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
    if (lane->delivery != NULL)
        delivery_wait(put_down(lane));
    ev_timer_fini(&lane->response_timer);
    ev_timer_fini(&lane->idle_timer);
    ev_task_fini(&lane->step_task);
    if (lane->is_loading)
        journal_read_cancel(&lane->load);
    list_append(&lane->worker->dead_lanes, &lane->node);
    lane_bury(lane);
}
