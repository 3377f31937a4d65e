// SPDX-License-Identifier: Apache-2.0
//
// Lasting keys of the key file, and what is derived from them; see seal/lasting.h. Thread: as the keyring.
#include "seal/lasting.h"

#include "base/cursor.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "crypto.h"
#include "hash.h"
#include "key.h"
#include "keyring.h"

#include <openssl/crypto.h>

#define SEALING_LABEL "dicomgate sealing key "

struct lasting *keyring_lasting_find(const struct seal_keyring *ring, uint32_t which)
{
    for (size_t i = 0; i < ring->lasting_count; i++) {
        if (ring->lastings[i].which == which)
            return &ring->lastings[i];
    }
    return NULL;
}

enum result keyring_lasting_reserve(struct seal_keyring *ring)
{
    return array_reserve((void **)&ring->lastings, &ring->lasting_capacity, ring->lasting_count + 1,
                         sizeof ring->lastings[0]);
}

static enum result lasting_make(struct seal_keyring *ring, uint32_t which)
{
    enum result result = keyring_lasting_reserve(ring);
    if (result != OK)
        return result;
    struct lasting *fresh = &ring->lastings[ring->lasting_count];
    struct slot slot = {.kind = SLOT_LASTING, .segment = which, .id = ring->next_id++};
    *fresh = (struct lasting){.id = slot.id, .which = which};
    result = seal_random(fresh->key, sizeof fresh->key);
    if (result == OK)
        result = keyfile_slot_wrap(&slot, ring->file_id, ring->master, fresh->key);
    if (result == OK)
        result = keyring_slot_put(ring, &slot, &fresh->slot);
    if (result == OK)
        ring->lasting_count++;
    else
        wipe(fresh, sizeof *fresh);
    return result;
}

// Copies the key out; if there is none, makes it where that is wanted.
static enum result lasting_get(struct seal_keyring *ring, uint32_t which, bool makes,
                               uint8_t key[SEAL_KEY_SIZE])
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    pthread_mutex_lock(&ring->mutex);
    enum result result = OK;
    if (keyring_lasting_find(ring, which) == NULL)
        result = ring->is_readonly || !makes ? ERR_MISSING : lasting_make(ring, which);
    if (result == OK)
        memcpy(key, keyring_lasting_find(ring, which)->key, SEAL_KEY_SIZE);
    pthread_mutex_unlock(&ring->mutex);
    return result;
}

static enum result hash_of_ring(struct seal_keyring *ring, const char *label, bool makes,
                                struct seal_hash **out)
{
    uint8_t key[SEAL_KEY_SIZE];
    enum result result = lasting_get(ring, SEAL_LASTING_LOOKUP, makes, key);
    if (result == OK)
        result = hash_make(key, label, out);
    wipe(key, sizeof key);
    return result;
}

enum result seal_keyring_hash_new(struct seal_keyring *ring, const char *label, struct seal_hash **out)
{
    return hash_of_ring(ring, label, true, out);
}

enum result seal_keyring_hash_get(struct seal_keyring *ring, const char *label, struct seal_hash **out)
{
    return hash_of_ring(ring, label, false, out);
}

static enum result sealing_key_make(struct seal_keyring *ring, enum seal_lasting which,
                                    const uint8_t seed[SEAL_SEED_SIZE], bool can_seal, struct seal_key **out)
{
    uint8_t label[sizeof SEALING_LABEL + SEAL_SEED_SIZE];
    uint8_t lasting[SEAL_KEY_SIZE];
    uint8_t key[SEAL_KEY_SIZE];
    struct writer writer = writer_of(label, sizeof label);
    writer_slice_put(&writer, slice_of_text(SEALING_LABEL));
    writer_put(&writer, seed, SEAL_SEED_SIZE);
    enum result result = lasting_get(ring, which, can_seal, lasting);
    if (result == OK)
        result = crypto_derive(lasting, writer_slice(&writer), key);
    if (result == OK)
        result = seal_key_make(0, 0, key, can_seal, out); // of no segment
    wipe(lasting, sizeof lasting);
    wipe(key, sizeof key);
    return result;
}

enum result seal_keyring_sealing_key_new(struct seal_keyring *ring, enum seal_lasting which,
                                         uint8_t seed[SEAL_SEED_SIZE], struct seal_key **out)
{
    enum result result = seal_random(seed, SEAL_SEED_SIZE);
    return result == OK ? sealing_key_make(ring, which, seed, true, out) : result;
}

enum result seal_keyring_sealing_key_get(struct seal_keyring *ring, enum seal_lasting which,
                                         const uint8_t seed[SEAL_SEED_SIZE], struct seal_key **out)
{
    return sealing_key_make(ring, which, seed, false, out);
}

bool seal_keyring_lasting_has(struct seal_keyring *ring, enum seal_lasting which)
{
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    pthread_mutex_lock(&ring->mutex);
    bool has = keyring_lasting_find(ring, which) != NULL;
    pthread_mutex_unlock(&ring->mutex);
    return has;
}

bool seal_keyring_lasting_is_in(struct seal_keyring *ring, struct seal_keyring *copy)
{
    bool is_in = true;
    MAGIC_CHECK(ring, KEYRING_MAGIC);
    for (size_t i = 0; i < ring->lasting_count; i++) {
        const struct lasting *wanted = &ring->lastings[i];
        const struct lasting *found = keyring_lasting_find(copy, wanted->which);
        is_in = is_in && found != NULL && CRYPTO_memcmp(found->key, wanted->key, sizeof wanted->key) == 0;
    }
    return is_in;
}
