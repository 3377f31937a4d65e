// SPDX-License-Identifier: Apache-2.0
// Bounded CBOR reader (RFC 8949) for maps with integer keys, over libcbor's streaming decoder.
//
// Role: decodes record bodies and ledger values without allocating. What it returns borrows the bytes it
// reads. The error is sticky: after one, every take returns zero or an empty slice and every next returns
// false; ask cbor_reader_result() once at the end. Text and bytes must have definite length; tags before a
// value are skipped. Thread: any; one reader belongs to one thread.
//
//     struct cbor_reader r;
//     int64_t key;
//     cbor_reader_init(&r, body);
//     cbor_enter_map(&r);
//     while (cbor_next_key(&r, &key)) {
//         switch (key) {
//         case KEY_MESSAGE:  x->message = (uint16_t)cbor_take_uint(&r, UINT16_MAX); break;
//         case KEY_ARCHIVES: cbor_enter_array(&r);
//                            while (cbor_next_item(&r)) ... cbor_take_uint(&r, UINT32_MAX) ...
//                            break;
//         default:           break;          a value that nobody takes is skipped by the next cbor_next_*()
//         }
//     }
//     result = cbor_reader_result(&r);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"
#include "cbor/writer.h"

enum cbor_kind {
    CBOR_KIND_NONE = 0, // end of input, or an error
    CBOR_KIND_UINT,
    CBOR_KIND_NEGATIVE,
    CBOR_KIND_BYTES,
    CBOR_KIND_TEXT,
    CBOR_KIND_ARRAY,
    CBOR_KIND_MAP,
    CBOR_KIND_BOOL,
    CBOR_KIND_OTHER, // null, undefined, floats: can only be skipped
};

struct cbor_level {
    uint64_t left; // items left (a pair counts once); UINT64_MAX: until the break
    bool map;
    bool pending; // a value stands before the cursor that was not taken yet
};

struct cbor_reader {
    struct slice input; // borrowed
    size_t at;
    uint32_t depth;
    struct cbor_level level[CBOR_DEPTH_MAX + 1]; // level 0 is the single outermost item
    enum result error;
};

void cbor_reader_init(struct cbor_reader *reader, struct slice input);

// OK, or ERR_FORMAT (not CBOR, cut short, not the kind of value that was taken), or ERR_LIMIT (nested too
// deep, a value above the maximum the caller gave). Says nothing about bytes after the outermost item: see
// cbor_reader_rest().
enum result cbor_reader_result(const struct cbor_reader *reader) MUST_USE;

// Bytes not read yet; 0 when the outermost item has been left.
size_t cbor_reader_rest(const struct cbor_reader *reader);

// Kind of the value that stands before the cursor.
enum cbor_kind cbor_peek(const struct cbor_reader *reader);

// Enter the value, which must be a map or an array; it is left when its next returns false.
void cbor_enter_map(struct cbor_reader *reader);
void cbor_enter_array(struct cbor_reader *reader);

// The next key of the map that was entered; false at its end (and it has been left) or after an error. Keys
// that are not integers of 64 bits are an error.
bool cbor_next_key(struct cbor_reader *reader, int64_t *key) MUST_USE;
// Stands before the next item of the array that was entered; false at its end (and it has been left) or after
// an error.
bool cbor_next_item(struct cbor_reader *reader) MUST_USE;

// Take the value; above max: ERR_LIMIT.
uint64_t cbor_take_uint(struct cbor_reader *reader, uint64_t max);
bool cbor_take_bool(struct cbor_reader *reader);
struct slice cbor_take_bytes(struct cbor_reader *reader, size_t max_length);
struct slice cbor_take_text(struct cbor_reader *reader, size_t max_length);
// Text or bytes: what cbor_put_any_text() has written.
struct slice cbor_take_any_text(struct cbor_reader *reader, size_t max_length);
// Exactly length bytes, copied out; another length is ERR_FORMAT.
void cbor_take_exact(struct cbor_reader *reader, uint8_t *out, size_t length);
// Skips the value, however deep it nests (above CBOR_DEPTH_MAX: ERR_LIMIT). Returns its bytes, so that they
// can be kept.
struct slice cbor_skip(struct cbor_reader *reader);
