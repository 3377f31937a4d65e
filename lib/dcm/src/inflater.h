// SPDX-License-Identifier: Apache-2.0
//
// Raw deflate streams (RFC 1951 without a zlib header, 32 KiB window: PS3.5 A.5) through zlib, whose window
// and state are wiped before their memory is given back. Owned by whoever reads or writes one; its thread.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include <zlib.h>

struct inflater {
    z_stream stream;
    bool is_open;
    bool has_ended; // the end of the deflate stream has been read
};

MUST_USE enum result inflater_begin(struct inflater *inflater); // anew; ERR_NOMEM
void inflater_fini(struct inflater *inflater);

// Inflates from *input, which it shortens, into `to`. OK and *made bytes, AGAIN: all of *input is used and
// more is wanted, CLOSED: the stream has ended (bytes may have been made with all three); ERR_FORMAT,
// ERR_NOMEM.
MUST_USE enum result inflater_take(struct inflater *inflater, struct slice *input, uint8_t *to,
                                   size_t capacity, size_t *made);

struct deflater {
    z_stream stream;
    bool is_open;
};

MUST_USE enum result deflater_begin(struct deflater *deflater); // anew; ERR_NOMEM
void deflater_fini(struct deflater *deflater);

// The other way; is_last: *input is the last of all. OK: *to is full, call again; AGAIN: all is used; CLOSED:
// the stream has been ended.
MUST_USE enum result deflater_take(struct deflater *deflater, struct slice *input, bool is_last, uint8_t *to,
                                   size_t capacity, size_t *made);
