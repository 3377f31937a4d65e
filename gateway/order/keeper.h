// SPDX-License-Identifier: Apache-2.0
//
// The look-up thread's part in FIELD 5: knows, of each SOP Instance UID of which several receipts are about,
// which there are, and tells each what it may do, by order/rule.h. Of a receipt that is alone it remembers
// only that it exists, and only until the ledger has it.
//
// Thread: main for new and free; the look-up loop's, except where a function says otherwise.
#pragma once

#include "order/mail.h"

struct order_keeper;

// ERR_NOMEM.
MUST_USE enum result order_keeper_new(struct gateway *gateway, struct order_keeper **out);
// What workers post to: order_ask, order_report, order_set. Any thread.
struct ev_mailbox *order_keeper_inbox(struct order_keeper *keeper);
// The ledger thread, after a commit: what it has now need not be remembered.
void order_keeper_committed(struct order_keeper *keeper, const struct ledger_writer *writer);
// Threads have ended: gives back the mail that lies about. Before the workers are freed; afterwards free.
void order_keeper_drain(struct order_keeper *keeper);
void order_keeper_free(struct order_keeper *keeper);
