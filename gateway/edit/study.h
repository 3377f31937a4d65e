// SPDX-License-Identifier: Apache-2.0
//
// Which patient a study came under, as a keyed hash: recorded in CLOSE, kept by the ledger for the first
// receipt of each study (store/ledger_patient.h), and compared by rules that ask for it. Without the key file
// nothing can be learned from it, and two studies of one patient have different hashes.
//
// Thread: the worker's; the hash object belongs to it.
#pragma once

#include "conf/configuration.h"
#include "journal/record.h"
#include "seal/lasting.h"

#define STUDY_HASH_LABEL "study patient"

// Values as they came; padding does not count.
struct study_source {
    struct slice study; // Study Instance UID
    struct slice id;    // Patient ID
    struct slice issuer;
    struct slice domain; // that the configuration names for it; empty: not known
};

// The domain is that of the issuer if one trusts it, else that other (FIELD 1); the ID is folded as that
// domain says and otherwise taken byte by byte, whatever its character set. False: there is no study or no
// patient ID, or they are too long to be one; or the hash failed. NULL for `hash`: there is no key file.
bool study_patient_hash(struct seal_hash *hash, const struct configuration *configuration,
                        const struct study_source *source, uint8_t patient[RECORD_PATIENT_SIZE]);
