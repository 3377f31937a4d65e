// SPDX-License-Identifier: Apache-2.0
//
// Creating and opening the key file; see seal/keyring.h and FORMAT.md. Thread: main.
#include "keyring.h"

#include "base/log.h"
#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crypto.h"

#include <stdlib.h>
#include <string.h>

static enum result fail(enum result result, struct seal_problem *problem, const char *path, const char *what)
{
    if (problem != NULL)
        (void)text_format(problem->text, sizeof problem->text, "key file %s: %s", path, what);
    return result;
}

// ---- creating ----

static enum result file_fill(struct fs_file *file, const struct seal_master *master)
{
    uint8_t page[KEYFILE_PAGE];
    uint8_t file_id[KEYFILE_ID];
    enum result result = seal_random(file_id, sizeof file_id);
    if (result == OK)
        result = keyfile_header_make(seal_master_key(master), file_id, page);
    if (result == OK)
        result = fs_file_allocate(file, 0, KEYFILE_PAGE + (uint64_t)KEYFILE_BLOCK_SLOTS * KEYFILE_SLOT);
    if (result == OK)
        result = fs_file_write(file, 0, slice_of(page, sizeof page));
    if (result == OK)
        result = fs_file_datasync(file);
    return result;
}

// Under a name of its own until all of it is durable, so that a crash leaves a whole key file or none.
enum result seal_keyring_create(struct fs *fs, const char *path, const struct seal_master *master,
                                struct seal_problem *problem)
{
    char fresh[FS_PATH_MAX + 1];
    if (!text_format(fresh, sizeof fresh, "%s" KEYRING_FRESH, path))
        return fail(ERR_ARGUMENT, problem, path, "the name is too long");
    enum result result = fs_path_exists(fs, path);
    if (result == OK)
        return fail(ERR_EXISTS, problem, path, "exists; a key file is never overwritten");
    if (result != ERR_MISSING)
        return fail(result, problem, path, "can not be looked up");
    result = fs_path_unlink(fs, fresh); // what a failure or crash left
    struct fs_file *file = NULL;
    if (result == OK || result == ERR_MISSING)
        result = fs_file_create(fs, fresh, &file);
    if (result != OK)
        return fail(result, problem, path, "can not be created");
    result = file_fill(file, master);
    fs_file_close(&file);
    if (result == OK)
        result = fs_path_rename(fs, fresh, path);
    if (result != OK)
        return fail(result, problem, path, "can not be written");
    result = keyring_folder_sync(fs, path);
    return result == OK ? OK : fail(result, problem, path, "its folder can not be synced");
}

// ---- opening ----

static void slot_suspect(struct seal_keyring *ring, uint32_t index)
{
    ring->states[index] = STATE_SUSPECT;
    ring->suspects++;
}

static void slot_damaged(struct seal_keyring *ring, uint32_t index)
{
    ring->states[index] = STATE_DAMAGED;
    log_event(LOG_SEAL_SLOT_DAMAGED, log_number(index));
}

static enum result intermediate_load(struct seal_keyring *ring, const struct slot *slot, uint32_t index)
{
    enum result result = array_reserve((void **)&ring->intermediates, &ring->intermediate_capacity,
                                       ring->intermediate_count + 1, sizeof ring->intermediates[0]);
    if (result != OK)
        return result;
    struct intermediate *at = &ring->intermediates[ring->intermediate_count];
    *at = (struct intermediate){.id = slot->id, .day = slot->day, .slot = index};
    if (keyfile_slot_unwrap(slot, ring->file_id, ring->master, at->key) == OK)
        ring->intermediate_count++;
    else
        slot_damaged(ring, index);
    return OK;
}

// Of two slots for one lasting key the one with the higher id was handed out: the other's creation had
// failed.
static enum result lasting_load(struct seal_keyring *ring, const struct slot *slot, uint32_t index)
{
    struct lasting fresh = {.id = slot->id, .which = slot->segment, .slot = index};
    enum result result = keyring_lasting_reserve(ring);
    if (result != OK)
        return result;
    if (keyfile_slot_unwrap(slot, ring->file_id, ring->master, fresh.key) != OK) {
        slot_damaged(ring, index);
        return OK;
    }
    struct lasting *other = keyring_lasting_find(ring, fresh.which);
    if (other == NULL) {
        ring->lastings[ring->lasting_count++] = fresh;
    } else if (fresh.id < other->id) {
        slot_suspect(ring, index);
    } else {
        slot_suspect(ring, other->slot);
        *other = fresh;
    }
    wipe(&fresh, sizeof fresh);
    return OK;
}

// Of two slots for one segment the one with the higher id was handed out: the other's creation had failed.
static enum result segment_load(struct seal_keyring *ring, const struct slot *slot, uint32_t index)
{
    enum result result = keyring_entry_reserve(ring);
    if (result != OK)
        return result;
    bool is_there;
    size_t at = keyring_entry_find(ring, slot->stream, slot->segment, &is_there);
    if (!is_there) {
        keyring_entry_insert(ring, at, slot, index);
        return OK;
    }
    struct entry *other = &ring->entries[at];
    if (slot->id < other->slot.id) {
        slot_suspect(ring, index);
        return OK;
    }
    slot_suspect(ring, other->index);
    *other = (struct entry){.slot = *slot, .index = index};
    return OK;
}

static enum result slot_load(struct seal_keyring *ring, uint32_t index)
{
    uint8_t bytes[KEYFILE_RECORD];
    size_t got;
    enum result result =
        fs_file_read(ring->file, KEYFILE_PAGE + (uint64_t)index * KEYFILE_SLOT, bytes, sizeof bytes, &got);
    if (result != OK)
        return result;
    if (got != sizeof bytes)
        return ERR_IO;
    struct slot slot;
    if (keyfile_slot_decode(bytes, &slot) != OK) {
        slot_damaged(ring, index);
        return OK;
    }
    if (slot.id >= ring->next_id)
        ring->next_id = slot.id + 1;
    ring->states[index] = slot.kind == SLOT_NONE ? STATE_FREE : STATE_LIVE;
    // It may be a write whose sync failed in an earlier life: the cache shows it, the disk never gets it, and
    // a sync alone would not change that (ENGINE 3). The same bytes again, then a sync: what is read now
    // stays, be it a key or its destruction.
    if (!ring->is_readonly) {
        result = fs_file_write(ring->file, KEYFILE_PAGE + (uint64_t)index * KEYFILE_SLOT,
                               slice_of(bytes, sizeof bytes));
        if (result != OK)
            return result;
        ring->has_rewritten = true;
    }
    if (slot.kind == SLOT_INTERMEDIATE)
        return intermediate_load(ring, &slot, index);
    if (slot.kind == SLOT_LASTING)
        return lasting_load(ring, &slot, index);
    return slot.kind == SLOT_SEGMENT ? segment_load(ring, &slot, index) : OK;
}

static enum result slots_load(struct seal_keyring *ring)
{
    uint64_t size;
    enum result result = fs_file_size(ring->file, &size);
    if (result != OK)
        return result;
    if (size < KEYFILE_PAGE + (uint64_t)KEYFILE_BLOCK_SLOTS * KEYFILE_SLOT)
        return ERR_FORMAT; // never that short since it was made
    uint64_t count = (size - KEYFILE_PAGE) / KEYFILE_SLOT;
    if (count > UINT32_MAX - KEYFILE_BLOCK_SLOTS)
        return ERR_FORMAT;
    result = array_reserve((void **)&ring->states, &ring->state_capacity, (size_t)count, 1);
    if (result != OK)
        return result;
    ring->slot_count = (uint32_t)count;
    for (uint32_t i = 0; i < ring->slot_count && result == OK; i++)
        result = slot_load(ring, i);
    if (result == OK && ring->has_rewritten)
        result = fs_file_datasync(ring->file);
    return result;
}

// Counts what is alive under each intermediate key, and destroys those of other days under which there is
// nothing.
static enum result intermediates_settle(struct seal_keyring *ring)
{
    for (size_t i = 0; i < ring->entry_count; i++) {
        struct intermediate *at = keyring_intermediate_find(ring, ring->entries[i].slot.wrapped_by);
        if (at != NULL)
            at->live++;
    }
    if (ring->is_readonly)
        return OK;
    for (size_t i = ring->intermediate_count; i > 0; i--)
        keyring_intermediate_retire(ring, &ring->intermediates[i - 1]);
    return ring->suspects > 0 ? keyring_suspects_erase(ring) : OK;
}

static enum result header_load(struct seal_keyring *ring, const struct seal_master *master, const char *path,
                               struct seal_problem *problem)
{
    uint8_t page[KEYFILE_PAGE];
    size_t got;
    enum result result = fs_file_read(ring->file, 0, page, sizeof page, &got);
    if (result != OK)
        return fail(result, problem, path, "can not be read");
    result = got == sizeof page ? keyfile_header_read(master, page, ring->file_id) : ERR_FORMAT;
    if (result == ERR_FORMAT)
        return fail(result, problem, path, "not a key file of this version, or its header is damaged");
    if (result == ERR_CRYPTO)
        return fail(result, problem, path, "was made with another master key");
    return result == OK ? OK : fail(result, problem, path, result_text(result));
}

static enum result ring_load(struct seal_keyring *ring, struct fs *fs, const char *path,
                             const struct seal_master *master, struct seal_problem *problem)
{
    enum result result = ring->is_readonly ? OK : keyring_rotation_undo(fs, path);
    if (result == OK)
        result = fs_file_open(fs, path, ring->is_readonly ? FS_READ : FS_WRITE, &ring->file);
    if (result != OK)
        return fail(result, problem, path,
                    result == ERR_MISSING ? "does not exist; make one with `dicomgate key init`"
                                          : "can not be opened");
    result = header_load(ring, master, path, problem);
    if (result != OK)
        return result;
    memcpy(ring->master, seal_master_key(master), SEAL_KEY_SIZE);
    result = slots_load(ring);
    if (result == OK)
        result = intermediates_settle(ring);
    if (result == OK && !ring->is_readonly)
        result = keyring_rotation_clear(fs, path);
    if (result == ERR_FORMAT)
        return fail(result, problem, path,
                    "is cut short or has grown without end; bring it back from a backup");
    return result == OK ? OK : fail(result, problem, path, "its slots can not be read or put in order");
}

static enum result ring_open(struct fs *fs, const char *path, const struct seal_master *master, uint32_t day,
                             bool is_readonly, struct seal_keyring **out, struct seal_problem *problem)
{
    struct seal_keyring *ring = calloc(1, sizeof *ring);
    if (ring == NULL || pthread_mutex_init(&ring->mutex, NULL) != 0) {
        free(ring);
        return fail(ERR_NOMEM, problem, path, "out of memory");
    }
    MAGIC_INIT(ring, KEYRING_MAGIC);
    ring->is_readonly = is_readonly;
    ring->day = day;
    ring->next_id = 1;
    enum result result = ring_load(ring, fs, path, master, problem);
    if (result == OK)
        *out = ring;
    else
        seal_keyring_free(ring);
    return result;
}

enum result seal_keyring_open(struct fs *fs, const char *path, const struct seal_master *master, uint32_t day,
                              struct seal_keyring **out, struct seal_problem *problem)
{
    return ring_open(fs, path, master, day, false, out, problem);
}

enum result seal_keyring_open_readonly(struct fs *fs, const char *path, const struct seal_master *master,
                                       struct seal_keyring **out, struct seal_problem *problem)
{
    return ring_open(fs, path, master, 0, true, out, problem);
}
