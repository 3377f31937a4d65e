// SPDX-License-Identifier: Apache-2.0
//
// Sorts more records than memory holds: sorted runs in files, then merged. Private to lib/store.
// Thread: its owner's; waits for the disk.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "fs/fs.h"

enum { SORTER_RECORD_MAX = 4096, SORTER_RUNS_MAX = 1024 };

struct sorter;

// Records order by their first `key` bytes (at least 8), of which equal ones come in any order. `folder`
// below `fs` is there; files in it begin with `name`. `memory`, bytes, holds one run.
MUST_USE enum result sorter_new(struct fs *fs, const char *folder, const char *name, size_t key,
                                size_t memory, struct sorter **out);
// ERR_SPACE, ERR_IO; ERR_LIMIT: too many runs.
MUST_USE enum result sorter_add(struct sorter *sorter, struct slice record);
// No more are added.
MUST_USE enum result sorter_end(struct sorter *sorter);
// The next one in order, borrowed until the next call; ERR_MISSING behind the last.
MUST_USE enum result sorter_next(struct sorter *sorter, struct slice *record);
// Removes its files. NULL is fine.
void sorter_free(struct sorter *sorter);
