// SPDX-License-Identifier: Apache-2.0
//
// A worker: one thread, one event loop, one journal stream, and everything that lives on them: front
// sessions, receipts that are owed, lanes (DESIGN 2, ENGINE 1). Nothing but mail crosses to another worker.
//
// Thread: the worker's own, except where a function says otherwise.
#pragma once

#include "daemon/gateway.h"
#include "dcm/scanner.h"
#include "ev/mailbox.h"
#include "forward/backlog.h"
#include "forward/content.h"
#include "forward/notes.h"
#include "journal/disk.h"
#include "journal/stream.h"
#include "leg/leg.h"

struct archive;
struct edit_workshop;
struct order_gate;

#define WORKER_SCANNERS_KEPT 16

struct worker_counters {
    _Atomic uint64_t associations_accepted;
    _Atomic uint64_t associations_refused;
    _Atomic uint64_t instances_acknowledged;
    _Atomic uint64_t instances_refused;
    _Atomic uint64_t bytes_received;
    _Atomic uint64_t acknowledge_findings; // archives that have what the client was told to have failed
};

struct worker {
    uint32_t magic;
    unsigned index;
    struct gateway *gateway;
    struct ev_loop *loop;
    struct journal_disk *disk;
    struct journal_stream *stream;
    struct leg_environment legs;
    struct ev_mailbox inbox;
    struct hot_window window;
    struct notes notes;
    struct order_gate *gate;
    struct edit_workshop *workshop; // what its edits share (edit/workshop.h)
    struct seal_hash *patients;     // of studies and patients (edit/study.h)
    struct list sessions;
    struct list guests;       // connections that are no session yet
    struct list intakes;      // whose journal record waits for room
    struct list orphans;      // intakes whose association has ended before their CLOSE was durable
    struct list dead_lanes;   // whose reads are still under way
    struct list awaited;      // clients that wait for an archive's word
    struct list receipts;     // not settled yet and awake, in no order
    struct backlog backlog;   // not settled yet and asleep
    struct archive *archives; // one for each node, in the order of gateway->nodes
    struct dcm_scanner *scanners[WORKER_SCANNERS_KEPT];
    size_t scanner_count;
    _Atomic unsigned associations; // read by other threads for picking
    bool stop_is_posted;           // main thread's
    bool is_stopping;
    bool stop_is_due; // the time for finishing is over
    bool stream_stop_begun;
    bool stream_stopped;
    bool has_inbox;
    uint64_t stop_deadline; // ev_now()
    struct ev_timer stop_timer;
    struct worker_counters counters;
};

// A connection that is not a session yet; ended when the worker stops.
struct worker_guest {
    struct list_node node;                   // worker->guests
    void (*end)(struct worker_guest *guest); // takes it out of the list
};

// A function to run on the worker: all mail of its inbox is of this kind (accepted connections, admin
// requests).
struct worker_call {
    struct mail mail;
    void (*run)(struct worker *worker, struct worker_call *call);
    void (*discard)(struct worker_call *call); // the worker ends without running it; may be NULL
};

// Main thread, before any loop runs.
MUST_USE enum result worker_new(struct gateway *gateway, unsigned index, struct worker **out);
void worker_free(struct worker *worker);
MUST_USE enum result worker_start(struct worker *worker);

// Any thread: runs `call->run` on the worker; the memory is the callee's from OK on. AGAIN: its inbox is
// full.
MUST_USE enum result worker_post(struct worker *worker, struct worker_call *call);

// On the worker: finishes what is open, then tells the gateway.
void worker_stop_begin(struct worker *worker);
// Something that a graceful stop waits for has ended.
void worker_stop_check(struct worker *worker);

// Receipts that are not settled yet.
size_t worker_unsettled(const struct worker *worker);

MUST_USE enum result worker_scanner_take(struct worker *worker, struct dcm_scanner **scanner);
void worker_scanner_give(struct worker *worker, struct dcm_scanner *scanner);
