// SPDX-License-Identifier: Apache-2.0
#include "rig.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "front/session.h"
#include "journal/stream.h"
#include "seal/keyring.h"
#include "store/control.h"
#include "store/ledger.h"

#define RIG_HEAD                                                                                             \
    "gateway: { ae_title: GATE, data: /data, workers: 1 }\n"                                                 \
    "journal: { segment_size: 1MiB, watermark: 64MiB, reserve: 32MiB, unsynced: 1MiB, disk_queue: 512KiB "   \
    "}\n"                                                                                                    \
    "limits: { artim: 5s, release: 5s, idle: 60s, stall: 20s, stop: 5s, silent: 40 }\n"                      \
    "listeners: [ { name: front, address: \"127.0.0.1:11112\", plain: yes } ]\n"                             \
    "titles: [GATE, OLDPACS]\n"                                                                              \
    "nodes:\n"                                                                                               \
    "  pacs:   { id: 1, kind: archive, ae_title: PACS, address: \"10.0.0.5:104\", plain: yes }\n"            \
    "  second: { id: 2, kind: archive, ae_title: SECOND, address: \"10.0.0.6:104\", plain: yes }\n"

const char rig_configuration_fixed[] =
    RIG_HEAD "phases:\n"
             "  one: { store: [ { to: [pacs], negotiate: fixed,\n"
             "                    transfer_syntaxes: [1.2.840.10008.1.2.1, 1.2.840.10008.1.2] } ] }\n"
             "start_phase: one\n";

const char rig_configuration_learned[] =
    RIG_HEAD "phases:\n"
             "  one: { store: [ { to: [pacs, second], negotiate: learned } ] }\n"
             "start_phase: one\n";

const char rig_configuration_mirror[] =
    RIG_HEAD "phases:\n"
             "  one: { store: [ { to: [pacs, second], negotiate: mirror } ] }\n"
             "start_phase: one\n";

#define RIG_AWAITED(WHOM)                                                                                    \
    RIG_HEAD "phases:\n"                                                                                     \
             "  one: { store: [ { to: [pacs, second], negotiate: fixed, acknowledge: " WHOM ",\n"            \
             "                    acknowledge_within: 20s,\n"                                                \
             "                    transfer_syntaxes: [1.2.840.10008.1.2.1, 1.2.840.10008.1.2] } ] }\n"       \
             "start_phase: one\n"
const char rig_configuration_primary[] = RIG_AWAITED("primary");
const char rig_configuration_all[] = RIG_AWAITED("all");

const char rig_configuration_domains[] =
    "gateway: { ae_title: GATE, data: /data, workers: 1 }\n"
    "journal: { segment_size: 1MiB, watermark: 64MiB, reserve: 32MiB, unsynced: 1MiB }\n"
    "limits: { artim: 5s, release: 5s, idle: 60s, stall: 20s, stop: 5s }\n"
    "listeners: [ { name: front, address: \"127.0.0.1:11112\", plain: yes } ]\n"
    "titles: [GATE, OLDPACS, BACK]\n"
    "domains: { LEGACY: { issuers: [OLDHOSP] }, ENTERPRISE: { issuers: [GROUP] } }\n"
    "nodes: { pacs: { id: 1, kind: archive, ae_title: PACS, address: \"10.0.0.5:104\", plain: yes,\n"
    "                 domain: ENTERPRISE } }\n"
    "clients: [ { ae_title: CT1, domain: LEGACY, services: [echo, store] },\n"
    "           { ae_title: \"*\", services: [echo, store] } ]\n"
    "phases:\n"
    "  one: { store: [ { match: { called: [OLDPACS] }, to: [pacs], domain: LEGACY, negotiate: fixed,\n"
    "                    transfer_syntaxes: [1.2.840.10008.1.2.1] },\n"
    "                  { match: { called: [BACK] }, to: [pacs], domain: ENTERPRISE, negotiate: fixed,\n"
    "                    transfer_syntaxes: [1.2.840.10008.1.2.1] },\n"
    "                  { to: [pacs], negotiate: fixed,\n"
    "                    transfer_syntaxes: [1.2.840.10008.1.2.1, 1.2.840.10008.1.2] } ] }\n"
    "start_phase: one\n";

struct configuration *rig_configuration_parse(const char *text)
{
    struct configuration *configuration = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    ensure(configuration_parse("/rig.yaml", text, strlen(text), false, &configuration, &errors) == OK);
    conf_errors_fini(&errors);
    return configuration;
}

struct rig *rig_new(const char *configuration, uint64_t seed)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {7, 7, 7};
    struct fs_sim_options options = {.seed = seed};
    struct rig *rig = calloc(1, sizeof *rig);
    ensure(rig != NULL);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    rig->world = sim_world_new(seed);
    rig->network = memory_network_new(rig->world);
    rig->client_loop = sim_loop_new(rig->world, "client");
    rig->configuration = rig_configuration_parse(configuration);
    ensure(fs_sim_new(&options, &rig->disk) == OK);
    ensure(kv_sim_disk_new(&rig->ledger_disk) == OK);
    ensure(kv_sim_disk_new(&rig->control_disk) == OK);
    ensure(kv_sim_disk_new(&rig->crosswalk_disk) == OK);
    ensure(seal_master_from_bytes(key, &rig->master) == OK);
    struct fs *fs;
    ensure(fs_sim_mount(rig->disk, &fs) == OK);
    ensure(seal_keyring_create(fs, "keyring", rig->master, NULL) == OK);
    fs_free(fs);
    return rig;
}

static void life_end(struct rig *rig)
{
    gateway_free(rig->gateway);
    rig->gateway = NULL;
    crosswalk_free(rig->crosswalk);
    rig->crosswalk = NULL;
    seal_keyring_free(rig->keyring);
    rig->keyring = NULL;
    kv_env_free(&rig->ledger);
    kv_env_free(&rig->control);
    kv_env_free(&rig->crosswalk_env);
    fs_free(rig->fs);
    rig->fs = NULL;
    struct ev_loop **loops[] = {&rig->worker_loop, &rig->disk_loop,      &rig->ledger_loop,
                                &rig->lookup_loop, &rig->crosswalk_loop, &rig->main_loop};
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++)
        if (*loops[i] != NULL)
            ev_loop_free(loops[i]);
}

void rig_free(struct rig *rig)
{
    life_end(rig);
    memory_network_free(&rig->network);
    ev_loop_free(&rig->client_loop);
    sim_world_free(&rig->world);
    configuration_free(rig->configuration);
    seal_master_free(rig->master);
    fs_sim_free(rig->disk);
    kv_sim_disk_free(&rig->ledger_disk);
    kv_sim_disk_free(&rig->control_disk);
    kv_sim_disk_free(&rig->crosswalk_disk);
    free(rig);
}

struct worker *rig_worker(struct rig *rig)
{
    return rig->gateway->workers[0];
}

void rig_run(struct rig *rig, uint64_t nanoseconds)
{
    sim_world_run_until(rig->world, NULL, NULL, sim_world_now(rig->world) + nanoseconds);
}

bool rig_run_until(struct rig *rig, sim_condition_fn *condition, void *arg, uint64_t nanoseconds)
{
    return sim_world_run_until(rig->world, condition, arg, sim_world_now(rig->world) + nanoseconds);
}

static bool has_room(void *arg)
{
    return journal_stream_room(rig_worker(arg)->stream);
}

static void crosswalk_begin(struct rig *rig)
{
    struct crosswalk_domain domains[8];
    size_t count = rig->configuration->domain_count;
    if (count == 0)
        return;
    ensure(count <= sizeof domains / sizeof domains[0]);
    for (size_t i = 0; i < count; i++)
        domains[i] = (struct crosswalk_domain){.name = rig->configuration->domain[i].name};
    ensure(kv_sim_open(rig->crosswalk_disk, &crosswalk_schema, &rig->crosswalk_env) == OK);
    ensure(crosswalk_new(rig->crosswalk_env, rig->keyring, domains, count, &rig->crosswalk, NULL) == OK);
}

void rig_boot_begin(struct rig *rig)
{
    ensure(fs_sim_mount(rig->disk, &rig->fs) == OK);
    ensure(kv_sim_open(rig->ledger_disk, &ledger_schema, &rig->ledger) == OK);
    ensure(kv_sim_open(rig->control_disk, &control_schema, &rig->control) == OK);
    ensure(seal_keyring_open(rig->fs, "keyring", rig->master, 20454, &rig->keyring, NULL) == OK);
    rig->main_loop = sim_loop_new(rig->world, "main");
    rig->ledger_loop = sim_loop_new(rig->world, "ledger");
    rig->lookup_loop = sim_loop_new(rig->world, "lookup");
    rig->crosswalk_loop = sim_loop_new(rig->world, "crosswalk");
    crosswalk_begin(rig);
    rig->worker_loop = sim_loop_new(rig->world, "worker");
    rig->disk_loop = sim_loop_new(rig->world, "disk");
    for (size_t i = 0; i < rig->configuration->node_count; i++)
        rig->dialers[i] = memory_network_dialer(rig->network);
    struct platform platform = {.fs = rig->fs,
                                .keyring = rig->keyring,
                                .ledger = rig->ledger,
                                .control = rig->control,
                                .dialers = rig->dialers,
                                .main_loop = rig->main_loop,
                                .ledger_loop = rig->ledger_loop,
                                .lookup_loop = rig->lookup_loop,
                                .crosswalk = rig->crosswalk,
                                .crosswalk_loop = rig->crosswalk_loop,
                                .worker_loops = &rig->worker_loop,
                                .disk_loops = &rig->disk_loop,
                                .workers = 1};
    ensure(gateway_new(&platform, rig->configuration, &rig->gateway) == OK);
    ensure(gateway_recover(rig->gateway) == OK);
    ensure(gateway_start(rig->gateway) == OK);
}

void rig_boot(struct rig *rig)
{
    rig_boot_begin(rig);
    ensure(rig_run_until(rig, has_room, rig, 10 * NSEC_PER_SEC));
}

void rig_crash(struct rig *rig)
{
    sim_loop_kill(rig->worker_loop);
    sim_loop_kill(rig->disk_loop);
    sim_loop_kill(rig->ledger_loop);
    sim_loop_kill(rig->lookup_loop);
    sim_loop_kill(rig->crosswalk_loop);
    sim_loop_kill(rig->main_loop);
    fs_sim_crash(rig->disk);
    kv_sim_crash(rig->ledger_disk);
    kv_sim_crash(rig->control_disk);
    kv_sim_crash(rig->crosswalk_disk);
    life_end(rig);
}

static void on_stopped(void *arg)
{
    ((struct rig *)arg)->is_stopped = true;
}

static bool is_stopped(void *arg)
{
    return ((struct rig *)arg)->is_stopped;
}

void rig_stop(struct rig *rig)
{
    rig->is_stopped = false;
    gateway_stop(rig->gateway, on_stopped, rig);
    ensure(rig_run_until(rig, is_stopped, rig, 60 * NSEC_PER_SEC));
    life_end(rig);
}

// ---- clients ----

static void client_want(struct client *client)
{
    unsigned events = client->is_deaf ? 0 : TRANSPORT_READABLE;
    if (!byte_queue_is_empty(&client->out))
        events |= TRANSPORT_WRITABLE;
    if (client->is_open && !client->has_ended)
        transport_want(client->transport, events);
}

static void client_write(struct client *client)
{
    while (!byte_queue_is_empty(&client->out)) {
        struct slice bytes = byte_queue_peek(&client->out);
        size_t written;
        enum result result = transport_writev(client->transport, &bytes, 1, &written);
        if (result != OK) {
            if (result != AGAIN) // nobody reads what is left; what came in before still counts
                byte_queue_consume(&client->out, bytes.length);
            return;
        }
        byte_queue_consume(&client->out, written);
    }
}

static void client_read(struct client *client)
{
    uint8_t room[4096];
    for (;;) {
        size_t got;
        enum result result = transport_read(client->transport, room, sizeof room, &got);
        if (result == AGAIN)
            return;
        if (result != OK) {
            client->has_ended = true;
            return;
        }
        ensure(byte_queue_append(&client->in, slice_of(room, got)) == OK);
    }
}

static void on_client(void *arg, unsigned events)
{
    struct client *client = arg;
    if (events & TRANSPORT_OPEN)
        client->is_open = true;
    if (events & TRANSPORT_BROKEN)
        client->has_ended = true;
    if ((events & TRANSPORT_WRITABLE) && !client->has_ended)
        client_write(client);
    if ((events & TRANSPORT_READABLE) && !client->has_ended && !client->is_deaf)
        client_read(client);
    client_want(client);
}

void client_open(struct client *client, struct rig *rig, const struct memory_path *path)
{
    struct transport *far;
    *client = (struct client){.rig = rig};
    byte_queue_init(&client->out, GIB);
    byte_queue_init(&client->in, GIB);
    memory_pair_new(rig->client_loop, rig->worker_loop, path, path, &client->transport, &far);
    transport_set_handler(client->transport, on_client, client);
    ensure(session_new(rig_worker(rig), &rig->configuration->listener[0], &far) == OK);
}

void client_send(struct client *client, struct slice bytes)
{
    ensure(byte_queue_append(&client->out, bytes) == OK);
    client_want(client);
}

void client_set_deaf(struct client *client, bool is_deaf)
{
    client->is_deaf = is_deaf;
    client_want(client);
}

static void client_fini(struct client *client)
{
    transport_free(&client->transport);
    byte_queue_fini(&client->out);
    byte_queue_fini(&client->in);
}

void client_close(struct client *client)
{
    client_fini(client);
}

void client_reset(struct client *client)
{
    transport_reset(client->transport);
    client_fini(client);
}

struct slice client_pdu(struct client *client)
{
    struct slice bytes = byte_queue_peek(&client->in);
    if (bytes.length < 6)
        return slice_of(NULL, 0);
    size_t length = 6 + ((size_t)bytes.data[2] << 24 | (size_t)bytes.data[3] << 16 |
                         (size_t)bytes.data[4] << 8 | bytes.data[5]);
    if (bytes.length < length)
        return slice_of(NULL, 0);
    static uint8_t pdu[256 * 1024];
    ensure(length <= sizeof pdu);
    memcpy(pdu, bytes.data, length);
    byte_queue_consume(&client->in, length);
    return slice_of(pdu, length);
}
