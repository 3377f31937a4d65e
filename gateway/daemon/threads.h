// SPDX-License-Identifier: Apache-2.0
//
// The real threads of the daemon (ENGINE 1): one loop and one thread for each worker, each disk side, the
// ledger, look-up, the resolver, the crosswalk and the log. Made before the gateway, started after
// recovery, ended after it has stopped.
//
// Thread: main.
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/result.h"
#include "ev/loop.h"

#define THREADS_WORKERS_MAX 64

struct thread {
    pthread_t handle;
    struct ev_loop *loop;
    bool has_started;
};

struct threads {
    unsigned workers;
    struct ev_loop *main_loop; // run by the caller
    struct thread worker[THREADS_WORKERS_MAX];
    struct thread disk[THREADS_WORKERS_MAX];
    struct thread ledger;
    struct thread lookup;
    struct thread resolver;
    struct thread crosswalk; // the only writer of the crosswalk; may block
    pthread_t log;
    bool log_has_started;
    atomic_bool log_ends;
};

// Makes all loops and the log thread. ERR_NOMEM, ERR_IO. On failure threads_fini() is still due.
MUST_USE enum result threads_init(struct threads *threads, unsigned workers);
MUST_USE enum result threads_start(struct threads *threads);
// Stops all loops but the main one and joins: workers first, so that nobody writes to a mailbox whose thread
// is gone.
void threads_join(struct threads *threads);
// Frees the loops, after everything on them; ends the log thread.
void threads_fini(struct threads *threads);
