// SPDX-License-Identifier: Apache-2.0
// Bytes of format pages, record headers, names and chunk indexes. Pure functions; any thread. Source:
// ENGINE 2.
#include "journal/format.h"

#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/text.h"

// "DGJSEG1\n" and "DGJR" as little-endian numbers.
#define PAGE_MAGIC   UINT64_C(0x0a314745534a4744)
#define HEADER_MAGIC UINT32_C(0x524a4744)

int journal_position_compare(struct journal_position a, struct journal_position b)
{
    if (a.segment != b.segment)
        return a.segment < b.segment ? -1 : 1;
    if (a.offset != b.offset)
        return a.offset < b.offset ? -1 : 1;
    return 0;
}

void journal_page_encode(const struct journal_page *page, uint8_t *out)
{
    struct writer w = writer_of(out, JOURNAL_PAGE_SIZE);
    writer_u64le(&w, PAGE_MAGIC);
    writer_u16le(&w, page->version);
    writer_u16le(&w, page->flags);
    writer_u16le(&w, page->stream);
    writer_u16le(&w, 0);
    writer_u32le(&w, page->segment);
    writer_u32le(&w, 0);
    writer_u64le(&w, page->life);
    writer_u64le(&w, page->size);
    writer_u64le(&w, page->receipt_first);
    writer_u64le(&w, page->receipt_limit);
    writer_u64le(&w, page->created);
    writer_fill(&w, 0, JOURNAL_PAGE_SIZE - 4 - w.length);
    writer_u32le(&w, crc32c(0, writer_slice(&w)));
    ensure(!w.failed && w.length == JOURNAL_PAGE_SIZE);
}

static bool page_is_plausible(const struct journal_page *page)
{
    bool worker = page->stream <= JOURNAL_STREAM_MAX;
    if (!worker && page->stream != JOURNAL_STREAM_CONTROL && page->stream != JOURNAL_STREAM_COPY)
        return false;
    if (page->segment == 0 || page->life == 0)
        return false;
    if (page->size < JOURNAL_PAGE_SIZE || page->size > JOURNAL_SEGMENT_SIZE_MAX)
        return false;
    if (page->receipt_first > page->receipt_limit)
        return false;
    if (page->receipt_first == page->receipt_limit)
        return true;
    return journal_receipt_stream(page->receipt_first) == page->stream &&
           journal_receipt_stream(page->receipt_limit - 1) == page->stream;
}

enum result journal_page_decode(const uint8_t *in, struct journal_page *page)
{
    struct cursor c = cursor_of(slice_of(in, JOURNAL_PAGE_SIZE));
    struct journal_page got;
    uint64_t magic = cursor_u64le(&c);
    got.version = cursor_u16le(&c);
    got.flags = cursor_u16le(&c);
    got.stream = cursor_u16le(&c);
    cursor_skip(&c, 2);
    got.segment = cursor_u32le(&c);
    cursor_skip(&c, 4);
    got.life = cursor_u64le(&c);
    got.size = cursor_u64le(&c);
    got.receipt_first = cursor_u64le(&c);
    got.receipt_limit = cursor_u64le(&c);
    got.created = cursor_u64le(&c);
    struct cursor end = cursor_of(slice_of(in + JOURNAL_PAGE_SIZE - 4, 4));
    if (magic != PAGE_MAGIC || cursor_u32le(&end) != crc32c(0, slice_of(in, JOURNAL_PAGE_SIZE - 4)))
        return ERR_FORMAT;
    if (got.version != JOURNAL_FORMAT_VERSION)
        return got.version > JOURNAL_FORMAT_VERSION ? ERR_REFUSED : ERR_FORMAT;
    if (!page_is_plausible(&got))
        return ERR_FORMAT;
    *page = got;
    return OK;
}

void journal_header_encode(const struct journal_header *header, uint8_t *out)
{
    struct writer w = writer_of(out, JOURNAL_HEADER_SIZE);
    writer_u32le(&w, HEADER_MAGIC);
    writer_u8(&w, header->version);
    writer_u8(&w, header->type);
    writer_u16le(&w, header->flags);
    writer_u32le(&w, header->length);
    writer_u16le(&w, header->stream);
    writer_u16le(&w, 0);
    writer_u32le(&w, header->segment);
    writer_u32le(&w, header->chunk);
    writer_u64le(&w, header->receipt);
    writer_u64le(&w, header->nonce);
    writer_u64le(&w, header->offset);
    writer_fill(&w, 0, JOURNAL_HEADER_SIZE - 4 - w.length);
    writer_u32le(&w, crc32c(0, writer_slice(&w)));
    ensure(!w.failed && w.length == JOURNAL_HEADER_SIZE);
}

enum result journal_header_decode(const uint8_t *in, struct journal_header *header)
{
    struct cursor c = cursor_of(slice_of(in, JOURNAL_HEADER_SIZE));
    struct journal_header got;
    if (cursor_u32le(&c) != HEADER_MAGIC)
        return ERR_FORMAT;
    struct cursor end = cursor_of(slice_of(in + JOURNAL_HEADER_SIZE - 4, 4));
    if (cursor_u32le(&end) != crc32c(0, slice_of(in, JOURNAL_HEADER_SIZE - 4)))
        return ERR_FORMAT;
    got.version = cursor_u8(&c);
    got.type = cursor_u8(&c);
    got.flags = cursor_u16le(&c);
    got.length = cursor_u32le(&c);
    got.stream = cursor_u16le(&c);
    cursor_skip(&c, 2);
    got.segment = cursor_u32le(&c);
    got.chunk = cursor_u32le(&c);
    got.receipt = cursor_u64le(&c);
    got.nonce = cursor_u64le(&c);
    got.offset = cursor_u64le(&c);
    if (got.version != JOURNAL_FORMAT_VERSION || got.length > JOURNAL_BODY_MAX)
        return ERR_FORMAT;
    *header = got;
    return OK;
}

bool journal_header_fits(const struct journal_header *header, struct journal_position at, uint64_t size)
{
    return header->stream == at.stream && header->segment == at.segment && header->offset == at.offset &&
           at.offset <= size && journal_record_size(header->length) <= size - at.offset;
}

void journal_segment_name(uint16_t stream, uint32_t segment, char *out)
{
    bool whole = text_format(out, JOURNAL_NAME_SIZE, "%04x-%08x.seg", (unsigned)stream, (unsigned)segment);
    ensure(whole);
}

static bool hex_number(const char *text, size_t length, uint32_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else
            return false;
        *value = *value << 4 | digit;
    }
    return true;
}

bool journal_segment_name_parse(const char *name, uint16_t *stream, uint32_t *segment)
{
    uint32_t a;
    uint32_t b;
    if (strlen(name) != JOURNAL_NAME_SIZE - 1 || name[4] != '-' || strcmp(name + 13, ".seg") != 0)
        return false;
    if (!hex_number(name, 4, &a) || !hex_number(name + 5, 8, &b) || b == 0)
        return false;
    *stream = (uint16_t)a;
    *segment = b;
    return true;
}

void journal_index_put(uint8_t *entry, struct journal_position at)
{
    struct writer w = writer_of(entry, JOURNAL_INDEX_ENTRY);
    writer_u32le(&w, at.segment);
    writer_u32le(&w, (uint32_t)(at.offset / JOURNAL_ALIGN));
}

struct journal_position journal_index_get(struct slice index, uint32_t n, uint16_t stream)
{
    ensure(n < journal_index_count(index));
    struct cursor c = cursor_of(slice_from(index, (size_t)n * JOURNAL_INDEX_ENTRY));
    uint32_t segment = cursor_u32le(&c);
    uint64_t offset = (uint64_t)cursor_u32le(&c) * JOURNAL_ALIGN;
    return (struct journal_position){stream, segment, offset};
}
