// SPDX-License-Identifier: Apache-2.0
//
// Quarantine: records of the journal that were durable and are bad now, whoever finds them: the ledger when
// it reads on (at recovery too), a lane that wants to send, the scrub. Each place is told once, kept in the
// control store over restarts, and shown by `dicomgate queue quarantine`; status has an alarm for those whose
// segment is still there. What is still owed of such a receipt and is cold is parked: a person must decide.
// Not where the record only says what happened to it (SENT, OUTCOME), or what it hit has gone or was copied.
//
// Thread: damage_report() and damage_count() any; the rest as said. A mutex inside is held for copies, and by
// damage_count() for a look at the journal's table for each place; the store is written on the ledger loop.
#pragma once

#include "base/result.h"
#include "daemon/gateway.h"
#include "store/control.h"

struct damage;

// Main thread. Reads what earlier lives have found. ERR_NOMEM, ERR_IO, ERR_FORMAT.
MUST_USE enum result damage_new(struct gateway *gateway, struct damage **out);
// After the loops. NULL is fine.
void damage_free(struct damage *damage);

// `when` is set here. Known places are told again only if the receipt was not known before. One that there is
// no room for is told to log and worker each time; where the worker can not be told either, whoever finds it
// next tells it.
void damage_report(struct damage *damage, const struct control_damage *found);
// Of a receipt that could not be read for sending; place and receipt as far as they are known.
void damage_report_unreadable(struct damage *damage, struct journal_position position, uint64_t receipt);

// Places whose segment is still there.
size_t damage_count(struct damage *damage);
