// SPDX-License-Identifier: Apache-2.0
//
// The process-wide object graph of the gateway, and the seams by which it is put on a real machine or into
// the simulator (ENGINE 8). Order of life: gateway_new, gateway_recover, gateway_start, [loops run],
// gateway_stop, [loops run until it has called back], [loops end], gateway_free.
//
// Thread: main, except where a member says otherwise.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "conf/configuration.h"
#include "ev/mailbox.h"
#include "fs/fs.h"
#include "journal/journal.h"
#include "net/dial.h"
#include "route/capability.h"
#include "route/proposal.h"
#include "seal/keyring.h"
#include "store/control.h"
#include "store/kv.h"
#include "store/ledger.h"

struct access;
struct census;
struct crosswalk;
struct crosswalk_office;
struct edit_policies;
struct news;
struct peers;
struct order_keeper;
struct worker;

// What the gateway stands on. All of it is borrowed until gateway_free().
struct platform {
    struct fs *fs; // root: the data folder
    struct seal_keyring *keyring;
    struct kv_env *ledger;
    struct kv_env *control;
    // One entry for each node of the configuration, in its order.
    const struct net_dialer *const *dialers;
    struct ev_loop *main_loop;
    struct ev_loop *ledger_loop;
    struct ev_loop *lookup_loop; // order of receipts with one SOP UID; reads of the ledger and the crosswalk
    struct crosswalk *crosswalk; // NULL: it could not be opened, and what needs it rests
    bool crosswalk_is_lost;      // that is why
    struct ev_loop *crosswalk_loop; // the only one that writes the crosswalk
    struct ev_loop **worker_loops;
    struct ev_loop **disk_loops; // of the same worker
    unsigned workers;            // 1 to 64
};

// A configured node at run time, shared by all workers.
struct node {
    const struct configuration_node *conf;
    const struct net_dialer *dialer;
    atomic_bool is_paused;          // by an operator; survives a restart (control store)
    unsigned kept_leases;           // of these, for deliveries that a client waits for: 0 or 1
    _Atomic unsigned leases;        // lanes of all workers; at most conf->associations (ENGINE 5)
    _Atomic unsigned lease_waiters; // workers that have work and no lease
    struct control_pause pause;     // who, when and why, while it is paused; main thread's
    pthread_mutex_t lock;           // guards address; held for a copy
    bool has_address;
    struct net_address address; // as last resolved
};

// Copies the address to dial; false: its name has not been resolved yet.
bool node_address_get(struct node *node, struct net_address *address);
void node_address_set(struct node *node, const struct net_address *address);

enum { REMOVED_NODES_MAX = 64 }; // as many as a configuration has

// Limits as last loaded. A person changes them by a reload, now and then: what somebody may still read is
// kept.
struct gateway_limits {
    struct configuration_limits values;
    const struct gateway_limits *former;
};

enum gateway_phase_of_life { GATEWAY_STARTING, GATEWAY_RUNNING, GATEWAY_STOPPING, GATEWAY_STOPPED };

struct gateway {
    uint32_t magic;
    const struct configuration *configuration;
    struct platform platform;
    struct journal *journal;
    struct ledger_writer *ledger;
    struct capability_cache *capabilities;
    struct damage *damage;
    struct scrub **scrubs; // one for each worker's disk thread
    struct proposal_cache *proposals;
    _Atomic(struct access *) access; // in force; those before stay until gateway_free()
    struct census *census;
    struct peers *peers;                           // whose certificates end soon
    _Atomic(const struct gateway_limits *) limits; // in force; those before stay until gateway_free()
    struct order_keeper *order;
    struct crosswalk_office *office;
    struct news *news;
    pthread_mutex_t policies_lock;  // held for a few instructions
    struct edit_policies *policies; // in force; NULL: nothing is done to anything
    struct node *nodes;
    size_t node_count;
    struct worker **workers;
    unsigned pick_first; // main thread's
    uint64_t epoch;
    _Atomic enum gateway_phase_of_life life;
    uint64_t started_at;            // wall clock
    struct ev_wake ledger_wake;     // ledger loop: more of the journal is durable
    struct ev_wake capability_wake; // ledger loop: answers to persist
    struct ev_timer ledger_pace;
    struct ev_timer ledger_retry;
    struct ev_timer forward_timer; // ledger loop: the next step of copying forward
    struct places {                // questions to the ledger (places.h)
        pthread_mutex_t lock;
        struct list asked;
        struct ev_wake wake;
        struct ev_timer retry;
    } places;
    struct ev_timer day_timer;   // ledger loop: has the day changed?
    atomic_bool ledger_is_due;   // it has been told that more is durable, and will look
    atomic_bool ledger_is_stuck; // its last try failed
    bool has_stop;
    struct ev_timer stop_retry;  // main loop
    struct ev_wake stopped_wake; // main loop: a worker's stream has stopped
    _Atomic unsigned workers_running;
    void (*on_stopped)(void *arg);
    void *on_stopped_arg;
    struct journal_recovery_figures {
        uint64_t torn, corrupt, dropped, unfinished, owed;
        uint64_t received, settled; // receipts of all earlier lives, as the ledger counts them
        uint64_t queued;            // of those owed the ones that a worker has
        // Receipts not settled by nodes that are not in the configuration any more; the first such nodes,
        // and all others together.
        struct removed_node {
            uint16_t id;
            uint64_t receipts;
        } removed[REMOVED_NODES_MAX];
        size_t removed_count;
        uint64_t removed_more;
    } recovery;
};

// `configuration` is borrowed until gateway_free(). ERR_NOMEM, ERR_ARGUMENT.
MUST_USE enum result gateway_new(const struct platform *platform, const struct configuration *configuration,
                                 struct gateway **out);
// Recovers journal and ledger, begins this process life and hands the owed receipts to the workers (ENGINE 2,
// 7). No loop runs yet.
MUST_USE enum result gateway_recover(struct gateway *gateway);
// Begins streams and lanes; from now on sessions may begin on the workers.
MUST_USE enum result gateway_start(struct gateway *gateway);
// Stops gracefully: open associations may finish for limits.stop, then lanes, journal and ledger. `done` is
// called on the main loop.
void gateway_stop(struct gateway *gateway, void (*done)(void *arg), void *arg);
// Loops have ended (or were killed). Does no I/O on what is lost anyway. NULL is fine.
void gateway_free(struct gateway *gateway);

// Days since 1970-01-01 UTC, for the keyring, of a wall clock in nanoseconds.
uint32_t gateway_day(uint64_t wall);
// Who may connect from now on. Takes it; the configuration that it was made of must live until
// gateway_free(). Main thread.
void gateway_access_set(struct gateway *gateway, struct access *access);
// `limits` as they are now; good until gateway_free(). Any thread.
const struct configuration_limits *gateway_limits(const struct gateway *gateway);
// Main thread: for what begins from now on. ERR_NOMEM: nothing has changed.
MUST_USE enum result gateway_limits_set(struct gateway *gateway, const struct configuration_limits *limits);

// A worker's stream has been stopped; called on its thread.
void gateway_worker_stopped(struct gateway *gateway);

// What archives want done to the instances that they get, as loaded last: a reference for the caller, or
// NULL: nothing. Any thread.
struct edit_policies *gateway_policies(struct gateway *gateway);
// Main thread: `policies`, taken, are in force for what begins from now on; if they differ from those before,
// all workers are told (daemon/news.h), and the answer is true.
bool gateway_policies_set(struct gateway *gateway, struct edit_policies **policies);

// The worker for the next connection: the one with the fewest associations, in turn among equals. Main
// thread.
struct worker *gateway_worker_pick(struct gateway *gateway);
