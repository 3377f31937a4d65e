// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

static inline uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

uint64_t hash_bytes(const struct hash_seed *seed, struct slice bytes)
{
    uint64_t v[4] = {seed->k0 ^ 0x736f6d6570736575u, seed->k1 ^ 0x646f72616e646f6du,
                     seed->k0 ^ 0x6c7967656e657261u, seed->k1 ^ 0x7465646279746573u};
    for (size_t at = 0; at <= bytes.length; at += 8) {
        uint64_t word = 0;
        size_t left = bytes.length - at;
        if (left >= 8) {
            memcpy(&word, bytes.data + at, 8);
        } else {
            for (size_t i = 0; i < left; i++)
                word |= (uint64_t)bytes.data[at + i] << (8 * i);
            word |= (uint64_t)(bytes.length & 0xff) << 56;
        }
        v[3] ^= word;
        sip_round(v);
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
