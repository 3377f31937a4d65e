// SPDX-License-Identifier: Apache-2.0
//
// What the daemon would make of a data set for one archive (gateway/edit), without a daemon: a worker of one
// trial, whose questions to the crosswalk are answered from a reader. Private to gateway/cli; one thread.
#pragma once

#include "cli/crosswalk.h"
#include "crosswalk/enquiry.h"
#include "daemon/worker.h"
#include "dcm/file.h"
#include "edit/edit.h"
#include "edit/workshop.h"

#define TRY_FLAGS_MOST 64

struct try_desk {
    struct gateway gateway;
    struct worker worker;
    struct edit_workshop *workshop;
    struct crosswalk_reader *reader; // NULL: there is no crosswalk
    // The question under way, and its answer.
    enquiry_answered_fn *answered;
    void *arg;
    enum result result;
    struct crosswalk_verdict verdict;
    bool was_asked; // the crosswalk had to be
};

// `crosswalk` is borrowed; one that is not open is none. ERR_NOMEM, ERR_MISSING.
MUST_USE enum result try_desk_init(struct try_desk *desk, const struct cli_crosswalk *crosswalk);
void try_desk_fini(struct try_desk *desk);

// To the verdict. `origin` and what it borrows must outlive the edit. ERR_NOMEM.
MUST_USE enum result try_desk_run(struct try_desk *desk, struct edit_policies *policies,
                                  const struct edit_policy *policy, const struct edit_origin *origin,
                                  struct slice data_set, struct edit **out);
