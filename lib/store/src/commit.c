// SPDX-License-Identifier: Apache-2.0
//
// From the batch to the store: every touched fact once, the sums once, the position vector, all in one
// transaction. Per receipt that comes and settles: one put each of fact, SOP index and study index, and
// besides them what the open index needs while it is not settled (nothing, if both fall into one batch).
// Thread: the ledger thread.
#include "base/check.h"
#include "base/log.h"
#include "base/magic.h"
#include "cbor/writer.h"
#include "ledger_internal.h"
#include <stdlib.h>

static bool is_in_play(enum fact_state state)
{
    return state == FACT_DURABLE || state == FACT_SETTLED;
}

static bool is_final(enum fact_state state)
{
    return state == FACT_SETTLED || state == FACT_DROPPED;
}

// ---- differences

static enum result deliveries_count(struct ledger_deltas *deltas, const struct ledger_touched *touched)
{
    const struct ledger_fact *fact = &touched->fact;
    for (size_t i = 0; i < touched->delivery_count; i++) {
        const struct before_delivery *before = &touched->deliveries[i];
        struct ledger_archive *archive = ledger_deltas_archive(deltas, before->archive);
        if (archive == NULL)
            return ERR_NOMEM;
        archive->attempts -= before->attempts;
        archive->states[before->state] -= is_in_play(touched->before) && before->owed;
    }
    for (size_t i = 0; i < fact->delivery_count; i++) {
        const struct fact_delivery *after = &fact->deliveries[i];
        struct ledger_archive *archive = ledger_deltas_archive(deltas, after->archive);
        if (archive == NULL)
            return ERR_NOMEM;
        archive->attempts += after->attempts;
        archive->states[after->state] += is_in_play(fact->state) && after->owed;
    }
    return OK;
}

static enum result fact_count(struct ledger_deltas *deltas, const struct ledger_touched *touched)
{
    const struct ledger_fact *fact = &touched->fact;
    bool received = is_in_play(fact->state) && !is_in_play(touched->before);
    bool dropped = fact->state == FACT_DROPPED && touched->before != FACT_DROPPED;
    bool settled = fact->state == FACT_SETTLED && touched->before != FACT_SETTLED;
    deltas->totals.received += received;
    deltas->totals.bytes += received ? fact->length : 0;
    deltas->totals.dropped += dropped;
    deltas->totals.settled += settled;
    deltas->totals.open += (fact->state == FACT_DURABLE) - (uint64_t)(touched->before == FACT_DURABLE);
    deltas->totals.orphans += (fact->state == FACT_ORPHAN) - (uint64_t)(touched->before == FACT_ORPHAN);
    if (received || dropped) {
        struct ledger_day *day = ledger_deltas_day(deltas, fact->closed_at);
        if (day == NULL)
            return ERR_NOMEM;
        day->received += received;
        day->bytes += received ? fact->length : 0;
        day->dropped += dropped;
    }
    if (settled) {
        struct ledger_day *day = ledger_deltas_day(deltas, fact->settled_at);
        if (day == NULL)
            return ERR_NOMEM;
        day->settled++;
    }
    return deliveries_count(deltas, touched);
}

// ---- puts

static enum result index_put(struct kv_transaction *transaction, enum ledger_database database,
                             const char *uid, uint64_t receipt)
{
    uint8_t hash[FACT_SOP_HASH_SIZE];
    uint8_t key[FACT_KEY_SIZE];
    if (uid == NULL)
        return OK;
    fact_uid_hash(slice_of_text(uid), hash);
    fact_key_put(key, receipt);
    return kv_put(transaction, database, slice_of(hash, sizeof hash), slice_of(key, sizeof key), KV_PLAIN);
}

static enum result fact_put(struct ledger_writer *writer, struct kv_transaction *transaction,
                            const struct ledger_touched *touched, uint64_t *last)
{
    const struct ledger_fact *fact = &touched->fact;
    uint8_t key_bytes[FACT_KEY_SIZE] = {0};
    struct slice key = slice_of(key_bytes, sizeof key_bytes);
    struct slice value;
    fact_key_put(key_bytes, fact->receipt);
    enum result result = fact_encode(fact, writer->scratch, FACT_ENCODED_MAX, &value);
    ensure(result == OK); // every text and list is within its bound
    bool is_open = ledger_state_is_open(fact->state);
    if (is_open) {
        result = kv_put(transaction, LEDGER_OPEN, key, value, KV_PLAIN);
    } else {
        result = kv_put(transaction, LEDGER_FACT, key, value, fact->receipt > *last ? KV_APPEND : KV_PLAIN);
        if (fact->receipt > *last)
            *last = fact->receipt;
    }
    if (result == OK && !is_open && ledger_state_is_open(touched->before))
        result = kv_delete(transaction, LEDGER_OPEN, key, NULL);
    if (result == OK && (is_in_play(fact->state) || is_final(fact->state)) && !is_in_play(touched->before)) {
        result = index_put(transaction, LEDGER_SOP, fact->sop_instance, fact->receipt);
        if (result == OK)
            result = index_put(transaction, LEDGER_STUDY, fact->study, fact->receipt);
        if (result == OK && is_in_play(fact->state))
            result = ledger_patient_write(transaction, fact);
    }
    return result;
}

static enum result last_fact_get(struct kv_transaction *transaction, uint64_t *last)
{
    struct kv_cursor cursor;
    *last = 0;
    enum result result = kv_cursor_init(&cursor, transaction, LEDGER_FACT);
    if (result == OK)
        result = kv_cursor_last(&cursor);
    if (result == OK)
        *last = fact_key_get(cursor.key);
    kv_cursor_fini(&cursor);
    return result == ERR_MISSING ? OK : result;
}

static enum result schema_put(struct kv_transaction *transaction)
{
    uint8_t memory[32];
    struct cbor_writer cbor;
    cbor_writer_init(&cbor, memory, sizeof memory);
    cbor_add_map(&cbor);
    cbor_put_uint(&cbor, 1, LEDGER_SCHEMA_VERSION);
    cbor_end(&cbor);
    ensure(cbor_writer_result(&cbor) == OK);
    enum result result =
        kv_put(transaction, LEDGER_META, slice_of_text("schema"), cbor_writer_slice(&cbor), KV_NO_OVERWRITE);
    return result == ERR_EXISTS ? OK : result;
}

static enum result vector_put(struct ledger_writer *writer, struct kv_transaction *transaction)
{
    struct slice value;
    enum result result = ledger_streams_encode(writer, writer->scratch, FACT_ENCODED_MAX, &value);
    ensure(result == OK);
    return kv_put(transaction, LEDGER_META, slice_of_text("streams"), value, KV_PLAIN);
}

static enum result batch_write(struct ledger_writer *writer, struct kv_transaction *transaction)
{
    struct ledger_deltas deltas = {0};
    uint64_t last = 0;
    enum result result = kv_begin(writer->env, KV_WRITE, transaction);
    if (result == OK)
        result = schema_put(transaction);
    if (result == OK)
        result = last_fact_get(transaction, &last);
    for (size_t i = 0; result == OK && i < writer->touched_count; i++) {
        if (!writer->touched[i]->dirty)
            continue;
        result = fact_put(writer, transaction, writer->touched[i], &last);
        if (result == OK)
            result = fact_count(&deltas, writer->touched[i]);
    }
    if (result == OK)
        result = ledger_pending_write(writer, transaction);
    if (result == OK)
        result = ledger_deltas_write(transaction, &deltas, &writer->marks);
    if (result == OK)
        result = vector_put(writer, transaction);
    ledger_deltas_fini(&deltas);
    if (result == OK)
        return kv_commit(transaction);
    kv_abort(transaction);
    return result;
}

// ---- after the commit

static void positions_publish(struct ledger_writer *writer)
{
    for (size_t i = 0; i < writer->stream_count; i++)
        writer->streams[i].committed = writer->streams[i].applied;
    writer->stored = writer->marks;
    writer->marks_moved = false;
}

static void live_publish(struct ledger_writer *writer)
{
    for (size_t i = 0; i < writer->touched_count; i++) {
        struct ledger_touched *touched = writer->touched[i];
        ledger_live_remove(&writer->live, touched->span);
        touched->span = ledger_span_of(&touched->fact);
        ledger_live_add(&writer->live, touched->span);
    }
}

static void settled_tell(struct ledger_writer *writer)
{
    for (size_t i = 0; i < writer->touched_count; i++) {
        const struct ledger_touched *touched = writer->touched[i];
        bool is_open = ledger_state_is_open(touched->fact.state);
        writer->counters.facts += touched->dirty && !is_open;
        writer->counters.open_puts += touched->dirty && is_open;
        if (writer->listener.on_settled != NULL && is_final(touched->fact.state) &&
            !is_final(touched->before))
            writer->listener.on_settled(writer->listener.argument, touched->fact.receipt);
    }
}

static int receipt_compare(const void *a, const void *b)
{
    const struct ledger_touched *const *left = a;
    const struct ledger_touched *const *right = b;
    return ((*left)->fact.receipt > (*right)->fact.receipt) -
           ((*left)->fact.receipt < (*right)->fact.receipt);
}

// Sorting breaks the slots; they are rebuilt because a commit that fails keeps the batch.
static void batch_sort(struct ledger_writer *writer)
{
    if (writer->touched_count > 1)
        qsort(writer->touched, writer->touched_count, sizeof(struct ledger_touched *), receipt_compare);
    ledger_slots_rebuild(writer);
}

static bool has_moved(const struct ledger_writer *writer)
{
    bool moved = writer->marks_moved || writer->pending_count > 0 ||
                 writer->marks.life_high != writer->stored.life_high;
    for (size_t i = 0; !moved && i < writer->stream_count; i++)
        moved = journal_position_compare(writer->streams[i].applied, writer->streams[i].committed) != 0;
    for (size_t i = 0; !moved && i < writer->touched_count; i++)
        moved = writer->touched[i]->dirty;
    return moved;
}

enum result ledger_commit(struct ledger_writer *writer)
{
    MAGIC_CHECK(writer, LEDGER_WRITER_MAGIC);
    ledger_reading_end(writer);
    if (!has_moved(writer)) {
        ledger_batch_clear(writer);
        return OK;
    }
    batch_sort(writer);
#if DG_FAULT_RECLAIM_BEFORE_LEDGER
    // Planted: segments go before the facts that were read from them are durable.
    positions_publish(writer);
    live_publish(writer);
    if (writer->journal != NULL)
        (void)!ledger_reclaim(writer, SIZE_MAX, NULL);
#endif
    struct kv_transaction transaction;
    enum result result = AGAIN;
    for (unsigned attempt = 0; result == AGAIN && attempt < LEDGER_ATTEMPTS_MAX; attempt++)
        result = batch_write(writer, &transaction);
    if (result != OK) {
        log_event(STORE_COMMIT_FAILED, log_text(result_text(result)), log_number(writer->touched_count));
        return result == AGAIN ? ERR_LIMIT : result;
    }
    writer->counters.commits++;
    positions_publish(writer);
    live_publish(writer);
    settled_tell(writer);
    ledger_batch_clear(writer);
    if (writer->listener.on_commit != NULL)
        writer->listener.on_commit(writer->listener.argument, writer);
    return OK;
}
