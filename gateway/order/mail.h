// SPDX-License-Identifier: Apache-2.0
//
// What workers and keeper send each other about order, and the outbox that keeps what a full mailbox does not
// take (ENGINE 1). Each piece of mail belongs to whoever has it; none is made on the way.
#pragma once

#include "daemon/worker.h"
#include "order/rule.h"

enum order_mail_kind {
    ORDER_ASKED,    // worker to keeper: order_ask
    ORDER_REPORTED, // worker to keeper: order_report
    ORDER_TOLD,     // worker to keeper: the order_set is back, carried out
};

struct order_mail {
    struct worker_call call; // its mail is what is posted; the rest is for what goes to a worker
    struct list_node node;   // of the outbox
};

static inline struct order_mail *order_mail_of(struct mail *mail)
{
    return CONTAINER_OF(CONTAINER_OF(mail, struct worker_call, mail), struct order_mail, call);
}

// What the ledger knows of one receipt of the UID.
struct order_known {
    struct order_known *next;
    uint64_t receipt;
    uint64_t order;
    struct order_content content;
    bool is_returned;
    bool is_over; // settled at every archive
    struct order_slot slots[];
};

// One question: may this receipt be sent? Made by a worker, freed there too.
struct order_look;

struct order_ask {
    struct order_mail mail;
    struct list_node keeper_node; // of those that the keeper asks about again
    struct worker *worker;        // NULL: the keeper's own
    struct receipt *object;       // only the worker looks at it; NULL: it has gone meanwhile
    bool is_counted;              // in uid->asks
    uint64_t receipt;
    uint8_t hash[FACT_SOP_HASH_SIZE];
    bool has_hash;    // else the keeper takes it from the ledger
    bool is_nameless; // the ledger does not have the UID either: its OPEN is damaged
    bool is_fresh;    // what follows is set; else the ledger has it
    bool is_returned;
    bool is_note; // RECORD_CLOSE_NOTE; set by the look-up where it is not fresh
    uint64_t order;
    struct order_content content;
    struct journal_position close;
    struct order_known *known; // from the look-up: its own too, if the ledger has it
    // The answer: free, or watched (orders follow).
    bool is_free;
    struct order_look *look; // of a rejection note that asks after its references (order/note.h); else NULL
};

// What a receipt of several may do, to the worker that has it and back. The keeper's.
struct order_set {
    struct order_mail mail;
    struct order_member *member;
    uint64_t receipt;
    uint64_t order;
    uint8_t hash[FACT_SOP_HASH_SIZE];
    uint64_t number; // of the orders to this receipt, rising
    enum order_set_result { ORDER_SET_DONE, ORDER_SET_GONE, ORDER_SET_BUSY } result;
    struct order_slot slots[]; // one for each archive; back: stage and was_sent
};

// What has become of a receipt since its last orders. The worker's, and back to it when the keeper has read
// it.
struct order_report {
    struct order_mail mail;
    uint64_t receipt;
    uint64_t order;
    uint8_t hash[FACT_SOP_HASH_SIZE];
    uint64_t seen; // number of the last orders carried out
    bool is_last;  // the receipt is settled everywhere
    struct order_slot *slots;
};

struct order_outbox {
    struct list waiting;
    struct ev_mailbox *to;
    struct ev_wake space;
};

void order_outbox_init(struct order_outbox *outbox, struct ev_loop *loop, struct ev_mailbox *to);
void order_outbox_post(struct order_outbox *outbox, struct order_mail *mail);
// What has not gone out, or NULL; for taking down.
struct order_mail *order_outbox_take(struct order_outbox *outbox);
void order_outbox_fini(struct order_outbox *outbox);

void order_known_free(struct order_known **known);
void order_ask_free(struct order_ask *ask);
