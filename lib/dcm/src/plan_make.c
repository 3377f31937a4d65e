// SPDX-License-Identifier: Apache-2.0
//
// Leads the making of a plan: see planner.h. The survey's thread.
#include "base/wipe.h"
#include "planner.h"
#include <stdlib.h>

const char *dcm_problem_text(enum dcm_problem_reason reason)
{
    static const char *const texts[DCM_PROBLEM_REASON_COUNT] = {
        [DCM_PROBLEM_NONE] = "fine",
        [DCM_PROBLEM_NOT_SURVEYED] = "was not looked for in the data set",
        [DCM_PROBLEM_REFUSED] = "can not be edited",
        [DCM_PROBLEM_NO_VR] = "has no known value representation",
        [DCM_PROBLEM_NOT_A_VALUE] = "can not have a value of this kind",
        [DCM_PROBLEM_TOO_LONG] = "would be too long",
        [DCM_PROBLEM_BAD_VALUE] = "does not fit its value representation",
        [DCM_PROBLEM_CHARACTER] = "does not fit the specific character set",
        [DCM_PROBLEM_CHARACTER_SET] = "would change the meaning of text that is there",
        [DCM_PROBLEM_OPAQUE] = "lies inside something that can not be looked into",
        [DCM_PROBLEM_CONFLICT] = "is edited twice",
        [DCM_PROBLEM_TOO_DEEP] = "is nested too deep",
        [DCM_PROBLEM_TOO_LARGE] = "would become too large",
        [DCM_PROBLEM_NO_BLOCK] = "finds no free private block",
    };
    return reason < DCM_PROBLEM_REASON_COUNT ? texts[reason] : "unknown";
}

enum result planner_edit_problem(struct planner *p, uint32_t edit, enum dcm_problem_reason reason)
{
    p->problem->reason = reason;
    p->problem->edit = edit;
    dcm_path_print(p->edits[edit].path, p->problem->path);
    return ERR_ARGUMENT;
}

// The numbers of the items that are there, from the level that the operation acts in.
static void items_fill(const struct dcm_survey *s, uint32_t level, struct dcm_path *path)
{
    while (s->levels[level].found != NONE) {
        unsigned depth = s->levels[level].depth;
        path->step[depth - 1].item = s->levels[level].item;
        level = s->found[s->levels[level].found].level;
    }
}

enum result planner_problem(struct planner *p, const struct operation *operation,
                            enum dcm_problem_reason reason)
{
    struct dcm_path path = *p->edits[operation->edit].path;
    items_fill(p->survey, operation->level, &path);
    p->problem->reason = reason;
    p->problem->edit = operation->edit;
    dcm_path_print(&path, p->problem->path);
    return ERR_ARGUMENT;
}

struct encoding planner_encoding(const struct planner *p, const struct operation *operation)
{
    const struct level *level = &p->survey->levels[operation->level];
    struct encoding encoding = {level->implicit_vr, level->big_endian};
    // A new item in a sequence that was written as UN (CP-246).
    bool is_append = operation->kind == OPERATION_CREATE && operation->found != NONE;
    if (is_append && p->survey->found[operation->found].is_explicit &&
        p->survey->found[operation->found].vr == DCM_VR_UN)
        encoding = (struct encoding){.implicit_vr = true};
    return encoding;
}

static enum result planner_begin(struct planner *p)
{
    const struct dcm_survey *s = p->survey;
    p->found_gone = calloc((size_t)s->found_count + 1, 1);
    p->level_gone = calloc((size_t)s->level_count + 1, 1);
    p->found_delta = calloc((size_t)s->found_count + 1, sizeof *p->found_delta);
    p->level_delta = calloc((size_t)s->level_count + 1, sizeof *p->level_delta);
    if (p->found_gone == NULL || p->level_gone == NULL || p->found_delta == NULL || p->level_delta == NULL)
        return ERR_NOMEM;
    return plan_builder_begin(&p->builder);
}

static void planner_end(struct planner *p)
{
    free(p->operations);
    free(p->blocks);
    free(p->pending);
    free(p->placeless);
    free(p->found_gone);
    free(p->level_gone);
    free(p->found_delta);
    free(p->level_delta);
    wiped_release(&p->values);
    wiped_release(&p->made);
    plan_builder_release(&p->builder);
}

// The bytes of one operation that is not a run of new elements.
static struct slice new_bytes(const struct planner *p, const struct operation *o)
{
    return o->value_length > 0 ? slice_of(p->values.data + o->value_at, o->value_length) : slice_of(NULL, 0);
}

static uint32_t tag_of(const struct planner *p, const struct operation *o)
{
    return o->kind == OPERATION_CREATE ? o->step[0].tag : p->survey->found[o->found].tag;
}

// The growth that each operation means for what is around it. New elements are encoded once for this, and
// once more when the changes are written down, so that only one run is in memory.
static enum result growths(struct planner *p)
{
    for (uint32_t i = 0, after; i < p->operation_count; i = after) {
        const struct operation *o = &p->operations[i];
        after = i + 1;
        int64_t growth = (int64_t)o->value_length - (int64_t)(o->end - o->offset);
        uint32_t inside = o->item != NONE ? o->found : NONE;
        if (o->kind == OPERATION_CREATE) {
            enum result result = planner_run(p, i, &after);
            if (result != OK)
                return result;
            growth = (int64_t)p->made.length;
            inside = o->found;
        }
        planner_grow(p, o->level, inside, tag_of(p, o), growth, o->edit);
    }
    return OK;
}

static enum result changes(struct planner *p)
{
    enum result result = OK;
    for (uint32_t i = 0, after; result == OK && i < p->operation_count; i = after) {
        const struct operation *o = &p->operations[i];
        struct slice bytes = new_bytes(p, o);
        after = i + 1;
        if (o->kind == OPERATION_CREATE) {
            result = planner_run(p, i, &after);
            bytes = wiped_slice(&p->made);
        }
        if (result == OK && (bytes.length > 0 || o->end > o->offset))
            result = plan_builder_add(&p->builder, o->offset, o->end - o->offset, bytes);
    }
    return result;
}

static void places_count(const struct planner *p, uint32_t *places)
{
    memset(places, 0, p->edit_count * sizeof *places);
    for (uint32_t i = 0; i < p->operation_count; i++) {
        const struct operation *o = &p->operations[i];
        if (o->kind != OPERATION_LENGTH && o->creator == NULL && !o->is_dropped)
            places[o->edit]++;
    }
}

static enum result planner_run_all(struct planner *p, struct dcm_plan **plan)
{
    enum result result = planner_begin(p);
    if (result == OK)
        result = planner_resolve(p);
    if (result == OK)
        result = planner_values(p);
    if (result == OK)
        result = growths(p);
    if (result == OK)
        result = planner_lengths(p);
    if (result == OK)
        result = changes(p);
    if (result == OK)
        result = plan_builder_end(&p->builder, plan);
    return result;
}

enum result dcm_plan_make(const struct dcm_survey *survey, struct dcm_text *text,
                          const struct dcm_edit *edits, size_t count, struct dcm_plan **plan,
                          uint32_t *places, struct dcm_problem *problem)
{
    struct planner p = {
        .survey = survey, .text = text, .edits = edits, .edit_count = count, .problem = problem};
    memset(problem, 0, sizeof *problem);
    if (count > DCM_PLAN_EDITS || !dcm_survey_header_is_complete(survey)) {
        problem->reason = count > DCM_PLAN_EDITS ? DCM_PROBLEM_TOO_LARGE : DCM_PROBLEM_NOT_SURVEYED;
        return ERR_ARGUMENT;
    }
    enum result result = planner_run_all(&p, plan);
    if (result == ERR_LIMIT) { // the plan's own bounds
        problem->reason = DCM_PROBLEM_TOO_LARGE;
        result = ERR_ARGUMENT;
    }
    if (result == OK && places != NULL)
        places_count(&p, places);
    planner_end(&p);
    return result;
}
