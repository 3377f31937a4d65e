// SPDX-License-Identifier: Apache-2.0
//
// The inside of receipts, shared by receipt.c and backlog.c.
#pragma once

#include "forward/receipt.h"

// The one place where a stage changes, with the list that goes with it.
void delivery_stage_set(struct delivery *delivery, enum delivery_stage stage);
// In the list of its worker, without deliveries; NULL without memory.
struct receipt *receipt_make(struct worker *worker, const struct receipt_origin *origin, size_t deliveries);
// The next of its deliveries, in no stage yet.
struct delivery *delivery_add(struct receipt *receipt, struct archive *archive);
