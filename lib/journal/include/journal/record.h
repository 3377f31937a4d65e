// SPDX-License-Identifier: Apache-2.0
// Bodies of journal records: C structs to and from CBOR maps with integer keys (FORMAT.md lists the keys).
//
// Role: pure functions. On encoding, slices are borrowed from the caller; after decoding they borrow the body
// that was decoded. Unknown keys are skipped. Absent optional fields are empty slices or zero. Thread: any.
// Source: ENGINE 2.
//
// Errors of every encode: ERR_LIMIT (a field above its bound here, or the memory too small; JOURNAL_BODY_MAX
// is enough for all that keep the bounds). Errors of every decode: ERR_FORMAT, ERR_LIMIT; ERR_MISSING: a
// required key is not there. Times are wall times in nanoseconds since 1970.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"
#include "journal/format.h"

#define RECORD_TEXT_MAX          1024u // titles, addresses, names, UIDs (over 64 characters are stored whole, FIELD 3)
#define RECORD_IDENTITY_MAX      4096u // user identity as negotiated
#define RECORD_ARCHIVES_MAX      64u
#define RECORD_ELEMENTS_MAX      64u
#define RECORD_ELEMENT_BYTES_MAX 32768u // all named elements of a CLOSE together
#define RECORD_DIGEST_SIZE       32u
#define RECORD_PATIENT_SIZE      16u
#define RECORD_EVIDENCE_MAX      131072u // of a SENT
#define RECORD_REASONS_MAX       4u      // of the flags of a SENT
#define RECORD_REASON_MAX        160u    // bytes of one

enum record_role { RECORD_ROLE_SCU = 1, RECORD_ROLE_SCP = 2 }; // bits of record_open.roles

struct record_open {
    struct slice called;
    struct slice calling;
    struct slice peer_address;            // "10.1.2.3:40112"
    struct slice certificate_fingerprint; // SHA-256 of the peer's certificate, 32 bytes; empty without one
    struct slice certificate_subject;     // RFC 2253
    struct slice listener;
    struct slice transfer_syntax;
    struct slice sop_class;    // as in the command
    struct slice sop_instance; // as in the command
    uint16_t priority;         // PS3.7 9.3.1: 0 medium, 1 high, 2 low
    uint16_t message_id;
    bool has_move_originator;
    uint16_t move_originator_id;
    struct slice move_originator; // title
    struct slice implementation_class;
    struct slice implementation_version;
    uint8_t roles;              // as negotiated for the context; 0: none proposed
    uint8_t user_identity_type; // PS3.7 D.3.3.7; 0: none
    struct slice user_identity;
    struct slice domain;  // of patient IDs, that the configuration names for it; empty: not known
    uint32_t source_node; // id of the node it came from; 0: not a node (FIELD 5)
    uint64_t time;
};

enum record_algorithm { RECORD_SHA256 = 1, RECORD_SHA512_256 = 2 };

// Bits of record_close.digests: which of the digests are there.
#define RECORD_HAS_RANGES            0x01u
#define RECORD_HAS_INSTANCE          0x02u
#define RECORD_HAS_RECEIVED          0x04u
#define RECORD_HAS_CANONICAL         0x08u
#define RECORD_HAS_CANONICAL_UNKNOWN 0x10u

struct record_range {
    uint64_t length;
    uint8_t digest[RECORD_DIGEST_SIZE];
};

struct record_element {
    uint32_t tag; // group << 16 | element
    char vr[2];
    struct slice value; // bytes as received, padding included
};

enum record_acknowledgement { RECORD_ACK_DURABLE = 1, RECORD_ACK_PRIMARY = 2, RECORD_ACK_ALL = 3 };

// What is known of one delivery when its receipt is copied (copy.h).
struct record_delivery {
    uint32_t archive;
    uint8_t state; // 1 owed, 2 possibly sent, 3 answered, 4 parked, 5 settled, 6 superseded, 7 rejected, 8
                   // dropped, 9 held
    uint8_t settled_by; // enum record_settle_remark
    bool is_released;   // a person lets it go in spite of findings
    bool resent;
    bool has_status;
    uint16_t status; // of the last answer
    uint32_t attempts, failures;
    uint64_t sent_at, outcome_at; // times of the last SENT and OUTCOME; 0: none
    struct slice remark, person;  // cut to RECORD_KNOWN_TEXT_MAX
    bool has_header;              // what the last SENT said
    uint8_t header[RECORD_DIGEST_SIZE];
    uint8_t edits[RECORD_DIGEST_SIZE];
    uint8_t pack[RECORD_DIGEST_SIZE];
    uint64_t crosswalk;
    uint32_t flags;      // its record_flags.count
    struct slice reason; // the first one of them; all of a record_known are cut to RECORD_KNOWN_REASONS_MAX
};

#define RECORD_KNOWN_MAX         (30u * 1024u) // bytes, encoded
#define RECORD_KNOWN_TEXT_MAX    96u
#define RECORD_KNOWN_REASONS_MAX 2400u // in even shares
#define RECORD_KNOWN_STREAMS_MAX 256u

// What was known of a receipt when the copy with this CLOSE was made: all SENT and OUTCOME records of it
// before these positions, one for each stream. A stream that is not named had none.
struct record_known {
    struct journal_position upto[RECORD_KNOWN_STREAMS_MAX];
    size_t stream_count;
    struct record_delivery deliveries[RECORD_ARCHIVES_MAX]; // to the archives owed
    size_t delivery_count;
};

// Bits of record_close.flags.
#define RECORD_CLOSE_UNSCANNED 0x01u // accept_unscanned: whole-stream digest only, no rule is ever applied
#define RECORD_CLOSE_DEFLATED  0x02u // ranges are over the inflated stream
#define RECORD_CLOSE_RETURNED  0x04u // from an archive, with this gateway's Contributing Equipment (FIELD 5)
#define RECORD_CLOSE_HOPS      0x08u // as many gateways behind it as may be: owed to nobody
#define RECORD_CLOSE_BEHIND                                                                                  \
    0x10u                       // what belongs in front of Pixel Data stands behind it, where no edit reaches
#define RECORD_CLOSE_NOTE 0x20u // a rejection note: goes after what it references (FIELD 13)

struct record_close {
    uint64_t order; // process-wide, life << 40 | counter; journal_append_close() fills it in
    struct journal_position
        durable; // filled in by journal_append_close(): earlier syncs made the stream durable to here
    struct journal_position opened; // of the OPEN record; filled in by journal_append_close()
    uint64_t epoch;
    uint32_t archives[RECORD_ARCHIVES_MAX]; // ids owed
    uint32_t archive_count;
    uint8_t acknowledgement; // enum record_acknowledgement
    uint32_t primary;        // archive id, 0 unless acknowledgement is primary
    uint32_t flags;
    uint64_t length; // bytes of the data set as received

    uint8_t algorithm;      // enum record_algorithm
    uint8_t digest_version; // of docs/digests.md
    uint8_t digests;        // RECORD_HAS_ bits
    struct record_range range[3];
    uint8_t instance[RECORD_DIGEST_SIZE];
    uint8_t received[RECORD_DIGEST_SIZE];
    uint8_t canonical[RECORD_DIGEST_SIZE];
    uint8_t canonical_unknown[RECORD_DIGEST_SIZE];

    struct record_element elements[RECORD_ELEMENTS_MAX]; // in order of tag; study and series UID among them
    uint32_t element_count;
    bool has_patient;
    uint8_t patient[RECORD_PATIENT_SIZE]; // keyed hashes of study and patient (edit/study.h)
    struct slice index;                   // chunk index, see format.h; at most JOURNAL_CHUNKS_MAX entries
    struct slice known;                   // of a copy: a struct record_known, encoded; else empty
    uint64_t first_byte;                  // time
    uint64_t last_byte;                   // time
};

// Borrowed value of a named element; empty when it is not there.
struct slice record_close_element(const struct record_close *close, uint32_t tag);

enum record_drop_reason {
    RECORD_DROP_ABORTED = 1, // the association ended before the last fragment
    RECORD_DROP_REFUSED = 2, // refused by status: comment says why
    RECORD_DROP_SPACE = 3,   // hard limit of space
    RECORD_DROP_IO = 4,      // the segment died under it
    RECORD_DROP_INCOMPLETE =
        5, // found at recovery without CLOSE, or with records that are not complete and authentic
};

struct record_drop {
    uint8_t reason;  // enum record_drop_reason
    uint16_t status; // DIMSE status given to the client; 0: none could be given
    struct slice comment;
    uint64_t time;
};

// What should be looked at although it went (FIELD 4).
struct record_flags {
    uint32_t count;                          // findings
    size_t reason_count;                     // what is known of the first ones; no two are the same
    struct slice reason[RECORD_REASONS_MAX]; // UTF-8; names rule and element, never a value
};

struct record_sent {
    uint32_t archive;
    uint32_t attempt;                   // from 1
    bool resent;                        // an earlier SENT for this archive has no OUTCOME
    uint8_t pack[RECORD_DIGEST_SIZE];   // digest of the rule packs in force; zeros: none
    uint64_t crosswalk;                 // generation; 0: none
    uint8_t edits[RECORD_DIGEST_SIZE];  // digest of the edit list; zeros: no edits
    uint8_t header[RECORD_DIGEST_SIZE]; // digest of the header as sent
    struct slice evidence;              // what was edited (store/evidence.h); empty: nothing
    struct record_flags flags;
    uint64_t time;
};

enum record_outcome_kind {
    RECORD_ANSWERED = 1,       // the archive said success or warning
    RECORD_SETTLED = 2,        // remark says by what
    RECORD_PARKED = 3,         // needs a person; comment is the reason
    RECORD_UNPARKED = 4,       // owed again, by a person's retry
    RECORD_DROPPED_PERSON = 5, // owed no more, by a named person
    RECORD_SUPERSEDED = 6,     // owed no more, a newer receipt of the instance was accepted; comment: which
    RECORD_FAILED = 7,         // this attempt failed, it stays owed (kept for the evidence)
    RECORD_HELD = 8,           // rules or crosswalk hold it back (FIELD 4); comment is the reason
    RECORD_RELEASED = 9,       // a person lets it go in spite of that
    RECORD_REJECTED = 10,      // owed no more: by a person (hold reject), or by a rejection note (FIELD 13)
};

// Of SETTLED, and of ANSWERED where it says more than the status.
enum record_settle_remark {
    RECORD_REMARK_NONE = 0,
    RECORD_BY_ANSWER_ONLY = 1,   // settle_after has passed without proof (FIELD 7)
    RECORD_SETTLE_ON_ANSWER = 2, // configured so
    RECORD_BY_COMMITMENT = 3,
    RECORD_BY_QUERY = 4,
    RECORD_BY_DUPLICATE = 5, // the archive has accepted the same content before; comment: as which receipt
    RECORD_CONTENT_UNPROVEN = 6, // said yes, but was sent other content under this UID too (FIELD 5)
    RECORD_BY_LOOP = 7,          // came back from an archive, and this one has had the instance (FIELD 5)
};

struct record_outcome {
    uint64_t receipt; // also in the record header
    uint32_t archive;
    uint8_t kind;   // enum record_outcome_kind
    uint8_t remark; // enum record_settle_remark
    bool resent;
    uint16_t status;      // DICOM status, as answered
    struct slice comment; // Error Comment of the answer, or the reason of parking
    struct slice person;  // who dropped or retried it
    uint32_t attempt;
    uint64_t sent;     // time: last fragment sent; 0 if not
    uint64_t answered; // time: answer received, or decision made
};

enum record_epoch_kind { RECORD_START = 1, RECORD_SWITCH = 2, RECORD_STOP = 3 };

struct record_epoch {
    uint8_t kind;
    uint64_t life;
    uint64_t epoch;
    struct slice phase;
    uint8_t configuration[RECORD_DIGEST_SIZE]; // digest of the configuration in force
    uint64_t time;
};

// out: memory of the caller; *length: bytes written, on OK only.
enum result record_open_encode(const struct record_open *open, uint8_t *out, size_t capacity,
                               size_t *length) MUST_USE;
enum result record_close_encode(const struct record_close *close, uint8_t *out, size_t capacity,
                                size_t *length) MUST_USE;
enum result record_known_encode(const struct record_known *known, uint8_t *out, size_t capacity,
                                size_t *length) MUST_USE;
enum result record_drop_encode(const struct record_drop *drop, uint8_t *out, size_t capacity,
                               size_t *length) MUST_USE;
enum result record_sent_encode(const struct record_sent *sent, uint8_t *out, size_t capacity,
                               size_t *length) MUST_USE;
enum result record_outcome_encode(const struct record_outcome *outcome, uint8_t *out, size_t capacity,
                                  size_t *length) MUST_USE;
enum result record_epoch_encode(const struct record_epoch *epoch, uint8_t *out, size_t capacity,
                                size_t *length) MUST_USE;

// All of *out is written on OK, and it means nothing after an error; slices borrow body. Bodies do not name
// streams: in a decoded CLOSE durable.stream and opened.stream are 0, to be set from the record header.
enum result record_open_decode(struct slice body, struct record_open *out) MUST_USE;
enum result record_close_decode(struct slice body, struct record_close *out) MUST_USE;
enum result record_known_decode(struct slice known, struct record_known *out) MUST_USE;
enum result record_drop_decode(struct slice body, struct record_drop *out) MUST_USE;
enum result record_sent_decode(struct slice body, struct record_sent *out) MUST_USE;
enum result record_outcome_decode(struct slice body, struct record_outcome *out) MUST_USE;
enum result record_epoch_decode(struct slice body, struct record_epoch *out) MUST_USE;
