// SPDX-License-Identifier: Apache-2.0
//
// Follows the structure of a data set byte by byte of its headers and slice by slice of its values, by the
// rules of docs/digests.md 3 (PS3.5 7.1, 7.5, A.4; CP-246), with an explicit stack instead of recursion.
// Tells its owner what it meets: see structure.h.
#include "structure.h"
#include <string.h>

// No byte of what comes next may stand at or behind this offset.
static uint64_t present_limit(struct structure *s)
{
    const struct frame *top = structure_top(s);
    if (top == NULL)
        return UINT64_MAX;
    return top->in_item ? top->item_limit : top->limit;
}

void structure_begin(struct structure *s, struct dcm_syntax syntax, const struct structure_events *events,
                     void *owner)
{
    memset(s, 0, sizeof *s);
    s->events = events;
    s->owner = owner;
    s->syntax = syntax;
}

void structure_fail(struct structure *s, enum dcm_scan_reason reason, uint64_t offset, uint32_t tag)
{
    if (s->state == STRUCTURE_FAILED)
        return;
    s->state = STRUCTURE_FAILED;
    s->failure.reason = reason;
    s->failure.offset = offset;
    s->failure.tag = tag;
    s->failure.depth = s->depth;
    for (unsigned i = 0; i < s->depth; i++) {
        s->failure.path[i] = s->frames[i].tag;
        s->failure.item[i] = s->frames[i].item;
    }
    if (s->result == OK)
        s->result = ERR_FORMAT;
}

static void fail_here(struct structure *s, enum dcm_scan_reason reason, uint32_t tag)
{
    structure_fail(s, reason, s->header_offset, tag);
}

static void consume(struct structure *s, const uint8_t *data, size_t length)
{
    s->offset += length;
    s->events->bytes(s->owner, data, length);
}

// ---- ends ----

static void top_level_element_end(struct structure *s)
{
    if (s->range == DCM_RANGE_PIXELS) {
        s->pixel_end_offset = s->offset;
        s->range = DCM_RANGE_REST;
    }
}

static void sequence_end(struct structure *s)
{
    s->events->sequence_end(s->owner);
    s->depth--;
    if (s->depth == 0)
        top_level_element_end(s);
}

static void item_end(struct structure *s)
{
    s->events->item_end(s->owner);
    structure_top(s)->in_item = false;
}

// After every header and value: what ends by its length here, ends; items and sequences in turn.
static void close_by_length(struct structure *s)
{
    for (struct frame *top = structure_top(s); top != NULL; top = structure_top(s)) {
        if (top->in_item && top->item_ends_by_length && s->offset == top->item_limit)
            item_end(s);
        else if (!top->in_item && top->ends_by_length && s->offset == top->limit)
            sequence_end(s);
        else
            return;
    }
}

static void value_end(struct structure *s)
{
    s->state = STRUCTURE_HEADER;
    s->events->value_end(s->owner);
    if (s->depth == 0)
        top_level_element_end(s);
    close_by_length(s);
}

static void value_begin(struct structure *s, uint32_t tag, uint32_t length)
{
    s->value_tag = tag;
    s->value_left = length;
    s->state = STRUCTURE_VALUE;
    if (length == 0)
        value_end(s);
}

// ---- items ----

// PS3.5 7.5 wants 0; some modalities write the undefined length of their item again.
static bool is_delimiter_length(uint32_t length)
{
    return length == 0 || length == DCM_LENGTH_UNDEFINED;
}

// A sequence holds items and ends with a delimitation item or by its length (PS3.5 7.5).
static void item_header(struct structure *s, uint32_t tag, uint32_t length)
{
    struct frame *top = structure_top(s);
    if (tag == DCM_SEQUENCE_DELIMITATION && !top->ends_by_length) {
        if (!is_delimiter_length(length)) {
            fail_here(s, DCM_SCAN_BAD_LENGTH, tag);
            return;
        }
        sequence_end(s);
        close_by_length(s);
        return;
    }
    if (tag != DCM_ITEM) {
        fail_here(s, dcm_tag_group(tag) == 0xFFFE ? DCM_SCAN_STRAY_ITEM : DCM_SCAN_NOT_AN_ITEM, tag);
        return;
    }
    bool is_defined = length != DCM_LENGTH_UNDEFINED;
    if (is_defined && length > top->limit - s->offset) {
        fail_here(s, DCM_SCAN_OVERRUN, tag);
        return;
    }
    if (top->is_fragments && !is_defined) { // PS3.5 A.4: fragments have explicit length
        fail_here(s, DCM_SCAN_BAD_LENGTH, tag);
        return;
    }
    top->item++;
    if (top->is_fragments) {
        s->events->item(s->owner);
        value_begin(s, top->tag, length);
        return;
    }
    top->in_item = true;
    top->item_ends_by_length = is_defined;
    top->item_limit = is_defined ? s->offset + length : top->limit;
    s->events->item(s->owner);
    close_by_length(s);
}

// A delimitation or item tag where an element may stand: only the end of the open item is right.
static void delimiter_header(struct structure *s, uint32_t tag, uint32_t length)
{
    const struct frame *top = structure_top(s);
    if (tag != DCM_ITEM_DELIMITATION || top == NULL || top->item_ends_by_length) {
        fail_here(s, DCM_SCAN_STRAY_ITEM, tag);
        return;
    }
    if (!is_delimiter_length(length)) {
        fail_here(s, DCM_SCAN_BAD_LENGTH, tag);
        return;
    }
    item_end(s);
    close_by_length(s);
}

// ---- elements ----

static void flag(struct structure *s, enum dcm_scan_flag flag)
{
    s->flags |= (unsigned)flag;
}

static void top_level_element_begin(struct structure *s, const struct header *h)
{
    if (s->elements > 1 && h->tag <= s->last_tag)
        flag(s, h->tag == s->last_tag ? DCM_FLAG_DUPLICATE : DCM_FLAG_OUT_OF_ORDER);
    s->last_tag = h->tag;
    if (dcm_tag_group(h->tag) < 0x0008)
        flag(s, DCM_FLAG_LOW_GROUP);
    if (s->range == DCM_RANGE_REST && h->tag < DCM_FLOAT_PIXEL_DATA)
        flag(s, DCM_FLAG_BEHIND_PIXELS);
    if (s->range == DCM_RANGE_HEADER && dcm_tag_is_pixel_data(h->tag)) {
        flag(s, DCM_FLAG_PIXEL_DATA);
        if (h->length == DCM_LENGTH_UNDEFINED)
            flag(s, DCM_FLAG_ENCAPSULATED);
        s->pixel_header_offset = s->header_offset;
        s->pixel_value_offset = s->offset;
        s->pixel_length = h->length;
        s->range = DCM_RANGE_PIXELS;
    }
}

static bool is_apart(struct structure *s, const struct header *h)
{
    const struct frame *top = structure_top(s);
    bool is_sequence = h->kind == STRUCTURE_SEQUENCE;
    if (top != NULL && top->is_apart)
        return true;
    return h->dictionary == DCM_VR_NONE || (h->dictionary == DCM_VR_SQ) != is_sequence;
}

// Pixel Data at the top level, or inside something of that tag that is no pixel data at all.
static bool is_silent(struct structure *s, const struct header *h)
{
    const struct frame *top = structure_top(s);
    return top != NULL ? top->is_silent : dcm_tag_is_pixel_data(h->tag);
}

static void frame_push(struct structure *s, const struct header *h)
{
    uint64_t limit = present_limit(s);
    bool is_defined = h->length != DCM_LENGTH_UNDEFINED;
    // CP-246: a UN of undefined length holds implicit VR little endian, its own items and delimiters too.
    bool turns_implicit = h->is_explicit && h->vr == DCM_VR_UN;
    s->frames[s->depth] = (struct frame){
        .tag = h->tag,
        .limit = is_defined ? s->offset + h->length : limit,
        .ends_by_length = is_defined,
        .is_fragments = h->kind == STRUCTURE_FRAGMENTS,
        .is_silent = h->is_silent,
        .is_apart = h->is_apart,
        .implicit_vr = structure_is_implicit(s) || turns_implicit,
        .big_endian = structure_is_big_endian(s) && !turns_implicit,
    };
    s->depth++;
    close_by_length(s);
}

// A data set in another encoding than negotiated would be read as nonsense, which need not fail by itself:
// the first value read with an absurd length swallows the rest. No data set begins in group 0800 (it is 0008
// turned round), and no first element has a length whose low bytes spell a VR.
static bool is_other_syntax(struct structure *s, const struct header *h)
{
    bool spells_vr = dcm_vr_from_letters(s->header[4], s->header[5]) != DCM_VR_NONE;
    return dcm_tag_group(h->tag) == 0x0800 || (!h->is_explicit && spells_vr);
}

// Sequence, fragments or a value: docs/digests.md 3.
static void element_header(struct structure *s, struct header *h)
{
    if (dcm_tag_group(h->tag) == 0) {
        fail_here(s, DCM_SCAN_COMMAND_GROUP, h->tag);
        return;
    }
    if (s->elements == 0 && is_other_syntax(s, h)) {
        fail_here(s, DCM_SCAN_WRONG_SYNTAX, h->tag);
        return;
    }
    bool is_undefined = h->length == DCM_LENGTH_UNDEFINED;
    if (!is_undefined && h->length > present_limit(s) - s->offset) {
        fail_here(s, DCM_SCAN_OVERRUN, h->tag);
        return;
    }
    bool may_be_fragments =
        h->is_explicit ? h->vr == DCM_VR_OB || h->vr == DCM_VR_OW : h->tag == DCM_PIXEL_DATA;
    bool may_be_sequence = !h->is_explicit || h->vr == DCM_VR_SQ || h->vr == DCM_VR_UN;
    if (is_undefined && !may_be_fragments && !may_be_sequence) {
        fail_here(s, DCM_SCAN_BAD_LENGTH, h->tag);
        return;
    }
    s->elements++;
    if (h->is_explicit && h->vr == DCM_VR_NONE)
        flag(s, DCM_FLAG_UNKNOWN_VR);
    if (s->depth == 0)
        top_level_element_begin(s, h);
    if (is_undefined && may_be_fragments)
        h->kind = STRUCTURE_FRAGMENTS;
    else if (is_undefined || h->vr == DCM_VR_SQ)
        h->kind = STRUCTURE_SEQUENCE;
    if (h->kind != STRUCTURE_PLAIN && s->depth == DCM_DEPTH_LIMIT) {
        fail_here(s, DCM_SCAN_TOO_DEEP, h->tag);
        return;
    }
    if (h->kind == STRUCTURE_PLAIN && h->length % 2 != 0)
        flag(s, DCM_FLAG_ODD_LENGTH);
    h->is_silent = is_silent(s, h);
    h->is_apart = is_apart(s, h);
    s->events->element(s->owner, h);
    if (h->kind == STRUCTURE_PLAIN)
        value_begin(s, h->tag, h->length);
    else
        frame_push(s, h);
}

// ---- headers ----

static uint32_t number_at(struct structure *s, unsigned at, unsigned width)
{
    uint32_t number = 0;
    bool big = structure_is_big_endian(s);
    for (unsigned i = 0; i < width; i++)
        number = number << 8 | s->header[big ? at + i : at + width - 1 - i];
    return number;
}

static uint32_t header_tag(struct structure *s)
{
    return number_at(s, 0, 2) << 16 | number_at(s, 2, 2);
}

static bool header_has_vr(struct structure *s)
{
    const struct frame *top = structure_top(s);
    if (top != NULL && !top->in_item)
        return false;
    return !structure_is_implicit(s) && dcm_tag_group(header_tag(s)) != 0xFFFE;
}

static bool is_capital(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

// 8 or 12 bytes; 0 if the two letters can not be a VR. Needs the first 8 bytes.
static unsigned explicit_header_size(const uint8_t *header)
{
    enum dcm_vr vr = dcm_vr_from_letters(header[4], header[5]);
    if (vr != DCM_VR_NONE)
        return dcm_vr_info(vr)->is_long ? 12 : 8;
    if (is_capital(header[4]) && is_capital(header[5]))
        return 12; // PS3.5 6.2: VRs of later editions have the long form
    if (header[4] == header[5] && (header[4] == ' ' || header[4] == '?'))
        return 8; // written by old toolkits for elements that they did not know
    return 0;
}

static unsigned header_size(struct structure *s)
{
    if (s->header_length < 8 || !header_has_vr(s))
        return 8;
    return explicit_header_size(s->header);
}

static void header_complete(struct structure *s, unsigned size)
{
    const struct frame *top = structure_top(s);
    bool has_vr = header_has_vr(s);
    struct header h = {.tag = header_tag(s), .is_explicit = has_vr};
    s->header_length = 0;
    if (!has_vr)
        h.length = number_at(s, 4, 4);
    else
        h.length = size == 12 ? number_at(s, 8, 4) : number_at(s, 6, 2);
    if (top != NULL && !top->in_item) {
        item_header(s, h.tag, h.length);
    } else if (dcm_tag_group(h.tag) == 0xFFFE) {
        delimiter_header(s, h.tag, h.length);
    } else {
        h.dictionary = dcm_dictionary_vr(h.tag);
        h.vr = has_vr ? dcm_vr_from_letters(s->header[4], s->header[5]) : h.dictionary;
        element_header(s, &h);
    }
}

static size_t header_take(struct structure *s, const uint8_t *data, size_t length)
{
    if (s->header_length == 0)
        s->header_offset = s->offset;
    size_t taken = 0;
    for (;;) {
        unsigned size = header_size(s);
        if (size == 0) {
            fail_here(s, DCM_SCAN_NOT_A_VR, header_tag(s));
            return taken;
        }
        if (size > present_limit(s) - s->header_offset) {
            fail_here(s, DCM_SCAN_OVERRUN, s->header_length < 8 ? 0 : header_tag(s));
            return taken;
        }
        if (s->header_length == size) {
            header_complete(s, size);
            return taken;
        }
        if (taken == length)
            return taken;
        size_t part = size - s->header_length;
        if (part > length - taken)
            part = length - taken;
        memcpy(s->header + s->header_length, data + taken, part);
        s->header_length += (unsigned)part;
        consume(s, data + taken, part);
        taken += part;
    }
}

static size_t value_take(struct structure *s, const uint8_t *data, size_t length)
{
    size_t part = s->value_left < length ? (size_t)s->value_left : length;
    s->events->value(s->owner, data, part);
    consume(s, data, part);
    s->value_left -= part;
    if (s->value_left == 0)
        value_end(s);
    return part;
}

size_t structure_take(struct structure *s, const uint8_t *data, size_t length)
{
    size_t taken = 0;
    enum dcm_range range = s->range;
    while (taken < length && s->result == OK && s->range == range) {
        if (s->state == STRUCTURE_HEADER)
            taken += header_take(s, data + taken, length - taken);
        else
            taken += value_take(s, data + taken, length - taken);
    }
    return taken;
}

void structure_finish(struct structure *s)
{
    if (s->state == STRUCTURE_VALUE)
        fail_here(s, DCM_SCAN_TRUNCATED, s->value_tag);
    else if (s->state == STRUCTURE_HEADER && (s->depth > 0 || s->header_length > 0))
        structure_fail(s, DCM_SCAN_TRUNCATED, s->header_length > 0 ? s->header_offset : s->offset, 0);
}
