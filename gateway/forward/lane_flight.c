// SPDX-License-Identifier: Apache-2.0
//
// How a flight ends: by its response, by the end of its association, or by a journal that can not be read.
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "conf/option.h"
#include "daemon/damage.h"
#include "dimse/status.h"
#include "forward/lane_private.h"

enum { KILLS_AFTER = 3, HICCUP_ATTEMPTS = 5 };
#define UNREADABLE "journal could not be read"
// The ledger says within this where a receipt lies now.
#define RELOCATE_NS (500 * NSEC_PER_MS)

bool delivery_goes_alone(const struct delivery *delivery)
{
    return delivery->aborts > 0;
}

bool delivery_is_tried_alone(const struct delivery *delivery)
{
    return delivery->aborts >= KILLS_AFTER;
}

// ---- what can not be read ----

static void unreadable(struct lane *lane, struct delivery *delivery, struct journal_position position,
                       enum result result)
{
    if (result == ERR_MISSING && receipt_relocate(delivery->receipt)) {
        delivery_rest(delivery, RELOCATE_NS, "its journal segment is gone: looking for its copy");
        return;
    }
    log_event(LOG_DELIVERY_UNREADABLE, log_text(lane->archive->node->conf->name),
              log_number(delivery->receipt->number), log_text(result_text(result)));
    if (result == ERR_NOMEM || result == ERR_IO) {
        delivery_trouble(delivery, UNREADABLE);
        return;
    }
    damage_report_unreadable(lane->worker->gateway->damage, position, delivery->receipt->number);
    delivery_park(delivery, DELIVERY_DAMAGED, 0, slice_of(NULL, 0));
}

void lane_unreadable(struct lane *lane, enum result result)
{
    struct delivery *delivery = lane_put_down(lane);
    if (delivery != NULL)
        unreadable(lane, delivery, lane->load.position, result);
    lane_step_later(lane);
}

void flight_unreadable(struct flight *flight, enum result result)
{
    struct lane *lane = flight->lane;
    bool has_begun = flight->is_command_queued;
    struct delivery *delivery = flight_land(&flight);
    if (delivery != NULL)
        unreadable(lane, delivery, delivery->receipt->open, result);
    lane_break_off(lane, has_begun, UNREADABLE);
}

// ---- responses ----

static void retry_or_park(struct lane *lane, struct delivery *delivery, enum configuration_meaning means,
                          uint16_t status)
{
    char reason[64];
    const char *name = dimse_status_name(DIMSE_C_STORE_RSP, status);
    text_format(reason, sizeof reason, "%04X %s", status, name);
    if (means == CONFIGURATION_MEANS_HICCUP)
        delivery->hiccups++;
    bool gives_up = means == CONFIGURATION_MEANS_PERMANENT ||
                    (means == CONFIGURATION_MEANS_HICCUP && delivery->hiccups >= HICCUP_ATTEMPTS);
    if (gives_up)
        delivery_park(delivery, reason, status, slice_of(NULL, 0));
    else
        delivery_rest(delivery, archive_backoff(lane->archive, delivery->attempts), reason);
}

static enum configuration_meaning meaning_of(const struct lane *lane, const struct dimse_command *response)
{
    return configuration_status_find(lane->archive->node->conf, response->status, response->error_comment)
        ->means;
}

static bool is_answered(enum configuration_meaning means)
{
    return means == CONFIGURATION_MEANS_SUCCESS || means == CONFIGURATION_MEANS_WARNING;
}

static void conclude(struct lane *lane, struct flight *flight, const struct dimse_command *response)
{
    struct archive *archive = lane->archive;
    enum configuration_meaning means = meaning_of(lane, response);
    struct delivery_answer answer = {response->status, response->error_comment, response->offending_element,
                                     flight->sent_at};
    uint64_t length = flight->content->length;
    bool is_flagged = flight->sent_record.flags.count > 0;
    struct delivery *delivery = flight_land(&flight);
    lane->turns++;
    if (is_answered(means)) {
        archive->counters.answered++;
        archive->counters.bytes += length;
        archive->counters.flagged += is_flagged;
        archive->last_success = ev_wall_now(archive->worker->loop);
        delivery_answered(delivery, &answer);
    } else if (means == CONFIGURATION_MEANS_DUPLICATE) {
        delivery_exists(delivery, &answer);
    } else {
        archive->counters.failed++;
        log_event(LOG_DELIVERY_REFUSED, log_text(archive->node->conf->name),
                  log_number(delivery->receipt->number), log_number(response->status),
                  log_number(delivery->attempts));
        delivery_failed(delivery, &answer);
        retry_or_park(lane, delivery, means, response->status);
    }
    archive_succeeded(archive); // it answers: what it answered is another thing
    lane_step_later(lane);
}

static struct flight *flight_find(const struct lane *lane, uint8_t context_id,
                                  const struct dimse_command *response)
{
    if (response->command_field != DIMSE_C_STORE_RSP)
        return NULL;
    LIST_EACH(&lane->flights, node)
    {
        struct flight *flight = CONTAINER_OF(node, struct flight, node);
        if (!flight->is_command_queued)
            continue;
#if DG_FAULT_ANSWER_BY_ORDER
        if (flight->context_id == context_id)
            return flight;
#endif
        if (flight->message_id == response->message_id_responded_to && flight->context_id == context_id)
            return flight;
    }
    return NULL;
}

static void unexpected(struct lane *lane, const char *what)
{
    log_event(LOG_LANE_UNEXPECTED, log_text(lane->archive->node->conf->name), log_text(what));
    text_format(lane->abort_why, sizeof lane->abort_why, "unexpected response: %s", what);
    leg_abort(lane->leg, UL_ABORT_BY_PROVIDER, UL_ABORT_UNEXPECTED_PARAMETER);
}

// True: it answers our C-ECHO. Whatever it says, somebody is there.
static bool is_probe_answer(struct lane *lane, const struct dimse_command *response)
{
    if (!lane->is_probing || response->command_field != DIMSE_C_ECHO_RSP ||
        response->message_id_responded_to != lane->message_id)
        return false;
    lane->is_probing = false;
    ev_timer_stop(&lane->response_timer);
    lane_step_later(lane);
    return true;
}

void lane_on_response(struct lane *lane, uint8_t context_id, const struct dimse_command *response)
{
    if (is_probe_answer(lane, response))
        return;
    struct flight *flight = flight_find(lane, context_id, response);
    if (flight == NULL) {
        unexpected(lane, dimse_command_name(response->command_field));
        return;
    }
    if (flight->delivery == NULL) { // whatever it says of a part, the whole will be asked for
        flight_cut_off(flight);
        return;
    }
    // Queued is not sent: until the transport has taken the last fragment the archive can not have it, and
    // the chunks that it lies in must stay.
    bool is_early = !flight->is_last_queued || !leg_is_past(lane->leg, flight->last_mark);
    if (is_early && is_answered(meaning_of(lane, response))) {
        unexpected(lane, "early success"); // for what it has not got: never believed
        return;
    }
    conclude(lane, flight, response);
    if (is_early && lane->leg != NULL)
        lane_abort(lane, "refused before it was sent whole"); // the rest can not be unsent in order
}

// ---- no response ----

// An association that ended with instances in flight (ENGINE 5): sent again, each with nothing else in
// flight, and after three aborts, while others got through, on an association of its own; if that ends too,
// it is what kills associations. However it ended, what waits behind it goes first.
static void interrupted(struct lane *lane, struct delivery *delivery, bool was_alone,
                        const struct leg_end *end, const char *why)
{
    struct archive *archive = lane->archive;
    bool is_abort = end->cause == LEG_ABORTED || end->cause == LEG_TRANSPORT_ENDED;
    bool was_tried = was_alone && delivery_is_tried_alone(delivery);
    uint32_t answered = (uint32_t)archive->counters.answered;
    archive->counters.lost++;
    if (is_abort && was_tried && answered != delivery->others_answered) {
        delivery_park(delivery, "kills association", 0, slice_of(NULL, 0));
        return;
    }
    if (is_abort && delivery->aborts == 0)
        delivery->others_answered = answered;
    if (is_abort && delivery->aborts < UINT8_MAX)
        delivery->aborts++;
    delivery_rest(delivery, archive_backoff(archive, delivery->attempts), why);
}

// Unanswered: from its last fragment on the archive may have it.
static struct delivery *lose(struct flight *flight)
{
    bool was_sent = flight->is_last_queued;
    struct delivery *delivery = flight_land(&flight);
    if (was_sent && delivery != NULL)
        delivery->is_resent = delivery->was_sent = true;
    return delivery;
}

void lane_flights_interrupted(struct lane *lane, const struct leg_end *end, const char *why)
{
    bool was_alone = lane->flights.count == 1;
    while (!list_is_empty(&lane->flights)) {
        struct flight *flight = CONTAINER_OF(list_first(&lane->flights), struct flight, node);
        bool is_judged = flight->is_judged;
        struct delivery *delivery = lose(flight);
        if (delivery != NULL && !is_judged)
            delivery_wait(delivery); // the archive has heard nothing of it
        else if (delivery != NULL)
            interrupted(lane, delivery, was_alone, end, why);
    }
}

void lane_flights_return(struct lane *lane)
{
    while (!list_is_empty(&lane->flights)) {
        struct flight *flight = CONTAINER_OF(list_first(&lane->flights), struct flight, node);
        struct delivery *delivery = lose(flight);
        if (delivery != NULL)
            delivery_wait(delivery);
    }
}

// ---- deadline ----

// The flights wait equally long, so the first one is due first; one that is still being sent has its
// transport's deadline.
void lane_response_timer_update(struct lane *lane)
{
    struct list_node *first = list_first(&lane->flights);
    struct flight *flight = first == NULL ? NULL : CONTAINER_OF(first, struct flight, node);
    if (flight == NULL || !flight->is_last_queued)
        ev_timer_stop(&lane->response_timer);
    else if (!ev_timer_is_armed(&lane->response_timer) || lane->response_timer.deadline != flight->due)
        ev_timer_start_at(&lane->response_timer, flight->due);
}

static void no_response(struct lane *lane, const char *to_what, uint64_t limit_ns)
{
    char limit[24];
    char why[64];
    conf_duration_text(limit_ns, limit, sizeof limit);
    text_format(why, sizeof why, "no %s response within %s", to_what, limit);
    lane_abort(lane, why);
}

void lane_on_response_timer(void *arg)
{
    struct lane *lane = arg;
    MAGIC_CHECK(lane, LANE_MAGIC);
    const struct configuration_node *conf = lane->archive->node->conf;
    if (lane->is_probing) {
        no_response(lane, "C-ECHO", conf->tls_ns);
        return;
    }
    struct flight *flight = CONTAINER_OF(list_first(&lane->flights), struct flight, node);
    log_event(LOG_LANE_NO_RESPONSE, log_text(conf->name), log_number(flight->delivery->receipt->number));
    if (flight->delivery->aborts == 0) { // it shall not take others with it a second time
        flight->delivery->aborts = 1;
        flight->delivery->others_answered = (uint32_t)lane->archive->counters.answered;
    }
    no_response(lane, "C-STORE", conf->response_ns);
}
