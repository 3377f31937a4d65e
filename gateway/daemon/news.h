// SPDX-License-Identifier: Apache-2.0
//
// What can let a held delivery go: the crosswalk has changed (an import, a merge, a move, an effective time),
// or the policies have. Every worker is told; what comes while it has not heard yet is told once.
//
// Thread: main for new and free.
#pragma once

#include "base/result.h"
#include "edit/edit.h"

struct gateway;
struct news;
struct worker;

// By the kinds of holds (1 << enum edit_hold_kind) that they may end.
enum news_kind {
    NEWS_CROSSWALK = 1u << EDIT_HOLD_PATIENT | 1u << EDIT_HOLD_TROUBLE,
    NEWS_POLICIES = NEWS_CROSSWALK | 1u << EDIT_HOLD_RULE | 1u << EDIT_HOLD_DATA,
};

// After the workers, before loops run. ERR_NOMEM.
MUST_USE enum result news_new(struct gateway *gateway, struct news **out);
// Before the workers; loops have ended. NULL is fine.
void news_free(struct news *news);
// Any thread: `kinds` of news_kind. What they are about must be in force already.
void news_tell(struct news *news, unsigned kinds);

// On the worker: its archives look again at what they hold for such a reason.
void news_take(struct worker *worker, unsigned kinds);
