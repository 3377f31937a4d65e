// SPDX-License-Identifier: Apache-2.0
#include "figures.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct figures *figures_map(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, sizeof(struct figures)) == 0) {
        void *mapped = mmap(NULL, sizeof(struct figures), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (mapped != MAP_FAILED)
            return mapped;
    }
    perror(path);
    exit(2);
}

uint64_t figures_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void times_add(struct times *times, uint64_t nanoseconds)
{
    if (times->count == times->capacity) {
        times->capacity = times->capacity == 0 ? 4096 : times->capacity * 2;
        times->each = realloc(times->each, times->capacity * sizeof times->each[0]);
        if (times->each == NULL)
            abort();
    }
    times->each[times->count++] = nanoseconds;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

uint64_t times_percentile(struct times *times, double share)
{
    if (times->count == 0)
        return 0;
    qsort(times->each, times->count, sizeof times->each[0], compare);
    size_t at = (size_t)((double)times->count * share);
    return times->each[at < times->count ? at : times->count - 1];
}
