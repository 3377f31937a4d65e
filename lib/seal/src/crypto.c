// SPDX-License-Identifier: Apache-2.0
//
// Primitives over libcrypto: HKDF, HMAC, AES key wrap, random bytes; see crypto.h.
#include "crypto.h"
#include "seal/seal.h"

#include "base/check.h"
#include "base/wipe.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

enum result crypto_derive(const uint8_t key[SEAL_KEY_SIZE], struct slice label, uint8_t out[SEAL_KEY_SIZE])
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key, SEAL_KEY_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)label.data, label.length),
        OSSL_PARAM_construct_end(),
    };
    bool is_done = context != NULL && EVP_KDF_derive(context, out, SEAL_KEY_SIZE, parameters) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return is_done ? OK : ERR_CRYPTO;
}

enum result crypto_hmac(const uint8_t key[SEAL_KEY_SIZE], struct slice bytes, uint8_t out[32])
{
    unsigned length = 0;
    if (HMAC(EVP_sha256(), key, SEAL_KEY_SIZE, bytes.data, bytes.length, out, &length) == NULL)
        return ERR_CRYPTO;
    ensure(length == 32);
    return OK;
}

static bool wrap_run(const uint8_t *key, struct slice in, uint8_t *out, size_t out_length, int is_wrapping)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL)
        return false;
    EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    int length = 0;
    int last = 0;
    bool is_done = EVP_CipherInit_ex(context, EVP_aes_256_wrap(), NULL, key, NULL, is_wrapping) == 1 &&
                   EVP_CipherUpdate(context, out, &length, in.data, (int)in.length) == 1 &&
                   EVP_CipherFinal_ex(context, out + length, &last) == 1 &&
                   (size_t)length + (size_t)last == out_length;
    EVP_CIPHER_CTX_free(context);
    return is_done;
}

enum result crypto_wrap(const uint8_t key[SEAL_KEY_SIZE], struct slice in, uint8_t *out)
{
    ensure(in.length >= 16 && in.length % 8 == 0 && in.length <= INT_MAX);
    return wrap_run(key, in, out, in.length + CRYPTO_WRAP_OVERHEAD, 1) ? OK : ERR_CRYPTO;
}

enum result crypto_unwrap(const uint8_t key[SEAL_KEY_SIZE], struct slice in, uint8_t *out)
{
    ensure(in.length >= 24 && in.length % 8 == 0 && in.length <= INT_MAX);
    if (wrap_run(key, in, out, in.length - CRYPTO_WRAP_OVERHEAD, 0))
        return OK;
    wipe(out, in.length - CRYPTO_WRAP_OVERHEAD);
    return ERR_CRYPTO;
}

enum result seal_random(uint8_t *out, size_t length)
{
    while (length > 0) {
        int piece = length > INT_MAX ? INT_MAX : (int)length;
        if (RAND_bytes(out, piece) != 1)
            return ERR_CRYPTO;
        out += piece;
        length -= (size_t)piece;
    }
    return OK;
}
