// SPDX-License-Identifier: Apache-2.0
#include "machine.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "daemon/worker.h"
#include "forward/archive.h"
#include "front/session.h"
#include "hospital.h"
#include "journal/format.h"
#include "oracle.h"
#include "store/control.h"
#include "store/crosswalk.h"
#include "store/ledger.h"

enum { FRONT_PORT = 11112 };

// After the death of a segment its SENT records stand again, if there is room.
#define SENT_TIME (200 * NSEC_PER_MS)

// One listening address for each worker, so that an accepted connection begins its life on the worker's loop.
struct door {
    struct machine *machine;
    unsigned worker;
};

struct machine {
    struct history *history;
    unsigned life;
    bool is_running;
    bool is_stopped;
    unsigned workers;
    struct fs *fs;
    struct seal_keyring *keyring;
    struct kv_env *ledger;
    struct kv_env *control;
    struct kv_env *crosswalk_env;
    struct crosswalk *crosswalk;
    struct ev_loop *main_loop;
    struct ev_loop *ledger_loop;
    struct ev_loop *lookup_loop;
    struct ev_loop *crosswalk_loop;
    struct ev_loop *worker_loops[HISTORY_WORKERS_MAX];
    struct ev_loop *disk_loops[HISTORY_WORKERS_MAX];
    struct door doors[HISTORY_WORKERS_MAX];
    const struct net_dialer *dialers[HISTORY_ARCHIVES_MAX];
    struct gateway *gateway;
};

static void door_address(unsigned worker, struct net_address *address)
{
    *address = (struct net_address){
        .family = NET_IPV4, .port = (uint16_t)(FRONT_PORT + worker), .bytes = {10, 0, 0, 1}};
}

void machine_address(const struct machine *machine, struct net_address *address)
{
    unsigned worker = machine->is_running ? gateway_worker_pick(machine->gateway)->index : 0;
    door_address(worker, address);
}

// ---- start ----

static void on_accept(void *arg, struct transport *transport)
{
    struct door *door = arg;
    struct gateway *gateway = door->machine->gateway;
    (void)!session_new(gateway->workers[door->worker], &gateway->configuration->listener[0], &transport);
}

static void loops_make(struct machine *machine)
{
    struct sim_world *world = machine->history->world;
    machine->main_loop = sim_loop_new(world, "main");
    machine->ledger_loop = sim_loop_new(world, "ledger");
    machine->lookup_loop = sim_loop_new(world, "lookup");
    if (machine->history->hospital != NULL)
        machine->crosswalk_loop = sim_loop_new(world, "crosswalk");
    for (unsigned i = 0; i < machine->workers; i++) {
        machine->worker_loops[i] = sim_loop_new(world, "worker");
        machine->disk_loops[i] = sim_loop_new(world, "disk");
    }
}

void machine_slow(struct machine *machine)
{
    const uint64_t *slow = machine->history->slow;
    if (machine->main_loop == NULL)
        return;
    sim_loop_slow(machine->ledger_loop, slow[SLOW_LEDGER]);
    for (unsigned i = 0; i < machine->workers; i++) {
        sim_loop_slow(machine->worker_loops[i], slow[SLOW_WORKERS]);
        sim_loop_slow(machine->disk_loops[i], slow[SLOW_DISK]);
    }
}

static uint32_t today(const struct machine *machine)
{
    return gateway_day(ev_wall_now(machine->main_loop));
}

// One of the two masters opens it: which, a rotation that was cut leaves open.
static enum result keyring_open_any(struct machine *machine, struct seal_keyring **out)
{
    struct history *history = machine->history;
    enum result result = ERR_CRYPTO;
    for (unsigned i = 0; i < 2 && result == ERR_CRYPTO; i++) {
        unsigned master = (history->master + i) % 2;
        result =
            seal_keyring_open(machine->fs, "keyring", history->masters[master], today(machine), out, NULL);
        if (result == OK)
            history->master = master;
    }
    return result;
}

// `dicomgate key rotate` between two lives, sometimes with a power cut in the midst of it.
static void master_rotate(struct machine *machine)
{
    enum { CHANGES_MOST = 200 }; // two files of 65 pages, and what belongs to them
    struct history *history = machine->history;
    struct seal_keyring *ring;
    if (machine->life == 1 || history->is_armed || !history_chance(history, 1, 5))
        return;
    if (!history->is_healed && history_chance(history, 1, 2))
        fs_sim_power_cut_after(history->disk, history_below(history, CHANGES_MOST));
    enum result result = keyring_open_any(machine, &ring);
    if (result == OK) {
        seal_keyring_free(ring);
        result = seal_keyring_rotate(machine->fs, "keyring", history->masters[history->master],
                                     history->masters[1 - history->master], NULL);
    }
    bool is_cut = fs_sim_is_cut(history->disk);
    history_say(history, "the master key is rotated: %s%s", result_text(result), is_cut ? ", cut" : "");
    history->rotations++;
    if (is_cut) { // it takes what the last life had not synced, too
        if (history->end_count > 0) {
            history->ends[history->end_count - 1].is_power_cut = true;
            history->ends[history->end_count - 1].has_lost_sent = true;
        }
        fs_sim_crash(history->disk);
        fs_free(machine->fs);
        ensure(fs_sim_mount(history->disk, &machine->fs) == OK);
    } else {
        fs_sim_power_cut_after(history->disk, UINT64_MAX);
    }
}

static enum result keyring_open(struct machine *machine)
{
    struct history *history = machine->history;
    enum result result = keyring_open_any(machine, &machine->keyring);
    if (result != ERR_MISSING || machine->life > 1)
        return result;
    // The first start: `dicomgate key init`.
    result = seal_keyring_create(machine->fs, "keyring", history->masters[0], NULL);
    return result == OK ? keyring_open_any(machine, &machine->keyring) : result;
}

// The folder of the ledger is lost with what it had committed: what the journal tells is all there is.
static void ledger_lose(struct machine *machine)
{
    struct history *history = machine->history;
    if (!history->plan.loses_ledger || machine->life == 1 || history->is_armed || history->is_healed ||
        !history_chance(history, 1, 2))
        return;
    history_say(history, "the ledger is lost");
    history->ledger_losses++;
    history->ends[history->end_count - 1].has_lost_ledger = true;
    oracle_ledger_lost(history);
    kv_sim_disk_free(&history->ledger_disk);
    ensure(kv_sim_disk_new(&history->ledger_disk) == OK);
}

static enum result stores_open(struct machine *machine)
{
    struct history *history = machine->history;
    enum result result = kv_sim_open(history->ledger_disk, &ledger_schema, &machine->ledger);
    if (result == OK)
        result = kv_sim_open(history->control_disk, &control_schema, &machine->control);
    if (result == OK && history->hospital != NULL)
        result = kv_sim_open(history->crosswalk_disk, &crosswalk_schema, &machine->crosswalk_env);
    return result;
}

// A cut between the destruction of a key and the removal of its file, then the ledger is lost: nobody is left
// who knows that the segment may go, and the start refuses. The person says so with an empty file.
static bool keyless_give_up(struct machine *machine)
{
    struct fs_names names;
    unsigned count = 0;
    if (machine->history->ledger_losses == 0 || fs_dir_list(machine->fs, "journal", &names) != OK)
        return false;
    for (size_t i = 0; i < names.count; i++) {
        uint16_t stream;
        uint32_t segment;
        struct seal_key *key = NULL;
        struct fs_file *file = NULL;
        char path[FS_PATH_MAX + 1];
        (void)text_format(path, sizeof path, "journal/%s", names.name[i]);
        if (!journal_segment_name_parse(names.name[i], &stream, &segment))
            continue;
        if (seal_keyring_segment_key_get(machine->keyring, stream, segment, &key) == ERR_MISSING &&
            fs_path_unlink(machine->fs, path) == OK && fs_file_create(machine->fs, path, &file) == OK)
            count++;
        fs_file_close(&file);
        seal_key_unref(key);
    }
    fs_names_fini(&names);
    history_say(machine->history, "%u segments without keys are given up", count);
    return count > 0;
}

static enum result gateway_begin(struct machine *machine)
{
    struct history *history = machine->history;
    for (unsigned i = 0; i < history->plan.archives; i++)
        machine->dialers[i] = memory_network_dialer(history->network);
    struct platform platform = {.fs = machine->fs,
                                .keyring = machine->keyring,
                                .ledger = machine->ledger,
                                .control = machine->control,
                                .dialers = machine->dialers,
                                .main_loop = machine->main_loop,
                                .ledger_loop = machine->ledger_loop,
                                .lookup_loop = machine->lookup_loop,
                                .crosswalk = machine->crosswalk,
                                .crosswalk_loop = machine->crosswalk_loop,
                                .worker_loops = machine->worker_loops,
                                .disk_loops = machine->disk_loops,
                                .workers = machine->workers};
    enum result result = gateway_new(&platform, history->configuration, &machine->gateway);
    if (result == OK && history->hospital != NULL)
        result = hospital_packs_put(history, machine->gateway);
    if (result == OK)
        result = gateway_recover(machine->gateway);
    if (result == OK) {
        oracle_recovered(history, machine->ledger);
        oracle_rebuild(history, machine->fs, machine->keyring, machine->ledger);
    }
    if (result == OK)
        result = gateway_start(machine->gateway);
    return result;
}

static void doors_open(struct machine *machine)
{
    for (unsigned i = 0; i < machine->workers; i++) {
        struct net_address address;
        door_address(i, &address);
        machine->doors[i] = (struct door){machine, i};
        ensure(memory_network_listen(machine->history->network, &address, machine->worker_loops[i], on_accept,
                                     &machine->doors[i]) == OK);
    }
}

static void doors_close(struct machine *machine)
{
    for (unsigned i = 0; i < machine->workers; i++) {
        struct net_address address;
        door_address(i, &address);
        memory_network_unlisten(machine->history->network, &address);
    }
}

static void down(struct machine *machine)
{
    machine->is_running = false;
    doors_close(machine);
    gateway_free(machine->gateway);
    machine->gateway = NULL;
    crosswalk_free(machine->crosswalk);
    machine->crosswalk = NULL;
    seal_keyring_free(machine->keyring);
    machine->keyring = NULL;
    kv_env_free(&machine->ledger);
    kv_env_free(&machine->control);
    kv_env_free(&machine->crosswalk_env);
    fs_free(machine->fs);
    machine->fs = NULL;
    for (unsigned i = 0; i < machine->workers; i++) {
        ev_loop_free(&machine->worker_loops[i]);
        ev_loop_free(&machine->disk_loops[i]);
    }
    ev_loop_free(&machine->ledger_loop);
    ev_loop_free(&machine->lookup_loop);
    ev_loop_free(&machine->crosswalk_loop);
    ev_loop_free(&machine->main_loop);
}

bool machine_start(struct machine *machine)
{
    struct history *history = machine->history;
    ensure(!machine->is_running && machine->gateway == NULL);
    machine->life++;
    machine->is_stopped = false;
    // Workers come and go between lives: streams of those that are gone are shared out.
    machine->workers = history_chance(history, 3, 4)
                           ? history->plan.workers
                           : 2 + (unsigned)history_below(history, HISTORY_WORKERS_MAX - 1);
    loops_make(machine);
    machine_slow(machine);
    ensure(fs_sim_mount(history->disk, &machine->fs) == OK);
    master_rotate(machine);
    ledger_lose(machine);
    enum result result = stores_open(machine);
    if (result == OK)
        result = keyring_open(machine);
    if (result == OK && history->hospital != NULL)
        result = hospital_open(history, machine->crosswalk_env, machine->fs, machine->keyring,
                               &machine->crosswalk);
    if (result == OK)
        oracle_look(history, machine->fs, machine->keyring);
    if (result == OK)
        result = gateway_begin(machine);
    history_say(history, "life %u begins with %u workers: %s", machine->life, machine->workers,
                result_text(result));
    if (result == OK) {
        doors_open(machine);
        machine->is_running = true;
        return true;
    }
    bool is_excused = machine_is_cut(machine) ||
                      (!history->is_healed && (result == ERR_IO || result == ERR_SPACE)) ||
                      (result == ERR_CRYPTO && machine->keyring != NULL && keyless_give_up(machine));
    if (!is_excused)
        history_fail(history, "life %u does not begin: %s", machine->life, result_text(result));
    return false;
}

// ---- end ----

bool machine_is_cut(const struct machine *machine)
{
    return fs_sim_is_cut(machine->history->disk) || kv_sim_is_crashed(machine->history->ledger_disk) ||
           kv_sim_is_crashed(machine->history->crosswalk_disk);
}

// SENT is written before the last fragment leaves, not synced (ENGINE 2): a power cut may take it and leave
// the OUTCOME behind it. A segment that dies takes it too; it is appended again, unless the machine ends
// before that: while there is no room for it, or at once. So does a sync that fails while the next life
// recovers what a kill has left in the page cache: that life does not begin.
static bool may_lose_sent(const struct machine *machine, bool is_power_cut)
{
    const struct history *history = machine->history;
    bool may = is_power_cut || !machine->is_running ||
               (history->death_at > 0 && history_now(history) < history->death_at + SENT_TIME);
    for (unsigned i = 0; machine->gateway != NULL && i < machine->workers; i++)
        may |= !list_is_empty(&machine->gateway->workers[i]->notes.waiting);
    return may;
}

static void end_note(struct machine *machine, bool is_power_cut, bool is_graceful)
{
    struct history *history = machine->history;
    if (history->end_count == history->end_capacity) {
        history->end_capacity = 16 + 2 * history->end_capacity;
        history->ends = realloc(history->ends, history->end_capacity * sizeof *history->ends);
        ensure(history->ends != NULL);
    }
    history->ends[history->end_count++] =
        (struct life_end){.at = history_now(history),
                          .is_power_cut = is_power_cut,
                          .is_graceful = is_graceful,
                          .has_lost_sent = may_lose_sent(machine, is_power_cut)};
}

void machine_crash(struct machine *machine, bool is_power_cut)
{
    struct history *history = machine->history;
    is_power_cut |= fs_sim_is_cut(history->disk);
    history_say(history, "life %u ends by a %s", machine->life, is_power_cut ? "power cut" : "kill");
    sim_world_note(history->world, 0xC0A5000 + is_power_cut);
    end_note(machine, is_power_cut, false);
    watch_dead_segments(history);
    machine->is_running = false;
    for (unsigned i = 0; i < machine->workers; i++) {
        sim_loop_kill(machine->worker_loops[i]);
        sim_loop_kill(machine->disk_loops[i]);
    }
    sim_loop_kill(machine->ledger_loop);
    sim_loop_kill(machine->lookup_loop);
    if (machine->crosswalk_loop != NULL)
        sim_loop_kill(machine->crosswalk_loop);
    sim_loop_kill(machine->main_loop);
    if (is_power_cut)
        fs_sim_crash(history->disk);
    kv_sim_crash(history->ledger_disk);
    kv_sim_crash(history->control_disk);
    if (history->hospital != NULL)
        kv_sim_crash(history->crosswalk_disk);
    down(machine);
}

static void on_stopped(void *arg)
{
    struct machine *machine = arg;
    machine->is_stopped = true;
}

void machine_stop(struct machine *machine)
{
    doors_close(machine);
    gateway_stop(machine->gateway, on_stopped, machine);
}

bool machine_is_stopped(const struct machine *machine)
{
    return machine->is_stopped;
}

void machine_stop_end(struct machine *machine)
{
    history_say(machine->history, "life %u ends in order", machine->life);
    end_note(machine, false, true);
    watch_dead_segments(machine->history);
    down(machine);
}

// ---- looking ----

bool machine_is_running(const struct machine *machine)
{
    return machine->is_running;
}

unsigned machine_life(const struct machine *machine)
{
    return machine->life;
}

struct gateway *machine_gateway(struct machine *machine)
{
    return machine->is_running ? machine->gateway : NULL;
}

struct crosswalk *machine_crosswalk(struct machine *machine)
{
    return machine->crosswalk;
}

struct fs *machine_fs(struct machine *machine)
{
    return machine->fs;
}

bool machine_is_quiet(const struct machine *machine)
{
    if (!machine->is_running)
        return false;
    for (unsigned i = 0; i < machine->workers; i++) {
        const struct worker *worker = machine->gateway->workers[i];
        if (worker_unsettled(worker) > 0 || worker->sessions.count > 0 || worker->orphans.count > 0 ||
            !notes_are_empty(&worker->notes))
            return false;
    }
    return true;
}

static bool had_fault(const struct history *history, unsigned archive, enum archive_fault fault)
{
    for (size_t i = 0; i < history->plan.event_count; i++) {
        const struct event *event = &history->plan.events[i];
        if (event->kind == EVENT_ARCHIVE_FAULT && event->archive == archive && event->fault == fault)
            return true;
    }
    return false;
}

static bool had_crash(const struct history *history, unsigned archive)
{
    for (size_t i = 0; i < history->plan.event_count; i++) {
        const struct event *event = &history->plan.events[i];
        if (event->kind == EVENT_ARCHIVE_CRASH && event->archive == archive)
            return true;
    }
    return had_fault(history, archive, ARCHIVE_DOWN);
}

// Parked only for what the plan has this archive do; nothing in a plan damages a record that was durable.
static void park_check(struct history *history, unsigned archive, const struct delivery *delivery)
{
    const char *reason = delivery->reason;
    bool is_stated = false;
    if (strncmp(reason, "archive does not accept", 23) == 0)
        is_stated = had_fault(history, archive, ARCHIVE_PICKY);
    else if (strcmp(reason, "kills association") == 0)
        is_stated = had_fault(history, archive, ARCHIVE_HALFWAY) || had_crash(history, archive);
    else if (strncmp(reason, "C000", 4) == 0 || strncmp(reason, "0110", 4) == 0)
        is_stated = had_fault(history, archive, ARCHIVE_STATUS);
    else if (strcmp(reason, "parked before the last start") == 0)
        is_stated = true;
    if (!is_stated)
        history_fail(history, "receipt %llx is parked at archive %u: %s",
                     (unsigned long long)delivery->receipt->number, archive, reason);
}

void machine_say_owed(const struct machine *machine)
{
    for (unsigned i = 0; machine->is_running && i < machine->workers; i++) {
        backlog_all_wake(machine->gateway->workers[i]);
        LIST_EACH(&machine->gateway->workers[i]->receipts, node)
        {
            const struct receipt *receipt = CONTAINER_OF(node, struct receipt, node);
            for (unsigned d = 0; d < receipt->delivery_count; d++)
                history_say(machine->history, "receipt %llx at archive %u: %s %s",
                            (unsigned long long)receipt->number,
                            receipt->deliveries[d].archive->node->conf->id - 1u,
                            delivery_stage_name(receipt->deliveries[d].stage), receipt->deliveries[d].reason);
        }
    }
}

unsigned machine_unpark(struct machine *machine)
{
    unsigned count = 0;
    if (!machine->is_running)
        return 0;
    for (unsigned i = 0; i < machine->workers; i++)
        for (unsigned a = 0; a < machine->history->plan.archives; a++) {
            struct list *parked = &machine->gateway->workers[i]->archives[a].parked;
            backlog_all_wake(machine->gateway->workers[i]);
            for (size_t left = parked->count; left > 0; left--, count++) {
                struct delivery *delivery = CONTAINER_OF(list_first(parked), struct delivery, node);
                history_say(machine->history, "unparked at archive %u: %s", a, delivery->reason);
                park_check(machine->history, a, delivery);
                delivery_unpark(delivery, slice_of_text("operator"), slice_of(NULL, 0));
            }
        }
    return count;
}

struct machine *machine_new(struct history *history)
{
    struct machine *machine = calloc(1, sizeof *machine);
    ensure(machine != NULL);
    machine->history = history;
    return machine;
}

void machine_free(struct machine **owned)
{
    struct machine *machine = *owned;
    *owned = NULL;
    if (machine == NULL)
        return;
    if (machine->main_loop != NULL)
        down(machine);
    free(machine);
}
