// SPDX-License-Identifier: Apache-2.0
//
// The worker's side of FIELD 5: no receipt is sent before the keeper has said that it is alone with its SOP
// Instance UID, or that it is its turn. Deliveries that may not be sent wait as STAGE_GATED.
//
// Thread: the worker's; new and free: main.
#pragma once

#include "daemon/worker.h"

struct delivery;
struct receipt;
struct order_gate;
struct order_look;
struct order_keeper;

// ERR_NOMEM.
MUST_USE enum result order_gate_new(struct worker *worker, struct order_gate **out);
// After the receipts. NULL is fine.
void order_gate_free(struct order_gate *gate);
// Main, before loops run: receipts of former lives are asked about from then on, a few at a time.
void order_gate_start(struct order_gate *gate, struct order_keeper *keeper);

// A receipt whose CLOSE is durable. Lack of memory only delays the question.
void order_gate_ask(struct receipt *receipt, const struct record_close *close, struct slice sop_instance);
// One of a former life, or one that has slept: the ledger has all that there is to say. Nothing is asked
// where nothing is to be sent, or is known.
void order_gate_ask_later(struct receipt *receipt);
// Receipts of which it is not known yet whether they are alone.
size_t order_gate_asked(const struct order_gate *gate);
// It may be sent now.
bool order_gate_allows(const struct delivery *delivery);
// The stage of a delivery has changed.
void order_gate_changed(const struct delivery *delivery);
// The receipt is going.
void order_gate_leave(struct receipt *receipt);

// A rejection note asks after its references, or tells that an archive has accepted it (order/note.h). Takes
// `look` on true; false: no memory.
MUST_USE bool order_gate_look(struct receipt *receipt, struct order_look *look);
MUST_USE bool order_gate_tell(struct receipt *receipt, struct order_look *look);

// ---- mail from the keeper: what it calls on the worker ----

void order_gate_answered(struct worker *worker, struct worker_call *call);
void order_gate_answer_discard(struct worker_call *call);
void order_gate_set(struct worker *worker, struct worker_call *call);
