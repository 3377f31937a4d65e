// SPDX-License-Identifier: Apache-2.0
// Lasting keys: for what stays for years and must be found and opened then. Each is 32 random bytes of its
// own in the key file, wrapped under the master key (FORMAT.md): another master key wraps it anew and changes
// nothing that was made with it; a copy of the key file has it; it is never destroyed.
//
// From one come the keys of keyed hashes (by a label) and sealing keys (by a seed), both by HKDF (RFC 5869).
// A store that depends on one keeps a hash of a known text, so that a key file that has lost it is noticed.
//
// Thread: as the keyring; what changes the file waits for the disk.
#pragma once

#include "seal/keyring.h"

// Numbers in the key file: never used for another thing.
enum seal_lasting {
    SEAL_LASTING_LOOKUP = 1,    // keyed hashes
    SEAL_LASTING_CROSSWALK = 2, // values of the crosswalk
    SEAL_LASTING_EVIDENCE = 3,  // evidence of edits in the ledger
};

#define SEAL_SEED_SIZE 16

// Keyed hash for look-ups of what must not be stored clear (patient IDs): HMAC-SHA-256. Same key file and
// label, same hashes, for ever. One object per thread; a hash allocates nothing. The lasting key is made,
// durable, when it is first asked for. ERR_MISSING: a read-only ring, and there is none; ERR_ARGUMENT: label
// too long; ERR_IO, ERR_SPACE.
MUST_USE enum result seal_keyring_hash_new(struct seal_keyring *ring, const char *label,
                                           struct seal_hash **out);
// For whoever has hashes stored already. ERR_MISSING: the lasting key that they were made with is lost.
MUST_USE enum result seal_keyring_hash_get(struct seal_keyring *ring, const char *label,
                                           struct seal_hash **out);

// A fresh sealing key for values that outlive this process: to be stored beside them are its seed (not
// secret) and the nonce of each. It can seal, on one thread. Made and failing as above.
MUST_USE enum result seal_keyring_sealing_key_new(struct seal_keyring *ring, enum seal_lasting which,
                                                  uint8_t seed[SEAL_SEED_SIZE], struct seal_key **out);
// The same key from its seed; it can open only. ERR_MISSING: the lasting key that it came from is lost.
MUST_USE enum result seal_keyring_sealing_key_get(struct seal_keyring *ring, enum seal_lasting which,
                                                  const uint8_t seed[SEAL_SEED_SIZE], struct seal_key **out);

// Whether the key file has this one: what is sealed by it was made once. Makes nothing.
bool seal_keyring_lasting_has(struct seal_keyring *ring, enum seal_lasting which);

// Whether `copy` has every lasting key of `ring`, with the same bytes. Both are read without their locks: no
// other thread may use them meanwhile.
bool seal_keyring_lasting_is_in(struct seal_keyring *ring, struct seal_keyring *copy);
