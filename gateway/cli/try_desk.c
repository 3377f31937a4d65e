// SPDX-License-Identifier: Apache-2.0
//
// In place of gateway/crosswalk/enquiry.c: a question is looked up at once and answered when the edit waits.
#include "cli/try_desk.h"

#include <string.h>

#include "base/wipe.h"

enum result enquiry_ask(struct worker *worker, const struct enquiry_question *question,
                        enquiry_answered_fn *answered, void *arg, struct enquiry **out)
{
    struct try_desk *desk = CONTAINER_OF(worker, struct try_desk, worker);
    struct crosswalk_study study = {.study = question->study, .archive = question->archive};
    desk->answered = answered;
    desk->arg = arg;
    desk->was_asked = true;
    desk->result = desk->reader == NULL
                       ? ERR_MISSING
                       : crosswalk_map_study(desk->reader, &study, question->from, question->id, question->to,
                                             &question->person, &desk->verdict);
    if (desk->result == ERR_ARGUMENT) { // no ID, or a domain that the crosswalk does not know
        desk->verdict = (struct crosswalk_verdict){.outcome = CROSSWALK_UNMAPPED};
        desk->result = OK;
    }
    desk->verdict.is_pinned = true; // nothing leaves, so nothing is to be pinned
    *out = NULL;
    return OK;
}

// Whether the study came under another patient is in the ledger: here nobody asks, as worker.patients is
// NULL.
enum result enquiry_ask_study(struct worker *worker, const struct study_question *question,
                              study_answered_fn *answered, void *arg, struct enquiry **out)
{
    (void)worker;
    (void)question;
    (void)answered;
    (void)arg;
    (void)out;
    return ERR_NOMEM;
}

void enquiry_cancel(struct enquiry **enquiry)
{
    *enquiry = NULL;
}

enum result try_desk_init(struct try_desk *desk, const struct cli_crosswalk *crosswalk)
{
    *desk = (struct try_desk){.reader = crosswalk->reader};
    desk->gateway.platform.crosswalk = crosswalk->store.crosswalk;
    desk->worker.gateway = &desk->gateway;
    return edit_workshop_new(&desk->worker, &desk->workshop);
}

void try_desk_fini(struct try_desk *desk)
{
    edit_workshop_free(desk->workshop);
    wipe(&desk->verdict, sizeof desk->verdict);
}

static void on_change(void *arg)
{
    (void)arg;
}

enum result try_desk_run(struct try_desk *desk, struct edit_policies *policies,
                         const struct edit_policy *policy, const struct edit_origin *origin,
                         struct slice data_set, struct edit **out)
{
    struct edit *edit;
    enum result result = edit_begin(desk->workshop, policies, policy, origin, on_change, NULL, &edit);
    if (result != OK)
        return result;
    if (edit_stage(edit) == EDIT_READS)
        edit_feed(edit, data_set, true);
    while (edit_stage(edit) == EDIT_ASKS)
        desk->answered(desk->arg, desk->result, desk->result == OK ? &desk->verdict : NULL);
    *out = edit;
    return OK;
}
