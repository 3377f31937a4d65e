// SPDX-License-Identifier: Apache-2.0
//
// A segment key as an object: references, nonces, wiping; see seal/seal.h.
#include "key.h"

#include "base/magic.h"
#include "base/wipe.h"

#include <stdlib.h>
#include <string.h>

#define KEY_MAGIC 0x534b4559u // "SKEY"

enum result seal_key_make(uint16_t stream, uint32_t segment, const uint8_t bytes[SEAL_KEY_SIZE],
                          bool can_seal, struct seal_key **out)
{
    static atomic_uint_fast64_t serial;
    struct seal_key *key = calloc(1, sizeof *key);
    if (key == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(key, KEY_MAGIC);
    atomic_init(&key->references, 1);
    key->serial = atomic_fetch_add(&serial, 1) + 1;
    key->stream = stream;
    key->segment = segment;
    key->can_seal = can_seal;
    key->nonce_next = key->nonce_floor = 1;
    memcpy(key->key, bytes, SEAL_KEY_SIZE);
    *out = key;
    return OK;
}

void seal_key_check(const struct seal_key *key)
{
    MAGIC_CHECK(key, KEY_MAGIC);
}

struct seal_key *seal_key_ref(struct seal_key *key)
{
    MAGIC_CHECK(key, KEY_MAGIC);
    atomic_fetch_add_explicit(&key->references, 1, memory_order_relaxed);
    return key;
}

void seal_key_unref(struct seal_key *key)
{
    if (key == NULL)
        return;
    MAGIC_CHECK(key, KEY_MAGIC);
    if (atomic_fetch_sub_explicit(&key->references, 1, memory_order_acq_rel) > 1)
        return;
    wipe(key, sizeof *key);
    free(key);
}

uint64_t seal_key_nonce_take(struct seal_key *key)
{
    MAGIC_CHECK(key, KEY_MAGIC);
    ensure(key->can_seal && key->nonce_next < UINT64_MAX);
    return key->nonce_next++;
}
