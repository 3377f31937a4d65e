// SPDX-License-Identifier: Apache-2.0
//
// A worker's question to the crosswalk: which ID has this patient in the domain of that archive? A look-up
// may wait for the disk, so it is made on the look-up thread; the first delivery of a study to an archive is
// also pinned (FIELD 1) when it is ready to leave, durable, by the thread that writes the crosswalk, and what
// is answered is then what the pin says, so that two workers never answer differently for one study. The same
// way leads to the ledger, for what rules want to know of a study.
//
// Thread: the worker's.
#pragma once

#include "journal/record.h"
#include "store/crosswalk_change.h"
#include "store/fact.h"

struct enquiry;
struct worker;

struct enquiry_question {
    uint32_t archive; // node id
    uint16_t from;    // domains (crosswalk_domain_find())
    uint16_t to;
    struct slice id;    // all copied
    struct slice study; // none: empty, or longer than a UID may be; then there is no pin
    struct crosswalk_person person;
    uint64_t when;  // of the receipt, for the pin
    bool wants_pin; // it goes out if the answer lets it; else (before Success) it is only looked up
    // It goes out unmatched too, by the archive's option or because a person has released it: then that is
    // pinned as well, so that an import in the midst of the study does not split it.
    bool unmatched_goes;
};

// `answered` is called once on the worker, never inside this call, unless it was cancelled; the verdict is
// borrowed for the call and wiped behind it. An ID that is none (empty, too long, with control characters) is
// unmapped, with an empty `id`. ERR_LIMIT: more IDs are merged into one than are followed. Another result
// that is not OK: the crosswalk can not be read or written now; ERR_MISSING: it could not be opened. News
// (daemon/news.h) may be heard before an answer from before them.
typedef void enquiry_answered_fn(void *arg, enum result result, const struct crosswalk_verdict *verdict);

// ERR_NOMEM. The enquiry is the office's; *out is only for cancelling, and no longer good once answered.
MUST_USE enum result enquiry_ask(struct worker *worker, const struct enquiry_question *question,
                                 enquiry_answered_fn *answered, void *arg, struct enquiry **out);
void enquiry_cancel(struct enquiry **enquiry); // NULL inside is fine

// ---- a worker's question to the ledger: has this study come under another patient first? ----

struct study_question {
    uint8_t study[FACT_SOP_HASH_SIZE];    // fact_uid_hash()
    uint8_t patient[RECORD_PATIENT_SIZE]; // edit/study.h
    uint64_t receipt;                     // 0: it is not to be remembered, as it may be refused
    uint64_t order;                       // of its CLOSE; 0: not known yet
};

// Called and cancelled as above; `has_other` says something if the result is OK. Otherwise the ledger can not
// be read now. The first one that was asked about with its number, and was no other, counts as long as the
// daemon runs; without one the ledger's counts.
typedef void study_answered_fn(void *arg, enum result result, bool has_other);

MUST_USE enum result enquiry_ask_study(struct worker *worker, const struct study_question *question,
                                       study_answered_fn *answered, void *arg, struct enquiry **out);
