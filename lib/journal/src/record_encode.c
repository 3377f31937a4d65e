// SPDX-License-Identifier: Apache-2.0
// Record bodies from structs to CBOR. Absent optional fields are left out. Pure functions; any thread.
#include "journal/record.h"

#include <string.h>

#include "cbor/writer.h"
#include "record_keys.h"

static const uint8_t ZEROS[RECORD_DIGEST_SIZE];

static void put_text(struct cbor_writer *w, int64_t key, struct slice text)
{
    if (text.length > RECORD_TEXT_MAX)
        w->error = ERR_LIMIT;
    else if (text.length > 0)
        cbor_put_any_text(w, key, text);
}

static void put_bytes(struct cbor_writer *w, int64_t key, struct slice bytes, size_t most)
{
    if (bytes.length > most)
        w->error = ERR_LIMIT;
    else if (bytes.length > 0)
        cbor_put_bytes(w, key, bytes);
}

static void put_number(struct cbor_writer *w, int64_t key, uint64_t value)
{
    if (value != 0)
        cbor_put_uint(w, key, value);
}

static void put_digest(struct cbor_writer *w, int64_t key, const uint8_t *digest)
{
    cbor_put_bytes(w, key, slice_of(digest, RECORD_DIGEST_SIZE));
}

static void put_digest_unless_zero(struct cbor_writer *w, int64_t key, const uint8_t *digest)
{
    if (memcmp(digest, ZEROS, RECORD_DIGEST_SIZE) != 0)
        put_digest(w, key, digest);
}

static void put_position(struct cbor_writer *w, int64_t key, struct journal_position at)
{
    cbor_put_array(w, key);
    cbor_add_uint(w, at.segment);
    cbor_add_uint(w, at.offset);
    cbor_end(w);
}

static enum result finish(struct cbor_writer *w, size_t *length)
{
    cbor_end(w);
    enum result result = cbor_writer_result(w);
    if (result == OK)
        *length = w->length;
    return result;
}

enum result record_open_encode(const struct record_open *open, uint8_t *out, size_t capacity, size_t *length)
{
    struct cbor_writer w;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, KEY_TIME, open->time);
    put_text(&w, OPEN_CALLED, open->called);
    put_text(&w, OPEN_CALLING, open->calling);
    put_text(&w, OPEN_PEER_ADDRESS, open->peer_address);
    put_bytes(&w, OPEN_CERTIFICATE, open->certificate_fingerprint, RECORD_TEXT_MAX);
    put_text(&w, OPEN_LISTENER, open->listener);
    put_text(&w, OPEN_TRANSFER_SYNTAX, open->transfer_syntax);
    put_text(&w, OPEN_SOP_CLASS, open->sop_class);
    put_text(&w, OPEN_SOP_INSTANCE, open->sop_instance);
    cbor_put_uint(&w, OPEN_PRIORITY, open->priority);
    cbor_put_uint(&w, OPEN_MESSAGE_ID, open->message_id);
    if (open->has_move_originator) {
        cbor_put_uint(&w, OPEN_MOVE_ORIGINATOR_ID, open->move_originator_id);
        put_text(&w, OPEN_MOVE_ORIGINATOR, open->move_originator);
    }
    put_text(&w, OPEN_IMPLEMENTATION_CLASS, open->implementation_class);
    put_text(&w, OPEN_IMPLEMENTATION_VERSION, open->implementation_version);
    put_number(&w, OPEN_ROLES, open->roles);
    put_number(&w, OPEN_IDENTITY_TYPE, open->user_identity_type);
    put_bytes(&w, OPEN_IDENTITY, open->user_identity, RECORD_IDENTITY_MAX);
    put_number(&w, OPEN_SOURCE_NODE, open->source_node);
    put_text(&w, OPEN_DOMAIN, open->domain);
    put_text(&w, OPEN_CERTIFICATE_SUBJECT, open->certificate_subject);
    return finish(&w, length);
}

static void put_digests(struct cbor_writer *w, const struct record_close *close)
{
    cbor_put_uint(w, CLOSE_ALGORITHM, close->algorithm);
    cbor_put_uint(w, CLOSE_DIGEST_VERSION, close->digest_version);
    if (close->digests & RECORD_HAS_RANGES) {
        cbor_put_array(w, CLOSE_RANGES);
        for (size_t i = 0; i < 3; i++) {
            cbor_add_uint(w, close->range[i].length);
            cbor_add_bytes(w, slice_of(close->range[i].digest, RECORD_DIGEST_SIZE));
        }
        cbor_end(w);
    }
    if (close->digests & RECORD_HAS_INSTANCE)
        put_digest(w, CLOSE_INSTANCE, close->instance);
    if (close->digests & RECORD_HAS_RECEIVED)
        put_digest(w, CLOSE_RECEIVED, close->received);
    if (close->digests & RECORD_HAS_CANONICAL)
        put_digest(w, CLOSE_CANONICAL, close->canonical);
    if (close->digests & RECORD_HAS_CANONICAL_UNKNOWN)
        put_digest(w, CLOSE_CANONICAL_UNKNOWN, close->canonical_unknown);
}

static void put_elements(struct cbor_writer *w, const struct record_close *close)
{
    size_t total = 0;
    if (close->element_count > RECORD_ELEMENTS_MAX) {
        w->error = ERR_LIMIT;
        return;
    }
    cbor_put_array(w, CLOSE_ELEMENTS);
    for (size_t i = 0; i < close->element_count; i++) {
        const struct record_element *element = &close->elements[i];
        if (element->value.length > RECORD_ELEMENT_BYTES_MAX - total) {
            w->error = ERR_LIMIT;
            return;
        }
        total += element->value.length;
        cbor_add_uint(w, element->tag);
        cbor_add_text(w, slice_of(element->vr, 2));
        cbor_add_bytes(w, element->value);
    }
    cbor_end(w);
}

enum result record_close_encode(const struct record_close *close, uint8_t *out, size_t capacity,
                                size_t *length)
{
    struct cbor_writer w;
    if (close->archive_count > RECORD_ARCHIVES_MAX || close->index.length % JOURNAL_INDEX_ENTRY != 0)
        return ERR_LIMIT;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, CLOSE_ORDER, close->order);
    put_position(&w, CLOSE_DURABLE, close->durable);
    put_position(&w, CLOSE_OPENED, close->opened);
    cbor_put_uint(&w, CLOSE_EPOCH, close->epoch);
    cbor_put_array(&w, CLOSE_ARCHIVES);
    for (size_t i = 0; i < close->archive_count; i++)
        cbor_add_uint(&w, close->archives[i]);
    cbor_end(&w);
    cbor_put_uint(&w, CLOSE_ACKNOWLEDGEMENT, close->acknowledgement);
    put_number(&w, CLOSE_PRIMARY, close->primary);
    put_number(&w, CLOSE_FLAGS, close->flags);
    cbor_put_uint(&w, CLOSE_LENGTH, close->length);
    put_digests(&w, close);
    put_elements(&w, close);
    put_bytes(&w, CLOSE_INDEX, close->index, (size_t)JOURNAL_CHUNKS_MAX * JOURNAL_INDEX_ENTRY);
    cbor_put_uint(&w, CLOSE_FIRST_BYTE, close->first_byte);
    cbor_put_uint(&w, CLOSE_LAST_BYTE, close->last_byte);
    put_bytes(&w, CLOSE_KNOWN, close->known, RECORD_KNOWN_MAX);
    if (close->has_patient)
        cbor_put_bytes(&w, CLOSE_PATIENT, slice_of(close->patient, sizeof close->patient));
    return finish(&w, length);
}

static void add_known_delivery(struct cbor_writer *w, const struct record_delivery *delivery, size_t share)
{
    cbor_add_map(w);
    cbor_put_uint(w, KNOWN_ARCHIVE, delivery->archive);
    cbor_put_uint(w, KNOWN_STATE, delivery->state);
    if (delivery->has_status)
        cbor_put_uint(w, KNOWN_STATUS, delivery->status);
    put_number(w, KNOWN_ATTEMPTS, delivery->attempts);
    put_number(w, KNOWN_SENT_AT, delivery->sent_at);
    put_number(w, KNOWN_OUTCOME_AT, delivery->outcome_at);
    put_number(w, KNOWN_SETTLED_BY, delivery->settled_by);
    if (delivery->resent)
        cbor_put_bool(w, KNOWN_RESENT, true);
    put_number(w, KNOWN_FAILURES, delivery->failures);
    if (delivery->is_released)
        cbor_put_bool(w, KNOWN_RELEASED, true);
    put_bytes(w, KNOWN_REMARK, slice_first(delivery->remark, RECORD_KNOWN_TEXT_MAX), RECORD_KNOWN_TEXT_MAX);
    put_bytes(w, KNOWN_PERSON, slice_first(delivery->person, RECORD_KNOWN_TEXT_MAX), RECORD_KNOWN_TEXT_MAX);
    if (delivery->has_header) {
        put_digest(w, KNOWN_HEADER, delivery->header);
        put_digest_unless_zero(w, KNOWN_EDITS, delivery->edits);
        put_digest_unless_zero(w, KNOWN_PACK, delivery->pack);
        put_number(w, KNOWN_CROSSWALK, delivery->crosswalk);
    }
    if (delivery->flags != 0) {
        cbor_put_array(w, KNOWN_FLAGS);
        cbor_add_uint(w, delivery->flags);
        cbor_add_bytes(w, slice_first(delivery->reason, share));
        cbor_end(w);
    }
    cbor_end(w);
}

enum result record_known_encode(const struct record_known *known, uint8_t *out, size_t capacity,
                                size_t *length)
{
    struct cbor_writer w;
    if (known->stream_count > RECORD_KNOWN_STREAMS_MAX || known->delivery_count > RECORD_ARCHIVES_MAX)
        return ERR_LIMIT;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_array(&w, KNOWN_UPTO);
    for (size_t i = 0; i < known->stream_count; i++) {
        cbor_add_uint(&w, known->upto[i].stream);
        cbor_add_uint(&w, known->upto[i].segment);
        cbor_add_uint(&w, known->upto[i].offset);
    }
    cbor_end(&w);
    cbor_put_array(&w, KNOWN_DELIVERIES);
    for (size_t i = 0; i < known->delivery_count; i++)
        add_known_delivery(&w, &known->deliveries[i], RECORD_KNOWN_REASONS_MAX / known->delivery_count);
    cbor_end(&w);
    return finish(&w, length);
}

enum result record_drop_encode(const struct record_drop *drop, uint8_t *out, size_t capacity, size_t *length)
{
    struct cbor_writer w;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, KEY_TIME, drop->time);
    cbor_put_uint(&w, DROP_REASON, drop->reason);
    put_number(&w, DROP_STATUS, drop->status);
    put_text(&w, DROP_COMMENT, drop->comment);
    return finish(&w, length);
}

static void put_flags(struct cbor_writer *w, const struct record_flags *flags)
{
    if (flags->count == 0)
        return;
    if (flags->reason_count > RECORD_REASONS_MAX) {
        w->error = ERR_LIMIT;
        return;
    }
    cbor_put_array(w, SENT_FLAGS);
    cbor_add_uint(w, flags->count);
    for (size_t i = 0; i < flags->reason_count; i++) {
        if (flags->reason[i].length > RECORD_REASON_MAX)
            w->error = ERR_LIMIT;
        cbor_add_any_text(w, flags->reason[i]);
    }
    cbor_end(w);
}

enum result record_sent_encode(const struct record_sent *sent, uint8_t *out, size_t capacity, size_t *length)
{
    struct cbor_writer w;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, KEY_TIME, sent->time);
    cbor_put_uint(&w, SENT_ARCHIVE, sent->archive);
    cbor_put_uint(&w, SENT_ATTEMPT, sent->attempt);
    if (sent->resent)
        cbor_put_bool(&w, SENT_RESENT, true);
    put_digest_unless_zero(&w, SENT_PACK, sent->pack);
    put_number(&w, SENT_CROSSWALK, sent->crosswalk);
    put_digest_unless_zero(&w, SENT_EDITS, sent->edits);
    put_digest_unless_zero(&w, SENT_HEADER, sent->header);
    put_bytes(&w, SENT_EVIDENCE, sent->evidence, RECORD_EVIDENCE_MAX);
    put_flags(&w, &sent->flags);
    return finish(&w, length);
}

enum result record_outcome_encode(const struct record_outcome *outcome, uint8_t *out, size_t capacity,
                                  size_t *length)
{
    struct cbor_writer w;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, OUTCOME_RECEIPT, outcome->receipt);
    cbor_put_uint(&w, OUTCOME_ARCHIVE, outcome->archive);
    cbor_put_uint(&w, OUTCOME_KIND, outcome->kind);
    put_number(&w, OUTCOME_REMARK, outcome->remark);
    if (outcome->resent)
        cbor_put_bool(&w, OUTCOME_RESENT, true);
    cbor_put_uint(&w, OUTCOME_STATUS, outcome->status);
    put_text(&w, OUTCOME_COMMENT, outcome->comment);
    put_text(&w, OUTCOME_PERSON, outcome->person);
    put_number(&w, OUTCOME_ATTEMPT, outcome->attempt);
    put_number(&w, OUTCOME_SENT, outcome->sent);
    put_number(&w, OUTCOME_ANSWERED, outcome->answered);
    return finish(&w, length);
}

enum result record_epoch_encode(const struct record_epoch *epoch, uint8_t *out, size_t capacity,
                                size_t *length)
{
    struct cbor_writer w;
    cbor_writer_init(&w, out, capacity);
    cbor_add_map(&w);
    cbor_put_uint(&w, KEY_TIME, epoch->time);
    cbor_put_uint(&w, EPOCH_KIND, epoch->kind);
    cbor_put_uint(&w, EPOCH_LIFE, epoch->life);
    cbor_put_uint(&w, EPOCH_NUMBER, epoch->epoch);
    put_text(&w, EPOCH_PHASE, epoch->phase);
    put_digest_unless_zero(&w, EPOCH_CONFIGURATION, epoch->configuration);
    return finish(&w, length);
}
