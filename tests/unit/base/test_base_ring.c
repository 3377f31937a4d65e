// SPDX-License-Identifier: Apache-2.0
//
// The lock-free ring: bounds on one thread, order and completeness between threads.
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "base/ring.h"

enum { ITEMS = 20000, PUSHERS = 3 };

static void *item_of(size_t number)
{
    return (void *)(uintptr_t)(number + 1);
}

static size_t number_of(void *item)
{
    return (size_t)(uintptr_t)item - 1;
}

static void test_mpsc_bounds(void **state)
{
    (void)state;
    struct mpsc_ring ring;
    assert_int_equal(mpsc_ring_init(&ring, 3), OK); // rounded up to 4
    assert_null(mpsc_ring_pop(&ring));
    for (size_t round = 0; round < 3; round++) {
        assert_true(mpsc_ring_is_empty(&ring));
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(mpsc_ring_push(&ring, item_of(i)), OK);
        assert_int_equal(mpsc_ring_push(&ring, item_of(4)), AGAIN);
        assert_int_equal(number_of(mpsc_ring_pop(&ring)), 0);
        assert_int_equal(mpsc_ring_push(&ring, item_of(4)), OK);
        for (size_t i = 1; i < 5; i++)
            assert_int_equal(number_of(mpsc_ring_pop(&ring)), i);
        assert_null(mpsc_ring_pop(&ring));
    }
    mpsc_ring_fini(&ring);
}

struct pusher {
    struct mpsc_ring *ring;
    size_t index;
    pthread_t thread;
};

static void *mpsc_pusher(void *arg)
{
    struct pusher *pusher = arg;
    for (size_t i = 0; i < ITEMS; i++)
        while (mpsc_ring_push(pusher->ring, item_of(i * PUSHERS + pusher->index)) == AGAIN)
            sched_yield();
    return NULL;
}

// Everything arrives once, and what one thread has pushed arrives in its order.
static void test_mpsc_threads(void **state)
{
    (void)state;
    struct mpsc_ring ring;
    struct pusher pushers[PUSHERS];
    size_t next[PUSHERS] = {0};
    assert_int_equal(mpsc_ring_init(&ring, 64), OK);
    for (size_t i = 0; i < PUSHERS; i++) {
        pushers[i] = (struct pusher){.ring = &ring, .index = i};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, mpsc_pusher, &pushers[i]), 0);
    }
    for (size_t left = (size_t)ITEMS * PUSHERS; left > 0;) {
        void *item = mpsc_ring_pop(&ring);
        if (item == NULL) {
            sched_yield();
            continue;
        }
        size_t from = number_of(item) % PUSHERS;
        assert_int_equal(number_of(item) / PUSHERS, next[from]++);
        left--;
    }
    for (size_t i = 0; i < PUSHERS; i++)
        pthread_join(pushers[i].thread, NULL);
    assert_true(mpsc_ring_is_empty(&ring));
    mpsc_ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mpsc_bounds),
        cmocka_unit_test(test_mpsc_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
