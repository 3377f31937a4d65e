// SPDX-License-Identifier: Apache-2.0
//
// The ledger writer's life: opening, the batch of touched facts, streams and their positions.
// Thread: the ledger thread; at start the main thread.
#include "store/ledger.h"
#include "base/check.h"
#include "base/grow.h"
#include "base/magic.h"
#include "cbor/reader.h"
#include "cbor/writer.h"
#include "ledger_internal.h"
#include <stdlib.h>

#define BATCH_DEFAULT 1000
#define BATCH_MAX     100000

static const struct kv_database databases[LEDGER_DATABASES] = {
    [LEDGER_FACT] = {"fact", false, 0},
    [LEDGER_SOP] = {"sop", true, FACT_KEY_SIZE},
    [LEDGER_STUDY] = {"study", true, FACT_KEY_SIZE},
    [LEDGER_OPEN] = {"open", false, 0},
    [LEDGER_META] = {"meta", false, 0},
    [LEDGER_DAY] = {"day", false, 0},
    [LEDGER_ARCHIVE] = {"archive", false, 0},
    [LEDGER_EVIDENCE] = {"evidence", false, 0},
    [LEDGER_WRITER] = {"writer", false, 0},
    [LEDGER_PATIENT] = {"patient", false, 0},
};

const struct kv_schema ledger_schema = {"ledger", databases, LEDGER_DATABASES};

bool ledger_state_is_open(enum fact_state state)
{
    return state == FACT_RECEIVED || state == FACT_ORPHAN || state == FACT_DURABLE;
}

// ---- streams

enum stream_key {
    STREAM_SEGMENT = 1,
    STREAM_OFFSET = 2,
    STREAM_RECEIPT_HIGH = 3,
    STREAM_RECEIPT_LIMIT = 4,
    STREAM_SEGMENT_HIGH = 5,
};

static struct ledger_stream *stream_find(const struct ledger_writer *writer, uint16_t number)
{
    for (size_t i = 0; i < writer->stream_count; i++)
        if (writer->streams[i].number == number)
            return &writer->streams[i];
    return NULL;
}

enum result ledger_stream_get(struct ledger_writer *writer, uint16_t number, struct ledger_stream **stream)
{
    *stream = stream_find(writer, number);
    if (*stream != NULL)
        return OK;
    enum result result = ARRAY_GROW(writer->streams, writer->stream_capacity, writer->stream_count + 1);
    if (result != OK)
        return result;
    struct ledger_stream *streams = writer->streams;
    size_t at = writer->stream_count++;
    for (; at > 0 && streams[at - 1].number > number; at--)
        streams[at] = streams[at - 1];
    streams[at] =
        (struct ledger_stream){.number = number, .applied.stream = number, .committed.stream = number};
    *stream = &streams[at];
    return OK;
}

enum result ledger_streams_encode(const struct ledger_writer *writer, uint8_t *out, size_t capacity,
                                  struct slice *encoded)
{
    struct cbor_writer cbor;
    cbor_writer_init(&cbor, out, capacity);
    cbor_add_map(&cbor);
    for (size_t i = 0; i < writer->stream_count; i++) {
        const struct ledger_stream *stream = &writer->streams[i];
        cbor_put_map(&cbor, stream->number);
        cbor_put_uint(&cbor, STREAM_SEGMENT, stream->applied.segment);
        cbor_put_uint(&cbor, STREAM_OFFSET, stream->applied.offset);
        cbor_put_uint(&cbor, STREAM_RECEIPT_HIGH, stream->receipt_high);
        cbor_put_uint(&cbor, STREAM_RECEIPT_LIMIT, stream->receipt_limit);
        cbor_put_uint(&cbor, STREAM_SEGMENT_HIGH, stream->segment_high);
        cbor_end(&cbor);
    }
    cbor_end(&cbor);
    enum result result = cbor_writer_result(&cbor);
    if (result == OK)
        *encoded = cbor_writer_slice(&cbor);
    return result;
}

static void stream_decode(struct cbor_reader *reader, struct ledger_stream *stream)
{
    int64_t key;
    cbor_enter_map(reader);
    while (cbor_next_key(reader, &key)) {
        switch (key) {
        case STREAM_SEGMENT:
            stream->applied.segment = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
            break;
        case STREAM_OFFSET:
            stream->applied.offset = cbor_take_uint(reader, UINT64_MAX);
            break;
        case STREAM_RECEIPT_HIGH:
            stream->receipt_high = cbor_take_uint(reader, UINT64_MAX);
            break;
        case STREAM_RECEIPT_LIMIT:
            stream->receipt_limit = cbor_take_uint(reader, UINT64_MAX);
            break;
        case STREAM_SEGMENT_HIGH:
            stream->segment_high = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
            break;
        default:
            break;
        }
    }
    stream->committed = stream->applied;
}

enum result ledger_streams_decode(struct ledger_writer *writer, struct slice value)
{
    struct cbor_reader reader;
    int64_t number;
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &number)) {
        struct ledger_stream *stream = NULL;
        if (number < 0 || number > UINT16_MAX)
            return ERR_FORMAT;
        enum result result = ledger_stream_get(writer, (uint16_t)number, &stream);
        if (result != OK)
            return result;
        stream_decode(&reader, stream);
    }
    return cbor_reader_result(&reader);
}

// ---- opening

static enum result schema_check(struct kv_transaction *transaction)
{
    struct slice value;
    struct cbor_reader reader;
    int64_t key;
    uint64_t version = 0;
    enum result result = kv_get(transaction, LEDGER_META, slice_of_text("schema"), &value);
    if (result == ERR_MISSING)
        return OK; // new: the first commit writes it
    if (result != OK)
        return result;
    cbor_reader_init(&reader, value);
    cbor_enter_map(&reader);
    while (cbor_next_key(&reader, &key))
        if (key == 1)
            version = cbor_take_uint(&reader, UINT32_MAX);
    result = cbor_reader_result(&reader);
    return result == OK && version != LEDGER_SCHEMA_VERSION ? ERR_FORMAT : result;
}

static enum result live_load(struct ledger_writer *writer, struct kv_transaction *transaction)
{
    struct kv_cursor cursor;
    enum result result = kv_cursor_init(&cursor, transaction, LEDGER_OPEN);
    if (result == OK)
        result = kv_cursor_first(&cursor);
    while (result == OK) {
        struct ledger_fact fact;
        fact_init(&fact);
        result = fact_decode(fact_key_get(cursor.key), cursor.value, FACT_HEAD, &fact);
        if (result == OK)
            ledger_live_add(&writer->live, ledger_span_of(&fact));
        fact_fini(&fact);
        if (result == OK)
            result = kv_cursor_next(&cursor);
    }
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result state_load(struct ledger_writer *writer)
{
    struct kv_transaction transaction;
    struct ledger_totals totals;
    struct slice value;
    enum result result = kv_begin(writer->env, KV_READ, &transaction);
    if (result == OK)
        result = schema_check(&transaction);
    if (result == OK)
        result = ledger_totals_get(&transaction, &totals, &writer->stored);
    if (result == OK)
        result = kv_get(&transaction, LEDGER_META, slice_of_text("streams"), &value);
    if (result == OK)
        result = ledger_streams_decode(writer, value);
    if (result == OK || result == ERR_MISSING)
        result = live_load(writer, &transaction);
    kv_abort(&transaction);
    writer->marks = writer->stored;
    return result;
}

static enum result batch_alloc(struct ledger_writer *writer)
{
    size_t slots = 64;
    while (slots < writer->limit * 4)
        slots *= 2;
    writer->slot_mask = slots - 1;
    writer->slots = calloc(slots, sizeof *writer->slots);
    writer->touched = calloc(writer->limit, sizeof(struct ledger_touched *));
    writer->scratch = malloc(FACT_ENCODED_MAX);
    return writer->slots != NULL && writer->touched != NULL && writer->scratch != NULL ? OK : ERR_NOMEM;
}

enum result ledger_writer_new(struct kv_env *env, struct journal *journal,
                              const struct ledger_options *options, const struct ledger_listener *listener,
                              struct ledger_writer **writer)
{
    struct ledger_writer *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, LEDGER_WRITER_MAGIC);
    made->env = env;
    made->journal = journal;
    made->limit = options != NULL && options->batch_receipts > 0 ? options->batch_receipts : BATCH_DEFAULT;
    ensure(made->limit <= BATCH_MAX);
    if (listener != NULL)
        made->listener = *listener;
    enum result result = batch_alloc(made);
    if (result == OK)
        result = state_load(made);
    if (result != OK) {
        ledger_writer_free(&made);
        return result;
    }
    *writer = made;
    return OK;
}

void ledger_writer_free(struct ledger_writer **writer)
{
    struct ledger_writer *gone = *writer;
    if (gone == NULL)
        return;
    MAGIC_CHECK(gone, LEDGER_WRITER_MAGIC);
    *writer = NULL;
    ledger_reading_end(gone);
    if (gone->slots != NULL && gone->touched != NULL)
        ledger_batch_clear(gone);
    for (size_t i = 0; i < gone->stream_count; i++)
        if (gone->streams[i].reader != NULL)
            journal_reader_free(gone->streams[i].reader);
    ledger_forward_free(gone->forward);
    ledger_live_fini(&gone->live);
    ledger_pending_fini(gone);
    free(gone->streams);
    free(gone->slots);
    free(gone->touched);
    free(gone->scratch);
    MAGIC_CLEAR(gone);
    free(gone);
}

// ---- the batch

void ledger_reading_end(struct ledger_writer *writer)
{
    if (writer->is_reading)
        kv_abort(&writer->read);
    writer->is_reading = false;
}

static void touched_free(struct ledger_touched *touched)
{
    fact_fini(&touched->fact);
    free(touched->deliveries);
    free(touched);
}

void ledger_batch_clear(struct ledger_writer *writer)
{
    for (size_t i = 0; i < writer->touched_count; i++)
        touched_free(writer->touched[i]);
    writer->touched_count = 0;
    ledger_pending_clear(writer);
    memset(writer->slots, 0, (writer->slot_mask + 1) * sizeof *writer->slots);
}

// The slot of a receipt, or the empty one where it belongs.
static size_t slot_find(const struct ledger_writer *writer, uint64_t receipt)
{
    // Receipt numbers are our own and nearly consecutive; the multiplier spreads them (Knuth, TAOCP 6.4).
    size_t slot = (size_t)(receipt * 0x9e3779b97f4a7c15u >> 32) & writer->slot_mask;
    while (writer->slots[slot] != 0 && writer->touched[writer->slots[slot] - 1]->fact.receipt != receipt)
        slot = (slot + 1) & writer->slot_mask;
    return slot;
}

void ledger_slots_rebuild(struct ledger_writer *writer)
{
    memset(writer->slots, 0, (writer->slot_mask + 1) * sizeof *writer->slots);
    for (size_t i = 0; i < writer->touched_count; i++)
        writer->slots[slot_find(writer, writer->touched[i]->fact.receipt)] = (uint32_t)i + 1;
}

enum result ledger_fact_load(struct kv_transaction *transaction, uint64_t receipt, struct ledger_fact *fact)
{
    uint8_t key[FACT_KEY_SIZE];
    struct slice value;
    fact_key_put(key, receipt);
    enum result result = kv_get(transaction, LEDGER_OPEN, slice_of(key, sizeof key), &value);
    if (result == ERR_MISSING)
        result = kv_get(transaction, LEDGER_FACT, slice_of(key, sizeof key), &value);
    return result == OK ? fact_decode(receipt, value, FACT_WHOLE, fact) : result;
}

// Notes what the store holds, for the differences at commit.
static enum result before_note(struct ledger_touched *touched)
{
    const struct ledger_fact *fact = &touched->fact;
    touched->before = fact->state;
    touched->span = ledger_span_of(fact);
    if (fact->delivery_count == 0)
        return OK;
    touched->deliveries = calloc(fact->delivery_count, sizeof *touched->deliveries);
    if (touched->deliveries == NULL)
        return ERR_NOMEM;
    touched->delivery_count = fact->delivery_count;
    for (size_t i = 0; i < fact->delivery_count; i++) {
        const struct fact_delivery *delivery = &fact->deliveries[i];
        touched->deliveries[i] =
            (struct before_delivery){delivery->archive, delivery->owed, delivery->state, delivery->attempts};
    }
    return OK;
}

static enum result stored_load(struct ledger_writer *writer, struct ledger_touched *touched)
{
    const struct ledger_stream *stream = stream_find(writer, journal_receipt_stream(touched->fact.receipt));
    if (stream == NULL || touched->fact.receipt > stream->receipt_high)
        return OK; // never heard of it: the store has nothing either
    enum result result = OK;
    if (!writer->is_reading) {
        result = kv_begin(writer->env, KV_READ, &writer->read);
        writer->is_reading = result == OK;
    }
    if (result == OK)
        result = ledger_fact_load(&writer->read, touched->fact.receipt, &touched->fact);
    if (result == OK)
        result = before_note(touched);
    return result == ERR_MISSING ? OK : result;
}

enum result ledger_touch(struct ledger_writer *writer, uint64_t receipt, struct ledger_touched **touched)
{
    struct ledger_stream *stream = NULL;
    size_t slot = slot_find(writer, receipt);
    if (writer->slots[slot] != 0) {
        *touched = writer->touched[writer->slots[slot] - 1];
        return OK;
    }
    if (writer->touched_count == writer->limit)
        return AGAIN;
    struct ledger_touched *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    made->fact.receipt = receipt;
    enum result result = stored_load(writer, made);
    if (result == OK)
        result = ledger_stream_get(writer, journal_receipt_stream(receipt), &stream);
    if (result != OK) {
        touched_free(made);
        return result;
    }
    if (receipt > stream->receipt_high)
        stream->receipt_high = receipt;
    writer->touched[writer->touched_count++] = made;
    writer->slots[slot] = (uint32_t)writer->touched_count;
    *touched = made;
    return OK;
}

// ---- what others ask

size_t ledger_floors_get(const struct ledger_writer *writer, struct journal_floor *floors, size_t max)
{
    for (size_t i = 0; i < writer->stream_count && i < max; i++) {
        const struct ledger_stream *stream = &writer->streams[i];
        uint64_t receipt = stream->receipt_limit;
        if (stream->receipt_high != 0 && receipt <= stream->receipt_high)
            receipt = stream->receipt_high + 1;
        uint32_t segment = stream->segment_high > stream->committed.segment ? stream->segment_high
                                                                            : stream->committed.segment;
        floors[i] = (struct journal_floor){
            .stream = stream->number, .ledger = stream->committed, .segment = segment, .receipt = receipt};
    }
    return writer->stream_count;
}

uint64_t ledger_life_floor(const struct ledger_writer *writer)
{
    return writer->marks.life_high;
}

bool ledger_position_get(const struct ledger_writer *writer, uint16_t stream,
                         struct journal_position *position)
{
    const struct ledger_stream *found = stream_find(writer, stream);
    if (found == NULL || found->committed.segment == 0)
        return false;
    *position = found->committed;
    return true;
}

size_t ledger_live_count(const struct ledger_writer *writer, uint16_t stream, uint32_t segment)
{
    return ledger_live_get(&writer->live, stream, segment);
}

enum result ledger_place_get(struct ledger_writer *writer, uint64_t receipt, struct journal_position *open,
                             struct journal_position *close)
{
    struct kv_transaction transaction;
    struct ledger_fact fact;
    enum result result = kv_begin(writer->env, KV_READ, &transaction);
    if (result != OK)
        return result;
    fact_init(&fact);
    result = ledger_fact_load(&transaction, receipt, &fact);
    kv_abort(&transaction);
    if (result == OK && fact.state != FACT_DURABLE)
        result = ERR_MISSING;
    if (result == OK) {
        *open = fact.open;
        *close = fact.close;
    }
    fact_fini(&fact);
    return result;
}

const struct ledger_writer_counters *ledger_writer_counters_get(const struct ledger_writer *writer)
{
    return &writer->counters;
}
