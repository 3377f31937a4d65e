// SPDX-License-Identifier: Apache-2.0
// The same code on real threads, loops and files: two streams under load, a ledger reading behind them, lanes
// reading back. Meant for the thread sanitizer; elsewhere it is a smoke test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/units.h"
#include "ev/real.h"
#include "journal/disk.h"
#include "journal/reader.h"
#include "journal/reclaim.h"
#include "journal/recovery.h"
#include "journal/stream.h"

#define STREAMS   2u
#define INSTANCES 150u

struct side {
    struct journal *journal;
    uint16_t number;
    struct ev_loop *worker_loop, *disk_loop;
    pthread_t worker_thread, disk_thread;
    struct journal_disk *disk;
    struct journal_stream *stream;
    struct ev_task task;
    uint32_t begun, acknowledged, read_back;
    struct journal_receipt receipt;
    struct journal_read read;
    bool reading;
    atomic_bool done;
};

struct pending {
    struct journal_waiter waiter;
    struct side *side;
    struct journal_receipt receipt;
    struct journal_position first;
};

static uint8_t content[20000];

static void on_stopped(void *arg)
{
    struct side *side = arg;
    atomic_store(&side->done, true);
    ev_loop_stop(side->worker_loop);
}

static void finish_if_done(struct side *side)
{
    if (side->acknowledged == INSTANCES && side->read_back > 0 && !side->reading)
        journal_stream_stop(side->stream, on_stopped, side);
}

static void on_read(struct journal_read *read, enum result result)
{
    struct side *side = (struct side *)((char *)read - offsetof(struct side, read));
    struct journal_header header;
    struct slice body;
    ensure(result == OK);
    ensure(journal_read_open(read, JOURNAL_DATA, 0, 0, &header, &body) == OK);
    ensure(memcmp(body.data, content, body.length) == 0);
    side->reading = false;
    side->read_back++;
    finish_if_done(side);
}

static void on_durable(struct journal_waiter *waiter, enum result result)
{
    struct pending *pending = (struct pending *)waiter;
    struct side *side = pending->side;
    ensure(result == OK);
    side->acknowledged++;
    if (!side->reading) {
        side->reading = true;
        side->read.position = pending->first;
        journal_stream_read(side->stream, &side->read);
    }
    journal_receipt_end(&pending->receipt);
    free(pending);
    finish_if_done(side);
}

static void store_one(struct side *side)
{
    struct record_open open = {.transfer_syntax = slice_of_text("1.2"),
                               .sop_class = slice_of_text("1.3"),
                               .sop_instance = slice_of_text("1.4")};
    struct record_close close = {.archive_count = 1, .acknowledgement = RECORD_ACK_DURABLE};
    struct journal_place place;
    struct pending *pending = calloc(1, sizeof *pending);
    ensure(pending != NULL);
    pending->side = side;
    pending->waiter.done = on_durable;
    ensure(journal_receipt_begin(side->stream, &pending->receipt) == OK);
    ensure(journal_append_open(side->stream, &pending->receipt, &open, &place) == OK);
    struct slice part = slice_of(content, 1 + ev_random_below(side->worker_loop, sizeof content - 1));
    ensure(journal_append_data(side->stream, &pending->receipt, &part, 1, &place) == OK);
    pending->first = place.position;
    ensure(journal_append_close(side->stream, &pending->receipt, &close, &place) == OK);
    ensure(journal_wait(side->stream, &place, JOURNAL_DURABLE, &pending->waiter) == AGAIN);
    side->begun++;
}

static void on_task(void *arg)
{
    struct side *side = arg;
    for (int i = 0; i < 3 && side->begun < INSTANCES && journal_stream_room(side->stream); i++)
        store_one(side);
    if (side->begun < INSTANCES && journal_stream_room(side->stream))
        ev_task_defer(&side->task);
}

static void on_room(void *arg)
{
    ev_task_defer(&((struct side *)arg)->task);
}

static void *thread_run(void *arg)
{
    ev_loop_run(arg);
    return NULL;
}

static void side_start(struct side *side, struct journal *journal, uint16_t number)
{
    struct journal_stream_events events = {.on_room = on_room, .arg = side};
    side->journal = journal;
    side->number = number;
    side->read.buffer = malloc(JOURNAL_RECORD_MAX);
    side->read.done = on_read;
    assert_int_equal(ev_real_new("worker", &side->worker_loop), OK);
    assert_int_equal(ev_real_new("disk", &side->disk_loop), OK);
    ev_task_init(&side->task, side->worker_loop, on_task, side);
    assert_int_equal(journal_disk_new(journal, number, side->disk_loop, &side->disk), OK);
    assert_int_equal(journal_stream_new(side->disk, side->worker_loop, &events, &side->stream), OK);
    assert_int_equal(pthread_create(&side->disk_thread, NULL, thread_run, side->disk_loop), 0);
    assert_int_equal(pthread_create(&side->worker_thread, NULL, thread_run, side->worker_loop), 0);
}

static void side_join(struct side *side)
{
    assert_int_equal(pthread_join(side->worker_thread, NULL), 0);
    ev_loop_stop(side->disk_loop);
    assert_int_equal(pthread_join(side->disk_thread, NULL), 0);
    journal_stream_free(side->stream);
    journal_disk_free(side->disk);
    ev_task_fini(&side->task);
    ev_loop_free(&side->worker_loop);
    ev_loop_free(&side->disk_loop);
    free(side->read.buffer);
}

static pthread_mutex_t moved_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static unsigned moves;

static void on_moved(void *arg, uint16_t stream)
{
    (void)arg;
    (void)stream;
    pthread_mutex_lock(&moved_lock);
    moves++;
    pthread_cond_signal(&moved);
    pthread_mutex_unlock(&moved_lock);
}

// Until every CLOSE of both streams was read; reclaims what is complete, as if all were settled.
static void ledger_run(struct journal *journal)
{
    struct journal_reader *readers[STREAMS];
    uint32_t closes = 0;
    unsigned seen = 0;
    for (uint16_t i = 0; i < STREAMS; i++)
        assert_int_equal(journal_reader_new(journal, (struct journal_position){i, 0, 0}, 0, &readers[i]), OK);
    while (closes < STREAMS * INSTANCES) {
        for (uint16_t i = 0; i < STREAMS; i++) {
            struct journal_entry entry;
            enum result result;
            while ((result = journal_reader_next(readers[i], &entry)) == OK) {
                assert_int_equal(entry.kind, JOURNAL_ENTRY_RECORD);
                closes += entry.header.type == JOURNAL_CLOSE;
            }
            assert_int_equal(result, AGAIN);
        }
        pthread_mutex_lock(&moved_lock);
        while (moves == seen && closes < STREAMS * INSTANCES)
            pthread_cond_wait(&moved, &moved_lock);
        seen = moves;
        pthread_mutex_unlock(&moved_lock);
        struct journal_health health;
        journal_health_get(journal, &health);
        assert_int_equal(health.dead_segments, 0);
    }
    for (uint16_t i = 0; i < STREAMS; i++)
        journal_reader_free(readers[i]);
}

static void test_threads(void **state)
{
    static const uint8_t key[SEAL_KEY_SIZE] = {5};
    char folder[] = "/tmp/test-journal-XXXXXX";
    struct journal_options options;
    struct journal_recovery report;
    struct record_epoch start = {.phase = slice_of_text("p"), .time = 1};
    struct side sides[STREAMS] = {0};
    struct seal_master *master;
    struct seal_keyring *keyring;
    struct journal *journal;
    struct fs *fs;
    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(fs_real_new(folder, &fs), OK);
    assert_int_equal(seal_master_from_bytes(key, &master), OK);
    assert_int_equal(seal_keyring_create(fs, "keyring", master, NULL), OK);
    assert_int_equal(seal_keyring_open(fs, "keyring", master, 1, &keyring, NULL), OK);
    journal_options_default(&options);
    options.segment_size = JOURNAL_SEGMENT_SIZE_MIN;
    options.watermark = 8 * MIB;
    options.reserve = 4 * MIB;
    assert_int_equal(journal_new(&options, fs, keyring, &journal), OK);
    assert_int_equal(journal_recover(journal, NULL, 0, 0, 0, &report), OK);
    assert_int_equal(journal_life_begin(journal, &start), OK);
    journal_listen(journal, on_moved, NULL);
    for (uint16_t i = 0; i < STREAMS; i++)
        side_start(&sides[i], journal, i);
    ledger_run(journal);
    for (uint16_t i = 0; i < STREAMS; i++)
        side_join(&sides[i]);
    for (uint16_t i = 0; i < STREAMS; i++) {
        uint32_t segments[64];
        struct journal_position end = journal_durable_end(journal, i);
        size_t count = journal_reclaim_candidates(journal, end, segments, 64);
        for (size_t j = 0; j < count; j++)
            assert_int_equal(journal_segment_reclaim(journal, end, segments[j]), OK);
        assert_true(count > 1);
    }
    journal_free(journal);
    seal_keyring_free(keyring);
    seal_master_free(master);
    struct fs_names names;
    assert_int_equal(fs_dir_list(fs, "journal", &names), OK);
    assert_int_equal(names.count, 1); // the control stream
    for (size_t i = 0; i < names.count; i++) {
        char path[300];
        (void)snprintf(path, sizeof path, "journal/%s", names.name[i]);
        assert_int_equal(fs_path_unlink(fs, path), OK);
    }
    fs_names_fini(&names);
    assert_int_equal(fs_path_unlink(fs, "keyring"), OK);
    fs_free(fs);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/journal", folder);
    (void)remove(path);
    (void)remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads)};
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 7);
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
