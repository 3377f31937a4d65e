// SPDX-License-Identifier: Apache-2.0
// Bounded CBOR writer (RFC 8949) for maps with integer keys, over libcbor's streaming encoder.
//
// Role: encodes record bodies and ledger values into memory of the caller. Never allocates. The error is
// sticky: write everything, then ask cbor_writer_result() once. Maps and arrays are written with indefinite
// length, so that nobody has to count optional fields. Thread: any; one writer belongs to one thread.
//
//     struct cbor_writer w;
//     cbor_writer_init(&w, memory, sizeof memory);
//     cbor_add_map(&w);                       the outermost item
//     cbor_put_uint(&w, KEY_MESSAGE, 7);      cbor_put_*: one (key, value) pair of the map that is open
//     cbor_put_array(&w, KEY_ARCHIVES);
//     cbor_add_uint(&w, 3);                   cbor_add_*: one item of the array that is open
//     cbor_end(&w);                           closes the array
//     cbor_end(&w);                           closes the map
//     result = cbor_writer_result(&w);
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"

// Maps and arrays inside one another, the outermost counted.
#define CBOR_DEPTH_MAX 8

struct cbor_writer {
    uint8_t *memory; // borrowed
    size_t capacity;
    size_t length;  // bytes written so far
    uint32_t depth; // open maps and arrays
    enum result error;
};

// Memory is borrowed until the last use of the writer.
void cbor_writer_init(struct cbor_writer *writer, uint8_t *memory, size_t capacity);

// OK, or ERR_LIMIT (memory full, or nested too deep), or ERR_ARGUMENT (an end too many, or a map left open).
enum result cbor_writer_result(const struct cbor_writer *writer) MUST_USE;

// What was written; empty after an error. Borrows the writer's memory.
struct slice cbor_writer_slice(const struct cbor_writer *writer);

// One (key, value) pair. Empty text and bytes are written as such; callers leave out what is absent.
void cbor_put_uint(struct cbor_writer *writer, int64_t key, uint64_t value);
void cbor_put_bool(struct cbor_writer *writer, int64_t key, bool value);
void cbor_put_bytes(struct cbor_writer *writer, int64_t key, struct slice value);
void cbor_put_text(struct cbor_writer *writer, int64_t key, struct slice value); // must be UTF-8
// What a peer has said, in whatever bytes: text if all of it is printable ASCII, else bytes.
void cbor_put_any_text(struct cbor_writer *writer, int64_t key, struct slice value);
void cbor_put_map(struct cbor_writer *writer, int64_t key);
void cbor_put_array(struct cbor_writer *writer, int64_t key);

// One item: of an array, or the outermost.
void cbor_add_uint(struct cbor_writer *writer, uint64_t value);
void cbor_add_int(struct cbor_writer *writer, int64_t value);
void cbor_add_bool(struct cbor_writer *writer, bool value);
void cbor_add_bytes(struct cbor_writer *writer, struct slice value);
void cbor_add_text(struct cbor_writer *writer, struct slice value);
void cbor_add_any_text(struct cbor_writer *writer, struct slice value);
void cbor_add_map(struct cbor_writer *writer);
void cbor_add_array(struct cbor_writer *writer);

// Closes the innermost open map or array.
void cbor_end(struct cbor_writer *writer);
