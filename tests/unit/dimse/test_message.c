// SPDX-License-Identifier: Apache-2.0
//
// The messages that the gateway builds, against PS3.7 tables 9.3-1, 9.3-2, 9.3-12 and 9.3-13.
#include "dimse/message.h"
#include "dimse/status.h"

#include <string.h>

#include "support.h"

static void requests(void **unused)
{
    (void)unused;
    struct dimse_command c;
    dimse_echo_request(&c, 1);
    assert_encodes(&c, ECHO_RQ);
    const struct dimse_move_originator originator = {slice_of_text("WORKSTATN"), 0x1234};
    dimse_store_request(&c, 7, slice_of_text("1.2.840.10008.5.1.4.1.1.2"), slice_of_text("1.2.3.45"),
                        DIMSE_PRIORITY_MEDIUM, &originator);
    assert_encodes(&c, "0000 0000 04000000 76000000"
                       "0000 0200 1a000000 '1.2.840.10008.5.1.4.1.1.2' 00"
                       "0000 0001 02000000 0100"
                       "0000 1001 02000000 0700"
                       "0000 0007 02000000 0000"
                       "0000 0008 02000000 0000"
                       "0000 0010 08000000 '1.2.3.45'"
                       "0000 3010 0a000000 'WORKSTATN '"
                       "0000 3110 02000000 3412");
    dimse_store_request(&c, 7, slice_of_text("1.2"), slice_of_text("1.3"), DIMSE_PRIORITY_LOW, NULL);
    assert_encodes(&c, "0000 0000 04000000 40000000"
                       "0000 0200 04000000 '1.2' 00"
                       "0000 0001 02000000 0100"
                       "0000 1001 02000000 0700"
                       "0000 0007 02000000 0200"
                       "0000 0008 02000000 0000"
                       "0000 0010 04000000 '1.3' 00");
}

static void responses(void **unused)
{
    (void)unused;
    struct dimse_command request;
    struct dimse_command c;
    dimse_echo_request(&request, 0x0102);
    dimse_echo_response(&c, &request, DIMSE_SUCCESS);
    assert_encodes(&c, "0000 0000 04000000 42000000"
                       "0000 0200 12000000 '1.2.840.10008.1.1' 00"
                       "0000 0001 02000000 3080"
                       "0000 2001 02000000 0201"
                       "0000 0008 02000000 0101"
                       "0000 0009 02000000 0000");
    dimse_store_request(&request, 3, slice_of_text("1.2"), slice_of_text("1.3"), 0, NULL);
    uint8_t offending[4];
    dimse_tag_write(offending, 0x00080018);
    dimse_store_response(&c, &request, 0xA900, slice_of_text("UID differs"), slice_of(offending, 4));
    assert_encodes(&c, "0000 0000 04000000 60000000"
                       "0000 0200 04000000 '1.2' 00"
                       "0000 0001 02000000 0180"
                       "0000 2001 02000000 0300"
                       "0000 0008 02000000 0101"
                       "0000 0009 02000000 00a9"
                       "0000 0109 04000000 08001800"
                       "0000 0209 0c000000 'UID differs '"
                       "0000 0010 04000000 '1.3' 00");
    dimse_store_response(&c, &request, 0, slice_of(NULL, 0), slice_of(NULL, 0));
    assert_false(dimse_command_has(&c, DIMSE_ERROR_COMMENT));
    assert_false(dimse_command_has(&c, DIMSE_OFFENDING_ELEMENT));
}

// N services ask with the requested UIDs and are answered with the affected ones.
static void general_response(void **unused)
{
    (void)unused;
    struct dimse_command request;
    struct dimse_command c;
    dimse_command_init(&request, DIMSE_N_SET_RQ);
    dimse_command_set_number(&request, DIMSE_MESSAGE_ID, 9);
    dimse_command_set_text(&request, DIMSE_REQUESTED_SOP_CLASS_UID, slice_of_text("1.2"));
    dimse_command_set_text(&request, DIMSE_REQUESTED_SOP_INSTANCE_UID, slice_of_text("1.3"));
    dimse_response(&c, &request, DIMSE_UNRECOGNISED_OPERATION);
    assert_int_equal(c.command_field, DIMSE_N_SET_RSP);
    assert_int_equal(c.status, 0x0211);
    assert_int_equal(c.message_id_responded_to, 9);
    assert_text(c.affected_sop_class_uid, "1.2");
    assert_text(c.affected_sop_instance_uid, "1.3");
    assert_false(dimse_command_has(&c, DIMSE_MESSAGE_ID));
}

static void comments_are_cut(void **unused)
{
    (void)unused;
    struct dimse_command request;
    struct dimse_command c;
    dimse_store_request(&request, 3, slice_of_text("1.2"), slice_of_text("1.3"), 0, NULL);
    char longer[80];
    memset(longer, 'x', sizeof longer);
    dimse_store_response(&c, &request, 0xC000, slice_of(longer, sizeof longer), slice_of(NULL, 0));
    assert_int_equal(c.error_comment.length, 64);
    dimse_store_response(&c, &request, 0xC000, slice_of_text("cut\nhere"), slice_of(NULL, 0));
    assert_text(c.error_comment, "cut");
    dimse_store_response(&c, &request, 0xC000, slice_of_text("cut\\here"), slice_of(NULL, 0));
    assert_text(c.error_comment, "cut");
    dimse_store_response(&c, &request, 0xC000, slice_of_text("\xc3\xa9"), slice_of(NULL, 0));
    assert_false(dimse_command_has(&c, DIMSE_ERROR_COMMENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(requests), cmocka_unit_test(responses),
                                       cmocka_unit_test(general_response),
                                       cmocka_unit_test(comments_are_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
