// SPDX-License-Identifier: Apache-2.0
//
// Rules that bind certificates to AE titles.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tls/binding.h"

static const char print[] = "sha256:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char print_with_colons[] = "sha256:00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:"
                                        "10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

static struct transport_peer peer_new(void)
{
    struct transport_peer peer = {.has_certificate = true,
                                  .subject_cn = "ct1",
                                  .subject_dn = "CN=ct1,O=Test",
                                  .dns_names = "ct1.hospital *.wild.hospital CT2.Hospital"};
    for (uint8_t i = 0; i < TRANSPORT_FINGERPRINT_LENGTH; i++)
        peer.fingerprint[i] = i;
    return peer;
}

static bool matches(const char *rule)
{
    struct tls_binding binding;
    struct transport_peer peer = peer_new();
    assert_int_equal(tls_binding_parse(rule, &binding), OK);
    return tls_binding_matches(&binding, &peer);
}

static void test_matches(void **state)
{
    (void)state;
    assert_true(matches("CN=ct1"));
    assert_true(matches("CN=CT1"));
    assert_false(matches("CN=ct"));
    assert_false(matches("CN=ct11"));
    assert_true(matches("DNS:ct1.hospital"));
    assert_true(matches("DNS:ct2.hospital"));
    assert_false(matches("DNS:ct1"));
    assert_false(matches("DNS:hospital"));
    assert_true(matches("DNS:*.hospital"));
    assert_false(matches("DNS:*.other.hospital"));
    assert_false(matches("DNS:*.wild.hospital")); // a wildcard certificate is no single host
    assert_true(matches("DN=CN=ct1,O=Test"));
    assert_false(matches("DN=CN=ct1"));
    assert_true(matches(print));
    assert_true(matches(print_with_colons));
    assert_false(matches("sha256:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"));
}

static void test_no_certificate_matches_nothing(void **state)
{
    (void)state;
    struct tls_binding binding;
    struct transport_peer peer = peer_new();
    peer.has_certificate = false;
    const char *rules[] = {"CN=ct1", "DNS:ct1.hospital", "DN=CN=ct1,O=Test", print};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tls_binding_parse(rules[i], &binding), OK);
        assert_false(tls_binding_matches(&binding, &peer));
    }
    struct transport_peer empty = {.has_certificate = true};
    assert_int_equal(tls_binding_parse("CN=x", &binding), OK);
    assert_false(tls_binding_matches(&binding, &empty));
    assert_int_equal(tls_binding_parse("DNS:x", &binding), OK);
    assert_false(tls_binding_matches(&binding, &empty));
}

static void test_bad_rules(void **state)
{
    (void)state;
    const char *rules[] = {"",          "CN=",     "ct1",     "cn=ct1",
                           "DNS:",      "DNS:*",   "DNS:*.",  "DNS:*..de",
                           "DNS:a.*.b", "DNS:a b", "sha256:", "sha256:00",
                           "sha256:zz", "DN=",     "md5:00",  "sha256:0001020304050607080"};
    struct tls_binding binding;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        assert_int_equal(tls_binding_parse(rules[i], &binding), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_no_certificate_matches_nothing),
        cmocka_unit_test(test_bad_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
