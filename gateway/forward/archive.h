// SPDX-License-Identifier: Apache-2.0
//
// One archive as one worker sees it: the queue of what it is owed, the lanes that feed it, its breaker, and
// the clock of settlement. Each lane has a lease on the archive's process-wide association limit; a worker
// has an even share of them and at least one, and gives a lease back while another worker has none (ENGINE
// 5). Where a route makes clients wait for this archive's answer one lease is kept for what they wait for
// (ENGINE 3).
//
// An association-level failure opens the breaker: no new lane for a while, longer each time, and the next
// lane is the try; nothing is parked by it, with the one exception of ENGINE 5 (a receipt that kills
// associations).
//
// Thread: the worker's.
#pragma once

#include "forward/receipt.h"
#include "forward/refusals.h"
#include "leg/leg.h"

struct lane;

struct archive_counters {
    uint64_t answered; // success or warning
    uint64_t failed;   // attempts that the archive refused
    uint64_t lost;     // associations that ended with an instance in flight
    uint64_t opened;   // associations accepted by it
    uint64_t refused;  // associations that could not be opened
    uint64_t bytes;    // of data sets answered
    uint64_t flagged;  // of those answered: something should be looked at
};

struct archive {
    uint32_t magic;
    struct worker *worker;
    struct node *node;
    unsigned lane_limit;  // the archive's leases
    unsigned share;       // of them, this worker's even one; at least 1
    struct list waiting;  // by order of receipt
    struct list gated;    // by order of receipt
    struct list resting;  // by time of the next try
    struct list answered; // by time of settlement
    struct list parked;
    struct list held; // by order of receipt
    uint32_t news;    // calls of archive_look_again()
    struct list sending;
    struct list lanes;
    size_t asleep[STAGE_SETTLED]; // deliveries in each stage whose receipts sleep (backlog.h)
    uint64_t asleep_from;         // none that is waiting sleeps with an order below
    uint64_t owed_from;           // nor any that is still to be sent: waiting, resting or held
    size_t asleep_refused;        // of those resting: DELIVERY_TITLES_UNKNOWN
    uint64_t front_order;         // those behind it in the queue may go to sleep
    bool is_broken;               // breaker open
    uint64_t urgent_after;        // ev_now(): no lane for a waiting client before, when it is broken
    unsigned failures;            // in a row
    char last_failure[96];
    uint64_t last_success; // wall clock of the last success or warning; 0: none in this life
    struct refusals refusals;
    bool waits_for_lease;
    bool is_late; // work waits and the lanes that there are have not taken it for a while
    struct ev_timer lease_timer;
    struct ev_timer grow_timer;
    struct ev_timer breaker_timer;
    struct ev_timer rest_timer;
    struct ev_timer settle_timer;
    struct ev_task pump_task;
    struct archive_counters counters;
};

void archive_init(struct archive *archive, struct worker *worker, struct node *node);
// Ends its lanes at once; what they had in hand goes back to the queue.
void archive_lanes_free(struct archive *archive);
void archive_fini(struct archive *archive);
struct archive *archive_by_conf(struct worker *worker, const struct configuration_node *conf);
struct archive *archive_by_id(struct worker *worker, uint32_t id);
struct node *archive_node(struct archive *archive);
bool archive_is_broken(const struct archive *archive);

// Something may be sent now: at the end of the turn lanes are fed or made.
void archive_pump_later(struct archive *archive);
// A person says that the archive is well again: the next association is tried now, not after the back-off.
// Returns how many deliveries waited only for that.
size_t archive_try_now(struct archive *archive);
// Something has become known that may let held deliveries go: all that are held by one of these kinds (bits
// 1 << enum edit_hold_kind), or of which the kind is not known any more, go back into the queue in order of
// receipt, those that sleep too; one that is being looked at just now is, if it is held, looked at once more.
// To be called with all kinds after a start, too: the news may have come before it. Returns how many.
size_t archive_look_again(struct archive *archive, unsigned kinds);
// Deliveries in a stage, those that sleep included.
size_t archive_count(const struct archive *archive, enum delivery_stage stage);
// What rests as the archive does not know its titles (DELIVERY_TITLES_UNKNOWN); `text`: which, for people.
struct archive_refused {
    uint64_t count;
    char text[64]; // "": there is none
};
void archive_refused_get(const struct archive *archive, struct archive_refused *out);
// The list that holds deliveries of a stage that are awake; NULL for settled ones.
struct list *archive_list(struct archive *archive, enum delivery_stage stage);
// Timers follow the lists.
void archive_timers_update(struct archive *archive);

// ---- from cut.c ----

// Nothing waits for it and it is well: it has time for what is still coming in.
bool archive_is_at_rest(const struct archive *archive);
// A lane without work, on a free lease; NULL: there is none now. It opens what it is given.
struct lane *archive_lane_make(struct archive *archive);

// ---- from lanes ----

// What a lane asks for.
struct archive_wish {
    struct slice calling; // of its association; empty: any
    struct slice called;
    uint32_t association; // of a client, whose instances it carried last; 0: none
    bool only_urgent;     // its lease is the one kept for deliveries that a client waits for
};

// The best delivery for a lane: urgent ones first; of the next few the next one of the same client
// association, so that what came together goes together and in order; else one whose association no other
// lane is busy with; else the first that fits its titles, else the first of all. A new lane gets titles that
// no other serves. NULL: nothing may be sent now.
struct delivery *archive_next(struct archive *archive, const struct archive_wish *wish);
void archive_lane_opened(struct archive *archive);
// The archive does not know these titles: what is owed under them rests for the time that is returned, the
// breaker stays as it is. `is_called`: the called one, else the calling one. `why`: for the log.
uint64_t archive_titles_refused(struct archive *archive, struct slice calling, struct slice called,
                                bool is_called, const char *why);
// Another worker has work for this archive and less than its share of the leases.
bool archive_lease_is_wanted(const struct archive *archive);
// A lane between two instances should give its lease back: this worker has more than its share and another
// one waits; or, after many instances (`turns`), somebody has none at all, be it another worker or another
// title.
bool archive_lease_is_due(struct archive *archive, unsigned turns);
// A lane is gone.
void archive_lease_give(struct archive *archive);
void archive_succeeded(struct archive *archive);
// `why` for people, without patient data.
void archive_lane_failed(struct archive *archive, const char *why);
void archive_lane_ended(struct archive *archive, struct lane *lane);
// Jittered, doubled with each attempt, between retry_min and retry_max.
uint64_t archive_backoff(struct archive *archive, unsigned attempt);
