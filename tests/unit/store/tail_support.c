// SPDX-License-Identifier: Apache-2.0
#include "tail_support.h"
#include "base/units.h"
#include "ev/sim.h"
#include "store/ledger_reader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

void run_for(struct rig *rig, uint64_t time)
{
    (void)sim_world_run_until(rig->world, NULL, NULL, sim_world_now(rig->world) + time);
}

void catch_up(struct rig *rig)
{
    enum result result;
    do
        result = ledger_catch_up(rig->writer, 50);
    while (result == AGAIN);
    assert_int_equal(result, OK);
}

void life_begin(struct rig *rig)
{
    struct journal_options options;
    struct journal_floor floors[8];
    struct journal_recovery recovery;
    struct record_epoch start = {.kind = RECORD_START};
    test_store_open(&rig->store);
    assert_int_equal(fs_sim_mount(rig->disk, &rig->fs), OK);
    assert_int_equal(seal_keyring_open(rig->fs, "keyring", rig->master, 20000, &rig->keyring, NULL), OK);
    journal_options_default(&options);
    options.segment_size = JOURNAL_SEGMENT_SIZE_MIN;
    assert_int_equal(journal_new(&options, rig->fs, rig->keyring, &rig->journal), OK);
    assert_int_equal(ledger_writer_new(rig->store.env, rig->journal, NULL, NULL, &rig->writer), OK);
    size_t count = ledger_floors_get(rig->writer, floors, 8);
    assert_int_equal(
        journal_recover(rig->journal, floors, count, ledger_life_floor(rig->writer), 0, &recovery), OK);
    catch_up(rig);
    count = ledger_floors_get(rig->writer, floors, 8);
    assert_int_equal(journal_floors_raise(rig->journal, floors, count), OK);
    assert_int_equal(ledger_forget_unfinished(rig->writer, NULL), OK);
    assert_int_equal(journal_life_begin(rig->journal, &start), OK);
    for (uint16_t i = 0; i < STREAMS; i++) {
        struct journal_stream_events events = {0};
        rig->loops[2 * i] = sim_loop_new(rig->world, "worker");
        rig->loops[2 * i + 1] = sim_loop_new(rig->world, "disk");
        assert_int_equal(journal_disk_new(rig->journal, i, rig->loops[2 * i + 1], &rig->disks[i]), OK);
        assert_int_equal(journal_stream_new(rig->disks[i], rig->loops[2 * i], &events, &rig->streams[i]), OK);
    }
    run_for(rig, NSEC_PER_SEC);
}

void life_end(struct rig *rig, bool crash)
{
    for (size_t i = 0; i < rig->count; i++)
        rig->instances[i].is_waiting = false;
    for (unsigned i = 0; i < 2 * STREAMS; i++)
        sim_loop_kill(rig->loops[i]);
    if (crash) {
        fs_sim_crash(rig->disk);
        kv_sim_crash(rig->store.disk);
    }
    for (unsigned i = 0; i < STREAMS; i++) {
        journal_stream_free(rig->streams[i]);
        journal_disk_free(rig->disks[i]);
    }
    for (unsigned i = 0; i < 2 * STREAMS; i++)
        ev_loop_free(&rig->loops[i]);
    ledger_writer_free(&rig->writer);
    journal_free(rig->journal);
    seal_keyring_free(rig->keyring);
    fs_free(rig->fs);
    test_store_close(&rig->store);
}

void setup(struct rig *rig, uint64_t seed)
{
    static const uint8_t master[SEAL_KEY_SIZE] = {1};
    struct fs_sim_options options = {.seed = seed, .capacity = 64 * GIB};
    *rig = (struct rig){.world = sim_world_new(seed), .archives = 1};
    assert_int_equal(fs_sim_new(&options, &rig->disk), OK);
    assert_int_equal(seal_master_from_bytes(master, &rig->master), OK);
    test_store_init(&rig->store, STORE_SIM, &ledger_schema);
    test_store_close(&rig->store);
    assert_int_equal(fs_sim_mount(rig->disk, &rig->fs), OK);
    assert_int_equal(seal_keyring_create(rig->fs, "keyring", rig->master, NULL), OK);
    fs_free(rig->fs);
    life_begin(rig);
}

void teardown(struct rig *rig)
{
    life_end(rig, false);
    test_store_fini(&rig->store);
    seal_master_free(rig->master);
    fs_sim_free(rig->disk);
    sim_world_free(&rig->world);
}

// ---- load

static void on_durable(struct journal_waiter *waiter, enum result result)
{
    struct instance *instance = CONTAINER_OF(waiter, struct instance, waiter);
    instance->is_waiting = false;
    instance->is_durable = result == OK;
}

static void on_reported(struct journal_waiter *waiter, enum result result)
{
    CONTAINER_OF(waiter, struct instance, report)->is_reported = result == OK;
}

enum result instance_begin(struct rig *rig, uint16_t stream, struct journal_receipt *receipt)
{
    struct journal_place place;
    struct record_open open = {.calling = slice_of_text("CT1"),
                               .called = slice_of_text("OLDPACS"),
                               .sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.2"),
                               .sop_instance = slice_of_text("1.2.3"),
                               .transfer_syntax = slice_of_text("1.2.840.10008.1.2.1")};
    enum result result = journal_receipt_begin(rig->streams[stream], receipt);
    return result == OK ? journal_append_open(rig->streams[stream], receipt, &open, &place) : result;
}

enum result chunks_add(struct rig *rig, uint16_t stream, struct journal_receipt *receipt, unsigned chunks)
{
    static uint8_t bytes[CHUNK];
    struct journal_place place;
    struct slice part = slice_of(bytes, sizeof bytes);
    enum result result = OK;
    memset(bytes, (uint8_t)receipt->number, sizeof bytes); // so that a receipt is known by its bytes
    for (unsigned i = 0; result == OK && i < chunks; i++) {
        result = journal_append_data(rig->streams[stream], receipt, &part, 1, &place);
        run_for(rig, 20 * NSEC_PER_MS);
    }
    return result;
}

enum result instance_end(struct rig *rig, uint16_t stream, struct journal_receipt *receipt)
{
    struct journal_stream *to = rig->streams[stream];
    struct journal_place place;
    struct instance *instance = &rig->instances[rig->count];
    struct record_close close = {
        .epoch = 1, .archives = {1, 2}, .archive_count = rig->archives, .length = receipt->chunks * CHUNK};
    enum result result = journal_append_close(to, receipt, &close, &place);
    if (result != OK)
        return result;
    *instance = (struct instance){.receipt = receipt->number, .is_waiting = true};
    instance->waiter.done = on_durable;
    result = journal_wait(to, &place, JOURNAL_DURABLE, &instance->waiter);
    assert_true(result == AGAIN || fs_sim_is_cut(rig->disk));
    rig->count++;
    return result;
}

bool instance_add(struct rig *rig, uint16_t stream, unsigned chunks, bool unfinished)
{
    struct journal_receipt receipt = {0};
    enum result result = instance_begin(rig, stream, &receipt);
    if (result == OK)
        result = chunks_add(rig, stream, &receipt, chunks);
    if (result == OK && !unfinished)
        result = instance_end(rig, stream, &receipt);
    journal_receipt_end(&receipt);
    return result == AGAIN || result == OK;
}

void report_add(struct rig *rig, struct instance *instance, uint16_t stream, uint32_t archive,
                enum record_outcome_kind kind)
{
    struct journal_place place;
    struct record_outcome outcome = {.receipt = instance->receipt,
                                     .archive = archive,
                                     .kind = (uint8_t)kind,
                                     .remark = kind == RECORD_SETTLED ? RECORD_SETTLE_ON_ANSWER : 0,
                                     .status = kind == RECORD_PARKED ? 0xc000 : 0,
                                     .comment = slice_of_text(kind == RECORD_PARKED ? "not now" : ""),
                                     .answered = NSEC_PER_SEC};
    if (journal_append_outcome(rig->streams[stream], &outcome, &place) != OK || rig->archives > 1)
        return;
    instance->report.done = on_reported;
    (void)!journal_wait(rig->streams[stream], &place, JOURNAL_DURABLE, &instance->report);
}

void outcome_add(struct rig *rig, struct instance *instance, uint16_t stream)
{
    report_add(rig, instance, stream, 1, RECORD_SETTLED);
}

void sent_add(struct rig *rig, struct instance *instance, uint16_t stream, uint32_t archive)
{
    struct journal_place place;
    struct record_sent sent = {.archive = archive, .attempt = 1, .header = {7}, .time = 5};
    assert_int_equal(journal_append_sent(rig->streams[stream], instance->receipt, &sent, &place), OK);
}
