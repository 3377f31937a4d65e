// SPDX-License-Identifier: Apache-2.0
#include "lookup.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"

uint64_t lookup_mixed(uint64_t n)
{
    uint64_t z = (n + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t lookup_cool(const char *folder)
{
    char path[4096];
    struct stat status;
    ensure(text_format(path, sizeof path, "%s/data.mdb", folder));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ensure(fd >= 0 && fsync(fd) == 0 && fstat(fd, &status) == 0);
    ensure(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    close(fd);
    return (uint64_t)status.st_size;
}

uint64_t lookup_number(int argc, char **argv, int at, uint64_t otherwise)
{
    uint64_t value = otherwise;
    if (argc > at)
        ensure(text_number(slice_of_text(argv[at]), UINT32_MAX, &value) == OK);
    return value;
}

void lookup_print(const char *name, struct times *times)
{
    (void)printf("  \"%s\": { \"lookups\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f },\n",
                 name, times->count, (double)times_percentile(times, 0.5) / 1e3,
                 (double)times_percentile(times, 0.99) / 1e3, (double)times_percentile(times, 1) / 1e3);
    free(times->each);
    *times = (struct times){0};
}
