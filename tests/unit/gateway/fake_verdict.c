// SPDX-License-Identifier: Apache-2.0
#include "fake_verdict.h"
#include "base/check.h"
#include "base/text.h"
#include "daemon/gateway.h"

static struct edit_policies *the; // those that edits were begun with last

const struct edit_policy *edit_policies_find(const struct edit_policies *policies, uint32_t node)
{
    if (node == policies->rejecting)
        return (const struct edit_policy *)(const void *)&policies->rejecting;
    if (node == policies->holding)
        return (const struct edit_policy *)(const void *)&policies->holding;
    return NULL;
}

bool edit_policy_may_reject(const struct edit_policy *policy)
{
    return the != NULL && policy == (const void *)&the->rejecting;
}

struct edit_policies *edit_policies_ref(struct edit_policies *policies)
{
    policies->references++;
    return policies;
}

void edit_policies_unref(struct edit_policies **policies)
{
    ensure((*policies)->references > 0);
    (*policies)->references--;
    *policies = NULL;
}

enum result edit_begin(struct edit_workshop *workshop, struct edit_policies *policies,
                       const struct edit_policy *policy, const struct edit_origin *origin,
                       void (*on_change)(void *arg), void *arg, struct edit **out)
{
    (void)workshop;
    if (policies->is_out_of_memory)
        return ERR_NOMEM;
    struct edit *edit = NULL;
    for (size_t i = 0; i < FAKE_EDITS && edit == NULL; i++)
        if (!policies->edits[i].is_used)
            edit = &policies->edits[i];
    ensure(edit != NULL);
    *edit = (struct edit){.is_used = true,
                          .node = *(const uint32_t *)(const void *)policy,
                          .stage = EDIT_READS,
                          .origin = origin,
                          .on_change = on_change,
                          .arg = arg};
    text_copy(edit->hold.reason, sizeof edit->hold.reason,
              slice_of_text("rule site/names: PatientID is empty"));
    policies->begun++;
    *out = edit;
    return OK;
}

void edit_free(struct edit **edit)
{
    if (*edit != NULL) {
        ensure((*edit)->is_used);
        (*edit)->is_used = false;
    }
    *edit = NULL;
}

void edit_feed(struct edit *edit, struct slice piece, bool is_last)
{
    ensure(edit->is_used && edit->stage == EDIT_READS && !edit->has_ended);
    edit->bytes += piece.length;
    edit->has_ended = is_last;
    if (is_last || (the->decides_at > 0 && edit->bytes >= the->decides_at))
        edit->stage = the->next;
}

enum edit_stage edit_stage(const struct edit *edit)
{
    ensure(edit->is_used);
    return edit->stage;
}

const struct edit_hold *edit_hold(const struct edit *edit)
{
    ensure(edit->stage == EDIT_REFUSES || edit->stage == EDIT_HOLDS);
    return &edit->hold;
}

struct edit *fake_edit_only(struct edit_policies *policies)
{
    struct edit *found = NULL;
    for (size_t i = 0; i < FAKE_EDITS; i++)
        if (policies->edits[i].is_used) {
            ensure(found == NULL);
            found = &policies->edits[i];
        }
    ensure(found != NULL);
    return found;
}

unsigned fake_edit_count(const struct edit_policies *policies)
{
    unsigned count = 0;
    for (size_t i = 0; i < FAKE_EDITS; i++)
        count += policies->edits[i].is_used;
    return count;
}

void fake_edit_answer(struct edit *edit, enum edit_stage stage)
{
    ensure(edit->is_used && edit->stage == EDIT_ASKS);
    edit->stage = stage;
    edit->on_change(edit->arg);
}

void fake_edit_use(struct edit_policies *policies)
{
    the = policies;
}

struct edit_policies *__wrap_gateway_policies(const struct gateway *gateway);

struct edit_policies *__wrap_gateway_policies(const struct gateway *gateway)
{
    (void)gateway;
    return the;
}

// ---- for lanes, which have nothing to do here ----

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
    (void)splice;
    return ERR_NOMEM;
}

void edit_splice_give(struct edit_workshop *workshop, struct dcm_splice **splice)
{
    (void)workshop;
    (void)splice;
}

const uint8_t *edit_policies_digest(const struct edit_policies *policies)
{
    static const uint8_t digest[RECORD_DIGEST_SIZE];
    (void)policies;
    return digest;
}

enum result edit_policies_new(const struct configuration *configuration, struct conf_errors *errors,
                              struct edit_policies **out)
{
    (void)configuration;
    (void)errors;
    (void)out;
    return ERR_NOMEM;
}

const struct dcm_plan *edit_plan(const struct edit *edit)
{
    (void)edit;
    return NULL;
}

uint64_t edit_header_length(const struct edit *edit)
{
    (void)edit;
    return 0;
}

enum result edit_sent_fill(struct edit *edit, const struct dcm_plan *undo, struct record_sent *sent)
{
    (void)edit;
    (void)undo;
    (void)sent;
    return OK;
}

void edit_hold_for_size(struct edit_hold *hold)
{
    *hold = (struct edit_hold){.kind = EDIT_HOLD_DATA};
}

size_t edit_flags(const struct edit *edit, const char **first)
{
    (void)edit;
    (void)first;
    return 0;
}
