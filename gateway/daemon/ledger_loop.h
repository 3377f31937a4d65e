// SPDX-License-Identifier: Apache-2.0
//
// The ledger thread (ENGINE 1, 7): tails the journal into the ledger, reclaims segments that nobody needs
// (ENGINE 4), and persists what was learned of archives. Nothing waits for it.
//
// Thread: init, start and fini on main while the ledger loop does not run; the rest inside is the ledger
// loop's.
#pragma once

#include "daemon/gateway.h"

void ledger_loop_init(struct gateway *gateway);
void ledger_loop_start(struct gateway *gateway);
// When no thread runs any more. After a stop it writes to the control store.
void ledger_loop_fini(struct gateway *gateway);

// Any thread: capability answers wait to be written. `arg` is the gateway.
void ledger_loop_persist_later(void *arg);
