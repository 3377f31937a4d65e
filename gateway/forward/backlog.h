// SPDX-License-Identifier: Apache-2.0
//
// A long backlog in little memory (ENGINE 6). When a worker has more receipts than `memory.awake_receipts`
// allows, those that nobody needs soon go to sleep: they become rows of 64 bytes (asleep.h), and the struct
// receipt is gone. They wake when their turn comes: the next ones of an archive's queue before it would run
// dry, those whose rest or settlement is due, those that a person names. All is in memory, nothing is read.
//
// Asleep are only receipts without hot bytes and without a lane, all of whose deliveries are parked, held,
// answered, resting, or far from the front of their queue. Between two turns of the loop any other receipt
// may go to sleep, so a pointer to one is kept over turns only with `receipt->pins` raised.
//
// Thread: the worker's.
#pragma once

#include "base/list.h"
#include "ev/loop.h"
#include "forward/asleep.h"
#include "forward/stage.h"

// Of what falls asleep with a reason when so many different ones sleep already, or there is no memory, only
// the common text below is kept. Attempts are counted up to 255.
#define BACKLOG_REASONS_MAX     253
#define BACKLOG_REASON_LEFT_OUT "not kept in memory: see the ledger"

struct archive;
struct delivery;
struct receipt;
struct worker;
struct open_entry;

struct backlog_reason {
    char text[63];
    size_t users; // sleeping deliveries; 0: the place is free
};

struct backlog {
    struct worker *worker;
    struct asleep rows;
    size_t receipts;     // asleep
    size_t awake_limit;  // receipts of this worker that are kept whole
    uint64_t started;    // ev_now() that `when` of a row counts from
    uint64_t due;        // no sleeping rest or settlement is due before it; UINT64_MAX: there is none
    uint64_t pass_due;   // the same, of what the present pass has seen and what fell asleep meanwhile
    uint64_t pass_order; // where the present pass for due ones stands
    bool is_passing;
    size_t searched; // receipts that the walk for ones that may sleep has looked at in vain
    struct ev_timer sleep_timer;
    struct ev_timer due_timer;
    struct backlog_reason *reasons;
    size_t reason_count; // places that were ever used
};

void backlog_init(struct backlog *backlog, struct worker *worker, size_t awake_limit);
void backlog_fini(struct backlog *backlog);

// There are more receipts than before: some may have to sleep.
void backlog_look_later(struct backlog *backlog);

// At start: the receipt goes to sleep at once if enough are awake. AGAIN: it has to be made whole. ERR_NOMEM.
MUST_USE enum result backlog_restore(struct backlog *backlog, const struct open_entry *entry);

// Before the archive's queue is looked at: its first deliveries are awake then.
void backlog_front_wake(struct archive *archive);

// Wakes at most `most` receipts that sleep with a delivery of this archive in this stage; returns how many.
size_t backlog_stage_wake(struct archive *archive, enum delivery_stage stage, size_t most);
// Wakes those that `is_meant`; stops early, false, when there is no memory.
bool backlog_receipts_wake(struct worker *worker, bool (*is_meant)(void *arg, uint64_t number), void *arg);
// Those that are held and `is_meant` wait from now on; they sleep on. Returns how many.
size_t backlog_look_again(struct archive *archive, unsigned kinds,
                          bool (*is_meant)(uint8_t hold, unsigned kinds));
// The receipt, awake now; NULL: this worker does not have it, or has no memory to
// wake it.
struct receipt *backlog_receipt_find(struct worker *worker, uint64_t order, uint64_t number);
// All of them, for tests.
void backlog_all_wake(struct worker *worker);

// A sleeping delivery, for those who only look.
struct backlog_view {
    uint64_t number;
    uint64_t order;
    uint64_t closed_at; // wall clock
    size_t archive;     // index of the node
    enum delivery_stage stage;
    uint16_t status;
    uint32_t attempts;
    uint64_t when; // RESTING, ANSWERED: ev_now()
    const char *reason;
};
// By rising order, until `visit` says false.
void backlog_each(const struct backlog *backlog, bool (*visit)(void *arg, const struct backlog_view *view),
                  void *arg);
// When the oldest receipt that sleeps and is still to be sent to this archive came in; 0: there is none.
uint64_t backlog_oldest(struct archive *archive);
