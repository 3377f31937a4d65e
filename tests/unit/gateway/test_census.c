// SPDX-License-Identifier: Apache-2.0
//
// Who may have how many connections and associations at the same time.
#include "unit.h"

#include "front/census.h"
#include "rig.h"

static struct configuration *configuration;
static struct census *census;

static int set_up(void **state)
{
    (void)state;
    configuration = rig_configuration_parse(rig_configuration_fixed);
    configuration->limits.silent = 5;
    configuration->limits.client_silent = 3;
    configuration->limits.client_associations = 2;
    configuration->gateway.max_associations = 3;
    return census_new(configuration, &census) == OK ? 0 : -1;
}

static int take_down(void **state)
{
    (void)state;
    census_free(census);
    configuration_free(configuration);
    return 0;
}

static struct net_address host(uint8_t last)
{
    return (struct net_address){.family = NET_IPV4, .port = last, .bytes = {10, 0, 0, last}};
}

static void test_knocking(void **state)
{
    (void)state;
    struct net_address one = host(1), other = host(2), same = host(1);
    same.port = 99; // another connection from there
    assert_int_equal(census_knock(census, &one), OK);
    assert_int_equal(census_knock(census, &same), OK);
    assert_int_equal(census_knock(census, &one), OK);
    assert_int_equal(census_knock(census, &one), ERR_LIMIT);
    assert_int_equal(census_knock(census, &other), OK);
    assert_int_equal(census_knock(census, NULL), OK); // behind a load balancer, not yet known
    assert_int_equal(census_knock(census, &other), ERR_LIMIT);
    assert_int_equal(census_knock(census, NULL), ERR_LIMIT);
    census_knock_over(census, &one);
    assert_int_equal(census_knock(census, &other), OK);
    census_knock_over(census, NULL);
    for (int i = 0; i < 2; i++) {
        census_knock_over(census, &same);
        census_knock_over(census, &other);
    }
    struct configuration_limits more = configuration->limits;
    more.client_silent = 5;
    census_limits_set(census, &more);
    for (int i = 0; i < 5; i++)
        assert_int_equal(census_knock(census, &one), OK);
    assert_int_equal(census_knock(census, &one), ERR_LIMIT);
}

// Associations are another count: knocking takes nothing of it.
static void test_associations(void **state)
{
    (void)state;
    struct net_address one = host(1), other = host(2);
    assert_int_equal(census_knock(census, &one), OK);
    assert_int_equal(census_enter(census, &one, NULL), OK);
    assert_int_equal(census_enter(census, &one, NULL), OK);
    assert_int_equal(census_enter(census, &one, NULL), ERR_LIMIT);
    assert_int_equal(census_enter(census, &other, NULL), OK);
    assert_int_equal(census_enter(census, &other, NULL), ERR_LIMIT);
    assert_int_equal(census_total(census), 3);
    census_leave(census, &one, NULL);
    assert_int_equal(census_enter(census, &other, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_knocking, set_up, take_down),
        cmocka_unit_test_setup_teardown(test_associations, set_up, take_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
