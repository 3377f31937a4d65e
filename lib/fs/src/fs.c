// SPDX-License-Identifier: Apache-2.0
//
// The caller's side of the file-system seam: checks objects and arguments, then calls the implementation.
// Thread: any that may wait for a disk.
#include "fs/seam.h"

#include "base/checked.h"
#include "base/magic.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Sizes are off_t in the kernel.
#define FS_OFFSET_MAX ((uint64_t)INT64_MAX)

static bool component_is_good(const char *start, size_t length)
{
    if (length == 0 || (length == 1 && start[0] == '.'))
        return false;
    return !(length == 2 && start[0] == '.' && start[1] == '.');
}

static bool path_is_good(const char *path)
{
    if (path == NULL || strlen(path) > FS_PATH_MAX)
        return false;
    for (;;) {
        size_t length = strcspn(path, "/");
        if (!component_is_good(path, length))
            return false;
        if (path[length] == 0)
            return true;
        path += length + 1;
    }
}

static bool folder_is_good(const char *path)
{
    return path != NULL && (strcmp(path, ".") == 0 || path_is_good(path));
}

static bool range_is_good(uint64_t offset, uint64_t length)
{
    uint64_t end;
    return checked_add_u64(offset, length, &end) && end <= FS_OFFSET_MAX;
}

void fs_free(struct fs *fs)
{
    if (fs == NULL)
        return;
    MAGIC_CHECK(fs, FS_MAGIC);
    fs->ops->free(fs);
}

enum result fs_file_create(struct fs *fs, const char *path, struct fs_file **out)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return path_is_good(path) ? fs->ops->file_create(fs, path, out) : ERR_ARGUMENT;
}

enum result fs_file_open(struct fs *fs, const char *path, enum fs_access access, struct fs_file **out)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return path_is_good(path) ? fs->ops->file_open(fs, path, access, out) : ERR_ARGUMENT;
}

void fs_file_close(struct fs_file **file)
{
    if (*file == NULL)
        return;
    MAGIC_CHECK(*file, FS_FILE_MAGIC);
    (*file)->fs->ops->file_close(*file);
    *file = NULL;
}

enum result fs_file_write(struct fs_file *file, uint64_t offset, struct slice bytes)
{
    return fs_file_writev(file, offset, &bytes, 1);
}

enum result fs_file_writev(struct fs_file *file, uint64_t offset, const struct slice *parts, size_t count)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    if (count == 0 || count > FS_PARTS_MAX)
        return ERR_ARGUMENT;
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++) {
        if (!checked_add_u64(length, parts[i].length, &length))
            return ERR_ARGUMENT;
    }
    return range_is_good(offset, length) ? file->fs->ops->file_writev(file, offset, parts, count)
                                         : ERR_ARGUMENT;
}

enum result fs_file_read(struct fs_file *file, uint64_t offset, void *buffer, size_t length, size_t *got)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    return range_is_good(offset, length) ? file->fs->ops->file_read(file, offset, buffer, length, got)
                                         : ERR_ARGUMENT;
}

enum result fs_file_datasync(struct fs_file *file)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    return file->fs->ops->file_datasync(file);
}

enum result fs_file_allocate(struct fs_file *file, uint64_t offset, uint64_t length)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    return length > 0 && range_is_good(offset, length) ? file->fs->ops->file_allocate(file, offset, length)
                                                       : ERR_ARGUMENT;
}

enum result fs_file_writeback_start(struct fs_file *file, uint64_t offset, uint64_t length)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    return length > 0 && range_is_good(offset, length)
               ? file->fs->ops->file_writeback_start(file, offset, length)
               : ERR_ARGUMENT;
}

void fs_file_cache_drop(struct fs_file *file, uint64_t offset, uint64_t length)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    if (length > 0 && range_is_good(offset, length) && file->fs->ops->file_cache_drop != NULL)
        file->fs->ops->file_cache_drop(file, offset, length);
}

enum result fs_file_truncate(struct fs_file *file, uint64_t size)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    return size <= FS_OFFSET_MAX ? file->fs->ops->file_truncate(file, size) : ERR_ARGUMENT;
}

enum result fs_file_size(struct fs_file *file, uint64_t *size)
{
    MAGIC_CHECK(file, FS_FILE_MAGIC);
    return file->fs->ops->file_size(file, size);
}

enum result fs_path_unlink(struct fs *fs, const char *path)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return path_is_good(path) ? fs->ops->path_unlink(fs, path) : ERR_ARGUMENT;
}

enum result fs_path_rename(struct fs *fs, const char *from, const char *to)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return path_is_good(from) && path_is_good(to) ? fs->ops->path_rename(fs, from, to) : ERR_ARGUMENT;
}

enum result fs_path_exists(struct fs *fs, const char *path)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return path_is_good(path) ? fs->ops->path_exists(fs, path) : ERR_ARGUMENT;
}

enum result fs_dir_make(struct fs *fs, const char *path)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return path_is_good(path) ? fs->ops->dir_make(fs, path) : ERR_ARGUMENT;
}

enum result fs_dir_sync(struct fs *fs, const char *path)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return folder_is_good(path) ? fs->ops->dir_sync(fs, path) : ERR_ARGUMENT;
}

enum result fs_dir_list(struct fs *fs, const char *path, struct fs_names *names)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return folder_is_good(path) ? fs->ops->dir_list(fs, path, names) : ERR_ARGUMENT;
}

enum result fs_space_get(struct fs *fs, struct fs_space *space)
{
    MAGIC_CHECK(fs, FS_MAGIC);
    return fs->ops->space_get(fs, space);
}

enum result fs_names_add(struct fs_names *names, const char *name)
{
    // Grown at each power of two, so that no capacity need be kept.
    if ((names->count & (names->count - 1)) == 0) {
        size_t bytes;
        if (!checked_mul(names->count == 0 ? 1 : names->count * 2, sizeof(char *), &bytes))
            return ERR_NOMEM;
        char **grown = realloc(names->name, bytes);
        if (grown == NULL)
            return ERR_NOMEM;
        names->name = grown;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return ERR_NOMEM;
    names->name[names->count++] = copy;
    return OK;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void fs_names_sort(struct fs_names *names)
{
    if (names->count > 1)
        qsort(names->name, names->count, sizeof names->name[0], names_compare);
}

void fs_names_fini(struct fs_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->name[i]);
    free(names->name);
    *names = (struct fs_names){NULL, 0};
}
