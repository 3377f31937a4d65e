// SPDX-License-Identifier: Apache-2.0
//
// Clients that wait for their archives (acknowledge: primary, all): what they are told, when, and who is owed
// what afterwards (ENGINE 3).
#include "unit.h"

#include "base/log.h"
#include "dimse/status.h"
#include "forward/archive.h"
#include "pacs.h"
#include "speak.h"
#include "store/ledger_reader.h"
#include "ul/pdu.h"

static struct rig *rig;
static struct pacs first;
static struct pacs second;
static struct client client;

static void begin(const char *configuration)
{
    rig = rig_new(configuration, 11);
    rig_boot(rig);
    pacs_init(&first, rig, 0);
    pacs_init(&second, rig, 1);
}

static int set_up_primary(void **state)
{
    (void)state;
    begin(rig_configuration_primary);
    return 0;
}

static int set_up_all(void **state)
{
    (void)state;
    begin(rig_configuration_all);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_crash(rig);
    pacs_fini(&first);
    pacs_fini(&second);
    rig_free(rig);
    return 0;
}

static void send_one(void)
{
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 3000});
}

static void is_told(uint16_t status, const char *comment)
{
    struct slice pdu = hear_pdu(&client, UL_PDU_DATA_TF);
    struct dimse_command response;
    assert_int_equal(dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response), OK);
    assert_int_equal(response.status, status);
    assert_true(slice_is_text(response.error_comment, comment));
}

static struct archive *archive(unsigned index)
{
    return &rig_worker(rig)->archives[index];
}

static enum result number_take(void *argument, const struct ledger_fact *fact)
{
    *(uint64_t *)argument = fact->receipt;
    return OK;
}

// The only receipt, as the ledger has it; fact_fini() it.
static struct ledger_fact fact_get(void)
{
    struct ledger_fact fact;
    uint64_t number = 0;
    uint64_t damaged;
    rig_run(rig, 5 * NSEC_PER_SEC); // the ledger reads on
    assert_int_equal(ledger_each(rig->ledger, number_take, &number, &damaged), OK);
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(rig->ledger, number, &fact), OK);
    return fact;
}

static void nothing_is_owed(void)
{
    assert_int_equal(rig_worker(rig)->awaited.count, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(archive(i)->waiting.count + archive(i)->resting.count + archive(i)->gated.count +
                             archive(i)->parked.count,
                         0);
}

static void test_primary_says_yes(void **state)
{
    (void)state;
    first.manner = PACS_SILENT;
    send_one();
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_int_equal(first.complete, 1);
    assert_int_equal(client_pdu(&client).length, 0); // it is durable, and that is not enough
    assert_int_equal(second.accepted, 0);            // begins after the primary's yes
    assert_int_equal(archive(1)->gated.count, 1);
    client_close(&client);
}

static void test_warning_is_relayed(void **state)
{
    (void)state;
    first.status = DIMSE_COERCION;
    first.comment = "coerced";
    send_one();
    is_told(DIMSE_COERCION, "coerced");
    client_close(&client);
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_int_equal(second.complete, 1);
    assert_int_equal(archive(0)->answered.count, 1);
    assert_int_equal(archive(1)->answered.count, 1);
    struct ledger_fact fact = fact_get();
    assert_int_equal(fact.acknowledgement, RECORD_ACK_PRIMARY);
    assert_int_equal(fact.primary, 1);
    fact_fini(&fact);
}

static void test_failure_is_relayed(void **state)
{
    (void)state;
    first.status = 0xC123;
    first.comment = "no such patient";
    send_one();
    struct slice pdu = hear_pdu(&client, UL_PDU_DATA_TF);
    struct dimse_command response;
    assert_int_equal(dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response), OK);
    assert_int_equal(response.status, 0xC123);
    assert_true(slice_is_text(response.error_comment, "no such patient"));
    assert_int_equal(response.offending_element.length, 4);
    client_close(&client);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    assert_int_equal(first.complete, 1); // the client decides what to do, nobody tries again
    assert_int_equal(second.accepted, 0);
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    struct ledger_fact fact = fact_get();
    assert_int_equal(fact.state, FACT_DROPPED);
    assert_int_equal(fact.drop_status, 0xC123);
    assert_string_equal(fact.remark, "no such patient");
    fact_fini(&fact);
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 0);
}

// The archive had taken the whole data set before, without an answer: its later refusal does not prove that
// it does not have the instance.
static void test_refused_after_an_unanswered_try(void **state)
{
    (void)state;
    first.manner = PACS_ABORTS;
    send_one();
    rig_run(rig, NSEC_PER_SEC);
    assert_true(first.complete > 0);
    first.manner = PACS_ANSWERS;
    first.status = 0xC123;
    is_told(0xC123, "");
    client_close(&client);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    nothing_is_owed();
    struct ledger_fact fact = fact_get();
    assert_int_equal(fact.state, FACT_SETTLED); // not dropped: it is a finding
    assert_string_equal(fact.deliveries[0].remark, "refused to the client; the archive may have it");
    fact_fini(&fact);
}

// No client waits longer than its route says; what the archive did with the instance is then not known.
// The archive never gets it: no Success.
static void test_rejected_by_a_note(void **state)
{
    (void)state;
    atomic_store(&archive(0)->node->is_paused, true);
    send_one();
    rig_run(rig, 2 * NSEC_PER_SEC);
    struct delivery *delivery = CONTAINER_OF(list_first(&archive(0)->waiting), struct delivery, node);
    delivery_over(delivery, ORDER_REJECT, delivery->receipt->number);
    is_told(DIMSE_PROCESSING_FAILURE, "rejected by a note");
    nothing_is_owed();
    client_close(&client);
}

static void test_dropped_needs_no_memory(void **state)
{
    (void)state;
    atomic_store(&archive(1)->node->is_paused, true);
    send_one();
    is_told(DIMSE_SUCCESS, "");
    client_close(&client);
    rig_run(rig, 2 * NSEC_PER_SEC);
    assert_true(rig_worker(rig)->window.used > 0); // the second one waits for it
    struct delivery *delivery = CONTAINER_OF(list_first(&archive(1)->waiting), struct delivery, node);
    delivery_drop(delivery, slice_of_text("operator"), slice_of_text("test image"));
    assert_int_equal(archive(0)->answered.count, 1);
    assert_int_equal(rig_worker(rig)->window.used, 0);
}

static void test_deadline(void **state)
{
    (void)state;
    first.manner = PACS_SILENT;
    send_one();
    rig_run(rig, 18 * NSEC_PER_SEC);
    assert_int_equal(client_pdu(&client).length, 0);
    rig_run(rig, 3 * NSEC_PER_SEC);
    is_told(DIMSE_OUT_OF_RESOURCES, "pacs did not answer in time");
    client_close(&client);
    assert_int_equal(atomic_load(&rig_worker(rig)->counters.acknowledge_findings), 0);
    rig_run(rig, 3600 * NSEC_PER_SEC);
    nothing_is_owed();
    assert_int_equal(second.accepted, 0);
    assert_int_equal(first.complete, 1);
    assert_int_equal(atomic_load(&rig_worker(rig)->counters.acknowledge_findings), 1);
    struct ledger_fact fact = fact_get();
    assert_int_equal(fact.state, FACT_SETTLED);
    assert_string_equal(fact.deliveries[0].remark, "refused to the client; the archive may have it");
    assert_string_equal(fact.deliveries[1].remark, "refused to the client");
    fact_fini(&fact);
}

static void test_archive_is_off(void **state)
{
    (void)state;
    pacs_fini(&first);
    send_one();
    is_told(DIMSE_OUT_OF_RESOURCES, "pacs did not answer in time");
    client_close(&client);
    pacs_init(&first, rig, 0);
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(first.complete, 0);
    nothing_is_owed();
    struct ledger_fact fact = fact_get();
    assert_int_equal(fact.state, FACT_DROPPED);
    fact_fini(&fact);
}

// It is tried for until the deadline, the breaker's long pauses notwithstanding.
static void test_archive_comes_back(void **state)
{
    (void)state;
    pacs_fini(&first);
    for (int i = 0; i < 2; i++) {
        send_one();
        is_told(DIMSE_OUT_OF_RESOURCES, "pacs did not answer in time");
        client_close(&client);
    }
    assert_true(archive_is_broken(archive(0)));
    send_one();
    rig_run(rig, 2 * NSEC_PER_SEC);
    pacs_init(&first, rig, 0);
    is_told(DIMSE_SUCCESS, "");
    client_close(&client);
}

// A client that has gone was told nothing: its instance is an ordinary one.
static void test_client_goes(void **state)
{
    (void)state;
    first.manner = PACS_ABORTS;
    send_one();
    rig_run(rig, 3 * NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->awaited.count, 1);
    client_reset(&client);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(rig_worker(rig)->awaited.count, 0);
    assert_int_equal(second.complete, 1); // held no more
    first.manner = PACS_ANSWERS;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive(0)->answered.count, 1);
}

// Nor was one whose gateway crashed; what is whole in the journal is delivered (ENGINE 2).
static void test_crash(void **state)
{
    (void)state;
    first.manner = PACS_SILENT;
    send_one();
    rig_run(rig, 3 * NSEC_PER_SEC);
    assert_int_equal(client_pdu(&client).length, 0);
    rig_crash(rig);
    client_reset(&client);
    first.manner = PACS_ANSWERS;
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 1);
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive(0)->answered.count, 1);
    assert_int_equal(archive(1)->answered.count, 1);
}

static void test_stop(void **state)
{
    (void)state;
    pacs_fini(&first);
    send_one();
    rig_run(rig, 2 * NSEC_PER_SEC);
    gateway_stop(rig->gateway, (void (*)(void *))abort, NULL);
    is_told(DIMSE_OUT_OF_RESOURCES, "the gateway is stopping");
    client_close(&client);
    pacs_init(&first, rig, 0);
}

static void test_no_context_fits(void **state)
{
    (void)state;
    first.refused = EXPLICIT_LE;
    send_one();
    struct slice pdu = hear_pdu(&client, UL_PDU_DATA_TF);
    struct dimse_command response;
    assert_int_equal(dimse_command_decode(slice_from(pdu, UL_DATA_HEADER_LENGTH), &response), OK);
    assert_int_equal(response.status, DIMSE_PROCESSING_FAILURE);
    assert_true(response.error_comment.length > 0);
    client_close(&client);
    nothing_is_owed();
}

// The worst of the yeses: a warning about content before a coercion before Success.
static void test_all_worst_wins(void **state)
{
    (void)state;
    first.status = DIMSE_COERCION;
    first.comment = "coerced";
    second.status = DIMSE_DATA_SET_WARNING;
    second.comment = "odd";
    send_one();
    is_told(DIMSE_DATA_SET_WARNING, "odd");
    client_close(&client);
}

static void test_all_waits_for_all(void **state)
{
    (void)state;
    second.manner = PACS_SILENT;
    send_one();
    rig_run(rig, 5 * NSEC_PER_SEC);
    assert_int_equal(first.complete, 1);
    assert_int_equal(second.complete, 1);
    assert_int_equal(client_pdu(&client).length, 0);
    is_told(DIMSE_OUT_OF_RESOURCES, "second did not answer in time");
    client_close(&client);
    assert_int_equal(atomic_load(&rig_worker(rig)->counters.acknowledge_findings), 1); // the first has it
    struct ledger_fact fact = fact_get();
    assert_string_equal(fact.deliveries[0].remark, "finding: the client was told a failure");
    assert_int_equal(fact.deliveries[0].state, DELIVERY_ANSWERED);
    fact_fini(&fact);
}

static void test_all_one_failure_is_enough(void **state)
{
    (void)state;
    pacs_fini(&first);
    second.status = 0xA900;
    second.comment = "not mine";
    send_one();
    is_told(0xA900, "not mine");
    client_close(&client);
    pacs_init(&first, rig, 0);
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(first.complete, 0);
    nothing_is_owed();
}

#define PRIMARY(name) cmocka_unit_test_setup_teardown(name, set_up_primary, tear_down)
#define ALL(name)     cmocka_unit_test_setup_teardown(name, set_up_all, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PRIMARY(test_primary_says_yes),
        PRIMARY(test_warning_is_relayed),
        PRIMARY(test_failure_is_relayed),
        PRIMARY(test_refused_after_an_unanswered_try),
        PRIMARY(test_rejected_by_a_note),
        PRIMARY(test_dropped_needs_no_memory),
        PRIMARY(test_deadline),
        PRIMARY(test_archive_is_off),
        PRIMARY(test_archive_comes_back),
        PRIMARY(test_client_goes),
        PRIMARY(test_crash),
        PRIMARY(test_stop),
        PRIMARY(test_no_context_fits),
        ALL(test_all_worst_wins),
        ALL(test_all_waits_for_all),
        ALL(test_all_one_failure_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
