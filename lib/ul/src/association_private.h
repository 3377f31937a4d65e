// SPDX-License-Identifier: Apache-2.0
//
// What the state machine (association.c) and its decoder (input.c) share.
#pragma once

#include "ul/association.h"

enum { UL_ASSOCIATION_MAGIC = 0x756c6173 };

// What came with an event; only the members that the event needs are set.
struct ul_occurrence {
    enum ul_event event;
    enum ul_reason reason; // recorded if the association ends by this event
    uint8_t source;        // A-ABORT: received, asked for, or to be sent
    uint8_t code;
    struct ul_reject reject;          // A-ASSOCIATE-RJ: received or asked for
    struct ul_parameters *parameters; // RQ or AC received; taken or freed
};

// Runs one cell of the table: changes the state, acts, calls the handler. False where the table lists
// nothing: then nothing has happened (parameters are freed all the same).
bool ul_association_occur(struct ul_association *association, const struct ul_occurrence *occurrence);

// A protocol fault of the peer: Evt19, or the event of the PDU itself where that is what the state does not
// allow.
void ul_association_fault(struct ul_association *association, enum ul_event event, enum ul_reason reason);

// Whether received data still goes to the owner.
static inline bool ul_association_receives(const struct ul_association *association)
{
    return association->state == Sta6 || association->state == Sta7;
}

static inline bool ul_association_has_accepted(const struct ul_association *association, uint8_t id)
{
    return (association->accepted[id / 64] >> (id % 64) & 1) != 0;
}

void ul_decoder_fini(struct ul_decoder *decoder);
