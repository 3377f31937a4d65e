// SPDX-License-Identifier: Apache-2.0
//
// The tree of a YAML file: marks, bounds, and everything that is refused before any option is looked at.
#include "errors_text.h"

#include "conf/document.h"

struct parsed {
    struct conf_arena arena;
    struct conf_errors errors;
    struct conf_document document;
};

static enum result parse(struct parsed *parsed, const char *text, size_t length)
{
    conf_arena_init(&parsed->arena);
    conf_errors_init(&parsed->errors);
    parsed->document = (struct conf_document){
        .file = "t.yaml", .directory = "/", .arena = &parsed->arena, .errors = &parsed->errors};
    return conf_document_parse(&parsed->document, text, length);
}

static void done(struct parsed *parsed)
{
    conf_errors_fini(&parsed->errors);
    conf_arena_fini(&parsed->arena);
}

static void expect_refused(const char *text, const char *expected)
{
    struct parsed parsed;
    assert_int_equal(parse(&parsed, text, strlen(text)), ERR_FORMAT);
    assert_errors(&parsed.errors, expected);
    done(&parsed);
}

static void test_marks(void **state)
{
    struct parsed parsed;
    const char *text = "a: 1\nb:\n  - { c: \"x\" }\n  - d\n";
    (void)state;
    assert_int_equal(parse(&parsed, text, strlen(text)), OK);
    const struct conf_node *root = parsed.document.root;
    assert_int_equal(root->count, 2);
    const struct conf_node *a = conf_node_member(root, "a");
    assert_int_equal(a->mark.line, 1);
    assert_int_equal(a->mark.column, 4);
    assert_int_equal(a->key_mark.column, 1);
    assert_false(a->is_quoted);
    const struct conf_node *c = conf_node_member(conf_node_member(root, "b")->first, "c");
    assert_string_equal(c->text, "x");
    assert_true(c->is_quoted);
    assert_int_equal(c->mark.line, 3);
    assert_int_equal(c->mark.column, 10);
    const struct conf_node *d = conf_node_member(root, "b")->first->next;
    assert_int_equal(d->index, 2);
    assert_null(d->next);
    assert_null(conf_node_member(root, "z"));
    assert_null(conf_node_member(a, "z"));
    done(&parsed);
}

// Columns are characters, not bytes: "Ä" is two bytes of UTF-8.
static void test_columns_are_characters(void **state)
{
    struct parsed parsed;
    const char *text = "\"\xC3\x84\": x\n";
    (void)state;
    assert_int_equal(parse(&parsed, text, strlen(text)), OK);
    assert_int_equal(parsed.document.root->first->mark.column, 6);
    done(&parsed);
}

// Some editors begin a file with a byte-order mark.
static void test_byte_order_mark(void **state)
{
    struct parsed parsed;
    const char *text = "\xEF\xBB\xBF"
                       "a: x\n";
    (void)state;
    assert_int_equal(parse(&parsed, text, strlen(text)), OK);
    assert_string_equal(parsed.document.root->first->key, "a");
    done(&parsed);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused("a: &x 1\n", "t.yaml:1:4: a: anchors (&) are not allowed\n");
    expect_refused("a: &x { b: 1 }\n", "t.yaml:1:4: a: anchors (&) are not allowed\n");
    expect_refused("a: [&x 1, *x]\n", "t.yaml:1:5: a: anchors (&) are not allowed\n");
    expect_refused("a: *x\n", "t.yaml:1:4: a: aliases (*) are not allowed\n");
    expect_refused("a: !!str 1\n", "t.yaml:1:4: a: tags (!) are not allowed\n");
    expect_refused("a: !!map { }\n", "t.yaml:1:4: a: tags (!) are not allowed\n");
    expect_refused("a: 1\n---\nb: 2\n",
                   "t.yaml:2:1: a second document begins here; allowed: one document in a file\n");
    expect_refused("? [a]\n: 1\n", "t.yaml:1:3: a key can not be a list or mapping; allowed: a word\n");
    expect_refused("a: \"x\\ny\"\n", "t.yaml:1:4: a: control characters are not allowed\n");
    expect_refused("a: \"x\\0y\"\n", "t.yaml:1:4: a: control characters are not allowed\n");
    expect_refused("\"x\\ey\": 1\n", "t.yaml:1:1: control characters are not allowed\n");
    expect_refused("", "t.yaml:1:1: the file holds no options; allowed: a mapping (`key: value`)\n");
    expect_refused("- 1\n", "t.yaml:1:1: the file holds no options; allowed: a mapping (`key: value`)\n");
    expect_refused("just text\n",
                   "t.yaml:1:1: the file holds no options; allowed: a mapping (`key: value`)\n");
}

static void test_not_yaml(void **state)
{
    (void)state;
    expect_refused("a: [1, 2\n", "t.yaml:2:1: a: not right as YAML: did not find expected ',' or ']'\n");
    expect_refused("a: 1\n b: 2\n",
                   "t.yaml:2:3: not right as YAML: mapping values are not allowed in this context\n");
    expect_refused("a:\n\t- 1\n",
                   "t.yaml:2:1: a: not right as YAML: found character that cannot start any token\n");
    expect_refused("a: \xFF\n",
                   "t.yaml: not text at byte 3: invalid leading UTF-8 octet; allowed: UTF-8 text\n");
}

// The rest of the file is still read, so that later mistakes are reported too.
static void test_twice(void **state)
{
    struct parsed parsed;
    const char *text = "a: 1\nb: { c: 1, c: 2 }\na: 3\n";
    (void)state;
    assert_int_equal(parse(&parsed, text, strlen(text)), OK);
    assert_errors(&parsed.errors, "t.yaml:2:12: b.c: given twice, first in line 2; allowed: once\n"
                                  "t.yaml:3:1: a: given twice, first in line 1; allowed: once\n");
    assert_string_equal(conf_node_member(parsed.document.root, "a")->text, "1");
    done(&parsed);
}

static void test_bounds(void **state)
{
    struct parsed parsed;
    (void)state;
    expect_refused(
        "a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n",
        "t.yaml:1:19: a[1][1][1][1][1][1][1][1][1][1][1][1][1][1]: nested too deeply; allowed: 16 levels\n");

    char *text = malloc(CONF_FILE_BYTES + 1);
    assert_non_null(text);
    memset(text, '#', CONF_FILE_BYTES + 1);
    assert_int_equal(parse(&parsed, text, CONF_FILE_BYTES + 1), ERR_FORMAT);
    assert_errors(&parsed.errors, "t.yaml: the file is too large; allowed: 1MiB\n");
    done(&parsed);

    memset(text, 'x', CONF_FILE_BYTES);
    memcpy(text, "a: ", 3);
    assert_int_equal(parse(&parsed, text, CONF_SCALAR_BYTES + 3), OK);
    done(&parsed);
    assert_int_equal(parse(&parsed, text, CONF_SCALAR_BYTES + 4), ERR_FORMAT);
    assert_errors(&parsed.errors, "t.yaml:1:4: a: text too long; allowed: 4096 bytes\n");
    done(&parsed);

    text[3] = '[';
    for (size_t i = 0; i <= CONF_CHILDREN; i++)
        memcpy(text + 4 + 2 * i, "1,", 2);
    assert_int_equal(parse(&parsed, text, 4 + 2 * (size_t)(CONF_CHILDREN + 1)), ERR_FORMAT);
    assert_errors(&parsed.errors, "t.yaml:1:8197: a: too many entries; allowed: 4096\n");
    done(&parsed);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_columns_are_characters),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_yaml),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
