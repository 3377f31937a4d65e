// SPDX-License-Identifier: Apache-2.0
//
// Each way in which TLS can fail, with the reason that both sides give, in TLS 1.2 and 1.3.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/units.h"
#include "certificates.h"
#include "internal.h"
#include "pair.h"

static struct authority ca, stranger, below;
static struct pair pair;
static struct tls_context *server, *client;
static struct tls_client_options options;

static int set_up_all(void **state)
{
    (void)state;
    certificates_begin();
    ca = authority_new("ca");
    stranger = authority_new("stranger");
    authority_issue(&ca, &(struct issue){.file = "server", .names = "DNS:gateway.hospital,IP:127.0.0.1"});
    authority_issue(&ca, &(struct issue){.file = "client"});
    authority_issue(&ca, &(struct issue){.file = "revoked"});
    authority_issue(&ca, &(struct issue){.file = "old", .from = -7200, .to = -3600});
    authority_issue(&ca, &(struct issue){.file = "young", .from = 3600, .to = 7200});
    authority_issue(&ca, &(struct issue){.file = "server-only", .purpose = "serverAuth"});
    authority_issue(&ca, &(struct issue){.file = "client-only", .purpose = "clientAuth"});
    authority_issue(&stranger, &(struct issue){.file = "foreign"});
    below = authority_below(&ca, "below");
    authority_issue(&below, &(struct issue){.file = "inner"});
    certificates_join("inner-chain.pem", "inner.pem", "below.pem");
    authority_list(&ca, "crl", "revoked", 3600);
    authority_list(&ca, "crl-none", NULL, 3600);
    authority_list(&ca, "crl-old", "revoked", -3600);
    authority_list(&ca, "crl-below", "below", 3600);
    authority_list(&below, "below-crl", NULL, 3600);
    authority_list_der("crl");
    return 0;
}

static int take_down_all(void **state)
{
    (void)state;
    authority_free(&ca);
    authority_free(&stranger);
    authority_free(&below);
    certificates_end();
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    pair_begin(&pair);
    memset(&options, 0, sizeof options);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    pair_end(&pair);
    tls_context_unref(&server);
    tls_context_unref(&client);
    return 0;
}

static void use(const char *server_file, const char *server_ca, const char *client_file,
                const char *client_ca)
{
    tls_context_unref(&server);
    tls_context_unref(&client);
    server = context_new(TLS_SERVER, server_file, server_ca, NULL);
    client = context_new(TLS_CLIENT, client_file, client_ca, NULL);
    pair_listen(&pair, server);
    options.context = client;
}

static enum transport_reason reason_of(const struct side *side)
{
    return transport_reason(side->transport);
}

// Connects and waits until both sides know.
static void expect(enum transport_reason server_says, enum transport_reason client_says)
{
    pair_connect(&pair, &options);
    for (int i = 0; i < 400; i++) {
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
        bool server_knows = pair.server.transport != NULL && reason_of(&pair.server) != TRANSPORT_NONE;
        if (server_knows && reason_of(&pair.client) != TRANSPORT_NONE)
            break;
        // A server that has given up closes; a client that has given up too.
        if (server_knows && i > 5)
            transport_close(pair.server.transport);
        if (reason_of(&pair.client) != TRANSPORT_NONE && i > 5)
            transport_close(pair.client.transport);
    }
    if (reason_of(&pair.server) != server_says || reason_of(&pair.client) != client_says)
        fail_msg("server %s, client %s", transport_reason_text(reason_of(&pair.server)),
                 transport_reason_text(reason_of(&pair.client)));
    assert_int_equal(pair.server.events & TRANSPORT_OPEN, 0);
    pair_clear(&pair);
}

static void only_12(struct tls_context *context)
{
    assert_int_equal(SSL_CTX_set_max_proto_version(context->ssl, TLS1_2_VERSION), 1);
}

static void test_certificates_of_clients(void **state)
{
    (void)state;
    const struct {
        const char *file;
        enum transport_reason server, client;
    } rows[] = {
        {NULL, TRANSPORT_TLS_NO_CERTIFICATE, TRANSPORT_TLS_OURS_MISSING},
        {"foreign", TRANSPORT_TLS_UNKNOWN_CA, TRANSPORT_TLS_OURS_UNKNOWN_CA},
        {"old", TRANSPORT_TLS_EXPIRED, TRANSPORT_TLS_OURS_EXPIRED},
        {"young", TRANSPORT_TLS_NOT_YET_VALID, TRANSPORT_TLS_OURS_REFUSED},
        {"server-only", TRANSPORT_TLS_WRONG_PURPOSE, TRANSPORT_TLS_OURS_REFUSED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        use("server", "ca", rows[i].file, "ca");
        expect(rows[i].server, rows[i].client);
        only_12(client);
        expect(rows[i].server, rows[i].client);
    }
}

static void test_certificates_of_servers(void **state)
{
    (void)state;
    const struct {
        const char *file, *name;
        enum transport_reason server, client;
    } rows[] = {
        {"foreign", NULL, TRANSPORT_TLS_OURS_UNKNOWN_CA, TRANSPORT_TLS_UNKNOWN_CA},
        {"old", NULL, TRANSPORT_TLS_OURS_EXPIRED, TRANSPORT_TLS_EXPIRED},
        {"client-only", NULL, TRANSPORT_TLS_OURS_REFUSED, TRANSPORT_TLS_WRONG_PURPOSE},
        {"server", "pacs.hospital", TRANSPORT_TLS_OURS_REFUSED, TRANSPORT_TLS_WRONG_NAME},
        {"server", "10.0.0.1", TRANSPORT_TLS_OURS_REFUSED, TRANSPORT_TLS_WRONG_NAME},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        use(rows[i].file, NULL, "client", "ca");
        options.verify_name = rows[i].name;
        expect(rows[i].server, rows[i].client);
        only_12(client);
        expect(rows[i].server, rows[i].client);
    }
    const char *right[] = {NULL, "gateway.hospital", "127.0.0.1"};
    for (size_t i = 0; i < 3; i++) {
        options.verify_name = right[i];
        use("server", "ca", "client", "ca");
        pair_open(&pair, &options);
        pair_clear(&pair);
    }
}

// A server that checks against these lists (files or folders).
static void use_lists(const char *const *lists, size_t count, enum tls_crl_scope scope, bool expired_refuses)
{
    char error[TLS_ERROR_MAX];
    const char *paths[4];
    for (size_t i = 0; i < count; i++)
        paths[i] = certificates_path(lists[i]);
    struct tls_options strict = {
        .role = TLS_SERVER,
        .verify = TLS_VERIFY_REQUIRED,
        .ca_file = certificates_path("ca.pem"),
        .crls = paths,
        .crl_count = count,
        .crl_scope = scope,
        .crl_expired_refuses = expired_refuses,
        .pairs = {{.certificate = certificates_path("server.pem"), .key = certificates_path("server.key")}},
        .pair_count = 1,
    };
    tls_context_unref(&server);
    if (tls_context_new(&strict, error, &server) != OK)
        fail_msg("%s", error);
    pair_listen(&pair, server);
}

static void come_as(const char *certificate, const char *key)
{
    char error[TLS_ERROR_MAX];
    struct tls_options mine = {
        .role = TLS_CLIENT,
        .verify = TLS_VERIFY_NONE,
        .pairs = {{.certificate = certificates_path(certificate), .key = certificates_path(key)}},
        .pair_count = 1,
    };
    tls_context_unref(&client);
    assert_int_equal(tls_context_new(&mine, error, &client), OK);
    options.context = client;
}

static void expect_open(void)
{
    pair_open(&pair, &options);
    pair_clear(&pair);
}

static void test_revoked(void **state)
{
    (void)state;
    use_lists((const char *[]){"crl.pem"}, 1, TLS_CRL_CHAIN, false);
    come_as("revoked.pem", "revoked.key");
    expect(TRANSPORT_TLS_REVOKED, TRANSPORT_TLS_OURS_REFUSED);
    come_as("client.pem", "client.key");
    expect_open();
    // The same from DER, as authorities publish it.
    use_lists((const char *[]){"crl.der"}, 1, TLS_CRL_CHAIN, false);
    expect_open();
    come_as("revoked.pem", "revoked.key");
    expect(TRANSPORT_TLS_REVOKED, TRANSPORT_TLS_OURS_REFUSED);
}

static void test_expired_list(void **state)
{
    (void)state;
    // Still counts: whom it revokes stays out, the others may come in; by option nobody may.
    use_lists((const char *[]){"crl-old.pem"}, 1, TLS_CRL_CHAIN, false);
    come_as("client.pem", "client.key");
    expect_open();
    come_as("revoked.pem", "revoked.key");
    expect(TRANSPORT_TLS_REVOKED, TRANSPORT_TLS_OURS_REFUSED);
    use_lists((const char *[]){"crl-old.pem"}, 1, TLS_CRL_CHAIN, true);
    come_as("client.pem", "client.key");
    expect(TRANSPORT_TLS_CRL_EXPIRED, TRANSPORT_TLS_OURS_EXPIRED);
}

static void test_lists_of_the_chain(void **state)
{
    (void)state;
    come_as("inner-chain.pem", "inner.key");
    use_lists((const char *[]){"crl-none.pem", "below-crl.pem"}, 2, TLS_CRL_CHAIN, false);
    expect_open();
    // The authority between is revoked: only a check of the whole chain sees it.
    use_lists((const char *[]){"crl-below.pem", "below-crl.pem"}, 2, TLS_CRL_CHAIN, false);
    expect(TRANSPORT_TLS_REVOKED, TRANSPORT_TLS_OURS_REFUSED);
    use_lists((const char *[]){"crl-below.pem", "below-crl.pem"}, 2, TLS_CRL_LEAF, false);
    expect_open();
    // No list of the authority between: nobody knows, so nobody comes in.
    use_lists((const char *[]){"crl-none.pem"}, 1, TLS_CRL_CHAIN, false);
    expect(TRANSPORT_TLS_CRL_MISSING, TRANSPORT_TLS_OURS_UNKNOWN_CA);
}

static void test_folder_of_lists(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX], folder[400];
    struct tls_context *context = NULL;
    text_format(folder, sizeof folder, "%s", certificates_path("lists"));
    const char *paths[] = {folder};
    struct tls_options strict = {.role = TLS_CLIENT,
                                 .verify = TLS_VERIFY_REQUIRED,
                                 .ca_file = certificates_path("ca.pem"),
                                 .crls = paths,
                                 .crl_count = 1};
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(tls_context_new(&strict, error, &context), ERR_MISSING);
    assert_non_null(strstr(error, "lists: no file in it"));
    const char *names[] = {"crl.pem", "below-crl.pem"};
    for (size_t i = 0; i < 2; i++) {
        char to[500];
        text_format(to, sizeof to, "%s/%s", folder, names[i]);
        assert_int_equal(link(certificates_path(names[i]), to), 0);
    }
    use_lists((const char *[]){"lists"}, 1, TLS_CRL_CHAIN, false);
    come_as("revoked.pem", "revoked.key");
    expect(TRANSPORT_TLS_REVOKED, TRANSPORT_TLS_OURS_REFUSED);
    come_as("inner-chain.pem", "inner.key");
    expect_open();
    certificates_write("lists/text.crl", "hello");
    assert_int_equal(tls_context_new(&strict, error, &context), ERR_FORMAT);
    assert_non_null(strstr(error, "lists/text.crl: no revocation list in it"));
    const char *all[] = {"lists/text.crl", "lists/crl.pem", "lists/below-crl.pem"};
    for (size_t i = 0; i < 3; i++)
        unlink(certificates_path(all[i]));
    rmdir(folder);
}

static void test_nothing_in_common(void **state)
{
    (void)state;
    use("server", "ca", "client", "ca");
    only_12(client);
    assert_int_equal(SSL_CTX_set_cipher_list(client->ssl, "ECDHE-ECDSA-AES128-SHA256"), 1);
    expect(TRANSPORT_TLS_NO_SHARED_CIPHER, TRANSPORT_TLS_NO_SHARED_CIPHER);
    use("server", "ca", "client", "ca");
    SSL_CTX_set_security_level(client->ssl, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(client->ssl, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client->ssl, TLS1_1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(client->ssl, "ALL:@SECLEVEL=0"), 1);
    expect(TRANSPORT_TLS_VERSION_TOO_LOW, TRANSPORT_TLS_VERSION_TOO_LOW);
}

static void test_server_allows_no_low_version(void **state)
{
    (void)state;
    use("server", "ca", "client", "ca");
    SSL_CTX_set_security_level(server->ssl, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(server->ssl, TLS1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(server->ssl, TLS1_1_VERSION), 1);
    assert_int_equal(SSL_CTX_set_cipher_list(server->ssl, "ALL:@SECLEVEL=0"), 1);
    expect(TRANSPORT_TLS_VERSION_TOO_LOW, TRANSPORT_TLS_VERSION_TOO_LOW);
}

// ---- One side plain ----

static void test_plain_client_meets_tls_server(void **state)
{
    (void)state;
    uint64_t before = log_event_count(LOG_TLS_SPEAKS_PLAIN);
    use("server", "ca", "client", "ca");
    pair_connect(&pair, NULL);
    pair_turn_until(&pair, &pair.client, TRANSPORT_OPEN);
    uint8_t request[74] = {1, 0, 0, 0, 0, 68};
    struct slice slice = slice_of(request, sizeof request);
    size_t written;
    assert_int_equal(transport_writev(pair.client.transport, &slice, 1, &written), OK);
    pair_turn_until(&pair, &pair.server, TRANSPORT_BROKEN);
    assert_int_equal(pair.server.events, TRANSPORT_BROKEN);
    assert_int_equal(reason_of(&pair.server), TRANSPORT_SPEAKS_PLAIN);
    transport_reason_log(reason_of(&pair.server), transport_peer(pair.server.transport));
    assert_int_equal(log_event_count(LOG_TLS_SPEAKS_PLAIN), before + 1);
    assert_non_null(strstr(transport_reason_text(TRANSPORT_SPEAKS_PLAIN), "this peer speaks plain DICOM"));
    transport_free(&pair.server.transport);
    pair_turn_until(&pair, &pair.client, 0);
    assert_int_equal(reason_of(&pair.client), TRANSPORT_SPEAKS_TLS);
    assert_non_null(strstr(transport_reason_text(TRANSPORT_SPEAKS_TLS), "this peer speaks TLS"));
}

static void test_tls_client_meets_plain_server(void **state)
{
    (void)state;
    use("server", "ca", "client", "ca");
    pair_listen(&pair, NULL);
    pair_connect(&pair, &options);
    pair_turn_until(&pair, &pair.server, TRANSPORT_READABLE);
    assert_int_equal(reason_of(&pair.server), TRANSPORT_SPEAKS_TLS);
    assert_int_equal(pair.server.got, 0);
    // A DICOM server answers a PDU type that it does not know with A-ABORT (PS3.8 9.2, AA-1).
    const uint8_t abort_pdu[] = {7, 0, 0, 0, 0, 4, 0, 0, 2, 1};
    assert_int_equal(send(pair.server_fd, abort_pdu, sizeof abort_pdu, 0), sizeof abort_pdu);
    pair_turn_until(&pair, &pair.client, TRANSPORT_BROKEN);
    assert_int_equal(reason_of(&pair.client), TRANSPORT_SPEAKS_PLAIN);
}

static void test_neither(void **state)
{
    (void)state;
    use("server", "ca", "client", "ca");
    pair_connect(&pair, NULL);
    pair_turn_until(&pair, &pair.client, TRANSPORT_OPEN);
    pair_send(&pair.client, "GET / HTTP/1.0\r\n\r\n");
    pair_turn_until(&pair, &pair.server, TRANSPORT_BROKEN);
    assert_int_equal(reason_of(&pair.server), TRANSPORT_NOT_TLS);
    pair_clear(&pair);
    // TLS framing around nonsense.
    pair_connect(&pair, NULL);
    pair_turn_until(&pair, &pair.client, TRANSPORT_OPEN);
    pair_send(&pair.client, "\x16\x03\x01\x01\x02 nonsense nonsense nonsense nonsense");
    pair_turn(&pair, 3);
    transport_shutdown(pair.client.transport);
    pair_turn_until(&pair, &pair.server, TRANSPORT_BROKEN);
    assert_int_equal(pair.server.events, TRANSPORT_BROKEN);
    assert_true(reason_of(&pair.server) == TRANSPORT_TLS_BROKEN ||
                reason_of(&pair.server) == TRANSPORT_TLS_HANDSHAKE_CLOSED);
}

// ---- Ends ----

static void test_closed_during_handshake(void **state)
{
    (void)state;
    use("server", "ca", "client", "ca");
    pair_connect(&pair, NULL);
    pair_turn_until(&pair, &pair.client, TRANSPORT_OPEN);
    pair_turn(&pair, 2);
    transport_close(pair.client.transport);
    pair_turn_until(&pair, &pair.server, TRANSPORT_BROKEN);
    assert_int_equal(reason_of(&pair.server), TRANSPORT_TLS_HANDSHAKE_CLOSED);
    pair_clear(&pair);
    pair_listen(&pair, NULL);
    pair_connect(&pair, &options);
    pair_turn_until(&pair, &pair.server, TRANSPORT_OPEN);
    shutdown(pair.server_fd, SHUT_RDWR);
    pair_turn_until(&pair, &pair.client, TRANSPORT_BROKEN);
    assert_true(reason_of(&pair.client) == TRANSPORT_TLS_HANDSHAKE_CLOSED ||
                reason_of(&pair.client) == TRANSPORT_RESET);
}

static void test_truncated_and_orderly_end(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        use("server", "ca", "client", "ca");
        if (round % 2 == 1)
            only_12(client);
        pair_open(&pair, &options);
        pair_send(&pair.server, "half of a data set");
        if (round < 2)
            shutdown(pair.server_fd, SHUT_WR); // FIN without close_notify
        else
            transport_shutdown(pair.server.transport);
        for (int i = 0; i < 100 && pair.client.last != ERR_IO && pair.client.last != CLOSED; i++)
            ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
        assert_int_equal(pair.client.got, 18);
        assert_int_equal(pair.client.last, round < 2 ? ERR_IO : CLOSED);
        assert_int_equal(reason_of(&pair.client), round < 2 ? TRANSPORT_TLS_TRUNCATED : TRANSPORT_CLOSED);
        if (round >= 2) { // half closed: the other direction lives
            pair_send(&pair.client, "still");
            transport_close(pair.client.transport);
            for (int i = 0; i < 100 && pair.server.last != CLOSED; i++)
                ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
            assert_int_equal(pair.server.got, 5);
            assert_int_equal(pair.server.last, CLOSED);
        }
        pair_clear(&pair);
    }
}

static void test_reset_and_refused(void **state)
{
    (void)state;
    use("server", "ca", "client", "ca");
    pair_open(&pair, &options);
    transport_reset(pair.server.transport);
    for (int i = 0; i < 100 && pair.client.last != ERR_IO; i++)
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
    assert_int_equal(reason_of(&pair.client), TRANSPORT_RESET);
    struct net_address gone = *net_listener_address(pair.listener);
    pair_clear(&pair);
    net_listener_free(&pair.listener);
    struct tls_dialer dialer;
    tls_dialer_init(&dialer, &options);
    struct transport *transport = NULL;
    assert_int_equal(net_dial(&dialer.dialer, pair.loop, &gone, NULL, NULL, &transport), OK);
    for (int i = 0; i < 100 && transport_reason(transport) == TRANSPORT_NONE; i++)
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
    assert_int_equal(transport_reason(transport), TRANSPORT_REFUSED);
    transport_free(&transport);
    // A name that is no name.
    options.verify_name = "";
    assert_int_equal(tls_transport_connect(pair.loop, &gone, &options, NULL, NULL, &transport), ERR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_certificates_of_clients, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_certificates_of_servers, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_revoked, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_expired_list, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_lists_of_the_chain, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_folder_of_lists, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_nothing_in_common, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_server_allows_no_low_version, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_plain_client_meets_tls_server, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_tls_client_meets_plain_server, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_neither, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_closed_during_handshake, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_truncated_and_orderly_end, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_reset_and_refused, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, take_down_all);
}
