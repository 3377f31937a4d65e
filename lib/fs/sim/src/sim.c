// SPDX-License-Identifier: Apache-2.0
//
// The simulated disk as the simulator sees it (fs/sim.h) and as the gateway's code sees it (fs/seam.h):
// lives, power cuts, faults, capacity. Owns disk, mounts and handles. Thread: the simulator's.
#include "disk.h"

#include "base/cursor.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/units.h"

#include <stdlib.h>

#define SIM_MAGIC 0x53494d44u // "SIMD"

struct sim_mount {
    struct fs base;
    struct list_node node;
    struct fs_sim *sim;
    uint64_t generation;
};

struct sim_handle {
    struct fs_file base;
    struct list_node node;
    struct fs_sim *sim;
    struct inode *inode; // NULL once its life is over
    enum fs_access access;
    uint64_t generation;
    char path[FS_PATH_MAX + 1]; // under which it was opened, for faults
};

// SplitMix64 (Steele, Lea and Flood 2014): any seed is a good seed.
uint64_t sim_random(struct fs_sim *sim, uint64_t limit)
{
    sim->random += 0x9e3779b97f4a7c15u;
    uint64_t z = sim->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % limit;
}

static bool is_dead(const struct fs_sim *sim, uint64_t generation)
{
    return sim->is_cut || generation != sim->generation;
}

// Before each operation that changes the disk. The operation in whose midst the power is cut may have had its
// effect, but nobody is told so: it runs if this says OK, and change_end() then turns its result into ERR_IO.
static enum result change_begin(struct fs_sim *sim, uint64_t generation)
{
    if (is_dead(sim, generation))
        return ERR_IO;
    sim->counts.changes++;
    if (!sim->cut_is_armed)
        return OK;
    if (sim->cut_after > 0) {
        sim->cut_after--;
        return OK;
    }
    sim->is_cut = true;
    return sim_random(sim, 2) == 0 ? OK : ERR_IO;
}

static enum result change_end(const struct fs_sim *sim, enum result result)
{
    return sim->is_cut ? ERR_IO : result;
}

// Whether an armed fault strikes this operation; then it is used up.
static bool fault_strikes(struct fs_sim *sim, enum fs_sim_fault fault, const char *path)
{
    for (size_t i = 0; !sim->faults_pause && i < SIM_FAULTS_MAX; i++) {
        struct armed_fault *armed = &sim->faults[i];
        if (!armed->is_armed || armed->fault != fault || strstr(path, armed->path_part) == NULL)
            continue;
        if (armed->skip > 0) {
            armed->skip--;
            continue;
        }
        armed->is_armed = false;
        return true;
    }
    return false;
}

static struct sim_mount *mount_of(struct fs *fs)
{
    return (struct sim_mount *)fs;
}

static struct sim_handle *handle_of(struct fs_file *file)
{
    return (struct sim_handle *)file;
}

// ---- the seam ----

static void sim_fs_free(struct fs *base)
{
    struct sim_mount *mount = mount_of(base);
    list_remove(&mount->sim->mounts, &mount->node);
    MAGIC_CLEAR(base);
    free(mount);
}

static enum result handle_new(struct fs *fs, const char *path, enum fs_access access, struct inode *inode,
                              struct fs_file **out)
{
    struct sim_handle *handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(&handle->base, FS_FILE_MAGIC);
    handle->base.fs = fs;
    handle->sim = mount_of(fs)->sim;
    handle->inode = inode;
    inode_ref(inode);
    handle->access = access;
    handle->generation = mount_of(fs)->generation;
    (void)text_copy(handle->path, sizeof handle->path, slice_of_text(path));
    list_append(&handle->sim->handles, &handle->node);
    *out = &handle->base;
    return OK;
}

static enum result name_new(struct fs_sim *sim, const char *path, bool is_folder, struct inode **out)
{
    if (!names_parent_is_there(sim, path))
        return ERR_MISSING;
    if (names_find(sim, path) != NULL)
        return ERR_EXISTS;
    struct inode *inode;
    enum result result = inode_new(sim, is_folder, &inode);
    if (result != OK)
        return result;
    result = names_create(sim, path, inode);
    inode_unref(sim, inode); // the name holds it now
    *out = inode;
    return result;
}

static enum result sim_file_create(struct fs *fs, const char *path, struct fs_file **out)
{
    struct fs_sim *sim = mount_of(fs)->sim;
    enum result result = change_begin(sim, mount_of(fs)->generation);
    if (result != OK)
        return result;
    struct inode *inode;
    result = change_end(sim, name_new(sim, path, false, &inode));
    return result == OK ? handle_new(fs, path, FS_WRITE, inode, out) : result;
}

static enum result sim_file_open(struct fs *fs, const char *path, enum fs_access access, struct fs_file **out)
{
    struct fs_sim *sim = mount_of(fs)->sim;
    if (is_dead(sim, mount_of(fs)->generation))
        return ERR_IO;
    struct inode *inode = names_find(sim, path);
    if (inode == NULL)
        return ERR_MISSING;
    return inode->is_folder ? ERR_IO : handle_new(fs, path, access, inode, out);
}

static void handle_detach(struct sim_handle *handle)
{
    if (handle->inode != NULL)
        inode_unref(handle->sim, handle->inode);
    handle->inode = NULL;
}

static void handle_free(struct sim_handle *handle)
{
    list_remove(&handle->sim->handles, &handle->node);
    handle_detach(handle);
    MAGIC_CLEAR(&handle->base);
    free(handle);
}

static void sim_file_close(struct fs_file *file)
{
    handle_free(handle_of(file));
}

// Before each change through a handle.
static enum result handle_change_begin(const struct sim_handle *handle)
{
    if (handle->access != FS_WRITE)
        return ERR_IO;
    return change_begin(handle->sim, handle->generation);
}

// How far a file may grow now.
static uint64_t size_limit(const struct fs_sim *sim, const struct inode *inode)
{
    uint64_t others = sim->used - inode_cost(inode);
    return others >= sim->capacity ? 0 : (sim->capacity - others) / CONTENT_PAGE * CONTENT_PAGE;
}

// Writes what fits, as Linux does, and says ERR_SPACE if that was not all.
static enum result write_within_capacity(struct fs_sim *sim, struct inode *inode, uint64_t offset,
                                         struct slice bytes)
{
    uint64_t end = offset + bytes.length;
    uint64_t limit = size_limit(sim, inode);
    struct slice fits = bytes;
    if (end > inode->visible.size && end > limit) {
        uint64_t room = limit > inode->visible.size ? limit : inode->visible.size;
        fits = slice_first(bytes, room > offset ? (size_t)(room - offset) : 0);
    }
    enum result result = OK;
    if (fits.length > 0) {
        sim->used -= inode_cost(inode);
        result = inode_write(inode, offset, fits);
        sim->used += inode_cost(inode);
    }
    return result == OK && fits.length < bytes.length ? ERR_SPACE : result;
}

static enum result file_write(struct sim_handle *handle, uint64_t offset, struct slice bytes)
{
    struct fs_sim *sim = handle->sim;
    sim->counts.writes++;
    if (!fault_strikes(sim, FS_SIM_FAULT_WRITE, handle->path))
        return write_within_capacity(sim, handle->inode, offset, bytes);
    // Some sectors of it went through.
    uint64_t sectors = sim_random(sim, bytes.length / FS_SIM_SECTOR + 1);
    struct slice begun = slice_first(bytes, (size_t)sectors * FS_SIM_SECTOR);
    if (begun.length > 0)
        (void)write_within_capacity(sim, handle->inode, offset, begun);
    return ERR_IO;
}

static enum result sim_file_writev(struct fs_file *file, uint64_t offset, const struct slice *parts,
                                   size_t count)
{
    struct sim_handle *handle = handle_of(file);
    enum result result = handle_change_begin(handle);
    if (result != OK)
        return result;
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += parts[i].length;
    uint8_t *joined = malloc(length > 0 ? length : 1);
    if (joined == NULL)
        return ERR_NOMEM;
    struct writer all = writer_of(joined, length);
    for (size_t i = 0; i < count; i++)
        writer_slice_put(&all, parts[i]);
    result = length > 0 ? file_write(handle, offset, writer_slice(&all)) : OK;
    free(joined);
    return change_end(handle->sim, result);
}

static enum result sim_file_read(struct fs_file *file, uint64_t offset, void *buffer, size_t length,
                                 size_t *got)
{
    struct sim_handle *handle = handle_of(file);
    if (is_dead(handle->sim, handle->generation))
        return ERR_IO;
    if (fault_strikes(handle->sim, FS_SIM_FAULT_READ, handle->path))
        return ERR_IO;
    *got = content_read(&handle->inode->visible, offset, buffer, length);
    return OK;
}

static enum result sim_file_datasync(struct fs_file *file)
{
    struct sim_handle *handle = handle_of(file);
    struct fs_sim *sim = handle->sim;
    enum result result = change_begin(sim, handle->generation);
    if (result != OK)
        return result;
    sim->counts.datasyncs++;
    if (fault_strikes(sim, FS_SIM_FAULT_DATASYNC, handle->path)) {
        (void)inode_sync_fail(sim, handle->inode);
        return ERR_IO;
    }
    return change_end(sim, inode_sync(handle->inode));
}

static enum result sim_file_allocate(struct fs_file *file, uint64_t offset, uint64_t length)
{
    struct sim_handle *handle = handle_of(file);
    struct fs_sim *sim = handle->sim;
    enum result result = handle_change_begin(handle);
    if (result != OK)
        return result;
    uint64_t end = offset + length;
    if (end > handle->inode->visible.size && end > size_limit(sim, handle->inode))
        return change_end(sim, ERR_SPACE);
    sim->used -= inode_cost(handle->inode);
    result = inode_allocate(handle->inode, offset, length);
    sim->used += inode_cost(handle->inode);
    return change_end(sim, result);
}

// What the kernel began to write is no more durable than the rest.
static enum result sim_file_writeback_start(struct fs_file *file, uint64_t offset, uint64_t length)
{
    const struct sim_handle *handle = handle_of(file);
    (void)offset;
    (void)length;
    return is_dead(handle->sim, handle->generation) ? ERR_IO : OK;
}

static enum result sim_file_truncate(struct fs_file *file, uint64_t size)
{
    struct sim_handle *handle = handle_of(file);
    struct fs_sim *sim = handle->sim;
    enum result result = handle_change_begin(handle);
    if (result != OK)
        return result;
    if (size > handle->inode->visible.size && size > size_limit(sim, handle->inode))
        return change_end(sim, ERR_SPACE);
    sim->used -= inode_cost(handle->inode);
    result = inode_truncate(handle->inode, size);
    sim->used += inode_cost(handle->inode);
    return change_end(sim, result);
}

static enum result sim_file_size(struct fs_file *file, uint64_t *size)
{
    const struct sim_handle *handle = handle_of(file);
    if (is_dead(handle->sim, handle->generation))
        return ERR_IO;
    *size = handle->inode->visible.size;
    return OK;
}

// OK if there is a file (not a folder) of that name.
static enum result file_look(const struct fs_sim *sim, const char *path)
{
    const struct inode *inode = names_find(sim, path);
    if (inode == NULL)
        return ERR_MISSING;
    return inode->is_folder ? ERR_IO : OK;
}

static enum result sim_path_unlink(struct fs *fs, const char *path)
{
    struct fs_sim *sim = mount_of(fs)->sim;
    enum result result = change_begin(sim, mount_of(fs)->generation);
    if (result == OK)
        result = file_look(sim, path);
    if (result == OK)
        result = names_unlink(sim, path);
    return change_end(sim, result);
}

static enum result rename_look(const struct fs_sim *sim, const char *from, const char *to)
{
    enum result result = file_look(sim, from);
    if (result == OK && !names_parent_is_there(sim, to))
        result = ERR_MISSING;
    if (result == OK && file_look(sim, to) == ERR_IO)
        result = ERR_IO;
    return result;
}

static enum result sim_path_rename(struct fs *fs, const char *from, const char *to)
{
    struct fs_sim *sim = mount_of(fs)->sim;
    enum result result = change_begin(sim, mount_of(fs)->generation);
    if (result == OK)
        result = rename_look(sim, from, to);
    if (result == OK && strcmp(from, to) != 0)
        result = names_rename(sim, from, to);
    return change_end(sim, result);
}

static enum result sim_path_exists(struct fs *fs, const char *path)
{
    const struct fs_sim *sim = mount_of(fs)->sim;
    if (is_dead(sim, mount_of(fs)->generation))
        return ERR_IO;
    return names_find(sim, path) != NULL ? OK : ERR_MISSING;
}

static enum result sim_dir_make(struct fs *fs, const char *path)
{
    struct fs_sim *sim = mount_of(fs)->sim;
    enum result result = change_begin(sim, mount_of(fs)->generation);
    if (result != OK)
        return result;
    struct inode *inode;
    return change_end(sim, name_new(sim, path, true, &inode));
}

static enum result folder_look(const struct fs_sim *sim, const char *path)
{
    if (strcmp(path, ".") == 0)
        return OK;
    const struct inode *inode = names_find(sim, path);
    if (inode == NULL)
        return ERR_MISSING;
    return inode->is_folder ? OK : ERR_IO;
}

static enum result sim_dir_sync(struct fs *fs, const char *path)
{
    struct fs_sim *sim = mount_of(fs)->sim;
    enum result result = change_begin(sim, mount_of(fs)->generation);
    if (result == OK)
        result = folder_look(sim, path);
    if (result != OK)
        return change_end(sim, result);
    sim->counts.dir_syncs++;
    bool lossy = fault_strikes(sim, FS_SIM_FAULT_DIR_SYNC, path);
    result = names_sync(sim, path, lossy);
    return lossy ? ERR_IO : change_end(sim, result);
}

static enum result sim_dir_list(struct fs *fs, const char *path, struct fs_names *names)
{
    const struct fs_sim *sim = mount_of(fs)->sim;
    if (is_dead(sim, mount_of(fs)->generation))
        return ERR_IO;
    enum result result = folder_look(sim, path);
    return result == OK ? names_list(sim, path, names) : result;
}

static enum result sim_space_get(struct fs *fs, struct fs_space *space)
{
    const struct fs_sim *sim = mount_of(fs)->sim;
    if (is_dead(sim, mount_of(fs)->generation))
        return ERR_IO;
    space->total = sim->capacity;
    space->free = sim->used < sim->capacity ? sim->capacity - sim->used : 0;
    return OK;
}

static const struct fs_ops sim_ops = {
    .free = sim_fs_free,
    .file_create = sim_file_create,
    .file_open = sim_file_open,
    .file_close = sim_file_close,
    .file_writev = sim_file_writev,
    .file_read = sim_file_read,
    .file_datasync = sim_file_datasync,
    .file_allocate = sim_file_allocate,
    .file_writeback_start = sim_file_writeback_start,
    .file_truncate = sim_file_truncate,
    .file_size = sim_file_size,
    .path_unlink = sim_path_unlink,
    .path_rename = sim_path_rename,
    .path_exists = sim_path_exists,
    .dir_make = sim_dir_make,
    .dir_sync = sim_dir_sync,
    .dir_list = sim_dir_list,
    .space_get = sim_space_get,
};

// ---- the simulator's side ----

enum result fs_sim_new(const struct fs_sim_options *options, struct fs_sim **out)
{
    struct fs_sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(sim, SIM_MAGIC);
    sim->random = options->seed;
    sim->capacity = options->capacity > 0 ? options->capacity : 1024 * GIB;
    list_init(&sim->inodes);
    list_init(&sim->mounts);
    list_init(&sim->handles);
    names_init(&sim->names);
    *out = sim;
    return OK;
}

void fs_sim_free(struct fs_sim *sim)
{
    if (sim == NULL)
        return;
    MAGIC_CHECK(sim, SIM_MAGIC);
    LIST_EACH(&sim->handles, node)
    {
        handle_free(CONTAINER_OF(node, struct sim_handle, node));
    }
    LIST_EACH(&sim->mounts, node)
    {
        sim_fs_free(&CONTAINER_OF(node, struct sim_mount, node)->base);
    }
    names_fini(sim);
    ensure(list_is_empty(&sim->inodes) && sim->used == 0);
    MAGIC_CLEAR(sim);
    free(sim);
}

enum result fs_sim_mount(struct fs_sim *sim, struct fs **out)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    struct sim_mount *mount = calloc(1, sizeof *mount);
    if (mount == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(&mount->base, FS_MAGIC);
    mount->base.ops = &sim_ops;
    mount->sim = sim;
    mount->generation = sim->generation;
    list_append(&sim->mounts, &mount->node);
    *out = &mount->base;
    return OK;
}

void fs_sim_crash(struct fs_sim *sim)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    sim->generation++;
    sim->counts.crashes++;
    sim->cut_is_armed = sim->is_cut = false;
    LIST_EACH(&sim->handles, node)
    {
        handle_detach(CONTAINER_OF(node, struct sim_handle, node));
    }
    LIST_EACH(&sim->inodes, node)
    {
        ensure(inode_crash(sim, CONTAINER_OF(node, struct inode, node)) == OK);
    }
    ensure(names_crash(sim) == OK);
}

void fs_sim_power_cut_after(struct fs_sim *sim, uint64_t changes)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    sim->cut_is_armed = true;
    sim->cut_after = changes;
}

bool fs_sim_is_cut(const struct fs_sim *sim)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    return sim->is_cut;
}

enum result fs_sim_fault_arm(struct fs_sim *sim, enum fs_sim_fault fault, const char *path_part,
                             uint32_t skip)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    for (size_t i = 0; i < SIM_FAULTS_MAX; i++) {
        struct armed_fault *armed = &sim->faults[i];
        if (armed->is_armed)
            continue;
        *armed = (struct armed_fault){.is_armed = true, .fault = fault, .skip = skip};
        (void)text_copy(armed->path_part, sizeof armed->path_part,
                        slice_of_text(path_part != NULL ? path_part : ""));
        return OK;
    }
    return ERR_LIMIT;
}

void fs_sim_faults_clear(struct fs_sim *sim)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    for (size_t i = 0; i < SIM_FAULTS_MAX; i++)
        sim->faults[i].is_armed = false;
}

void fs_sim_faults_pause(struct fs_sim *sim, bool pause)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    sim->faults_pause = pause;
}

void fs_sim_capacity_set(struct fs_sim *sim, uint64_t capacity)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    sim->capacity = capacity;
}

void fs_sim_counts_get(const struct fs_sim *sim, struct fs_sim_counts *counts)
{
    MAGIC_CHECK(sim, SIM_MAGIC);
    *counts = sim->counts;
}
