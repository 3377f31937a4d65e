// SPDX-License-Identifier: Apache-2.0
#include "daemon/worker.h"
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "edit/study.h"
#include "edit/workshop.h"
#include "forward/archive.h"
#include "forward/awaited.h"
#include "forward/lane.h"
#include "front/intake.h"
#include "front/session.h"
#include "order/gate.h"
#include <stdlib.h>

#define WORKER_MAGIC 0x574f5231u

enum { INBOX_CAPACITY = 16384 }; // more than the questions of order that may be open

// ---- the stream's events ----

static void intakes_resume(struct worker *worker)
{
    for (size_t left = worker->intakes.count; left > 0 && !list_is_empty(&worker->intakes); left--)
        intake_resume(CONTAINER_OF(list_take_first(&worker->intakes), struct intake, worker_node));
}

static void sessions_flow_update(struct worker *worker)
{
    LIST_EACH(&worker->sessions, node)
    {
        session_flow_update(session_of(node));
    }
}

static void on_room(void *arg)
{
    struct worker *worker = arg;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    notes_retry(&worker->notes);
    intakes_resume(worker);
    sessions_flow_update(worker);
    for (size_t i = 0; i < worker->gateway->node_count; i++)
        LIST_EACH(&worker->archives[i].lanes, node)
        {
            lane_wake(lane_of(node)); // a SENT record may have waited
        }
    worker_stop_check(worker);
}

static void on_accepts(void *arg, bool accepts)
{
    struct worker *worker = arg;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    if (!accepts) {
        log_event(LOG_INTAKE_STOPPED, log_number(worker->index));
        intakes_resume(worker); // those that wait for a segment are told now
        sessions_flow_update(worker);
        return;
    }
    log_event(LOG_INTAKE_RESUMED, log_number(worker->index));
    on_room(worker); // records that met the hard limit of space go again
}

static void on_lost(void *arg)
{
    struct worker *worker = arg;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    log_event(LOG_JOURNAL_SEGMENT_LOST, log_number(worker->index));
    LIST_EACH(&worker->sessions, node)
    {
        session_journal_lost(session_of(node));
    }
    intakes_resume(worker);
    sessions_flow_update(worker);
}

// ---- mail ----

static void on_mail(void *arg, struct mail *mail)
{
    struct worker *worker = arg;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    struct worker_call *call = CONTAINER_OF(mail, struct worker_call, mail);
    call->run(worker, call);
}

enum result worker_post(struct worker *worker, struct worker_call *call)
{
    return ev_mailbox_post(&worker->inbox, &call->mail);
}

size_t worker_unsettled(const struct worker *worker)
{
    return worker->receipts.count + worker->backlog.receipts;
}

// ---- scanners ----

enum result worker_scanner_take(struct worker *worker, struct dcm_scanner **scanner)
{
    if (worker->scanner_count == 0)
        return dcm_scanner_new(scanner);
    *scanner = worker->scanners[--worker->scanner_count];
    return OK;
}

void worker_scanner_give(struct worker *worker, struct dcm_scanner *scanner)
{
    if (worker->scanner_count < WORKER_SCANNERS_KEPT)
        worker->scanners[worker->scanner_count++] = scanner;
    else
        dcm_scanner_free(scanner);
}

// ---- stopping ----

static void on_stream_stopped(void *arg)
{
    struct worker *worker = arg;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    worker->stream_stopped = true;
    gateway_worker_stopped(worker->gateway);
}

static bool lanes_are_gone(const struct worker *worker)
{
    for (size_t i = 0; i < worker->gateway->node_count; i++)
        if (!list_is_empty(&worker->archives[i].lanes))
            return false;
    return true;
}

// Order: clients first, then lanes, then what they have written.
void worker_stop_check(struct worker *worker)
{
    if (!worker->is_stopping || worker->stream_stop_begun)
        return;
    if (!list_is_empty(&worker->sessions) || !lanes_are_gone(worker))
        return;
    bool is_written = notes_are_empty(&worker->notes) && list_is_empty(&worker->orphans);
    if (!is_written && !worker->stop_is_due)
        return;
    worker->stream_stop_begun = true;
    ev_timer_stop(&worker->stop_timer);
    journal_stream_stop(worker->stream, on_stream_stopped, worker);
}

static void guests_end(struct worker *worker)
{
    while (!list_is_empty(&worker->guests)) {
        struct worker_guest *guest = CONTAINER_OF(list_first(&worker->guests), struct worker_guest, node);
        guest->end(guest);
    }
}

static void sessions_stop(struct worker *worker)
{
    guests_end(worker);
    LIST_EACH(&worker->sessions, node)
    {
        session_stop(session_of(node));
    }
}

static void lanes_stop(struct worker *worker)
{
    for (size_t i = 0; i < worker->gateway->node_count; i++)
        LIST_EACH(&worker->archives[i].lanes, node)
        {
            struct lane *lane = lane_of(node);
            if (worker->stop_is_due)
                lane_free(lane);
            else
                lane_stop(lane);
        }
}

static void on_stop_timer(void *arg)
{
    struct worker *worker = arg;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    uint64_t now = ev_now(worker->loop);
    worker->stop_is_due = now >= worker->stop_deadline;
    sessions_stop(worker);
    lanes_stop(worker);
    if (!worker->stream_stop_begun)
        ev_timer_start(&worker->stop_timer, worker->stop_is_due ? NSEC_PER_SEC : 50 * NSEC_PER_MS);
    worker_stop_check(worker);
}

void worker_stop_begin(struct worker *worker)
{
    MAGIC_CHECK(worker, WORKER_MAGIC);
    if (worker->is_stopping)
        return;
    worker->is_stopping = true;
    worker->stop_deadline = ev_now(worker->loop) + gateway_limits(worker->gateway)->stop_ns;
    awaited_stop(worker);
    on_stop_timer(worker);
}

// ---- life ----

static enum result archives_make(struct worker *worker)
{
    struct gateway *gateway = worker->gateway;
    worker->archives = calloc(gateway->node_count, sizeof *worker->archives);
    if (worker->archives == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < gateway->node_count; i++)
        archive_init(&worker->archives[i], worker, &gateway->nodes[i]);
    return OK;
}

static enum result stream_make(struct worker *worker)
{
    struct gateway *gateway = worker->gateway;
    enum result result = journal_disk_new(gateway->journal, (uint16_t)worker->index,
                                          gateway->platform.disk_loops[worker->index], &worker->disk);
    if (result != OK)
        return result;
    struct journal_stream_events events = {on_room, on_accepts, on_lost, worker};
    return journal_stream_new(worker->disk, worker->loop, &events, &worker->stream);
}

// Where the crosswalk could not be opened this key may be what it has lost. Another one in its place would
// count for good, even once the key file is mended; until then nobody compares the patients of a study.
static enum result patients_make(struct worker *worker)
{
    const struct platform *platform = &worker->gateway->platform;
    if (platform->crosswalk != NULL)
        return seal_keyring_hash_new(platform->keyring, STUDY_HASH_LABEL, &worker->patients);
    enum result result = seal_keyring_hash_get(platform->keyring, STUDY_HASH_LABEL, &worker->patients);
    return result == ERR_MISSING ? OK : result;
}

enum result worker_new(struct gateway *gateway, unsigned index, struct worker **out)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(worker, WORKER_MAGIC);
    worker->index = index;
    worker->gateway = gateway;
    worker->loop = gateway->platform.worker_loops[index];
    *out = worker;
    struct list *lists[] = {&worker->sessions,   &worker->guests,  &worker->intakes, &worker->receipts,
                            &worker->dead_lanes, &worker->orphans, &worker->awaited};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    const struct configuration *conf = gateway->configuration;
    hot_window_init(&worker->window, conf->memory.hot_window_bytes / gateway->platform.workers,
                    conf->memory.hot_receipt_bytes);
    backlog_init(&worker->backlog, worker, conf->memory.awake_receipts / gateway->platform.workers);
    notes_init(&worker->notes, NULL);
    ev_timer_init(&worker->stop_timer, worker->loop, on_stop_timer, worker);
    struct ul_limits limits = {conf->limits.max_associate_bytes, 0};
    enum result result = leg_environment_init(&worker->legs, worker->loop, &limits);
    if (result == OK)
        result = ev_mailbox_init(&worker->inbox, worker->loop, INBOX_CAPACITY, 0, on_mail, worker);
    worker->has_inbox = result == OK;
    if (result == OK)
        result = order_gate_new(worker, &worker->gate);
    if (result == OK)
        result = edit_workshop_new(worker, &worker->workshop);
    if (result == OK)
        result = patients_make(worker);
    if (result == OK)
        result = archives_make(worker);
    return result;
}

enum result worker_start(struct worker *worker)
{
    enum result result = stream_make(worker);
    worker->notes.stream = worker->stream;
    if (result == OK)
        order_gate_start(worker->gate, worker->gateway->order);
    return result;
}

static void sessions_free(struct worker *worker)
{
    while (!list_is_empty(&worker->sessions))
        session_free(session_of(list_first(&worker->sessions)));
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    MAGIC_CHECK(worker, WORKER_MAGIC);
    worker->stream_stop_begun = true; // nothing is begun any more
    guests_end(worker);
    sessions_free(worker);
    while (!list_is_empty(&worker->orphans))
        intake_free(CONTAINER_OF(list_first(&worker->orphans), struct intake, orphan_node));
    for (size_t i = 0; worker->archives != NULL && i < worker->gateway->node_count; i++)
        archive_lanes_free(&worker->archives[i]);
    while (!list_is_empty(&worker->receipts))
        receipt_free(CONTAINER_OF(list_first(&worker->receipts), struct receipt, node));
    backlog_fini(&worker->backlog);
    for (size_t i = 0; worker->archives != NULL && i < worker->gateway->node_count; i++)
        archive_fini(&worker->archives[i]);
    free(worker->archives);
    notes_fini(&worker->notes);
    journal_stream_free(worker->stream);
    lanes_bury(worker);
    journal_disk_free(worker->disk);
    if (worker->has_inbox) {
        for (struct mail *mail = ev_mailbox_take(&worker->inbox); mail != NULL;
             mail = ev_mailbox_take(&worker->inbox)) {
            struct worker_call *call = CONTAINER_OF(mail, struct worker_call, mail);
            if (call->discard != NULL)
                call->discard(call);
        }
        ev_mailbox_fini(&worker->inbox);
    }
    order_gate_free(worker->gate); // mail in the inbox may lie in it
    edit_workshop_free(worker->workshop);
    seal_hash_free(worker->patients);
    if (worker->legs.read_buffer != NULL)
        leg_environment_fini(&worker->legs);
    hot_window_fini(&worker->window);
    for (size_t i = 0; i < worker->scanner_count; i++)
        dcm_scanner_free(worker->scanners[i]);
    ev_timer_fini(&worker->stop_timer);
    MAGIC_CLEAR(worker);
    free(worker);
}
