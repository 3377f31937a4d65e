// SPDX-License-Identifier: Apache-2.0
//
// The real gateway on simulated loops, disk, stores and network, with one worker, and raw clients whose bytes
// the test writes itself. Used by the unit tests of gateway/ and by the fuzz target of the front session. A
// call that must not fail and does aborts.
//
// Thread: one.
#pragma once

#include "base/queue.h"
#include "base/units.h"
#include "conf/configuration.h"
#include "daemon/gateway.h"
#include "daemon/worker.h"
#include "ev/sim.h"
#include "fs/sim.h"
#include "net/memory.h"
#include "store/crosswalk.h"
#include "store/kv_sim.h"

struct rig {
    struct sim_world *world;
    struct memory_network *network;
    struct fs_sim *disk;
    struct kv_sim_disk *ledger_disk;
    struct kv_sim_disk *control_disk;
    struct kv_sim_disk *crosswalk_disk;
    struct seal_master *master;
    struct configuration *configuration;
    struct ev_loop *client_loop; // of clients and archives that a test plays
    // one process life
    struct fs *fs;
    struct seal_keyring *keyring;
    struct kv_env *ledger;
    struct kv_env *control;
    struct kv_env *crosswalk_env;
    struct crosswalk *crosswalk; // NULL: the configuration has no domains
    struct ev_loop *main_loop;
    struct ev_loop *ledger_loop;
    struct ev_loop *lookup_loop;
    struct ev_loop *crosswalk_loop;
    struct ev_loop *worker_loop;
    struct ev_loop *disk_loop;
    const struct net_dialer *dialers[4];
    struct gateway *gateway;
    bool is_stopped;
};

// What most tests want: titles GATE and OLDPACS; archives pacs (id 1, 10.0.0.5:104) and second (id 2); one
// route to pacs with fixed negotiation.
extern const char rig_configuration_fixed[];
// The same with learned negotiation to both archives.
extern const char rig_configuration_learned[];
// To both archives, what the first one answers.
extern const char rig_configuration_mirror[];
// To both archives, fixed, and the client waits for the first, or for both, 20 seconds long.
extern const char rig_configuration_primary[];
extern const char rig_configuration_all[];
// To pacs, fixed; it holds IDs of the domain ENTERPRISE, the client CT1 sends those of LEGACY, of others it
// is not known.
extern const char rig_configuration_domains[];

struct configuration *rig_configuration_parse(const char *text);

struct rig *rig_new(const char *configuration, uint64_t seed);
void rig_free(struct rig *rig);

// Mounts, recovers and starts a life, and runs until the journal has room.
void rig_boot(struct rig *rig);
// The same without running.
void rig_boot_begin(struct rig *rig);
// A power cut: everything not durable is gone.
void rig_crash(struct rig *rig);
// Graceful; then the life is over.
void rig_stop(struct rig *rig);

struct worker *rig_worker(struct rig *rig);
void rig_run(struct rig *rig, uint64_t nanoseconds);
bool rig_run_until(struct rig *rig, sim_condition_fn *condition, void *arg, uint64_t nanoseconds);

// ---- a client that is nothing but bytes ----

struct client {
    struct rig *rig;
    struct transport *transport;
    struct byte_queue out;
    struct byte_queue in;
    bool is_deaf; // does not read
    bool is_open;
    bool has_ended; // the gateway has closed, or the connection broke
};

// Its session begins on the worker at once. The path may be NULL.
void client_open(struct client *client, struct rig *rig, const struct memory_path *path);
void client_send(struct client *client, struct slice bytes);
void client_set_deaf(struct client *client, bool is_deaf);
void client_close(struct client *client); // in order; memory too
void client_reset(struct client *client); // by a cut
// One PDU of what came in, header and body, consumed; an empty slice if none is whole. Valid until the next
// call.
struct slice client_pdu(struct client *client);
