// SPDX-License-Identifier: Apache-2.0
//
// The inside of a leg, shared by leg.c (life), leg_read.c (the way in) and leg_write.c (the way out).
#pragma once

#include "base/list.h"
#include "base/magic.h"
#include "leg/leg.h"

#define LEG_MAGIC        0x4c454731u
#define LEG_COMMAND_ROOM 8192 // bytes of encoded command sets, PDV headers included, waiting to be written

// One P-DATA-TF: its header (none where the payload holds whole PDUs) and its payload, borrowed.
struct leg_fragment {
    uint8_t header[UL_DATA_HEADER_LENGTH];
    uint8_t header_length;
    struct slice payload;
};

struct leg {
    uint32_t magic;
    struct leg_environment *environment;
    struct leg_timeouts timeouts;
    const struct leg_handler *handler;
    void *arg;
    struct transport *transport;
    struct ul_association ul;
    struct dimse_reader reader;
    bool is_acceptor;
    bool is_established;
    bool has_ended;              // on_end has been given, or leg_free() called
    bool is_freed;               // leg_free() called: has no owner any more
    bool is_poisoned;            // reset by us: that the transport is gone is not the peer's doing
    bool is_discarded;           // memory goes back at the end of the turn
    bool is_paused;              // the owner wants no more bytes for now
    bool is_held;                // not even those that were read already
    bool is_receiving;           // inside a message, for the deadline
    bool release_due;            // a release request or response waits until the fragments are written
    bool notify_due;             // on_sent is owed
    bool write_failed;           // the transport took no more; leg_flush() tells
    bool close_due;              // the machine wants the transport closed once the output is written
    uint64_t last_read;          // ev_now()
    struct ev_timer phase_timer; // connect, associate, release
    struct ev_timer artim;
    struct ev_timer read_timer;
    struct ev_timer write_timer;
    struct ev_task flush_task;
    struct ev_task resume_task;
    struct byte_queue held; // read and not taken
    struct list_node lingering_node;
    struct ev_garbage garbage;
    struct leg_end end;
    size_t fragment_count;
    size_t fragment_at;     // first one not written whole
    size_t fragment_offset; // bytes of it that are written
    size_t command_used;
    uint64_t fragments_written; // in all, whole
    struct leg_fragment fragments[LEG_FRAGMENTS_MAX];
    uint8_t command[LEG_COMMAND_ROOM];
};

// Gives on_end once.
void leg_finish(struct leg *leg, enum leg_cause cause);
// The connection failed under us: tells the machine, then ends.
void leg_transport_lost(struct leg *leg);
// A fragment can not be finished: the stream is worth nothing any more (DESIGN 3). Tells the machine.
void leg_poison(struct leg *leg);
// What is wanted of the transport follows from the state.
void leg_want_update(struct leg *leg);
// Runs the release that waited for the fragments.
void leg_release_run(struct leg *leg);
// Closes; gives memory back at the end of the turn if the owner has freed the leg, else when it does.
void leg_let_go(struct leg *leg);
// Forgets fragments that will never be sent.
void leg_fragments_drop(struct leg *leg);
// Writes what there is at the end of the turn.
void leg_flush_later(struct leg *leg);
// In a state that knows no A-ABORT request the connection is simply closed.
void leg_machine_abort(struct leg *leg, uint8_t source, uint8_t code);
// From the last read on, for the kind of waiting that it is in.
void leg_read_timer_start(struct leg *leg);

// ---- the way in ----

extern const struct ul_handler leg_ul_handler;
extern const struct dimse_handler leg_dimse_handler;
void leg_on_transport(void *arg, unsigned events);
// Takes what leg_hold() left of a read.
void leg_on_resume(void *arg);
