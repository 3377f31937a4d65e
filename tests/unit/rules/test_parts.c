// SPDX-License-Identifier: Apache-2.0
//
// The small parts of the rules engine: letters, CSV, tables, values of a VR, regular expressions.
// Expectations are from PS3.5 6.2, RFC 4180 and RFC 3629.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../conf/errors_text.h"
#include "base/utf8.h"
#include "csv.h"
#include "letters.h"
#include "regex.h"
#include "table.h"
#include "value.h"

static void expect_fold(const char *text, const char *expected)
{
    uint8_t bytes[256];
    struct writer writer = writer_of(bytes, sizeof bytes - 1);
    letters_fold(&writer, slice_of_text(text));
    assert_false(writer.failed);
    bytes[writer.length] = 0;
    assert_string_equal((char *)bytes, expected);
}

static void test_fold(void **state)
{
    (void)state;
    expect_fold("  GE   MEDICAL\tX ", "ge medical\tx");
    expect_fold("Müller", "muller");
    expect_fold("Mu\xCC\x88ller", "muller"); // u and a combining diaeresis
    expect_fold("ŁÓDŹ Ørsted Straße", "lodz orsted strasse");
    expect_fold("ΆΛΦΑ Σς", "αλφα σσ");
    expect_fold("ЖУРАВЛЁВ", "журавлев");
    expect_fold("ＧＥ", "ge"); // full width
    expect_fold("山田", "山田");
    expect_fold("", "");
    expect_fold(" \xC2\xA0 ", ""); // no-break space
    expect_fold("ที่", "ที่");         // marks that are vowels and tones stay
}

static void test_fold_refuses_other_bytes(void **state)
{
    uint8_t bytes[16];
    (void)state;
    static const char *const bad[] = {"\xC0\x80", "\xED\xA0\x80",     "\xFF",
                                      "\xE4",     "\xF5\x80\x80\x80", "a\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct writer writer = writer_of(bytes, sizeof bytes);
        letters_fold(&writer, slice_of_text(bad[i]));
        assert_true(writer.failed);
        assert_false(utf8_is_valid(slice_of_text(bad[i])));
    }
}

static void test_case(void **state)
{
    uint8_t bytes[64];
    struct writer writer = writer_of(bytes, sizeof bytes);
    (void)state;
    letters_upper(&writer, slice_of_text("müller ß жук"));
    assert_true(slice_is_text(writer_slice(&writer), "MÜLLER ß ЖУК"));
    writer = writer_of(bytes, sizeof bytes);
    letters_lower(&writer, slice_of_text("MÜLLER ΑΒ"));
    assert_true(slice_is_text(writer_slice(&writer), "müller αβ"));
    assert_int_equal(letters_count(slice_of_text("山田^ü")), 4);
    assert_int_equal(letters_bytes(slice_of_text("山田^ü"), 2), 6);
}

// ---- tables ----

static enum result table_of(const char *text, bool is_folded, struct conf_arena *arena,
                            struct conf_errors *errors, struct table *table)
{
    *table = (struct table){.name = "t", .file = "t.csv", .is_folded = is_folded};
    return table_parse(table, slice_of_text(text), "from", "to", arena, errors);
}

static void expect_table_refused(const char *text, const char *expected)
{
    struct conf_arena arena;
    struct conf_errors errors;
    struct table table;
    conf_arena_init(&arena);
    conf_errors_init(&errors);
    assert_int_equal(table_of(text, true, &arena, &errors, &table), ERR_FORMAT);
    conf_errors_sort(&errors);
    assert_errors(&errors, expected);
    conf_errors_fini(&errors);
    conf_arena_fini(&arena);
}

static void test_table(void **state)
{
    struct conf_arena arena;
    struct conf_errors errors;
    struct table table;
    (void)state;
    conf_arena_init(&arena);
    conf_errors_init(&errors);
    const char *text = "\xEF\xBB\xBF"
                       "note,from,to\r\n,\"a, b\",\"say \"\"x\"\"\"\n\nn, GE ,y\n\n";
    assert_int_equal(table_of(text, true, &arena, &errors, &table), OK);
    assert_int_equal(table.count, 2);
    assert_true(slice_is_text(table_find(&table, slice_of_text("a, b"))->to, "say \"x\""));
    assert_true(slice_is_text(table_find(&table, slice_of_text("ge"))->to, "y"));
    assert_int_equal(table_find(&table, slice_of_text("ge"))->line, 4);
    assert_null(table_find(&table, slice_of_text("GE")));
    assert_null(table_find(&table, slice_of_text("g")));
    conf_errors_fini(&errors);
    conf_arena_fini(&arena);
}

static void test_table_refused(void **state)
{
    (void)state;
    expect_table_refused(
        "", "t.csv:1:1: there is no column `from`; allowed: a first line that names the columns\n");
    expect_table_refused(
        "from,too\na,b\n",
        "t.csv:1:1: there is no column `to`; allowed: a first line that names the columns\n");
    expect_table_refused("from,to\n", "t.csv:1:1: no rows; allowed: at least one row below the first line\n");
    expect_table_refused("from,to\nx,\"a\n", "t.csv:2:5: the quotes are not closed in this line\n");
    expect_table_refused("from,to\nx,a\"b\n", "t.csv:2:4: a quote inside a field; allowed: a whole field in "
                                              "quotes, a quote in it doubled\n");
    expect_table_refused("from,to\nx,\"a\"b\n",
                         "t.csv:2:6: a quote inside a field; allowed: a whole field in "
                         "quotes, a quote in it doubled\n");
    expect_table_refused("from,to\nä,\xFF\n", "t.csv:2:3: not text; allowed: UTF-8\n");
    expect_table_refused("from,to\na,b\x01\n", "t.csv:2:4: control characters are not allowed\n");
    expect_table_refused("from,to\na\n", "t.csv:2:1: 1 columns, the first line has 2\n");
    expect_table_refused("from,to\na,b\n A ,c\n", "t.csv:3:1: given twice, first in line 2; allowed: once\n");
    expect_table_refused(
        "from,to\na,\n,c\n",
        "t.csv:2:3: empty; allowed: a value; `remove` takes an element away\nt.csv:3:1: empty\n");
}

static void test_table_of_100000_rows(void **state)
{
    struct conf_arena arena;
    struct conf_errors errors;
    struct table table;
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    (void)state;
    (void)fprintf(stream, "from,to\n");
    for (unsigned i = 0; i < RULES_TABLE_ROWS; i++)
        (void)fprintf(stream, "K%u,v%u\n", i * 7919 % RULES_TABLE_ROWS, i);
    assert_int_equal(fclose(stream), 0);
    conf_arena_init(&arena);
    conf_errors_init(&errors);
    assert_int_equal(table_of(text, false, &arena, &errors, &table), OK);
    assert_true(slice_is_text(table_find(&table, slice_of_text("K7919"))->to, "v1"));
    conf_errors_fini(&errors);
    conf_arena_fini(&arena);
    free(text);
}

// ---- values ----

static void assert_value(enum dcm_vr vr, const char *text, bool is_fine)
{
    const char *allowed = value_check(vr, slice_of_text(text));
    if ((allowed == NULL) != is_fine)
        fail_msg("%s \"%s\" should%s be allowed", dcm_vr_info(vr)->name, text, is_fine ? "" : " not");
}

static const struct {
    enum dcm_vr vr;
    const char *text;
    bool is_fine;
} value_cases[] = {
    {DCM_VR_DA, "20240229", true},
    {DCM_VR_DA, "20230229", false},
    {DCM_VR_DA, "2024.02.29", false},
    {DCM_VR_DA, "202402", false},
    {DCM_VR_DA, "19000229", false},
    {DCM_VR_DA, "20000229", true},
    {DCM_VR_TM, "10", true},
    {DCM_VR_TM, "1030", true},
    {DCM_VR_TM, "103059.123456", true},
    {DCM_VR_TM, "103060", true},
    {DCM_VR_TM, "103061", false},
    {DCM_VR_TM, "10:30", false},
    {DCM_VR_TM, "103059.", false},
    {DCM_VR_TM, "103059.1234567", false},
    {DCM_VR_TM, "24", false},
    {DCM_VR_TM, "1030.5", false},
    {DCM_VR_DT, "2024", true},
    {DCM_VR_DT, "20240229103059.5+0100", true},
    {DCM_VR_DT, "20240229+1500", false},
    {DCM_VR_DT, "20241301", false},
    {DCM_VR_CS, "ORIGINAL_1 A", true},
    {DCM_VR_CS, "original", false},
    {DCM_VR_CS, "ABCDEFGHIJKLMNOPQ", false},
    {DCM_VR_SH, "1234567890123456", true},
    {DCM_VR_SH, "12345678901234567", false},
    {DCM_VR_SH, "a\\b", false},
    {DCM_VR_SH, "山田山田山田山田山田山田山田山田", true},
    {DCM_VR_LT, "a\\b", true},
    {DCM_VR_UI, "1.2.0.3", true},
    {DCM_VR_UI, "1.02", false},
    {DCM_VR_UI, "1..2", false},
    {DCM_VR_UI, "1.2.", false},
    {DCM_VR_IS, "-2147483648", true},
    {DCM_VR_IS, "2147483648", false},
    {DCM_VR_IS, "1.0", false},
    {DCM_VR_DS, "-1.5e-3", true},
    {DCM_VR_DS, "1,5", false},
    {DCM_VR_AS, "045Y", true},
    {DCM_VR_AS, "45Y", false},
    {DCM_VR_PN, "A^B^C^D^E=F=G", true},
    {DCM_VR_PN, "A^B^C^D^E^F", false},
    {DCM_VR_PN, "A=B=C=D", false},
    {DCM_VR_US, "65535", true},
    {DCM_VR_US, "65536", false},
    {DCM_VR_US, "-1", false},
    {DCM_VR_US, "1.0", false},
    {DCM_VR_FD, "1e300", true},
    {DCM_VR_FD, "nan", false},
    {DCM_VR_OB, "1", false},
    {DCM_VR_SQ, "1", false},
    {DCM_VR_AE, "STORESCP", true},
    {DCM_VR_AE, "12345678901234567", false},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof value_cases / sizeof *value_cases; i++)
        assert_value(value_cases[i].vr, value_cases[i].text, value_cases[i].is_fine);
}

static void expect_truncated(enum dcm_vr vr, const char *text, const char *expected)
{
    uint8_t bytes[512];
    struct writer writer = writer_of(bytes, sizeof bytes - 1);
    value_truncate(&writer, vr, slice_of_text(text));
    assert_false(writer.failed);
    bytes[writer.length] = 0;
    assert_string_equal((char *)bytes, expected);
}

static void test_truncate(void **state)
{
    (void)state;
    expect_truncated(DCM_VR_SH, "12345678901234567", "1234567890123456");
    expect_truncated(DCM_VR_SH, "123456789012345 7", "123456789012345");
    expect_truncated(DCM_VR_SH, "äääääääääääääääää", "ääääääääääääääää");
    expect_truncated(DCM_VR_PN, "1234567890123456789012345678901234567890123456789012345678901234567=山=",
                     "1234567890123456789012345678901234567890123456789012345678901234=山=");
    expect_truncated(DCM_VR_UT, "as it is", "as it is");
}

static void expect_rewritten(enum dcm_vr vr, const char *format, const char *text, const char *expected)
{
    uint8_t bytes[32];
    struct writer writer = writer_of(bytes, sizeof bytes - 1);
    assert_true(value_format_is_known(vr, format));
    assert_int_equal(value_rewrite(vr, slice_of_text(text), format, &writer), expected != NULL);
    bytes[writer.length] = 0;
    assert_string_equal((char *)bytes, expected != NULL ? expected : "");
}

static void test_dates(void **state)
{
    uint32_t date = 0;
    (void)state;
    expect_rewritten(DCM_VR_DA, "MM/DD/YYYY", "12/31/1999", "19991231");
    expect_rewritten(DCM_VR_DA, "MM/DD/YYYY", "31/12/1999", NULL);
    expect_rewritten(DCM_VR_DA, "DD/MM/YYYY", "31/12/1999", "19991231");
    expect_rewritten(DCM_VR_DA, "YYYY.MM.DD", "1999.12.31", "19991231");
    expect_rewritten(DCM_VR_DA, "YYYY.MM.DD", "1999.12.311", NULL);
    expect_rewritten(DCM_VR_DA, "YYYY.MM.DD", "1999.2.3", NULL);
    expect_rewritten(DCM_VR_TM, "HH:MM:SS", "10:20:30", "102030");
    expect_rewritten(DCM_VR_TM, "HH:MM", "10:20", "1020");
    expect_rewritten(DCM_VR_TM, "HH:MM", "25:20", NULL);
    static const char *const bad[] = {"YY.MM.DD", "YYYY.MM", "MM/DD/YYYY/DD", "YYYYxMMxDD", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(value_format_is_known(DCM_VR_DA, bad[i]));
    assert_string_equal(value_format_find(DCM_VR_DA, slice_of_text("2020.01.02")), "YYYY.MM.DD");
    assert_string_equal(value_format_find(DCM_VR_DA, slice_of_text("13/01/2020")), "DD/MM/YYYY");
    assert_null(value_format_find(DCM_VR_DA, slice_of_text("***")));
    assert_true(value_date(slice_of_text("20200102"), &date) && date == 20200102);
    assert_true(value_date(slice_of_text("20200102103000"), &date) && date == 20200102);
    assert_false(value_date(slice_of_text("20200102x"), &date));
    assert_false(value_date(slice_of_text("2020"), &date));
}

// ---- regular expressions ----

static void test_regex(void **state)
{
    struct regex *regex;
    struct regex_scratch *scratch;
    char problem[REGEX_PROBLEM_BYTES];
    size_t offset = 0;
    bool is_found = false;
    uint8_t bytes[64];
    (void)state;
    assert_int_equal(regex_scratch_new(&scratch), OK);
    assert_int_equal(regex_compile("(a(b)", false, &regex, problem, &offset), ERR_FORMAT);
    assert_int_equal(offset, 5);
    assert_int_equal(regex_compile("^(?<n>\\d+)$", false, &regex, problem, &offset), OK);
    assert_int_equal(regex_find(regex, scratch, slice_of_text("12"), &is_found), OK);
    assert_true(is_found);
    assert_int_equal(regex_find(regex, scratch, slice_of(NULL, 0), &is_found), OK);
    assert_false(is_found);
    struct writer writer = writer_of(bytes, sizeof bytes);
    assert_int_equal(regex_replace(regex, scratch, slice_of_text("12"), "H-$1-${n}", &writer, &is_found), OK);
    assert_true(slice_is_text(writer_slice(&writer), "H-12-12"));
    writer = writer_of(bytes, 4);
    assert_int_equal(regex_replace(regex, scratch, slice_of_text("12"), "H-$1", &writer, &is_found),
                     ERR_SPACE);
    assert_int_equal(regex_replacement_check(regex, "$1 ${1} ${n} $n $$", problem), ERR_FORMAT);
    assert_int_equal(regex_replacement_check(regex, "$1 ${1} ${n} $$2", problem), OK);
    assert_int_equal(regex_replacement_check(regex, "$2", problem), ERR_FORMAT);
    assert_string_equal(problem, "the expression has no group 2");
    assert_int_equal(regex_replacement_check(regex, "cost $", problem), ERR_FORMAT);
    regex_free(regex);
    regex_scratch_free(scratch);
}

// No single start of a match is long here, but there are as many as letters: minutes without a bound on both.
static void test_regex_limit_of_long_texts(void **state)
{
    static uint8_t text[65536];
    struct regex *regex;
    struct regex_scratch *scratch;
    char problem[REGEX_PROBLEM_BYTES];
    size_t offset;
    bool is_found;
    (void)state;
    memset(text, 'a', sizeof text);
    assert_int_equal(regex_scratch_new(&scratch), OK);
    assert_int_equal(regex_compile("a.*[bc]", false, &regex, problem, &offset), OK);
    assert_int_equal(regex_find(regex, scratch, slice_of(text, sizeof text), &is_found), ERR_LIMIT);
    text[0] = 'b';
    assert_int_equal(regex_find(regex, scratch, slice_of(text, 64), &is_found), OK);
    assert_false(is_found);
    regex_free(regex);
    regex_scratch_free(scratch);
}

// Without a limit this takes longer than anybody waits.
static void test_regex_limit(void **state)
{
    struct regex *regex;
    struct regex_scratch *scratch;
    char problem[REGEX_PROBLEM_BYTES];
    size_t offset;
    bool is_found = true;
    (void)state;
    assert_int_equal(regex_scratch_new(&scratch), OK);
    assert_int_equal(regex_compile("^(a+)+$", false, &regex, problem, &offset), OK);
    assert_int_equal(
        regex_find(regex, scratch, slice_of_text("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), &is_found),
        ERR_LIMIT);
    regex_free(regex);
    regex_scratch_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),          cmocka_unit_test(test_fold_refuses_other_bytes),
        cmocka_unit_test(test_case),          cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_refused), cmocka_unit_test(test_table_of_100000_rows),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_dates),         cmocka_unit_test(test_regex),
        cmocka_unit_test(test_regex_limit),   cmocka_unit_test(test_regex_limit_of_long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
