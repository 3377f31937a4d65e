// SPDX-License-Identifier: Apache-2.0
//
// The real back end of a loop: libevent raw events (epoll), an eventfd for wakes, the kernel's clocks and
// getrandom. Source: DESIGN 3 "libevent raw events".
#pragma once

#include "ev/loop.h"

struct event_base;

// name: for messages, at most 31 bytes are kept. ERR_NOMEM, ERR_IO. The loop belongs to the thread that runs
// it.
MUST_USE enum result ev_real_new(const char *name, struct ev_loop **loop);
// The base underneath, for evhttp on the admin thread. Events added there run within the loop's turns.
struct event_base *ev_real_base(struct ev_loop *loop);

enum ev_direction { EV_DIRECTION_READ = 1, EV_DIRECTION_WRITE = 2 };

// directions: what is ready among what is wanted. The callback may free the watch.
typedef void ev_watch_fn(void *arg, unsigned directions);

// Watches one file descriptor, level-triggered. The descriptor stays the caller's and is closed after
// ev_watch_free().
struct ev_watch;
MUST_USE enum result ev_watch_new(struct ev_loop *loop, int fd, ev_watch_fn *callback, void *arg,
                                  struct ev_watch **watch);
// directions: a set of enum ev_direction, 0 for none. Costs a system call only where it changes something.
// ERR_IO.
MUST_USE enum result ev_watch_want(struct ev_watch *watch, unsigned directions);
void ev_watch_free(struct ev_watch **watch);

// Calls back on this loop when the process gets the signal. One loop of a process only (libevent's limit).
struct ev_signal;
MUST_USE enum result ev_real_signal(struct ev_loop *loop, int number, ev_callback_fn *callback, void *arg,
                                    struct ev_signal **out);
void ev_signal_free(struct ev_signal **signal);
