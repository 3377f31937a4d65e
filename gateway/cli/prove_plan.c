// SPDX-License-Identifier: Apache-2.0
#include "cli/prove_plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/wipe.h"

#define SEQUENCES_MOST 3 // for which all ways are tried; made elements of others: the elements alone

// What goes of a sequence in which edits have made elements.
enum reach { REACH_SEQUENCE, REACH_ITEM, REACH_ELEMENT, REACHES };

struct prove_planner {
    const struct evidence *evidence;
    struct slice transfer_syntax;
    struct slice data_set;
    struct dcm_survey *survey;
    struct dcm_text *text;
    struct dcm_path *path; // of each edit; depth above DCM_PATH_DEPTH: it can not be read
    uint32_t sequence[SEQUENCES_MOST];
    size_t sequences;
    // Of the plan being made.
    struct dcm_path *used;
    struct dcm_edit *edit;
    size_t count;
};

#define UNREADABLE (DCM_PATH_DEPTH + 1)

// ---- life

static bool is_made(const struct evidence_edit *edit)
{
    return !edit->was_present && !edit->is_removed;
}

// Another edit between two numbers has the same path: rules that changed one element in turn.
static bool is_repeated(const struct prove_planner *planner, size_t index, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (slice_is_equal(planner->evidence->edit[i].path, planner->evidence->edit[index].path))
            return true;
    return false;
}

// Sequences of the data set in which edits have made items or elements, and nothing else.
static void sequences_find(struct prove_planner *planner)
{
    for (size_t i = 0; i < planner->evidence->count; i++) {
        const struct dcm_path *path = &planner->path[i];
        bool is_inside = path->depth != UNREADABLE && (path->depth > 0 || path->is_item);
        bool is_new = is_inside && is_made(&planner->evidence->edit[i]);
        for (size_t s = 0; is_new && s < planner->sequences; s++)
            is_new = planner->sequence[s] != path->step[0].tag;
        for (size_t other = 0; is_new && other < planner->evidence->count; other++)
            is_new = planner->path[other].step[0].tag != path->step[0].tag ||
                     is_made(&planner->evidence->edit[other]) || is_repeated(planner, other, 0, other);
        if (is_new && planner->sequences < SEQUENCES_MOST)
            planner->sequence[planner->sequences++] = path->step[0].tag;
    }
}

enum result prove_planner_new(const struct evidence *evidence, struct slice transfer_syntax,
                              struct slice data_set, struct prove_planner **planner)
{
    struct prove_planner *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    made->evidence = evidence;
    made->transfer_syntax = transfer_syntax;
    made->data_set = data_set;
    made->path = calloc(evidence->count + 1, sizeof *made->path);
    made->used = calloc(evidence->count + 1, sizeof *made->used);
    made->edit = calloc(evidence->count + 1, sizeof *made->edit);
    enum result result = made->path != NULL && made->used != NULL && made->edit != NULL ? OK : ERR_NOMEM;
    if (result == OK)
        result = dcm_survey_new(&made->survey);
    if (result == OK)
        result = dcm_text_new(&made->text);
    if (result != OK) {
        prove_planner_free(made);
        return result;
    }
    for (size_t i = 0; i < evidence->count; i++)
        if (dcm_path_parse(evidence->edit[i].path, &made->path[i], NULL) != OK)
            made->path[i] = (struct dcm_path){.depth = UNREADABLE};
    sequences_find(made);
    *planner = made;
    return OK;
}

void prove_planner_free(struct prove_planner *planner)
{
    if (planner == NULL)
        return;
    dcm_survey_free(planner->survey);
    dcm_text_free(planner->text);
    free(planner->path);
    free(planner->used);
    free(planner->edit);
    free(planner);
}

// ---- edits

static bool can_be_text(enum dcm_vr vr)
{
    switch ((int)vr) {
    case DCM_VR_AT:
    case DCM_VR_FD:
    case DCM_VR_FL:
    case DCM_VR_SL:
    case DCM_VR_SS:
    case DCM_VR_SV:
    case DCM_VR_UL:
    case DCM_VR_US:
    case DCM_VR_UV:
        return true;
    default:
        return dcm_vr_info(vr)->is_text;
    }
}

// A value that broke the rules of its VR must be put back all the same: ASCII stands as it is, in any
// character set. ERR_ARGUMENT: of what is no text no value is on record.
static enum result value_set(struct dcm_edit *edit, struct slice value)
{
    edit->operation = DCM_EDIT_SET;
    edit->value = value;
    if (!can_be_text(edit->vr))
        return ERR_ARGUMENT;
    if (value.length == 0)
        edit->kind = DCM_VALUE_EMPTY;
    else
        edit->kind =
            dcm_vr_info(edit->vr)->is_text && slice_is_printable(value) ? DCM_VALUE_BYTES : DCM_VALUE_TEXT;
    return OK;
}

static enum result edit_add(struct prove_planner *planner, size_t index, const struct dcm_edit *edit)
{
    if (planner->path[index].depth == UNREADABLE)
        return ERR_ARGUMENT;
    planner->used[planner->count] = planner->path[index];
    planner->edit[planner->count] = *edit;
    planner->edit[planner->count].path = &planner->used[planner->count];
    planner->count++;
    return OK;
}

static struct dcm_edit edit_of(const struct evidence_edit *evidence)
{
    return (struct dcm_edit){.operation = DCM_EDIT_REMOVE,
                             .vr = dcm_vr_from_letters((uint8_t)evidence->vr[0], (uint8_t)evidence->vr[1])};
}

// ---- plans

static enum result survey_run(struct prove_planner *planner, const struct dcm_interest *interest)
{
    enum result result = dcm_survey_begin(planner->survey, interest, planner->transfer_syntax, 0);
    if (result == OK)
        result = dcm_survey_feed(planner->survey, planner->data_set);
    if (result == OK && !dcm_survey_header_is_complete(planner->survey))
        result = dcm_survey_finish(planner->survey);
    return result == OK || result == ERR_NOMEM ? result : ERR_ARGUMENT;
}

static enum result plan_make(struct prove_planner *planner, struct dcm_plan **plan)
{
    struct dcm_interest *interest;
    struct dcm_problem problem;
    enum result result = dcm_interest_new(planner->used, planner->count, &interest);
    if (result != OK)
        return result == ERR_LIMIT ? ERR_ARGUMENT : result;
    result = survey_run(planner, interest);
    if (result == OK)
        result = dcm_plan_make(planner->survey, planner->text, planner->edit, planner->count, plan, NULL,
                               &problem);
    dcm_interest_free(interest);
    return result;
}

static bool is_last(const struct prove_planner *planner, size_t index)
{
    return !is_repeated(planner, index, index + 1, planner->evidence->count);
}

static bool has_value(const struct evidence_edit *evidence)
{
    return evidence->is_removed || can_be_text(edit_of(evidence).vr);
}

bool prove_is_comparable(const struct prove_planner *planner, size_t index)
{
    return is_last(planner, index) && has_value(&planner->evidence->edit[index]);
}

bool prove_is_open(const struct prove_planner *planner, size_t index)
{
    return is_last(planner, index) && !has_value(&planner->evidence->edit[index]);
}

enum result prove_plan_written(struct prove_planner *planner, size_t first, size_t count,
                               struct dcm_plan **plan)
{
    enum result result = OK;
    planner->count = 0;
    for (size_t i = first; result == OK && i < first + count; i++) {
        struct dcm_edit edit = edit_of(&planner->evidence->edit[i]);
        if (!prove_is_comparable(planner, i))
            continue;
        if (!planner->evidence->edit[i].is_removed)
            result = value_set(&edit, planner->evidence->edit[i].after);
        if (result == OK)
            result = edit_add(planner, i, &edit);
    }
    if (result == OK && planner->count == 0)
        return ERR_MISSING;
    return result == OK ? plan_make(planner, plan) : result;
}

unsigned prove_plan_ways(const struct prove_planner *planner)
{
    unsigned ways = 1;
    for (size_t i = 0; i < planner->sequences; i++)
        ways *= REACHES;
    return ways;
}

static enum reach reach_of(const struct prove_planner *planner, const struct dcm_path *path, unsigned way)
{
    for (size_t i = 0; i < planner->sequences; i++, way /= REACHES)
        if ((path->depth > 0 || path->is_item) && planner->sequence[i] == path->step[0].tag)
            return (enum reach)(way % REACHES);
    return REACH_ELEMENT;
}

// The path of what goes instead of the element.
static void reach_cut(struct dcm_path *path, enum reach reach)
{
    struct dcm_path cut = {.is_item = reach == REACH_ITEM};
    if (reach == REACH_ELEMENT)
        return;
    cut.step[0] = path->step[0];
    if (reach == REACH_SEQUENCE)
        cut.step[0].item = 0;
    *path = cut;
}

static bool is_planned(const struct prove_planner *planner, const struct dcm_path *path)
{
    for (size_t i = 0; i < planner->count; i++)
        if (dcm_path_compare(&planner->used[i], path) == 0)
            return true;
    return false;
}

enum result prove_plan_undo(struct prove_planner *planner, unsigned way, struct dcm_plan **plan)
{
    enum result result = OK;
    planner->count = 0;
    for (size_t i = 0; result == OK && i < planner->evidence->count; i++) {
        const struct evidence_edit *evidence = &planner->evidence->edit[i];
        struct dcm_edit edit = edit_of(evidence);
        if (is_repeated(planner, i, 0, i))
            continue; // the first of them tells what was there
        if (evidence->was_present)
            result = value_set(&edit, evidence->before);
        if (result == OK)
            result = edit_add(planner, i, &edit);
        if (result != OK || evidence->was_present)
            continue;
        struct dcm_path *path = &planner->used[planner->count - 1];
        reach_cut(path, reach_of(planner, path, way));
        planner->count--; // the same item or sequence goes once
        if (!is_planned(planner, path))
            planner->count++;
    }
    return result == OK ? plan_make(planner, plan) : result;
}

// ---- what goes with them

struct around {
    struct dcm_path *path; // of a sequence; of a private creator: that of one of its elements, at xx10
    size_t count, capacity;
};

static enum result around_add(struct around *around, const struct dcm_path *path)
{
    for (size_t i = 0; i < around->count; i++)
        if (dcm_path_compare(&around->path[i], path) == 0)
            return OK;
    enum result result = ARRAY_GROW(around->path, around->capacity, around->count + 1);
    if (result == OK)
        around->path[around->count++] = *path;
    return result;
}

// The path down to this step, without its item.
static struct dcm_path path_to(const struct dcm_path *path, uint32_t depth)
{
    struct dcm_path cut = {.depth = depth};
    memcpy(cut.step, path->step, (depth + 1) * sizeof cut.step[0]);
    cut.step[depth].item = 0;
    return cut;
}

static enum result path_around(struct around *around, const struct dcm_path *path, enum reach reach)
{
    enum result result = OK;
    uint32_t sequences = path->depth + (path->is_item ? 1 : 0);
    for (uint32_t depth = reach == REACH_ITEM ? 1 : 0; result == OK && depth < sequences; depth++) {
        struct dcm_path sequence = path_to(path, depth);
        result = around_add(around, &sequence);
    }
    for (uint32_t depth = 1; result == OK && depth <= path->depth; depth++) {
        struct dcm_path creator = path_to(path, depth);
        if (creator.step[depth].creator[0] == 0)
            continue;
        creator.step[depth].tag = (creator.step[depth].tag & 0xffff0000u) | 0x10u;
        result = around_add(around, &creator);
    }
    return result;
}

enum result prove_plan_around(const struct prove_planner *planner, unsigned way, uint64_t count,
                              bool *is_count)
{
    enum result result = OK;
    struct around around = {0};
    for (size_t i = 0; result == OK && i < planner->evidence->count; i++) {
        const struct dcm_path *path = &planner->path[i];
        if (planner->evidence->edit[i].was_present || is_repeated(planner, i, 0, i))
            continue;
        enum reach reach = reach_of(planner, path, way);
        if (reach != REACH_ELEMENT)
            result = path_around(&around, path, reach);
    }
    *is_count = result == OK && around.count == count;
    free(around.path);
    return result;
}
