// SPDX-License-Identifier: Apache-2.0
//
// Fuzz target of the data set scanner. First byte: transfer syntax and options; second: seed of the splits;
// the rest is the data set. However it is cut, the outcome must be the same: result, report, failure, named
// elements.
#include "base/check.h"
#include "dcm/scanner.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INFLATED_LIMIT (1 << 20) // keeps deflate bombs from eating the fuzzer's time

static const uint32_t tags[] = {DCM_SOP_CLASS_UID, DCM_SOP_INSTANCE_UID,    DCM_PATIENT_NAME,
                                DCM_PATIENT_ID,    DCM_TAG(0x0008, 0x1140), DCM_PIXEL_DATA};

#define TAG_COUNT (sizeof tags / sizeof tags[0])

static const char *const syntaxes[] = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2",
                                       "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.50"};

#define SYNTAX_COUNT (sizeof syntaxes / sizeof syntaxes[0])

struct outcome {
    enum result result;
    struct dcm_scan_report report;
    struct dcm_scan_failure failure;
    struct dcm_named named[TAG_COUNT];
    bool has_named[TAG_COUNT];
    char comment[DCM_COMMENT_SIZE];
};

static size_t piece_size(uint32_t *seed)
{
    *seed = *seed * UINT32_C(1103515245) + 12345;
    uint32_t draw = *seed >> 16;
    return (draw & 1) != 0 ? 1 + draw / 2 % 4 : 1 + draw / 2 % 300;
}

static void run(struct dcm_scanner *scanner, uint8_t choice, struct slice bytes, uint32_t *seed,
                struct outcome *o)
{
    struct dcm_scan_options options = {.transfer_syntax = slice_of_text(syntaxes[choice % SYNTAX_COUNT]),
                                       .algorithm =
                                           (choice & 0x40) != 0 ? DCM_DIGEST_SHA512_256 : DCM_DIGEST_SHA256,
                                       .named = tags,
                                       .named_count = TAG_COUNT,
                                       .digest_received = (choice & 0x80) != 0,
                                       .inflated_limit = INFLATED_LIMIT};
    memset(o, 0, sizeof *o);
    ensure(dcm_scanner_begin(scanner, &options) == OK);
    while (bytes.length > 0) {
        struct slice piece = slice_first(bytes, seed != NULL ? piece_size(seed) : bytes.length);
        enum result fed = dcm_scanner_feed(scanner, piece);
        ensure(fed == OK || fed == ERR_FORMAT);
        bytes = slice_from(bytes, piece.length);
    }
    o->result = dcm_scanner_finish(scanner, &o->report);
    ensure(o->result == OK || o->result == ERR_FORMAT);
    const struct dcm_scan_failure *failure = dcm_scanner_failure(scanner);
    ensure((failure != NULL) == (o->result == ERR_FORMAT));
    if (failure != NULL) {
        o->failure = *failure;
        dcm_scan_failure_text(failure, o->comment);
        ensure(strlen(o->comment) < DCM_COMMENT_SIZE);
    }
    for (size_t i = 0; i < TAG_COUNT; i++)
        o->has_named[i] = dcm_scanner_named(scanner, tags[i], &o->named[i]) == OK;
}

static void check_named(const struct outcome *a, const struct outcome *b)
{
    for (size_t i = 0; i < TAG_COUNT; i++) {
        const struct dcm_named *x = &a->named[i];
        const struct dcm_named *y = &b->named[i];
        ensure(a->has_named[i] == b->has_named[i]);
        if (!a->has_named[i])
            continue;
        ensure(x->vr == y->vr && x->length == y->length && x->header_offset == y->header_offset &&
               x->value_offset == y->value_offset && x->end_offset == y->end_offset &&
               x->is_whole == y->is_whole && x->is_repeated == y->is_repeated &&
               x->value.length == y->value.length);
        ensure(x->value.length == 0 || memcmp(x->value.data, y->value.data, x->value.length) == 0);
    }
}

static void check_report(const struct outcome *o)
{
    const struct dcm_digests *d = &o->report.digests;
    if (o->result != OK)
        return;
    ensure(d->length[0] + d->length[1] + d->length[2] == o->report.total);
    ensure((o->report.flags & DCM_FLAG_PIXEL_DATA) == 0 || o->report.pixel_value_offset == d->length[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dcm_scanner *whole;
    static struct dcm_scanner *split;
    if (size < 2)
        return 0;
    if (whole == NULL) {
        ensure(dcm_scanner_new(&whole) == OK);
        ensure(dcm_scanner_new(&split) == OK);
    }
    struct outcome a;
    struct outcome b;
    uint32_t seed = data[1];
    run(whole, data[0], slice_of(data + 2, size - 2), NULL, &a);
    run(split, data[0], slice_of(data + 2, size - 2), &seed, &b);
    ensure(a.result == b.result);
    ensure(memcmp(&a.report, &b.report, sizeof a.report) == 0);
    ensure(memcmp(&a.failure, &b.failure, sizeof a.failure) == 0);
    ensure(strcmp(a.comment, b.comment) == 0);
    check_named(&a, &b);
    check_report(&a);
    return 0;
}
