// SPDX-License-Identifier: Apache-2.0
//
// Receipts that a person names, by number or by SOP Instance UID. The UID is looked up in the ledger when the
// request comes; what the ledger does not know yet is still in memory, with its UID.
//
// Thread: filled on main, then read by workers.
#pragma once

#include "admin/admin.h"
#include "daemon/gateway.h"

struct receipt;

struct receipt_selection {
    uint64_t *number; // by rising number
    size_t count;
    size_t capacity;
    char sop_instance[ADMIN_TEXT]; // "": by number only
};

// Into a zeroed one. `uid` NULL: by number only. ERR_NOMEM, ERR_IO, ERR_FORMAT: the ledger could not be read.
MUST_USE enum result receipt_selection_find(struct receipt_selection *selection, struct gateway *gateway,
                                            const uint64_t *numbers, size_t count, const char *uid);
// Into a zeroed one: the receipts of a study that the ledger knows. Errors as above.
MUST_USE enum result receipt_selection_find_study(struct receipt_selection *selection,
                                                  struct gateway *gateway, const char *study);
void receipt_selection_fini(struct receipt_selection *selection);
// By number: all that is known of what sleeps.
bool receipt_selection_has_number(const struct receipt_selection *selection, uint64_t number);
bool receipt_selection_has(const struct receipt_selection *selection, const struct receipt *receipt);
