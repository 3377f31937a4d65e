// SPDX-License-Identifier: Apache-2.0
//
// A ledger behind a real journal on a simulated disk, in lives that end by a kill or a power cut.
#pragma once

#include "fs/sim.h"
#include "journal/disk.h"
#include "journal/stream.h"
#include "seal/keyring.h"
#include "support.h"

enum { STREAMS = 2, INSTANCES_MAX = 400, CHUNK = 200 * 1024 };

// What the client and the archive know, whatever crashes.
struct instance {
    struct journal_waiter waiter; // of the CLOSE
    struct journal_waiter report; // of the OUTCOME
    uint64_t receipt;
    bool is_waiting;
    bool is_durable;
    bool is_reported; // its OUTCOME is durable
};

struct rig {
    struct sim_world *world;
    struct fs_sim *disk;
    struct seal_master *master;
    struct test_store store;
    // one life
    struct fs *fs;
    struct seal_keyring *keyring;
    struct journal *journal;
    struct ledger_writer *writer;
    struct ev_loop *loops[2 * STREAMS];
    struct journal_disk *disks[STREAMS];
    struct journal_stream *streams[STREAMS];
    struct instance instances[INSTANCES_MAX];
    size_t count;
    uint32_t archives; // owed each instance
};

void run_for(struct rig *rig, uint64_t time);
void catch_up(struct rig *rig);
// The order of the daemon's start.
void life_begin(struct rig *rig);
void life_end(struct rig *rig, bool crash);
void setup(struct rig *rig, uint64_t seed);
void teardown(struct rig *rig);
enum result instance_begin(struct rig *rig, uint16_t stream, struct journal_receipt *receipt);
enum result chunks_add(struct rig *rig, uint16_t stream, struct journal_receipt *receipt, unsigned chunks);
enum result instance_end(struct rig *rig, uint16_t stream, struct journal_receipt *receipt);
// One instance of `chunks` chunks through a stream; without CLOSE if `unfinished`. False: the journal does
// not take it now.
bool instance_add(struct rig *rig, uint16_t stream, unsigned chunks, bool unfinished);
// What an archive's answer leads to; reported by the receipt's own stream or another.
void report_add(struct rig *rig, struct instance *instance, uint16_t stream, uint32_t archive,
                enum record_outcome_kind kind);
// It settles the receipt (`settle_on: answer`).
void outcome_add(struct rig *rig, struct instance *instance, uint16_t stream);
void sent_add(struct rig *rig, struct instance *instance, uint16_t stream, uint32_t archive);
