// SPDX-License-Identifier: Apache-2.0
// Disk side of one journal stream: the only one that writes its files (ENGINE 1 to 3).
//
// Role: prepares segments before they are needed, writes posted buffers (one pwrite each), syncs once for all
// CLOSEs that wait, starts writeback, serves reads, watches free space, and publishes durable ends to the
// catalog. Owner: the daemon. Thread: callbacks on the loop of the stream's disk thread; made and freed on
// the main thread while no loop runs.
#pragma once

#include <stdint.h>

#include "base/result.h"
#include "ev/loop.h"
#include "journal/journal.h"

struct journal_disk;

// After journal_life_begin(). stream: 0..JOURNAL_STREAM_MAX, once per process. Begins to prepare the first
// segment as soon as the loop runs. ERR_EXISTS: the stream has a writer; ERR_NOMEM.
enum result journal_disk_new(struct journal *journal, uint16_t stream, struct ev_loop *loop,
                             struct journal_disk **out) MUST_USE;
// Closes the files. The stream must be freed before. NULL is fine.
void journal_disk_free(struct journal_disk *disk);
