// SPDX-License-Identifier: Apache-2.0
//
// The scanner's life, its input (plain or inflated on the way) and the digests over bytes: ranges, instance,
// as received (docs/digests.md 1, 2). What the bytes mean is followed by structure.c and scanner_events.c.
// One owner (an intake, a tool), one thread.
#include "dcm/scanner.h"
#include "base/check.h"
#include "base/cursor.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "scanner_state.h"
#include <stdlib.h>
#include <string.h>

#define SCANNER_MAGIC UINT32_C(0x5CA44E12)
#define INFLATE_CHUNK 16384

enum result dcm_scanner_new(struct dcm_scanner **scanner)
{
    struct dcm_scanner *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(s, SCANNER_MAGIC);
    named_init(&s->named);
    enum result result = canonical_init(&s->canonical);
    s->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    s->sha512_256 = EVP_MD_fetch(NULL, "SHA2-512/256", NULL);
    s->range_context = EVP_MD_CTX_new();
    s->received_context = EVP_MD_CTX_new();
    if (s->range_context == NULL || s->received_context == NULL)
        result = ERR_NOMEM;
    else if (s->sha256 == NULL || s->sha512_256 == NULL)
        result = ERR_CRYPTO;
    s->structure.result = ERR_ARGUMENT; // until begin
    if (result != OK) {
        dcm_scanner_free(s);
        return result;
    }
    *scanner = s;
    return OK;
}

void dcm_scanner_free(struct dcm_scanner *s)
{
    if (s == NULL)
        return;
    MAGIC_CHECK(s, SCANNER_MAGIC);
    named_fini(&s->named);
    canonical_fini(&s->canonical);
    EVP_MD_CTX_free(s->range_context);
    EVP_MD_CTX_free(s->received_context);
    EVP_MD_free(s->sha256);
    EVP_MD_free(s->sha512_256);
    inflater_fini(&s->inflater);
    wipe(s, sizeof *s);
    free(s);
}

// ---- digests over bytes ----

static const EVP_MD *algorithm_of(const struct dcm_scanner *s)
{
    return s->algorithm == DCM_DIGEST_SHA512_256 ? s->sha512_256 : s->sha256;
}

static void crypto_failed(struct dcm_scanner *s)
{
    s->structure.result = ERR_CRYPTO;
}

static void digest_final(struct dcm_scanner *s, EVP_MD_CTX *context, uint8_t version,
                         struct dcm_digest *digest)
{
    digest->algorithm = (uint8_t)s->algorithm;
    digest->version = version;
    if (EVP_DigestFinal_ex(context, digest->bytes, NULL) != 1)
        crypto_failed(s);
}

// Closes the ranges before `range` and begins it.
static void range_advance(struct dcm_scanner *s, enum dcm_range range)
{
    while (s->digested < range) {
        digest_final(s, s->range_context, DCM_RANGE_DIGEST_VERSION, &s->report.digests.range[s->digested]);
        s->digested++;
        if (s->digested < DCM_RANGE_COUNT && EVP_DigestInit_ex(s->range_context, algorithm_of(s), NULL) != 1)
            crypto_failed(s);
    }
}

static void range_update(struct dcm_scanner *s, const uint8_t *data, size_t length)
{
    s->report.digests.length[s->digested] += length;
    if (EVP_DigestUpdate(s->range_context, data, length) != 1)
        crypto_failed(s);
}

static void instance_digest(struct dcm_scanner *s, struct dcm_digests *digests)
{
    uint8_t bytes[DCM_RANGE_COUNT * (DCM_DIGEST_LENGTH + sizeof(uint64_t))];
    struct writer w = writer_of(bytes, sizeof bytes);
    for (unsigned i = 0; i < DCM_RANGE_COUNT; i++) {
        writer_put(&w, digests->range[i].bytes, DCM_DIGEST_LENGTH);
        writer_u64le(&w, digests->length[i]);
    }
    ensure(!w.failed && w.length == sizeof bytes);
    digests->instance.algorithm = (uint8_t)s->algorithm;
    digests->instance.version = DCM_RANGE_DIGEST_VERSION;
    if (EVP_Digest(bytes, sizeof bytes, digests->instance.bytes, NULL, algorithm_of(s), NULL) != 1)
        crypto_failed(s);
}

// ---- begin ----

static enum result digests_begin(struct dcm_scanner *s)
{
    if (EVP_DigestInit_ex(s->range_context, algorithm_of(s), NULL) != 1 ||
        EVP_DigestInit_ex(s->received_context, algorithm_of(s), NULL) != 1)
        return ERR_CRYPTO;
    s->digested = DCM_RANGE_HEADER;
    return canonical_begin(&s->canonical, algorithm_of(s));
}

static void items_begin(struct item_watch *items, const struct dcm_scan_options *options)
{
    *items = (struct item_watch){.sequence = options->item_sequence};
    for (unsigned i = 0; i < DCM_ITEM_MATCHES; i++) {
        struct slice value = slice_first(options->item_match[i].value, DCM_ITEM_VALUE);
        items->tag[i] = options->item_match[i].tag;
        items->wanted_length[i] = value.length;
        if (value.length > 0)
            memcpy(items->wanted[i], value.data, value.length);
    }
}

enum result dcm_scanner_begin(struct dcm_scanner *s, const struct dcm_scan_options *options)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    bool is_known = options->algorithm == DCM_DIGEST_SHA256 || options->algorithm == DCM_DIGEST_SHA512_256;
    if (!is_known || options->named_count > DCM_NAMED_LIMIT)
        return ERR_ARGUMENT;
    s->algorithm = options->algorithm;
    structure_begin(&s->structure, dcm_syntax_by_uid(options->transfer_syntax), &scanner_events, s);
    s->flags = 0;
    memset(&s->report, 0, sizeof s->report);
    s->digest_received = options->digest_received || s->structure.syntax.deflated;
    s->inflated_limit = options->inflated_limit > 0 ? options->inflated_limit : UINT64_MAX;
    s->is_finished = false;
    named_begin(&s->named, options->named, options->named_count);
    items_begin(&s->items, options);
    s->structure.result = digests_begin(s);
    if (s->structure.result == OK && s->structure.syntax.deflated)
        s->structure.result = inflater_begin(&s->inflater);
    return s->structure.result;
}

// ---- feed ----

// The one pass over the stream: as much as possible goes into one update of the range's digest, however many
// elements it holds.
static void stream_take(struct dcm_scanner *s, const uint8_t *data, size_t length)
{
    while (length > 0 && s->structure.result == OK) {
        size_t taken = structure_take(&s->structure, data, length);
        range_update(s, data, taken);
        range_advance(s, s->structure.range);
        data += taken;
        length -= taken;
    }
}

static void inflated_take(struct dcm_scanner *s, const uint8_t *data, size_t length)
{
    uint64_t room = s->inflated_limit - s->structure.offset;
    stream_take(s, data, length < room ? length : (size_t)room);
    if (length > room)
        structure_fail(&s->structure, DCM_SCAN_INFLATES_TOO_FAR, s->structure.offset, 0);
}

static void deflated_take(struct dcm_scanner *s, struct slice piece)
{
    uint8_t chunk[INFLATE_CHUNK];
    enum result result = s->inflater.has_ended ? CLOSED : OK;
    while (result == OK && s->structure.result == OK) {
        size_t made;
        result = inflater_take(&s->inflater, &piece, chunk, sizeof chunk, &made);
        inflated_take(s, chunk, made);
    }
    if (result == ERR_NOMEM)
        s->structure.result = result;
    else if (result == ERR_FORMAT)
        structure_fail(&s->structure, DCM_SCAN_BAD_DEFLATE, s->structure.offset, 0);
    else if (s->structure.result == OK && result == CLOSED && piece.length > 0)
        s->flags |= DCM_FLAG_TRAILING;
    wipe(chunk, sizeof chunk);
}

enum result dcm_scanner_feed(struct dcm_scanner *s, struct slice piece)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    ensure(!s->is_finished);
    s->report.digests.received_length += piece.length;
    bool is_digested = s->digest_received && piece.length > 0;
    if (is_digested && EVP_DigestUpdate(s->received_context, piece.data, piece.length) != 1)
        crypto_failed(s);
    if (s->structure.result != OK || piece.length == 0)
        return s->structure.result;
    if (s->structure.syntax.deflated)
        deflated_take(s, piece);
    else
        stream_take(s, piece.data, piece.length);
    if (s->canonical.failed)
        crypto_failed(s);
    return s->structure.result;
}

// ---- finish ----

static void canonical_digests(struct dcm_scanner *s, struct dcm_digests *digests)
{
    digests->dictionary = DCM_DICTIONARY_VERSION;
    digests->canonical.algorithm = (uint8_t)s->algorithm;
    digests->canonical.version = DCM_CANONICAL_DIGEST_VERSION;
    digests->canonical_apart = digests->canonical;
    digests->apart_elements = s->canonical.apart_elements;
    if (canonical_finish(&s->canonical, digests->canonical.bytes, digests->canonical_apart.bytes) != OK)
        crypto_failed(s);
}

enum result dcm_scanner_finish(struct dcm_scanner *s, struct dcm_scan_report *report)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    ensure(!s->is_finished);
    s->is_finished = true;
    if (s->structure.result == OK && s->structure.syntax.deflated && !s->inflater.has_ended)
        structure_fail(&s->structure, DCM_SCAN_TRUNCATED, s->structure.offset, 0);
    if (s->structure.result == OK)
        structure_finish(&s->structure);
    if (s->structure.result != OK && s->structure.result != ERR_FORMAT)
        return s->structure.result;
    struct dcm_digests *digests = &s->report.digests;
    s->report.reason = s->structure.failure.reason;
    s->report.flags = s->flags | s->structure.flags;
    s->report.total = s->structure.offset;
    s->report.elements = s->structure.elements;
    s->report.pixel_header_offset = s->structure.pixel_header_offset;
    s->report.pixel_value_offset = s->structure.pixel_value_offset;
    s->report.pixel_end_offset = s->structure.pixel_end_offset;
    s->report.pixel_length = s->structure.pixel_length;
    if (s->structure.result == OK) {
        s->structure.range = DCM_RANGE_REST;
        range_advance(s, DCM_RANGE_COUNT);
        instance_digest(s, digests);
        canonical_digests(s, digests);
    } else { // what was begun can not be compared with anything
        memset(digests->range, 0, sizeof digests->range);
        memset(digests->length, 0, sizeof digests->length);
    }
    if (s->digest_received)
        digest_final(s, s->received_context, DCM_RANGE_DIGEST_VERSION, &digests->received);
    if (s->structure.result == OK || s->structure.result == ERR_FORMAT)
        *report = s->report;
    return s->structure.result;
}

bool dcm_scanner_header_is_complete(const struct dcm_scanner *s)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    return s->structure.range != DCM_RANGE_HEADER || s->is_finished;
}

uint64_t dcm_scanner_expected(const struct dcm_scanner *s)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    const struct structure *st = &s->structure;
    bool is_defined = st->pixel_header_offset > 0 && st->pixel_length != DCM_LENGTH_UNDEFINED;
    return is_defined && !st->syntax.deflated ? st->pixel_value_offset + st->pixel_length : 0;
}

enum result dcm_scanner_named(const struct dcm_scanner *s, uint32_t tag, struct dcm_named *named)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    return named_get(&s->named, tag, named);
}

const struct dcm_scan_failure *dcm_scanner_failure(const struct dcm_scanner *s)
{
    MAGIC_CHECK(s, SCANNER_MAGIC);
    return s->structure.failure.reason != DCM_SCAN_FINE ? &s->structure.failure : NULL;
}

bool dcm_digest_is_equal(const struct dcm_digest *a, const struct dcm_digest *b)
{
    return a->algorithm != DCM_DIGEST_ABSENT && a->algorithm == b->algorithm && a->version == b->version &&
           memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
