// SPDX-License-Identifier: Apache-2.0
//
// From a seed to a history: how the machine looks, what is sent, and what goes wrong when. Every history has
// at least two workers, thirty instances, one crash and one fault of an archive (ENGINE 8).
#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "history.h"
#include "hospital.h"

static struct event *event_add(struct plan *plan, enum event_kind kind, uint64_t at)
{
    ensure(plan->event_count < HISTORY_EVENTS_MAX);
    struct event *event = &plan->events[plan->event_count++];
    *event = (struct event){.kind = kind, .at = at};
    return event;
}

static uint64_t some_time(struct history *history)
{
    return history_below(history, history->plan.active);
}

static void archive_faults_draw(struct history *history, unsigned archive, unsigned count)
{
    static const uint16_t statuses[] = {0xA700, 0xC000, 0x0110};
    struct plan *plan = &history->plan;
    uint64_t at = some_time(history) / 2;
    for (unsigned i = 0; i < count; i++) {
        struct event *event = event_add(plan, EVENT_ARCHIVE_FAULT, at);
        event->archive = archive;
        event->fault = (enum archive_fault)(1 + history_below(history, ARCHIVE_FAULTS - 1));
        event->status = statuses[history_below(history, 3)];
        at += NSEC_PER_SEC + history_below(history, plan->active / 2);
        event_add(plan, EVENT_ARCHIVE_WELL, at)->archive = archive;
        at += history_below(history, plan->active / 4);
    }
    if (history_chance(history, 1, 3))
        event_add(plan, EVENT_ARCHIVE_CRASH, some_time(history))->archive = archive;
}

static struct event *crash_draw(struct history *history, uint64_t at)
{
    static const uint64_t most[TRIGGER_COUNT] = {
        [TRIGGER_STEPS] = 2000, [TRIGGER_CHANGES] = 60, [TRIGGER_COMMIT] = 6,
        [TRIGGER_ACK] = 5,      [TRIGGER_STORED] = 5,   [TRIGGER_DEATH] = 1};
    struct event *event = event_add(&history->plan, EVENT_CRASH, at);
    event->trigger = (enum crash_trigger)history_below(history, TRIGGER_COUNT);
    event->is_power_cut = history_chance(history, 3, 4);
    event->number = 1 + history_below(history, most[event->trigger]);
    event->disk_fault =
        history_chance(history, 1, 2) ? KV_SIM_CRASH_BEFORE_COMMIT : KV_SIM_CRASH_AFTER_COMMIT;
    return event;
}

// What the page cache shows after a failed sync is not what is on the disk: a kill, then a power cut, tell
// them apart.
static void kill_then_cut_draw(struct history *history, uint64_t at)
{
    struct event *kill = crash_draw(history, at + history_below(history, NSEC_PER_SEC));
    kill->trigger = history_chance(history, 1, 2) ? TRIGGER_STEPS : TRIGGER_DEATH;
    kill->is_power_cut = false;
    kill->number = kill->trigger == TRIGGER_DEATH ? 1 : 1 + history_below(history, 200);
    crash_draw(history, at + 6 * NSEC_PER_SEC + history_below(history, 10 * NSEC_PER_SEC))->is_power_cut =
        true;
}

static void disk_fault_draw(struct history *history)
{
    static const enum fs_sim_fault faults[] = {FS_SIM_FAULT_DATASYNC, FS_SIM_FAULT_DATASYNC,
                                               FS_SIM_FAULT_WRITE, FS_SIM_FAULT_DIR_SYNC, FS_SIM_FAULT_READ};
    uint64_t at = some_time(history);
    enum fs_sim_fault fault = faults[history_below(history, sizeof faults / sizeof faults[0])];
    const char *path = history_chance(history, 3, 4)   ? "journal"
                       : history_chance(history, 1, 2) ? "keyring"
                                                       : NULL;
    uint64_t skip = history_below(history, 12);
    // A burst stops the intake of a stream.
    for (uint64_t count = history_chance(history, 1, 8) ? 5 : 1; count > 0; count--, skip += 1) {
        struct event *event = event_add(&history->plan, EVENT_DISK_FAULT, at);
        event->disk_fault = fault;
        event->path = path;
        event->number = skip;
    }
    if (history_chance(history, 1, 3))
        crash_draw(history, at + history_below(history, 3 * NSEC_PER_SEC));
    else if (history_chance(history, 1, 3))
        kill_then_cut_draw(history, at);
}

static void disk_full_draw(struct history *history)
{
    struct plan *plan = &history->plan;
    uint64_t at = some_time(history);
    // From nothing to more than the watermark.
    event_add(plan, EVENT_DISK_FULL, at)->number =
        history_below(history, 4) * history_below(history, 6 * MIB);
    // A segment that dies now has no successor: even the reserve's records have nowhere to go.
    if (history_chance(history, 1, 2)) {
        struct event *event = event_add(plan, EVENT_DISK_FAULT, at + history_below(history, NSEC_PER_SEC));
        event->disk_fault = FS_SIM_FAULT_DATASYNC;
        event->path = "journal";
    }
    event_add(plan, EVENT_DISK_ROOM, at + NSEC_PER_SEC + history_below(history, plan->active / 3));
}

static void ledger_trouble_draw(struct history *history)
{
    struct plan *plan = &history->plan;
    if (history_chance(history, 1, 4)) {
        static const unsigned faults[] = {KV_SIM_SPACE, KV_SIM_MAP_FULL, KV_SIM_IO};
        struct event *event = event_add(plan, EVENT_KV_FAULT, some_time(history));
        event->disk_fault = faults[history_below(history, 3)];
        event->number = history_below(history, 5);
        event->archive = (unsigned)history_below(history, 2); // the ledger's or the control store
    }
    if (history_chance(history, 1, 2)) {
        uint64_t at = some_time(history);
        event_add(plan, EVENT_LEDGER_DOWN, at);
        event_add(plan, EVENT_LEDGER_UP, at + history_below(history, plan->active));
    }
}

// Threads of the machine that run late: slow disks, a slow ledger, a crowded processor.
static void slowness_draw(struct history *history)
{
    static const uint64_t most[SLOW_KINDS] = {
        [SLOW_DISK] = 100 * NSEC_PER_MS, [SLOW_LEDGER] = 300 * NSEC_PER_MS, [SLOW_WORKERS] = 2 * NSEC_PER_MS};
    uint64_t at = some_time(history);
    enum slow_kind kind = (enum slow_kind)history_below(history, SLOW_KINDS);
    struct event *event = event_add(&history->plan, EVENT_SLOW, at);
    event->slow = kind;
    event->number = 1 + history_below(history, most[kind]);
    event_add(&history->plan, EVENT_SLOW, at + history_below(history, history->plan.active / 2))->slow = kind;
}

static void network_trouble_draw(struct history *history)
{
    struct plan *plan = &history->plan;
    while (history_chance(history, 1, 2) && plan->event_count + 2 < HISTORY_EVENTS_MAX)
        event_add(plan, EVENT_CUT, some_time(history))->number = 1 + history_below(history, 40000);
    if (history_chance(history, 1, 4)) {
        uint64_t at = some_time(history);
        struct event *event = event_add(plan, EVENT_CLIENT_AWAY, at);
        event->archive = (unsigned)history_below(history, plan->clients);
        event->number = 1 + history_below(history, 3); // towards the gateway, from it, both
        unsigned client = event->archive;
        event_add(plan, EVENT_CLIENT_BACK, at + history_below(history, plan->active / 2))->archive = client;
    }
}

static void trouble_draw(struct history *history)
{
    struct plan *plan = &history->plan;
    while (history_chance(history, 2, 5) && plan->event_count + 24 < HISTORY_EVENTS_MAX)
        disk_fault_draw(history);
    if (history_chance(history, 1, 4))
        disk_full_draw(history);
    ledger_trouble_draw(history);
    network_trouble_draw(history);
    if (history_chance(history, 1, 3))
        slowness_draw(history);
    if (history_chance(history, 1, 4)) {
        struct event *event = event_add(plan, EVENT_WALL_JUMP, some_time(history));
        bool is_long = history_chance(history, 1, 3); // years
        event->number = history_below(history, is_long ? 20 * 365 * 86400 : 48 * 3600) * NSEC_PER_SEC;
    }
    if (history_chance(history, 1, 4))
        event_add(plan, EVENT_STOP, some_time(history));
    while (history_chance(history, 1, 2) && plan->event_count < HISTORY_EVENTS_MAX)
        event_add(plan, EVENT_UNPARK, some_time(history));
}

static int event_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct event *)a)->at;
    uint64_t y = ((const struct event *)b)->at;
    return x < y ? -1 : x > y;
}

// Another station sends the same SOP Instance UID at about the same time: the same bytes, or others.
static void twin_draw(struct history *history, struct instance *twin, const struct instance *of)
{
    unsigned client = twin->client;
    if (of->is_bad)
        return;
    *twin = *of;
    twin->client = client;
    twin->due += history_below(history, 3 * NSEC_PER_SEC);
    twin->pixels += history_chance(history, 1, 2) ? 8 : 0;
}

static void instances_draw(struct history *history)
{
    static const unsigned shares[] = {1, 1, 3, 10};
    size_t count = 30 + (size_t)history_below(history, 30);
    unsigned share = shares[history_below(history, 4)]; // of the time in which all is sent
    history->instances = calloc(count, sizeof *history->instances);
    ensure(history->instances != NULL);
    history->instance_count = count;
    for (size_t i = 0; i < count; i++) {
        struct instance *instance = &history->instances[i];
        instance->client = (unsigned)history_below(history, history->plan.clients);
        instance->due = history_now(history) + some_time(history) / share;
        instance->sop_class = (unsigned)history_below(history, DATASET_CLASSES);
        instance->is_bad = history_chance(history, 1, 40);
        instance->again = history_chance(history, 1, 20);
        instance->pixels = 2 * (uint32_t)history_below(history, 8 * KIB);
        if (history_chance(history, 1, 12))
            instance->pixels = (uint32_t)(100 * KIB + 2 * history_below(history, 250 * KIB));
        if (history_chance(history, 1, 20))
            instance->pixels = 0;
        (void)text_format(instance->uid, sizeof instance->uid, "1.2.826.0.1.3680043.10.99.%zu.%u", i + 1,
                          (unsigned)history_below(history, 1000));
        instance->first = (uint32_t)i;
        instance->patient = (unsigned)(i / 8);
        (void)text_format(instance->study, sizeof instance->study, HISTORY_STUDY "%zu", i / 8);
        if (i > 0 && history_chance(history, 1, 10))
            twin_draw(history, instance,
                      &history->instances[history_uid_of(history, (uint32_t)history_below(history, i))]);
    }
}

static void path_draw(struct history *history)
{
    static const size_t segments[] = {0, 0, 16384, 1460};
    struct memory_path *path = &history->plan.path;
    path->latency = 50000 + history_below(history, 3 * NSEC_PER_MS);
    path->latency_jitter = history_below(history, NSEC_PER_MS);
    path->segment_max = segments[history_below(history, 4)];
    if (history_chance(history, 1, 6))
        path->read_max = 500 + (size_t)history_below(history, 4000);
    if (history_chance(history, 1, 3))
        path->turn_jitter = 1 + history_below(history, 20000);
    if (history_chance(history, 1, 4))
        path->rate = 2 * MIB + history_below(history, 50 * MIB);
}

static void windows_draw(struct history *history)
{
    for (unsigned i = 0; i < history->plan.archives; i++) {
        history->plan.asked[i] = history_chance(history, 1, 2) ? 1 : 2 + (unsigned)history_below(history, 15);
        history->plan.granted[i] =
            history_chance(history, 1, 4) ? 1 : 2 + (unsigned)history_below(history, 15);
    }
}

// Mostly two archives and a few clients; sometimes one archive or up to five, sometimes a crowd of clients.
static void crowd_draw(struct history *history)
{
    static const unsigned archives[] = {1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 4, 5, 1};
    struct plan *plan = &history->plan;
    plan->archives = archives[history_below(history, sizeof archives / sizeof archives[0])];
    bool is_crowd = history_chance(history, 1, 10);
    plan->clients = 2 + (unsigned)history_below(history, is_crowd ? HISTORY_CLIENTS_MAX - 1 : 3);
}

void plan_draw(struct history *history)
{
    static const unsigned fragments[] = {1000, 4096, 16384, 65536};
    struct plan *plan = &history->plan;
    plan->workers = 2 + (history_chance(history, 1, 3) ? 1 : 0);
    crowd_draw(history);
    plan->active = (20 + history_below(history, 40)) * NSEC_PER_SEC;
    plan->capacity = 256 * MIB;
    plan->loses_ledger = history->seed % 6 == 4;
    plan->fragment_max = fragments[history_below(history, 4)];
    plan->is_learned = history_chance(history, 1, 2);
    plan->is_mirror = plan->is_learned && history_chance(history, 1, 3);
    if (history_chance(history, 1, 2))
        plan->acknowledge =
            history_chance(history, 2, 3) ? CONFIGURATION_ACKNOWLEDGE_PRIMARY : CONFIGURATION_ACKNOWLEDGE_ALL;
    path_draw(history);
    windows_draw(history);
    instances_draw(history);
    unsigned first = (unsigned)history_below(history, plan->archives);
    archive_faults_draw(history, first, 1 + (unsigned)history_below(history, 3));
    for (unsigned i = 1; i < plan->archives; i++)
        archive_faults_draw(history, (first + i) % plan->archives, (unsigned)history_below(history, 3));
    for (uint64_t crashes = 1 + history_below(history, 3); crashes > 0; crashes--)
        crash_draw(history, some_time(history));
    trouble_draw(history);
    if (history_chance(history, 1, 3) && plan->event_count < HISTORY_EVENTS_MAX)
        event_add(plan, EVENT_RELOAD, some_time(history))->number = history_below(history, 1000);
    if (history->seed % 8 == 0 || history->seed % 8 == 1 || history->seed % 8 == 4 || history->seed % 8 == 6)
        hospital_draw(history);
    qsort(plan->events, plan->event_count, sizeof plan->events[0], event_compare);
}
