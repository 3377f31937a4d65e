// SPDX-License-Identifier: Apache-2.0
//
// A gateway of two workers and two archives, that nobody listens for, on simulated loops, disk and stores;
// and replies of the control socket that only keep what they are given. Test code: one thread; a failed call
// fails the test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/actions.h"
#include "daemon/worker.h"
#include "ev/sim.h"
#include "fs/sim.h"
#include "net/memory.h"
#include "store/kv_sim.h"

enum { RIG_WORKERS = 2 };

struct rig {
    struct sim_world *world;
    struct ev_loop *main_loop, *ledger_loop, *lookup_loop;
    struct ev_loop *worker_loops[RIG_WORKERS], *disk_loops[RIG_WORKERS];
    struct memory_network *network;
    struct fs_sim *disk;
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *keyring;
    struct kv_sim_disk *ledger_disk, *control_disk;
    struct kv_env *ledger, *control;
    struct configuration *configuration;
    const struct net_dialer *dialers[2];
    struct gateway *gateway;
    struct actions *actions;
    uint64_t order;
};

// `is_paused`: both archives are, so that nothing is sent.
struct rig *rig_new(bool is_paused);
void rig_free(struct rig *rig);
void rig_run(struct rig *rig, uint64_t milliseconds);

// A receipt owed to both archives. `sop_instance` NULL: a cold one, of which nothing but its number is known.
uint64_t rig_admit(struct rig *rig, unsigned worker, uint64_t counter, const char *sop_instance);

struct admin_reply {
    unsigned answers;
    enum admin_status status;
    json_t *body;
};

struct admin_reply *reply_new(void);
void reply_free(struct admin_reply *reply);
// Runs until it is answered.
void reply_wait(struct rig *rig, struct admin_reply *reply, enum admin_status status);

// Each asks, waits for `status`, and gives the body, to be released with json_decref().
json_t *ask_status(struct rig *rig);
json_t *ask_queue(struct rig *rig, const struct admin_filter *filter);
json_t *ask_summary(struct rig *rig, const char *archive);
json_t *ask_archive(struct rig *rig, enum admin_archive_change change, const char *name,
                    enum admin_status status);
// Checks what was changed and what was not, and that what was changed is durable.
void ask_change(struct rig *rig, enum admin_queue_change change, const struct admin_selection *selection,
                int64_t changed, int64_t unchanged);

int64_t number_of(const json_t *object, const char *key);
const char *text_of(const json_t *object, const char *key);
// The row of this name in the list of archives of an answer.
const json_t *archive_of(const json_t *answer, const char *name);
