// SPDX-License-Identifier: Apache-2.0
//
// Cut-through (ENGINE 5): an instance goes out to an archive while it still comes in. Intake asks with every
// piece that the journal has taken; a lane with nothing else outstanding follows the content, and withholds
// the last fragment until CLOSE is durable, the delivery has come through the archive's queue as any other,
// and SENT is written. Whatever goes wrong before that, the association is aborted in the middle of the data
// set: the archive has nothing, and what is owed goes out whole, later.
//
// Thread: the worker's.
#pragma once

#include "daemon/worker.h"

// What intake knows of an instance that is coming in.
struct cut_progress {
    struct content *content;
    uint64_t received; // bytes
    uint64_t expected; // bytes at least; 0: not known
    uint64_t elapsed;  // ns since its first byte
    uint64_t gap;      // ns, the longest between two pieces
};

// Whether it will be here within `limit_ns`, or is large and comes steadily. Pure.
bool cut_is_worth_it(const struct cut_progress *progress, uint64_t limit_ns);

// Begins with each of these archives for which it is worth it and that is idle. True: there is nothing more
// to ask for this instance.
bool cut_consider(struct worker *worker, const struct cut_progress *progress,
                  const struct configuration_node *const *archives, size_t archive_count);

// From the archive, before it looks for work: flights whose delivery waits in the queue now get it.
struct archive;
void cut_bind(struct archive *archive);
// Another lane leaves this delivery alone: the one that cuts it through will take it.
struct delivery;
bool cut_is_pending(const struct delivery *delivery);
