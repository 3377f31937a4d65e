// SPDX-License-Identifier: Apache-2.0
// Layout of a journal segment on disk: format page and record header. FORMAT.md is the prose beside it.
//
// Role: constants, and pure functions between bytes and structs; no I/O, no memory of their own. Thread: any.
// Source: ENGINE 2. All integers little-endian.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "base/slice.h"

#define JOURNAL_FORMAT_VERSION 1u
#define JOURNAL_PAGE_SIZE      4096u
#define JOURNAL_HEADER_SIZE    64u
#define JOURNAL_ALIGN          64u
#define JOURNAL_TAG_SIZE       16u // AES-256-GCM

// One record (header, ciphertext, tag, padding) never exceeds this, so that it fits one write buffer.
#define JOURNAL_RECORD_MAX (256u * 1024u)
// Longest body, of DATA (raw bytes) and of all others (CBOR).
#define JOURNAL_BODY_MAX (JOURNAL_RECORD_MAX - 128u)

// Longest run of bytes without a valid record that may lie before one: what a stream may have unsynced when
// the power goes, which journal_new() holds the options to. Recovery looks no farther, so that a segment of
// which little was written costs little to read.
#define JOURNAL_GAP_MAX (16u * 1024u * 1024u)

#define JOURNAL_SEGMENT_SIZE_MIN     (1024u * 1024u)
#define JOURNAL_SEGMENT_SIZE_MAX     (1024u * 1024u * 1024u)
#define JOURNAL_SEGMENT_SIZE_DEFAULT (256u * 1024u * 1024u)

// Streams: 0.. are workers; the control stream holds starts and epochs, the copy stream what was copied
// forward out of segments that had to go (copy.h).
#define JOURNAL_STREAM_CONTROL 0xFFFFu
#define JOURNAL_STREAM_COPY    0xFFFEu
#define JOURNAL_STREAM_MAX     0x0FFFu // highest worker stream

// Receipt number = stream << 48 | counter; the counter starts at 1, so 0 is "no receipt".
#define JOURNAL_RECEIPT_COUNTER_BITS 48u
static inline uint16_t journal_receipt_stream(uint64_t receipt)
{
    return (uint16_t)(receipt >> JOURNAL_RECEIPT_COUNTER_BITS);
}

// Where a record begins. Segments are numbered from 1; segment 0 means "nowhere" or "before everything".
// Offsets count from the start of the file; the first record stands at JOURNAL_PAGE_SIZE.
struct journal_position {
    uint16_t stream;
    uint32_t segment;
    uint64_t offset;
};

// -1, 0, 1 by segment, then offset. The streams must be the same (not compared).
int journal_position_compare(struct journal_position a, struct journal_position b);

enum journal_record_type {
    JOURNAL_OPEN = 1,
    JOURNAL_DATA = 2,
    JOURNAL_CLOSE = 3,
    JOURNAL_DROP = 4,
    JOURNAL_SENT = 5,
    JOURNAL_OUTCOME = 6,
    JOURNAL_EPOCH = 7, // control stream: a start of the process, a change of epoch
    JOURNAL_DEATH =
        8, // segments of this stream that died, and up to where they count; readers do not yield it
};

// Segment flags in the format page.
#define JOURNAL_SEGMENT_RESERVE 0x0001u // made out of the reserve: no OPEN, DATA, CLOSE

struct journal_page {
    uint16_t version;
    uint16_t flags;
    uint16_t stream;
    uint32_t segment;
    uint64_t life;          // number of the process life that wrote it, from 1
    uint64_t size;          // of the file, page included
    uint64_t receipt_first; // whole receipt numbers (stream included) reserved for this segment: first <= n <
                            // limit
    uint64_t receipt_limit;
    uint64_t created; // wall time, nanoseconds since 1970
};

struct journal_header {
    uint8_t version;
    uint8_t type;    // enum journal_record_type; unknown types are read and passed on
    uint16_t flags;  // 0 in this version
    uint32_t length; // of the body: plaintext = ciphertext
    uint16_t stream;
    uint32_t segment;
    uint32_t chunk;   // DATA: 0, 1, 2...; else 0
    uint64_t receipt; // 0 for records of the control stream
    uint64_t nonce;   // counter under the segment's key, spent when sealing begins
    uint64_t offset;  // of this header in its segment: a record written to the wrong place is not a record
};

// Bytes a record takes in its segment.
static inline uint32_t journal_record_size(uint32_t body_length)
{
    return (JOURNAL_HEADER_SIZE + body_length + JOURNAL_TAG_SIZE + JOURNAL_ALIGN - 1u) &
           ~(JOURNAL_ALIGN - 1u);
}

// out: JOURNAL_PAGE_SIZE bytes, all written.
void journal_page_encode(const struct journal_page *page, uint8_t *out);
// in: JOURNAL_PAGE_SIZE bytes. ERR_FORMAT: magic, checksum or a field out of range; ERR_REFUSED: a newer
// version.
enum result journal_page_decode(const uint8_t *in, struct journal_page *page) MUST_USE;

// out: JOURNAL_HEADER_SIZE bytes, all written. The same bytes are the additional data of the seal.
void journal_header_encode(const struct journal_header *header, uint8_t *out);
// in: JOURNAL_HEADER_SIZE bytes. ERR_FORMAT: magic, checksum, length out of range. Says nothing about whether
// the ids are those of the segment it was read from: see journal_header_fits().
enum result journal_header_decode(const uint8_t *in, struct journal_header *header) MUST_USE;
// Whether a decoded header belongs at this place, and its record ends within size.
bool journal_header_fits(const struct journal_header *header, struct journal_position at, uint64_t size);

// "SSSS-NNNNNNNN.seg", hexadecimal, small letters; out must hold JOURNAL_NAME_SIZE bytes with the final zero.
#define JOURNAL_NAME_SIZE 18u
void journal_segment_name(uint16_t stream, uint32_t segment, char *out);
// False: not the name of a segment.
bool journal_segment_name_parse(const char *name, uint16_t *stream, uint32_t *segment);

// Chunk index of a CLOSE: for each DATA record 8 bytes: u32 segment, u32 offset / 64.
#define JOURNAL_INDEX_ENTRY 8u
// 24,576 chunks of 256 KiB are 6 GiB: the longest instance that one CLOSE can index.
#define JOURNAL_CHUNKS_MAX 24576u
void journal_index_put(uint8_t *entry, struct journal_position at);
static inline uint32_t journal_index_count(struct slice index)
{
    return (uint32_t)(index.length / JOURNAL_INDEX_ENTRY);
}
// n < journal_index_count(); stream is that of the receipt.
struct journal_position journal_index_get(struct slice index, uint32_t n, uint16_t stream);
