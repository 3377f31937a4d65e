// SPDX-License-Identifier: Apache-2.0
//
// The inside of the keyring, shared by keyring.c (while open) and keyring_open.c (creating and opening).
// Private to lib/seal.
#pragma once

#include "keyfile.h"
#include "seal/keyring.h"

#include <pthread.h>

#define KEYRING_MAGIC 0x53524e47u // "SRNG"

enum slot_state {
    STATE_FREE,
    STATE_LIVE,
    STATE_SUSPECT, // a write or sync of it failed: to be overwritten by the next commit
    STATE_DAMAGED, // unreadable when the file was opened: never touched
};

// An intermediate key, unwrapped.
struct intermediate {
    uint64_t id;
    uint32_t day;
    uint32_t slot;
    size_t live; // segment keys under it
    uint8_t key[SEAL_KEY_SIZE];
};

// A lasting key, unwrapped.
struct lasting {
    uint64_t id;
    uint32_t which; // enum seal_lasting, or of a later program
    uint32_t slot;
    uint8_t key[SEAL_KEY_SIZE];
};

// A segment key, wrapped.
struct entry {
    struct slot slot;
    uint32_t index;
    bool is_doomed; // its destruction has begun
    bool is_gone;   // the slot was overwritten after the destruction had failed; it belongs to others now
};

struct seal_keyring {
    uint32_t magic;
    bool is_readonly;
    pthread_mutex_t mutex; // guards all below
    uint32_t day;
    struct fs_file *file;
    uint8_t file_id[KEYFILE_ID];
    uint8_t master[SEAL_KEY_SIZE];
    uint64_t next_id;
    uint8_t *states; // enum slot_state of each slot
    size_t state_capacity;
    uint32_t slot_count;
    uint32_t suspects;
    bool has_rewritten;                 // opening has written live slots anew
    struct intermediate *intermediates; // a handful: one a day
    size_t intermediate_count;
    size_t intermediate_capacity;
    struct lasting *lastings; // one or two
    size_t lasting_count;
    size_t lasting_capacity;
    struct entry *entries; // in order of stream and segment
    size_t entry_count;
    size_t entry_capacity;
};

// Room for `count` elements; what is given up is wiped.
MUST_USE enum result array_reserve(void **array, size_t *capacity, size_t count, size_t size);

struct intermediate *keyring_intermediate_find(struct seal_keyring *ring, uint64_t id);
void keyring_intermediate_retire(struct seal_keyring *ring, struct intermediate *intermediate);

struct lasting *keyring_lasting_find(const struct seal_keyring *ring, uint32_t which);
MUST_USE enum result keyring_lasting_reserve(struct seal_keyring *ring);
// Writes a live slot into a free place, durable on OK.
MUST_USE enum result keyring_slot_put(struct seal_keyring *ring, const struct slot *slot, uint32_t *index);

// Where the segment is, or belongs.
size_t keyring_entry_find(const struct seal_keyring *ring, uint16_t stream, uint32_t segment, bool *is_there);
MUST_USE enum result keyring_entry_reserve(struct seal_keyring *ring);
void keyring_entry_insert(struct seal_keyring *ring, size_t at, const struct slot *slot, uint32_t index);

// Makes every slot that was marked STATE_SUSPECT free, durably.
MUST_USE enum result keyring_suspects_erase(struct seal_keyring *ring);

// ---- keyring_copy.c: names beside the key file while its master key changes

#define KEYRING_FRESH ".new" // not used yet: not complete, or not put in place
#define KEYRING_OLD   ".old" // under the former master key

MUST_USE enum result keyring_folder_sync(struct fs *fs, const char *path);
// Before opening: a rotation that was cut between its two renamings is undone.
MUST_USE enum result keyring_rotation_undo(struct fs *fs, const char *path);
// Once the key file opens: destroys what lies beside it.
MUST_USE enum result keyring_rotation_clear(struct fs *fs, const char *path);
