// SPDX-License-Identifier: Apache-2.0
//
// See support.h.
#include "support.h"
#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "store/lmdb.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void test_store_init(struct test_store *store, enum store_kind kind, const struct kv_schema *schema)
{
    *store = (struct test_store){.kind = kind, .schema = schema};
    if (kind == STORE_SIM) {
        ensure(kv_sim_disk_new(&store->disk) == OK);
    } else {
        ensure(text_copy(store->folder, sizeof store->folder, slice_of_text("/tmp/store-test-XXXXXX")));
        ensure(mkdtemp(store->folder) != NULL);
    }
    test_store_open(store);
}

void test_store_open(struct test_store *store)
{
    char why[256] = "";
    struct lmdb_options options = {.map_size = store->map_size};
    if (store->kind == STORE_SIM)
        ensure(kv_sim_open(store->disk, store->schema, &store->env) == OK);
    else if (lmdb_env_open(store->folder, store->schema, &options, &store->env, why, sizeof why) != OK)
        check_failed(__FILE__, __LINE__, why);
}

void test_store_close(struct test_store *store)
{
    kv_env_free(&store->env);
}

void test_store_fini(struct test_store *store)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    test_store_close(store);
    kv_sim_disk_free(&store->disk);
    if (store->kind != STORE_LMDB)
        return;
    for (unsigned i = 0; i < 2; i++) {
        char path[128];
        (void)text_format(path, sizeof path, "%s/%s", store->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(store->folder);
}

// ---- entries

#define BODY_MAX 8192

static unsigned index_of(uint16_t stream)
{
    ensure(stream < 8);
    return stream;
}

void test_journal_init(struct test_journal *journal, unsigned per_segment)
{
    *journal = (struct test_journal){.per_segment = per_segment};
    for (uint16_t i = 0; i < 8; i++)
        journal->ends[i] = (struct journal_position){i, 1, JOURNAL_PAGE_SIZE};
}

void test_journal_fini(struct test_journal *journal)
{
    for (size_t i = 0; i < journal->count; i++)
        free(journal->entries[i].body);
    free(journal->entries);
    *journal = (struct test_journal){0};
}

static void append(struct test_journal *journal, uint16_t stream, enum journal_entry_kind kind, uint8_t type,
                   uint64_t receipt, struct slice body)
{
    struct test_entry made = {.body = malloc(body.length + 1)};
    struct journal_position *end = &journal->ends[index_of(stream)];
    ensure(made.body != NULL);
    if (body.length > 0)
        memcpy(made.body, body.data, body.length);
    made.entry.kind = kind;
    made.entry.position = *end;
    made.entry.header = (struct journal_header){.version = 1,
                                                .type = type,
                                                .length = (uint32_t)body.length,
                                                .stream = stream,
                                                .segment = end->segment,
                                                .receipt = receipt,
                                                .offset = end->offset};
    made.entry.receipt = receipt;
    made.entry.body = slice_of(made.body, body.length);
    end->offset += journal_record_size((uint32_t)body.length);
    if (++journal->in_segment[index_of(stream)] == journal->per_segment) {
        journal->in_segment[index_of(stream)] = 0;
        end->segment++;
        end->offset = JOURNAL_PAGE_SIZE;
    }
    made.entry.next = *end;
    if ((journal->count & (journal->count - 1)) == 0) { // a power of two: full
        size_t capacity = journal->count == 0 ? 1 : journal->count * 2;
        journal->entries = realloc(journal->entries, capacity * sizeof *journal->entries);
        ensure(journal->entries != NULL);
    }
    journal->entries[journal->count++] = made;
}

uint64_t test_receipt(uint16_t stream, uint64_t counter)
{
    return (uint64_t)stream << JOURNAL_RECEIPT_COUNTER_BITS | counter;
}

void test_open(struct test_journal *journal, uint64_t receipt, unsigned sop, uint64_t seconds)
{
    uint8_t body[BODY_MAX];
    char uid[32];
    size_t length = 0;
    (void)text_format(uid, sizeof uid, "1.2.3.%u", sop);
    struct record_open open = {
        .called = slice_of_text("OLDPACS"),
        .calling = slice_of_text("CT1"),
        .peer_address = slice_of_text("10.1.2.3:40112"),
        .listener = slice_of_text("modalities"),
        .transfer_syntax = slice_of_text("1.2.840.10008.1.2.1"),
        .sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.2"),
        .sop_instance = slice_of_text(uid),
        .implementation_version = slice_of_text("TEST_1"),
        .time = seconds * NSEC_PER_SEC,
    };
    ensure(record_open_encode(&open, body, sizeof body, &length) == OK);
    append(journal, journal_receipt_stream(receipt), JOURNAL_ENTRY_RECORD, JOURNAL_OPEN, receipt,
           slice_of(body, length));
}

void test_data(struct test_journal *journal, uint64_t receipt)
{
    append(journal, journal_receipt_stream(receipt), JOURNAL_ENTRY_RECORD, JOURNAL_DATA, receipt,
           slice_of(NULL, 0));
}

static void close_append(struct test_journal *journal, enum journal_entry_kind kind, uint64_t receipt,
                         unsigned study, unsigned archives, uint64_t bytes, uint64_t seconds)
{
    uint8_t body[BODY_MAX];
    char uid[32];
    size_t length = 0;
    struct record_close close = {.order = (uint64_t)1 << 40 | ++journal->order, .epoch = 1, .length = bytes};
    (void)text_format(uid, sizeof uid, "1.9.%u", study);
    close.has_patient = journal->patient != 0;
    memset(close.patient, journal->patient, sizeof close.patient);
    for (unsigned i = 0; i < archives; i++)
        close.archives[close.archive_count++] = i + 1;
    close.acknowledgement = RECORD_ACK_DURABLE;
    close.algorithm = RECORD_SHA256;
    close.digest_version = 1;
    close.digests = RECORD_HAS_RANGES | RECORD_HAS_INSTANCE;
    for (unsigned i = 0; i < RECORD_DIGEST_SIZE; i++)
        close.instance[i] = (uint8_t)(i + receipt);
    close.range[0].length = bytes;
    // Patient's Name comes along as a named element and must never reach the ledger.
    close.elements[close.element_count++] =
        (struct record_element){0x00080060, {'C', 'S'}, slice_of_text("CT")};
    close.elements[close.element_count++] =
        (struct record_element){0x00100010, {'P', 'N'}, slice_of_text("DOE^JANE ")};
    close.elements[close.element_count++] =
        (struct record_element){0x0020000d, {'U', 'I'}, slice_of(uid, strlen(uid) + 1)};
    close.elements[close.element_count++] =
        (struct record_element){0x0020000e, {'U', 'I'}, slice_of_text("1.8.7")};
    close.first_byte = seconds * NSEC_PER_SEC;
    close.last_byte = seconds * NSEC_PER_SEC + NSEC_PER_MS;
    ensure(record_close_encode(&close, body, sizeof body, &length) == OK);
    append(journal, journal_receipt_stream(receipt), kind, JOURNAL_CLOSE, receipt, slice_of(body, length));
}

void test_close(struct test_journal *journal, uint64_t receipt, unsigned study, unsigned archives,
                uint64_t length, uint64_t seconds)
{
    close_append(journal, JOURNAL_ENTRY_RECORD, receipt, study, archives, length, seconds);
}

void test_incomplete(struct test_journal *journal, uint64_t receipt, uint64_t seconds)
{
    close_append(journal, JOURNAL_ENTRY_INCOMPLETE, receipt, 1, 2, 10, seconds);
}

void test_drop(struct test_journal *journal, uint64_t receipt, uint64_t seconds)
{
    uint8_t body[BODY_MAX];
    size_t length = 0;
    struct record_drop drop = {.reason = RECORD_DROP_REFUSED,
                               .status = 0xC000,
                               .comment = slice_of_text("data set cut short"),
                               .time = seconds * NSEC_PER_SEC};
    ensure(record_drop_encode(&drop, body, sizeof body, &length) == OK);
    append(journal, journal_receipt_stream(receipt), JOURNAL_ENTRY_RECORD, JOURNAL_DROP, receipt,
           slice_of(body, length));
}

void test_sent(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
               uint64_t seconds)
{
    const struct record_flags none = {0};
    test_sent_flagged(journal, stream, receipt, archive, seconds, &none);
}

static void sent_append(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                        uint64_t seconds, const struct record_flags *flags, bool resent)
{
    uint8_t body[BODY_MAX];
    size_t length = 0;
    struct record_sent sent = {
        .archive = archive, .attempt = 1, .time = seconds * NSEC_PER_SEC, .flags = *flags, .resent = resent};
    memset(sent.header, 0xab, sizeof sent.header);
    ensure(record_sent_encode(&sent, body, sizeof body, &length) == OK);
    append(journal, stream, JOURNAL_ENTRY_RECORD, JOURNAL_SENT, receipt, slice_of(body, length));
}

void test_sent_flagged(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                       uint64_t seconds, const struct record_flags *flags)
{
    sent_append(journal, stream, receipt, archive, seconds, flags, false);
}

void test_sent_again(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                     uint64_t seconds, const struct record_flags *flags)
{
    sent_append(journal, stream, receipt, archive, seconds, flags, true);
}

void test_outcome(struct test_journal *journal, uint16_t stream, uint64_t receipt, uint32_t archive,
                  enum record_outcome_kind kind, uint16_t status, uint64_t seconds)
{
    uint8_t body[BODY_MAX];
    size_t length = 0;
    struct record_outcome outcome = {
        .receipt = receipt,
        .archive = archive,
        .kind = (uint8_t)kind,
        .remark = kind == RECORD_SETTLED ? RECORD_BY_ANSWER_ONLY : RECORD_REMARK_NONE,
        .status = status,
        .attempt = 1,
        .answered = seconds * NSEC_PER_SEC,
    };
    if (kind == RECORD_DROPPED_PERSON || kind == RECORD_REJECTED || kind == RECORD_RELEASED)
        outcome.person = slice_of_text("operator");
    if (kind == RECORD_PARKED)
        outcome.comment = slice_of_text("no context");
    if (kind == RECORD_HELD)
        outcome.comment = slice_of_text("patient is unmatched");
    ensure(record_outcome_encode(&outcome, body, sizeof body, &length) == OK);
    append(journal, stream, JOURNAL_ENTRY_RECORD, JOURNAL_OUTCOME, receipt, slice_of(body, length));
}

void test_corrupt(struct test_journal *journal, uint64_t receipt)
{
    append(journal, journal_receipt_stream(receipt), JOURNAL_ENTRY_CORRUPT, 0, receipt, slice_of(NULL, 0));
}

void test_apply(struct ledger_writer *writer, const struct test_journal *journal, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        enum result result = ledger_apply(writer, &journal->entries[i].entry);
        if (result == AGAIN) {
            ensure(ledger_commit(writer) == OK);
            result = ledger_apply(writer, &journal->entries[i].entry);
        }
        ensure(result == OK);
    }
}

uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}
