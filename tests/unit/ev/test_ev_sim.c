// SPDX-License-Identifier: Apache-2.0
//
// The simulated world: the same seed gives the same history, another seed another; crashes; wall clock jumps.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"
#include "ev/sim.h"

enum { LOOPS = 5 };

// A small crowd: each loop's timer wakes a random other loop, whose wake starts the timer again.
struct actor {
    struct ev_loop *loop;
    struct ev_timer timer;
    struct ev_wake wake;
    struct actor *crowd;
    unsigned runs;
};

static void on_timer(void *arg)
{
    struct actor *actor = arg;
    actor->runs++;
    ev_wake_signal(&actor->crowd[ev_random_below(actor->loop, LOOPS)].wake);
    ev_wake_signal(&actor->crowd[ev_random_below(actor->loop, LOOPS)].wake);
}

static void on_wake(void *arg)
{
    struct actor *actor = arg;
    if (!ev_timer_is_armed(&actor->timer))
        ev_timer_start(&actor->timer, ev_random_below(actor->loop, NSEC_PER_MS));
}

static uint64_t history(uint64_t seed, bool crash)
{
    struct sim_world *world = sim_world_new(seed);
    struct actor crowd[LOOPS];
    for (size_t i = 0; i < LOOPS; i++) {
        crowd[i] = (struct actor){.loop = sim_loop_new(world, "actor"), .crowd = crowd};
        ev_timer_init(&crowd[i].timer, crowd[i].loop, on_timer, &crowd[i]);
        ev_wake_init(&crowd[i].wake, crowd[i].loop, on_wake, &crowd[i]);
        ev_timer_start(&crowd[i].timer, i);
    }
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 20 * NSEC_PER_MS);
    unsigned runs = crowd[1].runs;
    if (crash)
        sim_loop_kill(crowd[1].loop);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 20 * NSEC_PER_MS);
    assert_true(sim_world_steps(world) > 50);
    if (crash)
        assert_int_equal(crowd[1].runs, runs);
    uint64_t trace = sim_world_trace(world);
    for (size_t i = 0; i < LOOPS; i++) {
        ev_timer_fini(&crowd[i].timer);
        ev_wake_fini(&crowd[i].wake);
        ev_loop_free(&crowd[i].loop);
    }
    sim_world_free(&world);
    return trace;
}

static void test_a_seed_is_a_history(void **state)
{
    (void)state;
    void *shift = malloc(4096); // other addresses the second time
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t first = history(seed, false);
        assert_int_equal(history(seed, false), first);
        assert_true(history(seed + 1000, false) != first);
        assert_int_equal(history(seed, true), history(seed, true));
        assert_true(history(seed, true) != first);
    }
    free(shift);
}

static void never(void *arg)
{
    (void)arg;
    fail();
}

static unsigned hooks_run;

static void on_kill(void *arg)
{
    (void)arg;
    hooks_run++;
}

static void test_kill_forgets_everything(void **state)
{
    (void)state;
    struct sim_world *world = sim_world_new(3);
    struct ev_loop *loop = sim_loop_new(world, "victim");
    struct ev_timer timer;
    struct ev_task task;
    struct ev_wake wake;
    struct sim_kill_hook hook, other;
    ev_timer_init(&timer, loop, never, NULL);
    ev_task_init(&task, loop, never, NULL);
    ev_wake_init(&wake, loop, never, NULL);
    sim_loop_on_kill(&hook, loop, on_kill, NULL);
    sim_loop_on_kill(&other, loop, on_kill, NULL);
    sim_kill_hook_fini(&other);
    ev_timer_start(&timer, 5);
    ev_task_defer(&task);
    ev_wake_signal(&wake);
    hooks_run = 0;
    sim_loop_kill(loop);
    sim_loop_kill(loop);
    assert_int_equal(hooks_run, 1);
    assert_true(ev_loop_is_dead(loop));
    assert_false(ev_timer_is_armed(&timer) || ev_task_is_pending(&task));
    ev_timer_start(&timer, 5);
    ev_task_defer(&task);
    ev_wake_signal(&wake);
    assert_false(sim_world_step(world));
    sim_kill_hook_fini(&hook);
    ev_timer_fini(&timer);
    ev_task_fini(&task);
    ev_wake_fini(&wake);
    ev_loop_free(&loop);
    sim_world_free(&world);
}

static void kill_own_loop(void *arg)
{
    sim_loop_kill(arg);
}

static void test_kill_inside_a_callback(void **state)
{
    (void)state;
    struct sim_world *world = sim_world_new(3);
    struct ev_loop *loop = sim_loop_new(world, "victim");
    struct ev_timer first, second;
    struct ev_task task;
    ev_timer_init(&first, loop, kill_own_loop, loop);
    ev_timer_init(&second, loop, never, NULL);
    ev_task_init(&task, loop, never, NULL);
    ev_timer_start(&first, 5);
    ev_timer_start(&second, 5);
    assert_true(sim_world_step(world));
    assert_false(sim_world_step(world));
    ev_loop_free(&loop);
    sim_world_free(&world);
}

static void test_wall_clock_jumps(void **state)
{
    (void)state;
    struct sim_world *world = sim_world_new(3);
    struct ev_loop *loop = sim_loop_new(world, "loop");
    uint64_t start = ev_wall_now(loop);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_int_equal(ev_wall_now(loop), start + NSEC_PER_SEC);
    sim_world_set_wall(world, 5);
    uint64_t now = ev_now(loop);
    assert_int_equal(ev_wall_now(loop), 5);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 7);
    assert_int_equal(ev_wall_now(loop), 12);
    assert_int_equal(ev_now(loop), now + 7);
    ev_loop_free(&loop);
    sim_world_free(&world);
}

static void count(void *arg)
{
    ++*(unsigned *)arg;
}

// A slow loop runs late and finds several timers due in one turn.
static void test_a_slow_loop_runs_late(void **state)
{
    (void)state;
    struct sim_world *world = sim_world_new(3);
    struct ev_loop *loop = sim_loop_new(world, "slow");
    struct ev_timer timers[20];
    unsigned runs = 0, most = 0;
    for (unsigned i = 0; i < 20; i++) {
        ev_timer_init(&timers[i], loop, count, &runs);
        ev_timer_start(&timers[i], i * NSEC_PER_MS);
    }
    sim_loop_slow(loop, 10 * NSEC_PER_MS);
    for (unsigned before = runs; sim_world_step(world); before = runs)
        most = runs - before > most ? runs - before : most;
    assert_int_equal(runs, 20);
    assert_true(most > 2);
    sim_loop_slow(loop, 0);
    uint64_t now = sim_world_now(world);
    ev_timer_start(&timers[0], 5);
    assert_true(sim_world_step(world));
    assert_in_range(sim_world_now(world), now + 5, now + 100 * 1000);
    for (unsigned i = 0; i < 20; i++)
        ev_timer_fini(&timers[i]);
    ev_loop_free(&loop);
    sim_world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_is_a_history),    cmocka_unit_test(test_kill_forgets_everything),
        cmocka_unit_test(test_kill_inside_a_callback), cmocka_unit_test(test_wall_clock_jumps),
        cmocka_unit_test(test_a_slow_loop_runs_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
