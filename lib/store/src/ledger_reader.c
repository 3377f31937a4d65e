// SPDX-License-Identifier: Apache-2.0
//
// Looking things up in the ledger. Facts are collected in small lots inside a transaction and shown outside
// of it, so that no visitor holds one open. Thread: look-up thread, or the command line.
#include "store/ledger_reader.h"
#include "base/grow.h"
#include "base/text.h"
#include "ledger_internal.h"
#include "store/ledger.h"
#include <stdlib.h>

#define LOT_FACTS 128

enum result ledger_find_receipt(struct kv_env *env, uint64_t receipt, struct ledger_fact *fact)
{
    struct kv_transaction transaction;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result != OK)
        return result;
    result = ledger_fact_load(&transaction, receipt, fact);
    kv_abort(&transaction);
    return result;
}

// ---- by UID

enum { LOOKS_MOST = 4096 };

struct receipts {
    uint64_t *numbers;
    size_t count;
    size_t capacity;
};

static enum result receipt_add(struct receipts *receipts, uint64_t receipt)
{
    enum result result = ARRAY_GROW(receipts->numbers, receipts->capacity, receipts->count + 1);
    if (result == OK)
        receipts->numbers[receipts->count++] = receipt;
    return result;
}

static enum result index_read_hash(struct kv_transaction *transaction, enum ledger_database database,
                                   const uint8_t hash[FACT_SOP_HASH_SIZE], struct receipts *receipts)
{
    struct kv_cursor cursor;
    struct slice key = slice_of(hash, FACT_SOP_HASH_SIZE);
    enum result result = kv_cursor_init(&cursor, transaction, database);
    if (result == OK)
        result = kv_cursor_seek(&cursor, key);
    if (result == OK && !slice_is_equal(cursor.key, key))
        result = ERR_MISSING;
    while (result == OK) {
        result = receipt_add(receipts, fact_key_get(cursor.value));
        if (result == OK)
            result = kv_cursor_next_duplicate(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result index_read(struct kv_transaction *transaction, enum ledger_database database,
                              struct slice uid, struct receipts *receipts)
{
    uint8_t hash[FACT_SOP_HASH_SIZE] = {0};
    fact_uid_hash(uid, hash);
    return index_read_hash(transaction, database, hash, receipts);
}

// An entry that can not be read counts: whoever takes it is told.
static bool is_standing(struct kv_transaction *transaction, uint64_t receipt)
{
    struct ledger_fact fact;
    fact_init(&fact);
    enum result result = ledger_fact_load(transaction, receipt, &fact);
    bool is = result != OK || fact.state == FACT_DURABLE || fact.state == FACT_SETTLED;
    fact_fini(&fact);
    return is;
}

// They stand by rising stream and, within one, number. What a client was refused again and again must not
// hide what is owed: where there are many, only what stands is counted.
static size_t newest_take(struct kv_transaction *transaction, const struct receipts *found,
                          uint64_t *receipts, size_t most, size_t of_stream)
{
    size_t count = 0;
    size_t run = 0;
    size_t looks = 0;
    for (size_t i = found->count; i > 0 && count < most; i--) {
        uint64_t number = found->numbers[i - 1];
        bool is_same =
            i < found->count && journal_receipt_stream(number) == journal_receipt_stream(found->numbers[i]);
        run = is_same ? run : 0;
        if (run == of_stream)
            continue;
        if (found->count > of_stream && (looks++ >= LOOKS_MOST || !is_standing(transaction, number)))
            continue;
        run++;
        receipts[count++] = number;
    }
    return count;
}

enum result ledger_sop_receipts(struct kv_env *env, const uint8_t hash[FACT_SOP_HASH_SIZE],
                                uint64_t *receipts, size_t most, size_t of_stream, size_t *count)
{
    struct kv_transaction transaction;
    struct receipts found = {0};
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = index_read_hash(&transaction, LEDGER_SOP, hash, &found);
    if (result == OK)
        *count = newest_take(&transaction, &found, receipts, most, of_stream);
    kv_abort(&transaction);
    free(found.numbers);
    return result;
}

static bool fact_has_uid(const struct ledger_fact *fact, struct slice uid)
{
    struct slice wanted = slice_first(slice_trimmed(uid), FACT_TEXT_MAX);
    return (fact->sop_instance != NULL && slice_is_text(wanted, fact->sop_instance)) ||
           (fact->study != NULL && slice_is_text(wanted, fact->study));
}

// The index holds half a hash; the fact decides.
static enum result receipts_visit(struct kv_env *env, const struct receipts *receipts, struct slice uid,
                                  ledger_visit *visit, void *argument)
{
    bool any = false;
    for (size_t i = 0; i < receipts->count; i++) {
        struct ledger_fact fact;
        fact_init(&fact);
        enum result result = ledger_find_receipt(env, receipts->numbers[i], &fact);
        if (result == OK && fact_has_uid(&fact, uid)) {
            any = true;
            result = visit(argument, &fact);
        }
        fact_fini(&fact);
        if (result != OK && result != ERR_MISSING)
            return result;
    }
    return any ? OK : ERR_MISSING;
}

enum result ledger_find_uid(struct kv_env *env, struct slice uid, ledger_visit *visit, void *argument)
{
    struct kv_transaction transaction;
    struct receipts receipts = {0};
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = index_read(&transaction, LEDGER_SOP, uid, &receipts);
    if (result == OK && receipts.count == 0)
        result = index_read(&transaction, LEDGER_STUDY, uid, &receipts);
    kv_abort(&transaction);
    if (result == OK)
        result = receipts_visit(env, &receipts, uid, visit, argument);
    free(receipts.numbers);
    return result;
}

// ---- conflicts

#define STEPS_OF_TRANSACTION 4096

// From the key on: the next UID with several receipts. ERR_MISSING: there is none; AGAIN: not so far, go on.
static enum result several_find(struct kv_env *env, uint8_t key[FACT_SOP_HASH_SIZE], struct receipts *found)
{
    struct kv_transaction transaction;
    struct kv_cursor cursor = {0};
    size_t values = 1;
    found->count = 0;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = kv_cursor_init(&cursor, &transaction, LEDGER_SOP);
    if (result == OK)
        result = kv_cursor_seek(&cursor, slice_of(key, FACT_SOP_HASH_SIZE));
    for (unsigned left = STEPS_OF_TRANSACTION; result == OK && left > 0; left--) {
        result = kv_cursor_count(&cursor, &values);
        if (result != OK || values > 1)
            break;
        result = kv_cursor_next(&cursor);
    }
    if (result == OK && cursor.key.length == FACT_SOP_HASH_SIZE)
        memcpy(key, cursor.key.data, FACT_SOP_HASH_SIZE);
    bool is_several = result == OK && values > 1;
    while (is_several && result == OK) {
        result = receipt_add(found, fact_key_get(cursor.value));
        if (result == OK)
            result = kv_cursor_next_duplicate(&cursor);
    }
    kv_cursor_fini(&cursor);
    kv_abort(&transaction);
    if (is_several)
        return result == ERR_MISSING ? OK : result;
    return result == OK ? AGAIN : result;
}

static bool key_increment(uint8_t key[FACT_SOP_HASH_SIZE])
{
    for (size_t i = FACT_SOP_HASH_SIZE; i > 0; i--)
        if (++key[i - 1] != 0)
            return true;
    return false; // the last one there can be
}

static bool is_stored(const struct ledger_fact *fact)
{
    return fact->state == FACT_DURABLE || fact->state == FACT_SETTLED;
}

static bool is_other_content(const struct fact_digests *one, const struct fact_digests *other)
{
    uint8_t both = one->present & other->present;
    if (one->algorithm != other->algorithm)
        return false;
    if (both & RECORD_HAS_INSTANCE)
        return memcmp(one->instance, other->instance, sizeof one->instance) != 0;
    return (both & RECORD_HAS_RECEIVED) != 0 &&
           memcmp(one->received, other->received, sizeof one->received) != 0;
}

static enum result differ(struct kv_env *env, const struct receipts *found, bool *out)
{
    struct ledger_fact first;
    enum result result = OK;
    bool has_first = false;
    *out = false;
    fact_init(&first);
    for (size_t i = 0; i < found->count && result == OK && !*out; i++) {
        struct ledger_fact fact;
        fact_init(&fact);
        result = ledger_find_receipt(env, found->numbers[i], &fact);
        if (result == OK && is_stored(&fact) && !has_first) {
            first = fact; // its texts too
            has_first = true;
            continue;
        }
        *out = result == OK && is_stored(&fact) && is_other_content(&first.digests, &fact.digests);
        result = result == ERR_MISSING ? OK : result;
        fact_fini(&fact);
    }
    fact_fini(&first);
    return result;
}

enum result ledger_conflicts(struct kv_env *env, ledger_visit *visit, void *argument)
{
    uint8_t key[FACT_SOP_HASH_SIZE] = {0};
    struct receipts found = {0};
    enum result result = AGAIN;
    while (result == OK || result == AGAIN) {
        bool is_conflict = false;
        result = several_find(env, key, &found);
        if (result == OK)
            result = differ(env, &found, &is_conflict);
        for (size_t i = 0; result == OK && is_conflict && i < found.count; i++) {
            struct ledger_fact fact;
            fact_init(&fact);
            result = ledger_find_receipt(env, found.numbers[i], &fact);
            if (result == OK && is_stored(&fact))
                result = visit(argument, &fact);
            result = result == ERR_MISSING ? OK : result;
            fact_fini(&fact);
        }
        if (result == OK && !key_increment(key))
            result = ERR_MISSING;
    }
    free(found.numbers);
    return result == ERR_MISSING ? OK : result;
}

// ---- by text

void ledger_receipt_text(uint64_t receipt, char *to, size_t capacity)
{
    (void)text_format(to, capacity, "%04x-%012llx", (unsigned)journal_receipt_stream(receipt),
                      (unsigned long long)(receipt & 0xffffffffffffu));
}

bool ledger_receipt_parse(const char *text, uint64_t *receipt)
{
    uint8_t stream[2];
    uint8_t counter[6];
    char half[13];
    if (strlen(text) == 17 && text[4] == '-') {
        (void)text_copy(half, 5, slice_of_text(text));
        if (text_unhex(half, stream, sizeof stream) != OK ||
            text_unhex(text + 5, counter, sizeof counter) != OK)
            return false;
        *receipt = 0;
        for (unsigned i = 0; i < sizeof stream; i++)
            *receipt = *receipt << 8 | stream[i];
        for (unsigned i = 0; i < sizeof counter; i++)
            *receipt = *receipt << 8 | counter[i];
        return true;
    }
    return text_number(slice_of_text(text), UINT64_MAX, receipt) == OK;
}

enum result ledger_find_text(struct kv_env *env, const char *text, ledger_visit *visit, void *argument)
{
    uint64_t receipt = 0;
    struct ledger_fact fact;
    enum result result = ledger_find_uid(env, slice_of_text(text), visit, argument);
    if (result != ERR_MISSING || !ledger_receipt_parse(text, &receipt))
        return result;
    fact_init(&fact);
    result = ledger_find_receipt(env, receipt, &fact);
    if (result == OK)
        result = visit(argument, &fact);
    fact_fini(&fact);
    return result;
}

// ---- everything

struct lot {
    struct ledger_fact facts[LOT_FACTS];
    size_t count;
    uint64_t next; // receipt to go on at
    bool is_last;
    uint64_t damaged;
};

static enum result cursor_at(struct kv_cursor *cursor, struct kv_transaction *transaction,
                             enum ledger_database database, uint64_t receipt)
{
    uint8_t key[FACT_KEY_SIZE];
    fact_key_put(key, receipt);
    enum result result = kv_cursor_init(cursor, transaction, database);
    return result == OK ? kv_cursor_seek(cursor, slice_of(key, sizeof key)) : result;
}

static bool cursor_is_failed(enum result result)
{
    return result != OK && result != ERR_MISSING;
}

// Takes the lower of the two cursors' facts and moves on.
static enum result lot_take(struct lot *lot, struct kv_cursor *from, enum result *state)
{
    struct ledger_fact *fact = &lot->facts[lot->count];
    uint64_t receipt = fact_key_get(from->key);
    fact_init(fact);
    enum result result = fact_decode(receipt, from->value, FACT_WHOLE, fact);
    if (result == OK) {
        lot->count++;
    } else {
        fact_fini(fact);
        if (result == ERR_NOMEM)
            return result;
        lot->damaged++;
    }
    lot->next = receipt + 1;
    *state = kv_cursor_next(from);
    return OK;
}

static enum result lot_fill(struct kv_env *env, struct lot *lot)
{
    struct kv_transaction transaction;
    struct kv_cursor facts = {0};
    struct kv_cursor open = {0};
    lot->count = 0;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result != OK)
        return result;
    enum result in_facts = cursor_at(&facts, &transaction, LEDGER_FACT, lot->next);
    enum result in_open = cursor_at(&open, &transaction, LEDGER_OPEN, lot->next);
    while (result == OK && lot->count < LOT_FACTS) {
        if (cursor_is_failed(in_facts) || cursor_is_failed(in_open)) {
            result = cursor_is_failed(in_facts) ? in_facts : in_open;
        } else if (in_facts == ERR_MISSING && in_open == ERR_MISSING) {
            lot->is_last = true;
            break;
        } else if (in_open == ERR_MISSING ||
                   (in_facts == OK && fact_key_get(facts.key) <= fact_key_get(open.key))) {
            result = lot_take(lot, &facts, &in_facts);
        } else {
            result = lot_take(lot, &open, &in_open);
        }
    }
    kv_cursor_fini(&facts);
    kv_cursor_fini(&open);
    kv_abort(&transaction);
    return result;
}

enum result ledger_each(struct kv_env *env, ledger_visit *visit, void *argument, uint64_t *damaged)
{
    struct lot *lot = calloc(1, sizeof *lot);
    enum result result = OK;
    if (lot == NULL)
        return ERR_NOMEM;
    while (result == OK && !lot->is_last) {
        result = lot_fill(env, lot);
        for (size_t i = 0; i < lot->count; i++) {
            if (result == OK)
                result = visit(argument, &lot->facts[i]);
            fact_fini(&lot->facts[i]);
        }
    }
    if (damaged != NULL)
        *damaged = lot->damaged;
    free(lot);
    return result;
}

// ---- counters

static enum result archives_read(struct kv_transaction *transaction, struct ledger_stats *stats)
{
    struct kv_cursor cursor;
    size_t capacity = 0;
    enum result result = kv_cursor_init(&cursor, transaction, LEDGER_ARCHIVE);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK) {
        result = ARRAY_GROW(stats->archives, capacity, stats->archive_count + 1);
        if (result == OK)
            result = ledger_archive_decode(cursor.key, cursor.value, &stats->archives[stats->archive_count]);
        if (result == OK) {
            stats->archive_count++;
            result = kv_cursor_next(&cursor);
        }
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result days_read(struct kv_transaction *transaction, struct ledger_stats *stats)
{
    struct kv_cursor cursor;
    uint64_t count = 0;
    enum result result = kv_count(transaction, LEDGER_DAY, &count);
    if (result != OK || count == 0)
        return result;
    stats->days = calloc((size_t)count, sizeof *stats->days);
    if (stats->days == NULL)
        return ERR_NOMEM;
    result = kv_cursor_init(&cursor, transaction, LEDGER_DAY);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK && stats->day_count < count) {
        result = ledger_day_decode(cursor.key, cursor.value, &stats->days[stats->day_count]);
        if (result == OK) {
            stats->day_count++;
            result = kv_cursor_next(&cursor);
        }
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

enum result ledger_stats_get(struct kv_env *env, struct ledger_stats *stats)
{
    struct kv_transaction transaction;
    struct ledger_stats read = {.schema_version = LEDGER_SCHEMA_VERSION};
    struct ledger_marks marks;
    enum result result = kv_begin(env, KV_READ, &transaction);
    if (result == OK)
        result = ledger_totals_get(&transaction, &read.totals, &marks);
    if (result == OK)
        result = archives_read(&transaction, &read);
    if (result == OK)
        result = days_read(&transaction, &read);
    kv_abort(&transaction);
    if (result == OK)
        *stats = read;
    else
        ledger_stats_fini(&read);
    return result;
}

void ledger_stats_fini(struct ledger_stats *stats)
{
    free(stats->archives);
    free(stats->days);
    *stats = (struct ledger_stats){0};
}
