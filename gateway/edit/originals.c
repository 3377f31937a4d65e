// SPDX-License-Identifier: Apache-2.0
//
// What was there before: the item of the Modified Attributes Sequence (PS3.3 C.12.1.1.9), with the raw bytes
// of every element that changes, nested ones below their sequence in items of the same number. Only what
// changes is in it; what was absent has length zero.
#include "base/check.h"
#include "base/wipe.h"
#include "edit/edit_private.h"
#include <stdlib.h>

#define ORIGINALS_BYTES ((size_t)1 << 20)
#define SHORT_MOST      0xFFFEu // of a length of 16 bits
#define BLOCK_FIRST     0x10u   // PS3.5 7.8.1
#define BLOCK_LAST      0xFFu

// ---- which elements change ----

bool note_covers(const struct note *note, const struct dcm_path *path)
{
    const struct dcm_path *outer = &note->path;
    if (outer->depth > path->depth)
        return false;
    for (uint32_t i = 0; i < outer->depth; i++)
        if (!steps_name_one(&outer->step[i], &path->step[i]) || outer->step[i].item != path->step[i].item)
            return false;
    return steps_name_one(&outer->step[outer->depth], &path->step[outer->depth]);
}

static enum result note_add(struct draft *draft, const struct note *note, struct dcm_path *which)
{
    if (draft->note_count == DRAFT_NOTES) {
        *which = note->path;
        return ERR_ARGUMENT;
    }
    draft->note[draft->note_count++] = *note;
    return OK;
}

// An element that is there, as it stands.
static enum result note_found(const struct edit *edit, struct draft *draft, const struct dcm_path *path,
                              const struct dcm_found *found, struct dcm_path *which)
{
    struct dcm_level level;
    if (!found->is_whole && edit->policy->node->keeps_originals) {
        *which = *path;
        return ERR_ARGUMENT;
    }
    dcm_survey_level(edit->survey, found->level, &level);
    struct note note = {.path = *path,
                        .vr = found->vr,
                        .was_present = true,
                        .is_sequence = found->is_sequence,
                        .is_implicit = level.implicit_vr,
                        .is_big_endian = level.big_endian,
                        .value = found->value,
                        .charset = slice_trimmed(level.charset_value)};
    return note_add(draft, &note, which);
}

// One that was not: it, or the outermost sequence on the way to it that was not there either; or, where only
// the item was not, the sequence as it was.
static enum result note_absent(const struct edit *edit, struct draft *draft, const struct dcm_path *path,
                               enum dcm_vr vr, struct dcm_path *which)
{
    for (uint32_t depth = 0; depth < path->depth; depth++) {
        struct dcm_path outer = {.depth = depth};
        struct dcm_found found;
        size_t place;
        memcpy(outer.step, path->step, (depth + 1) * sizeof *outer.step);
        outer.step[depth].item = 0;
        if (!rules_program_place(edit->policy->program, &outer, &place))
            continue; // [*] makes no sequence
        if (!dcm_survey_first(edit->survey, place, &found)) {
            struct note note = {.path = outer, .vr = DCM_VR_SQ, .is_sequence = true};
            return note_add(draft, &note, which);
        }
        if (path->step[depth].item >= found.items)
            return note_found(edit, draft, &outer, &found, which);
    }
    struct note note = {.path = *path, .vr = vr};
    return note_add(draft, &note, which);
}

// Some change of the plan touches the element's bytes. What is inserted in front of it does not.
static bool is_touched(const struct dcm_plan *plan, const struct dcm_found *found)
{
    for (size_t i = 0; i < dcm_plan_count(plan); i++) {
        struct dcm_change change = dcm_plan_change(plan, i);
        if (change.offset >= found->end_offset)
            return false;
        if (change.offset + change.old_length > found->header_offset || change.offset > found->header_offset)
            return true;
    }
    return false;
}

static enum result present_note(const struct edit *edit, struct draft *draft, const struct dcm_plan *plan,
                                const struct dcm_path *path, struct dcm_path *which)
{
    struct dcm_found found;
    uint32_t cursor = 0;
    size_t place = 0;
    enum result result = OK;
    bool is_known = rules_program_place(edit->policy->program, path, &place);
    ensure(is_known); // the editor has found it
    while (result == OK && dcm_survey_next(edit->survey, place, &cursor, &found)) {
        struct dcm_path concrete;
        if (found.is_repeated || !is_touched(plan, &found))
            continue;
        dcm_survey_path(edit->survey, place, &found, &concrete);
        result = note_found(edit, draft, &concrete, &found, which);
    }
    return result;
}

// The first change of an element says how it was, the last one how it is.
static enum result absent_note(const struct edit *edit, struct draft *draft,
                               const struct rules_verdict *verdict, size_t at, struct dcm_path *which)
{
    const struct rules_change *first = &verdict->change[at];
    const struct rules_change *last = first;
    if (first->was_present || draft_is_overruled(draft, first->path))
        return OK;
    for (size_t i = 0; i < at; i++)
        if (dcm_path_compare(verdict->change[i].path, first->path) == 0)
            return OK;
    for (size_t i = at + 1; i < verdict->change_count; i++)
        if (dcm_path_compare(verdict->change[i].path, first->path) == 0)
            last = &verdict->change[i];
    return last->is_removed ? OK : note_absent(edit, draft, first->path, first->vr, which);
}

// In the order of a data set, as far as it can be without knowing blocks: a group's private elements by
// creator behind those by tag; a sequence before what is in it.
static int note_compare(const void *left, const void *right)
{
    const struct dcm_path *a = &((const struct note *)left)->path;
    const struct dcm_path *b = &((const struct note *)right)->path;
    for (uint32_t i = 0;; i++) {
        const struct dcm_path_step *x = &a->step[i];
        const struct dcm_path_step *y = &b->step[i];
        if (dcm_tag_group(x->tag) != dcm_tag_group(y->tag))
            return dcm_tag_group(x->tag) < dcm_tag_group(y->tag) ? -1 : 1;
        int order = strcmp(x->creator, y->creator);
        if (order != 0)
            return order;
        if (x->tag != y->tag)
            return x->tag < y->tag ? -1 : 1;
        if (i == a->depth || i == b->depth)
            return a->depth < b->depth ? -1 : a->depth > b->depth;
        if (x->item != y->item)
            return x->item < y->item ? -1 : 1;
    }
}

static void notes_sort(struct draft *draft)
{
    size_t kept = 0;
    if (draft->note_count > 0)
        qsort(draft->note, draft->note_count, sizeof *draft->note, note_compare);
    for (size_t i = 0; i < draft->note_count; i++)
        if (kept == 0 || !note_covers(&draft->note[kept - 1], &draft->note[i].path))
            draft->note[kept++] = draft->note[i];
    draft->note_count = kept;
}

enum result originals_note(const struct edit *edit, const struct rules_verdict *verdict, struct draft *draft,
                           const struct dcm_plan *plan, struct dcm_path *which)
{
    enum result result = OK;
    for (size_t i = 0; i < draft->patient && result == OK; i++)
        if (draft->places[i] > 0)
            result = present_note(edit, draft, plan, draft->edit[i].path, which);
    for (size_t i = 0; i < verdict->change_count && result == OK; i++)
        result = absent_note(edit, draft, verdict, i, which);
    for (size_t i = draft->rules; i < draft->patient && result == OK; i++) {
        const struct dcm_path *path = draft->edit[i].path;
        struct dcm_found found;
        if (draft->places[i] > 0 && !edit_found(edit, (enum edit_path)(path - edit->policies->path), &found))
            result = note_absent(edit, draft, path, dcm_path_vr(path), which);
    }
    notes_sort(draft);
    return result;
}

// ---- its bytes ----

struct builder {
    bool is_implicit;
    bool is_big_endian;
    uint8_t *bytes;
    size_t length;
    size_t capacity;
    enum result result;
    struct dcm_path which; // cannot be kept
};

static bool room(struct builder *to, size_t more)
{
    if (to->result != OK)
        return false;
    if (more <= to->capacity - to->length)
        return true;
    size_t capacity = to->capacity > 0 ? to->capacity : 1024;
    while (capacity - to->length < more && capacity < ORIGINALS_BYTES)
        capacity *= 2;
    if (capacity - to->length < more) {
        to->result = ERR_ARGUMENT;
        return false;
    }
    uint8_t *grown = malloc(capacity); // never realloc: the former place is wiped
    if (grown == NULL) {
        to->result = ERR_NOMEM;
        return false;
    }
    if (to->length > 0)
        memcpy(grown, to->bytes, to->length);
    if (to->bytes != NULL)
        wipe(to->bytes, to->length);
    free(to->bytes);
    to->bytes = grown;
    to->capacity = capacity;
    return true;
}

static void bytes_put(struct builder *to, struct slice bytes)
{
    if (bytes.length == 0 || !room(to, bytes.length))
        return;
    memcpy(to->bytes + to->length, bytes.data, bytes.length);
    to->length += bytes.length;
}

static void number_write(const struct builder *to, uint8_t *at, uint32_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(number >> 8 * (to->is_big_endian ? width - 1 - i : i));
}

static void number_put(struct builder *to, uint32_t number, unsigned width)
{
    uint8_t bytes[4];
    number_write(to, bytes, number, width);
    bytes_put(to, slice_of(bytes, width));
}

static void tag_put(struct builder *to, uint32_t tag)
{
    number_put(to, dcm_tag_group(tag), 2);
    number_put(to, dcm_tag_element(tag), 2);
}

static void header_put(struct builder *to, uint32_t tag, enum dcm_vr vr, size_t length)
{
    const struct dcm_vr_info *info = dcm_vr_info(vr);
    tag_put(to, tag);
    if (!to->is_implicit) {
        bytes_put(to, slice_of(info->name, 2));
        if (info->is_long)
            number_put(to, 0, 2);
    }
    number_put(to, (uint32_t)length, to->is_implicit || info->is_long ? 4 : 2);
}

// The length of what stands behind `at` goes in front of it.
static void length_patch(struct builder *to, size_t at)
{
    if (to->result == OK)
        number_write(to, to->bytes + at - 4, (uint32_t)(to->length - at), 4);
}

static void element_put(struct builder *to, uint32_t tag, enum dcm_vr vr, struct slice value)
{
    header_put(to, tag, vr, value.length + value.length % 2);
    bytes_put(to, value);
    if (value.length % 2 != 0)
        bytes_put(to, slice_of(&dcm_vr_info(vr)->padding, 1));
}

// The VR that can be written: one that is known, and holds the value as it is encoded.
static enum dcm_vr written_vr(const struct builder *to, const struct note *note)
{
    bool is_encoded_otherwise =
        note->was_present && note->is_sequence && note->is_implicit && !to->is_implicit;
    enum dcm_vr vr = note->vr == DCM_VR_US_OR_SS || note->vr == DCM_VR_US_OR_OW ? DCM_VR_US
                     : note->vr == DCM_VR_OB_OR_OW                              ? DCM_VR_OB
                                                                                : note->vr;
    if (vr == DCM_VR_NONE || is_encoded_otherwise || // PS3.5 6.2.2: UN is implicit VR inside
        (!dcm_vr_info(vr)->is_long && note->value.length > SHORT_MOST))
        return DCM_VR_UN;
    return vr;
}

static void note_put(struct builder *to, uint32_t tag, const struct note *note)
{
    enum dcm_vr vr = written_vr(to, note);
    bool is_turned = note->was_present && note->is_big_endian != to->is_big_endian;
    // Numbers from a sequence in UN in a big endian data set would have to be turned round.
    if (is_turned && vr != DCM_VR_UN && dcm_vr_info(vr)->swap_width > 1) {
        to->result = ERR_ARGUMENT;
        to->which = note->path;
        return;
    }
    element_put(to, tag, vr, note->value);
}

// Private elements of one group in one item: each creator gets a block, behind those that elements without a
// known creator are in (PS3.5 7.8.1).
struct blocks {
    uint32_t group;
    uint32_t next;
    const char *creator; // of the block in front of `next`
};

static void blocks_put(struct builder *to, const struct note *notes, size_t count, uint32_t depth,
                       struct blocks *blocks)
{
    uint32_t group = dcm_tag_group(notes[0].path.step[depth].tag);
    uint32_t first = BLOCK_FIRST;
    const char *creator = "";
    *blocks = (struct blocks){.group = group, .creator = ""};
    for (size_t i = 0; i < count && dcm_tag_group(notes[i].path.step[depth].tag) == group; i++) {
        const struct dcm_path_step *step = &notes[i].path.step[depth];
        uint32_t block = dcm_tag_element(step->tag) >> 8;
        if (step->creator[0] == 0 && block >= first)
            first = block + 1;
    }
    blocks->next = first;
    for (size_t i = 0; i < count && dcm_tag_group(notes[i].path.step[depth].tag) == group; i++) {
        const struct dcm_path_step *step = &notes[i].path.step[depth];
        if (strcmp(step->creator, creator) == 0)
            continue;
        creator = step->creator;
        if (first > BLOCK_LAST) {
            to->result = ERR_ARGUMENT;
            to->which = notes[i].path;
            return;
        }
        element_put(to, group << 16 | first++, DCM_VR_LO, slice_of_text(creator));
    }
}

static uint32_t tag_of(struct blocks *blocks, const struct dcm_path_step *step)
{
    if (step->creator[0] == 0)
        return step->tag;
    if (strcmp(blocks->creator, step->creator) != 0) {
        blocks->creator = step->creator;
        blocks->next++;
    }
    return (step->tag & 0xFFFF0000) | (blocks->next - 1) << 8 | (step->tag & 0xFF);
}

// Where the text of an item is in another character set than around it, it says so.
static struct slice charset_put(struct builder *to, const struct note *notes, size_t count, uint32_t depth,
                                struct slice around)
{
    for (size_t i = 0; i < count; i++) {
        if (notes[i].path.depth != depth || !notes[i].was_present)
            continue;
        if (!slice_is_equal(notes[i].charset, around))
            element_put(to, DCM_SPECIFIC_CHARACTER_SET, DCM_VR_CS, notes[i].charset);
        return notes[i].charset;
    }
    return around;
}

static void item_put(struct builder *to, const struct note *notes, size_t count, uint32_t depth,
                     struct slice charset);

// Items in which nothing changes are empty, so that the others have their numbers.
static void sequence_put(struct builder *to, uint32_t tag, const struct note *notes, size_t count,
                         uint32_t depth, struct slice charset)
{
    size_t done = 0;
    header_put(to, tag, DCM_VR_SQ, 0);
    size_t at = to->length;
    for (uint32_t item = 0; done < count && to->result == OK; item++) {
        size_t first = done;
        while (done < count && notes[done].path.step[depth].item == item)
            done++;
        item_put(to, notes + first, done - first, depth + 1, charset);
    }
    length_patch(to, at);
}

// Notes that agree up to `depth`. Not deeper than DCM_PATH_DEPTH.
static void item_put(struct builder *to, const struct note *notes, size_t count, uint32_t depth,
                     struct slice charset)
{
    struct blocks blocks = {.group = 0};
    tag_put(to, DCM_ITEM);
    number_put(to, 0, 4);
    size_t at = to->length;
    charset = charset_put(to, notes, count, depth, charset);
    for (size_t i = 0, after; i < count && to->result == OK; i = after) {
        const struct dcm_path_step *step = &notes[i].path.step[depth];
        for (after = i + 1; after < count && steps_name_one(step, &notes[after].path.step[depth]);)
            after++;
        if (dcm_tag_is_private(step->tag) && blocks.group != dcm_tag_group(step->tag))
            blocks_put(to, notes + i, count - i, depth, &blocks);
        uint32_t tag = tag_of(&blocks, step);
        if (notes[i].path.depth == depth)
            note_put(to, tag, &notes[i]);
        else
            sequence_put(to, tag, notes + i, after - i, depth, charset);
    }
    length_patch(to, at);
}

enum result originals_encode(const struct edit *edit, const struct draft *draft, uint8_t **bytes,
                             size_t *length, struct dcm_path *which)
{
    struct dcm_level root;
    dcm_survey_level(edit->survey, 0, &root);
    struct builder to = {.is_implicit = root.implicit_vr, .is_big_endian = root.big_endian};
    if (draft->note_count > 0)
        to.which = draft->note[0].path;
    item_put(&to, draft->note, draft->note_count, 0, slice_trimmed(root.charset_value));
    if (to.result == OK) {
        *bytes = to.bytes;
        *length = to.length;
        return OK;
    }
    if (to.bytes != NULL)
        wipe(to.bytes, to.length);
    free(to.bytes);
    *which = to.which;
    return to.result;
}
