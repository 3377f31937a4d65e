// SPDX-License-Identifier: Apache-2.0
#include "edit/workshop.h"
#include "base/magic.h"
#include "edit/edit_private.h"
#include <stdlib.h>

#define WORKSHOP_MAGIC 0x45575331u

#define KEPT(array) (sizeof(array) / sizeof *(array))

enum result edit_workshop_new(struct worker *worker, struct edit_workshop **out)
{
    struct edit_workshop *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(made, WORKSHOP_MAGIC);
    made->worker = worker;
    enum result result = dcm_text_new(&made->text);
    if (result == OK)
        result = rules_match_new(&made->match);
    if (result == OK)
        *out = made;
    else
        edit_workshop_free(made);
    return result;
}

void edit_workshop_free(struct edit_workshop *workshop)
{
    if (workshop == NULL)
        return;
    MAGIC_CHECK(workshop, WORKSHOP_MAGIC);
    for (size_t i = 0; i < workshop->survey_count; i++)
        dcm_survey_free(workshop->surveys[i]);
    for (size_t i = 0; i < workshop->splice_count; i++)
        dcm_splice_free(workshop->splices[i]);
    rules_match_free(workshop->match);
    dcm_text_free(workshop->text);
    MAGIC_CLEAR(workshop);
    free(workshop);
}

enum result workshop_survey_take(struct edit_workshop *workshop, struct dcm_survey **survey)
{
    MAGIC_CHECK(workshop, WORKSHOP_MAGIC);
    if (workshop->survey_count == 0)
        return dcm_survey_new(survey);
    *survey = workshop->surveys[--workshop->survey_count];
    return OK;
}

void workshop_survey_give(struct edit_workshop *workshop, struct dcm_survey **owned)
{
    struct dcm_survey *survey = *owned;
    *owned = NULL;
    if (survey == NULL)
        return;
    if (workshop->survey_count == KEPT(workshop->surveys)) {
        dcm_survey_free(survey);
        return;
    }
    dcm_survey_clear(survey);
    workshop->surveys[workshop->survey_count++] = survey;
}

enum result edit_splice_take(struct edit_workshop *workshop, struct dcm_splice **splice)
{
    MAGIC_CHECK(workshop, WORKSHOP_MAGIC);
    if (workshop->splice_count == 0)
        return dcm_splice_new(splice);
    *splice = workshop->splices[--workshop->splice_count];
    return OK;
}

void edit_splice_give(struct edit_workshop *workshop, struct dcm_splice **owned)
{
    struct dcm_splice *splice = *owned;
    *owned = NULL;
    if (splice == NULL)
        return;
    // Without a plan: what it has kept of the last data set is wiped.
    enum result result = dcm_splice_begin(splice, NULL, slice_of(NULL, 0), false);
    if (result != OK || workshop->splice_count == KEPT(workshop->splices))
        dcm_splice_free(splice);
    else
        workshop->splices[workshop->splice_count++] = splice;
}
