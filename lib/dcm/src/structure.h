// SPDX-License-Identifier: Apache-2.0
//
// The walker over the structure of a data set, shared by the scanner (which digests what it meets) and the
// survey (which remembers places). It tells its owner what it meets through a table of functions; frames show
// where it is. No recursion, no allocation, one thread: the owner's.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/scanner.h"
#include "dcm/syntax.h"

// One open sequence, or row of fragments, with its open item if it has one.
struct frame {
    uint32_t tag;
    uint32_t item;       // number of the open or last item, from 1
    uint64_t limit;      // offset that nothing inside may pass
    uint64_t item_limit; // likewise of the open item
    bool ends_by_length; // at `limit`; else by a sequence delimitation item
    bool item_ends_by_length;
    bool in_item;
    bool is_fragments;
    bool is_silent; // the value of the top-level Pixel Data: in no canonical digest
    bool is_apart;  // which canonical digest, with all that it holds
    bool implicit_vr;
    bool big_endian;
};

enum structure_state {
    STRUCTURE_HEADER, // collecting the header of an element, item or delimitation item
    STRUCTURE_VALUE,  // a value or fragment is passing
    STRUCTURE_FAILED,
};

enum structure_kind {
    STRUCTURE_PLAIN, // the value follows
    STRUCTURE_SEQUENCE,
    STRUCTURE_FRAGMENTS,
};

struct header {
    uint32_t tag;
    uint32_t length;
    enum dcm_vr vr;         // explicit VR: as written; implicit: the dictionary's
    enum dcm_vr dictionary; // NONE for what it does not know
    bool is_explicit;
    enum structure_kind kind;
    bool is_silent; // as in struct frame
    bool is_apart;
};

// Called with the owner in the order of the stream; structure.offset is behind the header or value in
// question, structure.header_offset at the header.
struct structure_events {
    // An element's header; its frame, if it is no plain value, is not yet open.
    void (*element)(void *owner, const struct header *h);
    // Every byte, of headers too, before anything else is said of it.
    void (*bytes)(void *owner, const uint8_t *data, size_t length);
    // Bytes of a plain value or fragment.
    void (*value)(void *owner, const uint8_t *data, size_t length);
    // It has ended; in a frame that is_fragments it was a fragment.
    void (*value_end)(void *owner);
    // An item or fragment of the innermost frame.
    void (*item)(void *owner);
    void (*item_end)(void *owner);
    // The innermost frame ends; it is still open.
    void (*sequence_end)(void *owner);
};

struct structure {
    const struct structure_events *events;
    void *owner;
    struct dcm_syntax syntax;
    enum result result; // OK, or why the walk has ended; the owner may set it too
    enum structure_state state;
    uint64_t offset; // of the next byte
    uint8_t header[12];
    unsigned header_length;
    uint64_t header_offset;
    uint32_t value_tag;
    uint64_t value_left; // bytes; above 0 in STRUCTURE_VALUE
    unsigned depth;
    struct frame frames[DCM_DEPTH_LIMIT];
    uint32_t last_tag;    // at the top level
    enum dcm_range range; // that the next byte is in
    uint64_t elements;    // headers of elements, at all depths
    unsigned flags;       // enum dcm_scan_flag
    uint64_t pixel_header_offset;
    uint64_t pixel_value_offset;
    uint64_t pixel_end_offset;
    uint32_t pixel_length;
    struct dcm_scan_failure failure;
};

void structure_begin(struct structure *s, struct dcm_syntax syntax, const struct structure_events *events,
                     void *owner);

// Takes bytes of the stream up to the end of the piece or of the present range, whichever comes first;
// returns how many. Stops for good when s->state is STRUCTURE_FAILED or s->result is not OK.
MUST_USE size_t structure_take(struct structure *s, const uint8_t *data, size_t length);

// At the end of the stream: fails it as truncated if anything is open.
void structure_finish(struct structure *s);

// Records the first failure, of the header at `offset`.
void structure_fail(struct structure *s, enum dcm_scan_reason reason, uint64_t offset, uint32_t tag);

// The innermost frame; NULL at the top level.
static inline struct frame *structure_top(struct structure *s)
{
    return s->depth > 0 ? &s->frames[s->depth - 1] : NULL;
}

// How what comes next is encoded.
static inline bool structure_is_implicit(const struct structure *s)
{
    return s->depth > 0 ? s->frames[s->depth - 1].implicit_vr : s->syntax.implicit_vr;
}

static inline bool structure_is_big_endian(const struct structure *s)
{
    return s->depth > 0 ? s->frames[s->depth - 1].big_endian : s->syntax.big_endian;
}
