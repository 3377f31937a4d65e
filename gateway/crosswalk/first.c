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
    uint8_t patient[RECORD_PATIENT_SIZE];
    uint64_t receipt; // 0: empty
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

static void place_take(struct place *place, const struct study_question *question)
{
    memcpy(place->study, question->study, sizeof place->study);
    memcpy(place->patient, question->patient, sizeof place->patient);
    place->receipt = question->receipt;
}

static struct place *places_of(struct first_patients *first, const uint8_t study[FACT_SOP_HASH_SIZE])
{
    return first->place[((unsigned)study[0] << 8 | study[1]) % BUCKETS];
}

static struct place *place_find(struct first_patients *first, const uint8_t study[FACT_SOP_HASH_SIZE])
{
    struct place *places = places_of(first, study);
    for (size_t i = 0; i < WAYS; i++)
        if (places[i].receipt != 0 && memcmp(places[i].study, study, sizeof places[i].study) == 0)
            return &places[i];
    return NULL;
}

static struct place *place_new(struct first_patients *first, const uint8_t study[FACT_SOP_HASH_SIZE])
{
    struct place *places = places_of(first, study);
    return &places[first->next[(size_t)(places - first->place[0]) / WAYS]++ % WAYS];
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

// By the ledger alone, for a study that nobody has asked about here.
static enum result ledger_ask(struct kv_env *ledger, const struct study_question *question, bool *has_other)
{
    struct ledger_patient known;
    enum result result = ledger_study_patient(ledger, question->study, &known);
    *has_other = false;
    if (result == ERR_MISSING || result == ERR_FORMAT)
        return OK;
    if (result != OK)
        return result;
    bool is_earlier = question->order != 0 && question->order < known.order; // the ledger has not read it yet
    *has_other = !is_earlier && ledger_patient_is_other(known.hash, question->patient);
    return OK;
}

// What was answered here stands: the ledger may come to know an earlier receipt, of another patient, after a
// later one was let go.
enum result first_patients_ask(struct first_patients *first, struct kv_env *ledger,
                               const struct study_question *question, bool *has_other)
{
    enum result result = OK;
    bool is_nothing = false;
    MAGIC_CHECK(first, FIRST_MAGIC);
    struct place *place = place_find(first, question->study);
    *has_other = place != NULL && ledger_patient_is_other(place->patient, question->patient);
    if (place != NULL && *has_other)
        result = is_dropped(ledger, place->receipt, &is_nothing);
    if (result != OK || (place != NULL && !is_nothing))
        return result;
    result = ledger_ask(ledger, question, has_other);
    if (result != OK || *has_other)
        return result;
    if (place == NULL && question->receipt != 0)
        place = place_new(first, question->study);
    if (place != NULL)
        place_take(place, question); // without a number it is empty again
    return OK;
}
