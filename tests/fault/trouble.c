// SPDX-License-Identifier: Apache-2.0
//
// The trouble shim: loaded with LD_PRELOAD into the real daemon, it lets allocations fail, moves the wall
// clock and makes the operating system take and give sockets' bytes in small portions, as a test says while
// the daemon runs. Both share one page of a file. Layout and meaning: README.md. Any thread.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { PAGE = 4096, NSEC = 1000000000 };

struct control {
    _Atomic int64_t allocation_due; // the so-many-th allocation from now fails; 0: none
    _Atomic int64_t allocation_run; // so many in a row
    _Atomic int64_t allocations_failed;
    _Atomic int64_t allocations; // asked for so far
    _Atomic int64_t wall_offset; // nanoseconds that the wall clock is ahead
    _Atomic int64_t socket_most; // bytes of a socket that one call takes or gives; 0: any
    _Atomic int64_t socket_calls;
};

static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DG_TROUBLE_FILE");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        control = page;
}

// ---- allocations: the C library's own functions, under names that need no look-up

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool fails(void)
{
    if (control == NULL)
        return false;
    atomic_fetch_add(&control->allocations, 1);
    if (atomic_load(&control->allocation_due) == 0 || atomic_fetch_sub(&control->allocation_due, 1) > 1)
        return false;
    int64_t left = atomic_fetch_sub(&control->allocation_run, 1);
    atomic_store(&control->allocation_due, left > 1 ? 1 : 0);
    if (left < 1)
        return false;
    atomic_fetch_add(&control->allocations_failed, 1);
    errno = ENOMEM;
    return true;
}

EXPORT void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

EXPORT void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *got = fails() ? NULL : __libc_memalign(alignment, size);
    if (got == NULL)
        return ENOMEM;
    *out = got;
    return 0;
}

// ---- the wall clock

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int64_t wall_offset(void)
{
    return control != NULL ? atomic_load(&control->wall_offset) : 0;
}

EXPORT int clock_gettime(clockid_t clock, struct timespec *out)
{
    static __typeof__(&clock_gettime) next;
    if (next == NULL)
        next = NEXT(clock_gettime);
    int result = next(clock, out);
    if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    int64_t now = (int64_t)out->tv_sec * NSEC + out->tv_nsec + wall_offset();
    *out = (struct timespec){.tv_sec = now / NSEC, .tv_nsec = now % NSEC};
    return 0;
}

EXPORT time_t time(time_t *out)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

EXPORT int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

// ---- sockets

static size_t most_of(int fd, size_t length)
{
    struct stat status;
    int64_t most = control != NULL ? atomic_load(&control->socket_most) : 0;
    if (most <= 0 || fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode))
        return length;
    atomic_fetch_add(&control->socket_calls, 1);
    return length < (size_t)most ? length : (size_t)most;
}

// The first slice that is not empty.
static const struct iovec *first_of(const struct iovec *slices, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slices[i].iov_len > 0)
            return &slices[i];
    return NULL;
}

static bool is_limited(int fd)
{
    return most_of(fd, SIZE_MAX) != SIZE_MAX;
}

EXPORT ssize_t read(int fd, void *buffer, size_t length)
{
    static __typeof__(&read) next;
    if (next == NULL)
        next = NEXT(read);
    return next(fd, buffer, most_of(fd, length));
}

EXPORT ssize_t write(int fd, const void *buffer, size_t length)
{
    static __typeof__(&write) next;
    if (next == NULL)
        next = NEXT(write);
    return next(fd, buffer, most_of(fd, length));
}

EXPORT ssize_t recv(int fd, void *buffer, size_t length, int flags)
{
    static __typeof__(&recv) next;
    if (next == NULL)
        next = NEXT(recv);
    return next(fd, buffer, most_of(fd, length), flags);
}

EXPORT ssize_t send(int fd, const void *buffer, size_t length, int flags)
{
    static __typeof__(&send) next;
    if (next == NULL)
        next = NEXT(send);
    return next(fd, buffer, most_of(fd, length), flags);
}

EXPORT ssize_t readv(int fd, const struct iovec *slices, int count)
{
    static __typeof__(&readv) next;
    if (next == NULL)
        next = NEXT(readv);
    const struct iovec *first = first_of(slices, (size_t)count);
    if (first == NULL || !is_limited(fd))
        return next(fd, slices, count);
    return read(fd, first->iov_base, first->iov_len);
}

EXPORT ssize_t writev(int fd, const struct iovec *slices, int count)
{
    static __typeof__(&writev) next;
    if (next == NULL)
        next = NEXT(writev);
    const struct iovec *first = first_of(slices, (size_t)count);
    if (first == NULL || !is_limited(fd))
        return next(fd, slices, count);
    return write(fd, first->iov_base, first->iov_len);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    static __typeof__(&recvmsg) next;
    if (next == NULL)
        next = NEXT(recvmsg);
    const struct iovec *first = first_of(message->msg_iov, message->msg_iovlen);
    if (first == NULL || message->msg_control != NULL || !is_limited(fd))
        return next(fd, message, flags);
    return recv(fd, first->iov_base, first->iov_len, flags);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    static __typeof__(&sendmsg) next;
    if (next == NULL)
        next = NEXT(sendmsg);
    const struct iovec *first = first_of(message->msg_iov, message->msg_iovlen);
    if (first == NULL || message->msg_control != NULL || !is_limited(fd))
        return next(fd, message, flags);
    return send(fd, first->iov_base, first->iov_len, flags);
}
