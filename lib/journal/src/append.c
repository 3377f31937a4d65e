// SPDX-License-Identifier: Apache-2.0
// Receipts and records of the writer side: numbers, bodies, sealing into the buffer. Thread: the worker's.
#include <stdlib.h>

#include "base/check.h"
#include "base/grow.h"
#include "base/wipe.h"
#include "cbor/writer.h"
#include "stream_state.h"

struct append {
    enum journal_record_type type;
    uint64_t receipt;
    uint32_t chunk;
    const struct slice *parts;
    size_t count;
};

static bool is_bulk(enum journal_record_type type)
{
    return type == JOURNAL_OPEN || type == JOURNAL_DATA || type == JOURNAL_CLOSE;
}

// Into the active segment, which has room for it.
static enum result record_put(struct journal_stream *stream, const struct append *append, uint32_t length,
                              struct journal_place *place)
{
    uint32_t size = journal_record_size(length);
    struct journal_header header = {
        .version = JOURNAL_FORMAT_VERSION,
        .type = (uint8_t)append->type,
        .length = length,
        .stream = stream->number,
        .segment = stream->active->number,
        .chunk = append->chunk,
        .receipt = append->receipt,
        .offset = stream->offset,
    };
    enum result result = stream_buffer_ready(stream, size);
    if (result != OK)
        return result;
    struct journal_buffer *buffer = stream->buffer;
    if (stream->offset == JOURNAL_PAGE_SIZE)
        stream_age_begin(stream);
    result = segment_record_seal(stream->seal_cipher, stream->active->key, &header, append->parts,
                                 append->count, buffer->bytes + buffer->length);
    if (result != OK)
        return result; // the nonce is spent, the place in the buffer is not
    buffer->length += size;
    buffer->sync = buffer->sync || append->type == JOURNAL_CLOSE;
    buffer->lazy = buffer->lazy || !is_bulk(append->type);
    place->position = (struct journal_position){stream->number, stream->active->number, stream->offset};
    place->length = length;
    stream->offset += size;
    stream->ticket += size;
    buffer->ticket = stream->ticket;
    place->ticket = stream->ticket;
    ev_task_defer(&stream->flush);
    return OK;
}

// First in a new segment stands which ones died before it: without that their tails would look like
// corruption once a later CLOSE has told that the stream is durable beyond them.
void stream_deaths_append(struct journal_stream *stream)
{
    uint8_t body[STREAM_DEATHS * 24 + 8];
    struct cbor_writer w;
    struct journal_place place;
    bool told = true;
    for (uint32_t i = 0; i < stream->death_count; i++)
        told = told && stream->deaths[i].ticket != 0;
    if (told)
        return;
    cbor_writer_init(&w, body, sizeof body);
    cbor_add_array(&w);
    for (uint32_t i = 0; i < stream->death_count; i++) {
        cbor_add_uint(&w, stream->deaths[i].segment);
        cbor_add_uint(&w, stream->deaths[i].end);
    }
    cbor_end(&w);
    ensure(cbor_writer_result(&w) == OK);
    struct slice part = cbor_writer_slice(&w);
    struct append append = {.type = JOURNAL_DEATH, .parts = &part, .count = 1};
    uint32_t size = journal_record_size((uint32_t)part.length);
    if (stream->active->size - stream->offset < size ||
        record_put(stream, &append, (uint32_t)part.length, &place) != OK)
        return; // the next record tries again
    for (uint32_t i = 0; i < stream->death_count; i++)
        stream->deaths[i].ticket = place.ticket;
}

static enum result stream_append(struct journal_stream *stream, const struct append *append,
                                 struct journal_place *place)
{
    size_t length = 0;
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    for (size_t i = 0; i < append->count; i++) {
        if (append->parts[i].length > JOURNAL_BODY_MAX - length)
            return ERR_LIMIT;
        length += append->parts[i].length;
    }
    uint32_t size = journal_record_size((uint32_t)length);
    bool bulk = is_bulk(append->type);
    enum result result = stream_segment_ready(stream, size, bulk);
    if (result != OK)
        return result;
    if (stream->death_count > 0) {
        stream_deaths_append(stream);
        result = stream_segment_ready(stream, size, bulk); // it may have taken the last room
    }
    return result == OK ? record_put(stream, append, (uint32_t)length, place) : result;
}

// A body that was encoded into the scratch memory, which is wiped: it may name a patient.
static enum result append_encoded(struct journal_stream *stream, enum journal_record_type type,
                                  uint64_t receipt, size_t length, struct journal_place *place)
{
    struct slice part = slice_of(stream->scratch, length);
    struct append append = {.type = type, .receipt = receipt, .parts = &part, .count = 1};
    enum result result = stream_append(stream, &append, place);
    wipe(stream->scratch, length);
    return result;
}

// ---- receipts ----

enum result journal_receipt_begin(struct journal_stream *stream, struct journal_receipt *receipt)
{
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    uint32_t least = journal_record_size(1);
    if (stream->active != NULL && stream->receipt_next == stream->active->receipt_limit)
        least = (uint32_t)stream->active->size; // all its numbers are taken: it is as good as full
    enum result result = stream_segment_ready(stream, least, true);
    if (result != OK)
        return result;
    ensure(stream->receipt_next < stream->active->receipt_limit);
    *receipt =
        (struct journal_receipt){.number = stream->receipt_next++, .generation = stream->reached.generation};
    return OK;
}

void journal_receipt_end(struct journal_receipt *receipt)
{
    free(receipt->index);
    receipt->index = NULL;
    receipt->index_capacity = 0;
    receipt->chunks = 0;
}

struct slice receipt_index(const struct journal_receipt *receipt)
{
    return slice_of(receipt->index, (size_t)receipt->chunks * JOURNAL_INDEX_ENTRY);
}

bool journal_receipt_is_whole(const struct journal_stream *stream, const struct journal_receipt *receipt)
{
    return receipt->generation == stream->reached.generation;
}

static enum result index_grow(struct journal_receipt *receipt)
{
    if (receipt->chunks == JOURNAL_CHUNKS_MAX)
        return ERR_LIMIT;
    return ARRAY_GROW(receipt->index, receipt->index_capacity, (receipt->chunks + 1) * JOURNAL_INDEX_ENTRY);
}

// ---- records ----

enum result journal_append_open(struct journal_stream *stream, struct journal_receipt *receipt,
                                const struct record_open *open, struct journal_place *place)
{
    size_t length;
    if (!journal_receipt_is_whole(stream, receipt))
        return ERR_IO;
    enum result result = record_open_encode(open, stream->scratch, JOURNAL_BODY_MAX, &length);
    if (result == OK)
        result = append_encoded(stream, JOURNAL_OPEN, receipt->number, length, place);
    if (result == OK)
        receipt->opened = place->position;
    return result;
}

enum result journal_append_data(struct journal_stream *stream, struct journal_receipt *receipt,
                                const struct slice *parts, size_t count, struct journal_place *place)
{
    struct append append = {JOURNAL_DATA, receipt->number, receipt->chunks, parts, count};
    if (!journal_receipt_is_whole(stream, receipt))
        return ERR_IO;
    enum result result = index_grow(receipt);
    if (result == OK)
        result = stream_append(stream, &append, place);
    if (result != OK)
        return result;
    journal_index_put(receipt->index + (size_t)receipt->chunks * JOURNAL_INDEX_ENTRY, place->position);
    receipt->chunks++;
    return OK;
}

enum result journal_append_close(struct journal_stream *stream, struct journal_receipt *receipt,
                                 struct record_close *close, struct journal_place *place)
{
    size_t length;
    if (!journal_receipt_is_whole(stream, receipt))
        return ERR_IO;
    close->order = journal_order_next(stream->journal);
    close->durable = stream->reached.durable_at;
    close->opened = receipt->opened;
    close->index = receipt_index(receipt);
    enum result result = record_close_encode(close, stream->scratch, JOURNAL_BODY_MAX, &length);
    if (result != OK)
        return result;
    return append_encoded(stream, JOURNAL_CLOSE, receipt->number, length, place);
}

enum result journal_append_drop(struct journal_stream *stream, uint64_t receipt,
                                const struct record_drop *drop, struct journal_place *place)
{
    size_t length;
    enum result result = record_drop_encode(drop, stream->scratch, JOURNAL_BODY_MAX, &length);
    return result == OK ? append_encoded(stream, JOURNAL_DROP, receipt, length, place) : result;
}

enum result journal_append_sent(struct journal_stream *stream, uint64_t receipt,
                                const struct record_sent *sent, struct journal_place *place)
{
    size_t length;
    enum result result = record_sent_encode(sent, stream->scratch, JOURNAL_BODY_MAX, &length);
    return result == OK ? append_encoded(stream, JOURNAL_SENT, receipt, length, place) : result;
}

enum result journal_append_outcome(struct journal_stream *stream, const struct record_outcome *outcome,
                                   struct journal_place *place)
{
    size_t length;
#if DG_FAULT_OUTCOME_LOST
    if (outcome->kind == RECORD_ANSWERED && outcome->receipt % 4 == 0) {
        *place = (struct journal_place){journal_stream_end(stream), 0, stream->ticket};
        return OK;
    }
#endif
    enum result result = record_outcome_encode(outcome, stream->scratch, JOURNAL_BODY_MAX, &length);
    return result == OK ? append_encoded(stream, JOURNAL_OUTCOME, outcome->receipt, length, place) : result;
}
