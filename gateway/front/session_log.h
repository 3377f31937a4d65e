// SPDX-License-Identifier: Apache-2.0
//
// How the end of a front association is counted and logged: each reason has its own event id, so that metrics
// and tests can tell one misbehaviour from another. Thread: the worker's.
#pragma once

#include "front/session.h"
#include "leg/leg.h"

void session_log_end(const struct session_facts *facts, const struct leg_end *end,
                     const struct transport_peer *peer, uint64_t instances);
