// SPDX-License-Identifier: Apache-2.0
//
// Where a receipt lies now: the ledger may have copied it forward since a worker noted its place (ENGINE 4).
// A worker that finds the segment gone asks; the ledger thread answers from what is committed.
//
// Thread: the worker's for place_ask() and place_forget(), and `done` is called there; the ledger's inside;
// init and fini on main while no loop runs.
#pragma once

#include "daemon/worker.h"

// One question; the memory belongs to it until it has been answered.
struct place_question {
    struct worker_call call; // brings the answer back
    struct list_node node;   // in places.asked
    struct worker *worker;
    uint64_t receipt;
    void *arg; // NULL: nobody waits any more
    void (*done)(void *arg, const struct place_question *answer);
    enum result result; // of ledger_place_get()
    struct journal_position open;
    struct journal_position close;
};

void places_init(struct gateway *gateway);
void places_fini(struct gateway *gateway);

// The answer comes by done(arg, answer), never from inside. NULL: no memory.
MUST_USE struct place_question *place_ask(struct worker *worker, uint64_t receipt,
                                          void (*done)(void *arg, const struct place_question *answer),
                                          void *arg);
// No answer is wanted any more.
void place_forget(struct place_question *question);
