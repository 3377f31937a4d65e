// SPDX-License-Identifier: Apache-2.0
//
// The scrub (ENGINE 7): reads every sealed record of the journal again and again, slowly, and authenticates
// it, so that damage is found while another copy may still be had. One for each disk thread, over the streams
// of its worker (and those without a worker); `journal.scrub_rate` bytes a second together with the others.
//
// Thread: made and freed on the main thread while no loop runs; works on its disk loop.
#pragma once

#include "base/result.h"
#include "daemon/gateway.h"

struct scrub;

// Begins to work when the loop runs. ERR_NOMEM.
MUST_USE enum result scrub_new(struct gateway *gateway, unsigned worker, struct scrub **out);
void scrub_free(struct scrub *scrub); // NULL is fine

struct scrub_figures {
    uint64_t passes;  // ended in this life
    uint64_t records; // authenticated in this life
    uint64_t bytes;
};
// Adds what this one has done. Any thread.
void scrub_figures_add(const struct scrub *scrub, struct scrub_figures *figures);
