// SPDX-License-Identifier: Apache-2.0
//
// The decoder on whole streams: every split gives the same record (PROTOCOL 1 to 4), lengths are judged
// before anything is kept (8 to 12), P-DATA faults (71 to 77), pausing, and the sending side.
#include <string.h>

#include "support.h"

static struct record R;
static struct bytes OUT;

// Answers from inside the callbacks, as an owner may.
static void answer_at_once(struct record *record, const char *word)
{
    struct ul_association *a = record->association;
    if (strncmp(word, "rq(", 3) == 0) {
        struct ul_parameters *answer = own_answer(ul_association_peer(a));
        assert_int_equal(OK, ul_association_accept(a, &answer));
    } else if (strcmp(word, "release-rq") == 0) {
        assert_int_equal(OK, ul_association_release_response(a));
    }
}

static void start(struct ul_association *a, void (*hook)(struct record *, const char *))
{
    memset(&R, 0, sizeof R);
    R.hook = hook;
    R.association = a;
    ul_association_init(a, UL_ACCEPTOR, NULL, &RECORDER, &R);
    assert_int_equal(OK, ul_association_on_transport_connected(a));
    record_clear(&R);
}

static void start_established(struct ul_association *a)
{
    start(a, answer_at_once);
    assert_int_equal(OK, feed(a, REQUEST));
    assert_int_equal(ul_association_state(a), Sta6);
    drain(a, &OUT);
    record_clear(&R);
}

// A request, a command and a data set in all shapes of fragments, a release; glued together.
static void put_conversation(struct bytes *stream)
{
    bytes_put(stream, REQUEST);
    bytes_put(stream,
              "04 00 0000000a 00000006 01 03 01020304"                                            // one PDV
              "04 00 0000001c 00000004 01 01 aabb 00000002 01 00 0000000a 01 03 0102030405060708" // three
              "04 ff 0000000d 00000002 01 02 00000003 01 fe 7f" // zero length; odd, bits set
              "05 00 00000004 00000000");
}

static const char CONVERSATION[] =
    "artim- rq(ARCHIVE) pdv(1,3,4) data(01020304) end pdv(1,1,2) data(aabb) end "
    "pdv(1,0,0) end pdv(1,3,8) data(0102030405060708) end pdv(1,2,0) end "
    "pdv(1,254,1) data(7f) end release-rq artim+";

static void expect_conversation(struct ul_association *a)
{
    assert_string_equal(R.words, CONVERSATION);
    assert_int_equal(ul_association_state(a), Sta13);
    assert_int_equal(ul_association_reason(a), UL_REASON_RELEASED);
    struct slice out = drain(a, &OUT);
    assert_bytes(slice_first(out, 140), ANSWER);
    assert_bytes(slice_from(out, 140), "06 00 00000004 00000000");
    ul_association_fini(a);
}

static void give(struct ul_association *a, struct slice piece)
{
    size_t consumed;
    assert_int_equal(OK, ul_association_input(a, piece, &consumed));
    assert_int_equal(consumed, piece.length);
}

static void every_split(void **unused)
{
    (void)unused;
    static struct bytes stream;
    stream.length = 0;
    put_conversation(&stream);
    struct ul_association a;
    for (size_t at = 0; at <= stream.length; at++) {
        start(&a, answer_at_once);
        give(&a, slice_first(bytes_slice(&stream), at));
        give(&a, slice_from(bytes_slice(&stream), at));
        expect_conversation(&a);
    }
    for (size_t step = 1; step < 8; step++) {
        start(&a, answer_at_once);
        for (size_t at = 0; at < stream.length; at += step)
            give(&a, slice_first(slice_from(bytes_slice(&stream), at), step));
        expect_conversation(&a);
    }
}

// PROTOCOL 3: data before the answer is (2,2), whatever its split.
static void early_data(void **unused)
{
    (void)unused;
    struct ul_association a;
    start(&a, NULL);
    assert_int_equal(OK, feed(&a, REQUEST));
    assert_int_equal(OK, feed(&a, "04 00 00000008 00000004 01 03 0102"));
    assert_string_equal(R.words, "artim- rq(ARCHIVE) artim+ abort(us,2,2,unexpected-pdu)");
    assert_bytes(drain(&a, &OUT), "07 00 00000004 00 00 02 02");
    ul_association_fini(&a);
}

struct fault_case {
    const char *bytes;
    const char *words;
    uint8_t code;
};

static void check_fault(struct ul_association *a, const struct fault_case *c)
{
    assert_int_equal(OK, feed(a, c->bytes));
    assert_string_equal(R.words, c->words);
    char abort[] = "07 00 00000004 00 00 02 0?";
    abort[sizeof abort - 2] = (char)('0' + c->code);
    assert_bytes(drain(a, &OUT), abort);
    assert_int_equal(ul_association_state(a), Sta13);
    assert_null(a->decoder.body);
    ul_association_fini(a);
}

static void faults_when_established(void **unused)
{
    (void)unused;
    static const struct fault_case CASES[] = {
        {"00 00 00000000", "artim+ abort(us,2,1,unknown-pdu)", 1},
        {"ff 00 ffffffff", "artim+ abort(us,2,1,unknown-pdu)", 1},
        {"02 00 00000000", "artim+ abort(us,2,2,unexpected-pdu)", 2},
        {"01 00 ffffffff", "artim+ abort(us,2,2,unexpected-pdu)", 2},
        {"06 00 00000004", "artim+ abort(us,2,2,unexpected-pdu)", 2},
        {"05 00 00000003 000000", "artim+ abort(us,2,6,pdu-length)", 6},
        {"05 00 00000005 0000000000", "artim+ abort(us,2,6,pdu-length)", 6},
        {"07 00 00000000", "artim+ abort(us,2,6,pdu-length)", 6},
        {"04 00 00000000", "artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 00000005 00000001 01", "artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 00000006 00000000 01 03", "artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 00000006 00000001 01 03", "artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 00000007 00000004 01 03 00", "artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 00000007 ffffffff 01 03 00", "artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 0000000b 00000004 01 03 0102 000000",
         "pdv(1,3,2) data(0102) end artim+ abort(us,2,6,pdv-length)", 6},
        {"04 00 00000008 00000004 03 03 0102", "artim+ abort(us,2,6,pdv-context)", 6},
        {"04 00 0000400d", "artim+ abort(us,2,6,pdu-too-long)", 6}, // 16384 + 12 + 1
        {"04 00 ffffffff", "artim+ abort(us,2,6,pdu-too-long)", 6},
    };
    struct ul_association a;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start_established(&a);
        check_fault(&a, &CASES[i]);
    }
    start_established(&a); // PROTOCOL 11: the excess is taken
    assert_int_equal(OK, feed(&a, "04 00 0000400c 00004008 01 02 00"));
    assert_string_equal(R.words, "pdv(1,2,16390) data(00");
    ul_association_fini(&a);
}

static void faults_before_association(void **unused)
{
    (void)unused;
    static const struct fault_case CASES[] = {
        {"47 45 54202f20 'HTTP/1.1'", "artim+", 1},
        {"04 00 00000006", "artim+", 2},
        {"01 00 00100001", "artim+", 6}, // 1 MiB + 1
        {"01 00 ffffffff 0001", "artim+", 6},
        {"01 00 00000043", "artim+", 6},
    };
    static const enum ul_reason REASONS[] = {UL_REASON_UNKNOWN_PDU, UL_REASON_UNEXPECTED_PDU,
                                             UL_REASON_PDU_TOO_LONG, UL_REASON_PDU_TOO_LONG,
                                             UL_REASON_PDU_LENGTH};
    struct ul_association a;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        start(&a, NULL);
        assert_int_equal(OK, feed(&a, CASES[i].bytes));
        assert_int_equal(ul_association_reason(&a), REASONS[i]);
        ul_association_fini(&a);
        start(&a, NULL);
        check_fault(&a, &CASES[i]);
    }
    // The limit itself is announced, but nothing is kept before it comes.
    start(&a, NULL);
    assert_int_equal(OK, feed(&a, "01 00 00100000"));
    assert_null(a.decoder.body);
    assert_int_equal(OK, feed(&a, "0001"));
    assert_true(a.decoder.body_capacity <= 4096);
    ul_association_on_artim_expired(&a); // PROTOCOL 56
    assert_string_equal(R.words, "artim- close");
    assert_int_equal(ul_association_reason(&a), UL_REASON_ARTIM_EXPIRED);
    ul_association_fini(&a);
}

static void bad_request_body(void **unused)
{
    (void)unused;
    static struct bytes request;
    request.length = 0;
    bytes_put(&request, REQUEST);
    request.data[request.length - 9] = 0xff; // the last sub-item overruns
    struct ul_association a;
    start(&a, NULL);
    give(&a, bytes_slice(&request));
    assert_int_equal(ul_association_reason(&a), UL_REASON_ITEM_LENGTH);
    assert_string_equal(R.words, "artim+");
    assert_bytes(drain(&a, &OUT), "07 00 00000004 00 00 02 06");
    ul_association_fini(&a);
}

// PROTOCOL 47, 61: in Sta13 PDUs are skipped whole, also those begun before; an A-ABORT among them is seen.
static void after_the_end(void **unused)
{
    (void)unused;
    struct ul_association a;
    start_established(&a);
    assert_int_equal(OK, feed(&a, "04 00 0000000a 00000006 01 02 0102"));
    assert_int_equal(OK, ul_association_abort(&a, 0, 0));
    assert_int_equal(ERR_REFUSED, ul_association_abort(&a, 0, 0));
    assert_int_equal(OK, feed(&a, "0304 04 00 00000006 00000000 0000 02 00 00000001 00"));
    assert_string_equal(R.words, "pdv(1,2,4) data(0102) artim+");
    drain(&a, &OUT);
    assert_int_equal(OK, feed(&a, REQUEST)); // AA-7
    assert_bytes(drain(&a, &OUT), "07 00 00000004 00 00 02 02");
    assert_int_equal(CLOSED, feed(&a, "07 00 00000004 00000000"));
    assert_string_equal(R.words, "pdv(1,2,4) data(0102) artim+ artim- close");
    assert_int_equal(ul_association_reason(&a), UL_REASON_ABORTED_BY_US);
    ul_association_fini(&a);
}

static void abort_inside(struct record *record, const char *word)
{
    answer_at_once(record, word);
    if (strncmp(word, "pdv(", 4) == 0)
        assert_int_equal(OK, ul_association_abort(record->association, 2, 5));
}

static void abort_in_callback(void **unused)
{
    (void)unused;
    static struct bytes stream;
    stream.length = 0;
    put_conversation(&stream);
    struct ul_association a;
    start(&a, abort_inside);
    give(&a, bytes_slice(&stream));
    assert_string_equal(R.words, "artim- rq(ARCHIVE) pdv(1,3,4) artim+");
    assert_bytes(slice_from(drain(&a, &OUT), 140), "07 00 00000004 00 00 02 05");
    ul_association_fini(&a);
}

static void pause_inside(struct record *record, const char *word)
{
    answer_at_once(record, word);
    ul_association_pause(record->association);
}

static void paused(void **unused)
{
    (void)unused;
    static struct bytes stream;
    stream.length = 0;
    put_conversation(&stream);
    struct ul_association a;
    start(&a, pause_inside);
    ul_association_resume(&a);
    struct slice left = bytes_slice(&stream);
    unsigned rounds = 0;
    enum result result;
    do {
        size_t consumed;
        result = ul_association_input(&a, left, &consumed);
        left = slice_from(left, consumed);
        ul_association_resume(&a);
        rounds++;
    } while (result == AGAIN);
    assert_int_equal(result, OK);
    assert_true(rounds > 8);
    expect_conversation(&a);
}

static void sending(void **unused)
{
    (void)unused;
    struct ul_association a;
    uint8_t header[12];
    start(&a, NULL);
    static struct bytes request;
    request.length = 0;
    bytes_put(&request, REQUEST);
    request.data[request.length - 2] = 0;
    request.data[request.length - 1] = 101; // maximum length 101
    give(&a, bytes_slice(&request));
    assert_int_equal(ERR_REFUSED, ul_association_data_header(&a, 1, true, true, 2, header));
    assert_int_equal(ul_association_max_fragment(&a), 94);
    struct ul_parameters *answer = own_answer(ul_association_peer(&a));
    assert_int_equal(OK, ul_association_accept(&a, &answer));
    assert_true(ul_association_can_send(&a));
    assert_int_equal(OK, ul_association_data_header(&a, 1, true, true, 94, header));
    assert_bytes(slice_of(header, 12), "04 00 00000064 00000060 01 03");
    assert_int_equal(OK, ul_association_data_header(&a, 1, false, false, 2, header));
    assert_bytes(slice_of(header, 12), "04 00 00000008 00000004 01 00");
    assert_int_equal(OK, ul_association_data_header(&a, 1, false, true, 95, header));
    assert_bytes(slice_of(header, 12), "04 00 00000065 00000061 01 02");
    assert_int_equal(ERR_LIMIT, ul_association_data_header(&a, 1, false, true, 96, header));
    assert_int_equal(ERR_ARGUMENT, ul_association_data_header(&a, 1, false, false, 3, header)); // PROTOCOL 77
    assert_int_equal(ERR_ARGUMENT, ul_association_data_header(&a, 3, false, true, 2, header));
    struct slice abstract, transfer;
    assert_true(ul_association_context(&a, 1, &abstract, &transfer));
    assert_true(slice_is_text(transfer, "1.2.840.10008.1.2"));
    assert_false(ul_association_context(&a, 3, &abstract, &transfer));
    ul_association_fini(&a);
}

// PROTOCOL 32, 33.
static void maximum_lengths(void **unused)
{
    (void)unused;
    static const struct {
        uint8_t low;
        enum ul_state state;
        uint32_t fragment;
    } CASES[] = {{0, Sta3, 4294967288u}, {7, Sta13, 0}, {8, Sta3, 2}, {9, Sta3, 2}, {16, Sta3, 10}};
    static struct bytes request;
    struct ul_association a;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        request.length = 0;
        bytes_put(&request, REQUEST);
        request.data[request.length - 2] = 0;
        request.data[request.length - 1] = CASES[i].low;
        start(&a, NULL);
        give(&a, bytes_slice(&request));
        assert_int_equal(ul_association_state(&a), CASES[i].state);
        if (CASES[i].state == Sta3)
            assert_int_equal(ul_association_max_fragment(&a), CASES[i].fragment);
        else
            assert_int_equal(ul_association_reason(&a), UL_REASON_PEER_MAXIMUM);
        ul_association_fini(&a);
    }
}

static void start_requestor(struct ul_association *a)
{
    memset(&R, 0, sizeof R);
    ul_association_init(a, UL_REQUESTOR, NULL, &RECORDER, &R);
    struct ul_parameters *request = own_request();
    assert_int_equal(OK, ul_association_request(a, &request));
    assert_int_equal(OK, ul_association_on_transport_connected(a));
    assert_bytes(drain(a, &OUT), REQUEST);
    record_clear(&R);
}

// PROTOCOL 3: nothing is lost behind the AC. PROTOCOL 75: a context that the AC refuses or never names
// carries no data.
static void requestor(void **unused)
{
    (void)unused;
    static struct bytes stream;
    struct ul_association a;
    stream.length = 0;
    bytes_put(&stream, ANSWER);
    bytes_put(&stream, "04 00 00000008 00000004 01 03 0102 06 00 00000004 00000000");
    start_requestor(&a);
    give(&a, bytes_slice(&stream));
    assert_string_equal(R.words,
                        "ac(1) pdv(1,3,2) data(0102) end artim+ abort(us,2,2,unexpected-pdu)"); // PROTOCOL 60
    ul_association_fini(&a);

    stream.data[6 + 68 + 25 + 6] = UL_CONTEXT_ABSTRACT_SYNTAX; // the result of context 1
    start_requestor(&a);
    give(&a, bytes_slice(&stream));
    assert_string_equal(R.words, "ac(1) artim+ abort(us,2,6,pdv-context)");
    ul_association_fini(&a);

    stream.length = 0; // PROTOCOL 33: no PDV fits
    bytes_put(&stream, ANSWER);
    stream.data[stream.length - 2] = 0;
    stream.data[stream.length - 1] = 7;
    start_requestor(&a);
    give(&a, bytes_slice(&stream));
    assert_string_equal(R.words, "artim+ abort(us,2,6,peer-maximum)");
    ul_association_fini(&a);

    start_requestor(&a); // PROTOCOL 4: closed inside a PDU
    assert_int_equal(OK, feed(&a, "02 00 0000"));
    ul_association_on_transport_closed(&a);
    ul_association_on_transport_closed(&a);
    assert_string_equal(R.words, "abort(transport,0,0,transport-closed)");
    ul_association_fini(&a);
}

// A request of nearly 64 KiB in pieces: collected as it comes, and every byte of it read.
static void long_request(void **unused)
{
    (void)unused;
    static uint8_t token[60000];
    memset(token, 'T', sizeof token);
    struct ul_parameters *request = own_request();
    const struct ul_user_identity identity = {
        .type = 4, .response_requested = true, .primary = slice_of(token, sizeof token)};
    assert_int_equal(OK, ul_parameters_set_identity(request, &identity));
    struct byte_queue queue;
    byte_queue_init(&queue, 1 << 20);
    assert_int_equal(OK, ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, request, &queue));
    ul_parameters_free(request);
    struct ul_association a;
    start(&a, NULL);
    for (struct slice left = byte_queue_peek(&queue); left.length > 0; left = slice_from(left, 1009))
        give(&a, slice_first(left, 1009));
    assert_string_equal(R.words, "artim- rq(ARCHIVE)");
    assert_true(slice_is_equal(ul_association_peer(&a)->identity.primary, slice_of(token, sizeof token)));
    byte_queue_fini(&queue);
    ul_association_fini(&a);
}

static void texts(void **unused)
{
    (void)unused;
    assert_string_equal(ul_reject_text((struct ul_reject){1, 2, 2}), "protocol version not supported");
    assert_string_equal(ul_reject_text((struct ul_reject){2, 3, 2}), "local limit exceeded");
    assert_string_equal(ul_reject_text((struct ul_reject){2, 3, 9}), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split),
        cmocka_unit_test(early_data),
        cmocka_unit_test(faults_when_established),
        cmocka_unit_test(faults_before_association),
        cmocka_unit_test(bad_request_body),
        cmocka_unit_test(after_the_end),
        cmocka_unit_test(abort_in_callback),
        cmocka_unit_test(paused),
        cmocka_unit_test(sending),
        cmocka_unit_test(maximum_lengths),
        cmocka_unit_test(requestor),
        cmocka_unit_test(long_request),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
