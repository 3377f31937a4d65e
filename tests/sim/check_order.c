// SPDX-License-Identifier: Apache-2.0
//
// FIELD 5 at the end of a history, from what clients sent, archives stored and the ledger says: every receipt
// was delivered, is a duplicate of what was, or is superseded by a newer one that was; nobody got an older
// one after a newer one had been accepted; and the last that an archive got of an instance is the newest.
#include "check.h"

static const char *uid_of(const struct history *history, uint32_t content)
{
    return history->instances[history->attempts[content].instance].uid;
}

static uint32_t uid_index(const struct history *history, uint32_t content)
{
    return history_uid_of(history, history->attempts[content].instance);
}

// ---- states ----

static bool has_newer_delivered(const struct checker *checker, const struct fact *fact, unsigned archive)
{
    const struct history *history = checker->history;
    for (size_t i = 0; i < checker->count; i++) {
        const struct fact *other = &checker->facts[i];
        if (other->content != NO_FACT && other->order > fact->order &&
            uid_index(history, other->content) == uid_index(history, fact->content) &&
            other->at[archive].state == DELIVERY_SETTLED)
            return true;
    }
    return false;
}

static void state_check(const struct checker *checker, const struct fact *fact, unsigned archive)
{
    struct history *history = checker->history;
    const struct fact_at *at = &fact->at[archive];
    bool may_be_lost = history->ledger_losses > 0; // the newer one
    if (at->state == DELIVERY_SUPERSEDED && !may_be_lost && !has_newer_delivered(checker, fact, archive))
        history_fail(history, "order %llx is superseded at archive %u, and nothing newer was accepted there",
                     (unsigned long long)fact->order, archive);
    if (at->state == DELIVERY_SETTLED && check_copies_of(history, fact->content, archive) == 0)
        history_fail(history, "order %llx of %s is settled at archive %u, which does not have it",
                     (unsigned long long)fact->order, uid_of(history, fact->content), archive);
}

// ---- contents ----

struct span {
    uint64_t first, last; // orders of the receipts with one content
    bool is_known;        // all of them: what only a lost ledger knew may have come at any time
};

static struct span span_of(const struct checker *checker, uint32_t content)
{
    struct span span = {UINT64_MAX, 0, true};
    unsigned count = 0;
    for (size_t i = 0; i < checker->count; i++) {
        const struct fact *fact = &checker->facts[i];
        if (fact->content != content)
            continue;
        span.first = fact->order < span.first ? fact->order : span.first;
        span.last = fact->order > span.last ? fact->order : span.last;
        count++;
    }
    if (checker->history->ledger_losses > 0)
        span.is_known = count == history_attempts_of(checker->history, content);
    return span;
}

static void late_check(const struct checker *checker, const struct copy *newer, const struct copy *older)
{
    struct history *history = checker->history;
    if (newer->archive != older->archive || newer->attempt == older->attempt || !newer->is_confirmed ||
        older->after <= newer->answered ||
        uid_index(history, newer->attempt) != uid_index(history, older->attempt))
        return;
    struct span before = span_of(checker, older->attempt);
    struct span after = span_of(checker, newer->attempt);
    if (before.is_known && after.is_known && before.last < after.first &&
        !check_is_excused_by_crash(history, newer, older))
        history_fail(history,
                     "archive %u got an older receipt of %s (%.3f s) after it had accepted a newer one",
                     newer->archive, uid_of(history, newer->attempt), (double)older->at / 1e9);
}

// What an association that has ended still carried may come after; and what was taken back from the queue
// while it was on its way.
static bool is_stale(const struct checker *checker, const struct copy *copy, const struct copy *newest)
{
    for (size_t i = 0; i < checker->count; i++)
        if (checker->facts[i].content == copy->attempt &&
            checker->facts[i].at[copy->archive].state == DELIVERY_DROPPED)
            return true;
    return !copy->is_confirmed && copy->after <= newest->at;
}

static void last_check(const struct checker *checker, const struct fact *newest, unsigned archive)
{
    struct history *history = checker->history;
    const struct copy *wanted = NULL;
    for (size_t i = 0; i < history->copy_count; i++)
        if (history->copies[i].archive == archive && history->copies[i].attempt == newest->content)
            wanted = &history->copies[i];
    for (size_t i = 0; wanted != NULL && i < history->copy_count; i++) {
        const struct copy *copy = &history->copies[i];
        if (copy->archive == archive && copy->at > wanted->at && !is_stale(checker, copy, wanted) &&
            copy->attempt != newest->content && span_of(checker, copy->attempt).is_known &&
            uid_index(history, copy->attempt) == uid_index(history, newest->content))
            history_fail(history, "the last that archive %u got of %s is not the newest", archive,
                         uid_of(history, newest->content));
    }
}

// Of those that the archive has: one whose client was told a failure is owed to nobody.
static bool is_newest(const struct checker *checker, const struct fact *fact, unsigned archive)
{
    if (fact->at[archive].state != DELIVERY_SETTLED)
        return false;
    for (size_t i = 0; i < checker->count; i++) {
        const struct fact *other = &checker->facts[i];
        if (other->content != NO_FACT && other->order > fact->order &&
            other->at[archive].state == DELIVERY_SETTLED &&
            uid_index(checker->history, other->content) == uid_index(checker->history, fact->content))
            return false;
    }
    return true;
}

void check_order(const struct checker *checker)
{
    struct history *history = checker->history;
    for (size_t i = 0; i < checker->count; i++) {
        const struct fact *fact = &checker->facts[i];
        if (fact->content == NO_FACT)
            continue;
        for (unsigned archive = 0; archive < history->plan.archives; archive++) {
            state_check(checker, fact, archive);
            if (is_newest(checker, fact, archive))
                last_check(checker, fact, archive);
        }
    }
    for (size_t i = 0; i < history->copy_count; i++)
        for (size_t k = 0; k < history->copy_count; k++)
            late_check(checker, &history->copies[i], &history->copies[k]);
}
