// SPDX-License-Identifier: Apache-2.0
//
// A-ASSOCIATE-RQ and -AC bodies, typed by hand from PS3.8 9.3.2, 9.3.3, annex D and PS3.7 D.3.3, with the
// faults of PROTOCOL 15 to 44.
#include <stdio.h>
#include <string.h>

#include "support.h"

#define FIXED                                                                                                \
    "0001 0000 'ARCHIVE         ' 'MODALITY        '"                                                        \
    "5a00000000000000 0000000000000000 0000000000000000 00000000000000a5"
#define APPLICATION "10 00 0015 '1.2.840.10008.3.1.1.1'"

// Every item that the standards know, an unknown one of each kind, odd and padded UIDs.
static const char FULL_RQ[] =
    FIXED APPLICATION "60 00 0003 010203"                                        // unknown item
                      "20 ff 0030 01 ff ff ff 30 00 0012 '1.2.840.10008.1.1' 00" // NUL padding
                      "   40 00 0012 '1.2.840.10008.1.2 '"                       // space padding
                      "20 00 0033 ff 00 00 00 30 00 0003 '1.2' 40 00 0013 '1.2.840.10008.1.2.1'"
                      "   40 00 0002 '1.' 41 00 0002 0000 40 00 0001 '7'" // unknown sub-item
                      "50 00 0097"
                      "51 00 0004 00008000"
                      "52 00 0005 '1.2.3'"
                      "53 00 0004 0005 0000"
                      "54 00 0007 0003 '1.2' 00 01"
                      "54 00 0008 0004 '1.5' 00 01 01"
                      "55 00 0006 'DGTEST'"
                      "56 00 0009 0003 '1.2' 01ff0002"
                      "56 00 0005 0003 '1.5'"
                      "57 07 0017 0003 '1.2' 0005 '1.4.2' 0009 0003 '1.7' 0002 '1.'"
                      "57 00 0009 0003 '1.5' 0000 0000"
                      "58 00 000b 02 01 0003 'joe' 0002 'pw'"
                      "5a 00 0004 deadbeef"  // unknown sub-item
                      "51 00 0004 00000001"; // repeated: the first counts

static struct ul_parameters *decode(enum ul_pdu_type type, const char *notation)
{
    static struct bytes bytes;
    bytes.length = 0;
    bytes_put(&bytes, notation);
    struct ul_parameters *parameters = NULL;
    enum ul_reason reason = UL_REASON_NONE;
    assert_int_equal(OK, ul_parameters_decode(type, bytes_slice(&bytes), &parameters, &reason));
    memset(bytes.data, 0xEE, bytes.length); // nothing may still point here
    return parameters;
}

static void assert_text(struct slice slice, const char *text)
{
    assert_true(slice_is_text(slice, text));
}

static void full_request(void **unused)
{
    (void)unused;
    struct ul_parameters *p = decode(UL_PDU_ASSOCIATE_RQ, FULL_RQ);
    assert_int_equal(p->protocol_version, 1);
    assert_text(ul_title_read(p->called), "ARCHIVE");
    assert_text(ul_title_read(p->calling), "MODALITY");
    assert_int_equal(p->reserved[0], 0x5a);
    assert_int_equal(p->reserved[31], 0xa5);
    assert_text(p->application_context, "1.2.840.10008.3.1.1.1");
    assert_int_equal(p->context_count, 2);
    assert_int_equal(p->contexts[0].id, 1);
    assert_int_equal(p->contexts[0].abstract_count, 1);
    assert_text(p->contexts[0].abstract, "1.2.840.10008.1.1");
    assert_int_equal(p->contexts[0].transfer_count, 1);
    assert_text(p->contexts[0].transfer[0], "1.2.840.10008.1.2");
    assert_int_equal(p->contexts[1].id, 255);
    assert_int_equal(p->contexts[1].transfer_count, 3);
    assert_text(p->contexts[1].transfer[0], "1.2.840.10008.1.2.1");
    assert_text(p->contexts[1].transfer[1], "1.");
    assert_text(p->contexts[1].transfer[2], "7");
    assert_int_equal(p->maximum_length, 32768);
    assert_text(p->implementation_class, "1.2.3");
    assert_text(p->implementation_version, "DGTEST");
    assert_int_equal(p->operations_invoked, 5);
    assert_int_equal(p->operations_performed, 0);
    assert_int_equal(p->role_count, 2);
    assert_text(p->roles[0].sop_class, "1.2");
    assert_int_equal(p->roles[0].scu, 0);
    assert_int_equal(p->roles[0].scp, 1);
    assert_text(p->roles[1].sop_class, "1.5");
    assert_int_equal(p->extended_count, 2);
    assert_bytes(p->extended[0].information, "01ff0002");
    assert_text(p->extended[1].sop_class, "1.5");
    assert_int_equal(p->extended[1].information.length, 0);
    assert_int_equal(p->common_extended_count, 2);
    assert_int_equal(p->common_extended[0].version, 7);
    assert_text(p->common_extended[0].service_class, "1.4.2");
    assert_int_equal(p->common_extended[0].related_count, 2);
    assert_text(p->common_extended[0].related[1], "1.");
    assert_int_equal(p->common_extended[1].related_count, 0);
    assert_true(p->has_user_identity);
    assert_int_equal(p->identity.type, 2);
    assert_true(p->identity.response_requested);
    assert_text(p->identity.primary, "joe");
    assert_text(p->identity.secondary, "pw");
    assert_int_equal(p->skipped_items, 4);
    ul_parameters_free(p);
}

static const char FULL_AC[] = FIXED APPLICATION "21 00 0015 01 00 00 00 40 00 000d '1.2.840.10008'"
                                                "21 00 0004 03 00 03 00"            // no transfer syntax item
                                                "21 00 0008 05 00 01 00 40 00 0000" // an empty one
                                                "21 00 0008 07 00 63 00 40 00 0000" // unknown result
                                                "50 00 0024"
                                                "51 00 0004 00000000"
                                                "53 00 0004 0001 0001"
                                                "54 00 0007 0003 '1.2' 01 00"
                                                "59 00 0005 0003 'yes'";

static void full_answer(void **unused)
{
    (void)unused;
    struct ul_parameters *p = decode(UL_PDU_ASSOCIATE_AC, FULL_AC);
    assert_int_equal(p->context_count, 4);
    assert_int_equal(p->contexts[0].result, 0);
    assert_text(p->contexts[0].transfer[0], "1.2.840.10008");
    assert_int_equal(p->contexts[1].result, 3);
    assert_int_equal(p->contexts[1].transfer_count, 0);
    assert_int_equal(p->contexts[2].result, 1);
    assert_int_equal(p->contexts[2].transfer[0].length, 0);
    assert_int_equal(p->contexts[3].result, 0x63);
    assert_int_equal(p->maximum_length, 0);
    assert_true(p->has_identity_response);
    assert_text(p->identity_response, "yes");
    // Encoded again it is what came: nothing in it was odd.
    struct byte_queue queue;
    byte_queue_init(&queue, 4096);
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_AC, p, &queue));
    char whole[2048];
    snprintf(whole, sizeof whole, "02 00 000000be %s", FULL_AC);
    assert_bytes(byte_queue_peek(&queue), whole);
    byte_queue_fini(&queue);
    ul_parameters_free(p);
}

// What we write of the full request: trimmed UIDs, unknown items gone, order of the standards.
static void encode_request(void **unused)
{
    (void)unused;
    struct ul_parameters *p = decode(UL_PDU_ASSOCIATE_RQ, FULL_RQ);
    struct byte_queue queue;
    byte_queue_init(&queue, 4096);
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, p, &queue));
    assert_bytes(byte_queue_peek(&queue),
                 "01 00 0000014a" FIXED APPLICATION
                 "20 00 002e 01 00 00 00 30 00 0011 '1.2.840.10008.1.1' 40 00 0011 '1.2.840.10008.1.2'"
                 "20 00 002d ff 00 00 00 30 00 0003 '1.2' 40 00 0013 '1.2.840.10008.1.2.1'"
                 "   40 00 0002 '1.' 40 00 0001 '7'"
                 "50 00 0086"
                 "51 00 0004 00008000"
                 "52 00 0005 '1.2.3'"
                 "53 00 0004 0005 0000"
                 "54 00 0007 0003 '1.2' 00 01"
                 "54 00 0007 0003 '1.5' 01 01"
                 "55 00 0006 'DGTEST'"
                 "56 00 0009 0003 '1.2' 01ff0002"
                 "56 00 0005 0003 '1.5'"
                 "57 07 0017 0003 '1.2' 0005 '1.4.2' 0009 0003 '1.7' 0002 '1.'"
                 "57 00 0009 0003 '1.5' 0000 0000"
                 "58 00 000b 02 01 0003 'joe' 0002 'pw'");
    byte_queue_fini(&queue);
    ul_parameters_free(p);
}

static void faults(void **unused)
{
    (void)unused;
    static const struct {
        const char *items;
        enum ul_reason reason;
    } CASES[] = {
        {APPLICATION APPLICATION, UL_REASON_ITEM_REPEATED},
        {"50 00 0000 50 00 0000", UL_REASON_ITEM_REPEATED},
        {"10 00 0016 '1.2.840.10008.3.1.1.1'", UL_REASON_ITEM_LENGTH}, // beyond the PDU
        {"10 00 00", UL_REASON_ITEM_LENGTH},                           // half a header
        {"20 00 0003 010000", UL_REASON_ITEM_LENGTH},                  // no room for the fixed part
        {"20 00 0008 02 00 00 00 30 00 0000", UL_REASON_CONTEXT_ID},   // even
        {"20 00 0004 00 00 00 00", UL_REASON_CONTEXT_ID},              // zero
        {"20 00 0004 01 00 00 00 20 00 0004 01 00 00 00", UL_REASON_CONTEXT_ID},
        {"20 00 0009 01 00 00 00 30 00 0002 31", UL_REASON_ITEM_LENGTH}, // sub-item beyond its item
        {"50 00 0007 51 00 0003 000000", UL_REASON_ITEM_LENGTH},
        {"50 00 0008 51 00 0005 00000000", UL_REASON_ITEM_LENGTH},
        {"50 00 0006 53 00 0002 0001", UL_REASON_ITEM_LENGTH},
        {"50 00 0008 54 00 0004 0003 '1.'", UL_REASON_ITEM_LENGTH},
        {"50 00 0009 54 00 0005 0002 '1.' 01", UL_REASON_ITEM_LENGTH}, // role byte missing
        {"50 00 0007 56 00 0003 0002 31", UL_REASON_ITEM_LENGTH},
        {"50 00 000d 57 00 0009 0001 31 0000 0002 0002",
         UL_REASON_ITEM_LENGTH},                                        // inner list overruns (PROTOCOL 43)
        {"50 00 0009 58 00 0005 01 00 0002 31", UL_REASON_ITEM_LENGTH}, // PROTOCOL 37
        {"50 00 0009 58 00 0005 01 00 0001 31", UL_REASON_ITEM_LENGTH}, // second length missing
    };
    static struct bytes bytes;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bytes.length = 0;
        bytes_put(&bytes, FIXED);
        bytes_put(&bytes, CASES[i].items);
        struct ul_parameters *parameters = NULL;
        enum ul_reason reason = UL_REASON_NONE;
        if (ul_parameters_decode(UL_PDU_ASSOCIATE_RQ, bytes_slice(&bytes), &parameters, &reason) !=
            ERR_FORMAT)
            print_error("case %zu\n", i);
        assert_null(parameters);
        assert_int_equal(reason, CASES[i].reason);
    }
}

// PROTOCOL 20, 21, 24, 32, 34, 35: odd, and legal to read.
static void tolerated(void **unused)
{
    (void)unused;
    struct ul_parameters *p = decode(UL_PDU_ASSOCIATE_RQ, FIXED);
    assert_false(p->has_application_context);
    assert_int_equal(p->context_count, 0);
    assert_int_equal(p->maximum_length, 0);
    assert_int_equal(p->operations_invoked, 1);
    ul_parameters_free(p);
    p = decode(UL_PDU_ASSOCIATE_RQ, FIXED "20 00 0004 01 00 00 00"
                                          "20 00 0012 03 00 00 00 30 00 0003 '1.2' 30 00 0003 '1.3'"
                                          "50 00 000c 52 00 0000 55 00 0000 ff 00 0000");
    assert_int_equal(p->contexts[0].abstract_count, 0);
    assert_int_equal(p->contexts[1].abstract_count, 2);
    assert_int_equal(p->contexts[1].transfer_count, 0);
    assert_true(p->has_implementation_class);
    assert_int_equal(p->implementation_class.length, 0);
    ul_parameters_free(p);
}

static void limits(void **unused)
{
    (void)unused;
    static struct bytes bytes;
    struct ul_parameters *parameters = NULL;
    enum ul_reason reason = UL_REASON_NONE;
    bytes.length = 0;
    bytes_put(&bytes, FIXED);
    for (unsigned i = 0; i < 128; i++) {
        char item[64];
        snprintf(item, sizeof item, "20 00 000b %02x 00 00 00 30 00 0003 '1.2'", 2 * i + 1);
        bytes_put(&bytes, item);
    }
    size_t length = bytes.length;
    assert_int_equal(OK,
                     ul_parameters_decode(UL_PDU_ASSOCIATE_RQ, bytes_slice(&bytes), &parameters, &reason));
    assert_int_equal(parameters->context_count, 128);
    assert_int_equal(parameters->contexts[127].id, 255);
    assert_int_equal(ERR_EXISTS, ul_parameters_add_context(parameters, 255, 0, slice_of_text("1.2")));
    assert_int_equal(ERR_ARGUMENT, ul_parameters_add_context(parameters, 4, 0, slice_of_text("1.2")));
    ul_parameters_free(parameters);

    bytes.length = length - 15; // the last context again, with one syntax too many
    bytes_put(&bytes, "20 00 0289 ff 00 00 00");
    for (unsigned i = 0; i < 129; i++)
        bytes_put(&bytes, "40 00 0001 '1'");
    assert_int_equal(ERR_FORMAT,
                     ul_parameters_decode(UL_PDU_ASSOCIATE_RQ, bytes_slice(&bytes), &parameters, &reason));
    assert_int_equal(reason, UL_REASON_TOO_MANY_ITEMS);
}

static void too_long_for_an_item(void **unused)
{
    (void)unused;
    static uint8_t info[65536];
    struct ul_parameters *p = own_request();
    struct byte_queue queue;
    byte_queue_init(&queue, 1 << 20);
    assert_int_equal(OK, ul_parameters_add_extended(p, slice_of_text("1.2"), slice_of(info, 65520)));
    assert_int_equal(ERR_LIMIT, ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, p, &queue));
    assert_true(byte_queue_is_empty(&queue));
    ul_parameters_free(p);
    p = own_request();
    assert_int_equal(OK, ul_parameters_add_extended(p, slice_of_text("1.2"), slice_of(info, 65000)));
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, p, &queue));
    assert_int_equal(byte_queue_peek(&queue).length, 161 + 4 + 2 + 3 + 65000);
    ul_parameters_free(p);
    byte_queue_fini(&queue);
}

static void built_equals_typed(void **unused)
{
    (void)unused;
    struct ul_parameters *request = own_request();
    struct ul_parameters *answer = own_answer(request);
    struct byte_queue queue;
    byte_queue_init(&queue, 4096);
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, request, &queue));
    assert_bytes(byte_queue_peek(&queue), REQUEST);
    byte_queue_consume(&queue, byte_queue_peek(&queue).length);
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_AC, answer, &queue));
    assert_bytes(byte_queue_peek(&queue), ANSWER);
    byte_queue_fini(&queue);
    ul_parameters_free(request);
    ul_parameters_free(answer);
}

static void built_items(void **unused)
{
    (void)unused;
    struct ul_parameters *p;
    assert_int_equal(OK, ul_parameters_new(&p));
    assert_int_equal(ERR_ARGUMENT, ul_parameters_add_transfer_syntax(p, slice_of_text("1")));
    assert_int_equal(ERR_ARGUMENT, ul_parameters_add_related_class(p, slice_of_text("1")));
    assert_int_equal(OK, ul_title_write(p->called, slice_of_text("ARCHIVE")));
    assert_int_equal(OK, ul_title_write(p->calling, slice_of_text("MODALITY")));
    assert_int_equal(OK, ul_parameters_set_implementation(p, slice_of_text("1.2.3"), slice_of_text("DG")));
    ul_parameters_set_asynchronous_window(p, 1, 2);
    assert_int_equal(OK, ul_parameters_add_role(p, slice_of_text("1.2"), true, false));
    assert_int_equal(OK, ul_parameters_add_common_extended(p, 0, slice_of_text("1.2"), slice_of_text("1.3")));
    assert_int_equal(OK, ul_parameters_add_related_class(p, slice_of_text("1.4")));
    assert_int_equal(OK, ul_parameters_add_refused(p, 3, UL_CONTEXT_TRANSFER_SYNTAXES));
    assert_int_equal(OK, ul_parameters_set_identity_response(p, slice_of_text("ok")));
    struct byte_queue queue;
    byte_queue_init(&queue, 4096);
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_AC, p, &queue)); // without the items of an RQ
    assert_bytes(byte_queue_peek(&queue),
                 "02 00 0000008f 0001 0000 'ARCHIVE         ' 'MODALITY        '"
                 "0000000000000000 0000000000000000 0000000000000000 0000000000000000"
                 "21 00 0019 03 00 04 00 40 00 0011 '1.2.840.10008.1.2'"
                 "50 00 002a 52 00 0005 '1.2.3' 53 00 0004 0001 0002"
                 "54 00 0007 0003 '1.2' 01 00 55 00 0002 'DG' 59 00 0004 0002 'ok'");
    byte_queue_fini(&queue);
    ul_parameters_free(p);
}

// PROTOCOL 25 to 27.
static void agreement(void **unused)
{
    (void)unused;
    struct ul_parameters *rq =
        decode(UL_PDU_ASSOCIATE_RQ, FIXED "20 00 0010 01 00 00 00 30 00 0003 '1.2' 40 00 0001 '4'"
                                          "20 00 0010 03 00 00 00 30 00 0003 '1.3' 40 00 0001 '4'"
                                          "20 00 0010 05 00 00 00 30 00 0003 '1.4' 40 00 0001 '4'"
                                          "20 00 0010 07 00 00 00 30 00 0003 '1.5' 40 00 0001 '4'"
                                          "20 00 0010 09 00 00 00 30 00 0003 '1.6' 40 00 0001 '4'"
                                          "20 00 0010 0b 00 00 00 30 00 0003 '1.7' 40 00 0001 '4'");
    struct ul_parameters *ac =
        decode(UL_PDU_ASSOCIATE_AC, FIXED "21 00 0009 01 00 00 00 40 00 0001 '4'"
                                          "21 00 0009 03 00 00 00 40 00 0001 '5'" // not proposed
                                          "21 00 0004 05 00 00 00"                // none
                                          "21 00 0009 07 00 06 00 40 00 0001 '4'" // result 6
                                          "21 00 0009 0d 00 00 00 40 00 0001 '4'" // never asked
                                          "21 00 000e 0b 00 00 00 40 00 0001 '4' 40 00 0001 '4'");
    struct slice abstract, transfer;
    for (unsigned id = 0; id < 256; id++)
        assert_int_equal(ul_parameters_agreed(rq, ac, (uint8_t)id, &abstract, &transfer), id == 1);
    assert_true(ul_parameters_agreed(rq, ac, 1, &abstract, &transfer));
    assert_text(abstract, "1.2");
    assert_text(transfer, "4");
    ul_parameters_free(rq);
    ul_parameters_free(ac);
}

static void titles(void **unused)
{
    (void)unused;
    uint8_t title[16];
    assert_int_equal(ERR_ARGUMENT, ul_title_write(title, slice_of_text("SEVENTEEN_LETTERS")));
    assert_int_equal(OK, ul_title_write(title, slice_of_text("SIXTEEN__LETTERS")));
    assert_text(ul_title_read(title), "SIXTEEN__LETTERS");
    assert_int_equal(OK, ul_title_write(title, slice_of_text("  A B ")));
    assert_text(ul_title_read(title), "A B");
    memset(title, ' ', sizeof title);
    assert_int_equal(ul_title_read(title).length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_request),
        cmocka_unit_test(full_answer),
        cmocka_unit_test(encode_request),
        cmocka_unit_test(faults),
        cmocka_unit_test(tolerated),
        cmocka_unit_test(limits),
        cmocka_unit_test(too_long_for_an_item),
        cmocka_unit_test(built_equals_typed),
        cmocka_unit_test(agreement),
        cmocka_unit_test(titles),
        cmocka_unit_test(built_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
