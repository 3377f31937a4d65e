// SPDX-License-Identifier: Apache-2.0
//
// The inside of a segment key. Private to lib/seal.
#pragma once

#include "seal/seal.h"

#include <stdatomic.h>

// Immutable but for the references and, on the sealing thread, the nonces.
struct seal_key {
    uint32_t magic;
    atomic_uint references;
    uint64_t serial; // unique in this process: how a cipher knows which key it is set to
    uint32_t segment;
    uint16_t stream;
    bool can_seal;
    uint64_t nonce_next;  // the next one to be spent
    uint64_t nonce_floor; // everything below has been used, or passed over
    uint8_t key[SEAL_KEY_SIZE];
};

MUST_USE enum result seal_key_make(uint16_t stream, uint32_t segment, const uint8_t key[SEAL_KEY_SIZE],
                                   bool can_seal, struct seal_key **out);

void seal_key_check(const struct seal_key *key);
