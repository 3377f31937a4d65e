// SPDX-License-Identifier: Apache-2.0
//
// The first patient of each study. Streams are read independently, so the first is the one with the lowest
// order of CLOSE, whenever it is read. Thread: the ledger thread; readers: see the header.
#include "store/ledger_patient.h"
#include "base/cursor.h"
#include "ledger_internal.h"

enum { PATIENT_VALUE_SIZE = RECORD_PATIENT_SIZE + 8, HALF = RECORD_PATIENT_SIZE / 2 };

static bool names_domain(const uint8_t hash[RECORD_PATIENT_SIZE])
{
    static const uint8_t none[HALF];
    return memcmp(hash + HALF, none, HALF) != 0;
}

bool ledger_patient_is_other(const uint8_t a[RECORD_PATIENT_SIZE], const uint8_t b[RECORD_PATIENT_SIZE])
{
    size_t length = names_domain(a) && names_domain(b) ? RECORD_PATIENT_SIZE : HALF;
    return memcmp(a, b, length) != 0;
}

static enum result patient_get(struct kv_transaction *transaction, struct slice study,
                               struct ledger_patient *patient)
{
    struct slice value;
    enum result result = kv_get(transaction, LEDGER_PATIENT, study, &value);
    if (result != OK)
        return result;
    if (value.length != PATIENT_VALUE_SIZE)
        return ERR_FORMAT;
    memcpy(patient->hash, value.data, sizeof patient->hash);
    patient->order = fact_key_get(slice_from(value, sizeof patient->hash));
    return OK;
}

// What can not be read is written anew.
static enum result patient_put(struct kv_transaction *transaction, struct slice study,
                               const struct ledger_patient *patient)
{
    uint8_t value[PATIENT_VALUE_SIZE];
    struct ledger_patient first;
    enum result result = patient_get(transaction, study, &first);
    if (result == OK && first.order <= patient->order)
        return OK;
    if (result != OK && result != ERR_MISSING && result != ERR_FORMAT)
        return result;
    memcpy(value, patient->hash, sizeof patient->hash);
    fact_key_put(value + sizeof patient->hash, patient->order);
    return kv_put(transaction, LEDGER_PATIENT, study, slice_of(value, sizeof value), KV_PLAIN);
}

enum result ledger_patient_write(struct kv_transaction *transaction, const struct ledger_fact *fact)
{
    uint8_t study[FACT_SOP_HASH_SIZE];
    struct ledger_patient patient = {.order = fact->order};
    if (!fact->has_patient || fact->study == NULL)
        return OK;
    fact_uid_hash(slice_of_text(fact->study), study);
    memcpy(patient.hash, fact->patient, sizeof patient.hash);
    return patient_put(transaction, slice_of(study, sizeof study), &patient);
}

enum result ledger_study_patient(struct kv_env *env, const uint8_t study[FACT_SOP_HASH_SIZE],
                                 struct ledger_patient *patient)
{
    struct kv_transaction transaction;
    struct ledger_patient found;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = patient_get(&transaction, slice_of(study, FACT_SOP_HASH_SIZE), &found);
    kv_abort(&transaction);
    if (result == OK)
        *patient = found;
    return result;
}

// ---- from one ledger to another

enum { LOT = 4096 }; // entries of one transaction

static enum result lot_copy(struct kv_transaction *to, struct kv_cursor *from, uint64_t *damaged)
{
    enum result result = OK;
    for (unsigned left = LOT; result == OK && left > 0; left--) {
        struct ledger_patient patient;
        bool is_fine = from->key.length == FACT_SOP_HASH_SIZE && from->value.length == PATIENT_VALUE_SIZE;
        *damaged += !is_fine;
        if (is_fine) {
            memcpy(patient.hash, from->value.data, sizeof patient.hash);
            patient.order = fact_key_get(slice_from(from->value, sizeof patient.hash));
            result = patient_put(to, from->key, &patient);
        }
        if (result == OK)
            result = kv_cursor_next(from);
    }
    return result;
}

// The next lot, in one transaction; again from its first entry when the map was full. ERR_MISSING: it was the
// last one.
static enum result lot_keep(struct ledger_writer *writer, struct kv_cursor *from, uint64_t *damaged)
{
    uint8_t key[KV_KEY_MAX];
    size_t length = from->key.length;
    enum result result = AGAIN;
    memcpy(key, from->key.data, length);
    for (unsigned attempt = 0; result == AGAIN && attempt < LEDGER_ATTEMPTS_MAX; attempt++) {
        struct kv_transaction to;
        uint64_t bad = 0;
        result = attempt > 0 ? kv_cursor_seek(from, slice_of(key, length)) : OK;
        if (result != OK)
            return result;
        result = kv_begin(writer->env, KV_WRITE, &to);
        if (result == OK)
            result = lot_copy(&to, from, &bad);
        bool has_ended = result == ERR_MISSING;
        if (result == OK || has_ended)
            result = kv_commit(&to);
        else
            kv_abort(&to);
        if (result != OK)
            continue;
        *damaged += bad;
        return has_ended ? ERR_MISSING : OK;
    }
    return result == AGAIN ? ERR_LIMIT : result;
}

enum result ledger_patient_keep(struct ledger_writer *writer, struct kv_env *former, uint64_t *damaged)
{
    struct kv_transaction from;
    struct kv_cursor cursor = {.handle = NULL};
    ledger_reading_end(writer); // the map can not grow while anything is read
    enum result result = kv_begin(former, KV_READ, &from);
    if (result == OK)
        result = kv_cursor_init(&cursor, &from, LEDGER_PATIENT);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK)
        result = lot_keep(writer, &cursor, damaged);
    kv_cursor_fini(&cursor);
    kv_abort(&from);
    return result == ERR_MISSING ? OK : result;
}
