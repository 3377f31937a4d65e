// SPDX-License-Identifier: Apache-2.0
//
// The inside of struct dcm_scanner, shared by scanner.c (bytes in, digests out) and structure.c (what the
// bytes mean).
#pragma once

#include "canonical.h"
#include "dcm/scanner.h"
#include "dcm/syntax.h"
#include "named.h"
#include <zlib.h>

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

// Which of the matches the open item of the watched sequence has met; the value that is being compared.
struct item_watch {
    uint32_t sequence;
    uint32_t tag[DCM_ITEM_MATCHES];
    uint8_t wanted[DCM_ITEM_MATCHES][DCM_ITEM_VALUE];
    size_t wanted_length[DCM_ITEM_MATCHES];
    bool is_met[DCM_ITEM_MATCHES];
    unsigned comparing; // 1 + index of the match; 0: none
    uint8_t value[DCM_ITEM_VALUE + 2];
    size_t length; // may pass what is kept
};

struct dcm_scanner {
    uint32_t magic;
    struct dcm_syntax syntax;
    enum result result; // OK, or what every further call answers

    // structure.c
    enum structure_state state;
    uint64_t offset; // of the next byte
    uint8_t header[12];
    unsigned header_length;
    uint64_t header_offset;
    uint32_t value_tag;
    uint64_t value_left; // bytes; above 0 in STRUCTURE_VALUE
    unsigned depth;
    struct frame frames[DCM_DEPTH_LIMIT];
    uint32_t last_tag; // at the top level
    enum dcm_range range;
    struct dcm_scan_failure failure;
    struct dcm_scan_report report; // flags, elements and pixel offsets as they become known
    struct canonical canonical;
    struct named_store named;
    struct item_watch items;

    // scanner.c
    enum dcm_digest_algorithm algorithm;
    EVP_MD *sha256;
    EVP_MD *sha512_256;
    EVP_MD_CTX *range_context;
    EVP_MD_CTX *received_context;
    enum dcm_range digested; // the range that range_context is in; DCM_RANGE_COUNT: all done
    bool digest_received;
    bool is_finished;
    uint64_t inflated_limit; // UINT64_MAX: none
    z_stream inflater;
    bool has_inflater;
    bool inflate_ended;
};

void structure_begin(struct dcm_scanner *s);

// Takes bytes of the stream up to the end of the piece or of the present range, whichever comes first;
// returns how many. Stops for good when s->state is STRUCTURE_FAILED or s->result is not OK.
MUST_USE size_t structure_take(struct dcm_scanner *s, const uint8_t *data, size_t length);

// At the end of the stream: fails it as truncated if anything is open.
void structure_finish(struct dcm_scanner *s);

// Records the first failure, of the header at `offset`.
void structure_fail(struct dcm_scanner *s, enum dcm_scan_reason reason, uint64_t offset, uint32_t tag);
