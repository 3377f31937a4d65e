// SPDX-License-Identifier: Apache-2.0
//
// A long way: relays each connection to another port and holds every byte back for N milliseconds in each
// direction, without limiting the rate. One thread.
//   bench_relay PORT MICROSECONDS    prints its own port
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    PIECE = 128 * 1024,
    IN_FLIGHT_MAX = 64 * 1024 * 1024, // of one direction: far above rate times delay
};

// Bytes on their way; an empty one is the end of the stream.
struct piece {
    struct piece *next;
    uint64_t due; // CLOCK_MONOTONIC, nanoseconds
    size_t length, taken;
    unsigned char bytes[PIECE];
};

struct end {
    int fd;
    unsigned watched;
    struct relay *relay;
    // what goes out here
    struct piece *first, *last;
    size_t in_flight;
    bool is_blocked; // the socket is full
    bool has_ended;  // nothing more goes in at the other side
};

struct relay {
    struct end ends[2];
    struct relay *next, *previous;
    unsigned shut; // directions that have ended
    bool is_dead;
};

static uint64_t delay;
static int poller, timer;
static struct relay *relays;
static struct piece *spare;

static void fatal(const char *what)
{
    perror(what);
    exit(2);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static struct piece *piece_take(void)
{
    struct piece *piece = spare;
    if (piece != NULL)
        spare = piece->next;
    else if ((piece = malloc(sizeof *piece)) == NULL)
        fatal("malloc");
    piece->next = NULL;
    piece->length = piece->taken = 0;
    return piece;
}

static void piece_give(struct piece *piece)
{
    piece->next = spare;
    spare = piece;
}

static void watch(struct end *end, const struct end *other)
{
    unsigned events = 0;
    if (!other->has_ended && other->in_flight < IN_FLIGHT_MAX)
        events |= EPOLLIN;
    if (end->is_blocked)
        events |= EPOLLOUT;
    struct epoll_event event = {.events = events, .data.ptr = end};
    if (events != end->watched && epoll_ctl(poller, EPOLL_CTL_MOD, end->fd, &event) != 0)
        fatal("epoll_ctl");
    end->watched = events;
}

// Reads all there is; it goes out at `to` after the delay.
static void take_in(struct end *from, struct end *to)
{
    while (!to->has_ended && to->in_flight < IN_FLIGHT_MAX) {
        struct piece *piece = piece_take();
        ssize_t got = recv(from->fd, piece->bytes, PIECE, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            piece_give(piece);
            return;
        }
        to->has_ended = got <= 0;
        piece->length = got > 0 ? (size_t)got : 0;
        piece->due = now() + delay;
        to->in_flight += piece->length;
        if (to->last != NULL)
            to->last->next = piece;
        else
            to->first = piece;
        to->last = piece;
    }
}

static void piece_done(struct end *to)
{
    struct piece *piece = to->first;
    to->first = piece->next;
    if (to->first == NULL)
        to->last = NULL;
    piece_give(piece);
}

static void let_out(struct end *to, uint64_t time)
{
    to->is_blocked = false;
    while (to->first != NULL && to->first->due <= time) {
        struct piece *piece = to->first;
        if (piece->length == 0) {
            shutdown(to->fd, SHUT_WR);
            to->relay->shut++;
        } else {
            ssize_t put =
                send(to->fd, piece->bytes + piece->taken, piece->length - piece->taken, MSG_NOSIGNAL);
            if (put < 0 && (errno == EAGAIN || errno == EINTR)) {
                to->is_blocked = true;
                return;
            }
            if (put < 0) {
                to->relay->is_dead = true;
                return;
            }
            piece->taken += (size_t)put;
            to->in_flight -= (size_t)put;
            if (piece->taken < piece->length)
                continue;
        }
        piece_done(to);
    }
}

static void relay_end(struct relay *relay)
{
    for (int i = 0; i < 2; i++) {
        while (relay->ends[i].first != NULL)
            piece_done(&relay->ends[i]);
        close(relay->ends[i].fd);
    }
    if (relay->next != NULL)
        relay->next->previous = relay->previous;
    if (relay->previous != NULL)
        relay->previous->next = relay->next;
    else
        relays = relay->next;
    free(relay);
}

// Lets out what is due everywhere and sets the timer for what comes next.
static void run_all(void)
{
    uint64_t time = now(), next = UINT64_MAX;
    for (struct relay *relay = relays, *following; relay != NULL; relay = following) {
        following = relay->next;
        for (int i = 0; i < 2; i++) {
            struct end *end = &relay->ends[i];
            let_out(end, time);
            if (end->first != NULL && !end->is_blocked && end->first->due < next)
                next = end->first->due;
        }
        if (relay->is_dead || relay->shut == 2) {
            relay_end(relay);
            continue;
        }
        watch(&relay->ends[0], &relay->ends[1]);
        watch(&relay->ends[1], &relay->ends[0]);
    }
    struct itimerspec when = {0};
    if (next != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(next / 1000000000u);
        when.it_value.tv_nsec = (long)(next % 1000000000u);
    }
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static int dial(in_port_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("connect");
        close(fd);
        return -1;
    }
    return fd;
}

static void relay_add(int fd, in_port_t port)
{
    int other = dial(port), yes = 1;
    struct relay *relay = calloc(1, sizeof *relay);
    if (other < 0 || relay == NULL) {
        close(fd);
        free(relay);
        return;
    }
    relay->ends[0].fd = fd;
    relay->ends[1].fd = other;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &relay->ends[i]};
        relay->ends[i].relay = relay;
        relay->ends[i].watched = EPOLLIN;
        setsockopt(relay->ends[i].fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (fcntl(relay->ends[i].fd, F_SETFL, O_NONBLOCK) != 0)
            fatal("fcntl");
        if (epoll_ctl(poller, EPOLL_CTL_ADD, relay->ends[i].fd, &event) != 0)
            fatal("epoll_ctl");
    }
    relay->next = relays;
    if (relays != NULL)
        relays->previous = relay;
    relays = relay;
}

static int listener_make(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, 256) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        fatal("listen");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(int count, char **words)
{
    if (count != 3) {
        fputs("bench_relay PORT MICROSECONDS\n", stderr);
        return 2;
    }
    in_port_t port = htons((in_port_t)strtoul(words[1], NULL, 10));
    delay = strtoull(words[2], NULL, 10) * 1000;
    signal(SIGPIPE, SIG_IGN);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    int listener = listener_make();
    struct epoll_event of_listener = {.events = EPOLLIN, .data.ptr = &listener};
    struct epoll_event of_timer = {.events = EPOLLIN, .data.ptr = &timer};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &of_listener) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, timer, &of_timer) != 0)
        fatal("epoll_ctl");
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            uint64_t ticks;
            if (events[i].data.ptr == &timer) {
                (void)!read(timer, &ticks, sizeof ticks);
            } else if (events[i].data.ptr == &listener) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd >= 0)
                    relay_add(fd, port);
            } else {
                struct end *end = events[i].data.ptr;
                struct relay *relay = end->relay;
                take_in(end, end == &relay->ends[0] ? &relay->ends[1] : &relay->ends[0]);
            }
        }
        run_all(); // frees relays: after all events of this round
    }
}
