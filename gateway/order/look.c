// SPDX-License-Identifier: Apache-2.0
//
// What has become of the references of a rejection note, as the ledger knows it. Thread: the look-up thread.
#include "base/grow.h"
#include "daemon/gateway.h"
#include "dcm/syntax.h"
#include "journal/reader.h"
#include "order/note.h"
#include "store/ledger_reader.h"
#include <stdlib.h>

enum { NEWEST = 256, NEWEST_OF_STREAM = 16 };

// ---- the references, from the journalled data set ----

static enum result entries_feed(const struct gateway *gateway, const struct ledger_fact *fact,
                                struct references *references)
{
    struct journal_reader *reader;
    struct journal_entry entry = {0};
    enum result result =
        journal_reader_new(gateway->journal, fact->open, JOURNAL_READER_AUTHENTICATE_DATA, &reader);
    if (result != OK)
        return result;
    while (result == OK && journal_position_compare(journal_reader_position(reader), fact->close) < 0) {
        result = journal_reader_next(reader, &entry);
        if (result == OK && entry.kind == JOURNAL_ENTRY_RECORD && entry.receipt == fact->receipt &&
            entry.header.type == JOURNAL_DATA)
            references_feed(references, entry.body);
    }
    journal_reader_free(reader);
    return result;
}

static enum result references_read(const struct gateway *gateway, const struct ledger_fact *fact,
                                   struct order_look *look)
{
    struct references *references = NULL;
    if (fact->open.segment == 0 || fact->close.segment == 0 || fact->transfer_syntax == NULL)
        return AGAIN;
    enum result result = references_new(slice_of_text(fact->transfer_syntax),
                                        gateway_limits(gateway)->inflated_bytes, &references);
    if (result == OK)
        result = entries_feed(gateway, fact, references);
    if (result == ERR_FORMAT || result == ERR_LIMIT)
        result = ERR_IO; // of the journal: asked again
    if (result == OK)
        result = references_end(references);
    if (result == OK)
        result = references_take(references, &look->references, &look->count);
    references_free(&references);
    return result;
}

// ---- what has become of them ----

static enum result known_add(struct order_look *look, uint64_t receipt)
{
    enum result result = ARRAY_GROW(look->known, look->known_capacity, look->known_count + 1);
    if (result == OK)
        look->known[look->known_count++] = receipt;
    return result;
}

static enum result mark_add(struct order_look *look, uint64_t receipt, size_t archive)
{
    enum result result = ARRAY_GROW(look->marks, look->mark_capacity, look->mark_count + 1);
    if (result == OK)
        look->marks[look->mark_count++] = (struct order_mark){receipt, archive};
    return result;
}

// NOTE_NONE: owed no more, and nothing to reject.
static enum order_note_stage stage_of(enum delivery_state state)
{
    switch (state) {
    case DELIVERY_OWED:
    case DELIVERY_SENT:
        return NOTE_WAITS;
    case DELIVERY_PARKED:
    case DELIVERY_HELD:
        return NOTE_STUCK;
    case DELIVERY_ANSWERED:
    case DELIVERY_SETTLED:
        return NOTE_READY;
    case DELIVERY_SUPERSEDED:
    case DELIVERY_REJECTED:
    case DELIVERY_DROPPED:
        return NOTE_NONE;
    }
    return NOTE_NONE;
}

// What may still go by itself is waited for before a person is asked.
static void stage_lower(uint8_t *stage, enum order_note_stage other)
{
    if (other != NOTE_NONE && (uint8_t)other < *stage)
        *stage = (uint8_t)other;
}

static enum result fact_look(const struct gateway *gateway, const struct order_ask *ask,
                             const struct ledger_fact *fact)
{
    struct order_look *look = ask->look;
    bool is_durable = fact->state == FACT_DURABLE || fact->state == FACT_SETTLED;
    enum result result = known_add(look, fact->receipt);
    if (!is_durable || fact->order > ask->order || fact->receipt == ask->receipt)
        return result;
    for (size_t i = 0; result == OK && i < gateway->node_count; i++) {
        const struct fact_delivery *delivery = fact_delivery_find(fact, gateway->nodes[i].conf->id);
        enum order_note_stage stage =
            delivery != NULL && delivery->owed ? stage_of(delivery->state) : NOTE_NONE;
        stage_lower(&look->stages[i], stage);
        if (stage != NOTE_NONE)
            result = mark_add(look, fact->receipt, i);
    }
    return result;
}

static enum result reference_look(const struct gateway *gateway, const struct order_ask *ask,
                                  const reference hash)
{
    uint64_t numbers[NEWEST];
    size_t count = 0;
    enum result result =
        ledger_sop_receipts(gateway->platform.ledger, hash, numbers, NEWEST, NEWEST_OF_STREAM, &count);
    for (size_t i = 0; result == OK && i < count; i++) {
        struct ledger_fact fact;
        fact_init(&fact);
        result = ledger_find_receipt(gateway->platform.ledger, numbers[i], &fact);
        if (result == OK)
            result = fact_look(gateway, ask, &fact);
        else if (result == ERR_MISSING || result == ERR_FORMAT)
            result = OK; // nothing that could be sent
        fact_fini(&fact);
    }
    return result == ERR_FORMAT || result == ERR_LIMIT ? ERR_IO : result;
}

void order_look_run(const struct gateway *gateway, struct order_ask *ask)
{
    struct order_look *look = ask->look;
    struct ledger_fact fact;
    fact_init(&fact);
    memset(look->stages, NOTE_READY, gateway->node_count);
    look->result = ledger_find_receipt(gateway->platform.ledger, ask->receipt, &fact);
    if (look->result == ERR_FORMAT)
        look->result = ERR_IO;
    if (look->result == OK)
        look->result = references_read(gateway, &fact, look);
    for (size_t i = 0; look->result == OK && i < look->count; i++)
        look->result = reference_look(gateway, ask, look->references[i]);
    fact_fini(&fact);
}
