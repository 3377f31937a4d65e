// SPDX-License-Identifier: Apache-2.0
//
// Bounded mail between threads over base's lock-free ring; the lock guards only the list of posters that wait
// for room.
#include "ev/mailbox.h"

#include "base/magic.h"
#include "ev/backend.h"

#define MAILBOX_MAGIC 0x4d424f58u

static void signal_waiters(struct ev_mailbox *mailbox)
{
    if (!atomic_load(&mailbox->has_waiters))
        return;
    pthread_mutex_lock(&mailbox->lock);
    struct ev_wake *wake = mailbox->waiters;
    mailbox->waiters = NULL;
    atomic_store(&mailbox->has_waiters, false);
    while (wake != NULL) { // under the lock: ev_wake_fini() of a waiter must not come in between
        struct ev_wake *next = wake->next_waiter;
        wake->next_waiter = NULL;
        ev_wake_signal(wake);
        atomic_store(&wake->waits_for, NULL); // last: from here on ev_wake_fini() does not ask for the lock
        wake = next;
    }
    pthread_mutex_unlock(&mailbox->lock);
}

static void deliver(void *arg)
{
    struct ev_mailbox *mailbox = arg;
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    // Never more than the ring holds: posters that are faster than we are must not keep the loop here.
    size_t most = mailbox->batch != 0 ? mailbox->batch : mailbox->ring.mask + 1;
    for (size_t i = 0; i < most; i++) {
        struct mail *mail = mpsc_ring_pop(&mailbox->ring);
        if (mail == NULL)
            break;
        mailbox->deliver(mailbox->arg, mail);
        if (mailbox->magic != MAILBOX_MAGIC ||
            mailbox->wake.loop->dead) // taken down by the receiver; a crash
            return;
    }
    if (!mpsc_ring_is_empty(&mailbox->ring))
        ev_wake_signal(&mailbox->wake);
    signal_waiters(mailbox);
}

enum result ev_mailbox_init(struct ev_mailbox *mailbox, struct ev_loop *owner, size_t capacity,
                            uint32_t batch, ev_mail_fn *deliver_mail, void *arg)
{
    *mailbox = (struct ev_mailbox){.batch = batch, .deliver = deliver_mail, .arg = arg};
    enum result result = mpsc_ring_init(&mailbox->ring, capacity);
    if (result != OK)
        return result;
    atomic_init(&mailbox->closed, false);
    atomic_init(&mailbox->has_waiters, false);
    pthread_mutex_init(&mailbox->lock, NULL);
    ev_wake_init(&mailbox->wake, owner, deliver, mailbox);
    MAGIC_INIT(mailbox, MAILBOX_MAGIC);
    return OK;
}

void ev_mailbox_fini(struct ev_mailbox *mailbox)
{
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    ensure(mpsc_ring_is_empty(&mailbox->ring)); // mail has an owner: lost here it would leak
    atomic_store(&mailbox->closed, true);
    signal_waiters(mailbox);
    ev_wake_fini(&mailbox->wake);
    mpsc_ring_fini(&mailbox->ring);
    pthread_mutex_destroy(&mailbox->lock);
    MAGIC_CLEAR(mailbox);
}

enum result ev_mailbox_post(struct ev_mailbox *mailbox, struct mail *mail)
{
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    if (atomic_load(&mailbox->closed))
        return CLOSED;
    enum result result = mpsc_ring_push(&mailbox->ring, mail);
    if (result == OK)
        ev_wake_signal(&mailbox->wake);
    return result;
}

void ev_mailbox_on_space(struct ev_mailbox *mailbox, struct ev_wake *wake)
{
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    pthread_mutex_lock(&mailbox->lock);
    struct ev_mailbox *waits_for = atomic_load(&wake->waits_for);
    ensure(waits_for == NULL || waits_for == mailbox);
    if (waits_for == NULL) {
        struct ev_wake **tail = &mailbox->waiters;
        while (*tail != NULL)
            tail = &(*tail)->next_waiter;
        wake->next_waiter = NULL;
        *tail = wake;
        atomic_store(&wake->waits_for, mailbox);
        atomic_store(&mailbox->has_waiters, true);
    }
    pthread_mutex_unlock(&mailbox->lock);
    // The owner may have emptied the box before we were on the list: let it look once more.
    ev_wake_signal(&mailbox->wake);
}

void ev_mailbox_forget(struct ev_mailbox *mailbox, struct ev_wake *wake)
{
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    pthread_mutex_lock(&mailbox->lock);
    struct ev_wake **link = &mailbox->waiters;
    while (*link != NULL && *link != wake)
        link = &(*link)->next_waiter;
    if (*link == wake) {
        *link = wake->next_waiter;
        wake->next_waiter = NULL;
        atomic_store(&wake->waits_for, NULL);
    }
    atomic_store(&mailbox->has_waiters, mailbox->waiters != NULL);
    pthread_mutex_unlock(&mailbox->lock);
}

void ev_mailbox_close(struct ev_mailbox *mailbox)
{
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    atomic_store(&mailbox->closed, true);
    ev_wake_signal(&mailbox->wake);
}

struct mail *ev_mailbox_take(struct ev_mailbox *mailbox)
{
    MAGIC_CHECK(mailbox, MAILBOX_MAGIC);
    return mpsc_ring_pop(&mailbox->ring);
}
