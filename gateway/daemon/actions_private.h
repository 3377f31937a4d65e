// SPDX-License-Identifier: Apache-2.0
//
// Behind daemon/actions.h: rounds. A round carries one request of the control socket: a part of it goes to
// each worker that is asked, does its work there, and comes back to the main loop with an answer; when all
// parts are back the round is finished. Nothing blocks: a worker whose inbox is full is asked again a little
// later, and if that does not help the request is answered as unavailable. Room for what comes back is kept
// for as many rounds as there may be at the same time.
//
// Ownership: the main loop's, except that a part belongs to its worker from the moment it is posted until it
// is back. What of a round its kind reads on workers does not change in between. Answers are flat heap
// memory.
#pragma once

#include "admin/admin.h"
#include "base/list.h"
#include "daemon/gateway.h"
#include "daemon/worker.h"
#include "ev/loop.h"

enum { ROUNDS_MOST = 32 };

struct part;
struct round;

struct actions {
    uint32_t magic;
    struct gateway *gateway;
    struct ev_mailbox inbox;        // main loop: what comes back
    struct ev_mailbox ledger_inbox; // ledger loop: what is to be written to the control store
    struct list rounds;
    struct reload *reload;       // NULL: there are no files
    struct expiry *expiry;       // the same
    struct crosswalk_desk *desk; // NULL: there is no crosswalk
    struct ev_timer retry;       // for parts that have not found room in their worker's inbox
};

struct round_kind {
    size_t size; // of the kind's own struct, which begins with its round
    // On the worker: now or later part_done().
    void (*work)(struct part *part);
    // Main, all parts are back and none was refused: now or later round_end().
    void (*finish)(struct round *round);
    // Main: the round's timer, for a finish in several turns. May be NULL.
    void (*turn)(struct round *round);
    // Threads have ended while the worker still held the part: stops what would call back. May be NULL.
    void (*cancel)(struct part *part);
    void (*fini)(struct round *round); // may be NULL
};

enum part_place { PART_IN_INBOX, PART_HELD, PART_BACK };

struct part {
    uint32_t magic;
    struct worker_call call;
    struct mail back;
    struct round *round; // NULL: the actions are gone, the worker's inbox is the last place that has it
    struct worker *worker;
    bool is_posted;        // the main loop's
    enum part_place place; // the worker's, once it is posted
    bool is_refused;       // the worker could not be asked, or it is stopping
    void *answer;
};

struct round {
    uint32_t magic;
    struct actions *actions;
    const struct round_kind *kind;
    struct list_node node;
    struct admin_reply *reply;
    struct mail written;        // from the ledger loop
    enum result written_result; // what the write of it came to
    struct ev_timer timer;      // main: the kind's
    unsigned attempts;          // to post
    size_t pending;             // parts that are not back
    size_t part_count;
    struct part **parts;
    struct ev_garbage garbage;
};

enum { MAIL_PART, MAIL_WRITTEN }; // kinds in the inbox

// NULL: no memory or too many requests; the reply has then been answered. `workers`: how many parts, from
// worker `first` on.
struct round *round_new(struct actions *actions, const struct round_kind *kind, struct admin_reply *reply,
                        unsigned first, unsigned workers);
// Sends all parts on their way.
void round_begin(struct round *round);
// Answers and frees it.
void round_end(struct round *round, enum admin_status status, json_t *body);
void round_fail(struct round *round, enum admin_status status, const char *message);

// On the worker: the part goes back. It is the main loop's from now on.
void part_done(struct part *part);
void part_refuse(struct part *part);

struct delivery;
// Why it rests, is parked or held; "": nothing to say.
const char *actions_reason(const struct delivery *delivery);
// Wall clock of `when` (ev_now()); now for what is past.
uint64_t actions_wall(struct ev_loop *loop, uint64_t when);

// NULL: no node of this name. `index`: its place in gateway->nodes and in each worker's archives.
struct node *actions_node_find(struct actions *actions, const char *name, size_t *index);

// It is the first archive of a route of the phase in force: what clients and readers rely on.
bool actions_node_is_primary(const struct gateway *gateway, const struct configuration_node *node);

// ---- the members of actions_table; `arg` is the actions ----

void actions_status(void *arg, struct admin_reply *reply);
void actions_archive_list(void *arg, struct admin_reply *reply);
void actions_queue_list(void *arg, const struct admin_filter *filter, struct admin_reply *reply);
void actions_queue_summary(void *arg, const char *archive, struct admin_reply *reply);
void actions_queue_change(void *arg, enum admin_queue_change change, const struct admin_selection *selection,
                          struct admin_reply *reply);
void actions_hold_list(void *arg, const struct admin_filter *filter, struct admin_reply *reply);
void actions_hold_show(void *arg, const struct admin_filter *filter, struct admin_reply *reply);
void actions_hold_change(void *arg, enum admin_hold_change change, const struct admin_selection *selection,
                         struct admin_reply *reply);
void actions_archive_capabilities(void *arg, const char *name, const struct admin_capability_query *query,
                                  struct admin_reply *reply);
// `archive probe`: what is known of it is asked anew.
void actions_probe(struct actions *actions, struct node *node, struct admin_reply *reply);
void actions_archive_change(void *arg, enum admin_archive_change change, const char *name, const char *person,
                            const char *reason, struct admin_reply *reply);

void actions_config_reload(void *arg, const char *person, struct admin_reply *reply);
void actions_crosswalk_change(void *arg, const char *kind, struct slice body, struct admin_reply *reply);
// `certificates`, `peers` and their alarms of `status` (actions_config.c).
void actions_certificates_add(const struct actions *actions, json_t *body, json_t *alarms);

// ---- from the mailboxes ----

void actions_pause_write(struct round *round);   // ledger loop
void actions_pause_written(struct round *round); // main loop
