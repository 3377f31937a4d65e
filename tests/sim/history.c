// SPDX-License-Identifier: Apache-2.0
//
// The course of a history: the plan's events at their times, crashes where they are armed, then everything is
// healed and time runs until nothing is owed any more.
#include "history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive.h"
#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "base/units.h"
#include "client.h"
#include "front/access.h"
#include "hospital.h"
#include "machine.h"
#include "oracle.h"

enum { STEPS_MAX = 4000000, QUIET_HOURS = 4, STOP_SECONDS = 60, TRIGGER_SECONDS = 20 };

#define NEVER UINT64_MAX

// Times of the course itself.
struct course {
    struct history *history;
    uint64_t begun;
    size_t next_event;
    uint64_t restart_at;    // the machine is down until then; NEVER: it is up
    uint64_t stop_deadline; // a graceful stop must have ended; NEVER: none is under way
};

// ---- shared by the parts ----

void history_say(const struct history *history, const char *format, ...)
{
    va_list arguments;
    if (!history->is_verbose)
        return;
    printf("%10.6f  ", (double)sim_world_now(history->world) / 1e9);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

void history_fail(struct history *history, const char *format, ...)
{
    va_list arguments;
    if (history->failed)
        return;
    history->failed = true;
    va_start(arguments, format);
    (void)vsnprintf(history->reason, sizeof history->reason, format, arguments);
    va_end(arguments);
    history_say(history, "FAILED: %s", history->reason);
}

// SplitMix64 (Steele, Lea, Flood 2014).
uint64_t history_random(struct history *history)
{
    uint64_t z = history->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t history_below(struct history *history, uint64_t limit)
{
    return limit == 0 ? 0 : history_random(history) % limit;
}

bool history_chance(struct history *history, uint64_t numerator, uint64_t denominator)
{
    return history_below(history, denominator) < numerator;
}

uint64_t history_now(const struct history *history)
{
    return sim_world_now(history->world);
}

uint32_t history_attempt_add(struct history *history, uint32_t instance, bool is_implicit, size_t length,
                             uint64_t hash)
{
    if (history->attempt_count == history->attempt_capacity) {
        history->attempt_capacity = 64 + 2 * history->attempt_capacity;
        history->attempts = realloc(history->attempts, history->attempt_capacity * sizeof *history->attempts);
        ensure(history->attempts != NULL);
    }
    struct attempt *attempt = &history->attempts[history->attempt_count];
    *attempt = (struct attempt){.instance = instance,
                                .number = history->instances[instance].attempts++,
                                .variant = history->instances[instance].variant,
                                .is_implicit = is_implicit,
                                .length = length,
                                .hash = hash,
                                .begun = history_now(history)};
    uint32_t first = 0;
    while (first < history->attempt_count &&
           (history->attempts[first].hash != hash || history->attempts[first].length != length ||
            history_uid_of(history, history->attempts[first].instance) != history_uid_of(history, instance)))
        first++;
    attempt->content = first;
    return (uint32_t)history->attempt_count++;
}

unsigned history_attempts_of(const struct history *history, uint32_t content)
{
    unsigned count = 0;
    for (size_t i = 0; i < history->attempt_count; i++)
        count += history->attempts[i].content == content;
    return count;
}

uint32_t history_uid_of(const struct history *history, uint32_t instance)
{
    return history->instances[instance].first;
}

uint32_t history_copy_add(struct history *history, uint32_t attempt, unsigned archive, uint64_t after)
{
    if (history->copy_count == history->copy_capacity) {
        history->copy_capacity = 128 + 2 * history->copy_capacity;
        history->copies = realloc(history->copies, history->copy_capacity * sizeof *history->copies);
        ensure(history->copies != NULL);
    }
    sim_world_note(history->world, attempt * 16 + archive);
    history_say(history, "archive %u stores instance %u, attempt %u", archive,
                history->attempts[attempt].instance, history->attempts[attempt].number);
    history->copies[history->copy_count] =
        (struct copy){.attempt = attempt, .archive = archive, .after = after, .at = history_now(history)};
    return (uint32_t)history->copy_count++;
}

// ---- crashes ----

static uint64_t trigger_value(const struct history *history)
{
    switch (history->armed.trigger) {
    case TRIGGER_STEPS:
        return sim_world_steps(history->world);
    case TRIGGER_ACK:
        return history->acks;
    case TRIGGER_STORED:
        return history->stores;
    case TRIGGER_DEATH:
        return history->deaths;
    case TRIGGER_CHANGES:
    case TRIGGER_COMMIT:
    case TRIGGER_COUNT:
        return history->armed_base; // the disk or the ledger says so itself
    }
    return 0;
}

static bool is_triggered(const struct history *history)
{
    return history->is_armed && (history_now(history) >= history->armed_deadline ||
                                 trigger_value(history) - history->armed_base >= history->armed.number);
}

static void crash_arm(struct history *history, const struct event *event)
{
    if (history->is_armed)
        return;
    history->is_armed = true;
    history->armed = *event;
    history->armed_base = trigger_value(history);
    history->armed_deadline = history_now(history) + TRIGGER_SECONDS * NSEC_PER_SEC;
    if (event->trigger == TRIGGER_CHANGES)
        fs_sim_power_cut_after(history->disk, event->number);
    if (event->trigger == TRIGGER_COMMIT) {
        bool is_pin = history->hospital != NULL && event->number % 2 == 0;
        kv_sim_fault_set(is_pin ? history->crosswalk_disk : history->ledger_disk,
                         (enum kv_sim_fault)event->disk_fault, event->number);
    }
}

static void crash_now(struct course *course)
{
    struct history *history = course->history;
    bool is_power_cut =
        history->is_armed && (history->armed.is_power_cut || history->armed.trigger == TRIGGER_CHANGES);
    machine_crash(history->machine, is_power_cut);
    history->is_armed = false;
    kv_sim_fault_set(history->ledger_disk, KV_SIM_NONE, 0);
    kv_sim_fault_set(history->crosswalk_disk, KV_SIM_NONE, 0);
    course->stop_deadline = NEVER;
    course->restart_at = history_now(history) + history_below(history, 4 * NSEC_PER_SEC);
    // Sometimes the power goes again while the next life recovers.
    if (!history->is_healed && history_chance(history, 1, 4))
        fs_sim_power_cut_after(history->disk, history_below(history, 40));
}

static void start(struct course *course)
{
    struct history *history = course->history;
    course->restart_at = NEVER;
    if (history->ledger_down)
        kv_sim_fault_set(history->ledger_disk, KV_SIM_NONE, 0); // a start needs it
    if (machine_start(history->machine)) {
        watch_life(history);
        return;
    }
    machine_crash(history->machine, false);
    course->restart_at = history_now(history) + NSEC_PER_SEC;
}

// ---- events ----

static void archive_event_run(struct history *history, const struct event *event)
{
    struct archive_sim *archive = history->archives[event->archive];
    enum archive_fault fault = event->kind == EVENT_ARCHIVE_FAULT ? event->fault : ARCHIVE_WELL;
    if (event->kind == EVENT_ARCHIVE_CRASH) {
        history_say(history, "archive %u crashes", event->archive);
        archive_sim_crash(archive);
        return;
    }
    history_say(history, "archive %u: %s", event->archive, archive_fault_name(fault));
    archive_sim_fault(archive, fault, event->status);
}

static void store_event_run(struct history *history, const struct event *event)
{
    if (event->kind != EVENT_KV_FAULT) {
        history->ledger_down = event->kind == EVENT_LEDGER_DOWN;
        history_say(history, "ledger %s", history->ledger_down ? "down" : "up");
        kv_sim_fault_set(history->ledger_disk, KV_SIM_NONE, 0);
        return;
    }
    if (event->archive == 1)
        kv_sim_fault_set(history->control_disk, (enum kv_sim_fault)event->disk_fault, event->number);
    else if (!history->is_armed)
        kv_sim_fault_set(history->ledger_disk, (enum kv_sim_fault)event->disk_fault, event->number);
}

static void disk_event_run(struct history *history, const struct event *event)
{
    if (event->kind == EVENT_DISK_FAULT) {
        history_say(history, "disk fault %u on %s", event->disk_fault,
                    event->path != NULL ? event->path : "anything");
        (void)!fs_sim_fault_arm(history->disk, (enum fs_sim_fault)event->disk_fault, event->path,
                                (uint32_t)event->number);
    } else {
        bool is_full = event->kind == EVENT_DISK_FULL;
        struct fs_space space = {0};
        if (is_full && machine_fs(history->machine) != NULL &&
            fs_space_get(machine_fs(history->machine), &space) != OK)
            return;
        uint64_t capacity = space.total - space.free + event->number;
        history_say(history, is_full ? "disk full but for %llu bytes" : "disk has room",
                    (unsigned long long)event->number);
        fs_sim_capacity_set(history->disk, is_full ? capacity : history->plan.capacity);
    }
    history->trouble = NEVER; // a fault may strike at any time until all is healed
}

static void stop_begin(struct course *course)
{
    struct history *history = course->history;
    if (!machine_is_running(history->machine) || course->stop_deadline != NEVER)
        return;
    history_say(history, "graceful stop");
    machine_stop(history->machine);
    course->stop_deadline = history_now(history) + STOP_SECONDS * NSEC_PER_SEC;
}

static void wall_jump(struct history *history, uint64_t distance)
{
    uint64_t wall = ev_wall_now(history->clock);
    bool back = history_chance(history, 1, 2);
    history_say(history, "wall clock jumps %s", back ? "back" : "ahead");
    sim_world_set_wall(history->world, back ? wall - distance : wall + distance);
}

// As the daemon does after `config reload`: what is open goes on with what it began with.
static void reload_run(struct history *history, uint64_t number)
{
    if (!machine_is_running(history->machine))
        return;
    struct gateway *gateway = machine_gateway(history->machine);
    struct configuration_limits limits = *gateway_limits(gateway);
    limits.silent = 2 + (uint32_t)(number % 20);
    limits.client_silent = 1 + (uint32_t)(number % 4);
    limits.idle_ns = (15 + number % 60) * NSEC_PER_SEC;
    limits.stall_ns = (8 + number % 20) * NSEC_PER_SEC;
    history_say(history, "reload");
    ensure(gateway_limits_set(gateway, &limits) == OK);
    struct access *access;
    ensure(access_new(history->configuration, &access) == OK);
    gateway_access_set(gateway, access);
}

static void event_run(struct course *course, const struct event *event)
{
    struct history *history = course->history;
    switch (event->kind) {
    case EVENT_ARCHIVE_FAULT:
    case EVENT_ARCHIVE_WELL:
    case EVENT_ARCHIVE_CRASH:
        archive_event_run(history, event);
        break;
    case EVENT_KV_FAULT:
    case EVENT_LEDGER_DOWN:
    case EVENT_LEDGER_UP:
        store_event_run(history, event);
        break;
    case EVENT_DISK_FAULT:
    case EVENT_DISK_FULL:
    case EVENT_DISK_ROOM:
        disk_event_run(history, event);
        break;
    case EVENT_CRASH:
        crash_arm(history, event);
        break;
    case EVENT_STOP:
        stop_begin(course);
        break;
    case EVENT_RELOAD:
        reload_run(history, event->number);
        break;
    case EVENT_UNPARK:
        (void)machine_unpark(history->machine);
        break;
    case EVENT_HOSPITAL:
        hospital_act(history, event);
        break;
    case EVENT_WALL_JUMP:
        wall_jump(history, event->number);
        break;
    case EVENT_SLOW:
        history_say(history, "threads of kind %d run up to %llu us late", event->slow,
                    (unsigned long long)event->number / 1000);
        history->slow[event->slow] = event->number;
        history->trouble = NEVER; // an outcome may take its time
        machine_slow(history->machine);
        break;
    case EVENT_CUT: {
        bool is_towards = history_chance(history, 1, 2);
        memory_network_cut_next(history->network, is_towards ? event->number : 0,
                                is_towards ? 0 : 1 + event->number % 1000);
        break;
    }
    case EVENT_CLIENT_AWAY:
    case EVENT_CLIENT_BACK:
        history_say(history, "client %u: %s", event->archive, event->number == 0 ? "back" : "cut off");
        client_away(history->clients[event->archive], (unsigned)event->number);
        break;
    }
}

// ---- running ----

static bool needs_hand(void *arg)
{
    struct history *history = arg;
    watch_step(history);
    if (history->ledger_down && machine_is_running(history->machine) && !machine_is_cut(history->machine))
        kv_sim_fault_set(history->ledger_disk, KV_SIM_IO, 0);
    if (sim_world_steps(history->world) > STEPS_MAX)
        history_fail(history, "too many steps");
    return history->failed || is_triggered(history) ||
           (machine_is_running(history->machine) &&
            (machine_is_cut(history->machine) || machine_is_stopped(history->machine)));
}

static void lend_hand(struct course *course)
{
    struct history *history = course->history;
    if (!machine_is_running(history->machine)) {
        if (is_triggered(history))
            history->is_armed = false; // it is down already
        return;
    }
    if (machine_is_cut(history->machine) || is_triggered(history)) {
        crash_now(course);
    } else if (machine_is_stopped(history->machine)) {
        machine_stop_end(history->machine);
        course->stop_deadline = NEVER;
        course->restart_at = history_now(history) + history_below(history, 4 * NSEC_PER_SEC);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void run_to(struct course *course, uint64_t until)
{
    struct history *history = course->history;
    struct plan *plan = &history->plan;
    while (!history->failed && history_now(history) < until) {
        uint64_t event_at = course->next_event < plan->event_count
                                ? course->begun + plan->events[course->next_event].at
                                : NEVER;
        uint64_t next = least(least(event_at, course->restart_at), least(course->stop_deadline, until));
        if (history->is_armed)
            next = least(next, history->armed_deadline);
        (void)sim_world_run_until(history->world, needs_hand, history, next);
        lend_hand(course);
        uint64_t now = history_now(history);
        if (history->failed)
            return;
        if (now >= event_at)
            event_run(course, &plan->events[course->next_event++]);
        if (now >= course->restart_at)
            start(course);
        if (now >= course->stop_deadline)
            history_fail(history, "the graceful stop does not end");
    }
}

// ---- healing ----

static void heal(struct course *course)
{
    struct history *history = course->history;
    history_say(history, "healed");
    course->next_event = history->plan.event_count;
    history->is_healed = true;
    history->trouble = least(history->trouble, history_now(history) + 5 * NSEC_PER_SEC);
    fs_sim_faults_clear(history->disk);
    history->ledger_down = false;
    kv_sim_fault_set(history->control_disk, KV_SIM_NONE, 0);
    kv_sim_fault_set(history->ledger_disk, KV_SIM_NONE, 0);
    kv_sim_fault_set(history->crosswalk_disk, KV_SIM_NONE, 0);
    fs_sim_capacity_set(history->disk, history->plan.capacity);
    memset(history->slow, 0, sizeof history->slow);
    machine_slow(history->machine);
    memory_network_cut_next(history->network, 0, 0);
    for (unsigned i = 0; i < history->plan.clients; i++)
        client_away(history->clients[i], 0);
    for (unsigned i = 0; i < history->plan.archives; i++)
        archive_sim_fault(history->archives[i], ARCHIVE_WELL, 0);
    if (history->is_armed && machine_is_running(history->machine))
        crash_now(course);
    history->is_armed = false;
}

static bool clients_are_done(const struct history *history)
{
    for (size_t i = 0; i < history->instance_count; i++)
        if (history->instances[i].state == INSTANCE_DUE || history->instances[i].state == INSTANCE_SENDING)
            return false;
    return true;
}

static void say_what_is_left(struct history *history)
{
    size_t instances = 0;
    machine_say_owed(history->machine);
    for (size_t i = 0; i < history->instance_count; i++)
        instances +=
            history->instances[i].state == INSTANCE_DUE || history->instances[i].state == INSTANCE_SENDING;
    history_fail(history, "not quiet after %d hours: %zu instances not acknowledged, the gateway %s",
                 QUIET_HOURS, instances, machine_is_quiet(history->machine) ? "owes nothing" : "still owes");
}

static void settle(struct course *course)
{
    struct history *history = course->history;
    uint64_t deadline = history_now(history) + (uint64_t)QUIET_HOURS * 3600 * NSEC_PER_SEC;
    unsigned turns = 0;
    bool is_known = hospital_heal(history);
    while (!history->failed) {
        run_to(course, history_now(history) + 5 * NSEC_PER_SEC);
        if (++turns % 4 == 0) {
            (void)machine_unpark(history->machine);
            is_known = hospital_heal(history);
        }
        if (is_known && clients_are_done(history) && machine_is_quiet(history->machine)) {
            run_to(course, history_now(history) + 10 * NSEC_PER_SEC);
            // A segment may just have been left because it is old.
            for (int i = 0; i < 5 && machine_is_quiet(history->machine) && !check_is_reclaimed(history); i++)
                run_to(course, history_now(history) + NSEC_PER_SEC);
            if (machine_is_quiet(history->machine))
                return;
        }
        if (history_now(history) >= deadline)
            say_what_is_left(history);
    }
}

// A last stop and start: what has been settled stays settled.
static void restart(struct course *course)
{
    struct history *history = course->history;
    stop_begin(course);
    while (!history->failed && (course->stop_deadline != NEVER || course->restart_at != NEVER))
        run_to(course, history_now(history) + NSEC_PER_SEC);
    if (history->failed)
        return;
    uint64_t owed = machine_gateway(history->machine)->recovery.owed;
    if (owed != 0)
        history_fail(history, "%llu receipts are owed after the last start", (unsigned long long)owed);
}

// ---- making ----

// In some histories the day changes while the gateway runs, and with it the intermediate key.
static void midnight_draw(struct history *history)
{
    const uint64_t day = 24 * 3600 * NSEC_PER_SEC;
    if (history_chance(history, 1, 3))
        sim_world_set_wall(history->world, 20500 * day - history_below(history, history->plan.active));
}

static void setup(struct history *history)
{
    static const uint8_t masters[2][SEAL_KEY_SIZE] = {{1, 2, 3}, {4, 5, 6}};
    history->world = sim_world_new(history->seed);
    history->clock = sim_loop_new(history->world, "clock");
    history->network = memory_network_new(history->world);
    plan_draw(history);
    memory_network_set_path(history->network, &history->plan.path);
    struct fs_sim_options options = {.seed = history_random(history), .capacity = history->plan.capacity};
    ensure(fs_sim_new(&options, &history->disk) == OK);
    ensure(kv_sim_disk_new(&history->ledger_disk) == OK && kv_sim_disk_new(&history->control_disk) == OK &&
           kv_sim_disk_new(&history->crosswalk_disk) == OK);
    for (unsigned i = 0; i < 2; i++)
        ensure(seal_master_from_bytes(masters[i], &history->masters[i]) == OK);
    midnight_draw(history);
    configuration_make(history);
    history->machine = machine_new(history);
    for (unsigned i = 0; i < history->plan.archives; i++)
        history->archives[i] = archive_sim_new(history, i);
    for (unsigned i = 0; i < history->plan.clients; i++)
        history->clients[i] = client_new(history, i);
}

static void teardown(struct history *history)
{
    machine_free(&history->machine);
    for (unsigned i = 0; i < HISTORY_CLIENTS_MAX; i++)
        client_free(&history->clients[i]);
    for (unsigned i = 0; i < HISTORY_ARCHIVES_MAX; i++)
        archive_sim_free(&history->archives[i]);
    oracle_free(history);
    memory_network_free(&history->network);
    ev_loop_free(&history->clock);
    configuration_free(history->configuration);
    seal_master_free(history->masters[0]);
    seal_master_free(history->masters[1]);
    kv_sim_disk_free(&history->ledger_disk);
    kv_sim_disk_free(&history->control_disk);
    kv_sim_disk_free(&history->crosswalk_disk);
    hospital_free(history);
    fs_sim_free(history->disk);
    sim_world_free(&history->world);
    free(history->instances);
    free(history->attempts);
    free(history->copies);
    free(history->ends);
    free(history->dead);
    free(history->keys);
}

static void figures_take(struct history *history, struct history_figures *figures)
{
    *figures = (struct history_figures){.trace = sim_world_trace(history->world),
                                        .steps = sim_world_steps(history->world),
                                        .virtual_time = sim_world_now(history->world),
                                        .instances = (unsigned)history->instance_count,
                                        .attempts = (unsigned)history->attempt_count,
                                        .acknowledged = (unsigned)history->acks,
                                        .copies = (unsigned)history->copy_count,
                                        .lives = machine_life(history->machine),
                                        .rotations = history->rotations,
                                        .scrubbed = (unsigned)history->scrubbed};
}

bool history_run(uint64_t seed, bool is_verbose, char *reason, size_t capacity,
                 struct history_figures *figures)
{
    struct history history = {.seed = seed, .random = seed * 7919 + 1, .is_verbose = is_verbose};
    struct course course = {.history = &history, .restart_at = NEVER, .stop_deadline = NEVER};
    uint64_t reclaimed = log_event_count(JOURNAL_SEGMENT_RECLAIMED); // by histories before this one
    uint64_t copied = log_event_count(STORE_SEGMENT_COPIED);
    setup(&history);
    course.begun = history_now(&history);
    if (!history.failed)
        start(&course);
    if (!history.failed)
        run_to(&course, course.begun + history.plan.active + history.plan.active / 4);
    if (!history.failed)
        heal(&course);
    if (!history.failed)
        settle(&course);
    unsigned extra = 0;
    if (!history.failed) {
        check_end(&history);
        extra = check_extra_deliveries(&history);
    }
    if (!history.failed)
        restart(&course);
    figures_take(&history, figures);
    figures->extra = extra;
    figures->reclaimed = (unsigned)(log_event_count(JOURNAL_SEGMENT_RECLAIMED) - reclaimed);
    figures->copied = (unsigned)(log_event_count(STORE_SEGMENT_COPIED) - copied);
    (void)text_copy(reason, capacity, slice_of_text(history.reason));
    teardown(&history);
    return !history.failed;
}
