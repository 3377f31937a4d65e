// SPDX-License-Identifier: Apache-2.0
//
// Whose patient ID it is, by what a data set says and by the client's default; and what stays of that beside
// an ID of the archive.
#include "edit_rig.h"

#include <stdio.h>

static struct writer data_set;
static struct writer expected;
static struct bench bench;

static void test_trusted_issuer_of_the_archive_is_never_asked_for(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    instance(&data_set, EXPLICIT_LITTLE, "17", "GROUP");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_untouched(&bench);
    bench.open.domain = slice_of_text("NEW");
    instance(&data_set, EXPLICIT_LITTLE, "17", NULL);
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_GOES);
    assert_untouched(&bench);
    assert_int_equal(asked.count, 0);
    bench_end(&bench);
}

static void test_trusted_issuer_before_the_client(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    bench.open.domain = slice_of_text("NEW");
    instance(&data_set, EXPLICIT_LITTLE, "17", "BAREISS");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_string_equal(asked.from, "BARE");
    bench.open.domain = slice_of_text("LEGACY");
    instance(&data_set, EXPLICIT_LITTLE, "17", "NOBODY");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_string_equal(asked.from, "LEGACY");
    assert_int_equal(asked.cancelled, 1);
    bench_end(&bench);
}

// One item for each word; "-" is an item without an entity, "A+B" one with two. A "!" in front: the sequence
// is written as UN of defined length.
static void qualifiers(struct writer *to, const char *entities)
{
    char word[64], *rest;
    size_t start = to->length;
    bool is_opaque = *entities == '!';
    entities += is_opaque;
    open_sequence(to, 0x00100024);
    for (int used; sscanf(entities, "%63s%n", word, &used) == 1; entities += used) {
        open_item(to);
        for (char *entity = strcmp(word, "-") == 0 ? NULL : strtok_r(word, "+", &rest); entity != NULL;
             entity = strtok_r(NULL, "+", &rest))
            put(to, 0x00400032, "UT", entity);
        put(to, 0x00400033, "CS", "ISO");
        shut(to);
    }
    shut(to);
    if (is_opaque)
        memcpy(to->bytes + start + 4, "UN", 2);
}

static void with_qualifiers(struct writer *to, const char *id, const char *issuer, const char *entities)
{
    writer_begin(to, EXPLICIT_LITTLE);
    put(to, 0x00100020, "LO", id);
    if (issuer != NULL)
        put(to, 0x00100021, "LO", issuer);
    if (entities != NULL)
        qualifiers(to, entities);
}

static void test_qualifiers(void **state)
{
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    with_qualifiers(&data_set, "17", NULL, "BAREISS");
    assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
    assert_string_equal(asked.from, "BARE");
    answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
    with_qualifiers(&expected, "G-17", "GROUP", NULL);
    equipment_sequence(&expected);
    originals_begin(&expected);
    put(&expected, 0x00100020, "LO", "17");
    put(&expected, 0x00100021, "LO", "");
    qualifiers(&expected, "BAREISS");
    originals_end(&expected, "COERCE");
    assert_leaves(&bench, &data_set, &expected);
    bench_end(&bench);
}

// FIELD 1, in this order: a trusted issuer, a trusted one among its qualifiers, the default. Not known: two
// domains in the qualifiers, or more items than are looked at, or they can not be looked into.
static void test_whose_it_is(void **state)
{
#define FOUR(word) word " " word " " word " " word " "
    static const struct {
        const char *issuer, *entities, *domain;
    } rows[] = {
        {"OLD", "GROUP", "LEGACY"},
        {"OLD", "BAREISS GROUP", "LEGACY"},
        {"NOBODY", "BAREISS", "BARE"},
        {"NOBODY", "1.2.3 - BAREISS", "BARE"},
        {"", "BAREISS BAREISS", "BARE"},
        {NULL, "1.2.3 4.5.6", "LEGACY"},
        {NULL, "GROUP BAREISS", NULL},
        {NULL, FOUR("-") FOUR("-") FOUR("-") "- - - BAREISS", "BARE"},
        {NULL, FOUR("-") FOUR("-") FOUR("-") "- - - - BAREISS", NULL},
        {"NOBODY", "1.2.3 GROUP", "NEW"},
        {NULL, "BAREISS+GROUP", NULL},
        {NULL, "!GROUP", NULL},
        {"NOBODY", "!BAREISS", NULL},
        {"OLD", "!GROUP", "LEGACY"},
        {"GROUP", "!BAREISS", "NEW"},
        {NULL, "!", "LEGACY"},
    };
    (void)state;
    bench_begin(&bench, DOMAIN ", unmatched: hold", NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        with_qualifiers(&data_set, "17", rows[i].issuer, rows[i].entities);
        enum edit_stage stage = bench_run(&bench, &data_set, 100);
        if (rows[i].domain == NULL) {
            assert_int_equal(stage, EDIT_HOLDS);
            assert_string_equal(reason(&bench), "the domain of the patient ID is not known");
        } else if (strcmp(rows[i].domain, "NEW") == 0) { // the archive's
            assert_int_equal(stage, EDIT_GOES);
            assert_untouched(&bench);
        } else {
            assert_int_equal(stage, EDIT_ASKS);
            assert_string_equal(asked.from, rows[i].domain);
        }
    }
    bench_end(&bench);
}

// Under the archive's ID nothing may stay that names another issuer, in whichever item.
static void test_qualifiers_that_stay(void **state)
{
    static const struct {
        const char *entities;
        bool stay;
    } rows[] = {{"GROUP", true},          {"GROUP GROUP", true},    {"GROUP+GROUP", true},
                {"GROUP 1.2.3", false},   {"GROUP -", false},       {"GROUP+GROUP -", false},
                {"- GROUP+GROUP", false}, {"GROUP+BAREISS", false}, {"GROUP+BAREISS GROUP", false},
                {"!GROUP", false},        {"!BAREISS", false},      {"", false}};
    (void)state;
    bench_begin(&bench, DOMAIN, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        with_qualifiers(&data_set, "17", "OLD", rows[i].entities);
        assert_int_equal(bench_run(&bench, &data_set, 100), EDIT_ASKS);
        answer(&bench, CROSSWALK_MAPPED, 0, "G-17");
        with_qualifiers(&expected, "G-17", "GROUP", rows[i].stay ? rows[i].entities : NULL);
        equipment_sequence(&expected);
        originals_begin(&expected);
        put(&expected, 0x00100020, "LO", "17");
        put(&expected, 0x00100021, "LO", "OLD");
        if (!rows[i].stay)
            qualifiers(&expected, rows[i].entities);
        originals_end(&expected, "COERCE");
        assert_leaves(&bench, &data_set, &expected);
    }
    bench_end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trusted_issuer_of_the_archive_is_never_asked_for),
        cmocka_unit_test(test_trusted_issuer_before_the_client),
        cmocka_unit_test(test_qualifiers),
        cmocka_unit_test(test_whose_it_is),
        cmocka_unit_test(test_qualifiers_that_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
