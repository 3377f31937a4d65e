// SPDX-License-Identifier: Apache-2.0
//
// Drives a real association into every state and gives it every event, then compares state, output bytes and
// indications with what PS3.8 9.2.2 says of the action that the second table names.
#include <stdio.h>
#include <string.h>

#include "second_table.h"
#include "support.h"

static const char REJECT[] = "03 00 00000004 00 01 01 07";
static const char RELEASE_RQ[] = "05 00 00000004 00000000";
static const char RELEASE_RP[] = "06 00 00000004 00000000";
static const char ABORT_BY_USER[] = "07 00 00000004 00 00 00 00";
static const char DATA[] = "04 00 00000008 00000004 01 03 0102";
static const char UNKNOWN_PDU[] = "08 00 00000002 0000";

struct fixture {
    struct ul_association association;
    struct record record;
    struct bytes out;
};

static struct fixture F;

static void to_established(enum ul_role role)
{
    struct ul_association *a = &F.association;
    struct ul_parameters *parameters;
    if (role == UL_ACCEPTOR) {
        assert_int_equal(OK, ul_association_on_transport_connected(a));
        assert_int_equal(OK, feed(a, REQUEST));
        parameters = own_answer(ul_association_peer(a));
        assert_int_equal(OK, ul_association_accept(a, &parameters));
    } else {
        parameters = own_request();
        assert_int_equal(OK, ul_association_request(a, &parameters));
        assert_int_equal(OK, ul_association_on_transport_connected(a));
        assert_int_equal(OK, feed(a, ANSWER));
    }
    assert_null(parameters);
}

static void to_collision(enum ul_role role)
{
    to_established(role);
    assert_int_equal(OK, ul_association_release_request(&F.association));
    assert_int_equal(OK, feed(&F.association, RELEASE_RQ));
}

// Which roles can be in a state: PS3.8 9.2.1.
static bool has_state(enum ul_role role, int state)
{
    const bool requestor_only = state == Sta4 || state == Sta5 || state == Sta9 || state == Sta11;
    const bool acceptor_only = state == Sta2 || state == Sta3 || state == Sta10 || state == Sta12;
    return role == UL_REQUESTOR ? !acceptor_only : !requestor_only;
}

static void bring_to(enum ul_role role, int state)
{
    struct ul_association *a = &F.association;
    memset(&F.record, 0, sizeof F.record);
    ul_association_init(a, role, NULL, &RECORDER, &F.record);
    struct ul_parameters *parameters;
    switch (state) {
    case Sta1:
        break;
    case Sta2:
    case Sta3:
        assert_int_equal(OK, ul_association_on_transport_connected(a));
        if (state == Sta3)
            assert_int_equal(OK, feed(a, REQUEST));
        break;
    case Sta4:
    case Sta5:
        parameters = own_request();
        assert_int_equal(OK, ul_association_request(a, &parameters));
        if (state == Sta5)
            assert_int_equal(OK, ul_association_on_transport_connected(a));
        break;
    case Sta9:
    case Sta10:
        to_collision(role);
        break;
    case Sta11:
        to_collision(role);
        assert_int_equal(OK, ul_association_release_response(a));
        break;
    case Sta12:
        to_collision(role);
        assert_int_equal(OK, feed(a, RELEASE_RP));
        break;
    default: // Sta6, 7, 8, 13
        to_established(role);
        if (state == Sta7)
            assert_int_equal(OK, ul_association_release_request(a));
        if (state == Sta8)
            assert_int_equal(OK, feed(a, RELEASE_RQ));
        if (state == Sta13)
            assert_int_equal(OK, ul_association_abort(a, 0, 0));
        break;
    }
    assert_int_equal(ul_association_state(a), state);
    drain(a, &F.out);
    record_clear(&F.record);
}

static enum result occur(int event)
{
    struct ul_association *a = &F.association;
    struct ul_parameters *parameters = NULL;
    enum result result = OK;
    uint8_t header[12];
    switch (event) {
    case 1:
        parameters = own_request();
        result = ul_association_request(a, &parameters);
        break;
    case 2:
    case 5:
        result = ul_association_on_transport_connected(a);
        break;
    case 3:
        return feed(a, ANSWER);
    case 4:
        return feed(a, REJECT);
    case 6:
        return feed(a, REQUEST);
    case 7:
        assert_int_equal(OK, ul_parameters_new(&parameters));
        if (ul_association_peer(a) != NULL) {
            ul_parameters_free(parameters);
            parameters = own_answer(ul_association_peer(a));
        }
        result = ul_association_accept(a, &parameters);
        break;
    case 8:
        return ul_association_reject(a, (struct ul_reject){2, 3, 1});
    case 9:
        return ul_association_data_header(a, 1, false, true, 2, header);
    case 10:
        return feed(a, DATA);
    case 11:
        return ul_association_release_request(a);
    case 12:
        return feed(a, RELEASE_RQ);
    case 13:
        return feed(a, RELEASE_RP);
    case 14:
        return ul_association_release_response(a);
    case 15:
        return ul_association_abort(a, 2, 5);
    case 16:
        return feed(a, ABORT_BY_USER);
    case 17:
        ul_association_on_transport_closed(a);
        return OK;
    case 18:
        ul_association_on_artim_expired(a);
        return OK;
    default:
        return feed(a, UNKNOWN_PDU);
    }
    ul_parameters_free(parameters); // NULL when it was taken
    return result;
}

// What the outside sees of an action. `%c` in bytes stands for the code of the abort.
struct effect {
    const char *action;
    int next;
    const char *words;
    const char *bytes;
};

static const struct effect EFFECTS[] = {
    {"AE-1", 4, "connect", ""},
    {"AE-2", 5, "", REQUEST},
    {"AE-3", 6, "ac(1)", ""},
    {"AE-4", 1, "rj(1,1,7) close", ""},
    {"AE-5", 2, "artim+", ""},
    {"AE-6", 3, "artim- rq(ARCHIVE)", ""},
    {"AE-7", 6, "", ANSWER},
    {"AE-8", 13, "artim+", "03 00 00000004 00 02 03 01"},
    {"DT-1", 6, "", ""},
    {"DT-2", 6, "pdv(1,3,2) data(0102) end", ""},
    {"AR-1", 7, "", "05 00 00000004 00000000"},
    {"AR-2", 8, "release-rq", ""},
    {"AR-3", 1, "release-rp close", ""},
    {"AR-4", 13, "artim+", "06 00 00000004 00000000"},
    {"AR-5", 1, "artim-", ""},
    {"AR-6", 7, "pdv(1,3,2) data(0102) end", ""},
    {"AR-7", 8, "", ""},
    {"AR-8", 0, "release-rq(collision)", ""}, // next by role
    {"AR-9", 11, "", "06 00 00000004 00000000"},
    {"AR-10", 12, "release-rp", ""},
    {"AA-1", 13, "artim+", "07 00 00000004 00 00 02 0%c"},
    {"AA-2", 1, "artim- close", ""},
    {"AA-3", 1, "abort(user,0,0,aborted-by-user) close", ""},
    {"AA-4", 1, "abort(transport,0,0,transport-closed)", ""},
    {"AA-5", 1, "artim-", ""},
    {"AA-6", 13, "", ""},
    {"AA-7", 13, "", "07 00 00000004 00 00 02 0%c"},
    {"AA-8", 13, "artim+ abort(us,2,%c)", "07 00 00000004 00 00 02 0%c"},
};

static const struct effect *effect_of(const char *action)
{
    for (size_t i = 0; i < sizeof EFFECTS / sizeof EFFECTS[0]; i++)
        if (strcmp(EFFECTS[i].action, action) == 0)
            return &EFFECTS[i];
    fail_msg("no effect typed for %s", action);
    return NULL;
}

static void check_effect(enum ul_role role, int event, const struct effect *effect)
{
    char bytes[1024];
    char words[128];
    // PS3.8 table 9-26: 1 unrecognised PDU, 2 unexpected PDU; Evt15 is given (2,5) here.
    const char code = event == 19 ? '1' : event == 15 ? '5' : '2';
    snprintf(bytes, sizeof bytes, "%s", effect->bytes);
    char *mark = strchr(bytes, '%');
    if (mark != NULL) {
        mark[0] = code;
        mark[1] = 0;
    }
    if (strcmp(effect->action, "AA-8") == 0)
        snprintf(words, sizeof words, "artim+ abort(us,2,%c,%s)", code,
                 event == 19 ? "unknown-pdu" : "unexpected-pdu");
    else
        snprintf(words, sizeof words, "%s", effect->words);
    int next = effect->next != 0 ? effect->next : role == UL_ACCEPTOR ? 10 : 9;
    assert_int_equal(ul_association_state(&F.association), next);
    assert_string_equal(F.record.words, words);
    assert_bytes(drain(&F.association, &F.out), bytes);
}

static void check_cell(enum ul_role role, int state, int event)
{
    char cell[8];
    second_table_cell(state, event, cell);
    bring_to(role, state);
    enum result result = occur(event);
    // Roles: the acceptor never asks (Evt1, Evt2), the requestor is never asked (Evt5); our API knows the
    // role.
    const bool is_other_role = state == Sta1 && (role == UL_ACCEPTOR ? event == 1 : event == 5);
    if (strcmp(cell, "-") == 0 || is_other_role) {
        if (event == 2 && state == Sta1 && role == UL_ACCEPTOR) { // the same call as Evt5
            assert_int_equal(ul_association_state(&F.association), Sta2);
        } else if (event == 5 && state == Sta4) { // the same call as Evt2
            assert_int_equal(ul_association_state(&F.association), Sta5);
        } else {
            assert_int_equal(result, event == 17 || event == 18 ? OK : ERR_REFUSED);
            assert_int_equal(ul_association_state(&F.association), state);
            assert_string_equal(F.record.words, "");
            assert_true(byte_queue_is_empty(ul_association_output(&F.association)));
        }
    } else {
        const bool is_end = effect_of(cell)->next == 1;
        const bool is_pdu = event == 3 || event == 4 || event == 6 || event == 10 || event == 12 ||
                            event == 13 || event == 16 || event == 19;
        assert_int_equal(result, is_pdu && is_end ? CLOSED : OK);
        check_effect(role, event, effect_of(cell));
    }
    ul_association_fini(&F.association);
}

static void every_cell(void **unused)
{
    (void)unused;
    int cells = 0;
    for (int role = 0; role < 2; role++) {
        for (int state = 1; state <= 13; state++) {
            for (int event = 1; event <= 19 && has_state((enum ul_role)role, state); event++) {
                check_cell((enum ul_role)role, state, event);
                cells++;
            }
        }
    }
    assert_int_equal(cells, 2 * 9 * 19); // each role has 9 of the 13 states
}

// AE-6, the other way: PS3.8 9.3.1 and PS3.7 annex A.
static void provider_refuses(void **unused)
{
    (void)unused;
    static const struct {
        size_t at;
        uint8_t value;
        const char *words;
        const char *bytes;
        enum ul_reason reason;
    } CASES[] = {
        {7, 0x02, "artim- artim+ refused(1,2,2)", "03 00 00000004 00 01 02 02", UL_REASON_PROTOCOL_VERSION},
        {7, 0x00, "artim- artim+ refused(1,2,2)", "03 00 00000004 00 01 02 02", UL_REASON_PROTOCOL_VERSION},
        {98, '2', "artim- artim+ refused(1,1,2)", "03 00 00000004 00 01 01 02",
         UL_REASON_APPLICATION_CONTEXT},
        {74, 0x7F, "artim- artim+ refused(1,1,2)", "03 00 00000004 00 01 01 02",
         UL_REASON_APPLICATION_CONTEXT},
        {7, 0x03, "artim- rq(ARCHIVE)", "", UL_REASON_NONE},
    };
    static struct bytes request;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        request.length = 0;
        bytes_put(&request, REQUEST);
        request.data[CASES[i].at] = CASES[i].value;
        bring_to(UL_ACCEPTOR, Sta2);
        size_t consumed;
        assert_int_equal(OK, ul_association_input(&F.association, bytes_slice(&request), &consumed));
        assert_string_equal(F.record.words, CASES[i].words);
        assert_bytes(drain(&F.association, &F.out), CASES[i].bytes);
        assert_int_equal(ul_association_state(&F.association),
                         CASES[i].reason == UL_REASON_NONE ? Sta3 : Sta13);
        assert_int_equal(ul_association_reason(&F.association), CASES[i].reason);
        ul_association_fini(&F.association);
    }
}

// PROTOCOL 48: each source and reason of a received A-ABORT.
static void received_aborts(void **unused)
{
    (void)unused;
    static const struct {
        const char *bytes;
        const char *words;
    } CASES[] = {
        {"07 00 00000004 00 00 00 00", "abort(user,0,0,aborted-by-user) close"},
        {"07 00 00000004 ff ff 00 07", "abort(user,0,7,aborted-by-user) close"},
        {"07 00 00000004 00 00 01 00", "abort(user,1,0,aborted-by-user) close"},
        {"07 00 00000004 00 00 02 00", "abort(provider,2,0,aborted-by-provider) close"},
        {"07 00 00000004 00 00 02 03", "abort(provider,2,3,aborted-by-provider) close"},
        {"07 00 00000004 00 00 02 06", "abort(provider,2,6,aborted-by-provider) close"},
        {"07 00 00000004 00 00 09 ff", "abort(provider,9,255,aborted-by-provider) close"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        bring_to(UL_ACCEPTOR, Sta6);
        assert_int_equal(CLOSED, feed(&F.association, CASES[i].bytes));
        assert_string_equal(F.record.words, CASES[i].words);
        assert_true(ul_association_is_over(&F.association));
        assert_int_equal(CLOSED, feed(&F.association, DATA)); // nothing more comes out
        assert_string_equal(F.record.words, CASES[i].words);
        ul_association_fini(&F.association);
    }
}

// PROTOCOL 45: any triple is passed on.
static void received_rejects(void **unused)
{
    (void)unused;
    bring_to(UL_REQUESTOR, Sta5);
    assert_int_equal(CLOSED, feed(&F.association, "03 00 00000004 ff 00 04 06"));
    assert_string_equal(F.record.words, "rj(0,4,6) close");
    assert_int_equal(ul_association_reason(&F.association), UL_REASON_REJECTED_BY_PEER);
    assert_string_equal(ul_reject_text((struct ul_reject){0, 4, 6}), "unknown");
    assert_string_equal(ul_reject_text((struct ul_reject){1, 1, 7}), "called AE title not recognised");
    ul_association_fini(&F.association);
}

static void reasons_have_rows(void **unused)
{
    (void)unused;
    for (int reason = 0; reason < UL_REASON_COUNT; reason++) {
        const struct ul_reason_row *row = ul_reason_row((enum ul_reason)reason);
        assert_non_null(row->name);
        assert_non_null(row->text);
        assert_true(!row->is_peer_fault || row->abort_source == 2);
        if (reason != UL_REASON_NONE) {
            assert_memory_equal(log_event_name(row->event), "ul.", 3);
            assert_string_equal(log_event_name(row->event) + 3, row->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell),        cmocka_unit_test(provider_refuses),
        cmocka_unit_test(received_aborts),   cmocka_unit_test(received_rejects),
        cmocka_unit_test(reasons_have_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
