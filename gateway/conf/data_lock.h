// SPDX-License-Identifier: Apache-2.0
//
// The lock of the data folder: one process at a time works on it, the daemon or a verb.
#pragma once

#include "base/result.h"

// Close *lock at the end. ERR_EXISTS: another process has it; ERR_ARGUMENT: the path is too long; ERR_IO: see
// errno.
MUST_USE enum result data_lock_take(const char *folder, int *lock);
