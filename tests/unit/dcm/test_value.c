// SPDX-License-Identifier: Apache-2.0
//
// Values against their VR, typed by hand from PS3.5 table 6.2-1.
#include "dcm/edit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define FINE DCM_PROBLEM_NONE
#define BAD  DCM_PROBLEM_BAD_VALUE
#define LONG DCM_PROBLEM_TOO_LONG

#define TEN     "1234567890"
#define SIXTY   TEN TEN TEN TEN TEN TEN
#define HUNDRED SIXTY TEN TEN TEN TEN

static const struct {
    enum dcm_vr vr;
    const char *value;
    enum dcm_problem_reason reason;
} rows[] = {
    {DCM_VR_AE, "STORE SCP", FINE},
    {DCM_VR_AE, "   ", BAD},
    {DCM_VR_AE, TEN "1234567", LONG},
    {DCM_VR_AE, "\xC3\xBC", BAD},
    {DCM_VR_AS, "018M", FINE},
    {DCM_VR_AS, "18M", BAD},
    {DCM_VR_AS, "018H", BAD},
    {DCM_VR_CS, "ORIGINAL\\PRIMARY\\A_1 2", FINE},
    {DCM_VR_CS, "original", BAD},
    {DCM_VR_CS, "A-B", BAD},
    {DCM_VR_CS, TEN "1234567", BAD},
    {DCM_VR_DA, "20240229", FINE},
    {DCM_VR_DA, "20230229", BAD},
    {DCM_VR_DA, "19000229", BAD},
    {DCM_VR_DA, "20231301", BAD},
    {DCM_VR_DA, "2023.01.01", BAD},
    {DCM_VR_DA, "2023010", BAD},
    {DCM_VR_DA, "20230101\\20230102", FINE},
    {DCM_VR_DA, "", FINE},
    {DCM_VR_TM, "07", FINE},
    {DCM_VR_TM, "0709", FINE},
    {DCM_VR_TM, "070907.0705 ", BAD},
    {DCM_VR_TM, "070907.070512", FINE},
    {DCM_VR_TM, "235960", FINE},
    {DCM_VR_TM, "240000", BAD},
    {DCM_VR_TM, "0760", BAD},
    {DCM_VR_TM, "07:09", BAD},
    {DCM_VR_TM, "070907.", BAD},
    {DCM_VR_TM, "070907.0123456", BAD},
    {DCM_VR_DT, "2024", FINE},
    {DCM_VR_DT, "20240229115959.5+0100", FINE},
    {DCM_VR_DT, "20240229+0100", FINE},
    {DCM_VR_DT, "20240229-01", BAD},
    {DCM_VR_DT, "20240229-1200", FINE},
    {DCM_VR_DT, "20240229-1201", BAD},
    {DCM_VR_DT, "20240229+1400", FINE},
    {DCM_VR_DT, "20240229+1430", BAD},
    {DCM_VR_DT, "202413", BAD},
    {DCM_VR_DS, "-1.5E-3\\ 7 ", FINE},
    {DCM_VR_DS, "1,5", BAD},
    {DCM_VR_DS, "nan", BAD},
    {DCM_VR_DS, "0x10", BAD},
    {DCM_VR_DS, TEN "1234567", LONG},
    {DCM_VR_IS, "-2147483648\\+7", FINE},
    {DCM_VR_IS, "2147483648", BAD},
    {DCM_VR_IS, "1.0", BAD},
    {DCM_VR_LO, SIXTY "1234", FINE},
    {DCM_VR_LO, SIXTY "12345", LONG},
    {DCM_VR_LO, SIXTY "1234\\" SIXTY "1234", FINE},
    // 64 characters, not bytes.
    {DCM_VR_LO, SIXTY "\xC3\xBC\xC3\xBC\xC3\xBC\xE5\xB1\xB1", FINE},
    {DCM_VR_LO, "a\nb", BAD},
    {DCM_VR_LO, "\xFF", BAD},
    {DCM_VR_LO, "\xC0\x80", BAD},
    {DCM_VR_LO, "\xED\xA0\x80", BAD},
    {DCM_VR_LO, "a\x1B(Bb", BAD},
    {DCM_VR_LT, "a\r\nb\\c", FINE},
    {DCM_VR_PN, "A^B^C^D^E=F=G", FINE},
    {DCM_VR_PN, "A^B^C^D^E^F", BAD},
    {DCM_VR_PN, "A=B=C=D", BAD},
    {DCM_VR_PN, SIXTY "1234=" SIXTY "1234", FINE},
    {DCM_VR_PN, SIXTY "12345", LONG},
    {DCM_VR_SH, TEN "123456", FINE},
    {DCM_VR_SH, TEN "1234567", LONG},
    {DCM_VR_UC, HUNDRED HUNDRED, FINE},
    {DCM_VR_UI, "1.2.840.0.10008", FINE},
    {DCM_VR_UI, "1.02", BAD},
    {DCM_VR_UI, "1..2", BAD},
    {DCM_VR_UI, "1.2.", BAD},
    {DCM_VR_UI, ".1", BAD},
    {DCM_VR_UI, SIXTY "12345", LONG},
    {DCM_VR_UR, "http://a/b?c", FINE},
    {DCM_VR_UR, "http://a b", BAD},
    {DCM_VR_US, "65535\\0", FINE},
    {DCM_VR_US, "65536", BAD},
    {DCM_VR_US, "-1", BAD},
    {DCM_VR_US, "1\\\\2", BAD},
    {DCM_VR_SS, "-32768\\32767", FINE},
    {DCM_VR_SS, "32768", BAD},
    {DCM_VR_UL, "4294967295", FINE},
    {DCM_VR_UL, "4294967296", BAD},
    {DCM_VR_SV, "-9223372036854775808", FINE},
    {DCM_VR_SV, "9223372036854775808", BAD},
    {DCM_VR_UV, "18446744073709551615", FINE},
    {DCM_VR_FL, "1e38", FINE},
    {DCM_VR_FL, "1e39", BAD},
    {DCM_VR_FD, "1e39", FINE},
    {DCM_VR_AT, "(0010,0020)\\PatientID", BAD},
    {DCM_VR_AT, "(0010,0020)", FINE},
    {DCM_VR_US_OR_SS, "-5", FINE},
    {DCM_VR_OB, "00", DCM_PROBLEM_NOT_A_VALUE},
    {DCM_VR_SQ, "x", DCM_PROBLEM_NOT_A_VALUE},
    {DCM_VR_UN, "x", DCM_PROBLEM_NOT_A_VALUE},
    {DCM_VR_NONE, "x", DCM_PROBLEM_NO_VR},
};

static void test_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum dcm_problem_reason reason =
            dcm_value_check(rows[i].vr, DCM_VALUE_TEXT, slice_of_text(rows[i].value));
        if (reason != rows[i].reason)
            fail_msg("%s '%s': %s", dcm_vr_info(rows[i].vr)->name, rows[i].value, dcm_problem_text(reason));
    }
}

static void test_bytes(void **state)
{
    (void)state;
    static uint8_t bytes[70000];
    assert_int_equal(dcm_value_check(DCM_VR_US, DCM_VALUE_BYTES, slice_of(bytes, 4)), FINE);
    assert_int_equal(dcm_value_check(DCM_VR_US, DCM_VALUE_BYTES, slice_of(bytes, 3)), BAD);
    assert_int_equal(dcm_value_check(DCM_VR_AT, DCM_VALUE_BYTES, slice_of(bytes, 6)), BAD);
    assert_int_equal(dcm_value_check(DCM_VR_FD, DCM_VALUE_BYTES, slice_of(bytes, 12)), BAD);
    assert_int_equal(dcm_value_check(DCM_VR_LO, DCM_VALUE_BYTES, slice_of(bytes, 65535)), LONG);
    assert_int_equal(dcm_value_check(DCM_VR_UT, DCM_VALUE_BYTES, slice_of(bytes, 65535)), FINE);
    assert_int_equal(dcm_value_check(DCM_VR_CS, DCM_VALUE_BYTES, slice_of("what came", 9)), FINE);
    assert_int_equal(dcm_value_check(DCM_VR_SQ, DCM_VALUE_EMPTY, slice_of(NULL, 0)), FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
