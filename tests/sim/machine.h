// SPDX-License-Identifier: Apache-2.0
//
// The simulated machine that the gateway runs on: mounts the disk, opens keyring and stores, starts the real
// gateway on fresh loops, and takes it down: by a graceful stop, by a kill of the process (the page cache
// survives), or by a power cut. Owner: history.
#pragma once

#include "daemon/gateway.h"
#include "history.h"

struct machine *machine_new(struct history *history);
void machine_free(struct machine **machine);

// Begins a new process life. False: it could not start, for want of a working disk or because the power went
// (then machine_is_cut()); anything else is a failure of the history.
bool machine_start(struct machine *machine);
bool machine_is_running(const struct machine *machine);
// The power is gone or the process has died inside a commit: machine_crash() is due.
bool machine_is_cut(const struct machine *machine);
void machine_crash(struct machine *machine, bool is_power_cut);
// Asks for a graceful stop, then machine_is_stopped() turns true and machine_stop_end() takes the rest down.
void machine_stop(struct machine *machine);
bool machine_is_stopped(const struct machine *machine);
void machine_stop_end(struct machine *machine);

// What history->slow says is so from now on, in later lives too.
void machine_slow(struct machine *machine);

unsigned machine_life(const struct machine *machine); // counted by the simulator, from 1
// Where a client connects; a place that nobody listens at while the gateway is down.
void machine_address(const struct machine *machine, struct net_address *address);
struct gateway *machine_gateway(struct machine *machine); // NULL while it is down
// NULL: there is no hospital.
struct crosswalk *machine_crosswalk(struct machine *machine);
struct fs *machine_fs(struct machine *machine);
// Nothing is owed in memory, no client is served, nothing waits for the journal.
bool machine_is_quiet(const struct machine *machine);
// Into the tale of a verbose history.
void machine_say_owed(const struct machine *machine);
// What an operator does with parked deliveries: tried again. Returns how many there were.
unsigned machine_unpark(struct machine *machine);
