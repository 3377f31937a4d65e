// SPDX-License-Identifier: Apache-2.0
//
// Which patient a study came under first: the first that was asked about in this life, else as the ledger has
// it. Bounded: a study that thousands of others have pushed out is the ledger's by then.
//
// Thread: the look-up thread.
#pragma once

#include "crosswalk/enquiry.h"
#include "store/kv.h"

struct first_patients;

MUST_USE enum result first_patients_new(struct first_patients **out); // ERR_NOMEM
void first_patients_free(struct first_patients *first);               // NULL is fine

// ERR_IO, ERR_NOMEM: the ledger can not be read.
MUST_USE enum result first_patients_ask(struct first_patients *first, struct kv_env *ledger,
                                        const struct study_question *question, bool *has_other);
