// SPDX-License-Identifier: Apache-2.0
//
// What the structure walker meets, passed on to the canonical digests, the named elements and the counted
// items. Called by structure.c; the owner's thread.
#include "scanner_state.h"

// ---- counted items ----

static bool is_watched(const struct dcm_scanner *s)
{
    return s->structure.depth == 1 && s->items.sequence != 0 &&
           s->structure.frames[0].tag == s->items.sequence;
}

static void watched_value_begin(struct dcm_scanner *s, uint32_t tag)
{
    s->items.comparing = 0;
    s->items.length = 0;
    for (unsigned i = 0; i < DCM_ITEM_MATCHES && is_watched(s); i++)
        if (s->items.tag[i] == tag)
            s->items.comparing = i + 1;
}

static void watched_value_take(struct dcm_scanner *s, const uint8_t *data, size_t length)
{
    struct item_watch *items = &s->items;
    for (size_t i = 0; items->comparing != 0 && i < length; i++, items->length++)
        if (items->length < sizeof items->value)
            items->value[items->length] = data[i];
}

static void watched_value_end(struct dcm_scanner *s)
{
    struct item_watch *items = &s->items;
    if (items->comparing == 0)
        return;
    unsigned match = items->comparing - 1;
    items->comparing = 0;
    if (items->length > sizeof items->value)
        return;
    struct slice value = slice_trimmed(slice_of(items->value, items->length));
    items->is_met[match] |=
        slice_is_equal(value, slice_of(items->wanted[match], items->wanted_length[match]));
}

static void watched_item_end(struct dcm_scanner *s)
{
    if (!is_watched(s))
        return;
    bool are_all = true;
    for (unsigned i = 0; i < DCM_ITEM_MATCHES; i++)
        are_all &= s->items.is_met[i];
    s->report.items_first += s->items.is_met[0];
    s->report.items_all += are_all;
    memset(s->items.is_met, 0, sizeof s->items.is_met);
}

// ---- elements ----

// docs/digests.md 4, "Left out": what depends on the encoding alone.
static bool is_left_out(uint32_t tag)
{
    return dcm_tag_element(tag) == 0 || tag == DCM_LENGTH_TO_END || tag == DCM_TRAILING_PADDING;
}

static void element_canonical(struct dcm_scanner *s, const struct header *h)
{
    if (h->is_silent) {
        if (s->structure.depth == 0)
            canonical_pixel_data(&s->canonical, h->tag);
    } else if (h->kind == STRUCTURE_FRAGMENTS) {
        canonical_fragments_begin(&s->canonical, h->tag, h->is_apart);
    } else if (h->kind == STRUCTURE_SEQUENCE) {
        canonical_sequence_begin(&s->canonical, h->tag, h->is_apart);
    } else if (!is_left_out(h->tag)) {
        bool is_turned = structure_is_big_endian(&s->structure);
        canonical_value_begin(&s->canonical, h->tag, h->is_apart, h->dictionary,
                              is_turned ? dcm_vr_info(h->vr)->swap_width : 1);
    }
}

static void on_element(void *owner, const struct header *h)
{
    struct dcm_scanner *s = owner;
    if (s->structure.depth == 0) {
        struct dcm_named element = {.tag = h->tag,
                                    .vr = h->vr,
                                    .length = h->length,
                                    .header_offset = s->structure.header_offset,
                                    .value_offset = s->structure.offset};
        if (named_element_begin(&s->named, &element))
            s->flags |= DCM_FLAG_DUPLICATE;
    }
    element_canonical(s, h);
    if (h->kind == STRUCTURE_PLAIN)
        watched_value_begin(s, h->tag);
}

static void on_bytes(void *owner, const uint8_t *data, size_t length)
{
    struct dcm_scanner *s = owner;
    enum result result = named_element_take(&s->named, data, length);
    if (result != OK && s->structure.result == OK)
        s->structure.result = result;
}

static void on_value(void *owner, const uint8_t *data, size_t length)
{
    struct dcm_scanner *s = owner;
    canonical_value_take(&s->canonical, data, length);
    watched_value_take(s, data, length);
}

static void on_value_end(void *owner)
{
    struct dcm_scanner *s = owner;
    const struct frame *top = structure_top(&s->structure);
    watched_value_end(s);
    if (top != NULL && top->is_fragments)
        canonical_fragment_end(&s->canonical);
    else
        canonical_value_end(&s->canonical);
    if (top == NULL)
        named_element_end(&s->named, s->structure.offset);
}

static void on_item(void *owner)
{
    struct dcm_scanner *s = owner;
    const struct frame *top = structure_top(&s->structure);
    if (top->is_silent)
        return;
    if (top->is_fragments)
        canonical_fragment_begin(&s->canonical, top->is_apart);
    else
        canonical_item_begin(&s->canonical, top->is_apart);
}

static void on_item_end(void *owner)
{
    struct dcm_scanner *s = owner;
    const struct frame *top = structure_top(&s->structure);
    watched_item_end(s);
    if (!top->is_silent)
        canonical_item_end(&s->canonical, top->is_apart);
}

static void on_sequence_end(void *owner)
{
    struct dcm_scanner *s = owner;
    const struct frame *top = structure_top(&s->structure);
    if (!top->is_silent && top->is_fragments)
        canonical_fragments_end(&s->canonical, top->is_apart);
    else if (!top->is_silent)
        canonical_sequence_end(&s->canonical, top->is_apart);
    if (s->structure.depth == 1)
        named_element_end(&s->named, s->structure.offset);
}

const struct structure_events scanner_events = {
    .element = on_element,
    .bytes = on_bytes,
    .value = on_value,
    .value_end = on_value_end,
    .item = on_item,
    .item_end = on_item_end,
    .sequence_end = on_sequence_end,
};
