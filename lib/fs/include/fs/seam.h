// SPDX-License-Identifier: Apache-2.0
// What an implementation of the file-system seam supplies. Only lib/fs itself and its simulated side include
// this; callers use fs/fs.h, whose functions check the object magic and the arguments and then come here.
#pragma once

#include "fs/fs.h"

#define FS_MAGIC      0x46532d31u // "FS-1"
#define FS_FILE_MAGIC 0x46494c45u // "FILE"
#define FS_PARTS_MAX  64

// The meaning of each entry is that of the function of the same name in fs/fs.h. `out` objects have their
// `ops` set by the implementation; file_close frees.
struct fs_ops {
    void (*free)(struct fs *fs);
    enum result (*file_create)(struct fs *fs, const char *path, struct fs_file **out);
    enum result (*file_open)(struct fs *fs, const char *path, enum fs_access access, struct fs_file **out);
    void (*file_close)(struct fs_file *file);
    enum result (*file_writev)(struct fs_file *file, uint64_t offset, const struct slice *parts,
                               size_t count);
    enum result (*file_read)(struct fs_file *file, uint64_t offset, void *buffer, size_t length, size_t *got);
    enum result (*file_datasync)(struct fs_file *file);
    enum result (*file_allocate)(struct fs_file *file, uint64_t offset, uint64_t length);
    enum result (*file_writeback_start)(struct fs_file *file, uint64_t offset, uint64_t length);
    void (*file_cache_drop)(struct fs_file *file, uint64_t offset, uint64_t length); // NULL: there is none
    enum result (*file_truncate)(struct fs_file *file, uint64_t size);
    enum result (*file_size)(struct fs_file *file, uint64_t *size);
    enum result (*path_unlink)(struct fs *fs, const char *path);
    enum result (*path_rename)(struct fs *fs, const char *from, const char *to);
    enum result (*path_exists)(struct fs *fs, const char *path);
    enum result (*dir_make)(struct fs *fs, const char *path);
    enum result (*dir_sync)(struct fs *fs, const char *path);
    enum result (*dir_list)(struct fs *fs, const char *path, struct fs_names *names);
    enum result (*space_get)(struct fs *fs, struct fs_space *space);
};

// First member of every implementation's own structure.
struct fs {
    uint32_t magic;
    const struct fs_ops *ops;
};

struct fs_file {
    uint32_t magic;
    struct fs *fs;
};

// Appends a copy of `name`; ERR_NOMEM. Names are brought into order by fs_names_sort().
MUST_USE enum result fs_names_add(struct fs_names *names, const char *name);
void fs_names_sort(struct fs_names *names);
