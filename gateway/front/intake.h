// SPDX-License-Identifier: Apache-2.0
//
// One C-STORE on its way into the journal (DESIGN 2, steps 4 and 5; FIELD 3): scanned and digested while it
// streams, sealed in chunks, closed, and only when the CLOSE is durable answered Success. Whatever goes wrong
// is answered by a status after the data set has been read to its end; the association lives.
//
// Thread: the worker's.
#pragma once

#include "daemon/worker.h"
#include "dimse/command.h"
#include "forward/awaited.h"
#include "front/intake_verdict.h"

struct references;
struct session;

enum intake_stage {
    INTAKE_RECEIVING,  // data set fragments come in
    INTAKE_DISCARDING, // refused: the rest of the data set is read and thrown away
    INTAKE_JUDGED,     // all here; whether it is refused is not known yet (intake_verdict.h)
    INTAKE_CLOSING,    // all here; CLOSE is being written or waits for its sync
    INTAKE_WAITING,    // durable; the route wants an archive's word first
    INTAKE_DONE,       // the status is known
};

struct intake {
    uint32_t magic;
    enum intake_stage stage;
    struct worker *worker;
    struct session *session;       // NULL once the association has ended
    struct list_node session_node; // in the session's list of unfinished ones
    struct list_node worker_node;  // in worker->intakes while a record waits for room
    struct list_node orphan_node;  // in worker->orphans, without a session
    uint8_t context_id;
    struct dimse_command request; // its texts are the three below, no others
    char *sop_class;
    char *sop_instance;
    char *move_originator;
    bool has_ended; // last fragment is here
    bool has_receipt;
    bool has_open;
    uint16_t status; // of the response
    char comment[65];
    uint8_t offending[AWAITED_OFFENDING]; // AT list
    size_t offending_length;
    bool has_awaited;
    bool is_accepted; // the status means that it is stored
    struct awaited awaited;
    struct journal_receipt receipt;
    struct content *content;
    struct dcm_scanner *scanner;
    struct references *references;  // of what may be a rejection note; else NULL
    struct intake_verdict *verdict; // NULL: nobody may refuse it
    struct chunk *chunk;            // being filled
    struct chunk *pending[4];       // full, waiting for room in the journal
    size_t pending_count;
    size_t chunk_count;         // made so far
    uint64_t length;            // data set bytes
    uint64_t first_byte;        // wall clock
    uint64_t begun;             // ev_now()
    uint64_t last_piece;        // likewise: the journal took a piece
    uint64_t longest_gap;       // ns between two pieces
    bool has_cut;               // a lane sends it already, or nobody will be asked again
    struct record_close *close; // while closing
    struct receipt *reserve;    // likewise: what receipt_admit() needs
    struct journal_place close_place;
    struct journal_waiter waiter;
};

// A C-STORE-RQ has come. With a data set to follow *out is the intake that takes it; without one the request
// has been answered already and *out is NULL. ERR_NOMEM: nothing was made, the association can not go on.
MUST_USE enum result intake_new(struct session *session, uint8_t context_id,
                                const struct dimse_command *request, struct intake **out);
void intake_data(struct intake *intake, struct slice piece);
// The last fragment has come: session_store_done() follows, now or later.
void intake_end(struct intake *intake);
// The association has ended: what is complete goes on without it, everything else is dropped.
void intake_orphan(struct intake *intake);
// The stream has room again.
void intake_resume(struct intake *intake);
// A segment has died, maybe with what it has written.
void intake_journal_lost(struct intake *intake);
// Memory back; the record of a drop has been written or noted before.
void intake_free(struct intake *intake);
