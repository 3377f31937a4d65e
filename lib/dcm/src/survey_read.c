// SPDX-License-Identifier: Apache-2.0
//
// What may be asked of a survey: see dcm/survey.h. The owner's thread.
#include "base/check.h"
#include "survey_state.h"

uint64_t dcm_survey_range_length(const struct dcm_survey *s)
{
    return s->structure.pixel_value_offset > 0 ? s->structure.pixel_value_offset : s->header_length;
}

const struct dcm_scan_failure *dcm_survey_failure(const struct dcm_survey *s)
{
    return s->structure.failure.reason != DCM_SCAN_FINE ? &s->structure.failure : NULL;
}

unsigned dcm_survey_flags(const struct dcm_survey *s)
{
    return s->structure.flags;
}

struct slice survey_value(const struct dcm_survey *s, const struct found *found)
{
    return found->kept > 0 ? slice_of(s->kept.data + found->kept_at, found->kept) : slice_of(NULL, 0);
}

static void items_of(const struct dcm_survey *s, uint32_t level, uint32_t *depth,
                     uint32_t item[DCM_PATH_DEPTH])
{
    uint32_t count = 0;
    for (uint32_t at = level; s->levels[at].found != NONE; at = s->found[s->levels[at].found].level)
        count++;
    *depth = count;
    for (uint32_t at = level; s->levels[at].found != NONE; at = s->found[s->levels[at].found].level)
        item[--count] = s->levels[at].item;
}

static bool is_named(const struct interest_path *path, const struct dcm_found *found)
{
    for (uint32_t i = 0; i < path->depth; i++)
        if (path->item[i] != DCM_ITEM_ALL && path->item[i] != found->item[i])
            return false;
    return true;
}

static void found_tell(const struct dcm_survey *s, const struct found *from, struct dcm_found *to)
{
    memset(to, 0, sizeof *to);
    to->tag = from->tag;
    to->vr = from->vr;
    to->length = from->length;
    to->header_offset = from->header_offset;
    to->value_offset = from->value_offset;
    to->end_offset = from->end_offset;
    to->level = from->level;
    to->items = from->items;
    to->is_sequence = from->kind == STRUCTURE_SEQUENCE;
    to->is_whole = from->is_whole;
    to->is_repeated = from->is_repeated;
    to->value = survey_value(s, from);
    items_of(s, from->level, &to->depth, to->item);
}

// The cursor is the number of the next element to look at, plus one.
bool dcm_survey_next(const struct dcm_survey *s, size_t path, uint32_t *cursor, struct dcm_found *found)
{
    ensure(path < s->interest->path_count);
    const struct interest_path *wanted = &s->interest->paths[path];
    uint32_t at = *cursor == 0 ? s->chains[wanted->node].first : s->found[*cursor - 1].next;
    for (; at != NONE; at = s->found[at].next) {
        struct dcm_found told;
        found_tell(s, &s->found[at], &told);
        if (!is_named(wanted, &told))
            continue;
        *found = told;
        *cursor = at + 1;
        return true;
    }
    return false;
}

bool dcm_survey_first(const struct dcm_survey *s, size_t path, struct dcm_found *found)
{
    uint32_t cursor = 0;
    return dcm_survey_next(s, path, &cursor, found);
}

void dcm_survey_path(const struct dcm_survey *s, size_t path, const struct dcm_found *found,
                     struct dcm_path *concrete)
{
    ensure(path < s->interest->path_count);
    struct dcm_path made;
    memset(&made, 0, sizeof made);
    made.depth = found->depth;
    uint32_t node = s->interest->paths[path].node;
    for (uint32_t i = found->depth + 1; i-- > 0; node = s->interest->nodes[node].parent) {
        made.step[i].tag = s->interest->nodes[node].tag;
        memcpy(made.step[i].creator, s->interest->nodes[node].creator, sizeof made.step[i].creator);
        made.step[i].item = i < found->depth ? found->item[i] : 0;
    }
    *concrete = made;
}

// Of one level the first (0008,0005) counts; without one what encloses it rules.
static struct dcm_charset charset_of(const struct dcm_survey *s, uint32_t at, struct slice *value)
{
    *value = slice_of(NULL, 0);
    for (;;) {
        const struct level *level = &s->levels[at];
        uint32_t node = interest_child(s->interest, level->node, DCM_SPECIFIC_CHARACTER_SET);
        uint32_t found = node != NONE
                             ? s->slots[level->slots + node - s->interest->nodes[level->node].children].found
                             : NONE;
        if (found != NONE && !s->found[found].is_whole) // a part may name another set
            return dcm_charset_parse(slice_of_text("?"));
        if (found != NONE) {
            *value = survey_value(s, &s->found[found]);
            return dcm_charset_parse(*value);
        }
        if (level->found == NONE)
            return dcm_charset_parse(slice_of(NULL, 0));
        at = s->found[level->found].level;
    }
}

void dcm_survey_level(const struct dcm_survey *s, uint32_t at, struct dcm_level *info)
{
    ensure(at < s->level_count);
    const struct level *level = &s->levels[at];
    *info = (struct dcm_level){
        .sequence = level->found != NONE ? s->found[level->found].tag : 0,
        .item = level->item,
        .length = level->length,
        .header_offset = level->header_offset,
        .value_offset = level->value_offset,
        .end_offset = level->end_offset,
        .implicit_vr = level->implicit_vr,
        .big_endian = level->big_endian,
    };
    info->charset = charset_of(s, at, &info->charset_value);
}
