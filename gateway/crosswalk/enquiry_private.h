// SPDX-License-Identifier: Apache-2.0
//
// An enquiry and the office, as enquiry.c (the worker's side) and office.c (the other threads') share them.
#pragma once

#include "crosswalk/enquiry.h"
#include "order/mail.h"

#define ENQUIRY_MAGIC 0x454e5155u
#define OFFICE_MAGIC  0x4f464643u

enum { PINS_MOST = 256 }; // in one transaction

// Whoever has the mail owns it; what is the worker's is looked at there alone.
struct enquiry {
    uint32_t magic;
    struct order_mail mail;
    struct crosswalk_office *office;
    struct worker *worker;
    bool is_of_study;                 // to the ledger, not to the crosswalk
    enquiry_answered_fn *answered;    // the worker's; NULL: cancelled, or of a study
    study_answered_fn *studied;       // likewise
    void *arg;                        // the worker's
    atomic_bool is_cancelled;         // nobody need trouble
    struct enquiry_question question; // its texts lie behind it
    struct study_question of_study;
    bool has_other;
    enum result result;
    struct crosswalk_verdict verdict;
    size_t length;
    uint8_t text[];
};

static inline struct enquiry *enquiry_of(struct order_mail *mail)
{
    return CONTAINER_OF(mail, struct enquiry, mail);
}

struct crosswalk_office {
    uint32_t magic;
    struct gateway *gateway;
    struct crosswalk *crosswalk; // NULL: there is none
    // What the workers have been told; stored before they are.
    _Atomic uint64_t generation;
    struct order_outbox *from_worker; // one for each worker, on its loop
    // The look-up thread's.
    struct ev_mailbox asked;
    struct first_patients *first;
    struct crosswalk_reader *reader;
    struct order_outbox to_writer;
    struct order_outbox *looked; // to each worker
    // The writing thread's; there is none without a crosswalk.
    struct ev_mailbox unpinned;
    struct list waiting; // enquiries, by mail.node
    struct ev_task pin_task;
    struct ev_timer retry;
    struct crosswalk_reader *writer_reader;
    struct order_outbox *pinned; // to each worker
    struct crosswalk_pin pins[PINS_MOST];
    // After the threads' end.
    struct list dead; // enquiries, by mail.node
    bool has_asked;   // what is made, for taking down
    bool has_writer;
    bool has_outboxes;
};

// Memory, with what it knows of a patient wiped.
void enquiry_free(struct enquiry *enquiry);
