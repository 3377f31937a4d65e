// SPDX-License-Identifier: Apache-2.0
// The writer with its disk side: group commit, hand-over of segments, failures, space, reading back,
// stopping.
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "internal.h"
#include "stream_state.h"

static void test_one_instance(void **state)
{
    struct rig *rig = rig_new(1);
    struct check check;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 3, 1000);
    assert_int_equal(journal_receipt_stream(instance->receipt.number), RIG_STREAM);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 1);
    assert_int_equal(check.corrupt + check.torn, 0);
    rig_crash(rig);
    rig_boot(rig);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 1);
    assert_int_equal(journal_life(rig->journal), 2);
    rig_stop(rig);
    rig_free(rig);
}

// One sync covers all CLOSEs that wait.
static void test_group_commit(void **state)
{
    struct rig *rig = rig_new(2);
    struct instance *instances[20];
    struct fs_sim_counts before;
    struct fs_sim_counts after;
    (void)state;
    rig->options.zero_ahead = 0;
    rig_boot(rig);
    rig_settle(rig);
    fs_sim_counts_get(rig->sim, &before);
    for (size_t i = 0; i < 20; i++) {
        assert_int_equal(instance_begin(rig, 1, 100, &instances[i]), OK);
        assert_int_equal(instance_data(instances[i]), OK);
        assert_int_equal(instance_close(instances[i]), OK);
    }
    while (instances[19]->state == INSTANCE_CLOSING)
        rig_run(rig, 1);
    fs_sim_counts_get(rig->sim, &after);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(instances[i]->state, INSTANCE_ACKNOWLEDGED);
    assert_int_equal(after.datasyncs - before.datasyncs, 1);
    assert_int_equal(after.writes - before.writes, 1);
    rig_stop(rig);
    rig_free(rig);
}

// Zeros are written ahead once for many small syncs, and are no records.
static void test_zero_ahead(void **state)
{
    struct rig *rig = rig_new(2);
    struct fs_sim_counts before;
    struct fs_sim_counts after;
    (void)state;
    rig_boot(rig);
    rig_settle(rig);
    for (size_t i = 0; i < 4; i++) {
        fs_sim_counts_get(rig->sim, &before);
        assert_int_equal(instance_store(rig, 1, 100)->state, INSTANCE_ACKNOWLEDGED);
        fs_sim_counts_get(rig->sim, &after);
        assert_int_equal(after.datasyncs - before.datasyncs, 1);
        assert_int_equal(after.writes - before.writes, i == 0 ? 2 : 1);
    }
    rig_crash(rig);
    rig_boot(rig);
    struct check check;
    rig_check(rig, &check);
    assert_int_equal(check.closes, 4);
    rig_stop(rig);
    rig_free(rig);
}

// What nobody waits for goes along with what somebody waits for, or after a short while.
static void test_linger(void **state)
{
    struct rig *rig = rig_new(3);
    struct fs_sim_counts before;
    struct fs_sim_counts after;
    (void)state;
    rig->options.zero_ahead = 0;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 1, 10);
    rig_settle(rig);
    fs_sim_counts_get(rig->sim, &before);
    assert_int_equal(instance_outcome(instance), OK);
    (void)instance_store(rig, 1, 10);
    fs_sim_counts_get(rig->sim, &after);
    assert_int_equal(after.writes - before.writes, 1);
    rig_stop(rig);
    rig_free(rig);
}

static uint64_t writes_of(struct rig *rig)
{
    struct fs_sim_counts counts;
    fs_sim_counts_get(rig->sim, &counts);
    return counts.writes;
}

// A receipt whose first full buffer lies at the disk side, and nobody waits for it.
static struct instance *full_make(struct rig *rig)
{
    struct instance *instance;
    assert_int_equal(instance_begin(rig, 4, JOURNAL_BODY_MAX, &instance), OK);
    assert_int_equal(instance_data(instance), OK);
    return instance;
}

static void run_for(struct rig *rig, uint64_t time)
{
    (void)sim_world_run_until(rig->world, NULL, NULL, sim_world_now(rig->world) + time);
}

// It goes with the next one, or after a short while; an error of it, and the end of the stream, find it.
static void test_full_buffers(void **state)
{
    struct rig *rig = rig_new(4);
    struct check check;
    (void)state;
    rig->options.zero_ahead = 0;
    rig_boot(rig);
    rig_settle(rig);
    uint64_t before = writes_of(rig);
    struct instance *instance = full_make(rig);
    run_for(rig, rig->options.linger / 2);
    assert_int_equal(writes_of(rig), before);
    run_for(rig, 2 * rig->options.linger);
    assert_true(writes_of(rig) > before);
    before = writes_of(rig);
    assert_int_equal(instance_data(instance), OK); // two at once: the second takes the first along
    assert_int_equal(instance_data(instance), OK);
    assert_int_equal(instance_data(instance), OK);
    run_for(rig, rig->options.linger / 2);
    assert_true(writes_of(rig) >= before + 2);
    assert_int_equal(instance_close(instance), OK);
    rig_settle(rig);
    assert_int_equal(instance->state, INSTANCE_ACKNOWLEDGED);
    assert_int_equal(fs_sim_fault_arm(rig->sim, FS_SIM_FAULT_WRITE, "0000-", 0), OK);
    instance = full_make(rig);
    rig_settle(rig);
    assert_int_equal(rig->lost_calls, 1);
    assert_int_equal(instance_close(instance), ERR_IO);
    (void)instance_store(rig, 2, JOURNAL_BODY_MAX);
    (void)full_make(rig);
    rig_stop(rig);
    rig_boot(rig);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 2);
    assert_int_equal(check.corrupt + check.torn, 0);
    rig_stop(rig);
    rig_free(rig);
}

// Where the queue has no room for a pair nobody waits for one.
static void test_no_room_for_pairs(void **state)
{
    enum { CHUNKS = 20 };
    struct rig *rig = rig_new(19);
    (void)state;
    rig->options.queue_limit = JOURNAL_RECORD_MAX;
    rig->options.segment_size = JOURNAL_SEGMENT_SIZE_DEFAULT;
    rig_boot(rig);
    rig_settle(rig);
    uint64_t began = sim_world_now(rig->world);
    (void)instance_store(rig, CHUNKS, JOURNAL_BODY_MAX);
    assert_in_range(sim_world_now(rig->world) - began, 0, CHUNKS / 2 * rig->options.linger);
    rig_stop(rig);
    rig_free(rig);
}

static void test_lazy_sync(void **state)
{
    struct rig *rig = rig_new(3);
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 1, 10);
    uint64_t began = sim_world_now(rig->world);
    assert_int_equal(instance_outcome(instance), OK);
    while (!instance->outcome_durable)
        rig_run(rig, 1);
    uint64_t took = sim_world_now(rig->world) - began;
    assert_in_range(took, rig->options.lazy_sync, rig->options.lazy_sync + 50 * NSEC_PER_MS);
    rig_stop(rig);
    rig_free(rig);
}

// A receipt over several segments; room ends at the bounds, and always comes back.
static void test_large(void **state)
{
    struct rig *rig = rig_new(4);
    struct check check;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 40, JOURNAL_BODY_MAX);
    assert_int_equal(instance->receipt.chunks, 40);
    (void)instance_store(rig, 1, 1);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 2);
    assert_true(journal_stream_end(rig->stream).segment > 10);
    rig_crash(rig);
    assert_int_equal(rig_recover(rig), OK);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 2);
    rig_down(rig);
    rig_free(rig);
}

static void test_bounds_of_room(void **state)
{
    struct rig *rig = rig_new(5);
    struct instance *instance;
    uint32_t put = 0;
    (void)state;
    rig_boot(rig);
    assert_int_equal(instance_begin(rig, 100, JOURNAL_BODY_MAX, &instance), OK);
    while (journal_stream_room(rig->stream)) { // nothing runs: the queue fills
        if (instance_data(instance) != OK)
            break;
        put++;
    }
    assert_in_range(put, 3, 7); // 1 MiB queue, 1 MiB segments
    uint32_t calls = rig->room_calls;
    while (rig->room_calls == calls)
        rig_run(rig, 1);
    assert_true(journal_stream_room(rig->stream));
    rig_stop(rig);
    rig_free(rig);
}

// A large instance without a CLOSE in sight: each time that room has ended it comes back by on_room, also
// where the disk has written everything before the worker looks again.
static void test_room_comes_back(void **state)
{
    struct rig *rig = rig_new(17);
    struct instance *instance;
    (void)state;
    rig->options.segment_size = JOURNAL_SEGMENT_SIZE_DEFAULT;
    rig->options.queue_limit = 2 * JOURNAL_RECORD_MAX;
    rig_boot(rig);
    assert_int_equal(instance_begin(rig, 400, JOURNAL_BODY_MAX, &instance), OK);
    for (unsigned put = 0; put < 300;) {
        uint32_t calls = rig->room_calls;
        if (journal_stream_room(rig->stream)) {
            assert_int_equal(instance_data(instance), OK);
            put++;
        }
        if (journal_stream_room(rig->stream)) {
            rig_run(rig, 1); // what was put before may be written before the next look of the worker
            continue;
        }
        for (unsigned i = 0; i < 10000 && rig->room_calls == calls; i++)
            rig_run(rig, 1);
        assert_int_equal(rig->room_calls, calls + 1);
    }
    rig_stop(rig);
    rig_free(rig);
}

static void fault_kills(enum fs_sim_fault fault, uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    struct instance *instances[4];
    struct check check;
    rig_boot(rig);
    struct instance *before = instance_store(rig, 2, 5000);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(instance_begin(rig, 2, 5000, &instances[i]), OK);
        assert_int_equal(instance_data(instances[i]), OK);
    }
    rig_settle(rig);
    assert_int_equal(fs_sim_fault_arm(rig->sim, fault, ".seg", 0), OK);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(instance_data(instances[i]), OK);
        assert_int_equal(instance_close(instances[i]), OK);
    }
    while (rig->lost_calls == 0)
        rig_run(rig, 1);
    // Those that waited were told so; those in flight can not go on.
    assert_int_equal(instances[0]->state, INSTANCE_FAILED);
    assert_int_equal(instances[1]->state, INSTANCE_FAILED);
    assert_false(journal_receipt_is_whole(rig->stream, &instances[2]->receipt));
    assert_int_equal(instance_data(instances[2]), ERR_IO);
    assert_int_equal(instance_close(instances[3]), ERR_IO);
    struct journal_place lost = instances[0]->place;
    struct journal_waiter waiter = {.done = instances[0]->waiter.done};
    assert_int_equal(journal_wait(rig->stream, &lost, JOURNAL_DURABLE, &waiter), ERR_IO);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(instance_fail(instances[i]), OK);
    assert_true(journal_stream_accepts(rig->stream)); // one failure does not stop intake
    struct instance *after = instance_store(rig, 2, 5000);
    assert_true(after->place.position.segment > before->place.position.segment);
    rig_check(rig, &check);
    assert_int_equal(check.corrupt + check.torn, 0);
    assert_int_equal(check.closes, 2);
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->recovery.records_corrupt, 0);
    rig_check(rig, &check);
    assert_int_equal(check.corrupt, 0);
    assert_int_equal(check.closes, 2);
    rig_stop(rig);
    rig_free(rig);
}

static void test_sync_error(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++)
        fault_kills(FS_SIM_FAULT_DATASYNC, seed);
}

static void test_write_error(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++)
        fault_kills(FS_SIM_FAULT_WRITE, seed);
}

struct eager {
    struct journal_waiter waiter;
    struct rig *rig;
    struct journal_receipt receipt;
    struct journal_place place;
    bool has_appended, is_before_death;
};

static void on_durable_append(struct journal_waiter *waiter, enum result result)
{
    struct record_open open = {.transfer_syntax = slice_of_text("1.2"),
                               .sop_class = slice_of_text("1.3"),
                               .sop_instance = slice_of_text("1.4")};
    struct eager *eager = (struct eager *)(void *)waiter;
    eager->has_appended =
        result == OK && journal_receipt_begin(eager->rig->stream, &eager->receipt) == OK &&
        journal_append_open(eager->rig->stream, &eager->receipt, &open, &eager->place) == OK;
    eager->is_before_death = eager->rig->lost_calls == 0;
}

// News that both a CLOSE is durable and the segment has died: who appends at the first half is lost as well,
// and knows it. True: the seed had it so.
static bool append_before_death(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    struct eager eager = {.waiter = {.done = on_durable_append}, .rig = rig};
    struct instance *instances[2];
    rig_boot(rig);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(instance_begin(rig, 1, 100, &instances[i]), OK);
        assert_int_equal(instance_data(instances[i]), OK);
    }
    rig_settle(rig);
    assert_int_equal(fs_sim_fault_arm(rig->sim, FS_SIM_FAULT_DATASYNC, "0000-", 1), OK);
    assert_int_equal(instance_close(instances[0]), OK);
    assert_int_equal(journal_wait(rig->stream, &instances[0]->place, JOURNAL_DURABLE, &eager.waiter), AGAIN);
    rig_run(rig, 1 + (uint32_t)seed % 4);
    assert_int_equal(instance_close(instances[1]), OK);
    for (unsigned i = 0; i < 1000 && rig->lost_calls == 0; i++)
        rig_run(rig, 1);
    bool is_it = eager.has_appended && eager.is_before_death && rig->lost_calls == 1;
    if (is_it) {
        struct journal_waiter waiter = {.done = on_durable_append};
        bool is_lost = journal_wait(rig->stream, &eager.place, JOURNAL_DURABLE, &waiter) == ERR_IO;
        assert_int_equal(journal_receipt_is_whole(rig->stream, &eager.receipt), !is_lost);
        journal_wait_cancel(rig->stream, &waiter);
    }
    if (eager.receipt.number != 0)
        journal_receipt_end(&eager.receipt);
    rig_crash(rig);
    rig_free(rig);
    return is_it;
}

static void test_append_before_death(void **state)
{
    unsigned found = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 100; seed++)
        found += append_before_death(seed);
    assert_true(found > 0);
}

static uint64_t files_size(struct rig *rig)
{
    struct fs_names names;
    uint64_t sum = 0;
    assert_int_equal(fs_dir_list(rig->fs, "journal", &names), OK);
    for (size_t i = 0; i < names.count; i++) {
        char path[64];
        struct fs_file *file;
        uint64_t size;
        (void)snprintf(path, sizeof path, "journal/%s", names.name[i]);
        assert_int_equal(fs_file_open(rig->fs, path, FS_READ, &file), OK);
        assert_int_equal(fs_file_size(file, &size), OK);
        fs_file_close(&file);
        sum += size;
    }
    fs_names_fini(&names);
    return sum;
}

static void test_failures_stop_intake(void **state)
{
    struct rig *rig = rig_new(6);
    struct journal_health health;
    struct instance *instance;
    (void)state;
    rig_boot(rig);
    for (int i = 0; i < 3; i++) {
        while (!journal_stream_room(rig->stream))
            rig_run(rig, 1);
        rig_run(rig, 20); // the spare segment is made
        assert_true(journal_stream_accepts(rig->stream));
        assert_int_equal(fs_sim_fault_arm(rig->sim, FS_SIM_FAULT_DATASYNC, "0000-", 0), OK);
        assert_int_equal(instance_begin(rig, 1, 10, &instance), OK);
        assert_int_equal(instance_data(instance), OK);
        assert_int_equal(instance_close(instance), OK);
        while (instance->state == INSTANCE_CLOSING)
            rig_run(rig, 1);
        assert_int_equal(instance->state, INSTANCE_FAILED);
    }
    assert_false(journal_stream_accepts(rig->stream));
    journal_health_get(rig->journal, &health);
    assert_int_equal(health.streams_failed, 1);
    rig_settle(rig);
    rig_settle(rig);
    assert_true(journal_stream_accepts(rig->stream));
    (void)instance_store(rig, 1, 10);
    journal_health_get(rig->journal, &health);
    assert_int_equal(health.streams_failed, 0);
    assert_int_equal(health.dead_segments, 3);
    assert_int_equal(health.bytes, files_size(rig)); // the dead ones were cut
    rig_stop(rig);
    rig_free(rig);
}

static void test_watermark_and_reserve(void **state)
{
    struct rig *rig = rig_new(7);
    struct instance *instance;
    struct check check;
    enum result result = OK;
    (void)state;
    rig_boot(rig);
    struct instance *stored = instance_store(rig, 1, 1000);
    assert_int_equal(instance_begin(rig, 60, JOURNAL_BODY_MAX, &instance), OK);
    rig_set_free(rig, rig->options.watermark - MIB);
    rig_settle(rig);
    assert_false(journal_stream_accepts(rig->stream)); // A700 for new ones
    assert_int_equal(instance_data(instance), OK);     // the one in flight goes on
    rig_set_free(rig, rig->options.reserve + 3 * MIB);
    for (int i = 0; i < 60 && result == OK; i++) {
        rig_run(rig, 50);
        result = instance_data(instance);
        if (result == AGAIN)
            result = OK;
    }
    assert_int_equal(result, ERR_SPACE); // the hard limit
    // A drop and outcomes still go, out of the reserve.
    while ((result = instance_fail(instance)) == AGAIN)
        rig_run(rig, 1);
    assert_int_equal(result, OK);
    for (int i = 0; i < 9000; i++) {
        while ((result = instance_outcome(stored)) == AGAIN)
            rig_run(rig, 1);
        assert_int_equal(result, OK);
        while (!stored->outcome_durable)
            rig_run(rig, 1);
    }
    assert_int_equal(journal_receipt_begin(rig->stream, &(struct journal_receipt){0}), ERR_SPACE);
    rig_set_free(rig, rig->options.watermark * 2);
    rig_settle(rig);
    assert_true(journal_stream_accepts(rig->stream));
    (void)instance_store(rig, 3, 1000);
    rig_check(rig, &check);
    assert_int_equal(check.corrupt, 0);
    assert_int_equal(check.closes, 2);
    rig_crash(rig);
    rig_boot(rig);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 2);
    rig_stop(rig);
    rig_free(rig);
}

// ENGINE 3: however slow the disk is, no more than the bound is unsynced when the sockets are no longer read;
// and it goes on as fast as the disk does.
static void test_slow_disk(void **state)
{
    struct rig *rig = rig_new(18);
    struct instance *instance;
    unsigned written = 0;
    (void)state;
    rig_boot(rig);
    assert_int_equal(instance_begin(rig, 200, JOURNAL_BODY_MAX, &instance), OK);
    sim_loop_slow(rig->disk_loop, 2 * NSEC_PER_SEC);
    uint64_t most = rig->options.unsynced_limit + JOURNAL_RECORD_MAX;
    for (unsigned step = 0; step < 4000 && written < 200; step++) {
        if (journal_stream_room(rig->stream)) {
            enum result result = instance_data(instance);
            assert_true(result == OK || result == AGAIN);
            written += result == OK;
        }
        assert_in_range(journal_stream_unsynced(rig->stream), 0, most);
        rig_run(rig, 1);
    }
    assert_int_equal(written, 200);
    sim_loop_slow(rig->disk_loop, 0);
    assert_int_equal(instance_close(instance), OK);
    rig_settle(rig);
    rig_settle(rig);
    assert_int_equal(instance->state, INSTANCE_ACKNOWLEDGED);
    assert_int_equal(journal_stream_unsynced(rig->stream), 0);
    rig_stop(rig);
    rig_free(rig);
}

// Several disk threads see the same room, and only the first gets it, whatever the others have seen and
// however far it has come.
static void test_room_is_booked(void **state)
{
    enum { SIZE = JOURNAL_SEGMENT_SIZE_MIN };
    struct rig *rig = rig_new(17);
    struct segment_room first, second, third;
    (void)state;
    rig_boot(rig);
    rig_settle(rig);
    const uint64_t keep = rig->options.reserve;
    rig_set_free(rig, keep + 2 * SIZE - 1);
    assert_int_equal(segment_room_get(rig->journal, &first), OK);
    assert_int_equal(segment_room_get(rig->journal, &second), OK);
    assert_int_equal(second.bytes, keep + 2 * SIZE - 1);
    assert_true(segment_room_book(rig->journal, &first, SIZE, keep));
    assert_false(segment_room_book(rig->journal, &second, SIZE, keep));
    assert_int_equal(segment_room_get(rig->journal, &third), OK); // while it is made
    rig_set_free(rig, keep + SIZE - 1);
    segment_room_settle(rig->journal, SIZE);
    assert_false(segment_room_book(rig->journal, &second, SIZE, keep));
    assert_false(segment_room_book(rig->journal, &third, SIZE, keep));
    assert_int_equal(segment_room_get(rig->journal, &third), OK);
    assert_false(segment_room_book(rig->journal, &third, SIZE, keep));
    assert_true(segment_room_book(rig->journal, &third, SIZE, keep - 1));
    segment_room_settle(rig->journal, SIZE);
    rig_set_free(rig, keep + SIZE);
    assert_int_equal(segment_room_get(rig->journal, &third), OK);
    assert_true(segment_room_book(rig->journal, &third, SIZE, keep));
    assert_false(segment_room_book(rig->journal, &third, 0, UINT64_MAX));
    rig_stop(rig);
    rig_free(rig);
}

// ENGINE 3: first associations, then instances; and a quota counts like a disk of that size.
static void test_levels_and_quota(void **state)
{
    struct rig *rig = rig_new(16);
    struct journal_health health;
    (void)state;
    rig->options.quota = 200 * MIB;
    rig->options.association_watermark = 96 * MIB;
    rig_boot(rig);
    rig_settle(rig);
    assert_true(journal_stream_welcomes(rig->stream));
    journal_health_get(rig->journal, &health);
    assert_int_equal(health.quota, 200 * MIB);
    assert_int_equal(health.room, health.quota - health.bytes);
    rig_set_free(rig, 90 * MIB);
    rig_settle(rig);
    assert_false(journal_stream_welcomes(rig->stream));
    assert_true(journal_stream_accepts(rig->stream));
    rig_set_free(rig, 60 * MIB);
    rig_settle(rig);
    assert_false(journal_stream_accepts(rig->stream));
    rig_set_free(rig, 1000 * MIB);
    rig_settle(rig);
    assert_true(journal_stream_welcomes(rig->stream));
    // The disk has room; the journal takes no more than its quota all the same.
    uint32_t stored = 0;
    for (; journal_stream_accepts(rig->stream); stored++) {
        (void)instance_store(rig, 4, JOURNAL_BODY_MAX);
        rig_settle(rig);
    }
    journal_health_get(rig->journal, &health);
    assert_true(health.room < rig->options.watermark && stored > 60);
    assert_true(health.bytes <= health.quota - rig->options.reserve);
    assert_false(journal_stream_welcomes(rig->stream));
    rig_stop(rig);
    rig_free(rig);
}

// ENGINE 4: the key of a segment that nobody writes to any more must be able to go.
static void test_old_segment_is_closed(void **state)
{
    struct rig *rig = rig_new(17);
    struct journal_segment_info info[4];
    struct check check;
    (void)state;
    rig->options.segment_age = 5 * NSEC_PER_SEC;
    rig_boot(rig);
    (void)instance_store(rig, 1, 1000);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, info, 4), 2);
    assert_int_equal(info[0].state, JOURNAL_SEGMENT_ACTIVE);
    for (int i = 0; i < 6; i++)
        rig_settle(rig);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, info, 4), 3);
    assert_int_equal(info[0].state, JOURNAL_SEGMENT_CLOSED);
    assert_int_equal(info[1].state, JOURNAL_SEGMENT_PREPARED);
    for (int i = 0; i < 20; i++) // nothing was written to the next one: it stays
        rig_settle(rig);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, info, 4), 3);
    (void)instance_store(rig, 2, 1000);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, info, 4), 3);
    assert_int_equal(info[1].state, JOURNAL_SEGMENT_ACTIVE);
    rig_ledger_read(rig);
    rig_check(rig, &check);
    assert_int_equal(check.closes, 2);
    rig_crash(rig);
    rig_boot(rig);
    rig_check(rig, &check);
    assert_int_equal(check.corrupt, 0);
    rig_stop(rig);
    rig_free(rig);
}

struct reading {
    struct journal_read read;
    enum result result;
    bool done;
};

static void on_read(struct journal_read *read, enum result result)
{
    struct reading *reading = (struct reading *)read;
    reading->result = result;
    reading->done = true;
}

static enum result read_back(struct rig *rig, struct reading *reading, struct journal_position at,
                             uint32_t hint)
{
    reading->done = false;
    reading->read.position = at;
    reading->read.length_hint = hint;
    reading->read.done = on_read;
    journal_stream_read(rig->stream, &reading->read);
    while (!reading->done)
        rig_run(rig, 1);
    return reading->result;
}

static void test_read_back(void **state)
{
    struct rig *rig = rig_new(8);
    struct instance *instance;
    struct reading reading = {0};
    struct journal_header header;
    struct slice body;
    (void)state;
    rig_boot(rig);
    reading.read.buffer = malloc(JOURNAL_RECORD_MAX);
    assert_int_equal(instance_begin(rig, 2, JOURNAL_BODY_MAX, &instance), OK);
    assert_int_equal(instance_data(instance), OK);
    assert_int_equal(instance_data(instance), OK);
    uint64_t number = instance->receipt.number;
    for (uint32_t i = 0; i < 2; i++) { // nothing was posted yet
        struct journal_position at = journal_index_get(receipt_index(&instance->receipt), i, RIG_STREAM);
        assert_int_equal(read_back(rig, &reading, at, i == 0 ? 0 : JOURNAL_BODY_MAX), OK);
        assert_int_equal(journal_read_open(&reading.read, JOURNAL_DATA, number, i, &header, &body), OK);
        assert_int_equal(body.length, JOURNAL_BODY_MAX);
        assert_int_equal(body.data[5], (uint8_t)(number * 31 + i * 7 + 5));
        assert_int_equal(read_back(rig, &reading, at, 100), OK); // a wrong hint does no harm
        assert_int_equal(journal_read_open(&reading.read, JOURNAL_DATA, number + 1, i, &header, &body),
                         ERR_FORMAT);
        assert_int_equal(read_back(rig, &reading, at, 0), OK);
        reading.read.buffer[JOURNAL_HEADER_SIZE + 7] ^= 1;
        assert_int_equal(journal_read_open(&reading.read, JOURNAL_DATA, number, i, &header, &body),
                         ERR_CRYPTO);
    }
    struct journal_position nowhere = {RIG_STREAM, 99, JOURNAL_PAGE_SIZE};
    assert_int_equal(read_back(rig, &reading, nowhere, 0), ERR_MISSING);
    struct journal_position wrong = instance->place.position;
    wrong.offset += 64;
    assert_int_equal(read_back(rig, &reading, wrong, 0), ERR_FORMAT);
    reading.done = false;
    reading.read.position = instance->place.position;
    journal_stream_read(rig->stream, &reading.read);
    journal_read_cancel(&reading.read);
    while (!reading.done)
        rig_run(rig, 1);
    assert_int_equal(reading.result, CLOSED);
    free(reading.read.buffer);
    rig_stop(rig);
    rig_free(rig);
}

// After a graceful stop nothing is torn, and the segments that were never used are gone.
static void test_stop(void **state)
{
    struct rig *rig = rig_new(9);
    struct journal_segment_info infos[8];
    struct check check;
    (void)state;
    rig_boot(rig);
    struct instance *instance = instance_store(rig, 2, 100);
    assert_int_equal(instance_outcome(instance), OK); // not synced when the stop begins
    rig_settle(rig);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, infos, 8), 2);
    assert_int_equal(instance_outcome(instance), OK);
    rig_stop(rig);
    assert_int_equal(rig_recover(rig), OK);
    assert_int_equal(journal_segments_get(rig->journal, RIG_STREAM, 1, infos, 8), 1);
    assert_int_equal(infos[0].state, JOURNAL_SEGMENT_CLOSED);
    assert_true(infos[0].earlier);
    rig_check(rig, &check);
    assert_int_equal(check.outcomes, 2);
    assert_int_equal(check.torn, 0);
    rig_down(rig);
    rig_free(rig);
}

static void test_limits(void **state)
{
    struct rig *rig = rig_new(10);
    struct instance *instance;
    static uint8_t bytes[JOURNAL_BODY_MAX + 1];
    struct slice part = slice_of(bytes, sizeof bytes);
    struct journal_place place;
    struct journal_disk *second;
    (void)state;
    rig_boot(rig);
    assert_int_equal(instance_begin(rig, 1, 10, &instance), OK);
    assert_int_equal(journal_append_data(rig->stream, &instance->receipt, &part, 1, &place), ERR_LIMIT);
    assert_int_equal(instance->receipt.chunks, 0);
    assert_int_equal(journal_disk_new(rig->journal, RIG_STREAM, rig->disk_loop, &second), ERR_EXISTS);
    struct journal *journal;
    struct journal_options options = rig->options;
    options.segment_size = 1000;
    assert_int_equal(journal_new(&options, rig->fs, rig->keyring, &journal), ERR_ARGUMENT);
    options = rig->options;
    options.queue_limit = UINT64_MAX;
    assert_int_equal(journal_new(&options, rig->fs, rig->keyring, &journal), ERR_ARGUMENT);
    rig_stop(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_instance),
        cmocka_unit_test(test_group_commit),
        cmocka_unit_test(test_zero_ahead),
        cmocka_unit_test(test_linger),
        cmocka_unit_test(test_full_buffers),
        cmocka_unit_test(test_no_room_for_pairs),
        cmocka_unit_test(test_lazy_sync),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_bounds_of_room),
        cmocka_unit_test(test_room_comes_back),
        cmocka_unit_test(test_sync_error),
        cmocka_unit_test(test_write_error),
        cmocka_unit_test(test_append_before_death),
        cmocka_unit_test(test_failures_stop_intake),
        cmocka_unit_test(test_watermark_and_reserve),
        cmocka_unit_test(test_slow_disk),
        cmocka_unit_test(test_room_is_booked),
        cmocka_unit_test(test_levels_and_quota),
        cmocka_unit_test(test_old_segment_is_closed),
        cmocka_unit_test(test_read_back),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
