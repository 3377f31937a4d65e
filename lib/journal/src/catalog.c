// SPDX-License-Identifier: Apache-2.0
// The catalog: which segments each stream has, in which state, how far durable; and the numbers that are used
// once. Owned by the journal object, guarded by its lock, used by disk, ledger, main and worker threads.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/grow.h"
#include "internal.h"
#include "journal/journal.h"

static struct segment_chain *chain_locked(struct journal *journal, uint16_t stream)
{
    LIST_EACH(&journal->streams, node)
    {
        struct segment_chain *chain = CONTAINER_OF(node, struct segment_chain, node);
        if (chain->stream == stream)
            return chain;
    }
    return NULL;
}

struct segment_chain *catalog_chain(struct journal *journal, uint16_t stream)
{
    pthread_mutex_lock(&journal->lock);
    struct segment_chain *chain = chain_locked(journal, stream);
    pthread_mutex_unlock(&journal->lock);
    return chain;
}

enum result catalog_chain_make(struct journal *journal, uint16_t stream, struct segment_chain **out)
{
    struct segment_chain *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    made->stream = stream;
    made->receipt_limit = (uint64_t)stream << JOURNAL_RECEIPT_COUNTER_BITS | 1;
    pthread_mutex_lock(&journal->lock);
    struct segment_chain *chain = chain_locked(journal, stream);
    if (chain == NULL) {
        struct list_node *where = &journal->streams.head;
        LIST_EACH(&journal->streams, node)
        {
            if (CONTAINER_OF(node, struct segment_chain, node)->stream > stream) {
                where = node;
                break;
            }
        }
        list_insert_before(&journal->streams, where, &made->node);
        chain = made;
        made = NULL;
    }
    pthread_mutex_unlock(&journal->lock);
    free(made);
    *out = chain;
    return OK;
}

// Index of the first segment whose number is not below.
static size_t lower_bound(const struct segment_chain *chain, uint32_t number)
{
    size_t low = 0;
    size_t high = chain->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (chain->segments[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum result catalog_add(struct journal *journal, struct journal_segment **segment)
{
    struct segment_chain *chain = catalog_chain(journal, (*segment)->stream);
    ensure(chain != NULL);
    pthread_mutex_lock(&journal->lock);
    enum result result = ARRAY_GROW(chain->segments, chain->capacity, chain->count + 1);
    if (result == OK) {
        size_t at = lower_bound(chain, (*segment)->number);
        ensure(at == chain->count || chain->segments[at]->number != (*segment)->number);
        memmove(chain->segments + at + 1, chain->segments + at,
                (chain->count - at) * sizeof(struct journal_segment *));
        chain->segments[at] = *segment;
        chain->count++;
        if ((*segment)->number > chain->highest)
            chain->highest = (*segment)->number;
        if ((*segment)->receipt_limit > chain->receipt_limit)
            chain->receipt_limit = (*segment)->receipt_limit;
        *segment = NULL;
    }
    pthread_mutex_unlock(&journal->lock);
    return result;
}

void catalog_remove(struct journal *journal, struct journal_segment *segment)
{
    struct segment_chain *chain = catalog_chain(journal, segment->stream);
    struct journal_segment *removed = NULL;
    ensure(chain != NULL);
    pthread_mutex_lock(&journal->lock);
    size_t at = lower_bound(chain, segment->number);
    if (at < chain->count && chain->segments[at] == segment) {
        removed = segment;
        chain->count--;
        memmove(chain->segments + at, chain->segments + at + 1,
                (chain->count - at) * sizeof(struct journal_segment *));
    }
    pthread_mutex_unlock(&journal->lock);
    segment_unref(journal, &removed);
}

struct journal_segment *catalog_find(struct journal *journal, uint16_t stream, uint32_t number, bool or_next)
{
    struct journal_segment *found = NULL;
    pthread_mutex_lock(&journal->lock);
    struct segment_chain *chain = chain_locked(journal, stream);
    if (chain != NULL) {
        size_t at = lower_bound(chain, number);
        if (at < chain->count && (or_next || chain->segments[at]->number == number)) {
            found = chain->segments[at];
            found->references++;
        }
    }
    pthread_mutex_unlock(&journal->lock);
    return found;
}

struct journal_segment *catalog_find_readable(struct journal *journal, uint16_t stream, uint32_t number)
{
    struct journal_segment *found = NULL;
    pthread_mutex_lock(&journal->lock);
    struct segment_chain *chain = chain_locked(journal, stream);
    for (size_t at = chain != NULL ? lower_bound(chain, number) : 0;
         chain != NULL && found == NULL && at < chain->count; at++) {
        if (!chain->segments[at]->going)
            found = chain->segments[at];
    }
    if (found != NULL)
        found->references++;
    pthread_mutex_unlock(&journal->lock);
    return found;
}

struct journal_segment *segment_ref(struct journal *journal, struct journal_segment *segment)
{
    pthread_mutex_lock(&journal->lock);
    MAGIC_CHECK(segment, JOURNAL_SEGMENT_MAGIC);
    segment->references++;
    pthread_mutex_unlock(&journal->lock);
    return segment;
}

void segment_unref(struct journal *journal, struct journal_segment **segment)
{
    struct journal_segment *gone = *segment;
    if (gone == NULL)
        return;
    *segment = NULL;
    MAGIC_CHECK(gone, JOURNAL_SEGMENT_MAGIC);
    pthread_mutex_lock(&journal->lock);
    bool last = --gone->references == 0;
    pthread_mutex_unlock(&journal->lock);
    if (!last)
        return;
    seal_key_unref(gone->key);
    MAGIC_CLEAR(gone);
    free(gone);
}

void segment_state_get(struct journal *journal, const struct journal_segment *segment,
                       enum journal_segment_state *state, uint64_t *end)
{
    pthread_mutex_lock(&journal->lock);
    *state = segment->state;
    *end = segment->end;
    pthread_mutex_unlock(&journal->lock);
}

void segment_state_set(struct journal *journal, struct journal_segment *segment,
                       enum journal_segment_state state, uint64_t end)
{
    pthread_mutex_lock(&journal->lock);
    ensure(end >= segment->end && end <= segment->size); // what was durable stays so
    ensure(state >= segment->state);
    segment->state = state;
    segment->end = end;
    void (*call)(void *, uint16_t) = journal->on_durable;
    void *arg = journal->on_durable_arg;
    pthread_mutex_unlock(&journal->lock);
    if (call != NULL)
        call(arg, segment->stream);
}

void catalog_skipped_close(struct journal *journal, struct segment_chain *chain, uint32_t number)
{
    pthread_mutex_lock(&journal->lock);
    for (size_t i = lower_bound(chain, number); i > 0; i--) {
        struct journal_segment *segment = chain->segments[i - 1];
        if (segment->earlier)
            break;
        if (segment->state == JOURNAL_SEGMENT_PREPARED)
            segment->state = JOURNAL_SEGMENT_CLOSED;
    }
    pthread_mutex_unlock(&journal->lock);
}

void catalog_numbers_take(struct journal *journal, struct segment_chain *chain, uint64_t receipts,
                          uint32_t *segment, uint64_t *receipt_first)
{
    pthread_mutex_lock(&journal->lock);
    chain->highest++;
    ensure(chain->highest != 0);
    *segment = chain->highest;
    *receipt_first = chain->receipt_limit;
    chain->receipt_limit += receipts;
    // 48 bits: enough for 2^48 instances per worker.
    ensure(receipts == 0 || journal_receipt_stream(chain->receipt_limit - 1) == chain->stream);
    pthread_mutex_unlock(&journal->lock);
}

void catalog_refusal_set(struct journal *journal, uint16_t stream, struct catalog_refusal refusal)
{
    struct segment_chain *chain = catalog_chain(journal, stream);
    pthread_mutex_lock(&journal->lock);
    chain->unwelcoming = refusal.unwelcoming;
    chain->refused = refusal.refused;
    chain->failed = refusal.failed;
    pthread_mutex_unlock(&journal->lock);
}

void catalog_claim(struct journal *journal, struct segment_chain *chain, uint64_t life,
                   struct journal_position durable)
{
    pthread_mutex_lock(&journal->lock);
    for (size_t i = lower_bound(chain, durable.segment + 1); i > 0; i--) {
        struct journal_segment *segment = chain->segments[i - 1];
        // What lies before the life that made the claim may have been torn by the crash that ended it.
        if (segment->life != life || segment->claimed == JOURNAL_CLAIMED_WHOLE)
            break;
        uint64_t claimed = segment->number < durable.segment ? JOURNAL_CLAIMED_WHOLE : durable.offset;
        if (claimed > segment->claimed)
            segment->claimed = claimed;
    }
    pthread_mutex_unlock(&journal->lock);
}

size_t journal_segments_get(struct journal *journal, uint16_t stream, uint32_t first,
                            struct journal_segment_info *out, size_t max)
{
    size_t got = 0;
    pthread_mutex_lock(&journal->lock);
    const struct segment_chain *chain = chain_locked(journal, stream);
    for (size_t i = chain == NULL ? 0 : lower_bound(chain, first);
         chain != NULL && i < chain->count && got < max; i++) {
        const struct journal_segment *segment = chain->segments[i];
        out[got++] = (struct journal_segment_info){
            .stream = segment->stream,
            .segment = segment->number,
            .state = segment->state,
            .earlier = segment->earlier,
            .life = segment->life,
            .size = segment->bytes,
            .end = segment->end,
            .receipt_first = segment->receipt_first,
            .receipt_limit = segment->receipt_limit,
            .created = segment->created,
        };
    }
    pthread_mutex_unlock(&journal->lock);
    return got;
}

size_t journal_streams_get(struct journal *journal, uint16_t *out, size_t max)
{
    size_t got = 0;
    pthread_mutex_lock(&journal->lock);
    LIST_EACH(&journal->streams, node)
    {
        const struct segment_chain *chain = CONTAINER_OF(node, struct segment_chain, node);
        if (chain->count > 0 && got < max)
            out[got++] = chain->stream;
    }
    pthread_mutex_unlock(&journal->lock);
    return got;
}

struct journal_position journal_durable_end(struct journal *journal, uint16_t stream)
{
    struct journal_position end = {stream, 0, 0};
    pthread_mutex_lock(&journal->lock);
    const struct segment_chain *chain = chain_locked(journal, stream);
    for (size_t i = chain == NULL ? 0 : chain->count; i > 0; i--) {
        const struct journal_segment *segment = chain->segments[i - 1];
        if (segment->state == JOURNAL_SEGMENT_PREPARED)
            continue;
        end.segment = segment->number;
        end.offset = segment->end;
        break;
    }
    pthread_mutex_unlock(&journal->lock);
    return end;
}
