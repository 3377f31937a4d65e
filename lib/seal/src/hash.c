// SPDX-License-Identifier: Apache-2.0
//
// Keyed hashes for look-ups; see seal/lasting.h. A context that is begun again without a key keeps it, which
// costs a fifth of setting it: an import makes twenty million hashes. Owns the context. Thread: the object's.
#include "hash.h"

#include "base/magic.h"
#include "base/text.h"
#include "base/wipe.h"
#include "crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

#define HASH_MAGIC 0x53484153u // "SHAS"

struct seal_hash {
    uint32_t magic;
    EVP_MAC_CTX *context;
};

static bool context_make(struct seal_hash *hash, const uint8_t key[SEAL_KEY_SIZE])
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    hash->context = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    return hash->context != NULL && EVP_MAC_init(hash->context, key, SEAL_KEY_SIZE, parameters) == 1;
}

enum result hash_make(const uint8_t lasting[SEAL_KEY_SIZE], const char *label, struct seal_hash **out)
{
    // A prefix of their own, so that no label of a caller yields the key of another use.
    char info[96];
    uint8_t key[SEAL_KEY_SIZE];
    if (!text_format(info, sizeof info, "dicomgate hash %s", label))
        return ERR_ARGUMENT;
    struct seal_hash *hash = calloc(1, sizeof *hash);
    if (hash == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(hash, HASH_MAGIC);
    enum result result = crypto_derive(lasting, slice_of_text(info), key);
    if (result == OK && !context_make(hash, key))
        result = ERR_CRYPTO;
    wipe(key, sizeof key);
    if (result == OK)
        *out = hash;
    else
        seal_hash_free(hash);
    return result;
}

void seal_hash_free(struct seal_hash *hash)
{
    if (hash == NULL)
        return;
    MAGIC_CHECK(hash, HASH_MAGIC);
    EVP_MAC_CTX_free(hash->context);
    MAGIC_CLEAR(hash);
    free(hash);
}

enum result seal_hash_of(struct seal_hash *hash, struct slice bytes, uint8_t out[SEAL_HASH_SIZE])
{
    MAGIC_CHECK(hash, HASH_MAGIC);
    size_t length = 0;
    if (EVP_MAC_init(hash->context, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(hash->context, bytes.data, bytes.length) != 1 ||
        EVP_MAC_final(hash->context, out, &length, SEAL_HASH_SIZE) != 1)
        return ERR_CRYPTO;
    ensure(length == SEAL_HASH_SIZE);
    return OK;
}
