// SPDX-License-Identifier: Apache-2.0
//
// What a right file becomes: the shape of DESIGN 5, the example in conf/, defaults, look-ups; and that
// conf/REFERENCE.md is what the option tables say.
#include "errors_text.h"

#include <netinet/in.h>

#include "base/units.h"
#include "conf/configuration.h"

static const char DESIGN_5[] =
    "gateway:   { ae_title: DICOMGATE, data: /var/lib/dicomgate, keyring: keyring, workers: auto }\n"
    "tls:\n"
    "  modalities: { certificate: gw.pem, key: gw.key, ca: hospital-ca.pem, peers: required, profile: "
    "bcp195-rfc8996 }\n"
    "  archives:   { certificate: [gw.pem, ec.pem], key: [gw.key, ec.key], ca: hospital-ca.pem }\n"
    "listeners:\n"
    "  - { name: modalities, address: \"0.0.0.0:2762\", tls: modalities }\n"
    "  - { name: bench, address: \"127.0.0.1:11112\", plain: yes }\n"
    "titles:    [OLDPACS, DICOMGATE]\n"
    "domains:   { LEGACY: { issuers: [OLDHOSP] }, ENTERPRISE: { issuers: [GROUP] } }\n"
    "nodes:\n"
    "  legacy:  { id: 1, kind: archive, ae_title: OLDPACS, address: \"10.0.0.5:104\", plain: yes, domain: "
    "LEGACY, "
    "calling: preserve }\n"
    "  new:     { id: 2, kind: archive, ae_title: NEWPACS, address: \"10.0.0.9:2762\", tls: archives, "
    "domain: "
    "ENTERPRISE, calling: replace, called: preserve, settle_on: answer,\n"
    "             unmatched: hold, original_attributes: no, contributing_equipment: always }\n"
    "clients:\n"
    "  - { ae_title: CT1, from: [10.1.0.0/16], certificate: \"CN=ct1\", domain: LEGACY, services: [echo, "
    "store, "
    "worklist, mpps, commit], quirks: [accept_unscanned] }\n"
    "phases:\n"
    "  coexist:\n"
    "    store: [ { match: { called: [OLDPACS] }, to: [legacy, new], domain: LEGACY, acknowledge: durable, "
    "negotiate: "
    "learned },\n"
    "             { match: { calling: [CT1] }, to: [new], negotiate: fixed, classes: "
    "[1.2.840.10008.5.1.4.1.1.2],\n"
    "               transfer_syntaxes: [ExplicitVRLittleEndian, 1.2.840.10008.1.2] } ]\n"
    "    query: [ { from: [legacy, new], mode: merge } ]\n"
    "start_phase: coexist\n";

static struct configuration *parse(const char *text)
{
    struct configuration *configuration = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result =
        configuration_parse("/etc/gate/g.yaml", text, strlen(text), false, &configuration, &errors);
    assert_errors(&errors, "");
    assert_int_equal(result, OK);
    return configuration;
}

static void test_gateway(void **state)
{
    struct configuration *made = parse(DESIGN_5);
    (void)state;
    assert_string_equal(made->file, "/etc/gate/g.yaml");
    assert_string_equal(made->gateway.ae_title, "DICOMGATE");
    assert_string_equal(made->gateway.data, "/var/lib/dicomgate");
    assert_string_equal(made->gateway.keyring, "keyring");
    assert_string_equal(made->gateway.control_socket, "/var/lib/dicomgate/control.sock");
    assert_string_equal(made->gateway.master_key_file, "/etc/gate/master.key");
    assert_null(made->gateway.master_key_credential);
    assert_int_equal(made->gateway.workers, 0);
    assert_int_equal(made->gateway.max_pdu, 128 * KIB);
    assert_int_equal(made->gateway.log_target, CONFIGURATION_LOG_STDERR);
    assert_int_equal(made->gateway.log_level, CONFIGURATION_LOG_INFO);
    assert_int_equal(made->journal.segment_bytes, 256 * MIB);
    assert_int_equal(made->journal.unsynced_bytes, 8 * MIB);
    assert_int_equal(made->memory.hot_window_bytes, 32 * MIB);
    assert_int_equal(made->limits.artim_ns, 30 * NSEC_PER_SEC);
    assert_int_equal(made->limits.idle_ns, 3600 * NSEC_PER_SEC);
    assert_int_equal(made->limits.stall_ns, 300 * NSEC_PER_SEC);
    assert_int_equal(made->titles.count, 2);
    configuration_free(made);
}

static void test_peers(void **state)
{
    struct configuration *made = parse(DESIGN_5);
    (void)state;
    assert_int_equal(made->tls_count, 2);
    assert_string_equal(made->tls[0].name, "modalities");
    assert_string_equal(made->tls[0].identity[0].certificate, "/etc/gate/gw.pem");
    assert_string_equal(made->tls[0].identity[0].key, "/etc/gate/gw.key");
    assert_string_equal(made->tls[0].ca, "/etc/gate/hospital-ca.pem");
    assert_int_equal(made->tls[0].peers, CONFIGURATION_PEERS_REQUIRED);
    assert_true(made->tls[0].check_name);
    assert_int_equal(made->tls[1].identity_count, 2);
    assert_string_equal(made->tls[1].identity[1].key, "/etc/gate/ec.key");
    assert_int_equal(made->listener_count, 2);
    assert_ptr_equal(made->listener[0].tls, &made->tls[0]);
    assert_null(made->listener[1].tls);
    assert_int_equal(made->listener[1].address.port, 11112);
    const struct configuration_node *legacy = configuration_node_by_name(made, "legacy");
    const struct configuration_node *new = configuration_node_by_id(made, 2);
    assert_non_null(legacy);
    assert_non_null(new);
    assert_string_equal(new->name, "new");
    assert_null(legacy->tls);
    assert_ptr_equal(new->tls, &made->tls[1]);
    assert_ptr_equal(legacy->domain, &made->domain[0]);
    assert_string_equal(new->domain->issuers.item[0], "GROUP");
    assert_int_equal(legacy->calling, CONFIGURATION_CALLING_PRESERVE);
    assert_int_equal(new->calling, CONFIGURATION_CALLING_REPLACE);
    assert_string_equal(new->calling_title, "DICOMGATE");
    assert_int_equal(legacy->called, CONFIGURATION_CALLED_FIXED);
    assert_int_equal(new->called, CONFIGURATION_CALLED_PRESERVE);
    assert_int_equal(legacy->settle_on, CONFIGURATION_SETTLE_AFTER);
    assert_int_equal(new->settle_on, CONFIGURATION_SETTLE_ON_ANSWER);
    assert_int_equal(legacy->crosswalk, CONFIGURATION_CROSSWALK_ALWAYS);
    assert_int_equal(legacy->unmatched, CONFIGURATION_UNMATCHED_FLAG);
    assert_true(legacy->keeps_originals);
    assert_int_equal(legacy->contribution, CONFIGURATION_CONTRIBUTION_EDITED);
    assert_int_equal(new->unmatched, CONFIGURATION_UNMATCHED_HOLD);
    assert_false(new->keeps_originals);
    assert_int_equal(new->contribution, CONFIGURATION_CONTRIBUTION_ALWAYS);
    assert_int_equal(legacy->settle_after_ns, 72 * 3600 * NSEC_PER_SEC);
    assert_int_equal(legacy->associations, 8);
    assert_int_equal(legacy->response_ns, 600 * NSEC_PER_SEC);
    assert_null(configuration_node_by_name(made, "none"));
    assert_null(configuration_node_by_id(made, 3));
    assert_int_equal(made->client_count, 1);
    assert_int_equal(made->client[0].from.item[0].prefix, 16);
    assert_string_equal(made->client[0].certificate, "CN=ct1");
    assert_int_equal(made->client[0].services, CONFIGURATION_SERVICE_ECHO | CONFIGURATION_SERVICE_STORE |
                                                   CONFIGURATION_SERVICE_WORKLIST |
                                                   CONFIGURATION_SERVICE_MPPS | CONFIGURATION_SERVICE_COMMIT);
    assert_int_equal(made->client[0].quirks, CONFIGURATION_QUIRK_ACCEPT_UNSCANNED);
    configuration_free(made);
}

static void test_routes(void **state)
{
    struct configuration *made = parse(DESIGN_5);
    const struct configuration_phase *phase = made->start_phase;
    (void)state;
    assert_ptr_equal(phase, configuration_phase_by_name(made, "coexist"));
    assert_null(configuration_phase_by_name(made, "none"));
    assert_int_equal(phase->store_count, 2);
    assert_int_equal(phase->store[0].to_count, 2);
    assert_ptr_equal(phase->store[0].to[1], &made->node[1]);
    assert_ptr_equal(phase->store[0].domain, &made->domain[0]);
    assert_null(phase->store[1].domain);
    assert_int_equal(phase->store[0].negotiate, CONFIGURATION_NEGOTIATE_LEARNED);
    assert_int_equal(phase->store[1].negotiate, CONFIGURATION_NEGOTIATE_FIXED);
    assert_string_equal(phase->store[1].transfer_syntaxes.item[0], "1.2.840.10008.1.2.1");
    assert_string_equal(phase->store[1].transfer_syntaxes.item[1], "1.2.840.10008.1.2");
    assert_int_equal(phase->query[0].mode, CONFIGURATION_QUERY_MERGE);
    assert_int_equal(phase->query[0].from_count, 2);
    assert_ptr_equal(configuration_phase_route(phase, "OLDPACS", "CT1"), &phase->store[0]);
    assert_ptr_equal(configuration_phase_route(phase, "DICOMGATE", "CT1"), &phase->store[1]);
    assert_null(configuration_phase_route(phase, "DICOMGATE", "MR1"));
    configuration_free(made);
}

static const char SMALLEST[] =
    "gateway: { ae_title: GW, data: data }\n"
    "listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes } ]\n"
    "nodes: { x: { id: 9, kind: archive, ae_title: X, address: \"x:104\", plain: yes } }\n"
    "phases: { one: { store: [ { to: [x] } ] } }\n"
    "start_phase: one\n";

static void test_smallest(void **state)
{
    struct configuration *made = parse(SMALLEST);
    (void)state;
    assert_string_equal(made->gateway.data, "/etc/gate/data");
    assert_int_equal(made->titles.count, 1);
    assert_string_equal(made->titles.item[0], "GW");
    assert_int_equal(made->client_count, 0);
    assert_null(made->node[0].domain);
    assert_ptr_equal(configuration_phase_route(made->start_phase, "GW", "ANY"), &made->start_phase->store[0]);
    configuration_free(made);
    configuration_free(NULL);
}

// The example that people copy is right, but for the certificates that it can not bring along.
static void test_example(void **state)
{
    struct configuration *made = NULL;
    struct conf_errors errors;
    (void)state;
    conf_errors_init(&errors);
    enum result result = configuration_load_for_tools(DG_CONF_FOLDER "/dicomgate.yaml", &made, &errors);
    assert_errors(&errors, "");
    assert_int_equal(result, OK);
    assert_int_equal(made->node_count, 2);
    configuration_free(made);
}

static void test_reference_is_current(void **state)
{
    char *expected = configuration_reference();
    (void)state;
    assert_non_null(expected);
    FILE *file = fopen(DG_CONF_FOLDER "/REFERENCE.md", "re");
    assert_non_null(file);
    char *found = calloc(1, strlen(expected) + 2);
    assert_non_null(found);
    assert_true(fread(found, 1, strlen(expected) + 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    if (strcmp(found, expected) != 0)
        fail_msg(
            "conf/REFERENCE.md is old: write it anew with `dicomgate config reference > conf/REFERENCE.md`");
    free(found);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway), cmocka_unit_test(test_peers),
        cmocka_unit_test(test_routes),  cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_example), cmocka_unit_test(test_reference_is_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
