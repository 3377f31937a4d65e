// SPDX-License-Identifier: Apache-2.0
// The key file: one fixed slot for each intermediate key (wrapped under the master key, RFC 3394) and each
// segment key (wrapped under an intermediate key and bound to its stream and segment). lib/seal/FORMAT.md has
// every byte. To destroy a key is to overwrite its slot and sync (ENGINE 4).
//
// Lasting keys, under the master key too, are in seal/lasting.h.
//
// Any thread: a mutex inside. Calls that change the file wait for the disk, so disk, ledger and main threads
// only (ENGINE 1); a worker gets the key object by message. One process at a time opens a key file for
// writing (the daemon locks its data folder).
#pragma once

#include "base/result.h"
#include "fs/fs.h"
#include "seal/master.h"
#include "seal/seal.h"

#include <stddef.h>
#include <stdint.h>

struct seal_keyring;

struct seal_segment_id {
    uint32_t segment; // 1..
    uint16_t stream;
};

struct seal_keyring_counts {
    size_t slots;
    size_t intermediate_keys;
    size_t segment_keys;
    size_t damaged; // slots that are neither free nor readable; never used again, to be reported
};

// Makes a new, empty key file (`dicomgate key init`). ERR_EXISTS: never overwrites one. A crash leaves the
// whole file or none.
MUST_USE enum result seal_keyring_create(struct fs *fs, const char *path, const struct seal_master *master,
                                         struct seal_problem *problem);

// Opens. `day` is today, in days since 1970-01-01 UTC, and becomes the creation day of an intermediate key
// that has to be made; none is made before the first segment key needs it. Intermediate keys of other days
// without a live segment key are destroyed; what a rotation that did not end has left is cleared away. `fs`
// is borrowed until seal_keyring_free(); the master key only during the call. ERR_MISSING; ERR_FORMAT: not a
// key file, or its header is damaged; ERR_CRYPTO: another master key; ERR_IO.
MUST_USE enum result seal_keyring_open(struct fs *fs, const char *path, const struct seal_master *master,
                                       uint32_t day, struct seal_keyring **out, struct seal_problem *problem);

// The same without any change to the file, for tools; segment_key_new and _destroy are then ERR_REFUSED.
MUST_USE enum result seal_keyring_open_readonly(struct fs *fs, const char *path,
                                                const struct seal_master *master, struct seal_keyring **out,
                                                struct seal_problem *problem);

// It is another day now (days since 1970-01-01 UTC): the next segment key gets an intermediate key of that
// day, and those of other days without a live segment key are destroyed. The same day again does nothing.
void seal_keyring_day_set(struct seal_keyring *ring, uint32_t day);

// Writes all live keys to a new key file, wrapped under `master` (NULL: the ring's own); durable with its
// name on OK. The backup of a key file is such a copy: it opens with the master key alone and can be put in
// the place of the original. Keys that are destroyed later live on in it. `to` may be another file system.
// Damaged slots are left out: seal_keyring_is_sound(). ERR_EXISTS: the name is taken; ERR_IO, ERR_SPACE:
// nothing is left of it.
MUST_USE enum result seal_keyring_copy(struct seal_keyring *ring, struct fs *to, const char *path,
                                       const struct seal_master *master, struct seal_problem *problem);

// The same, of the keys of those segments that `is_kept` names: a backup that is put back must not bring keys
// of segments that have gone since.
MUST_USE enum result seal_keyring_copy_some(struct seal_keyring *ring, struct fs *to, const char *path,
                                            bool (*is_kept)(void *arg, uint16_t stream, uint32_t segment),
                                            void *arg, struct seal_problem *problem);

// No slot is damaged and every segment key opens. A ring that was opened beside a writer may look unsound
// once, where a slot was being written: open it again.
bool seal_keyring_is_sound(struct seal_keyring *ring);

// Changes the master key of a key file that nobody has open (`dicomgate key rotate`): on OK it opens with
// `fresh` alone, and no trace of the wrapping under `master` is left in the folder. After a failure or crash
// at any step it opens with one of the two, and has all its keys; opening it clears the rest away.
MUST_USE enum result seal_keyring_rotate(struct fs *fs, const char *path, const struct seal_master *master,
                                         const struct seal_master *fresh, struct seal_problem *problem);

// Keys that were given out stay valid. NULL is fine.
void seal_keyring_free(struct seal_keyring *ring);

// Makes the key of a new segment, durable before this returns. `*out` is a reference for the caller; it can
// seal. ERR_EXISTS: this segment has a key (a segment number is used once). After ERR_IO or ERR_SPACE the
// segment must be given up: whether its key is in the file is not known until the next opening.
MUST_USE enum result seal_keyring_segment_key_new(struct seal_keyring *ring, uint16_t stream,
                                                  uint32_t segment, struct seal_key **out);

// A new reference that can open only. ERR_MISSING: there is none, or it was destroyed. ERR_CRYPTO: the slot
// was tampered with, or moved. Reads nothing from the disk, but
// may wait until another call's sync is over.
MUST_USE enum result seal_keyring_segment_key_get(struct seal_keyring *ring, uint16_t stream,
                                                  uint32_t segment, struct seal_key **out);

// Overwrites the slot and syncs; on OK the key can not come back, and key objects that are still held are the
// last copies. Destroys the intermediate key too if this was its last segment key and it is not today's.
// ERR_MISSING: no such key. ERR_IO: not known to be destroyed; _get answers ERR_MISSING from now on, and
// calling again writes anew.
MUST_USE enum result seal_keyring_segment_key_destroy(struct seal_keyring *ring, uint16_t stream,
                                                      uint32_t segment);

// The live segment keys, in order of stream and segment, for recovery to compare with the files: a key
// without a file is to be destroyed. The array is the caller's, to free().
MUST_USE enum result seal_keyring_segments(struct seal_keyring *ring, struct seal_segment_id **out,
                                           size_t *count);

void seal_keyring_counts_get(struct seal_keyring *ring, struct seal_keyring_counts *counts);
