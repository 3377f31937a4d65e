// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on sizes that came from outside: false on overflow, the result written on true only. Thread:
// any.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(size_t a, size_t b, size_t *sum)
{
    size_t value;
    if (__builtin_add_overflow(a, b, &value))
        return false;
    *sum = value;
    return true;
}

static inline bool checked_mul(size_t a, size_t b, size_t *product)
{
    size_t value;
    if (__builtin_mul_overflow(a, b, &value))
        return false;
    *product = value;
    return true;
}

static inline bool checked_add_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
    uint64_t value;
    if (__builtin_add_overflow(a, b, &value))
        return false;
    *sum = value;
    return true;
}
