// SPDX-License-Identifier: Apache-2.0
//
// The ledger's sums: totals, per day, per archive. A batch collects differences and adds each to the store
// once. Thread: ledger thread (writing), any (decoding).
#include "base/check.h"
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

static enum result totals_decode(struct slice value, struct ledger_totals *totals, struct ledger_marks *marks)
{
    struct cbor_reader reader;
    int64_t key;
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &key)) {
        uint64_t *fields[] = {
            [TOTALS_RECEIVED] = &totals->received,
            [TOTALS_BYTES] = &totals->bytes,
            [TOTALS_DROPPED] = &totals->dropped,
            [TOTALS_SETTLED] = &totals->settled,
            [TOTALS_OPEN] = &totals->open,
            [TOTALS_ORPHANS] = &totals->orphans,
            [TOTALS_ORDER_HIGH] = &marks->order_high,
            [TOTALS_LIFE_HIGH] = &marks->life_high,
        };
        if (key >= TOTALS_RECEIVED && key <= TOTALS_LIFE_HIGH)
            *fields[key] = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

enum result ledger_totals_get(struct kv_transaction *transaction, struct ledger_totals *totals,
                              struct ledger_marks *marks)
{
    struct slice value;
    *totals = (struct ledger_totals){0};
    *marks = (struct ledger_marks){0};
    enum result result = kv_get(transaction, LEDGER_META, slice_of_text(totals_name), &value);
    if (result == ERR_MISSING)
        return OK;
    return result == OK ? totals_decode(value, totals, marks) : result;
}

static enum result totals_put(struct kv_transaction *transaction, const struct ledger_totals *totals,
                              const struct ledger_marks *marks)
{
    uint8_t memory[VALUE_MAX];
    struct cbor_writer writer;
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, TOTALS_RECEIVED, totals->received);
    cbor_put_uint(&writer, TOTALS_BYTES, totals->bytes);
    cbor_put_uint(&writer, TOTALS_DROPPED, totals->dropped);
    cbor_put_uint(&writer, TOTALS_SETTLED, totals->settled);
    cbor_put_uint(&writer, TOTALS_OPEN, totals->open);
    cbor_put_uint(&writer, TOTALS_ORPHANS, totals->orphans);
    cbor_put_uint(&writer, TOTALS_ORDER_HIGH, marks->order_high);
    cbor_put_uint(&writer, TOTALS_LIFE_HIGH, marks->life_high);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, LEDGER_META, slice_of_text(totals_name), cbor_writer_slice(&writer), KV_PLAIN);
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
    struct cbor_reader reader;
    int64_t field;
    if (key.length != 4)
        return ERR_FORMAT;
    *day = (struct ledger_day){.day = number_of(key)};
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        uint64_t *fields[] = {
            [DAY_RECEIVED] = &day->received,
            [DAY_BYTES] = &day->bytes,
            [DAY_DROPPED] = &day->dropped,
            [DAY_SETTLED] = &day->settled,
        };
        if (field >= DAY_RECEIVED && field <= DAY_SETTLED)
            *fields[field] = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

static enum result day_put(struct kv_transaction *transaction, const struct ledger_day *day)
{
    uint8_t key[4];
    uint8_t memory[VALUE_MAX];
    struct cbor_writer writer;
    number_put(key, day->day);
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, DAY_RECEIVED, day->received);
    cbor_put_uint(&writer, DAY_BYTES, day->bytes);
    cbor_put_uint(&writer, DAY_DROPPED, day->dropped);
    cbor_put_uint(&writer, DAY_SETTLED, day->settled);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, LEDGER_DAY, slice_of(key, sizeof key), cbor_writer_slice(&writer), KV_PLAIN);
}

enum result ledger_archive_decode(struct slice key, struct slice value, struct ledger_archive *archive)
{
    struct cbor_reader reader;
    int64_t field;
    if (key.length != 4)
        return ERR_FORMAT;
    *archive = (struct ledger_archive){.archive = number_of(key)};
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &field)) {
        if (field == ARCHIVE_ATTEMPTS)
            archive->attempts = cbor_take_uint(&reader, UINT64_MAX);
        else if (field > ARCHIVE_STATES && field < ARCHIVE_STATES + DELIVERY_STATES)
            archive->states[field - ARCHIVE_STATES] = cbor_take_uint(&reader, UINT64_MAX);
    }
    return cbor_reader_result(&reader);
}

static enum result archive_put(struct kv_transaction *transaction, const struct ledger_archive *archive)
{
    uint8_t key[4];
    uint8_t memory[VALUE_MAX];
    struct cbor_writer writer;
    number_put(key, archive->archive);
    cbor_writer_init(&writer, memory, sizeof memory);
    cbor_add_map(&writer);
    cbor_put_uint(&writer, ARCHIVE_ATTEMPTS, archive->attempts);
    for (unsigned state = 1; state < DELIVERY_STATES; state++)
        cbor_put_uint(&writer, ARCHIVE_STATES + (int64_t)state, archive->states[state]);
    cbor_end(&writer);
    ensure(cbor_writer_result(&writer) == OK);
    return kv_put(transaction, LEDGER_ARCHIVE, slice_of(key, sizeof key), cbor_writer_slice(&writer),
                  KV_PLAIN);
}

// ---- differences

struct ledger_day *ledger_deltas_day(struct ledger_deltas *deltas, uint64_t time)
{
    uint32_t day = (uint32_t)(time / NSEC_PER_DAY);
    for (size_t i = 0; i < deltas->day_count; i++)
        if (deltas->days[i].day == day)
            return &deltas->days[i];
    struct ledger_day *larger = realloc(deltas->days, (deltas->day_count + 1) * sizeof *larger);
    if (larger == NULL)
        return NULL;
    deltas->days = larger;
    larger[deltas->day_count] = (struct ledger_day){.day = day};
    return &larger[deltas->day_count++];
}

struct ledger_archive *ledger_deltas_archive(struct ledger_deltas *deltas, uint32_t archive)
{
    for (size_t i = 0; i < deltas->archive_count; i++)
        if (deltas->archives[i].archive == archive)
            return &deltas->archives[i];
    struct ledger_archive *larger = realloc(deltas->archives, (deltas->archive_count + 1) * sizeof *larger);
    if (larger == NULL)
        return NULL;
    deltas->archives = larger;
    larger[deltas->archive_count] = (struct ledger_archive){.archive = archive};
    return &larger[deltas->archive_count++];
}

static enum result totals_write(struct kv_transaction *transaction, const struct ledger_totals *delta,
                                const struct ledger_marks *marks)
{
    struct ledger_totals totals;
    struct ledger_marks old;
    enum result result = ledger_totals_get(transaction, &totals, &old);
    if (result != OK)
        return result;
    totals.received += delta->received;
    totals.bytes += delta->bytes;
    totals.dropped += delta->dropped;
    totals.settled += delta->settled;
    totals.open += delta->open;
    totals.orphans += delta->orphans;
    return totals_put(transaction, &totals, marks);
}

static enum result day_write(struct kv_transaction *transaction, const struct ledger_day *delta)
{
    uint8_t key[4];
    struct slice value;
    struct ledger_day day = {.day = delta->day};
    number_put(key, delta->day);
    enum result result = kv_get(transaction, LEDGER_DAY, slice_of(key, sizeof key), &value);
    if (result == OK)
        result = ledger_day_decode(slice_of(key, sizeof key), value, &day);
    if (result != OK && result != ERR_MISSING)
        return result;
    day.received += delta->received;
    day.bytes += delta->bytes;
    day.dropped += delta->dropped;
    day.settled += delta->settled;
    return day_put(transaction, &day);
}

static enum result archive_write(struct kv_transaction *transaction, const struct ledger_archive *delta)
{
    uint8_t key[4];
    struct slice value;
    struct ledger_archive archive = {.archive = delta->archive};
    number_put(key, delta->archive);
    enum result result = kv_get(transaction, LEDGER_ARCHIVE, slice_of(key, sizeof key), &value);
    if (result == OK)
        result = ledger_archive_decode(slice_of(key, sizeof key), value, &archive);
    if (result != OK && result != ERR_MISSING)
        return result;
    archive.attempts += delta->attempts;
    for (unsigned state = 1; state < DELIVERY_STATES; state++)
        archive.states[state] += delta->states[state];
    return archive_put(transaction, &archive);
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
