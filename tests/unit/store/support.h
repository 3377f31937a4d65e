// SPDX-License-Identifier: Apache-2.0
//
// What the store's tests share: a store of either kind that can be opened again, and a writer of journal
// entries. Thread: the test's.
#pragma once

#include "store/kv_sim.h"
#include "store/ledger.h"

// ---- stores

enum store_kind { STORE_SIM, STORE_LMDB };

struct test_store {
    enum store_kind kind;
    const struct kv_schema *schema;
    struct kv_sim_disk *disk; // STORE_SIM
    char folder[64];          // STORE_LMDB: below /tmp
    uint64_t map_size;
    struct kv_env *env;
};

void test_store_init(struct test_store *store, enum store_kind kind, const struct kv_schema *schema);
void test_store_open(struct test_store *store);
void test_store_close(struct test_store *store);
void test_store_fini(struct test_store *store); // removes the files

// ---- journal entries, in memory

struct test_entry {
    struct journal_entry entry;
    uint8_t *body;
};

// Streams of entries; each gets the place behind the one before, `per_segment` to a segment.
struct test_journal {
    struct test_entry *entries; // of all streams, in the order of writing
    size_t count;
    struct journal_position ends[8];
    unsigned in_segment[8];
    unsigned per_segment;
    uint64_t order;
    uint8_t patient; // that the next CLOSEs name, each byte of its hash; 0: none
};

void test_journal_init(struct test_journal *journal, unsigned per_segment);
void test_journal_fini(struct test_journal *journal);

uint64_t test_receipt(uint16_t stream, uint64_t counter);
// OPEN of an instance "1.2.3.SOP" by CT1; time in seconds.
void test_open(struct test_journal *journal, uint64_t receipt, unsigned sop, uint64_t seconds);
// A DATA record without body.
void test_data(struct test_journal *journal, uint64_t receipt);
// CLOSE of study "1.9.STUDY", owed to archives 1..count; `length` bytes.
void test_close(struct test_journal *journal, uint64_t receipt, unsigned study, unsigned archives,
                uint64_t length, uint64_t seconds);
void test_incomplete(struct test_journal *journal, uint64_t receipt, uint64_t seconds);
void test_drop(struct test_journal *journal, uint64_t receipt, uint64_t seconds);
void test_sent_flagged(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                       uint64_t seconds, const struct record_flags *flags);
// The archive may have got the one before.
void test_sent_again(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                     uint64_t seconds, const struct record_flags *flags);
void test_sent(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
               uint64_t seconds);
void test_outcome(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                  enum record_outcome_kind kind, uint16_t status, uint64_t seconds);
// Marks a receipt's bytes as bad.
void test_corrupt(struct test_journal *journal, uint64_t receipt);

// Applies entries [from, to), committing when a batch is full.
void test_apply(struct ledger_writer *writer, const struct test_journal *journal, size_t from, size_t to);

// A small repeatable generator (xorshift64*, Vigna 2016).
uint64_t test_random(uint64_t *state);
