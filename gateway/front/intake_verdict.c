// SPDX-License-Identifier: Apache-2.0
#include "front/intake_verdict.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "dcm/syntax.h"
#include <stdlib.h>

#define INTAKE_VERDICT_MAGIC 0x494e5631u

struct intake_verdict {
    uint32_t magic;
    struct edit_policies *policies;
    struct record_open open; // slices lie in `body`
    struct edit_origin origin;
    uint8_t *body;
    size_t body_length;
    size_t count;
    struct edit *edits[]; // in the order of the route
};

// The policies of archives that may refuse an instance of this client. `policies`: room for as many as the
// route has archives.
static size_t refusers_find(const struct intake_verdict_question *question,
                            const struct edit_policy **policies)
{
    const struct configuration_route *route = question->route;
    size_t count = 0;
    if (question->policies == NULL || route == NULL)
        return 0;
    for (size_t i = 0; i < route->to_count && i < RECORD_ARCHIVES_MAX; i++) {
        const struct edit_policy *policy = edit_policies_find(question->policies, route->to[i]->id);
        if (policy != NULL && route->to[i]->id != question->source_node && edit_policy_may_reject(policy))
            policies[count++] = policy;
    }
    return count;
}

// The session and its texts may go before the verdict comes.
static enum result open_copy(struct intake_verdict *verdict, const struct record_open *open)
{
    uint8_t body[16 * 1024];
    enum result result = record_open_encode(open, body, sizeof body, &verdict->body_length);
    if (result != OK)
        return result;
    verdict->body = malloc(verdict->body_length);
    if (verdict->body == NULL) {
        verdict->body_length = 0;
        result = ERR_NOMEM;
    } else {
        memcpy(verdict->body, body, verdict->body_length);
        result = record_open_decode(slice_of(verdict->body, verdict->body_length), &verdict->open);
    }
    wipe(body, sizeof body);
    return result;
}

enum result intake_verdict_begin(const struct intake_verdict_question *question, void (*on_change)(void *arg),
                                 void *arg, struct intake_verdict **out)
{
    const struct edit_policy *policies[RECORD_ARCHIVES_MAX];
    size_t count = refusers_find(question, policies);
    *out = NULL;
    if (count == 0)
        return OK;
    struct intake_verdict *verdict = calloc(1, sizeof *verdict + count * sizeof(struct edit *));
    if (verdict == NULL)
        return ERR_NOMEM;
    MAGIC_INIT(verdict, INTAKE_VERDICT_MAGIC);
    verdict->policies = edit_policies_ref(question->policies);
    enum result result = open_copy(verdict, question->open);
    verdict->origin = (struct edit_origin){
        .open = &verdict->open,
        .flags = dcm_syntax_by_uid(question->open->transfer_syntax).deflated ? RECORD_CLOSE_DEFLATED : 0,
        .may_reject = true,
    };
    for (size_t i = 0; result == OK && i < count; i++) {
        result = edit_begin(question->workshop, verdict->policies, policies[i], &verdict->origin, on_change,
                            arg, &verdict->edits[i]);
        verdict->count += result == OK;
    }
    if (result == OK)
        *out = verdict;
    else
        intake_verdict_free(&verdict);
    return result;
}

void intake_verdict_free(struct intake_verdict **owned)
{
    struct intake_verdict *verdict = *owned;
    if (verdict == NULL)
        return;
    MAGIC_CHECK(verdict, INTAKE_VERDICT_MAGIC);
    *owned = NULL;
    for (size_t i = 0; i < verdict->count; i++)
        edit_free(&verdict->edits[i]);
    edit_policies_unref(&verdict->policies);
    if (verdict->body != NULL)
        wipe(verdict->body, verdict->body_length); // user identities may be in it
    free(verdict->body);
    MAGIC_CLEAR(verdict);
    free(verdict);
}

void intake_verdict_feed(struct intake_verdict *verdict, struct slice piece, bool is_last)
{
    if (verdict == NULL)
        return;
    MAGIC_CHECK(verdict, INTAKE_VERDICT_MAGIC);
    for (size_t i = 0; i < verdict->count; i++)
        if (edit_stage(verdict->edits[i]) == EDIT_READS)
            edit_feed(verdict->edits[i], piece, is_last);
}

// What would be held does not stop the instance: the hold comes when it is to be sent.
enum intake_verdict_stage intake_verdict_stage(const struct intake_verdict *verdict)
{
    bool is_open = false;
    for (size_t i = 0; verdict != NULL && i < verdict->count; i++) {
        enum edit_stage stage = edit_stage(verdict->edits[i]);
        if (stage == EDIT_REFUSES)
            return INTAKE_VERDICT_REFUSED;
        is_open |= stage == EDIT_READS || stage == EDIT_ASKS;
    }
    return is_open ? INTAKE_VERDICT_OPEN : INTAKE_VERDICT_TAKEN;
}

const char *intake_verdict_reason(const struct intake_verdict *verdict)
{
    MAGIC_CHECK(verdict, INTAKE_VERDICT_MAGIC);
    for (size_t i = 0; i < verdict->count; i++)
        if (edit_stage(verdict->edits[i]) == EDIT_REFUSES)
            return edit_hold(verdict->edits[i])->reason;
    return "";
}
