// SPDX-License-Identifier: Apache-2.0
#include "forward/outlet.h"
#include "base/check.h"
#include "base/wipe.h"
#include "dcm/scanner.h"
#include "dcm/syntax.h"
#include <stdlib.h>
#include <string.h>

// ---- buffers ----

static uint8_t *memory_of(const struct outlet_buffers *buffers, unsigned index)
{
    return buffers->memory + (size_t)index * OUTLET_BUFFER_BYTES;
}

void outlet_buffer_release(struct outlet_buffers *buffers, unsigned index)
{
    wipe(memory_of(buffers, index), buffers->each[index].length);
    buffers->each[index] = (struct outlet_buffer){0};
}

void outlet_buffers_fini(struct outlet_buffers *buffers)
{
    if (buffers->memory != NULL)
        wipe(buffers->memory, OUTLET_BUFFERS * (size_t)OUTLET_BUFFER_BYTES);
    free(buffers->memory);
    *buffers = (struct outlet_buffers){0};
}

static struct outlet_buffer *filling(const struct outlet *outlet)
{
    return &outlet->buffers->each[outlet->buffers->filling];
}

static size_t gathered(const struct outlet *outlet)
{
    return outlet->is_filling ? filling(outlet)->length : 0;
}

// ---- life ----

void outlet_begin_plain(struct outlet *outlet)
{
    *outlet = (struct outlet){.is_of_piece = true};
}

static enum result digest_begin(struct outlet *outlet, struct slice transfer_syntax)
{
    if (outlet->recodes) { // only a scanner sees the header behind the deflate stream
        struct dcm_scan_options options = {.transfer_syntax = transfer_syntax,
                                           .algorithm = DCM_DIGEST_SHA256};
        enum result result = dcm_scanner_new(&outlet->scanner);
        return result == OK ? dcm_scanner_begin(outlet->scanner, &options) : result;
    }
    outlet->digest = EVP_MD_CTX_new();
    if (outlet->digest == NULL)
        return ERR_NOMEM;
    return EVP_DigestInit_ex(outlet->digest, EVP_sha256(), NULL) == 1 ? OK : ERR_CRYPTO;
}

enum result outlet_begin_edited(struct outlet *outlet, const struct dcm_plan *plan, struct dcm_splice *splice,
                                struct outlet_buffers *buffers, struct slice transfer_syntax,
                                uint64_t header_length)
{
    ensure(dcm_plan_count(plan) > 0);
    *outlet = (struct outlet){.plan = plan, .splice = splice, .buffers = buffers};
    outlet->recodes = dcm_syntax_by_uid(transfer_syntax).deflated;
    outlet->header_left = dcm_splice_length(plan, header_length);
    if (buffers->memory == NULL)
        buffers->memory = malloc(OUTLET_BUFFERS * (size_t)OUTLET_BUFFER_BYTES);
    if (buffers->memory == NULL)
        return ERR_NOMEM;
    enum result result = digest_begin(outlet, transfer_syntax);
    return result == OK ? dcm_splice_begin(splice, plan, transfer_syntax, true) : result;
}

void outlet_fini(struct outlet *outlet)
{
    if (outlet->is_filling) // else the buffer may be another's by now
        outlet_buffer_release(outlet->buffers, outlet->buffers->filling);
    EVP_MD_CTX_free(outlet->digest);
    dcm_scanner_free(outlet->scanner);
    *outlet = (struct outlet){0};
}

// ---- in ----

void outlet_length_set(struct outlet *outlet, uint64_t length)
{
    outlet->has_total = !outlet->recodes;
    outlet->total = dcm_splice_length(outlet->plan, length);
}

static void fail(struct outlet *outlet, enum result result)
{
    if (outlet->result == OK)
        outlet->result = result;
}

void outlet_put(struct outlet *outlet, struct slice piece)
{
    ensure(outlet->run.length == 0);
    if (outlet->plan == NULL) {
        outlet->run = piece;
        return;
    }
    outlet->piece = piece;
    enum result result = dcm_splice_put(outlet->splice, piece);
    if (result != OK)
        fail(outlet, result);
}

void outlet_end(struct outlet *outlet)
{
    enum result result = outlet->plan == NULL || outlet->has_ended ? OK : dcm_splice_finish(outlet->splice);
    outlet->has_ended = true;
    if (result != OK)
        fail(outlet, result);
}

// ---- the header as it goes out ----

static enum result header_end(struct outlet *outlet)
{
    outlet->has_header = true;
    return EVP_DigestFinal_ex(outlet->digest, outlet->header, NULL) == 1 ? OK : ERR_CRYPTO;
}

static enum result header_take(struct outlet *outlet, struct slice run)
{
    if (outlet->recodes)
        return dcm_scanner_feed(outlet->scanner, run);
    if (outlet->has_header)
        return OK;
    struct slice part =
        slice_first(run, outlet->header_left < run.length ? (size_t)outlet->header_left : run.length);
    if (part.length > 0 && EVP_DigestUpdate(outlet->digest, part.data, part.length) != 1)
        return ERR_CRYPTO;
    outlet->header_left -= part.length;
    return outlet->header_left == 0 ? header_end(outlet) : OK;
}

// All has come out.
static enum result header_finish(struct outlet *outlet)
{
    if (outlet->has_header)
        return OK;
    if (!outlet->recodes) // only of an empty one the end comes before the first run
        return outlet->header_left == 0 ? header_end(outlet) : ERR_FORMAT;
    struct dcm_scan_report report;
    enum result result = dcm_scanner_finish(outlet->scanner, &report);
    if (result != OK)
        return result;
    outlet->has_header = true;
    memcpy(outlet->header, report.digests.range[DCM_RANGE_HEADER].bytes, sizeof outlet->header);
    return OK;
}

// ---- runs ----

static bool lies_in(struct slice part, struct slice whole)
{
    uintptr_t at = (uintptr_t)part.data;
    uintptr_t begin = (uintptr_t)whole.data;
    return at >= begin && at - begin <= whole.length && part.length <= whole.length - (at - begin);
}

static enum result run_of_splice(struct outlet *outlet)
{
    enum result result = dcm_splice_next(outlet->splice, &outlet->run);
    if (result != OK)
        outlet->run = slice_of(NULL, 0);
    outlet->is_of_piece = dcm_splice_is_past_changes(outlet->splice) && lies_in(outlet->run, outlet->piece);
    if (result == OK)
        result = header_take(outlet, outlet->run);
    else if (result == CLOSED && header_finish(outlet) != OK)
        result = ERR_FORMAT;
    return result;
}

// There is a run: OK. AGAIN: wants a piece. CLOSED: all is out.
static enum result run_pull(struct outlet *outlet)
{
    if (outlet->result != OK || outlet->run.length > 0)
        return outlet->result;
    enum result result;
    if (outlet->plan != NULL)
        result = run_of_splice(outlet);
    else
        result = outlet->has_ended ? CLOSED : AGAIN;
    if (result < 0)
        fail(outlet, result);
    return result;
}

bool outlet_wants_piece(struct outlet *outlet)
{
    return !outlet->has_fragment && run_pull(outlet) == AGAIN;
}

// ---- fragments ----

static enum outlet_step fragment_sliced(struct outlet *outlet, size_t most)
{
    struct slice payload = slice_first(outlet->run, most);
    outlet->is_last = outlet->has_total && outlet->emitted + payload.length == outlet->total;
    if (outlet->plan != NULL && !outlet->is_last)
        payload.length &= ~(size_t)1; // the odd byte is gathered with what follows
    outlet->fragment = payload;
    outlet->is_gathered = false;
    outlet->has_fragment = true;
    return OUTLET_FRAGMENT;
}

static enum outlet_step fragment_gathered(struct outlet *outlet, bool is_last)
{
    outlet->fragment =
        slice_of(memory_of(outlet->buffers, outlet->buffers->filling), filling(outlet)->length);
    outlet->is_gathered = true;
    outlet->is_last = is_last;
    outlet->has_fragment = true;
    return OUTLET_FRAGMENT;
}

// All is out: what is gathered is the last fragment. An empty data set has an empty one.
static enum outlet_step fragment_at_end(struct outlet *outlet)
{
    bool is_short = outlet->has_total && outlet->emitted + gathered(outlet) != outlet->total;
    if (is_short || (gathered(outlet) == 0 && outlet->emitted > 0)) {
        fail(outlet, ERR_FORMAT);
        return OUTLET_FAILED;
    }
    if (gathered(outlet) > 0)
        return fragment_gathered(outlet, true);
    outlet->fragment = slice_of(NULL, 0);
    outlet->is_gathered = false;
    outlet->is_last = outlet->has_fragment = true;
    return OUTLET_FRAGMENT;
}

static void gather(struct outlet *outlet, size_t most)
{
    struct outlet_buffer *buffer = filling(outlet);
    outlet->is_filling = true;
    struct slice part = slice_first(outlet->run, most - buffer->length);
    memcpy(memory_of(outlet->buffers, outlet->buffers->filling) + buffer->length, part.data, part.length);
    buffer->length += part.length;
    outlet->run = slice_from(outlet->run, part.length);
}

static bool may_slice(const struct outlet *outlet)
{
    if (outlet->plan == NULL)
        return true;
    return outlet->is_of_piece && outlet->run.length >= OUTLET_SLICE_LEAST && gathered(outlet) % 2 == 0;
}

static enum outlet_step fragment_make(struct outlet *outlet, size_t most)
{
    size_t room = most < OUTLET_BUFFER_BYTES ? most : OUTLET_BUFFER_BYTES;
    for (;;) {
        enum result result = run_pull(outlet);
        if (result == CLOSED)
            return fragment_at_end(outlet);
        if (result != OK)
            return result == AGAIN ? OUTLET_WANTS_PIECE : OUTLET_FAILED;
        if (may_slice(outlet) && gathered(outlet) == 0)
            return fragment_sliced(outlet, most);
        if (may_slice(outlet) || gathered(outlet) >= room) // more follows it
            return fragment_gathered(outlet, false);
        if (filling(outlet)->is_out)
            return OUTLET_WANTS_ROOM;
        gather(outlet, room);
    }
}

enum outlet_step outlet_next(struct outlet *outlet, size_t most, struct outlet_fragment *fragment)
{
    if (!outlet->has_fragment) {
        enum outlet_step step = fragment_make(outlet, most);
        if (step != OUTLET_FRAGMENT)
            return step;
    }
    fragment->payload = outlet->fragment;
    fragment->is_last = outlet->is_last;
    return OUTLET_FRAGMENT;
}

void outlet_taken(struct outlet *outlet, uint64_t mark)
{
    ensure(outlet->has_fragment);
    outlet->has_fragment = false;
    outlet->emitted += outlet->fragment.length;
    if (!outlet->is_gathered) {
        outlet->run = slice_from(outlet->run, outlet->fragment.length);
        return;
    }
    outlet->is_filling = false;
    filling(outlet)->is_out = true;
    filling(outlet)->mark = mark;
    outlet->buffers->filling = (outlet->buffers->filling + 1) % OUTLET_BUFFERS;
}

// ---- what SENT says ----

bool outlet_is_known(const struct outlet *outlet)
{
    return outlet->plan == NULL || (outlet->has_header && dcm_splice_is_past_changes(outlet->splice));
}

void outlet_header_get(const struct outlet *outlet, uint8_t digest[DCM_DIGEST_LENGTH])
{
    memcpy(digest, outlet->header, DCM_DIGEST_LENGTH);
}

enum result outlet_undo(const struct outlet *outlet, struct dcm_plan **undo)
{
    *undo = NULL;
    return outlet->plan == NULL ? OK : dcm_splice_undo(outlet->splice, undo);
}
