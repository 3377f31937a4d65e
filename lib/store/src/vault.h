// SPDX-License-Identifier: Apache-2.0
//
// Sealed values in a database: writer (4 bytes, big endian), nonce (8, the same), ciphertext, tag (16). A
// writer is one process life: its key comes from a lasting key and a seed that stands in a database of
// writers, and only that life seals with it, so a counter is a nonce that is never used twice. Additional
// data: the number of the database and the key, so that a value opens in its place only.
//
// Thread: one at a time; those that seal in one environment are one thread.
#pragma once

#include "seal/lasting.h"
#include "store/kv.h"

#define VAULT_OVERHEAD (4u + 8u + SEAL_TAG_SIZE)
#define VAULT_KEY_MAX  64u
#define VAULT_KEYS     8

struct vault {
    struct seal_keyring *keyring;
    enum seal_lasting lasting;
    unsigned writers; // the database: writer to seed
    struct seal_cipher *cipher;
    struct seal_key *key; // of this life; NULL: it has sealed nothing
    uint8_t seed[SEAL_SEED_SIZE];
    uint32_t writer;
    struct vault_held {
        uint32_t writer;
        struct seal_key *key;
    } held[VAULT_KEYS]; // to open with
    size_t next;
};

// The keyring is borrowed. ERR_NOMEM, ERR_CRYPTO: there is nothing to end.
MUST_USE enum result vault_init(struct vault *vault, struct seal_keyring *keyring, enum seal_lasting lasting,
                                unsigned writers);
void vault_fini(struct vault *vault); // of zeros: nothing

// Seals into `memory` (VAULT_OVERHEAD more than `plain`) and puts. ERR_IO, ERR_SPACE of the key file, and
// what kv_put() says.
MUST_USE enum result vault_put(struct vault *vault, struct kv_transaction *transaction, unsigned database,
                               struct slice key, struct slice plain, uint8_t *memory);
// Into `plain`, of `capacity` bytes. ERR_CRYPTO: changed, moved, or its key is lost; ERR_FORMAT.
MUST_USE enum result vault_open(struct vault *vault, struct kv_transaction *transaction, unsigned database,
                                struct slice key, struct slice sealed, uint8_t *plain, size_t capacity,
                                size_t *length);
