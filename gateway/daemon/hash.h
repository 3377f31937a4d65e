// SPDX-License-Identifier: Apache-2.0
//
// uthash as the whole gateway uses it: out of memory is no reason to end the process. An element that the
// table had no room for stays outside of it; HASH_HAS() tells, and must be asked after each HASH_ADD().
#pragma once

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#define HASH_HAS(element) ((element)->hh.tbl != NULL)
