// SPDX-License-Identifier: Apache-2.0
//
// The simulated key-value store (ENGINE 8): an ordered map in memory. A commit is atomic and, once it has
// returned OK, survives a crash; one that had not returned either happened or did not, as the test says.
//
// Target dg_store_sim, never linked into the daemon. Thread: one (the simulator's).
#pragma once

#include "store/kv.h"

// What survives a crash: the "disk" of one environment.
struct kv_sim_disk;

MUST_USE enum result kv_sim_disk_new(struct kv_sim_disk **disk);
void kv_sim_disk_free(struct kv_sim_disk **disk); // no environment may be open on it

// Opens an environment on it; several may be open at once (one writes). Freed by kv_env_free(), also after a
// crash.
MUST_USE enum result kv_sim_open(struct kv_sim_disk *disk, const struct kv_schema *schema,
                                 struct kv_env **env);

// The process dies: every open environment answers ERR_IO from now on, uncommitted work is gone. Open again
// to go on.
void kv_sim_crash(struct kv_sim_disk *disk);
// Since kv_sim_crash() or a fault that killed the process, until the next kv_sim_open().
bool kv_sim_is_crashed(const struct kv_sim_disk *disk);

// Ties the store to the machine: asked at each begin and commit; false is as if kv_sim_crash() had been
// called just before. For a simulated disk that can lose power in the middle of a step (fs_sim_is_cut()).
// NULL: always on.
void kv_sim_power_set(struct kv_sim_disk *disk, bool (*has_power)(void *argument), void *argument);

enum kv_sim_fault {
    KV_SIM_NONE,
    KV_SIM_CRASH_BEFORE_COMMIT, // the process dies in the commit: nothing of it is there afterwards
    KV_SIM_CRASH_AFTER_COMMIT,  // it dies in the commit, but all of it is there
    KV_SIM_SPACE,               // the commit fails with ERR_SPACE, nothing is written, the process lives
    KV_SIM_MAP_FULL,            // a put answers AGAIN, as LMDB when its map is full
    KV_SIM_IO,                  // the commit fails with ERR_IO, nothing is written, the process lives
};

// The fault comes at the `after`-th commit (put for MAP_FULL) from now, counted from 0, once.
void kv_sim_fault_set(struct kv_sim_disk *disk, enum kv_sim_fault fault, uint64_t after);
// Bound of keys and values together; a put above it answers ERR_SPACE. 0 = none.
void kv_sim_capacity_set(struct kv_sim_disk *disk, uint64_t bytes);

// A hash over all committed pairs in order: equal contents, equal value.
uint64_t kv_sim_fingerprint(const struct kv_sim_disk *disk);
