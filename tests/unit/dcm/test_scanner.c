// SPDX-License-Identifier: Apache-2.0
//
// The scanner's structure rules (docs/digests.md 3), its named elements, flags and failures, against bytes
// typed by hand. The digests themselves are tested in test_digests.c.
#include "dcm/scanner.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVR "1.2.840.10008.1.2.1"
#define IVR "1.2.840.10008.1.2"
#define EBE "1.2.840.10008.1.2.2"
#define DFL "1.2.840.10008.1.2.1.99"

// A string literal as bytes, without its closing NUL.
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)

#define SOP_CLASS                                                                                            \
    "\x08\x00\x16\x00UI\x08\x00"                                                                             \
    "1.2.840\x00"
#define SOP_INSTANCE                                                                                         \
    "\x08\x00\x18\x00UI\x04\x00"                                                                             \
    "1.2\x00"
#define ITEM         "\xfe\xff\x00\xe0\xff\xff\xff\xff"
#define ITEM_END     "\xfe\xff\x0d\xe0\x00\x00\x00\x00"
#define SEQUENCE_END "\xfe\xff\xdd\xe0\x00\x00\x00\x00"
#define SEQUENCE     "\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff"

static const uint32_t tags[] = {DCM_SOP_INSTANCE_UID, DCM_SOP_CLASS_UID, DCM_PATIENT_ID,
                                DCM_TAG(0x0008, 0x1140)};

struct fixture {
    struct dcm_scanner *scanner;
    struct dcm_scan_report report;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_int_equal(dcm_scanner_new(&f->scanner), OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    dcm_scanner_free(f->scanner);
    free(f);
    return 0;
}

static struct dcm_scan_options options_of(const char *syntax)
{
    return (struct dcm_scan_options){.transfer_syntax = slice_of_text(syntax),
                                     .algorithm = DCM_DIGEST_SHA256,
                                     .named = tags,
                                     .named_count = sizeof tags / sizeof tags[0]};
}

static enum result scan_with(struct fixture *f, const struct dcm_scan_options *options, struct slice bytes,
                             size_t piece)
{
    assert_int_equal(dcm_scanner_begin(f->scanner, options), OK);
    memset(&f->report, 0, sizeof f->report);
    for (size_t at = 0; at < bytes.length; at += piece) {
        enum result result = dcm_scanner_feed(f->scanner, slice_first(slice_from(bytes, at), piece));
        assert_true(result == OK || result == ERR_FORMAT);
    }
    return dcm_scanner_finish(f->scanner, &f->report);
}

static enum result scan(struct fixture *f, const char *syntax, struct slice bytes)
{
    struct dcm_scan_options options = options_of(syntax);
    return scan_with(f, &options, bytes, SIZE_MAX / 2);
}

// Scans whole and in single bytes: both must fail alike, with this reason, place and comment.
static void assert_fails(struct fixture *f, const char *syntax, struct slice bytes,
                         enum dcm_scan_reason reason, uint64_t offset, const char *comment)
{
    for (size_t piece = 1; piece <= bytes.length; piece += bytes.length - 1) {
        struct dcm_scan_options options = options_of(syntax);
        char text[DCM_COMMENT_SIZE];
        assert_int_equal(scan_with(f, &options, bytes, piece), ERR_FORMAT);
        const struct dcm_scan_failure *failure = dcm_scanner_failure(f->scanner);
        assert_non_null(failure);
        assert_int_equal(failure->reason, reason);
        assert_int_equal(f->report.reason, reason);
        assert_int_equal(failure->offset, offset);
        dcm_scan_failure_text(failure, text);
        assert_string_equal(text, comment);
        assert_int_equal(f->report.digests.instance.algorithm, DCM_DIGEST_ABSENT);
        assert_int_equal(f->report.digests.canonical.algorithm, DCM_DIGEST_ABSENT);
    }
}

static struct dcm_named named(struct fixture *f, uint32_t tag)
{
    struct dcm_named n;
    assert_int_equal(dcm_scanner_named(f->scanner, tag, &n), OK);
    return n;
}

static void test_named_elements(void **state)
{
    struct fixture *f = *state;
    struct slice bytes = BYTES(SOP_CLASS SOP_INSTANCE SEQUENCE ITEM SOP_INSTANCE ITEM_END SEQUENCE_END);
    for (size_t piece = 1; piece < 30; piece++) {
        struct dcm_scan_options options = options_of(EVR);
        assert_int_equal(scan_with(f, &options, bytes, piece), OK);
        struct dcm_named n = named(f, DCM_SOP_INSTANCE_UID);
        assert_int_equal(n.vr, DCM_VR_UI);
        assert_int_equal(n.length, 4);
        assert_int_equal(n.header_offset, 16);
        assert_int_equal(n.value_offset, 24);
        assert_int_equal(n.end_offset, 28);
        assert_true(n.is_whole);
        assert_false(n.is_repeated); // the one in the item is not at the top level
        assert_true(slice_is_equal(n.value, BYTES("1.2\x00")));
        n = named(f, DCM_TAG(0x0008, 0x1140));
        assert_int_equal(n.length, DCM_LENGTH_UNDEFINED);
        assert_int_equal(n.end_offset, bytes.length);
        assert_true(slice_is_equal(n.value, BYTES(ITEM SOP_INSTANCE ITEM_END SEQUENCE_END)));
        struct dcm_named none;
        assert_int_equal(dcm_scanner_named(f->scanner, DCM_PATIENT_ID, &none), ERR_MISSING);
        assert_int_equal(dcm_scanner_named(f->scanner, DCM_MODALITY, &none), ERR_MISSING);
        assert_int_equal(f->report.flags, 0);
        assert_int_equal(f->report.elements, 4);
    }
}

static void test_named_as_un_and_implicit(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scan(f, EVR,
                          BYTES("\x08\x00\x18\x00UN\x00\x00\x04\x00\x00\x00"
                                "1.2\x00")),
                     OK);
    assert_int_equal(named(f, DCM_SOP_INSTANCE_UID).vr, DCM_VR_UN);
    assert_int_equal(named(f, DCM_SOP_INSTANCE_UID).value_offset, 12);
    assert_int_equal(scan(f, IVR,
                          BYTES("\x08\x00\x18\x00\x04\x00\x00\x00"
                                "1.2\x00")),
                     OK);
    assert_int_equal(named(f, DCM_SOP_INSTANCE_UID).vr, DCM_VR_UI);
    assert_int_equal(scan(f, EBE,
                          BYTES("\x00\x08\x00\x18UI\x00\x04"
                                "1.2\x00")),
                     OK);
    assert_int_equal(named(f, DCM_SOP_INSTANCE_UID).length, 4);
}

static void test_duplicates_and_order(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scan(f, EVR, BYTES(SOP_INSTANCE SOP_INSTANCE)), OK);
    assert_int_equal(f->report.flags, DCM_FLAG_DUPLICATE);
    assert_true(named(f, DCM_SOP_INSTANCE_UID).is_repeated);
    assert_int_equal(named(f, DCM_SOP_INSTANCE_UID).header_offset, 0);
    assert_int_equal(scan(f, EVR, BYTES(SOP_INSTANCE SOP_CLASS)), OK);
    assert_int_equal(f->report.flags, DCM_FLAG_OUT_OF_ORDER);
    assert_int_equal(scan(f, EVR, BYTES(SOP_INSTANCE SOP_CLASS SOP_INSTANCE)), OK);
    assert_int_equal(f->report.flags, DCM_FLAG_OUT_OF_ORDER | DCM_FLAG_DUPLICATE);
    assert_int_equal(scan(f, EVR, BYTES("\xE0\x7F\x10\x00OW\0\0\0\0\0\0" SOP_INSTANCE)), OK);
    assert_int_equal(f->report.flags, DCM_FLAG_PIXEL_DATA | DCM_FLAG_OUT_OF_ORDER | DCM_FLAG_BEHIND_PIXELS);
}

// ENGINE 6: 64 KiB of one element, 1 MiB together.
static void test_kept_limits(void **state)
{
    struct fixture *f = *state;
    uint32_t many[20];
    for (uint32_t i = 0; i < 20; i++)
        many[i] = DCM_TAG(0x0011, 0x1000 + i);
    size_t each = 12 + 70000;
    uint8_t *bytes = calloc(20, each);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t header[12] = {0x11, 0, (uint8_t)i, 0x10, 'O', 'B', 0, 0, 0x70, 0x11, 0x01, 0};
        memcpy(bytes + i * each, header, sizeof header);
        memset(bytes + i * each + 12, (int)i, 70000);
    }
    struct dcm_scan_options options = options_of(EVR);
    options.named = many;
    options.named_count = 20;
    assert_int_equal(scan_with(f, &options, slice_of(bytes, 20 * each), 1000), OK);
    for (uint32_t i = 0; i < 20; i++) {
        struct dcm_named n = named(f, many[i]);
        assert_false(n.is_whole);
        assert_int_equal(n.length, 70000);
        assert_int_equal(n.value.length, i < 16 ? DCM_KEPT_ELEMENT : 0);
        if (i < 16)
            assert_int_equal(n.value.data[DCM_KEPT_ELEMENT - 1], i);
    }
    assert_int_equal(scan(f, EVR, BYTES(SOP_INSTANCE)), OK); // the large store is given back, a new one begun
    assert_int_equal(named(f, DCM_SOP_INSTANCE_UID).value.length, 4);
    free(bytes);
}

static void test_header_complete(void **state)
{
    struct fixture *f = *state;
    struct slice bytes = BYTES(SOP_INSTANCE "\xe0\x7f\x10\x00OB\x00\x00\x02\x00\x00\x00"
                                            "ab\xfc\xff\xfc\xffOB\x00\x00"
                                            "\x00\x00\x00\x00");
    struct dcm_scan_options options = options_of(EVR);
    assert_int_equal(dcm_scanner_begin(f->scanner, &options), OK);
    for (size_t i = 0; i < bytes.length; i++) {
        assert_int_equal(dcm_scanner_feed(f->scanner, slice_of(bytes.data + i, 1)), OK);
        assert_int_equal(dcm_scanner_header_is_complete(f->scanner), i >= 23);
    }
    assert_int_equal(dcm_scanner_finish(f->scanner, &f->report), OK);
    assert_int_equal(f->report.flags, DCM_FLAG_PIXEL_DATA);
    assert_int_equal(f->report.pixel_header_offset, 12);
    assert_int_equal(f->report.pixel_value_offset, 24);
    assert_int_equal(f->report.pixel_end_offset, 26);
    assert_int_equal(f->report.pixel_length, 2);
    assert_int_equal(f->report.total, 38);
    assert_int_equal(dcm_scanner_begin(f->scanner, &options), OK);
    assert_int_equal(dcm_scanner_feed(f->scanner, BYTES(SOP_INSTANCE)), OK);
    assert_false(dcm_scanner_header_is_complete(f->scanner));
    assert_int_equal(dcm_scanner_finish(f->scanner, &f->report), OK);
    assert_true(dcm_scanner_header_is_complete(f->scanner));
}

static void test_flags(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scan(f, EVR,
                          BYTES("\x02\x00\x10\x00UI\x02\x00"
                                "1\x00")),
                     OK);
    assert_int_equal(f->report.flags, DCM_FLAG_LOW_GROUP);
    assert_int_equal(scan(f, EVR,
                          BYTES("\x10\x00\x20\x00LO\x03\x00"
                                "abc")),
                     OK);
    assert_int_equal(f->report.flags, DCM_FLAG_ODD_LENGTH);
    assert_int_equal(scan(f, EVR, BYTES("\x28\x00\x20\x01  \x02\x00\x00\x00")),
                     OK); // corpus: fo-dicom GH179A
    assert_int_equal(f->report.flags, DCM_FLAG_UNKNOWN_VR);
    assert_int_equal(scan(f, EVR, BYTES("\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" SEQUENCE_END)), OK);
    assert_int_equal(f->report.flags, DCM_FLAG_PIXEL_DATA | DCM_FLAG_ENCAPSULATED);
    // An empty deflate stream (one final block with nothing in it) and what some senders put behind it.
    assert_int_equal(scan(f, DFL,
                          BYTES("\x03\x00"
                                "12345678")),
                     OK);
    assert_int_equal(f->report.flags, DCM_FLAG_TRAILING);
    assert_int_equal(f->report.total, 0);
    assert_int_equal(f->report.digests.received_length, 10);
}

static void test_structure_failures(void **state)
{
    struct fixture *f = *state;
    assert_fails(f, EVR, BYTES(SOP_INSTANCE "\x08"), DCM_SCAN_TRUNCATED, 12, "truncated at 12");
    assert_fails(f, EVR,
                 BYTES("\x10\x00\x20\x00LO\x04\x00"
                       "abc"),
                 DCM_SCAN_TRUNCATED, 0, "truncated at 0 in (0010,0020)");
    assert_fails(f, EVR, BYTES(SEQUENCE ITEM ITEM_END ITEM ITEM_END), DCM_SCAN_TRUNCATED, 44,
                 "truncated at 44 in (0008,1140)[2]");
    assert_fails(f, EVR, BYTES(SEQUENCE "\xfe\xff\x00\xe0\x08\x00\x00\x00" SOP_INSTANCE SEQUENCE_END),
                 DCM_SCAN_OVERRUN, 20, "overrun at 20 in (0008,1140)[1] (0008,0018)");
    assert_fails(f, EVR, BYTES(SEQUENCE "\xfe\xff\x00\xe0\x04\x00\x00\x00" SOP_INSTANCE), DCM_SCAN_OVERRUN,
                 20, "overrun at 20 in (0008,1140)[1]");
    assert_fails(f, EVR,
                 BYTES("\x08\x00\x40\x11SQ\x00\x00\x08\x00\x00\x00\xfe\xff\x00\xe0\x01\x00\x00\x00"
                       "x"),
                 DCM_SCAN_OVERRUN, 12, "overrun at 12 in (0008,1140)");
    assert_fails(f, EVR, BYTES(SOP_INSTANCE ITEM), DCM_SCAN_STRAY_ITEM, 12, "stray item tag at 12");
    assert_fails(f, EVR, BYTES(SEQUENCE ITEM SEQUENCE_END), DCM_SCAN_STRAY_ITEM, 20,
                 "stray item tag at 20 in (0008,1140)[1]");
    assert_fails(f, EVR, BYTES(SEQUENCE SOP_INSTANCE), DCM_SCAN_NOT_AN_ITEM, 12,
                 "not an item at 12 in (0008,1140) (0008,0018)");
    assert_fails(f, EVR,
                 BYTES("\x08\x00\x18\x00\x04\x00\x00\x00"
                       "1.2\x00"),
                 DCM_SCAN_NOT_A_VR, 0, "not a VR at 0 in (0008,0018)");
    assert_fails(f, IVR, BYTES(SOP_INSTANCE), DCM_SCAN_WRONG_SYNTAX, 0,
                 "not in its transfer syntax at 0 in (0008,0018)");
    assert_fails(f, EBE, BYTES(SOP_INSTANCE), DCM_SCAN_WRONG_SYNTAX, 0, "not in its transfer syntax at 0");
    assert_fails(f, EVR, BYTES("SMITH^JANE"), DCM_SCAN_NOT_A_VR, 0,
                 "not a VR at 0"); // text is not told as a tag
    assert_fails(f, EVR, BYTES("\x42\x00\x12\x00UT\x00\x00\xff\xff\xff\xff"), DCM_SCAN_BAD_LENGTH, 0,
                 "bad length at 0 in (0042,0012)");
    assert_fails(f, EVR, BYTES(SEQUENCE "\xfe\xff\xdd\xe0\x02\x00\x00\x00"), DCM_SCAN_BAD_LENGTH, 12,
                 "bad length at 12 in (0008,1140)");
    assert_fails(f, EVR, BYTES("\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" ITEM), DCM_SCAN_BAD_LENGTH, 12,
                 "bad length at 12 in (7FE0,0010)");
    assert_fails(f, IVR, BYTES("\x00\x00\x00\x00\x00\x00\x00\x00"), DCM_SCAN_COMMAND_GROUP, 0,
                 "group 0000 in data set at 0");
    assert_fails(f, DFL, BYTES("\xff\xff\xff"), DCM_SCAN_BAD_DEFLATE, 0, "bad deflate stream at 0");
    assert_fails(f, DFL, BYTES("\xe3\x00"), DCM_SCAN_TRUNCATED, 1, "truncated at 1");
}

// Nested item without end, behind which its defined-length sequence is over.
static void test_item_open_at_end_of_sequence(void **state)
{
    struct fixture *f = *state;
    assert_fails(f, EVR, BYTES("\x08\x00\x40\x11SQ\x00\x00\x08\x00\x00\x00" ITEM SOP_INSTANCE),
                 DCM_SCAN_OVERRUN, 20, "overrun at 20 in (0008,1140)[1]");
}

static void test_depth(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[(DCM_DEPTH_LIMIT + 1) * 20];
    for (unsigned i = 0; i <= DCM_DEPTH_LIMIT; i++)
        memcpy(bytes + i * 20, SEQUENCE ITEM, 20);
    assert_fails(f, EVR, slice_of(bytes, sizeof bytes), DCM_SCAN_TOO_DEEP, DCM_DEPTH_LIMIT * 20,
                 "nested too deep at 1280 in (0008,1140)[1] .. (0008,1140)");
    assert_int_equal(dcm_scanner_failure(f->scanner)->depth, DCM_DEPTH_LIMIT);
}

// FE FF DD E0 inside a fragment is data (corpus: JPEG2000-embedded-sequence-delimiter).
static void test_delimiter_in_fragment(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(scan(f, EVR,
                          BYTES("\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"
                                "\xfe\xff\x00\xe0\x08\x00\x00\x00" SEQUENCE_END SEQUENCE_END
                                "\xfc\xff\xfc\xffOB\x00\x00\x02\x00\x00\x00\x00\x00")),
                     OK);
    assert_int_equal(f->report.pixel_end_offset, 36);
    assert_int_equal(f->report.digests.length[DCM_RANGE_PIXELS], 24);
    assert_int_equal(f->report.digests.length[DCM_RANGE_REST], 14);
}

// CP-246: implicit VR little endian inside a UN of undefined length, even in big endian; explicit again
// behind it.
static void test_un_sequence_in_big_endian(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        scan(f, EBE,
             BYTES("\x00\x08\x11\x40UN\x00\x00\xff\xff\xff\xff" ITEM "\x08\x00\x55\x11\x04\x00\x00\x00"
                   "1.2\x00" ITEM_END SEQUENCE_END "\x00\x10\x00\x20LO\x00\x02"
                   "ID")),
        OK);
    assert_int_equal(named(f, DCM_PATIENT_ID).header_offset, 48);
}

static void test_received_digest(void **state)
{
    struct fixture *f = *state;
    struct slice bytes = BYTES(SOP_INSTANCE SOP_CLASS ITEM "what follows an error is digested too");
    struct dcm_scan_options options = options_of(EVR);
    uint8_t expected[DCM_DIGEST_LENGTH];
    assert_int_equal(scan_with(f, &options, bytes, 5), ERR_FORMAT);
    assert_int_equal(f->report.digests.received.algorithm, DCM_DIGEST_ABSENT);
    options.digest_received = true;
    assert_int_equal(scan_with(f, &options, bytes, 5), ERR_FORMAT);
    assert_int_equal(EVP_Digest(bytes.data, bytes.length, expected, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(f->report.digests.received.algorithm, DCM_DIGEST_SHA256);
    assert_memory_equal(f->report.digests.received.bytes, expected, sizeof expected);
    assert_int_equal(f->report.digests.received_length, bytes.length);
}

static void test_inflated_limit(void **state)
{
    struct fixture *f = *state;
    // (0010,0020) LO of 100 spaces: 108 bytes.
    static const uint8_t deflated[] = {0x13, 0x60, 0x50, 0x60, 0xf0, 0xf1, 0x4f,
                                       0x61, 0x50, 0xa0, 0x03, 0x00, 0x00};
    struct dcm_scan_options options = options_of(DFL);
    assert_int_equal(scan_with(f, &options, slice_of(deflated, sizeof deflated), 1), OK);
    uint64_t total = f->report.total;
    options.inflated_limit = total;
    assert_int_equal(scan_with(f, &options, slice_of(deflated, sizeof deflated), 3), OK);
    options.inflated_limit = total - 1;
    assert_int_equal(scan_with(f, &options, slice_of(deflated, sizeof deflated), 3), ERR_FORMAT);
    assert_int_equal(f->report.reason, DCM_SCAN_INFLATES_TOO_FAR);
    assert_int_equal(dcm_scanner_failure(f->scanner)->offset, total - 1);
}

static void test_bad_options(void **state)
{
    struct fixture *f = *state;
    struct dcm_scan_options options = options_of(EVR);
    options.algorithm = DCM_DIGEST_ABSENT;
    assert_int_equal(dcm_scanner_begin(f->scanner, &options), ERR_ARGUMENT);
    options.algorithm = DCM_DIGEST_SHA512_256;
    options.named_count = DCM_NAMED_LIMIT + 1;
    assert_int_equal(dcm_scanner_begin(f->scanner, &options), ERR_ARGUMENT);
}

// Items of Contributing Equipment: by their own elements, not those of sequences in them.
#define EQUIPMENT      "\x18\x00\x01\xa0SQ\x00\x00\xff\xff\xff\xff"
#define MAKER(text)    "\x08\x00\x70\x00LO\x0a\x00" text
#define STATION(text)  "\x08\x00\x10\x10SH\x04\x00" text
#define ITEM_OF(bytes) ITEM bytes ITEM_END
#define INNER          "\x40\x00\x70\xa1SQ\x00\x00\xff\xff\xff\xff"

static void test_counted_items(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] = SOP_CLASS SOP_INSTANCE EQUIPMENT ITEM_OF(MAKER("dicomgate ") STATION("GATE"))
        ITEM_OF(MAKER("dicomgate ") STATION("OTHR")) ITEM_OF(MAKER("another co") STATION("GATE"))
            ITEM_OF(STATION("GATE") INNER ITEM_OF(MAKER("dicomgate ")) SEQUENCE_END) SEQUENCE_END;
    for (size_t piece = 1; piece <= sizeof bytes; piece += sizeof bytes - 1) {
        struct dcm_scan_options options = options_of(EVR);
        options.item_sequence = DCM_CONTRIBUTING_EQUIPMENT;
        options.item_match[0] = (struct dcm_item_match){DCM_MANUFACTURER, slice_of_text("dicomgate")};
        options.item_match[1] = (struct dcm_item_match){DCM_STATION_NAME, slice_of_text("GATE")};
        assert_int_equal(scan_with(f, &options, slice_of(bytes, sizeof bytes - 1), piece), OK);
        assert_int_equal(f->report.items_first, 2);
        assert_int_equal(f->report.items_all, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_named_elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_named_as_un_and_implicit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicates_and_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_limits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_header_complete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_structure_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_item_open_at_end_of_sequence, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_delimiter_in_fragment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_un_sequence_in_big_endian, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_received_digest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_counted_items, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inflated_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_options, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
