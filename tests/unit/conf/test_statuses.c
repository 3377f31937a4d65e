// SPDX-License-Identifier: Apache-2.0
//
// What statuses mean (FIELD 7): the default table, and the rows of an archive before it.
#include "errors_text.h"

#include "conf/configuration.h"

static struct configuration *parse(const char *statuses, const char *expected)
{
    char text[2048];
    struct configuration *made = NULL;
    struct conf_errors errors;
    (void)snprintf(text, sizeof text,
                   "gateway: { ae_title: GW, data: /d }\n"
                   "listeners: [ { name: a, address: \"127.0.0.1:104\", plain: yes } ]\n"
                   "nodes: { x: { id: 1, kind: archive, ae_title: X, address: \"x:104\", plain: yes,\n"
                   "  statuses: %s } }\n"
                   "phases: { one: { store: [ { to: [x] } ] } }\n"
                   "start_phase: one\n",
                   statuses);
    conf_errors_init(&errors);
    enum result result = configuration_parse("/etc/g.yaml", text, strlen(text), false, &made, &errors);
    assert_errors(&errors, expected);
    assert_int_equal(result, expected[0] != 0 ? ERR_FORMAT : OK);
    conf_errors_fini(&errors);
    return made;
}

static enum configuration_meaning means(const struct configuration *configuration, unsigned status,
                                        const char *comment)
{
    return configuration_status_find(&configuration->node[0], (uint16_t)status, slice_of_text(comment))
        ->means;
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        unsigned first, last;
        enum configuration_meaning means;
    } rows[] = {
        {0x0000, 0x0000, CONFIGURATION_MEANS_SUCCESS},   {0xB000, 0xB000, CONFIGURATION_MEANS_WARNING},
        {0xB006, 0xB007, CONFIGURATION_MEANS_WARNING},   {0x0001, 0x0001, CONFIGURATION_MEANS_WARNING},
        {0x0107, 0x0107, CONFIGURATION_MEANS_WARNING},   {0x0116, 0x0116, CONFIGURATION_MEANS_WARNING},
        {0x0111, 0x0111, CONFIGURATION_MEANS_DUPLICATE}, {0xA700, 0xA7FF, CONFIGURATION_MEANS_TRANSIENT},
        {0x0213, 0x0213, CONFIGURATION_MEANS_TRANSIENT}, {0x0110, 0x0110, CONFIGURATION_MEANS_HICCUP},
        {0xC000, 0xC000, CONFIGURATION_MEANS_HICCUP},    {0xA900, 0xA9FF, CONFIGURATION_MEANS_PERMANENT},
        {0x0122, 0x0122, CONFIGURATION_MEANS_PERMANENT}, {0x0124, 0x0124, CONFIGURATION_MEANS_PERMANENT},
        {0x0117, 0x0117, CONFIGURATION_MEANS_PERMANENT}, {0x0211, 0x0212, CONFIGURATION_MEANS_PERMANENT},
        {0xFF00, 0xFF01, CONFIGURATION_MEANS_HICCUP},    {0xFE00, 0xFE00, CONFIGURATION_MEANS_HICCUP},
        {0x7777, 0x7777, CONFIGURATION_MEANS_HICCUP},    {0xC001, 0xCFFF, CONFIGURATION_MEANS_PERMANENT},
    };
    struct configuration *configuration = parse("[]", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (unsigned status = rows[i].first; status <= rows[i].last; status++)
            assert_int_equal(means(configuration, status, "whatever"), rows[i].means);
    configuration_free(configuration);
}

// Whatever an archive answers, only success and warning end the delivery as answered.
static void test_nothing_else_is_success(void **state)
{
    (void)state;
    struct configuration *configuration = parse("[]", "");
    for (unsigned status = 0; status <= 0xFFFF; status++) {
        enum configuration_meaning got = means(configuration, status, "");
        if (got == CONFIGURATION_MEANS_SUCCESS)
            assert_int_equal(status, 0);
        else if (got == CONFIGURATION_MEANS_WARNING)
            assert_true(status == 0x0001 || status == 0x0107 || status == 0x0116 || status >> 12 == 0xB);
    }
    configuration_free(configuration);
}

static void test_rows_of_an_archive(void **state)
{
    (void)state;
    struct configuration *configuration =
        parse("[ { status: C000, comment: deadlock, means: transient },\n"
              "    { status: A770-A779, means: permanent }, { status: c00x, means: permanent },\n"
              "    { status: \"0111\", means: success }, { status: b1xx, means: hiccup } ]",
              "");
    assert_int_equal(means(configuration, 0xC000, "SQL: DeadLock found"), CONFIGURATION_MEANS_TRANSIENT);
    assert_int_equal(means(configuration, 0xC000, "dead lock"), CONFIGURATION_MEANS_PERMANENT);
    assert_int_equal(means(configuration, 0xC000, ""), CONFIGURATION_MEANS_PERMANENT);
    assert_int_equal(means(configuration, 0xC00F, "deadlock"), CONFIGURATION_MEANS_PERMANENT);
    assert_int_equal(means(configuration, 0xC010, ""), CONFIGURATION_MEANS_PERMANENT); // the default table
    assert_int_equal(means(configuration, 0xA76F, ""), CONFIGURATION_MEANS_TRANSIENT);
    assert_int_equal(means(configuration, 0xA770, ""), CONFIGURATION_MEANS_PERMANENT);
    assert_int_equal(means(configuration, 0xA779, ""), CONFIGURATION_MEANS_PERMANENT);
    assert_int_equal(means(configuration, 0xA77A, ""), CONFIGURATION_MEANS_TRANSIENT);
    assert_int_equal(means(configuration, 0x0111, ""), CONFIGURATION_MEANS_SUCCESS);
    assert_int_equal(means(configuration, 0xB1FF, ""), CONFIGURATION_MEANS_HICCUP);
    assert_int_equal(means(configuration, 0xB200, ""), CONFIGURATION_MEANS_WARNING);
    assert_int_equal(configuration_status_find(&configuration->node[0], 0xA770, slice_of_text(""))->line, 5);
    assert_int_equal(configuration_status_find(&configuration->node[0], 0xA700, slice_of_text(""))->line, 0);
    configuration_free(configuration);
}

static void test_errors(void **state)
{
    (void)state;
    static const char *const wrong[] = {"A7x0", "G000", "A779-A770", "A7-A8", "xA70"};
    char text[256];
    char expected[256];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        (void)snprintf(text, sizeof text, "[ { status: %s, means: success } ]", wrong[i]);
        (void)snprintf(expected, sizeof expected,
                       "/etc/g.yaml:4:25: nodes.x.statuses[1].status: \"%s\" is no status; allowed: a status "
                       "such as A700, a range A770-A779, or A7xx\n",
                       wrong[i]);
        assert_null(parse(text, expected));
    }
    assert_null(parse("[ { status: A700, means: perhaps } ]",
                      "/etc/g.yaml:4:38: nodes.x.statuses[1].means: \"perhaps\" is not known here; allowed: "
                      "success, warning, duplicate, transient, hiccup, permanent\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_nothing_else_is_success),
        cmocka_unit_test(test_rows_of_an_archive),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
