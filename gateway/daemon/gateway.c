// SPDX-License-Identifier: Apache-2.0
//
// Making, starting, stopping and taking down the object graph. Recovery is recover.c, the ledger's thread
// ledger_loop.c.
#include "daemon/gateway.h"
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "crosswalk/office.h"
#include "daemon/damage.h"
#include "daemon/ledger_loop.h"
#include "daemon/news.h"
#include "daemon/scrub.h"
#include "daemon/worker.h"
#include "edit/policy.h"
#include "front/access.h"
#include "front/census.h"
#include "front/peers.h"
#include "order/keeper.h"
#include "store/control.h"
#include <stdlib.h>

#define GATEWAY_MAGIC 0x47415431u

// ---- nodes ----

bool node_address_get(struct node *node, struct net_address *address)
{
    pthread_mutex_lock(&node->lock);
    bool has_address = node->has_address;
    *address = node->address;
    pthread_mutex_unlock(&node->lock);
    return has_address;
}

void node_address_set(struct node *node, const struct net_address *address)
{
    pthread_mutex_lock(&node->lock);
    node->address = *address;
    node->has_address = true;
    pthread_mutex_unlock(&node->lock);
}

// A route makes clients wait for it, in any phase: the lease is kept before the first client comes.
static bool node_is_awaited(const struct configuration *conf, const struct configuration_node *node)
{
    for (size_t p = 0; p < conf->phase_count; p++)
        for (size_t r = 0; r < conf->phase[p].store_count; r++) {
            const struct configuration_route *route = &conf->phase[p].store[r];
            bool is_all = route->acknowledge == CONFIGURATION_ACKNOWLEDGE_ALL;
            bool is_primary = route->acknowledge == CONFIGURATION_ACKNOWLEDGE_PRIMARY;
            for (size_t i = 0; i < (is_all ? route->to_count : is_primary ? 1 : 0); i++)
                if (route->to[i] == node)
                    return true;
        }
    return false;
}

static enum result nodes_make(struct gateway *gateway)
{
    const struct configuration *conf = gateway->configuration;
    gateway->nodes = calloc(conf->node_count, sizeof *gateway->nodes);
    if (gateway->nodes == NULL)
        return ERR_NOMEM;
    gateway->node_count = conf->node_count;
    for (size_t i = 0; i < conf->node_count; i++) {
        struct node *node = &gateway->nodes[i];
        node->conf = &conf->node[i];
        node->dialer = gateway->platform.dialers[i];
        node->kept_leases = node->conf->associations > 1 && node_is_awaited(conf, node->conf);
        pthread_mutex_init(&node->lock, NULL);
        struct net_address address;
        if (net_address_parse_host(conf->node[i].address.host, conf->node[i].address.port, &address) == OK)
            node_address_set(node, &address);
    }
    return OK;
}

uint32_t gateway_day(uint64_t wall)
{
    return (uint32_t)(wall / NSEC_PER_SEC / (24 * 3600));
}

static enum result pauses_load(struct gateway *gateway)
{
    struct control_pause pauses[64];
    size_t count;
    enum result result =
        control_pauses_get(gateway->platform.control, pauses, sizeof pauses / sizeof pauses[0], &count);
    if (result != OK)
        return result;
    for (size_t i = 0; i < count && i < sizeof pauses / sizeof pauses[0]; i++)
        for (size_t n = 0; n < gateway->node_count; n++)
            if (gateway->nodes[n].conf->id == pauses[i].archive) {
                gateway->nodes[n].pause = pauses[i];
                atomic_store(&gateway->nodes[n].is_paused, true);
            }
    return OK;
}

// ---- limits ----

const struct configuration_limits *gateway_limits(const struct gateway *gateway)
{
    return &atomic_load(&gateway->limits)->values;
}

enum result gateway_limits_set(struct gateway *gateway, const struct configuration_limits *limits)
{
    struct gateway_limits *made = malloc(sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    made->values = *limits;
    made->former = atomic_load(&gateway->limits);
    atomic_store(&gateway->limits, made);
    if (gateway->census != NULL)
        census_limits_set(gateway->census, limits);
    return OK;
}

void gateway_access_set(struct gateway *gateway, struct access *access)
{
    access_follow(access, atomic_load(&gateway->access));
    atomic_store(&gateway->access, access);
}

static enum result access_make(struct gateway *gateway)
{
    struct access *access;
    enum result result = access_new(gateway->configuration, &access);
    if (result == OK)
        gateway_access_set(gateway, access);
    return result;
}

static void limits_free(struct gateway *gateway)
{
    for (const struct gateway_limits *limits = atomic_load(&gateway->limits); limits != NULL;) {
        const struct gateway_limits *former = limits->former;
        free((void *)(uintptr_t)limits);
        limits = former;
    }
}

// ---- making ----

static enum result journal_make(struct gateway *gateway)
{
    const struct configuration_journal *conf = &gateway->configuration->journal;
    struct journal_options options;
    journal_options_default(&options);
    options.segment_size = conf->segment_bytes;
    options.quota = conf->quota_bytes;
    options.association_watermark = conf->association_watermark_bytes;
    options.watermark = conf->watermark_bytes;
    options.reserve = conf->reserve_bytes;
    options.unsynced_limit = conf->unsynced_bytes;
    options.writeback = conf->writeback_bytes;
    options.cached = conf->cached_bytes;
    options.queue_limit = conf->disk_queue_bytes;
    options.segment_age = conf->segment_age_ns;
    options.lazy_sync = conf->lazy_sync_ns;
    options.failure_limit = conf->failures;
    return journal_new(&options, gateway->platform.fs, gateway->platform.keyring, &gateway->journal);
}

static enum result workers_make(struct gateway *gateway)
{
    gateway->workers = calloc(gateway->platform.workers, sizeof *gateway->workers);
    if (gateway->workers == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < gateway->platform.workers; i++) {
        enum result result = worker_new(gateway, i, &gateway->workers[i]);
        if (result != OK)
            return result;
    }
    return OK;
}

enum result gateway_new(const struct platform *platform, const struct configuration *configuration,
                        struct gateway **out)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(gateway, GATEWAY_MAGIC);
    gateway->platform = *platform;
    gateway->configuration = configuration;
    gateway->epoch = 1; // one phase for ever, until there are cutovers
    gateway->started_at = ev_wall_now(platform->main_loop);
    pthread_mutex_init(&gateway->policies_lock, NULL);
    ledger_loop_init(gateway);
    enum result result = gateway_limits_set(gateway, &configuration->limits);
    if (result == OK)
        result = nodes_make(gateway);
    if (result == OK)
        result = peers_new(&gateway->peers);
    if (result == OK)
        result = access_make(gateway);
    if (result == OK)
        result = census_new(configuration, &gateway->census);
    if (result == OK)
        result = capability_cache_new(ledger_loop_persist_later, gateway, &gateway->capabilities);
    if (result == OK)
        result = capability_load(gateway->capabilities, platform->control);
    if (result == OK)
        result = proposal_cache_new(ledger_loop_persist_later, gateway, &gateway->proposals);
    if (result == OK)
        result = proposal_load(gateway->proposals, platform->control);
    if (result == OK)
        result = pauses_load(gateway);
    if (result == OK)
        result = journal_make(gateway);
    if (result == OK)
        result = damage_new(gateway, &gateway->damage);
    if (result == OK)
        result = workers_make(gateway);
    if (result == OK)
        result = order_keeper_new(gateway, &gateway->order);
    if (result == OK)
        result = news_new(gateway, &gateway->news);
    if (result == OK)
        result = crosswalk_office_new(gateway, &gateway->office);
    if (result != OK) {
        gateway_free(gateway);
        return result;
    }
    *out = gateway;
    return OK;
}

static enum result scrubs_make(struct gateway *gateway)
{
    gateway->scrubs = calloc(gateway->platform.workers, sizeof *gateway->scrubs);
    enum result result = gateway->scrubs != NULL ? OK : ERR_NOMEM;
    for (unsigned i = 0; result == OK && i < gateway->platform.workers; i++)
        result = scrub_new(gateway, i, &gateway->scrubs[i]);
    return result;
}

enum result gateway_start(struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->platform.workers; i++) {
        enum result result = worker_start(gateway->workers[i]);
        if (result != OK)
            return result;
    }
    enum result result = scrubs_make(gateway);
    if (result != OK)
        return result;
    gateway->life = GATEWAY_RUNNING;
    ledger_loop_start(gateway);
    news_tell(gateway->news, NEWS_CROSSWALK | NEWS_POLICIES); // since the former life
    return OK;
}

// A worker counts an association when its request has come, so a burst of connections sees equal numbers: the
// search begins at another worker each time.
struct worker *gateway_worker_pick(struct gateway *gateway)
{
    unsigned workers = gateway->platform.workers;
    unsigned first = gateway->pick_first++ % workers;
    struct worker *best = gateway->workers[first];
    for (unsigned i = 1; i < workers; i++) {
        struct worker *other = gateway->workers[(first + i) % workers];
        if (atomic_load(&other->associations) < atomic_load(&best->associations))
            best = other;
    }
    return best;
}

// ---- stopping ----

struct stop_call {
    struct worker_call call;
};

static void run_stop(struct worker *worker, struct worker_call *call)
{
    free(CONTAINER_OF(call, struct stop_call, call));
    worker_stop_begin(worker);
}

static void discard_stop(struct worker_call *call)
{
    free(CONTAINER_OF(call, struct stop_call, call));
}

static void stop_post(struct gateway *gateway)
{
    bool is_complete = true;
    for (unsigned i = 0; i < gateway->platform.workers; i++) {
        if (gateway->workers[i]->stop_is_posted)
            continue;
        struct stop_call *stop = calloc(1, sizeof *stop);
        if (stop == NULL) {
            is_complete = false;
            continue;
        }
        stop->call.run = run_stop;
        stop->call.discard = discard_stop;
        gateway->workers[i]->stop_is_posted = worker_post(gateway->workers[i], &stop->call) == OK;
        if (!gateway->workers[i]->stop_is_posted) {
            free(stop);
            is_complete = false;
        }
    }
    if (!is_complete)
        ev_timer_start(&gateway->stop_retry, 20 * NSEC_PER_MS);
}

static void on_stop_retry(void *arg)
{
    stop_post(arg);
}

// Main loop: all streams are stopped; what the ledger has not read yet it reads at the next start.
static void on_stopped_wake(void *arg)
{
    struct gateway *gateway = arg;
    MAGIC_CHECK(gateway, GATEWAY_MAGIC);
    if (gateway->life != GATEWAY_STOPPING || atomic_load(&gateway->workers_running) > 0)
        return;
    gateway->life = GATEWAY_STOPPED;
    gateway->on_stopped(gateway->on_stopped_arg);
}

void gateway_worker_stopped(struct gateway *gateway)
{
    atomic_fetch_sub(&gateway->workers_running, 1);
    ev_wake_signal(&gateway->stopped_wake);
}

void gateway_stop(struct gateway *gateway, void (*done)(void *arg), void *arg)
{
    MAGIC_CHECK(gateway, GATEWAY_MAGIC);
    if (gateway->life == GATEWAY_STOPPING || gateway->life == GATEWAY_STOPPED)
        return;
    log_event(LOG_GATEWAY_STOPPING, log_number(census_total(gateway->census)));
    gateway->life = GATEWAY_STOPPING;
    gateway->on_stopped = done;
    gateway->on_stopped_arg = arg;
    atomic_store(&gateway->workers_running, gateway->platform.workers);
    ev_wake_init(&gateway->stopped_wake, gateway->platform.main_loop, on_stopped_wake, gateway);
    ev_timer_init(&gateway->stop_retry, gateway->platform.main_loop, on_stop_retry, gateway);
    gateway->has_stop = true;
    stop_post(gateway);
}

void gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    MAGIC_CHECK(gateway, GATEWAY_MAGIC);
    order_keeper_drain(gateway->order);
    crosswalk_office_drain(gateway->office);
    news_free(gateway->news);
    for (unsigned i = 0; gateway->workers != NULL && i < gateway->platform.workers; i++)
        worker_free(gateway->workers[i]);
    for (unsigned i = 0; gateway->scrubs != NULL && i < gateway->platform.workers; i++)
        scrub_free(gateway->scrubs[i]);
    free(gateway->scrubs);
    ledger_loop_fini(gateway);
    order_keeper_free(gateway->order);
    crosswalk_office_free(gateway->office);
    damage_free(gateway->damage);
    free(gateway->workers);
    journal_free(gateway->journal);
    capability_cache_free(gateway->capabilities);
    proposal_cache_free(gateway->proposals);
    access_free(atomic_load(&gateway->access));
    census_free(gateway->census);
    peers_free(gateway->peers);
    limits_free(gateway);
    if (gateway->policies != NULL)
        edit_policies_unref(&gateway->policies);
    pthread_mutex_destroy(&gateway->policies_lock);
    for (size_t i = 0; i < gateway->node_count; i++)
        pthread_mutex_destroy(&gateway->nodes[i].lock);
    free(gateway->nodes);
    if (gateway->has_stop) {
        ev_wake_fini(&gateway->stopped_wake);
        ev_timer_fini(&gateway->stop_retry);
    }
    MAGIC_CLEAR(gateway);
    free(gateway);
}
