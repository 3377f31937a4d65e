// SPDX-License-Identifier: Apache-2.0
//
// Stands for gateway/edit where it is not built in: no archive has a policy, everything goes as it came.
#include "base/check.h"
#include "daemon/gateway.h"
#include "edit/edit.h"

enum result edit_policies_new(const struct configuration *configuration, struct conf_errors *errors,
                              struct edit_policies **out)
{
    (void)configuration;
    (void)errors;
    *out = NULL;
    return OK;
}

struct edit_policies *edit_policies_ref(struct edit_policies *policies)
{
    return policies;
}

const uint8_t *edit_policies_digest(const struct edit_policies *policies)
{
    (void)policies;
    unreachable_state();
}

const struct edit_policy *edit_policies_find(const struct edit_policies *policies, uint32_t node)
{
    (void)policies;
    (void)node;
    return NULL;
}

void edit_policies_unref(struct edit_policies **policies)
{
    *policies = NULL;
}

enum result edit_workshop_new(struct worker *worker, struct edit_workshop **out)
{
    (void)worker;
    *out = NULL;
    return OK;
}

void edit_workshop_free(struct edit_workshop *workshop)
{
    ensure(workshop == NULL);
}

enum result edit_splice_take(struct edit_workshop *workshop, struct dcm_splice **splice)
{
    (void)workshop;
    return dcm_splice_new(splice);
}

void edit_splice_give(struct edit_workshop *workshop, struct dcm_splice **splice)
{
    (void)workshop;
    dcm_splice_free(*splice);
    *splice = NULL;
}

// Nothing of what follows is reached without a policy.

enum result edit_begin(struct edit_workshop *workshop, struct edit_policies *policies,
                       const struct edit_policy *policy, const struct edit_origin *origin,
                       void (*on_change)(void *arg), void *arg, struct edit **out)
{
    (void)workshop;
    (void)policies;
    (void)policy;
    (void)origin;
    (void)on_change;
    (void)arg;
    (void)out;
    unreachable_state();
}

void edit_free(struct edit **edit)
{
    (void)edit;
    unreachable_state();
}

void edit_feed(struct edit *edit, struct slice piece, bool is_last)
{
    (void)edit;
    (void)piece;
    (void)is_last;
    unreachable_state();
}

enum edit_stage edit_stage(const struct edit *edit)
{
    (void)edit;
    unreachable_state();
}

const struct edit_hold *edit_hold(const struct edit *edit)
{
    (void)edit;
    unreachable_state();
}

const struct dcm_plan *edit_plan(const struct edit *edit)
{
    (void)edit;
    unreachable_state();
}

uint64_t edit_header_length(const struct edit *edit)
{
    (void)edit;
    unreachable_state();
}

enum result edit_sent_fill(struct edit *edit, const struct dcm_plan *undo, struct record_sent *sent)
{
    (void)edit;
    (void)undo;
    (void)sent;
    unreachable_state();
}

void edit_hold_for_size(struct edit_hold *hold)
{
    (void)hold;
    unreachable_state();
}

size_t edit_flags(const struct edit *edit, const char **first)
{
    (void)edit;
    (void)first;
    unreachable_state();
}
