// SPDX-License-Identifier: Apache-2.0
#include "crosswalk/first.h"
#include "base/magic.h"
#include "store/ledger_patient.h"
#include "store/ledger_reader.h"
#include <stdlib.h>

#define FIRST_MAGIC 0x46495253u

enum { BUCKETS = 4096, WAYS = 4 };

struct place {
    uint8_t study[FACT_SOP_HASH_SIZE];
    uint8_t patient[RECORD_PATIENT_SIZE]; // which is compared
    uint64_t receipt;                     // that made the place; 0: empty
    uint64_t latest;                      // the last one of this patient
};

struct first_patients {
    uint32_t magic;
    struct place place[BUCKETS][WAYS];
    uint8_t next[BUCKETS]; // the place to be used again
};

enum result first_patients_new(struct first_patients **out)
{
    struct first_patients *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, FIRST_MAGIC);
    *out = made;
    return OK;
}

void first_patients_free(struct first_patients *first)
{
    if (first == NULL)
        return;
    MAGIC_CHECK(first, FIRST_MAGIC);
    MAGIC_CLEAR(first);
    free(first);
}

static unsigned bucket_of(const uint8_t study[FACT_SOP_HASH_SIZE])
{
    return ((unsigned)study[0] << 8 | study[1]) % BUCKETS;
}

static struct place *place_find(struct first_patients *first, const uint8_t study[FACT_SOP_HASH_SIZE])
{
    struct place *places = first->place[bucket_of(study)];
    for (size_t i = 0; i < WAYS; i++)
        if (places[i].receipt != 0 && memcmp(places[i].study, study, sizeof places[i].study) == 0)
            return &places[i];
    return NULL;
}

// An empty one, else that of a study that was asked about long ago.
static struct place *place_new(struct first_patients *first, const uint8_t study[FACT_SOP_HASH_SIZE])
{
    unsigned bucket = bucket_of(study);
    for (size_t i = 0; i < WAYS; i++)
        if (first->place[bucket][i].receipt == 0)
            return &first->place[bucket][i];
    return &first->place[bucket][first->next[bucket]++ % WAYS];
}

// One that was refused or broken off was never there.
static enum result is_dropped(struct kv_env *ledger, uint64_t receipt, bool *is)
{
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result = ledger_find_receipt(ledger, receipt, &fact);
    *is = result == OK && fact.state == FACT_DROPPED;
    fact_fini(&fact);
    return result == ERR_MISSING || result == ERR_FORMAT ? OK : result;
}

// A place counts as long as a receipt of its patient is there.
static enum result place_check(struct place *place, struct kv_env *ledger)
{
    bool is_nothing;
    enum result result = is_dropped(ledger, place->receipt, &is_nothing);
    if (result != OK || !is_nothing)
        return result;
    result = is_dropped(ledger, place->latest, &is_nothing);
    if (result == OK)
        place->receipt = is_nothing ? 0 : place->latest;
    return result;
}

// By the ledger alone. `first`: which patient is compared from now on, if it is not another one.
static enum result ledger_ask(struct kv_env *ledger, const struct study_question *question, bool *has_other,
                              uint8_t first[RECORD_PATIENT_SIZE])
{
    struct ledger_patient known;
    enum result result = ledger_study_patient(ledger, question->study, &known);
    *has_other = false;
    memcpy(first, question->patient, RECORD_PATIENT_SIZE);
    if (result == ERR_MISSING || result == ERR_FORMAT)
        return OK;
    if (result != OK)
        return result;
    if (question->order != 0 && question->order < known.order)
        return OK; // it is the earlier one; the ledger has not read it yet
    memcpy(first, known.hash, RECORD_PATIENT_SIZE);
    *has_other = ledger_patient_is_other(known.hash, question->patient);
    return OK;
}

static enum result ask_anew(struct first_patients *first, struct kv_env *ledger,
                            const struct study_question *question, bool *has_other)
{
    uint8_t patient[RECORD_PATIENT_SIZE];
    enum result result = ledger_ask(ledger, question, has_other, patient);
    if (result != OK || *has_other || question->receipt == 0)
        return result;
    struct place *place = place_new(first, question->study);
    memcpy(place->study, question->study, sizeof place->study);
    memcpy(place->patient, patient, sizeof place->patient);
    place->receipt = place->latest = question->receipt;
    return OK;
}

// What was answered here stands: the ledger may come to know an earlier receipt, of another patient, after a
// later one was let go.
enum result first_patients_ask(struct first_patients *first, struct kv_env *ledger,
                               const struct study_question *question, bool *has_other)
{
    MAGIC_CHECK(first, FIRST_MAGIC);
    struct place *place = place_find(first, question->study);
    enum result result = place == NULL ? OK : place_check(place, ledger);
    if (result != OK)
        return result;
    if (place == NULL || place->receipt == 0)
        return ask_anew(first, ledger, question, has_other);
    *has_other = ledger_patient_is_other(place->patient, question->patient);
    if (!*has_other && question->receipt != 0)
        place->latest = question->receipt;
    return OK;
}
