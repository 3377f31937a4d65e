// SPDX-License-Identifier: Apache-2.0
//
// Evidence of edits: as bytes, and in the ledger, where it is exactly when the fact says that the instance
// was sent with these edits, whatever crashes in between.
#include "base/log.h"
#include "base/units.h"
#include "store/evidence.h"
#include "store/ledger_evidence.h"
#include "store/ledger_reader.h"
#include "store/rebuild.h"
#include "tail_support.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

// ---- bytes

static struct slice text(const char *from)
{
    return slice_of_text(from);
}

static const struct evidence_edit two_edits[] = {
    {.pack = {(const uint8_t *)"site", 4},
     .version = {(const uint8_t *)"1.2", 3},
     .rule = {(const uint8_t *)"names", 5},
     .path = {(const uint8_t *)"PatientName", 11},
     .vr = {'P', 'N'},
     .was_present = true,
     .before = {(const uint8_t *)"M\xc3\xbcller^Eva", 11},
     .after = {(const uint8_t *)"MUELLER^EVA", 11}},
    {.pack = {(const uint8_t *)"crosswalk", 9},
     .path = {(const uint8_t *)"(0010,0021)", 11},
     .vr = {'L', 'O'},
     .is_removed = true},
};

static void test_round_trip(void **state)
{
    (void)state;
    static struct evidence_edit edits[EVIDENCE_EDITS_MAX];
    struct evidence in = {two_edits, 2, text("undo")};
    struct evidence out;
    uint8_t *bytes;
    size_t length;
    assert_int_equal(evidence_encode(&in, &bytes, &length), OK);
    assert_int_equal(evidence_decode(slice_of(bytes, length), edits, &out), OK);
    assert_int_equal(out.count, 2);
    assert_true(slice_is_text(out.undo, "undo"));
    assert_true(slice_is_text(out.edit[0].rule, "names") && slice_is_text(out.edit[0].version, "1.2"));
    assert_true(slice_is_equal(out.edit[0].before, two_edits[0].before) && out.edit[0].was_present);
    assert_memory_equal(out.edit[0].vr, "PN", 2);
    assert_true(slice_is_text(out.edit[1].pack, "crosswalk") && out.edit[1].version.length == 0);
    assert_true(out.edit[1].is_removed && !out.edit[1].was_present && out.edit[1].after.length == 0);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(evidence_decode(slice_of(bytes, cut), edits, &out), ERR_FORMAT);
    free(bytes);
}

// The bytes are a promise to readers in ten years: {1: [{...}], 2: undo}.
static void test_golden(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0xbf, 0x01, 0x9f, 0xbf, 0x01, 0x61, 'p',  0x02, 0x61,
                                       'v',  0x03, 0x61, 'r',  0x04, 0x61, 'x',  0x05, 0x62,
                                       'L',  'O',  0x06, 0xf5, 0x07, 0xf5, 0x08, 0x61, 'b',
                                       0x09, 0x61, 'a',  0xff, 0xff, 0x02, 0x41, 'u',  0xff};
    const struct evidence_edit edit = {text("p"), text("v"), text("r"), text("x"), {'L', 'O'},
                                       true,      true,      text("b"), text("a")};
    struct evidence in = {&edit, 1, text("u")};
    uint8_t *bytes;
    size_t length;
    assert_int_equal(evidence_encode(&in, &bytes, &length), OK);
    assert_int_equal(length, sizeof expected);
    assert_memory_equal(bytes, expected, sizeof expected);
    free(bytes);
}

static void test_limits(void **state)
{
    (void)state;
    static struct evidence_edit edits[EVIDENCE_EDITS_MAX + 1];
    static struct evidence_edit read[EVIDENCE_EDITS_MAX];
    static uint8_t undo[EVIDENCE_BYTES_MAX];
    static uint8_t body[JOURNAL_BODY_MAX];
    struct evidence in = {edits, EVIDENCE_EDITS_MAX, text("")};
    struct evidence out;
    uint8_t *bytes;
    size_t length;
    assert_int_equal(evidence_encode(&in, &bytes, &length), OK);
    assert_int_equal(evidence_decode(slice_of(bytes, length), read, &out), OK);
    assert_int_equal(out.count, EVIDENCE_EDITS_MAX);
    free(bytes);
    in.count++;
    assert_int_equal(evidence_encode(&in, &bytes, &length), ERR_LIMIT);
    in = (struct evidence){edits, 0, slice_of(undo, sizeof undo)};
    assert_int_equal(evidence_encode(&in, &bytes, &length), ERR_LIMIT);
    // The greatest one is one SENT.
    while (evidence_encode(&in, &bytes, &length) == ERR_LIMIT)
        in.undo.length--;
    assert_int_equal(length, EVIDENCE_BYTES_MAX);
    struct record_sent sent = {.archive = 1, .evidence = slice_of(bytes, length)};
    assert_int_equal(record_sent_encode(&sent, body, sizeof body, &length), OK);
    assert_int_equal(record_sent_decode(slice_of(body, length), &sent), OK);
    assert_int_equal(sent.evidence.length, EVIDENCE_BYTES_MAX);
    sent.evidence = slice_of(body, EVIDENCE_BYTES_MAX + 1);
    assert_int_equal(record_sent_encode(&sent, body, sizeof body, &length), ERR_LIMIT);
    free(bytes);
}

static void test_hostile(void **state)
{
    (void)state;
    static struct evidence_edit edits[EVIDENCE_EDITS_MAX];
    static const struct {
        uint8_t bytes[16];
        size_t length;
    } bad[] = {
        {{0x80}, 1},                                                              // no map
        {{0xa1, 0x01, 0xa0}, 3},                                                  // edits are no array
        {{0xa1, 0x01, 0x81, 0x00}, 4},                                            // an edit is no map
        {{0xa1, 0x01, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 11}, // 2^64 edits
        {{0xa1, 0x02, 0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 11}, // a long undo
        {{0xa1, 0x01, 0x81, 0xa1, 0x05, 0x61, 'L'}, 7},                           // VR of one letter
        {{0xa1, 0x01, 0x81, 0xa1, 0x04, 0x41, 'x'}, 7},                           // a path in bytes
        {{0xa0, 0x00}, 2},                                                        // something behind it
    };
    struct evidence out;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(evidence_decode(slice_of(bad[i].bytes, bad[i].length), edits, &out), ERR_FORMAT);
    static const uint8_t unknown[] = {0xa2, 0x18, 99, 0x81, 0xf5, 0x01, 0x81, 0xa1, 0x18, 99, 0x00};
    assert_int_equal(evidence_decode(slice_of(unknown, sizeof unknown), edits, &out), OK);
    assert_int_equal(out.count, 1);
}

// ---- in the ledger

enum { GREAT = RECORD_EVIDENCE_MAX };

// What was sent with edits number `version`, told by the bytes.
static struct slice content(uint8_t version, size_t length)
{
    static uint8_t bytes[GREAT];
    memset(bytes, version, length);
    return slice_of(bytes, length);
}

static enum result edited_add(struct rig *rig, const struct instance *instance, uint8_t version,
                              size_t length)
{
    struct journal_place place;
    struct record_sent sent = {.archive = 1,
                               .attempt = 1,
                               .header = {7},
                               .edits = {version},
                               .pack = {9},
                               .crosswalk = 3,
                               .evidence = content(version, length),
                               .time = 5};
    return journal_append_sent(rig->streams[0], instance->receipt, &sent, &place);
}

static enum result kept_get(struct rig *rig, uint64_t receipt, uint8_t version, size_t length)
{
    const uint8_t edits[RECORD_DIGEST_SIZE] = {version};
    struct ledger_evidence_reader *reader;
    struct slice evidence;
    assert_int_equal(ledger_evidence_reader_new(rig->store.env, rig->keyring, &reader), OK);
    enum result result = ledger_evidence_get(reader, receipt, 1, edits, &evidence);
    if (result == OK)
        assert_true(slice_is_equal(evidence, content(version, length)));
    ledger_evidence_reader_free(reader);
    return result;
}

static uint32_t attempts_of(struct rig *rig, uint64_t receipt)
{
    struct ledger_fact fact;
    uint32_t attempts = 0;
    fact_init(&fact);
    if (ledger_find_receipt(rig->store.env, receipt, &fact) == OK) {
        const struct fact_delivery *delivery = fact_delivery_find(&fact, 1);
        attempts = delivery != NULL ? delivery->attempts : 0;
    }
    fact_fini(&fact);
    return attempts;
}

static struct rig *rig_new(uint64_t seed)
{
    struct rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    setup(rig, seed);
    return rig;
}

static void rig_free(struct rig *rig)
{
    teardown(rig);
    free(rig);
}

static void test_versions(void **state)
{
    (void)state;
    uint8_t edits[LEDGER_EVIDENCE_VERSIONS][RECORD_DIGEST_SIZE];
    struct ledger_evidence_reader *reader;
    size_t count;
    struct rig *rig = rig_new(1);
    assert_true(instance_add(rig, 0, 1, false) && instance_add(rig, 0, 1, false));
    const struct instance *one = &rig->instances[0];
    assert_int_equal(edited_add(rig, one, 2, 100), OK);
    assert_int_equal(edited_add(rig, one, 1, GREAT), OK);
    assert_int_equal(edited_add(rig, one, 2, 100), OK); // a resend
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    assert_int_equal(attempts_of(rig, one->receipt), 3);
    for (unsigned life = 0; life < 2; life++) {
        assert_int_equal(kept_get(rig, one->receipt, 1, GREAT), OK);
        assert_int_equal(kept_get(rig, one->receipt, 2, 100), OK);
        assert_int_equal(kept_get(rig, one->receipt, 3, 100), ERR_MISSING);
        assert_int_equal(kept_get(rig, rig->instances[1].receipt, 1, GREAT), ERR_MISSING);
        assert_int_equal(ledger_evidence_reader_new(rig->store.env, rig->keyring, &reader), OK);
        assert_int_equal(ledger_evidence_versions(reader, one->receipt, 1, edits, &count), OK);
        assert_int_equal(count, 2);
        assert_true(edits[0][0] == 1 && edits[1][0] == 2);
        ledger_evidence_reader_free(reader);
        life_end(rig, false);
        life_begin(rig);
    }
    // Another life seals under a key of its own; both open.
    assert_int_equal(edited_add(rig, &rig->instances[1], 4, 100), OK);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    assert_int_equal(kept_get(rig, rig->instances[1].receipt, 4, 100), OK);
    assert_int_equal(kept_get(rig, one->receipt, 2, 100), OK);
    rig_free(rig);
}

// Far more than one batch holds.
static void test_many_great(void **state)
{
    (void)state;
    enum { MANY = 80 };
    struct rig *rig = rig_new(2);
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(instance_add(rig, 0, 1, false));
        assert_int_equal(edited_add(rig, &rig->instances[i], (uint8_t)(i + 1), GREAT), OK);
        run_for(rig, NSEC_PER_SEC);
    }
    kv_sim_fault_set(rig->store.disk, KV_SIM_MAP_FULL, 40); // and once more from the start
    catch_up(rig);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(kept_get(rig, rig->instances[i].receipt, (uint8_t)(i + 1), GREAT), OK);
    rig_free(rig);
}

// The power goes at every operation of the disk between the SENT and its commit, and the store dies in its
// commit: a fact with a SENT has its evidence, and what was durable in the journal has both.
static void test_cut_everywhere(void **state)
{
    (void)state;
    bool was_cut = true;
    for (uint64_t cut = 0; was_cut; cut++) {
        struct rig *rig = rig_new(3);
        assert_true(instance_add(rig, 0, 1, false));
        run_for(rig, NSEC_PER_SEC);
        const struct instance *one = &rig->instances[0];
        assert_true(one->is_durable);
        fs_sim_power_cut_after(rig->disk, cut);
        (void)!edited_add(rig, one, 1, cut % 2 == 0 ? GREAT : 100);
        run_for(rig, NSEC_PER_SEC);
        outcome_add(rig, &rig->instances[0], 0);
        run_for(rig, NSEC_PER_SEC);
        bool is_reported = one->is_reported; // durable, and so is the SENT before it
        if (cut % 3 != 0)
            kv_sim_fault_set(rig->store.disk,
                             cut % 3 == 1 ? KV_SIM_CRASH_BEFORE_COMMIT : KV_SIM_CRASH_AFTER_COMMIT, 0);
        (void)!ledger_catch_up(rig->writer, 0);
        kv_sim_fault_set(rig->store.disk, KV_SIM_NONE, 0); // if it has not come so far
        was_cut = fs_sim_is_cut(rig->disk);
        life_end(rig, true);
        life_begin(rig);
        uint32_t attempts = attempts_of(rig, one->receipt);
        assert_int_equal(kept_get(rig, one->receipt, 1, cut % 2 == 0 ? GREAT : 100),
                         attempts > 0 ? OK : ERR_MISSING);
        assert_true(attempts == 1 || !is_reported);
        rig_free(rig);
    }
}

// ---- copies and rebuilding

static void store_replace(struct rig *rig, struct test_store *former)
{
    *former = rig->store;
    test_store_init(&rig->store, STORE_SIM, &ledger_schema);
    test_store_close(&rig->store);
}

// One receipt, edited, whose journal segments have all gone but for its copy.
static void copied(struct rig *rig)
{
    struct ledger_forward_order order = {.budget = 300 * KIB, .is_urgent = true};
    size_t bytes;
    rig->archives = 2;
    for (unsigned i = 0; i < 9; i++)
        assert_true(instance_add(rig, 0, 2, false));
    assert_int_equal(edited_add(rig, &rig->instances[4], 6, 5000), OK);
    report_add(rig, &rig->instances[4], 0, 1, RECORD_SETTLED);
    for (unsigned i = 0; i < 9; i++)
        for (uint32_t archive = 1; archive <= 2 && i != 4; archive++)
            report_add(rig, &rig->instances[i], 0, archive, RECORD_SETTLED);
    report_add(rig, &rig->instances[4], 0, 2, RECORD_HELD);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    life_end(rig, false);
    life_begin(rig);
    while (ledger_copy_forward(rig->writer, &order, &bytes) == AGAIN)
        ;
    catch_up(rig);
    assert_int_equal(ledger_writer_counters_get(rig->writer)->copied, 1);
    assert_int_equal(ledger_reclaim(rig->writer, SIZE_MAX, NULL), OK);
}

static void delivery_get(struct rig *rig, uint64_t receipt, uint32_t archive, struct ledger_fact *fact,
                         struct fact_delivery **delivery)
{
    fact_init(fact);
    assert_int_equal(ledger_find_receipt(rig->store.env, receipt, fact), OK);
    *delivery = fact_delivery_find(fact, archive);
    assert_non_null(*delivery);
}

static void test_rebuilt(void **state)
{
    (void)state;
    struct rig *rig = rig_new(4);
    struct test_store former;
    struct ledger_rebuild_counts counts = {0};
    struct ledger_fact fact;
    struct fact_delivery *delivery;
    copied(rig);
    uint64_t receipt = rig->instances[4].receipt;
    assert_int_equal(kept_get(rig, receipt, 6, 5000), OK);
    life_end(rig, false);
    store_replace(rig, &former);
    life_begin(rig);
    // The copy tells which edits; what they were only the former ledger knows.
    delivery_get(rig, receipt, 1, &fact, &delivery);
    assert_true(delivery->edits[0] == 6 && delivery->pack[0] == 9 && delivery->crosswalk == 3);
    fact_fini(&fact);
    delivery_get(rig, receipt, 2, &fact, &delivery);
    assert_int_equal(delivery->state, DELIVERY_HELD);
    fact_fini(&fact);
    assert_int_equal(kept_get(rig, receipt, 6, 5000), ERR_MISSING);
    test_store_open(&former);
    assert_int_equal(ledger_rebuild_keep(rig->writer, former.env, &counts), OK);
    assert_int_equal(counts.damaged, 0);
    assert_int_equal(kept_get(rig, receipt, 6, 5000), OK);
    test_store_close(&former);
    test_store_fini(&former);
    rig_free(rig);
}

// Copies are read first, and tell of a SENT whose record is still there: its evidence is taken.
static void test_rebuilt_from_journal(void **state)
{
    (void)state;
    struct ledger_forward_order order = {.budget = 300 * KIB, .is_urgent = true};
    struct rig *rig = rig_new(5);
    struct test_store former;
    size_t bytes;
    for (unsigned i = 0; i < 9; i++)
        assert_true(instance_add(rig, 0, 2, false));
    assert_int_equal(edited_add(rig, &rig->instances[0], 6, 5000), OK);
    for (unsigned i = 1; i < 9; i++)
        outcome_add(rig, &rig->instances[i], 0);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    life_end(rig, false);
    life_begin(rig);
    while (ledger_copy_forward(rig->writer, &order, &bytes) == AGAIN)
        ;
    catch_up(rig);
    assert_int_equal(ledger_writer_counters_get(rig->writer)->copied, 1);
    life_end(rig, false);
    store_replace(rig, &former);
    life_begin(rig);
    assert_int_equal(attempts_of(rig, rig->instances[0].receipt), 1);
    assert_int_equal(kept_get(rig, rig->instances[0].receipt, 6, 5000), OK);
    test_store_fini(&former);
    rig_free(rig);
}

// Bytes of one that were put in the place of another, or changed, do not open.
static void test_moved_or_changed(void **state)
{
    (void)state;
    struct rig *rig = rig_new(6);
    struct kv_transaction transaction;
    struct kv_cursor cursor;
    uint8_t key[2][64], value[512];
    size_t length = 0;
    assert_true(instance_add(rig, 0, 1, false) && instance_add(rig, 0, 1, false));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(edited_add(rig, &rig->instances[i], 1, 100), OK);
    run_for(rig, NSEC_PER_SEC);
    catch_up(rig);
    unsigned database = 0;
    while (strcmp(ledger_schema.databases[database].name, "evidence") != 0)
        database++;
    assert_int_equal(kv_begin(rig->store.env, KV_WRITE, &transaction), OK);
    assert_int_equal(kv_cursor_init(&cursor, &transaction, database), OK);
    assert_int_equal(kv_cursor_first(&cursor), OK);
    memcpy(key[0], cursor.key.data, cursor.key.length);
    length = cursor.value.length;
    assert_int_equal(length, 100 + 28);
    memcpy(value, cursor.value.data, length);
    assert_int_equal(kv_cursor_next(&cursor), OK);
    struct slice other = slice_of(key[1], cursor.key.length);
    memcpy(key[1], cursor.key.data, cursor.key.length);
    kv_cursor_fini(&cursor);
    assert_int_equal(kv_put(&transaction, database, other, slice_of(value, length), KV_PLAIN), OK);
    value[50] ^= 1;
    assert_int_equal(
        kv_put(&transaction, database, slice_of(key[0], other.length), slice_of(value, length), KV_PLAIN),
        OK);
    assert_int_equal(kv_commit(&transaction), OK);
    assert_int_equal(kept_get(rig, rig->instances[0].receipt, 1, 100), ERR_CRYPTO);
    assert_int_equal(kept_get(rig, rig->instances[1].receipt, 1, 100), ERR_CRYPTO);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_many_great),
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_rebuilt),
        cmocka_unit_test(test_rebuilt_from_journal),
        cmocka_unit_test(test_moved_or_changed),
    };
    log_configure(LOG_OUTPUT_NONE, LOG_LEVEL_ALERT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
