// SPDX-License-Identifier: Apache-2.0
// Taking away segments that nobody needs any more, in the order of ENGINE 4. Thread: ledger or disk.
#include "journal/reclaim.h"

#include "base/check.h"
#include "internal.h"

static bool is_complete(enum journal_segment_state state)
{
    return state == JOURNAL_SEGMENT_CLOSED || state == JOURNAL_SEGMENT_DEAD;
}

// Whether the ledger has committed all that the segment says.
static bool is_committed(struct journal_position committed, uint32_t segment, uint64_t end)
{
#if DG_FAULT_RECLAIM_BEFORE_LEDGER
    return true;
#endif
    return committed.segment > segment || (committed.segment == segment && committed.offset >= end);
}

// It holds part of a copy whose CLOSE the ledger has not committed yet. The lock is held.
static bool copy_is_under_way(const struct journal *journal, uint16_t stream, uint32_t segment)
{
    return stream == JOURNAL_STREAM_COPY && journal->copy_floor != 0 && segment >= journal->copy_floor;
}

size_t journal_reclaim_candidates(struct journal *journal, struct journal_position committed,
                                  uint32_t *segments, size_t max)
{
    size_t got = 0;
    struct segment_chain *chain = catalog_chain(journal, committed.stream);
    if (chain == NULL)
        return 0;
    pthread_mutex_lock(&journal->lock);
    for (size_t i = 0; i < chain->count && got < max; i++) {
        const struct journal_segment *segment = chain->segments[i];
        bool newest = i + 1 == chain->count;
        bool is_kept = (newest && committed.stream == JOURNAL_STREAM_CONTROL) ||
                       copy_is_under_way(journal, committed.stream, segment->number);
        if (is_complete(segment->state) && is_committed(committed, segment->number, segment->end) && !is_kept)
            segments[got++] = segment->number;
    }
    pthread_mutex_unlock(&journal->lock);
    return got;
}

// What stands behind the end of a segment that died is cut off before its key goes: should the removal be cut
// short, recovery finds no records there that the ledger has not read.
static enum result segment_take_away(struct journal *journal, struct journal_position end, bool is_cut)
{
    enum result result = is_cut ? OK : segment_cut(journal, end);
    return result == OK ? segment_erase(journal, end.stream, end.segment) : result;
}

enum result journal_segment_reclaim(struct journal *journal, struct journal_position committed,
                                    uint32_t segment)
{
    enum journal_segment_state state;
    uint64_t end;
    struct journal_segment *found = catalog_find(journal, committed.stream, segment, false);
    if (found == NULL)
        return ERR_MISSING;
    segment_state_get(journal, found, &state, &end);
    pthread_mutex_lock(&journal->lock);
    bool is_cut = state != JOURNAL_SEGMENT_DEAD || found->bytes <= end;
    bool is_going = is_complete(state) && is_committed(committed, segment, end) &&
                    !copy_is_under_way(journal, committed.stream, segment);
    if (is_going)
        found->going = true;
    pthread_mutex_unlock(&journal->lock);
    enum result result = ERR_REFUSED;
    if (is_going) {
        struct journal_position last = {committed.stream, segment, end};
        result = segment_take_away(journal, last, is_cut);
    }
    if (result == OK) {
        log_event(JOURNAL_SEGMENT_RECLAIMED, log_number(committed.stream), log_number(segment));
        catalog_remove(journal, found);
    }
    segment_unref(journal, &found);
    return result;
}
