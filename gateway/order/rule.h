// SPDX-License-Identifier: Apache-2.0
//
// Who goes first (FIELD 5). The receipts of one SOP Instance UID, as one archive sees them: the newest goes;
// an older one waits for it and is superseded (with the same content: a duplicate) once it, or any newer one,
// has been accepted, so that nothing is lost if the newer one is refused or taken back; only one is on its
// way at a time. Pure.
//
// Thread: any; the caller's memory.
#pragma once

#include "order/line.h"

// The last rejection note about the UID that an archive has accepted.
struct order_rejection {
    uint64_t receipt; // of the note
    uint64_t order;   // 0: there is none
};

// Sets `wanted` and what belongs to it in the slots of one archive, and appends to `changed` the members, not
// in it yet, that are owed there and for which it is not what is in force. Looks at those alone for which it
// could be: not at the many that just wait.
void order_rule_apply(struct order_line *line, size_t archive, struct order_rejection rejection,
                      struct list *changed);
// Nothing is to be decided any more at any archive.
bool order_rule_is_done(struct order_line *line);
