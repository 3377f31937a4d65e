// SPDX-License-Identifier: Apache-2.0
//
// A seeded 64-bit hash for tables in memory (SipHash-2-4, Aumasson and Bernstein 2012): peers choose the
// keys, so the seed must be random in production. Never stored. Thread: any.
#pragma once

#include "base/slice.h"

struct hash_seed {
    uint64_t k0;
    uint64_t k1;
};

uint64_t hash_bytes(const struct hash_seed *seed, struct slice bytes);
