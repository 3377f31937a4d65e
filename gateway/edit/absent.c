// SPDX-License-Identifier: Apache-2.0
//
// No archive wants anything edited: what stands in for this module until it is there. A test may bring its
// own.
#include "base/check.h"
#include "edit/edit.h"

#define ABSENT __attribute__((weak))

ABSENT const struct edit_policy *edit_policies_find(const struct edit_policies *policies, uint32_t node)
{
    (void)policies;
    (void)node;
    return NULL;
}

ABSENT bool edit_policy_may_reject(const struct edit_policy *policy)
{
    (void)policy;
    return false;
}

ABSENT struct edit_policies *edit_policies_ref(struct edit_policies *policies)
{
    return policies;
}

ABSENT void edit_policies_unref(struct edit_policies **policies)
{
    *policies = NULL;
}

ABSENT enum result edit_begin(struct edit_workshop *workshop, struct edit_policies *policies,
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
    unreachable_state(); // nobody has a policy
}

ABSENT void edit_free(struct edit **edit)
{
    *edit = NULL;
}

ABSENT void edit_feed(struct edit *edit, struct slice piece, bool is_last)
{
    (void)edit;
    (void)piece;
    (void)is_last;
}

ABSENT enum edit_stage edit_stage(const struct edit *edit)
{
    (void)edit;
    return EDIT_GOES;
}

ABSENT const struct edit_hold *edit_hold(const struct edit *edit)
{
    (void)edit;
    return NULL;
}
