// SPDX-License-Identifier: Apache-2.0
//
// Receipts that some archive is still owed, or has answered and not settled, and for each such archive one
// delivery. A delivery is in one state, changed by one function; the journal record of each change is written
// here (FIELD 7, ENGINE 2). A receipt whose deliveries are all settled leaves memory. In a long backlog most
// receipts sleep (backlog.h): this is the form of those that are awake.
//
// Thread: the worker on which the receipt lives.
#pragma once

#include "daemon/worker.h"
#include "edit/edit.h"
#include "order/rule.h"

struct order_ask;
struct order_note;
struct order_watch;
struct receipt;

struct delivery {
    struct list_node node; // in the list of its archive that belongs to its stage
    struct receipt *receipt;
    struct archive *archive;
    enum delivery_stage stage;
    bool is_urgent;           // a client waits for its outcome (ENGINE 3; forward/awaited.h)
    bool is_refused;          // the client was told a failure while a lane had it: no try after this one
    bool is_resent;           // the archive may have it already: a SENT without OUTCOME
    uint8_t aborts;           // associations that ended while it was in flight
    uint16_t status;          // last answer
    uint32_t attempts;        // SENT records, since a person asked for a try last
    uint32_t others_answered; // what the archive had answered at the first of these ends
    uint64_t when;            // RESTING: next try; ANSWERED: when it settles (ev_now)
    uint8_t hiccups;          // answers that may be no judgement of the object
    uint8_t troubles;         // of the gateway, in a row, that kept it from being sent
    bool waits_for_primary;   // goes when the primary has said yes (acknowledge: primary)
    bool is_allowed;          // of a watched receipt: it is its turn
    bool is_barred;           // of a watched receipt: rejected before, so a person must release it
    bool same_content;        // the archive was sent these bytes by another receipt of the UID
    bool other_content;       // or others
    bool was_sent;            // an earlier attempt of its own may have left whole
    bool was_accepted;        // SETTLED: by the archive, not by being dropped or overtaken
    uint8_t sent_as;  // if so: a mark of the edits it left with, 0: as it came; or DELIVERY_SENT_UNKNOWN
    bool is_unproven; // which content the archive holds, or would hold, is not proven
    uint8_t note;     // enum order_note_stage: of a rejection note (order/note.h)
    bool is_released; // a person has let it go in spite of what held it
    uint8_t hold;     // what held it last, for `reason`: see DELIVERY_HOLD; 0: nothing does
    char reason[63];  // PARKED, RESTING, HELD: why
};

// `hold` of a delivery: 1 + enum edit_hold_kind. Kept while it is looked at again, so that one that is held
// for the same reason is not recorded again.
#define DELIVERY_HOLD(kind)   ((uint8_t)((unsigned)(kind) + 1))
#define DELIVERY_HOLD_UNKNOWN UINT8_MAX // by a former process life

#define DELIVERY_SENT_UNKNOWN UINT8_MAX

// All of it is on its way with these edits (record_sent.edits). If it may have left before with others, the
// archive may keep those whatever it answers (FIELD 5). Different edits have one mark in 1 of 254 cases.
void delivery_leaves(struct delivery *delivery, const uint8_t edits[RECORD_DIGEST_SIZE]);

enum receipt_gate {
    RECEIPT_UNASKED, // whether it is alone with its SOP Instance UID is not known yet
    RECEIPT_FREE,
    RECEIPT_WATCHED, // it is not: each delivery has to be allowed
};

struct receipt {
    uint32_t magic;
    enum receipt_gate gate;
    struct list_node gate_node; // of those to be asked about
    struct order_ask *ask;      // the question under way
    struct order_watch *watch;
    struct order_note *note; // NULL: it is no rejection note, or not known to be one
    struct worker *worker;
    struct list_node node; // worker->receipts
    uint64_t number;
    uint64_t order;
    uint64_t closed_at; // wall clock
    struct journal_position open;
    struct journal_position close;
    struct content *content;         // NULL: everything is in the journal only
    struct place_question *question; // where it lies now; NULL: none is under way
    uint8_t misses;                  // times in a row that nothing was where the ledger says
    uint32_t association;            // of the client that it came by; 0: not known any more
    unsigned pins;   // pointers to it that are kept over turns: it may not go to sleep (backlog.h)
    bool is_dropped; // refused to the client, and a DROP says so: no outcomes any more
    unsigned unsettled;
    unsigned delivery_count;
    struct delivery deliveries[];
};

struct awaited;

struct receipt_origin {
    uint64_t number;
    uint64_t order;
    uint64_t closed_at;
    uint32_t association; // of the client; 0: not known
    struct journal_position open;
    struct journal_position close;
    struct slice sop_instance; // borrowed for the call; only for receipt_admit()
    struct awaited *awaited;   // a client that waits for the archives' word; NULL: none
    struct receipt **reserve;  // of receipt_reserve(), nulled when it is used; NULL: memory is asked for
};

// Memory for a receipt, asked for before its CLOSE is appended: what is durable is queued without fail.
// free() it if it was not used. NULL: there is none.
struct receipt *receipt_reserve(size_t archives);

// Its CLOSE is durable: queues it for each of the archives that `close` owes it to (node ids that this worker
// has; others are skipped), as soon as it is known to be its turn. `content` gets a reference of its own; may
// be NULL. ERR_NOMEM.
MUST_USE enum result receipt_admit(struct worker *worker, const struct receipt_origin *origin,
                                   const struct record_close *close, struct content *content);

// The same at start, from the ledger's open index.
struct open_entry;
struct open_delivery;
MUST_USE enum result receipt_restore(struct worker *worker, const struct open_entry *entry);
// What the ledger says of one archive goes on where it stood: fills the delivery in and says in which stage.
enum delivery_stage delivery_restored(struct worker *worker, const struct open_delivery *from,
                                      struct delivery *delivery);
// A record of it is not where it was: the ledger, which may have copied it forward, is asked. Its deliveries
// should rest meanwhile. False: nothing is where the ledger says, so it is gone for good.
MUST_USE bool receipt_relocate(struct receipt *receipt);
// Gives the memory back; its deliveries leave their lists. What is owed is as it was.
void receipt_free(struct receipt *receipt);
// The client was told a failure (forward/awaited.h): what has not begun is owed no more. Bit n of `taken`:
// delivery n has said yes. The receipt may be gone afterwards.
void receipt_refuse(struct receipt *receipt, uint64_t taken);
// Between the two a receipt whose last delivery settles stays; the second may free it.
void receipt_keep(struct receipt *receipt);
void receipt_let_go(struct receipt *receipt);

// Why deliveries of a receipt are parked that can not be read from the journal.
#define DELIVERY_DAMAGED "journal record is damaged"

// Why deliveries rest whose titles the archive does not know.
#define DELIVERY_TITLES_UNKNOWN "archive does not know its AE titles"

// ---- changes; each moves the delivery between the lists of its archive; after one of a delivery that the
// client was refused meanwhile it may be gone ----

// Into the queue, in order of receipt; gated if it may not go, held if a person must release it first.
void delivery_wait(struct delivery *delivery);
void delivery_rest(struct delivery *delivery, uint64_t delay_ns, const char *reason);
// The gateway itself can not do it now (journal, crosswalk, memory): it rests, longer each time in a row.
void delivery_trouble(struct delivery *delivery, const char *reason);
void delivery_begin(struct delivery *delivery); // a lane takes it

// What an archive answered to a C-STORE.
struct delivery_answer {
    uint16_t status;
    struct slice comment;   // Error Comment
    struct slice offending; // Offending Element, AT list
    uint64_t sent_at;       // wall clock of the last fragment
};

// The archive said success or warning.
void delivery_answered(struct delivery *delivery, const struct delivery_answer *answer);
// An attempt failed and the delivery stays owed: recorded as evidence where the archive answered.
void delivery_failed(struct delivery *delivery, const struct delivery_answer *answer);
void delivery_park(struct delivery *delivery, const char *reason, uint16_t status, struct slice person);
// Person and reason are recorded of what was parked; a reason that is not said leaves that of parking.
void delivery_unpark(struct delivery *delivery, struct slice person, struct slice reason);
void delivery_drop(struct delivery *delivery, struct slice person, struct slice reason);
// FIELD 4: held back until it is released, or looked at again (archive_look_again()). Recorded if the kind or
// the reason (text for people, without patient data) is another than before.
void delivery_hold(struct delivery *delivery, enum edit_hold_kind kind, const char *reason);
// A person lets a held one go: findings hold it no more.
void delivery_release(struct delivery *delivery, struct slice person, struct slice reason);
// Owed no more: by a person, or by a rejection note (FIELD 13).
void delivery_reject(struct delivery *delivery, struct slice person, struct slice reason);
// settle_after has passed.
void delivery_settle(struct delivery *delivery, enum record_settle_remark remark);
// Overtaken by another receipt of its UID (FIELD 5): owed no more, with that receipt as evidence.
void delivery_over(struct delivery *delivery, enum order_action how, uint64_t evidence);
// 0111: the archive has this UID. Whether it has these bytes is judged by what it was sent: answered as a
// duplicate, or parked.
void delivery_exists(struct delivery *delivery, const struct delivery_answer *answer);
