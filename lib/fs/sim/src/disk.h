// SPDX-License-Identifier: Apache-2.0
//
// The state of the simulated disk: files with their unsynced changes (disk.c), names with theirs (names.c),
// and the disk itself with its seed, faults and lives (sim.c). Thread: the simulator's.
#pragma once

#include "content.h"
#include "fs/seam.h"
#include "fs/sim.h"

#include "base/list.h"

#include <stdbool.h>

#define SIM_FAULTS_MAX 8

// ---- files: disk.c ----

enum change_kind { CHANGE_WRITE, CHANGE_ALLOCATE, CHANGE_TRUNCATE };

// One unsynced change of a file.
struct change {
    struct list_node node;
    enum change_kind kind;
    uint64_t offset; // for CHANGE_TRUNCATE the new size
    uint64_t length;
    uint8_t bytes[]; // CHANGE_WRITE
};

// A file or a folder, whatever its names. Counted references: names, unsynced changes of names, handles.
struct inode {
    struct list_node node; // of the disk, for the crash
    size_t references;
    bool is_folder;
    struct content visible;
    struct content durable;
    struct list changes;
};

enum result inode_new(struct fs_sim *sim, bool is_folder, struct inode **out);
void inode_ref(struct inode *inode);
void inode_unref(struct fs_sim *sim, struct inode *inode);

// What one file costs of the capacity.
uint64_t inode_cost(const struct inode *inode);

// They change what is visible and remember the change.
enum result inode_write(struct inode *inode, uint64_t offset, struct slice bytes);
enum result inode_allocate(struct inode *inode, uint64_t offset, uint64_t length);
enum result inode_truncate(struct inode *inode, uint64_t size);

enum result inode_sync(struct inode *inode);

// The sync failed: the unsynced changes are gone, and for half of the seeds from the cache too.
enum result inode_sync_fail(struct fs_sim *sim, struct inode *inode);

// Keeps, loses or tears each unsynced change.
enum result inode_crash(struct fs_sim *sim, struct inode *inode);

// ---- names: names.c ----

// One name; paths from the root.
struct entry {
    char path[FS_PATH_MAX + 1];
    struct inode *inode;
};

// In order of path; holds a reference of each inode.
struct namespace
{
    struct entry *entries;
    size_t count;
    size_t capacity;
};

enum name_change_kind { NAME_CREATE, NAME_UNLINK, NAME_RENAME };

// One unsynced change of a name; holds a reference of the inode.
struct name_change {
    struct list_node node;
    enum name_change_kind kind;
    struct inode *inode;
    char path[FS_PATH_MAX + 1]; // the name that is made or removed; of a renaming the new one
    char from[FS_PATH_MAX + 1]; // NAME_RENAME
};

struct names {
    struct namespace visible;
    struct namespace durable;
    struct list changes; // in the order in which they were made
};

void names_init(struct names *names);
void names_fini(struct fs_sim *sim);

// NULL if there is no such name.
struct inode *names_find(const struct fs_sim *sim, const char *path);

// Whether the folder that would hold `path` is there.
bool names_parent_is_there(const struct fs_sim *sim, const char *path);

// They change what is visible and remember the change.
enum result names_create(struct fs_sim *sim, const char *path, struct inode *inode);
enum result names_unlink(struct fs_sim *sim, const char *path);
enum result names_rename(struct fs_sim *sim, const char *from, const char *to);

enum result names_list(const struct fs_sim *sim, const char *folder, struct fs_names *out);

// Makes the changes in one folder durable; with `lossy` each only by chance.
enum result names_sync(struct fs_sim *sim, const char *folder, bool lossy);

// Keeps or loses each unsynced change of a name.
enum result names_crash(struct fs_sim *sim);

// ---- the disk: sim.c ----

struct armed_fault {
    bool is_armed;
    enum fs_sim_fault fault;
    uint32_t skip;
    char path_part[FS_PATH_MAX + 1]; // empty: any
};

struct fs_sim {
    uint32_t magic;
    uint64_t random;
    uint64_t capacity;
    uint64_t used;
    uint64_t generation; // of the machine that runs now; a mount remembers its own
    bool cut_is_armed;
    bool is_cut;
    uint64_t cut_after;
    struct list inodes;
    struct list mounts;
    struct list handles;
    struct names names;
    struct armed_fault faults[SIM_FAULTS_MAX];
    bool faults_pause;
    struct fs_sim_counts counts;
};

// The next number of the seed's sequence, 0 to limit - 1.
uint64_t sim_random(struct fs_sim *sim, uint64_t limit);
