// SPDX-License-Identifier: Apache-2.0
//
// The yardstick: relays the bytes of each connection to two others, and what the first of them answers back.
// It understands nothing, stores nothing, checks nothing. Two threads, each with its epoll; OpenSSL on the
// sockets, or plain TCP. Uses nothing of the project.
//   bench_tee PORT PORT [CA CERTIFICATE KEY]    the ports of the two archives; prints its own
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 2, BUFFER = 128 * 1024, BACK_BUFFER = 16 * 1024 };
enum { FRONT, FIRST, SECOND, ENDS };

struct end {
    struct relay *relay;
    int fd;
    SSL *ssl; // NULL: plain
    unsigned watched;
};

struct relay {
    struct end ends[ENDS];
    size_t length, taken[ENDS]; // of `buffer`; how much each archive has taken
    size_t back_length, back_taken;
    bool is_over;      // the client has gone, or somebody broke
    bool is_lingering; // the archives still read what they were sent
    unsigned char buffer[BUFFER];
    unsigned char back[BACK_BUFFER];
};

struct thread {
    int epoll;
};

static in_port_t archives[2];
static SSL_CTX *server, *client;

static void fatal(const char *what)
{
    perror(what);
    ERR_print_errors_fp(stderr);
    exit(2);
}

// >0 bytes, 0 would block, <0 over.
static long end_read(struct end *end, unsigned char *to, size_t capacity)
{
    if (end->ssl == NULL) {
        ssize_t got = recv(end->fd, to, capacity, 0);
        if (got > 0)
            return got;
        return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    size_t total = 0, got = 0;
    ERR_clear_error();
    while (total < capacity && SSL_read_ex(end->ssl, to + total, capacity - total, &got) == 1)
        total += got;
    if (total > 0)
        return (long)total;
    return SSL_get_error(end->ssl, 0) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static long end_write(struct end *end, const unsigned char *from, size_t length)
{
    if (end->ssl == NULL) {
        ssize_t put = send(end->fd, from, length, MSG_NOSIGNAL);
        if (put > 0)
            return put;
        return put < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    size_t total = 0, put = 0;
    ERR_clear_error();
    while (total < length && SSL_write_ex(end->ssl, from + total, length - total, &put) == 1)
        total += put;
    if (total > 0)
        return (long)total;
    return SSL_get_error(end->ssl, 0) == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static void watch(int epoll, struct end *end, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = end};
    if (end->watched != events && epoll_ctl(epoll, EPOLL_CTL_MOD, end->fd, &event) != 0)
        fatal("epoll_ctl");
    end->watched = events;
}

// Client to both archives, in step with the slower one.
static void forward(struct relay *relay)
{
    for (;;) {
        bool done = true;
        for (int i = FIRST; i <= SECOND; i++) {
            while (relay->taken[i] < relay->length) {
                long put = end_write(&relay->ends[i], relay->buffer + relay->taken[i],
                                     relay->length - relay->taken[i]);
                relay->is_over = relay->is_over || put < 0;
                if (put <= 0)
                    break;
                relay->taken[i] += (size_t)put;
            }
            done = done && relay->taken[i] == relay->length;
        }
        if (!done || relay->is_over)
            return;
        long got = end_read(&relay->ends[FRONT], relay->buffer, BUFFER);
        relay->is_over = relay->is_over || got < 0;
        relay->length = got > 0 ? (size_t)got : 0;
        relay->taken[FIRST] = relay->taken[SECOND] = 0;
        if (got <= 0)
            return;
    }
}

static void backward(struct relay *relay)
{
    unsigned char ignored[BACK_BUFFER];
    long got;
    while ((got = end_read(&relay->ends[SECOND], ignored, sizeof ignored)) > 0)
        continue;
    bool second_is_over = got < 0;
    for (;;) {
        while (relay->back_taken < relay->back_length) {
            long put = end_write(&relay->ends[FRONT], relay->back + relay->back_taken,
                                 relay->back_length - relay->back_taken);
            relay->is_over = relay->is_over || put < 0;
            if (put <= 0)
                return;
            relay->back_taken += (size_t)put;
        }
        got = end_read(&relay->ends[FIRST], relay->back, BACK_BUFFER);
        relay->is_over = relay->is_over || (got < 0 && second_is_over);
        relay->back_length = got > 0 ? (size_t)got : 0;
        relay->back_taken = 0;
        if (got <= 0)
            return;
    }
}

static void end_close(struct end *end)
{
    SSL_free(end->ssl);
    close(end->fd);
    end->ssl = NULL;
    end->fd = -1;
}

static void end_shut(struct end *end)
{
    ERR_clear_error();
    if (end->ssl != NULL)
        SSL_shutdown(end->ssl);
    shutdown(end->fd, SHUT_WR);
}

// The archives are read to their end: closing earlier would be a reset that overtakes what they were sent.
static void linger(int epoll, struct relay *relay)
{
    bool done = true;
    if (!relay->is_lingering) {
        relay->is_lingering = true;
        end_shut(&relay->ends[FRONT]);
        end_close(&relay->ends[FRONT]);
        end_shut(&relay->ends[FIRST]);
        end_shut(&relay->ends[SECOND]);
    }
    for (int i = FIRST; i <= SECOND; i++) {
        struct end *end = &relay->ends[i];
        long got = end->fd < 0 ? -1 : 1;
        while (got > 0)
            got = end_read(end, relay->back, BACK_BUFFER);
        if (got < 0 && end->fd >= 0)
            end_close(end);
        else if (got == 0)
            watch(epoll, end, EPOLLIN);
        done = done && end->fd < 0;
    }
    if (done)
        free(relay);
}

static void relay_step(int epoll, struct relay *relay)
{
    if (!relay->is_over)
        forward(relay);
    if (!relay->is_over)
        backward(relay);
    if (relay->is_over) {
        linger(epoll, relay);
        return;
    }
    bool is_full = relay->length > 0;
    bool back_is_full = relay->back_length > 0;
    watch(epoll, &relay->ends[FRONT], (is_full ? 0u : EPOLLIN) | (back_is_full ? EPOLLOUT : 0u));
    for (int i = FIRST; i <= SECOND; i++)
        watch(epoll, &relay->ends[i],
              (back_is_full && i == FIRST ? 0u : EPOLLIN) |
                  (relay->taken[i] < relay->length ? EPOLLOUT : 0u));
}

static void *thread_body(void *arg)
{
    struct thread *thread = arg;
    for (;;) {
        // One at a time: a relay that ends takes its other ends' events with it.
        struct epoll_event event;
        if (epoll_wait(thread->epoll, &event, 1, -1) > 0)
            relay_step(thread->epoll, ((struct end *)event.data.ptr)->relay);
    }
    return NULL;
}

// ---- connections: made blocking, run non-blocking ----

static void set_up(struct end *end, SSL_CTX *context)
{
    int yes = 1;
    setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (context == NULL)
        return;
    end->ssl = SSL_new(context);
    if (end->ssl == NULL || SSL_set_fd(end->ssl, end->fd) != 1)
        fatal("SSL_new");
    if ((context == server ? SSL_accept(end->ssl) : SSL_connect(end->ssl)) != 1)
        fatal("handshake");
}

static int dial(in_port_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fatal("connect");
    return fd;
}

static void relay_add(struct thread *thread, int fd)
{
    struct relay *relay = calloc(1, sizeof *relay);
    if (relay == NULL)
        fatal("calloc");
    relay->ends[FRONT].fd = fd;
    relay->ends[FIRST].fd = dial(archives[0]);
    relay->ends[SECOND].fd = dial(archives[1]);
    for (int i = 0; i < ENDS; i++) {
        relay->ends[i].relay = relay;
        set_up(&relay->ends[i], i == FRONT ? server : client);
        if (fcntl(relay->ends[i].fd, F_SETFL, O_NONBLOCK) != 0)
            fatal("fcntl");
    }
    for (int i = 0; i < ENDS; i++) {
        struct epoll_event nothing = {.data.ptr = &relay->ends[i]};
        if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, relay->ends[i].fd, &nothing) != 0)
            fatal("epoll_ctl");
    }
    // The thread takes over with this event, which comes at once: the socket is writable. Its first bytes may
    // lie in OpenSSL already.
    struct epoll_event first = {.events = EPOLLIN | EPOLLOUT, .data.ptr = &relay->ends[FRONT]};
    relay->ends[FRONT].watched = first.events;
    if (epoll_ctl(thread->epoll, EPOLL_CTL_MOD, relay->ends[FRONT].fd, &first) != 0)
        fatal("epoll_ctl");
}

static SSL_CTX *context_make(const SSL_METHOD *method, char **files)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL || SSL_CTX_load_verify_file(context, files[0]) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, files[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, files[2], SSL_FILETYPE_PEM) != 1)
        fatal("certificates");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, BUFFER);
    return context;
}

int main(int count, char **words)
{
    static struct thread threads[THREADS];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (count != 3 && count != 6) {
        fputs("bench_tee PORT PORT [CA CERTIFICATE KEY]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++)
        archives[i] = htons((in_port_t)strtoul(words[1 + i], NULL, 10));
    if (count == 6) {
        server = context_make(TLS_server_method(), words + 3);
        client = context_make(TLS_client_method(), words + 3);
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 256) != 0 || getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        fatal("listen");
    for (int i = 0; i < THREADS; i++) {
        pthread_t id;
        threads[i].epoll = epoll_create1(EPOLL_CLOEXEC);
        if (threads[i].epoll < 0 || pthread_create(&id, NULL, thread_body, &threads[i]) != 0)
            fatal("thread");
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (unsigned i = 0;; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            relay_add(&threads[i % THREADS], fd);
    }
}
