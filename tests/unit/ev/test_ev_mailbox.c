// SPDX-License-Identifier: Apache-2.0
//
// Mail: order, bounds, room for those who met AGAIN, batches, closing; simulated, and between real threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/units.h"
#include "ev/mailbox.h"
#include "ev/real.h"
#include "ev/sim.h"

static struct sim_world *world;
static struct ev_loop *owner, *poster;
static uint32_t received[64];
static size_t received_count;

static int set_up(void **state)
{
    (void)state;
    world = sim_world_new(11);
    owner = sim_loop_new(world, "owner");
    poster = sim_loop_new(world, "poster");
    received_count = 0;
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    ev_loop_free(&owner);
    ev_loop_free(&poster);
    sim_world_free(&world);
    return 0;
}

static void receive(void *arg, struct mail *mail)
{
    (void)arg;
    received[received_count++] = mail->kind;
}

static void post_more(void *arg);

static struct mail mails[32];
static uint32_t posted;
static struct ev_wake room;

static void post_more(void *arg)
{
    struct ev_mailbox *mailbox = arg;
    while (posted < 32) {
        mails[posted].kind = posted;
        if (ev_mailbox_post(mailbox, &mails[posted]) == AGAIN) {
            ev_mailbox_on_space(mailbox, &room);
            return;
        }
        posted++;
    }
}

static void test_full_mailbox_asks_to_wait(void **state)
{
    (void)state;
    struct ev_mailbox mailbox;
    assert_int_equal(ev_mailbox_init(&mailbox, owner, 4, 3, receive, NULL), OK);
    ev_wake_init(&room, poster, post_more, &mailbox);
    posted = 0;
    post_more(&mailbox);
    assert_int_equal(posted, 4);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_int_equal(posted, 32);
    assert_int_equal(received_count, 32);
    for (uint32_t i = 0; i < 32; i++)
        assert_int_equal(received[i], i);
    ev_wake_fini(&room);
    ev_mailbox_fini(&mailbox);
}

static void test_batch_and_close(void **state)
{
    (void)state;
    struct ev_mailbox mailbox;
    struct mail mail[5] = {{1}, {2}, {3}, {4}, {5}};
    assert_int_equal(ev_mailbox_init(&mailbox, owner, 8, 2, receive, NULL), OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ev_mailbox_post(&mailbox, &mail[i]), OK);
    assert_true(sim_world_step(world));
    assert_int_equal(received_count, 2);
    ev_mailbox_close(&mailbox);
    assert_int_equal(ev_mailbox_post(&mailbox, &mail[4]), CLOSED);
    assert_true(sim_world_step(world));
    assert_int_equal(received_count, 4);
    ev_mailbox_fini(&mailbox);
}

static void test_waiter_goes_away(void **state)
{
    (void)state;
    struct ev_mailbox mailbox;
    struct mail mail[3] = {{1}, {2}, {3}};
    assert_int_equal(ev_mailbox_init(&mailbox, owner, 2, 0, receive, NULL), OK);
    ev_wake_init(&room, poster, post_more, &mailbox);
    assert_int_equal(ev_mailbox_post(&mailbox, &mail[0]), OK);
    assert_int_equal(ev_mailbox_post(&mailbox, &mail[1]), OK);
    assert_int_equal(ev_mailbox_post(&mailbox, &mail[2]), AGAIN);
    ev_mailbox_on_space(&mailbox, &room);
    ev_mailbox_on_space(&mailbox, &room);
    ev_wake_fini(&room);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_int_equal(received_count, 2);
    assert_null(ev_mailbox_take(&mailbox));
    ev_mailbox_fini(&mailbox);
}

static void test_crash_leaves_mail_to_its_taker(void **state)
{
    (void)state;
    struct ev_mailbox mailbox;
    struct mail mail = {9};
    assert_int_equal(ev_mailbox_init(&mailbox, owner, 2, 0, receive, NULL), OK);
    assert_int_equal(ev_mailbox_post(&mailbox, &mail), OK);
    sim_loop_kill(owner);
    assert_false(sim_world_step(world));
    assert_ptr_equal(ev_mailbox_take(&mailbox), &mail);
    ev_mailbox_fini(&mailbox);
}

// ---- Real threads ----

enum { THREADS = 3, EACH = 20000 };

struct sender {
    pthread_t thread;
    struct ev_loop *loop;
    struct ev_wake room;
    struct ev_task begin;
    struct ev_mailbox *mailbox;
    struct mail *mails;
    uint32_t next;
};

struct counter {
    struct ev_loop *loop;
    uint64_t count;
    uint64_t sum;
};

static void send_all(void *arg)
{
    struct sender *sender = arg;
    while (sender->next < EACH) {
        sender->mails[sender->next].kind = sender->next;
        if (ev_mailbox_post(sender->mailbox, &sender->mails[sender->next]) == AGAIN) {
            ev_mailbox_on_space(sender->mailbox, &sender->room);
            return;
        }
        sender->next++;
    }
    ev_loop_stop(sender->loop);
}

static void *run_sender(void *arg)
{
    struct sender *sender = arg;
    ev_loop_run(sender->loop);
    return NULL;
}

static void count_mail(void *arg, struct mail *mail)
{
    struct counter *counter = arg;
    counter->sum += mail->kind;
    if (++counter->count == (uint64_t)THREADS * EACH)
        ev_loop_stop(counter->loop);
}

static void test_threads(void **state)
{
    (void)state;
    struct sender senders[THREADS];
    struct ev_mailbox mailbox;
    struct counter counter = {0};
    assert_int_equal(ev_real_new("receiver", &counter.loop), OK);
    assert_int_equal(ev_mailbox_init(&mailbox, counter.loop, 16, 5, count_mail, &counter), OK);
    for (int i = 0; i < THREADS; i++) {
        struct sender *sender = &senders[i];
        *sender = (struct sender){.mailbox = &mailbox, .mails = calloc(EACH, sizeof(struct mail))};
        assert_non_null(sender->mails);
        assert_int_equal(ev_real_new("sender", &sender->loop), OK);
        ev_wake_init(&sender->room, sender->loop, send_all, sender);
        ev_task_init(&sender->begin, sender->loop, send_all, sender);
        ev_task_defer(&sender->begin);
        assert_int_equal(pthread_create(&sender->thread, NULL, run_sender, sender), 0);
    }
    ev_loop_run(counter.loop);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        ev_wake_fini(&senders[i].room);
        ev_task_fini(&senders[i].begin);
        ev_loop_free(&senders[i].loop);
        free(senders[i].mails);
    }
    assert_int_equal(counter.sum, (uint64_t)THREADS * EACH * (EACH - 1) / 2);
    ev_mailbox_fini(&mailbox);
    ev_loop_free(&counter.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_mailbox_asks_to_wait, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_batch_and_close, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_waiter_goes_away, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_crash_leaves_mail_to_its_taker, set_up, take_down),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
