// SPDX-License-Identifier: Apache-2.0
//
// The ledger's sums: totals, per day, per archive. A batch collects differences and adds each to the store
// once. Thread: ledger thread (writing), any (decoding).
#include "base/check.h"
#include "base/grow.h"
#include "base/units.h"
#include "cbor/reader.h"
#include "cbor/writer.h"
#include "ledger_internal.h"
#include <stdlib.h>

#define NSEC_PER_DAY (24 * 60 * 60 * NSEC_PER_SEC)
#define VALUE_MAX    512 // bytes of an encoded sum

// Stored numbers: see LEDGER.md.
enum totals_key {
    TOTALS_RECEIVED = 1,
    TOTALS_BYTES = 2,
    TOTALS_DROPPED = 3,
    TOTALS_SETTLED = 4,
    TOTALS_OPEN = 5,
    TOTALS_ORPHANS = 6,
    TOTALS_ORDER_HIGH = 7,
    TOTALS_LIFE_HIGH = 8,
};
enum day_key { DAY_RECEIVED = 1, DAY_BYTES = 2, DAY_DROPPED = 3, DAY_SETTLED = 4 };
enum archive_key { ARCHIVE_ATTEMPTS = 1, ARCHIVE_STATES = 10 }; // from ARCHIVE_STATES + 1 on: one per state

static const char totals_name[] = "totals";

// ---- bytes

// The fields of one sum by their stored keys, for reading, writing and adding up. NULL: there is no such key.
enum { SUM_FIELDS = ARCHIVE_STATES + DELIVERY_STATES };
struct sum {
    uint64_t *field[SUM_FIELDS];
};

static struct sum totals_sum(struct ledger_totals *totals, struct ledger_marks *marks)
{
    return (struct sum){{
        [TOTALS_RECEIVED] = &totals->received,
        [TOTALS_BYTES] = &totals->bytes,
        [TOTALS_DROPPED] = &totals->dropped,
        [TOTALS_SETTLED] = &totals->settled,
        [TOTALS_OPEN] = &totals->open,
        [TOTALS_ORPHANS] = &totals->orphans,
        [TOTALS_ORDER_HIGH] = &marks->order_high,
        [TOTALS_LIFE_HIGH] = &marks->life_high,
    }};
}

static struct sum day_sum(struct ledger_day *day)
{
    return (struct sum){{
        [DAY_RECEIVED] = &day->received,
        [DAY_BYTES] = &day->bytes,
        [DAY_DROPPED] = &day->dropped,
        [DAY_SETTLED] = &day->settled,
    }};
}

static struct sum archive_sum(struct ledger_archive *archive)
{
    struct sum sum = {{[ARCHIVE_ATTEMPTS] = &archive->attempts}};
    for (unsigned state = 1; state < DELIVERY_STATES; state++)
        sum.field[ARCHIVE_STATES + state] = &archive->states[state];
    return sum;
}

static enum result sum_decode(struct slice value, const struct sum *sum)
{
    struct cbor_reader reader;
    int64_t key;
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &key))
        if (key >= 0 && key < SUM_FIELDS && sum->field[key] != NULL)
            *sum->field[key] = cbor_take_uint(&reader, UINT64_MAX);
    return cbor_reader_result(&reader);
}

static enum result sum_put(struct kv_transaction *transaction, enum ledger_database database,
                           struct slice key, const struct sum *sum)
{
    uint8_t memory[VALUE_MAX];
    struct cbor_writer writer;
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    for (int64_t field = 0; field < SUM_FIELDS; field++)
        if (sum->field[field] != NULL)
            cbor_put_uint(&writer, field, *sum->field[field]);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, database, key, cbor_writer_slice(&writer), KV_PLAIN);
}

// Differences are added modulo 2^64: what goes down is a large number.
static void sum_add(const struct sum *to, const struct sum *delta)
{
    for (unsigned field = 0; field < SUM_FIELDS; field++)
        if (to->field[field] != NULL)
            *to->field[field] += *delta->field[field];
}

// Into fields that are zero. A sum that is not there yet is OK.
static enum result sum_get(struct kv_transaction *transaction, enum ledger_database database,
                           struct slice key, const struct sum *sum)
{
    struct slice value;
    enum result result = kv_get(transaction, database, key, &value);
    if (result == ERR_MISSING)
        return OK;
    return result == OK ? sum_decode(value, sum) : result;
}

enum result ledger_totals_get(struct kv_transaction *transaction, struct ledger_totals *totals,
                              struct ledger_marks *marks)
{
    *totals = (struct ledger_totals){0};
    *marks = (struct ledger_marks){0};
    struct sum sum = totals_sum(totals, marks);
    return sum_get(transaction, LEDGER_META, slice_of_text(totals_name), &sum);
}

static uint32_t number_of(struct slice key)
{
    uint32_t number = 0;
    for (size_t i = 0; i < key.length; i++)
        number = number << 8 | key.data[i];
    return number;
}

static void number_put(uint8_t key[4], uint32_t number)
{
    for (unsigned i = 0; i < 4; i++)
        key[i] = (uint8_t)(number >> (24 - 8 * i));
}

enum result ledger_day_decode(struct slice key, struct slice value, struct ledger_day *day)
{
    if (key.length != 4)
        return ERR_FORMAT;
    *day = (struct ledger_day){.day = number_of(key)};
    struct sum sum = day_sum(day);
    return sum_decode(value, &sum);
}

enum result ledger_archive_decode(struct slice key, struct slice value, struct ledger_archive *archive)
{
    if (key.length != 4)
        return ERR_FORMAT;
    *archive = (struct ledger_archive){.archive = number_of(key)};
    struct sum sum = archive_sum(archive);
    return sum_decode(value, &sum);
}

// ---- differences

struct ledger_day *ledger_deltas_day(struct ledger_deltas *deltas, uint64_t time)
{
    uint32_t day = (uint32_t)(time / NSEC_PER_DAY);
    for (size_t i = 0; i < deltas->day_count; i++)
        if (deltas->days[i].day == day)
            return &deltas->days[i];
    if (ARRAY_GROW(deltas->days, deltas->day_capacity, deltas->day_count + 1) != OK)
        return NULL;
    deltas->days[deltas->day_count] = (struct ledger_day){.day = day};
    return &deltas->days[deltas->day_count++];
}

struct ledger_archive *ledger_deltas_archive(struct ledger_deltas *deltas, uint32_t archive)
{
    for (size_t i = 0; i < deltas->archive_count; i++)
        if (deltas->archives[i].archive == archive)
            return &deltas->archives[i];
    if (ARRAY_GROW(deltas->archives, deltas->archive_capacity, deltas->archive_count + 1) != OK)
        return NULL;
    deltas->archives[deltas->archive_count] = (struct ledger_archive){.archive = archive};
    return &deltas->archives[deltas->archive_count++];
}

static enum result totals_write(struct kv_transaction *transaction, const struct ledger_totals *delta,
                                const struct ledger_marks *marks)
{
    struct ledger_totals totals, more = *delta;
    struct ledger_marks now, none = {0};
    enum result result = ledger_totals_get(transaction, &totals, &now);
    if (result != OK)
        return result;
    now = *marks;
    struct sum sum = totals_sum(&totals, &now);
    struct sum change = totals_sum(&more, &none);
    sum_add(&sum, &change);
    return sum_put(transaction, LEDGER_META, slice_of_text(totals_name), &sum);
}

// What is stored under a number, and `change` with it.
static enum result sum_write(struct kv_transaction *transaction, enum ledger_database database,
                             uint32_t number, const struct sum *sum, const struct sum *change)
{
    uint8_t key[4];
    number_put(key, number);
    enum result result = sum_get(transaction, database, slice_of(key, sizeof key), sum);
    if (result != OK)
        return result;
    sum_add(sum, change);
    return sum_put(transaction, database, slice_of(key, sizeof key), sum);
}

static enum result day_write(struct kv_transaction *transaction, const struct ledger_day *delta)
{
    struct ledger_day day = {0}, more = *delta;
    struct sum sum = day_sum(&day), change = day_sum(&more);
    return sum_write(transaction, LEDGER_DAY, delta->day, &sum, &change);
}

static enum result archive_write(struct kv_transaction *transaction, const struct ledger_archive *delta)
{
    struct ledger_archive archive = {0}, more = *delta;
    struct sum sum = archive_sum(&archive), change = archive_sum(&more);
    return sum_write(transaction, LEDGER_ARCHIVE, delta->archive, &sum, &change);
}

enum result ledger_deltas_write(struct kv_transaction *transaction, const struct ledger_deltas *deltas,
                                const struct ledger_marks *marks)
{
    enum result result = totals_write(transaction, &deltas->totals, marks);
    for (size_t i = 0; result == OK && i < deltas->day_count; i++)
        result = day_write(transaction, &deltas->days[i]);
    for (size_t i = 0; result == OK && i < deltas->archive_count; i++)
        result = archive_write(transaction, &deltas->archives[i]);
    return result;
}

void ledger_deltas_fini(struct ledger_deltas *deltas)
{
    free(deltas->days);
    free(deltas->archives);
    *deltas = (struct ledger_deltas){0};
}
