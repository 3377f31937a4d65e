// SPDX-License-Identifier: Apache-2.0
// Reader of bounded CBOR over libcbor's stateless decoder, one item at a time. Thread: the caller's.
#include "cbor/reader.h"

#include <cbor.h>
#include <string.h>

#include "base/check.h"

enum item_kind {
    ITEM_UINT,
    ITEM_NEGATIVE,
    ITEM_BYTES,
    ITEM_TEXT,
    ITEM_ARRAY,
    ITEM_MAP,
    ITEM_BOOL,
    ITEM_OTHER,
    ITEM_TAG,
    ITEM_BREAK,
    ITEM_UNSUPPORTED, // strings of indefinite length
};

// One encoded item: the head of a collection, or a whole value.
struct item {
    enum item_kind kind;
    uint64_t value; // integer as encoded, length of a collection (UINT64_MAX: indefinite), boolean
    struct slice content;
    size_t size; // encoded bytes; for collections of the head only
};

static void on_uint(void *context, uint64_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_UINT, .value = value};
}
static void on_uint8(void *context, uint8_t value)
{
    on_uint(context, value);
}
static void on_uint16(void *context, uint16_t value)
{
    on_uint(context, value);
}
static void on_uint32(void *context, uint32_t value)
{
    on_uint(context, value);
}
static void on_negative(void *context, uint64_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_NEGATIVE, .value = value};
}
static void on_negative8(void *context, uint8_t value)
{
    on_negative(context, value);
}
static void on_negative16(void *context, uint16_t value)
{
    on_negative(context, value);
}
static void on_negative32(void *context, uint32_t value)
{
    on_negative(context, value);
}
static void on_bytes(void *context, cbor_data data, size_t length)
{
    *(struct item *)context = (struct item){.kind = ITEM_BYTES, .content = slice_of(data, length)};
}
static void on_text(void *context, cbor_data data, size_t length)
{
    *(struct item *)context = (struct item){.kind = ITEM_TEXT, .content = slice_of(data, length)};
}
static void on_chunked_string(void *context)
{
    *(struct item *)context = (struct item){.kind = ITEM_UNSUPPORTED};
}
static void on_array(void *context, size_t count)
{
    *(struct item *)context = (struct item){.kind = ITEM_ARRAY, .value = count};
}
static void on_map(void *context, size_t count)
{
    *(struct item *)context = (struct item){.kind = ITEM_MAP, .value = count};
}
static void on_open_array(void *context)
{
    *(struct item *)context = (struct item){.kind = ITEM_ARRAY, .value = UINT64_MAX};
}
static void on_open_map(void *context)
{
    *(struct item *)context = (struct item){.kind = ITEM_MAP, .value = UINT64_MAX};
}
static void on_tag(void *context, uint64_t value)
{
    *(struct item *)context = (struct item){.kind = ITEM_TAG, .value = value};
}
static void on_float(void *context, float value)
{
    (void)value;
    *(struct item *)context = (struct item){.kind = ITEM_OTHER};
}
static void on_double(void *context, double value)
{
    (void)value;
    *(struct item *)context = (struct item){.kind = ITEM_OTHER};
}
static void on_simple(void *context)
{
    *(struct item *)context = (struct item){.kind = ITEM_OTHER};
}
static void on_bool(void *context, bool value)
{
    *(struct item *)context = (struct item){.kind = ITEM_BOOL, .value = value};
}
static void on_break(void *context)
{
    *(struct item *)context = (struct item){.kind = ITEM_BREAK};
}

static const struct cbor_callbacks CALLBACKS = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint,
    .negint8 = on_negative8,
    .negint16 = on_negative16,
    .negint32 = on_negative32,
    .negint64 = on_negative,
    .byte_string = on_bytes,
    .byte_string_start = on_chunked_string,
    .string = on_text,
    .string_start = on_chunked_string,
    .array_start = on_array,
    .indef_array_start = on_open_array,
    .map_start = on_map,
    .indef_map_start = on_open_map,
    .tag = on_tag,
    .float2 = on_float,
    .float4 = on_float,
    .float8 = on_double,
    .null = on_simple,
    .undefined = on_simple,
    .boolean = on_bool,
    .indef_break = on_break,
};

// The item at `at`, tags before it skipped and counted in its size. False: not a whole, supported item.
static bool item_decode(struct slice input, size_t at, struct item *item)
{
    size_t begin = at;
    for (;;) {
        struct slice rest = slice_from(input, at);
        if (rest.length == 0)
            return false;
        item->kind = ITEM_UNSUPPORTED;
        struct cbor_decoder_result got = cbor_stream_decode(rest.data, rest.length, &CALLBACKS, item);
        if (got.status != CBOR_DECODER_FINISHED || got.read == 0 || got.read > rest.length)
            return false;
        at += got.read;
        if (item->kind != ITEM_TAG)
            break;
    }
    item->size = at - begin;
    // A collection can not have more items than bytes that are left: refused before anybody counts to it.
    size_t left = input.length - at;
    if ((item->kind == ITEM_ARRAY || item->kind == ITEM_MAP) && item->value != UINT64_MAX &&
        item->value > (item->kind == ITEM_MAP ? left / 2 : left))
        return false;
    return item->kind != ITEM_UNSUPPORTED;
}

static void fail(struct cbor_reader *reader, enum result error)
{
    if (reader->error == OK)
        reader->error = error;
}

void cbor_reader_init(struct cbor_reader *reader, struct slice input)
{
    *reader = (struct cbor_reader){.input = input, .error = OK};
    reader->level[0].pending = true;
}

enum result cbor_reader_result(const struct cbor_reader *reader)
{
    return reader->error;
}

size_t cbor_reader_rest(const struct cbor_reader *reader)
{
    return reader->input.length - reader->at;
}

enum cbor_kind cbor_peek(const struct cbor_reader *reader)
{
    static const enum cbor_kind KINDS[] = {
        [ITEM_UINT] = CBOR_KIND_UINT,  [ITEM_NEGATIVE] = CBOR_KIND_NEGATIVE, [ITEM_BYTES] = CBOR_KIND_BYTES,
        [ITEM_TEXT] = CBOR_KIND_TEXT,  [ITEM_ARRAY] = CBOR_KIND_ARRAY,       [ITEM_MAP] = CBOR_KIND_MAP,
        [ITEM_BOOL] = CBOR_KIND_BOOL,  [ITEM_OTHER] = CBOR_KIND_OTHER,       [ITEM_TAG] = CBOR_KIND_NONE,
        [ITEM_BREAK] = CBOR_KIND_NONE, [ITEM_UNSUPPORTED] = CBOR_KIND_NONE,
    };
    struct item item;
    if (reader->error != OK || !reader->level[reader->depth].pending ||
        !item_decode(reader->input, reader->at, &item))
        return CBOR_KIND_NONE;
    return KINDS[item.kind];
}

// Takes the pending item, which must be of this kind.
static bool take(struct cbor_reader *reader, enum item_kind kind, struct item *item)
{
    struct cbor_level *level = &reader->level[reader->depth];
    if (reader->error != OK)
        return false;
    if (!level->pending || !item_decode(reader->input, reader->at, item) || item->kind != kind) {
        fail(reader, ERR_FORMAT);
        return false;
    }
    level->pending = false;
    reader->at += item->size;
    return true;
}

static void enter(struct cbor_reader *reader, enum item_kind kind)
{
    struct item item;
    if (!take(reader, kind, &item))
        return;
    if (reader->depth == CBOR_DEPTH_MAX) {
        fail(reader, ERR_LIMIT);
        return;
    }
    reader->depth++;
    reader->level[reader->depth] = (struct cbor_level){.left = item.value, .map = kind == ITEM_MAP};
}

void cbor_enter_map(struct cbor_reader *reader)
{
    enter(reader, ITEM_MAP);
}

void cbor_enter_array(struct cbor_reader *reader)
{
    enter(reader, ITEM_ARRAY);
}

// Stands before the next item of the innermost collection; at its end leaves it and says false.
static bool next(struct cbor_reader *reader, bool map)
{
    if (reader->error == OK && (reader->depth == 0 || reader->level[reader->depth].map != map))
        fail(reader, ERR_FORMAT); // the value was not the collection that the caller took it for
    if (reader->error == OK && reader->level[reader->depth].pending)
        (void)cbor_skip(reader);
    if (reader->error != OK)
        return false;
    struct cbor_level *level = &reader->level[reader->depth];
    if (level->left == UINT64_MAX) {
        struct item item;
        if (!item_decode(reader->input, reader->at, &item)) {
            fail(reader, ERR_FORMAT);
            return false;
        }
        if (item.kind == ITEM_BREAK) {
            reader->at += item.size;
            reader->depth--;
            return false;
        }
        return true;
    }
    if (level->left == 0) {
        reader->depth--;
        return false;
    }
    level->left--;
    return true;
}

bool cbor_next_key(struct cbor_reader *reader, int64_t *key)
{
    struct item item;
    if (!next(reader, true))
        return false;
    if (!item_decode(reader->input, reader->at, &item) || item.value > INT64_MAX ||
        (item.kind != ITEM_UINT && item.kind != ITEM_NEGATIVE)) {
        fail(reader, ERR_FORMAT);
        return false;
    }
    reader->at += item.size;
    reader->level[reader->depth].pending = true;
    *key = item.kind == ITEM_UINT ? (int64_t)item.value : -1 - (int64_t)item.value;
    return true;
}

bool cbor_next_item(struct cbor_reader *reader)
{
    if (!next(reader, false))
        return false;
    reader->level[reader->depth].pending = true;
    return true;
}

uint64_t cbor_take_uint(struct cbor_reader *reader, uint64_t max)
{
    struct item item;
    if (!take(reader, ITEM_UINT, &item))
        return 0;
    if (item.value > max) {
        fail(reader, ERR_LIMIT);
        return 0;
    }
    return item.value;
}

bool cbor_take_bool(struct cbor_reader *reader)
{
    struct item item;
    return take(reader, ITEM_BOOL, &item) && item.value != 0;
}

static struct slice take_string(struct cbor_reader *reader, enum item_kind kind, size_t max_length)
{
    struct item item;
    if (!take(reader, kind, &item))
        return slice_of(NULL, 0);
    if (item.content.length > max_length) {
        fail(reader, ERR_LIMIT);
        return slice_of(NULL, 0);
    }
    return item.content;
}

struct slice cbor_take_bytes(struct cbor_reader *reader, size_t max_length)
{
    return take_string(reader, ITEM_BYTES, max_length);
}

struct slice cbor_take_text(struct cbor_reader *reader, size_t max_length)
{
    return take_string(reader, ITEM_TEXT, max_length);
}

struct slice cbor_take_any_text(struct cbor_reader *reader, size_t max_length)
{
    bool is_bytes = cbor_peek(reader) == CBOR_KIND_BYTES;
    return take_string(reader, is_bytes ? ITEM_BYTES : ITEM_TEXT, max_length);
}

void cbor_take_exact(struct cbor_reader *reader, uint8_t *out, size_t length)
{
    struct item item;
    if (!take(reader, ITEM_BYTES, &item))
        return;
    if (item.content.length != length) {
        fail(reader, ERR_FORMAT);
        return;
    }
    memcpy(out, item.content.data, length);
}

struct slice cbor_skip(struct cbor_reader *reader)
{
    uint64_t left[CBOR_DEPTH_MAX]; // items left of the collections that are being skipped
    uint32_t depth = 0;
    size_t begin = reader->at;
    struct item item;
    if (reader->error != OK || !reader->level[reader->depth].pending) {
        fail(reader, ERR_FORMAT);
        return slice_of(NULL, 0);
    }
    reader->level[reader->depth].pending = false;
    do {
        while (depth > 0 && left[depth - 1] == 0)
            depth--;
        if (depth == 0 && reader->at != begin)
            break;
        bool decoded = item_decode(reader->input, reader->at, &item);
        bool is_break = decoded && item.kind == ITEM_BREAK;
        if (!decoded || (is_break && (depth == 0 || left[depth - 1] != UINT64_MAX))) {
            fail(reader, ERR_FORMAT);
            return slice_of(NULL, 0);
        }
        reader->at += item.size;
        if (is_break) {
            depth--;
            continue;
        }
        if (depth > 0 && left[depth - 1] != UINT64_MAX)
            left[depth - 1]--;
        if (item.kind != ITEM_ARRAY && item.kind != ITEM_MAP)
            continue;
        if (depth + reader->depth >= CBOR_DEPTH_MAX) {
            fail(reader, ERR_LIMIT);
            return slice_of(NULL, 0);
        }
        bool doubled = item.kind == ITEM_MAP && item.value != UINT64_MAX;
        left[depth++] = doubled ? item.value * 2 : item.value;
    } while (depth > 0);
    return slice_of(reader->input.data + begin, reader->at - begin);
}
