// SPDX-License-Identifier: Apache-2.0
//
// The receipts of one SOP Instance UID in a row by rising order, and what is asked about them at each
// archive, each question in O(log n): a modality in a loop, or an archive that is down for days, makes
// thousands.
//
// Thread: any; the caller's memory.
#pragma once

#include "base/list.h"
#include "base/slice.h"
#include "base/tree.h"
#include "journal/record.h"
#include "store/fact.h"

// What is compared: the instance digest, of a data set that could not be followed that of the bytes received.
struct order_content {
    uint8_t kind; // which digest and algorithm; 0: not known
    uint8_t digest[RECORD_DIGEST_SIZE];
};

struct order_content order_content_of_close(const struct record_close *close);
struct order_content order_content_of_fact(const struct fact_digests *digests);
// Both known, of one kind and equal.
bool order_content_is_same(const struct order_content *one, const struct order_content *other);
// Both known, of one kind and different: the alarm of FIELD 5.
bool order_content_is_other(const struct order_content *one, const struct order_content *other);

// What has become of a receipt at one archive.
enum order_stage {
    ORDER_NONE,    // not owed to it
    ORDER_ALIVE,   // waits, for whatever reason
    ORDER_SENDING, // a lane has it
    ORDER_PARKED,  // waits for a person, or is held
    ORDER_ACCEPTED,
    ORDER_REJECTED, // by a rejection note, after it was accepted or not (FIELD 13)
    ORDER_OVER,     // owed no more without having been accepted
};

enum order_action {
    ORDER_HOLD,
    ORDER_SEND, // until told otherwise
    // Owed no more:
    ORDER_SUPERSEDE,
    ORDER_DUPLICATE,
    ORDER_LOOP,
    ORDER_REJECT,
    // A person must say: the instance was rejected there before.
    ORDER_HOLD_REJECTED,
};

struct order_slot {
    enum order_stage stage;
    bool is_released;         // by a person, whatever holds it
    bool was_sent;            // maybe in vain
    enum order_action action; // in force
    enum order_action wanted; // out, of what order_rule_apply() looks at: else what is in force
    // Out, of what may be sent: content that the archive was sent under this UID by other receipts.
    bool same_content;
    bool other_content;
    uint64_t evidence; // out: the receipt because of which it is superseded, a duplicate or a loop
};

// What a receipt is at one archive, as a set of bits to search by.
enum order_trait {
    ORDER_IS_ACCEPTED = 1,
    ORDER_IS_REJECTED = 2,
    ORDER_IS_SENDING = 4,
    ORDER_IS_COMING = 8,       // alive or sending
    ORDER_IS_FREE = 16,        // coming, and no rejection holds it: sending, or released by a person
    ORDER_IS_OWED = 32,        // alive, sending or parked
    ORDER_IS_IDLE = 64,        // alive or parked, and told to wait
    ORDER_IS_RETURNED = 128,   // idle, and came back from an archive (RECORD_CLOSE_RETURNED)
    ORDER_IS_BARRED = 256,     // alive or parked, not released, and told that a person must say
    ORDER_IS_BOUND = 512,      // owed, and told anything else
    ORDER_IS_PERMITTED = 1024, // owed, and told to go
    ORDER_IS_BARRABLE = 2048,  // idle and not released
    ORDER_DIFFERS = 4096,      // at every archive: content not known to be that of the one before
};

// Of a member at one archive; the line's own.
struct order_place {
    unsigned traits;       // enum order_trait
    unsigned traits_below; // of all in its subtree
    bool was_sent;         // or accepted
    size_t sent_below;     // how many, in its subtree
    size_t sent_alike;     // how many, of all with this content; kept by the first of them
};

struct order_member {
    struct tree_node node;
    struct tree_node content_node; // of the first with its content
    struct list_node changed_node; // of those for which something else is wanted than is in force
    uint64_t receipt;
    uint64_t order;
    struct order_content content;
    bool is_returned;
    struct order_slot *slots; // one for each archive; after a change order_line_update()
    // The line's own:
    struct order_place *places;       // one for each archive; zeroed memory of the caller's
    struct order_member *first_alike; // the first inserted with its content; NULL: content not known
};

struct order_line {
    struct tree members;
    struct tree contents;
    size_t archives;
    uint64_t looked_at; // members, by any function, ever: that this stays low is tested
};

void order_line_init(struct order_line *line, size_t archives, uint64_t seed);
// Filled in, slots and all. Content and is_returned stay. False: it is there already.
MUST_USE bool order_line_insert(struct order_line *line, struct order_member *member);
// Slots have changed.
void order_line_update(struct order_line *line, struct order_member *member);
struct order_member *order_line_find(struct order_line *line, uint64_t receipt, uint64_t order);
// Takes it apart: any member that is left, or NULL.
struct order_member *order_line_take(struct order_line *line);

// The newest with an order below `before` (UINT64_MAX: of all), or the oldest from `from` on, that has one of
// the traits at the archive; NULL: none.
struct order_member *order_line_newest(struct order_line *line, size_t archive, unsigned traits,
                                       uint64_t before);
struct order_member *order_line_oldest(struct order_line *line, size_t archive, unsigned traits,
                                       uint64_t from);
// All from the older to the newer one have the same known content.
bool order_line_is_uniform(struct order_line *line, const struct order_member *older,
                           const struct order_member *newer);
// The last older one whose content is known to be another (FIELD 5: an alarm), or NULL.
struct order_member *order_line_conflict(struct order_line *line, const struct order_member *member);
// Sets same_content and other_content of the member's slot.
void order_line_contents_note(struct order_line *line, struct order_member *member, size_t archive);
