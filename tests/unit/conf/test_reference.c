// SPDX-License-Identifier: Apache-2.0
//
// The Markdown that one small pair of tables becomes, typed by hand.
#include "errors_text.h"

#include "base/units.h"
#include "conf/reference.h"

struct row {
    struct conf_entry entry;
    uint64_t size;
    bool flag;
};

struct root {
    struct conf_entry entry;
    struct row *rows;
    size_t row_count;
};

static const struct conf_option ROW[] = {
    {.key = "size",
     .type = CONF_SIZE,
     CONF_MEMBER(struct row, size),
     .least = 512,
     .most = 3 * MIB,
     .standard = "1MiB",
     .reload = CONF_RELOAD_LIVE,
     .help = "A | B."},
    {.key = "flag", .type = CONF_BOOL, .is_required = true, CONF_MEMBER(struct row, flag), .help = "Flag."},
    {.key = "soon", .type = CONF_BOOL, CONF_MEMBER(struct row, flag), .refused = "later"},
};
static const struct conf_table ROW_TABLE = CONF_ROWS(ROW, struct row, "A row.");
static const struct conf_option ROOT[] = {
    {.key = "rows",
     .type = CONF_MAP,
     CONF_ARRAY(struct root, rows, row_count),
     .least = 0,
     .most = 9,
     .table = &ROW_TABLE,
     .unset = "nothing at all",
     .reload = CONF_RELOAD_NEW,
     .help = "Rows."},
};
static const struct conf_table ROOT_TABLE = CONF_ROWS(ROOT, struct root, "All.");

static const char EXPECTED[] = "\n## The whole file\n\nAll.\n\n"
                               "| option | allowed | default | change | meaning |\n|---|---|---|---|---|\n"
                               "| `rows` | a mapping of names to mappings | nothing at all | new | Rows. |\n"
                               "\n## rows.NAME\n\nA row.\n\n"
                               "| option | allowed | default | change | meaning |\n|---|---|---|---|---|\n"
                               "| `size` | 512B to 3MiB (B, KiB, MiB, GiB, TiB) | `1MiB` | new | A \\| B. |\n"
                               "| `flag` | yes, no | **required** | restart | Flag. |\n";

static void test_reference(void **state)
{
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    (void)state;
    assert_non_null(stream);
    conf_reference_write(stream, &ROOT_TABLE);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, EXPECTED);
    free(text);
}

static void test_units(void **state)
{
    char text[32];
    (void)state;
    conf_duration_text(90 * NSEC_PER_SEC, text, sizeof text);
    assert_string_equal(text, "90s");
    conf_duration_text(0, text, sizeof text);
    assert_string_equal(text, "0ms");
    conf_duration_text(48 * 3600 * NSEC_PER_SEC, text, sizeof text);
    assert_string_equal(text, "2d");
    conf_size_text(0, text, sizeof text);
    assert_string_equal(text, "0B");
    conf_size_text(1536, text, sizeof text);
    assert_string_equal(text, "1536B");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reference), cmocka_unit_test(test_units)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
