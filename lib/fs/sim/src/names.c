// SPDX-License-Identifier: Apache-2.0
//
// Names of the simulated disk: two maps from path to inode, visible and durable, and the changes between
// them, each of which belongs to one folder. See disk.h.
#include "disk.h"

#include "base/text.h"

#include <stdlib.h>

static size_t entry_find(const struct namespace *space, const char *path, bool *is_there)
{
    size_t low = 0;
    size_t high = space->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(space->entries[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *is_there = low < space->count && strcmp(space->entries[low].path, path) == 0;
    return low;
}

static void entry_remove(struct fs_sim *sim, struct namespace *space, size_t index)
{
    struct inode *inode = space->entries[index].inode;
    memmove(space->entries + index, space->entries + index + 1,
            (space->count - index - 1) * sizeof space->entries[0]);
    space->count--;
    inode_unref(sim, inode);
}

// Replaces an entry of the same path.
static enum result entry_set(struct fs_sim *sim, struct namespace *space, const char *path,
                             struct inode *inode)
{
    bool is_there;
    size_t index = entry_find(space, path, &is_there);
    inode_ref(inode);
    if (is_there) {
        inode_unref(sim, space->entries[index].inode);
        space->entries[index].inode = inode;
        return OK;
    }
    if (space->count == space->capacity) {
        size_t capacity = space->capacity == 0 ? 16 : space->capacity * 2;
        struct entry *grown = realloc(space->entries, capacity * sizeof *grown);
        if (grown == NULL) {
            inode_unref(sim, inode);
            return ERR_NOMEM;
        }
        space->entries = grown;
        space->capacity = capacity;
    }
    memmove(space->entries + index + 1, space->entries + index,
            (space->count - index) * sizeof space->entries[0]);
    (void)text_copy(space->entries[index].path, sizeof space->entries[index].path, slice_of_text(path));
    space->entries[index].inode = inode;
    space->count++;
    return OK;
}

// Removes the name if it (still) means this inode.
static void entry_drop(struct fs_sim *sim, struct namespace *space, const char *path,
                       const struct inode *inode)
{
    bool is_there;
    size_t index = entry_find(space, path, &is_there);
    if (is_there && space->entries[index].inode == inode)
        entry_remove(sim, space, index);
}

static void namespace_fini(struct fs_sim *sim, struct namespace *space)
{
    while (space->count > 0)
        entry_remove(sim, space, space->count - 1);
    free(space->entries);
    *space = (struct namespace){0};
}

static void change_free(struct fs_sim *sim, struct name_change *change)
{
    list_remove(&sim->names.changes, &change->node);
    inode_unref(sim, change->inode);
    free(change);
}

void names_init(struct names *names)
{
    *names = (struct names){0};
    list_init(&names->changes);
}

void names_fini(struct fs_sim *sim)
{
    LIST_EACH(&sim->names.changes, node)
    {
        change_free(sim, CONTAINER_OF(node, struct name_change, node));
    }
    namespace_fini(sim, &sim->names.visible);
    namespace_fini(sim, &sim->names.durable);
}

struct inode *names_find(const struct fs_sim *sim, const char *path)
{
    bool is_there;
    size_t index = entry_find(&sim->names.visible, path, &is_there);
    return is_there ? sim->names.visible.entries[index].inode : NULL;
}

// The length of the folder's part of a path; 0 for a name in the root.
static size_t parent_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? 0 : (size_t)(slash - path);
}

static bool parent_is_in(const struct namespace *space, const char *path)
{
    size_t length = parent_length(path);
    if (length == 0)
        return true;
    char parent[FS_PATH_MAX + 1];
    (void)text_copy(parent, sizeof parent, slice_of(path, length));
    bool is_there;
    size_t index = entry_find(space, parent, &is_there);
    return is_there && space->entries[index].inode->is_folder;
}

bool names_parent_is_there(const struct fs_sim *sim, const char *path)
{
    return parent_is_in(&sim->names.visible, path);
}

static bool is_in_folder(const char *path, const char *folder)
{
    if (strcmp(folder, ".") == 0)
        return parent_length(path) == 0;
    size_t length = strlen(folder);
    return parent_length(path) == length && memcmp(path, folder, length) == 0;
}

static enum result change_add(struct fs_sim *sim, enum name_change_kind kind, struct inode *inode,
                              const char *path, const char *from)
{
    struct name_change *change = calloc(1, sizeof *change);
    if (change == NULL)
        return ERR_NOMEM;
    change->kind = kind;
    change->inode = inode;
    inode_ref(inode);
    (void)text_copy(change->path, sizeof change->path, slice_of_text(path));
    (void)text_copy(change->from, sizeof change->from, slice_of_text(from));
    list_append(&sim->names.changes, &change->node);
    return OK;
}

static enum result change_apply(struct fs_sim *sim, const struct name_change *change, struct namespace *space)
{
    if (change->kind == NAME_UNLINK) {
        entry_drop(sim, space, change->path, change->inode);
        return OK;
    }
    if (change->kind == NAME_RENAME)
        entry_drop(sim, space, change->from, change->inode);
    return entry_set(sim, space, change->path, change->inode);
}

static enum result change_make(struct fs_sim *sim, enum name_change_kind kind, struct inode *inode,
                               const char *path, const char *from)
{
    enum result result = change_add(sim, kind, inode, path, from);
    if (result != OK)
        return result;
    struct list_node *last = list_last(&sim->names.changes);
    return change_apply(sim, CONTAINER_OF(last, struct name_change, node), &sim->names.visible);
}

enum result names_create(struct fs_sim *sim, const char *path, struct inode *inode)
{
    return change_make(sim, NAME_CREATE, inode, path, "");
}

enum result names_unlink(struct fs_sim *sim, const char *path)
{
    return change_make(sim, NAME_UNLINK, names_find(sim, path), path, "");
}

enum result names_rename(struct fs_sim *sim, const char *from, const char *to)
{
    return change_make(sim, NAME_RENAME, names_find(sim, from), to, from);
}

enum result names_list(const struct fs_sim *sim, const char *folder, struct fs_names *out)
{
    struct fs_names found = {NULL, 0};
    const struct namespace *space = &sim->names.visible;
    for (size_t i = 0; i < space->count; i++) {
        const char *path = space->entries[i].path;
        if (!is_in_folder(path, folder))
            continue;
        size_t parent = parent_length(path);
        enum result result = fs_names_add(&found, parent == 0 ? path : path + parent + 1);
        if (result != OK) {
            fs_names_fini(&found);
            return result;
        }
    }
    fs_names_sort(&found);
    *out = found;
    return OK;
}

// Applies one change to what is durable, or loses it by chance.
static enum result change_settle(struct fs_sim *sim, struct name_change *change, bool lossy)
{
    enum result result = OK;
    if (lossy && sim_random(sim, 2) == 0)
        sim->counts.lost_names++;
    else
        result = change_apply(sim, change, &sim->names.durable);
    change_free(sim, change);
    return result;
}

enum result names_sync(struct fs_sim *sim, const char *folder, bool lossy)
{
    enum result result = OK;
    LIST_EACH(&sim->names.changes, node)
    {
        struct name_change *change = CONTAINER_OF(node, struct name_change, node);
        if (result == OK && is_in_folder(change->path, folder))
            result = change_settle(sim, change, lossy);
    }
    return result;
}

enum result names_crash(struct fs_sim *sim)
{
    enum result result = OK;
    LIST_EACH(&sim->names.changes, node)
    {
        if (result == OK)
            result = change_settle(sim, CONTAINER_OF(node, struct name_change, node), true);
    }
    // In order of path a folder comes before what it holds. Each removal shifts the rest down.
    struct namespace *durable = &sim->names.durable;
    for (size_t i = 0; i < durable->count;) {
        if (parent_is_in(durable, durable->entries[i].path))
            i++;
        else
            entry_remove(sim, durable, i);
    }
    namespace_fini(sim, &sim->names.visible);
    for (size_t i = 0; i < durable->count && result == OK; i++)
        result = entry_set(sim, &sim->names.visible, durable->entries[i].path, durable->entries[i].inode);
    return result;
}
