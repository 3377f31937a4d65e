// SPDX-License-Identifier: Apache-2.0
// Every decoder of record bodies on arbitrary bytes (the first byte chooses). What decodes can be encoded
// again, and then says the same. Format pages and headers too.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "cbor/reader.h"
#include "journal/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t memory[2][JOURNAL_BODY_MAX];

// Encoded, decoded and encoded once more: both times the same bytes.
#define ROUND_TRIP(what, body)                                                                               \
    do {                                                                                                     \
        struct record_##what record;                                                                         \
        size_t first;                                                                                        \
        size_t second;                                                                                       \
        if (record_##what##_decode((body), &record) != OK ||                                                 \
            record_##what##_encode(&record, memory[0], JOURNAL_BODY_MAX, &first) != OK)                      \
            break;                                                                                           \
        ensure(record_##what##_decode(slice_of(memory[0], first), &record) == OK);                           \
        ensure(record_##what##_encode(&record, memory[1], JOURNAL_BODY_MAX, &second) == OK);                 \
        ensure(first == second && memcmp(memory[0], memory[1], first) == 0);                                 \
    } while (0)

// Visits everything that a reader can reach.
static void walk(struct slice body)
{
    struct cbor_reader r;
    int64_t key;
    cbor_reader_init(&r, body);
    cbor_enter_map(&r);
    while (cbor_next_key(&r, &key)) {
        switch (cbor_peek(&r)) {
        case CBOR_KIND_ARRAY:
            cbor_enter_array(&r);
            while (cbor_next_item(&r))
                (void)cbor_take_uint(&r, UINT32_MAX);
            break;
        case CBOR_KIND_MAP:
            cbor_enter_map(&r);
            while (cbor_next_key(&r, &key))
                continue;
            break;
        case CBOR_KIND_TEXT:
            ensure(cbor_take_text(&r, 100).length <= 100);
            break;
        case CBOR_KIND_BOOL:
            (void)cbor_take_bool(&r);
            break;
        case CBOR_KIND_UINT:
        case CBOR_KIND_NEGATIVE:
        case CBOR_KIND_BYTES:
        case CBOR_KIND_OTHER:
        case CBOR_KIND_NONE:
        default:
            ensure(cbor_skip(&r).length <= body.length);
            break;
        }
    }
    ensure(cbor_reader_rest(&r) <= body.length);
}

static void pages(struct slice body)
{
    uint8_t *bytes = calloc(1, JOURNAL_PAGE_SIZE);
    struct journal_page page;
    struct journal_header header;
    ensure(bytes != NULL);
    memcpy(bytes, body.data, body.length < JOURNAL_PAGE_SIZE ? body.length : JOURNAL_PAGE_SIZE);
    (void)!journal_page_decode(bytes, &page);
    (void)!journal_header_decode(bytes, &header);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > JOURNAL_BODY_MAX)
        return 0;
    struct slice body = slice_of(data + 1, size - 1);
    switch (data[0] % 8) {
    case 0:
        walk(body);
        break;
    case 1:
        ROUND_TRIP(open, body);
        break;
    case 2:
        pages(body);
        break;
    case 3:
        ROUND_TRIP(close, body);
        break;
    case 4:
        ROUND_TRIP(drop, body);
        break;
    case 5:
        ROUND_TRIP(sent, body);
        break;
    case 6:
        ROUND_TRIP(outcome, body);
        break;
    default:
        ROUND_TRIP(epoch, body);
        break;
    }
    return 0;
}
