// SPDX-License-Identifier: Apache-2.0
//
// How a keyed hash is made of a lasting key. Private to lib/seal.
#pragma once

#include "seal/seal.h"

// ERR_ARGUMENT: the label is too long; ERR_CRYPTO, ERR_NOMEM.
MUST_USE enum result hash_make(const uint8_t lasting[SEAL_KEY_SIZE], const char *label,
                               struct seal_hash **out);
