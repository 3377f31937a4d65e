// SPDX-License-Identifier: Apache-2.0
// Between recovery.c (files, keys, numbers) and recovery_tail.c (records). Thread: main.
#pragma once

#include "internal.h"
#include "journal/recovery.h"

// The floor of a stream, or NULL.
const struct journal_floor *recovery_floor(const struct journal_floor *floors, size_t count, uint16_t stream);
// Reads a stream from `start` on: finds what is known to be durable, which segments died, and which receipts
// of the tail are complete. Fills in chain->claimed, states and ends of dead segments, journal->dropped
// (unsorted). Unless read_only, makes what it has read durable.
enum result recovery_stream_read(struct journal *journal, struct segment_chain *chain,
                                 struct journal_position start, bool read_only,
                                 struct journal_recovery *report) MUST_USE;
