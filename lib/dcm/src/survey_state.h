// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct dcm_survey, shared by survey.c (the walk), survey_read.c (questions), planner_*.c and
// plan_make.c. All lists are indices into growing arrays, NONE at their ends.
#pragma once

#include "base/grow.h"
#include "dcm/survey.h"
#include "inflater.h"
#include "interest.h"
#include "structure.h"
#include "wiped.h"

#define UNSET UINT64_MAX

struct found {
    uint32_t node;
    uint32_t level;
    uint32_t next;   // of the same node; those of one level are neighbours
    uint32_t levels; // items that were looked into, first of a list
    uint32_t last_level;
    uint32_t tag;
    uint32_t length;
    uint32_t items;
    enum dcm_vr vr;
    enum structure_kind kind;
    bool is_explicit; // the header has a VR
    bool is_repeated;
    bool is_whole;
    uint64_t header_offset;
    uint64_t value_offset;
    uint64_t content_end; // of the value without its delimitation
    uint64_t end_offset;
    size_t kept_at;
    size_t kept; // bytes
};

struct level {
    uint32_t node;  // whose children stand here
    uint32_t found; // the sequence; NONE: the data set
    uint32_t next;  // item of the same sequence
    uint32_t item;
    uint32_t length;
    uint32_t slots;        // first of one for each child of the node
    uint32_t passed;       // children whose place is known, of those without creator
    uint32_t reservations; // first of a list
    unsigned depth;        // enclosing sequences
    bool implicit_vr;
    bool big_endian;
    uint64_t header_offset;
    uint64_t value_offset;
    uint64_t content_end;
    uint64_t end_offset;
};

// One child of a node in one level.
struct slot {
    uint32_t found;     // first of that level, or NONE
    uint32_t tag;       // by creator: what it has in the creator's block; 0: no block
    uint64_t insertion; // where it would have to stand if it is absent: before the first greater tag. By
                        // creator without a block: behind the last element of its group
    uint64_t reserving; // by creator: where the reservation of a new block would have to stand
};

// A private block that is in use in a level.
struct reservation {
    uint32_t next;
    uint32_t tag;  // (gggg,00bb)
    uint32_t node; // a child of that creator; NONE: another's, or nobody's
};

struct chain {
    uint32_t first;
    uint32_t last;
};

struct dcm_survey {
    uint32_t magic;
    const struct dcm_interest *interest;
    struct structure structure;
    struct inflater inflater;
    uint64_t inflated_limit;
    bool is_complete;
    uint64_t header_length;

    struct chain *chains; // for each node
    uint32_t chains_capacity;
    struct found *found;
    uint32_t found_count;
    size_t found_capacity;
    struct level *levels;
    uint32_t level_count;
    size_t level_capacity;
    struct slot *slots;
    uint32_t slot_count;
    size_t slot_capacity;
    struct reservation *reservations;
    uint32_t reservation_count;
    size_t reservation_capacity;
    struct wiped_bytes kept;

    // During the walk, by depth of the structure.
    uint32_t open_level[DCM_DEPTH_LIMIT + 1]; // of the item that is open; NONE: not of interest
    uint32_t open_found[DCM_DEPTH_LIMIT + 1]; // the sequence or value that is open in that level
    uint32_t keeping;                         // outermost found whose bytes are being kept
    uint32_t creator_level;                   // where a private creator is being read; NONE
    uint32_t creator_tag;
    size_t creator_length;
    uint8_t creator[DCM_CREATOR_SIZE + 2];
};

// ARRAY_GROW(), up to a limit (ERR_LIMIT): for numbers, which are no patient data. Evaluates `wanted` twice.
#define SURVEY_GROW(items, capacity, wanted, limit)                                                          \
    ((wanted) > (limit) ? ERR_LIMIT : ARRAY_GROW(items, capacity, wanted))

// The block that a creator's node has in a level: the tag of its element there, or 0.
uint32_t survey_private_tag(const struct dcm_survey *survey, const struct level *level, uint32_t node);
struct slice survey_value(const struct dcm_survey *survey, const struct found *found);
