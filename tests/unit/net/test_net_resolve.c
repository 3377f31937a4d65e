// SPDX-License-Identifier: Apache-2.0
//
// The resolver: on simulated loops with a look-up of the test's own, and once against the system.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netdb.h>

#include "base/text.h"
#include "base/units.h"
#include "ev/real.h"
#include "ev/sim.h"
#include "net/resolve.h"

static struct net_lookup *answers[64];
static size_t answer_count;

static void on_answer(void *arg, struct mail *mail)
{
    (void)arg;
    assert_int_equal(mail->kind, NET_LOOKUP_MAIL);
    answers[answer_count++] = CONTAINER_OF(mail, struct net_lookup, mail);
}

static void table(void *arg, struct net_lookup *lookup)
{
    (void)arg;
    if (strcmp(lookup->host, "pacs") != 0) {
        lookup->result = ERR_MISSING;
        return;
    }
    lookup->result = net_address_parse_host("10.0.0.9", lookup->port, &lookup->addresses[0]);
    lookup->count = 1;
}

static void test_simulated(void **state)
{
    (void)state;
    struct sim_world *world = sim_world_new(5);
    struct ev_loop *asker = sim_loop_new(world, "asker"), *own = sim_loop_new(world, "resolver");
    struct ev_mailbox mailbox;
    struct net_resolver *resolver = NULL;
    struct net_lookup lookups[20];
    struct net_endpoint endpoint;
    bool answered;
    answer_count = 0;
    assert_int_equal(ev_mailbox_init(&mailbox, asker, 2, 1, on_answer, NULL), OK);
    assert_int_equal(net_resolver_new(own, 32, table, NULL, &resolver), OK);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(net_endpoint_parse(i % 2 == 0 ? "pacs:104" : "other:104", &endpoint), OK);
        net_lookup_init(&lookups[i], &endpoint, &mailbox, &lookups[i]);
        assert_int_equal(net_resolver_ask(resolver, &lookups[i], &answered), OK);
        assert_false(answered);
    }
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + NSEC_PER_SEC);
    assert_int_equal(answer_count, 20); // through a mailbox with room for two
    for (size_t i = 0; i < 20; i++) {
        assert_ptr_equal(answers[i]->owner, &lookups[i]);
        assert_int_equal(answers[i]->result, i % 2 == 0 ? OK : ERR_MISSING);
    }
    assert_int_equal(lookups[0].addresses[0].port, 104);
    net_resolver_free(&resolver);
    ev_mailbox_fini(&mailbox);
    ev_loop_free(&asker);
    ev_loop_free(&own);
    sim_world_free(&world);
}

static void test_numeric_needs_nobody(void **state)
{
    (void)state;
    struct ev_loop *loop = NULL;
    struct net_resolver *resolver = NULL;
    struct ev_mailbox mailbox;
    struct net_lookup lookup;
    struct net_endpoint endpoint;
    bool answered = false;
    char text[NET_ADDRESS_TEXT_MAX];
    answer_count = 0;
    assert_int_equal(ev_real_new("resolver", &loop), OK);
    assert_int_equal(ev_mailbox_init(&mailbox, loop, 2, 0, on_answer, NULL), OK);
    assert_int_equal(net_resolver_new(loop, 4, NULL, NULL, &resolver), OK);
    assert_int_equal(net_endpoint_parse("[::1]:104", &endpoint), OK);
    net_lookup_init(&lookup, &endpoint, &mailbox, NULL);
    assert_int_equal(net_resolver_ask(resolver, &lookup, &answered), OK);
    assert_true(answered && lookup.result == OK && lookup.count == 1);
    assert_string_equal(net_address_format(&lookup.addresses[0], text, sizeof text), "[::1]:104");
    // The system's own look-up, for a name that every machine with an /etc/hosts has.
    struct addrinfo *found = NULL;
    bool is_known = getaddrinfo("localhost", NULL, NULL, &found) == 0;
    if (is_known)
        freeaddrinfo(found);
    assert_int_equal(net_endpoint_parse("localhost:4242", &endpoint), OK);
    net_lookup_init(&lookup, &endpoint, &mailbox, NULL);
    assert_int_equal(net_resolver_ask(resolver, &lookup, &answered), OK);
    assert_false(answered);
    for (int i = 0; i < 3000 && answer_count == 0; i++)
        ev_loop_turn(loop, 20 * NSEC_PER_MS);
    assert_int_equal(answer_count, 1);
    assert_int_equal(lookup.result == OK, is_known);
    if (is_known)
        assert_true(net_address_is_loopback(&lookup.addresses[0]) && lookup.addresses[0].port == 4242);
    net_resolver_free(&resolver);
    ev_mailbox_fini(&mailbox);
    ev_loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simulated),
        cmocka_unit_test(test_numeric_needs_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
