// SPDX-License-Identifier: Apache-2.0
//
// The inside of a lane, shared by lane.c (association, choice, outcome), lane_load.c (what is cold) and
// lane_send.c (the data set).
#pragma once

#include "base/magic.h"
#include "forward/lane.h"
#include "route/negotiation.h"

#define LANE_MAGIC     0x4c414e31u
#define LANE_PAIRS_MAX UL_CONTEXT_LIMIT
#define LANE_SLOTS     2
#define LANE_UID_MAX   256 // longer ones can not be proposed

enum lane_state {
    LANE_IDLE,      // no delivery in hand; the association may be open
    LANE_LOADING,   // OPEN and CLOSE of a cold receipt are being read
    LANE_OPENING,   // the association is being made
    LANE_SENDING,   // fragments go out
    LANE_ANSWER,    // the last fragment is queued, the response is due
    LANE_RELEASING, // the association does not fit or is not needed any more
};

// One presentation context of this lane: id 2 * index + 1.
struct lane_pair {
    char abstract[LANE_UID_MAX];
    char transfer[LANE_UID_MAX];
};

// Read-ahead: two chunks from the journal, used in turn.
struct lane_slot {
    struct journal_read read;
    struct lane *lane;
    bool is_reading;
    bool is_ready;
    size_t piece; // which piece of the content it holds
    struct slice bytes;
};

struct lane {
    uint32_t magic;
    struct archive *archive;
    struct worker *worker;
    struct list_node node;
    enum lane_state state;
    bool is_dead;
    bool is_kept; // for urgent deliveries only
    struct leg *leg;
    struct delivery *delivery;
    struct content *content;
    bool is_sender; // counted in content->senders
    // association
    char calling[CONFIGURATION_TITLE_MAX + 1];
    char called[CONFIGURATION_TITLE_MAX + 1];
    struct lane_pair *pairs;
    size_t pair_count;
    bool has_opened;
    unsigned turns; // instances that this association has carried
    uint64_t idle_since;
    // loading
    struct journal_read load;
    uint8_t *load_buffer;
    bool is_loading;
    // sending
    uint8_t context_id;
    uint16_t message_id;
    uint64_t sent;     // bytes of the data set queued
    size_t piece;      // being sent
    size_t piece_sent; // bytes of it queued
    struct lane_slot slots[LANE_SLOTS];
    uint8_t *slot_memory;
    bool has_sent_record; // SENT is appended
    bool is_sent_written; // and its write has returned
    struct journal_waiter sent_waiter;
    struct record_sent sent_record; // as appended, and where
    struct journal_place sent_place;
    bool is_last_queued;
    uint64_t sent_at; // wall clock of the last fragment
    struct ev_timer response_timer;
    struct ev_timer idle_timer;
    struct ev_task step_task;
    struct ev_garbage garbage;
};

void lane_step_later(struct lane *lane);
// Starts to read what a cold receipt needs; lane_step_later() when it is there. False: could not be begun.
bool lane_load_begin(struct lane *lane);
void lane_load_buffer_free(struct lane *lane);
// A dead lane whose last read has come back gives its memory back.
void lane_bury(struct lane *lane);
// The record of this delivery can not be read: it is parked for a person.
void lane_unreadable(struct lane *lane, enum result result);

// Queues the command, then as many fragments as there is room and data for.
void lane_send_begin(struct lane *lane);
void lane_send_more(struct lane *lane);
// Forgets everything about the instance in flight.
void lane_send_reset(struct lane *lane);
