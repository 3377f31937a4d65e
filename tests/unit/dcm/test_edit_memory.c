// SPDX-License-Identifier: Apache-2.0
//
// Every allocation of a whole edit fails once: each step says ERR_NOMEM and gives nothing, and all is given
// back (the sanitizers see the rest).
#include "../failing_memory.h"
#include "dcm/splice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define DEFLATED "1.2.840.10008.1.2.1.99"
#define EXPLICIT "1.2.840.10008.1.2.1"

static const uint8_t plain[] = "\x10\x00\x20\x00LO\x02\x00"
                               "17"
                               "\x29\x00\x10\x00LO\x02\x00"
                               "A ";
// The same, in one stored block of RFC 1951.
static const uint8_t deflated[] = "\x01\x14\x00\xEB\xFF"
                                  "\x10\x00\x20\x00LO\x02\x00"
                                  "17"
                                  "\x29\x00\x10\x00LO\x02\x00"
                                  "A ";

static enum result spliced(struct dcm_splice *splice, const struct dcm_plan *plan, const char *syntax,
                           struct slice bytes)
{
    struct slice out;
    enum result result = dcm_splice_begin(splice, plan, slice_of_text(syntax), true);
    if (result == OK)
        result = dcm_splice_put(splice, bytes);
    while (result == OK)
        result = dcm_splice_next(splice, &out);
    if (result == AGAIN)
        result = dcm_splice_finish(splice);
    while (result == OK)
        result = dcm_splice_next(splice, &out);
    return result == CLOSED ? OK : result;
}

static enum result edited(const char *syntax, struct slice bytes)
{
    static const char *const names[] = {
        "PatientID", "(0029,\"B\",10)",
        "OriginalAttributesSequence[+].ModifiedAttributesSequence[0].PatientID"};
    struct dcm_path paths[3];
    struct dcm_edit edits[3];
    struct dcm_interest *interest = NULL;
    struct dcm_survey *survey = NULL;
    struct dcm_text *text = NULL;
    struct dcm_splice *splice = NULL;
    struct dcm_plan *plan = NULL;
    struct dcm_plan *undo = NULL;
    struct dcm_problem problem;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(dcm_path_parse(slice_of_text(names[i]), &paths[i], NULL), OK);
        edits[i] = (struct dcm_edit){.path = &paths[i], .vr = DCM_VR_LO, .value = slice_of_text("NEW")};
    }
    enum result result = dcm_interest_new(paths, 3, &interest);
    if (result == OK)
        result = dcm_survey_new(&survey);
    if (result == OK)
        result = dcm_text_new(&text);
    if (result == OK)
        result = dcm_splice_new(&splice);
    if (result == OK)
        result = dcm_survey_begin(survey, interest, slice_of_text(syntax), 0);
    if (result == OK)
        result = dcm_survey_feed(survey, bytes);
    if (result == OK)
        result = dcm_survey_finish(survey);
    if (result == OK)
        result = dcm_plan_make(survey, text, edits, 3, &plan, NULL, &problem);
    if (result == OK)
        result = spliced(splice, plan, syntax, bytes);
    if (result == OK)
        result = dcm_splice_undo(splice, &undo);
    assert_true((undo != NULL) == (result == OK));
    dcm_plan_free(undo);
    dcm_plan_free(plan);
    dcm_splice_free(splice);
    dcm_text_free(text);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
    return result;
}

static void every_allocation(const char *syntax, struct slice bytes)
{
    long count = 0;
    enum result result;
    do {
        failing = count++;
        result = edited(syntax, bytes);
        // libc says of its tables that they are missing.
        assert_true(result == OK || result == ERR_NOMEM || result == ERR_MISSING);
    } while (failing < 0);
    assert_int_equal(result, OK);
    assert_true(count > 10);
    failing = -1;
}

static void test_plain(void **state)
{
    (void)state;
    every_allocation(EXPLICIT, slice_of(plain, sizeof plain - 1));
}

static void test_deflated(void **state)
{
    (void)state;
    every_allocation(DEFLATED, slice_of(deflated, sizeof deflated - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_deflated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
