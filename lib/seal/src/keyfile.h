// SPDX-License-Identifier: Apache-2.0
//
// The bytes of the key file (FORMAT.md): header page and slots, to and from memory, with their wrapping. No
// I/O. Private to lib/seal; called by keyring.c.
#pragma once

#include "base/result.h"
#include "base/slice.h"
#include "seal/master.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYFILE_PAGE        4096u
#define KEYFILE_SLOT        4096u
#define KEYFILE_BLOCK_SLOTS 64u
#define KEYFILE_ID          16u
#define KEYFILE_RECORD      128u // the part of a slot that means something
#define KEYFILE_WRAPPED     80u

enum slot_kind { SLOT_NONE = 0, SLOT_INTERMEDIATE = 1, SLOT_SEGMENT = 2, SLOT_LASTING = 3 };

// The clear part of a live slot.
struct slot {
    enum slot_kind kind;
    uint16_t stream;
    uint32_t segment; // of a lasting key: its number (seal/lasting.h)
    uint32_t day;
    uint64_t id;
    uint64_t wrapped_by; // 0: the master key
    uint8_t wrapped[KEYFILE_WRAPPED];
};

// Fills a whole header page.
MUST_USE enum result keyfile_header_make(const uint8_t master[SEAL_KEY_SIZE],
                                         const uint8_t file_id[KEYFILE_ID], uint8_t page[KEYFILE_PAGE]);

// ERR_FORMAT: no header, or damaged, or of another version. ERR_CRYPTO: another master key.
MUST_USE enum result keyfile_header_read(const struct seal_master *master, const uint8_t page[KEYFILE_PAGE],
                                         uint8_t file_id[KEYFILE_ID]);

// Wraps `key` under `wrapping` and binds it to what `slot` says and to the file; fills slot->wrapped.
MUST_USE enum result keyfile_slot_wrap(struct slot *slot, const uint8_t file_id[KEYFILE_ID],
                                       const uint8_t wrapping[SEAL_KEY_SIZE],
                                       const uint8_t key[SEAL_KEY_SIZE]);

// ERR_CRYPTO: wrong key, changed, or moved here from elsewhere.
MUST_USE enum result keyfile_slot_unwrap(const struct slot *slot, const uint8_t file_id[KEYFILE_ID],
                                         const uint8_t wrapping[SEAL_KEY_SIZE], uint8_t key[SEAL_KEY_SIZE]);

// The bytes of a whole slot; `slot` NULL makes a free one, whose wrapped key and rest are random.
MUST_USE enum result keyfile_slot_encode(const struct slot *slot, uint8_t bytes[KEYFILE_SLOT]);

// From the first KEYFILE_RECORD bytes. OK: `slot` is live, or free with kind SLOT_NONE. ERR_FORMAT: damaged.
MUST_USE enum result keyfile_slot_decode(const uint8_t bytes[KEYFILE_RECORD], struct slot *slot);
