// SPDX-License-Identifier: Apache-2.0
//
// One fact: everything that the ledger knows of one receipt (one C-STORE as it came in), and what became of
// it at each archive. UIDs are clear; patient ID, name and accession number never stand here (ENGINE 7). The
// encoding, readable without this program, is in lib/store/LEDGER.md.
//
// Ownership: a fact owns its texts and its deliveries (heap); fact_init() before, fact_fini() after. Thread:
// any, one at a time.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "journal/record.h"

#define FACT_DELIVERIES_MAX 256 // the owed ones (RECORD_ARCHIVES_MAX) and others that were reported
#define FACT_SOP_HASH_SIZE  16  // the first bytes of SHA-256 over the UID without its padding

// Stored numbers: never change or use again.
enum fact_state {
    FACT_RECEIVED = 1, // OPEN seen, no CLOSE yet
    FACT_DURABLE = 2,  // CLOSE is durable: the client may have its Success
    FACT_DROPPED = 3,  // refused, broken off or found incomplete
    FACT_SETTLED = 4,  // durable, and every owed archive is settled
    FACT_ORPHAN =
        5, // only reports so far; or, in a ledger made anew, a CLOSE whose segment of the OPEN has gone
};

// Per archive. Stored numbers, in copies of the journal too. Which of them settle: FIELD 7.
enum delivery_state {
    DELIVERY_OWED = 1,
    DELIVERY_SENT = 2,     // the last fragment may have left; after a crash "possibly sent"
    DELIVERY_ANSWERED = 3, // said yes: not sent again, not settled yet
    DELIVERY_PARKED = 4,   // waits for a person; `remark` says why
    DELIVERY_SETTLED = 5,  // `settled_by` says by what
    DELIVERY_SUPERSEDED = 6,
    DELIVERY_REJECTED = 7, // by `person`, or by a rejection note (FIELD 13)
    DELIVERY_DROPPED = 8,  // by `person`
    DELIVERY_HELD = 9,     // by rules or crosswalk (FIELD 4); `remark` says why. Does not settle
};
#define DELIVERY_STATES 10 // one past the last

bool delivery_state_settles(enum delivery_state state);
const char *
delivery_state_text(enum delivery_state state); // "owed", "sent", ...; "unknown" for other numbers
const char *fact_state_text(enum fact_state state);

struct fact_delivery {
    uint32_t archive; // node id of the configuration
    bool owed;        // CLOSE named it; false: reported without being owed
    bool resent;      // some delivery followed one without OUTCOME
    bool is_released; // a person lets it go in spite of what rules and crosswalk found, for good
    bool has_status;
    enum delivery_state state;
    uint8_t settled_by;  // enum record_settle_remark; of an answered one: what is to be said of it
    uint16_t status;     // PS3.7 annex C, of the last answer
    uint32_t attempts;   // SENT records: times the last fragment may have left
    uint32_t failures;   // attempts that failed
    uint64_t sent_at;    // wall clock of the last SENT, ns since 1970 UTC; 0 = never
    uint64_t outcome_at; // of the last OUTCOME; 0 = none
    char *remark;        // Error Comment of the answer or reason of parking or holding; NULL = none
    char *person;        // who dropped, retried, released or rejected it; NULL = nobody
    bool has_header;     // the digests of the last SENT are there
    uint8_t header[RECORD_DIGEST_SIZE]; // of the header as sent
    uint8_t edits[RECORD_DIGEST_SIZE];  // of the edit list; zeros: none
    uint8_t pack[RECORD_DIGEST_SIZE];   // of the rule packs; zeros: none
    uint64_t crosswalk;                 // generation; 0: none
    uint32_t flags; // of the last SENT: what should be looked at although it went; 0: nothing, or not known
    char *flag_reason[RECORD_REASONS_MAX]; // of the first ones; NULL behind the last
};

// As in the CLOSE record; docs/digests.md defines them.
struct fact_digests {
    uint8_t algorithm; // enum record_algorithm
    uint8_t version;
    uint8_t present; // RECORD_HAS_ bits
    struct record_range range[3];
    uint8_t instance[RECORD_DIGEST_SIZE];
    uint8_t received[RECORD_DIGEST_SIZE];
    uint8_t canonical[RECORD_DIGEST_SIZE];
    uint8_t canonical_unknown[RECORD_DIGEST_SIZE];
};

struct ledger_fact {
    uint64_t receipt; // stream << 48 | counter
    enum fact_state state;
    uint8_t acknowledgement; // enum record_acknowledgement
    uint32_t primary;        // archive id; 0: none
    uint32_t flags;          // RECORD_CLOSE_ bits
    uint32_t source_node;    // id of the node it came from; 0: not a node
    uint64_t order;          // process-wide order of CLOSE (FIELD 5); 0 without CLOSE
    uint64_t epoch;
    uint64_t opened_at;  // wall clock, ns since 1970 UTC; 0 = not known
    uint64_t closed_at;  // last byte, or DROP
    uint64_t settled_at; // time of the OUTCOME that settled the last archive; 0 = not settled
    uint64_t length;     // bytes of the data set as received
    // Where its records lie, from the first (OPEN) to the last (CLOSE); segment 0: not known. Not kept once
    // settled.
    struct journal_position open;
    struct journal_position close;
    uint8_t sop_hash[FACT_SOP_HASH_SIZE];
    char *calling; // AE titles; all texts without padding, NULL when not known
    char *called;
    char *address;     // of the client, with its port
    char *certificate; // SHA-256 of the client's, hexadecimal
    char *listener;
    char *transfer_syntax;
    char *sop_class; // as in the command, SOP instance too
    char *sop_instance;
    char *study;
    char *series;
    char *modality;
    char *implementation; // implementation version name of the client
    char *remark;         // why dropped
    uint8_t drop_reason;  // enum record_drop_reason; 0: not dropped
    uint16_t drop_status; // given to the client; 0: none
    uint32_t damaged;     // its records that were found bad after they had been durable
    struct fact_digests digests;
    struct fact_delivery *deliveries; // by rising archive id
    size_t delivery_count;
    bool has_patient; // a CLOSE that has just been read brought it (store/ledger_patient.h): not stored here
    uint8_t patient[RECORD_PATIENT_SIZE];
    // The deliveries were taken from a copy: it knows the SENT and OUTCOME records before these positions.
    struct journal_position *upto; // one for each stream; NULL: none
    size_t upto_count;
};

void fact_init(struct ledger_fact *fact);
void fact_fini(struct ledger_fact *fact);
// NULL when there is none.
struct fact_delivery *fact_delivery_find(const struct ledger_fact *fact, uint32_t archive);

// The key of the UID indexes: first 16 bytes of SHA-256 of `uid` without trailing NULs and spaces.
void fact_uid_hash(struct slice uid, uint8_t hash[FACT_SOP_HASH_SIZE]);
