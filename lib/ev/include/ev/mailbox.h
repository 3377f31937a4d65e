// SPDX-License-Identifier: Apache-2.0
//
// How threads talk: a bounded queue of mail with any number of posters and one owner, whose loop is woken. A
// full mailbox answers AGAIN; the poster keeps its state and tries again on its wake. Source: ENGINE 1.
#pragma once

#include <pthread.h>

#include "base/ring.h"
#include "ev/loop.h"

// First member of every message. Posting moves the message to the receiver; both sides agree on kinds and on
// who frees.
struct mail {
    uint32_t kind;
};

typedef void ev_mail_fn(void *arg, struct mail *mail);

struct ev_mailbox {
    uint32_t magic;
    uint32_t batch;
    atomic_bool closed;
    struct mpsc_ring ring;
    struct ev_wake wake;
    ev_mail_fn *deliver;
    void *arg;
    pthread_mutex_t lock; // guards waiters; held for a few instructions only
    struct ev_wake *waiters;
    atomic_bool has_waiters;
};

// capacity: mails, a power of two. batch: mails delivered in one turn at most (0: all that are there).
// ERR_NOMEM.
MUST_USE enum result ev_mailbox_init(struct ev_mailbox *mailbox, struct ev_loop *owner, size_t capacity,
                                     uint32_t batch, ev_mail_fn *deliver, void *arg);
// On the owner's thread, after the last poster has stopped. Take what is left with ev_mailbox_take() first.
void ev_mailbox_fini(struct ev_mailbox *mailbox);
// Any thread. OK: the mail is the receiver's. AGAIN: full. CLOSED: the owner takes no more. On AGAIN and
// CLOSED the mail stays the poster's.
MUST_USE enum result ev_mailbox_post(struct ev_mailbox *mailbox, struct mail *mail);
// After AGAIN: signals `wake` once when there is room (at once if there is some already). Any thread; a wake
// waits for one mailbox at a time, asking twice is harmless. ev_wake_fini() ends the waiting.
void ev_mailbox_on_space(struct ev_mailbox *mailbox, struct ev_wake *wake);
void ev_mailbox_forget(struct ev_mailbox *mailbox, struct ev_wake *wake);
// Owner: later posts get CLOSED. Mail that lies in the box is still delivered.
void ev_mailbox_close(struct ev_mailbox *mailbox);
// Owner: the next mail outside of delivery (taking down), or NULL.
struct mail *ev_mailbox_take(struct ev_mailbox *mailbox);
