// SPDX-License-Identifier: Apache-2.0
// Record bodies from CBOR to structs. Unknown keys are skipped by the reader. Pure functions; any thread.
#include "journal/record.h"

#include "cbor/reader.h"
#include "record_keys.h"

static struct slice take_text(struct cbor_reader *r)
{
    return cbor_take_any_text(r, RECORD_TEXT_MAX);
}

static struct journal_position take_position(struct cbor_reader *r)
{
    struct journal_position at = {0};
    uint32_t count = 0;
    cbor_enter_array(r);
    while (cbor_next_item(r)) {
        if (count == 0)
            at.segment = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        else if (count == 1)
            at.offset = cbor_take_uint(r, JOURNAL_SEGMENT_SIZE_MAX);
        count++;
    }
    return at;
}

// Missing: bits of required keys that were not seen.
static enum result finish(const struct cbor_reader *r, uint32_t missing)
{
    enum result result = cbor_reader_result(r);
    if (result == OK && cbor_reader_rest(r) != 0)
        result = ERR_FORMAT;
    if (result == OK && missing != 0)
        result = ERR_MISSING;
    return result;
}

static void open_field(struct cbor_reader *r, int64_t key, struct record_open *open)
{
    struct {
        int64_t key;
        struct slice *text;
    } const texts[] = {
        {OPEN_CALLED, &open->called},
        {OPEN_CALLING, &open->calling},
        {OPEN_PEER_ADDRESS, &open->peer_address},
        {OPEN_LISTENER, &open->listener},
        {OPEN_TRANSFER_SYNTAX, &open->transfer_syntax},
        {OPEN_SOP_CLASS, &open->sop_class},
        {OPEN_SOP_INSTANCE, &open->sop_instance},
        {OPEN_MOVE_ORIGINATOR, &open->move_originator},
        {OPEN_IMPLEMENTATION_CLASS, &open->implementation_class},
        {OPEN_IMPLEMENTATION_VERSION, &open->implementation_version},
        {OPEN_DOMAIN, &open->domain},
        {OPEN_CERTIFICATE_SUBJECT, &open->certificate_subject},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i].key == key)
            *texts[i].text = take_text(r);
    }
}

enum result record_open_decode(struct slice body, struct record_open *out)
{
    struct record_open open = {0};
    struct cbor_reader r;
    int64_t key;
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        switch (key) {
        case KEY_TIME:
            open.time = cbor_take_uint(&r, UINT64_MAX);
            break;
        case OPEN_CERTIFICATE:
            open.certificate_fingerprint = cbor_take_bytes(&r, RECORD_TEXT_MAX);
            break;
        case OPEN_PRIORITY:
            open.priority = (uint16_t)cbor_take_uint(&r, UINT16_MAX);
            break;
        case OPEN_MESSAGE_ID:
            open.message_id = (uint16_t)cbor_take_uint(&r, UINT16_MAX);
            break;
        case OPEN_MOVE_ORIGINATOR_ID:
            open.has_move_originator = true;
            open.move_originator_id = (uint16_t)cbor_take_uint(&r, UINT16_MAX);
            break;
        case OPEN_ROLES:
            open.roles = (uint8_t)cbor_take_uint(&r, UINT8_MAX);
            break;
        case OPEN_IDENTITY_TYPE:
            open.user_identity_type = (uint8_t)cbor_take_uint(&r, UINT8_MAX);
            break;
        case OPEN_IDENTITY:
            open.user_identity = cbor_take_bytes(&r, RECORD_IDENTITY_MAX);
            break;
        case OPEN_SOURCE_NODE:
            open.source_node = (uint32_t)cbor_take_uint(&r, UINT32_MAX);
            break;
        default:
            open_field(&r, key, &open);
            break;
        }
    }
    // Without these nothing could be sent again.
    bool missing =
        open.transfer_syntax.length == 0 || open.sop_class.length == 0 || open.sop_instance.length == 0;
    enum result result = finish(&r, missing);
    if (result == OK)
        *out = open;
    return result;
}

static void take_ranges(struct cbor_reader *r, struct record_close *close)
{
    size_t count = 0;
    cbor_enter_array(r);
    while (cbor_next_item(r)) {
        if (count < 6 && count % 2 == 0)
            close->range[count / 2].length = cbor_take_uint(r, UINT64_MAX);
        else if (count < 6)
            cbor_take_exact(r, close->range[count / 2].digest, RECORD_DIGEST_SIZE);
        count++;
    }
    if (count == 6)
        close->digests |= RECORD_HAS_RANGES;
}

static void take_archives(struct cbor_reader *r, struct record_close *close)
{
    cbor_enter_array(r);
    while (cbor_next_item(r)) {
        uint32_t id = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        if (close->archive_count == RECORD_ARCHIVES_MAX)
            r->error = ERR_LIMIT; // to owe less than what was acknowledged is not an option
        else
            close->archives[close->archive_count++] = id;
    }
}

static void take_elements(struct cbor_reader *r, struct record_close *close)
{
    cbor_enter_array(r);
    while (cbor_next_item(r)) {
        if (close->element_count == RECORD_ELEMENTS_MAX) {
            r->error = ERR_LIMIT;
            return;
        }
        struct record_element *element = &close->elements[close->element_count++];
        element->tag = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        if (!cbor_next_item(r))
            break;
        struct slice vr = cbor_take_text(r, 2);
        if (!cbor_next_item(r))
            break;
        element->value = cbor_take_bytes(r, RECORD_ELEMENT_BYTES_MAX);
        if (vr.length != 2) {
            r->error = r->error == OK ? ERR_FORMAT : r->error;
            return;
        }
        element->vr[0] = (char)vr.data[0];
        element->vr[1] = (char)vr.data[1];
    }
}

static void take_digest(struct cbor_reader *r, struct record_close *close, uint8_t *digest, uint8_t bit)
{
    cbor_take_exact(r, digest, RECORD_DIGEST_SIZE);
    close->digests |= bit;
}

// The digests; false: the key is none of them.
static bool close_digest(struct cbor_reader *r, int64_t key, struct record_close *close)
{
    switch (key) {
    case CLOSE_ALGORITHM:
        close->algorithm = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        return true;
    case CLOSE_DIGEST_VERSION:
        close->digest_version = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        return true;
    case CLOSE_RANGES:
        take_ranges(r, close);
        return true;
    case CLOSE_INSTANCE:
        take_digest(r, close, close->instance, RECORD_HAS_INSTANCE);
        return true;
    case CLOSE_RECEIVED:
        take_digest(r, close, close->received, RECORD_HAS_RECEIVED);
        return true;
    case CLOSE_CANONICAL:
        take_digest(r, close, close->canonical, RECORD_HAS_CANONICAL);
        return true;
    case CLOSE_CANONICAL_UNKNOWN:
        take_digest(r, close, close->canonical_unknown, RECORD_HAS_CANONICAL_UNKNOWN);
        return true;
    default:
        return false;
    }
}

static void take_patient(struct cbor_reader *r, struct record_close *close)
{
    struct slice patient = cbor_take_bytes(r, sizeof close->patient);
    close->has_patient = patient.length == sizeof close->patient;
    if (close->has_patient)
        memcpy(close->patient, patient.data, patient.length);
}

static void close_field(struct cbor_reader *r, int64_t key, struct record_close *close)
{
    switch (key) {
    case CLOSE_ORDER:
        close->order = cbor_take_uint(r, UINT64_MAX);
        break;
    case CLOSE_DURABLE:
        close->durable = take_position(r);
        break;
    case CLOSE_OPENED:
        close->opened = take_position(r);
        break;
    case CLOSE_EPOCH:
        close->epoch = cbor_take_uint(r, UINT64_MAX);
        break;
    case CLOSE_ARCHIVES:
        take_archives(r, close);
        break;
    case CLOSE_ACKNOWLEDGEMENT:
        close->acknowledgement = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        break;
    case CLOSE_PRIMARY:
        close->primary = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    case CLOSE_FLAGS:
        close->flags = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    case CLOSE_LENGTH:
        close->length = cbor_take_uint(r, UINT64_MAX);
        break;
    case CLOSE_ELEMENTS:
        take_elements(r, close);
        break;
    case CLOSE_INDEX:
        close->index = cbor_take_bytes(r, (size_t)JOURNAL_CHUNKS_MAX * JOURNAL_INDEX_ENTRY);
        break;
    case CLOSE_FIRST_BYTE:
        close->first_byte = cbor_take_uint(r, UINT64_MAX);
        break;
    case CLOSE_LAST_BYTE:
        close->last_byte = cbor_take_uint(r, UINT64_MAX);
        break;
    case CLOSE_KNOWN:
        close->known = cbor_take_bytes(r, JOURNAL_BODY_MAX);
        break;
    case CLOSE_PATIENT:
        take_patient(r, close);
        break;
    default:
        break;
    }
}

enum result record_close_decode(struct slice body, struct record_close *out)
{
    struct cbor_reader r;
    int64_t key;
    *out = (struct record_close){0};
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        if (!close_digest(&r, key, out))
            close_field(&r, key, out);
    }
    enum result result = finish(&r, out->order == 0);
    if (result == OK && out->index.length % JOURNAL_INDEX_ENTRY != 0)
        result = ERR_FORMAT;
    return result;
}

struct slice record_close_element(const struct record_close *close, uint32_t tag)
{
    for (uint32_t i = 0; i < close->element_count; i++) {
        if (close->elements[i].tag == tag)
            return close->elements[i].value;
    }
    return slice_of(NULL, 0);
}

enum result record_drop_decode(struct slice body, struct record_drop *out)
{
    struct record_drop drop = {0};
    struct cbor_reader r;
    int64_t key;
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        if (key == KEY_TIME)
            drop.time = cbor_take_uint(&r, UINT64_MAX);
        else if (key == DROP_REASON)
            drop.reason = (uint8_t)cbor_take_uint(&r, UINT8_MAX);
        else if (key == DROP_STATUS)
            drop.status = (uint16_t)cbor_take_uint(&r, UINT16_MAX);
        else if (key == DROP_COMMENT)
            drop.comment = take_text(&r);
    }
    enum result result = finish(&r, drop.reason == 0);
    if (result == OK)
        *out = drop;
    return result;
}

static void take_flags(struct cbor_reader *r, struct record_flags *flags)
{
    cbor_enter_array(r);
    if (cbor_next_item(r))
        flags->count = (uint32_t)cbor_take_uint(r, UINT32_MAX);
    while (cbor_next_item(r)) {
        if (flags->reason_count == RECORD_REASONS_MAX) {
            r->error = ERR_LIMIT;
            return;
        }
        flags->reason[flags->reason_count++] = cbor_take_any_text(r, RECORD_REASON_MAX);
    }
}

enum result record_sent_decode(struct slice body, struct record_sent *out)
{
    struct record_sent sent = {0};
    struct cbor_reader r;
    int64_t key;
    bool has_archive = false;
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        if (key == KEY_TIME) {
            sent.time = cbor_take_uint(&r, UINT64_MAX);
        } else if (key == SENT_ARCHIVE) {
            sent.archive = (uint32_t)cbor_take_uint(&r, UINT32_MAX);
            has_archive = true;
        } else if (key == SENT_ATTEMPT) {
            sent.attempt = (uint32_t)cbor_take_uint(&r, UINT32_MAX);
        } else if (key == SENT_RESENT) {
            sent.resent = cbor_take_bool(&r);
        } else if (key == SENT_PACK) {
            cbor_take_exact(&r, sent.pack, RECORD_DIGEST_SIZE);
        } else if (key == SENT_CROSSWALK) {
            sent.crosswalk = cbor_take_uint(&r, UINT64_MAX);
        } else if (key == SENT_EDITS) {
            cbor_take_exact(&r, sent.edits, RECORD_DIGEST_SIZE);
        } else if (key == SENT_HEADER) {
            cbor_take_exact(&r, sent.header, RECORD_DIGEST_SIZE);
        } else if (key == SENT_EVIDENCE) {
            sent.evidence = cbor_take_bytes(&r, RECORD_EVIDENCE_MAX);
        } else if (key == SENT_FLAGS) {
            take_flags(&r, &sent.flags);
        }
    }
    enum result result = finish(&r, !has_archive);
    if (result == OK)
        *out = sent;
    return result;
}

static void outcome_field(struct cbor_reader *r, int64_t key, struct record_outcome *outcome)
{
    switch (key) {
    case OUTCOME_RECEIPT:
        outcome->receipt = cbor_take_uint(r, UINT64_MAX);
        break;
    case OUTCOME_ARCHIVE:
        outcome->archive = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    case OUTCOME_KIND:
        outcome->kind = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        break;
    case OUTCOME_REMARK:
        outcome->remark = (uint8_t)cbor_take_uint(r, UINT8_MAX);
        break;
    case OUTCOME_RESENT:
        outcome->resent = cbor_take_bool(r);
        break;
    case OUTCOME_STATUS:
        outcome->status = (uint16_t)cbor_take_uint(r, UINT16_MAX);
        break;
    case OUTCOME_COMMENT:
        outcome->comment = take_text(r);
        break;
    case OUTCOME_PERSON:
        outcome->person = take_text(r);
        break;
    case OUTCOME_ATTEMPT:
        outcome->attempt = (uint32_t)cbor_take_uint(r, UINT32_MAX);
        break;
    case OUTCOME_SENT:
        outcome->sent = cbor_take_uint(r, UINT64_MAX);
        break;
    case OUTCOME_ANSWERED:
        outcome->answered = cbor_take_uint(r, UINT64_MAX);
        break;
    default:
        break;
    }
}

enum result record_outcome_decode(struct slice body, struct record_outcome *out)
{
    struct record_outcome outcome = {0};
    struct cbor_reader r;
    int64_t key;
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key))
        outcome_field(&r, key, &outcome);
    enum result result = finish(&r, outcome.receipt == 0 || outcome.kind == 0);
    if (result == OK)
        *out = outcome;
    return result;
}

enum result record_epoch_decode(struct slice body, struct record_epoch *out)
{
    struct record_epoch epoch = {0};
    struct cbor_reader r;
    int64_t key;
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        if (key == KEY_TIME)
            epoch.time = cbor_take_uint(&r, UINT64_MAX);
        else if (key == EPOCH_KIND)
            epoch.kind = (uint8_t)cbor_take_uint(&r, UINT8_MAX);
        else if (key == EPOCH_LIFE)
            epoch.life = cbor_take_uint(&r, UINT64_MAX);
        else if (key == EPOCH_NUMBER)
            epoch.epoch = cbor_take_uint(&r, UINT64_MAX);
        else if (key == EPOCH_PHASE)
            epoch.phase = take_text(&r);
        else if (key == EPOCH_CONFIGURATION)
            cbor_take_exact(&r, epoch.configuration, RECORD_DIGEST_SIZE);
    }
    enum result result = finish(&r, epoch.kind == 0 || epoch.life == 0);
    if (result == OK)
        *out = epoch;
    return result;
}
