// SPDX-License-Identifier: Apache-2.0
//
// The evidence of edits in the ledger (store/evidence.h): sealed, beside the facts, with the digest of the
// edits that it is of. A receipt may have been sent to one archive with different edits: each version is
// kept.
//
// Thread: one at a time for each reader. Works beside a running daemon.
#pragma once

#include "journal/record.h"
#include "seal/keyring.h"
#include "store/kv.h"

struct ledger_evidence_reader;

// Environment and keyring are borrowed; both may be read-only. ERR_NOMEM, ERR_CRYPTO.
MUST_USE enum result ledger_evidence_reader_new(struct kv_env *env, struct seal_keyring *keyring,
                                                struct ledger_evidence_reader **reader);
void ledger_evidence_reader_free(struct ledger_evidence_reader *reader); // wipes; NULL is fine

// What went to the archive with these edits; borrowed until the next call. ERR_MISSING: none is known;
// ERR_CRYPTO: it was changed or its key is lost; ERR_IO, ERR_NOMEM, ERR_FORMAT.
MUST_USE enum result ledger_evidence_get(struct ledger_evidence_reader *reader, uint64_t receipt,
                                         uint32_t archive, const uint8_t edits[RECORD_DIGEST_SIZE],
                                         struct slice *evidence);

#define LEDGER_EVIDENCE_VERSIONS 16 // of one delivery that are listed at most

// The digests of the edits of every version that is kept, in the order of the digests.
MUST_USE enum result ledger_evidence_versions(struct ledger_evidence_reader *reader, uint64_t receipt,
                                              uint32_t archive,
                                              uint8_t edits[LEDGER_EVIDENCE_VERSIONS][RECORD_DIGEST_SIZE],
                                              size_t *count);
