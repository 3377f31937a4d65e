// SPDX-License-Identifier: Apache-2.0
//
// The real back end: time, wakes between threads, descriptors, signals, stop.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/units.h"
#include "ev/real.h"

static struct ev_loop *loop;
static unsigned calls;

static int set_up(void **state)
{
    (void)state;
    calls = 0;
    return ev_real_new("test", &loop) == OK ? 0 : -1;
}

static int take_down(void **state)
{
    (void)state;
    ev_loop_free(&loop);
    return 0;
}

static void count(void *arg)
{
    (void)arg;
    calls++;
}

static void stop(void *arg)
{
    ev_loop_stop(arg);
}

static void test_timer_is_not_early(void **state)
{
    (void)state;
    struct ev_timer timer;
    ev_timer_init(&timer, loop, stop, loop);
    uint64_t start = ev_now_update(loop);
    ev_timer_start(&timer, 20 * NSEC_PER_MS);
    ev_loop_run(loop);
    uint64_t took = ev_now(loop) - start;
    assert_true(took >= 20 * NSEC_PER_MS && took < 5 * NSEC_PER_SEC);
    assert_true(ev_loop_is_stopped(loop));
    ev_timer_fini(&timer);
}

static void test_clocks_and_random(void **state)
{
    (void)state;
    assert_true(ev_wall_now(loop) > UINT64_C(1700000000) * NSEC_PER_SEC);
    uint64_t a = ev_random_u64(loop), b = ev_random_u64(loop);
    assert_true(a != b);
    uint8_t bytes[1000] = {0};
    ev_random(loop, bytes, sizeof bytes);
    unsigned zeros = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        zeros += bytes[i] == 0;
    assert_true(zeros < 50);
    for (int i = 0; i < 1000; i++)
        assert_true(ev_random_below(loop, 3) < 3);
}

enum { SIGNALS = 20000 };

static void *signal_often(void *arg)
{
    for (int i = 0; i < SIGNALS; i++)
        ev_wake_signal(arg);
    return NULL;
}

static void test_wake_from_another_thread(void **state)
{
    (void)state;
    struct ev_wake wake;
    pthread_t threads[2];
    ev_wake_init(&wake, loop, count, NULL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, signal_often, &wake), 0);
    for (int i = 0; i < 100; i++)
        ev_loop_turn(loop, 10 * NSEC_PER_MS);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    while (atomic_load(&wake.pending))
        ev_loop_turn(loop, NSEC_PER_MS);
    assert_true(calls >= 1 && calls <= 2 * SIGNALS);
    unsigned before = calls;
    ev_loop_turn(loop, 0);
    assert_int_equal(calls, before);
    ev_wake_fini(&wake);
}

// A wake that comes while the loop is about to sleep, a little sooner or later each time, is not slept over.
enum { PESTERINGS = 50000 };

static atomic_uint heard;

static void hear(void *arg)
{
    struct ev_timer *give_up = arg;
    ev_timer_start(give_up, 60 * NSEC_PER_SEC);
    atomic_fetch_add(&heard, 1);
}

static void *pester(void *arg)
{
    struct ev_wake *wake = arg;
    for (unsigned i = 0; i < PESTERINGS; i++) {
        for (unsigned pause = i * 7 % 1009; pause > 0; pause--)
            (void)atomic_load(&heard);
        ev_wake_signal(wake);
        while (atomic_load(&heard) == i && !ev_loop_is_stopped(wake->loop))
            sched_yield();
    }
    ev_loop_stop(wake->loop);
    return NULL;
}

static void test_wake_when_about_to_sleep(void **state)
{
    (void)state;
    struct ev_wake wake;
    struct ev_timer give_up;
    pthread_t thread;
    ev_wake_init(&wake, loop, hear, &give_up);
    ev_timer_init(&give_up, loop, stop, loop);
    ev_timer_start(&give_up, 60 * NSEC_PER_SEC);
    assert_int_equal(pthread_create(&thread, NULL, pester, &wake), 0);
    ev_loop_run(loop);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&heard), PESTERINGS);
    ev_timer_fini(&give_up);
    ev_wake_fini(&wake);
}

static struct ev_wake woken;

static void signal_woken(void *arg, unsigned directions)
{
    (void)directions;
    ev_watch_free(arg);
    ev_wake_signal(&woken);
}

// From the loop's own thread: between turns, and in a callback of a descriptor. Nothing is slept over.
static void test_wake_while_awake(void **state)
{
    (void)state;
    int pair[2];
    struct ev_watch *watched;
    ev_wake_init(&woken, loop, count, NULL);
    ev_loop_turn(loop, 0);
    ev_wake_signal(&woken);
    uint64_t start = ev_now_update(loop);
    ev_loop_turn(loop, 60 * NSEC_PER_SEC);
    assert_int_equal(calls, 1);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(ev_watch_new(loop, pair[0], signal_woken, &watched, &watched), OK);
    assert_int_equal(ev_watch_want(watched, EV_DIRECTION_READ), OK);
    assert_int_equal(write(pair[1], "x", 1), 1);
    ev_loop_turn(loop, 60 * NSEC_PER_SEC);
    ev_loop_turn(loop, 0);
    assert_int_equal(calls, 2);
    assert_true(ev_now_update(loop) - start < 30 * NSEC_PER_SEC);
    ev_wake_fini(&woken);
    close(pair[0]);
    close(pair[1]);
}

static void *stop_soon(void *arg)
{
    usleep(5000);
    ev_loop_stop(arg);
    return NULL;
}

static void test_stop_from_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, loop), 0);
    ev_loop_run(loop);
    pthread_join(thread, NULL);
}

static struct ev_watch *watch;
static unsigned directions_seen;

static void on_fd(void *arg, unsigned directions)
{
    directions_seen |= directions;
    calls++;
    if (arg != NULL) {
        ev_watch_free(&watch);
        assert_null(watch);
    }
}

static void test_watch(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(ev_watch_new(loop, pair[0], on_fd, NULL, &watch), OK);
    assert_int_equal(ev_watch_want(watch, EV_DIRECTION_READ), OK);
    ev_loop_turn(loop, 0);
    assert_int_equal(calls, 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    directions_seen = 0;
    ev_loop_turn(loop, NSEC_PER_SEC);
    ev_loop_turn(loop, NSEC_PER_SEC); // level-triggered
    assert_int_equal(calls, 2);
    assert_int_equal(directions_seen, EV_DIRECTION_READ);
    assert_int_equal(ev_watch_want(watch, EV_DIRECTION_WRITE), OK);
    directions_seen = 0;
    ev_loop_turn(loop, NSEC_PER_SEC);
    assert_int_equal(directions_seen, EV_DIRECTION_WRITE);
    assert_int_equal(ev_watch_want(watch, 0), OK);
    calls = 0;
    ev_loop_turn(loop, 0);
    assert_int_equal(calls, 0);
    ev_watch_free(&watch);
    close(pair[0]);
    close(pair[1]);
}

static void *write_later(void *arg)
{
    usleep(60 * 1000); // what a peer does meanwhile, not a synchronisation
    assert_int_equal(write(*(int *)arg, "x", 1), 1);
    return NULL;
}

static uint64_t seen_at;

static void see(void *arg, unsigned directions)
{
    (void)directions;
    seen_at = ev_now(loop);
    ev_loop_stop(loop);
    ev_watch_free(arg);
}

// A callback of a descriptor sees the time at which it came, not that at which the loop went to sleep:
// deadlines of associations count from it.
static void test_time_in_a_watch(void **state)
{
    (void)state;
    int ends[2];
    pthread_t writer;
    struct ev_watch *watched;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(ev_watch_new(loop, ends[0], see, &watched, &watched), OK);
    assert_int_equal(ev_watch_want(watched, EV_DIRECTION_READ), OK);
    uint64_t start = ev_now_update(loop);
    assert_int_equal(pthread_create(&writer, NULL, write_later, &ends[1]), 0);
    ev_loop_run(loop);
    pthread_join(writer, NULL);
    assert_true(seen_at - start >= 50 * NSEC_PER_MS);
    close(ends[0]);
    close(ends[1]);
}

static void test_watch_freed_in_its_callback(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(ev_watch_new(loop, pair[0], on_fd, &calls, &watch), OK);
    assert_int_equal(ev_watch_want(watch, EV_DIRECTION_READ | EV_DIRECTION_WRITE), OK);
    ev_loop_turn(loop, NSEC_PER_SEC);
    ev_loop_turn(loop, 0);
    assert_int_equal(calls, 1); // reading and writing were both ready
    close(pair[0]);
    close(pair[1]);
}

static void test_signal(void **state)
{
    (void)state;
    struct ev_signal *signal = NULL;
    assert_int_equal(ev_real_signal(loop, SIGUSR1, count, NULL, &signal), OK);
    assert_int_equal(raise(SIGUSR1), 0);
    ev_loop_turn(loop, NSEC_PER_SEC);
    assert_int_equal(calls, 1);
    ev_signal_free(&signal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_timer_is_not_early, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_clocks_and_random, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_wake_from_another_thread, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_wake_when_about_to_sleep, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_wake_while_awake, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_stop_from_another_thread, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_watch, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_time_in_a_watch, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_watch_freed_in_its_callback, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_signal, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
