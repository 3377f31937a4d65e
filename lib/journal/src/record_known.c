// SPDX-License-Identifier: Apache-2.0
// What a copy knows of its receipt's deliveries, from CBOR to structs. Pure functions; any thread.
#include "cbor/reader.h"
#include "journal/record.h"
#include "record_keys.h"

static void take_upto(struct cbor_reader *r, struct record_known *known)
{
    struct journal_position none = {0};
    struct journal_position *at = &none;
    cbor_enter_array(r);
    for (size_t i = 0; cbor_next_item(r); i++) {
        if (i % 3 == 0 && known->stream_count == RECORD_KNOWN_STREAMS_MAX) {
            r->error = ERR_LIMIT;
            return;
        }
        if (i % 3 == 0) {
            at = &known->upto[known->stream_count++];
            at->stream = (uint16_t)cbor_take_uint(r, UINT16_MAX);
        } else if (i % 3 == 1) {
            at->segment = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        } else {
            at->offset = cbor_take_uint(r, JOURNAL_SEGMENT_SIZE_MAX);
        }
    }
}

static void take_flags(struct cbor_reader *r, struct record_delivery *delivery)
{
    cbor_enter_array(r);
    if (cbor_next_item(r))
        delivery->flags = (uint32_t)cbor_take_uint(r, UINT32_MAX);
    if (cbor_next_item(r))
        delivery->reason = cbor_take_bytes(r, RECORD_REASON_MAX);
    while (cbor_next_item(r)) // of a newer program
        continue;
}

// What the last SENT said, and texts; false: the key is none of them.
static bool sent_field(struct cbor_reader *r, int64_t key, struct record_delivery *delivery)
{
    switch (key) {
    case KNOWN_REMARK:
        delivery->remark = cbor_take_bytes(r, RECORD_TEXT_MAX);
        return true;
    case KNOWN_PERSON:
        delivery->person = cbor_take_bytes(r, RECORD_TEXT_MAX);
        return true;
    case KNOWN_HEADER:
        delivery->has_header = true;
        cbor_take_exact(r, delivery->header, RECORD_DIGEST_SIZE);
        return true;
    case KNOWN_EDITS:
        cbor_take_exact(r, delivery->edits, RECORD_DIGEST_SIZE);
        return true;
    case KNOWN_PACK:
        cbor_take_exact(r, delivery->pack, RECORD_DIGEST_SIZE);
        return true;
    case KNOWN_CROSSWALK:
        delivery->crosswalk = cbor_take_uint(r, UINT64_MAX);
        return true;
    case KNOWN_FLAGS:
        take_flags(r, delivery);
        return true;
    default:
        return false;
    }
}

static void delivery_field(struct cbor_reader *r, int64_t key, struct record_delivery *delivery)
{
    switch (key) {
    case KNOWN_ARCHIVE:
        delivery->archive = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    case KNOWN_STATE:
        delivery->state = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        break;
    case KNOWN_STATUS:
        delivery->has_status = true;
        delivery->status = (uint16_t)cbor_take_uint(r, UINT16_MAX);
        break;
    case KNOWN_ATTEMPTS:
        delivery->attempts = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    case KNOWN_SENT_AT:
        delivery->sent_at = cbor_take_uint(r, UINT64_MAX);
        break;
    case KNOWN_OUTCOME_AT:
        delivery->outcome_at = cbor_take_uint(r, UINT64_MAX);
        break;
    case KNOWN_SETTLED_BY:
        delivery->settled_by = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        break;
    case KNOWN_RESENT:
        delivery->resent = cbor_take_bool(r);
        break;
    case KNOWN_RELEASED:
        delivery->is_released = cbor_take_bool(r);
        break;
    case KNOWN_FAILURES:
        delivery->failures = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    default:
        break;
    }
}

static void take_deliveries(struct cbor_reader *r, struct record_known *known)
{
    cbor_enter_array(r);
    while (cbor_next_item(r)) {
        int64_t key;
        if (known->delivery_count == RECORD_ARCHIVES_MAX) {
            r->error = ERR_LIMIT;
            return;
        }
        struct record_delivery *delivery = &known->deliveries[known->delivery_count++];
        cbor_enter_map(r);
        while (cbor_next_key(r, &key))
            if (!sent_field(r, key, delivery))
                delivery_field(r, key, delivery);
    }
}

enum result record_known_decode(struct slice body, struct record_known *out)
{
    struct cbor_reader r;
    int64_t key;
    *out = (struct record_known){0};
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        if (key == KNOWN_UPTO)
            take_upto(&r, out);
        else if (key == KNOWN_DELIVERIES)
            take_deliveries(&r, out);
    }
    enum result result = cbor_reader_result(&r);
    return result == OK && cbor_reader_rest(&r) != 0 ? ERR_FORMAT : result;
}
