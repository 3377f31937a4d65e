// SPDX-License-Identifier: Apache-2.0
// Writer of bounded CBOR over libcbor's stateless encoders. Thread: the caller's.
#include "cbor/writer.h"

#include <cbor.h>
#include <string.h>

#include "base/check.h"

void cbor_writer_init(struct cbor_writer *writer, uint8_t *memory, size_t capacity)
{
    ensure(memory != NULL || capacity == 0);
    *writer = (struct cbor_writer){.memory = memory, .capacity = capacity, .error = OK};
}

enum result cbor_writer_result(const struct cbor_writer *writer)
{
    if (writer->error != OK)
        return writer->error;
    return writer->depth == 0 ? OK : ERR_ARGUMENT;
}

struct slice cbor_writer_slice(const struct cbor_writer *writer)
{
    return writer->error == OK ? slice_of(writer->memory, writer->length) : slice_of(NULL, 0);
}

static unsigned char *space(struct cbor_writer *writer, size_t *left)
{
    *left = writer->error == OK ? writer->capacity - writer->length : 0;
    return writer->memory + (writer->error == OK ? writer->length : 0);
}

// libcbor's encoders return 0 when what they write does not fit.
static void advance(struct cbor_writer *writer, size_t written)
{
    if (writer->error != OK)
        return;
    if (written == 0)
        writer->error = ERR_LIMIT;
    else
        writer->length += written;
}

void cbor_add_uint(struct cbor_writer *writer, uint64_t value)
{
    size_t left;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_uint(value, at, left));
}

void cbor_add_int(struct cbor_writer *writer, int64_t value)
{
    size_t left;
    unsigned char *at = space(writer, &left);
    if (value >= 0)
        advance(writer, cbor_encode_uint((uint64_t)value, at, left));
    else // RFC 8949 3.1: a negative n is written as -1 - n
        advance(writer, cbor_encode_negint((uint64_t)(-1 - value), at, left));
}

void cbor_add_bool(struct cbor_writer *writer, bool value)
{
    size_t left;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_bool(value, at, left));
}

static void add_content(struct cbor_writer *writer, struct slice value)
{
    if (writer->error != OK || value.length == 0)
        return;
    if (writer->capacity - writer->length < value.length) {
        writer->error = ERR_LIMIT;
        return;
    }
    memcpy(writer->memory + writer->length, value.data, value.length);
    writer->length += value.length;
}

void cbor_add_bytes(struct cbor_writer *writer, struct slice value)
{
    size_t left;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_bytestring_start(value.length, at, left));
    add_content(writer, value);
}

void cbor_add_text(struct cbor_writer *writer, struct slice value)
{
    size_t left;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_string_start(value.length, at, left));
    add_content(writer, value);
}

void cbor_add_any_text(struct cbor_writer *writer, struct slice value)
{
    if (slice_is_printable(value))
        cbor_add_text(writer, value);
    else
        cbor_add_bytes(writer, value);
}

static bool open_level(struct cbor_writer *writer)
{
    if (writer->error == OK && writer->depth == CBOR_DEPTH_MAX)
        writer->error = ERR_LIMIT;
    if (writer->error != OK)
        return false;
    writer->depth++;
    return true;
}

void cbor_add_map(struct cbor_writer *writer)
{
    size_t left;
    if (!open_level(writer))
        return;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_indef_map_start(at, left));
}

void cbor_add_array(struct cbor_writer *writer)
{
    size_t left;
    if (!open_level(writer))
        return;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_indef_array_start(at, left));
}

void cbor_end(struct cbor_writer *writer)
{
    size_t left;
    if (writer->error == OK && writer->depth == 0)
        writer->error = ERR_ARGUMENT;
    if (writer->error != OK)
        return;
    writer->depth--;
    unsigned char *at = space(writer, &left);
    advance(writer, cbor_encode_break(at, left));
}

void cbor_put_uint(struct cbor_writer *writer, int64_t key, uint64_t value)
{
    cbor_add_int(writer, key);
    cbor_add_uint(writer, value);
}

void cbor_put_bool(struct cbor_writer *writer, int64_t key, bool value)
{
    cbor_add_int(writer, key);
    cbor_add_bool(writer, value);
}

void cbor_put_bytes(struct cbor_writer *writer, int64_t key, struct slice value)
{
    cbor_add_int(writer, key);
    cbor_add_bytes(writer, value);
}

void cbor_put_text(struct cbor_writer *writer, int64_t key, struct slice value)
{
    cbor_add_int(writer, key);
    cbor_add_text(writer, value);
}

void cbor_put_any_text(struct cbor_writer *writer, int64_t key, struct slice value)
{
    cbor_add_int(writer, key);
    cbor_add_any_text(writer, value);
}

void cbor_put_map(struct cbor_writer *writer, int64_t key)
{
    cbor_add_int(writer, key);
    cbor_add_map(writer);
}

void cbor_put_array(struct cbor_writer *writer, int64_t key)
{
    cbor_add_int(writer, key);
    cbor_add_array(writer);
}
