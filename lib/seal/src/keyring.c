// SPDX-License-Identifier: Apache-2.0
//
// The keyring while it is open; see seal/keyring.h and FORMAT.md. Opening and creating are in keyring_open.c.
// Owns the key file's handle, the unwrapped intermediate keys and the list of live slots. Thread: any, one
// mutex.
#include "keyring.h"

#include "base/checked.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "crypto.h"
#include "key.h"

#include <stdlib.h>
#include <string.h>

enum result array_reserve(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return OK;
    size_t wanted = *capacity < 16 ? 16 : *capacity * 2;
    size_t bytes;
    if (wanted < count)
        wanted = count;
    if (!checked_mul(wanted, size, &bytes))
        return ERR_NOMEM;
    // Not realloc(): what is left behind may hold keys.
    void *grown = calloc(1, bytes);
    if (grown == NULL)
        return ERR_NOMEM;
    if (*array != NULL) {
        memcpy(grown, *array, *capacity * size);
        wipe(*array, *capacity * size);
        free(*array);
    }
    *array = grown;
    *capacity = wanted;
    return OK;
}

// ---- slots ----

static uint64_t slot_offset(uint32_t index)
{
    return KEYFILE_PAGE + (uint64_t)index * KEYFILE_SLOT;
}

static enum result slot_write(struct seal_keyring *ring, uint32_t index, const struct slot *slot)
{
    uint8_t bytes[KEYFILE_SLOT];
    enum result result = keyfile_slot_encode(slot, bytes);
    if (result == OK)
        result = fs_file_write(ring->file, slot_offset(index), slice_of(bytes, sizeof bytes));
    return result;
}

// They have been overwritten, durably. A place that was the scene of a destruction may be used by another key
// from now on, so its old owner must not touch it again.
static void suspects_free(struct seal_keyring *ring)
{
    for (size_t i = 0; i < ring->entry_count; i++) {
        struct entry *entry = &ring->entries[i];
        if (entry->is_doomed && !entry->is_gone)
            entry->is_gone = ring->states[entry->index] == STATE_SUSPECT;
    }
    for (uint32_t i = 0; i < ring->slot_count; i++) {
        if (ring->states[i] == STATE_SUSPECT)
            ring->states[i] = STATE_FREE;
    }
    ring->suspects = 0;
}

// Makes all slot writes so far durable. A slot whose own write or sync failed before is overwritten in the
// same go, so that after an OK nothing in the file is in doubt. That is no repeated sync: the bytes are
// written anew (ENGINE 3).
static enum result slots_commit(struct seal_keyring *ring)
{
    bool is_any_suspect = ring->suspects > 0;
    for (uint32_t i = 0; is_any_suspect && i < ring->slot_count; i++) {
        if (ring->states[i] != STATE_SUSPECT)
            continue;
        enum result result = slot_write(ring, i, NULL);
        if (result != OK)
            return result;
    }
    enum result result = fs_file_datasync(ring->file);
    if (result == OK && is_any_suspect)
        suspects_free(ring);
    return result;
}

static void slot_suspect(struct seal_keyring *ring, uint32_t index)
{
    if (ring->states[index] != STATE_SUSPECT)
        ring->suspects++;
    ring->states[index] = STATE_SUSPECT;
    log_event(LOG_SEAL_SLOT_SUSPECT, log_number(index));
}

static enum result slots_grow(struct seal_keyring *ring)
{
    uint32_t count = ring->slot_count + KEYFILE_BLOCK_SLOTS;
    enum result result = array_reserve((void **)&ring->states, &ring->state_capacity, count, 1);
    if (result == OK)
        result = fs_file_allocate(ring->file, slot_offset(ring->slot_count),
                                  (uint64_t)KEYFILE_BLOCK_SLOTS * KEYFILE_SLOT);
    if (result != OK)
        return result;
    memset(ring->states + ring->slot_count, STATE_FREE, KEYFILE_BLOCK_SLOTS);
    ring->slot_count = count;
    return OK;
}

static enum result slot_find_free(struct seal_keyring *ring, uint32_t *index)
{
    for (uint32_t i = 0; i < ring->slot_count; i++) {
        if (ring->states[i] == STATE_FREE) {
            *index = i;
            return OK;
        }
    }
    *index = ring->slot_count;
    return slots_grow(ring);
}

enum result keyring_slot_put(struct seal_keyring *ring, const struct slot *slot, uint32_t *index)
{
    enum result result = slot_find_free(ring, index);
    if (result != OK)
        return result;
    ring->states[*index] = STATE_LIVE;
    result = slot_write(ring, *index, slot);
    if (result == OK)
        result = slots_commit(ring);
    if (result != OK)
        slot_suspect(ring, *index);
    return result;
}

// Overwrites a slot; on OK its key is gone for good.
static enum result slot_destroy(struct seal_keyring *ring, uint32_t index)
{
    enum result result = slot_write(ring, index, NULL);
    if (result == OK)
        result = slots_commit(ring);
    if (result == OK)
        ring->states[index] = STATE_FREE;
    else
        slot_suspect(ring, index);
    return result;
}

enum result keyring_suspects_erase(struct seal_keyring *ring)
{
    return slots_commit(ring);
}

// ---- intermediate keys ----

struct intermediate *keyring_intermediate_find(struct seal_keyring *ring, uint64_t id)
{
    for (size_t i = 0; i < ring->intermediate_count; i++) {
        if (ring->intermediates[i].id == id)
            return &ring->intermediates[i];
    }
    return NULL;
}

// The newest one of today, or a new one, durable.
static enum result intermediate_today(struct seal_keyring *ring, struct intermediate **out)
{
    struct intermediate *found = NULL;
    for (size_t i = 0; i < ring->intermediate_count; i++) {
        struct intermediate *at = &ring->intermediates[i];
        if (at->day == ring->day && (found == NULL || at->id > found->id))
            found = at;
    }
    *out = found;
    if (found != NULL)
        return OK;
    enum result result = array_reserve((void **)&ring->intermediates, &ring->intermediate_capacity,
                                       ring->intermediate_count + 1, sizeof ring->intermediates[0]);
    if (result != OK)
        return result;
    struct intermediate fresh = {.id = ring->next_id++, .day = ring->day};
    struct slot slot = {.kind = SLOT_INTERMEDIATE, .day = ring->day, .id = fresh.id};
    result = seal_random(fresh.key, sizeof fresh.key);
    if (result == OK)
        result = keyfile_slot_wrap(&slot, ring->file_id, ring->master, fresh.key);
    if (result == OK)
        result = keyring_slot_put(ring, &slot, &fresh.slot);
    if (result == OK) {
        *out = &ring->intermediates[ring->intermediate_count++];
        **out = fresh;
    }
    wipe(&fresh, sizeof fresh);
    return result;
}

// One whose day is over and that wraps nothing any more is destroyed. If that fails, the next commit or the
// next opening does it.
void keyring_intermediate_retire(struct seal_keyring *ring, struct intermediate *intermediate)
{
    if (intermediate == NULL || intermediate->live > 0 || intermediate->day == ring->day)
        return;
    uint32_t slot = intermediate->slot;
    struct intermediate *last = &ring->intermediates[--ring->intermediate_count];
    *intermediate = *last;
    wipe(last, sizeof *last);
    (void)slot_destroy(ring, slot);
}

void seal_keyring_day_set(struct seal_keyring *ring, uint32_t day)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    pthread_mutex_lock(&ring->mutex);
    bool is_new = ring->day != day && !ring->is_readonly;
    ring->day = day;
    for (size_t i = ring->intermediate_count; is_new && i > 0; i--)
        keyring_intermediate_retire(ring, &ring->intermediates[i - 1]);
    pthread_mutex_unlock(&ring->mutex);
}

// ---- segment keys ----

size_t keyring_entry_find(const struct seal_keyring *ring, uint16_t stream, uint32_t segment, bool *is_there)
{
    uint64_t wanted = (uint64_t)stream << 32 | segment;
    size_t low = 0;
    size_t high = ring->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct slot *at = &ring->entries[middle].slot;
        if (((uint64_t)at->stream << 32 | at->segment) < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    const struct slot *at = low < ring->entry_count ? &ring->entries[low].slot : NULL;
    *is_there = at != NULL && at->stream == stream && at->segment == segment;
    return low;
}

enum result keyring_entry_reserve(struct seal_keyring *ring)
{
    return array_reserve((void **)&ring->entries, &ring->entry_capacity, ring->entry_count + 1,
                         sizeof ring->entries[0]);
}

void keyring_entry_insert(struct seal_keyring *ring, size_t at, const struct slot *slot, uint32_t index)
{
    ensure(ring->entry_count < ring->entry_capacity);
    memmove(ring->entries + at + 1, ring->entries + at, (ring->entry_count - at) * sizeof ring->entries[0]);
    ring->entries[at] = (struct entry){.slot = *slot, .index = index};
    ring->entry_count++;
}

static void entry_remove(struct seal_keyring *ring, size_t at)
{
    ring->entry_count--;
    memmove(ring->entries + at, ring->entries + at + 1, (ring->entry_count - at) * sizeof ring->entries[0]);
    wipe(&ring->entries[ring->entry_count], sizeof ring->entries[0]);
}

// Under the mutex. The key object is made first, so that nothing can fail once the slot is durable.
static enum result segment_key_make(struct seal_keyring *ring, const uint8_t key[SEAL_KEY_SIZE],
                                    uint16_t stream, uint32_t segment)
{
    bool is_there;
    size_t at = keyring_entry_find(ring, stream, segment, &is_there);
    if (is_there)
        return ERR_EXISTS;
    enum result result = keyring_entry_reserve(ring);
    if (result != OK)
        return result;
    struct intermediate *intermediate;
    result = intermediate_today(ring, &intermediate);
    if (result != OK)
        return result;
    struct slot slot = {.kind = SLOT_SEGMENT, .stream = stream, .segment = segment, .day = ring->day};
    slot.id = ring->next_id++;
    slot.wrapped_by = intermediate->id;
    result = keyfile_slot_wrap(&slot, ring->file_id, intermediate->key, key);
    uint32_t index;
    if (result == OK)
        result = keyring_slot_put(ring, &slot, &index);
    if (result != OK)
        return result;
    keyring_entry_insert(ring, at, &slot, index);
    intermediate->live++;
    return OK;
}

enum result seal_keyring_segment_key_new(struct seal_keyring *ring, uint16_t stream, uint32_t segment,
                                         struct seal_key **out)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    if (ring->is_readonly)
        return ERR_REFUSED;
    uint8_t bytes[SEAL_KEY_SIZE];
    enum result result = seal_random(bytes, sizeof bytes);
    if (result != OK)
        return result;
    struct seal_key *key;
    result = seal_key_make(stream, segment, bytes, true, &key);
    if (result == OK) {
        pthread_mutex_lock(&ring->mutex);
        result = segment_key_make(ring, bytes, stream, segment);
        pthread_mutex_unlock(&ring->mutex);
        if (result == OK)
            *out = key;
        else
            seal_key_unref(key);
    }
    wipe(bytes, sizeof bytes);
    return result;
}

enum result seal_keyring_segment_key_get(struct seal_keyring *ring, uint16_t stream, uint32_t segment,
                                         struct seal_key **out)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    uint8_t bytes[SEAL_KEY_SIZE];
    enum result result = ERR_MISSING;
    pthread_mutex_lock(&ring->mutex);
    bool is_there;
    size_t at = keyring_entry_find(ring, stream, segment, &is_there);
    if (is_there && !ring->entries[at].is_doomed) {
        const struct slot *slot = &ring->entries[at].slot;
        const struct intermediate *intermediate = keyring_intermediate_find(ring, slot->wrapped_by);
        result = intermediate == NULL ? ERR_CRYPTO
                                      : keyfile_slot_unwrap(slot, ring->file_id, intermediate->key, bytes);
    }
    pthread_mutex_unlock(&ring->mutex);
    if (result == OK)
        result = seal_key_make(stream, segment, bytes, false, out);
    wipe(bytes, sizeof bytes);
    return result;
}

static enum result segment_key_destroy(struct seal_keyring *ring, uint16_t stream, uint32_t segment)
{
    bool is_there;
    size_t at = keyring_entry_find(ring, stream, segment, &is_there);
    if (!is_there)
        return ERR_MISSING;
    struct entry *entry = &ring->entries[at];
    entry->is_doomed = true;
    enum result result = entry->is_gone ? OK : slot_destroy(ring, entry->index);
    if (result != OK)
        return result;
    struct intermediate *intermediate = keyring_intermediate_find(ring, entry->slot.wrapped_by);
    entry_remove(ring, at);
    if (intermediate != NULL)
        intermediate->live--;
    keyring_intermediate_retire(ring, intermediate);
    return OK;
}

enum result seal_keyring_segment_key_destroy(struct seal_keyring *ring, uint16_t stream, uint32_t segment)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    if (ring->is_readonly)
        return ERR_REFUSED;
    pthread_mutex_lock(&ring->mutex);
    enum result result = segment_key_destroy(ring, stream, segment);
    pthread_mutex_unlock(&ring->mutex);
    return result;
}

// ---- looking ----

enum result seal_keyring_segments(struct seal_keyring *ring, struct seal_segment_id **out, size_t *count)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    pthread_mutex_lock(&ring->mutex);
    struct seal_segment_id *ids = calloc(ring->entry_count + 1, sizeof *ids);
    size_t found = 0;
    for (size_t i = 0; ids != NULL && i < ring->entry_count; i++) {
        const struct slot *slot = &ring->entries[i].slot;
        ids[found++] = (struct seal_segment_id){.segment = slot->segment, .stream = slot->stream};
    }
    pthread_mutex_unlock(&ring->mutex);
    if (ids == NULL)
        return ERR_NOMEM;
    *out = ids;
    *count = found;
    return OK;
}

void seal_keyring_counts_get(struct seal_keyring *ring, struct seal_keyring_counts *counts)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    pthread_mutex_lock(&ring->mutex);
    *counts = (struct seal_keyring_counts){
        .slots = ring->slot_count,
        .intermediate_keys = ring->intermediate_count,
        .segment_keys = ring->entry_count,
    };
    for (uint32_t i = 0; i < ring->slot_count; i++)
        counts->damaged += ring->states[i] == STATE_DAMAGED;
    pthread_mutex_unlock(&ring->mutex);
}

void seal_keyring_free(struct seal_keyring *ring)
{
    if (ring == NULL)
        return;
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    fs_file_close(&ring->file);
    if (ring->intermediates != NULL)
        wipe(ring->intermediates, ring->intermediate_capacity * sizeof ring->intermediates[0]);
    free(ring->intermediates);
    if (ring->lastings != NULL)
        wipe(ring->lastings, ring->lasting_capacity * sizeof ring->lastings[0]);
    free(ring->lastings);
    free(ring->entries);
    free(ring->states);
    (void)pthread_mutex_destroy(&ring->mutex);
    wipe(ring, sizeof *ring);
    free(ring);
}
