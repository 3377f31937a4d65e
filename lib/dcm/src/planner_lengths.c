// SPDX-License-Identifier: Apache-2.0
//
// The lengths around what changes: items and sequences of defined length, group lengths, Length to End. See
// planner.h.
#include "planner.h"
#include <stdlib.h>

static void delta_add(struct delta *delta, int64_t growth, uint32_t edit)
{
    delta->growth += growth;
    delta->edit = edit;
}

// The element of a level that counts, if it has one.
static void counter_grow(struct planner *p, uint32_t level, uint32_t tag, int64_t growth, uint32_t edit)
{
    const struct dcm_survey *s = p->survey;
    uint32_t node = interest_child(s->interest, s->levels[level].node, tag);
    uint32_t found = node != NONE ? planner_slot(s, level, node)->found : NONE;
    if (found != NONE)
        delta_add(&p->found_delta[found], growth, edit);
}

void planner_grow(struct planner *p, uint32_t level, uint32_t found, uint32_t tag, int64_t growth,
                  uint32_t edit)
{
    const struct dcm_survey *s = p->survey;
    if (found != NONE)
        delta_add(&p->found_delta[found], growth, edit);
    for (;;) {
        counter_grow(p, level, tag & 0xFFFF0000, growth, edit);
        delta_add(&p->level_delta[level], growth, edit);
        found = s->levels[level].found;
        if (found == NONE)
            break;
        delta_add(&p->found_delta[found], growth, edit);
        tag = s->found[found].tag;
        level = s->found[found].level;
    }
    counter_grow(p, level, DCM_LENGTH_TO_END, growth, edit);
}

static enum result length_add(struct planner *p, uint32_t level, uint64_t offset, uint32_t length,
                              bool big_endian, uint32_t edit)
{
    enum result result =
        SURVEY_GROW(p->operations, p->operation_capacity, p->operation_count + 1, DCM_PLAN_CHANGES);
    if (result != OK)
        return result;
    struct operation *o = &p->operations[p->operation_count];
    memset(o, 0, sizeof *o);
    o->kind = OPERATION_LENGTH;
    o->edit = edit;
    o->level = level;
    o->found = NONE;
    o->item = NONE;
    o->order = p->operation_count++;
    o->depth = p->survey->levels[level].depth;
    o->offset = offset;
    o->end = offset + 4;
    o->value_at = p->values.length;
    o->value_length = 4;
    return value_integer_append(&p->values, length, 4, big_endian);
}

static bool is_length(int64_t length)
{
    return length >= 0 && length < (int64_t)DCM_LENGTH_UNDEFINED;
}

// A sequence or item of defined length, whose 32-bit length is the last of its header in every syntax.
static enum result container_length(struct planner *p, uint32_t level, uint64_t value_offset, uint32_t length,
                                    bool big_endian, const struct delta *delta)
{
    int64_t grown = (int64_t)length + delta->growth;
    if (length == DCM_LENGTH_UNDEFINED || delta->growth == 0)
        return OK;
    if (!is_length(grown)) {
        struct operation blamed = {.edit = delta->edit, .level = level};
        return planner_problem(p, &blamed, DCM_PROBLEM_TOO_LARGE);
    }
    return length_add(p, level, value_offset - 4, (uint32_t)grown, big_endian, delta->edit);
}

// An element whose value counts bytes. One that would leave its range was nonsense before: it stays.
static enum result counter_length(struct planner *p, const struct found *f, const struct delta *delta)
{
    struct slice value = survey_value(p->survey, f);
    bool big_endian = p->survey->levels[f->level].big_endian;
    if (f->kind != STRUCTURE_PLAIN || f->length != 4 || !f->is_whole || delta->growth == 0 ||
        f->vr != DCM_VR_UL)
        return OK;
    uint32_t number = 0;
    for (unsigned i = 0; i < 4; i++)
        number = number << 8 | value.data[big_endian ? i : 3 - i];
    int64_t grown = (int64_t)number + delta->growth;
    if (!is_length(grown))
        return OK;
    return length_add(p, f->level, f->value_offset, (uint32_t)grown, big_endian, delta->edit);
}

enum result planner_lengths(struct planner *p)
{
    const struct dcm_survey *s = p->survey;
    enum result result = OK;
    for (uint32_t i = 0; result == OK && i < s->found_count; i++) {
        const struct found *f = &s->found[i];
        if (dcm_tag_element(f->tag) == 0 || f->tag == DCM_LENGTH_TO_END)
            result = counter_length(p, f, &p->found_delta[i]);
        else if (f->kind == STRUCTURE_SEQUENCE && !p->found_gone[i])
            result = container_length(p, f->level, f->value_offset, f->length, s->levels[f->level].big_endian,
                                      &p->found_delta[i]);
    }
    for (uint32_t i = 1; result == OK && i < s->level_count; i++) {
        const struct level *level = &s->levels[i];
        if (!p->level_gone[i])
            result = container_length(p, i, level->value_offset, level->length, level->big_endian,
                                      &p->level_delta[i]);
    }
    if (result == OK && p->operation_count > 0)
        qsort(p->operations, p->operation_count, sizeof *p->operations, planner_compare);
    return result;
}
