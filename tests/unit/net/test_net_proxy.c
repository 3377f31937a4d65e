// SPDX-License-Identifier: Apache-2.0
//
// PROXY protocol headers, typed by hand from the specification (2.2): each one whole, byte by byte, and cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/plain.h"
#include "net/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const struct row {
    const char *name;
    const char *bytes;
    size_t length;
    enum result result;
    enum transport_reason reason; // where the result is ERR_FORMAT
    const char *address;          // "": the connection's own
} rows[] = {
#define ROW(name, text, result, reason, address)                                                             \
    {                                                                                                        \
        name, text, sizeof(text) - 1, result, TRANSPORT_##reason, address                                    \
    }
    ROW("IPv4", SIGNATURE "\x21\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca", OK, NONE,
        "10.1.2.3:8080"),
    ROW("IPv4 with TLVs",
        SIGNATURE
        "\x21\x11\x00\x13\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca\x04\x00\x04\x00\x00\x00\x00",
        OK, NONE, "10.1.2.3:8080"),
    ROW("IPv6",
        SIGNATURE
        "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
        "\x01\x00\x68\x0a\xca",
        OK, NONE, "[2001:db8::7]:104"),
    ROW("IPv4 in IPv6",
        SIGNATURE
        "\x21\x21\x00\x24\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0"
        "\x01\x00\x68\x0a\xca",
        OK, NONE, "10.1.2.3:104"),
    ROW("LOCAL", SIGNATURE "\x20\x00\x00\x00", OK, NONE, ""),
    ROW("LOCAL with addresses that mean nothing",
        SIGNATURE "\x20\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca", OK, NONE, ""),
    ROW("UNSPEC", SIGNATURE "\x21\x00\x00\x03\x04\x00\x00", OK, NONE, ""),
    ROW("version 1", "PROXY TCP4 10.1.2.3 10.0.0.1 8080 2762\r\n", ERR_FORMAT, PROXY_V1, ""),
    ROW("version 3", SIGNATURE "\x31\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca", ERR_FORMAT,
        PROXY_BAD, ""),
    ROW("unknown command", SIGNATURE "\x22\x11\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca",
        ERR_FORMAT, PROXY_BAD, ""),
    ROW("addresses too short", SIGNATURE "\x21\x11\x00\x0b\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a",
        ERR_FORMAT, PROXY_BAD, ""),
    ROW("IPv6 with the bytes of IPv4",
        SIGNATURE "\x21\x21\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca", ERR_FORMAT, PROXY_BAD,
        ""),
    ROW("datagrams", SIGNATURE "\x21\x12\x00\x0c\x0a\x01\x02\x03\x0a\x00\x00\x01\x1f\x90\x0a\xca", ERR_FORMAT,
        PROXY_BAD, ""),
    ROW("Unix socket, too long", SIGNATURE "\x21\x31\xff\xff", ERR_FORMAT, PROXY_BAD, ""),
    ROW("longer than we skip", SIGNATURE "\x21\x11\x08\x01", ERR_FORMAT, PROXY_BAD, ""),
    ROW("DICOM", "\x01\x00\x00\x00\x00\x44", ERR_FORMAT, PROXY_MISSING, ""),
    ROW("TLS", "\x16\x03\x01\x02\x00\x01", ERR_FORMAT, PROXY_MISSING, ""),
    ROW("a signature that goes wrong", "\r\n\r\n\0\r\nQUIZ\n", ERR_FORMAT, PROXY_MISSING, ""),
    ROW("HTTP", "PROPFIND / HTTP/1.1\r\n", ERR_FORMAT, PROXY_MISSING, ""),
};

static void check(const struct row *row, enum result result, const struct net_proxy *proxy,
                  enum transport_reason reason)
{
    char text[NET_ADDRESS_TEXT_MAX] = "";
    if (result == OK && proxy->has_address)
        net_address_format(&proxy->address, text, sizeof text);
    if (result != row->result || strcmp(text, row->address) != 0 ||
        (result == ERR_FORMAT && reason != row->reason))
        fail_msg("%s: %d %s %s", row->name, result, transport_reason_text(reason), text);
}

// As the gateway reads: never more than what is wanted, so that what follows is left alone.
static void read_in_steps(const struct row *row, size_t step)
{
    struct net_proxy proxy;
    size_t have = 0, wanted = 0;
    enum transport_reason reason = TRANSPORT_NONE;
    enum result result = net_proxy_parse(slice_of(row->bytes, 0), &proxy, &wanted, &reason);
    while (result == AGAIN && have < row->length) {
        assert_true(wanted >= 1 && have + wanted <= NET_PROXY_MOST);
        size_t now = wanted < step ? wanted : step;
        have = have + now < row->length ? have + now : row->length;
        result = net_proxy_parse(slice_of(row->bytes, have), &proxy, &wanted, &reason);
    }
    check(row, result, &proxy, reason);
    if (result == OK)
        assert_int_equal(have, row->length);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        read_in_steps(&rows[i], 1);
        read_in_steps(&rows[i], 7);
        read_in_steps(&rows[i], NET_PROXY_MOST);
    }
}

// Whoever does not take such headers says what it was.
static void test_guess(void **state)
{
    (void)state;
    assert_int_equal(net_speech_guess(slice_of(SIGNATURE, 12)), NET_SPEECH_PROXY);
    assert_int_equal(net_speech_guess(slice_of("\r", 1)), NET_SPEECH_PROXY);
    assert_int_equal(net_speech_guess(slice_of_text("PROXY TCP4 1.2.3.4")), NET_SPEECH_PROXY);
    assert_int_equal(net_speech_guess(slice_of_text("POST / HTTP/1.1")), NET_SPEECH_OTHER);
    assert_int_equal(net_speech_guess(slice_of_text("P")), NET_SPEECH_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_guess)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
