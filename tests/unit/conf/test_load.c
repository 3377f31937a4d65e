// SPDX-License-Identifier: Apache-2.0
//
// Every type of option: what it accepts, what it becomes, and the exact words for everything it refuses.
#include "errors_text.h"

#include <netinet/in.h>

#include "base/units.h"
#include "conf/load.h"

struct inner {
    struct conf_entry entry;
    uint32_t size;
    char *must;
};

struct everything {
    struct conf_entry entry;
    char *text;
    char *title;
    char *path;
    bool flag;
    uint16_t narrow;
    uint64_t wide;
    uint32_t workers;
    uint64_t size;
    uint64_t wait;
    struct conf_address address;
    struct conf_address numeric;
    uint32_t color;
    uint32_t bits;
    struct conf_texts texts;
    struct conf_texts titles;
    struct conf_texts paths;
    struct conf_networks from;
    struct conf_pairs pairs;
    struct inner table;
    struct inner *list;
    size_t list_count;
    struct inner *map;
    size_t map_count;
};

static const struct conf_choice COLORS[] = {
    {.name = "red", .value = 1},
    {.name = "green", .value = 2},
    {.name = "blue", .value = 4, .refused = "is not supported by this version"},
    {.name = NULL},
};
static const struct conf_choice AUTO[] = {{.name = "auto", .value = 0}, {.name = NULL}};

static const struct conf_option INNER[] = {
    {.key = "size",
     .type = CONF_SIZE,
     CONF_MEMBER(struct inner, size),
     .least = 4 * KIB,
     .most = MIB,
     .standard = "128KiB"},
    {.key = "must",
     .type = CONF_TEXT,
     .is_required = true,
     CONF_MEMBER(struct inner, must),
     .least = 1,
     .most = 5},
};
static const struct conf_table INNER_TABLE = CONF_ROWS(INNER, struct inner, "Inner.");

static const struct conf_option EVERYTHING[] = {
    {.key = "text",
     .type = CONF_TEXT,
     CONF_MEMBER(struct everything, text),
     .least = 1,
     .most = 5,
     .standard = "abc"},
    {.key = "title", .type = CONF_TITLE, CONF_MEMBER(struct everything, title)},
    {.key = "path", .type = CONF_PATH, CONF_MEMBER(struct everything, path)},
    {.key = "flag", .type = CONF_BOOL, CONF_MEMBER(struct everything, flag), .standard = "yes"},
    {.key = "narrow",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct everything, narrow),
     .least = 1,
     .most = 65535},
    {.key = "wide", .type = CONF_INTEGER, CONF_MEMBER(struct everything, wide)},
    {.key = "workers",
     .type = CONF_INTEGER,
     CONF_MEMBER(struct everything, workers),
     .least = 1,
     .most = 64,
     .choices = AUTO,
     .standard = "auto"},
    {.key = "size",
     .type = CONF_SIZE,
     CONF_MEMBER(struct everything, size),
     .least = MIB,
     .most = 64 * GIB,
     .standard = "64MiB"},
    {.key = "wait",
     .type = CONF_DURATION,
     CONF_MEMBER(struct everything, wait),
     .least = 500 * NSEC_PER_MS,
     .most = 72 * 3600 * NSEC_PER_SEC,
     .standard = "30s"},
    {.key = "address", .type = CONF_ADDRESS, CONF_MEMBER(struct everything, address)},
    {.key = "numeric", .type = CONF_NUMERIC, CONF_MEMBER(struct everything, numeric)},
    {.key = "color",
     .type = CONF_ENUM,
     CONF_MEMBER(struct everything, color),
     .choices = COLORS,
     .standard = "green"},
    {.key = "bits",
     .type = CONF_FLAGS,
     CONF_MEMBER(struct everything, bits),
     .least = 1,
     .most = 3,
     .choices = COLORS,
     .standard = "red, green"},
    {.key = "texts", .type = CONF_TEXTS, CONF_MEMBER(struct everything, texts), .least = 1, .most = 2},
    {.key = "titles", .type = CONF_TITLES, CONF_MEMBER(struct everything, titles), .least = 1, .most = 3},
    {.key = "paths", .type = CONF_PATHS, CONF_MEMBER(struct everything, paths), .least = 1, .most = 2},
    {.key = "from", .type = CONF_NETWORKS, CONF_MEMBER(struct everything, from), .least = 1, .most = 4},
    {.key = "pairs", .type = CONF_TITLE_MAP, CONF_MEMBER(struct everything, pairs), .least = 1, .most = 4},
    {.key = "table", .type = CONF_TABLE, CONF_MEMBER(struct everything, table), .table = &INNER_TABLE},
    {.key = "list",
     .type = CONF_LIST,
     CONF_ARRAY(struct everything, list, list_count),
     .least = 1,
     .most = 2,
     .table = &INNER_TABLE},
    {.key = "map",
     .type = CONF_MAP,
     CONF_ARRAY(struct everything, map, map_count),
     .least = 1,
     .most = 2,
     .table = &INNER_TABLE},
    {.key = "later", .type = CONF_TEXT, CONF_MEMBER(struct everything, text), .refused = "comes later"},
};
static const struct conf_table TABLE = CONF_ROWS(EVERYTHING, struct everything, "Everything.");

static struct {
    struct conf_arena tree;
    struct conf_arena values;
    struct conf_errors errors;
    struct conf_document document;
    struct everything out;
} loaded;

static void load(const char *text)
{
    memset(&loaded, 0, sizeof loaded);
    loaded.document = (struct conf_document){
        .file = "t.yaml", .directory = "/etc/gate", .arena = &loaded.tree, .errors = &loaded.errors};
    assert_int_equal(conf_document_parse(&loaded.document, text, strlen(text)), OK);
    assert_int_equal(conf_load(&loaded.document, &TABLE, loaded.document.root, &loaded.values, &loaded.out),
                     OK);
    conf_errors_sort(&loaded.errors);
}

static void unload(void)
{
    conf_errors_fini(&loaded.errors);
    conf_arena_fini(&loaded.values);
    conf_arena_fini(&loaded.tree);
}

static void load_fine(const char *text)
{
    load(text);
    assert_errors(&loaded.errors, "");
}

static void expect(const char *text, const char *expected)
{
    load(text);
    assert_errors(&loaded.errors, expected);
    unload();
}

static void test_defaults(void **state)
{
    (void)state;
    load_fine("{}");
    assert_string_equal(loaded.out.text, "abc");
    assert_null(loaded.out.title);
    assert_true(loaded.out.flag);
    assert_int_equal(loaded.out.workers, 0);
    assert_int_equal(loaded.out.size, 64 * MIB);
    assert_int_equal(loaded.out.wait, 30 * NSEC_PER_SEC);
    assert_int_equal(loaded.out.color, 2);
    assert_int_equal(loaded.out.bits, 3);
    assert_int_equal(loaded.out.table.size, 128 * KIB);
    assert_null(loaded.out.table.entry.at);
    assert_int_equal(loaded.out.list_count, 0);
    unload();
}

static void test_single_values(void **state)
{
    (void)state;
    load_fine(
        "text: \"\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\"\ntitle: \" OLD PACS \"\npath: a/b\nflag: no\n"
        "narrow: 65535\nwide: 18446744073709551615\nworkers: 64\nsize: 1GiB\nwait: 10min\n"
        "address: pacs-1.example.org:104\nnumeric: \"[2001:db8::1]:11112\"\ncolor: red\nbits: [green]\n");
    assert_int_equal(strlen(loaded.out.text), 10);
    assert_string_equal(loaded.out.title, "OLD PACS");
    assert_string_equal(loaded.out.path, "/etc/gate/a/b");
    assert_false(loaded.out.flag);
    assert_int_equal(loaded.out.narrow, 65535);
    assert_true(loaded.out.wide == UINT64_MAX);
    assert_int_equal(loaded.out.workers, 64);
    assert_int_equal(loaded.out.size, GIB);
    assert_int_equal(loaded.out.wait, 600 * NSEC_PER_SEC);
    assert_string_equal(loaded.out.address.host, "pacs-1.example.org");
    assert_int_equal(loaded.out.address.port, 104);
    assert_int_equal(loaded.out.address.family, AF_UNSPEC);
    assert_string_equal(loaded.out.numeric.host, "2001:db8::1");
    assert_int_equal(loaded.out.numeric.family, AF_INET6);
    assert_int_equal(loaded.out.color, 1);
    assert_int_equal(loaded.out.bits, 2);
    unload();
}

static void test_booleans(void **state)
{
    (void)state;
    load_fine("flag: false");
    assert_false(loaded.out.flag);
    unload();
    load_fine("flag: yes");
    assert_true(loaded.out.flag);
    unload();
    load_fine("flag: true");
    assert_true(loaded.out.flag);
    unload();
}

static void test_every_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } SIZES[] = {{"1048576B", MIB}, {"1024KiB", MIB}, {"1MiB", MIB}, {"3GiB", 3 * GIB}};
    static const struct {
        const char *text;
        uint64_t ns;
    } WAITS[] = {{"500ms", 500 * NSEC_PER_MS},
                 {"1s", NSEC_PER_SEC},
                 {"2min", 120 * NSEC_PER_SEC},
                 {"72h", 72 * 3600 * NSEC_PER_SEC},
                 {"3d", 72 * 3600 * NSEC_PER_SEC}};
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        (void)snprintf(text, sizeof text, "size: %s", SIZES[i].text);
        load_fine(text);
        assert_int_equal(loaded.out.size, SIZES[i].bytes);
        unload();
    }
    for (size_t i = 0; i < sizeof WAITS / sizeof *WAITS; i++) {
        (void)snprintf(text, sizeof text, "wait: %s", WAITS[i].text);
        load_fine(text);
        assert_int_equal(loaded.out.wait, WAITS[i].ns);
        unload();
    }
}

static void test_lists(void **state)
{
    (void)state;
    load_fine("texts: [x, \"\xC3\xA4\"]\ntitles: [A, B]\npaths: one.pem\nfrom: [10.1.0.0/16, 127.0.0.1, "
              "\"2001:db8::/32\"]\n"
              "pairs: { CT1: CT9, MR1: \"MR 9\" }\nlist: [{ must: a }, { must: b, size: 4KiB }]\nmap: { x1: "
              "{ must: c } }\n");
    assert_int_equal(loaded.out.texts.count, 2);
    assert_string_equal(loaded.out.titles.item[1], "B");
    assert_int_equal(loaded.out.paths.count, 1);
    assert_string_equal(loaded.out.paths.item[0], "/etc/gate/one.pem");
    assert_int_equal(loaded.out.from.count, 3);
    assert_int_equal(loaded.out.from.item[0].prefix, 16);
    assert_int_equal(loaded.out.from.item[0].address[1], 1);
    assert_int_equal(loaded.out.from.item[1].prefix, 32);
    assert_int_equal(loaded.out.from.item[2].family, AF_INET6);
    assert_string_equal(loaded.out.pairs.item[1].to, "MR 9");
    assert_int_equal(loaded.out.list_count, 2);
    assert_int_equal(loaded.out.list[1].size, 4 * KIB);
    assert_int_equal(loaded.out.list[0].size, 128 * KIB);
    assert_null(loaded.out.list[0].entry.name);
    assert_string_equal(loaded.out.map[0].entry.name, "x1");
    unload();
    load_fine("paths: [/a.pem, b.pem]\n");
    assert_string_equal(loaded.out.paths.item[0], "/a.pem");
    assert_string_equal(loaded.out.paths.item[1], "/etc/gate/b.pem");
    unload();
}

#define TEXT_ALLOWED   "; allowed: a text of 1 to 5 characters\n"
#define NARROW_ALLOWED "; allowed: 1 to 65535\n"
#define SIZE_ALLOWED   "; allowed: 1MiB to 64GiB (B, KiB, MiB, GiB, TiB)\n"
#define WAIT_ALLOWED   "; allowed: 500ms to 3d (ms, s, min, h, d)\n"
#define TITLE_ALLOWED  "; allowed: an AE title: 1 to 16 characters, no backslash\n"

static void test_text_errors(void **state)
{
    (void)state;
    expect("text: \"\"", "t.yaml:1:7: text: \"\" is too short or too long" TEXT_ALLOWED);
    expect("text: abcdef", "t.yaml:1:7: text: \"abcdef\" is too short or too long" TEXT_ALLOWED);
    expect("text:", "t.yaml:1:6: text: has no value" TEXT_ALLOWED);
    expect("text: ~", "t.yaml:1:7: text: has no value" TEXT_ALLOWED);
    expect("text: null", "t.yaml:1:7: text: has no value" TEXT_ALLOWED);
    expect("text: [a]", "t.yaml:1:7: text: must be a single value" TEXT_ALLOWED);
    expect("text: { a: b }", "t.yaml:1:7: text: must be a single value" TEXT_ALLOWED);
    expect("title: ABCDEFGHIJKLMNOPQ",
           "t.yaml:1:8: title: \"ABCDEFGHIJKLMNOPQ\" is not an AE title" TITLE_ALLOWED);
    expect("title: 'A\\B'", "t.yaml:1:8: title: \"A\\B\" is not an AE title" TITLE_ALLOWED);
    expect("title: '   '", "t.yaml:1:8: title: \"   \" is not an AE title" TITLE_ALLOWED);
    expect("title: \xC3\x84", "t.yaml:1:8: title: \"\xC3\x84\" is not an AE title" TITLE_ALLOWED);
    expect("path: ''",
           "t.yaml:1:7: path: \"\" is not a path; allowed: a path, relative to the folder of this file\n");
    expect("flag: on", "t.yaml:1:7: flag: \"on\" is not yes or no; allowed: yes, no\n");
    expect("flag: YES", "t.yaml:1:7: flag: \"YES\" is not yes or no; allowed: yes, no\n");
}

static void test_number_errors(void **state)
{
    (void)state;
    expect("narrow: 0104", "t.yaml:1:9: narrow: \"0104\" is not a whole number" NARROW_ALLOWED);
    expect("narrow: 104x", "t.yaml:1:9: narrow: \"104x\" is not a whole number" NARROW_ALLOWED);
    expect("narrow: 0x10", "t.yaml:1:9: narrow: \"0x10\" is not a whole number" NARROW_ALLOWED);
    expect("narrow: -1", "t.yaml:1:9: narrow: \"-1\" is not a whole number" NARROW_ALLOWED);
    expect("narrow: +1", "t.yaml:1:9: narrow: \"+1\" is not a whole number" NARROW_ALLOWED);
    expect("narrow: 1.0", "t.yaml:1:9: narrow: \"1.0\" is not a whole number" NARROW_ALLOWED);
    expect("narrow: '1 '", "t.yaml:1:9: narrow: \"1 \" is not a whole number" NARROW_ALLOWED);
    expect("narrow: 0", "t.yaml:1:9: narrow: \"0\" is out of range" NARROW_ALLOWED);
    expect("narrow: 65536", "t.yaml:1:9: narrow: \"65536\" is out of range" NARROW_ALLOWED);
    expect("narrow: 99999999999999999999",
           "t.yaml:1:9: narrow: \"99999999999999999999\" is out of range" NARROW_ALLOWED);
    expect("workers: all", "t.yaml:1:10: workers: \"all\" is not a whole number; allowed: auto or 1 to 64\n");
    expect("size: 64", "t.yaml:1:7: size: \"64\" has no unit" SIZE_ALLOWED);
    expect("size: 64MB", "t.yaml:1:7: size: \"64MB\" is not a size" SIZE_ALLOWED);
    expect("size: 64 MiB", "t.yaml:1:7: size: \"64 MiB\" is not a size" SIZE_ALLOWED);
    expect("size: 064MiB", "t.yaml:1:7: size: \"064MiB\" is not a size" SIZE_ALLOWED);
    expect("size: 1.5GiB", "t.yaml:1:7: size: \"1.5GiB\" is not a size" SIZE_ALLOWED);
    expect("size: MiB", "t.yaml:1:7: size: \"MiB\" is not a size" SIZE_ALLOWED);
    expect("size: 512KiB", "t.yaml:1:7: size: \"512KiB\" is out of range" SIZE_ALLOWED);
    expect("size: 18446744073709551615TiB",
           "t.yaml:1:7: size: \"18446744073709551615TiB\" is out of range" SIZE_ALLOWED);
    expect("wait: 30", "t.yaml:1:7: wait: \"30\" has no unit" WAIT_ALLOWED);
    expect("wait: 30m", "t.yaml:1:7: wait: \"30m\" is not a duration" WAIT_ALLOWED);
    expect("wait: 1h30min", "t.yaml:1:7: wait: \"1h30min\" is not a duration" WAIT_ALLOWED);
    expect("wait: 100ms", "t.yaml:1:7: wait: \"100ms\" is out of range" WAIT_ALLOWED);
}

#define ADDRESS_ALLOWED "; allowed: HOST:PORT, \"[IPV6]:PORT\"; port 1 to 65535\n"
#define NUMERIC_ALLOWED "; allowed: IPV4:PORT, \"[IPV6]:PORT\"; port 1 to 65535\n"

static void test_address_errors(void **state)
{
    static const char *const WRONG[] = {
        "a:0",          "a:65536",   "a:0104", "a:104x",   "a:",           ":104",    "::1:104",  "[::1]x:1",
        "[10.0.0.1]:1", "1.2.3:104", "-a:104", "a..b:104", "10.0.0.256:1", "a b:104", "a-.b:104", "a.:104"};
    char text[64], expected[256];
    (void)state;
    expect("address: pacs", "t.yaml:1:10: address: \"pacs\" has no port" ADDRESS_ALLOWED);
    expect("address: \"[::1]\"", "t.yaml:1:10: address: \"[::1]\" has no port" ADDRESS_ALLOWED);
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        (void)snprintf(text, sizeof text, "address: \"%s\"", WRONG[i]);
        (void)snprintf(expected, sizeof expected,
                       "t.yaml:1:10: address: \"%s\" is not an address" ADDRESS_ALLOWED, WRONG[i]);
        expect(text, expected);
    }
    expect("numeric: localhost:104",
           "t.yaml:1:10: numeric: \"localhost:104\" is not an address" NUMERIC_ALLOWED);
}

static void test_choice_errors(void **state)
{
    (void)state;
    expect("color: pink", "t.yaml:1:8: color: \"pink\" is not known here; allowed: red, green\n");
    expect("color: blue",
           "t.yaml:1:8: color: \"blue\" is not supported by this version; allowed: red, green\n");
    expect("bits: red", "t.yaml:1:7: bits: must be a list; allowed: a list of: red, green\n");
    expect("bits: []", "t.yaml:1:7: bits: has 0 entries; allowed: 1 to 3 entries\n");
    expect("bits: [red, pink, red, blue, 4]", "t.yaml:1:7: bits: has 5 entries; allowed: 1 to 3 entries\n");
    expect("bits: [red, pink, red]",
           "t.yaml:1:13: bits[2]: \"pink\" is not known here; allowed: a list of: red, green\n"
           "t.yaml:1:19: bits[3]: \"red\" is given twice; allowed: once\n");
    expect(
        "bits: [blue]",
        "t.yaml:1:8: bits[1]: \"blue\" is not supported by this version; allowed: a list of: red, green\n");
    expect("later: x", "t.yaml:1:1: later: comes later\n");
}

static void test_list_errors(void **state)
{
    (void)state;
    expect("texts: x", "t.yaml:1:8: texts: must be a list; allowed: a list of texts\n");
    expect("texts: [x, x]", "t.yaml:1:12: texts[2]: \"x\" is given twice; allowed: once\n");
    expect("texts: [x, ]", "");
    expect("texts: ['', [y]]", "t.yaml:1:9: texts[1]: \"\" is empty; allowed: a list of texts\n"
                               "t.yaml:1:13: texts[2]: must be a single value; allowed: a list of texts\n");
    expect("titles: [A, ' A']", "t.yaml:1:13: titles[2]: \" A\" is given twice; allowed: once\n");
    expect("titles: ['\\']",
           "t.yaml:1:10: titles[1]: \"\\\" is not an AE title; allowed: a list of AE titles: 1 to 16 "
           "characters each, no backslash\n");
    expect("from: [10.1.2.3/16, 10.0.0.0/33, host, 10.0.0.0/08]",
           "t.yaml:1:8: from[1]: \"10.1.2.3/16\" has bits set below its prefix; allowed: 10.1.0.0/16\n"
           "t.yaml:1:21: from[2]: \"10.0.0.0/33\" is not an address or range; allowed: a list of addresses "
           "and ranges "
           "such as 10.1.0.0/16 or \"2001:db8::/32\"\n"
           "t.yaml:1:34: from[3]: \"host\" is not an address or range; allowed: a list of addresses and "
           "ranges such as "
           "10.1.0.0/16 or \"2001:db8::/32\"\n"
           "t.yaml:1:40: from[4]: \"10.0.0.0/08\" is not an address or range; allowed: a list of addresses "
           "and ranges "
           "such as 10.1.0.0/16 or \"2001:db8::/32\"\n");
    expect(
        "pairs: { 'A\\B': C, D: [E] }",
        "t.yaml:1:10: pairs.A\\B: the key is not an AE title; allowed: 1 to 16 characters, no backslash\n"
        "t.yaml:1:23: pairs.D: must be a single value; allowed: a mapping of AE titles to AE titles: 1 to 16 "
        "characters each, no backslash\n");
}

static void test_table_errors(void **state)
{
    (void)state;
    expect("table: 1", "t.yaml:1:8: table: must be a mapping; allowed: a mapping (`key: value`)\n");
    expect("table: { sizes: 1 }", "t.yaml:1:8: table.must: missing; allowed: a text of 1 to 5 characters\n"
                                  "t.yaml:1:10: table.sizes: unknown key; allowed: size, must\n");
    expect("list: { must: a }", "t.yaml:1:7: list: must be a list; allowed: a list of mappings\n");
    expect("list: [1, { must: a }]",
           "t.yaml:1:8: list[1]: must be a mapping; allowed: a mapping (`key: value`)\n");
    expect("list:\n  - must: a\n  - size: 4KiB\n",
           "t.yaml:3:5: list[2].must: missing; allowed: a text of 1 to 5 characters\n");
    expect("map: { \"x y\": { must: a } }", "t.yaml:1:8: map.x y: the name is not right; allowed: 1 to 32 "
                                            "letters, digits and _ . -, a letter or digit "
                                            "first\n");
    expect("map: { a: { must: a }, b: { must: a }, c: { must: a } }",
           "t.yaml:1:6: map: has 3 entries; allowed: 1 to 2 entries\n");
}

static void test_many_errors(void **state)
{
    char text[1024] = "", line[32];
    (void)state;
    for (int i = 0; i < 25; i++) {
        (void)snprintf(line, sizeof line, "k%02d: 1\n", i);
        (void)strncat(text, line, sizeof text - strlen(text) - 1);
    }
    load(text);
    assert_int_equal(loaded.errors.count, CONF_ERRORS_MAX);
    assert_int_equal(loaded.errors.dropped, 5);
    unload();
    expect("narrow: x\nflag: x\nsize: 1\n", "t.yaml:1:9: narrow: \"x\" is not a whole number" NARROW_ALLOWED
                                            "t.yaml:2:7: flag: \"x\" is not yes or no; allowed: yes, no\n"
                                            "t.yaml:3:7: size: \"1\" has no unit" SIZE_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_single_values), cmocka_unit_test(test_every_unit),
        cmocka_unit_test(test_lists),         cmocka_unit_test(test_text_errors),
        cmocka_unit_test(test_number_errors), cmocka_unit_test(test_address_errors),
        cmocka_unit_test(test_choice_errors), cmocka_unit_test(test_list_errors),
        cmocka_unit_test(test_table_errors),  cmocka_unit_test(test_many_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
