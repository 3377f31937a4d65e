// SPDX-License-Identifier: Apache-2.0
//
// See sight.h.
#include "sight.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define PLACES_MOST (2 * RULES_LIVES)

enum result sight_new(struct sight *sight)
{
    sight->live = calloc(RULES_LIVES, sizeof *sight->live);
    sight->place = calloc(PLACES_MOST, sizeof *sight->place);
    sight->watch = calloc(RULES_ELEMENTS, sizeof *sight->watch);
    return sight->live != NULL && sight->place != NULL && sight->watch != NULL ? OK : ERR_NOMEM;
}

void sight_free(struct sight *sight)
{
    free(sight->live);
    free(sight->place);
    free(sight->watch);
}

static const struct watch *watch_of(const struct sight *sight, const struct live *live)
{
    return &sight->program->watch[live->watch];
}

const struct element *sight_element(const struct sight *sight, const struct live *live)
{
    return watch_of(sight, live)->element;
}

void live_path(const struct sight *sight, const struct live *live, struct dcm_path *path)
{
    *path = watch_of(sight, live)->element->path;
    for (uint32_t i = 0; i < path->depth; i++)
        path->step[i].item = live->item[i];
}

bool live_is_same(const struct sight *sight, const struct live *a, const struct live *b)
{
    const struct dcm_path *one = &watch_of(sight, a)->element->path;
    const struct dcm_path *other = &watch_of(sight, b)->element->path;
    if (one->depth != other->depth || one->is_item != other->is_item ||
        memcmp(a->item, b->item, one->depth * sizeof *a->item) != 0)
        return false;
    if (one->is_item && one->step[one->depth].item != other->step[other->depth].item)
        return false;
    if (a->was.is_present && b->was.is_present)
        return a->found.header_offset == b->found.header_offset;
    for (uint32_t i = 0; i <= one->depth; i++)
        if (one->step[i].tag != other->step[i].tag ||
            strcmp(one->step[i].creator, other->step[i].creator) != 0)
            return false;
    return a->was.is_present == b->was.is_present;
}

// ---- what the survey has found ----

static enum result live_add(struct sight *sight, const struct live *live)
{
    size_t place = sight->live_count;
    if (sight->program->watch[live->watch].has_alias)
        for (place = 0; place < sight->live_count; place++)
            if (live_is_same(sight, &sight->live[place], live))
                break;
    if (sight->place_count == PLACES_MOST || place == RULES_LIVES)
        return ERR_LIMIT;
    if (place == sight->live_count)
        sight->live[sight->live_count++] = *live;
    sight->place[sight->place_count++] = place;
    sight->watch[live->watch].count++;
    return OK;
}

// UN hides what the dictionary knows (PS3.5 6.2.2).
static enum dcm_vr vr_of(const struct element *element, enum dcm_vr written)
{
    return written == DCM_VR_UN || written == DCM_VR_NONE ? element->vr : written;
}

static bool is_item_there(const struct dcm_path *path, const struct dcm_found *found)
{
    uint32_t item = path->step[path->depth].item;
    return !path->is_item || (item == DCM_ITEM_ALL ? found->items > 0 : item < found->items);
}

// The one of the same watch in the same items, or NULL.
static struct live *live_there(const struct sight *sight, const struct live *live)
{
    struct lives lives = sight->watch[live->watch];
    uint32_t depth = watch_of(sight, live)->element->path.depth;
    for (size_t i = 0; i < lives.count; i++)
        if (memcmp(live_at(sight, lives, i)->item, live->item, depth * sizeof *live->item) == 0)
            return live_at(sight, lives, i);
    return NULL;
}

// What is there. Of an element that is repeated in one item, or in items of the same number of a repeated
// sequence, the first stands for all, as an edit is made in all; values may not be read from it.
static enum result found_add(struct sight *sight, size_t place)
{
    const struct watch *watch = &sight->program->watch[place];
    uint32_t cursor = 0;
    struct live live = {.watch = place};
    while (dcm_survey_next(sight->survey, watch->path, &cursor, &live.found)) {
        if (!is_item_there(&watch->element->path, &live.found))
            continue;
        live.vr = vr_of(watch->element, live.found.vr);
        live.level = live.found.level;
        live.was.is_present = true;
        live.is = live.was;
        memcpy(live.item, live.found.item, sizeof live.item);
        struct live *first = live_there(sight, &live);
        if (first != NULL)
            first->is_repeated = true;
        if (first != NULL || live.found.is_repeated)
            continue;
        enum result result = live_add(sight, &live);
        if (result != OK)
            return result;
    }
    return OK;
}

static int items_compare(const uint32_t *a, const uint32_t *b, uint32_t depth)
{
    for (uint32_t i = 0; i < depth; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

// The sequence on the way at `depth`, in the items that `live` has so far. Items are asked for in the order
// of the stream, so that the search goes on where the last one has ended: there may be thousands.
static bool sequence_find(struct sight *sight, const struct live *live, uint32_t depth,
                          struct dcm_found *found)
{
    uint32_t *seen = &sight->seen[depth];
    for (uint32_t cursor = *seen;
         dcm_survey_next(sight->survey, watch_of(sight, live)->parent[depth], &cursor, found);
         *seen = cursor) {
        int order = items_compare(found->item, live->item, depth);
        if (order > 0)
            return false;
        if (order == 0 && !found->is_repeated)
            return true;
    }
    return false;
}

// UN of defined length, or no sequence at all, with something in it.
static bool hides(const struct dcm_found *sequence)
{
    return !sequence->is_sequence && sequence->length > 0;
}

// Is one of the sequences on the way such a one? Or the one whose item is meant?
static void hidden_find(struct sight *sight, size_t place)
{
    const struct watch *watch = &sight->program->watch[place];
    const struct dcm_path *path = &watch->element->path;
    uint32_t sequences = path->depth + (path->is_item ? 1 : 0);
    for (uint32_t depth = 0; depth < sequences; depth++) {
        struct dcm_found found;
        uint32_t cursor = 0;
        size_t at = depth < path->depth ? watch->parent[depth] : watch->path;
        while (!sight->watch[place].is_hidden && dcm_survey_next(sight->survey, at, &cursor, &found))
            sight->watch[place].is_hidden = hides(&found);
    }
}

bool sight_is_hidden(const struct sight *sight, const struct element *element)
{
    return element != NULL && sight_lives(sight, element).is_hidden;
}

// Adds the places where the element is not but could be put: in each item of a [*], and for a number in an
// item that is there or would be the next. `is_new`: inside an item that is not there.
static enum result absent_add(struct sight *sight, struct live *live, uint32_t depth, bool is_new)
{
    const struct dcm_path *path = &watch_of(sight, live)->element->path;
    struct dcm_found sequence = {.items = 0};
    if (depth == path->depth)
        return live_there(sight, live) != NULL ? OK : live_add(sight, live);
    bool is_found = !is_new && sequence_find(sight, live, depth, &sequence);
    uint32_t count = is_found ? sequence.items : 0;
    uint32_t number = path->step[depth].item;
    live->level = is_found ? sequence.level : live->level;
    if (number != DCM_ITEM_ALL) {
        live->item[depth] = number;
        return number <= count ? absent_add(sight, live, depth + 1, number == count) : OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        live->item[depth] = i;
        enum result result = absent_add(sight, live, depth + 1, false);
        if (result != OK)
            return result;
    }
    return OK;
}

enum result sight_take(struct sight *sight, const struct rules_program *program,
                       const struct dcm_survey *survey)
{
    sight->program = program;
    sight->survey = survey;
    sight->live_count = 0;
    sight->place_count = 0;
    for (size_t i = 0; i < program->watch_count; i++) {
        const struct element *element = program->watch[i].element;
        struct live absent = {.watch = i, .vr = element->vr};
        sight->watch[i] = (struct lives){.first = sight->place_count};
        memset(sight->seen, 0, sizeof sight->seen);
        enum result result = found_add(sight, i);
        hidden_find(sight, i);
        if (result == OK && !element->path.is_item)
            result = absent_add(sight, &absent, 0, false);
        if (result != OK)
            return result;
    }
    return OK;
}

struct lives sight_lives(const struct sight *sight, const struct element *element)
{
    for (size_t i = 0; i < sight->program->watch_count; i++)
        if (sight->program->watch[i].element == element)
            return sight->watch[i];
    unreachable_state(); // every element of a rule is watched
}

struct live *live_at(const struct sight *sight, struct lives lives, size_t place)
{
    return &sight->live[sight->place[lives.first + place]];
}

bool live_is_empty(const struct live *live)
{
    if (live->is.is_read)
        return slice_trimmed(live->is.text).length == 0;
    if (live->found.is_sequence)
        return live->found.items == 0;
    if (live->found.length == 0)
        return true;
    // Spaces alone are no value (PS3.5 6.2), where the value is text.
    return dcm_vr_info(live->vr)->is_text && live->found.is_whole &&
           slice_trimmed(live->found.value).length == 0;
}
