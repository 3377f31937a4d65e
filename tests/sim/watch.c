// SPDX-License-Identifier: Apache-2.0
//
// What must hold at every moment: a segment goes, and its key before it, only when a committed ledger is past
// it and nothing in it is owed (ENGINE 4).
#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"
#include "daemon/worker.h"
#include "history.h"
#include "machine.h"
#include "store/ledger.h"

#define UNSYNCED_MOST (3 * MIB)

static void keys_look(struct history *history, struct seal_segment_id **keys, size_t *count)
{
    struct gateway *gateway = machine_gateway(history->machine);
    ensure(gateway != NULL && seal_keyring_segments(gateway->platform.keyring, keys, count) == OK);
}

static bool keys_have(const struct seal_segment_id *keys, size_t count, struct seal_segment_id key)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].stream == key.stream && keys[i].segment == key.segment)
            return true;
    return false;
}

static void gone_check(struct history *history, const struct ledger_writer *truth, struct seal_segment_id key)
{
    struct gateway *gateway = machine_gateway(history->machine);
    struct journal_position at = {.stream = key.stream};
    if (journal_durable_end(gateway->journal, key.stream).segment < key.segment)
        return; // never written to
    if (!ledger_position_get(truth, key.stream, &at) || at.segment < key.segment)
        history_fail(history, "segment %04x-%08x is gone before the ledger was past it", key.stream,
                     key.segment);
    size_t live = ledger_live_count(truth, key.stream, key.segment);
    if (live > 0)
        history_fail(history, "segment %04x-%08x is gone with %zu receipts that are owed", key.stream,
                     key.segment, live);
}

// What is durable in the ledger, read apart from the gateway's own writer.
static void reclaim_check(struct history *history)
{
    struct seal_segment_id *keys;
    size_t count;
    struct kv_env *env;
    struct ledger_writer *truth;
    keys_look(history, &keys, &count);
    ensure(kv_sim_open(history->ledger_disk, &ledger_schema, &env) == OK);
    ensure(ledger_writer_new(env, NULL, NULL, NULL, &truth) == OK);
    for (size_t i = 0; i < history->key_count; i++)
        if (!keys_have(keys, count, history->keys[i]))
            gone_check(history, truth, history->keys[i]);
    ledger_writer_free(&truth);
    kv_env_free(&env);
    free(history->keys);
    history->keys = keys;
    history->key_count = count;
}

bool watch_is_dead(const struct history *history, uint16_t stream, uint32_t segment)
{
    for (size_t i = 0; i < history->dead_count; i++)
        if (history->dead[i].stream == stream && history->dead[i].segment == segment)
            return true;
    return false;
}

static void dead_note(struct history *history, uint16_t stream, uint32_t segment)
{
    if (watch_is_dead(history, stream, segment))
        return;
    if (history->dead_count == history->dead_capacity) {
        history->dead_capacity = 16 + 2 * history->dead_capacity;
        history->dead = realloc(history->dead, history->dead_capacity * sizeof *history->dead);
        ensure(history->dead != NULL);
    }
    history->dead[history->dead_count++] = (struct dead_segment){stream, segment};
}

// Not after the power has gone: what a segment meets then is no death that anybody could know of later.
void watch_dead_segments(struct history *history)
{
    struct gateway *gateway = machine_gateway(history->machine);
    struct journal_segment_info info[64];
    if (gateway == NULL || machine_is_cut(history->machine))
        return;
    for (uint16_t stream = 0; stream < HISTORY_WORKERS_MAX; stream++) {
        size_t count = journal_segments_get(gateway->journal, stream, 0, info, sizeof info / sizeof info[0]);
        for (size_t i = 0; i < count; i++)
            if (info[i].state == JOURNAL_SEGMENT_DEAD)
                dead_note(history, stream, info[i].segment);
    }
}

void watch_life(struct history *history)
{
    free(history->keys);
    keys_look(history, &history->keys, &history->key_count);
    history->reclaims = log_event_count(JOURNAL_SEGMENT_RECLAIMED);
    history->deaths = log_event_count(JOURNAL_SEGMENT_DIED);
}

// However slow the disk is: beyond the bound (1 MiB, and what one read of each client may bring) the front
// sockets are not read.
static void unsynced_check(struct history *history)
{
    const struct gateway *gateway = machine_gateway(history->machine);
    for (unsigned i = 0; i < gateway->platform.workers; i++) {
        const struct journal_stream *stream = gateway->workers[i]->stream;
        uint64_t unsynced = stream == NULL ? 0 : journal_stream_unsynced(stream);
        if (unsynced > UNSYNCED_MOST)
            history_fail(history, "%llu bytes of stream %u are not synced", (unsigned long long)unsynced, i);
    }
}

void watch_step(struct history *history)
{
    if (!machine_is_running(history->machine) || machine_is_cut(history->machine))
        return;
    unsynced_check(history);
    uint64_t reclaims = log_event_count(JOURNAL_SEGMENT_RECLAIMED);
    uint64_t deaths = log_event_count(JOURNAL_SEGMENT_DIED);
    if (deaths != history->deaths) {
        history->death_at = history_now(history);
        watch_dead_segments(history);
    }
    if (reclaims != history->reclaims) {
        reclaim_check(history);
    } else if (sim_world_steps(history->world) % 128 == 0) {
        free(history->keys);
        keys_look(history, &history->keys, &history->key_count);
    }
    history->deaths = deaths;
    history->reclaims = reclaims;
}
