// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

static inline uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

struct sip {
    uint64_t a, b, c, d;
};

// By value, so that the state stays in registers.
static inline struct sip sip_round(struct sip v)
{
    v.a += v.b;
    v.b = rotate(v.b, 13) ^ v.a;
    v.a = rotate(v.a, 32);
    v.c += v.d;
    v.d = rotate(v.d, 16) ^ v.c;
    v.a += v.d;
    v.d = rotate(v.d, 21) ^ v.a;
    v.c += v.b;
    v.b = rotate(v.b, 17) ^ v.c;
    v.c = rotate(v.c, 32);
    return v;
}

uint64_t hash_bytes(const struct hash_seed *seed, struct slice bytes)
{
    struct sip v = {seed->k0 ^ 0x736f6d6570736575u, seed->k1 ^ 0x646f72616e646f6du,
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
        v.d ^= word;
        v = sip_round(sip_round(v));
        v.a ^= word;
    }
    v.c ^= 0xff;
    for (int i = 0; i < 4; i++)
        v = sip_round(v);
    return v.a ^ v.b ^ v.c ^ v.d;
}
