// SPDX-License-Identifier: Apache-2.0
//
// Copies of the key file: backups, and the change of the master key; see seal/keyring.h and FORMAT.md.
// Thread: main.
#include "keyring.h"

#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crypto.h"

#include <string.h>

static enum result fail(enum result result, struct seal_problem *problem, const char *path, const char *what)
{
    if (problem != NULL)
        (void)text_format(problem->text, sizeof problem->text, "key file %s: %s", path, what);
    return result;
}

enum result keyring_folder_sync(struct fs *fs, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return fs_dir_sync(fs, ".");
    char folder[FS_PATH_MAX + 1];
    if (!text_copy(folder, sizeof folder, slice_of(path, (size_t)(slash - path))))
        return ERR_ARGUMENT;
    return fs_dir_sync(fs, folder);
}

// ---- copying ----

struct copy {
    struct seal_keyring *ring;
    struct fs_file *file;
    const uint8_t *master;                                         // that the copy is wrapped under
    bool (*is_kept)(void *arg, uint16_t stream, uint32_t segment); // NULL: all are
    void *is_kept_arg;
    uint32_t count; // slots written
};

static enum result slot_append(struct copy *copy, const struct slot *slot)
{
    uint8_t bytes[KEYFILE_SLOT];
    enum result result = keyfile_slot_encode(slot, bytes);
    if (result == OK)
        result = fs_file_write(copy->file, KEYFILE_PAGE + (uint64_t)copy->count * KEYFILE_SLOT,
                               slice_of(bytes, sizeof bytes));
    copy->count++;
    return result;
}

static enum result intermediate_append(struct copy *copy, const struct intermediate *from)
{
    struct slot slot = {.kind = SLOT_INTERMEDIATE, .day = from->day, .id = from->id};
    enum result result = keyfile_slot_wrap(&slot, copy->ring->file_id, copy->master, from->key);
    return result == OK ? slot_append(copy, &slot) : result;
}

static enum result lasting_append(struct copy *copy, const struct lasting *from)
{
    struct slot slot = {.kind = SLOT_LASTING, .segment = from->which, .id = from->id};
    enum result result = keyfile_slot_wrap(&slot, copy->ring->file_id, copy->master, from->key);
    return result == OK ? slot_append(copy, &slot) : result;
}

static bool entry_is_kept(const struct copy *copy, const struct entry *entry)
{
    return !entry->is_doomed && (copy->is_kept == NULL ||
                                 copy->is_kept(copy->is_kept_arg, entry->slot.stream, entry->slot.segment));
}

// Segment keys go over as they are: the intermediate keys that wrap them, and the file id that they are bound
// to, are the same in the copy.
static enum result slots_append(struct copy *copy)
{
    const struct seal_keyring *ring = copy->ring;
    enum result result = OK;
    for (size_t i = 0; result == OK && i < ring->intermediate_count; i++)
        result = intermediate_append(copy, &ring->intermediates[i]);
    for (size_t i = 0; result == OK && i < ring->lasting_count; i++)
        result = lasting_append(copy, &ring->lastings[i]);
    for (size_t i = 0; result == OK && i < ring->entry_count; i++)
        if (entry_is_kept(copy, &ring->entries[i]))
            result = slot_append(copy, &ring->entries[i].slot);
    return result;
}

static enum result file_fill(struct copy *copy)
{
    uint8_t page[KEYFILE_PAGE];
    uint64_t slots = copy->ring->intermediate_count + copy->ring->lasting_count + copy->ring->entry_count + 1;
    uint64_t blocks = (slots + KEYFILE_BLOCK_SLOTS - 1) / KEYFILE_BLOCK_SLOTS;
    enum result result = keyfile_header_make(copy->master, copy->ring->file_id, page);
    if (result == OK)
        result = fs_file_allocate(copy->file, 0, KEYFILE_PAGE + blocks * KEYFILE_BLOCK_SLOTS * KEYFILE_SLOT);
    if (result == OK)
        result = slots_append(copy);
    if (result == OK)
        result = fs_file_write(copy->file, 0, slice_of(page, sizeof page));
    return result == OK ? fs_file_datasync(copy->file) : result;
}

static bool entry_opens(struct seal_keyring *ring, const struct entry *entry)
{
    uint8_t key[SEAL_KEY_SIZE];
    const struct intermediate *by = keyring_intermediate_find(ring, entry->slot.wrapped_by);
    bool opens = by != NULL && keyfile_slot_unwrap(&entry->slot, ring->file_id, by->key, key) == OK;
    wipe(key, sizeof key);
    return opens;
}

bool seal_keyring_is_sound(struct seal_keyring *ring)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    pthread_mutex_lock(&ring->mutex);
    bool is_sound = true;
    for (uint32_t i = 0; i < ring->slot_count; i++)
        is_sound = is_sound && ring->states[i] != STATE_DAMAGED;
    for (size_t i = 0; i < ring->entry_count; i++)
        is_sound = is_sound && entry_opens(ring, &ring->entries[i]);
    pthread_mutex_unlock(&ring->mutex);
    return is_sound;
}

static enum result copy_make(struct copy *copy, struct fs *to, const char *path, struct seal_problem *problem)
{
    enum result result = fs_file_create(to, path, &copy->file);
    if (result != OK)
        return fail(result, problem, path,
                    result == ERR_EXISTS ? "exists; nothing is overwritten" : "can not be created");
    result = file_fill(copy);
    fs_file_close(&copy->file);
    if (result == OK)
        result = keyring_folder_sync(to, path);
    if (result == OK)
        return OK;
    (void)!fs_path_unlink(to, path); // of no use to anybody
    return fail(result, problem, path, "can not be written");
}

static enum result copy_locked(struct copy *copy, struct fs *to, const char *path,
                               struct seal_problem *problem)
{
    pthread_mutex_lock(&copy->ring->mutex);
    enum result result = copy_make(copy, to, path, problem);
    pthread_mutex_unlock(&copy->ring->mutex);
    return result;
}

enum result seal_keyring_copy(struct seal_keyring *ring, struct fs *to, const char *path,
                              const struct seal_master *master, struct seal_problem *problem)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    struct copy copy = {.ring = ring, .master = master != NULL ? seal_master_key(master) : ring->master};
    return copy_locked(&copy, to, path, problem);
}

enum result seal_keyring_copy_some(struct seal_keyring *ring, struct fs *to, const char *path,
                                   bool (*is_kept)(void *arg, uint16_t stream, uint32_t segment), void *arg,
                                   struct seal_problem *problem)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    struct copy copy = {.ring = ring, .master = ring->master, .is_kept = is_kept, .is_kept_arg = arg};
    return copy_locked(&copy, to, path, problem);
}

// ---- destroying a whole file ----

static enum result file_wipe(struct fs_file *file)
{
    uint8_t bytes[KEYFILE_SLOT];
    uint64_t size;
    enum result result = fs_file_size(file, &size);
    for (uint64_t at = 0; result == OK && at < size; at += sizeof bytes) {
        result = seal_random(bytes, sizeof bytes);
        if (result == OK)
            result = fs_file_write(file, at, slice_of(bytes, sizeof bytes));
    }
    return result == OK ? fs_file_datasync(file) : result;
}

// Overwritten and synced before its name goes. OK: it is not there.
static enum result file_destroy(struct fs *fs, const char *path)
{
    struct fs_file *file;
    enum result result = fs_file_open(fs, path, FS_WRITE, &file);
    if (result != OK)
        return result == ERR_MISSING ? OK : result;
    result = file_wipe(file);
    fs_file_close(&file);
    if (result == OK)
        result = fs_path_unlink(fs, path);
    return result == OK ? keyring_folder_sync(fs, path) : result;
}

// ---- another master key ----

struct names {
    char fresh[FS_PATH_MAX + 1];
    char old[FS_PATH_MAX + 1];
};

static enum result names_make(const char *path, struct names *names)
{
    return text_format(names->fresh, sizeof names->fresh, "%s" KEYRING_FRESH, path) &&
                   text_format(names->old, sizeof names->old, "%s" KEYRING_OLD, path)
               ? OK
               : ERR_ARGUMENT;
}

enum result keyring_rotation_undo(struct fs *fs, const char *path)
{
    struct names names;
    enum result result = names_make(path, &names);
    if (result == OK)
        result = fs_path_exists(fs, path);
    if (result != ERR_MISSING)
        return result;
    result = fs_path_exists(fs, names.old);
    if (result == OK)
        result = fs_path_rename(fs, names.old, path);
    return result == OK ? keyring_folder_sync(fs, path) : result == ERR_MISSING ? OK : result;
}

// A file beside the former one may have got its name in memory only: the sync behind the rename failed, and
// what it lost no later sync brings back. So it is named once more before the former one goes; a crash
// between the two finds that one (keyring_rotation_undo).
static enum result name_again(struct fs *fs, const char *path, const struct names *names)
{
    enum result result = fs_path_exists(fs, names->old);
    if (result != OK)
        return result == ERR_MISSING ? OK : result;
    result = fs_path_rename(fs, path, names->fresh);
    if (result == OK)
        result = fs_path_rename(fs, names->fresh, path);
    return result == OK ? keyring_folder_sync(fs, path) : result;
}

enum result keyring_rotation_clear(struct fs *fs, const char *path)
{
    struct names names;
    enum result result = names_make(path, &names);
    if (result == OK)
        result = file_destroy(fs, names.fresh);
    if (result == OK)
        result = name_again(fs, path, &names);
    return result == OK ? file_destroy(fs, names.old) : result;
}

// With a sync after each step, so that a crash finds the old file in its place, the old one beside the new
// one (undone by the next opening), or the new one in its place.
static enum result files_exchange(struct fs *fs, const char *path, const struct names *names)
{
    enum result result = fs_path_rename(fs, path, names->old);
    if (result == OK)
        result = keyring_folder_sync(fs, path);
    if (result == OK)
        result = fs_path_rename(fs, names->fresh, path);
    if (result == OK)
        result = keyring_folder_sync(fs, path);
    return result == OK ? file_destroy(fs, names->old) : result;
}

enum result seal_keyring_rotate(struct fs *fs, const char *path, const struct seal_master *master,
                                const struct seal_master *fresh, struct seal_problem *problem)
{
    struct names names;
    struct seal_keyring *ring;
    if (names_make(path, &names) != OK)
        return fail(ERR_ARGUMENT, problem, path, "the name is too long");
    // For writing, so that what an earlier try has left is cleared away; its day makes no key.
    enum result result = seal_keyring_open(fs, path, master, 0, &ring, problem);
    if (result != OK)
        return result;
    result = seal_keyring_copy(ring, fs, names.fresh, fresh, problem);
    seal_keyring_free(ring);
    if (result != OK)
        return result;
    result = files_exchange(fs, path, &names);
    return result == OK ? OK : fail(result, problem, path, "can not be replaced");
}
