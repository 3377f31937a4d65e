// SPDX-License-Identifier: Apache-2.0
//
// Element paths: what is one and what is not, text there and back, order, overlap, refused targets.
#include "dcm/path.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct dcm_path parsed(const char *text)
{
    struct dcm_path path;
    assert_int_equal(dcm_path_parse(slice_of_text(text), &path, NULL), OK);
    return path;
}

static void test_text_there_and_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"PatientID", "PatientID"},
        {"(0010,0020)", "PatientID"},
        {"(0029,1010)", "(0029,1010)"},
        {"(0029,\"SIEMENS MEDCOM HEADER\",10)", "(0029,\"SIEMENS MEDCOM HEADER\",10)"},
        {"(0029,\"a \"\"quoted\"\" one\",ab)", "(0029,\"a \"\"quoted\"\" one\",AB)"},
        {"(0040,0275)[0].(0008,0050)", "RequestAttributesSequence[0].AccessionNumber"},
        {"RequestAttributesSequence[*].AccessionNumber", "RequestAttributesSequence[*].AccessionNumber"},
        {"OriginalAttributesSequence[+]", "OriginalAttributesSequence[+]"},
        {"RequestAttributesSequence[12]", "RequestAttributesSequence[12]"},
        {"(6000,3000)", "(6000,3000)"},
        {"(7001,\"X\",01)[2].(7001,\"X\",02)[*].PatientName",
         "(7001,\"X\",01)[2].(7001,\"X\",02)[*].PatientName"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[DCM_PATH_TEXT_SIZE];
        struct dcm_path path = parsed(pairs[i][0]);
        dcm_path_print(&path, text);
        assert_string_equal(text, pairs[i][1]);
        struct dcm_path again = parsed(text);
        assert_memory_equal(&path, &again, sizeof path);
    }
}

static void test_no_paths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum result result;
        size_t at;
    } rows[] = {
        {"", ERR_FORMAT, 0},
        {"PatientIdentity", ERR_MISSING, 0},
        {"patientID", ERR_MISSING, 0},
        {"PatientID ", ERR_FORMAT, 9},
        {"PatientID.PatientName", ERR_FORMAT, 9},
        {"(0010,002)", ERR_FORMAT, 9},
        {"(0010,00200)", ERR_FORMAT, 10},
        {"(0010,\"X\",10)", ERR_FORMAT, 9},
        {"(0029,\"\",10)", ERR_FORMAT, 8},
        {"(0029,\" X\",10)", ERR_FORMAT, 10},
        {"(0029,\"X", ERR_FORMAT, 8},
        {"(0029,\"X\\Y\",10)", ERR_FORMAT, 8},
        {"RequestAttributesSequence[].AccessionNumber", ERR_FORMAT, 26},
        {"RequestAttributesSequence[-1].AccessionNumber", ERR_FORMAT, 26},
        {"RequestAttributesSequence[16777216]", ERR_LIMIT, 26},
        {"RequestAttributesSequence[0]AccessionNumber", ERR_FORMAT, 28},
        {"RequestAttributesSequence[0].", ERR_FORMAT, 29},
        {"RequestAttributesSequence[0].Nothing", ERR_MISSING, 29},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dcm_path path;
        size_t at = 999;
        assert_int_equal(dcm_path_parse(slice_of_text(rows[i].text), &path, &at), rows[i].result);
        assert_int_equal(at, rows[i].at);
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[512] = "";
    struct dcm_path path;
    for (unsigned i = 0; i < DCM_PATH_DEPTH; i++)
        strncat(text, "(0040,A730)[1].", sizeof text - strlen(text) - 1);
    char last[600];
    strncpy(last, text, sizeof last - 1);
    strncat(last, "(0040,A730)", sizeof last - strlen(last) - 1);
    path = parsed(last);
    assert_int_equal(path.depth, DCM_PATH_DEPTH);
    for (unsigned i = 0; i <= DCM_PATH_DEPTH; i++)
        assert_int_equal(path.step[i].tag, DCM_TAG(0x0040, 0xA730));
    strncat(last, "[1].PatientID", sizeof last - strlen(last) - 1);
    assert_int_equal(dcm_path_parse(slice_of_text(last), &path, NULL), ERR_LIMIT);
}

static void test_order(void **state)
{
    (void)state;
    static const char *const ascending[] = {
        "AccessionNumber",
        "PatientID",
        "(0029,\"A\",10)",
        "(0029,\"B\",10)",
        "(0029,1010)",
        "RequestAttributesSequence",
        "RequestAttributesSequence[0]",
        "RequestAttributesSequence[0].AccessionNumber",
        "RequestAttributesSequence[1].AccessionNumber",
        "RequestAttributesSequence[+].AccessionNumber",
        "RequestAttributesSequence[*]",
    };
    size_t count = sizeof ascending / sizeof ascending[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            struct dcm_path a = parsed(ascending[i]);
            struct dcm_path b = parsed(ascending[j]);
            int order = dcm_path_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    }
}

static void test_overlap(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool overlaps;
    } rows[] = {
        {"PatientID", "PatientID", true},
        {"PatientID", "PatientName", false},
        {"RequestAttributesSequence", "RequestAttributesSequence[3].AccessionNumber", true},
        {"RequestAttributesSequence[3]", "RequestAttributesSequence[3].AccessionNumber", true},
        {"RequestAttributesSequence[2]", "RequestAttributesSequence[3].AccessionNumber", false},
        {"RequestAttributesSequence[*].AccessionNumber", "RequestAttributesSequence[3].AccessionNumber",
         true},
        {"RequestAttributesSequence[+].AccessionNumber", "RequestAttributesSequence[3].AccessionNumber",
         false},
        {"RequestAttributesSequence[+].AccessionNumber", "RequestAttributesSequence[*].AccessionNumber",
         false},
        {"(0029,\"A\",10)", "(0029,\"A\",10)", true},
        {"(0029,\"A\",10)", "(0029,\"B\",10)", false},
        {"(0029,\"A\",10)", "(0029,1510)", true},
        {"(0029,\"A\",10)", "(0029,1511)", false},
        {"(0029,\"A\",10)", "(0029,0010)", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dcm_path a = parsed(rows[i].a);
        struct dcm_path b = parsed(rows[i].b);
        assert_int_equal(dcm_path_overlaps(&a, &b), rows[i].overlaps);
        assert_int_equal(dcm_path_overlaps(&b, &a), rows[i].overlaps);
    }
}

static void test_refused_targets(void **state)
{
    (void)state;
    static const char *const refused[] = {
        "SOPClassUID",
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "PixelData",
        "(7FE0,0008)",
        "DoubleFloatPixelData",
        "(0008,0000)",
        "(0008,0001)",
        "(0002,0010)",
        "(FFFE,E000)",
        "(0029,0010)",
        "(FFFC,FFFC)",
        "DigitalSignaturesSequence",
        "(7FE1,\"X\",10)",
        "RequestAttributesSequence[0].StudyInstanceUID",
        "IconImageSequence[0].PixelData",
    };
    static const char *const good[] = {"PatientID",
                                       "SeriesDescription",
                                       "(0029,1010)",
                                       "(0029,\"X\",10)",
                                       "RequestAttributesSequence[0]",
                                       "OtherPatientIDs",
                                       "FrameOfReferenceUID"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct dcm_path path = parsed(refused[i]);
        assert_non_null(dcm_path_refusal(&path));
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct dcm_path path = parsed(good[i]);
        assert_null(dcm_path_refusal(&path));
    }
}

// Facts of PS3.6, by hand.
static void test_keywords(void **state)
{
    (void)state;
    uint32_t tag;
    assert_string_equal(dcm_keyword(DCM_TAG(0x0010, 0x0010)), "PatientName");
    assert_string_equal(dcm_keyword(DCM_TAG(0x0400, 0x0561)), "OriginalAttributesSequence");
    assert_string_equal(dcm_keyword(DCM_TAG(0x0010, 0x1000)), "OtherPatientIDs"); // retired
    assert_null(dcm_keyword(DCM_TAG(0x0029, 0x1010)));
    assert_null(dcm_keyword(DCM_TAG(0x0010, 0x0000)));
    assert_true(dcm_keyword_find(slice_of_text("ContributingEquipmentSequence"), &tag));
    assert_int_equal(tag, DCM_CONTRIBUTING_EQUIPMENT);
    assert_false(dcm_keyword_find(slice_of_text("ContributingEquipmentSequenc"), &tag));
    assert_false(dcm_keyword_find(slice_of_text("ContributingEquipmentSequences"), &tag));
    struct dcm_path path = parsed("RequestAttributesSequence[0].AccessionNumber");
    assert_int_equal(dcm_path_vr(&path), DCM_VR_SH);
    path = parsed("(0029,\"X\",10)");
    assert_int_equal(dcm_path_vr(&path), DCM_VR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_there_and_back),
        cmocka_unit_test(test_no_paths),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_refused_targets),
        cmocka_unit_test(test_keywords),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
