// SPDX-License-Identifier: Apache-2.0
//
// The bytes of one data set as one archive gets them, cut into fragments. Without a plan they are slices of
// the pieces that are put in. With one (DESIGN "Byte-preserving edits") they come from the splicer: runs of
// it are gathered in a buffer until all changes are out, so that a change does not become a fragment of its
// own; from then on long runs are slices of the pieces again. All fragments but the last are of even length
// (PS3.8 annex E, PROTOCOL 77) if all pieces but the last are, and in any case with a plan. A deflated data
// set with a plan is gathered to its end.
//
// A fragment at hand stays the same until outlet_taken(); while it is not the last one it may leave at once.
//
// Thread: the worker's. The lane owns outlets and buffers.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/digest.h"
#include "dcm/splice.h"

#include <openssl/evp.h>

struct dcm_scanner;

#define OUTLET_BUFFERS      2
#define OUTLET_BUFFER_BYTES 65536
// Shorter runs are gathered: a fragment has to be worth its header.
#define OUTLET_SLICE_LEAST 1024

// What is gathered, in turn. Shared by the data sets that go out one after the other: those of the one before
// may still lie in the transport.
struct outlet_buffers {
    uint8_t *memory; // NULL until the first plan
    struct outlet_buffer {
        size_t length; // bytes gathered
        bool is_out;   // lies in the transport until it is past `mark`
        uint64_t mark;
    } each[OUTLET_BUFFERS];
    unsigned filling; // the one that is gathered into
};

// Wipes. Nothing of it may lie in a transport any more.
void outlet_buffers_fini(struct outlet_buffers *buffers);
// The transport has taken it: wiped, and free again.
void outlet_buffer_release(struct outlet_buffers *buffers, unsigned index);

struct outlet {
    const struct dcm_plan *plan; // NULL: as it came
    struct dcm_splice *splice;
    struct outlet_buffers *buffers;
    bool recodes;
    bool has_ended; // no more pieces come
    bool has_total;
    uint64_t total;     // bytes that go out; not known of one that is recoded
    uint64_t emitted;   // bytes of fragments taken
    struct slice piece; // in the splicer
    struct slice run;   // not cut into fragments yet
    bool is_of_piece;   // it lies in the piece, and all changes are out
    bool is_filling;    // a buffer: buffers->filling
    bool has_fragment, is_last, is_gathered;
    struct slice fragment;
    enum result result; // sticky
    EVP_MD_CTX *digest;
    struct dcm_scanner *scanner; // makes the digest of one that is recoded
    uint64_t header_left;        // bytes that still have to be digested
    bool has_header;
    uint8_t header[DCM_DIGEST_LENGTH];
};

// As it came. Nothing of it can fail.
void outlet_begin_plain(struct outlet *outlet);

// `plan` with at least one change and `splice` are borrowed until outlet_fini(). header_length: bytes up to
// and with the header of Pixel Data, or of the whole data set, as it came; deflated: inflated. ERR_NOMEM,
// ERR_CRYPTO: call outlet_fini() all the same.
MUST_USE enum result outlet_begin_edited(struct outlet *outlet, const struct dcm_plan *plan,
                                         struct dcm_splice *splice, struct outlet_buffers *buffers,
                                         struct slice transfer_syntax, uint64_t header_length);
// A buffer that is being filled is free again.
void outlet_fini(struct outlet *outlet);

// The length of the data set as it came is known; at the latest before the last piece is put in.
void outlet_length_set(struct outlet *outlet, uint64_t length);
// Only when it wants one, which is when it has used up the one before: slices of that may still lie in
// fragments that were taken. It must live until the transport has them.
bool outlet_wants_piece(struct outlet *outlet);
void outlet_put(struct outlet *outlet, struct slice piece);
// There are no more.
void outlet_end(struct outlet *outlet);

enum outlet_step {
    OUTLET_FRAGMENT,    // here it is
    OUTLET_WANTS_PIECE, // or the end
    OUTLET_WANTS_ROOM,  // both buffers are out
    OUTLET_FAILED, // outlet->result: ERR_FORMAT (shorter than it should be, or not what was planned for),
                   // ERR_NOMEM, ERR_CRYPTO
};

struct outlet_fragment {
    struct slice payload; // empty only if the whole data set is
    bool is_last;
};

// `most`: bytes of a fragment, even; it counts for a fragment that is made by this call.
MUST_USE enum outlet_step outlet_next(struct outlet *outlet, size_t most, struct outlet_fragment *fragment);
// It is queued; `mark`: behind it (leg_mark()).
void outlet_taken(struct outlet *outlet, uint64_t mark);

// Everything that SENT says of these bytes is known: at once without a plan, else when all changes and the
// header are out, at the latest when the last fragment is at hand.
bool outlet_is_known(const struct outlet *outlet);
// SHA-256 of the header as it goes out, up to and with the header of Pixel Data (deflated: of what it
// inflates to); zeros without a plan. Once it is known.
void outlet_header_get(const struct outlet *outlet, uint8_t digest[DCM_DIGEST_LENGTH]);
// The plan that takes the changes back, the caller's; NULL: there are none. Once it is known. ERR_NOMEM.
MUST_USE enum result outlet_undo(const struct outlet *outlet, struct dcm_plan **undo);
