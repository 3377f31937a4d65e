// SPDX-License-Identifier: Apache-2.0
//
// A second opinion on recovery (ENGINE 2): before the gateway recovers, every segment on the disk is read by
// code of our own, and the receipts whose OPEN, DATA and CLOSE records are all there and authentic are noted.
// Afterwards the ledger must know each of them: a receipt that is complete is kept, whatever is broken before
// or behind it.
#pragma once

#include "fs/fs.h"
#include "history.h"
#include "seal/keyring.h"
#include "store/kv.h"

void oracle_look(struct history *history, struct fs *fs, struct seal_keyring *keyring);
void oracle_recovered(struct history *history, struct kv_env *ledger);
// After that: a ledger is made anew from the journal alone, as if the one that is there were lost. It must
// owe all that is owed, and nothing of which the journal tells that it was delivered: by an OUTCOME, or by a
// copy that was made when the ledger had the OUTCOME.
void oracle_rebuild(struct history *history, struct fs *fs, struct seal_keyring *keyring,
                    struct kv_env *ledger);
// What it had read, and no copy tells, is known to nobody any more.
void oracle_ledger_lost(struct history *history);
void oracle_free(struct history *history);
