// SPDX-License-Identifier: Apache-2.0
//
// Rules and crosswalk on the way to an archive (FIELD 4, ENGINE 5): no byte before the verdict, edited bytes
// and nothing else afterwards, and what is held is held until somebody or something lets it go.
#include "lane_edit_rig.h"

#include "base/cursor.h"
#include "base/log.h"
#include "base/text.h"
#include "base/utf8.h"
#include "daemon/news.h"
#include "dimse/status.h"
#include "fake_edit.h"
#include "forward/archive.h"
#include "pacs.h"
#include "speak.h"
#include "store/ledger_evidence.h"
#include "store/ledger_reader.h"
#include "ul/pdu.h"
#include <openssl/evp.h>
#include <stdlib.h>

// ---- it goes ----

static void test_edited(void **state)
{
    (void)state;
    store_one("1.2.3", 300000);
    settle_down();
    uint64_t number = first_of(STAGE_ANSWERED)->receipt->number;
    stored_is("1.2.3", "NEW-0815", 300000);
    assert_int_equal(fake_edit.alive, 0);
    struct ledger_fact fact;
    uint8_t digest[RECORD_DIGEST_SIZE];
    struct slice header = expected_header("1.2.3", "NEW-0815", 300000);
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(rig->ledger, number, &fact), OK);
    assert_int_equal(EVP_Digest(header.data, header.length, digest, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(fact.deliveries[0].header, digest, sizeof digest);
    assert_int_equal(fact.deliveries[0].crosswalk, 7);
    struct ledger_evidence_reader *reader;
    struct slice evidence;
    assert_int_equal(ledger_evidence_reader_new(rig->ledger, rig->keyring, &reader), OK);
    assert_int_equal(ledger_evidence_get(reader, number, 1, fact.deliveries[0].edits, &evidence), OK);
    assert_true(evidence.length > 0);
    ledger_evidence_reader_free(reader);
    fact_fini(&fact);
}

static void test_as_it_came(void **state)
{
    (void)state;
    fake_edit.patient_id = NULL;
    store_one("1.2.3", 300000);
    settle_down();
    stored_is("1.2.3", "4711", 300000);
    fake_edit.node = 2; // no policy for this one
    store_one("1.2.4", 3000);
    settle_down();
    stored_is("1.2.4", "4711", 3000);
    assert_int_equal(fake_edit.begun, 1);
    assert_int_equal(archive()->answered.count, 2);
}

// Read back from the journal, further than two pieces, and again from the first one on.
static void test_cold(void **state)
{
    (void)state;
    fake_edit.reads = 3000000;
    atomic_store(&archive()->node->is_paused, true);
    store_one("1.2.4", 3000);
    store_one("1.2.3", 5000000);
    rig_crash(rig);
    rig_boot(rig);
    memory_network_set_path(rig->network, &(struct memory_path){.buffer = 3000, .segment_max = 900});
    atomic_store(&archive()->node->is_paused, false);
    archive()->lane_limit = 1;
    archive_pump_later(archive());
    rig_run(rig, 300 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
    assert_in_range(fake_edit.bytes_looked, 3000000, 3600000);
    stored_is("1.2.3", "NEW-0815", 5000000);
    assert_int_equal(pacs.complete, 2);
}

// Many on one association, behind each other in the transport.
static void test_several_at_once(void **state)
{
    (void)state;
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = 8;
    pacs.window = -1;
    archive()->lane_limit = 1;
    memory_network_set_path(rig->network, &(struct memory_path){.buffer = 3000, .segment_max = 900});
    atomic_store(&archive()->node->is_paused, true);
    char uid[16];
    for (unsigned i = 0; i < 20; i++) {
        text_format(uid, sizeof uid, "1.2.%u", 100 + i);
        store_one(uid, i % 4 == 0 ? 100000 : 2000);
    }
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    rig_run(rig, 300 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 20);
    assert_int_equal(pacs.accepted, 1);
    stored_is("1.2.119", "NEW-0815", 2000);
}

// ---- the verdict is late ----

static void test_late_verdict(void **state)
{
    (void)state;
    fake_edit.asks = true;
    store_one("1.2.3", 300000);
    store_one("1.2.4", 3000);
    archive()->lane_limit = 1;
    rig_run(rig, 120 * NSEC_PER_SEC);
    assert_int_equal(pacs.accepted, 1);
    assert_int_equal(pacs.stores, 0); // no byte, the command included
    fake_edit_answer();
    fake_edit.asks = false;
    settle_down();
    assert_int_equal(archive()->answered.count, 2);
    assert_int_equal(pacs.complete, 2);
}

// The one before it waits for its answer, and the deadline of that goes on.
static void test_late_verdict_behind_silence(void **state)
{
    (void)state;
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = 8;
    pacs.window = -1;
    pacs.silent_for = "1.2.666";
    archive()->lane_limit = 1;
    store_one("1.2.666", 3000);
    rig_run(rig, NSEC_PER_SEC);
    fake_edit.asks = true;
    store_one("1.2.3", 3000);
    rig_run(rig, 590 * NSEC_PER_SEC);
    assert_int_equal(archive()->sending.count, 2);
    rig_run(rig, 20 * NSEC_PER_SEC);               // overdue: the association is gone
    assert_int_equal(archive()->counters.lost, 1); // the other one was not on its way
    pacs.silent_for = NULL;
    fake_edit.asks = false;
    fake_edit_answer();
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
    assert_int_equal(pacs.complete, 3);
}

static void asked_again(void (*end_life)(struct rig *rig))
{
    fake_edit.asks = true;
    store_one("1.2.3", 3000);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(archive()->sending.count, 1);
    end_life(rig);
    fake_edit.asks = false;
    rig_boot(rig);
    settle_down();
    assert_int_equal(pacs.complete, 1);
    assert_int_equal(first_of(STAGE_ANSWERED)->attempts, 1);
    assert_false(first_of(STAGE_ANSWERED)->is_resent);
}

static void test_stop_while_it_asks(void **state)
{
    (void)state;
    asked_again(rig_stop);
}

static void test_crash_while_it_asks(void **state)
{
    (void)state;
    asked_again(rig_crash);
}

// ---- broken off ----

// It reads no more and says yes: never believed; what lies in the buffers is not lost.
static void test_stops_reading(void **state)
{
    (void)state;
    memory_network_set_path(rig->network, &(struct memory_path){.buffer = 1000, .latency = NSEC_PER_SEC / 2});
    pacs.manner = PACS_ANSWERS_DEAF;
    store_one("1.2.3", 900000);
    store_one("1.2.4", 20000);
    settle_down();
    assert_int_equal(archive()->answered.count, 0);
    memory_network_set_path(rig->network, &(struct memory_path){0});
    pacs.manner = PACS_ANSWERS;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 2);
}

// More than SENT can say: the archive must not have it whole.
static void test_too_large_to_record(void **state)
{
    (void)state;
    fake_edit.is_too_large = true;
    store_one("1.2.3", 900000);
    settle_down();
    one_is_held(EDIT_HOLD_DATA, "more edits than can be recorded");
    assert_int_equal(pacs.complete, 0);
    store_one("1.2.4", 900); // all of it in one fragment
    settle_down();
    assert_int_equal(archive()->held.count, 2);
    assert_int_equal(pacs.complete, 0);
    fake_edit.is_too_large = false;
    assert_int_equal(archive_look_again(archive(), 1u << EDIT_HOLD_DATA), 2);
    settle_down();
    assert_int_equal(archive()->answered.count, 2);
}

// Cut at every so many bytes, towards the archive: whole and edited in the end, each time.
static void test_cut_everywhere(void **state)
{
    (void)state;
    for (uint64_t at = 1, cuts = UINT64_MAX; memory_network_cuts(rig->network) != cuts; at += 23) {
        char uid[16];
        uint64_t answered = archive()->counters.answered;
        cuts = memory_network_cuts(rig->network);
        text_format(uid, sizeof uid, "1.2.%05u", 10000 + stored);
        memory_network_cut_next(rig->network, at, 0);
        store_one(uid, 2000);
        rig_run(rig, 90 * NSEC_PER_SEC);
        assert_int_equal(archive()->counters.answered, answered + 1);
        stored_is(uid, "NEW-0815", 2000);
        assert_int_equal(archive()->lanes.count, 0);
    }
    assert_true(stored > 100);
}

// Without memory, at each place: later, and the archive has nothing of it whole before.
static void test_no_memory(void **state)
{
    (void)state;
    for (enum fake_edit_failure fails = FAKE_NO_EDIT; fails <= FAKE_NO_SENT; fails++) {
        char uid[16];
        text_format(uid, sizeof uid, "1.2.%u", fails);
        pacs.complete = 0;
        fake_edit.fails = fails;
        store_one(uid, 300000);
        rig_run(rig, 60 * NSEC_PER_SEC);
        assert_int_equal(pacs.complete, 0);
        assert_int_equal(archive()->held.count + archive()->parked.count, 0);
        assert_false(archive_is_broken(archive()));
        fake_edit.fails = FAKE_FINE;
        rig_run(rig, 600 * NSEC_PER_SEC);
        assert_int_equal(pacs.complete, 1);
        stored_is(uid, "NEW-0815", 300000);
    }
}

// One of several on the association is taken back in the middle: the others come again, as their answers can
// not be waited for.
static void test_too_large_beside_others(void **state)
{
    (void)state;
    struct configuration_node *conf = (struct configuration_node *)archive()->node->conf;
    conf->window = 8;
    pacs.window = -1;
    pacs.silent_for = "1.2.666";
    archive()->lane_limit = 1;
    store_one("1.2.666", 3000);
    rig_run(rig, NSEC_PER_SEC);
    fake_edit.is_too_large = true;
    store_one("1.2.3", 900000);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(first_of(STAGE_HELD)->hold, DELIVERY_HOLD(EDIT_HOLD_DATA));
    pacs.silent_for = NULL;
    fake_edit.is_too_large = false;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_true(first_of(STAGE_ANSWERED)->receipt->number != first_of(STAGE_HELD)->receipt->number);
    assert_int_equal(pacs.complete, 2);
}

// Trouble that lasts, as with a crosswalk that can not be read: longer and longer pauses.
static void test_trouble_that_lasts(void **state)
{
    (void)state;
    hold_all(EDIT_HOLD_TROUBLE, "the crosswalk can not be read");
    store_one("1.2.3", 3000);
    rig_run(rig, 2 * 3600 * NSEC_PER_SEC);
    assert_in_range(fake_edit.begun, 10, 60);
    assert_false(archive_is_broken(archive()));
    fake_edit.verdict = EDIT_GOES;
    rig_run(rig, 600 * NSEC_PER_SEC);
    stored_is("1.2.3", "NEW-0815", 3000);
}

// ---- held ----

static void test_held(void **state)
{
    (void)state;
    hold_all(EDIT_HOLD_PATIENT, "patient is unmatched");
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    store_one("1.2.3", 300000);
    settle_down();
    one_is_held(EDIT_HOLD_PATIENT, "patient is unmatched");
    assert_int_equal(pacs.stores, 0);
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held + 1);
    assert_null(first_of(STAGE_HELD)->receipt->content);
    assert_int_equal(rig_worker(rig)->window.used, 0);
}

// It goes by itself when there is news of what it is held for.
static void test_goes_when_there_is_news(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_PATIENT, "patient is unmatched");
    hold_all(EDIT_HOLD_RULE, "rule 1");
    store_one("1.2.4", 3000);
    settle_down();
    assert_int_equal(archive()->held.count, 2);
    fake_edit.verdict = EDIT_GOES;
    store_one("1.2.5", 3000); // what is held stands in nobody's way
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    news_tell(rig->gateway->news, NEWS_CROSSWALK);
    settle_down();
    assert_int_equal(archive()->answered.count, 2);
    assert_int_equal(first_of(STAGE_HELD)->hold, DELIVERY_HOLD(EDIT_HOLD_RULE));
    news_tell(rig->gateway->news, NEWS_POLICIES);
    settle_down();
    assert_int_equal(archive()->answered.count, 3);
}

// A look that comes to the same end leaves nothing in the journal.
static void test_same_hold_is_not_recorded_again(void **state)
{
    (void)state;
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    hold_one(EDIT_HOLD_PATIENT, "patient is unmatched");
    struct journal_position before = journal_stream_end(rig_worker(rig)->stream);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(archive_look_again(archive(), ~0u), 1);
        settle_down();
        one_is_held(EDIT_HOLD_PATIENT, "patient is unmatched");
    }
    assert_int_equal(fake_edit.begun, 6);
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held + 1);
    struct journal_position after = journal_stream_end(rig_worker(rig)->stream);
    assert_int_equal(journal_position_compare(before, after), 0);
    fake_edit.reason = "patient is ambiguous";
    (void)archive_look_again(archive(), ~0u);
    settle_down();
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held + 2);
}

// More than is kept in memory, cut in the middle of a character: no text that JSON would take.
static void test_long_reason(void **state)
{
    (void)state;
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    hold_one(EDIT_HOLD_RULE, "p/r: äääääääääääääääääääääääääääääääääääääääääääää");
    assert_true(utf8_is_valid(slice_of_text(first_of(STAGE_HELD)->reason)));
    assert_true(strlen(first_of(STAGE_HELD)->reason) >= sizeof first_of(STAGE_HELD)->reason - 2);
    assert_int_equal(archive_look_again(archive(), ~0u), 1);
    settle_down();
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held + 1);
}

// The news come while it is asked about: what was known before holds nothing.
static void test_news_while_it_asks(void **state)
{
    (void)state;
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    hold_all(EDIT_HOLD_PATIENT, "patient is unmatched");
    fake_edit.asks = true;
    store_one("1.2.3", 3000);
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(archive()->sending.count, 1);
    assert_int_equal(archive_look_again(archive(), 1u << EDIT_HOLD_PATIENT), 0);
    fake_edit_answer();
    rig_run(rig, NSEC_PER_SEC);
    assert_int_equal(fake_edit.begun, 2);
    fake_edit.verdict = EDIT_GOES;
    fake_edit_answer();
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held);
}

// The kind is not known any more, and anything may have changed: it is looked at again.
static void test_held_over_a_restart(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_RULE, "rule 1");
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    rig_crash(rig);
    rig_boot_begin(rig);
    assert_int_equal(first_of(STAGE_HELD)->hold, DELIVERY_HOLD_UNKNOWN);
    assert_string_equal(first_of(STAGE_HELD)->reason, "rule 1");
    settle_down();
    assert_int_equal(fake_edit.begun, 2);
    one_is_held(EDIT_HOLD_RULE, "rule 1");
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held);
}

static void test_released(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_RULE, "rule 1");
    atomic_store(&archive()->node->is_paused, true);
    delivery_release(first_of(STAGE_HELD), slice_of_text("operator"), slice_of_text("looked at"));
    settle_down();
    rig_crash(rig);
    rig_boot_begin(rig);
    atomic_store(&archive()->node->is_paused, true);
    rig_run(rig, NSEC_PER_SEC);
    assert_true(first_of(STAGE_WAITING)->is_released);
    atomic_store(&archive()->node->is_paused, false);
    archive_pump_later(archive());
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    stored_is("1.2.3", "NEW-0815", 3000);
}

static void words_are(uint64_t number, const char *person, const char *reason)
{
    struct ledger_fact fact;
    settle_down();
    fact_init(&fact);
    assert_int_equal(ledger_find_receipt(rig->ledger, number, &fact), OK);
    assert_string_equal(fact.deliveries[0].person, person);
    assert_string_equal(fact.deliveries[0].remark, reason);
    fact_fini(&fact);
}

// Who and why are the evidence of a decision: as long as they may be, not a byte is lost.
static void test_words_are_kept_whole(void **state)
{
    (void)state;
    char person[256] = "p", reason[256] = "r";
    for (size_t i = 1; i + 2 < sizeof person; i += 2) {
        memcpy(person + i, "\xc3\xb6", 2);
        memcpy(reason + i, "\xc3\xa4", 2);
    }
    assert_int_equal(strlen(person), 255);
    hold_one(EDIT_HOLD_RULE, "rule 1");
    atomic_store(&archive()->node->is_paused, true);
    uint64_t number = first_of(STAGE_HELD)->receipt->number;
    delivery_release(first_of(STAGE_HELD), slice_of_text(person), slice_of_text(reason));
    words_are(number, person, reason);
    delivery_park(first_of(STAGE_WAITING), reason, 0, slice_of_text("other"));
    words_are(number, "other", reason);
    delivery_unpark(first_of(STAGE_PARKED), slice_of_text("third"), slice_of(NULL, 0));
    words_are(number, "third", reason); // of parking
    delivery_park(first_of(STAGE_WAITING), reason, 0, slice_of_text("other"));
    delivery_unpark(first_of(STAGE_PARKED), slice_of_text(person), slice_of_text("mended"));
    words_are(number, person, "mended");
    delivery_drop(first_of(STAGE_WAITING), slice_of_text(reason), slice_of_text(person));
    words_are(number, reason, person);
}

// What is longer, such as the words of an archive, ends with a whole character.
static void test_longer_words_are_cut(void **state)
{
    (void)state;
    char text[300] = "";
    for (size_t i = 0; i + 2 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xb6", 2);
    hold_one(EDIT_HOLD_RULE, "rule 1");
    atomic_store(&archive()->node->is_paused, true);
    uint64_t number = first_of(STAGE_HELD)->receipt->number;
    delivery_release(first_of(STAGE_HELD), slice_of_text("operator"), slice_of_text(text));
    text[254] = 0;
    words_are(number, "operator", text);
}

// What can not be edited is held again, whoever lets it go.
static void test_released_in_vain(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_DATA, "not DICOM");
    delivery_release(first_of(STAGE_HELD), slice_of_text("operator"), slice_of_text("looked at"));
    settle_down();
    one_is_held(EDIT_HOLD_DATA, "not DICOM");
    rig_crash(rig);
    rig_boot(rig);
    settle_down();
    assert_true(first_of(STAGE_HELD)->is_released);
}

static void test_rejected(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_RULE, "rule 1");
    delivery_reject(first_of(STAGE_HELD), slice_of_text("operator"), slice_of_text("wrong patient"));
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    settle_down();
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 0);
}

// ---- a crash before the record of it is durable: as if it had not been ----

static bool is_held(void *arg)
{
    (void)arg;
    return archive()->held.count > 0;
}

static void test_unsynced_hold(void **state)
{
    (void)state;
    hold_all(EDIT_HOLD_RULE, "rule 1");
    fake_edit.asks = true;
    store_one("1.2.3", 3000);
    rig_run(rig, NSEC_PER_SEC);
    fake_edit_answer();
    assert_true(rig_run_until(rig, is_held, NULL, NSEC_PER_SEC));
    fake_edit.asks = false;
    rig_crash(rig);
    rig_boot_begin(rig);
    assert_int_equal(archive()->held.count, 0);
    settle_down();
    assert_int_equal(fake_edit.begun, 2);
    one_is_held(EDIT_HOLD_RULE, "rule 1");
}

static void test_unsynced_release(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_RULE, "rule 1");
    delivery_release(first_of(STAGE_HELD), slice_of_text("operator"), slice_of_text("looked at"));
    rig_crash(rig);
    rig_boot(rig);
    settle_down();
    one_is_held(EDIT_HOLD_RULE, "rule 1");
    assert_false(first_of(STAGE_HELD)->is_released);
}

static void test_unsynced_rejection(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_RULE, "rule 1");
    delivery_reject(first_of(STAGE_HELD), slice_of_text("operator"), slice_of_text("wrong patient"));
    rig_crash(rig);
    rig_boot(rig);
    assert_int_equal(rig->gateway->recovery.owed, 1);
    settle_down();
    one_is_held(EDIT_HOLD_RULE, "rule 1");
}

// Memory, or a store that could not be read: tried again by itself, and nobody has to know.
static void test_trouble(void **state)
{
    (void)state;
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    hold_all(EDIT_HOLD_TROUBLE, "no memory");
    store_one("1.2.3", 3000);
    rig_run(rig, 3 * NSEC_PER_SEC);
    assert_int_equal(archive()->held.count, 0);
    assert_int_equal(archive()->answered.count, 0);
    assert_true(fake_edit.begun > 0);
    fake_edit.verdict = EDIT_GOES;
    rig_run(rig, 600 * NSEC_PER_SEC);
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held);
}

// FIELD 5: the technologist's correction goes, the one that is held is overtaken.
static void test_newer_receipt_overtakes(void **state)
{
    (void)state;
    hold_one(EDIT_HOLD_RULE, "rule 1");
    fake_edit.verdict = EDIT_GOES;
    store_one("1.2.3", 5000);
    settle_down();
    assert_int_equal(archive()->held.count, 0);
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
    stored_is("1.2.3", "NEW-0815", 5000);
}

// And the other way round: the older one is let go while the newer one is held, and is not sent twice.
static void test_both_held(void **state)
{
    (void)state;
    hold_all(EDIT_HOLD_RULE, "rule 1");
    store_one("1.2.3", 3000);
    store_one("1.2.3", 5000);
    settle_down();
    assert_int_equal(archive()->held.count + archive()->gated.count, 2);
    fake_edit.verdict = EDIT_GOES;
    (void)archive_look_again(archive(), ~0u);
    settle_down();
    assert_int_equal(archive()->answered.count, 1);
    assert_int_equal(rig_worker(rig)->receipts.count, 1);
    stored_is("1.2.3", "NEW-0815", 5000); // the newest
}

static void test_asleep(void **state)
{
    (void)state;
    enum { COUNT = 30 };
    hold_all(EDIT_HOLD_PATIENT, "patient is unmatched");
    for (int i = 0; i < COUNT; i++) {
        char uid[16];
        text_format(uid, sizeof uid, "1.2.%u", 100 + i);
        store_one(uid, 3000);
    }
    settle_down();
    rig_worker(rig)->backlog.awake_limit = 4;
    backlog_look_later(&rig_worker(rig)->backlog);
    settle_down();
    assert_int_equal(archive_count(archive(), STAGE_HELD), COUNT);
    assert_true(archive()->asleep[STAGE_HELD] >= COUNT - 4);
    uint64_t held = log_event_count(LOG_DELIVERY_HELD);
    assert_int_equal(archive_look_again(archive(), 1u << EDIT_HOLD_RULE), 0);
    assert_int_equal(archive_look_again(archive(), 1u << EDIT_HOLD_PATIENT), COUNT);
    settle_down();
    assert_int_equal(archive_count(archive(), STAGE_HELD), COUNT);
    assert_int_equal(log_event_count(LOG_DELIVERY_HELD), held); // they remember over their sleep
    rig_crash(rig);
    rig->configuration->memory.awake_receipts = 4;
    rig_boot_begin(rig);
    assert_int_equal(archive_count(archive(), STAGE_HELD), COUNT);
    assert_int_equal(archive()->asleep[STAGE_HELD], COUNT - 4);
    fake_edit.verdict = EDIT_GOES;
    rig_run(rig, 300 * NSEC_PER_SEC);
    assert_int_equal(archive_count(archive(), STAGE_ANSWERED), COUNT);
    assert_int_equal(pacs.complete, COUNT);
}

static void test_client_waits(void **state)
{
    (void)state;
    struct client client;
    hold_all(EDIT_HOLD_RULE, "rule 1");
    speak_open(&client, rig, NULL);
    speak_store(&client, &(struct store){.message_id = 1, .instance = "1.2.3", .pixels = 3000});
    assert_int_equal(hear_response(&client, 1), DIMSE_PROCESSING_FAILURE);
    client_close(&client);
    settle_down();
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
    assert_int_equal(pacs.stores, 0);
}

// ---- cut-through ----

enum { BYTES = 900000 };
static const struct memory_path slow_path = {.rate = 200000};
static struct client slow;

static void store_slowly(bool has_behind)
{
    speak_open(&slow, rig, &slow_path);
    speak_store(&slow, &(struct store){
                           .message_id = 1, .instance = "1.2.3", .pixels = BYTES, .has_behind = has_behind});
    rig_run(rig, 2 * NSEC_PER_SEC);
}

static void slowly_stored(void)
{
    assert_int_equal(hear_response(&slow, 1), 0);
    client_close(&slow);
    settle_down();
}

static void test_cut_through(void **state)
{
    (void)state;
    store_slowly(false);
    assert_int_equal(pacs.stores, 1);
    assert_in_range(byte_queue_peek(&pacs.data).length, 50000, BYTES - 1);
    slowly_stored();
    assert_int_equal(pacs.complete, 1);
    assert_int_equal(pacs.stores, 1);
    assert_int_equal(fake_edit.begun, 1);
    stored_is("1.2.3", "NEW-0815", BYTES);
}

static void test_cut_through_is_held(void **state)
{
    (void)state;
    hold_all(EDIT_HOLD_RULE, "rule 1");
    store_slowly(false);
    assert_int_equal(fake_edit.begun, 1);
    assert_int_equal(archive()->lanes.count, 1);
    slowly_stored();
    assert_int_equal(fake_edit.begun, 2);
    assert_int_equal(pacs.stores, 0);
    assert_int_equal(pacs.accepted, 1); // nothing was aborted
    one_is_held(EDIT_HOLD_RULE, "rule 1");
}

// The verdict is not there when it is owed: then it comes as any other.
static void test_cut_through_asks(void **state)
{
    (void)state;
    fake_edit.asks = true;
    store_slowly(false);
    slowly_stored();
    assert_int_equal(pacs.stores, 0);
    fake_edit.asks = false;
    fake_edit_answer();
    settle_down();
    assert_int_equal(pacs.complete, 1);
    assert_int_equal(pacs.accepted, 1);
    stored_is("1.2.3", "NEW-0815", BYTES);
}

// What stands behind Pixel Data is seen too late: the archive must not have it whole.
static void test_cut_through_behind(void **state)
{
    (void)state;
    fake_edit.keeps_behind = true;
    store_slowly(true);
    assert_int_equal(pacs.stores, 1);
    slowly_stored();
    assert_int_equal(pacs.stores, 1);
    assert_int_equal(fake_edit.flags & RECORD_CLOSE_BEHIND, RECORD_CLOSE_BEHIND);
    one_is_held(EDIT_HOLD_DATA, "elements behind Pixel Data");
    unsigned begun = fake_edit.begun;
    rig_crash(rig);
    rig_boot(rig);
    settle_down(); // from the journal now
    assert_int_equal(fake_edit.begun, begun + 1);
    assert_int_equal(fake_edit.flags & RECORD_CLOSE_BEHIND, RECORD_CLOSE_BEHIND);
    one_is_held(EDIT_HOLD_DATA, "elements behind Pixel Data");
}

static void test_cut_through_is_dropped(void **state)
{
    (void)state;
    store_slowly(false);
    assert_int_equal(pacs.stores, 1);
    client_reset(&slow);
    settle_down();
    assert_int_equal(pacs.complete, 0);
    assert_int_equal(fake_edit.alive, 0);
    assert_int_equal(rig_worker(rig)->receipts.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_edited),
        TEST(test_as_it_came),
        TEST(test_cold),
        TEST(test_several_at_once),
        TEST(test_late_verdict),
        TEST(test_late_verdict_behind_silence),
        TEST(test_stop_while_it_asks),
        TEST(test_crash_while_it_asks),
        TEST(test_stops_reading),
        TEST(test_too_large_to_record),
        TEST(test_too_large_beside_others),
        TEST(test_cut_everywhere),
        TEST(test_no_memory),
        TEST(test_trouble_that_lasts),
        TEST(test_held),
        TEST(test_goes_when_there_is_news),
        TEST(test_same_hold_is_not_recorded_again),
        TEST(test_long_reason),
        TEST(test_news_while_it_asks),
        TEST(test_held_over_a_restart),
        TEST(test_released),
        TEST(test_words_are_kept_whole),
        TEST(test_longer_words_are_cut),
        TEST(test_released_in_vain),
        TEST(test_rejected),
        TEST(test_unsynced_hold),
        TEST(test_unsynced_release),
        TEST(test_unsynced_rejection),
        TEST(test_trouble),
        TEST(test_newer_receipt_overtakes),
        TEST(test_both_held),
        TEST(test_asleep),
        cmocka_unit_test_setup_teardown(test_client_waits, set_up_primary, tear_down),
        TEST(test_cut_through),
        TEST(test_cut_through_is_held),
        TEST(test_cut_through_asks),
        TEST(test_cut_through_behind),
        TEST(test_cut_through_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
