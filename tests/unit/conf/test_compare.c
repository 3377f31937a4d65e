// SPDX-License-Identifier: Apache-2.0
//
// What differs between two files, and what it takes for the change to count.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "conf/configuration.h"

static const char base[] =
    "gateway: { ae_title: GW, data: d, log_level: info }\n"
    "limits: { artim: 30s }\n"
    "tls: { a: { certificate: a.pem, ca: ca.pem }, b: { certificate: b.pem, ca: ca.pem } }\n"
    "listeners: [ { name: x, address: \"127.0.0.1:104\", tls: a } ]\n"
    "nodes: { n: { id: 1, kind: archive, ae_title: N, address: \"h:1\", plain: yes } }\n"
    "clients: [ { ae_title: CT1, from: [10.0.0.0/8] } ]\n"
    "phases: { one: { store: [ { to: [n] } ] } }\n"
    "start_phase: one\n";

static struct configuration *load(const char *text)
{
    struct configuration *configuration = NULL;
    struct conf_errors errors;
    conf_errors_init(&errors);
    if (configuration_parse("/etc/g.yaml", text, strlen(text), false, &configuration, &errors) != OK)
        fail_msg("%s", errors.count > 0 ? errors.item[0].text : "?");
    conf_errors_fini(&errors);
    return configuration;
}

static void note(void *arg, const char *path, enum conf_reload reload)
{
    static const char *const words[] = {"restart", "new", "live"};
    char *text = arg;
    size_t used = strlen(text);
    snprintf(text + used, 1024 - used, "%s %s\n", path, words[reload]);
}

// `from` becomes `to` in the text.
static void expect(const char *from, const char *to, const char *differences)
{
    char text[2048], found[1024] = "";
    const char *at = strstr(base, from);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - base), base, to, at + strlen(from));
    struct configuration *one = load(base), *other = load(text);
    configuration_compare(one, other, note, found);
    assert_string_equal(found, differences);
    configuration_free(one);
    configuration_free(other);
}

static void test_differences(void **state)
{
    (void)state;
    expect("30s", "30s", "");
    expect("30s", "30000ms", "");
    expect("30s", "31s", "limits.artim new\n");
    expect("limits: { artim: 30s }\n", "", "");
    expect("log_level: info", "log_level: debug", "gateway.log_level live\n");
    expect("data: d", "data: e", "gateway.data restart\n");
    expect("certificate: a.pem", "certificate: c.pem", "tls.a.certificate new\n");
    expect("ca: ca.pem }, b", "ca: ca.pem, crl: [x, y], crl_check: leaf }, b",
           "tls.a.crl new\ntls.a.crl_check new\n");
    expect("b: {", "c: {", "tls.b restart\ntls.c restart\n");
    expect("127.0.0.1:104", "127.0.0.1:105", "listeners[1].address restart\n");
    expect("{ ae_title: CT1, from: [10.0.0.0/8] }", "{ ae_title: CT1, from: [10.0.0.0/9] }",
           "clients[1].from new\n");
    expect("{ ae_title: CT1, from: [10.0.0.0/8] }", "{ ae_title: CT1 }, { ae_title: CT2 }", "clients new\n");
    expect("ae_title: N,", "ae_title: M,", "nodes.n.ae_title restart\n");
    expect("{ to: [n] }", "{ to: [n], match: { calling: [A] } }",
           "phases.one.store[1].match.calling restart\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
