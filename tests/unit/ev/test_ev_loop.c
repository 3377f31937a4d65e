// SPDX-License-Identifier: Apache-2.0
//
// Order of a turn, timers, tasks, garbage, wakes; on a simulated loop, where time is exact.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "ev/sim.h"

static struct sim_world *world;
static struct ev_loop *loop;
static char seen[64];
static size_t seen_count;

static int set_up(void **state)
{
    (void)state;
    world = sim_world_new(7);
    loop = sim_loop_new(world, "loop");
    seen_count = 0;
    memset(seen, 0, sizeof seen);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    ev_loop_free(&loop);
    sim_world_free(&world);
    return 0;
}

static void note(void *arg)
{
    seen[seen_count++] = *(const char *)arg;
}

static void run_for(uint64_t time)
{
    assert_false(sim_world_run_until(world, NULL, NULL, sim_world_now(world) + time));
}

static void test_timers_run_in_order(void **state)
{
    (void)state;
    struct ev_timer timers[5];
    char *names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++)
        ev_timer_init(&timers[i], loop, note, names[i]);
    ev_timer_start(&timers[0], 30);
    ev_timer_start(&timers[1], 10);
    ev_timer_start(&timers[2], 30);
    ev_timer_start(&timers[3], 20);
    ev_timer_start(&timers[4], 20);
    ev_timer_stop(&timers[3]);
    assert_false(ev_timer_is_armed(&timers[3]));
    ev_timer_start(&timers[0], 30); // started again: behind c
    run_for(NSEC_PER_MS);
    assert_string_equal(seen, "beca");
    for (int i = 0; i < 5; i++)
        ev_timer_fini(&timers[i]);
}

static uint64_t last_deadline, last_sequence;

static void check_order(void *arg)
{
    struct ev_timer *timer = *(struct ev_timer **)arg;
    assert_true(timer->deadline <= ev_now(loop));
    assert_true(timer->deadline > last_deadline ||
                (timer->deadline == last_deadline && timer->sequence > last_sequence));
    last_deadline = timer->deadline;
    last_sequence = timer->sequence;
    seen_count++;
}

static void test_many_timers_keep_heap_order(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct ev_timer *timers = calloc(COUNT, sizeof *timers);
    struct ev_timer **self = calloc(COUNT, sizeof *self);
    assert_true(timers != NULL && self != NULL);
    last_deadline = last_sequence = 0;
    for (size_t i = 0; i < COUNT; i++) {
        self[i] = &timers[i];
        ev_timer_init(&timers[i], loop, check_order, &self[i]);
        ev_timer_start(&timers[i], 1 + ev_random_below(loop, 100));
    }
    // Stopping and starting anywhere must leave a heap: the rest still comes out in order.
    for (size_t i = 0; i < COUNT; i += 3)
        ev_timer_stop(&timers[i]);
    for (size_t i = 0; i < COUNT; i += 5)
        ev_timer_start(&timers[i], 1 + ev_random_below(loop, 100));
    run_for(NSEC_PER_MS);
    assert_int_equal(seen_count, COUNT - 167 + 34); // multiples of 3, of 15
    free(timers);
    free(self);
}

static struct ev_timer again;
static unsigned again_runs;

static void start_again(void *arg)
{
    (void)arg;
    if (++again_runs < 100)
        ev_timer_start(&again, 0);
}

static void test_timer_started_by_a_timer_waits_for_the_next_turn(void **state)
{
    (void)state;
    again_runs = 0;
    ev_timer_init(&again, loop, start_again, NULL);
    ev_timer_start(&again, 0);
    assert_true(sim_world_step(world));
    assert_int_equal(again_runs, 1);
    run_for(NSEC_PER_MS);
    assert_int_equal(again_runs, 100);
    ev_timer_fini(&again);
}

static struct ev_task task_a, task_b, task_c;

static void defer_and_cancel(void *arg)
{
    note(arg);
    ev_task_defer(&task_a);
    ev_task_cancel(&task_b);
    ev_task_defer(&task_c);
}

static void test_tasks(void **state)
{
    (void)state;
    ev_task_init(&task_a, loop, defer_and_cancel, "a");
    ev_task_init(&task_b, loop, note, "b");
    ev_task_init(&task_c, loop, note, "c");
    ev_task_defer(&task_a);
    ev_task_defer(&task_a);
    ev_task_defer(&task_b);
    assert_true(ev_task_is_pending(&task_b));
    assert_true(sim_world_step(world));
    assert_string_equal(seen, "a");
    assert_true(ev_task_is_pending(&task_a) && ev_task_is_pending(&task_c) && !ev_task_is_pending(&task_b));
    assert_true(sim_world_step(world));
    assert_string_equal(seen, "aac");
    ev_task_fini(&task_a);
    ev_task_fini(&task_b);
    ev_task_fini(&task_c);
}

struct dying {
    struct ev_garbage garbage;
    struct ev_task task;
};

static void destroy(struct ev_garbage *garbage)
{
    note("g");
    free(CONTAINER_OF(garbage, struct dying, garbage));
}

static void discard(void *arg)
{
    struct dying *dying = arg;
    ev_task_fini(&dying->task);
    ev_loop_discard(loop, &dying->garbage, destroy);
    note("d");
}

static void test_garbage_outlives_the_turn(void **state)
{
    (void)state;
    struct dying *first = calloc(1, sizeof *first), *second = calloc(1, sizeof *second);
    assert_true(first != NULL && second != NULL);
    ev_task_init(&first->task, loop, discard, first);
    ev_task_init(&task_b, loop, note, "b");
    ev_task_defer(&first->task);
    ev_task_defer(&task_b);
    assert_true(sim_world_step(world));
    assert_string_equal(seen, "dbg");
    // What is left over goes with the loop, a dead one too.
    ev_loop_discard(loop, &second->garbage, destroy);
    sim_loop_kill(loop);
    ev_loop_free(&loop);
    assert_string_equal(seen, "dbgg");
    loop = sim_loop_new(world, "another");
}

static void test_wakes_are_coalesced(void **state)
{
    (void)state;
    struct ev_wake wakes[3];
    char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        ev_wake_init(&wakes[i], loop, note, names[i]);
    ev_wake_signal(&wakes[1]);
    ev_wake_signal(&wakes[0]);
    ev_wake_signal(&wakes[1]);
    ev_wake_signal(&wakes[2]);
    ev_wake_fini(&wakes[0]); // pending: taken out
    run_for(NSEC_PER_MS);
    assert_string_equal(seen, "bc");
    ev_wake_signal(&wakes[2]);
    run_for(NSEC_PER_MS);
    assert_string_equal(seen, "bcc");
    ev_wake_fini(&wakes[1]);
    ev_wake_fini(&wakes[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timers_run_in_order, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_many_timers_keep_heap_order, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_timer_started_by_a_timer_waits_for_the_next_turn, set_up,
                                        take_down),
        cmocka_unit_test_setup_teardown(test_tasks, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_garbage_outlives_the_turn, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_wakes_are_coalesced, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
