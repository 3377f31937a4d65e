// SPDX-License-Identifier: Apache-2.0
//
// gateway/edit as a test plays it: each edit takes the bytes that it is given and then does as it is told.
// One thread.
#pragma once

#include "base/queue.h"
#include "edit/edit.h"

enum { FAKE_EDITS = 16 };

struct edit {
    bool is_used;
    uint32_t node;
    enum edit_stage stage;
    struct edit_hold hold;
    const struct edit_origin *origin;
    size_t bytes; // fed
    bool has_ended;
    void (*on_change)(void *arg);
    void *arg;
};

// What there is of policies: node ids that want edits, and those of them that may reject.
struct edit_policies {
    unsigned references;
    uint32_t rejecting; // node id; 0: none
    uint32_t holding;   // another one with a policy, which never rejects; 0: none
    size_t decides_at;  // an edit leaves READS when it has so many bytes, or all; 0: with the last one
    enum edit_stage next;
    bool is_out_of_memory;
    unsigned begun;
    struct edit edits[FAKE_EDITS];
};

// Which ones the calls are about; NULL: none.
void fake_edit_use(struct edit_policies *policies);
// The one that is not over; aborts unless there is exactly one.
struct edit *fake_edit_only(struct edit_policies *policies);
unsigned fake_edit_count(const struct edit_policies *policies);
// From ASKS to this stage, and tells.
void fake_edit_answer(struct edit *edit, enum edit_stage stage);
