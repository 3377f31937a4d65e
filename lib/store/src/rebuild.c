// SPDX-License-Identifier: Apache-2.0
#include "store/rebuild.h"
#include "ledger_internal.h"

struct rebuild {
    struct ledger_writer *writer;
    struct kv_env *former;
    struct ledger_rebuild_counts *counts;
};

// How much a fact says, from nothing to the end.
static unsigned rank_of(enum fact_state state)
{
    switch (state) {
    case FACT_ORPHAN:
        return 1;
    case FACT_RECEIVED:
        return 2;
    case FACT_DROPPED:
        return 3;
    case FACT_DURABLE:
        return 4;
    case FACT_SETTLED:
        return 5;
    }
    return 0;
}

// In the order of what they weigh. A rejection note comes after what had settled.
struct progress {
    uint64_t settled;
    uint64_t rejected;
    uint64_t answered;
    uint64_t attempts;
    uint64_t reasons; // bytes: a copy has the first one only, cut
};

static struct progress progress_of(const struct ledger_fact *fact)
{
    struct progress progress = {0};
    for (size_t i = 0; i < fact->delivery_count; i++) {
        const struct fact_delivery *delivery = &fact->deliveries[i];
        progress.settled += delivery_state_settles(delivery->state);
        progress.rejected += delivery->state == DELIVERY_REJECTED;
        progress.answered += delivery->state == DELIVERY_ANSWERED || delivery->state == DELIVERY_PARKED ||
                             delivery->state == DELIVERY_HELD || delivery->is_released;
        progress.attempts += delivery->attempts;
        for (size_t r = 0; r < RECORD_REASONS_MAX && delivery->flag_reason[r] != NULL; r++)
            progress.reasons += strlen(delivery->flag_reason[r]);
    }
    return progress;
}

static int progress_compare(const struct progress *a, const struct progress *b)
{
    if (a->settled != b->settled)
        return a->settled < b->settled ? -1 : 1;
    if (a->rejected != b->rejected)
        return a->rejected < b->rejected ? -1 : 1;
    if (a->answered != b->answered)
        return a->answered < b->answered ? -1 : 1;
    if (a->attempts != b->attempts)
        return a->attempts < b->attempts ? -1 : 1;
    return a->reasons < b->reasons ? -1 : a->reasons > b->reasons;
}

// Of two of one rank the one that is farther on: reports may have stood in segments that have gone, which go
// in any order. Of two settled ones that are level the former, which has read all reports itself.
static bool is_better(const struct ledger_fact *former, const struct ledger_fact *replayed)
{
    unsigned old = rank_of(former->state), fresh = rank_of(replayed->state);
    if (old != fresh)
        return old > fresh;
    if (former->state != FACT_DURABLE && former->state != FACT_SETTLED)
        return false;
    struct progress known = progress_of(former), told = progress_of(replayed);
    return progress_compare(&known, &told) >= (former->state == FACT_SETTLED ? 0 : 1);
}

static enum result touch(struct ledger_writer *writer, uint64_t receipt, struct ledger_touched **touched)
{
    enum result result = ledger_touch(writer, receipt, touched);
    if (result != AGAIN)
        return result;
    result = ledger_commit(writer); // the batch was full
    return result == OK ? ledger_touch(writer, receipt, touched) : result;
}

// Places come from the journal where it knows the receipt: a copy may stand elsewhere.
static enum result former_take(struct rebuild *rebuild, struct ledger_touched *touched)
{
    struct ledger_fact fact;
    struct ledger_fact *replayed = &touched->fact;
    fact_init(&fact);
    enum result result = ledger_find_receipt(rebuild->former, replayed->receipt, &fact);
    if (result != OK) {
        fact_fini(&fact);
        return result;
    }
    if (fact.state == FACT_DURABLE && replayed->state == FACT_DURABLE) {
        fact.open = replayed->open;
        fact.close = replayed->close;
    }
    fact_fini(replayed);
    *replayed = fact;
    touched->dirty = true;
    rebuild->counts->kept++;
    return OK;
}

static enum result on_former(void *argument, const struct ledger_fact *former)
{
    struct rebuild *rebuild = argument;
    struct ledger_touched *touched;
    enum result result = touch(rebuild->writer, former->receipt, &touched);
    if (result != OK || !is_better(former, &touched->fact))
        return result;
    return former_take(rebuild, touched);
}

// Numbers are never used twice, whatever has become of the segments in which they were.
static enum result numbers_take(struct ledger_writer *writer, const struct ledger_writer *former)
{
    for (size_t i = 0; i < former->stream_count; i++) {
        const struct ledger_stream *from = &former->streams[i];
        struct ledger_stream *to;
        enum result result = ledger_stream_get(writer, from->number, &to);
        if (result != OK)
            return result;
        if (from->receipt_high > to->receipt_high)
            to->receipt_high = from->receipt_high;
        if (from->receipt_limit > to->receipt_limit)
            to->receipt_limit = from->receipt_limit;
        if (from->segment_high > to->segment_high)
            to->segment_high = from->segment_high;
        if (journal_position_compare(from->committed, to->applied) > 0)
            to->applied = from->committed;
    }
    if (former->marks.order_high > writer->marks.order_high)
        writer->marks.order_high = former->marks.order_high;
    if (former->marks.life_high > writer->marks.life_high)
        writer->marks.life_high = former->marks.life_high;
    writer->marks_moved = true;
    return OK;
}

enum result ledger_rebuild_keep(struct ledger_writer *writer, struct kv_env *env,
                                struct ledger_rebuild_counts *counts)
{
    struct rebuild rebuild = {.writer = writer, .former = env, .counts = counts};
    struct ledger_writer *former;
    enum result result = ledger_writer_new(env, NULL, NULL, NULL, &former);
    if (result == OK) {
        result = numbers_take(writer, former);
        ledger_writer_free(&former);
    }
    if (result == OK)
        result = ledger_each(env, on_former, &rebuild, &counts->damaged);
    if (result == OK)
        result = ledger_evidence_keep(writer, env, &counts->damaged);
    if (result == OK)
        result = ledger_patient_keep(writer, env, &counts->damaged);
    return result == OK ? ledger_commit(writer) : result;
}

enum result ledger_rebuild(struct ledger_writer *writer, struct kv_env *former,
                           struct ledger_rebuild_counts *counts)
{
    struct ledger_stats stats;
    enum result result;
    *counts = (struct ledger_rebuild_counts){0};
    do
        result = ledger_catch_up(writer, 0);
    while (result == AGAIN);
    if (result == OK)
        result = ledger_stats_get(writer->env, &stats);
    if (result != OK)
        return result;
    counts->replayed = stats.totals.received + stats.totals.dropped;
    ledger_stats_fini(&stats);
    return former != NULL ? ledger_rebuild_keep(writer, former, counts) : OK;
}
