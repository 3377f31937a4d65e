// SPDX-License-Identifier: Apache-2.0
// Reading records back for lanes: asks the disk side, opens on the worker. Thread: the worker's.
#include "base/check.h"
#include "stream_state.h"

void journal_stream_read(struct journal_stream *stream, struct journal_read *read)
{
    MAGIC_CHECK(stream, JOURNAL_STREAM_MAGIC);
    ensure(read->done != NULL && read->buffer != NULL && !list_node_is_linked(&read->node));
    read->result = OK;
    read->got = 0;
    read->cancelled = false;
    seal_key_unref(read->key); // of an earlier read that nobody opened
    read->key = NULL;
    read->stream = stream;
    // The disk side serves a read after the buffers that were posted before it.
    const struct journal_buffer *buffer = stream->buffer;
    if (buffer != NULL && read->position.stream == stream->number &&
        read->position.segment == buffer->segment->number && read->position.offset >= buffer->offset)
        stream_post(stream);
    pthread_mutex_lock(&stream->link->lock);
    list_append(&stream->link->reads, &read->node);
    pthread_mutex_unlock(&stream->link->lock);
    ev_wake_signal(&stream->link->disk_wake);
}

void journal_read_cancel(struct journal_read *read)
{
    read->cancelled = true;
}

void stream_reads_answer(struct journal_stream *stream, struct list *answered)
{
    struct list_node *node;
    (void)stream;
    while ((node = list_take_first(answered)) != NULL) {
        struct journal_read *read = CONTAINER_OF(node, struct journal_read, node);
        if (read->cancelled || read->result != OK) {
            seal_key_unref(read->key);
            read->key = NULL;
        }
        read->done(read, read->cancelled ? CLOSED : read->result);
    }
}

enum result journal_read_open(struct journal_read *read, enum journal_record_type type, uint64_t receipt,
                              uint32_t chunk, struct journal_header *header, struct slice *body)
{
    struct seal_key *key = read->key;
    ensure(key != NULL); // once after each read that was OK
    read->key = NULL;
    enum result result = journal_header_decode(read->buffer, header);
    if (result == OK &&
        (header->stream != read->position.stream || header->segment != read->position.segment ||
         header->offset != read->position.offset || (type != 0 && header->type != type) ||
         (receipt != 0 && header->receipt != receipt) || (chunk != UINT32_MAX && header->chunk != chunk)))
        result = ERR_FORMAT;
    if (result == OK)
        result = segment_record_open(read->stream->open_cipher, key, header, read->buffer, body);
    seal_key_unref(key);
    return result;
}
