// SPDX-License-Identifier: Apache-2.0
//
// Units of size and time as they are used in the code; times are nanoseconds in 64 bits. Thread: any.
#pragma once

#include <stdint.h>

#define KIB          ((uint64_t)1024)
#define MIB          (1024 * KIB)
#define GIB          (1024 * MIB)
#define NSEC_PER_MS  ((uint64_t)1000000)
#define NSEC_PER_SEC ((uint64_t)1000000000)
