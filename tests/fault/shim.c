// SPDX-License-Identifier: Apache-2.0
//
// The kill shim (ENGINE 8): loaded with LD_PRELOAD into the real daemon it watches what is done to the files
// below one folder, and at the kill takes back everything since the last returned sync of each file and
// folder, because SIGKILL alone leaves the page cache. See README.md for its use, state.h for what it
// remembers.
//
// Here are the interposed functions. Each that changes something runs under one lock, so that what is
// remembered is in the order of what happened; a sync does not hold the lock while the disk works. Every
// thread of the daemon comes through here. The kernel is called by syscall() only.
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static atomic_bool is_active;
static sem_t kill_wanted;
static _Atomic(struct fault_inode *)
    by_fd[FAULT_FD_MAX]; // files that were opened for writing below the folder

static bool is_watched(int fd)
{
    return atomic_load_explicit(&is_active, memory_order_relaxed) && fd >= 0 && fd < FAULT_FD_MAX &&
           atomic_load_explicit(&by_fd[fd], memory_order_acquire) != NULL;
}

// Ends an operation that was counted: dies if it was the last one, else gives the lock back.
static void operation_end(bool is_last, int error)
{
    if (is_last)
        fault_kill("count");
    fault_unlock();
    errno = error;
}

// ---- opening and closing ----

static void descriptor_watch(int fd)
{
    struct fault_inode *inode = fd < FAULT_FD_MAX ? fault_inode_get(fd, true) : NULL;
    if (inode == NULL)
        return;
    fault_inode_opened(inode);
    struct fault_inode *stale = atomic_exchange(&by_fd[fd], inode);
    if (stale != NULL)
        fault_inode_closed(stale); // was closed inside libc
}

// Opens and then cuts, so that what O_TRUNC throws away is seen.
static int open_watched(const char *path, int folder, const char *name, int flags, mode_t mode)
{
    fault_lock();
    struct stat status;
    bool was_there = lstat(path, &status) == 0;
    bool is_new = !was_there && (flags & O_CREAT) != 0;
    bool is_cut = was_there && (flags & O_TRUNC) != 0;
    bool is_last = (is_new || is_cut) && fault_operation();
    struct fault_name *created = is_new ? fault_name_begin(FAULT_CREATE, path, NULL) : NULL;
    int fd = (int)syscall(SYS_openat, folder, name, flags & ~O_TRUNC, mode);
    int error = errno;
    fault_name_end(created, fd >= 0);
    if (fd >= 0)
        descriptor_watch(fd);
    struct fault_inode *inode = fd >= 0 && is_cut ? fault_inode_get(fd, false) : NULL;
    if (inode != NULL) {
        struct fault_change *change = fault_change_begin(inode, 0, (size_t)status.st_size, NULL);
        bool is_done = syscall(SYS_ftruncate, fd, 0) == 0;
        fault_change_end(inode, change, is_done, 0, false);
    }
    operation_end(is_last, error);
    return fd;
}

static int open_any(int folder, const char *name, int flags, mode_t mode)
{
    char path[FAULT_PATH_MAX];
    bool is_reading = (flags & O_ACCMODE) == O_RDONLY && (flags & (O_CREAT | O_TRUNC)) == 0;
    if (!atomic_load(&is_active) || is_reading || (flags & (O_PATH | O_DIRECTORY)) != 0 ||
        !fault_path(folder, name, path))
        return (int)syscall(SYS_openat, folder, name, flags, mode);
    return open_watched(path, folder, name, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
}

EXPORT int open(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(AT_FDCWD, name, flags, mode);
}

EXPORT int openat(int folder, const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(folder, name, flags, mode);
}

EXPORT int creat(const char *name, mode_t mode)
{
    return open_any(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

// What open() and openat() become with _FORTIFY_SOURCE.
EXPORT int __open_2(const char *name, int flags);
EXPORT int __open_2(const char *name, int flags)
{
    return open_any(AT_FDCWD, name, flags, 0);
}

EXPORT int __openat_2(int folder, const char *name, int flags);
EXPORT int __openat_2(int folder, const char *name, int flags)
{
    return open_any(folder, name, flags, 0);
}

EXPORT int close(int fd)
{
    if (is_watched(fd)) {
        fault_lock();
        struct fault_inode *inode = atomic_exchange(&by_fd[fd], NULL);
        if (inode != NULL)
            fault_inode_closed(inode);
        fault_unlock();
    }
    return (int)syscall(SYS_close, fd);
}

// ---- contents ----

// At `offset`, or, if that is negative, at the descriptor's position.
static ssize_t write_watched(int fd, const void *bytes, size_t length, off_t offset)
{
    fault_lock();
    struct fault_inode *inode = fault_inode_get(fd, false);
    bool is_last = inode != NULL && fault_operation();
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    off_t where = offset;
    if (offset < 0)
        where = syscall(SYS_lseek, fd, 0, (flags & O_APPEND) != 0 ? SEEK_END : SEEK_CUR);
    struct fault_change *change = inode != NULL ? fault_change_begin(inode, where, length, bytes) : NULL;
    ssize_t done =
        offset < 0 ? syscall(SYS_write, fd, bytes, length) : syscall(SYS_pwrite64, fd, bytes, length, offset);
    int error = errno;
    if (inode != NULL)
        fault_change_end(inode, change, done > 0, done > 0 ? (size_t)done : 0, (flags & O_DSYNC) != 0);
    operation_end(is_last, error);
    return done;
}

// Gathers first, so that one change is one run of bytes.
static ssize_t writev_watched(int fd, const struct iovec *vector, int count, off_t offset)
{
    size_t length = 0;
    for (int i = 0; i < count; i++)
        length += vector[i].iov_len;
    uint8_t *bytes = malloc(length > 0 ? length : 1);
    if (bytes == NULL) {
        errno = ENOMEM;
        return -1;
    }
    size_t at = 0;
    for (int i = 0; i < count; i++) {
        if (vector[i].iov_len > 0)
            memcpy(bytes + at, vector[i].iov_base, vector[i].iov_len);
        at += vector[i].iov_len;
    }
    ssize_t done = write_watched(fd, bytes, length, offset);
    int error = errno;
    free(bytes);
    errno = error;
    return done;
}

EXPORT ssize_t write(int fd, const void *bytes, size_t length)
{
    return is_watched(fd) ? write_watched(fd, bytes, length, -1) : syscall(SYS_write, fd, bytes, length);
}

EXPORT ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    return is_watched(fd) && offset >= 0 ? write_watched(fd, bytes, length, offset)
                                         : syscall(SYS_pwrite64, fd, bytes, length, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *vector, int count)
{
    return is_watched(fd) ? writev_watched(fd, vector, count, -1) : syscall(SYS_writev, fd, vector, count);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *vector, int count, off_t offset)
{
    return is_watched(fd) && offset >= 0 ? writev_watched(fd, vector, count, offset)
                                         : syscall(SYS_pwritev, fd, vector, count, offset, 0);
}

EXPORT int ftruncate(int fd, off_t size)
{
    if (!is_watched(fd))
        return (int)syscall(SYS_ftruncate, fd, size);
    fault_lock();
    struct fault_inode *inode = fault_inode_get(fd, false);
    bool is_last = inode != NULL && fault_operation();
    struct stat status;
    bool is_shorter = fstat(fd, &status) == 0 && size < status.st_size;
    size_t gone = is_shorter ? (size_t)(status.st_size - size) : 0;
    struct fault_change *change = inode != NULL ? fault_change_begin(inode, size, gone, NULL) : NULL;
    int result = (int)syscall(SYS_ftruncate, fd, size);
    int error = errno;
    if (inode != NULL)
        fault_change_end(inode, change, result == 0, 0, false);
    operation_end(is_last, error);
    return result;
}

EXPORT int truncate(const char *name, off_t size)
{
    int fd = open(name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = ftruncate(fd, size);
    int error = errno;
    (void)close(fd);
    errno = error;
    return result;
}

// Reserving changes the size at most. Other modes punch holes or move bytes; nobody here does that.
EXPORT int fallocate(int fd, int mode, off_t offset, off_t length)
{
    if (!is_watched(fd))
        return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    fault_lock();
    struct fault_inode *inode = fault_inode_get(fd, false);
    bool is_last = inode != NULL && fault_operation();
    if (mode != 0)
        fault_log("fallocate with mode %d is not watched", mode);
    struct fault_change *change =
        inode != NULL && mode == 0 ? fault_change_begin(inode, offset, 0, NULL) : NULL;
    int result = (int)syscall(SYS_fallocate, fd, mode, offset, length);
    int error = errno;
    if (inode != NULL)
        fault_change_end(inode, change, result == 0, 0, false);
    operation_end(is_last, error);
    return result;
}

EXPORT int posix_fallocate(int fd, off_t offset, off_t length)
{
    return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}

// ---- names ----

EXPORT int unlinkat(int folder, const char *name, int flags)
{
    char path[FAULT_PATH_MAX];
    if (!atomic_load(&is_active) || (flags & AT_REMOVEDIR) != 0 || !fault_path(folder, name, path))
        return (int)syscall(SYS_unlinkat, folder, name, flags);
    fault_lock();
    bool is_last = fault_operation();
    struct fault_name *removed = fault_name_begin(FAULT_UNLINK, path, NULL);
    int result = (int)syscall(SYS_unlinkat, folder, name, flags);
    int error = errno;
    fault_name_end(removed, result == 0);
    operation_end(is_last, error);
    return result;
}

EXPORT int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

EXPORT int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    char from_path[FAULT_PATH_MAX];
    char to_path[FAULT_PATH_MAX];
    if (!atomic_load(&is_active) || !fault_path(from_folder, from, from_path) ||
        !fault_path(to_folder, to, to_path))
        return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    fault_lock();
    bool is_last = fault_operation();
    struct fault_name *renamed = fault_name_begin(FAULT_RENAME, to_path, from_path);
    int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    int error = errno;
    fault_name_end(renamed, result == 0);
    operation_end(is_last, error);
    return result;
}

EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return renameat2(from_folder, from, to_folder, to, 0);
}

EXPORT int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int mkdirat(int folder, const char *name, mode_t mode)
{
    char path[FAULT_PATH_MAX];
    if (!atomic_load(&is_active) || !fault_path(folder, name, path))
        return (int)syscall(SYS_mkdirat, folder, name, mode);
    fault_lock();
    bool is_last = fault_operation();
    struct fault_name *made = fault_name_begin(FAULT_MKDIR, path, NULL);
    int result = (int)syscall(SYS_mkdirat, folder, name, mode);
    int error = errno;
    fault_name_end(made, result == 0);
    operation_end(is_last, error);
    return result;
}

EXPORT int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

// ---- syncs ----

// Whether a descriptor is one that syncs matter for: a folder below ours, or a file that we know.
static bool is_sync_watched(int fd, struct stat *status)
{
    if (!atomic_load(&is_active) || fstat(fd, status) != 0)
        return false;
    if (!S_ISDIR(status->st_mode))
        return S_ISREG(status->st_mode);
    char link[64];
    char path[FAULT_PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return false;
    path[length] = 0;
    return fault_is_below(path);
}

// A kill that comes while the disk works takes everything back, as if the sync had not begun.
static int sync_any(int fd, long call)
{
    struct stat status;
    if (!is_sync_watched(fd, &status))
        return (int)syscall(call, fd);
    fault_lock();
    bool is_known = S_ISDIR(status.st_mode) || fault_inode_get(fd, false) != NULL;
    bool is_last = is_known && fault_operation();
    uint64_t mark = fault_mark();
    if (is_last && !fault_coin())
        fault_kill("count");
    fault_unlock();
    int result = (int)syscall(call, fd);
    int error = errno;
    fault_lock();
    if (result == 0)
        fault_synced(&status, mark);
    operation_end(is_last, error);
    return result;
}

EXPORT int fsync(int fd)
{
    return sync_any(fd, SYS_fsync);
}

EXPORT int fdatasync(int fd)
{
    return sync_any(fd, SYS_fdatasync);
}

// On 64-bit Linux the names with 64 are the same functions; LMDB and others are built to call them.
EXPORT int open64(const char *name, int flags, ...) __attribute__((alias("open")));
EXPORT int openat64(int folder, const char *name, int flags, ...) __attribute__((alias("openat")));
EXPORT int creat64(const char *name, mode_t mode) __attribute__((alias("creat")));
EXPORT int __open64_2(const char *name, int flags) __attribute__((alias("__open_2")));
EXPORT int __openat64_2(int folder, const char *name, int flags) __attribute__((alias("__openat_2")));
EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
    __attribute__((alias("pwrite")));
EXPORT ssize_t pwritev64(int fd, const struct iovec *vector, int count, off64_t offset)
    __attribute__((alias("pwritev")));
EXPORT int ftruncate64(int fd, off64_t size) __attribute__((alias("ftruncate")));
EXPORT int truncate64(const char *name, off64_t size) __attribute__((alias("truncate")));
EXPORT int fallocate64(int fd, int mode, off64_t offset, off64_t length) __attribute__((alias("fallocate")));
EXPORT int posix_fallocate64(int fd, off64_t offset, off64_t length)
    __attribute__((alias("posix_fallocate")));

// ---- beginning and end ----

static void signal_on_kill(int number)
{
    (void)number;
    (void)sem_post(&kill_wanted);
}

// The kill needs the lock, which a signal handler must not take; so a thread of the shim's own waits for it.
static void *killer_run(void *signal_number)
{
    sigset_t mask;
    (void)sigfillset(&mask);
    (void)sigdelset(&mask, (int)(intptr_t)signal_number);
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    while (sem_wait(&kill_wanted) != 0)
        continue;
    fault_lock();
    fault_kill("signal");
}

static void child_on_fork(void)
{
    atomic_store(&is_active, false);
}

__attribute__((constructor)) static void shim_begin(void)
{
    if (!fault_begin())
        return;
    const char *text = getenv("DG_FAULT_SIGNAL");
    int number = text != NULL ? (int)strtol(text, NULL, 10) : SIGUSR2;
    struct sigaction action = {.sa_handler = signal_on_kill, .sa_flags = SA_RESTART};
    pthread_t killer;
    (void)sem_init(&kill_wanted, 0, 0);
    (void)sigaction(number, &action, NULL);
    (void)pthread_atfork(NULL, NULL, child_on_fork);
    if (pthread_create(&killer, NULL, killer_run, (void *)(intptr_t)number) == 0)
        (void)pthread_detach(killer);
    atomic_store(&is_active, true);
}

__attribute__((destructor)) static void shim_end(void)
{
    if (!atomic_exchange(&is_active, false))
        return;
    fault_lock();
    fault_end();
    fault_unlock();
}
