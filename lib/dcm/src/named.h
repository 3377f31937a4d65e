// SPDX-License-Identifier: Apache-2.0
//
// The named top-level elements of one data set: where they stand and the bytes of their values, within the
// bounds of ENGINE 6. One growing store for all values, wiped before it is given back. Owned by the scanner,
// fed by scanner_events.c.
#pragma once

#include "dcm/scanner.h"
#include "wiped.h"

struct named_slot {
    struct dcm_named found; // without its value slice
    size_t kept_at;
    size_t kept; // bytes
    bool is_found;
};

struct named_store {
    size_t count;
    struct named_slot slots[DCM_NAMED_LIMIT];
    struct named_slot *open; // whose value is coming; NULL if none
    struct wiped_bytes bytes;
};

void named_init(struct named_store *store);
void named_fini(struct named_store *store);
// The caller has checked that `count` is at most DCM_NAMED_LIMIT.
void named_begin(struct named_store *store, const uint32_t *tags, size_t count);

// A top-level element begins; true if its tag is named and came before.
bool named_element_begin(struct named_store *store, const struct dcm_named *element);
// ERR_NOMEM.
MUST_USE enum result named_element_take(struct named_store *store, const uint8_t *data, size_t length);
void named_element_end(struct named_store *store, uint64_t end_offset);
MUST_USE enum result named_get(const struct named_store *store, uint32_t tag, struct dcm_named *named);
