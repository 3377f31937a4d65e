// SPDX-License-Identifier: Apache-2.0
//
// Classes of status codes, typed from PS3.7 annex C and PS3.4 tables B.2-1, C.4-1 to C.4-3.
#include "dimse/status.h"

#include "support.h"

static void classes(void **unused)
{
    (void)unused;
    static const struct {
        uint16_t command;
        uint16_t status;
        enum dimse_status_class expected;
    } CASES[] = {
        {0x8001, 0x0000, DIMSE_CLASS_SUCCESS}, {0x8001, 0xB000, DIMSE_CLASS_WARNING},
        {0x8001, 0xB006, DIMSE_CLASS_WARNING}, {0x8001, 0xB007, DIMSE_CLASS_WARNING},
        {0x8001, 0xBFFF, DIMSE_CLASS_WARNING}, {0x8001, 0xA700, DIMSE_CLASS_REFUSED},
        {0x8001, 0xA7FF, DIMSE_CLASS_REFUSED}, {0x8001, 0xA900, DIMSE_CLASS_FAILURE},
        {0x8001, 0xA9FF, DIMSE_CLASS_FAILURE}, {0x8001, 0xC000, DIMSE_CLASS_FAILURE},
        {0x8001, 0xCFFF, DIMSE_CLASS_FAILURE}, {0x8001, 0x0111, DIMSE_CLASS_FAILURE},
        {0x8001, 0x0122, DIMSE_CLASS_REFUSED}, {0x8001, 0x0124, DIMSE_CLASS_REFUSED},
        {0x8001, 0x0110, DIMSE_CLASS_FAILURE}, {0x8001, 0x0213, DIMSE_CLASS_REFUSED},
        {0x8001, 0x01FF, DIMSE_CLASS_FAILURE}, {0x8001, 0xFF00, DIMSE_CLASS_PENDING},
        {0x8020, 0xFF00, DIMSE_CLASS_PENDING}, {0x8020, 0xFF01, DIMSE_CLASS_PENDING},
        {0x8020, 0xFE00, DIMSE_CLASS_CANCEL},  {0x8020, 0xA700, DIMSE_CLASS_REFUSED},
        {0x8020, 0xA900, DIMSE_CLASS_FAILURE}, {0x8020, 0xC123, DIMSE_CLASS_FAILURE},
        {0x8021, 0xA801, DIMSE_CLASS_REFUSED}, {0x8021, 0xB000, DIMSE_CLASS_WARNING},
        {0x8021, 0xA702, DIMSE_CLASS_REFUSED}, {0x8010, 0xA701, DIMSE_CLASS_REFUSED},
        {0x8110, 0x0001, DIMSE_CLASS_WARNING}, {0x8110, 0x0107, DIMSE_CLASS_WARNING},
        {0x8120, 0x0116, DIMSE_CLASS_WARNING}, {0x8120, 0x0115, DIMSE_CLASS_FAILURE},
        {0x8001, 0x0002, DIMSE_CLASS_UNKNOWN}, {0x8001, 0x9000, DIMSE_CLASS_UNKNOWN},
        {0x8001, 0xD000, DIMSE_CLASS_UNKNOWN}, {0x8001, 0xFFFF, DIMSE_CLASS_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(dimse_status_class(CASES[i].command, CASES[i].status), CASES[i].expected);
        // Request and response field mean the same service.
        assert_int_equal(dimse_status_class(CASES[i].command & 0x7FFF, CASES[i].status), CASES[i].expected);
    }
}

static void names(void **unused)
{
    (void)unused;
    assert_string_equal(dimse_status_name(0x8001, 0x0000), "success");
    assert_string_equal(dimse_status_name(0x8001, 0xA7AA), "out of resources");
    assert_string_equal(dimse_status_name(0x8021, 0xA801), "move destination unknown");
    assert_string_equal(dimse_status_name(0x8001, 0xB006), "elements discarded");
    assert_string_equal(dimse_status_name(0x8001, 0x9000), "unknown status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
