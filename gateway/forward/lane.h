// SPDX-License-Identifier: Apache-2.0
//
// A lane: one outgoing association to one archive that is fed with deliveries: data sets one after the
// other, and as many in flight as the archive has granted (DESIGN 1, ENGINE 5). It loads what is cold, opens
// an association with the titles and contexts that the delivery needs, sends the data set byte for byte,
// withholds the last fragment until SENT is written, and turns the answer into an outcome.
//
// Thread: the worker's. Ownership: the archive's list of lanes.
#pragma once

#include "forward/archive.h"

struct lane;

// `is_kept`: it holds the lease kept for urgent deliveries and takes no others. ERR_NOMEM.
MUST_USE enum result lane_new(struct archive *archive, bool is_kept, struct lane **out);
// Ends it at once; a delivery in flight goes back to the queue. Memory lives until its reads have come back.
void lane_free(struct lane *lane);
struct lane *lane_of(struct list_node *node);
struct list_node *lane_node(struct lane *lane);

// Nothing in hand: lane_wake() makes it look for work.
bool lane_is_idle(const struct lane *lane);
bool lane_is_kept(const struct lane *lane);
// It takes nothing more and gives its lease back soon.
bool lane_is_draining(const struct lane *lane);
// Its association has, or will have, the titles of such an instance.
bool lane_serves(const struct lane *lane, const struct record_open *open);
// The client association whose instance it has sent last; 0: none.
uint32_t lane_association(const struct lane *lane);
// It has in hand what a client waits for.
bool lane_has_urgent(const struct lane *lane);
// No association yet.
bool lane_is_opening(const struct lane *lane);
void lane_wake(struct lane *lane);

// ---- cut-through (ENGINE 5), called by cut.c ----

// Could begin at once with an instance that has such an OPEN: idle, nothing in flight, its context accepted.
bool lane_may_cut(const struct lane *lane, const struct record_open *open);
// Takes it in hand; a lane that was just made opens an association for it.
void lane_cut(struct lane *lane, struct content *content);
// The content that it cuts through and that is not owed yet; NULL: none.
const struct content *lane_cut_content(const struct lane *lane);
// Its CLOSE is durable and this is what is owed: the flight goes on as any other, and the delivery moves to
// SENDING. Or, where rules or crosswalk might say otherwise now, the flight is broken off and the delivery
// stays in the queue.
void lane_cut_bind(struct lane *lane, struct delivery *delivery);

// The stream is gone: what waited for reads is given back now.
void lanes_bury(struct worker *worker);
// Graceful stop: releases when what is in flight is done.
void lane_stop(struct lane *lane);
