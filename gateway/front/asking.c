// SPDX-License-Identifier: Apache-2.0
#include "front/asking.h"
#include "back/titles.h"
#include "base/log.h"
#include "forward/archive.h"
#include <stdlib.h>
#include <string.h>

static const struct configuration_node *primary(const struct asking *asking)
{
    return asking->negotiation.route->to[0];
}

static bool is_mirror(const struct asking *asking)
{
    return asking->negotiation.route->negotiate == CONFIGURATION_NEGOTIATE_MIRROR;
}

// ---- what the primary said ----

static size_t on_answer(void *arg, const struct ul_parameters *proposal, const struct ul_parameters *ac,
                        const struct negotiation_pair **pairs)
{
    struct asking *asking = arg;
    struct negotiation *negotiation = &asking->negotiation;
    negotiation->now = ev_wall_now(asking->worker->loop);
    negotiation_answered(negotiation, proposal, ac, &asking->answer);
    asking->is_answered = true;
    if (is_mirror(asking)) {
        negotiation->answered = &asking->answer;
        negotiation->relayed = ac;
        if (negotiation_answer(negotiation, &asking->relayed) != OK)
            asking->relayed = NULL;
        negotiation->relayed = NULL;
        return 0;
    }
    asking->pairs = calloc(NEGOTIATION_PAIRS_MAX, sizeof *asking->pairs);
    *pairs = asking->pairs;
    return asking->pairs == NULL ? 0
                                 : negotiation_lossless_unknown(negotiation, &asking->answer, asking->pairs,
                                                                NEGOTIATION_PAIRS_MAX);
}

static void learned_keep(struct asking *asking, uint32_t client)
{
    negotiation_lossless_prefer(&asking->negotiation, &asking->answer);
    if (asking->has_key)
        proposal_put(asking->worker->gateway->proposals, &asking->key, primary(asking)->id, client,
                     &asking->answer);
}

static uint32_t client_of(const struct asking *asking)
{
    const struct session_facts *facts = session_facts(asking->session);
    const char *port = strrchr(facts->address, ':'); // another one for each association
    size_t length = port != NULL ? (size_t)(port - facts->address) : strlen(facts->address);
    return proposal_client(slice_of(facts->address, length), facts->calling);
}

static void on_probed(void *arg, enum result result, const char *text)
{
    struct asking *asking = arg;
    asking->probe = NULL;
    // The next client need not wait for an archive that is not there.
    struct archive *archive = archive_by_conf(asking->worker, primary(asking));
    bool is_silent = !asking->is_answered && (result == ERR_TIMEOUT || result == ERR_IO);
    if (is_silent)
        archive_lane_failed(archive, text);
    else if (result == OK)
        archive_succeeded(archive);
    if (result != OK)
        log_event(LOG_ROUTE_PROBE_FAILED, log_number(session_facts(asking->session)->number),
                  log_text(primary(asking)->name), log_text(text));
    if (asking->is_answered && !is_mirror(asking))
        learned_keep(asking, client_of(asking));
    asking->negotiation.answered = asking->is_answered ? &asking->answer : NULL;
    asking->done(asking->session);
}

// ---- asking it ----

// The last answer however old, for when it can not be asked.
static void known_take(struct asking *asking)
{
    struct proposal_answer known;
    if (is_mirror(asking) || !asking->has_key || asking->is_answered ||
        !proposal_get(asking->worker->gateway->proposals, &asking->key, &known))
        return;
    asking->answer = known;
    asking->negotiation.answered = &asking->answer;
}

static bool is_known(struct asking *asking)
{
    const struct session_facts *facts = session_facts(asking->session);
    const struct configuration_node *conf = primary(asking);
    asking->has_key =
        proposal_key_make(conf->id, titles_called(conf, facts->called), titles_calling(conf, facts->calling),
                          asking->negotiation.request, &asking->key) == OK;
    known_take(asking);
    return asking->negotiation.answered != NULL &&
           !negotiation_is_stale(&asking->negotiation, asking->negotiation.answered);
}

static enum result ask(struct asking *asking)
{
    const struct session_facts *facts = session_facts(asking->session);
    const struct configuration_node *conf = primary(asking);
    struct probe_question question = {
        .node = archive_node(archive_by_conf(asking->worker, conf)),
        .called = titles_called(conf, facts->called),
        .calling = titles_calling(conf, facts->calling),
        .on_answer = on_answer,
        .reject = &asking->reject,
        .is_for_client = true,
        .client = client_of(asking),
    };
    enum result result =
        negotiation_proposal(&asking->negotiation, question.called, question.calling, &question.proposal);
    if (result == OK)
        result = probe_start(asking->worker, &question, on_probed, asking, &asking->probe);
    return result;
}

bool asking_begin(struct asking *asking)
{
    if (!negotiation_wants_archive(&asking->negotiation))
        return true;
    if (!is_mirror(asking)) {
        if (is_known(asking) || archive_is_broken(archive_by_conf(asking->worker, primary(asking))))
            return true;
    }
    return ask(asking) != OK;
}

void asking_fini(struct asking *asking)
{
    probe_cancel(&asking->probe);
    free(asking->pairs);
    asking->pairs = NULL;
    ul_parameters_free(asking->relayed);
    asking->relayed = NULL;
}

enum result asking_answer(struct asking *asking, struct ul_parameters **ac, struct ul_reject *reject)
{
    bool wants_mirror = negotiation_wants_archive(&asking->negotiation) && is_mirror(asking);
    if (!wants_mirror)
        return negotiation_answer(&asking->negotiation, ac);
    if (asking->relayed != NULL) {
        *ac = asking->relayed;
        asking->relayed = NULL;
        return OK;
    }
    if (asking->is_answered)
        return ERR_NOMEM;
    *reject = negotiation_reject(asking->reject.result != 0 ? &asking->reject : NULL);
    return ERR_REFUSED;
}
