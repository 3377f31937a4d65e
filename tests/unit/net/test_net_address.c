// SPDX-License-Identifier: Apache-2.0
//
// Addresses and networks as operators write them, rightly and wrongly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/address.h"

static void test_good_addresses(void **state)
{
    (void)state;
    const char *rows[][2] = {
        {"1.2.3.4:104", "1.2.3.4:104"},     {"[::1]:104", "[::1]:104"},
        {"127.0.0.1:0", "127.0.0.1:0"},     {"[2001:DB8::5]:65535", "[2001:db8::5]:65535"},
        {"*:11112", "[::]:11112"},          {"[::ffff:10.1.2.3]:104", "10.1.2.3:104"},
        {"[fe80::1%1]:5", "[fe80::1%1]:5"}, {"0.0.0.0:2762", "0.0.0.0:2762"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_address address;
        char text[NET_ADDRESS_TEXT_MAX];
        assert_int_equal(net_address_parse(rows[i][0], &address), OK);
        assert_string_equal(net_address_format(&address, text, sizeof text), rows[i][1]);
    }
}

static void test_bad_addresses(void **state)
{
    (void)state;
    const char *rows[] = {
        "",           "104",
        ":104",       "1.2.3.4",
        "1.2.3.4:",   "1.2.3.4:65536",
        "::1:104",    "[::1]104",
        "[::1]:",     "[]:104",
        "[::1:104",   "1.2.3.4:0104",
        "1.2.3.4: 4", "1.2.3.456:104",
        "1.2.3:104",  "[1.2.3.4.5]:1",
        "host:-1",    "ho st:104",
        "a..b:104",   ".a:104",
        "[pacs]:104", "*",
        "[::g]:1",    "10.0.0.1/8:104",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_address address;
        struct net_endpoint endpoint;
        assert_int_equal(net_address_parse(rows[i], &address), ERR_FORMAT);
        assert_int_equal(net_endpoint_parse(rows[i], &endpoint), ERR_FORMAT);
    }
}

static void test_endpoints(void **state)
{
    (void)state;
    struct net_endpoint endpoint;
    struct net_address address;
    assert_int_equal(net_endpoint_parse("pacs-1.hospital:104", &endpoint), OK);
    assert_string_equal(endpoint.host, "pacs-1.hospital");
    assert_int_equal(endpoint.port, 104);
    assert_int_equal(endpoint.address.family, NET_NONE);
    assert_int_equal(net_address_parse("pacs-1.hospital:104", &address), ERR_FORMAT);
    assert_int_equal(net_endpoint_parse("[::1]:104", &endpoint), OK);
    assert_string_equal(endpoint.host, "::1");
    assert_int_equal(endpoint.address.family, NET_IPV6);
    assert_true(net_address_is_loopback(&endpoint.address));
    char longest[300];
    memset(longest, 'a', sizeof longest);
    memcpy(longest + 290, ":104", 5);
    assert_int_equal(net_endpoint_parse(longest, &endpoint), ERR_FORMAT);
}

static void test_sockaddr_round_trip(void **state)
{
    (void)state;
    const char *rows[] = {"1.2.3.4:104", "[2001:db8::9]:1", "[fe80::1%3]:7"};
    for (size_t i = 0; i < 3; i++) {
        struct net_address address, back;
        struct sockaddr_storage storage;
        assert_int_equal(net_address_parse(rows[i], &address), OK);
        assert_true(net_address_to_sockaddr(&address, &storage) > 0);
        assert_int_equal(net_address_from_sockaddr((struct sockaddr *)&storage, &back), OK);
        assert_true(net_address_equal(&address, &back));
    }
    struct sockaddr other = {.sa_family = AF_UNIX};
    struct net_address none;
    assert_int_equal(net_address_from_sockaddr(&other, &none), ERR_ARGUMENT);
}

static bool has(const char *network, const char *host)
{
    struct net_network parsed;
    struct net_address address;
    assert_int_equal(net_network_parse(network, &parsed), OK);
    assert_int_equal(net_address_parse_host(host, 0, &address), OK);
    return net_network_has(&parsed, &address);
}

static void test_networks(void **state)
{
    (void)state;
    assert_true(has("10.1.0.0/16", "10.1.255.255"));
    assert_false(has("10.1.0.0/16", "10.2.0.0"));
    assert_true(has("10.1.2.128/25", "10.1.2.200"));
    assert_false(has("10.1.2.128/25", "10.1.2.127"));
    assert_true(has("10.1.2.3", "10.1.2.3"));
    assert_false(has("10.1.2.3", "10.1.2.2"));
    assert_true(has("0.0.0.0/0", "255.1.2.3"));
    assert_false(has("0.0.0.0/0", "::1"));
    assert_true(has("::/0", "2001:db8::1"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1"));
    assert_false(has("2001:db8::/33", "2001:db8:8000::1"));
    // The same caller on a dual-stack socket.
    assert_true(has("10.1.0.0/16", "::ffff:10.1.2.3"));
    assert_true(has("::ffff:10.1.0.0/112", "10.1.2.3"));
    assert_false(has("::ffff:10.1.0.0/112", "10.2.2.3"));
}

static void test_bad_networks(void **state)
{
    (void)state;
    const char *rows[] = {"",        "10.1.0.0/",     "10.1.0.0/33",  "10.1.0.0/-1", "10.1.2.3/16",
                          "10.1/16", "::/129",        "::1/64",       "host/8",      "10.0.0.0/08",
                          "/8",      "fe80::1%1/128", "10.0.0.0/8/8", "10.1.2.3/31"};
    struct net_network network;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(net_network_parse(rows[i], &network), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_addresses), cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_endpoints),      cmocka_unit_test(test_sockaddr_round_trip),
        cmocka_unit_test(test_networks),       cmocka_unit_test(test_bad_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
