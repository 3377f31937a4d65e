// SPDX-License-Identifier: Apache-2.0
//
// The ledger behind a real journal on a simulated disk: it follows the durable end, lets reclaim take what
// nobody needs, and after crashes at any point knows every receipt that had become durable, with what had
// become of it.
#include "base/log.h"
#include "base/units.h"
#include "ev/sim.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include "tail_support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LIVES = 5, HISTORIES = 12 };

// ---- cases

static size_t segments_of(struct rig *rig, uint16_t stream)
{
    struct journal_segment_info infos[64];
    return journal_segments_get(rig->journal, stream, 1, infos, 64);
}

static void test_follow_and_reclaim(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    size_t gone = 0;
    assert_non_null(rig);
    setup(rig, 1);
    for (unsigned i = 0; i < 20; i++)
        assert_true(instance_add(rig, 0, 2, false)); // eight segments and more
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    size_t before = segments_of(rig, 0);
    assert_in_range(before, 8, 20);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_int_equal(segments_of(rig, 0), before); // everything is owed
    for (unsigned i = 0; i < 10; i++)
        outcome_add(rig, &rig->instances[i], (uint16_t)(i % STREAMS));
    run_for(rig, NSEC_PER_SEC);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_int_equal(segments_of(rig, 0), before); // not committed yet
    catch_up(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_in_range(before - segments_of(rig, 0), 3, 5);
    for (unsigned i = 10; i < 20; i++)
        outcome_add(rig, &rig->instances[i], 0);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_in_range(segments_of(rig, 0), 1, 2);
    life_end(rig, false); // and nothing of that is missing in the next life
    life_begin(rig);
    struct ledger_stats stats;
    assert_int_equal(ledger_stats_get(rig->store.env, &stats), OK);
    assert_int_equal(stats.totals.settled, 20);
    assert_int_equal(stats.totals.open, 0);
    ledger_stats_fini(&stats);
    catch_up(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    teardown(rig);
    free(rig);
}

static void facts_check(struct rig *rig)
{
    for (size_t i = 0; i < rig->count; i++) {
        const struct instance *instance = &rig->instances[i];
        struct ledger_fact fact;
        fact_init(&fact);
        enum result result = ledger_find_receipt(rig->store.env, instance->receipt, &fact);
        if (instance->is_durable) {
            assert_int_equal(result, OK);
            assert_true(fact.sop_instance != NULL && strcmp(fact.sop_instance, "1.2.3") == 0);
            assert_true(fact.state == FACT_DURABLE || fact.state == FACT_SETTLED);
            assert_true(fact.state == FACT_SETTLED || !instance->is_reported);
        }
        fact_fini(&fact);
    }
}

// The authentic record that stands there; the reader owns the body.
static void record_at(struct rig *rig, struct journal_position at, struct journal_reader **reader,
                      struct journal_entry *entry)
{
    assert_int_equal(journal_reader_new(rig->journal, at, JOURNAL_READER_AUTHENTICATE_DATA, reader), OK);
    assert_int_equal(journal_reader_next(*reader, entry), OK);
    assert_int_equal(entry->kind, JOURNAL_ENTRY_RECORD);
    assert_int_equal(entry->position.segment, at.segment);
    assert_int_equal(entry->position.offset, at.offset);
}

// Each open entry can be read back, every byte of it, wherever it lies now.
static enum result open_check(void *argument, const struct open_entry *open)
{
    struct rig *rig = argument;
    struct journal_reader *reader;
    struct journal_reader *chunks;
    struct journal_entry entry;
    struct journal_entry chunk;
    struct record_close close;
    record_at(rig, open->open, &reader, &entry);
    assert_int_equal(entry.header.type, JOURNAL_OPEN);
    assert_int_equal(entry.receipt, open->receipt);
    journal_reader_free(reader);
    record_at(rig, open->close, &reader, &entry);
    assert_int_equal(entry.header.type, JOURNAL_CLOSE);
    assert_int_equal(entry.receipt, open->receipt);
    assert_int_equal(record_close_decode(entry.body, &close), OK);
    assert_int_equal(close.order, open->order);
    assert_int_equal(journal_index_count(close.index) * CHUNK, close.length);
    for (uint32_t i = 0; i < journal_index_count(close.index); i++) {
        record_at(rig, journal_index_get(close.index, i, open->close.stream), &chunks, &chunk);
        assert_int_equal(chunk.receipt, open->receipt);
        assert_int_equal(chunk.header.chunk, i);
        assert_int_equal(chunk.body.length, CHUNK);
        for (size_t byte = 0; byte < CHUNK; byte += 997)
            assert_int_equal(chunk.body.data[byte], (uint8_t)open->receipt);
        journal_reader_free(chunks);
    }
    journal_reader_free(reader);
    return OK;
}

// ---- copy-forward

// Until there is nothing more to do; not OK: what stopped it.
static enum result forward(struct rig *rig, bool is_urgent)
{
    struct ledger_forward_order order = {.now = sim_world_now(rig->world),
                                         .budget = 300 * KIB,
                                         .copies_age = 3600 * NSEC_PER_SEC,
                                         .is_urgent = is_urgent};
    enum result result;
    size_t bytes;
    do
        result = ledger_copy_forward(rig->writer, &order, &bytes);
    while (result == AGAIN);
    return result;
}

// Twenty receipts in eight segments and more, of which every ninth is still owed.
static void mostly_settled(struct rig *rig)
{
    for (unsigned i = 0; i < 20; i++)
        assert_true(instance_add(rig, 0, 1 + i % 3, false));
    for (unsigned i = 0; i < 20; i++)
        if (i % 9 != 0)
            outcome_add(rig, &rig->instances[i], 1);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
}

static uint64_t open_count(struct rig *rig)
{
    struct ledger_stats stats;
    assert_int_equal(ledger_stats_get(rig->store.env, &stats), OK);
    uint64_t open = stats.totals.open;
    ledger_stats_fini(&stats);
    return open;
}

static void test_copy_forward(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    size_t gone = 0;
    assert_non_null(rig);
    setup(rig, 3);
    mostly_settled(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    size_t pinned = segments_of(rig, 0);
    assert_in_range(pinned, 4, 8);
    assert_int_equal(forward(rig, true), OK);
    assert_int_equal(ledger_writer_counters_get(rig->writer)->copied, 2);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_int_equal(gone, 0); // not before the ledger has committed what it has read of the copies
    catch_up(rig);
    assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_in_range(gone, 2, 4);
    assert_int_equal(open_count(rig), 3);
    assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    life_end(rig, false);
    life_begin(rig);
    facts_check(rig);
    assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    for (unsigned i = 0; i < 20; i += 9)
        outcome_add(rig, &rig->instances[i], 1);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, &gone), OK);
    assert_int_equal(open_count(rig), 0);
    assert_int_equal(segments_of(rig, JOURNAL_STREAM_COPY), 0);
    teardown(rig);
    free(rig);
}

// One that is larger than a segment of copies, made in small steps: its first segment is full and the ledger
// past it long before the copy has its CLOSE, and must stay all the same.
static void test_copy_in_steps(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    enum result result = AGAIN;
    size_t bytes;
    unsigned steps = 0;
    assert_non_null(rig);
    setup(rig, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_true(instance_add(rig, 0, i == 1 ? 7 : 2, false));
    for (unsigned i = 0; i < 8; i++)
        assert_true(instance_add(rig, 0, 2, true));
    outcome_add(rig, &rig->instances[0], 1);
    outcome_add(rig, &rig->instances[2], 1);
    run_for(rig, NSEC_PER_SEC);
    life_end(rig, false); // those without CLOSE are given up
    life_begin(rig);
    struct ledger_forward_order order = {.budget = CHUNK, .is_urgent = true};
    for (; result == AGAIN; steps++) {
        result = ledger_copy_forward(rig->writer, &order, &bytes);
        catch_up(rig);
        assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
    }
    assert_int_equal(result, OK);
    assert_in_range(steps, 7, 40);
    assert_int_equal(ledger_writer_counters_get(rig->writer)->copied, 1);
    assert_int_equal(segments_of(rig, JOURNAL_STREAM_COPY), 2);
    assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    assert_int_equal(open_count(rig), 1);
    teardown(rig);
    free(rig);
}

static size_t complete_of(struct rig *rig, uint16_t stream)
{
    struct journal_segment_info infos[64];
    size_t complete = 0;
    for (size_t i = journal_segments_get(rig->journal, stream, 1, infos, 64); i-- > 0;)
        complete += infos[i].state == JOURNAL_SEGMENT_CLOSED;
    return complete;
}

static void restart(struct rig *rig, bool is_ledger_lost)
{
    life_end(rig, false);
    if (is_ledger_lost) {
        test_store_fini(&rig->store);
        test_store_init(&rig->store, STORE_SIM, &ledger_schema);
        test_store_close(&rig->store);
    }
    life_begin(rig);
}

// The delivery of an instance to an archive as the ledger has it.
static void delivery_check(struct rig *rig, size_t index, uint32_t archive, enum delivery_state state,
                           uint32_t attempts, uint32_t failures)
{
    struct ledger_fact fact;
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(rig->store.env, rig->instances[index].receipt, &fact), OK);
    struct fact_delivery *delivery = fact_delivery_find(&fact, archive);
    assert_true(delivery != NULL && delivery->owed);
    assert_string_equal(delivery_state_text(delivery->state), delivery_state_text(state));
    assert_int_equal(delivery->attempts, attempts);
    assert_int_equal(delivery->failures, failures);
    if (state == DELIVERY_SENT)
        assert_int_equal(delivery->header[0], 7);
    if (state == DELIVERY_PARKED)
        assert_string_equal(delivery->remark, "not now");
    fact_fini(&fact);
}

// Twenty receipts owed to two archives. The first has settled all of them; the second what is not below:
// number 0 may have been sent to it, number 9 is parked after a failure. Both lie in the copy stream in the
// end, and of what was reported before no segment is left.
static void copied_and_reclaimed(struct rig *rig)
{
    rig->archives = 2;
    for (unsigned i = 0; i < 20; i++)
        assert_true(instance_add(rig, 0, 1 + i % 3, false));
    sent_add(rig, &rig->instances[9], 1, 2);
    report_add(rig, &rig->instances[9], 1, 2, RECORD_FAILED);
    report_add(rig, &rig->instances[9], 1, 2, RECORD_PARKED);
    sent_add(rig, &rig->instances[0], 1, 2);
    for (unsigned i = 0; i < 20; i++) {
        report_add(rig, &rig->instances[i], 1, 1, RECORD_SETTLED);
        if (i % 9 != 0 || i == 18)
            report_add(rig, &rig->instances[i], 1, 2, RECORD_SETTLED);
    }
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    restart(rig, false); // closes all segments
    assert_int_equal(forward(rig, true), OK);
    catch_up(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
    assert_int_equal(complete_of(rig, 0) + complete_of(rig, 1), 0);
}

// A copy tells what had become of its receipt, so a ledger made anew sends nothing to an archive that has it.
static void test_copies_tell(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    setup(rig, 5);
    copied_and_reclaimed(rig);
    for (unsigned again = 0; again < 2; again++) {
        restart(rig, again == 0);
        assert_int_equal(open_count(rig), 2);
        delivery_check(rig, 0, 1, DELIVERY_SETTLED, 0, 0);
        delivery_check(rig, 0, 2, DELIVERY_SENT, 1, 0);
        delivery_check(rig, 9, 1, DELIVERY_SETTLED, 0, 0);
        delivery_check(rig, 9, 2, DELIVERY_PARKED, 1, 1);
        assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    }
    teardown(rig);
    free(rig);
}

// What was reported after the copy counts once, in whatever order it is read: a person's retry, and what came
// of it.
static void test_copies_and_later_reports(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    setup(rig, 6);
    copied_and_reclaimed(rig);
    report_add(rig, &rig->instances[9], 0, 2, RECORD_UNPARKED);
    sent_add(rig, &rig->instances[9], 0, 2);
    report_add(rig, &rig->instances[0], 1, 2, RECORD_SETTLED);
    run_for(rig, NSEC_PER_SEC);
    restart(rig, true);
    assert_int_equal(open_count(rig), 1);
    delivery_check(rig, 0, 2, DELIVERY_SETTLED, 1, 0);
    delivery_check(rig, 9, 2, DELIVERY_SENT, 2, 1);
    restart(rig, false); // a copy of the copy knows more than the one before it
    report_add(rig, &rig->instances[9], 1, 2, RECORD_ANSWERED);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    assert_int_equal(forward(rig, true), OK);
    assert_int_equal(ledger_writer_counters_get(rig->writer)->copied, 1);
    for (unsigned again = 0; again < 3; again++) {
        restart(rig, again != 1); // with the segment of the first copy, and then without it
        delivery_check(rig, 9, 2, DELIVERY_ANSWERED, 2, 1);
        assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
    }
    assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    teardown(rig);
    free(rig);
}

static void on_stopped(void *arg)
{
    (void)arg;
}

// As the daemon does it: what was made in advance goes.
static void streams_stop(struct rig *rig)
{
    for (unsigned i = 0; i < STREAMS; i++)
        journal_stream_stop(rig->streams[i], on_stopped, NULL);
    run_for(rig, NSEC_PER_SEC);
}

// Where nothing but copies is left, and the ledger is lost with the numbers that it kept: what is reported
// and received from then on is taken for new all the same.
static void test_copies_keep_numbers(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    setup(rig, 8);
    copied_and_reclaimed(rig);
    streams_stop(rig);
    assert_int_equal(segments_of(rig, 0) + segments_of(rig, 1), 0);
    restart(rig, true);
    assert_int_equal(open_count(rig), 2);
    report_add(rig, &rig->instances[9], 1, 2, RECORD_UNPARKED);
    for (unsigned i = 0; i < 10; i++)
        assert_true(instance_add(rig, 0, 1, false));
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    delivery_check(rig, 9, 2, DELIVERY_OWED, 1, 1);
    assert_int_equal(open_count(rig), 12);
    teardown(rig);
    free(rig);
}

// Of an original that lies in two segments the first has gone and the second, with its CLOSE, is kept for
// another receipt: the copy is what counts, also where no later CLOSE says that the original was durable.
static void test_copy_of_half_an_original(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct journal_receipt receipt = {0};
    assert_non_null(rig);
    setup(rig, 7);
    assert_true(instance_add(rig, 0, 3, false));
    assert_int_equal(instance_begin(rig, 0, &receipt), OK);
    assert_int_equal(chunks_add(rig, 0, &receipt, 1), OK);
    assert_true(instance_add(rig, 0, 2, false)); // the first segment is full
    assert_true(instance_add(rig, 0, 4, false)); // so much of the second that it is not copied
    assert_int_equal(instance_end(rig, 0, &receipt), AGAIN);
    journal_receipt_end(&receipt);
    report_add(rig, &rig->instances[0], 0, 1, RECORD_SETTLED); // into the second segment
    report_add(rig, &rig->instances[1], 0, 1, RECORD_SETTLED);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    restart(rig, false);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK); // what was made in advance
    assert_int_equal(complete_of(rig, 0), 2);
    assert_int_equal(forward(rig, true), OK);
    assert_int_equal(ledger_writer_counters_get(rig->writer)->copied, 1);
    catch_up(rig);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
    assert_int_equal(complete_of(rig, 0), 1);
    assert_int_equal(open_count(rig), 2);
    restart(rig, true);
    assert_int_equal(open_count(rig), 2);
    delivery_check(rig, 3, 1, DELIVERY_OWED, 0, 0);
    assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
    teardown(rig);
    free(rig);
}

// The same of one that every archive has: nothing of it is owed by a ledger made anew, though its report has
// gone, too. There is nothing left that could be sent.
static void test_half_of_what_is_settled(void **state)
{
    (void)state;
    struct rig *rig = calloc(1, sizeof *rig);
    struct ledger_fact fact;
    assert_non_null(rig);
    setup(rig, 9);
    assert_true(instance_add(rig, 0, 6, false)); // into the second segment
    assert_true(instance_add(rig, 0, 3, false)); // so much of that that it is not copied
    report_add(rig, &rig->instances[0], 1, 1, RECORD_SETTLED);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    restart(rig, false);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
    assert_int_equal(complete_of(rig, 0) + complete_of(rig, 1), 1);
    assert_int_equal(open_count(rig), 1);
    restart(rig, true);
    assert_int_equal(open_count(rig), 1);
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(rig->store.env, rig->instances[0].receipt, &fact), OK);
    assert_int_equal(fact.state, FACT_ORPHAN);
    fact_fini(&fact);
    teardown(rig);
    free(rig);
}

// What may fail in the making of a copy leaves everything where it was, and is made up for later.
static void test_copy_errors(void **state)
{
    (void)state;
    static const enum fs_sim_fault faults[] = {FS_SIM_FAULT_DATASYNC, FS_SIM_FAULT_WRITE, FS_SIM_FAULT_READ,
                                               FS_SIM_FAULT_DIR_SYNC};
    unsigned failed = 0;
    for (unsigned i = 0; i < 4 * 6; i++) {
        struct rig *rig = calloc(1, sizeof *rig);
        assert_non_null(rig);
        setup(rig, 30 + i);
        mostly_settled(rig);
        assert_int_equal(fs_sim_fault_arm(rig->disk, faults[i % 4], "journal", i / 4), OK);
        failed += forward(rig, true) != OK;
        fs_sim_faults_clear(rig->disk);
        catch_up(rig);
        assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
        assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
        run_for(rig, 120 * NSEC_PER_SEC);
        assert_int_equal(forward(rig, true), OK);
        catch_up(rig);
        assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
        life_end(rig, i % 2 == 0);
        life_begin(rig);
        assert_int_equal(ledger_writer_counters_get(rig->writer)->corrupt, 0);
        assert_int_equal(open_count(rig), 3);
        assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
        teardown(rig);
        free(rig);
    }
    assert_in_range(failed, 8, 24);
}

static void life_load(struct rig *rig, uint64_t *random)
{
    for (unsigned step = 0; step < 40 && rig->count < INSTANCES_MAX; step++) {
        uint64_t choice = test_random(random) % 10;
        uint16_t stream = (uint16_t)(test_random(random) % STREAMS);
        if (choice < 4) {
            (void)instance_add(rig, stream, 1 + (unsigned)(test_random(random) % 4), choice == 0);
        } else if (choice < 7 && rig->count > 0) {
            struct instance *instance = &rig->instances[test_random(random) % rig->count];
            if (instance->is_durable && instance->report.done == NULL)
                outcome_add(rig, instance, stream);
        } else if (choice < 9) {
            run_for(rig, 300 * NSEC_PER_MS);
            if (ledger_catch_up(rig->writer, 1 + test_random(random) % 100) == ERR_IO)
                return; // it died in the commit
            if (test_random(random) % 2 == 0)
                (void)!forward(rig, true);
            (void)!ledger_reclaim(rig->writer, SIZE_MAX, NULL);
        } else if (test_random(random) % 3 == 0) {
            kv_sim_fault_set(
                rig->store.disk,
                test_random(random) % 2 == 0 ? KV_SIM_CRASH_BEFORE_COMMIT : KV_SIM_CRASH_AFTER_COMMIT, 0);
        }
    }
}

static void test_crashes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct rig *rig = calloc(1, sizeof *rig);
        uint64_t random = seed * 6364136223846793005u;
        assert_non_null(rig);
        setup(rig, seed);
        for (unsigned life = 0; life < LIVES; life++) {
            life_load(rig, &random);
            life_end(rig, true);
            kv_sim_fault_set(rig->store.disk, KV_SIM_NONE, 0);
            for (size_t i = 0; i < rig->count; i++) // what was reported and lost is reported again
                if (!rig->instances[i].is_reported)
                    rig->instances[i].report.done = NULL;
            life_begin(rig);
            facts_check(rig);
            assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
        }
        teardown(rig);
        free(rig);
    }
}

// The power goes at any step of the disk, those of reclaim among them, and takes the ledger's store along.
static bool has_power(void *argument)
{
    return !fs_sim_is_cut(argument);
}

// ENGINE 4, cut between every two steps: of copying, of reading the copies back, of destroying the key, of
// removing the file; then once more with the steps that are left.
static void test_copy_cuts(void **state)
{
    (void)state;
    bool was_cut = true;
    unsigned steps = 0;
    for (; was_cut; steps++) {
        struct rig *rig = calloc(1, sizeof *rig);
        assert_non_null(rig);
        setup(rig, 100 + steps);
        mostly_settled(rig);
        kv_sim_power_set(rig->store.disk, has_power, rig->disk);
        fs_sim_power_cut_after(rig->disk, steps);
        (void)!forward(rig, true);
        (void)!ledger_catch_up(rig->writer, 0);
        (void)!ledger_reclaim(rig->writer, SIZE_MAX, NULL);
        was_cut = fs_sim_is_cut(rig->disk);
        for (unsigned again = 0; again < 2; again++) {
            life_end(rig, true);
            life_begin(rig);
            assert_int_equal(ledger_writer_counters_get(rig->writer)->corrupt, 0);
            facts_check(rig);
            assert_int_equal(open_count(rig), 3);
            assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
            assert_int_equal(forward(rig, true), OK);
            catch_up(rig);
            assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
        }
        assert_in_range(segments_of(rig, 0), 0, 4); // the last one was full of what is owed
        teardown(rig);
        free(rig);
    }
    assert_in_range(steps, 15, 200);
}

static void test_power_cuts(void **state)
{
    (void)state;
    unsigned cuts = 0;
    uint64_t durable = 0;
    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        struct rig *rig = calloc(1, sizeof *rig);
        uint64_t random = seed * 6364136223846793005u;
        assert_non_null(rig);
        setup(rig, seed);
        kv_sim_power_set(rig->store.disk, has_power, rig->disk);
        for (unsigned life = 0; life < LIVES; life++) {
            fs_sim_power_cut_after(rig->disk, test_random(&random) % 100);
            life_load(rig, &random);
            cuts += fs_sim_is_cut(rig->disk);
            life_end(rig, true);
            kv_sim_fault_set(rig->store.disk, KV_SIM_NONE, 0);
            for (size_t i = 0; i < rig->count; i++)
                if (!rig->instances[i].is_reported)
                    rig->instances[i].report.done = NULL;
            life_begin(rig);
            facts_check(rig);
            assert_int_equal(open_index_each(rig->store.env, open_check, rig), OK);
        }
        for (size_t i = 0; i < rig->count; i++)
            durable += rig->instances[i].is_durable;
        teardown(rig);
        free(rig);
    }
    assert_in_range(cuts, HISTORIES * LIVES / 4, HISTORIES * LIVES);
    assert_in_range(durable, 50, 100000);
}

int main(void)
{
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follow_and_reclaim),
        cmocka_unit_test(test_copy_forward),
        cmocka_unit_test(test_copy_in_steps),
        cmocka_unit_test(test_copy_errors),
        cmocka_unit_test(test_copy_cuts),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_copies_tell),
        cmocka_unit_test(test_copies_and_later_reports),
        cmocka_unit_test(test_copies_keep_numbers),
        cmocka_unit_test(test_copy_of_half_an_original),
        cmocka_unit_test(test_half_of_what_is_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
