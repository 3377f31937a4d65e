// SPDX-License-Identifier: Apache-2.0
#include "daemon/ledger_loop.h"
#include "base/log.h"
#include "base/units.h"
#include "daemon/places.h"

enum { CATCH_UP_BUDGET = 2048, RECLAIM_MOST = 16 };

// Each commit of the ledger syncs the disk that the journal needs for its acknowledgements, and nothing waits
// for the ledger: so what has become durable within this time goes into one commit.
#define LEDGER_PACE_NS (250 * NSEC_PER_MS)
#define DAY_LOOK_NS    (10 * NSEC_PER_SEC) // the wall clock may be set at any time

// ENGINE 4: a segment goes when the committed vector is past it and nothing in it is live.
static void reclaim(struct gateway *gateway)
{
    size_t count = 0;
    enum result result = ledger_reclaim(gateway->ledger, RECLAIM_MOST, &count);
    if (result != OK) {
        log_event(LOG_RECLAIM_FAILED, log_text(result_text(result)));
        ev_timer_start(&gateway->ledger_retry, NSEC_PER_SEC);
    }
    if (count == RECLAIM_MOST)
        ev_timer_start(&gateway->ledger_pace, 0);
}

static void on_pace(void *arg)
{
    struct gateway *gateway = arg;
    atomic_store(&gateway->ledger_is_due, false); // what becomes durable from here on wakes again
    enum result result = ledger_catch_up(gateway->ledger, CATCH_UP_BUDGET);
    atomic_store(&gateway->ledger_is_stuck, result != OK && result != AGAIN);
    if (result == OK) {
        reclaim(gateway);
    } else if (result == AGAIN) {
        ev_timer_start(&gateway->ledger_pace, 0); // other work of this thread gets its turn in between
    } else {
        log_event(LOG_LEDGER_FAILED, log_text(result_text(result)));
        ev_timer_start(&gateway->ledger_retry, NSEC_PER_SEC);
    }
}

// ---- copy-forward ----

// In one step: what a disk writes in a few milliseconds, so that a group commit hardly notices; and no more
// than a small part of what may be copied in a second.
#define FORWARD_BUDGET  MIB
#define FORWARD_STEPS   16u
#define FORWARD_LOOK_NS NSEC_PER_SEC
// Segments of copies live long; closed after this many ages of a normal one, so that their keys can go.
#define COPIES_AGES 24u

// Paced: `copy_rate`, and as fast as it goes when room is short.
static void on_forward(void *arg)
{
    struct gateway *gateway = arg;
    const struct configuration_journal *conf = &gateway->configuration->journal;
    struct journal_health health;
    size_t budget = (size_t)(conf->copy_rate_bytes / FORWARD_STEPS);
    size_t bytes = 0;
    journal_health_get(gateway->journal, &health);
    struct ledger_forward_order order = {.now = ev_now(gateway->platform.ledger_loop),
                                         .wall = ev_wall_now(gateway->platform.ledger_loop),
                                         .after = conf->copy_after_ns,
                                         .copies_age = COPIES_AGES * conf->segment_age_ns,
                                         .budget = budget < FORWARD_BUDGET ? budget : FORWARD_BUDGET,
                                         .is_urgent = health.streams_unwelcoming > health.streams_failed};
    enum result result = ledger_copy_forward(gateway->ledger, &order, &bytes);
    uint64_t pause = order.is_urgent ? 0 : bytes * NSEC_PER_SEC / conf->copy_rate_bytes;
    if (result != AGAIN && pause < FORWARD_LOOK_NS)
        pause = FORWARD_LOOK_NS;
    ev_timer_start(&gateway->forward_timer, pause);
}

static void on_wake(void *arg)
{
    struct gateway *gateway = arg;
    if (!ev_timer_is_armed(&gateway->ledger_pace))
        ev_timer_start(&gateway->ledger_pace, LEDGER_PACE_NS);
}

static bool learned_persist(struct gateway *gateway)
{
    bool is_kept = capability_persist(gateway->capabilities, gateway->platform.control) == OK;
    return proposal_persist(gateway->proposals, gateway->platform.control) == OK && is_kept;
}

static void on_persist(void *arg)
{
    struct gateway *gateway = arg;
    if (!learned_persist(gateway))
        ev_timer_start(&gateway->ledger_retry, NSEC_PER_SEC);
}

static void on_retry(void *arg)
{
    on_pace(arg);
    on_persist(arg);
}

// Any thread: a disk thread has made more durable. One wake-up for all until the next pace.
static void on_durable(void *arg, uint16_t stream)
{
    struct gateway *gateway = arg;
    (void)stream;
    if (!atomic_exchange(&gateway->ledger_is_due, true))
        ev_wake_signal(&gateway->ledger_wake);
}

// A new day gets a new intermediate key, and yesterday's goes with its last segment (ENGINE 4). Here, as the
// key file is written.
static void on_day(void *arg)
{
    struct gateway *gateway = arg;
    seal_keyring_day_set(gateway->platform.keyring, gateway_day(ev_wall_now(gateway->platform.ledger_loop)));
    ev_timer_start(&gateway->day_timer, DAY_LOOK_NS);
    ev_timer_start(&gateway->forward_timer, FORWARD_LOOK_NS);
}

void ledger_loop_persist_later(void *arg)
{
    struct gateway *gateway = arg;
    ev_wake_signal(&gateway->capability_wake);
}

void ledger_loop_init(struct gateway *gateway)
{
    struct ev_loop *loop = gateway->platform.ledger_loop;
    ev_wake_init(&gateway->ledger_wake, loop, on_wake, gateway);
    ev_wake_init(&gateway->capability_wake, loop, on_persist, gateway);
    ev_timer_init(&gateway->ledger_pace, loop, on_pace, gateway);
    ev_timer_init(&gateway->ledger_retry, loop, on_retry, gateway);
    ev_timer_init(&gateway->forward_timer, loop, on_forward, gateway);
    places_init(gateway);
    ev_timer_init(&gateway->day_timer, loop, on_day, gateway);
}

void ledger_loop_start(struct gateway *gateway)
{
    journal_listen(gateway->journal, on_durable, gateway);
    ev_wake_signal(&gateway->ledger_wake);
    ev_timer_start(&gateway->day_timer, DAY_LOOK_NS);
}

void ledger_loop_fini(struct gateway *gateway)
{
    if (gateway->journal != NULL)
        journal_listen(gateway->journal, NULL, NULL);
    // The loop may have ended before it was woken. If it fails, all that is learned again.
    if (gateway->has_stop)
        (void)learned_persist(gateway);
    ledger_writer_free(&gateway->ledger);
    ev_wake_fini(&gateway->ledger_wake);
    ev_wake_fini(&gateway->capability_wake);
    ev_timer_fini(&gateway->ledger_pace);
    ev_timer_fini(&gateway->ledger_retry);
    ev_timer_fini(&gateway->forward_timer);
    places_fini(gateway);
    ev_timer_fini(&gateway->day_timer);
}
