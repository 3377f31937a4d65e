// SPDX-License-Identifier: Apache-2.0
//
// Facts in memory. Thread: any, one fact at a time.
#include "store/fact.h"
#include "base/check.h"
#include "fact_internal.h"
#include <stdlib.h>

// The older interface: the only one that allocates nothing, so that making a key can not fail.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

bool delivery_state_settles(enum delivery_state state)
{
    return state == DELIVERY_SETTLED || state == DELIVERY_SUPERSEDED || state == DELIVERY_REJECTED ||
           state == DELIVERY_DROPPED;
}

const char *delivery_state_text(enum delivery_state state)
{
    static const char *const texts[DELIVERY_STATES] = {
        [DELIVERY_OWED] = "owed",         [DELIVERY_SENT] = "sent",
        [DELIVERY_ANSWERED] = "answered", [DELIVERY_PARKED] = "parked",
        [DELIVERY_SETTLED] = "settled",   [DELIVERY_SUPERSEDED] = "superseded",
        [DELIVERY_REJECTED] = "rejected", [DELIVERY_DROPPED] = "dropped",
        [DELIVERY_HELD] = "held",
    };
    unsigned number = (unsigned)state;
    return number < DELIVERY_STATES && texts[number] != NULL ? texts[number] : "unknown";
}

const char *fact_state_text(enum fact_state state)
{
    switch (state) {
    case FACT_RECEIVED:
        return "received";
    case FACT_DURABLE:
        return "durable";
    case FACT_DROPPED:
        return "dropped";
    case FACT_SETTLED:
        return "settled";
    case FACT_ORPHAN:
        return "orphan";
    }
    return "unknown";
}

void fact_init(struct ledger_fact *fact)
{
    *fact = (struct ledger_fact){0};
}

void fact_delivery_fini(struct fact_delivery *delivery)
{
    free(delivery->remark);
    free(delivery->person);
    for (size_t i = 0; i < RECORD_REASONS_MAX; i++)
        free(delivery->flag_reason[i]);
}

void fact_fini(struct ledger_fact *fact)
{
    char *texts[] = {
        fact->calling,         fact->called,         fact->address,      fact->certificate, fact->listener,
        fact->transfer_syntax, fact->sop_class,      fact->sop_instance, fact->study,       fact->series,
        fact->modality,        fact->implementation, fact->remark,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    for (size_t i = 0; i < fact->delivery_count; i++)
        fact_delivery_fini(&fact->deliveries[i]);
    free(fact->deliveries);
    free(fact->upto);
    fact_init(fact);
}

enum result fact_text_set(char **field, struct slice text)
{
    struct slice trimmed = slice_first(slice_trimmed(text), FACT_TEXT_MAX);
    char *copy = NULL;
    if (trimmed.length > 0) {
        copy = malloc(trimmed.length + 1);
        if (copy == NULL)
            return ERR_NOMEM;
        for (size_t i = 0; i < trimmed.length; i++)
            copy[i] = trimmed.data[i] != 0 ? (char)trimmed.data[i] : '?';
        copy[trimmed.length] = 0;
    }
    free(*field);
    *field = copy;
    return OK;
}

enum result fact_flags_set(struct fact_delivery *delivery, const struct record_flags *flags)
{
    enum result result = OK;
    for (size_t i = 0; result == OK && i < RECORD_REASONS_MAX; i++)
        result = fact_text_set(&delivery->flag_reason[i],
                               i < flags->reason_count ? flags->reason[i] : slice_of(NULL, 0));
    if (result == OK)
        delivery->flags = flags->count;
    return result;
}

struct fact_delivery *fact_delivery_find(const struct ledger_fact *fact, uint32_t archive)
{
    for (size_t i = 0; i < fact->delivery_count; i++)
        if (fact->deliveries[i].archive == archive)
            return &fact->deliveries[i];
    return NULL;
}

enum result fact_delivery_get(struct ledger_fact *fact, uint32_t archive, struct fact_delivery **delivery)
{
    *delivery = fact_delivery_find(fact, archive);
    if (*delivery != NULL)
        return OK;
    if (fact->delivery_count == FACT_DELIVERIES_MAX)
        return ERR_LIMIT;
    struct fact_delivery *larger =
        realloc(fact->deliveries, (fact->delivery_count + 1) * sizeof *fact->deliveries);
    if (larger == NULL)
        return ERR_NOMEM;
    size_t at = fact->delivery_count++;
    for (; at > 0 && larger[at - 1].archive > archive; at--)
        larger[at] = larger[at - 1];
    larger[at] = (struct fact_delivery){.archive = archive, .state = DELIVERY_OWED};
    fact->deliveries = larger;
    *delivery = &larger[at];
    return OK;
}

enum result fact_upto_add(struct ledger_fact *fact, struct journal_position position)
{
    struct journal_position *larger = realloc(fact->upto, (fact->upto_count + 1) * sizeof *larger);
    if (larger == NULL)
        return ERR_NOMEM;
    larger[fact->upto_count++] = position;
    fact->upto = larger;
    return OK;
}

bool fact_is_settled(const struct ledger_fact *fact)
{
    for (size_t i = 0; i < fact->delivery_count; i++)
        if (fact->deliveries[i].owed && !delivery_state_settles(fact->deliveries[i].state))
            return false;
    return true;
}

void fact_key_put(uint8_t key[FACT_KEY_SIZE], uint64_t receipt)
{
    for (unsigned i = 0; i < FACT_KEY_SIZE; i++)
        key[i] = (uint8_t)(receipt >> (8 * (FACT_KEY_SIZE - 1 - i)));
}

uint64_t fact_key_get(struct slice key)
{
    uint64_t receipt = 0;
    for (size_t i = 0; i < key.length && i < FACT_KEY_SIZE; i++)
        receipt = receipt << 8 | key.data[i];
    return receipt;
}

void fact_uid_hash(struct slice uid, uint8_t hash[FACT_SOP_HASH_SIZE])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX context;
    struct slice trimmed = slice_trimmed(uid);
    ensure(SHA256_Init(&context) == 1 && SHA256_Update(&context, trimmed.data, trimmed.length) == 1 &&
           SHA256_Final(digest, &context) == 1);
    memcpy(hash, digest, FACT_SOP_HASH_SIZE);
}
