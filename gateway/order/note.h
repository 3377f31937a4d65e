// SPDX-License-Identifier: Apache-2.0
//
// Rejection notes (FIELD 13): a note goes to an archive after everything that it references and that this
// archive is still owed; when it has been accepted there, that is rejected there.
//
// The worker that has the note asks, again and again, what has become of its references: the look-up thread
// reads them from the journalled data set and the ledger, the keeper adds what the ledger does not have yet.
// Nothing of this is kept: a new life asks again. The outcomes of what is rejected go into the note's own
// stream before its own outcome, so that a note which is known to be accepted has always rejected what it
// should.
#pragma once

#include "order/mail.h"
#include "order/references.h"

struct delivery;
struct receipt;

// Where a note stands at one archive.
enum order_note_stage {
    NOTE_NONE,    // is no note
    NOTE_UNKNOWN, // nothing is known of what it references
    NOTE_WAITS,   // for what will go by itself
    NOTE_STUCK,   // only for what waits for a person
    NOTE_READY,
};

// A receipt that the note references and that an archive was, or is, owed.
struct order_mark {
    uint64_t receipt;
    size_t archive; // index of the node
};

// What has become of the references of one note.
struct order_look {
    enum result result;    // ERR_FORMAT, ERR_LIMIT: they can not be read; else, if not OK: ask again
    reference *references; // in order
    size_t count;
    struct order_mark *marks; // to be rejected
    size_t mark_count, mark_capacity;
    uint64_t *known; // receipts of them that the ledger has
    size_t known_count, known_capacity;
    bool is_done; // worker to keeper: the note was accepted by `archive`
    size_t archive;
    bool is_forced;   // some of them have not gone there: a person let the note go before them
    uint8_t stages[]; // enum order_note_stage, one for each archive
};

struct order_look *order_look_new(const struct gateway *gateway); // NULL: no memory
void order_look_free(struct order_look *look);
// On the look-up thread: fills ask->look.
void order_look_run(const struct gateway *gateway, struct order_ask *ask);

// ---- the worker's side ----

struct order_notes {
    struct worker *worker;
    struct list notes;
    struct ev_timer timer;
};

void order_notes_init(struct order_notes *notes, struct worker *worker);
void order_notes_fini(struct order_notes *notes);

// The receipt has turned out to be a note. False: no memory, to be tried again.
MUST_USE bool order_note_begin(struct order_notes *notes, struct receipt *receipt);
// Its question has come back.
void order_note_answered(struct order_notes *notes, struct receipt *receipt, struct order_ask *ask);
// The receipt is going.
void order_note_leave(struct receipt *receipt);
// As far as what it references goes.
bool order_note_allows(const struct delivery *delivery);
// The archive has said yes to it; before that is recorded. NULL, or what the record of that says as a
// finding.
MUST_USE const char *order_note_accepted(const struct delivery *delivery);
