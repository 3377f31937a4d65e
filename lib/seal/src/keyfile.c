// SPDX-License-Identifier: Apache-2.0
//
// Encoding and wrapping of the key file's parts; see keyfile.h and FORMAT.md, whose offsets these are.
#include "keyfile.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/wipe.h"
#include "crypto.h"
#include "seal/seal.h"

#include <openssl/crypto.h>
#include <string.h>

#define HEADER_MAGIC   "DGKEYS\r\n"
#define HEADER_VERSION 1u
#define HEADER_CHECKED 40u
#define HEADER_CRC     72u
#define SLOT_MAGIC     "DGKS"
#define SLOT_CRC       124u
#define SLOT_LIVE      1u
#define BOUND_SIZE     (SEAL_KEY_SIZE + 40u)
#define CHECK_LABEL    "dicomgate key file check"

static enum result check_value(const uint8_t *master, const uint8_t *page, uint8_t value[32])
{
    uint8_t key[SEAL_KEY_SIZE];
    enum result result = crypto_derive(master, slice_of_text(CHECK_LABEL), key);
    if (result == OK)
        result = crypto_hmac(key, slice_of(page, HEADER_CHECKED), value);
    wipe(key, sizeof key);
    return result;
}

enum result keyfile_header_make(const uint8_t master[SEAL_KEY_SIZE], const uint8_t file_id[KEYFILE_ID],
                                uint8_t page[KEYFILE_PAGE])
{
    struct writer writer = writer_of(page, KEYFILE_PAGE);
    writer_put(&writer, HEADER_MAGIC, 8);
    writer_u32le(&writer, HEADER_VERSION);
    writer_u32le(&writer, KEYFILE_SLOT);
    writer_u32le(&writer, KEYFILE_BLOCK_SLOTS);
    writer_u32le(&writer, 0);
    writer_put(&writer, file_id, KEYFILE_ID);
    uint8_t value[32];
    enum result result = check_value(master, page, value);
    if (result != OK)
        return result;
    writer_put(&writer, value, sizeof value);
    writer_u32le(&writer, crc32c(0, slice_of(page, HEADER_CRC)));
    writer_fill(&writer, 0, KEYFILE_PAGE - writer.length);
    ensure(!writer.failed);
    return OK;
}

enum result keyfile_header_read(const struct seal_master *master, const uint8_t page[KEYFILE_PAGE],
                                uint8_t file_id[KEYFILE_ID])
{
    struct cursor cursor = cursor_of(slice_of(page, KEYFILE_PAGE));
    struct slice magic = cursor_take(&cursor, 8);
    uint32_t version = cursor_u32le(&cursor);
    uint32_t slot = cursor_u32le(&cursor);
    uint32_t block = cursor_u32le(&cursor);
    cursor_skip(&cursor, 4);
    struct slice id = cursor_take(&cursor, KEYFILE_ID);
    struct slice stored = cursor_take(&cursor, 32);
    uint32_t crc = cursor_u32le(&cursor);
    if (!slice_is_text(magic, HEADER_MAGIC) || crc != crc32c(0, slice_of(page, HEADER_CRC)))
        return ERR_FORMAT;
    if (version != HEADER_VERSION || slot != KEYFILE_SLOT || block != KEYFILE_BLOCK_SLOTS)
        return ERR_FORMAT;
    uint8_t value[32];
    enum result result = check_value(seal_master_key(master), page, value);
    if (result != OK)
        return result;
    if (CRYPTO_memcmp(value, stored.data, sizeof value) != 0)
        return ERR_CRYPTO;
    memcpy(file_id, id.data, KEYFILE_ID);
    return OK;
}

static void bound_make(const struct slot *slot, const uint8_t *file_id, const uint8_t *key, uint8_t *bound)
{
    struct writer writer = writer_of(bound, BOUND_SIZE);
    writer_put(&writer, key, SEAL_KEY_SIZE);
    writer_put(&writer, file_id, KEYFILE_ID);
    writer_u8(&writer, (uint8_t)slot->kind);
    writer_u8(&writer, 0);
    writer_u16le(&writer, slot->stream);
    writer_u32le(&writer, slot->segment);
    writer_u64le(&writer, slot->id);
    writer_u64le(&writer, slot->wrapped_by);
    ensure(!writer.failed && writer.length == BOUND_SIZE);
}

enum result keyfile_slot_wrap(struct slot *slot, const uint8_t file_id[KEYFILE_ID],
                              const uint8_t wrapping[SEAL_KEY_SIZE], const uint8_t key[SEAL_KEY_SIZE])
{
    uint8_t bound[BOUND_SIZE];
    bound_make(slot, file_id, key, bound);
    enum result result = crypto_wrap(wrapping, slice_of(bound, sizeof bound), slot->wrapped);
    wipe(bound, sizeof bound);
    return result;
}

enum result keyfile_slot_unwrap(const struct slot *slot, const uint8_t file_id[KEYFILE_ID],
                                const uint8_t wrapping[SEAL_KEY_SIZE], uint8_t key[SEAL_KEY_SIZE])
{
    uint8_t bound[BOUND_SIZE];
    uint8_t expected[BOUND_SIZE];
    enum result result = crypto_unwrap(wrapping, slice_of(slot->wrapped, KEYFILE_WRAPPED), bound);
    if (result != OK)
        return result;
    bound_make(slot, file_id, bound, expected);
    if (memcmp(bound, expected, BOUND_SIZE) == 0)
        memcpy(key, bound, SEAL_KEY_SIZE);
    else
        result = ERR_CRYPTO;
    wipe(bound, sizeof bound);
    wipe(expected, sizeof expected);
    return result;
}

enum result keyfile_slot_encode(const struct slot *slot, uint8_t bytes[KEYFILE_SLOT])
{
    struct slot none = {.kind = SLOT_NONE};
    enum result result = seal_random(bytes + KEYFILE_RECORD, KEYFILE_SLOT - KEYFILE_RECORD);
    if (result == OK && slot == NULL)
        result = seal_random(none.wrapped, sizeof none.wrapped);
    if (result != OK)
        return result;
    const struct slot *from = slot != NULL ? slot : &none;
    struct writer writer = writer_of(bytes, KEYFILE_RECORD);
    writer_put(&writer, SLOT_MAGIC, 4);
    writer_u8(&writer, (uint8_t)from->kind);
    writer_u8(&writer, slot != NULL ? SLOT_LIVE : 0);
    writer_u16le(&writer, from->stream);
    writer_u32le(&writer, from->segment);
    writer_u32le(&writer, from->day);
    writer_u64le(&writer, from->id);
    writer_u64le(&writer, from->wrapped_by);
    writer_put(&writer, from->wrapped, KEYFILE_WRAPPED);
    writer_fill(&writer, 0, SLOT_CRC - writer.length);
    writer_u32le(&writer, crc32c(0, slice_of(bytes, SLOT_CRC)));
    ensure(!writer.failed && writer.length == KEYFILE_RECORD);
    return OK;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static bool kind_is_good(uint8_t kind, uint8_t state, uint64_t id, uint64_t wrapped_by)
{
    if (state == 0)
        return kind == SLOT_NONE;
    if (state != SLOT_LIVE || id == 0)
        return false;
    if (kind == SLOT_INTERMEDIATE || kind == SLOT_LASTING)
        return wrapped_by == 0;
    return kind == SLOT_SEGMENT && wrapped_by != 0;
}

enum result keyfile_slot_decode(const uint8_t bytes[KEYFILE_RECORD], struct slot *slot)
{
    *slot = (struct slot){.kind = SLOT_NONE};
    if (is_zero(bytes, KEYFILE_RECORD))
        return OK;
    struct cursor cursor = cursor_of(slice_of(bytes, KEYFILE_RECORD));
    struct slice magic = cursor_take(&cursor, 4);
    uint8_t kind = cursor_u8(&cursor);
    uint8_t state = cursor_u8(&cursor);
    struct slot found = {.kind = SLOT_NONE};
    found.stream = cursor_u16le(&cursor);
    found.segment = cursor_u32le(&cursor);
    found.day = cursor_u32le(&cursor);
    found.id = cursor_u64le(&cursor);
    found.wrapped_by = cursor_u64le(&cursor);
    memcpy(found.wrapped, cursor_take(&cursor, KEYFILE_WRAPPED).data, KEYFILE_WRAPPED);
    cursor_skip(&cursor, SLOT_CRC - KEYFILE_WRAPPED - 32);
    uint32_t crc = cursor_u32le(&cursor);
    if (!slice_is_text(magic, SLOT_MAGIC) || crc != crc32c(0, slice_of(bytes, SLOT_CRC)))
        return ERR_FORMAT;
    if (!kind_is_good(kind, state, found.id, found.wrapped_by))
        return ERR_FORMAT;
    if (state == SLOT_LIVE) {
        *slot = found;
        slot->kind = (enum slot_kind)kind;
    }
    return OK;
}
