// SPDX-License-Identifier: Apache-2.0
//
// Cross checks of the configuration, each with its exact words and place. Each case replaces one piece of a
// right file.
#include "errors_text.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/configuration.h"

// A right file, one section to a line, so that cases can replace a line by its key.
static const char *const LINES[] = {
    "gateway: { ae_title: GW, data: /d }",
    "tls: { t: { certificate: a.pem, ca: ca.pem }, o: { ca: ca.pem, peers: optional } }",
    "listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes } ]",
    "titles: [GW, OLD]",
    "nodes: { x: { id: 1, kind: archive, ae_title: X, address: \"x:104\", plain: yes } }",
    "phases: { one: { store: [ { to: [x] } ] } }",
    "start_phase: one",
};
enum { LINE_COUNT = sizeof LINES / sizeof *LINES };

// The file with the line of the same key replaced by `line`, or `line` added at the end.
static char *file_with(const char *line)
{
    char *text = NULL;
    size_t length = 0, key = strcspn(line, ":");
    FILE *stream = open_memstream(&text, &length);
    bool is_replaced = false;
    assert_non_null(stream);
    for (size_t i = 0; i < LINE_COUNT; i++) {
        bool is_it = strncmp(LINES[i], line, key + 1) == 0;
        (void)fprintf(stream, "%s\n", is_it ? line : LINES[i]);
        is_replaced = is_replaced || is_it;
    }
    if (!is_replaced)
        (void)fprintf(stream, "%s\n", line);
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void expect_of(const char *text, bool check_files, const char *expected)
{
    struct configuration *made = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    enum result result = configuration_parse("/etc/g.yaml", text, strlen(text), check_files, &made, &errors);
    assert_errors(&errors, expected);
    assert_int_equal(result, expected[0] != 0 ? ERR_FORMAT : OK);
    configuration_free(made);
    conf_errors_fini(&errors);
}

static void expect(const char *line, const char *expected)
{
    char *text = file_with(line);
    expect_of(text, false, expected);
    free(text);
}

static void test_gateway(void **state)
{
    (void)state;
    expect("start_phase: one", "");
    expect("gateway: { ae_title: GW, data: /d, master_key_file: m, master_key_credential: c }",
           "/etc/g.yaml:1:79: gateway.master_key_credential: given beside master_key_file; allowed: "
           "master_key_file or "
           "master_key_credential\n");
    expect("gateway: { ae_title: GW, data: /d, master_key_credential: /etc/c }",
           "/etc/g.yaml:1:59: gateway.master_key_credential: \"/etc/c\" is a path; allowed: the name of a "
           "systemd "
           "credential\n");
    expect("gateway: { ae_title: GW, data: /d, keyring: ../k }",
           "/etc/g.yaml:1:45: gateway.keyring: \"../k\" does not lie below the data folder; allowed: a path, "
           "relative to "
           "the data folder\n");
    expect("gateway: { data: /d }",
           "/etc/g.yaml:1:10: gateway.ae_title: missing; allowed: an AE title: 1 to 16 "
           "characters, no backslash\n");
    expect("gateway: { ae_title: GW, data: "
           "/012345678901234567890123456789012345678901234567890123456789012345678901234"
           "56789012345678901234, }",
           "/etc/g.yaml:1:10: gateway: the path of the socket is too long; allowed: at most 107 bytes with "
           "the data "
           "folder\n");
    expect("journal: { reserve: 8GiB }",
           "/etc/g.yaml:8:21: journal.reserve: the reserve is not less than the watermark "
           "(4GiB); allowed: a reserve below the watermark\n");
    expect("journal: { watermark: 1GiB }",
           "/etc/g.yaml:8:23: journal.watermark: the reserve is not less than the "
           "watermark (1GiB); allowed: a reserve below the watermark\n");
    expect(
        "journal: { segment_size: 1048577B }",
        "/etc/g.yaml:8:26: journal.segment_size: does not fill whole pages; allowed: a multiple of 4KiB\n");
    expect("memory: { hot_receipt: 64MiB }",
           "/etc/g.yaml:8:24: memory.hot_receipt: one receipt would have more than all "
           "together; allowed: at most hot_window\n");
    expect("start_phase: two", "/etc/g.yaml:7:14: start_phase: there is no phase \"two\"; allowed: one\n");
}

static void test_tls(void **state)
{
    (void)state;
    expect("tls: { t: { certificate: a.pem, ca: ca.pem, key: [a, b] } }",
           "/etc/g.yaml:2:50: tls.t.key: 2 keys for 1 certificates; allowed: one for each certificate, in "
           "the same "
           "order\n");
    expect("tls: { t: { certificate: a.pem } }",
           "/etc/g.yaml:2:11: tls.t.ca: missing; allowed: a path; or peers: none, which trusts anybody\n");
    expect("tls: { t: { certificate: a.pem, peers: none } }", "");
    expect("tls: { t: { ca: a.pem, peers: none } }",
           "/etc/g.yaml:2:31: tls.t.peers: `ca` is given, but no peer would be "
           "checked against it; allowed: required, optional\n");
    expect("tls: { t: { ca: a.pem, profile: ssl3 } }",
           "/etc/g.yaml:2:33: tls.t.profile: \"ssl3\" is not known here; allowed: bcp195-rfc8996, "
           "modified-bcp195-rfc8996\n");
    expect(
        "tls: { t: { certificate: a.pem, ca: ca.pem, key_passphrase: [a, b] } }",
        "/etc/g.yaml:2:61: tls.t.key_passphrase: 2 passphrase files for 1 certificates; allowed: one for all "
        "keys, or one for each, in the same order\n");
    expect("tls: { t: { ca: ca.pem, key_passphrase: a, key_passphrase_credential: b } }",
           "/etc/g.yaml:2:71: tls.t.key_passphrase_credential: given beside key_passphrase; allowed: "
           "key_passphrase or key_passphrase_credential\n");
    expect("tls: { t: { ca: ca.pem, key_passphrase_credential: a/b } }",
           "/etc/g.yaml:2:52: tls.t.key_passphrase_credential: \"a/b\" is a path; allowed: the name of a "
           "systemd credential\n");
    expect("tls: { t: { certificate: a.pem, peers: none, crl: a } }",
           "/etc/g.yaml:2:51: tls.t.crl: no peer would be checked against it; allowed: with peers: required, "
           "optional\n");
    expect("tls: { t: { ca: ca.pem, crl: [a, b], crl_check: leaf, crl_expired: refuse } }", "");
}

static void test_listeners(void **state)
{
    (void)state;
    expect("listeners: [ { name: a, address: \"127.0.0.1:104\" } ]",
           "/etc/g.yaml:3:14: listeners[1]: neither tls nor plain: yes; allowed: tls: NAME, or plain: yes\n");
    expect("listeners: [ { name: a, address: \"127.0.0.1:104\", plain: no } ]",
           "/etc/g.yaml:3:14: listeners[1]: neither tls nor plain: yes; allowed: tls: NAME, or plain: yes\n");
    expect("listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes, tls: t } ]",
           "/etc/g.yaml:3:58: listeners[1].plain: given beside tls; allowed: tls: NAME, or plain: yes\n");
    expect("listeners: [ { name: a, address: \"127.0.0.1:104\", tls: u } ]",
           "/etc/g.yaml:3:56: listeners[1].tls: there is no TLS profile \"u\"; allowed: t, o\n");
    expect("listeners: [ { name: a, address: \"127.0.0.1:104\", tls: o } ]",
           "/etc/g.yaml:3:56: listeners[1].tls: the TLS profile \"o\" has no certificate to show to clients; "
           "allowed: a "
           "TLS profile with a certificate\n");
    expect("listeners: [ { name: a, address: \"1.1.1.1:1\", tls: t }, { name: a, address: \"1.1.1.1:1\", "
           "tls: t } ]",
           "/etc/g.yaml:3:65: listeners[2].name: \"a\" is listener 1 already; allowed: a name of its own\n"
           "/etc/g.yaml:3:77: listeners[2].address: the same address as listener 1; allowed: an address of "
           "its own\n");
    expect("listeners: []", "/etc/g.yaml:3:12: listeners: has 0 entries; allowed: 1 to 64 entries\n");
}

#define NODE(rest) "nodes: { x: { id: 1, kind: archive, ae_title: X, address: \"x:104\", " rest " } }"

static void test_nodes(void **state)
{
    (void)state;
    expect(NODE("tls: t, plain: yes"),
           "/etc/g.yaml:5:83: nodes.x.plain: given beside tls; allowed: tls: NAME, or plain: yes\n");
    expect(NODE("tls: o"),
           "/etc/g.yaml:5:73: nodes.x.tls: the TLS profile \"o\" has `peers: optional`, which is for "
           "listeners; allowed: a TLS profile with peers: required, none\n");
    expect(NODE("plain: yes, domain: D"),
           "/etc/g.yaml:5:88: nodes.x.domain: there is no domain \"D\"; allowed: none is defined\n");
    expect(
        "domains: { D: { } }",
        "/etc/g.yaml:5:13: nodes.x.domain: missing; allowed: the name of a domain, as there are domains\n");
    expect(NODE("plain: yes, calling: map"), "/etc/g.yaml:5:13: nodes.x.calling_map: missing; allowed: a "
                                             "mapping of AE titles, for calling: map\n");
    expect(NODE("plain: yes, calling_map: { A: B }"),
           "/etc/g.yaml:5:80: nodes.x.calling_map: has no meaning here; allowed: with calling: map\n");
    expect(NODE("plain: yes, calling_title: A"),
           "/etc/g.yaml:5:80: nodes.x.calling_title: has no meaning here; allowed: "
           "with calling: replace or calling: map\n");
    expect(NODE("plain: yes, tls_name: A"),
           "/etc/g.yaml:5:80: nodes.x.tls_name: has no meaning here; allowed: with tls\n");
    expect(NODE("plain: yes, retry_min: 10min"), "/etc/g.yaml:5:91: nodes.x.retry_min: the first wait is "
                                                 "longer than the longest; allowed: at most retry_max\n");
    expect(
        NODE("plain: yes, packs: [vendor-names]"),
        "/etc/g.yaml:5:80: nodes.x.packs: has no meaning here; allowed: with `rules: { packs: FOLDER }`\n");
    expect(NODE("plain: yes, crosswalk: always"),
           "/etc/g.yaml:5:80: nodes.x.crosswalk: has no meaning here; allowed: with domain\n");
    expect(NODE("plain: yes, unmatched: hold"),
           "/etc/g.yaml:5:80: nodes.x.unmatched: has no meaning here; allowed: with domain\n");
    expect(NODE("plain: yes, original_attributes: no"),
           "/etc/g.yaml:5:80: nodes.x.original_attributes: has no meaning here; allowed: with domain or "
           "packs\n");
    expect(NODE("plain: yes, contributing_equipment: always"), "");
    expect(NODE("plain: yes, domain: D, unmatched: no") "\ndomains: { D: { } }",
           "/etc/g.yaml:5:102: nodes.x.unmatched: \"no\" is not known here; allowed: flag, pass, hold, "
           "reject\n");
    expect(NODE("plain: yes, domain: D, crosswalk: rules") "\ndomains: { D: { } }",
           "/etc/g.yaml:5:102: nodes.x.crosswalk: without packs no rule would ever ask for it; allowed: "
           "always; or rules, with packs\n");
    expect(NODE("plain: yes, domain: D, unmatched: hold, original_attributes: no, "
                "contributing_equipment: never") "\ndomains: { D: { } }",
           "");
    expect("nodes: { x: { id: 1, kind: mpps, ae_title: X, address: \"x:104\", plain: yes } }",
           "/etc/g.yaml:5:28: nodes.x.kind: \"mpps\" is not supported by this version; allowed: archive\n");
    expect("nodes: { x: { id: 1, kind: archive, ae_title: X, address: \"x:1\", plain: yes }, "
           "y: { id: 1, kind: archive, ae_title: X, address: \"x:1\", plain: yes } }",
           "/etc/g.yaml:5:89: nodes.y.id: 1 is the id of \"x\" already; allowed: an id of its own\n"
           "/etc/g.yaml:5:129: nodes.y.address: the same address and AE title as \"x\"; allowed: one node "
           "for each "
           "archive\n");
}

static void test_clients(void **state)
{
    (void)state;
    expect("clients: [ { ae_title: A, domain: D } ]",
           "/etc/g.yaml:8:35: clients[1].domain: there is no domain \"D\"; allowed: none is defined\n");
    expect(
        "clients: [ { ae_title: A, certificate: ct1 } ]",
        "/etc/g.yaml:8:40: clients[1].certificate: \"ct1\" is not a certificate rule; allowed: \"CN=NAME\", "
        "\"DNS:NAME\", \"sha256:HEX\", \"DN=NAME\"\n");
    expect("clients: [ { ae_title: A, certificate: \"sha256:12\" } ]",
           "/etc/g.yaml:8:40: clients[1].certificate: \"sha256:12\" is not a certificate rule; allowed: "
           "\"CN=NAME\", "
           "\"DNS:NAME\", \"sha256:HEX\", \"DN=NAME\"\n");
    expect("clients: [ { ae_title: \"*\", services: [print] } ]",
           "/etc/g.yaml:8:40: clients[1].services[1]: \"print\" is not known here; allowed: a list of: echo, "
           "store, "
           "query, retrieve, worklist, mpps, commit\n");
}

static void test_phases(void **state)
{
    (void)state;
    expect("phases: { one: { store: [ { to: [x, z] } ] } }",
           "/etc/g.yaml:6:37: phases.one.store[1].to[2]: there is no node \"z\"; allowed: x\n");
    expect("phases: { one: { store: [ { to: [x], domain: D } ] } }",
           "/etc/g.yaml:6:46: phases.one.store[1].domain: there is no domain \"D\"; allowed: none is "
           "defined\n");
    expect("phases: { one: { store: [ { to: [x], acknowledge: soon } ] } }",
           "/etc/g.yaml:6:51: phases.one.store[1].acknowledge: \"soon\" is not known here; allowed: durable, "
           "primary, all\n");
    expect("phases: { one: { store: [ { to: [x], negotiate: guess } ] } }",
           "/etc/g.yaml:6:49: phases.one.store[1].negotiate: \"guess\" is not known here; allowed: learned, "
           "fixed, mirror\n");
    expect("phases: { one: { store: [ { to: [x], negotiate: fixed } ] } }",
           "/etc/g.yaml:6:27: phases.one.store[1].transfer_syntaxes: missing; allowed: a list of transfer "
           "syntaxes, for "
           "negotiate: fixed\n");
    expect("phases: { one: { store: [ { to: [x], negotiate: fixed, classes: [1.02], transfer_syntaxes: "
           "[JPEG] } ] } }",
           "/etc/g.yaml:6:66: phases.one.store[1].classes[1]: \"1.02\" is not a UID; allowed: a UID: digits "
           "and dots, at "
           "most 64\n"
           "/etc/g.yaml:6:93: phases.one.store[1].transfer_syntaxes[1]: \"JPEG\" is not a transfer syntax; "
           "allowed: a "
           "UID, or a keyword of PS3.6 such as ExplicitVRLittleEndian\n");
    expect("phases: { one: { store: [ { to: [x], classes: [1.2] } ] } }",
           "/etc/g.yaml:6:38: phases.one.store[1].classes: has no meaning here; allowed: with negotiate: "
           "fixed\n");
    expect("phases: { one: { store: [ { to: [x], match: { called: [NEW] } } ] } }",
           "/etc/g.yaml:6:55: phases.one.store[1].match.called: the gateway does not answer to \"NEW\"; "
           "allowed: titles "
           "that stand in `titles`\n");
    expect("phases: { one: { store: [ { to: [x] }, { to: [x], match: { called: [OLD] } } ] } }",
           "/etc/g.yaml:6:40: phases.one.store[2]: is never reached: row 1 takes every association; allowed: "
           "rows before "
           "the one that takes everything\n");
    expect("phases: { one: { store: [ { to: [x] } ], query: [ { from: [q], mode: merge } ] } }",
           "/etc/g.yaml:6:60: phases.one.query[1].from[1]: there is no node \"q\"; allowed: x\n");
}

static void test_missing_sections(void **state)
{
    (void)state;
    expect_of(
        "gateway: { ae_title: GW }\n", false,
        "/etc/g.yaml:1:1: listeners: missing; allowed: a list of mappings\n"
        "/etc/g.yaml:1:1: nodes: missing; allowed: a mapping of names to mappings\n"
        "/etc/g.yaml:1:1: phases: missing; allowed: a mapping of names to mappings\n"
        "/etc/g.yaml:1:1: start_phase: missing; allowed: the name of a phase\n"
        "/etc/g.yaml:1:10: gateway.data: missing; allowed: a path, relative to the folder of this file\n");
}

static void test_files(void **state)
{
    char folder[] = "/tmp/dg-conf-XXXXXX";
    char path[64], line[256], expected[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/ca.pem", folder);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    (void)snprintf(line, sizeof line, "tls: { t: { certificate: %s/no.pem, ca: %s } }", folder, path);
    (void)snprintf(
        expected, sizeof expected,
        "/etc/g.yaml:2:26: tls.t.certificate: %s/no.pem: No such file or directory; allowed: a file that can "
        "be read\n",
        folder);
    char *text = file_with(line);
    expect_of(text, true, expected);
    free(text);
    (void)snprintf(line, sizeof line, "tls: { t: { certificate: %s, ca: %s } }", path, folder);
    (void)snprintf(expected, sizeof expected,
                   "/etc/g.yaml:2:58: tls.t.ca: %s: not a regular file; allowed: a file that can be read\n",
                   folder);
    text = file_with(line);
    expect_of(text, true, expected);
    free(text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_unreadable(void **state)
{
    struct configuration *made = NULL;
    struct conf_errors errors;
    (void)state;
    conf_errors_init(&errors);
    assert_int_equal(configuration_load("/nonexistent/g.yaml", &made, &errors), ERR_IO);
    assert_errors(&errors, "/nonexistent/g.yaml: No such file or directory\n");
    conf_errors_fini(&errors);
    assert_int_equal(configuration_load("/tmp", &made, &errors), ERR_IO);
    assert_errors(&errors, "/tmp: a folder, not a file\n");
    conf_errors_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gateway),          cmocka_unit_test(test_tls),
        cmocka_unit_test(test_listeners),        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_clients),          cmocka_unit_test(test_phases),
        cmocka_unit_test(test_missing_sections), cmocka_unit_test(test_files),
        cmocka_unit_test(test_unreadable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
