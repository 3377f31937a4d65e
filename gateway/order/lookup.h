// SPDX-License-Identifier: Apache-2.0
//
// What the ledger knows of the receipts of a SOP Instance UID. A cold page blocks: thread of the keeper
// (ENGINE 1).
#pragma once

#include "order/mail.h"

// Fills ask->known anew: of a receipt that says all of itself (is_fresh) and has no company, nothing.
// ERR_IO, ERR_NOMEM and what else the ledger says: nothing is known.
MUST_USE enum result order_lookup_run(const struct gateway *gateway, struct order_ask *ask);
// Takes the hash from the ledger, unless that does not have the receipt, or can not be read: has_hash.
void order_lookup_hash(const struct gateway *gateway, struct order_ask *ask);
