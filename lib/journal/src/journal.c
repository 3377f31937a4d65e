// SPDX-License-Identifier: Apache-2.0
// The journal object: options, life, order, health. Owns the catalog (catalog.c) and its lock. Thread: any.
#include "journal/journal.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/checked.h"
#include "base/text.h"
#include "base/units.h"
#include "internal.h"

void journal_options_default(struct journal_options *options)
{
    *options = (struct journal_options){
        .folder = "journal",
        .segment_size = JOURNAL_SEGMENT_SIZE_DEFAULT,
        .association_watermark = 6 * GIB,
        .watermark = 4 * GIB,
        .reserve = 1 * GIB,
        .unsynced_limit = 8 * MIB,
        .queue_limit = 1 * MIB,
        .writeback = 1 * MIB,
        .cached = 64 * MIB,
        .segment_age = 3600 * NSEC_PER_SEC,
        .lazy_sync = 200 * NSEC_PER_MS,
        .linger = 5 * NSEC_PER_MS,
        .zero_ahead = 512 * KIB,
        .space_interval = NSEC_PER_SEC,
        .retry_interval = NSEC_PER_SEC,
        .failure_limit = 3,
    };
}

static bool options_are_valid(const struct journal_options *o)
{
    if (o->folder == NULL || o->folder[0] == 0)
        return false;
    if (o->segment_size < JOURNAL_SEGMENT_SIZE_MIN || o->segment_size > JOURNAL_SEGMENT_SIZE_MAX ||
        o->segment_size % JOURNAL_PAGE_SIZE != 0)
        return false;
    uint64_t gap;
    if (!checked_add_u64(o->unsynced_limit, o->queue_limit, &gap) ||
        !checked_add_u64(gap, 4 * (uint64_t)JOURNAL_RECORD_MAX, &gap) || gap > JOURNAL_GAP_MAX)
        return false;
    if (o->reserve > o->watermark || o->watermark > o->association_watermark ||
        o->unsynced_limit < 2 * (uint64_t)JOURNAL_RECORD_MAX)
        return false;
    return o->queue_limit >= JOURNAL_RECORD_MAX && o->writeback > 0 && o->failure_limit > 0 &&
           o->space_interval > 0 && o->retry_interval > 0 && o->segment_age > 0;
}

enum result journal_new(const struct journal_options *options, struct fs *fs, struct seal_keyring *keyring,
                        struct journal **out)
{
    if (!options_are_valid(options))
        return ERR_ARGUMENT;
    struct journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL)
        return ERR_NOMEM;
    if (!text_copy(journal->folder, sizeof journal->folder - JOURNAL_NAME_SIZE,
                   slice_of_text(options->folder))) {
        free(journal);
        return ERR_ARGUMENT;
    }
    MAGIC_INIT(journal, JOURNAL_MAGIC);
    journal->options = *options;
    journal->options.folder = journal->folder;
    journal->fs = fs;
    journal->keyring = keyring;
    journal->free_bytes = journal->room = UINT64_MAX;
    list_init(&journal->streams);
    int failed = pthread_mutex_init(&journal->lock, NULL);
    ensure(failed == 0);
    *out = journal;
    return OK;
}

void journal_free(struct journal *journal)
{
    if (journal == NULL)
        return;
    MAGIC_CHECK(journal, JOURNAL_MAGIC);
    ensure(journal->readers == 0);
    struct list_node *node;
    while ((node = list_take_first(&journal->streams)) != NULL) {
        struct segment_chain *chain = CONTAINER_OF(node, struct segment_chain, node);
        ensure(!chain->has_writer);
        for (size_t i = 0; i < chain->count; i++)
            segment_unref(journal, &chain->segments[i]);
        free(chain->segments);
        free(chain);
    }
    pthread_mutex_destroy(&journal->lock);
    free(journal->dropped.receipts);
    free(journal->dropped_copies.receipts);
    MAGIC_CLEAR(journal);
    free(journal);
}

struct seal_keyring *journal_keyring(const struct journal *journal)
{
    MAGIC_CHECK(journal, JOURNAL_MAGIC);
    return journal->keyring;
}

uint64_t journal_life(struct journal *journal)
{
    pthread_mutex_lock(&journal->lock);
    uint64_t life = journal->life;
    pthread_mutex_unlock(&journal->lock);
    return life;
}

uint64_t journal_order_next(struct journal *journal)
{
    uint64_t order = atomic_fetch_add_explicit(&journal->order, 1, memory_order_relaxed) + 1;
    // Before journal_life_begin() there is no life to count in; a life has room for 2^40 receipts.
    ensure(order >> JOURNAL_ORDER_LIFE_SHIFT != 0 && (order << (64 - JOURNAL_ORDER_LIFE_SHIFT)) != 0);
    return order;
}

void journal_listen(struct journal *journal, void (*on_durable)(void *arg, uint16_t stream), void *arg)
{
    pthread_mutex_lock(&journal->lock);
    journal->on_durable = on_durable;
    journal->on_durable_arg = arg;
    pthread_mutex_unlock(&journal->lock);
}

void journal_health_get(struct journal *journal, struct journal_health *out)
{
    struct journal_health health = {0};
    pthread_mutex_lock(&journal->lock);
    health.free_bytes = journal->free_bytes;
    health.room = journal->room;
    health.quota = journal->options.quota;
    LIST_EACH(&journal->streams, node)
    {
        const struct segment_chain *chain = CONTAINER_OF(node, struct segment_chain, node);
        health.streams += chain->has_writer;
        health.streams_unwelcoming += chain->has_writer && chain->unwelcoming;
        health.streams_refused += chain->has_writer && chain->refused;
        health.streams_failed += chain->has_writer && chain->failed;
        health.segments += chain->count;
        for (size_t i = 0; i < chain->count; i++) {
            health.bytes += chain->segments[i]->bytes;
            health.dead_segments += chain->segments[i]->state == JOURNAL_SEGMENT_DEAD;
        }
    }
    pthread_mutex_unlock(&journal->lock);
    *out = health;
}
