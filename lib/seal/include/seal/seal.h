// SPDX-License-Identifier: Apache-2.0
// Sealing: AES-256-GCM (NIST SP 800-38D) under the key of one journal segment (ENGINE 2), and keyed hashes.
//
// A `struct seal_key` comes from the keyring. One that was made in this life by
// seal_keyring_segment_key_new() can seal, and then belongs to one thread for sealing: its worker. Every
// other can only open. Opening may happen on any number of threads at once, each with its own `struct
// seal_cipher`.
//
// Nonce (96 bits, SP 800-38D 8.2.1): 4 zero bytes, then a 64-bit counter, big endian. A counter value is
// spent when it is taken, whether or not the write succeeds, and serves one seal; a second seal with it, or
// with an older one, stops the program. Keys of an earlier life never seal, so a counter needs no storage.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "seal/master.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEAL_TAG_SIZE  16
#define SEAL_HASH_SIZE 32

struct seal_key;

struct seal_key *seal_key_ref(struct seal_key *key);

// Gives one reference back; the last one wipes. NULL is fine.
void seal_key_unref(struct seal_key *key);

// Spends the next counter value: 1, 2, 3… Only for a key that can seal, on the thread that seals.
uint64_t seal_key_nonce_take(struct seal_key *key);

// A reusable cipher, one per thread (or per thread and stream: changing the key costs a key schedule). No
// call below allocates once its key is set.
struct seal_cipher;

MUST_USE enum result seal_cipher_new(struct seal_cipher **out);
void seal_cipher_free(struct seal_cipher *cipher);

// Seals `count` slices, one after the other, into `out`, which has room for the sum of their lengths
// (ciphertext is as long as plaintext), and writes the tag. `out` may be the very memory of a slice that it
// would come from (in place), else must not overlap. `nonce` was taken from `key` and is used once.
// ERR_CRYPTO if the library fails.
MUST_USE enum result seal_seal(struct seal_cipher *cipher, struct seal_key *key, uint64_t nonce,
                               struct slice aad, const struct slice *parts, size_t count, uint8_t *out,
                               uint8_t tag[SEAL_TAG_SIZE]);

// Opens. `out` has room for `sealed.length` bytes and may be the same memory. ERR_CRYPTO if key, nonce,
// additional data, ciphertext or tag do not belong together; `out` is wiped then.
MUST_USE enum result seal_open(struct seal_cipher *cipher, struct seal_key *key, uint64_t nonce,
                               struct slice aad, struct slice sealed, const uint8_t tag[SEAL_TAG_SIZE],
                               uint8_t *out);

// A keyed hash; made by seal_keyring_hash_new() (seal/lasting.h).
struct seal_hash;

void seal_hash_free(struct seal_hash *hash);
MUST_USE enum result seal_hash_of(struct seal_hash *hash, struct slice bytes, uint8_t out[SEAL_HASH_SIZE]);

// Cryptographic random bytes, for identifiers. The simulator does not replace them: no history may depend on
// them.
MUST_USE enum result seal_random(uint8_t *out, size_t length);
