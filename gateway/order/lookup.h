// SPDX-License-Identifier: Apache-2.0
//
// The look-up thread (ENGINE 1): reads of the ledger that others wait for without being blocked by a cold
// page. For now the receipts of a SOP Instance UID, for the keeper.
//
// Thread: main for new and free; the rest on the look-up loop.
#pragma once

#include "order/mail.h"

struct order_lookup;

// `answers`: where questions go back to. ERR_NOMEM.
MUST_USE enum result order_lookup_new(struct gateway *gateway, struct ev_mailbox *answers,
                                      struct order_lookup **out);
// The questions: order_ask.
struct ev_mailbox *order_lookup_inbox(struct order_lookup *lookup);
// Threads have ended. What it still holds is freed.
void order_lookup_free(struct order_lookup *lookup);
