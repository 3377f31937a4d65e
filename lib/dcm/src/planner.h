// SPDX-License-Identifier: Apache-2.0
//
// How a plan is made, in three steps over one list of operations: planner_resolve.c finds the places that the
// edits mean, planner_encode.c makes the bytes of values and of what is new, planner_lengths.c changes the
// lengths around them. plan_make.c leads. All of it lives as long as one call of dcm_plan_make.
#pragma once

#include "plan.h"
#include "survey_state.h"
#include "value.h"

enum operation_kind {
    OPERATION_CREATE, // what is missing, at an offset
    OPERATION_VALUE,  // another value for an element that is there
    OPERATION_REMOVE, // element or item
    OPERATION_LENGTH, // of what is around the others
};

struct step {
    uint32_t tag;
    uint32_t item;
};

struct operation {
    enum operation_kind kind;
    uint32_t edit;       // index; of a reservation: of the element that needs it
    uint32_t level;      // in which it acts
    uint32_t found;      // value, remove: the element; create: the sequence that gets a new item; else NONE
    uint32_t item;       // remove: level of the item that goes, or NONE
    uint32_t order;      // of making, so that sorting is stable
    unsigned depth;      // of the level
    uint64_t offset;     // where it begins
    uint64_t end;        // behind the old bytes
    const char *creator; // of a block that is reserved; else NULL
    enum dcm_vr vr;      // of the new value
    uint32_t creation; // create: its number among those that edits ask for; else, and of a reservation, NONE
    bool is_dropped;   // the value is there already
    uint32_t count;    // create: steps from the level down
    struct step step[DCM_PATH_DEPTH + 1];
    size_t value_at; // encoded value, in planner.values
    size_t value_length;
};

// A private block that the plan reserves: in a level, or in an item that the plan makes (count > 0).
struct block {
    uint32_t level;
    uint32_t count;
    struct step step[DCM_PATH_DEPTH + 1];
    uint32_t tag; // (gggg,00bb)
    const char *creator;
};

struct delta {
    int64_t growth;
    uint32_t edit; // one that is to blame
};

struct planner {
    const struct dcm_survey *survey;
    struct dcm_text *text;
    const struct dcm_edit *edits;
    size_t edit_count;
    struct dcm_problem *problem;

    struct operation *operations;
    uint32_t operation_count;
    size_t operation_capacity;
    struct block *blocks;
    uint32_t block_count;
    size_t block_capacity;
    uint32_t *pending; // levels that an edit has still to look into
    uint32_t pending_count;
    size_t pending_capacity;
    uint8_t *placeless; // for each creation: an item before it is missing
    uint32_t placeless_count;
    size_t placeless_capacity;
    uint32_t creation_count;
    uint8_t *found_gone; // for each found, for each level: removed, or its value replaced
    uint8_t *level_gone;
    struct delta *found_delta;
    struct delta *level_delta;
    struct wiped_bytes values;
    struct wiped_bytes made; // of one run of new elements
    struct plan_builder builder;
};

// ERR_ARGUMENT, with the problem filled in: of an operation, or of an edit that has none.
enum result planner_problem(struct planner *p, const struct operation *operation,
                            enum dcm_problem_reason reason);
enum result planner_edit_problem(struct planner *p, uint32_t edit, enum dcm_problem_reason reason);

// How what an operation makes is encoded.
struct encoding planner_encoding(const struct planner *p, const struct operation *operation);

static inline const struct slot *planner_slot(const struct dcm_survey *s, uint32_t level, uint32_t node)
{
    const struct level *l = &s->levels[level];
    return &s->slots[l->slots + node - s->interest->nodes[l->node].children];
}

// In the order of the new stream. At one offset what ends deeper comes first, and what is new before what is
// there.
int planner_compare(const void *left, const void *right);

// planner_resolve.c: edits to operations, sorted; reservations among them.
MUST_USE enum result planner_resolve(struct planner *p);
// planner_encode.c: the values.
MUST_USE enum result planner_values(struct planner *p);
// A run of new elements with the same top-level step, from operation `first` on: *after is the next one, and
// p->made their bytes.
MUST_USE enum result planner_run(struct planner *p, uint32_t first, uint32_t *after);
// planner_lengths.c: that so many bytes more stand in a level (in a sequence of it, unless NONE), in the
// group of `tag`.
void planner_grow(struct planner *p, uint32_t level, uint32_t found, uint32_t tag, int64_t growth,
                  uint32_t edit);
// Operations of kind LENGTH for all that grew.
MUST_USE enum result planner_lengths(struct planner *p);
