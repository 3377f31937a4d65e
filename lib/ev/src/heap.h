// SPDX-License-Identifier: Apache-2.0
//
// The timers of a loop as a binary heap by (deadline, sequence). For loop.c alone.
#pragma once

#include "ev/backend.h"

// The first timer in order if it is due at `now` and was started before; else NULL. A timer that was started
// later hides none: it has a later deadline, or the same and a higher sequence.
struct ev_timer *heap_first_due(struct ev_loop *loop, uint64_t now, uint64_t started_before);
// Disarms all.
void heap_clear(struct ev_loop *loop);
