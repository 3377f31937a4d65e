// SPDX-License-Identifier: Apache-2.0
//
// The digest of a pack: SHA-256 of its file; with tables SHA-256 over the digests of the file and of each
// table. So it can be made again by hand with sha256sum. Private to rules/engine; at load.
#pragma once

#include <stdbool.h>

#include "base/result.h"
#include "base/slice.h"
#include "rules/library.h"

struct pack_digest {
    uint8_t parts[(1 + RULES_TABLES) * RULES_DIGEST_BYTES];
    size_t count;
};

// ERR_CRYPTO, as all of these: the library has no such digest.
MUST_USE enum result pack_digest_begin(struct pack_digest *digest, struct slice file);
// At most RULES_TABLES times.
MUST_USE enum result pack_digest_add(struct pack_digest *digest, struct slice table);
MUST_USE enum result pack_digest_end(const struct pack_digest *digest, uint8_t out[RULES_DIGEST_BYTES]);

// SHA-256 of some bytes.
MUST_USE enum result digest_of(struct slice bytes, uint8_t out[RULES_DIGEST_BYTES]);
