// SPDX-License-Identifier: Apache-2.0
//
// LD_PRELOAD: counts the fdatasync calls of the journal and of everything else apart, and can make each of
// the journal's last longer, as a slow disk would.
//   DG_BENCH_SYNCS     file of two 64-bit numbers: the journal's, all others
//   DG_BENCH_SYNC_US   microseconds added to each of the journal's
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t *counts;
static uint64_t delay_us;
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DG_BENCH_SYNCS"), *delay = getenv("DG_BENCH_SYNC_US");
    *(void **)&real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    delay_us = delay != NULL ? strtoull(delay, NULL, 10) : 0;
    int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, 2 * sizeof *counts) != 0)
        return;
    void *mapped = mmap(NULL, 2 * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        counts = mapped;
    close(fd);
}

static int is_journal(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/journal/") != NULL;
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    int journal = is_journal(fd);
    int result = real_fdatasync(fd);
    if (counts != NULL)
        atomic_fetch_add(&counts[journal ? 0 : 1], 1);
    if (journal && delay_us > 0) {
        struct timespec time = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000};
        nanosleep(&time, NULL);
    }
    return result;
}
