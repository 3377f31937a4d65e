// SPDX-License-Identifier: Apache-2.0
//
// The ledger made anew (`dicomgate ledger rebuild`, ENGINE 7): the whole journal is replayed into an empty
// environment; what the journal does not tell any more, as its segments have gone, comes from the former
// ledger as far as that can be read.
//
// Thread: one, while no daemon has the stores open.
#pragma once

#include "store/ledger.h"

struct ledger_rebuild_counts {
    uint64_t replayed; // receipts that the journal told of
    uint64_t kept;     // facts taken from the former ledger: older than the journal, or farther on
    uint64_t damaged;  // facts of the former ledger that can not be read
};

// `writer` was made on an empty environment, its journal has been recovered (read-only is enough). `former`
// may be NULL. ERR_IO, ERR_NOMEM, ERR_SPACE, ERR_FORMAT: the new environment is of no use.
MUST_USE enum result ledger_rebuild(struct ledger_writer *writer, struct kv_env *former,
                                    struct ledger_rebuild_counts *counts);

// Its second half, once the writer has caught up: takes from the former ledger what is better there, and the
// numbers that were ever used.
MUST_USE enum result ledger_rebuild_keep(struct ledger_writer *writer, struct kv_env *former,
                                         struct ledger_rebuild_counts *counts);
