// SPDX-License-Identifier: Apache-2.0
//
// The digests of docs/digests.md against the independent Python program: the golden vectors, in every split,
// and, where the shared corpus lies beside the source tree, all of its files. What the scanner says of the
// malformed ones is typed by hand in tests/data/digests/malformed.tsv.
#include "base/text.h"
#include "dcm/file.h"
#include "dcm_digest_line.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VECTORS     102 // 51 files, two algorithms
#define CORPUS_FINE 106
#define MALFORMED   25

// Reads a line without its end; false at the end of the file.
static bool line_read(FILE *file, char line[DIGEST_LINE_SIZE])
{
    if (fgets(line, DIGEST_LINE_SIZE, file) == NULL)
        return false;
    line[strcspn(line, "\n")] = 0;
    return true;
}

// Copies the field with this number, from 0.
static void field_copy(const char *line, unsigned number, char *to, size_t capacity)
{
    for (; number > 0; number--)
        line += strcspn(line, "\t") + 1;
    (void)text_copy(to, capacity, slice_of(line, strcspn(line, "\t")));
}

static void file_read(const char *folder, const char *name, struct slice *bytes)
{
    char path[1024];
    assert_true(text_format(path, sizeof path, "%s/%s", folder, name));
    if (!digest_file_read(path, bytes))
        fail_msg("cannot read %s", path);
}

static void assert_line(const char *expected, const char *folder, size_t piece)
{
    char name[512];
    char algorithm[16];
    char line[DIGEST_LINE_SIZE];
    struct slice bytes;
    field_copy(expected, 0, name, sizeof name);
    field_copy(expected, 1, algorithm, sizeof algorithm);
    file_read(folder, name, &bytes);
    enum dcm_digest_algorithm number =
        strcmp(algorithm, "sha256") == 0 ? DCM_DIGEST_SHA256 : DCM_DIGEST_SHA512_256;
    assert_true(digest_line_make(name, bytes, number, piece, line));
    assert_string_equal(line, expected);
    free((void *)(uintptr_t)bytes.data);
}

static void test_golden_vectors(void **state)
{
    (void)state;
    static const size_t pieces[] = {0, 1, 2, 3, 5, 7, 12, 64, 511};
    char expected[DIGEST_LINE_SIZE];
    unsigned count = 0;
    FILE *file = fopen(DG_TEST_DATA "/digests/vectors.tsv", "r");
    assert_non_null(file);
    while (line_read(file, expected)) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
            assert_line(expected, DG_TEST_DATA "/digests", pieces[i]);
        count++;
    }
    fclose(file);
    assert_int_equal(count, VECTORS);
}

// tests/support/dgtest/corpus.py looks there too.
static const char *corpus_folder(void)
{
    const char *named = getenv("DG_CORPUS");
    return named != NULL ? named : DEFAULT_CORPUS;
}

static FILE *corpus_manifest(void)
{
    char path[1024];
    assert_true(text_format(path, sizeof path, "%s/MANIFEST.tsv", corpus_folder()));
    return fopen(path, "r");
}

static bool has_corpus(void)
{
    FILE *manifest = corpus_manifest();
    if (manifest == NULL)
        print_message("no corpus at %s\n", corpus_folder());
    else
        fclose(manifest);
    return manifest != NULL;
}

// The names in the MANIFEST whose first folder is, or is not, "malformed".
static unsigned corpus_names(bool malformed, FILE *to)
{
    char line[DIGEST_LINE_SIZE];
    unsigned count = 0;
    FILE *manifest = corpus_manifest();
    assert_non_null(manifest);
    assert_true(line_read(manifest, line)); // column names
    while (line_read(manifest, line)) {
        char name[512];
        field_copy(line, 0, name, sizeof name);
        if ((strncmp(name, "malformed/", 10) == 0) != malformed)
            continue;
        fprintf(to, "%s%c", name, 0);
        count++;
    }
    fclose(manifest);
    return count;
}

// One run of the Python program over all names; each of its lines is then made again by the C scanner.
static void test_corpus_against_python(void **state)
{
    (void)state;
    if (!has_corpus())
        skip();
    char names[] = "/tmp/dcm-corpus-XXXXXX";
    int handle = mkstemp(names);
    assert_true(handle >= 0);
    FILE *list = fdopen(handle, "w");
    assert_non_null(list);
    assert_int_equal(corpus_names(false, list), CORPUS_FINE);
    fclose(list);
    char command[2048];
    assert_true(text_format(command, sizeof command, "cd '%s' && xargs -0 /usr/bin/python3 -B '%s' < %s",
                            corpus_folder(), DIGEST_PROGRAM, names));
    FILE *lines = popen(command, "r");
    assert_non_null(lines);
    char expected[DIGEST_LINE_SIZE];
    unsigned count = 0;
    while (line_read(lines, expected)) {
        char outcome[32];
        field_copy(expected, 2, outcome, sizeof outcome);
        assert_string_equal(outcome, "fine");
        assert_line(expected, corpus_folder(), 0);
        assert_line(expected, corpus_folder(), 1021);
        count++;
    }
    assert_int_equal(pclose(lines), 0);
    unlink(names);
    assert_int_equal(count, 2 * CORPUS_FINE);
    print_message("%u corpus files equal the Python program's digests\n", count / 2);
}

static void comment_make(const struct dcm_file *file, char comment[DCM_COMMENT_SIZE])
{
    struct dcm_scanner *scanner;
    struct dcm_scan_report report;
    struct dcm_scan_options options = {.transfer_syntax = file->transfer_syntax,
                                       .algorithm = DCM_DIGEST_SHA256};
    assert_int_equal(dcm_scanner_new(&scanner), OK);
    assert_int_equal(dcm_scanner_begin(scanner, &options), OK);
    enum result fed = dcm_scanner_feed(scanner, file->data_set);
    enum result finished = dcm_scanner_finish(scanner, &report);
    assert_true(fed == OK || fed == finished);
    const struct dcm_scan_failure *failure = dcm_scanner_failure(scanner);
    (void)text_copy(comment, DCM_COMMENT_SIZE, slice_of_text("fine"));
    if (failure != NULL)
        dcm_scan_failure_text(failure, comment);
    assert_int_equal(finished, failure != NULL ? ERR_FORMAT : OK);
    dcm_scanner_free(scanner);
}

static void test_malformed_corpus(void **state)
{
    (void)state;
    if (!has_corpus())
        skip();
    char line[DIGEST_LINE_SIZE];
    unsigned count = 0;
    char folder[1024];
    assert_true(text_format(folder, sizeof folder, "%s/malformed", corpus_folder()));
    FILE *table = fopen(DG_TEST_DATA "/digests/malformed.tsv", "r");
    assert_non_null(table);
    assert_true(line_read(table, line)); // column names
    while (line_read(table, line)) {
        char name[256];
        char expected[DCM_COMMENT_SIZE];
        char comment[DCM_COMMENT_SIZE];
        struct slice bytes;
        struct dcm_file file;
        field_copy(line, 0, name, sizeof name);
        field_copy(line, 1, expected, sizeof expected);
        file_read(folder, name, &bytes);
        assert_int_equal(dcm_file_parse(bytes, &file), OK);
        comment_make(&file, comment);
        if (strcmp(comment, expected) != 0)
            fail_msg("%s: %s, expected %s", name, comment, expected);
        free((void *)(uintptr_t)bytes.data);
        count++;
    }
    fclose(table);
    assert_int_equal(count, MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_vectors),
        cmocka_unit_test(test_corpus_against_python),
        cmocka_unit_test(test_malformed_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
