// SPDX-License-Identifier: Apache-2.0
//
// Raw deflate streams: see inflater.h.
#include "inflater.h"
#include "base/check.h"
#include "base/wipe.h"
#include <stdlib.h>

#define RAW_DEFLATE_BITS (-15)
#define MEMORY_LEVEL     8 // zlib's default

// zlib's window and state hold patient data: the size in front of each block lets them be wiped.
struct zlib_block {
    _Alignas(max_align_t) size_t length;
};

static voidpf zlib_allocate(voidpf arg, uInt items, uInt size)
{
    (void)arg;
    size_t length = sizeof(struct zlib_block) + (size_t)items * size;
    struct zlib_block *block = calloc(1, length);
    if (block == NULL)
        return NULL;
    block->length = length;
    return block + 1;
}

static void zlib_release(voidpf arg, voidpf address)
{
    (void)arg;
    struct zlib_block *block = (struct zlib_block *)address - 1;
    wipe(block, block->length);
    free(block);
}

static void stream_input(z_stream *stream, struct slice input)
{
    ensure(input.length <= UINT32_MAX);
    stream->next_in = (z_const Bytef *)input.data;
    stream->avail_in = (uInt)input.length;
}

static void stream_output(z_stream *stream, uint8_t *to, size_t capacity)
{
    ensure(capacity > 0 && capacity <= UINT32_MAX);
    stream->next_out = to;
    stream->avail_out = (uInt)capacity;
}

enum result inflater_begin(struct inflater *inflater)
{
    inflater->has_ended = false;
    if (inflater->is_open)
        return inflateReset(&inflater->stream) == Z_OK ? OK : ERR_NOMEM;
    inflater->stream = (z_stream){.zalloc = zlib_allocate, .zfree = zlib_release};
    if (inflateInit2(&inflater->stream, RAW_DEFLATE_BITS) != Z_OK)
        return ERR_NOMEM;
    inflater->is_open = true;
    return OK;
}

void inflater_fini(struct inflater *inflater)
{
    if (inflater->is_open)
        (void)inflateEnd(&inflater->stream);
    inflater->is_open = false;
}

enum result inflater_take(struct inflater *inflater, struct slice *input, uint8_t *to, size_t capacity,
                          size_t *made)
{
    z_stream *stream = &inflater->stream;
    stream_input(stream, *input);
    stream_output(stream, to, capacity);
    int status = inflate(stream, Z_NO_FLUSH);
    *made = capacity - stream->avail_out;
    *input = slice_from(*input, input->length - stream->avail_in);
    if (status == Z_STREAM_END) {
        inflater->has_ended = true;
        return CLOSED;
    }
    if (status == Z_MEM_ERROR)
        return ERR_NOMEM;
    if (status != Z_OK && status != Z_BUF_ERROR) // BUF: wants the next piece
        return ERR_FORMAT;
    return stream->avail_out == 0 || stream->avail_in > 0 ? OK : AGAIN;
}

enum result deflater_begin(struct deflater *deflater)
{
    if (deflater->is_open)
        return deflateReset(&deflater->stream) == Z_OK ? OK : ERR_NOMEM;
    deflater->stream = (z_stream){.zalloc = zlib_allocate, .zfree = zlib_release};
    if (deflateInit2(&deflater->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, RAW_DEFLATE_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return ERR_NOMEM;
    deflater->is_open = true;
    return OK;
}

void deflater_fini(struct deflater *deflater)
{
    if (deflater->is_open)
        (void)deflateEnd(&deflater->stream);
    deflater->is_open = false;
}

enum result deflater_take(struct deflater *deflater, struct slice *input, bool is_last, uint8_t *to,
                          size_t capacity, size_t *made)
{
    z_stream *stream = &deflater->stream;
    stream_input(stream, *input);
    stream_output(stream, to, capacity);
    int status = deflate(stream, is_last ? Z_FINISH : Z_NO_FLUSH);
    ensure(status != Z_STREAM_ERROR);
    *made = capacity - stream->avail_out;
    *input = slice_from(*input, input->length - stream->avail_in);
    if (status == Z_STREAM_END)
        return CLOSED;
    return stream->avail_out == 0 ? OK : AGAIN;
}
