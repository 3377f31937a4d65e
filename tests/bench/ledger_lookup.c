// SPDX-License-Identifier: Apache-2.0
//
// ledger_lookup FOLDER [RECEIPTS] [OPEN] [LOOKUPS]: how long `ledger show UID` takes among many receipts, and
// a start with many owed ones.
//
// Makes a ledger in FOLDER (kept, and used again by the next run) through the ledger's own writer: RECEIPTS
// settled ones (default 1,000,000) and OPEN owed ones (default 0), each of an instance and 200 of a study, in
// random UIDs. Then looks LOOKUPS of them up (default 20,000) by SOP Instance UID: cold, with the file's
// pages thrown out of the page cache before, and warm. Prints JSON.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "base/units.h"
#include "lookup.h"
#include "store/ledger.h"
#include "store/ledger_reader.h"
#include "store/lmdb.h"
#include "store/open_index.h"

enum { COLD_LOOKUPS = 1000, SEGMENT_RECEIPTS = 2000, UID_MAX = 65 };

static struct slice uid_make(uint64_t n, unsigned root, char uid[UID_MAX])
{
    (void)text_format(uid, UID_MAX, "1.2.826.0.1.3680043.8.498.%u.%" PRIu64, root, lookup_mixed(n));
    return slice_of_text(uid);
}

// ---- making ----

struct maker {
    struct ledger_writer *writer;
    struct journal_position at;
    uint8_t body[8192];
};

static void record_put(struct maker *maker, enum journal_record_type type, uint64_t receipt, size_t length)
{
    struct journal_entry entry = {.kind = JOURNAL_ENTRY_RECORD, .position = maker->at, .receipt = receipt};
    entry.header = (struct journal_header){.version = 1,
                                           .type = (uint8_t)type,
                                           .length = (uint32_t)length,
                                           .segment = maker->at.segment,
                                           .receipt = receipt,
                                           .offset = maker->at.offset};
    entry.body = slice_of(maker->body, length);
    maker->at.offset += journal_record_size((uint32_t)length);
    entry.next = maker->at;
    enum result result = ledger_apply(maker->writer, &entry);
    if (result == AGAIN) {
        ensure(ledger_commit(maker->writer) == OK);
        result = ledger_apply(maker->writer, &entry);
    }
    ensure(result == OK);
}

static void open_put(struct maker *maker, uint64_t n)
{
    char uid[UID_MAX];
    size_t length;
    struct record_open open = {.called = slice_of_text("OLDPACS"),
                               .calling = slice_of_text("CT1"),
                               .peer_address = slice_of_text("10.1.2.3:40112"),
                               .listener = slice_of_text("modalities"),
                               .transfer_syntax = slice_of_text("1.2.840.10008.1.2.1"),
                               .sop_class = slice_of_text("1.2.840.10008.5.1.4.1.1.2"),
                               .sop_instance = uid_make(n, 1, uid),
                               .implementation_version = slice_of_text("BENCH_1"),
                               .time = n * NSEC_PER_MS};
    ensure(record_open_encode(&open, maker->body, sizeof maker->body, &length) == OK);
    record_put(maker, JOURNAL_OPEN, n + 1, length);
}

static void close_put(struct maker *maker, uint64_t n)
{
    static struct record_close close;
    char study[UID_MAX], series[UID_MAX];
    size_t length;
    close = (struct record_close){.order = (uint64_t)1 << 40 | (n + 1), .epoch = 1, .length = 524288};
    close.archives[close.archive_count++] = 1;
    close.archives[close.archive_count++] = 2;
    close.acknowledgement = RECORD_ACK_DURABLE;
    close.algorithm = RECORD_SHA256;
    close.digest_version = 1;
    close.digests = RECORD_HAS_RANGES | RECORD_HAS_INSTANCE | RECORD_HAS_CANONICAL;
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bits = lookup_mixed(4 * n + i);
        memcpy(close.instance + 8 * i, &bits, 8);
        memcpy(close.canonical + 8 * i, &bits, 8);
        memcpy(close.range[0].digest + 8 * i, &bits, 8);
    }
    close.elements[close.element_count++] =
        (struct record_element){0x00080060, {'C', 'S'}, slice_of_text("CT")};
    close.elements[close.element_count++] =
        (struct record_element){0x0020000d, {'U', 'I'}, uid_make(n / 200, 2, study)};
    close.elements[close.element_count++] =
        (struct record_element){0x0020000e, {'U', 'I'}, uid_make(n / 50, 3, series)};
    close.first_byte = n * NSEC_PER_MS;
    close.last_byte = close.first_byte + NSEC_PER_MS;
    ensure(record_close_encode(&close, maker->body, sizeof maker->body, &length) == OK);
    record_put(maker, JOURNAL_CLOSE, n + 1, length);
}

static void outcome_put(struct maker *maker, uint64_t n, uint32_t archive)
{
    size_t length;
    struct record_outcome outcome = {.receipt = n + 1,
                                     .archive = archive,
                                     .kind = RECORD_SETTLED,
                                     .remark = RECORD_SETTLE_ON_ANSWER,
                                     .attempt = 1,
                                     .answered = n * NSEC_PER_MS};
    ensure(record_outcome_encode(&outcome, maker->body, sizeof maker->body, &length) == OK);
    record_put(maker, JOURNAL_OUTCOME, n + 1, length);
}

static void make(struct kv_env *env, uint64_t from, uint64_t settled, uint64_t owed)
{
    struct maker maker = {.at = {0, (uint32_t)(1 + from / SEGMENT_RECEIPTS), JOURNAL_PAGE_SIZE}};
    ensure(ledger_writer_new(env, NULL, NULL, NULL, &maker.writer) == OK);
    for (uint64_t n = from; n < settled + owed; n++) {
        if (n % SEGMENT_RECEIPTS == 0)
            maker.at = (struct journal_position){0, (uint32_t)(1 + n / SEGMENT_RECEIPTS), JOURNAL_PAGE_SIZE};
        open_put(&maker, n);
        close_put(&maker, n);
        for (uint32_t archive = 1; n < settled && archive <= 2; archive++)
            outcome_put(&maker, n, archive);
        if (n % 1000000 == 999999)
            (void)fprintf(stderr, "%" PRIu64 " receipts\n", n + 1);
    }
    ensure(ledger_commit(maker.writer) == OK);
    ledger_writer_free(&maker.writer);
}

// ---- measuring ----

static enum result on_fact(void *argument, const struct ledger_fact *fact)
{
    *(uint64_t *)argument = fact->receipt;
    return OK;
}

static void look_up(struct kv_env *env, const char *name, uint64_t receipts, unsigned count, uint64_t salt)
{
    struct times times = {0};
    for (unsigned i = 0; i < count; i++) {
        char uid[UID_MAX];
        uint64_t n = lookup_mixed(salt + i) % receipts, found = 0;
        struct slice text = uid_make(n, 1, uid);
        uint64_t begun = figures_now();
        ensure(ledger_find_uid(env, text, on_fact, &found) == OK);
        times_add(&times, figures_now() - begun);
        ensure(found == n + 1);
    }
    lookup_print(name, &times);
}

static enum result on_open(void *argument, const struct open_entry *entry)
{
    *(uint64_t *)argument += entry->delivery_count;
    return OK;
}

static struct kv_env *env_open(const char *folder, bool read_only)
{
    char why[256] = "";
    struct kv_env *env;
    struct lmdb_options options = {.map_size = GIB, .read_only = read_only};
    if (lmdb_env_open(folder, &ledger_schema, &options, &env, why, sizeof why) != OK) {
        (void)fprintf(stderr, "%s\n", why);
        exit(1);
    }
    return env;
}

static uint64_t receipts_in(struct kv_env *env)
{
    struct ledger_stats stats;
    if (ledger_stats_get(env, &stats) != OK)
        return 0;
    uint64_t count = stats.totals.received;
    ledger_stats_fini(&stats);
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 5) {
        (void)fprintf(stderr, "usage: ledger_lookup FOLDER [RECEIPTS] [OPEN] [LOOKUPS]\n");
        return 2;
    }
    uint64_t settled = lookup_number(argc, argv, 2, 1000000), owed = lookup_number(argc, argv, 3, 0);
    unsigned lookups = (unsigned)lookup_number(argc, argv, 4, 20000);
    uint64_t receipts = settled + owed, entries = 0;
    struct kv_env *env = env_open(argv[1], false);
    uint64_t begun = figures_now(), there = receipts_in(env);
    make(env, there, settled, owed);
    (void)printf("{ \"receipts\": %" PRIu64 ", \"made_s\": %.1f,\n", receipts,
                 (double)(figures_now() - begun) / 1e9);
    kv_env_free(&env);
    (void)printf("  \"bytes\": %" PRIu64 ",\n", lookup_cool(argv[1]));
    env = env_open(argv[1], true);
    look_up(env, "cold", receipts, COLD_LOOKUPS, 1);
    look_up(env, "warming", receipts, lookups, 1000000007);
    look_up(env, "warm", receipts, lookups, 1000000007);
    for (unsigned i = 0; i < 2; i++) {
        entries = 0;
        begun = figures_now();
        ensure(open_index_each(env, on_open, &entries) == OK);
        (void)printf("  \"open_index_%s\": { \"deliveries\": %" PRIu64 ", \"s\": %.3f }%s\n",
                     i == 0 ? "cold" : "warm", entries, (double)(figures_now() - begun) / 1e9,
                     i == 0 ? "," : " }");
    }
    kv_env_free(&env);
    return 0;
}
