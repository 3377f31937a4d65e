// SPDX-License-Identifier: Apache-2.0
#include "forward/archive.h"
#include "back/titles.h"
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/units.h"
#include "forward/cut.h"
#include "forward/lane.h"
#include <string.h>

#define ARCHIVE_MAGIC 0x41524331u

enum { LEASE_TURNS = 50, SCAN_DEPTH = 64, SETTLE_MOST = 500 }; // each settlement is a journal record
#define SETTLE_PAUSE_NS (2 * NSEC_PER_MS)
#define LEASE_LOOK_NS   (200 * NSEC_PER_MS)
#define GROW_NS         (100 * NSEC_PER_MS)

// Waiting for each busy lane before another one is opened at once: what comes in together stays together.
#define LANE_BACKLOG 2

static struct delivery *delivery_of(struct list_node *node)
{
    return CONTAINER_OF(node, struct delivery, node);
}

struct archive *archive_by_conf(struct worker *worker, const struct configuration_node *conf)
{
    return archive_by_id(worker, conf->id);
}

struct archive *archive_by_id(struct worker *worker, uint32_t id)
{
    for (size_t i = 0; i < worker->gateway->node_count; i++)
        if (worker->archives[i].node->conf->id == id)
            return &worker->archives[i];
    return NULL;
}

struct node *archive_node(struct archive *archive)
{
    return archive->node;
}

bool archive_is_broken(const struct archive *archive)
{
    return archive->is_broken;
}

struct list *archive_list(struct archive *archive, enum delivery_stage stage)
{
    switch (stage) {
    case STAGE_WAITING:
        return &archive->waiting;
    case STAGE_RESTING:
        return &archive->resting;
    case STAGE_SENDING:
        return &archive->sending;
    case STAGE_ANSWERED:
        return &archive->answered;
    case STAGE_PARKED:
        return &archive->parked;
    case STAGE_GATED:
        return &archive->gated;
    case STAGE_HELD:
        return &archive->held;
    case STAGE_SETTLED:
        return NULL;
    }
    unreachable_state();
}

size_t archive_count(const struct archive *archive, enum delivery_stage stage)
{
    const struct list *list = archive_list((struct archive *)(uintptr_t)archive, stage);
    return list == NULL ? 0 : list->count + archive->asleep[stage];
}

void archive_refused_get(const struct archive *archive, struct archive_refused *out)
{
    *out = (struct archive_refused){.count = archive->asleep_refused};
    LIST_EACH(&archive->resting, node)
    {
        out->count += strcmp(delivery_of(node)->reason, DELIVERY_TITLES_UNKNOWN) == 0;
    }
    if (out->count > 0)
        refusals_text(&archive->refusals, ev_now(archive->worker->loop), out->text, sizeof out->text);
}

// ---- timers ----

static void timer_follow(struct ev_timer *timer, struct list *list)
{
    struct list_node *first = list_first(list);
    if (first == NULL)
        ev_timer_stop(timer);
    else if (!ev_timer_is_armed(timer) || timer->deadline != delivery_of(first)->when)
        ev_timer_start_at(timer, delivery_of(first)->when);
}

void archive_timers_update(struct archive *archive)
{
    timer_follow(&archive->rest_timer, &archive->resting);
    timer_follow(&archive->settle_timer, &archive->answered);
}

static void on_rest(void *arg)
{
    struct archive *archive = arg;
    MAGIC_CHECK(archive, ARCHIVE_MAGIC);
    uint64_t now = ev_now(archive->worker->loop);
    for (struct list_node *node = list_first(&archive->resting);
         node != NULL && delivery_of(node)->when <= now; node = list_first(&archive->resting))
        delivery_wait(delivery_of(node));
    archive_timers_update(archive);
}

static void on_settle(void *arg)
{
    struct archive *archive = arg;
    MAGIC_CHECK(archive, ARCHIVE_MAGIC);
    uint64_t now = ev_now(archive->worker->loop);
    struct list_node *node = list_first(&archive->answered);
    for (unsigned left = SETTLE_MOST; left > 0 && node != NULL && delivery_of(node)->when <= now; left--) {
        delivery_settle(delivery_of(node), RECORD_BY_ANSWER_ONLY);
        node = list_first(&archive->answered);
    }
    archive_timers_update(archive);
    if (node != NULL && delivery_of(node)->when <= now) // after a long time down: very many at once
        ev_timer_start(&archive->settle_timer, SETTLE_PAUSE_NS);
}

static void on_breaker(void *arg)
{
    struct archive *archive = arg;
    MAGIC_CHECK(archive, ARCHIVE_MAGIC);
    archive->is_broken = false; // the next lane is the try; a failure opens it again
    archive_pump_later(archive);
}

static void on_lease_timer(void *arg)
{
    archive_pump_later(arg);
}

static void on_grow_timer(void *arg)
{
    struct archive *archive = arg;
    MAGIC_CHECK(archive, ARCHIVE_MAGIC);
    archive->is_late = true;
    archive_pump_later(archive);
}

uint64_t archive_backoff(struct archive *archive, unsigned attempt)
{
    const struct configuration_node *conf = archive->node->conf;
    uint64_t delay = conf->retry_min_ns;
    for (unsigned i = 1; i < attempt && delay < conf->retry_max_ns; i++)
        delay *= 2;
    if (delay > conf->retry_max_ns)
        delay = conf->retry_max_ns;
    return delay / 2 + ev_random_below(archive->worker->loop, delay / 2 + 1);
}

// ---- feeding ----

static bool may_send(const struct archive *archive)
{
    return !atomic_load(&archive->node->is_paused) && !archive->worker->is_stopping &&
           archive_count(archive, STAGE_WAITING) > 0;
}

static bool fits(const struct archive *archive, const struct delivery *delivery, struct slice calling,
                 struct slice called)
{
    const struct content *content = delivery->receipt->content;
    return content != NULL &&
           slice_is_equal(titles_calling(archive->node->conf, content->open.calling), calling) &&
           slice_is_equal(titles_called(archive->node->conf, content->open.called), called);
}

// A lane serves the titles of this delivery; true for one whose titles have to be read first.
static bool is_served(struct archive *archive, const struct delivery *delivery)
{
    const struct content *content = delivery->receipt->content;
    if (content == NULL)
        return true;
    LIST_EACH(&archive->lanes, node)
    {
        if (lane_serves(lane_of(node), &content->open))
            return true;
    }
    return false;
}

static bool is_led(struct archive *archive, uint32_t association)
{
    LIST_EACH(&archive->lanes, node)
    {
        if (association != 0 && lane_association(lane_of(node)) == association)
            return true;
    }
    return false;
}

// How well a delivery suits; 0 is best.
enum suit { SUITS_ASSOCIATION, SUITS_FREE, SUITS_TITLES, SUITS_NOT };

static enum suit suit_of(struct archive *archive, const struct delivery *delivery,
                         const struct archive_wish *wish)
{
    uint32_t association = delivery->receipt->association;
    if (wish->calling.length == 0)
        return is_served(archive, delivery) ? SUITS_NOT : SUITS_ASSOCIATION;
    if (!fits(archive, delivery, wish->calling, wish->called))
        return SUITS_NOT;
    if (association != 0 && association == wish->association)
        return SUITS_ASSOCIATION;
    return is_led(archive, association) ? SUITS_TITLES : SUITS_FREE;
}

struct delivery *archive_next(struct archive *archive, const struct archive_wish *wish)
{
    if (!may_send(archive))
        return NULL;
    backlog_front_wake(archive);
    struct delivery *first = NULL;
    struct delivery *best = NULL;
    enum suit suit = SUITS_NOT;
    struct list_node *node = list_first(&archive->waiting);
    for (unsigned i = 0; node != NULL && i < SCAN_DEPTH && suit != SUITS_ASSOCIATION;
         i++, node = list_next(&archive->waiting, node)) {
        struct delivery *delivery = delivery_of(node);
        if (cut_is_pending(delivery))
            continue;
        if (first == NULL && wish->only_urgent && !delivery->is_urgent)
            return NULL;
        if (first == NULL)
            first = delivery;
        if (delivery->is_urgent != first->is_urgent)
            break;
        enum suit own = suit_of(archive, delivery, wish);
        if (own < suit) {
            suit = own;
            best = delivery;
        }
    }
    return best != NULL ? best : first;
}

// ---- leases: counted over all workers, without a lock ----

static void lease_wait_set(struct archive *archive, bool waits)
{
    if (archive->waits_for_lease == waits)
        return;
    archive->waits_for_lease = waits;
    if (waits)
        atomic_fetch_add(&archive->node->lease_waiters, 1);
    else
        atomic_fetch_sub(&archive->node->lease_waiters, 1);
}

// False: all are out. Then it is looked again soon; whoever holds one sees that it is wanted. *is_kept: it is
// the one kept for urgent deliveries.
static bool lease_take(struct archive *archive, bool is_urgent, bool *is_kept)
{
    unsigned open = archive->node->conf->associations - archive->node->kept_leases;
    unsigned limit = is_urgent ? archive->node->conf->associations : open;
    unsigned held = atomic_load(&archive->node->leases);
    while (held < limit) {
        if (atomic_compare_exchange_weak(&archive->node->leases, &held, held + 1)) {
            *is_kept = held >= open;
            lease_wait_set(archive, false);
            return true;
        }
    }
    lease_wait_set(archive, archive->lanes.count < archive->share);
    ev_timer_start(&archive->lease_timer, LEASE_LOOK_NS);
    return false;
}

void archive_lease_give(struct archive *archive)
{
    atomic_fetch_sub(&archive->node->leases, 1);
}

bool archive_lease_is_wanted(const struct archive *archive)
{
    return atomic_load(&archive->node->lease_waiters) > (archive->waits_for_lease ? 1u : 0u);
}

// Titles at the front of the queue that no lane serves, with no lease left to open one for them.
static bool titles_wait(struct archive *archive)
{
    if (atomic_load(&archive->node->leases) + archive->node->kept_leases < archive->node->conf->associations)
        return false;
    struct list_node *node = list_first(&archive->waiting);
    for (unsigned i = 0; node != NULL && i < SCAN_DEPTH; i++, node = list_next(&archive->waiting, node))
        if (!is_served(archive, delivery_of(node)))
            return true;
    return false;
}

bool archive_lease_is_due(struct archive *archive, unsigned turns)
{
    size_t staying = 0;
    LIST_EACH(&archive->lanes, node)
    {
        staying += !lane_is_draining(lane_of(node));
    }
    if (archive_lease_is_wanted(archive) && staying > archive->share)
        return true;
    bool is_scarce = archive->worker->gateway->platform.workers > archive->lane_limit;
    return turns >= LEASE_TURNS && ((is_scarce && archive_lease_is_wanted(archive)) || titles_wait(archive));
}

// The lease is taken; it goes back if there is no memory.
static struct lane *lane_add(struct archive *archive, bool is_kept)
{
    struct lane *lane;
    enum result result = lane_new(archive, is_kept, &lane);
    if (result != OK) {
        archive_lease_give(archive);
        archive_lane_failed(archive, result_text(result));
        return NULL;
    }
    list_append(&archive->lanes, lane_node(lane));
    return lane;
}

// A client that waits does not wait for the breaker, only for a short pause after each failure.
static bool may_be_urgent(struct archive *archive)
{
    bool is_early = archive->is_broken && ev_now(archive->worker->loop) < archive->urgent_after;
    if (is_early &&
        (!ev_timer_is_armed(&archive->lease_timer) || archive->lease_timer.deadline > archive->urgent_after))
        ev_timer_start_at(&archive->lease_timer, archive->urgent_after);
    return !is_early;
}

// More waits than the lanes that there are will take soon; then another one is opened at once, also beside
// some that are being opened. Less than that waits for them a while.
static bool backlog_grows(struct archive *archive, size_t idle)
{
    size_t waiting = archive_count(archive, STAGE_WAITING);
    if (waiting <= idle || archive->lanes.count >= archive->lane_limit)
        return false;
    if (archive->failures > 0)
        return archive->lanes.count == 0; // half-open: one tries
    struct list_node *first = list_first(&archive->waiting);
    if (archive->lanes.count == 0 || archive->is_late ||
        waiting > idle + LANE_BACKLOG * archive->lanes.count ||
        (first != NULL && !is_served(archive, delivery_of(first))))
        return true;
    if (!ev_timer_is_armed(&archive->grow_timer))
        ev_timer_start(&archive->grow_timer, GROW_NS);
    return false;
}

// Wakes idle lanes on the way. *is_urgent: for a client that waits.
static bool lane_is_wanted(struct archive *archive, bool *is_urgent)
{
    bool is_opening_urgent = false;
    size_t idle = 0, idle_kept = 0;
    LIST_EACH(&archive->lanes, node)
    {
        struct lane *lane = lane_of(node);
        if (lane_is_idle(lane)) {
            idle += !lane_is_kept(lane);
            idle_kept += lane_is_kept(lane);
            lane_wake(lane);
        }
        is_opening_urgent |= lane_is_opening(lane) && lane_has_urgent(lane);
    }
    backlog_front_wake(archive);
    struct list_node *first = list_first(&archive->waiting);
    if (first == NULL || !may_send(archive))
        return false;
    *is_urgent = delivery_of(first)->is_urgent && idle + idle_kept == 0 && !is_opening_urgent &&
                 archive->lanes.count <= archive->lane_limit && may_be_urgent(archive);
    return *is_urgent || (!archive->is_broken && backlog_grows(archive, idle));
}

static void pump(void *arg)
{
    struct archive *archive = arg;
    MAGIC_CHECK(archive, ARCHIVE_MAGIC);
    cut_bind(archive);
    bool is_urgent = false;
    bool is_kept = false;
    bool wants_lane = lane_is_wanted(archive, &is_urgent);
    if (!wants_lane)
        lease_wait_set(archive, false);
    if (!wants_lane || !lease_take(archive, is_urgent, &is_kept))
        return;
    struct lane *lane = lane_add(archive, is_kept);
    if (lane == NULL)
        return;
    archive->is_late = false;
    ev_timer_stop(&archive->grow_timer);
    lane_wake(lane);
    archive_pump_later(archive); // maybe another one
}

bool archive_is_at_rest(const struct archive *archive)
{
    return !atomic_load(&archive->node->is_paused) && !archive->worker->is_stopping && !archive->is_broken &&
           archive->failures == 0 && archive_count(archive, STAGE_WAITING) == 0;
}

struct lane *archive_lane_make(struct archive *archive)
{
    bool is_kept = false;
    if (archive->lanes.count >= archive->lane_limit || !lease_take(archive, false, &is_kept))
        return NULL;
    return lane_add(archive, false);
}

void archive_pump_later(struct archive *archive)
{
    ev_task_defer(&archive->pump_task);
}

size_t archive_try_now(struct archive *archive)
{
    size_t waiting = archive->is_broken ? archive_count(archive, STAGE_WAITING) : 0;
    archive->is_broken = false;
    ev_timer_stop(&archive->breaker_timer);
    archive_pump_later(archive);
    return waiting;
}

static bool is_of_kinds(uint8_t hold, unsigned kinds)
{
    return hold == 0 || hold == DELIVERY_HOLD_UNKNOWN || (kinds >> (hold - 1) & 1) != 0;
}

// From the last one on each finds its place in the queue at once.
size_t archive_look_again(struct archive *archive, unsigned kinds)
{
    size_t count = backlog_look_again(archive, kinds, is_of_kinds);
    archive->news++;
    struct list_node *node = list_last(&archive->held);
    while (node != NULL) {
        struct delivery *delivery = delivery_of(node);
        node = list_previous(&archive->held, node);
        if (!is_of_kinds(delivery->hold, kinds))
            continue;
#if DG_FAULT_RELEASED_BY_NEWS
        delivery->is_released = true;
#endif
#if DG_FAULT_NEWS_UNHEARD
        continue;
#endif
        delivery_wait(delivery);
        count++;
    }
    archive_pump_later(archive);
    return count;
}

// ---- from lanes ----

void archive_lane_opened(struct archive *archive)
{
    archive->counters.opened++;
    archive_pump_later(archive); // maybe another one
}

void archive_succeeded(struct archive *archive)
{
    if (archive->failures > 0)
        log_event(LOG_ARCHIVE_RECOVERED, log_text(archive->node->conf->name), log_number(archive->failures));
    if (archive->is_broken)
        archive_pump_later(archive); // others may try again
    archive->failures = 0;
    archive->last_failure[0] = 0;
    archive->is_broken = false;
    ev_timer_stop(&archive->breaker_timer);
}

void archive_lane_failed(struct archive *archive, const char *why)
{
    text_copy(archive->last_failure, sizeof archive->last_failure, slice_of_text(why));
    archive->urgent_after = ev_now(archive->worker->loop) + archive->node->conf->retry_min_ns;
    if (archive->is_broken)
        return; // lanes that were open when it broke: the same failure
    archive->failures++;
    archive->is_broken = true;
    uint64_t delay = archive_backoff(archive, archive->failures);
    log_event(LOG_ARCHIVE_FAILED, log_text(archive->node->conf->name), log_text(why),
              log_number(archive->failures), log_number(delay / NSEC_PER_MS));
    ev_timer_start(&archive->breaker_timer, delay);
}

uint64_t archive_titles_refused(struct archive *archive, struct slice calling, struct slice called,
                                bool is_called, const char *why)
{
    struct refusal *refusal = refusals_count(&archive->refusals, calling, called);
    uint64_t delay = archive_backoff(archive, refusal->failures);
    refusal->until = ev_now(archive->worker->loop) + delay;
    refusal->is_called = is_called;
    log_event(LOG_ARCHIVE_FAILED, log_text(archive->node->conf->name), log_text(why),
              log_number(refusal->failures), log_number(delay / NSEC_PER_MS));
    return delay;
}

void archive_lane_ended(struct archive *archive, struct lane *lane)
{
    list_remove(&archive->lanes, lane_node(lane));
    archive_pump_later(archive);
    worker_stop_check(archive->worker);
}

// ---- life ----

void archive_init(struct archive *archive, struct worker *worker, struct node *node)
{
    *archive =
        (struct archive){.worker = worker, .node = node, .asleep_from = UINT64_MAX, .owed_from = UINT64_MAX};
    MAGIC_INIT(archive, ARCHIVE_MAGIC);
    struct list *lists[] = {&archive->waiting, &archive->gated, &archive->resting, &archive->answered,
                            &archive->parked,  &archive->held,  &archive->sending, &archive->lanes};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    unsigned workers = worker->gateway->platform.workers;
    archive->lane_limit = node->conf->associations;
    archive->share = archive->lane_limit < workers ? 1 : archive->lane_limit / workers;
    ev_timer_init(&archive->grow_timer, worker->loop, on_grow_timer, archive);
    ev_timer_init(&archive->lease_timer, worker->loop, on_lease_timer, archive);
    ev_timer_init(&archive->breaker_timer, worker->loop, on_breaker, archive);
    ev_timer_init(&archive->rest_timer, worker->loop, on_rest, archive);
    ev_timer_init(&archive->settle_timer, worker->loop, on_settle, archive);
    ev_task_init(&archive->pump_task, worker->loop, pump, archive);
}

void archive_lanes_free(struct archive *archive)
{
    while (!list_is_empty(&archive->lanes)) {
        struct lane *lane = lane_of(list_first(&archive->lanes));
        list_remove(&archive->lanes, lane_node(lane));
        lane_free(lane);
    }
}

void archive_fini(struct archive *archive)
{
    lease_wait_set(archive, false);
    ev_timer_fini(&archive->lease_timer);
    ev_timer_fini(&archive->grow_timer);
    ev_timer_fini(&archive->breaker_timer);
    ev_timer_fini(&archive->rest_timer);
    ev_timer_fini(&archive->settle_timer);
    ev_task_fini(&archive->pump_task);
    MAGIC_CLEAR(archive);
}
