// SPDX-License-Identifier: Apache-2.0
//
// Transport in memory: the contract of net/transport.h under many seeds, faults at any moment, the network.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "net/memory.h"

enum { TOTAL = 40000 };

// Sends TOTAL bytes of a pattern and checks those that come in; then shuts down and waits for the other's
// end.
struct party {
    struct transport *transport;
    uint32_t sent, received;
    unsigned events;
    bool sends, reads, ended, failed, opened;
};

static struct sim_world *world;
static struct ev_loop *loops[2];
static struct party parties[2];

static uint8_t pattern(uint32_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

static void push(struct party *party)
{
    while (party->sends && party->sent < TOTAL) {
        uint8_t block[3000];
        uint32_t length = TOTAL - party->sent < sizeof block ? TOTAL - party->sent : sizeof block;
        for (uint32_t i = 0; i < length; i++)
            block[i] = pattern(party->sent + i);
        struct slice slices[2] = {slice_of(block, length / 3),
                                  slice_of(block + length / 3, length - length / 3)};
        size_t written;
        enum result result = transport_writev(party->transport, slices, 2, &written);
        if (result == AGAIN)
            return;
        if (result != OK) {
            party->failed = true;
            return;
        }
        party->sent += (uint32_t)written;
    }
    transport_want(party->transport, party->reads ? TRANSPORT_READABLE : 0);
    if (party->sends)
        transport_shutdown(party->transport);
}

static void pull(struct party *party)
{
    uint8_t block[1000];
    size_t got;
    enum result result;
    while ((result = transport_read(party->transport, block, sizeof block, &got)) == OK) {
        for (size_t i = 0; i < got; i++)
            assert_int_equal(block[i], pattern(party->received++));
    }
    if (result == CLOSED)
        party->ended = true;
    else if (result != AGAIN)
        party->failed = true;
}

static void on_ready(void *arg, unsigned events)
{
    struct party *party = arg;
    party->events |= events;
    if (events & TRANSPORT_BROKEN) {
        party->failed = true;
        return;
    }
    if (events & TRANSPORT_OPEN) {
        party->opened = true;
        transport_want(party->transport,
                       (party->sends ? TRANSPORT_WRITABLE : 0u) | (party->reads ? TRANSPORT_READABLE : 0u));
    }
    if (events & TRANSPORT_WRITABLE)
        push(party);
    if (events & TRANSPORT_READABLE)
        pull(party);
}

static bool both_ended(void *arg)
{
    (void)arg;
    return parties[0].ended && parties[1].ended;
}

static void begin(uint64_t seed)
{
    world = sim_world_new(seed);
    for (int i = 0; i < 2; i++) {
        loops[i] = sim_loop_new(world, "party");
        parties[i] = (struct party){.sends = true, .reads = true};
    }
}

static void join(const struct memory_path *path)
{
    memory_pair_new(loops[0], loops[1], path, path, &parties[0].transport, &parties[1].transport);
    for (int i = 0; i < 2; i++)
        transport_set_handler(parties[i].transport, on_ready, &parties[i]);
}

static uint64_t finish(void)
{
    uint64_t trace = sim_world_trace(world);
    for (int i = 0; i < 2; i++) {
        transport_free(&parties[i].transport);
        ev_loop_free(&loops[i]);
    }
    sim_world_free(&world);
    return trace;
}

static struct memory_path path_of(uint64_t seed)
{
    return (struct memory_path){
        .latency = seed % 3 * NSEC_PER_MS,
        .latency_jitter = seed % 5 * NSEC_PER_MS,
        .rate = seed % 2 == 0 ? 0 : 10 * MIB,
        .buffer = 1 + seed * 977 % 20000,
        .segment_max = seed % 7 * 300,
        .read_max = seed % 4 == 3 ? 1 : seed % 4 * 100,
    };
}

static uint64_t transfer(uint64_t seed)
{
    begin(seed);
    struct memory_path path = path_of(seed);
    join(&path);
    assert_true(sim_world_run_until(world, both_ended, NULL, sim_world_now(world) + 3600 * NSEC_PER_SEC));
    for (int i = 0; i < 2; i++)
        assert_int_equal(parties[i].received, TOTAL);
    return finish();
}

static void test_every_byte_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        uint64_t trace = transfer(seed);
        if (seed % 10 == 0)
            assert_int_equal(transfer(seed), trace);
    }
}

static void test_rate_and_latency(void **state)
{
    (void)state;
    begin(1);
    struct memory_path path = {.latency = 50 * NSEC_PER_MS, .rate = TOTAL, .buffer = 2 * TOTAL};
    join(&path);
    uint64_t start = sim_world_now(world);
    assert_true(sim_world_run_until(world, both_ended, NULL, start + 60 * NSEC_PER_SEC));
    uint64_t took = sim_world_now(world) - start;
    assert_in_range(took, 1050 * NSEC_PER_MS, 1070 * NSEC_PER_MS);
    finish();
}

static void test_peer_that_stops_reading(void **state)
{
    (void)state;
    begin(2);
    struct memory_path path = {.buffer = 1000};
    parties[1].reads = false;
    parties[1].sends = false;
    join(&path);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 60 * NSEC_PER_SEC);
    assert_int_equal(parties[0].sent, 1000);
    assert_false(parties[0].failed);
    finish();
}

static void test_cut_at_any_moment(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed);
        struct memory_path path = path_of(seed);
        join(&path);
        sim_world_run_until(world, NULL, NULL,
                            sim_world_now(world) + sim_random_below(world, 20 * NSEC_PER_MS));
        bool done[2] = {parties[0].ended, parties[1].ended};
        memory_transport_cut(parties[seed % 2].transport);
        sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 60 * NSEC_PER_SEC);
        for (int i = 0; i < 2; i++) {
            assert_true(done[i] || parties[i].failed);
            if (!done[i])
                assert_int_equal(transport_reason(parties[i].transport), TRANSPORT_RESET);
        }
        finish();
    }
}

static void test_crash_of_one_side(void **state)
{
    (void)state;
    unsigned resets = 0, ends = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed);
        struct memory_path path = {.latency = NSEC_PER_MS, .rate = MIB, .segment_max = 500, .buffer = 4000};
        parties[1].sends = seed % 2 == 0; // who writes to the dead sees a reset in any case
        join(&path);
        sim_world_run_until(world, NULL, NULL,
                            sim_world_now(world) + sim_random_below(world, 30 * NSEC_PER_MS));
        uint32_t received = parties[0].received;
        sim_loop_kill(loops[0]);
        sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 60 * NSEC_PER_SEC);
        assert_int_equal(parties[0].received, received);
        assert_true(parties[1].failed || parties[1].ended);
        resets += parties[1].failed;
        ends += parties[1].ended;
        finish();
    }
    assert_true(resets > 5 && ends > 5);
}

static void test_stall(void **state)
{
    (void)state;
    begin(4);
    join(NULL);
    memory_transport_stall(parties[1].transport, true);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 10 * NSEC_PER_SEC);
    assert_int_equal(parties[1].received, 0);
    assert_int_equal(parties[0].received, TOTAL);
    memory_transport_stall(parties[1].transport, false);
    assert_true(sim_world_run_until(world, both_ended, NULL, sim_world_now(world) + 10 * NSEC_PER_SEC));
    finish();
}

// One way only, told at the other end; readiness in any order changes nothing.
static void test_stall_far(void **state)
{
    (void)state;
    begin(4);
    struct memory_path path = {.turn_jitter = 20000};
    join(&path);
    memory_transport_stall_far(parties[0].transport, true);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 10 * NSEC_PER_SEC);
    assert_int_equal(parties[1].received, 0);
    assert_int_equal(parties[0].received, TOTAL);
    memory_transport_stall_far(parties[0].transport, false);
    assert_true(sim_world_run_until(world, both_ended, NULL, sim_world_now(world) + 10 * NSEC_PER_SEC));
    finish();
}

static void test_cut_at_a_byte(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 3000; at += 37) {
        begin(at);
        struct memory_path path = {.latency = NSEC_PER_MS, .segment_max = 500, .cut_after = at};
        join(&path);
        sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 10 * NSEC_PER_SEC);
        assert_true(parties[0].failed && parties[1].failed);
        assert_true(parties[0].received == at || parties[1].received == at); // the first one ends both
        assert_true(parties[0].received <= at && parties[1].received <= at);
        finish();
    }
}

static void test_free_in_the_middle(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        begin(seed);
        struct memory_path path = path_of(seed);
        join(&path);
        sim_world_run_until(world, NULL, NULL,
                            sim_world_now(world) + sim_random_below(world, 10 * NSEC_PER_MS));
        transport_free(&parties[0].transport);
        sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 60 * NSEC_PER_SEC);
        assert_true(parties[1].ended || parties[1].failed || !parties[1].opened);
        finish();
    }
}

// ---- Network ----

static unsigned accepted;

static void on_accept(void *arg, struct transport *transport)
{
    (void)arg;
    accepted++;
    transport_free(&parties[1].transport);
    parties[1].transport = transport;
    transport_set_handler(transport, on_ready, &parties[1]);
}

static void test_network(void **state)
{
    (void)state;
    begin(9);
    accepted = 0;
    struct memory_network *network = memory_network_new(world);
    struct net_address address, source;
    struct memory_path path = {.latency = 5 * NSEC_PER_MS};
    const struct net_dialer *dialer = memory_network_dialer(network);
    struct party *caller = &parties[0];
    assert_int_equal(net_address_parse("10.0.0.7:104", &address), OK);
    assert_int_equal(net_address_parse("10.0.0.8:0", &source), OK);
    memory_network_set_path(network, &path);
    memory_network_set_source(network, loops[0], &source);
    // Nobody listens.
    assert_int_equal(net_dial(dialer, loops[0], &address, on_ready, caller, &caller->transport), OK);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_true(caller->failed);
    assert_int_equal(transport_reason(caller->transport), TRANSPORT_REFUSED);
    transport_free(&caller->transport);
    // Somebody does.
    assert_int_equal(memory_network_listen(network, &address, loops[1], on_accept, NULL), OK);
    assert_int_equal(memory_network_listen(network, &address, loops[1], on_accept, NULL), ERR_EXISTS);
    *caller = (struct party){.sends = true, .reads = true};
    assert_int_equal(net_dial(dialer, loops[0], &address, on_ready, caller, &caller->transport), OK);
    assert_true(sim_world_run_until(world, both_ended, NULL, sim_world_now(world) + NSEC_PER_SEC));
    assert_int_equal(accepted, 1);
    assert_int_equal(transport_peer(parties[1].transport)->address.bytes[3], 8);
    assert_int_equal(transport_peer(caller->transport)->address.port, 104);
    // A caller that gives up before it is accepted.
    transport_free(&caller->transport);
    assert_int_equal(net_dial(dialer, loops[0], &address, on_ready, caller, &caller->transport), OK);
    transport_free(&caller->transport);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_int_equal(accepted, 1);
    // A host that is off.
    memory_network_blackhole(network, &address, true);
    *caller = (struct party){0};
    assert_int_equal(net_dial(dialer, loops[0], &address, on_ready, caller, &caller->transport), OK);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + 1000 * NSEC_PER_SEC);
    assert_int_equal(caller->events, 0);
    transport_free(&caller->transport);
    memory_network_blackhole(network, &address, false);
    // A crash while a caller waits.
    assert_int_equal(net_dial(dialer, loops[0], &address, on_ready, caller, &caller->transport), OK);
    sim_loop_kill(loops[1]);
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_int_equal(transport_reason(caller->transport), TRANSPORT_REFUSED);
    memory_network_free(&network);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_in_order),
        cmocka_unit_test(test_rate_and_latency),
        cmocka_unit_test(test_peer_that_stops_reading),
        cmocka_unit_test(test_cut_at_any_moment),
        cmocka_unit_test(test_crash_of_one_side),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_stall_far),
        cmocka_unit_test(test_cut_at_a_byte),
        cmocka_unit_test(test_free_in_the_middle),
        cmocka_unit_test(test_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
