// SPDX-License-Identifier: Apache-2.0
//
// What a copy in the journal knows of its receipt's deliveries: from the fact when it is made, into the fact
// when a ledger is made anew and the segments with the SENT and OUTCOME records have gone. Thread: the ledger
// thread.
#include "ledger_internal.h"
#include <stdlib.h>

// ---- from the fact

static struct slice text_of(const char *text)
{
    return text == NULL ? slice_of(NULL, 0) : slice_of_text(text);
}

static struct record_delivery known_of(const struct fact_delivery *delivery)
{
    struct record_delivery known = {
        .archive = delivery->archive,
        .state = (uint8_t)delivery->state,
        .settled_by = delivery->settled_by,
        .resent = delivery->resent,
        .is_released = delivery->is_released,
        .has_status = delivery->has_status,
        .status = delivery->status,
        .attempts = delivery->attempts,
        .failures = delivery->failures,
        .sent_at = delivery->sent_at,
        .outcome_at = delivery->outcome_at,
        .remark = text_of(delivery->remark),
        .person = text_of(delivery->person),
        .has_header = delivery->has_header,
        .crosswalk = delivery->crosswalk,
        .flags = delivery->flags,
        .reason = text_of(delivery->flag_reason[0]),
    };
    memcpy(known.header, delivery->header, sizeof known.header);
    memcpy(known.edits, delivery->edits, sizeof known.edits);
    memcpy(known.pack, delivery->pack, sizeof known.pack);
    return known;
}

static struct journal_position later(struct journal_position a, struct journal_position b)
{
    return journal_position_compare(a, b) >= 0 ? a : b;
}

// Where the fact's knowledge of a stream ends: a copy may have told more than the ledger has read itself.
static struct journal_position knowledge(const struct ledger_fact *fact, struct journal_position read)
{
    for (size_t i = 0; i < fact->upto_count; i++)
        if (fact->upto[i].stream == read.stream)
            return later(read, fact->upto[i]);
    return read;
}

void ledger_known_make(const struct ledger_writer *writer, const struct ledger_fact *fact,
                       struct record_known *known)
{
    known->stream_count = known->delivery_count = 0;
    // Streams of workers that ever were; were there more, the reports in those left out would count again.
    for (size_t i = 0; i < writer->stream_count; i++) {
        struct journal_position end = knowledge(fact, writer->streams[i].committed);
        if (end.stream <= JOURNAL_STREAM_MAX && end.segment != 0 &&
            known->stream_count < RECORD_KNOWN_STREAMS_MAX)
            known->upto[known->stream_count++] = end;
    }
    for (size_t i = 0; i < fact->delivery_count; i++)
        if (fact->deliveries[i].owed && known->delivery_count < RECORD_ARCHIVES_MAX)
            known->deliveries[known->delivery_count++] = known_of(&fact->deliveries[i]);
}

// ---- into the fact

// All positions, of any copy and of any ledger of this journal, are of one history: either the fact has
// everything that the copy knows, or nothing that the copy does not know.
static bool is_news(const struct ledger_writer *writer, const struct ledger_fact *fact,
                    const struct record_known *known)
{
    for (size_t i = 0; i < known->stream_count; i++) {
        struct journal_position applied = {.stream = known->upto[i].stream};
        for (size_t s = 0; s < writer->stream_count; s++)
            if (writer->streams[s].number == known->upto[i].stream)
                applied = writer->streams[s].applied;
        if (journal_position_compare(knowledge(fact, applied), known->upto[i]) < 0)
            return true;
    }
    return false;
}

static enum result delivery_take(struct ledger_fact *fact, const struct record_delivery *known)
{
    struct fact_delivery *delivery = NULL;
    enum result result = fact_delivery_get(fact, known->archive, &delivery);
    if (result == OK)
        result = fact_text_set(&delivery->remark, known->remark);
    if (result == OK)
        result = fact_text_set(&delivery->person, known->person);
    const struct record_flags flags = {known->flags, known->flags > 0, {known->reason}};
    if (result == OK)
        result = fact_flags_set(delivery, &flags);
    if (result != OK)
        return result;
    if (known->state > 0 && known->state < DELIVERY_STATES)
        delivery->state = (enum delivery_state)known->state;
    delivery->settled_by = known->settled_by;
    delivery->resent = known->resent;
    delivery->is_released = known->is_released;
    delivery->has_status = known->has_status;
    delivery->status = known->status;
    delivery->attempts = known->attempts;
    delivery->failures = known->failures;
    delivery->sent_at = known->sent_at;
    delivery->outcome_at = known->outcome_at;
    delivery->has_header = known->has_header;
    delivery->crosswalk = known->crosswalk;
    memcpy(delivery->header, known->header, sizeof delivery->header);
    memcpy(delivery->edits, known->edits, sizeof delivery->edits);
    memcpy(delivery->pack, known->pack, sizeof delivery->pack);
    return OK;
}

// These segments were there, even if nothing is left of them: their numbers must not be used again, or the
// reports in the new ones would be taken for known.
static enum result numbers_note(struct ledger_writer *writer, const struct record_known *known)
{
    for (size_t i = 0; i < known->stream_count; i++) {
        struct ledger_stream *stream = NULL;
        if (known->upto[i].stream > JOURNAL_STREAM_MAX)
            continue;
        enum result result = ledger_stream_get(writer, known->upto[i].stream, &stream);
        if (result != OK)
            return result;
        if (known->upto[i].segment > stream->segment_high) {
            stream->segment_high = known->upto[i].segment;
            writer->marks_moved = true;
        }
    }
    return OK;
}

enum result ledger_known_take(struct ledger_writer *writer, struct ledger_fact *fact, struct slice encoded)
{
    enum result result = OK;
    if (encoded.length == 0)
        return OK; // not a copy, or one of an older version
    struct record_known *known = malloc(sizeof *known);
    if (known == NULL)
        return ERR_NOMEM;
    if (record_known_decode(encoded, known) != OK) {
        writer->counters.skipped++; // to deliver again is better than to know nothing of the receipt
        goto out;
    }
    if (!is_news(writer, fact, known))
        goto out;
    result = numbers_note(writer, known);
    for (size_t i = 0; result == OK && i < known->delivery_count; i++)
        result = delivery_take(fact, &known->deliveries[i]);
    fact->upto_count = 0;
    for (size_t i = 0; result == OK && i < known->stream_count; i++)
        result = fact_upto_add(fact, known->upto[i]);
out:
    free(known);
    return result == ERR_LIMIT ? OK : result;
}

bool ledger_known_has(const struct ledger_fact *fact, struct journal_position report)
{
    for (size_t i = 0; i < fact->upto_count; i++)
        if (fact->upto[i].stream == report.stream)
            return journal_position_compare(report, fact->upto[i]) < 0;
    return false;
}
