// SPDX-License-Identifier: Apache-2.0
#include "order/references.h"
#include "base/check.h"
#include "dcm/survey.h"
#include <stdlib.h>
#include <string.h>

enum path_number { PATH_TITLE, PATH_SCHEME, PATH_INSTANCE, PATH_COUNT };

static const char *const path_texts[PATH_COUNT] = {
    [PATH_TITLE] = "ConceptNameCodeSequence[0].CodeValue",
    [PATH_SCHEME] = "ConceptNameCodeSequence[0].CodingSchemeDesignator",
    [PATH_INSTANCE] = "CurrentRequestedProcedureEvidenceSequence[*].ReferencedSeriesSequence[*]."
                      "ReferencedSOPSequence[*].ReferencedSOPInstanceUID",
};

// CID 7011: Rejected for Quality Reasons, for Patient Safety Reasons, Incorrect Modality Worklist Entry, Data
// Retention Policy Expired.
static const char *const titles[] = {"113001", "113037", "113038", "113039"};

struct references {
    struct dcm_interest *interest;
    struct dcm_survey *survey;
    enum result result;
};

bool references_may_be(struct slice sop_class)
{
    return slice_is_text(slice_trimmed(sop_class), "1.2.840.10008.5.1.4.1.1.88.59");
}

static enum result interest_make(struct dcm_interest **interest)
{
    struct dcm_path paths[PATH_COUNT];
    for (size_t i = 0; i < PATH_COUNT; i++) {
        enum result result = dcm_path_parse(slice_of_text(path_texts[i]), &paths[i], NULL);
        ensure(result == OK);
    }
    return dcm_interest_new(paths, PATH_COUNT, interest);
}

enum result references_new(struct slice transfer_syntax, uint64_t inflated_limit, struct references **out)
{
    struct references *references = calloc(1, sizeof *references);
    if (references == NULL)
        return ERR_NOMEM;
    enum result result = interest_make(&references->interest);
    if (result == OK)
        result = dcm_survey_new(&references->survey);
    if (result == OK)
        result = dcm_survey_begin(references->survey, references->interest, transfer_syntax, inflated_limit);
    if (result == OK)
        *out = references;
    else
        references_free(&references);
    return result;
}

void references_free(struct references **references)
{
    if (*references == NULL)
        return;
    dcm_survey_free((*references)->survey);
    dcm_interest_free((*references)->interest);
    free(*references);
    *references = NULL;
}

void references_feed(struct references *references, struct slice piece)
{
    if (references->result == OK)
        references->result = dcm_survey_feed(references->survey, piece);
}

enum result references_end(struct references *references)
{
    if (references->result == OK)
        references->result = dcm_survey_finish(references->survey);
    return references->result;
}

static bool value_is(const struct references *references, enum path_number path, const char *text)
{
    struct dcm_found found;
    return dcm_survey_first(references->survey, path, &found) && found.is_whole &&
           slice_is_text(slice_trimmed(found.value), text);
}

bool references_are_rejected(const struct references *references)
{
    if (!value_is(references, PATH_SCHEME, "DCM"))
        return false;
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++)
        if (value_is(references, PATH_TITLE, titles[i]))
            return true;
    return false;
}

static int hash_compare(const void *one, const void *other)
{
    return memcmp(one, other, FACT_SOP_HASH_SIZE);
}

enum result references_take(const struct references *references, reference **hashes, size_t *count)
{
    struct dcm_found found;
    size_t all = 0, used = 0;
    for (uint32_t cursor = 0; dcm_survey_next(references->survey, PATH_INSTANCE, &cursor, &found); all++)
        if (!found.is_whole)
            return ERR_LIMIT;
    reference *array = calloc(all + 1, sizeof *array);
    if (array == NULL)
        return ERR_NOMEM;
    for (uint32_t cursor = 0; dcm_survey_next(references->survey, PATH_INSTANCE, &cursor, &found);)
        if (slice_trimmed(found.value).length > 0)
            fact_uid_hash(found.value, array[used++]);
    qsort(array, used, sizeof *array, hash_compare);
    size_t kept = 0;
    for (size_t i = 0; i < used; i++)
        if (kept == 0 || memcmp(array[kept - 1], array[i], sizeof *array) != 0)
            memmove(array[kept++], array[i], sizeof *array);
    *hashes = array;
    *count = kept;
    return OK;
}
