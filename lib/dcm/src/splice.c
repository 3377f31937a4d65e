// SPDX-License-Identifier: Apache-2.0
//
// The second pass: see dcm/splice.h. The owner's thread.
#include "dcm/splice.h"
#include "base/check.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "dcm/syntax.h"
#include "inflater.h"
#include "plan.h"
#include <stdlib.h>

#define SPLICE_MAGIC UINT32_C(0x591CE001)
#define CHUNK_SIZE   16384

// Where a deflated data set is on its way.
enum stage {
    STAGE_FLOW,    // bytes come out as the changes say
    STAGE_PADDING, // the deflate stream has ended with an odd length
    STAGE_END,
};

struct dcm_splice {
    uint32_t magic;
    const struct dcm_plan *plan; // NULL: none
    bool recodes;                // inflates and deflates
    bool wants_undo;
    bool is_finished;
    enum result result; // sticky
    struct slice piece; // what is left of the input

    // Over the stream that the plan speaks of.
    struct slice stream; // what is left of the bytes at hand: of the piece, or of the inflated chunk
    bool stream_ended;
    uint64_t offset;         // of the next byte of the stream
    size_t next;             // change
    uint64_t skip;           // bytes of the present change that still have to go
    struct wiped_bytes undo; // the bytes that went, of all changes in turn

    struct inflater inflater;
    struct deflater deflater;
    enum stage stage;
    struct slice pending; // edited bytes that are being deflated
    uint64_t deflated;    // bytes that came out
    uint8_t inflated_chunk[CHUNK_SIZE];
    uint8_t deflated_chunk[CHUNK_SIZE];
};

enum result dcm_splice_new(struct dcm_splice **splice)
{
    struct dcm_splice *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(s, SPLICE_MAGIC);
    s->result = ERR_ARGUMENT; // until begin
    *splice = s;
    return OK;
}

void dcm_splice_free(struct dcm_splice *s)
{
    if (s == NULL)
        return;
    MAGIC_CHECK(s, SPLICE_MAGIC);
    wiped_release(&s->undo);
    inflater_fini(&s->inflater);
    deflater_fini(&s->deflater);
    wipe(s, sizeof *s);
    free(s);
}

static size_t change_count(const struct dcm_splice *s)
{
    return s->plan != NULL ? s->plan->count : 0;
}

enum result dcm_splice_begin(struct dcm_splice *s, const struct dcm_plan *plan, struct slice transfer_syntax,
                             bool wants_undo)
{
    MAGIC_CHECK(s, SPLICE_MAGIC);
    s->plan = plan;
    s->recodes = change_count(s) > 0 && dcm_syntax_by_uid(transfer_syntax).deflated;
    s->wants_undo = wants_undo && change_count(s) > 0;
    s->is_finished = false;
    s->piece = slice_of(NULL, 0);
    s->stream = slice_of(NULL, 0);
    s->stream_ended = false;
    s->offset = 0;
    s->next = 0;
    s->skip = 0;
    s->stage = STAGE_FLOW;
    s->pending = slice_of(NULL, 0);
    s->deflated = 0;
    wiped_clear(&s->undo);
    s->result = s->wants_undo ? wiped_reserve(&s->undo, (size_t)plan->old_bytes) : OK;
    if (s->result == OK && s->recodes)
        s->result = inflater_begin(&s->inflater);
    if (s->result == OK && s->recodes)
        s->result = deflater_begin(&s->deflater);
    return s->result;
}

enum result dcm_splice_put(struct dcm_splice *s, struct slice piece)
{
    MAGIC_CHECK(s, SPLICE_MAGIC);
    ensure(s->piece.length == 0 && !s->is_finished);
    if (s->result == OK)
        s->piece = piece;
    return s->result;
}

static enum result fail(struct dcm_splice *s, enum result result)
{
    s->result = result;
    return result;
}

enum result dcm_splice_finish(struct dcm_splice *s)
{
    MAGIC_CHECK(s, SPLICE_MAGIC);
    ensure(s->piece.length == 0);
    s->is_finished = true;
    if (s->result != OK)
        return s->result;
    if (s->recodes && !s->inflater.has_ended)
        return fail(s, ERR_FORMAT);
    s->stream_ended = true;
    // At the very end only insertions may be left.
    bool is_short = s->skip > 0 && s->stream.length == 0;
    for (size_t i = s->next; i < change_count(s) && s->stream.length == 0; i++)
        is_short |= s->plan->changes[i].offset != s->offset || s->plan->changes[i].old_length > 0;
    return is_short ? fail(s, ERR_FORMAT) : OK;
}

// ---- the changes ----

static void stream_drop(struct dcm_splice *s, size_t length)
{
    s->stream = slice_from(s->stream, length);
    s->offset += length;
}

// Bytes that the present change removes.
static void stream_skip(struct dcm_splice *s)
{
    size_t length = s->skip < s->stream.length ? (size_t)s->skip : s->stream.length;
    // Room was reserved by begin.
    if (s->wants_undo)
        ensure(wiped_append(&s->undo, slice_first(s->stream, length)) == OK);
    s->skip -= length;
    stream_drop(s, length);
}

// The next edited bytes: OK, AGAIN (more of the stream is wanted), CLOSED (it has ended).
static enum result edited_next(struct dcm_splice *s, struct slice *out)
{
    for (;;) {
        if (s->skip > 0 && s->stream.length > 0)
            stream_skip(s);
        if (s->skip > 0)
            return s->stream_ended ? ERR_FORMAT : AGAIN;
        const struct dcm_change *change = s->next < change_count(s) ? &s->plan->changes[s->next] : NULL;
        if (change != NULL && change->offset == s->offset) {
            s->next++;
            s->skip = change->old_length;
            if (change->new_bytes.length == 0)
                continue;
            *out = change->new_bytes;
            return OK;
        }
        if (s->stream.length == 0 && s->stream_ended)
            return change != NULL ? ERR_FORMAT : CLOSED;
        if (s->stream.length == 0)
            return AGAIN;
        uint64_t left = change != NULL ? change->offset - s->offset : UINT64_MAX;
        *out = slice_first(s->stream, left < s->stream.length ? (size_t)left : s->stream.length);
        stream_drop(s, out->length);
        return OK;
    }
}

// ---- deflated ----

// More of the inflated stream; AGAIN: wants a piece. What follows the end of the deflate stream is dropped:
// it is padding (PS3.5 A.5).
static enum result stream_inflate(struct dcm_splice *s)
{
    size_t made = 0;
    enum result result = OK;
    while (result == OK && made == 0 && !s->inflater.has_ended)
        result = inflater_take(&s->inflater, &s->piece, s->inflated_chunk, sizeof s->inflated_chunk, &made);
    if (s->inflater.has_ended) {
        s->piece = slice_of(NULL, 0);
        s->stream_ended = true;
    }
    if (result < 0)
        return result;
    s->stream = slice_of(s->inflated_chunk, made);
    return made > 0 || s->stream_ended ? OK : AGAIN;
}

// The next edited bytes to deflate, inflating as needed.
static enum result pending_fill(struct dcm_splice *s, bool *is_last)
{
    *is_last = false;
    for (;;) {
        enum result result = edited_next(s, &s->pending);
        if (result == CLOSED)
            *is_last = true;
        if (result != AGAIN)
            return result == CLOSED ? OK : result;
        result = stream_inflate(s);
        if (result != OK)
            return result;
    }
}

static enum result recoded_out(struct dcm_splice *s, size_t made, struct slice *out)
{
    s->deflated += made;
    *out = slice_of(s->deflated_chunk, made);
    return OK;
}

static enum result recoded_next(struct dcm_splice *s, struct slice *out)
{
    static const uint8_t padding = 0;
    while (s->stage == STAGE_FLOW) {
        bool is_last = false;
        enum result result = s->pending.length > 0 ? OK : pending_fill(s, &is_last);
        if (result != OK)
            return result;
        size_t made = 0;
        result = deflater_take(&s->deflater, &s->pending, is_last, s->deflated_chunk, CHUNK_SIZE, &made);
        if (result == CLOSED)
            s->stage = (s->deflated + made) % 2 != 0 ? STAGE_PADDING : STAGE_END;
        if (made > 0)
            return recoded_out(s, made, out);
    }
    if (s->stage == STAGE_PADDING) {
        s->stage = STAGE_END;
        *out = slice_of(&padding, 1);
        return OK;
    }
    s->piece = slice_of(NULL, 0);
    return s->is_finished ? CLOSED : AGAIN;
}

// ---- out ----

static enum result plain_next(struct dcm_splice *s, struct slice *out)
{
    if (s->piece.length > 0) {
        s->stream = s->piece;
        s->piece = slice_of(NULL, 0);
    }
    return edited_next(s, out);
}

enum result dcm_splice_next(struct dcm_splice *s, struct slice *out)
{
    MAGIC_CHECK(s, SPLICE_MAGIC);
    if (s->result != OK)
        return s->result;
    enum result result = s->recodes ? recoded_next(s, out) : plain_next(s, out);
    return result < 0 ? fail(s, result) : result;
}

bool dcm_splice_is_past_changes(const struct dcm_splice *s)
{
    MAGIC_CHECK(s, SPLICE_MAGIC);
    return s->next == change_count(s) && s->skip == 0;
}

uint64_t dcm_splice_length(const struct dcm_plan *plan, uint64_t length)
{
    return plan != NULL ? length + (uint64_t)plan->growth : length;
}

enum result dcm_splice_undo(const struct dcm_splice *s, struct dcm_plan **undo)
{
    MAGIC_CHECK(s, SPLICE_MAGIC);
    struct plan_builder builder;
    size_t taken = 0;
    uint64_t new_before = 0;
    uint64_t old_before = 0;
    if (!dcm_splice_is_past_changes(s) || (change_count(s) > 0 && !s->wants_undo))
        return AGAIN;
    enum result result = plan_builder_begin(&builder);
    for (size_t i = 0; result == OK && i < change_count(s); i++) {
        const struct dcm_change *change = &s->plan->changes[i];
        struct slice old = slice_first(slice_from(wiped_slice(&s->undo), taken), (size_t)change->old_length);
        result = plan_builder_add(&builder, change->offset + new_before - old_before,
                                  change->new_bytes.length, old);
        taken += old.length;
        new_before += change->new_bytes.length;
        old_before += change->old_length;
    }
    if (result == OK)
        result = plan_builder_end(&builder, undo);
    plan_builder_release(&builder);
    return result;
}
