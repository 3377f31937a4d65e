// SPDX-License-Identifier: Apache-2.0
//
// Command sets against bytes typed by hand from PS3.7 annex E and PS3.5 7.1.3; oddities of PROTOCOL 78 to 80.
#include <stdio.h>
#include <string.h>

#include "support.h"

static void echo_request(void **unused)
{
    (void)unused;
    struct dimse_command c;
    assert_int_equal(OK, decode(ECHO_RQ, &c));
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.command_field, DIMSE_C_ECHO_RQ);
    assert_int_equal(c.message_id, 1);
    assert_text(c.affected_sop_class_uid, "1.2.840.10008.1.1");
    assert_false(dimse_command_has_data_set(&c));
    assert_false(dimse_command_is_response(&c));
    assert_true(dimse_command_has(&c, DIMSE_MESSAGE_ID));
    assert_false(dimse_command_has(&c, DIMSE_STATUS));
    assert_encodes(&c, ECHO_RQ);
}

static void store_request(void **unused)
{
    (void)unused;
    struct dimse_command c;
    assert_int_equal(OK, decode(STORE_RQ, &c));
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.command_field, 1);
    assert_int_equal(c.message_id, 7);
    assert_int_equal(c.priority, 0);
    assert_true(dimse_command_has_data_set(&c));
    assert_text(c.affected_sop_class_uid, "1.2.840.10008.5.1.4.1.1.2");
    assert_text(c.affected_sop_instance_uid, "1.2.3.45");
    assert_text(c.move_originator, "WORKSTAT");
    assert_int_equal(c.move_originator_message_id, 0x1234);
}

// Every element of the table in one set.
static const char EVERYTHING[] = "0000 0000 04000000 fc000000"
                                 "0000 0200 04000000 '1.2' 00"
                                 "0000 0300 04000000 '1.3' 00"
                                 "0000 0001 02000000 0180"
                                 "0000 1001 02000000 0100"
                                 "0000 2001 02000000 0200"
                                 "0000 0006 04000000 'DEST'"
                                 "0000 0007 02000000 0300"
                                 "0000 0008 02000000 0101"
                                 "0000 0009 02000000 00a7"
                                 "0000 0109 08000000 10000200 28001000"
                                 "0000 0209 04000000 'full'"
                                 "0000 0309 02000000 0500"
                                 "0000 0010 04000000 '1.4' 00"
                                 "0000 0110 04000000 '1.5' 00"
                                 "0000 0210 02000000 0600"
                                 "0000 0510 04000000 08001800"
                                 "0000 0810 02000000 0700"
                                 "0000 2010 02000000 0800"
                                 "0000 2110 02000000 0900"
                                 "0000 2210 02000000 0a00"
                                 "0000 2310 02000000 0b00"
                                 "0000 3010 04000000 'MOVE'"
                                 "0000 3110 02000000 0c00";

static void everything(void **unused)
{
    (void)unused;
    struct dimse_command c;
    assert_int_equal(OK, decode(EVERYTHING, &c));
    assert_int_equal(c.findings, 0);
    assert_int_equal(c.present, (1 << DIMSE_ELEMENT_COUNT) - 1);
    assert_text(c.affected_sop_class_uid, "1.2");
    assert_text(c.requested_sop_class_uid, "1.3");
    assert_int_equal(c.command_field, 0x8001);
    assert_int_equal(c.message_id, 1);
    assert_int_equal(c.message_id_responded_to, 2);
    assert_text(c.move_destination, "DEST");
    assert_int_equal(c.priority, 3);
    assert_int_equal(c.data_set_type, 0x0101);
    assert_int_equal(c.status, 0xA700);
    assert_int_equal(c.offending_element.length, 8);
    assert_memory_equal(c.offending_element.data, "\x10\x00\x02\x00\x28\x00\x10\x00", 8);
    assert_text(c.error_comment, "full");
    assert_int_equal(c.error_id, 5);
    assert_text(c.affected_sop_instance_uid, "1.4");
    assert_text(c.requested_sop_instance_uid, "1.5");
    assert_int_equal(c.event_type_id, 6);
    assert_memory_equal(c.attribute_identifier_list.data, "\x08\x00\x18\x00", 4);
    assert_int_equal(c.action_type_id, 7);
    assert_int_equal(c.remaining, 8);
    assert_int_equal(c.completed, 9);
    assert_int_equal(c.failed, 10);
    assert_int_equal(c.warning, 11);
    assert_text(c.move_originator, "MOVE");
    assert_int_equal(c.move_originator_message_id, 12);
    assert_encodes(&c, EVERYTHING);
}

static void tolerated(void **unused)
{
    (void)unused;
    struct dimse_command c;
    // wrong group length, UID padded by a space, odd text
    assert_int_equal(OK, decode("0000 0000 04000000 01000000"
                                "0000 0200 04000000 '1.2 '"
                                "0000 0001 02000000 3000"
                                "0000 0209 03000000 'abc'",
                                &c));
    assert_int_equal(c.findings, DIMSE_FINDING_GROUP_LENGTH | DIMSE_FINDING_PADDING);
    assert_text(c.affected_sop_class_uid, "1.2");
    assert_text(c.error_comment, "abc");
    assert_encodes(&c, "0000 0000 04000000 22000000"
                       "0000 0200 04000000 '1.2' 00"
                       "0000 0001 02000000 3000"
                       "0000 0209 04000000 'abc '");
    // no group length, wrong order, an element twice
    assert_int_equal(OK,
                     decode("0000 1001 02000000 0100 0000 0001 02000000 3000 0000 1001 02000000 0900", &c));
    assert_int_equal(c.findings, DIMSE_FINDING_GROUP_LENGTH | DIMSE_FINDING_ORDER | DIMSE_FINDING_REPEATED);
    assert_int_equal(c.message_id, 1);
    assert_encodes(&c, "0000 0000 04000000 14000000 0000 0001 02000000 3000 0000 1001 02000000 0100");
    // nothing at all
    assert_int_equal(OK, decode("", &c));
    assert_int_equal(c.present, 0);
    assert_true(dimse_command_has_data_set(&c));
}

// Retired, private and malformed elements come back in their places; group 0008 is not counted in group 0000.
static void unknown_elements(void **unused)
{
    (void)unused;
    static const char BYTES[] = "0000 0000 04000000 36000000"
                                "0000 0100 04000000 00000000" // retired length to end
                                "0000 0001 02000000 3000"
                                "0000 0009 04000000 00000000" // Status, four bytes long
                                "0000 ff0f 04000000 'priv'"
                                "0000 0250 00000000"
                                "0800 0500 04000000 'ISO '";
    struct dimse_command c;
    assert_int_equal(OK, decode(BYTES, &c));
    assert_int_equal(c.findings, DIMSE_FINDING_UNKNOWN | DIMSE_FINDING_VALUE_LENGTH);
    assert_int_equal(c.unknown_count, 5);
    assert_int_equal(c.unknown[0].tag, 0x00000001);
    assert_int_equal(c.unknown[2].tag, 0x00000FFF);
    assert_int_equal(c.unknown[4].tag, 0x00080005);
    assert_false(dimse_command_has(&c, DIMSE_STATUS));
    assert_encodes(&c, BYTES);
    // Set properly, the known field takes the place of its malformed twin.
    dimse_command_set_number(&c, DIMSE_STATUS, 0x0110);
    assert_encodes(&c, "0000 0000 04000000 34000000"
                       "0000 0100 04000000 00000000"
                       "0000 0001 02000000 3000"
                       "0000 0009 02000000 1001"
                       "0000 ff0f 04000000 'priv'"
                       "0000 0250 00000000"
                       "0800 0500 04000000 'ISO '");
}

// Found by fuzz_dimse_command: a padded odd unknown element must not become a number.
static void odd_unknown_element(void **unused)
{
    (void)unused;
    static const char BYTES[] = "0000 0000 04000000 09000000 0000 0001 01000000 04";
    struct dimse_command c;
    assert_int_equal(OK, decode(BYTES, &c));
    assert_false(dimse_command_has(&c, DIMSE_COMMAND_FIELD));
    assert_encodes(&c, BYTES);
}

static void malformed(void **unused)
{
    (void)unused;
    struct dimse_command c;
    assert_int_equal(ERR_FORMAT, decode("00", &c));
    assert_int_equal(ERR_FORMAT, decode("0000 0001 0200", &c));
    assert_int_equal(ERR_FORMAT, decode("0000 0001 02000000 30", &c));
    assert_int_equal(ERR_FORMAT, decode("0000 0001 ffffffff 3000", &c));
    static char many[33 * 20 + 1];
    for (unsigned i = 0; i < 33; i++)
        snprintf(many + i * 16, 17, "0000%02x5000000000", i);
    assert_int_equal(ERR_LIMIT, decode(many, &c));
    many[32 * 16] = 0;
    assert_int_equal(OK, decode(many, &c));
    assert_int_equal(c.unknown_count, 32);
}

static void data_set_types(void **unused)
{
    (void)unused;
    struct dimse_command c;
    static const struct {
        const char *bytes;
        bool has_data_set;
    } CASES[] = {{"0000 0008 02000000 0101", false},
                 {"0000 0008 02000000 0000", true},
                 {"0000 0008 02000000 0100", true},
                 {"0000 0008 02000000 0201", true},
                 {"0000 0008 02000000 fefe", true}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(OK, decode(CASES[i].bytes, &c));
        assert_int_equal(dimse_command_has_data_set(&c), CASES[i].has_data_set);
    }
}

static void names(void **unused)
{
    (void)unused;
    assert_string_equal(dimse_command_name(0x0001), "C-STORE-RQ");
    assert_string_equal(dimse_command_name(0x8021), "C-MOVE-RSP");
    assert_string_equal(dimse_command_name(0x0FFF), "C-CANCEL-RQ");
    assert_string_equal(dimse_command_name(0x1234), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(echo_request),
        cmocka_unit_test(store_request),
        cmocka_unit_test(everything),
        cmocka_unit_test(tolerated),
        cmocka_unit_test(unknown_elements),
        cmocka_unit_test(malformed),
        cmocka_unit_test(odd_unknown_element),
        cmocka_unit_test(data_set_types),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
