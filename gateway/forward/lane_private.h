// SPDX-License-Identifier: Apache-2.0
//
// The inside of a lane, shared by lane.c (association, choice of work), lane_contexts.c (titles and
// contexts), lane_load.c (what is cold), lane_edit.c (the verdict of rules and crosswalk), lane_send.c (data
// sets), lane_cut.c (one that still comes in) and lane_flight.c (answers, and their absence).
#pragma once

#include "base/magic.h"
#include "edit/edit.h"
#include "forward/lane.h"
#include "forward/outlet.h"
#include "route/negotiation.h"

#define LANE_MAGIC     0x4c414e31u
#define FLIGHT_MAGIC   0x464c5431u
#define LANE_PAIRS_MAX UL_CONTEXT_LIMIT
#define LANE_SLOTS     2
#define LANE_UID_MAX   256 // longer ones can not be proposed

// Of the association.
enum lane_state {
    LANE_STARTING,  // none yet
    LANE_OPENING,   // asked for
    LANE_OPEN,      // carries flights
    LANE_RELEASING, // nothing is in flight; it does not fit or is not needed any more
};

// One presentation context of this lane: id 2 * index + 1.
struct lane_pair {
    char abstract[LANE_UID_MAX];
    char transfer[LANE_UID_MAX];
};

// One C-STORE on its way: from its command to its response. Data sets go out one after the other; as many
// flights as the archive has granted wait for their responses, which come in any order.
struct flight {
    uint32_t magic;
    struct lane *lane;
    struct list_node node;     // lane->flights, in the order of their commands
    struct delivery *delivery; // NULL: cut-through, and nothing is owed yet
    struct content *content;
    struct content_follower follower;
    bool is_sender; // counted in content->senders
    uint8_t context_id;
    uint16_t message_id;
    bool is_command_queued;
    struct edit_policies *policies; // that the edit stands on; NULL: it goes as it came
    struct edit *edit;
    uint32_t news;  // of the archive, when the edit began
    bool is_judged; // it goes: until then no byte does, the command included
    struct outlet outlet;
    uint64_t sent;        // bytes of the data set queued
    size_t piece;         // being sent, or before the verdict being looked at
    bool is_piece_in;     // it is in the outlet
    bool is_sent_filled;  // what SENT says is known
    bool has_sent_record; // SENT is appended
    bool is_sent_written; // and its write has returned
    struct journal_waiter sent_waiter;
    struct record_sent sent_record; // as appended, and where
    struct journal_place sent_place;
    bool is_last_queued;
    uint64_t last_mark; // leg_mark() behind the last fragment
    uint64_t sent_at;   // wall clock of the last fragment
    uint64_t due;       // ev_now() at which its response is overdue
    struct ev_garbage garbage;
};

// Read-ahead: two chunks from the journal, used in turn.
struct lane_slot {
    struct journal_read read;
    struct lane *lane;
    const struct flight *flight; // that it is for; NULL: for one that is over
    size_t piece;                // of its content
    bool is_reading;
    bool is_ready;
    bool is_queued; // all of it: free once the leg is past `mark`
    uint64_t mark;
    struct slice bytes;
};

struct lane {
    uint32_t magic;
    struct archive *archive;
    struct worker *worker;
    struct list_node node;
    enum lane_state state;
    bool is_dead;
    bool is_kept;     // for urgent deliveries only
    bool is_draining; // takes nothing new; released once nothing is in flight
    struct leg *leg;
    // in hand: chosen, not begun. A content without a delivery: to be cut through
    struct delivery *delivery;
    struct content *content;
    struct journal_read load;
    uint8_t *load_buffer;
    bool is_loading;
    // association
    char calling[CONFIGURATION_TITLE_MAX + 1];
    char called[CONFIGURATION_TITLE_MAX + 1];
    struct lane_pair *pairs;
    size_t pair_count;
    bool has_opened;
    uint64_t opened_at;   // ev_now()
    unsigned window;      // operations that the archive has granted (PS3.7 D.3.3.3)
    uint32_t association; // of the client whose instance it has taken last
    bool is_probing;      // a C-ECHO goes before the first instance: the archive has failed before
    unsigned turns;       // instances that this association has carried
    uint64_t idle_since;
    // in flight
    struct list flights;
    bool is_alone;          // nothing beside the one in flight
    struct flight *sending; // whose data set is not queued whole; NULL: the next one may begin
    uint16_t message_id;    // of the last command
    struct lane_slot slots[LANE_SLOTS];
    uint8_t *slot_memory;
    struct outlet_buffers buffers;
    struct ev_timer response_timer;
    struct ev_timer cut_timer; // a cut-through that gets no further
    bool is_cut_off;           // we aborted the association for our own reasons: not the archive's fault
    char abort_why[96];        // for people: why we aborted it; empty: we did not
    struct ev_timer idle_timer;
    struct ev_task step_task;
    struct ev_garbage garbage;
};

// ---- lane.c ----
extern const struct leg_handler lane_leg_handler;
void lane_step_later(struct lane *lane);
// Puts what is in hand down; whoever calls decides where it goes. NULL: it was to be cut through.
struct delivery *lane_put_down(struct lane *lane);
// The same, back into the queue.
void lane_put_back(struct lane *lane);
// Nothing new: released once nothing is in flight.
void lane_drain(struct lane *lane);
// Aborts the association; why, for people. The lane may be dead afterwards.
void lane_abort(struct lane *lane, const char *why);
// A flight is over, and nobody is to blame. What the archive has begun to get must end in the middle.
void lane_break_off(struct lane *lane, bool has_begun, const char *why);
// A dead lane whose last read has come back gives its memory back.
void lane_bury(struct lane *lane);

// ---- lane_contexts.c ----
// The context of this lane for an instance under these titles; false: there is none.
MUST_USE bool lane_context_find(const struct lane *lane, const struct record_open *open, uint8_t *context_id);
// Dials with the titles and contexts of what is in hand. ERR_LIMIT: its UIDs are too long to be proposed;
// ERR_MISSING: the archive's name is not resolved; others as leg_connect().
MUST_USE enum result lane_associate(struct lane *lane);
// The association is open: what it allows.
void lane_contexts_learn(struct lane *lane);
// Asks by C-ECHO whether the archive is there, if the association has a context for it. True: the answer
// comes.
MUST_USE bool lane_probe_begin(struct lane *lane);

// ---- lane_load.c ----
// Starts to read what a cold receipt in hand needs; lane_step_later() when it is there. False: could not be
// begun.
MUST_USE bool lane_load_begin(struct lane *lane);
void lane_load_buffer_free(struct lane *lane);

// ---- lane_send.c ----
// Begins to send what is in hand. ERR_NOMEM.
MUST_USE enum result lane_send_begin(struct lane *lane, uint8_t context_id);
void lane_send_more(struct lane *lane);
// The transport has taken what was queued before: chunks that it lay in are free.
void lane_sent_release(struct lane *lane);
// The flight is over; the delivery is the caller's again.
struct delivery *flight_land(struct flight **flight);
// The verdict is that it goes, its outlet is set up: an attempt begins. False: the flight is over.
MUST_USE bool flight_go(struct flight *flight);
// The bytes of the current piece; false: being read.
MUST_USE bool flight_piece_bytes(struct flight *flight, struct slice *bytes);
// Begins to read a cold piece unless both slots are still in use.
void flight_piece_request(struct flight *flight, size_t piece);
// From the first piece on again.
void flight_pieces_rewind(struct flight *flight);

// ---- lane_edit.c ----
// Begins an edit if the archive has a policy. ERR_NOMEM.
MUST_USE enum result flight_edit_begin(struct flight *flight);
void flight_edit_end(struct flight *flight);
// True: it goes. False: the verdict is not there yet, or the flight is over.
MUST_USE bool flight_judge(struct flight *flight);
// What SENT says of the edit. False: more than can be said, and the flight is over.
MUST_USE bool flight_edit_describe(struct flight *flight, struct record_sent *sent);
// The edited data set can not be made; the flight is over.
void flight_edit_fail(struct flight *flight, enum result result);
// What is cut through is owed now. True: it may go on, as nothing has come to light that could change the
// verdict.
bool flight_edit_stands(const struct flight *flight, const struct delivery *delivery);
// The gateway stops: what waits for its verdict goes back into the queue.
void lane_judgement_leave(struct lane *lane);

// ---- lane_cut.c ----
// What is in hand, or in flight, is a cut-through of an instance that is not owed yet.
bool lane_has_cut(const struct lane *lane);
// It has got further, or the flight is over: its deadline follows.
void lane_cut_timer_update(struct lane *lane);
void lane_on_cut_timer(void *lane);
// Aborts the association in the middle of the data set: the archive has nothing of it, nobody is to blame.
void flight_cut_off(struct flight *flight);
void flight_follow(struct flight *flight);

// ---- lane_flight.c ----
// The record of what is in hand, or of this flight, can not be read.
void lane_unreadable(struct lane *lane, enum result result);
void flight_unreadable(struct flight *flight, enum result result);
void lane_on_response(struct lane *lane, uint8_t context_id, const struct dimse_command *response);
// The association is gone with these in flight: none of them was answered.
void lane_flights_interrupted(struct lane *lane, const struct leg_end *end, const char *why);
// Back into the queue, nobody's fault.
void lane_flights_return(struct lane *lane);
// A delivery that was in flight when an association ended: nothing else beside it until it is answered, so
// that the one that kills associations is found (ENGINE 5).
bool delivery_goes_alone(const struct delivery *delivery);
// The same, and on an association of its own: if that ends too, it is parked.
bool delivery_is_tried_alone(const struct delivery *delivery);
void lane_response_timer_update(struct lane *lane);
void lane_on_response_timer(void *lane);
