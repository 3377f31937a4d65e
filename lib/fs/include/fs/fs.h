// SPDX-License-Identifier: Apache-2.0
// The file-system seam (ENGINE 8): one root folder, reached by relative paths, real or simulated.
//
// Every call is synchronous and may wait for a disk, so only disk, ledger and main threads call it (ENGINE
// 1). A `struct fs` may be used by several threads at once; a `struct fs_file` by one thread at a time,
// except that fs_file_read() may run beside anything. The simulated side is for one thread altogether.
//
// Paths are relative to the root, made of components joined by one '/', without "." and "..", at most
// FS_PATH_MAX bytes; the root itself, where a folder is meant, is ".". Anything else is ERR_ARGUMENT.
// A symbolic link at the end of a path is not followed. New files have mode 0600, new folders 0700.
//
// Results: ENOSPC and EDQUOT are ERR_SPACE, ENOENT is ERR_MISSING, EEXIST is ERR_EXISTS, lack of memory is
// ERR_NOMEM, everything else is ERR_IO. After ERR_IO or ERR_SPACE of a write or of a sync nothing is known
// about what was not synced before; never repeat a sync (ENGINE 3).
#pragma once

#include "base/result.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>

#define FS_PATH_MAX 255

struct fs;
struct fs_file;

enum fs_access {
    FS_READ,  // fs_file_read() and fs_file_size() only; a write is ERR_IO
    FS_WRITE, // reading and writing
};

// In bytes; free is what an unprivileged writer may still use.
struct fs_space {
    uint64_t free;
    uint64_t total;
};

// The names in a folder, files and folders, without the path, in the order of strcmp().
struct fs_names {
    char **name;
    size_t count;
};

// The real file system below `root`, an existing folder (absolute or relative to the working directory).
MUST_USE enum result fs_real_new(const char *root, struct fs **out);

// Gives the object back; every file must have been closed before. NULL is fine.
void fs_free(struct fs *fs);

// Opens a new file for FS_WRITE; ERR_EXISTS if the name is taken. The name is durable after fs_dir_sync().
MUST_USE enum result fs_file_create(struct fs *fs, const char *path, struct fs_file **out);
MUST_USE enum result fs_file_open(struct fs *fs, const char *path, enum fs_access access,
                                  struct fs_file **out);

// Closes and frees the handle and nulls the pointer; does not sync. NULL in it is fine.
void fs_file_close(struct fs_file **file);

// Writes all of the bytes at `offset`, or fails, and then some of them may have been written.
MUST_USE enum result fs_file_write(struct fs_file *file, uint64_t offset, struct slice bytes);

// The same for `count` slices, one after the other (1 to 64).
MUST_USE enum result fs_file_writev(struct fs_file *file, uint64_t offset, const struct slice *parts,
                                    size_t count);

// Reads up to `length` bytes; `*got` is less only if the file ends there.
MUST_USE enum result fs_file_read(struct fs_file *file, uint64_t offset, void *buffer, size_t length,
                                  size_t *got);

// Makes everything written so far durable, and the size; not the name: see fs_dir_sync().
MUST_USE enum result fs_file_datasync(struct fs_file *file);

// Reserves room for [offset, offset + length); new bytes read as zero; the size grows if need be.
MUST_USE enum result fs_file_allocate(struct fs_file *file, uint64_t offset, uint64_t length);

// Asks the kernel to begin writing back this range. No promise whatsoever about durability.
MUST_USE enum result fs_file_writeback_start(struct fs_file *file, uint64_t offset, uint64_t length);

// Tells the kernel that this range will hardly be read again: clean pages of it leave the page cache. Only a
// hint.
void fs_file_cache_drop(struct fs_file *file, uint64_t offset, uint64_t length);

MUST_USE enum result fs_file_truncate(struct fs_file *file, uint64_t size);
MUST_USE enum result fs_file_size(struct fs_file *file, uint64_t *size);

// Files only.
MUST_USE enum result fs_path_unlink(struct fs *fs, const char *path);

// Files only; replaces `to` if it exists, in one step.
MUST_USE enum result fs_path_rename(struct fs *fs, const char *from, const char *to);

// OK, or ERR_MISSING. ERR_IO, ERR_NOMEM: nobody knows.
MUST_USE enum result fs_path_exists(struct fs *fs, const char *path);

MUST_USE enum result fs_dir_make(struct fs *fs, const char *path);

// Makes the names in this folder (created, removed, renamed into it) durable; not the files behind them.
MUST_USE enum result fs_dir_sync(struct fs *fs, const char *path);

// `names` is filled on OK only, and then given back with fs_names_fini().
MUST_USE enum result fs_dir_list(struct fs *fs, const char *path, struct fs_names *names);
void fs_names_fini(struct fs_names *names);

MUST_USE enum result fs_space_get(struct fs *fs, struct fs_space *space);
