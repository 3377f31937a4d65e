// SPDX-License-Identifier: Apache-2.0
//
// The VR table against PS3.5 tables 6.2-1, 7.1-1 and 7.1-2 typed a second time, the dictionary against
// elements looked up by hand in PS3.6, transfer syntaxes (PS3.5 annex A), and the prefix of files.
#include "dcm/file.h"
#include "dcm/syntax.h"
#include "dcm/tag.h"
#include "dcm/vr.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_every_vr(void **state)
{
    (void)state;
    const char *all = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI "
                      "UL UN UR US UT UV";
    const char *long_form = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
    const char *text = "AE AS CS DA DS DT IS LO LT PN SH ST TM UC UI UR UT";
    const char *by_two = "AT OW SS US";
    const char *by_four = "FL OF OL SL UL";
    const char *by_eight = "FD OD OV SV UV";
    unsigned count = 0;
    for (const char *at = all; at[0] != 0; at += at[2] != 0 ? 3 : 2) {
        char name[3] = {at[0], at[1], 0};
        enum dcm_vr vr = dcm_vr_from_letters((uint8_t)at[0], (uint8_t)at[1]);
        const struct dcm_vr_info *info = dcm_vr_info(vr);
        assert_int_not_equal(vr, DCM_VR_NONE);
        assert_string_equal(info->name, name);
        assert_int_equal(info->is_long, strstr(long_form, name) != NULL);
        assert_int_equal(info->is_text, strstr(text, name) != NULL);
        unsigned width = strstr(by_two, name) != NULL     ? 2
                         : strstr(by_four, name) != NULL  ? 4
                         : strstr(by_eight, name) != NULL ? 8
                                                          : 1;
        assert_int_equal(info->swap_width, width);
        bool has_space = info->is_text && strcmp(name, "UI") != 0; // PS3.5 9.1: UIDs are padded with NUL
        assert_int_equal(info->padding, has_space ? ' ' : 0);
        count++;
    }
    assert_int_equal(count, 34);
    assert_int_equal(dcm_vr_from_letters('Z', 'Z'), DCM_VR_NONE);
    assert_int_equal(dcm_vr_from_letters('o', 'x'), DCM_VR_NONE); // stands in the dictionary only
    assert_int_equal(dcm_vr_from_letters('?', '?'), DCM_VR_NONE);
}

static void test_dictionary(void **state)
{
    (void)state;
    static const struct {
        uint32_t tag;
        enum dcm_vr vr;
    } rows[] = {
        {DCM_TAG(0x0004, 0x1130), DCM_VR_CS},
        {DCM_SPECIFIC_CHARACTER_SET, DCM_VR_CS},
        {DCM_SOP_INSTANCE_UID, DCM_VR_UI},
        {DCM_PATIENT_NAME, DCM_VR_PN},
        {DCM_PATIENT_ID, DCM_VR_LO},
        {DCM_ISSUER_OF_PATIENT_ID_SEQUENCE, DCM_VR_SQ},
        {DCM_TAG(0x0028, 0x0106), DCM_VR_US_OR_SS},
        {DCM_TAG(0x0028, 0x3006), DCM_VR_US_OR_OW},
        {DCM_TAG(0x0020, 0x3110), DCM_VR_CS},
        {DCM_TAG(0x0028, 0x0410), DCM_VR_US},
        {DCM_TAG(0x5002, 0x0005), DCM_VR_US},
        {DCM_TAG(0x501E, 0x3000), DCM_VR_OB_OR_OW},
        {DCM_TAG(0x6000, 0x0010), DCM_VR_US},
        {DCM_TAG(0x601E, 0x3000), DCM_VR_OB_OR_OW},
        {DCM_TAG(0x7F02, 0x0010), DCM_VR_OB_OR_OW},
        {DCM_PIXEL_DATA, DCM_VR_OB_OR_OW},
        {DCM_FLOAT_PIXEL_DATA, DCM_VR_OF},
        {DCM_DOUBLE_FLOAT_PIXEL_DATA, DCM_VR_OD},
        {DCM_TAG(0x7FE0, 0x0001), DCM_VR_OV},
        {DCM_TRAILING_PADDING, DCM_VR_OB},
        {DCM_TAG(0x0008, 0x0000), DCM_VR_UL},
        {DCM_TAG(0x0009, 0x0000), DCM_VR_NONE},
        {DCM_TAG(0x0009, 0x0010), DCM_VR_NONE},
        {DCM_TAG(0x6001, 0x0010), DCM_VR_NONE},
        {DCM_TAG(0x0008, 0xFFFF), DCM_VR_NONE},
        {DCM_TAG(0xFFFE, 0xE000), DCM_VR_NONE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(dcm_dictionary_vr(rows[i].tag), rows[i].vr);
}

// The look-up halves a sorted table: each row has to be above the one before.
static void test_dictionary_is_sorted(void **state)
{
    (void)state;
    static const uint32_t tags[] = {
#define T(tag, vr) 0x##tag,
#include "../../../lib/dcm/src/dictionary.def"
#undef T
    };
    static const uint8_t vrs[] = {
#define T(tag, vr) DCM_VR_##vr,
#include "../../../lib/dcm/src/dictionary.def"
#undef T
    };
    size_t count = sizeof tags / sizeof tags[0];
    assert_int_equal(count, 4833);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(dcm_dictionary_vr(tags[i]), vrs[i]);
        assert_true(i == 0 || tags[i] > tags[i - 1]);
    }
}

static void test_syntaxes(void **state)
{
    (void)state;
    struct dcm_syntax s = dcm_syntax_by_uid(slice_of("1.2.840.10008.1.2\0", 18));
    assert_true(s.implicit_vr && !s.big_endian && !s.deflated);
    s = dcm_syntax_by_uid(slice_of_text("1.2.840.10008.1.2.1"));
    assert_true(!s.implicit_vr && !s.big_endian && !s.deflated);
    s = dcm_syntax_by_uid(slice_of_text("1.2.840.10008.1.2.2"));
    assert_true(!s.implicit_vr && s.big_endian && !s.deflated);
    s = dcm_syntax_by_uid(slice_of_text("1.2.840.10008.1.2.1.99 "));
    assert_true(!s.implicit_vr && !s.big_endian && s.deflated);
    s = dcm_syntax_by_uid(slice_of_text("1.2.840.10008.1.2.8.1")); // only its frames are deflated
    assert_true(!s.implicit_vr && !s.big_endian && !s.deflated);
    s = dcm_syntax_by_uid(slice_of(NULL, 0));
    assert_true(!s.implicit_vr && !s.big_endian && !s.deflated);
}

#define META                                                                                                 \
    "\x02\x00\x00\x00UL\x04\x00\x63\x00\x00\x00"                                                             \
    "\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"                                                     \
    "\x02\x00\x02\x00UI\x04\x00"                                                                             \
    "1.2\0"                                                                                                  \
    "\x02\x00\x03\x00UI\x04\x00"                                                                             \
    "1.3\0"
#define META_SYNTAX                                                                                          \
    "\x02\x00\x10\x00UI\x12\x00"                                                                             \
    "1.2.840.10008.1.2\0"
#define EXPLICIT                                                                                             \
    "\x08\x00\x05\x00"                                                                                       \
    "CS\x02\x00"                                                                                             \
    "a "
#define IMPLICIT                                                                                             \
    "\x08\x00\x05\x00\x02\x00\x00\x00"                                                                       \
    "a "
#define BIG                                                                                                  \
    "\x00\x08\x00\x05"                                                                                       \
    "CS\x00\x02"                                                                                             \
    "a "
#define BYTES(literal) slice_of("" literal, sizeof(literal) - 1)

static void test_file(void **state)
{
    (void)state;
    struct dcm_file f;
    uint8_t bytes[256] = {0};
    struct slice meta = BYTES("DICM" META META_SYNTAX IMPLICIT);
    memcpy(bytes + 128, meta.data, meta.length);
    assert_int_equal(dcm_file_parse(slice_of(bytes, 128 + meta.length), &f), OK);
    assert_true(f.has_preamble && f.has_meta && !f.is_guessed);
    assert_true(slice_is_text(f.transfer_syntax, "1.2.840.10008.1.2"));
    assert_true(slice_is_text(f.sop_class, "1.2"));
    assert_true(slice_is_text(f.sop_instance, "1.3"));
    assert_int_equal(f.data_set_offset, 128 + meta.length - 10); // whatever the group length says
    assert_true(slice_is_equal(f.data_set, BYTES(IMPLICIT)));
    assert_int_equal(dcm_file_parse(slice_of(bytes, 150), &f), ERR_FORMAT);
}

static void test_file_without_meta(void **state)
{
    (void)state;
    struct dcm_file f;
    assert_int_equal(dcm_file_parse(BYTES(META_SYNTAX EXPLICIT), &f), OK);
    assert_true(!f.has_preamble && f.has_meta && !f.is_guessed);
    assert_int_equal(dcm_file_parse(BYTES(META EXPLICIT), &f), OK);
    assert_true(f.has_meta && f.is_guessed && slice_is_text(f.transfer_syntax, "1.2.840.10008.1.2.1"));
    assert_int_equal(dcm_file_parse(BYTES(EXPLICIT), &f), OK);
    assert_true(!f.has_meta && slice_is_text(f.transfer_syntax, "1.2.840.10008.1.2.1"));
    assert_int_equal(dcm_file_parse(BYTES(IMPLICIT), &f), OK);
    assert_true(slice_is_text(f.transfer_syntax, "1.2.840.10008.1.2"));
    assert_int_equal(dcm_file_parse(BYTES(BIG), &f), OK);
    assert_true(slice_is_text(f.transfer_syntax, "1.2.840.10008.1.2.2"));
    assert_int_equal(dcm_file_parse(slice_of(NULL, 0), &f), OK);
    assert_int_equal(f.data_set.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_vr),
        cmocka_unit_test(test_dictionary),
        cmocka_unit_test(test_dictionary_is_sorted),
        cmocka_unit_test(test_syntaxes),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_without_meta),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
