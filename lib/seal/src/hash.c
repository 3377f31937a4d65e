// SPDX-License-Identifier: Apache-2.0
//
// Keyed hashes for look-ups; see seal/seal.h. Owns the derived key. Thread: the object's.
#include "seal/seal.h"

#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crypto.h"

#include <stdlib.h>

#define HASH_MAGIC 0x53484153u // "SHAS"

struct seal_hash {
    uint32_t magic;
    uint8_t key[SEAL_KEY_SIZE];
};

enum result seal_hash_new(const struct seal_master *master, const char *label, struct seal_hash **out)
{
    // A prefix of their own, so that no label of a caller yields the key of the key file's check value.
    char info[96];
    if (!text_format(info, sizeof info, "dicomgate hash %s", label))
        return ERR_ARGUMENT;
    struct seal_hash *hash = calloc(1, sizeof *hash);
    if (hash == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(hash, HASH_MAGIC);
    enum result result = crypto_derive(seal_master_key(master), info, hash->key);
    if (result != OK) {
        seal_hash_free(hash);
        return result;
    }
    *out = hash;
    return OK;
}

void seal_hash_free(struct seal_hash *hash)
{
    if (hash == NULL)
        return;
    MAGIC_CHECK(hash, HASH_MAGIC);
    wipe(hash, sizeof *hash);
    free(hash);
}

enum result seal_hash_of(struct seal_hash *hash, struct slice bytes, uint8_t out[SEAL_HASH_SIZE])
{
    MAGIC_CHECK(hash, HASH_MAGIC);
    return crypto_hmac(hash->key, bytes, out);
}
