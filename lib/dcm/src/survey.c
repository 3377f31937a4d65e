// SPDX-License-Identifier: Apache-2.0
//
// The walk of the survey: remembers what the structure walker meets where a path leads. See dcm/survey.h. The
// owner's thread.
#include "base/check.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "survey_state.h"
#include <stdlib.h>

#define SURVEY_MAGIC  UINT32_C(0x5C17FE95)
#define INFLATE_CHUNK 16384
#define SLOT_LIMIT    262144

static const struct structure_events survey_events;

// ---- life ----

enum result dcm_survey_new(struct dcm_survey **survey)
{
    struct dcm_survey *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(s, SURVEY_MAGIC);
    s->structure.result = ERR_ARGUMENT; // until begin
    *survey = s;
    return OK;
}

void dcm_survey_free(struct dcm_survey *s)
{
    if (s == NULL)
        return;
    MAGIC_CHECK(s, SURVEY_MAGIC);
    wiped_release(&s->kept);
    inflater_fini(&s->inflater);
    free(s->chains);
    free(s->found);
    free(s->levels);
    free(s->slots);
    free(s->reservations);
    wipe(s, sizeof *s);
    free(s);
}

void dcm_survey_clear(struct dcm_survey *s)
{
    MAGIC_CHECK(s, SURVEY_MAGIC);
    wiped_clear(&s->kept);
    inflater_fini(&s->inflater);
    wipe(s->creator, sizeof s->creator);
    s->is_complete = false;
    s->found_count = 0;
    s->structure.result = ERR_ARGUMENT; // until begin
}

static bool failed(struct dcm_survey *s, enum result result)
{
    if (result != OK && s->structure.result == OK)
        s->structure.result = result;
    return result != OK;
}

// ---- levels ----

static uint32_t level_open(struct dcm_survey *s, const struct level *wanted)
{
    uint32_t slots = s->interest->nodes[wanted->node].count;
    if (failed(s, SURVEY_GROW(s->levels, s->level_capacity, s->level_count + 1, DCM_SURVEY_LEVELS)) ||
        failed(s, SURVEY_GROW(s->slots, s->slot_capacity, s->slot_count + slots, SLOT_LIMIT)))
        return NONE;
    struct level *level = &s->levels[s->level_count];
    *level = *wanted;
    level->next = NONE;
    level->slots = s->slot_count;
    level->passed = 0;
    level->reservations = NONE;
    for (uint32_t i = 0; i < slots; i++)
        s->slots[s->slot_count++] = (struct slot){NONE, 0, UNSET, UNSET};
    return s->level_count++;
}

// What has no place yet stands at the end.
static void level_close(struct dcm_survey *s, uint32_t at, uint64_t content_end, uint64_t end_offset)
{
    struct level *level = &s->levels[at];
    level->content_end = content_end;
    level->end_offset = end_offset;
    for (uint32_t i = 0; i < s->interest->nodes[level->node].count; i++) {
        struct slot *slot = &s->slots[level->slots + i];
        if (slot->insertion == UNSET)
            slot->insertion = content_end;
        if (slot->reserving == UNSET)
            slot->reserving = content_end;
    }
}

// An element of `tag` begins in the level: absent ones with lower tags would have to stand before it.
static void level_pass(struct dcm_survey *s, struct level *level, uint32_t tag)
{
    const struct interest_node *place = &s->interest->nodes[level->node];
    uint32_t plain = place->count - place->created;
    uint64_t here = s->structure.header_offset;
    while (level->passed < plain && s->interest->nodes[place->children + level->passed].tag < tag)
        s->slots[level->slots + level->passed++].insertion = here;
    for (uint32_t i = plain; i < place->count; i++) {
        struct slot *slot = &s->slots[level->slots + i];
        uint32_t group_first = s->interest->nodes[place->children + i].tag & 0xFFFF0000;
        if (slot->insertion == UNSET && tag > (slot->tag != 0 ? slot->tag : (group_first | 0xFFFF)))
            slot->insertion = here;
        if (slot->reserving == UNSET && tag > (group_first | 0xFF))
            slot->reserving = here;
    }
}

// ---- private blocks ----

uint32_t survey_private_tag(const struct dcm_survey *s, const struct level *level, uint32_t node)
{
    return s->slots[level->slots + node - s->interest->nodes[level->node].children].tag;
}

// Does a path by creator lead to this private group here? Blocks of others are of no interest.
static bool is_created_group(const struct dcm_survey *s, const struct level *level, uint32_t tag)
{
    const struct interest_node *place = &s->interest->nodes[level->node];
    if (!dcm_tag_is_private(tag))
        return false;
    for (uint32_t i = place->count - place->created; i < place->count; i++)
        if (dcm_tag_group(s->interest->nodes[place->children + i].tag) == dcm_tag_group(tag))
            return true;
    return false;
}

static struct reservation *reservation_find(const struct dcm_survey *s, const struct level *level,
                                            uint32_t tag)
{
    uint32_t at = level->reservations;
    while (at != NONE && s->reservations[at].tag != tag)
        at = s->reservations[at].next;
    return at != NONE ? &s->reservations[at] : NULL;
}

// Once for each block, so that a list is never longer than its groups have blocks. `node`: a child of the
// creator, or NONE.
static void reservation_add(struct dcm_survey *s, struct level *level, uint32_t tag, uint32_t node)
{
    struct reservation *known = reservation_find(s, level, tag);
    if (known == NULL) {
        if (failed(s, SURVEY_GROW(s->reservations, s->reservation_capacity, s->reservation_count + 1,
                                  DCM_SURVEY_FOUND)))
            return;
        known = &s->reservations[s->reservation_count];
        *known = (struct reservation){level->reservations, tag, NONE};
        level->reservations = s->reservation_count++;
    }
    if (known->node != NONE || node == NONE)
        return;
    known->node = node;
    // The first of two blocks of one creator is the one that new elements go to.
    const struct interest_node *place = &s->interest->nodes[level->node];
    for (uint32_t i = place->count - place->created; i < place->count; i++) {
        const struct interest_node *child = &s->interest->nodes[place->children + i];
        struct slot *slot = &s->slots[level->slots + i];
        if (slot->tag == 0 && dcm_tag_group(child->tag) == dcm_tag_group(tag) &&
            strcmp(child->creator, s->interest->nodes[node].creator) == 0)
            slot->tag = (child->tag & 0xFFFF0000) | (tag & 0xFF) << 8 | (child->tag & 0xFF);
    }
}

static void creator_begin(struct dcm_survey *s, uint32_t level, const struct header *h)
{
    uint32_t element = dcm_tag_element(h->tag);
    bool reserves = element >= 0x10 && element <= 0xFF && is_created_group(s, &s->levels[level], h->tag);
    if (!reserves || h->kind != STRUCTURE_PLAIN)
        return;
    s->creator_level = level;
    s->creator_tag = h->tag;
    s->creator_length = 0;
}

static void creator_take(struct dcm_survey *s, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length && s->creator_length < sizeof s->creator; i++)
        s->creator[s->creator_length++] = data[i];
}

static void creator_end(struct dcm_survey *s)
{
    struct level *level = &s->levels[s->creator_level];
    const struct interest_node *place = &s->interest->nodes[level->node];
    struct slice creator = slice_trimmed(slice_of(s->creator, s->creator_length));
    uint32_t node = NONE;
    for (uint32_t i = place->count - place->created; i < place->count && node == NONE; i++) {
        const struct interest_node *child = &s->interest->nodes[place->children + i];
        if (dcm_tag_group(child->tag) == dcm_tag_group(s->creator_tag) &&
            slice_is_text(creator, child->creator))
            node = place->children + i;
    }
    s->creator_level = NONE;
    reservation_add(s, level, s->creator_tag, node);
}

// ---- elements ----

static uint32_t plain_node(const struct dcm_survey *s, const struct level *level, uint32_t tag)
{
    const struct interest_node *place = &s->interest->nodes[level->node];
    uint32_t low = place->children;
    uint32_t high = place->children + place->count - place->created;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->interest->nodes[middle].tag == tag)
            return middle;
        if (s->interest->nodes[middle].tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return NONE;
}

// The node of an element by the creator of its block. A path by plain tag goes first: one element is one
// find. A block whose creator was lost is in use all the same.
static uint32_t created_node(struct dcm_survey *s, struct level *level, uint32_t tag)
{
    const struct interest_node *place = &s->interest->nodes[level->node];
    if (dcm_tag_element(tag) < 0x1000 || !is_created_group(s, level, tag))
        return NONE;
    uint32_t reserved = (tag & 0xFFFF0000) | dcm_tag_element(tag) >> 8;
    const struct reservation *r = reservation_find(s, level, reserved);
    if (r == NULL)
        reservation_add(s, level, reserved, NONE);
    if (r == NULL || r->node == NONE)
        return NONE;
    for (uint32_t i = place->count - place->created; i < place->count; i++) {
        const struct interest_node *child = &s->interest->nodes[place->children + i];
        if (child->tag == (tag & 0xFFFF00FF) &&
            strcmp(child->creator, s->interest->nodes[r->node].creator) == 0)
            return place->children + i;
    }
    return NONE;
}

static void found_link(struct dcm_survey *s, uint32_t at)
{
    struct found *found = &s->found[at];
    struct chain *chain = &s->chains[found->node];
    struct level *level = &s->levels[found->level];
    struct slot *slot = &s->slots[level->slots + found->node - s->interest->nodes[level->node].children];
    if (chain->first == NONE)
        chain->first = at;
    else
        s->found[chain->last].next = at;
    chain->last = at;
    found->is_repeated = slot->found != NONE;
    if (!found->is_repeated)
        slot->found = at;
}

static uint32_t found_open(struct dcm_survey *s, uint32_t level, uint32_t node, const struct header *h)
{
    if (failed(s, SURVEY_GROW(s->found, s->found_capacity, s->found_count + 1, DCM_SURVEY_FOUND)))
        return NONE;
    uint32_t at = s->found_count++;
    s->found[at] = (struct found){.node = node,
                                  .level = level,
                                  .next = NONE,
                                  .levels = NONE,
                                  .last_level = NONE,
                                  .tag = h->tag,
                                  .length = h->length,
                                  .vr = h->vr,
                                  .kind = h->kind,
                                  .is_explicit = h->is_explicit,
                                  .header_offset = s->structure.header_offset,
                                  .value_offset = s->structure.offset};
    found_link(s, at);
    if (s->interest->nodes[node].keeps && s->keeping == NONE) {
        s->keeping = at;
        s->found[at].kept_at = s->kept.length;
    }
    return at;
}

// The bytes of one inside another that is being kept are a part of those.
static void found_close(struct dcm_survey *s, uint32_t at, uint64_t content_end)
{
    struct found *found = &s->found[at];
    found->content_end = content_end;
    found->end_offset = s->structure.offset;
    uint64_t length = content_end - found->value_offset;
    if (s->keeping != NONE && s->interest->nodes[found->node].keeps) {
        const struct found *outer = &s->found[s->keeping];
        uint64_t before = found->value_offset - outer->value_offset;
        uint64_t room = outer->kept > before ? outer->kept - before : 0;
        found->is_whole = length <= room;
        found->kept_at = outer->kept_at + (size_t)(room > 0 ? before : 0);
        found->kept = (size_t)(length < room ? length : room);
    }
    if (s->keeping == at)
        s->keeping = NONE;
}

static void on_element(void *owner, const struct header *h)
{
    struct dcm_survey *s = owner;
    uint32_t at = s->open_level[s->structure.depth];
    s->open_found[s->structure.depth] = NONE;
    if (at == NONE)
        return;
    struct level *level = &s->levels[at];
    level_pass(s, level, h->tag);
    creator_begin(s, at, h);
    uint32_t node = plain_node(s, level, h->tag);
    uint32_t created = created_node(s, level, h->tag);
    if (node != NONE && created != NONE)
        (void)failed(s, ERR_EXISTS);
    else if (created != NONE)
        node = created;
    if (node != NONE)
        s->open_found[s->structure.depth] = found_open(s, at, node, h);
}

static void on_bytes(void *owner, const uint8_t *data, size_t length)
{
    struct dcm_survey *s = owner;
    if (s->keeping == NONE)
        return;
    struct found *found = &s->found[s->keeping];
    size_t most = found->kind == STRUCTURE_PLAIN ? DCM_KEPT_ELEMENT : DCM_KEPT_TOTAL;
    size_t room = DCM_KEPT_TOTAL - s->kept.length;
    if (room > most - found->kept)
        room = most - found->kept;
    struct slice part = slice_first(slice_of(data, length), room);
    if (!failed(s, wiped_append(&s->kept, part)))
        found->kept += part.length;
}

static void on_value(void *owner, const uint8_t *data, size_t length)
{
    struct dcm_survey *s = owner;
    if (s->creator_level != NONE)
        creator_take(s, data, length);
}

static void on_value_end(void *owner)
{
    struct dcm_survey *s = owner;
    const struct frame *top = structure_top(&s->structure);
    if (top != NULL && top->is_fragments)
        return;
    if (s->creator_level != NONE)
        creator_end(s);
    uint32_t found = s->open_found[s->structure.depth];
    if (found != NONE)
        found_close(s, found, s->structure.offset);
}

static void on_item(void *owner)
{
    struct dcm_survey *s = owner;
    const struct frame *top = structure_top(&s->structure);
    unsigned depth = s->structure.depth;
    uint32_t sequence = s->open_found[depth - 1];
    s->open_level[depth] = NONE;
    s->open_found[depth] = NONE;
    if (sequence == NONE || top->is_fragments)
        return;
    struct found *found = &s->found[sequence];
    uint32_t number = found->items++;
    if (number >= s->interest->nodes[found->node].item_limit)
        return;
    bool is_defined = top->item_ends_by_length;
    struct level wanted = {.node = found->node,
                           .found = sequence,
                           .item = number,
                           .length = is_defined ? (uint32_t)(top->item_limit - s->structure.offset)
                                                : DCM_LENGTH_UNDEFINED,
                           .depth = depth,
                           .implicit_vr = top->implicit_vr,
                           .big_endian = top->big_endian,
                           .header_offset = s->structure.header_offset,
                           .value_offset = s->structure.offset};
    uint32_t level = level_open(s, &wanted);
    if (level == NONE)
        return;
    if (found->levels == NONE)
        found->levels = level;
    else
        s->levels[found->last_level].next = level;
    found->last_level = level;
    s->open_level[depth] = level;
}

static void on_item_end(void *owner)
{
    struct dcm_survey *s = owner;
    const struct frame *top = structure_top(&s->structure);
    uint32_t level = s->open_level[s->structure.depth];
    if (level != NONE)
        level_close(s, level, top->item_ends_by_length ? s->structure.offset : s->structure.header_offset,
                    s->structure.offset);
}

static void on_sequence_end(void *owner)
{
    struct dcm_survey *s = owner;
    const struct frame *top = structure_top(&s->structure);
    uint32_t found = s->open_found[s->structure.depth - 1];
    if (found != NONE)
        found_close(s, found, top->ends_by_length ? s->structure.offset : s->structure.header_offset);
}

static const struct structure_events survey_events = {
    .element = on_element,
    .bytes = on_bytes,
    .value = on_value,
    .value_end = on_value_end,
    .item = on_item,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};

// ---- the bytes ----

static enum result chains_begin(struct dcm_survey *s)
{
    uint32_t count = s->interest->node_count;
    if (count > s->chains_capacity) {
        struct chain *chains = realloc(s->chains, count * sizeof *chains);
        if (chains == NULL)
            return ERR_NOMEM;
        s->chains = chains;
        s->chains_capacity = count;
    }
    for (uint32_t i = 0; i < count; i++)
        s->chains[i] = (struct chain){NONE, NONE};
    return OK;
}

enum result dcm_survey_begin(struct dcm_survey *s, const struct dcm_interest *interest,
                             struct slice transfer_syntax, uint64_t inflated_limit)
{
    MAGIC_CHECK(s, SURVEY_MAGIC);
    s->interest = interest;
    s->inflated_limit = inflated_limit > 0 ? inflated_limit : UINT64_MAX;
    s->is_complete = false;
    s->header_length = 0;
    s->found_count = 0;
    s->level_count = 0;
    s->slot_count = 0;
    s->reservation_count = 0;
    s->keeping = NONE;
    s->creator_level = NONE;
    wiped_clear(&s->kept);
    structure_begin(&s->structure, dcm_syntax_by_uid(transfer_syntax), &survey_events, s);
    struct level root = {.found = NONE,
                         .length = DCM_LENGTH_UNDEFINED,
                         .implicit_vr = s->structure.syntax.implicit_vr,
                         .big_endian = s->structure.syntax.big_endian};
    if (failed(s, chains_begin(s)))
        return s->structure.result;
    s->open_level[0] = level_open(s, &root);
    s->open_found[0] = NONE;
    if (s->structure.result == OK && s->structure.syntax.deflated)
        (void)failed(s, inflater_begin(&s->inflater));
    return s->structure.result;
}

static void header_complete(struct dcm_survey *s, uint64_t length)
{
    s->header_length = length;
    s->is_complete = true;
    level_close(s, 0, length, length);
}

static void stream_take(struct dcm_survey *s, const uint8_t *data, size_t length)
{
    size_t taken = structure_take(&s->structure, data, length);
    ensure(taken == length || s->structure.result != OK || s->structure.range != DCM_RANGE_HEADER);
    if (s->structure.result == OK && s->structure.range != DCM_RANGE_HEADER)
        header_complete(s, s->structure.pixel_header_offset);
}

static void deflated_take(struct dcm_survey *s, struct slice piece)
{
    uint8_t chunk[INFLATE_CHUNK];
    enum result result = s->inflater.has_ended ? CLOSED : OK;
    while (result == OK && s->structure.result == OK && !s->is_complete) {
        size_t made;
        result = inflater_take(&s->inflater, &piece, chunk, sizeof chunk, &made);
        uint64_t room = s->inflated_limit - s->structure.offset;
        stream_take(s, chunk, made < room ? made : (size_t)room);
        if (made > room && !s->is_complete)
            structure_fail(&s->structure, DCM_SCAN_INFLATES_TOO_FAR, s->structure.offset, 0);
    }
    if (result == ERR_NOMEM)
        (void)failed(s, result);
    else if (result == ERR_FORMAT && !s->is_complete)
        structure_fail(&s->structure, DCM_SCAN_BAD_DEFLATE, s->structure.offset, 0);
    wipe(chunk, sizeof chunk);
}

enum result dcm_survey_feed(struct dcm_survey *s, struct slice piece)
{
    MAGIC_CHECK(s, SURVEY_MAGIC);
    if (s->structure.result != OK || s->is_complete || piece.length == 0)
        return s->structure.result;
    if (s->structure.syntax.deflated)
        deflated_take(s, piece);
    else
        stream_take(s, piece.data, piece.length);
    return s->structure.result;
}

enum result dcm_survey_finish(struct dcm_survey *s)
{
    MAGIC_CHECK(s, SURVEY_MAGIC);
    if (s->structure.result != OK || s->is_complete)
        return s->structure.result;
    if (s->structure.syntax.deflated && !s->inflater.has_ended)
        structure_fail(&s->structure, DCM_SCAN_TRUNCATED, s->structure.offset, 0);
    if (s->structure.result == OK)
        structure_finish(&s->structure);
    if (s->structure.result == OK)
        header_complete(s, s->structure.offset);
    return s->structure.result;
}

bool dcm_survey_header_is_complete(const struct dcm_survey *s)
{
    MAGIC_CHECK(s, SURVEY_MAGIC);
    return s->structure.result == OK && s->is_complete;
}
