// SPDX-License-Identifier: Apache-2.0
#include "daemon/threads.h"
#include "base/log.h"
#include "base/text.h"
#include "ev/real.h"
#include <signal.h>
#include <string.h>
#include <time.h>

enum { LOG_PERIOD_NS = 20 * 1000 * 1000 };

static enum result loop_make(const char *kind, unsigned index, struct thread *thread)
{
    char name[32];
    text_format(name, sizeof name, "%s-%u", kind, index);
    return ev_real_new(name, &thread->loop);
}

// The one thread that may sleep: it drains the rings of all others.
static void *log_body(void *arg)
{
    struct threads *threads = arg;
    while (!atomic_load(&threads->log_ends)) {
        log_drain();
        struct timespec period = {0, LOG_PERIOD_NS};
        nanosleep(&period, NULL);
    }
    log_drain();
    return NULL;
}

static void signals_block(sigset_t *former)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, former);
}

static enum result log_start(struct threads *threads)
{
    sigset_t former;
    signals_block(&former);
    threads->log_has_started = pthread_create(&threads->log, NULL, log_body, threads) == 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return threads->log_has_started ? OK : ERR_IO;
}

enum result threads_init(struct threads *threads, unsigned workers)
{
    memset(threads, 0, sizeof *threads);
    threads->workers = workers;
    atomic_init(&threads->log_ends, false);
    enum result result = ev_real_new("main", &threads->main_loop);
    for (unsigned i = 0; result == OK && i < workers; i++) {
        result = loop_make("worker", i, &threads->worker[i]);
        if (result == OK)
            result = loop_make("disk", i, &threads->disk[i]);
    }
    if (result == OK)
        result = loop_make("ledger", 0, &threads->ledger);
    if (result == OK)
        result = loop_make("lookup", 0, &threads->lookup);
    if (result == OK)
        result = loop_make("resolver", 0, &threads->resolver);
    if (result == OK)
        result = loop_make("crosswalk", 0, &threads->crosswalk);
    if (result == OK)
        result = log_start(threads);
    return result;
}

static void *loop_body(void *arg)
{
    struct thread *thread = arg;
    pthread_setname_np(pthread_self(), ev_loop_name(thread->loop));
    bool has_ring = log_thread_begin() == OK; // else its entries go out at once
    ev_loop_run(thread->loop);
    if (has_ring)
        log_thread_end();
    return NULL;
}

static enum result start_one(struct thread *thread)
{
    sigset_t former;
    signals_block(&former); // signals are the main thread's
    thread->has_started = pthread_create(&thread->handle, NULL, loop_body, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return thread->has_started ? OK : ERR_IO;
}

enum result threads_start(struct threads *threads)
{
    enum result result = start_one(&threads->ledger);
    if (result == OK)
        result = start_one(&threads->lookup);
    if (result == OK)
        result = start_one(&threads->resolver);
    if (result == OK)
        result = start_one(&threads->crosswalk);
    for (unsigned i = 0; result == OK && i < threads->workers; i++)
        result = start_one(&threads->disk[i]);
    for (unsigned i = 0; result == OK && i < threads->workers; i++)
        result = start_one(&threads->worker[i]);
    return result;
}

static void join_one(struct thread *thread)
{
    if (!thread->has_started)
        return;
    ev_loop_stop(thread->loop);
    pthread_join(thread->handle, NULL);
    thread->has_started = false;
}

void threads_join(struct threads *threads)
{
    for (unsigned i = 0; i < threads->workers; i++)
        join_one(&threads->worker[i]);
    for (unsigned i = 0; i < threads->workers; i++)
        join_one(&threads->disk[i]);
    join_one(&threads->ledger);
    join_one(&threads->lookup);
    join_one(&threads->resolver);
    join_one(&threads->crosswalk);
}

void threads_fini(struct threads *threads)
{
    for (unsigned i = 0; i < threads->workers; i++) {
        if (threads->worker[i].loop != NULL)
            ev_loop_free(&threads->worker[i].loop);
        if (threads->disk[i].loop != NULL)
            ev_loop_free(&threads->disk[i].loop);
    }
    struct ev_loop **others[] = {&threads->ledger.loop, &threads->lookup.loop, &threads->resolver.loop,
                                 &threads->crosswalk.loop, &threads->main_loop};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (*others[i] != NULL)
            ev_loop_free(others[i]);
    atomic_store(&threads->log_ends, true);
    if (threads->log_has_started)
        pthread_join(threads->log, NULL);
}
