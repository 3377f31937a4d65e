// SPDX-License-Identifier: Apache-2.0
//
// The elements of one instance that a program looks at: as they came, and as rules have left them. An element
// that is not there but could be put there counts too (with [*]: one for each item). Private to rules/engine;
// one thread.
#pragma once

#include "bytes.h"
#include "dcm/survey.h"
#include "program.h"

struct rules_match;

struct live_state {
    bool is_present;
    bool is_read;      // `text` is valid
    size_t padding;    // bytes behind the text as it came
    struct slice text; // UTF-8, all values, without what pads it
};

struct live {
    size_t watch;                  // place in the program
    enum dcm_vr vr;                // of its values; DCM_VR_NONE: not known
    struct dcm_found found;        // where it came; not looked at if it did not
    uint32_t item[DCM_PATH_DEPTH]; // of the sequences above it
    uint32_t level;                // whose character set is in force
    bool is_repeated;              // more than one of it is in the same item; this is the first
    struct live_state was;
    struct live_state is;
};

struct sight {
    const struct rules_program *program;
    const struct dcm_survey *survey;
    struct live *live;
    size_t live_count;
    uint32_t seen[DCM_PATH_DEPTH]; // survey cursors of the search for the sequences on the way to a watch
    size_t *place;                 // of each watch's lives, one run after the other
    size_t place_count;
    struct lives {
        size_t first; // in `place`
        size_t count;
        bool is_hidden; // more may be in a sequence that can not be looked into
    } * watch;
};

// The values of an element, one after the other, without padding.
struct values {
    struct slice rest;
    struct slice piece; // of the last one, with its padding
    size_t count;       // given so far
    bool is_multiple;
    bool is_finished;
};

MUST_USE enum result sight_new(struct sight *sight);
void sight_free(struct sight *sight);

// Takes in what the survey has found. ERR_LIMIT: more than a match looks at.
MUST_USE enum result sight_take(struct sight *sight, const struct rules_program *program,
                                const struct dcm_survey *survey);

struct lives sight_lives(const struct sight *sight, const struct element *element);
// Does the survey not tell all of the element? NULL: no element, which is seen.
bool sight_is_hidden(const struct sight *sight, const struct element *element);
struct live *live_at(const struct sight *sight, struct lives lives, size_t place);

// As the rule names it.
const struct element *sight_element(const struct sight *sight, const struct live *live);
// The path with the numbers of its items.
void live_path(const struct sight *sight, const struct live *live, struct dcm_path *path);
// Two names of one element.
bool live_is_same(const struct sight *sight, const struct live *a, const struct live *b);
// Is there no value in it?
bool live_is_empty(const struct live *live);

// ---- live.c: values, with the character set; ERR_REFUSED as in match_private.h ----

MUST_USE enum result live_values(struct rules_match *match, struct live *live, const struct element *element,
                                 struct values *values);
bool values_next(struct values *values, struct slice *value);

// Gives the element this text. `is_anew`: also where only the padding differs.
MUST_USE enum result live_write(struct rules_match *match, struct live *live, enum dcm_vr vr,
                                struct slice text, bool is_anew);
MUST_USE enum result live_remove(struct rules_match *match, struct live *live);
