// SPDX-License-Identifier: Apache-2.0
//
// The two canonical header digests (docs/digests.md 4), fed with structure and value bytes by
// scanner_events.c; owned by the scanner. Values may come in pieces of any size; only runs of padding are
// held back, as counts. Errors of the digest library are sticky in `failed`.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "dcm/vr.h"
#include <openssl/evp.h>

struct canonical_sink {
    EVP_MD_CTX *context;
    size_t length;
    uint8_t buffer[512]; // gathers small records, so that the digest is not called for each
};

struct canonical {
    struct canonical_sink main;  // elements that the dictionary knows
    struct canonical_sink apart; // all others
    uint64_t apart_elements;
    bool failed;

    // The value in progress.
    struct canonical_sink *sink; // NULL: not digested
    bool is_main;
    bool is_text;       // by the dictionary: padding at the end is dropped
    uint8_t swap_width; // 1 = bytes stay as they are
    uint8_t unit[8];
    unsigned unit_length;
    uint64_t spaces; // held back: so many spaces, then so many NULs
    uint64_t nuls;
    uint32_t length; // bytes digested of this value
};

MUST_USE enum result canonical_init(struct canonical *c);
void canonical_fini(struct canonical *c);
MUST_USE enum result canonical_begin(struct canonical *c, const EVP_MD *algorithm);
MUST_USE enum result canonical_finish(struct canonical *c, uint8_t main[32], uint8_t apart[32]);

void canonical_sequence_begin(struct canonical *c, uint32_t tag, bool apart);
void canonical_sequence_end(struct canonical *c, bool apart);
void canonical_item_begin(struct canonical *c, bool apart);
void canonical_item_end(struct canonical *c, bool apart);
void canonical_fragments_begin(struct canonical *c, uint32_t tag, bool apart);
void canonical_fragments_end(struct canonical *c, bool apart);
void canonical_pixel_data(struct canonical *c, uint32_t tag);

// An element's value: begin, take..., end. `dictionary` rules the padding, `swap_width` the byte order as it
// stands in the stream.
void canonical_value_begin(struct canonical *c, uint32_t tag, bool apart, enum dcm_vr dictionary,
                           uint8_t swap_width);
void canonical_value_end(struct canonical *c);
// A fragment's: the same with these two.
void canonical_fragment_begin(struct canonical *c, bool apart);
void canonical_fragment_end(struct canonical *c);
void canonical_value_take(struct canonical *c, const uint8_t *data, size_t length);
