// SPDX-License-Identifier: Apache-2.0
#include "front/intake_cut.h"
#include "forward/cut.h"
#include "front/intake_close.h"
#include "front/session.h"

// Below that nothing is gained.
enum { CUT_PIECES_LEAST = 2 };

// ENGINE 5: no byte of the data set before the verdict. What can refuse the instance by its header is looked
// at here as it is at its end.
static bool may_cut(const struct intake *intake)
{
    const struct session_facts *facts = session_facts(intake->session);
    return facts->route != NULL && intake->references == NULL &&
           facts->route->acknowledge == CONFIGURATION_ACKNOWLEDGE_DURABLE &&
           intake_verdict_stage(intake->verdict) == INTAKE_VERDICT_TAKEN &&
           dcm_scanner_failure(intake->scanner) == NULL && dcm_scanner_header_is_complete(intake->scanner) &&
           ((facts->quirks & CONFIGURATION_QUIRK_UID_MISMATCH) || intake_uids_fault(intake) == NULL);
}

void intake_cut_look(struct intake *intake)
{
    uint64_t now = ev_now(intake->worker->loop);
    if (now - intake->last_piece > intake->longest_gap)
        intake->longest_gap = now - intake->last_piece;
    intake->last_piece = now;
    if (intake->has_cut || intake->stage != INTAKE_RECEIVING || intake->session == NULL ||
        intake->content->piece_count < CUT_PIECES_LEAST || !may_cut(intake))
        return;
    const struct session_facts *facts = session_facts(intake->session);
    const struct configuration_node *owed[RECORD_ARCHIVES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < facts->route->to_count && count < RECORD_ARCHIVES_MAX; i++)
        if (facts->route->to[i]->id != facts->source_node)
            owed[count++] = facts->route->to[i];
    struct cut_progress progress = {.content = intake->content,
                                    .received = intake->length,
                                    .expected = dcm_scanner_expected(intake->scanner),
                                    .elapsed = now - intake->begun,
                                    .gap = intake->longest_gap};
    intake->has_cut = cut_consider(intake->worker, &progress, owed, count);
}
