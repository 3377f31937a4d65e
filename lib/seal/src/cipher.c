// SPDX-License-Identifier: Apache-2.0
//
// AES-256-GCM with a reusable context; see seal/seal.h. Owns the libcrypto context. Thread: the cipher's.
#include "key.h"

#include "base/cursor.h"
#include "base/magic.h"
#include "base/wipe.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define CIPHER_MAGIC 0x53434950u // "SCIP"
#define NONCE_SIZE   12

enum direction { DIRECTION_OPEN = 0, DIRECTION_SEAL = 1 };

struct seal_cipher {
    uint32_t magic;
    EVP_CIPHER *algorithm;
    EVP_CIPHER_CTX *context;
    uint64_t key_serial; // which key it is set to; 0 none
    enum direction direction;
};

enum result seal_cipher_new(struct seal_cipher **out)
{
    struct seal_cipher *cipher = calloc(1, sizeof *cipher);
    if (cipher == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(cipher, CIPHER_MAGIC);
    cipher->algorithm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    cipher->context = EVP_CIPHER_CTX_new();
    if (cipher->algorithm == NULL || cipher->context == NULL) {
        seal_cipher_free(cipher);
        return ERR_CRYPTO;
    }
    *out = cipher;
    return OK;
}

void seal_cipher_free(struct seal_cipher *cipher)
{
    if (cipher == NULL)
        return;
    MAGIC_CHECK(cipher, CIPHER_MAGIC);
    EVP_CIPHER_CTX_free(cipher->context);
    EVP_CIPHER_free(cipher->algorithm);
    MAGIC_CLEAR(cipher);
    free(cipher);
}

// Begins one message: key (only if it is not the last one's), nonce, additional data.
static bool message_begin(struct seal_cipher *cipher, const struct seal_key *key, enum direction direction,
                          uint64_t counter, struct slice aad)
{
    uint8_t nonce[NONCE_SIZE];
    struct writer writer = writer_of(nonce, sizeof nonce);
    writer_u32be(&writer, 0);
    writer_u64be(&writer, counter);
    bool is_set = cipher->key_serial == key->serial && cipher->direction == direction;
    cipher->key_serial = 0;
    if (EVP_CipherInit_ex(cipher->context, is_set ? NULL : cipher->algorithm, NULL, is_set ? NULL : key->key,
                          nonce, (int)direction) != 1)
        return false;
    cipher->key_serial = key->serial;
    cipher->direction = direction;
    int length;
    return aad.length == 0 ||
           EVP_CipherUpdate(cipher->context, NULL, &length, aad.data, (int)aad.length) == 1;
}

static bool message_update(struct seal_cipher *cipher, struct slice in, uint8_t *out)
{
    int length = 0;
    return in.length == 0 || (EVP_CipherUpdate(cipher->context, out, &length, in.data, (int)in.length) == 1 &&
                              (size_t)length == in.length);
}

enum result seal_seal(struct seal_cipher *cipher, struct seal_key *key, uint64_t nonce, struct slice aad,
                      const struct slice *parts, size_t count, uint8_t *out, uint8_t tag[SEAL_TAG_SIZE])
{
    MAGIC_CHECK(cipher, CIPHER_MAGIC);
    seal_key_check(key);
    // SP 800-38D 8: one nonce under one key for two messages gives both away. Better no gateway than that.
    ensure(key->can_seal && nonce >= key->nonce_floor && nonce < key->nonce_next);
    key->nonce_floor = nonce + 1;
    if (aad.length > INT_MAX || !message_begin(cipher, key, DIRECTION_SEAL, nonce, aad))
        return ERR_CRYPTO;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].length > INT_MAX || !message_update(cipher, parts[i], out))
            return ERR_CRYPTO;
        out += parts[i].length;
    }
    int length = 0;
    uint8_t none[SEAL_TAG_SIZE];
    if (EVP_CipherFinal_ex(cipher->context, none, &length) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher->context, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, tag) != 1)
        return ERR_CRYPTO;
    return OK;
}

enum result seal_open(struct seal_cipher *cipher, struct seal_key *key, uint64_t nonce, struct slice aad,
                      struct slice sealed, const uint8_t tag[SEAL_TAG_SIZE], uint8_t *out)
{
    MAGIC_CHECK(cipher, CIPHER_MAGIC);
    seal_key_check(key);
    if (aad.length > INT_MAX || sealed.length > INT_MAX)
        return ERR_ARGUMENT;
    int length = 0;
    uint8_t none[SEAL_TAG_SIZE];
    if (message_begin(cipher, key, DIRECTION_OPEN, nonce, aad) && message_update(cipher, sealed, out) &&
        EVP_CIPHER_CTX_ctrl(cipher->context, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, (void *)(uintptr_t)tag) ==
            1 &&
        EVP_CipherFinal_ex(cipher->context, none, &length) == 1)
        return OK;
    if (sealed.length > 0)
        wipe(out, sealed.length);
    return ERR_CRYPTO;
}
