// SPDX-License-Identifier: Apache-2.0
//
// A fact in memory and as bytes, for the module's own files. The keys are written down in LEDGER.md.
// Thread: see store/fact.h.
#pragma once

#include "store/fact.h"

#define FACT_TEXT_MAX 1024 // bytes of any one text; longer ones are cut when a record is taken in
// No encoded fact is longer: all texts and deliveries at their bounds.
#define FACT_ENCODED_MAX (768u * 1024u)
#define FACT_KEY_SIZE    8

// Replaces the text at `field` by a copy without padding; nothing but padding makes it NULL. ERR_NOMEM.
MUST_USE enum result fact_text_set(char **field, struct slice text);
// The delivery of `archive`, made if it is not there (OWED, not owed). ERR_NOMEM; ERR_LIMIT.
MUST_USE enum result fact_delivery_get(struct ledger_fact *fact, uint32_t archive,
                                       struct fact_delivery **delivery);
// Those of the last SENT. ERR_NOMEM: some may be set; to be called again.
MUST_USE enum result fact_flags_set(struct fact_delivery *delivery, const struct record_flags *flags);
// Frees what a delivery owns.
void fact_delivery_fini(struct fact_delivery *delivery);
// One more position; each stream at most once. ERR_NOMEM.
MUST_USE enum result fact_upto_add(struct ledger_fact *fact, struct journal_position position);
// Whether every owed delivery settles.
bool fact_is_settled(const struct ledger_fact *fact);

// Big endian, so that the order of keys is the order of receipts.
void fact_key_put(uint8_t key[FACT_KEY_SIZE], uint64_t receipt);
uint64_t fact_key_get(struct slice key);

// `capacity` of FACT_ENCODED_MAX is always enough.
MUST_USE enum result fact_encode(const struct ledger_fact *fact, uint8_t *out, size_t capacity,
                                 struct slice *encoded);
enum fact_depth {
    FACT_WHOLE,
    FACT_HEAD, // only what the open index needs: up to the deliveries, which stand before all texts
};
// Into an initialised fact. ERR_FORMAT, ERR_LIMIT, ERR_NOMEM: it then holds what was read and is still to be
// freed.
MUST_USE enum result fact_decode(uint64_t receipt, struct slice encoded, enum fact_depth depth,
                                 struct ledger_fact *fact);
