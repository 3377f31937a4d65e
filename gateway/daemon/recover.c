// SPDX-License-Identifier: Apache-2.0
//
// From what a former process life has left to a gateway that owes what was owed (ENGINE 2, 7): the journal's
// folder is read, the ledger catches up with it, receipts that were never acknowledged are forgotten, the
// others are queued.
#include "base/log.h"
#include "base/units.h"
#include "daemon/damage.h"
#include "daemon/gateway.h"
#include "daemon/ledger_loop.h"
#include "daemon/worker.h"
#include "forward/archive.h"
#include "forward/receipt.h"
#include "journal/recovery.h"
#include "order/keeper.h"
#include "store/ledger_reader.h"
#include "store/open_index.h"
#include <stdlib.h>

// The store's library calls a full disk a failure of input or output: a person needs to know which it is.
static enum result failed(const struct gateway *gateway, const char *step, enum result result)
{
    struct fs_space space;
    bool is_full = result == ERR_IO && fs_space_get(gateway->platform.fs, &space) == OK && space.free < MIB;
    log_event(LOG_GATEWAY_RECOVERY_FAILED, log_text(step),
              log_text(is_full ? "the disk of the data folder is full" : result_text(result)));
    return result;
}

static bool segment_is_needed(void *arg, uint16_t stream, uint32_t segment)
{
    const struct gateway *gateway = arg;
    return ledger_live_count(gateway->ledger, stream, segment) > 0;
}

static enum result journal_scan(struct gateway *gateway)
{
    struct journal_floor *floors = calloc(LEDGER_STREAMS_MAX, sizeof *floors);
    if (floors == NULL)
        return ERR_NOMEM;
    size_t count = ledger_floors_get(gateway->ledger, floors, LEDGER_STREAMS_MAX);
    struct journal_recovery report;
    journal_recovery_ask(gateway->journal, segment_is_needed, gateway);
    enum result result =
        journal_recover(gateway->journal, floors, count < LEDGER_STREAMS_MAX ? count : LEDGER_STREAMS_MAX,
                        ledger_life_floor(gateway->ledger), 0, &report);
    free(floors);
    if (result != OK)
        return result;
    gateway->recovery.torn = report.records_torn;
    gateway->recovery.corrupt = report.records_corrupt;
    gateway->recovery.dropped = report.receipts_dropped;
    if (report.records_corrupt > 0)
        log_event(LOG_JOURNAL_CORRUPT, log_number(report.records_corrupt));
    return OK;
}

// A ledger that was lost knows the numbers that were used only after it has read what there is.
static enum result numbers_raise(struct gateway *gateway)
{
    struct journal_floor *floors = calloc(LEDGER_STREAMS_MAX, sizeof *floors);
    if (floors == NULL)
        return ERR_NOMEM;
    size_t count = ledger_floors_get(gateway->ledger, floors, LEDGER_STREAMS_MAX);
    enum result result = journal_floors_raise(gateway->journal, floors,
                                              count < LEDGER_STREAMS_MAX ? count : LEDGER_STREAMS_MAX);
    free(floors);
    return result;
}

static enum result ledger_finish(struct gateway *gateway)
{
    enum result result;
    do
        result = ledger_catch_up(gateway->ledger, 0);
    while (result == AGAIN);
    if (result == OK)
        result = numbers_raise(gateway);
    size_t unfinished = 0;
    if (result == OK)
        result = ledger_forget_unfinished(gateway->ledger, &unfinished);
    gateway->recovery.unfinished = unfinished;
    return result;
}

// Counts a delivery that nobody makes any more, because its node was taken out of the configuration.
static void removed_count(struct gateway *gateway, uint16_t id)
{
    struct journal_recovery_figures *figures = &gateway->recovery;
    size_t at = 0;
    while (at < figures->removed_count && figures->removed[at].id != id)
        at++;
    if (at == REMOVED_NODES_MAX) {
        figures->removed_more++;
        return;
    }
    if (at == figures->removed_count)
        figures->removed[figures->removed_count++] = (struct removed_node){.id = id};
    figures->removed[at].receipts++;
}

static void removed_tell(const struct gateway *gateway)
{
    for (size_t i = 0; i < gateway->recovery.removed_count; i++)
        log_event(LOG_NODE_REMOVED, log_number(gateway->recovery.removed[i].id),
                  log_number(gateway->recovery.removed[i].receipts));
    if (gateway->recovery.removed_more > 0)
        log_event(LOG_NODES_REMOVED, log_number(gateway->recovery.removed_more));
}

// A receipt goes back to the worker of its stream; streams of workers that no longer exist are shared out.
static enum result restore_one(void *arg, const struct open_entry *entry)
{
    struct gateway *gateway = arg;
    unsigned index = journal_receipt_stream(entry->receipt) % gateway->platform.workers;
    gateway->recovery.owed++;
    for (size_t i = 0; i < entry->delivery_count; i++)
        if (!delivery_state_settles(entry->deliveries[i].state) &&
            archive_by_id(gateway->workers[index], entry->deliveries[i].archive) == NULL)
            removed_count(gateway, (uint16_t)entry->deliveries[i].archive);
    return receipt_restore(gateway->workers[index], entry);
}

// What status counts goes on where earlier lives stood.
static enum result totals_note(struct gateway *gateway)
{
    struct ledger_stats stats;
    enum result result = ledger_stats_get(gateway->platform.ledger, &stats);
    if (result != OK)
        return result;
    gateway->recovery.received = stats.totals.received;
    gateway->recovery.settled = stats.totals.settled;
    ledger_stats_fini(&stats);
    for (unsigned i = 0; i < gateway->platform.workers; i++)
        gateway->recovery.queued += worker_unsettled(gateway->workers[i]);
    return OK;
}

static enum result life_begin(struct gateway *gateway)
{
    struct record_epoch start = {.kind = RECORD_START,
                                 .epoch = gateway->epoch,
                                 .phase = slice_of_text(gateway->configuration->start_phase->name),
                                 .time = ev_wall_now(gateway->platform.main_loop)};
    return journal_life_begin(gateway->journal, &start);
}

static void on_corrupt(void *arg, const struct journal_entry *entry)
{
    struct gateway *gateway = arg;
    damage_report(gateway->damage, &(struct control_damage){.position = entry->position,
                                                            .bytes = entry->skipped,
                                                            .receipt = entry->receipt,
                                                            .type = entry->header.type,
                                                            .finder = CONTROL_DAMAGE_LEDGER});
}

static void on_commit(void *arg, struct ledger_writer *writer)
{
    const struct gateway *gateway = arg;
    order_keeper_committed(gateway->order, writer);
}

enum result gateway_recover(struct gateway *gateway)
{
    struct ledger_listener listener = {.argument = gateway, .on_commit = on_commit, .on_corrupt = on_corrupt};
    struct ledger_options options = {.batch_receipts = gateway->configuration->ledger.batch};
    enum result result =
        ledger_writer_new(gateway->platform.ledger, gateway->journal, &options, &listener, &gateway->ledger);
    if (result != OK)
        return failed(gateway, "ledger", result);
    result = journal_scan(gateway);
    if (result != OK)
        return failed(gateway, "journal", result);
    result = ledger_finish(gateway);
    if (result != OK)
        return failed(gateway, "ledger catch-up", result);
    result = open_index_each(gateway->platform.ledger, restore_one, gateway);
    if (result != OK)
        return failed(gateway, "owed receipts", result);
    result = totals_note(gateway);
    if (result != OK)
        return failed(gateway, "counters", result);
    removed_tell(gateway);
    result = life_begin(gateway);
    if (result != OK)
        return failed(gateway, "process life", result);
    log_event(LOG_GATEWAY_STARTED, log_number(journal_life(gateway->journal)),
              log_number(gateway->recovery.owed), log_number(gateway->recovery.torn),
              log_number(gateway->recovery.corrupt),
              log_number(gateway->recovery.dropped + gateway->recovery.unfinished));
    return OK;
}
