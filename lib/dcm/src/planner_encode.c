// SPDX-License-Identifier: Apache-2.0
//
// The bytes of values, and of elements, items and sequences that are new: see planner.h.
#include "base/check.h"
#include "planner.h"

#define SHORT_MOST 0xFFFE
#define UNPLACED   SIZE_MAX

// ---- Specific Character Set ----

static bool is_charset_edit(const struct operation *o)
{
    bool is_new = o->kind == OPERATION_CREATE && o->creator == NULL;
    return is_new && o->step[o->count - 1].tag == DCM_SPECIFIC_CHARACTER_SET;
}

// The one that the plan gives to a place that it makes (`count` steps from the level of `o` down), or to the
// level itself (0).
static const struct operation *charset_edit(const struct planner *p, const struct operation *o,
                                            uint32_t count)
{
    for (uint32_t i = 0; i < p->operation_count; i++) {
        const struct operation *other = &p->operations[i];
        if (is_charset_edit(other) && other->level == o->level && other->count == count + 1 &&
            (count == 0 ||
             (other->found == o->found && memcmp(other->step, o->step, count * sizeof *o->step) == 0)))
            return other;
    }
    return NULL;
}

// The plan's own for the data set as a whole, absent or empty before.
static const struct operation *charset_edit_at_top(const struct planner *p)
{
    for (uint32_t i = 0; i < p->operation_count; i++) {
        const struct operation *o = &p->operations[i];
        bool is_value =
            o->kind == OPERATION_VALUE && p->survey->found[o->found].tag == DCM_SPECIFIC_CHARACTER_SET;
        if (o->level == 0 && (is_value || (is_charset_edit(o) && o->count == 1)))
            return o;
    }
    return NULL;
}

static bool has_own_charset(const struct dcm_survey *s, uint32_t level)
{
    for (; s->levels[level].found != NONE; level = s->found[s->levels[level].found].level) {
        uint32_t node = interest_child(s->interest, s->levels[level].node, DCM_SPECIFIC_CHARACTER_SET);
        if (node != NONE && planner_slot(s, level, node)->found != NONE)
            return true;
    }
    return false;
}

static struct dcm_charset charset_in_force(const struct planner *p, const struct operation *o)
{
    struct dcm_level level;
    const struct operation *own = NULL;
    for (uint32_t count = o->kind == OPERATION_CREATE ? o->count - 1 : 0; own == NULL && count > 0; count--)
        own = charset_edit(p, o, count);
    if (own == NULL && !has_own_charset(p->survey, o->level))
        own = charset_edit_at_top(p);
    if (own != NULL)
        return dcm_charset_parse(p->edits[own->edit].value);
    dcm_survey_level(p->survey, o->level, &level);
    return level.charset;
}

// It may come where there was none, never change under text that is there.
static enum result charset_edit_check(struct planner *p, const struct operation *o)
{
    bool is_target = o->kind == OPERATION_CREATE
                         ? is_charset_edit(o)
                         : p->survey->found[o->found].tag == DCM_SPECIFIC_CHARACTER_SET && o->item == NONE;
    if (!is_target)
        return OK;
    const struct dcm_edit *edit = &p->edits[o->edit];
    bool is_in_new = o->kind == OPERATION_CREATE && o->count > 1;
    bool is_absent = o->kind == OPERATION_CREATE && o->level == 0;
    bool is_empty = o->kind == OPERATION_VALUE && o->level == 0 && p->survey->found[o->found].length == 0;
    bool is_known = edit->kind != DCM_VALUE_EMPTY && !dcm_charset_parse(edit->value).is_unknown;
    if (o->kind != OPERATION_REMOVE && is_known && (is_in_new || is_absent || is_empty))
        return OK;
    return planner_problem(p, o, DCM_PROBLEM_CHARACTER_SET);
}

// ---- values ----

static void nothing_element(void *owner, const struct header *h)
{
    (void)owner;
    (void)h;
}

static void nothing_bytes(void *owner, const uint8_t *data, size_t length)
{
    (void)owner;
    (void)data;
    (void)length;
}

static void nothing(void *owner)
{
    (void)owner;
}

// The bytes are the items of a sequence that stands under `depth` others.
static enum dcm_problem_reason items_check(struct slice items, struct encoding encoding, unsigned depth)
{
    static const struct structure_events events = {nothing_element, nothing_bytes, nothing_bytes, nothing,
                                                   nothing,         nothing,       nothing};
    struct structure s;
    if (depth >= DCM_DEPTH_LIMIT)
        return DCM_PROBLEM_TOO_DEEP;
    if (items.length == 0)
        return DCM_PROBLEM_NONE;
    structure_begin(&s, (struct dcm_syntax){encoding.implicit_vr, encoding.big_endian, false}, &events, NULL);
    s.frames[depth] = (struct frame){.limit = items.length,
                                     .ends_by_length = true,
                                     .implicit_vr = encoding.implicit_vr,
                                     .big_endian = encoding.big_endian};
    s.depth = depth + 1;
    s.elements = 1; // not the first of a data set
    size_t taken = structure_take(&s, items.data, items.length);
    if (s.failure.reason == DCM_SCAN_TOO_DEEP)
        return DCM_PROBLEM_TOO_DEEP;
    bool is_whole = taken == items.length && s.result == OK && s.depth == depth && s.header_length == 0 &&
                    s.state == STRUCTURE_HEADER;
    return is_whole ? DCM_PROBLEM_NONE : DCM_PROBLEM_BAD_VALUE;
}

static enum dcm_vr vr_or(enum dcm_vr first, enum dcm_vr second)
{
    return first != DCM_VR_NONE ? first : second;
}

// By which the value is encoded.
static enum dcm_vr value_vr(const struct planner *p, const struct operation *o)
{
    const struct dcm_edit *edit = &p->edits[o->edit];
    if (o->creator != NULL)
        return DCM_VR_LO;
    enum dcm_vr wanted = vr_or(edit->vr, dcm_path_vr(edit->path));
    if (o->kind == OPERATION_VALUE) {
        const struct found *f = &p->survey->found[o->found];
        bool says_nothing = f->vr == DCM_VR_NONE || (f->is_explicit && f->vr == DCM_VR_UN);
        wanted = says_nothing ? wanted : f->vr;
    }
    return value_vr_choose(wanted, edit->kind, edit->value);
}

static enum dcm_problem_reason kind_check(const struct planner *p, const struct operation *o, enum dcm_vr vr,
                                          struct encoding encoding)
{
    const struct dcm_edit *edit = &p->edits[o->edit];
    const struct found *f = o->kind == OPERATION_VALUE ? &p->survey->found[o->found] : NULL;
    bool is_sequence = f != NULL ? f->kind == STRUCTURE_SEQUENCE : vr == DCM_VR_SQ;
    if (f != NULL && f->kind == STRUCTURE_FRAGMENTS)
        return DCM_PROBLEM_OPAQUE;
    if (vr == DCM_VR_NONE && (f == NULL || edit->kind == DCM_VALUE_TEXT))
        return DCM_PROBLEM_NO_VR;
    if (edit->kind == DCM_VALUE_TEXT && is_sequence)
        return DCM_PROBLEM_NOT_A_VALUE;
    // Where the VR is not written a reader goes by the dictionary.
    enum dcm_vr dictionary = dcm_path_vr(edit->path);
    bool is_written = f != NULL && f->is_explicit && f->vr != DCM_VR_UN;
    if (!is_written && dictionary != DCM_VR_NONE && (dictionary == DCM_VR_SQ) != (vr == DCM_VR_SQ))
        return DCM_PROBLEM_NOT_A_VALUE;
    if (edit->kind != DCM_VALUE_BYTES || !is_sequence)
        return dcm_value_check(vr, edit->kind, edit->value);
    if (f != NULL && f->is_explicit && f->vr == DCM_VR_UN)
        return DCM_PROBLEM_NOT_A_VALUE;
    uint32_t made = o->kind == OPERATION_CREATE ? o->count - 1 : 0;
    return items_check(edit->value, encoding, o->depth + made);
}

static enum result text_append(struct planner *p, const struct operation *o, enum dcm_vr vr)
{
    const struct dcm_charset charset = charset_in_force(p, o);
    struct slice utf8 = p->edits[o->edit].value;
    size_t most = DCM_TEXT_ENCODED_MOST(utf8.length);
    size_t length;
    if (utf8.length > DCM_PLAN_BYTES || p->values.length > DCM_PLAN_BYTES)
        return ERR_LIMIT;
    enum result result = wiped_reserve(&p->values, p->values.length + most);
    if (result == OK)
        result = dcm_text_encode(p->text, &charset, vr, utf8, p->values.data + p->values.length, most,
                                 &length, NULL);
    if (result == OK)
        p->values.length += length;
    return result == ERR_FORMAT ? planner_problem(p, o, DCM_PROBLEM_CHARACTER) : result;
}

static enum result value_append(struct planner *p, const struct operation *o, enum dcm_vr vr,
                                struct encoding encoding)
{
    const struct dcm_edit *edit = &p->edits[o->edit];
    size_t start = p->values.length;
    enum result result = OK;
    if (o->creator != NULL)
        result = wiped_append(&p->values, slice_of_text(o->creator));
    else if (edit->kind == DCM_VALUE_BYTES)
        result = edit->value.length <= DCM_PLAN_BYTES ? wiped_append(&p->values, edit->value) : ERR_LIMIT;
    else if (edit->kind == DCM_VALUE_TEXT && value_is_number(vr))
        result = value_numbers_append(vr, edit->value, encoding.big_endian, &p->values);
    else if (edit->kind == DCM_VALUE_TEXT)
        result = text_append(p, o, vr);
    if (result == OK && (p->values.length - start) % 2 != 0)
        result = wiped_append(&p->values, slice_of(&dcm_vr_info(vr)->padding, 1));
    return result;
}

// The new length goes in front of the new value of an element that is there.
static enum result length_prepend(struct planner *p, struct operation *o, const struct found *f, size_t start)
{
    bool is_short = f->is_explicit && f->value_offset - f->header_offset == 8;
    unsigned width = is_short ? 2 : 4;
    size_t length = p->values.length - start;
    if (is_short && length > SHORT_MOST)
        return planner_problem(p, o, DCM_PROBLEM_TOO_LONG);
    enum result result =
        value_integer_append(&p->values, length, width, p->survey->levels[o->level].big_endian);
    if (result != OK)
        return result;
    uint8_t field[4];
    memcpy(field, p->values.data + start + length, width);
    memmove(p->values.data + start + width, p->values.data + start, length);
    memcpy(p->values.data + start, field, width);
    return OK;
}

static bool is_unchanged(const struct planner *p, const struct found *f, size_t start)
{
    struct slice made = slice_from(wiped_slice(&p->values), start);
    bool is_known = f->kind == STRUCTURE_PLAIN && f->is_whole && f->length != DCM_LENGTH_UNDEFINED;
    return is_known && slice_is_equal(survey_value(p->survey, f), made);
}

static enum result value_make(struct planner *p, struct operation *o)
{
    struct encoding encoding = planner_encoding(p, o);
    const struct found *f = o->kind == OPERATION_VALUE ? &p->survey->found[o->found] : NULL;
    if (f != NULL && f->is_explicit && f->vr == DCM_VR_UN)
        encoding = (struct encoding){.implicit_vr = true}; // PS3.5 6.2.2
    o->vr = value_vr(p, o);
    o->value_at = p->values.length;
    enum dcm_problem_reason reason =
        o->creator != NULL ? DCM_PROBLEM_NONE : kind_check(p, o, o->vr, encoding);
    if (reason != DCM_PROBLEM_NONE)
        return planner_problem(p, o, reason);
    enum result result = value_append(p, o, o->vr, encoding);
    if (result != OK)
        return result;
    if (f == NULL && !encoding.implicit_vr && !dcm_vr_info(o->vr)->is_long &&
        p->values.length - o->value_at > SHORT_MOST)
        return planner_problem(p, o, DCM_PROBLEM_TOO_LONG);
    if (f != NULL && is_unchanged(p, f, o->value_at)) {
        p->values.length = o->value_at;
        o->is_dropped = true;
        o->end = o->offset;
        return OK;
    }
    if (f != NULL)
        result = length_prepend(p, o, f, o->value_at);
    o->value_length = p->values.length - o->value_at;
    return result;
}

enum result planner_values(struct planner *p)
{
    enum result result = OK;
    for (uint32_t i = 0; result == OK && i < p->operation_count; i++) {
        struct operation *o = &p->operations[i];
        result = charset_edit_check(p, o);
        if (result == OK && o->kind != OPERATION_REMOVE)
            result = value_make(p, o);
        if (result == OK && p->values.length > DCM_PLAN_BYTES) // before many items take one large value each
            result = ERR_LIMIT;
    }
    return result;
}

// ---- runs of new elements ----

// A sequence that is being made, with its open item.
struct open_sequence {
    struct step step;
    size_t sequence_at; // of the first byte behind its length; UNPLACED: it is there already
    size_t item_at;     // likewise of the item
};

struct run {
    struct planner *p;
    struct encoding encoding;
    bool is_append;
    struct open_sequence open[DCM_PATH_DEPTH];
    uint32_t depth;
    enum result result;
};

static void put_integer(struct run *r, uint64_t number, unsigned width)
{
    if (r->result == OK)
        r->result = value_integer_append(&r->p->made, number, width, r->encoding.big_endian);
}

static void put_tag(struct run *r, uint32_t tag)
{
    put_integer(r, dcm_tag_group(tag), 2);
    put_integer(r, dcm_tag_element(tag), 2);
}

static void put_header(struct run *r, uint32_t tag, enum dcm_vr vr, size_t length)
{
    const struct dcm_vr_info *info = dcm_vr_info(vr);
    put_tag(r, tag);
    if (!r->encoding.implicit_vr && r->result == OK)
        r->result = wiped_append(&r->p->made, slice_of(info->name, 2));
    if (!r->encoding.implicit_vr && info->is_long)
        put_integer(r, 0, 2);
    put_integer(r, length, r->encoding.implicit_vr || info->is_long ? 4 : 2);
}

// Writes the length in front of `at`.
static void length_patch(struct run *r, size_t at)
{
    if (r->result != OK)
        return;
    size_t length = r->p->made.length - at;
    for (unsigned i = 0; i < 4; i++)
        r->p->made.data[at - 4 + i] = (uint8_t)(length >> 8 * (r->encoding.big_endian ? 3 - i : i));
}

static void item_open(struct run *r, struct open_sequence *sequence)
{
    put_tag(r, DCM_ITEM);
    put_integer(r, 0, 4);
    sequence->item_at = r->p->made.length;
}

static void sequence_open(struct run *r, struct step step)
{
    struct open_sequence *sequence = &r->open[r->depth];
    bool is_there = r->depth == 0 && r->is_append;
    sequence->step = step;
    sequence->sequence_at = UNPLACED;
    if (!is_there) {
        put_header(r, step.tag, DCM_VR_SQ, 0);
        sequence->sequence_at = r->p->made.length;
    }
    item_open(r, sequence);
    r->depth++;
}

static void sequences_close(struct run *r, uint32_t depth)
{
    while (r->depth > depth) {
        const struct open_sequence *sequence = &r->open[--r->depth];
        length_patch(r, sequence->item_at);
        if (sequence->sequence_at != UNPLACED)
            length_patch(r, sequence->sequence_at);
    }
}

// How many open sequences and items the operation shares, and whether it then goes to the next item of the
// sequence that is open there.
static uint32_t shared_depth(const struct run *r, const struct operation *o, bool *is_next)
{
    uint32_t depth = 0;
    while (depth < r->depth && depth + 1 < o->count && r->open[depth].step.tag == o->step[depth].tag &&
           r->open[depth].step.item == o->step[depth].item)
        depth++;
    *is_next = depth < r->depth && depth + 1 < o->count && r->open[depth].step.tag == o->step[depth].tag;
    return depth;
}

static void run_add(struct run *r, const struct operation *o)
{
    bool is_next;
    uint32_t depth = shared_depth(r, o, &is_next);
    sequences_close(r, depth + is_next);
    if (is_next) {
        length_patch(r, r->open[depth].item_at);
        r->open[depth].step = o->step[depth];
        item_open(r, &r->open[depth]);
    }
    while (r->depth + 1 < o->count)
        sequence_open(r, o->step[r->depth]);
    put_header(r, o->step[o->count - 1].tag, o->vr, o->value_length);
    if (r->result == OK && o->value_length > 0)
        r->result = wiped_append(&r->p->made, slice_of(r->p->values.data + o->value_at, o->value_length));
}

enum result planner_run(struct planner *p, uint32_t first, uint32_t *after)
{
    const struct operation *head = &p->operations[first];
    struct run run = {.p = p, .encoding = planner_encoding(p, head), .result = OK};
    run.is_append = head->found != NONE;
    wiped_clear(&p->made);
    uint32_t i = first;
    for (; i < p->operation_count && run.result == OK; i++) {
        const struct operation *o = &p->operations[i];
        if (o->kind != OPERATION_CREATE || o->offset != head->offset || o->level != head->level ||
            o->found != head->found || o->step[0].tag != head->step[0].tag)
            break;
        run_add(&run, o);
        if (p->made.length > DCM_PLAN_BYTES)
            run.result = ERR_LIMIT;
    }
    sequences_close(&run, 0);
    *after = i;
    return run.result;
}
