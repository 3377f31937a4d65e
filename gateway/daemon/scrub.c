// SPDX-License-Identifier: Apache-2.0
#include "daemon/scrub.h"
#include "base/log.h"
#include "base/magic.h"
#include "base/units.h"
#include "daemon/damage.h"
#include "journal/reader.h"
#include "store/ledger.h"
#include "store/ledger_reader.h"
#include <stdlib.h>

#define SCRUB_MAGIC 0x53435231u
#define STEP_BYTES  (256 * KIB) // read at a time: writes wait for no more than that
#define START_NS    (5 * NSEC_PER_SEC)

enum { TRIES = 3 }; // of a place that can not be read

struct scrub {
    uint32_t magic;
    struct gateway *gateway;
    unsigned index; // of the worker
    struct ev_timer timer;
    struct journal_reader *reader; // NULL: the next stream has to be opened
    uint16_t streams[LEDGER_STREAMS_MAX + 1];
    size_t stream_count; // 0: between two passes
    size_t stream_at;
    unsigned failures; // at this place
    // DATA records of this segment that were found good, by rising offset / JOURNAL_ALIGN: what a CLOSE names
    // and is not among them is damaged, even where the reader can not know that it had been durable.
    uint32_t segment;
    uint32_t *good;
    size_t good_count;
    size_t good_capacity;
    bool has_all_good; // else there was no memory for them
    struct record_close *close;
    _Atomic uint64_t passes;
    _Atomic uint64_t records;
    _Atomic uint64_t bytes;
};

static bool is_ours(const struct scrub *scrub, uint16_t stream)
{
    return stream <= JOURNAL_STREAM_MAX ? stream % scrub->gateway->platform.workers == scrub->index
                                        : scrub->index == 0;
}

static void pass_begin(struct scrub *scrub)
{
    size_t count = journal_streams_get(scrub->gateway->journal, scrub->streams,
                                       sizeof scrub->streams / sizeof scrub->streams[0]);
    scrub->stream_at = scrub->stream_count = 0;
    for (size_t i = 0; i < count && i < sizeof scrub->streams / sizeof scrub->streams[0]; i++)
        if (is_ours(scrub, scrub->streams[i]))
            scrub->streams[scrub->stream_count++] = scrub->streams[i];
}

static void stream_leave(struct scrub *scrub)
{
    journal_reader_free(scrub->reader);
    scrub->reader = NULL;
    scrub->failures = 0;
    scrub->segment = 0;
}

static enum result stream_enter(struct scrub *scrub, struct journal_position at)
{
    stream_leave(scrub);
    return journal_reader_new(scrub->gateway->journal, at, JOURNAL_READER_AUTHENTICATE_DATA, &scrub->reader);
}

static void found(struct scrub *scrub, struct journal_position position, uint64_t bytes, uint64_t receipt,
                  uint8_t type)
{
    damage_report(scrub->gateway->damage, &(struct control_damage){.position = position,
                                                                   .bytes = bytes,
                                                                   .receipt = receipt,
                                                                   .type = type,
                                                                   .finder = CONTROL_DAMAGE_SCRUB});
}

// ---- what must be good although the reader can not know it: the last records before the end of a life ----

static void good_note(struct scrub *scrub, const struct journal_entry *entry)
{
    if (scrub->segment != entry->position.segment) {
        scrub->segment = entry->position.segment;
        scrub->good_count = 0;
        scrub->has_all_good = true;
    }
    if (entry->kind != JOURNAL_ENTRY_RECORD || entry->header.type != JOURNAL_DATA)
        return;
    if (scrub->good_count == scrub->good_capacity) {
        size_t capacity = scrub->good_capacity == 0 ? 1024 : 2 * scrub->good_capacity;
        uint32_t *larger = realloc(scrub->good, capacity * sizeof *larger);
        if (larger == NULL) {
            scrub->has_all_good = false;
            return;
        }
        scrub->good = larger;
        scrub->good_capacity = capacity;
    }
    scrub->good[scrub->good_count++] = (uint32_t)(entry->position.offset / JOURNAL_ALIGN);
}

static bool is_good(const struct scrub *scrub, uint32_t block)
{
    size_t low = 0, high = scrub->good_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scrub->good[middle] < block)
            low = middle + 1;
        else
            high = middle;
    }
    return low < scrub->good_count && scrub->good[low] == block;
}

// Whether it is a record of a receipt that is owed, and the ledger knows it at this place: that was complete
// and authentic at recovery. Records of dropped receipts, and of copies that were not completed, may be torn.
static bool is_owed_here(const struct scrub *scrub, const struct journal_entry *entry)
{
    struct ledger_fact fact;
    struct journal_position at = entry->position;
    fact_init(&fact);
    bool is_owed = ledger_find_receipt(scrub->gateway->platform.ledger, entry->receipt, &fact) == OK &&
                   fact.state == FACT_DURABLE && fact.open.stream == at.stream &&
                   fact.close.stream == at.stream && journal_position_compare(fact.open, at) <= 0 &&
                   journal_position_compare(at, fact.close) <= 0;
    fact_fini(&fact);
    return is_owed;
}

// Of what lies in this segment; the rest was seen before, or is seen when it is read for sending.
static void close_check(struct scrub *scrub, const struct journal_entry *entry)
{
    if (!scrub->has_all_good || record_close_decode(entry->body, scrub->close) != OK)
        return;
    struct slice index = scrub->close->index;
    for (uint32_t i = 0; i < journal_index_count(index); i++) {
        struct journal_position at = journal_index_get(index, i, entry->position.stream);
        if (at.segment != entry->position.segment || is_good(scrub, (uint32_t)(at.offset / JOURNAL_ALIGN)))
            continue;
        if (!is_owed_here(scrub, entry))
            return;
        found(scrub, at, 0, entry->receipt, JOURNAL_DATA);
    }
}

// Nothing is skipped where the record is good and only belongs to nothing complete.
static void torn_check(struct scrub *scrub, const struct journal_entry *entry)
{
    if (entry->skipped > 0 && entry->receipt != 0 && entry->header.type <= JOURNAL_CLOSE &&
        is_owed_here(scrub, entry))
        found(scrub, entry->position, entry->skipped, entry->receipt, entry->header.type);
}

static void entry_take(struct scrub *scrub, const struct journal_entry *entry)
{
    good_note(scrub, entry);
    if (entry->kind == JOURNAL_ENTRY_CORRUPT)
        found(scrub, entry->position, entry->skipped, entry->receipt, entry->header.type);
    else if (entry->kind == JOURNAL_ENTRY_TORN)
        torn_check(scrub, entry);
    else if (entry->kind == JOURNAL_ENTRY_RECORD && entry->header.type == JOURNAL_CLOSE)
        close_check(scrub, entry);
    if (entry->kind == JOURNAL_ENTRY_RECORD)
        atomic_fetch_add_explicit(&scrub->records, 1, memory_order_relaxed);
}

// Something can not be read. It is tried again; if that does not help, it is damage too, and the rest of the
// segment is left out.
static void read_failed(struct scrub *scrub, enum result result)
{
    struct journal_position at = journal_reader_position(scrub->reader);
    if (++scrub->failures < TRIES)
        return;
    struct journal_segment_info info;
    bool is_there = journal_segments_get(scrub->gateway->journal, at.stream, at.segment, &info, 1) == 1;
    log_event(LOG_SCRUB_FAILED, log_number(at.stream), log_number(at.segment), log_number(at.offset),
              log_text(result_text(result)));
    if (is_there && info.segment == at.segment && result != ERR_NOMEM)
        found(scrub, at, 0, 0, 0);
    at.segment = is_there ? info.segment + 1 : at.segment + 1;
    at.offset = 0;
    if (stream_enter(scrub, at) != OK) {
        stream_leave(scrub);
        scrub->stream_at++;
    }
}

// One entry. Returns the bytes that it took.
static uint64_t entry_check(struct scrub *scrub)
{
    struct journal_entry entry;
    enum result result = journal_reader_next(scrub->reader, &entry);
    if (result == AGAIN) {
        stream_leave(scrub);
        scrub->stream_at++;
        return 0;
    }
    if (result != OK) {
        read_failed(scrub, result);
        return STEP_BYTES;
    }
    scrub->failures = 0;
    entry_take(scrub, &entry);
    return entry.next.offset - entry.position.offset;
}

static uint64_t step(struct scrub *scrub)
{
    uint64_t bytes = 0;
    while (bytes < STEP_BYTES && scrub->stream_at < scrub->stream_count) {
        if (scrub->reader == NULL &&
            stream_enter(scrub, (struct journal_position){.stream = scrub->streams[scrub->stream_at]}) != OK)
            break;
        bytes += entry_check(scrub);
    }
    atomic_fetch_add_explicit(&scrub->bytes, bytes, memory_order_relaxed);
    return bytes;
}

static void on_timer(void *arg)
{
    struct scrub *scrub = arg;
    MAGIC_CHECK(scrub, SCRUB_MAGIC);
    const struct configuration_journal *conf = &scrub->gateway->configuration->journal;
    if (scrub->stream_count == 0)
        pass_begin(scrub);
    uint64_t bytes = step(scrub);
    if (scrub->stream_at >= scrub->stream_count) {
        scrub->stream_count = 0;
        atomic_fetch_add(&scrub->passes, 1);
        ev_timer_start(&scrub->timer, conf->scrub_pause_ns);
        return;
    }
    uint64_t rate = conf->scrub_rate_bytes / scrub->gateway->platform.workers;
    ev_timer_start(&scrub->timer, bytes * NSEC_PER_SEC / (rate == 0 ? 1 : rate) + NSEC_PER_MS);
}

void scrub_figures_add(const struct scrub *scrub, struct scrub_figures *figures)
{
    figures->passes += atomic_load_explicit(&scrub->passes, memory_order_relaxed);
    figures->records += atomic_load_explicit(&scrub->records, memory_order_relaxed);
    figures->bytes += atomic_load_explicit(&scrub->bytes, memory_order_relaxed);
}

enum result scrub_new(struct gateway *gateway, unsigned worker, struct scrub **out)
{
    struct scrub *scrub = calloc(1, sizeof *scrub);
    if (scrub == NULL)
        return ERR_NOMEM;
    scrub->close = calloc(1, sizeof *scrub->close);
    if (scrub->close == NULL) {
        free(scrub);
        return ERR_NOMEM;
    }
    MAGIC_INIT(scrub, SCRUB_MAGIC);
    scrub->gateway = gateway;
    scrub->index = worker;
    ev_timer_init(&scrub->timer, gateway->platform.disk_loops[worker], on_timer, scrub);
    if (gateway->configuration->journal.scrub_rate_bytes > 0)
        ev_timer_start(&scrub->timer, START_NS);
    *out = scrub;
    return OK;
}

void scrub_free(struct scrub *scrub)
{
    if (scrub == NULL)
        return;
    MAGIC_CHECK(scrub, SCRUB_MAGIC);
    ev_timer_fini(&scrub->timer);
    stream_leave(scrub);
    free(scrub->good);
    free(scrub->close);
    MAGIC_CLEAR(scrub);
    free(scrub);
}
