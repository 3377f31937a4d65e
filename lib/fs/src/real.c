// SPDX-License-Identifier: Apache-2.0
//
// The file-system seam on Linux: every path is resolved below the descriptor of the root folder.
// Owns that descriptor. Thread: any that may wait for a disk; keeps no state besides descriptors.
#include "fs/seam.h"

#include "base/check.h"
#include "base/magic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

struct real_fs {
    struct fs base;
    int folder;
    atomic_uint open_files;
};

struct real_file {
    struct fs_file base;
    int fd;
};

static enum result result_of_errno(void)
{
    switch (errno) {
    case ENOSPC:
    case EDQUOT:
        return ERR_SPACE;
    case ENOENT:
        return ERR_MISSING;
    case EEXIST:
        return ERR_EXISTS;
    case ENOMEM:
        return ERR_NOMEM;
    default:
        return ERR_IO;
    }
}

static struct real_fs *real_fs_of(struct fs *fs)
{
    return (struct real_fs *)fs;
}

static int fd_of(struct fs_file *file)
{
    return ((struct real_file *)file)->fd;
}

static void real_free(struct fs *base)
{
    struct real_fs *fs = real_fs_of(base);
    ensure(atomic_load(&fs->open_files) == 0);
    (void)close(fs->folder);
    MAGIC_CLEAR(base);
    free(fs);
}

// Takes the descriptor, also on failure. Opening a folder for reading succeeds on Linux, so that is looked at
// here.
static enum result real_file_new(struct fs *fs, int fd, struct fs_file **out)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        (void)close(fd);
        return ERR_IO;
    }
    struct real_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        (void)close(fd);
        return ERR_NOMEM;
    }
    MAGIC_INIT(&file->base, FS_FILE_MAGIC);
    file->base.fs = fs;
    file->fd = fd;
    atomic_fetch_add(&real_fs_of(fs)->open_files, 1);
    *out = &file->base;
    return OK;
}

static enum result real_open(struct fs *fs, const char *path, int flags, struct fs_file **out)
{
    int fd = openat(real_fs_of(fs)->folder, path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    return fd < 0 ? result_of_errno() : real_file_new(fs, fd, out);
}

static enum result real_file_create(struct fs *fs, const char *path, struct fs_file **out)
{
    return real_open(fs, path, O_RDWR | O_CREAT | O_EXCL, out);
}

static enum result real_file_open(struct fs *fs, const char *path, enum fs_access access,
                                  struct fs_file **out)
{
    return real_open(fs, path, access == FS_READ ? O_RDONLY : O_RDWR, out);
}

static void real_file_close(struct fs_file *file)
{
    (void)close(fd_of(file));
    atomic_fetch_sub(&real_fs_of(file->fs)->open_files, 1);
    MAGIC_CLEAR(file);
    free(file);
}

static enum result real_file_writev(struct fs_file *file, uint64_t offset, const struct slice *parts,
                                    size_t count)
{
    struct iovec vector[FS_PARTS_MAX];
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        vector[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].length};
        left += parts[i].length;
    }
    struct iovec *at = vector;
    struct iovec *end = vector + count;
    while (left > 0) {
        ssize_t wrote = pwritev(fd_of(file), at, (int)(end - at), (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return wrote < 0 ? result_of_errno() : ERR_IO;
        left -= (size_t)wrote;
        offset += (uint64_t)wrote;
        size_t gone = (size_t)wrote;
        while (at < end && gone >= at->iov_len) {
            gone -= at->iov_len;
            at++;
        }
        if (gone > 0) {
            at->iov_base = (uint8_t *)at->iov_base + gone;
            at->iov_len -= gone;
        }
    }
    return OK;
}

static enum result real_file_read(struct fs_file *file, uint64_t offset, void *buffer, size_t length,
                                  size_t *got)
{
    size_t done = 0;
    while (done < length) {
        ssize_t count = pread(fd_of(file), (uint8_t *)buffer + done, length - done, (off_t)(offset + done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return ERR_IO;
        if (count == 0)
            break;
        done += (size_t)count;
    }
    *got = done;
    return OK;
}

// A sync that was interrupted has not been answered; only an answered one must not be repeated.
static enum result real_file_datasync(struct fs_file *file)
{
    int status;
    do {
        status = fdatasync(fd_of(file));
    } while (status != 0 && errno == EINTR);
    return status == 0 ? OK : result_of_errno();
}

static enum result real_file_truncate(struct fs_file *file, uint64_t size)
{
    int status;
    do {
        status = ftruncate(fd_of(file), (off_t)size);
    } while (status != 0 && errno == EINTR);
    return status == 0 ? OK : result_of_errno();
}

static enum result real_file_size(struct fs_file *file, uint64_t *size)
{
    struct stat status;
    if (fstat(fd_of(file), &status) != 0)
        return ERR_IO;
    *size = (uint64_t)status.st_size;
    return OK;
}

static enum result real_file_allocate(struct fs_file *file, uint64_t offset, uint64_t length)
{
    int status;
    do {
        status = fallocate(fd_of(file), 0, (off_t)offset, (off_t)length);
    } while (status != 0 && errno == EINTR);
    if (status == 0)
        return OK;
    if (errno != EOPNOTSUPP)
        return result_of_errno();
    // A file system that can not reserve: the size at least, which callers rely on.
    uint64_t size;
    enum result result = real_file_size(file, &size);
    if (result == OK && size < offset + length)
        result = real_file_truncate(file, offset + length);
    return result;
}

static enum result real_file_writeback_start(struct fs_file *file, uint64_t offset, uint64_t length)
{
    int status = sync_file_range(fd_of(file), (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WRITE);
    return status == 0 ? OK : result_of_errno();
}

static void real_file_cache_drop(struct fs_file *file, uint64_t offset, uint64_t length)
{
    (void)posix_fadvise(fd_of(file), (off_t)offset, (off_t)length, POSIX_FADV_DONTNEED);
}

static enum result real_path_unlink(struct fs *fs, const char *path)
{
    return unlinkat(real_fs_of(fs)->folder, path, 0) == 0 ? OK : result_of_errno();
}

static enum result real_path_rename(struct fs *fs, const char *from, const char *to)
{
    int folder = real_fs_of(fs)->folder;
    struct stat status;
    if (fstatat(folder, from, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return result_of_errno();
    if (!S_ISREG(status.st_mode))
        return ERR_IO;
    return renameat(folder, from, folder, to) == 0 ? OK : result_of_errno();
}

static enum result real_path_exists(struct fs *fs, const char *path)
{
    struct stat status;
    return fstatat(real_fs_of(fs)->folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0 ? OK : result_of_errno();
}

static enum result real_dir_make(struct fs *fs, const char *path)
{
    return mkdirat(real_fs_of(fs)->folder, path, 0700) == 0 ? OK : result_of_errno();
}

static int folder_open(struct fs *fs, const char *path)
{
    return openat(real_fs_of(fs)->folder, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static enum result real_dir_sync(struct fs *fs, const char *path)
{
    int folder = folder_open(fs, path);
    if (folder < 0)
        return result_of_errno();
    int status;
    do {
        status = fsync(folder);
    } while (status != 0 && errno == EINTR);
    enum result result = status == 0 ? OK : result_of_errno();
    (void)close(folder);
    return result;
}

static enum result real_dir_list(struct fs *fs, const char *path, struct fs_names *names)
{
    int folder = folder_open(fs, path);
    if (folder < 0)
        return result_of_errno();
    DIR *stream = fdopendir(folder);
    if (stream == NULL) {
        (void)close(folder);
        return ERR_NOMEM;
    }
    struct fs_names found = {NULL, 0};
    enum result result = OK;
    while (result == OK) {
        errno = 0;
        const struct dirent *entry = readdir(stream);
        if (entry == NULL) {
            result = errno == 0 ? OK : ERR_IO;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = fs_names_add(&found, entry->d_name);
    }
    (void)closedir(stream);
    if (result != OK) {
        fs_names_fini(&found);
        return result;
    }
    fs_names_sort(&found);
    *names = found;
    return OK;
}

static enum result real_space_get(struct fs *fs, struct fs_space *space)
{
    struct statvfs status;
    if (fstatvfs(real_fs_of(fs)->folder, &status) != 0)
        return ERR_IO;
    space->free = (uint64_t)status.f_bavail * status.f_frsize;
    space->total = (uint64_t)status.f_blocks * status.f_frsize;
    return OK;
}

static const struct fs_ops real_ops = {
    .free = real_free,
    .file_create = real_file_create,
    .file_open = real_file_open,
    .file_close = real_file_close,
    .file_writev = real_file_writev,
    .file_read = real_file_read,
    .file_datasync = real_file_datasync,
    .file_allocate = real_file_allocate,
    .file_writeback_start = real_file_writeback_start,
    .file_cache_drop = real_file_cache_drop,
    .file_truncate = real_file_truncate,
    .file_size = real_file_size,
    .path_unlink = real_path_unlink,
    .path_rename = real_path_rename,
    .path_exists = real_path_exists,
    .dir_make = real_dir_make,
    .dir_sync = real_dir_sync,
    .dir_list = real_dir_list,
    .space_get = real_space_get,
};

enum result fs_real_new(const char *root, struct fs **out)
{
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return result_of_errno();
    struct real_fs *fs = calloc(1, sizeof *fs);
    if (fs == NULL) {
        (void)close(folder);
        return ERR_NOMEM;
    }
    MAGIC_INIT(&fs->base, FS_MAGIC);
    fs->base.ops = &real_ops;
    fs->folder = folder;
    atomic_init(&fs->open_files, 0);
    *out = &fs->base;
    return OK;
}
