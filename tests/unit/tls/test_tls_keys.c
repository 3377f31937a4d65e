// SPDX-License-Identifier: Apache-2.0
//
// PROTOCOL 98: a peer that asks for new keys of both directions again and again inside a large transfer (RFC
// 8446 4.6.3). The peer is plain OpenSSL in a process of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/units.h"
#include "certificates.h"
#include "pair.h"

enum { ROUNDS = 40, BLOCK = 100000, BACK = 300000, SECONDS_MAX = 60 };

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 131 + at / 4093);
}

static int client_connect(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

// The child's exit status: 0 if it has sent everything and got everything back.
static int client_run(unsigned port)
{
    static uint8_t block[BLOCK];
    alarm(SECONDS_MAX);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    if (SSL_CTX_use_certificate_file(context, certificates_path("client.pem"), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, certificates_path("client.key"), SSL_FILETYPE_PEM) != 1)
        return 2;
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, client_connect(port));
    if (SSL_connect(ssl) != 1)
        return 3;
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < BLOCK; i++)
            block[i] = pattern(round * BLOCK + i);
        if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_write(ssl, block, BLOCK) != BLOCK)
            return 4;
    }
    for (size_t got = 0; got < BACK;) {
        int length = SSL_read(ssl, block, BLOCK);
        if (length <= 0)
            return 5;
        for (int i = 0; i < length; i++)
            if (block[i] != pattern(got + (size_t)i))
                return 6;
        got += (size_t)length;
    }
    SSL_shutdown(ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return 0;
}

static void receive_all(struct pair *pair)
{
    static uint8_t block[BLOCK];
    size_t received = 0;
    for (int i = 0; i < 100000 && received < (size_t)ROUNDS * BLOCK; i++) {
        size_t got = 0;
        enum result result = AGAIN;
        if (pair->server.transport != NULL && (pair->server.events & TRANSPORT_OPEN))
            result = transport_read(pair->server.transport, block, sizeof block, &got);
        assert_true(result == OK || result == AGAIN);
        for (size_t at = 0; result == OK && at < got; at++)
            assert_int_equal(block[at], pattern(received + at));
        received += result == OK ? got : 0;
        if (result == AGAIN)
            ev_loop_turn(pair->loop, 20 * NSEC_PER_MS);
    }
    assert_int_equal(received, (size_t)ROUNDS * BLOCK);
}

static void send_back(struct pair *pair)
{
    static uint8_t block[BACK];
    for (size_t i = 0; i < BACK; i++)
        block[i] = pattern(i);
    for (size_t sent = 0; sent < BACK;) {
        struct slice slice = slice_of(block + sent, BACK - sent);
        size_t written = 0;
        enum result result = transport_writev(pair->server.transport, &slice, 1, &written);
        assert_true(result == OK || result == AGAIN);
        sent += result == OK ? written : 0;
        ev_loop_turn(pair->loop, 5 * NSEC_PER_MS);
    }
}

static void test_keys_change_during_a_transfer(void **state)
{
    (void)state;
    struct pair pair;
    certificates_begin();
    struct authority ca = authority_new("ca");
    authority_issue(&ca, &(struct issue){.file = "server", .names = "DNS:gateway.hospital"});
    authority_issue(&ca, &(struct issue){.file = "client", .cn = "ct1"});
    pair_begin(&pair);
    struct tls_context *server = context_new(TLS_SERVER, "server", "ca", NULL);
    pair_listen(&pair, server);
    pair.server.passive = true;
    pid_t child = fork();
    if (child == 0)
        _exit(client_run(net_listener_address(pair.listener)->port));
    receive_all(&pair);
    send_back(&pair);
    int status = -1;
    for (int i = 0; i < 3000 && waitpid(child, &status, WNOHANG) == 0; i++)
        ev_loop_turn(pair.loop, 20 * NSEC_PER_MS);
    assert_int_equal(status, 0);
    pair_end(&pair);
    tls_context_unref(&server);
    authority_free(&ca);
    certificates_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keys_change_during_a_transfer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
