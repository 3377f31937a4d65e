// SPDX-License-Identifier: Apache-2.0
//
// The simulated back end: many loops on one virtual clock, driven step by step in an order drawn from a seed.
// One seed is one reproducible history. Single-threaded. Tests and the simulator only (target dg_ev_sim).
// Source: ENGINE 8.
#pragma once

#include "ev/loop.h"

struct sim_world;

// ERR_NOMEM is an abort here. The clock starts at one second, the wall clock at 2026-01-01T00:00:00Z.
struct sim_world *sim_world_new(uint64_t seed);
// After all loops are freed. Nulls *world.
void sim_world_free(struct sim_world **world);

// A loop of this world. name is copied (31 bytes). Freed with ev_loop_free().
struct ev_loop *sim_loop_new(struct sim_world *world, const char *name);
// A crash: timers, tasks and wakes of the loop vanish, none of its callbacks will run again, functions
// registered with sim_loop_on_kill() are told. The loop stays valid (dead) for taking down. May be called
// inside any callback.
void sim_loop_kill(struct ev_loop *loop);
// From now on each turn keeps the loop busy for up to `most` nanoseconds more (drawn; 0 ends it), as a slow
// device or a crowded processor does: it runs late, and finds several things due at once.
void sim_loop_slow(struct ev_loop *loop, uint64_t most);
// Tells other loops' objects (the far end of a connection) of the crash. Runs in registration order, as part
// of the kill.
struct sim_kill_hook {
    struct list_node node;
    struct ev_loop *loop;
    ev_callback_fn *callback;
    void *arg;
};
void sim_loop_on_kill(struct sim_kill_hook *hook, struct ev_loop *loop, ev_callback_fn *callback, void *arg);
void sim_kill_hook_fini(struct sim_kill_hook *hook);

// One turn of one loop: among the loops that can run at the earliest possible time, one is drawn. The clock
// moves there. false: no loop has anything to do, ever.
bool sim_world_step(struct sim_world *world);
typedef bool sim_condition_fn(void *arg);
// Steps until condition(arg) holds (checked after each step; NULL: never) or the clock would pass `until`;
// then the clock stands at `until`. True if the condition held.
bool sim_world_run_until(struct sim_world *world, sim_condition_fn *condition, void *arg, uint64_t until);

uint64_t sim_world_now(const struct sim_world *world);
uint64_t sim_world_steps(const struct sim_world *world);
// Wall clock = virtual clock + offset. Jumps are allowed either way.
void sim_world_set_wall(struct sim_world *world, uint64_t wall_now);

// The world's own draws (faults, latencies). Apart from the loops' ev_random().
uint64_t sim_random_u64(struct sim_world *world);
uint64_t sim_random_below(struct sim_world *world, uint64_t limit);
// True with probability numerator/denominator.
bool sim_random_chance(struct sim_world *world, uint64_t numerator, uint64_t denominator);

// A hash over every step (time, loop) and every note: equal hashes mean equal histories.
uint64_t sim_world_trace(const struct sim_world *world);
void sim_world_note(struct sim_world *world, uint64_t value);
// The world of a simulated loop; aborts on a real one.
struct sim_world *sim_world_of(const struct ev_loop *loop);
