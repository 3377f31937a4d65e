// SPDX-License-Identifier: Apache-2.0
//
// Survey, plan and splicer over hand-written data sets. Each case gives the bytes before, the edits, and the
// bytes after as worked out by hand from PS3.5; every case runs in one piece and one byte at a time, and is
// undone.
//
// Data sets are texts: hexadecimal digits are bytes, what stands in quotes is itself, spaces are nothing.
#include "base/text.h"
#include "dcm/splice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define IMPLICIT    "1.2.840.10008.1.2"
#define EXPLICIT    "1.2.840.10008.1.2.1"
#define EXPLICIT_BE "1.2.840.10008.1.2.2"
#define SIZE_MOST   8192
#define EDIT_MOST   6

struct edit_row {
    enum dcm_edit_operation operation;
    const char *path;
    const char *value; // NULL: empty
    enum dcm_vr vr;
    bool is_bytes; // the value is a text as data sets are
};

struct data {
    uint8_t bytes[SIZE_MOST];
    size_t length;
};

static struct dcm_text *text;

static struct data data_of(const char *from)
{
    struct data data = {.length = 0};
    bool is_quoted = false;
    for (; *from != '\0'; from++) {
        if (*from == '\'') {
            is_quoted = !is_quoted;
        } else if (is_quoted) {
            data.bytes[data.length++] = (uint8_t)*from;
        } else if (*from != ' ') {
            char pair[3] = {from[0], from[1], '\0'};
            assert_int_equal(text_unhex(pair, data.bytes + data.length++, 1), OK);
            from++;
        }
    }
    return data;
}

static struct slice slice_of_data(const struct data *data)
{
    return slice_of(data->bytes, data->length);
}

static struct dcm_survey *surveyed(const struct dcm_interest *interest, const char *syntax,
                                   struct slice bytes, size_t piece, enum result expected)
{
    struct dcm_survey *survey;
    assert_int_equal(dcm_survey_new(&survey), OK);
    assert_int_equal(dcm_survey_begin(survey, interest, slice_of_text(syntax), 0), OK);
    enum result result = OK;
    while (result == OK && bytes.length > 0) {
        result = dcm_survey_feed(survey, slice_first(bytes, piece));
        bytes = slice_from(bytes, piece);
    }
    if (result == OK)
        result = dcm_survey_finish(survey);
    assert_int_equal(result, expected);
    return survey;
}

static void spliced(struct dcm_splice *splice, const struct dcm_plan *plan, const char *syntax,
                    struct slice bytes, size_t piece, struct data *to)
{
    struct slice out;
    to->length = 0;
    assert_int_equal(dcm_splice_begin(splice, plan, slice_of_text(syntax), true), OK);
    for (bool is_last = false; !is_last;) {
        struct slice part = slice_first(bytes, piece);
        bytes = slice_from(bytes, part.length);
        is_last = part.length == 0;
        if (is_last)
            assert_int_equal(dcm_splice_finish(splice), OK);
        else
            assert_int_equal(dcm_splice_put(splice, part), OK);
        enum result result;
        while ((result = dcm_splice_next(splice, &out)) == OK) {
            assert_true(out.length > 0 && to->length + out.length <= SIZE_MOST);
            memcpy(to->bytes + to->length, out.data, out.length);
            to->length += out.length;
        }
        assert_int_equal(result, is_last ? CLOSED : AGAIN);
    }
}

struct attempt {
    enum result result;
    struct dcm_plan *plan;
    struct dcm_problem problem;
    uint32_t places[EDIT_MOST];
};

static struct attempt planned(const char *syntax, struct slice bytes, size_t piece,
                              const struct edit_row *rows, size_t count)
{
    struct attempt attempt = {.plan = NULL};
    struct dcm_path paths[EDIT_MOST];
    struct dcm_edit edits[EDIT_MOST];
    struct data values[EDIT_MOST];
    struct dcm_interest *interest;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(dcm_path_parse(slice_of_text(rows[i].path), &paths[i], NULL), OK);
        edits[i] = (struct dcm_edit){.path = &paths[i], .operation = rows[i].operation, .vr = rows[i].vr};
        edits[i].kind = rows[i].value == NULL ? DCM_VALUE_EMPTY
                        : rows[i].is_bytes    ? DCM_VALUE_BYTES
                                              : DCM_VALUE_TEXT;
        if (rows[i].is_bytes)
            values[i] = data_of(rows[i].value);
        if (rows[i].value != NULL)
            edits[i].value = rows[i].is_bytes ? slice_of_data(&values[i]) : slice_of_text(rows[i].value);
    }
    assert_int_equal(dcm_interest_new(paths, count, &interest), OK);
    struct dcm_survey *survey = surveyed(interest, syntax, bytes, piece, OK);
    attempt.result =
        dcm_plan_make(survey, text, edits, count, &attempt.plan, attempt.places, &attempt.problem);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
    return attempt;
}

static void check_piece(const char *syntax, const struct data *before, const struct edit_row *rows,
                        size_t count, const struct data *after, size_t piece)
{
    struct dcm_splice *splice;
    struct dcm_plan *undo;
    struct data out;
    struct attempt attempt = planned(syntax, slice_of_data(before), piece, rows, count);
    assert_string_equal(dcm_problem_text(attempt.problem.reason), "fine");
    assert_int_equal(attempt.result, OK);
    assert_int_equal(dcm_splice_new(&splice), OK);
    spliced(splice, attempt.plan, syntax, slice_of_data(before), piece, &out);
    assert_int_equal(out.length, after->length);
    assert_memory_equal(out.bytes, after->bytes, after->length);
    assert_int_equal(dcm_splice_length(attempt.plan, before->length), after->length);
    assert_int_equal(dcm_splice_undo(splice, &undo), OK);
    spliced(splice, undo, syntax, slice_of_data(after), piece, &out);
    assert_int_equal(out.length, before->length);
    assert_memory_equal(out.bytes, before->bytes, before->length);
    dcm_plan_free(undo);
    dcm_plan_free(attempt.plan);
    dcm_splice_free(splice);
}

static void check(const char *syntax, const char *before, const struct edit_row *rows, size_t count,
                  const char *after)
{
    struct data old = data_of(before);
    struct data new = data_of(after);
    check_piece(syntax, &old, rows, count, &new, SIZE_MOST);
    check_piece(syntax, &old, rows, count, &new, 1);
}

#define CHECK(syntax, before, after, ...)                                                                    \
    do {                                                                                                     \
        static const struct edit_row rows[] = {__VA_ARGS__};                                                 \
        check(syntax, before, rows, sizeof rows / sizeof rows[0], after);                                    \
    } while (0)

static void check_problem(const char *syntax, const char *before, const struct edit_row *rows, size_t count,
                          enum dcm_problem_reason reason, const char *path)
{
    struct data old = data_of(before);
    struct attempt attempt = planned(syntax, slice_of_data(&old), SIZE_MOST, rows, count);
    assert_int_equal(attempt.result, ERR_ARGUMENT);
    assert_null(attempt.plan);
    assert_string_equal(dcm_problem_text(attempt.problem.reason), dcm_problem_text(reason));
    assert_string_equal(attempt.problem.path, path);
}

#define CHECK_PROBLEM(syntax, before, reason, path, ...)                                                     \
    do {                                                                                                     \
        static const struct edit_row rows[] = {__VA_ARGS__};                                                 \
        check_problem(syntax, before, rows, sizeof rows / sizeof rows[0], reason, path);                     \
    } while (0)

// ---- top level ----

#define NAME "1000 1000 'PN' 0400 'A^B '"
#define ID   "1000 2000 'LO' 0200 '17'"
#define SEX  "1000 4000 'CS' 0200 'F '"

static void test_values_change(void **state)
{
    (void)state;
    CHECK(EXPLICIT, NAME ID SEX, NAME "1000 2000 'LO' 0400 '234 '" SEX,
          {DCM_EDIT_SET, "PatientID", "234", DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, NAME "1000 2000 'LO' 0000" SEX,
          {DCM_EDIT_SET, "PatientID", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, NAME "1000 2000 'LO' 0200 'X '" SEX,
          {DCM_EDIT_REPLACE, "PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, NAME ID SEX, {DCM_EDIT_INSERT, "PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, NAME ID SEX, {DCM_EDIT_SET, "PatientID", "17", DCM_VR_NONE, false});
    CHECK(IMPLICIT, "1000 2000 02000000 '17'", "1000 2000 04000000 '234 '",
          {DCM_EDIT_SET, "PatientID", "234", DCM_VR_NONE, false});
    CHECK(EXPLICIT_BE, "0010 0020 'LO' 0002 '17'", "0010 0020 'LO' 0004 '234 '",
          {DCM_EDIT_SET, "PatientID", "234", DCM_VR_NONE, false});
    // An odd length beside it stays as it came; its own becomes even.
    CHECK(EXPLICIT, "1000 1000 'PN' 0300 'A^B'" ID,
          "1000 1000 'PN' 0300 'A^B'"
          "1000 2000 'LO' 0200 'X '",
          {DCM_EDIT_SET, "PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, "1000 1000 'PN' 0300 'A^B'" ID, "1000 1000 'PN' 0200 'C '" ID,
          {DCM_EDIT_SET, "PatientName", "C", DCM_VR_NONE, false});
    // The UID's padding is NUL.
    CHECK(EXPLICIT, "", "2000 5200 'UI' 0400 '1.2' 00",
          {DCM_EDIT_SET, "FrameOfReferenceUID", "1.2", DCM_VR_NONE, false});
}

static void test_first_and_last(void **state)
{
    (void)state;
    CHECK(EXPLICIT, "", "1000 2000 'LO' 0200 'X '", {DCM_EDIT_SET, "PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, "", "", {DCM_EDIT_REPLACE, "PatientID", "X", DCM_VR_NONE, false},
          {DCM_EDIT_REMOVE, "PatientName", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, ID SEX, {DCM_EDIT_REMOVE, "PatientName", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, NAME ID, {DCM_EDIT_REMOVE, "PatientSex", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT, NAME ID SEX, "", {DCM_EDIT_REMOVE, "PatientSex", NULL, DCM_VR_NONE, false},
          {DCM_EDIT_REMOVE, "PatientID", NULL, DCM_VR_NONE, false},
          {DCM_EDIT_REMOVE, "PatientName", NULL, DCM_VR_NONE, false});
    // Between two, at the same place, in tag order whatever the order of the edits.
    CHECK(EXPLICIT, NAME SEX,
          NAME "1000 2000 'LO' 0200 'X ' 1000 2100 'LO' 0200 'Y ' 1000 3000 'DA' 0000" SEX,
          {DCM_EDIT_SET, "PatientBirthDate", NULL, DCM_VR_NONE, false},
          {DCM_EDIT_SET, "IssuerOfPatientID", "Y", DCM_VR_NONE, false},
          {DCM_EDIT_INSERT, "PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, ID, "0800 5000 'SH' 0200 'A '" ID "2000 1000 'SH' 0200 'S '",
          {DCM_EDIT_SET, "StudyID", "S", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "AccessionNumber", "A", DCM_VR_NONE, false});
    // In front of Pixel Data, however it is encoded.
    CHECK(EXPLICIT, ID "E07F 1000 'OW' 0000 02000000 0102",
          ID "2000 1000 'SH' 0200 'S ' E07F 1000 'OW' 0000 02000000 0102",
          {DCM_EDIT_SET, "StudyID", "S", DCM_VR_NONE, false});
    CHECK(EXPLICIT, ID "E07F 1000 'OB' 0000 FFFFFFFF FEFF00E0 00000000 FEFFDDE0 00000000",
          ID "2000 1000 'SH' 0200 'S ' E07F 1000 'OB' 0000 FFFFFFFF FEFF00E0 00000000 FEFFDDE0 00000000",
          {DCM_EDIT_SET, "StudyID", "S", DCM_VR_NONE, false});
}

static void test_duplicates_and_disorder(void **state)
{
    (void)state;
    CHECK(EXPLICIT, ID ID SEX, "1000 2000 'LO' 0200 'X ' 1000 2000 'LO' 0200 'X '" SEX,
          {DCM_EDIT_SET, "PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, ID SEX ID, SEX, {DCM_EDIT_REMOVE, "PatientID", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT, SEX NAME, "1000 2000 'LO' 0200 'X '" SEX NAME,
          {DCM_EDIT_SET, "PatientID", "X", DCM_VR_NONE, false});
}

static void test_length_forms(void **state)
{
    (void)state;
    CHECK(EXPLICIT, "1000 0040 'LT' 0200 'C ' 4000 0041 'UT' 0000 02000000 'U '",
          "1000 0040 'LT' 0400 'CC ' 20 4000 0041 'UT' 0000 04000000 'UUU '",
          {DCM_EDIT_SET, "PatientComments", "CC  ", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "(0040,4100)", "UUU", DCM_VR_UT, false});
    // Unknown VR letters, and UN, keep their letters and their form.
    CHECK(EXPLICIT, "1000 2000 3F3F 0200 '17'", "1000 2000 3F3F 0400 '234 '",
          {DCM_EDIT_SET, "PatientID", "234", DCM_VR_NONE, false});
    CHECK(EXPLICIT, "1000 2000 'UN' 0000 02000000 '17'", "1000 2000 'UN' 0000 04000000 '234 '",
          {DCM_EDIT_SET, "PatientID", "234", DCM_VR_NONE, false});
    // Numbers, in the byte order of the place; in UN always little endian.
    CHECK(EXPLICIT_BE, "0028 0010 'US' 0002 0001", "0028 0010 'US' 0002 0203",
          {DCM_EDIT_SET, "Rows", "515", DCM_VR_NONE, false});
    CHECK(EXPLICIT_BE, "0028 0010 'UN' 0000 00000002 0100", "0028 0010 'UN' 0000 00000002 0302",
          {DCM_EDIT_SET, "Rows", "515", DCM_VR_NONE, false});
    CHECK(EXPLICIT, "",
          "1800 6060 'FL' 0400 0000C03F 2000 6090 'SL' 0800 FFFFFFFF 02000000 2800 0900 'AT' 0400 1000 2000",
          {DCM_EDIT_SET, "(0018,6060)", "1.5", DCM_VR_FL, false},
          {DCM_EDIT_SET, "(0020,9060)", "-1\\2", DCM_VR_SL, false},
          {DCM_EDIT_SET, "FrameIncrementPointer", "(0010,0020)", DCM_VR_NONE, false});
}

// ---- nested ----

#define DELIMITER "FEFF0DE0 00000000"
#define SEQ_END   "FEFFDDE0 00000000"

static void test_enclosing_lengths(void **state)
{
    (void)state;
    // Defined, two deep: item and sequence at each level.
    CHECK(EXPLICIT,
          "0800 1011 'SQ' 0000 32000000 FEFF00E0 2A000000 0800 4011 'SQ' 0000 1E000000 FEFF00E0 16000000"
          "0800 5000 'SH' 0200 'A ' 1000 2000 'LO' 0400 '1234'" ID,
          "0800 1011 'SQ' 0000 30000000 FEFF00E0 28000000 0800 4011 'SQ' 0000 1C000000 FEFF00E0 14000000"
          "0800 5000 'SH' 0200 'A ' 1000 2000 'LO' 0200 'Z '" ID,
          {DCM_EDIT_SET, "ReferencedStudySequence[0].ReferencedImageSequence[*].PatientID", "Z", DCM_VR_NONE,
           false});
    // Undefined outside, defined inside.
    CHECK(EXPLICIT,
          "0800 1011 'SQ' 0000 FFFFFFFF FEFF00E0 FFFFFFFF 0800 4011 'SQ' 0000 12000000 FEFF00E0 0A000000" ID
              DELIMITER SEQ_END ID,
          "0800 1011 'SQ' 0000 FFFFFFFF FEFF00E0 FFFFFFFF 0800 4011 'SQ' 0000 08000000 FEFF00E0 "
          "00000000" DELIMITER SEQ_END ID,
          {DCM_EDIT_REMOVE, "ReferencedStudySequence[0].ReferencedImageSequence[0].PatientID", NULL,
           DCM_VR_NONE, false});
    // At the end of an item, before its delimiter; and in an empty item.
    CHECK(IMPLICIT,
          "0800 1011 FFFFFFFF FEFF00E0 FFFFFFFF 0800 5000 02000000 'A '" DELIMITER
          "FEFF00E0 00000000" SEQ_END,
          "0800 1011 FFFFFFFF FEFF00E0 FFFFFFFF 0800 5000 02000000 'A ' 1000 2000 02000000 'Z '" DELIMITER
          "FEFF00E0 0A000000 1000 2000 02000000 'Z '" SEQ_END,
          {DCM_EDIT_SET, "ReferencedStudySequence[*].PatientID", "Z", DCM_VR_NONE, false});
    CHECK(EXPLICIT_BE, "0008 1110 'SQ' 0000 00000008 FFFEE000 00000000",
          "0008 1110 'SQ' 0000 00000012 FFFEE000 0000000A 0010 0020 'LO' 0002 'Z '",
          {DCM_EDIT_SET, "ReferencedStudySequence[0].PatientID", "Z", DCM_VR_NONE, false});
}

static void test_items(void **state)
{
    (void)state;
    CHECK(EXPLICIT, "0800 1011 'SQ' 0000 1A000000 FEFF00E0 0A000000" ID "FEFF00E0 00000000" ID,
          "0800 1011 'SQ' 0000 12000000 FEFF00E0 0A000000" ID ID,
          {DCM_EDIT_REMOVE, "ReferencedStudySequence[1]", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT,
          "0800 1011 'SQ' 0000 FFFFFFFF FEFF00E0 FFFFFFFF" ID DELIMITER "FEFF00E0 00000000" SEQ_END ID,
          "0800 1011 'SQ' 0000 FFFFFFFF" SEQ_END ID,
          {DCM_EDIT_REMOVE, "ReferencedStudySequence[*]", NULL, DCM_VR_NONE, false});
    // Removed, and emptied.
    CHECK(EXPLICIT, "0800 1011 'SQ' 0000 FFFFFFFF FEFF00E0 FFFFFFFF" ID DELIMITER SEQ_END ID, ID,
          {DCM_EDIT_REMOVE, "ReferencedStudySequence", NULL, DCM_VR_NONE, false});
    CHECK(EXPLICIT, "0800 1011 'SQ' 0000 FFFFFFFF FEFF00E0 FFFFFFFF" ID DELIMITER SEQ_END ID,
          "0800 1011 'SQ' 0000 00000000" ID,
          {DCM_EDIT_SET, "ReferencedStudySequence", NULL, DCM_VR_NONE, false});
    // Bytes of items, which replace those of undefined length.
    CHECK(EXPLICIT, "0800 1011 'SQ' 0000 FFFFFFFF" SEQ_END ID,
          "0800 1011 'SQ' 0000 12000000 FEFF00E0 0A000000" SEX ID,
          {DCM_EDIT_SET, "ReferencedStudySequence", "FEFF00E0 0A000000" SEX, DCM_VR_NONE, true});
}

static void test_what_is_made(void **state)
{
    (void)state;
    // A new sequence with two items' worth of nesting, all in one.
    CHECK(EXPLICIT, ID,
          ID
          "0004 6105 'SQ' 0000 3E000000 FEFF00E0 36000000"
          "0004 5005 'SQ' 0000 1E000000 FEFF00E0 16000000 1000 2000 'LO' 0200 '17' 1000 2100 'LO' 0400 'ISS '"
          "0004 6505 'CS' 0400 'COER'",
          {DCM_EDIT_SET, "OriginalAttributesSequence[+].ModifiedAttributesSequence[0].IssuerOfPatientID",
           "ISS", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "OriginalAttributesSequence[+].ModifiedAttributesSequence[0].PatientID", "3137",
           DCM_VR_NONE, true},
          {DCM_EDIT_SET, "OriginalAttributesSequence[+].ReasonForTheAttributeModification", "COER",
           DCM_VR_NONE, false});
    // Behind the items that are there; defined and undefined.
    CHECK(EXPLICIT,
          "1800 01A0 'SQ' 0000 08000000 FEFF00E0 00000000"
          "2000 1000 'SH' 0000",
          "1800 01A0 'SQ' 0000 1A000000 FEFF00E0 00000000 FEFF00E0 0A000000 0800 7000 'LO' 0200 'M ' 2000 "
          "1000 'SH' 0000",
          {DCM_EDIT_SET, "ContributingEquipmentSequence[+].Manufacturer", "M", DCM_VR_NONE, false});
    CHECK(IMPLICIT, "1800 01A0 FFFFFFFF" SEQ_END,
          "1800 01A0 FFFFFFFF FEFF00E0 0A000000 0800 7000 02000000 'M '" SEQ_END,
          {DCM_EDIT_SET, "ContributingEquipmentSequence[0].Manufacturer", "M", DCM_VR_NONE, false});
    // Two new items by number; one that would leave a gap is none.
    CHECK(EXPLICIT, "", "0800 1011 'SQ' 0000 24000000 FEFF00E0 0A000000" ID "FEFF00E0 0A000000" SEX,
          {DCM_EDIT_SET, "ReferencedStudySequence[1].PatientSex", "F", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "ReferencedStudySequence[0].PatientID", "17", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "ReferencedStudySequence[3].PatientID", "17", DCM_VR_NONE, false});
    CHECK(EXPLICIT, ID, ID, {DCM_EDIT_SET, "ReferencedStudySequence[*].PatientID", "X", DCM_VR_NONE, false},
          {DCM_EDIT_REPLACE, "ReferencedStudySequence[0].PatientID", "X", DCM_VR_NONE, false});
    // In an item that ends where its sequence ends, where the next element begins: each in its place.
    CHECK(EXPLICIT, "0800 1011 'SQ' 0000 12000000 FEFF00E0 0A000000" ID "1000 4000 'CS' 0000",
          "0800 1011 'SQ' 0000 2E000000 FEFF00E0 14000000" ID SEX "FEFF00E0 0A000000" ID
          "1000 1000 'PN' 0200 'N ' 1000 4000 'CS' 0000",
          {DCM_EDIT_SET, "PatientName", "N", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "ReferencedStudySequence[+].PatientID", "17", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "ReferencedStudySequence[0].PatientSex", "F", DCM_VR_NONE, false});
}

static void test_un_sequences(void **state)
{
    (void)state;
    // CP-246: implicit little endian inside, in big endian too.
    CHECK(EXPLICIT_BE, "0008 1110 'UN' 0000 FFFFFFFF FEFF00E0 0A000000 1000 2000 02000000 '17'" SEQ_END,
          "0008 1110 'UN' 0000 FFFFFFFF FEFF00E0 0C000000 1000 2000 04000000 '234 ' FEFF00E0 0A000000"
          "1000 2000 02000000 'X '" SEQ_END,
          {DCM_EDIT_SET, "ReferencedStudySequence[0].PatientID", "234", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "ReferencedStudySequence[+].PatientID", "X", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "0800 1011 'UN' 0000 08000000 FEFF00E0 00000000", DCM_PROBLEM_OPAQUE,
                  "ReferencedStudySequence[0].PatientID",
                  {DCM_EDIT_SET, "ReferencedStudySequence[0].PatientID", "234", DCM_VR_NONE, false});
}

// ---- private blocks ----

static void test_private_blocks(void **state)
{
    (void)state;
    // By creator, wherever the block is; the same number in another's block is left alone.
    CHECK(
        EXPLICIT,
        "2900 1000 'LO' 0200 'A ' 2900 1100 'LO' 0200 'B ' 2900 1010 'LO' 0200 '10' 2900 1011 'LO' 0200 '11'",
        "2900 1000 'LO' 0200 'A ' 2900 1100 'LO' 0200 'B ' 2900 1010 'LO' 0200 '10' 2900 1011 'LO' 0200 'X '",
        {DCM_EDIT_REPLACE, "(0029,\"B\",10)", "X", DCM_VR_NONE, false},
        {DCM_EDIT_REPLACE, "(0029,\"C\",10)", "X", DCM_VR_NONE, false});
    // In a block that is there.
    CHECK(
        EXPLICIT, "2900 1000 'LO' 0200 'A ' 2900 1110 'LO' 0200 '11' 2900 0011 'LO' 0200 '00'",
        "2900 1000 'LO' 0200 'A ' 2900 1010 'LO' 0200 'X ' 2900 1110 'LO' 0200 '11' 2900 0011 'LO' 0200 '00'",
        {DCM_EDIT_SET, "(0029,\"A\",10)", "X", DCM_VR_LO, false});
    // A block is reserved behind the last one, once for all its elements.
    CHECK(EXPLICIT, "2900 1000 'LO' 0200 'A ' 2900 1010 'LO' 0200 '10' 3200 1010 'PN' 0000",
          "2900 1000 'LO' 0200 'A ' 2900 1100 'LO' 0200 'B ' 2900 1010 'LO' 0200 '10'"
          "2900 1011 'LO' 0200 'X ' 2900 2011 'LO' 0200 'Y ' 3200 1010 'PN' 0000",
          {DCM_EDIT_SET, "(0029,\"B\",20)", "Y", DCM_VR_LO, false},
          {DCM_EDIT_SET, "(0029,\"B\",10)", "X", DCM_VR_LO, false});
    CHECK(IMPLICIT, "", "2900 1000 02000000 'B ' 2900 1010 02000000 'X '",
          {DCM_EDIT_SET, "(0029,\"B\",10)", "X", DCM_VR_LO, false});
    // In a new item too.
    CHECK(IMPLICIT, "",
          "0800 1011 1C000000 FEFF00E0 14000000 2900 1000 02000000 'B ' 2900 1010 02000000 'X '",
          {DCM_EDIT_SET, "ReferencedStudySequence[0].(0029,\"B\",10)", "X", DCM_VR_LO, false});
    // Elements whose creator was lost do not become another's.
    CHECK(EXPLICIT, "2900 1010 'LO' 0200 '10'",
          "2900 1100 'LO' 0200 'B ' 2900 1010 'LO' 0200 '10' 2900 1011 'LO' 0200 'X '",
          {DCM_EDIT_SET, "(0029,\"B\",10)", "X", DCM_VR_LO, false});
    CHECK_PROBLEM(EXPLICIT, "2900 00FF 'LO' 0200 '00'", DCM_PROBLEM_NO_BLOCK, "(0029,\"B\",10)",
                  {DCM_EDIT_SET, "(0029,\"B\",10)", "X", DCM_VR_LO, false});
    CHECK_PROBLEM(EXPLICIT, "", DCM_PROBLEM_NO_VR, "(0029,\"B\",10)",
                  {DCM_EDIT_SET, "(0029,\"B\",10)", "X", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "2900 FF00 'LO' 0200 'A '", DCM_PROBLEM_NO_BLOCK, "(0029,\"B\",10)",
                  {DCM_EDIT_SET, "(0029,\"B\",10)", "X", DCM_VR_LO, false});
}

// An edit without a place makes nothing, no reservation either, and takes no block from another.
static void test_block_without_place(void **state)
{
    (void)state;
    CHECK(EXPLICIT, ID, ID, {DCM_EDIT_SET, "(0029,\"B\",10)[1].PatientID", "X", DCM_VR_NONE, false});
    CHECK(EXPLICIT, ID, ID "2900 1000 'LO' 0200 'C ' 2900 1010 'LO' 0200 'Y '",
          {DCM_EDIT_SET, "(0029,\"B\",10)[1].PatientID", "X", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "(0029,\"C\",10)", "Y", DCM_VR_LO, false});
    CHECK(EXPLICIT, ID, ID "2900 1000 'LO' 0200 'B ' 2900 2010 'LO' 0200 'Y '",
          {DCM_EDIT_SET, "(0029,\"B\",10)[1].PatientID", "X", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "(0029,\"B\",20)", "Y", DCM_VR_LO, false});
    // Neither the item nor the block in it.
    CHECK(IMPLICIT, "", "",
          {DCM_EDIT_SET, "ReferencedStudySequence[0].(0029,\"B\",10)[1].PatientID", "X", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "ReferencedStudySequence[1].PatientID", "X", DCM_VR_NONE, false});
    // The items in front of it come by other edits.
    CHECK(IMPLICIT, "",
          "2900 1000 02000000 'B ' 2900 1010 24000000 FEFF00E0 0A000000 1000 2000 02000000 'X '"
          "FEFF00E0 0A000000 1000 2000 02000000 'Y '",
          {DCM_EDIT_SET, "(0029,\"B\",10)[1].PatientID", "Y", DCM_VR_NONE, false},
          {DCM_EDIT_SET, "(0029,\"B\",10)[0].PatientID", "X", DCM_VR_NONE, false});
}

// A block counts once, however often it is reserved: else each element behind walks through all of them.
static void test_block_reserved_often(void **state)
{
    (void)state;
    static uint8_t bytes[(DCM_SURVEY_FOUND + 2) * 10];
    struct dcm_path path;
    struct dcm_interest *interest;
    struct dcm_found found;
    for (size_t i = 0; i < sizeof bytes; i += 10)
        memcpy(bytes + i, i < sizeof bytes - 10 ? "\x29\0\x10\0LO\2\0A " : "\x29\0\x10\x10LO\2\0X ", 10);
    assert_int_equal(dcm_path_parse(slice_of_text("(0029,\"A\",10)"), &path, NULL), OK);
    assert_int_equal(dcm_interest_new(&path, 1, &interest), OK);
    struct dcm_survey *survey = surveyed(interest, EXPLICIT, slice_of(bytes, sizeof bytes), 1000, OK);
    assert_true(dcm_survey_first(survey, 0, &found));
    assert_int_equal(found.value_offset, sizeof bytes - 2);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
}

static void test_two_names_of_one_element(void **state)
{
    (void)state;
    struct dcm_path paths[2];
    struct dcm_interest *interest;
    struct data data = data_of("2900 1000 'LO' 0200 'A ' 2900 1010 'LO' 0200 '10'");
    assert_int_equal(dcm_path_parse(slice_of_text("(0029,1010)"), &paths[0], NULL), OK);
    assert_int_equal(dcm_path_parse(slice_of_text("(0029,\"A\",10)"), &paths[1], NULL), OK);
    assert_int_equal(dcm_interest_new(paths, 2, &interest), OK);
    dcm_survey_free(surveyed(interest, EXPLICIT, slice_of_data(&data), 1, ERR_EXISTS));
    dcm_interest_free(interest);
}

// ---- lengths that count ----

static void test_group_lengths(void **state)
{
    (void)state;
    CHECK(EXPLICIT,
          "0800 0000 'UL' 0400 0C000000 0800 0100 'UL' 0400 26000000 1000 0000 'UL' 0400 16000000" NAME ID,
          "0800 0000 'UL' 0400 0C000000 0800 0100 'UL' 0400 28000000 1000 0000 'UL' 0400 18000000" NAME
          "1000 2000 'LO' 0400 '234 '",
          {DCM_EDIT_SET, "PatientID", "234", DCM_VR_NONE, false});
    // In items, and of the group of the sequence around; one that was wrong stays as wrong.
    CHECK(IMPLICIT,
          "0800 0000 04000000 26000000 0800 1011 1E000000 FEFF00E0 16000000 1000 0000 04000000 0B000000 1000 "
          "2000 02000000 '17'",
          "0800 0000 04000000 28000000 0800 1011 20000000 FEFF00E0 18000000 1000 0000 04000000 0D000000 1000 "
          "2000 04000000 '234 '",
          {DCM_EDIT_SET, "ReferencedStudySequence[0].PatientID", "234", DCM_VR_NONE, false});
}

// ---- what is refused ----

static void test_problems(void **state)
{
    (void)state;
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_REFUSED, "StudyInstanceUID",
                  {DCM_EDIT_SET, "StudyInstanceUID", "1.2", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_REFUSED, "PixelData",
                  {DCM_EDIT_REMOVE, "PixelData", NULL, DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_BAD_VALUE, "PatientBirthDate",
                  {DCM_EDIT_SET, "PatientBirthDate", "20230229", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_BAD_VALUE, "PatientSex",
                  {DCM_EDIT_SET, "PatientSex", "male", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_TOO_LONG, "AccessionNumber",
                  {DCM_EDIT_SET, "AccessionNumber", "12345678901234567", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_CHARACTER, "PatientName",
                  {DCM_EDIT_SET, "PatientName", "M\xC3\xBCller", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, ID, DCM_PROBLEM_CONFLICT, "PatientID",
                  {DCM_EDIT_SET, "PatientID", "X", DCM_VR_NONE, false},
                  {DCM_EDIT_REMOVE, "PatientID", NULL, DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "", DCM_PROBLEM_CONFLICT, "PatientID",
                  {DCM_EDIT_SET, "PatientID", "X", DCM_VR_NONE, false},
                  {DCM_EDIT_INSERT, "PatientID", "Y", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "0800 1011 'SQ' 0000 12000000 FEFF00E0 0A000000" ID, DCM_PROBLEM_CONFLICT,
                  "ReferencedStudySequence[0].PatientID",
                  {DCM_EDIT_REMOVE, "ReferencedStudySequence", NULL, DCM_VR_NONE, false},
                  {DCM_EDIT_SET, "ReferencedStudySequence[*].PatientID", "X", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "0800 1011 'SQ' 0000 12000000 FEFF00E0 0A000000" ID, DCM_PROBLEM_CONFLICT,
                  "ReferencedStudySequence[+].PatientID",
                  {DCM_EDIT_SET, "ReferencedStudySequence", NULL, DCM_VR_NONE, false},
                  {DCM_EDIT_SET, "ReferencedStudySequence[+].PatientID", "X", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "", DCM_PROBLEM_NOT_A_VALUE, "ReferencedStudySequence",
                  {DCM_EDIT_SET, "ReferencedStudySequence", "X", DCM_VR_NONE, false});
    CHECK_PROBLEM(IMPLICIT, "", DCM_PROBLEM_NOT_A_VALUE, "ReferencedStudySequence",
                  {DCM_EDIT_SET, "ReferencedStudySequence", "0102", DCM_VR_LO, true});
    CHECK_PROBLEM(IMPLICIT, "", DCM_PROBLEM_NOT_A_VALUE, "PatientID",
                  {DCM_EDIT_SET, "PatientID", "", DCM_VR_SQ, true});
    CHECK_PROBLEM(EXPLICIT, "", DCM_PROBLEM_NOT_A_VALUE, "PatientID[0].PatientName",
                  {DCM_EDIT_SET, "PatientID[0].PatientName", "X", DCM_VR_NONE, false});
    CHECK_PROBLEM(EXPLICIT, "", DCM_PROBLEM_BAD_VALUE, "ReferencedStudySequence",
                  {DCM_EDIT_SET, "ReferencedStudySequence", "FEFF00E0 0A000000 10", DCM_VR_NONE, true});
    CHECK_PROBLEM(EXPLICIT, "", DCM_PROBLEM_BAD_VALUE, "Rows",
                  {DCM_EDIT_SET, "Rows", "65536", DCM_VR_NONE, false});
}

static void test_sixteen_bits(void **state)
{
    (void)state;
    static uint8_t long_value[70000];
    static uint8_t bytes[] = {0x10, 0, 0, 0x40, 'L', 'T', 2, 0, 'C', ' '};
    struct dcm_path path;
    struct dcm_interest *interest;
    struct dcm_plan *plan = NULL;
    struct dcm_problem problem;
    memset(long_value, 'x', sizeof long_value);
    assert_int_equal(dcm_path_parse(slice_of_text("PatientComments"), &path, NULL), OK);
    assert_int_equal(dcm_interest_new(&path, 1, &interest), OK);
    struct dcm_survey *survey = surveyed(interest, EXPLICIT, slice_of(bytes, sizeof bytes), 3, OK);
    struct dcm_edit edit = {.path = &path, .kind = DCM_VALUE_BYTES, .value = slice_of(long_value, 65535)};
    assert_int_equal(dcm_plan_make(survey, text, &edit, 1, &plan, NULL, &problem), ERR_ARGUMENT);
    assert_int_equal(problem.reason, DCM_PROBLEM_TOO_LONG);
    edit.value = slice_of(long_value, 65534);
    assert_int_equal(dcm_plan_make(survey, text, &edit, 1, &plan, NULL, &problem), OK);
    dcm_plan_free(plan);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
}

// ---- survey, plans, splicer by themselves ----

static void test_survey_tells(void **state)
{
    (void)state;
    static const char *const names[] = {"PatientID", "ReferencedStudySequence[*].PatientID",
                                        "ReferencedStudySequence[1].PatientID", "ReferencedStudySequence",
                                        "StudyID"};
    struct dcm_path paths[5];
    struct dcm_interest *interest;
    struct dcm_found found;
    struct dcm_level level;
    char name[DCM_PATH_TEXT_SIZE];
    struct data data =
        data_of("0800 0500 'CS' 0A00 'ISO_IR 100' 0800 1011 'SQ' 0000 44000000 FEFF00E0 0A000000" ID
                "FEFF00E0 2A000000 0800 0500 'CS' 0A00 'ISO_IR 144' 1000 2000 'LO' 0400 '1234'" SEX
                "FEFF00E0 00000000" ID "E07F 1000 'OW' 0000 04000000");
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(dcm_path_parse(slice_of_text(names[i]), &paths[i], NULL), OK);
    // The length of the second item is 18 + 12 + 10 bytes.
    data.bytes[18 + 12 + 18 + 4] = 40;
    data.bytes[18 + 8] = 18 + 48 + 8;
    assert_int_equal(dcm_interest_new(paths, 5, &interest), OK);
    struct dcm_survey *survey = surveyed(interest, EXPLICIT, slice_of_data(&data), 1, OK);
    assert_true(dcm_survey_header_is_complete(survey));
    assert_int_equal(dcm_survey_range_length(survey), data.length);
    assert_true(dcm_survey_first(survey, 0, &found));
    assert_true(slice_is_text(found.value, "17"));
    assert_int_equal(found.header_offset, data.length - 22);
    assert_int_equal(found.level, 0);
    uint32_t cursor = 0;
    assert_true(dcm_survey_next(survey, 1, &cursor, &found));
    assert_int_equal(found.item[0], 0);
    assert_true(dcm_survey_next(survey, 1, &cursor, &found));
    assert_true(slice_is_text(found.value, "1234"));
    dcm_survey_path(survey, 1, &found, &paths[4]);
    dcm_path_print(&paths[4], name);
    assert_string_equal(name, "ReferencedStudySequence[1].PatientID");
    dcm_survey_level(survey, found.level, &level);
    struct dcm_charset cyrillic = dcm_charset_parse(slice_of_text("ISO_IR 144"));
    assert_memory_equal(&level.charset, &cyrillic, sizeof cyrillic);
    assert_false(dcm_survey_next(survey, 1, &cursor, &found));
    assert_true(dcm_survey_first(survey, 2, &found));
    assert_int_equal(found.item[0], 1);
    assert_true(dcm_survey_first(survey, 3, &found));
    assert_int_equal(found.items, 3);
    assert_true(found.is_sequence && found.is_whole);
    assert_int_equal(found.value.length, found.length);
    assert_false(dcm_survey_first(survey, 4, &found));
    dcm_survey_free(survey);
    dcm_interest_free(interest);
}

static void test_survey_fails(void **state)
{
    (void)state;
    struct dcm_interest *interest;
    struct dcm_path path = dcm_path_of_tag(DCM_PATIENT_ID);
    assert_int_equal(dcm_interest_new(&path, 1, &interest), OK);
    struct data cut = data_of("1000 2000 'LO' 0400 '12'");
    struct dcm_survey *survey = surveyed(interest, EXPLICIT, slice_of_data(&cut), 1, ERR_FORMAT);
    assert_false(dcm_survey_header_is_complete(survey));
    assert_int_equal(dcm_survey_failure(survey)->reason, DCM_SCAN_TRUNCATED);
    struct dcm_plan *plan = NULL;
    struct dcm_problem problem;
    assert_int_equal(dcm_plan_make(survey, text, NULL, 0, &plan, NULL, &problem), ERR_ARGUMENT);
    assert_int_equal(problem.reason, DCM_PROBLEM_NOT_SURVEYED);
    dcm_survey_free(survey);
    dcm_interest_free(interest);
}

static void test_plans_that_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "'DGEP' 0100 0000",
        "'DGEP' 0200 0000 00000000",                                            // another version
        "'DGEP' 0100 0000 01000000",                                            // no change in it
        "'DGEP' 0100 0000 00000000 00",                                         // more behind
        "'DGEP' 0100 0000 01000000 0000000000000000 FFFFFFFFFFFFFFFF 00000000", // ends nowhere
        "'DGEP' 0100 0000 01000000 0000000000000000 0000000000000000 01000000", // cut
        "'DGEP' 0100 0000 02000000 0500000000000000 0200000000000000 00000000"
        "0600000000000000 0000000000000000 00000000", // overlap
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct data data = data_of(texts[i]);
        struct dcm_plan *plan = NULL;
        assert_int_equal(dcm_plan_parse(slice_of_data(&data), &plan), ERR_FORMAT);
    }
}

static void test_data_set_shorter_than_its_plan(void **state)
{
    (void)state;
    struct data data = data_of("'DGEP' 0100 0000 01000000 0500000000000000 0200000000000000 00000000");
    struct dcm_plan *plan;
    struct dcm_splice *splice;
    struct slice out;
    assert_int_equal(dcm_plan_parse(slice_of_data(&data), &plan), OK);
    assert_int_equal(dcm_splice_new(&splice), OK);
    assert_int_equal(dcm_splice_begin(splice, plan, slice_of_text(EXPLICIT), false), OK);
    assert_int_equal(dcm_splice_put(splice, slice_of("123456", 6)), OK);
    assert_int_equal(dcm_splice_next(splice, &out), OK);
    assert_int_equal(dcm_splice_next(splice, &out), AGAIN);
    assert_false(dcm_splice_is_past_changes(splice));
    assert_int_equal(dcm_splice_finish(splice), ERR_FORMAT);
    assert_int_equal(dcm_splice_next(splice, &out), ERR_FORMAT);
    dcm_splice_free(splice);
    dcm_plan_free(plan);
}

// What does not change is not copied.
static void test_output_is_borrowed(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "anything at all";
    struct dcm_splice *splice;
    struct slice out;
    assert_int_equal(dcm_splice_new(&splice), OK);
    assert_int_equal(dcm_splice_begin(splice, NULL, slice_of_text("1.2.840.10008.1.2.1.99"), false), OK);
    assert_true(dcm_splice_is_past_changes(splice));
    assert_int_equal(dcm_splice_put(splice, slice_of(bytes, sizeof bytes)), OK);
    assert_int_equal(dcm_splice_next(splice, &out), OK);
    assert_ptr_equal(out.data, bytes);
    assert_int_equal(out.length, sizeof bytes);
    assert_int_equal(dcm_splice_next(splice, &out), AGAIN);
    assert_int_equal(dcm_splice_finish(splice), OK);
    assert_int_equal(dcm_splice_next(splice, &out), CLOSED);
    dcm_splice_free(splice);
}

static int text_open(void **state)
{
    (void)state;
    return dcm_text_new(&text) == OK ? 0 : -1;
}

static int text_close(void **state)
{
    (void)state;
    dcm_text_free(text);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_change),
        cmocka_unit_test(test_first_and_last),
        cmocka_unit_test(test_duplicates_and_disorder),
        cmocka_unit_test(test_length_forms),
        cmocka_unit_test(test_enclosing_lengths),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_what_is_made),
        cmocka_unit_test(test_un_sequences),
        cmocka_unit_test(test_private_blocks),
        cmocka_unit_test(test_block_without_place),
        cmocka_unit_test(test_block_reserved_often),
        cmocka_unit_test(test_two_names_of_one_element),
        cmocka_unit_test(test_group_lengths),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_sixteen_bits),
        cmocka_unit_test(test_survey_tells),
        cmocka_unit_test(test_survey_fails),
        cmocka_unit_test(test_plans_that_are_none),
        cmocka_unit_test(test_data_set_shorter_than_its_plan),
        cmocka_unit_test(test_output_is_borrowed),
    };
    return cmocka_run_group_tests(tests, text_open, text_close);
}
