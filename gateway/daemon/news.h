// SPDX-License-Identifier: Apache-2.0
//
// What can let a held delivery go: the crosswalk has changed (an import, a merge, a move, an effective time),
// or the policies have. Every worker is told; what comes while it has not heard yet is told once.
//
// Thread: main for new and free.
#pragma once

#include "base/result.h"

struct gateway;
struct news;
struct worker;

enum news_kind { NEWS_CROSSWALK = 1u << 0, NEWS_POLICIES = 1u << 1 };

// After the workers, before loops run. ERR_NOMEM.
MUST_USE enum result news_new(struct gateway *gateway, struct news **out);
// Before the workers; loops have ended. NULL is fine.
void news_free(struct news *news);
// Any thread: `kinds` of news_kind. What they are about must be in force already.
void news_tell(struct news *news, unsigned kinds);

// On the worker (daemon/news_take.c): its archives look again at what they hold for such a reason.
void news_take(struct worker *worker, unsigned kinds);
