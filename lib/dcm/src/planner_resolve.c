// SPDX-License-Identifier: Apache-2.0
//
// Finds the places in the data set that edits mean: see planner.h.
#include "planner.h"
#include <stdlib.h>

// The nodes of an edit's path, one for each step.
struct trail {
    const struct dcm_edit *edit;
    uint32_t index;
    uint32_t node[DCM_PATH_DEPTH + 1];
};

static bool makes(const struct dcm_edit *edit)
{
    return edit->operation == DCM_EDIT_SET || edit->operation == DCM_EDIT_INSERT;
}

static enum result operation_new(struct planner *p, struct operation **operation)
{
    enum result result =
        SURVEY_GROW(p->operations, p->operation_capacity, p->operation_count + 1, DCM_PLAN_CHANGES);
    if (result != OK)
        return result;
    *operation = &p->operations[p->operation_count];
    memset(*operation, 0, sizeof **operation);
    (*operation)->order = p->operation_count++;
    (*operation)->found = NONE;
    (*operation)->item = NONE;
    (*operation)->creation = NONE;
    return OK;
}

// Counts what edits may make, in the same order in each round: whether this one was found to have no place.
static enum result creation_count(struct planner *p, uint32_t *creation, bool *is_placeless)
{
    *creation = p->creation_count++;
    if (*creation == p->placeless_count) {
        enum result result =
            SURVEY_GROW(p->placeless, p->placeless_capacity, p->placeless_count + 1, DCM_PLAN_CHANGES);
        if (result != OK)
            return result;
        p->placeless[p->placeless_count++] = 0;
    }
    *is_placeless = p->placeless[*creation] != 0;
    return OK;
}

// ---- private blocks ----

static bool steps_are_equal(const struct step *a, const struct step *b, uint32_t count)
{
    return memcmp(a, b, count * sizeof *a) == 0;
}

// The highest block in use in the place, or 0x0F.
static uint32_t highest_block(const struct planner *p, const struct operation *o, uint32_t place,
                              uint32_t tag)
{
    uint32_t highest = 0x0F;
    const struct dcm_survey *s = p->survey;
    for (uint32_t i = s->levels[o->level].reservations; place == 0 && i != NONE; i = s->reservations[i].next)
        if (dcm_tag_group(s->reservations[i].tag) == dcm_tag_group(tag) &&
            (s->reservations[i].tag & 0xFF) > highest)
            highest = s->reservations[i].tag & 0xFF;
    for (uint32_t i = 0; i < p->block_count; i++) {
        const struct block *b = &p->blocks[i];
        if (b->level == o->level && b->count == place && steps_are_equal(b->step, o->step, place) &&
            dcm_tag_group(b->tag) == dcm_tag_group(tag) && (b->tag & 0xFF) > highest)
            highest = b->tag & 0xFF;
    }
    return highest;
}

static const struct block *block_find(const struct planner *p, const struct operation *o, uint32_t place,
                                      const struct dcm_path_step *wanted)
{
    for (uint32_t i = 0; i < p->block_count; i++) {
        const struct block *b = &p->blocks[i];
        if (b->level == o->level && b->count == place && steps_are_equal(b->step, o->step, place) &&
            dcm_tag_group(b->tag) == dcm_tag_group(wanted->tag) && strcmp(b->creator, wanted->creator) == 0)
            return b;
    }
    return NULL;
}

// Reserves a block in the place that the first `place` steps of the operation lead to, 0: the level itself.
static enum result block_reserve(struct planner *p, const struct operation *o, uint32_t place,
                                 const struct dcm_path_step *wanted, uint64_t offset, uint32_t *block)
{
    uint32_t highest = highest_block(p, o, place, wanted->tag);
    if (highest == 0xFF)
        return planner_problem(p, o, DCM_PROBLEM_NO_BLOCK);
    enum result result = SURVEY_GROW(p->blocks, p->block_capacity, p->block_count + 1, DCM_PLAN_CHANGES);
    struct operation *made;
    if (result == OK)
        result = operation_new(p, &made);
    if (result != OK)
        return result;
    struct block *b = &p->blocks[p->block_count++];
    *b = (struct block){.level = o->level,
                        .count = place,
                        .tag = (wanted->tag & 0xFFFF0000) | (highest + 1),
                        .creator = wanted->creator};
    memcpy(b->step, o->step, place * sizeof *b->step);
    uint32_t order = made->order;
    *made = *o;
    made->order = order;
    made->creation = NONE;
    made->offset = offset;
    made->end = offset;
    made->found = place > 0 ? o->found : NONE;
    made->creator = wanted->creator;
    made->vr = DCM_VR_LO;
    made->count = place + 1;
    made->step[place] = (struct step){b->tag, 0};
    *block = b->tag & 0xFF;
    return OK;
}

// ---- what is missing ----

// The tag that a step by creator has where the operation leads to at this step.
static enum result created_tag(struct planner *p, const struct operation *o, uint32_t place,
                               const struct dcm_path_step *step, uint32_t node, uint32_t *tag)
{
    const struct level *level = &p->survey->levels[o->level];
    *tag = place == 0 ? survey_private_tag(p->survey, level, node) : 0;
    if (*tag != 0)
        return OK;
    const struct block *known = block_find(p, o, place, step);
    uint32_t block = known != NULL ? known->tag & 0xFF : 0;
    if (known == NULL) {
        uint64_t offset = place == 0 ? planner_slot(p->survey, o->level, node)->reserving : o->offset;
        enum result result = block_reserve(p, o, place, step, offset, &block);
        if (result != OK)
            return result;
    }
    *tag = (step->tag & 0xFFFF0000) | block << 8 | (step->tag & 0xFF);
    return OK;
}

// Everything from the path's step `from` on is missing in the level; `found`: but for that sequence, which
// gets a new item of this number.
static enum result create(struct planner *p, const struct trail *t, uint32_t level, uint32_t found)
{
    const struct dcm_survey *s = p->survey;
    const struct dcm_path *path = t->edit->path;
    uint32_t from = s->levels[level].depth;
    struct operation made;
    bool is_placeless;
    memset(&made, 0, sizeof made);
    enum result result = creation_count(p, &made.creation, &is_placeless);
    if (result != OK || is_placeless)
        return result;
    made.kind = OPERATION_CREATE;
    made.edit = t->index;
    made.level = level;
    made.found = found;
    made.item = NONE;
    made.offset =
        found != NONE ? s->found[found].content_end : planner_slot(s, level, t->node[from])->insertion;
    made.end = made.offset;
    for (uint32_t i = from; i <= path->depth; i++) {
        const struct dcm_path_step *step = &path->step[i];
        struct step *to = &made.step[made.count];
        uint32_t item = step->item == DCM_ITEM_NEW ? 0 : step->item;
        if (i == from && found != NONE)
            item = step->item == DCM_ITEM_NEW ? s->found[found].items : step->item;
        to->item = i < path->depth ? item : 0;
        to->tag = step->tag;
        if (i == from && found != NONE)
            to->tag = s->found[found].tag;
        else if (step->creator[0] != '\0')
            result = created_tag(p, &made, made.count, step, t->node[i], &to->tag);
        if (result != OK)
            return result;
        enum dcm_vr vr = step->creator[0] != '\0' ? DCM_VR_NONE : dcm_dictionary_vr(step->tag);
        if (i < path->depth && vr != DCM_VR_NONE && vr != DCM_VR_SQ)
            return planner_problem(p, &made, DCM_PROBLEM_NOT_A_VALUE);
        made.count++;
    }
    struct operation *o;
    result = operation_new(p, &o);
    if (result != OK)
        return result;
    made.order = o->order;
    *o = made;
    return OK;
}

// [*] means what is there.
static bool is_makable(const struct dcm_path *path, uint32_t from)
{
    for (uint32_t i = from; i < path->depth; i++)
        if (path->step[i].item == DCM_ITEM_ALL)
            return false;
    return !path->is_item;
}

// ---- what is there ----

static enum result element_edit(struct planner *p, const struct trail *t, uint32_t found)
{
    const struct found *f = &p->survey->found[found];
    struct operation *o;
    enum result result = operation_new(p, &o);
    if (result != OK)
        return result;
    bool is_removed = t->edit->operation == DCM_EDIT_REMOVE;
    bool is_short = f->is_explicit && f->value_offset - f->header_offset == 8;
    o->kind = is_removed ? OPERATION_REMOVE : OPERATION_VALUE;
    o->edit = t->index;
    o->level = f->level;
    o->found = found;
    // A new value goes with a new length in front of it.
    o->offset = is_removed ? f->header_offset : f->value_offset - (is_short ? 2 : 4);
    o->end = f->end_offset;
    if (p->found_gone[found])
        return planner_problem(p, o, DCM_PROBLEM_CONFLICT);
    p->found_gone[found] = true;
    return OK;
}

static enum result item_remove(struct planner *p, const struct trail *t, uint32_t found, uint32_t level)
{
    struct operation *o;
    enum result result = operation_new(p, &o);
    if (result != OK)
        return result;
    o->kind = OPERATION_REMOVE;
    o->edit = t->index;
    o->level = p->survey->found[found].level;
    o->found = found;
    o->item = level;
    o->offset = p->survey->levels[level].header_offset;
    o->end = p->survey->levels[level].end_offset;
    if (p->level_gone[level])
        return planner_problem(p, o, DCM_PROBLEM_CONFLICT);
    p->level_gone[level] = true;
    return OK;
}

static enum result pending_add(struct planner *p, uint32_t level)
{
    enum result result =
        SURVEY_GROW(p->pending, p->pending_capacity, p->pending_count + 1, DCM_SURVEY_LEVELS);
    if (result == OK)
        p->pending[p->pending_count++] = level;
    return result;
}

// Into the items of one sequence on the path, or a new one of them.
static enum result sequence_enter(struct planner *p, const struct trail *t, uint32_t level, uint32_t found)
{
    const struct found *f = &p->survey->found[found];
    const struct dcm_path *path = t->edit->path;
    uint32_t at = p->survey->levels[level].depth;
    uint32_t item = path->step[at].item;
    bool is_last = at == path->depth;
    struct operation blamed = {.edit = t->index, .level = level};
    if (f->kind != STRUCTURE_SEQUENCE)
        return planner_problem(p, &blamed, DCM_PROBLEM_OPAQUE);
    bool is_met = false;
    enum result result = OK;
    for (uint32_t i = f->levels; result == OK && i != NONE; i = p->survey->levels[i].next) {
        if (item != DCM_ITEM_ALL && item != p->survey->levels[i].item)
            continue;
        is_met = true;
        result = is_last ? item_remove(p, t, found, i) : pending_add(p, i);
    }
    bool is_new = item == DCM_ITEM_NEW || (item != DCM_ITEM_ALL && item >= f->items);
    if (result == OK && !is_met && is_new && makes(t->edit) && is_makable(path, at) && !f->is_repeated)
        result = create(p, t, level, found);
    return result;
}

static enum result level_edit(struct planner *p, const struct trail *t, uint32_t level)
{
    const struct dcm_survey *s = p->survey;
    const struct dcm_path *path = t->edit->path;
    uint32_t at = s->levels[level].depth;
    uint32_t node = t->node[at];
    uint32_t first = planner_slot(s, level, node)->found;
    bool is_end = at == path->depth && !path->is_item;
    if (first == NONE)
        return makes(t->edit) && is_makable(path, at) ? create(p, t, level, NONE) : OK;
    if (is_end && t->edit->operation == DCM_EDIT_INSERT)
        return OK;
    enum result result = OK;
    for (uint32_t i = first; result == OK && i != NONE && s->found[i].level == level; i = s->found[i].next)
        result = is_end ? element_edit(p, t, i) : sequence_enter(p, t, level, i);
    return result;
}

static enum result trail_find(struct planner *p, struct trail *t)
{
    const struct dcm_path *path = t->edit->path;
    if (dcm_path_refusal(path) != NULL)
        return planner_edit_problem(p, t->index, DCM_PROBLEM_REFUSED);
    if (path->is_item && t->edit->operation != DCM_EDIT_REMOVE)
        return planner_edit_problem(p, t->index, DCM_PROBLEM_NOT_A_VALUE);
    uint32_t node = interest_find(p->survey->interest, path);
    if (node == NONE)
        return planner_edit_problem(p, t->index, DCM_PROBLEM_NOT_SURVEYED);
    for (uint32_t i = path->depth + 1; i-- > 0; node = p->survey->interest->nodes[node].parent)
        t->node[i] = node;
    return OK;
}

static enum result edit_resolve(struct planner *p, uint32_t index)
{
    struct trail trail = {.edit = &p->edits[index], .index = index};
    enum result result = trail_find(p, &trail);
    p->pending_count = 0;
    if (result == OK)
        result = pending_add(p, 0);
    while (result == OK && p->pending_count > 0)
        result = level_edit(p, &trail, p->pending[--p->pending_count]);
    return result;
}

// ---- order and conflicts ----

static int steps_compare(const struct operation *a, const struct operation *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        if (a->step[i].tag != b->step[i].tag)
            return a->step[i].tag < b->step[i].tag ? -1 : 1;
        if (a->step[i].item != b->step[i].item)
            return a->step[i].item < b->step[i].item ? -1 : 1;
    }
    return (a->count > b->count) - (a->count < b->count);
}

int planner_compare(const void *left, const void *right)
{
    const struct operation *a = left;
    const struct operation *b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->depth != b->depth)
        return a->depth > b->depth ? -1 : 1;
    bool a_makes = a->kind == OPERATION_CREATE;
    bool b_makes = b->kind == OPERATION_CREATE;
    if (a_makes != b_makes)
        return a_makes ? -1 : 1;
    int order = steps_compare(a, b);
    return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static bool is_inside_gone(const struct planner *p, const struct operation *o)
{
    const struct dcm_survey *s = p->survey;
    bool has_sequence = o->found != NONE && (o->kind == OPERATION_CREATE || o->item != NONE);
    if (has_sequence && p->found_gone[o->found])
        return true;
    for (uint32_t level = o->level; s->levels[level].found != NONE;) {
        uint32_t found = s->levels[level].found;
        if (p->level_gone[level] || p->found_gone[found])
            return true;
        level = s->found[found].level;
    }
    return false;
}

// Both make the same element, or one makes what the other makes the inside of.
static bool is_same_made(const struct operation *a, const struct operation *b)
{
    if (a->kind != OPERATION_CREATE || b->kind != OPERATION_CREATE || a->offset != b->offset ||
        a->level != b->level || a->found != b->found || a->count > b->count)
        return false;
    for (uint32_t i = 0; i + 1 < a->count; i++)
        if (a->step[i].tag != b->step[i].tag || a->step[i].item != b->step[i].item)
            return false;
    return a->step[a->count - 1].tag == b->step[a->count - 1].tag;
}

static enum result conflicts_find(struct planner *p)
{
    for (uint32_t i = 0; i < p->operation_count; i++) {
        const struct operation *o = &p->operations[i];
        if (is_inside_gone(p, o) || (i > 0 && is_same_made(o - 1, o)))
            return planner_problem(p, o, DCM_PROBLEM_CONFLICT);
    }
    return OK;
}

// ---- what has no place
// ----------------------------------------------------------------------------------------

static bool is_one_run(const struct operation *a, const struct operation *b)
{
    return a->offset == b->offset && a->level == b->level && a->found == b->found &&
           a->step[0].tag == b->step[0].tag;
}

// No item is left out between those that are there, or that the operations before it make, and this one.
// `last`: the one before it that makes something; NULL: none.
static bool is_reachable(const struct planner *p, const struct operation *last, const struct operation *o)
{
    uint32_t items = o->found != NONE ? p->survey->found[o->found].items : 0;
    uint32_t shared = 0;
    uint32_t open = last != NULL && is_one_run(last, o) ? last->count - 1 : 0;
    while (shared < open && shared + 1 < o->count && last->step[shared].tag == o->step[shared].tag &&
           last->step[shared].item == o->step[shared].item)
        shared++;
    for (uint32_t i = shared; i + 1 < o->count; i++) {
        bool is_next = i == shared && i < open && last->step[i].tag == o->step[i].tag;
        uint32_t expected = is_next ? last->step[i].item + 1 : i == 0 ? items : 0;
        if (o->step[i].item != expected)
            return false;
    }
    return true;
}

// Marks what would make an item behind one that is missing; false: there is none. A reservation has its place
// by the element that needs it.
static bool placeless_mark(struct planner *p)
{
    const struct operation *last = NULL;
    bool is_any = false;
    for (uint32_t i = 0; i < p->operation_count; i++) {
        const struct operation *o = &p->operations[i];
        if (o->creation == NONE)
            continue;
        if (is_reachable(p, last, o)) {
            last = o;
            continue;
        }
        p->placeless[o->creation] = 1;
        is_any = true;
    }
    return is_any;
}

static enum result operations_find(struct planner *p)
{
    enum result result = OK;
    p->operation_count = 0;
    p->block_count = 0;
    p->creation_count = 0;
    memset(p->found_gone, 0, p->survey->found_count);
    memset(p->level_gone, 0, p->survey->level_count);
    for (uint32_t i = 0; result == OK && i < p->edit_count; i++)
        result = edit_resolve(p, i);
    if (result != OK)
        return result;
    for (uint32_t i = 0; i < p->operation_count; i++)
        p->operations[i].depth = p->survey->levels[p->operations[i].level].depth;
    if (p->operation_count > 0)
        qsort(p->operations, p->operation_count, sizeof *p->operations, planner_compare);
    return OK;
}

// Once more without what has no place: nor may it take a private block from others.
enum result planner_resolve(struct planner *p)
{
    enum result result;
    do
        result = operations_find(p);
    while (result == OK && placeless_mark(p));
    return result == OK ? conflicts_find(p) : result;
}
