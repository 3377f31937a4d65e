// SPDX-License-Identifier: Apache-2.0
#include "fake_edit.h"

#include "base/check.h"
#include "base/list.h"
#include "base/text.h"
#include "base/wipe.h"
#include "daemon/gateway.h"
#include "dcm/survey.h"
#include "dcm/syntax.h"
#include "store/evidence.h"
#include <openssl/evp.h>
#include <stdlib.h>

struct fake_edit fake_edit;
static struct list alive;

struct edit {
    struct list_node node;
    struct edit_policies *policies;
    enum edit_stage stage;
    struct edit_origin origin;
    struct edit_hold hold;
    void (*on_change)(void *arg);
    void *arg;
    uint64_t fed;
    struct dcm_interest *interest;
    struct dcm_survey *survey;
    struct dcm_plan *plan;
    uint64_t header;
    uint8_t *evidence;
    size_t evidence_length;
};

void fake_edit_reset(void)
{
    fake_edit = (struct fake_edit){.reason = ""};
    list_init(&alive);
}

// ---- policies ----

struct edit_policies *__wrap_gateway_policies(struct gateway *gateway);

struct edit_policies *__wrap_gateway_policies(struct gateway *gateway)
{
    (void)gateway;
    if (fake_edit.node == 0)
        return NULL;
    fake_edit.policies++;
    return (struct edit_policies *)(void *)&fake_edit;
}

enum result edit_policies_new(const struct configuration *configuration, struct conf_errors *errors,
                              struct edit_policies **out)
{
    (void)configuration;
    (void)errors;
    fake_edit.policies++;
    *out = (struct edit_policies *)(void *)&fake_edit;
    return OK;
}

struct edit_policies *edit_policies_ref(struct edit_policies *policies)
{
    fake_edit.policies++;
    return policies;
}

void edit_policies_unref(struct edit_policies **policies)
{
    fake_edit.policies--;
    *policies = NULL;
}

const struct edit_policy *edit_policies_find(const struct edit_policies *policies, uint32_t node)
{
    return node == fake_edit.node ? (const struct edit_policy *)(const void *)policies : NULL;
}

const uint8_t *edit_policies_digest(const struct edit_policies *policies)
{
    (void)policies;
    static const uint8_t digest[RECORD_DIGEST_SIZE];
    return digest;
}

bool edit_policy_may_reject(const struct edit_policy *policy)
{
    (void)policy;
    return false;
}

// ---- workshop ----

enum result edit_workshop_new(struct worker *worker, struct edit_workshop **out)
{
    (void)worker;
    *out = NULL;
    return OK;
}

void edit_workshop_free(struct edit_workshop *workshop)
{
    (void)workshop;
}

enum result edit_splice_take(struct edit_workshop *workshop, struct dcm_splice **splice)
{
    (void)workshop;
    return fake_edit.fails == FAKE_NO_SPLICE ? ERR_NOMEM : dcm_splice_new(splice);
}

void edit_splice_give(struct edit_workshop *workshop, struct dcm_splice **splice)
{
    (void)workshop;
    dcm_splice_free(*splice);
    *splice = NULL;
}

// ---- the edit ----

enum result edit_begin(struct edit_workshop *workshop, struct edit_policies *policies,
                       const struct edit_policy *policy, const struct edit_origin *origin,
                       void (*on_change)(void *arg), void *arg, struct edit **out)
{
    (void)workshop;
    ensure(policy != NULL);
    if (fake_edit.fails == FAKE_NO_EDIT)
        return ERR_NOMEM;
    struct edit *edit = calloc(1, sizeof *edit);
    ensure(edit != NULL);
    edit->policies = edit_policies_ref(policies);
    edit->origin = *origin;
    edit->on_change = on_change;
    edit->arg = arg;
    struct dcm_path path = dcm_path_of_tag(DCM_PATIENT_ID);
    ensure(dcm_interest_new(&path, 1, &edit->interest) == OK);
    ensure(dcm_survey_new(&edit->survey) == OK);
    ensure(dcm_survey_begin(edit->survey, edit->interest, origin->open->transfer_syntax, 0) == OK);
    list_append(&alive, &edit->node);
    fake_edit.begun++;
    fake_edit.alive++;
    fake_edit.flags = origin->flags;
    *out = edit;
    return OK;
}

void edit_free(struct edit **owned)
{
    struct edit *edit = *owned;
    *owned = NULL;
    list_remove(&alive, &edit->node);
    edit_policies_unref(&edit->policies);
    dcm_plan_free(edit->plan);
    dcm_survey_free(edit->survey);
    dcm_interest_free(edit->interest);
    free(edit->evidence);
    wipe(edit, sizeof *edit); // whoever uses it still, notices
    free(edit);
    fake_edit.alive--;
}

static void plan_make(struct edit *edit)
{
    struct dcm_text *text;
    struct dcm_problem problem;
    struct dcm_path path = dcm_path_of_tag(DCM_PATIENT_ID);
    struct dcm_edit set = {.path = &path,
                           .operation = DCM_EDIT_SET,
                           .kind = DCM_VALUE_TEXT,
                           .value = slice_of_text(fake_edit.patient_id)};
    ensure(dcm_text_new(&text) == OK);
    ensure(dcm_plan_make(edit->survey, text, &set, 1, &edit->plan, NULL, &problem) == OK);
    dcm_text_free(text);
    edit->header = dcm_survey_range_length(edit->survey); // OW, explicit
}

static void verdict(struct edit *edit)
{
    bool is_behind =
        fake_edit.keeps_behind && (edit->origin.flags & (RECORD_CLOSE_BEHIND | RECORD_CLOSE_UNSCANNED)) != 0;
    edit->stage = is_behind ? EDIT_HOLDS : fake_edit.verdict;
    edit->hold.kind = is_behind ? EDIT_HOLD_DATA : fake_edit.kind;
    text_copy(edit->hold.reason, sizeof edit->hold.reason,
              slice_of_text(is_behind ? "elements behind Pixel Data" : fake_edit.reason));
    if (edit->stage == EDIT_HOLDS && edit->hold.kind == EDIT_HOLD_RULE && edit->origin.is_released)
        edit->stage = EDIT_GOES;
    if (edit->stage == EDIT_GOES && fake_edit.patient_id != NULL)
        plan_make(edit);
}

void edit_feed(struct edit *edit, struct slice piece, bool is_last)
{
    ensure(edit->stage == EDIT_READS);
    edit->fed += piece.length;
    fake_edit.bytes_looked += piece.length;
    ensure(dcm_survey_feed(edit->survey, piece) == OK);
    if (is_last)
        ensure(dcm_survey_finish(edit->survey) == OK);
    bool is_enough = edit->fed >= fake_edit.reads && dcm_survey_header_is_complete(edit->survey);
    if (!is_enough && !is_last)
        return;
    edit->stage = EDIT_ASKS;
    if (!fake_edit.asks)
        verdict(edit);
}

void fake_edit_answer(void)
{
    LIST_EACH(&alive, node)
    {
        struct edit *edit = CONTAINER_OF(node, struct edit, node);
        if (edit->stage != EDIT_ASKS)
            continue;
        verdict(edit);
        edit->on_change(edit->arg);
    }
}

enum edit_stage edit_stage(const struct edit *edit)
{
    return edit->stage;
}

const struct edit_hold *edit_hold(const struct edit *edit)
{
    ensure(edit->stage == EDIT_HOLDS);
    return &edit->hold;
}

const struct dcm_plan *edit_plan(const struct edit *edit)
{
    ensure(edit->stage == EDIT_GOES);
    return edit->plan;
}

uint64_t edit_header_length(const struct edit *edit)
{
    return edit->header;
}

enum result edit_sent_fill(struct edit *edit, const struct dcm_plan *undo, struct record_sent *sent)
{
    if (fake_edit.is_too_large)
        return ERR_LIMIT;
    if (fake_edit.fails == FAKE_NO_SENT)
        return ERR_NOMEM;
    ensure((undo == NULL) == (edit->plan == NULL));
    sent->crosswalk = 7;
    if (undo == NULL)
        return OK;
    struct evidence evidence = {.undo = dcm_plan_bytes(undo)};
    struct slice plan = dcm_plan_bytes(edit->plan);
    ensure(EVP_Digest(plan.data, plan.length, sent->edits, NULL, EVP_sha256(), NULL) == 1);
    ensure(edit->evidence == NULL);
    ensure(evidence_encode(&evidence, &edit->evidence, &edit->evidence_length) == OK);
    sent->evidence = slice_of(edit->evidence, edit->evidence_length);
    return OK;
}

void edit_hold_for_size(struct edit_hold *hold)
{
    *hold = (struct edit_hold){.kind = EDIT_HOLD_DATA, .reason = "more edits than can be recorded"};
}

size_t edit_flags(const struct edit *edit, const char **first)
{
    (void)edit;
    (void)first;
    return 0;
}
