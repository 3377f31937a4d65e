// SPDX-License-Identifier: Apache-2.0
//
// Which patient a study came under, as a keyed hash: recorded in CLOSE, kept by the ledger for the first
// receipt of each study, and compared by rules that ask for it (store/ledger_patient.h). Without the key file
// nothing can be learned from it but whether a data set named its domain; two studies of one patient have
// different hashes.
//
// What is seen: another Patient ID, whatever its domain; and the same ID where both data sets name a domain,
// and not the same one, or where it is not the same as that one's options say. What is not seen: one ID of
// two domains where a data set names none. The default domains of clients and rows of `store` say nothing
// here: a study that comes over titles with several of them is of one patient.
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
    // That the data set itself names by an issuer that is trusted; NULL: none, or it can not be seen. CLOSE
    // sees the Issuer of Patient ID alone, an edit also its qualifiers (FIELD 1).
    const struct configuration_domain *domain;
};

// The first half is that of the ID, folded as loosely as any domain of the configuration says; the second
// half that of the named domain and the ID folded as that says, zeros without a domain. IDs are taken byte by
// byte, whatever their character set. False: there is no study or no patient ID, or they are too long to be
// one; or the hash failed. NULL for `hash`: there is no key file.
bool study_patient_hash(struct seal_hash *hash, const struct configuration *configuration,
                        const struct study_source *source, uint8_t patient[RECORD_PATIENT_SIZE]);
