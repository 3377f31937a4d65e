// SPDX-License-Identifier: Apache-2.0
//
// Learned negotiation from the client's side: the primary archive is asked while the client waits (FIELD 6).
#include "unit.h"

#include "base/text.h"
#include "front/census.h"
#include "pacs.h"
#include "speak.h"
#include "ul/parameters.h"
#include "ul/pdu.h"

static struct rig *rig;
static struct pacs pacs;
static struct client client;

static int set_up(void **state)
{
    (void)state;
    rig = rig_new(rig_configuration_learned, 9);
    rig_boot(rig);
    pacs_init(&pacs, rig, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_crash(rig);
    pacs_fini(&pacs);
    rig_free(rig);
    return 0;
}

static void nobody_is_left(void)
{
    rig_run(rig, 10 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->sessions.count, 0);
    assert_int_equal(rig_worker(rig)->legs.lingering.count, 0);
    assert_int_equal(census_total(rig->gateway->census), 0);
}

// Asks for an association and gives back the transfer syntax of context 3, or its refusal.
static const char *syntax_get(void)
{
    static char text[65];
    client_open(&client, rig, NULL);
    speak_associate(&client, "GATE", "CT1");
    struct slice pdu = hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
    struct ul_parameters *answer;
    enum ul_reason reason;
    assert_int_equal(ul_parameters_decode(UL_PDU_ASSOCIATE_AC, slice_from(pdu, 6), &answer, &reason), OK);
    const struct ul_context *context = ul_parameters_context_get(answer, 3);
    if (context->result == 0)
        text_copy(text, sizeof text, context->transfer[0]);
    else
        text_format(text, sizeof text, "%u", context->result);
    ul_parameters_free(answer);
    client_close(&client);
    nobody_is_left();
    return text;
}

static void test_asked_once(void **state)
{
    (void)state;
    pacs.refused = EXPLICIT_LE;
    assert_string_equal(syntax_get(), IMPLICIT_LE);
    assert_int_equal(pacs.accepted, 1);
    assert_string_equal(syntax_get(), IMPLICIT_LE);
    assert_int_equal(pacs.accepted, 1);
    rig_crash(rig);
    rig_boot(rig);
    assert_string_equal(syntax_get(), IMPLICIT_LE); // known from the life before
    assert_int_equal(pacs.accepted, 1);
}

static void test_archive_is_off(void **state)
{
    (void)state;
    pacs_fini(&pacs);
    assert_string_equal(syntax_get(), EXPLICIT_LE); // the default list
    pacs_init(&pacs, rig, 0);
    pacs.refused = EXPLICIT_LE;
    assert_string_equal(syntax_get(), IMPLICIT_LE); // asked again as soon as it can be
}

// A refusal is nothing for ever: somebody may have told the archive.
static void test_refusal_is_asked_again(void **state)
{
    (void)state;
    pacs.refuses_all = true;
    assert_string_equal(syntax_get(), "3");
    pacs.refuses_all = false;
    assert_string_equal(syntax_get(), "3");
    assert_int_equal(pacs.accepted, 1);
    rig_run(rig, 16 * 60 * NSEC_PER_SEC);
    assert_string_equal(syntax_get(), EXPLICIT_LE);
    assert_int_equal(pacs.accepted, 2);
    pacs.refused = EXPLICIT_LE;
    rig_run(rig, 16 * 60 * NSEC_PER_SEC);
    assert_string_equal(syntax_get(), EXPLICIT_LE); // its choice is repeated: a lane meets its new mind
    assert_int_equal(pacs.accepted, 2);
}

// A refusal that the archive repeats is asked about once in a while, not by every client.
static void test_refusal_is_repeated(void **state)
{
    (void)state;
    pacs.refuses_all = true;
    for (int i = 0; i < 60; i++) {
        assert_string_equal(syntax_get(), "3");
        rig_run(rig, 50 * NSEC_PER_SEC);
    }
    assert_in_range(pacs.accepted, 4, 5);
}

// Only the first client waits for an archive that hangs.
static void test_archive_hangs_for_many(void **state)
{
    (void)state;
    memory_network_blackhole(rig->network, &pacs.address, true);
    uint64_t waited = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t begin = sim_world_now(rig->world);
        client_open(&client, rig, NULL);
        speak_associate(&client, "GATE", "CT1");
        (void)hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
        waited += sim_world_now(rig->world) - begin;
        client_close(&client);
    }
    assert_true(waited < 10 * NSEC_PER_SEC);
    nobody_is_left();
}

// The client does not wait longer than a client does.
static void test_archive_hangs(void **state)
{
    (void)state;
    memory_network_blackhole(rig->network, &pacs.address, true);
    uint64_t begin = sim_world_now(rig->world);
    client_open(&client, rig, NULL);
    speak_associate(&client, "GATE", "CT1");
    (void)hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
    assert_true(sim_world_now(rig->world) - begin < 10 * NSEC_PER_SEC);
    client_close(&client);
    nobody_is_left();
}

static void test_client_leaves(void **state)
{
    (void)state;
    memory_network_blackhole(rig->network, &pacs.address, true);
    for (int way = 0; way < 3; way++) {
        client_open(&client, rig, NULL);
        speak_associate(&client, "GATE", "CT1");
        rig_run(rig, NSEC_PER_SEC);
        assert_int_equal(rig_worker(rig)->sessions.count, 1);
        if (way == 0) {
            client_reset(&client);
        } else if (way == 1) {
            speak_echo(&client, 1); // before the answer: PS3.8 Sta3, AA-8
            (void)hear_pdu(&client, UL_PDU_ABORT);
            client_close(&client);
        } else {
            rig_stop(rig);
            client_close(&client);
            rig_boot(rig);
        }
        nobody_is_left();
    }
}

// As many contexts as an association can have, each with two syntaxes.
static void test_many_pairs(void **state)
{
    (void)state;
    struct ul_parameters *request;
    assert_int_equal(ul_parameters_new(&request), OK);
    assert_int_equal(ul_title_write(request->called, slice_of_text("GATE")), OK);
    assert_int_equal(ul_title_write(request->calling, slice_of_text("CT1")), OK);
    assert_int_equal(ul_parameters_set_application_context(request, slice_of_text(UL_APPLICATION_CONTEXT)),
                     OK);
    ul_parameters_set_maximum_length(request, 16384);
    for (unsigned id = 1; id < 256; id += 2) {
        char abstract[64];
        text_format(abstract, sizeof abstract, "1.2.840.10008.5.1.4.1.1.%u", id);
        assert_int_equal(ul_parameters_add_context(request, (uint8_t)id, 0, slice_of_text(abstract)), OK);
        assert_int_equal(ul_parameters_add_transfer_syntax(request, slice_of_text(IMPLICIT_LE)), OK);
        assert_int_equal(ul_parameters_add_transfer_syntax(request, slice_of_text(EXPLICIT_LE)), OK);
    }
    struct byte_queue queue;
    byte_queue_init(&queue, MIB);
    assert_int_equal(ul_parameters_encode(UL_PDU_ASSOCIATE_RQ, request, &queue), OK);
    client_open(&client, rig, NULL);
    client_send(&client, byte_queue_peek(&queue));
    (void)hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
    assert_int_equal(pacs.accepted, 1); // its own proposal, as it is
    client_close(&client);
    byte_queue_fini(&queue);
    ul_parameters_free(request);
    nobody_is_left();
}

// ---- mirror ----

static int set_up_mirror(void **state)
{
    (void)state;
    rig = rig_new(rig_configuration_mirror, 9);
    rig_boot(rig);
    pacs_init(&pacs, rig, 0);
    return 0;
}

static void test_mirror_asks_each_time(void **state)
{
    (void)state;
    pacs.refused = EXPLICIT_LE;
    assert_string_equal(syntax_get(), IMPLICIT_LE);
    pacs.refused = NULL;
    assert_string_equal(syntax_get(), EXPLICIT_LE);
    pacs.refused = IMPLICIT_LE;
    assert_string_equal(syntax_get(), EXPLICIT_LE);
    assert_int_equal(pacs.accepted, 3);
}

static void is_rejected(uint8_t result, uint8_t source, uint8_t reason)
{
    client_open(&client, rig, NULL);
    speak_associate(&client, "GATE", "CT1");
    struct slice pdu = hear_pdu(&client, UL_PDU_ASSOCIATE_RJ);
    assert_int_equal(pdu.data[7], result);
    assert_int_equal(pdu.data[8], source);
    assert_int_equal(pdu.data[9], reason);
    client_close(&client);
    nobody_is_left();
}

static void test_mirror_relays_the_reject(void **state)
{
    (void)state;
    pacs.stranger = "CT1";
    is_rejected(1, 1, 3);
}

// PROTOCOL 6: never a hang.
static void test_mirror_without_archive(void **state)
{
    (void)state;
    pacs_fini(&pacs);
    for (int i = 0; i < 3; i++)
        is_rejected(2, 3, 1);
    pacs_init(&pacs, rig, 0);
    assert_string_equal(syntax_get(), EXPLICIT_LE); // as soon as it is there again
    memory_network_blackhole(rig->network, &pacs.address, true);
    uint64_t begin = sim_world_now(rig->world);
    is_rejected(2, 3, 1);
    assert_true(sim_world_now(rig->world) - begin < 20 * NSEC_PER_SEC);
}

// PROTOCOL 37, 40: identity, roles as the archive answers them.
static void test_mirror_relays_user_items(void **state)
{
    (void)state;
    pacs.likes_roles = true;
    client_open(&client, rig, NULL);
    speak_associate(&client, "GATE", "CT1");
    struct slice pdu = hear_pdu(&client, UL_PDU_ASSOCIATE_AC);
    struct ul_parameters *answer;
    enum ul_reason reason;
    assert_int_equal(ul_parameters_decode(UL_PDU_ASSOCIATE_AC, slice_from(pdu, 6), &answer, &reason), OK);
    assert_int_equal(answer->role_count, 1);
    assert_int_equal(answer->roles[0].scu, 1);
    assert_int_equal(answer->roles[0].scp, 1);
    assert_true(pacs.saw_identity);
    ul_parameters_free(answer);
    client_close(&client);
    nobody_is_left();
}

#define MIRROR(name) cmocka_unit_test_setup_teardown(name, set_up_mirror, tear_down)
#define TEST(name)   cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_asked_once),
        TEST(test_archive_is_off),
        TEST(test_archive_hangs),
        TEST(test_client_leaves),
        TEST(test_many_pairs),
        TEST(test_refusal_is_asked_again),
        TEST(test_refusal_is_repeated),
        TEST(test_archive_hangs_for_many),
        MIRROR(test_mirror_asks_each_time),
        MIRROR(test_mirror_relays_the_reject),
        MIRROR(test_mirror_without_archive),
        MIRROR(test_mirror_relays_user_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
