// SPDX-License-Identifier: Apache-2.0
// See rig.h.
#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"

uint64_t rig_random(struct rig *rig, uint64_t limit)
{
    rig->random += 0x9e3779b97f4a7c15u;
    uint64_t z = rig->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % limit;
}

struct rig *rig_new(uint64_t seed)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {1, 2, 3};
    struct fs_sim_options options = {.seed = seed, .capacity = 0};
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    rig->random = seed;
    rig->instances = calloc(RIG_INSTANCES, sizeof *rig->instances);
    assert_non_null(rig->instances);
    assert_int_equal(fs_sim_new(&options, &rig->sim), OK);
    assert_int_equal(seal_master_from_bytes(key, &rig->master), OK);
    assert_int_equal(fs_sim_mount(rig->sim, &rig->fs), OK);
    assert_int_equal(seal_keyring_create(rig->fs, "keyring", rig->master, NULL), OK);
    fs_free(rig->fs);
    rig->fs = NULL;
    rig->world = sim_world_new(seed);
    journal_options_default(&rig->options);
    rig->options.segment_size = JOURNAL_SEGMENT_SIZE_MIN;
    rig->options.watermark = 64 * MIB;
    rig->options.reserve = 32 * MIB;
    return rig;
}

void rig_free(struct rig *rig)
{
    ensure(rig->journal == NULL);
    for (size_t i = 0; i < rig->instance_count; i++)
        journal_receipt_end(&rig->instances[i].receipt);
    sim_world_free(&rig->world);
    seal_master_free(rig->master);
    fs_sim_free(rig->sim);
    free(rig->instances);
    free(rig);
}

static void on_room(void *arg)
{
    ((struct rig *)arg)->room_calls++;
}
static void on_accepts(void *arg, bool accepts)
{
    struct rig *rig = arg;
    rig->accepts_calls++;
    assert_true(rig->stream == NULL || accepts == journal_stream_accepts(rig->stream));
}
static void on_lost(void *arg)
{
    ((struct rig *)arg)->lost_calls++;
}

static enum result recover(struct rig *rig, size_t floors)
{
    struct journal_floor floor = {.stream = RIG_STREAM,
                                  .ledger = rig->ledger,
                                  .segment = rig->segment_mark,
                                  .receipt = rig->receipt_mark};
    assert_int_equal(fs_sim_mount(rig->sim, &rig->fs), OK);
    enum result result = seal_keyring_open(rig->fs, "keyring", rig->master, 20000, &rig->keyring, NULL);
    if (result == OK)
        result = journal_new(&rig->options, rig->fs, rig->keyring, &rig->journal);
    if (result == OK)
        result = journal_recover(rig->journal, &floor, floors, 0, 0, &rig->recovery);
    if (result != OK)
        rig_down(rig);
    return result;
}

enum result rig_recover(struct rig *rig)
{
    return recover(rig, 1);
}

enum result rig_recover_all(struct rig *rig)
{
    return recover(rig, 0);
}

enum result rig_begin(struct rig *rig)
{
    struct journal_stream_events events = {on_room, on_accepts, on_lost, rig};
    struct record_epoch start = {.phase = slice_of_text("coexist"), .time = 1};
    enum result result = journal_life_begin(rig->journal, &start);
    if (result != OK) {
        rig_down(rig);
        return result;
    }
    rig->worker_loop = sim_loop_new(rig->world, "worker");
    rig->disk_loop = sim_loop_new(rig->world, "disk");
    assert_int_equal(journal_disk_new(rig->journal, RIG_STREAM, rig->disk_loop, &rig->disk), OK);
    assert_int_equal(journal_stream_new(rig->disk, rig->worker_loop, &events, &rig->stream), OK);
    for (int i = 0; i < 1000 && !journal_stream_room(rig->stream); i++)
        rig_run(rig, 1);
    return OK;
}

void rig_boot(struct rig *rig)
{
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(rig_begin(rig), OK);
    assert_true(journal_stream_room(rig->stream));
}

void rig_down(struct rig *rig)
{
    journal_stream_free(rig->stream);
    journal_disk_free(rig->disk);
    rig->stream = NULL;
    rig->disk = NULL;
    if (rig->worker_loop != NULL)
        ev_loop_free(&rig->worker_loop);
    if (rig->disk_loop != NULL)
        ev_loop_free(&rig->disk_loop);
    journal_free(rig->journal);
    rig->journal = NULL;
    seal_keyring_free(rig->keyring);
    rig->keyring = NULL;
    fs_free(rig->fs);
    rig->fs = NULL;
    for (size_t i = 0; i < rig->instance_count; i++) {
        struct instance *instance = &rig->instances[i];
        if (instance->state == INSTANCE_OPEN || instance->state == INSTANCE_CLOSING)
            instance->state = INSTANCE_FAILED;
        journal_receipt_end(&instance->receipt);
    }
}

void rig_crash(struct rig *rig)
{
    if (rig->worker_loop != NULL) {
        sim_loop_kill(rig->worker_loop);
        sim_loop_kill(rig->disk_loop);
    }
    fs_sim_crash(rig->sim);
    rig_down(rig);
}

static void on_stopped(void *arg)
{
    *(bool *)arg = true;
}

void rig_stop(struct rig *rig)
{
    bool stopped = false;
    journal_stream_stop(rig->stream, on_stopped, &stopped);
    for (int i = 0; i < 1000 && !stopped; i++)
        rig_run(rig, 1);
    assert_true(stopped);
    rig_down(rig);
}

void rig_run(struct rig *rig, uint32_t steps)
{
    while (steps-- > 0 && sim_world_step(rig->world))
        continue;
}

void rig_settle(struct rig *rig)
{
    (void)sim_world_run_until(rig->world, NULL, NULL, sim_world_now(rig->world) + NSEC_PER_SEC + NSEC_PER_MS);
}

void rig_set_free(struct rig *rig, uint64_t free_bytes)
{
    struct fs_space space;
    assert_int_equal(fs_space_get(rig->fs, &space), OK);
    fs_sim_capacity_set(rig->sim, space.total - space.free + free_bytes);
}

// ---- instances ----

static void pattern(uint8_t *out, uint64_t receipt, uint32_t chunk, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        out[i] = (uint8_t)(receipt * 31 + chunk * 7 + i);
}

static void on_close_durable(struct journal_waiter *waiter, enum result result)
{
    struct instance *instance = (struct instance *)((char *)waiter - offsetof(struct instance, waiter));
    assert_int_equal(instance->state, INSTANCE_CLOSING);
    instance->state = result == OK ? INSTANCE_ACKNOWLEDGED : INSTANCE_FAILED;
}

static void on_outcome_durable(struct journal_waiter *waiter, enum result result)
{
    struct instance *instance =
        (struct instance *)((char *)waiter - offsetof(struct instance, outcome_waiter));
    instance->outcome_durable = result == OK;
    instance->outcome_appended = result == OK; // else its owner appends it again
}

enum result instance_begin(struct rig *rig, uint32_t chunks, uint32_t chunk_length, struct instance **out)
{
    struct instance *instance = &rig->instances[rig->instance_count];
    struct record_open open = {
        .called = slice_of_text("OLDPACS"),
        .calling = slice_of_text("CT1"),
        .transfer_syntax = slice_of_text("1.2.840.10008.1.2.1"),
        .sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.2"),
        .sop_instance = slice_of_text("1.2.3.4"),
    };
    assert_true(rig->instance_count < RIG_INSTANCES);
    *instance = (struct instance){.rig = rig, .chunks = chunks, .chunk_length = chunk_length};
    enum result result = journal_receipt_begin(rig->stream, &instance->receipt);
    if (result != OK)
        return result;
    // Never used twice, over all lives.
    assert_true(instance->receipt.number > rig->highest_receipt);
    rig->highest_receipt = instance->receipt.number;
    instance->state = INSTANCE_OPEN;
    instance->life = journal_life(rig->journal);
    rig->instance_count++;
    result = journal_append_open(rig->stream, &instance->receipt, &open, &instance->place);
    if (result != OK)
        instance->state = INSTANCE_FAILED;
    *out = instance;
    return result;
}

enum result instance_data(struct instance *instance)
{
    static uint8_t bytes[JOURNAL_BODY_MAX];
    struct slice parts[2];
    pattern(bytes, instance->receipt.number, instance->receipt.chunks, instance->chunk_length);
    size_t first = instance->chunk_length / 3;
    parts[0] = slice_of(bytes, first);
    parts[1] = slice_of(bytes + first, instance->chunk_length - first);
    enum result result =
        journal_append_data(instance->rig->stream, &instance->receipt, parts, 2, &instance->place);
    if (result == ERR_IO || result == ERR_SPACE)
        instance->state = INSTANCE_FAILED;
    return result;
}

enum result instance_close(struct instance *instance)
{
    struct rig *rig = instance->rig;
    struct record_close close = {.epoch = 1, .archive_count = 1, .acknowledgement = RECORD_ACK_DURABLE};
    close.archives[0] = 1;
    close.length = (uint64_t)instance->chunks * instance->chunk_length;
    enum result result = journal_append_close(rig->stream, &instance->receipt, &close, &instance->place);
    if (result == ERR_IO || result == ERR_SPACE)
        instance->state = INSTANCE_FAILED;
    if (result != OK)
        return result;
    assert_true(close.order > rig->highest_order);
    rig->highest_order = close.order;
    instance->order = close.order;
    instance->state = INSTANCE_CLOSING;
    instance->waiter.done = on_close_durable;
    result = journal_wait(rig->stream, &instance->place, JOURNAL_DURABLE, &instance->waiter);
    assert_int_equal(result, AGAIN);
    return OK;
}

enum result instance_fail(struct instance *instance)
{
    struct record_drop drop = {.reason = RECORD_DROP_ABORTED};
    instance->state = INSTANCE_FAILED;
    return journal_append_drop(instance->rig->stream, instance->receipt.number, &drop, &instance->place);
}

enum result instance_outcome(struct instance *instance)
{
    struct record_outcome outcome = {
        .receipt = instance->receipt.number, .archive = 1, .kind = RECORD_ANSWERED, .attempt = 1};
    struct journal_place place;
    enum result result = journal_append_outcome(instance->rig->stream, &outcome, &place);
    if (result != OK)
        return result;
    instance->outcome_appended = true;
    instance->outcome_waiter.done = on_outcome_durable;
    result = journal_wait(instance->rig->stream, &place, JOURNAL_DURABLE, &instance->outcome_waiter);
    assert_true(result == AGAIN || result == OK);
    instance->outcome_durable = result == OK;
    return OK;
}

struct instance *instance_store(struct rig *rig, uint32_t chunks, uint32_t chunk_length)
{
    struct instance *instance = NULL;
    enum result result;
    while ((result = instance_begin(rig, chunks, chunk_length, &instance)) == AGAIN)
        rig_run(rig, 1);
    assert_int_equal(result, OK);
    for (uint32_t i = 0; i < chunks; i++) {
        while (!journal_stream_room(rig->stream) || (result = instance_data(instance)) == AGAIN)
            rig_run(rig, 1);
        assert_int_equal(result, OK);
    }
    while ((result = instance_close(instance)) == AGAIN)
        rig_run(rig, 1);
    assert_int_equal(result, OK);
    for (int i = 0; i < 1000 && instance->state == INSTANCE_CLOSING; i++)
        rig_run(rig, 1);
    assert_int_equal(instance->state, INSTANCE_ACKNOWLEDGED);
    return instance;
}

// ---- the model of a ledger ----

static struct instance *instance_find(struct rig *rig, uint64_t receipt)
{
    for (size_t i = rig->instance_count; i > 0; i--) {
        if (rig->instances[i - 1].receipt.number == receipt)
            return &rig->instances[i - 1];
    }
    return NULL;
}

void rig_ledger_read(struct rig *rig)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    enum result result;
    struct journal_segment_info infos[64];
    size_t count = journal_segments_get(rig->journal, RIG_STREAM, rig->segment_mark + 1, infos, 64);
    for (size_t i = 0; i < count; i++) {
        rig->segment_mark = infos[i].segment;
        rig->receipt_mark =
            infos[i].receipt_limit > rig->receipt_mark ? infos[i].receipt_limit : rig->receipt_mark;
    }
    rig->ledger.stream = RIG_STREAM;
    assert_int_equal(journal_reader_new(rig->journal, rig->ledger, 0, &reader), OK);
    while ((result = journal_reader_next(reader, &entry)) == OK) {
        assert_int_not_equal(entry.kind, JOURNAL_ENTRY_CORRUPT);
        struct instance *instance = instance_find(rig, entry.receipt);
        if (entry.kind != JOURNAL_ENTRY_RECORD || instance == NULL)
            continue;
        if (entry.header.type == JOURNAL_CLOSE)
            instance->seen_live = true;
        if (entry.header.type == JOURNAL_OUTCOME)
            instance->settled = true;
    }
    rig->ledger = journal_reader_position(reader);
    journal_reader_free(reader);
    assert_true(result == AGAIN || (result == ERR_IO && fs_sim_is_cut(rig->sim)));
}

static bool lies_in(const struct rig *rig, const struct instance *instance, uint32_t segment)
{
    uint32_t last = instance->place.position.segment;
    if (instance->state == INSTANCE_OPEN && instance->life == journal_life(rig->journal))
        last = UINT32_MAX;
    return instance->receipt.opened.segment <= segment && segment <= last;
}

void rig_ledger_reclaim(struct rig *rig)
{
    uint32_t segments[64];
    size_t count = journal_reclaim_candidates(rig->journal, rig->ledger, segments, 64);
    for (size_t i = 0; i < count; i++) {
        bool live = false;
        for (size_t j = 0; j < rig->instance_count; j++) {
            const struct instance *instance = &rig->instances[j];
            bool owed = instance->seen_live || instance->state == INSTANCE_OPEN ||
                        instance->state == INSTANCE_CLOSING;
            live = live || (owed && !instance->settled && lies_in(rig, instance, segments[i]));
        }
        if (live)
            continue;
        for (size_t j = 0; j < rig->instance_count; j++)
            rig->instances[j].reclaimed =
                rig->instances[j].reclaimed || lies_in(rig, &rig->instances[j], segments[i]);
        struct journal_segment_info info;
        assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, segments[i], &info, 1), 1);
        enum result result = journal_segment_reclaim(rig->journal, rig->ledger, segments[i]);
        bool may_fail =
            info.state == JOURNAL_SEGMENT_DEAD || fs_sim_is_cut(rig->sim); // a dead one is cut first
        assert_true(result == OK || (result == ERR_IO && may_fail));
        rig->reclaims++;
    }
}

// ---- the check ----

static void data_check(struct instance *instance, const struct journal_entry *entry)
{
    static uint8_t expected[JOURNAL_BODY_MAX];
    assert_int_equal(entry->body.length, instance->chunk_length);
    assert_true(entry->header.chunk < instance->chunks);
    pattern(expected, instance->receipt.number, entry->header.chunk, instance->chunk_length);
    assert_memory_equal(entry->body.data, expected, instance->chunk_length);
    instance->seen_chunks++;
}

static void close_check(struct instance *instance, const struct journal_entry *entry)
{
    struct record_close close;
    assert_int_equal(record_close_decode(entry->body, &close), OK);
    assert_true(close.order == instance->order);
    assert_int_equal(journal_index_count(close.index), instance->chunks);
    assert_false(instance->seen_close);
    if (entry->kind == JOURNAL_ENTRY_INCOMPLETE) {
        instance->seen_incomplete = true;
        return;
    }
    instance->seen_close = true;
    if (instance->reclaimed || instance->damaged)
        return;
    // Kept means whole: every chunk has been seen before, authentic.
    assert_true(instance->seen_open);
    assert_int_equal(instance->seen_chunks, instance->chunks);
}

static void entry_check(struct rig *rig, const struct journal_entry *entry, struct check *check)
{
    struct record_outcome outcome;
    check->records++;
    struct instance *instance = instance_find(rig, entry->receipt);
    assert_non_null(instance);
    switch ((enum journal_record_type)entry->header.type) {
    case JOURNAL_OPEN:
        instance->seen_open = true;
        break;
    case JOURNAL_DATA:
        data_check(instance, entry);
        break;
    case JOURNAL_CLOSE:
        close_check(instance, entry);
        check->closes++;
        break;
    case JOURNAL_DROP:
        instance->seen_drop = true;
        break;
    case JOURNAL_OUTCOME:
        assert_int_equal(record_outcome_decode(entry->body, &outcome), OK);
        assert_true(outcome.receipt == entry->receipt);
        instance->seen_outcome = true;
        check->outcomes++;
        break;
    case JOURNAL_SENT:
    case JOURNAL_EPOCH:
    case JOURNAL_DEATH:
    default:
        fail_msg("a record of type %d", entry->header.type);
    }
}

void rig_check(struct rig *rig, struct check *out)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    struct journal_position start = {RIG_STREAM, 0, 0};
    enum result result;
    *out = (struct check){0};
    for (size_t i = 0; i < rig->instance_count; i++) {
        struct instance *instance = &rig->instances[i];
        instance->seen_open = instance->seen_close = instance->seen_incomplete = false;
        instance->seen_drop = instance->seen_outcome = false;
        instance->seen_chunks = 0;
    }
    assert_int_equal(journal_reader_new(rig->journal, start, JOURNAL_READER_AUTHENTICATE_DATA, &reader), OK);
    while ((result = journal_reader_next(reader, &entry)) == OK) {
        if (entry.kind == JOURNAL_ENTRY_CORRUPT)
            out->corrupt++;
        else if (entry.kind == JOURNAL_ENTRY_TORN)
            out->torn++;
        else
            entry_check(rig, &entry, out);
        out->incomplete += entry.kind == JOURNAL_ENTRY_INCOMPLETE;
    }
    journal_reader_free(reader);
    assert_int_equal(result, AGAIN);
    for (size_t i = 0; i < rig->instance_count && out->corrupt == 0; i++) {
        struct instance *instance = &rig->instances[i];
        if (instance->settled || instance->reclaimed) {
            assert_true(instance->settled || instance->state != INSTANCE_ACKNOWLEDGED);
            continue;
        }
        if (instance->state == INSTANCE_ACKNOWLEDGED) {
            assert_true(instance->seen_close);
            assert_false(instance->seen_drop);
        }
        if (instance->outcome_durable)
            assert_true(instance->seen_outcome);
        // What a reader of an earlier moment has seen is still there.
        if (instance->seen_live)
            assert_true(instance->seen_close);
    }
}
