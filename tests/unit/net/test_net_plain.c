// SPDX-License-Identifier: Apache-2.0
//
// Plain TCP on the loopback: listening, connecting, both directions, ends of every kind, first bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../transport_fill.h"
#include "base/units.h"
#include "ev/real.h"
#include "net/listen.h"
#include "net/plain.h"

struct side {
    struct transport *transport;
    unsigned events; // all seen so far
    enum result last;
    size_t got;
    uint8_t bytes[256];
    bool free_on_event;
};

static struct ev_loop *loop;
static struct net_listener *listener;
static struct side client, server;
static unsigned accepted;
static bool drop_accepted;

// The call of this number from now fails, counted from 1; 0: none.
static unsigned fail_want;
enum result __real_ev_watch_want(struct ev_watch *watch, unsigned directions);
enum result __wrap_ev_watch_want(struct ev_watch *watch, unsigned directions);

enum result __wrap_ev_watch_want(struct ev_watch *watch, unsigned directions)
{
    if (fail_want > 0 && --fail_want == 0)
        return ERR_IO;
    return __real_ev_watch_want(watch, directions);
}

static void on_ready(void *arg, unsigned events)
{
    struct side *side = arg;
    side->events |= events;
    if (side->free_on_event) {
        transport_free(&side->transport);
        return;
    }
    while (events & TRANSPORT_READABLE && side->got < sizeof side->bytes) {
        size_t got = 0;
        side->last =
            transport_read(side->transport, side->bytes + side->got, sizeof side->bytes - side->got, &got);
        if (side->last != OK)
            break;
        side->got += got;
    }
}

static void on_accept(void *arg, int fd, const struct net_address *peer)
{
    (void)arg;
    accepted++;
    if (drop_accepted) {
        close(fd);
        return;
    }
    assert_int_equal(plain_transport_new(loop, fd, peer, NULL, on_ready, &server, &server.transport), OK);
    transport_want(server.transport, TRANSPORT_READABLE);
}

static int set_up(void **state)
{
    (void)state;
    struct net_address address;
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    accepted = 0;
    drop_accepted = false;
    if (ev_real_new("test", &loop) != OK || net_address_parse("127.0.0.1:0", &address) != OK)
        return -1;
    return net_listener_new(loop, &address, 0, on_accept, NULL, &listener) == OK ? 0 : -1;
}

static int take_down(void **state)
{
    (void)state;
    transport_free(&client.transport);
    transport_free(&server.transport);
    net_listener_free(&listener);
    ev_loop_free(&loop);
    return 0;
}

static void turn_until(const unsigned *events, unsigned wanted)
{
    for (int i = 0; i < 200 && (*events & wanted) != wanted; i++)
        ev_loop_turn(loop, 20 * NSEC_PER_MS);
    assert_int_equal(*events & wanted, wanted);
}

static void connect_both(void)
{
    struct net_tcp_options options = {.keep_alive = true, .keep_alive_idle = 60, .user_timeout = 30000};
    assert_int_equal(plain_transport_connect(loop, net_listener_address(listener), &options, on_ready,
                                             &client, &client.transport),
                     OK);
    assert_int_equal(client.events, 0);
    turn_until(&client.events, TRANSPORT_OPEN);
    turn_until(&server.events, TRANSPORT_OPEN);
}

static void send_text(struct side *from, const char *text)
{
    struct slice slices[3] = {slice_of_text(""), slice_first(slice_of_text(text), 1),
                              slice_from(slice_of_text(text), 1)};
    size_t written = 0;
    assert_int_equal(transport_writev(from->transport, slices, 3, &written), OK);
    assert_int_equal(written, strlen(text));
}

static void test_both_directions_and_orderly_end(void **state)
{
    (void)state;
    connect_both();
    assert_true(net_listener_address(listener)->port != 0);
    assert_true(net_address_is_loopback(&transport_peer(server.transport)->address));
    send_text(&client, "\001hello");
    turn_until(&server.events, TRANSPORT_READABLE);
    assert_memory_equal(server.bytes, "\001hello", 6);
    assert_int_equal(server.last, AGAIN);
    send_text(&server, "\002back");
    transport_shutdown(server.transport);
    transport_want(client.transport, TRANSPORT_READABLE);
    for (int i = 0; i < 100 && client.last != CLOSED; i++)
        ev_loop_turn(loop, 20 * NSEC_PER_MS);
    assert_int_equal(client.last, CLOSED);
    assert_int_equal(client.got, 5);
    // Half closed: the other direction lives, and the end of stream does not make the loop spin.
    client.events = 0;
    ev_loop_turn(loop, 0);
    ev_loop_turn(loop, 0);
    assert_int_equal(client.events, 0);
    send_text(&client, "still");
    server.events = 0;
    turn_until(&server.events, TRANSPORT_READABLE);
    assert_memory_equal(server.bytes + 6, "still", 5);
    assert_int_equal(transport_reason(client.transport), TRANSPORT_CLOSED);
    assert_int_equal(transport_bytes_read(server.transport), 11);
    assert_int_equal(transport_bytes_written(client.transport), 11);
}

static void test_back_pressure(void **state)
{
    (void)state;
    static uint8_t block[256 * 1024];
    connect_both();
    transport_want(server.transport, 0);
    enum result result = OK;
    size_t total = transport_fill(loop, client.transport, slice_of(block, sizeof block));
    transport_want(client.transport, TRANSPORT_WRITABLE);
    client.events = 0;
    ev_loop_turn(loop, 0);
    assert_int_equal(client.events & TRANSPORT_WRITABLE, 0);
    size_t read_total = 0, got = 0;
    for (int i = 0; i < 5000 && !(client.events & TRANSPORT_WRITABLE); i++) {
        while (transport_read(server.transport, block, sizeof block, &got) == OK)
            read_total += got;
        ev_loop_turn(loop, NSEC_PER_MS);
    }
    assert_true(client.events & TRANSPORT_WRITABLE);
    transport_shutdown(client.transport);
    for (int i = 0; i < 1000; i++) {
        result = transport_read(server.transport, block, sizeof block, &got);
        if (result == CLOSED)
            break;
        if (result == OK)
            read_total += got;
        else
            ev_loop_turn(loop, NSEC_PER_MS);
    }
    assert_int_equal(result, CLOSED);
    assert_int_equal(read_total, total);
}

static void test_reset(void **state)
{
    (void)state;
    connect_both();
    transport_reset(client.transport);
    turn_until(&server.events, TRANSPORT_READABLE);
    assert_int_equal(server.last, ERR_IO);
    assert_int_equal(transport_reason(server.transport), TRANSPORT_RESET);
    size_t got;
    assert_int_equal(transport_read(server.transport, server.bytes, 1, &got), ERR_IO);
    uint64_t before = log_event_count(LOG_NET_RESET);
    transport_reason_log(transport_reason(server.transport), transport_peer(server.transport));
    assert_int_equal(log_event_count(LOG_NET_RESET), before + 1);
}

static void test_last_words_survive_a_failed_write(void **state)
{
    (void)state;
    connect_both();
    send_text(&client, "\007abort");
    transport_close(client.transport);
    transport_want(server.transport, 0);
    struct slice slice = slice_of_text("more");
    size_t count = 0;
    enum result result = OK;
    for (int i = 0; i < 100 && result == OK; i++) {
        result = transport_writev(server.transport, &slice, 1, &count);
        ev_loop_turn(loop, NSEC_PER_MS);
    }
    assert_int_equal(result, ERR_IO);
    server.got = 0;
    assert_int_equal(transport_read(server.transport, server.bytes, 100, &count), OK);
    assert_int_equal(count, 6);
    assert_int_equal(transport_read(server.transport, server.bytes, 100, &count), ERR_IO);
}

static void test_refused_and_bad_address(void **state)
{
    (void)state;
    struct net_address address = *net_listener_address(listener);
    net_listener_free(&listener);
    ev_loop_turn(loop, 0);
    assert_int_equal(plain_transport_connect(loop, &address, NULL, on_ready, &client, &client.transport), OK);
    turn_until(&client.events, TRANSPORT_BROKEN);
    assert_int_equal(client.events, TRANSPORT_BROKEN);
    assert_int_equal(transport_reason(client.transport), TRANSPORT_REFUSED);
    transport_free(&client.transport);
    client.events = 0;
    struct net_address nowhere = {.family = NET_IPV4, .port = 1, .bytes = {255, 255, 255, 255}};
    assert_int_equal(plain_transport_connect(loop, &nowhere, NULL, on_ready, &client, &client.transport), OK);
    turn_until(&client.events, TRANSPORT_BROKEN);
}

static void test_free_before_open_and_in_handler(void **state)
{
    (void)state;
    struct plain_dialer dialer;
    plain_dialer_init(&dialer, NULL);
    assert_int_equal(
        net_dial(&dialer.dialer, loop, net_listener_address(listener), on_ready, &client, &client.transport),
        OK);
    transport_free(&client.transport);
    for (int i = 0; i < 3; i++)
        ev_loop_turn(loop, 5 * NSEC_PER_MS);
    assert_int_equal(client.events, 0);
    transport_free(&server.transport);
    client.free_on_event = true;
    assert_int_equal(
        net_dial(&dialer.dialer, loop, net_listener_address(listener), on_ready, &client, &client.transport),
        OK);
    transport_want(client.transport, TRANSPORT_READABLE | TRANSPORT_WRITABLE);
    turn_until(&client.events, TRANSPORT_OPEN);
    ev_loop_turn(loop, NSEC_PER_MS);
    assert_int_equal(client.events, TRANSPORT_OPEN);
    assert_null(client.transport);
}

static void test_peer_speaks_tls(void **state)
{
    (void)state;
    connect_both();
    send_text(&client, "\x16\x03\x01\x02");
    turn_until(&server.events, TRANSPORT_READABLE);
    assert_int_equal(server.last, ERR_IO);
    assert_int_equal(transport_reason(server.transport), TRANSPORT_SPEAKS_TLS);
    // The other way round: the peer of a plain client answers with an alert.
    transport_free(&client.transport);
    transport_free(&server.transport);
    memset(&client, 0, sizeof client);
    memset(&server, 0, sizeof server);
    connect_both();
    send_text(&server, "\x15\x03\x03");
    transport_want(client.transport, TRANSPORT_READABLE);
    turn_until(&client.events, TRANSPORT_READABLE);
    assert_int_equal(transport_reason(client.transport), TRANSPORT_SPEAKS_TLS);
}

static void test_speech(void **state)
{
    (void)state;
    assert_int_equal(net_speech_guess(slice_of("\x01\x00", 2)), NET_SPEECH_DICOM);
    assert_int_equal(net_speech_guess(slice_of("\x07", 1)), NET_SPEECH_DICOM);
    assert_int_equal(net_speech_guess(slice_of("\x16\x03", 2)), NET_SPEECH_TLS);
    assert_int_equal(net_speech_guess(slice_of("\x15", 1)), NET_SPEECH_TLS);
    assert_int_equal(net_speech_guess(slice_of("\x16\x00", 2)), NET_SPEECH_OTHER);
    assert_int_equal(net_speech_guess(slice_of("GET", 3)), NET_SPEECH_OTHER);
}

static void test_listener_faults(void **state)
{
    (void)state;
    struct net_listener *second = NULL;
    struct net_address address = *net_listener_address(listener), foreign;
    assert_int_equal(net_listener_new(loop, &address, 0, on_accept, NULL, &second), ERR_EXISTS);
    assert_int_equal(net_address_parse("192.0.2.1:0", &foreign), OK);
    assert_int_equal(net_listener_new(loop, &foreign, 0, on_accept, NULL, &second), ERR_MISSING);
}

static void test_out_of_descriptors(void **state)
{
    (void)state;
    struct rlimit old, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(plain_transport_connect(loop, net_listener_address(listener), NULL, on_ready, &client,
                                             &client.transport),
                     OK);
    int next = dup(0);
    close(next);
    low = old;
    low.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    uint64_t before = log_event_count(LOG_NET_DESCRIPTORS);
    transport_want(client.transport, TRANSPORT_READABLE);
    for (int i = 0; i < 100 && log_event_count(LOG_NET_DESCRIPTORS) == before; i++)
        ev_loop_turn(loop, 20 * NSEC_PER_MS);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(log_event_count(LOG_NET_DESCRIPTORS), before + 1);
    assert_int_equal(accepted, 0);
    turn_until(&client.events, TRANSPORT_READABLE); // turned away, not left hanging
    transport_free(&client.transport);
    memset(&client, 0, sizeof client);
    connect_both(); // after the pause
    assert_int_equal(accepted, 1);
}

// The owner hears of it, whoever asked for what the loop could not give.
static void test_loop_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(plain_transport_connect(loop, net_listener_address(listener), NULL, on_ready, &client,
                                             &client.transport),
                     OK);
    fail_want = 1; // the connection is made
    drop_accepted = true;
    turn_until(&client.events, TRANSPORT_BROKEN);
    assert_int_equal(transport_reason(client.transport), TRANSPORT_LOCAL);
    transport_free(&client.transport);
    memset(&client, 0, sizeof client);
    drop_accepted = false;
    connect_both();
    fail_want = 1;
    transport_want(client.transport, TRANSPORT_READABLE); // a call that answers nothing
    turn_until(&client.events, TRANSPORT_BROKEN);
    assert_int_equal(client.events, TRANSPORT_OPEN | TRANSPORT_BROKEN);
    assert_int_equal(transport_reason(client.transport), TRANSPORT_LOCAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_directions_and_orderly_end, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_back_pressure, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_reset, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_last_words_survive_a_failed_write, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_refused_and_bad_address, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_free_before_open_and_in_handler, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_peer_speaks_tls, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_speech, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_listener_faults, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_out_of_descriptors, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_loop_out_of_memory, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
