// SPDX-License-Identifier: Apache-2.0
//
// What the keeper knows of each SOP Instance UID. keeper_uid.c has the table of UIDs and who belongs to each,
// keeper.c what is decided and told. Thread: the look-up loop's.
#pragma once

#include "base/hash.h"
#include "base/pool.h"
#include "order/keeper.h"

// How it stands between the keeper and the worker that has the receipt.
enum member_talk {
    TALK_OVER,    // no worker has it: nothing to say
    TALK_UNMET,   // the worker has not told its state yet
    TALK_OUT,     // its set is at the worker
    TALK_MET,     // what is known is true
    TALK_MISSING, // the worker does not have it any more: the ledger will tell
};

struct member {
    struct order_member rule;
    struct uid *uid;
    struct worker *worker;
    enum member_talk talk;      // changed by keeper_member_talk() alone
    struct list_node talk_node; // of those of its UID with whom it stands the same, TALK_OVER and MET apart
    struct order_set *set;
};

// A durable receipt that the ledger may not have yet.
struct seen {
    struct list_node uid_node;
    struct list_node stream_node;
    struct uid *uid;
    uint64_t receipt;
    uint64_t order;
    struct order_content content;
    bool is_returned;
    bool is_member; // it was made one, and the members have not been freed since
    struct journal_position close;
};

// The last of these are kept (REJECTIONS_MOST): the ledger has what is older.
struct rejection {
    struct list_node uid_node;
    struct list_node keeper_node;
    struct uid *uid;
    struct order_rejection note;
    size_t archive;
};

struct uid {
    struct uid *next; // of its bucket
    uint8_t hash[FACT_SOP_HASH_SIZE];
    struct list seen;
    struct order_line members;
    struct list unmet, out, missing; // members
    struct list rejections;          // by notes of this life
    size_t asks;                     // to be asked again
    bool is_dirty;
    bool is_looked_again; // an ask of the keeper's own is on its way
    struct list_node dirty_node;
};

struct order_keeper {
    uint32_t magic;
    struct gateway *gateway;
    struct ev_loop *loop;
    struct ev_mailbox inbox;
    struct order_outbox to_self;    // questions that are asked again
    struct order_outbox *to_worker; // one for each
    struct list *streams;           // seen, by worker
    struct list dirty;              // UIDs to decide about at the end of the turn
    struct list rejections;         // all, the oldest first
    struct list again;              // asks that go to self when the timer says so
    struct ev_timer again_timer;
    struct ev_task decide_task;
    struct hash_seed seed;
    struct uid **table;
    size_t table_size, uid_count;
    struct pool uid_pool;
    struct pool seen_pool;
    // From the ledger thread:
    pthread_mutex_t lock; // held for a copy
    struct journal_position *committed, *copy;
    struct ev_wake committed_wake;
};

static inline struct member *member_of(struct order_member *rule)
{
    return rule == NULL ? NULL : CONTAINER_OF(rule, struct member, rule);
}

static inline bool order_stage_is_final(enum order_stage stage)
{
    return stage == ORDER_NONE || stage == ORDER_ACCEPTED || stage == ORDER_REJECTED || stage == ORDER_OVER;
}

// Where it is, or would be.
struct uid **keeper_uid_place(struct order_keeper *keeper, const uint8_t hash[FACT_SOP_HASH_SIZE]);
// Makes it if need be; NULL: no memory.
struct uid *keeper_uid_get(struct order_keeper *keeper, const uint8_t hash[FACT_SOP_HASH_SIZE]);
void keeper_uid_forget_if_empty(struct order_keeper *keeper, struct uid *uid);
void keeper_seen_free(struct order_keeper *keeper, struct seen *seen);
void keeper_rejection_free(struct order_keeper *keeper, struct rejection *rejection);
void keeper_members_free(struct uid *uid);
void keeper_member_talk(struct member *member, enum member_talk talk);
struct member *keeper_member_find(struct uid *uid, uint64_t receipt, uint64_t order);
// A member of what the ledger knows, or of what was seen, unless there is one already. False: no memory.
bool keeper_member_of_known(struct order_keeper *keeper, struct uid *uid, const struct order_known *known);
bool keeper_member_of_seen(struct order_keeper *keeper, struct uid *uid, const struct seen *seen);
