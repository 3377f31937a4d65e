// SPDX-License-Identifier: Apache-2.0
//
// See digest.h.
#include "digest.h"

#include <openssl/evp.h>

#include "base/check.h"

enum result digest_of(struct slice bytes, uint8_t out[RULES_DIGEST_BYTES])
{
    const void *data = bytes.data != NULL ? bytes.data : (const void *)"";
    return EVP_Digest(data, bytes.length, out, NULL, EVP_sha256(), NULL) == 1 ? OK : ERR_CRYPTO;
}

enum result pack_digest_begin(struct pack_digest *digest, struct slice file)
{
    digest->count = 0;
    return pack_digest_add(digest, file);
}

enum result pack_digest_add(struct pack_digest *digest, struct slice table)
{
    ensure(digest->count <= RULES_TABLES);
    return digest_of(table, digest->parts + RULES_DIGEST_BYTES * digest->count++);
}

enum result pack_digest_end(const struct pack_digest *digest, uint8_t out[RULES_DIGEST_BYTES])
{
    if (digest->count > 1)
        return digest_of(slice_of(digest->parts, RULES_DIGEST_BYTES * digest->count), out);
    memcpy(out, digest->parts, RULES_DIGEST_BYTES);
    return OK;
}
