// SPDX-License-Identifier: Apache-2.0
// A journal of one worker stream on a simulated disk and simulated loops, with a model of what must survive.
// Test code: single thread; a failed call fails the test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ev/sim.h"
#include "fs/sim.h"
#include "journal/disk.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "journal/reclaim.h"
#include "journal/recovery.h"
#include "journal/stream.h"
#include "seal/keyring.h"

#define RIG_INSTANCES 4096
#define RIG_STREAM    0

enum instance_state {
    INSTANCE_OPEN = 1,
    INSTANCE_CLOSING,
    INSTANCE_ACKNOWLEDGED, // its CLOSE was told to be durable: must never be lost
    INSTANCE_FAILED,       // may be there or not, but never in part
};

struct rig;

struct instance {
    struct rig *rig;
    enum instance_state state;
    struct journal_receipt receipt;
    uint32_t chunks;
    uint32_t chunk_length;
    uint64_t order;
    uint64_t life;
    struct journal_place place;
    struct journal_waiter waiter;
    bool outcome_appended;
    bool outcome_durable; // must never be lost
    struct journal_waiter outcome_waiter;
    bool settled;   // the model of a ledger has committed its outcome
    bool reclaimed; // a segment that it lay in is gone
    bool damaged;   // by the test: what is there of it does not matter
    // found at the last check
    bool seen_open, seen_close, seen_incomplete, seen_drop, seen_outcome, seen_live;
    uint32_t seen_chunks;
};

struct rig {
    uint64_t random;
    struct fs_sim *sim;
    struct fs *fs;
    struct seal_master *master;
    struct seal_keyring *keyring;
    struct journal_options options;
    struct journal *journal;
    struct sim_world *world;
    struct ev_loop *worker_loop;
    struct ev_loop *disk_loop;
    struct journal_disk *disk;
    struct journal_stream *stream;
    struct journal_recovery recovery; // report of the last boot
    struct instance *instances;
    size_t instance_count;
    uint32_t room_calls, lost_calls, accepts_calls;
    struct journal_position ledger; // committed by the model of a ledger: survives everything
    uint32_t segment_mark;          // and the highest numbers that it has seen reserved
    uint64_t receipt_mark;
    uint32_t reclaims;
    uint64_t highest_order;
    uint64_t highest_receipt;
};

struct rig *rig_new(uint64_t seed);
void rig_free(struct rig *rig); // the journal must be down
uint64_t rig_random(struct rig *rig, uint64_t limit);

// Mounts, opens, recovers. Not OK only if the disk failed; then everything is down again.
enum result rig_recover(struct rig *rig);
// The same as if the ledger were lost: everything is read.
enum result rig_recover_all(struct rig *rig);
// Begins a life with a stream and runs until it has room. Not OK: as above.
enum result rig_begin(struct rig *rig);
void rig_boot(struct rig *rig); // both, must work
// Takes everything down without a word to the disk.
void rig_down(struct rig *rig);
void rig_crash(struct rig *rig); // power cut, then down
void rig_stop(struct rig *rig);  // graceful, then down

void rig_run(struct rig *rig, uint32_t steps);
void rig_settle(struct rig *rig); // one second of virtual time
void rig_set_free(struct rig *rig, uint64_t free_bytes);

// Instances. _begin and _data return what the journal says.
enum result instance_begin(struct rig *rig, uint32_t chunks, uint32_t chunk_length, struct instance **out);
enum result instance_data(struct instance *instance);
enum result instance_close(struct instance *instance);
enum result instance_fail(struct instance *instance); // DROP
enum result instance_outcome(struct instance *instance);
// All of it, running the loops in between; must be acknowledged at the end.
struct instance *instance_store(struct rig *rig, uint32_t chunks, uint32_t chunk_length);

// What a ledger does: reads on to the durable end, commits position and facts together, reclaims.
void rig_ledger_read(struct rig *rig);
void rig_ledger_reclaim(struct rig *rig);

// Reads the whole stream and compares it with what must be there.
struct check {
    uint32_t corrupt, torn, incomplete, closes, outcomes, records;
};
void rig_check(struct rig *rig, struct check *out);
