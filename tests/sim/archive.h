// SPDX-License-Identifier: Apache-2.0
//
// A simulated archive: a storage SCP that keeps every complete data set for ever, and misbehaves as it is
// told. Thread: its own loop, which a crash of the archive replaces. Owner: history.
#pragma once

#include "history.h"

// Node id in the configuration: index + 1. Its address: 10.0.1.(index + 1):104.
struct archive_sim *archive_sim_new(struct history *history, unsigned index);
void archive_sim_free(struct archive_sim **archive);
// ARCHIVE_WELL ends whatever was. `status`: for ARCHIVE_STATUS.
void archive_sim_fault(struct archive_sim *archive, enum archive_fault fault, uint16_t status);
// Connections are lost; what was stored stays. It listens again at once (unless down).
void archive_sim_crash(struct archive_sim *archive);
const char *archive_fault_name(enum archive_fault fault);
