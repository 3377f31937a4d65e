// SPDX-License-Identifier: Apache-2.0
//
// Cold receipts: the OPEN and CLOSE records are read from the journal and become a content without hot
// chunks.
#include "base/log.h"
#include "base/wipe.h"
#include "forward/lane_private.h"
#include <stdlib.h>

static void on_close_read(struct journal_read *read, enum result result);

// It holds names and numbers of a patient.
void lane_load_buffer_free(struct lane *lane)
{
    if (lane->load_buffer != NULL)
        wipe(lane->load_buffer, JOURNAL_RECORD_MAX);
    free(lane->load_buffer);
    lane->load_buffer = NULL;
}

static void load_end(struct lane *lane)
{
    lane->is_loading = false;
    lane_load_buffer_free(lane);
}

static void load_fail(struct lane *lane, enum result result)
{
    load_end(lane);
    lane_unreadable(lane, result);
}

// The lane whose read has come back; NULL if it died meanwhile, and is buried by this.
static struct lane *load_lane(struct journal_read *read)
{
    struct lane *lane = CONTAINER_OF(read, struct lane, load);
    MAGIC_CHECK(lane, LANE_MAGIC);
    if (!lane->is_dead)
        return lane;
    load_end(lane);
    lane_bury(lane);
    return NULL;
}

static void on_open_read(struct journal_read *read, enum result result)
{
    struct lane *lane = load_lane(read);
    if (lane == NULL)
        return;
    struct journal_header header;
    struct slice body;
    const struct receipt *receipt = lane->delivery->receipt;
    if (result == OK)
        result = journal_read_open(read, JOURNAL_OPEN, receipt->number, UINT32_MAX, &header, &body);
    if (result == OK)
        result = content_new(&lane->worker->window, receipt->number, body, &lane->content);
    if (result != OK) {
        load_fail(lane, result);
        return;
    }
    read->position = receipt->close;
    read->done = on_close_read;
    journal_stream_read(lane->worker->stream, read);
}

static void on_close_read(struct journal_read *read, enum result result)
{
    struct lane *lane = load_lane(read);
    if (lane == NULL)
        return;
    struct journal_header header;
    struct slice body;
    const struct receipt *receipt = lane->delivery->receipt;
    struct record_close *close = malloc(sizeof *close);
    if (close == NULL)
        result = ERR_NOMEM;
    if (result == OK)
        result = journal_read_open(read, JOURNAL_CLOSE, receipt->number, UINT32_MAX, &header, &body);
    if (result == OK)
        result = record_close_decode(body, close);
    if (result == OK)
        result = content_index_set(lane->content, close->index, header.stream, close->length);
    if (result == OK)
        lane->content->flags = close->flags;
    free(close);
    if (result != OK) {
        load_fail(lane, result);
        return;
    }
    lane->delivery->receipt->misses = 0;
    load_end(lane);
    lane_step_later(lane);
}

bool lane_load_begin(struct lane *lane)
{
    lane->load_buffer = malloc(JOURNAL_RECORD_MAX);
    if (lane->load_buffer == NULL)
        return false;
    lane->load = (struct journal_read){
        .position = lane->delivery->receipt->open, .buffer = lane->load_buffer, .done = on_open_read};
    lane->is_loading = true;
    journal_stream_read(lane->worker->stream, &lane->load);
    return true;
}
