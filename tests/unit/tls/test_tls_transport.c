// SPDX-License-Identifier: Apache-2.0
//
// TLS transport at work: who the peer is, transfers, resumption, a foreign implementation's client.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../transport_fill.h"
#include "base/text.h"
#include "base/units.h"
#include "certificates.h"
#include "internal.h"
#include "pair.h"
#include "tls/binding.h"

static struct authority ca;
static struct pair pair;
static struct tls_context *server, *client;
static struct tls_tickets *tickets;
static struct tls_session_slot *slot;
static struct tls_client_options options;

// The call of this number from now fails, counted from 1; 0: none.
static unsigned fail_want;
enum result __real_ev_watch_want(struct ev_watch *watch, unsigned directions);
// As many sends find the socket full.
static unsigned full_sends;
ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    if (full_sends == 0)
        return __real_send(fd, bytes, length, flags);
    full_sends--;
    errno = EAGAIN;
    return -1;
}

enum result __wrap_ev_watch_want(struct ev_watch *watch, unsigned directions);

enum result __wrap_ev_watch_want(struct ev_watch *watch, unsigned directions)
{
    if (fail_want > 0 && --fail_want == 0)
        return ERR_IO;
    return __real_ev_watch_want(watch, directions);
}

static int set_up_all(void **state)
{
    (void)state;
    certificates_begin();
    ca = authority_new("ca");
    struct authority other = authority_new("other-ca");
    authority_free(&other);
    authority_issue(&ca, &(struct issue){.file = "server", .names = "DNS:gateway.hospital"});
    authority_issue(&ca, &(struct issue){.file = "rsa", .rsa_bits = 2048});
    authority_issue(&ca, &(struct issue){.file = "client", .cn = "ct1", .names = "DNS:ct1.hospital,DNS:ct1"});
    return 0;
}

static int take_down_all(void **state)
{
    (void)state;
    authority_free(&ca);
    certificates_end();
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    pair_begin(&pair);
    if (tls_tickets_new(&tickets) != OK || tls_session_slot_new(&slot) != OK)
        return -1;
    server = context_new(TLS_SERVER, "server", "ca", tickets);
    client = context_new(TLS_CLIENT, "client", "ca", NULL);
    pair_listen(&pair, server);
    options = (struct tls_client_options){.context = client};
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    pair_end(&pair);
    tls_context_unref(&server);
    tls_context_unref(&client);
    tls_tickets_unref(&tickets);
    tls_session_slot_unref(&slot);
    return 0;
}

static void use_version(int version)
{
    assert_int_equal(SSL_CTX_set_min_proto_version(client->ssl, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(client->ssl, version), 1);
}

static void test_who_the_peer_is(void **state)
{
    (void)state;
    pair_open(&pair, &options);
    const struct transport_peer *peer = transport_peer(pair.server.transport);
    assert_true(peer->has_tls && peer->has_certificate && !peer->is_resumed);
    assert_string_equal(peer->subject_cn, "ct1");
    assert_string_equal(peer->subject_dn, "CN=ct1,O=Test");
    assert_string_equal(peer->issuer_dn, "CN=ca,O=Test");
    assert_string_equal(peer->dns_names, "ct1.hospital ct1");
    assert_string_equal(peer->tls_version, "TLSv1.3");
    assert_string_equal(peer->tls_cipher, "TLS_AES_256_GCM_SHA384");
    uint8_t digest[32];
    unsigned length;
    FILE *in = fopen(certificates_path("client.pem"), "r");
    X509 *certificate = PEM_read_X509(in, NULL, NULL, NULL);
    fclose(in);
    assert_int_equal(X509_digest(certificate, EVP_sha256(), digest, &length), 1);
    assert_memory_equal(peer->fingerprint, digest, sizeof digest);
    X509_free(certificate);
    struct tls_binding binding;
    assert_int_equal(tls_binding_parse("DNS:ct1.hospital", &binding), OK);
    assert_true(tls_binding_matches(&binding, peer));
    assert_string_equal(transport_peer(pair.client.transport)->subject_cn, "server");
    assert_string_equal(transport_kind(pair.client.transport), "tls");
    pair_clear(&pair);
    use_version(TLS1_2_VERSION);
    pair_open(&pair, &options);
    assert_string_equal(transport_peer(pair.client.transport)->tls_version, "TLSv1.2");
    assert_string_equal(transport_peer(pair.client.transport)->tls_cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

static void test_names_that_deceive_are_left_out(void **state)
{
    (void)state;
    // A common name with a control character, and two common names.
    authority_issue(&ca, &(struct issue){.file = "odd", .cn = "ct1\x01", .names = "DNS:good.one"});
    tls_context_unref(&client);
    client = context_new(TLS_CLIENT, "odd", "ca", NULL);
    options.context = client;
    pair_open(&pair, &options);
    assert_string_equal(transport_peer(pair.server.transport)->subject_cn, "");
    assert_string_equal(transport_peer(pair.server.transport)->dns_names, "good.one");
}

// A context with an ECDSA and an RSA certificate.
static struct tls_context *context_with_both(enum tls_role role, enum tls_verify verify, const char *ecdsa,
                                             const char *rsa)
{
    char error[TLS_ERROR_MAX], names[4][100];
    struct tls_context *context = NULL;
    const char *files[] = {ecdsa, rsa};
    struct tls_options both = {
        .role = role, .verify = verify, .ca_file = certificates_path("ca.pem"), .pair_count = 2};
    for (size_t i = 0; i < 2; i++) {
        text_format(names[2 * i], sizeof names[0], "%s.pem", files[i]);
        text_format(names[2 * i + 1], sizeof names[0], "%s.key", files[i]);
        both.pairs[i] = (struct tls_key_pair){.certificate = certificates_path(names[2 * i]),
                                              .key = certificates_path(names[2 * i + 1])};
    }
    assert_int_equal(tls_context_new(&both, error, &context), OK);
    return context;
}

// Each peer gets the kind of certificate that it can check: by its suites (TLS 1.2) or by its signature
// algorithms (TLS 1.3), whichever role it has.
static void test_ecdsa_and_rsa_together(void **state)
{
    (void)state;
    tls_context_unref(&server);
    server = context_with_both(TLS_SERVER, TLS_VERIFY_OPTIONAL, "server", "rsa");
    pair_listen(&pair, server);
    use_version(TLS1_2_VERSION);
    const char *suites[] = {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(SSL_CTX_set_cipher_list(client->ssl, suites[i]), 1);
        pair_open(&pair, &options);
        assert_string_equal(transport_peer(pair.server.transport)->tls_cipher, suites[i]);
        assert_string_equal(transport_peer(pair.client.transport)->subject_cn, i == 0 ? "rsa" : "server");
        pair_clear(&pair);
    }
    const char *signatures[] = {"RSA-PSS+SHA256", "ECDSA+SHA256"};
    tls_context_unref(&client);
    client = context_with_both(TLS_CLIENT, TLS_VERIFY_NONE, "server", "rsa");
    options.context = client;
    for (size_t i = 0; i < 2; i++) {
        // What a client can check is what its list says; so for a server, in its request.
        SSL_CTX_set1_sigalgs_list(client->ssl, signatures[i]);
        pair_open(&pair, &options);
        assert_string_equal(transport_peer(pair.client.transport)->tls_version, "TLSv1.3");
        assert_string_equal(transport_peer(pair.client.transport)->subject_cn, i == 0 ? "rsa" : "server");
        assert_string_equal(transport_peer(pair.server.transport)->subject_cn, i == 0 ? "rsa" : "server");
        pair_clear(&pair);
    }
    // Optional: a client without a certificate gets in and is nobody.
    tls_context_unref(&client);
    client = context_new(TLS_CLIENT, NULL, "ca", NULL);
    options.context = client;
    pair_open(&pair, &options);
    assert_false(transport_peer(pair.server.transport)->has_certificate);
}

// ---- Resumption ----

// One connection in which both sides speak (in TLS 1.3 the ticket comes after the handshake). Returns whether
// resumed.
static bool connect_once(bool rude)
{
    pair_open(&pair, &options);
    bool resumed = transport_peer(pair.server.transport)->is_resumed;
    assert_int_equal(transport_peer(pair.client.transport)->is_resumed, resumed);
    assert_true(transport_peer(pair.server.transport)->has_certificate);
    assert_string_equal(transport_peer(pair.server.transport)->subject_cn, "ct1");
    pair_send(&pair.server, "x");
    for (int i = 0; i < 100 && pair.client.got == 0; i++)
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
    assert_int_equal(pair.client.got, 1);
    if (rude)
        transport_reset(pair.client.transport);
    pair_clear(&pair);
    return resumed;
}

static void test_resumption(void **state)
{
    (void)state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    options.slot = slot;
    for (size_t i = 0; i < 2; i++) {
        use_version(versions[i]);
        tls_session_slot_clear(slot);
        assert_false(connect_once(false));
        assert_true(connect_once(false));
        assert_true(connect_once(true)); // an abrupt end spoils nothing
        assert_true(connect_once(false));
        // Older keys still open tickets, which are then renewed.
        assert_int_equal(tls_tickets_rotate(tickets), OK);
        assert_true(connect_once(false));
        assert_int_equal(tls_tickets_rotate(tickets), OK);
        assert_int_equal(tls_tickets_rotate(tickets), OK);
        assert_true(connect_once(false));
        for (int rotation = 0; rotation < TLS_TICKET_KEYS; rotation++)
            assert_int_equal(tls_tickets_rotate(tickets), OK);
        assert_false(connect_once(false));
        assert_true(connect_once(false));
    }
}

// Lanes that open side by side each need a session of their own: all that came are kept, the newest
// TLS_SESSIONS_KEPT of them, and each is offered once.
static void test_several_sessions(void **state)
{
    (void)state;
    options.slot = slot;
    use_version(TLS1_3_VERSION);
    assert_int_equal(SSL_CTX_set_num_tickets(server->ssl, 3), 1);
    assert_false(connect_once(false));
    assert_int_equal(SSL_CTX_set_num_tickets(server->ssl, 0), 1);
    for (int lane = 0; lane < 3; lane++)
        assert_true(connect_once(false));
    assert_false(connect_once(false));
    assert_int_equal(SSL_CTX_set_num_tickets(server->ssl, TLS_SESSIONS_KEPT + 4), 1);
    assert_false(connect_once(false));
    assert_int_equal(SSL_CTX_set_num_tickets(server->ssl, 0), 1);
    for (int lane = 0; lane < TLS_SESSIONS_KEPT; lane++)
        assert_true(connect_once(false));
    assert_false(connect_once(false));
}

static void test_no_resumption_into_another_scope(void **state)
{
    (void)state;
    options.slot = slot;
    assert_false(connect_once(false));
    assert_true(connect_once(false));
    // A reloaded server with other authorities, the same ticket keys, and one file more to trust.
    certificates_join("both.pem", "ca.pem", "other-ca.pem");
    tls_context_unref(&server);
    server = context_new(TLS_SERVER, "server", "both", tickets);
    pair_listen(&pair, server);
    assert_false(connect_once(false));
    assert_true(connect_once(false));
    // Without ticket keys there is none.
    tls_context_unref(&server);
    server = context_new(TLS_SERVER, "server", "ca", NULL);
    pair_listen(&pair, server);
    assert_false(connect_once(false));
    assert_false(connect_once(false));
}

// ---- Transfers ----

struct flow {
    struct transport *transport;
    size_t total, sent, received;
    size_t read_most; // bytes a read
    unsigned seed;
    bool ended, failed;
};

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 131 + at / 4093);
}

static unsigned draw(struct flow *flow, unsigned limit)
{
    flow->seed = flow->seed * 1664525u + 1013904223u;
    return (flow->seed >> 8) % limit;
}

// Slices of many sizes, as a DIMSE message has: small headers before big fragments, empty ones too.
static void push(struct flow *flow)
{
    static uint8_t block[100000];
    while (flow->sent < flow->total) {
        struct slice slices[5];
        size_t at = 0;
        size_t left = flow->total - flow->sent;
        for (int i = 0; i < 5; i++) {
            size_t length = draw(flow, 3) == 0 ? draw(flow, 40) : draw(flow, 20000);
            length = length < left - at ? length : left - at;
            slices[i] = slice_of(block + at, length);
            at += length;
        }
        for (size_t i = 0; i < at; i++)
            block[i] = pattern(flow->sent + i);
        size_t written = 0;
        enum result result = transport_writev(flow->transport, slices, 5, &written);
        memset(block, 0xee, at); // what was taken is the transport's, what was not may change
        if (result == AGAIN)
            return;
        if (result != OK) {
            flow->failed = true;
            return;
        }
        flow->sent += written;
    }
    transport_want(flow->transport, TRANSPORT_READABLE);
    transport_shutdown(flow->transport);
}

static void pull(struct flow *flow)
{
    uint8_t block[70000];
    size_t got = 0;
    // A few reads for each event, then back: bytes that lie in the TLS layer must bring another event.
    for (int i = 0; i < 64; i++) {
        enum result result =
            transport_read(flow->transport, block, 1 + draw(flow, (unsigned)flow->read_most), &got);
        if (result == AGAIN)
            return;
        if (result != OK) {
            flow->ended = result == CLOSED;
            flow->failed = result != CLOSED;
            return;
        }
        for (size_t j = 0; j < got; j++) {
            if (block[j] != pattern(flow->received + j))
                fail_msg("byte %zu differs", flow->received + j);
        }
        flow->received += got;
    }
}

static void on_flow(void *arg, unsigned events)
{
    struct flow *flow = arg;
    if (events & TRANSPORT_BROKEN)
        flow->failed = true;
    if (events & TRANSPORT_WRITABLE && !flow->failed)
        push(flow);
    if (events & TRANSPORT_READABLE && !flow->failed)
        pull(flow);
}

static void run_flows(size_t total, size_t read_most)
{
    struct flow flows[2];
    pair.client.passive = pair.server.passive = true;
    pair_open(&pair, &options);
    struct transport *transports[2] = {pair.client.transport, pair.server.transport};
    for (unsigned i = 0; i < 2; i++) {
        flows[i] =
            (struct flow){.transport = transports[i], .total = total, .read_most = read_most, .seed = i + 7};
        transport_set_handler(transports[i], on_flow, &flows[i]);
        transport_want(transports[i], TRANSPORT_READABLE | TRANSPORT_WRITABLE);
    }
    for (int i = 0; i < 200000 && !(flows[0].ended && flows[1].ended); i++) {
        for (int side = 0; side < 2; side++)
            if (flows[side].failed)
                fail_msg("%s broke after %zu sent, %zu received: %s", side == 0 ? "client" : "server",
                         flows[side].sent, flows[side].received,
                         transport_reason_text(transport_reason(transports[side])));
        ev_loop_turn(pair.loop, 100 * NSEC_PER_MS);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(flows[i].ended);
        assert_int_equal(flows[i].received, total);
        assert_int_equal(transport_bytes_read(transports[i]), total);
        assert_int_equal(transport_bytes_written(transports[i]), total);
    }
    pair_clear(&pair);
}

static void test_big_transfers_both_ways(void **state)
{
    (void)state;
    run_flows(8 * MIB, 70000);
    use_version(TLS1_2_VERSION);
    run_flows(8 * MIB, 5000);
}

static void test_single_byte_reads(void **state)
{
    (void)state;
    run_flows(200000, 1);
    use_version(TLS1_2_VERSION);
    run_flows(200000, 1);
}

// RFC 6066 4: a peer may ask for records of 512 bytes.
static void test_small_records_and_small_buffers(void **state)
{
    (void)state;
    SSL_CTX_set_tlsext_max_fragment_length(client->ssl, TLSEXT_max_fragment_length_512);
    options.tcp.send_buffer = 4096;
    options.tcp.receive_buffer = 4096;
    run_flows(MIB, 70000);
}

static void test_peer_that_never_reads(void **state)
{
    (void)state;
    pair.client.passive = pair.server.passive = true;
    pair_open(&pair, &options);
    static uint8_t block[MIB];
    size_t total = transport_fill(pair.loop, pair.client.transport, slice_of(block, sizeof block));
    assert_true(total > 16 * KIB);
    transport_want(pair.client.transport, TRANSPORT_WRITABLE);
    pair.client.events = 0;
    pair_turn(&pair, 5);
    assert_int_equal(pair.client.events, 0);
    // Everything that was taken arrives, though nobody calls the client's transport again.
    size_t received = 0;
    for (int i = 0; i < 10000 && received < total; i++) {
        size_t got = 0;
        if (transport_read(pair.server.transport, block, sizeof block, &got) == OK)
            received += got;
        else
            ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
    }
    assert_int_equal(received, total);
    pair_turn(&pair, 1);
    assert_true(pair.client.events & TRANSPORT_WRITABLE);
}

// RFC 8446 6.1: without close_notify the peer has to think that something is missing.
static void test_close_notify_waits_for_room(void **state)
{
    (void)state;
    for (unsigned full = 0; full < 4; full++) {
        pair_open(&pair, &options);
        full_sends = full;
        transport_shutdown(pair.client.transport);
        for (int i = 0; i < 400 && (pair.server.last == OK || pair.server.last == AGAIN); i++)
            ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
        assert_int_equal(pair.server.last, CLOSED);
        assert_int_equal(full_sends, 0);
        pair_clear(&pair);
    }
}

// ---- Another client ----

static bool server_has(const char *text)
{
    return strstr((char *)pair.server.bytes, text) != NULL;
}

static void type_line(FILE *input, const char *line)
{
    assert_true(fputs(line, input) >= 0);
    assert_int_equal(fflush(input), 0);
}

static void answer_until(const char *wanted, int turns)
{
    for (int turn = 0; turn < turns && !server_has(wanted); turn++) {
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
        if (pair.server.got > 0 && pair.server.last == AGAIN && turn % 3 == 0)
            pair_send(&pair.server, "answer");
    }
}

static void command_line_client(const char *version, const char *between)
{
    char command[1200];
    text_format(command, sizeof command,
                "/usr/bin/openssl s_client %s -connect 127.0.0.1:%u -cert %s -key %s -CAfile %s "
                "<%s >/dev/null 2>&1",
                version, net_listener_address(pair.listener)->port, certificates_path("client.pem"),
                certificates_path("client.key"), certificates_path("ca.pem"), certificates_path("input"));
    FILE *process = popen(command, "r");
    assert_non_null(process);
    FILE *input = fopen(certificates_path("input"), "w"); // returns when the client has opened it
    assert_non_null(input);
    type_line(input, "before\n");
    answer_until("before", 600);
    assert_true(server_has("before"));
    type_line(input, between);
    for (int times = 0; times < 20 && !server_has("after"); times++) {
        type_line(input, "after\n"); // again if it was read together with the "K", and lost
        answer_until("after", 20);
    }
    assert_true(server_has("after"));
    assert_int_equal(fclose(input), 0);
    for (int turn = 0; turn < 400 && pair.server.last == AGAIN; turn++)
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
    assert_int_equal(pair.server.last, CLOSED);
    pclose(process);
    pair_clear(&pair);
}

static void test_command_line_client(void **state)
{
    (void)state;
    if (access("/usr/bin/openssl", X_OK) != 0)
        skip();
    assert_int_equal(mkfifo(certificates_path("input"), 0600), 0);
    command_line_client("-tls1_2", "-\n");
    command_line_client("-tls1_3", "K\n"); // asks for a key update of both directions
}

// Whatever the loop could not be asked for, from connecting to waiting for the first bytes: one of the two
// hears that it is broken, and neither waits for ever.
static void test_loop_out_of_memory(void **state)
{
    (void)state;
    unsigned failures = 0;
    for (unsigned call = 1; call < 40 && fail_want == 0; call++) {
        fail_want = call;
        pair_connect(&pair, &options);
        pair_turn_until(&pair, &pair.client, TRANSPORT_OPEN | TRANSPORT_BROKEN);
        pair_turn(&pair, 4);
        unsigned events = pair.client.events | pair.server.events;
        if (fail_want == 0) {
            failures++;
            assert_true(events & TRANSPORT_BROKEN);
        }
        pair_clear(&pair);
    }
    assert_true(failures >= 6); // of each side: first, handshake, open
    fail_want = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_the_peer_is, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_names_that_deceive_are_left_out, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_ecdsa_and_rsa_together, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_resumption, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_several_sessions, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_no_resumption_into_another_scope, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_big_transfers_both_ways, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_single_byte_reads, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_small_records_and_small_buffers, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_peer_that_never_reads, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_close_notify_waits_for_room, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_command_line_client, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_loop_out_of_memory, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, take_down_all);
}
