// SPDX-License-Identifier: Apache-2.0
//
// The real back end: libevent's epoll base, an eventfd for wakes, CLOCK_MONOTONIC, getrandom.
// Thread: the loop's own, except notify().
#include "ev/real.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/magic.h"
#include "base/units.h"
#include "base/wipe.h"
#include "ev/backend.h"

#define WATCH_MAGIC  0x57544348u
#define SIGNAL_MAGIC 0x5349474eu

enum { RANDOM_BATCH = 256 };

struct real_loop {
    struct ev_loop loop;
    struct event_base *base;
    struct event deadline;
    struct event notified;
    int notify_fd;
    uint8_t random[RANDOM_BATCH];
    size_t random_left;
};

static struct real_loop *real_of(struct ev_loop *loop);

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec time;
    ensure(clock_gettime(clock, &time) == 0);
    return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

static void real_clock_update(struct ev_loop *loop)
{
    loop->clock_value = nanoseconds(CLOCK_MONOTONIC);
}

static uint64_t real_wall_now(const struct ev_loop *loop)
{
    (void)loop;
    return nanoseconds(CLOCK_REALTIME);
}

static void kernel_random(uint8_t *buffer, size_t length)
{
    while (length > 0) {
        ssize_t got = getrandom(buffer, length, 0);
        ensure(got > 0 || errno == EINTR);
        if (got > 0) {
            buffer += got;
            length -= (size_t)got;
        }
    }
}

static void real_random(struct ev_loop *loop, void *buffer, size_t length)
{
    struct real_loop *real = real_of(loop);
    if (length > RANDOM_BATCH / 4) {
        kernel_random(buffer, length);
        return;
    }
    if (real->random_left < length) {
        kernel_random(real->random, RANDOM_BATCH);
        real->random_left = RANDOM_BATCH;
    }
    real->random_left -= length;
    memcpy(buffer, real->random + real->random_left, length);
    wipe(real->random + real->random_left, length); // no number is given out twice or found later
}

static void real_notify(struct ev_loop *loop)
{
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(real_of(loop)->notify_fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    ensure(written == sizeof one);
}

// The descriptor is watched edge-triggered: each write is an edge, so that its counter need not be read.
static void on_notified(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
}

static void real_wait(struct ev_loop *loop, uint64_t deadline)
{
    struct real_loop *real = real_of(loop);
    real_clock_update(loop);
    int flags = EVLOOP_ONCE;
    if (deadline <= loop->clock_value) {
        flags |= EVLOOP_NONBLOCK;
    } else if (deadline != UINT64_MAX) {
        // Rounded up: a turn that comes too early would find nothing due.
        uint64_t micros = (deadline - loop->clock_value + 999) / 1000;
        struct timeval wait = {.tv_sec = (time_t)(micros / 1000000),
                               .tv_usec = (suseconds_t)(micros % 1000000)};
        ensure(event_add(&real->deadline, &wait) == 0);
    }
    event_base_loop(real->base, flags);
    event_del(&real->deadline);
    real_clock_update(loop);
}

static void real_free(struct ev_loop *loop)
{
    ev_loop_teardown(loop);
    struct real_loop *real = (struct real_loop *)(void *)loop;
    event_del(&real->deadline);
    event_del(&real->notified);
    event_base_free(real->base);
    close(real->notify_fd);
    wipe(real->random, sizeof real->random);
    free(real);
}

static const struct ev_backend real_backend = {
    .clock_update = real_clock_update,
    .wall_now = real_wall_now,
    .random = real_random,
    .notify = real_notify,
    .wait = real_wait,
    .free = real_free,
};

static struct real_loop *real_of(struct ev_loop *loop)
{
    ensure(loop->backend == &real_backend);
    return (struct real_loop *)(void *)loop;
}

// A base without libevent's locks: each is used by one thread only, wakes come through the eventfd.
static struct event_base *base_new(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

// Writing to a connection that has gone is a result (EPIPE), not a signal: OpenSSL's writes can not ask for
// that.
static void ignore_broken_pipes(void)
{
    struct sigaction action;
    if (sigaction(SIGPIPE, NULL, &action) == 0 && action.sa_handler == SIG_DFL) {
        action.sa_handler = SIG_IGN;
        sigaction(SIGPIPE, &action, NULL);
    }
}

enum result ev_real_new(const char *name, struct ev_loop **loop)
{
    ignore_broken_pipes();
    struct real_loop *real = calloc(1, sizeof *real);
    if (real == NULL)
        return ERR_NOMEM;
    real->base = base_new();
    real->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (real->base == NULL || real->notify_fd < 0)
        goto fail;
    if (event_assign(&real->deadline, real->base, -1, EV_TIMEOUT, on_deadline, real) != 0 ||
        event_assign(&real->notified, real->base, real->notify_fd, EV_READ | EV_PERSIST | EV_ET, on_notified,
                     real) != 0 ||
        event_add(&real->notified, NULL) != 0)
        goto fail;
    // Its first use makes libevent's room for it: no later one can fail.
    struct timeval later = {.tv_sec = 3600};
    if (event_add(&real->deadline, &later) != 0)
        goto fail;
    event_del(&real->deadline);
    ev_loop_setup(&real->loop, &real_backend, name);
    real_clock_update(&real->loop);
    *loop = &real->loop;
    return OK;

fail:
    if (real->base != NULL)
        event_base_free(real->base);
    if (real->notify_fd >= 0)
        close(real->notify_fd);
    free(real);
    return ERR_IO;
}

struct event_base *ev_real_base(struct ev_loop *loop)
{
    return real_of(loop)->base;
}

// ---- Watches ----

struct ev_watch {
    uint32_t magic;
    unsigned wanted;
    struct ev_loop *loop;
    ev_watch_fn *callback;
    void *arg;
    struct event reading, writing;
    struct ev_garbage garbage;
};

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct ev_watch *watch = arg;
    MAGIC_CHECK(watch, WATCH_MAGIC);
    atomic_store(&watch->loop->may_sleep, false); // wakes are looked for after the descriptors
    real_clock_update(watch->loop);               // the turn began before it slept
    unsigned directions = 0;
    if (what & EV_READ)
        directions |= EV_DIRECTION_READ;
    if (what & EV_WRITE)
        directions |= EV_DIRECTION_WRITE;
    watch->callback(watch->arg, directions & watch->wanted);
}

enum result ev_watch_new(struct ev_loop *loop, int fd, ev_watch_fn *callback, void *arg,
                         struct ev_watch **out)
{
    struct event_base *base = real_of(loop)->base;
    struct ev_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(watch, WATCH_MAGIC);
    watch->loop = loop;
    watch->callback = callback;
    watch->arg = arg;
    if (event_assign(&watch->reading, base, fd, EV_READ | EV_PERSIST, on_ready, watch) != 0 ||
        event_assign(&watch->writing, base, fd, EV_WRITE | EV_PERSIST, on_ready, watch) != 0) {
        free(watch);
        return ERR_IO;
    }
    *out = watch;
    return OK;
}

static int switch_event(struct event *event, bool on)
{
    return on ? event_add(event, NULL) : event_del(event);
}

enum result ev_watch_want(struct ev_watch *watch, unsigned directions)
{
    MAGIC_CHECK(watch, WATCH_MAGIC);
    unsigned changed = watch->wanted ^ directions;
    if (changed & EV_DIRECTION_READ && switch_event(&watch->reading, directions & EV_DIRECTION_READ) != 0)
        return ERR_IO;
    watch->wanted = (watch->wanted & ~(unsigned)EV_DIRECTION_READ) | (directions & EV_DIRECTION_READ);
    if (changed & EV_DIRECTION_WRITE && switch_event(&watch->writing, directions & EV_DIRECTION_WRITE) != 0)
        return ERR_IO;
    watch->wanted = directions;
    return OK;
}

static void watch_destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct ev_watch, garbage));
}

void ev_watch_free(struct ev_watch **out)
{
    struct ev_watch *watch = *out;
    if (watch == NULL)
        return;
    MAGIC_CHECK(watch, WATCH_MAGIC);
    *out = NULL;
    event_del(&watch->reading);
    event_del(&watch->writing);
    MAGIC_CLEAR(watch);
    ev_loop_discard(watch->loop, &watch->garbage, watch_destroy);
}

// ---- Signals ----

struct ev_signal {
    uint32_t magic;
    struct ev_loop *loop;
    ev_callback_fn *callback;
    void *arg;
    struct event event;
    struct ev_garbage garbage;
};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)number, (void)what;
    struct ev_signal *signal = arg;
    MAGIC_CHECK(signal, SIGNAL_MAGIC);
    signal->callback(signal->arg);
}

enum result ev_real_signal(struct ev_loop *loop, int number, ev_callback_fn *callback, void *arg,
                           struct ev_signal **out)
{
    struct ev_signal *signal = calloc(1, sizeof *signal);
    if (signal == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(signal, SIGNAL_MAGIC);
    signal->loop = loop;
    signal->callback = callback;
    signal->arg = arg;
    if (evsignal_assign(&signal->event, real_of(loop)->base, number, on_signal, signal) != 0 ||
        event_add(&signal->event, NULL) != 0) {
        free(signal);
        return ERR_IO;
    }
    *out = signal;
    return OK;
}

static void signal_destroy(struct ev_garbage *garbage)
{
    free(CONTAINER_OF(garbage, struct ev_signal, garbage));
}

void ev_signal_free(struct ev_signal **out)
{
    struct ev_signal *signal = *out;
    if (signal == NULL)
        return;
    MAGIC_CHECK(signal, SIGNAL_MAGIC);
    *out = NULL;
    event_del(&signal->event);
    MAGIC_CLEAR(signal);
    ev_loop_discard(signal->loop, &signal->garbage, signal_destroy);
}
