// SPDX-License-Identifier: Apache-2.0
//
// Clears secrets and patient data so that the compiler can not leave the clearing out. Thread: any.
#pragma once

#include <stddef.h>
#include <string.h>

static inline void wipe(void *memory, size_t length)
{
    explicit_bzero(memory, length);
}
