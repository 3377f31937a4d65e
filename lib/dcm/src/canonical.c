// SPDX-License-Identifier: Apache-2.0
//
// The canonical header digests: see canonical.h and docs/digests.md 4. Called by scanner.c and
// scanner_events.c only; the owner's thread.
#include "canonical.h"
#include "base/wipe.h"
#include <string.h>

enum record_kind {
    RECORD_VALUE = 1,
    RECORD_SEQUENCE = 2,
    RECORD_ITEM = 3,
    RECORD_ITEM_END = 4,
    RECORD_SEQUENCE_END = 5,
    RECORD_PIXEL_DATA = 6,
    RECORD_FRAGMENT = 7,
};

static void sink_flush(struct canonical *c, struct canonical_sink *sink)
{
    if (sink->length > 0 && EVP_DigestUpdate(sink->context, sink->buffer, sink->length) != 1)
        c->failed = true;
    sink->length = 0;
}

static void sink_put(struct canonical *c, struct canonical_sink *sink, const void *data, size_t length)
{
    if (length > sizeof sink->buffer - sink->length)
        sink_flush(c, sink);
    if (length > sizeof sink->buffer) {
        if (EVP_DigestUpdate(sink->context, data, length) != 1)
            c->failed = true;
        return;
    }
    if (length > 0)
        memcpy(sink->buffer + sink->length, data, length);
    sink->length += length;
}

static void put_tag(struct canonical *c, struct canonical_sink *sink, uint32_t tag)
{
    uint8_t bytes[4] = {(uint8_t)(tag >> 16), (uint8_t)(tag >> 24), (uint8_t)tag, (uint8_t)(tag >> 8)};
    sink_put(c, sink, bytes, sizeof bytes);
}

static void put_kind(struct canonical *c, struct canonical_sink *sink, enum record_kind kind)
{
    uint8_t byte = (uint8_t)kind;
    sink_put(c, sink, &byte, 1);
}

// What frames a sequence of the main digest stands in both, so that the elements apart keep their place.
static void put_framing(struct canonical *c, bool apart, enum record_kind kind)
{
    if (!apart)
        put_kind(c, &c->main, kind);
    put_kind(c, &c->apart, kind);
}

static struct canonical_sink *sink_of(struct canonical *c, bool apart)
{
    return apart ? &c->apart : &c->main;
}

enum result canonical_init(struct canonical *c)
{
    memset(c, 0, sizeof *c);
    c->main.context = EVP_MD_CTX_new();
    c->apart.context = EVP_MD_CTX_new();
    return c->main.context != NULL && c->apart.context != NULL ? OK : ERR_NOMEM;
}

void canonical_fini(struct canonical *c)
{
    EVP_MD_CTX_free(c->main.context);
    EVP_MD_CTX_free(c->apart.context);
    wipe(c, sizeof *c);
}

enum result canonical_begin(struct canonical *c, const EVP_MD *algorithm)
{
    struct canonical_sink *sinks[2] = {&c->main, &c->apart};
    for (size_t i = 0; i < 2; i++) {
        wipe(sinks[i]->buffer, sizeof sinks[i]->buffer);
        sinks[i]->length = 0;
        if (EVP_DigestInit_ex(sinks[i]->context, algorithm, NULL) != 1)
            return ERR_CRYPTO;
    }
    c->apart_elements = 0;
    c->failed = false;
    c->sink = NULL;
    return OK;
}

enum result canonical_finish(struct canonical *c, uint8_t main[32], uint8_t apart[32])
{
    sink_flush(c, &c->main);
    sink_flush(c, &c->apart);
    if (EVP_DigestFinal_ex(c->main.context, main, NULL) != 1 ||
        EVP_DigestFinal_ex(c->apart.context, apart, NULL) != 1)
        c->failed = true;
    return c->failed ? ERR_CRYPTO : OK;
}

void canonical_sequence_begin(struct canonical *c, uint32_t tag, bool apart)
{
    if (apart)
        c->apart_elements++;
    else
        put_tag(c, &c->main, tag);
    put_tag(c, &c->apart, tag);
    put_framing(c, apart, RECORD_SEQUENCE);
}

void canonical_sequence_end(struct canonical *c, bool apart)
{
    put_framing(c, apart, RECORD_SEQUENCE_END);
}

void canonical_item_begin(struct canonical *c, bool apart)
{
    put_framing(c, apart, RECORD_ITEM);
}

void canonical_item_end(struct canonical *c, bool apart)
{
    put_framing(c, apart, RECORD_ITEM_END);
}

void canonical_fragments_begin(struct canonical *c, uint32_t tag, bool apart)
{
    if (apart)
        c->apart_elements++;
    put_tag(c, sink_of(c, apart), tag);
    put_kind(c, sink_of(c, apart), RECORD_SEQUENCE);
}

void canonical_fragments_end(struct canonical *c, bool apart)
{
    put_kind(c, sink_of(c, apart), RECORD_SEQUENCE_END);
}

void canonical_pixel_data(struct canonical *c, uint32_t tag)
{
    put_tag(c, &c->main, tag);
    put_kind(c, &c->main, RECORD_PIXEL_DATA);
}

static void value_reset(struct canonical *c, bool apart)
{
    if (apart)
        c->apart_elements++;
    c->sink = sink_of(c, apart);
    c->is_main = !apart;
    c->is_text = false;
    c->swap_width = 1;
    c->unit_length = 0;
    c->spaces = 0;
    c->nuls = 0;
    c->length = 0;
}

void canonical_value_begin(struct canonical *c, uint32_t tag, bool apart, enum dcm_vr dictionary,
                           uint8_t swap_width)
{
    value_reset(c, apart);
    c->is_text = !apart && dcm_vr_info(dictionary)->is_text;
    c->swap_width = swap_width;
    put_tag(c, c->sink, tag);
}

void canonical_fragment_begin(struct canonical *c, bool apart)
{
    value_reset(c, apart);
}

static void put_value(struct canonical *c, const uint8_t *data, size_t length)
{
    sink_put(c, c->sink, data, length);
    c->length += (uint32_t)length;
}

static void put_run(struct canonical *c, uint8_t byte, uint64_t count)
{
    uint8_t run[64];
    memset(run, byte, sizeof run);
    while (count > 0) {
        size_t part = count < sizeof run ? (size_t)count : sizeof run;
        put_value(c, run, part);
        count -= part;
    }
}

static void release_held(struct canonical *c)
{
    put_run(c, ' ', c->spaces);
    put_run(c, 0, c->nuls);
    c->spaces = 0;
    c->nuls = 0;
}

// Only "spaces, then NULs" can be padding at the end: a space behind a NUL lets everything before it out.
static void take_text(struct canonical *c, const uint8_t *data, size_t length)
{
    size_t end = length;
    while (end > 0 && (data[end - 1] == ' ' || data[end - 1] == 0))
        end--;
    if (end > 0) {
        release_held(c);
        put_value(c, data, end);
    }
    for (size_t i = end; i < length; i++) {
        if (data[i] == 0) {
            c->nuls++;
        } else {
            if (c->nuls > 0)
                release_held(c);
            c->spaces++;
        }
    }
}

static void take_ordered(struct canonical *c, const uint8_t *data, size_t length)
{
    if (c->is_text)
        take_text(c, data, length);
    else
        put_value(c, data, length);
}

static void take_swapped(struct canonical *c, const uint8_t *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        c->unit[c->unit_length++] = data[i];
        if (c->unit_length < c->swap_width)
            continue;
        uint8_t turned[sizeof c->unit];
        for (unsigned k = 0; k < c->swap_width; k++)
            turned[k] = c->unit[c->swap_width - 1 - k];
        take_ordered(c, turned, c->swap_width);
        c->unit_length = 0;
    }
}

void canonical_value_take(struct canonical *c, const uint8_t *data, size_t length)
{
    if (c->sink == NULL)
        return;
    if (c->swap_width > 1)
        take_swapped(c, data, length);
    else
        take_ordered(c, data, length);
}

static void record_end(struct canonical *c, enum record_kind kind)
{
    uint8_t bytes[4] = {(uint8_t)c->length, (uint8_t)(c->length >> 8), (uint8_t)(c->length >> 16),
                        (uint8_t)(c->length >> 24)};
    sink_put(c, c->sink, bytes, sizeof bytes);
    put_kind(c, c->sink, kind);
    c->sink = NULL;
}

void canonical_value_end(struct canonical *c)
{
    if (c->sink == NULL)
        return;
    take_ordered(c, c->unit, c->unit_length);
    if (c->is_main && !c->is_text && c->length % 2 != 0)
        put_run(c, 0, 1);
    record_end(c, RECORD_VALUE);
}

void canonical_fragment_end(struct canonical *c)
{
    if (c->sink != NULL)
        record_end(c, RECORD_FRAGMENT);
}
