// SPDX-License-Identifier: Apache-2.0
//
// A client that waits for what archives say of its instance (DESIGN "Acknowledgement contract", ENGINE 3):
// `primary` waits for one archive, the others are gated until it has said yes; `all` waits for every archive
// that is owed. What is awaited goes before backlog, on a lane kept for it.
//
// It is decided once, by the first of: the archives' word; a failure (one is enough); the deadline; the
// gateway's stop. After a failure archives that have not begun are owed nothing any more; those that have the
// instance, or may have it, are a finding: said in the ledger's remark and counted. If none has it, the whole
// receipt is dropped in the journal with the status that the client got. A client that goes away before
// leaves an ordinary receipt, owed to everybody as under `durable`: it was never acknowledged, and delivering
// it is harmless (ENGINE 2).
//
// Thread: the worker's. Owner: the intake.
#pragma once

#include "conf/configuration.h"
#include "forward/receipt.h"

enum { AWAITED_COMMENT = 65, AWAITED_OFFENDING = 64 };

struct awaited {
    uint32_t magic;
    struct worker *worker;
    struct list_node node;   // worker->awaited while undecided
    struct receipt *receipt; // NULL: not admitted yet, or decided
    enum configuration_acknowledge mode;
    uint32_t primary;     // id of the archive, for `primary`
    uint64_t patience_ns; // from admission to the deadline
    struct ev_timer deadline;
    void (*done)(struct awaited *awaited); // the word is there; may free the awaited
    bool is_yes;                           // the word: every archive that is waited for has it
    uint64_t taken;                        // bit n: delivery n of the receipt has said yes
    // The word, for the C-STORE-RSP.
    uint16_t status;
    char comment[AWAITED_COMMENT];
    uint8_t offending[AWAITED_OFFENDING]; // AT list as on the wire
    size_t offending_length;
};

// What an archive, or the gateway in its stead, says.
struct awaited_word {
    uint16_t status;
    struct slice comment;
    struct slice offending;
};

// `mode` is PRIMARY or ALL. done() comes once, never inside receipt_admit().
void awaited_init(struct awaited *awaited, struct worker *worker, enum configuration_acknowledge mode,
                  uint32_t primary, uint64_t patience_ns, void (*done)(struct awaited *awaited));
// Undecided: the client is gone, the receipt becomes an ordinary one.
void awaited_fini(struct awaited *awaited);

// ---- from receipt.c ----

// Its receipt is made: which deliveries are awaited, which are gated. The caller queues them.
void awaited_attach(struct awaited *awaited, struct receipt *receipt);
// One that is urgent has said yes, or no; nothing happens if no client waits for it. True: the delivery is
// refused, and gone, unless a lane has it: then its next change ends it.
void awaited_accepted(struct delivery *delivery, const struct awaited_word *word);
bool awaited_refused(struct delivery *delivery, const struct awaited_word *word);
// A delivery that the client has been told to have failed is in the archive, or may be.
void awaited_finding(const struct delivery *delivery, bool is_certain);

// ---- from the worker ----

// The gateway stops: clients whose instance no archive has begun to take are told now.
void awaited_stop(struct worker *worker);
