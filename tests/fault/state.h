// SPDX-License-Identifier: Apache-2.0
//
// What the kill shim remembers: unsynced changes of files and of names, with all that is needed to take them
// back. The interposed functions (shim.c) call this with the lock held; at the kill it takes back or keeps
// each change and ends the process. Test code: never linked into the product.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define FAULT_PATH_MAX 1024
#define FAULT_FD_MAX   65536

struct fault_inode;

// Reads the environment (README.md). False: not asked for, everything passes through.
bool fault_begin(void);

// What is said about a run that was not killed; removes the graveyard.
void fault_end(void);

void fault_lock(void);
void fault_unlock(void);

// Counts one operation; true if the process is to die with it.
bool fault_operation(void);

// Takes back what was not synced, writes the log, kills the process, in this order: who waits for its end
// finds the files as after a power cut. With the lock held.
void fault_kill(const char *trigger) __attribute__((noreturn));

// Whether, by the seed, a sync in which the process dies has still happened. Always false without a seed.
bool fault_coin(void);

void fault_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The path below the watched folder that (folder, path) means, without symbolic links in its folder part;
// false if it lies elsewhere or is excluded.
bool fault_path(int folder, const char *path, char out[FAULT_PATH_MAX]);

// Whether a path without symbolic links lies in the watched folder, or is it.
bool fault_is_below(const char *path);

// ---- files ----

// By device and number; NULL if unknown. `fd` is of the file; a descriptor of its own is opened for a new
// one.
struct fault_inode *fault_inode_get(int fd, bool is_to_be_made);
void fault_inode_opened(struct fault_inode *inode);
void fault_inode_closed(struct fault_inode *inode);

// One change, to be announced before and finished after the system call. `length` bytes at `offset` will be
// written or cut off; `bytes` is NULL for a change of size alone. Returns NULL if there is no memory, and
// then nothing is kept.
struct fault_change;
struct fault_change *fault_change_begin(struct fault_inode *inode, off_t offset, size_t length,
                                        const void *bytes);

// `done`: how many bytes of a write were written; a change that failed is forgotten (`is_done` false).
// `is_synced`: the descriptor has O_DSYNC or O_SYNC, so this change, and only this, is durable.
void fault_change_end(struct fault_inode *inode, struct fault_change *change, bool is_done, size_t done,
                      bool is_synced);

// ---- names ----

enum fault_name_kind { FAULT_CREATE, FAULT_MKDIR, FAULT_UNLINK, FAULT_RENAME };

// Announced before the system call; `path` is the name made or removed, for a renaming the new one, and a
// file of that name is kept aside. Paths from fault_path().
struct fault_name;
struct fault_name *fault_name_begin(enum fault_name_kind kind, const char *path, const char *from);
void fault_name_end(struct fault_name *name, bool is_done);

// ---- syncs ----

// The number of the last change so far: what a sync that begins now will cover.
uint64_t fault_mark(void);

// A sync of this file or folder that began at `mark` has returned.
void fault_synced(const struct stat *status, uint64_t mark);
