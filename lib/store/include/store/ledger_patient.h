// SPDX-License-Identifier: Apache-2.0
//
// Under which patient a study came first. The ledger knows the patient by a keyed hash alone, which the CLOSE
// of a receipt brings along (edit/study.h); one that was never durable does not count. Thread: as
// store/ledger_reader.h.
#pragma once

#include "journal/record.h"
#include "store/fact.h"
#include "store/kv.h"

// Two halves: of the patient ID, and of the ID in the domain that the data set named; zeros if it named none.
struct ledger_patient {
    uint8_t hash[RECORD_PATIENT_SIZE];
    uint64_t order; // of the first receipt of the study that names a patient
};

// `study`: as by fact_uid_hash(). ERR_MISSING: none is known. ERR_FORMAT: the entry can not be read.
MUST_USE enum result ledger_study_patient(struct kv_env *env, const uint8_t study[FACT_SOP_HASH_SIZE],
                                          struct ledger_patient *patient);

// Whether two such hashes of one study are of two patients: IDs differ, or the domains that both name.
bool ledger_patient_is_other(const uint8_t a[RECORD_PATIENT_SIZE], const uint8_t b[RECORD_PATIENT_SIZE]);
