// SPDX-License-Identifier: Apache-2.0
//
// Carries out one order about the crosswalk, in steps of well under a second, so that others get their turn
// in between. Thread: the one that writes the crosswalk.
#pragma once

#include <jansson.h>

#include "admin/admin.h"
#include "crosswalk/task.h"
#include "fs/fs.h"

struct crosswalk_job;

// Borrows all until crosswalk_job_end(). `folder`: below `fs`, for the sorting of an import; NULL: the usual
// one. NULL: no memory.
struct crosswalk_job *crosswalk_job_new(struct crosswalk *crosswalk, struct fs *fs, const char *folder,
                                        const struct crosswalk_task *task, uint64_t now);
// True: it has ended.
bool crosswalk_job_step(struct crosswalk_job *job);
// What it came to, also in the midst of it (nothing has changed then), and frees it. ADMIN_FINE: `*body` is
// the answer: {"generation": N}; of an import {"rows", "repeated", "generation", "conflicts": [{"line",
// "other": N or null, "text"}], "conflict_count"}, where conflicts mean that nothing was changed. Else
// `*body` is NULL and `problem` says why.
enum admin_status crosswalk_job_end(struct crosswalk_job *job, json_t **body,
                                    struct crosswalk_problem *problem);
