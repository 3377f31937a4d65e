// SPDX-License-Identifier: Apache-2.0
//
// Facts as CBOR maps with integer keys; LEDGER.md lists them for readers without this program. What stands
// for nothing (zero, NULL) is left out. Thread: any.
#include "base/check.h"
#include "cbor/reader.h"
#include "cbor/writer.h"
#include "fact_internal.h"
#include <stdlib.h>

// Stored numbers: never change or use again.
enum fact_key {
    KEY_STATE = 1,
    KEY_ORDER = 2,
    KEY_EPOCH = 3,
    KEY_CLOSED_AT = 4,
    KEY_OPEN = 5,
    KEY_CLOSE = 6,
    KEY_SOP_HASH = 7,
    KEY_DELIVERIES = 8, // the last one of FACT_HEAD
    KEY_OPENED_AT = 9,
    KEY_SETTLED_AT = 10,
    KEY_LENGTH = 11,
    KEY_CALLING = 12,
    KEY_CALLED = 13,
    KEY_ADDRESS = 14,
    KEY_CERTIFICATE = 15,
    KEY_LISTENER = 16,
    KEY_TRANSFER_SYNTAX = 17,
    KEY_SOP_CLASS = 18,
    KEY_SOP_INSTANCE = 19,
    KEY_STUDY = 20,
    KEY_SERIES = 21,
    KEY_MODALITY = 22,
    KEY_IMPLEMENTATION = 23,
    KEY_ACKNOWLEDGEMENT = 24,
    KEY_PRIMARY = 25,
    KEY_FLAGS = 26,
    KEY_SOURCE_NODE = 27,
    KEY_DIGESTS = 28,
    KEY_DROP_REASON = 29,
    KEY_DROP_STATUS = 30,
    KEY_REMARK = 31,
    KEY_DAMAGED = 32,
    KEY_UPTO = 33,
};

enum delivery_key {
    DELIVERY_KEY_ARCHIVE = 1,
    DELIVERY_KEY_STATE = 2,
    DELIVERY_KEY_OWED = 3,
    DELIVERY_KEY_STATUS = 4,
    DELIVERY_KEY_ATTEMPTS = 5,
    DELIVERY_KEY_SENT_AT = 6,
    DELIVERY_KEY_OUTCOME_AT = 7,
    DELIVERY_KEY_SETTLED_BY = 8,
    DELIVERY_KEY_RESENT = 9,
    DELIVERY_KEY_FAILURES = 10,
    DELIVERY_KEY_REMARK = 11,
    DELIVERY_KEY_PERSON = 12,
    DELIVERY_KEY_HEADER = 13,
    DELIVERY_KEY_EDITS = 14,
    DELIVERY_KEY_PACK = 15,
    DELIVERY_KEY_CROSSWALK = 16,
    DELIVERY_KEY_RELEASED = 17,
    DELIVERY_KEY_FLAGS = 18,
};

enum digests_key {
    DIGESTS_KEY_ALGORITHM = 1,
    DIGESTS_KEY_VERSION = 2,
    DIGESTS_KEY_RANGES = 3,
    DIGESTS_KEY_INSTANCE = 4,
    DIGESTS_KEY_RECEIVED = 5,
    DIGESTS_KEY_CANONICAL = 6,
    DIGESTS_KEY_CANONICAL_UNKNOWN = 7,
};

// ---- writing

static void put_number(struct cbor_writer *writer, int64_t key, uint64_t value)
{
    if (value != 0)
        cbor_put_uint(writer, key, value);
}

static void put_text(struct cbor_writer *writer, int64_t key, const char *text)
{
    if (text != NULL)
        cbor_put_any_text(writer, key, slice_of_text(text));
}

// The stream is that of the receipt number, unless the receipt was copied forward.
static void put_position(struct cbor_writer *writer, int64_t key, uint64_t receipt,
                         struct journal_position position)
{
    if (position.segment == 0)
        return;
    cbor_put_array(writer, key);
    cbor_add_uint(writer, position.segment);
    cbor_add_uint(writer, position.offset);
    if (position.stream != journal_receipt_stream(receipt))
        cbor_add_uint(writer, position.stream);
    cbor_end(writer);
}

static void put_digest(struct cbor_writer *writer, int64_t key, const uint8_t digest[RECORD_DIGEST_SIZE])
{
    static const uint8_t zeros[RECORD_DIGEST_SIZE];
    if (memcmp(digest, zeros, sizeof zeros) != 0)
        cbor_put_bytes(writer, key, slice_of(digest, RECORD_DIGEST_SIZE));
}

static void flags_write(struct cbor_writer *writer, const struct fact_delivery *delivery)
{
    if (delivery->flags == 0)
        return;
    cbor_put_array(writer, DELIVERY_KEY_FLAGS);
    cbor_add_uint(writer, delivery->flags);
    for (size_t i = 0; i < RECORD_REASONS_MAX && delivery->flag_reason[i] != NULL; i++)
        cbor_add_any_text(writer, slice_of_text(delivery->flag_reason[i]));
    cbor_end(writer);
}

static void delivery_write(struct cbor_writer *writer, const struct fact_delivery *delivery)
{
    cbor_add_map(writer);
    cbor_put_uint(writer, DELIVERY_KEY_ARCHIVE, delivery->archive);
    cbor_put_uint(writer, DELIVERY_KEY_STATE, (uint64_t)delivery->state);
    cbor_put_bool(writer, DELIVERY_KEY_OWED, delivery->owed);
    if (delivery->has_status)
        cbor_put_uint(writer, DELIVERY_KEY_STATUS, delivery->status);
    put_number(writer, DELIVERY_KEY_ATTEMPTS, delivery->attempts);
    put_number(writer, DELIVERY_KEY_SENT_AT, delivery->sent_at);
    put_number(writer, DELIVERY_KEY_OUTCOME_AT, delivery->outcome_at);
    put_number(writer, DELIVERY_KEY_SETTLED_BY, delivery->settled_by);
    if (delivery->resent)
        cbor_put_bool(writer, DELIVERY_KEY_RESENT, true);
    put_number(writer, DELIVERY_KEY_FAILURES, delivery->failures);
    if (delivery->is_released)
        cbor_put_bool(writer, DELIVERY_KEY_RELEASED, true);
    put_text(writer, DELIVERY_KEY_REMARK, delivery->remark);
    put_text(writer, DELIVERY_KEY_PERSON, delivery->person);
    if (delivery->has_header) {
        cbor_put_bytes(writer, DELIVERY_KEY_HEADER, slice_of(delivery->header, RECORD_DIGEST_SIZE));
        put_digest(writer, DELIVERY_KEY_EDITS, delivery->edits);
        put_digest(writer, DELIVERY_KEY_PACK, delivery->pack);
        put_number(writer, DELIVERY_KEY_CROSSWALK, delivery->crosswalk);
    }
    flags_write(writer, delivery);
    cbor_end(writer);
}

static void digests_write(struct cbor_writer *writer, const struct fact_digests *digests)
{
    if (digests->present == 0)
        return;
    cbor_put_map(writer, KEY_DIGESTS);
    cbor_put_uint(writer, DIGESTS_KEY_ALGORITHM, digests->algorithm);
    cbor_put_uint(writer, DIGESTS_KEY_VERSION, digests->version);
    if (digests->present & RECORD_HAS_RANGES) {
        cbor_put_array(writer, DIGESTS_KEY_RANGES);
        for (unsigned i = 0; i < 3; i++) {
            cbor_add_uint(writer, digests->range[i].length);
            cbor_add_bytes(writer, slice_of(digests->range[i].digest, RECORD_DIGEST_SIZE));
        }
        cbor_end(writer);
    }
    if (digests->present & RECORD_HAS_INSTANCE)
        cbor_put_bytes(writer, DIGESTS_KEY_INSTANCE, slice_of(digests->instance, RECORD_DIGEST_SIZE));
    if (digests->present & RECORD_HAS_RECEIVED)
        cbor_put_bytes(writer, DIGESTS_KEY_RECEIVED, slice_of(digests->received, RECORD_DIGEST_SIZE));
    if (digests->present & RECORD_HAS_CANONICAL)
        cbor_put_bytes(writer, DIGESTS_KEY_CANONICAL, slice_of(digests->canonical, RECORD_DIGEST_SIZE));
    if (digests->present & RECORD_HAS_CANONICAL_UNKNOWN)
        cbor_put_bytes(writer, DIGESTS_KEY_CANONICAL_UNKNOWN,
                       slice_of(digests->canonical_unknown, RECORD_DIGEST_SIZE));
    cbor_end(writer);
}

static void head_write(struct cbor_writer *writer, const struct ledger_fact *fact)
{
    cbor_put_uint(writer, KEY_STATE, (uint64_t)fact->state);
    put_number(writer, KEY_ORDER, fact->order);
    put_number(writer, KEY_EPOCH, fact->epoch);
    put_number(writer, KEY_CLOSED_AT, fact->closed_at);
    if (fact->state != FACT_SETTLED && fact->state != FACT_DROPPED) {
        put_position(writer, KEY_OPEN, fact->receipt, fact->open);
        put_position(writer, KEY_CLOSE, fact->receipt, fact->close);
        if (fact->sop_instance != NULL)
            cbor_put_bytes(writer, KEY_SOP_HASH, slice_of(fact->sop_hash, FACT_SOP_HASH_SIZE));
        put_number(writer, KEY_LENGTH, fact->length);
    }
    if (fact->delivery_count == 0)
        return;
    cbor_put_array(writer, KEY_DELIVERIES);
    for (size_t i = 0; i < fact->delivery_count; i++)
        delivery_write(writer, &fact->deliveries[i]);
    cbor_end(writer);
}

static void tail_write(struct cbor_writer *writer, const struct ledger_fact *fact)
{
    put_number(writer, KEY_OPENED_AT, fact->opened_at);
    put_number(writer, KEY_SETTLED_AT, fact->settled_at);
    if (fact->state == FACT_SETTLED || fact->state == FACT_DROPPED)
        put_number(writer, KEY_LENGTH, fact->length); // else it stands in the head
    put_text(writer, KEY_CALLING, fact->calling);
    put_text(writer, KEY_CALLED, fact->called);
    put_text(writer, KEY_ADDRESS, fact->address);
    put_text(writer, KEY_CERTIFICATE, fact->certificate);
    put_text(writer, KEY_LISTENER, fact->listener);
    put_text(writer, KEY_TRANSFER_SYNTAX, fact->transfer_syntax);
    put_text(writer, KEY_SOP_CLASS, fact->sop_class);
    put_text(writer, KEY_SOP_INSTANCE, fact->sop_instance);
    put_text(writer, KEY_STUDY, fact->study);
    put_text(writer, KEY_SERIES, fact->series);
    put_text(writer, KEY_MODALITY, fact->modality);
    put_text(writer, KEY_IMPLEMENTATION, fact->implementation);
    put_number(writer, KEY_ACKNOWLEDGEMENT, fact->acknowledgement);
    put_number(writer, KEY_PRIMARY, fact->primary);
    put_number(writer, KEY_FLAGS, fact->flags);
    put_number(writer, KEY_SOURCE_NODE, fact->source_node);
    digests_write(writer, &fact->digests);
    put_number(writer, KEY_DROP_REASON, fact->drop_reason);
    put_number(writer, KEY_DROP_STATUS, fact->drop_status);
    put_text(writer, KEY_REMARK, fact->remark);
    put_number(writer, KEY_DAMAGED, fact->damaged);
    if (fact->upto_count == 0)
        return;
    cbor_put_array(writer, KEY_UPTO);
    for (size_t i = 0; i < fact->upto_count; i++) {
        cbor_add_uint(writer, fact->upto[i].stream);
        cbor_add_uint(writer, fact->upto[i].segment);
        cbor_add_uint(writer, fact->upto[i].offset);
    }
    cbor_end(writer);
}

enum result fact_encode(const struct ledger_fact *fact, uint8_t *out, size_t capacity, struct slice *encoded)
{
    struct cbor_writer writer;
    cbor_writer_init(&writer, out, capacity);
    cbor_add_map(&writer);
    head_write(&writer, fact);
    tail_write(&writer, fact);
    cbor_end(&writer);
    enum result result = cbor_writer_result(&writer);
    if (result == OK)
        *encoded = cbor_writer_slice(&writer);
    return result;
}

// ---- reading

static enum result take_text(struct cbor_reader *reader, char **field)
{
    return fact_text_set(field, cbor_take_any_text(reader, FACT_TEXT_MAX));
}

static struct journal_position take_position(struct cbor_reader *reader, uint64_t receipt)
{
    struct journal_position position = {.stream = journal_receipt_stream(receipt)};
    cbor_enter_array(reader);
    for (unsigned i = 0; cbor_next_item(reader); i++) {
        if (i == 0)
            position.segment = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        else if (i == 1)
            position.offset = cbor_take_uint(reader, UINT64_MAX);
        else if (i == 2)
            position.stream = (uint16_t)cbor_take_uint(reader, UINT16_MAX);
    }
    return position;
}

static enum result flags_take(struct cbor_reader *reader, struct fact_delivery *delivery)
{
    enum result result = OK;
    cbor_enter_array(reader);
    if (cbor_next_item(reader))
        delivery->flags = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
    for (size_t i = 0; result == OK && cbor_next_item(reader); i++)
        if (i < RECORD_REASONS_MAX) // more are of a newer program
            result = take_text(reader, &delivery->flag_reason[i]);
    return result;
}

static enum result delivery_field_take(struct cbor_reader *reader, int64_t key,
                                       struct fact_delivery *delivery)
{
    switch (key) {
    case DELIVERY_KEY_ARCHIVE:
        delivery->archive = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case DELIVERY_KEY_STATE:
        delivery->state = (enum delivery_state)cbor_take_uint(reader, DELIVERY_STATES - 1);
        break;
    case DELIVERY_KEY_OWED:
        delivery->owed = cbor_take_bool(reader);
        break;
    case DELIVERY_KEY_STATUS:
        delivery->has_status = true;
        delivery->status = (uint16_t)cbor_take_uint(reader, UINT16_MAX);
        break;
    case DELIVERY_KEY_ATTEMPTS:
        delivery->attempts = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case DELIVERY_KEY_SENT_AT:
        delivery->sent_at = cbor_take_uint(reader, UINT64_MAX);
        break;
    case DELIVERY_KEY_OUTCOME_AT:
        delivery->outcome_at = cbor_take_uint(reader, UINT64_MAX);
        break;
    case DELIVERY_KEY_SETTLED_BY:
        delivery->settled_by = (uint8_t)cbor_take_uint(reader, UINT8_MAX);
        break;
    case DELIVERY_KEY_RESENT:
        delivery->resent = cbor_take_bool(reader);
        break;
    case DELIVERY_KEY_RELEASED:
        delivery->is_released = cbor_take_bool(reader);
        break;
    case DELIVERY_KEY_FAILURES:
        delivery->failures = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case DELIVERY_KEY_REMARK:
        return take_text(reader, &delivery->remark);
    case DELIVERY_KEY_PERSON:
        return take_text(reader, &delivery->person);
    case DELIVERY_KEY_HEADER:
        delivery->has_header = true;
        cbor_take_exact(reader, delivery->header, RECORD_DIGEST_SIZE);
        break;
    case DELIVERY_KEY_EDITS:
        cbor_take_exact(reader, delivery->edits, RECORD_DIGEST_SIZE);
        break;
    case DELIVERY_KEY_PACK:
        cbor_take_exact(reader, delivery->pack, RECORD_DIGEST_SIZE);
        break;
    case DELIVERY_KEY_CROSSWALK:
        delivery->crosswalk = cbor_take_uint(reader, UINT64_MAX);
        break;
    case DELIVERY_KEY_FLAGS:
        return flags_take(reader, delivery);
    default:
        break;
    }
    return OK;
}

static enum result deliveries_take(struct cbor_reader *reader, struct ledger_fact *fact)
{
    cbor_enter_array(reader);
    while (cbor_next_item(reader)) {
        struct fact_delivery read = {0};
        struct fact_delivery *kept = NULL;
        enum result result = OK;
        int64_t key;
        cbor_enter_map(reader);
        while (result == OK && cbor_next_key(reader, &key))
            result = delivery_field_take(reader, key, &read);
        if (result == OK)
            result = fact_delivery_get(fact, read.archive, &kept);
        if (result == OK && kept->remark == NULL && kept->person == NULL && kept->flag_reason[0] == NULL) {
            *kept = read;
        } else { // out of memory, or an archive twice, which we never write
            fact_delivery_fini(&read);
            return result == OK ? ERR_FORMAT : result;
        }
    }
    return OK;
}

static void ranges_take(struct cbor_reader *reader, struct fact_digests *digests)
{
    cbor_enter_array(reader);
    for (unsigned i = 0; cbor_next_item(reader); i++) {
        if (i >= 6)
            continue;
        if (i % 2 == 0)
            digests->range[i / 2].length = cbor_take_uint(reader, UINT64_MAX);
        else
            cbor_take_exact(reader, digests->range[i / 2].digest, RECORD_DIGEST_SIZE);
    }
    digests->present |= RECORD_HAS_RANGES;
}

static void digests_take(struct cbor_reader *reader, struct fact_digests *digests)
{
    int64_t key;
    cbor_enter_map(reader);
    while (cbor_next_key(reader, &key)) {
        switch (key) {
        case DIGESTS_KEY_ALGORITHM:
            digests->algorithm = (uint8_t)cbor_take_uint(reader, UINT8_MAX);
            break;
        case DIGESTS_KEY_VERSION:
            digests->version = (uint8_t)cbor_take_uint(reader, UINT8_MAX);
            break;
        case DIGESTS_KEY_RANGES:
            ranges_take(reader, digests);
            break;
        case DIGESTS_KEY_INSTANCE:
            cbor_take_exact(reader, digests->instance, RECORD_DIGEST_SIZE);
            digests->present |= RECORD_HAS_INSTANCE;
            break;
        case DIGESTS_KEY_RECEIVED:
            cbor_take_exact(reader, digests->received, RECORD_DIGEST_SIZE);
            digests->present |= RECORD_HAS_RECEIVED;
            break;
        case DIGESTS_KEY_CANONICAL:
            cbor_take_exact(reader, digests->canonical, RECORD_DIGEST_SIZE);
            digests->present |= RECORD_HAS_CANONICAL;
            break;
        case DIGESTS_KEY_CANONICAL_UNKNOWN:
            cbor_take_exact(reader, digests->canonical_unknown, RECORD_DIGEST_SIZE);
            digests->present |= RECORD_HAS_CANONICAL_UNKNOWN;
            break;
        default:
            break;
        }
    }
}

// The text field of a key; NULL if the key is none of a text.
static char **text_field(struct ledger_fact *fact, int64_t key)
{
    switch (key) {
    case KEY_CALLING:
        return &fact->calling;
    case KEY_CALLED:
        return &fact->called;
    case KEY_ADDRESS:
        return &fact->address;
    case KEY_CERTIFICATE:
        return &fact->certificate;
    case KEY_LISTENER:
        return &fact->listener;
    case KEY_TRANSFER_SYNTAX:
        return &fact->transfer_syntax;
    case KEY_SOP_CLASS:
        return &fact->sop_class;
    case KEY_SOP_INSTANCE:
        return &fact->sop_instance;
    case KEY_STUDY:
        return &fact->study;
    case KEY_SERIES:
        return &fact->series;
    case KEY_MODALITY:
        return &fact->modality;
    case KEY_IMPLEMENTATION:
        return &fact->implementation;
    case KEY_REMARK:
        return &fact->remark;
    default:
        return NULL;
    }
}

static enum result head_field_take(struct cbor_reader *reader, int64_t key, struct ledger_fact *fact)
{
    switch (key) {
    case KEY_STATE:
        fact->state = (enum fact_state)cbor_take_uint(reader, FACT_ORPHAN);
        break;
    case KEY_ORDER:
        fact->order = cbor_take_uint(reader, UINT64_MAX);
        break;
    case KEY_EPOCH:
        fact->epoch = cbor_take_uint(reader, UINT64_MAX);
        break;
    case KEY_CLOSED_AT:
        fact->closed_at = cbor_take_uint(reader, UINT64_MAX);
        break;
    case KEY_OPEN:
        fact->open = take_position(reader, fact->receipt);
        break;
    case KEY_CLOSE:
        fact->close = take_position(reader, fact->receipt);
        break;
    case KEY_SOP_HASH:
        cbor_take_exact(reader, fact->sop_hash, FACT_SOP_HASH_SIZE);
        break;
    case KEY_DELIVERIES:
        return deliveries_take(reader, fact);
    default:
        break;
    }
    return OK;
}

static enum result upto_take(struct cbor_reader *reader, struct ledger_fact *fact)
{
    enum result result = OK;
    cbor_enter_array(reader);
    while (result == OK && cbor_next_item(reader)) {
        struct journal_position at = {.stream = (uint16_t)cbor_take_uint(reader, UINT16_MAX)};
        if (!cbor_next_item(reader))
            break;
        at.segment = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        if (!cbor_next_item(reader))
            break;
        at.offset = cbor_take_uint(reader, UINT64_MAX);
        result = fact_upto_add(fact, at);
    }
    return result;
}

static enum result tail_field_take(struct cbor_reader *reader, int64_t key, struct ledger_fact *fact)
{
    char **text = text_field(fact, key);
    if (text != NULL)
        return take_text(reader, text);
    switch (key) {
    case KEY_OPENED_AT:
        fact->opened_at = cbor_take_uint(reader, UINT64_MAX);
        break;
    case KEY_SETTLED_AT:
        fact->settled_at = cbor_take_uint(reader, UINT64_MAX);
        break;
    case KEY_LENGTH:
        fact->length = cbor_take_uint(reader, UINT64_MAX);
        break;
    case KEY_ACKNOWLEDGEMENT:
        fact->acknowledgement = (uint8_t)cbor_take_uint(reader, UINT8_MAX);
        break;
    case KEY_PRIMARY:
        fact->primary = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case KEY_FLAGS:
        fact->flags = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case KEY_SOURCE_NODE:
        fact->source_node = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case KEY_DIGESTS:
        digests_take(reader, &fact->digests);
        break;
    case KEY_DROP_REASON:
        fact->drop_reason = (uint8_t)cbor_take_uint(reader, UINT8_MAX);
        break;
    case KEY_DROP_STATUS:
        fact->drop_status = (uint16_t)cbor_take_uint(reader, UINT16_MAX);
        break;
    case KEY_DAMAGED:
        fact->damaged = (uint32_t)cbor_take_uint(reader, UINT32_MAX);
        break;
    case KEY_UPTO:
        return upto_take(reader, fact);
    default:
        break;
    }
    return OK;
}

enum result fact_decode(uint64_t receipt, struct slice encoded, enum fact_depth depth,
                        struct ledger_fact *fact)
{
    struct cbor_reader reader;
    enum result result = OK;
    int64_t key;
    fact->receipt = receipt;
    cbor_reader_init(&reader, encoded);
    cbor_enter_map(&reader);
    while (result == OK && cbor_next_key(&reader, &key)) {
        if (key <= KEY_DELIVERIES)
            result = head_field_take(&reader, key, fact);
        else if (depth == FACT_WHOLE || key == KEY_LENGTH)
            result = tail_field_take(&reader, key, fact);
        else
            break;
    }
    if (result == OK)
        result = cbor_reader_result(&reader);
    if (result == OK && fact->state == 0)
        return ERR_FORMAT;
    if (fact->sop_instance != NULL)
        fact_uid_hash(slice_of_text(fact->sop_instance), fact->sop_hash);
    return result;
}
