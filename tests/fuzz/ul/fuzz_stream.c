// SPDX-License-Identifier: Apache-2.0
//
// An association fed with arbitrary bytes, as acceptor and as requestor. Each stream runs twice, whole and in
// arbitrary pieces with pauses, and must tell its owner the same both times. Byte 0: role and what the owner
// does; byte 1: how the stream is cut; the rest: the stream.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "ul/association.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    AS_REQUESTOR = 1,
    ANSWER_LATE = 2,
    ABORT_ON_DATA = 4,
    RELEASE_ON_DATA = 8,
    LATE_RELEASE_RESPONSE = 16
};

struct owner {
    struct ul_association association;
    uint8_t behaviour;
    bool may_pause;
    uint32_t cut;  // pseudo-random, of byte 1
    uint64_t said; // digest of everything that the machine said
    unsigned said_count;
    bool is_in_pdv;
    uint32_t pdv_left;
    unsigned pdv_count;
    bool is_artim_on;
};

static void say(struct owner *owner, uint8_t what, uint32_t a, uint32_t b)
{
    // FNV-1a over the words; the content of data pieces goes in by on_pdv_data.
    const uint32_t words[3] = {what, a, b};
    for (size_t i = 0; i < 3; i++)
        owner->said = (owner->said ^ words[i]) * 1099511628211u;
    owner->said_count++;
}

static uint32_t next_cut(struct owner *owner)
{
    owner->cut = owner->cut * 1664525u + 1013904223u;
    return owner->cut >> 24;
}

// What the owner tries may be refused by the state; that is part of the test.
static void try(struct owner *owner, enum result result)
{
    ensure(result == OK || result == ERR_REFUSED);
    say(owner, 20, (uint32_t)result, 0);
}

static void maybe_pause(struct owner *owner)
{
    if (owner->may_pause && next_cut(owner) % 4 == 0)
        ul_association_pause(&owner->association);
}

static void answer(struct owner *owner)
{
    const struct ul_parameters *request = ul_association_peer(&owner->association);
    struct ul_parameters *ac;
    if (ul_parameters_new_answer(request, &ac) != OK)
        return;
    for (size_t i = 0; i < request->context_count; i++) {
        const struct ul_context *context = &request->contexts[i];
        enum result result = context->transfer_count > 0 && i % 3 != 2
                                 ? ul_parameters_add_accepted(ac, context->id, context->transfer[0])
                                 : ul_parameters_add_refused(ac, context->id, UL_CONTEXT_ABSTRACT_SYNTAX);
        ensure(result == OK);
    }
    ul_parameters_set_maximum_length(ac, 4096);
    if (ul_association_accept(&owner->association, &ac) != OK)
        ul_parameters_free(ac);
}

static void on_associate_rq(void *arg, const struct ul_parameters *request)
{
    struct owner *owner = arg;
    ensure(ul_association_state(&owner->association) == Sta3);
    say(owner, 1, (uint32_t)request->context_count, request->maximum_length);
    if ((owner->behaviour & ANSWER_LATE) == 0)
        answer(owner);
    maybe_pause(owner);
}

static void on_associate_ac(void *arg, const struct ul_parameters *ac)
{
    say(arg, 2, (uint32_t)ac->context_count, ac->maximum_length);
    maybe_pause(arg);
}

static void on_associate_rj(void *arg, struct ul_reject reject)
{
    say(arg, 3, reject.result, reject.reason);
}

static void on_refused(void *arg, struct ul_reject reject)
{
    say(arg, 4, reject.source, reject.reason);
}

static void on_abort(void *arg, const struct ul_abort_indication *indication)
{
    say(arg, 5, indication->code, indication->reason);
    ensure(indication->reason != UL_REASON_NONE);
}

static void on_release_rq(void *arg, bool is_collision)
{
    struct owner *owner = arg;
    say(owner, 6, is_collision, 0);
    if ((owner->behaviour & LATE_RELEASE_RESPONSE) == 0)
        try(owner, ul_association_release_response(&owner->association));
    maybe_pause(owner);
}

static void on_release_rp(void *arg)
{
    struct owner *owner = arg;
    say(owner, 7, 0, 0);
    try(owner, ul_association_release_response(&owner->association)); // Sta12 only
}

static void on_pdv_begin(void *arg, const struct ul_pdv *pdv)
{
    struct owner *owner = arg;
    struct slice abstract, transfer;
    ensure(!owner->is_in_pdv);
    ensure(ul_association_context(&owner->association, pdv->context_id, &abstract, &transfer));
    owner->is_in_pdv = true;
    owner->pdv_left = pdv->length;
    say(owner, 8, pdv->context_id * 256u + pdv->control, pdv->length);
    owner->pdv_count++;
    if ((owner->behaviour & ABORT_ON_DATA) != 0 && owner->pdv_count == 3)
        try(owner, ul_association_abort(&owner->association, 2, 5));
    if ((owner->behaviour & RELEASE_ON_DATA) != 0 && owner->pdv_count == 2)
        try(owner, ul_association_release_request(&owner->association));
    maybe_pause(owner);
}

static void on_pdv_data(void *arg, struct slice piece)
{
    struct owner *owner = arg;
    ensure(owner->is_in_pdv && piece.length > 0 && piece.length <= owner->pdv_left);
    owner->pdv_left -= (uint32_t)piece.length;
    for (size_t i = 0; i < piece.length; i++)
        owner->said = (owner->said ^ piece.data[i]) * 1099511628211u;
    maybe_pause(owner);
}

static void on_pdv_end(void *arg)
{
    struct owner *owner = arg;
    ensure(owner->is_in_pdv && owner->pdv_left == 0);
    owner->is_in_pdv = false;
    say(owner, 9, 0, 0);
}

static void on_artim_start(void *arg)
{
    ((struct owner *)arg)->is_artim_on = true;
}

static void on_artim_stop(void *arg)
{
    ((struct owner *)arg)->is_artim_on = false;
}

static void on_transport_connect(void *arg)
{
    say(arg, 10, 0, 0);
}

static void on_transport_close(void *arg)
{
    say(arg, 11, 0, 0);
}

static const struct ul_handler HANDLER = {
    .on_associate_rq = on_associate_rq,
    .on_associate_ac = on_associate_ac,
    .on_associate_rj = on_associate_rj,
    .on_refused = on_refused,
    .on_abort = on_abort,
    .on_release_rq = on_release_rq,
    .on_release_rp = on_release_rp,
    .on_pdv_begin = on_pdv_begin,
    .on_pdv_data = on_pdv_data,
    .on_pdv_end = on_pdv_end,
    .on_artim_start = on_artim_start,
    .on_artim_stop = on_artim_stop,
    .on_transport_connect = on_transport_connect,
    .on_transport_close = on_transport_close,
};

static void open_requestor(struct owner *owner)
{
    struct ul_parameters *rq;
    ensure(ul_parameters_new(&rq) == OK);
    ensure(ul_parameters_set_application_context(rq, slice_of_text(UL_APPLICATION_CONTEXT)) == OK);
    for (unsigned id = 1; id < 8; id += 2) {
        ensure(ul_parameters_add_context(rq, (uint8_t)id, 0, slice_of_text("1.2.840.10008.1.1")) == OK);
        ensure(ul_parameters_add_transfer_syntax(rq, slice_of_text("1.2.840.10008.1.2")) == OK);
    }
    ul_parameters_set_maximum_length(rq, 4096);
    ensure(ul_association_request(&owner->association, &rq) == OK);
}

static void feed(struct owner *owner, struct slice stream, bool is_cut)
{
    while (stream.length > 0) {
        struct slice piece = is_cut ? slice_first(stream, 1 + next_cut(owner) % 37) : stream;
        size_t consumed;
        enum result result = ul_association_input(&owner->association, piece, &consumed);
        ensure(consumed <= piece.length && (result == AGAIN || consumed == piece.length));
        ensure(result == OK || result == AGAIN || result == CLOSED);
        ul_association_resume(&owner->association);
        stream = slice_from(stream, consumed);
    }
}

static void run(struct owner *owner, const uint8_t *data, struct slice stream, bool is_cut)
{
    *owner = (struct owner){
        .behaviour = data[0], .may_pause = is_cut, .cut = data[1], .said = 14695981039346656037u};
    const bool is_requestor = (data[0] & AS_REQUESTOR) != 0;
    ul_association_init(&owner->association, is_requestor ? UL_REQUESTOR : UL_ACCEPTOR, NULL, &HANDLER,
                        owner);
    if (is_requestor)
        open_requestor(owner);
    ensure(ul_association_on_transport_connected(&owner->association) == OK);
    feed(owner, stream, is_cut);
    // A requestor's Sta4 to Sta13 and an acceptor's Sta2, Sta13 end by themselves or by these.
    say(owner, 12, ul_association_state(&owner->association), ul_association_reason(&owner->association));
    ensure(!ul_association_is_over(&owner->association) ||
           ul_association_reason(&owner->association) != UL_REASON_NONE);
    ensure(ul_association_state(&owner->association) != Sta13 || owner->is_artim_on);
    ul_association_on_transport_closed(&owner->association);
    ensure(ul_association_is_over(&owner->association));
    say(owner, 13, (uint32_t)byte_queue_peek(ul_association_output(&owner->association)).length, 0);
    ul_association_fini(&owner->association);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    static struct owner whole, cut;
    run(&whole, data, slice_of(data + 2, size - 2), false);
    run(&cut, data, slice_of(data + 2, size - 2), true);
    ensure(whole.said == cut.said && whole.said_count == cut.said_count);
    return 0;
}
