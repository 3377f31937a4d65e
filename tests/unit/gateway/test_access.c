// SPDX-License-Identifier: Apache-2.0
//
// Who may associate: titles, networks, certificates, quirks, and the reject that each refusal gets.
#include "unit.h"

#include <stdio.h>

#include "front/access.h"
#include "rig.h"

#define HEAD                                                                                                 \
    "gateway: { ae_title: GATE, data: /data }\n"                                                             \
    "listeners: [ { name: front, address: \"127.0.0.1:11112\", plain: yes } ]\n"                             \
    "titles: [GATE, OLDPACS]\n"                                                                              \
    "nodes: { pacs: { id: 1, kind: archive, ae_title: PACS, address: \"10.0.0.5:104\", plain: yes } }\n"     \
    "phases: { one: { store: [ { to: [pacs] } ] } }\n"                                                       \
    "start_phase: one\n"

static const char CLIENTS[] =
    HEAD "clients:\n"
         "  - { ae_title: CT1, from: [10.1.0.0/16, 10.2.3.4], services: [echo, store] }\n"
         "  - { ae_title: MR1, from: [10.1.128.0/17], certificate: \"CN=mr1\", services: [store] }\n"
         "  - { ae_title: US1, from: [\"2001:db8::/33\"], services: [store], quirks: [accept_unscanned] }\n"
         "  - { ae_title: BLANK, from: [10.9.0.1], services: [store], quirks: [blank_calling] }\n"
         "  - { ae_title: \"*\", from: [10.5.5.0/25], services: [echo] }\n";

static struct configuration *configuration;
static struct access *access_list;

static void begin(const char *text)
{
    configuration = rig_configuration_parse(text);
    assert_int_equal(access_new(configuration, &access_list), OK);
}

static int set_up(void **state)
{
    (void)state;
    begin(CLIENTS);
    return 0;
}

static int set_up_open(void **state)
{
    (void)state;
    begin(HEAD);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    access_free(access_list);
    configuration_free(configuration);
    return 0;
}

static struct access_verdict decide(const char *called, const char *calling, const char *from,
                                    const char *common_name)
{
    struct transport_peer peer = {0};
    assert_int_equal(net_address_parse_host(from, 50000, &peer.address), OK);
    if (common_name != NULL) {
        peer.has_tls = peer.has_certificate = true;
        snprintf(peer.subject_cn, sizeof peer.subject_cn, "%s", common_name);
    }
    return access_decide(access_list, slice_of_text(called), slice_of_text(calling), &peer);
}

static void assert_allowed(struct access_verdict verdict, const char *title)
{
    assert_true(verdict.is_allowed);
    assert_string_equal(verdict.client->ae_title, title);
    assert_ptr_equal(verdict.client, &configuration->client[verdict.client_index]);
}

static void assert_refused(struct access_verdict verdict, uint8_t reason, enum log_id event)
{
    assert_false(verdict.is_allowed);
    assert_int_equal(verdict.reject.result, 1);
    assert_int_equal(verdict.reject.source, 1);
    assert_int_equal(verdict.reject.reason, reason);
    assert_int_equal(verdict.event, event);
}

static void test_titles(void **state)
{
    (void)state;
    assert_allowed(decide("GATE", "CT1", "10.1.2.3", NULL), "CT1");
    assert_allowed(decide("OLDPACS", "CT1", "10.1.2.3", NULL), "CT1");
    assert_refused(decide("PACS", "CT1", "10.1.2.3", NULL), 7, LOG_FRONT_CALLED_UNKNOWN);
    assert_refused(decide("", "CT1", "10.1.2.3", NULL), 7, LOG_FRONT_CALLED_UNKNOWN);
    assert_refused(decide("GATE", "CT2", "10.1.2.3", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("GATE", "ct1", "10.1.2.3", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("GATE", "CT", "10.1.2.3", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    // A wrong called title is told first: nothing is given away about clients.
    assert_refused(decide("PACS", "NOBODY", "10.1.2.3", NULL), 7, LOG_FRONT_CALLED_UNKNOWN);
}

static void test_networks(void **state)
{
    (void)state;
    assert_allowed(decide("GATE", "CT1", "10.1.255.255", NULL), "CT1");
    assert_allowed(decide("GATE", "CT1", "10.2.3.4", NULL), "CT1");
    assert_refused(decide("GATE", "CT1", "10.2.3.5", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("GATE", "CT1", "10.0.255.255", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_allowed(decide("GATE", "X", "10.5.5.127", NULL), "*");
    assert_refused(decide("GATE", "X", "10.5.5.128", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_allowed(decide("GATE", "US1", "2001:db8:7fff::1", NULL), "US1");
    assert_refused(decide("GATE", "US1", "2001:db8:8000::1", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("GATE", "US1", "10.1.2.3", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("GATE", "CT1", "a01:203::", NULL), 3, LOG_FRONT_CALLING_UNKNOWN); // the same bytes
    assert_allowed(decide("GATE", "CT1", "::ffff:10.1.2.3", NULL), "CT1"); // a v4 caller at a v6 socket
}

static void test_certificates(void **state)
{
    (void)state;
    assert_allowed(decide("GATE", "MR1", "10.1.200.1", "mr1"), "MR1");
    assert_refused(decide("GATE", "MR1", "10.1.200.1", "mr2"), 3, LOG_FRONT_CERTIFICATE_UNBOUND);
    assert_refused(decide("GATE", "MR1", "10.1.200.1", NULL), 3, LOG_FRONT_CERTIFICATE_UNBOUND);
    assert_refused(decide("GATE", "MR1", "10.1.1.1", "mr1"), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_allowed(decide("GATE", "CT1", "10.1.2.3", "whoever"), "CT1");
}

static void test_services_and_quirks(void **state)
{
    (void)state;
    struct access_verdict verdict = decide("GATE", "US1", "2001:db8::1", NULL);
    assert_int_equal(verdict.services, CONFIGURATION_SERVICE_STORE);
    assert_int_equal(verdict.quirks, CONFIGURATION_QUIRK_ACCEPT_UNSCANNED);
    verdict = decide("GATE", "X", "10.5.5.1", NULL);
    assert_int_equal(verdict.services, CONFIGURATION_SERVICE_ECHO);
    assert_int_equal(verdict.quirks, 0);
}

// FIELD 16: a blank calling title only by quirk, also where any title will do.
static void test_blank_calling(void **state)
{
    (void)state;
    assert_allowed(decide("GATE", "", "10.9.0.1", NULL), "BLANK");
    assert_allowed(decide("GATE", "BLANK", "10.9.0.1", NULL), "BLANK");
    assert_refused(decide("GATE", "", "10.9.0.2", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("GATE", "", "10.5.5.1", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
}

static void test_without_clients(void **state)
{
    (void)state;
    struct access_verdict verdict = decide("GATE", "ANYBODY", "192.168.1.1", NULL);
    assert_true(verdict.is_allowed);
    assert_null(verdict.client);
    assert_int_equal(verdict.services, CONFIGURATION_SERVICE_ECHO | CONFIGURATION_SERVICE_STORE);
    assert_refused(decide("GATE", "", "192.168.1.1", NULL), 3, LOG_FRONT_CALLING_UNKNOWN);
    assert_refused(decide("OTHER", "ANYBODY", "192.168.1.1", NULL), 7, LOG_FRONT_CALLED_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_titles, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_networks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_certificates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_services_and_quirks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_blank_calling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_clients, set_up_open, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
