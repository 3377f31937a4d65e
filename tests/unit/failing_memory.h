// SPDX-License-Identifier: Apache-2.0
//
// Allocations of the whole program that fail one by one, for a test whose CMake file says
// dg_failing_memory(). Included once.
#ifndef DG_FAILING_MEMORY_H
#define DG_FAILING_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

static long failing = -1;  // the allocation that fails, counted down; below 0: none
static size_t allocations; // asked for since the test has set it to 0

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

static bool is_failing(void)
{
    allocations++;
    return failing >= 0 && failing-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return is_failing() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_failing() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return is_failing() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return is_failing() ? NULL : __real_strdup(text);
}

#endif
