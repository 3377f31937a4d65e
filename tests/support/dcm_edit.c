// SPDX-License-Identifier: Apache-2.0
//
// dcm_edit [--seed N] IN OUT < EDITS: applies edits to the data set of a DICOM file by the survey, a plan and
// the splicer, all fed in pieces of odd sizes. Each line of EDITS: operation (set, replace, insert, remove),
// path, kind (text, bytes, empty), VR or "-", value in hexadecimal; separated by tabs. Writes OUT and
// OUT.undone (the undo plan applied to OUT), and prints what was done, separated by tabs:
//
//   data OFFSET                    where the data set begins in both files
//   places N...                    for each edit
//   change OFFSET OLD-LENGTH HEX   each change of the plan
//   read EDIT PATH VR HEX          each element that the path of an edit names: its value as UTF-8, if it has
//   one
//
// Exit status 3 and "problem REASON EDIT PATH" where there is no plan; 4 and "survey RESULT" where the data
// set can not be followed. A test tool, no part of the product.
#include "base/check.h"
#include "base/text.h"
#include "dcm/file.h"
#include "dcm/splice.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 262144
#define EDIT_MOST 1024

static uint32_t seed = 1;
static char line[LINE_SIZE];
static struct dcm_path paths[EDIT_MOST];
static struct dcm_edit edits[EDIT_MOST];
static size_t edit_count;

static size_t piece_size(void)
{
    seed = seed * UINT32_C(1103515245) + 12345;
    uint32_t draw = seed >> 16;
    return (draw & 3) == 0 ? 1 + draw / 4 % 3 : (draw & 3) == 1 ? 1 + draw / 4 % 100 : 1 + draw / 4 % 40000;
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "dcm_edit: %s\n", what);
    exit(2);
}

static struct slice file_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die(path);
    long length = ftell(file);
    uint8_t *bytes = malloc((size_t)length + 1);
    rewind(file);
    if (bytes == NULL || fread(bytes, 1, (size_t)length, file) != (size_t)length)
        die(path);
    fclose(file);
    return slice_of(bytes, (size_t)length);
}

static void print_hex(struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        printf("%02x", bytes.data[i]);
}

// ---- edits ----

static int word_find(const char *word, const char *const *words, int count)
{
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    die(word);
    return 0;
}

static char *field_next(char **rest)
{
    char *field = strsep(rest, "\t\n");
    if (field == NULL)
        die("a line is too short");
    return field;
}

static void edit_read(void)
{
    static const char *const operations[] = {"set", "replace", "insert", "remove"};
    static const char *const kinds[] = {"text", "bytes", "empty"};
    struct dcm_edit *edit = &edits[edit_count];
    char *rest = line;
    edit->operation = (enum dcm_edit_operation)word_find(field_next(&rest), operations, 4);
    char *path = field_next(&rest);
    if (dcm_path_parse(slice_of_text(path), &paths[edit_count], NULL) != OK)
        die(path);
    edit->path = &paths[edit_count];
    edit->kind = (enum dcm_edit_kind)word_find(field_next(&rest), kinds, 3);
    char *vr = field_next(&rest);
    if (vr[0] != '-')
        edit->vr = dcm_vr_from_letters((uint8_t)vr[0], (uint8_t)vr[1]);
    char *hex = field_next(&rest);
    size_t length = strlen(hex) / 2;
    uint8_t *value = malloc(length + 1);
    if (value == NULL || text_unhex(hex, value, length) != OK)
        die("a value is no hexadecimal number");
    edit->value = slice_of(value, length);
    edit_count++;
}

// ---- passes ----

static void survey_run(struct dcm_survey *survey, const struct dcm_interest *interest,
                       const struct dcm_file *file)
{
    enum result result = dcm_survey_begin(survey, interest, file->transfer_syntax, 0);
    struct slice left = file->data_set;
    while (result == OK && left.length > 0 && !dcm_survey_header_is_complete(survey)) {
        struct slice piece = slice_first(left, piece_size());
        result = dcm_survey_feed(survey, piece);
        left = slice_from(left, piece.length);
    }
    if (result == OK)
        result = dcm_survey_finish(survey);
    if (result == OK)
        return;
    char comment[DCM_COMMENT_SIZE] = "";
    if (dcm_survey_failure(survey) != NULL)
        dcm_scan_failure_text(dcm_survey_failure(survey), comment);
    printf("survey\t%s\t%s\n", result_text(result), comment);
    exit(4);
}

static void out_take(struct dcm_splice *splice, FILE *to)
{
    struct slice out;
    enum result result;
    while ((result = dcm_splice_next(splice, &out)) == OK)
        fwrite(out.data, 1, out.length, to);
    if (result < 0)
        die("the splicer failed");
}

static void splice_run(struct dcm_splice *splice, const struct dcm_plan *plan, struct slice transfer_syntax,
                       struct slice data_set, FILE *to)
{
    if (dcm_splice_begin(splice, plan, transfer_syntax, true) != OK)
        die("no splicer");
    while (data_set.length > 0) {
        struct slice piece = slice_first(data_set, piece_size());
        if (dcm_splice_put(splice, piece) != OK)
            die("the splicer failed");
        out_take(splice, to);
        data_set = slice_from(data_set, piece.length);
    }
    if (dcm_splice_finish(splice) != OK)
        die("the data set is shorter than its plan");
    out_take(splice, to);
    ensure(dcm_splice_is_past_changes(splice));
}

static void whole_run(struct dcm_splice *splice, const struct dcm_plan *plan, struct slice bytes,
                      const struct dcm_file *file, const char *path)
{
    FILE *to = fopen(path, "wb");
    if (to == NULL || fwrite(bytes.data, 1, file->data_set_offset, to) != file->data_set_offset)
        die(path);
    splice_run(splice, plan, file->transfer_syntax, file->data_set, to);
    if (fclose(to) != 0)
        die(path);
}

static void values_print(const struct dcm_survey *survey, struct dcm_text *text)
{
    for (size_t i = 0; i < edit_count; i++) {
        uint32_t cursor = 0;
        for (struct dcm_found found; dcm_survey_next(survey, i, &cursor, &found);) {
            char name[DCM_PATH_TEXT_SIZE];
            struct dcm_path path;
            struct dcm_level level;
            dcm_survey_path(survey, i, &found, &path);
            dcm_path_print(&path, name);
            dcm_survey_level(survey, found.level, &level);
            size_t length = 0;
            char *decoded = malloc(DCM_TEXT_DECODED_MOST(found.value.length));
            if (decoded == NULL)
                die("memory");
            bool is_text = dcm_vr_info(found.vr)->is_text &&
                           dcm_text_decode(text, &level.charset, found.vr, found.value, decoded,
                                           DCM_TEXT_DECODED_MOST(found.value.length), &length) == OK;
            printf("read\t%zu\t%s\t%s\t", i, name, dcm_vr_info(found.vr)->name);
            if (is_text)
                print_hex(slice_of(decoded, length));
            printf("\n");
            free(decoded);
        }
    }
}

static void plan_print(const struct dcm_plan *plan, const uint32_t *places, size_t data_set_offset)
{
    printf("data\t%zu\nplaces", data_set_offset);
    for (size_t i = 0; i < edit_count; i++)
        printf("\t%u", (unsigned)places[i]);
    printf("\n");
    for (size_t i = 0; i < dcm_plan_count(plan); i++) {
        struct dcm_change change = dcm_plan_change(plan, i);
        printf("change\t%llu\t%llu\t", (unsigned long long)change.offset,
               (unsigned long long)change.old_length);
        print_hex(change.new_bytes);
        printf("\n");
    }
}

// The plan goes through its bytes, as if it had been recorded.
static struct dcm_plan *plan_recorded(struct dcm_plan *plan)
{
    struct dcm_plan *copy;
    if (dcm_plan_parse(dcm_plan_bytes(plan), &copy) != OK ||
        !slice_is_equal(dcm_plan_bytes(plan), dcm_plan_bytes(copy)))
        die("a plan does not parse");
    dcm_plan_free(plan);
    return copy;
}

static void edit_file(const char *in, const char *out)
{
    struct slice bytes = file_read(in);
    struct dcm_file file;
    struct dcm_interest *interest;
    struct dcm_survey *survey;
    struct dcm_text *text;
    struct dcm_splice *splice;
    struct dcm_plan *plan;
    struct dcm_plan *undo;
    struct dcm_problem problem;
    uint32_t places[EDIT_MOST];
    char undone[4096];
    if (dcm_file_parse(bytes, &file) != OK || dcm_interest_new(paths, edit_count, &interest) != OK ||
        dcm_survey_new(&survey) != OK || dcm_text_new(&text) != OK || dcm_splice_new(&splice) != OK)
        die("no file or no memory");
    survey_run(survey, interest, &file);
    values_print(survey, text);
    if (dcm_plan_make(survey, text, edits, edit_count, &plan, places, &problem) != OK) {
        printf("problem\t%s\t%zu\t%s\n", dcm_problem_text(problem.reason), problem.edit, problem.path);
        exit(3);
    }
    plan = plan_recorded(plan);
    plan_print(plan, places, file.data_set_offset);
    whole_run(splice, plan, bytes, &file, out);
    if (dcm_splice_undo(splice, &undo) != OK)
        die("no undo");
    undo = plan_recorded(undo);
    struct slice edited = file_read(out);
    file.data_set = slice_from(edited, file.data_set_offset);
    (void)text_format(undone, sizeof undone, "%s.undone", out);
    whole_run(splice, undo, edited, &file, undone);
    // What came out must be a data set again.
    survey_run(survey, interest, &file);
    dcm_plan_free(plan);
    dcm_plan_free(undo);
    dcm_splice_free(splice);
    dcm_text_free(text);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
    free((void *)(uintptr_t)edited.data);
    free((void *)(uintptr_t)bytes.data);
}

int main(int argc, char **argv)
{
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        seed = (uint32_t)strtoul(argv[2], NULL, 10);
        at = 3;
    }
    if (argc - at != 2)
        die("usage: dcm_edit [--seed N] IN OUT < EDITS");
    while (edit_count < EDIT_MOST && fgets(line, sizeof line, stdin) != NULL)
        edit_read();
    edit_file(argv[at], argv[at + 1]);
    for (size_t i = 0; i < edit_count; i++)
        free((void *)(uintptr_t)edits[i].value.data);
    return 0;
}
