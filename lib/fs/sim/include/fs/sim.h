// SPDX-License-Identifier: Apache-2.0
// A simulated disk in memory (ENGINE 8), for tests and the simulator only: it remembers for each file and
// folder what is durable and what is not, and at a crash loses the rest in every way that Linux allows. One
// seed, one history.
//
// One thread. `struct fs_sim` is the disk; `struct fs` from fs_sim_mount() is one life of a machine that uses
// it.
//
// What a crash may do (each choice by the seed):
//  - each write, truncation and allocation since the file's last datasync is kept or lost, whatever happened
// to those before and after it; a write may also be torn: any of its 512-byte sectors, counted from the start
// of the file, are kept and the others lost;
//  - each creation, removal and renaming of a name since the last sync of its folder is kept or lost,
// likewise (a renaming across folders counts with the folder of the new name). What lies below a lost folder
// is lost;
//  - a file that was synced but whose name was not may be gone.
#pragma once

#include "fs/fs.h"

#include <stdbool.h>

#define FS_SIM_SECTOR 512

struct fs_sim;

struct fs_sim_options {
    uint64_t seed;
    uint64_t capacity; // bytes; each file costs its size rounded up to 4 KiB; 0 is 1 TiB
};

enum fs_sim_fault {
    // A datasync fails once; what it should have made durable never becomes durable, although later syncs
    // succeed. Whether reading still shows it (until the crash) is left to the seed.
    FS_SIM_FAULT_DATASYNC,
    // A write fails once; some of its sectors may have been written.
    FS_SIM_FAULT_WRITE,
    // A read fails once.
    FS_SIM_FAULT_READ,
    // A folder sync fails once; the names may or may not survive a crash, although later syncs succeed.
    FS_SIM_FAULT_DIR_SYNC,
};

struct fs_sim_counts {
    uint64_t changes; // operations that change the disk or make it durable, see fs_sim_power_cut_after()
    uint64_t writes;
    uint64_t datasyncs;
    uint64_t dir_syncs;
    uint64_t lost_writes; // lost or torn by crashes or by FS_SIM_FAULT_DATASYNC
    uint64_t lost_names;
    uint64_t crashes;
};

MUST_USE enum result fs_sim_new(const struct fs_sim_options *options, struct fs_sim **out);

// Also frees every `struct fs` and file handle that is still there.
void fs_sim_free(struct fs_sim *sim);

// A fresh view of the disk as it stands; give it back with fs_free(), before or after a crash.
MUST_USE enum result fs_sim_mount(struct fs_sim *sim, struct fs **out);

// The machine dies: everything mounted before answers ERR_IO from now on and has no effect (handles may and
// should still be closed), and what was not durable is lost as described above.
void fs_sim_crash(struct fs_sim *sim);

// The machine dies by itself after `changes` more operations that change the disk (create, write, truncate,
// allocate, datasync, unlink, rename, folder made, folder synced). The next one after those (0: the very
// next) answers ERR_IO and may or may not have had its effect; every call after it answers ERR_IO and has
// none. fs_sim_crash() must still be called, and disarms it. With it a test cuts at every step in turn.
void fs_sim_power_cut_after(struct fs_sim *sim, uint64_t changes);
bool fs_sim_is_cut(const struct fs_sim *sim);

// Arms one fault: after `skip` operations of its kind on paths that contain `path_part` (NULL: any), the next
// one fails. At most 8 are armed at a time (more: ERR_LIMIT). They outlive a crash.
MUST_USE enum result fs_sim_fault_arm(struct fs_sim *sim, enum fs_sim_fault fault, const char *path_part,
                                      uint32_t skip);
void fs_sim_faults_clear(struct fs_sim *sim);
// While paused, no armed fault strikes or counts: for a test that reads the disk behind the program's back.
void fs_sim_faults_pause(struct fs_sim *sim, bool pause);

// Changes the capacity; what is already stored stays.
void fs_sim_capacity_set(struct fs_sim *sim, uint64_t capacity);

void fs_sim_counts_get(const struct fs_sim *sim, struct fs_sim_counts *counts);
