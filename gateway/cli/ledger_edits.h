// SPDX-License-Identifier: Apache-2.0
//
// The edits that are on record of a delivery, for people and programs. They lie sealed in the ledger, so the
// keys are opened, read-only, when the first of them is wanted. Values are patient data and shown on demand
// only. Thread: the command line's only one.
#pragma once

#include "cli/ledger.h"
#include "store/evidence.h"
#include "store/fact.h"
#include "store/ledger_evidence.h"
#include <jansson.h>

struct ledger_edits {
    struct kv_env *env;
    const struct cli_ledger_keys *keys; // NULL: there are none
    bool shows_phi;
    bool has_failed; // some could not be read; it was said on standard error
    bool is_open;    // it was tried
    struct seal_keyring *keyring;
    struct ledger_evidence_reader *reader;
    struct evidence_edit edit[EVIDENCE_EDITS_MAX];
};

void ledger_edits_fini(struct ledger_edits *edits);

// Borrowed until the next call. ERR_MISSING: the ledger has none; else it was said why they can not be read.
MUST_USE enum result ledger_edits_get(struct ledger_edits *edits, uint64_t receipt, uint32_t archive,
                                      const uint8_t digest[RECORD_DIGEST_SIZE], struct evidence *evidence);
// The reader, if the keys can be opened; else NULL, and it was said why.
struct ledger_evidence_reader *ledger_edits_reader(struct ledger_edits *edits);

// "added", "changed", "removed".
const char *ledger_edit_text(bool was_present, bool is_removed);
// On standard output, a line for each; those of the last SENT. Sequences have no value to be shown.
void ledger_edits_print(struct ledger_edits *edits, uint64_t receipt, const struct fact_delivery *delivery);
void ledger_evidence_print(const struct evidence *evidence, bool shows_phi);
// A new array, the caller's; NULL: nothing was edited, or it can not be read.
json_t *ledger_edits_json(struct ledger_edits *edits, uint64_t receipt, const struct fact_delivery *delivery);
json_t *ledger_evidence_json(const struct evidence *evidence, bool shows_phi);
