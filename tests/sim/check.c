// SPDX-License-Identifier: Apache-2.0
//
// What must hold at the end of a history, when all is healed and quiet: what clients, archives and the ledger
// say of the same instances must agree.
#include <stdlib.h>

#include "base/check.h"
#include "base/units.h"
#include "check.h"
#include "daemon/scrub.h"
#include "dimse/status.h"
#include "hospital.h"
#include "machine.h"
#include "store/control.h"
#include "store/ledger_reader.h"

// After this an answer that the gateway has seen is durable as OUTCOME, if the disk does what it should.
#define OUTCOME_TIME (3 * NSEC_PER_SEC)

static uint32_t content_of(const struct history *history, const struct ledger_fact *fact)
{
    for (size_t i = 0; i < history->attempt_count && fact->sop_instance != NULL; i++) {
        const struct attempt *attempt = &history->attempts[i];
        if (attempt->length == fact->length &&
            strcmp(history->instances[attempt->instance].uid, fact->sop_instance) == 0)
            return attempt->content;
    }
    return NO_FACT;
}

static bool may_miss_sent(const struct history *history)
{
    bool may = history->ledger_losses > 0;
    for (size_t i = 0; i < history->end_count; i++)
        may |= history->ends[i].has_lost_sent;
    return may;
}

static bool is_yes(const struct attempt *attempt)
{
    return attempt->is_answered && (attempt->status == DIMSE_SUCCESS || attempt->status == DIMSE_COERCION);
}

unsigned check_copies_of(const struct history *history, uint32_t content, unsigned archive)
{
    unsigned count = 0;
    for (size_t i = 0; i < history->copy_count; i++)
        count += history->copies[i].attempt == content && history->copies[i].archive == archive;
    return count;
}

// What the client was told to have failed is owed to nobody; who has it nevertheless is a finding.
static void refused_check(struct history *history, const struct ledger_fact *fact, uint32_t attempt,
                          const struct fact_delivery *delivery, unsigned archive)
{
    const char *remark = delivery->remark != NULL ? delivery->remark : "";
    bool has_copy = check_copies_of(history, attempt, archive) > 0;
    bool is_said = strstr(remark, "finding") != NULL || strstr(remark, "may have it") != NULL;
    bool has_ended = history->trouble > 0; // what says so may be lost with the machine
    for (size_t i = 0; i < history->end_count; i++)
        has_ended |= history->ends[i].at >= history->attempts[attempt].begun;
    if (has_copy && !is_said && !has_ended)
        history_fail(history,
                     "archive %u has receipt %llx, refused to the client, and the ledger says \"%s\"",
                     archive, (unsigned long long)fact->receipt, remark);
}

static unsigned acknowledged_of(const struct history *history, uint32_t content)
{
    unsigned count = 0;
    for (size_t i = 0; i < history->attempt_count; i++)
        count += history->attempts[i].content == content && is_yes(&history->attempts[i]);
    return count;
}

// A client was told that these bytes failed: then nobody need have them.
static bool was_refused(const struct history *history, uint32_t content)
{
    for (size_t i = 0; content != NO_FACT && i < history->attempt_count; i++)
        if (history->attempts[i].content == content && history->attempts[i].is_answered &&
            !is_yes(&history->attempts[i]))
            return true;
    return false;
}

static void deliveries_check(struct history *history, const struct ledger_fact *fact, uint32_t content,
                             const char *text)
{
    bool is_refused = was_refused(history, content);
    bool is_single = content != NO_FACT && history_attempts_of(history, content) == 1;
    // The failure may have been said and not been heard: such an instance is sent again, or given up.
    bool may_be_refused =
        is_refused || (content != NO_FACT && history->plan.acknowledge != CONFIGURATION_ACKNOWLEDGE_DURABLE &&
                       acknowledged_of(history, content) < history_attempts_of(history, content));
    for (unsigned archive = 0; archive < history->plan.archives; archive++) {
        const struct fact_delivery *delivery = fact_delivery_find(fact, archive + 1);
        if (delivery == NULL || !delivery->owed)
            history_fail(history, "receipt %s is not owed to archive %u", text, archive);
        else if (is_refused && is_single)
            refused_check(history, fact, content, delivery, archive);
        else if (may_be_refused && delivery->state == DELIVERY_DROPPED)
            continue;
        else if (delivery->state == DELIVERY_REJECTED && hospital_has_rejected(history->hospital, archive))
            continue;
        else if (delivery->state != DELIVERY_SETTLED && delivery->state != DELIVERY_SUPERSEDED)
            history_fail(history, "receipt %s is %s at archive %u", text,
                         delivery_state_text(delivery->state), archive);
        else if (delivery->state == DELIVERY_SETTLED && delivery->settled_by != RECORD_BY_DUPLICATE &&
                 delivery->attempts == 0 && !may_miss_sent(history))
            history_fail(history, "receipt %s is settled at archive %u and was never sent", text, archive);
    }
}

static enum result on_fact(void *argument, const struct ledger_fact *from)
{
    struct checker *checker = argument;
    struct history *history = checker->history;
    char text[24];
    if (checker->count == checker->capacity) {
        checker->capacity = 64 + 2 * checker->capacity;
        checker->facts = realloc(checker->facts, checker->capacity * sizeof *checker->facts);
        ensure(checker->facts != NULL);
    }
    struct fact *fact = &checker->facts[checker->count];
    *fact = (struct fact){
        .receipt = from->receipt, .order = from->order, .state = from->state, .content = NO_FACT};
    ledger_receipt_text(from->receipt, text, sizeof text);
    // A ledger made anew finds reports whose receipts have gone.
    bool is_remnant = from->state == FACT_ORPHAN && history->ledger_losses > 0;
    if (from->state != FACT_SETTLED && from->state != FACT_DROPPED && !is_remnant)
        history_fail(history, "receipt %s is %s at the end", text, fact_state_text(from->state));
    if (from->damaged > 0)
        history_fail(history, "receipt %s: %u damaged records", text, from->damaged);
    if (from->state == FACT_SETTLED) {
        fact->content = content_of(history, from);
        deliveries_check(history, from, fact->content, text);
        if (fact->content == NO_FACT)
            history_fail(history, "receipt %s (%s, %llu bytes) is nothing that was sent", text,
                         from->sop_instance, (unsigned long long)from->length);
        for (unsigned i = 0; i < history->plan.archives; i++) {
            const struct fact_delivery *delivery = fact_delivery_find(from, i + 1);
            if (delivery != NULL)
                fact->at[i] = (struct fact_at){delivery->state, delivery->settled_by, delivery->resent};
        }
    }
    checker->count++;
    return OK;
}

// ---- acknowledged, stored, known ----

// Whether the archive said yes to these bytes, or with `is_seen` false to any of the same UID, before the
// client was answered; `is_seen`: and the gateway went on after it.
static bool has_said_yes(const struct history *history, const struct attempt *attempt, unsigned archive,
                         bool is_seen)
{
    for (size_t i = 0; i < history->copy_count; i++) {
        const struct copy *copy = &history->copies[i];
        const struct attempt *of = &history->attempts[copy->attempt];
        bool is_meant =
            is_seen ? copy->attempt == attempt->content
                    : history_uid_of(history, of->instance) == history_uid_of(history, attempt->instance);
        if (is_meant && copy->archive == archive && copy->answered != 0 &&
            copy->answered <= attempt->answered && (copy->is_confirmed || !is_seen))
            return true;
    }
    return false;
}

// A client that is told Success under `primary` and `all` <=> its archives said so, in time. (FIELD 5: to
// these bytes, or to newer ones of the instance.)
static void acknowledgement_check(struct history *history, const struct attempt *attempt)
{
    enum configuration_acknowledge mode = history->plan.acknowledge;
    if (!attempt->is_answered || mode == CONFIGURATION_ACKNOWLEDGE_DURABLE)
        return;
    unsigned awaited = mode == CONFIGURATION_ACKNOWLEDGE_ALL ? history->plan.archives : 1;
    unsigned seen = 0;
    for (unsigned archive = 0; archive < awaited; archive++) {
        if (is_yes(attempt) && !has_said_yes(history, attempt, archive, false))
            history_fail(history, "instance %u, attempt %u was acknowledged before archive %u said so",
                         attempt->instance, attempt->number, archive);
        seen += has_said_yes(history, attempt, archive, true);
    }
    // An answer that was written a moment before may not have arrived.
    bool is_close = history->plan.path.rate != 0 || history->plan.path.read_max != 0 ||
                    history_attempts_of(history, attempt->content) > 1;
    if (!is_yes(attempt) && attempt->status != DIMSE_OUT_OF_RESOURCES && seen == awaited && !is_close)
        history_fail(history, "instance %u, attempt %u got %04X although every archive said yes",
                     attempt->instance, attempt->number, attempt->status);
    bool is_late = attempt->whole != 0 &&
                   attempt->answered > attempt->whole + HISTORY_ACKNOWLEDGE_WITHIN + 20 * NSEC_PER_SEC;
    if (is_late && !attempt->was_cut_off && attempt->whole > history->trouble)
        history_fail(history, "instance %u, attempt %u: its client waited for %.1f s", attempt->instance,
                     attempt->number, (double)(attempt->answered - attempt->whole) / 1e9);
}

static unsigned receipts_of(const struct checker *checker, uint32_t content)
{
    unsigned count = 0;
    for (size_t i = 0; i < checker->count; i++)
        count += checker->facts[i].content == content;
    return count;
}

// Where a ledger that was lost knew the receipt alone: every archive got it, or another one of the instance.
static bool is_everywhere(const struct history *history, uint32_t content)
{
    uint32_t uid = history_uid_of(history, history->attempts[content].instance);
    for (unsigned archive = 0; archive < history->plan.archives; archive++) {
        bool has = false;
        for (size_t i = 0; i < history->copy_count && !has; i++)
            has = history->copies[i].archive == archive &&
                  history_uid_of(history, history->attempts[history->copies[i].attempt].instance) == uid;
        if (!has && !hospital_has_rejected(history->hospital, archive))
            return false;
    }
    return true;
}

static void contents_check(struct checker *checker)
{
    struct history *history = checker->history;
    for (uint32_t i = 0; i < history->attempt_count; i++) {
        const struct attempt *attempt = &history->attempts[i];
        acknowledgement_check(history, attempt);
        if (attempt->content != i)
            continue;
        unsigned receipts = receipts_of(checker, i);
        bool is_remnant = history->ledger_losses > 0 && is_everywhere(history, i);
        if (acknowledged_of(history, i) > receipts && !is_remnant)
            history_fail(history,
                         "instance %u, attempt %u was acknowledged and the ledger has no receipt of it",
                         attempt->instance, attempt->number);
        if (receipts > history_attempts_of(history, i))
            history_fail(history, "instance %u, attempt %u: two receipts of one request", attempt->instance,
                         attempt->number);
        for (unsigned archive = 0; archive < history->plan.archives; archive++)
            if (receipts == 0 && history->ledger_losses == 0 && check_copies_of(history, i, archive) > 0)
                history_fail(history,
                             "archive %u has instance %u, attempt %u, of which the ledger has no receipt",
                             archive, attempt->instance, attempt->number);
    }
}

// The request that brought a receipt, if only one can have.
static const struct attempt *request_of(const struct history *history, const struct fact *fact)
{
    if (fact->content == NO_FACT || history_attempts_of(history, fact->content) > 1)
        return NULL;
    return &history->attempts[fact->content];
}

// `order` is used once, and what was acknowledged before another request began comes before it (FIELD 5).
static void order_check(struct checker *checker)
{
    struct history *history = checker->history;
    for (size_t i = 0; i < checker->count; i++) {
        const struct fact *a = &checker->facts[i];
        for (size_t k = 0; k < checker->count; k++) {
            const struct fact *b = &checker->facts[k];
            if (i == k || a->content == NO_FACT || b->content == NO_FACT)
                continue;
            const struct attempt *first = request_of(history, a);
            const struct attempt *second = request_of(history, b);
            if (a->order == b->order)
                history_fail(history, "order %llu was used twice", (unsigned long long)a->order);
            if (first != NULL && second != NULL && is_yes(first) && first->answered < second->begun &&
                a->order >= b->order)
                history_fail(history, "order %llx was acknowledged before the request of %llx began",
                             (unsigned long long)a->order, (unsigned long long)b->order);
        }
    }
}

static void totals_check(struct checker *checker, struct kv_env *ledger)
{
    struct history *history = checker->history;
    struct ledger_stats stats;
    uint64_t settled = 0;
    for (size_t i = 0; i < checker->count; i++)
        settled += checker->facts[i].state == FACT_SETTLED;
    ensure(ledger_stats_get(ledger, &stats) == OK);
    if (stats.totals.open != 0 || (stats.totals.orphans != 0 && history->ledger_losses == 0))
        history_fail(history, "the ledger counts %llu open receipts and %llu orphans",
                     (unsigned long long)stats.totals.open, (unsigned long long)stats.totals.orphans);
    if (stats.totals.settled != settled)
        history_fail(history, "the ledger counts %llu settled receipts and has %llu",
                     (unsigned long long)stats.totals.settled, (unsigned long long)settled);
    ledger_stats_fini(&stats);
}

// A segment that is not being written any more; segment 0: there is none.
static struct journal_segment_info complete_segment(const struct gateway *gateway)
{
    struct journal_segment_info info[64];
    uint16_t streams[16];
    size_t count = journal_streams_get(gateway->journal, streams, sizeof streams / sizeof streams[0]);
    for (size_t s = 0; s < count && s < sizeof streams / sizeof streams[0]; s++) {
        size_t segments =
            journal_segments_get(gateway->journal, streams[s], 0, info, sizeof info / sizeof info[0]);
        for (size_t i = 0; i < segments; i++)
            if (info[i].state == JOURNAL_SEGMENT_CLOSED || info[i].state == JOURNAL_SEGMENT_DEAD)
                return info[i];
    }
    return (struct journal_segment_info){0};
}

bool check_is_reclaimed(struct history *history)
{
    return complete_segment(machine_gateway(history->machine)).segment == 0;
}

// Nothing is owed: every segment that is not being written any more has gone.
static void segments_check(struct history *history, struct gateway *gateway)
{
    struct journal_segment_info info = complete_segment(gateway);
    if (info.segment != 0)
        history_fail(history, "segment %04x-%08x is %s and was not reclaimed", info.stream, info.segment,
                     info.state == JOURNAL_SEGMENT_DEAD ? "dead" : "closed");
}

// ---- extra deliveries ----

bool check_is_excused_by_crash(const struct history *history, const struct copy *copy,
                               const struct copy *again)
{
    for (size_t i = 0; i < history->end_count; i++) {
        const struct life_end *end = &history->ends[i];
        if (end->at < copy->at || end->at > again->at)
            continue;
        if (end->has_lost_ledger)
            return true;
        // The answer was on its way into the journal when the machine ended. It may have been long on its way
        // to the gateway.
        if (end->at < copy->confirmed + OUTCOME_TIME || copy->at < history->trouble)
            return true;
    }
    return false;
}

// What was sent after an answer that the gateway has seen. Other extra copies follow one that was never
// answered.
static void again_check(struct history *history, const struct copy *copy, const struct copy *again)
{
    if (history_attempts_of(history, copy->attempt) > 1)
        return; // maybe another receipt's
    if (copy->is_confirmed && again->after > copy->answered &&
        !check_is_excused_by_crash(history, copy, again))
        history_fail(history,
                     "archive %u got instance %u again although its answer of %.3f s was seen (%.3f s)",
                     again->archive, history->attempts[again->attempt].instance, (double)copy->answered / 1e9,
                     (double)again->at / 1e9);
}

unsigned check_extra_deliveries(struct history *history)
{
    unsigned extra = 0;
    for (size_t i = 0; i < history->copy_count; i++) {
        bool is_first = true;
        for (size_t k = 0; k < history->copy_count; k++) {
            const struct copy *copy = &history->copies[k];
            const struct copy *again = &history->copies[i];
            if (i == k || copy->attempt != again->attempt || copy->archive != again->archive)
                continue;
            is_first &= k > i;
            again_check(history, copy, again);
        }
        extra += !is_first;
    }
    return extra;
}

// A second copy is marked `resent`.
static void resent_check(struct checker *checker)
{
    struct history *history = checker->history;
    for (size_t i = 0; i < checker->count && !may_miss_sent(history); i++) {
        const struct fact *fact = &checker->facts[i];
        for (unsigned archive = 0; request_of(history, fact) != NULL && archive < history->plan.archives;
             archive++)
            if (!fact->at[archive].is_resent && check_copies_of(history, fact->content, archive) > 1)
                history_fail(history,
                             "archive %u has two copies of instance %u and the ledger does not say resent",
                             archive, history->attempts[fact->content].instance);
    }
}

struct damages {
    uint64_t of_receipts, of_nobody;
};

static enum result damage_take(void *argument, const struct control_damage *damage)
{
    struct damages *damages = argument;
    damages->of_receipts += damage->receipt != 0;
    damages->of_nobody += damage->receipt == 0;
    return OK;
}

// A place that can not be read again and again is said to be damaged, and no receipt is blamed.
static bool has_read_faults(const struct history *history)
{
    bool has = false;
    for (size_t i = 0; i < history->plan.event_count; i++)
        has |= history->plan.events[i].kind == EVENT_DISK_FAULT &&
               history->plan.events[i].disk_fault == FS_SIM_FAULT_READ;
    return has;
}

// No plan damages what was durable: whatever the scrub met on its way, it must not cry wolf.
static void damage_check(struct history *history, struct gateway *gateway)
{
    struct scrub_figures figures = {0};
    struct damages damages = {0};
    ensure(control_damage_each(gateway->platform.control, damage_take, &damages) == OK);
    uint64_t stored = damages.of_receipts + (has_read_faults(history) ? 0 : damages.of_nobody);
    if (stored > 0)
        history_fail(history, "%llu records are in quarantine and nothing has damaged any",
                     (unsigned long long)stored);
    for (unsigned i = 0; i < gateway->platform.workers; i++)
        scrub_figures_add(gateway->scrubs[i], &figures);
    history->scrubbed += figures.records;
}

void check_end(struct history *history)
{
    struct gateway *gateway = machine_gateway(history->machine);
    struct checker checker = {.history = history};
    uint64_t damaged = 0;
    ensure(gateway != NULL);
    ensure(ledger_each(gateway->platform.ledger, on_fact, &checker, &damaged) == OK);
    if (damaged > 0)
        history_fail(history, "%llu facts of the ledger can not be read", (unsigned long long)damaged);
    contents_check(&checker);
    check_order(&checker);
    check_edits(history);
    order_check(&checker);
    totals_check(&checker, gateway->platform.ledger);
    segments_check(history, gateway);
    damage_check(history, gateway);
    resent_check(&checker);
    free(checker.facts);
}
