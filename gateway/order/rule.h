// SPDX-License-Identifier: Apache-2.0
//
// Who goes first (FIELD 5). The receipts of one SOP Instance UID, as one archive sees them: the newest goes;
// an older one waits for it and is superseded (with the same content: a duplicate) once it, or any newer one,
// has been accepted, so that nothing is lost if the newer one is refused or taken back; only one is on its
// way at a time. Pure.
//
// Thread: any; the caller's memory.
#pragma once

#include "base/list.h"
#include "base/slice.h"
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
    ORDER_OVER, // owed no more without having been accepted
};

enum order_action {
    ORDER_HOLD,
    ORDER_SEND, // until told otherwise
    // Owed no more:
    ORDER_SUPERSEDE,
    ORDER_DUPLICATE,
    ORDER_LOOP,
};

struct order_slot {
    enum order_stage stage;
    bool was_sent;            // maybe in vain
    enum order_action action; // in force
    enum order_action wanted; // out
    // Out, of what may be sent: content that the archive was sent under this UID by other receipts.
    bool same_content;
    bool other_content;
    uint64_t evidence; // out: the receipt because of which it is superseded, a duplicate or a loop
};

struct order_member {
    struct list_node node;
    uint64_t receipt;
    uint64_t order;
    struct order_content content;
    bool is_returned;         // came back from an archive (RECORD_CLOSE_RETURNED)
    struct order_slot *slots; // one for each archive
};

// Into its place by rising `order`.
void order_member_insert(struct list *members, struct order_member *member);
// Sets `wanted` and what belongs to it in the slots of one archive. `members` by rising order.
void order_rule_apply(struct list *members, size_t archive);
// Nothing is to be decided any more at any of `archives` archives.
bool order_rule_is_done(struct list *members, size_t archives);
