// SPDX-License-Identifier: Apache-2.0
//
// The few primitives that the key file and the hashes are made of, over libcrypto. Private to lib/seal.
// Thread: any.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "seal/master.h"

#include <stddef.h>
#include <stdint.h>

#define CRYPTO_WRAP_OVERHEAD 8

struct seal_master {
    uint32_t magic;
    uint8_t key[SEAL_KEY_SIZE];
};

const uint8_t *seal_master_key(const struct seal_master *master);

// HKDF-SHA-256 (RFC 5869) without salt; `label` is the info.
MUST_USE enum result crypto_derive(const uint8_t key[SEAL_KEY_SIZE], struct slice label,
                                   uint8_t out[SEAL_KEY_SIZE]);

// HMAC-SHA-256.
MUST_USE enum result crypto_hmac(const uint8_t key[SEAL_KEY_SIZE], struct slice bytes, uint8_t out[32]);

// AES-256 key wrap (RFC 3394 2.2.1): `in` is 16 bytes or more, a multiple of 8; `out` takes 8 bytes more.
MUST_USE enum result crypto_wrap(const uint8_t key[SEAL_KEY_SIZE], struct slice in, uint8_t *out);

// The reverse (2.2.2), `out` takes 8 bytes less; ERR_CRYPTO if the integrity check fails, `out` is wiped
// then.
MUST_USE enum result crypto_unwrap(const uint8_t key[SEAL_KEY_SIZE], struct slice in, uint8_t *out);
